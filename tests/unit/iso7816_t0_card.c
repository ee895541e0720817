/* SPDX-License-Identifier: MIT */
/* T=0 on the card's side: what it makes of TPDUs, and what becomes of its answers (ISO/IEC 7816-3:2006, 10.3, 12.2). */
#include "iso7816_support.h"
#include "../../src/iso7816/t0.h"

static struct iso7816_t0_card c;
static enum iso7816_t0_card_action action;
static uint8_t apdu[600], held[600];

static int setup(void **state)
{
    iso7816_t0_card_init(&c, apdu, sizeof apdu, held, sizeof held);
    action = ISO7816_T0_CARD_RECEIVE;
    return 0;
}

static void receive(const char *text)
{
    uint8_t bytes[300];
    size_t size = hex(text, bytes, sizeof bytes);

    for (size_t i = 0; i < size; i++) {
        assert_int_equal(action, ISO7816_T0_CARD_RECEIVE);
        action = iso7816_t0_card_receive(&c, bytes[i], NULL, NULL);
    }
}

static void answer(const char *text)
{
    uint8_t bytes[600];
    size_t size = hex(text, bytes, sizeof bytes);

    action = iso7816_t0_card_answer(&c, bytes, size);
}

#define expect_sent(text)                                                                                              \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_T0_CARD_SEND);                                                                \
        assert_bytes(c.tx, c.tx_size, text);                                                                           \
        action = iso7816_t0_card_sent(&c);                                                                             \
    } while (0)
#define expect_command(text)                                                                                           \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_T0_CARD_COMMAND);                                                             \
        assert_bytes(c.apdu, c.apdu_size, text);                                                                       \
    } while (0)

static void p3_00_to_the_card_is_case_1(void **state)
{
    receive("00 A4 00 00 00");
    expect_command("00 A4 00 00");
    answer("90 00");
    expect_sent("90 00");
    assert_int_equal(action, ISO7816_T0_CARD_RECEIVE);
}

static void data_to_the_card_is_acknowledged_whole(void **state)
{
    receive("00 D6 00 00 03");
    expect_sent("D6");
    receive("01 02 03");
    expect_command("00 D6 00 00 03 01 02 03");
    answer("69 82");
    expect_sent("69 82");
}

static void data_to_the_card_is_acknowledged_byte_by_byte(void **state)
{
    c.ack_single = true;
    receive("00 D6 00 00 02");
    expect_sent("29");
    receive("01");
    expect_sent("29");
    receive("02");
    expect_command("00 D6 00 00 02 01 02");
}

static void data_from_the_card_follows_ack(void **state)
{
    receive("00 B0 00 00 02");
    expect_command("00 B0 00 00 02");
    answer("01 02 90 00");
    expect_sent("B0 01 02 90 00");
}

static void data_from_the_card_byte_by_byte(void **state)
{
    c.ack_single = true;
    receive("00 B0 00 00 02");
    answer("01 02 90 00");
    expect_sent("4F 01 4F 02 90 00");
}

static void shorter_answer_asks_for_its_length_and_does_not_run_again(void **state)
{
    receive("00 B0 00 00 00");
    expect_command("00 B0 00 00 00");
    answer("01 02 90 00");
    expect_sent("6C 02");
    receive("00 B0 00 00 02");
    expect_sent("B0 01 02 90 00");
    receive("00 B0 00 00 02"); /* once given, the next one runs */
    expect_command("00 B0 00 00 02");
}

static void another_command_forgets_the_shorter_answer(void **state)
{
    receive("00 B0 00 00 00");
    answer("01 02 90 00");
    expect_sent("6C 02");
    receive("00 B0 00 01 02");
    expect_command("00 B0 00 01 02");
    answer("03 04 90 00");
    expect_sent("B0 03 04 90 00");
}

static void command_without_an_answer_forgets_it_too(void **state)
{
    receive("00 B0 00 00 00");
    answer("01 02 90 00");
    expect_sent("6C 02");
    receive("00 C0 00 00 02");
    expect_sent("69 85");
    receive("00 B0 00 00 02");
    expect_command("00 B0 00 00 02");
}

static void answer_to_data_waits_for_get_response(void **state)
{
    receive("00 A4 04 00 01");
    expect_sent("A4");
    receive("AA");
    expect_command("00 A4 04 00 01 AA");
    answer("01 02 03 62 83");
    expect_sent("61 03");
    receive("00 C0 00 00 02");
    expect_sent("C0 01 02 61 01");
    receive("00 C0 00 00 05");
    expect_sent("6C 01");
    receive("00 C0 00 00 01");
    expect_sent("C0 03 62 83");
    receive("00 C0 00 00 01");
    expect_sent("69 85");
}

static void get_response_reaches_a_card_that_said_61_itself(void **state)
{
    receive("00 A4 04 00 01");
    expect_sent("A4");
    receive("AA");
    answer("61 03");
    expect_sent("61 03");
    receive("00 C0 00 00 03");
    expect_command("00 C0 00 00 03");
    answer("01 02 03 90 00");
    expect_sent("C0 01 02 03 90 00");
    receive("00 C0 00 00 03"); /* once */
    expect_sent("69 85");
}

static void another_command_forgets_what_waits(void **state)
{
    receive("00 A4 04 00 01");
    expect_sent("A4");
    receive("AA");
    answer("01 02 03 90 00");
    expect_sent("61 03");
    receive("00 B0 00 00 01");
    expect_command("00 B0 00 00 01");
    answer("09 90 00");
    expect_sent("B0 09 90 00");
    receive("00 C0 00 00 03");
    expect_sent("69 85");
}

static void longer_answer_than_p3_goes_on_with_get_response(void **state)
{
    uint8_t response[302];

    memset(response, 0x5A, sizeof response);
    response[300] = 0x90;
    response[301] = 0x00;
    receive("00 B0 00 00 00");
    action = iso7816_t0_card_answer(&c, response, sizeof response);
    assert_int_equal(action, ISO7816_T0_CARD_SEND);
    assert_int_equal(c.tx_size, 1 + 256 + 2);
    assert_bytes(c.tx + 257, 2, "61 2C");
    action = iso7816_t0_card_sent(&c);
    receive("00 C0 00 00 2C");
    assert_int_equal(c.tx_size, 1 + 44 + 2);
    assert_bytes(c.tx + 45, 2, "90 00");
}

static void exactly_256_bytes_are_61_00(void **state)
{
    uint8_t response[258] = {0};

    response[256] = 0x90;
    receive("00 A4 00 00 00");
    action = iso7816_t0_card_answer(&c, response, sizeof response);
    expect_sent("61 00");
    receive("00 C0 00 00 00");
    assert_int_equal(c.tx_size, 1 + 256 + 2);
}

static void envelopes_make_one_command(void **state)
{
    receive("01 C2 00 00 05");
    expect_sent("C2");
    receive("80 D6 00 00 00");
    expect_sent("90 00");
    receive("01 C2 00 00 03");
    expect_sent("C2");
    receive("00 01 AA");
    expect_sent("90 00");
    receive("01 C2 00 00 00");
    expect_command("80 D6 00 00 00 00 01 AA");
    answer("01 90 00");
    expect_sent("61 01");
    receive("01 C0 00 00 01");
    expect_sent("C0 01 90 00");
}

static void empty_envelope_alone_is_a_wrong_length(void **state)
{
    receive("00 C2 00 00 00");
    expect_sent("67 00");
}

static void another_command_forgets_envelopes(void **state)
{
    receive("00 C2 00 00 02");
    expect_sent("C2");
    receive("00 A4");
    expect_sent("90 00");
    receive("00 A4 00 00 00");
    answer("90 00");
    expect_sent("90 00");
    receive("00 C2 00 00 00");
    expect_sent("67 00");
}

static void proprietary_c2_is_a_command(void **state)
{
    receive("A0 C2 00 00 01");
    expect_sent("C2");
    receive("D6");
    expect_command("A0 C2 00 00 01 D6");
}

static void too_long_commands_are_refused_before_their_data(void **state)
{
    iso7816_t0_card_init(&c, apdu, 260, held, sizeof held);
    for (int i = 0; i < 2; i++) {
        receive("00 C2 00 00 82");
        expect_sent("C2");
        for (int n = 0; n < 0x82; n++)
            receive("11");
        expect_sent("90 00");
    }
    receive("00 C2 00 00 01");
    expect_sent("67 00");
    receive("00 C2 00 00 00"); /* nothing is left of them */
    expect_sent("67 00");
}

static void invalid_cla_and_ins_never_reach_the_card(void **state)
{
    receive("FF 10 00 00 00");
    expect_sent("6E 00");
    receive("00 6A 00 00 00");
    expect_sent("6D 00");
    receive("00 90 00 00 00");
    expect_sent("6D 00");
}

static void impossible_answers_are_6f00(void **state)
{
    uint8_t big[700] = {0};

    receive("00 B0 00 00 01");
    answer("90");
    expect_sent("6F 00");
    receive("00 B0 00 00 01");
    action = iso7816_t0_card_answer(&c, big, sizeof big);
    expect_sent("6F 00");
    receive("00 B0 00 00 01");
    action = iso7816_t0_card_answer(&c, NULL, 0);
    expect_sent("6F 00");
}

static void busy_card_sends_nulls(void **state)
{
    receive("00 A4 00 00 00");
    expect_command("00 A4 00 00");
    action = iso7816_t0_card_busy(&c);
    expect_sent("60");
    assert_int_equal(action, ISO7816_T0_CARD_WAIT);
    assert_int_equal(iso7816_t0_card_receive(&c, 0x55, NULL, NULL), ISO7816_T0_CARD_WAIT);
    answer("90 00");
    expect_sent("90 00");
    assert_int_equal(iso7816_t0_card_busy(&c), ISO7816_T0_CARD_RECEIVE);
}

static void answer_during_a_null_follows_it(void **state)
{
    receive("00 B0 00 00 01");
    action = iso7816_t0_card_busy(&c);
    assert_int_equal(action, ISO7816_T0_CARD_SEND);
    answer("77 90 00");
    expect_sent("60");
    expect_sent("B0 77 90 00");
    assert_int_equal(action, ISO7816_T0_CARD_RECEIVE);
}

static void answer_without_a_command_is_nothing(void **state)
{
    answer("90 00");
    assert_int_equal(action, ISO7816_T0_CARD_RECEIVE);
    receive("00 A4 00 00 00");
    expect_command("00 A4 00 00");
}

static void answer_may_lie_in_the_owner_s_buffer(void **state)
{
    receive("00 A4 00 00 00");
    hex("01 02 90 00", held, sizeof held);
    action = iso7816_t0_card_answer(&c, held, 4);
    expect_sent("61 02");
    receive("00 C0 00 00 02");
    expect_sent("C0 01 02 90 00");
}

static enum iso7816_t0_direction from_card(void *context, const uint8_t header[5])
{
    assert_bytes(header, 5, "80 55 01 02 03");
    *(int *)context += 1;
    return ISO7816_T0_FROM_CARD;
}

static void owner_says_the_direction(void **state)
{
    static const uint8_t header[] = {0x80, 0x55, 0x01, 0x02, 0x03};
    int calls = 0;

    for (size_t i = 0; i < sizeof header; i++)
        action = iso7816_t0_card_receive(&c, header[i], from_card, &calls);
    assert_int_equal(calls, 1);
    expect_command("80 55 01 02 03");
}

#define test(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(p3_00_to_the_card_is_case_1),
        test(data_to_the_card_is_acknowledged_whole),
        test(data_to_the_card_is_acknowledged_byte_by_byte),
        test(data_from_the_card_follows_ack),
        test(data_from_the_card_byte_by_byte),
        test(shorter_answer_asks_for_its_length_and_does_not_run_again),
        test(another_command_forgets_the_shorter_answer),
        test(command_without_an_answer_forgets_it_too),
        test(answer_to_data_waits_for_get_response),
        test(get_response_reaches_a_card_that_said_61_itself),
        test(another_command_forgets_what_waits),
        test(longer_answer_than_p3_goes_on_with_get_response),
        test(exactly_256_bytes_are_61_00),
        test(envelopes_make_one_command),
        test(empty_envelope_alone_is_a_wrong_length),
        test(another_command_forgets_envelopes),
        test(proprietary_c2_is_a_command),
        test(too_long_commands_are_refused_before_their_data),
        test(invalid_cla_and_ins_never_reach_the_card),
        test(impossible_answers_are_6f00),
        test(busy_card_sends_nulls),
        test(answer_during_a_null_follows_it),
        test(answer_without_a_command_is_nothing),
        test(answer_may_lie_in_the_owner_s_buffer),
        test(owner_says_the_direction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
