/* SPDX-License-Identifier: MIT */
/*
 * Events, semaphores, fast mutexes and remove locks. Mutexes are in wait.c, timers in timer.c, threads in thread.c.
 */
#include "internal.h"
#include "wait.h"

/* ---- events ------------------------------------------------------------------------------------------------------ */

VOID KeInitializeEvent(PRKEVENT Event, EVENT_TYPE Type, BOOLEAN State)
{
    object_init(&Event->Header, Type == NotificationEvent ? OBJECT_NOTIFICATION_EVENT : OBJECT_SYNCHRONIZATION_EVENT,
                State != FALSE);
}

LONG KeSetEvent(PRKEVENT Event, KPRIORITY Increment, BOOLEAN Wait)
{
    object_check(&Event->Header, __func__);
    return wait_signal(&Event->Header);
}

LONG KeResetEvent(PRKEVENT Event)
{
    object_check(&Event->Header, __func__);
    return COUNT(__atomic_fetch_and(&Event->Header.SignalState, WAITERS, __ATOMIC_ACQ_REL));
}

VOID KeClearEvent(PRKEVENT Event)
{
    KeResetEvent(Event);
}

LONG KeReadStateEvent(PRKEVENT Event)
{
    object_check(&Event->Header, __func__);
    return COUNT(__atomic_load_n(&Event->Header.SignalState, __ATOMIC_ACQUIRE));
}

/* ---- semaphores -------------------------------------------------------------------------------------------------- */

VOID KeInitializeSemaphore(PRKSEMAPHORE Semaphore, LONG Count, LONG Limit)
{
    if (Count < 0 || Limit <= 0 || Count > Limit || Limit > INT32_MAX / ONE) {
        host_fail(__func__, "a count of %d with a limit of %d", Count, Limit);
    }
    object_init(&Semaphore->Header, OBJECT_SEMAPHORE, Count);
    Semaphore->Limit = Limit;
}

LONG KeReleaseSemaphore(PRKSEMAPHORE Semaphore, KPRIORITY Increment, LONG Adjustment, BOOLEAN Wait)
{
    LONG word = __atomic_load_n(&Semaphore->Header.SignalState, __ATOMIC_RELAXED);

    object_check(&Semaphore->Header, __func__);
    do {
        if (Adjustment <= 0 || Adjustment > Semaphore->Limit - COUNT(word)) {
            host_fail(__func__, "adding %d to %d passes the limit of %d", Adjustment, COUNT(word), Semaphore->Limit);
        }
    } while (!__atomic_compare_exchange_n(&Semaphore->Header.SignalState, &word, word + Adjustment * ONE, true,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    if ((word & WAITERS) != 0) {
        wait_wake(&Semaphore->Header);
    }
    return COUNT(word);
}

LONG KeReadStateSemaphore(PRKSEMAPHORE Semaphore)
{
    object_check(&Semaphore->Header, __func__);
    return COUNT(__atomic_load_n(&Semaphore->Header.SignalState, __ATOMIC_ACQUIRE));
}

/* ---- fast mutexes: an event that one thread at a time takes, held at APC_LEVEL ------------------------------------ */

VOID ExInitializeFastMutex(PFAST_MUTEX Mutex)
{
    KeInitializeEvent(&Mutex->Event, SynchronizationEvent, TRUE);
    Mutex->Owner = NULL;
    Mutex->OldIrql = PASSIVE_LEVEL;
}

static BOOLEAN fast_mutex_take(PFAST_MUTEX mutex, PLARGE_INTEGER timeout, const char *function)
{
    KIRQL irql = KeGetCurrentIrql();

    if (irql > APC_LEVEL) {
        host_fail(function, "called at IRQL %d", irql);
    }
    if (__atomic_load_n(&mutex->Owner, __ATOMIC_RELAXED) == KeGetCurrentThread()) {
        host_fail(function, "the mutex at %p is this thread's already", (void *)mutex);
    }
    if (KeWaitForSingleObject(&mutex->Event, Executive, KernelMode, FALSE, timeout) != STATUS_SUCCESS) {
        return FALSE;
    }
    __atomic_store_n(&mutex->Owner, KeGetCurrentThread(), __ATOMIC_RELAXED);
    KeRaiseIrql(APC_LEVEL, &mutex->OldIrql);
    return TRUE;
}

VOID ExAcquireFastMutex(PFAST_MUTEX Mutex)
{
    fast_mutex_take(Mutex, NULL, __func__);
}

BOOLEAN ExTryToAcquireFastMutex(PFAST_MUTEX Mutex)
{
    LARGE_INTEGER now = {.QuadPart = 0};

    return fast_mutex_take(Mutex, &now, __func__);
}

VOID ExReleaseFastMutex(PFAST_MUTEX Mutex)
{
    KIRQL irql = Mutex->OldIrql;

    if (__atomic_load_n(&Mutex->Owner, __ATOMIC_RELAXED) != KeGetCurrentThread()) {
        host_fail(__func__, "the mutex at %p is not this thread's", (void *)Mutex);
    }
    __atomic_store_n(&Mutex->Owner, NULL, __ATOMIC_RELAXED);
    KeSetEvent(&Mutex->Event, EVENT_INCREMENT, FALSE);
    KeLowerIrql(irql);
}

/* ---- remove locks ------------------------------------------------------------------------------------------------ */

VOID IoInitializeRemoveLockEx(PIO_REMOVE_LOCK Lock, ULONG AllocateTag, ULONG MaxLockedMinutes, ULONG HighWatermark,
                              ULONG RemlockSize)
{
    Lock->Removed = FALSE;
    Lock->IoCount = 1;
    KeInitializeEvent(&Lock->RemoveEvent, SynchronizationEvent, FALSE);
}

NTSTATUS IoAcquireRemoveLockEx(PIO_REMOVE_LOCK Lock, PVOID Tag, PCSTR File, ULONG Line, ULONG RemlockSize)
{
    InterlockedIncrement(&Lock->IoCount);
    if (!__atomic_load_n(&Lock->Removed, __ATOMIC_SEQ_CST)) {
        return STATUS_SUCCESS;
    }
    IoReleaseRemoveLockEx(Lock, Tag, RemlockSize);
    return STATUS_DELETE_PENDING;
}

VOID IoReleaseRemoveLockEx(PIO_REMOVE_LOCK Lock, PVOID Tag, ULONG RemlockSize)
{
    LONG left = InterlockedDecrement(&Lock->IoCount);

    if (left < 0) {
        host_fail(__func__, "the remove lock at %p was released more often than acquired", (void *)Lock);
    }
    if (left == 0) {
        KeSetEvent(&Lock->RemoveEvent, IO_NO_INCREMENT, FALSE);
    }
}

VOID IoReleaseRemoveLockAndWaitEx(PIO_REMOVE_LOCK Lock, PVOID Tag, ULONG RemlockSize)
{
    __atomic_store_n(&Lock->Removed, TRUE, __ATOMIC_SEQ_CST);
    IoReleaseRemoveLockEx(Lock, Tag, RemlockSize);  /* the caller's share */
    if (InterlockedDecrement(&Lock->IoCount) > 0) { /* the lock's own */
        KeWaitForSingleObject(&Lock->RemoveEvent, Executive, KernelMode, FALSE, NULL);
    }
}
