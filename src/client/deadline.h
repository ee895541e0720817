/* SPDX-License-Identifier: MIT */
/*
 * When an operation's time has passed: its deadline, and, once it has been claimed (op.h), the moment at which its
 * caller is told all the same. A heap of operations and one timer of the host, set for the earliest of them. The timer
 * is not taken back when that one ends early: it fires once for nothing, which is cheaper than setting it each time.
 */
#ifndef CLIENT_DEADLINE_H
#define CLIENT_DEADLINE_H

#include "../nt/nt.h"

#include <pthread.h>
#include <stdbool.h>

struct op;
struct smartcrd;

struct deadlines {
    struct smartcrd *context; /* whose host's clock it is */
    pthread_mutex_t lock; /* guards all of this and op.due, op.heap_index; the host's clock lock is taken inside it */
    struct op **heap;     /* earliest first; [0] is not used */
    uint32_t count, room;
    uint64_t set_for; /* when the timer fires; UINT64_MAX: not set */
    KTIMER timer;
    KDPC dpc;
};

bool deadlines_create(struct deadlines *deadlines, struct smartcrd *context);

/* The timer's thread has ended or will never fire again. */
void deadlines_destroy(struct deadlines *deadlines);

/*
 * Have op_expired called with the operation at `due` (nanoseconds of the context's clock) instead of whatever was asked
 * before; does nothing when it has ended, nor when it is claimed and `due` is not its abandon_at. The heap holds a
 * reference. false: no memory, nothing will be called.
 */
bool deadline_set(struct deadlines *deadlines, struct op *op, uint64_t due);

/* Forget the operation, which has ended. */
void deadline_drop(struct deadlines *deadlines, struct op *op);

#endif
