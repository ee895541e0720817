/* SPDX-License-Identifier: MIT */
/*
 * The life of an operation: started by a callback of the library, gone on with by whoever has news for it, ended once.
 *
 * Who completes the request: a callback that ends inline leaves that to the library. A pended one belongs to whoever
 * takes its cancel routine away (IoSetCancelRoutine gives non-NULL to one caller only): the end of the operation, or
 * the cancel routine, which then waits for the reader's lock.
 */
#include "vreader.h"

KIRQL vreader_enter(READER_EXTENSION *Reader)
{
    KIRQL irql;

    KeAcquireSpinLock(&Reader->Lock, &irql);
    return irql;
}

VOID vreader_leave(READER_EXTENSION *Reader, KIRQL Irql)
{
    struct vreader_end ends[2] = {Reader->Ends[0], Reader->Ends[1]};
    ULONG i;

    Reader->Ends[0].Irp = NULL;
    Reader->Ends[1].Irp = NULL;
    KeReleaseSpinLock(&Reader->Lock, Irql);
    /* From here on the reader may be gone. */
    for (i = 0; i < 2; i++) {
        if (ends[i].Irp != NULL) {
            IoCompleteRequest(ends[i].Irp, IO_NO_INCREMENT);
        }
    }
}

VOID vreader_queue_end(READER_EXTENSION *Reader, PIRP Irp, NTSTATUS Status)
{
    struct vreader_end *end = &Reader->Ends[Reader->Ends[0].Irp != NULL];

    end->Irp = Irp;
    end->Status = Status;
    Irp->IoStatus.Status = Status;
    if (NT_ERROR(Status)) {
        Irp->IoStatus.Information = 0;
    }
    smartcrd_store_last_error(Reader->Smartcard, Irp, Status);
}

/* ---- state ------------------------------------------------------------------------------------------------------- */

ULONG vreader_state(READER_EXTENSION *Reader)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    ULONG state;

    KeAcquireSpinLockAtDpcLevel(&smartcard->OsData->SpinLock);
    state = smartcard->ReaderCapabilities.CurrentState;
    KeReleaseSpinLockFromDpcLevel(&smartcard->OsData->SpinLock);
    return state;
}

VOID vreader_set_state(READER_EXTENSION *Reader, ULONG State)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;

    KeAcquireSpinLockAtDpcLevel(&smartcard->OsData->SpinLock);
    smartcard->ReaderCapabilities.CurrentState = State;
    KeReleaseSpinLockFromDpcLevel(&smartcard->OsData->SpinLock);
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

VOID vreader_timer_set(READER_EXTENSION *Reader, struct vreader_timer *Timer, ULONG Us)
{
    LARGE_INTEGER due;

    vreader_timer_stop(Timer);
    due.QuadPart = -10 * (LONGLONG)(Us > 0 ? Us : 1);
    Timer->Us = Us;
    Timer->Armed = TRUE;
    Reader->TimersUsed = TRUE;
    KeSetTimer(&Timer->Timer, due, &Timer->Dpc);
}

VOID vreader_timer_stop(struct vreader_timer *Timer)
{
    if (Timer->Armed) {
        Timer->Armed = FALSE;
        if (!KeCancelTimer(&Timer->Timer)) {
            Timer->Stale = TRUE; /* it has fired; its DPC waits for our lock */
        }
    }
}

/*
 * A DPC came: is it the setting's own? One that belongs to an earlier setting sets the timer anew, because on Windows a
 * queued DPC stands for both: at worst a wait gets longer, it is never lost.
 */
static BOOLEAN timer_fired(READER_EXTENSION *Reader, struct vreader_timer *Timer)
{
    if (Timer->Stale) {
        Timer->Stale = FALSE;
        if (Timer->Armed) {
            vreader_timer_set(Reader, Timer, Timer->Us);
        }
        return FALSE;
    }
    if (!Timer->Armed) {
        return FALSE;
    }
    Timer->Armed = FALSE;
    return TRUE;
}

static VOID wait_dpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    READER_EXTENSION *reader = Context;
    KIRQL irql = vreader_enter(reader);

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    if (timer_fired(reader, &reader->Wait)) {
        vreader_continue(reader, EVENT_SILENCE);
    }
    vreader_leave(reader, irql);
}

static VOID pace_dpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    READER_EXTENSION *reader = Context;
    KIRQL irql = vreader_enter(reader);

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    if (timer_fired(reader, &reader->Pace) && vreader_present(reader)) {
        wire_pace(reader);
        vreader_look(reader);
    }
    vreader_leave(reader, irql);
}

static VOID line_dpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    READER_EXTENSION *reader = Context;
    KIRQL irql = vreader_enter(reader);

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    if (timer_fired(reader, &reader->Line) && vreader_present(reader)) {
        wire_arrive(reader);
        vreader_look(reader);
    }
    vreader_leave(reader, irql);
}

VOID vreader_timer_init(READER_EXTENSION *Reader)
{
    KeInitializeTimer(&Reader->Wait.Timer);
    KeInitializeDpc(&Reader->Wait.Dpc, wait_dpc, Reader);
    KeInitializeTimer(&Reader->Pace.Timer);
    KeInitializeDpc(&Reader->Pace.Dpc, pace_dpc, Reader);
    KeInitializeTimer(&Reader->Line.Timer);
    KeInitializeDpc(&Reader->Line.Dpc, line_dpc, Reader);
}

NTSTATUS vreader_wait(READER_EXTENSION *Reader, ULONGLONG Us, const char *Where, const char *What, ULONG Which)
{
    Reader->Op.Where = Where;
    Reader->Op.What = What;
    Reader->Op.Which = Which;
    Reader->Op.WaitUs = Us < VREADER_NEVER ? (ULONG)Us : VREADER_NEVER;
    return STATUS_PENDING;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* Step until it ends or must wait. The card going away ends it whatever the step thinks. */
static NTSTATUS run(READER_EXTENSION *Reader, enum vreader_event Event)
{
    struct vreader_op *op = &Reader->Op;
    NTSTATUS status;

    if (Event == EVENT_SILENCE && wire_cut_off(Reader)) {
        Event = EVENT_DATA;
    }
    status = op->Lost ? STATUS_NO_MEDIA : op->Step(Reader, Event);
    while (status == STATUS_PENDING && !op->Lost && wire_waiting(Reader)) {
        if (++op->Steps > VREADER_MAX_STEPS) {
            host_step(op->Irp, HOST_LAYER_DRIVER, "the exchange comes to no end");
            return STATUS_DEVICE_PROTOCOL_ERROR;
        }
        status = op->Step(Reader, EVENT_DATA);
    }
    if (op->Lost) {
        host_step(op->Irp, HOST_LAYER_CARD, "the card was removed");
        return STATUS_NO_MEDIA;
    }
    if (status == STATUS_PENDING) {
        vreader_timer_set(Reader, &Reader->Wait, wire_patience(Reader, op->WaitUs));
    }
    return status;
}

/* It is over: what is left of it on the card's side goes, and the timers. */
static VOID settle(READER_EXTENSION *Reader, NTSTATUS Status)
{
    vreader_timer_stop(&Reader->Wait);
    if (!NT_SUCCESS(Status) && vreader_present(Reader)) {
        wire_abandon(Reader);
    }
    if (Reader->Slot != NULL) {
        Reader->Slot->Endless = FALSE;
        Reader->Slot->LateUs = 0;
    }
    if (NT_SUCCESS(Status)) {
        fault_exchange_over(Reader);
    }
}

/* The wait is cut short: what for it was. A success needs no such words, so they are not said before. */
static VOID say_where(const struct vreader_op *Op)
{
    if (Op->Where == NULL) {
        return;
    }
    if (Op->Which != 0) {
        host_step(Op->Irp, HOST_LAYER_CARD, "%s: waiting for %s %u", Op->Where, Op->What, Op->Which);
    } else {
        host_step(Op->Irp, HOST_LAYER_CARD, "%s: waiting for %s", Op->Where, Op->What);
    }
}

static VOID cancel_op(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct vreader_fdo *fdo = DeviceObject->DeviceExtension;
    READER_EXTENSION *reader = &fdo->Reader;
    KIRQL irql;

    IoReleaseCancelSpinLock(Irp->CancelIrql);
    irql = vreader_enter(reader);
    /* Nobody else ends it: whoever wanted to found the cancel routine gone and left it here. */
    if (reader->Op.Step != NULL) {
        say_where(&reader->Op);
        settle(reader, STATUS_CANCELLED);
    }
    reader->Op.Pended = FALSE;
    reader->Op.Step = NULL;
    vreader_queue_end(reader, Irp, STATUS_CANCELLED);
    reader->Op.Irp = NULL;
    KeAcquireSpinLockAtDpcLevel(&fdo->Smartcard.OsData->SpinLock);
    fdo->Smartcard.OsData->CurrentIrp = NULL;
    KeReleaseSpinLockFromDpcLevel(&fdo->Smartcard.OsData->SpinLock);
    vreader_leave(reader, irql);
}

VOID vreader_end_op(READER_EXTENSION *Reader, NTSTATUS Status)
{
    struct vreader_op *op = &Reader->Op;
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;

    if (op->Irp == NULL || op->Step == NULL) {
        return;
    }
    if (Status == STATUS_CANCELLED || Status == STATUS_DEVICE_REMOVED) {
        say_where(op);
    }
    settle(Reader, Status);
    op->Step = NULL;
    if (IoSetCancelRoutine(op->Irp, NULL) == NULL) {
        return; /* the cancel routine is on its way and ends it */
    }
    vreader_queue_end(Reader, op->Irp, Status);
    op->Irp = NULL;
    op->Pended = FALSE;
    KeAcquireSpinLockAtDpcLevel(&smartcard->OsData->SpinLock);
    smartcard->OsData->CurrentIrp = NULL;
    KeReleaseSpinLockFromDpcLevel(&smartcard->OsData->SpinLock);
}

VOID vreader_continue(READER_EXTENSION *Reader, enum vreader_event Event)
{
    NTSTATUS status;

    if (Reader->Op.Irp == NULL || Reader->Op.Step == NULL || !Reader->Op.Pended) {
        return;
    }
    status = run(Reader, Event);
    if (status != STATUS_PENDING) {
        vreader_end_op(Reader, status);
    }
}

VOID vreader_look(READER_EXTENSION *Reader)
{
    if (wire_waiting(Reader) || Reader->Op.Lost) {
        vreader_continue(Reader, EVENT_DATA);
    }
}

/* Let the request wait. FALSE: it was cancelled before it could, and nobody else will end it. */
static BOOLEAN pend(READER_EXTENSION *Reader, PIRP Irp)
{
    Reader->Op.Pended = TRUE;
    IoMarkIrpPending(Irp);
    IoSetCancelRoutine(Irp, cancel_op);
    return !(Irp->Cancel && IoSetCancelRoutine(Irp, NULL) != NULL);
}

NTSTATUS vreader_start(READER_EXTENSION *Reader, vreader_step *Step)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    struct vreader_op *op = &Reader->Op;
    PIRP irp = smartcard->OsData->CurrentIrp;
    KIRQL irql = vreader_enter(Reader);
    NTSTATUS status = STATUS_DEVICE_REMOVED;

    if (Reader->Removed) {
        goto out;
    }
    status = STATUS_DEVICE_BUSY;
    if (op->Irp != NULL) {
        goto out; /* cannot be: the library serialises */
    }
    status = STATUS_NO_MEDIA;
    if (!vreader_present(Reader)) {
        host_step(irp, HOST_LAYER_CARD, "there is no card");
        goto out;
    }
    RtlZeroMemory(op, sizeof *op);
    op->Irp = irp;
    op->Step = Step;
    op->RemoveAt[TO_READER] = VREADER_NEVER;
    op->RemoveAt[TO_CARD] = VREADER_NEVER;
    op->RemoveAt[BOTH_WAYS] = VREADER_NEVER;
    status = run(Reader, EVENT_START);
    if (status != STATUS_PENDING) {
        settle(Reader, status);
        op->Irp = NULL;
        op->Step = NULL;
        goto out;
    }
    if (!pend(Reader, irp)) {
        say_where(op);
        settle(Reader, STATUS_CANCELLED);
        op->Step = NULL;
        op->Pended = FALSE;
        op->Irp = NULL;
        vreader_queue_end(Reader, irp, STATUS_CANCELLED);
        KeAcquireSpinLockAtDpcLevel(&smartcard->OsData->SpinLock);
        smartcard->OsData->CurrentIrp = NULL;
        KeReleaseSpinLockFromDpcLevel(&smartcard->OsData->SpinLock);
    }
out:
    vreader_leave(Reader, irql);
    return status;
}
