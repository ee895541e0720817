/* SPDX-License-Identifier: MIT */
/*
 * T=0, one TPDU at a time, as the library has it: no GET RESPONSE, no repetition with another Le, no case 4; and raw
 * exchanges, which know no protocol. The card is `echo`: what comes with a command goes back by GET RESPONSE.
 */
#include "part_d.h"

#include <string.h>

#define T0 .card = T0_CARD, .protocol = SCARD_PROTOCOL_T0

/* ---- cases ------------------------------------------------------------------------------------------------------- */

EXCHANGE(t0_case_1, T0, .command = "00 01 00 00", .answer = "90 00");
EXCHANGE(t0_case_1_with_p3_00, T0, .command = "00 01 00 00 00", .answer = "90 00");
EXCHANGE(t0_case_2_le_1, T0, .command = "00 B0 00 00 01", .answer = "00 90 00");

void t0_case_2_p3_00_is_256_bytes(struct suite *suite)
{
    static const UCHAR command[] = {0x00, 0xB0, 0x00, 0x00, 0x00};
    HANDLE reader = begin_with(suite, T0_CARD, SCARD_PROTOCOL_T0);
    UCHAR answer[258];

    for (unsigned i = 0; i < 256; i++)
        answer[i] = (UCHAR)i;
    memcpy(answer + 256, "\x90\x00", 2);
    expect_answer(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T0, command, sizeof(command), sizeof(answer)),
                  SCARD_PROTOCOL_T0, answer, sizeof(answer));
}

/* lc bytes to the card, 61XX, and the same bytes back. */
static void there_and_back(struct suite *suite, UCHAR lc)
{
    const UCHAR more[] = {0x61, lc}, get_response[] = {0x00, 0xC0, 0x00, 0x00, lc};
    HANDLE reader = begin_with(suite, T0_CARD, SCARD_PROTOCOL_T0);
    UCHAR command[5 + 255] = {0x00, ECHO_INS, 0x00, 0x00, lc}, answer[255 + 2];

    for (unsigned i = 0; i < lc; i++)
        command[5 + i] = answer[i] = (UCHAR)(0xAA ^ i);
    memcpy(answer + lc, "\x90\x00", 2);
    expect_answer(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T0, command, 5u + lc, 2), SCARD_PROTOCOL_T0,
                  more, sizeof(more));
    expect_answer(suite,
                  request_transmit(suite, reader, SCARD_PROTOCOL_T0, get_response, sizeof(get_response), 2u + lc),
                  SCARD_PROTOCOL_T0, answer, 2u + lc);
}

void t0_case_3_lc_1_then_get_response(struct suite *suite)
{
    there_and_back(suite, 1);
}

void t0_case_3_lc_255_then_get_response(struct suite *suite)
{
    there_and_back(suite, 255);
}

EXCHANGE(t0_case_4_is_refused, T0, .command = "00 01 00 00 02 AA BB 00", .status = STATUS_INVALID_PARAMETER);
EXCHANGE(t0_p3_below_the_data_is_refused, T0, .command = "00 01 00 00 01 AA BB", .status = STATUS_INVALID_PARAMETER);
EXCHANGE(t0_p3_above_the_data_is_refused, T0, .command = "00 01 00 00 03 AA BB", .status = STATUS_INVALID_PARAMETER);
EXCHANGE(t0_command_of_three_bytes_is_refused, T0, .command = "00 01 00", .status = STATUS_INVALID_PARAMETER);
EXCHANGE(t0_cla_ff_is_refused, T0, .command = "FF 01 00 00 00", .status = STATUS_INVALID_PARAMETER);

/* The card has two bytes, and is asked for four: 6C02, and nobody asks again but the caller. */
void t0_6cxx_comes_through(struct suite *suite)
{
    static const UCHAR four[] = {0x00, 0xB0, 0x00, 0x00, 0x04}, two[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    HANDLE reader =
        begin_with(suite, "script atr=3B804001\nmatch\n> 00 B0 00 00 ??\n< 01 02 90 00\n", SCARD_PROTOCOL_T0);
    UCHAR answer[8];
    DWORD size = transmit(suite, reader, SCARD_PROTOCOL_T0, four, sizeof(four), answer, sizeof(answer));

    EXPECT_BYTES(suite, answer, size, "\x6C\x02", 2);
    size = transmit(suite, reader, SCARD_PROTOCOL_T0, two, sizeof(two), answer, sizeof(answer));
    EXPECT_BYTES(suite, answer, size, "\x01\x02\x90\x00", 4);
}

void t0_61xx_comes_through_and_get_response_fetches_in_parts(struct suite *suite)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00, 0x03, 0x11, 0x22, 0x33};
    static const UCHAR get_two[] = {0x00, 0xC0, 0x00, 0x00, 0x02}, get_one[] = {0x00, 0xC0, 0x00, 0x00, 0x01};
    HANDLE reader = begin_with(suite, T0_CARD, SCARD_PROTOCOL_T0);
    UCHAR answer[8];
    DWORD size = transmit(suite, reader, SCARD_PROTOCOL_T0, command, sizeof(command), answer, sizeof(answer));

    EXPECT_BYTES(suite, answer, size, "\x61\x03", 2);
    size = transmit(suite, reader, SCARD_PROTOCOL_T0, get_two, sizeof(get_two), answer, sizeof(answer));
    EXPECT_BYTES(suite, answer, size, "\x11\x22\x61\x01", 4);
    size = transmit(suite, reader, SCARD_PROTOCOL_T0, get_one, sizeof(get_one), answer, sizeof(answer));
    EXPECT_BYTES(suite, answer, size, "\x33\x90\x00", 3);
}

/* The header counts: 600 bytes of input do not fit in 600; one byte less does, and is no command. */
void t0_longer_than_the_buffer_overflows(struct suite *suite)
{
    HANDLE reader = begin_with(suite, T0_CARD, SCARD_PROTOCOL_T0), second = open_reader(suite);
    UCHAR command[BUFFER_OF_VREADER - PCI_SIZE] = {0x00, ECHO_INS, 0x00, 0x00, 0xFF};

    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T0, command, sizeof(command), 8),
                  STATUS_BUFFER_OVERFLOW);
    EXPECT_LAST(suite, second, STATUS_BUFFER_OVERFLOW);
    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T0, command, sizeof(command) - 1, 8),
                  STATUS_INVALID_PARAMETER);
    expect_works(suite, second, SCARD_PROTOCOL_T0);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

EXCHANGE(t0_null_wins_time, T0, .fault = "extra hex=6060606060606060 byte=0", .command = "00 B0 00 00 01",
         .answer = "00 90 00");
EXCHANGE(t0_slow_card_takes_its_time, .card = T0_CARD " delay=300", .protocol = SCARD_PROTOCOL_T0,
         .command = "00 B0 00 00 01", .answer = "00 90 00");

void t0_null_without_end_can_be_cancelled(struct suite *suite)
{
    static const UCHAR command[] = {0x00, 0xB0, 0x00, 0x00, 0x01};
    HANDLE reader = begin_with(suite, T0_CARD, SCARD_PROTOCOL_T0), second = open_reader(suite);
    struct io *io = NULL;

    fault(suite, "wtx");
    io = start_transmit(suite, reader, SCARD_PROTOCOL_T0, command, sizeof(command), 8);
    EXPECT(suite, !ends_within(suite, io, 300));
    EXPECT(suite, CancelIoEx(reader, &io->overlapped));
    EXPECT_STATUS(suite, io, STATUS_CANCELLED);
    EXPECT_LAST(suite, second, STATUS_CANCELLED);
    expect_works(suite, second, SCARD_PROTOCOL_T0);
}

EXCHANGE(t0_mute_card_times_out, T0, .fault = "mute", .command = "00 B0 00 00 01", .status = STATUS_IO_TIMEOUT);
EXCHANGE(t0_answer_that_breaks_off_times_out, T0, .fault = "cut byte=2", .command = "00 B0 00 00 02",
         .status = STATUS_IO_TIMEOUT);

/* ---- characters -------------------------------------------------------------------------------------------------- */

EXCHANGE(t0_wrong_character_from_the_card_is_repeated_three_times, T0, .fault = "parity byte=1 to=reader count=3",
         .command = "00 B0 00 00 01", .answer = "00 90 00");
EXCHANGE(t0_wrong_character_to_the_card_is_repeated_three_times, T0, .fault = "parity byte=1 to=card count=3",
         .command = "00 B0 00 00 01", .answer = "00 90 00");
EXCHANGE(t0_character_that_stays_wrong_is_a_protocol_error, T0, .fault = "parity byte=1 to=reader count=4",
         .command = "00 B0 00 00 01", .status = STATUS_DEVICE_PROTOCOL_ERROR);
EXCHANGE(t0_procedure_byte_that_is_none_is_a_protocol_error, T0, .fault = "alter byte=0 value=00",
         .command = "00 B0 00 00 01", .status = STATUS_DEVICE_PROTOCOL_ERROR);
EXCHANGE(t0_card_that_leaves_during_the_exchange_is_no_media, T0, .fault = "remove when=during byte=6",
         .command = "00 B0 00 00 01", .status = STATUS_NO_MEDIA, .after = GONE);

/* ---- raw --------------------------------------------------------------------------------------------------------- */

static HANDLE begin_raw(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    card_in(suite, BOTH_CARD);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    EXPECT_NUMBER(suite, set_protocol(suite, reader, SCARD_PROTOCOL_RAW), SCARD_PROTOCOL_RAW);
    return reader;
}

static const UCHAR raw_command[] = {0x00, ECHO_INS, 0x00, 0x00, 0x03, 0x11, 0x22, 0x33, 0x00};
static const UCHAR raw_answer[] = {0x11, 0x22, 0x33, 0x90, 0x00};

void raw_passes_commands_and_answers_without_a_header(struct suite *suite)
{
    HANDLE reader = begin_raw(suite);
    struct io *io = request_transmit(suite, reader, SCARD_PROTOCOL_RAW, raw_command, sizeof(raw_command), 100);

    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_BYTES(suite, io->out, io->returned, raw_answer, sizeof(raw_answer));
}

static struct io *raw_with_output(struct suite *suite, HANDLE reader, DWORD out_size)
{
    UCHAR input[PCI_SIZE + sizeof(raw_command)];
    const SCARD_IO_REQUEST header = {SCARD_PROTOCOL_RAW, PCI_SIZE};

    memcpy(input, &header, sizeof(header));
    memcpy(input + PCI_SIZE, raw_command, sizeof(raw_command));
    return request(suite, reader, IOCTL_SMARTCARD_TRANSMIT, input, sizeof(input), out_size);
}

void raw_output_exactly_as_long_as_the_answer_is_enough(struct suite *suite)
{
    HANDLE reader = begin_raw(suite), second = open_reader(suite);
    struct io *io = raw_with_output(suite, reader, sizeof(raw_answer) - 1);

    EXPECT_STATUS(suite, io, STATUS_BUFFER_TOO_SMALL);
    EXPECT_LAST(suite, second, STATUS_BUFFER_TOO_SMALL);
    io = raw_with_output(suite, reader, sizeof(raw_answer));
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_BYTES(suite, io->out, io->returned, raw_answer, sizeof(raw_answer));
}

void raw_longer_than_the_buffer_is_too_small(struct suite *suite)
{
    HANDLE reader = begin_raw(suite), second = open_reader(suite);
    UCHAR command[BUFFER_OF_VREADER - PCI_SIZE] = {0x00, ECHO_INS, 0x00, 0x00, 0x00, 0x02, 0x49};
    struct io *io = NULL;

    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_RAW, command, sizeof(command), 600),
                  STATUS_BUFFER_TOO_SMALL);
    EXPECT_LAST(suite, second, STATUS_BUFFER_TOO_SMALL);
    /* One byte less is a command with 584 bytes of data and no Le, and they come back. */
    command[6] = 0x48;
    io = request_transmit(suite, reader, SCARD_PROTOCOL_RAW, command, sizeof(command) - 1, 600);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, io->returned, 584 + 2);
}
