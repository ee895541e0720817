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
        if (IoGetCurrentIrpStackLocation(Irp)->FileObject != NULL) {
            IoGetCurrentIrpStackLocation(Irp)->FileObject->FsContext2 = NULL;
        }
        fdo = hold(DeviceObject);
        if (fdo == NULL || vreader_is_gone(&fdo->Reader)) {
            status = STATUS_DEVICE_REMOVED;
        }
        if (fdo != NULL) {
            SmartcardReleaseRemoveLock(&fdo->Smartcard);
        }
    }
    return complete(Irp, status, 0);
}

BOOLEAN vreader_is_of_file(PIRP Irp, PFILE_OBJECT File)
{
    return File == NULL || IoGetCurrentIrpStackLocation(Irp)->FileObject == File;
}

/* FsContext2 is ours: not NULL once the file has been closed. Requests that were on their way then are still to come. */
BOOLEAN vreader_file_closed(PIRP Irp)
{
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(Irp)->FileObject;

    return file != NULL && file->FsContext2 != NULL;
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
            file->FsContext2 = file;
            vreader_end_tracking(reader, file, STATUS_CANCELLED);
            vreader_end_waiting(reader, file, STATUS_CANCELLED);
            if (reader->Op.Irp != NULL && reader->Op.Pended && vreader_is_of_file(reader->Op.Irp, file)) {
                vreader_end_op(reader, STATUS_CANCELLED);
            }
        }
        vreader_leave(reader, irql);
        SmartcardReleaseRemoveLock(&fdo->Smartcard);
    }
    return complete(Irp, STATUS_SUCCESS, 0);
}

/* At once, beside whatever the reader does. */
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
    status = complete(Irp, status, information);
    SmartcardReleaseRemoveLock(&Fdo->Smartcard);
    return status;
}

/* How a request goes on its way. */
enum path {
    QUERY,    /* at once, and it stores no last error */
    TRACKING, /* at once */
    OPERATION /* when its turn comes */
};

/* GET_LAST_ERROR does not come here: vreader_device_control. */
static enum path path_of(ULONG Code)
{
    switch (Code) {
    case IOCTL_SMARTCARD_GET_STATE:
    case IOCTL_SMARTCARD_GET_ATTRIBUTE:
    case IOCTL_SMARTCARD_GET_PERF_CNTR:
        return QUERY;
    case IOCTL_SMARTCARD_IS_PRESENT:
    case IOCTL_SMARTCARD_IS_ABSENT:
        return TRACKING;
    default:
        return OPERATION;
    }
}

NTSTATUS vreader_serve(struct vreader_fdo *Fdo, PIRP Irp)
{
    NTSTATUS status = SmartcardDeviceControl(&Fdo->Smartcard, Irp);

    SmartcardReleaseRemoveLock(&Fdo->Smartcard);
    return status;
}

/* The reader has gone, its device has not yet. The last error is not asked for here. */
static NTSTATUS refuse(struct vreader_fdo *Fdo, PIRP Irp, enum path Path)
{
    NTSTATUS status;

    if (Path != QUERY) {
        smartcrd_store_last_error(&Fdo->Smartcard, Irp, STATUS_DEVICE_REMOVED);
    }
    status = complete(Irp, STATUS_DEVICE_REMOVED, 0);
    SmartcardReleaseRemoveLock(&Fdo->Smartcard);
    return status;
}

static NTSTATUS reader_control(struct vreader_fdo *Fdo, PIRP Irp)
{
    READER_EXTENSION *reader = &Fdo->Reader;
    enum path path = path_of(IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode);
    NTSTATUS status;

    if (path != OPERATION) {
        return vreader_is_gone(reader) ? refuse(Fdo, Irp, path) : vreader_serve(Fdo, Irp);
    }
    status = vreader_take_turn(reader, Irp);
    if (status == STATUS_DEVICE_REMOVED) {
        return refuse(Fdo, Irp, path);
    }
    if (status != STATUS_PENDING) {
        status = SmartcardDeviceControl(&Fdo->Smartcard, Irp);
        if (status != STATUS_PENDING) {
            vreader_give_turn_back(reader);
        }
    }
    SmartcardReleaseRemoveLock(&Fdo->Smartcard);
    return status;
}

/* Whatever is not the last error. */
static DECLSPEC_NOINLINE NTSTATUS control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct vreader_device *device = DeviceObject->DeviceExtension;
    struct vreader_fdo *fdo = hold(DeviceObject);

    if (fdo == NULL) {
        return complete(Irp, STATUS_DEVICE_REMOVED, 0);
    }
    return device->Kind == VREADER_PANEL ? panel_control(fdo, Irp) : reader_control(fdo, Irp);
}

/* The last error is asked for after every failure, and answered in every state: the shortest way. */
NTSTATUS vreader_device_control(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    ULONG code = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode;
    struct vreader_fdo *fdo = DeviceObject->DeviceExtension;
    NTSTATUS status;

    if (code != IOCTL_SMARTCARD_GET_LAST_ERROR || fdo->Device.Kind != VREADER_READER) {
        return control(DeviceObject, Irp);
    }
    if (!NT_SUCCESS(SmartcardAcquireRemoveLock(&fdo->Smartcard))) {
        return complete(Irp, STATUS_DEVICE_REMOVED, 0);
    }
    status = SmartcardDeviceControl(&fdo->Smartcard, Irp);
    SmartcardReleaseRemoveLock(&fdo->Smartcard);
    return status;
}
