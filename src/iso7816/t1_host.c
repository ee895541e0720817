/* SPDX-License-Identifier: MIT */
/*
 * T=1, the reader's side: ISO/IEC 7816-3:2006, 11.6. Every call takes what came and says what to send; waiting for it
 * is the caller's.
 *
 * Why it ends: a row of failures is at most 3, then RESYNCH, at most 3 times; a success of it at most restart_max
 * times. Valid blocks that bring nothing are at most wtx_max (WTX) and idle_max (others) in a row; all others move the
 * command or the answer on, or end the exchange.
 */
#include "bytes.h"
#include "t1_block.h"

#define FAILURES_MAX 2u /* 11.6.3.2, rule 7.4: two more attempts */
#define RESYNCH_MAX  3u /* 11.6.3: then the card must be reset */

enum {
    IDLE,
    IFS,       /* S(IFS request) sent */
    SENDING,   /* an I-block sent: the first bytes of the command, or all */
    RECEIVING, /* a chain comes: R-block sent */
    RESYNCH,   /* S(RESYNCH request) sent */
    ABORTING,  /* S(ABORT request) sent */
    ABORTED,   /* S(ABORT response) sent: the card gives the right to send back, then RESYNCH; or it answers */
};

void iso7816_t1_host_init(struct iso7816_t1_host *h, const struct iso7816_t1_config *config, uint8_t ifsd_wanted)
{
    *h = (struct iso7816_t1_host){.wtx_max = 120, .idle_max = 32, .restart_max = 3, .config = *config};
    if (h->config.ifsc == 0 || h->config.ifsc == 255)
        h->config.ifsc = 32;
    if (h->config.ifsd == 0 || h->config.ifsd == 255)
        h->config.ifsd = 32;
    h->config.nad = nad_is_reserved(config->nad) ? 0 : config->nad & 0x77; /* bits 8 and 4 are no address (11.3.2.1) */
    h->ifsc = h->config.ifsc;
    h->ifsd = h->config.ifsd;
    h->ifs_wanted = ifsd_wanted == 255 ? 254 : ifsd_wanted;
}

static enum iso7816_t1_action send(struct iso7816_t1_host *h, uint8_t pcb, const uint8_t *inf, size_t size)
{
    h->tx_size = t1_block_build(h->tx, h->config.nad, pcb, inf, size, h->config.edc);
    return ISO7816_T1_SEND;
}

/* End in step with the card. */
static enum iso7816_t1_action end(struct iso7816_t1_host *h, enum iso7816_t1_error error)
{
    h->state = IDLE;
    h->error = error;
    return error == ISO7816_T1_NO_ERROR ? ISO7816_T1_DONE : ISO7816_T1_ERROR;
}

static enum iso7816_t1_action die(struct iso7816_t1_host *h, enum iso7816_t1_error error)
{
    h->dead = true;
    return end(h, error);
}

static void progress(struct iso7816_t1_host *h)
{
    h->failures = 0;
    h->wtx_row = 0;
    h->idle = 0;
}

static void acknowledged(struct iso7816_t1_host *h)
{
    if (h->unacknowledged)
        h->ns ^= 1;
    h->unacknowledged = false;
}

static enum iso7816_t1_action send_chunk(struct iso7816_t1_host *h)
{
    bool more = h->command_size - h->command_sent > h->chunk;

    h->state = SENDING;
    h->unacknowledged = true;
    return send(h, (uint8_t)((h->ns ? ISO7816_T1_I_NS : 0) | (more ? ISO7816_T1_I_MORE : 0)),
                h->command + h->command_sent, h->chunk);
}

/* A retransmission repeats the same bytes, so what a block takes is settled before its first transmission. */
static enum iso7816_t1_action send_next(struct iso7816_t1_host *h)
{
    size_t left = h->command_size - h->command_sent;

    h->chunk = left < h->ifsc ? left : h->ifsc;
    return send_chunk(h);
}

static enum iso7816_t1_action send_r(struct iso7816_t1_host *h, uint8_t error)
{
    return send(h, (uint8_t)(ISO7816_T1_R | (h->nr ? ISO7816_T1_R_NR : 0) | error), NULL, 0);
}

static enum iso7816_t1_action send_request(struct iso7816_t1_host *h)
{
    switch (h->state) {
    case IFS:
        return send(h, ISO7816_T1_S_IFS, &h->ifs_wanted, 1);
    case ABORTING:
        return send(h, ISO7816_T1_S_ABORT, NULL, 0);
    default:
        return send(h, ISO7816_T1_S_RESYNCH, NULL, 0);
    }
}

/*
 * After failures, and after every abort: rule 9 does not say whether the last block of an aborted chain counts. When
 * the sides disagree, the first block of the next chain has the wrong number, an R-block that asks for it again passes
 * for its acknowledgement (rule 2.2), and it is left out unseen. This leaves no doubt; restart() then ends the exchange.
 */
static enum iso7816_t1_action resynchronise(struct iso7816_t1_host *h)
{
    /* Rule 7.4.1: before the first valid block there is nothing to go back to; rule 6: three attempts at most. */
    if (!h->started || h->resynch_tries == RESYNCH_MAX)
        return die(h, h->why);
    h->resynch_tries++;
    h->resynchronisations++;
    h->state = RESYNCH;
    return send_request(h);
}

/* Another attempt is due: whether there may be one. */
static bool try_again(struct iso7816_t1_host *h)
{
    if (h->state == RESYNCH || h->failures == FAILURES_MAX)
        return false;
    h->failures++;
    h->retransmissions++;
    return true;
}

/* Rules 7.1 to 7.4: what came was nothing, invalid, or not what the state allows. */
static enum iso7816_t1_action failed(struct iso7816_t1_host *h, enum block_kind kind)
{
    static const enum iso7816_t1_error errors[] = {
        [BLOCK_NONE] = ISO7816_T1_NO_ANSWER, [BLOCK_BAD_EDC] = ISO7816_T1_EDC_ERROR};

    h->why = kind <= BLOCK_BAD_EDC ? errors[kind] : ISO7816_T1_BAD_BLOCK;
    if (!try_again(h))
        return resynchronise(h);
    if (h->state == IFS || h->state == ABORTING)
        return send_request(h);
    return send_r(h, kind == BLOCK_BAD_EDC ? ISO7816_T1_R_EDC : ISO7816_T1_R_OTHER);
}

/* S(RESYNCH response): both sides are where they were after the reset (rule 6), the exchange begins again. */
static enum iso7816_t1_action restart(struct iso7816_t1_host *h)
{
    h->ns = 0;
    h->nr = 0;
    /* A card that forgot what it announced has the IFSC of its ATR, one that did not takes less as well. */
    if (h->ifsc > h->config.ifsc)
        h->ifsc = h->config.ifsc;
    /* Likewise it may send as much as at first. */
    if (h->ifsd < h->config.ifsd)
        h->ifsd = h->config.ifsd;
    h->resynch_tries = 0;
    if (h->abort_error != ISO7816_T1_NO_ERROR)
        return end(h, h->abort_error);
    if (h->restarts++ == h->restart_max)
        return die(h, h->why);
    progress(h);
    h->command_sent = 0;
    h->reply_size = 0;
    return send_next(h);
}

static enum iso7816_t1_action begin_abort(struct iso7816_t1_host *h, enum iso7816_t1_error why)
{
    h->abort_wanted = false;
    h->abort_error = why;
    h->state = ABORTING;
    return send_request(h);
}

/* Keep what an I-block brings; false when there is no room for it. */
static bool keep(struct iso7816_t1_host *h, const struct block *block)
{
    if (block->size > h->room - h->reply_size)
        return false;
    if (block->size > 0) /* without room there may be no buffer */
        copy_bytes(h->reply + h->reply_size, block->inf, block->size);
    h->reply_size += block->size;
    return true;
}

/* An I-block with the expected number. */
static enum iso7816_t1_action take_answer(struct iso7816_t1_host *h, const struct block *block)
{
    acknowledged(h);
    h->nr ^= 1;
    h->state = RECEIVING;
    h->failures = 0;
    if (!keep(h, block))
        return block->more ? begin_abort(h, ISO7816_T1_NO_ROOM) : end(h, ISO7816_T1_NO_ROOM);
    if (block->size > 0)
        progress(h);
    if (!block->more)
        return end(h, ISO7816_T1_NO_ERROR);
    if (h->abort_wanted)
        return begin_abort(h, ISO7816_T1_ABORTED);
    return send_r(h, 0);
}

static enum iso7816_t1_action receive_i(struct iso7816_t1_host *h, const struct block *block)
{
    bool whole = h->state == SENDING && h->command_size - h->command_sent == h->chunk;

    if (block->number != h->nr || !(whole || h->state == RECEIVING || h->state == ABORTED))
        return failed(h, BLOCK_BAD);
    return take_answer(h, block);
}

static enum iso7816_t1_action receive_r(struct iso7816_t1_host *h, const struct block *block)
{
    bool more = h->state == SENDING && h->command_size - h->command_sent > h->chunk;

    if (h->state == ABORTED) /* the card gives the right to send back */
        return resynchronise(h);
    if (more && block->number != h->ns) { /* rule 2.2: acknowledged */
        progress(h);
        acknowledged(h);
        h->command_sent += h->chunk;
        return h->abort_wanted ? begin_abort(h, ISO7816_T1_ABORTED) : send_next(h);
    }
    h->why = ISO7816_T1_BAD_BLOCK;
    if (h->state == SENDING && block->number == h->ns) /* rule 7.1: the card wants this block again */
        return try_again(h) ? send_chunk(h) : resynchronise(h);
    if (h->state == RECEIVING) /* rule 7.2: our R-block did not arrive */
        return try_again(h) ? send_r(h, 0) : resynchronise(h);
    return failed(h, BLOCK_BAD);
}

static enum iso7816_t1_action receive_request(struct iso7816_t1_host *h, const struct block *block)
{
    /* Rule 7.3: nothing but its response answers an S(request) of ours. */
    if (h->state != SENDING && h->state != RECEIVING && h->state != ABORTED)
        return failed(h, BLOCK_BAD);
    h->failures = 0;
    switch (block->pcb) {
    case ISO7816_T1_S_WTX:
        if (h->wtx_row++ == h->wtx_max)
            return die(h, ISO7816_T1_TOO_MANY_WTX);
        h->waiting_time_extensions++;
        h->wtx = block->inf[0];
        break;
    case ISO7816_T1_S_IFS:
        h->ifsc = block->inf[0];
        break;
    case ISO7816_T1_S_ABORT: /* whichever chain runs is over */
        h->reply_size = 0;
        h->abort_error = ISO7816_T1_ABORTED;
        h->state = ABORTED;
        break;
    default: /* RESYNCH is the reader's to ask for (rule 6) */
        return failed(h, BLOCK_BAD);
    }
    return send(h, block->pcb | ISO7816_T1_S_RESPONSE, block->inf, block->size);
}

static enum iso7816_t1_action receive_response(struct iso7816_t1_host *h, const struct block *block)
{
    if (h->state == RESYNCH && block->pcb == (ISO7816_T1_S_RESYNCH | ISO7816_T1_S_RESPONSE))
        return restart(h);
    if (h->state == ABORTING && block->pcb == (ISO7816_T1_S_ABORT | ISO7816_T1_S_RESPONSE))
        return resynchronise(h);
    if (h->state == IFS && block->pcb == (ISO7816_T1_S_IFS | ISO7816_T1_S_RESPONSE) && block->inf[0] == h->ifs_wanted) {
        progress(h);
        h->ifsd = h->ifs_wanted;
        h->ifs_wanted = 0;
        return send_next(h);
    }
    return failed(h, BLOCK_BAD);
}

enum iso7816_t1_action iso7816_t1_host_start(struct iso7816_t1_host *h, const uint8_t *command, size_t size,
                                             uint8_t *reply, size_t room)
{
    h->command = size ? command : h->tx;
    h->command_size = size;
    h->command_sent = 0;
    h->reply = reply;
    h->room = room;
    h->reply_size = 0;
    h->wtx = 0;
    h->retransmissions = 0;
    h->waiting_time_extensions = 0;
    h->resynchronisations = 0;
    h->restarts = 0;
    h->resynch_tries = 0;
    h->abort_wanted = false;
    h->abort_error = ISO7816_T1_NO_ERROR;
    if (h->dead)
        return ISO7816_T1_ERROR;
    h->error = ISO7816_T1_NO_ERROR;
    progress(h);
    if (h->ifs_wanted == 0)
        return send_next(h);
    h->state = IFS;
    return send_request(h);
}

enum iso7816_t1_action iso7816_t1_host_receive(struct iso7816_t1_host *h, const uint8_t *block, size_t size,
                                               bool parity_ok)
{
    struct block b;

    if (h->state == IDLE)
        return end(h, h->error);
    h->wtx = 0;
    b = t1_block_parse(block, size, parity_ok, h->config.edc, h->ifsd);
    if (b.kind > BLOCK_BAD && b.nad != swapped_nad(h->config.nad))
        b.kind = BLOCK_BAD;
    if (b.kind <= BLOCK_BAD)
        return failed(h, b.kind);

    h->started = true;
    if (b.kind != BLOCK_S_REQUEST || b.pcb != ISO7816_T1_S_WTX) {
        if (h->idle++ == h->idle_max)
            return die(h, ISO7816_T1_TOO_MANY_BLOCKS);
    }
    switch (b.kind) {
    case BLOCK_I:
        return receive_i(h, &b);
    case BLOCK_R:
        return receive_r(h, &b);
    case BLOCK_S_REQUEST:
        return receive_request(h, &b);
    default:
        return receive_response(h, &b);
    }
}

void iso7816_t1_host_abort(struct iso7816_t1_host *h)
{
    if (h->state != IDLE)
        h->abort_wanted = true;
}
