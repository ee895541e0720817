/* SPDX-License-Identifier: MIT */
/* T=1 on the reader's side, block by block (ISO/IEC 7816-3:2006, 11.6.2). */
#include "iso7816_t1_host_kit.h"

static void sequence_numbers_alternate_over_exchanges(void **state)
{
    begin();
    start("AA", 300);
    expect_sent("00 40 01 AA");
    receive("00 40 02 90 00");
    expect_reply("90 00");
    start("BB", 300);
    expect_sent("00 00 01 BB");
    receive("00 00 02 90 00");
    expect_reply("90 00");
}

static void crc_is_sent_and_checked(void **state)
{
    const struct iso7816_t1_config config = {.edc = ISO7816_EDC_CRC, .ifsc = 32, .ifsd = 32};
    uint8_t answer[] = {0x00, 0xE1, 0x01, 0xFE, 0x57, 0x75};

    iso7816_t1_host_init(&h, &config, 0xFE);
    start("AA", 300);
    assert_bytes(h.tx, h.tx_size, "00 C1 01 FE 54 4E");
    answer[5] ^= 1;
    action = iso7816_t1_host_receive(&h, answer, sizeof answer, true);
    assert_bytes(h.tx, h.tx_size, "00 C1 01 FE 54 4E"); /* S(request) again (7.3) */
    answer[5] ^= 1;
    action = iso7816_t1_host_receive(&h, answer, sizeof answer, true);
    assert_int_equal(action, ISO7816_T1_SEND);
    assert_bytes(h.tx, h.tx_size, "00 00 01 AA 10 A9");
}

static void crc_can_be_microsofts(void **state)
{
    const struct iso7816_t1_config config = {.edc = ISO7816_EDC_CRC_A001, .ifsc = 32, .ifsd = 32};
    static const uint8_t answer[] = {0x00, 0xE1, 0x01, 0xFE, 0x26, 0xD0};

    iso7816_t1_host_init(&h, &config, 0xFE);
    start("AA", 300);
    assert_bytes(h.tx, h.tx_size, "00 C1 01 FE EC D1");
    action = iso7816_t1_host_receive(&h, answer, sizeof answer, true);
    assert_int_equal(action, ISO7816_T1_SEND);
    assert_bytes(h.tx, h.tx_size, "00 00 01 AA EF 81");
}

static void ifsd_is_told_before_the_first_exchange(void **state)
{
    init(0, 32, 254);
    start("AA", 300);
    expect_sent("00 C1 01 FE");
    receive("00 E1 01 FE");
    expect_sent("00 00 01 AA");
    receive("00 00 02 90 00");
    expect_reply("90 00");
    start("BB", 300);
    expect_sent("00 40 01 BB");
}

static void node_addresses_change_places(void **state)
{
    init(0x21, 32, 0);
    start("AA", 300);
    expect_sent("21 00 01 AA");
    receive("21 00 02 90 00"); /* not swapped: not for us */
    expect_sent("21 82 00");
    receive("12 00 02 90 00");
    expect_reply("90 00");
}

static void command_longer_than_ifsc_is_chained(void **state)
{
    init(0, 3, 0);
    start("01 02 03 04 05 06 07", 300);
    expect_sent("00 20 03 01 02 03");
    receive("00 90 00");
    expect_sent("00 60 03 04 05 06");
    receive("00 80 00");
    expect_sent("00 00 01 07");
    receive("00 00 02 90 00");
    expect_reply("90 00");
}

static void chained_answer_is_acknowledged_and_joined(void **state)
{
    init(0, 32, 0);
    start("AA", 300);
    receive("00 20 02 01 02");
    expect_sent("00 90 00");
    receive("00 60 02 03 04");
    expect_sent("00 80 00");
    receive("00 00 02 90 00");
    expect_reply("01 02 03 04 90 00");
}

static void card_may_change_ifsc_between_blocks(void **state)
{
    init(0, 3, 0);
    start("01 02 03 04 05 06 07", 300);
    expect_sent("00 20 03 01 02 03");
    receive("00 C1 01 02");
    expect_sent("00 E1 01 02");
    receive("00 90 00");
    expect_sent("00 60 02 04 05");
    receive("00 80 00");
    expect_sent("00 00 02 06 07");
}

static void retransmission_repeats_the_same_block_though_ifsc_changed(void **state)
{
    init(0, 3, 0);
    start("01 02 03 04", 300);
    receive("00 C1 01 02");
    receive("00 82 00");
    expect_sent("00 20 03 01 02 03");
}

static void waiting_time_extension_is_granted_for_one_block(void **state)
{
    begin();
    start("AA", 300);
    assert_int_equal(h.wtx, 0);
    receive("00 C3 01 05");
    expect_sent("00 E3 01 05");
    assert_int_equal(h.wtx, 5);
    assert_int_equal(h.waiting_time_extensions, 1);
    nothing();
    expect_sent("00 92 00");
    assert_int_equal(h.wtx, 0);
    receive("00 40 02 90 00");
    expect_reply("90 00");
}

static void card_s_abort_is_answered_and_r_gives_the_turn_back(void **state)
{
    init(0, 1, 0);
    start("AA BB CC", 300);
    receive("00 C2 00");
    expect_sent("00 E2 00");
    receive("00 90 00");
    expect_sent("00 C0 00"); /* no rule says which number the aborted block leaves behind */
    receive("00 E0 00");
    expect_error(ISO7816_T1_ABORTED);
    start("DD", 300);
    expect_sent("00 00 01 DD");
    receive("00 00 02 90 00");
    expect_reply("90 00");
}

static void card_that_aborts_its_answer_may_give_another(void **state)
{
    init(0, 32, 0);
    start("AA", 300);
    receive("00 20 02 01 02");
    expect_sent("00 90 00");
    receive("00 C2 00");
    expect_sent("00 E2 00");
    receive("00 40 02 67 00");
    expect_reply("67 00");
    start("BB", 300);
    expect_sent("00 40 01 BB");
}

static void abort_ends_a_chain_of_ours(void **state)
{
    init(0, 1, 0);
    start("AA BB CC", 300);
    iso7816_t1_host_abort(&h);
    receive("00 90 00");
    expect_sent("00 C2 00");
    nothing();
    expect_sent("00 C2 00");
    receive("00 E2 00");
    expect_sent("00 C0 00");
    receive("00 E0 00");
    expect_error(ISO7816_T1_ABORTED);
    start("DD", 300);
    expect_sent("00 00 01 DD");
}

static void abort_ends_a_chain_of_the_card(void **state)
{
    init(0, 32, 0);
    start("AA", 300);
    iso7816_t1_host_abort(&h);
    receive("00 20 01 01");
    expect_sent("00 C2 00");
    receive("00 E2 00");
    expect_sent("00 C0 00");
    receive("00 E0 00");
    expect_error(ISO7816_T1_ABORTED);
}

static void abort_without_a_chain_does_nothing(void **state)
{
    init(0, 32, 0);
    start("AA", 300);
    iso7816_t1_host_abort(&h);
    receive("00 00 02 90 00");
    expect_reply("90 00");
    start("BB CC", 300);
    receive("00 60 02 90 00");
    expect_sent("00 80 00");
}

static void answer_that_does_not_fit_is_an_error_in_step(void **state)
{
    init(0, 32, 0);
    start("AA", 3);
    receive("00 00 04 01 02 90 00");
    expect_error(ISO7816_T1_NO_ROOM);
    start("BB", 3);
    expect_sent("00 40 01 BB");
    receive("00 60 02 01 02");
    receive("00 20 02 03 04");
    expect_sent("00 C2 00"); /* no use in the rest of the chain */
    receive("00 E2 00");
    expect_sent("00 C0 00");
    receive("00 E0 00");
    expect_error(ISO7816_T1_NO_ROOM);
    start("CC", 0);
    expect_sent("00 00 01 CC");
    receive("00 00 00");
    expect_reply("");
}

static void empty_command_is_an_empty_i_block(void **state)
{
    init(0, 32, 0);
    action = iso7816_t1_host_start(&h, NULL, 0, NULL, 0);
    expect_sent("00 00 00");
    receive("00 00 00");
    expect_reply("");
}

static void length_of_a_block_follows_from_its_prologue(void **state)
{
    static const uint8_t block[] = {0x00, 0x00, 0x05}, most[] = {0x00, 0x00, 0xFE}, invalid[] = {0x00, 0x00, 0xFF};

    assert_int_equal(iso7816_t1_expected(block, 0, false), 4);
    assert_int_equal(iso7816_t1_expected(block, 2, true), 4);
    assert_int_equal(iso7816_t1_expected(block, 3, false), 9);
    assert_int_equal(iso7816_t1_expected(block, 3, true), 10);
    assert_int_equal(iso7816_t1_expected(most, 3, true), 259);
    assert_int_equal(iso7816_t1_expected(invalid, 3, true), 259);
    assert_int_equal(ISO7816_T1_BLOCK_MAX, 259);
}

static void number_acknowledges_whatever_the_error_bits_say(void **state)
{
    init(0, 1, 0);
    start("AA BB CC", 300);
    receive("00 91 00");
    expect_sent("00 60 01 BB");
    receive("00 82 00");
    expect_sent("00 00 01 CC");
    assert_int_equal(h.retransmissions, 0);
}

static void waiting_time_extension_by_0_is_answered_and_none(void **state)
{
    begin();
    start("AA", 300);
    receive("00 C3 01 00");
    expect_sent("00 E3 01 00");
    assert_int_equal(h.wtx, 0);
    receive("00 40 02 90 00");
    expect_reply("90 00");
}

static void reserved_node_addresses_are_not_sent(void **state)
{
    static const struct {
        uint8_t nad;
        const char *sent;
    } rows[] = {{0x11, "00 00 01 AA"}, {0x77, "00 00 01 AA"}, {0xFF, "00 00 01 AA"}, {0xA9, "21 00 01 AA"}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        init(rows[i].nad, 32, 0);
        start("AA", 300);
        expect_sent(rows[i].sent);
    }
}

static void blocks_of_a_chain_may_be_empty(void **state)
{
    init(0, 32, 0);
    start("AA", 300);
    receive("00 20 00");
    expect_sent("00 90 00");
    receive("00 60 02 90 00");
    expect_sent("00 80 00");
    receive("00 00 00");
    expect_reply("90 00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequence_numbers_alternate_over_exchanges),
        cmocka_unit_test(crc_is_sent_and_checked),
        cmocka_unit_test(crc_can_be_microsofts),
        cmocka_unit_test(ifsd_is_told_before_the_first_exchange),
        cmocka_unit_test(node_addresses_change_places),
        cmocka_unit_test(command_longer_than_ifsc_is_chained),
        cmocka_unit_test(chained_answer_is_acknowledged_and_joined),
        cmocka_unit_test(card_may_change_ifsc_between_blocks),
        cmocka_unit_test(retransmission_repeats_the_same_block_though_ifsc_changed),
        cmocka_unit_test(waiting_time_extension_is_granted_for_one_block),
        cmocka_unit_test(card_s_abort_is_answered_and_r_gives_the_turn_back),
        cmocka_unit_test(card_that_aborts_its_answer_may_give_another),
        cmocka_unit_test(abort_ends_a_chain_of_ours),
        cmocka_unit_test(abort_ends_a_chain_of_the_card),
        cmocka_unit_test(abort_without_a_chain_does_nothing),
        cmocka_unit_test(answer_that_does_not_fit_is_an_error_in_step),
        cmocka_unit_test(empty_command_is_an_empty_i_block),
        cmocka_unit_test(length_of_a_block_follows_from_its_prologue),
        cmocka_unit_test(number_acknowledges_whatever_the_error_bits_say),
        cmocka_unit_test(waiting_time_extension_by_0_is_answered_and_none),
        cmocka_unit_test(reserved_node_addresses_are_not_sent),
        cmocka_unit_test(blocks_of_a_chain_may_be_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
