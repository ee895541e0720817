/* SPDX-License-Identifier: MIT */
/* Copying bytes without a C library, for the engines alone. */
#ifndef ISO7816_BYTES_H
#define ISO7816_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* The two must not overlap: from `restrict` compilers know that this is a memcpy, or take many bytes at a time. */
static inline void copy_bytes(uint8_t *restrict to, const uint8_t *restrict from, size_t size)
{
    /*@ loop invariant i <= size;
        loop assigns i, to[0 .. size - 1];
        loop variant size - i; */
    for (size_t i = 0; i < size; i++)
        to[i] = from[i];
}

/* The two may overlap when `to` lies before `from`. */
static inline void move_bytes_down(uint8_t *to, const uint8_t *from, size_t size)
{
    /*@ loop invariant i <= size;
        loop assigns i, to[0 .. size - 1];
        loop variant size - i; */
    for (size_t i = 0; i < size; i++)
        to[i] = from[i];
}

#endif
