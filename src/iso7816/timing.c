/* SPDX-License-Identifier: MIT */
/* Waiting and guard times from an ATR: see timing.h. Keeping them is the reader's affair. */
#include "timing.h"

#define FD 372u

/* All operands are small: F <= 2048, D <= 64, WI <= 255, BWI <= 15, so that nothing below reaches 2^62. */
static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* Reserved indexes have no value: then the default one counts. */
static uint64_t or_else(uint64_t value, uint64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

/* 8.3: GT = 12 etu + R * N / f, where R = F / D, or Fi / Di when T=15 is in the ATR; N = 255 means the least. */
static uint32_t guard_time(const struct iso7816_atr *atr, uint8_t protocol, uint64_t f, uint64_t d)
{
    uint64_t fi = or_else(atr->f, FD), di = or_else(atr->d, 1);

    if (atr->n == 255)
        return protocol == 1 ? 11 : 12;
    if (atr->protocols & 1u << 15)
        return 12 + (uint32_t)divide_up((uint64_t)atr->n * fi * d, di * f);
    return 12u + atr->n;
}

void iso7816_timing(const struct iso7816_atr *atr, uint8_t protocol, uint8_t fi, uint8_t di, uint32_t f_khz,
                    struct iso7816_timing *timing)
{
    uint64_t f = or_else(iso7816_f(fi), FD), d = or_else(iso7816_d(di), 1);
    uint64_t divisor = d * or_else(f_khz, 1); /* one etu is f / divisor milliseconds (7.1) */
    uint64_t etu_mega = f * 1000000;

    timing->etu_ns = divide_up(etu_mega, divisor);
    timing->gt_etu = guard_time(atr, protocol, f, d);
    timing->wwt_etu = divide_up((uint64_t)atr->wi * 960 * or_else(atr->f, FD) * d, f);
    timing->cwt_etu = 11 + ((uint64_t)1 << (atr->cwi & 0x0F));
    timing->bwt_etu = 11 + divide_up(((uint64_t)960 << (atr->bwi & 0x0F)) * FD * d, f);
    timing->bgt_etu = 22;

    timing->gt_ns = divide_up(timing->gt_etu * etu_mega, divisor);
    timing->wwt_ns = divide_up(timing->wwt_etu * etu_mega, divisor);
    timing->cwt_ns = divide_up(timing->cwt_etu * etu_mega, divisor);
    timing->bwt_ns = divide_up(timing->bwt_etu * etu_mega, divisor);
    timing->bgt_ns = divide_up(timing->bgt_etu * etu_mega, divisor);
}
