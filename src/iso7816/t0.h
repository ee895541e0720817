/* SPDX-License-Identifier: MIT */
/*
 * T=0 at character level, both sides: ISO/IEC 7816-3:2006, clause 10. State machines: they take characters and say what
 * to do next; no input, output, allocation or time.
 */
#ifndef ISO7816_T0_H
#define ISO7816_T0_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the reader's side: one TPDU --------------------------------------------------------------------------------- */

enum iso7816_t0_action {
    ISO7816_T0_SEND,    /* send h->tx[0..tx_size), then call _sent */
    ISO7816_T0_RECEIVE, /* wait at most WWT for a character, then _receive it, or _timeout */
    ISO7816_T0_DONE,    /* the reply (data, SW1, SW2) is in reply[0..reply_size) */
    ISO7816_T0_ERROR,   /* h->error says why */
};

enum iso7816_t0_error {
    ISO7816_T0_NO_ERROR,
    ISO7816_T0_BAD_TPDU,      /* no valid command TPDU: its length, CLA FF, or INS 6X/9X (10.3.2) */
    ISO7816_T0_BAD_PROCEDURE, /* a procedure byte that is none */
    ISO7816_T0_TIMEOUT,
    ISO7816_T0_PARITY,         /* a character stayed wrong after its repetitions */
    ISO7816_T0_TOO_MANY_NULLS, /* more than nulls_max in all */
    ISO7816_T0_NO_ROOM,        /* data and status are longer than the reply buffer */
};

struct iso7816_t0_host {
    const uint8_t *tx;
    size_t tx_size;
    uint8_t *reply;
    size_t room, reply_size;
    enum iso7816_t0_error error;
    uint32_t nulls, nulls_max; /* 60 received; how many are borne: _start sets 1000, may be changed after it */
    uint32_t repetitions;      /* characters asked for again */
    /* private */
    uint8_t header[5];
    const uint8_t *data; /* to the card; NULL when data, if any, comes from it */
    size_t data_size, data_done;
    uint8_t state, next, parity_errors;
};

/* tpdu: CLA INS P1 P2, P3, data: 4 bytes (P3 = 0 is sent), 5, or 5 + P3. With 4 or 5 bytes the card may send up to P3
 * bytes of data, 256 when P3 is 0: what is on the line does not tell a case 1 from a case 2. Both buffers stay valid
 * until the end. After ERROR the line is out of step: the card must be reset. */
enum iso7816_t0_action iso7816_t0_host_start(struct iso7816_t0_host *h, const uint8_t *tpdu, size_t size,
                                             uint8_t *reply, size_t room);
enum iso7816_t0_action iso7816_t0_host_sent(struct iso7816_t0_host *h);
/* parity_ok false: the character was wrong; the machine asks for it again (7.3) up to 3 times by answering RECEIVE. */
enum iso7816_t0_action iso7816_t0_host_receive(struct iso7816_t0_host *h, uint8_t byte, bool parity_ok);
enum iso7816_t0_action iso7816_t0_host_timeout(struct iso7816_t0_host *h);
/* What RECEIVE waits for, in words: "a procedure byte". Never NULL. */
const char *iso7816_t0_host_awaits(const struct iso7816_t0_host *h);

/* ---- the card's side: TPDUs to command APDUs and back (12.2 as the card sees it) ------------------------------ */

enum iso7816_t0_card_action {
    ISO7816_T0_CARD_RECEIVE, /* wait for the next character */
    ISO7816_T0_CARD_SEND,    /* send c->tx[0..tx_size), then call _sent */
    ISO7816_T0_CARD_COMMAND, /* a whole command APDU is in c->apdu[0..apdu_size): run it, then call _answer; while it
                                takes longer than the waiting time allows, call _busy */
    ISO7816_T0_CARD_WAIT,    /* the command still runs: nothing to do before _answer or _busy */
};

enum iso7816_t0_direction { ISO7816_T0_TO_CARD, ISO7816_T0_FROM_CARD };

/* Whether P3 of a command counts bytes to the card, by INS as in ISO/IEC 7816-4: for owners who know no better. */
enum iso7816_t0_direction iso7816_t0_direction_of(const uint8_t header[5]);

struct iso7816_t0_card {
    const uint8_t *tx;
    size_t tx_size;
    uint8_t *apdu; /* the owner's buffer, for ENVELOPEd commands as well */
    size_t apdu_room, apdu_size;
    bool ack_single; /* set it after _init: acknowledge with INS xor FF, one byte at a time */
    /* private */
    uint8_t header[5], held_header[4];
    uint8_t out[2 * 256 + 2];
    uint8_t *held; /* the owner's buffer: response data waiting for GET RESPONSE, or for the same header again */
    size_t held_room, held_size, held_at;
    uint8_t held_sw[2];
    size_t got, envelope_size, pending_size;
    uint8_t state, after;
    bool to_card, envelope;
    bool holding;    /* 61XX was said */
    bool repeats;    /* 6CXX was said */
    bool card_holds; /* the card itself said 61XX */
};

/*
 * What the engine does by itself: it takes ENVELOPE (INS C2, interindustry CLA) apart until an empty one ends the
 * command; it holds responses that do not fit P3 and hands them out with 61XX and GET RESPONSE (INS C0), or with 6CXX
 * when the same header comes again; it answers 6985 to GET RESPONSE with nothing to get (but passes one to
 * a card that said 61XX itself), 6D00 and 6E00 to invalid INS and CLA, 6700 to commands longer than apdu_room, and 6F00 for responses shorter than 2 bytes or longer than
 * response_room.
 *
 * apdu and response are the owner's buffers, and hold the largest APDU that this card shall take and give; apdu_room is
 * at least 260.
 */
void iso7816_t0_card_init(struct iso7816_t0_card *c, uint8_t *apdu, size_t apdu_room, uint8_t *response,
                          size_t response_room);
/* direction says of a header with P3 != 0 which way the data goes, of one with P3 = 0 whether 256 bytes are to come
 * from the card; NULL for iso7816_t0_direction_of. */
enum iso7816_t0_card_action iso7816_t0_card_receive(struct iso7816_t0_card *c, uint8_t byte,
                                                    enum iso7816_t0_direction (*direction)(void *, const uint8_t[5]),
                                                    void *context);
enum iso7816_t0_card_action iso7816_t0_card_sent(struct iso7816_t0_card *c);
/* response APDU with SW1 SW2 (may lie in the owner's response buffer). Without a running command nothing happens. */
enum iso7816_t0_card_action iso7816_t0_card_answer(struct iso7816_t0_card *c, const uint8_t *response, size_t size);
/* The command still runs: the action is to send a NULL byte; _sent then says WAIT. */
enum iso7816_t0_card_action iso7816_t0_card_busy(struct iso7816_t0_card *c);

#endif
