/* SPDX-License-Identifier: MIT */
/*
 * From an ATR to a protocol and a rate: cards in specific mode, cards that change their mode, and answers to reset that
 * are not what they were (ISO/IEC 7816-3:2006, 6.3.1, 8.3). Negotiable mode is in iso7816_negotiate.c.
 */
#include "iso7816_negotiate_kit.h"

/* ---- specific mode ----------------------------------------------------------------------------------------------- */

static void specific_mode_is_taken_as_it_is(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_int_equal(begin(&n, &config, T1_FIXED, 0), READY);
    assert_int_equal(n.protocol, 1);
    assert_int_equal(n.pair, 0x95);
    assert_int_equal(begin(&n, &config, "3B 90 18 90 81 31 FE 05 53", 0), READY);
    assert_int_equal(n.pair, 0x18);
    assert_int_equal(begin(&n, &config, T1_CAN_CHANGE, 0), READY); /* it need not */
    assert_int_equal(n.pair, 0x95);
    config.aim = ISO7816_AIM_DEFAULT; /* there is no choice */
    assert_int_equal(begin(&n, &config, T1_FIXED, 0), READY);
    assert_int_equal(n.pair, 0x95);
    assert_int_equal(n.requests, 0);
}

static void with_ta2_b5_the_rate_is_the_implicit_one(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_int_equal(begin(&n, &config, T1_IMPLICIT, 0), READY);
    assert_int_equal(n.pair, 0x11);
    assert_int_equal(begin(&n, &config, "3B 90 A6 90 91 31 FE 05 FD", 0), READY); /* whatever TA1 says */
    assert_int_equal(n.pair, 0x11);
    config.implicit_pair = 0xD7; /* whatever the caller and the card have made out */
    assert_int_equal(begin(&n, &config, T1_IMPLICIT, 0), READY);
    assert_int_equal(n.pair, 0xD7);
}

static void specific_mode_with_another_protocol_fails_where_it_is_fixed(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_int_equal(begin(&n, &config, T0_FIXED, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_SPECIFIC_PROTOCOL);
    config.protocol = 0;
    assert_int_equal(begin(&n, &config, T1_IMPLICIT, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_SPECIFIC_PROTOCOL);
    assert_int_equal(n.resets, 0);
}

static void specific_mode_at_a_rate_of_no_reader_fails_where_it_is_fixed(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_int_equal(begin(&n, &config, T1_768_FIXED, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_SPECIFIC_RATE);
    config.clock_khz = 5001;
    assert_int_equal(begin(&n, &config, T1_FIXED, 0), FAIL); /* fmax is 5 MHz */
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_SPECIFIC_RATE);
    config = reader(1);
    memset(config.pairs, 0, sizeof config.pairs);
    assert_int_equal(begin(&n, &config, "3B 80 90 81 31 FE 05 5B", 0), READY);    /* no TA1: everybody has that */
    assert_int_equal(begin(&n, &config, "3B 90 01 90 81 31 FE 05 4A", 0), READY); /* 372/1 by its other name */
}

static void a_card_that_can_change_its_mode_is_asked_to_by_a_warm_reset(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_int_equal(begin(&n, &config, T0_CAN_CHANGE, 0), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_16, 0x95), "FF 11 95 7B");
    assert_int_equal(says(&n, "FF 11 95 7B"), READY);
    assert_int_equal(n.pair, 0x95);
    assert_int_equal(n.requests, 1);
    assert_int_equal(n.resets, 1);
    /* The new answer has a proposal of its own. */
    assert_int_equal(begin(&n, &config, T0_CAN_CHANGE, 0x95), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_64, 0x93), "FF 11 93 7D");
    /* To another specific mode. */
    assert_int_equal(begin(&n, &config, T0_CAN_CHANGE, 0), RESET);
    assert_int_equal(comes_up(&n, T1_FIXED, 0), READY);
    assert_int_equal(n.pair, 0x95);
    /* Because of the rate. */
    assert_int_equal(begin(&n, &config, T1_768_CAN_CHANGE, 0), RESET);
    assert_sent(&n, comes_up(&n, BOTH_768_32, 0), "FF 11 99 77");
}

static void a_card_is_asked_to_change_its_mode_only_once(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_int_equal(begin(&n, &config, T0_CAN_CHANGE, 0), RESET);
    assert_int_equal(comes_up(&n, T0_CAN_CHANGE, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_SPECIFIC_PROTOCOL);
    assert_int_equal(begin(&n, &config, T1_768_CAN_CHANGE, 0), RESET);
    assert_int_equal(comes_up(&n, T0_CAN_CHANGE, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_SPECIFIC_PROTOCOL);
    assert_int_equal(begin(&n, &config, T0_CAN_CHANGE, 0), RESET);
    assert_int_equal(comes_up(&n, T1_768_CAN_CHANGE, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_SPECIFIC_RATE);
}

static void no_reset_is_wasted_on_a_card_in_specific_mode(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_atr atr = parsed(T0_FIXED);
    struct iso7816_negotiate n;

    assert_int_equal(iso7816_negotiate_start(&n, &config, &atr, 0, false), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_SPECIFIC_PROTOCOL);
    atr = parsed(T0_CAN_CHANGE);
    assert_int_equal(iso7816_negotiate_start(&n, &config, &atr, 0, false), RESET); /* this one asks it to change */
    assert_int_equal(comes_up(&n, T0_CAN_CHANGE, 0), FAIL);
    assert_int_equal(n.resets, 1);
    atr = parsed(T1_FIXED);
    assert_int_equal(iso7816_negotiate_start(&n, &config, &atr, 0, false), RESET); /* to begin anew */
    assert_int_equal(comes_up(&n, T1_FIXED, 0), READY);
}

/* A card whose mode goes to and fro with each warm reset. */
static void a_mode_that_goes_back_is_a_surprise_but_no_reason_for_another_reset(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_int_equal(begin(&n, &config, T0_CAN_CHANGE, 0), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_16, 0), "FF 11 95 7B");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_int_equal(comes_up(&n, T0_CAN_CHANGE, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_SPECIFIC_PROTOCOL);
    assert_int_equal(n.resets, 2);
}

/* ---- answers to reset that change -------------------------------------------------------------------------------- */

static void another_atr_is_evaluated_anew_and_a_second_one_fails(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_sent(&n, begin(&n, &config, BOTH_512_16, 0), "FF 11 95 7B");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_64, 0x97), "FF 11 98 76"); /* what has failed is not tried again, nor more */
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_int_equal(comes_up(&n, BOTH_512_16, 0x95), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_ATR_CHANGED);
    /* A change that was asked for is no surprise, but the two after it are. */
    assert_int_equal(begin(&n, &config, T0_CAN_CHANGE, 0), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_64, 0), "FF 11 97 79");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_16, 0), "FF 11 95 7B");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_int_equal(comes_up(&n, BOTH_512_64, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_ATR_CHANGED);
    /* Into specific mode. */
    assert_sent(&n, begin(&n, &config, BOTH_512_16, 0), "FF 11 95 7B");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_int_equal(comes_up(&n, T1_FIXED, 0), READY);
    assert_int_equal(n.pair, 0x95);
}

static void each_difference_that_matters_makes_another_atr(void **state)
{
    static const struct {
        const char *before, *after;
    } rows[] = {
        {BOTH_512_16, BOTH_512_64},               /* Di */
        {BOTH_512_16, "3B 90 A5 80 31 FE 05 7F"}, /* Fi */
        {BOTH_512_16, ONLY_T1_512_32},            /* T=0 */
        {BOTH_512_16, "3B 90 95 80 3F FE 05 41"}, /* T=15 instead of T=1 */
        {BOTH, DISORDER},
        {BOTH_512_16, T0_FIXED},
        {T0_FIXED, T0_CAN_CHANGE},
        {T1_FIXED, T1_IMPLICIT},
        {T0_FIXED, T1_FIXED},
    };
    struct iso7816_negotiate_config config = reader(0);
    struct iso7816_negotiate n;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct iso7816_atr before = parsed(rows[i].before);

        config.protocol = before.specific && before.specific_protocol == 1;
        assert_int_equal(iso7816_negotiate_start(&n, &config, &before, 0, false), RESET);
        n.surprised = true; /* as if there had been one before */
        assert_int_equal(comes_up(&n, rows[i].after, 0), FAIL);
        assert_int_equal(n.reason, ISO7816_NEGOTIATE_ATR_CHANGED);
    }
    /* Historical bytes and waiting times do not matter. */
    config.protocol = 0;
    assert_sent(&n, begin(&n, &config, BOTH_512_16, 0), "FF 10 95 7A");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    n.surprised = true;
    assert_sent(&n, comes_up(&n, "3B 91 95 80 31 FE 15 AA F4", 0), "FF 10 98 77");
}

static void the_wanted_protocol_must_be_on_offer(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_int_equal(begin(&n, &config, ONLY_T0, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_CARD_PROTOCOL);
    assert_sent(&n, begin(&n, &config, BOTH, 0), "FF 01 FE");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_int_equal(comes_up(&n, ONLY_T0, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_CARD_PROTOCOL);
    config.protocols = 0x0001;
    assert_int_equal(begin(&n, &config, BOTH, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_READER_PROTOCOL);
    config.protocols = 0xFFFF;
    config.protocol = 15; /* no protocol (8.2.3) */
    assert_int_equal(begin(&n, &config, "3B 80 80 1F 01 1E", 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_READER_PROTOCOL);
}

static void a_card_that_does_not_answer_the_reset_fails(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_sent(&n, begin(&n, &config, BOTH, 0), "FF 01 FE");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_int_equal(iso7816_negotiate_silence(&n), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_NO_ATR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specific_mode_is_taken_as_it_is),
        cmocka_unit_test(with_ta2_b5_the_rate_is_the_implicit_one),
        cmocka_unit_test(specific_mode_with_another_protocol_fails_where_it_is_fixed),
        cmocka_unit_test(specific_mode_at_a_rate_of_no_reader_fails_where_it_is_fixed),
        cmocka_unit_test(a_card_that_can_change_its_mode_is_asked_to_by_a_warm_reset),
        cmocka_unit_test(a_card_is_asked_to_change_its_mode_only_once),
        cmocka_unit_test(no_reset_is_wasted_on_a_card_in_specific_mode),
        cmocka_unit_test(a_mode_that_goes_back_is_a_surprise_but_no_reason_for_another_reset),
        cmocka_unit_test(another_atr_is_evaluated_anew_and_a_second_one_fails),
        cmocka_unit_test(each_difference_that_matters_makes_another_atr),
        cmocka_unit_test(the_wanted_protocol_must_be_on_offer),
        cmocka_unit_test(a_card_that_does_not_answer_the_reset_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
