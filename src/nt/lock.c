/* SPDX-License-Identifier: MIT */
/*
 * IRQL and spin locks. A spin lock's word is the address of its holder's thread state, 0 while it is free. Threads of a
 * process lose their processor while they hold one, so whoever waits gives its own away soon.
 */
#include "internal.h"

#include <sched.h>
#include <time.h>

#define SPINS    64 /* tries before the first yield */
#define YIELDS   64 /* yields before the first sleep */
#define SLEEP_NS 20000

VOID KeRaiseIrql(KIRQL NewIrql, PKIRQL OldIrql)
{
    if (NewIrql < host_cpu.Irql) {
        host_fail(__func__, "raising IRQL from %d to %d", host_cpu.Irql, NewIrql);
    }
    *OldIrql = host_cpu.Irql;
    host_cpu.Irql = NewIrql;
}

KIRQL KeRaiseIrqlToDpcLevel(void)
{
    KIRQL old;

    KeRaiseIrql(DISPATCH_LEVEL, &old);
    return old;
}

VOID KeLowerIrql(KIRQL NewIrql)
{
    if (NewIrql > host_cpu.Irql) {
        host_fail(__func__, "lowering IRQL from %d to %d", host_cpu.Irql, NewIrql);
    }
    host_cpu.Irql = NewIrql;
}

static KSPIN_LOCK self(void)
{
    return (KSPIN_LOCK)&host_cpu;
}

static bool try_lock(PKSPIN_LOCK lock)
{
    KSPIN_LOCK expected = 0;

    return __atomic_compare_exchange_n(lock, &expected, self(), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void __attribute__((noinline)) lock_slowly(PKSPIN_LOCK lock)
{
    if (__atomic_load_n(lock, __ATOMIC_RELAXED) == self()) {
        host_fail("KeAcquireSpinLock", "this thread holds the spin lock at %p already", (void *)lock);
    }
    for (unsigned tries = 1; !try_lock(lock); tries++) {
        if (tries > SPINS + YIELDS) {
            nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
        } else if (tries > SPINS) {
            sched_yield();
        }
        while (tries < SPINS && __atomic_load_n(lock, __ATOMIC_RELAXED) != 0) {
            tries++;
        }
    }
}

static void unlock(PKSPIN_LOCK lock, const char *function)
{
    if (__atomic_load_n(lock, __ATOMIC_RELAXED) != self()) {
        host_fail(function, "the spin lock at %p is not held by this thread", (void *)lock);
    }
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

VOID KeInitializeSpinLock(PKSPIN_LOCK SpinLock)
{
    __atomic_store_n(SpinLock, 0, __ATOMIC_RELEASE);
}

KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock)
{
    KIRQL old = host_cpu.Irql;

    if (old > DISPATCH_LEVEL) {
        host_fail("KeAcquireSpinLock", "called at IRQL %d", old);
    }
    host_cpu.Irql = DISPATCH_LEVEL;
    if (!try_lock(SpinLock)) {
        lock_slowly(SpinLock);
    }
    return old;
}

VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql)
{
    unlock(SpinLock, __func__);
    KeLowerIrql(NewIrql);
}

VOID KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock)
{
    if (host_cpu.Irql < DISPATCH_LEVEL) {
        host_fail(__func__, "called at IRQL %d", host_cpu.Irql);
    }
    if (!try_lock(SpinLock)) {
        lock_slowly(SpinLock);
    }
}

VOID KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK SpinLock)
{
    unlock(SpinLock, __func__);
    if (host_cpu.Irql < DISPATCH_LEVEL) {
        host_fail(__func__, "called at IRQL %d", host_cpu.Irql);
    }
}
