/* SPDX-License-Identifier: MIT */
/*
 * smartcrd: the client interface. Readers, requests, completions, the last error and the journal.
 *
 * A context owns readers and threads; contexts share nothing. A handle is one opening of one reader. A request is a
 * control code of winsmcrd.h with its buffers; it is run synchronously (smartcrd_control) or overlapped
 * (smartcrd_submit, then smartcrd_reap). Nothing calls back.
 *
 * Threads: every function may be called from any thread, any number at once, unless it says otherwise. A context must
 * outlive its handles; a handle must not be used by a thread after another has called smartcrd_close on it.
 *
 * Statuses are NTSTATUS values (ntstatus.h); smartcrd_status_name turns one into words. Sizes are bytes, timeouts
 * milliseconds of the context's clock; SMARTCRD_NO_TIMEOUT waits for ever.
 */
#ifndef SMARTCRD_SMARTCRD_H
#define SMARTCRD_SMARTCRD_H

#include <smartcrd/ntdef.h>
#include <smartcrd/ntstatus.h>
#include <smartcrd/winsmcrd.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SMARTCRD_VERSION    "0.1.0"
#define SMARTCRD_NO_TIMEOUT UINT32_MAX
#define SMARTCRD_NAME_MAX   64 /* a reader's name, its NUL included */

struct smartcrd;
struct smartcrd_handle;

/* ---- contexts ---------------------------------------------------------------------------------------------------- */

struct smartcrd_options {
    size_t size;              /* sizeof(struct smartcrd_options), so that later versions can add members */
    uint32_t abandon_ms;      /* how long a cancelled request may stay with its driver before its caller gets the
                                 completion all the same; 0 means the default, 10 */
    uint32_t journal_entries; /* operations remembered for each reader, a power of two; 0 means the default, 64 */
    uint32_t simulated_time;  /* not 0: the context's clock is simulated, see smartcrd_advance; 0 means real time */
    uint32_t reserved;        /* 0 */
    uint32_t verify;          /* not 0: drivers are watched by the verifier, see smartcrd_next_violation */
    uint32_t reserved_too;    /* 0 */
};

/* Create a context. options may be NULL. STATUS_SUCCESS, STATUS_INVALID_PARAMETER, STATUS_INSUFFICIENT_RESOURCES. */
NTSTATUS smartcrd_create(const struct smartcrd_options *options, struct smartcrd **context);

/*
 * Remove every reader, unload every driver, join every thread, free the context. The caller has closed all its handles.
 * Returns when every driver has returned from every routine (a driver that sleeps is waited for). NULL does nothing.
 */
void smartcrd_destroy(struct smartcrd *context);

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* Nanoseconds of the clock that the context's timers, deadlines and journal go by: the system's monotonic clock, or the
 * simulated one, which begins at 1000000000. Any thread; never waits. */
uint64_t smartcrd_now(const struct smartcrd *context);

/*
 * Simulated time, for tests: in a context of smartcrd_options.simulated_time the clock stands still while anything
 * happens, and jumps to the next timer when nothing else can happen. A card that is mute for a second costs no time,
 * every wait ends exactly when it is due, and a program of one thread leaves the same journal, bit by bit, on each run.
 *
 * Who moves the clock: a call that waits (smartcrd_control and the typed requests, smartcrd_reap with a timeout,
 * smartcrd_close, smartcrd_remove_reader, smartcrd_destroy), a driver that waits (KeWaitForSingleObject,
 * KeDelayExecutionThread; KeStallExecutionProcessor moves it by what it stalls), and smartcrd_advance. There is no clock
 * thread: timers, DPCs and deadlines run on the threads that wait. Any number may wait at once; one of them moves the
 * clock. A wait without a limit sleeps as ever when no timer is set, until somebody acts. What is due at the present
 * moment is run before a call returns.
 *
 * What does not move it: poll and the like on smartcrd_fd, smartcrd_reap that only looks, queries, and a driver that
 * spins until KeQueryInterruptTime changes, which spins for ever. Between calls the clock stands still; a thread of the
 * program that is in no call of the context does not count, so a wait does not hold on for what it may do next.
 *
 * Threads at work inside the context count: no wait moves the clock on past them. These are calls of other threads that
 * do not wait themselves, and drivers and cards with threads and worlds of their own (a driver that blocks in a system
 * call, cards of the kinds vpcd and cac). They are not in simulated time: as long as one of them neither ends nor waits
 * in the ways above, the clock goes no faster than real time, and may lag a second behind it at each timer. So a wait for
 * them can still run into its deadline, at the real price, and never sooner.
 */

/*
 * Move the clock of a context with simulated time to its next timer, or by limit_ns when that is nearer (or when no
 * timer is set), and run all that is due then on this thread. When something is due already, that is run and the clock
 * stays.
 *
 * limit_ns   rounded down to 100 ns, the kernel's unit; UINT64_MAX: to the next timer, nowhere when none is set
 * passed_ns  receives by how much the clock has moved, also when another thread moved it meanwhile, and maybe further;
 *            may be NULL
 *
 * Returns whether anything ran. false, and nothing happens, in a context with real time. To let a span of time pass (a
 * multiple of 100 ns), call it with what is left of the span until that is nothing.
 *
 * Any thread, any number at once; the caller holds no lock that another thread needs to leave a call of this context.
 */
bool smartcrd_advance(struct smartcrd *context, uint64_t limit_ns, uint64_t *passed_ns);

/* ---- drivers and readers ----------------------------------------------------------------------------------------- */

/*
 * Load a driver: one that is linked in, by name ("vreader"), or a shared object that exports DriverEntry, by a path
 * with a slash in it; its name is then the file's name without folder and ending.
 *
 * error  receives one line on what went wrong, at most error_size bytes with the NUL; may be NULL
 *
 * STATUS_SUCCESS also when the driver is loaded already; STATUS_OBJECT_NAME_NOT_FOUND: no such driver or file, or the
 * file cannot be loaded; STATUS_PROCEDURE_NOT_FOUND: it exports no DriverEntry; STATUS_INSUFFICIENT_RESOURCES: no memory,
 * or no thread for its timers; else what DriverEntry returned.
 */
NTSTATUS smartcrd_load_driver(struct smartcrd *context, const char *driver, char *error, size_t error_size);

/* Unload a driver by name. STATUS_DEVICE_BUSY while it has readers; STATUS_OBJECT_NAME_NOT_FOUND. */
NTSTATUS smartcrd_unload_driver(struct smartcrd *context, const char *driver);

struct _DRIVER_OBJECT;
struct _UNICODE_STRING;
/* The entry point of a WDM driver, as wdm.h declares DRIVER_INITIALIZE, without the need to include it here. */
typedef NTSTATUS smartcrd_driver_entry(struct _DRIVER_OBJECT *driver, struct _UNICODE_STRING *registry_path);

/* Load a driver that is linked into the program, under a name of 1 to 31 bytes. Statuses as smartcrd_load_driver. */
NTSTATUS smartcrd_add_driver(struct smartcrd *context, const char *name, smartcrd_driver_entry *entry);

/*
 * Have a loaded driver make one more reader.
 *
 * name  receives the reader's name, at most name_size bytes with the NUL (SMARTCRD_NAME_MAX always suffices)
 *
 * STATUS_SUCCESS; STATUS_OBJECT_NAME_NOT_FOUND: no such driver; STATUS_NOT_SUPPORTED: a driver that makes its readers
 * itself when it is loaded; STATUS_BUFFER_TOO_SMALL; else what the driver's AddDevice or start returned.
 */
NTSTATUS smartcrd_add_reader(struct smartcrd *context, const char *driver, char *name, size_t name_size);

/*
 * Take a reader away, as if its plug were pulled: every request on it ends with STATUS_DEVICE_REMOVED, later ones are
 * refused with it. Open handles stay valid (and answer GET_LAST_ERROR) until they are closed; the driver's device goes
 * with the last of them. STATUS_SUCCESS; STATUS_OBJECT_NAME_NOT_FOUND.
 */
NTSTATUS smartcrd_remove_reader(struct smartcrd *context, const char *name);

struct smartcrd_reader_info {
    char name[SMARTCRD_NAME_MAX];
    char driver[32];
    char vendor[MAXIMUM_ATTR_STRING_LENGTH + 1];   /* SCARD_ATTR_VENDOR_NAME, empty when there is none */
    char ifd_type[MAXIMUM_ATTR_STRING_LENGTH + 1]; /* SCARD_ATTR_VENDOR_IFD_TYPE, likewise */
    uint32_t state;                                /* SCARD_UNKNOWN ... SCARD_SPECIFIC */
};

/* List the readers. Writes at most count entries, returns how many there are. */
size_t smartcrd_list(struct smartcrd *context, struct smartcrd_reader_info *infos, size_t count);

/* ---- handles ----------------------------------------------------------------------------------------------------- */

/*
 * Open a reader, or another named device of a driver (the virtual reader's panel), by name, case-insensitive.
 * STATUS_SUCCESS; STATUS_OBJECT_NAME_NOT_FOUND; STATUS_DEVICE_REMOVED; STATUS_INSUFFICIENT_RESOURCES; else what the
 * driver's IRP_MJ_CREATE returned.
 */
NTSTATUS smartcrd_open(struct smartcrd *context, const char *name, struct smartcrd_handle **handle);

/*
 * Cancel what the handle has in flight, close it, free it. Returns when nothing of it is left but what a driver that
 * does not let go still holds; that touches none of the caller's memory. Completions not yet reaped are dropped, their
 * buffers wiped. Operations of other threads that are inside end cancelled; queries and smartcrd_reap of other threads
 * must have returned. NULL does nothing.
 */
void smartcrd_close(struct smartcrd_handle *handle);

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/*
 * One request. The caller fills it; smartcrd copies it and the input at once. `out` is written to only inside the
 * call that delivers the completion (submit or control when they end at once, else reap) and must be valid then.
 * Input and output of up to 64 KiB + 1 KiB each; more is refused with STATUS_INVALID_PARAMETER.
 */
struct smartcrd_request {
    uint32_t code;  /* IOCTL_SMARTCARD_... or a vendor code */
    const void *in; /* NULL when in_size is 0 */
    size_t in_size;
    void *out; /* may be the same as in; NULL when out_size is 0 */
    size_t out_size;
    uint32_t timeout_ms; /* deadline from now: the request then ends with STATUS_IO_TIMEOUT; SMARTCRD_NO_TIMEOUT;
                            0: no waiting, only what ends at once can succeed. Queries have no deadline */
    void *user;          /* handed back in the completion */
};

enum smartcrd_layer {
    SMARTCRD_LAYER_HOST,
    SMARTCRD_LAYER_LIBRARY,
    SMARTCRD_LAYER_PROTOCOL,
    SMARTCRD_LAYER_DRIVER,
    SMARTCRD_LAYER_TRANSPORT,
    SMARTCRD_LAYER_CARD,
};

/* How one request ended. */
struct smartcrd_completion {
    uint64_t id; /* of smartcrd_submit; unique in the context, never 0 */
    void *user;  /* of the request */
    uint32_t code;
    NTSTATUS status;
    size_t information; /* bytes written to out; 0 on errors, but as the driver left it on warnings */
    uint64_t sequence;  /* of its journal entry; 0 for a query, which has none */
};

/*
 * Run a request synchronously.
 *
 * information  receives the bytes written to request->out; may be NULL
 *
 * Returns the final status. Without a deadline on an idle reader it runs on this thread.
 */
NTSTATUS smartcrd_control(struct smartcrd_handle *handle, const struct smartcrd_request *request, size_t *information);

/*
 * Start a request.
 *
 * id    receives its number, also when it ended at once
 * done  receives the completion when the request ended at once; may be NULL
 *
 * Returns STATUS_PENDING, and later exactly one completion can be reaped from the handle; or the final status at once,
 * and no completion comes. STATUS_INSUFFICIENT_RESOURCES: not started.
 */
NTSTATUS smartcrd_submit(struct smartcrd_handle *handle, const struct smartcrd_request *request, uint64_t *id,
                         struct smartcrd_completion *done);

/*
 * Take the next completion, in the order in which requests ended; copies the request's output to its `out`.
 *
 * timeout_ms  0 only looks
 *
 * STATUS_SUCCESS: *completion is filled. STATUS_TIMEOUT: none came in time. STATUS_NO_MORE_ENTRIES: none waits and
 * nothing is in flight, so that none can come.
 */
NTSTATUS smartcrd_reap(struct smartcrd_handle *handle, struct smartcrd_completion *completion, uint32_t timeout_ms);

/* The same for one request only. STATUS_NOT_FOUND: no such request in flight or waiting to be reaped. */
NTSTATUS smartcrd_reap_one(struct smartcrd_handle *handle, uint64_t id, struct smartcrd_completion *completion,
                           uint32_t timeout_ms);

/*
 * A descriptor that is readable while a completion waits: for poll, epoll, libuv. Made at the first call, closed with
 * the handle; never read from it, never close it. -1 when there is no descriptor to be had.
 */
int smartcrd_fd(struct smartcrd_handle *handle);

/*
 * Cancel a request.
 *
 * STATUS_SUCCESS: it will end with STATUS_CANCELLED, whatever the driver says; its completion comes within the
 *     context's abandon_ms, or has come already.
 * STATUS_ALREADY_COMPLETE: it had ended (or is bound to, by a deadline or a removal) and its completion waits to be
 *     reaped or comes with that status.
 * STATUS_NOT_FOUND: this handle has no such request, or its completion was reaped.
 */
NTSTATUS smartcrd_cancel(struct smartcrd_handle *handle, uint64_t id);

/* Cancel everything that the handle has in flight, synchronous requests of other threads included. Returns how many. */
size_t smartcrd_cancel_all(struct smartcrd_handle *handle);

/* ---- the usual requests, synchronous ----------------------------------------------------------------------------- */

/* The last error of the reader; never waits. *last receives it. STATUS_SUCCESS, or what kept it from answering. */
NTSTATUS smartcrd_last_error(struct smartcrd_handle *handle, NTSTATUS *last);

/* The reader's state, SCARD_UNKNOWN ... SCARD_SPECIFIC; never waits. */
NTSTATUS smartcrd_state(struct smartcrd_handle *handle, uint32_t *state);

/* An attribute. *size: in, the buffer's size; out, the value's. */
NTSTATUS smartcrd_attribute(struct smartcrd_handle *handle, uint32_t attribute, void *value, size_t *size);

/* Power: kind is SCARD_POWER_DOWN, SCARD_COLD_RESET or SCARD_WARM_RESET. *atr_size: in, at least 33 for the resets;
 * out, the ATR's length. atr may be NULL for SCARD_POWER_DOWN, atr_size too. */
NTSTATUS smartcrd_power(struct smartcrd_handle *handle, uint32_t kind, uint8_t *atr, size_t *atr_size,
                        uint32_t timeout_ms);

/* Select one of the protocols of the mask (SCARD_PROTOCOL_...); *selected receives which (may be NULL). Unlike the bare
 * control code it answers truly also when the library leaves the reply empty (see docs/quirks.md). */
NTSTATUS smartcrd_set_protocol(struct smartcrd_handle *handle, uint32_t mask, uint32_t *selected, uint32_t timeout_ms);

/*
 * Exchange one TPDU or APDU over the selected protocol, as IOCTL_SMARTCARD_TRANSMIT does, without the
 * SCARD_IO_REQUEST headers.  *reply_size: in, the buffer's size; out, the reply's length with SW1 SW2.
 */
NTSTATUS smartcrd_transmit(struct smartcrd_handle *handle, const uint8_t *command, size_t size, uint8_t *reply,
                           size_t *reply_size, uint32_t timeout_ms);

/*
 * Exchange any command APDU, short or extended, over whichever protocol is selected. Over T=0 this splits it into
 * TPDUs: GET RESPONSE after 61xx, once more after 6Cxx, ENVELOPE for extended lengths (ISO/IEC 7816-3:2006, 12.2).
 * timeout_ms bounds the whole exchange.
 */
NTSTATUS smartcrd_apdu(struct smartcrd_handle *handle, const uint8_t *command, size_t size, uint8_t *reply,
                       size_t *reply_size, uint32_t timeout_ms);

/* ---- the journal ------------------------------------------------------------------------------------------------- */

struct smartcrd_journal_entry {
    uint64_t sequence; /* 1, 2, 3 ... per reader, in the order of endings */
    uint64_t request;  /* the request's id */
    uint32_t handle;   /* number of the handle in the context, from 1 */
    uint32_t code;     /* control code */
    uint32_t minor;    /* minor code: first ULONG of the input of POWER, SET_PROTOCOL, SET_ATTRIBUTE; else 0 */
    NTSTATUS status;   /* final status, as the caller saw it */
    NTSTATUS late;     /* what the driver said after the request had been left with it; STATUS_PENDING: nothing (yet) */
    enum smartcrd_layer layer;                   /* who decided */
    char step[96];                               /* in words, may be empty */
    uint64_t submitted_ns, started_ns, ended_ns; /* of smartcrd_now; started 0 when it never reached the driver */
    uint32_t bytes_in, bytes_out;
    uint32_t retransmissions;
    uint32_t waiting_time_extensions;
    uint8_t command[5];   /* the header of a transmitted command APDU; */
    uint8_t command_size; /* 0 when there is none */
};

/*
 * Read a reader's journal, oldest first, through an open handle.
 *
 * since  only entries with a greater sequence; 0 for all that are left
 *
 * Returns how many entries were written, at most count. Never waits for an operation.
 */
size_t smartcrd_journal(struct smartcrd_handle *handle, uint64_t since, struct smartcrd_journal_entry *entries,
                        size_t count);

/* ---- the verifier ------------------------------------------------------------------------------------------------- */

/*
 * In a context of smartcrd_options.verify every driver is watched: a rule of the kernel's or of the driver library's
 * that it breaks is noted in the context's list of violations, and the driver goes on where that can be done safely. It
 * may be ten times slower. Where it cannot go on, the violation is printed and the process ends.
 */
struct smartcrd_rule {
    const char *name;   /* "completed_twice": short, does not change from version to version */
    const char *text;   /* what is wrong, in a sentence */
    const char *advice; /* what to do, in a sentence */
};

/* The verifier's rules, 0 and up; NULL: there are no more. Static storage. */
const struct smartcrd_rule *smartcrd_rule(size_t index);

/* One breach of a rule. A rule that the same function breaks again with the same code, before the first was read, is
 * counted in `times` and nothing else. */
struct smartcrd_violation {
    uint64_t number; /* 1, 2, 3 ... in the context, in the order of being found */
    const struct smartcrd_rule *rule;
    uint32_t times;
    char driver[32];
    char function[96]; /* of the driver: its name, or module+offset when it has none; empty when none is to blame */
    char request[64];  /* "IOCTL_SMARTCARD_POWER", "0x00312000", "IRP_MJ_CLEANUP"; empty when it was about none */
    uint32_t code;     /* the control code; 0: none */
    uint64_t id;       /* the request's, as smartcrd_submit gave it; 0: none, or a query */
    uint32_t handle;   /* number of the handle in the context, as in the journal; 0: none */
    char what[192];    /* what was seen, in a sentence */
};

/*
 * Take the oldest violation that nobody has read yet. Whatever is unread is printed to standard error when the context
 * is destroyed; so are those beyond the first 256 unread ones, as soon as they are found. What a driver left undone shows
 * when its reader is removed and when it is unloaded.
 *
 * false: there is none. Any thread; never waits for a driver.
 */
bool smartcrd_next_violation(struct smartcrd *context, struct smartcrd_violation *violation);

/* A violation in one line without a newline: rule, function, request, what was seen, what to do. Cut to `size` with its
 * NUL; returns the length of the whole. */
size_t smartcrd_violation_text(const struct smartcrd_violation *violation, char *text, size_t size);

/*
 * The name of the function that contains an address, from its object's symbol table, static functions too; else
 * "object+0x123". At most `size` bytes with the NUL. For programs that report where a driver crashed or hangs: any thread,
 * takes no lock of the library, allocates nothing on the heap; maps the object's file.
 */
void smartcrd_function_name(const void *address, char *text, size_t size);

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* "STATUS_IO_TIMEOUT"; "0x12345678" style numbers have no name: NULL. Static storage. */
const char *smartcrd_status_name(NTSTATUS status);

/* A sentence that says what it means and, for an error, what to do: "the card did not answer in time". Never NULL. */
const char *smartcrd_status_text(NTSTATUS status);

/* "IOCTL_SMARTCARD_POWER"; NULL for a code without a name. */
const char *smartcrd_code_name(uint32_t code);

/* "host", "library", "protocol", "driver", "transport", "card". */
const char *smartcrd_layer_name(enum smartcrd_layer layer);

/* SMARTCRD_VERSION of the library itself. */
const char *smartcrd_version(void);

#ifdef __cplusplus
}
#endif
#endif
