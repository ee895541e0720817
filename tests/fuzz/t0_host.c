/* SPDX-License-Identifier: MIT */
/*
 * T=0, the reader's side, at characters. Input: the room for the reply (two bytes), flags (1: when the input has ended
 * wrong characters come for ever instead of NULLs; 2: silence does), the length of the TPDU (two bytes) and the TPDU,
 * then characters as they come. E0 introduces something else: 00 a character with wrong parity, 01 silence, 02 _sent at
 * any time, others the character itself.
 *
 * Every exchange ends; what goes out is the header and then the data, in order, once; the reply is made of characters
 * that came, and fits.
 */
#include "fuzz.h"
#include "src/iso7816/t0.h"

/* More NULLs than are borne, each with its repetitions. */
#define STEPS_MAX 8000u

struct line {
    struct input in;
    uint8_t flags;
    size_t good; /* characters that came right */
};

static enum iso7816_t0_action one(struct line *line, struct iso7816_t0_host *h)
{
    bool over = line->in.left == 0;
    uint8_t byte = over ? 0x60 : take(&line->in);

    if (over && (line->flags & 2))
        return iso7816_t0_host_timeout(h);
    if (over && (line->flags & 1))
        return iso7816_t0_host_receive(h, 0x00, false);
    if (byte == 0xE0 && !over) {
        byte = take(&line->in);
        if (byte == 0)
            return iso7816_t0_host_receive(h, take(&line->in), false);
        if (byte == 1)
            return iso7816_t0_host_timeout(h);
        if (byte == 2) {
            require(iso7816_t0_host_sent(h) == ISO7816_T0_RECEIVE);
            return ISO7816_T0_RECEIVE;
        }
    }
    line->good++;
    return iso7816_t0_host_receive(h, byte, true);
}

static void ended(const struct iso7816_t0_host *h, enum iso7816_t0_action action, const struct line *line)
{
    require(h->reply_size <= h->room && h->reply_size <= line->good && h->reply_size <= 256 + 2);
    require((action == ISO7816_T0_DONE) == (h->error == ISO7816_T0_NO_ERROR));
    if (action == ISO7816_T0_DONE) {
        uint8_t sw1;

        require(h->reply_size >= 2);
        sw1 = h->reply[h->reply_size - 2];
        require(((sw1 & 0xF0) == 0x60 && sw1 != 0x60) || (sw1 & 0xF0) == 0x90);
        touch(h->reply, h->reply_size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct line line = {.in = {data, size}};
    struct exact reply = exact_room(take_number(&line.in, 300)), tpdu;
    struct iso7816_t0_host h;
    enum iso7816_t0_action action;
    size_t sent = 0, steps = 0;

    line.flags = take(&line.in);
    tpdu = take_exact(&line.in, take_number(&line.in, 300));
    action = iso7816_t0_host_start(&h, tpdu.bytes, tpdu.size, reply.bytes, reply.size);
    if (action == ISO7816_T0_SEND) {
        require(h.tx_size == 5 && memcmp(h.tx, tpdu.bytes, tpdu.size < 5 ? tpdu.size : 5) == 0);
        require(iso7816_t0_host_receive(&h, 0x90, true) == ISO7816_T0_SEND); /* noise while we send */
        action = iso7816_t0_host_sent(&h);
    }
    while (action == ISO7816_T0_SEND || action == ISO7816_T0_RECEIVE) {
        require(++steps <= STEPS_MAX);
        require(strcmp(iso7816_t0_host_awaits(&h), "nothing") != 0 || action == ISO7816_T0_SEND);
        if (action == ISO7816_T0_SEND) {
            require(h.tx == tpdu.bytes + 5 + sent && h.tx_size >= 1 && 5 + sent + h.tx_size <= tpdu.size);
            sent += h.tx_size;
            action = iso7816_t0_host_sent(&h);
        } else {
            action = one(&line, &h);
        }
    }
    ended(&h, action, &line);
    /* It stays over. */
    require(iso7816_t0_host_receive(&h, 0x90, true) == action && iso7816_t0_host_timeout(&h) == action);
    require(strcmp(iso7816_t0_host_awaits(&h), "nothing") == 0);
    drop(&tpdu);
    drop(&reply);
    return 0;
}
