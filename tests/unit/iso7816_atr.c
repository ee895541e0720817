/* SPDX-License-Identifier: MIT */
/* The answer to reset, rule by rule (ISO/IEC 7816-3:2006, clause 8). */
#include "iso7816_support.h"
#include "../../src/iso7816/atr.h"

static enum iso7816_atr_result parse(const char *text, struct iso7816_atr *atr, size_t *at)
{
    uint8_t bytes[64], *copy;
    size_t size = hex(text, bytes, sizeof bytes);
    enum iso7816_atr_result result;

    copy = exact(bytes, size);
    result = iso7816_atr_parse(copy, size, atr, at);
    free(copy);
    return result;
}

static void defaults_hold_where_the_atr_is_silent(void **state)
{
    struct iso7816_atr atr;

    assert_int_equal(parse("3B 00", &atr, NULL), ISO7816_ATR_OK);
    assert_int_equal(atr.convention, ISO7816_DIRECT);
    assert_int_equal(atr.level_count, 0);
    assert_int_equal(atr.historical_count, 0);
    assert_false(atr.has_tck);
    assert_int_equal(atr.protocols, 1);
    assert_int_equal(atr.first_protocol, 0);
    assert_false(atr.specific);
    assert_int_equal(atr.fi, 1);
    assert_int_equal(atr.di, 1);
    assert_int_equal(atr.f, 372);
    assert_int_equal(atr.d, 1);
    assert_int_equal(atr.fmax_khz, 5000);
    assert_int_equal(atr.n, 0);
    assert_int_equal(atr.wi, 10);
    assert_int_equal(atr.ifsc, 32);
    assert_int_equal(atr.bwi, 4);
    assert_int_equal(atr.cwi, 13);
    assert_false(atr.crc);
}

static void historical_bytes_are_kept(void **state)
{
    struct iso7816_atr atr;

    assert_int_equal(parse("3B 02 14 50", &atr, NULL), ISO7816_ATR_OK);
    assert_bytes(atr.historical, atr.historical_count, "14 50");
    assert_int_equal(parse("3F 0F 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F", &atr, NULL), ISO7816_ATR_OK);
    assert_int_equal(atr.convention, ISO7816_INVERSE);
    assert_bytes(atr.historical, atr.historical_count, "01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F");
}

static void global_bytes_of_level_1_and_2(void **state)
{
    struct iso7816_atr atr;

    assert_int_equal(parse("3B F0 96 00 FF 10 91", &atr, NULL), ISO7816_ATR_OK);
    assert_int_equal(atr.fi, 9);
    assert_int_equal(atr.di, 6);
    assert_int_equal(atr.f, 512);
    assert_int_equal(atr.d, 32);
    assert_int_equal(atr.fmax_khz, 5000);
    assert_int_equal(atr.n, 255);
    assert_true(atr.specific);
    assert_true(atr.specific_implicit);
    assert_false(atr.specific_can_change);
    assert_int_equal(atr.specific_protocol, 1);

    assert_int_equal(parse("3B 80 10 00", &atr, NULL), ISO7816_ATR_OK);
    assert_true(atr.specific);
    assert_false(atr.specific_implicit);
    assert_true(atr.specific_can_change);
}

static void tc2_is_the_waiting_time_integer(void **state)
{
    struct iso7816_atr atr;

    assert_int_equal(parse("3B 80 40 0B", &atr, NULL), ISO7816_ATR_OK);
    assert_int_equal(atr.wi, 11);
}

static void first_interface_bytes_for_t1_from_level_3_on(void **state)
{
    struct iso7816_atr atr;

    /* TD1 = 81, TD2 = F1 (TA3 TB3 TC3 TD3), TD3 = 31 (TA4 TB4): the later ones do not count. */
    assert_int_equal(parse("3B 80 81 F1 FE 45 01 31 20 00 5B", &atr, NULL), ISO7816_ATR_OK);
    assert_int_equal(atr.protocols, 2);
    assert_int_equal(atr.first_protocol, 1);
    assert_int_equal(atr.ifsc, 254);
    assert_int_equal(atr.bwi, 4);
    assert_int_equal(atr.cwi, 5);
    assert_true(atr.crc);
    assert_true(atr.has_tck);
    assert_int_equal(atr.tck, 0x5B);
    assert_int_equal(atr.level_count, 4);
    assert_int_equal(atr.level[0].protocol, 255);
    assert_int_equal(atr.level[1].protocol, 1);
    assert_int_equal(atr.level[3].ta, 0x20);
}

static void ta2_of_a_t1_level_is_the_mode_not_ifsc(void **state)
{
    struct iso7816_atr atr;

    assert_int_equal(parse("3B 80 11 81 10", &atr, NULL), ISO7816_ATR_OK);
    assert_int_equal(atr.ifsc, 32);
    assert_true(atr.specific);
    assert_int_equal(atr.specific_protocol, 1);
}

static void t15_qualifies_global_bytes(void **state)
{
    struct iso7816_atr atr;

    /* TD1 = 80, TD2 = 1F, TA3 = C7: clock stop without preference, classes A, B and C. */
    assert_int_equal(parse("3B 80 80 1F C7 D8", &atr, NULL), ISO7816_ATR_OK);
    assert_int_equal(atr.protocols, 0x8001);
    assert_int_equal(atr.clock_stop, 3);
    assert_int_equal(atr.classes, 7);
}

static void offers_are_a_set(void **state)
{
    struct iso7816_atr atr;

    assert_int_equal(parse("3B 80 80 01 01", &atr, NULL), ISO7816_ATR_OK);
    assert_int_equal(atr.protocols, 3);
    assert_int_equal(atr.first_protocol, 0);
    assert_int_equal(parse("3B 80 8E 0E 00", &atr, NULL), ISO7816_ATR_OK);
    assert_int_equal(atr.protocols, 1 << 14);
}

static void programming_voltage_is_noticed_and_ignored(void **state)
{
    struct iso7816_atr atr;

    assert_int_equal(parse("3B 20 00", &atr, NULL), ISO7816_ATR_OK);
    assert_false(atr.has_vpp);
    assert_int_equal(parse("3B 20 25", &atr, NULL), ISO7816_ATR_OK);
    assert_true(atr.has_vpp);
    assert_int_equal(parse("3B 80 20 32", &atr, NULL), ISO7816_ATR_OK);
    assert_true(atr.has_vpp);
}

static void what_is_reserved_beside_a_meaning_is_no_violation(void **state)
{
    struct iso7816_atr atr;

    assert_int_equal(parse("3B 80 10 60", &atr, NULL), ISO7816_ATR_OK);       /* TA2 bits 7-6 */
    assert_int_equal(parse("3B 80 81 41 FF BF", &atr, NULL), ISO7816_ATR_OK); /* TC3 bits 8-2 */
    assert_true(atr.crc);
    assert_int_equal(parse("3B 80 81 45 00 44", &atr, NULL), ISO7816_ATR_OK); /* T=5 */
    assert_int_equal(parse("3B 80 41 00 C1", &atr, NULL), ISO7816_ATR_OK);    /* TC2 = 00 without T=0 */
}

/* EMV's tables are narrower: IFSC from 16 on, BWI to 4, CWI to 5, LRC, WI 10. */
static void what_emv_alone_refuses_is_accepted(void **state)
{
    struct iso7816_atr atr;

    /* TC2 = FF; TA3 = 01, TB3 = 9F, TC3 = 01 */
    assert_int_equal(parse("3B 80 C0 FF 71 01 9F 01 51", &atr, NULL), ISO7816_ATR_OK);
    assert_int_equal(atr.wi, 255);
    assert_int_equal(atr.ifsc, 1);
    assert_int_equal(atr.bwi, 9);
    assert_int_equal(atr.cwi, 15);
    assert_true(atr.crc);
}

static void violations_are_told_with_their_place(void **state)
{
    static const struct {
        const char *bytes;
        enum iso7816_atr_result result;
        size_t at;
    } rows[] = {
        {"", ISO7816_ATR_EMPTY, 0},
        {"03", ISO7816_ATR_BAD_TS, 0},
        {"3C 00", ISO7816_ATR_BAD_TS, 0},
        {"3B", ISO7816_ATR_TOO_SHORT, 1},
        {"3B 01", ISO7816_ATR_TOO_SHORT, 2},
        {"3B F0 11 00 00", ISO7816_ATR_TOO_SHORT, 5},
        {"3B 80 F0 11", ISO7816_ATR_TOO_SHORT, 4},
        {"3B 80 80", ISO7816_ATR_TOO_SHORT, 3},
        {"3B 00 00", ISO7816_ATR_EXTRA_TCK, 2},
        {"3B 00 00 00", ISO7816_ATR_TOO_LONG, 2},
        {"3B 80 01", ISO7816_ATR_NO_TCK, 3},
        {"3B 80 01 80", ISO7816_ATR_BAD_TCK, 3},
        {"3B 80 01 81 00", ISO7816_ATR_TOO_LONG, 4},
        {"3B 10 71", ISO7816_ATR_BAD_FI, 2},
        {"3B 10 81", ISO7816_ATR_BAD_FI, 2},
        {"3B 10 E1", ISO7816_ATR_BAD_FI, 2},
        {"3B 10 F1", ISO7816_ATR_BAD_FI, 2},
        {"3B 10 10", ISO7816_ATR_BAD_DI, 2},
        {"3B 10 1A", ISO7816_ATR_BAD_DI, 2},
        {"3B 10 1F", ISO7816_ATR_BAD_DI, 2},
        {"3B 80 0F 8F", ISO7816_ATR_BAD_PROTOCOL_ORDER, 2},
        {"3B 80 81 00 01", ISO7816_ATR_BAD_PROTOCOL_ORDER, 3},
        {"3B 80 80 8F 01 8E", ISO7816_ATR_BAD_PROTOCOL_ORDER, 4},
        {"3B 80 40 00", ISO7816_ATR_BAD_WI, 3},
        {"3B 80 70 00 00 00", ISO7816_ATR_BAD_WI, 5},
        {"3B 80 81 11 00 10", ISO7816_ATR_BAD_IFSC, 4},
        {"3B 80 81 11 FF EF", ISO7816_ATR_BAD_IFSC, 4},
        {"3B 80 81 21 A0 80", ISO7816_ATR_BAD_BWI, 4},
        {"3B 80 81 31 20 A0 B0", ISO7816_ATR_BAD_BWI, 5},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct iso7816_atr atr;
        size_t at = 99;

        if (parse(rows[i].bytes, &atr, &at) != rows[i].result || at != rows[i].at)
            fail_msg("%s: %s, at %zu", rows[i].bytes, iso7816_atr_text(parse(rows[i].bytes, &atr, &at)), at);
    }
}

static void violations_of_meaning_leave_the_rest_readable(void **state)
{
    struct iso7816_atr atr;

    assert_int_equal(parse("3B 92 7A 81 11 FE 41 42 85", &atr, NULL), ISO7816_ATR_BAD_FI);
    assert_int_equal(atr.f, 0);
    assert_int_equal(atr.d, 0);
    assert_int_equal(atr.ifsc, 254);
    assert_int_equal(atr.protocols, 2);
    assert_bytes(atr.historical, atr.historical_count, "41 42");
}

static void longest_atr_has_32_characters_after_ts(void **state)
{
    uint8_t bytes[40] = {0x3B, 0x80};
    struct iso7816_atr atr;
    size_t at;

    /* T0, 30 TDi that each announce the next, the last one nothing: T=1 throughout, then TCK. */
    memset(bytes + 2, 0x81, 29);
    bytes[31] = 0x01;
    bytes[32] = 0x80 ^ 0x81 ^ 0x01; /* 29 times 81 is 81 */
    assert_int_equal(iso7816_atr_parse(bytes, 33, &atr, &at), ISO7816_ATR_OK);
    assert_int_equal(atr.level_count, 30);
    assert_int_equal(iso7816_atr_expected(bytes, 33), 33);

    /* T=0 throughout needs no TCK: 31 levels. */
    memset(bytes + 2, 0x80, 30);
    bytes[32] = 0x00;
    assert_int_equal(iso7816_atr_parse(bytes, 33, &atr, &at), ISO7816_ATR_OK);
    assert_int_equal(atr.level_count, 31);

    bytes[32] = 0x80;
    assert_int_equal(iso7816_atr_parse(bytes, 33, &atr, &at), ISO7816_ATR_TOO_SHORT);
    assert_int_equal(iso7816_atr_parse(bytes, 34, &atr, &at), ISO7816_ATR_TOO_LONG);
    assert_int_equal(at, 33);
    assert_int_equal(iso7816_atr_expected(bytes, 33), 34);
}

static void expected_length_grows_as_characters_come(void **state)
{
    uint8_t b[40];
    size_t size = hex("3B F5 11 00 FF 81 31 FE 45 41 42 43 44 45 AA", b, sizeof b);
    static const size_t expected[] = {2, 2, 6, 6, 6, 6, 7, 15, 15, 15, 15, 15, 15, 15, 15, 15};

    for (size_t i = 0; i <= size; i++) {
        uint8_t *copy = exact(b, i);

        assert_int_equal(iso7816_atr_expected(copy, i), expected[i]);
        free(copy);
    }
}

static void reserved_indexes_have_no_value(void **state)
{
    assert_int_equal(iso7816_f(0), 372);
    assert_int_equal(iso7816_fmax_khz(0), 4000);
    assert_int_equal(iso7816_f(13), 2048);
    assert_int_equal(iso7816_fmax_khz(10), 7500);
    assert_int_equal(iso7816_f(7), 0);
    assert_int_equal(iso7816_f(14), 0);
    assert_int_equal(iso7816_f(200), 0);
    assert_int_equal(iso7816_fmax_khz(200), 0);
    assert_int_equal(iso7816_d(0), 0);
    assert_int_equal(iso7816_d(7), 64);
    assert_int_equal(iso7816_d(9), 20);
    assert_int_equal(iso7816_d(10), 0);
    assert_int_equal(iso7816_d(200), 0);
}

static void every_result_has_a_sentence(void **state)
{
    for (int i = 0; i < ISO7816_ATR_RESULTS; i++)
        assert_true(strlen(iso7816_atr_text((enum iso7816_atr_result)i)) > 8);
    assert_string_equal(iso7816_atr_text((enum iso7816_atr_result)999), "unknown result");
}

static void any_bytes_are_survived(void **state)
{
    uint32_t seed = 0x7816;

    for (int round = 0; round < 200000; round++) {
        uint8_t b[40], *copy;
        size_t size = random_next(&seed) % sizeof b, at = 0;
        struct iso7816_atr atr;

        for (size_t i = 0; i < size; i++)
            b[i] = (uint8_t)(random_next(&seed) % 3 ? random_next(&seed) : 0x81);
        if (size)
            b[0] = 0x3B;
        copy = exact(b, size);
        if (iso7816_atr_parse(copy, size, &atr, &at) == ISO7816_ATR_OK)
            assert_int_equal(iso7816_atr_expected(copy, size), size);
        assert_true(at <= size);
        assert_in_range(iso7816_atr_expected(copy, size), 2, ISO7816_ATR_MAX + 1);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_where_the_atr_is_silent),
        cmocka_unit_test(historical_bytes_are_kept),
        cmocka_unit_test(global_bytes_of_level_1_and_2),
        cmocka_unit_test(tc2_is_the_waiting_time_integer),
        cmocka_unit_test(first_interface_bytes_for_t1_from_level_3_on),
        cmocka_unit_test(ta2_of_a_t1_level_is_the_mode_not_ifsc),
        cmocka_unit_test(t15_qualifies_global_bytes),
        cmocka_unit_test(offers_are_a_set),
        cmocka_unit_test(programming_voltage_is_noticed_and_ignored),
        cmocka_unit_test(what_is_reserved_beside_a_meaning_is_no_violation),
        cmocka_unit_test(what_emv_alone_refuses_is_accepted),
        cmocka_unit_test(violations_are_told_with_their_place),
        cmocka_unit_test(violations_of_meaning_leave_the_rest_readable),
        cmocka_unit_test(longest_atr_has_32_characters_after_ts),
        cmocka_unit_test(expected_length_grows_as_characters_come),
        cmocka_unit_test(reserved_indexes_have_no_value),
        cmocka_unit_test(every_result_has_a_sentence),
        cmocka_unit_test(any_bytes_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
