/* SPDX-License-Identifier: MIT */
/*
 * Both T=1 engines against each other: over a clean line for every length of interest, over a line that loses and
 * spoils blocks, and against a card that sends anything. Whatever happens, an exchange ends, and never with another's
 * data.
 */
#include "iso7816_support.h"
#include "../../src/iso7816/edc.h"
#include "../../src/iso7816/t1.h"

#define STEPS_MAX 3000000u

static struct iso7816_t1_host host;
static struct iso7816_t1_card card;
static uint8_t command[65544], answer[65538], taken[65544], reply[65538];
static uint32_t seed, round_seed; /* the generator, and where it began in this round */

/* What the line and the card do, in chances of 1000. */
static unsigned lose, spoil, wtx, ifs, aborts;

static unsigned chance(unsigned per_thousand)
{
    return per_thousand && random_next(&seed) % 1000 < per_thousand;
}

/* Carry a block over the line; returns its size there, 0 when it was lost. */
static size_t carry(const uint8_t *from, size_t size, uint8_t *to, bool *parity_ok)
{
    *parity_ok = true;
    if (chance(lose))
        return 0;
    memcpy(to, from, size);
    if (!chance(spoil))
        return size;
    switch (random_next(&seed) % 4) {
    case 0: /* one byte, seen by the EDC */
        to[random_next(&seed) % size] ^= (uint8_t)(1 + random_next(&seed) % 255);
        return size;
    case 1: /* seen by parity */
        *parity_ok = false;
        return size;
    case 2: /* cut short */
        return random_next(&seed) % size;
    default: /* noise behind it; the line delivers no more than a block */
        to[size] = (uint8_t)random_next(&seed);
        return size + 1;
    }
}

/* The card's application: the answer to a command is the command backwards with its length before it, and 9000. */
static size_t application(const uint8_t *in, size_t in_size, size_t answer_size)
{
    for (size_t i = 0; i < answer_size; i++)
        answer[i] = (uint8_t)(in[in_size ? in_size - 1 - i % in_size : 0] + in_size + i / 251);
    answer[answer_size] = 0x90;
    answer[answer_size + 1] = 0x00;
    return answer_size + 2;
}

static void check_answer(size_t command_size, size_t answer_size)
{
    assert_int_equal(host.reply_size, answer_size + 2);
    for (size_t i = 0; i < answer_size; i++) {
        uint8_t wanted =
            (uint8_t)(command[command_size ? command_size - 1 - i % command_size : 0] + command_size + i / 251);

        if (reply[i] != wanted)
            fail_msg("seed %08X: byte %zu is another's", round_seed, i);
    }
    assert_memory_equal(reply + answer_size, "\x90\x00", 2);
}

/* The card's turn on one block; returns its action, SEND or RECEIVE. */
static enum iso7816_t1_action card_turn(const uint8_t *block, size_t size, bool parity_ok, size_t answer_size)
{
    static bool pending;
    enum iso7816_t1_action action = iso7816_t1_card_receive(&card, block, size, parity_ok);

    if (action == ISO7816_T1_SEND && chance(ifs))
        (void)iso7816_t1_card_ifs(&card, (uint8_t)(1 + random_next(&seed) % 254)); /* in its place, or not now */
    else if (action == ISO7816_T1_SEND && chance(aborts))
        (void)iso7816_t1_card_abort(&card);
    if (action == ISO7816_T1_COMMAND)
        pending = true;
    else if (action == ISO7816_T1_SEND)
        return action;
    if (!pending)
        return action;
    if (chance(wtx))
        return iso7816_t1_card_wtx(&card, 1);
    pending = false;
    return iso7816_t1_card_answer(&card, answer, application(card.in, card.in_size, answer_size));
}

static enum iso7816_t1_action exchange(size_t command_size, size_t answer_size)
{
    enum iso7816_t1_action action = iso7816_t1_host_start(&host, command, command_size, reply, sizeof reply);
    unsigned steps = 0;

    while (action == ISO7816_T1_SEND) {
        uint8_t line[ISO7816_T1_BLOCK_MAX + 1];
        bool parity_ok;
        size_t size = carry(host.tx, host.tx_size, line, &parity_ok);

        if (steps++ == STEPS_MAX)
            fail_msg("seed %08X: endless", round_seed);
        if (size && card_turn(line, size, parity_ok, answer_size) == ISO7816_T1_SEND)
            size = carry(card.tx, card.tx_size, line, &parity_ok);
        else
            size = 0;
        if (chance(aborts))
            iso7816_t1_host_abort(&host);
        action = iso7816_t1_host_receive(&host, line, size, parity_ok);
    }
    return action;
}

static void reset(enum iso7816_edc edc, uint8_t ifsc, uint8_t ifsd_wanted)
{
    const struct iso7816_t1_config config = {.edc = edc, .nad = 0, .ifsc = ifsc, .ifsd = 32};

    iso7816_t1_host_init(&host, &config, ifsd_wanted);
    iso7816_t1_card_init(&card, &config, taken, sizeof taken);
}

static void fill(size_t size)
{
    for (size_t i = 0; i < size; i++)
        command[i] = (uint8_t)random_next(&seed);
}

static void clean_line_carries_all_lengths(void **state)
{
    static const size_t lengths[] = {1, 4, 5, 31, 32, 33, 64, 253, 254, 255, 256, 257, 508, 509, 65535, 65544};
    static const size_t answers[] = {0, 1, 29, 30, 31, 252, 253, 254, 256, 65536};
    static const uint8_t sizes[] = {1, 32, 254};

    lose = spoil = wtx = ifs = 0;
    seed = round_seed = 0x1234;
    for (size_t s = 0; s < COUNT(sizes); s++) {
        for (int edc = ISO7816_EDC_LRC; edc <= ISO7816_EDC_CRC_A001; edc++) {
            reset((enum iso7816_edc)edc, sizes[s], sizes[s]);
            for (size_t i = 0; i < COUNT(lengths); i++) {
                for (size_t j = 0; j < COUNT(answers); j++) {
                    fill(lengths[i]);
                    assert_int_equal(exchange(lengths[i], answers[j]), ISO7816_T1_DONE);
                    check_answer(lengths[i], answers[j]);
                    assert_int_equal(host.retransmissions, 0);
                }
            }
        }
    }
}

static void clean_line_with_waiting_time_and_ifs(void **state)
{
    lose = spoil = 0;
    wtx = 500;
    ifs = 200;
    seed = round_seed = 0x4321;
    reset(ISO7816_EDC_LRC, 32, 254);
    for (int i = 0; i < 2000; i++) {
        size_t length = 1 + random_next(&seed) % 700, room = random_next(&seed) % 700;

        fill(length);
        assert_int_equal(exchange(length, room), ISO7816_T1_DONE);
        check_answer(length, room);
        assert_int_equal(host.retransmissions, 0);
    }
}

/* Chains that either side gives up leave both in step: nothing has to be asked for again (rule 9). */
static void clean_line_with_aborts_stays_in_step(void **state)
{
    unsigned aborted = 0;

    lose = spoil = wtx = ifs = 0;
    aborts = 100;
    seed = round_seed = 0xAB0;
    reset(ISO7816_EDC_LRC, 32, 32);
    for (int i = 0; i < 5000; i++) {
        size_t length = 1 + random_next(&seed) % 300, room = random_next(&seed) % 300;

        fill(length);
        if (exchange(length, room) == ISO7816_T1_DONE) {
            check_answer(length, room);
        } else {
            assert_int_equal(host.error, ISO7816_T1_ABORTED);
            aborted++;
        }
        assert_int_equal(host.retransmissions, 0);
    }
    aborts = 0;
    assert_true(aborted > 1000);
    assert_true(aborted < 4500);
}

/* A line that is as bad as `lose` and `spoil` say. Errors are reported and followed by a reset. */
static void bad_line(uint32_t first_seed, unsigned rounds, unsigned *good)
{
    for (unsigned i = 0; i < rounds; i++) {
        size_t length, room;

        round_seed = (first_seed + i * 2654435761u) | 1;
        seed = round_seed;
        if (i % 16 == 0)
            reset(i % 32 == 0 ? ISO7816_EDC_CRC : ISO7816_EDC_LRC, 32, i % 3 ? 254 : 0);
        length = 1 + random_next(&seed) % 300;
        room = random_next(&seed) % 300;
        fill(length);
        if (exchange(length, room) == ISO7816_T1_DONE) {
            check_answer(length, room);
            (*good)++;
            continue;
        }
        if (host.error == ISO7816_T1_NO_ERROR || (host.error == ISO7816_T1_ABORTED && !aborts) ||
            host.error == ISO7816_T1_NO_ROOM)
            fail_msg("seed %08X: error %d", round_seed, host.error);
        reset(i % 32 == 0 ? ISO7816_EDC_CRC : ISO7816_EDC_LRC, 32, i % 3 ? 254 : 0);
    }
}

static void bad_line_gives_the_right_data_or_an_error(void **state)
{
    unsigned good = 0;

    lose = 30;
    spoil = 50;
    wtx = 200;
    ifs = 50;
    bad_line(0xBADC0DE, 20000, &good);
    print_message("light: %u of 20000 good\n", good);
    assert_true(good > 19000);

    good = 0;
    lose = 200;
    spoil = 200;
    bad_line(0x5EED, 20000, &good);
    print_message("heavy: %u of 20000 good\n", good);
    assert_true(good > 2000);
    assert_true(good < 20000);

    good = 0;
    lose = 50;
    spoil = 50;
    aborts = 50;
    bad_line(0xAB075, 20000, &good);
    print_message("with aborts: %u of 20000 good\n", good);
    aborts = 0;
    assert_true(good > 2000);
    assert_true(good < 20000);
}

/* One of the blocks that could hurt most, or any bytes. */
static size_t hostile(uint8_t *block)
{
    static const uint8_t pcbs[] = {0x00, 0x40, 0x20, 0x60, 0x80, 0x90, 0x81, 0x92, 0xC0, 0xC1,
                                   0xC2, 0xC3, 0xE0, 0xE1, 0xE2, 0xE3, 0xC4, 0xE4, 0xFF};
    size_t size;

    if (random_next(&seed) % 16 == 0) {
        size = random_next(&seed) % ISO7816_T1_BLOCK_MAX;
        for (size_t i = 0; i < size; i++)
            block[i] = (uint8_t)random_next(&seed);
        return size;
    }
    block[0] = 0;
    block[1] = pcbs[random_next(&seed) % COUNT(pcbs)];
    block[2] = (block[1] & 0xC0) == 0xC0 ? block[1] & 1 : block[1] & 0x80 ? 0 : (uint8_t)(random_next(&seed) % 34);
    for (size_t i = 0; i < block[2]; i++)
        block[3 + i] = (uint8_t)random_next(&seed);
    return iso7816_edc_append(block, 3 + (size_t)block[2], ISO7816_EDC_LRC);
}

static void any_card_is_survived(void **state)
{
    unsigned ends[2] = {0};

    seed = round_seed = 0x7816;
    for (int round = 0; round < 30000; round++) {
        size_t room = random_next(&seed) % 100, length = random_next(&seed) % 200;
        uint8_t *exact_reply = malloc(room ? room : 1), *exact_command = exact(command, length);
        unsigned steps = 0;
        enum iso7816_t1_action action;

        if (round % 4 == 0)
            reset(ISO7816_EDC_LRC, 32, round % 8 ? 254 : 0);
        action = iso7816_t1_host_start(&host, exact_command, length, exact_reply, room);
        while (action == ISO7816_T1_SEND) {
            uint8_t block[ISO7816_T1_BLOCK_MAX + 2], *copy;
            size_t size = hostile(block);

            copy = exact(block, size);
            action = iso7816_t1_host_receive(&host, copy, size, random_next(&seed) % 16 != 0);
            free(copy);
            if (steps++ == STEPS_MAX)
                fail_msg("seed %08X: endless", round_seed);
            if (random_next(&seed) % 64 == 0)
                iso7816_t1_host_abort(&host);
        }
        ends[action == ISO7816_T1_DONE]++;
        assert_true(host.reply_size <= room);
        free(exact_reply);
        free(exact_command);
    }
    assert_true(ends[0] > 0);
    assert_true(ends[1] > 0);
}

static void any_reader_is_survived(void **state)
{
    const struct iso7816_t1_config config = {.ifsc = 32, .ifsd = 32};
    uint8_t *room = malloc(100);
    unsigned commands = 0;

    seed = 0x10536;
    iso7816_t1_card_init(&card, &config, room, 100);
    for (int round = 0; round < 500000; round++) {
        uint8_t block[ISO7816_T1_BLOCK_MAX + 2], *copy;
        size_t size = hostile(block);
        enum iso7816_t1_action action;

        copy = exact(block, size);
        action = iso7816_t1_card_receive(&card, copy, size, random_next(&seed) % 16 != 0);
        free(copy);
        commands += action == ISO7816_T1_COMMAND;
        assert_true(card.in_size <= 100);
        assert_true(card.tx_size <= ISO7816_T1_BLOCK_MAX);
        assert_int_not_equal(action, ISO7816_T1_DONE);
        assert_int_not_equal(action, ISO7816_T1_ERROR);
        switch (random_next(&seed) % 8) {
        case 0:
            iso7816_t1_card_wtx(&card, 1);
            break;
        case 1:
            iso7816_t1_card_ifs(&card, (uint8_t)random_next(&seed));
            break;
        case 2:
            iso7816_t1_card_abort(&card);
            break;
        default:
            iso7816_t1_card_answer(&card, answer, random_next(&seed) % 100);
            break;
        }
    }
    assert_true(commands > 1000);
    free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_line_carries_all_lengths),
        cmocka_unit_test(clean_line_with_waiting_time_and_ifs),
        cmocka_unit_test(clean_line_with_aborts_stays_in_step),
        cmocka_unit_test(bad_line_gives_the_right_data_or_an_error),
        cmocka_unit_test(any_card_is_survived),
        cmocka_unit_test(any_reader_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
