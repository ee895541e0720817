/* SPDX-License-Identifier: MIT */
/*
 * An operation: one request that changes something or waits, from its submission to its completion.
 *
 * Its life is one atomic word: a phase, a claim, and the mark that it has ended.
 *
 *                 start                    driver completes
 *      WAITING ----------->  RUNNING  ------------------------->  RETURNED
 *         |                     |                                     |
 *         | claim               | claim: IoCancelIrp, and             | the driver's status,
 *         v                     v abandon_ms later at the latest      v or the claim's
 *       ENDED                 ENDED (left with the driver)          ENDED
 *
 *   WAITING   in its reader's queue, or with the thread that is about to send it down; the driver has not seen it
 *   RUNNING   with the driver
 *   RETURNED  the driver has completed it
 *   claim     decides the final status, whatever the driver says: cancelled, timed out, removed. Only an operation
 *             that is WAITING or RUNNING and has no claim can be claimed, so there is at most one claim.
 *   ENDED     its end is being, or has been, made known. Whoever sets this bit does that; nobody else.
 *
 * Who moves it:
 *   WAITING to RUNNING     the thread that calls the driver (op_run); refused when it is claimed
 *   RUNNING to RETURNED    the completion routine
 *   claim                  smartcrd_cancel(_all), smartcrd_close: OP_CANCEL; the clock: OP_DEADLINE;
 *                          smartcrd_remove_reader: OP_REMOVAL; who finds no thread for it: OP_NO_RESOURCES
 *   ENDED                  WAITING and claimed: the claimer. RUNNING and claimed: the completion routine, or the clock
 *                          abandon_ms after the claim, or the claimer when there is no memory for the clock. RETURNED
 *                          without a claim: the completion routine.
 *
 * References: one for the caller (until the completion is delivered), one for the runner (until the driver has both
 * completed the request and returned from its dispatch routine, or until it is sure that neither will begin), one while
 * the clock knows it, and one for whoever claims it, meanwhile.
 */
#ifndef CLIENT_OP_H
#define CLIENT_OP_H

#include "handle.h"

#define OP_WAITING      0u
#define OP_RUNNING      1u
#define OP_RETURNED     2u
#define OP_PHASE        0x00fu
#define OP_CANCEL       0x010u
#define OP_DEADLINE     0x020u
#define OP_REMOVAL      0x030u
#define OP_NO_RESOURCES 0x040u
#define OP_CLAIM        0x0f0u
#define OP_ENDED        0x100u

/* Bits of op.signal, on which the caller of a synchronous operation is parked. */
#define OP_SIGNAL_TURN      1u /* it has its turn, and its caller's thread shall run it */
#define OP_SIGNAL_ENDED     2u
#define OP_SIGNAL_SLEEP     4u /* it is parked: set by itself, so that nobody else makes a system call for nothing */
#define OP_SIGNAL_SIMULATED 8u /* in simulated time, that is */

/* System buffers up to this size live in the operation: a short APDU with its SCARD_IO_REQUEST and some room. */
#define OP_INLINE 608u

#define OP_MAX_BUFFER (65536u + 1024u)

/* How its end reaches the caller; guarded by handle->lock. */
enum op_delivery {
    OP_DELIVER_CALLER, /* the call that started it is still inside and takes it */
    OP_DELIVER_LIST,   /* the completion list */
};

/* What a driver's or the library's words reach (host.h): first member of an operation, and alone for a query. */
struct watch {
    struct reader *reader;
    struct op *op; /* NULL: a query */
};

/* A request with what the typed calls add: bytes before its input, bytes of its output that the caller does not see. */
struct call {
    const struct smartcrd_request *request;
    const uint8_t *prefix;
    size_t prefix_size;
    size_t skip;
    const void *holder; /* of an exchange (reader.holder), or NULL */
};

struct op {
    struct watch watch;
    _Atomic uint32_t word;
    _Atomic uint32_t refs;
    _Atomic uint32_t outstanding; /* the dispatch routine's return and the completion */
    _Atomic uint32_t signal;

    /* Set before anyone else sees it, constant then. */
    struct smartcrd_handle *handle; /* referenced */
    uint64_t id;
    void *user;
    uint32_t code, minor, timeout_ms;
    uint32_t in_size, out_size;
    uint32_t capacity; /* of buffer; what has OP_INLINE is worth keeping */
    uint8_t *out;
    size_t skip;
    const void *holder;
    uint64_t submitted_ns;
    bool tracking;   /* IS_PRESENT, IS_ABSENT: does not wait for its turn */
    bool own_thread; /* a synchronous one that its caller's thread runs */
    uint8_t command[5], command_size;
    PIRP irp;
    uint8_t *buffer;

    struct op *queue_next, *queue_previous; /* guarded by reader->queue_lock */
    bool queued;

    uint64_t due; /* guarded by deadlines->lock */
    uint32_t heap_index;
    _Atomic uint64_t abandon_at; /* 0: not claimed while running */

    struct op *claim_next; /* of who won the claim, like the word from before it */
    uint32_t claim_before;
    struct nt_work work;

    /* Guarded by handle->lock. */
    struct op *table_next, *done_next, *done_previous;
    enum op_delivery delivery;
    bool finished;
    NTSTATUS status;
    size_t information;

    /* Written by the completion routine before it moves the word to RETURNED. */
    NTSTATUS driver_status;
    size_t driver_information;
    bool pended;
    _Atomic uint64_t started_ns;

    /* Guarded by reader->end_lock. */
    uint64_t sequence;
    NTSTATUS late;
    enum host_layer layer;
    ULONG retransmissions, waiting_time_extensions;
    char step[sizeof(((struct smartcrd_journal_entry *)NULL)->step)];
};

/* ---- op.c ---- */

/* Make one; id 0: give it a new number. The references of caller and runner are the caller's. NULL: no memory. */
struct op *op_create(struct smartcrd_handle *handle, const struct call *call, uint64_t id, bool overlapped);
void op_ref(struct op *op);
void op_unref(struct op *op);

/*
 * Send it to the driver on this thread (PASSIVE_LEVEL, inside the host, no lock held); gives the runner's reference
 * back in time. Returns the operation that has its turn next and is now this thread's to pass on, or NULL.
 */
struct op *op_run(struct op *op);

/* Have it run: wake its own thread, or hand it to a worker. What finds no thread ends, and the next is tried. */
void op_pass_on(struct op *op);

/* Claim it. Returns the word from before: when op_won(it), the caller owes op_claimed(op, it), with a reference, holding
 * no lock. */
uint32_t op_claim(struct op *op, uint32_t claim);
static inline bool op_won(uint32_t before)
{
    return (before & OP_PHASE) != OP_RETURNED && (before & (OP_CLAIM | OP_ENDED)) == 0;
}
void op_claimed(struct op *op, uint32_t before);

/* Its time has passed (deadline.c). Gives the heap's reference back. */
void op_expired(struct op *op);

/* The end of an operation: see lasterror.c for the order of things. Returns false when somebody else ends it. */
bool op_finish(struct op *op);

/* Copy its output and say how it ended; the caller has taken it out of table and list. */
void op_deliver(struct op *op, struct smartcrd_completion *completion);

/* ---- queue.c ---- */

/* Get in line. true: it has its turn now and is the caller's to run. The runner's reference is dropped when it is
 * claimed already. */
bool queue_enter(struct op *op);
/* Take it out of the line. false: it was not in it. */
bool queue_leave(struct op *op);
/* The operation has had its turn. Returns the next, or NULL. */
struct op *queue_next(struct op *op);
/* Whether it has its turn. */
bool queue_is_active(struct op *op);
/* An exchange is over. Returns the operation that has its turn next, or NULL. */
struct op *queue_release(struct reader *reader, const void *holder);

/* ---- lasterror.c ---- */

extern const struct nt_observer client_observer;

/* Store the status of an operation that ends, give it its sequence number, write its journal entry. `claim`: of the
 * word. Returns the sequence number. */
void ending_record(struct op *op, uint32_t claim, NTSTATUS status, size_t information);
/* The driver let go of an operation that had ended. */
void ending_late(struct op *op, NTSTATUS status);
/* An operation that never became one. Returns its status. */
NTSTATUS ending_refuse(struct smartcrd_handle *handle, const struct call *call, uint64_t id, NTSTATUS status,
                       const char *step, uint64_t *sequence);
/* From now on the reader's value lives in its shadow. */
void ending_seal(struct reader *reader);
/* The value as it is. */
ULONG ending_last(struct reader *reader);

/* ---- query.c ---- */

bool code_is_query(uint32_t code);
bool code_is_tracking(uint32_t code);
/* Make a form ready: queries are copies of it. The device's stack grows no more by then. */
void query_prepare(struct query_form *form, struct reader *reader, FILE_OBJECT *file);
/* Run a query on this thread. */
NTSTATUS query_run(const struct query_form *form, const struct smartcrd_request *request, size_t *information);
/* One without input whose answer has four bytes. */
NTSTATUS query_ulong(const struct query_form *form, uint32_t code, uint32_t *value);
/* Send IRP_MJ_CREATE, _CLEANUP or _CLOSE and wait for it. */
NTSTATUS query_file(struct query_form *form, UCHAR major);

/* ---- control.c ---- */

/* smartcrd_control with the additions of a call. */
NTSTATUS control_run(struct smartcrd_handle *handle, const struct call *call, size_t *information);

/* ---- request.c ---- */

/* smartcrd_transmit as a part of an exchange; the arguments are checked. */
NTSTATUS request_transmit(struct smartcrd_handle *handle, const uint8_t *command, size_t size, uint8_t *reply,
                          size_t *reply_size, uint32_t timeout_ms, const void *holder);

#endif
