/* SPDX-License-Identifier: MIT */
/* The heap of operations whose time will pass, and the timer behind it. What passes is op_expired's business (op.c). */
#include "op.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16u
#define NOT_SET    UINT64_MAX

/* Equal ones in the order of submission. */
static bool earlier(const struct op *a, const struct op *b)
{
    return a->due != b->due ? a->due < b->due : a->id < b->id;
}

static void heap_put(struct deadlines *d, uint32_t index, struct op *op)
{
    d->heap[index] = op;
    op->heap_index = index;
}

static void heap_up(struct deadlines *d, uint32_t index)
{
    struct op *op = d->heap[index];

    while (index > 1 && earlier(op, d->heap[index / 2])) {
        heap_put(d, index, d->heap[index / 2]);
        index /= 2;
    }
    heap_put(d, index, op);
}

static void heap_down(struct deadlines *d, uint32_t index)
{
    struct op *op = d->heap[index];

    for (uint32_t child = index * 2; child <= d->count; child = index * 2) {
        if (child < d->count && earlier(d->heap[child + 1], d->heap[child]))
            child++;
        if (!earlier(d->heap[child], op))
            break;
        heap_put(d, index, d->heap[child]);
        index = child;
    }
    heap_put(d, index, op);
}

static void heap_remove(struct deadlines *d, struct op *op)
{
    uint32_t index = op->heap_index;
    struct op *last = d->heap[d->count--];

    op->heap_index = 0;
    if (last == op)
        return;
    heap_put(d, index, last);
    heap_up(d, index);
    heap_down(d, last->heap_index);
}

static bool heap_add(struct deadlines *d, struct op *op)
{
    if (d->count + 1 >= d->room) {
        struct op **heap = NULL;
        if (d->room <= UINT32_MAX / 2)
            heap = realloc(d->heap, (size_t)d->room * 2 * sizeof(struct op *));
        if (!heap)
            return false;
        d->heap = heap;
        d->room *= 2;
    }
    heap_put(d, ++d->count, op);
    heap_up(d, d->count);
    return true;
}

/* Set the timer for the earliest, unless it fires before that anyway. */
static void timer_set(struct deadlines *d)
{
    struct nt_host *before;
    LARGE_INTEGER due;
    uint64_t now;

    if (d->count == 0 || d->heap[1]->due >= d->set_for)
        return;
    d->set_for = d->heap[1]->due;
    now = nt_time(d->context->host);
    /* Negative: from now, in 100 ns; rounded up, so that the time has passed when it fires. */
    due.QuadPart = d->set_for > now ? -(LONGLONG)((d->set_for - now + 99) / 100) : -1;
    before = nt_enter(d->context->host);
    KeSetTimer(&d->timer, due, &d->dpc);
    nt_enter(before);
}

static VOID timer_fired(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct deadlines *d = context;

    (void)dpc;
    (void)argument1;
    (void)argument2;
    pthread_mutex_lock(&d->lock);
    d->set_for = NOT_SET;
    while (d->count > 0 && d->heap[1]->due <= nt_time(d->context->host)) {
        struct op *op = d->heap[1];
        heap_remove(d, op);
        pthread_mutex_unlock(&d->lock);
        op_expired(op);
        pthread_mutex_lock(&d->lock);
    }
    timer_set(d);
    pthread_mutex_unlock(&d->lock);
}

bool deadlines_create(struct deadlines *d, struct smartcrd *context)
{
    struct nt_host *before;

    d->context = context;
    d->heap = malloc(FIRST_ROOM * sizeof(struct op *));
    if (!d->heap)
        return false;
    d->room = FIRST_ROOM;
    d->count = 0;
    d->set_for = NOT_SET;
    pthread_mutex_init(&d->lock, NULL);
    before = nt_enter(NULL); /* not in the host of a driver that makes a context */
    KeInitializeTimer(&d->timer);
    KeInitializeDpc(&d->dpc, timer_fired, d);
    nt_enter(before);
    return true;
}

void deadlines_destroy(struct deadlines *d)
{
    pthread_mutex_destroy(&d->lock);
    free(d->heap);
}

/* It has ended, or is claimed, and then only its claimer still sets the clock. */
static bool is_too_late(struct op *op, uint64_t due)
{
    uint32_t word = atomic_load(&op->word);

    return (word & OP_ENDED) || ((word & OP_CLAIM) && atomic_load(&op->abandon_at) != due);
}

bool deadline_set(struct deadlines *d, struct op *op, uint64_t due)
{
    bool done = true;

    pthread_mutex_lock(&d->lock);
    /* Under the lock: either this sees the end, or the end's deadline_drop sees what is added here. The same holds for a
     * claim, and what its claimer sets. */
    if (!is_too_late(op, due)) {
        op->due = due;
        if (op->heap_index != 0) {
            heap_up(d, op->heap_index);
            heap_down(d, op->heap_index);
        } else {
            done = heap_add(d, op);
            if (done)
                op_ref(op);
        }
        timer_set(d);
    }
    pthread_mutex_unlock(&d->lock);
    return done;
}

void deadline_drop(struct deadlines *d, struct op *op)
{
    bool was_in = false;

    pthread_mutex_lock(&d->lock);
    if (op->heap_index != 0) {
        heap_remove(d, op);
        was_in = true;
    }
    pthread_mutex_unlock(&d->lock);
    if (was_in)
        op_unref(op);
}
