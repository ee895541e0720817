/* SPDX-License-Identifier: MIT */
/* What the benchmarks share: figures.h, and a virtual reader with the echo card in it. */
#ifndef SMARTCRD_BENCH_H
#define SMARTCRD_BENCH_H

#include "figures.h"

#include <smartcrd/smartcrd.h>

/* Runs this program once more under callgrind, with `--counted` and `what` as its arguments; returns the instructions
 * that were executed within the function of that name (not static, not inlined), or BENCH_UNKNOWN when valgrind did not
 * run, or was spared (--quick). */
double bench_instructions(const char *self, const char *function, const char *what);

/* Ends the program with a message unless the status is a success. */
void bench_check(NTSTATUS status, const char *what);

/* Sends text to a vendor code of a virtual reader or its panel; ends the program when it is refused. */
void bench_vendor(struct smartcrd_handle *handle, uint32_t code, const char *text);

/* A context with the driver vreader; one reader that holds an echo card, reset, protocol (SCARD_PROTOCOL_T0/_T1)
 * selected. *panel may be NULL. */
struct smartcrd *bench_echo_reader(uint32_t protocol, struct smartcrd_handle **handle, struct smartcrd_handle **panel);

/* The same, one more reader in a context that has the driver vreader. */
void bench_add_echo(struct smartcrd *context, uint32_t protocol, struct smartcrd_handle **handle,
                    struct smartcrd_handle **panel);

/* A transmit request for a short APDU to the echo card. buffer has at least 64 bytes and is used for both ways. */
struct smartcrd_request bench_short_apdu(uint32_t protocol, uint8_t *buffer);

#endif
