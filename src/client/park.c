/* SPDX-License-Identifier: MIT */
/* Sleeping until a word changes, on Linux futexes. The word's atomics carry the ordering; the kernel only keeps time. */
#include "park.h"

#include "context.h"

#include <errno.h>
#include <linux/futex.h>
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000u

uint64_t park_until(const struct smartcrd *context, uint32_t timeout_ms)
{
    return timeout_ms == SMARTCRD_NO_TIMEOUT ? PARK_FOR_EVER : nt_time(context->host) + (uint64_t)timeout_ms * 1000000u;
}

bool park_wait(struct smartcrd *context, _Atomic uint32_t *word, uint32_t seen, uint64_t until)
{
    struct timespec at = {0};
    struct timespec *limit = NULL;

    if (context->options.simulated_time)
        return nt_sleep(context->host, word, seen, until);
    if (until != PARK_FOR_EVER) {
        if (nt_now() >= until)
            return false;
        at.tv_sec = (time_t)(until / NS_PER_S);
        at.tv_nsec = (long)(until % NS_PER_S);
        limit = &at;
    }
    /* FUTEX_WAIT_BITSET takes an absolute time of the monotonic clock, which is the clock of nt_now. */
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, seen, limit, NULL, FUTEX_BITSET_MATCH_ANY) == -1)
        return errno != ETIMEDOUT;
    return true;
}

void park_wake(_Atomic uint32_t *word, bool simulated)
{
    if (simulated)
        nt_wake(word);
    else
        (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
