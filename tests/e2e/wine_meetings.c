/* SPDX-License-Identifier: MIT */
/*
 * For Windows and Wine: hundreds of transmissions on SCReader0, every other one cancelled at about the moment of its end.
 * Each must end, once, as a success or as cancelled. porting.sh runs it on the example driver, whose card takes 5 ms.
 *
 * Exit code: 0; 1 with a line on what went wrong.
 */
#include <windows.h>
#include <smartcrd/winsmcrd.h>

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS  600
#define PATIENT 20000 /* ms; only what hangs reaches it */

static OVERLAPPED overlapped;

/* Win32's error for how it ended; WAIT_TIMEOUT when it did not. */
static DWORD finish(HANDLE reader, BOOL done)
{
    DWORD returned;

    if (!done && GetLastError() != ERROR_IO_PENDING) {
        return GetLastError();
    }
    if (WaitForSingleObject(overlapped.hEvent, PATIENT) != WAIT_OBJECT_0) {
        return WAIT_TIMEOUT;
    }
    return GetOverlappedResult(reader, &overlapped, &returned, FALSE) ? ERROR_SUCCESS : GetLastError();
}

static BOOL start(HANDLE reader, DWORD code, void *in, DWORD size)
{
    static unsigned char out[300];

    ResetEvent(overlapped.hEvent);
    return DeviceIoControl(reader, code, in, size, out, sizeof(out), NULL, &overlapped);
}

static void spin(LONGLONG us)
{
    LARGE_INTEGER frequency, begin, now;

    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&begin);
    do {
        QueryPerformanceCounter(&now);
    } while ((now.QuadPart - begin.QuadPart) * 1000000 / frequency.QuadPart < us);
}

int main(void)
{
    HANDLE reader = CreateFileA("\\\\.\\SCReader0", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                                FILE_FLAG_OVERLAPPED, NULL);
    unsigned char transmit[] = {SCARD_PROTOCOL_T0, 0, 0, 0, 8, 0, 0, 0, 0x00, 0xB0, 0x00, 0x00, 0x02};
    DWORD reset = SCARD_COLD_RESET, protocol = SCARD_PROTOCOL_T0, error;
    unsigned ended = 0, cancelled = 0;

    overlapped.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    error = reader == INVALID_HANDLE_VALUE
                ? GetLastError()
                : finish(reader, start(reader, IOCTL_SMARTCARD_POWER, &reset, sizeof(reset)));
    if (error == ERROR_SUCCESS) {
        error = finish(reader, start(reader, IOCTL_SMARTCARD_SET_PROTOCOL, &protocol, sizeof(protocol)));
    }
    for (int i = 0; i < ROUNDS && error == ERROR_SUCCESS; i++) {
        BOOL done = start(reader, IOCTL_SMARTCARD_TRANSMIT, transmit, sizeof(transmit));

        if (i % 2 != 0) {
            DWORD started = GetLastError();

            spin(4000 + rand() % 2500);
            CancelIoEx(reader, &overlapped);
            SetLastError(started);
        }
        error = finish(reader, done);
        ended += error == ERROR_SUCCESS;
        if (error == ERROR_OPERATION_ABORTED && i % 2 != 0) {
            cancelled++;
            error = ERROR_SUCCESS;
        }
    }
    CloseHandle(reader);
    printf("meetings: %u ended, %u were cancelled, error %lu\n", ended, cancelled, error);
    return error == ERROR_SUCCESS && ended + cancelled == ROUNDS && cancelled > 0 ? 0 : 1;
}
