/* SPDX-License-Identifier: MIT */
/*
 * Whoever has seen an operation end, in whatever way, and then asks gets that operation's status or a later one's. The
 * last check does it with several threads and operations from the seed, and holds each answer against what the threads
 * saw.
 */
#include "part_f.h"

#include <string.h>

#define ENDS        40    /* seen in a row */
#define PATIENCE_MS 10000 /* for an end to be seen */

/* ---- one way of seeing each ---------------------------------------------------------------------------------------- */

enum seen_by { THE_EVENT, THE_RESULT, THE_OVERLAPPED };

static bool see_end(struct io *io, enum seen_by by)
{
    const ULONGLONG limit = GetTickCount64() + PATIENCE_MS;
    DWORD bytes;

    if (by == THE_EVENT)
        return WaitForSingleObject(io->overlapped.hEvent, PATIENCE_MS) == WAIT_OBJECT_0;
    while (GetTickCount64() < limit) {
        if (by == THE_OVERLAPPED ? HasOverlappedIoCompleted(&io->overlapped)
                                 : GetOverlappedResult(io->handle, &io->overlapped, &bytes, FALSE) ||
                                       GetLastError() != ERROR_IO_INCOMPLETE)
            return true;
    }
    return false;
}

/* Exchanges take turns with removals of the card in the middle: after each end the answer is the other one. */
static void expect_stored_before(struct suite *suite, enum seen_by by)
{
    HANDLE reader = open_reader(suite);

    for (int i = 0; i < ENDS; i++) {
        const bool removed = i % 2 == 1;
        struct io *io;

        if (!removed)
            make_ready(suite, reader, SCARD_PROTOCOL_T1);
        leave_a_mark(suite, reader);
        if (removed)
            fault(suite, "remove when=during byte=1 to=reader");
        io = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
        if (io->pended)
            EXPECT(suite, see_end(io, by));
        EXPECT_LAST(suite, reader, removed ? STATUS_NO_MEDIA : STATUS_SUCCESS);
        EXPECT_STATUS(suite, io, removed ? STATUS_NO_MEDIA : STATUS_SUCCESS);
        if (removed)
            card_in(suite, "echo delay=2");
        else if (i == 0) { /* from now on one that takes its time, so that its exchanges pend */
            card_out(suite);
            card_in(suite, "echo delay=2");
            make_ready(suite, reader, SCARD_PROTOCOL_T1);
        }
    }
}

void part_f_last_error_is_stored_before_the_event_is_set(struct suite *suite)
{
    expect_stored_before(suite, THE_EVENT);
}

void part_f_last_error_is_stored_before_the_result_is_there(struct suite *suite)
{
    expect_stored_before(suite, THE_RESULT);
}

void part_f_last_error_is_stored_before_the_overlapped_says_so(struct suite *suite)
{
    expect_stored_before(suite, THE_OVERLAPPED);
}

static struct onlooker {
    struct raw raw;
    HANDLE ended; /* the event of the request that it looks at */
    bool saw, asked;
    NTSTATUS answer;
} onlookers[2];

static DWORD WINAPI look_on(LPVOID context)
{
    struct onlooker *onlooker = context;

    onlooker->saw = WaitForSingleObject(onlooker->ended, PATIENCE_MS) == WAIT_OBJECT_0;
    onlooker->asked = raw_ask(&onlooker->raw, &onlooker->answer);
    return 0;
}

/* Two threads wait for the same tracking request: one asks on its handle, one on a handle of its own. */
void part_f_last_error_is_stored_before_another_thread_sees_the_end(struct suite *suite)
{
    HANDLE reader = open_reader(suite), other = open_reader(suite), threads[2];

    for (int round = 0; round < 10; round++) {
        struct io *io;

        leave_a_mark(suite, reader);
        io = start(suite, reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
        for (int i = 0; i < 2; i++) {
            raw_prepare(suite, &onlookers[i].raw, i == 0 ? reader : other);
            onlookers[i].ended = io->overlapped.hEvent;
            threads[i] = new_thread(suite, look_on, &onlookers[i]);
        }
        if (round % 2 == 0)
            card_in(suite, "echo");
        else
            cancel(io);
        join_threads(suite, threads, 2);
        for (int i = 0; i < 2; i++) {
            EXPECT(suite, onlookers[i].saw && onlookers[i].asked);
            EXPECT_NUMBER(suite, (ULONG)onlookers[i].answer,
                          (ULONG)(round % 2 == 0 ? STATUS_SUCCESS : STATUS_CANCELLED));
        }
        EXPECT_STATUS(suite, io, round % 2 == 0 ? STATUS_SUCCESS : STATUS_CANCELLED);
        if (round % 2 == 0)
            card_out(suite);
    }
}

/* ---- several ends -------------------------------------------------------------------------------------------------- */

/* What is queued ends one after the other with different statuses; each time one is seen, the answer is its own or that
 * of one behind it. */
void part_f_last_error_of_queued_operations_follows_their_ends(struct suite *suite)
{
    static const struct {
        DWORD code;
        NTSTATUS end;
    } rows[] = {
        {IOCTL_SMARTCARD_EJECT, STATUS_NOT_SUPPORTED},           {IOCTL_VREADER_INSERT, STATUS_DEVICE_BUSY},
        {SCARD_CTL_CODE(100), STATUS_INVALID_DEVICE_REQUEST},    {IOCTL_VREADER_FAULT, STATUS_INVALID_PARAMETER},
        {IOCTL_SMARTCARD_TRANSMIT, STATUS_INVALID_PARAMETER},    {IOCTL_VREADER_STATUS, STATUS_SUCCESS},
        {IOCTL_SMARTCARD_SET_PROTOCOL, STATUS_BUFFER_TOO_SMALL},
    };
    enum { COUNT = sizeof(rows) / sizeof(rows[0]) };
    HANDLE reader = open_reader(suite);
    struct io *running, *queued[COUNT];

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    for (size_t i = 0; i < COUNT; i++)
        queued[i] = start(suite, reader, rows[i].code, NULL, 0, 0);
    EXPECT_NUMBER(suite, cancel(running), ERROR_SUCCESS);
    for (size_t i = 0; i < COUNT; i++) {
        bool found = false;
        NTSTATUS answer;

        EXPECT_STATUS(suite, queued[i], rows[i].end);
        answer = last_error(suite, reader);
        for (size_t later = i; later < COUNT; later++)
            found |= rows[later].end == answer;
        EXPECT(suite, found);
    }
    EXPECT_LAST(suite, reader, STATUS_BUFFER_TOO_SMALL);
    EXPECT_STATUS(suite, running, STATUS_CANCELLED);
}

void part_f_every_completion_carries_its_own_status(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running, *first, *second, *third;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    first = start(suite, reader, IOCTL_SMARTCARD_EJECT, NULL, 0, 0);
    second = start(suite, reader, IOCTL_VREADER_INSERT, "echo", 4, 0);
    third = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    EXPECT_NUMBER(suite, cancel(running), ERROR_SUCCESS);
    EXPECT_STATUS(suite, third, STATUS_SUCCESS);
    EXPECT_LAST(suite, reader, STATUS_SUCCESS);
    EXPECT_STATUS(suite, second, STATUS_DEVICE_BUSY);
    EXPECT_STATUS(suite, first, STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(suite, running, STATUS_CANCELLED);
    EXPECT_LAST(suite, reader, STATUS_SUCCESS);
}

/* ---- many threads -------------------------------------------------------------------------------------------------- */

#define RACERS 4
#define ROUNDS 400

/*
 * Each thread's operations end in two ways that are nobody else's, taking turns as the seed says. A clock that ticks with
 * every submission, end, question and answer says what was certainly before what.
 */
static const struct manner {
    DWORD code;
    const char *in;
    DWORD in_size;
    NTSTATUS end;
} manners[RACERS][2] = {
    {{IOCTL_SMARTCARD_EJECT, "", 0, STATUS_NOT_SUPPORTED}, {SCARD_CTL_CODE(100), "", 0, STATUS_INVALID_DEVICE_REQUEST}},
    {{IOCTL_VREADER_INSERT, "echo", 4, STATUS_DEVICE_BUSY}, {IOCTL_VREADER_STATUS, "", 0, STATUS_SUCCESS}},
    {{IOCTL_VREADER_FAULT, "none at all", 11, STATUS_INVALID_PARAMETER},
     {IOCTL_SMARTCARD_TRANSMIT, "\1\0\0\0\10\0\0\0\0\1\0\0", 12, STATUS_INVALID_DEVICE_STATE}},
    {{IOCTL_VREADER_FAULT, "mute", 4, STATUS_INSUFFICIENT_RESOURCES},
     {IOCTL_SMARTCARD_SET_PROTOCOL, "\2\0\0\0", 4, STATUS_BUFFER_TOO_SMALL}},
};

static struct racer {
    struct raw raw;
    HANDLE go;
    unsigned number;
    UCHAR turns[ROUNDS]; /* which of the two */
    struct {
        LONG begun, seen,
            answered; /* by the clock; begun before it was submitted, answered when the answer was there */
        NTSTATUS answer;
    } rounds[ROUNDS];
    DWORD error; /* of the first request that did not end as it must */
    bool done;
} racers[RACERS];
static volatile LONG ticks;

static DWORD WINAPI race(LPVOID context)
{
    struct racer *racer = context;

    WaitForSingleObject(racer->go, PATIENCE_MS);
    for (int i = 0; i < ROUNDS; i++) {
        const struct manner *manner = &manners[racer->number][racer->turns[i]];
        DWORD error;

        racer->rounds[i].begun = InterlockedIncrement(&ticks);
        error = raw_request(&racer->raw, manner->code, manner->in, manner->in_size, 0);
        racer->rounds[i].seen = InterlockedIncrement(&ticks);
        if (error != error_of(manner->end)) {
            racer->error = error;
            return 0;
        }
        if (!raw_ask(&racer->raw, &racer->rounds[i].answer))
            return 0;
        racer->rounds[i].answered = InterlockedIncrement(&ticks);
    }
    racer->done = true;
    return 0;
}

/* The latest moment at which an operation began that had certainly ended before `moment`. What had ended before that one
 * began cannot be the last error any more. */
static LONG newest_begun(LONG moment)
{
    LONG newest = 0;

    for (int thread = 0; thread < RACERS; thread++) {
        for (int i = 0; i < ROUNDS; i++) {
            if (racers[thread].rounds[i].seen <= moment && racers[thread].rounds[i].begun > newest)
                newest = racers[thread].rounds[i].begun;
        }
    }
    return newest;
}

/* Is there an operation with this end whose end can have been the last between `asked` and `answered`? */
static bool explained(NTSTATUS answer, LONG asked, LONG answered)
{
    const LONG newest = newest_begun(asked);

    for (int thread = 0; thread < RACERS; thread++) {
        for (int i = 0; i < ROUNDS; i++) {
            if (manners[thread][racers[thread].turns[i]].end == answer && racers[thread].rounds[i].begun < answered &&
                racers[thread].rounds[i].seen > newest)
                return true;
        }
    }
    return false;
}

void part_f_last_error_under_many_threads_is_never_an_earlier_one(struct suite *suite)
{
    HANDLE threads[RACERS], reader = open_reader(suite), go = new_event(suite, TRUE);

    for (int i = 0; i < 8; i++)
        fault(suite, "parity byte=0 on=pps"); /* eight are all that can be armed; nothing here meets them */
    ticks = 0;
    for (unsigned i = 0; i < RACERS; i++) {
        memset(&racers[i], 0, sizeof(racers[i]));
        raw_prepare(suite, &racers[i].raw, i < 2 ? reader : open_reader(suite));
        racers[i].number = i;
        racers[i].go = go;
        for (int round = 0; round < ROUNDS; round++)
            racers[i].turns[round] = (UCHAR)chance(suite, 2);
    }
    for (int i = 0; i < RACERS; i++)
        threads[i] = new_thread(suite, race, &racers[i]);
    SetEvent(go);
    join_threads(suite, threads, RACERS);
    for (int thread = 0; thread < RACERS; thread++) {
        EXPECT_NUMBER(suite, racers[thread].error, ERROR_SUCCESS);
        EXPECT(suite, racers[thread].done);
        for (int i = 0; i < ROUNDS; i++) {
            const LONG seen = racers[thread].rounds[i].seen, answered = racers[thread].rounds[i].answered;

            if (!explained(racers[thread].rounds[i].answer, seen, answered))
                fail(suite, __FILE__, __LINE__, "thread %d, operation %d: answered with %s, which was over before",
                     thread, i, status_word(racers[thread].rounds[i].answer));
        }
    }
}
