/* SPDX-License-Identifier: MIT */
/*
 * A reader driver that makes one mistake, chosen by the environment's BROKEN when it is loaded (breaks.h), and none
 * without it. Plug and Play, one toy card that is always there unless vendor code BROKEN_TURN takes it out. Each kind of
 * routine that a driver has occurs once, and each mistake stands in the routine whose name its report is to give:
 *
 *   Power, SetProtocol           done at once; so are Swallow and Vendor (broken_vendor.c)
 *   Transmit     pended, with a cancel routine (CancelTransmit); a timer's DPC (TransmitDone) ends it
 *   Eject        pended, without a cancel routine; a work item (EjectDone) ends it
 *   Track        pended, with a cancel routine (CancelTracking); Vendor ends it
 *   SlotThread   a system thread, which waits until the reader goes
 */
#include "broken.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_TIME_MS 2

static const UCHAR Atr[] = {0x3B, 0x84, 0x80, 0x01, 'E', 'C', 'H', 'O', 0x04};

enum breaks Broken;
static LONG Devices;

DRIVER_INITIALIZE DriverEntry;

/* ---- done at once ------------------------------------------------------------------------------------------------ */

static NTSTATUS Power(PSMARTCARD_EXTENSION Smartcard)
{
    if (Breaks(BREAK_marks_and_completes)) {
        IoMarkIrpPending(Smartcard->OsData->CurrentIrp);
    }
    if (Smartcard->ReaderCapabilities.CurrentState <= SCARD_ABSENT) {
        return STATUS_NO_MEDIA;
    }
    if (Smartcard->MinorIoControlCode == SCARD_POWER_DOWN) {
        SetState(Smartcard, SCARD_PRESENT);
        return STATUS_SUCCESS;
    }
    RtlCopyMemory(Smartcard->CardCapabilities.ATR.Buffer, Atr, sizeof(Atr));
    Smartcard->CardCapabilities.ATR.Length = sizeof(Atr);
    RtlCopyMemory(Smartcard->IoRequest.ReplyBuffer, Atr, sizeof(Atr));
    *Smartcard->IoRequest.Information = sizeof(Atr);
    if (Breaks(BREAK_claims_too_much)) {
        *Smartcard->IoRequest.Information = Smartcard->IoRequest.ReplyBufferLength + 1;
    }
    return SmartcardUpdateCardCapabilities(Smartcard);
}

static NTSTATUS SetProtocol(PSMARTCARD_EXTENSION Smartcard)
{
    if ((Smartcard->MinorIoControlCode & SCARD_PROTOCOL_T0) == 0) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    Smartcard->CardCapabilities.Protocol.Selected = SCARD_PROTOCOL_T0;
    RtlCopyMemory(Smartcard->IoRequest.ReplyBuffer, &Smartcard->CardCapabilities.Protocol.Selected, sizeof(ULONG));
    *Smartcard->IoRequest.Information = sizeof(ULONG);
    if (Breaks(BREAK_writes_behind_reply)) {
        ((volatile UCHAR *)Smartcard->IoRequest.ReplyBuffer)[Smartcard->IoRequest.ReplyBufferLength] = 0;
    }
    if (Breaks(BREAK_writes_before_request)) {
        ((volatile UCHAR *)Smartcard->IoRequest.RequestBuffer)[-1] = 0;
    }
    if (Breaks(BREAK_writes_state)) {
        Smartcard->ReaderCapabilities.CurrentState = SCARD_SPECIFIC;
        return STATUS_SUCCESS;
    }
    SetState(Smartcard, SCARD_SPECIFIC);
    return STATUS_SUCCESS;
}

/* ---- transmit: pended, ended by a DPC ---------------------------------------------------------------------------- */

static VOID CancelTransmit(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSMARTCARD_EXTENSION Smartcard = SmartcardOf(DeviceObject);
    KIRQL Irql;

    IoReleaseCancelSpinLock(Irp->CancelIrql);
    (VOID) KeCancelTimer(&Smartcard->ReaderExtension->Timer);
    KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
    Smartcard->ReaderExtension->Pended = NULL;
    Smartcard->OsData->CurrentIrp = NULL;
    KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
    End(Smartcard, Irp, STATUS_CANCELLED);
    if (Breaks(BREAK_keeps_lock_in_cancel)) {
        KeAcquireSpinLock(&Smartcard->ReaderExtension->Lock, &Irql);
    }
}

static PIRP TakePended(PSMARTCARD_EXTENSION Smartcard)
{
    KIRQL Irql;
    PIRP Irp;

    KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
    Irp = Smartcard->ReaderExtension->Pended;
    if (Irp != NULL && (Breaks(BREAK_leaves_cancel_routine) || IoSetCancelRoutine(Irp, NULL) != NULL)) {
        Smartcard->ReaderExtension->Pended = NULL;
    } else {
        Irp = NULL; /* there is none, or its cancel routine ends it */
    }
    KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
    return Irp;
}

static VOID TransmitDone(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    PSMARTCARD_EXTENSION Smartcard = Context;
    PREADER_EXTENSION Reader = Smartcard->ReaderExtension;
    NTSTATUS Status = STATUS_CANCELLED;
    PIRP Irp = TakePended(Smartcard);
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    if (Irp == NULL) {
        return;
    }
    if (Breaks(BREAK_waits_in_dpc)) {
        LARGE_INTEGER Time = {.QuadPart = -10000};

        (VOID) KeWaitForSingleObject(&Reader->Gone, Executive, KernelMode, FALSE, &Time);
    }
    if (Breaks(BREAK_takes_fast_mutex_in_dpc)) {
        ExAcquireFastMutex(&Reader->FastMutex);
        ExReleaseFastMutex(&Reader->FastMutex);
    }
    if (Breaks(BREAK_asks_paged_pool_in_dpc)) {
        PVOID Block = ExAllocatePoolWithTag(PagedPool, 16, TAG);

        if (Block != NULL) {
            ExFreePoolWithTag(Block, TAG);
        }
    }
    if (!Irp->Cancel) {
        Smartcard->SmartcardReply.Buffer[0] = 0x90;
        Smartcard->SmartcardReply.Buffer[1] = 0x00;
        Smartcard->SmartcardReply.BufferLength = 2;
        Status = SmartcardT0Reply(Smartcard);
    }
    KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
    Smartcard->OsData->CurrentIrp = NULL;
    KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
    End(Smartcard, Irp, Status);
    if (Breaks(BREAK_keeps_lock_in_dpc)) {
        KeAcquireSpinLockAtDpcLevel(&Reader->Lock);
    }
}

static NTSTATUS Transmit(PSMARTCARD_EXTENSION Smartcard)
{
    PREADER_EXTENSION Reader = Smartcard->ReaderExtension;
    LARGE_INTEGER Time = {.QuadPart = -10000LL *
                                      (Smartcard->IoRequest.RequestBuffer[sizeof(SCARD_IO_REQUEST)] == BROKEN_SLOW_CLASS
                                           ? 1000 * ANSWER_TIME_MS
                                           : ANSWER_TIME_MS)};
    PIRP Irp = Smartcard->OsData->CurrentIrp;
    NTSTATUS Status;
    KIRQL Irql;

    Smartcard->SmartcardRequest.BufferLength = 0;
    Status = SmartcardT0Request(Smartcard);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    if (Breaks(BREAK_crashes)) {
        *(volatile UCHAR *)(ULONG_PTR)Smartcard->T0.Lc = 0; /* a T=0 command without data has Lc 0 */
    }
    while (Breaks(BREAK_hangs)) {
        YieldProcessor();
    }
    if (!Breaks(BREAK_pends_unmarked)) {
        IoMarkIrpPending(Irp);
    }
    if (Breaks(BREAK_forgets)) {
        return STATUS_PENDING;
    }
    KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
    Reader->Pended = Irp;
    (VOID) IoSetCancelRoutine(Irp, CancelTransmit); /* when it is cancelled already, the DPC sees that */
    KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
    (VOID) KeSetTimer(&Reader->Timer, Time, &Reader->Dpc);
    return STATUS_PENDING;
}

/* ---- eject: pended, ended by a work item ------------------------------------------------------------------------- */

static VOID EjectDone(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PSMARTCARD_EXTENSION Smartcard = SmartcardOf(DeviceObject);
    PREADER_EXTENSION Reader = Smartcard->ReaderExtension;
    PIRP Irp = Context;
    volatile UCHAR *Buffer = Irp->AssociatedIrp.SystemBuffer;
    KIRQL Irql;

    if (Breaks(BREAK_writes_current_irp)) {
        Smartcard->OsData->CurrentIrp = NULL;
    } else if (!Breaks(BREAK_leaves_current_irp)) {
        KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
        Smartcard->OsData->CurrentIrp = NULL;
        KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
    }
    Irp->IoStatus.Status = Breaks(BREAK_completes_as_pending) ? STATUS_PENDING : STATUS_SUCCESS;
    Irp->IoStatus.Information =
        Breaks(BREAK_claims_too_much_pended)
            ? IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.OutputBufferLength + 1
            : 0;
    if (Breaks(BREAK_stores_by_hand)) {
        InterlockedExchange((LONG volatile *)&Smartcard->LastError, STATUS_SUCCESS);
    } else if (!Breaks(BREAK_stores_nothing)) {
        smartcrd_store_last_error(Smartcard, Irp, STATUS_SUCCESS);
    }
    if (Breaks(BREAK_completes_at_high)) {
        KeRaiseIrql(HIGH_LEVEL, &Irql);
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        KeLowerIrql(Irql);
    } else {
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
    }
    if (Breaks(BREAK_writes_afterwards) && Buffer != NULL) {
        Buffer[0] = 0x5A;
    }
    if (Breaks(BREAK_completes_twice)) {
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
    }
    if (Breaks(BREAK_keeps_lock_in_work)) {
        KeAcquireSpinLock(&Reader->Lock, &Irql);
    }
    if (Breaks(BREAK_keeps_mutex)) {
        (VOID) KeWaitForSingleObject(&Reader->Mutex, Executive, KernelMode, FALSE, NULL);
    }
}

static NTSTATUS Eject(PSMARTCARD_EXTENSION Smartcard)
{
    PIRP Irp = Smartcard->OsData->CurrentIrp;

    if (Breaks(BREAK_completes_for_the_library)) {
        Irp->IoStatus.Status = STATUS_SUCCESS;
        smartcrd_store_last_error(Smartcard, Irp, STATUS_SUCCESS);
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
        return STATUS_SUCCESS;
    }
    IoMarkIrpPending(Irp);
    IoQueueWorkItem(Smartcard->ReaderExtension->Work, EjectDone, DelayedWorkQueue, Irp);
    return STATUS_PENDING;
}

/* ---- tracking: pended, ended by Vendor --------------------------------------------------------------------------- */

static VOID CancelTracking(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSMARTCARD_EXTENSION Smartcard = SmartcardOf(DeviceObject);
    KIRQL Irql;

    if (!Breaks(BREAK_keeps_cancel_lock)) {
        IoReleaseCancelSpinLock(Irp->CancelIrql);
    }
    if (Breaks(BREAK_writes_notification)) {
        Smartcard->OsData->NotificationIrp = NULL;
    } else if (!Breaks(BREAK_leaves_notification)) {
        KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
        Smartcard->OsData->NotificationIrp = NULL;
        KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
    }
    End(Smartcard, Irp, STATUS_CANCELLED);
}

static NTSTATUS Track(PSMARTCARD_EXTENSION Smartcard)
{
    POS_DEP_DATA Os = Smartcard->OsData;
    NTSTATUS Status = STATUS_PENDING;
    BOOLEAN Present;
    KIRQL Irql;
    PIRP Irp;

    KeAcquireSpinLock(&Os->SpinLock, &Irql);
    Irp = Os->NotificationIrp;
    Present = Smartcard->ReaderCapabilities.CurrentState > SCARD_ABSENT;
    (VOID) IoSetCancelRoutine(Irp, CancelTracking);
    if (Irp->Cancel && IoSetCancelRoutine(Irp, NULL) != NULL) {
        Status = STATUS_CANCELLED;
    } else if (Present == (IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode ==
                           IOCTL_SMARTCARD_IS_PRESENT) &&
               IoSetCancelRoutine(Irp, NULL) != NULL) {
        Status = STATUS_SUCCESS;
    }
    if (Status == STATUS_PENDING) {
        IoMarkIrpPending(Irp);
    } else {
        Os->NotificationIrp = NULL;
    }
    KeReleaseSpinLock(&Os->SpinLock, Irql);
    return Status;
}

VOID EndTracking(PSMARTCARD_EXTENSION Smartcard, PFILE_OBJECT File, NTSTATUS Status)
{
    KIRQL Irql;
    PIRP Irp;

    KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
    Irp = Smartcard->OsData->NotificationIrp;
    if (Irp != NULL && (File == NULL || IoGetCurrentIrpStackLocation(Irp)->FileObject == File) &&
        IoSetCancelRoutine(Irp, NULL) != NULL) {
        Smartcard->OsData->NotificationIrp = NULL;
    } else {
        Irp = NULL;
    }
    KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
    if (Irp != NULL) {
        Irp->IoStatus.Information = 0;
        End(Smartcard, Irp, Status);
    }
}

/* ---- dispatch ---------------------------------------------------------------------------------------------------- */

static NTSTATUS Finish(PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS DispatchControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSMARTCARD_EXTENSION Smartcard = SmartcardOf(DeviceObject);
    ULONG Code = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode;
    NTSTATUS Status = SmartcardAcquireRemoveLockWithTag(Smartcard, TAG);

    if (!NT_SUCCESS(Status)) {
        smartcrd_store_last_error(Smartcard, Irp, STATUS_DEVICE_REMOVED);
        return Finish(Irp, STATUS_DEVICE_REMOVED);
    }
    if (Breaks(BREAK_returns_without_completing) && Code == IOCTL_SMARTCARD_EJECT) {
        Status = STATUS_SUCCESS;
    } else {
        Status = SmartcardDeviceControl(Smartcard, Irp);
    }
    SmartcardReleaseRemoveLockWithTag(Smartcard, TAG);
    return Status;
}

static NTSTATUS DispatchFile(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSMARTCARD_EXTENSION Smartcard = SmartcardOf(DeviceObject);
    PIO_STACK_LOCATION Location = IoGetCurrentIrpStackLocation(Irp);
    KIRQL Irql;

    if (Location->MajorFunction == IRP_MJ_CLEANUP) {
        EndTracking(Smartcard, Location->FileObject, STATUS_CANCELLED);
        if (Breaks(BREAK_keeps_lock_in_dispatch)) {
            KeAcquireSpinLock(&Smartcard->ReaderExtension->Lock, &Irql);
        }
    }
    return Finish(Irp, STATUS_SUCCESS);
}

static NTSTATUS PassDown(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(((PDEVICE_EXTENSION)DeviceObject->DeviceExtension)->Lower, Irp);
}

/* ---- coming and going -------------------------------------------------------------------------------------------- */

static VOID SlotThread(PVOID Context)
{
    PREADER_EXTENSION Reader = Context;
    KIRQL Irql;

    (VOID) KeWaitForSingleObject(&Reader->Gone, Executive, KernelMode, FALSE, NULL);
    if (Breaks(BREAK_keeps_lock_in_thread)) {
        KeAcquireSpinLock(&Reader->Lock, &Irql);
    }
}

static NTSTATUS StartThread(PREADER_EXTENSION Reader)
{
    HANDLE Handle;
    NTSTATUS Status = PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, SlotThread, Reader);

    if (NT_SUCCESS(Status)) {
        Status = ObReferenceObjectByHandle(Handle, THREAD_ALL_ACCESS, *PsThreadType, KernelMode,
                                           (PVOID *)&Reader->Thread, NULL);
        (VOID) ZwClose(Handle);
    }
    return Status;
}

static VOID DeleteReader(PDEVICE_OBJECT DeviceObject)
{
    PDEVICE_EXTENSION Extension = DeviceObject->DeviceExtension;
    PREADER_EXTENSION Reader = &Extension->Reader;

    if (Reader->Thread != NULL) {
        (VOID) KeSetEvent(&Reader->Gone, IO_NO_INCREMENT, FALSE);
        (VOID) KeWaitForSingleObject(Reader->Thread, Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(Reader->Thread);
    }
    (VOID) KeCancelTimer(&Reader->Timer);
    KeFlushQueuedDpcs();
    if (Extension->LinkName.Buffer != NULL) {
        (VOID) IoDeleteSymbolicLink(&Extension->LinkName);
        ExFreePool(Extension->LinkName.Buffer);
    }
    if (Reader->Work != NULL) {
        IoFreeWorkItem(Reader->Work);
    }
    if (Extension->Lower != NULL) {
        IoDetachDevice(Extension->Lower);
    }
    SmartcardExit(&Extension->Smartcard);
    IoDeleteDevice(DeviceObject);
}

static NTSTATUS DispatchPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSMARTCARD_EXTENSION Smartcard = SmartcardOf(DeviceObject);
    NTSTATUS Status;

    switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_SURPRISE_REMOVAL:
        EndTracking(Smartcard, NULL, STATUS_DEVICE_REMOVED);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        return PassDown(DeviceObject, Irp);
    case IRP_MN_REMOVE_DEVICE:
        EndTracking(Smartcard, NULL, STATUS_DEVICE_REMOVED);
        if (!Breaks(BREAK_never_waits_for_remove_lock) && NT_SUCCESS(SmartcardAcquireRemoveLock(Smartcard))) {
            SmartcardReleaseRemoveLockAndWait(Smartcard);
        }
        if (NT_SUCCESS(IoAcquireRemoveLock(&Smartcard->ReaderExtension->RemoveLock, Irp))) {
            IoReleaseRemoveLockAndWait(&Smartcard->ReaderExtension->RemoveLock, Irp);
        }
        Irp->IoStatus.Status = STATUS_SUCCESS;
        Status = PassDown(DeviceObject, Irp);
        DeleteReader(DeviceObject);
        return Status;
    default:
        return PassDown(DeviceObject, Irp);
    }
}

static VOID Describe(PSMARTCARD_EXTENSION Smartcard)
{
    Smartcard->Version = SMCLIB_VERSION;
    Smartcard->SmartcardRequest.BufferSize = MIN_BUFFER_SIZE;
    Smartcard->SmartcardReply.BufferSize = MIN_BUFFER_SIZE;
    Smartcard->ReaderCapabilities.SupportedProtocols = SCARD_PROTOCOL_T0;
    Smartcard->ReaderCapabilities.CLKFrequency.Default = 3571;
    Smartcard->ReaderCapabilities.CLKFrequency.Max = 3571;
    Smartcard->ReaderCapabilities.DataRate.Default = 9600;
    Smartcard->ReaderCapabilities.DataRate.Max = 9600;
    Smartcard->ReaderCapabilities.MaxIFSD = 254;
    Smartcard->ReaderCapabilities.CurrentState = SCARD_PRESENT;

    Smartcard->ReaderFunction[RDF_CARD_POWER] = Power;
    Smartcard->ReaderFunction[RDF_SET_PROTOCOL] = SetProtocol;
    Smartcard->ReaderFunction[RDF_TRANSMIT] = Transmit;
    Smartcard->ReaderFunction[RDF_CARD_TRACKING] = Track;
    Smartcard->ReaderFunction[RDF_CARD_EJECT] = Eject;
    Smartcard->ReaderFunction[RDF_READER_SWALLOW] = Swallow;
    Smartcard->ReaderFunction[RDF_IOCTL_VENDOR] = Vendor;
}

static NTSTATUS MakeReader(PDEVICE_OBJECT DeviceObject, PUNICODE_STRING DeviceName)
{
    PDEVICE_EXTENSION Extension = DeviceObject->DeviceExtension;
    PREADER_EXTENSION Reader = &Extension->Reader;
    NTSTATUS Status;

    KeInitializeTimer(&Reader->Timer);
    KeInitializeDpc(&Reader->Dpc, TransmitDone, &Extension->Smartcard);
    KeInitializeSpinLock(&Reader->Lock);
    KeInitializeMutex(&Reader->Mutex, 0);
    ExInitializeFastMutex(&Reader->FastMutex);
    KeInitializeSemaphore(&Reader->Semaphore, 1, 1);
    IoInitializeRemoveLock(&Reader->RemoveLock, TAG, 0, 0);
    KeInitializeEvent(&Reader->Gone, NotificationEvent, FALSE);
    Extension->Smartcard.ReaderExtension = Reader;
    Describe(&Extension->Smartcard);
    Status = SmartcardInitialize(&Extension->Smartcard);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Extension->Smartcard.OsData->DeviceObject = DeviceObject;
    Reader->Work = IoAllocateWorkItem(DeviceObject);
    if (Reader->Work == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Status = StartThread(Reader);
    return NT_SUCCESS(Status) ? SmartcardCreateLink(&Extension->LinkName, DeviceName) : Status;
}

static NTSTATUS AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    WCHAR Name[] = L"\\Device\\broken0000";
    UNICODE_STRING DeviceName;
    PDEVICE_OBJECT DeviceObject;
    PDEVICE_EXTENSION Extension;
    LONG Number = InterlockedIncrement(&Devices);
    NTSTATUS Status;
    ULONG i;

    for (i = 0; i < 4; i++, Number /= 10) {
        Name[ARRAYSIZE(Name) - 2 - i] = (WCHAR)(L'0' + Number % 10);
    }
    RtlInitUnicodeString(&DeviceName, Name);
    Status = IoCreateDevice(DriverObject, sizeof(DEVICE_EXTENSION), &DeviceName, FILE_DEVICE_SMARTCARD, 0, FALSE,
                            &DeviceObject);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Extension = DeviceObject->DeviceExtension;
    Extension->Lower = IoAttachDeviceToDeviceStack(DeviceObject, PhysicalDeviceObject);
    Status = MakeReader(DeviceObject, &DeviceName);
    if (!NT_SUCCESS(Status)) {
        DeleteReader(DeviceObject);
        return Status;
    }
    DeviceObject->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

static enum breaks Chosen(VOID)
{
    static const char *const Names[] = {
#define BREAK(name) #name,
        BREAKS(BREAK)
#undef BREAK
    };
    const char *Name = getenv("BROKEN");
    ULONG i;

    for (i = 0; Name != NULL && i < ARRAYSIZE(Names); i++) {
        if (strcmp(Names[i], Name) == 0) {
            return (enum breaks)i;
        }
    }
    return BREAK_nothing;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UNREFERENCED_PARAMETER(RegistryPath);
    Broken = Chosen();
    DriverObject->DriverExtension->AddDevice = AddDevice;
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DispatchFile;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DispatchFile;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = DispatchFile;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DispatchControl;
    DriverObject->MajorFunction[IRP_MJ_PNP] = DispatchPnp;
    return STATUS_SUCCESS;
}
