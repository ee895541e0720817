/* SPDX-License-Identifier: MIT */
/*
 * How long the reader waits, just under each limit and just over it, in simulated time (ISO/IEC 7816-3:2006, 6.2.2, 8.1,
 * 9, 10.2, 11.4.3). The card's clock is 4 MHz, so one etu at the default rate is 93 microseconds.
 */
#include "vreader_desk.h"

#define BOTH      "echo atr=3B808031FE05CA"   /* T=0, T=1 with BWI 0, CWI 5 */
#define BOTH_FAST "echo atr=3B90958031FE054F" /* the same with F = 512, D = 16 */
#define QUICK_T0  "echo atr=3B804001"         /* T=0 with WI 1 */

static void answer_to_reset_begins_within_40000_clock_cycles(void **state)
{
    struct desk *desk = *state;
    uint64_t before;

    insert(desk, BOTH);
    fault(desk, "late us=9900");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    fault(desk, "late us=10100");
    before = smartcrd_now(desk->context);
    assert_int_equal(reset(desk), STATUS_IO_TIMEOUT);
    assert_int_equal(smartcrd_now(desk->context) - before, 10000000);
}

static void characters_of_the_answer_to_reset_come_within_9600_etu(void **state)
{
    struct desk *desk = *state;

    insert(desk, BOTH);
    fault(desk, "delay on=atr byte=3 us=892000");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    fault(desk, "delay on=atr byte=3 us=893600");
    assert_int_equal(reset(desk), STATUS_UNRECOGNIZED_MEDIA);
}

static void pps_response_comes_within_9600_etu(void **state)
{
    static const char *const under[] = {"late us=892000", "delay on=pps byte=1 us=892000"};
    static const char *const over[] = {"late us=893600", "delay on=pps byte=1 us=893600"};
    struct desk *desk = *state;

    for (size_t i = 0; i < 2; i++) {
        insert(desk, BOTH_FAST);
        assert_int_equal(reset(desk), STATUS_SUCCESS);
        fault(desk, under[i]);
        assert_int_equal(smartcrd_set_protocol(desk->reader, T1, NULL, NONE), STATUS_SUCCESS);
        assert_int_equal(newest(desk).retransmissions, 0);
        assert_int_equal(reset(desk), STATUS_SUCCESS);
        fault(desk, over[i]);
        assert_int_equal(smartcrd_set_protocol(desk->reader, T1, NULL, NONE), STATUS_SUCCESS);
        assert_int_equal(newest(desk).retransmissions, 1);
        take_out(desk);
    }
}

/* WI 1: 960 etu, 89280 microseconds. */
static void characters_of_t0_come_within_wt(void **state)
{
    struct desk *desk = *state;

    ready(desk, QUICK_T0, T0);
    fault(desk, "delay byte=1 us=89100");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    fault(desk, "delay byte=1 us=89500");
    assert_int_equal(read_two(desk), STATUS_IO_TIMEOUT);
}

/* BWI 0: 11 + 960 etu, 90303 microseconds. */
static void blocks_come_within_bwt(void **state)
{
    struct desk *desk = *state;

    ready(desk, BOTH, T1);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    fault(desk, "late us=90100");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_int_equal(newest(desk).retransmissions, 0);
    fault(desk, "late us=90500");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_int_equal(newest(desk).retransmissions, 1);
}

/* CWI 5: 43 etu, 3999 microseconds. */
static void characters_of_a_block_come_within_cwt(void **state)
{
    struct desk *desk = *state;

    ready(desk, BOTH, T1);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    fault(desk, "delay byte=2 us=3900");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_int_equal(newest(desk).retransmissions, 0);
    fault(desk, "delay byte=2 us=4100");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_true(newest(desk).retransmissions > 0); /* more than one: the rest comes while it is asked for */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_desk(answer_to_reset_begins_within_40000_clock_cycles),
        with_desk(characters_of_the_answer_to_reset_come_within_9600_etu),
        with_desk(pps_response_comes_within_9600_etu),
        with_desk(characters_of_t0_come_within_wt),
        with_desk(blocks_come_within_bwt),
        with_desk(characters_of_a_block_come_within_cwt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
