/* SPDX-License-Identifier: MIT */
/* bench_scale's parts, a file each. */
#ifndef SMARTCRD_BENCH_SCALE_H
#define SMARTCRD_BENCH_SCALE_H

#include "bench.h"

/* 10,000 readers, work on 100 of them. */
void scale_readers(void);
/* 100,000 overlapped requests in flight. */
void scale_flight(void);
/* What 1, 2 and all processors get done. */
void scale_cores(void);

#endif
