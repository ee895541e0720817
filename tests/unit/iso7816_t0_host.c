/* SPDX-License-Identifier: MIT */
/* T=0 on the reader's side, character by character (ISO/IEC 7816-3:2006, 10.3). */
#include "iso7816_support.h"
#include "../../src/iso7816/t0.h"

static struct iso7816_t0_host h;
static enum iso7816_t0_action action;
static uint8_t tpdu[300], reply_buffer[300];

static void start(const char *text, size_t room)
{
    action = iso7816_t0_host_start(&h, tpdu, hex(text, tpdu, sizeof tpdu), reply_buffer, room);
}

static void receive(const char *text)
{
    uint8_t bytes[300];
    size_t size = hex(text, bytes, sizeof bytes);

    for (size_t i = 0; i < size; i++) {
        assert_int_equal(action, ISO7816_T0_RECEIVE);
        action = iso7816_t0_host_receive(&h, bytes[i], true);
    }
}

#define expect_sent(text)                                                                                              \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_T0_SEND);                                                                     \
        assert_bytes(h.tx, h.tx_size, text);                                                                           \
        action = iso7816_t0_host_sent(&h);                                                                             \
    } while (0)
#define expect_reply(text)                                                                                             \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_T0_DONE);                                                                     \
        assert_bytes(h.reply, h.reply_size, text);                                                                     \
    } while (0)
#define expect_error(why)                                                                                              \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_T0_ERROR);                                                                    \
        assert_int_equal(h.error, why);                                                                                \
    } while (0)

static void case_1_sends_p3_00_and_takes_the_status(void **state)
{
    start("00 A4 00 00", 300);
    expect_sent("00 A4 00 00 00");
    receive("90 00");
    expect_reply("90 00");
}

static void case_2_takes_p3_bytes_after_ack(void **state)
{
    start("00 B0 00 00 03", 300);
    expect_sent("00 B0 00 00 03");
    receive("B0 60 9F 6C 90 00"); /* data may look like anything */
    expect_reply("60 9F 6C 90 00");
}

static void what_is_awaited_has_words(void **state)
{
    start("00 B0 00 00 01", 300);
    expect_sent("00 B0 00 00 01");
    assert_string_equal(iso7816_t0_host_awaits(&h), "a procedure byte");
    receive("B0");
    assert_string_equal(iso7816_t0_host_awaits(&h), "a data byte");
    receive("5A 90");
    assert_string_equal(iso7816_t0_host_awaits(&h), "SW2");
    receive("00");
    assert_string_equal(iso7816_t0_host_awaits(&h), "nothing");
}

static void p3_00_is_256_bytes_from_the_card(void **state)
{
    start("00 B0 00 00 00", 300);
    expect_sent("00 B0 00 00 00");
    receive("B0");
    for (int i = 0; i < 256; i++)
        receive("5A");
    receive("90 00");
    assert_int_equal(action, ISO7816_T0_DONE);
    assert_int_equal(h.reply_size, 258);
}

static void case_3_sends_all_after_ack(void **state)
{
    start("00 D6 00 00 03 01 02 03", 300);
    expect_sent("00 D6 00 00 03");
    receive("D6");
    expect_sent("01 02 03");
    receive("90 00");
    expect_reply("90 00");
}

static void complemented_ack_is_for_one_byte(void **state)
{
    start("00 D6 00 00 03 01 02 03", 300);
    expect_sent("00 D6 00 00 03");
    receive("29"); /* D6 xor FF */
    expect_sent("01");
    receive("29");
    expect_sent("02");
    receive("D6");
    expect_sent("03");
    receive("90 00");
    expect_reply("90 00");

    start("00 B0 00 00 03", 300);
    expect_sent("00 B0 00 00 03");
    receive("4F 01 4F 02 B0 03 90 00");
    expect_reply("01 02 03 90 00");
}

static void null_wins_time_anywhere_a_procedure_byte_may_come(void **state)
{
    start("00 B0 00 00 02", 300);
    expect_sent("00 B0 00 00 02");
    receive("60 60 4F 01 60 B0 02 60 90 00");
    expect_reply("01 02 90 00");
    assert_int_equal(h.nulls, 4);
}

static void endless_nulls_end(void **state)
{
    start("00 A4 00 00", 300);
    expect_sent("00 A4 00 00 00");
    for (int i = 0; i < 1000; i++)
        receive("60");
    assert_int_equal(action, ISO7816_T0_RECEIVE);
    receive("60");
    expect_error(ISO7816_T0_TOO_MANY_NULLS);
    start("00 A4 00 00", 300);
    h.nulls_max = 0;
    expect_sent("00 A4 00 00 00");
    receive("60");
    expect_error(ISO7816_T0_TOO_MANY_NULLS);
}

static void status_ends_the_command_at_any_time(void **state)
{
    start("00 D6 00 00 03 01 02 03", 300);
    expect_sent("00 D6 00 00 03");
    receive("6A 82");
    expect_reply("6A 82");
    start("00 B0 00 00 03", 300);
    expect_sent("00 B0 00 00 03");
    receive("4F 01 6C 01");
    expect_reply("01 6C 01");
    start("00 A4 00 00", 300);
    expect_sent("00 A4 00 00 00");
    receive("61 60"); /* SW2 is anything */
    expect_reply("61 60");
}

static void other_procedure_bytes_are_errors(void **state)
{
    static const char *const rows[] = {"00", "B1", "4E", "A4", "70", "FF"};

    for (size_t i = 0; i < COUNT(rows); i++) {
        start("00 B0 00 00 03", 300);
        expect_sent("00 B0 00 00 03");
        receive(rows[i]);
        expect_error(ISO7816_T0_BAD_PROCEDURE);
    }
}

static void status_begins_with_6x_but_60_or_9x(void **state)
{
    for (unsigned first = 0; first < 256; first++) {
        uint8_t byte = (uint8_t)first;
        bool status = (byte >= 0x61 && byte <= 0x6F) || (byte >= 0x90 && byte <= 0x9F);

        start("00 A4 00 00", 300);
        expect_sent("00 A4 00 00 00");
        action = iso7816_t0_host_receive(&h, byte, true);
        if (status) {
            receive("00");
            assert_int_equal(action, ISO7816_T0_DONE);
            assert_int_equal(h.reply[0], byte);
            assert_int_equal(h.reply[1], 0x00);
        } else if (byte == 0x60 || byte == 0xA4 || byte == 0x5B) {
            assert_int_equal(action, ISO7816_T0_RECEIVE); /* NULL, ACK, ACK for one byte */
        } else {
            expect_error(ISO7816_T0_BAD_PROCEDURE);
        }
    }
}

static void data_beyond_p3_is_no_data(void **state)
{
    start("00 B0 00 00 02", 300);
    expect_sent("00 B0 00 00 02");
    receive("B0 01 02 03");
    expect_error(ISO7816_T0_BAD_PROCEDURE);
    start("00 B0 00 00 01", 300);
    expect_sent("00 B0 00 00 01");
    receive("4F 01 4F");
    expect_error(ISO7816_T0_BAD_PROCEDURE);
}

static void ack_after_all_data_is_an_error(void **state)
{
    start("00 D6 00 00 01 01", 300);
    expect_sent("00 D6 00 00 01");
    receive("D6");
    expect_sent("01");
    receive("D6");
    expect_error(ISO7816_T0_BAD_PROCEDURE);
}

static void invalid_tpdus_are_not_sent(void **state)
{
    static const char *const rows[] = {
        "",
        "00 A4 00",
        "FF A4 00 00",
        "00 60 00 00",
        "00 9F 00 00",
        "00 A4 00 00 02 01",
        "00 A4 00 00 02 01 02 03",
        "00 A4 00 00 00 01",
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        start(rows[i], 300);
        expect_error(ISO7816_T0_BAD_TPDU);
    }
}

static void wrong_character_is_asked_for_three_times(void **state)
{
    start("00 A4 00 00", 300);
    expect_sent("00 A4 00 00 00");
    for (int i = 0; i < 3; i++) {
        action = iso7816_t0_host_receive(&h, 0x91, false);
        assert_int_equal(action, ISO7816_T0_RECEIVE);
    }
    receive("90");
    for (int i = 0; i < 3; i++)
        action = iso7816_t0_host_receive(&h, 0x01, false);
    assert_int_equal(h.repetitions, 6);
    action = iso7816_t0_host_receive(&h, 0x00, false);
    expect_error(ISO7816_T0_PARITY);
}

static void silence_is_an_error(void **state)
{
    start("00 A4 00 00", 300);
    expect_sent("00 A4 00 00 00");
    receive("90");
    action = iso7816_t0_host_timeout(&h);
    expect_error(ISO7816_T0_TIMEOUT);
    action = iso7816_t0_host_receive(&h, 0x00, true);
    expect_error(ISO7816_T0_TIMEOUT);
}

static void answer_that_does_not_fit_is_an_error(void **state)
{
    start("00 B0 00 00 02", 4);
    expect_sent("00 B0 00 00 02");
    receive("B0 01 02 90 00");
    expect_reply("01 02 90 00");
    start("00 B0 00 00 02", 3);
    expect_sent("00 B0 00 00 02");
    receive("B0 01 02 90 00");
    expect_error(ISO7816_T0_NO_ROOM);
    start("00 B0 00 00 02", 0);
    expect_sent("00 B0 00 00 02");
    receive("B0 01");
    expect_error(ISO7816_T0_NO_ROOM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_1_sends_p3_00_and_takes_the_status),
        cmocka_unit_test(case_2_takes_p3_bytes_after_ack),
        cmocka_unit_test(what_is_awaited_has_words),
        cmocka_unit_test(p3_00_is_256_bytes_from_the_card),
        cmocka_unit_test(case_3_sends_all_after_ack),
        cmocka_unit_test(complemented_ack_is_for_one_byte),
        cmocka_unit_test(null_wins_time_anywhere_a_procedure_byte_may_come),
        cmocka_unit_test(endless_nulls_end),
        cmocka_unit_test(status_ends_the_command_at_any_time),
        cmocka_unit_test(other_procedure_bytes_are_errors),
        cmocka_unit_test(status_begins_with_6x_but_60_or_9x),
        cmocka_unit_test(data_beyond_p3_is_no_data),
        cmocka_unit_test(ack_after_all_data_is_an_error),
        cmocka_unit_test(invalid_tpdus_are_not_sent),
        cmocka_unit_test(wrong_character_is_asked_for_three_times),
        cmocka_unit_test(silence_is_an_error),
        cmocka_unit_test(answer_that_does_not_fit_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
