/* SPDX-License-Identifier: MIT */
/*
 * Dispatcher objects: events, mutexes, semaphores, fast mutexes, remove locks, and waiting for them.
 */
#include "nt_helper.h"

#include <pthread.h>

static NTSTATUS wait_ms(PVOID object, LONGLONG ms)
{
    LARGE_INTEGER timeout = milliseconds(ms);

    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &timeout);
}

static NTSTATUS wait_ever(PVOID object)
{
    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static void notification_event_stays_set_until_reset(void **state)
{
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    assert_int_equal(KeReadStateEvent(&event), 0);
    assert_int_equal(wait_ms(&event, 0), STATUS_TIMEOUT);
    assert_int_equal(KeSetEvent(&event, 0, FALSE), 0);
    assert_int_equal(KeSetEvent(&event, 0, FALSE), 1);
    assert_int_equal(wait_ms(&event, 0), STATUS_SUCCESS);
    assert_int_equal(wait_ever(&event), STATUS_SUCCESS);
    assert_int_equal(KeResetEvent(&event), 1);
    assert_int_equal(wait_ms(&event, 0), STATUS_TIMEOUT);
}

static void synchronization_event_lets_one_through(void **state)
{
    KEVENT event;

    KeInitializeEvent(&event, SynchronizationEvent, TRUE);
    assert_int_equal(wait_ever(&event), STATUS_SUCCESS);
    assert_int_equal(KeReadStateEvent(&event), 0);
    assert_int_equal(wait_ms(&event, 5), STATUS_TIMEOUT);
}

static void relative_timeout_is_not_shortened(void **state)
{
    KEVENT event;
    uint64_t start = nt_now();

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    assert_int_equal(wait_ms(&event, 30), STATUS_TIMEOUT);
    assert_true(nt_now() - start >= 30 * MS);
}

static void absolute_timeout_in_the_past_only_looks(void **state)
{
    LARGE_INTEGER past = {.QuadPart = 1};
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    assert_int_equal(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &past), STATUS_TIMEOUT);
}

static void absolute_timeout_counts_system_time(void **state)
{
    LARGE_INTEGER due;
    uint64_t start = nt_now();
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeQuerySystemTime(&due);
    due.QuadPart += 200000; /* 20 ms */
    assert_int_equal(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &due), STATUS_TIMEOUT);
    assert_true(nt_now() - start >= 19 * MS);
}

/* An event on the waiter's stack is gone as soon as the wait is over: whoever sets it must not touch it again. */
static void *set_it(void *event)
{
    KeSetEvent(event, 0, FALSE);
    return NULL;
}

static void event_may_be_freed_once_the_wait_is_over(void **state)
{
    for (int i = 0; i < 300; i++) {
        KEVENT *event = malloc(sizeof(*event));
        pthread_t thread;

        KeInitializeEvent(event, i % 2 ? NotificationEvent : SynchronizationEvent, FALSE);
        assert_int_equal(pthread_create(&thread, NULL, set_it, event), 0);
        assert_int_equal(wait_ever(event), STATUS_SUCCESS);
        free(event);
        pthread_join(thread, NULL);
    }
}

/* ---- ping-pong: no wake is lost ---------------------------------------------------------------------------------- */

static KEVENT ping, pong;

static void *answer(void *count)
{
    for (int i = 0; i < *(int *)count; i++) {
        wait_ever(&ping);
        KeSetEvent(&pong, 0, FALSE);
    }
    return NULL;
}

static void no_wake_is_lost_between_two_threads(void **state)
{
    int count = 2000;
    pthread_t thread;

    KeInitializeEvent(&ping, SynchronizationEvent, FALSE);
    KeInitializeEvent(&pong, SynchronizationEvent, FALSE);
    assert_int_equal(pthread_create(&thread, NULL, answer, &count), 0);
    for (int i = 0; i < count; i++) {
        KeSetEvent(&ping, 0, FALSE);
        assert_int_equal(wait_ever(&pong), STATUS_SUCCESS);
    }
    pthread_join(thread, NULL);
}

/* ---- mutexes ----------------------------------------------------------------------------------------------------- */

static KMUTEX mutex;
static int guarded; /* by mutex */

static void *count_up(void *unused)
{
    for (int i = 0; i < 1000; i++) {
        wait_ever(&mutex);
        guarded++;
        KeReleaseMutex(&mutex, FALSE);
    }
    return NULL;
}

static void mutex_lets_one_thread_in_at_a_time(void **state)
{
    pthread_t threads[4];

    KeInitializeMutex(&mutex, 0);
    guarded = 0;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(guarded, 4000);
    assert_int_equal(KeReadStateMutex(&mutex), 1);
}

static void *try_mutex(void *status)
{
    *(NTSTATUS *)status = wait_ms(&mutex, 0);
    return NULL;
}

static void mutex_is_recursive_and_free_after_as_many_releases(void **state)
{
    NTSTATUS other = STATUS_UNSUCCESSFUL;
    pthread_t thread;

    KeInitializeMutex(&mutex, 0);
    assert_int_equal(wait_ever(&mutex), STATUS_SUCCESS);
    assert_int_equal(wait_ever(&mutex), STATUS_SUCCESS);
    assert_int_equal(KeReadStateMutex(&mutex), 0);
    KeReleaseMutex(&mutex, FALSE);
    pthread_create(&thread, NULL, try_mutex, &other);
    pthread_join(thread, NULL);
    assert_int_equal(other, STATUS_TIMEOUT);
    assert_int_equal(KeReleaseMutex(&mutex, FALSE), 0);
    assert_int_equal(KeReadStateMutex(&mutex), 1);
}

static void release_foreign_mutex(void)
{
    KMUTEX free_one;

    KeInitializeMutex(&free_one, 0);
    KeReleaseMutex(&free_one, FALSE);
}

static void wait_uninitialised(void)
{
    KEVENT event;

    memset(&event, 0, sizeof(event));
    wait_ever(&event);
}

static void wait_too_high(void)
{
    KEVENT event;
    KIRQL old;

    KeInitializeEvent(&event, NotificationEvent, TRUE);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    wait_ever(&event);
}

static void wrong_use_ends_the_process_with_a_sentence(void **state)
{
    assert_dies(release_foreign_mutex, "smartcrd: KeReleaseMutex: the mutex at ");
    assert_dies(wait_uninitialised, "smartcrd: KeWaitForSingleObject: the object at ");
    assert_dies(wait_too_high, "called at IRQL 2; a wait needs PASSIVE_LEVEL");
}

static void looking_is_allowed_at_dispatch_level(void **state)
{
    KEVENT event;
    KIRQL old;

    KeInitializeEvent(&event, SynchronizationEvent, TRUE);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    assert_int_equal(wait_ms(&event, 0), STATUS_SUCCESS);
    assert_int_equal(wait_ms(&event, 0), STATUS_TIMEOUT);
    KeLowerIrql(old);
}

/* ---- semaphores -------------------------------------------------------------------------------------------------- */

static void semaphore_counts(void **state)
{
    KSEMAPHORE semaphore;

    KeInitializeSemaphore(&semaphore, 1, 3);
    assert_int_equal(wait_ms(&semaphore, 0), STATUS_SUCCESS);
    assert_int_equal(wait_ms(&semaphore, 0), STATUS_TIMEOUT);
    assert_int_equal(KeReleaseSemaphore(&semaphore, 0, 3, FALSE), 0);
    assert_int_equal(KeReadStateSemaphore(&semaphore), 3);
    assert_int_equal(wait_ever(&semaphore), STATUS_SUCCESS);
    assert_int_equal(KeReadStateSemaphore(&semaphore), 2);
}

static void pass_the_limit(void)
{
    KSEMAPHORE semaphore;

    KeInitializeSemaphore(&semaphore, 2, 3);
    KeReleaseSemaphore(&semaphore, 0, 2, FALSE);
}

static void semaphore_has_a_limit(void **state)
{
    assert_dies(pass_the_limit, "adding 2 to 2 passes the limit of 3");
}

/* ---- several objects --------------------------------------------------------------------------------------------- */

static void wait_any_tells_which(void **state)
{
    LARGE_INTEGER soon = milliseconds(5);
    KEVENT a, b;
    PVOID objects[] = {&a, &b};

    KeInitializeEvent(&a, SynchronizationEvent, FALSE);
    KeInitializeEvent(&b, SynchronizationEvent, FALSE);
    assert_int_equal(KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, &soon, NULL),
                     STATUS_TIMEOUT);
    KeSetEvent(&b, 0, FALSE);
    assert_int_equal(KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL), 1);
    assert_int_equal(KeReadStateEvent(&b), 0);
}

static void wait_all_takes_nothing_unless_it_gets_everything(void **state)
{
    LARGE_INTEGER soon = milliseconds(5);
    KSEMAPHORE semaphore;
    KEVENT a, b;
    PVOID objects[] = {&a, &semaphore, &b};

    KeInitializeEvent(&a, SynchronizationEvent, TRUE);
    KeInitializeSemaphore(&semaphore, 2, 2);
    KeInitializeEvent(&b, SynchronizationEvent, FALSE);
    assert_int_equal(KeWaitForMultipleObjects(3, objects, WaitAll, Executive, KernelMode, FALSE, &soon, NULL),
                     STATUS_TIMEOUT);
    assert_int_equal(KeReadStateEvent(&a), 1);
    assert_int_equal(KeReadStateSemaphore(&semaphore), 2);
    KeSetEvent(&b, 0, FALSE);
    assert_int_equal(KeWaitForMultipleObjects(3, objects, WaitAll, Executive, KernelMode, FALSE, NULL, NULL), 0);
    assert_int_equal(KeReadStateEvent(&a), 0);
    assert_int_equal(KeReadStateEvent(&b), 0);
    assert_int_equal(KeReadStateSemaphore(&semaphore), 1);
}

static void *set_both(void *events)
{
    KEVENT **e = events;

    for (int i = 0; i < 500; i++) {
        KeSetEvent(e[0], 0, FALSE);
        KeSetEvent(e[1], 0, FALSE);
        wait_ever(e[2]);
    }
    return NULL;
}

static void wait_all_wakes_when_the_last_one_is_set(void **state)
{
    KEVENT a, b, again;
    KEVENT *events[] = {&a, &b, &again};
    PVOID objects[] = {&a, &b};
    pthread_t thread;

    for (int i = 0; i < 3; i++) {
        KeInitializeEvent(events[i], SynchronizationEvent, FALSE);
    }
    assert_int_equal(pthread_create(&thread, NULL, set_both, events), 0);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, NULL, NULL), 0);
        KeSetEvent(&again, 0, FALSE);
    }
    pthread_join(thread, NULL);
}

/* ---- fast mutexes and remove locks --------------------------------------------------------------------------------- */

static void fast_mutex_is_held_at_apc_level(void **state)
{
    FAST_MUTEX fast;

    ExInitializeFastMutex(&fast);
    ExAcquireFastMutex(&fast);
    assert_int_equal(KeGetCurrentIrql(), APC_LEVEL);
    ExReleaseFastMutex(&fast);
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
    assert_true(ExTryToAcquireFastMutex(&fast));
    ExReleaseFastMutex(&fast);
}

static void *release_later(void *lock)
{
    LARGE_INTEGER a_while = milliseconds(20);

    KeDelayExecutionThread(KernelMode, FALSE, &a_while);
    IoReleaseRemoveLock((PIO_REMOVE_LOCK)lock, NULL);
    return NULL;
}

static void remove_lock_waits_for_the_last_holder_and_refuses_new_ones(void **state)
{
    IO_REMOVE_LOCK lock;
    uint64_t start = nt_now();
    pthread_t thread;

    IoInitializeRemoveLock(&lock, 0, 0, 0);
    assert_int_equal(IoAcquireRemoveLock(&lock, NULL), STATUS_SUCCESS); /* the other thread's */
    assert_int_equal(IoAcquireRemoveLock(&lock, NULL), STATUS_SUCCESS); /* ours */
    assert_int_equal(pthread_create(&thread, NULL, release_later, &lock), 0);
    IoReleaseRemoveLockAndWait(&lock, NULL);
    assert_true(nt_now() - start >= 20 * MS);
    assert_int_equal(IoAcquireRemoveLock(&lock, NULL), STATUS_DELETE_PENDING);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notification_event_stays_set_until_reset),
        cmocka_unit_test(synchronization_event_lets_one_through),
        cmocka_unit_test(relative_timeout_is_not_shortened),
        cmocka_unit_test(absolute_timeout_in_the_past_only_looks),
        cmocka_unit_test(absolute_timeout_counts_system_time),
        cmocka_unit_test(event_may_be_freed_once_the_wait_is_over),
        cmocka_unit_test(no_wake_is_lost_between_two_threads),
        cmocka_unit_test(mutex_lets_one_thread_in_at_a_time),
        cmocka_unit_test(mutex_is_recursive_and_free_after_as_many_releases),
        cmocka_unit_test(wrong_use_ends_the_process_with_a_sentence),
        cmocka_unit_test(looking_is_allowed_at_dispatch_level),
        cmocka_unit_test(semaphore_counts),
        cmocka_unit_test(semaphore_has_a_limit),
        cmocka_unit_test(wait_any_tells_which),
        cmocka_unit_test(wait_all_takes_nothing_unless_it_gets_everything),
        cmocka_unit_test(wait_all_wakes_when_the_last_one_is_set),
        cmocka_unit_test(fast_mutex_is_held_at_apc_level),
        cmocka_unit_test(remove_lock_waits_for_the_last_holder_and_refuses_new_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
