/* SPDX-License-Identifier: MIT */
/* Eva: answers to reset of every size from nothing to more than the standard allows, of any content. */
#include "eva.h"
#include "atr.h"

void entry(void)
{
    //@ loop unroll 36;
    for (size_t size = 0; size < 36; size++) {
        uint8_t *bytes = any_bytes(size);
        struct iso7816_atr atr;
        size_t at;

        iso7816_atr_text(iso7816_atr_parse(bytes, size, &atr, any_bool() ? &at : NULL));
        iso7816_atr_expected(bytes, size);
        free(bytes);
    }
    iso7816_atr_text((enum iso7816_atr_result)Frama_C_unsigned_int_interval(0, UINT32_MAX));
    iso7816_f(any_byte());
    iso7816_d(any_byte());
    iso7816_fmax_khz(any_byte());
}
