/* SPDX-License-Identifier: MIT */
/* WP: T=1 blocks put together and taken apart, for blocks of any size. */
#include "contracts.h"

/*@ requires \valid_read(inf + (0 .. size - 1)) && size <= 254;
    assigns \nothing;
    ensures \result == BLOCK_BAD || \result == BLOCK_S_RESPONSE || \result == BLOCK_S_REQUEST;
    ensures \result != BLOCK_BAD && pcb == 0xC1 ==> inf[0] != 0 && inf[0] != 255;
    ensures \result != BLOCK_BAD && pcb == 0xE1 ==> inf[0] != 0 && inf[0] != 255;
*/
static enum block_kind s_kind(uint8_t pcb, const uint8_t *inf, size_t size);

#include "../../src/iso7816/t1_block.c"
