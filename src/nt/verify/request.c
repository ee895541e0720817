/* SPDX-License-Identifier: MIT */
/*
 * A request's life with a watched driver. The driver gets a copy of the request, whose buffer has guards around it, and
 * whose end ends the caller's own. The copy is kept for a while after that, so that completing it again, or writing to
 * it, does no harm and is found.
 *
 * A copy has a reference for the dispatch routine, until it has returned; one for the request's end; and one for each
 * look at it from elsewhere. With the last one it joins those that are gone.
 */
#include "verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_SIZE  64
#define GUARD_BYTE  0xA7
#define SETTLE_MS   5000 /* how long a driver may keep requests after its reader's removal */
#define SETTLE_STEP 10

enum phase { WITH_DRIVER, COMPLETING };

struct verify_request {
    LIST_ENTRY links; /* in verify->requests or verify->gone; guarded by requests_lock */
    LONG references;  /* atomic */
    struct nt_host *host;
    struct nt_driver *driver;
    PDEVICE_OBJECT device;
    struct verify_about about;
    PIRP original;
    const struct nt_observer *observer; /* the original's */
    void *observer_context;

    uint8_t *block; /* guard, buffer, guard; NULL: the request has no buffer of ours */
    size_t size;
    size_t out_size;
    bool wiped; /* the buffer is all zeros since the request has ended */

    pthread_mutex_t lock; /* guards everything up to `completed` */
    enum phase phase;
    bool marked;              /* pending, as it was when it was completed */
    const void *completed_in; /* the routine in which it was completed first */
    const void *callback;     /* that was called for it last */
    const void *marker;       /* the callback that marked it, and returned something else than STATUS_PENDING */

    LONG completed;  /* atomic: the driver has completed it, or has returned as if it had */
    LONG forced;     /* atomic: on the driver's behalf; its own completion is still to come, and is no second one */
    LONG answered;   /* atomic: the original has been completed */
    LONG returned;   /* atomic: the dispatch routine has */
    LONG stored;     /* atomic: its result was stored as the last error */
    bool cancelable; /* the original has our cancel routine; constant once it is with the driver */

    IRP irp; /* last, the stack locations follow */
};

struct verify_request *verify_request_of(PIRP irp)
{
    return irp->Type == IO_TYPE_WATCHED_IRP ? CONTAINING_RECORD(irp, struct verify_request, irp) : NULL;
}

struct nt_driver *verify_request_driver(PIRP irp)
{
    return verify_request_of(irp)->driver;
}

void verify_request_about(struct verify_request *request, struct verify_about *about)
{
    *about = request->about;
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

static uint8_t *buffer_of(struct verify_request *request)
{
    return request->block + GUARD_SIZE;
}

static void fill_guards(struct verify_request *request)
{
    memset(request->block, GUARD_BYTE, GUARD_SIZE);
    memset(buffer_of(request) + request->size, GUARD_BYTE, GUARD_SIZE);
}

/* Whose work a request's end shows: its callback's, when the dispatch routine (the library, mostly) completes it; else
 * NULL, the routine that runs. */
static const void *worker(const struct verify_request *request)
{
    const struct verify_frame *frame = host_cpu.Frame;

    return frame != NULL && frame->request == request && frame->outer == NULL ? request->callback : NULL;
}

static void check_guards(struct verify_request *request)
{
    if (request->block == NULL) {
        return;
    }
    if (!verify_intact(request->block, GUARD_SIZE, GUARD_BYTE)) {
        verify_report_request(VERIFY_BUFFER, request, worker(request),
                              "bytes before the request's buffer of %zu bytes were overwritten", request->size);
    } else if (!verify_intact(buffer_of(request) + request->size, GUARD_SIZE, GUARD_BYTE)) {
        verify_report_request(VERIFY_BUFFER, request, worker(request),
                              "bytes behind the request's buffer of %zu bytes were overwritten", request->size);
    }
    fill_guards(request);
}

static bool buffer_create(struct verify_request *request, const IO_STACK_LOCATION *location)
{
    size_t in = location->Parameters.DeviceIoControl.InputBufferLength;
    size_t out = location->Parameters.DeviceIoControl.OutputBufferLength;
    void *original = request->original->AssociatedIrp.SystemBuffer;

    request->irp.AssociatedIrp.SystemBuffer = original;
    if (location->MajorFunction != IRP_MJ_DEVICE_CONTROL || original == NULL) {
        return true;
    }
    request->out_size = out;
    request->size = in > out ? in : out;
    request->block = calloc(1, GUARD_SIZE + request->size + GUARD_SIZE);
    if (request->block == NULL) {
        return false;
    }
    fill_guards(request);
    memcpy(buffer_of(request), original, request->size);
    request->irp.AssociatedIrp.SystemBuffer = buffer_of(request);
    return true;
}

/* ---- references -------------------------------------------------------------------------------------------------- */

static void request_free(struct verify_request *request)
{
    if (request->block != NULL && request->wiped &&
        !(verify_intact(request->block, GUARD_SIZE, GUARD_BYTE) &&
          verify_intact(buffer_of(request), request->size, 0) &&
          verify_intact(buffer_of(request) + request->size, GUARD_SIZE, GUARD_BYTE))) {
        verify_report_request(VERIFY_AFTERWARDS, request, request->completed_in,
                              "its buffer was written to after the request had been completed");
    }
    pthread_mutex_destroy(&request->lock);
    if (request->block != NULL) {
        explicit_bzero(request->block, GUARD_SIZE + request->size + GUARD_SIZE);
    }
    free(request->block);
    free(request);
}

static void request_ref(struct verify_request *request)
{
    InterlockedIncrement(&request->references);
}

/* Under the lock: whoever finds it among those with a driver (kept_by) can still take a reference. */
static void request_unref(struct verify_request *request)
{
    struct verify *verify = request->host->verify;
    struct verify_request *oldest = NULL;

    pthread_mutex_lock(&verify->requests_lock);
    if (InterlockedDecrement(&request->references) == 0) {
        RemoveEntryList(&request->links);
        InsertTailList(&verify->gone, &request->links);
        verify->gone_count++;
    }
    if (verify->gone_count > GONE_MAX) {
        oldest = CONTAINING_RECORD(RemoveHeadList(&verify->gone), struct verify_request, links);
        verify->gone_count--;
    }
    pthread_mutex_unlock(&verify->requests_lock);
    if (oldest != NULL) {
        request_free(oldest);
    }
}

/* ---- the original ------------------------------------------------------------------------------------------------ */

/* End the original, once. */
static void answer(struct verify_request *request, NTSTATUS status, ULONG_PTR information, bool pended)
{
    struct verify_frame *frame = host_cpu.Frame;
    PIRP original = request->original;
    KIRQL irql, before = host_cpu.Irql;

    if (InterlockedExchange(&request->answered, TRUE)) {
        return;
    }
    host_cpu.Irql = before > DISPATCH_LEVEL ? DISPATCH_LEVEL : before; /* it was reported */
    if (request->cancelable && IoSetCancelRoutine(original, NULL) == NULL && !cancel_lock_is_mine()) {
        IoAcquireCancelSpinLock(&irql); /* waits for a cancel that still looks at the original */
        IoReleaseCancelSpinLock(irql);
    }
    if (request->block != NULL) {
        memcpy(original->AssociatedIrp.SystemBuffer, buffer_of(request), request->size);
    }
    original->IoStatus.Status = status;
    original->IoStatus.Information = information;
    if (pended) {
        IoMarkIrpPending(original);
    }
    host_cpu.Frame = NULL; /* what follows is the caller's code */
    IoCompleteRequest(original, IO_NO_INCREMENT);
    host_cpu.Frame = frame;
    host_cpu.Irql = before;
}

/* Somebody cancels the original; its context leads to the copy. The cancel spin lock is held. */
static VOID cancel(PDEVICE_OBJECT device, PIRP original)
{
    struct verify_request *request = original->Tail.Overlay.DriverContext[3];

    request_ref(request);
    IoReleaseCancelSpinLock(original->CancelIrql);
    IoCancelIrp(&request->irp);
    request_unref(request);
}

/* ---- what the library and the driver say of it (host.h) ------------------------------------------------------------ */

static BOOLEAN records_last_error(void *context, volatile ULONG *cell)
{
    struct verify_request *request = context;

    InterlockedExchange(&request->stored, TRUE);
    if (ReadAcquire(&request->answered)) {
        return TRUE; /* on the driver's behalf: its client may be gone */
    }
    return request->observer != NULL && request->observer->records_last_error != NULL
               ? request->observer->records_last_error(request->observer_context, cell)
               : FALSE;
}

static void step(void *context, enum host_layer layer, const char *words)
{
    struct verify_request *request = context;

    if (request->observer != NULL && request->observer->step != NULL && !ReadAcquire(&request->answered)) {
        request->observer->step(request->observer_context, layer, words);
    }
}

static void count(void *context, ULONG retransmissions, ULONG waiting_time_extensions)
{
    struct verify_request *request = context;

    if (request->observer != NULL && request->observer->count != NULL && !ReadAcquire(&request->answered)) {
        request->observer->count(request->observer_context, retransmissions, waiting_time_extensions);
    }
}

static const struct nt_observer observer = {
    .records_last_error = records_last_error,
    .step = step,
    .count = count,
};

/* ---- its end ----------------------------------------------------------------------------------------------------- */

static bool is_first(struct verify_request *request)
{
    PIRP irp = &request->irp;

    if (irp->CurrentLocation > irp->StackCount) {
        return false;
    }
    /* Below its own location, or after a completion routine of its own, the driver may complete it once more. */
    return irp->CurrentLocation < irp->StackCount || !InterlockedExchange(&request->completed, TRUE);
}

/* A callback completed the request, and returned a final status: so the library completes it again. */
static bool by_library(const struct verify_request *request, const void *before)
{
    return host_cpu.Frame != NULL && host_cpu.Frame->outer == NULL && host_cpu.Frame->request == request &&
           before == request->callback && before != NULL;
}

bool verify_completing(PIRP irp)
{
    struct verify_request *request = verify_request_of(irp);
    const void *before;

    if (!is_first(request)) {
        if (InterlockedExchange(&request->forced, FALSE)) {
            return false;
        }
        pthread_mutex_lock(&request->lock);
        before = request->completed_in;
        pthread_mutex_unlock(&request->lock);
        verify_report_request(VERIFY_COMPLETED_TWICE, request, by_library(request, before) ? before : NULL,
                              "the request had been completed already, with status 0x%08X",
                              (unsigned)irp->IoStatus.Status);
        return false;
    }
    if (host_cpu.Irql > DISPATCH_LEVEL) {
        verify_report_request(VERIFY_IRQL, request, NULL,
                              "IoCompleteRequest was called at IRQL %d, at most %d is allowed", host_cpu.Irql,
                              DISPATCH_LEVEL);
    }
    if (IoSetCancelRoutine(irp, NULL) != NULL) {
        verify_report_request(VERIFY_CANCEL_ROUTINE, request, NULL, "the request still had its cancel routine");
    }
    if (irp->IoStatus.Status == STATUS_PENDING) {
        verify_report_request(VERIFY_COMPLETED_AS_PENDING, request, NULL, "IoStatus.Status was STATUS_PENDING");
        irp->IoStatus.Status = STATUS_UNSUCCESSFUL;
    }
    pthread_mutex_lock(&request->lock);
    request->phase = COMPLETING;
    request->marked = (IoGetCurrentIrpStackLocation(irp)->Control & SL_PENDING_RETURNED) != 0;
    if (request->completed_in == NULL && host_cpu.Frame != NULL) {
        request->completed_in = host_cpu.Frame->routine;
    }
    pthread_mutex_unlock(&request->lock);
    return true;
}

/* The driver has ended the copy. */
static NTSTATUS ended(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    struct verify_request *request = context;
    NTSTATUS status = irp->IoStatus.Status;
    ULONG_PTR information = irp->IoStatus.Information;

    InterlockedExchange(&request->completed, TRUE); /* a completion routine of the driver's may have let it pass */
    if (request->about.major == IRP_MJ_DEVICE_CONTROL && !NT_ERROR(status) && information > request->out_size) {
        verify_report_request(VERIFY_INFORMATION, request, worker(request),
                              "Information was %llu, and the output buffer has %zu bytes",
                              (unsigned long long)information, request->out_size);
        information = request->out_size;
    }
    check_guards(request);
    verify_reader_completion(request, irp, request->device, status, irp->PendingReturned,
                             ReadAcquire(&request->stored) != FALSE);
    answer(request, status, information, irp->PendingReturned);
    if (request->block != NULL) {
        explicit_bzero(buffer_of(request), request->size);
        request->wiped = true;
    }
    request_unref(request);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* ---- dispatch ---------------------------------------------------------------------------------------------------- */

static void request_identify(struct verify_request *request, const IO_STACK_LOCATION *location)
{
    request->about = (struct verify_about){
        .driver = request->driver,
        .major = location->MajorFunction,
        .minor = location->MinorFunction,
        .code =
            location->MajorFunction == IRP_MJ_DEVICE_CONTROL ? location->Parameters.DeviceIoControl.IoControlCode : 0,
    };
    if (request->observer != NULL && request->observer->identify != NULL) {
        request->observer->identify(request->observer_context, &request->about.identity);
    }
}

/* The copy, as if it had just come down to the driver. NULL: no memory. */
static struct verify_request *request_create(struct nt_driver *driver, PDEVICE_OBJECT device, PIRP original)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(original);
    CCHAR depth = original->CurrentLocation;
    size_t size = offsetof(struct verify_request, irp) + IoSizeOfIrp(depth);
    struct verify_request *request = calloc(1, size);
    PIO_STACK_LOCATION top;

    if (request == NULL) {
        return NULL;
    }
    request->host = driver->host;
    request->driver = driver;
    request->device = device;
    request->original = original;
    request->observer = original->HostObserver;
    request->observer_context = original->HostContext;
    request->references = 2;
    IoInitializeIrp(&request->irp, IoSizeOfIrp(depth), depth);
    if (!buffer_create(request, location)) {
        free(request);
        return NULL;
    }
    pthread_mutex_init(&request->lock, NULL);
    request_identify(request, location);
    request->irp.Type = IO_TYPE_WATCHED_IRP;
    request->irp.RequestorMode = original->RequestorMode;
    request->irp.Flags = original->Flags;
    request->irp.MdlAddress = original->MdlAddress;
    request->irp.UserBuffer = original->UserBuffer;
    request->irp.IoStatus = original->IoStatus;
    request->irp.Tail.Overlay.Thread = original->Tail.Overlay.Thread;
    request->irp.Tail.Overlay.OriginalFileObject = original->Tail.Overlay.OriginalFileObject;
    nt_observe(&request->irp, &observer, request);
    top = IoGetNextIrpStackLocation(&request->irp);
    *top = *location;
    top->DeviceObject = device;
    IoSetCompletionRoutine(&request->irp, ended, request, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(&request->irp);
    return request;
}

/* Let the original be cancelled, as the copy shall be. */
static void request_begin(struct verify_request *request)
{
    struct verify *verify = request->host->verify;
    PIRP original = request->original;

    pthread_mutex_lock(&verify->requests_lock);
    InsertTailList(&verify->requests, &request->links);
    pthread_mutex_unlock(&verify->requests_lock);
    original->Tail.Overlay.DriverContext[3] = request;
    request->cancelable = true;
    IoSetCancelRoutine(original, cancel);
    if (original->Cancel && IoSetCancelRoutine(original, NULL) != NULL) {
        request->irp.Cancel = TRUE; /* before it came here */
    }
}

/* The dispatch routine has returned. */
static void check_return(struct verify_request *request, const void *routine, NTSTATUS status)
{
    const void *callback, *marker;
    bool marked, completing;

    pthread_mutex_lock(&request->lock);
    completing = request->phase == COMPLETING;
    marked = completing ? request->marked
                        : (IoGetCurrentIrpStackLocation(&request->irp)->Control & SL_PENDING_RETURNED) != 0;
    callback = request->callback;
    marker = request->marker;
    pthread_mutex_unlock(&request->lock);
    if (status == STATUS_PENDING && !marked) {
        verify_report_request(VERIFY_PENDING_UNMARKED, request, callback != NULL ? callback : routine,
                              "STATUS_PENDING was returned without IoMarkIrpPending");
    } else if (status != STATUS_PENDING && marked) {
        verify_report_request(VERIFY_MARKED_NOT_PENDING, request, marker != NULL ? marker : routine,
                              "after IoMarkIrpPending the status 0x%08X was returned", (unsigned)status);
    } else if (status != STATUS_PENDING && !completing) {
        verify_report_request(VERIFY_NOT_COMPLETED, request, routine,
                              "the dispatch routine returned the status 0x%08X without completing the request",
                              (unsigned)status);
        InterlockedExchange(&request->forced, TRUE);
        if (!InterlockedExchange(&request->completed, TRUE)) {
            answer(request, status, 0, false);
        }
    }
}

static NTSTATUS verify_dispatch(PDEVICE_OBJECT device, PIRP original)
{
    struct nt_driver *driver = device->Reserved->driver;
    PDRIVER_DISPATCH routine = driver->verify->major[IoGetCurrentIrpStackLocation(original)->MajorFunction];
    struct verify_request *request = request_create(driver, device, original);
    struct verify_frame frame;
    NTSTATUS status;

    if (request == NULL) {
        return routine(device, original); /* unwatched, for want of memory */
    }
    if (request->about.major == IRP_MJ_CREATE || request->about.major == IRP_MJ_DEVICE_CONTROL) {
        verify_reader_used(device);
    }
    request_begin(request);
    verify_enter(&frame, driver, "dispatch routine", VERIFY_ADDRESS(routine), request);
    status = routine(device, &request->irp);
    verify_leave(&frame);
    check_return(request, VERIFY_ADDRESS(routine), status);
    InterlockedExchange(&request->returned, TRUE);
    request_unref(request);
    return status;
}

void verify_request_callback(PIRP irp, const void *routine, NTSTATUS status)
{
    struct verify_request *request = verify_request_of(irp);

    pthread_mutex_lock(&request->lock);
    if (status != STATUS_PENDING && request->phase == WITH_DRIVER &&
        (IoGetCurrentIrpStackLocation(irp)->Control & SL_PENDING_RETURNED) != 0) {
        request->marker = routine;
    }
    pthread_mutex_unlock(&request->lock);
}

void verify_request_enters(PIRP irp, const void *routine)
{
    struct verify_request *request = verify_request_of(irp);

    pthread_mutex_lock(&request->lock);
    request->callback = routine;
    pthread_mutex_unlock(&request->lock);
}

void verify_cancel_routine(PIRP irp, PDRIVER_CANCEL routine, KIRQL irql)
{
    struct verify_request *request = verify_request_of(irp);
    struct verify_frame frame;

    request_ref(request);
    verify_enter(&frame, request->driver, "cancel routine", VERIFY_ADDRESS(routine), request);
    frame.irql = irql;
    verify_lock_taken((void *)(uintptr_t)cancel_lock_address(), LOCK_SPIN);
    routine(request->device, irp);
    verify_leave(&frame);
    request_unref(request);
}

/* ---- drivers ----------------------------------------------------------------------------------------------------- */

void verify_driver_hook(struct nt_driver *driver)
{
    if (driver->host->verify == NULL) {
        return;
    }
    if (driver->verify == NULL) {
        driver->verify = calloc(1, sizeof(*driver->verify));
    }
    for (size_t i = 0; driver->verify != NULL && i <= IRP_MJ_MAXIMUM_FUNCTION; i++) {
        if (driver->object.MajorFunction[i] != verify_dispatch) {
            driver->verify->major[i] = driver->object.MajorFunction[i];
            driver->object.MajorFunction[i] = verify_dispatch;
        }
    }
}

/* The routine that was given the request and has not seen to its end. */
static const void *keeper(const struct verify_request *request)
{
    return request->callback != NULL ? request->callback
                                     : VERIFY_ADDRESS(request->driver->verify->major[request->about.major]);
}

/* The next of the driver's requests in a list, taken out of it. */
static struct verify_request *take_of(struct verify *verify, PLIST_ENTRY list, const struct nt_driver *driver)
{
    struct verify_request *found = NULL;

    pthread_mutex_lock(&verify->requests_lock);
    for (PLIST_ENTRY entry = list->Flink; entry != list && found == NULL; entry = entry->Flink) {
        struct verify_request *request = CONTAINING_RECORD(entry, struct verify_request, links);

        found = request->driver == driver ? request : NULL;
    }
    if (found != NULL) {
        RemoveEntryList(&found->links);
        verify->gone_count -= list == &verify->gone;
    }
    pthread_mutex_unlock(&verify->requests_lock);
    return found;
}

void verify_driver_gone(struct nt_driver *driver)
{
    struct verify *verify = driver->host != NULL ? driver->host->verify : NULL;
    struct verify_request *request;

    if (verify == NULL) {
        return;
    }
    while ((request = take_of(verify, &verify->requests, driver)) != NULL) {
        if (!ReadAcquire(&request->answered)) {
            verify_report_request(VERIFY_NEVER_COMPLETED, request, keeper(request),
                                  "the driver was unloaded, and still had the request");
            answer(request, STATUS_DEVICE_REMOVED, 0, true);
        }
        request_free(request);
    }
    while ((request = take_of(verify, &verify->gone, driver)) != NULL) {
        request_free(request);
    }
    verify_pool_unload(driver);
    free(driver->verify);
    driver->verify = NULL;
}

/* ---- removal ----------------------------------------------------------------------------------------------------- */

static bool is_of(const struct verify_request *request, PDEVICE_OBJECT top)
{
    for (PDEVICE_OBJECT device = top; device != NULL; device = device->Reserved->lower) {
        if (request->device == device) {
            return true;
        }
    }
    return false;
}

/* A request that the stack's drivers keep although they have returned; with a reference. NULL: none. */
static struct verify_request *kept_by(PDEVICE_OBJECT top)
{
    struct verify *verify = top->Reserved->host->verify;
    struct verify_request *found = NULL;

    pthread_mutex_lock(&verify->requests_lock);
    for (PLIST_ENTRY entry = verify->requests.Flink; entry != &verify->requests && found == NULL;
         entry = entry->Flink) {
        struct verify_request *request = CONTAINING_RECORD(entry, struct verify_request, links);

        if (ReadAcquire(&request->returned) && !ReadAcquire(&request->answered) && is_of(request, top)) {
            found = request;
            request_ref(request);
        }
    }
    pthread_mutex_unlock(&verify->requests_lock);
    return found;
}

void nt_device_settle(PDEVICE_OBJECT top)
{
    struct nt_host *before;
    struct verify_request *request;
    LARGE_INTEGER step_time = {.QuadPart = -10000LL * SETTLE_STEP};

    if (top->Reserved->host->verify == NULL) {
        return;
    }
    before = nt_enter(top->Reserved->host);
    for (int waited = 0; waited < SETTLE_MS && (request = kept_by(top)) != NULL; waited += SETTLE_STEP) {
        request_unref(request);
        KeDelayExecutionThread(KernelMode, FALSE, &step_time);
    }
    while ((request = kept_by(top)) != NULL) {
        verify_report_request(VERIFY_NEVER_COMPLETED, request, keeper(request),
                              "it was cancelled, its reader removed, and %d ms later the driver still had it",
                              SETTLE_MS);
        InterlockedExchange(&request->forced, TRUE);
        if (!InterlockedExchange(&request->completed, TRUE)) {
            answer(request, STATUS_DEVICE_REMOVED, 0, true);
        }
        request_unref(request);
    }
    nt_enter(before);
}
