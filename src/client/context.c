/* SPDX-License-Identifier: MIT */
/* Contexts: a host, what it knows, and the clock for deadlines. */
#include "op.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_ABANDON_MS 10u
#define DEFAULT_ENTRIES    64u
#define MAX_ENTRIES        (1u << 20)

/* Members that the caller's version of the structure does not have are left at 0, the defaults. */
static bool take_options(struct smartcrd_options *mine, const struct smartcrd_options *theirs)
{
    memset(mine, 0, sizeof(*mine));
    if (theirs) {
        if (theirs->size < sizeof(theirs->size) || theirs->size > sizeof(*mine))
            return false;
        memcpy(mine, theirs, theirs->size);
    }
    mine->size = sizeof(*mine);
    if (mine->abandon_ms == 0)
        mine->abandon_ms = DEFAULT_ABANDON_MS;
    if (mine->journal_entries == 0)
        mine->journal_entries = DEFAULT_ENTRIES;
    return mine->reserved == 0 && mine->reserved_too == 0 && mine->journal_entries <= MAX_ENTRIES &&
           (mine->journal_entries & (mine->journal_entries - 1)) == 0;
}

NTSTATUS smartcrd_create(const struct smartcrd_options *options, struct smartcrd **made)
{
    struct smartcrd_options mine;
    struct smartcrd *context;
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

    if (!made)
        return STATUS_INVALID_PARAMETER;
    *made = NULL;
    if (!take_options(&mine, options))
        return STATUS_INVALID_PARAMETER;
    context = calloc(1, sizeof(*context));
    if (!context)
        return status;
    context->options = mine;
    InitializeListHead(&context->present);
    context->bucket_count = READER_BUCKETS;
    context->readers = calloc(context->bucket_count, sizeof(*context->readers));
    if (!context->readers || !deadlines_create(&context->deadlines, context))
        goto out;
    status = nt_host_create(&context->host);
    if (!NT_SUCCESS(status)) {
        deadlines_destroy(&context->deadlines);
        goto out;
    }
    if (mine.simulated_time)
        nt_host_simulate(context->host);
    if (mine.verify && !nt_host_verify(context->host, smartcrd_code_name)) {
        nt_host_destroy(context->host);
        deadlines_destroy(&context->deadlines);
        status = STATUS_INSUFFICIENT_RESOURCES;
        goto out;
    }
    pthread_mutex_init(&context->lock, NULL);
    pthread_cond_init(&context->changed, NULL);
    *made = context;
    return STATUS_SUCCESS;
out:
    free(context->readers);
    free(context);
    return status;
}

void smartcrd_destroy(struct smartcrd *context)
{
    if (!context)
        return;
    readers_remove_all(context);
    /* Unloads the drivers and joins the threads, the clock's among them: nothing of ours runs afterwards. */
    nt_host_destroy(context->host);
    while (context->drivers) {
        struct driver *driver = context->drivers;
        context->drivers = driver->next;
        free(driver);
    }
    deadlines_destroy(&context->deadlines);
    pthread_cond_destroy(&context->changed);
    pthread_mutex_destroy(&context->lock);
    free(context->readers);
    free(context);
}

uint64_t smartcrd_now(const struct smartcrd *context)
{
    return context ? nt_time(context->host) : nt_now();
}

bool smartcrd_advance(struct smartcrd *context, uint64_t limit_ns, uint64_t *passed_ns)
{
    uint64_t passed = 0;
    bool ran = context && nt_advance(context->host, limit_ns, &passed);

    if (passed_ns)
        *passed_ns = passed;
    return ran;
}
