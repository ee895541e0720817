/* SPDX-License-Identifier: MIT */
/*
 * Which routine of which driver runs on a thread, and what it leaves behind when it returns: locks, and the IRQL. What
 * was taken and not given back is given back here, so that the process goes on.
 */
#include "verify.h"

#define HELD_MAX 16 /* locks that are remembered; a thread that holds more is not looked at closely */

/* The calling thread's locks that it took inside driver code, in the order of taking. */
static __thread struct {
    unsigned count;
    struct {
        void *lock;
        enum verify_lock kind;
    } locks[HELD_MAX];
} held;

void verify_lock_taken(void *lock, enum verify_lock kind)
{
    if (host_cpu.Frame != NULL && held.count < HELD_MAX) {
        held.locks[held.count].lock = lock;
        held.locks[held.count++].kind = kind;
    }
}

void verify_lock_given(void *lock)
{
    unsigned i = held.count;

    while (i > 0 && held.locks[i - 1].lock != lock) {
        i--;
    }
    if (i > 0) {
        held.count--;
        for (; i <= held.count; i++) {
            held.locks[i - 1] = held.locks[i];
        }
    }
}

void verify_enter(struct verify_frame *frame, struct nt_driver *driver, const char *kind, const void *routine,
                  struct verify_request *request)
{
    *frame = (struct verify_frame){
        .outer = host_cpu.Frame,
        .driver = driver,
        .kind = kind,
        .routine = routine,
        .request = request,
        .irql = host_cpu.Irql,
        .held = held.count,
    };
    verify_state_check(driver);
    host_cpu.Frame = frame;
}

/* Give the last lock back as its owner should have. */
static void give_back(void)
{
    void *lock = held.locks[held.count - 1].lock;

    switch (held.locks[held.count - 1].kind) {
    case LOCK_SPIN:
        host_cpu.Irql = host_cpu.Irql < DISPATCH_LEVEL ? DISPATCH_LEVEL : host_cpu.Irql;
        KeReleaseSpinLockFromDpcLevel(lock);
        break;
    case LOCK_MUTEX:
        KeReleaseMutex(lock, FALSE);
        break;
    case LOCK_FAST_MUTEX:
        ExReleaseFastMutex(lock);
        break;
    }
}

static const char *lock_name(const void *lock, enum verify_lock kind)
{
    if (kind == LOCK_SPIN) {
        return lock == cancel_lock_address() ? "the cancel spin lock" : "a spin lock";
    }
    return kind == LOCK_MUTEX ? "a mutex" : "a fast mutex";
}

void verify_leave(struct verify_frame *frame)
{
    bool kept = held.count > frame->held;
    unsigned before;

    host_cpu.Frame = frame; /* PsTerminateSystemThread leaves from anywhere */
    while (held.count > frame->held) {
        before = held.count;
        verify_report(VERIFY_LOCK_HELD, "the %s returned with %s that it had taken, at %p", frame->kind,
                      lock_name(held.locks[before - 1].lock, held.locks[before - 1].kind), held.locks[before - 1].lock);
        give_back();
        held.count = before - 1;
    }
    if (host_cpu.Irql != frame->irql) {
        if (!kept) {
            verify_report(VERIFY_IRQL_ON_RETURN, "the %s was entered at IRQL %d and returned at IRQL %d", frame->kind,
                          frame->irql, host_cpu.Irql);
        }
        host_cpu.Irql = frame->irql;
    }
    verify_state_check(frame->driver);
    host_cpu.Frame = frame->outer;
}
