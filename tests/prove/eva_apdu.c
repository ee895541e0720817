/* SPDX-License-Identifier: MIT */
/* Eva: the assertion in command_parse that WP leaves open, and short commands of every size up to its branches. */
#include "eva.h"
#include "apdu.h"

void entry(void)
{
    //@ loop unroll 12;
    for (size_t size = 0; size < 12; size++) {
        uint8_t *bytes = any_bytes(size);
        struct iso7816_command command;

        iso7816_command_parse(bytes, size, &command);
        free(bytes);
    }
    iso7816_command_is_secret(any_byte(), any_byte());
}
