/* SPDX-License-Identifier: MIT */
/*
 * What the host's rooms share: the host itself, its drivers and devices, and the few functions that one room calls of
 * another. Nobody outside src/nt includes this.
 *
 * Locks, in the order in which they may be taken (a later one while an earlier one is held, never the other way):
 *   names_lock -> (nothing)      drivers, device objects, links, interfaces
 *   clock_lock -> threads_lock, a parking bucket's lock, a parker's lock      timers and queued DPCs, simulated time
 *   work_lock -> threads_lock    work queue and its workers' count
 *   threads_lock -> (nothing)    the host's threads
 *   a parking bucket's lock -> a parker's lock (wait.c)
 *   the verifier's (verify/verify.h) -> (nothing)   taken while any of the above may be held
 * No driver code is ever called with one of them held. nt_walk's visitor is called with names_lock held.
 */
#ifndef SMARTCRD_NT_INTERNAL_H
#define SMARTCRD_NT_INTERNAL_H

#include "nt.h"

#include <pthread.h>
#include <stdbool.h>

#define NAME_BYTES_MAX  255 /* an object's full name */
#define DRIVER_NAME_MAX 32  /* with its NUL */

/* ---- threads (thread.c) ------------------------------------------------------------------------------------------ */

/* Where a thread sleeps while it waits. It belongs to its thread; the flags below `lock` are guarded by it. */
struct parker {
    bool ready; /* lock and wake are initialised; the owning thread's own */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool woken;
    bool due;                    /* in simulated time: the wait's time has come */
    struct nt_host *idle_in;     /* it sleeps in this host's simulated time and is not counted there; else NULL */
    struct parker *next, **link; /* of the host's sleepers; guarded by clock_lock */
};

/* The calling thread's. */
struct parker *parker_get(void);

/*
 * A thread as KeGetCurrentThread sees it. One of PsCreateSystemThread is on the heap, counted, and a dispatcher object;
 * any other thread's is thread-local.
 */
struct nt_thread {
    DISPATCHER_HEADER header; /* first: a PKTHREAD is waited for like any dispatcher object */
    LONG references;          /* atomic */
    struct parker parker;
    PKSTART_ROUTINE routine;
    PVOID context;
    struct nt_driver *watched; /* whose it is, when that driver is watched; else NULL */
    void *leave;               /* the jmp_buf that PsTerminateSystemThread returns through; NULL on foreign threads */
};

struct nt_thread *nt_self(void);

/* One operating system thread of a host: joined by a later one that ends, or by the host's end. */
struct os_thread {
    struct os_thread *next;
    pthread_t id;
    struct nt_host *host;
    void (*routine)(void *argument);
    void *argument;
};

/* Start a thread inside the host, all signals blocked. STATUS_INSUFFICIENT_RESOURCES. */
NTSTATUS os_thread_start(struct nt_host *host, void (*routine)(void *argument), void *argument);

/* Wait until all threads of the host but `leave` have ended, and join those. */
void os_thread_join(struct nt_host *host, size_t leave);

/* ---- names, drivers, devices (namespace.c, driver.c, device.c, interface.c) --------------------------------------- */

enum name_kind { NAME_DEVICE, NAME_LINK, NAME_INTERFACE };

/* An entry of the namespace. Names are kept as UTF-8, "\DosDevices\X" as "\??\X", and compared case-insensitively. */
struct name {
    struct name *next; /* in its hash chain */
    uint32_t hash;
    enum name_kind kind;
    PDEVICE_OBJECT device;    /* NAME_DEVICE: what it names; NAME_INTERFACE: the physical device; NAME_LINK: NULL */
    struct name *sibling;     /* NAME_INTERFACE: the device's next one */
    GUID class_guid;          /* NAME_INTERFACE */
    bool enabled;             /* NAME_INTERFACE */
    struct name *target_next; /* NAME_LINK: in the chain of links whose targets have the same hash */
    uint32_t target_hash;
    uint16_t target_offset; /* NAME_LINK: where in text the target begins */
    uint64_t order;         /* the oldest link to a device is the one under which it is listed */
    char text[];            /* name, NUL, and for a link its target, NUL */
};

struct nt_device {
    LIST_ENTRY all; /* in host->devices, in order of creation */
    struct nt_host *host;
    struct nt_driver *driver;
    PDEVICE_OBJECT object;
    PDEVICE_OBJECT lower;                       /* the one that this one is attached to */
    PDEVICE_OBJECT newer;                       /* the one before it in the driver's list; NULL: it is the first */
    struct name *name;                          /* NULL: unnamed */
    struct name *link;                          /* the symbolic link under which it is listed; NULL: none */
    struct name *interfaces;                    /* of a physical device */
    LONG references;                            /* atomic; the driver's own one is given back by IoDeleteDevice */
    size_t extension_size;                      /* of the driver's extension */
    uint32_t number;                            /* unique among the driver's devices, never used again */
    struct nt_device **hidden_in, *hidden_next; /* the list of those that nt_device_add is making; NULL: it is over */
    bool deleted;
};

struct nt_driver {
    DRIVER_OBJECT object;
    DRIVER_EXTENSION extension;
    struct nt_driver *next; /* in host->drivers, newest first; guarded by names_lock */
    struct nt_host *host;
    void *library;                /* of dlopen; NULL: linked in */
    bool hidden;                  /* being loaded or unloaded: nobody finds its devices; guarded by names_lock */
    uint32_t next_number;         /* guarded by names_lock */
    void *by_number;              /* tsearch's: its struct nt_device; guarded by names_lock */
    LONG devices;                 /* atomic; device objects that are not freed yet */
    struct verify_driver *verify; /* NULL: it is not watched */
    char name[DRIVER_NAME_MAX];
};

struct nt_host {
    pthread_mutex_t names_lock; /* guards everything up to clock_lock */
    struct name **buckets;      /* by name */
    struct name **targets;      /* the links among them, by target; as many chains */
    size_t bucket_count, name_count;
    uint64_t name_order;
    struct nt_driver *drivers;
    struct nt_driver *root; /* the bus on which nt_device_add finds its physical devices */
    LIST_ENTRY devices;

    pthread_mutex_t clock_lock; /* guards everything up to work_lock, and every KTIMER and KDPC of this host */
    uint32_t clock_asleep;      /* atomic: 1 while the clock thread sleeps on it (futex.h) or is about to */
    pthread_cond_t clock_idle;  /* a DPC has returned, or a thread that was held has left */
    PKTIMER first_timer;        /* the earliest of those that are set, and the top of their heap; or NULL */
    LIST_ENTRY dpcs;
    ULONGLONG timer_order, dpc_order;
    ULONGLONG dpc_running; /* the order number of the DPC that runs; 0: none does */
    bool clock_running, clock_stop;

    bool simulated;          /* constant once the host is in use; what follows is simulate.c's */
    uint64_t now;            /* atomic, written under clock_lock */
    struct parker *sleepers; /* in a wait; guarded by clock_lock */
    size_t held;             /* threads between nt_hold and nt_release; guarded by clock_lock */
    size_t busy, outside;    /* atomic: threads at work */
    uint64_t outside_since;  /* atomic: when in real time the last of `outside` came */

    pthread_mutex_t work_lock; /* guards everything up to threads_lock */
    uint32_t work_calls;       /* atomic: one more with each time that workers are woken; they sleep on it (futex.h) */
    struct nt_work *work_first, **work_last;
    size_t work_waiting; /* items in the queue */
    size_t work_items;   /* drivers' that are allocated: while there is one, a worker stays */
    KTIMER work_retry;   /* set while work waits for a thread that was not to be had */
    KDPC work_retry_dpc;
    size_t workers_idle;
    size_t workers;
    bool work_stop;

    pthread_mutex_t threads_lock; /* guards everything up to ports */
    pthread_cond_t threads_ended;
    struct os_thread *ended; /* to be joined */
    size_t running;

    const struct host_ports *ports; /* atomic; NULL: there are none */
    struct verify *verify;          /* constant once the host is in use; NULL: drivers are not watched */
};

/* The calling thread's host; ends the process, naming `function`, when there is none. */
struct nt_host *nt_current(const char *function);

/* A condition variable that measures time with the monotonic clock. */
bool nt_cond_init(pthread_cond_t *cond);
struct timespec nt_timespec(uint64_t nanoseconds);

/* Times from here on never come. */
#define CLOCK_NEVER ((uint64_t)INT64_MAX)

/* Turn a kernel's timeout (negative relative, else absolute system time, 100 ns) into a time of the host's clock; of the
 * real one when host is NULL. */
uint64_t nt_due(struct nt_host *host, LONGLONG timeout);

/* namespace.c; all but name_from_wide with names_lock held */
NTSTATUS name_from_wide(PCUNICODE_STRING wide, char text[NAME_BYTES_MAX + 1]);
struct name *name_find(struct nt_host *host, const char *text);
/* STATUS_OBJECT_NAME_COLLISION, STATUS_INSUFFICIENT_RESOURCES */
NTSTATUS name_add(struct nt_host *host, enum name_kind kind, const char *text, const char *target, struct name **name);
/* Take it out and free it. A device that was listed under it, or under a link to it, gets its next oldest link. */
void name_remove(struct nt_host *host, struct name *name);
/* Find the link under which a device is listed: the oldest in \DosDevices that leads to it. Costs as much as there are
 * links to it, not as there are names. */
void name_choose_link(struct nt_host *host, PDEVICE_OBJECT device);
bool names_init(struct nt_host *host);
void names_free(struct nt_host *host);

/* device.c; with names_lock held */
PDEVICE_OBJECT device_top(PDEVICE_OBJECT device);
PDEVICE_OBJECT device_bottom(PDEVICE_OBJECT device);
/* The driver's device of that number; NULL: none. */
PDEVICE_OBJECT device_numbered(const struct nt_driver *driver, uint32_t number);
/* Both without the lock: give a reference back; delete what a driver left behind. */
void device_release(PDEVICE_OBJECT device);
void driver_delete_devices(struct nt_driver *driver);

/* The devices that this thread makes from here on are found by nobody (nt_find, nt_walk) until devices_show: a driver
 * names them before they have started, and deletes them when they do not. */
void devices_hide(struct nt_device **list);
void devices_show(struct nt_host *host, struct nt_device **list);

/* driver.c */
struct nt_driver *driver_new(struct nt_host *host, const char *name);
void driver_free(struct nt_driver *driver);
void driver_call_unload(struct nt_driver *driver);

/* interface.c: does one of the physical device's enabled interfaces belong to the class of smart card readers? With
 * names_lock held. */
bool interface_is_reader(PDEVICE_OBJECT physical);

/* pnp.c: what the root bus does with requests. */
void pnp_root_init(struct nt_driver *root);

/* wait.c: wake everybody who waits for this object (it may be gone already). */
void wait_wake(const void *object);
/* A note in the parking lot that the parker's thread waits for an object. mark: the object's word, to set WAITERS in;
 * NULL for one that is no dispatcher object. */
struct waiter {
    struct waiter *next, **link;
    const void *object;
    struct parker *parker;
};
void wait_enqueue(struct waiter *waiter, const void *object, LONG *mark, struct parker *parker);
void wait_dequeue(struct waiter *waiter, LONG *mark);
/* Make an object signalled, as KeSetEvent does. */
LONG wait_signal(DISPATCHER_HEADER *header);

/* timer.c, with clock_lock held: run the first DPC or let the first timer expire that is due by now, on this thread.
 * false: there is none, or another thread runs a DPC. */
bool clock_run_due(struct nt_host *host);
void clock_add(struct nt_host *host, PKTIMER timer);
/* Without the lock: from here on timers and DPCs find a clock. */
NTSTATUS clock_prepare(struct nt_host *host);
void clock_remove(struct nt_host *host, PKTIMER timer);

/* ---- simulated time (simulate.c) --------------------------------------------------------------------------------- */

/* The end of a wait, kept among the timers. */
struct nap {
    KTIMER timer; /* its Header's type is OBJECT_NAP */
    struct parker *parker;
};

/* The calling thread's host when its time is simulated, else NULL. */
static inline struct nt_host *simulated_here(void)
{
    return host_cpu.Host != NULL && host_cpu.Host->simulated ? host_cpu.Host : NULL;
}

/* One thread more, one less is at work; the latter without clock_lock. */
void simulate_busy(struct nt_host *host);
void simulate_idle(struct nt_host *host);

/* Whoever wakes a thread counts it again, so that the clock does not move before it has run. Parker's lock held. */
static inline void parker_count(struct parker *parker)
{
    if (parker->idle_in != NULL) {
        simulate_busy(parker->idle_in);
        parker->idle_in = NULL;
    }
}

/* Sleep until woken, maybe for no reason; false: until the host's clock has come to `due`. */
bool simulate_sleep(struct nt_host *host, struct parker *parker, uint64_t due);

/* clock_lock held: a nap is over; let one of the sleepers look again. */
void nap_over(PKTIMER timer);
void simulate_rouse(struct nt_host *host);

/* A worker runs an item, which was counted (simulate_busy) when it was queued. */
void simulate_work_begins(struct nt_host *host);
void simulate_work_ends(struct nt_host *host);

/* One thing more, one less is at work outside, the latter without clock_lock. */
void simulate_outside(struct nt_host *host);
void simulate_inside(struct nt_host *host);

/* A thread of a driver's, which simulate_outside has counted before it was started, runs; ends. */
void simulate_thread_begins(struct nt_host *host);
void simulate_thread_goes(struct nt_host *host);

/* Wait until no thread is on its way out of nt_release: one whose handle was closed meanwhile by another. */
void simulate_wait_for_holders(struct nt_host *host);

/* The processor did nothing else for that long. */
void simulate_stall(struct nt_host *host, uint64_t nanoseconds);

/* timer.c, work.c: tell the clock and the workers to stop. */
void clock_stop(struct nt_host *host);
void work_init(struct nt_host *host);
void work_stop(struct nt_host *host);
/* Wait until the DPCs that are queued now have run. */
void clock_flush(struct nt_host *host);

#endif
