/* SPDX-License-Identifier: MIT */
/* Conventions and error detection codes: ISO/IEC 7816-3:2006, 8.1 and 11.4.4. */
#ifndef ISO7816_EDC_H
#define ISO7816_EDC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The EDC of T=1 blocks. */
enum iso7816_edc {
    ISO7816_EDC_LRC,
    ISO7816_EDC_CRC,      /* the standard's: iso7816_crc */
    ISO7816_EDC_CRC_A001, /* iso7816_crc_a001 */
};

static inline size_t iso7816_edc_size(enum iso7816_edc kind)
{
    return kind == ISO7816_EDC_LRC ? 1 : 2;
}

/* XOR of all bytes. */
uint8_t iso7816_lrc(const uint8_t *bytes, size_t size);
/* The CRC of ISO/IEC 13239, to which 11.4.4 refers: reflected polynomial 0x8408, initial value FFFF, not complemented
 * at the end. It goes out high byte first. */
uint16_t iso7816_crc(const uint8_t *bytes, size_t size);
/* Not the standard's: reflected polynomial 0xA001, initial value 0. What Microsoft's library speaks and expects, so
 * what a card has to speak that works with it (docs/quirks.md). */
uint16_t iso7816_crc_a001(const uint8_t *bytes, size_t size);
/* Append the EDC to `size` bytes (room for 2 more); returns the new size. */
size_t iso7816_edc_append(uint8_t *bytes, size_t size, enum iso7816_edc kind);
/* Whether the last iso7816_edc_size bytes are the right EDC of those before. false when size is too small. */
bool iso7816_edc_ok(const uint8_t *bytes, size_t size, enum iso7816_edc kind);
/* Inverse convention: bit order and level reversed (03 becomes 3F). */
uint8_t iso7816_invert(uint8_t byte);

#endif
