/* SPDX-License-Identifier: MIT */
/*
 * Command APDUs over T=0 as the reader sees it: ISO/IEC 7816-3:2006, 12.2. Decides which TPDU comes next; exchanging
 * one is t0_host.c's.
 */
#include "apdu.h"
#include "bytes.h"

#define INS_GET_RESPONSE 0xC0u
#define INS_ENVELOPE     0xC2u
#define SEGMENT          255u
#define STEPS_MAX        4096u

enum {
    FIRST,        /* the command's own TPDU */
    ENVELOPE,     /* a segment of the command */
    ENVELOPE_END, /* the empty ENVELOPE that ends the command (ISO/IEC 7816-4, ENVELOPE) */
    MORE,         /* GET RESPONSE after 61XX */
    PROBE,        /* GET RESPONSE after 9000 to a case 4 (12.2, case 4S.2) */
    OVER,
};

/* Table 2 and 3 of ISO/IEC 7816-4: of an interindustry CLA only the logical channel; a proprietary one as it is. */
static uint8_t transport_cla(uint8_t cla)
{
    if (cla & 0x80)
        return cla;
    return cla & 0x40 ? cla & 0x4F : cla & 0x03;
}

static enum iso7816_apdu_t0_action fail(struct iso7816_apdu_t0 *h)
{
    h->state = OVER;
    h->response_size = 0;
    return ISO7816_APDU_T0_ERROR;
}

static enum iso7816_apdu_t0_action send(struct iso7816_apdu_t0 *h, uint8_t state, size_t size)
{
    if (h->steps >= h->steps_max)
        return fail(h);
    h->steps++;
    h->state = state;
    h->tpdu_size = size;
    return ISO7816_APDU_T0_SEND;
}

static enum iso7816_apdu_t0_action send_transport(struct iso7816_apdu_t0 *h, uint8_t state, uint8_t ins, uint8_t p3)
{
    h->tpdu[0] = transport_cla(h->command.cla);
    /* C2 of a proprietary class is another command (80 C2 of ETSI TS 102 221); C0 is not (A0 C0 of the SIM). */
    if (ins == INS_ENVELOPE && (h->command.cla & 0x80))
        h->tpdu[0] = 0x00;
    h->tpdu[1] = ins;
    h->tpdu[2] = 0;
    h->tpdu[3] = 0;
    h->tpdu[4] = p3;
    h->retried = false;
    return send(h, state, 5);
}

/* The next at most 255 bytes of the whole APDU; an empty segment says that there are no more. */
static enum iso7816_apdu_t0_action send_segment(struct iso7816_apdu_t0 *h)
{
    size_t left = h->size - h->sent, size = left < SEGMENT ? left : SEGMENT;
    enum iso7816_apdu_t0_action action = send_transport(h, size ? ENVELOPE : ENVELOPE_END, INS_ENVELOPE, (uint8_t)size);

    if (action == ISO7816_APDU_T0_SEND) {
        copy_bytes(h->tpdu + 5, h->bytes + h->sent, size);
        h->tpdu_size = 5 + size;
        h->sent += size;
    }
    return action;
}

static enum iso7816_apdu_t0_action get_response(struct iso7816_apdu_t0 *h, uint8_t state, uint32_t available)
{
    uint32_t wanted = h->ne - (uint32_t)h->response_size;

    if (wanted > available)
        wanted = available;
    return send_transport(h, state, INS_GET_RESPONSE, (uint8_t)wanted);
}

static enum iso7816_apdu_t0_action done(struct iso7816_apdu_t0 *h, uint8_t sw1, uint8_t sw2)
{
    if (h->response_size > h->room - 2)
        return fail(h);
    h->response[h->response_size++] = sw1;
    h->response[h->response_size++] = sw2;
    h->state = OVER;
    return ISO7816_APDU_T0_DONE;
}

/* Keep what Le asked for; false when there is no room for it. */
static bool keep(struct iso7816_apdu_t0 *h, const uint8_t *data, size_t size)
{
    if (size > h->ne - h->response_size)
        size = h->ne - h->response_size;
    if (size > h->room - h->response_size)
        return false;
    copy_bytes(h->response + h->response_size, data, size);
    h->response_size += size;
    return true;
}

/* The command's own TPDU, or the first of its segments. */
static enum iso7816_apdu_t0_action send_first(struct iso7816_apdu_t0 *h)
{
    if (h->command.lc > SEGMENT)
        return send_segment(h);
    h->tpdu[0] = h->command.cla;
    h->tpdu[1] = h->command.ins;
    h->tpdu[2] = h->command.p1;
    h->tpdu[3] = h->command.p2;
    if (h->command.kase == 1)
        return send(h, FIRST, 4);
    if (h->command.kase == 2) {
        h->tpdu[4] = h->ne < 256 ? (uint8_t)h->ne : 0;
        return send(h, FIRST, 5);
    }
    h->tpdu[4] = (uint8_t)h->command.lc;
    copy_bytes(h->tpdu + 5, h->command.data, h->command.lc);
    return send(h, FIRST, 5 + (size_t)h->command.lc);
}

enum iso7816_apdu_t0_action iso7816_apdu_t0_start(struct iso7816_apdu_t0 *h, const uint8_t *command, size_t size,
                                                  uint8_t *response, size_t room)
{
    h->response = response;
    h->room = room;
    h->response_size = 0;
    h->tpdu_size = 0;
    h->steps = 0;
    h->steps_max = STEPS_MAX;
    h->bytes = command;
    h->size = size;
    h->sent = 0;
    h->retried = false;
    h->ne = 0;
    if (!iso7816_command_parse(command, size, &h->command) || room < 2)
        return fail(h);
    h->ne = h->command.has_le ? h->command.le : 0;

    return send_first(h);
}

/* Whether the TPDU that was sent brings data of the response. */
static bool retrieves_data(const struct iso7816_apdu_t0 *h)
{
    return h->state == MORE || h->state == PROBE || (h->state == FIRST && h->command.kase == 2);
}

/* What the status of a TPDU leads to; bare: it came without data. */
static enum iso7816_apdu_t0_action go_on(struct iso7816_apdu_t0 *h, uint8_t sw1, uint8_t sw2, bool bare)
{
    if (sw1 == 0x61 && h->response_size < h->ne)
        return get_response(h, MORE, sw2 ? sw2 : 256);
    if (sw1 == 0x90 && sw2 == 0x00 && h->command.kase == 4 && (h->state == FIRST || h->state == ENVELOPE_END))
        return get_response(h, PROBE, 256);
    /* The command was carried out, and there was nothing to get: its own status stands. */
    if (h->state == PROBE && bare && sw1 >= 0x64 && sw1 <= 0x6F)
        return done(h, 0x90, 0x00);
    /* An error has no data field (ISO/IEC 7816-4, 5.1): what came before it is not the whole answer. */
    if (sw1 >= 0x64 && sw1 <= 0x6F)
        h->response_size = 0;
    return done(h, sw1, sw2);
}

enum iso7816_apdu_t0_action iso7816_apdu_t0_reply(struct iso7816_apdu_t0 *h, const uint8_t *reply, size_t size)
{
    bool retrieves = retrieves_data(h);
    uint8_t sw1, sw2;

    if (h->state == OVER || size < 2 || size > 256 + 2)
        return fail(h);
    sw1 = reply[size - 2];
    sw2 = reply[size - 1];

    /* 6CXX: the same again with the length that the card names, once. */
    if (sw1 == 0x6C && retrieves && !h->retried) {
        h->retried = true;
        h->tpdu[4] = sw2;
        return send(h, h->state, 5);
    }
    if (h->state == ENVELOPE && sw1 == 0x90 && sw2 == 0x00)
        return send_segment(h);
    if (retrieves && !keep(h, reply, size - 2))
        return fail(h);
    return go_on(h, sw1, sw2, size == 2);
}
