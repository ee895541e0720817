/* SPDX-License-Identifier: MIT */
/* Eva: iso7816_t0_card_init establishes the invariant, and the owner's function is called as it should be. */
#include "eva.h"
#include "wp_t0_card.c"

static enum iso7816_t0_direction owners(void *context, const uint8_t header[5])
{
    (void)context;
    return header[4] ? ISO7816_T0_TO_CARD : ISO7816_T0_FROM_CARD;
}

void entry(void)
{
    static uint8_t apdu[65544], held[65538];
    struct iso7816_t0_card card;
    uint8_t *header = any_bytes(5);

    iso7816_t0_card_init(&card, apdu, Frama_C_unsigned_long_interval(0, sizeof apdu), held,
                         Frama_C_unsigned_long_interval(0, sizeof held));
    //@ check card_state(&card);
    which_way(header, any_bool() ? owners : NULL, NULL);
    free(header);
}
