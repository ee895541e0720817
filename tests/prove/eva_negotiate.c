/* SPDX-License-Identifier: MIT */
/* Eva: negotiations of any length, with any cards, readers and answers. */
#include "eva_atr.h"
#include "negotiate.h"

void entry(void)
{
    uint8_t *bytes = any_bytes(10);
    struct iso7816_negotiate n;
    struct iso7816_negotiate_config config;
    struct iso7816_atr atr = any_atr();

    Frama_C_make_unknown((char *)&config, sizeof config);
    config.insist = any_bool();
    iso7816_negotiate_start(&n, &config, &atr, any_byte(), any_bool());
    while (any_bool()) {
        const size_t size = Frama_C_unsigned_long_interval(0, 10);
        struct iso7816_atr again = any_atr();

        //@ split size;
        switch (Frama_C_interval(0, 2)) {
        case 0:
            iso7816_negotiate_response(&n, bytes, size, any_bool());
            break;
        case 1:
            iso7816_negotiate_atr(&n, &again, any_byte());
            break;
        default:
            iso7816_negotiate_silence(&n);
            break;
        }
        iso7816_negotiate_text(n.reason);
    }
    iso7816_negotiate_text((enum iso7816_negotiate_reason)Frama_C_unsigned_int_interval(0, UINT32_MAX));
}
