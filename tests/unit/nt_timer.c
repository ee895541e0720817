/* SPDX-License-Identifier: MIT */
/*
 * Timers and DPCs.
 */
#include "nt_helper.h"

#include <pthread.h>

struct seen {
    KEVENT event;
    LONG count; /* atomic */
    KIRQL irql;
    struct nt_host *host;
    uint64_t when;
    PVOID argument1, argument2;
};

static void see(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct seen *seen = context;

    seen->irql = KeGetCurrentIrql();
    seen->host = nt_enter(NULL);
    nt_enter(seen->host);
    seen->when = nt_now();
    seen->argument1 = argument1;
    seen->argument2 = argument2;
    InterlockedIncrement(&seen->count);
    KeSetEvent(&seen->event, 0, FALSE);
}

static void seen_init(struct seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    KeInitializeEvent(&seen->event, SynchronizationEvent, FALSE);
}

static void wait_for(PVOID object)
{
    LARGE_INTEGER limit = milliseconds(20000);

    assert_int_equal(KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &limit), STATUS_SUCCESS);
}

static void timer_runs_its_dpc_when_due_at_dispatch_level_in_its_host(void **state)
{
    uint64_t start = nt_now();
    struct seen seen;
    KTIMER timer;
    KDPC dpc;

    seen_init(&seen);
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, see, &seen);
    assert_false(KeSetTimer(&timer, milliseconds(20), &dpc));
    assert_false(KeReadStateTimer(&timer));
    wait_for(&seen.event);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.irql, DISPATCH_LEVEL);
    assert_ptr_equal(seen.host, *state);
    assert_true(seen.when - start >= 20 * MS);
    assert_true(KeReadStateTimer(&timer));
    KeFlushQueuedDpcs();
}

static void timer_can_be_waited_for_and_is_reset_by_setting_it(void **state)
{
    KTIMER timer;

    KeInitializeTimerEx(&timer, NotificationTimer);
    KeSetTimer(&timer, milliseconds(1), NULL);
    wait_for(&timer);
    wait_for(&timer); /* stays signalled */
    KeSetTimer(&timer, milliseconds(60000), NULL);
    assert_false(KeReadStateTimer(&timer));
    assert_true(KeCancelTimer(&timer));
    assert_false(KeCancelTimer(&timer));
}

static void setting_a_set_timer_replaces_its_due_time(void **state)
{
    struct seen seen;
    KTIMER timer;
    KDPC dpc;

    seen_init(&seen);
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, see, &seen);
    assert_false(KeSetTimer(&timer, milliseconds(600000), &dpc));
    assert_true(KeSetTimer(&timer, milliseconds(1), &dpc));
    wait_for(&seen.event);
    assert_false(KeCancelTimer(&timer));
    KeFlushQueuedDpcs();
    assert_int_equal(seen.count, 1);
}

static void cancelled_timer_never_fires(void **state)
{
    LARGE_INTEGER longer = milliseconds(40);
    struct seen seen;
    KTIMER timer;
    KDPC dpc;

    seen_init(&seen);
    KeInitializeTimer(&timer);
    assert_false(KeCancelTimer(&timer));
    KeInitializeDpc(&dpc, see, &seen);
    KeSetTimer(&timer, milliseconds(20), &dpc);
    assert_true(KeCancelTimer(&timer));
    KeDelayExecutionThread(KernelMode, FALSE, &longer);
    KeFlushQueuedDpcs();
    assert_int_equal(seen.count, 0);
}

static void periodic_timer_fires_until_it_is_cancelled(void **state)
{
    LARGE_INTEGER longer = milliseconds(20);
    struct seen seen;
    KTIMER timer;
    KDPC dpc;
    LONG count;

    seen_init(&seen);
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, see, &seen);
    KeSetTimerEx(&timer, milliseconds(2), 2, &dpc);
    for (int i = 0; i < 5; i++) {
        wait_for(&seen.event);
    }
    assert_true(KeCancelTimer(&timer));
    KeFlushQueuedDpcs();
    count = InterlockedExchangeAdd(&seen.count, 0);
    assert_true(count >= 5);
    KeDelayExecutionThread(KernelMode, FALSE, &longer);
    assert_int_equal(InterlockedExchangeAdd(&seen.count, 0), count);
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

#define MANY        500
#define MILLISECOND 10000 /* of system time */

static int order[MANY];
static LONG fired; /* atomic */

static void note(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    order[fired++] = (int)(intptr_t)context;
}

static void timers_fire_in_order_of_their_due_times(void **state)
{
    static KTIMER timers[MANY];
    static KDPC dpcs[MANY];
    LARGE_INTEGER base, due;
    KTIMER last;

    fired = 0;
    KeQuerySystemTime(&base);
    base.QuadPart += 2000 * MILLISECOND; /* by then all are set, and half of them cancelled */
    for (int i = 0; i < MANY; i++) {
        int rank = i * 37 % MANY; /* 37 and 500 have no common divisor: every rank once */

        KeInitializeTimer(&timers[i]);
        KeInitializeDpc(&dpcs[i], note, (PVOID)(intptr_t)rank);
        due.QuadPart = base.QuadPart + rank * MILLISECOND;
        KeSetTimer(&timers[i], due, &dpcs[i]);
    }
    KeInitializeTimer(&last);
    due.QuadPart = base.QuadPart + MANY * MILLISECOND;
    KeSetTimer(&last, due, NULL);
    for (int i = 0; i < MANY; i += 2) {
        assert_true(KeCancelTimer(&timers[i])); /* out of the middle of the heap */
    }
    wait_for(&last);
    KeFlushQueuedDpcs();
    assert_int_equal(fired, MANY / 2);
    for (int i = 1; i < MANY / 2; i++) {
        assert_true(order[i - 1] < order[i]);
    }
}

/* ---- DPCs -------------------------------------------------------------------------------------------------------- */

static void queued_dpc_gets_its_arguments(void **state)
{
    struct seen seen;
    KDPC dpc;
    int a, b;

    seen_init(&seen);
    KeInitializeDpc(&dpc, see, &seen);
    assert_true(KeInsertQueueDpc(&dpc, &a, &b));
    wait_for(&seen.event);
    assert_ptr_equal(seen.argument1, &a);
    assert_ptr_equal(seen.argument2, &b);
    assert_int_equal(seen.irql, DISPATCH_LEVEL);
    KeFlushQueuedDpcs();
}

struct gate {
    LONG entered, open; /* atomic */
};

static void hold(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct gate *gate = context;

    InterlockedExchange(&gate->entered, 1);
    while (!InterlockedExchangeAdd(&gate->open, 0)) {
        KeStallExecutionProcessor(100);
    }
}

static void dpc_is_queued_once_and_can_be_taken_back_until_it_runs(void **state)
{
    struct gate gate = {0, 0};
    struct seen seen;
    KDPC blocker, dpc;

    seen_init(&seen);
    KeInitializeDpc(&blocker, hold, &gate);
    KeInitializeDpc(&dpc, see, &seen);
    KeInsertQueueDpc(&blocker, NULL, NULL);
    while (!InterlockedExchangeAdd(&gate.entered, 0)) {
        KeStallExecutionProcessor(100);
    }
    assert_true(KeInsertQueueDpc(&dpc, NULL, NULL));
    assert_false(KeInsertQueueDpc(&dpc, NULL, NULL));
    assert_true(KeRemoveQueueDpc(&dpc));
    assert_false(KeRemoveQueueDpc(&dpc));
    InterlockedExchange(&gate.open, 1);
    KeFlushQueuedDpcs();
    assert_int_equal(seen.count, 0);
}

static void *open_later(void *gate)
{
    usleep(20000);
    InterlockedExchange(&((struct gate *)gate)->open, 1);
    return NULL;
}

/* A DPC that is taken back must not be mistaken for the one that still runs. */
static void flush_waits_for_the_running_dpc(void **state)
{
    struct gate gate = {0, 0};
    struct seen seen;
    KDPC blocker, dpc;
    pthread_t thread;

    seen_init(&seen);
    KeInitializeDpc(&blocker, hold, &gate);
    KeInitializeDpc(&dpc, see, &seen);
    KeInsertQueueDpc(&blocker, NULL, NULL);
    while (!InterlockedExchangeAdd(&gate.entered, 0)) {
        KeStallExecutionProcessor(100);
    }
    KeInsertQueueDpc(&dpc, NULL, NULL);
    KeRemoveQueueDpc(&dpc);
    assert_int_equal(pthread_create(&thread, NULL, open_later, &gate), 0);
    KeFlushQueuedDpcs();
    assert_int_equal(InterlockedExchangeAdd(&gate.open, 0), 1);
    pthread_join(thread, NULL);
}

struct crowd {
    struct nt_host *host;
    KDPC dpc;
    struct seen seen;
};

static void *queue_one(void *context)
{
    struct crowd *crowd = context;

    nt_enter(crowd->host);
    for (int i = 0; i < 2000; i++) {
        KeInsertQueueDpc(&crowd->dpc, NULL, NULL);
        if (i % 3 == 0) {
            KeRemoveQueueDpc(&crowd->dpc);
        }
    }
    return NULL;
}

/* It is checked without the lock that guards whether it is queued. */
static void one_dpc_can_be_queued_by_many_threads_while_it_runs(void **state)
{
    struct crowd crowd = {.host = *state};
    pthread_t threads[3];

    seen_init(&crowd.seen);
    KeInitializeDpc(&crowd.dpc, see, &crowd.seen);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, queue_one, &crowd), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    KeFlushQueuedDpcs();
    assert_true(crowd.seen.count > 0 && crowd.seen.count <= 6000);
    assert_true(KeInsertQueueDpc(&crowd.dpc, NULL, NULL));
    KeFlushQueuedDpcs();
}

static void *arm_and_disarm(void *host)
{
    struct seen seen;
    KTIMER timer;
    KDPC dpc;

    nt_enter(host);
    seen_init(&seen);
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, see, &seen);
    for (int i = 0; i < 500; i++) {
        KeSetTimer(&timer, milliseconds(i % 3), &dpc);
        if (i % 2) {
            KeCancelTimer(&timer);
        }
    }
    KeCancelTimer(&timer);
    KeFlushQueuedDpcs();
    return NULL;
}

static void set_unset_from_many_threads(struct nt_host *host)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, arm_and_disarm, host), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void timers_can_be_armed_and_disarmed_by_many_threads(void **state)
{
    set_unset_from_many_threads(*state);
}

static void set_outside(void)
{
    KTIMER timer;

    nt_enter(NULL);
    KeInitializeTimer(&timer);
    KeSetTimer(&timer, milliseconds(1), NULL);
}

static void timer_outside_a_host_is_refused(void **state)
{
    assert_dies(set_outside, "smartcrd: KeSetTimerEx: this thread is inside no host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_host(timer_runs_its_dpc_when_due_at_dispatch_level_in_its_host),
        with_host(timer_can_be_waited_for_and_is_reset_by_setting_it),
        with_host(setting_a_set_timer_replaces_its_due_time),
        with_host(cancelled_timer_never_fires),
        with_host(periodic_timer_fires_until_it_is_cancelled),
        with_host(timers_fire_in_order_of_their_due_times),
        with_host(queued_dpc_gets_its_arguments),
        with_host(dpc_is_queued_once_and_can_be_taken_back_until_it_runs),
        with_host(flush_waits_for_the_running_dpc),
        with_host(one_dpc_can_be_queued_by_many_threads_while_it_runs),
        with_host(timers_can_be_armed_and_disarmed_by_many_threads),
        with_host(timer_outside_a_host_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
