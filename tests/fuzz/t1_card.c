/* SPDX-License-Identifier: MIT */
/*
 * T=1, the card's side, against any reader and any application. Input: EDC (modulo 3), NAD, IFSC, IFSD, the room for
 * commands (two bytes), then what comes, as in t1_host.c; 60 introduces what the application does: 00 answers (a length
 * in two bytes, the bytes), 01 asks for time, 02 announces an IFSC, 03 aborts; each with one byte for its value.
 *
 * The card is silent or sends one block for each that comes; commands fit; its I-blocks fit the reader.
 */
#include "t1_blocks.h"

static enum iso7816_t1_action application(struct iso7816_t1_card *c, struct input *in, struct exact *response)
{
    uint8_t what = take(in) % 4u, value;

    if (what == 0) {
        struct exact answer = take_exact(in, take_number(in, 700));
        enum iso7816_t1_action action = iso7816_t1_card_answer(c, answer.bytes, answer.size);

        /* The engine keeps the answer to the command that ran; another is not looked at. */
        if (c->out == answer.bytes) {
            struct exact other = *response;

            *response = answer;
            answer = other;
        }
        drop(&answer);
        return action;
    }
    value = take(in);
    if (what == 1)
        return iso7816_t1_card_wtx(c, value);
    return what == 2 ? iso7816_t1_card_ifs(c, value) : iso7816_t1_card_abort(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct iso7816_t1_config config = {.edc = (enum iso7816_edc)(take(&in) % 3)};
    struct exact command, response = exact_room(0);
    struct coming last = {.bytes = exact_room(0), .parity_ok = true};
    enum iso7816_t1_action action;
    struct iso7816_t1_card c;
    uint8_t nad;

    config.nad = take(&in);
    config.ifsc = take(&in);
    config.ifsd = take(&in);
    command = exact_room(take_number(&in, 700));
    nad = (uint8_t)((config.nad & 0x07) << 4 | (config.nad >> 4 & 0x07));
    iso7816_t1_card_init(&c, &config, command.bytes, command.size);
    while (in.left) {
        uint8_t what = take(&in);

        if (what == CALLER) {
            action = application(&c, &in, &response);
            require(action == ISO7816_T1_SEND || action == ISO7816_T1_RECEIVE);
        } else {
            if (what != AGAIN) {
                drop(&last.bytes);
                last = next_block(&in, what, nad, config.edc);
            }
            action = iso7816_t1_card_receive(&c, last.bytes.bytes, last.bytes.size, last.parity_ok);
            require(action == ISO7816_T1_SEND || action == ISO7816_T1_RECEIVE || action == ISO7816_T1_COMMAND);
        }
        require(c.in_size <= command.size);
        if (action == ISO7816_T1_SEND)
            is_block(c.tx, c.tx_size, config.edc, 254);
        if (action == ISO7816_T1_COMMAND)
            touch(c.in, c.in_size);
    }
    drop(&last.bytes);
    drop(&response);
    drop(&command);
    return 0;
}
