/* SPDX-License-Identifier: MIT */
/*
 * T=0, the reader's side: one TPDU, character by character (ISO/IEC 7816-3:2006, 10.3). Waiting times and what to do
 * after an error are the caller's.
 */
#include "t0.h"

#define NULLS_MAX       1000u
#define REPETITIONS_MAX 3u

enum { HEADER, PROCEDURE, DATA_OUT, DATA_IN, SW2, OVER };

static enum iso7816_t0_action fail(struct iso7816_t0_host *h, enum iso7816_t0_error error)
{
    h->state = OVER;
    h->error = error;
    return ISO7816_T0_ERROR;
}

static enum iso7816_t0_action wait_for(struct iso7816_t0_host *h, uint8_t state)
{
    h->state = state;
    return ISO7816_T0_RECEIVE;
}

static enum iso7816_t0_action send(struct iso7816_t0_host *h, uint8_t state, const uint8_t *bytes, size_t size)
{
    h->tx = bytes;
    h->tx_size = size;
    h->state = state;
    return ISO7816_T0_SEND;
}

static enum iso7816_t0_action keep(struct iso7816_t0_host *h, uint8_t byte, uint8_t next)
{
    if (h->reply_size == h->room)
        return fail(h, ISO7816_T0_NO_ROOM);
    h->reply[h->reply_size++] = byte;
    return wait_for(h, next);
}

/* SW1 (10.3.3): 6X except 60, 9X. */
static bool is_sw1(uint8_t byte)
{
    return (byte & 0xF0) == 0x60 || (byte & 0xF0) == 0x90;
}

enum iso7816_t0_action iso7816_t0_host_start(struct iso7816_t0_host *h, const uint8_t *tpdu, size_t size,
                                             uint8_t *reply, size_t room)
{
    *h = (struct iso7816_t0_host){.reply = reply, .room = room, .nulls_max = NULLS_MAX};
    if (size < 4 || tpdu[0] == 0xFF || is_sw1(tpdu[1]))
        return fail(h, ISO7816_T0_BAD_TPDU);
    if (size > 5 && (tpdu[4] == 0 || size != 5 + (size_t)tpdu[4]))
        return fail(h, ISO7816_T0_BAD_TPDU);

    //@ loop unroll 5;
    for (size_t i = 0; i < 5 && i < size; i++)
        h->header[i] = tpdu[i];
    if (size > 5) {
        h->data = tpdu + 5;
        h->data_size = tpdu[4];
    } else {
        h->data_size = h->header[4] ? h->header[4] : 256;
    }
    return send(h, HEADER, h->header, 5);
}

enum iso7816_t0_action iso7816_t0_host_sent(struct iso7816_t0_host *h)
{
    if (h->state != HEADER && h->state != DATA_OUT)
        return h->state == OVER ? ISO7816_T0_ERROR : ISO7816_T0_RECEIVE;
    if (h->state == DATA_OUT)
        h->data_done += h->tx_size;
    return wait_for(h, PROCEDURE);
}

/* 10.3.3: NULL, ACK for all that remains, ACK for one byte, or SW1. */
static enum iso7816_t0_action procedure(struct iso7816_t0_host *h, uint8_t byte)
{
    size_t left = h->data_size - h->data_done;
    uint8_t difference = byte ^ h->header[1];

    if (byte == 0x60) {
        if (++h->nulls > h->nulls_max)
            return fail(h, ISO7816_T0_TOO_MANY_NULLS);
        return ISO7816_T0_RECEIVE;
    }
    if (is_sw1(byte))
        return keep(h, byte, SW2);
    if ((difference != 0x00 && difference != 0xFF) || left == 0)
        return fail(h, ISO7816_T0_BAD_PROCEDURE);
    if (difference == 0xFF)
        left = 1;
    if (h->data)
        return send(h, DATA_OUT, h->data + h->data_done, left);
    h->next = (uint8_t)(left == 1); /* one byte, then a procedure byte again */
    return wait_for(h, DATA_IN);
}

enum iso7816_t0_action iso7816_t0_host_receive(struct iso7816_t0_host *h, uint8_t byte, bool parity_ok)
{
    enum iso7816_t0_action action;

    if (h->state != PROCEDURE && h->state != DATA_IN && h->state != SW2) {
        if (h->state == OVER)
            return h->error == ISO7816_T0_NO_ERROR ? ISO7816_T0_DONE : ISO7816_T0_ERROR;
        return ISO7816_T0_SEND; /* half duplex: what comes while we send is noise */
    }
    if (!parity_ok) {
        if (h->parity_errors == REPETITIONS_MAX)
            return fail(h, ISO7816_T0_PARITY);
        h->parity_errors++;
        h->repetitions++;
        return ISO7816_T0_RECEIVE;
    }
    h->parity_errors = 0;

    switch (h->state) {
    case PROCEDURE:
        return procedure(h, byte);
    case DATA_IN:
        h->data_done++;
        return keep(h, byte, h->next || h->data_done == h->data_size ? PROCEDURE : DATA_IN);
    default:
        action = keep(h, byte, OVER);
        return action == ISO7816_T0_RECEIVE ? ISO7816_T0_DONE : action;
    }
}

enum iso7816_t0_action iso7816_t0_host_timeout(struct iso7816_t0_host *h)
{
    if (h->state == OVER)
        return h->error == ISO7816_T0_NO_ERROR ? ISO7816_T0_DONE : ISO7816_T0_ERROR;
    return fail(h, ISO7816_T0_TIMEOUT);
}

const char *iso7816_t0_host_awaits(const struct iso7816_t0_host *h)
{
    switch (h->state) {
    case PROCEDURE:
        return "a procedure byte";
    case DATA_IN:
        return "a data byte";
    case SW2:
        return "SW2";
    default:
        return "nothing";
    }
}
