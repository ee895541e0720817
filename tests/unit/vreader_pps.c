/* SPDX-License-Identifier: MIT */
/*
 * From SET_PROTOCOL to the rate on the line, through the whole stack and in simulated time: what is agreed on with cards
 * that agree, refuse, answer wrongly or stay mute, in negotiable and in specific mode; what the journal, the last error
 * and the slot say of it, and that commands pass afterwards. The rules are tested in iso7816_negotiate*.c.
 */
#include "vreader_desk.h"

#define DEFAULT SCARD_PROTOCOL_DEFAULT

/* Answers to reset: T=0 and T=1, T=0 first, BWT of 90 ms, where nothing else is said. */
#define BOTH              "atr=3B808031FE05CA"
#define BOTH_512_16       "atr=3B90958031FE054F"
#define BOTH_512_64       "atr=3B90978031FE054D"
#define BOTH_512_2        "atr=3B90928031FE0548"
#define BOTH_768_32       "atr=3B90A68031FE057C"
#define INVERSE_512_16    "atr=3F90958031FE054F"
#define ON_THE_LINE       "atr=03F656FE73805F0D" /* the same one */
#define ONLY_T0_512_16    "atr=3B1095"
#define ONLY_T1_512_32    "atr=3B90968131FE054D"
#define T0_CAN_CHANGE     "atr=3B9095900031FE055F" /* specific mode, 512/16 */
#define T0_FIXED          "atr=3B9095908031FE05DF"
#define T1_FIXED          "atr=3B9095908131FE05DE"
#define T1_INVERSE        "atr=3F9095908131FE05DE"
#define T1_IMPLICIT       "atr=3B9095909131FE05CE"
#define T1_768_CAN_CHANGE "atr=3B90A6900131FE056D" /* the reader has no F = 768 */
#define T1_768_FIXED      "atr=3B90A6908131FE05ED"

/* 9600 etu of 372 clocks at 4 MHz: what each request to a mute card costs. */
#define MUTE_NS 892800000u

/* What the panel says: "protocol=... rate=..." of it, as far as it is there. */
static void panel(struct desk *desk, char *text, size_t room)
{
    char line[512], *from, *to;

    panel_text(desk, line);
    from = strstr(line, "protocol=");
    to = strstr(line, " faults=");
    assert_true(from && to);
    *to = 0;
    snprintf(text, room, "%s", from);
}

struct row {
    const char *card;
    const char *fault; /* armed between reset and SET_PROTOCOL; NULL: none */
    uint32_t mask;
    NTSTATUS status;
    const char *panel;
    uint32_t failed; /* requests that failed, which the journal counts as retransmissions */
    uint32_t mute;   /* those of them that cost the waiting time */
    const char *step;
};

/* Insert, reset, choose the protocol, and look at everything; a card whose choice succeeded answers. */
static void check_row(struct desk *desk, const struct row *row)
{
    struct smartcrd_journal_entry entry;
    char text[64] = "";
    NTSTATUS last = 99;

    print_message("%s\n", row->card);
    insert(desk, row->card);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    if (row->fault != NULL) {
        fault(desk, row->fault);
    }
    assert_int_equal(select_protocol(desk, row->mask), row->status);
    entry = newest(desk);
    assert_string_equal(entry.step, row->step);
    assert_int_equal(entry.status, row->status);
    assert_int_equal(entry.retransmissions, row->failed);
    assert_int_equal(entry.ended_ns - entry.started_ns, (uint64_t)row->mute * MUTE_NS);
    if (row->step[0] != 0) {
        assert_int_equal(entry.layer, SMARTCRD_LAYER_CARD);
    }
    assert_int_equal(smartcrd_last_error(desk->reader, &last), STATUS_SUCCESS);
    assert_int_equal(last, row->status);
    panel(desk, text, sizeof(text));
    assert_string_equal(text, row->panel);
    if (row->status == STATUS_SUCCESS) {
        assert_int_equal(read_two(desk), STATUS_SUCCESS);
        assert_int_equal(newest(desk).retransmissions, 0);
    }
    fault(desk, "none");
    take_out(desk);
}

#define check_rows(desk, rows)                                                                                         \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++)                                                      \
    check_row(desk, &(rows)[i])

/* ---- negotiable mode --------------------------------------------------------------------------------------------- */

static void a_card_that_agrees_gets_the_best_common_rate(void **state)
{
    static const struct row rows[] = {
        {"echo " BOTH, NULL, T0, STATUS_SUCCESS, "protocol=T=0 rate=372/1", 0, 0, ""},
        {"echo " BOTH, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 0, 0, ""},
        {"echo " BOTH_512_16, NULL, T0, STATUS_SUCCESS, "protocol=T=0 rate=512/16", 0, 0, ""},
        {"echo " BOTH_512_16, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/16", 0, 0, ""},
        {"echo " BOTH_512_16, NULL, T0 | T1, STATUS_SUCCESS, "protocol=T=1 rate=512/16", 0, 0, ""},
        {"echo " BOTH_512_64, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/64", 0, 0, ""},
        {"echo " BOTH_768_32, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/32", 0, 0, ""},
        {"echo " ONLY_T0_512_16, NULL, T0, STATUS_SUCCESS, "protocol=T=0 rate=512/16", 0, 0, ""},
        {"echo " ONLY_T1_512_32, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/32", 0, 0, ""},
    };

    check_rows(*state, rows);
}

static void the_default_rate_can_be_asked_for(void **state)
{
    static const struct row rows[] = {
        {"echo " BOTH_512_16, NULL, T0 | DEFAULT, STATUS_SUCCESS, "protocol=T=0 rate=372/1", 0, 0, ""},
        {"echo " BOTH_512_16, NULL, T1 | DEFAULT, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 0, 0, ""},
        {"echo " ONLY_T1_512_32, NULL, T1 | DEFAULT, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 0, 0, ""},
    };

    check_rows(*state, rows);
}

static void a_card_that_refuses_a_rate_is_offered_a_slower_one(void **state)
{
    static const struct row rows[] = {
        {"echo fastest=512/32 " BOTH_512_64, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/32", 1, 0,
         "PPS: the card refuses 512/64; now 512/32"},
        {"echo fastest=512/8 " BOTH_512_64, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 1, 0,
         "PPS: the card refuses 512/64; now 372/1"},
        {"echo pps=default fastest=512/12 " BOTH_512_16, NULL, T0, STATUS_SUCCESS, "protocol=T=0 rate=512/12", 1, 0,
         "PPS: the card refuses 512/16; now 512/12"},
        {"echo pps=default " BOTH_512_64, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 1, 0,
         "PPS: the card refuses 512/64; now 372/1"},
        /* Nothing lies between 512/2 and the default rate, which has been agreed on with the refusal (9.3). */
        {"echo pps=default " BOTH_512_2, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 0, 0, ""},
        {"echo pps=default " BOTH, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 0, 0, ""},
    };

    check_rows(*state, rows);
}

static void a_card_that_is_mute_to_a_rate_is_offered_a_slower_one(void **state)
{
    static const struct row rows[] = {
        {"echo pps=mute fastest=512/32 " BOTH_512_64, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/32", 1, 1,
         "PPS: the card is mute to 512/64; now 512/32"},
        {"echo pps=mute fastest=512/8 " BOTH_512_64, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 2, 2,
         "PPS: the card is mute to 512/32; now 372/1"},
        {"echo pps=mute fastest=512/8 " BOTH_512_64, NULL, T0, STATUS_SUCCESS, "protocol=T=0 rate=372/1", 2, 2,
         "PPS: the card is mute to 512/32; now 372/1"},
        {"echo pps=mute fastest=372/1 " BOTH_512_2, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 1, 1,
         "PPS: the card is mute to 512/2; now 372/1"},
    };

    check_rows(*state, rows);
}

static void a_card_that_is_mute_to_all_has_its_first_protocol_only(void **state)
{
    static const struct row rows[] = {
        {"echo pps=mute " BOTH, NULL, T0, STATUS_SUCCESS, "protocol=T=0 rate=372/1", 0, 0, ""},
        {"echo pps=mute " BOTH_512_16, NULL, T0, STATUS_SUCCESS, "protocol=T=0 rate=372/1", 2, 2,
         "PPS: the card is mute to 512/12; now 372/1"},
        {"echo pps=mute " ONLY_T1_512_32, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 2, 2,
         "PPS: the card is mute to 512/20; now 372/1"},
        {"echo pps=mute " BOTH, NULL, T1, STATUS_IO_TIMEOUT, "protocol=none", 2, 2,
         "PPS: the card is mute to 372/1, again"},
        {"echo pps=mute " BOTH_512_16, NULL, T1, STATUS_IO_TIMEOUT, "protocol=none", 3, 3,
         "PPS: the card is mute to 372/1, again"},
        {"echo pps=mute " BOTH_512_16, NULL, T1 | DEFAULT, STATUS_IO_TIMEOUT, "protocol=none", 2, 2,
         "PPS: the card is mute to 372/1, again"},
    };

    check_rows(*state, rows);
}

static void after_a_failure_the_first_protocol_can_still_be_had(void **state)
{
    struct desk *desk = *state;
    char text[64];

    insert(desk, "echo pps=mute " BOTH_512_16);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    assert_int_equal(select_protocol(desk, T1), STATUS_IO_TIMEOUT);
    assert_int_equal(select_protocol(desk, T0), STATUS_SUCCESS);
    panel(desk, text, sizeof(text));
    assert_string_equal(text, "protocol=T=0 rate=372/1");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

static void a_wrong_answer_is_followed_by_a_slower_rate(void **state)
{
    static const struct row rows[] = {
        {"echo " BOTH_512_64, "edc byte=3 on=pps", T1, STATUS_SUCCESS, "protocol=T=1 rate=512/32", 1, 0,
         "PPS: no valid answer to 512/64; now 512/32"},
        {"echo " BOTH_512_64, "edc byte=0 on=pps count=2", T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 2, 0,
         "PPS: no valid answer to 512/32; now 372/1"},
        {"echo " BOTH_512_64, "edc byte=0 on=pps count=3", T1, STATUS_DEVICE_PROTOCOL_ERROR, "protocol=none", 3, 0,
         "PPS: no valid answer to 372/1, again"},
        {"echo " BOTH_512_64, "edc byte=0 on=pps count=3", T0, STATUS_SUCCESS, "protocol=T=0 rate=372/1", 2, 0,
         "PPS: no valid answer to 512/32; now 372/1"},
        /* A right block with another rate, another protocol, and one that is not PPS at all. */
        {"echo " BOTH_512_64, "replace hex=FF1196 on=pps", T1, STATUS_SUCCESS, "protocol=T=1 rate=512/32", 1, 0,
         "PPS: no valid answer to 512/64; now 512/32"},
        {"echo " BOTH_512_64, "replace hex=FF1097 on=pps", T1, STATUS_SUCCESS, "protocol=T=1 rate=512/32", 1, 0,
         "PPS: no valid answer to 512/64; now 512/32"},
        {"echo " BOTH_512_64, "replace hex=001197 on=pps", T1, STATUS_SUCCESS, "protocol=T=1 rate=512/32", 1, 0,
         "PPS: no valid answer to 512/64; now 512/32"},
        {"echo " BOTH, "edc byte=2 on=pps", T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 1, 0,
         "PPS: no valid answer to 372/1; now 372/1"},
        /* The card that offers T=1 alone does not repeat characters. */
        {"echo " ONLY_T1_512_32, "parity byte=1 on=pps", T1, STATUS_SUCCESS, "protocol=T=1 rate=512/20", 1, 0,
         "PPS: parity error in the answer to 512/32; now 512/20"},
        {"echo " ONLY_T1_512_32, "parity byte=1 on=pps count=2", T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 2, 0,
         "PPS: parity error in the answer to 512/20; now 372/1"},
    };

    check_rows(*state, rows);
}

static void an_answer_that_breaks_off_costs_the_waiting_time(void **state)
{
    static const struct row rows[] = {
        {"echo " BOTH_512_64, "cut byte=2 on=pps", T1, STATUS_SUCCESS, "protocol=T=1 rate=512/32", 1, 1,
         "PPS: no valid answer to 512/64; now 512/32"},
        {"echo " BOTH_512_64, "cut byte=0 on=pps", T1, STATUS_SUCCESS, "protocol=T=1 rate=512/32", 1, 1,
         "PPS: the card is mute to 512/64; now 512/32"},
        {"echo " BOTH_512_64, "edc byte=3 to=card on=pps", T1, STATUS_SUCCESS, "protocol=T=1 rate=512/32", 1, 1,
         "PPS: the card is mute to 512/64; now 512/32"},
    };

    check_rows(*state, rows);
}

static void another_protocol_begins_with_a_reset_and_has_the_rate_again(void **state)
{
    struct desk *desk = *state;
    char text[64];

    insert(desk, "echo " BOTH_512_16);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
        assert_string_equal(newest(desk).step, "");
        panel(desk, text, sizeof(text));
        assert_string_equal(text, "protocol=T=1 rate=512/16");
        assert_int_equal(read_two(desk), STATUS_SUCCESS);
        assert_int_equal(select_protocol(desk, T0), STATUS_SUCCESS);
        panel(desk, text, sizeof(text));
        assert_string_equal(text, "protocol=T=0 rate=512/16");
        assert_int_equal(read_two(desk), STATUS_SUCCESS);
    }
}

static void the_inverse_convention_negotiates_alike(void **state)
{
    static const struct row rows[] = {
        {"echo " INVERSE_512_16, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/16", 0, 0, ""},
        {"echo " ON_THE_LINE, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/16", 0, 0, ""},
        {"echo pps=mute fastest=512/12 " INVERSE_512_16, NULL, T0, STATUS_SUCCESS, "protocol=T=0 rate=512/12", 1, 1,
         "PPS: the card is mute to 512/16; now 512/12"},
        {"echo " T1_INVERSE, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/16", 0, 0, ""},
    };

    check_rows(*state, rows);
}

/* ---- specific mode ----------------------------------------------------------------------------------------------- */

static void specific_mode_leaves_nothing_to_agree_on(void **state)
{
    static const struct row rows[] = {
        {"echo pps=mute " T1_FIXED, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/16", 0, 0, ""},
        {"echo pps=mute " T0_FIXED, NULL, T0, STATUS_SUCCESS, "protocol=T=0 rate=512/16", 0, 0, ""},
        {"echo pps=mute " T1_IMPLICIT, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=372/1", 0, 0, ""},
    };

    check_rows(*state, rows);
}

static void another_protocol_than_the_specific_one_is_refused_and_that_one_goes_on(void **state)
{
    struct desk *desk = *state;
    static const char *const cards[] = {"echo " T0_FIXED, "echo " T0_CAN_CHANGE}; /* it could, but it does not */
    char text[64];
    NTSTATUS last = 99;

    for (size_t i = 0; i < 2; i++) {
        insert(desk, cards[i]);
        assert_int_equal(reset(desk), STATUS_SUCCESS);
        assert_int_equal(read_two(desk), STATUS_SUCCESS);
        assert_int_equal(select_protocol(desk, T1), STATUS_NOT_SUPPORTED);
        assert_string_equal(newest(desk).step, "the card is in specific mode with T=0");
        assert_int_equal(newest(desk).layer, SMARTCRD_LAYER_CARD);
        assert_int_equal(smartcrd_last_error(desk->reader, &last), STATUS_SUCCESS);
        assert_int_equal(last, STATUS_NOT_SUPPORTED);
        panel(desk, text, sizeof(text));
        assert_string_equal(text, "protocol=T=0 rate=512/16");
        assert_int_equal(select_protocol(desk, T0), STATUS_SUCCESS);
        assert_int_equal(read_two(desk), STATUS_SUCCESS);
        take_out(desk);
    }
}

static void a_card_that_can_changes_its_mode_for_another_protocol(void **state)
{
    static const struct row rows[] = {
        {"echo warm=3B90958031FE054F " T0_CAN_CHANGE, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/16", 0, 0, ""},
        {"echo warm=3B9095908131FE05DE " T0_CAN_CHANGE, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/16", 0, 0, ""},
        {"echo warm=3B90978031FE054D fastest=512/32 pps=mute " T0_CAN_CHANGE, NULL, T1, STATUS_SUCCESS,
         "protocol=T=1 rate=512/32", 1, 1, "PPS: the card is mute to 512/64; now 512/32"},
        {"echo warm=3B1095 " T0_CAN_CHANGE, NULL, T1, STATUS_DEVICE_PROTOCOL_ERROR, "protocol=none", 0, 0,
         "the answer to the warm reset is another one than before"},
        {"echo warm=3B90A6908131FE05ED " T0_CAN_CHANGE, NULL, T1, STATUS_DEVICE_PROTOCOL_ERROR, "protocol=none", 0, 0,
         "the card is in specific mode at a rate that the reader cannot do"},
        {"echo warm=3B90958031FE054F " T0_FIXED, NULL, T1, STATUS_NOT_SUPPORTED, "protocol=T=0 rate=512/16", 0, 0,
         "the card is in specific mode with T=0"},
    };

    check_rows(*state, rows);
}

/* 6.3.1: such a card is of no use, unless it can change its mode. */
static void a_specific_rate_that_the_reader_has_not_spoils_the_reset(void **state)
{
    static const struct {
        const char *card;
        NTSTATUS status;
        const char *atr, *step;
    } rows[] = {
        {"echo " T1_768_FIXED, STATUS_UNRECOGNIZED_MEDIA, NULL,
         "the card is in specific mode at a rate that the reader cannot do"},
        {"echo " T1_768_CAN_CHANGE, STATUS_UNRECOGNIZED_MEDIA, NULL,
         "the card is in specific mode at a rate that the reader cannot do"},
        {"echo warm=3B90A6908131FE05ED " T1_768_CAN_CHANGE, STATUS_UNRECOGNIZED_MEDIA, NULL,
         "the card is in specific mode at a rate that the reader cannot do"},
        {"echo warm=3B9095 " T1_768_CAN_CHANGE, STATUS_UNRECOGNIZED_MEDIA, NULL,
         "ATR: the ATR ends before the last character that T0 and the TDi announce (8.2)"},
        {"echo warm=3B90958031FE054F " T1_768_CAN_CHANGE, STATUS_SUCCESS, "\x3B\x90\x95\x80\x31\xFE\x05\x4F", ""},
        {"echo warm=3B9095908131FE05DE " T1_768_CAN_CHANGE, STATUS_SUCCESS, "\x3B\x90\x95\x90\x81\x31\xFE\x05", ""},
    };
    struct desk *desk = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t atr[33];
        size_t size = sizeof(atr);
        char text[64];
        uint32_t now = 99;
        NTSTATUS last = 99;

        insert(desk, rows[i].card);
        assert_int_equal(smartcrd_power(desk->reader, SCARD_COLD_RESET, atr, &size, NONE), rows[i].status);
        assert_string_equal(newest(desk).step, rows[i].step);
        assert_int_equal(smartcrd_last_error(desk->reader, &last), STATUS_SUCCESS);
        assert_int_equal(last, rows[i].status);
        if (rows[i].status == STATUS_SUCCESS) {
            assert_true(size >= 8);
            assert_memory_equal(atr, rows[i].atr, 8);
            assert_int_equal(select_protocol(desk, T1), STATUS_SUCCESS);
            panel(desk, text, sizeof(text));
            assert_string_equal(text, "protocol=T=1 rate=512/16");
            assert_int_equal(read_two(desk), STATUS_SUCCESS);
        } else {
            assert_int_equal(smartcrd_state(desk->reader, &now), STATUS_SUCCESS);
            assert_int_equal(now, SCARD_PRESENT);
        }
        take_out(desk);
    }
}

/* ---- answers to reset that change -------------------------------------------------------------------------------- */

static void another_answer_to_the_warm_reset_is_taken_for_what_it_says(void **state)
{
    static const struct row rows[] = {
        {"echo warm=3B90978031FE054D pps=mute fastest=512/12 " BOTH_512_16, NULL, T1, STATUS_SUCCESS,
         "protocol=T=1 rate=512/12", 1, 1, "PPS: the card is mute to 512/16; now 512/12"},
        {"echo warm=3B9095908131FE05DE pps=mute " BOTH_512_16, NULL, T1, STATUS_SUCCESS, "protocol=T=1 rate=512/16", 1,
         1, "PPS: the card is mute to 512/16; now 512/16"},
        {"echo warm=3B9095908031FE05DF pps=mute " BOTH_512_16, NULL, T1, STATUS_NOT_SUPPORTED,
         "protocol=T=0 rate=512/16", 1, 1, "the card is in specific mode with T=0"},
        {"echo warm=3B1095 pps=mute " BOTH_512_16, NULL, T1, STATUS_DEVICE_PROTOCOL_ERROR, "protocol=none", 1, 1,
         "the answer to the warm reset is another one than before"},
        {"echo pps=mute " BOTH_512_16, "edc byte=7 on=atr", T1, STATUS_DEVICE_PROTOCOL_ERROR, "protocol=none", 1, 1,
         "the answer to the warm reset is another one than before"},
    };

    check_rows(*state, rows);
}

/* ---- the card's options ------------------------------------------------------------------------------------------ */

/* 6.2.2: the first request fails, and then there is nothing to ask another rate of. */
static void a_card_that_is_mute_to_the_warm_reset_is_deactivated(void **state)
{
    struct desk *desk = *state;
    uint32_t now = 99;

    insert(desk, "echo pps=mute " BOTH_512_16);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    fault(desk, "cut byte=0 on=atr");
    assert_int_equal(select_protocol(desk, T1), STATUS_IO_TIMEOUT);
    assert_string_equal(newest(desk).step, "no answer to the warm reset came");
    assert_int_equal(smartcrd_state(desk->reader, &now), STATUS_SUCCESS);
    assert_int_equal(now, SCARD_PRESENT);
    panel_says(desk, "card=echo power=off protocol=none faults=0\n");
    assert_int_equal(select_protocol(desk, T1), STATUS_INVALID_DEVICE_STATE);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
}

static void options_of_rates_are_refused_with_a_reason(void **state)
{
    static const char *const wrong[] = {"fs fastest=",    "fs fastest=512",    "fs fastest=/8",  "fs fastest=512/",
                                        "fs fastest=5/8", "fs fastest=512/3",  "fs fastest=0/1", "fs fastest=372/0",
                                        "fs fastest=x/1", "fs fastest=512/8/1"};
    static const char *const short_ones[] = {"fs warm=", "fs warm=3B", "fs warm=3", "fs warm=xx"};
    struct desk *desk = *state;
    char text[512];
    size_t size;
    struct smartcrd_request request = {
        .code = IOCTL_VREADER_STATUS, .out = text, .out_size = sizeof(text) - 1, .timeout_ms = NONE};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(say(desk, IOCTL_VREADER_INSERT, wrong[i]), STATUS_INVALID_PARAMETER);
        assert_int_equal(smartcrd_control(desk->panel, &request, &size), STATUS_SUCCESS);
        text[size] = 0;
        assert_string_equal(text, "card=none power=off protocol=none faults=0\n"
                                  "refused: fastest wants one of the standard's F/D, such as 512/8\n");
    }
    for (size_t i = 0; i < sizeof(short_ones) / sizeof(short_ones[0]); i++) {
        assert_int_equal(say(desk, IOCTL_VREADER_INSERT, short_ones[i]), STATUS_INVALID_PARAMETER);
        assert_int_equal(smartcrd_control(desk->panel, &request, &size), STATUS_SUCCESS);
        text[size] = 0;
        assert_string_equal(text, "card=none power=off protocol=none faults=0\n"
                                  "refused: warm wants 2 to 33 bytes of two hex digits\n");
    }
    insert(desk, "fs fastest=2048/64 warm=3B00");
}

static void a_cold_reset_brings_the_first_answer_back(void **state)
{
    struct desk *desk = *state;
    uint8_t atr[33];
    size_t size = sizeof(atr);

    insert(desk, "echo atr=3B00 warm=3B0100");
    assert_int_equal(smartcrd_power(desk->reader, SCARD_WARM_RESET, atr, &size, NONE), STATUS_SUCCESS);
    assert_int_equal(size, 2); /* without power it was a cold one */
    size = sizeof(atr);
    assert_int_equal(smartcrd_power(desk->reader, SCARD_WARM_RESET, atr, &size, NONE), STATUS_SUCCESS);
    assert_int_equal(size, 3);
    assert_memory_equal(atr, "\x3B\x01\x00", 3);
    size = sizeof(atr);
    assert_int_equal(smartcrd_power(desk->reader, SCARD_COLD_RESET, atr, &size, NONE), STATUS_SUCCESS);
    assert_int_equal(size, 2);
    assert_memory_equal(atr, "\x3B\x00", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_desk(a_card_that_agrees_gets_the_best_common_rate),
        with_desk(the_default_rate_can_be_asked_for),
        with_desk(a_card_that_refuses_a_rate_is_offered_a_slower_one),
        with_desk(a_card_that_is_mute_to_a_rate_is_offered_a_slower_one),
        with_desk(a_card_that_is_mute_to_all_has_its_first_protocol_only),
        with_desk(after_a_failure_the_first_protocol_can_still_be_had),
        with_desk(a_wrong_answer_is_followed_by_a_slower_rate),
        with_desk(an_answer_that_breaks_off_costs_the_waiting_time),
        with_desk(another_protocol_begins_with_a_reset_and_has_the_rate_again),
        with_desk(the_inverse_convention_negotiates_alike),
        with_desk(specific_mode_leaves_nothing_to_agree_on),
        with_desk(another_protocol_than_the_specific_one_is_refused_and_that_one_goes_on),
        with_desk(a_card_that_can_changes_its_mode_for_another_protocol),
        with_desk(a_specific_rate_that_the_reader_has_not_spoils_the_reset),
        with_desk(another_answer_to_the_warm_reset_is_taken_for_what_it_says),
        with_desk(a_card_that_is_mute_to_the_warm_reset_is_deactivated),
        with_desk(options_of_rates_are_refused_with_a_reason),
        with_desk(a_cold_reset_brings_the_first_answer_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
