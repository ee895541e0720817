/* SPDX-License-Identifier: MIT */
/* Eva: times from any ATR at any clock; nothing overflows, not even what may. */
#include "eva.h"
#include "timing.h"

void entry(void)
{
    struct iso7816_atr atr;
    struct iso7816_timing timing;

    Frama_C_make_unknown((char *)&atr, sizeof atr);
    atr.f = Frama_C_unsigned_short_interval(0, 2048); /* the most that an ATR can say */
    atr.d = Frama_C_unsigned_char_interval(0, 64);
    iso7816_timing(&atr, any_byte(), any_byte(), any_byte(), Frama_C_unsigned_int_interval(0, UINT32_MAX), &timing);
}
