/* SPDX-License-Identifier: MIT */
/*
 * The PC/SC benchmark: what its files have of each other. bench_pcsc, a script, starts pcscd with the readers and runs
 * pcsc.c; pcsc_card.c is the card behind vsmartcard's vpcd, pcsc_nothing.c the handler that does nothing (the floor),
 * pcsc_inside.c the same work without pcscd, pcsc_idle.c what a process costs.
 */
#ifndef SMARTCRD_BENCH_PCSC_H
#define SMARTCRD_BENCH_PCSC_H

#include "figures.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- pcsc_card.c: a card simulator that speaks vpcd ---------------------------------------------------------------- */

struct vpcd_card;

/* Put an echo card in: connect to the reader at 127.0.0.1:port, and answer on a thread of its own, as fast as TCP lets
 * it. The program ends when nobody listens. */
struct vpcd_card *vpcd_insert(uint16_t port);
/* Let it hang up when the next command comes; *left then receives when. */
void vpcd_leave_at_command(struct vpcd_card *card, _Atomic uint64_t *left);
/* Hang up. */
void vpcd_remove(struct vpcd_card *card);

/* ---- pcsc_inside.c ------------------------------------------------------------------------------------------------- */

/* An echo card of the virtual reader in this process, over T=1. */
void inside_begin(void);
/* Nanoseconds of one exchange, the mean of `count`. */
double inside_exchange(const uint8_t *command, size_t size, unsigned count);

/* ---- pcsc_idle.c --------------------------------------------------------------------------------------------------- */

/* A process' CPU time so far in nanoseconds, and how often its threads went to sleep. */
struct cost {
    uint64_t cpu_ns;
    uint64_t sleeps;
};
struct cost process_cost(pid_t process);

/* Let every thread of a process, and those that they make later, run on one processor only, or on any. */
void process_pin(pid_t process, bool one);

#endif
