/* SPDX-License-Identifier: MIT */
/*
 * Whose memory is touched when. Requests are METHOD_BUFFERED: the input is copied when the request is sent, the output
 * when it has ended, and between the two, or when it failed, nobody touches what the caller gave. struct io fills its
 * output with A5 beforehand.
 */
#include "part_f.h"

#include <string.h>

#define HEADER ((DWORD)sizeof(SCARD_IO_REQUEST))

/* 00 01 00 00 with data, which echo gives back. */
static struct io *start_echo(struct suite *suite, HANDLE reader, const char data[4])
{
    UCHAR apdu[] = {0x00, 0x01, 0x00, 0x00, 4, 0, 0, 0, 0};

    memcpy(apdu + 5, data, 4);
    return start_transmit(suite, reader, SCARD_PROTOCOL_T1, apdu, sizeof(apdu), 6);
}

static bool untouched(const struct io *io)
{
    for (DWORD i = 0; i < io->out_size; i++) {
        if (((const volatile UCHAR *)io->out)[i] != 0xA5)
            return false;
    }
    return true;
}

void part_f_input_may_change_after_submission(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running, *queued;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    queued = start_echo(suite, reader, "then");
    EXPECT(suite, queued->pended);
    memset(queued->in, 0xEE, queued->in_size);
    cancel_now(suite, running);
    EXPECT_STATUS(suite, queued, STATUS_SUCCESS);
    EXPECT_BYTES(suite, queued->out + HEADER, queued->returned - HEADER, "then\x90\x00", 6);
}

/* The driver's buffer is one for both ways; the caller's are two. */
void part_f_input_is_left_as_it_was(struct suite *suite)
{
    static const UCHAR in[] = {2, 0, 0, 0, 8, 0, 0, 0, 0x00, 0x01, 0x00, 0x00, 4, 'k', 'e', 'p', 't'};
    HANDLE reader = open_reader(suite);
    struct io *io;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    io = start_echo(suite, reader, "kept");
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_BYTES(suite, io->in, io->in_size, in, sizeof(in));
}

void part_f_input_and_output_may_be_the_same_memory(struct suite *suite)
{
    static const UCHAR in[] = {2, 0, 0, 0, 8, 0, 0, 0, 0x00, 0x01, 0x00, 0x00, 4, 's', 'a', 'm', 'e'};
    HANDLE reader = open_device(suite, reader_name(suite), 0), other = open_reader(suite);
    static UCHAR both[64];
    DWORD returned = 0;

    make_ready(suite, other, SCARD_PROTOCOL_T1);
    memcpy(both, in, sizeof(in));
    EXPECT(suite,
           DeviceIoControl(reader, IOCTL_SMARTCARD_TRANSMIT, both, sizeof(in), both, sizeof(both), &returned, NULL));
    EXPECT_BYTES(suite, both + HEADER, returned - HEADER, "same\x90\x00", 6);
}

void part_f_output_is_written_only_at_the_end(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running, *queued;

    card_in(suite, "echo delay=200");
    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = start_echo(suite, reader, "soon");
    queued = start_echo(suite, reader, "late");
    EXPECT(suite, running->pended && queued->pended);
    EXPECT(suite, untouched(running) && untouched(queued));
    EXPECT_STATUS(suite, running, STATUS_SUCCESS);
    EXPECT_BYTES(suite, running->out + HEADER, running->returned - HEADER, "soon\x90\x00", 6);
    EXPECT(suite, untouched(queued));
    EXPECT_STATUS(suite, queued, STATUS_SUCCESS);
    EXPECT_BYTES(suite, queued->out + HEADER, queued->returned - HEADER, "late\x90\x00", 6);
}

/* One that ends at once, and one that is pended. */
void part_f_output_behind_the_returned_bytes_is_left(struct suite *suite)
{
    static const UCHAR apdu[] = {0x00, 0x01, 0x00, 0x00};
    HANDLE reader = open_reader(suite);

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    for (int i = 0; i < 2; i++) {
        struct io *io = request_transmit(suite, reader, SCARD_PROTOCOL_T1, apdu, sizeof(apdu), 258);

        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        EXPECT_NUMBER(suite, io->returned, HEADER + 2);
        for (DWORD at = io->returned; at < io->out_size; at++)
            EXPECT(suite, io->out[at] == 0xA5);
        fault(suite, "late ms=5");
    }
}

/* Not even when the card would have answered by then. */
void part_f_output_of_a_cancelled_operation_is_left(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running, *queued;

    card_in(suite, "echo delay=100");
    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    running = start_echo(suite, reader, "none");
    queued = start_echo(suite, reader, "none");
    cancel_now(suite, queued);
    cancel_now(suite, running);
    EXPECT_NUMBER(suite, running->returned, 0);
    EXPECT_NUMBER(suite, queued->returned, 0);
    Sleep(300);
    EXPECT(suite, untouched(running) && untouched(queued));
}

/* Refused at once, and failed after a while. */
void part_f_output_of_a_failed_operation_is_left(struct suite *suite)
{
    const ULONG unknown = 0x00400000;
    HANDLE reader = open_reader(suite);
    struct io *io;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    fault(suite, "mute");
    io = start_echo(suite, reader, "none");
    EXPECT_STATUS(suite, io, STATUS_IO_TIMEOUT);
    EXPECT_NUMBER(suite, io->returned, 0);
    EXPECT(suite, untouched(io));
    io = request(suite, reader, IOCTL_SMARTCARD_SET_PROTOCOL, &unknown, 4, 4);
    EXPECT_STATUS(suite, io, STATUS_NOT_SUPPORTED);
    EXPECT(suite, untouched(io));
}

/* 64 KiB to the reader, for the reader to refuse; and room for 64 KiB. */
void part_f_large_buffers_pass(struct suite *suite)
{
    static const UCHAR apdu[] = {0x00, 0x01, 0x00, 0x00};
    static UCHAR text[65536];
    HANDLE reader = open_reader(suite);
    struct io *io;

    memset(text, 'x', sizeof(text));
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_VREADER_FAULT, text, sizeof(text), 0), STATUS_INVALID_PARAMETER);
    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    io = request_transmit(suite, reader, SCARD_PROTOCOL_T1, apdu, sizeof(apdu), 65536 - HEADER);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, io->returned, HEADER + 2);
    EXPECT(suite, io->out[HEADER + 2] == 0xA5);
}
