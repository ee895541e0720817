/* SPDX-License-Identifier: MIT */
/*
 * IRQL, spin locks, atomics and lists.
 */
#include "nt_helper.h"

#include <pthread.h>

static KSPIN_LOCK lock;
static int guarded; /* by lock */

static void irql_follows_raising_lowering_and_spin_locks(void **state)
{
    KIRQL old, older;

    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
    KeRaiseIrql(APC_LEVEL, &older);
    assert_int_equal(older, PASSIVE_LEVEL);
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &old);
    assert_int_equal(old, APC_LEVEL);
    assert_int_equal(KeGetCurrentIrql(), DISPATCH_LEVEL);
    KeReleaseSpinLock(&lock, old);
    assert_int_equal(KeGetCurrentIrql(), APC_LEVEL);
    KeLowerIrql(older);
    assert_int_equal(KeRaiseIrqlToDpcLevel(), PASSIVE_LEVEL);
    KeAcquireSpinLockAtDpcLevel(&lock);
    KeReleaseSpinLockFromDpcLevel(&lock);
    assert_int_equal(KeGetCurrentIrql(), DISPATCH_LEVEL);
    KeLowerIrql(PASSIVE_LEVEL);
}

static void *see_irql(void *irql)
{
    *(KIRQL *)irql = KeGetCurrentIrql();
    return NULL;
}

static void irql_belongs_to_the_thread(void **state)
{
    KIRQL old, other = HIGH_LEVEL;
    pthread_t thread;

    KeRaiseIrql(DISPATCH_LEVEL, &old);
    pthread_create(&thread, NULL, see_irql, &other);
    pthread_join(thread, NULL);
    KeLowerIrql(old);
    assert_int_equal(other, PASSIVE_LEVEL);
}

static void *count_up(void *unused)
{
    for (int i = 0; i < 5000; i++) {
        KIRQL old;

        KeAcquireSpinLock(&lock, &old);
        guarded++;
        KeReleaseSpinLock(&lock, old);
    }
    return NULL;
}

static void spin_lock_lets_one_thread_in_at_a_time(void **state)
{
    pthread_t threads[4];

    KeInitializeSpinLock(&lock);
    guarded = 0;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(guarded, 20000);
}

static void raise_downwards(void)
{
    KIRQL old;

    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeRaiseIrql(APC_LEVEL, &old);
}

static void lower_upwards(void)
{
    KeLowerIrql(DISPATCH_LEVEL);
}

static void take_twice(void)
{
    KIRQL old;

    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &old);
    KeAcquireSpinLock(&lock, &old);
}

static void release_free(void)
{
    KeInitializeSpinLock(&lock);
    KeReleaseSpinLock(&lock, PASSIVE_LEVEL);
}

static void take_too_low(void)
{
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLockAtDpcLevel(&lock);
}

static void check_bug(void)
{
    KeBugCheckEx(0xE2, 1, 2, 3, 4);
}

static void wrong_use_ends_the_process_with_a_sentence(void **state)
{
    assert_dies(raise_downwards, "smartcrd: KeRaiseIrql: raising IRQL from 2 to 1\n");
    assert_dies(lower_upwards, "smartcrd: KeLowerIrql: lowering IRQL from 0 to 2\n");
    assert_dies(take_twice, "this thread holds the spin lock at ");
    assert_dies(release_free, "is not held by this thread");
    assert_dies(take_too_low, "smartcrd: KeAcquireSpinLockAtDpcLevel: called at IRQL 0\n");
    assert_dies(check_bug, "smartcrd: KeBugCheckEx: code 0x000000E2 (0x1, 0x2, 0x3, 0x4)\n");
}

static void atomics_return_what_windows_returns(void **state)
{
    volatile LONG value = 5;
    volatile LONG64 wide = 0x100000000;
    PVOID pointer = NULL;
    int a, b;

    assert_int_equal(InterlockedIncrement(&value), 6);
    assert_int_equal(InterlockedDecrement(&value), 5);
    assert_int_equal(InterlockedExchange(&value, 7), 5);
    assert_int_equal(InterlockedExchangeAdd(&value, 3), 7);
    assert_int_equal(InterlockedCompareExchange(&value, 1, 9), 10);
    assert_int_equal(InterlockedCompareExchange(&value, 1, 10), 10);
    assert_int_equal(InterlockedOr(&value, 6), 1);
    assert_int_equal(InterlockedAnd(&value, 3), 7);
    assert_int_equal(value, 3);
    assert_true(InterlockedIncrement64(&wide) == 0x100000001);
    assert_true(InterlockedCompareExchange64(&wide, 4, 0x100000001) == 0x100000001);
    assert_true(InterlockedExchange64(&wide, 5) == 4);
    assert_null(InterlockedExchangePointer(&pointer, &a));
    assert_ptr_equal(InterlockedCompareExchangePointer(&pointer, &b, NULL), &a);
    assert_ptr_equal(InterlockedCompareExchangePointer(&pointer, &b, &a), &a);
    assert_ptr_equal(pointer, &b);
}

static void lists_keep_their_order(void **state)
{
    LIST_ENTRY head, a, b, c;

    InitializeListHead(&head);
    assert_true(IsListEmpty(&head));
    assert_ptr_equal(RemoveHeadList(&head), &head);
    InsertTailList(&head, &b);
    InsertTailList(&head, &c);
    InsertHeadList(&head, &a);
    assert_false(RemoveEntryList(&b));
    assert_ptr_equal(RemoveHeadList(&head), &a);
    assert_ptr_equal(RemoveTailList(&head), &c);
    assert_true(IsListEmpty(&head));
    InsertTailList(&head, &a);
    assert_true(RemoveEntryList(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(irql_follows_raising_lowering_and_spin_locks),
        cmocka_unit_test(irql_belongs_to_the_thread),
        cmocka_unit_test(spin_lock_lets_one_thread_in_at_a_time),
        cmocka_unit_test(wrong_use_ends_the_process_with_a_sentence),
        cmocka_unit_test(atomics_return_what_windows_returns),
        cmocka_unit_test(lists_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
