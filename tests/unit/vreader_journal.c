/* SPDX-License-Identifier: MIT */
/*
 * The virtual reader from outside, through smartcrd.h: what the journal says of waits that were cut short, of faults and
 * their repair, and that the rate agreed by PPS is the one in force on both sides.
 */
#include "vreader_desk.h"

/* Answers to reset. The waiting times are long where a deadline has to come first. */
#define BOTH      "atr=3B808031FE05CA"   /* T=0, T=1; default rate; BWT is 90 ms */
#define BOTH_FAST "atr=3B90958031FE054F" /* the same with F = 512, D = 16 */
#define SLOW_T1   "atr=3B808031FE955A"   /* T=0, T=1; BWT is 46 s */
#define SLOW_T0   "atr=3B8040FF"         /* T=0, WWT is 23 s */
#define ONLY_T1   "atr=3B808131FE05CB"   /* T=1, default rate, with a TCK */
#define FAST_T1   "atr=3B90968131FE054D" /* the same with F = 512, D = 32 */

static void journal_says(struct desk *desk, NTSTATUS status, uint32_t retransmissions, const char *step)
{
    struct smartcrd_journal_entry entry = newest(desk);

    assert_int_equal(entry.status, status);
    assert_string_equal(entry.step, step);
    assert_int_equal(entry.retransmissions, retransmissions);
}

static uint32_t attribute(struct desk *desk, uint32_t tag)
{
    uint32_t value = 0;
    size_t size = sizeof(value);

    assert_int_equal(smartcrd_attribute(desk->reader, tag, &value, &size), STATUS_SUCCESS);
    return value;
}

static uint32_t state_of(struct desk *desk)
{
    uint32_t state = 99;

    assert_int_equal(smartcrd_state(desk->reader, &state), STATUS_SUCCESS);
    return state;
}

/* ---- waits that are cut short ------------------------------------------------------------------------------------ */

static void a_deadline_over_t1_says_which_block_is_missing(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo " SLOW_T1, T1);
    fault(desk, "mute");
    assert_int_equal(read_within(desk, 30), STATUS_IO_TIMEOUT);
    journal_says(desk, STATUS_IO_TIMEOUT, 0, "deadline of 30 ms passed; the driver was at: T=1: waiting for block 1");
    assert_int_equal(newest(desk).layer, SMARTCRD_LAYER_HOST);
    /* Now RESYNCH comes first, before any block of the library's. */
    fault(desk, "mute");
    assert_int_equal(read_within(desk, 30), STATUS_IO_TIMEOUT);
    journal_says(desk, STATUS_IO_TIMEOUT, 0,
                 "deadline of 30 ms passed; the driver was at: T=1: waiting for the response to RESYNCH");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    /* S(IFS) has been exchanged, the answer is late. */
    fault(desk, "late ms=60000");
    assert_int_equal(read_within(desk, 30), STATUS_IO_TIMEOUT);
    journal_says(desk, STATUS_IO_TIMEOUT, 0, "deadline of 30 ms passed; the driver was at: T=1: waiting for block 1");
}

static void a_retry_says_more_than_the_wait_after_it(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo " SLOW_T1, T1);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    fault(desk, "edc byte=1 to=card count=3"); /* the third one is met with silence (11.6.3.2, rule 7.4.3) */
    assert_int_equal(read_within(desk, 30), STATUS_IO_TIMEOUT);
    journal_says(desk, STATUS_IO_TIMEOUT, 2,
                 "deadline of 30 ms passed; the driver was at: T=1: the card asks for a repetition in block 2, se");
}

static void a_deadline_over_t0_says_what_character_is_missing(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo " SLOW_T0, T0);
    fault(desk, "mute");
    assert_int_equal(read_within(desk, 30), STATUS_IO_TIMEOUT);
    journal_says(desk, STATUS_IO_TIMEOUT, 0,
                 "deadline of 30 ms passed; the driver was at: T=0: waiting for a procedure byte");
}

static void a_deadline_of_a_reset_says_that_ts_is_missing(void **state)
{
    struct desk *desk = *state;

    insert(desk, "echo");
    fault(desk, "mute");
    assert_int_equal(reset_within(desk, 1), STATUS_IO_TIMEOUT);
    journal_says(desk, STATUS_IO_TIMEOUT, 0, "deadline of 1 ms passed; the driver was at: reset: waiting for TS");
    assert_int_equal(state_of(desk), SCARD_PRESENT);
}

static void a_deadline_of_pps_says_that_the_response_is_missing(void **state)
{
    struct desk *desk = *state;

    insert(desk, "echo pps=mute " BOTH);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    assert_int_equal(smartcrd_set_protocol(desk->reader, T1, NULL, 30), STATUS_IO_TIMEOUT);
    journal_says(desk, STATUS_IO_TIMEOUT, 0,
                 "deadline of 30 ms passed; the driver was at: PPS: waiting for the response");
}

static void a_deadline_in_raw_mode_says_that_the_answer_is_missing(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo", SCARD_PROTOCOL_RAW);
    fault(desk, "mute");
    assert_int_equal(read_within(desk, 30), STATUS_IO_TIMEOUT);
    journal_says(desk, STATUS_IO_TIMEOUT, 0,
                 "deadline of 30 ms passed; the driver was at: raw: waiting for the answer");
}

static const uint8_t transmission[] = {2, 0, 0, 0, 8, 0, 0, 0, 0x00, 0xB0, 0x00, 0x00, 0x02};

static uint64_t hanging(struct desk *desk, uint8_t out[32])
{
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_TRANSMIT,
                                       .in = transmission,
                                       .in_size = sizeof(transmission),
                                       .out = out,
                                       .out_size = 32,
                                       .timeout_ms = NONE};
    uint64_t id = 0;

    fault(desk, "mute");
    assert_int_equal(smartcrd_submit(desk->reader, &request, &id, NULL), STATUS_PENDING);
    return id;
}

static void a_cancel_says_what_was_waited_for(void **state)
{
    struct desk *desk = *state;
    struct smartcrd_completion done;
    uint8_t out[32];
    uint64_t id;

    ready(desk, "echo " SLOW_T1, T1);
    id = hanging(desk, out);
    assert_int_equal(smartcrd_cancel(desk->reader, id), STATUS_SUCCESS);
    assert_int_equal(smartcrd_reap_one(desk->reader, id, &done, 10000), STATUS_SUCCESS);
    journal_says(desk, STATUS_CANCELLED, 0, "cancelled; the driver was at: T=1: waiting for block 1");
}

static void a_success_that_waited_has_no_words(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo " SLOW_T1, T1);
    fault(desk, "late ms=20");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    journal_says(desk, STATUS_SUCCESS, 0, "");
}

/* ---- protocols and rates ----------------------------------------------------------------------------------------- */

static void another_protocol_after_the_choice_begins_with_a_reset(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo " BOTH, T0); /* needs no PPS: nothing has been said */
    assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
    journal_says(desk, STATUS_SUCCESS, 0, ""); /* no PPS that a card in T=0 stays mute to */
    panel_says(desk, "card=echo power=on protocol=T=1 rate=372/1 faults=0\n");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_int_equal(select_protocol(desk, T0), STATUS_SUCCESS);
    journal_says(desk, STATUS_SUCCESS, 0, "");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

/* The panel tells the card's own idea of the rate; when it is not the reader's, no exchange works. */
static void pps_agrees_on_the_best_common_rate(void **state)
{
    static const struct {
        const char *card, *panel;
        uint32_t protocol, f, d;
    } rows[] = {
        {"echo atr=3B90118031FE05CB", "card=echo power=on protocol=T=1 rate=372/1 faults=0\n", T1, 372, 1},
        {"echo atr=3B90188031FE05C2", "card=echo power=on protocol=T=1 rate=372/12 faults=0\n", T1, 372, 12},
        {"echo atr=3B90948031FE054E", "card=echo power=on protocol=T=1 rate=512/8 faults=0\n", T1, 512, 8},
        {"echo atr=3B90958031FE054F", "card=echo power=on protocol=T=0 rate=512/16 faults=0\n", T0, 512, 16},
        {"echo atr=3B90978031FE054D", "card=echo power=on protocol=T=1 rate=512/64 faults=0\n", T1, 512, 64},
        {"echo atr=3B90998031FE0543", "card=echo power=on protocol=T=1 rate=512/20 faults=0\n", T1, 512, 20},
        /* No rate of the reader's has F = 768 and D = 32; the next lower F is agreed on. The attributes are the card's. */
        {"echo atr=3B90A68031FE057C", "card=echo power=on protocol=T=1 rate=512/32 faults=0\n", T1, 768, 32},
        /* Specific mode: the rate of TA1, and nothing to agree on. */
        {"echo atr=3B9095910131FE055F", "card=echo power=on protocol=T=1 rate=512/16 faults=0\n", T1, 512, 16},
    };
    struct desk *desk = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ready(desk, rows[i].card, rows[i].protocol);
        panel_says(desk, rows[i].panel);
        assert_int_equal(attribute(desk, SCARD_ATTR_CURRENT_F), rows[i].f);
        assert_int_equal(attribute(desk, SCARD_ATTR_CURRENT_D), rows[i].d);
        assert_int_equal(attribute(desk, SCARD_ATTR_CURRENT_PROTOCOL_TYPE), rows[i].protocol);
        assert_int_equal(read_two(desk), STATUS_SUCCESS);
        assert_int_equal(newest(desk).retransmissions, 0);
        take_out(desk);
    }
}

static void a_card_that_refuses_the_rate_gets_the_default_one(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo pps=default " BOTH_FAST, T1);
    journal_says(desk, STATUS_SUCCESS, 1, "PPS: the card refuses 512/16; now 372/1");
    panel_says(desk, "card=echo power=on protocol=T=1 rate=372/1 faults=0\n");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

static void a_card_that_is_mute_to_pps_gets_its_first_protocol_at_the_default_rate(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo pps=mute " FAST_T1, T1);
    journal_says(desk, STATUS_SUCCESS, 2, "PPS: the card is mute to 512/20; now 372/1");
    panel_says(desk, "card=echo power=on protocol=T=1 rate=372/1 faults=0\n");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    take_out(desk);
    /* Its second protocol cannot be had without. */
    insert(desk, "echo pps=mute " BOTH_FAST);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    assert_int_equal(select_protocol(desk, T1), STATUS_IO_TIMEOUT);
    journal_says(desk, STATUS_IO_TIMEOUT, 3, "PPS: the card is mute to 372/1, again");
}

static void a_warm_reset_in_specific_mode_keeps_the_rate(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo atr=3B9095910131FE055F", T1);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_int_equal(select_protocol(desk, SCARD_PROTOCOL_RAW), STATUS_SUCCESS);
    assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
    panel_says(desk, "card=echo power=on protocol=T=1 rate=512/16 faults=0\n");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

/* ---- faults of the first blocks ---------------------------------------------------------------------------------- */

static void an_edc_error_in_the_very_first_block_is_repaired(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo " BOTH, T1);
    fault(desk, "edc byte=1 count=1");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    journal_says(desk, STATUS_SUCCESS, 1, "T=1: EDC error in block 1, first retry");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    journal_says(desk, STATUS_SUCCESS, 0, "");
}

static void a_wrong_tck_spoils_the_reset(void **state)
{
    struct desk *desk = *state;

    insert(desk, "echo " BOTH);
    fault(desk, "edc byte=99 on=atr"); /* behind the end: the last */
    assert_int_equal(reset(desk), STATUS_UNRECOGNIZED_MEDIA);
    assert_non_null(strstr(newest(desk).step, "ATR: "));
    assert_int_equal(state_of(desk), SCARD_PRESENT);
    panel_says(desk, "card=echo power=off protocol=none faults=0\n");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

static void a_wrong_tck_after_a_warm_reset_spoils_the_protocol(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo " BOTH, T0);
    fault(desk, "edc byte=6 on=atr");
    assert_int_equal(select_protocol(desk, T1), STATUS_DEVICE_PROTOCOL_ERROR);
    journal_says(desk, STATUS_DEVICE_PROTOCOL_ERROR, 0, "the answer to the warm reset is another one than before");
    panel_says(desk, "card=echo power=off protocol=none faults=0\n");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

/* 7.3: a card that offers T=0 sends a wrong character again, three times at most; others do not. */
static void a_parity_error_in_the_atr_is_repaired_by_a_card_that_offers_t0(void **state)
{
    struct desk *desk = *state;
    char text[64];

    insert(desk, "echo " BOTH);
    for (uint32_t count = 1; count <= 3; count++) {
        snprintf(text, sizeof(text), "parity byte=2 on=atr count=%u", count);
        fault(desk, text);
        assert_int_equal(reset(desk), STATUS_SUCCESS);
        journal_says(desk, STATUS_SUCCESS, count, "");
        panel_says(desk, "card=echo power=on protocol=none faults=0\n");
    }
    fault(desk, "parity byte=2 on=atr count=4");
    assert_int_equal(reset(desk), STATUS_UNRECOGNIZED_MEDIA);
    journal_says(desk, STATUS_UNRECOGNIZED_MEDIA, 3, "reset: a character of the answer came with a parity error");
    assert_int_equal(state_of(desk), SCARD_PRESENT);
    panel_says(desk, "card=echo power=off protocol=none faults=0\n");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    take_out(desk);

    insert(desk, "echo " ONLY_T1);
    fault(desk, "parity byte=2 on=atr");
    assert_int_equal(reset(desk), STATUS_UNRECOGNIZED_MEDIA);
    journal_says(desk, STATUS_UNRECOGNIZED_MEDIA, 0, "reset: a character of the answer came with a parity error");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
}

static void a_parity_error_after_a_warm_reset_spoils_the_protocol(void **state)
{
    struct desk *desk = *state;

    ready(desk, "echo " BOTH, T0);
    fault(desk, "parity byte=0 on=atr count=4");
    assert_int_equal(select_protocol(desk, T1), STATUS_DEVICE_PROTOCOL_ERROR);
    journal_says(desk, STATUS_DEVICE_PROTOCOL_ERROR, 3,
                 "warm reset: a character of the answer came with a parity error");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
}

static void a_wrong_pck_leads_to_a_slower_rate(void **state)
{
    struct desk *desk = *state;

    insert(desk, "echo " BOTH_FAST);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    fault(desk, "edc byte=9 on=pps");
    assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
    journal_says(desk, STATUS_SUCCESS, 1, "PPS: no valid answer to 512/16; now 512/12");
    panel_says(desk, "card=echo power=on protocol=T=1 rate=512/12 faults=0\n");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    /* Three times wrong: that is all. */
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    fault(desk, "edc byte=9 on=pps count=3");
    assert_int_equal(select_protocol(desk, T1), STATUS_DEVICE_PROTOCOL_ERROR);
    journal_says(desk, STATUS_DEVICE_PROTOCOL_ERROR, 3, "PPS: no valid answer to 372/1, again");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
    panel_says(desk, "card=echo power=on protocol=T=1 rate=512/16 faults=0\n");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

static void a_pps_request_that_arrives_wrong_is_not_answered(void **state)
{
    struct desk *desk = *state;

    insert(desk, "echo " BOTH_FAST);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    fault(desk, "edc byte=3 on=pps to=card");
    assert_int_equal(select_protocol(desk, T0), STATUS_SUCCESS);
    journal_says(desk, STATUS_SUCCESS, 1, "PPS: the card is mute to 512/16; now 512/12");
    panel_says(desk, "card=echo power=on protocol=T=0 rate=512/12 faults=0\n");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

static void a_parity_error_in_pps_is_repaired_by_a_card_that_offers_t0(void **state)
{
    struct desk *desk = *state;

    insert(desk, "echo " BOTH_FAST);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    fault(desk, "parity byte=1 on=pps count=2");
    fault(desk, "parity byte=1 on=pps to=card");
    assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
    journal_says(desk, STATUS_SUCCESS, 3, "");
    panel_says(desk, "card=echo power=on protocol=T=1 rate=512/16 faults=0\n");
    take_out(desk);

    insert(desk, "echo " FAST_T1);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    fault(desk, "parity byte=1 on=pps");
    assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
    journal_says(desk, STATUS_SUCCESS, 1, "PPS: parity error in the answer to 512/32; now 512/20");
    panel_says(desk, "card=echo power=on protocol=T=1 rate=512/20 faults=0\n");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

static void faults_of_exchanges_leave_resets_and_pps_alone(void **state)
{
    struct desk *desk = *state;

    insert(desk, "echo " BOTH_FAST);
    fault(desk, "edc byte=1");
    fault(desk, "parity byte=1 on=exchange");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
    panel_says(desk, "card=echo power=on protocol=T=1 rate=512/16 faults=2\n");
    assert_int_equal(say(desk, IOCTL_VREADER_FAULT, "edc on=atr to=card"), STATUS_INVALID_PARAMETER);
    panel_says(desk, "card=echo power=on protocol=T=1 rate=512/16 faults=2\n"
                     "refused: an answer to reset goes to the reader\n");
    assert_int_equal(say(desk, IOCTL_VREADER_FAULT, "edc on=wire"), STATUS_INVALID_PARAMETER);
    panel_says(desk, "card=echo power=on protocol=T=1 rate=512/16 faults=2\n"
                     "refused: on wants exchange, atr or pps\n");
    assert_int_equal(say(desk, IOCTL_VREADER_FAULT, "mute on=atr"), STATUS_INVALID_PARAMETER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_desk(a_deadline_over_t1_says_which_block_is_missing),
        with_desk(a_retry_says_more_than_the_wait_after_it),
        with_desk(a_deadline_over_t0_says_what_character_is_missing),
        with_desk(a_deadline_of_a_reset_says_that_ts_is_missing),
        with_desk(a_deadline_of_pps_says_that_the_response_is_missing),
        with_desk(a_deadline_in_raw_mode_says_that_the_answer_is_missing),
        with_desk(a_cancel_says_what_was_waited_for),
        with_desk(a_success_that_waited_has_no_words),
        with_desk(another_protocol_after_the_choice_begins_with_a_reset),
        with_desk(pps_agrees_on_the_best_common_rate),
        with_desk(a_card_that_refuses_the_rate_gets_the_default_one),
        with_desk(a_card_that_is_mute_to_pps_gets_its_first_protocol_at_the_default_rate),
        with_desk(a_warm_reset_in_specific_mode_keeps_the_rate),
        with_desk(an_edc_error_in_the_very_first_block_is_repaired),
        with_desk(a_wrong_tck_spoils_the_reset),
        with_desk(a_wrong_tck_after_a_warm_reset_spoils_the_protocol),
        with_desk(a_parity_error_in_the_atr_is_repaired_by_a_card_that_offers_t0),
        with_desk(a_parity_error_after_a_warm_reset_spoils_the_protocol),
        with_desk(a_wrong_pck_leads_to_a_slower_rate),
        with_desk(a_pps_request_that_arrives_wrong_is_not_answered),
        with_desk(a_parity_error_in_pps_is_repaired_by_a_card_that_offers_t0),
        with_desk(faults_of_exchanges_leave_resets_and_pps_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
