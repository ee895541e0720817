/* SPDX-License-Identifier: MIT */
/* WP: copying bytes, and error detection codes, for any size. */
#include "contracts.h"

/*@ requires \valid_read(b + (0 .. 7));
    assigns \nothing;
*/
static uint64_t eight(const uint8_t *b);

/*@ requires \valid_read(table + (0 .. 255)) && \valid_read(bytes + (0 .. size - 1));
    assigns \nothing;
*/
static uint16_t crc(const uint16_t table[256], uint16_t value, const uint8_t *bytes, size_t size);

/*@ requires \valid_read(bytes + (0 .. size - 1));
    assigns \nothing;
*/
static uint16_t crc_of_kind(enum iso7816_edc kind, const uint8_t *bytes, size_t size);

/*@ assigns \nothing; */
uint8_t iso7816_invert(uint8_t byte);

#include "../../src/iso7816/bytes.h"
#include "../../src/iso7816/edc.c"
