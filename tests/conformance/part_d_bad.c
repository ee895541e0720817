/* SPDX-License-Identifier: MIT */
/*
 * T=1 on a bad line. The library asks twice for a block again, then resynchronises, three times at most, and gives up;
 * a card that said nothing at all was mute (smclib.md 5.5). After any of it the next exchange works: one that failed is
 * followed by S(RESYNCH). The exchanges here have S(IFS) behind them, so block 0 each way is the command and the answer.
 */
#include "part_d.h"

#include <stdio.h>
#include <string.h>

#define T1       .card = T1_CARD, .protocol = SCARD_PROTOCOL_T1, .again = true
#define PING     .command = "00 01 00 00 02 AA BB"
#define PONG     .answer = "AA BB 90 00"
#define FIRST    .card = T1_CARD, .protocol = SCARD_PROTOCOL_T1 /* S(IFS) is block 0 */
#define CHAINING .card = T1_IFSC_32, .protocol = SCARD_PROTOCOL_T1, .again = true
#define LONG_PING                                                                                                      \
    .command = "00 01 00 00 22 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B "   \
               "1C 1D 1E 1F 20 21"
#define LONG_PONG                                                                                                      \
    .answer = "00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E 1F 20 21 " \
              "90 00"

/* ---- blocks that arrive wrong ------------------------------------------------------------------------------------ */

EXCHANGE(t1_one_edc_error_is_healed, T1, PING, PONG, .fault = "edc byte=4");
EXCHANGE(t1_two_edc_errors_are_healed, T1, PING, PONG, .fault = "edc byte=4 count=2");
EXCHANGE(t1_third_edc_error_resynchronises, T1, PING, PONG, .fault = "edc byte=4 count=3");
/* Three errors, then two spoilt responses to RESYNCH; the third response is good, or spoilt too. */
EXCHANGE(t1_third_resynch_of_an_exchange_helps, T1, PING, PONG, .fault = "edc byte=1 count=5");
EXCHANGE(t1_fourth_resynch_of_an_exchange_does_not_come, T1, PING, .fault = "edc byte=1 count=6",
         .status = STATUS_DEVICE_PROTOCOL_ERROR);
EXCHANGE(t1_edc_errors_without_end_are_a_protocol_error, T1, PING, .fault = "edc byte=1 count=0",
         .status = STATUS_DEVICE_PROTOCOL_ERROR);
EXCHANGE(t1_card_asks_for_a_spoilt_block_again, T1, PING, PONG, .fault = "edc byte=4 to=card count=2");
EXCHANGE(t1_card_that_never_gets_a_good_block_is_a_protocol_error, T1, PING, .fault = "edc byte=1 to=card count=0",
         .status = STATUS_DEVICE_PROTOCOL_ERROR);
EXCHANGE(t1_parity_error_spoils_the_block, T1, PING, PONG, .fault = "parity byte=4 count=2");
EXCHANGE(t1_wrong_sequence_number_is_asked_for_again, T1, PING, PONG, .fault = "alter byte=1 xor=40");
EXCHANGE(t1_wrong_sequence_number_for_ever_is_a_protocol_error, T1, PING, .fault = "alter byte=1 xor=40 count=0",
         .status = STATUS_DEVICE_PROTOCOL_ERROR);
EXCHANGE(t1_wrong_length_is_asked_for_again, T1, PING, PONG, .fault = "alter byte=2 xor=01");
EXCHANGE(t1_nad_of_the_answer_is_ignored, T1, PING, PONG, .fault = "alter byte=0 xor=12 count=0");
EXCHANGE(t1_duplicate_block_is_told_from_the_next_one, CHAINING, LONG_PING, LONG_PONG, .fault = "duplicate");
EXCHANGE(t1_characters_behind_a_block_are_lost, T1, PING, PONG, .fault = "extra hex=55AA55AA count=0");

/* Two errors cost two requests to repeat, so three blocks to the card; the third error costs RESYNCH and the command
 * again, so five. */
void t1_third_error_in_a_row_costs_a_resynch(struct suite *suite)
{
    static const struct {
        const char *errors, *last, *beyond; /* the exchange has that last block to the card, and none behind it */
    } rows[] = {
        {"edc byte=1 count=2", "extra hex=55 to=card skip=2", "extra hex=55 to=card skip=3"},
        {"edc byte=1 count=3", "extra hex=55 to=card skip=4", "extra hex=55 to=card skip=5"},
    };
    HANDLE reader = begin_with(suite, T1_CARD, SCARD_PROTOCOL_T1);

    expect_works(suite, reader, SCARD_PROTOCOL_T1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fault(suite, rows[i].errors);
        fault(suite, rows[i].last);
        expect_works(suite, reader, SCARD_PROTOCOL_T1);
        EXPECT(suite, panel_says(suite, reader, "faults=0"));
        fault(suite, rows[i].errors);
        fault(suite, rows[i].beyond);
        expect_works(suite, reader, SCARD_PROTOCOL_T1);
        EXPECT(suite, panel_says(suite, reader, "faults=1"));
        fault(suite, "none");
    }
}

/* ---- blocks that do not arrive ----------------------------------------------------------------------------------- */

EXCHANGE(t1_lost_answer_is_asked_for_again, T1, PING, PONG, .fault = "cut byte=0");
EXCHANGE(t1_lost_command_is_sent_again, T1, PING, PONG, .fault = "cut byte=0 to=card");
EXCHANGE(t1_lost_acknowledgement_in_a_chain_is_healed, CHAINING, LONG_PING, LONG_PONG, .fault = "cut byte=0");
EXCHANGE(t1_late_answer_is_taken, T1, PING, PONG, .fault = "late ms=130"); /* BWT is 90 ms */

/* 258 bytes of answer are two blocks; the second one comes wrong twice. */
void t1_spoilt_block_of_an_answer_chain_is_healed(struct suite *suite)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00, 0x00};
    HANDLE reader = begin_with(suite, T1_CARD, SCARD_PROTOCOL_T1), second = open_reader(suite);
    UCHAR answer[258];

    for (unsigned i = 0; i < 256; i++)
        answer[i] = (UCHAR)i;
    memcpy(answer + 256, "\x90\x00", 2);
    expect_works(suite, reader, SCARD_PROTOCOL_T1);
    fault(suite, "edc byte=1 skip=1 count=2");
    expect_answer(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), sizeof(answer)),
                  SCARD_PROTOCOL_T1, answer, sizeof(answer));
    EXPECT_LAST(suite, second, STATUS_SUCCESS);
    EXPECT(suite, panel_says(suite, second, "faults=0"));
}

/* ---- what the card may ask for ----------------------------------------------------------------------------------- */

/* A command of 39 bytes over IFSC 32. Instead of acknowledging the first block the card asks for blocks of 4 bytes at
 * most: to the card go the 32 bytes, the response to that, and the other 7 bytes in two blocks; four in all. */
void t1_request_for_shorter_blocks_is_granted(struct suite *suite)
{
    HANDLE reader = begin_with(suite, T1_IFSC_32, SCARD_PROTOCOL_T1);
    UCHAR command[5 + 34] = {0x00, ECHO_INS, 0x00, 0x00, 34}, answer[34 + 2];

    for (unsigned i = 0; i < 34; i++)
        command[5 + i] = answer[i] = (UCHAR)(0x80 + i);
    memcpy(answer + 34, "\x90\x00", 2);
    for (int beyond = 0; beyond < 2; beyond++) { /* a fault waits for the fourth block, then for a fifth */
        expect_works(suite, reader, SCARD_PROTOCOL_T1);
        fault(suite, "replace hex=00C10104");
        fault(suite, beyond ? "extra hex=55 to=card skip=4" : "extra hex=55 to=card skip=3");
        expect_answer(suite,
                      request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), sizeof(answer)),
                      SCARD_PROTOCOL_T1, answer, sizeof(answer));
        EXPECT(suite, panel_says(suite, reader, beyond ? "faults=1" : "faults=0"));
        fault(suite, "none");
    }
}

/* IFSC 0 is reserved (11.4.2): it is not taken, and the exchange goes on. */
EXCHANGE(t1_request_for_blocks_of_nothing_is_refused, CHAINING, LONG_PING, LONG_PONG, .fault = "replace hex=00C10100");
EXCHANGE(t1_slow_card_gets_waiting_time, .card = T1_CARD " delay=300", .protocol = SCARD_PROTOCOL_T1, PING, PONG);
EXCHANGE(t1_spoilt_waiting_time_response_is_healed, .card = T1_CARD " delay=300", .protocol = SCARD_PROTOCOL_T1,
         .again = true, PING, PONG, .fault = "edc byte=3 to=card skip=1");

void t1_waiting_time_without_end_can_be_cancelled(struct suite *suite)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00};
    HANDLE reader = begin_with(suite, T1_CARD, SCARD_PROTOCOL_T1), second = open_reader(suite);
    struct io *io = NULL;

    fault(suite, "wtx");
    io = start_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8);
    EXPECT(suite, !ends_within(suite, io, 300));
    EXPECT(suite, CancelIoEx(reader, &io->overlapped));
    EXPECT_STATUS(suite, io, STATUS_CANCELLED);
    EXPECT_LAST(suite, second, STATUS_CANCELLED);
    expect_works(suite, second, SCARD_PROTOCOL_T1);
}

/* ---- answers that end it ----------------------------------------------------------------------------------------- */

EXCHANGE(t1_spoilt_ifs_response_is_healed, FIRST, PING, PONG, .fault = "edc byte=3");
EXCHANGE(t1_unexpected_s_response_is_a_protocol_error, T1, PING, .fault = "replace hex=00E30105",
         .status = STATUS_DEVICE_PROTOCOL_ERROR);
EXCHANGE(t1_vpp_error_is_a_power_failure, T1, PING, .fault = "replace hex=00E400",
         .status = STATUS_DEVICE_POWER_FAILURE);
EXCHANGE(t1_card_with_the_standards_crc_is_a_protocol_error, .card = T1_CRC " crc=iso", .protocol = SCARD_PROTOCOL_T1,
         PING, .status = STATUS_DEVICE_PROTOCOL_ERROR, .after = FAILS_AGAIN);

/* At once, without a retry; and the next exchange does without S(IFS), so the card's blocks stay at 32 bytes. */
void t1_ifs_answered_by_an_r_block_is_a_protocol_error(struct suite *suite)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00};
    HANDLE reader = begin_with(suite, T1_CARD, SCARD_PROTOCOL_T1), second = open_reader(suite);

    fault(suite, "replace hex=008000");
    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8),
                  STATUS_DEVICE_PROTOCOL_ERROR);
    EXPECT_LAST(suite, second, STATUS_DEVICE_PROTOCOL_ERROR);
    expect_works(suite, second, SCARD_PROTOCOL_T1);
}

/* ---- silence, and cards that leave ------------------------------------------------------------------------------- */

/* Six blocks get no answer, three of them S(RESYNCH). */
EXCHANGE(t1_mute_card_times_out_and_is_resynchronised, T1, PING, .fault = "mute", .status = STATUS_IO_TIMEOUT);

/* The exchange after one that failed begins with S(RESYNCH): three spoilt responses to it are too many. */
void t1_card_that_does_not_resynchronise_is_a_protocol_error(struct suite *suite)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00};
    HANDLE reader = begin_with(suite, T1_CARD, SCARD_PROTOCOL_T1), second = open_reader(suite);

    expect_works(suite, reader, SCARD_PROTOCOL_T1);
    fault(suite, "mute");
    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8),
                  STATUS_IO_TIMEOUT);
    EXPECT_LAST(suite, second, STATUS_IO_TIMEOUT);
    fault(suite, "edc byte=1 count=3");
    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8),
                  STATUS_DEVICE_PROTOCOL_ERROR);
    EXPECT_LAST(suite, second, STATUS_DEVICE_PROTOCOL_ERROR);
    expect_works(suite, second, SCARD_PROTOCOL_T1);
}

void t1_two_spoilt_resynch_responses_are_healed(struct suite *suite)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00};
    HANDLE reader = begin_with(suite, T1_CARD, SCARD_PROTOCOL_T1);

    fault(suite, "mute");
    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8),
                  STATUS_IO_TIMEOUT);
    fault(suite, "edc byte=1 count=2");
    expect_works(suite, reader, SCARD_PROTOCOL_T1);
    EXPECT(suite, panel_says(suite, reader, "faults=0"));
}

/* The card has the first block of a chain and waits for the next one. What comes instead is a new command, not the
 * chain's rest. BWT is 1.4 s, so the exchange is still under way when it is cancelled. */
void t1_cancelled_command_chain_is_forgotten(struct suite *suite)
{
    UCHAR command[5 + 60] = {0x00, ECHO_INS, 0x00, 0x00, 60};
    HANDLE reader = begin_with(suite, "echo atr=3B808131204555", SCARD_PROTOCOL_T1);
    struct io *io = NULL;

    expect_works(suite, reader, SCARD_PROTOCOL_T1);
    fault(suite, "cut byte=0 to=card skip=1 count=0");
    io = start_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 62);
    EXPECT(suite, !ends_within(suite, io, 100));
    EXPECT(suite, CancelIoEx(reader, &io->overlapped));
    EXPECT_STATUS(suite, io, STATUS_CANCELLED);
    fault(suite, "none");
    expect_works(suite, reader, SCARD_PROTOCOL_T1);
    expect_works(suite, reader, SCARD_PROTOCOL_T1);
}

EXCHANGE(t1_card_that_leaves_before_the_exchange_is_no_media, T1, PING, .fault = "remove when=before",
         .status = STATUS_NO_MEDIA, .after = GONE);
EXCHANGE(t1_card_that_leaves_during_the_exchange_is_no_media, T1, PING, .fault = "remove when=during byte=14",
         .status = STATUS_NO_MEDIA, .after = GONE);
EXCHANGE(t1_card_that_leaves_after_the_exchange_has_answered, T1, PING, PONG, .fault = "remove when=after",
         .after = GONE);

void t1_card_pulled_while_it_computes_is_no_media(struct suite *suite)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00};
    HANDLE reader = begin_with(suite, T1_CARD " delay=60000", SCARD_PROTOCOL_T1), second = open_reader(suite);
    struct io *io = start_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8);

    EXPECT(suite, !ends_within(suite, io, 200));
    card_out(suite);
    EXPECT_STATUS(suite, io, STATUS_NO_MEDIA);
    EXPECT_LAST(suite, second, STATUS_NO_MEDIA);
    expect_gone(suite, second, SCARD_PROTOCOL_T1);
}

/* ---- at random --------------------------------------------------------------------------------------------------- */

/* One fault that changes no byte unseen, somewhere in a chain: the right answer, or one of the ends that a bad line may
 * have; and then a good exchange. */
void t1_faults_at_random_end_in_the_right_answer_or_an_error(struct suite *suite)
{
    static const char *const kinds[] = {"edc", "parity", "cut", "alter xor=40"};
    static const NTSTATUS ends[] = {STATUS_SUCCESS, STATUS_DEVICE_PROTOCOL_ERROR, STATUS_IO_TIMEOUT};
    HANDLE reader = begin_with(suite, T1_IFSC_32, SCARD_PROTOCOL_T1), second = open_reader(suite);
    UCHAR command[5 + 90] = {0x00, ECHO_INS, 0x00, 0x00, 90}, answer[90 + 2];

    for (unsigned i = 0; i < 90; i++)
        command[5 + i] = answer[i] = (UCHAR)(0x80 + i * 11 % 0x3D);
    memcpy(answer + 90, "\x90\x00", 2);
    for (int round = 0; round < (int)rounds(suite, 30); round++) {
        uint32_t kind = chance(suite, 4), end = 0;
        struct io *io = NULL;
        char text[80];

        snprintf(text, sizeof(text), "%s byte=%u to=%s skip=%u count=%u", kinds[kind],
                 kind == 3 ? 1u : (unsigned)chance(suite, 36), chance(suite, 2) == 0 ? "card" : "reader",
                 (unsigned)chance(suite, 4), (unsigned)chance(suite, 5));
        fault(suite, text);
        io =
            finish(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), sizeof(answer)));
        while (end < 3 && io->error != error_of(ends[end]))
            end++;
        if (end == 3)
            fail(suite, __FILE__, __LINE__, "error %u after \"%s\"", (unsigned)io->error, text);
        if (end == 0)
            expect_answer(suite, io, SCARD_PROTOCOL_T1, answer, sizeof(answer));
        EXPECT_LAST(suite, second, ends[end]);
        fault(suite, "none");
        expect_works(suite, reader, SCARD_PROTOCOL_T1);
    }
}
