/* SPDX-License-Identifier: MIT */
/* T=1 on the reader's side when blocks come wrong, or not at all (ISO/IEC 7816-3:2006, 11.6.3). */
#include "iso7816_t1_host_kit.h"

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

static void invalid_ifs_requests_are_invalid_blocks(void **state)
{
    init(0, 3, 0);
    start("AA", 300);
    receive("00 C1 01 00");
    expect_sent("00 82 00");
    receive("00 C1 01 FF");
    expect_sent("00 82 00");
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

static void no_acknowledgement_but_an_i_block_is_refused(void **state)
{
    init(0, 1, 0);
    start("AA BB", 300);
    expect_sent("00 20 01 AA");
    receive("00 00 02 90 00");
    expect_sent("00 82 00");
    receive("00 90 00");
    expect_sent("00 40 01 BB");
}

static void repeated_block_of_a_chain_is_not_taken_twice(void **state)
{
    init(0, 32, 0);
    start("AA", 300);
    receive("00 20 01 01");
    expect_sent("00 90 00");
    receive("00 20 01 01");
    expect_sent("00 92 00");
    receive("00 40 02 90 00");
    expect_reply("01 90 00");
}

static void request_is_repeated_whatever_comes_but_its_response(void **state)
{
    static const char *const rows[] = {"00 C3 01 01",    "00 C1 01 20", "00 C2 00",
                                       "00 00 02 90 00", "00 90 00",    "00 E3 01 01"};

    for (size_t i = 0; i < COUNT(rows); i++) {
        init(0, 32, 254);
        start("AA", 300);
        receive(rows[i]);
        expect_sent("00 C1 01 FE");
        receive("00 E1 01 FE");
        expect_sent("00 00 01 AA");
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        begin();
        start("AA", 300);
        nothing();
        nothing();
        nothing();
        expect_sent("00 C0 00");
        receive(rows[i]);
        expect_sent("00 C0 00");
        receive("00 E0 00");
        expect_sent("00 00 01 AA");
    }
}

static void after_a_response_of_ours_an_r_block_asks_again(void **state)
{
    static const char *const rows[][2] = {
        {"00 C3 01 02", "00 E3 01 02"}, {"00 C1 01 10", "00 E1 01 10"}, {"00 C2 00", "00 E2 00"}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        begin();
        start("AA", 300);
        receive(rows[i][0]);
        expect_sent(rows[i][1]);
        receive_wrong("00 40 02 90 00", 1);
        expect_sent("00 91 00");
        receive(rows[i][0]); /* it did not hear us, and asks again */
        expect_sent(rows[i][1]);
        nothing();
        expect_sent("00 92 00");
    }
}

static void ifsd_that_is_never_accepted_costs_a_resynch_and_the_default_holds(void **state)
{
    char text[300] = "00 00 21";

    for (int i = 0; i < 33; i++)
        strcat(text, " 5A");
    init(0, 32, 254);
    start("AA", 300);
    receive("00 82 00");
    receive("00 82 00");
    expect_sent("00 C1 01 FE");
    receive("00 82 00");
    expect_sent("00 C0 00");
    receive("00 E0 00");
    expect_sent("00 00 01 AA");
    receive(text);
    expect_sent("00 82 00");
    receive("00 00 02 90 00");
    expect_reply("90 00");
    start("BB", 300);
    expect_sent("00 C1 01 FE"); /* it is worth another try */
}

static void abort_that_is_never_answered_costs_a_resynch(void **state)
{
    init(0, 1, 0);
    start("AA BB CC", 300);
    iso7816_t1_host_abort(&h);
    receive("00 90 00");
    expect_sent("00 C2 00");
    nothing();
    nothing();
    expect_sent("00 C2 00");
    nothing();
    expect_sent("00 C0 00");
    receive("00 E0 00");
    expect_error(ISO7816_T1_ABORTED);
    start("DD", 300);
    expect_sent("00 00 01 DD");
}

static void resynch_takes_back_the_ifsc_of_the_atr(void **state)
{
    init(0, 2, 0);
    start("01 02 03 04 05 06", 300);
    expect_sent("00 20 02 01 02");
    receive("00 C1 01 04");
    receive("00 90 00");
    expect_sent("00 40 04 03 04 05 06");
    nothing();
    nothing();
    nothing();
    receive("00 E0 00");
    expect_sent("00 20 02 01 02");
    receive("00 90 00");
    expect_sent("00 60 02 03 04");
}

/* A card that forgot the IFSD of 16 sends as much as after its reset. */
static void resynch_takes_back_the_ifsd_of_the_reset(void **state)
{
    char text[200] = "00 00 20";

    for (int i = 0; i < 32; i++)
        strcat(text, " 11");
    init(0, 32, 16);
    start("AA", 300);
    expect_sent("00 C1 01 10");
    receive("00 E1 01 10");
    nothing();
    nothing();
    nothing();
    expect_sent("00 C0 00");
    receive("00 E0 00");
    expect_sent("00 00 01 AA");
    receive(text);
    assert_int_equal(action, ISO7816_T1_DONE);
    assert_int_equal(h.reply_size, 32);
}

/* The numbers after an abort are open to doubt, and a wrong one would be taken for an acknowledgement. */
static void abort_whose_resynch_fails_ends_in_a_reset(void **state)
{
    init(0, 1, 0);
    start("AA BB CC", 300);
    receive("00 C2 00");
    receive("00 90 00");
    expect_sent("00 C0 00");
    nothing();
    expect_sent("00 C0 00");
    nothing();
    expect_sent("00 C0 00");
    nothing();
    expect_error(ISO7816_T1_NO_ANSWER);
    start("DD", 300);
    expect_error(ISO7816_T1_NO_ANSWER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ifs_response_with_another_value_is_no_response),
        cmocka_unit_test(invalid_ifs_requests_are_invalid_blocks),
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
        cmocka_unit_test(no_acknowledgement_but_an_i_block_is_refused),
        cmocka_unit_test(repeated_block_of_a_chain_is_not_taken_twice),
        cmocka_unit_test(request_is_repeated_whatever_comes_but_its_response),
        cmocka_unit_test(after_a_response_of_ours_an_r_block_asks_again),
        cmocka_unit_test(ifsd_that_is_never_accepted_costs_a_resynch_and_the_default_holds),
        cmocka_unit_test(abort_that_is_never_answered_costs_a_resynch),
        cmocka_unit_test(resynch_takes_back_the_ifsc_of_the_atr),
        cmocka_unit_test(resynch_takes_back_the_ifsd_of_the_reset),
        cmocka_unit_test(abort_whose_resynch_fails_ends_in_a_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
