/* SPDX-License-Identifier: MIT */
/* Every fault: what the reader makes of it, and that the next exchange works. */
#include "vreader_kit.h"

#define PING  "00 01 00 00 02 AA BB"
#define PONG  "AA BB 90 00"
#define PING0 "00 B0 00 00 02"
#define PONG0 "00 01 90 00"

static void a_mute_card_times_out_over_t1_and_then_works(void **state)
{
    struct rig *rig = *state;
    double start;

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    exchange(rig, T1, PING, PONG);
    fault(rig, "mute");
    start = seconds();
    assert_int_equal(failing(rig, T1, PING), STATUS_IO_TIMEOUT);
    assert_true(seconds() - start >= 0.5); /* six times BWT */
    exchange(rig, T1, PING, PONG);
    exchange(rig, T1, "00 01 00 00 02 CC DD", "CC DD 90 00");
}

static void a_mute_card_times_out_over_t0_and_then_works(void **state)
{
    struct rig *rig = *state;
    double start;

    insert(rig, "echo " FAST_T0);
    connect(rig, T0);
    fault(rig, "mute");
    start = seconds();
    assert_int_equal(failing(rig, T0, PING0), STATUS_IO_TIMEOUT);
    assert_true(seconds() - start >= 0.085); /* WWT */
    exchange(rig, T0, PING0, PONG0);
}

static void a_mute_card_gives_no_atr(void **state)
{
    struct rig *rig = *state;
    UCHAR atr[33];
    size_t size;

    insert(rig, "echo");
    fault(rig, "mute");
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_IO_TIMEOUT);
    assert_int_equal(last_error(rig->reader), STATUS_IO_TIMEOUT);
    assert_int_equal(state_of(rig->reader), SCARD_PRESENT);
    connect(rig, T1);
}

static void a_card_that_is_mute_to_pps_fails_twice(void **state)
{
    struct rig *rig = *state;
    UCHAR atr[33];
    size_t size;

    insert(rig, "echo");
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_SUCCESS);
    fault(rig, "mute");
    assert_int_equal(set_protocol(rig->reader, T1, NULL), STATUS_IO_TIMEOUT);
    connect(rig, T1);
    exchange(rig, T1, PING, PONG);
}

static void skip_and_count_are_kept(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo " FAST_T0);
    connect(rig, T0);
    fault(rig, "mute skip=1 count=2");
    exchange(rig, T0, PING0, PONG0);
    assert_int_equal(failing(rig, T0, PING0), STATUS_IO_TIMEOUT);
    assert_int_equal(failing(rig, T0, PING0), STATUS_IO_TIMEOUT);
    exchange(rig, T0, PING0, PONG0);
    fault(rig, "mute count=0");
    assert_int_equal(failing(rig, T0, PING0), STATUS_IO_TIMEOUT);
    assert_int_equal(failing(rig, T0, PING0), STATUS_IO_TIMEOUT);
    fault(rig, "none");
    exchange(rig, T0, PING0, PONG0);
}

static void eight_faults_can_be_armed(void **state)
{
    struct rig *rig = *state;

    for (int i = 0; i < 8; i++) {
        fault(rig, "edc byte=1");
    }
    assert_int_equal(say(rig->panel, IOCTL_VREADER_FAULT, "edc byte=1"), STATUS_INSUFFICIENT_RESOURCES);
    status_is(rig, "card=none power=off protocol=none faults=8\n"
                   "refused: eight faults are armed already; fault none disarms them\n");
    fault(rig, "none");
    status_is(rig, "card=none power=off protocol=none faults=0\n");
}

static void a_card_leaves(struct rig *rig, const char *when, ULONG protocol, const char *command)
{
    insert(rig, protocol == T1 ? "echo " FAST_T1 : "echo " FAST_T0);
    connect(rig, protocol);
    fault(rig, when);
    assert_int_equal(failing(rig, protocol, command), STATUS_NO_MEDIA);
    assert_int_equal(state_of(rig->reader), SCARD_ABSENT);
    assert_int_equal(failing(rig, protocol, command), STATUS_INVALID_DEVICE_STATE);
    assert_int_equal(say(rig->panel, IOCTL_VREADER_REMOVE, ""), STATUS_NO_MEDIA);
}

static void a_card_that_leaves_before_or_during_is_no_media(void **state)
{
    struct rig *rig = *state;
    char text[64];

    a_card_leaves(rig, "remove when=before", T1, PING);
    a_card_leaves(rig, "remove when=before", T0, PING0);
    /* T=1: S(IFS) and its response are 5 bytes each, the I-block 11, its answer 8; T=0: header 5, then INS, data, SW. */
    for (int byte = 0; byte < 29; byte++) {
        snprintf(text, sizeof text, "remove when=during byte=%d", byte);
        a_card_leaves(rig, text, T1, PING);
    }
    for (int byte = 0; byte < 10; byte++) {
        snprintf(text, sizeof text, "remove when=during byte=%d", byte);
        a_card_leaves(rig, text, T0, PING0);
    }
}

static void a_card_that_leaves_behind_the_last_character_has_answered(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    fault(rig, "remove when=during byte=29");
    exchange(rig, T1, PING, PONG);
    assert_int_equal(state_of(rig->reader), SCARD_SPECIFIC);
}

static void a_card_that_leaves_after_has_answered(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo");
    connect(rig, T1);
    fault(rig, "remove when=after skip=1");
    exchange(rig, T1, PING, PONG);
    assert_int_equal(state_of(rig->reader), SCARD_SPECIFIC);
    exchange(rig, T1, PING, PONG);
    assert_int_equal(state_of(rig->reader), SCARD_ABSENT);
    insert(rig, "fs");
    connect(rig, T1);
}

static void a_card_can_leave_during_its_atr_and_its_pps(void **state)
{
    struct rig *rig = *state;
    UCHAR atr[33];
    size_t size;

    insert(rig, "echo");
    fault(rig, "remove when=during byte=3");
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_NO_MEDIA);
    insert(rig, "echo");
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_SUCCESS);
    fault(rig, "remove when=during byte=5");
    assert_int_equal(set_protocol(rig->reader, T1, NULL), STATUS_NO_MEDIA);
}

static void an_edc_error_at_any_byte_is_repaired(void **state)
{
    struct rig *rig = *state;
    char text[64];

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    exchange(rig, T1, PING, PONG); /* S(IFS) has been exchanged */
    for (int byte = 0; byte < 12; byte++) {
        snprintf(text, sizeof text, "edc byte=%d", byte);
        fault(rig, text);
        exchange(rig, T1, PING, PONG);
        strcat(text, " to=card");
        fault(rig, text);
        exchange(rig, T1, PING, PONG);
    }
    status_is(rig, "card=echo power=on protocol=T=1 rate=372/1 faults=0\n");
}

static void edc_errors_without_end_break_the_link_and_it_heals(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    exchange(rig, T1, PING, PONG);
    fault(rig, "edc byte=4 count=0");
    assert_int_equal(failing(rig, T1, PING), STATUS_DEVICE_PROTOCOL_ERROR);
    fault(rig, "none");
    exchange(rig, T1, PING, PONG);
    fault(rig, "edc byte=4 count=0 to=card");
    assert_int_equal(failing(rig, T1, PING), STATUS_DEVICE_PROTOCOL_ERROR);
    fault(rig, "none");
    exchange(rig, T1, PING, PONG);
}

static void a_parity_error_invalidates_a_t1_block(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    exchange(rig, T1, PING, PONG); /* S(IFS) has been exchanged */
    fault(rig, "parity byte=0");
    exchange(rig, T1, PING, PONG);
    fault(rig, "parity byte=3 to=card");
    exchange(rig, T1, PING, PONG);
    status_is(rig, "card=echo power=on protocol=T=1 rate=372/1 faults=0\n");
}

static void a_t0_character_with_a_parity_error_is_sent_again(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo " FAST_T0);
    connect(rig, T0);
    for (int count = 1; count <= 3; count++) {
        char text[64];

        snprintf(text, sizeof text, "parity byte=1 count=%d", count);
        fault(rig, text);
        exchange(rig, T0, PING0, PONG0);
        snprintf(text, sizeof text, "parity byte=4 to=card count=%d", count);
        fault(rig, text);
        exchange(rig, T0, PING0, PONG0);
    }
    status_is(rig, "card=echo power=on protocol=T=0 rate=372/1 faults=0\n");
}

static void a_t0_character_that_stays_wrong_ends_the_exchange(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo " FAST_T0);
    connect(rig, T0);
    fault(rig, "parity byte=1 count=0");
    assert_int_equal(failing(rig, T0, PING0), STATUS_DEVICE_PROTOCOL_ERROR);
    fault(rig, "none");
    exchange(rig, T0, PING0, PONG0);
    fault(rig, "parity byte=0 to=card count=0");
    assert_int_equal(failing(rig, T0, PING0), STATUS_IO_TIMEOUT); /* the card has not got its header */
    fault(rig, "none");
    exchange(rig, T0, PING0, PONG0);
}

static void a_late_answer_within_the_waiting_time_is_an_answer(void **state)
{
    struct rig *rig = *state;
    double start;

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    fault(rig, "late ms=40");
    start = seconds();
    exchange(rig, T1, PING, PONG);
    assert_true(seconds() - start >= 0.039);
}

static void a_late_answer_over_t1_is_asked_for_again(void **state)
{
    struct rig *rig = *state;
    double start;

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    exchange(rig, T1, PING, PONG);
    fault(rig, "late ms=200");
    start = seconds();
    exchange(rig, T1, PING, PONG);
    assert_true(seconds() - start >= 0.19);
    exchange(rig, T1, PING, PONG);
}

static void an_answer_too_late_over_t0_times_out_and_is_not_the_next_ones(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo " FAST_T0);
    connect(rig, T0);
    fault(rig, "late ms=150");
    assert_int_equal(failing(rig, T0, PING0), STATUS_IO_TIMEOUT);
    exchange(rig, T0, "00 B0 00 00 03", "00 01 02 90 00");
    usleep(200000);
    exchange(rig, T0, PING0, PONG0);
}

static void waiting_time_requests_go_on_until_the_caller_has_enough(struct rig *rig, ULONG protocol,
                                                                    const char *command)
{
    UCHAR in[64];
    struct flight flight = {0};
    size_t size = with_pci(in, protocol, command);

    fault(rig, "wtx");
    assert_int_equal(flight_start(&flight, rig->reader, IOCTL_SMARTCARD_TRANSMIT, in, size, 64), STATUS_PENDING);
    assert_false(flight_wait(&flight, 700)); /* much longer than BWT and WWT */
    assert_true(IoCancelIrp(flight.irp));
    assert_int_equal(flight_end(&flight, NULL, NULL), STATUS_CANCELLED);
    assert_int_equal(last_error(rig->reader), STATUS_CANCELLED);
}

static void endless_wtx_ends_by_cancel_over_t1(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    waiting_time_requests_go_on_until_the_caller_has_enough(rig, T1, PING);
    exchange(rig, T1, PING, PONG);
}

static void endless_null_ends_by_cancel_over_t0(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo " FAST_T0);
    connect(rig, T0);
    waiting_time_requests_go_on_until_the_caller_has_enough(rig, T0, PING0);
    exchange(rig, T0, PING0, PONG0);
}

static void a_script_can_be_mute_and_leave(void **state)
{
    struct rig *rig = *state;

    insert(rig, "script " FAST_T0 "\n> 00010000*\nmute\n> 00020000*\n< 9000\n> 00030000*\nleave");
    connect(rig, T0);
    assert_int_equal(failing(rig, T0, "00 01 00 00"), STATUS_IO_TIMEOUT);
    exchange(rig, T0, "00 02 00 00", "90 00");
    assert_int_equal(failing(rig, T0, "00 03 00 00"), STATUS_NO_MEDIA);
    assert_int_equal(state_of(rig->reader), SCARD_ABSENT);
    insert(rig, "fs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_rig(a_mute_card_times_out_over_t1_and_then_works),
        with_rig(a_mute_card_times_out_over_t0_and_then_works),
        with_rig(a_mute_card_gives_no_atr),
        with_rig(a_card_that_is_mute_to_pps_fails_twice),
        with_rig(skip_and_count_are_kept),
        with_rig(eight_faults_can_be_armed),
        with_rig(a_card_that_leaves_before_or_during_is_no_media),
        with_rig(a_card_that_leaves_behind_the_last_character_has_answered),
        with_rig(a_card_that_leaves_after_has_answered),
        with_rig(a_card_can_leave_during_its_atr_and_its_pps),
        with_rig(an_edc_error_at_any_byte_is_repaired),
        with_rig(edc_errors_without_end_break_the_link_and_it_heals),
        with_rig(a_parity_error_invalidates_a_t1_block),
        with_rig(a_t0_character_with_a_parity_error_is_sent_again),
        with_rig(a_t0_character_that_stays_wrong_ends_the_exchange),
        with_rig(a_late_answer_within_the_waiting_time_is_an_answer),
        with_rig(a_late_answer_over_t1_is_asked_for_again),
        with_rig(an_answer_too_late_over_t0_times_out_and_is_not_the_next_ones),
        with_rig(endless_wtx_ends_by_cancel_over_t1),
        with_rig(endless_null_ends_by_cancel_over_t0),
        with_rig(a_script_can_be_mute_and_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
