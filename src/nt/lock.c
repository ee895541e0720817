/* SPDX-License-Identifier: MIT */
/*
 * IRQL and spin locks. A spin lock's word is the address of its holder's thread state, 0 while it is free. Threads of a
 * process lose their processor while they hold one, so whoever waits gives its own away soon.
 */
#include "internal.h"
#include "verify/verify.h"

#include <sched.h>
#include <time.h>

#define SPINS    64 /* tries before the first yield */
#define YIELDS   64 /* yields before the first sleep */
#define SLEEP_NS 20000

VOID KeRaiseIrql(KIRQL NewIrql, PKIRQL OldIrql)
{
    *OldIrql = host_cpu.Irql;
    if (NewIrql < host_cpu.Irql) {
        VERIFY_BROKEN(VERIFY_IRQL, "raising IRQL from %d to %d", host_cpu.Irql, NewIrql);
        return;
    }
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
        VERIFY_BROKEN(VERIFY_IRQL, "lowering IRQL from %d to %d", host_cpu.Irql, NewIrql);
        return;
    }
    host_cpu.Irql = NewIrql;
}

static KSPIN_LOCK self(void)
{
    return (KSPIN_LOCK)&host_cpu;
}

/* mark: VERIFY_WATCHED_LOCK in the word of a lock that the verifier watches, else 0. */
static bool try_lock(PKSPIN_LOCK lock, KSPIN_LOCK mark)
{
    KSPIN_LOCK expected = mark;

    return __atomic_compare_exchange_n(lock, &expected, self() | mark, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* false: it is this thread's already, which was reported. */
static bool __attribute__((noinline)) lock_slowly(PKSPIN_LOCK lock)
{
    KSPIN_LOCK mark = __atomic_load_n(lock, __ATOMIC_RELAXED) & VERIFY_WATCHED_LOCK;

    if (__atomic_load_n(lock, __ATOMIC_RELAXED) == (self() | mark)) {
        verify_broken(VERIFY_LOCK_MISUSED, "KeAcquireSpinLock", "this thread holds the spin lock at %p already",
                      (void *)lock);
        return false;
    }
    for (unsigned tries = 1; !try_lock(lock, mark); tries++) {
        if (tries > SPINS + YIELDS) {
            nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
        } else if (tries > SPINS) {
            sched_yield();
        }
        while (tries < SPINS && __atomic_load_n(lock, __ATOMIC_RELAXED) != mark) {
            tries++;
        }
    }
    if (mark != 0) {
        verify_spin_acquired(lock);
    }
    return true;
}

static inline void take(PKSPIN_LOCK lock)
{
    bool taken = try_lock(lock, 0) || lock_slowly(lock);

    if (__builtin_expect(host_cpu.Frame != NULL, 0) && taken) {
        verify_lock_taken(lock, LOCK_SPIN);
    }
}

/* A lock that is not this thread's, or that the verifier watches. */
static void __attribute__((noinline)) unlock_oddly(PKSPIN_LOCK lock, const char *function)
{
    if (__atomic_load_n(lock, __ATOMIC_RELAXED) == (self() | VERIFY_WATCHED_LOCK)) {
        verify_spin_releasing(lock);
        __atomic_store_n(lock, VERIFY_WATCHED_LOCK, __ATOMIC_RELEASE);
    } else if (host_cpu.Frame == NULL) {
        host_fail(function, "the spin lock at %p is not held by this thread", (void *)lock);
    } else {
        verify_report(VERIFY_LOCK_MISUSED, "%s: the spin lock at %p is not held by this thread", function,
                      (void *)lock);
    }
}

static inline void unlock(PKSPIN_LOCK lock, const char *function)
{
    if (__builtin_expect(host_cpu.Frame != NULL, 0)) {
        verify_called(function);
        verify_lock_given(lock);
    }
    if (__atomic_load_n(lock, __ATOMIC_RELAXED) != self()) {
        unlock_oddly(lock, function);
        return;
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

    VERIFY_CALLED();
    if (old > DISPATCH_LEVEL && host_cpu.Frame == NULL) {
        host_fail("KeAcquireSpinLock", "called at IRQL %d", old);
    }
    host_cpu.Irql = DISPATCH_LEVEL;
    take(SpinLock);
    return old;
}

VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql)
{
    unlock(SpinLock, __func__);
    KeLowerIrql(NewIrql);
}

VOID KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock)
{
    VERIFY_CALLED();
    if (host_cpu.Irql < DISPATCH_LEVEL && host_cpu.Frame == NULL) {
        host_fail(__func__, "called at IRQL %d", host_cpu.Irql);
    }
    take(SpinLock);
}

VOID KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK SpinLock)
{
    unlock(SpinLock, __func__);
    if (host_cpu.Irql < DISPATCH_LEVEL && host_cpu.Frame == NULL) {
        host_fail(__func__, "called at IRQL %d", host_cpu.Irql);
    }
}
