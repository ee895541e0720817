/* SPDX-License-Identifier: MIT */
/*
 * T=1 at block level, both sides: ISO/IEC 7816-3:2006, clause 11. State machines: blocks in, blocks out; no input,
 * output, allocation or time.
 */
#ifndef ISO7816_T1_H
#define ISO7816_T1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edc.h"

#define ISO7816_T1_BLOCK_MAX (3 + 254 + 2)

/* PCBs (11.3.2) */
#define ISO7816_T1_I_NS       0x40u
#define ISO7816_T1_I_MORE     0x20u
#define ISO7816_T1_R          0x80u
#define ISO7816_T1_R_NR       0x10u
#define ISO7816_T1_R_EDC      0x01u
#define ISO7816_T1_R_OTHER    0x02u
#define ISO7816_T1_S_RESYNCH  0xC0u
#define ISO7816_T1_S_IFS      0xC1u
#define ISO7816_T1_S_ABORT    0xC2u
#define ISO7816_T1_S_WTX      0xC3u
#define ISO7816_T1_S_RESPONSE 0x20u

enum iso7816_t1_action {
    ISO7816_T1_SEND,    /* send tx[0..tx_size), then wait for a block: BWT * (wtx ? wtx : 1), CWT between characters */
    ISO7816_T1_DONE,    /* host: the exchange is over, the answer is in reply[0..reply_size) */
    ISO7816_T1_COMMAND, /* card: a command is in in[0..in_size): run it, then call _answer (or _wtx, to win time) */
    ISO7816_T1_RECEIVE, /* card: stay silent, wait for a block */
    ISO7816_T1_ERROR, /* host: error says why; after all but ABORTED and NO_ROOM the card must be reset (11.6.3.1), and
                           every exchange fails with the same error until _init */
};

enum iso7816_t1_error {
    ISO7816_T1_NO_ERROR,
    ISO7816_T1_NO_ANSWER,       /* nothing valid came, retransmissions and RESYNCH included */
    ISO7816_T1_EDC_ERROR,       /* likewise, the last failures being wrong EDCs */
    ISO7816_T1_BAD_BLOCK,       /* likewise, the last failures being other invalid blocks */
    ISO7816_T1_ABORTED,         /* the card, or _abort, aborted the chain */
    ISO7816_T1_NO_ROOM,         /* the answer is longer than the reply buffer */
    ISO7816_T1_TOO_MANY_WTX,    /* more than wtx_max in a row */
    ISO7816_T1_TOO_MANY_BLOCKS, /* more than idle_max in a row that brought the exchange no further */
};

struct iso7816_t1_config {
    enum iso7816_edc edc;
    uint8_t nad;  /* NAD to send, and to expect back with its halves swapped; 00 for one with two equal addresses */
    uint8_t ifsc; /* of the card, from its ATR: 1 to 254 */
    uint8_t ifsd; /* of the reader: 1 to 254; 32 until S(IFS) has been exchanged */
};

/* ---- the reader's side ------------------------------------------------------------------------------------------- */

struct iso7816_t1_host {
    uint8_t tx[ISO7816_T1_BLOCK_MAX];
    size_t tx_size;
    uint8_t wtx; /* multiplier of BWT for the block now awaited, 0: none */
    uint8_t *reply;
    size_t room, reply_size;
    enum iso7816_t1_error error;
    uint32_t retransmissions, waiting_time_extensions, resynchronisations; /* of this exchange */
    uint32_t wtx_max;     /* how many in a row are granted; _init sets 120, may be changed */
    uint32_t idle_max;    /* valid blocks in a row without progress; _init sets 32, may be changed */
    uint32_t restart_max; /* how often RESYNCH may start the exchange again; _init sets 3, may be changed */
    /* private */
    struct iso7816_t1_config config;
    const uint8_t *command;
    size_t command_size, command_sent, chunk;
    uint32_t wtx_row, idle, restarts;
    uint8_t state, ns, nr, failures, resynch_tries, ifs_wanted, ifsc, ifsd;
    enum iso7816_t1_error why;         /* of the last failure */
    enum iso7816_t1_error abort_error; /* what an abortion under way will end with */
    bool started, unacknowledged, abort_wanted, dead;
};

/* After a reset, or PPS. Sequence numbers live from here on over all exchanges. ifsd_wanted: what to tell the card with
 * S(IFS) before the first exchange, 0 for not. */
void iso7816_t1_host_init(struct iso7816_t1_host *h, const struct iso7816_t1_config *config, uint8_t ifsd_wanted);
/* Start an exchange; both buffers stay valid until DONE or ERROR, and must not overlap. After a RESYNCH the whole
 * command is sent again (smclib.md 5.5): a card whose answer was lost may then run it twice. */
enum iso7816_t1_action iso7816_t1_host_start(struct iso7816_t1_host *h, const uint8_t *command, size_t size,
                                             uint8_t *reply, size_t room);
/*
 * What came: one block as received (EDC included), or size 0 for nothing in time; parity_ok false when any of its
 * characters was wrong.
 *
 * The caller's duty: before it sends a block it drops what has come meanwhile, and before S(RESYNCH request) it waits
 * until nothing comes any more. Late or doubled blocks cost time only, as long as they come in the order in which they
 * were sent; but a response to S(RESYNCH) has no number, so an old one passes for a new one, the sides disagree, and a
 * block of the next chain may be lost unseen.
 */
enum iso7816_t1_action iso7816_t1_host_receive(struct iso7816_t1_host *h, const uint8_t *block, size_t size,
                                               bool parity_ok);
/* Give up the chain being sent or received: S(ABORT) at the next turn, RESYNCH, then ERROR with ABORTED. Without a
 * chain the exchange goes on as if nothing had been said: only chains can be aborted. RESYNCH follows the card's ABORT,
 * too: the standard leaves open which number comes next. */
void iso7816_t1_host_abort(struct iso7816_t1_host *h);

/* ---- the card's side --------------------------------------------------------------------------------------------- */

struct iso7816_t1_card {
    uint8_t tx[ISO7816_T1_BLOCK_MAX];
    size_t tx_size;
    uint8_t *in; /* the owner's buffer */
    size_t in_room, in_size;
    /* private */
    struct iso7816_t1_config config;
    const uint8_t *out;
    size_t out_size, out_at, chunk;
    uint8_t state, ns, nr, failures, ifsd, ifsc;
    uint8_t asked, asked_value; /* PCB and INF of the S(request) that awaits its response; 0: none */
    bool answered, too_long;    /* _answer came before the S(response); the command did not fit */
};

void iso7816_t1_card_init(struct iso7816_t1_card *c, const struct iso7816_t1_config *config, uint8_t *in,
                          size_t in_room);
enum iso7816_t1_action iso7816_t1_card_receive(struct iso7816_t1_card *c, const uint8_t *block, size_t size,
                                               bool parity_ok);
/*
 * What keeps the card's owner safe: COMMAND, or an S(RESYNCH) answered meanwhile, ends the interest in any earlier
 * command, and the answer of an older one must not be given any more. A command longer than in_room is answered 6700
 * without being seen. While a command runs every block but S(RESYNCH) is met with silence (RECEIVE).
 *
 * response stays valid until the next COMMAND. RECEIVE when no command runs, and when an S(request) still waits for its
 * response, after which _receive returns the first block.
 */
enum iso7816_t1_action iso7816_t1_card_answer(struct iso7816_t1_card *c, const uint8_t *response, size_t size);
/* Ask for more time for the running command: S(WTX request) with this multiplier. RECEIVE when no command runs, or an
 * S(request) is out already. _receive returns RECEIVE for its response: the command goes on. */
enum iso7816_t1_action iso7816_t1_card_wtx(struct iso7816_t1_card *c, uint8_t multiplier);
/* Announce another IFSC (1 to 254), or abort the chain being sent or received, when the card has the right to send:
 * after _receive or _answer said SEND, in place of that block, or (IFS) while a command runs; a chain of its own can only
 * be aborted in place of an I-block. After the response to S(IFS) what was replaced is sent; after that to S(ABORT) an
 * R-block gives the right to send back. S(IFS request) is repeated once at most (rule 8), then the card is silent until
 * its response or S(RESYNCH) comes. RECEIVE: not now (an S(response) is not replaced, for instance), and what was to be
 * sent still is. */
enum iso7816_t1_action iso7816_t1_card_ifs(struct iso7816_t1_card *c, uint8_t ifsc);
enum iso7816_t1_action iso7816_t1_card_abort(struct iso7816_t1_card *c);

/* Bytes of a block in all, from its first `size` ones: 3 + LEN + EDC; 4 while LEN has not come. Never more than
 * ISO7816_T1_BLOCK_MAX, also for the invalid LEN = FF. */
size_t iso7816_t1_expected(const uint8_t *block, size_t size, enum iso7816_edc kind);

#endif
