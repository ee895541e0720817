/* SPDX-License-Identifier: MIT */
/* Part B, the reader interface: buffers of every size, in every place. What is in them is the other files' business. */
#include "part_b.h"

#include <string.h>

/* From `from` on, nobody has written into the output. */
static void expect_untouched(struct suite *suite, const struct io *io, DWORD from)
{
    for (DWORD i = from; i < io->out_size; i++)
        EXPECT_NUMBER(suite, io->out[i], 0xA5);
}

static void expect_too_small(struct suite *suite, struct io *io)
{
    EXPECT_STATUS(suite, io, STATUS_BUFFER_TOO_SMALL);
    EXPECT_NUMBER(suite, io->returned, 0);
    expect_untouched(suite, io, 0);
}

/* ---- GET_ATTRIBUTE ----------------------------------------------------------------------------------------------- */

static void expect_exact(struct suite *suite, HANDLE handle, DWORD tag)
{
    UCHAR value[64];
    DWORD size = attribute(suite, handle, tag, value, sizeof value);
    struct io *io = ask(suite, handle, tag, size);

    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_BYTES(suite, io->out, io->returned, value, size);
}

static void expect_short(struct suite *suite, HANDLE handle, DWORD tag)
{
    UCHAR value[64];
    DWORD size = attribute(suite, handle, tag, value, sizeof value);

    if (size > 0)
        expect_too_small(suite, ask(suite, handle, tag, size - 1));
}

static void expect_long(struct suite *suite, HANDLE handle, DWORD tag)
{
    UCHAR value[64];
    DWORD size = attribute(suite, handle, tag, value, sizeof value);
    struct io *io = ask(suite, handle, tag, 300);

    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_BYTES(suite, io->out, io->returned, value, size);
    expect_untouched(suite, io, size);
}

void b_reader_buffers_exact(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < READER_TAGS; i++)
        expect_exact(suite, handle, b_reader_tags[i].tag);
}

void b_reader_buffers_short(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < READER_TAGS; i++)
        expect_short(suite, handle, b_reader_tags[i].tag);
}

void b_reader_buffers_long(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < READER_TAGS; i++)
        expect_long(suite, handle, b_reader_tags[i].tag);
}

void b_card_buffers(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    for (size_t i = 0; i < CARD_TAGS; i++) {
        expect_exact(suite, handle, b_card_tags[i]);
        expect_short(suite, handle, b_card_tags[i]);
        expect_long(suite, handle, b_card_tags[i]);
    }
}

void b_no_output(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < READER_TAGS; i++) {
        if (b_reader_tags[i].least > 0)
            expect_too_small(suite, ask(suite, handle, b_reader_tags[i].tag, 0));
    }
    /* Neither input nor output: there is no buffer, and the tag is the one before. */
    expect_too_small(suite, request(suite, handle, IOCTL_SMARTCARD_GET_ATTRIBUTE, NULL, 0, 0));
}

/* ---- input ------------------------------------------------------------------------------------------------------- */

void b_short_input(struct suite *suite)
{
    static const UCHAR ones[3] = {0xFF, 0xFF, 0xFF};
    HANDLE handle = open_reader(suite);
    ULONG ifsd = number(suite, handle, SCARD_ATTR_MAX_IFSD);

    for (DWORD size = 0; size < 4; size++) {
        struct io *io = request(suite, handle, IOCTL_SMARTCARD_GET_ATTRIBUTE, ones, size, 4);

        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        EXPECT_BYTES(suite, io->out, io->returned, &ifsd, 4);
    }
}

void b_short_input_after_power(struct suite *suite)
{
    static const UCHAR ones[3] = {0xFF, 0xFF, 0xFF};
    HANDLE handle = open_reader(suite);
    UCHAR atr[33];
    DWORD size = power_up(suite, handle, SCARD_COLD_RESET, atr);
    struct io *io = request(suite, handle, IOCTL_SMARTCARD_POWER, NULL, 0, 33);

    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_BYTES(suite, io->out, io->returned, atr, size);
    power_down(suite, handle);
    io = request(suite, handle, IOCTL_SMARTCARD_POWER, ones, sizeof ones, 33);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, io->returned, 0);
}

void b_long_input(struct suite *suite)
{
    static const DWORD tag = SCARD_ATTR_MAX_IFSD;
    HANDLE handle = open_reader(suite);
    ULONG ifsd = number(suite, handle, tag);
    UCHAR input[300];

    memset(input, 0xFF, sizeof input);
    memcpy(input, &tag, sizeof tag);
    for (DWORD size = 4; size <= sizeof input; size += 37) {
        struct io *io;

        ask(suite, handle, SCARD_ATTR_VENDOR_NAME, 64); /* the tag in force is another one */
        io = request(suite, handle, IOCTL_SMARTCARD_GET_ATTRIBUTE, input, size, 8);
        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        EXPECT_BYTES(suite, io->out, io->returned, &ifsd, 4);
        expect_untouched(suite, io, 4);
    }
}

/* ---- place ------------------------------------------------------------------------------------------------------- */

/* A query with buffers of the check's own. Queries are answered at once, so nothing can be left behind. */
static DWORD query(struct suite *suite, HANDLE handle, DWORD code, void *in, DWORD in_size, void *out, DWORD out_size)
{
    static OVERLAPPED overlapped;
    DWORD returned = 0;

    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = new_event(suite, TRUE);
    if (!DeviceIoControl(handle, code, in, in_size, out, out_size, &returned, &overlapped)) {
        EXPECT_NUMBER(suite, GetLastError(), ERROR_IO_PENDING);
        EXPECT(suite, GetOverlappedResult(handle, &overlapped, &returned, TRUE));
    }
    return returned;
}

void b_same_buffer(struct suite *suite)
{
    static UCHAR buffer[64];
    static const DWORD tag = SCARD_ATTR_VENDOR_NAME;
    HANDLE handle = open_reader(suite);
    UCHAR name[64];
    DWORD size = attribute(suite, handle, tag, name, sizeof name);

    memset(buffer, 0xA5, sizeof buffer);
    memcpy(buffer, &tag, sizeof tag);
    EXPECT_BYTES(suite, buffer,
                 query(suite, handle, IOCTL_SMARTCARD_GET_ATTRIBUTE, buffer, sizeof tag, buffer, sizeof buffer), name,
                 size);
    for (size_t i = size > sizeof tag ? size : sizeof tag; i < sizeof buffer; i++)
        EXPECT_NUMBER(suite, buffer[i], 0xA5);
}

void b_unaligned_buffers(struct suite *suite)
{
    static UCHAR in[16], out[16];
    static const DWORD tag = SCARD_ATTR_MAX_IFSD;
    HANDLE handle = open_reader(suite);
    ULONG ifsd = number(suite, handle, tag);

    for (int i = 1; i < 8; i++) {
        memset(out, 0xA5, sizeof out);
        memcpy(in + i, &tag, sizeof tag);
        EXPECT_BYTES(suite, out + 8 - i,
                     query(suite, handle, IOCTL_SMARTCARD_GET_ATTRIBUTE, in + i, sizeof tag, out + 8 - i, 4), &ifsd, 4);
        EXPECT_NUMBER(suite, out[7 - i], 0xA5);
        EXPECT_NUMBER(suite, out[12 - i], 0xA5);
    }
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

void b_state_buffers(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    for (DWORD size = 0; size <= 8; size++) {
        struct io *io = request(suite, handle, IOCTL_SMARTCARD_GET_STATE, NULL, 0, size);
        ULONG state;

        if (size < 4) {
            expect_too_small(suite, io);
            continue;
        }
        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        EXPECT_NUMBER(suite, io->returned, 4);
        memcpy(&state, io->out, sizeof state);
        EXPECT(suite, state >= SCARD_ABSENT && state <= SCARD_SPECIFIC);
        expect_untouched(suite, io, 4);
    }
}

void b_power_buffers(struct suite *suite)
{
    static const DWORD too_small[] = {0, 1, 13, 32};
    static const DWORD enough[] = {33, 34, 300};
    HANDLE handle = open_reader(suite);

    for (ULONG kind = SCARD_COLD_RESET; kind <= SCARD_WARM_RESET; kind++) {
        for (size_t i = 0; i < COUNT_OF(too_small); i++)
            expect_too_small(suite, request(suite, handle, IOCTL_SMARTCARD_POWER, &kind, sizeof kind, too_small[i]));
        for (size_t i = 0; i < COUNT_OF(enough); i++) {
            struct io *io = request(suite, handle, IOCTL_SMARTCARD_POWER, &kind, sizeof kind, enough[i]);

            EXPECT_STATUS(suite, io, STATUS_SUCCESS);
            EXPECT(suite, io->returned >= 2 && io->returned <= 33);
            expect_untouched(suite, io, io->returned);
        }
    }
    power_down(suite, handle);
}

void b_protocol_buffers(struct suite *suite)
{
    static const ULONG both = SCARD_PROTOCOL_Tx;
    HANDLE handle = open_reader(suite);
    struct io *io;
    ULONG state;

    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    state = reader_state(suite, handle);
    for (DWORD size = 0; size < 4; size++)
        expect_too_small(suite, request(suite, handle, IOCTL_SMARTCARD_SET_PROTOCOL, &both, sizeof both, size));
    EXPECT_NUMBER(suite, reader_state(suite, handle), state);
    io = request(suite, handle, IOCTL_SMARTCARD_SET_PROTOCOL, &both, sizeof both, 16);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT(suite, io->returned == 4 || (io->returned == 0 && state == SCARD_SPECIFIC));
    expect_untouched(suite, io, io->returned);
}
