/* SPDX-License-Identifier: MIT */
/* What the outside sends to the two kinds of devices: open, close, cleanup, device control. */
#include "vreader.h"

static NTSTATUS complete(PIRP Irp, NTSTATUS Status, ULONG Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

/* The reader behind a device, held by its remove lock; NULL: it has gone. */
static struct vreader_fdo *hold(PDEVICE_OBJECT DeviceObject)
{
    struct vreader_device *device = DeviceObject->DeviceExtension;
    struct vreader_panel *panel;
    struct vreader_fdo *fdo;
    KIRQL irql;

    if (device->Kind == VREADER_READER) {
        fdo = (struct vreader_fdo *)device;
        return NT_SUCCESS(SmartcardAcquireRemoveLock(&fdo->Smartcard)) ? fdo : NULL;
    }
    panel = (struct vreader_panel *)device;
    KeAcquireSpinLock(&panel->Lock, &irql);
    fdo = panel->Fdo;
    if (fdo != NULL && !NT_SUCCESS(SmartcardAcquireRemoveLock(&fdo->Smartcard))) {
        fdo = NULL;
    }
    KeReleaseSpinLock(&panel->Lock, irql);
    return fdo;
}

NTSTATUS vreader_create_close(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    NTSTATUS status = STATUS_SUCCESS;
    struct vreader_fdo *fdo;

    if (IoGetCurrentIrpStackLocation(Irp)->MajorFunction == IRP_MJ_CREATE) {
        fdo = hold(DeviceObject);
        if (fdo == NULL || fdo->Reader.Removed) {
            status = STATUS_DEVICE_REMOVED;
        }
        if (fdo != NULL) {
            SmartcardReleaseRemoveLock(&fdo->Smartcard);
        }
    }
    return complete(Irp, status, 0);
}

/* A file is being closed: what it still waits for ends now. */
NTSTATUS vreader_cleanup(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(Irp)->FileObject;
    struct vreader_device *device = DeviceObject->DeviceExtension;
    struct vreader_fdo *fdo = device->Kind == VREADER_READER ? hold(DeviceObject) : NULL;
    KIRQL irql;

    if (fdo != NULL) {
        READER_EXTENSION *reader = &fdo->Reader;

        irql = vreader_enter(reader);
        if (file != NULL) {
            vreader_end_tracking(reader, file, STATUS_CANCELLED);
            if (reader->Op.Irp != NULL && reader->Op.Pended &&
                IoGetCurrentIrpStackLocation(reader->Op.Irp)->FileObject == file) {
                vreader_end_op(reader, STATUS_CANCELLED);
            }
        }
        vreader_leave(reader, irql);
        SmartcardReleaseRemoveLock(&fdo->Smartcard);
    }
    return complete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS panel_control(struct vreader_fdo *Fdo, PIRP Irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    ULONG information = 0;
    NTSTATUS status = STATUS_INVALID_DEVICE_REQUEST;
    static char nothing[1];
    PVOID buffer = Irp->AssociatedIrp.SystemBuffer;
    BOOLEAN there = buffer != NULL;

    if (METHOD_FROM_CTL_CODE(location->Parameters.DeviceIoControl.IoControlCode) == METHOD_BUFFERED) {
        status = vreader_vendor_run(&Fdo->Reader, location->Parameters.DeviceIoControl.IoControlCode,
                                    there ? buffer : nothing,
                                    there ? location->Parameters.DeviceIoControl.InputBufferLength : 0,
                                    there ? location->Parameters.DeviceIoControl.OutputBufferLength : 0, &information);
    }
    return complete(Irp, status, information);
}

static DECLSPEC_NOINLINE NTSTATUS panel_device_control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct vreader_fdo *fdo = hold(DeviceObject);
    NTSTATUS status;

    if (fdo == NULL) {
        return complete(Irp, STATUS_DEVICE_REMOVED, 0);
    }
    status = panel_control(fdo, Irp);
    SmartcardReleaseRemoveLock(&fdo->Smartcard);
    return status;
}

NTSTATUS vreader_device_control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct vreader_device *device = DeviceObject->DeviceExtension;
    struct vreader_fdo *fdo;
    NTSTATUS status;

    if (device->Kind == VREADER_PANEL) {
        return panel_device_control(DeviceObject, Irp);
    }
    fdo = (struct vreader_fdo *)device;
    if (!NT_SUCCESS(SmartcardAcquireRemoveLock(&fdo->Smartcard))) {
        return complete(Irp, STATUS_DEVICE_REMOVED, 0);
    }
    status = SmartcardDeviceControl(&fdo->Smartcard, Irp);
    SmartcardReleaseRemoveLock(&fdo->Smartcard);
    return status;
}
