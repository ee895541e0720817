/* SPDX-License-Identifier: MIT */
/* Eva: PPS of every size that matters, any request, any card. */
#include "eva.h"
#include "eva_atr.h"
#include "pps.h"

static struct iso7816_pps any_pps(void)
{
    struct iso7816_pps pps = {any_byte(), any_bool(), any_bool(), any_bool(), any_byte(), any_byte(), any_byte()};

    return pps;
}

static void exercise(const uint8_t *bytes, size_t size)
{
    uint8_t out[ISO7816_PPS_MAX];
    struct iso7816_pps pps = any_pps(), parsed, agreed;
    struct iso7816_atr atr = any_atr();

    iso7816_pps_expected(bytes, size);
    iso7816_pps_parse(bytes, size, &parsed);
    iso7816_pps_check(&pps, bytes, size, &parsed);
    iso7816_pps_answer(&atr, bytes, size, out, &agreed);
    iso7816_pps_build(&pps, out);
    iso7816_pps_allows(&atr, any_byte());
}

static void with_pps0(uint8_t *bytes, size_t size)
{
    bytes[1] = any_byte();
    //@ split bytes[1];
    exercise(bytes, size);
}

void entry(void)
{
    //@ loop unroll 10;
    for (size_t size = 0; size < 10; size++) {
        uint8_t *bytes = any_bytes(size);

        if (size < 2 || size > ISO7816_PPS_MAX)
            exercise(bytes, size);
        else
            with_pps0(bytes, size);
        free(bytes);
    }
}
