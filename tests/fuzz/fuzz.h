/* SPDX-License-Identifier: MIT */
/*
 * What the fuzzing harnesses share. Each NAME.c is one LLVMFuzzerTestOneInput that reads its input as a little language
 * of its own, which its first comment describes, and requires properties; with libFuzzer it becomes a fuzzer, with
 * replay.c a test that runs corpus/NAME.hex through it. A harness keeps nothing from one input to the next: the same
 * input does the same, always.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property. Where it does not hold, the input is a finding: the process ends, and libFuzzer keeps the input. */
#define require(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* ---- taking the input apart -------------------------------------------------------------------------------------- */

struct input {
    const uint8_t *bytes;
    size_t left;
};

/* The next byte; 0 behind the end. */
static inline uint8_t take(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->bytes++;
}

/* Two bytes, big-endian, at most max. */
static inline size_t take_number(struct input *in, size_t max)
{
    size_t number = (size_t)take(in) << 8;

    number |= take(in);
    return number % (max + 1);
}

/* ---- memory that ends where it ends ------------------------------------------------------------------------------ */

/* `size` bytes in a block of their own, so that AddressSanitizer sees the first step beyond them; of 0 bytes as well. */
struct exact {
    uint8_t *block, *bytes;
    size_t size;
};

static inline struct exact exact_room(size_t size)
{
    struct exact e = {.size = size};

    e.block = malloc(size ? size : 1);
    require(e.block != NULL);
    e.bytes = size ? e.block : e.block + 1;
    memset(e.block, 0xEE, size ? size : 1);
    return e;
}

static inline struct exact exact_copy(const uint8_t *bytes, size_t size)
{
    struct exact e = exact_room(size);

    if (size)
        memcpy(e.bytes, bytes, size);
    return e;
}

/* The next `size` bytes of the input, or those that are left. */
static inline struct exact take_exact(struct input *in, size_t size)
{
    struct exact e;

    if (size > in->left)
        size = in->left;
    e = exact_copy(in->bytes, size);
    in->bytes += size;
    in->left -= size;
    return e;
}

static inline void drop(struct exact *e)
{
    free(e->block);
}

/* Look at every byte of what an engine hands out: a sanitizer says when one of them is not there. */
static inline void touch(const uint8_t *bytes, size_t size)
{
    volatile uint8_t seen = 0;

    for (size_t i = 0; i < size; i++)
        seen = (uint8_t)(seen ^ bytes[i]);
}

#endif
