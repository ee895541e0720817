/* SPDX-License-Identifier: MIT */
/*
 * Part D, protocols: which checks there are, on what each rests, and what their files share. A check is a row of one of
 * the lists below (name, source, needs) and a function of the same name.
 *
 *   part_d.c         the table, and the exchange that most checks are made of
 *   part_d_reader.c  what any reader with any card must do
 *   part_d_frame.c   the request's and the reply's header, and the buffers
 *   part_d_t0.c      T=0, and raw
 *   part_d_t1.c      T=1 when nothing goes wrong: cases, lengths, chaining
 *   part_d_bad.c     T=1 when something does: retransmission, RESYNCH, and the end
 *   part_d_select.c  SET_PROTOCOL, PPS, and what the attributes say afterwards
 */
#ifndef CONFORMANCE_PART_D_H
#define CONFORMANCE_PART_D_H

#include "suite.h"

/* Answers to reset. BWT is 90 ms, WWT 89 ms, so that silence costs little time. */
#define T0_CARD           "echo atr=3B804001"
#define T1_CARD           "echo atr=3B808131FE05CB"   /* IFSC 254, LRC */
#define T1_IFSC_32        "echo atr=3B808131200515"   /* IFSC 32 */
#define T1_IFSC_1         "echo atr=3B808131010534"   /* IFSC 1 */
#define T1_CRC            "echo atr=3B808171FE05018A" /* IFSC 254, CRC */
#define T1_CRC_IFSC_32    "echo atr=3B80817120050154"
#define BOTH_CARD         "echo atr=3B808031FE05CA"   /* T=0 first, then T=1; the default rate */
#define BOTH_512_16       "echo atr=3B90958031FE054F" /* the same, TA1 95 */
#define ECHO_INS          0x01                        /* odd and unknown: its data go to the card, over T=0 as well */
#define T0_AND_T1         (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
#define PCI_SIZE          8u
#define LONGEST_COMMAND   65544u /* an extended case 4 of 65535 bytes */
#define LONGEST_ANSWER    65538u
#define BUFFER_OF_VREADER 600u /* SmartcardRequest.BufferSize of the virtual reader */

/* ---- what the files share ---------------------------------------------------------------------------------------- */

/* Bytes of hex digits, with blanks between; returns how many. */
DWORD from_hex(const char *hex, UCHAR *bytes, DWORD room);

/* Open the reader, put the card in, reset it, and select the protocol, unless its answer to reset has selected it. */
HANDLE begin_with(struct suite *suite, const char *card, DWORD protocol);

/* A command with two bytes of data, and its answer: the card works. */
void expect_works(struct suite *suite, HANDLE reader, DWORD protocol);

/* The card is known to be gone: the state, and what a transmission gets. */
void expect_gone(struct suite *suite, HANDLE reader, DWORD protocol);

/* Whether the line of IOCTL_VREADER_STATUS has these words. */
bool panel_says(struct suite *suite, HANDLE reader, const char *words);

/* The answer's bytes, and before them a header with this protocol. */
void expect_answer(struct suite *suite, struct io *io, DWORD protocol, const UCHAR *answer, DWORD size);

enum after { WORKS, GONE, FAILS_AGAIN };

/* One exchange with a card, perhaps a disturbed one: its end, the last error on another handle, and what works
 * afterwards. */
struct exchange {
    const char *card;
    DWORD protocol;
    bool again;                   /* not the first exchange after the reset, so over T=1 S(IFS) is behind us */
    const char *fault;            /* armed right before; NULL: none */
    const char *command, *answer; /* hex; answer NULL where status is no success */
    NTSTATUS status;
    enum after after;
};
void run_exchange(struct suite *suite, const struct exchange *exchange);

#define EXCHANGE(name, ...)                                                                                            \
    void name(struct suite *suite)                                                                                     \
    {                                                                                                                  \
        static const struct exchange row = {__VA_ARGS__};                                                              \
                                                                                                                       \
        run_exchange(suite, &row);                                                                                     \
    }                                                                                                                  \
    struct exchange

/* ---- the checks -------------------------------------------------------------------------------------------------- */

/* clang-format off */
#define PART_D_READER(CHECK)                                                                                           \
    CHECK(any_card_gets_a_protocol_of_its_answer_to_reset, "smclib.md 3.5; ISO/IEC 7816-3:2006, 8.2.3", NEED_CARD)     \
    CHECK(any_card_answers_select_mf_with_a_status, "smclib.md 3.6; ISO/IEC 7816-3:2006, 12.1.1", NEED_CARD)           \
    CHECK(any_card_answers_get_challenge_with_a_status, "smclib.md 3.6; ISO/IEC 7816-3:2006, 12.1.1", NEED_CARD)       \
    CHECK(fifty_exchanges_in_a_row_are_answered, "smclib.md 3.6", NEED_CARD)                                           \
    CHECK(ten_resets_and_exchanges_in_a_row_succeed, "smclib.md 3.4 to 3.6", NEED_CARD)                                \
    CHECK(reply_has_the_protocol_in_its_header, "smclib.md 3.6", NEED_CARD)                                            \
    CHECK(output_exactly_as_long_as_the_reply_is_enough, "smclib.md 5.3, 5.5", NEED_CARD)                              \
    CHECK(output_one_byte_short_is_refused_and_the_next_exchange_works, "smclib.md 5.3, 5.5", NEED_CARD)               \
    CHECK(input_shorter_than_its_header_is_refused, "smclib.md 3.6", NEED_CARD)                                        \
    CHECK(other_protocol_than_the_selected_one_is_refused, "smclib.md 3.6", NEED_CARD)                                 \
    CHECK(transmission_before_a_protocol_is_selected_is_refused, "smclib.md 3.6", NEED_CARD)                           \
    CHECK(transmission_without_power_is_refused, "smclib.md 3.6", NEED_CARD)

#define PART_D_FRAME(CHECK)                                                                                            \
    CHECK(transmission_without_a_card_is_refused, "smclib.md 3.6", NEED_VIRTUAL)                                       \
    CHECK(header_length_below_8_is_refused_over_t0, "docs/quirks.md, where we are stricter", NEED_VIRTUAL)             \
    CHECK(header_length_below_8_is_refused_over_t1, "docs/quirks.md, where we are stricter", NEED_VIRTUAL)             \
    CHECK(header_length_beyond_the_input_is_refused, "docs/quirks.md, where we are stricter", NEED_VIRTUAL)            \
    CHECK(header_length_says_where_the_command_begins, "smclib.md 5.3", NEED_VIRTUAL)                                  \
    CHECK(header_alone_is_no_command_over_t0, "smclib.md 5.3", NEED_VIRTUAL)                                           \
    CHECK(output_of_nothing_is_too_small, "smclib.md 3.6, 5.3", NEED_VIRTUAL)                                          \
    CHECK(chained_answer_that_does_not_fit_leaves_the_link_in_step, "docs/quirks.md, where we are stricter", NEED_VIRTUAL) \
    CHECK(every_output_length_below_the_reply_is_refused, "smclib.md 5.5", NEED_VIRTUAL)

#define PART_D_T0(CHECK)                                                                                               \
    CHECK(t0_case_1, "ISO/IEC 7816-3:2006, 12.2.2; smclib.md 5.3", NEED_VIRTUAL)                                       \
    CHECK(t0_case_1_with_p3_00, "ISO/IEC 7816-3:2006, 10.3.2", NEED_VIRTUAL)                                           \
    CHECK(t0_case_2_le_1, "ISO/IEC 7816-3:2006, 12.2.3", NEED_VIRTUAL)                                                 \
    CHECK(t0_case_2_p3_00_is_256_bytes, "ISO/IEC 7816-3:2006, 10.3.2", NEED_VIRTUAL)                                   \
    CHECK(t0_case_3_lc_1_then_get_response, "ISO/IEC 7816-3:2006, 12.2.4", NEED_VIRTUAL)                               \
    CHECK(t0_case_3_lc_255_then_get_response, "ISO/IEC 7816-3:2006, 12.2.4", NEED_VIRTUAL)                             \
    CHECK(t0_case_4_is_refused, "smclib.md 5.3", NEED_VIRTUAL)                                                         \
    CHECK(t0_p3_below_the_data_is_refused, "smclib.md 5.3", NEED_VIRTUAL)                                              \
    CHECK(t0_p3_above_the_data_is_refused, "smclib.md 5.3", NEED_VIRTUAL)                                              \
    CHECK(t0_command_of_three_bytes_is_refused, "smclib.md 5.3", NEED_VIRTUAL)                                         \
    CHECK(t0_cla_ff_is_refused, "ISO/IEC 7816-3:2006, 10.3.2", NEED_VIRTUAL)                                           \
    CHECK(t0_6cxx_comes_through, "smclib.md 5.3", NEED_VIRTUAL)                                                        \
    CHECK(t0_61xx_comes_through_and_get_response_fetches_in_parts, "smclib.md 5.3", NEED_VIRTUAL)                      \
    CHECK(t0_longer_than_the_buffer_overflows, "smclib.md 5.3, 5.6", NEED_VIRTUAL)                                     \
    CHECK(t0_null_wins_time, "ISO/IEC 7816-3:2006, 10.3.3", NEED_VIRTUAL)                                              \
    CHECK(t0_slow_card_takes_its_time, "ISO/IEC 7816-3:2006, 10.3.3", NEED_VIRTUAL)                                    \
    CHECK(t0_null_without_end_can_be_cancelled, "DESIGN 5; ISO/IEC 7816-3:2006, 10.3.3", NEED_VIRTUAL)                 \
    CHECK(t0_wrong_character_from_the_card_is_repeated_three_times, "ISO/IEC 7816-3:2006, 7.3", NEED_VIRTUAL)          \
    CHECK(t0_wrong_character_to_the_card_is_repeated_three_times, "ISO/IEC 7816-3:2006, 7.3", NEED_VIRTUAL)            \
    CHECK(t0_character_that_stays_wrong_is_a_protocol_error, "ISO/IEC 7816-3:2006, 7.3; smclib.md 5.3", NEED_VIRTUAL)  \
    CHECK(t0_procedure_byte_that_is_none_is_a_protocol_error, "ISO/IEC 7816-3:2006, 10.3.3", NEED_VIRTUAL)             \
    CHECK(t0_mute_card_times_out, "ISO/IEC 7816-3:2006, 10.2; smclib.md 3.6", NEED_VIRTUAL)                            \
    CHECK(t0_answer_that_breaks_off_times_out, "ISO/IEC 7816-3:2006, 10.2", NEED_VIRTUAL)                              \
    CHECK(t0_card_that_leaves_during_the_exchange_is_no_media, "smclib.md 3.6", NEED_VIRTUAL)                          \
    CHECK(raw_passes_commands_and_answers_without_a_header, "smclib.md 5.4", NEED_VIRTUAL)                             \
    CHECK(raw_output_exactly_as_long_as_the_answer_is_enough, "smclib.md 5.4", NEED_VIRTUAL)                           \
    CHECK(raw_longer_than_the_buffer_is_too_small, "smclib.md 5.4", NEED_VIRTUAL)

#define PART_D_T1(CHECK)                                                                                               \
    CHECK(t1_case_1, "ISO/IEC 7816-3:2006, 12.1.3, 12.3", NEED_VIRTUAL)                                                \
    CHECK(t1_case_2_le_1, "ISO/IEC 7816-3:2006, 12.1.3, 12.3", NEED_VIRTUAL)                                           \
    CHECK(t1_case_2_le_256, "ISO/IEC 7816-3:2006, 12.1.3, 12.3", NEED_VIRTUAL)                                         \
    CHECK(t1_case_3_lc_1, "ISO/IEC 7816-3:2006, 12.1.3, 12.3", NEED_VIRTUAL)                                           \
    CHECK(t1_case_3_lc_255, "ISO/IEC 7816-3:2006, 12.1.3, 12.3", NEED_VIRTUAL)                                         \
    CHECK(t1_case_4_lc_255_le_256, "ISO/IEC 7816-3:2006, 12.1.3, 12.3", NEED_VIRTUAL)                                  \
    CHECK(t1_extended_case_2_le_257, "ISO/IEC 7816-3:2006, 12.1.3, 12.3", NEED_VIRTUAL)                                \
    CHECK(t1_extended_case_2_le_65536, "ISO/IEC 7816-3:2006, 12.1.3, 12.3", NEED_VIRTUAL)                              \
    CHECK(t1_extended_case_3_lc_1000, "ISO/IEC 7816-3:2006, 12.1.3, 12.3", NEED_VIRTUAL)                               \
    CHECK(t1_extended_case_4_lc_65535_le_65536, "ISO/IEC 7816-3:2006, 12.1.3, 12.3", NEED_VIRTUAL)                     \
    CHECK(t1_extended_case_3_lc_1000_over_ifsc_1, "ISO/IEC 7816-3:2006, 11.6.2.2", NEED_VIRTUAL)                       \
    CHECK(t1_crc, "smclib.md 5.5", NEED_VIRTUAL)                                                                       \
    CHECK(t1_crc_with_chains_both_ways, "smclib.md 5.5", NEED_VIRTUAL)                                                 \
    CHECK(t1_command_of_31_bytes_is_one_block_at_ifsc_32, "ISO/IEC 7816-3:2006, 11.4.2", NEED_VIRTUAL)                 \
    CHECK(t1_command_of_32_bytes_is_one_block_at_ifsc_32, "ISO/IEC 7816-3:2006, 11.4.2", NEED_VIRTUAL)                 \
    CHECK(t1_command_of_33_bytes_is_two_blocks_at_ifsc_32, "ISO/IEC 7816-3:2006, 11.4.2", NEED_VIRTUAL)                \
    CHECK(t1_command_of_64_bytes_is_two_blocks_at_ifsc_32, "ISO/IEC 7816-3:2006, 11.4.2", NEED_VIRTUAL)                \
    CHECK(t1_command_of_65_bytes_is_three_blocks_at_ifsc_32, "ISO/IEC 7816-3:2006, 11.4.2", NEED_VIRTUAL)              \
    CHECK(t1_answer_of_254_bytes_is_one_block_at_ifsd_254, "ISO/IEC 7816-3:2006, 11.4.2", NEED_VIRTUAL)                \
    CHECK(t1_answer_of_255_bytes_is_two_blocks_at_ifsd_254, "ISO/IEC 7816-3:2006, 11.4.2", NEED_VIRTUAL)               \
    CHECK(t1_answer_of_32_bytes_is_one_block_without_ifs, "smclib.md 3.9, 5.5", NEED_VIRTUAL)                          \
    CHECK(t1_answer_of_33_bytes_is_two_blocks_without_ifs, "smclib.md 3.9, 5.5", NEED_VIRTUAL)                         \
    CHECK(t1_ifs_is_asked_for_once_after_a_reset, "smclib.md 5.5", NEED_VIRTUAL)                                       \
    CHECK(t1_every_length_up_to_260, "ISO/IEC 7816-3:2006, 11.6.2", NEED_VIRTUAL)

#define PART_D_BAD(CHECK)                                                                                              \
    CHECK(t1_one_edc_error_is_healed, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 7.1; smclib.md 5.5", NEED_VIRTUAL)           \
    CHECK(t1_two_edc_errors_are_healed, "smclib.md 5.5", NEED_VIRTUAL)                                                 \
    CHECK(t1_third_edc_error_resynchronises, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 6.4; smclib.md 5.5", NEED_VIRTUAL)    \
    CHECK(t1_third_resynch_of_an_exchange_helps, "smclib.md 5.5; docs/quirks.md", NEED_VIRTUAL)                        \
    CHECK(t1_fourth_resynch_of_an_exchange_does_not_come, "smclib.md 5.5; docs/quirks.md", NEED_VIRTUAL)               \
    CHECK(t1_edc_errors_without_end_are_a_protocol_error, "smclib.md 5.5", NEED_VIRTUAL)                               \
    CHECK(t1_card_asks_for_a_spoilt_block_again, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 7.2", NEED_VIRTUAL)               \
    CHECK(t1_card_that_never_gets_a_good_block_is_a_protocol_error, "smclib.md 5.5", NEED_VIRTUAL)                     \
    CHECK(t1_parity_error_spoils_the_block, "ISO/IEC 7816-3:2006, 11.6.3", NEED_VIRTUAL)                               \
    CHECK(t1_wrong_sequence_number_is_asked_for_again, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 7.1", NEED_VIRTUAL)         \
    CHECK(t1_wrong_sequence_number_for_ever_is_a_protocol_error, "smclib.md 5.5", NEED_VIRTUAL)                        \
    CHECK(t1_wrong_length_is_asked_for_again, "smclib.md 5.5", NEED_VIRTUAL)                                           \
    CHECK(t1_nad_of_the_answer_is_ignored, "smclib.md 5.5", NEED_VIRTUAL)                                              \
    CHECK(t1_duplicate_block_is_told_from_the_next_one, "ISO/IEC 7816-3:2006, 11.6.2", NEED_VIRTUAL)                   \
    CHECK(t1_characters_behind_a_block_are_lost, "ISO/IEC 7816-3:2006, 11.4", NEED_VIRTUAL)                            \
    CHECK(t1_third_error_in_a_row_costs_a_resynch, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 6.4; smclib.md 5.5", NEED_VIRTUAL) \
    CHECK(t1_lost_answer_is_asked_for_again, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 7.1", NEED_VIRTUAL)                   \
    CHECK(t1_lost_command_is_sent_again, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 7.2", NEED_VIRTUAL)                       \
    CHECK(t1_lost_acknowledgement_in_a_chain_is_healed, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 7.6", NEED_VIRTUAL)        \
    CHECK(t1_spoilt_block_of_an_answer_chain_is_healed, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 7.6", NEED_VIRTUAL)        \
    CHECK(t1_late_answer_is_taken, "ISO/IEC 7816-3:2006, 11.4.3; smclib.md 5.5", NEED_VIRTUAL)                         \
    CHECK(t1_request_for_shorter_blocks_is_granted, "ISO/IEC 7816-3:2006, 11.6.2.3 rule 4", NEED_VIRTUAL)             \
    CHECK(t1_request_for_blocks_of_nothing_is_refused, "ISO/IEC 7816-3:2006, 11.4.2; docs/quirks.md", NEED_VIRTUAL)    \
    CHECK(t1_slow_card_gets_waiting_time, "ISO/IEC 7816-3:2006, 11.6.2.3 rule 3; smclib.md 5.5", NEED_VIRTUAL)         \
    CHECK(t1_spoilt_waiting_time_response_is_healed, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 7.3", NEED_VIRTUAL)           \
    CHECK(t1_waiting_time_without_end_can_be_cancelled, "DESIGN 5", NEED_VIRTUAL)                                      \
    CHECK(t1_spoilt_ifs_response_is_healed, "smclib.md 5.5", NEED_VIRTUAL)                                             \
    CHECK(t1_ifs_answered_by_an_r_block_is_a_protocol_error, "smclib.md 5.5", NEED_VIRTUAL)                            \
    CHECK(t1_unexpected_s_response_is_a_protocol_error, "smclib.md 5.5", NEED_VIRTUAL)                                 \
    CHECK(t1_vpp_error_is_a_power_failure, "smclib.md 5.5", NEED_VIRTUAL)                                              \
    CHECK(t1_card_with_the_standards_crc_is_a_protocol_error, "smclib.md 5.5; docs/quirks.md, T=1", NEED_VIRTUAL)      \
    CHECK(t1_mute_card_times_out_and_is_resynchronised, "smclib.md 3.6; ISO/IEC 7816-3:2006, 11.6.3.2 rule 6.4", NEED_VIRTUAL) \
    CHECK(t1_card_that_does_not_resynchronise_is_a_protocol_error, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 6.4", NEED_VIRTUAL) \
    CHECK(t1_two_spoilt_resynch_responses_are_healed, "ISO/IEC 7816-3:2006, 11.6.3.2 rule 6.4", NEED_VIRTUAL)          \
    CHECK(t1_cancelled_command_chain_is_forgotten, "DESIGN 5; docs/quirks.md", NEED_VIRTUAL)                           \
    CHECK(t1_card_that_leaves_before_the_exchange_is_no_media, "smclib.md 3.6", NEED_VIRTUAL)                          \
    CHECK(t1_card_that_leaves_during_the_exchange_is_no_media, "smclib.md 3.6", NEED_VIRTUAL)                          \
    CHECK(t1_card_that_leaves_after_the_exchange_has_answered, "smclib.md 3.6", NEED_VIRTUAL)                          \
    CHECK(t1_card_pulled_while_it_computes_is_no_media, "smclib.md 3.6", NEED_VIRTUAL)                                 \
    CHECK(t1_faults_at_random_end_in_the_right_answer_or_an_error, "DESIGN 1; smclib.md 5.5", NEED_VIRTUAL)

#define PART_D_SELECT(CHECK)                                                                                           \
    CHECK(protocol_cannot_be_selected_without_a_card, "smclib.md 3.5", NEED_VIRTUAL)                                   \
    CHECK(protocol_cannot_be_selected_without_power, "smclib.md 3.5", NEED_VIRTUAL)                                    \
    CHECK(output_below_4_is_too_small_for_the_protocol, "smclib.md 3.5", NEED_VIRTUAL)                                 \
    CHECK(t0_or_t1_is_t1, "smclib.md 3.5", NEED_VIRTUAL)                                                               \
    CHECK(t0_of_a_card_with_both, "smclib.md 3.5", NEED_VIRTUAL)                                                       \
    CHECK(t1_of_a_card_with_both, "smclib.md 3.5", NEED_VIRTUAL)                                                       \
    CHECK(t0_or_t1_of_a_card_with_t0_alone, "smclib.md 3.5, 5.2", NEED_VIRTUAL)                                        \
    CHECK(t0_or_t1_of_a_card_with_t1_alone, "smclib.md 3.5, 5.2", NEED_VIRTUAL)                                        \
    CHECK(raw_passes_with_any_card, "smclib.md 3.5", NEED_VIRTUAL)                                                     \
    CHECK(default_rate_can_be_asked_for, "smclib.md 3.5", NEED_VIRTUAL)                                                \
    CHECK(pps_agrees_on_the_best_rate, "ISO/IEC 7816-3:2006, 9.3", NEED_VIRTUAL)                                       \
    CHECK(card_that_refuses_a_rate_gets_a_slower_one, "ISO/IEC 7816-3:2006, 9.3", NEED_VIRTUAL)                        \
    CHECK(card_that_refuses_every_rate_gets_the_default_one, "ISO/IEC 7816-3:2006, 9.3", NEED_VIRTUAL)                 \
    CHECK(card_that_is_mute_to_pps_keeps_its_first_protocol, "ISO/IEC 7816-3:2006, 6.3.1, 9", NEED_VIRTUAL)            \
    CHECK(card_that_is_mute_to_pps_has_no_other_protocol, "ISO/IEC 7816-3:2006, 9", NEED_VIRTUAL)                      \
    CHECK(wrong_pps_responses_are_a_protocol_error, "ISO/IEC 7816-3:2006, 9.3", NEED_VIRTUAL)                          \
    CHECK(card_in_specific_mode_needs_no_selection, "ISO/IEC 7816-3:2006, 6.3.1; smclib.md 5.2", NEED_VIRTUAL)         \
    CHECK(selected_protocol_again_writes_nothing, "smclib.md 3.5", NEED_VIRTUAL)                                       \
    CHECK(protocol_that_the_card_has_not_is_not_supported, "smclib.md 3.5", NEED_VIRTUAL)                              \
    CHECK(refused_protocol_takes_the_selected_one_away, "smclib.md 3.5; docs/quirks.md", NEED_VIRTUAL)                 \
    CHECK(optimal_alone_is_not_supported, "smclib.md 3.5", NEED_VIRTUAL)                                               \
    CHECK(default_alone_is_not_supported, "smclib.md 3.5", NEED_VIRTUAL)                                               \
    CHECK(unknown_protocol_bits_are_not_supported, "smclib.md 3.5", NEED_VIRTUAL)                                      \
    CHECK(protocols_can_be_changed_any_number_of_times, "smclib.md 3.5; ISO/IEC 7816-3:2006, 6.3.1", NEED_VIRTUAL)     \
    CHECK(attributes_are_of_the_moment_when_the_operation_began, "DESIGN 5; docs/quirks.md", NEED_VIRTUAL)             \
    CHECK(attributes_tell_the_parameters_of_t0, "smclib.md 1.2", NEED_VIRTUAL)                                         \
    CHECK(attributes_tell_the_parameters_of_t1, "smclib.md 1.2", NEED_VIRTUAL)                                         \
    CHECK(attributes_tell_the_rate_of_the_answer_to_reset, "smclib.md 1.2; docs/quirks.md", NEED_VIRTUAL)
/* clang-format on */

#define DECLARE(name, source, needs) void name(struct suite *suite);
PART_D_READER(DECLARE)
PART_D_FRAME(DECLARE)
PART_D_T0(DECLARE)
PART_D_T1(DECLARE)
PART_D_BAD(DECLARE)
PART_D_SELECT(DECLARE)
#undef DECLARE

#endif
