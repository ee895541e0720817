/* SPDX-License-Identifier: MIT */
/*
 * The host's upper side: what the client needs of the POSIX stand-in for the kernel. Drivers see wdm.h and host.h, the
 * client sees this file (and wdm.h, because it builds requests and sends them down like any driver would).
 *
 * A host owns drivers, device objects, a namespace of symbolic links, one clock thread (timers and their DPCs, started
 * with the first timer; none in simulated time) and worker threads (started when work waits and none is free, ended when
 * idle). Several hosts can live in a process; they share nothing but the cancel spin lock and the parking lot of waiting
 * threads. (A shared object that several hosts load is in memory once: its static variables are the driver's to guard.)
 *
 * Driver code always runs "inside" a host: nt_enter sets the calling thread's current host, which IoCreateDevice,
 * KeSetTimer, PsCreateSystemThread and the like use; threads that the host makes are inside it from the start.
 */
#ifndef SMARTCRD_NT_H
#define SMARTCRD_NT_H

#include <smartcrd/wdm.h>
#include <smartcrd/host.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nt_host;
struct nt_driver;

/* Create an empty host. STATUS_SUCCESS or STATUS_INSUFFICIENT_RESOURCES. */
NTSTATUS nt_host_create(struct nt_host **host);

/*
 * Unload every driver, join every thread, free everything. The caller has removed all devices that it added and owns no
 * IRP any more.
 */
void nt_host_destroy(struct nt_host *host);

/*
 * Make `host` the calling thread's current host (NULL: none); returns the one before, for the matching call that puts
 * it back. Costs one store to a thread-local variable.
 */
static inline struct nt_host *nt_enter(struct nt_host *host)
{
    struct nt_host *before = host_cpu.Host;

    host_cpu.Host = host;
    return before;
}

/*
 * Load a driver: call its DriverEntry at PASSIVE_LEVEL.
 *
 * name   how the host calls it ("vreader"), 1 to 31 bytes; STATUS_OBJECT_NAME_COLLISION when it is loaded already
 * entry  the entry point of a driver that is linked in, or NULL to load the shared object `path` (dlopen, RTLD_NOW |
 *        RTLD_LOCAL) and to look up DriverEntry in it
 * error  receives a sentence on what went wrong (dlopen's own words included), may be NULL
 *
 * Returns DriverEntry's status, STATUS_OBJECT_NAME_NOT_FOUND when the file cannot be loaded,
 * STATUS_PROCEDURE_NOT_FOUND when it exports no DriverEntry.
 */
NTSTATUS nt_driver_load(struct nt_host *host, const char *name, PDRIVER_INITIALIZE entry, const char *path,
                        struct nt_driver **driver, char *error, size_t error_size);

/*
 * Have nt_find and nt_walk pass over the driver's devices, or not. To be called before nt_driver_unload, under the same
 * lock as the caller's look-ups: what nt_find returned is only there as long as nobody unloads its driver.
 */
void nt_driver_hide(struct nt_driver *driver, BOOLEAN hide);

/*
 * Call DriverUnload and forget the driver. STATUS_DEVICE_BUSY, and nothing happens, while it has devices of
 * nt_device_add, or a device that somebody holds (ObReferenceObject, a queued work item), or devices but no DriverUnload.
 * Devices that DriverEntry made go with it: the caller has no file and no IRP of its own on them any more.
 */
NTSTATUS nt_driver_unload(struct nt_driver *driver);

/*
 * Give a driver one more device, as the PnP manager would: a physical device object of ours, AddDevice, then
 * IRP_MN_START_DEVICE. *top receives the topmost device object of the stack. STATUS_NOT_SUPPORTED when the driver has
 * no AddDevice; else what AddDevice or the start returned (the device is taken down again when it failed).
 */
NTSTATUS nt_device_add(struct nt_driver *driver, PDEVICE_OBJECT *top);

/* First half of a removal: IRP_MN_SURPRISE_REMOVAL goes down the stack. The device object stays. For a device of
 * nt_device_add only; a device that DriverEntry made gets nothing. */
void nt_device_surprise(PDEVICE_OBJECT top);

/*
 * Between the two, for a host whose drivers are watched: when the drivers of the stack still have requests, which have
 * all been cancelled, wait for them a while. What they keep is reported and ended on their behalf, so that no removal
 * hangs. PASSIVE_LEVEL, no lock held.
 */
void nt_device_settle(PDEVICE_OBJECT top);

/* Second half, once no IRP and no file of ours is left on it: IRP_MN_REMOVE_DEVICE; the stack is gone afterwards. */
void nt_device_remove(PDEVICE_OBJECT top);

/*
 * Walk the readers: every topmost device object that has the smart card reader interface enabled, or a symbolic link of
 * its own in \DosDevices. `visit` gets the name under which it can be opened: the symbolic link's last component when
 * there is one, else the driver's name followed by a number that is unique among that driver's devices; `is_reader` is
 * FALSE for devices that are neither linked as SCReader<N> nor have the interface. Return FALSE from visit to stop.
 * The host's namespace lock is held during the walk.
 */
void nt_walk(struct nt_host *host,
             BOOLEAN (*visit)(void *context, const char *name, PDEVICE_OBJECT top, BOOLEAN is_reader), void *context);

/* The name that nt_walk shows for a topmost device object: STATUS_SUCCESS, STATUS_OBJECT_NAME_NOT_FOUND (nt_walk would
 * not show it), STATUS_BUFFER_TOO_SMALL. Costs the same however many devices there are. */
NTSTATUS nt_device_name(PDEVICE_OBJECT top, char *name, size_t size);

/* Find one by such a name (case-insensitive, an optional \\.\ before it). NULL: none. */
PDEVICE_OBJECT nt_find(struct nt_host *host, const char *name);

/*
 * Run `routine` on a worker thread, at PASSIVE_LEVEL, inside the host, as soon as possible: when every worker is busy,
 * another is started, so work that blocks delays no other work. STATUS_INSUFFICIENT_RESOURCES: no thread could be had,
 * the routine will not be called. `item` belongs to the host until the routine is entered, after which the calling
 * thread, if it is still in here, touches neither that nor the host.
 */
struct nt_work {
    void (*routine)(struct nt_work *item);
    struct nt_work *next;
};
NTSTATUS nt_work_queue(struct nt_host *host, struct nt_work *item);

/* Room for a request through the deepest stack of devices that there can be (CCHAR): for what must not fail for lack of
 * memory. To be initialised with the stack's own depth. */
struct deep_irp {
    IRP irp;
    IO_STACK_LOCATION locations[INT8_MAX];
};

/*
 * A client's view of one request in flight. The client puts a pointer to its own constant table and a context into
 * the request (nt_observe) before it sends it down; host.h's functions, called by the library and by drivers, land
 * there. Cleared (NULL) by IoInitializeIrp.
 */
struct nt_identity {
    uint64_t id;     /* 0: none */
    uint32_t handle; /* its number */
};
struct nt_observer {
    BOOLEAN (*records_last_error)(void *context, volatile ULONG *cell);
    void (*step)(void *context, enum host_layer layer, const char *words);
    void (*count)(void *context, ULONG retransmissions, ULONG waiting_time_extensions);
    void (*identify)(void *context, struct nt_identity *identity);
};
static inline void nt_observe(PIRP request, const struct nt_observer *observer, void *context)
{
    request->HostObserver = observer;
    request->HostContext = context;
}

/*
 * A driver that never blocks in its dispatch routines (it pends instead) sets this bit in DEVICE_OBJECT.Flags, under
 * #ifdef DO_NEVER_BLOCKS, so that its overlapped requests need no thread of the host. Defined in wdm.h:
 *   #define DO_NEVER_BLOCKS 0x80000000
 */

/* ---- the verifier (verify/) ---------------------------------------------------------------------------------------- */

struct nt_rule {
    const char *name;
    const char *text;
    const char *advice;
};

/* smartcrd_violation, but for the request's identity. */
struct nt_violation {
    uint64_t number;
    const struct nt_rule *rule;
    uint32_t times;
    uint32_t code;
    struct nt_identity identity;
    char driver[32];
    char function[96];
    char request[64];
    char what[192];
};

/*
 * Watch the drivers of a new host, in which nothing has happened yet, from here on.
 *
 * code_name  names control codes for reports; may return NULL
 *
 * false: no memory. nt_host_destroy prints the violations that nobody took to standard error.
 */
bool nt_host_verify(struct nt_host *host, const char *(*code_name)(uint32_t code));

/* Take the oldest violation that was not taken yet. false: there is none, or the host does not watch. */
bool nt_next_violation(struct nt_host *host, struct nt_violation *violation);

/* Rules, 0 and up; NULL: no more. */
const struct nt_rule *nt_rule(size_t index);

/* One line without a newline. Returns what snprintf would. */
size_t nt_violation_text(const struct nt_violation *violation, char *text, size_t size);

/* The name of the function that contains the address, static ones too; object+offset when it has none. */
VOID nt_function_name(const void *address, char *text, size_t size);

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* Nanoseconds of the system's monotonic clock. */
uint64_t nt_now(void);

/* Nanoseconds of the clock that the host's timers, and with them deadlines and the journal, go by: nt_now, or the
 * simulated one. Any thread, any IRQL. */
uint64_t nt_time(const struct nt_host *host);

/* Give a new host, in which nothing has happened yet, a simulated clock (simulate.c). */
VOID nt_host_simulate(struct nt_host *host);

/* smartcrd_advance. */
BOOLEAN nt_advance(struct nt_host *host, uint64_t limit_ns, uint64_t *passed_ns);

/*
 * For a host with simulated time: the calling thread is at work inside it from here to the matching nt_release, so that
 * nobody moves the clock meanwhile; what is due is run before nt_release returns. Sleeping in one of the waits below, or
 * in the kernel's, interrupts that. Nests. PASSIVE_LEVEL, no lock held.
 */
struct nt_held {
    struct nt_host *host;
    bool outside;
    bool drivers;                 /* a driver's own thread, on whose stack nothing else runs */
    bool holds;                   /* of nt_hold, so that nt_release is due */
    struct nt_work *first, *last; /* of nt_defer */
};
struct nt_held nt_hold(struct nt_host *host);
VOID nt_release(struct nt_held before);

/*
 * In a host with simulated time: run `routine` on this thread, before it sleeps in nt_sleep or is not held any more,
 * instead of on a worker, so that no other thread is at work meanwhile. When a driver waits on this thread before that, a
 * worker runs it. FALSE: this thread is not held, or is a driver's own; use nt_work_queue.
 */
BOOLEAN nt_defer(struct nt_host *host, struct nt_work *item);

/*
 * The client's wait in a host with simulated time: sleep while *word is `seen`, at most until nt_time(host) reaches
 * `until` (UINT64_MAX: no limit), running timers and moving the clock when nothing else can happen. FALSE: the time has
 * passed. nt_wake wakes everyone who sleeps on the word; only its address is used.
 */
BOOLEAN nt_sleep(struct nt_host *host, _Atomic uint32_t *word, uint32_t seen, uint64_t until);
VOID nt_wake(const _Atomic uint32_t *word);

#endif
