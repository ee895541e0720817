/* SPDX-License-Identifier: MIT */
/* Arbitrary inputs for the analyses by Eva: all that a caller could pass, in memory exactly as large as it says. */
#ifndef PROVE_EVA_H
#define PROVE_EVA_H

#include <__fc_builtin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* `size` bytes of any content, and not one more: an access beyond them is an alarm. */
static uint8_t *any_bytes(size_t size)
{
    uint8_t *bytes = malloc(size);

    //@ admit bytes != \null;
    Frama_C_make_unknown((char *)bytes, size);
    return bytes;
}

static uint8_t any_byte(void)
{
    return Frama_C_unsigned_char_interval(0, 255);
}

static bool any_bool(void)
{
    return Frama_C_interval(0, 1);
}

#endif
