/* SPDX-License-Identifier: MIT */
/* T=1 on the card's side, block by block (ISO/IEC 7816-3:2006, 11.6). Blocks are written without their LRC. */
#include "iso7816_support.h"
#include "../../src/iso7816/t1.h"

static struct iso7816_t1_card c;
static enum iso7816_t1_action action;
static uint8_t in[600];

static int setup(void **state)
{
    const struct iso7816_t1_config config = {.ifsc = 32, .ifsd = 32};

    iso7816_t1_card_init(&c, &config, in, sizeof in);
    return 0;
}

static void receive_wrong(const char *text, uint8_t error)
{
    uint8_t bytes[300], lrc = error, *copy;
    size_t size = hex(text, bytes, sizeof bytes);

    for (size_t i = 0; i < size; i++)
        lrc ^= bytes[i];
    bytes[size++] = lrc;
    copy = exact(bytes, size);
    action = iso7816_t1_card_receive(&c, copy, size, true);
    free(copy);
}

static void receive(const char *text)
{
    receive_wrong(text, 0);
}

/* Responses stay with the owner until the next command. */
static void answer(const char *text)
{
    static uint8_t bytes[600];

    action = iso7816_t1_card_answer(&c, bytes, hex(text, bytes, sizeof bytes));
}

static void check_sent(const char *text, const char *file, int line)
{
    uint8_t lrc = 0;

    _assert_int_equal((uintmax_t)action, ISO7816_T1_SEND, file, line);
    for (size_t i = 0; i < c.tx_size; i++)
        lrc ^= c.tx[i];
    _assert_int_equal(lrc, 0, file, line);
    check_bytes(c.tx, c.tx_size - 1, text, file, line);
}

#define expect_sent(text) check_sent(text, __FILE__, __LINE__)
#define expect_silence()  assert_int_equal(action, ISO7816_T1_RECEIVE)
#define expect_command(text)                                                                                           \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_T1_COMMAND);                                                                  \
        assert_bytes(c.in, c.in_size, text);                                                                           \
    } while (0)

static void exchange(const char *block, const char *command, const char *response, const char *sent)
{
    receive(block);
    expect_command(command);
    answer(response);
    expect_sent(sent);
}

static void sequence_numbers_alternate(void **state)
{
    exchange("00 00 01 AA", "AA", "90 00", "00 00 02 90 00");
    exchange("00 40 01 BB", "BB", "91 00", "00 40 02 91 00");
    exchange("00 00 01 CC", "CC", "92 00", "00 00 02 92 00");
}

static void chained_command_is_acknowledged_and_joined(void **state)
{
    receive("00 20 02 01 02");
    expect_sent("00 90 00");
    receive("00 60 02 03 04");
    expect_sent("00 80 00");
    exchange("00 00 01 05", "01 02 03 04 05", "90 00", "00 00 02 90 00");
}

static void answer_longer_than_ifsd_is_chained(void **state)
{
    receive("00 C1 01 03");
    expect_sent("00 E1 01 03");
    receive("00 00 01 AA");
    answer("01 02 03 04 05 06 90 00");
    expect_sent("00 20 03 01 02 03");
    receive("00 90 00");
    expect_sent("00 60 03 04 05 06");
    receive("00 80 00");
    expect_sent("00 00 02 90 00");
    exchange("00 40 01 BB", "BB", "90 00", "00 40 02 90 00");
}

static void node_addresses_change_places(void **state)
{
    exchange("21 00 01 AA", "AA", "90 00", "12 00 02 90 00");
}

static void invalid_block_is_asked_for_again_twice_then_silence(void **state)
{
    receive_wrong("00 00 01 AA", 1);
    expect_sent("00 81 00");
    receive("00 40 01 AA");
    expect_sent("00 82 00");
    receive_wrong("00 00 01 AA", 1);
    expect_silence();
    receive("00 40 01 AA");
    expect_silence();
    receive("00 82 00"); /* something valid: it speaks again */
    expect_sent("00 80 00");
    receive("00 00 01 AA");
    expect_command("AA");
}

static void r_block_with_its_number_repeats_the_answer(void **state)
{
    exchange("00 00 01 AA", "AA", "90 00", "00 00 02 90 00");
    receive("00 81 00");
    expect_sent("00 00 02 90 00");
    receive("00 80 00");
    expect_sent("00 00 02 90 00");
    exchange("00 40 01 BB", "BB", "91 00", "00 40 02 91 00");
}

static void r_block_for_a_command_that_never_came_asks_for_it(void **state)
{
    exchange("00 00 01 AA", "AA", "90 00", "00 00 02 90 00");
    receive("00 92 00"); /* the reader has the answer and sent a command that was lost */
    expect_sent("00 90 00");
    exchange("00 40 01 BB", "BB", "91 00", "00 40 02 91 00");
}

static void repeated_chain_block_is_acknowledged_and_not_taken_twice(void **state)
{
    receive("00 20 01 01");
    expect_sent("00 90 00");
    receive("00 20 01 01");
    expect_sent("00 90 00");
    receive("00 40 01 02");
    expect_command("01 02");
}

static void repeated_command_is_not_run_twice(void **state)
{
    exchange("00 00 01 AA", "AA", "90 00", "00 00 02 90 00");
    receive("00 00 01 AA");
    expect_sent("00 92 00");
    receive("00 80 00");
    expect_sent("00 00 02 90 00");
}

static void waiting_time_extension_and_then_the_answer(void **state)
{
    receive("00 00 01 AA");
    action = iso7816_t1_card_wtx(&c, 3);
    expect_sent("00 C3 01 03");
    receive("00 E3 01 03");
    expect_silence();
    action = iso7816_t1_card_wtx(&c, 4);
    expect_sent("00 C3 01 04");
    receive("00 E3 01 04");
    answer("90 00");
    expect_sent("00 00 02 90 00");
    assert_int_equal(iso7816_t1_card_wtx(&c, 1), ISO7816_T1_RECEIVE);
}

static void answer_before_the_wtx_response_waits_for_it(void **state)
{
    receive("00 00 01 AA");
    action = iso7816_t1_card_wtx(&c, 3);
    answer("90 00");
    expect_silence();
    receive("00 E3 01 03");
    expect_sent("00 00 02 90 00");
}

static void request_is_repeated_until_its_response_comes(void **state)
{
    receive("00 00 01 AA");
    action = iso7816_t1_card_wtx(&c, 3);
    receive("00 82 00");
    expect_sent("00 C3 01 03");
    receive("00 E3 01 04");
    expect_sent("00 C3 01 03");
    receive_wrong("00 E3 01 03", 1);
    expect_silence();
    receive("00 E3 01 03");
    expect_silence();
    answer("90 00");
    expect_sent("00 00 02 90 00");
}

static void running_command_hears_nothing_but_resynch(void **state)
{
    static const char *const rows[] = {"00 80 00", "00 40 01 BB", "00 C1 01 10", "00 C2 00", "00 E3 01 01", "77"};

    receive("00 00 01 AA");
    for (size_t i = 0; i < COUNT(rows); i++) {
        receive(rows[i]);
        expect_silence();
    }
    receive("00 C0 00");
    expect_sent("00 E0 00");
    answer("90 00"); /* of a command that nobody waits for any more */
    expect_silence();
    exchange("00 00 01 BB", "BB", "91 00", "00 00 02 91 00");
}

static void resynch_sets_everything_back(void **state)
{
    receive("00 C1 01 01");
    exchange("00 00 01 AA", "AA", "90 00", "00 20 01 90");
    receive("00 C0 00");
    expect_sent("00 E0 00");
    exchange("00 00 01 BB", "BB", "90 00", "00 00 02 90 00");
    receive("00 60 01 01");
    receive("00 C0 00");
    exchange("00 00 01 CC", "CC", "90 00", "00 00 02 90 00");
}

static void announced_ifsc_is_accepted_and_the_replaced_block_follows(void **state)
{
    receive("00 20 01 01");
    expect_sent("00 90 00");
    action = iso7816_t1_card_ifs(&c, 4);
    expect_sent("00 C1 01 04");
    receive("00 E1 01 04");
    expect_sent("00 90 00");
    receive("00 60 05 01 02 03 04 05");
    expect_sent("00 92 00");
    receive("00 40 04 02 03 04 05");
    expect_command("01 02 03 04 05");
    assert_int_equal(iso7816_t1_card_ifs(&c, 0), ISO7816_T1_RECEIVE);
    assert_int_equal(iso7816_t1_card_ifs(&c, 255), ISO7816_T1_RECEIVE);
    action = iso7816_t1_card_ifs(&c, 254);
    expect_sent("00 C1 01 FE");
    receive("00 E1 01 FE");
    expect_silence();
    answer("90 00");
    expect_sent("00 00 02 90 00");
}

static void response_of_its_own_is_not_replaced(void **state)
{
    assert_int_equal(iso7816_t1_card_ifs(&c, 4), ISO7816_T1_RECEIVE); /* nor has it the turn before the first block */
    receive("00 C1 01 10");
    assert_int_equal(iso7816_t1_card_ifs(&c, 4), ISO7816_T1_RECEIVE);
    expect_sent("00 E1 01 10");
}

/* An R-block right after an S(response) says that this came wrong, and wants it again. */
static void s_response_that_came_wrong_is_repeated(void **state)
{
    static const char *const asks[] = {"00 81 00", "00 82 00", "00 80 00", "00 81 00"};

    receive("00 C1 01 FE");
    expect_sent("00 E1 01 FE");
    for (size_t i = 0; i < COUNT(asks); i++) {
        receive(asks[i]);
        expect_sent("00 E1 01 FE");
    }
    receive("00 C1 01 FE"); /* or the request comes again, as rule 7.3 has it */
    expect_sent("00 E1 01 FE");
    exchange("00 00 01 AA", "AA", "90 00", "00 00 02 90 00");
    receive("00 92 00"); /* and now it is no S(response) that is asked for */
    expect_sent("00 90 00");
}

static void s_response_in_a_chain_is_repeated_and_the_chain_goes_on(void **state)
{
    receive("00 20 01 01");
    expect_sent("00 90 00");
    receive("00 C1 01 02");
    expect_sent("00 E1 01 02");
    receive("00 81 00");
    expect_sent("00 E1 01 02");
    exchange("00 40 01 02", "01 02", "03 90 00", "00 20 02 03 90");
    receive("00 C1 01 01");
    expect_sent("00 E1 01 01");
    receive("00 91 00"); /* with an error: the S(response) */
    expect_sent("00 E1 01 01");
    receive("00 90 00"); /* without: the chain's next block */
    expect_sent("00 40 01 00");
}

static void crc_is_the_standards_or_microsofts(void **state)
{
    static const uint8_t iso[] = {0x00, 0xC1, 0x01, 0xFE, 0x54, 0x4E}, a001[] = {0x00, 0xC1, 0x01, 0xFE, 0xEC, 0xD1};
    struct iso7816_t1_config config = {.edc = ISO7816_EDC_CRC, .ifsc = 32, .ifsd = 32};

    iso7816_t1_card_init(&c, &config, in, sizeof in);
    assert_int_equal(iso7816_t1_card_receive(&c, iso, sizeof iso, true), ISO7816_T1_SEND);
    assert_bytes(c.tx, c.tx_size, "00 E1 01 FE 57 75");
    assert_int_equal(iso7816_t1_card_receive(&c, a001, sizeof a001, true), ISO7816_T1_SEND);
    assert_bytes(c.tx, 3, "00 81 00");
    config.edc = ISO7816_EDC_CRC_A001;
    iso7816_t1_card_init(&c, &config, in, sizeof in);
    assert_int_equal(iso7816_t1_card_receive(&c, a001, sizeof a001, true), ISO7816_T1_SEND);
    assert_bytes(c.tx, c.tx_size, "00 E1 01 FE 26 D0");
}

static void abort_of_a_chain_gives_the_turn_back(void **state)
{
    receive("00 20 01 01");
    action = iso7816_t1_card_abort(&c);
    expect_sent("00 C2 00");
    receive("00 E2 00");
    expect_sent("00 90 00");
    exchange("00 40 01 AA", "AA", "90 00", "00 00 02 90 00");
    assert_int_equal(iso7816_t1_card_abort(&c), ISO7816_T1_RECEIVE);
}

static void abort_by_the_reader_drops_the_chain(void **state)
{
    receive("00 20 01 01");
    receive("00 C2 00");
    expect_sent("00 E2 00");
    receive("00 C2 00"); /* it did not hear that */
    expect_sent("00 E2 00");
    exchange("00 40 01 AA", "AA", "90 00", "00 00 02 90 00");
    receive("00 C1 01 01");
    exchange("00 00 01 BB", "BB", "90 00", "00 60 01 90");
    receive("00 C2 00");
    expect_sent("00 E2 00");
    exchange("00 40 01 CC", "CC", "91 00", "00 20 01 91");
}

static void command_in_the_middle_of_its_own_chain_is_an_error(void **state)
{
    receive("00 C1 01 01");
    exchange("00 00 01 AA", "AA", "90 00", "00 20 01 90");
    receive("00 40 01 BB");
    expect_sent("00 92 00");
    receive("00 90 00");
    expect_sent("00 40 01 00");
}

static void command_longer_than_the_room_is_6700(void **state)
{
    const struct iso7816_t1_config config = {.ifsc = 32, .ifsd = 32};
    uint8_t *room = malloc(3);

    iso7816_t1_card_init(&c, &config, room, 3);
    receive("00 20 02 01 02");
    expect_sent("00 90 00");
    receive("00 60 02 03 04");
    expect_sent("00 80 00");
    receive("00 00 01 05");
    expect_sent("00 00 02 67 00");
    exchange("00 40 03 01 02 03", "01 02 03", "90 00", "00 40 02 90 00");
    free(room);
}

static void nothing_or_unknown_is_met_calmly(void **state)
{
    assert_int_equal(iso7816_t1_card_receive(&c, NULL, 0, true), ISO7816_T1_RECEIVE);
    receive("00 C3 01 01"); /* WTX is the card's to ask for */
    expect_sent("00 82 00");
    receive("00 E0 00");
    expect_sent("00 82 00");
    answer("90 00");
    expect_silence();
    receive("00 00 00");
    expect_command("");
    action = iso7816_t1_card_answer(&c, NULL, 0);
    expect_sent("00 00 00");
}

static void other_errors_ask_again_with_r_82(void **state)
{
    static const char *const rows[] = {
        "00 40 01 AA", /* N(S) is not the expected one */
        "00 00 02 AA", /* LEN is not the length */
        "00 00 FF AA", /* LEN is reserved */
        "00 10 01 AA", /* PCB of no block */
        "00 83 00",    /* R-block with both errors */
        "00 A0 00",    /* R-block with bit 6 */
        "00 80 01 00", /* R-block with INF */
        "00 C4 00",    /* S-block of no kind */
        "00 C1 00",    /* IFS without its value */
        "00 C1 01 00", /* IFSD 00 */
        "00 C1 01 FF", /* IFSD FF */
        "00 C0 01 00", /* RESYNCH with INF */
        "11 00 01 AA", /* equal addresses */
        "FF 00 01 AA", /* likewise */
        "00",          /* hardly a block */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        setup(NULL);
        receive(rows[i]);
        expect_sent("00 82 00");
        receive("00 00 01 AA");
        expect_command("AA");
    }
}

static void wrong_parity_asks_again_with_r_81(void **state)
{
    static const uint8_t block[] = {0x00, 0x00, 0x01, 0xAA, 0xAB};

    action = iso7816_t1_card_receive(&c, block, sizeof block, false);
    expect_sent("00 81 00");
}

static void block_longer_than_ifsc_is_invalid(void **state)
{
    char text[300] = "00 00 21";

    for (int i = 0; i < 33; i++)
        strcat(text, " 5A");
    receive(text);
    expect_sent("00 82 00");
}

static void number_acknowledges_whatever_the_error_bits_say(void **state)
{
    receive("00 C1 01 01");
    exchange("00 00 01 AA", "AA", "90 00", "00 20 01 90");
    receive("00 91 00");
    expect_sent("00 40 01 00");
}

static void blocks_of_a_chain_may_be_empty(void **state)
{
    receive("00 20 00");
    expect_sent("00 90 00");
    receive("00 60 01 AA");
    expect_sent("00 80 00");
    receive("00 00 00");
    expect_command("AA");
}

static void ifs_request_is_repeated_once_then_silence(void **state)
{
    receive("00 20 01 01");
    action = iso7816_t1_card_ifs(&c, 4);
    expect_sent("00 C1 01 04");
    receive_wrong("00 E1 01 04", 1);
    expect_sent("00 C1 01 04");
    receive("00 80 00");
    expect_silence();
    receive("00 80 00");
    expect_silence();
    receive("00 E1 01 04"); /* it is not deaf */
    expect_sent("00 90 00");
    action = iso7816_t1_card_ifs(&c, 5); /* and another request has its own attempts */
    expect_sent("00 C1 01 05");
    receive("00 E1 01 04");
    expect_sent("00 C1 01 05");
    receive("00 E1 01 04");
    expect_silence();
    receive("00 C0 00");
    expect_sent("00 E0 00");
}

static void resynch_takes_back_the_ifsc_of_the_atr(void **state)
{
    receive("00 20 01 01");
    action = iso7816_t1_card_ifs(&c, 2);
    receive("00 E1 01 02");
    receive("00 40 03 01 02 03");
    expect_sent("00 92 00");
    receive("00 C0 00");
    expect_sent("00 E0 00");
    receive("00 00 03 01 02 03");
    expect_command("01 02 03");
}

/* The block that was replaced has never been sent, so its number is still the next one. */
static void abort_of_its_own_answer_keeps_the_number(void **state)
{
    receive("00 C1 01 01");
    exchange("00 00 01 AA", "AA", "90 00", "00 20 01 90");
    action = iso7816_t1_card_abort(&c);
    expect_sent("00 C2 00");
    receive("00 E2 00");
    expect_sent("00 90 00");
    exchange("00 40 01 BB", "BB", "91 00", "00 20 01 91");
    receive("00 90 00");
    expect_sent("00 40 01 00");
    exchange("00 00 01 CC", "CC", "92 92 00", "00 20 01 92");
    receive("00 90 00");
    action = iso7816_t1_card_abort(&c); /* in place of the second block, whose number is 1 */
    receive("00 E2 00");
    expect_sent("00 90 00");
    exchange("00 40 01 DD", "DD", "93 00", "00 60 01 93");
}

/* Whether the reader has taken its block, a card that could not read the R-block does not know. */
static void r_block_in_its_own_chain_is_not_replaced_by_abort(void **state)
{
    receive("00 C1 01 01");
    exchange("00 00 01 AA", "AA", "90 00", "00 20 01 90");
    receive_wrong("00 90 00", 1);
    expect_sent("00 91 00");
    assert_int_equal(iso7816_t1_card_abort(&c), ISO7816_T1_RECEIVE);
    expect_sent("00 91 00");
    receive("00 80 00");
    expect_sent("00 20 01 90");
    action = iso7816_t1_card_abort(&c);
    expect_sent("00 C2 00");
}

static void retransmission_repeats_the_same_block_though_ifsd_changed(void **state)
{
    receive("00 C1 01 02");
    exchange("00 00 01 AA", "AA", "01 90 00", "00 20 02 01 90");
    receive("00 C1 01 01");
    expect_sent("00 E1 01 01");
    receive("00 80 00");
    expect_sent("00 20 02 01 90");
}

static void abort_request_is_repeated_until_its_response_comes(void **state)
{
    receive("00 20 01 01");
    action = iso7816_t1_card_abort(&c);
    receive("00 82 00");
    expect_sent("00 C2 00");
    receive_wrong("00 E2 00", 1);
    expect_sent("00 C2 00");
    receive("00 82 00");
    expect_silence();
    receive("00 E2 00");
    expect_sent("00 90 00");
    receive("00 82 00"); /* that R-block was lost */
    expect_sent("00 90 00");
}

#define test(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(sequence_numbers_alternate),
        test(chained_command_is_acknowledged_and_joined),
        test(answer_longer_than_ifsd_is_chained),
        test(node_addresses_change_places),
        test(invalid_block_is_asked_for_again_twice_then_silence),
        test(r_block_with_its_number_repeats_the_answer),
        test(r_block_for_a_command_that_never_came_asks_for_it),
        test(repeated_chain_block_is_acknowledged_and_not_taken_twice),
        test(repeated_command_is_not_run_twice),
        test(waiting_time_extension_and_then_the_answer),
        test(answer_before_the_wtx_response_waits_for_it),
        test(request_is_repeated_until_its_response_comes),
        test(running_command_hears_nothing_but_resynch),
        test(resynch_sets_everything_back),
        test(announced_ifsc_is_accepted_and_the_replaced_block_follows),
        test(response_of_its_own_is_not_replaced),
        test(s_response_that_came_wrong_is_repeated),
        test(s_response_in_a_chain_is_repeated_and_the_chain_goes_on),
        test(crc_is_the_standards_or_microsofts),
        test(abort_of_a_chain_gives_the_turn_back),
        test(abort_by_the_reader_drops_the_chain),
        test(command_in_the_middle_of_its_own_chain_is_an_error),
        test(command_longer_than_the_room_is_6700),
        test(nothing_or_unknown_is_met_calmly),
        test(other_errors_ask_again_with_r_82),
        test(wrong_parity_asks_again_with_r_81),
        test(block_longer_than_ifsc_is_invalid),
        test(number_acknowledges_whatever_the_error_bits_say),
        test(blocks_of_a_chain_may_be_empty),
        test(ifs_request_is_repeated_once_then_silence),
        test(resynch_takes_back_the_ifsc_of_the_atr),
        test(abort_of_its_own_answer_keeps_the_number),
        test(r_block_in_its_own_chain_is_not_replaced_by_abort),
        test(retransmission_repeats_the_same_block_though_ifsd_changed),
        test(abort_request_is_repeated_until_its_response_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
