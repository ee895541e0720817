/* SPDX-License-Identifier: MIT */
/*
 * The engines at the edges of their contracts: calls at the wrong moment, parameters that the standard reserves, rooms
 * that are too small. What they do in their proper place is in the tests of each.
 */
#include "iso7816_support.h"
#include "../../src/iso7816/apdu.h"
#include "../../src/iso7816/t0.h"
#include "../../src/iso7816/t1.h"

/* ---- T=0, the card's side ---------------------------------------------------------------------------------------- */

static struct iso7816_t0_card t0;
static uint8_t t0_apdu[260], t0_response[300];

static enum iso7816_t0_card_action t0_receive(const char *text)
{
    enum iso7816_t0_card_action action = ISO7816_T0_CARD_RECEIVE;
    uint8_t bytes[32];
    size_t size = hex(text, bytes, sizeof bytes);

    for (size_t i = 0; i < size; i++)
        action = iso7816_t0_card_receive(&t0, bytes[i], NULL, NULL);
    return action;
}

static void t0_card_without_room_for_the_command_answers_6700(void **state)
{
    iso7816_t0_card_init(&t0, t0_apdu, 4, t0_response, sizeof t0_response);
    assert_int_equal(t0_receive("00 B0 00 00 02"), ISO7816_T0_CARD_SEND);
    assert_bytes(t0.tx, t0.tx_size, "67 00");
    iso7816_t0_card_init(&t0, t0_apdu, 6, t0_response, sizeof t0_response);
    assert_int_equal(t0_receive("00 D6 00 00 02"), ISO7816_T0_CARD_SEND);
    assert_bytes(t0.tx, t0.tx_size, "67 00");
}

static void t0_card_hears_nothing_while_it_sends(void **state)
{
    iso7816_t0_card_init(&t0, t0_apdu, sizeof t0_apdu, t0_response, sizeof t0_response);
    assert_int_equal(t0_receive("00 D6 00 00 01"), ISO7816_T0_CARD_SEND);
    assert_int_equal(t0_receive("55"), ISO7816_T0_CARD_SEND);
    assert_bytes(t0.tx, t0.tx_size, "D6");
    assert_int_equal(iso7816_t0_card_sent(&t0), ISO7816_T0_CARD_RECEIVE);
    assert_int_equal(t0_receive("AA"), ISO7816_T0_CARD_COMMAND);
    assert_bytes(t0.apdu, t0.apdu_size, "00 D6 00 00 01 AA");
}

static void t0_card_answers_one_command_once(void **state)
{
    static const uint8_t good[] = {0x90, 0x00}, other[] = {0x6A, 0x82};

    iso7816_t0_card_init(&t0, t0_apdu, sizeof t0_apdu, t0_response, sizeof t0_response);
    assert_int_equal(iso7816_t0_card_answer(&t0, good, 2), ISO7816_T0_CARD_RECEIVE); /* nothing runs */
    assert_int_equal(iso7816_t0_card_busy(&t0), ISO7816_T0_CARD_RECEIVE);
    assert_int_equal(t0_receive("00 A4 00 00 00"), ISO7816_T0_CARD_COMMAND);
    assert_int_equal(iso7816_t0_card_answer(&t0, good, 2), ISO7816_T0_CARD_SEND);
    assert_int_equal(iso7816_t0_card_answer(&t0, other, 2), ISO7816_T0_CARD_SEND);
    assert_int_equal(iso7816_t0_card_busy(&t0), ISO7816_T0_CARD_SEND);
    assert_bytes(t0.tx, t0.tx_size, "90 00");
    assert_int_equal(iso7816_t0_card_sent(&t0), ISO7816_T0_CARD_RECEIVE);
}

static void t0_card_keeps_the_first_answer_that_comes_while_a_null_goes(void **state)
{
    static const uint8_t good[] = {0x90, 0x00}, other[] = {0x6A, 0x82};

    iso7816_t0_card_init(&t0, t0_apdu, sizeof t0_apdu, t0_response, sizeof t0_response);
    assert_int_equal(t0_receive("00 A4 00 00 00"), ISO7816_T0_CARD_COMMAND);
    assert_int_equal(iso7816_t0_card_busy(&t0), ISO7816_T0_CARD_SEND);
    assert_int_equal(iso7816_t0_card_answer(&t0, good, 2), ISO7816_T0_CARD_SEND);
    assert_int_equal(iso7816_t0_card_answer(&t0, other, 2), ISO7816_T0_CARD_SEND);
    assert_bytes(t0.tx, t0.tx_size, "60");
    assert_int_equal(iso7816_t0_card_sent(&t0), ISO7816_T0_CARD_SEND);
    assert_bytes(t0.tx, t0.tx_size, "90 00");
}

/* ---- T=0, the reader's side -------------------------------------------------------------------------------------- */

static void t0_host_that_is_over_sends_no_more(void **state)
{
    static const uint8_t tpdu[] = {0x00, 0xA4, 0x00, 0x00};
    struct iso7816_t0_host h;
    uint8_t reply[2];

    assert_int_equal(iso7816_t0_host_start(&h, tpdu, 4, reply, 2), ISO7816_T0_SEND);
    assert_int_equal(iso7816_t0_host_sent(&h), ISO7816_T0_RECEIVE);
    assert_int_equal(iso7816_t0_host_timeout(&h), ISO7816_T0_ERROR);
    assert_int_equal(iso7816_t0_host_sent(&h), ISO7816_T0_ERROR);
    assert_int_equal(h.error, ISO7816_T0_TIMEOUT);
}

/* ---- APDUs over T=0 ---------------------------------------------------------------------------------------------- */

static struct iso7816_apdu_t0 apdu;
static uint8_t apdu_response[64];

/* Case 4, answered 9000: what does GET RESPONSE find? (12.2.5) */
static void probe(const char *reply)
{
    static const uint8_t command[] = {0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00, 0x00}, fine[] = {0x90, 0x00};
    uint8_t bytes[32];

    (void)iso7816_apdu_t0_start(&apdu, command, sizeof command, apdu_response, sizeof apdu_response);
    assert_int_equal(iso7816_apdu_t0_reply(&apdu, fine, 2), ISO7816_APDU_T0_SEND);
    assert_bytes(apdu.tpdu, apdu.tpdu_size, "00 C0 00 00 00");
    assert_int_equal(iso7816_apdu_t0_reply(&apdu, bytes, hex(reply, bytes, sizeof bytes)), ISO7816_APDU_T0_DONE);
}

static void a_case_4_that_was_carried_out_stays_so_when_there_is_nothing_to_get(void **state)
{
    probe("69 85");
    assert_bytes(apdu.response, apdu.response_size, "90 00");
    probe("64 00");
    assert_bytes(apdu.response, apdu.response_size, "90 00");
    /* A warning, and what no error is, are about what was to be got. */
    probe("62 82");
    assert_bytes(apdu.response, apdu.response_size, "62 82");
    probe("91 00");
    assert_bytes(apdu.response, apdu.response_size, "91 00");
    probe("01 02 62 82");
    assert_bytes(apdu.response, apdu.response_size, "01 02 62 82");
    /* An error behind data is the answer's, and takes the data with it. */
    probe("01 02 6F 00");
    assert_bytes(apdu.response, apdu.response_size, "6F 00");
}

static void a_case_4_answered_by_anything_but_9000_is_not_probed(void **state)
{
    static const uint8_t command[] = {0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00, 0x00}, warning[] = {0x90, 0x10};

    (void)iso7816_apdu_t0_start(&apdu, command, sizeof command, apdu_response, sizeof apdu_response);
    assert_int_equal(iso7816_apdu_t0_reply(&apdu, warning, 2), ISO7816_APDU_T0_DONE);
    assert_bytes(apdu.response, apdu.response_size, "90 10");
}

static void a_chain_of_envelopes_is_bounded_too(void **state)
{
    static uint8_t command[7 + 700] = {0x00, 0xD6, 0x00, 0x00, 0x00, 0x02, 0xBC};
    static const uint8_t fine[] = {0x90, 0x00};

    assert_int_equal(iso7816_apdu_t0_start(&apdu, command, sizeof command, apdu_response, sizeof apdu_response),
                     ISO7816_APDU_T0_SEND);
    apdu.steps_max = 2;
    assert_int_equal(iso7816_apdu_t0_reply(&apdu, fine, 2), ISO7816_APDU_T0_SEND);
    assert_bytes(apdu.tpdu, 5, "00 C2 00 00 FF");
    assert_int_equal(iso7816_apdu_t0_reply(&apdu, fine, 2), ISO7816_APDU_T0_ERROR);
    assert_int_equal(apdu.response_size, 0);
}

/* ---- T=1 --------------------------------------------------------------------------------------------------------- */

/* 11.4.2: 00 and FF are reserved; the default of 32 stands for them. */
static void t1_sizes_that_are_reserved_count_as_32(void **state)
{
    static const uint8_t reserved[] = {0x00, 0xFF};
    static const uint8_t command[40] = {0x00, 0xA4};
    static uint8_t reply[64], in[64];

    for (size_t i = 0; i < COUNT(reserved); i++) {
        const struct iso7816_t1_config config = {.ifsc = reserved[i], .ifsd = reserved[i]};
        struct iso7816_t1_host host;
        struct iso7816_t1_card card;

        iso7816_t1_host_init(&host, &config, 0);
        assert_int_equal(iso7816_t1_host_start(&host, command, 40, reply, sizeof reply), ISO7816_T1_SEND);
        assert_int_equal(host.tx[1], 0x20); /* M: a chain */
        assert_int_equal(host.tx[2], 32);

        iso7816_t1_card_init(&card, &config, in, sizeof in);
        (void)iso7816_t1_card_receive(&card, (const uint8_t[]){0x00, 0x00, 0x01, 0x55, 0x54}, 5, true);
        assert_int_equal(iso7816_t1_card_answer(&card, command, 40), ISO7816_T1_SEND);
        assert_int_equal(card.tx[1], 0x20);
        assert_int_equal(card.tx[2], 32);
    }
}

static void t1_ifsd_of_255_is_announced_as_254(void **state)
{
    const struct iso7816_t1_config config = {.ifsc = 32, .ifsd = 32};
    struct iso7816_t1_host host;
    uint8_t reply[2];

    iso7816_t1_host_init(&host, &config, 255);
    assert_int_equal(iso7816_t1_host_start(&host, (const uint8_t *)"\0\0\0\0", 4, reply, 2), ISO7816_T1_SEND);
    assert_bytes(host.tx, host.tx_size, "00 C1 01 FE 3E");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t0_card_without_room_for_the_command_answers_6700),
        cmocka_unit_test(t0_card_hears_nothing_while_it_sends),
        cmocka_unit_test(t0_card_answers_one_command_once),
        cmocka_unit_test(t0_card_keeps_the_first_answer_that_comes_while_a_null_goes),
        cmocka_unit_test(t0_host_that_is_over_sends_no_more),
        cmocka_unit_test(a_case_4_that_was_carried_out_stays_so_when_there_is_nothing_to_get),
        cmocka_unit_test(a_case_4_answered_by_anything_but_9000_is_not_probed),
        cmocka_unit_test(a_chain_of_envelopes_is_bounded_too),
        cmocka_unit_test(t1_sizes_that_are_reserved_count_as_32),
        cmocka_unit_test(t1_ifsd_of_255_is_announced_as_254),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
