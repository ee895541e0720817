/* SPDX-License-Identifier: MIT */
/* Arbitrary ATRs, parsed: for the analyses of those who are given one. */
#ifndef PROVE_EVA_ATR_H
#define PROVE_EVA_ATR_H

#include "eva.h"
#include "atr.h"

/* Whatever a caller may have: what a parsed ATR says, and more. */
static struct iso7816_atr any_atr(void)
{
    struct iso7816_atr atr;

    Frama_C_make_unknown((char *)&atr, sizeof atr);
    atr.convention = Frama_C_interval(0, 1);
    atr.has_tck = any_bool();
    atr.specific = any_bool();
    atr.specific_implicit = any_bool();
    atr.specific_can_change = any_bool();
    atr.has_vpp = any_bool();
    atr.crc = any_bool();
    return atr;
}

#endif
