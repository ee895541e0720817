/* SPDX-License-Identifier: MIT */
/* The echo card: data come back, Le gets a counting pattern. */
#include "cards_kit.h"

static void the_atr_is_the_echo_cards(void **state)
{
    struct card *card = card_make("echo");

    (void)state;
    card_resets(card, "3B 94 95 C0 02 31 FE 15 65 63 68 6F 18");
    card->kind->destroy(card);
}

static void every_case_gets_its_answer(void **state)
{
    struct card *card = card_make("echo");

    (void)state;
    card_says(card, "00 01 00 00", "90 00");
    card_says(card, "00 01 00 00 04", "00 01 02 03 90 00");
    card_says(card, "00 01 00 00 03 AA BB CC", "AA BB CC 90 00");
    card_says(card, "00 01 00 00 03 AA BB CC 00", "AA BB CC 90 00");
    card_says(card, "00 01 00 00 03 AA BB CC 02", "AA BB 90 00");
    card_says(card, "00 01 00", "67 00");
    card_says(card, "00 01 00 00 05 AA", "67 00");
    card->kind->destroy(card);
}

static void the_longest_answer_fits(void **state)
{
    struct card *card = card_make("echo");
    UCHAR *response = malloc(CARD_MAX_RESPONSE);
    ULONG length = CARD_MAX_RESPONSE;

    (void)state;
    assert_int_equal(card->kind->command(card, 1, (const UCHAR *)"\0\1\0\0\0\0\0", 7, response, &length),
                     STATUS_SUCCESS);
    assert_int_equal(length, 65538);
    assert_int_equal(response[0], 0x00);
    assert_int_equal(response[65535], 0xFF);
    assert_int_equal(response[65536], 0x90);
    free(response);
    card->kind->destroy(card);
}

static void the_delay_is_told(void **state)
{
    struct card *card = card_make("echo delay=250");
    struct card *other;

    (void)state;
    assert_int_equal(card->kind->delay_ms(card), 250);
    card->kind->destroy(card);
    assert_int_equal(card_try("echo delay=soon", &other), STATUS_INVALID_PARAMETER);
    assert_string_equal(test_why, "delay wants milliseconds, at most 3600000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_atr_is_the_echo_cards),
        cmocka_unit_test(every_case_gets_its_answer),
        cmocka_unit_test(the_longest_answer_fits),
        cmocka_unit_test(the_delay_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
