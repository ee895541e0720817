/* SPDX-License-Identifier: MIT */
/*
 * The Plug and Play manager's part: devices that come and go. The root bus driver owns the physical device objects and
 * agrees to everything.
 */
#include "internal.h"
#include "verify/verify.h"

struct sent {
    KEVENT done;
};

static NTSTATUS sent_done(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    struct sent *sent = context;

    KeSetEvent(&sent->done, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Send a Plug and Play request down a stack and wait for its end. Needs no memory: a device can always be removed. */
static NTSTATUS send(PDEVICE_OBJECT top, UCHAR minor, NTSTATUS initial)
{
    struct deep_irp room;
    PIRP irp = &room.irp;
    struct sent sent;

    IoInitializeIrp(irp, IoSizeOfIrp(top->StackSize), top->StackSize);
    KeInitializeEvent(&sent.done, NotificationEvent, FALSE);
    irp->IoStatus.Status = initial;
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_PNP;
    IoGetNextIrpStackLocation(irp)->MinorFunction = minor;
    IoSetCompletionRoutine(irp, sent_done, &sent, TRUE, TRUE, TRUE);
    IoCallDriver(top, irp);
    KeWaitForSingleObject(&sent.done, Executive, KernelMode, FALSE, NULL);
    return irp->IoStatus.Status;
}

/* ---- the root bus ------------------------------------------------------------------------------------------------ */

static NTSTATUS root_pnp(PDEVICE_OBJECT device, PIRP irp)
{
    NTSTATUS status = irp->IoStatus.Status;

    switch (IoGetCurrentIrpStackLocation(irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
    case IRP_MN_REMOVE_DEVICE:
    case IRP_MN_QUERY_CAPABILITIES:
        status = STATUS_SUCCESS;
        break;
    default: /* as it came: nobody answered it */
        break;
    }
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS root_power(PDEVICE_OBJECT device, PIRP irp)
{
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS root_system_control(PDEVICE_OBJECT device, PIRP irp)
{
    NTSTATUS status = irp->IoStatus.Status;

    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

void pnp_root_init(struct nt_driver *root)
{
    root->object.MajorFunction[IRP_MJ_PNP] = root_pnp;
    root->object.MajorFunction[IRP_MJ_POWER] = root_power;
    root->object.MajorFunction[IRP_MJ_SYSTEM_CONTROL] = root_system_control;
}

/* ---- devices come and go ------------------------------------------------------------------------------------------ */

static PDEVICE_OBJECT top_of(PDEVICE_OBJECT device)
{
    struct nt_host *host = device->Reserved->host;
    PDEVICE_OBJECT top;

    pthread_mutex_lock(&host->names_lock);
    top = device_top(device);
    pthread_mutex_unlock(&host->names_lock);
    return top;
}

/* The stack's physical device object, NULL when it has none of ours. */
static PDEVICE_OBJECT physical_of(PDEVICE_OBJECT top)
{
    struct nt_host *host = top->Reserved->host;
    PDEVICE_OBJECT bottom;

    pthread_mutex_lock(&host->names_lock);
    bottom = device_bottom(top);
    pthread_mutex_unlock(&host->names_lock);
    return bottom->Reserved->driver == host->root ? bottom : NULL;
}

NTSTATUS nt_device_add(struct nt_driver *driver, PDEVICE_OBJECT *top)
{
    struct nt_host *host = driver->host;
    struct nt_host *before;
    struct nt_device *hidden;
    struct verify_frame frame;
    PDEVICE_OBJECT physical;
    NTSTATUS status;

    *top = NULL;
    if (driver->extension.AddDevice == NULL) {
        return STATUS_NOT_SUPPORTED;
    }
    before = nt_enter(host);
    devices_hide(&hidden);
    status = IoCreateDevice(&host->root->object, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &physical);
    if (!NT_SUCCESS(status)) {
        goto out;
    }
    physical->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    if (driver->verify != NULL) {
        verify_enter(&frame, driver, "AddDevice routine", VERIFY_ADDRESS(driver->extension.AddDevice), NULL);
    }
    status = driver->extension.AddDevice(&driver->object, physical);
    if (driver->verify != NULL) {
        verify_leave(&frame);
        verify_driver_hook(driver);
    }
    if (NT_SUCCESS(status) && top_of(physical) == physical) {
        status = STATUS_NO_SUCH_DEVICE; /* the driver did not want it, and said so by attaching nothing */
    }
    if (NT_SUCCESS(status)) {
        status = send(top_of(physical), IRP_MN_START_DEVICE, STATUS_NOT_SUPPORTED);
        if (!NT_SUCCESS(status)) {
            send(top_of(physical), IRP_MN_REMOVE_DEVICE, STATUS_SUCCESS);
        }
    }
    if (NT_SUCCESS(status)) {
        *top = top_of(physical);
    } else {
        IoDeleteDevice(physical);
    }
out:
    devices_show(host, &hidden);
    nt_enter(before);
    return status;
}

void nt_device_surprise(PDEVICE_OBJECT top)
{
    struct nt_host *before = nt_enter(top->Reserved->host);

    if (physical_of(top) != NULL) {
        send(top, IRP_MN_SURPRISE_REMOVAL, STATUS_SUCCESS);
    }
    nt_enter(before);
}

void nt_device_remove(PDEVICE_OBJECT top)
{
    struct nt_host *before = nt_enter(top->Reserved->host);
    PDEVICE_OBJECT physical = physical_of(top);

    if (physical != NULL) {
        send(top, IRP_MN_REMOVE_DEVICE, STATUS_SUCCESS);
        IoDeleteDevice(physical);
    }
    nt_enter(before);
}
