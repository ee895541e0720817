/* SPDX-License-Identifier: MIT */
/*
 * GET_LAST_ERROR itself: its buffers, that queries leave it alone, and that it is answered always and at once. "At once"
 * is told by order, not by a clock: it is answered, and what was running then is running still.
 */
#include "part_f.h"

#include <string.h>

#define ASKED 50 /* times, while something runs */

/* ---- the answer ---------------------------------------------------------------------------------------------------- */

void part_f_last_error_is_success_at_first(struct suite *suite)
{
    char name[64];

    fresh_reader(suite, name);
    EXPECT_LAST(suite, open_device(suite, name, FILE_FLAG_OVERLAPPED), STATUS_SUCCESS);
}

void part_f_last_error_is_an_ntstatus(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *io;

    leave_a_mark(suite, reader);
    io = request(suite, reader, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, 4);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_BYTES(suite, io->out, io->returned, "\xBB\x00\x00\xC0", 4); /* STATUS_NOT_SUPPORTED, not Win32's 50 */
}

void part_f_last_error_is_that_of_the_reader_asked(struct suite *suite)
{
    HANDLE reader = open_reader(suite), other;
    char name[64];

    fresh_reader(suite, name);
    other = open_device(suite, name, FILE_FLAG_OVERLAPPED);
    leave_a_mark(suite, reader);
    EXPECT_LAST(suite, other, STATUS_SUCCESS);
    EXPECT_STATUS(suite, request(suite, other, SCARD_CTL_CODE(100), NULL, 0, 0), STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_LAST(suite, other, STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
}

/* ---- its buffers --------------------------------------------------------------------------------------------------- */

void part_f_last_error_refuses_less_than_four_bytes(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    for (DWORD size = 0; size < 4; size++) {
        struct io *io = request(suite, reader, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, size);

        EXPECT_STATUS(suite, io, STATUS_BUFFER_TOO_SMALL);
        EXPECT_NUMBER(suite, io->returned, 0);
        if (size > 0)
            EXPECT_BYTES(suite, io->out, size, "\xA5\xA5\xA5", size);
    }
}

void part_f_last_error_returns_four_bytes_into_any_longer_output(struct suite *suite)
{
    static const DWORD sizes[] = {4, 5, 7, 8, 33, 264, 4096, 65536};
    HANDLE reader = open_reader(suite);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct io *io = request(suite, reader, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, sizes[i]);

        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        EXPECT_NUMBER(suite, io->returned, 4);
        for (DWORD at = 4; at < sizes[i]; at++)
            EXPECT(suite, io->out[at] == 0xA5);
    }
}

void part_f_last_error_ignores_input(struct suite *suite)
{
    static const DWORD sizes[] = {1, 3, 4, 5, 8, 300, 4096};
    HANDLE reader = open_reader(suite);
    UCHAR in[4096];
    NTSTATUS before;

    memset(in, 0xFF, sizeof(in));
    EXPECT_STATUS(suite, request(suite, reader, SCARD_CTL_CODE(100), NULL, 0, 0), STATUS_INVALID_DEVICE_REQUEST);
    before = last_error(suite, reader);
    EXPECT_NUMBER(suite, (ULONG)before, 0xC0000010);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct io *io = request(suite, reader, IOCTL_SMARTCARD_GET_LAST_ERROR, in, sizes[i], 4);

        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        EXPECT_BYTES(suite, io->out, io->returned, "\x10\x00\x00\xC0", 4);
    }
}

/* A request with less than 4 bytes of input has the minor code of the one before; GET_LAST_ERROR is none of these. */
void part_f_last_error_takes_no_minor_code_from_its_input(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    const ULONG other = 0x12345678;
    struct io *io;

    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_GET_LAST_ERROR, &other, 4, 4), STATUS_SUCCESS);
    io = request(suite, reader, IOCTL_SMARTCARD_POWER, NULL, 0, 33); /* still a cold reset */
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT(suite, io->returned >= 2);
    EXPECT_NUMBER(suite, io->out[0], 0x3B);
}

/* ---- queries store nothing ----------------------------------------------------------------------------------------- */

void part_f_asking_for_the_last_error_stores_nothing(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    leave_a_mark(suite, reader);
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, 4), STATUS_SUCCESS);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, 3), STATUS_BUFFER_TOO_SMALL);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
}

void part_f_asking_for_the_state_stores_nothing(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    leave_a_mark(suite, reader);
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_GET_STATE, NULL, 0, 4), STATUS_SUCCESS);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_GET_STATE, NULL, 0, 3), STATUS_BUFFER_TOO_SMALL);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
}

void part_f_asking_for_an_attribute_stores_nothing(struct suite *suite)
{
    static const struct {
        ULONG tag;
        DWORD room;
        NTSTATUS end;
    } rows[] = {
        {SCARD_ATTR_DEFAULT_CLK, 4, STATUS_SUCCESS},
        {SCARD_ATTR_DEFAULT_CLK, 3, STATUS_BUFFER_TOO_SMALL},
        {SCARD_ATTR_ATR_STRING, 33, STATUS_INVALID_DEVICE_STATE}, /* there is no card */
        {0x12345678, 4, STATUS_NOT_SUPPORTED},
    };
    HANDLE reader = open_reader(suite);

    EXPECT_STATUS(suite, request(suite, reader, IOCTL_VREADER_REMOVE, NULL, 0, 0), STATUS_NO_MEDIA);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &rows[i].tag, 4, rows[i].room),
                      rows[i].end);
        EXPECT_LAST(suite, reader, STATUS_NO_MEDIA);
    }
}

void part_f_asking_for_a_counter_stores_nothing(struct suite *suite)
{
    const ULONG tag = SCARD_PERF_NUM_TRANSMISSIONS;
    HANDLE reader = open_reader(suite);

    leave_a_mark(suite, reader);
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_GET_PERF_CNTR, &tag, 4, 4),
                  STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
}

void part_f_reading_the_last_error_does_not_clear_it(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    leave_a_mark(suite, reader);
    for (int i = 0; i < 20; i++)
        EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
    reader = open_reader(suite);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
}

void part_f_last_error_is_the_same_on_every_handle(struct suite *suite)
{
    HANDLE first = open_reader(suite), second = open_reader(suite);

    leave_a_mark(suite, first);
    EXPECT_LAST(suite, second, STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(suite, request(suite, second, SCARD_CTL_CODE(100), NULL, 0, 0), STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_LAST(suite, first, STATUS_INVALID_DEVICE_REQUEST);
    close_handle(suite, second);
    EXPECT_LAST(suite, first, STATUS_INVALID_DEVICE_REQUEST);
}

/* ---- in every reader state ----------------------------------------------------------------------------------------- */

void part_f_last_error_is_answered_without_a_card(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_ABSENT);
    leave_a_mark(suite, reader);
}

void part_f_last_error_is_answered_with_a_card_without_power(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    ULONG state = reader_state(suite, reader);

    EXPECT(suite, state == SCARD_PRESENT || state == SCARD_SWALLOWED);
    leave_a_mark(suite, reader);
}

/* The answer to reset stops for half a second behind its first character. */
void part_f_last_error_is_answered_during_a_reset(struct suite *suite)
{
    const ULONG cold = SCARD_COLD_RESET;
    HANDLE reader = open_reader(suite);
    struct io *reset;

    leave_a_mark(suite, reader);
    fault(suite, "delay byte=1 ms=500 on=atr");
    reset = start(suite, reader, IOCTL_SMARTCARD_POWER, &cold, 4, 33);
    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_POWERED);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
    EXPECT(suite, !ends_within(suite, reset, 0));
    EXPECT_STATUS(suite, reset, STATUS_SUCCESS);
}

void part_f_last_error_is_answered_before_a_protocol_is_selected(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_NEGOTIABLE);
    leave_a_mark(suite, reader);
}

void part_f_last_error_is_answered_with_a_protocol_selected(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_SPECIFIC);
    leave_a_mark(suite, reader);
}

void part_f_last_error_is_answered_after_the_card_left(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    leave_a_mark(suite, reader);
    card_out(suite);
    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_ABSENT);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
}

/* ---- while something else goes on ---------------------------------------------------------------------------------- */

/* Asked many times, and what runs is running still. */
static void expect_answers_while(struct suite *suite, HANDLE handle, NTSTATUS answer, struct io *running)
{
    for (int i = 0; i < ASKED; i++)
        EXPECT_LAST(suite, handle, answer);
    EXPECT(suite, !ends_within(suite, running, 0));
}

void part_f_last_error_is_answered_while_an_operation_runs(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    leave_a_mark(suite, reader);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    expect_answers_while(suite, reader, STATUS_NOT_SUPPORTED, running);
    cancel_now(suite, running);
}

/* A card that is mute to PPS: the reader waits for 9600 etu, resets it, and tries again. */
void part_f_last_error_is_answered_while_a_protocol_is_negotiated(struct suite *suite)
{
    const ULONG mask = SCARD_PROTOCOL_T1;
    HANDLE reader = open_reader(suite);
    struct io *running;

    card_in(suite, "echo pps=mute");
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    leave_a_mark(suite, reader);
    running = start(suite, reader, IOCTL_SMARTCARD_SET_PROTOCOL, &mask, 4, 4);
    EXPECT(suite, running->pended);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
    EXPECT(suite, !ends_within(suite, running, 0));
    cancel_now(suite, running);
}

void part_f_last_error_is_answered_while_operations_queue(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running, *queued[3];

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    leave_a_mark(suite, reader);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    for (int i = 0; i < 3; i++)
        queued[i] = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    expect_answers_while(suite, reader, STATUS_NOT_SUPPORTED, running);
    for (int i = 0; i < 3; i++)
        EXPECT(suite, !ends_within(suite, queued[i], 0));
    cancel_now(suite, running);
    for (int i = 0; i < 3; i++)
        EXPECT_STATUS(suite, queued[i], STATUS_SUCCESS);
}

void part_f_last_error_is_answered_while_a_tracking_request_pends(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *tracking;

    leave_a_mark(suite, reader);
    tracking = start(suite, reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
    EXPECT(suite, tracking->pended);
    expect_answers_while(suite, reader, STATUS_NOT_SUPPORTED, tracking);
    cancel_now(suite, tracking);
}

void part_f_last_error_is_answered_on_other_handles_while_an_operation_runs(struct suite *suite)
{
    HANDLE reader = open_reader(suite), before = open_reader(suite), after;
    struct io *running;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    leave_a_mark(suite, reader);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    expect_answers_while(suite, before, STATUS_NOT_SUPPORTED, running);
    after = open_reader(suite);
    expect_answers_while(suite, after, STATUS_NOT_SUPPORTED, running);
    cancel_now(suite, running);
}

void part_f_last_error_is_answered_on_a_synchronous_handle(struct suite *suite)
{
    HANDLE reader = open_reader(suite), synchronous = open_device(suite, reader_name(suite), 0);
    struct io *running;
    ULONG answer = 0;
    DWORD returned = 0;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    leave_a_mark(suite, reader);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    for (int i = 0; i < ASKED; i++) {
        answer = 0;
        EXPECT(suite, DeviceIoControl(synchronous, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, &answer, sizeof(answer),
                                      &returned, NULL));
        EXPECT_NUMBER(suite, returned, 4);
        EXPECT_NUMBER(suite, answer, 0xC00000BB);
    }
    EXPECT(suite, !ends_within(suite, running, 0));
    cancel_now(suite, running);
}

#define ASKERS 4

static struct asker {
    struct raw raw;
    unsigned right;
} askers[ASKERS];

static DWORD WINAPI ask(LPVOID context)
{
    struct asker *asker = context;
    NTSTATUS answer;

    for (int i = 0; i < ASKED; i++) {
        if (raw_ask(&asker->raw, &answer) && answer == STATUS_NOT_SUPPORTED)
            asker->right++;
    }
    return 0;
}

/* Two of the threads on the handle that is busy, two on handles of their own. */
void part_f_last_error_is_answered_in_other_threads_while_an_operation_runs(struct suite *suite)
{
    HANDLE reader = open_reader(suite), threads[ASKERS];
    struct io *running;

    for (int i = 0; i < ASKERS; i++) {
        raw_prepare(suite, &askers[i].raw, i < 2 ? reader : open_reader(suite));
        askers[i].right = 0;
    }
    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    leave_a_mark(suite, reader);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    for (int i = 0; i < ASKERS; i++)
        threads[i] = new_thread(suite, ask, &askers[i]);
    join_threads(suite, threads, ASKERS);
    for (int i = 0; i < ASKERS; i++)
        EXPECT_NUMBER(suite, askers[i].right, ASKED);
    EXPECT(suite, !ends_within(suite, running, 0));
    cancel_now(suite, running);
}
