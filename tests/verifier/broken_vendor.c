/* SPDX-License-Identifier: MIT */
/* The vendor code of the driver with mistakes: a hand at the slot, and the mistakes that could stand anywhere. */
#include "broken.h"

static NTSTATUS OwnHasEnded(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Context);
    IoFreeIrp(Irp);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* A request of the driver's own to its own reader, while one of its callbacks runs: the library lets it through, because
 * this thread has its mutex and CurrentIrp was cleared. */
static VOID AskInside(PSMARTCARD_EXTENSION Smartcard)
{
    PIRP Irp = IoAllocateIrp(2, FALSE);
    KIRQL Irql;

    if (Irp == NULL) {
        return;
    }
    IoSetNextIrpStackLocation(Irp);
    IoSetCompletionRoutine(Irp, OwnHasEnded, NULL, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(Irp);
    IoGetCurrentIrpStackLocation(Irp)->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    IoGetCurrentIrpStackLocation(Irp)->DeviceObject = Smartcard->OsData->DeviceObject;
    IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode = IOCTL_SMARTCARD_SWALLOW;
    KeAcquireSpinLock(&Smartcard->OsData->SpinLock, &Irql);
    Smartcard->OsData->CurrentIrp = NULL;
    KeReleaseSpinLock(&Smartcard->OsData->SpinLock, Irql);
    (VOID) SmartcardDeviceControl(Smartcard, Irp);
}

NTSTATUS Swallow(PSMARTCARD_EXTENSION Smartcard)
{
    UNREFERENCED_PARAMETER(Smartcard);
    return STATUS_SUCCESS;
}

/* Work that takes a moment. */
static VOID WaitForGone(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    PREADER_EXTENSION Reader = Context;
    LARGE_INTEGER Time = {.QuadPart = -10000LL * 50};

    UNREFERENCED_PARAMETER(DeviceObject);
    (VOID) KeWaitForSingleObject(&Reader->Gone, Executive, KernelMode, FALSE, &Time);
}

FORCEINLINE VOID BreakCalls(PSMARTCARD_EXTENSION Smartcard)
{
    PREADER_EXTENSION Reader = Smartcard->ReaderExtension;
    UNICODE_STRING Nowhere = RTL_CONSTANT_STRING(L"\\DosDevices\\Nowhere");
    KIRQL Irql, Second;

    switch (Broken) {
    case BREAK_keeps_lock_in_callback:
        KeAcquireSpinLock(&Reader->Lock, &Irql);
        break;
    case BREAK_keeps_fast_mutex:
        ExAcquireFastMutex(&Reader->FastMutex);
        break;
    case BREAK_keeps_irql:
        KeRaiseIrql(DISPATCH_LEVEL, &Irql);
        break;
    case BREAK_locks_twice:
        KeAcquireSpinLock(&Reader->Lock, &Irql);
        KeAcquireSpinLock(&Reader->Lock, &Second);
        KeReleaseSpinLock(&Reader->Lock, Irql);
        break;
    case BREAK_unlocks_unlocked:
        KeRaiseIrql(DISPATCH_LEVEL, &Irql);
        KeReleaseSpinLock(&Reader->Lock, Irql);
        break;
    case BREAK_links_at_dispatch:
        KeRaiseIrql(DISPATCH_LEVEL, &Irql);
        (VOID) IoDeleteSymbolicLink(&Nowhere);
        KeLowerIrql(Irql);
        break;
    case BREAK_locks_for_dpc_at_passive:
        KeAcquireSpinLockAtDpcLevel(&Reader->Lock);
        KeReleaseSpinLockFromDpcLevel(&Reader->Lock);
        break;
    case BREAK_asserts:
        host_fail(__func__, "assertion failed: the moon is made of cheese");
    case BREAK_raises_downwards:
        KeRaiseIrql(DISPATCH_LEVEL, &Irql);
        KeRaiseIrql(PASSIVE_LEVEL, &Second);
        KeLowerIrql(Irql);
        break;
    case BREAK_releases_mutex:
        (VOID) KeReleaseMutex(&Reader->Mutex, FALSE);
        break;
    case BREAK_releases_fast_mutex:
        KeRaiseIrql(APC_LEVEL, &Irql);
        ExReleaseFastMutex(&Reader->FastMutex);
        KeLowerIrql(Irql);
        break;
    case BREAK_overfills_semaphore:
        (VOID) KeReleaseSemaphore(&Reader->Semaphore, IO_NO_INCREMENT, 1, FALSE);
        break;
    case BREAK_releases_kernels_too_often:
        if (NT_SUCCESS(IoAcquireRemoveLock(&Reader->RemoveLock, Reader))) {
            IoReleaseRemoveLock(&Reader->RemoveLock, Reader);
            IoReleaseRemoveLock(&Reader->RemoveLock, Reader);
            IoReleaseRemoveLock(&Reader->RemoveLock, Reader);
        }
        break;
    case BREAK_keeps_kernels_remove_lock:
        (VOID) IoAcquireRemoveLock(&Reader->RemoveLock, Reader);
        break;
    case BREAK_frees_others_request:
        IoFreeIrp(Smartcard->OsData->CurrentIrp);
        break;
    case BREAK_queues_work_twice:
        IoQueueWorkItem(Reader->Work, WaitForGone, DelayedWorkQueue, Reader);
        IoQueueWorkItem(Reader->Work, WaitForGone, DelayedWorkQueue, Reader);
        break;
    case BREAK_frees_null:
        ExFreePoolWithTag(NULL, TAG);
        break;
    case BREAK_lowers_upwards:
        KeLowerIrql(DISPATCH_LEVEL);
        break;
    default:
        break;
    }
}

FORCEINLINE VOID BreakMemory(VOID)
{
    volatile UCHAR *Block = ExAllocatePoolWithTag(NonPagedPoolNx, 24, TAG);

    if (Block == NULL) {
        return;
    }
    Block[0] = 0;
    if (Breaks(BREAK_writes_behind_pool)) {
        Block[24] = 0;
    }
    if (Breaks(BREAK_keeps_pool)) {
        return;
    }
    ExFreePoolWithTag((PVOID)Block, TAG);
    if (Breaks(BREAK_frees_twice)) {
        ExFreePoolWithTag((PVOID)Block, TAG);
    }
    if (Breaks(BREAK_writes_freed_pool)) {
        Block[8] = 0;
    }
}

/* More tags than the verifier tells apart. */
static VOID AcquireAndRelease(PSMARTCARD_EXTENSION Smartcard)
{
    ULONG Tag;

    for (Tag = 1; Tag <= 40; Tag++) {
        (VOID) SmartcardAcquireRemoveLockWithTag(Smartcard, Tag);
    }
    for (Tag = 1; Tag <= 40; Tag++) {
        SmartcardReleaseRemoveLockWithTag(Smartcard, Tag);
    }
}

NTSTATUS Vendor(PSMARTCARD_EXTENSION Smartcard)
{
    if (Smartcard->MajorIoControlCode != BROKEN_TURN) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    BreakCalls(Smartcard);
    if (Broken >= BREAK_writes_behind_pool && Broken <= BREAK_keeps_pool) {
        BreakMemory();
    }
    if (Breaks(BREAK_releases_too_often)) {
        SmartcardReleaseRemoveLockWithTag(Smartcard, TAG);
    }
    if (Breaks(BREAK_acquires_with_many_tags)) {
        AcquireAndRelease(Smartcard);
    }
    if (Breaks(BREAK_keeps_remove_lock) || Breaks(BREAK_never_waits_for_remove_lock)) {
        (VOID) SmartcardAcquireRemoveLockWithTag(Smartcard, TAG);
    }
    if (Breaks(BREAK_releases_other_tag) && NT_SUCCESS(SmartcardAcquireRemoveLockWithTag(Smartcard, TAG))) {
        SmartcardReleaseRemoveLockWithTag(Smartcard, TAG + 1);
    }
    if (Breaks(BREAK_enters_callback_twice)) {
        AskInside(Smartcard);
        return STATUS_SUCCESS;
    }
    SetState(Smartcard,
             Smartcard->ReaderCapabilities.CurrentState > SCARD_ABSENT ? (ULONG)SCARD_ABSENT : (ULONG)SCARD_PRESENT);
    EndTracking(Smartcard, NULL, STATUS_SUCCESS);
    return STATUS_SUCCESS;
}
