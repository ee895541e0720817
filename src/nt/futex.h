/* SPDX-License-Identifier: MIT */
/*
 * Sleeping on a word, as Linux does it (futex(2)): where the host's clock and the client's threads sleep. A condition
 * variable of the C library would do the same with more system calls: it leaves its mutex marked as contended, so that
 * the one who woke up makes one for nothing when he lets it go. The word's own atomics carry the ordering; the kernel
 * only looks whether it is too late to sleep.
 */
#ifndef SMARTCRD_NT_FUTEX_H
#define SMARTCRD_NT_FUTEX_H

#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleep while *word is `seen`, at most until the monotonic clock (nt_now) reaches `until`; NULL: no limit. May return for
 * no reason. false: the time has passed. */
static inline bool nt_futex_wait(const void *word, uint32_t seen, const struct timespec *until)
{
    /* Of the waits only this one takes an absolute time of the monotonic clock. */
    return syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, seen, until, NULL, FUTEX_BITSET_MATCH_ANY) == 0 ||
           errno != ETIMEDOUT;
}

/* Wake so many of those who sleep on the word. Only its address is used: the memory may be gone. */
static inline void nt_futex_wake(const void *word, int count)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

#endif
