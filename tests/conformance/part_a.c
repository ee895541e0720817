/* SPDX-License-Identifier: MIT */
/*
 * Part A, the card monitor: IS_PRESENT and IS_ABSENT. The table of the part, and the plain cases: what is so already
 * ends at once, what is not waits for the card; one request at a time; nothing but the card ends it. Ending one early
 * is part_a_cancel.c's, what runs beside it part_a_beside.c's.
 */
#include "part_a.h"

/* ---- what is so already ------------------------------------------------------------------------------------------ */

static void present_with_card(struct suite *suite)
{
    expect_come_true(suite, track(suite, open_reader(suite), IS_PRESENT));
}

static void absent_without_card(struct suite *suite)
{
    expect_come_true(suite, track(suite, open_reader(suite), IS_ABSENT));
}

static void present_in_every_state(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    expect_come_true(suite, track(suite, handle, IS_PRESENT));
    set_protocol(suite, handle, SCARD_PROTOCOL_Tx);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_SPECIFIC);
    expect_come_true(suite, track(suite, handle, IS_PRESENT));
}

/* ---- what is not so yet ------------------------------------------------------------------------------------------ */

static void present_waits(struct suite *suite)
{
    struct io *io = track_waiting(suite, open_reader(suite), IS_PRESENT);

    EXPECT(suite, !ends_within(suite, io, A_WHILE));
    card_in(suite, "echo");
    expect_come_true(suite, io);
}

static void absent_waits(struct suite *suite)
{
    struct io *io = track_waiting(suite, open_reader(suite), IS_ABSENT);

    EXPECT(suite, !ends_within(suite, io, A_WHILE));
    card_out(suite);
    expect_come_true(suite, io);
}

/* Needs no hands, so that it can be asked of any reader with a card. */
static void absent_waits_with_card(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_ABSENT);

    EXPECT(suite, !ends_within(suite, io, 10 * A_WHILE));
    EXPECT(suite, CancelIoEx(handle, &io->overlapped));
    EXPECT_STATUS(suite, io, STATUS_CANCELLED);
}

/* With power or without: removal is removal. */
static void absent_from_every_state(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io;

    for (int round = 0; round < 3; round++) {
        if (round > 0)
            power_up(suite, handle, SCARD_COLD_RESET, NULL);
        if (round > 1)
            set_protocol(suite, handle, SCARD_PROTOCOL_Tx);
        io = track_waiting(suite, handle, IS_ABSENT);
        card_out(suite);
        expect_come_true(suite, io);
        EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_ABSENT);
        card_in(suite, "echo");
    }
}

static void any_kind_of_card(struct suite *suite)
{
    static const char *const cards[] = {"echo", "fs", "script\natr 3B 00\n> *\n< 90 00", "echo atr=3B3B",
                                        "echo atr=3B00"};
    HANDLE handle = open_reader(suite);
    struct io *io;

    for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
        io = track_waiting(suite, handle, IS_PRESENT);
        card_in(suite, cards[i]);
        expect_come_true(suite, io);
        card_out(suite);
    }
}

/* ---- overlapped -------------------------------------------------------------------------------------------------- */

static void event_is_set(struct suite *suite)
{
    struct io *io = track_waiting(suite, open_reader(suite), IS_PRESENT);

    EXPECT_NUMBER(suite, WaitForSingleObject(io->overlapped.hEvent, 0), WAIT_TIMEOUT);
    EXPECT(suite, !HasOverlappedIoCompleted(&io->overlapped));
    card_in(suite, "echo");
    EXPECT_NUMBER(suite, WaitForSingleObject(io->overlapped.hEvent, 10000), WAIT_OBJECT_0);
    EXPECT(suite, HasOverlappedIoCompleted(&io->overlapped));
    EXPECT_NUMBER(suite, (ULONG)io->overlapped.Internal, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, io->overlapped.InternalHigh, 0);
    expect_come_true(suite, io);
}

static void result_incomplete(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_PRESENT);
    DWORD returned = 77;
    BOOL ended = GetOverlappedResult(handle, &io->overlapped, &returned, FALSE);
    DWORD error = ended ? ERROR_SUCCESS : GetLastError();

    EXPECT(suite, !ended);
    EXPECT_NUMBER(suite, error, ERROR_IO_INCOMPLETE);
    card_in(suite, "echo");
    expect_come_true(suite, io);
}

/* The card leaves by itself, 200 ms later, after an exchange: the wait is a wait. */
static void result_waits(struct suite *suite)
{
    static const UCHAR apdu[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    HANDLE handle = open_reader(suite);
    DWORD returned = 77;
    struct io *io;

    card_in(suite, "echo delay=200");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    set_protocol(suite, handle, SCARD_PROTOCOL_T1);
    io = track_waiting(suite, handle, IS_ABSENT);
    fault(suite, "remove when=after");
    start_transmit(suite, handle, SCARD_PROTOCOL_T1, apdu, sizeof apdu, 16);
    EXPECT(suite, GetOverlappedResult(handle, &io->overlapped, &returned, TRUE));
    EXPECT_NUMBER(suite, returned, 0);
    expect_come_true(suite, io);
}

static void wait_for_several_events(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_PRESENT);
    HANDLE events[3];

    events[0] = new_event(suite, TRUE);
    events[1] = io->overlapped.hEvent;
    events[2] = new_event(suite, FALSE);
    EXPECT_NUMBER(suite, WaitForMultipleObjects(3, events, FALSE, A_WHILE), WAIT_TIMEOUT);
    card_in(suite, "echo");
    EXPECT_NUMBER(suite, WaitForMultipleObjects(3, events, FALSE, 10000), WAIT_OBJECT_0 + 1);
    expect_come_true(suite, io);
}

/* As a program does that watches all readers of a machine. */
static void wait_for_several_readers(struct suite *suite)
{
    char names[2][64];
    HANDLE events[3];
    struct io *io[3];

    io[0] = track_waiting(suite, open_reader(suite), IS_PRESENT);
    for (int i = 0; i < 2; i++) {
        fresh_reader(suite, names[i]);
        io[i + 1] = track_waiting(suite, open_device(suite, names[i], FILE_FLAG_OVERLAPPED), IS_PRESENT);
    }
    for (int i = 0; i < 3; i++)
        events[i] = io[i]->overlapped.hEvent;
    EXPECT_NUMBER(suite, WaitForMultipleObjects(3, events, FALSE, A_WHILE), WAIT_TIMEOUT);
    fresh_card_in(suite, names[1], "echo");
    EXPECT_NUMBER(suite, WaitForMultipleObjects(3, events, FALSE, 10000), WAIT_OBJECT_0 + 2);
    expect_come_true(suite, io[2]);
    EXPECT_NUMBER(suite, WaitForMultipleObjects(3, events, TRUE, A_WHILE), WAIT_TIMEOUT);
    card_in(suite, "echo");
    fresh_card_in(suite, names[0], "fs");
    EXPECT_NUMBER(suite, WaitForMultipleObjects(3, events, TRUE, 10000), WAIT_OBJECT_0);
    expect_come_true(suite, io[0]);
    expect_come_true(suite, io[1]);
}

/* ---- one at a time ----------------------------------------------------------------------------------------------- */

static void second_of_the_same_kind(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    track_waiting(suite, handle, IS_PRESENT);
    EXPECT_STATUS(suite, track(suite, handle, IS_PRESENT), STATUS_DEVICE_BUSY);
}

/* The other kind would end at once, were it looked at. */
static void absent_while_present_waits(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    track_waiting(suite, handle, IS_PRESENT);
    EXPECT_STATUS(suite, track(suite, handle, IS_ABSENT), STATUS_DEVICE_BUSY);
}

static void present_while_absent_waits(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    track_settled(suite, handle, IS_ABSENT);
    EXPECT_STATUS(suite, track(suite, handle, IS_PRESENT), STATUS_DEVICE_BUSY);
}

static void second_through_another_handle(struct suite *suite)
{
    HANDLE one = open_reader(suite);
    HANDLE other = open_reader(suite);

    track_waiting(suite, one, IS_PRESENT);
    EXPECT_STATUS(suite, track(suite, other, IS_PRESENT), STATUS_DEVICE_BUSY);
    EXPECT_STATUS(suite, track(suite, other, IS_ABSENT), STATUS_DEVICE_BUSY);
}

static void refused_leaves_the_first(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    HANDLE other = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_PRESENT);

    for (int i = 0; i < 10; i++)
        EXPECT_STATUS(suite, track(suite, i % 2 ? handle : other, i % 3 ? IS_PRESENT : IS_ABSENT), STATUS_DEVICE_BUSY);
    EXPECT(suite, !ends_within(suite, io, A_WHILE));
    card_in(suite, "echo");
    expect_come_true(suite, io);
}

static void ended_makes_room(struct suite *suite)
{
    HANDLE one = open_reader(suite);
    HANDLE other = open_reader(suite);
    struct io *io = track_waiting(suite, one, IS_PRESENT);

    card_in(suite, "echo");
    expect_come_true(suite, io);
    io = track_waiting(suite, other, IS_ABSENT);
    card_out(suite);
    expect_come_true(suite, io);
}

/* Each reader has a place of its own. */
static void another_reader_is_not_busy(struct suite *suite)
{
    char name[64];
    struct io *io, *other;

    fresh_reader(suite, name);
    io = track_waiting(suite, open_reader(suite), IS_PRESENT);
    other = track_waiting(suite, open_device(suite, name, FILE_FLAG_OVERLAPPED), IS_PRESENT);
    fresh_card_in(suite, name, "echo");
    expect_come_true(suite, other);
    EXPECT(suite, !ends_within(suite, io, A_WHILE));
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

static void expect_untouched(struct suite *suite, const struct io *io)
{
    for (DWORD i = 0; i < io->out_size; i++)
        EXPECT_NUMBER(suite, io->out[i], 0xA5);
    EXPECT_NUMBER(suite, io->returned, 0);
}

static const struct {
    DWORD in, out;
} buffer_sizes[] = {{0, 1}, {0, 300}, {1, 0}, {4, 0}, {4, 4}, {300, 0}, {300, 300}, {8, 4096}};

static void buffers_of_one_that_ends_at_once(struct suite *suite)
{
    static const UCHAR zeros[300];
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < sizeof buffer_sizes / sizeof buffer_sizes[0]; i++) {
        struct io *io = start(suite, handle, IS_PRESENT, zeros, buffer_sizes[i].in, buffer_sizes[i].out);

        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        expect_untouched(suite, io);
    }
}

static void buffers_of_one_that_waits(struct suite *suite)
{
    static const UCHAR zeros[300];
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < sizeof buffer_sizes / sizeof buffer_sizes[0]; i++) {
        struct io *io = start(suite, handle, IS_PRESENT, zeros, buffer_sizes[i].in, buffer_sizes[i].out);

        EXPECT(suite, io->pended);
        card_in(suite, "echo");
        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        expect_untouched(suite, io);
        card_out(suite);
    }
}

/* ---- in any order ------------------------------------------------------------------------------------------------ */

static void in_turns(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    for (int i = 0; i < 20; i++) {
        struct io *io = track_waiting(suite, handle, IS_PRESENT);

        card_in(suite, "echo");
        expect_come_true(suite, io);
        io = track_waiting(suite, handle, IS_ABSENT);
        card_out(suite);
        expect_come_true(suite, io);
    }
}

/* A card that was there for a moment was there. */
static void in_and_out_again(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io;

    for (int i = 0; i < 20; i++) {
        io = track_waiting(suite, handle, IS_PRESENT);
        card_in(suite, "echo");
        card_out(suite);
        expect_come_true(suite, io);
        expect_come_true(suite, track(suite, handle, IS_ABSENT));
    }
}

static void out_and_in_again(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io;

    for (int i = 0; i < 20; i++) {
        io = track_waiting(suite, handle, IS_ABSENT);
        card_out(suite);
        card_in(suite, "echo");
        expect_come_true(suite, io);
        expect_come_true(suite, track(suite, handle, IS_PRESENT));
    }
}

/* Tracking asks what is, not what was. */
static void untracked_is_forgotten(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io;

    card_in(suite, "echo");
    card_out(suite);
    io = track_waiting(suite, handle, IS_PRESENT);
    EXPECT(suite, !ends_within(suite, io, A_WHILE));
}

static void again_after_each_change(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_ABSENT);

    card_out(suite);
    expect_come_true(suite, io);
    io = track_waiting(suite, handle, IS_PRESENT);
    for (int i = 0; i < 3; i++) {
        card_in(suite, "echo");
        expect_come_true(suite, io);
        card_out(suite);
        io = track_waiting(suite, handle, IS_PRESENT);
    }
    EXPECT(suite, !ends_within(suite, io, A_WHILE));
}

/* ---- the part ---------------------------------------------------------------------------------------------------- */

static const struct check checks[] = {
    {"is_present_with_a_card_ends_at_once", "smclib.md 3.3 (4)", NEED_CARD, present_with_card},
    {"is_absent_without_a_card_ends_at_once", "smclib.md 3.3 (4)", NEED_VIRTUAL, absent_without_card},
    {"is_present_ends_at_once_in_every_state_with_a_card", "smclib.md 3.3 (4)", NEED_CARD, present_in_every_state},
    {"is_present_waits_for_the_card", "IOCTL_SMARTCARD_IS_PRESENT", NEED_VIRTUAL, present_waits},
    {"is_absent_waits_for_the_removal", "IOCTL_SMARTCARD_IS_ABSENT", NEED_VIRTUAL | NEED_CARD, absent_waits},
    {"is_absent_with_a_card_waits_until_cancelled", "smclib.md 4.4", NEED_CARD, absent_waits_with_card},
    {"is_absent_ends_from_every_state", "smclib.md 4.5", NEED_VIRTUAL | NEED_CARD, absent_from_every_state},
    {"is_present_ends_for_any_kind_of_card", "smclib.md 4.5", NEED_VIRTUAL, any_kind_of_card},
    {"tracking_sets_its_event", "IOCTL_SMARTCARD_IS_PRESENT; DeviceIoControl", NEED_VIRTUAL, event_is_set},
    {"tracking_that_waits_is_incomplete", "GetOverlappedResult, bWait FALSE", NEED_VIRTUAL, result_incomplete},
    {"tracking_can_be_waited_for", "GetOverlappedResult, bWait TRUE", NEED_VIRTUAL, result_waits},
    {"tracking_among_other_events", "WaitForMultipleObjects", NEED_VIRTUAL, wait_for_several_events},
    {"tracking_on_several_readers", "WaitForMultipleObjects", NEED_VIRTUAL | NEED_UNPLUG, wait_for_several_readers},
    {"second_is_present_is_busy", "smclib.md 3.3 (2)", NEED_VIRTUAL, second_of_the_same_kind},
    {"is_absent_is_busy_while_is_present_waits", "smclib.md 3.3 (2)", NEED_VIRTUAL, absent_while_present_waits},
    {"is_present_is_busy_while_is_absent_waits", "smclib.md 3.3 (2)", NEED_CARD, present_while_absent_waits},
    {"second_is_busy_through_another_handle", "smclib.md 4.4", NEED_VIRTUAL, second_through_another_handle},
    {"refused_tracking_leaves_the_first_alone", "smclib.md 4.4", NEED_VIRTUAL, refused_leaves_the_first},
    {"tracking_that_ended_makes_room", "smclib.md 4.4", NEED_VIRTUAL, ended_makes_room},
    {"tracking_of_another_reader_is_not_busy", "smclib.md 4.4", NEED_VIRTUAL | NEED_UNPLUG, another_reader_is_not_busy},
    {"tracking_at_once_leaves_buffers_alone", "smclib.md 3.3, buffers", NEED_CARD, buffers_of_one_that_ends_at_once},
    {"tracking_that_waits_leaves_buffers_alone", "smclib.md 3.3, buffers", NEED_VIRTUAL, buffers_of_one_that_waits},
    {"insertion_and_removal_in_turns", "smclib.md 4.4", NEED_VIRTUAL, in_turns},
    {"a_card_that_was_there_for_a_moment_counts", "smclib.md 4.5", NEED_VIRTUAL, in_and_out_again},
    {"a_card_that_was_away_for_a_moment_counts", "smclib.md 4.5", NEED_VIRTUAL | NEED_CARD, out_and_in_again},
    {"changes_that_nobody_tracked_are_forgotten", "smclib.md 3.3 (4)", NEED_VIRTUAL, untracked_is_forgotten},
    {"tracking_again_after_each_change", "smclib.md 4.4", NEED_VIRTUAL | NEED_CARD, again_after_each_change},

    {"cancel_ends_the_request", "CancelIoEx; smclib.md 4.4", NEED_CARD, a_cancel_one},
    {"cancel_ends_all_of_a_handle", "CancelIoEx, lpOverlapped NULL", NEED_CARD, a_cancel_all_of_a_handle},
    {"cancel_ends_what_the_thread_started", "CancelIo", NEED_CARD, a_cancel_of_the_thread},
    {"cancel_works_from_any_thread", "CancelIoEx", NEED_CARD, a_cancel_from_another_thread},
    {"cancel_io_leaves_other_threads_alone", "CancelIo", NEED_CARD, a_cancel_io_of_another_thread},
    {"cancel_of_an_ended_request_finds_nothing", "CancelIoEx, ERROR_NOT_FOUND", NEED_VIRTUAL, a_cancel_ended},
    {"cancel_of_a_cancelled_request_finds_nothing", "CancelIoEx, ERROR_NOT_FOUND", NEED_CARD, a_cancel_cancelled},
    {"cancel_of_a_refused_request_finds_nothing", "CancelIoEx, ERROR_NOT_FOUND", NEED_CARD, a_cancel_refused},
    {"cancel_through_another_handle_finds_no_tracking", "CancelIoEx, hFile", NEED_CARD,
     a_cancel_through_another_handle},
    {"cancel_of_another_handle_leaves_it_alone", "CancelIo, hFile", NEED_CARD, a_cancel_all_through_another_handle},
    {"cancel_leaves_the_exchange_alone", "CancelIoEx", NEED_VIRTUAL, a_cancel_spares_the_operation},
    {"tracking_that_was_cancelled_makes_room", "smclib.md 4.4", NEED_VIRTUAL, a_cancelled_makes_room},
    {"cancel_a_hundred_times", "smclib.md 4.4", NEED_CARD, a_cancel_hundred_times},
    {"cancel_meets_insertion", "smclib.md 4.4", NEED_VIRTUAL | NEED_CANCEL_RACE, a_cancel_meets_insertion},
    {"tracking_meets_insertion", "smclib.md 4.4", NEED_VIRTUAL, a_start_meets_insertion},
    {"close_ends_the_request", "smclib.md 4.4, cleanup", NEED_CARD | NEED_CLEANUP, a_close_ends},
    {"close_makes_room", "smclib.md 4.4, cleanup", NEED_VIRTUAL | NEED_CLEANUP, a_close_makes_room},
    {"close_of_another_handle_leaves_it_alone", "smclib.md 4.4, cleanup", NEED_CARD, a_close_of_another},

    {"tracking_during_an_exchange", "DESIGN 5; smclib.md 4.2", NEED_VIRTUAL, a_during_an_exchange},
    {"exchange_while_tracking_waits", "smclib.md 4.2", NEED_CARD, a_exchange_while_tracking},
    {"power_down_does_not_end_tracking", "smclib.md 4.5", NEED_CARD, a_power_does_not_end},
    {"refused_operations_do_not_end_tracking", "smclib.md 4.4", NEED_VIRTUAL, a_operations_while_tracking},
    {"queries_while_tracking_waits", "smclib.md 3.2; DESIGN 5", NEED_CARD, a_queries_while_tracking},
    {"removal_ends_exchange_and_tracking", "smclib.md 4.5", NEED_VIRTUAL, a_removal_ends_both},
    {"random_walk", "smclib.md 3.3 and 4.4", NEED_VIRTUAL, a_walk},
    {"random_walk_with_closing", "smclib.md 3.3 and 4.4", NEED_VIRTUAL | NEED_CLEANUP, a_walk_with_closing},
};

const struct part part_a = {'A', "card monitor", checks, sizeof checks / sizeof checks[0]};
