/* SPDX-License-Identifier: MIT */
/*
 * Work at PASSIVE_LEVEL: a queue and as many worker threads as there is work that blocks. A worker that finds nothing to
 * do for a while ends.
 */
#include "internal.h"

#include <stdlib.h>

#define IDLE_NS 2000000000U /* how long a worker waits for work before it ends */

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
            struct timespec until = nt_timespec(nt_now() + IDLE_NS);

            host->workers_idle++;
            idle_too_long = pthread_cond_timedwait(&host->work_wake, &host->work_lock, &until) != 0;
            host->workers_idle--;
        }
    }
    host->workers--;
    pthread_mutex_unlock(&host->work_lock);
}

/* With work_lock held: see to it that as many workers are idle as items wait. */
static bool have_worker(struct nt_host *host)
{
    if (host->workers_idle >= host->work_waiting) {
        pthread_cond_signal(&host->work_wake);
        return true;
    }
    host->workers++;
    if (NT_SUCCESS(os_thread_start(host, worker, host))) {
        return true;
    }
    host->workers--;
    return false;
}

/* must: leave the item in the queue for the workers that there are, even when none is free. */
static NTSTATUS queue(struct nt_host *host, struct nt_work *item, bool must)
{
    NTSTATUS status = STATUS_SUCCESS;
    struct nt_work **last;

    item->next = NULL;
    if (host->simulated) {
        simulate_busy(host);
    }
    pthread_mutex_lock(&host->work_lock);
    last = host->work_last;
    *last = item;
    host->work_last = &item->next;
    host->work_waiting++;
    if (!have_worker(host) && !(must && host->workers > 0)) {
        *last = NULL;
        host->work_last = last;
        host->work_waiting--;
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    pthread_mutex_unlock(&host->work_lock);
    if (host->simulated && !NT_SUCCESS(status)) {
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
    pthread_cond_broadcast(&host->work_wake);
    pthread_mutex_unlock(&host->work_lock);
}

/* ---- work items -------------------------------------------------------------------------------------------------- */

static void run_item(struct nt_work *work)
{
    PIO_WORKITEM item = CONTAINING_RECORD(work, struct nt_work_item, work);
    PIO_WORKITEM_ROUTINE routine = item->routine;
    PDEVICE_OBJECT device = item->device;
    PVOID context = item->context;

    __atomic_store_n(&item->queued, 0, __ATOMIC_RELEASE); /* the routine may queue it again, or free it */
    routine(device, context);
    ObDereferenceObject(device);
}

PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT DeviceObject)
{
    PIO_WORKITEM item = calloc(1, sizeof(*item));

    if (item != NULL) {
        item->work.routine = run_item;
        item->host = DeviceObject->Reserved->host;
        item->device = DeviceObject;
    }
    return item;
}

VOID IoQueueWorkItem(PIO_WORKITEM IoWorkItem, PIO_WORKITEM_ROUTINE WorkerRoutine, WORK_QUEUE_TYPE QueueType,
                     PVOID Context)
{
    if (InterlockedExchange(&IoWorkItem->queued, 1) != 0) {
        host_fail(__func__, "the work item at %p is queued already", (void *)IoWorkItem);
    }
    IoWorkItem->routine = WorkerRoutine;
    IoWorkItem->context = Context;
    ObReferenceObject(IoWorkItem->device);
    if (!NT_SUCCESS(queue(IoWorkItem->host, &IoWorkItem->work, true))) {
        host_fail(__func__, "the system has no thread left for the first worker");
    }
}

VOID IoFreeWorkItem(PIO_WORKITEM IoWorkItem)
{
    if (__atomic_load_n(&IoWorkItem->queued, __ATOMIC_ACQUIRE) != 0) {
        host_fail(__func__, "the work item at %p is still queued", (void *)IoWorkItem);
    }
    free(IoWorkItem);
}
