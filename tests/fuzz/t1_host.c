/* SPDX-License-Identifier: MIT */
/*
 * T=1, the reader's side, against any card. Input: EDC (modulo 3), NAD, IFSC, IFSD, the IFSD to announce, the lengths
 * of the command and of the room for the reply (two bytes each), then what comes, by its first byte:
 *   80 to BF, C0 to FF   an R-block, an S-block with its INF if it has one
 *   00 nothing            10 a block with another NAD (NAD, PCB, LEN, INF)
 *   20 bytes as they are (a length in two bytes, the bytes)
 *   30 characters with wrong parity (a length, the bytes)
 *   40 what came last     60 the caller aborts
 *   others below 80       an I-block: bits 7 and 6 are its PCB's, bits 5 to 1 LEN (1F: LEN follows), then its INF
 * When the input has ended, what came last comes for ever.
 *
 * Every exchange ends; what goes out are blocks that the card takes, and I-blocks carry pieces of the command; the reply
 * fits; after an error that needs a reset nothing goes out any more, after others the next exchange can begin.
 */
#include "t1_blocks.h"

#define STEPS_MAX 2000000u
#define EXCHANGES 2

static struct coming next(struct input *in, const struct iso7816_t1_config *config, struct coming *last,
                          struct iso7816_t1_host *h)
{
    uint8_t nad = (uint8_t)((config->nad & 0x07) << 4 | (config->nad >> 4 & 0x07)), what;

    while (in->left) {
        what = take(in);
        if (what == CALLER) {
            iso7816_t1_host_abort(h);
            continue;
        }
        if (what == AGAIN)
            break;
        drop(&last->bytes);
        *last = next_block(in, what, nad, config->edc);
        break;
    }
    return *last;
}

static bool is_piece(const struct exact *command, const uint8_t *inf, size_t size)
{
    for (size_t at = 0; at + size <= command->size; at++) {
        if (size == 0 || memcmp(command->bytes + at, inf, size) == 0)
            return true;
    }
    return false;
}

static enum iso7816_t1_action exchange(struct iso7816_t1_host *h, struct input *in,
                                       const struct iso7816_t1_config *config, const struct exact *command,
                                       struct exact *reply)
{
    enum iso7816_t1_action action = iso7816_t1_host_start(h, command->bytes, command->size, reply->bytes, reply->size);
    struct coming last = {.bytes = exact_room(0), .parity_ok = true};
    size_t steps = 0;

    while (action == ISO7816_T1_SEND) {
        struct coming coming;

        require(++steps <= STEPS_MAX);
        is_block(h->tx, h->tx_size, config->edc, 254);
        if (!(h->tx[1] & 0x80) && steps < 100)
            require(is_piece(command, h->tx + 3, h->tx[2]));
        coming = next(in, config, &last, h);
        action = iso7816_t1_host_receive(h, coming.bytes.bytes, coming.bytes.size, coming.parity_ok);
        require(h->reply_size <= reply->size);
    }
    require(action == (h->error == ISO7816_T1_NO_ERROR ? ISO7816_T1_DONE : ISO7816_T1_ERROR));
    touch(reply->bytes, h->reply_size);
    /* Over is over. */
    require(iso7816_t1_host_receive(h, last.bytes.bytes, last.bytes.size, true) == action);
    drop(&last.bytes);
    return action;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct iso7816_t1_config config = {.edc = (enum iso7816_edc)(take(&in) % 3)};
    struct exact command, reply;
    struct iso7816_t1_host h;
    uint8_t ifsd;

    config.nad = take(&in);
    config.ifsc = take(&in);
    config.ifsd = take(&in);
    ifsd = take(&in);
    command = exact_room(take_number(&in, 700));
    for (size_t i = 0; i < command.size; i++)
        command.bytes[i] = (uint8_t)(i + i / 251);
    reply = exact_room(take_number(&in, 700));
    iso7816_t1_host_init(&h, &config, ifsd);
    for (int i = 0; i < EXCHANGES; i++) {
        enum iso7816_t1_action action = exchange(&h, &in, &config, &command, &reply);
        enum iso7816_t1_error error = h.error;

        if (action == ISO7816_T1_ERROR && error != ISO7816_T1_ABORTED && error != ISO7816_T1_NO_ROOM) {
            require(iso7816_t1_host_start(&h, command.bytes, command.size, reply.bytes, reply.size) ==
                    ISO7816_T1_ERROR);
            require(h.error == error);
            break;
        }
    }
    drop(&reply);
    drop(&command);
    return 0;
}
