/* SPDX-License-Identifier: MIT */
/* The vpcd protocol from the reader's side: framing, and which answer belongs to what. See vpcd_session.h. */
#include "vpcd_session.h"

#include "../iso7816/atr.h"

#include <string.h>

/* A peer that owes this many answers, or sends this many that nobody wants, is not a card. */
#define PATIENCE 32u

/* What each request says to the peer, in order. Cold: off only when it was on; the ATR is asked for last. */
static const struct {
    uint8_t control[3];
    uint8_t count;
    bool powered; /* the peer's state afterwards */
} steps[] = {
    [VPCD_POWER_OFF] = {{VPCD_OFF}, 1, false},
    [VPCD_COLD_RESET] = {{VPCD_OFF, VPCD_ON, VPCD_ATR}, 3, true},
    [VPCD_WARM_RESET] = {{VPCD_RESET, VPCD_ATR}, 2, true},
};

void vpcd_session_begin(struct vpcd_session *session)
{
    session->awaited = VPCD_NOTHING;
    session->ticket = 0;
    session->stale = 0;
    session->unsolicited = 0;
    session->powered = false;
    session->out_used = session->out_sent = 0;
    session->in_used = 0;
    session->in_taken = 0;
}

static void put(struct vpcd_session *session, const uint8_t *bytes, size_t length)
{
    uint8_t *out = session->out + session->out_used;

    out[0] = (uint8_t)(length >> 8);
    out[1] = (uint8_t)(length & 0xFFu);
    memcpy(out + VPCD_HEADER, bytes, length);
    session->out_used += VPCD_HEADER + length;
}

bool vpcd_session_request(struct vpcd_session *session, enum vpcd_request request, ULONG ticket, const uint8_t *apdu,
                          size_t length)
{
    if (session->awaited != VPCD_NOTHING) {
        session->stale++;
        session->awaited = VPCD_NOTHING;
    }
    if (session->stale > PATIENCE) {
        return false;
    }
    session->out_used = session->out_sent = 0;
    if (request == VPCD_COMMAND) {
        put(session, apdu, length);
    } else {
        /* A card without power has nothing to reset: a warm reset of it is a cold one (smclib.md 3.4). */
        if (request == VPCD_WARM_RESET && !session->powered) {
            request = VPCD_COLD_RESET;
        }
        for (uint8_t i = 0; i < steps[request].count; i++) {
            if (steps[request].control[i] != VPCD_OFF || session->powered) {
                put(session, &steps[request].control[i], 1);
            }
        }
        session->powered = steps[request].powered;
    }
    if (request != VPCD_POWER_OFF) {
        session->awaited = request;
        session->ticket = ticket;
    }
    return true;
}

uint8_t *vpcd_session_room(struct vpcd_session *session, size_t *room)
{
    *room = sizeof(session->in) - session->in_used;
    return session->in + session->in_used;
}

void vpcd_session_received(struct vpcd_session *session, size_t count)
{
    session->in_used += count;
}

/* Whether a message can be an ATR: after a reset it is told from a late answer by its form. A late answer that has the
 * form of a whole ATR would be taken for one. */
static bool looks_like_atr(const uint8_t *bytes, size_t length)
{
    return length >= 2 && length <= ISO7816_ATR_MAX && (bytes[0] == 0x3B || bytes[0] == 0x3F) &&
           iso7816_atr_expected(bytes, length) == length;
}

static enum vpcd_result judge(struct vpcd_session *session, const uint8_t *bytes, size_t length,
                              struct vpcd_answer *answer)
{
    bool is_command = session->awaited == VPCD_COMMAND;

    if (session->stale > 0 && (session->awaited == VPCD_NOTHING || is_command || !looks_like_atr(bytes, length))) {
        session->stale--;
        return VPCD_IGNORE;
    }
    if (session->awaited == VPCD_NOTHING) {
        return ++session->unsolicited > PATIENCE ? VPCD_HANG_UP : VPCD_IGNORE;
    }
    /* A peer answers in order, so nothing older can come after it. */
    session->stale = 0;
    session->unsolicited = 0;
    answer->ticket = session->ticket;
    answer->status = STATUS_SUCCESS;
    answer->bytes = bytes;
    answer->length = (ULONG)length;
    if (length < 2 || (!is_command && length > ISO7816_ATR_MAX)) {
        answer->status = STATUS_IO_TIMEOUT;
        answer->length = 0;
    }
    session->awaited = VPCD_NOTHING;
    return VPCD_ANSWER;
}

enum vpcd_result vpcd_session_next(struct vpcd_session *session, struct vpcd_answer *answer)
{
    size_t length = 0;

    session->in_used -= session->in_taken;
    memmove(session->in, session->in + session->in_taken, session->in_used);
    explicit_bzero(session->in + session->in_used, session->in_taken); /* cards may tell secrets, too */
    session->in_taken = 0;
    if (session->in_used >= VPCD_HEADER) {
        length = (size_t)session->in[0] << 8 | session->in[1];
    }
    if (session->in_used < VPCD_HEADER + length || session->in_used < VPCD_HEADER) {
        return VPCD_MORE;
    }
    session->in_taken = VPCD_HEADER + length;
    return judge(session, session->in + VPCD_HEADER, length, answer);
}
