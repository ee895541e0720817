/* SPDX-License-Identifier: MIT */
/*
 * Timers and DPCs: one clock thread per host, started before its first driver is loaded. It sleeps until the earliest timer
 * is due, signals it, and runs the queued DPCs one after another at DISPATCH_LEVEL. In simulated time there is no such
 * thread, and whoever waits does that (simulate.c).
 */
#include "futex.h"
#include "internal.h"
#include "wait.h"
#include "verify/verify.h"

#include <string.h>
#include <time.h>

#define MILLISECOND 1000000U
#define DPC_TYPE    0x13

/* ---- the timers that are set, equal ones in the order in which they were set ---------------------------------------- */

/*
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan: "The pairing heap: a new form of self-adjusting heap", 1986): a
 * tree in which no timer is due before its parent. Its links are in the timers, so setting one needs no memory and
 * cannot fail. Adding takes one comparison, removing a number that grows with the logarithm of the number of timers.
 */
static bool earlier(const KTIMER *a, const KTIMER *b)
{
    return a->DueTime != b->DueTime ? a->DueTime < b->DueTime : a->Order < b->Order;
}

/* Of two trees one; either can be NULL. */
static PKTIMER meld(PKTIMER a, PKTIMER b)
{
    PKTIMER top = b == NULL || (a != NULL && earlier(a, b)) ? a : b;
    PKTIMER under = top == a ? b : a;

    if (under != NULL) {
        under->Previous = top;
        under->Next = top->Child;
        if (under->Next != NULL) {
            under->Next->Previous = under;
        }
        top->Child = under;
    }
    return top;
}

/* Of a list of trees one: in pairs from the left, then those pairs from the right. */
static PKTIMER meld_all(PKTIMER first)
{
    PKTIMER pairs = NULL, top = NULL;

    while (first != NULL) {
        PKTIMER a = first;
        PKTIMER b = a->Next;

        first = b != NULL ? b->Next : NULL;
        a = meld(a, b);
        a->Next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        PKTIMER next = pairs->Next;

        top = meld(top, pairs);
        pairs = next;
    }
    if (top != NULL) {
        top->Next = NULL;
        top->Previous = NULL;
    }
    return top;
}

void clock_add(struct nt_host *host, PKTIMER timer)
{
    timer->Order = ++host->timer_order;
    timer->Child = NULL;
    timer->Next = NULL;
    timer->Previous = NULL;
    timer->Set = TRUE;
    host->first_timer = meld(host->first_timer, timer);
}

void clock_remove(struct nt_host *host, PKTIMER timer)
{
    PKTIMER children = meld_all(timer->Child);

    timer->Set = FALSE;
    if (timer == host->first_timer) {
        host->first_timer = children;
        return;
    }
    /* Previous is its left neighbour, or the parent of the leftmost. */
    if (timer->Previous->Child == timer) {
        timer->Previous->Child = timer->Next;
    } else {
        timer->Previous->Next = timer->Next;
    }
    if (timer->Next != NULL) {
        timer->Next->Previous = timer->Previous;
    }
    host->first_timer = meld(host->first_timer, children);
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
    struct nt_driver *watched = dpc->Watched;
    struct nt_host *before = nt_enter(host);
    struct verify_frame frame;
    KIRQL irql = host_cpu.Irql;

    dpc->Queued = FALSE;
    host->dpc_running = dpc->Order;
    pthread_mutex_unlock(&host->clock_lock);
    host_cpu.Irql = DISPATCH_LEVEL;
    if (watched != NULL) {
        verify_enter(&frame, watched, "DPC routine", VERIFY_ADDRESS(routine), NULL);
    }
    routine(dpc, context, argument1, argument2);
    if (watched != NULL) {
        verify_leave(&frame);
    }
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
    if (host->first_timer != NULL && host->first_timer->DueTime <= nt_time(host)) {
        expire(host, host->first_timer);
        return true;
    }
    return false;
}

/* Until something comes or the first timer is due. */
static void clock_sleep(struct nt_host *host)
{
    bool timed = host->first_timer != NULL;
    struct timespec until = nt_timespec(timed ? host->first_timer->DueTime : 0);

    /* Relaxed, here and below: the lock orders it; what the kernel compares only says whether it is too late to sleep. */
    __atomic_store_n(&host->clock_asleep, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&host->clock_lock);
    nt_futex_wait(&host->clock_asleep, 1, timed ? &until : NULL);
    pthread_mutex_lock(&host->clock_lock);
    __atomic_store_n(&host->clock_asleep, 0, __ATOMIC_RELAXED);
}

/* The clock has to look again: a DPC was queued, the earliest due time changed, it is to stop. true: the caller wakes it
 * (nt_futex_wake) after the lock is released, on which it would only stop again. */
static bool clock_rouse(struct nt_host *host)
{
    bool asleep = __atomic_load_n(&host->clock_asleep, __ATOMIC_RELAXED) != 0;

    if (asleep) {
        __atomic_store_n(&host->clock_asleep, 0, __ATOMIC_RELAXED);
    }
    return asleep;
}

static void clock_main(void *argument)
{
    struct nt_host *host = argument;

    pthread_mutex_lock(&host->clock_lock);
    while (!host->clock_stop) {
        if (clock_run_due(host)) {
            continue;
        }
        clock_sleep(host);
    }
    pthread_mutex_unlock(&host->clock_lock);
}

/* See to it that there is a clock. */
static NTSTATUS clock_have(struct nt_host *host)
{
    NTSTATUS status = STATUS_SUCCESS;

    if (!host->simulated && !host->clock_running) {
        status = os_thread_start(host, clock_main, host);
        host->clock_running = NT_SUCCESS(status);
    }
    return status;
}

/* Without the lock. */
NTSTATUS clock_prepare(struct nt_host *host)
{
    NTSTATUS status;

    pthread_mutex_lock(&host->clock_lock);
    status = clock_have(host);
    pthread_mutex_unlock(&host->clock_lock);
    return status;
}

/* There is something new for the clock. A host with a driver has one. Where it is started only now, there is nobody to
 * whom it could be said that there is no thread: then it takes as long as it takes, up to ten seconds. */
static void clock_start(struct nt_host *host, const char *function)
{
    const struct timespec pause = {.tv_nsec = 10 * MILLISECOND};

    if (host->simulated) {
        simulate_rouse(host);
        return;
    }
    for (int tries = 0; !NT_SUCCESS(clock_have(host)); tries++) {
        if (tries == 1000) {
            host_fail(function, "the system has no thread left for the clock");
        }
        nanosleep(&pause, NULL);
    }
}

/* Without the lock. */
void clock_stop(struct nt_host *host)
{
    bool asleep;

    pthread_mutex_lock(&host->clock_lock);
    host->clock_stop = true;
    asleep = clock_rouse(host);
    pthread_mutex_unlock(&host->clock_lock);
    if (asleep) {
        nt_futex_wake(&host->clock_asleep, 1);
    }
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
    Dpc->Watched = verify_driver_here();
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
    bool queued, asleep;

    dpc_check(Dpc, __func__);
    host = clock_host(&Dpc->Host, __func__);
    pthread_mutex_lock(&host->clock_lock);
    queued = dpc_queue(host, Dpc, SystemArgument1, SystemArgument2);
    clock_start(host, __func__);
    asleep = clock_rouse(host);
    pthread_mutex_unlock(&host->clock_lock);
    if (asleep) {
        nt_futex_wake(&host->clock_asleep, 1);
    }
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
    VERIFY_CALLED();
    if (KeGetCurrentIrql() != PASSIVE_LEVEL && host_cpu.Frame == NULL) {
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
    bool was_set, asleep = false;

    VERIFY_CALLED();
    object_check(&Timer->Header, __func__);
    if (Dpc != NULL) {
        dpc_check(Dpc, __func__);
    }
    if (Period < 0) {
        host_fail(__func__, "a period of %d ms", Period);
    }
    host = clock_host(&Timer->Host, __func__);
    pthread_mutex_lock(&host->clock_lock);
    was_set = Timer->Set;
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
    if (Timer == host->first_timer) {
        clock_start(host, __func__);
        asleep = clock_rouse(host);
    }
    pthread_mutex_unlock(&host->clock_lock);
    if (asleep) {
        nt_futex_wake(&host->clock_asleep, 1);
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

    VERIFY_CALLED();
    object_check(&Timer->Header, __func__);
    if (host != NULL) {
        pthread_mutex_lock(&host->clock_lock);
        was_set = Timer->Set;
        if (was_set) {
            clock_remove(host, Timer);
        }
        pthread_mutex_unlock(&host->clock_lock);
    }
    return was_set;
}

BOOLEAN KeReadStateTimer(PKTIMER Timer)
{
    VERIFY_CALLED();
    object_check(&Timer->Header, __func__);
    return COUNT(__atomic_load_n(&Timer->Header.SignalState, __ATOMIC_ACQUIRE)) != 0;
}
