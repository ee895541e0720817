/* SPDX-License-Identifier: MIT */
/*
 * Overlapped requests: submission and result, whose turn it is, and synchronous handles beside them. An operation that "runs" here is one that does not end by itself (hold_reader) or takes its time.
 */
#include "part_f.h"

#include <string.h>

#define HEADER ((DWORD)sizeof(SCARD_IO_REQUEST))

/* ---- submission and result ----------------------------------------------------------------------------------------- */

void part_f_submission_of_what_waits_returns_at_once(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running, *tracking, *queued;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    tracking = start(suite, reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    queued = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    EXPECT(suite, running->pended && tracking->pended && queued->pended);
    EXPECT_NUMBER(suite, running->error, ERROR_IO_PENDING);
}

void part_f_pending_operation_has_no_result_yet(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running;
    DWORD bytes = 0;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    EXPECT(suite, !GetOverlappedResult(reader, &running->overlapped, &bytes, FALSE));
    EXPECT_NUMBER(suite, GetLastError(), ERROR_IO_INCOMPLETE);
    EXPECT(suite, !HasOverlappedIoCompleted(&running->overlapped));
    EXPECT(suite, WaitForSingleObject(running->overlapped.hEvent, 50) == WAIT_TIMEOUT);
    EXPECT(suite, !GetOverlappedResult(reader, &running->overlapped, &bytes, FALSE)); /* to wait has not ended it */
    EXPECT_NUMBER(suite, GetLastError(), ERROR_IO_INCOMPLETE);
    cancel_now(suite, running);
    EXPECT(suite, HasOverlappedIoCompleted(&running->overlapped));
}

static struct raw once;

/* With an event that resets itself: each wait that succeeds stands for one signal. */
static void expect_one_signal(struct suite *suite)
{
    EXPECT(suite, WaitForSingleObject(once.overlapped.hEvent, 10000) == WAIT_OBJECT_0);
    EXPECT(suite, WaitForSingleObject(once.overlapped.hEvent, 300) == WAIT_TIMEOUT);
}

static void start_once(struct suite *suite, HANDLE reader)
{
    static const UCHAR in[] = {SCARD_PROTOCOL_T1, 0, 0, 0, 8, 0, 0, 0, 0x00, 0x01, 0x00, 0x00};

    raw_prepare(suite, &once, reader);
    once.overlapped.hEvent = new_event(suite, FALSE);
    EXPECT_NUMBER(suite, raw_start(&once, IOCTL_SMARTCARD_TRANSMIT, in, sizeof(in), 10), ERROR_IO_PENDING);
}

void part_f_pending_operation_ends_exactly_once(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    DWORD bytes = 0;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    fault(suite, "late ms=20");
    start_once(suite, reader);
    expect_one_signal(suite);
    for (int i = 0; i < 3; i++) { /* and its result stays */
        EXPECT(suite, GetOverlappedResult(reader, &once.overlapped, &bytes, FALSE));
        EXPECT_NUMBER(suite, bytes, 10);
        EXPECT_NUMBER(suite, once.overlapped.Internal, STATUS_SUCCESS);
    }
}

void part_f_cancelled_operation_ends_exactly_once(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    fault(suite, "wtx");
    start_once(suite, reader);
    EXPECT(suite, CancelIoEx(reader, &once.overlapped));
    expect_one_signal(suite);
    EXPECT_NUMBER(suite, (ULONG)once.overlapped.Internal, 0xC0000120);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    start_once(suite, reader); /* the same for one that never ran */
    EXPECT(suite, CancelIoEx(reader, &once.overlapped));
    expect_one_signal(suite);
    EXPECT_NUMBER(suite, (ULONG)once.overlapped.Internal, 0xC0000120);
    cancel_now(suite, running);
}

void part_f_several_ends_can_be_waited_for_together(struct suite *suite)
{
    HANDLE reader = open_reader(suite), events[3];
    struct io *running, *queued, *tracking;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    queued = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    tracking = start(suite, reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    events[0] = running->overlapped.hEvent;
    events[1] = queued->overlapped.hEvent;
    events[2] = tracking->overlapped.hEvent;
    EXPECT(suite, WaitForMultipleObjects(3, events, FALSE, 0) == WAIT_TIMEOUT);
    EXPECT_NUMBER(suite, cancel(tracking), ERROR_SUCCESS);
    EXPECT_NUMBER(suite, WaitForMultipleObjects(3, events, FALSE, 10000), WAIT_OBJECT_0 + 2);
    EXPECT_NUMBER(suite, cancel(running), ERROR_SUCCESS);
    EXPECT_NUMBER(suite, WaitForMultipleObjects(3, events, TRUE, 10000), WAIT_OBJECT_0);
    EXPECT_STATUS(suite, running, STATUS_CANCELLED);
    EXPECT_STATUS(suite, queued, STATUS_SUCCESS);
    EXPECT_STATUS(suite, tracking, STATUS_CANCELLED);
}

/* ---- whose turn it is ---------------------------------------------------------------------------------------------- */

/* It answers 00 01 after 300 ms, and then takes 00 02 to 00 06 only in this order; what is not its turn gets 6F00. */
static const char in_order[] = "script\n"
                               "atr 3B 80 80 01 01\n"
                               "> 00 01 00 00\nwait 300\n< 90 00\n"
                               "> 00 02 00 00\n< 90 00\n"
                               "> 00 03 00 00\n< 90 00\n"
                               "> 00 04 00 00\n< 90 00\n"
                               "> 00 05 00 00\n< 90 00\n"
                               "> 00 06 00 00\n< 90 00\n";

void part_f_operations_run_in_the_order_of_submission(struct suite *suite)
{
    HANDLE handles[3] = {open_reader(suite), open_reader(suite), open_reader(suite)};
    struct io *ios[6];

    card_in(suite, in_order);
    make_ready(suite, handles[0], SCARD_PROTOCOL_T1);
    for (UCHAR i = 0; i < 6; i++) {
        ios[i] = start_exchange(suite, handles[i % 3], SCARD_PROTOCOL_T1, (UCHAR)(i + 1));
        EXPECT(suite, ios[i]->pended);
    }
    for (int i = 0; i < 6; i++) {
        EXPECT_STATUS(suite, ios[i], STATUS_SUCCESS);
        EXPECT_NUMBER(suite, ios[i]->returned, HEADER + 2);
        EXPECT_BYTES(suite, ios[i]->out + HEADER, 2, "\x90\x00", 2);
    }
}

void part_f_operations_run_one_at_a_time(struct suite *suite)
{
    struct io *ios[3];
    HANDLE handles[3];
    ULONGLONG begun;

    card_in(suite, "echo delay=100");
    for (int i = 0; i < 3; i++)
        handles[i] = open_reader(suite);
    make_ready(suite, handles[0], SCARD_PROTOCOL_T1);
    begun = GetTickCount64();
    for (int i = 0; i < 3; i++)
        ios[i] = start_exchange(suite, handles[i], SCARD_PROTOCOL_T1, 0x01);
    for (int i = 0; i < 3; i++)
        EXPECT_STATUS(suite, ios[i], STATUS_SUCCESS);
    EXPECT(suite, GetTickCount64() - begun >= 250); /* 300, but for the grain of the clocks */
}

void part_f_operations_of_any_kind_wait_their_turn(struct suite *suite)
{
    static const ULONG number = SCARD_PROTOCOL_T1, attribute[] = {SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, 1};
    static const struct {
        DWORD code;
        const void *in;
        DWORD in_size, room;
        NTSTATUS end;
    } rows[] = {
        {IOCTL_SMARTCARD_SET_PROTOCOL, &number, 4, 4, STATUS_SUCCESS},
        {IOCTL_SMARTCARD_SET_ATTRIBUTE, attribute, 8, 0, STATUS_SUCCESS},
        {IOCTL_SMARTCARD_EJECT, NULL, 0, 0, STATUS_NOT_SUPPORTED},
        {SCARD_CTL_CODE(100), NULL, 0, 0, STATUS_INVALID_DEVICE_REQUEST},
        {IOCTL_VREADER_STATUS, NULL, 0, 64, STATUS_SUCCESS},
        {IOCTL_SMARTCARD_POWER, &number, 4, 33, STATUS_SUCCESS},
    };
    enum { COUNT = sizeof(rows) / sizeof(rows[0]) };
    HANDLE reader = open_reader(suite);
    struct io *running, *queued[COUNT];

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    for (size_t i = 0; i < COUNT; i++) {
        queued[i] = start(suite, reader, rows[i].code, rows[i].in, rows[i].in_size, rows[i].room);
        EXPECT(suite, queued[i]->pended);
        EXPECT(suite, !ends_within(suite, queued[i], 0));
    }
    cancel_now(suite, running);
    for (size_t i = 0; i < COUNT; i++)
        EXPECT_STATUS(suite, queued[i], rows[i].end);
}

void part_f_queries_do_not_queue(struct suite *suite)
{
    const ULONG tag = SCARD_ATTR_DEFAULT_CLK;
    HANDLE reader = open_reader(suite);
    struct io *running, *queued;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    queued = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_SPECIFIC);
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, 4), STATUS_SUCCESS);
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_GET_PERF_CNTR, &tag, 4, 4),
                  STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_LAST(suite, reader, STATUS_SUCCESS);
    EXPECT(suite, !ends_within(suite, running, 0));
    EXPECT(suite, !ends_within(suite, queued, 0));
    cancel_now(suite, running);
    EXPECT_STATUS(suite, queued, STATUS_SUCCESS);
}

void part_f_tracking_requests_do_not_queue(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running, *tracking;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0), STATUS_SUCCESS);
    tracking = start(suite, reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0), STATUS_DEVICE_BUSY);
    cancel_now(suite, tracking);
    EXPECT(suite, !ends_within(suite, running, 0));
    cancel_now(suite, running);
}

void part_f_readers_do_not_wait_for_each_other(struct suite *suite)
{
    HANDLE reader = open_reader(suite), other;
    struct io *running;
    char name[64];

    fresh_reader(suite, name);
    fresh_card_in(suite, name, "echo");
    other = open_device(suite, name, FILE_FLAG_OVERLAPPED);
    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    make_ready(suite, other, SCARD_PROTOCOL_T1);
    EXPECT_STATUS(suite, start_exchange(suite, other, SCARD_PROTOCOL_T1, 0x01), STATUS_SUCCESS);
    EXPECT(suite, !ends_within(suite, running, 0));
    cancel_now(suite, running);
}

/* ---- one moment ---------------------------------------------------------------------------------------------------- */

#define LOOKS 500

static struct looker {
    struct suite *suite;
    struct raw raw, reset;
    volatile LONG stop;
    volatile LONG looks;
    unsigned halves;
} looker;

static const UCHAR cold_atr[] = {0x3B, 0x80, 0x80, 0x01, 0x01},
                   warm_atr[] = {0x3B, 0x84, 0x80, 0x01, 0x41, 0x42, 0x43, 0x44, 0x01};

static DWORD WINAPI look(LPVOID context)
{
    const ULONG tag = SCARD_ATTR_ATR_STRING;

    (void)context;
    while (InterlockedCompareExchange(&looker.stop, 0, 0) == 0 && !check_over(looker.suite)) {
        DWORD error = raw_request(&looker.raw, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, 33);
        const bool cold = looker.raw.returned == sizeof(cold_atr) &&
                          memcmp(looker.raw.out, cold_atr, sizeof(cold_atr)) == 0,
                   warm = looker.raw.returned == sizeof(warm_atr) &&
                          memcmp(looker.raw.out, warm_atr, sizeof(warm_atr)) == 0;

        InterlockedIncrement(&looker.looks);
        if (error == ERROR_SUCCESS ? !cold && !warm : error != error_of(STATUS_INVALID_DEVICE_STATE))
            looker.halves++;
    }
    return 0;
}

/* A card with two answers to reset is reset all the time; who asks sees one of them, or that there is none. */
void part_f_attribute_is_of_one_moment(struct suite *suite)
{
    const ULONGLONG until = GetTickCount64() + 10000;
    HANDLE reader = open_reader(suite), thread;

    card_in(suite, "echo atr=3B80800101 warm=3B8480014142434401");
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    memset(&looker, 0, sizeof(looker));
    looker.suite = suite;
    raw_prepare(suite, &looker.raw, reader);
    raw_prepare(suite, &looker.reset, reader);
    thread = new_thread(suite, look, NULL);
    for (int i = 0; InterlockedCompareExchange(&looker.looks, 0, 0) < LOOKS && GetTickCount64() < until; i++) {
        const ULONG kind = i % 2 == 0 ? SCARD_WARM_RESET : SCARD_COLD_RESET;

        if (raw_request(&looker.reset, IOCTL_SMARTCARD_POWER, &kind, 4, 33) != ERROR_SUCCESS)
            break;
    }
    InterlockedExchange(&looker.stop, 1);
    join_threads(suite, &thread, 1);
    EXPECT(suite, looker.looks >= LOOKS);
    EXPECT_NUMBER(suite, looker.halves, 0);
    EXPECT_LAST(suite, reader, STATUS_SUCCESS); /* the resets went well */
}

/* ---- synchronous handles ------------------------------------------------------------------------------------------- */

static const UCHAR plain_exchange[] = {SCARD_PROTOCOL_T1, 0, 0, 0, 8, 0, 0, 0, 0x00, 0x01, 0x00, 0x00};

void part_f_synchronous_request_on_an_idle_reader_ends_in_the_call(struct suite *suite)
{
    HANDLE reader = open_device(suite, reader_name(suite), 0);
    ULONG number = SCARD_COLD_RESET;
    DWORD returned = 0;
    UCHAR out[64], in[sizeof(plain_exchange)];

    EXPECT(suite, DeviceIoControl(reader, IOCTL_SMARTCARD_POWER, &number, 4, out, 33, &returned, NULL));
    EXPECT(suite, returned >= 2);
    number = SCARD_PROTOCOL_T1;
    EXPECT(suite, DeviceIoControl(reader, IOCTL_SMARTCARD_SET_PROTOCOL, &number, 4, out, 4, &returned, NULL));
    EXPECT_BYTES(suite, out, returned, "\2\0\0\0", 4);
    memcpy(in, plain_exchange, sizeof(in));
    EXPECT(suite, DeviceIoControl(reader, IOCTL_SMARTCARD_TRANSMIT, in, sizeof(in), out, 10, &returned, NULL));
    EXPECT_NUMBER(suite, returned, 10);
    EXPECT_BYTES(suite, out + HEADER, 2, "\x90\x00", 2);
}

void part_f_synchronous_request_tells_its_error(struct suite *suite)
{
    HANDLE reader = open_device(suite, reader_name(suite), 0);
    DWORD returned = 99;
    ULONG answer = 0;

    EXPECT(suite, !DeviceIoControl(reader, IOCTL_SMARTCARD_EJECT, NULL, 0, NULL, 0, &returned, NULL));
    EXPECT_NUMBER(suite, GetLastError(), ERROR_NOT_SUPPORTED);
    EXPECT(suite, DeviceIoControl(reader, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, &answer, 4, &returned, NULL));
    EXPECT_NUMBER(suite, answer, 0xC00000BB);
}

static struct synchronous {
    HANDLE handle;
    DWORD error, returned;
    UCHAR in[sizeof(plain_exchange)], out[10];
} synchronous;

static DWORD WINAPI exchange_synchronously(LPVOID context)
{
    struct synchronous *own = context;

    memcpy(own->in, plain_exchange, sizeof(own->in));
    own->error = DeviceIoControl(own->handle, IOCTL_SMARTCARD_TRANSMIT, own->in, sizeof(own->in), own->out,
                                 sizeof(own->out), &own->returned, NULL)
                     ? ERROR_SUCCESS
                     : GetLastError();
    return 0;
}

void part_f_synchronous_request_waits_its_turn(struct suite *suite)
{
    HANDLE reader = open_reader(suite), thread;
    struct io *running;

    memset(&synchronous, 0, sizeof(synchronous));
    synchronous.handle = open_device(suite, reader_name(suite), 0);
    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    thread = new_thread(suite, exchange_synchronously, &synchronous);
    EXPECT(suite, WaitForSingleObject(thread, 200) == WAIT_TIMEOUT);
    cancel_now(suite, running);
    join_threads(suite, &thread, 1);
    EXPECT_NUMBER(suite, synchronous.error, ERROR_SUCCESS);
    EXPECT_BYTES(suite, synchronous.out + HEADER, synchronous.returned - HEADER, "\x90\x00", 2);
}

static struct sharer {
    struct raw raw;
    HANDLE go;
    UCHAR number;
    unsigned right;
} sharers[2];

#define SHARES 50

/* Each exchange has data of its own, which the card gives back. */
static DWORD WINAPI share(LPVOID context)
{
    struct sharer *sharer = context;

    WaitForSingleObject(sharer->go, 10000);
    for (UCHAR i = 0; i < SHARES; i++) {
        const UCHAR in[] = {SCARD_PROTOCOL_T1,
                            0,
                            0,
                            0,
                            8,
                            0,
                            0,
                            0, /* the header */
                            0x00,
                            0x01,
                            0x00,
                            0x00,
                            2,
                            sharer->number,
                            i};
        const UCHAR want[] = {sharer->number, i, 0x90, 0x00};

        if (raw_request(&sharer->raw, IOCTL_SMARTCARD_TRANSMIT, in, sizeof(in), HEADER + 4) == ERROR_SUCCESS &&
            sharer->raw.returned == HEADER + 4 && memcmp(sharer->raw.out + HEADER, want, 4) == 0)
            sharer->right++;
    }
    return 0;
}

void part_f_two_threads_share_one_handle(struct suite *suite)
{
    HANDLE reader = open_reader(suite), go = new_event(suite, TRUE), threads[2];

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    for (UCHAR i = 0; i < 2; i++) {
        memset(&sharers[i], 0, sizeof(sharers[i]));
        raw_prepare(suite, &sharers[i].raw, reader);
        sharers[i].number = i;
        sharers[i].go = go;
    }
    for (int i = 0; i < 2; i++)
        threads[i] = new_thread(suite, share, &sharers[i]);
    SetEvent(go);
    join_threads(suite, threads, 2);
    EXPECT_NUMBER(suite, sharers[0].right, SHARES);
    EXPECT_NUMBER(suite, sharers[1].right, SHARES);
}
