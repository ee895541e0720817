/* SPDX-License-Identifier: MIT */
/* Copying bytes without a C library, for the engines alone. */
#ifndef ISO7816_BYTES_H
#define ISO7816_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* The two must not overlap, unless `to` lies before `from`. */
static inline void copy_bytes(uint8_t *to, const uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = from[i];
}

#endif
