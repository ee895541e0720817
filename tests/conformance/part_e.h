/* SPDX-License-Identifier: MIT */
/*
 * Part E, power: which checks there are, and on what each rests. A check is a row of one of the lists (name, source,
 * needs) and a function of the same name.
 *
 *   part_e.c         the table; resets, power down, answers to reset
 *   part_e_card.c    resets that go wrong, and cards that leave
 *   part_e_unplug.c  readers that leave
 */
#ifndef CONFORMANCE_PART_E_H
#define CONFORMANCE_PART_E_H

#include "suite.h"

#define E_T1_CARD   "echo atr=3B800181"       /* T=1 alone, at the default rate: a reset leads to SPECIFIC */
#define E_BOTH_CARD "echo atr=3B808031FE05CA" /* T=0 and T=1: NEGOTIABLE */

/* POWER with this minor code and room for so many bytes. */
struct io *power(struct suite *suite, HANDLE handle, DWORD minor, DWORD out_size);

/* A T=1 exchange through the selected protocol: the card works. */
void expect_t1_works(struct suite *suite, HANDLE reader);

/* clang-format off */
#define PART_E_POWER(CHECK)                                                                                            \
    CHECK(any_card_answers_a_cold_reset_with_2_to_33_bytes, "smclib.md 3.4; ISO/IEC 7816-3:2006, 8.2.1", NEED_CARD)    \
    CHECK(any_card_answers_a_warm_reset_with_2_to_33_bytes, "smclib.md 3.4; ISO/IEC 7816-3:2006, 6.2.3", NEED_CARD)    \
    CHECK(any_card_is_down_and_up_again, "smclib.md 3.4", NEED_CARD)                                                   \
    CHECK(atr_attribute_is_the_answer_to_reset, "smclib.md 1.2", NEED_CARD)                                            \
    CHECK(output_of_32_bytes_is_too_small_for_a_reset, "smclib.md 3.4", NEED_CARD)                                     \
    CHECK(output_of_33_bytes_is_enough_for_a_reset, "smclib.md 3.4", NEED_CARD)                                        \
    CHECK(power_down_needs_no_output, "smclib.md 3.4", NEED_CARD)                                                      \
    CHECK(refused_reset_forgets_the_card_and_keeps_the_state, "smclib.md 3.4", NEED_CARD)                              \
    CHECK(minor_code_above_2_is_refused, "smclib.md 3.4", NEED_CARD)                                                   \
    CHECK(input_below_4_bytes_repeats_the_reset_before, "smclib.md 3.0, 3.4", NEED_CARD)                               \
    CHECK(input_below_4_bytes_repeats_the_power_down_before, "smclib.md 3.0, 3.4", NEED_CARD)                          \
    CHECK(input_below_4_bytes_takes_another_requests_minor_code, "smclib.md 3.0, 3.4", NEED_CARD)                      \
    CHECK(reset_forgets_the_protocol, "smclib.md 3.4", NEED_CARD)                                                      \
    CHECK(cold_reset_without_a_card_is_refused, "smclib.md 3.4", NEED_VIRTUAL)                                         \
    CHECK(warm_reset_without_a_card_is_refused, "smclib.md 3.4", NEED_VIRTUAL)                                         \
    CHECK(power_down_without_a_card_is_refused, "smclib.md 3.4", NEED_VIRTUAL)                                         \
    CHECK(cold_reset_of_a_present_card, "smclib.md 3.4, 5.2", NEED_VIRTUAL)                                            \
    CHECK(warm_reset_of_a_present_card_is_a_cold_one, "ISO/IEC 7816-3:2006, 6.2.1", NEED_VIRTUAL)                      \
    CHECK(power_down_of_a_present_card, "smclib.md 3.4", NEED_VIRTUAL)                                                 \
    CHECK(cold_reset_in_negotiable_mode, "smclib.md 3.4, 5.2", NEED_VIRTUAL)                                           \
    CHECK(warm_reset_in_negotiable_mode, "smclib.md 3.4, 5.2", NEED_VIRTUAL)                                           \
    CHECK(power_down_in_negotiable_mode, "smclib.md 3.4", NEED_VIRTUAL)                                                \
    CHECK(cold_reset_with_a_protocol_selected, "smclib.md 3.4, 5.2", NEED_VIRTUAL)                                     \
    CHECK(warm_reset_with_a_protocol_selected, "smclib.md 3.4, 5.2", NEED_VIRTUAL)                                     \
    CHECK(power_down_with_a_protocol_selected, "smclib.md 3.4", NEED_VIRTUAL)                                          \
    CHECK(reset_to_a_protocol_of_its_own_is_specific_at_once, "smclib.md 5.2", NEED_VIRTUAL)                           \
    CHECK(state_is_powered_while_the_answer_comes, "smclib.md 3.2, 3.4", NEED_VIRTUAL)                                 \
    CHECK(answer_to_reset_of_2_bytes, "ISO/IEC 7816-3:2006, 8.2.1", NEED_VIRTUAL)                                      \
    CHECK(answer_to_reset_of_32_bytes, "ISO/IEC 7816-3:2006, 8.2.1", NEED_VIRTUAL)                                     \
    CHECK(answer_to_reset_of_33_bytes, "ISO/IEC 7816-3:2006, 8.2.1", NEED_VIRTUAL)                                     \
    CHECK(answer_to_reset_with_0_to_15_historical_bytes, "ISO/IEC 7816-3:2006, 8.2.4", NEED_VIRTUAL)                   \
    CHECK(answer_to_reset_in_the_inverse_convention, "ISO/IEC 7816-3:2006, 8.1; smclib.md 5.2", NEED_VIRTUAL)          \
    CHECK(warm_reset_may_be_answered_otherwise, "ISO/IEC 7816-3:2006, 6.3.1", NEED_VIRTUAL)

#define PART_E_CARD(CHECK)                                                                                             \
    CHECK(mute_card_times_out_and_loses_its_power, "smclib.md 3.4; ISO/IEC 7816-3:2006, 6.2.2", NEED_VIRTUAL)          \
    CHECK(answer_that_does_not_begin_with_ts_is_unrecognized, "smclib.md 5.2; ISO/IEC 7816-3:2006, 8.1", NEED_VIRTUAL) \
    CHECK(answer_with_a_wrong_tck_is_unrecognized, "smclib.md 5.2; ISO/IEC 7816-3:2006, 8.2.5", NEED_VIRTUAL)          \
    CHECK(answer_that_breaks_off_is_unrecognized, "smclib.md 5.2; ISO/IEC 7816-3:2006, 8.1", NEED_VIRTUAL)             \
    CHECK(parity_error_in_the_answer_is_repaired_by_a_card_with_t0, "ISO/IEC 7816-3:2006, 7.3", NEED_VIRTUAL)          \
    CHECK(parity_error_in_the_answer_of_a_card_with_t1_alone_is_unrecognized, "ISO/IEC 7816-3:2006, 7.3", NEED_VIRTUAL) \
    CHECK(card_whose_answer_is_always_wrong_stays_present, "smclib.md 5.2", NEED_VIRTUAL)                              \
    CHECK(slow_reset_can_be_cancelled, "DESIGN 5", NEED_VIRTUAL)                                                       \
    CHECK(card_that_leaves_before_its_reset_is_no_media, "smclib.md 3.4", NEED_VIRTUAL)                                \
    CHECK(card_that_leaves_during_its_reset_is_no_media, "smclib.md 3.4", NEED_VIRTUAL)                                \
    CHECK(card_that_leaves_after_its_reset_has_answered, "smclib.md 3.4", NEED_VIRTUAL)                                \
    CHECK(state_is_absent_and_present_as_cards_come_and_go, "smclib.md 1.3, 3.2", NEED_VIRTUAL)                        \
    CHECK(next_card_has_no_protocol_of_the_one_before, "smclib.md 3.5, 3.6", NEED_VIRTUAL)                             \
    CHECK(next_card_has_no_answer_to_reset_of_the_one_before, "smclib.md 1.2, 3.4", NEED_VIRTUAL)                      \
    CHECK(next_cards_protocol_cannot_be_selected_by_the_answer_of_the_one_before, "smclib.md 3.5", NEED_VIRTUAL)       \
    CHECK(cards_pulled_at_random_end_everything_once, "DESIGN 1, 5", NEED_VIRTUAL)                                     \
    CHECK(sequence_numbers_begin_anew_with_a_reset, "ISO/IEC 7816-3:2006, 11.6.2.1; smclib.md 5.5", NEED_VIRTUAL)      \
    CHECK(fifty_cards_come_and_go, "smclib.md 3.4", NEED_VIRTUAL)

#define PART_E_UNPLUG(CHECK)                                                                                           \
    CHECK(unplugged_reader_ends_its_transmission, "DESIGN 5", NEED_VIRTUAL | NEED_UNPLUG)                              \
    CHECK(unplugged_reader_ends_its_reset, "DESIGN 5", NEED_VIRTUAL | NEED_UNPLUG)                                     \
    CHECK(unplugged_reader_ends_is_present, "DESIGN 5", NEED_UNPLUG)                                                   \
    CHECK(unplugged_reader_ends_is_absent, "DESIGN 5", NEED_VIRTUAL | NEED_UNPLUG)                                     \
    CHECK(unplugged_reader_ends_everything_that_is_queued, "DESIGN 5", NEED_VIRTUAL | NEED_UNPLUG)                     \
    CHECK(unplugged_reader_ends_requests_of_every_handle, "DESIGN 5", NEED_VIRTUAL | NEED_UNPLUG)                      \
    CHECK(unplugged_reader_refuses_later_requests, "DESIGN 5", NEED_UNPLUG | NEED_GONE)                                \
    CHECK(unplugged_reader_still_tells_its_last_error, "DESIGN 4", NEED_UNPLUG | NEED_GONE)                            \
    CHECK(unplugged_readers_last_error_is_the_removal, "DESIGN 4", NEED_VIRTUAL | NEED_UNPLUG | NEED_GONE)             \
    CHECK(unplugged_reader_cannot_be_opened, "DESIGN 5", NEED_UNPLUG)                                                  \
    CHECK(unplugged_readers_handle_can_be_closed, "DESIGN 5", NEED_UNPLUG)                                             \
    CHECK(unplugged_reader_does_not_disturb_another, "DESIGN 5", NEED_VIRTUAL | NEED_UNPLUG)                           \
    CHECK(reader_that_is_plugged_in_again_works, "DESIGN 5", NEED_VIRTUAL | NEED_UNPLUG)                               \
    CHECK(idle_reader_can_be_unplugged, "DESIGN 5", NEED_UNPLUG)                                                       \
    CHECK(readers_unplugged_at_random_end_everything_once, "DESIGN 1, 5", NEED_VIRTUAL | NEED_UNPLUG)
/* clang-format on */

#define DECLARE(name, source, needs) void name(struct suite *suite);
PART_E_POWER(DECLARE)
PART_E_CARD(DECLARE)
PART_E_UNPLUG(DECLARE)
#undef DECLARE

#endif
