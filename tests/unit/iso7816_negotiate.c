/* SPDX-License-Identifier: MIT */
/*
 * From an ATR to a protocol and a rate (ISO/IEC 7816-3:2006, 6.3.1, clause 9): negotiable mode, every way that it can go,
 * and the machine itself. Specific mode is in iso7816_negotiate_mode.c.
 */
#include "iso7816_negotiate_kit.h"

/* ---- negotiable mode: the first request -------------------------------------------------------------------------- */

static void the_first_protocol_at_the_default_rate_needs_no_request(void **state)
{
    struct iso7816_negotiate_config config = reader(0);
    struct iso7816_negotiate n;

    assert_int_equal(begin(&n, &config, BOTH, 0), READY);
    assert_int_equal(n.protocol, 0);
    assert_int_equal(n.pair, 0x11);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_OK);
    assert_int_equal(n.requests, 0);
    config = reader(1);
    assert_int_equal(begin(&n, &config, ONLY_T1, 0), READY);
    assert_int_equal(n.protocol, 1);
    assert_int_equal(n.pair, 0x11);
}

static void another_protocol_at_the_default_rate_is_asked_for_without_pps1(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_sent(&n, begin(&n, &config, BOTH, 0), "FF 01 FE");
    assert_int_equal(n.pair, 0x11);
    assert_int_equal(says(&n, "FF 01 FE"), READY);
    assert_int_equal(n.protocol, 1);
    assert_int_equal(n.pair, 0x11);
    assert_int_equal(n.requests, 1);
    assert_int_equal(n.resets, 0);
    assert_int_equal(n.trouble, ISO7816_TROUBLE_NONE);
}

static void the_best_pair_is_proposed_first(void **state)
{
    static const struct {
        const char *atr, *request;
        uint8_t pair;
    } rows[] =
        {
            {BOTH_512_16, "FF 11 95 7B", 0x95}, {BOTH_512_64, "FF 11 97 79", 0x97},
            {BOTH_512_8, "FF 11 94 7A", 0x94},  {INVERSE_512_16, "FF 11 95 7B", 0x95},
            {BOTH_768_32, "FF 11 99 77", 0x99}, /* no F = 768 here; 512/20 is the next below 768/32 */
            {BOTH_512_2, "FF 11 92 7C", 0x92},
        };
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_sent(&n, begin(&n, &config, rows[i].atr, 0), rows[i].request);
        assert_int_equal(says(&n, rows[i].request), READY);
        assert_int_equal(n.protocol, 1);
        assert_int_equal(n.pair, rows[i].pair);
    }
}

static void the_first_protocol_is_named_when_a_rate_is_proposed(void **state)
{
    struct iso7816_negotiate_config config = reader(0);
    struct iso7816_negotiate n;

    assert_sent(&n, begin(&n, &config, ONLY_T0, 0), "FF 10 95 7A");
    assert_int_equal(says(&n, "FF 10 95 7A"), READY);
    assert_int_equal(n.protocol, 0);
    assert_int_equal(n.pair, 0x95);
}

static void a_rate_that_is_no_faster_than_the_default_one_is_not_proposed(void **state)
{
    struct iso7816_negotiate_config config = reader(0);
    struct iso7816_negotiate n;

    config.pairs[13] = 0x03FE;
    config.pairs[9] = 0;
    config.pairs[1] = 0x0002;
    /* 2048/4 is slower than 372/1, 2048/8 faster */
    config.pairs[13] = 1u << 3;
    assert_int_equal(begin(&n, &config, BOTH_2048_64, 0), READY);
    assert_int_equal(n.pair, 0x11);
    config.pairs[13] = 1u << 4;
    assert_sent(&n, begin(&n, &config, BOTH_2048_64, 0), "FF 10 D4 3B");
}

static void of_equal_rates_the_cards_own_fi_is_taken(void **state)
{
    struct iso7816_negotiate_config config = reader(0);
    struct iso7816_negotiate n;

    /* 512/16 and 1024/32 are one rate; then 372/8 under both its numbers */
    memset(config.pairs, 0, sizeof config.pairs);
    config.pairs[9] = 1u << 5;
    config.pairs[11] = 1u << 6;
    assert_sent(&n, begin(&n, &config, "3B 10 B6", 0), "FF 10 B6 59");
    assert_sent(&n, begin(&n, &config, "3B 10 D7", 0), "FF 10 95 7A");
    memset(config.pairs, 0, sizeof config.pairs);
    config.pairs[0] = config.pairs[1] = 1u << 4;
    assert_sent(&n, begin(&n, &config, "3B 10 D7", 0), "FF 10 14 FB");
    assert_sent(&n, begin(&n, &config, "3B 10 05", 0), "FF 10 04 EB");
}

static void the_readers_fastest_rate_is_a_limit(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    config.max_bps = 125000;
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0), "FF 11 95 7B");
    config.max_bps = 124999;
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0), "FF 11 98 76");
    config.max_bps = 9600;
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0), "FF 01 FE");
}

static void above_fmax_no_rate_is_proposed(void **state)
{
    struct iso7816_negotiate_config config = reader(0);
    struct iso7816_negotiate n;

    config.pairs[0] = 0x03FE;
    assert_sent(&n, begin(&n, &config, BOTH_4_MHZ, 0), "FF 10 05 EA");
    config.clock_khz = 4001;
    assert_int_equal(begin(&n, &config, BOTH_4_MHZ, 0), READY);
    assert_int_equal(n.pair, 0x11);
    assert_int_equal(begin(&n, &config, BOTH_RESERVED, 0), READY); /* nobody knows its fmax */
    assert_int_equal(n.pair, 0x11);
}

static void a_first_proposal_is_taken_as_it_is(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0x93), "FF 11 93 7D");
    /* 9.2 allows F and D each for itself, though 512/32 is faster than TA1's 768/32 */
    assert_sent(&n, begin(&n, &config, BOTH_768_32, 0x96), "FF 11 96 78");
    config.pairs[9] = 0;
    assert_sent(&n, begin(&n, &config, BOTH_512_16, 0x95), "FF 11 95 7B");
}

static void a_first_proposal_that_the_card_does_not_allow_becomes_the_default_rate(void **state)
{
    static const uint8_t wrong[] = {0x11, 0x01, 0x96, 0xA1, 0x75, 0x9A, 0x90, 0x91};
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_sent(&n, begin(&n, &config, BOTH_512_16, wrong[i]), "FF 01 FE");
}

static void the_default_rate_is_had_for_the_asking(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    config.aim = ISO7816_AIM_DEFAULT;
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0x97), "FF 01 FE");
    config.protocol = 0;
    assert_int_equal(begin(&n, &config, BOTH_512_64, 0x97), READY);
    assert_int_equal(n.pair, 0x11);
}

static void an_own_proposal_is_followed_by_the_default_rate(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    config.aim = ISO7816_AIM_OWN;
    config.pairs[9] = 0; /* the caller knows better */
    config.max_bps = 9600;
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0x96), "FF 11 96 78");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_64, 0x96), "FF 01 FE");
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0x91), "FF 11 91 7F"); /* even a slow one */
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0xA6), "FF 01 FE");
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0), "FF 01 FE");
}

static void a_pps_exchange_comes_first_after_a_reset(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_atr atr = parsed(BOTH_512_16);
    struct iso7816_negotiate n;

    assert_int_equal(iso7816_negotiate_start(&n, &config, &atr, 0, false), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_16, 0), "FF 11 95 7B");
    assert_int_equal(says(&n, "FF 11 95 7B"), READY);
    assert_int_equal(n.resets, 1);
}

/* ---- negotiable mode: what the card says to it ------------------------------------------------------------------- */

static void a_response_without_pps1_agrees_on_the_default_rate(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0), "FF 11 97 79");
    assert_int_equal(says(&n, "FF 01 FE"), READY);
    assert_int_equal(n.protocol, 1);
    assert_int_equal(n.pair, 0x11);
    assert_int_equal(n.resets, 0);
}

static void an_insisting_reader_proposes_a_slower_rate_to_a_card_that_leaves_pps1_out(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    config.insist = true;
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0), "FF 11 97 79");
    assert_int_equal(says(&n, "FF 01 FE"), RESET);
    assert_int_equal(n.trouble, ISO7816_TROUBLE_REFUSED);
    assert_int_equal(n.trouble_pair, 0x97);
    assert_sent(&n, comes_up(&n, BOTH_512_64, 0), "FF 11 96 78");
    assert_int_equal(says(&n, "FF 11 96 78"), READY);
    assert_int_equal(n.pair, 0x96);
    /* What is agreed to is not insisted on. */
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0), "FF 11 97 79");
    assert_int_equal(says(&n, "FF 11 97 79"), READY);
    assert_int_equal(n.pair, 0x97);
    /* Again refused: the third request would be for just what has been agreed on. */
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0), "FF 11 97 79");
    assert_int_equal(says(&n, "FF 01 FE"), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_64, 0), "FF 11 96 78");
    assert_int_equal(says(&n, "FF 01 FE"), READY);
    assert_int_equal(n.pair, 0x11);
    assert_int_equal(n.requests, 2);
    assert_int_equal(n.resets, 1);
}

static void an_insisting_reader_without_a_slower_rate_takes_the_default_one(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    config.insist = true;
    assert_sent(&n, begin(&n, &config, BOTH_512_2, 0), "FF 11 92 7C");
    assert_int_equal(says(&n, "FF 01 FE"), READY);
    assert_int_equal(n.pair, 0x11);
    config.aim = ISO7816_AIM_OWN;
    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0x97), "FF 11 97 79");
    assert_int_equal(says(&n, "FF 01 FE"), READY);
    assert_int_equal(n.pair, 0x11);
    assert_int_equal(n.resets, 0);
}

/* Every way to fail a request, and that all lead to the next slower rate. */
static void a_request_that_fails_is_followed_by_a_reset_and_a_slower_rate(void **state)
{
    static const struct {
        const char *response; /* NULL: none */
        bool parity_ok;
        enum iso7816_negotiate_trouble trouble;
    } rows[] = {
        {NULL, true, ISO7816_TROUBLE_MUTE},
        {"FF 11 97 79", false, ISO7816_TROUBLE_GARBLED},
        {"FF 11 97 78", true, ISO7816_TROUBLE_WRONG},    /* PCK */
        {"FF 11 97", true, ISO7816_TROUBLE_WRONG},       /* too short */
        {"", true, ISO7816_TROUBLE_WRONG},               /* nothing */
        {"FF 11 97 79 00", true, ISO7816_TROUBLE_WRONG}, /* too long */
        {"FE 11 97 78", true, ISO7816_TROUBLE_WRONG},    /* PPSS */
        {"FF 91 97 F9", true, ISO7816_TROUBLE_WRONG},    /* PPS0 b8 */
        {"FF 11 96 78", true, ISO7816_TROUBLE_WRONG},    /* another rate */
        {"FF 10 97 78", true, ISO7816_TROUBLE_WRONG},    /* another protocol */
        {"FF 00 FF", true, ISO7816_TROUBLE_WRONG},
        {"FF 31 97 00 59", true, ISO7816_TROUBLE_WRONG}, /* PPS2, which was not asked for */
    };
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t bytes[8];

        assert_sent(&n, begin(&n, &config, BOTH_512_64, 0), "FF 11 97 79");
        if (!rows[i].response)
            assert_int_equal(iso7816_negotiate_silence(&n), RESET);
        else if (rows[i].parity_ok)
            assert_int_equal(says(&n, rows[i].response), RESET);
        else
            assert_int_equal(iso7816_negotiate_response(&n, bytes, hex(rows[i].response, bytes, sizeof bytes), false),
                             RESET);
        assert_int_equal(n.trouble, rows[i].trouble);
        assert_int_equal(n.trouble_pair, 0x97);
        assert_sent(&n, comes_up(&n, BOTH_512_64, 0), "FF 11 96 78");
    }
}

static void the_slower_rate_keeps_f_where_it_can(void **state)
{
    static const struct {
        const char *atr;
        uint8_t first;
        const char *request, *next;
    } rows[] = {
        {BOTH_512_64, 0, "FF 11 97 79", "FF 11 96 78"},               /* 372/32 lies between them */
        {BOTH_512_16, 0, "FF 11 95 7B", "FF 11 98 76"},               /* 16, 12 */
        {BOTH_512_8, 0, "FF 11 94 7A", "FF 11 93 7D"},                /* 8, 4 */
        {BOTH_512_2, 0, "FF 11 92 7C", "FF 01 FE"},                   /* none between 512/2 and the default one */
        {BOTH_768_32, 0x96, "FF 11 96 78", "FF 11 99 77"},            /* F of the proposal */
        {BOTH_2048_64, 0xA5, "FF 11 A5 4B", "FF 11 94 7A"},           /* the reader has no F = 768: 512/8 */
        {"3B 90 18 80 31 FE 05 C2", 0, "FF 11 18 F6", "FF 11 14 FA"}, /* 12, 8 */
    };
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_sent(&n, begin(&n, &config, rows[i].atr, rows[i].first), rows[i].request);
        assert_int_equal(iso7816_negotiate_silence(&n), RESET);
        assert_sent(&n, comes_up(&n, rows[i].atr, rows[i].first), rows[i].next);
    }
}

static void the_slower_rate_is_another_rate_not_another_name_of_it(void **state)
{
    struct iso7816_negotiate_config config = reader(0);
    struct iso7816_negotiate n;

    memset(config.pairs, 0, sizeof config.pairs);
    config.pairs[9] = 1u << 5 | 1u << 2; /* 512/16, 512/2 */
    config.pairs[11] = 1u << 6;          /* 1024/32, which is 512/16 */
    assert_sent(&n, begin(&n, &config, "3B 10 B6", 0xB6), "FF 10 B6 59");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_sent(&n, comes_up(&n, "3B 10 B6", 0xB6), "FF 10 92 7D");
}

static void the_third_request_is_for_the_default_rate_and_the_last(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_sent(&n, begin(&n, &config, BOTH_512_64, 0), "FF 11 97 79");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_64, 0), "FF 11 96 78");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_64, 0), "FF 01 FE");
    assert_int_equal(iso7816_negotiate_silence(&n), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_PPS_FAILED);
    assert_int_equal(n.trouble, ISO7816_TROUBLE_MUTE);
    assert_int_equal(n.trouble_pair, 0x11);
    assert_int_equal(n.requests, 3);
    assert_int_equal(n.resets, 2);
}

static void a_card_that_is_mute_to_all_gets_its_first_protocol_without(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_sent(&n, begin(&n, &config, ONLY_T1_512_32, 0), "FF 11 96 78");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_sent(&n, comes_up(&n, ONLY_T1_512_32, 0), "FF 11 99 77");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_int_equal(comes_up(&n, ONLY_T1_512_32, 0), READY);
    assert_int_equal(n.protocol, 1);
    assert_int_equal(n.pair, 0x11);
    assert_int_equal(n.requests, 2);
    assert_int_equal(n.trouble, ISO7816_TROUBLE_MUTE);
    assert_int_equal(n.trouble_pair, 0x99);
}

static void the_default_rate_is_asked_for_twice(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_sent(&n, begin(&n, &config, BOTH, 0), "FF 01 FE");
    assert_int_equal(says(&n, "FF 01 FF"), RESET);
    assert_int_equal(n.trouble, ISO7816_TROUBLE_WRONG);
    assert_sent(&n, comes_up(&n, BOTH, 0), "FF 01 FE");
    assert_int_equal(iso7816_negotiate_silence(&n), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_PPS_FAILED);
    assert_int_equal(n.trouble, ISO7816_TROUBLE_MUTE);
    assert_int_equal(n.requests, 2);
    /* And once after two faster ones, or twice after one. */
    assert_sent(&n, begin(&n, &config, BOTH_512_2, 0), "FF 11 92 7C");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_2, 0), "FF 01 FE");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_sent(&n, comes_up(&n, BOTH_512_2, 0), "FF 01 FE");
    assert_int_equal(iso7816_negotiate_silence(&n), FAIL);
    assert_int_equal(n.requests, 3);
}

/* ---- the machine itself ------------------------------------------------------------------------------------------ */

static void what_was_not_asked_for_is_refused(void **state)
{
    struct iso7816_negotiate_config config = reader(1);
    struct iso7816_negotiate n;

    assert_sent(&n, begin(&n, &config, BOTH, 0), "FF 01 FE");
    assert_int_equal(comes_up(&n, BOTH, 0), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_MISUSED);
    assert_int_equal(says(&n, "FF 01 FE"), FAIL);
    assert_int_equal(iso7816_negotiate_silence(&n), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_MISUSED);
    assert_sent(&n, begin(&n, &config, BOTH, 0), "FF 01 FE");
    assert_int_equal(iso7816_negotiate_silence(&n), RESET);
    assert_int_equal(says(&n, "FF 01 FE"), FAIL);
    assert_int_equal(n.reason, ISO7816_NEGOTIATE_MISUSED);
}

/* Whatever the ATRs, the proposals and the responses: three requests and four resets at most. */
static void every_negotiation_ends(void **state)
{
    static const char *const atrs[] = {BOTH,     BOTH_512_64,   ONLY_T1_512_32, T0_CAN_CHANGE,     T0_FIXED,
                                       ONLY_T0,  T1_CAN_CHANGE, BOTH_RESERVED,  T1_768_CAN_CHANGE, BOTH_2048_64,
                                       T1_FIXED, BOTH_512_2};
    uint32_t seed = 7816;
    unsigned most_requests = 0, most_resets = 0;

    for (int i = 0; i < 200000; i++) {
        struct iso7816_negotiate_config config = reader(random_next(&seed) & 1);
        uint8_t first = random_next(&seed) & 1 ? (uint8_t)random_next(&seed) : 0;
        struct iso7816_atr atr = parsed(atrs[random_next(&seed) % COUNT(atrs)]);
        enum iso7816_negotiate_action action;
        struct iso7816_negotiate n;
        int turns;

        config.aim = (enum iso7816_aim)(random_next(&seed) % 3);
        config.insist = random_next(&seed) & 1;
        action = iso7816_negotiate_start(&n, &config, &atr, first, random_next(&seed) & 1);
        for (turns = 0; action == SEND || action == RESET; turns++) {
            uint32_t choice = random_next(&seed) % 4;

            assert_true(turns < 8);
            if (choice == 0) {
                action = action == SEND ? iso7816_negotiate_silence(&n) : comes_up(&n, BOTH_512_64, first);
            } else if (action == RESET) {
                const char *other = atrs[random_next(&seed) % COUNT(atrs)];

                action = choice == 1 ? comes_up(&n, other, first) : iso7816_negotiate_atr(&n, &atr, first);
            } else if (choice == 1) {
                action = says(&n, "FF 01 FE");
            } else if (choice == 2) {
                action = says(&n, "FF 00");
            } else {
                action = iso7816_negotiate_response(&n, n.tx, n.tx_size, true);
            }
        }
        assert_true(action == FAIL ? n.reason != ISO7816_NEGOTIATE_OK : n.reason == ISO7816_NEGOTIATE_OK);
        most_requests = n.requests > most_requests ? n.requests : most_requests;
        most_resets = n.resets > most_resets ? n.resets : most_resets;
    }
    assert_int_equal(most_requests, 3);
    assert_int_equal(most_resets, 4);
}

static void every_reason_has_a_text(void **state)
{
    for (int i = 0; i < ISO7816_NEGOTIATE_REASONS; i++)
        assert_true(strlen(iso7816_negotiate_text((enum iso7816_negotiate_reason)i)) > 10);
    assert_string_equal(iso7816_negotiate_text(ISO7816_NEGOTIATE_SPECIFIC_PROTOCOL),
                        "the card is in specific mode with another protocol");
    assert_string_equal(iso7816_negotiate_text(ISO7816_NEGOTIATE_REASONS), "unknown reason");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_protocol_at_the_default_rate_needs_no_request),
        cmocka_unit_test(another_protocol_at_the_default_rate_is_asked_for_without_pps1),
        cmocka_unit_test(the_best_pair_is_proposed_first),
        cmocka_unit_test(the_first_protocol_is_named_when_a_rate_is_proposed),
        cmocka_unit_test(a_rate_that_is_no_faster_than_the_default_one_is_not_proposed),
        cmocka_unit_test(of_equal_rates_the_cards_own_fi_is_taken),
        cmocka_unit_test(the_readers_fastest_rate_is_a_limit),
        cmocka_unit_test(above_fmax_no_rate_is_proposed),
        cmocka_unit_test(a_first_proposal_is_taken_as_it_is),
        cmocka_unit_test(a_first_proposal_that_the_card_does_not_allow_becomes_the_default_rate),
        cmocka_unit_test(the_default_rate_is_had_for_the_asking),
        cmocka_unit_test(an_own_proposal_is_followed_by_the_default_rate),
        cmocka_unit_test(a_pps_exchange_comes_first_after_a_reset),
        cmocka_unit_test(a_response_without_pps1_agrees_on_the_default_rate),
        cmocka_unit_test(an_insisting_reader_proposes_a_slower_rate_to_a_card_that_leaves_pps1_out),
        cmocka_unit_test(an_insisting_reader_without_a_slower_rate_takes_the_default_one),
        cmocka_unit_test(a_request_that_fails_is_followed_by_a_reset_and_a_slower_rate),
        cmocka_unit_test(the_slower_rate_keeps_f_where_it_can),
        cmocka_unit_test(the_slower_rate_is_another_rate_not_another_name_of_it),
        cmocka_unit_test(the_third_request_is_for_the_default_rate_and_the_last),
        cmocka_unit_test(a_card_that_is_mute_to_all_gets_its_first_protocol_without),
        cmocka_unit_test(the_default_rate_is_asked_for_twice),
        cmocka_unit_test(what_was_not_asked_for_is_refused),
        cmocka_unit_test(every_negotiation_ends),
        cmocka_unit_test(every_reason_has_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
