/* SPDX-License-Identifier: MIT */
/* Putting T=1 blocks together and taking them apart: ISO/IEC 7816-3:2006, 11.3. When to send which is the engines'. */
#include "t1_block.h"
#include "bytes.h"

/* S-blocks by bits 5-1 of their PCB (11.3.2.2): how long INF is, and whether 00 and FF are out (IFS, 11.4.2). */
static const struct {
    uint8_t size;
    bool is_ifs;
} s_blocks[] = {
    [ISO7816_T1_S_RESYNCH & 0x1F] = {0, false},
    [ISO7816_T1_S_IFS & 0x1F] = {1, true},
    [ISO7816_T1_S_ABORT & 0x1F] = {0, false},
    [ISO7816_T1_S_WTX & 0x1F] = {1, false},
};

static enum block_kind s_kind(uint8_t pcb, const uint8_t *inf, size_t size)
{
    const size_t type = pcb & 0x1F;

    if (type >= sizeof s_blocks / sizeof s_blocks[0] || size != s_blocks[type].size)
        return BLOCK_BAD;
    if (s_blocks[type].is_ifs && (inf[0] == 0x00 || inf[0] == 0xFF))
        return BLOCK_BAD;
    return pcb & ISO7816_T1_S_RESPONSE ? BLOCK_S_RESPONSE : BLOCK_S_REQUEST;
}

struct block t1_block_parse(const uint8_t *bytes, size_t size, bool parity_ok, enum iso7816_edc kind, uint8_t ifs)
{
    struct block block = {.kind = BLOCK_NONE};
    const size_t edc = iso7816_edc_size(kind);

    if (size == 0)
        return block;
    block.kind = BLOCK_BAD_EDC;
    if (!parity_ok)
        return block;
    block.kind = BLOCK_BAD;
    if (size < PROLOGUE + edc || bytes[2] == 0xFF || size != PROLOGUE + bytes[2] + edc)
        return block;
    block.kind = BLOCK_BAD_EDC;
    if (!iso7816_edc_ok(bytes, size, kind))
        return block;

    block.kind = BLOCK_BAD;
    block.nad = bytes[0];
    block.pcb = bytes[1];
    block.size = bytes[2];
    block.inf = bytes + PROLOGUE;
    if (!(block.pcb & 0x80)) {
        block.number = (block.pcb & ISO7816_T1_I_NS) != 0;
        block.more = (block.pcb & ISO7816_T1_I_MORE) != 0;
        if (!(block.pcb & 0x1F) && block.size <= ifs)
            block.kind = BLOCK_I;
    } else if (!(block.pcb & 0x40)) {
        block.number = (block.pcb & ISO7816_T1_R_NR) != 0;
        if (!(block.pcb & 0x2C) && (block.pcb & 0x03) != 0x03 && block.size == 0)
            block.kind = BLOCK_R;
    } else {
        block.kind = s_kind(block.pcb, block.inf, block.size);
    }
    return block;
}

size_t t1_block_build(uint8_t tx[ISO7816_T1_BLOCK_MAX], uint8_t nad, uint8_t pcb, const uint8_t *inf, size_t size,
                      enum iso7816_edc kind)
{
    tx[0] = nad;
    tx[1] = pcb;
    tx[2] = (uint8_t)size;
    copy_bytes(tx + PROLOGUE, inf, size);
    return iso7816_edc_append(tx, PROLOGUE + size, kind);
}

size_t iso7816_t1_expected(const uint8_t *block, size_t size, enum iso7816_edc kind)
{
    size_t whole;

    if (size < PROLOGUE)
        return PROLOGUE + 1;
    whole = PROLOGUE + (size_t)block[2] + iso7816_edc_size(kind);
    return whole > ISO7816_T1_BLOCK_MAX ? ISO7816_T1_BLOCK_MAX : whole;
}
