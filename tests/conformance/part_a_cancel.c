/* SPDX-License-Identifier: MIT */
/*
 * Part A, the card monitor: tracking requests that end early, by CancelIo, CancelIoEx or by closing the handle.
 * IS_ABSENT is what is used where it can be: with a card it waits on any reader, without anybody's hands.
 */
#include "part_a.h"

/* ---- a thread ---------------------------------------------------------------------------------------------------- */

/* Start a thread, wait for its end, and have what it returned. Nothing in it may fail the check. */
static DWORD in_a_thread(struct suite *suite, LPTHREAD_START_ROUTINE routine, void *argument)
{
    HANDLE thread = CreateThread(NULL, 0, routine, argument, 0, NULL);
    DWORD result = 0;
    DWORD waited;

    EXPECT(suite, thread != NULL);
    waited = WaitForSingleObject(thread, 10000);
    (void)GetExitCodeThread(thread, &result);
    (void)CloseHandle(thread);
    EXPECT_NUMBER(suite, waited, WAIT_OBJECT_0);
    return result;
}

static DWORD WINAPI cancel_this_one(LPVOID argument)
{
    struct io *io = argument;

    return CancelIoEx(io->handle, &io->overlapped) ? 1 : 2;
}

static DWORD WINAPI cancel_own(LPVOID argument)
{
    const struct io *io = argument;

    return CancelIo(io->handle) ? 1 : 2;
}

/* ---- what is cancelled ------------------------------------------------------------------------------------------- */

static void expect_cancelled(struct suite *suite, struct io *io)
{
    EXPECT_STATUS(suite, io, STATUS_CANCELLED);
    EXPECT_NUMBER(suite, io->returned, 0);
}

void a_cancel_one(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_ABSENT);

    EXPECT(suite, CancelIoEx(handle, &io->overlapped));
    expect_cancelled(suite, io);
}

void a_cancel_all_of_a_handle(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_ABSENT);

    EXPECT(suite, CancelIoEx(handle, NULL));
    expect_cancelled(suite, io);
}

void a_cancel_of_the_thread(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_ABSENT);

    EXPECT(suite, CancelIo(handle));
    expect_cancelled(suite, io);
}

void a_cancel_from_another_thread(struct suite *suite)
{
    struct io *io = track_waiting(suite, open_reader(suite), IS_ABSENT);

    EXPECT_NUMBER(suite, in_a_thread(suite, cancel_this_one, io), 1);
    expect_cancelled(suite, io);
}

void a_cancel_io_of_another_thread(struct suite *suite)
{
    struct io *io = track_waiting(suite, open_reader(suite), IS_ABSENT);

    EXPECT_NUMBER(suite, in_a_thread(suite, cancel_own, io), 1);
    EXPECT(suite, !ends_within(suite, io, A_WHILE));
    EXPECT(suite, CancelIo(io->handle));
    expect_cancelled(suite, io);
}

/* ---- what is not ------------------------------------------------------------------------------------------------- */

void a_cancel_ended(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_PRESENT);

    card_in(suite, "echo");
    expect_come_true(suite, io);
    expect_not_found(suite, handle, &io->overlapped);
}

void a_cancel_cancelled(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_ABSENT);

    EXPECT(suite, CancelIoEx(handle, &io->overlapped));
    expect_cancelled(suite, io);
    expect_not_found(suite, handle, &io->overlapped);
}

/* The one that waits must not be taken for it. */
void a_cancel_refused(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io = track_settled(suite, handle, IS_ABSENT);
    struct io *refused = track(suite, handle, IS_ABSENT);

    EXPECT_STATUS(suite, refused, STATUS_DEVICE_BUSY);
    expect_not_found(suite, handle, &refused->overlapped);
    EXPECT(suite, !ends_within(suite, io, A_WHILE));
}

void a_cancel_through_another_handle(struct suite *suite)
{
    struct io *io = track_waiting(suite, open_reader(suite), IS_ABSENT);
    HANDLE other = open_reader(suite);

    expect_not_found(suite, other, &io->overlapped);
    EXPECT(suite, !ends_within(suite, io, A_WHILE));
}

void a_cancel_all_through_another_handle(struct suite *suite)
{
    struct io *io = track_waiting(suite, open_reader(suite), IS_ABSENT);
    HANDLE other = open_reader(suite);

    EXPECT(suite, CancelIo(other));
    EXPECT(suite, !ends_within(suite, io, A_WHILE));
    EXPECT(suite, CancelIo(io->handle));
    expect_cancelled(suite, io);
}

void a_cancel_spares_the_operation(struct suite *suite)
{
    static const UCHAR apdu[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    static const UCHAR answer[] = {0x02, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x01, 0x90, 0x00};
    HANDLE handle = open_reader(suite);
    struct io *tracking, *exchange;

    card_in(suite, "echo delay=200");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    set_protocol(suite, handle, SCARD_PROTOCOL_T1);
    tracking = track_waiting(suite, handle, IS_ABSENT);
    exchange = start_transmit(suite, handle, SCARD_PROTOCOL_T1, apdu, sizeof apdu, 16);
    EXPECT(suite, CancelIoEx(handle, &tracking->overlapped));
    expect_cancelled(suite, tracking);
    EXPECT_STATUS(suite, exchange, STATUS_SUCCESS);
    EXPECT_BYTES(suite, exchange->out, exchange->returned, answer, sizeof answer);
}

/* ---- afterwards -------------------------------------------------------------------------------------------------- */

void a_cancelled_makes_room(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    HANDLE other = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_PRESENT);

    EXPECT(suite, CancelIoEx(handle, &io->overlapped));
    expect_cancelled(suite, io);
    expect_come_true(suite, track(suite, handle, IS_ABSENT));
    io = track_waiting(suite, other, IS_PRESENT);
    card_in(suite, "echo");
    expect_come_true(suite, io);
    io = track_waiting(suite, handle, IS_ABSENT);
    card_out(suite);
    expect_come_true(suite, io);
}

void a_cancel_hundred_times(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    for (int i = 0; i < 100; i++) {
        struct io *io = track_waiting(suite, handle, IS_ABSENT);

        EXPECT(suite, CancelIoEx(handle, i % 2 ? &io->overlapped : NULL));
        expect_cancelled(suite, io);
    }
}

static DWORD WINAPI insert_echo(LPVOID argument)
{
    card_in(argument, "echo");
    return 0;
}

/* Both at the same time: one of them wins, and the reader is as it should be either way. */
void a_cancel_meets_insertion(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    for (int i = 0; i < 40; i++) {
        struct io *io = track_waiting(suite, handle, IS_PRESENT);
        HANDLE thread = CreateThread(NULL, 0, insert_echo, suite, 0, NULL);
        BOOL found, joined;

        EXPECT(suite, thread != NULL);
        for (uint32_t spin = chance(suite, 20000); spin > 0; spin--)
            (void)HasOverlappedIoCompleted(&io->overlapped);
        found = CancelIoEx(handle, &io->overlapped);
        joined = WaitForSingleObject(thread, 10000) == WAIT_OBJECT_0;
        (void)CloseHandle(thread);
        EXPECT(suite, joined);
        finish(suite, io);
        EXPECT(suite, io->error == ERROR_SUCCESS || (found && io->error == ERROR_OPERATION_ABORTED));
        EXPECT_NUMBER(suite, io->returned, 0);
        EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_PRESENT);
        expect_come_true(suite, track(suite, handle, IS_PRESENT));
        card_out(suite);
    }
}

/* The card comes while the request is on its way: whoever is first, it comes true, and there is room for the next. */
void a_start_meets_insertion(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    for (int i = 0; i < 40; i++) {
        HANDLE thread = CreateThread(NULL, 0, insert_echo, suite, 0, NULL);
        struct io *io = NULL;
        BOOL joined;

        EXPECT(suite, thread != NULL);
        Sleep(chance(suite, 2));
        io = track(suite, handle, IS_PRESENT);
        joined = WaitForSingleObject(thread, 10000) == WAIT_OBJECT_0;
        (void)CloseHandle(thread);
        EXPECT(suite, joined);
        expect_come_true(suite, io);
        io = track_waiting(suite, handle, IS_ABSENT);
        card_out(suite);
        expect_come_true(suite, io);
    }
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

void a_close_ends(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io = track_waiting(suite, handle, IS_ABSENT);

    close_handle(suite, handle);
    expect_cancelled(suite, io);
}

void a_close_makes_room(struct suite *suite)
{
    HANDLE other = open_reader(suite);
    struct io *io;

    for (int i = 0; i < 10; i++) {
        HANDLE handle = open_reader(suite);

        io = track_waiting(suite, handle, IS_PRESENT);
        close_handle(suite, handle);
        expect_cancelled(suite, io);
    }
    io = track_waiting(suite, other, IS_PRESENT);
    card_in(suite, "echo");
    expect_come_true(suite, io);
}

void a_close_of_another(struct suite *suite)
{
    struct io *io = track_settled(suite, open_reader(suite), IS_ABSENT);

    for (int i = 0; i < 10; i++) {
        HANDLE other = open_reader(suite);

        EXPECT_STATUS(suite, track(suite, other, IS_ABSENT), STATUS_DEVICE_BUSY);
        close_handle(suite, other);
    }
    EXPECT(suite, !ends_within(suite, io, A_WHILE));
    EXPECT(suite, CancelIo(io->handle));
    expect_cancelled(suite, io);
}
