/* SPDX-License-Identifier: MIT */
/*
 * A small driver for benchmarks, with one reader, SCReader0: it pends every IOCTL_SMARTCARD_EJECT, has no cancel routine,
 * and ends the request from a DPC on the host's clock thread, pending_ms milliseconds later (0: at once).
 */
#ifndef SMARTCRD_BENCH_PENDING_H
#define SMARTCRD_BENCH_PENDING_H

#include <smartcrd/smclib.h>

extern unsigned pending_ms;

DRIVER_INITIALIZE pending_entry;

#endif
