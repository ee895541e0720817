/* SPDX-License-Identifier: MIT */
/*
 * Requests: stack locations, completion routines, cancelling.
 */
#include "nt_helper.h"

#include <pthread.h>

/* ---- a driver with three devices, one upon the other --------------------------------------------------------------- */

static PDEVICE_OBJECT lower, middle, upper;
static char trace[64]; /* what happened, one letter each */

static void say(char c)
{
    size_t length = strlen(trace);

    assert_true(length < sizeof(trace) - 1);
    trace[length] = c;
    trace[length + 1] = '\0';
}

static NTSTATUS end_with; /* what the lowest driver answers; STATUS_PENDING: it pends */
static PIRP pended;

static NTSTATUS middle_done(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    assert_ptr_equal(device, middle);
    say(*(const char *)context);
    if (irp->PendingReturned) {
        IoMarkIrpPending(irp);
    }
    return STATUS_CONTINUE_COMPLETION;
}

static NTSTATUS dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);

    assert_ptr_equal(location->DeviceObject, device);
    if (device == upper) {
        say('u');
        IoSkipCurrentIrpStackLocation(irp);
        return IoCallDriver(middle, irp);
    }
    if (device == middle) {
        say('m');
        IoCopyCurrentIrpStackLocationToNext(irp);
        IoSetCompletionRoutine(irp, middle_done, (PVOID) "c", TRUE, FALSE, TRUE);
        return IoCallDriver(lower, irp);
    }
    say('l');
    assert_int_equal(location->MajorFunction, IRP_MJ_DEVICE_CONTROL);
    assert_int_equal(location->Parameters.DeviceIoControl.IoControlCode, 0x310004);
    if (end_with == STATUS_PENDING) {
        IoMarkIrpPending(irp);
        pended = irp;
        return STATUS_PENDING;
    }
    irp->IoStatus.Status = end_with;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return end_with;
}

static NTSTATUS entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch;
    assert_int_equal(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_SMARTCARD, 0, FALSE, &lower), STATUS_SUCCESS);
    assert_int_equal(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_SMARTCARD, 0, FALSE, &middle), STATUS_SUCCESS);
    assert_int_equal(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_SMARTCARD, 0, FALSE, &upper), STATUS_SUCCESS);
    assert_ptr_equal(IoAttachDeviceToDeviceStack(middle, lower), lower);
    assert_ptr_equal(IoAttachDeviceToDeviceStack(upper, lower), middle);
    return STATUS_SUCCESS;
}

static int stack_up(void **state)
{
    struct nt_driver *driver;

    host_up(state);
    trace[0] = '\0';
    pended = NULL;
    assert_int_equal(nt_driver_load(*state, "stack", entry, NULL, &driver, NULL, 0), STATUS_SUCCESS);
    return 0;
}

#define with_stack(test) cmocka_unit_test_setup_teardown(test, stack_up, host_down)

/* What the sender's completion routine saw. */
struct end {
    int count;
    NTSTATUS status;
    BOOLEAN pending;
};

static NTSTATUS sender_done(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    struct end *end = context;

    assert_null(device);
    say('s');
    end->count++;
    end->status = irp->IoStatus.Status;
    end->pending = irp->PendingReturned;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static PIRP request(struct end *end)
{
    PIRP irp = IoAllocateIrp(upper->StackSize, FALSE);
    PIO_STACK_LOCATION location = IoGetNextIrpStackLocation(irp);

    memset(end, 0, sizeof(*end));
    location->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    location->Parameters.DeviceIoControl.IoControlCode = 0x310004;
    IoSetCompletionRoutine(irp, sender_done, end, TRUE, TRUE, TRUE);
    return irp;
}

/* ---- down and up ------------------------------------------------------------------------------------------------- */

static void stack_sizes_add_up(void **state)
{
    assert_int_equal(lower->StackSize, 1);
    assert_int_equal(middle->StackSize, 2);
    assert_int_equal(upper->StackSize, 3);
}

static void request_goes_down_and_its_routines_are_called_upwards(void **state)
{
    struct end end;
    PIRP irp = request(&end);

    end_with = STATUS_SUCCESS;
    assert_int_equal(IoCallDriver(upper, irp), STATUS_SUCCESS);
    assert_string_equal(trace, "umlcs");
    assert_int_equal(end.count, 1);
    assert_false(end.pending);
    IoFreeIrp(irp);
}

static void routine_for_success_is_not_called_on_an_error(void **state)
{
    struct end end;
    PIRP irp = request(&end);

    end_with = STATUS_NO_MEDIA;
    assert_int_equal(IoCallDriver(upper, irp), STATUS_NO_MEDIA);
    assert_string_equal(trace, "umls");
    assert_int_equal(end.status, STATUS_NO_MEDIA);
    IoFreeIrp(irp);
}

static void warnings_are_errors_to_completion_routines(void **state)
{
    struct end end;
    PIRP irp = request(&end);

    end_with = STATUS_DEVICE_BUSY;
    IoCallDriver(upper, irp);
    assert_string_equal(trace, "umls");
    IoFreeIrp(irp);
}

static void routine_for_cancel_is_called_for_a_cancelled_request(void **state)
{
    struct end end;
    PIRP irp = request(&end);

    end_with = STATUS_PENDING;
    IoCallDriver(upper, irp);
    assert_false(IoCancelIrp(irp)); /* it has no cancel routine */
    assert_true(irp->Cancel);
    pended->IoStatus.Status = STATUS_CANCELLED;
    IoCompleteRequest(pended, IO_NO_INCREMENT);
    assert_string_equal(trace, "umlcs");
    assert_int_equal(end.status, STATUS_CANCELLED);
    IoFreeIrp(irp);
}

static void pending_is_passed_up_with_or_without_a_routine(void **state)
{
    static const NTSTATUS ends[] = {STATUS_SUCCESS, STATUS_NO_MEDIA}; /* middle's routine is called; is not */

    for (size_t i = 0; i < 2; i++) {
        struct end end;
        PIRP irp = request(&end);

        end_with = STATUS_PENDING;
        assert_int_equal(IoCallDriver(upper, irp), STATUS_PENDING);
        assert_int_equal(end.count, 0);
        pended->IoStatus.Status = ends[i];
        IoCompleteRequest(pended, IO_NO_INCREMENT);
        assert_int_equal(end.count, 1);
        assert_true(end.pending);
        IoFreeIrp(irp);
    }
}

static void default_dispatch_refuses(void **state)
{
    struct end end;
    PIRP irp = request(&end);

    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_READ;
    assert_int_equal(IoCallDriver(upper, irp), STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(end.status, STATUS_INVALID_DEVICE_REQUEST);
    IoFreeIrp(irp);
}

static void request_can_be_used_again(void **state)
{
    struct end end;
    PIRP irp = request(&end);

    end_with = STATUS_SUCCESS;
    IoCallDriver(lower, irp);
    IoReuseIrp(irp, STATUS_NOT_SUPPORTED);
    assert_int_equal(irp->IoStatus.Status, STATUS_NOT_SUPPORTED);
    assert_int_equal(irp->CurrentLocation, irp->StackCount + 1);
    assert_null(irp->HostObserver);
    IoFreeIrp(irp);
}

/* ---- what must never be done --------------------------------------------------------------------------------------- */

static void complete_twice(void)
{
    struct end end;
    PIRP irp = request(&end);

    end_with = STATUS_SUCCESS;
    IoCallDriver(upper, irp);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

static void cancel_nobody(PDEVICE_OBJECT device, PIRP irp)
{
    IoReleaseCancelSpinLock(irp->CancelIrql);
}

static void complete_cancelable(void)
{
    struct end end;
    PIRP irp = request(&end);

    end_with = STATUS_PENDING;
    IoCallDriver(upper, irp);
    IoSetCancelRoutine(irp, cancel_nobody);
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

static void complete_pending(void)
{
    struct end end;
    PIRP irp = request(&end);

    end_with = STATUS_PENDING;
    IoCallDriver(upper, irp);
    irp->IoStatus.Status = STATUS_PENDING;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

static void go_too_deep(void)
{
    PIRP irp = IoAllocateIrp(1, FALSE);

    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    IoCallDriver(upper, irp);
}

static void keep_the_cancel_lock(PDEVICE_OBJECT device, PIRP irp)
{
}

static void cancel_without_release(void)
{
    struct end end;
    PIRP irp = request(&end);

    end_with = STATUS_PENDING;
    IoCallDriver(upper, irp);
    IoSetCancelRoutine(irp, keep_the_cancel_lock);
    IoCancelIrp(irp);
}

static void wrong_use_ends_the_process_with_a_sentence(void **state)
{
    assert_dies(complete_twice, "smartcrd: IoCompleteRequest: the request at ");
    assert_dies(complete_cancelable, "still has a cancel routine");
    assert_dies(complete_pending, "is completed with STATUS_PENDING");
    assert_dies(go_too_deep, "has no stack location left (1 in all)");
    assert_dies(cancel_without_release, "did it release the cancel spin lock?");
}

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

static LONG ends; /* atomic: how often the request was completed */

static void cancel_it(PDEVICE_OBJECT device, PIRP irp)
{
    IoReleaseCancelSpinLock(irp->CancelIrql);
    irp->IoStatus.Status = STATUS_CANCELLED;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

static NTSTATUS count_end(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    InterlockedIncrement(&ends);
    KeSetEvent(context, 0, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static void cancel_routine_is_called_once_at_dispatch_level_with_the_lock(void **state)
{
    struct end end;
    PIRP irp = request(&end);

    end_with = STATUS_PENDING;
    IoCallDriver(upper, irp);
    assert_null(IoSetCancelRoutine(irp, cancel_it));
    assert_true(IoCancelIrp(irp));
    assert_int_equal(end.count, 1);
    assert_int_equal(end.status, STATUS_CANCELLED);
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
    IoFreeIrp(irp);
}

static void *cancel_thread(void *irp)
{
    IoCancelIrp(irp);
    return NULL;
}

/* NT's protocol: whoever gets the cancel routine out owns the request. */
static void *complete_thread(void *irp)
{
    PIRP request = irp;

    if (IoSetCancelRoutine(request, NULL) != NULL) {
        request->IoStatus.Status = STATUS_SUCCESS;
        IoCompleteRequest(request, IO_NO_INCREMENT);
    }
    return NULL;
}

static void completion_and_cancel_race_and_one_of_them_wins(void **state)
{
    for (int i = 0; i < 300; i++) {
        pthread_t canceller, completer;
        struct end end;
        KEVENT done;
        PIRP irp = request(&end);

        ends = 0;
        KeInitializeEvent(&done, NotificationEvent, FALSE);
        IoSetCompletionRoutine(irp, count_end, &done, TRUE, TRUE, TRUE);
        end_with = STATUS_PENDING;
        trace[0] = '\0';
        IoCallDriver(lower, irp);
        IoSetCancelRoutine(irp, cancel_it);
        pthread_create(&canceller, NULL, cancel_thread, irp);
        pthread_create(&completer, NULL, complete_thread, irp);
        KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
        pthread_join(canceller, NULL);
        pthread_join(completer, NULL);
        assert_int_equal(ends, 1);
        assert_true(irp->IoStatus.Status == STATUS_CANCELLED || irp->IoStatus.Status == STATUS_SUCCESS);
        IoFreeIrp(irp);
    }
}

/* A driver that makes a request cancelable while it is being cancelled: it sees Cancel, or its routine is called. */
static void *pend_thread(void *irp)
{
    PIRP request = irp;

    IoSetCancelRoutine(request, cancel_it);
    if (request->Cancel && IoSetCancelRoutine(request, NULL) != NULL) {
        request->IoStatus.Status = STATUS_CANCELLED;
        IoCompleteRequest(request, IO_NO_INCREMENT);
    }
    return NULL;
}

static void cancel_is_never_missed_by_a_driver_that_pends_meanwhile(void **state)
{
    for (int i = 0; i < 300; i++) {
        pthread_t canceller, pender;
        struct end end;
        KEVENT done;
        PIRP irp = request(&end);

        ends = 0;
        KeInitializeEvent(&done, NotificationEvent, FALSE);
        IoSetCompletionRoutine(irp, count_end, &done, TRUE, TRUE, TRUE);
        end_with = STATUS_PENDING;
        trace[0] = '\0';
        IoCallDriver(lower, irp);
        pthread_create(&pender, NULL, pend_thread, irp);
        pthread_create(&canceller, NULL, cancel_thread, irp);
        assert_int_equal(KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
        pthread_join(pender, NULL);
        pthread_join(canceller, NULL);
        assert_int_equal(ends, 1);
        IoFreeIrp(irp);
    }
}

/* ---- observers --------------------------------------------------------------------------------------------------- */

static char words_seen[128];
static enum host_layer layer_seen;
static ULONG counts_seen[2];
static volatile ULONG *cell_seen;

static BOOLEAN records(void *context, volatile ULONG *cell)
{
    cell_seen = cell;
    return *(BOOLEAN *)context;
}

static void step(void *context, enum host_layer layer, const char *words)
{
    layer_seen = layer;
    snprintf(words_seen, sizeof(words_seen), "%s", words);
}

static void count(void *context, ULONG retransmissions, ULONG extensions)
{
    counts_seen[0] += retransmissions;
    counts_seen[1] += extensions;
}

static void observer_hears_what_is_said_about_its_request(void **state)
{
    static const struct nt_observer observer = {records, step, count};
    BOOLEAN answer = TRUE;
    volatile ULONG cell = 0;
    struct end end;
    PIRP irp = request(&end);

    assert_false(host_records_last_error(irp, &cell));
    host_step(irp, HOST_LAYER_CARD, "nobody listens");
    host_step(NULL, HOST_LAYER_CARD, "no request");
    host_count(NULL, 1, 1);
    nt_observe(irp, &observer, &answer);
    assert_true(host_records_last_error(irp, &cell));
    assert_ptr_equal(cell_seen, &cell);
    answer = FALSE;
    assert_false(host_records_last_error(irp, &cell));
    host_step(irp, HOST_LAYER_PROTOCOL, "T=1: EDC error in block %d", 3);
    assert_string_equal(words_seen, "T=1: EDC error in block 3");
    assert_int_equal(layer_seen, HOST_LAYER_PROTOCOL);
    host_step(irp, HOST_LAYER_HOST, "%0200d", 7);
    assert_int_equal(strlen(words_seen), 95);
    host_count(irp, 2, 1);
    host_count(irp, 0, 3);
    assert_int_equal(counts_seen[0], 2);
    assert_int_equal(counts_seen[1], 4);
    IoFreeIrp(irp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_stack(stack_sizes_add_up),
        with_stack(request_goes_down_and_its_routines_are_called_upwards),
        with_stack(routine_for_success_is_not_called_on_an_error),
        with_stack(warnings_are_errors_to_completion_routines),
        with_stack(routine_for_cancel_is_called_for_a_cancelled_request),
        with_stack(pending_is_passed_up_with_or_without_a_routine),
        with_stack(default_dispatch_refuses),
        with_stack(request_can_be_used_again),
        with_stack(wrong_use_ends_the_process_with_a_sentence),
        with_stack(cancel_routine_is_called_once_at_dispatch_level_with_the_lock),
        with_stack(completion_and_cancel_race_and_one_of_them_wins),
        with_stack(cancel_is_never_missed_by_a_driver_that_pends_meanwhile),
        with_stack(observer_hears_what_is_said_about_its_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
