/* SPDX-License-Identifier: MIT */
/* Eva: iso7816_t1_card_init establishes the invariant, whatever it is given. */
#include "eva.h"
#include "wp_t1_card.c"

void entry(void)
{
    static uint8_t in[65544];
    struct iso7816_t1_card card;
    struct iso7816_t1_config config;

    Frama_C_make_unknown((char *)&config, sizeof config);
    iso7816_t1_card_init(&card, &config, in, Frama_C_unsigned_long_interval(0, sizeof in));
    //@ check card_state(&card);
}
