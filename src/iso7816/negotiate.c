/* SPDX-License-Identifier: MIT */
/*
 * The interface device's way to a protocol and a rate: see negotiate.h. Rates are compared as D / F, crosswise, so that
 * two pairs that mean the same rate count as one.
 */
#include "negotiate.h"

enum { STATE_OVER, STATE_RESPONSE, STATE_ATR };

#define FI(pair)      ((uint8_t)((pair) >> 4))
#define DI(pair)      ((uint8_t)((pair)&0x0F))
#define PAIR(fi, di)  ((uint8_t)((fi) << 4 | (di)))
#define DEFAULT_TRIES 2u
#define ANY_FI        16u

static const char *const texts[ISO7816_NEGOTIATE_REASONS] = {
    [ISO7816_NEGOTIATE_OK] = "protocol and rate are agreed on",
    [ISO7816_NEGOTIATE_READER_PROTOCOL] = "the reader has not the wanted protocol",
    [ISO7816_NEGOTIATE_CARD_PROTOCOL] = "the card does not offer the wanted protocol",
    [ISO7816_NEGOTIATE_SPECIFIC_PROTOCOL] = "the card is in specific mode with another protocol",
    [ISO7816_NEGOTIATE_SPECIFIC_RATE] = "the card is in specific mode at a rate that the reader cannot do",
    [ISO7816_NEGOTIATE_PPS_FAILED] = "no PPS exchange succeeded",
    [ISO7816_NEGOTIATE_NO_ATR] = "no valid answer to the warm reset came",
    [ISO7816_NEGOTIATE_ATR_CHANGED] = "the card's answer to reset changed twice",
    [ISO7816_NEGOTIATE_MISUSED] = "something came that was not asked for",
};

const char *iso7816_negotiate_text(enum iso7816_negotiate_reason reason)
{
    return (unsigned)reason < ISO7816_NEGOTIATE_REASONS ? texts[reason] : "unknown reason";
}

/* ---- rates ------------------------------------------------------------------------------------------------------- */

/* Whether pair a means a faster rate than pair b; neither is reserved. At most 64 * 2048 on a side. */
static bool faster(uint8_t a, uint8_t b)
{
    return (uint32_t)iso7816_d(DI(a)) * iso7816_f(FI(b)) > (uint32_t)iso7816_d(DI(b)) * iso7816_f(FI(a));
}

/* Fi = 0 is the same F = 372. */
static bool is_default(uint8_t pair)
{
    return iso7816_f(FI(pair)) == 372 && iso7816_d(DI(pair)) == 1;
}

static uint8_t own_pair(const struct iso7816_atr *atr)
{
    return PAIR(atr->fi & 0x0F, atr->di & 0x0F);
}

/* Whether the reader can do the pair with this card: its clock, its pairs, its fastest rate. */
static bool reader_can(const struct iso7816_negotiate *n, uint8_t pair)
{
    const struct iso7816_negotiate_config *config = &n->config;
    uint32_t f = iso7816_f(FI(pair)), d = iso7816_d(DI(pair));

    if (f == 0 || d == 0 || config->clock_khz > n->atr.fmax_khz || !(config->pairs[FI(pair)] >> DI(pair) & 1))
        return false;
    return config->max_bps == 0 || (uint64_t)config->clock_khz * 1000 * d <= (uint64_t)config->max_bps * f;
}

/* What may be proposed: TA1's rate is the card's fastest, though 9.2 allows F and D each for itself. */
static bool candidate(const struct iso7816_negotiate *n, uint8_t pair)
{
    return reader_can(n, pair) && iso7816_pps_allows(&n->atr, pair) && !faster(pair, own_pair(&n->atr)) &&
           faster(pair, ISO7816_DEFAULT_PAIR) && (n->ceiling == 0 || faster(n->ceiling, pair));
}

/* Of equal rates the one with the card's own Fi is taken, and Fi = 0, which has F twice, last. */
static bool better(const struct iso7816_negotiate *n, uint8_t a, uint8_t b)
{
    if (b == 0 || faster(a, b))
        return true;
    return !faster(b, a) && FI(b) != n->atr.fi && (FI(a) == n->atr.fi || FI(b) == 0);
}

/* The fastest candidate, of this Fi or of any; 0 for none. */
static uint8_t fastest(const struct iso7816_negotiate *n, unsigned fi)
{
    uint8_t best = 0;

    //@ loop variant 256 - pair;
    for (unsigned pair = 0; pair < 256; pair++) {
        if ((fi == ANY_FI || fi == pair >> 4) && candidate(n, (uint8_t)pair) && better(n, (uint8_t)pair, best))
            best = (uint8_t)pair;
    }
    return best;
}

/* The next rate above the default one to propose; 0 for none. After a failure F stays, if it can, and D goes down:
 * less is new to the card so. */
static uint8_t next_pair(const struct iso7816_negotiate *n)
{
    uint8_t pair;

    if (n->config.aim == ISO7816_AIM_DEFAULT || n->requests + 1u >= ISO7816_NEGOTIATE_REQUESTS)
        return 0;
    if (n->config.aim == ISO7816_AIM_OWN || (n->first != 0 && n->ceiling == 0)) {
        bool proposed = n->ceiling == 0 && n->first != ISO7816_DEFAULT_PAIR && iso7816_pps_allows(&n->atr, n->first);

        if (!proposed)
            return 0;
        return n->config.aim == ISO7816_AIM_OWN || faster(n->first, ISO7816_DEFAULT_PAIR) ? n->first : 0;
    }
    pair = n->ceiling != 0 ? fastest(n, FI(n->ceiling)) : 0;
    return pair != 0 ? pair : fastest(n, ANY_FI);
}

/* ---- what to do next --------------------------------------------------------------------------------------------- */

static enum iso7816_negotiate_action fail(struct iso7816_negotiate *n, enum iso7816_negotiate_reason reason)
{
    n->state = STATE_OVER;
    n->reason = reason;
    return ISO7816_NEGOTIATE_FAIL;
}

static enum iso7816_negotiate_action ready(struct iso7816_negotiate *n, uint8_t pair)
{
    n->state = STATE_OVER;
    n->reason = ISO7816_NEGOTIATE_OK;
    n->pair = pair;
    return ISO7816_NEGOTIATE_READY;
}

static enum iso7816_negotiate_action reset(struct iso7816_negotiate *n)
{
    n->state = STATE_ATR;
    n->resets++;
    return ISO7816_NEGOTIATE_RESET;
}

static enum iso7816_negotiate_action propose(struct iso7816_negotiate *n, uint8_t pair)
{
    n->request = (struct iso7816_pps){.protocol = n->protocol, .pps1 = pair};
    n->request.has_pps1 = pair != ISO7816_DEFAULT_PAIR;
    n->tx_size = iso7816_pps_build(&n->request, n->tx);
    n->pair = pair;
    n->requests++;
    n->default_tries = (uint8_t)(n->default_tries + !n->request.has_pps1);
    n->state = STATE_RESPONSE;
    return ISO7816_NEGOTIATE_SEND;
}

/* 6.3.1 and 8.3: the protocol of TA2, and the rate of TA1 or an implicit one, are in force. Do they do? */
static enum iso7816_negotiate_reason specific_misfit(const struct iso7816_negotiate *n)
{
    const struct iso7816_atr *atr = &n->atr;

    if (atr->specific_protocol != n->protocol)
        return ISO7816_NEGOTIATE_SPECIFIC_PROTOCOL;
    if (!atr->specific_implicit && !is_default(own_pair(atr)) && !reader_can(n, own_pair(atr)))
        return ISO7816_NEGOTIATE_SPECIFIC_RATE;
    return ISO7816_NEGOTIATE_OK;
}

/* Take them, or ask once for another mode. */
static enum iso7816_negotiate_action specific_mode(struct iso7816_negotiate *n)
{
    enum iso7816_negotiate_reason reason = specific_misfit(n);

    if (reason == ISO7816_NEGOTIATE_OK)
        return ready(n, n->atr.specific_implicit ? n->config.implicit_pair : own_pair(&n->atr));
    if (!n->atr.specific_can_change || n->asked)
        return fail(n, reason);
    n->asked = true;
    n->expected = true;
    return reset(n);
}

/* The card has just answered to reset. */
static enum iso7816_negotiate_action evaluate(struct iso7816_negotiate *n)
{
    uint8_t pair;

    if (n->atr.specific)
        return specific_mode(n);
    if (!(n->atr.protocols >> (n->protocol & 0x0F) & 1))
        return fail(n, ISO7816_NEGOTIATE_CARD_PROTOCOL);
    pair = next_pair(n);
    if (pair != 0)
        return propose(n, pair);
    if (n->atr.first_protocol == n->protocol)
        return ready(n, ISO7816_DEFAULT_PAIR); /* 6.3.1: so it comes up without a PPS exchange */
    return propose(n, ISO7816_DEFAULT_PAIR);
}

/* A request came to nothing. A card that failed a PPS exchange must be reset (clause 9). */
static enum iso7816_negotiate_action fall_back(struct iso7816_negotiate *n, enum iso7816_negotiate_trouble trouble)
{
    n->trouble = trouble;
    n->trouble_pair = n->pair;
    if (n->request.has_pps1)
        n->ceiling = n->pair;
    else if (n->default_tries >= DEFAULT_TRIES || n->requests >= ISO7816_NEGOTIATE_REQUESTS)
        return fail(n, ISO7816_NEGOTIATE_PPS_FAILED);
    return reset(n);
}

/* ---- the four entries -------------------------------------------------------------------------------------------- */

enum iso7816_negotiate_action iso7816_negotiate_start(struct iso7816_negotiate *n,
                                                      const struct iso7816_negotiate_config *config,
                                                      const struct iso7816_atr *atr, uint8_t first, bool fresh)
{
    *n = (struct iso7816_negotiate){.protocol = config->protocol, .pair = ISO7816_DEFAULT_PAIR};
    n->config = *config;
    if (n->config.implicit_pair == 0)
        n->config.implicit_pair = ISO7816_DEFAULT_PAIR;
    n->atr = *atr;
    n->first = first;
    if (n->protocol > 14 || !(config->protocols >> n->protocol & 1))
        return fail(n, ISO7816_NEGOTIATE_READER_PROTOCOL);
    if (!fresh && (!n->atr.specific || specific_misfit(n) == ISO7816_NEGOTIATE_OK))
        return reset(n);
    return evaluate(n);
}

enum iso7816_negotiate_action iso7816_negotiate_response(struct iso7816_negotiate *n, const uint8_t *bytes, size_t size,
                                                         bool parity_ok)
{
    struct iso7816_pps agreed;

    if (n->state != STATE_RESPONSE)
        return fail(n, ISO7816_NEGOTIATE_MISUSED);
    if (!parity_ok)
        return fall_back(n, ISO7816_TROUBLE_GARBLED);
    if (iso7816_pps_check(&n->request, bytes, size, &agreed) != ISO7816_PPS_OK)
        return fall_back(n, ISO7816_TROUBLE_WRONG);
    if (n->request.has_pps1 && !agreed.has_pps1 && n->config.insist) {
        n->ceiling = n->pair;
        if (next_pair(n) != 0)
            return fall_back(n, ISO7816_TROUBLE_REFUSED);
    }
    return ready(n, agreed.pps1);
}

/* What matters here of two answers to reset. */
static bool alike(const struct iso7816_atr *a, const struct iso7816_atr *b)
{
    return a->protocols == b->protocols && a->first_protocol == b->first_protocol && a->specific == b->specific &&
           a->specific_implicit == b->specific_implicit && a->specific_can_change == b->specific_can_change &&
           a->specific_protocol == b->specific_protocol && a->fi == b->fi && a->di == b->di;
}

enum iso7816_negotiate_action iso7816_negotiate_atr(struct iso7816_negotiate *n, const struct iso7816_atr *atr,
                                                    uint8_t first)
{
    bool surprise;

    if (n->state != STATE_ATR)
        return fail(n, ISO7816_NEGOTIATE_MISUSED);
    surprise = !n->expected && !alike(&n->atr, atr);
    if (surprise && n->surprised)
        return fail(n, ISO7816_NEGOTIATE_ATR_CHANGED);
    n->surprised = n->surprised || surprise;
    n->expected = false;
    n->atr = *atr;
    n->first = first;
    return evaluate(n);
}

enum iso7816_negotiate_action iso7816_negotiate_silence(struct iso7816_negotiate *n)
{
    if (n->state == STATE_RESPONSE)
        return fall_back(n, ISO7816_TROUBLE_MUTE);
    return fail(n, n->state == STATE_ATR ? ISO7816_NEGOTIATE_NO_ATR : ISO7816_NEGOTIATE_MISUSED);
}
