/* SPDX-License-Identifier: MIT */
/* Opening and closing: a handle's own life and that of its file object. */
#include "op.h"

#include "park.h"

#include <stdlib.h>
#include <unistd.h>

/* How long smartcrd_close sleeps at a time while it waits for the last references to be given back. */
#define CLOSE_SLICE_NS 1000000u

/* How many numbers a handle takes of the context at a time. */
#define ID_BLOCK 64u

void handle_ref(struct smartcrd_handle *handle)
{
    atomic_fetch_add_explicit(&handle->refs, 1, memory_order_relaxed); /* whoever adds one has one */
}

uint64_t handle_next_id(struct smartcrd_handle *handle)
{
    /* Relaxed: a number only has to be unique. A block that two threads take at once is lost to one of them. */
    uint64_t last = atomic_load_explicit(&handle->last_id, memory_order_relaxed);
    uint64_t id;

    do {
        id = last % ID_BLOCK != 0
                 ? last
                 : atomic_fetch_add_explicit(&handle->context->last_id, ID_BLOCK, memory_order_relaxed);
        id++;
    } while (!atomic_compare_exchange_weak_explicit(&handle->last_id, &last, id, memory_order_relaxed,
                                                    memory_order_relaxed));
    return id;
}

/* Nothing of it is left: tell the driver, and free it. PASSIVE_LEVEL, outside driver code. */
static void close_file(struct smartcrd_handle *handle)
{
    struct reader *reader = handle->reader;

    if (handle->opened)
        query_file(&handle->form, IRP_MJ_CLOSE);
    free(atomic_load(&handle->cache));
    if (handle->buckets != handle->small)
        free(handle->buckets);
    pthread_mutex_destroy(&handle->lock);
    free(handle);
    reader_unpin(reader);
}

static void close_work(struct nt_work *item)
{
    close_file(CONTAINING_RECORD(item, struct smartcrd_handle, close));
}

void handle_unref(struct smartcrd_handle *handle, bool here)
{
    struct smartcrd *context = handle->context;
    bool simulated = context->options.simulated_time;
    bool closing = atomic_load(&handle->closing);
    /* Acquire and release: the last one sees everything that the others did with it. */
    uint32_t before = atomic_fetch_sub_explicit(&handle->refs, 1, memory_order_acq_rel);

    if (before != 1) {
        if (closing && before == 2)
            park_wake(&handle->refs, simulated); /* smartcrd_close may wait for this; only the address is used */
        return;
    }
    if (here) {
        close_file(handle);
        return;
    }
    handle->close.routine = close_work;
    if (context_defer(context, handle->reader->device, &handle->close))
        return;
    if (!NT_SUCCESS(nt_work_queue(context->host, &handle->close))) {
        handle->orphan = atomic_load(&context->orphans);
        while (!atomic_compare_exchange_weak(&context->orphans, &handle->orphan, handle))
            ;
    }
}

void handle_adopt_orphans(struct smartcrd *context)
{
    struct smartcrd_handle *handle = atomic_exchange(&context->orphans, NULL);

    while (handle) {
        struct smartcrd_handle *next = handle->orphan;
        close_file(handle);
        handle = next;
    }
}

void handle_enter(struct smartcrd_handle *handle)
{
    handle_ref(handle);
    pthread_mutex_lock(&handle->lock);
    handle->users++;
    pthread_mutex_unlock(&handle->lock);
}

void handle_leave(struct smartcrd_handle *handle)
{
    bool wake;

    pthread_mutex_lock(&handle->lock);
    handle->users--;
    wake = handle_touch(handle);
    pthread_mutex_unlock(&handle->lock);
    if (wake)
        park_wake(&handle->signal, handle->context->options.simulated_time);
    handle_unref(handle, false);
}

static void unlink_handle(struct smartcrd_handle *handle)
{
    pthread_mutex_lock(&handle->context->lock);
    RemoveEntryList(&handle->open);
    pthread_mutex_unlock(&handle->context->lock);
}

/* A handle on the pinned reader; the pin goes with it, into the handle or back. */
static NTSTATUS handle_create(struct reader *reader, struct smartcrd_handle **made)
{
    struct smartcrd *context = reader->context;
    struct smartcrd_handle *handle = calloc(1, sizeof(*handle));
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

    if (!handle)
        goto out;
    handle->context = context;
    handle->reader = reader;
    handle->number = atomic_fetch_add_explicit(&context->last_handle, 1, memory_order_relaxed) + 1;
    handle->file.Type = IO_TYPE_FILE;
    handle->file.Size = sizeof(FILE_OBJECT);
    handle->file.DeviceObject = reader->device;
    handle->buckets = handle->small;
    handle->bucket_count = HANDLE_FIRST_BUCKETS;
    handle->fd = -1;
    atomic_init(&handle->refs, 1);
    pthread_mutex_init(&handle->lock, NULL);

    pthread_mutex_lock(&context->lock);
    status = atomic_load(&reader->removed) ? STATUS_DEVICE_REMOVED : STATUS_SUCCESS;
    if (NT_SUCCESS(status))
        InsertHeadList(&reader->handles, &handle->open);
    pthread_mutex_unlock(&context->lock);
    if (!NT_SUCCESS(status))
        goto out;
    query_prepare(&handle->form, reader, &handle->file);
    status = query_file(&handle->form, IRP_MJ_CREATE);
    handle->opened = NT_SUCCESS(status);
    if (!NT_SUCCESS(status))
        unlink_handle(handle);
out:
    if (NT_SUCCESS(status))
        *made = handle;
    else if (handle)
        handle_unref(handle, true); /* a removal that found it in the list may still look at it */
    else
        reader_unpin(reader);
    return status;
}

NTSTATUS smartcrd_open(struct smartcrd *context, const char *name, struct smartcrd_handle **handle)
{
    struct reader *reader;
    struct nt_held before;
    NTSTATUS status;
    uint32_t last;

    if (!context || !name || !handle)
        return STATUS_INVALID_PARAMETER;
    *handle = NULL;
    handle_adopt_orphans(context);
    before = context_hold(context);
    status = reader_find(context, name, &reader);
    if (NT_SUCCESS(status))
        status = handle_create(reader, handle);
    /* The library shows where the reader's last error lives (lasterror.c); the answer does not matter here. */
    if (NT_SUCCESS(status))
        (void)query_ulong(&(*handle)->form, IOCTL_SMARTCARD_GET_LAST_ERROR, &last);
    context_release(before);
    return NT_SUCCESS(status) ? STATUS_SUCCESS : status;
}

static void cleanup_work(struct nt_work *item)
{
    struct smartcrd_handle *handle = CONTAINING_RECORD(item, struct smartcrd_handle, cleanup);

    query_file(&handle->form, IRP_MJ_CLEANUP);
    handle_unref(handle, true);
}

/*
 * IRP_MJ_CLEANUP, in which a driver ends what it still holds of this file. A driver that may block, and still holds
 * something, may block here too: then on a worker.
 */
static void cleanup(struct smartcrd_handle *handle)
{
    bool never_blocks = (handle->reader->device->Flags & DO_NEVER_BLOCKS) != 0;

    if (!never_blocks && atomic_load(&handle->refs) > 1) {
        handle->cleanup.routine = cleanup_work;
        handle_ref(handle);
        if (NT_SUCCESS(nt_work_queue(handle->context->host, &handle->cleanup)))
            return;
        handle_unref(handle, false);
    }
    query_file(&handle->form, IRP_MJ_CLEANUP);
}

/* Wait until every operation has ended and every call that is inside has left: within abandon_ms, but for a synchronous
 * call without a deadline that is itself inside a driver that blocks. Its thread leaves when the driver returns. */
static void wait_for_ends(struct smartcrd_handle *handle)
{
    pthread_mutex_lock(&handle->lock);
    while (handle->users > 0 || handle->pending > 0) {
        uint32_t seen = atomic_load_explicit(&handle->signal, memory_order_relaxed);
        handle->sleepers++;
        pthread_mutex_unlock(&handle->lock);
        park_wait(handle->context, &handle->signal, seen, PARK_FOR_EVER);
        pthread_mutex_lock(&handle->lock);
        handle->sleepers--;
    }
    pthread_mutex_unlock(&handle->lock);
}

void smartcrd_close(struct smartcrd_handle *handle)
{
    struct smartcrd *context;
    struct nt_held before;
    uint64_t until;
    uint32_t refs;

    if (!handle)
        return;
    context = handle->context;
    before = context_hold(context);
    atomic_store(&handle->closing, true);
    handle_claim_all(handle, OP_CANCEL);
    unlink_handle(handle);
    cleanup(handle);
    wait_for_ends(handle);
    done_drop_all(handle);
    /* What is about to come back (a completion routine's last lines) is waited for, so that the file is mostly closed
     * when this returns; what a driver keeps is not. */
    until = nt_time(context->host) + (uint64_t)context->options.abandon_ms * 1000000u;
    while ((refs = atomic_load(&handle->refs)) > 1) {
        uint64_t now = nt_time(context->host);
        if (now >= until)
            break;
        park_wait(context, &handle->refs, refs, now + CLOSE_SLICE_NS);
    }
    if (handle->fd >= 0)
        close(handle->fd);
    handle->fd = -1;
    handle_unref(handle, true);
    handle_adopt_orphans(context);
    context_release(before);
}

size_t smartcrd_journal(struct smartcrd_handle *handle, uint64_t since, struct smartcrd_journal_entry *entries,
                        size_t count)
{
    return handle && entries ? journal_read(&handle->reader->journal, since, entries, count) : 0;
}
