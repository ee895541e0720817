/* SPDX-License-Identifier: MIT */
/*
 * T=0, the card's side, against any reader and any application. Input: the room for commands beyond 260 (two bytes),
 * the room for responses (two bytes), flags (1: acknowledge bytes one at a time; 2: the application says which way data
 * goes, by the parity of INS), then characters. E0 introduces something else: 00 _sent, 01 _busy, 02 a response (its
 * length in two bytes and its bytes), 03 a response from the owner's own buffer (its length), others the character
 * itself. What is sent is called sent at once unless the next byte is one of E0 01 to E0 03.
 *
 * Whatever comes, commands fit their room and are shaped as T=0 shapes them, and what goes out ends in a status or is an
 * acknowledgement.
 */
#include "fuzz.h"
#include "src/iso7816/t0.h"

static enum iso7816_t0_direction by_parity(void *context, const uint8_t header[5])
{
    return *(const bool *)context && (header[1] & 1) ? ISO7816_T0_FROM_CARD : ISO7816_T0_TO_CARD;
}

static void look(const struct iso7816_t0_card *c, enum iso7816_t0_card_action action)
{
    require(action >= ISO7816_T0_CARD_RECEIVE && action <= ISO7816_T0_CARD_WAIT);
    if (action == ISO7816_T0_CARD_SEND) {
        require(c->tx_size >= 1 && c->tx_size <= 2 * 256 + 2);
        touch(c->tx, c->tx_size);
    }
    if (action == ISO7816_T0_CARD_COMMAND) {
        require(c->apdu_size >= 1 && c->apdu_size <= c->apdu_room);
        touch(c->apdu, c->apdu_size);
    }
}

static enum iso7816_t0_card_action answer(struct iso7816_t0_card *c, struct input *in)
{
    struct exact response = take_exact(in, take_number(in, 65535));
    enum iso7816_t0_card_action action = iso7816_t0_card_answer(c, response.bytes, response.size);

    drop(&response); /* the engine has taken what it needs */
    return action;
}

static enum iso7816_t0_card_action escaped(struct iso7816_t0_card *c, struct input *in, const struct exact *own)
{
    uint8_t what = take(in);

    switch (what) {
    case 0:
        return iso7816_t0_card_sent(c);
    case 1:
        return iso7816_t0_card_busy(c);
    case 2:
        return answer(c, in);
    case 3:
        return iso7816_t0_card_answer(c, own->bytes, take_number(in, own->size));
    default:
        return iso7816_t0_card_receive(c, what, NULL, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct exact apdu = exact_room(260 + take_number(&in, 700)), own = exact_room(take_number(&in, 700));
    uint8_t flags = take(&in);
    bool by_ins = flags & 2;
    enum iso7816_t0_card_action action = ISO7816_T0_CARD_RECEIVE;
    struct iso7816_t0_card c;

    iso7816_t0_card_init(&c, apdu.bytes, apdu.size, own.bytes, own.size);
    c.ack_single = flags & 1;
    while (in.left) {
        bool waits = in.left >= 2 && in.bytes[0] == 0xE0 && in.bytes[1] >= 1 && in.bytes[1] <= 3;

        if (action == ISO7816_T0_CARD_SEND && !waits) {
            action = iso7816_t0_card_sent(&c);
            look(&c, action);
            if (action == ISO7816_T0_CARD_SEND)
                continue;
        }
        if (in.bytes[0] == 0xE0) {
            (void)take(&in);
            action = escaped(&c, &in, &own);
        } else {
            action = iso7816_t0_card_receive(&c, take(&in), by_ins ? by_parity : NULL, &by_ins);
        }
        look(&c, action);
    }
    drop(&own);
    drop(&apdu);
    return 0;
}
