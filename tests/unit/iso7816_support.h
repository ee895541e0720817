/* SPDX-License-Identifier: MIT */
/* Bytes as hex text, for the tests of the protocol engines. */
#ifndef ISO7816_SUPPORT_H
#define ISO7816_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static inline size_t hex(const char *text, uint8_t *bytes, size_t room)
{
    size_t size = 0;

    while (*text) {
        char pair[3] = {0};

        if (*text == ' ') {
            text++;
            continue;
        }
        assert_true(size < room);
        pair[0] = text[0];
        pair[1] = text[1];
        bytes[size++] = (uint8_t)strtoul(pair, NULL, 16);
        text += 2;
    }
    return size;
}

static inline void check_bytes(const uint8_t *bytes, size_t size, const char *expected, const char *file, int line)
{
    char text[3 * 600 + 1] = "";
    uint8_t wanted[600];
    size_t wanted_size = hex(expected, wanted, sizeof wanted);

    for (size_t i = 0; i < size && i < 600; i++)
        snprintf(text + 3 * i, 4, "%02X ", bytes[i]);
    if (size != wanted_size || (size && memcmp(bytes, wanted, size) != 0)) {
        print_error("expected %s\n     got %s\n", expected, text);
        _fail(file, line);
    }
}

#define assert_bytes(bytes, size, expected) check_bytes(bytes, size, expected, __FILE__, __LINE__)

/* A copy of exactly `size` bytes, so that the address sanitizer sees the first byte read beyond them. */
static inline uint8_t *exact(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    assert_non_null(copy);
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

/* A small generator (xorshift), the same everywhere. The seed is not 0. */
static inline uint32_t random_next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

#endif
