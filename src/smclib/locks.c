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

static void release(POS_DEP_DATA os)
{
    if (InterlockedDecrement(&os->RemoveLock.RefCount) == 0) {
        (void)KeSetEvent(&os->RemoveLock.RemoveEvent, IO_NO_INCREMENT, FALSE);
    }
}

NTSTATUS SmartcardAcquireRemoveLockWithTag(PSMARTCARD_EXTENSION SmartcardExtension, ULONG Tag)
{
    POS_DEP_DATA os = SmartcardExtension->OsData;

    UNREFERENCED_PARAMETER(Tag);
    (void)InterlockedIncrement(&os->RemoveLock.RefCount);
    if (removed(os)) {
        release(os);
        return STATUS_DELETE_PENDING;
    }
    return STATUS_SUCCESS;
}

NTSTATUS SmartcardAcquireRemoveLock(PSMARTCARD_EXTENSION SmartcardExtension)
{
    return SmartcardAcquireRemoveLockWithTag(SmartcardExtension, 0);
}

VOID SmartcardReleaseRemoveLockWithTag(PSMARTCARD_EXTENSION SmartcardExtension, ULONG Tag)
{
    UNREFERENCED_PARAMETER(Tag);
    release(SmartcardExtension->OsData);
}

VOID SmartcardReleaseRemoveLock(PSMARTCARD_EXTENSION SmartcardExtension)
{
    release(SmartcardExtension->OsData);
}

VOID SmartcardReleaseRemoveLockAndWait(PSMARTCARD_EXTENSION SmartcardExtension)
{
    POS_DEP_DATA os = SmartcardExtension->OsData;

    __atomic_store_n(&os->RemoveLock.Removed, (BOOLEAN)TRUE, __ATOMIC_SEQ_CST);
    /* The caller's share and the reader's own; a caller that has none (a failed start) must not take the count below 0. */
    if (InterlockedDecrement(&os->RemoveLock.RefCount) == 0 || InterlockedDecrement(&os->RemoveLock.RefCount) == 0) {
        return;
    }
    (void)KeWaitForSingleObject(&os->RemoveLock.RemoveEvent, Executive, KernelMode, FALSE, NULL);
}
