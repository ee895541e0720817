/* SPDX-License-Identifier: MIT */
/*
 * An open reader: its file object for the driver, its requests by number, and its completions.
 *
 * A handle lives as long as it is open or an operation of it exists, so that an operation that a driver does not give
 * back still has a file object; IRP_MJ_CLOSE follows the last of them.
 */
#ifndef CLIENT_HANDLE_H
#define CLIENT_HANDLE_H

#include "context.h"

#define HANDLE_FIRST_BUCKETS 4u

#define QUERY_STACK_SIZE 4 /* device stacks this deep need no allocation for a query */

/* A request on somebody's stack. */
struct query_irp {
    IRP irp;
    IO_STACK_LOCATION locations[QUERY_STACK_SIZE];
};

/* What all queries of one file have in common (query.c). */
struct query_form {
    struct reader *reader;
    FILE_OBJECT *file;
    USHORT size;
    IRP irp;
    IO_STACK_LOCATION locations[QUERY_STACK_SIZE]; /* behind irp, as in every request */
};

struct smartcrd_handle {
    struct smartcrd *context;
    struct reader *reader;
    uint32_t number;
    FILE_OBJECT file;
    struct query_form form; /* constant once it is open */
    _Atomic uint32_t refs;
    _Atomic uint64_t last_id;   /* of its block of numbers (handle_next_id) */
    _Atomic(struct op *) cache; /* one operation's memory for the next, so that the usual case allocates nothing */
    _Atomic uint32_t signal;    /* parked on by reapers and by smartcrd_close; changes when they should look again */
    _Atomic bool closing;
    bool opened;     /* the driver agreed to IRP_MJ_CREATE, so that it is owed an IRP_MJ_CLOSE */
    LIST_ENTRY open; /* in its reader's list; guarded by context->lock */
    struct smartcrd_handle *orphan;
    bool swept;                    /* seen by the removal under way; guarded by context->lock */
    struct nt_work cleanup, close; /* for when IRP_MJ_CLEANUP and IRP_MJ_CLOSE need a thread */

    /* Everything below. Taken briefly, also at DISPATCH_LEVEL; the reader's end_lock and queue_lock may be taken while it
     * is held. */
    pthread_mutex_t lock;
    struct op **buckets; /* requests in flight or waiting to be reaped, by number */
    uint32_t bucket_count, op_count;
    struct op *small[HANDLE_FIRST_BUCKETS];
    struct op *done_first, *done_last; /* completions in the order of endings */
    uint32_t pending;                  /* operations whose completion is still to come to the list */
    uint32_t users;                    /* calls that are inside: smartcrd_control, smartcrd_submit, handle_enter's */
    uint32_t sleepers;                 /* threads parked on `signal` */
    int fd;                            /* -1: nobody asked for it */
    bool fd_set;                       /* it is readable */
};

/* A reference more; one less, and with the last one the file is closed: on this thread when `here`, else on a worker. */
void handle_ref(struct smartcrd_handle *handle);
void handle_unref(struct smartcrd_handle *handle, bool here);

/* The number of a new request. The context gives them out in blocks, so that readers on several processors write to no
 * cache line in common. */
uint64_t handle_next_id(struct smartcrd_handle *handle);

/* A call that makes several requests is inside from here to there: smartcrd_close waits for it between them too. */
void handle_enter(struct smartcrd_handle *handle);
void handle_leave(struct smartcrd_handle *handle);

/* ---- complete.c: the table of requests and the list of completions; handle->lock held for all ---- */

void table_add(struct smartcrd_handle *handle, struct op *op);
struct op *table_find(struct smartcrd_handle *handle, uint64_t id);
void table_remove(struct smartcrd_handle *handle, struct op *op);

void done_add(struct smartcrd_handle *handle, struct op *op);
void done_remove(struct smartcrd_handle *handle, struct op *op);

/* After a change of the list: bring the descriptor in line. */
void done_signal_fd(struct smartcrd_handle *handle);

/* Drop every completion. Takes the lock itself. */
void done_drop_all(struct smartcrd_handle *handle);

/* Let those who are parked on the handle look again: with the lock held; true: after it is released, call park_wake for
 * handle->signal. */
bool handle_touch(struct smartcrd_handle *handle);

/* ---- cancel.c ---- */

/* Claim everything in flight for `claim` (op.h). Returns how many were won. */
size_t handle_claim_all(struct smartcrd_handle *handle, uint32_t claim);

#endif
