/* SPDX-License-Identifier: MIT */
/*
 * The conformance suite: what a check is, and what it works with.
 *
 * A check is a small Win32 program about one rule: it opens the reader with CreateFile, sends control codes with
 * DeviceIoControl, and says what it expects. The same body runs on Windows, under Wine, and on the Linux host, where
 * linux/windows.h maps the Win32 names to smartcrd.h. The suite (suite.c) runs the checks one after the other on one
 * reader, puts everything back between them, and reports (report.c).
 *
 * A check begins with an idle reader: no handle open, nothing pending, no fault armed; the virtual reader is empty
 * (with NEED_CARD it holds an `echo` card without power). It may leave behind whatever it opened through this header:
 * the suite closes, ends and empties it all. The first expectation that fails ends the check (longjmp), so a check
 * holds nothing that the suite does not know of.
 *
 * Threads: everything here is for the check's own thread, unless it says otherwise.
 */
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#ifdef _WIN32
#define WIN32_NO_STATUS
#include <windows.h>
#undef WIN32_NO_STATUS
#include <ntstatus.h>
#include <winternl.h>
#else
#include "linux/windows.h"
#endif
#include <smartcrd/vreader.h>
#include <smartcrd/winsmcrd.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct suite;

/* What a check needs beyond a reader; where one is not to be had, the check is skipped and the report says why. */
enum need {
    NEED_VIRTUAL = 1 << 0, /* cards to insert and faults to arm: the virtual reader's panel */
    NEED_CARD = 1 << 1,    /* a card in the reader; a real reader's is whatever lies in it */
    NEED_UNPLUG = 1 << 2,  /* a reader of one's own that can be taken away (fresh_reader) */
    NEED_CLEANUP = 1 << 3, /* a system that tells the driver that a file is being closed (IRP_MJ_CLEANUP) */
    NEED_GONE = 1 << 4,    /* a system that still passes requests on an open file to a driver whose device has left */
    NEED_CANCEL_RACE = 1 << 5, /* a system on which a cancel may meet the end of its request */
};

struct check {
    const char *name;   /* snake_case, says the rule; unique in its part */
    const char *source; /* what it rests on: a page, a section of smclib.md or DESIGN, a clause of ISO/IEC 7816-3 */
    unsigned needs;     /* enum need, added up */
    void (*run)(struct suite *suite);
};

/* A part of the suite: `A` to `F`. */
struct part {
    char letter;
    const char *title;
    const struct check *checks;
    size_t count;
};
extern const struct part part_a, part_b, part_c, part_d, part_e, part_f;

/* ---- handles ------------------------------------------------------------------------------------------------------- */

/* Open the reader, for overlapped requests. The check fails when it cannot be opened. Closed at the check's end, or
 * earlier by close_handle. */
HANDLE open_reader(struct suite *suite);

/* Open any device by its name without \\.\, also with flags other than FILE_FLAG_OVERLAPPED. */
HANDLE open_device(struct suite *suite, const char *name, DWORD flags);

/* Close one of these early, or an event of new_event. What is in flight on it stays known to the suite. */
void close_handle(struct suite *suite, HANDLE handle);

/* An event, not signalled; closed at the check's end. */
HANDLE new_event(struct suite *suite, BOOL manual_reset);

/* A thread, as CreateThread makes it. It may use what is marked "any thread", and start, finish, request and
 * ends_within on requests of its own; a failed expectation in it ends the thread, and fails the check at its end. At the
 * check's end the suite waits for it (10 s) and closes the handle; a thread that loops looks at check_over, which says
 * that it is to end. */
HANDLE new_thread(struct suite *suite, LPTHREAD_START_ROUTINE run, void *argument);
bool check_over(struct suite *suite);

/* The reader's name without \\.\ */
const char *reader_name(struct suite *suite);

/* ---- requests ------------------------------------------------------------------------------------------------------ */

/* One request; lives until the check's end. Its buffers are its own. */
struct io {
    OVERLAPPED overlapped; /* hEvent: a manual-reset event of its own */
    HANDLE handle;
    DWORD code;
    bool pended;    /* DeviceIoControl returned FALSE with ERROR_IO_PENDING */
    bool ended;     /* known to have ended: error, returned and out are valid */
    DWORD error;    /* how it ended, as GetLastError tells; ERROR_SUCCESS */
    DWORD returned; /* bytes returned */
    DWORD in_size, out_size;
    UCHAR *in, *out; /* out is filled with 0xA5 beforehand */
};

/* Start a request, overlapped. in may be NULL with in_size 0. Never fails the check: an immediate end is an end. */
struct io *start(struct suite *suite, HANDLE handle, DWORD code, const void *in, DWORD in_size, DWORD out_size);

/* Wait until it has ended; the check fails when it has not within 10 s. Returns io. */
struct io *finish(struct suite *suite, struct io *io);

/* Whether it ends within so many milliseconds. Never fails the check. */
bool ends_within(struct suite *suite, struct io *io, DWORD ms);

/* start, then finish. */
struct io *request(struct suite *suite, HANDLE handle, DWORD code, const void *in, DWORD in_size, DWORD out_size);

/* The Win32 error that stands for an NTSTATUS in this interface; a table of the suite's own, not the system's. */
DWORD error_of(NTSTATUS status);

/* A status's name, for reports. */
const char *status_word(NTSTATUS status);

/* The reader's last error, asked for on this handle with GET_LAST_ERROR; the check fails when it does not answer as it
 * must: at once, STATUS_SUCCESS, 4 bytes. */
NTSTATUS last_error(struct suite *suite, HANDLE handle);

/* The reader's state, by GET_STATE; and an attribute, the check fails when it cannot be had. Returns its length. */
ULONG reader_state(struct suite *suite, HANDLE handle);
DWORD attribute(struct suite *suite, HANDLE handle, DWORD tag, void *value, DWORD size);

/* Power the card, select a protocol, and exchange an APDU; the check fails when one does. atr: 33 bytes, may be NULL;
 * returns its length. transmit returns the answer's length, SW1 SW2 at its end. */
DWORD power_up(struct suite *suite, HANDLE handle, DWORD kind, UCHAR *atr);
DWORD set_protocol(struct suite *suite, HANDLE handle, DWORD mask);
DWORD transmit(struct suite *suite, HANDLE handle, DWORD protocol, const void *apdu, DWORD size, void *answer,
               DWORD room);

/* The same, started or as a whole, without an opinion on how it ends: TRANSMIT with its SCARD_IO_REQUEST before the
 * APDU and room for `room` bytes of answer behind another one. */
struct io *start_transmit(struct suite *suite, HANDLE handle, DWORD protocol, const void *apdu, DWORD size, DWORD room);
struct io *request_transmit(struct suite *suite, HANDLE handle, DWORD protocol, const void *apdu, DWORD size,
                            DWORD room);

/* ---- the virtual reader (NEED_VIRTUAL) ----------------------------------------------------------------------------- */

/* Insert a card ("echo", "fs", "script\n..." and their options, see smartcrd-vreader(7)), take it out, arm a fault
 * (smartcrd/vreader.h). They take effect at once, whatever the reader is doing. The check fails when they do. Any thread
 * but card_in's failure. */
void card_in(struct suite *suite, const char *text);
void card_out(struct suite *suite);
void fault(struct suite *suite, const char *text);

/* A reader of the check's own, to be taken away (NEED_UNPLUG); name: 64 bytes. Insert a card in it, arm a fault, take
 * it away as if its plug were pulled. */
void fresh_reader(struct suite *suite, char *name);
void fresh_card_in(struct suite *suite, const char *name, const char *text);
void fresh_fault(struct suite *suite, const char *name, const char *text);
void take_away(struct suite *suite, const char *name);

/* ---- expectations -------------------------------------------------------------------------------------------------- */

/* End the check as failed, with words; or as skipped, with the reason. */
void fail(struct suite *suite, const char *file, int line, const char *format, ...)
#ifdef __GNUC__
    __attribute__((noreturn, format(printf, 4, 5)))
#endif
    ;
void skip(struct suite *suite, const char *format, ...)
#ifdef __GNUC__
    __attribute__((noreturn, format(printf, 2, 3)))
#endif
    ;

void expect_number(struct suite *suite, const char *file, int line, const char *what, uint64_t got, uint64_t want);
void expect_bytes(struct suite *suite, const char *file, int line, const char *what, const void *got, size_t got_size,
                  const void *want, size_t want_size);
void expect_status(struct suite *suite, const char *file, int line, struct io *io, NTSTATUS want);
void expect_last(struct suite *suite, const char *file, int line, HANDLE handle, NTSTATUS want);

#define EXPECT(suite, condition)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail(suite, __FILE__, __LINE__, "%s", #condition);                                                         \
    } while (0)
#define EXPECT_NUMBER(suite, got, want)                                                                                \
    expect_number(suite, __FILE__, __LINE__, #got, (uint64_t)(got), (uint64_t)(want))
#define EXPECT_BYTES(suite, got, got_size, want, want_size)                                                            \
    expect_bytes(suite, __FILE__, __LINE__, #got, got, got_size, want, want_size)

/* Waits for io (finish) and expects this end: the Win32 error always, the NTSTATUS in overlapped.Internal when the
 * request had been pended (an immediate failure does not show it). */
#define EXPECT_STATUS(suite, io, want) expect_status(suite, __FILE__, __LINE__, io, want)

/* The reader's last error, asked for on this handle. */
#define EXPECT_LAST(suite, handle, want) expect_last(suite, __FILE__, __LINE__, handle, want)

/* ---- chance -------------------------------------------------------------------------------------------------------- */

/* From the run's seed, which the report prints and --seed sets, and the check's name: 0 ... below - 1. */
uint32_t chance(struct suite *suite, uint32_t below);

/* How often to repeat what is done at random: `usual`, unless --rounds says otherwise. */
uint32_t rounds(struct suite *suite, uint32_t usual);

#endif
