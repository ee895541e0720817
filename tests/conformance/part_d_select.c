/* SPDX-License-Identifier: MIT */
/*
 * SET_PROTOCOL: which protocol and which rate a card gets, what is refused, and what the attributes say afterwards. The
 * rate on the line is not the interface's to tell: it is what the virtual reader's panel says of the card.
 */
#include "part_d.h"

#include <string.h>

static struct io *select_protocol(struct suite *suite, HANDLE reader, DWORD mask, DWORD out_size)
{
    return request(suite, reader, IOCTL_SMARTCARD_SET_PROTOCOL, &mask, sizeof(mask), out_size);
}

/* ---- what comes of it -------------------------------------------------------------------------------------------- */

struct choice {
    const char *card;
    const char *fault; /* armed after the reset; NULL: none */
    DWORD mask;
    DWORD selected;
    const char *line; /* of the panel */
};

static void run_choice(struct suite *suite, const struct choice *choice)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    struct io *io = NULL;
    DWORD selected = 0;

    card_in(suite, choice->card);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_NEGOTIABLE);
    if (choice->fault != NULL)
        fault(suite, choice->fault);
    io = select_protocol(suite, reader, choice->mask, sizeof(selected));
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_LAST(suite, second, STATUS_SUCCESS);
    EXPECT_BYTES(suite, io->out, io->returned, &choice->selected, sizeof(choice->selected));
    EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_SPECIFIC);
    attribute(suite, second, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof(selected));
    EXPECT_NUMBER(suite, selected, choice->selected);
    EXPECT(suite, panel_says(suite, second, choice->line));
    if (choice->selected != SCARD_PROTOCOL_RAW)
        expect_works(suite, second, choice->selected);
}

#define CHOICE(name, ...)                                                                                              \
    void name(struct suite *suite)                                                                                     \
    {                                                                                                                  \
        static const struct choice row = {__VA_ARGS__};                                                                \
                                                                                                                       \
        run_choice(suite, &row);                                                                                       \
    }                                                                                                                  \
    struct choice

CHOICE(t0_or_t1_is_t1, BOTH_CARD, NULL, T0_AND_T1, SCARD_PROTOCOL_T1, "protocol=T=1 rate=372/1 ");
CHOICE(t0_of_a_card_with_both, BOTH_CARD, NULL, SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T0, "protocol=T=0 rate=372/1 ");
CHOICE(t1_of_a_card_with_both, BOTH_CARD, NULL, SCARD_PROTOCOL_T1, SCARD_PROTOCOL_T1, "protocol=T=1 rate=372/1 ");
CHOICE(t0_or_t1_of_a_card_with_t0_alone, "echo atr=3B1095", NULL, T0_AND_T1, SCARD_PROTOCOL_T0,
       "protocol=T=0 rate=512/16 ");
CHOICE(t0_or_t1_of_a_card_with_t1_alone, "echo atr=3B90968131FE054D", NULL, T0_AND_T1, SCARD_PROTOCOL_T1,
       "protocol=T=1 rate=512/32 ");
CHOICE(raw_passes_with_any_card, BOTH_CARD, NULL, SCARD_PROTOCOL_RAW, SCARD_PROTOCOL_RAW, "protocol=raw");
CHOICE(default_rate_can_be_asked_for, BOTH_512_16, NULL, SCARD_PROTOCOL_T1 | SCARD_PROTOCOL_DEFAULT, SCARD_PROTOCOL_T1,
       "protocol=T=1 rate=372/1 ");
CHOICE(pps_agrees_on_the_best_rate, BOTH_512_16, NULL, SCARD_PROTOCOL_T1, SCARD_PROTOCOL_T1,
       "protocol=T=1 rate=512/16 ");
CHOICE(card_that_refuses_a_rate_gets_a_slower_one, "echo fastest=512/32 atr=3B90978031FE054D", NULL, SCARD_PROTOCOL_T1,
       SCARD_PROTOCOL_T1, "protocol=T=1 rate=512/32 ");
CHOICE(card_that_refuses_every_rate_gets_the_default_one, BOTH_512_16 " pps=default", NULL, SCARD_PROTOCOL_T1,
       SCARD_PROTOCOL_T1, "protocol=T=1 rate=372/1 ");
/* Two requests cost 9600 etu each (9); then nothing needs to be agreed on. */
CHOICE(card_that_is_mute_to_pps_keeps_its_first_protocol, BOTH_512_16 " pps=mute", NULL, SCARD_PROTOCOL_T0,
       SCARD_PROTOCOL_T0, "protocol=T=0 rate=372/1 ");

/* ---- what fails -------------------------------------------------------------------------------------------------- */

struct refusal {
    const char *card;
    const char *fault; /* armed after the reset; NULL: none */
    DWORD mask;
    NTSTATUS status;
};

/* It ends so, no protocol is selected, and nothing can be transmitted until one is. */
static void run_refusal(struct suite *suite, const struct refusal *refusal)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00};
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    struct io *io = NULL;
    DWORD selected = 99;

    card_in(suite, refusal->card);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    if (refusal->fault != NULL)
        fault(suite, refusal->fault);
    io = select_protocol(suite, reader, refusal->mask, 4);
    EXPECT_STATUS(suite, io, refusal->status);
    EXPECT_NUMBER(suite, io->returned, 0);
    EXPECT_LAST(suite, second, refusal->status);
    EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_NEGOTIABLE);
    attribute(suite, second, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof(selected));
    EXPECT_NUMBER(suite, selected, SCARD_PROTOCOL_UNDEFINED);
    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8),
                  STATUS_INVALID_DEVICE_STATE);
    fault(suite, "none");
    EXPECT_NUMBER(suite, set_protocol(suite, reader, SCARD_PROTOCOL_T0), SCARD_PROTOCOL_T0);
    expect_works(suite, second, SCARD_PROTOCOL_T0);
}

#define REFUSAL(name, ...)                                                                                             \
    void name(struct suite *suite)                                                                                     \
    {                                                                                                                  \
        static const struct refusal row = {__VA_ARGS__};                                                               \
                                                                                                                       \
        run_refusal(suite, &row);                                                                                      \
    }                                                                                                                  \
    struct refusal

REFUSAL(protocol_that_the_card_has_not_is_not_supported, "echo atr=3B1095", NULL, SCARD_PROTOCOL_T1,
        STATUS_NOT_SUPPORTED);
REFUSAL(optimal_alone_is_not_supported, BOTH_512_16, NULL, SCARD_PROTOCOL_OPTIMAL, STATUS_NOT_SUPPORTED);
REFUSAL(default_alone_is_not_supported, BOTH_512_16, NULL, SCARD_PROTOCOL_DEFAULT, STATUS_NOT_SUPPORTED);
REFUSAL(unknown_protocol_bits_are_not_supported, BOTH_512_16, NULL, 0x0000FF00, STATUS_NOT_SUPPORTED);
REFUSAL(card_that_is_mute_to_pps_has_no_other_protocol, BOTH_512_16 " pps=mute", NULL,
        SCARD_PROTOCOL_T1 | SCARD_PROTOCOL_DEFAULT, STATUS_IO_TIMEOUT);
REFUSAL(wrong_pps_responses_are_a_protocol_error, BOTH_512_16, "edc byte=0 on=pps count=0", SCARD_PROTOCOL_T1,
        STATUS_DEVICE_PROTOCOL_ERROR);

/* A card that has T=0 selected by its answer to reset. */
void refused_protocol_takes_the_selected_one_away(struct suite *suite)
{
    HANDLE reader = begin_with(suite, T0_CARD, SCARD_PROTOCOL_T0), second = open_reader(suite);
    DWORD selected = 99;

    expect_works(suite, reader, SCARD_PROTOCOL_T0);
    EXPECT_STATUS(suite, select_protocol(suite, reader, SCARD_PROTOCOL_T1, 4), STATUS_NOT_SUPPORTED);
    EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_NEGOTIABLE);
    attribute(suite, second, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof(selected));
    EXPECT_NUMBER(suite, selected, SCARD_PROTOCOL_UNDEFINED);
    EXPECT_NUMBER(suite, set_protocol(suite, reader, SCARD_PROTOCOL_T0), SCARD_PROTOCOL_T0);
    expect_works(suite, second, SCARD_PROTOCOL_T0);
}

void protocol_cannot_be_selected_without_a_card(struct suite *suite)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);

    EXPECT_STATUS(suite, select_protocol(suite, reader, T0_AND_T1, 4), STATUS_INVALID_DEVICE_STATE);
    EXPECT_LAST(suite, second, STATUS_INVALID_DEVICE_STATE);
    EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_ABSENT);
}

/* The library lets it through to see what the card offers (3.5), and without power nothing is known of that. */
void protocol_cannot_be_selected_without_power(struct suite *suite)
{
    static const DWORD down = SCARD_POWER_DOWN;
    HANDLE reader = open_reader(suite), second = open_reader(suite);

    card_in(suite, BOTH_CARD);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_POWER, &down, sizeof(down), 0), STATUS_SUCCESS);
    EXPECT_STATUS(suite, select_protocol(suite, reader, T0_AND_T1, 4), STATUS_NOT_SUPPORTED);
    EXPECT_LAST(suite, second, STATUS_NOT_SUPPORTED);
}

void output_below_4_is_too_small_for_the_protocol(struct suite *suite)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);

    card_in(suite, BOTH_CARD);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    for (DWORD size = 0; size < 4; size++) {
        struct io *io = select_protocol(suite, reader, SCARD_PROTOCOL_T1, size);

        EXPECT_STATUS(suite, io, STATUS_BUFFER_TOO_SMALL);
        EXPECT_NUMBER(suite, io->returned, 0);
        EXPECT_LAST(suite, second, STATUS_BUFFER_TOO_SMALL);
        EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_NEGOTIABLE);
    }
}

/* ---- what is selected already ------------------------------------------------------------------------------------ */

void card_in_specific_mode_needs_no_selection(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    DWORD selected = 0;

    card_in(suite, "echo atr=3B9095908131FE05DE"); /* TA2 81: T=1, and the mode cannot change */
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_SPECIFIC);
    attribute(suite, reader, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof(selected));
    EXPECT_NUMBER(suite, selected, SCARD_PROTOCOL_T1);
    EXPECT(suite, panel_says(suite, reader, "rate=512/16 "));
    expect_works(suite, reader, SCARD_PROTOCOL_T1);
}

void selected_protocol_again_writes_nothing(struct suite *suite)
{
    HANDLE reader = begin_with(suite, BOTH_CARD, SCARD_PROTOCOL_T1), second = open_reader(suite);
    struct io *io = select_protocol(suite, reader, T0_AND_T1, 4);

    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, io->returned, 0);
    EXPECT_LAST(suite, second, STATUS_SUCCESS);
    expect_works(suite, second, SCARD_PROTOCOL_T1);
}

void protocols_can_be_changed_any_number_of_times(struct suite *suite)
{
    HANDLE reader = begin_with(suite, BOTH_512_16, SCARD_PROTOCOL_T1);

    for (int i = 0; i < 5; i++) {
        expect_works(suite, reader, SCARD_PROTOCOL_T1);
        EXPECT_NUMBER(suite, set_protocol(suite, reader, SCARD_PROTOCOL_T0), SCARD_PROTOCOL_T0);
        expect_works(suite, reader, SCARD_PROTOCOL_T0);
        EXPECT_NUMBER(suite, set_protocol(suite, reader, SCARD_PROTOCOL_T1), SCARD_PROTOCOL_T1);
    }
}

/* ---- attributes -------------------------------------------------------------------------------------------------- */

struct value {
    DWORD tag, value;
};

static void expect_values(struct suite *suite, HANDLE reader, const struct value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        DWORD got = 0xDEAD;

        EXPECT_NUMBER(suite, attribute(suite, reader, values[i].tag, &got, sizeof(got)), sizeof(got));
        if (got != values[i].value)
            fail(suite, __FILE__, __LINE__, "attribute %08X is %u, not %u", (unsigned)values[i].tag, (unsigned)got,
                 (unsigned)values[i].value);
    }
}

void attributes_tell_the_parameters_of_t0(struct suite *suite)
{
    static const struct value values[] = {
        {SCARD_ATTR_CURRENT_PROTOCOL_TYPE, SCARD_PROTOCOL_T0},
        {SCARD_ATTR_CURRENT_F, 372},
        {SCARD_ATTR_CURRENT_D, 1},
        {SCARD_ATTR_CURRENT_N, 2},
        {SCARD_ATTR_CURRENT_W, 7},
    };
    /* TC1 02, TC2 07 */
    HANDLE reader = begin_with(suite, "echo atr=3BC0024007", SCARD_PROTOCOL_T0);

    expect_values(suite, reader, values, sizeof(values) / sizeof(values[0]));
}

void attributes_tell_the_parameters_of_t1(struct suite *suite)
{
    static const struct value values[] = {
        {SCARD_ATTR_CURRENT_PROTOCOL_TYPE, SCARD_PROTOCOL_T1},
        {SCARD_ATTR_CURRENT_IFSC, 32},
        {SCARD_ATTR_CURRENT_IFSD, 254},
        {SCARD_ATTR_CURRENT_BWT, 0},
        {SCARD_ATTR_CURRENT_CWT, 5},
        {SCARD_ATTR_CURRENT_EBC_ENCODING, 1},
    };
    HANDLE reader = begin_with(suite, T1_CRC_IFSC_32, SCARD_PROTOCOL_T1);

    expect_values(suite, reader, values, sizeof(values) / sizeof(values[0]));
}

/* F and D are the card's (TA1 95), whatever was agreed on. */
void attributes_tell_the_rate_of_the_answer_to_reset(struct suite *suite)
{
    static const struct value values[] = {
        {SCARD_ATTR_CURRENT_F, 512}, {SCARD_ATTR_CURRENT_D, 16}, {SCARD_ATTR_CURRENT_CLK, 4000}};
    HANDLE reader = begin_with(suite, BOTH_512_16 " pps=default", SCARD_PROTOCOL_T1);

    EXPECT(suite, panel_says(suite, reader, "rate=372/1 "));
    expect_values(suite, reader, values, sizeof(values) / sizeof(values[0]));
}

/* The selection of another protocol takes long (two PPS requests to a card that is mute to them); meanwhile the answers
 * are those of the moment when it began. */
void attributes_are_of_the_moment_when_the_operation_began(struct suite *suite)
{
    static const DWORD t1 = SCARD_PROTOCOL_T1;
    HANDLE reader = begin_with(suite, BOTH_512_16 " pps=mute", SCARD_PROTOCOL_T0), second = open_reader(suite);
    struct io *io = start(suite, reader, IOCTL_SMARTCARD_SET_PROTOCOL, &t1, sizeof(t1), 4);
    DWORD selected = 99;

    EXPECT(suite, !ends_within(suite, io, 50));
    attribute(suite, second, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof(selected));
    EXPECT(suite, !ends_within(suite, io, 0));
    EXPECT_NUMBER(suite, selected, SCARD_PROTOCOL_T0);
}
