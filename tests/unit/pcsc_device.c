/* SPDX-License-Identifier: MIT */
/* DEVICENAME in reader.conf: every part of its grammar, and each refusal with its reason. */
#include "src/pcsc/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct device_name name;

static void taken(const char *text)
{
    char why[256] = "";

    if (!device_parse(text, &name, why, sizeof(why)))
        fail_msg("%s: %s", text, why);
}

static void refused(const char *text, const char *reason)
{
    char why[256] = "";

    assert_false(device_parse(text, &name, why, sizeof(why)));
    assert_string_equal(why, reason);
}

static void a_virtual_reader_is_empty_without_a_card(void **state)
{
    static const char *const texts[] = {"vreader:", "vreader", "", ":", "vreader:  \t"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        taken(texts[i]);
        assert_string_equal(name.driver, "vreader");
        assert_int_equal(name.slots, 1);
        assert_string_equal(name.cards[0], "");
        assert_int_equal(name.timeout_ms, 60000);
    }
}

static void a_card_keeps_its_options(void **state)
{
    (void)state;
    taken("vreader:fs pin=1234 tries=2");
    assert_int_equal(name.slots, 1);
    assert_string_equal(name.cards[0], "fs pin=1234 tries=2");
}

static void blanks_around_a_card_do_not_count(void **state)
{
    (void)state;
    taken("vreader: \techo delay=5 \t");
    assert_string_equal(name.cards[0], "echo delay=5");
}

static void a_colon_in_a_card_belongs_to_it(void **state)
{
    (void)state;
    taken("vreader:vpcd connect=localhost:35963");
    assert_string_equal(name.cards[0], "vpcd connect=localhost:35963");
}

static void quotes_around_the_whole_come_off(void **state)
{
    (void)state;
    taken("\"vreader:fs pin=1234\"");
    assert_string_equal(name.cards[0], "fs pin=1234");
    taken("\"\"");
    assert_string_equal(name.cards[0], "");
    /* One alone is no pair. */
    refused("\"", "it begins with vreader:, vpcd: or driver:");
}

static void bars_stand_between_slots(void **state)
{
    (void)state;
    taken("vreader:fs | | echo");
    assert_int_equal(name.slots, 3);
    assert_string_equal(name.cards[0], "fs");
    assert_string_equal(name.cards[1], "");
    assert_string_equal(name.cards[2], "echo");
    taken("vreader:|");
    assert_int_equal(name.slots, 2);
}

static void sixteen_slots_and_no_more(void **state)
{
    (void)state;
    taken("vreader:|||||||||||||||echo");
    assert_int_equal(name.slots, 16);
    assert_string_equal(name.cards[15], "echo");
    refused("vreader:||||||||||||||||echo", "more than 16 slots");
}

static void a_script_is_named_by_its_file(void **state)
{
    (void)state;
    taken("vreader:script=/tmp/a card.txt");
    assert_string_equal(name.cards[0], "script=/tmp/a card.txt");
}

static void vpcd_is_a_virtual_reader_with_that_card(void **state)
{
    (void)state;
    taken("vpcd:port=35963 bind=0.0.0.0");
    assert_string_equal(name.driver, "vreader");
    assert_int_equal(name.slots, 1);
    assert_string_equal(name.cards[0], "vpcd port=35963 bind=0.0.0.0");
    taken("vpcd:");
    assert_string_equal(name.cards[0], "vpcd");
    taken("vpcd");
    assert_string_equal(name.cards[0], "vpcd");
    taken("vpcd,timeout=7:port=1");
    assert_string_equal(name.cards[0], "vpcd port=1");
    assert_int_equal(name.timeout_ms, 7);
}

static void a_driver_is_a_path(void **state)
{
    (void)state;
    taken("driver:/usr/lib/d.so");
    assert_string_equal(name.driver, "/usr/lib/d.so");
    assert_int_equal(name.slots, 1);
    assert_null(name.cards[0]);
    taken("driver: ./d.so ");
    assert_string_equal(name.driver, "./d.so");
    refused("driver:d.so", "driver: wants the path of a driver");
    refused("driver:", "driver: wants the path of a driver");
    refused("driver", "driver: wants the path of a driver");
}

static void behind_a_driver_stands_how_many_readers(void **state)
{
    static const char reason[] = "behind the driver stands the number of its readers, 1 to 16";

    (void)state;
    taken("driver:/d.so 2");
    assert_string_equal(name.driver, "/d.so");
    assert_int_equal(name.slots, 2);
    taken("driver:/d.so \t16 ");
    assert_int_equal(name.slots, 16);
    refused("driver:/d.so 0", reason);
    refused("driver:/d.so 17", reason);
    refused("driver:/d.so -1", reason);
    refused("driver:/d.so 2x", reason);
    refused("driver:/d.so 18446744073709551617", reason);
    refused("driver:/d.so 2 3", reason);
}

static void a_deadline_stands_behind_the_kind(void **state)
{
    (void)state;
    taken("vreader,timeout=500:fs");
    assert_int_equal(name.timeout_ms, 500);
    assert_string_equal(name.cards[0], "fs");
    taken("driver,timeout=3600000:/d.so 3");
    assert_int_equal(name.timeout_ms, 3600000);
    assert_int_equal(name.slots, 3);
    refused("vreader,timeout=0:fs", "behind vreader only timeout=MS can stand, with 1 to 3600000 milliseconds");
    refused("vreader,timeout=3600001:", "behind vreader only timeout=MS can stand, with 1 to 3600000 milliseconds");
    refused("vreader,timeout=:", "behind vreader only timeout=MS can stand, with 1 to 3600000 milliseconds");
    refused("vreader,time=1:", "behind vreader only timeout=MS can stand, with 1 to 3600000 milliseconds");
    refused("driver,:/d.so", "behind driver only timeout=MS can stand, with 1 to 3600000 milliseconds");
}

static void another_kind_is_refused(void **state)
{
    (void)state;
    refused("usb:1", "it begins with vreader:, vpcd: or driver:");
    refused("fs", "it begins with vreader:, vpcd: or driver:");
    refused("VREADER:fs", "it begins with vreader:, vpcd: or driver:");
}

static void a_name_has_1023_characters_at_most(void **state)
{
    char text[DEVICE_NAME_MAX + 1];

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "vreader:", 8);
    text[1023] = '\0';
    taken(text);
    assert_int_equal(strlen(name.cards[0]), 1023 - 8);
    text[1023] = 'x';
    text[1024] = '\0';
    refused(text, "longer than 1023 characters");
    /* The longest that has something put before it. */
    memset(text, 'x', sizeof(text));
    memcpy(text, "vpcd:", 5);
    text[1023] = '\0';
    taken(text);
    assert_int_equal(strlen(name.cards[0]), 1023);
}

static void a_reason_is_cut_to_its_room(void **state)
{
    char why[8];

    (void)state;
    assert_false(device_parse("usb:1", &name, why, sizeof(why)));
    assert_string_equal(why, "it begi");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_virtual_reader_is_empty_without_a_card),
        cmocka_unit_test(a_card_keeps_its_options),
        cmocka_unit_test(blanks_around_a_card_do_not_count),
        cmocka_unit_test(a_colon_in_a_card_belongs_to_it),
        cmocka_unit_test(quotes_around_the_whole_come_off),
        cmocka_unit_test(bars_stand_between_slots),
        cmocka_unit_test(sixteen_slots_and_no_more),
        cmocka_unit_test(a_script_is_named_by_its_file),
        cmocka_unit_test(vpcd_is_a_virtual_reader_with_that_card),
        cmocka_unit_test(a_driver_is_a_path),
        cmocka_unit_test(behind_a_driver_stands_how_many_readers),
        cmocka_unit_test(a_deadline_stands_behind_the_kind),
        cmocka_unit_test(another_kind_is_refused),
        cmocka_unit_test(a_name_has_1023_characters_at_most),
        cmocka_unit_test(a_reason_is_cut_to_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
