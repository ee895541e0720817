/* SPDX-License-Identifier: MIT */
/*
 * The four queries: on the caller's thread, straight down and up again, no queue, no lock, no allocation for answers of
 * usual size. They store nothing and are not journaled. Which codes these are, and which ones track, is decided here.
 */
#include "op.h"

#include "park.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(QUERY_STACK_SIZE == 4, "see ask");

/* Answers this long need no allocation. */
#define SMALL 64

/* What GET_LAST_ERROR passes on its way is one function for the compiler: it is asked after every failure. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* query.done: who sends the request sleeps on it only when the driver pended, which a query's driver must not. */
#define RUNNING  0u
#define DONE     1u
#define SLEEPING 2u
#define DREAMING 3u /* the same in simulated time */

struct query {
    struct watch watch;
    _Atomic uint32_t done;
    NTSTATUS status;
    size_t information;
};

bool code_is_query(uint32_t code)
{
    switch (code) {
    case IOCTL_SMARTCARD_GET_LAST_ERROR:
    case IOCTL_SMARTCARD_GET_STATE:
    case IOCTL_SMARTCARD_GET_ATTRIBUTE:
    case IOCTL_SMARTCARD_GET_PERF_CNTR:
        return true;
    default:
        return false;
    }
}

bool code_is_tracking(uint32_t code)
{
    return code == IOCTL_SMARTCARD_IS_PRESENT || code == IOCTL_SMARTCARD_IS_ABSENT;
}

static NTSTATUS completed(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    struct query *query = context;

    (void)device;
    (void)irp; /* is its sender's again as soon as DONE is seen */
    _Atomic uint32_t *done = &query->done;
    uint32_t before = atomic_exchange_explicit(done, DONE, memory_order_acq_rel);
    if (before != RUNNING)
        park_wake(done,
                  before == DREAMING); /* only the address is used: the query is gone as soon as its thread sees DONE */
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* GET_LAST_ERROR without the driver: for readers that are gone, and for drivers that do not know the code. */
static NTSTATUS last_error_here(struct reader *reader, const struct smartcrd_request *request, size_t *information)
{
    ULONG last = ending_last(reader);

    *information = 0;
    if (request->out_size < sizeof(last))
        return STATUS_BUFFER_TOO_SMALL;
    memcpy(request->out, &last, sizeof(last));
    *information = sizeof(last);
    return STATUS_SUCCESS;
}

void query_prepare(struct query_form *form, struct reader *reader, FILE_OBJECT *file)
{
    CCHAR stack_size = reader->device->StackSize;

    form->reader = reader;
    form->file = file;
    form->size = IoSizeOfIrp(stack_size);
    if (stack_size > QUERY_STACK_SIZE)
        return;
    IoInitializeIrp(&form->irp, form->size, stack_size);
    form->irp.RequestorMode = UserMode;
}

/* The driver pended: sleep until it is done. */
static void __attribute__((noinline)) wait_for(struct query *query)
{
    struct smartcrd *context = query->watch.reader->context;
    uint32_t running = RUNNING;
    uint32_t asleep = context->options.simulated_time ? DREAMING : SLEEPING;

    if (!atomic_compare_exchange_strong(&query->done, &running, asleep))
        return;
    while (atomic_load_explicit(&query->done, memory_order_acquire) != DONE)
        park_wait(context, &query->done, asleep, PARK_FOR_EVER);
}

/* What a query asks. */
struct question {
    UCHAR major;
    uint32_t code;
    size_t in_size, out_size;
    void *buffer; /* holds the input, receives the output */
};

/* Send a new request, whose topmost location this is, and have it back. */
static ALWAYS_INLINE void send(const struct query_form *form, struct question question, struct query *query, PIRP irp,
                               PIO_STACK_LOCATION location)
{
    struct reader *reader = form->reader;
    struct nt_host *before;

    query->watch = (struct watch){.reader = reader};
    atomic_init(&query->done, RUNNING);
    irp->Tail.Overlay.OriginalFileObject = form->file;
    irp->Tail.Overlay.CurrentStackLocation = location + 1;
    irp->AssociatedIrp.SystemBuffer = question.buffer;
    nt_observe(irp, &client_observer, &query->watch);
    location->MajorFunction = question.major;
    location->Parameters.DeviceIoControl.IoControlCode = question.code;
    location->Parameters.DeviceIoControl.InputBufferLength = (ULONG)question.in_size;
    location->Parameters.DeviceIoControl.OutputBufferLength = (ULONG)question.out_size;
    location->FileObject = form->file;
    location->CompletionRoutine = completed;
    location->Context = query;
    location->Control = SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL;
    before = nt_enter(reader->context->host);
    IoCallDriver(reader->device, irp);
    nt_enter(before);
    if (atomic_load_explicit(&query->done, memory_order_acquire) != DONE)
        wait_for(query);
    query->status = irp->IoStatus.Status;
    query->information = irp->IoStatus.Information;
}

/* Through a stack of devices that is deeper than usual. */
static void __attribute__((noinline))
ask_deep(const struct query_form *form, struct question question, struct query *query)
{
    struct deep_irp room; /* and no memory that could be missing: a file is closed this way too */
    PIRP irp = &room.irp;
    CCHAR stack_size = form->reader->device->StackSize;

    IoInitializeIrp(irp, IoSizeOfIrp(stack_size), stack_size);
    irp->RequestorMode = UserMode;
    send(form, question, query, irp, IoGetNextIrpStackLocation(irp));
}

/*
 * Ask. The request is what IoInitializeIrp makes, in fewer instructions: nearly all of it is zeros, most stacks are two
 * devices deep, and pieces of this size are cleared by a few wide stores. The topmost location is the room's last one,
 * however many there are, so that it is always at the same place.
 */
static ALWAYS_INLINE void ask(const struct query_form *form, struct question question, struct query *query)
{
    struct query_irp room;
    PIRP irp = &room.irp;

    if (form->size > IoSizeOfIrp(2)) {
        if (form->size > sizeof(room)) {
            ask_deep(form, question, query);
            return;
        }
        memset(&room.locations[0], 0, sizeof(room.locations[0]));
        memset(&room.locations[1], 0, sizeof(room.locations[1]));
    }
    memset(irp, 0, offsetof(IRP, Tail));
    memset(&irp->Tail, 0, sizeof(irp->Tail));           /* `send` sets what is behind it */
    memcpy(irp, &form->irp, offsetof(IRP, CancelIrql)); /* its type, sizes and mode */
    memset(&room.locations[2], 0, sizeof(room.locations[2]));
    memset(&room.locations[3], 0, sizeof(room.locations[3]));
    send(form, question, query, irp, &room.locations[QUERY_STACK_SIZE - 1]);
}

NTSTATUS query_file(struct query_form *form, UCHAR major)
{
    struct question question = {.major = major};
    struct query query;

    ask(form, question, &query);
    return query.status;
}

/* A driver that never showed a cell does not use the library and may not know the code; the host does. */
static bool host_knows_better(struct reader *reader, uint32_t code, NTSTATUS status)
{
    return code == IOCTL_SMARTCARD_GET_LAST_ERROR && status != STATUS_BUFFER_TOO_SMALL &&
           atomic_load_explicit(&reader->cell, memory_order_relaxed) == &reader->shadow;
}

/* The reader is gone. */
static NTSTATUS ask_nobody(struct reader *reader, const struct smartcrd_request *request, size_t *information)
{
    return request->code == IOCTL_SMARTCARD_GET_LAST_ERROR ? last_error_here(reader, request, information)
                                                           : STATUS_DEVICE_REMOVED;
}

NTSTATUS query_run(const struct query_form *form, const struct smartcrd_request *request, size_t *information)
{
    size_t size = request->in_size > request->out_size ? request->in_size : request->out_size;
    uint8_t small[SMALL] = {0};
    uint8_t *buffer = small;
    struct question question;
    struct query query;
    NTSTATUS status;

    *information = 0;
    if (atomic_load_explicit(&form->reader->removed, memory_order_acquire))
        return ask_nobody(form->reader, request, information);
    if (size > sizeof(small))
        buffer = calloc(1, size);
    if (!buffer)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (request->in_size > 0)
        memcpy(buffer, request->in, request->in_size);
    question = (struct question){IRP_MJ_DEVICE_CONTROL, request->code, request->in_size, request->out_size, buffer};
    ask(form, question, &query);
    status = query.status;
    if (!NT_ERROR(status))
        *information = query.information < request->out_size ? query.information : request->out_size;
    if (NT_ERROR(status) && host_knows_better(form->reader, request->code, status))
        status = last_error_here(form->reader, request, information);
    else if (*information > 0)
        memcpy(request->out, buffer, *information);
    explicit_bzero(buffer, size); /* attributes can tell who holds the card */
    if (buffer != small)
        free(buffer);
    return status;
}

/* query_ulong after the driver failed with `status`, or is gone. */
static NTSTATUS __attribute__((noinline))
ulong_here(struct reader *reader, uint32_t code, NTSTATUS status, uint32_t *value)
{
    if (code != IOCTL_SMARTCARD_GET_LAST_ERROR ||
        (!atomic_load(&reader->removed) && !host_knows_better(reader, code, status)))
        return status;
    *value = ending_last(reader);
    return STATUS_SUCCESS;
}

static ALWAYS_INLINE NTSTATUS ask_ulong(const struct query_form *form, uint32_t code, uint32_t *value)
{
    uint32_t answer = 0;
    struct question question = {IRP_MJ_DEVICE_CONTROL, code, 0, sizeof(answer), &answer};
    struct query query;

    if (atomic_load_explicit(&form->reader->removed, memory_order_acquire))
        return ulong_here(form->reader, code, STATUS_DEVICE_REMOVED, value);
    ask(form, question, &query);
    if (!NT_SUCCESS(query.status))
        return ulong_here(form->reader, code, query.status, value);
    if (query.information < sizeof(answer))
        return STATUS_DEVICE_PROTOCOL_ERROR;
    *value = answer;
    return query.status;
}

NTSTATUS query_ulong(const struct query_form *form, uint32_t code, uint32_t *value)
{
    return ask_ulong(form, code, value);
}

NTSTATUS smartcrd_last_error(struct smartcrd_handle *handle, NTSTATUS *last)
{
    if (!handle || !last)
        return STATUS_INVALID_PARAMETER;
    return ask_ulong(&handle->form, IOCTL_SMARTCARD_GET_LAST_ERROR, (uint32_t *)last);
}
