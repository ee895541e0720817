/* SPDX-License-Identifier: MIT */
/* What the two files of the driver with mistakes share: broken.c has its frame, broken_vendor.c its vendor code. */
#ifndef TESTS_VERIFIER_BROKEN_H
#define TESTS_VERIFIER_BROKEN_H

#include <wdm.h>
#include <smclib.h>

#include "breaks.h"

#define TAG ((ULONG)0x4B4F5242)

typedef struct _READER_EXTENSION {
    PIO_WORKITEM Work;
    KTIMER Timer;
    KDPC Dpc;
    PIRP Pended;     /* the transmission that the DPC or the cancel routine ends; guarded by OsData->SpinLock */
    KSPIN_LOCK Lock; /* guards nothing: mistakes are made with it, and with what follows */
    KMUTEX Mutex;
    FAST_MUTEX FastMutex;
    KSEMAPHORE Semaphore;
    IO_REMOVE_LOCK RemoveLock; /* the kernel's, besides the library's */
    KEVENT Gone;               /* signalled: the thread is to end */
    PKTHREAD Thread;
} READER_EXTENSION;

typedef struct _DEVICE_EXTENSION {
    SMARTCARD_EXTENSION Smartcard;
    READER_EXTENSION Reader;
    UNICODE_STRING LinkName;
    PDEVICE_OBJECT Lower;
} DEVICE_EXTENSION, *PDEVICE_EXTENSION;

#define BROKEN_TURN SCARD_CTL_CODE(BROKEN_TURN_FUNCTION)

extern enum breaks Broken; /* chosen by DriverEntry */

/* End a tracking request that waits, of one file or (NULL) of any. */
VOID EndTracking(PSMARTCARD_EXTENSION Smartcard, PFILE_OBJECT File, NTSTATUS Status);

/* Callbacks of broken_vendor.c */
NTSTATUS Swallow(PSMARTCARD_EXTENSION Smartcard);
NTSTATUS Vendor(PSMARTCARD_EXTENSION Smartcard);

FORCEINLINE BOOLEAN Breaks(enum breaks Which)
{
    return Broken == Which;
}

FORCEINLINE PSMARTCARD_EXTENSION SmartcardOf(PDEVICE_OBJECT DeviceObject)
{
    return &((PDEVICE_EXTENSION)DeviceObject->DeviceExtension)->Smartcard;
}

FORCEINLINE VOID SetState(PSMARTCARD_EXTENSION Smartcard, ULONG State)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
    Smartcard->ReaderCapabilities.CurrentState = State;
    KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
}

/* The end of a request that was pended. */
FORCEINLINE VOID End(PSMARTCARD_EXTENSION Smartcard, PIRP Irp, NTSTATUS Status)
{
    if (!NT_SUCCESS(Status)) {
        Irp->IoStatus.Information = 0;
    }
    Irp->IoStatus.Status = Status;
    smartcrd_store_last_error(Smartcard, Irp, Status);
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

#endif
