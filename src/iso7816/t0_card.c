/* SPDX-License-Identifier: MIT */
/*
 * T=0, the card's side: TPDUs to command APDUs and responses back (ISO/IEC 7816-3:2006, 10.3 and 12.2). Running
 * commands, time and parity are the owner's.
 */
#include "t0.h"
#include "bytes.h"

#define INS_GET_RESPONSE   0xC0u
#define INS_ENVELOPE       0xC2u
#define INTERINDUSTRY(cla) (((cla)&0x80) == 0)

enum {
    HEADER,  /* waiting for the characters of a header */
    DATA,    /* waiting for data */
    RUNNING, /* a command runs */
    SENDING, /* tx goes; `after` is the state that follows */
};

static const uint8_t null_byte = 0x60;

/* INS whose P3 counts bytes from the card: GET CHALLENGE, READ BINARY, READ RECORD, GET RESPONSE, GET DATA, MANAGE
 * CHANNEL (ISO/IEC 7816-4), FETCH (ETSI TS 102 221). Their odd forms, and all others, send data to the card. */
static const uint8_t reading_ins[] = {0x84, 0xB0, 0xB2, INS_GET_RESPONSE, 0xCA, 0x70, 0x12};

enum iso7816_t0_direction iso7816_t0_direction_of(const uint8_t header[5])
{
    /*@ loop unroll 7;
        loop invariant i <= 7;
        loop assigns i;
        loop variant 7 - i; */
    for (size_t i = 0; i < sizeof reading_ins; i++) {
        if (header[1] == reading_ins[i])
            return ISO7816_T0_FROM_CARD;
    }
    return ISO7816_T0_TO_CARD;
}

void iso7816_t0_card_init(struct iso7816_t0_card *c, uint8_t *apdu, size_t apdu_room, uint8_t *response,
                          size_t response_room)
{
    *c = (struct iso7816_t0_card){.apdu = apdu, .apdu_room = apdu_room, .held = response, .held_room = response_room};
    c->tx = c->out;
}

static enum iso7816_t0_card_action send(struct iso7816_t0_card *c, const uint8_t *bytes, size_t size, uint8_t after)
{
    c->tx = bytes;
    c->tx_size = size;
    c->state = SENDING;
    c->after = after;
    return ISO7816_T0_CARD_SEND;
}

static size_t put_status(struct iso7816_t0_card *c, size_t at, uint8_t sw1, uint8_t sw2)
{
    c->out[at] = sw1;
    c->out[at + 1] = sw2;
    return at + 2;
}

static enum iso7816_t0_card_action send_status(struct iso7816_t0_card *c, uint8_t sw1, uint8_t sw2)
{
    return send(c, c->out, put_status(c, 0, sw1, sw2), HEADER);
}

static enum iso7816_t0_card_action send_ack(struct iso7816_t0_card *c)
{
    c->out[0] = c->ack_single ? c->header[1] ^ 0xFF : c->header[1];
    return send(c, c->out, 1, DATA);
}

static enum iso7816_t0_card_action run(struct iso7816_t0_card *c, size_t size)
{
    c->apdu_size = size;
    c->state = RUNNING;
    return ISO7816_T0_CARD_COMMAND;
}

/* The bytes that P3 counts when they come from the card. */
static size_t wanted(const struct iso7816_t0_card *c)
{
    return c->header[4] ? c->header[4] : 256;
}

/* Put ACK, as many of the held bytes as P3 wants, and the status or 61XX; 6CXX when P3 wants more than there are. */
static size_t put_held(struct iso7816_t0_card *c)
{
    size_t left = c->held_size - c->held_at, at = 0;

    if (wanted(c) > left)
        return put_status(c, 0, 0x6C, (uint8_t)left);
    if (!c->ack_single)
        c->out[at++] = c->header[1];
    /*@ loop invariant i <= (c->header[4] ? c->header[4] : 256);
        loop invariant at == (c->ack_single ? 2 * i : i + 1);
        loop invariant c->held_at == \at(c->held_at, Pre) + i;
        loop assigns i, at, c->held_at, c->out[0 .. 511];
        loop variant 256 - i; */
    for (size_t i = 0; i < wanted(c); i++) {
        if (c->ack_single)
            c->out[at++] = c->header[1] ^ 0xFF;
        c->out[at++] = c->held[c->held_at++];
    }
    left = c->held_size - c->held_at;
    c->repeats = false;
    c->holding = left > 0;
    if (left > 0)
        return put_status(c, at, 0x61, left < 256 ? (uint8_t)left : 0);
    return put_status(c, at, c->held_sw[0], c->held_sw[1]);
}

static bool same_header(const struct iso7816_t0_card *c)
{
    return c->held_header[0] == c->header[0] && c->held_header[1] == c->header[1] &&
           c->held_header[2] == c->header[2] && c->held_header[3] == c->header[3];
}

static enum iso7816_t0_card_action start_envelope(struct iso7816_t0_card *c)
{
    size_t size = c->envelope_size;

    if (c->header[4] != 0 && c->header[4] <= c->apdu_room - size)
        return send_ack(c);
    c->envelope_size = 0;
    if (c->header[4] != 0 || size == 0)
        return send_status(c, 0x67, 0x00);
    return run(c, size);
}

/* A command of the card's own: refuse it, or take its data, or run it. */
static enum iso7816_t0_card_action start_command(struct iso7816_t0_card *c)
{
    const uint8_t cla = c->header[0], ins = c->header[1];

    c->envelope_size = 0;
    if (cla == 0xFF)
        return send_status(c, 0x6E, 0x00);
    if ((ins & 0xF0) == 0x60 || (ins & 0xF0) == 0x90)
        return send_status(c, 0x6D, 0x00);
    /* A card that said 61XX by itself keeps the rest itself, and is asked for it. */
    if (ins == INS_GET_RESPONSE && INTERINDUSTRY(cla) && !c->card_holds)
        return send_status(c, 0x69, 0x85);
    c->card_holds = false;
    if (c->apdu_room < 5 || (c->to_card && c->header[4] > c->apdu_room - 5))
        return send_status(c, 0x67, 0x00);

    copy_bytes(c->apdu, c->header, 5);
    if (!c->to_card)
        return run(c, 5);
    return c->header[4] ? send_ack(c) : run(c, 4);
}

/* A header has come: 12.2 from the other side. */
static enum iso7816_t0_card_action start(struct iso7816_t0_card *c, enum iso7816_t0_direction direction)
{
    c->got = 0;
    if ((c->repeats && same_header(c)) || (c->holding && c->header[1] == INS_GET_RESPONSE))
        return send(c, c->out, put_held(c), HEADER);
    c->repeats = false;
    c->holding = false;
    c->to_card = direction == ISO7816_T0_TO_CARD;
    c->envelope = c->header[1] == INS_ENVELOPE && INTERINDUSTRY(c->header[0]);
    if (!c->envelope)
        return start_command(c);
    c->to_card = true;
    return start_envelope(c);
}

static enum iso7816_t0_card_action take_data(struct iso7816_t0_card *c, uint8_t byte)
{
    size_t at = c->envelope ? c->envelope_size : 5;

    c->apdu[at + c->got++] = byte;
    if (c->got < c->header[4])
        return c->ack_single ? send_ack(c) : ISO7816_T0_CARD_RECEIVE;
    if (!c->envelope)
        return run(c, 5 + c->got);
    c->envelope_size += c->got;
    return send_status(c, 0x90, 0x00);
}

static enum iso7816_t0_direction
which_way(const uint8_t header[5], enum iso7816_t0_direction (*direction)(void *, const uint8_t[5]), void *context)
{
    return direction ? direction(context, header) : iso7816_t0_direction_of(header);
}

enum iso7816_t0_card_action iso7816_t0_card_receive(struct iso7816_t0_card *c, uint8_t byte,
                                                    enum iso7816_t0_direction (*direction)(void *, const uint8_t[5]),
                                                    void *context)
{
    switch (c->state) {
    case HEADER:
        c->header[c->got++] = byte;
        if (c->got < sizeof c->header)
            return ISO7816_T0_CARD_RECEIVE;
        return start(c, which_way(c->header, direction, context));
    case DATA:
        return take_data(c, byte);
    case RUNNING:
        return ISO7816_T0_CARD_WAIT;
    default:
        return ISO7816_T0_CARD_SEND;
    }
}

enum iso7816_t0_card_action iso7816_t0_card_sent(struct iso7816_t0_card *c)
{
    if (c->state == SENDING) {
        if (c->pending_size) {
            size_t size = c->pending_size;

            c->pending_size = 0;
            return send(c, c->out, size, HEADER);
        }
        c->state = c->after;
        if (c->state == HEADER)
            c->got = 0;
    }
    return c->state == RUNNING ? ISO7816_T0_CARD_WAIT : ISO7816_T0_CARD_RECEIVE;
}

/* What goes out for a response; data that cannot go now is held. */
static size_t put_response(struct iso7816_t0_card *c, const uint8_t *response, size_t size)
{
    size_t data = size - 2;

    if (size < 2 || data > c->held_room)
        return put_status(c, 0, 0x6F, 0x00);
    c->held_sw[0] = response[data];
    c->held_sw[1] = response[data + 1];
    c->card_holds = c->held_sw[0] == 0x61;
    if (response != c->held)
        move_bytes_down(c->held, response, data); /* it may lie further on in the same buffer */
    c->held_size = data;
    c->held_at = 0;
    copy_bytes(c->held_header, c->header, sizeof c->held_header);
    if (data == 0)
        return put_status(c, 0, c->held_sw[0], c->held_sw[1]);
    if (c->to_card) {
        c->holding = true;
        return put_status(c, 0, 0x61, data < 256 ? (uint8_t)data : 0);
    }
    c->repeats = true;
    return put_held(c);
}

enum iso7816_t0_card_action iso7816_t0_card_answer(struct iso7816_t0_card *c, const uint8_t *response, size_t size)
{
    if (c->state == SENDING && c->after == RUNNING && c->pending_size == 0) { /* a NULL is on its way */
        c->pending_size = put_response(c, response, size);
        return ISO7816_T0_CARD_SEND;
    }
    if (c->state != RUNNING)
        return c->state == SENDING ? ISO7816_T0_CARD_SEND : ISO7816_T0_CARD_RECEIVE;
    return send(c, c->out, put_response(c, response, size), HEADER);
}

enum iso7816_t0_card_action iso7816_t0_card_busy(struct iso7816_t0_card *c)
{
    if (c->state == RUNNING)
        return send(c, &null_byte, 1, RUNNING);
    return c->state == SENDING ? ISO7816_T0_CARD_SEND : ISO7816_T0_CARD_RECEIVE;
}
