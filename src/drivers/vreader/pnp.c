/* SPDX-License-Identifier: MIT */
/* Plug and Play and power: start, surprise removal, removal; everything else goes down the stack. */
#include "vreader.h"

static struct vreader_fdo *fdo_of(PDEVICE_OBJECT DeviceObject)
{
    struct vreader_device *device = DeviceObject->DeviceExtension;

    return device->Kind == VREADER_READER ? (struct vreader_fdo *)device : NULL;
}

static NTSTATUS pass(struct vreader_fdo *Fdo, PIRP Irp)
{
    NTSTATUS status = Irp->IoStatus.Status;

    if (Fdo != NULL && Fdo->Lower != NULL) {
        IoSkipCurrentIrpStackLocation(Irp);
        return IoCallDriver(Fdo->Lower, Irp);
    }
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS passed(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Send it down and have it back when everybody below is through. */
static NTSTATUS pass_and_wait(struct vreader_fdo *Fdo, PIRP Irp)
{
    KEVENT done;

    KeInitializeEvent(&done, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, passed, &done, TRUE, TRUE, TRUE);
    if (IoCallDriver(Fdo->Lower, Irp) == STATUS_PENDING) {
        KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
    }
    return Irp->IoStatus.Status;
}

VOID vreader_gone(READER_EXTENSION *Reader)
{
    KIRQL irql = vreader_enter(Reader);

    vreader_end_op(Reader, STATUS_DEVICE_REMOVED);
    vreader_close_line(Reader);
    vreader_end_tracking(Reader, NULL, STATUS_DEVICE_REMOVED);
    vreader_leave(Reader, irql);
}

/* The remove lock is waited for after everything that holds it has been ended. */
VOID vreader_retire(struct vreader_fdo *Fdo)
{
    vreader_gone(&Fdo->Reader);
    if (NT_SUCCESS(SmartcardAcquireRemoveLock(&Fdo->Smartcard))) {
        SmartcardReleaseRemoveLockAndWait(&Fdo->Smartcard);
    }
}

static NTSTATUS start(struct vreader_fdo *Fdo, PIRP Irp)
{
    NTSTATUS status = pass_and_wait(Fdo, Irp);

    if (NT_SUCCESS(status) && Fdo->Interface.Buffer != NULL) {
        IoSetDeviceInterfaceState(&Fdo->Interface, TRUE);
    }
    Irp->IoStatus.Status = status;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS surprise(struct vreader_fdo *Fdo, PIRP Irp)
{
    if (Fdo->Interface.Buffer != NULL) {
        IoSetDeviceInterfaceState(&Fdo->Interface, FALSE);
    }
    vreader_gone(&Fdo->Reader);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    return pass(Fdo, Irp);
}

static NTSTATUS removal(struct vreader_fdo *Fdo, PIRP Irp)
{
    PDEVICE_OBJECT lower = Fdo->Lower;
    NTSTATUS status;

    vreader_retire(Fdo);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(Irp);
    status = IoCallDriver(lower, Irp);
    vreader_delete_reader(Fdo);
    return status;
}

NTSTATUS vreader_pnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct vreader_fdo *fdo = fdo_of(DeviceObject);

    if (fdo == NULL || fdo->Lower == NULL) {
        return pass(NULL, Irp);
    }
    switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        return start(fdo, Irp);
    case IRP_MN_SURPRISE_REMOVAL:
        return surprise(fdo, Irp);
    case IRP_MN_REMOVE_DEVICE:
        return removal(fdo, Irp);
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
        Irp->IoStatus.Status = STATUS_SUCCESS;
        return pass(fdo, Irp);
    default:
        return pass(fdo, Irp);
    }
}

NTSTATUS vreader_pass_power(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct vreader_fdo *fdo = fdo_of(DeviceObject);

    PoStartNextPowerIrp(Irp);
    if (fdo == NULL || fdo->Lower == NULL) {
        return pass(NULL, Irp);
    }
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(fdo->Lower, Irp);
}

NTSTATUS vreader_pass_system_control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    return pass(fdo_of(DeviceObject), Irp);
}
