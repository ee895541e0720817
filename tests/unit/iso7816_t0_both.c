/* SPDX-License-Identifier: MIT */
/*
 * The T=0 engines against each other, APDU to TPDU to characters and back: every length of interest, with single ACKs,
 * NULLs and parity errors; then each side against anything. Every exchange ends.
 */
#include "iso7816_support.h"
#include "../../src/iso7816/apdu.h"
#include "../../src/iso7816/t0.h"

static struct iso7816_apdu_t0 apdu;
static struct iso7816_t0_host host;
static struct iso7816_t0_card card;
static uint8_t command[65544], seen[65544], held[65538], answer[65538], response[65538];
static size_t answer_size;
static unsigned busy, parity; /* chances of 1000 */
static uint8_t cla;
static uint32_t seed;
static unsigned commands_run;

static bool chance(unsigned per_thousand)
{
    return per_thousand && random_next(&seed) % 1000 < per_thousand;
}

static uint8_t expected_byte(size_t i, const uint8_t key[5])
{
    return (uint8_t)(i + i / 256 + key[1] + key[4]);
}

/* The card's application: the header and the last byte of the data decide the answer. */
static void run(void)
{
    struct iso7816_command parsed;
    uint8_t key[5];

    assert_true(iso7816_command_parse(card.apdu, card.apdu_size, &parsed));
    memcpy(key, card.apdu, 4);
    key[4] = parsed.lc ? parsed.data[parsed.lc - 1] : 0x11;
    for (size_t i = 0; i < answer_size; i++)
        answer[i] = expected_byte(i, key);
    answer[answer_size] = 0x90;
    answer[answer_size + 1] = 0x00;
    commands_run++;
}

/* Let the card do what it will after `action` until it waits for a character; its characters go to the host. */
static enum iso7816_t0_action card_speaks(enum iso7816_t0_card_action does, enum iso7816_t0_action action)
{
    while (does != ISO7816_T0_CARD_RECEIVE) {
        if (does == ISO7816_T0_CARD_COMMAND)
            run();
        if (does == ISO7816_T0_CARD_SEND) {
            for (size_t i = 0; i < card.tx_size; i++) {
                for (int wrong = 0; wrong < 3 && chance(parity); wrong++) {
                    action = iso7816_t0_host_receive(&host, card.tx[i] ^ 0x04, false);
                    assert_int_equal(action, ISO7816_T0_RECEIVE);
                }
                assert_int_equal(action, ISO7816_T0_RECEIVE);
                action = iso7816_t0_host_receive(&host, card.tx[i], true);
            }
            does = iso7816_t0_card_sent(&card);
        } else if (chance(busy)) {
            does = iso7816_t0_card_busy(&card);
        } else {
            does = iso7816_t0_card_answer(&card, answer, answer_size + 2);
        }
    }
    return action;
}

/* One TPDU over the line; returns the reply's size. */
static size_t tpdu_exchange(const uint8_t *tpdu, size_t size, uint8_t reply[258])
{
    enum iso7816_t0_action action = iso7816_t0_host_start(&host, tpdu, size, reply, 258);

    while (action == ISO7816_T0_SEND) {
        uint8_t line[256];
        size_t count = host.tx_size;
        enum iso7816_t0_card_action does = ISO7816_T0_CARD_RECEIVE;

        memcpy(line, host.tx, count);
        action = iso7816_t0_host_sent(&host);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(does, ISO7816_T0_CARD_RECEIVE);
            does = iso7816_t0_card_receive(&card, line[i], NULL, NULL);
        }
        action = card_speaks(does, action);
    }
    assert_int_equal(action, ISO7816_T0_DONE);
    return host.reply_size;
}

static void apdu_exchange(size_t size)
{
    enum iso7816_apdu_t0_action action = iso7816_apdu_t0_start(&apdu, command, size, response, sizeof response);

    while (action == ISO7816_APDU_T0_SEND) {
        uint8_t reply[258];
        size_t reply_size = tpdu_exchange(apdu.tpdu, apdu.tpdu_size, reply);

        action = iso7816_apdu_t0_reply(&apdu, reply, reply_size);
    }
    assert_int_equal(action, ISO7816_APDU_T0_DONE);
}

/* One command of the given lengths (lc 0: no data; le 0: none) against an answer of `available` bytes. */
static void round_trip(uint32_t lc, uint32_t le, size_t available)
{
    static uint8_t data[65535];
    struct iso7816_command c = {.cla = cla, .p1 = 1, .p2 = 2, .lc = lc, .le = le, .has_le = le != 0, .data = data};
    size_t size, wanted = available < le ? available : le;
    uint8_t key[5] = {cla, 0x00, 0x01, 0x02, 0x11};

    for (uint32_t i = 0; i < lc; i++)
        data[i] = (uint8_t)random_next(&seed);
    c.ins = lc == 0 && le != 0 ? 0xB0 : 0xD6;
    c.extended = lc > 255 || le > 256;
    if (lc)
        key[4] = data[lc - 1];
    key[1] = c.ins;
    answer_size = le ? available : 0;
    commands_run = 0;
    size = iso7816_command_build(&c, command, sizeof command);
    assert_true(size > 0);

    apdu_exchange(size);
    assert_int_equal(commands_run, 1);
    assert_int_equal(apdu.response_size, wanted + 2);
    for (size_t i = 0; i < wanted; i++) {
        if (response[i] != expected_byte(i, key))
            fail_msg("lc %u le %u available %zu: byte %zu", lc, le, available, i);
    }
    if (available <= le || le == 0)
        assert_memory_equal(response + wanted, "\x90\x00", 2);
    else
        assert_int_equal(response[wanted], 0x61);
}

static void all_lengths(void)
{
    static const uint32_t lcs[] = {0, 1, 2, 254, 255, 256, 257, 509, 510, 511, 1000, 65535};
    static const uint32_t les[] = {0, 1, 2, 255, 256, 257, 300, 512, 65535, 65536};
    static const size_t answers[] = {0, 1, 2, 255, 256, 257, 300, 512, 65535, 65536};

    for (size_t i = 0; i < COUNT(lcs); i++) {
        for (size_t j = 0; j < COUNT(les); j++) {
            for (size_t k = 0; k < COUNT(answers); k++)
                round_trip(lcs[i], les[j], answers[k]);
        }
    }
}

static int setup(void **state)
{
    seed = 0x0707;
    busy = parity = 0;
    cla = 0x00;
    iso7816_t0_card_init(&card, seen, sizeof seen, held, sizeof held);
    return 0;
}

static void all_lengths_of_all_cases(void **state)
{
    all_lengths();
}

static void proprietary_classes_go_in_envelopes_too(void **state)
{
    cla = 0x80;
    round_trip(256, 0, 0);
    round_trip(1000, 300, 300);
}

static void all_lengths_with_single_acks(void **state)
{
    card.ack_single = true;
    all_lengths();
}

static void all_lengths_with_nulls_and_parity_errors(void **state)
{
    busy = 300;
    parity = 20;
    all_lengths();
}

static void any_card_is_survived(void **state)
{
    unsigned ends[2] = {0};

    for (int round = 0; round < 100000; round++) {
        uint8_t tpdu[5 + 255] = {0x00, 0xB0}, *reply;
        size_t room = random_next(&seed) % 300, size = 4 + random_next(&seed) % 2;
        enum iso7816_t0_action action;
        unsigned steps = 0;

        tpdu[4] = (uint8_t)random_next(&seed);
        if (tpdu[4] && random_next(&seed) % 2)
            size = 5 + (size_t)tpdu[4];
        reply = malloc(room ? room : 1);
        action = iso7816_t0_host_start(&host, tpdu, size, reply, room);
        while (action == ISO7816_T0_SEND || action == ISO7816_T0_RECEIVE) {
            static const uint8_t likely[] = {0xB0, 0x4F, 0x60, 0x60, 0x4F, 0x4F};
            uint32_t dice = random_next(&seed);

            assert_true(steps++ < 10000);
            if (action == ISO7816_T0_SEND)
                action = iso7816_t0_host_sent(&host);
            else
                action = iso7816_t0_host_receive(&host, dice % 8 < 6 ? likely[dice % 8] : (uint8_t)(dice >> 8),
                                                 dice % 32 != 0);
        }
        assert_true(host.reply_size <= room);
        ends[action == ISO7816_T0_DONE]++;
        free(reply);
    }
    assert_true(ends[0] > 100);
    assert_true(ends[1] > 100);
}

static void any_reader_is_survived(void **state)
{
    uint8_t *room = malloc(300), *held_room = malloc(400);
    static const uint8_t likely[] = {0x00, 0xC0, 0xC2, 0xB0, 0xA4, 0xD6, 0x00, 0x05};
    unsigned run_count = 0;

    iso7816_t0_card_init(&card, room, 300, held_room, 400);
    for (int round = 0; round < 2000000; round++) {
        uint32_t dice = random_next(&seed);
        enum iso7816_t0_card_action does =
            iso7816_t0_card_receive(&card, dice % 4 ? likely[dice / 4 % 8] : (uint8_t)(dice >> 8), NULL, NULL);

        card.ack_single = dice >> 30 & 1;
        while (does != ISO7816_T0_CARD_RECEIVE) {
            run_count += does == ISO7816_T0_CARD_COMMAND;
            assert_true(card.apdu_size <= 300);
            assert_true(card.tx_size <= 514);
            if (does == ISO7816_T0_CARD_SEND)
                does = iso7816_t0_card_sent(&card);
            else
                does = iso7816_t0_card_answer(&card, answer, random_next(&seed) % 500);
        }
    }
    assert_true(run_count > 1000);
    free(room);
    free(held_room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_lengths_of_all_cases, setup),
        cmocka_unit_test_setup(proprietary_classes_go_in_envelopes_too, setup),
        cmocka_unit_test_setup(all_lengths_with_single_acks, setup),
        cmocka_unit_test_setup(all_lengths_with_nulls_and_parity_errors, setup),
        cmocka_unit_test_setup(any_card_is_survived, setup),
        cmocka_unit_test_setup(any_reader_is_survived, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
