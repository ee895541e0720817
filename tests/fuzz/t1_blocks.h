/* SPDX-License-Identifier: MIT */
/* How the T=1 harnesses write blocks: most are put together here, so that a fuzzer gets past NAD, LEN and EDC. */
#ifndef FUZZ_T1_BLOCKS_H
#define FUZZ_T1_BLOCKS_H

#include "fuzz.h"
#include "src/iso7816/t1.h"

/* What stands for something else than the block whose first bits it has. */
enum { NOTHING = 0x00, OTHER_NAD = 0x10, RAW = 0x20, WRONG_PARITY = 0x30, AGAIN = 0x40, CALLER = 0x60 };

/* A block as it comes: in memory of exactly its size. */
struct coming {
    struct exact bytes;
    bool parity_ok;
};

static inline struct coming as_it_is(const uint8_t *bytes, size_t size)
{
    return (struct coming){exact_copy(bytes, size), true};
}

/* NAD, PCB, as many of the input's next bytes as LEN says, EDC. */
static inline struct coming put_together(struct input *in, uint8_t nad, uint8_t pcb, size_t size, enum iso7816_edc edc)
{
    uint8_t block[ISO7816_T1_BLOCK_MAX] = {nad, pcb};
    size_t length = size < in->left ? size : in->left;

    memcpy(block + 3, in->bytes, length);
    in->bytes += length;
    in->left -= length;
    block[2] = (uint8_t)length;
    return as_it_is(block, iso7816_edc_append(block, 3 + length, edc));
}

/* What `what` stands for, as t1_host.c's first comment says; AGAIN and CALLER are the harness's. */
static inline struct coming next_block(struct input *in, uint8_t what, uint8_t nad, enum iso7816_edc edc)
{
    struct coming coming = {.parity_ok = true};

    switch (what) {
    case RAW:
        coming.bytes = take_exact(in, take_number(in, 300));
        return coming;
    case NOTHING:
        coming.bytes = exact_room(0);
        return coming;
    case WRONG_PARITY:
        coming.bytes = take_exact(in, 1 + take(in) % 8u);
        coming.parity_ok = false;
        return coming;
    case OTHER_NAD:
        return put_together(in, take(in), take(in), take(in) % 8u, edc);
    default:
        break;
    }
    if ((what & 0xC0) == 0xC0)
        return put_together(in, nad, what, what & 1, edc);
    if ((what & 0xC0) == 0x80)
        return put_together(in, nad, what, 0, edc);
    return put_together(in, nad, what & 0x60, (what & 0x1F) == 0x1F ? take(in) % 255u : what & 0x1F, edc);
}

/* What an engine sends is a block of 11.3, with the right EDC and an INF that its receiver takes. */
static inline void is_block(const uint8_t *tx, size_t size, enum iso7816_edc edc, size_t ifs)
{
    require(size >= 3 + iso7816_edc_size(edc) && size <= ISO7816_T1_BLOCK_MAX);
    require(size == 3 + (size_t)tx[2] + iso7816_edc_size(edc) && iso7816_t1_expected(tx, size, edc) == size);
    require(iso7816_edc_ok(tx, size, edc));
    require(!(tx[0] & 0x88)); /* bits 8 and 4 of NAD are not of the addresses */
    if (!(tx[1] & 0x80)) {
        require(!(tx[1] & 0x1F) && tx[2] <= ifs);
    } else if (!(tx[1] & 0x40)) {
        require(tx[2] == 0 && !(tx[1] & 0x2C) && (tx[1] & 3) != 3);
    } else {
        require((tx[1] & 0x1F) <= 3 && tx[2] == (tx[1] & 1));
    }
}

#endif
