/* SPDX-License-Identifier: MIT */
/*
 * Work at PASSIVE_LEVEL: a queue and as many worker threads as there is work that blocks. A worker that finds nothing to
 * do for a while ends, but for the last one while a driver has a work item: queueing that cannot fail.
 */
#include "futex.h"
#include "internal.h"
#include "verify/verify.h"

#include <limits.h>
#include <stdlib.h>

#define IDLE_NS 2000000000U /* how long a worker waits for work before it ends */
#define RETRY   (-100000)   /* 10 ms: how long work waits for a thread that was not to be had */

struct nt_work_item {
    struct nt_work work; /* first */
    struct nt_host *host;
    PDEVICE_OBJECT device;
    PIO_WORKITEM_ROUTINE routine;
    PVOID context;
    LONG queued; /* atomic */
};

/* ---- workers ----------------------------------------------------------------------------------------------------- */

static void run_one(struct nt_host *host)
{
    struct nt_work *item = host->work_first;

    host->work_first = item->next;
    if (host->work_first == NULL) {
        host->work_last = &host->work_first;
    }
    host->work_waiting--;
    pthread_mutex_unlock(&host->work_lock);
    if (host->simulated) {
        simulate_work_begins(host);
    }
    item->routine(item);
    if (host_cpu.Irql != PASSIVE_LEVEL || host_cpu.Host != host) {
        host_fail("IoQueueWorkItem", "a work routine returned at IRQL %d%s", host_cpu.Irql,
                  host_cpu.Host == host ? "" : " inside another host");
    }
    if (host->simulated) {
        simulate_work_ends(host);
    }
    pthread_mutex_lock(&host->work_lock);
}

/* This worker is the one that stays. */
static bool must_stay(const struct nt_host *host)
{
    return host->work_items > 0 && host->workers == 1;
}

/* Until there is something to do; false: for too long. */
static bool rest(struct nt_host *host)
{
    struct timespec until = nt_timespec(nt_now() + IDLE_NS);
    bool timed = !must_stay(host);
    /* Relaxed, here and below: the lock orders it; what the kernel compares only says whether it is too late to sleep. */
    uint32_t seen = __atomic_load_n(&host->work_calls, __ATOMIC_RELAXED);
    bool in_time;

    host->workers_idle++;
    pthread_mutex_unlock(&host->work_lock);
    in_time = nt_futex_wait(&host->work_calls, seen, timed ? &until : NULL);
    pthread_mutex_lock(&host->work_lock);
    host->workers_idle--;
    return in_time;
}

static void worker(void *argument)
{
    struct nt_host *host = argument;
    bool idle_too_long = false;

    pthread_mutex_lock(&host->work_lock);
    while (host->work_waiting > 0 || !(host->work_stop || idle_too_long)) {
        if (host->work_waiting > 0) {
            idle_too_long = false;
            run_one(host);
        } else {
            idle_too_long = !rest(host) && !must_stay(host);
        }
    }
    host->workers--;
    pthread_mutex_unlock(&host->work_lock);
}

/* With work_lock held. */
static bool start_worker(struct nt_host *host)
{
    bool started;

    host->workers++;
    started = NT_SUCCESS(os_thread_start(host, worker, host));
    if (!started) {
        host->workers--;
    }
    return started;
}

/* With work_lock held: see to it that as many workers are idle as items wait. *idle: one of them is to be woken, after
 * the lock is released, on which it would only stop again. */
static bool have_worker(struct nt_host *host, bool *idle)
{
    *idle = host->workers_idle >= host->work_waiting;
    if (*idle) {
        __atomic_fetch_add(&host->work_calls, 1, __ATOMIC_RELAXED);
        return true;
    }
    return start_worker(host);
}

/* Look again, in a while, whether there is a thread for what waits: what it waits for may be done by that alone. */
static void retry_later(struct nt_host *host)
{
    KeSetTimer(&host->work_retry, (LARGE_INTEGER){.QuadPart = RETRY}, &host->work_retry_dpc);
}

static VOID retry(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct nt_host *host = context;
    bool idle = false, enough;

    pthread_mutex_lock(&host->work_lock);
    /* One thread at a time: those that have just been started are not counted as idle yet. */
    enough = host->work_waiting == 0 || (have_worker(host, &idle) && host->work_waiting == 1);
    pthread_mutex_unlock(&host->work_lock);
    if (idle) {
        nt_futex_wake(&host->work_calls, 1);
    }
    if (!enough) {
        retry_later(host);
    }
}

void work_init(struct nt_host *host)
{
    struct nt_host *before = nt_enter(host);

    host->work_last = &host->work_first;
    KeInitializeTimer(&host->work_retry);
    KeInitializeDpc(&host->work_retry_dpc, retry, host);
    nt_enter(before);
}

/* must: leave the item in the queue for the workers that there are, even when none is free. */
static NTSTATUS queue(struct nt_host *host, struct nt_work *item, bool must)
{
    NTSTATUS status = STATUS_SUCCESS;
    struct nt_work **last;
    bool idle, enough;

    item->next = NULL;
    if (host->simulated) {
        simulate_busy(host);
    }
    pthread_mutex_lock(&host->work_lock);
    last = host->work_last;
    *last = item;
    host->work_last = &item->next;
    host->work_waiting++;
    enough = have_worker(host, &idle);
    if (!enough && !must) {
        *last = NULL;
        host->work_last = last;
        host->work_waiting--;
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    pthread_mutex_unlock(&host->work_lock);
    if (idle) {
        nt_futex_wake(&host->work_calls, 1);
    }
    if (!enough && must) {
        retry_later(host);
    }
    /* The item may have run by now, and have let somebody end the host, unless it is still here. */
    if (!NT_SUCCESS(status) && host->simulated) {
        simulate_idle(host);
    }
    return status;
}

NTSTATUS nt_work_queue(struct nt_host *host, struct nt_work *item)
{
    return queue(host, item, false);
}

void work_stop(struct nt_host *host)
{
    pthread_mutex_lock(&host->work_lock);
    host->work_stop = true;
    __atomic_fetch_add(&host->work_calls, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&host->work_lock);
    nt_futex_wake(&host->work_calls, INT_MAX);
}

/* ---- work items -------------------------------------------------------------------------------------------------- */

static void run_item(struct nt_work *work)
{
    PIO_WORKITEM item = CONTAINING_RECORD(work, struct nt_work_item, work);
    PIO_WORKITEM_ROUTINE routine = item->routine;
    PDEVICE_OBJECT device = item->device;
    PVOID context = item->context;
    struct nt_driver *driver = device->Reserved->driver;
    struct verify_frame frame;
    bool watched = driver->verify != NULL;

    __atomic_store_n(&item->queued, 0, __ATOMIC_RELEASE); /* the routine may queue it again, or free it */
    if (watched) {
        verify_enter(&frame, driver, "work item", VERIFY_ADDRESS(routine), NULL);
    }
    routine(device, context);
    if (watched) {
        verify_leave(&frame);
    }
    ObDereferenceObject(device);
}

PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT DeviceObject)
{
    struct nt_host *host = DeviceObject->Reserved->host;
    PIO_WORKITEM item = calloc(1, sizeof(*item));
    bool served;

    VERIFY_CALLED();
    if (item == NULL) {
        return NULL;
    }
    item->work.routine = run_item;
    item->host = host;
    item->device = DeviceObject;
    pthread_mutex_lock(&host->work_lock);
    host->work_items++;
    served = host->workers > 0 || start_worker(host);
    if (!served) {
        host->work_items--;
    }
    pthread_mutex_unlock(&host->work_lock);
    if (!served) {
        free(item);
        item = NULL;
    }
    return item;
}

VOID IoQueueWorkItem(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE WorkerRoutine, WORK_QUEUE_TYPE QueueType,
                     PVOID Context)
{
    VERIFY_CALLED();
    if (InterlockedExchange(&IoWorkItem->queued, 1) != 0) {
        VERIFY_BROKEN(VERIFY_CALL, "the work item at %p is queued already", (void *)IoWorkItem);
        return;
    }
    IoWorkItem->routine = WorkerRoutine;
    IoWorkItem->context = Context;
    ObReferenceObject(IoWorkItem->device);
    (void)queue(IoWorkItem->host, &IoWorkItem->work, true); /* there is a worker since IoAllocateWorkItem */
}

VOID IoFreeWorkItem(PIO_WORKITEM IoWorkItem)
{
    struct nt_host *host = IoWorkItem->host;
    bool last;

    VERIFY_CALLED();
    if (__atomic_load_n(&IoWorkItem->queued, __ATOMIC_ACQUIRE) != 0) {
        VERIFY_BROKEN(VERIFY_CALL, "the work item at %p is still queued", (void *)IoWorkItem);
        return; /* it is lost: a worker will come for it */
    }
    pthread_mutex_lock(&host->work_lock);
    last = --host->work_items == 0;
    __atomic_fetch_add(&host->work_calls, last, __ATOMIC_RELAXED); /* the worker that stayed may go */
    pthread_mutex_unlock(&host->work_lock);
    if (last) {
        nt_futex_wake(&host->work_calls, INT_MAX);
    }
    free(IoWorkItem);
}
