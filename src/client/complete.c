/* SPDX-License-Identifier: MIT */
/*
 * Completions: the table of a handle's requests by number, the list of those that ended, the descriptor that says
 * whether the list is empty, and reaping. Everything under the handle's lock.
 */
#include "op.h"

#include "park.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- the table --------------------------------------------------------------------------------------------------- */

static struct op **bucket_of(struct smartcrd_handle *handle, uint64_t id)
{
    return &handle->buckets[id & (handle->bucket_count - 1)];
}

/* Twice as many buckets; without memory it stays as it is, only slower. */
static void table_grow(struct smartcrd_handle *handle)
{
    uint32_t count = handle->bucket_count * 2;
    struct op **old = handle->buckets;
    uint32_t old_count = handle->bucket_count;
    struct op **buckets = count > old_count ? calloc(count, sizeof(struct op *)) : NULL;

    if (!buckets)
        return;
    handle->buckets = buckets;
    handle->bucket_count = count;
    for (uint32_t i = 0; i < old_count; i++) {
        while (old[i]) {
            struct op *op = old[i];
            old[i] = op->table_next;
            op->table_next = *bucket_of(handle, op->id);
            *bucket_of(handle, op->id) = op;
        }
    }
    if (old != handle->small)
        free(old);
}

void table_add(struct smartcrd_handle *handle, struct op *op)
{
    if (handle->op_count >= handle->bucket_count)
        table_grow(handle);
    op->table_next = *bucket_of(handle, op->id);
    *bucket_of(handle, op->id) = op;
    handle->op_count++;
}

struct op *table_find(struct smartcrd_handle *handle, uint64_t id)
{
    struct op *op = *bucket_of(handle, id);

    while (op && op->id != id)
        op = op->table_next;
    return op;
}

void table_remove(struct smartcrd_handle *handle, struct op *op)
{
    struct op **link = bucket_of(handle, op->id);

    while (*link != op)
        link = &(*link)->table_next;
    *link = op->table_next;
    handle->op_count--;
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

void done_add(struct smartcrd_handle *handle, struct op *op)
{
    op->done_previous = handle->done_last;
    op->done_next = NULL;
    *(op->done_previous ? &op->done_previous->done_next : &handle->done_first) = op;
    handle->done_last = op;
}

void done_remove(struct smartcrd_handle *handle, struct op *op)
{
    *(op->done_previous ? &op->done_previous->done_next : &handle->done_first) = op->done_next;
    *(op->done_next ? &op->done_next->done_previous : &handle->done_last) = op->done_previous;
}

void done_signal_fd(struct smartcrd_handle *handle)
{
    bool wanted = handle->done_first != NULL;
    uint64_t count = 1;

    if (handle->fd < 0 || handle->fd_set == wanted)
        return;
    /* An eventfd of ours alone, not blocking: its count goes from 0 to 1 and back. */
    ssize_t size = wanted ? write(handle->fd, &count, sizeof(count)) : read(handle->fd, &count, sizeof(count));
    if (size == (ssize_t)sizeof(count))
        handle->fd_set = wanted;
}

void done_drop_all(struct smartcrd_handle *handle)
{
    struct op *op;

    do {
        pthread_mutex_lock(&handle->lock);
        op = handle->done_first;
        if (op) {
            done_remove(handle, op);
            table_remove(handle, op);
        }
        done_signal_fd(handle);
        pthread_mutex_unlock(&handle->lock);
        if (op)
            op_unref(op);
    } while (op);
}

bool handle_touch(struct smartcrd_handle *handle)
{
    if (handle->sleepers == 0)
        return false;
    /* Relaxed: the lock orders it; the kernel compares the value only to find out whether it is too late to sleep. */
    atomic_fetch_add_explicit(&handle->signal, 1, memory_order_relaxed);
    return true;
}

int smartcrd_fd(struct smartcrd_handle *handle)
{
    int fd;

    if (!handle)
        return -1;
    pthread_mutex_lock(&handle->lock);
    if (handle->fd < 0) {
        handle->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        done_signal_fd(handle);
    }
    fd = handle->fd;
    pthread_mutex_unlock(&handle->lock);
    return fd;
}

/* ---- reaping ----------------------------------------------------------------------------------------------------- */

/* Find a completion. STATUS_PENDING: one can still come. id 0: any. Lock held. */
static NTSTATUS take(struct smartcrd_handle *handle, uint64_t id, struct op **op)
{
    *op = id == 0 ? handle->done_first : table_find(handle, id);
    if (id == 0 && !*op)
        return handle->pending > 0 ? STATUS_PENDING : STATUS_NO_MORE_ENTRIES;
    if (!*op || (*op)->delivery == OP_DELIVER_CALLER)
        return STATUS_NOT_FOUND;
    if (!(*op)->finished)
        return STATUS_PENDING;
    done_remove(handle, *op);
    table_remove(handle, *op);
    done_signal_fd(handle);
    return STATUS_SUCCESS;
}

static NTSTATUS reap(struct smartcrd_handle *handle, uint64_t id, struct smartcrd_completion *completion,
                     uint32_t timeout_ms)
{
    uint64_t until = timeout_ms == 0 ? 0 : park_until(handle->context, timeout_ms);
    bool in_time = timeout_ms != 0;
    bool wake = false;
    struct op *op;
    NTSTATUS status;

    pthread_mutex_lock(&handle->lock);
    for (;;) {
        status = take(handle, id, &op);
        if (status != STATUS_PENDING || !in_time)
            break;
        uint32_t seen = atomic_load_explicit(&handle->signal, memory_order_relaxed);
        handle->sleepers++;
        pthread_mutex_unlock(&handle->lock);
        in_time = park_wait(handle->context, &handle->signal, seen, until);
        pthread_mutex_lock(&handle->lock);
        handle->sleepers--;
    }
    /* Others who wait for the last one must learn that none can come any more. */
    if (status == STATUS_SUCCESS)
        wake = handle_touch(handle);
    pthread_mutex_unlock(&handle->lock);
    if (wake)
        park_wake(&handle->signal, handle->context->options.simulated_time);
    if (status == STATUS_SUCCESS) {
        op_deliver(op, completion);
        op_unref(op);
    }
    return status == STATUS_PENDING ? STATUS_TIMEOUT : status;
}

NTSTATUS smartcrd_reap(struct smartcrd_handle *handle, struct smartcrd_completion *completion, uint32_t timeout_ms)
{
    if (!handle || !completion)
        return STATUS_INVALID_PARAMETER;
    return reap(handle, 0, completion, timeout_ms);
}

NTSTATUS smartcrd_reap_one(struct smartcrd_handle *handle, uint64_t id, struct smartcrd_completion *completion,
                           uint32_t timeout_ms)
{
    if (!handle || !completion)
        return STATUS_INVALID_PARAMETER;
    if (id == 0)
        return STATUS_NOT_FOUND;
    return reap(handle, id, completion, timeout_ms);
}
