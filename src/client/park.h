/* SPDX-License-Identifier: MIT */
/*
 * Sleeping until a word changes: the one place where the client's threads wait. The word is the caller's own atomic; it
 * decides with it, and only sleeps here. A wake-up may come for no reason, so every caller loops. In simulated time who
 * sleeps may move the clock and run timers meanwhile (nt_sleep), so nobody holds a lock here.
 */
#ifndef CLIENT_PARK_H
#define CLIENT_PARK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PARK_FOR_EVER UINT64_MAX

struct smartcrd;

/* Sleep while *word is `seen`, at most until the context's clock reaches `until`. FALSE: the time has passed. */
bool park_wait(struct smartcrd *context, _Atomic uint32_t *word, uint32_t seen, uint64_t until);

/* Wake everyone who sleeps on the word. The memory, and the context, may be gone by then: only the word's address is
 * used, and whether they sleep in simulated time is told by the caller. */
void park_wake(_Atomic uint32_t *word, bool simulated);

/* The context's clock in timeout_ms from now; PARK_FOR_EVER for SMARTCRD_NO_TIMEOUT. */
uint64_t park_until(const struct smartcrd *context, uint32_t timeout_ms);

#endif
