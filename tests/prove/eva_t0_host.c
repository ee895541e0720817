/* SPDX-License-Identifier: MIT */
/* Eva: iso7816_t0_host_start establishes the invariant with TPDUs of every size. */
#include "eva.h"
#include "wp_t0_host.c"

void entry(void)
{
    static uint8_t reply[259];

    //@ loop unroll 264;
    for (size_t size = 0; size < 264; size++) {
        uint8_t *tpdu = any_bytes(size);
        struct iso7816_t0_host host;

        iso7816_t0_host_start(&host, tpdu, size, reply, Frama_C_unsigned_long_interval(0, sizeof reply));
        //@ check host_state(&host);
        free(tpdu);
    }
}
