/* SPDX-License-Identifier: MIT */
/* Eva: what is a matter of bits in blocks of any size and content; where they are read is proved by WP. */
#include "eva.h"
#include "wp_t1_block.c"

static void parse(const uint8_t *bytes, size_t size, enum iso7816_edc kind)
{
    t1_block_parse(bytes, size, any_bool(), kind, any_byte());
    iso7816_t1_expected(bytes, size, kind);
}

/* S-blocks are this short: each PCB by itself. */
static void parse_short(uint8_t *bytes, size_t size, enum iso7816_edc kind)
{
    bytes[1] = any_byte();
    //@ split bytes[1];
    parse(bytes, size, kind);
}

static void parse_all(uint8_t *bytes, size_t size, enum iso7816_edc kind)
{
    if (size >= 4 && size < 7)
        parse_short(bytes, size, kind);
    else
        parse(bytes, size, kind);
}

static void parse_kinds(uint8_t *bytes, size_t size)
{
    parse_all(bytes, size, ISO7816_EDC_LRC);
    parse_all(bytes, size, Frama_C_interval(ISO7816_EDC_CRC, ISO7816_EDC_CRC_A001));
}

void entry(void)
{
    uint8_t *bytes;

    //@ loop unroll 9;
    for (size_t size = 0; size < 9; size++) {
        bytes = any_bytes(size);
        parse_kinds(bytes, size);
        free(bytes);
    }
    bytes = any_bytes(ISO7816_T1_BLOCK_MAX + 1);
    parse_kinds(bytes, Frama_C_unsigned_long_interval(9, ISO7816_T1_BLOCK_MAX + 1));
    free(bytes);
    swapped_nad(any_byte());
    nad_is_reserved(any_byte());
    iso7816_invert(any_byte());
}
