/* SPDX-License-Identifier: MIT */
/*
 * Resets that go wrong, and cards that leave. A card whose answer is of no use has no power afterwards, and its next
 * reset is a cold one; of a card that has left nothing is left.
 */
#include "part_e.h"

static const UCHAR command[] = {0x00, 0x01, 0x00, 0x00};

/* ---- resets that fail -------------------------------------------------------------------------------------------- */

struct spoilt {
    const char *card, *fault;
    NTSTATUS status;
    ULONG state; /* afterwards */
};

/* The reset ends so, GET_LAST_ERROR says it on another handle, and a card that is still there is up with the next. */
static void run_spoilt(struct suite *suite, const struct spoilt *spoilt)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    struct io *io = NULL;

    card_in(suite, spoilt->card);
    fault(suite, spoilt->fault);
    io = power(suite, reader, SCARD_COLD_RESET, SCARD_ATR_LENGTH);
    EXPECT_STATUS(suite, io, spoilt->status);
    EXPECT_LAST(suite, second, spoilt->status);
    if (spoilt->status != STATUS_SUCCESS)
        EXPECT_NUMBER(suite, io->returned, 0);
    EXPECT_NUMBER(suite, reader_state(suite, second), spoilt->state);
    fault(suite, "none");
    if (spoilt->state == SCARD_ABSENT) {
        EXPECT_STATUS(suite, power(suite, reader, SCARD_COLD_RESET, SCARD_ATR_LENGTH), STATUS_INVALID_DEVICE_STATE);
        return;
    }
    power_up(suite, reader, SCARD_WARM_RESET, NULL);
    if (reader_state(suite, reader) != SCARD_SPECIFIC)
        set_protocol(suite, reader, SCARD_PROTOCOL_T1);
    expect_t1_works(suite, second);
}

#define SPOILT(name, ...)                                                                                              \
    void name(struct suite *suite)                                                                                     \
    {                                                                                                                  \
        static const struct spoilt row = {__VA_ARGS__};                                                                \
                                                                                                                       \
        run_spoilt(suite, &row);                                                                                       \
    }                                                                                                                  \
    struct spoilt

SPOILT(mute_card_times_out_and_loses_its_power, E_T1_CARD, "mute", STATUS_IO_TIMEOUT, SCARD_PRESENT);
SPOILT(answer_that_does_not_begin_with_ts_is_unrecognized, E_T1_CARD, "alter byte=0 value=00 on=atr",
       STATUS_UNRECOGNIZED_MEDIA, SCARD_PRESENT);
SPOILT(answer_with_a_wrong_tck_is_unrecognized, E_T1_CARD, "edc byte=3 on=atr", STATUS_UNRECOGNIZED_MEDIA,
       SCARD_PRESENT);
SPOILT(answer_that_breaks_off_is_unrecognized, E_T1_CARD, "cut byte=2 on=atr", STATUS_UNRECOGNIZED_MEDIA,
       SCARD_PRESENT);
SPOILT(parity_error_in_the_answer_is_repaired_by_a_card_with_t0, E_BOTH_CARD, "parity byte=2 on=atr count=3",
       STATUS_SUCCESS, SCARD_NEGOTIABLE);
SPOILT(parity_error_in_the_answer_of_a_card_with_t1_alone_is_unrecognized, E_T1_CARD, "parity byte=2 on=atr",
       STATUS_UNRECOGNIZED_MEDIA, SCARD_PRESENT);
SPOILT(card_that_leaves_before_its_reset_is_no_media, E_T1_CARD, "remove when=before", STATUS_NO_MEDIA, SCARD_ABSENT);
SPOILT(card_that_leaves_during_its_reset_is_no_media, E_T1_CARD, "remove when=during byte=2", STATUS_NO_MEDIA,
       SCARD_ABSENT);
SPOILT(card_that_leaves_after_its_reset_has_answered, E_T1_CARD, "remove when=after", STATUS_SUCCESS, SCARD_ABSENT);

void card_whose_answer_is_always_wrong_stays_present(struct suite *suite)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);

    card_in(suite, "echo atr=3B8080"); /* TD2 and TCK are missing */
    for (DWORD kind = SCARD_COLD_RESET; kind <= SCARD_WARM_RESET; kind++) {
        EXPECT_STATUS(suite, power(suite, reader, kind, SCARD_ATR_LENGTH), STATUS_UNRECOGNIZED_MEDIA);
        EXPECT_LAST(suite, second, STATUS_UNRECOGNIZED_MEDIA);
        EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_PRESENT);
    }
    EXPECT_STATUS(suite, power(suite, reader, SCARD_POWER_DOWN, 0), STATUS_SUCCESS);
    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8),
                  STATUS_INVALID_DEVICE_STATE);
}

void slow_reset_can_be_cancelled(struct suite *suite)
{
    static const DWORD cold = SCARD_COLD_RESET;
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    struct io *io = NULL;

    card_in(suite, E_T1_CARD);
    fault(suite, "delay byte=2 ms=800 on=atr");
    io = start(suite, reader, IOCTL_SMARTCARD_POWER, &cold, sizeof(cold), SCARD_ATR_LENGTH);
    EXPECT(suite, !ends_within(suite, io, 100));
    EXPECT(suite, CancelIoEx(reader, &io->overlapped));
    EXPECT_STATUS(suite, io, STATUS_CANCELLED);
    EXPECT_LAST(suite, second, STATUS_CANCELLED);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    expect_t1_works(suite, second);
}

/* ---- one card after the other ------------------------------------------------------------------------------------ */

void state_is_absent_and_present_as_cards_come_and_go(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    for (int i = 0; i < 5; i++) {
        UCHAR presence = 99;

        EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_ABSENT);
        attribute(suite, reader, SCARD_ATTR_ICC_PRESENCE, &presence, sizeof(presence));
        EXPECT_NUMBER(suite, presence, 0);
        card_in(suite, E_T1_CARD);
        EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_PRESENT);
        attribute(suite, reader, SCARD_ATTR_ICC_PRESENCE, &presence, sizeof(presence));
        EXPECT_NUMBER(suite, presence, 1);
        power_up(suite, reader, SCARD_COLD_RESET, NULL);
        card_out(suite);
    }
}

/* A card was in use, and has been replaced by another. */
static HANDLE replace_card(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    card_in(suite, E_BOTH_CARD);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    set_protocol(suite, reader, SCARD_PROTOCOL_T1);
    expect_t1_works(suite, reader);
    card_out(suite);
    card_in(suite, E_T1_CARD);
    return reader;
}

void next_card_has_no_protocol_of_the_one_before(struct suite *suite)
{
    HANDLE reader = replace_card(suite), second = open_reader(suite);

    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8),
                  STATUS_INVALID_DEVICE_STATE);
    EXPECT_LAST(suite, second, STATUS_INVALID_DEVICE_STATE);
    EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_PRESENT);
}

static void expect_no_atr(struct suite *suite, HANDLE reader)
{
    static const DWORD tag = SCARD_ATTR_ATR_STRING;

    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, sizeof(tag), 33),
                  STATUS_INVALID_DEVICE_STATE);
}

void next_card_has_no_answer_to_reset_of_the_one_before(struct suite *suite)
{
    static const UCHAR answer[] = {0x3B, 0x80, 0x01, 0x81};
    HANDLE reader = replace_card(suite);
    UCHAR atr[33];

    expect_no_atr(suite, reader);
    EXPECT_BYTES(suite, atr, power_up(suite, reader, SCARD_COLD_RESET, atr), answer, sizeof(answer));
    EXPECT_BYTES(suite, atr, attribute(suite, reader, SCARD_ATTR_ATR_STRING, atr, sizeof(atr)), answer, sizeof(answer));
    card_out(suite);
    expect_no_atr(suite, reader);
}

/* Nothing is known of what a card offers before its own reset, be it that the card before offered it. */
void next_cards_protocol_cannot_be_selected_by_the_answer_of_the_one_before(struct suite *suite)
{
    static const DWORD both = SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1;
    HANDLE reader = replace_card(suite), second = open_reader(suite);
    UCHAR atr[33];
    DWORD selected = 99;

    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_SET_PROTOCOL, &both, sizeof(both), 4),
                  STATUS_NOT_SUPPORTED);
    EXPECT_LAST(suite, second, STATUS_NOT_SUPPORTED);
    EXPECT_NUMBER(suite, attribute(suite, second, SCARD_ATTR_ATR_STRING, atr, sizeof(atr)), 0);
    attribute(suite, second, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof(selected));
    EXPECT_NUMBER(suite, selected, SCARD_PROTOCOL_UNDEFINED);
    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8),
                  STATUS_INVALID_DEVICE_STATE);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    expect_t1_works(suite, second);
}

/* It may be pulled at any time: what runs ends so, and what comes behind finds no card. */
void cards_pulled_at_random_end_everything_once(struct suite *suite)
{
    static const NTSTATUS ends[] = {STATUS_SUCCESS, STATUS_NO_MEDIA, STATUS_INVALID_DEVICE_STATE};
    HANDLE reader = open_reader(suite), second = open_reader(suite);

    for (int round = 0; round < (int)rounds(suite, 20); round++) {
        struct io *ios[4];
        uint32_t end = 0;

        card_in(suite, E_T1_CARD " delay=10");
        power_up(suite, reader, SCARD_COLD_RESET, NULL);
        for (int i = 0; i < 4; i++)
            ios[i] = start_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8);
        Sleep(chance(suite, 50));
        card_out(suite);
        for (int i = 0; i < 4; i++) {
            /* In the order in which they were sent: none does better than the one before it. */
            finish(suite, ios[i]);
            while (end < 3 && ios[i]->error != error_of(ends[end]))
                end++;
            if (end == 3)
                fail(suite, __FILE__, __LINE__, "round %d: request %d ended with error %u", round, i,
                     (unsigned)ios[i]->error);
        }
        EXPECT_LAST(suite, second, ends[end]);
        EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_ABSENT);
    }
}

/* Both sides count from 0 after a reset: the first block after an odd number of them is taken. */
void sequence_numbers_begin_anew_with_a_reset(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    card_in(suite, E_T1_CARD);
    for (int exchanges = 1; exchanges <= 4; exchanges++) {
        power_up(suite, reader, exchanges % 3 == 0 ? SCARD_WARM_RESET : SCARD_COLD_RESET, NULL);
        for (int i = 0; i < exchanges; i++)
            expect_t1_works(suite, reader);
    }
}

void fifty_cards_come_and_go(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    for (int i = 0; i < 50; i++) {
        card_in(suite, i % 2 == 0 ? E_T1_CARD : E_BOTH_CARD);
        power_up(suite, reader, SCARD_COLD_RESET, NULL);
        if (i % 2 != 0)
            set_protocol(suite, reader, SCARD_PROTOCOL_T1);
        expect_t1_works(suite, reader);
        card_out(suite);
    }
}
