/* SPDX-License-Identifier: MIT */
/*
 * Waiting for dispatcher objects. Signalling and taking an object that nobody waits for are one atomic operation each.
 * Whoever must sleep queues a note in the parking lot: a hash table from the object's address to the threads that wait
 * for it. Signalling wakes all of them, and each tries again to take what it waits for. The objects' own functions are
 * in object.c.
 */
#include "internal.h"
#include "wait.h"
#include "verify/verify.h"

#define BUCKETS 256 /* a power of two */

/* Shared by all hosts: an object does not know whose it is. */
static struct bucket {
    pthread_mutex_t lock; /* guards first and the waiters' links; a parker's lock may be taken while it is held */
    struct waiter *first;
} lot[BUCKETS] = {[0 ... BUCKETS - 1] = {PTHREAD_MUTEX_INITIALIZER, NULL}};

static struct bucket *bucket_of(const void *object)
{
    uint64_t key = (uint64_t)(uintptr_t)object * 0x9E3779B97F4A7C15U;

    return &lot[(key >> 32) & (BUCKETS - 1)];
}

void wait_wake(const void *object)
{
    struct bucket *bucket = bucket_of(object);

    pthread_mutex_lock(&bucket->lock);
    for (struct waiter *w = bucket->first; w != NULL; w = w->next) {
        if (w->object == object) {
            pthread_mutex_lock(&w->parker->lock);
            w->parker->woken = true;
            parker_count(w->parker);
            pthread_cond_signal(&w->parker->wake);
            pthread_mutex_unlock(&w->parker->lock);
        }
    }
    pthread_mutex_unlock(&bucket->lock);
}

LONG wait_signal(DISPATCHER_HEADER *header)
{
    /* Release: what was written before is seen by whoever takes the signal. Acquire, and one word for both bits: either
     * this sees WAITERS, or the waiter that sets it afterwards sees the count. */
    LONG old = __atomic_fetch_or(&header->SignalState, ONE, __ATOMIC_ACQ_REL);

    if ((old & WAITERS) != 0) {
        wait_wake(header);
    }
    return COUNT(old);
}

void wait_enqueue(struct waiter *waiter, const void *object, LONG *mark, struct parker *parker)
{
    struct bucket *bucket = bucket_of(object);

    waiter->object = object;
    waiter->parker = parker;
    pthread_mutex_lock(&bucket->lock);
    waiter->next = bucket->first;
    waiter->link = &bucket->first;
    if (waiter->next != NULL) {
        waiter->next->link = &waiter->next;
    }
    bucket->first = waiter;
    if (mark != NULL) {
        __atomic_fetch_or(mark, WAITERS, __ATOMIC_ACQ_REL);
    }
    pthread_mutex_unlock(&bucket->lock);
}

void wait_dequeue(struct waiter *waiter, LONG *mark)
{
    struct bucket *bucket = bucket_of(waiter->object);
    bool others = false;

    pthread_mutex_lock(&bucket->lock);
    *waiter->link = waiter->next;
    if (waiter->next != NULL) {
        waiter->next->link = waiter->link;
    }
    for (struct waiter *w = bucket->first; w != NULL && !others; w = w->next) {
        others = w->object == waiter->object;
    }
    if (!others && mark != NULL) {
        __atomic_fetch_and(mark, ~WAITERS, __ATOMIC_RELAXED); /* the bucket's lock orders it */
    }
    pthread_mutex_unlock(&bucket->lock);
}

/* ---- taking ------------------------------------------------------------------------------------------------------ */

static KMUTANT *as_mutant(DISPATCHER_HEADER *header)
{
    return CONTAINING_RECORD(header, KMUTANT, Header);
}

/* How often the owner holds a mutex is kept in the list entry that NT would use to list a thread's mutexes. */
static LONG *mutant_depth(KMUTANT *mutant)
{
    return (LONG *)(void *)&mutant->MutantListEntry;
}

/* Could it be taken at this moment? */
static bool could_take(DISPATCHER_HEADER *header)
{
    return COUNT(__atomic_load_n(&header->SignalState, __ATOMIC_ACQUIRE)) > 0 ||
           (header->Type == OBJECT_MUTANT &&
            __atomic_load_n(&as_mutant(header)->OwnerThread, __ATOMIC_RELAXED) == KeGetCurrentThread());
}

/* Take an object if it is signalled. */
static bool try_take(DISPATCHER_HEADER *header)
{
    LONG word = __atomic_load_n(&header->SignalState, __ATOMIC_ACQUIRE);
    KMUTANT *mutant;

    switch (header->Type) {
    case OBJECT_NOTIFICATION_EVENT:
    case OBJECT_NOTIFICATION_TIMER:
    case OBJECT_THREAD:
        return COUNT(word) > 0;
    case OBJECT_SYNCHRONIZATION_EVENT:
    case OBJECT_SYNCHRONIZATION_TIMER:
        return COUNT(word) > 0 && COUNT(__atomic_fetch_and(&header->SignalState, WAITERS, __ATOMIC_ACQ_REL)) > 0;
    case OBJECT_SEMAPHORE:
        while (COUNT(word) > 0) {
            if (__atomic_compare_exchange_n(&header->SignalState, &word, word - ONE, true, __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE)) {
                return true;
            }
        }
        return false;
    case OBJECT_MUTANT:
        mutant = as_mutant(header);
        /* Relaxed: only this thread ever writes its own address there. */
        if (__atomic_load_n(&mutant->OwnerThread, __ATOMIC_RELAXED) == KeGetCurrentThread()) {
            ++*mutant_depth(mutant);
            verify_lock_taken(mutant, LOCK_MUTEX);
            return true;
        }
        if (COUNT(word) > 0 && COUNT(__atomic_fetch_and(&header->SignalState, WAITERS, __ATOMIC_ACQ_REL)) > 0) {
            __atomic_store_n(&mutant->OwnerThread, KeGetCurrentThread(), __ATOMIC_RELAXED);
            *mutant_depth(mutant) = 1;
            verify_lock_taken(mutant, LOCK_MUTEX);
            return true;
        }
        return false;
    default:
        host_fail("KeWaitForSingleObject", "the object at %p is of no kind that can be waited for", (void *)header);
    }
}

/* Undo try_take, for a wait for all of several objects of which one is not to be had. */
static void give_back(DISPATCHER_HEADER *header)
{
    switch (header->Type) {
    case OBJECT_SYNCHRONIZATION_EVENT:
    case OBJECT_SYNCHRONIZATION_TIMER:
        wait_signal(header);
        break;
    case OBJECT_SEMAPHORE:
        if ((__atomic_fetch_add(&header->SignalState, ONE, __ATOMIC_ACQ_REL) & WAITERS) != 0) {
            wait_wake(header);
        }
        break;
    case OBJECT_MUTANT:
        KeReleaseMutex(as_mutant(header), FALSE);
        break;
    default:
        break;
    }
}

/* Take any (the first that is signalled) or all of the objects. The index of the one taken, 0 for all, or -1. */
static int take(ULONG count, DISPATCHER_HEADER *const *objects, WAIT_TYPE type)
{
    /* All or nothing: look first, because giving back wakes the waiters again, this thread among them. */
    for (ULONG i = 0; type == WaitAll && i < count; i++) {
        if (!could_take(objects[i])) {
            return -1;
        }
    }
    for (ULONG i = 0; i < count; i++) {
        bool taken = try_take(objects[i]);

        if (type == WaitAny && taken) {
            return (int)i;
        }
        if (type == WaitAll && !taken) {
            while (i > 0) {
                give_back(objects[--i]);
            }
            return -1;
        }
    }
    return type == WaitAll ? 0 : -1;
}

/* ---- sleeping ---------------------------------------------------------------------------------------------------- */

struct parker *parker_get(void)
{
    struct parker *parker = &nt_self()->parker;

    if (!parker->ready) {
        pthread_mutex_init(&parker->lock, NULL);
        if (!nt_cond_init(&parker->wake)) {
            host_fail("KeWaitForSingleObject", "the system has no memory for a condition variable");
        }
        parker->ready = true;
    }
    return parker;
}

/* Sleep until woken; false when the time was over first. due UINT64_MAX: no limit. */
static bool park(struct parker *parker, uint64_t due)
{
    struct timespec until = nt_timespec(due);
    int error = 0;
    bool woken;

    pthread_mutex_lock(&parker->lock);
    while (!parker->woken && error == 0) {
        error = due == UINT64_MAX ? pthread_cond_wait(&parker->wake, &parker->lock)
                                  : pthread_cond_timedwait(&parker->wake, &parker->lock, &until);
    }
    woken = parker->woken;
    parker->woken = false;
    pthread_mutex_unlock(&parker->lock);
    return woken;
}

static NTSTATUS wait_parked(ULONG count, DISPATCHER_HEADER *const *objects, WAIT_TYPE type, uint64_t due)
{
    struct waiter waiters[MAXIMUM_WAIT_OBJECTS];
    struct parker *parker = parker_get();
    struct nt_host *simulated = simulated_here();
    bool in_time = true;
    int index;

    for (ULONG i = 0; i < count; i++) {
        wait_enqueue(&waiters[i], objects[i], &objects[i]->SignalState, parker);
    }
    while ((index = take(count, objects, type)) < 0 && in_time) {
        in_time = simulated != NULL ? simulate_sleep(simulated, parker, due) : park(parker, due);
    }
    for (ULONG i = 0; i < count; i++) {
        wait_dequeue(&waiters[i], &objects[i]->SignalState);
    }
    parker->woken = false; /* a wake that came too late; nobody knows this parker any more, so no lock is needed */
    return index < 0 ? STATUS_TIMEOUT : (NTSTATUS)index;
}

static NTSTATUS wait_for(const char *function, ULONG count, DISPATCHER_HEADER *const *objects, WAIT_TYPE type,
                         PLARGE_INTEGER timeout)
{
    bool only_look = timeout != NULL && timeout->QuadPart == 0;
    int index;

    for (ULONG i = 0; i < count; i++) {
        object_check(objects[i], function);
    }
    if (KeGetCurrentIrql() > (only_look ? DISPATCH_LEVEL : APC_LEVEL)) {
        if (host_cpu.Frame == NULL) {
            host_fail(function, "called at IRQL %d; a wait needs PASSIVE_LEVEL", KeGetCurrentIrql());
        }
        verify_report(VERIFY_IRQL, "%s was called at IRQL %d; a wait needs PASSIVE_LEVEL", function,
                      KeGetCurrentIrql());
    }
    index = take(count, objects, type);
    if (index >= 0) {
        return (NTSTATUS)index;
    }
    if (only_look) {
        return STATUS_TIMEOUT;
    }
    return wait_parked(count, objects, type,
                       timeout == NULL ? UINT64_MAX : nt_due(simulated_here(), timeout->QuadPart));
}

NTSTATUS KeWaitForSingleObject(PVOID Object, KWAIT_REASON WaitReason, KPROCESSOR_MODE WaitMode, BOOLEAN Alertable,
                               PLARGE_INTEGER Timeout)
{
    DISPATCHER_HEADER *header = Object;

    return wait_for(__func__, 1, &header, WaitAny, Timeout);
}

NTSTATUS KeWaitForMultipleObjects(ULONG Count, PVOID Objects[], WAIT_TYPE WaitType, KWAIT_REASON WaitReason,
                                  KPROCESSOR_MODE WaitMode, BOOLEAN Alertable, PLARGE_INTEGER Timeout,
                                  PKWAIT_BLOCK WaitBlockArray)
{
    DISPATCHER_HEADER *headers[MAXIMUM_WAIT_OBJECTS];

    if (Count == 0 || Count > MAXIMUM_WAIT_OBJECTS || (Count > THREAD_WAIT_OBJECTS && WaitBlockArray == NULL)) {
        host_fail(__func__, "%u objects%s", Count, WaitBlockArray == NULL ? " without an array of wait blocks" : "");
    }
    for (ULONG i = 0; i < Count; i++) {
        headers[i] = Objects[i];
    }
    return wait_for(__func__, Count, headers, WaitType, Timeout);
}

/* ---- mutexes: here because taking and releasing share the depth ---------------------------------------------------- */

VOID KeInitializeMutex(PRKMUTEX Mutex, ULONG Level)
{
    object_init(&Mutex->Header, OBJECT_MUTANT, 1);
    Mutex->MutantListEntry.Flink = NULL;
    Mutex->MutantListEntry.Blink = NULL;
    Mutex->OwnerThread = NULL;
    Mutex->Abandoned = FALSE;
    Mutex->ApcDisable = 1;
}

LONG KeReleaseMutex(PRKMUTEX Mutex, BOOLEAN Wait)
{
    LONG depth;

    object_check(&Mutex->Header, __func__);
    VERIFY_CALLED();
    if (__atomic_load_n(&Mutex->OwnerThread, __ATOMIC_RELAXED) != KeGetCurrentThread()) {
        VERIFY_BROKEN(VERIFY_LOCK_MISUSED, "the mutex at %p is not this thread's", (void *)Mutex);
        return 0;
    }
    verify_lock_given(Mutex);
    depth = *mutant_depth(Mutex);
    if (depth > 1) {
        *mutant_depth(Mutex) = depth - 1;
        return 1 - depth;
    }
    __atomic_store_n(&Mutex->OwnerThread, NULL, __ATOMIC_RELAXED);
    wait_signal(&Mutex->Header);
    return 0;
}

LONG KeReadStateMutex(PRKMUTEX Mutex)
{
    VERIFY_CALLED();
    object_check(&Mutex->Header, __func__);
    return COUNT(__atomic_load_n(&Mutex->Header.SignalState, __ATOMIC_ACQUIRE));
}
