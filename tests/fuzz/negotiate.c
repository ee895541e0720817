/* SPDX-License-Identifier: MIT */
/*
 * The way from an answer to reset to a protocol and a rate. Input: the wanted protocol, those of the reader (two bytes),
 * the aim (modulo 3; bit 7: insist; bit 6: the card has been spoken to), clock (two bytes, kHz), the fastest rate (two
 * bytes, in 100 bit/s), sixteen masks of rates as one byte for each even Fi (all Di below 8) and one for each odd Fi,
 * the implicit rate, the first proposal, the ATR behind its length. Then what the card does, as it is asked: to a
 * request 0 nothing, 1 what a card with this ATR answers, 2 the same bytes, 3 a wrong character, others bytes (length
 * and bytes); to a reset 0 nothing, 1 the same ATR, others another (length and bytes).
 *
 * It ends after three requests and four resets at most; every request is one that the card and the reader can keep to,
 * and each slower than the one before; what is agreed on was proposed, or is the default.
 */
#include "fuzz.h"
#include "src/iso7816/negotiate.h"

struct card {
    struct input in;
    struct iso7816_atr atr;
    uint8_t last; /* the pair of the last request that named one; 0: none */
};

/* An ATR whose structure is whole, as the caller hands it in. */
static bool take_atr(struct card *card, size_t size)
{
    struct exact bytes = take_exact(&card->in, size);
    struct iso7816_atr atr;
    enum iso7816_atr_result result = iso7816_atr_parse(bytes.bytes, bytes.size, &atr, NULL);
    bool whole = result == ISO7816_ATR_OK || result > ISO7816_ATR_BAD_TCK;

    if (whole)
        card->atr = atr;
    drop(&bytes);
    return whole;
}

static bool slower(uint8_t a, uint8_t b)
{
    return (uint32_t)iso7816_d(a & 15) * iso7816_f(b >> 4) < (uint32_t)iso7816_d(b & 15) * iso7816_f(a >> 4);
}

static void look_at_request(struct card *card, const struct iso7816_negotiate *n)
{
    const struct iso7816_negotiate_config *config = &n->config;
    struct iso7816_pps pps;
    uint32_t f, d;

    require(iso7816_pps_parse(n->tx, n->tx_size, &pps) == ISO7816_PPS_OK && pps.protocol == config->protocol);
    require(!pps.has_pps2 && !pps.has_pps3 && pps.pps1 == n->pair && pps.has_pps1 == (n->pair != ISO7816_DEFAULT_PAIR));
    require(!card->atr.specific && (card->atr.protocols >> pps.protocol & 1));
    if (!pps.has_pps1)
        return;
    f = iso7816_f(pps.pps1 >> 4);
    d = iso7816_d(pps.pps1 & 15);
    require(f != 0 && d != 0 && iso7816_pps_allows(&card->atr, pps.pps1) && config->aim != ISO7816_AIM_DEFAULT);
    require(card->last == 0 || slower(pps.pps1, card->last));
    /* What the caller proposes itself is its own affair. */
    if (pps.pps1 != n->first) {
        require(config->clock_khz <= card->atr.fmax_khz && (config->pairs[pps.pps1 >> 4] >> (pps.pps1 & 15) & 1));
        require(config->max_bps == 0 || (uint64_t)config->clock_khz * 1000 * d <= (uint64_t)config->max_bps * f);
    }
    card->last = pps.pps1;
}

static enum iso7816_negotiate_action answer_request(struct card *card, struct iso7816_negotiate *n)
{
    uint8_t what = take(&card->in), bytes[ISO7816_PPS_MAX];
    enum iso7816_negotiate_action action;
    struct iso7816_pps agreed;
    struct exact response;
    size_t size;

    switch (what) {
    case 0:
        return iso7816_negotiate_silence(n);
    case 1:
        size = iso7816_pps_answer(&card->atr, n->tx, n->tx_size, bytes, &agreed);
        return size ? iso7816_negotiate_response(n, bytes, size, true) : iso7816_negotiate_silence(n);
    case 2:
        memcpy(bytes, n->tx, n->tx_size);
        return iso7816_negotiate_response(n, bytes, n->tx_size, true);
    case 3:
        return iso7816_negotiate_response(n, n->tx, n->tx_size, false);
    default:
        response = take_exact(&card->in, take(&card->in) % 8u);
        action = iso7816_negotiate_response(n, response.bytes, response.size, true);
        drop(&response);
        return action;
    }
}

static enum iso7816_negotiate_action answer_reset(struct card *card, struct iso7816_negotiate *n, uint8_t first)
{
    uint8_t what = take(&card->in);

    if (what == 0 || (what > 1 && !take_atr(card, take(&card->in))))
        return iso7816_negotiate_silence(n);
    return iso7816_negotiate_atr(n, &card->atr, first);
}

static void ended(const struct card *card, const struct iso7816_negotiate *n, enum iso7816_negotiate_action action)
{
    require(iso7816_negotiate_text(n->reason)[0] != '\0');
    require((action == ISO7816_NEGOTIATE_READY) == (n->reason == ISO7816_NEGOTIATE_OK));
    if (action != ISO7816_NEGOTIATE_READY)
        return;
    require(n->protocol == n->config.protocol && (n->config.protocols >> n->protocol & 1));
    if (card->atr.specific)
        require(card->atr.specific_protocol == n->protocol);
    else
        require(n->pair == ISO7816_DEFAULT_PAIR || (n->requests > 0 && n->pair == card->last));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct card card = {.in = {data, size}};
    struct iso7816_negotiate_config config = {.protocol = take(&card.in)};
    enum iso7816_negotiate_action action;
    struct iso7816_negotiate n;
    uint8_t aim, masks[2], first;

    config.protocols = (uint16_t)take_number(&card.in, 65535);
    aim = take(&card.in);
    config.aim = (enum iso7816_aim)((aim & 0x3F) % 3);
    config.insist = aim & 0x80;
    config.clock_khz = (uint32_t)take_number(&card.in, 65535);
    config.max_bps = 100 * (uint32_t)take_number(&card.in, 65535);
    masks[0] = take(&card.in);
    masks[1] = take(&card.in);
    for (size_t i = 0; i < 16; i++)
        config.pairs[i] = (uint16_t)(masks[i & 1] << 1 | (masks[i & 1] & 0x80 ? 0x300 : 0));
    config.implicit_pair = take(&card.in);
    first = take(&card.in);
    if (!take_atr(&card, take(&card.in)))
        return 0;

    action = iso7816_negotiate_start(&n, &config, &card.atr, first, !(aim & 0x40));
    while (action == ISO7816_NEGOTIATE_SEND || action == ISO7816_NEGOTIATE_RESET) {
        require(n.requests <= ISO7816_NEGOTIATE_REQUESTS && n.resets <= 4);
        if (action == ISO7816_NEGOTIATE_SEND) {
            look_at_request(&card, &n);
            action = answer_request(&card, &n);
        } else {
            action = answer_reset(&card, &n, first);
        }
    }
    ended(&card, &n, action);
    require(iso7816_negotiate_silence(&n) == ISO7816_NEGOTIATE_FAIL && n.reason == ISO7816_NEGOTIATE_MISUSED);
    return 0;
}
