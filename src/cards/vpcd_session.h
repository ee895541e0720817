/* SPDX-License-Identifier: MIT */
/*
 * The vpcd protocol from the reader's side, without input or output: messages are a length of two bytes, big-endian,
 * then that many bytes; from the reader one byte is a control code and more are a command APDU, from the card come
 * answers to commands and, after VPCD_ATR, the ATR. Nothing says which answer belongs to which command, so a session
 * counts the answers that it no longer wants. Sockets and threads are vpcd_peer.c's.
 *
 * Threads: one at a time.
 */
#ifndef SMARTCRD_VPCD_SESSION_H
#define SMARTCRD_VPCD_SESSION_H

#include "card.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VPCD_MAX    65535u /* bytes in a message */
#define VPCD_HEADER 2u

enum vpcd_control { VPCD_OFF = 0, VPCD_ON = 1, VPCD_RESET = 2, VPCD_ATR = 4 };

enum vpcd_request { VPCD_NOTHING, VPCD_POWER_OFF, VPCD_COLD_RESET, VPCD_WARM_RESET, VPCD_COMMAND };

struct vpcd_session {
    enum vpcd_request awaited; /* VPCD_NOTHING, a reset (its ATR) or a command */
    ULONG ticket;              /* of what is awaited */
    unsigned stale;            /* answers that belong to requests which the reader gave up */
    unsigned unsolicited;      /* messages that nobody asked for, since the last good answer */
    bool powered;              /* the peer was told VPCD_ON and not VPCD_OFF since */

    uint8_t out[VPCD_HEADER + VPCD_MAX]; /* the messages to send, from out_sent to out_used */
    size_t out_used, out_sent;
    uint8_t in[VPCD_HEADER + VPCD_MAX]; /* what has arrived, from the start of a message */
    size_t in_used;
    size_t in_taken; /* of the message at its start that the last vpcd_session_next gave out */
};

/* What a message from the peer means. */
enum vpcd_result {
    VPCD_MORE,   /* no whole message is there yet */
    VPCD_IGNORE, /* not wanted; look again */
    VPCD_ANSWER, /* *answer is filled, look again */
    VPCD_HANG_UP /* the peer does not keep to the protocol */
};

struct vpcd_answer {
    ULONG ticket;
    NTSTATUS status;      /* STATUS_SUCCESS, or STATUS_IO_TIMEOUT: too short to be an answer, the card is mute */
    const uint8_t *bytes; /* in the session, until the next call */
    ULONG length;
};

/* A new peer: forget everything. */
void vpcd_session_begin(struct vpcd_session *session);

/*
 * Put a request into `out`. Call it only when everything in `out` is sent. What was awaited becomes stale.
 *
 * apdu, length  of a VPCD_COMMAND: 4 to VPCD_MAX bytes; the others ignore them
 *
 * Returns false when the peer owes more answers than any honest one would.
 */
bool vpcd_session_request(struct vpcd_session *session, enum vpcd_request request, ULONG ticket, const uint8_t *apdu,
                          size_t length);

/* Where to put bytes from the peer, and how many fit: at least 1 once vpcd_session_next has said VPCD_MORE. */
uint8_t *vpcd_session_room(struct vpcd_session *session, size_t *room);

/* That many have been put there. */
void vpcd_session_received(struct vpcd_session *session, size_t count);

/* Take the next message out of `in`. Every call that does not say VPCD_MORE consumes one, so calling it until it does
 * is bounded by what had arrived. */
enum vpcd_result vpcd_session_next(struct vpcd_session *session, struct vpcd_answer *answer);

#endif
