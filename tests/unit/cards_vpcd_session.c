/* SPDX-License-Identifier: MIT */
/* The vpcd protocol from the reader's side, byte by byte (vpcd_session.c). */
#include "src/cards/vpcd_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static struct vpcd_session session;

static void feed(const void *bytes, size_t count)
{
    size_t room;
    uint8_t *at = vpcd_session_room(&session, &room);

    assert_true(count <= room);
    memcpy(at, bytes, count);
    vpcd_session_received(&session, count);
}

static void sent(const void *bytes, size_t count)
{
    assert_int_equal(session.out_used - session.out_sent, count);
    assert_memory_equal(session.out + session.out_sent, bytes, count);
    session.out_sent = session.out_used;
}

static const uint8_t select_mf[] = {0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00};

static void ask(enum vpcd_request request, ULONG ticket)
{
    session.out_sent = session.out_used;
    assert_true(vpcd_session_request(&session, request, ticket, select_mf, sizeof(select_mf)));
}

static void expect_answer(ULONG ticket, NTSTATUS status, const void *bytes, size_t length)
{
    struct vpcd_answer answer;

    assert_int_equal(vpcd_session_next(&session, &answer), VPCD_ANSWER);
    assert_int_equal(answer.ticket, ticket);
    assert_int_equal(answer.status, status);
    assert_int_equal(answer.length, length);
    if (length > 0) {
        assert_memory_equal(answer.bytes, bytes, length);
    }
}

static void expect(enum vpcd_result result)
{
    struct vpcd_answer answer;
    assert_int_equal(vpcd_session_next(&session, &answer), result);
}

static int new_session(void **state)
{
    (void)state;
    vpcd_session_begin(&session);
    return 0;
}

static void cold_reset_of_a_card_without_power_says_on_and_asks_for_the_atr(void **state)
{
    (void)state;
    ask(VPCD_COLD_RESET, 1);
    sent("\0\1\1\0\1\4", 6);
}

static void cold_reset_of_a_powered_card_says_off_first(void **state)
{
    (void)state;
    ask(VPCD_COLD_RESET, 1);
    ask(VPCD_COLD_RESET, 2);
    sent("\0\1\0\0\1\1\0\1\4", 9);
}

static void warm_reset_says_reset(void **state)
{
    (void)state;
    ask(VPCD_COLD_RESET, 1);
    ask(VPCD_WARM_RESET, 2);
    sent("\0\1\2\0\1\4", 6);
}

static void warm_reset_of_a_card_without_power_is_a_cold_one(void **state)
{
    (void)state;
    ask(VPCD_WARM_RESET, 1);
    sent("\0\1\1\0\1\4", 6);
}

static void power_off_is_said_once(void **state)
{
    (void)state;
    ask(VPCD_COLD_RESET, 1);
    ask(VPCD_POWER_OFF, 0);
    sent("\0\1\0", 3);
    ask(VPCD_POWER_OFF, 0);
    sent("", 0);
}

static void a_command_is_its_length_and_its_bytes(void **state)
{
    (void)state;
    ask(VPCD_COMMAND, 1);
    sent("\x00\x07\x00\xA4\x00\x00\x02\x3F\x00", 9);
}

static void an_answer_may_come_byte_by_byte(void **state)
{
    static const uint8_t message[] = {0x00, 0x03, 0xAB, 0x90, 0x00};

    (void)state;
    ask(VPCD_COMMAND, 7);
    for (size_t i = 0; i < sizeof(message); i++) {
        expect(VPCD_MORE);
        feed(message + i, 1);
    }
    expect_answer(7, STATUS_SUCCESS, "\xAB\x90\x00", 3);
    expect(VPCD_MORE);
}

static void the_longest_answer_fits(void **state)
{
    static uint8_t message[2 + 65535];

    (void)state;
    memset(message, 0x5A, sizeof(message));
    message[0] = message[1] = 0xFF;
    ask(VPCD_COMMAND, 7);
    feed(message, sizeof(message) - 1);
    expect(VPCD_MORE);
    feed(message + sizeof(message) - 1, 1);
    expect_answer(7, STATUS_SUCCESS, message + 2, 65535);
    expect(VPCD_MORE);
}

static void an_answer_without_status_word_is_a_mute_card(void **state)
{
    (void)state;
    ask(VPCD_COMMAND, 7);
    feed("\0\0", 2);
    expect_answer(7, STATUS_IO_TIMEOUT, NULL, 0);
    ask(VPCD_COMMAND, 8);
    feed("\0\1\x90", 3);
    expect_answer(8, STATUS_IO_TIMEOUT, NULL, 0);
}

static void an_atr_of_34_bytes_is_a_mute_card(void **state)
{
    uint8_t message[2 + 34] = {0x00, 34, 0x3B};

    (void)state;
    ask(VPCD_COLD_RESET, 7);
    feed(message, sizeof(message));
    expect_answer(7, STATUS_IO_TIMEOUT, NULL, 0);
}

static void an_atr_that_is_none_reaches_the_reader(void **state)
{
    (void)state;
    ask(VPCD_COLD_RESET, 7);
    feed("\0\3\1\2\3", 5);
    expect_answer(7, STATUS_SUCCESS, "\1\2\3", 3);
}

static void the_answer_to_a_command_given_up_is_dropped(void **state)
{
    (void)state;
    ask(VPCD_COMMAND, 1);
    ask(VPCD_COMMAND, 2);
    feed("\0\2\x6A\x82\0\2\x90\0", 8);
    expect(VPCD_IGNORE);
    expect_answer(2, STATUS_SUCCESS, "\x90\0", 2);
    expect(VPCD_MORE);
}

static void the_atr_is_told_from_a_late_answer(void **state)
{
    (void)state;
    ask(VPCD_COMMAND, 1);
    ask(VPCD_COLD_RESET, 2);
    feed("\0\2\x90\0\0\2\x3B\0", 8);
    expect(VPCD_IGNORE);
    expect_answer(2, STATUS_SUCCESS, "\x3B\0", 2);
    ask(VPCD_COMMAND, 3);
    feed("\0\2\x90\0", 4);
    expect_answer(3, STATUS_SUCCESS, "\x90\0", 2);
}

static void a_reset_heals_a_peer_that_never_answered(void **state)
{
    (void)state;
    ask(VPCD_COMMAND, 1);
    ask(VPCD_COLD_RESET, 2);
    feed("\0\2\x3B\0", 4);
    expect_answer(2, STATUS_SUCCESS, "\x3B\0", 2);
    ask(VPCD_COMMAND, 3);
    feed("\0\2\x90\0", 4);
    expect_answer(3, STATUS_SUCCESS, "\x90\0", 2);
}

static void a_peer_that_floods_is_hung_up_on(void **state)
{
    (void)state;
    for (int i = 0; i < 32; i++) {
        feed("\0\2\x90\0", 4);
        expect(VPCD_IGNORE);
    }
    feed("\0\2\x90\0", 4);
    expect(VPCD_HANG_UP);
}

static void a_peer_that_owes_33_answers_is_hung_up_on(void **state)
{
    (void)state;
    for (ULONG i = 1; i <= 33; i++) {
        ask(VPCD_COMMAND, i);
    }
    session.out_sent = session.out_used;
    assert_false(vpcd_session_request(&session, VPCD_COMMAND, 34, select_mf, sizeof(select_mf)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cold_reset_of_a_card_without_power_says_on_and_asks_for_the_atr, new_session),
        cmocka_unit_test_setup(cold_reset_of_a_powered_card_says_off_first, new_session),
        cmocka_unit_test_setup(warm_reset_says_reset, new_session),
        cmocka_unit_test_setup(warm_reset_of_a_card_without_power_is_a_cold_one, new_session),
        cmocka_unit_test_setup(power_off_is_said_once, new_session),
        cmocka_unit_test_setup(a_command_is_its_length_and_its_bytes, new_session),
        cmocka_unit_test_setup(an_answer_may_come_byte_by_byte, new_session),
        cmocka_unit_test_setup(the_longest_answer_fits, new_session),
        cmocka_unit_test_setup(an_answer_without_status_word_is_a_mute_card, new_session),
        cmocka_unit_test_setup(an_atr_of_34_bytes_is_a_mute_card, new_session),
        cmocka_unit_test_setup(an_atr_that_is_none_reaches_the_reader, new_session),
        cmocka_unit_test_setup(the_answer_to_a_command_given_up_is_dropped, new_session),
        cmocka_unit_test_setup(the_atr_is_told_from_a_late_answer, new_session),
        cmocka_unit_test_setup(a_reset_heals_a_peer_that_never_answered, new_session),
        cmocka_unit_test_setup(a_peer_that_floods_is_hung_up_on, new_session),
        cmocka_unit_test_setup(a_peer_that_owes_33_answers_is_hung_up_on, new_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
