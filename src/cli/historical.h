/* SPDX-License-Identifier: MIT */
/* Historical bytes in words: ISO/IEC 7816-4:2013, 12.1.1. */
#ifndef CLI_HISTORICAL_H
#define CLI_HISTORICAL_H

#include <stddef.h>
#include <stdint.h>

/* Receives one fact: a short name ("card capabilities"), and what it says. */
typedef void historical_say(void *context, const char *name, const char *text);

void historical_decode(const uint8_t *bytes, size_t size, historical_say *say, void *context);

#endif
