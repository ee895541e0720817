/* SPDX-License-Identifier: MIT */
/* The words of an option line, hex, numbers, names of kinds. */
#include "cards_kit.h"

static struct card_options line(const char *text)
{
    return (struct card_options){.line = text, .line_length = (ULONG)strlen(text)};
}

static void value_is(const char *text, const char *key, const char *expected)
{
    struct card_options options = line(text);
    const char *value;
    ULONG length;

    if (expected == NULL) {
        assert_false(card_option(&options, key, &value, &length));
        return;
    }
    assert_true(card_option(&options, key, &value, &length));
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(value, expected, length);
}

static void an_option_is_found_by_its_whole_key(void **state)
{
    (void)state;
    value_is(" a=1 bb=2\tccc=3", "bb", "2");
    value_is(" a=1 bb=2\tccc=3", "ccc", "3");
    value_is(" a=1 bb=2", "b", NULL);
    value_is(" ab=1", "a", NULL);
    value_is("", "a", NULL);
    value_is(" flag", "flag", "");
    value_is(" a=", "a", "");
}

static void a_value_in_quotes_keeps_its_blanks(void **state)
{
    (void)state;
    value_is(" path=\"a b\" x=1", "path", "a b");
    value_is(" path=\"a b\" x=1", "x", "1");
    value_is(" path=\"no end", "path", "no end");
    value_is(" path=\"", "path", "");
}

static void an_unknown_option_is_named(void **state)
{
    static const char *const keys[] = {"pin", NULL};
    struct card_options options = line(" pin=1 colour=red");
    char why[64];

    (void)state;
    assert_false(card_options_known(&options, keys, why, sizeof why));
    assert_string_equal(why, "there is no option colour");
    options = line(" pin=1 atr=3B00");
    assert_true(card_options_known(&options, keys, why, sizeof why));
}

static void an_option_given_twice_is_named(void **state)
{
    static const char *const twice[] = {" pin=1 pin=1", " pin=1 atr=3B00 pin=2", " pin pin"};
    static const char *const keys[] = {"pin", NULL};
    char why[64];

    (void)state;
    for (size_t i = 0; i < sizeof twice / sizeof twice[0]; i++) {
        struct card_options options = line(twice[i]);

        assert_false(card_options_known(&options, keys, why, sizeof why));
        assert_string_equal(why, "given twice: pin");
    }
}

static void hex_takes_blanks_and_colons(void **state)
{
    UCHAR bytes[4];
    ULONG length = 4;

    (void)state;
    assert_true(card_hex("3b:9F 00aa", 10, bytes, &length));
    assert_int_equal(length, 4);
    assert_memory_equal(bytes, "\x3B\x9F\x00\xAA", 4);
}

static void hex_refuses_halves_strangers_and_too_much(void **state)
{
    static const char *const bad[] = {"3", "3 B", "3G", "0x3B", "3B0000000000"};
    UCHAR bytes[4];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ULONG length = sizeof bytes;
        assert_false(card_hex(bad[i], (ULONG)strlen(bad[i]), bytes, &length));
    }
}

static void numbers_stop_at_their_maximum(void **state)
{
    ULONG number;

    (void)state;
    assert_true(card_number("0", 1, 10, &number));
    assert_int_equal(number, 0);
    assert_true(card_number("0x1F", 4, 100, &number));
    assert_int_equal(number, 31);
    assert_true(card_number("4294967295", 10, 0xFFFFFFFF, &number));
    assert_true(number == 0xFFFFFFFF);
    assert_false(card_number("4294967296", 10, 0xFFFFFFFF, &number));
    assert_false(card_number("99999999999999999999", 20, 0xFFFFFFFF, &number));
    assert_false(card_number("11", 2, 10, &number));
    assert_false(card_number("", 0, 10, &number));
    assert_false(card_number("1a", 2, 10, &number));
    assert_false(card_number("0x", 2, 10, &number));
}

static void text_is_cut_and_always_ended(void **state)
{
    char buffer[8];
    struct card_text text;

    (void)state;
    card_text_begin(&text, buffer, sizeof buffer);
    card_text_add(&text, "abc");
    card_text_number(&text, 4294967295u);
    assert_string_equal(buffer, "abc4294");
    assert_int_equal(text.length, 7);
    card_text_begin(&text, buffer, 0);
    card_text_add(&text, "abc");
    assert_int_equal(text.length, 0);
}

static void kinds_are_found_by_name_alone(void **state)
{
    (void)state;
    assert_ptr_equal(card_kind_find("fs", 2), &card_fs);
    assert_ptr_equal(card_kind_find("echo", 4), &card_echo);
    assert_ptr_equal(card_kind_find("script", 6), &card_script);
    assert_ptr_equal(card_kind_at(0), &card_fs);
    assert_null(card_kind_at(1000));
    assert_null(card_kind_find("f", 1));
    assert_null(card_kind_find("fsx", 3));
    assert_null(card_kind_find("", 0));
    assert_null(card_kind_find("../../evil", 10));
    assert_null(card_kind_find("FS", 2));
    assert_null(card_kind_find("nosuchkind", 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_option_is_found_by_its_whole_key),
        cmocka_unit_test(a_value_in_quotes_keeps_its_blanks),
        cmocka_unit_test(an_unknown_option_is_named),
        cmocka_unit_test(an_option_given_twice_is_named),
        cmocka_unit_test(hex_takes_blanks_and_colons),
        cmocka_unit_test(hex_refuses_halves_strangers_and_too_much),
        cmocka_unit_test(numbers_stop_at_their_maximum),
        cmocka_unit_test(text_is_cut_and_always_ended),
        cmocka_unit_test(kinds_are_found_by_name_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
