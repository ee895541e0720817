/* SPDX-License-Identifier: MIT */
/* The file system card: what ISO/IEC 7816-4 says about each command, APDU in, APDU out. */
#include "cards_kit.h"

#define APP1 "F0 73 6D 61 72 74 63 72 64 01"
#define APP2 "F0 73 6D 61 72 74 63 72 64 02"

static int setup(void **state)
{
    *state = card_make("fs");
    card_resets(*state, "3B 95 95 C0 02 31 FE 15 80 73 B6 21 40 3C");
    return 0;
}

static int teardown(void **state)
{
    struct card *card = *state;
    card->kind->destroy(card);
    return 0;
}

static void select_finds_files_in_all_its_forms(void **state)
{
    card_says(*state, "00 A4 00 0C 02 3F 00", "90 00");
    card_says(*state, "00 A4 00 0C", "90 00");
    card_says(*state, "00 A4 01 0C 02 7F 10", "90 00");
    card_says(*state, "00 A4 02 0C 02 01 01", "90 00");
    card_says(*state, "00 A4 03 0C", "90 00");
    card_says(*state, "00 A4 04 0C 0A " APP2, "90 00");
    card_says(*state, "00 A4 08 0C 04 7F 10 01 04", "90 00");
    card_says(*state, "00 A4 00 0C 02 3F 00", "90 00");
    card_says(*state, "00 A4 09 0C 04 7F 20 01 01", "90 00");
    card_says(*state, "00 B0 00 00 06", "73 65 63 6F 6E 64 90 00");
}

static void select_by_identifier_sees_children_self_parent_and_siblings(void **state)
{
    card_says(*state, "00 A4 00 0C 02 7F 10", "90 00");
    card_says(*state, "00 A4 00 0C 02 7F 10", "90 00");
    card_says(*state, "00 A4 00 0C 02 7F 20", "90 00");
    card_says(*state, "00 A4 00 0C 02 2F 00", "6A 82"); /* an EF of the parent is not seen */
    card_says(*state, "00 A4 00 0C 02 3F 00", "90 00");
    card_says(*state, "00 A4 00 0C 02 01 01", "6A 82"); /* nor one of a child */
}

static void select_answers_with_the_template_that_p2_asks_for(void **state)
{
    card_says(*state, "00 A4 00 00 02 2F 02 00", "6F 11 80 02 00 0A 82 01 01 83 02 2F 02 88 01 10 8A 01 05 90 00");
    card_says(*state, "00 A4 00 04 02 2F 02 00", "62 11 80 02 00 0A 82 01 01 83 02 2F 02 88 01 10 8A 01 05 90 00");
    card_says(*state, "00 A4 00 08 02 2F 02 00", "64 00 90 00");
    card_says(*state, "00 A4 00 04 02 7F 10 00", "62 16 82 01 38 83 02 7F 10 84 0A " APP1 " 8A 01 05 90 00");
    card_says(*state, "00 A4 00 04 02 01 02 00",
              "62 15 80 02 00 88 82 05 02 01 00 10 03 83 02 01 02 88 01 10 8A 01 05 90 00");
    card_says(*state, "00 A4 00 04 02 01 02 03", "62 15 80 90 00"); /* no more than Le */
}

static void select_refuses_what_it_cannot_do(void **state)
{
    card_says(*state, "00 A4 00 0C 02 12 34", "6A 82");
    card_says(*state, "00 A4 00 0C 03 3F 00 00", "6A 87");
    card_says(*state, "00 A4 05 0C 02 3F 00", "6A 86");
    card_says(*state, "00 A4 00 0E 02 3F 00", "6A 86");
    card_says(*state, "00 A4 08 0C 03 7F 10 01", "6A 87");
    card_says(*state, "00 A4 08 0C 04 2F 02 01 01", "6A 82"); /* a path does not lead through an EF */
    card_says(*state, "00 A4 02 0C 02 7F 10", "6A 82");       /* a DF is no EF */
    card_says(*state, "00 A4 01 0C 02 2F 02", "6A 82");
}

static void select_by_name_takes_a_part_and_the_next(void **state)
{
    card_says(*state, "00 A4 04 04 03 F0 73 6D 00", "62 16 82 01 38 83 02 7F 10 84 0A " APP1 " 8A 01 05 90 00");
    card_says(*state, "00 A4 04 06 03 F0 73 6D 00", "62 16 82 01 38 83 02 7F 20 84 0A " APP2 " 8A 01 05 90 00");
    card_says(*state, "00 A4 04 06 03 F0 73 6D 00", "6A 82");
    card_says(*state, "00 A4 04 0C 02 F1 73", "6A 82");
}

static void read_binary_by_offset_and_by_sfi(void **state)
{
    card_says(*state, "00 B0 00 00 04", "69 86"); /* no current EF */
    card_says(*state, "00 A4 04 0C 0A " APP1, "90 00");
    card_says(*state, "00 B0 81 00 08", "73 6D 61 72 74 63 72 64 90 00");
    card_says(*state, "00 B0 00 09 06", "73 61 6D 70 6C 65 90 00");
    card_says(*state, "00 B0 81 09 06", "73 61 6D 70 6C 65 90 00");
    card_says(*state, "00 B0 9F 00 06", "6A 82");
    card_says(*state, "00 B0 82 00 06", "69 81"); /* a record file */
    card_says(*state, "00 B0 A1 00 06", "6A 86");
}

static void read_binary_tells_the_end_of_the_file(void **state)
{
    card_says(*state, "00 A4 04 0C 0A " APP1, "90 00");
    card_says(*state, "00 B0 81 1E 04", "00 00 62 82");
    card_says(*state, "00 B0 81 1E 00", "00 00 90 00"); /* Le = 00 asks for all there is */
    card_says(*state, "00 B0 81 20 01", "6B 00");
    card_says(*state, "00 B0 81 20", "67 00"); /* no Le */
    card_says(*state, "00 B0 81 1E 00 00 00", "00 00 90 00");
}

static void update_binary_changes_the_file(void **state)
{
    card_says(*state, "00 A4 04 0C 0A " APP1, "90 00");
    card_says(*state, "00 D6 81 00 02 AA BB", "90 00");
    card_says(*state, "00 B0 81 00 03", "AA BB 61 90 00");
    card_says(*state, "00 D6 81 1F 02 AA BB", "67 00");
    card_says(*state, "00 D6 81 20 01 AA", "6B 00");
    card_says(*state, "00 A4 00 0C 02 3F 00", "90 00");
    card_says(*state, "00 D6 82 00 01 AA", "69 82"); /* never */
}

static void records_are_read_by_number_and_place(void **state)
{
    card_says(*state, "00 A4 04 0C 0A " APP1, "90 00");
    card_says(*state, "00 B2 01 14 00", "41 64 61 20 4C 6F 76 65 6C 61 63 65 20 20 20 20 90 00");
    card_says(*state, "00 B2 03 04 05", "47 72 61 63 65 90 00");
    card_says(*state, "00 B2 04 04 00", "6A 83");
    card_says(*state, "00 B2 00 02 04", "41 64 61 20 90 00");    /* next: the first */
    card_says(*state, "00 B2 00 02 04", "41 6C 61 6E 90 00");    /* next */
    card_says(*state, "00 B2 00 03 04", "41 64 61 20 90 00");    /* previous */
    card_says(*state, "00 B2 00 01 05", "47 72 61 63 65 90 00"); /* last */
    card_says(*state, "00 B2 00 02 05", "6A 83");                /* nothing behind the last */
    card_says(*state, "00 B2 02 05 13", "41 6C 61 6E 20 54 75 72 69 6E 67 20 20 20 20 20 47 72 61 90 00");
    card_says(*state, "00 B2 01 F4 00", "6A 82");
    card_says(*state, "00 B2 01 FC 00", "6A 86");
    card_says(*state, "00 B2 01 07 00", "6A 86");
}

static void records_are_updated_and_appended(void **state)
{
    card_says(*state, "00 A4 04 0C 0A " APP1, "90 00");
    card_says(*state, "00 DC 01 14 10 58 58 58 58 58 58 58 58 58 58 58 58 58 58 58 58", "90 00");
    card_says(*state, "00 B2 01 14 02", "58 58 90 00");
    card_says(*state, "00 DC 01 14 02 58 58", "67 00"); /* fixed records have one length */
    card_says(*state, "00 DC 09 14 10 58 58 58 58 58 58 58 58 58 58 58 58 58 58 58 58", "6A 83");
    for (int i = 0; i < 5; i++) {
        card_says(*state, "00 E2 00 10 10 59 59 59 59 59 59 59 59 59 59 59 59 59 59 59 59", "90 00");
    }
    card_says(*state, "00 E2 00 10 10 59 59 59 59 59 59 59 59 59 59 59 59 59 59 59 59", "6A 84");
    card_says(*state, "00 E2 00 30 03 01 02 03", "90 00"); /* a variable one */
    card_says(*state, "00 B2 02 34 00", "01 02 03 90 00");
    card_says(*state, "00 DC 02 34 01 09", "90 00");
    card_says(*state, "00 B2 02 34 00", "09 90 00");
}

static void a_cyclic_file_has_the_newest_record_first(void **state)
{
    card_says(*state, "00 A4 04 0C 0A " APP1, "90 00");
    card_says(*state, "00 B2 01 1C 00", "65 6E 74 72 79 20 30 31 90 00");
    card_says(*state, "00 E2 00 18 08 02 02 02 02 02 02 02 02", "90 00");
    card_says(*state, "00 DC 00 1B 08 03 03 03 03 03 03 03 03", "90 00"); /* previous: over the oldest */
    card_says(*state, "00 E2 00 18 08 04 04 04 04 04 04 04 04", "90 00");
    card_says(*state, "00 B2 04 1C 00", "65 6E 74 72 79 20 30 31 90 00");
    card_says(*state, "00 E2 00 18 08 05 05 05 05 05 05 05 05", "90 00");
    card_says(*state, "00 B2 01 1C 01", "05 90 00");
    card_says(*state, "00 B2 02 1C 01", "04 90 00");
    card_says(*state, "00 B2 03 1C 01", "03 90 00");
    card_says(*state, "00 B2 04 1C 01", "02 90 00");
    card_says(*state, "00 B2 05 1C 01", "6A 83");
}

static void verify_counts_down_and_blocks(void **state)
{
    card_says(*state, "00 A4 04 0C 0A " APP1, "90 00");
    card_says(*state, "00 B0 84 00 0A", "69 82");
    card_says(*state, "00 20 00 01", "63 C3");
    card_says(*state, "00 20 00 01 04 31 31 31 31", "63 C2");
    card_says(*state, "00 20 00 01 08 31 32 33 34 FF FF FF FF", "90 00");
    card_says(*state, "00 20 00 01", "90 00");
    card_says(*state, "00 B0 84 00 06", "62 65 68 69 6E 64 90 00");
    card_says(*state, "00 20 00 01 04 31 32 33 35", "63 C2");
    card_says(*state, "00 B0 84 00 06", "69 82"); /* a wrong PIN takes the right away */
    card_says(*state, "00 20 00 01 05 31 32 33 34 35", "63 C1");
    card_says(*state, "00 20 00 01 02 31 32", "63 C0");
    card_says(*state, "00 20 00 01 04 31 32 33 34", "69 83");
    card_says(*state, "00 20 00 01", "69 83");
    card_says(*state, "00 20 00 02 04 31 32 33 34", "6A 88");
    card_says(*state, "00 20 01 01 04 31 32 33 34", "6A 86");
}

static void the_counter_survives_a_reset_and_the_verification_does_not(void **state)
{
    card_says(*state, "00 20 00 01 04 31 31 31 31", "63 C2");
    card_resets(*state, "3B 95 95 C0 02 31 FE 15 80 73 B6 21 40 3C");
    card_says(*state, "00 20 00 01", "63 C2");
    card_says(*state, "00 20 00 01 04 31 32 33 34", "90 00");
    card_resets(*state, "3B 95 95 C0 02 31 FE 15 80 73 B6 21 40 3C");
    card_says(*state, "00 20 00 01", "63 C3");
}

static void change_reference_data_changes_the_pin(void **state)
{
    card_says(*state, "00 24 00 01 10 31 32 33 34 FF FF FF FF 35 36 37 38 39 FF FF FF", "90 00");
    card_says(*state, "00 20 00 01 04 31 32 33 34", "63 C2");
    card_says(*state, "00 20 00 01 05 35 36 37 38 39", "90 00");
    card_says(*state, "00 24 00 01 10 35 36 37 38 39 FF FF FF 41 FF FF FF FF FF FF FF", "6A 80");
    card_says(*state, "00 24 00 01 04 35 36 37 38", "67 00");
}

static void get_challenge_repeats_for_the_same_seed(void **state)
{
    struct card *other = card_make("fs seed=1");
    UCHAR one[18], two[18];
    ULONG length = CARD_MAX_RESPONSE;
    UCHAR *response = malloc(CARD_MAX_RESPONSE);
    static const UCHAR command[] = {0x00, 0x84, 0x00, 0x00, 0x10};
    struct card *card = *state;

    card->kind->command(card, 1, command, 5, response, &length);
    assert_int_equal(length, 18);
    memcpy(one, response, 18);
    length = CARD_MAX_RESPONSE;
    other->kind->command(other, 1, command, 5, response, &length);
    assert_memory_equal(one, response, 18);
    length = CARD_MAX_RESPONSE;
    other->kind->command(other, 1, command, 5, response, &length);
    memcpy(two, response, 18);
    assert_memory_not_equal(one, two, 16);
    free(response);
    other->kind->destroy(other);
}

static void extended_lengths_reach_a_whole_file(void **state)
{
    static UCHAR response[CARD_MAX_RESPONSE], command[7 + 4096];
    ULONG length = sizeof response;
    struct card *card = *state;

    card_says(card, "00 A4 08 0C 04 7F 10 01 05", "90 00");
    memcpy(command, "\x00\xD6\x00\x00\x00\x10\x00", 7);
    for (size_t i = 0; i < 4096; i++) {
        command[7 + i] = (UCHAR)(i * 7);
    }
    assert_int_equal(card->kind->command(card, 1, command, sizeof command, response, &length), STATUS_SUCCESS);
    bytes_equal(response, length, "90 00", "UPDATE BINARY");
    length = sizeof response;
    assert_int_equal(card->kind->command(card, 1, (const UCHAR *)"\x00\xB0\x00\x00\x00\x00\x00", 7, response, &length),
                     STATUS_SUCCESS);
    assert_int_equal(length, 4098);
    assert_memory_equal(response, command + 7, 4096);
}

static void wrong_classes_instructions_and_lengths_get_their_status_words(void **state)
{
    card_says(*state, "80 A4 00 00", "6E 00");
    card_says(*state, "10 A4 00 00", "68 84");
    card_says(*state, "0C A4 00 00", "68 82");
    card_says(*state, "01 A4 00 00", "68 81");
    card_says(*state, "00 F8 00 00", "6D 00");
    card_says(*state, "00 A4 00", "67 00");
    card_says(*state, "00 A4 00 00 05 01", "67 00");
    card_says(*state, "00 CA 00 5A 00", "5A 08 10 00 00 00 00 00 00 01 90 00");
    card_says(*state, "00 CA 00 5B 00", "6A 88");
}

static void options_are_checked(void **state)
{
    struct card *card;

    (void)state;
    assert_int_equal(card_try("fs pin=12", &card), STATUS_INVALID_PARAMETER);
    assert_string_equal(test_why, "pin wants 4 to 8 digits");
    assert_int_equal(card_try("fs tries=16", &card), STATUS_INVALID_PARAMETER);
    assert_string_equal(test_why, "tries wants a number of at most 15");
    assert_int_equal(card_try("fs colour=red", &card), STATUS_INVALID_PARAMETER);
    card = card_make("fs pin=87654321 tries=1");
    card_says(card, "00 20 00 01 08 38 37 36 35 34 33 32 31", "90 00");
    card_says(card, "00 20 00 01 04 31 32 33 34", "63 C0");
    card_says(card, "00 20 00 01 08 38 37 36 35 34 33 32 31", "69 83");
    card->kind->destroy(card);
}

/* Any header, any length of what follows: an answer of at least two bytes, and no byte out of bounds (sanitizers). */
static void any_command_gets_an_answer(void **state)
{
    static UCHAR response[CARD_MAX_RESPONSE];
    struct card *card = *state;
    uint32_t x = 12345;

    for (int round = 0; round < 200000; round++) {
        static const UCHAR ins[] = {0xA4, 0xB0, 0xD6, 0xB2, 0xDC, 0xE2, 0x20, 0x24, 0x84, 0xCA};
        UCHAR bytes[40];
        ULONG length = sizeof response;

        for (size_t i = 0; i < sizeof bytes; i++) {
            x = x * 1664525u + 1013904223u;
            bytes[i] = (UCHAR)(x >> 24);
        }
        bytes[0] = 0;
        bytes[1] = ins[bytes[1] % sizeof ins];
        bytes[2] &= 0x8F;
        bytes[3] &= 0x3F;
        ULONG size = bytes[39] % 30u;
        if (size > 5) {
            bytes[4] = (UCHAR)(size - 5);
        }
        UCHAR *exact = malloc(size + 1);
        memcpy(exact, bytes, size);
        assert_int_equal(card->kind->command(card, 1, exact, size, response, &length), STATUS_SUCCESS);
        assert_in_range(length, 2, sizeof response);
        free(exact);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(select_finds_files_in_all_its_forms),
        T(select_by_identifier_sees_children_self_parent_and_siblings),
        T(select_answers_with_the_template_that_p2_asks_for),
        T(select_refuses_what_it_cannot_do),
        T(select_by_name_takes_a_part_and_the_next),
        T(read_binary_by_offset_and_by_sfi),
        T(read_binary_tells_the_end_of_the_file),
        T(update_binary_changes_the_file),
        T(records_are_read_by_number_and_place),
        T(records_are_updated_and_appended),
        T(a_cyclic_file_has_the_newest_record_first),
        T(verify_counts_down_and_blocks),
        T(the_counter_survives_a_reset_and_the_verification_does_not),
        T(change_reference_data_changes_the_pin),
        T(get_challenge_repeats_for_the_same_seed),
        T(extended_lengths_reach_a_whole_file),
        T(wrong_classes_instructions_and_lengths_get_their_status_words),
        T(any_command_gets_an_answer),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
