/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is: the operations of one reader run one at a time, in the order of submission, over all its handles.
 * An operation keeps its turn until the driver has let go of it, also when its caller was told long before.
 */
#include "op.h"

/* queue_lock held for the three of them. */
static void unlink_op(struct reader *reader, struct op *op)
{
    *(op->queue_previous ? &op->queue_previous->queue_next : &reader->first) = op->queue_next;
    *(op->queue_next ? &op->queue_next->queue_previous : &reader->last) = op->queue_previous;
    op->queue_next = NULL;
    op->queue_previous = NULL;
    op->queued = false;
}

static void link_op(struct reader *reader, struct op *op, bool in_front)
{
    op->queue_previous = in_front ? NULL : reader->last;
    op->queue_next = in_front ? reader->first : NULL;
    *(op->queue_previous ? &op->queue_previous->queue_next : &reader->first) = op;
    *(op->queue_next ? &op->queue_next->queue_previous : &reader->last) = op;
    op->queued = true;
}

/* The next in line gets its turn. */
static struct op *take_first(struct reader *reader)
{
    struct op *op = reader->first;

    if (op)
        unlink_op(reader, op);
    reader->active = op;
    if (op && op->holder)
        reader->holder = op->holder;
    return op;
}

bool queue_enter(struct op *op)
{
    struct reader *reader = op->watch.reader;
    bool turn = false;
    bool claimed;

    pthread_mutex_lock(&reader->queue_lock);
    /* Claimed before it got here: its claimer did not find it in line and ends it, so it must not get in. */
    claimed = (atomic_load(&op->word) & OP_CLAIM) != 0;
    if (!claimed) {
        bool mine = reader->holder && reader->holder == op->holder;
        if (!reader->active && (mine || (!reader->holder && !reader->first))) {
            reader->active = op;
            if (op->holder)
                reader->holder = op->holder;
            turn = true;
        } else {
            /* An exchange's next one goes behind its predecessor, which the driver keeps, before everybody else. */
            link_op(reader, op, mine);
        }
    }
    pthread_mutex_unlock(&reader->queue_lock);
    if (claimed)
        op_unref(op);
    return turn;
}

bool queue_leave(struct op *op)
{
    struct reader *reader = op->watch.reader;
    bool was_in;

    pthread_mutex_lock(&reader->queue_lock);
    was_in = op->queued;
    if (was_in)
        unlink_op(reader, op);
    pthread_mutex_unlock(&reader->queue_lock);
    return was_in;
}

struct op *queue_next(struct op *op)
{
    struct reader *reader = op->watch.reader;
    struct op *next = NULL;

    pthread_mutex_lock(&reader->queue_lock);
    reader->active = NULL;
    if (!reader->holder || (reader->first && reader->first->holder == reader->holder))
        next = take_first(reader);
    pthread_mutex_unlock(&reader->queue_lock);
    return next;
}

bool queue_is_active(struct op *op)
{
    struct reader *reader = op->watch.reader;
    bool active;

    pthread_mutex_lock(&reader->queue_lock);
    active = reader->active == op;
    pthread_mutex_unlock(&reader->queue_lock);
    return active;
}

struct op *queue_release(struct reader *reader, const void *holder)
{
    struct op *next = NULL;

    pthread_mutex_lock(&reader->queue_lock);
    if (reader->holder == holder) {
        reader->holder = NULL;
        if (!reader->active)
            next = take_first(reader);
    }
    pthread_mutex_unlock(&reader->queue_lock);
    return next;
}
