/* SPDX-License-Identifier: MIT */
/* Waiting and guard times (ISO/IEC 7816-3:2006, 7.1, 8.3, 10.2, 11.4.3). */
#include "iso7816_support.h"
#include "../../src/iso7816/timing.h"

static struct iso7816_atr parsed(const char *text)
{
    struct iso7816_atr atr;
    uint8_t b[33];
    size_t size = hex(text, b, sizeof b);

    assert_int_equal(iso7816_atr_parse(b, size, &atr, NULL), ISO7816_ATR_OK);
    return atr;
}

static void defaults_at_3_72_mhz_are_100_microseconds_an_etu(void **state)
{
    struct iso7816_atr atr = parsed("3B 00");
    struct iso7816_timing t;

    iso7816_timing(&atr, 0, 1, 1, 3720, &t);
    assert_int_equal(t.etu_ns, 100000);
    assert_int_equal(t.gt_etu, 12);
    assert_int_equal(t.gt_ns, 1200000);
    assert_int_equal(t.wwt_etu, 9600); /* 10 * 960 */
    assert_int_equal(t.wwt_ns, 960000000);
    assert_int_equal(t.cwt_etu, 8203);  /* 11 + 2^13 */
    assert_int_equal(t.bwt_etu, 15371); /* 11 + 2^4 * 960 */
    assert_int_equal(t.bwt_ns, 1537100000);
    assert_int_equal(t.bgt_etu, 22);
    assert_int_equal(t.bgt_ns, 2200000);
}

static void etu_is_rounded_up(void **state)
{
    struct iso7816_atr atr = parsed("3B 00");
    struct iso7816_timing t;

    iso7816_timing(&atr, 0, 1, 1, 3571, &t);
    assert_int_equal(t.etu_ns, 104173); /* 372 / 3.571 MHz = 104172.5 ns */
    assert_int_equal(t.gt_ns, 1250071); /* 12 of them exactly, not 12 rounded ones */
}

static void waiting_time_of_t0_counts_in_fi_whatever_f_is_in_force(void **state)
{
    struct iso7816_atr atr = parsed("3B 10 96");
    struct iso7816_timing t;

    iso7816_timing(&atr, 0, 9, 6, 4000, &t);
    assert_int_equal(t.etu_ns, 4000);    /* 512 / 32 / 4 MHz */
    assert_int_equal(t.wwt_etu, 307200); /* 9600 * 32 */
    assert_int_equal(t.wwt_ns, 1228800000);
    iso7816_timing(&atr, 0, 1, 1, 4000, &t);
    assert_int_equal(t.etu_ns, 93000);
    assert_int_equal(t.wwt_etu, 13213); /* 9600 * 512 / 372 = 13212.9 */
}

static void block_waiting_time_counts_in_372_clocks(void **state)
{
    struct iso7816_atr atr = parsed("3B 90 96 81 21 45 E3");
    struct iso7816_timing t;

    iso7816_timing(&atr, 1, 9, 6, 4000, &t);
    assert_int_equal(t.cwt_etu, 43);     /* 11 + 2^5 */
    assert_int_equal(t.bwt_etu, 357131); /* 11 + 2^4 * 960 * 372 * 32 / 512 = 11 + 357120 */
    assert_int_equal(t.bwt_ns, 1428524000);
}

static void extra_guard_time(void **state)
{
    struct iso7816_atr n = parsed("3B 40 05"), most = parsed("3B 40 FF"), t15 = parsed("3B D0 96 05 80 1F C7 1B");
    struct iso7816_timing t;

    iso7816_timing(&n, 0, 1, 1, 4000, &t);
    assert_int_equal(t.gt_etu, 17);
    iso7816_timing(&most, 0, 1, 1, 4000, &t);
    assert_int_equal(t.gt_etu, 12);
    iso7816_timing(&most, 1, 1, 1, 4000, &t);
    assert_int_equal(t.gt_etu, 11);
    /* T=15: N counts in Fi / Di = 16 clocks, which is 16 / 372 etu at the default rate. */
    iso7816_timing(&t15, 0, 1, 1, 4000, &t);
    assert_int_equal(t.gt_etu, 13);
    iso7816_timing(&t15, 0, 9, 6, 4000, &t);
    assert_int_equal(t.gt_etu, 17);
}

static void nothing_divides_by_zero_or_overflows(void **state)
{
    struct iso7816_atr atr = parsed("3B 00");
    struct iso7816_timing t;

    iso7816_timing(&atr, 0, 7, 0, 0, &t);
    assert_int_equal(t.etu_ns, 372000000);
    atr.f = 0;
    atr.d = 0;
    atr.n = 254;
    atr.protocols = 0x8001;
    atr.bwi = 255;
    atr.cwi = 255;
    atr.wi = 255;
    iso7816_timing(&atr, 1, 13, 7, 1, &t);
    assert_int_equal(t.cwt_etu, 32779);
    assert_int_equal(t.bwt_etu, 365690891); /* 11 + 2^15 * 960 * 372 * 64 / 2048 */
    assert_true(t.bwt_ns == 11702108512000000u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_at_3_72_mhz_are_100_microseconds_an_etu),
        cmocka_unit_test(etu_is_rounded_up),
        cmocka_unit_test(waiting_time_of_t0_counts_in_fi_whatever_f_is_in_force),
        cmocka_unit_test(block_waiting_time_counts_in_372_clocks),
        cmocka_unit_test(extra_guard_time),
        cmocka_unit_test(nothing_divides_by_zero_or_overflows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
