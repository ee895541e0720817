/* SPDX-License-Identifier: MIT */
/*
 * Simulated time: a host's clock that nobody waits for. It stands still while any thread is at work inside the host, and
 * jumps to the next timer when all of them sleep. There is no clock thread: whoever sleeps looks first whether there is
 * something to run or to jump to, so the last one to lie down moves the clock. What a timer or a DPC does is timer.c's
 * business, what a sleeper waits for is wait.c's.
 *
 * Who is at work: `busy` counts the threads inside a call of the client, the work items that wait or run, and everyone
 * who is awake inside a wait. Who lies down gives his count up; who wakes him counts him again before he can run, so
 * that there is no moment between in which the clock could jump. `outside` counts the threads of drivers and cards
 * (PsCreateSystemThread) that are not in a wait: they may be in a world of their own, which this clock knows nothing of.
 * While somebody else is busy or outside, the clock goes at most as fast as real time.
 *
 * A thread inside a call of the client does by itself what real time leaves to workers (nt_defer), so that a program of
 * one thread runs on one thread, in one order.
 *
 * No event is lost: whoever brings `busy` down to nothing, sets an earlier timer or queues a DPC rouses one sleeper, and
 * that one looks again. The decision to lie down is made under clock_lock; who then finds that he was the last one gets
 * up again.
 */
#include "internal.h"
#include "wait.h"

#include <string.h>

#define START    1000000000U /* nothing in a journal is at 0 */
#define GRACE_NS 1000000000U /* a thread that works for longer than this is in a world of its own */

/* How the calling thread is counted, and what it still has to do before it sleeps or is not counted any more. */
static __thread struct nt_held held;

/* Since when one waits for others, in both kinds of time. */
struct pace {
    uint64_t simulated, real;
};

VOID nt_host_simulate(struct nt_host *host)
{
    host->simulated = true;
    __atomic_store_n(&host->now, START, __ATOMIC_RELAXED);
}

/* clock_lock held. */
static void set_now(struct nt_host *host, uint64_t now)
{
    __atomic_store_n(&host->now, now, __ATOMIC_RELEASE);
}

/* ---- who is at work ---------------------------------------------------------------------------------------------- */

void simulate_busy(struct nt_host *host)
{
    __atomic_fetch_add(&host->busy, 1, __ATOMIC_SEQ_CST);
}

static bool anything_to_come(const struct nt_host *host)
{
    return !IsListEmpty(&host->dpcs) || host->first_timer != NULL;
}

void simulate_rouse(struct nt_host *host)
{
    bool roused = false;

    for (struct parker *p = host->sleepers; p != NULL && !roused; p = p->next) {
        pthread_mutex_lock(&p->lock);
        roused = p->idle_in != NULL;
        parker_count(p);
        pthread_cond_signal(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
}

void simulate_idle(struct nt_host *host)
{
    if (__atomic_fetch_sub(&host->busy, 1, __ATOMIC_SEQ_CST) == 1) {
        pthread_mutex_lock(&host->clock_lock);
        if (anything_to_come(host)) {
            simulate_rouse(host);
        }
        pthread_mutex_unlock(&host->clock_lock);
    }
}

BOOLEAN nt_defer(struct nt_host *host, struct nt_work *item)
{
    if (held.host != host || held.outside || held.drivers) {
        return FALSE;
    }
    item->next = NULL;
    *(held.first == NULL ? &held.first : &held.last->next) = item;
    held.last = item;
    return TRUE;
}

static struct nt_work *deferred_take(void)
{
    struct nt_work *item = held.first;

    if (item != NULL) {
        held.first = item->next;
    }
    return item;
}

/* Do what was put off; true: there was something. Without the lock. */
static bool catch_up(struct nt_host *host)
{
    struct nt_host *before = nt_enter(host);
    struct nt_work *item;
    bool any = held.first != NULL;

    while ((item = deferred_take()) != NULL) {
        item->routine(item);
    }
    nt_enter(before);
    return any;
}

/* A driver waits, on whose stack nothing else should run: leave it to workers, so long as there are threads. true:
 * there was none, and what ran here may have taken the parker's wake-up. */
static bool hand_over(struct nt_host *host)
{
    struct nt_work *item;
    bool ran = false;

    while ((item = deferred_take()) != NULL) {
        if (!NT_SUCCESS(nt_work_queue(host, item))) {
            item->routine(item);
            ran = true;
        }
    }
    return ran;
}

/* Run what is due at this moment; true: there was something. Without the lock. */
static bool settle(struct nt_host *host)
{
    bool any = false;
    bool ran;

    do {
        ran = catch_up(host);
        pthread_mutex_lock(&host->clock_lock);
        ran = clock_run_due(host) || ran;
        pthread_mutex_unlock(&host->clock_lock);
        any = any || ran;
    } while (ran);
    return any;
}

struct nt_held nt_hold(struct nt_host *host)
{
    struct nt_held before = held;

    if (before.host != host || before.outside) {
        /* Under the lock: nobody is just about to move the clock when this returns. */
        pthread_mutex_lock(&host->clock_lock);
        host->held++;
        simulate_busy(host);
        pthread_mutex_unlock(&host->clock_lock);
        if (before.host == host) {
            __atomic_fetch_sub(&host->outside, 1, __ATOMIC_SEQ_CST);
        }
        held = (struct nt_held){.host = host, .drivers = before.host == host};
    }
    before.holds = true;
    return before;
}

VOID nt_release(struct nt_held before)
{
    struct nt_host *host = held.host;

    if (before.host == host && !before.outside) {
        return;
    }
    settle(host);
    if (before.host == host) {
        simulate_outside(host);
    }
    held = before;
    simulate_idle(host);
    /* The host may be gone from here on: its end waits for this. */
    pthread_mutex_lock(&host->clock_lock);
    host->held--;
    pthread_cond_broadcast(&host->clock_idle);
    pthread_mutex_unlock(&host->clock_lock);
}

void simulate_wait_for_holders(struct nt_host *host)
{
    pthread_mutex_lock(&host->clock_lock);
    while (host->held > 0) {
        pthread_cond_wait(&host->clock_idle, &host->clock_lock);
    }
    pthread_mutex_unlock(&host->clock_lock);
}

void simulate_work_begins(struct nt_host *host)
{
    held = (struct nt_held){.host = host}; /* the item was counted when it was queued */
}

void simulate_work_ends(struct nt_host *host)
{
    settle(host);
    held = (struct nt_held){.host = NULL};
    simulate_idle(host);
}

void simulate_outside(struct nt_host *host)
{
    __atomic_store_n(&host->outside_since, nt_now(), __ATOMIC_RELAXED);
    __atomic_fetch_add(&host->outside, 1, __ATOMIC_SEQ_CST);
}

void simulate_inside(struct nt_host *host)
{
    simulate_busy(host); /* so that the end of being busy rouses whoever should look again */
    __atomic_fetch_sub(&host->outside, 1, __ATOMIC_SEQ_CST);
    simulate_idle(host);
}

void simulate_thread_begins(struct nt_host *host)
{
    held = (struct nt_held){.host = host, .outside = true};
}

void simulate_thread_goes(struct nt_host *host)
{
    simulate_busy(host); /* as in simulate_inside */
    __atomic_fetch_sub(&host->outside, 1, __ATOMIC_SEQ_CST);
    settle(host);
    held = (struct nt_held){.host = NULL};
    simulate_idle(host);
}

PVOID host_world_begins(VOID)
{
    struct nt_host *host = simulated_here();

    if (host != NULL) {
        simulate_outside(host);
    }
    return host;
}

VOID host_world_ends(PVOID World)
{
    struct nt_host *host = World;

    if (host != NULL) {
        simulate_inside(host);
    }
}

/* ---- the clock; clock_lock is held, and the calling thread is counted ---------------------------------------------- */

static uint64_t later(uint64_t time, uint64_t by)
{
    return by < CLOCK_NEVER - time ? time + by : CLOCK_NEVER;
}

/* When the clock may go on to `next` although others are at work, in real time. */
static uint64_t real_limit(struct nt_host *host, struct pace *pace, uint64_t next, bool others)
{
    uint64_t limit, grace;

    if (pace->real == 0 || pace->simulated != host->now) {
        pace->simulated = host->now;
        pace->real = nt_now();
    }
    limit = later(pace->real, next - host->now);
    grace = later(others ? limit : __atomic_load_n(&host->outside_since, __ATOMIC_RELAXED), GRACE_NS);
    limit = limit > grace ? limit : grace;
    return limit < CLOCK_NEVER ? limit : CLOCK_NEVER - 1; /* it is a limit all the same: see lie_down */
}

/* Move the clock to the next timer. false: it cannot go on yet; *limit says when, in real time, it can all the same. */
static bool move(struct nt_host *host, struct pace *pace, uint64_t *limit)
{
    uint64_t next = host->first_timer != NULL ? host->first_timer->DueTime : CLOCK_NEVER;
    bool others = __atomic_load_n(&host->busy, __ATOMIC_SEQ_CST) > 1;

    *limit = CLOCK_NEVER;
    if (next >= CLOCK_NEVER || next <= host->now || host->dpc_running != 0) {
        return false; /* nowhere to go, or a DPC runs, whose end rouses a sleeper */
    }
    if (others || __atomic_load_n(&host->outside, __ATOMIC_SEQ_CST) > 0) {
        *limit = real_limit(host, pace, next, others);
        if (nt_now() < *limit) {
            return false;
        }
    }
    set_now(host, next);
    return true;
}

/* Lie down until roused, or until `limit` in real time. */
static void lie_down(struct nt_host *host, struct parker *parker, uint64_t limit)
{
    struct timespec until = nt_timespec(limit);
    int error = 0;

    pthread_mutex_lock(&parker->lock);
    if (!parker->woken && !parker->due) {
        parker->idle_in = host;
        if (__atomic_fetch_sub(&host->busy, 1, __ATOMIC_SEQ_CST) == 1 && limit != CLOCK_NEVER &&
            __atomic_load_n(&host->outside, __ATOMIC_SEQ_CST) == 0) {
            parker_count(parker); /* the last of the others has just stopped */
        }
    }
    pthread_mutex_unlock(&host->clock_lock);
    while (parker->idle_in != NULL && error == 0) {
        error = limit == CLOCK_NEVER ? pthread_cond_wait(&parker->wake, &parker->lock)
                                     : pthread_cond_timedwait(&parker->wake, &parker->lock, &until);
    }
    parker_count(parker);
    pthread_mutex_unlock(&parker->lock);
    pthread_mutex_lock(&host->clock_lock);
}

static void sleepers_add(struct nt_host *host, struct parker *parker)
{
    pthread_mutex_lock(&parker->lock);
    parker->due = false;
    pthread_mutex_unlock(&parker->lock);
    parker->next = host->sleepers;
    parker->link = &host->sleepers;
    if (parker->next != NULL) {
        parker->next->link = &parker->next;
    }
    host->sleepers = parker;
}

/* What this one knew of the next timer, another must know now. */
static void sleepers_remove(struct nt_host *host, struct parker *parker)
{
    *parker->link = parker->next;
    if (parker->next != NULL) {
        parker->next->link = parker->link;
    }
    if (anything_to_come(host)) {
        simulate_rouse(host);
    }
}

/* Note among the timers when a sleeper's time has come. */
static void nap_add(struct nt_host *host, struct nap *nap, struct parker *parker, uint64_t due)
{
    memset(nap, 0, sizeof(*nap));
    object_init(&nap->timer.Header, OBJECT_NAP, 0);
    nap->timer.DueTime = due;
    nap->parker = parker;
    if (due < CLOCK_NEVER) {
        clock_add(host, &nap->timer);
    }
}

static void nap_remove(struct nt_host *host, struct nap *nap)
{
    if (nap->timer.Set) {
        clock_remove(host, &nap->timer);
    }
}

static bool is_over(struct parker *parker)
{
    bool over;

    pthread_mutex_lock(&parker->lock);
    over = parker->woken || parker->due;
    pthread_mutex_unlock(&parker->lock);
    return over;
}

/* ---- sleeping and moving on -------------------------------------------------------------------------------------- */

/* Sleep until woken, or until there is something to catch up with; false: until `due`. The thread is held. */
static bool sleep_until(struct nt_host *host, struct parker *parker, uint64_t due)
{
    struct nap nap;
    struct pace pace = {0};
    uint64_t limit;
    bool woken;

    pthread_mutex_lock(&host->clock_lock);
    sleepers_add(host, parker);
    nap_add(host, &nap, parker, due);
    while (!is_over(parker) && held.first == NULL) {
        if (!clock_run_due(host) && !move(host, &pace, &limit)) {
            lie_down(host, parker, limit);
        }
    }
    nap_remove(host, &nap);
    sleepers_remove(host, parker);
    pthread_mutex_lock(&parker->lock);
    woken = parker->woken || !parker->due;
    parker->woken = false;
    pthread_mutex_unlock(&parker->lock);
    pthread_mutex_unlock(&host->clock_lock);
    return woken;
}

bool simulate_sleep(struct nt_host *host, struct parker *parker, uint64_t due)
{
    struct nt_held before = nt_hold(host);
    bool woken = true;

    if (!hand_over(host)) {
        woken = sleep_until(host, parker, due);
        hand_over(host); /* the driver goes on, for who knows how long */
    }
    nt_release(before);
    return woken;
}

BOOLEAN nt_sleep(struct nt_host *host, _Atomic uint32_t *word, uint32_t seen, uint64_t until)
{
    struct parker *parker = parker_get();
    struct nt_held before = nt_hold(host);
    struct waiter waiter;
    bool in_time = catch_up(host) || nt_time(host) < until;

    if (in_time) {
        wait_enqueue(&waiter, (const void *)word, NULL, parker);
        /* Who changes the word looks for waiters afterwards: either he finds this one, or this sees the change. */
        if (atomic_load(word) == seen) {
            in_time = sleep_until(host, parker, until);
        }
        wait_dequeue(&waiter, NULL);
        parker->woken = false; /* a wake that came too late; nobody knows this parker any more, so no lock is needed */
    }
    nt_release(before);
    return in_time;
}

VOID nt_wake(const _Atomic uint32_t *word)
{
    wait_wake((const void *)word);
}

void nap_over(PKTIMER timer)
{
    struct parker *parker = CONTAINING_RECORD(timer, struct nap, timer)->parker;

    pthread_mutex_lock(&parker->lock);
    parker->due = true;
    parker_count(parker);
    pthread_cond_signal(&parker->wake);
    pthread_mutex_unlock(&parker->lock);
}

/* Move the clock once, or have another thread do it, or run what has come up meanwhile; true: that. */
static bool move_once(struct nt_host *host, struct parker *parker, uint64_t limit_ns, uint64_t *passed_ns)
{
    struct pace pace = {0};
    struct nap nap; /* at the limit, so that whoever moves the clock knows of it */
    uint64_t start, limit;
    bool ran = false;

    pthread_mutex_lock(&host->clock_lock);
    start = host->now;
    sleepers_add(host, parker);
    nap_add(host, &nap, parker, limit_ns == UINT64_MAX ? CLOCK_NEVER : later(start, limit_ns - limit_ns % 100));
    while (!ran && host->now == start && nap.timer.DueTime > start && host->first_timer != NULL &&
           host->first_timer->DueTime < CLOCK_NEVER) {
        ran = clock_run_due(host);
        if (!ran && !move(host, &pace, &limit)) {
            lie_down(host, parker, limit);
        }
    }
    *passed_ns = host->now - start;
    nap_remove(host, &nap);
    sleepers_remove(host, parker);
    pthread_mutex_unlock(&host->clock_lock);
    return ran;
}

BOOLEAN nt_advance(struct nt_host *host, uint64_t limit_ns, uint64_t *passed_ns)
{
    struct nt_held before;
    bool ran;

    *passed_ns = 0;
    if (!host->simulated) {
        return FALSE;
    }
    before = nt_hold(host);
    ran = settle(host) || move_once(host, parker_get(), limit_ns, passed_ns);
    ran = settle(host) || ran;
    nt_release(before);
    return ran;
}

void simulate_stall(struct nt_host *host, uint64_t nanoseconds)
{
    pthread_mutex_lock(&host->clock_lock);
    set_now(host, host->now + nanoseconds);
    if (anything_to_come(host)) {
        simulate_rouse(host);
    }
    pthread_mutex_unlock(&host->clock_lock);
}
