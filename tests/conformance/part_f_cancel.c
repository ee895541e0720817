/* SPDX-License-Identifier: MIT */
/*
 * What ends operations from outside: cancel, a handle that is closed, a card or a reader that goes. What "at once" means
 * is again told by order: it has ended, and what runs is running still.
 */
#include "part_f.h"

#include <string.h>

/* ---- cancel of one ------------------------------------------------------------------------------------------------- */

void part_f_cancel_ends_a_queued_operation_at_once(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running, *queued;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    queued = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    EXPECT(suite, queued->pended);
    cancel_now(suite, queued);
    EXPECT_NUMBER(suite, queued->returned, 0);
    EXPECT(suite, !ends_within(suite, running, 0));
    cancel_now(suite, running);
}

void part_f_cancel_ends_a_running_operation(struct suite *suite)
{
    static const DWORD protocols[] = {SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T1};
    HANDLE reader = open_reader(suite);

    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        make_ready(suite, reader, protocols[i]);
        cancel_now(suite, hold_reader(suite, reader, protocols[i]));
    }
}

void part_f_cancel_ends_a_reset(struct suite *suite)
{
    const ULONG cold = SCARD_COLD_RESET;
    HANDLE reader = open_reader(suite);
    struct io *reset;

    fault(suite, "delay byte=1 ms=800 on=atr");
    reset = start(suite, reader, IOCTL_SMARTCARD_POWER, &cold, 4, 33);
    EXPECT(suite, reset->pended);
    cancel_now(suite, reset);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
}

void part_f_cancel_ends_a_protocol_negotiation(struct suite *suite)
{
    const ULONG mask = SCARD_PROTOCOL_T1;
    HANDLE reader = open_reader(suite);
    struct io *selection;

    card_in(suite, "echo pps=mute");
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    selection = start(suite, reader, IOCTL_SMARTCARD_SET_PROTOCOL, &mask, 4, 4);
    EXPECT(suite, selection->pended);
    cancel_now(suite, selection);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
}

void part_f_cancel_ends_a_tracking_request_at_once(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *tracking = start(suite, reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);

    EXPECT(suite, tracking->pended);
    cancel_now(suite, tracking);
    tracking = start(suite, reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0); /* its place is free again */
    EXPECT(suite, tracking->pended);
    card_in(suite, "echo");
    EXPECT_STATUS(suite, tracking, STATUS_SUCCESS);
}

void part_f_cancel_of_an_ended_operation_finds_nothing(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *io;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    fault(suite, "late ms=20");
    io = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, cancel(io), ERROR_NOT_FOUND);
    EXPECT_NUMBER(suite, io->overlapped.Internal, STATUS_SUCCESS);
    EXPECT_LAST(suite, reader, STATUS_SUCCESS);
}

void part_f_cancel_through_another_handle_finds_nothing(struct suite *suite)
{
    HANDLE reader = open_reader(suite), other = open_reader(suite);
    struct io *running;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    EXPECT(suite, !CancelIoEx(other, &running->overlapped));
    EXPECT_NUMBER(suite, GetLastError(), ERROR_NOT_FOUND);
    EXPECT(suite, !ends_within(suite, running, 50));
    cancel_now(suite, running);
}

/* ---- what is left in the queue ------------------------------------------------------------------------------------- */

/* The card takes these in this order only. */
static const char in_order[] = "script\n"
                               "atr 3B 80 80 01 01\n"
                               "> 00 01 00 00\n< 90 00\n"
                               "> 00 02 00 00\n< 90 00\n"
                               "> 00 04 00 00\n< 90 00\n"
                               "> 00 05 00 00\n< 90 00\n";

static void expect_nine_thousand(struct suite *suite, struct io *io)
{
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_BYTES(suite, io->out + sizeof(SCARD_IO_REQUEST), io->returned - sizeof(SCARD_IO_REQUEST), "\x90\x00", 2);
}

void part_f_cancel_of_one_leaves_the_others_in_order(struct suite *suite)
{
    HANDLE handles[2] = {open_reader(suite), open_reader(suite)};
    struct io *running, *queued[5];

    card_in(suite, in_order);
    make_ready(suite, handles[0], SCARD_PROTOCOL_T1);
    running = hold_reader(suite, handles[0], SCARD_PROTOCOL_T1);
    for (UCHAR i = 0; i < 5; i++)
        queued[i] = start_exchange(suite, handles[i % 2], SCARD_PROTOCOL_T1, (UCHAR)(i + 1));
    cancel_now(suite, queued[2]); /* in the middle, 00 03 */
    cancel_now(suite, running);
    for (int i = 0; i < 5; i++) {
        if (i != 2)
            expect_nine_thousand(suite, queued[i]);
    }
}

void part_f_card_removal_leaves_the_queue_in_order(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running, *queued[2];
    const ULONG cold = SCARD_COLD_RESET;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    queued[0] = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    queued[1] = start(suite, reader, IOCTL_SMARTCARD_POWER, &cold, 4, 33);
    card_out(suite);
    EXPECT_STATUS(suite, running, STATUS_NO_MEDIA);
    EXPECT_STATUS(suite, queued[1], STATUS_INVALID_DEVICE_STATE);
    EXPECT(suite, ends_within(suite, queued[0], 0));
    EXPECT_STATUS(suite, queued[0], STATUS_INVALID_DEVICE_STATE);
}

void part_f_operations_behind_a_cancelled_one_go_on(struct suite *suite)
{
    HANDLE reader = open_reader(suite), other = open_reader(suite);
    struct io *running, *first, *second;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    first = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    second = start_exchange(suite, other, SCARD_PROTOCOL_T1, 0x02);
    cancel_now(suite, running);
    expect_nine_thousand(suite, first);
    expect_nine_thousand(suite, second);
}

void part_f_reader_works_after_a_cancel(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    for (int i = 0; i < 3; i++) {
        cancel_now(suite, hold_reader(suite, reader, SCARD_PROTOCOL_T1));
        expect_nine_thousand(suite, start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01));
    }
}

/* ---- cancel of many ------------------------------------------------------------------------------------------------ */

static void expect_cancel_is_of_one_handle(struct suite *suite, bool thread_only)
{
    HANDLE reader = open_reader(suite), other = open_reader(suite);
    struct io *running, *queued, *tracking, *others;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    queued = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    tracking = start(suite, reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    others = start_exchange(suite, other, SCARD_PROTOCOL_T1, 0x02);
    EXPECT(suite, thread_only ? CancelIo(reader) : CancelIoEx(reader, NULL));
    EXPECT_STATUS(suite, running, STATUS_CANCELLED);
    EXPECT_STATUS(suite, queued, STATUS_CANCELLED);
    EXPECT_STATUS(suite, tracking, STATUS_CANCELLED);
    expect_nine_thousand(suite, others);
}

void part_f_cancel_of_everything_is_of_one_handle(struct suite *suite)
{
    expect_cancel_is_of_one_handle(suite, false);
}

void part_f_cancel_io_is_of_one_handle(struct suite *suite)
{
    expect_cancel_is_of_one_handle(suite, true);
}

/* ---- cancel and end meet ------------------------------------------------------------------------------------------- */

#define MEETINGS 100

/* An exchange that ends after a millisecond or so, and a cancel about then: one of the two wins, wholly. */
void part_f_cancel_that_meets_the_end_leaves_one_result(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    for (int i = 0; i < MEETINGS; i++) {
        const ULONGLONG until = GetTickCount64() + chance(suite, 3);
        struct io *io;
        DWORD said;

        fault(suite, "late us=1000");
        io = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
        while (GetTickCount64() < until && !ends_within(suite, io, 0))
            ;
        said = cancel(io);
        finish(suite, io);
        EXPECT(suite, said == ERROR_SUCCESS || said == ERROR_NOT_FOUND);
        if (io->error == ERROR_OPERATION_ABORTED) {
            EXPECT_NUMBER(suite, said, ERROR_SUCCESS);
            EXPECT_NUMBER(suite, io->returned, 0);
            EXPECT(suite, io->out[0] == 0xA5);
            EXPECT_LAST(suite, reader, STATUS_CANCELLED);
        } else {
            expect_nine_thousand(suite, io);
            EXPECT_LAST(suite, reader, STATUS_SUCCESS);
        }
    }
}

static struct blocked {
    HANDLE handle;
    DWORD error;
} blocked;

static DWORD WINAPI block(LPVOID context)
{
    UCHAR in[] = {SCARD_PROTOCOL_T1, 0, 0, 0, 8, 0, 0, 0, 0x00, 0x01, 0x00, 0x00}, out[10];
    DWORD returned;

    (void)context;
    blocked.error =
        DeviceIoControl(blocked.handle, IOCTL_SMARTCARD_TRANSMIT, in, sizeof(in), out, sizeof(out), &returned, NULL)
            ? ERROR_SUCCESS
            : GetLastError();
    return 0;
}

void part_f_cancel_of_a_synchronous_request_in_another_thread(struct suite *suite)
{
    HANDLE reader = open_reader(suite), thread;
    const ULONGLONG until = GetTickCount64() + 10000;

    blocked.handle = open_device(suite, reader_name(suite), 0);
    blocked.error = 0;
    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    fault(suite, "wtx");
    thread = new_thread(suite, block, NULL);
    while (!CancelSynchronousIo(thread)) { /* it has not called yet */
        EXPECT_NUMBER(suite, GetLastError(), ERROR_NOT_FOUND);
        EXPECT(suite, GetTickCount64() < until);
        Sleep(1);
    }
    join_threads(suite, &thread, 1);
    EXPECT_NUMBER(suite, blocked.error, ERROR_OPERATION_ABORTED);
    EXPECT_LAST(suite, reader, STATUS_CANCELLED);
}

/* ---- a handle is closed -------------------------------------------------------------------------------------------- */

void part_f_close_cancels_what_runs(struct suite *suite)
{
    HANDLE reader = open_reader(suite), other = open_reader(suite);
    struct io *running;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    close_handle(suite, reader);
    EXPECT(suite, ends_within(suite, running, 0)); /* nothing of it is left when CloseHandle returns */
    EXPECT_STATUS(suite, running, STATUS_CANCELLED);
    EXPECT_LAST(suite, other, STATUS_CANCELLED);
}

void part_f_close_cancels_what_queues(struct suite *suite)
{
    HANDLE reader = open_reader(suite), other = open_reader(suite);
    struct io *running, *queued;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    queued = start_exchange(suite, other, SCARD_PROTOCOL_T1, 0x01);
    close_handle(suite, other);
    EXPECT_STATUS(suite, queued, STATUS_CANCELLED);
    EXPECT_LAST(suite, reader, STATUS_CANCELLED);
    EXPECT(suite, !ends_within(suite, running, 0));
    cancel_now(suite, running);
}

void part_f_close_cancels_what_tracks(struct suite *suite)
{
    HANDLE reader = open_reader(suite), other = open_reader(suite);
    struct io *tracking = start(suite, reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);

    EXPECT(suite, tracking->pended);
    close_handle(suite, reader);
    EXPECT_STATUS(suite, tracking, STATUS_CANCELLED);
    EXPECT_LAST(suite, other, STATUS_CANCELLED);
    tracking = start(suite, other, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
    EXPECT(suite, tracking->pended);
}

void part_f_close_leaves_what_others_have_in_flight(struct suite *suite)
{
    HANDLE reader = open_reader(suite), other = open_reader(suite);
    struct io *running, *queued, *tracking;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    queued = start_exchange(suite, other, SCARD_PROTOCOL_T1, 0x01);
    tracking = start(suite, other, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    close_handle(suite, reader);
    EXPECT_STATUS(suite, running, STATUS_CANCELLED);
    expect_nine_thousand(suite, queued);
    EXPECT(suite, !ends_within(suite, tracking, 0));
    cancel_now(suite, tracking);
}

/* ---- a reader goes ------------------------------------------------------------------------------------------------- */

/* A reader of its own, with an exchange that runs, one that queues and a tracking request, on two handles. */
static struct {
    char name[64];
    HANDLE reader, other;
    struct io *ios[3];
} fresh;

static void busy_fresh_reader(struct suite *suite)
{
    fresh_reader(suite, fresh.name);
    fresh_card_in(suite, fresh.name, "echo");
    fresh.reader = open_device(suite, fresh.name, FILE_FLAG_OVERLAPPED);
    fresh.other = open_device(suite, fresh.name, FILE_FLAG_OVERLAPPED);
    make_ready(suite, fresh.reader, SCARD_PROTOCOL_T1);
    fresh_fault(suite, fresh.name, "wtx");
    fresh.ios[0] = start_exchange(suite, fresh.reader, SCARD_PROTOCOL_T1, 0x01);
    fresh.ios[1] = start_exchange(suite, fresh.other, SCARD_PROTOCOL_T1, 0x01);
    fresh.ios[2] = start(suite, fresh.other, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    for (int i = 0; i < 3; i++)
        EXPECT(suite, fresh.ios[i]->pended && !ends_within(suite, fresh.ios[i], 0));
}

void part_f_reader_removal_ends_everything_on_it(struct suite *suite)
{
    busy_fresh_reader(suite);
    take_away(suite, fresh.name);
    for (int i = 0; i < 3; i++)
        EXPECT_STATUS(suite, fresh.ios[i], STATUS_DEVICE_REMOVED);
}

void part_f_reader_removal_refuses_what_comes_later(struct suite *suite)
{
    busy_fresh_reader(suite);
    take_away(suite, fresh.name);
    EXPECT_STATUS(suite, fresh.ios[0], STATUS_DEVICE_REMOVED);
    EXPECT_STATUS(suite, request(suite, fresh.reader, IOCTL_SMARTCARD_EJECT, NULL, 0, 0), STATUS_DEVICE_REMOVED);
    EXPECT_STATUS(suite, request(suite, fresh.other, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0), STATUS_DEVICE_REMOVED);
    EXPECT_LAST(suite, fresh.other, STATUS_DEVICE_REMOVED);
}

void part_f_reader_removal_leaves_other_readers(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running, *queued;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    queued = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    busy_fresh_reader(suite);
    take_away(suite, fresh.name);
    EXPECT_STATUS(suite, fresh.ios[0], STATUS_DEVICE_REMOVED);
    EXPECT(suite, !ends_within(suite, running, 50));
    EXPECT_LAST(suite, reader, STATUS_SUCCESS);
    cancel_now(suite, running);
    expect_nine_thousand(suite, queued);
}
