/* SPDX-License-Identifier: MIT */
/* The answer to reset: ISO/IEC 7816-3:2006, clause 8. Pure functions; no allocation, any thread. */
#ifndef ISO7816_ATR_H
#define ISO7816_ATR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ISO7816_ATR_MAX    33 /* TS and at most 32 characters (8.2.1) */
#define ISO7816_ATR_LEVELS 31 /* T0 and 31 levels of one character each fill the 32 characters (8.2.1) */

enum iso7816_convention { ISO7816_DIRECT, ISO7816_INVERSE };

/* The violations. Those up to BAD_TCK are of the structure; those after it are of the meaning, are looked for only in
 * an ATR whose structure is whole, and leave *atr complete, so that a caller with milder rules can go on with it. */
enum iso7816_atr_result {
    ISO7816_ATR_OK,
    ISO7816_ATR_EMPTY,
    ISO7816_ATR_BAD_TS,    /* neither 3B nor 3F */
    ISO7816_ATR_TOO_SHORT, /* ends before the last character that T0 and the TDi announce */
    ISO7816_ATR_TOO_LONG,  /* more than 32 characters after TS, or characters after the end */
    ISO7816_ATR_NO_TCK,    /* a protocol other than T=0 is offered, and TCK is missing */
    ISO7816_ATR_EXTRA_TCK, /* one byte too many where only T=0 is offered */
    ISO7816_ATR_BAD_TCK,
    ISO7816_ATR_BAD_FI, /* TA1 or TA2 with a reserved Fi */
    ISO7816_ATR_BAD_DI,
    ISO7816_ATR_BAD_PROTOCOL_ORDER, /* T=15 first, or offers not in ascending order (8.2.3) */
    ISO7816_ATR_BAD_WI,             /* T=0 is offered and TC2 = 00 (10.2) */
    ISO7816_ATR_BAD_IFSC,           /* 00 or FF (11.4.2) */
    ISO7816_ATR_BAD_BWI,            /* above 9 (11.4.3) */
    ISO7816_ATR_RESULTS,            /* how many there are */
};

/* One group of interface bytes, TAi TBi TCi TDi: level[i - 1]. `present` has bit 0 for TA ... bit 3 for TD. Its
 * protocol is the low nibble of TD(i-1), whatever clause 8.3 makes of TA2 and TB2; 255 for level 1. Levels that
 * announce no byte are not counted. */
struct iso7816_atr_level {
    uint8_t present, ta, tb, tc, td;
    uint8_t protocol;
};

/* What an ATR says, defaults filled in. */
struct iso7816_atr {
    enum iso7816_convention convention;
    uint8_t level_count;
    struct iso7816_atr_level level[ISO7816_ATR_LEVELS];
    uint8_t historical[15];
    uint8_t historical_count;
    bool has_tck;
    uint8_t tck;
    uint16_t protocols;       /* bit T for each protocol offered; T=0 when there is no TD1 */
    uint8_t first_protocol;   /* the one to use without PPS */
    bool specific;            /* TA2 is there: specific mode */
    bool specific_implicit;   /* TA2 b5: Fi and Di are not those of TA1 */
    bool specific_can_change; /* TA2 b8 = 0: able to change to negotiable mode */
    uint8_t specific_protocol;
    uint8_t fi, di; /* indexes as in TA1; 1, 1 by default */
    uint16_t f;     /* clock rate conversion integer */
    uint8_t d;      /* baud rate adjustment integer */
    uint32_t fmax_khz;
    uint8_t n;              /* extra guard time integer, 255 is special (8.3) */
    bool has_vpp;           /* TB1/TB2 ask for programming voltage (deprecated) */
    uint8_t wi;             /* T=0 waiting time integer, 10 by default */
    uint8_t ifsc, bwi, cwi; /* T=1: 32, 4, 13 by default */
    bool crc;               /* T=1: EDC is CRC, else LRC */
    uint8_t clock_stop;     /* first TA for T=15, bits 8-7 */
    uint8_t classes;        /* first TA for T=15, bits 6-1: 1 A, 2 B, 4 C; 0 when not said */
};

/* Parse a whole ATR, TS first, in decoded form (inverse convention already undone: TS is 3F). *at receives the offset
 * of the offending byte (of the missing one, when it is too short; size when nothing is wrong), may be NULL. *atr is
 * filled as far as it was understood. Values that the standard reserves where they have a meaning are violations (a
 * reserved Fi, IFSC 00); reserved bits beside a meaning (TC3 bits 8-2, TA2 bits 7-6), unknown protocols and the
 * deprecated TB1 and TB2 are not. */
enum iso7816_atr_result iso7816_atr_parse(const uint8_t *bytes, size_t size, struct iso7816_atr *atr, size_t *at);

/* While an ATR arrives: how many bytes it will have in all as far as the `size` received ones tell; more than size
 * while it is not complete; never more than ISO7816_ATR_MAX + 1. */
size_t iso7816_atr_expected(const uint8_t *bytes, size_t size);

/* A sentence for a result; never NULL. */
const char *iso7816_atr_text(enum iso7816_atr_result result);

/* F and fmax (in kHz) of an Fi, D of a Di; 0 for reserved indexes (tables 7 and 8). */
uint16_t iso7816_f(uint8_t fi);
uint32_t iso7816_fmax_khz(uint8_t fi);
uint8_t iso7816_d(uint8_t di);

#endif
