/* SPDX-License-Identifier: MIT */
/*
 * What the files of src/iso7816 promise each other, for the proof by WP: contracts of the functions that are called
 * across files. Each is proved where its function is defined, and relied on everywhere else.
 */
#ifndef PROVE_CONTRACTS_H
#define PROVE_CONTRACTS_H

#include "t1_block.h"

/*@ requires \valid(to + (0 .. size - 1));
    requires \valid_read(from + (0 .. size - 1));
    requires \separated(to + (0 .. size - 1), from + (0 .. size - 1));
    assigns to[0 .. size - 1];
*/
static inline void copy_bytes(uint8_t *restrict to, const uint8_t *restrict from, size_t size);

/*@ requires \valid(to + (0 .. size - 1));
    requires \valid_read(from + (0 .. size - 1));
    assigns to[0 .. size - 1];
*/
static inline void move_bytes_down(uint8_t *to, const uint8_t *from, size_t size);

/* ---- edc.h ------------------------------------------------------------------------------------------------------- */

/*@ assigns \nothing;
    ensures 1 <= \result <= 2;
    ensures \result == (kind == ISO7816_EDC_LRC ? 1 : 2);
*/
static inline size_t iso7816_edc_size(enum iso7816_edc kind);

/*@ requires \valid_read(bytes + (0 .. size - 1));
    assigns \nothing;
*/
uint8_t iso7816_lrc(const uint8_t *bytes, size_t size);

/*@ requires \valid_read(bytes + (0 .. size - 1));
    assigns \nothing;
*/
uint16_t iso7816_crc(const uint8_t *bytes, size_t size);

/*@ requires \valid_read(bytes + (0 .. size - 1));
    assigns \nothing;
*/
uint16_t iso7816_crc_a001(const uint8_t *bytes, size_t size);

/*@ requires size <= SIZE_MAX - 2;
    requires \valid(bytes + (0 .. size + (kind == ISO7816_EDC_LRC ? 0 : 1)));
    assigns bytes[size .. size + (kind == ISO7816_EDC_LRC ? 0 : 1)];
    ensures \result == size + (kind == ISO7816_EDC_LRC ? 1 : 2);
*/
size_t iso7816_edc_append(uint8_t *bytes, size_t size, enum iso7816_edc kind);

/*@ requires \valid_read(bytes + (0 .. size - 1));
    assigns \nothing;
*/
bool iso7816_edc_ok(const uint8_t *bytes, size_t size, enum iso7816_edc kind);

/* ---- t1_block.h -------------------------------------------------------------------------------------------------- */

/*@ assigns \nothing; */
static inline uint8_t swapped_nad(uint8_t nad);

/*@ assigns \nothing; */
static inline bool nad_is_reserved(uint8_t nad);

/* What a block taken apart guarantees: INF lies within what was received, and has the size that its kind has. */
/*@ predicate inf_of(struct block b, uint8_t *bytes, integer size, integer ifs) =
        b.kind <= BLOCK_S_RESPONSE &&
        (b.kind > BLOCK_BAD ==> b.inf == bytes + 3 && b.size <= 254 && 4 + b.size <= size) &&
        (b.kind == BLOCK_I ==> b.size <= ifs);
    predicate ifs_of(struct block b) =
        b.kind >= BLOCK_S_REQUEST && (b.pcb == 0xC1 || b.pcb == 0xE1) ==> b.inf[0] != 0 && b.inf[0] != 255;
    predicate pcb_of(struct block b) =
        (b.kind == BLOCK_S_REQUEST ==> b.pcb == 0xC0 || b.pcb == 0xC1 || b.pcb == 0xC2 || b.pcb == 0xC3) &&
        (b.kind == BLOCK_S_RESPONSE ==> b.pcb == 0xE0 || b.pcb == 0xE1 || b.pcb == 0xE2 || b.pcb == 0xE3) &&
        (b.kind >= BLOCK_S_REQUEST && (b.pcb == 0xC1 || b.pcb == 0xC3 || b.pcb == 0xE1 || b.pcb == 0xE3) ==>
            b.size == 1);
    predicate block_of(struct block b, uint8_t *bytes, integer size, integer ifs) =
        inf_of(b, bytes, size, ifs) && ifs_of(b) && pcb_of(b);
*/

/* Eva proves what it says of the PCB, by going through all of them; WP the rest. */
/*@ requires \valid_read(bytes + (0 .. size - 1));
    assigns \nothing;
    ensures inf_of(\result, bytes, size, ifs);
    ensures ifs_of(\result);
    ensures size > ISO7816_T1_BLOCK_MAX ==> \result.kind <= BLOCK_BAD;
    ensures bits: pcb_of(\result);
*/
struct block t1_block_parse(const uint8_t *bytes, size_t size, bool parity_ok, enum iso7816_edc kind, uint8_t ifs);

/*@ requires size <= 254;
    requires \valid(tx + (0 .. ISO7816_T1_BLOCK_MAX - 1));
    requires \valid_read(inf + (0 .. size - 1));
    requires \separated(tx + (0 .. ISO7816_T1_BLOCK_MAX - 1), inf + (0 .. size - 1));
    assigns tx[0 .. ISO7816_T1_BLOCK_MAX - 1];
    ensures 4 <= \result <= ISO7816_T1_BLOCK_MAX;
*/
size_t t1_block_build(uint8_t tx[ISO7816_T1_BLOCK_MAX], uint8_t nad, uint8_t pcb, const uint8_t *inf, size_t size,
                      enum iso7816_edc kind);

/*@ requires \valid_read(block + (0 .. size - 1));
    assigns \nothing;
    ensures 4 <= \result <= ISO7816_T1_BLOCK_MAX;
    ensures size < 3 ==> \result > size;
*/
size_t iso7816_t1_expected(const uint8_t *block, size_t size, enum iso7816_edc kind);

#include "bytes.h"

#endif
