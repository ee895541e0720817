/* SPDX-License-Identifier: MIT */
/* Part E: its table; resets and power down in every state, and answers to reset of every length. */
#include "part_e.h"

#include <stdio.h>
#include <string.h>

#define ROW(name, source, needs) {#name, source, needs, name},

static const struct check checks[] = {
    /* clang-format off */
    PART_E_POWER(ROW)
    PART_E_CARD(ROW)
    PART_E_UNPLUG(ROW)
    /* clang-format on */
};

const struct part part_e = {'E', "power", checks, sizeof(checks) / sizeof(checks[0])};

static const UCHAR command[] = {0x00, 0x01, 0x00, 0x00, 0x02, 0xC5, 0x5C};

struct io *power(struct suite *suite, HANDLE handle, DWORD minor, DWORD out_size)
{
    return request(suite, handle, IOCTL_SMARTCARD_POWER, &minor, sizeof(minor), out_size);
}

void expect_t1_works(struct suite *suite, HANDLE reader)
{
    UCHAR answer[8];
    DWORD size = transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), answer, sizeof(answer));

    EXPECT_BYTES(suite, answer, size, "\xC5\x5C\x90\x00", 4);
}

/* ---- any card ---------------------------------------------------------------------------------------------------- */

static void expect_an_answer(struct suite *suite, DWORD kind)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    struct io *io = power(suite, reader, kind, SCARD_ATR_LENGTH);
    ULONG state = SCARD_UNKNOWN;

    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_LAST(suite, second, STATUS_SUCCESS);
    EXPECT(suite, io->returned >= 2 && io->returned <= 33);
    EXPECT(suite, io->out[0] == 0x3B || io->out[0] == 0x3F);
    state = reader_state(suite, second);
    EXPECT(suite, state == SCARD_NEGOTIABLE || state == SCARD_SPECIFIC);
}

void any_card_answers_a_cold_reset_with_2_to_33_bytes(struct suite *suite)
{
    expect_an_answer(suite, SCARD_COLD_RESET);
}

void any_card_answers_a_warm_reset_with_2_to_33_bytes(struct suite *suite)
{
    power_up(suite, open_reader(suite), SCARD_COLD_RESET, NULL);
    expect_an_answer(suite, SCARD_WARM_RESET);
}

void any_card_is_down_and_up_again(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    UCHAR first[33], again[33];
    DWORD size = power_up(suite, reader, SCARD_COLD_RESET, first);

    for (int i = 0; i < 5; i++) {
        EXPECT_STATUS(suite, power(suite, reader, SCARD_POWER_DOWN, 0), STATUS_SUCCESS);
        EXPECT(suite, reader_state(suite, reader) <= SCARD_SWALLOWED);
        EXPECT_BYTES(suite, again, power_up(suite, reader, SCARD_COLD_RESET, again), first, size);
    }
}

void atr_attribute_is_the_answer_to_reset(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    UCHAR atr[33], told[33];
    DWORD size = power_up(suite, reader, SCARD_COLD_RESET, atr);

    EXPECT_BYTES(suite, told, attribute(suite, reader, SCARD_ATTR_ATR_STRING, told, sizeof(told)), atr, size);
}

void output_of_32_bytes_is_too_small_for_a_reset(struct suite *suite)
{
    static const DWORD sizes[] = {0, 2, 32};
    HANDLE reader = open_reader(suite), second = open_reader(suite);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (DWORD kind = SCARD_COLD_RESET; kind <= SCARD_WARM_RESET; kind++) {
            struct io *io = power(suite, reader, kind, sizes[i]);

            EXPECT_STATUS(suite, io, STATUS_BUFFER_TOO_SMALL);
            EXPECT_NUMBER(suite, io->returned, 0);
            EXPECT_LAST(suite, second, STATUS_BUFFER_TOO_SMALL);
        }
    }
}

void output_of_33_bytes_is_enough_for_a_reset(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    EXPECT_STATUS(suite, power(suite, reader, SCARD_COLD_RESET, 33), STATUS_SUCCESS);
    EXPECT_STATUS(suite, power(suite, reader, SCARD_WARM_RESET, 300), STATUS_SUCCESS);
}

void power_down_needs_no_output(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *io = NULL;

    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    io = power(suite, reader, SCARD_POWER_DOWN, 0);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, io->returned, 0);
    EXPECT_LAST(suite, reader, STATUS_SUCCESS);
}

/* The card is forgotten before the output's length is looked at; nothing was done to the card itself. */
void refused_reset_forgets_the_card_and_keeps_the_state(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    UCHAR atr[33];
    DWORD selected = 99;
    ULONG state = SCARD_UNKNOWN;

    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    state = reader_state(suite, reader);
    EXPECT_STATUS(suite, power(suite, reader, SCARD_COLD_RESET, 32), STATUS_BUFFER_TOO_SMALL);
    EXPECT_NUMBER(suite, reader_state(suite, reader), state);
    EXPECT_NUMBER(suite, attribute(suite, reader, SCARD_ATTR_ATR_STRING, atr, sizeof(atr)), 0);
    attribute(suite, reader, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof(selected));
    EXPECT_NUMBER(suite, selected, SCARD_PROTOCOL_UNDEFINED);
}

void minor_code_above_2_is_refused(struct suite *suite)
{
    static const DWORD minors[] = {3, 4, 0x7FFFFFFF, 0x80000001, 0xFFFFFFFF};
    HANDLE reader = open_reader(suite), second = open_reader(suite);

    for (size_t i = 0; i < sizeof(minors) / sizeof(minors[0]); i++) {
        struct io *io = power(suite, reader, minors[i], SCARD_ATR_LENGTH);

        EXPECT_STATUS(suite, io, STATUS_INVALID_DEVICE_REQUEST);
        EXPECT_NUMBER(suite, io->returned, 0);
        EXPECT_LAST(suite, second, STATUS_INVALID_DEVICE_REQUEST);
    }
}

/* ---- short input: the minor code of the request before stays in force -------------------------------------------- */

void input_below_4_bytes_repeats_the_reset_before(struct suite *suite)
{
    static const DWORD other = SCARD_POWER_DOWN; /* what its first bytes say must not matter */
    HANDLE reader = open_reader(suite);
    UCHAR atr[33];
    DWORD size = power_up(suite, reader, SCARD_COLD_RESET, atr);

    for (DWORD length = 0; length < 4; length++) {
        struct io *io = request(suite, reader, IOCTL_SMARTCARD_POWER, &other, length, SCARD_ATR_LENGTH);

        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        EXPECT_BYTES(suite, io->out, io->returned, atr, size);
    }
}

void input_below_4_bytes_repeats_the_power_down_before(struct suite *suite)
{
    static const DWORD other = SCARD_COLD_RESET;
    HANDLE reader = open_reader(suite);

    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    EXPECT_STATUS(suite, power(suite, reader, SCARD_POWER_DOWN, 0), STATUS_SUCCESS);
    for (DWORD length = 0; length < 4; length++) {
        struct io *io = request(suite, reader, IOCTL_SMARTCARD_POWER, &other, length, SCARD_ATR_LENGTH);

        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        EXPECT_NUMBER(suite, io->returned, 0);
        EXPECT(suite, reader_state(suite, reader) <= SCARD_SWALLOWED);
    }
}

/* An attribute's tag is a minor code as well. */
void input_below_4_bytes_takes_another_requests_minor_code(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    DWORD clock = 0;

    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    attribute(suite, reader, SCARD_ATTR_DEFAULT_CLK, &clock, sizeof(clock));
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_POWER, NULL, 0, SCARD_ATR_LENGTH),
                  STATUS_INVALID_DEVICE_REQUEST);
}

/* ---- states ------------------------------------------------------------------------------------------------------ */

void reset_forgets_the_protocol(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    ULONG state = SCARD_UNKNOWN;

    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    state = reader_state(suite, reader);
    if (state == SCARD_SPECIFIC)
        skip(suite, "the card's answer to reset selects the protocol");
    for (DWORD kind = SCARD_COLD_RESET; kind <= SCARD_WARM_RESET; kind++) {
        DWORD protocol = set_protocol(suite, reader, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1);

        power_up(suite, reader, kind, NULL);
        EXPECT_NUMBER(suite, reader_state(suite, reader), state);
        EXPECT_STATUS(suite, request_transmit(suite, reader, protocol, command, sizeof(command), 258),
                      STATUS_INVALID_DEVICE_STATE);
    }
}

static void expect_refused(struct suite *suite, DWORD minor)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    struct io *io = power(suite, reader, minor, SCARD_ATR_LENGTH);

    EXPECT_STATUS(suite, io, STATUS_INVALID_DEVICE_STATE);
    EXPECT_NUMBER(suite, io->returned, 0);
    EXPECT_LAST(suite, second, STATUS_INVALID_DEVICE_STATE);
    EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_ABSENT);
}

void cold_reset_without_a_card_is_refused(struct suite *suite)
{
    expect_refused(suite, SCARD_COLD_RESET);
}

void warm_reset_without_a_card_is_refused(struct suite *suite)
{
    expect_refused(suite, SCARD_WARM_RESET);
}

void power_down_without_a_card_is_refused(struct suite *suite)
{
    expect_refused(suite, SCARD_POWER_DOWN);
}

/* A card with two protocols is brought to a state; this minor code leads to PRESENT, or with its answer to NEGOTIABLE. */
static void step_from(struct suite *suite, ULONG state, DWORD minor)
{
    static const UCHAR answer[] = {0x3B, 0x80, 0x80, 0x31, 0xFE, 0x05, 0xCA};
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    struct io *io = NULL;

    card_in(suite, E_BOTH_CARD);
    if (state >= SCARD_NEGOTIABLE)
        power_up(suite, reader, SCARD_COLD_RESET, NULL);
    if (state == SCARD_SPECIFIC)
        set_protocol(suite, reader, SCARD_PROTOCOL_T1);
    EXPECT_NUMBER(suite, reader_state(suite, reader), state);

    io = power(suite, reader, minor, SCARD_ATR_LENGTH);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_LAST(suite, second, STATUS_SUCCESS);
    if (minor == SCARD_POWER_DOWN) {
        EXPECT_NUMBER(suite, io->returned, 0);
        EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_PRESENT);
    } else {
        EXPECT_BYTES(suite, io->out, io->returned, answer, sizeof(answer));
        EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_NEGOTIABLE);
    }
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    set_protocol(suite, reader, SCARD_PROTOCOL_T1);
    expect_t1_works(suite, reader);
}

#define STEP(name, state, minor)                                                                                       \
    void name(struct suite *suite)                                                                                     \
    {                                                                                                                  \
        step_from(suite, state, minor);                                                                                \
    }                                                                                                                  \
    struct suite

STEP(cold_reset_of_a_present_card, SCARD_PRESENT, SCARD_COLD_RESET);
STEP(warm_reset_of_a_present_card_is_a_cold_one, SCARD_PRESENT, SCARD_WARM_RESET);
STEP(power_down_of_a_present_card, SCARD_PRESENT, SCARD_POWER_DOWN);
STEP(cold_reset_in_negotiable_mode, SCARD_NEGOTIABLE, SCARD_COLD_RESET);
STEP(warm_reset_in_negotiable_mode, SCARD_NEGOTIABLE, SCARD_WARM_RESET);
STEP(power_down_in_negotiable_mode, SCARD_NEGOTIABLE, SCARD_POWER_DOWN);
STEP(cold_reset_with_a_protocol_selected, SCARD_SPECIFIC, SCARD_COLD_RESET);
STEP(warm_reset_with_a_protocol_selected, SCARD_SPECIFIC, SCARD_WARM_RESET);
STEP(power_down_with_a_protocol_selected, SCARD_SPECIFIC, SCARD_POWER_DOWN);

void reset_to_a_protocol_of_its_own_is_specific_at_once(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    DWORD selected = 0;

    card_in(suite, E_T1_CARD);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_SPECIFIC);
    attribute(suite, reader, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof(selected));
    EXPECT_NUMBER(suite, selected, SCARD_PROTOCOL_T1);
    expect_t1_works(suite, reader);
}

/* A character comes 0.7 s late, and may: 9600 etu are 0.89 s. */
void state_is_powered_while_the_answer_comes(struct suite *suite)
{
    static const DWORD cold = SCARD_COLD_RESET;
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    struct io *io = NULL;

    card_in(suite, E_BOTH_CARD);
    fault(suite, "delay byte=3 ms=700 on=atr");
    io = start(suite, reader, IOCTL_SMARTCARD_POWER, &cold, sizeof(cold), SCARD_ATR_LENGTH);
    EXPECT(suite, !ends_within(suite, io, 150));
    EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_POWERED);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_NEGOTIABLE);
}

/* ---- answers to reset -------------------------------------------------------------------------------------------- */

static void expect_this_answer(struct suite *suite, const char *hex, const char *bytes, DWORD size)
{
    HANDLE reader = open_reader(suite);
    UCHAR atr[33];
    char card[100];

    snprintf(card, sizeof(card), "echo atr=%s", hex);
    card_in(suite, card);
    EXPECT_BYTES(suite, atr, power_up(suite, reader, SCARD_COLD_RESET, atr), bytes, size);
    EXPECT_BYTES(suite, atr, attribute(suite, reader, SCARD_ATTR_ATR_STRING, atr, sizeof(atr)), bytes, size);
}

void answer_to_reset_of_2_bytes(struct suite *suite)
{
    expect_this_answer(suite, "3B00", "\x3B\x00", 2);
}

void answer_to_reset_of_32_bytes(struct suite *suite)
{
    expect_this_answer(suite, "3BFE110000E00001F1FE0500F1FE0500014142434445464748494A4B4C4D4E00",
                       "\x3B\xFE\x11\x00\x00\xE0\x00\x01\xF1\xFE\x05\x00\xF1\xFE\x05\x00\x01"
                       "ABCDEFGHIJKLMN\x00",
                       32);
}

void answer_to_reset_of_33_bytes(struct suite *suite)
{
    expect_this_answer(suite, "3BFF110000E00001F1FE0500F1FE0500014142434445464748494A4B4C4D4E4F4E",
                       "\x3B\xFF\x11\x00\x00\xE0\x00\x01\xF1\xFE\x05\x00\xF1\xFE\x05\x00\x01"
                       "ABCDEFGHIJKLMNON",
                       33);
}

void answer_to_reset_with_0_to_15_historical_bytes(struct suite *suite)
{
    static const char digits[] = "0123456789ABCDEF", text[] = "ABCDEFGHIJKLMNO";

    for (DWORD count = 0; count <= 15; count++) {
        char hex[2 * 17 + 1] = "3B0", bytes[17] = {0x3B, (char)count};

        hex[3] = digits[count];
        for (DWORD i = 0; i < count; i++) {
            hex[4 + 2 * i] = '4';
            hex[5 + 2 * i] = digits[1 + i];
        }
        hex[4 + 2 * count] = '\0';
        memcpy(bytes + 2, text, count);
        expect_this_answer(suite, hex, bytes, 2 + count);
        card_out(suite);
    }
}

/* What arrives on a line that is read directly is 03..., and what the caller gets is 3F... */
void answer_to_reset_in_the_inverse_convention(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    expect_this_answer(suite, "3F808031FE05CA", "\x3F\x80\x80\x31\xFE\x05\xCA", 7);
    set_protocol(suite, reader, SCARD_PROTOCOL_T1);
    expect_t1_works(suite, reader);
}

void warm_reset_may_be_answered_otherwise(struct suite *suite)
{
    static const UCHAR cold[] = {0x3B, 0x82, 0x80, 0x31, 0xFE, 0x05, 0x68, 0x69, 0xC9};
    static const UCHAR warm[] = {0x3B, 0x82, 0x80, 0x31, 0xFE, 0x05, 0x77, 0x6D, 0xD2};
    HANDLE reader = open_reader(suite);
    UCHAR atr[33];

    card_in(suite, "echo atr=3B828031FE056869C9 warm=3B828031FE05776DD2");
    EXPECT_BYTES(suite, atr, power_up(suite, reader, SCARD_COLD_RESET, atr), cold, sizeof(cold));
    EXPECT_BYTES(suite, atr, power_up(suite, reader, SCARD_WARM_RESET, atr), warm, sizeof(warm));
    EXPECT_BYTES(suite, atr, attribute(suite, reader, SCARD_ATTR_ATR_STRING, atr, sizeof(atr)), warm, sizeof(warm));
    EXPECT_BYTES(suite, atr, power_up(suite, reader, SCARD_COLD_RESET, atr), cold, sizeof(cold));
}
