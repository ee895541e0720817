/* SPDX-License-Identifier: MIT */
/* TRANSMIT's frame: the SCARD_IO_REQUEST before the command and before the answer, and the lengths of the buffers. */
#include "part_d.h"

#include <string.h>

static const UCHAR short_command[] = {0x00, ECHO_INS, 0x00, 0x00};

/* TRANSMIT with any header length, `gap` bytes between the header and the command, and an output of any length. */
static struct io *transmit_frame(struct suite *suite, HANDLE reader, DWORD protocol, DWORD header_length, DWORD gap,
                                 const UCHAR *command, DWORD size, DWORD out_size)
{
    const SCARD_IO_REQUEST header = {protocol, header_length};
    UCHAR input[64];

    memset(input, 0xEE, sizeof(input));
    memcpy(input, &header, sizeof(header));
    if (size > 0)
        memcpy(input + PCI_SIZE + gap, command, size);
    return request(suite, reader, IOCTL_SMARTCARD_TRANSMIT, input, PCI_SIZE + gap + size, out_size);
}

void transmission_without_a_card_is_refused(struct suite *suite)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);

    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, short_command, sizeof(short_command), 8),
                  STATUS_INVALID_DEVICE_STATE);
    EXPECT_LAST(suite, second, STATUS_INVALID_DEVICE_STATE);
}

static void expect_lengths_refused(struct suite *suite, const char *card, DWORD protocol)
{
    static const DWORD lengths[] = {0, 1, 7};
    HANDLE reader = begin_with(suite, card, protocol), second = open_reader(suite);

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        EXPECT_STATUS(suite,
                      transmit_frame(suite, reader, protocol, lengths[i], 0, short_command, sizeof(short_command), 16),
                      STATUS_INVALID_PARAMETER);
        EXPECT_LAST(suite, second, STATUS_INVALID_PARAMETER);
    }
    expect_works(suite, second, protocol);
}

void header_length_below_8_is_refused_over_t0(struct suite *suite)
{
    expect_lengths_refused(suite, T0_CARD, SCARD_PROTOCOL_T0);
}

void header_length_below_8_is_refused_over_t1(struct suite *suite)
{
    expect_lengths_refused(suite, T1_CARD, SCARD_PROTOCOL_T1);
}

void header_length_beyond_the_input_is_refused(struct suite *suite)
{
    static const DWORD lengths[] = {PCI_SIZE + sizeof(short_command) + 1, 0x7FFFFFFF, 0xFFFFFFFF};
    HANDLE reader = begin_with(suite, T1_CARD, SCARD_PROTOCOL_T1), second = open_reader(suite);

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        EXPECT_STATUS(
            suite,
            transmit_frame(suite, reader, SCARD_PROTOCOL_T1, lengths[i], 0, short_command, sizeof(short_command), 16),
            STATUS_INVALID_PARAMETER);
        EXPECT_LAST(suite, second, STATUS_INVALID_PARAMETER);
    }
    expect_works(suite, second, SCARD_PROTOCOL_T1);
}

void header_length_says_where_the_command_begins(struct suite *suite)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00, 0x02, 0xAA, 0xBB};
    HANDLE reader = begin_with(suite, T1_CARD, SCARD_PROTOCOL_T1);
    struct io *io = transmit_frame(suite, reader, SCARD_PROTOCOL_T1, PCI_SIZE + 5, 5, command, sizeof(command), 16);

    expect_answer(suite, io, SCARD_PROTOCOL_T1, (const UCHAR *)"\xAA\xBB\x90\x00", 4);
}

/* The library lets it through; then there is no command to make a TPDU of. */
void header_alone_is_no_command_over_t0(struct suite *suite)
{
    HANDLE reader = begin_with(suite, T0_CARD, SCARD_PROTOCOL_T0), second = open_reader(suite);

    EXPECT_STATUS(suite, transmit_frame(suite, reader, SCARD_PROTOCOL_T0, PCI_SIZE, 0, NULL, 0, 0),
                  STATUS_INVALID_PARAMETER);
    EXPECT_LAST(suite, second, STATUS_INVALID_PARAMETER);
    expect_works(suite, second, SCARD_PROTOCOL_T0);
}

void output_of_nothing_is_too_small(struct suite *suite)
{
    HANDLE reader = begin_with(suite, T0_CARD, SCARD_PROTOCOL_T0), second = open_reader(suite);

    EXPECT_STATUS(
        suite, transmit_frame(suite, reader, SCARD_PROTOCOL_T0, PCI_SIZE, 0, short_command, sizeof(short_command), 0),
        STATUS_BUFFER_TOO_SMALL);
    EXPECT_LAST(suite, second, STATUS_BUFFER_TOO_SMALL);
    expect_works(suite, second, SCARD_PROTOCOL_T0);
}

/* 258 bytes come in two blocks, and both are received whether there is room or not: no RESYNCH is needed, which would
 * hide that the next exchange fits. */
void chained_answer_that_does_not_fit_leaves_the_link_in_step(struct suite *suite)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00, 0x00};
    static const DWORD rooms[] = {2, 100, 253, 254, 255, 257};
    HANDLE reader = begin_with(suite, T1_CARD, SCARD_PROTOCOL_T1), second = open_reader(suite);
    struct io *io = NULL;

    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        io = request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), rooms[i]);
        EXPECT_STATUS(suite, io, STATUS_BUFFER_TOO_SMALL);
        EXPECT_NUMBER(suite, io->returned, 0);
        EXPECT_LAST(suite, second, STATUS_BUFFER_TOO_SMALL);
        expect_works(suite, second, SCARD_PROTOCOL_T1);
    }
    io = request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 258);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, io->returned, PCI_SIZE + 258);
}

void every_output_length_below_the_reply_is_refused(struct suite *suite)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00, 0x02, 0xAA, 0xBB};
    HANDLE reader = begin_with(suite, T1_CARD, SCARD_PROTOCOL_T1), second = open_reader(suite);

    for (DWORD size = 0; size < PCI_SIZE + 4; size++) {
        struct io *io = transmit_frame(suite, reader, SCARD_PROTOCOL_T1, PCI_SIZE, 0, command, sizeof(command), size);

        EXPECT_STATUS(suite, io, STATUS_BUFFER_TOO_SMALL);
        EXPECT_NUMBER(suite, io->returned, 0);
    }
    EXPECT_LAST(suite, second, STATUS_BUFFER_TOO_SMALL);
    expect_works(suite, second, SCARD_PROTOCOL_T1);
}
