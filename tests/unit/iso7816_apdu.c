/* SPDX-License-Identifier: MIT */
/* Coding of command APDUs (ISO/IEC 7816-3:2006, 12.1). */
#include "iso7816_support.h"
#include "../../src/iso7816/apdu.h"

static bool parse(const char *text, struct iso7816_command *command, uint8_t *bytes, size_t room)
{
    return iso7816_command_parse(bytes, hex(text, bytes, room), command);
}

static void the_seven_forms(void **state)
{
    static const struct {
        const char *bytes;
        uint8_t kase;
        bool extended, has_le;
        uint32_t lc, le;
    } rows[] = {
        {"00 A4 00 00", 1, false, false, 0, 0},
        {"00 B0 00 00 10", 2, false, true, 0, 16},
        {"00 B0 00 00 00", 2, false, true, 0, 256},
        {"00 D6 00 00 02 01 02", 3, false, false, 2, 0},
        {"00 A4 04 00 02 01 02 05", 4, false, true, 2, 5},
        {"00 A4 04 00 02 01 02 00", 4, false, true, 2, 256},
        {"00 B0 00 00 00 01 00", 2, true, true, 0, 256},
        {"00 B0 00 00 00 00 00", 2, true, true, 0, 65536},
        {"00 D6 00 00 00 00 02 01 02", 3, true, false, 2, 0},
        {"00 A4 04 00 00 00 01 AA 01 02", 4, true, true, 1, 258},
        {"00 A4 04 00 00 00 01 AA 00 00", 4, true, true, 1, 65536},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct iso7816_command c;
        uint8_t bytes[32], built[32];

        assert_true(parse(rows[i].bytes, &c, bytes, sizeof bytes));
        assert_int_equal(c.kase, rows[i].kase);
        assert_int_equal(c.extended, rows[i].extended);
        assert_int_equal(c.has_le, rows[i].has_le);
        assert_int_equal(c.lc, rows[i].lc);
        assert_int_equal(c.le, rows[i].le);
        assert_bytes(built, iso7816_command_build(&c, built, sizeof built), rows[i].bytes);
    }
}

static void lengths_that_contradict_lc_are_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "00 A4 00",
        "00 A4 00 00 02 01",
        "00 A4 00 00 02 01 02 03 04",
        "00 A4 00 00 00 01",
        "00 A4 00 00 00 00 00 01",
        "00 A4 00 00 00 00 02 01",
        "00 A4 00 00 00 00 01 01 02",
        "00 A4 00 00 00 00 01 01 02 03 04",
        "00 A4 00 00 00 FF FF 01",
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct iso7816_command c;
        uint8_t bytes[32], *copy;
        size_t size = hex(rows[i], bytes, sizeof bytes);

        copy = exact(bytes, size);
        if (iso7816_command_parse(copy, size, &c))
            fail_msg("%s", rows[i]);
        free(copy);
    }
}

static void greatest_command_parses_and_builds(void **state)
{
    uint8_t *bytes = calloc(1, ISO7816_COMMAND_MAX), *built = malloc(ISO7816_COMMAND_MAX);
    struct iso7816_command c;

    bytes[5] = bytes[6] = 0xFF;
    bytes[7] = 0xAB;
    assert_true(iso7816_command_parse(bytes, ISO7816_COMMAND_MAX, &c));
    assert_int_equal(c.lc, 65535);
    assert_int_equal(c.le, 65536);
    assert_int_equal(c.data[0], 0xAB);
    assert_int_equal(iso7816_command_build(&c, built, ISO7816_COMMAND_MAX), 65544);
    assert_memory_equal(bytes, built, ISO7816_COMMAND_MAX);
    assert_int_equal(iso7816_command_build(&c, built, ISO7816_COMMAND_MAX - 1), 0);
    free(bytes);
    free(built);
}

static void contradictions_are_not_built(void **state)
{
    uint8_t data[300] = {0}, out[400];
    struct iso7816_command c = {.lc = 256, .data = data};

    assert_int_equal(iso7816_command_build(&c, out, sizeof out), 0);
    c.extended = true;
    assert_int_equal(iso7816_command_build(&c, out, sizeof out), 263);
    c = (struct iso7816_command){.lc = 1};
    assert_int_equal(iso7816_command_build(&c, out, sizeof out), 0);
    c = (struct iso7816_command){.has_le = true};
    assert_int_equal(iso7816_command_build(&c, out, sizeof out), 0);
    c.le = 257;
    assert_int_equal(iso7816_command_build(&c, out, sizeof out), 0);
    c.le = 256;
    assert_bytes(out, iso7816_command_build(&c, out, sizeof out), "00 00 00 00 00");
    assert_int_equal(iso7816_command_build(&c, out, 4), 0);
}

static void pin_commands_are_secret(void **state)
{
    static const uint8_t secret[] = {0x20, 0x21, 0x24, 0x25, 0x26, 0x28, 0x2C, 0x2D, 0x2E, 0x2F, 0x82, 0x86, 0xC2};
    static const uint8_t open[] = {0xA4, 0xB0, 0xB2, 0xC0, 0xD6, 0x84, 0x88, 0xCA, 0x22, 0x2A, 0x00, 0xFF};

    for (size_t i = 0; i < COUNT(secret); i++)
        assert_true(iso7816_command_is_secret(0xA0, secret[i]));
    for (size_t i = 0; i < COUNT(open); i++)
        assert_false(iso7816_command_is_secret(0x00, open[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_seven_forms),
        cmocka_unit_test(lengths_that_contradict_lc_are_refused),
        cmocka_unit_test(greatest_command_parses_and_builds),
        cmocka_unit_test(contradictions_are_not_built),
        cmocka_unit_test(pin_commands_are_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
