/* SPDX-License-Identifier: MIT */
/* What every benchmark prints with; free of smartcrd.h, for programs that include pcsc-lite's headers instead. */
#ifndef SMARTCRD_BENCH_FIGURES_H
#define SMARTCRD_BENCH_FIGURES_H

#include <stddef.h>
#include <stdint.h>

/* Monotonic time in nanoseconds. */
uint64_t bench_now(void);

/* Sorts the samples; returns the one below which `percent` of them lie. */
double bench_percentile(double *samples, size_t count, double percent);

/* "name   12.3 unit   (target: under 100)", and "missed" behind a target that was not met. target 0: none. */
void bench_line(const char *name, double figure, const char *unit, double target);

#endif
