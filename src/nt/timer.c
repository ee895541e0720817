/* SPDX-License-Identifier: MIT */
/*
 * Timers and DPCs: one clock thread per host, started with the first timer or DPC. It sleeps until the earliest timer
 * is due, signals it, and runs the queued DPCs one after another at DISPATCH_LEVEL. In simulated time there is no such
 * thread, and whoever waits does that (simulate.c).
 */
#include "internal.h"
#include "wait.h"

#include <stdlib.h>
#include <string.h>

#define MILLISECOND 1000000U
#define DPC_TYPE    0x13

/* ---- the heap of timers: earliest first, equal ones in the order in which they were set ---------------------------- */

static bool earlier(const KTIMER *a, const KTIMER *b)
{
    return a->DueTime != b->DueTime ? a->DueTime < b->DueTime : a->Order < b->Order;
}

static void heap_put(struct nt_host *host, size_t index, PKTIMER timer)
{
    host->heap[index] = timer;
    timer->HeapIndex = (ULONG)index;
}

/* Move the timer at index to where it belongs. */
static void heap_settle(struct nt_host *host, size_t index)
{
    PKTIMER timer = host->heap[index];

    while (index > 1 && earlier(timer, host->heap[index / 2])) {
        heap_put(host, index, host->heap[index / 2]);
        index /= 2;
    }
    for (size_t child; (child = index * 2) <= host->heap_count; index = child) {
        if (child < host->heap_count && earlier(host->heap[child + 1], host->heap[child])) {
            child++;
        }
        if (!earlier(host->heap[child], timer)) {
            break;
        }
        heap_put(host, index, host->heap[child]);
    }
    heap_put(host, index, timer);
}

void clock_add(struct nt_host *host, PKTIMER timer)
{
    if (host->heap_count + 1 >= host->heap_size) {
        size_t size = host->heap_size == 0 ? 64 : host->heap_size * 2;
        PKTIMER *heap = realloc(host->heap, size * sizeof(*heap));

        if (heap == NULL) {
            host_fail("KeSetTimer", "no memory for %zu timers", size);
        }
        host->heap = heap;
        host->heap_size = size;
    }
    timer->Order = ++host->timer_order;
    heap_put(host, ++host->heap_count, timer);
    heap_settle(host, host->heap_count);
}

void clock_remove(struct nt_host *host, PKTIMER timer)
{
    size_t index = timer->HeapIndex;
    PKTIMER last = host->heap[host->heap_count--];

    timer->HeapIndex = 0;
    if (last != timer) {
        heap_put(host, index, last);
        heap_settle(host, index);
    }
}

/* ---- the clock thread; everything below runs with clock_lock held unless it says otherwise ------------------------- */

static bool dpc_queue(struct nt_host *host, PKDPC dpc, PVOID argument1, PVOID argument2)
{
    if (dpc->Queued) {
        return false;
    }
    dpc->Queued = TRUE;
    dpc->SystemArgument1 = argument1;
    dpc->SystemArgument2 = argument2;
    __atomic_store_n(&dpc->Host, host, __ATOMIC_RELEASE); /* read without the lock, to find the lock */
    InsertTailList(&host->dpcs, &dpc->DpcListEntry);
    dpc->Order = ++host->dpc_order;
    return true;
}

/* The timer is due. It may be freed as soon as it is signalled, unless it is periodic. */
static void expire(struct nt_host *host, PKTIMER timer)
{
    PKDPC dpc = timer->Dpc;

    clock_remove(host, timer);
    if (timer->Header.Type == OBJECT_NAP) {
        nap_over(timer);
        return;
    }
    if (timer->Period > 0) {
        uint64_t period = (uint64_t)timer->Period * MILLISECOND;
        uint64_t now = nt_time(host);

        timer->DueTime += period;
        if (timer->DueTime < now) {
            timer->DueTime = now + period - (now - timer->DueTime) % period; /* skip what was missed */
        }
        clock_add(host, timer);
    }
    if (dpc != NULL) {
        dpc_queue(host, dpc, NULL, NULL);
    }
    wait_signal(&timer->Header);
}

/* Run the first DPC, without the lock. The DPC's memory is the driver's again when its routine is entered. */
static void run_dpc(struct nt_host *host)
{
    PKDPC dpc = CONTAINING_RECORD(RemoveHeadList(&host->dpcs), KDPC, DpcListEntry);
    PKDEFERRED_ROUTINE routine = dpc->DeferredRoutine;
    PVOID context = dpc->DeferredContext;
    PVOID argument1 = dpc->SystemArgument1;
    PVOID argument2 = dpc->SystemArgument2;
    struct nt_host *before = nt_enter(host);
    KIRQL irql = host_cpu.Irql;

    dpc->Queued = FALSE;
    host->dpc_running = dpc->Order;
    pthread_mutex_unlock(&host->clock_lock);
    host_cpu.Irql = DISPATCH_LEVEL;
    routine(dpc, context, argument1, argument2);
    if (host_cpu.Irql != DISPATCH_LEVEL) {
        host_fail("KeInitializeDpc", "a DPC routine returned at IRQL %d", host_cpu.Irql);
    }
    host_cpu.Irql = irql;
    nt_enter(before);
    pthread_mutex_lock(&host->clock_lock);
    host->dpc_running = 0;
    pthread_cond_broadcast(&host->clock_idle);
}

bool clock_run_due(struct nt_host *host)
{
    if (host->dpc_running != 0) {
        return false;
    }
    if (!IsListEmpty(&host->dpcs)) {
        run_dpc(host);
        simulate_rouse(host); /* somebody may have lain down because it ran */
        return true;
    }
    if (host->heap_count > 0 && host->heap[1]->DueTime <= nt_time(host)) {
        expire(host, host->heap[1]);
        return true;
    }
    return false;
}

static void clock_main(void *argument)
{
    struct nt_host *host = argument;

    pthread_mutex_lock(&host->clock_lock);
    while (!host->clock_stop) {
        if (clock_run_due(host)) {
            continue;
        }
        if (host->heap_count == 0) {
            pthread_cond_wait(&host->clock_wake, &host->clock_lock);
        } else {
            struct timespec until = nt_timespec(host->heap[1]->DueTime);

            pthread_cond_timedwait(&host->clock_wake, &host->clock_lock, &until);
        }
    }
    pthread_mutex_unlock(&host->clock_lock);
}

/* There is something new for the clock. */
static void clock_start(struct nt_host *host, const char *function)
{
    if (host->simulated) {
        simulate_rouse(host);
    } else if (!host->clock_running) {
        if (!NT_SUCCESS(os_thread_start(host, clock_main, host))) {
            host_fail(function, "the system has no thread left for the clock");
        }
        host->clock_running = true;
    }
}

/* Without the lock. */
void clock_stop(struct nt_host *host)
{
    pthread_mutex_lock(&host->clock_lock);
    host->clock_stop = true;
    pthread_cond_signal(&host->clock_wake);
    pthread_mutex_unlock(&host->clock_lock);
}

static bool dpc_left(struct nt_host *host, ULONGLONG last)
{
    return (host->dpc_running != 0 && host->dpc_running <= last) ||
           (!IsListEmpty(&host->dpcs) && CONTAINING_RECORD(host->dpcs.Flink, KDPC, DpcListEntry)->Order <= last);
}

/* Without the lock. */
void clock_flush(struct nt_host *host)
{
    ULONGLONG last;

    pthread_mutex_lock(&host->clock_lock);
    last = host->dpc_order;
    while (dpc_left(host, last)) {
        if (host->simulated && host->dpc_running == 0) {
            run_dpc(host);
        } else {
            pthread_cond_wait(&host->clock_idle, &host->clock_lock);
        }
    }
    if (host->simulated) {
        simulate_rouse(host);
    }
    pthread_mutex_unlock(&host->clock_lock);
}

/* ---- DPCs -------------------------------------------------------------------------------------------------------- */

VOID KeInitializeDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext)
{
    memset(Dpc, 0, sizeof(*Dpc));
    Dpc->Type = DPC_TYPE;
    Dpc->Magic = OBJECT_MAGIC;
    Dpc->DeferredRoutine = DeferredRoutine;
    Dpc->DeferredContext = DeferredContext;
    Dpc->Host = host_cpu.Host;
}

/* The host whose clock serves an object: the one it was initialised in, so that a thread that knows nothing of hosts (a
 * library's, say) can set a driver's timer; failing that the calling thread's. */
static struct nt_host *clock_host(struct nt_host *const *home, const char *function)
{
    struct nt_host *host = __atomic_load_n(home, __ATOMIC_ACQUIRE);

    return host != NULL ? host : nt_current(function);
}

/* Checked without the lock, in one load maybe: what changes under the lock is in no word of these. */
_Static_assert(offsetof(KDPC, Queued) % sizeof(LONG) == 0 && offsetof(KDPC, Queued) >= sizeof(LONG) &&
                   offsetof(KDPC, Type) < sizeof(LONG) && offsetof(KDPC, Magic) < sizeof(LONG),
               "Queued has a word of its own");

static void dpc_check(const KDPC *dpc, const char *function)
{
    if (dpc->Type != DPC_TYPE || dpc->Magic != OBJECT_MAGIC) {
        host_fail(function, "the DPC at %p was never initialised", (const void *)dpc);
    }
}

BOOLEAN KeInsertQueueDpc(PRKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2)
{
    struct nt_host *host;
    bool queued;

    dpc_check(Dpc, __func__);
    host = clock_host(&Dpc->Host, __func__);
    pthread_mutex_lock(&host->clock_lock);
    queued = dpc_queue(host, Dpc, SystemArgument1, SystemArgument2);
    clock_start(host, __func__);
    pthread_mutex_unlock(&host->clock_lock);
    pthread_cond_signal(&host->clock_wake); /* not under the lock, on which the clock would only stop again */
    return queued;
}

BOOLEAN KeRemoveQueueDpc(PRKDPC Dpc)
{
    struct nt_host *host = __atomic_load_n(&Dpc->Host, __ATOMIC_ACQUIRE);
    bool queued = false;

    dpc_check(Dpc, __func__);
    if (host != NULL) {
        pthread_mutex_lock(&host->clock_lock);
        queued = Dpc->Queued;
        if (queued) {
            RemoveEntryList(&Dpc->DpcListEntry);
            Dpc->Queued = FALSE;
            pthread_cond_broadcast(&host->clock_idle);
        }
        pthread_mutex_unlock(&host->clock_lock);
    }
    return queued;
}

VOID KeFlushQueuedDpcs(void)
{
    if (KeGetCurrentIrql() != PASSIVE_LEVEL) {
        host_fail(__func__, "called at IRQL %d", KeGetCurrentIrql());
    }
    clock_flush(nt_current(__func__));
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

VOID KeInitializeTimerEx(PKTIMER Timer, TIMER_TYPE Type)
{
    memset(Timer, 0, sizeof(*Timer));
    object_init(&Timer->Header, Type == NotificationTimer ? OBJECT_NOTIFICATION_TIMER : OBJECT_SYNCHRONIZATION_TIMER,
                0);
    Timer->Host = host_cpu.Host;
}

VOID KeInitializeTimer(PKTIMER Timer)
{
    KeInitializeTimerEx(Timer, NotificationTimer);
}

BOOLEAN KeSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG Period, PKDPC Dpc)
{
    struct nt_host *host;
    bool was_set, first;

    object_check(&Timer->Header, __func__);
    if (Dpc != NULL) {
        dpc_check(Dpc, __func__);
    }
    if (Period < 0) {
        host_fail(__func__, "a period of %d ms", Period);
    }
    host = clock_host(&Timer->Host, __func__);
    pthread_mutex_lock(&host->clock_lock);
    was_set = Timer->HeapIndex != 0;
    if (was_set) {
        clock_remove(host, Timer);
    }
    __atomic_fetch_and(&Timer->Header.SignalState, WAITERS, __ATOMIC_ACQ_REL);
    Timer->DueTime = nt_due(host, DueTime.QuadPart);
    if (host->simulated && Timer->DueTime <= nt_time(host)) {
        Timer->DueTime = nt_time(host) + 100; /* a timer that sets itself anew must not stop the clock for ever */
    }
    Timer->Period = Period;
    Timer->Dpc = Dpc;
    __atomic_store_n(&Timer->Host, host, __ATOMIC_RELEASE); /* read without the lock, to find the lock */
    clock_add(host, Timer);
    first = Timer->HeapIndex == 1;
    if (first) {
        clock_start(host, __func__);
    }
    pthread_mutex_unlock(&host->clock_lock);
    if (first) {
        pthread_cond_signal(&host->clock_wake);
    }
    return was_set;
}

BOOLEAN KeSetTimer(PKTIMER Timer, LARGE_INTEGER DueTime, PKDPC Dpc)
{
    return KeSetTimerEx(Timer, DueTime, 0, Dpc);
}

BOOLEAN KeCancelTimer(PKTIMER Timer)
{
    struct nt_host *host = __atomic_load_n(&Timer->Host, __ATOMIC_ACQUIRE);
    bool was_set = false;

    object_check(&Timer->Header, __func__);
    if (host != NULL) {
        pthread_mutex_lock(&host->clock_lock);
        was_set = Timer->HeapIndex != 0;
        if (was_set) {
            clock_remove(host, Timer);
        }
        pthread_mutex_unlock(&host->clock_lock);
    }
    return was_set;
}

BOOLEAN KeReadStateTimer(PKTIMER Timer)
{
    object_check(&Timer->Header, __func__);
    return COUNT(__atomic_load_n(&Timer->Header.SignalState, __ATOMIC_ACQUIRE)) != 0;
}
