/* SPDX-License-Identifier: MIT */
/*
 * The faults of what passes on the line, one by one, in simulated time: what they do, to the microsecond, and how they
 * are refused. tests/matrix crosses all of them with every byte; vreader_faults.c has those of whole exchanges.
 */
#include "vreader_desk.h"

#define CARD_T1 "echo atr=3B808131FE05CB" /* T=1, LRC, BWI 0, CWI 5: BWT is 971 etu of 93 us, CWT 43 */
#define CARD_T0 "echo atr=3B804001"       /* T=0, WI 1: WWT is 960 etu */
#define BWT     90303u
#define CWT     3999u
#define WWT     89280u
#define INITIAL 892800u /* between two characters of an answer to reset or of PPS: 9600 etu */

/* Everything that comes before the first exchange has passed. */
static void used(struct desk *desk, const char *card, uint32_t protocol)
{
    ready(desk, card, protocol);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

/* The fault costs so many retransmissions and microseconds, and the last words are these. */
static void costs(struct desk *desk, const char *text, uint32_t retransmissions, uint64_t us, const char *step)
{
    struct smartcrd_journal_entry entry;

    fault(desk, text);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    entry = newest(desk);
    assert_string_equal(entry.step, step);
    assert_int_equal(entry.retransmissions, retransmissions);
    assert_int_equal((entry.ended_ns - entry.started_ns) / 1000, us);
    fault(desk, "none");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

static void ends_with(struct desk *desk, const char *text, NTSTATUS status, const char *step)
{
    fault(desk, text);
    assert_int_equal(read_two(desk), status);
    assert_string_equal(newest(desk).step, step);
    fault(desk, "none");
}

/* ---- T=1 --------------------------------------------------------------------------------------------------------- */

/* To the reader in each exchange: NAD PCB 04 00 01 90 00 LRC; to the card: NAD PCB 05 00 B0 00 00 02 LRC. */

static void alter_mends_the_edc_so_that_only_the_byte_is_wrong(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    costs(desk, "alter byte=0 xor=12", 0, 0, ""); /* the library does not look at NAD */
    costs(desk, "alter byte=1 xor=40", 1, 0, "T=1: wrong sequence number in block 1, first retry");
    costs(desk, "alter byte=1 xor=40 to=card", 1, 0, "T=1: the card asks for a repetition in block 1, first retry");
    costs(desk, "alter byte=2 value=FE", 1, CWT, "T=1: wrong length of block 1, first retry");
    costs(desk, "alter byte=3 xor=01 edc=leave", 1, 0, "T=1: EDC error in block 1, first retry");
    fault(desk, "alter byte=3 value=7F");
    assert_int_equal(read_as(desk, "\x7F\x01\x90\x00", NONE), STATUS_SUCCESS); /* nobody can know */
}

/* The two faults turn the same bit: the characters are right, but one of them came with a parity error. */
static void a_parity_error_spoils_a_block_whose_edc_fits(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    fault(desk, "alter byte=3 xor=01 edc=leave");
    costs(desk, "parity byte=3", 1, 0, "T=1: EDC error in block 1, first retry");
}

static void replace_puts_another_block_in_its_place(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    costs(desk, "replace hex=00C000", 1, 0, "T=1: unknown S-block in block 1, first retry");
    costs(desk, "replace hex=008200 edc=leave", 1, CWT, "T=1: wrong length of block 1, first retry");
    costs(desk, "replace hex=00C800 to=card", 1, 0, "T=1: the card asks for a repetition in block 1, first retry");
    ends_with(desk, "replace hex=00E000", STATUS_DEVICE_PROTOCOL_ERROR, "T=1: unexpected S-block response in block 1");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

static void cut_leaves_a_part_that_ends_after_cwt(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    costs(desk, "cut byte=5", 1, CWT, "T=1: wrong length of block 1, first retry");
    costs(desk, "cut byte=0", 1, BWT, "T=1: nothing came for block 1, first retry");
    costs(desk, "cut byte=3 to=card", 1, 0, "T=1: the card asks for a repetition in block 1, first retry");
    costs(desk, "cut byte=0 to=card", 2, BWT, "T=1: the card asks for a repetition in block 2, second retry");
}

static void extra_behind_a_block_is_lost_and_inside_spoils_it(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    costs(desk, "extra hex=55AA", 0, 0, "");
    costs(desk, "extra hex=55AA to=card", 0, 0, "");
    costs(desk, "extra hex=55 byte=4", 1, 0, "T=1: EDC error in block 1, first retry");
    costs(desk, "extra hex=55 byte=4 to=card", 1, 0, "T=1: the card asks for a repetition in block 1, first retry");
}

static void delay_below_the_limit_costs_time_only(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    costs(desk, "delay byte=0 us=90302", 0, BWT - 1, "");
    costs(desk, "delay byte=5 us=3998", 0, CWT - 1, "");
    costs(desk, "delay byte=0 ms=40", 0, 40000, "");
}

static void delay_beyond_bwt_meets_an_r_block_that_the_card_does_not_hear(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    costs(desk, "delay byte=0 us=90304", 1, BWT + 1, "T=1: nothing came for block 1, first retry");
}

static void delay_beyond_cwt_cuts_the_block_and_the_rest_is_no_block(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    costs(desk, "delay byte=6 us=4000", 2, 2 * CWT + 1, "T=1: wrong length of block 2, second retry");
    costs(desk, "delay byte=6 us=4000 to=card", 1, 0, "T=1: the card asks for a repetition in block 1, first retry");
    costs(desk, "delay byte=6 us=3999 to=card", 0, 0, "");
}

static void duplicate_takes_the_place_of_the_next_block(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    fault(desk, "duplicate");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_int_equal(newest(desk).retransmissions, 0);
    assert_int_equal(read_two(desk), STATUS_SUCCESS); /* its own answer, not the one before */
    assert_string_equal(newest(desk).step, "T=1: wrong sequence number in block 1, first retry");
    fault(desk, "duplicate to=card");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_string_equal(newest(desk).step, "T=1: the card asks for a repetition in block 1, first retry");
}

/* Two R-blocks' worth of complaints, then silence (11.6.3.2, rule 7.4.3): it has not got its response, and still hears. */
static void a_card_that_does_not_get_its_wtx_response_hears_a_resynch(void **state)
{
    struct desk *desk = *state;

    used(desk, "echo delay=2000 atr=3B808131FE05CB", T1);
    fault(desk, "edc byte=3 to=card skip=1 count=3");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_string_equal(newest(desk).step, "T=1: nothing came for block 6, third time: RESYNCH");
}

static void skip_and_count_are_of_blocks(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    fault(desk, "alter byte=1 xor=40 skip=2 count=2");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_int_equal(newest(desk).retransmissions, 0);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
    assert_int_equal(newest(desk).retransmissions, 2);
    panel_says(desk, "card=echo power=on protocol=T=1 rate=372/1 faults=0\n");
}

static void faults_take_effect_in_the_order_of_arming(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    fault(desk, "extra hex=05 byte=3");
    fault(desk, "alter byte=2 value=05"); /* LEN and EDC fit what is there now */
    fault(desk, "alter byte=3 value=06");
    {
        static const uint8_t command[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
        uint8_t reply[16];
        size_t size = sizeof(reply);

        assert_int_equal(smartcrd_transmit(desk->reader, command, sizeof(command), reply, &size, NONE), STATUS_SUCCESS);
        assert_int_equal(size, 5);
        assert_memory_equal(reply, "\x06\x00\x01\x90\x00", 5);
    }
}

/* ---- T=0 --------------------------------------------------------------------------------------------------------- */

/* To the reader: B0 00 01 90 00; to the card: 00 B0 00 00 02. */

static void alter_reaches_the_caller_over_t0(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T0, T0);
    fault(desk, "alter byte=2 value=77");
    assert_int_equal(read_as(desk, "\x00\x77\x90\x00", NONE), STATUS_SUCCESS);
    ends_with(desk, "alter byte=0 value=42", STATUS_DEVICE_PROTOCOL_ERROR, "T=0: a procedure byte that is none");
    ends_with(desk, "alter byte=1 value=B2 to=card", STATUS_DEVICE_PROTOCOL_ERROR,
              "T=0: a procedure byte that is none");
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

static void extra_null_bytes_are_borne(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T0, T0);
    costs(desk, "extra hex=606060 byte=0", 0, 0, "");
    costs(desk, "extra hex=60 byte=3", 0, 0, "");
    costs(desk, "extra hex=EE", 0, 0, ""); /* behind SW2 */
}

static void cut_and_delay_beyond_wwt_leave_the_reader_waiting(void **state)
{
    struct desk *desk = *state;
    struct smartcrd_journal_entry entry;

    used(desk, CARD_T0, T0);
    costs(desk, "delay byte=3 us=89279", 0, WWT - 1, "");
    ends_with(desk, "delay byte=3 us=89281", STATUS_IO_TIMEOUT, "T=0: the card is mute");
    entry = newest(desk);
    assert_int_equal((entry.ended_ns - entry.started_ns) / 1000, WWT);
    ends_with(desk, "cut byte=4", STATUS_IO_TIMEOUT, "T=0: the card is mute");
    ends_with(desk, "cut byte=2 to=card", STATUS_IO_TIMEOUT, "T=0: the card is mute");
    ends_with(desk, "delay byte=2 us=89281 to=card", STATUS_IO_TIMEOUT, "T=0: the card is mute");
    costs(desk, "delay byte=2 us=89279 to=card", 0, 0, "");
}

static void a_null_byte_that_is_late_comes_before_the_answer(void **state)
{
    struct desk *desk = *state;

    used(desk, "echo delay=60 atr=3B804001", T0);
    /* NULL leaves at half of WWT; the answer is there at 60 ms, and follows when NULL has come. */
    costs(desk, "delay byte=0 us=30000", 0, WWT / 2 + 30000, "");
}

static void faults_of_blocks_leave_t0_alone(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T0, T0);
    costs(desk, "edc byte=1", 0, 0, "");
    costs(desk, "replace hex=00", 0, 0, "");
    costs(desk, "duplicate", 0, 0, "");
}

/* ---- reset and PPS ----------------------------------------------------------------------------------------------- */

static void an_answer_to_reset_has_40000_cycles_to_begin_and_9600_etu_for_each_character(void **state)
{
    struct desk *desk = *state;
    struct smartcrd_journal_entry entry;

    used(desk, CARD_T1, T1);
    fault(desk, "delay byte=0 us=9999 on=atr");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    fault(desk, "delay byte=0 us=10001 on=atr");
    assert_int_equal(reset(desk), STATUS_IO_TIMEOUT);
    assert_string_equal(newest(desk).step, "no answer to reset came");
    fault(desk, "delay byte=4 us=892799 on=atr");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    fault(desk, "delay byte=4 us=892801 on=atr");
    assert_int_equal(reset(desk), STATUS_UNRECOGNIZED_MEDIA);
    entry = newest(desk);
    assert_int_equal((entry.ended_ns - entry.started_ns) / 1000, INITIAL);
}

static void an_answer_to_reset_ends_where_it_says(void **state)
{
    struct desk *desk = *state;

    used(desk, CARD_T1, T1);
    fault(desk, "extra hex=55 on=atr");
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    fault(desk, "cut byte=6 on=atr");
    assert_int_equal(reset(desk), STATUS_UNRECOGNIZED_MEDIA);
    fault(desk, "replace hex=3B02AABB on=atr edc=leave"); /* another card, so to speak */
    assert_int_equal(reset(desk), STATUS_SUCCESS);
}

static void alter_mends_tck_and_pck(void **state)
{
    struct desk *desk = *state;
    uint8_t atr[33];
    size_t size = sizeof(atr);

    used(desk, "echo", T1);
    fault(desk, "alter byte=9 value=41 on=atr");
    assert_int_equal(smartcrd_power(desk->reader, SCARD_COLD_RESET, atr, &size, NONE), STATUS_SUCCESS);
    assert_int_equal(size, 13);
    assert_memory_equal(atr, "\x3B\x94\x95\xC0\x02\x31\xFE\x15\x65\x41\x68\x6F\x3A", 13);
    fault(desk, "alter byte=2 value=94 on=pps"); /* another rate than the proposed one, with a PCK that fits */
    assert_int_equal(smartcrd_set_protocol(desk->reader, T1, NULL, NONE), STATUS_SUCCESS);
    assert_int_equal(newest(desk).retransmissions, 1);
    assert_int_equal(read_two(desk), STATUS_SUCCESS);
}

/* ---- removal ----------------------------------------------------------------------------------------------------- */

static void removal_counts_in_one_direction_or_in_both(void **state)
{
    static const char *const texts[] = {"remove when=during byte=7 to=reader", "remove when=during byte=8 to=card",
                                        "remove when=during byte=16"};
    static const char *const behind[] = {"remove when=during byte=8 to=reader", "remove when=during byte=9 to=card",
                                         "remove when=during byte=17"};
    struct desk *desk = *state;

    for (size_t i = 0; i < 3; i++) {
        used(desk, CARD_T1, T1);
        fault(desk, behind[i]);
        assert_int_equal(read_two(desk), STATUS_SUCCESS);
        fault(desk, texts[i]);
        assert_int_equal(read_two(desk), STATUS_NO_MEDIA);
    }
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static void a_wrong_text_is_refused_with_a_line_that_says_why(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"alter byte=1", "alter wants xor=HH, not 00, or value=HH, two hex digits"},
        {"alter byte=1 xor=00", "alter wants xor=HH, not 00, or value=HH, two hex digits"},
        {"alter byte=1 xor=0102", "alter wants xor=HH, not 00, or value=HH, two hex digits"},
        {"alter byte=1 xor=01 edc=wrong", "edc wants leave or mend"},
        {"replace", "replace wants hex=, 1 to 32 bytes of two hex digits"},
        {"extra hex=0", "extra wants hex=, 1 to 32 bytes of two hex digits"},
        {"extra hex=000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20",
         "extra wants hex=, 1 to 32 bytes of two hex digits"},
        {"delay byte=1", "delay wants ms=N or us=N, N from 1 on"},
        {"late", "late wants ms=N or us=N, N from 1 on"},
        {"late us=3600000001", "us wants a number of at most 3600000000"},
        {"late us=1 ms=1", "one of us=N and ms=N, not both"},
        {"late us=0 ms=1", "one of us=N and ms=N, not both"},
        {"cut byte=1 byte=2", "given twice: byte"},
        {"none rubbish", "none takes no options"},
        {"none count=1", "none takes no options"},
        {"cut byte=x", "byte wants a number of at most 1000000"},
        {"cut us=1", "there is no option us"},
        {"duplicate byte=1", "there is no option byte"},
        {"mute to=card", "there is no option to"},
        {"cut on=atr to=card", "an answer to reset goes to the reader"},
        {"remove when=during to=both", "to wants reader or card"},
        {"replace hex=00 on=wire", "on wants exchange, atr or pps"},
        {"spoil", "a fault is one of none mute remove wtx late edc parity alter replace cut extra delay duplicate"},
        {"nonesuch", "a fault is one of none mute remove wtx late edc parity alter replace cut extra delay duplicate"},
    };
    struct desk *desk = *state;
    char expected[200];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(say(desk, IOCTL_VREADER_FAULT, rows[i].text), STATUS_INVALID_PARAMETER);
        snprintf(expected, sizeof(expected), "card=none power=off protocol=none faults=0\nrefused: %s\n", rows[i].why);
        panel_says(desk, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_desk(alter_mends_the_edc_so_that_only_the_byte_is_wrong),
        with_desk(a_parity_error_spoils_a_block_whose_edc_fits),
        with_desk(replace_puts_another_block_in_its_place),
        with_desk(cut_leaves_a_part_that_ends_after_cwt),
        with_desk(extra_behind_a_block_is_lost_and_inside_spoils_it),
        with_desk(delay_below_the_limit_costs_time_only),
        with_desk(delay_beyond_bwt_meets_an_r_block_that_the_card_does_not_hear),
        with_desk(delay_beyond_cwt_cuts_the_block_and_the_rest_is_no_block),
        with_desk(duplicate_takes_the_place_of_the_next_block),
        with_desk(a_card_that_does_not_get_its_wtx_response_hears_a_resynch),
        with_desk(skip_and_count_are_of_blocks),
        with_desk(faults_take_effect_in_the_order_of_arming),
        with_desk(alter_reaches_the_caller_over_t0),
        with_desk(extra_null_bytes_are_borne),
        with_desk(cut_and_delay_beyond_wwt_leave_the_reader_waiting),
        with_desk(a_null_byte_that_is_late_comes_before_the_answer),
        with_desk(faults_of_blocks_leave_t0_alone),
        with_desk(an_answer_to_reset_has_40000_cycles_to_begin_and_9600_etu_for_each_character),
        with_desk(an_answer_to_reset_ends_where_it_says),
        with_desk(alter_mends_tck_and_pck),
        with_desk(removal_counts_in_one_direction_or_in_both),
        with_desk(a_wrong_text_is_refused_with_a_line_that_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
