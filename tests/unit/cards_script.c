/* SPDX-License-Identifier: MIT */
/* The scripted card: its language, its order, and every mistake told with its line. */
#include "cards_kit.h"

static void script_plays(const char *text, const char *const *pairs)
{
    struct card *card = card_make(text);

    for (; pairs[0] != NULL; pairs += 2) {
        card_says(card, pairs[0], pairs[1]);
    }
    card->kind->destroy(card);
}

static void refused(const char *text, const char *why)
{
    struct card *card;

    assert_int_equal(card_try(text, &card), STATUS_INVALID_PARAMETER);
    assert_string_equal(test_why, why);
}

static void in_order_each_command_comes_in_its_turn(void **state)
{
    static const char *const pairs[] = {"00A40000", "9000", "00B0000002", "01029000", "00B0000002", "6F00", NULL};

    (void)state;
    script_plays("script\n# a comment\n> 00 A4 00 00\n< 9000\n\n> 00B0 0000 02\n< 01 02\n< 90 00\n", pairs);
}

static void a_command_out_of_order_does_not_move_the_script(void **state)
{
    static const char *const pairs[] = {"00B0000002", "6F00", "00A40000", "9000", "00B0000002", "9001", NULL};

    (void)state;
    script_plays("script\n> 00A40000\n< 9000\n> 00B0000002\n< 9001", pairs);
}

static void patterns_take_unknown_digits_and_rests(void **state)
{
    static const char *const pairs[] = {"00A4040C021234", "9000",     "00A40000", "9000", "00A5",
                                        "6F00",           "80CA0102", "9001",     NULL};

    (void)state;
    script_plays("script\nmatch\n> 00 A4 *\n< 9000\n> ?0 CA 01 0?\n< 9001\n", pairs);
}

static void match_answers_again_and_again(void **state)
{
    static const char *const pairs[] = {"0001", "9001", "0002", "9002", "0001", "9001", "0003", "6D00", NULL};

    (void)state;
    script_plays("script\nelse\n< 6D00\nmatch\n> 0001\n< 9001\n> 0002\n< 9002\n", pairs);
}

static void repeats_nest_and_end(void **state)
{
    static const char *const pairs[] = {"01",   "9001", "02",   "9002", "02",   "9002", "01",   "9001", "02",
                                        "9002", "02",   "9002", "03",   "9003", "03",   "6F00", NULL};

    (void)state;
    script_plays("script\nrepeat 2\n> 01\n< 9001\nrepeat 2\n> 02\n< 9002\nend\nend\n> 03\n< 9003\n", pairs);
}

static void a_repeat_without_number_never_ends(void **state)
{
    struct card *card = card_make("script\nrepeat\n> 01\n< 9001\nend\n> 02\n< 9002");

    (void)state;
    for (int i = 0; i < 1000; i++) {
        card_says(card, "01", "9001");
    }
    card_says(card, "02", "6F00");
    card->kind->destroy(card);
}

static void a_reset_starts_the_script_anew(void **state)
{
    struct card *card = card_make("script\natr 3B 00\n> 01\n< 9001\n> 02\n< 9002");

    (void)state;
    card_says(card, "01", "9001");
    card_resets(card, "3B 00");
    card_says(card, "01", "9001");
    card_says(card, "02", "9002");
    card->kind->destroy(card);
}

static void waits_mute_and_leave(void **state)
{
    struct card *card = card_make("script\n> 01\nwait 30\nwait 12\n< 9001\n> 02\nmute\n> 03\nleave\n> 04\n< 9004");
    UCHAR response[8];
    UCHAR command = 0x02;
    ULONG length = sizeof response;

    (void)state;
    card_says(card, "01", "9001");
    assert_int_equal(card->kind->delay_ms(card), 42);
    assert_int_equal(card->kind->command(card, 1, &command, 1, response, &length), STATUS_IO_TIMEOUT);
    command = 0x03;
    assert_int_equal(card->kind->command(card, 1, &command, 1, response, &length), STATUS_NO_MEDIA);
    card_says(card, "04", "9004");
    assert_int_equal(card->kind->delay_ms(card), 0);
    card->kind->destroy(card);
}

static void mistakes_are_told_with_their_line(void **state)
{
    (void)state;
    refused("script\n> 01\n< 9000\n< 0", "line 3: an answer is bytes of two hex digits");
    refused("script\nhello", "line 1: a line begins with > < atr order match wait mute leave repeat end else or #");
    refused("script\n< 9000", "line 1: an answer must stand behind a command or else, and not behind mute or leave");
    refused("script\n> 0", "line 1: a command is bytes of two hex digits or ?, and * at the end");
    refused("script\n> * 00", "line 1: * must be the pattern's end");
    refused("script\n>\n", "line 1: > wants a command");
    refused("script\n> 01\n> 02\n< 9000",
            "line 2: the command before has no answer of at least 2 bytes (SW1 SW2), no mute and no leave");
    refused("script\n> 01\n< 90",
            "line 2: the command before has no answer of at least 2 bytes (SW1 SW2), no mute and no leave");
    refused("script\nrepeat x", "line 1: repeat wants a number from 1 on, or nothing for ever");
    refused("script\nrepeat 2\n", "line 1: a repeat has no end");
    refused("script\nrepeat 2\nend", "line 2: there is no command between repeat and end");
    refused("script\nend", "line 1: end without repeat");
    refused("script\nwait 5", "line 1: wait must stand behind a command or else, and not behind mute or leave");
    refused("script\n> 01\nwait soon\n< 9000", "line 2: wait wants milliseconds, at most 3600000");
    refused("script\natr 3", "line 1: atr wants 2 to 33 bytes of two hex digits");
    refused("script\nmatch now", "line 1: there is too much in the line");
    refused("script\nelse\n< 6D00\nelse\n< 6D00", "line 3: there is an else already");
    refused("script\n> 01\nmute\n< 9000",
            "line 3: an answer must stand behind a command or else, and not behind mute or leave");
    refused("script speed=1", "there is no option speed");
}

/* Random lines out of the language's words: parsed or refused, and what was parsed plays to any command. */
static void any_text_is_parsed_or_refused(void **state)
{
    static const char *const words[] = {"> 01\n", "< 9000\n",   "else\n",   "repeat 2\n", "repeat\n", "end\n",
                                        "mute\n", "leave\n",    "wait 1\n", "match\n",    "order\n",  "> *\n",
                                        "> ??\n", "atr 3B00\n", "<\n",      "> 0",        "#\n",      "\n"};
    static UCHAR response[CARD_MAX_RESPONSE];
    uint32_t x = 99;
    unsigned parsed = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[300] = "script\n";
        struct card *card;

        x = x * 1664525u + 1013904223u;
        for (unsigned n = (x >> 24) % 14u; n > 0; n--) {
            x = x * 1664525u + 1013904223u;
            strcat(text, words[(x >> 20) % (sizeof words / sizeof words[0])]);
        }
        if (card_try(text, &card) != STATUS_SUCCESS) {
            assert_true(test_why[0] != '\0');
            continue;
        }
        parsed++;
        for (int i = 0; i < 20; i++) {
            UCHAR command = 1;
            ULONG length = sizeof response;
            (void)card->kind->command(card, 1, &command, 1, response, &length);
        }
        card->kind->destroy(card);
    }
    assert_true(parsed > 100);
}

static void a_long_script_is_refused(void **state)
{
    char *text = malloc(40000);
    struct card *card;

    (void)state;
    strcpy(text, "script\n");
    memset(text + 7, '\n', 39000);
    text[39007] = '\0';
    assert_int_equal(card_try(text, &card), STATUS_INVALID_PARAMETER);
    assert_string_equal(test_why, "a script has at most 16384 lines");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_each_command_comes_in_its_turn),
        cmocka_unit_test(a_command_out_of_order_does_not_move_the_script),
        cmocka_unit_test(patterns_take_unknown_digits_and_rests),
        cmocka_unit_test(match_answers_again_and_again),
        cmocka_unit_test(repeats_nest_and_end),
        cmocka_unit_test(a_repeat_without_number_never_ends),
        cmocka_unit_test(a_reset_starts_the_script_anew),
        cmocka_unit_test(waits_mute_and_leave),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(any_text_is_parsed_or_refused),
        cmocka_unit_test(a_long_script_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
