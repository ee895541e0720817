/* SPDX-License-Identifier: MIT */
/* An operation's life (see op.h): making it, sending it to the driver, its end. Whose turn it is: queue.c. What it
 * leaves behind as last error and in the journal: lasterror.c. */
#include "op.h"

#include "park.h"

#include <stdlib.h>
#include <string.h>

/* Where the parts of an operation's one block of memory begin. */
#define ALIGNED(size) (((size) + 15u) & ~(size_t)15u)

/* Nothing of the buffer survives: it held commands and answers, and what a driver wrote beyond them. */
static void wipe(struct op *op)
{
    explicit_bzero(op->buffer, op->capacity);
    explicit_bzero(op->command, sizeof(op->command));
}

static struct op *op_allocate(CCHAR stack_size, size_t capacity)
{
    size_t irp_at = ALIGNED(sizeof(struct op));
    size_t buffer_at = irp_at + ALIGNED(IoSizeOfIrp(stack_size));
    /* Zeroed, and zeroed again after each use: a driver that claims more output than it wrote shows nothing. */
    struct op *op = calloc(1, buffer_at + ALIGNED(capacity));

    if (op) {
        op->irp = (PIRP)(void *)((uint8_t *)op + irp_at);
        op->irp->StackCount = stack_size;
        op->buffer = (uint8_t *)op + buffer_at;
        op->capacity = (uint32_t)capacity;
    }
    return op;
}

/* Memory for one: the handle's spare one when it fits. Overlapped ones that stay for long, or are many, get no more than
 * they need: a tracking request, and what comes while others are in flight. */
static struct op *op_memory(struct smartcrd_handle *handle, size_t need, bool overlapped, bool tracking)
{
    CCHAR stack_size = handle->reader->device->StackSize;
    bool others = atomic_load_explicit(&handle->refs, memory_order_relaxed) > 1; /* a guess will do */
    struct op *op = NULL;

    if (need <= OP_INLINE && !(overlapped && tracking))
        op = atomic_exchange_explicit(&handle->cache, NULL, memory_order_acquire);
    if (op && op->irp->StackCount < stack_size) {
        free(op);
        op = NULL;
    }
    if (op)
        return op;
    return op_allocate(stack_size, need > OP_INLINE || (overlapped && (tracking || others)) ? need : OP_INLINE);
}

static uint32_t read_ulong(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* What the journal says of the input: a minor code, a command's header; never its data. */
static void note_input(struct op *op)
{
    switch (op->code) {
    case IOCTL_SMARTCARD_POWER:
    case IOCTL_SMARTCARD_SET_PROTOCOL:
    case IOCTL_SMARTCARD_SET_ATTRIBUTE:
        if (op->in_size >= sizeof(uint32_t))
            op->minor = read_ulong(op->buffer);
        break;
    case IOCTL_SMARTCARD_TRANSMIT:
        if (op->in_size >= sizeof(SCARD_IO_REQUEST)) {
            uint32_t at = read_ulong(op->buffer + sizeof(uint32_t)); /* cbPciLength */
            if (at <= op->in_size) {
                size_t left = op->in_size - at;
                op->command_size = (uint8_t)(left < sizeof(op->command) ? left : sizeof(op->command));
                memcpy(op->command, op->buffer + at, op->command_size);
            }
        }
        break;
    default:
        break;
    }
}

static NTSTATUS completed(PDEVICE_OBJECT device, PIRP irp, PVOID context);

static void prepare_irp(struct op *op, CCHAR stack_size)
{
    PIO_STACK_LOCATION location;

    IoInitializeIrp(op->irp, IoSizeOfIrp(stack_size), stack_size);
    op->irp->AssociatedIrp.SystemBuffer = op->buffer;
    op->irp->RequestorMode = UserMode;
    op->irp->Tail.Overlay.OriginalFileObject = &op->handle->file;
    location = IoGetNextIrpStackLocation(op->irp);
    location->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    location->FileObject = &op->handle->file;
    location->Parameters.DeviceIoControl.IoControlCode = op->code;
    location->Parameters.DeviceIoControl.InputBufferLength = op->in_size;
    location->Parameters.DeviceIoControl.OutputBufferLength = op->out_size;
    IoSetCompletionRoutine(op->irp, completed, op, TRUE, TRUE, TRUE);
    nt_observe(op->irp, &client_observer, &op->watch);
}

struct op *op_create(struct smartcrd_handle *handle, const struct call *call, uint64_t id, bool overlapped)
{
    const struct smartcrd_request *request = call->request;
    size_t in_size = call->prefix_size + request->in_size;
    size_t need = in_size > request->out_size + call->skip ? in_size : request->out_size + call->skip;
    bool tracking = code_is_tracking(request->code);
    struct op *op = op_memory(handle, need, overlapped, tracking);

    if (!op)
        return NULL;
    PIRP irp = op->irp;
    CCHAR stack_size = irp->StackCount;
    uint32_t capacity = op->capacity;
    memset(op, 0, sizeof(*op));
    op->irp = irp;
    op->buffer = (uint8_t *)irp + ALIGNED(IoSizeOfIrp(stack_size));
    op->capacity = capacity;

    op->watch.reader = handle->reader;
    op->watch.op = op;
    atomic_init(&op->refs, 2);
    atomic_init(&op->outstanding, 2);
    handle_ref(handle);
    op->handle = handle;
    op->id = id != 0 ? id : handle_next_id(handle);
    op->user = request->user;
    op->code = request->code;
    op->timeout_ms = request->timeout_ms;
    op->in_size = (uint32_t)in_size;
    op->out_size = (uint32_t)(request->out_size + call->skip);
    op->out = request->out;
    op->skip = call->skip;
    op->holder = call->holder;
    op->tracking = tracking;
    op->late = STATUS_PENDING;
    op->layer = HOST_LAYER_DRIVER;
    op->submitted_ns = nt_time(handle->context->host);
    if (call->prefix_size > 0)
        memcpy(op->buffer, call->prefix, call->prefix_size);
    if (request->in_size > 0)
        memcpy(op->buffer + call->prefix_size, request->in, request->in_size);
    note_input(op);
    prepare_irp(op, stack_size);
    return op;
}

void op_ref(struct op *op)
{
    /* Relaxed: whoever adds a reference has one. */
    atomic_fetch_add_explicit(&op->refs, 1, memory_order_relaxed);
}

void op_unref(struct op *op)
{
    struct smartcrd_handle *handle = op->handle;
    struct op *none = NULL;

    /* Acquire and release: the last one sees everything that the others did with it. */
    if (atomic_fetch_sub_explicit(&op->refs, 1, memory_order_acq_rel) != 1)
        return;
    wipe(op);
    if (op->capacity != OP_INLINE ||
        !atomic_compare_exchange_strong_explicit(&handle->cache, &none, op, memory_order_release, memory_order_relaxed))
        free(op);
    handle_unref(handle, false);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static NTSTATUS claim_status(uint32_t claim)
{
    switch (claim) {
    case OP_CANCEL:
        return STATUS_CANCELLED;
    case OP_DEADLINE:
        return STATUS_IO_TIMEOUT;
    case OP_REMOVAL:
        return STATUS_DEVICE_REMOVED;
    default:
        return STATUS_INSUFFICIENT_RESOURCES;
    }
}

/* Release: the caller who sees the bit sees everything before it. It may free the operation as soon as it likes. */
static void signal_caller(struct op *op, uint32_t bit)
{
    uint32_t before = atomic_fetch_or_explicit(&op->signal, bit, memory_order_release);

    if (before & OP_SIGNAL_SLEEP)
        park_wake(&op->signal, before & OP_SIGNAL_SIMULATED);
}

/* What an end leaves to do: wake the one who waits for it. */
struct news {
    bool to_caller, to_reapers;
};

/* op_finish but for the waking. next, unless NULL: the driver has let go of it, and its turn goes on. */
static bool end(struct op *op, struct news *news, struct op **next)
{
    struct smartcrd_handle *handle = op->handle;
    uint32_t before = atomic_fetch_or(&op->word, OP_ENDED);
    uint32_t claim = before & OP_CLAIM;
    NTSTATUS status;
    size_t information = 0;

    *news = (struct news){false, false};
    if (before & OP_ENDED)
        return false;
    if (claim != 0) {
        status = claim_status(claim); /* the driver's own may be on its way this moment */
    } else {
        status = op->driver_status;
        if (!NT_ERROR(status))
            information = op->driver_information < op->out_size ? op->driver_information : op->out_size;
    }
    if (claim != 0 || op->timeout_ms != SMARTCRD_NO_TIMEOUT)
        deadline_drop(&handle->context->deadlines, op);

    pthread_mutex_lock(&handle->lock);
    ending_record(op, claim, status, information);
    /* After that, so that what ran first ends first; before anyone can see the end, so that the next request of who sees
     * it does not find this one in its way, for that would cost a worker. */
    if (next && !op->tracking)
        *next = queue_next(op);
    op->status = status;
    op->information = information;
    op->finished = true;
    news->to_caller = op->delivery == OP_DELIVER_CALLER;
    if (!news->to_caller) {
        handle->pending--;
        done_add(handle, op);
        done_signal_fd(handle);
        news->to_reapers = handle_touch(handle);
    }
    pthread_mutex_unlock(&handle->lock);
    return true;
}

/* The operation is referenced by the runner, or by the caller who has not heard of its end. */
static void tell(struct op *op, struct news news)
{
    if (news.to_caller)
        signal_caller(op, OP_SIGNAL_ENDED);
    if (news.to_reapers)
        park_wake(&op->handle->signal, op->handle->context->options.simulated_time);
}

bool op_finish(struct op *op)
{
    struct news news;
    bool ours = end(op, &news, NULL);

    tell(op, news);
    return ours;
}

void op_deliver(struct op *op, struct smartcrd_completion *completion)
{
    size_t size = op->information > op->skip ? op->information - op->skip : 0;

    if (size > 0)
        memcpy(op->out, op->buffer + op->skip, size);
    completion->id = op->id;
    completion->user = op->user;
    completion->code = op->code;
    completion->status = op->status;
    completion->information = size;
    completion->sequence = op->sequence;
}

/* ---- with the driver --------------------------------------------------------------------------------------------- */

/* The driver's dispatch routine has returned, or the request is completed; with the second of them the driver has let
 * go. Returns the next operation, which is the calling thread's to pass on. */
static struct op *let_go(struct op *op)
{
    struct op *next = NULL;

    if (atomic_fetch_sub_explicit(&op->outstanding, 1, memory_order_acq_rel) == 1) {
        if (!op->tracking)
            next = queue_next(op);
        op_unref(op);
    }
    return next;
}

static NTSTATUS completed(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    struct op *op = context;
    struct news news = {false, false};
    struct op *next = NULL;
    uint32_t before;
    bool ours, last;

    (void)device;
    op->driver_status = irp->IoStatus.Status;
    if (op->driver_status == STATUS_PENDING)
        op->driver_status = STATUS_UNSUCCESSFUL; /* no status to end with: the caller would wait for ever */
    op->driver_information = irp->IoStatus.Information;
    op->pended = irp->PendingReturned;
    before = atomic_fetch_add(&op->word, OP_RETURNED - OP_RUNNING);
    /* The dispatch routine has returned: nobody else lets go. */
    last = atomic_load_explicit(&op->outstanding, memory_order_acquire) == 1;
    ours = !(before & OP_ENDED) && end(op, &news, last ? &next : NULL);
    if (!ours)
        ending_late(op, op->driver_status);
    tell(op, news);
    if (last && ours)
        op_unref(op);
    else
        next = let_go(op);
    if (next)
        op_pass_on(next);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

struct op *op_run(struct op *op)
{
    uint32_t word = OP_WAITING;
    struct op *next = NULL;

    if (atomic_compare_exchange_strong(&op->word, &word, OP_RUNNING)) {
        struct nt_host *host = op->handle->context->host;
        struct nt_host *before = nt_enter(host);
        atomic_store_explicit(&op->started_ns, nt_time(host), memory_order_relaxed);
        IoCallDriver(op->watch.reader->device, op->irp);
        nt_enter(before);
        return let_go(op);
    }
    /* Claimed while it waited: its claimer ends it. */
    if (!op->tracking)
        next = queue_next(op);
    op_unref(op);
    return next;
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static void work(struct nt_work *item)
{
    struct op *op = CONTAINING_RECORD(item, struct op, work);

    /* A loop and no recursion, however many operations end at once. */
    while (op) {
        op = op_run(op);
        if (op && op->own_thread) {
            op_pass_on(op);
            op = NULL;
        }
    }
}

void op_pass_on(struct op *op)
{
    while (op) {
        struct op *next;
        uint32_t before;

        if (op->own_thread) {
            signal_caller(op, OP_SIGNAL_TURN);
            return;
        }
        op->work.routine = work;
        if (context_defer(op->handle->context, op->watch.reader->device, &op->work))
            return;
        if (NT_SUCCESS(nt_work_queue(op->handle->context->host, &op->work)))
            return;
        before = op_claim(op, OP_NO_RESOURCES);
        if (op_won(before))
            op_claimed(op, before);
        next = op->tracking ? NULL : queue_next(op);
        op_unref(op);
        op = next;
    }
}

/* ---- claims ------------------------------------------------------------------------------------------------------ */

uint32_t op_claim(struct op *op, uint32_t claim)
{
    uint32_t word = atomic_load(&op->word);

    while (op_won(word) && !atomic_compare_exchange_weak(&op->word, &word, word | claim))
        ;
    return word;
}

void op_claimed(struct op *op, uint32_t before)
{
    struct smartcrd *context = op->handle->context;

    if ((before & OP_PHASE) == OP_WAITING) {
        /* Out of the line before it ends: whoever finds it ended knows then whether it can still get its turn. */
        bool was_queued = !op->tracking && queue_leave(op);
        op_finish(op);
        if (was_queued)
            op_unref(op);
        return;
    }
    uint64_t at = nt_time(context->host) + (uint64_t)context->options.abandon_ms * 1000000u;
    atomic_store(&op->abandon_at, at);
    bool timed = deadline_set(&context->deadlines, op, at);
    struct nt_host *host = nt_enter(context->host);
    IoCancelIrp(op->irp);
    nt_enter(host);
    if (!timed)
        op_finish(op); /* no memory to wait for the driver: it is left with it now */
}

void op_expired(struct op *op)
{
    uint32_t before = op_claim(op, OP_DEADLINE);

    if (op_won(before)) {
        op_claimed(op, before);
    } else if ((before & OP_CLAIM) && !(before & OP_ENDED) && (before & OP_PHASE) == OP_RUNNING) {
        uint64_t at = atomic_load(&op->abandon_at);
        /* Claimed a moment ago: its claimer has set, or is about to set, the clock anew. */
        if (at != 0 && nt_time(op->handle->context->host) >= at)
            op_finish(op);
    }
    op_unref(op);
}
