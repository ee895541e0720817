/* SPDX-License-Identifier: MIT */
/* Command APDUs over T=0 TPDUs, the reader's side, case by case (ISO/IEC 7816-3:2006, 12.2). */
#include "iso7816_support.h"
#include "../../src/iso7816/apdu.h"

static uint8_t command[ISO7816_COMMAND_MAX], response[ISO7816_RESPONSE_MAX];
static struct iso7816_apdu_t0 h;
static enum iso7816_apdu_t0_action action;

static void start(const char *text, size_t room)
{
    action = iso7816_apdu_t0_start(&h, command, hex(text, command, sizeof command), response, room);
}

static void reply(const char *text)
{
    uint8_t bytes[300], *copy;
    size_t size = hex(text, bytes, sizeof bytes);

    copy = exact(bytes, size);
    action = iso7816_apdu_t0_reply(&h, copy, size);
    free(copy);
}

#define expect_tpdu(text)                                                                                              \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_APDU_T0_SEND);                                                                \
        assert_bytes(h.tpdu, h.tpdu_size, text);                                                                       \
    } while (0)
#define expect_response(text)                                                                                          \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_APDU_T0_DONE);                                                                \
        assert_bytes(response, h.response_size, text);                                                                 \
    } while (0)

static void case_1_is_four_bytes(void **state)
{
    start("00 A4 00 00", 2);
    expect_tpdu("00 A4 00 00");
    reply("90 00");
    expect_response("90 00");
    start("00 A4 00 00", 300);
    reply("61 10"); /* no Le: nothing is fetched */
    expect_response("61 10");
}

static void case_2s_1_le_is_accepted(void **state)
{
    start("00 B0 00 00 03", 300);
    expect_tpdu("00 B0 00 00 03");
    reply("01 02 03 90 00");
    expect_response("01 02 03 90 00");
}

static void case_2s_2_le_is_refused(void **state)
{
    start("00 B0 00 00 03", 300);
    reply("67 00");
    expect_response("67 00");
}

static void case_2s_3_le_is_corrected(void **state)
{
    start("00 B0 00 00 00", 300);
    expect_tpdu("00 B0 00 00 00");
    reply("6C 02");
    expect_tpdu("00 B0 00 00 02");
    reply("01 02 90 00");
    expect_response("01 02 90 00");
}

static void case_2s_3_no_more_than_le_is_given(void **state)
{
    start("00 B0 00 00 01", 300);
    reply("6C 03");
    expect_tpdu("00 B0 00 00 03");
    reply("01 02 03 90 00");
    expect_response("01 90 00");
}

static void second_6c_is_final(void **state)
{
    start("00 B0 00 00 00", 300);
    reply("6C 02");
    reply("6C 03");
    expect_response("6C 03");
}

static void case_3s_sends_data(void **state)
{
    start("00 D6 00 00 02 AA BB", 300);
    expect_tpdu("00 D6 00 00 02 AA BB");
    reply("90 00");
    expect_response("90 00");
    start("00 D6 00 00 02 AA BB", 300);
    reply("61 05");
    expect_response("61 05");
}

static void case_4s_fetches_what_61_names(void **state)
{
    start("00 A4 04 00 02 AA BB 00", 300);
    expect_tpdu("00 A4 04 00 02 AA BB");
    reply("61 03");
    expect_tpdu("00 C0 00 00 03");
    reply("01 02 03 90 00");
    expect_response("01 02 03 90 00");
}

static void case_4s_fetches_no_more_than_le(void **state)
{
    start("00 A4 04 00 02 AA BB 02", 300);
    reply("61 03");
    expect_tpdu("00 C0 00 00 02");
    reply("01 02 61 01");
    expect_response("01 02 61 01");
}

static void case_4s_goes_on_while_61_says_more(void **state)
{
    start("00 A4 04 00 01 AA 00", 300);
    reply("61 02");
    reply("01 02 61 01");
    expect_tpdu("00 C0 00 00 01");
    reply("03 62 82");
    expect_response("01 02 03 62 82");
}

static void case_4s_asks_after_9000(void **state)
{
    start("00 A4 04 00 01 AA 05", 300);
    reply("90 00");
    expect_tpdu("00 C0 00 00 05");
    reply("6C 02");
    expect_tpdu("00 C0 00 00 02");
    reply("01 02 90 00");
    expect_response("01 02 90 00");
}

static void case_4s_9000_stands_when_there_is_nothing(void **state)
{
    start("00 A4 04 00 01 AA 05", 300);
    reply("90 00");
    reply("69 85");
    expect_response("90 00");
}

static void case_4s_errors_and_warnings_are_final(void **state)
{
    start("00 A4 04 00 01 AA 05", 300);
    reply("6A 82");
    expect_response("6A 82");
    start("00 A4 04 00 01 AA 05", 300);
    reply("62 83");
    expect_response("62 83");
}

static void case_4s_9xxx_is_final(void **state)
{
    start("A0 A4 00 00 02 3F 00 10", 300);
    reply("9F 16"); /* of the SIM: the caller fetches them */
    expect_response("9F 16");
    start("80 50 00 00 01 AA 00", 300);
    reply("91 00");
    expect_response("91 00");
}

static void case_2e_le_is_corrected(void **state)
{
    start("00 B0 00 00 00 00 00", sizeof response); /* Le = 65536 */
    expect_tpdu("00 B0 00 00 00");
    reply("6C 02");
    expect_tpdu("00 B0 00 00 02");
    reply("01 02 90 00");
    expect_response("01 02 90 00");
}

static void envelope_of_an_interindustry_class_keeps_its_channel(void **state)
{
    memset(command, 0, sizeof command);
    hex("42 D6 00 00 00 01 00", command, sizeof command);
    action = iso7816_apdu_t0_start(&h, command, 7 + 256, response, 300);
    assert_int_equal(action, ISO7816_APDU_T0_SEND);
    assert_memory_equal(h.tpdu, "\x42\xC2\x00\x00\xFF", 5);
}

static void error_in_get_response_drops_what_came(void **state)
{
    start("00 A4 04 00 01 AA 00", 300);
    reply("61 02");
    reply("01 02 61 02");
    reply("64 00");
    expect_response("64 00");
}

static void get_response_keeps_the_logical_channel_alone(void **state)
{
    static const char *const rows[][2] = {
        {"03", "03 C0 00 00 01"}, {"1F", "03 C0 00 00 01"}, {"6F", "4F C0 00 00 01"}, {"A0", "A0 C0 00 00 01"}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[64];

        snprintf(text, sizeof text, "%s A4 00 00 01 AA 00", rows[i][0]);
        start(text, 300);
        reply("61 01");
        expect_tpdu(rows[i][1]);
    }
}

static void case_2e_above_256_asks_for_00_and_goes_on(void **state)
{
    uint8_t block[258];

    memset(block, 0x5A, sizeof block);
    block[256] = 0x61;
    block[257] = 0x2C;
    start("00 B0 00 00 00 01 2C", sizeof response); /* Le = 300 */
    expect_tpdu("00 B0 00 00 00");
    action = iso7816_apdu_t0_reply(&h, block, sizeof block);
    expect_tpdu("00 C0 00 00 2C");
    block[44] = 0x90;
    block[45] = 0x00;
    action = iso7816_apdu_t0_reply(&h, block, 46);
    assert_int_equal(action, ISO7816_APDU_T0_DONE);
    assert_int_equal(h.response_size, 302);
}

static void case_2e_up_to_256_is_case_2s(void **state)
{
    start("00 B0 00 00 00 00 05", 300);
    expect_tpdu("00 B0 00 00 05");
    reply("01 02 03 04 05 90 00");
    expect_response("01 02 03 04 05 90 00");
}

static void case_3e_and_4e_up_to_255_are_short(void **state)
{
    start("00 D6 00 00 00 00 02 AA BB", 300);
    expect_tpdu("00 D6 00 00 02 AA BB");
    start("00 A4 00 00 00 00 02 AA BB 00 00", 300);
    expect_tpdu("00 A4 00 00 02 AA BB");
    reply("61 02");
    expect_tpdu("00 C0 00 00 02");
}

/* Lc = 256: 7 + 256 bytes are 255 + 8. */
static void begin_long(const char *le)
{
    size_t size = hex("80 D6 00 00 00 01 00", command, sizeof command);

    memset(command + size, 0x77, 256);
    size += 256;
    size += hex(le, command + size, 2);
    action = iso7816_apdu_t0_start(&h, command, size, response, 300);
}

static void case_3e_goes_in_envelopes_and_ends_with_an_empty_one(void **state)
{
    begin_long("");
    assert_int_equal(action, ISO7816_APDU_T0_SEND);
    assert_int_equal(h.tpdu_size, 260);
    assert_memory_equal(h.tpdu, "\x00\xC2\x00\x00\xFF\x80\xD6\x00\x00\x00\x01\x00\x77", 13);
    reply("90 00");
    expect_tpdu("00 C2 00 00 08 77 77 77 77 77 77 77 77");
    reply("90 00");
    expect_tpdu("00 C2 00 00 00");
    reply("90 00");
    expect_response("90 00");
}

static void case_4e_fetches_after_the_last_envelope(void **state)
{
    begin_long("00 00");
    reply("90 00");
    expect_tpdu("00 C2 00 00 0A 77 77 77 77 77 77 77 77 00 00");
    reply("90 00");
    reply("61 02");
    expect_tpdu("80 C0 00 00 02");
    reply("01 02 90 00");
    expect_response("01 02 90 00");
}

static void envelope_refused_ends_the_command(void **state)
{
    begin_long("");
    reply("6D 00");
    expect_response("6D 00");
}

static void malformed_commands_and_replies_are_errors(void **state)
{
    start("00 A4 00", 300);
    assert_int_equal(action, ISO7816_APDU_T0_ERROR);
    start("00 A4 00 00", 1);
    assert_int_equal(action, ISO7816_APDU_T0_ERROR);
    start("00 A4 00 00", 300);
    reply("90");
    assert_int_equal(action, ISO7816_APDU_T0_ERROR);
    reply("90 00"); /* it is over */
    assert_int_equal(action, ISO7816_APDU_T0_ERROR);
    start("00 A4 00 00", 300);
    reply("");
    assert_int_equal(action, ISO7816_APDU_T0_ERROR);
}

static void answers_longer_than_the_room_are_errors(void **state)
{
    start("00 B0 00 00 03", 5);
    reply("01 02 03 90 00");
    expect_response("01 02 03 90 00");
    start("00 B0 00 00 03", 4);
    reply("01 02 03 90 00");
    assert_int_equal(action, ISO7816_APDU_T0_ERROR);
    start("00 B0 00 00 03", 2);
    reply("01 02 03 90 00");
    assert_int_equal(action, ISO7816_APDU_T0_ERROR);
}

static void endless_61_ends(void **state)
{
    unsigned steps = 0;

    start("00 B0 00 00 00", 300);
    while (action == ISO7816_APDU_T0_SEND && steps++ < 100000)
        reply("61 01");
    assert_int_equal(action, ISO7816_APDU_T0_ERROR);
    assert_int_equal(steps, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_1_is_four_bytes),
        cmocka_unit_test(case_2s_1_le_is_accepted),
        cmocka_unit_test(case_2s_2_le_is_refused),
        cmocka_unit_test(case_2s_3_le_is_corrected),
        cmocka_unit_test(case_2s_3_no_more_than_le_is_given),
        cmocka_unit_test(second_6c_is_final),
        cmocka_unit_test(case_3s_sends_data),
        cmocka_unit_test(case_4s_fetches_what_61_names),
        cmocka_unit_test(case_4s_fetches_no_more_than_le),
        cmocka_unit_test(case_4s_goes_on_while_61_says_more),
        cmocka_unit_test(case_4s_asks_after_9000),
        cmocka_unit_test(case_4s_9000_stands_when_there_is_nothing),
        cmocka_unit_test(case_4s_errors_and_warnings_are_final),
        cmocka_unit_test(case_4s_9xxx_is_final),
        cmocka_unit_test(case_2e_le_is_corrected),
        cmocka_unit_test(envelope_of_an_interindustry_class_keeps_its_channel),
        cmocka_unit_test(error_in_get_response_drops_what_came),
        cmocka_unit_test(get_response_keeps_the_logical_channel_alone),
        cmocka_unit_test(case_2e_above_256_asks_for_00_and_goes_on),
        cmocka_unit_test(case_2e_up_to_256_is_case_2s),
        cmocka_unit_test(case_3e_and_4e_up_to_255_are_short),
        cmocka_unit_test(case_3e_goes_in_envelopes_and_ends_with_an_empty_one),
        cmocka_unit_test(case_4e_fetches_after_the_last_envelope),
        cmocka_unit_test(envelope_refused_ends_the_command),
        cmocka_unit_test(malformed_commands_and_replies_are_errors),
        cmocka_unit_test(answers_longer_than_the_room_are_errors),
        cmocka_unit_test(endless_61_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
