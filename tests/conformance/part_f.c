/* SPDX-License-Identifier: MIT */
/* Part F: its table, made of the lists in part_f.h, and what its checks share. */
#include "part_f.h"

#include <stdlib.h>
#include <string.h>

#define RAW_PATIENCE_MS    10000
#define THREAD_PATIENCE_MS 60000

/* ---- requests ------------------------------------------------------------------------------------------------------ */

void make_ready(struct suite *suite, HANDLE handle, DWORD protocol)
{
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    set_protocol(suite, handle, protocol);
}

void leave_a_mark(struct suite *suite, HANDLE handle)
{
    EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_EJECT, NULL, 0, 0), STATUS_NOT_SUPPORTED);
    EXPECT_LAST(suite, handle, STATUS_NOT_SUPPORTED);
}

struct io *start_exchange(struct suite *suite, HANDLE handle, DWORD protocol, UCHAR instruction)
{
    const UCHAR apdu[] = {0x00, instruction, 0x00, 0x00};

    return start_transmit(suite, handle, protocol, apdu, sizeof(apdu), 2);
}

struct io *hold_reader(struct suite *suite, HANDLE handle, DWORD protocol)
{
    struct io *io;

    fault(suite, "wtx");
    io = start_exchange(suite, handle, protocol, 0x48);
    EXPECT(suite, io->pended);
    EXPECT(suite, !ends_within(suite, io, 0));
    return io;
}

DWORD cancel(struct io *io)
{
    return CancelIoEx(io->handle, &io->overlapped) ? ERROR_SUCCESS : GetLastError();
}

void cancel_now(struct suite *suite, struct io *io)
{
    EXPECT_NUMBER(suite, cancel(io), ERROR_SUCCESS);
    EXPECT_STATUS(suite, io, STATUS_CANCELLED);
}

/* ---- from threads -------------------------------------------------------------------------------------------------- */

void raw_prepare(struct suite *suite, struct raw *raw, HANDLE handle)
{
    memset(raw, 0, sizeof(*raw));
    raw->handle = handle;
    raw->overlapped.hEvent = new_event(suite, TRUE);
}

DWORD raw_start(struct raw *raw, DWORD code, const void *in, DWORD in_size, DWORD out_size)
{
    HANDLE event = raw->overlapped.hEvent;

    memset(&raw->overlapped, 0, sizeof(raw->overlapped));
    raw->overlapped.hEvent = event;
    raw->returned = 0;
    if (in_size > 0)
        memcpy(raw->in, in, in_size);
    memset(raw->out, 0xA5, sizeof(raw->out));
    if (DeviceIoControl(raw->handle, code, in_size > 0 ? raw->in : NULL, in_size, out_size > 0 ? raw->out : NULL,
                        out_size, &raw->returned, &raw->overlapped))
        return GetOverlappedResult(raw->handle, &raw->overlapped, &raw->returned, FALSE) ? ERROR_SUCCESS
                                                                                         : GetLastError();
    return GetLastError();
}

DWORD raw_finish(struct raw *raw)
{
    if (WaitForSingleObject(raw->overlapped.hEvent, RAW_PATIENCE_MS) != WAIT_OBJECT_0)
        return ERROR_TIMEOUT;
    return GetOverlappedResult(raw->handle, &raw->overlapped, &raw->returned, FALSE) ? ERROR_SUCCESS : GetLastError();
}

DWORD raw_request(struct raw *raw, DWORD code, const void *in, DWORD in_size, DWORD out_size)
{
    DWORD error = raw_start(raw, code, in, in_size, out_size);

    return error == ERROR_IO_PENDING ? raw_finish(raw) : error;
}

bool raw_ask(struct raw *raw, NTSTATUS *last)
{
    if (raw_request(raw, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, sizeof(ULONG)) != ERROR_SUCCESS || raw->returned != 4)
        return false;
    memcpy(last, raw->out, sizeof(ULONG));
    return true;
}

void join_threads(struct suite *suite, const HANDLE *threads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        EXPECT(suite, WaitForSingleObject(threads[i], THREAD_PATIENCE_MS) == WAIT_OBJECT_0);
}

/* ---- the table ----------------------------------------------------------------------------------------------------- */

#define ROW(name, source, needs) {#name, source, needs, part_f_##name},

static const struct check checks[] = {PART_F_ANSWER(ROW) PART_F_STORED(ROW) PART_F_ORDER(ROW) PART_F_OVERLAPPED(ROW)
                                          PART_F_MEMORY(ROW) PART_F_CANCEL(ROW)};

const struct part part_f = {'F', "overlapped operations and the last error", checks,
                            sizeof(checks) / sizeof(checks[0])};
