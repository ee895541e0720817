/* SPDX-License-Identifier: MIT */
/* Eva: iso7816_t1_host_init establishes the invariant, whatever it is given. */
#include "eva.h"
#include "wp_t1_host.c"

void entry(void)
{
    struct iso7816_t1_host host;
    struct iso7816_t1_config config;

    Frama_C_make_unknown((char *)&config, sizeof config);
    iso7816_t1_host_init(&host, &config, any_byte());
}
