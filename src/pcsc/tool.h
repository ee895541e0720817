/* SPDX-License-Identifier: MIT */
/* Between smartcrd-pcsc and smartcrd's headers, which cannot be included beside pcsc-lite's (see ifd.h). */
#ifndef PCSC_TOOL_H
#define PCSC_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Function numbers of control codes, for SCARD_CTL_CODE; tool_words.c asserts that they are right. */
#define TOOL_GET_LAST_ERROR 15
#define TOOL_INSERT         2048
#define TOOL_REMOVE         2049
#define TOOL_FAULT          2050
#define TOOL_STATUS         2051
#define TOOL_JOURNAL        4000

/* An NTSTATUS in words. Returns words. */
const char *tool_status_words(uint32_t status, char *words, size_t size);

#endif
