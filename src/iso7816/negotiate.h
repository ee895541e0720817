/* SPDX-License-Identifier: MIT */
/*
 * From an answer to reset to a protocol and a rate: ISO/IEC 7816-3:2006, 6.3.1, 8.3 and clause 9; the interface
 * device's side. A state machine without input or output: each call says what to do next. The caller sends the bytes,
 * keeps the time, resets the card, undoes the inverse convention (an ATR and a PPS response are handed in decoded, a
 * request is handed out decoded), and changes its own rate when the end has come. PPS itself is in pps.h.
 *
 * In negotiable mode the fastest pair that the reader and the card can do is proposed. When the card refuses it, answers
 * wrongly or stays mute, it is reset, and the next slower rate is proposed, at last the default one: three requests in
 * all, and the default rate twice at most. A card that comes up with its first protocol at the default rate needs no
 * request for just that. In specific mode there is nothing to agree on: the card's protocol and rate fit, or it is asked
 * to change its mode by one warm reset, if it can (TA2 b8 = 0). So everything ends after at most three requests and
 * four resets.
 *
 * Pure functions; no allocation, no globals; one object serves one thread at a time.
 */
#ifndef ISO7816_NEGOTIATE_H
#define ISO7816_NEGOTIATE_H

#include "atr.h"
#include "pps.h"

#define ISO7816_NEGOTIATE_REQUESTS 3u    /* of one negotiation, the last one always for the default rate */
#define ISO7816_NEGOTIATE_WAIT_ETU 9600u /* clause 9: how long to wait for each character of the response */
#define ISO7816_DEFAULT_PAIR       0x11u /* Fd, Dd, coded as in TA1 and PPS1 */

enum iso7816_aim {
    ISO7816_AIM_BEST,    /* the proposal that was given, or the best one; then slower ones; then the default rate */
    ISO7816_AIM_DEFAULT, /* the default rate only */
    ISO7816_AIM_OWN,     /* the caller's own proposal, whatever `pairs` and `max_bps` say; then the default rate */
};

/* What is wanted, and what the reader can do. Pairs are coded as in TA1: Fi in the high nibble, Di in the low one. */
struct iso7816_negotiate_config {
    uint8_t protocol;   /* the wanted one, 0 to 14 */
    uint16_t protocols; /* those of the reader: bit T */
    enum iso7816_aim aim;
    bool insist;        /* A response without PPS1 is an agreement on the default rate (9.3). true: all the same reset
                              such a card and propose a slower rate to it, where there is one. */
    uint32_t clock_khz; /* what the card is clocked with; no rate but the default one above the card's fmax */
    uint32_t max_bps;   /* no faster rate than this; 0: no limit */
    uint16_t pairs[16]; /* pairs[Fi] has bit Di for each pair that the reader can do; the default pair goes always */
    uint8_t implicit_pair; /* the rate where TA2 b5 says that TA1 does not hold; 0 counts as the default pair */
};

enum iso7816_negotiate_action {
    ISO7816_NEGOTIATE_SEND,  /* send tx, wait for the response: hand in response or silence */
    ISO7816_NEGOTIATE_RESET, /* make a warm reset: hand in atr or silence */
    ISO7816_NEGOTIATE_READY, /* `protocol` is in force, at the rate of `pair` */
    ISO7816_NEGOTIATE_FAIL,  /* see `reason`; the card's state is unknown, but after a failure of specific mode */
};

enum iso7816_negotiate_reason {
    ISO7816_NEGOTIATE_OK,
    ISO7816_NEGOTIATE_READER_PROTOCOL,   /* the reader has not the wanted protocol */
    ISO7816_NEGOTIATE_CARD_PROTOCOL,     /* the card does not offer it */
    ISO7816_NEGOTIATE_SPECIFIC_PROTOCOL, /* specific mode with another protocol, and the card stays with it */
    ISO7816_NEGOTIATE_SPECIFIC_RATE,     /* specific mode at a rate that the reader cannot do, and the card stays so */
    ISO7816_NEGOTIATE_PPS_FAILED,        /* the last request failed as well: see `trouble` */
    ISO7816_NEGOTIATE_NO_ATR,            /* no valid answer to a warm reset */
    ISO7816_NEGOTIATE_ATR_CHANGED,       /* the answers to reset changed unasked a second time */
    ISO7816_NEGOTIATE_MISUSED,           /* the caller handed in what had not been asked for */
    ISO7816_NEGOTIATE_REASONS,           /* how many there are */
};

/* What became of a PPS request that did not do. */
enum iso7816_negotiate_trouble {
    ISO7816_TROUBLE_NONE,
    ISO7816_TROUBLE_MUTE,
    ISO7816_TROUBLE_GARBLED, /* a character of the response came with a parity error */
    ISO7816_TROUBLE_WRONG,   /* a response that 9.3 does not allow */
    ISO7816_TROUBLE_REFUSED, /* a response without PPS1, to a caller that insists */
};

struct iso7816_negotiate {
    /* For the caller to read. */
    uint8_t tx[ISO7816_PPS_MAX];
    size_t tx_size;
    uint8_t protocol; /* the wanted one */
    uint8_t pair;     /* READY: in force; SEND: proposed */
    enum iso7816_negotiate_reason reason;
    enum iso7816_negotiate_trouble trouble; /* of the last request that failed, and the pair that it proposed */
    uint8_t trouble_pair;
    uint8_t requests, resets; /* how many went out */

    /* The machine's own. */
    struct iso7816_negotiate_config config;
    struct iso7816_atr atr;
    struct iso7816_pps request;
    uint8_t state;
    uint8_t first;         /* the proposal to begin with, 0 for none */
    uint8_t ceiling;       /* the last rate that failed: only slower ones may follow; 0 for none */
    uint8_t default_tries; /* requests for the default rate */
    bool asked, expected;  /* a warm reset was meant to change the mode; the next ATR comes from it */
    bool surprised;        /* an ATR changed unasked */
};

/*
 * Begin with a card that has answered to reset.
 *
 * atr    as iso7816_atr_parse filled it, structure whole
 * first  AIM_BEST: the pair to propose first, 0 to choose the fastest one that `pairs`, `max_bps`, fmax and TA1 allow.
 *        AIM_OWN: the caller's proposal. A pair that the card does not allow (9.2), a reserved one, and with AIM_BEST one
 *        that is not faster than the default rate, are not proposed: the default rate takes their place.
 * fresh  nothing has been sent since that answer; else a warm reset comes first, because a PPS exchange is only possible
 *        right after it (clause 9), unless the card is in a specific mode that does not do and cannot change
 */
enum iso7816_negotiate_action iso7816_negotiate_start(struct iso7816_negotiate *negotiate,
                                                      const struct iso7816_negotiate_config *config,
                                                      const struct iso7816_atr *atr, uint8_t first, bool fresh);
/* The response has come, all of it (iso7816_pps_expected says when); parity_ok false: a character of it is wrong. */
enum iso7816_negotiate_action iso7816_negotiate_response(struct iso7816_negotiate *negotiate, const uint8_t *bytes,
                                                         size_t size, bool parity_ok);
/* The answer to the warm reset, and the pair to propose first if it is not too fast by now, as above. */
enum iso7816_negotiate_action iso7816_negotiate_atr(struct iso7816_negotiate *negotiate, const struct iso7816_atr *atr,
                                                    uint8_t first);
/* The waiting time has passed: no response, or no valid answer to the warm reset. */
enum iso7816_negotiate_action iso7816_negotiate_silence(struct iso7816_negotiate *negotiate);

/* A few words for a reason; never NULL. */
const char *iso7816_negotiate_text(enum iso7816_negotiate_reason reason);

#endif
