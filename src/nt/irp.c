/* SPDX-License-Identifier: MIT */
/*
 * Requests: their way down the stack, up again through the completion routines, and cancelling them.
 */
#include "internal.h"
#include "verify/verify.h"

#include <stdlib.h>
#include <string.h>

/* The one thing that hosts share. It guards every request's move from "has a cancel routine" to "is being cancelled". */
static KSPIN_LOCK cancel_lock;

PIRP IoAllocateIrp(CCHAR StackSize, BOOLEAN ChargeQuota)
{
    PIRP irp = malloc(IoSizeOfIrp(StackSize));

    VERIFY_CALLED();
    if (irp != NULL) {
        IoInitializeIrp(irp, IoSizeOfIrp(StackSize), StackSize);
    }
    return irp;
}

VOID IoInitializeIrp(PIRP Irp, USHORT PacketSize, CCHAR StackSize)
{
    if (StackSize < 1 || PacketSize < IoSizeOfIrp(StackSize)) {
        host_fail(__func__, "%d bytes for %d stack locations", PacketSize, StackSize);
    }
    memset(Irp, 0, IoSizeOfIrp(StackSize));
    Irp->Type = IO_TYPE_IRP;
    Irp->Size = PacketSize;
    Irp->StackCount = StackSize;
    Irp->CurrentLocation = (CHAR)(StackSize + 1);
    Irp->Tail.Overlay.CurrentStackLocation = (PIO_STACK_LOCATION)(void *)(Irp + 1) + StackSize;
}

VOID IoReuseIrp(PIRP Irp, NTSTATUS Status)
{
    IoInitializeIrp(Irp, Irp->Size, Irp->StackCount);
    Irp->IoStatus.Status = Status;
}

VOID IoFreeIrp(PIRP Irp)
{
    VERIFY_CALLED();
    if (Irp->Type != IO_TYPE_IRP) {
        VERIFY_BROKEN(VERIFY_CALL, "%p is no request, or not the driver's, or was freed before", (void *)Irp);
        return;
    }
    Irp->Type = 0;
    free(Irp);
}

NTSTATUS IoCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION location;

    if (--Irp->CurrentLocation <= 0) {
        host_fail(__func__, "the request at %p has no stack location left (%d in all)", (void *)Irp, Irp->StackCount);
    }
    location = --Irp->Tail.Overlay.CurrentStackLocation;
    location->DeviceObject = DeviceObject;
    if (location->MajorFunction > IRP_MJ_MAXIMUM_FUNCTION) {
        host_fail(__func__, "major function 0x%02X", location->MajorFunction);
    }
    return DeviceObject->DriverObject->MajorFunction[location->MajorFunction](DeviceObject, Irp);
}

static inline bool wants(UCHAR control, PIRP irp)
{
    return control >= (SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR) || /* the two upper bits: always */
           ((control & SL_INVOKE_ON_SUCCESS) != 0 && NT_SUCCESS(irp->IoStatus.Status)) ||
           ((control & SL_INVOKE_ON_ERROR) != 0 && !NT_SUCCESS(irp->IoStatus.Status)) ||
           ((control & SL_INVOKE_ON_CANCEL) != 0 && irp->Cancel);
}

/* A request that is none any more, or a watched one. false: it must not go up. */
static bool __attribute__((noinline)) complete_oddly(PIRP irp)
{
    if (irp->Type != IO_TYPE_WATCHED_IRP) {
        host_fail("IoCompleteRequest", "the request at %p was completed before", (void *)irp);
    }
    return verify_completing(irp);
}

static inline bool check_completion(PIRP irp)
{
    if (irp->Type != IO_TYPE_IRP || irp->CurrentLocation > irp->StackCount) {
        return complete_oddly(irp);
    }
    if (__atomic_load_n(&irp->CancelRoutine, __ATOMIC_RELAXED) != NULL) {
        host_fail("IoCompleteRequest", "the request at %p still has a cancel routine", (void *)irp);
    }
    if (irp->IoStatus.Status == STATUS_PENDING) {
        host_fail("IoCompleteRequest", "the request at %p is completed with STATUS_PENDING", (void *)irp);
    }
    return true;
}

/* Up by one location. true: the request is the routine's owner's again, or gone. */
static inline __attribute__((always_inline)) bool climb(PIRP irp)
{
    PIO_STACK_LOCATION location = irp->Tail.Overlay.CurrentStackLocation++;
    PIO_COMPLETION_ROUTINE routine = location->CompletionRoutine;
    UCHAR control = location->Control;
    bool top = irp->CurrentLocation++ == irp->StackCount;

    irp->PendingReturned = control & SL_PENDING_RETURNED;
    location->Control = 0;
    location->CompletionRoutine = NULL;
    if (routine != NULL && wants(control, irp)) {
        return routine(top ? NULL : location[1].DeviceObject, irp, location->Context) ==
               STATUS_MORE_PROCESSING_REQUIRED;
    }
    if (irp->PendingReturned && !top) {
        location[1].Control |= SL_PENDING_RETURNED;
    }
    return false;
}

static void __attribute__((noinline)) climb_on(PIRP irp)
{
    while (irp->CurrentLocation <= irp->StackCount) {
        if (climb(irp)) {
            return;
        }
    }
    host_fail("IoCompleteRequest",
              "nobody took the request at %p back: it was completed twice, or sent without a completion routine",
              (void *)irp);
}

/* Where the verifier watches, it reports that itself. */
static void __attribute__((noinline)) complete_too_high(void)
{
    if (host_cpu.Frame == NULL) {
        host_fail("IoCompleteRequest", "called at IRQL %d", host_cpu.Irql);
    }
}

VOID IoCompleteRequest(PIRP Irp, CCHAR PriorityBoost)
{
    if (host_cpu.Irql > DISPATCH_LEVEL) {
        complete_too_high();
    }
    if (check_completion(Irp) && !climb(Irp)) { /* mostly the only location that is in use */
        climb_on(Irp);
    }
}

const void *cancel_lock_address(void)
{
    return &cancel_lock;
}

bool cancel_lock_is_mine(void)
{
    return __atomic_load_n(&cancel_lock, __ATOMIC_RELAXED) == (KSPIN_LOCK)&host_cpu;
}

VOID IoAcquireCancelSpinLock(PKIRQL Irql)
{
    VERIFY_CALLED();
    KeAcquireSpinLock(&cancel_lock, Irql);
}

VOID IoReleaseCancelSpinLock(KIRQL Irql)
{
    VERIFY_CALLED();
    KeReleaseSpinLock(&cancel_lock, Irql);
}

BOOLEAN IoCancelIrp(PIRP Irp)
{
    PDRIVER_CANCEL routine;
    KIRQL irql;

    VERIFY_CALLED();
    IoAcquireCancelSpinLock(&irql);
    /* Cancel before the exchange, both sequentially consistent: a driver that sets its routine and then looks at Cancel
     * either sees it or has its routine called. */
    Irp->Cancel = TRUE;
    routine = IoSetCancelRoutine(Irp, NULL);
    if (routine == NULL) {
        IoReleaseCancelSpinLock(irql);
        return FALSE;
    }
    Irp->CancelIrql = irql;
    if (Irp->Type == IO_TYPE_WATCHED_IRP) {
        verify_lock_given(&cancel_lock); /* from here on the routine's to give back */
        verify_cancel_routine(Irp, routine, irql);
        return TRUE;
    }
    routine(IoGetCurrentIrpStackLocation(Irp)->DeviceObject, Irp);
    if (host_cpu.Irql != irql) {
        host_fail(__func__, "a cancel routine returned at IRQL %d instead of %d: did it release the cancel spin lock?",
                  host_cpu.Irql, irql);
    }
    return TRUE;
}
