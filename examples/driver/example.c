/* SPDX-License-Identifier: MIT */
/*
 * A complete reader driver, small enough to read in one go: one reader, made by DriverEntry, with a toy card in it. The
 * card speaks T=0; it keeps the data of the last command and gives it back when asked ("echo"), and needs 5 ms for each
 * answer, so transmissions are pended and end in a work item. Vendor code EXAMPLE_TURN takes the card out and puts it
 * back in.
 *
 * Build it with the Makefile beside it; then: smartcrd --driver ./example.so power, protocol, send 00D6000002ABCD 00B0000002
 * The same source makes example.sys for Windows (docs/porting.md).
 */
#include <wdm.h>
#include <smclib.h>

#define EXAMPLE_TURN   SCARD_CTL_CODE(2048)
#define ANSWER_TIME_MS 5
#define MEMORY_SIZE    256

/* What the library leaves to the driver: completed here, found through SMARTCARD_EXTENSION.ReaderExtension. */
typedef struct _READER_EXTENSION {
    PIO_WORKITEM Work;         /* waits while the card works; it alone ends a pended transmission */
    KEVENT Hurry;              /* signalled: that transmission was cancelled, wait no longer */
    UCHAR Memory[MEMORY_SIZE]; /* the card's; touched by the current operation only */
    ULONG Stored;
} READER_EXTENSION;

typedef struct _DEVICE_EXTENSION {
    SMARTCARD_EXTENSION Smartcard;
    READER_EXTENSION Reader;
    UNICODE_STRING LinkName; /* \DosDevices\SCReader<N> */
} DEVICE_EXTENSION, *PDEVICE_EXTENSION;

/* T=0 only, no interface bytes, historical bytes "ECHO". */
static const UCHAR Atr[] = {0x3B, 0x04, 'E', 'C', 'H', 'O'};

DRIVER_INITIALIZE DriverEntry;

/* CurrentState belongs to the spin lock. */
static VOID SetState(PSMARTCARD_EXTENSION Smartcard, ULONG State)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
    Smartcard->ReaderCapabilities.CurrentState = State;
    KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
}

/* End a request that was pended: store the last error first, so that whoever sees the end can ask for it. */
static VOID End(PSMARTCARD_EXTENSION Smartcard, PIRP Irp, NTSTATUS Status)
{
    if (!NT_SUCCESS(Status)) {
        Irp->IoStatus.Information = 0;
    }
    Irp->IoStatus.Status = Status;
    smartcrd_store_last_error(Smartcard, Irp, Status);
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

/* ---- power and protocol: done at once ---------------------------------------------------------------------------- */

static NTSTATUS CardPower(PSMARTCARD_EXTENSION Smartcard)
{
    if (Smartcard->ReaderCapabilities.CurrentState <= SCARD_ABSENT) {
        return STATUS_NO_MEDIA;
    }
    if (Smartcard->MinorIoControlCode == SCARD_POWER_DOWN) {
        SetState(Smartcard, SCARD_PRESENT);
        return STATUS_SUCCESS;
    }
    if (Smartcard->IoRequest.ReplyBufferLength < sizeof(Atr)) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    Smartcard->ReaderExtension->Stored = 0;
    RtlCopyMemory(Smartcard->CardCapabilities.ATR.Buffer, Atr, sizeof(Atr));
    Smartcard->CardCapabilities.ATR.Length = sizeof(Atr);
    RtlCopyMemory(Smartcard->IoRequest.ReplyBuffer, Atr, sizeof(Atr));
    *Smartcard->IoRequest.Information = sizeof(Atr);
    return SmartcardUpdateCardCapabilities(Smartcard); /* sets the state too */
}

/* The library has checked that card and mask have a protocol in common. */
static NTSTATUS SetProtocol(PSMARTCARD_EXTENSION Smartcard)
{
    if ((Smartcard->MinorIoControlCode & SCARD_PROTOCOL_T0) == 0) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    if (Smartcard->IoRequest.ReplyBufferLength < sizeof(ULONG)) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    Smartcard->CardCapabilities.Protocol.Selected = SCARD_PROTOCOL_T0;
    RtlCopyMemory(Smartcard->IoRequest.ReplyBuffer, &Smartcard->CardCapabilities.Protocol.Selected, sizeof(ULONG));
    *Smartcard->IoRequest.Information = sizeof(ULONG);
    SetState(Smartcard, SCARD_SPECIFIC);
    return STATUS_SUCCESS;
}

/* ---- transmit: pended until the card has answered ---------------------------------------------------------------- */

/* What the card says to CLA INS P1 P2 P3 [data]: it takes data, or gives back what it has, and ends with 90 00. */
static VOID CardAnswers(PSMARTCARD_EXTENSION Smartcard)
{
    PREADER_EXTENSION Card = Smartcard->ReaderExtension;
    PUCHAR Reply = Smartcard->SmartcardReply.Buffer;
    ULONG Length = 0;

    if (Smartcard->T0.Lc > 0 && Smartcard->T0.Lc <= MEMORY_SIZE) {
        RtlCopyMemory(Card->Memory, Smartcard->SmartcardRequest.Buffer + 5, Smartcard->T0.Lc);
        Card->Stored = Smartcard->T0.Lc;
    } else if (Smartcard->T0.Le > 0 && Smartcard->T0.Le <= MEMORY_SIZE) {
        for (; Length < Smartcard->T0.Le; Length++) {
            Reply[Length] = Length < Card->Stored ? Card->Memory[Length] : 0;
        }
    }
    Reply[Length++] = 0x90;
    Reply[Length++] = 0x00;
    Smartcard->SmartcardReply.BufferLength = Length;
}

/* The card's time is over, or somebody is in a hurry: the transmission ends here in either case. */
static VOID Answer(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PSMARTCARD_EXTENSION Smartcard = &((PDEVICE_EXTENSION)DeviceObject->DeviceExtension)->Smartcard;
    NTSTATUS Status = STATUS_CANCELLED;
    PIRP Irp = Context;
    LARGE_INTEGER Time;
    KIRQL Irql;

    Time.QuadPart = -10000LL * ANSWER_TIME_MS;
    (VOID) KeWaitForSingleObject(&Smartcard->ReaderExtension->Hurry, Executive, KernelMode, FALSE, &Time);

    IoAcquireCancelSpinLock(&Irql); /* waits for a cancel routine that still looks at the request */
    (VOID) IoSetCancelRoutine(Irp, NULL);
    IoReleaseCancelSpinLock(Irql);

    if (!Irp->Cancel) {
        CardAnswers(Smartcard);
        Status = SmartcardT0Reply(Smartcard);
    }
    KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
    Smartcard->OsData->CurrentIrp = NULL; /* the library may serve the next one */
    KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
    End(Smartcard, Irp, Status);
}

/* Somebody cancels the transmission: the work item ends it, now. */
static VOID CancelTransmit(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSMARTCARD_EXTENSION Smartcard = &((PDEVICE_EXTENSION)DeviceObject->DeviceExtension)->Smartcard;

    (VOID) KeSetEvent(&Smartcard->ReaderExtension->Hurry, IO_NO_INCREMENT, FALSE);
    IoReleaseCancelSpinLock(Irp->CancelIrql); /* from here on the request may be gone */
}

static NTSTATUS Transmit(PSMARTCARD_EXTENSION Smartcard)
{
    PIRP Irp = Smartcard->OsData->CurrentIrp;
    NTSTATUS Status;

    Smartcard->SmartcardRequest.BufferLength = 0; /* this reader puts no header of its own before the TPDU */
    Status = SmartcardT0Request(Smartcard);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    KeClearEvent(&Smartcard->ReaderExtension->Hurry);
    IoMarkIrpPending(Irp);
    (VOID) IoSetCancelRoutine(Irp, CancelTransmit); /* before the work item: that may end the request any time */
    IoQueueWorkItem(Smartcard->ReaderExtension->Work, Answer, DelayedWorkQueue, Irp);
    return STATUS_PENDING;
}

/* ---- tracking: pended until the card comes or goes ---------------------------------------------------------------- */

static VOID CancelTracking(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PSMARTCARD_EXTENSION Smartcard = &((PDEVICE_EXTENSION)DeviceObject->DeviceExtension)->Smartcard;
    KIRQL Irql;

    IoReleaseCancelSpinLock(Irp->CancelIrql);
    KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
    Smartcard->OsData->NotificationIrp = NULL;
    KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
    End(Smartcard, Irp, STATUS_CANCELLED);
}

/* The library has stored the request in NotificationIrp because the card is not as the caller waits for it. */
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
        Status = STATUS_CANCELLED; /* before we were ready for it */
    } else if (Present == (IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode ==
                           IOCTL_SMARTCARD_IS_PRESENT) &&
               IoSetCancelRoutine(Irp, NULL) != NULL) {
        Status = STATUS_SUCCESS; /* the card moved in between */
    }
    if (Status == STATUS_PENDING) {
        IoMarkIrpPending(Irp); /* the cancel routine waits for the spin lock before it completes the request */
    } else {
        Os->NotificationIrp = NULL; /* the library completes it */
    }
    KeReleaseSpinLock(&Os->SpinLock, Irql);
    return Status;
}

/* Take the tracking request out and end it, unless it is being cancelled. File: only if it came from there. */
static VOID EndTracking(PSMARTCARD_EXTENSION Smartcard, PFILE_OBJECT File, NTSTATUS Status)
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

/* Vendor codes. This one stands for a hand at the slot. */
static NTSTATUS Vendor(PSMARTCARD_EXTENSION Smartcard)
{
    if (Smartcard->MajorIoControlCode != EXAMPLE_TURN) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    SetState(Smartcard,
             Smartcard->ReaderCapabilities.CurrentState > SCARD_ABSENT ? (ULONG)SCARD_ABSENT : (ULONG)SCARD_PRESENT);
    EndTracking(Smartcard, NULL, STATUS_SUCCESS);
    return STATUS_SUCCESS;
}

/* ---- dispatch ---------------------------------------------------------------------------------------------------- */

static NTSTATUS DispatchControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    return SmartcardDeviceControl(&((PDEVICE_EXTENSION)DeviceObject->DeviceExtension)->Smartcard, Irp);
}

/* CREATE, CLEANUP, CLOSE: a file that is closed leaves no tracking request behind. */
static NTSTATUS DispatchFile(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION Location = IoGetCurrentIrpStackLocation(Irp);

    if (Location->MajorFunction == IRP_MJ_CLEANUP && Location->FileObject != NULL) {
        EndTracking(&((PDEVICE_EXTENSION)DeviceObject->DeviceExtension)->Smartcard, Location->FileObject,
                    STATUS_CANCELLED);
    }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

/* ---- coming and going -------------------------------------------------------------------------------------------- */

static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    PDEVICE_EXTENSION Extension = DriverObject->DeviceObject->DeviceExtension;

    (VOID) IoDeleteSymbolicLink(&Extension->LinkName);
    ExFreePool(Extension->LinkName.Buffer);
    IoFreeWorkItem(Extension->Reader.Work); /* nothing is pended: no file is open */
    SmartcardExit(&Extension->Smartcard);
    IoDeleteDevice(DriverObject->DeviceObject);
}

static VOID Describe(PSMARTCARD_EXTENSION Smartcard)
{
    static const CHAR Name[] = "smartcrd", Type[] = "example";

    Smartcard->Version = SMCLIB_VERSION;
    Smartcard->SmartcardRequest.BufferSize = MIN_BUFFER_SIZE;
    Smartcard->SmartcardReply.BufferSize = MIN_BUFFER_SIZE;
    RtlCopyMemory(Smartcard->VendorAttr.VendorName.Buffer, Name, sizeof(Name) - 1);
    Smartcard->VendorAttr.VendorName.Length = sizeof(Name) - 1;
    RtlCopyMemory(Smartcard->VendorAttr.IfdType.Buffer, Type, sizeof(Type) - 1);
    Smartcard->VendorAttr.IfdType.Length = sizeof(Type) - 1;
    Smartcard->VendorAttr.IfdVersion.VersionMajor = 1;

    Smartcard->ReaderCapabilities.SupportedProtocols = SCARD_PROTOCOL_T0;
    Smartcard->ReaderCapabilities.ReaderType = SCARD_READER_TYPE_VENDOR;
    Smartcard->ReaderCapabilities.CLKFrequency.Default = 3571; /* kHz */
    Smartcard->ReaderCapabilities.CLKFrequency.Max = 3571;
    Smartcard->ReaderCapabilities.DataRate.Default = 9600; /* bit/s */
    Smartcard->ReaderCapabilities.DataRate.Max = 9600;
    Smartcard->ReaderCapabilities.MaxIFSD = 254;
    Smartcard->ReaderCapabilities.CurrentState = SCARD_PRESENT;

    Smartcard->ReaderFunction[RDF_CARD_POWER] = CardPower;
    Smartcard->ReaderFunction[RDF_SET_PROTOCOL] = SetProtocol;
    Smartcard->ReaderFunction[RDF_TRANSMIT] = Transmit;
    Smartcard->ReaderFunction[RDF_CARD_TRACKING] = Track;
    Smartcard->ReaderFunction[RDF_IOCTL_VENDOR] = Vendor;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static WCHAR Name[] = L"\\Device\\example0";
    UNICODE_STRING DeviceName;
    PDEVICE_OBJECT DeviceObject;
    PDEVICE_EXTENSION Extension;
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    RtlInitUnicodeString(&DeviceName, Name);
    Status = IoCreateDevice(DriverObject, sizeof(DEVICE_EXTENSION), &DeviceName, FILE_DEVICE_SMARTCARD, 0, FALSE,
                            &DeviceObject);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Extension = DeviceObject->DeviceExtension; /* zeroed */
    Describe(&Extension->Smartcard);
    Extension->Smartcard.ReaderExtension = &Extension->Reader;
    KeInitializeEvent(&Extension->Reader.Hurry, NotificationEvent, FALSE);
    Extension->Reader.Work = IoAllocateWorkItem(DeviceObject);
    if (Extension->Reader.Work == NULL) {
        Status = STATUS_INSUFFICIENT_RESOURCES;
        goto delete_device;
    }
    Status = SmartcardInitialize(&Extension->Smartcard);
    if (!NT_SUCCESS(Status)) {
        goto free;
    }
    Extension->Smartcard.OsData->DeviceObject = DeviceObject;
    Status = SmartcardCreateLink(&Extension->LinkName, &DeviceName);
    if (!NT_SUCCESS(Status)) {
        goto exit;
    }
    DriverObject->DriverUnload = Unload;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DispatchFile;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DispatchFile;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = DispatchFile;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DispatchControl;
#ifdef DO_NEVER_BLOCKS
    DeviceObject->Flags |= DO_NEVER_BLOCKS; /* every routine above returns at once: the host needs no thread for us */
#endif
    DeviceObject->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;

exit:
    SmartcardExit(&Extension->Smartcard);
free:
    IoFreeWorkItem(Extension->Reader.Work);
delete_device:
    IoDeleteDevice(DeviceObject);
    return Status;
}
