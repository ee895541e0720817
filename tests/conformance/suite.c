/* SPDX-License-Identifier: MIT */
/* What a check says and expects (suite.h): verdicts, requests, expectations, chance. What it opens is in world.c. */
#include "run.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- ending a check ---------------------------------------------------------------------------------------------- */

static void leave_check(struct suite *suite)
#ifdef __GNUC__
    __attribute__((noreturn))
#endif
    ;
static void leave_check(struct suite *suite)
{
    if (GetCurrentThreadId() == suite->thread)
        longjmp(suite->back, 1);
    InterlockedExchange(&suite->over, 1);
    ExitThread(1);
}

bool first_verdict(struct suite *suite)
{
    return InterlockedExchange(&suite->judged, 1) == 0;
}

void fail(struct suite *suite, const char *file, int line, const char *format, ...)
{
    if (first_verdict(suite)) {
        struct result *result = suite->result;
        va_list list;
        va_start(list, format);
        vsnprintf(result->reason, sizeof result->reason, format, list);
        va_end(list);
        result->verdict = FAILED;
        result->file = file;
        result->line = line;
    }
    leave_check(suite);
}

void skip(struct suite *suite, const char *format, ...)
{
    if (first_verdict(suite)) {
        va_list list;
        va_start(list, format);
        vsnprintf(suite->result->reason, sizeof suite->result->reason, format, list);
        va_end(list);
        suite->result->verdict = SKIPPED;
    }
    leave_check(suite);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

struct io *start(struct suite *suite, HANDLE handle, DWORD code, const void *in, DWORD in_size, DWORD out_size)
{
    struct io *io = new_io(suite);
    DWORD returned = 0;

    *io = (struct io){.handle = handle, .code = code, .in_size = in_size, .out_size = out_size, .ended = true};
    io->in = need_memory(suite, in_size);
    io->out = need_memory(suite, out_size);
    if (in_size)
        memcpy(io->in, in, in_size);
    memset(io->out, 0xA5, out_size);
    io->overlapped.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    if (!io->overlapped.hEvent)
        fail(suite, NULL, 0, "CreateEvent: error %lu", (unsigned long)GetLastError());

    io->ended = false; /* until here there was nothing to wait for */
    if (DeviceIoControl(handle, code, in_size ? io->in : NULL, in_size, out_size ? io->out : NULL, out_size, &returned,
                        &io->overlapped))
        io->error = ERROR_SUCCESS;
    else
        io->error = GetLastError();
    io->pended = io->error == ERROR_IO_PENDING;
    io->ended = !io->pended;
    io->returned = io->ended ? returned : 0;
    return io;
}

bool has_ended(struct io *io, DWORD ms)
{
    if (io->ended)
        return true;
    if (WaitForSingleObject(io->overlapped.hEvent, ms) != WAIT_OBJECT_0)
        return false;
    io->error = GetOverlappedResult(io->handle, &io->overlapped, &io->returned, FALSE) ? ERROR_SUCCESS : GetLastError();
    io->ended = true;
    return true;
}

bool ends_within(struct suite *suite, struct io *io, DWORD ms)
{
    return has_ended(io, ms);
}

struct io *finish(struct suite *suite, struct io *io)
{
    if (!has_ended(io, PATIENCE_MS))
        fail(suite, NULL, 0, "%s did not end within %d s", code_word(io->code), PATIENCE_MS / 1000);
    return io;
}

struct io *request(struct suite *suite, HANDLE handle, DWORD code, const void *in, DWORD in_size, DWORD out_size)
{
    return finish(suite, start(suite, handle, code, in, in_size, out_size));
}

/* A request that must succeed; `what` for the report. */
static struct io *must(struct suite *suite, HANDLE handle, DWORD code, const void *in, DWORD in_size, DWORD out_size)
{
    struct io *io = request(suite, handle, code, in, in_size, out_size);
    if (io->error != ERROR_SUCCESS)
        fail(suite, NULL, 0, "%s: error %lu", code_word(code), (unsigned long)io->error);
    return io;
}

NTSTATUS last_error(struct suite *suite, HANDLE handle)
{
    struct io *io = start(suite, handle, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, 4);
    LONG value;
    if (io->pended)
        fail(suite, NULL, 0, "GET_LAST_ERROR was pended");
    if (io->error != ERROR_SUCCESS)
        fail(suite, NULL, 0, "GET_LAST_ERROR: error %lu", (unsigned long)io->error);
    if (io->returned != 4)
        fail(suite, NULL, 0, "GET_LAST_ERROR returned %lu bytes", (unsigned long)io->returned);
    memcpy(&value, io->out, sizeof value);
    return value;
}

ULONG reader_state(struct suite *suite, HANDLE handle)
{
    struct io *io = must(suite, handle, IOCTL_SMARTCARD_GET_STATE, NULL, 0, 4);
    ULONG state;
    if (io->returned != 4)
        fail(suite, NULL, 0, "GET_STATE returned %lu bytes", (unsigned long)io->returned);
    memcpy(&state, io->out, sizeof state);
    return state;
}

DWORD attribute(struct suite *suite, HANDLE handle, DWORD tag, void *value, DWORD size)
{
    struct io *io = request(suite, handle, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, sizeof tag, size);
    if (io->error != ERROR_SUCCESS)
        fail(suite, NULL, 0, "attribute %08lX: error %lu", (unsigned long)tag, (unsigned long)io->error);
    if (io->returned > size)
        fail(suite, NULL, 0, "attribute %08lX: %lu bytes returned into %lu", (unsigned long)tag,
             (unsigned long)io->returned, (unsigned long)size);
    memcpy(value, io->out, io->returned);
    return io->returned;
}

DWORD power_up(struct suite *suite, HANDLE handle, DWORD kind, UCHAR *atr)
{
    struct io *io = must(suite, handle, IOCTL_SMARTCARD_POWER, &kind, sizeof kind, SCARD_ATR_LENGTH);
    if (atr)
        memcpy(atr, io->out, io->returned);
    return io->returned;
}

DWORD set_protocol(struct suite *suite, HANDLE handle, DWORD mask)
{
    struct io *io = must(suite, handle, IOCTL_SMARTCARD_SET_PROTOCOL, &mask, sizeof mask, 4);
    DWORD selected = 0;
    if (io->returned == sizeof selected)
        memcpy(&selected, io->out, sizeof selected);
    else /* it was selected already (smclib.md 7.6) */
        attribute(suite, handle, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof selected);
    return selected;
}

struct io *start_transmit(struct suite *suite, HANDLE handle, DWORD protocol, const void *apdu, DWORD size, DWORD room)
{
    SCARD_IO_REQUEST header = {protocol, sizeof header};
    UCHAR *whole = need_memory(suite, sizeof header + size);
    struct io *io;
    memcpy(whole, &header, sizeof header);
    if (size)
        memcpy(whole + sizeof header, apdu, size);
    io =
        start(suite, handle, IOCTL_SMARTCARD_TRANSMIT, whole, (DWORD)sizeof header + size, (DWORD)sizeof header + room);
    free(whole);
    return io;
}

struct io *request_transmit(struct suite *suite, HANDLE handle, DWORD protocol, const void *apdu, DWORD size,
                            DWORD room)
{
    return finish(suite, start_transmit(suite, handle, protocol, apdu, size, room));
}

DWORD transmit(struct suite *suite, HANDLE handle, DWORD protocol, const void *apdu, DWORD size, void *answer,
               DWORD room)
{
    struct io *io = request_transmit(suite, handle, protocol, apdu, size, room);
    const DWORD header = sizeof(SCARD_IO_REQUEST);
    if (io->error != ERROR_SUCCESS)
        fail(suite, NULL, 0, "TRANSMIT: error %lu", (unsigned long)io->error);
    if (io->returned < header || io->returned > header + room)
        fail(suite, NULL, 0, "TRANSMIT returned %lu bytes", (unsigned long)io->returned);
    memcpy(answer, io->out + header, io->returned - header);
    return io->returned - header;
}

/* ---- expectations ------------------------------------------------------------------------------------------------ */

void expect_number(struct suite *suite, const char *file, int line, const char *what, uint64_t got, uint64_t want)
{
    if (got != want)
        fail(suite, file, line, "%s is %llu (0x%llX), not %llu (0x%llX)", what, (unsigned long long)got,
             (unsigned long long)got, (unsigned long long)want, (unsigned long long)want);
}

static void hex(char *text, size_t room, const UCHAR *bytes, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < size; i++) {
        if (at + 6 > room) {
            snprintf(text + at, room - at, "..");
            return;
        }
        at += (size_t)snprintf(text + at, room - at, "%02X", bytes[i]);
    }
}

void expect_bytes(struct suite *suite, const char *file, int line, const char *what, const void *got, size_t got_size,
                  const void *want, size_t want_size)
{
    char got_text[160], want_text[160];
    size_t at = 0;
    if (got_size == want_size && (got_size == 0 || memcmp(got, want, got_size) == 0))
        return;
    while (at < got_size && at < want_size && ((const UCHAR *)got)[at] == ((const UCHAR *)want)[at])
        at++;
    hex(got_text, sizeof got_text, got, got_size);
    hex(want_text, sizeof want_text, want, want_size);
    fail(suite, file, line, "%s is %lu bytes %s, not %lu bytes %s; they differ at byte %lu", what,
         (unsigned long)got_size, got_text, (unsigned long)want_size, want_text, (unsigned long)at);
}

void expect_status(struct suite *suite, const char *file, int line, struct io *io, NTSTATUS want)
{
    if (!has_ended(io, PATIENCE_MS))
        fail(suite, file, line, "%s did not end within %d s; %s was expected", code_word(io->code), PATIENCE_MS / 1000,
             status_word(want));
    if (io->error != error_of(want))
        fail(suite, file, line, "%s ended with error %lu%s%s, not with %lu (%s)", code_word(io->code),
             (unsigned long)io->error, io->pended ? ", " : "",
             io->pended ? status_word((NTSTATUS)io->overlapped.Internal) : "", (unsigned long)error_of(want),
             status_word(want));
    if (io->pended && (ULONG)io->overlapped.Internal != (ULONG)want)
        fail(suite, file, line, "%s ended with %s, not with %s", code_word(io->code),
             status_word((NTSTATUS)io->overlapped.Internal), status_word(want));
}

void expect_last(struct suite *suite, const char *file, int line, HANDLE handle, NTSTATUS want)
{
    NTSTATUS got = last_error(suite, handle);
    if (got != want)
        fail(suite, file, line, "the last error is %s (0x%08lX), not %s", status_word(got), (unsigned long)(ULONG)got,
             status_word(want));
}

/* ---- chance ------------------------------------------------------------------------------------------------------ */

void random_from(struct suite *suite, uint32_t seed, const char *name)
{
    uint64_t hash = 0xCBF29CE484222325u ^ seed; /* FNV-1a of the name */
    for (; *name; name++)
        hash = (hash ^ (UCHAR)*name) * 0x100000001B3u;
    suite->random = hash;
}

uint32_t chance(struct suite *suite, uint32_t below)
{
    uint64_t mixed; /* SplitMix64 */
    suite->random += 0x9E3779B97F4A7C15u;
    mixed = (suite->random ^ (suite->random >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    mixed ^= mixed >> 31;
    return below ? (uint32_t)((mixed >> 32) * below >> 32) : 0;
}

uint32_t rounds(struct suite *suite, uint32_t usual)
{
    return suite->run->options->rounds ? suite->run->options->rounds : usual;
}
