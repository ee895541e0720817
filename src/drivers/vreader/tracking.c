/* SPDX-License-Identifier: MIT */
/*
 * IS_PRESENT and IS_ABSENT. The library leaves the request in OsData->NotificationIrp; it can be ended from when the
 * callback has noted it in Reader->Tracking. Whoever takes its cancel routine away completes it.
 */
#include "vreader.h"

/* Whether what the request waits for is so. */
static BOOLEAN fulfilled(PIRP Irp, ULONG State)
{
    ULONG code = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode;

    return code == IOCTL_SMARTCARD_IS_PRESENT ? State > SCARD_ABSENT : State == SCARD_ABSENT;
}

/* Take the request away and end it, unless its cancel routine is on its way. Both locks held on entry, OsData's is
 * given back. */
static VOID end_and_unlock(READER_EXTENSION *Reader, NTSTATUS Status)
{
    POS_DEP_DATA os = Reader->Smartcard->OsData;
    PIRP irp = Reader->Tracking;

    Reader->Tracking = NULL;
    os->NotificationIrp = NULL;
    KeReleaseSpinLockFromDpcLevel(&os->SpinLock);
    if (irp != NULL && IoSetCancelRoutine(irp, NULL) != NULL) {
        irp->IoStatus.Information = 0;
        vreader_queue_end(Reader, irp, Status);
    }
}

VOID vreader_notify(READER_EXTENSION *Reader)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    POS_DEP_DATA os = smartcard->OsData;
    PIRP irp = Reader->Tracking;

    KeAcquireSpinLockAtDpcLevel(&os->SpinLock);
    if (irp != NULL && fulfilled(irp, smartcard->ReaderCapabilities.CurrentState)) {
        end_and_unlock(Reader, STATUS_SUCCESS);
    } else {
        /* none, or its callback has not come to set it up yet and will look at the state itself */
        KeReleaseSpinLockFromDpcLevel(&os->SpinLock);
    }
}

VOID vreader_end_tracking(READER_EXTENSION *Reader, PFILE_OBJECT File, NTSTATUS Status)
{
    POS_DEP_DATA os = Reader->Smartcard->OsData;
    PIRP irp = Reader->Tracking;

    KeAcquireSpinLockAtDpcLevel(&os->SpinLock);
    if (irp != NULL && vreader_is_of_file(irp, File)) {
        end_and_unlock(Reader, Status);
    } else {
        KeReleaseSpinLockFromDpcLevel(&os->SpinLock);
    }
}

static VOID cancel_tracking(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct vreader_fdo *fdo = DeviceObject->DeviceExtension;
    READER_EXTENSION *reader = &fdo->Reader;
    POS_DEP_DATA os = fdo->Smartcard.OsData;
    KIRQL irql;

    IoReleaseCancelSpinLock(Irp->CancelIrql);
    irql = vreader_enter(reader);
    KeAcquireSpinLockAtDpcLevel(&os->SpinLock);
    if (reader->Tracking == Irp) {
        reader->Tracking = NULL;
        os->NotificationIrp = NULL;
    }
    KeReleaseSpinLockFromDpcLevel(&os->SpinLock);
    Irp->IoStatus.Information = 0;
    vreader_queue_end(reader, Irp, STATUS_CANCELLED);
    vreader_leave(reader, irql);
}

NTSTATUS vreader_tracking(PSMARTCARD_EXTENSION Smartcard)
{
    READER_EXTENSION *reader = Smartcard->ReaderExtension;
    POS_DEP_DATA os = Smartcard->OsData;
    KIRQL irql = vreader_enter(reader);
    PIRP irp = os->NotificationIrp;
    NTSTATUS status = STATUS_PENDING;

    KeAcquireSpinLockAtDpcLevel(&os->SpinLock);
    if (reader->Removed) {
        status = STATUS_DEVICE_REMOVED;
    } else if (fulfilled(irp, Smartcard->ReaderCapabilities.CurrentState)) {
        status = STATUS_SUCCESS; /* the card was quicker than the callback */
    }
    if (status != STATUS_PENDING) {
        os->NotificationIrp = NULL; /* the library leaves this to the driver (smclib.md 3.3) */
        KeReleaseSpinLockFromDpcLevel(&os->SpinLock);
        goto out;
    }
    reader->Tracking = irp;
    vreader_begin_wait(reader, irp, cancel_tracking);
    if (irp->Cancel || vreader_file_closed(irp)) {
        end_and_unlock(reader, STATUS_CANCELLED); /* ends it only if the cancel routine does not */
    } else {
        KeReleaseSpinLockFromDpcLevel(&os->SpinLock);
    }
out:
    vreader_leave(reader, irql);
    return status;
}
