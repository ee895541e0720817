/* SPDX-License-Identifier: MIT */
/* A card's status bytes and a command's INS in words (ISO/IEC 7816-4:2013, 5.4.2 and 5.6). Pure functions. */
#ifndef CLI_SW_H
#define CLI_SW_H

#include <stddef.h>
#include <stdint.h>

/* What SW1 SW2 mean; never NULL. Written to text. */
const char *sw_text(uint8_t sw1, uint8_t sw2, char *text, size_t size);
/* "SELECT"; NULL for an INS that ISO/IEC 7816-4 and -8 do not assign, or a CLA that is proprietary. */
const char *ins_name(uint8_t cla, uint8_t ins);

#endif
