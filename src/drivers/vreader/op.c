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
    PIRP irp = Reader->FirstEnded;
    BOOLEAN call = Reader->CallWorker;

    Reader->FirstEnded = NULL;
    Reader->CallWorker = FALSE;
    KeReleaseSpinLock(&Reader->Lock, Irql);
    while (irp != NULL) {
        PIRP next = irp->Tail.Overlay.DriverContext[0];

        IoCompleteRequest(irp, IO_NO_INCREMENT);
        /* The request's share of the reader. If neither another one nor the worker has one, the reader may be gone. */
        SmartcardReleaseRemoveLock(Reader->Smartcard);
        irp = next;
    }
    if (call) {
        vreader_call_worker(Reader);
    }
}

VOID vreader_begin_wait(READER_EXTENSION *Reader, PIRP Irp, PDRIVER_CANCEL Cancel)
{
    (void)SmartcardAcquireRemoveLock(Reader->Smartcard);
    IoMarkIrpPending(Irp);
    IoSetCancelRoutine(Irp, Cancel);
}

VOID vreader_queue_end(READER_EXTENSION *Reader, PIRP Irp, NTSTATUS Status)
{
    if (Reader->FirstEnded == NULL) {
        Reader->FirstEnded = Irp;
    } else {
        Reader->LastEnded->Tail.Overlay.DriverContext[0] = Irp;
    }
    Reader->LastEnded = Irp;
    Irp->Tail.Overlay.DriverContext[0] = NULL;
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

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static VOID wait_is_over(READER_EXTENSION *Reader)
{
    vreader_continue(Reader, EVENT_SILENCE);
}

static VOID card_goes_on(READER_EXTENSION *Reader)
{
    if (vreader_present(Reader)) {
        wire_pace(Reader);
        vreader_look(Reader);
    }
}

static VOID characters_come(READER_EXTENSION *Reader)
{
    if (vreader_present(Reader)) {
        wire_arrive(Reader);
        vreader_look(Reader);
    }
}

VOID vreader_op_init(READER_EXTENSION *Reader)
{
    KeInitializeSpinLock(&Reader->Lock);
    InitializeListHead(&Reader->Queue);
    Reader->Wait.Fired = wait_is_over;
    Reader->Pace.Fired = card_goes_on;
    Reader->Line.Fired = characters_come;
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
    if (Reader->Op.Secret) {
        wire_forget(Reader);
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

/* The pended request is whoever's who calls this. The next operation can begin. */
static VOID end_pended(READER_EXTENSION *Reader, PIRP Irp, NTSTATUS Status)
{
    POS_DEP_DATA os = Reader->Smartcard->OsData;

    Reader->Op.Step = NULL;
    Reader->Op.Pended = FALSE;
    vreader_queue_end(Reader, Irp, Status);
    Reader->Op.Irp = NULL;
    KeAcquireSpinLockAtDpcLevel(&os->SpinLock);
    os->CurrentIrp = NULL;
    KeReleaseSpinLockFromDpcLevel(&os->SpinLock);
    vreader_pass_turn(Reader);
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
    end_pended(reader, Irp, STATUS_CANCELLED);
    vreader_leave(reader, irql);
}

VOID vreader_end_op(READER_EXTENSION *Reader, NTSTATUS Status)
{
    struct vreader_op *op = &Reader->Op;

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
    end_pended(Reader, op->Irp, Status);
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

/* Let the request wait. FALSE: it was cancelled, or its file closed, before it could, and nobody else will end it. */
static BOOLEAN pend(READER_EXTENSION *Reader, PIRP Irp)
{
    Reader->Op.Pended = TRUE;
    vreader_begin_wait(Reader, Irp, cancel_op);
    return !((Irp->Cancel || vreader_file_closed(Irp)) && IoSetCancelRoutine(Irp, NULL) != NULL);
}

NTSTATUS vreader_start(READER_EXTENSION *Reader, vreader_step *Step)
{
    struct vreader_op *op = &Reader->Op;
    PIRP irp = Reader->Smartcard->OsData->CurrentIrp;
    KIRQL irql = vreader_enter(Reader);
    NTSTATUS status = STATUS_DEVICE_REMOVED;

    if (Reader->Removed) {
        goto out;
    }
    status = STATUS_DEVICE_BUSY;
    if (op->Irp != NULL) {
        goto out; /* cannot be: it has its turn */
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
        end_pended(Reader, irp, STATUS_CANCELLED);
    }
out:
    vreader_leave(Reader, irql);
    return status;
}
