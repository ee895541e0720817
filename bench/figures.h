/* SPDX-License-Identifier: MIT */
/*
 * What every benchmark prints with; free of smartcrd.h, for programs that include pcsc-lite's headers instead.
 *
 * Each figure is a line for people, and, in the file that SMARTCRD_BENCH_RECORD names, a line of JSON for the table
 * (bench/table), in which the README's figures are looked up by name.
 */
#ifndef SMARTCRD_BENCH_FIGURES_H
#define SMARTCRD_BENCH_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Take --quick out of the arguments: the program then runs a few rounds only, to show that it still works. */
void bench_begin(int *argc, char **argv);
bool bench_is_quick(void);
/* How many rounds to run: `full`, or some of them. */
size_t bench_rounds(size_t full);

/* Monotonic time in nanoseconds. */
uint64_t bench_now(void);

/* Nanoseconds of processor that the calling thread, the whole process has used: not disturbed by what else runs. */
uint64_t bench_thread_cpu(void);
uint64_t bench_process_cpu(void);

/* Sorts the samples; returns the one below which `percent` of them lie. */
double bench_percentile(double *samples, size_t count, double percent);

/* What to give as a value that could not be measured. */
#define BENCH_UNKNOWN (-1.0)

struct bench_figure {
    const char *name;  /* "PROGRAM.WHAT", unique among all */
    const char *means; /* what was measured, in words */
    const char *unit;
    double value;    /* when there are no samples */
    double *samples; /* of several rounds; sorted here. Shown are their median and 10th to 90th percentile */
    size_t count;
    double target;      /* it shall be under this; 0: no such target */
    double at_least;    /* it shall be this or more; 0: no such target */
    const char *beside; /* the name of ours beside which this one stands, a rival's or what cannot be gone below */
};

void bench_show(struct bench_figure figure);

#endif
