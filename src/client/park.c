/* SPDX-License-Identifier: MIT */
/* Sleeping until a word changes, on Linux futexes. The word's atomics carry the ordering; the kernel only keeps time. */
#include "park.h"

#include "context.h"

#include "../nt/futex.h"

#include <limits.h>

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
    return nt_futex_wait(word, seen, limit);
}

void park_wake(_Atomic uint32_t *word, bool simulated)
{
    if (simulated)
        nt_wake(word);
    else
        nt_futex_wake(word, INT_MAX);
}
