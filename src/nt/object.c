/* SPDX-License-Identifier: MIT */
/*
 * Events, semaphores, fast mutexes and remove locks. Mutexes are in wait.c, timers in timer.c, threads in thread.c.
 */
#include "internal.h"
#include "wait.h"
#include "verify/verify.h"

#define WATCHED_WAIT 5 /* seconds that a watched driver may keep a remove lock */

/* ---- events ------------------------------------------------------------------------------------------------------ */

VOID KeInitializeEvent(PRKEVENT Event, EVENT_TYPE Type, BOOLEAN State)
{
    object_init(&Event->Header, Type == NotificationEvent ? OBJECT_NOTIFICATION_EVENT : OBJECT_SYNCHRONIZATION_EVENT,
                State != FALSE);
}

LONG KeSetEvent(PRKEVENT Event, KPRIORITY Increment, BOOLEAN Wait)
{
    VERIFY_CALLED();
    object_check(&Event->Header, __func__);
    return wait_signal(&Event->Header);
}

LONG KeResetEvent(PRKEVENT Event)
{
    VERIFY_CALLED();
    object_check(&Event->Header, __func__);
    return COUNT(__atomic_fetch_and(&Event->Header.SignalState, WAITERS, __ATOMIC_ACQ_REL));
}

VOID KeClearEvent(PRKEVENT Event)
{
    VERIFY_CALLED();
    KeResetEvent(Event);
}

LONG KeReadStateEvent(PRKEVENT Event)
{
    VERIFY_CALLED();
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

    VERIFY_CALLED();
    object_check(&Semaphore->Header, __func__);
    do {
        if (Adjustment <= 0 || Adjustment > Semaphore->Limit - COUNT(word)) {
            VERIFY_BROKEN(VERIFY_CALL, "adding %d to %d passes the limit of %d", Adjustment, COUNT(word),
                          Semaphore->Limit);
            return COUNT(word);
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
    VERIFY_CALLED();
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

    if (irql > APC_LEVEL && host_cpu.Frame == NULL) {
        host_fail(function, "called at IRQL %d", irql);
    }
    if (host_cpu.Frame != NULL) {
        verify_called(function);
    }
    if (__atomic_load_n(&mutex->Owner, __ATOMIC_RELAXED) == KeGetCurrentThread()) {
        verify_broken(VERIFY_LOCK_MISUSED, function, "the mutex at %p is this thread's already", (void *)mutex);
        return FALSE;
    }
    if (KeWaitForSingleObject(&mutex->Event, Executive, KernelMode, FALSE, timeout) != STATUS_SUCCESS) {
        return FALSE;
    }
    __atomic_store_n(&mutex->Owner, KeGetCurrentThread(), __ATOMIC_RELAXED);
    mutex->OldIrql = irql;
    host_cpu.Irql = irql > APC_LEVEL ? irql : APC_LEVEL;
    verify_lock_taken(mutex, LOCK_FAST_MUTEX);
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

    VERIFY_CALLED();
    if (__atomic_load_n(&Mutex->Owner, __ATOMIC_RELAXED) != KeGetCurrentThread()) {
        VERIFY_BROKEN(VERIFY_LOCK_MISUSED, "the mutex at %p is not this thread's", (void *)Mutex);
        return;
    }
    verify_lock_given(Mutex);
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
    VERIFY_CALLED();
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

    VERIFY_CALLED();
    if (left < 0) {
        VERIFY_BROKEN(VERIFY_REMOVE_LOCK, "%p was released more often than acquired", (void *)Lock);
        InterlockedIncrement(&Lock->IoCount);
        return;
    }
    if (left == 0) {
        KeSetEvent(&Lock->RemoveEvent, IO_NO_INCREMENT, FALSE);
    }
}

VOID IoReleaseRemoveLockAndWaitEx(PIO_REMOVE_LOCK Lock, PVOID Tag, ULONG RemlockSize)
{
    LARGE_INTEGER limit = {.QuadPart = -10000000LL * WATCHED_WAIT};

    VERIFY_CALLED();
    __atomic_store_n(&Lock->Removed, TRUE, __ATOMIC_SEQ_CST);
    IoReleaseRemoveLockEx(Lock, Tag, RemlockSize);  /* the caller's share */
    if (InterlockedDecrement(&Lock->IoCount) > 0 && /* the lock's own */
        KeWaitForSingleObject(&Lock->RemoveEvent, Executive, KernelMode, FALSE,
                              host_cpu.Frame != NULL ? &limit : NULL) == STATUS_TIMEOUT) {
        verify_report(VERIFY_REMOVE_LOCK, "the remove lock at %p was not released within %d seconds", (void *)Lock,
                      WATCHED_WAIT);
    }
}
