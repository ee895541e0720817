/* SPDX-License-Identifier: MIT */
/*
 * T=1, the card's side: ISO/IEC 7816-3:2006, 11.6. It speaks only when spoken to, one block for each that comes, so it
 * has nothing to bound but its own stubbornness (rule 7.4.3). Running commands and waiting times are the owner's.
 */
#include "bytes.h"
#include "t1_block.h"

#define FAILURES_MAX     2u /* rule 7.4.3: two attempts, then silence until something valid comes */
#define IFS_FAILURES_MAX 1u /* rule 8: S(IFS request) goes once more at most */

enum {
    IDLE,      /* no I-block of ours awaits an acknowledgement; a chain may be coming */
    RECEIVING, /* a chain is coming */
    RUNNING,   /* a command runs */
    SENDING,   /* an I-block of ours is out: the first bytes of the response, or all */
};

static const uint8_t wrong_length[] = {0x67, 0x00};

void iso7816_t1_card_init(struct iso7816_t1_card *c, const struct iso7816_t1_config *config, uint8_t *in,
                          size_t in_room)
{
    *c = (struct iso7816_t1_card){.in = in, .in_room = in_room, .config = *config};
    if (c->config.ifsc == 0 || c->config.ifsc == 255)
        c->config.ifsc = 32;
    if (c->config.ifsd == 0 || c->config.ifsd == 255)
        c->config.ifsd = 32;
    c->config.nad = nad_is_reserved(config->nad) ? 0 : config->nad & 0x77;
    c->ifsd = c->config.ifsd;
    c->ifsc = c->config.ifsc;
}

static enum iso7816_t1_action send(struct iso7816_t1_card *c, uint8_t pcb, const uint8_t *inf, size_t size)
{
    c->tx_size = t1_block_build(c->tx, c->config.nad, pcb, inf, size, c->config.edc);
    return ISO7816_T1_SEND;
}

static enum iso7816_t1_action send_r(struct iso7816_t1_card *c, uint8_t error)
{
    return send(c, (uint8_t)(ISO7816_T1_R | (c->nr ? ISO7816_T1_R_NR : 0) | error), NULL, 0);
}

static enum iso7816_t1_action send_asked(struct iso7816_t1_card *c)
{
    return send(c, c->asked, &c->asked_value, c->asked == ISO7816_T1_S_ABORT ? 0 : 1);
}

static bool more_to_send(const struct iso7816_t1_card *c)
{
    return c->out_size - c->out_at > c->chunk;
}

static enum iso7816_t1_action send_chunk(struct iso7816_t1_card *c)
{
    c->state = SENDING;
    return send(c, (uint8_t)((c->ns ? ISO7816_T1_I_NS : 0) | (more_to_send(c) ? ISO7816_T1_I_MORE : 0)),
                c->out + c->out_at, c->chunk);
}

static enum iso7816_t1_action send_next(struct iso7816_t1_card *c)
{
    size_t left = c->out_size - c->out_at;

    c->chunk = left < c->ifsd ? left : c->ifsd;
    return send_chunk(c);
}

static enum iso7816_t1_action send_response(struct iso7816_t1_card *c, const uint8_t *response, size_t size)
{
    c->out = size ? response : c->tx;
    c->out_size = size;
    c->out_at = 0;
    return send_next(c);
}

/* What came was invalid, or not what the state allows. */
static enum iso7816_t1_action failed(struct iso7816_t1_card *c, enum block_kind kind)
{
    const uint8_t most = c->asked == ISO7816_T1_S_IFS ? IFS_FAILURES_MAX : FAILURES_MAX;

    if (c->failures >= most || (c->state == RUNNING && !c->asked))
        return ISO7816_T1_RECEIVE;
    c->failures++;
    if (c->asked) /* rule 7.3 */
        return send_asked(c);
    return send_r(c, kind == BLOCK_BAD_EDC ? ISO7816_T1_R_EDC : ISO7816_T1_R_OTHER);
}

/* Keep what an I-block brings, or that there is no room for it. */
static void keep(struct iso7816_t1_card *c, const struct block *block)
{
    if (c->too_long || block->size > c->in_room - c->in_size) {
        c->too_long = true;
        return;
    }
    if (block->size > 0) /* without room there may be no buffer */
        copy_bytes(c->in + c->in_size, block->inf, block->size);
    c->in_size += block->size;
}

/* An I-block with the expected number. */
static enum iso7816_t1_action take_block(struct iso7816_t1_card *c, const struct block *block)
{
    c->failures = 0;
    c->nr ^= 1;
    if (c->state == SENDING)
        c->ns ^= 1; /* it acknowledges our last block (rule 2.1) */
    if (c->state != RECEIVING) {
        c->in_size = 0;
        c->too_long = false;
    }
    keep(c, block);
    c->state = RECEIVING;
    if (block->more)
        return send_r(c, 0);
    if (c->too_long)
        return send_response(c, wrong_length, sizeof wrong_length);
    c->state = RUNNING;
    c->answered = false;
    return ISO7816_T1_COMMAND;
}

static enum iso7816_t1_action receive_i(struct iso7816_t1_card *c, const struct block *block)
{
    if (c->state == SENDING && more_to_send(c))
        return failed(c, BLOCK_BAD);
    if (block->number != c->nr) /* one that we have: its acknowledgement was lost */
        return c->state == RECEIVING ? send_r(c, 0) : failed(c, BLOCK_BAD);
    return take_block(c, block);
}

/* Whether the last block that went out is an S(response). */
static bool response_is_out(const struct iso7816_t1_card *c)
{
    const uint8_t mask = 0xC0 | ISO7816_T1_S_RESPONSE;

    return c->tx_size > 0 && (c->tx[1] & mask) == mask;
}

/*
 * After an S(response) the reader may say that it came wrong in two ways: it repeats its S(request), as rule 7.3 asks,
 * or it sends an R-block, as Microsoft's library does, which asks for the last block whatever that was. While a
 * response is under way an R-block without an error asks for an I-block: our S(response) has arrived.
 */
static bool asks_for_response(const struct iso7816_t1_card *c, const struct block *block)
{
    const uint8_t error = ISO7816_T1_R_EDC | ISO7816_T1_R_OTHER;

    return response_is_out(c) && (c->state != SENDING || (block->pcb & error) != 0);
}

static enum iso7816_t1_action receive_r(struct iso7816_t1_card *c, const struct block *block)
{
    c->failures = 0;
    if (asks_for_response(c, block))
        return ISO7816_T1_SEND; /* it is still in tx */
    if (c->state != SENDING)    /* rule 7.2: our R-block did not arrive */
        return send_r(c, 0);
    if (block->number == c->ns) /* rule 7.1: it did not arrive, or not whole */
        return send_chunk(c);
    if (!more_to_send(c))
        return send_r(c, 0); /* the reader asks for what follows, but the turn is its own */
    c->ns ^= 1;
    c->out_at += c->chunk;
    return send_next(c);
}

/* Rule 6: back to where the reset left us; a command that runs concerns nobody any more. */
static void forget_all(struct iso7816_t1_card *c)
{
    c->state = IDLE;
    c->ns = 0;
    c->nr = 0;
    c->asked = 0;
    c->ifsd = c->config.ifsd;
    /* A reader that forgot what we announced uses the IFSC of the ATR; one that did not may be met as well. */
    if (c->ifsc < c->config.ifsc)
        c->ifsc = c->config.ifsc;
    c->in_size = 0;
}

/* The chain is over (rule 9). When the reader says so it has taken our last block; when we do, we never sent it. */
static void drop_chain(struct iso7816_t1_card *c, bool taken)
{
    if (c->state == SENDING && taken)
        c->ns ^= 1;
    c->in_size = 0;
    c->state = IDLE;
}

static enum iso7816_t1_action receive_request(struct iso7816_t1_card *c, const struct block *block)
{
    switch (block->pcb) {
    case ISO7816_T1_S_RESYNCH:
        forget_all(c);
        break;
    case ISO7816_T1_S_IFS:
        c->ifsd = block->inf[0];
        break;
    case ISO7816_T1_S_ABORT:
        drop_chain(c, true);
        break;
    default: /* WTX is ours to ask for */
        return failed(c, BLOCK_BAD);
    }
    c->failures = 0;
    return send(c, block->pcb | ISO7816_T1_S_RESPONSE, block->inf, block->size);
}

static enum iso7816_t1_action receive_response(struct iso7816_t1_card *c, const struct block *block)
{
    const uint8_t asked = c->asked;

    if (asked == 0 || block->pcb != (asked | ISO7816_T1_S_RESPONSE) ||
        (block->size == 1 && block->inf[0] != c->asked_value))
        return failed(c, BLOCK_BAD);
    c->asked = 0;
    c->failures = 0;
    if (asked == ISO7816_T1_S_IFS)
        c->ifsc = c->asked_value;
    if (asked == ISO7816_T1_S_ABORT)
        drop_chain(c, false);
    if (c->state == RUNNING)
        return c->answered ? send_response(c, c->out, c->out_size) : ISO7816_T1_RECEIVE;
    return c->state == SENDING ? send_chunk(c) : send_r(c, 0);
}

enum iso7816_t1_action iso7816_t1_card_receive(struct iso7816_t1_card *c, const uint8_t *block, size_t size,
                                               bool parity_ok)
{
    struct block b = t1_block_parse(block, size, parity_ok, c->config.edc, c->ifsc);

    if (b.kind == BLOCK_NONE)
        return ISO7816_T1_RECEIVE;
    if (b.kind > BLOCK_BAD && nad_is_reserved(b.nad))
        b.kind = BLOCK_BAD;
    if (b.kind <= BLOCK_BAD)
        return failed(c, b.kind);
    c->config.nad = swapped_nad(b.nad);
    if ((c->asked ? b.kind != BLOCK_S_RESPONSE : c->state == RUNNING) &&
        !(b.kind == BLOCK_S_REQUEST && b.pcb == ISO7816_T1_S_RESYNCH))
        return failed(c, BLOCK_BAD);
    switch (b.kind) {
    case BLOCK_I:
        return receive_i(c, &b);
    case BLOCK_R:
        return receive_r(c, &b);
    case BLOCK_S_REQUEST:
        return receive_request(c, &b);
    default:
        return receive_response(c, &b);
    }
}

enum iso7816_t1_action iso7816_t1_card_answer(struct iso7816_t1_card *c, const uint8_t *response, size_t size)
{
    if (c->state != RUNNING)
        return ISO7816_T1_RECEIVE;
    if (!c->asked)
        return send_response(c, response, size);
    c->out = response;
    c->out_size = size;
    c->answered = true;
    return ISO7816_T1_RECEIVE;
}

static enum iso7816_t1_action ask(struct iso7816_t1_card *c, uint8_t pcb, uint8_t value)
{
    c->asked = pcb;
    c->asked_value = value;
    c->failures = 0;
    return send_asked(c);
}

enum iso7816_t1_action iso7816_t1_card_wtx(struct iso7816_t1_card *c, uint8_t multiplier)
{
    if (c->state != RUNNING || c->asked)
        return ISO7816_T1_RECEIVE;
    return ask(c, ISO7816_T1_S_WTX, multiplier);
}

/* Whether an S(request) may go now: none is out, and it would not take the place of an S(response) (rule 7.3). */
static bool may_ask(const struct iso7816_t1_card *c)
{
    return !c->asked && (c->state == RUNNING || (c->tx_size > 0 && (c->tx[1] & 0xC0) != 0xC0));
}

enum iso7816_t1_action iso7816_t1_card_ifs(struct iso7816_t1_card *c, uint8_t ifsc)
{
    if (!may_ask(c) || ifsc == 0x00 || ifsc == 0xFF)
        return ISO7816_T1_RECEIVE;
    return ask(c, ISO7816_T1_S_IFS, ifsc);
}

enum iso7816_t1_action iso7816_t1_card_abort(struct iso7816_t1_card *c)
{
    /* In a chain of ours an I-block must be what is replaced: only then both sides agree that it was not taken. */
    if (!may_ask(c) || !(c->state == RECEIVING || (c->state == SENDING && more_to_send(c) && (c->tx[1] & 0x80) == 0)))
        return ISO7816_T1_RECEIVE;
    return ask(c, ISO7816_T1_S_ABORT, 0);
}
