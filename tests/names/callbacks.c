/* SPDX-License-Identifier: MIT */
/*
 * The callbacks: power, protocol, transmission, tracking, and the vendor code; called by the library one at a time.
 */
#include "reader.h"

/* ---- power ------------------------------------------------------------------------------------------------------- */

/* Reset the card; the answer goes to the caller and to the library, which says what it means. */
static NTSTATUS Reset(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PREADER_EXTENSION Reader = SmartcardExtension->ReaderExtension;
    UCHAR Atr[MAXIMUM_ATR_LENGTH];
    ULONG Length = sizeof(Atr);
    NTSTATUS Status = ReaderCommand(Reader, COMMAND_RESET, NULL, 0, Atr, &Length);

    if (Status == STATUS_IO_TIMEOUT || Status == STATUS_NO_MEDIA) {
        return Status;
    }
    if (!NT_SUCCESS(Status)) {
        return STATUS_UNRECOGNIZED_MEDIA;
    }
    Reader->SameCard =
        (BOOLEAN)(Length == Reader->LastAtrLength && RtlCompareMemory(Reader->LastAtr, Atr, Length) == Length);
    RtlFillMemory(Reader->LastAtr, sizeof(Reader->LastAtr), 0xFF);
    RtlCopyMemory(Reader->LastAtr, Atr, Length);
    Reader->LastAtrLength = (UCHAR)Length;

    if (SmartcardExtension->IoRequest.ReplyBufferLength < Length) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    RtlCopyMemory(SmartcardExtension->IoRequest.ReplyBuffer, Atr, Length);
    *SmartcardExtension->IoRequest.Information = Length;
    RtlZeroMemory(SmartcardExtension->CardCapabilities.ATR.Buffer,
                  sizeof(SmartcardExtension->CardCapabilities.ATR.Buffer));
    RtlCopyMemory(SmartcardExtension->CardCapabilities.ATR.Buffer, Atr, Length);
    SmartcardExtension->CardCapabilities.ATR.Length = (UCHAR)Length;
    return SmartcardUpdateCardCapabilities(SmartcardExtension);
}

NTSTATUS ReaderPower(PSMARTCARD_EXTENSION SmartcardExtension)
{
#if DBG || DEBUG
    static const CHAR *Minor[] = {"POWER_DOWN", "COLD_RESET", "WARM_RESET"};
#endif
    BYTE Nothing[1];
    ULONG Length = sizeof(Nothing);
    NTSTATUS Status;

    SmartcardDebug(DEBUG_TRACE, ("names: >%s\n", Minor[SmartcardExtension->MinorIoControlCode]));
    if (!ReaderHasCard(SmartcardExtension->ReaderExtension)) {
        return STATUS_NO_MEDIA;
    }
    switch (SmartcardExtension->MinorIoControlCode) {
    case SCARD_WARM_RESET:
    case SCARD_COLD_RESET:
        Status = Reset(SmartcardExtension);
        break;
    case SCARD_POWER_DOWN:
        Status =
            ReaderCommand(SmartcardExtension->ReaderExtension, COMMAND_POWER_OFF, NULL, 0, (PUCHAR)Nothing, &Length);
        ReaderUpdateState(SmartcardExtension);
        break;
    default:
        Status = STATUS_INVALID_DEVICE_REQUEST;
        break;
    }
    SmartcardDebug(DEBUG_TRACE, ("names: <%08lX\n", Status));
    return Status;
}

/* ---- protocol ---------------------------------------------------------------------------------------------------- */

NTSTATUS ReaderSetProtocol(PSMARTCARD_EXTENSION SmartcardExtension)
{
    USHORT Mask = (USHORT)SmartcardExtension->MinorIoControlCode;
    ULONG Supported = SmartcardExtension->CardCapabilities.Protocol.Supported, Selected = SCARD_PROTOCOL_UNDEFINED;
    KIRQL OldIrql;

    *SmartcardExtension->IoRequest.Information = 0;
    if ((Mask & Supported & SCARD_PROTOCOL_T1) != 0) {
        Selected = SCARD_PROTOCOL_T1;
    } else if ((Mask & Supported & SCARD_PROTOCOL_T0) != 0) {
        Selected = SCARD_PROTOCOL_T0;
    }
    SmartcardExtension->CardCapabilities.Protocol.Selected = Selected;
    if (Selected == SCARD_PROTOCOL_UNDEFINED) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    KeAcquireSpinLock(&SmartcardExtension->OsData->SpinLock, &OldIrql);
    SmartcardExtension->ReaderCapabilities.CurrentState = SCARD_SPECIFIC;
    KeReleaseSpinLock(&SmartcardExtension->OsData->SpinLock, OldIrql);
    *(PULONG)(PVOID)SmartcardExtension->IoRequest.ReplyBuffer = Selected;
    *SmartcardExtension->IoRequest.Information = sizeof(ULONG);
    return STATUS_SUCCESS;
}

/* ---- transmission ------------------------------------------------------------------------------------------------ */

/* One round: what the library has put into the request's buffer goes out, what comes goes into the reply's. */
static NTSTATUS Exchange(PSMARTCARD_EXTENSION SmartcardExtension, UCHAR Command)
{
    ULONG Length = SmartcardExtension->SmartcardReply.BufferSize;
    NTSTATUS Status = ReaderCommand(
        SmartcardExtension->ReaderExtension, Command, SmartcardExtension->SmartcardRequest.Buffer,
        (USHORT)SmartcardExtension->SmartcardRequest.BufferLength, SmartcardExtension->SmartcardReply.Buffer, &Length);

    SmartcardExtension->SmartcardReply.BufferLength = NT_SUCCESS(Status) ? Length : 0;
    return Status;
}

static NTSTATUS TransmitT0(PSMARTCARD_EXTENSION SmartcardExtension)
{
    NTSTATUS Status;

    SmartcardExtension->SmartcardRequest.BufferLength = 0;
    Status = SmartcardT0Request(SmartcardExtension);
    if (NT_SUCCESS(Status)) {
        Status = Exchange(SmartcardExtension, COMMAND_T0);
    }
    return NT_SUCCESS(Status) ? SmartcardT0Reply(SmartcardExtension) : Status;
}

static NTSTATUS TransmitT1(PSMARTCARD_EXTENSION SmartcardExtension)
{
    NTSTATUS Status;

    do {
        SmartcardExtension->SmartcardRequest.BufferLength = 0;
        SmartcardExtension->T1.NAD = 0;
        Status = SmartcardT1Request(SmartcardExtension);
        if (!NT_SUCCESS(Status)) {
            break;
        }
        SmartcardDebug(DEBUG_DRIVER, ("names: the card has %lu us\n",
                                      SmartcardExtension->CardCapabilities.T1.BWT *
                                          (SmartcardExtension->T1.Wtx ? SmartcardExtension->T1.Wtx : 1)));
        if (SmartcardExtension->OsData->CurrentIrp->Cancel) {
            Status = STATUS_CANCELLED;
            break;
        }
        Status = Exchange(SmartcardExtension, COMMAND_T1);
        if (Status == STATUS_DEVICE_REMOVED || Status == STATUS_NO_MEDIA) {
            break;
        }
        Status = SmartcardT1Reply(SmartcardExtension); /* after a failure too: it asks again */
    } while (Status == STATUS_MORE_PROCESSING_REQUIRED);
    return Status;
}

NTSTATUS ReaderTransmit(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PSCARD_IO_REQUEST Pci = (PSCARD_IO_REQUEST)(PVOID)SmartcardExtension->IoRequest.RequestBuffer;
    ULONG Protocol;

    if (SmartcardExtension->IoRequest.RequestBufferLength < sizeof(SCARD_IO_REQUEST)) {
        return STATUS_INVALID_PARAMETER;
    }
    Protocol = Pci->dwProtocol;
    if (Protocol == SCARD_PROTOCOL_RAW) {
        Protocol = SmartcardExtension->CardCapabilities.Protocol.Selected;
    }
    switch (Protocol) {
    case SCARD_PROTOCOL_T0:
        return TransmitT0(SmartcardExtension);
    case SCARD_PROTOCOL_T1:
        return TransmitT1(SmartcardExtension);
    default:
        return STATUS_INVALID_DEVICE_REQUEST;
    }
}

/* ---- tracking ---------------------------------------------------------------------------------------------------- */

static DRIVER_CANCEL CancelTracking;

static VOID End(PSMARTCARD_EXTENSION SmartcardExtension, PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = 0;
    smartcrd_store_last_error(SmartcardExtension, Irp, Status);
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

static VOID CancelTracking(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION Extension = Irp->Tail.Overlay.DriverContext[0];
    PSMARTCARD_EXTENSION SmartcardExtension = &Extension->SmartcardExtension;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(DeviceObject);
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    KeAcquireSpinLock(&SmartcardExtension->OsData->SpinLock, &Irql);
    SmartcardExtension->OsData->NotificationIrp = NULL;
    KeReleaseSpinLock(&SmartcardExtension->OsData->SpinLock, Irql);
    End(SmartcardExtension, Irp, STATUS_CANCELLED);
}

/* Take the tracking request out and end it, unless it is being cancelled. File: only if it came from there. */
VOID ReaderEndTracking(PSMARTCARD_EXTENSION SmartcardExtension, PFILE_OBJECT File, NTSTATUS Status)
{
    KIRQL Irql;
    PIRP Irp;

    AccessUnsafeData(&Irql);
    Irp = SmartcardExtension->OsData->NotificationIrp;
    if (Irp != NULL && (File == NULL || IoGetCurrentIrpStackLocation(Irp)->FileObject == File) &&
        IoSetCancelRoutine(Irp, NULL) != NULL) {
        Irp = InterlockedExchangePointer((PVOID *)&SmartcardExtension->OsData->NotificationIrp, NULL);
    } else {
        Irp = NULL;
    }
    EndAccessUnsafeData(Irql);
    if (Irp != NULL) {
        End(SmartcardExtension, Irp, Status);
    }
}

/* The library has stored the request in NotificationIrp. When it is pended it leaves through our own stack location
 * (device.c), so the one that was set up for the library is skipped. */
NTSTATUS ReaderTracking(PSMARTCARD_EXTENSION SmartcardExtension)
{
    NTSTATUS Status = STATUS_PENDING;
    KIRQL Irql;
    PIRP Irp;

    AccessUnsafeData(&Irql);
    Irp = SmartcardExtension->OsData->NotificationIrp;
    IoSkipCurrentIrpStackLocation(Irp); /* before it can be cancelled: that looks at the current location */
    (VOID) IoSetCancelRoutine(Irp, CancelTracking);
    if (Irp->Cancel && IoSetCancelRoutine(Irp, NULL) != NULL) {
        SmartcardExtension->OsData->NotificationIrp = NULL; /* cancelled before we were ready: the library ends it */
        IoSetNextIrpStackLocation(Irp);
        Status = STATUS_CANCELLED;
    } else {
        IoMarkIrpPending(Irp); /* the cancel routine waits for the spin lock */
    }
    EndAccessUnsafeData(Irql);
    return Status;
}

/* A card came, went, or lost its power. */
VOID ReaderUpdateState(PSMARTCARD_EXTENSION SmartcardExtension)
{
    BOOLEAN Present = ReaderHasCard(SmartcardExtension->ReaderExtension), Changed;
    KIRQL Irql;

    AccessUnsafeData(&Irql);
    Changed = (BOOLEAN)((SmartcardExtension->ReaderCapabilities.CurrentState > SCARD_ABSENT) != Present);
    if (!Present) {
        SmartcardExtension->ReaderCapabilities.CurrentState = SCARD_ABSENT;
    } else if (Changed || SmartcardExtension->ReaderCapabilities.CurrentState > SCARD_SWALLOWED) {
        SmartcardExtension->ReaderCapabilities.CurrentState = SCARD_PRESENT;
    }
    EndAccessUnsafeData(Irql);
    if (Changed) {
        ReaderEndTracking(SmartcardExtension, NULL, STATUS_SUCCESS);
    }
}

/* ---- vendor ------------------------------------------------------------------------------------------------------ */

NTSTATUS ReaderVendor(PSMARTCARD_EXTENSION SmartcardExtension)
{
    UCHAR Answer[4];
    ULONG Length = sizeof(Answer);
    NTSTATUS Status;

    if (SmartcardExtension->MajorIoControlCode != IOCTL_READER_TURN_CARD) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    Status = ReaderCommand(SmartcardExtension->ReaderExtension, COMMAND_TURN, NULL, 0, Answer, &Length);
    ReaderUpdateState(SmartcardExtension);
    return Status;
}
