/* SPDX-License-Identifier: MIT */
/*
 * The client's objects that outlive a request: contexts and readers. A handle is in handle.h, a request in op.h.
 *
 * Locks, in the order in which they may be taken (none is held while driver code runs):
 *   context.lock -> reader.end_lock, the host's namespace lock
 *   handle.lock  -> reader.end_lock, reader.queue_lock
 *   deadlines.lock -> the host's clock lock
 */
#ifndef CLIENT_CONTEXT_H
#define CLIENT_CONTEXT_H

#include "deadline.h"
#include "journal.h"

#include "../nt/nt.h"

#include <smartcrd/smartcrd.h>

#include <pthread.h>
#include <stdatomic.h>

#define DRIVER_NAME_SIZE 32
#define READER_BUCKETS   64 /* at first; a power of two */

struct op;
struct smartcrd_handle;

struct driver {
    struct driver *next;
    struct nt_driver *nt; /* NULL while it is being loaded */
    unsigned busy;        /* readers being added; it is not unloaded then */
    bool unloading;
    char name[DRIVER_NAME_SIZE];
};

/*
 * A device that somebody opened or added: a reader, or another device of its driver (a panel). It exists from then
 * until the device is gone.
 */
struct reader {
    struct smartcrd *context;
    PDEVICE_OBJECT device;
    _Atomic bool removed; /* set once; no new request goes to the driver afterwards */

    /* Guarded by context->lock. */
    struct reader *next;   /* in its bucket */
    LIST_ENTRY present;    /* until it is marked as removed: in context->present, or in its parent's list */
    LIST_ENTRY panel_list; /* those that call this one their parent and are not marked as removed */
    struct reader *parent; /* a panel's reader, which holds the device; pinned. NULL: none */
    LIST_ENTRY handles;    /* open ones; a removal puts those it has seen at the end */
    unsigned pins;         /* presence, handles, panels, look-ups; the device goes with the last one */
    struct driver *driver; /* that added it with AddDevice; NULL: DriverEntry made the device */
    bool taken;            /* removed, and whoever did it has looked at `driver` for the last time */
    unsigned panels;       /* how many call this one their parent */
    char driver_name[DRIVER_NAME_SIZE];
    char name[SMARTCRD_NAME_MAX]; /* of one that was added; else empty */

    /* The order of operations. Taken briefly, also at DISPATCH_LEVEL; nothing else is taken while it is held. */
    pthread_mutex_t queue_lock;
    struct op *active;       /* the one operation that has its turn, until its driver has returned; NULL: idle */
    struct op *first, *last; /* those that wait */
    const void *holder;      /* who runs an exchange of several operations (apdu.c), between which no other may come */

    /* The end of operations: guards the value that GET_LAST_ERROR answers and the journal. Taken briefly, also at
     * DISPATCH_LEVEL, never by a query; nothing else is taken while it is held. */
    pthread_mutex_t end_lock;
    _Atomic(volatile ULONG *) cell; /* SMARTCARD_EXTENSION.LastError, or `shadow`; written under end_lock */
    ULONG shadow;                   /* stands in for the cell before it is known and after the device has gone */
    ULONG known;                    /* what was stored last */
    bool sealed;                    /* the device is going: the cell stays `shadow` */
    struct journal journal;
};

struct smartcrd {
    struct nt_host *host;
    struct smartcrd_options options;
    _Atomic uint64_t last_id; /* a multiple of ID_BLOCK (handle.c) */
    _Atomic uint32_t last_handle;
    struct deadlines deadlines;

    pthread_mutex_t lock; /* guards everything below; taken at PASSIVE_LEVEL only */
    pthread_cond_t changed;
    struct driver *drivers;
    struct reader **readers; /* by device */
    size_t bucket_count, reader_count;
    LIST_ENTRY present; /* the readers that are not marked as removed, panels apart, in the order of their coming */
    _Atomic(struct smartcrd_handle *) orphans; /* last references that found no thread to close on (handle.c) */
};

/* ---- handle.c ---- */

/* Close the handles whose last reference found no thread to do it on. PASSIVE_LEVEL, outside driver code. */
void handle_adopt_orphans(struct smartcrd *context);

/* ---- driver.c ---- */

/* The driver of that name; NULL: none. context->lock held. */
struct driver *driver_find(struct smartcrd *context, const char *name);

/* ---- builtin.c ---- */

struct builtin_driver {
    const char *name;
    PDRIVER_INITIALIZE entry;
};
extern const struct builtin_driver builtin_drivers[]; /* ends with a NULL name */

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* In simulated time the calling thread is at work in the context from here to there, and nobody moves the clock past it
 * (nt.h). In real time this does nothing. */
static inline struct nt_held context_hold(const struct smartcrd *context)
{
    return context->options.simulated_time ? nt_hold(context->host) : (struct nt_held){.host = NULL};
}

static inline void context_release(struct nt_held before)
{
    if (before.holds) /* no look at the context, which may be gone in real time: another thread closed the handle */
        nt_release(before);
}

/* In simulated time, for a driver that never blocks: have this thread run it, later in the call that it is inside.
 * FALSE: it needs a worker. */
static inline bool context_defer(const struct smartcrd *context, PDEVICE_OBJECT device, struct nt_work *item)
{
    return context->options.simulated_time && (device->Flags & DO_NEVER_BLOCKS) && nt_defer(context->host, item);
}

/* ---- reader.c ---- */

/*
 * The reader of that name, pinned. STATUS_OBJECT_NAME_NOT_FOUND, STATUS_DEVICE_REMOVED (it is going),
 * STATUS_INSUFFICIENT_RESOURCES.
 */
NTSTATUS reader_find(struct smartcrd *context, const char *name, struct reader **reader);

/* Give a pin back; with the last one the device goes. PASSIVE_LEVEL, outside driver code. */
void reader_unpin(struct reader *reader);

/* Take one away by its device: smartcrd_remove_reader for one whose name is not known. */
void reader_take_away(struct smartcrd *context, PDEVICE_OBJECT device);

/* Take every reader away and wait until all have gone. */
void readers_remove_all(struct smartcrd *context);

/* Forget the readers whose devices a driver made in DriverEntry, when none is open. false: one is. context->lock held. */
bool readers_forget(struct smartcrd *context, const char *driver);

#endif
