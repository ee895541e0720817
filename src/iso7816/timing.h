/* SPDX-License-Identifier: MIT */
/* Times: ISO/IEC 7816-3:2006, 7.1, 7.2, 8.3, 10.2, 11.4.3. In etu, and in nanoseconds at a clock, rounded up. Pure
 * function, any thread; nothing overflows. */
#ifndef ISO7816_TIMING_H
#define ISO7816_TIMING_H

#include "atr.h"

struct iso7816_timing {
    uint64_t etu_ns;
    uint32_t gt_etu;  /* guard time between characters to the card, leading edge to leading edge */
    uint64_t wwt_etu; /* T=0: WT = WI * 960 * Fi / f (10.2), rounded up to etu */
    uint64_t cwt_etu; /* T=1: 11 + 2^CWI (11.4.3) */
    uint64_t bwt_etu; /* T=1: 11 etu + 2^BWI * 960 * 372 / f, rounded up to etu (11.4.3) */
    uint32_t bgt_etu; /* T=1: 22 (11.4.3) */
    uint64_t gt_ns, wwt_ns, cwt_ns, bwt_ns, bgt_ns;
};

/* protocol 0 or 1; f_khz the card's clock (0 counts as 1); fi/di what is in force (after PPS, or 1, 1; reserved indexes
 * count as 1). All members are filled, whatever the protocol; it decides the guard time for N = 255. */
void iso7816_timing(const struct iso7816_atr *atr, uint8_t protocol, uint8_t fi, uint8_t di, uint32_t f_khz,
                    struct iso7816_timing *timing);

#endif
