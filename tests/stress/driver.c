/* SPDX-License-Identifier: MIT */
/*
 * The toy driver: ends requests in every way that there is, as their input says, each with a status that names it. It
 * looks at what it is given: one operation at a time, in the order of submission, each once. It does without the library,
 * which the virtual readers of the same run go through.
 */
#include "stress.h"

#include "../../src/client/context.h"

#include <string.h>
#include <wchar.h>

struct toy {
    PDEVICE_OBJECT lower;
    UNICODE_STRING link;
    WCHAR link_buffer[40];
    volatile ULONG last_error;
    struct history *history; /* referenced */
    _Atomic uint32_t busy;   /* token of the operation that has its turn */
    _Atomic uint32_t inside; /* dispatch routines of operations */
    _Atomic uint64_t newest; /* latest submission among those that have had their turn */
    KTIMER timer;
    KDPC dpc;
    KSPIN_LOCK lock;
    PIRP held, tracking; /* guarded by lock */
    struct order order;  /* of the held one */
};

__thread struct history *plugging;

static bool shows_cell(struct toy *toy, PIRP irp)
{
    return toy->history->shows_cell && host_records_last_error(irp, &toy->last_error);
}

static void complete(struct toy *toy, PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    if (!shows_cell(toy, irp))
        InterlockedExchange((volatile LONG *)&toy->last_error, status);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

/* The end of an operation as its input asked; the output is the input. */
static void complete_operation(struct toy *toy, PIRP irp, const struct order *order, NTSTATUS status)
{
    ULONG_PTR size = 0;

    if (!NT_ERROR(status)) {
        memcpy(irp->AssociatedIrp.SystemBuffer, order, sizeof(*order));
        size = sizeof(*order);
    }
    toy->busy = 0;
    complete(toy, irp, status, size);
}

/* ---- what is held ------------------------------------------------------------------------------------------------ */

static VOID toy_cancel(PDEVICE_OBJECT device, PIRP irp)
{
    struct toy *toy = device->DeviceExtension;
    bool operation;
    KIRQL irql;

    IoReleaseCancelSpinLock(irp->CancelIrql);
    KeAcquireSpinLock(&toy->lock, &irql);
    operation = toy->held == irp;
    *(operation ? &toy->held : &toy->tracking) = NULL;
    KeReleaseSpinLock(&toy->lock, irql);
    if (operation)
        complete_operation(toy, irp, NULL, STATUS_CANCELLED);
    else
        complete(toy, irp, STATUS_CANCELLED, 0);
}

/* The driver writes its own cell, and completes afterwards. Between the two the answer may be this one's. */
static void store_and_complete(struct toy *toy, PIRP irp, const struct order *order)
{
    struct history *history = toy->history;

    history_ref(history); /* with the completion the device may go */
    history_stores(history, (NTSTATUS)order->status, false);
    InterlockedExchange((volatile LONG *)&toy->last_error, (LONG)order->status);
    complete_operation(toy, irp, order, (NTSTATUS)order->status);
    history_stores(history, (NTSTATUS)order->status, true);
    history_unref(history);
}

static void let_go(struct toy *toy, bool tracking)
{
    PIRP *place = tracking ? &toy->tracking : &toy->held;
    struct order order;
    KIRQL irql;
    PIRP irp;

    KeAcquireSpinLock(&toy->lock, &irql);
    irp = *place;
    order = toy->order;
    /* Without its cancel routine: that one has it. */
    if (irp && (tracking || order.behaviour == TOY_HOLD) && !IoSetCancelRoutine(irp, NULL))
        irp = NULL;
    if (irp)
        *place = NULL;
    KeReleaseSpinLock(&toy->lock, irql);
    if (!irp)
        return;
    if (tracking)
        complete(toy, irp, STATUS_SUCCESS, 0);
    else if (order.behaviour == TOY_STORE)
        store_and_complete(toy, irp, &order);
    else
        complete_operation(toy, irp, &order, (NTSTATUS)order.status);
}

static VOID time_has_come(PKDPC dpc, PVOID context, PVOID a, PVOID b)
{
    let_go(context, false);
}

void toy_hand(struct history *history, bool tracking)
{
    struct nt_held held = context_hold(history->context); /* what follows runs on this thread in simulated time */
    struct nt_host *before = nt_enter(history->context->host);

    pthread_mutex_lock(&history->device_lock);
    if (history->device)
        let_go(history->device, tracking);
    pthread_mutex_unlock(&history->device_lock);
    nt_enter(before);
    context_release(held);
}

/* Keep it until somebody takes it. Returns STATUS_PENDING, or what to complete it with. order: NULL for tracking. */
static NTSTATUS hold(struct toy *toy, PIRP irp, const struct order *order)
{
    PIRP *place = order ? &toy->held : &toy->tracking;
    bool cancellable = !order || order->behaviour == TOY_HOLD;
    NTSTATUS status = STATUS_PENDING;
    KIRQL irql;

    KeAcquireSpinLock(&toy->lock, &irql);
    if (*place) {
        status = STATUS_DEVICE_BUSY;
    } else {
        *place = irp;
        if (order)
            toy->order = *order;
        if (cancellable) {
            IoSetCancelRoutine(irp, toy_cancel);
            if (irp->Cancel && IoSetCancelRoutine(irp, NULL)) {
                *place = NULL;
                status = STATUS_CANCELLED;
            }
        }
        if (status == STATUS_PENDING)
            IoMarkIrpPending(irp);
    }
    KeReleaseSpinLock(&toy->lock, irql);
    return status;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static NTSTATUS query(struct toy *toy, PIRP irp, PIO_STACK_LOCATION location)
{
    NTSTATUS status = STATUS_INVALID_DEVICE_REQUEST;
    ULONG code = location->Parameters.DeviceIoControl.IoControlCode;
    ULONG value = code == IOCTL_SMARTCARD_GET_STATE ? SCARD_SPECIFIC : SCARD_PROTOCOL_T1;
    ULONG_PTR size = 0;
    bool known = true;

    if (code == IOCTL_SMARTCARD_GET_LAST_ERROR) {
        known = shows_cell(toy, irp);
        value = __atomic_load_n(&toy->last_error, __ATOMIC_ACQUIRE);
    }
    if (known) {
        status = STATUS_BUFFER_TOO_SMALL;
        if (location->Parameters.DeviceIoControl.OutputBufferLength >= sizeof(value)) {
            memcpy(irp->AssociatedIrp.SystemBuffer, &value, sizeof(value));
            size = sizeof(value);
            status = STATUS_SUCCESS;
        }
    }
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = size;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

/* A request that the client has given up by now, and used its slot again, says nothing any more. */
static void look_at(struct toy *toy, uint32_t token)
{
    struct slot *slot = slot_of(token);
    uint64_t back, begun, newest = toy->newest;

    if (!slot)
        return;
    begun = slot->begun;
    back = slot->back;
    if (slot->token != token)
        return;
    MUST(atomic_exchange(&slot->arrived, token) != token, slot, toy->history, "the driver has got it twice");
    MUST(back == 0 || back >= newest, slot, toy->history,
         "its submission was over (tick %llu) when another began (tick %llu) that has had its turn already",
         (unsigned long long)back, (unsigned long long)newest);
    if (begun > newest)
        toy->newest = begun;
}

/* It may be over before the timer is set; then the timer lets go of the next one too early, which does no harm. Until
 * the dispatch routine returns, the device stays. */
static NTSTATUS hold_for_a_while(struct toy *toy, PIRP irp, const struct order *order)
{
    LARGE_INTEGER due = {.QuadPart = -10LL * (LONGLONG)order->delay_us - 1};
    NTSTATUS status = hold(toy, irp, order);

    if (status == STATUS_PENDING && order->delay_us == 0)
        let_go(toy, false); /* ends while its dispatch routine says that it is pending */
    else if (status == STATUS_PENDING)
        KeSetTimer(&toy->timer, due, &toy->dpc);
    else
        complete_operation(toy, irp, order, status);
    return status;
}

static NTSTATUS operation(struct toy *toy, PIRP irp, const struct order *order)
{
    LARGE_INTEGER nap = {.QuadPart = -10LL * (LONGLONG)order->delay_us};

    look_at(toy, order->token);
    switch (order->behaviour) {
    case TOY_SLEEP:
        if (!toy->history->never_blocks) {
            KeDelayExecutionThread(KernelMode, FALSE, &nap);
            break;
        }
        return hold_for_a_while(toy, irp, order);
    case TOY_HOLD:
    case TOY_KEEP:
    case TOY_STORE:
        return hold_for_a_while(toy, irp, order);
    default:
        break;
    }
    complete_operation(toy, irp, order, (NTSTATUS)order->status);
    return (NTSTATUS)order->status;
}

static NTSTATUS track(struct toy *toy, PIRP irp)
{
    NTSTATUS status = hold(toy, irp, NULL);

    if (status != STATUS_PENDING)
        complete(toy, irp, status, 0);
    return status;
}

static NTSTATUS control(PDEVICE_OBJECT device, PIRP irp)
{
    struct toy *toy = device->DeviceExtension;
    struct history *history = toy->history;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    struct order order = {.behaviour = TOY_RETURN, .status = (uint32_t)STATUS_NO_MEDIA};
    NTSTATUS status;

    switch (location->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_SMARTCARD_GET_LAST_ERROR:
    case IOCTL_SMARTCARD_GET_STATE:
    case IOCTL_SMARTCARD_GET_ATTRIBUTE:
    case IOCTL_SMARTCARD_GET_PERF_CNTR:
        return query(toy, irp, location);
    case IOCTL_SMARTCARD_IS_PRESENT:
    case IOCTL_SMARTCARD_IS_ABSENT:
        return track(toy, irp);
    default:
        break;
    }
    /* Typed calls have an input of their own. */
    if (location->Parameters.DeviceIoControl.InputBufferLength == sizeof(order))
        memcpy(&order, irp->AssociatedIrp.SystemBuffer, sizeof(order));
    MUST(atomic_exchange(&toy->busy, order.token | 0x80000000u) == 0, slot_of(order.token), history,
         "the driver had another operation");
    MUST(atomic_fetch_add(&toy->inside, 1) == 0, slot_of(order.token), history,
         "the driver had not returned from another operation");
    /* Until this returns, no other operation comes, and the device stays. */
    status = operation(toy, irp, &order);
    toy->inside--;
    return status;
}

/* ---- device ------------------------------------------------------------------------------------------------------ */

static NTSTATUS file(PDEVICE_OBJECT device, PIRP irp)
{
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS pnp(PDEVICE_OBJECT device, PIRP irp)
{
    struct toy *toy = device->DeviceExtension;
    PDEVICE_OBJECT lower = toy->lower;
    bool removing = IoGetCurrentIrpStackLocation(irp)->MinorFunction == IRP_MN_REMOVE_DEVICE;
    NTSTATUS status;

    irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(irp);
    status = IoCallDriver(lower, irp);
    if (removing) {
        struct history *history = toy->history;
        pthread_mutex_lock(&history->device_lock);
        history->device = NULL;
        pthread_mutex_unlock(&history->device_lock);
        KeCancelTimer(&toy->timer);
        KeFlushQueuedDpcs();
        IoDeleteSymbolicLink(&toy->link);
        IoDetachDevice(lower);
        IoDeleteDevice(device);
        history_unref(history);
    }
    return status;
}

static NTSTATUS add(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical)
{
    static _Atomic int last_number; /* one that no other reader of the process has */
    int number = ++last_number;
    struct history *history = plugging;
    WCHAR name_buffer[32];
    UNICODE_STRING name;
    PDEVICE_OBJECT device;
    struct toy *toy;
    NTSTATUS status;

    swprintf(name_buffer, ARRAYSIZE(name_buffer), L"\\Device\\stress%d", number);
    RtlInitUnicodeString(&name, name_buffer);
    status = IoCreateDevice(driver, sizeof(struct toy), &name, FILE_DEVICE_SMARTCARD, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    toy = device->DeviceExtension;
    memset(toy, 0, sizeof(*toy));
    history_ref(history);
    toy->history = history;
    KeInitializeSpinLock(&toy->lock);
    KeInitializeTimer(&toy->timer);
    KeInitializeDpc(&toy->dpc, time_has_come, toy);
    swprintf(toy->link_buffer, ARRAYSIZE(toy->link_buffer), L"\\DosDevices\\SCReader%d", 1000 + number);
    RtlInitUnicodeString(&toy->link, toy->link_buffer);
    IoCreateSymbolicLink(&toy->link, &name);
    toy->lower = IoAttachDeviceToDeviceStack(device, physical);
    if (history->never_blocks)
        device->Flags |= DO_NEVER_BLOCKS;
    pthread_mutex_lock(&history->device_lock);
    history->device = toy;
    pthread_mutex_unlock(&history->device_lock);
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID unload(PDRIVER_OBJECT driver)
{
}

NTSTATUS stress_driver_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    driver->DriverExtension->AddDevice = add;
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = file;
    driver->MajorFunction[IRP_MJ_CLEANUP] = file;
    driver->MajorFunction[IRP_MJ_CLOSE] = file;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = control;
    driver->MajorFunction[IRP_MJ_PNP] = pnp;
    return STATUS_SUCCESS;
}
