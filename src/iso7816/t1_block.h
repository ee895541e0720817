/* SPDX-License-Identifier: MIT */
/* Blocks of T=1 (ISO/IEC 7816-3:2006, 11.3): what both engines share and nobody else sees. */
#ifndef ISO7816_T1_BLOCK_H
#define ISO7816_T1_BLOCK_H

#include "t1.h"

#define PROLOGUE 3u

enum block_kind {
    BLOCK_NONE,    /* nothing came */
    BLOCK_BAD_EDC, /* wrong EDC or parity */
    BLOCK_BAD,     /* wrong length, NAD, PCB or INF */
    BLOCK_I,
    BLOCK_R,
    BLOCK_S_REQUEST,
    BLOCK_S_RESPONSE,
};

/* A block taken apart. */
struct block {
    enum block_kind kind;
    uint8_t nad, pcb;
    bool number, more; /* I: N(S) and M; R: N(R) */
    const uint8_t *inf;
    uint8_t size;
};

/* The NAD of an answer: source and destination change places (11.3.2.1). */
static inline uint8_t swapped_nad(uint8_t nad)
{
    return (uint8_t)((nad & 0x07) << 4 | (nad >> 4 & 0x07));
}

/* Two equal addresses are reserved, but for 00, which says that none are used (11.3.2.1). */
static inline bool nad_is_reserved(uint8_t nad)
{
    return (nad & 0x77) != 0 && (nad & 0x07) == (nad >> 4 & 0x07);
}

/* Take a block apart by the rules of 11.3; an INF longer than ifs makes it BAD. The NAD is left to the caller. */
struct block t1_block_parse(const uint8_t *bytes, size_t size, bool parity_ok, enum iso7816_edc kind, uint8_t ifs);

/* Put a block together in tx; size at most 254. Returns its size. */
size_t t1_block_build(uint8_t tx[ISO7816_T1_BLOCK_MAX], uint8_t nad, uint8_t pcb, const uint8_t *inf, size_t size,
                      enum iso7816_edc kind);

#endif
