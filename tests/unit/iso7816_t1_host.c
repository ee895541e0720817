/* SPDX-License-Identifier: MIT */
/* T=1 on the reader's side, block by block (ISO/IEC 7816-3:2006, 11.6). Blocks are written without their LRC. */
#include "iso7816_support.h"
#include "../../src/iso7816/t1.h"

static struct iso7816_t1_host h;
static enum iso7816_t1_action action;
static uint8_t command[600], reply_buffer[600];

static void init(uint8_t nad, uint8_t ifsc, uint8_t ifsd_wanted)
{
    const struct iso7816_t1_config config = {.nad = nad, .ifsc = ifsc, .ifsd = 32};

    iso7816_t1_host_init(&h, &config, ifsd_wanted);
}

static void start(const char *text, size_t room)
{
    action = iso7816_t1_host_start(&h, command, hex(text, command, sizeof command), reply_buffer, room);
}

/* The card's block, its LRC added, off by `error`. */
static void receive_wrong(const char *text, uint8_t error)
{
    uint8_t bytes[300], lrc = error, *copy;
    size_t size = hex(text, bytes, sizeof bytes);

    for (size_t i = 0; i < size; i++)
        lrc ^= bytes[i];
    bytes[size++] = lrc;
    copy = exact(bytes, size);
    assert_int_equal(action, ISO7816_T1_SEND);
    action = iso7816_t1_host_receive(&h, copy, size, true);
    free(copy);
}

static void receive(const char *text)
{
    receive_wrong(text, 0);
}

static void nothing(void)
{
    assert_int_equal(action, ISO7816_T1_SEND);
    action = iso7816_t1_host_receive(&h, NULL, 0, true);
}

static void check_sent(const char *text, const char *file, int line)
{
    uint8_t lrc = 0;

    _assert_int_equal((uintmax_t)action, ISO7816_T1_SEND, file, line);
    for (size_t i = 0; i < h.tx_size; i++)
        lrc ^= h.tx[i];
    _assert_int_equal(lrc, 0, file, line);
    check_bytes(h.tx, h.tx_size - 1, text, file, line);
}

#define expect_sent(text) check_sent(text, __FILE__, __LINE__)
#define expect_reply(text)                                                                                             \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_T1_DONE);                                                                     \
        assert_bytes(h.reply, h.reply_size, text);                                                                     \
    } while (0)
#define expect_error(why)                                                                                              \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_T1_ERROR);                                                                    \
        assert_int_equal(h.error, why);                                                                                \
    } while (0)

/* After one good exchange: both sequence numbers are 1. */
static void begin(void)
{
    init(0, 32, 0);
    start("00 84 00 00 02", 300);
    expect_sent("00 00 05 00 84 00 00 02");
    receive("00 00 04 01 02 90 00");
    expect_reply("01 02 90 00");
}

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

static void ifs_response_with_another_value_is_no_response(void **state)
{
    init(0, 32, 254);
    start("AA", 300);
    receive("00 E1 01 20");
    expect_sent("00 C1 01 FE");
    receive("00 82 00");
    expect_sent("00 C1 01 FE");
    receive("00 E1 01 FE");
    expect_sent("00 00 01 AA");
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

static void invalid_ifs_requests_are_invalid_blocks(void **state)
{
    init(0, 3, 0);
    start("AA", 300);
    receive("00 C1 01 00");
    expect_sent("00 82 00");
    receive("00 C1 01 FF");
    expect_sent("00 82 00");
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

static void endless_waiting_time_extensions_end(void **state)
{
    begin();
    start("AA", 300);
    for (int i = 0; i < 120; i++)
        receive("00 C3 01 01");
    expect_sent("00 E3 01 01");
    receive("00 C3 01 01");
    expect_error(ISO7816_T1_TOO_MANY_WTX);
    start("AA", 300); /* until the card has been reset */
    expect_error(ISO7816_T1_TOO_MANY_WTX);
    begin();
}

static void wrong_edc_asks_again_with_r_81(void **state)
{
    init(0, 32, 0);
    start("AA", 300);
    receive_wrong("00 00 02 90 00", 0x10);
    expect_sent("00 81 00");
    receive("00 00 02 90 00");
    expect_reply("90 00");
    assert_int_equal(h.retransmissions, 1);
}

static void wrong_parity_asks_again_with_r_81(void **state)
{
    static const uint8_t block[] = {0x00, 0x40, 0x02, 0x90, 0x00, 0xD2};

    begin();
    start("AA", 300);
    action = iso7816_t1_host_receive(&h, block, sizeof block, false);
    expect_sent("00 91 00");
}

static void other_errors_ask_again_with_r_82(void **state)
{
    static const char *const rows[] = {
        "00 40 02 90 00", /* N(S) is not the expected one */
        "00 00 03 90 00", /* LEN is not the length */
        "00 00 01 90 00", /* likewise */
        "00 00 FF 90 00", /* LEN is reserved */
        "00 01 02 90 00", /* PCB of no block */
        "00 83 00",       /* R-block with both errors */
        "00 A0 00",       /* R-block with bit 6 */
        "00 80 01 00",    /* R-block with INF */
        "00 C4 00",       /* S-block of no kind */
        "00 C3 00",       /* WTX without its value */
        "00 C0 00",       /* RESYNCH is the reader's */
        "00 E0 00",       /* a response that nobody asked for */
        "00 90 00",       /* acknowledgement of what is no chain */
        "10 00 02 90 00", /* NAD */
        "00",             /* hardly a block */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        init(0, 32, 0);
        start("AA", 300);
        receive(rows[i]);
        if (h.tx[1] != 0x82)
            fail_msg("%s", rows[i]);
        receive("00 00 02 90 00");
        expect_reply("90 00");
    }
}

static void block_longer_than_ifsd_is_invalid(void **state)
{
    char text[300] = "00 00 21";

    for (int i = 0; i < 33; i++)
        strcat(text, " 5A");
    init(0, 32, 0);
    start("AA", 300);
    receive(text);
    expect_sent("00 82 00");
}

static void r_block_with_our_number_repeats_the_i_block(void **state)
{
    begin();
    start("AA", 300);
    receive("00 91 00");
    expect_sent("00 40 01 AA");
    receive("00 92 00");
    expect_sent("00 40 01 AA");
    receive("00 40 02 90 00");
    expect_reply("90 00");
    assert_int_equal(h.retransmissions, 2);
}

static void third_r_block_with_our_number_asks_for_resynch(void **state)
{
    begin();
    start("AA", 300);
    receive("00 91 00");
    receive("00 91 00");
    receive("00 91 00");
    expect_sent("00 C0 00");
}

static void r_block_repeats_an_r_block_of_ours(void **state)
{
    init(0, 32, 0);
    start("AA", 300);
    receive("00 20 01 01");
    expect_sent("00 90 00");
    receive("00 91 00");
    expect_sent("00 90 00");
    receive("00 40 02 90 00");
    expect_reply("01 90 00");
}

static void t1_third_edc_error_asks_for_resynch(void **state)
{
    begin();
    start("AA", 300);
    receive_wrong("00 40 02 90 00", 1);
    expect_sent("00 91 00");
    receive_wrong("00 40 02 90 00", 1);
    expect_sent("00 91 00");
    receive_wrong("00 40 02 90 00", 1);
    expect_sent("00 C0 00");
    assert_int_equal(h.resynchronisations, 1);
}

static void resynch_sets_numbers_to_0_and_starts_again(void **state)
{
    begin();
    start("AA", 300);
    nothing();
    expect_sent("00 92 00");
    nothing();
    nothing();
    expect_sent("00 C0 00");
    receive("00 E0 00");
    expect_sent("00 00 01 AA");
    receive("00 00 02 90 00");
    expect_reply("90 00");
}

static void resynch_starts_a_chain_from_its_first_block(void **state)
{
    init(0, 1, 0);
    start("AA BB CC", 300);
    receive("00 90 00");
    expect_sent("00 60 01 BB");
    nothing();
    nothing();
    nothing();
    expect_sent("00 C0 00");
    receive("00 E0 00");
    expect_sent("00 20 01 AA");
}

static void resynch_forgets_a_half_answer(void **state)
{
    begin();
    start("AA", 300);
    receive("00 60 02 01 02");
    nothing();
    nothing();
    nothing();
    receive("00 E0 00");
    expect_sent("00 00 01 AA");
    receive("00 00 02 90 00");
    expect_reply("90 00");
}

static void third_failed_resynch_is_the_end(void **state)
{
    begin();
    start("AA", 300);
    nothing();
    nothing();
    nothing();
    expect_sent("00 C0 00");
    receive("00 40 02 90 00");
    expect_sent("00 C0 00");
    receive_wrong("00 E0 00", 4);
    expect_sent("00 C0 00");
    receive_wrong("00 E0 00", 4);
    expect_error(ISO7816_T1_EDC_ERROR);
    assert_int_equal(h.resynchronisations, 3);
    start("AA", 300);
    expect_error(ISO7816_T1_EDC_ERROR);
}

static void before_the_first_valid_block_there_is_no_resynch(void **state)
{
    init(0, 32, 0);
    start("AA", 300);
    nothing();
    expect_sent("00 82 00");
    nothing();
    expect_sent("00 82 00");
    nothing();
    expect_error(ISO7816_T1_NO_ANSWER);
    assert_int_equal(h.resynchronisations, 0);

    init(0, 32, 254);
    start("AA", 300);
    nothing();
    nothing();
    expect_sent("00 C1 01 FE");
    nothing();
    expect_error(ISO7816_T1_NO_ANSWER);
}

static void endless_restarts_end(void **state)
{
    begin();
    start("AA", 300);
    for (int i = 0; i < 4; i++) {
        nothing();
        nothing();
        nothing();
        expect_sent("00 C0 00");
        receive("00 E0 00");
    }
    expect_error(ISO7816_T1_NO_ANSWER);
}

static void endless_blocks_without_progress_end(void **state)
{
    static const char *const rows[][2] = {{"00 C1 01 20", "00 C1 01 20"}, {"00 60 00", "00 20 00"}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        begin();
        start("AA", 300);
        for (int n = 0; n < 32; n++)
            receive(rows[i][n % 2]);
        receive(rows[i][0]);
        expect_error(ISO7816_T1_TOO_MANY_BLOCKS);
    }
}

static void card_s_abort_is_answered_and_r_gives_the_turn_back(void **state)
{
    init(0, 1, 0);
    start("AA BB CC", 300);
    receive("00 C2 00");
    expect_sent("00 E2 00");
    receive("00 90 00");
    expect_error(ISO7816_T1_ABORTED);
    start("DD", 300); /* still in step: the aborted block was taken */
    expect_sent("00 40 01 DD");
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
    expect_error(ISO7816_T1_ABORTED);
    start("DD", 300);
    expect_sent("00 40 01 DD");
}

static void abort_ends_a_chain_of_the_card(void **state)
{
    init(0, 32, 0);
    start("AA", 300);
    iso7816_t1_host_abort(&h);
    receive("00 20 01 01");
    expect_sent("00 C2 00");
    receive("00 E2 00");
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
    expect_error(ISO7816_T1_NO_ROOM);
    start("CC", 0);
    expect_sent("00 00 01 CC");
    receive("00 40 00");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequence_numbers_alternate_over_exchanges),
        cmocka_unit_test(crc_is_sent_and_checked),
        cmocka_unit_test(crc_can_be_microsofts),
        cmocka_unit_test(ifsd_is_told_before_the_first_exchange),
        cmocka_unit_test(ifs_response_with_another_value_is_no_response),
        cmocka_unit_test(node_addresses_change_places),
        cmocka_unit_test(command_longer_than_ifsc_is_chained),
        cmocka_unit_test(chained_answer_is_acknowledged_and_joined),
        cmocka_unit_test(card_may_change_ifsc_between_blocks),
        cmocka_unit_test(retransmission_repeats_the_same_block_though_ifsc_changed),
        cmocka_unit_test(invalid_ifs_requests_are_invalid_blocks),
        cmocka_unit_test(waiting_time_extension_is_granted_for_one_block),
        cmocka_unit_test(endless_waiting_time_extensions_end),
        cmocka_unit_test(wrong_edc_asks_again_with_r_81),
        cmocka_unit_test(wrong_parity_asks_again_with_r_81),
        cmocka_unit_test(other_errors_ask_again_with_r_82),
        cmocka_unit_test(block_longer_than_ifsd_is_invalid),
        cmocka_unit_test(r_block_with_our_number_repeats_the_i_block),
        cmocka_unit_test(third_r_block_with_our_number_asks_for_resynch),
        cmocka_unit_test(r_block_repeats_an_r_block_of_ours),
        cmocka_unit_test(t1_third_edc_error_asks_for_resynch),
        cmocka_unit_test(resynch_sets_numbers_to_0_and_starts_again),
        cmocka_unit_test(resynch_starts_a_chain_from_its_first_block),
        cmocka_unit_test(resynch_forgets_a_half_answer),
        cmocka_unit_test(third_failed_resynch_is_the_end),
        cmocka_unit_test(before_the_first_valid_block_there_is_no_resynch),
        cmocka_unit_test(endless_restarts_end),
        cmocka_unit_test(endless_blocks_without_progress_end),
        cmocka_unit_test(card_s_abort_is_answered_and_r_gives_the_turn_back),
        cmocka_unit_test(card_that_aborts_its_answer_may_give_another),
        cmocka_unit_test(abort_ends_a_chain_of_ours),
        cmocka_unit_test(abort_ends_a_chain_of_the_card),
        cmocka_unit_test(abort_without_a_chain_does_nothing),
        cmocka_unit_test(answer_that_does_not_fit_is_an_error_in_step),
        cmocka_unit_test(empty_command_is_an_empty_i_block),
        cmocka_unit_test(length_of_a_block_follows_from_its_prologue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
