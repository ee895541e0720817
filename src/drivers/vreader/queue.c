/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is: the operations of a reader run one at a time, in the order in which they came, over all handles
 * (DESIGN section 5). On Windows requests come as their callers send them, so the driver has to hold back what comes while
 * an operation runs. The POSIX client does that before a request gets here, and nobody ever waits.
 *
 * A turn is taken by whoever finds it free, and given back when the operation has ended. When somebody waits then, the
 * first of the line gets it, on a worker's thread, because an operation can end at DISPATCH_LEVEL and begins at
 * PASSIVE_LEVEL. Who ends a request that waits is settled as for one that runs: whoever takes its cancel routine away.
 */
#include "vreader.h"

#define TURN_FREE   0
#define TURN_TAKEN  1
#define TURN_WANTED 2 /* somebody may wait: give it back under the lock */
#define TURN_NEVER  4 /* the reader has gone */

static VOID cancel_waiting(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    struct vreader_fdo *fdo = DeviceObject->DeviceExtension;
    KIRQL irql;

    IoReleaseCancelSpinLock(Irp->CancelIrql);
    irql = vreader_enter(&fdo->Reader);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry); /* of the line, or of itself: see take_first */
    vreader_queue_end(&fdo->Reader, Irp, STATUS_CANCELLED);
    vreader_leave(&fdo->Reader, irql);
}

/* Not free at first sight. */
static NTSTATUS stand_in_line(READER_EXTENSION *Reader, PIRP Irp)
{
    KIRQL irql = vreader_enter(Reader);
    NTSTATUS status = STATUS_DEVICE_REMOVED;

    if (Reader->Removed) {
        goto out;
    }
    status = STATUS_SUCCESS;
    do {
        if (InterlockedCompareExchange(&Reader->Turn, TURN_TAKEN, TURN_FREE) == TURN_FREE) {
            goto out;
        }
    } while (InterlockedCompareExchange(&Reader->Turn, TURN_TAKEN | TURN_WANTED, TURN_TAKEN) == TURN_FREE);
    status = STATUS_PENDING;
    InsertTailList(&Reader->Queue, &Irp->Tail.Overlay.ListEntry);
    vreader_begin_wait(Reader, Irp, cancel_waiting);
    if ((Irp->Cancel || vreader_file_closed(Irp)) && IoSetCancelRoutine(Irp, NULL) != NULL) {
        RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
        vreader_queue_end(Reader, Irp, STATUS_CANCELLED);
    }
out:
    vreader_leave(Reader, irql);
    return status;
}

NTSTATUS vreader_take_turn(READER_EXTENSION *Reader, PIRP Irp)
{
    if (InterlockedCompareExchange(&Reader->Turn, TURN_TAKEN, TURN_FREE) == TURN_FREE) {
        return STATUS_SUCCESS;
    }
    return stand_in_line(Reader, Irp);
}

/* The first in line that is not being cancelled; that one's cancel routine finds it linked with itself. Lock held. */
static PIRP take_first(READER_EXTENSION *Reader)
{
    while (!IsListEmpty(&Reader->Queue)) {
        PLIST_ENTRY entry = RemoveHeadList(&Reader->Queue);
        PIRP irp = CONTAINING_RECORD(entry, IRP, Tail.Overlay.ListEntry);

        if (IoSetCancelRoutine(irp, NULL) != NULL) {
            return irp;
        }
        InitializeListHead(entry);
    }
    return NULL;
}

static VOID free_turn(READER_EXTENSION *Reader)
{
    InterlockedExchange(&Reader->Turn, Reader->Removed ? TURN_NEVER : TURN_FREE);
}

static PIRP next(READER_EXTENSION *Reader)
{
    KIRQL irql = vreader_enter(Reader);
    PIRP irp = take_first(Reader);

    if (irp == NULL) {
        free_turn(Reader);
    }
    vreader_leave(Reader, irql);
    return irp;
}

/* The turn is the worker's until the line is empty or an operation is pended, whose end starts the worker anew. The share
 * that a request had in the line is the worker's from then on. */
static VOID work(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    struct vreader_fdo *fdo = Context;
    PIRP irp = next(&fdo->Reader);

    UNREFERENCED_PARAMETER(DeviceObject);
    while (irp != NULL && vreader_serve(fdo, irp) != STATUS_PENDING) {
        irp = next(&fdo->Reader);
    }
    SmartcardReleaseRemoveLock(&fdo->Smartcard);
}

VOID vreader_pass_turn(READER_EXTENSION *Reader)
{
    /* The worker has a share of the remove lock, so that there is a reader when it comes. When there is none to be had,
     * the reader has gone, and what is still in the line is being cancelled. */
    if (IsListEmpty(&Reader->Queue)) {
        free_turn(Reader);
    } else if (NT_SUCCESS(SmartcardAcquireRemoveLock(Reader->Smartcard))) {
        Reader->CallWorker = TRUE;
    }
}

VOID vreader_give_turn_back(READER_EXTENSION *Reader)
{
    KIRQL irql;

    if (InterlockedCompareExchange(&Reader->Turn, TURN_FREE, TURN_TAKEN) != TURN_TAKEN) {
        irql = vreader_enter(Reader);
        vreader_pass_turn(Reader);
        vreader_leave(Reader, irql);
    }
}

VOID vreader_call_worker(READER_EXTENSION *Reader)
{
    struct vreader_fdo *fdo = CONTAINING_RECORD(Reader, struct vreader_fdo, Reader);

    IoQueueWorkItem(Reader->Worker, work, DelayedWorkQueue, fdo);
}

VOID vreader_end_waiting(READER_EXTENSION *Reader, PFILE_OBJECT File, NTSTATUS Status)
{
    PLIST_ENTRY entry = Reader->Queue.Flink;

    while (entry != &Reader->Queue) {
        PIRP irp = CONTAINING_RECORD(entry, IRP, Tail.Overlay.ListEntry);

        entry = entry->Flink;
        if (vreader_is_of_file(irp, File) && IoSetCancelRoutine(irp, NULL) != NULL) {
            RemoveEntryList(&irp->Tail.Overlay.ListEntry);
            vreader_queue_end(Reader, irp, Status);
        }
    }
}

VOID vreader_close_line(READER_EXTENSION *Reader)
{
    Reader->Removed = TRUE;
    if (InterlockedCompareExchange(&Reader->Turn, TURN_NEVER, TURN_FREE) != TURN_FREE) {
        InterlockedExchange(&Reader->Turn, TURN_TAKEN | TURN_WANTED | TURN_NEVER);
    }
    vreader_end_waiting(Reader, NULL, STATUS_DEVICE_REMOVED);
}

BOOLEAN vreader_is_gone(const READER_EXTENSION *Reader)
{
    return (__atomic_load_n(&Reader->Turn, __ATOMIC_ACQUIRE) & TURN_NEVER) != 0;
}
