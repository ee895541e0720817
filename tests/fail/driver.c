/* SPDX-License-Identifier: MIT */
/*
 * A reader driver that blocks in its dispatch routine, and asks the host for threads, work and timers; without the
 * library. It takes a refusal for what it is: STATUS_INSUFFICIENT_RESOURCES.
 */
#include "stage.h"

#include <smartcrd/wdm.h>

#include <stdatomic.h>
#include <wchar.h>

#define TIMERS 200

struct blocking {
    PDEVICE_OBJECT device, lower;
    PIO_WORKITEM item, second;
    KEVENT second_ran;
    PIRP irp; /* what a thread, the work item or the last timer is to end */
    KTIMER timers[TIMERS];
    KDPC last;
    UNICODE_STRING link;
    WCHAR link_buffer[40];
    BOOLEAN linked;
};

static _Atomic bool held;

void blocking_hold(bool hold)
{
    held = hold;
}

static NTSTATUS complete(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static VOID on_thread(PVOID context)
{
    struct blocking *blocking = context;

    complete(blocking->irp, STATUS_SUCCESS);
}

static VOID on_item(PDEVICE_OBJECT device, PVOID context)
{
    struct blocking *blocking = context;

    (void)device;
    complete(blocking->irp, STATUS_SUCCESS);
}

static VOID on_second(PDEVICE_OBJECT device, PVOID context)
{
    struct blocking *blocking = context;

    (void)device;
    KeSetEvent(&blocking->second_ran, IO_NO_INCREMENT, FALSE);
}

/* Needs two workers at a time. */
static VOID on_first(PDEVICE_OBJECT device, PVOID context)
{
    struct blocking *blocking = context;

    (void)device;
    IoQueueWorkItem(blocking->second, on_second, DelayedWorkQueue, blocking);
    KeWaitForSingleObject(&blocking->second_ran, Executive, KernelMode, FALSE, NULL);
    complete(blocking->irp, STATUS_SUCCESS);
}

static VOID on_timer(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct blocking *blocking = context;

    (void)dpc;
    (void)argument1;
    (void)argument2;
    complete(blocking->irp, STATUS_SUCCESS);
}

static NTSTATUS start_thread(struct blocking *blocking, PIRP irp)
{
    HANDLE thread;
    NTSTATUS status;

    blocking->irp = irp;
    IoMarkIrpPending(irp);
    status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, on_thread, blocking);
    if (NT_SUCCESS(status))
        ZwClose(thread);
    else
        complete(irp, status);
    return STATUS_PENDING;
}

static NTSTATUS start_timers(struct blocking *blocking, PIRP irp)
{
    LARGE_INTEGER due;

    blocking->irp = irp;
    IoMarkIrpPending(irp);
    for (int i = 0; i < TIMERS; i++) {
        due.QuadPart = -10000 - 10 * i;
        KeInitializeTimer(&blocking->timers[i]);
        KeSetTimer(&blocking->timers[i], due, i == TIMERS - 1 ? &blocking->last : NULL);
    }
    return STATUS_PENDING;
}

static NTSTATUS write_log(struct blocking *blocking)
{
    PIO_ERROR_LOG_PACKET entry = IoAllocateErrorLogEntry(blocking->device, sizeof(*entry));

    if (entry == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    IoWriteErrorLogEntry(entry);
    return STATUS_SUCCESS;
}

static NTSTATUS control(PDEVICE_OBJECT device, PIRP irp)
{
    struct blocking *blocking = device->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    LARGE_INTEGER nap;

    switch (location->Parameters.DeviceIoControl.IoControlCode) {
    case BLOCKING_SLEEP:
        nap.QuadPart = -10000 * (LONGLONG) * (ULONG *)irp->AssociatedIrp.SystemBuffer;
        KeDelayExecutionThread(KernelMode, FALSE, &nap);
        return complete(irp, STATUS_SUCCESS);
    case BLOCKING_HOLD:
        nap.QuadPart = -10000;
        while (held)
            KeDelayExecutionThread(KernelMode, FALSE, &nap);
        return complete(irp, STATUS_SUCCESS);
    case BLOCKING_THREAD:
        return start_thread(blocking, irp);
    case BLOCKING_ITEM:
        blocking->irp = irp;
        IoMarkIrpPending(irp);
        IoQueueWorkItem(blocking->item, on_item, DelayedWorkQueue, blocking);
        return STATUS_PENDING;
    case BLOCKING_ITEMS:
        blocking->irp = irp;
        IoMarkIrpPending(irp);
        IoQueueWorkItem(blocking->item, on_first, DelayedWorkQueue, blocking);
        return STATUS_PENDING;
    case BLOCKING_TIMERS:
        return start_timers(blocking, irp);
    case BLOCKING_LOG:
        return complete(irp, write_log(blocking));
    default:
        return complete(irp, STATUS_INVALID_DEVICE_REQUEST);
    }
}

static NTSTATUS file(PDEVICE_OBJECT device, PIRP irp)
{
    (void)device;
    return complete(irp, STATUS_SUCCESS);
}

static void take_down(struct blocking *blocking)
{
    KeFlushQueuedDpcs();
    if (blocking->linked)
        IoDeleteSymbolicLink(&blocking->link);
    if (blocking->item != NULL)
        IoFreeWorkItem(blocking->item);
    if (blocking->second != NULL)
        IoFreeWorkItem(blocking->second);
    if (blocking->lower != NULL)
        IoDetachDevice(blocking->lower);
    IoDeleteDevice(blocking->device);
}

static NTSTATUS pnp(PDEVICE_OBJECT device, PIRP irp)
{
    struct blocking *blocking = device->DeviceExtension;
    UCHAR minor = IoGetCurrentIrpStackLocation(irp)->MinorFunction;
    NTSTATUS status;

    irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(irp);
    status = IoCallDriver(blocking->lower, irp);
    if (minor == IRP_MN_REMOVE_DEVICE)
        take_down(blocking);
    return status;
}

static NTSTATUS add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical)
{
    static LONG number;
    WCHAR name_buffer[40];
    UNICODE_STRING name;
    PDEVICE_OBJECT device;
    struct blocking *blocking;
    LONG own = InterlockedIncrement(&number);
    NTSTATUS status;

    swprintf(name_buffer, 40, L"\\Device\\blocking%d", own);
    RtlInitUnicodeString(&name, name_buffer);
    status = IoCreateDevice(driver, sizeof(*blocking), &name, FILE_DEVICE_SMARTCARD, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    blocking = device->DeviceExtension;
    blocking->device = device;
    KeInitializeDpc(&blocking->last, on_timer, blocking);
    swprintf(blocking->link_buffer, 40, L"\\DosDevices\\Blocking%d", own);
    RtlInitUnicodeString(&blocking->link, blocking->link_buffer);
    status = IoCreateSymbolicLink(&blocking->link, &name);
    blocking->linked = NT_SUCCESS(status);
    KeInitializeEvent(&blocking->second_ran, SynchronizationEvent, FALSE);
    blocking->item = NT_SUCCESS(status) ? IoAllocateWorkItem(device) : NULL;
    blocking->second = blocking->item != NULL ? IoAllocateWorkItem(device) : NULL;
    blocking->lower = blocking->second != NULL ? IoAttachDeviceToDeviceStack(device, physical) : NULL;
    if (blocking->lower == NULL) {
        take_down(blocking);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID unload(PDRIVER_OBJECT driver)
{
    (void)driver;
}

NTSTATUS blocking_driver(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    (void)path;
    driver->DriverExtension->AddDevice = add_device;
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = file;
    driver->MajorFunction[IRP_MJ_CLEANUP] = file;
    driver->MajorFunction[IRP_MJ_CLOSE] = file;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = control;
    driver->MajorFunction[IRP_MJ_PNP] = pnp;
    return STATUS_SUCCESS;
}
