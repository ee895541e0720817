/* SPDX-License-Identifier: MIT */
/*
 * Requests: the synchronous and the overlapped form. What both share is where a request runs: on the caller's thread
 * when the driver never blocks or when nothing can make the caller want to leave early, else on a thread of the host.
 */
#include "op.h"

#include "park.h"

#include <string.h>

/* Whether a request makes sense at all; what is wrong with it is a programming error and no operation. */
static bool request_is_sane(const struct smartcrd_request *request)
{
    return request && (request->in || request->in_size == 0) && (request->out || request->out_size == 0);
}

static bool request_fits(const struct call *call)
{
    return call->request->in_size <= OP_MAX_BUFFER - call->prefix_size &&
           call->request->out_size <= OP_MAX_BUFFER - call->skip;
}

/* The driver is gone, or the handle is going: nothing new begins. */
static uint32_t claim_at_birth(struct op *op)
{
    if (atomic_load(&op->watch.reader->removed))
        return OP_REMOVAL;
    if (atomic_load(&op->handle->closing))
        return OP_CANCEL;
    return 0;
}

/* Make the operation and enter it in the handle's books. */
static NTSTATUS begin(struct smartcrd_handle *handle, const struct call *call, bool overlapped, uint64_t id,
                      uint64_t *sequence, struct op **made)
{
    struct op *op = NULL;
    uint32_t claim;

    if (!request_fits(call))
        return ending_refuse(handle, call, id, STATUS_INVALID_PARAMETER, "more than 65 KiB of input or output",
                             sequence);
    if (atomic_load(&handle->reader->removed))
        return ending_refuse(handle, call, id, STATUS_DEVICE_REMOVED, "the reader has been removed", sequence);
    op = op_create(handle, call, id, overlapped);
    if (!op)
        return ending_refuse(handle, call, id, STATUS_INSUFFICIENT_RESOURCES, "no memory for the request", sequence);
    pthread_mutex_lock(&handle->lock);
    handle->users++;
    table_add(handle, op);
    pthread_mutex_unlock(&handle->lock);
    /* Removal and close look through the table after they have set their flag; who enters it after that sees the flag. */
    claim = claim_at_birth(op);
    if (claim != 0) {
        uint32_t before = op_claim(op, claim);
        if (op_won(before))
            op_claimed(op, before);
    }
    *made = op;
    return STATUS_PENDING;
}

/* Set the clock for its deadline. */
static void set_deadline(struct op *op)
{
    uint64_t due = op->submitted_ns + (uint64_t)op->timeout_ms * 1000000u;

    if (!deadline_set(&op->handle->context->deadlines, op, due)) {
        uint32_t before = op_claim(op, OP_NO_RESOURCES);
        if (op_won(before))
            op_claimed(op, before);
    }
}

/* Start it. Returns whether it ran on this thread. */
static bool start(struct op *op, bool synchronous)
{
    bool never_blocks = (op->watch.reader->device->Flags & DO_NEVER_BLOCKS) != 0;
    bool timed = op->timeout_ms != SMARTCRD_NO_TIMEOUT;
    bool here = never_blocks || (synchronous && !timed);
    bool ran = false;

    op->own_thread = synchronous && here;
    if (timed && !never_blocks)
        set_deadline(op);
    if (op->tracking || queue_enter(op)) {
        ran = here;
        op_pass_on(here ? op_run(op) : op);
    }
    /* A driver that never blocks has returned by now, and mostly the operation has ended: then no clock is needed. */
    if (timed && never_blocks)
        set_deadline(op);
    return ran;
}

/* Sleep until one of these bits is signalled. Returns all that are. */
static uint32_t wait_for_signal(struct op *op, uint32_t bits)
{
    struct smartcrd *context = op->handle->context;
    uint32_t asleep = OP_SIGNAL_SLEEP | (context->options.simulated_time ? OP_SIGNAL_SIMULATED : 0);

    for (;;) {
        uint32_t signal = atomic_load_explicit(&op->signal, memory_order_acquire);

        if (signal & bits)
            return signal;
        if (!(signal & OP_SIGNAL_SLEEP))
            atomic_fetch_or_explicit(&op->signal, asleep, memory_order_relaxed);
        else
            park_wait(context, &op->signal, signal, PARK_FOR_EVER);
    }
}

/* Wait for the end of a synchronous operation, and run it when its turn comes. */
static void wait_for_end(struct op *op, bool ran)
{
    if (!ran && !(wait_for_signal(op, OP_SIGNAL_ENDED | OP_SIGNAL_TURN) & OP_SIGNAL_ENDED)) {
        ran = true;
        op_pass_on(op_run(op));
    }
    wait_for_signal(op, OP_SIGNAL_ENDED);
    /* Claimed when it had its turn already, before this thread could use it: the turn goes on to the next. But not
     * before it has arrived: whoever took it out of the line still has it in hand, by the reference that op_run gives
     * back. */
    if (op->own_thread && !op->tracking && !ran && queue_is_active(op)) {
        wait_for_signal(op, OP_SIGNAL_TURN);
        op_pass_on(op_run(op));
    }
}

/* The call that started it takes its end, and with it the caller's reference. handle->lock held; released here. */
static void take_end(struct op *op, struct smartcrd_completion *completion)
{
    struct smartcrd_handle *handle = op->handle;
    bool wake;

    table_remove(handle, op);
    handle->users--;
    wake = handle_touch(handle);
    pthread_mutex_unlock(&handle->lock);
    if (wake)
        park_wake(&handle->signal, handle->context->options.simulated_time);
    op_deliver(op, completion);
    op_unref(op);
}

NTSTATUS control_run(struct smartcrd_handle *handle, const struct call *call, size_t *information)
{
    struct smartcrd *context = handle->context;
    struct nt_held before = context_hold(context);
    struct smartcrd_completion completion;
    struct op *op = NULL;
    NTSTATUS status;

    *information = 0;
    status = begin(handle, call, false, 0, NULL, &op);
    if (status == STATUS_PENDING) {
        wait_for_end(op, start(op, true));
        pthread_mutex_lock(&handle->lock);
        take_end(op, &completion);
        *information = completion.information;
        status = completion.status;
    }
    context_release(before);
    return status;
}

NTSTATUS smartcrd_control(struct smartcrd_handle *handle, const struct smartcrd_request *request, size_t *information)
{
    const struct call call = {.request = request};
    size_t unused;

    if (!information)
        information = &unused;
    *information = 0;
    if (!handle || !request_is_sane(request))
        return STATUS_INVALID_PARAMETER;
    if (code_is_query(request->code))
        return request_fits(&call) ? query_run(&handle->form, request, information) : STATUS_INVALID_PARAMETER;
    return control_run(handle, &call, information);
}

/* Start an overlapped one. Returns STATUS_PENDING or how it ended. */
static NTSTATUS submit(struct smartcrd_handle *handle, const struct call *call, struct smartcrd_completion *done)
{
    struct op *op = NULL;

    done->status = begin(handle, call, true, done->id, &done->sequence, &op);
    if (done->status != STATUS_PENDING)
        return done->status;
    start(op, false);
    pthread_mutex_lock(&handle->lock);
    if (op->finished) {
        take_end(op, done);
        return done->status;
    }
    /* From here on its end goes to the list, and whoever takes it from there takes the caller's reference too. */
    op->delivery = OP_DELIVER_LIST;
    handle->pending++;
    handle->users--;
    pthread_mutex_unlock(&handle->lock);
    return STATUS_PENDING;
}

NTSTATUS smartcrd_submit(struct smartcrd_handle *handle, const struct smartcrd_request *request, uint64_t *id,
                         struct smartcrd_completion *done)
{
    const struct call call = {.request = request};
    struct smartcrd_completion unused;
    struct smartcrd *context;
    struct nt_held before;
    NTSTATUS status;

    if (!done)
        done = &unused;
    memset(done, 0, sizeof(*done));
    done->status = STATUS_INVALID_PARAMETER;
    if (!handle || !request_is_sane(request))
        return STATUS_INVALID_PARAMETER;
    done->id = handle_next_id(handle);
    done->user = request->user;
    done->code = request->code;
    if (id)
        *id = done->id;
    if (code_is_query(request->code)) {
        if (request_fits(&call))
            done->status = query_run(&handle->form, request, &done->information);
        return done->status;
    }
    context = handle->context;
    before = context_hold(context);
    status = submit(handle, &call, done);
    context_release(before);
    return status;
}
