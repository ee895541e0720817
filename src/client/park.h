/* SPDX-License-Identifier: MIT */
/*
 * Sleeping until a word changes: the one place where the client's threads wait. The word is the caller's own atomic; it
 * decides with it, and only sleeps here. A wake-up may come for no reason, so every caller loops.
 */
#ifndef CLIENT_PARK_H
#define CLIENT_PARK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PARK_FOR_EVER UINT64_MAX

/* Sleep while *word is `seen`, at most until nt_now() reaches `until`. FALSE: the time has passed. */
bool park_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t until);

/* Wake everyone who sleeps on the word. The memory may be gone by then: only its address is used. */
void park_wake(_Atomic uint32_t *word);

/* nt_now() in timeout_ms from now; PARK_FOR_EVER for SMARTCRD_NO_TIMEOUT. */
uint64_t park_until(uint32_t timeout_ms);

#endif
