/* SPDX-License-Identifier: MIT */
/*
 * The verifier: what its rooms share, and what the host's rooms call. It watches the drivers of a host on which
 * nt_host_verify was called; a host without it pays for a few tests of words that are cold anyway:
 *
 *   host_cpu.Frame           set while a routine of a watched driver runs on the thread
 *   IRP.Type                 IO_TYPE_WATCHED_IRP: the driver's copy of a request (request.c)
 *   bit 0 of a spin lock     the lock is some reader's OsData->SpinLock (reader.c)
 *   the driver's own table   its MajorFunction entries lead to verify_dispatch (request.c)
 *
 * Rooms: rules.c (what is wrong, what to do), report.c (the list), symbol.c (functions' names), frame.c (which routine of
 * which driver runs, locks and IRQL when it returns), irql.c (who may be called where), request.c (a request's life),
 * reader.c (what OsData->SpinLock guards, callbacks, the remove lock), memory.c (pool).
 *
 * Locks: each of the verifier's mutexes is taken briefly, and nothing else is waited for while it is held.
 */
#ifndef SMARTCRD_NT_VERIFY_H
#define SMARTCRD_NT_VERIFY_H

#include "../internal.h"

enum verify_rule {
    VERIFY_COMPLETED_TWICE,
    VERIFY_NEVER_COMPLETED,
    VERIFY_NOT_COMPLETED,
    VERIFY_PENDING_UNMARKED,
    VERIFY_MARKED_NOT_PENDING,
    VERIFY_COMPLETED_AS_PENDING,
    VERIFY_LAST_ERROR,
    VERIFY_CANCEL_ROUTINE,
    VERIFY_NOTIFICATION,
    VERIFY_CURRENT,
    VERIFY_INFORMATION,
    VERIFY_CALLBACK,
    VERIFY_STATE,
    VERIFY_IRQL,
    VERIFY_LOCK_HELD,
    VERIFY_IRQL_ON_RETURN,
    VERIFY_LOCK_MISUSED,
    VERIFY_REMOVE_LOCK,
    VERIFY_BUFFER,
    VERIFY_AFTERWARDS,
    VERIFY_POOL_OVERRUN,
    VERIFY_POOL_FREED,
    VERIFY_POOL_USED,
    VERIFY_POOL_LEFT,
    VERIFY_CALL,
};

#define VIOLATIONS_MAX 256 /* in the list */
#define GONE_MAX       256 /* ended requests that are kept */

struct verify_request;

/* Of a host. */
struct verify {
    const char *(*code_name)(uint32_t code);

    pthread_mutex_t list_lock; /* guards the list of violations */
    struct nt_violation list[VIOLATIONS_MAX];
    size_t first, count; /* a ring */
    uint64_t last;       /* number */

    pthread_mutex_t requests_lock; /* guards the two below and the requests' links */
    LIST_ENTRY requests;           /* those that are with a driver */
    LIST_ENTRY gone;               /* those that were, the oldest first */
    size_t gone_count;
};

/* Of a watched driver: what verify_dispatch stands in front of. */
struct verify_driver {
    PDRIVER_DISPATCH major[IRP_MJ_MAXIMUM_FUNCTION + 1];
};

/* A routine of a watched driver that runs: on its thread's stack, the innermost in host_cpu.Frame. */
struct verify_frame {
    struct verify_frame *outer;
    struct nt_driver *driver;
    const char *kind;               /* "dispatch routine" */
    const void *routine;            /* that was entered */
    struct verify_request *request; /* NULL: it was entered for none */
    KIRQL irql;                     /* that it was entered at, and has to return at */
    unsigned held;                  /* locks that this thread held then */
};

/* What a report says of a request. */
struct verify_about {
    struct nt_driver *driver;
    struct nt_identity identity;
    uint32_t code;
    uint8_t major, minor;
};

/* ---- frame.c ----------------------------------------------------------------------------------------------------- */

void verify_enter(struct verify_frame *frame, struct nt_driver *driver, const char *kind, const void *routine,
                  struct verify_request *request);
/* Look at what the routine left behind, and put it right. */
void verify_leave(struct verify_frame *frame);

/* A routine, but its own function type, as an address; ISO C has no conversion, POSIX does. */
#define VERIFY_ADDRESS(routine) ((const void *)(uintptr_t)(routine))

enum verify_lock { LOCK_SPIN, LOCK_MUTEX, LOCK_FAST_MUTEX };
/* The thread took a lock, gave it back. Nothing happens outside of driver code. */
void verify_lock_taken(void *lock, enum verify_lock kind);
void verify_lock_given(void *lock);

/* The watched driver whose code runs on this thread; NULL: none. */
static inline struct nt_driver *verify_driver_here(void)
{
    return host_cpu.Frame != NULL ? host_cpu.Frame->driver : NULL;
}

/* ---- irql.c ------------------------------------------------------------------------------------------------------ */

/* A routine of wdm.h is entered by driver code: look at the IRQL. */
void verify_called(const char *function);
#define VERIFY_CALLED()                                                                                                \
    do {                                                                                                               \
        if (__builtin_expect(host_cpu.Frame != NULL, 0)) {                                                             \
            verify_called(__func__);                                                                                   \
        }                                                                                                              \
    } while (0)

/* ---- report.c ---------------------------------------------------------------------------------------------------- */

/* A breach by the code that runs on this thread: the innermost frame's routine and its request. */
void verify_report(enum verify_rule rule, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a request, by `routine` (NULL: the innermost frame's). */
void verify_report_request(enum verify_rule rule, struct verify_request *request, const void *routine,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same for one that is no copy of ours. */
void verify_report_about(enum verify_rule rule, const struct verify_about *about, const void *routine,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));
/* By a driver, not for a request. */
void verify_report_driver(enum verify_rule rule, struct nt_driver *driver, const void *routine, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Print what nobody took. */
void verify_print(struct nt_host *host);
void verify_free(struct nt_host *host);

/* A driver called a routine in a way that must not be: a report when it is watched, and the caller goes on; else the end
 * of the process. */
void verify_broken(enum verify_rule rule, const char *function, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define VERIFY_BROKEN(rule, ...) verify_broken((rule), __func__, __VA_ARGS__)

/* ---- symbol.c ---------------------------------------------------------------------------------------------------- */

/* The name of the function that contains the address, static ones too; module+offset when it has none. */
void verify_symbol(const void *address, char *text, size_t size);

/* ---- request.c --------------------------------------------------------------------------------------------------- */

/* Watch a driver: after its DriverEntry, and each time it may have changed its table. Nothing happens when its host does
 * not watch. */
void verify_driver_hook(struct nt_driver *driver);
/* It has been unloaded; what is left of its requests goes. */
void verify_driver_gone(struct nt_driver *driver);

/* IoCompleteRequest on a watched request. false: it must not go on. */
bool verify_completing(PIRP irp);
/* The watched request's cancel routine is to be called, the cancel spin lock held. */
void verify_cancel_routine(PIRP irp, PDRIVER_CANCEL routine, KIRQL irql);
/* Whose code serves the request. */
struct nt_driver *verify_request_driver(PIRP irp);
/* irp.c: the cancel spin lock. */
const void *cancel_lock_address(void);
/* The calling thread holds it. */
bool cancel_lock_is_mine(void);

void verify_request_about(struct verify_request *request, struct verify_about *about);

/* ---- reader.c ---------------------------------------------------------------------------------------------------- */

/* Driver code was entered, or returns: has what the spin locks of its readers guard changed without them? */
void verify_state_check(struct nt_driver *driver);
/* From now on the device's reader is in use: CurrentState and the rest belong to the lock. */
void verify_reader_used(PDEVICE_OBJECT device);
/* A request of the device is being completed. */
void verify_reader_completion(struct verify_request *request, PIRP irp, PDEVICE_OBJECT device, NTSTATUS status,
                              bool pended, bool stored);
/* lock.c: a spin lock that some reader's extension has. */
#define VERIFY_WATCHED_LOCK ((KSPIN_LOCK)1)
void verify_spin_acquired(PKSPIN_LOCK lock);
void verify_spin_releasing(PKSPIN_LOCK lock);

/* request.c, for reader.c: a callback is entered for a request, has returned. */
void verify_request_enters(PIRP irp, const void *routine);
void verify_request_callback(PIRP irp, const void *routine, NTSTATUS status);
struct verify_request *verify_request_of(PIRP irp);

/* ---- memory.c ---------------------------------------------------------------------------------------------------- */

/* Allocate for the driver whose code runs here; only with a frame. */
PVOID verify_pool_allocate(SIZE_T size, bool zero);
/* true: it was one of ours, and is freed or reported. */
bool verify_pool_free(PVOID block);
/* The driver is unloaded: report what it left, look at what it freed. */
void verify_pool_unload(struct nt_driver *driver);
/* Blocks of all hosts that are there or kept; atomic, relaxed: who frees a block has seen its allocation. */
extern size_t verify_pool_blocks;

/* Whether all bytes are still what they were filled with. */
static inline bool verify_intact(const uint8_t *bytes, size_t size, uint8_t value)
{
    size_t i = 0;

    while (i < size && bytes[i] == value) {
        i++;
    }
    return i == size;
}

#endif
