/* SPDX-License-Identifier: MIT */
/* The remove lock: smclib.md 2.12 and 4.7. */
#include "private.h"

/*
 * RefCount starts at 1, the reader's own share. Removed is stored before that share is given up, and looked at after a
 * share was taken; the interlocked operations between are full barriers, so that either the taker sees Removed or the
 * remover sees the share.
 */
static BOOLEAN removed(POS_DEP_DATA os)
{
    return __atomic_load_n(&os->RemoveLock.Removed, __ATOMIC_SEQ_CST);
}

/* A verifier counts instead (host.h). */
static BOOLEAN watched(POS_DEP_DATA os)
{
    return removed(os) == HOST_REMOVE_LOCK_WATCHED;
}

/* The count is 0, or below, as it is for a verifier and after a release too many; then the event was set before. */
static DECLSPEC_NOINLINE VOID release_last(PSMARTCARD_EXTENSION ext, ULONG tag)
{
    if (watched(ext->OsData)) {
        host_remove_lock_release(ext, tag);
    } else {
        (void)KeSetEvent(&ext->OsData->RemoveLock.RemoveEvent, IO_NO_INCREMENT, FALSE);
    }
}

/* One comparison: GET_LAST_ERROR passes here. */
static void release(PSMARTCARD_EXTENSION ext, ULONG tag)
{
    if (InterlockedExchangeAdd(&ext->OsData->RemoveLock.RefCount, -1) <= 1) {
        release_last(ext, tag);
    }
}

/* Removed is not FALSE. */
static DECLSPEC_NOINLINE NTSTATUS acquire_oddly(PSMARTCARD_EXTENSION ext, ULONG tag)
{
    if (watched(ext->OsData)) {
        return host_remove_lock_acquire(ext, tag);
    }
    release(ext, tag);
    return STATUS_DELETE_PENDING;
}

NTSTATUS SmartcardAcquireRemoveLockWithTag(PSMARTCARD_EXTENSION SmartcardExtension, ULONG Tag)
{
    POS_DEP_DATA os = SmartcardExtension->OsData;

    (void)InterlockedIncrement(&os->RemoveLock.RefCount);
    return removed(os) ? acquire_oddly(SmartcardExtension, Tag) : STATUS_SUCCESS;
}

NTSTATUS SmartcardAcquireRemoveLock(PSMARTCARD_EXTENSION SmartcardExtension)
{
    return SmartcardAcquireRemoveLockWithTag(SmartcardExtension, 0);
}

VOID SmartcardReleaseRemoveLockWithTag(PSMARTCARD_EXTENSION SmartcardExtension, ULONG Tag)
{
    release(SmartcardExtension, Tag);
}

VOID SmartcardReleaseRemoveLock(PSMARTCARD_EXTENSION SmartcardExtension)
{
    release(SmartcardExtension, 0);
}

VOID SmartcardReleaseRemoveLockAndWait(PSMARTCARD_EXTENSION SmartcardExtension)
{
    POS_DEP_DATA os = SmartcardExtension->OsData;

    if (watched(os)) {
        host_remove_lock_wait(SmartcardExtension);
        return;
    }
    __atomic_store_n(&os->RemoveLock.Removed, (BOOLEAN)TRUE, __ATOMIC_SEQ_CST);
    /* The caller's share and the reader's own; a caller that has none (a failed start) must not take the count below 0. */
    if (InterlockedDecrement(&os->RemoveLock.RefCount) == 0 || InterlockedDecrement(&os->RemoveLock.RefCount) == 0) {
        return;
    }
    (void)KeWaitForSingleObject(&os->RemoveLock.RemoveEvent, Executive, KernelMode, FALSE, NULL);
}
