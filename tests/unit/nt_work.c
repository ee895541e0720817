/* SPDX-License-Identifier: MIT */
/*
 * Worker threads, work items and system threads.
 */
#include "nt_helper.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

struct job {
    struct nt_work work;
    KEVENT entered, leave, done;
    struct nt_host *host;
    KIRQL irql;
};

static void run(struct nt_work *work)
{
    struct job *job = CONTAINING_RECORD(work, struct job, work);

    job->irql = KeGetCurrentIrql();
    job->host = nt_enter(NULL);
    nt_enter(job->host);
    KeSetEvent(&job->entered, 0, FALSE);
    KeWaitForSingleObject(&job->leave, Executive, KernelMode, FALSE, NULL);
    KeSetEvent(&job->done, 0, FALSE);
}

static void job_init(struct job *job, BOOLEAN open)
{
    memset(job, 0, sizeof(*job));
    job->work.routine = run;
    KeInitializeEvent(&job->entered, NotificationEvent, FALSE);
    KeInitializeEvent(&job->leave, NotificationEvent, open);
    KeInitializeEvent(&job->done, NotificationEvent, FALSE);
}

static void wait_for(PVOID object)
{
    LARGE_INTEGER limit = milliseconds(20000);

    assert_int_equal(KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &limit), STATUS_SUCCESS);
}

static void work_runs_at_passive_level_inside_its_host(void **state)
{
    struct job job;

    job_init(&job, TRUE);
    assert_int_equal(nt_work_queue(*state, &job.work), STATUS_SUCCESS);
    wait_for(&job.done);
    assert_int_equal(job.irql, PASSIVE_LEVEL);
    assert_ptr_equal(job.host, *state);
}

static void work_that_blocks_delays_no_other_work(void **state)
{
    static struct job jobs[50];

    for (int i = 0; i < 50; i++) {
        job_init(&jobs[i], FALSE);
        assert_int_equal(nt_work_queue(*state, &jobs[i].work), STATUS_SUCCESS);
    }
    for (int i = 0; i < 50; i++) {
        wait_for(&jobs[i].entered); /* all are inside at once */
    }
    for (int i = 49; i >= 0; i--) {
        KeSetEvent(&jobs[i].leave, 0, FALSE);
        wait_for(&jobs[i].done);
    }
    for (int round = 0; round < 20; round++) { /* and again with idle workers */
        for (int i = 0; i < 5; i++) {
            job_init(&jobs[i], FALSE);
            assert_int_equal(nt_work_queue(*state, &jobs[i].work), STATUS_SUCCESS);
        }
        for (int i = 0; i < 5; i++) {
            wait_for(&jobs[i].entered);
        }
        for (int i = 0; i < 5; i++) {
            KeSetEvent(&jobs[i].leave, 0, FALSE);
            wait_for(&jobs[i].done);
        }
    }
}

static LONG runs; /* atomic */

static void run_freed(struct nt_work *work)
{
    free(work); /* it is the routine's as soon as it is entered */
    InterlockedIncrement(&runs);
}

static void everything_queued_is_run_before_the_host_ends(void **state)
{
    struct nt_host *host;

    runs = 0;
    assert_int_equal(nt_host_create(&host), STATUS_SUCCESS);
    for (int i = 0; i < 100; i++) {
        struct nt_work *work = malloc(sizeof(*work));

        work->routine = run_freed;
        assert_int_equal(nt_work_queue(host, work), STATUS_SUCCESS);
    }
    nt_host_destroy(host);
    assert_int_equal(runs, 100);
}

/* ---- work items -------------------------------------------------------------------------------------------------- */

static PDEVICE_OBJECT device;

static NTSTATUS entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    return IoCreateDevice(driver, 0, NULL, FILE_DEVICE_SMARTCARD, 0, FALSE, &device);
}

struct item {
    PIO_WORKITEM item;
    int left;
    KEVENT done;
};

static void run_item(PDEVICE_OBJECT which, PVOID context)
{
    struct item *item = context;

    assert_ptr_equal(which, device);
    if (--item->left > 0) {
        IoQueueWorkItem(item->item, run_item, DelayedWorkQueue, item); /* itself again */
    } else {
        IoFreeWorkItem(item->item);
        KeSetEvent(&item->done, 0, FALSE);
    }
}

static void work_item_may_queue_itself_again_and_free_itself(void **state)
{
    struct nt_driver *driver;
    struct item item;

    assert_int_equal(nt_driver_load(*state, "work", entry, NULL, &driver, NULL, 0), STATUS_SUCCESS);
    item.item = IoAllocateWorkItem(device);
    item.left = 10;
    KeInitializeEvent(&item.done, NotificationEvent, FALSE);
    IoQueueWorkItem(item.item, run_item, DelayedWorkQueue, &item);
    wait_for(&item.done);
    assert_int_equal(item.left, 0);
}

/* ---- who queues, and whom the work overtakes ----------------------------------------------------------------------- */

static __thread BOOLEAN slow;
static KEVENT ran;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, void *word, long what, long value, void *until, void *other, long mask);

/* A thread that wakes others loses its processor for a while. */
long __wrap_syscall(long number, void *word, long what, long value, void *until, void *other, long mask)
{
    long result = __real_syscall(number, word, what, value, until, other, mask);

    if (slow && number == SYS_futex && what == FUTEX_WAKE_PRIVATE) {
        usleep(100000);
    }
    return result;
}

static void tell_that_it_ran(struct nt_work *work)
{
    KeSetEvent(&ran, 0, FALSE);
}

static void *queue_slowly(void *argument)
{
    static struct nt_work work = {.routine = tell_that_it_ran};

    slow = TRUE;
    (void)nt_work_queue(argument, &work);
    return NULL;
}

/* Shows itself under AddressSanitizer and ThreadSanitizer. */
static void host_may_end_as_soon_as_the_work_has_run(void **state)
{
    struct nt_host *host;
    pthread_t thread;
    struct job job;

    assert_int_equal(nt_host_create(&host), STATUS_SUCCESS);
    KeInitializeEvent(&ran, NotificationEvent, FALSE);
    job_init(&job, TRUE);
    assert_int_equal(nt_work_queue(host, &job.work), STATUS_SUCCESS); /* so that there is a worker */
    wait_for(&job.done);
    usleep(50000); /* and that it sleeps */
    pthread_create(&thread, NULL, queue_slowly, host);
    wait_for(&ran);
    nt_host_destroy(host);
    pthread_join(thread, NULL);
}

/* ---- no thread for a while --------------------------------------------------------------------------------------- */

static BOOLEAN no_thread; /* atomic */

typedef void *thread_routine(void *argument);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, thread_routine *routine, void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, thread_routine *routine, void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, thread_routine *routine, void *argument)
{
    return __atomic_load_n(&no_thread, __ATOMIC_ACQUIRE) ? EAGAIN
                                                         : __real_pthread_create(thread, attributes, routine, argument);
}

#define TOGETHER 4

static struct {
    LONG inside; /* atomic */
    KEVENT complete;
    LONG done; /* atomic */
    KEVENT all_done;
} meeting;

static void meet(PDEVICE_OBJECT which, PVOID context)
{
    LARGE_INTEGER limit = milliseconds(20000);

    if (InterlockedIncrement(&meeting.inside) == TOGETHER) {
        KeSetEvent(&meeting.complete, 0, FALSE);
    }
    if (KeWaitForSingleObject(&meeting.complete, Executive, KernelMode, FALSE, &limit) == STATUS_SUCCESS &&
        InterlockedIncrement(&meeting.done) == TOGETHER) {
        KeSetEvent(&meeting.all_done, 0, FALSE);
    }
}

/* They wait for each other, so each needs a thread of its own. */
static void everything_that_found_no_thread_gets_one_later(void **state)
{
    PIO_WORKITEM items[TOGETHER];
    struct nt_driver *driver;
    LARGE_INTEGER limit = milliseconds(20000);
    NTSTATUS status;

    KeInitializeEvent(&meeting.complete, NotificationEvent, FALSE);
    KeInitializeEvent(&meeting.all_done, NotificationEvent, FALSE);
    assert_int_equal(nt_driver_load(*state, "work", entry, NULL, &driver, NULL, 0), STATUS_SUCCESS);
    for (int i = 0; i < TOGETHER; i++) {
        items[i] = IoAllocateWorkItem(device);
        assert_non_null(items[i]);
    }
    __atomic_store_n(&no_thread, TRUE, __ATOMIC_RELEASE);
    for (int i = 0; i < TOGETHER; i++) {
        IoQueueWorkItem(items[i], meet, DelayedWorkQueue, NULL);
    }
    __atomic_store_n(&no_thread, FALSE, __ATOMIC_RELEASE);
    status = KeWaitForSingleObject(&meeting.all_done, Executive, KernelMode, FALSE, &limit);
    KeSetEvent(&meeting.complete, 0, FALSE);
    assert_int_equal(status, STATUS_SUCCESS);
    for (int i = 0; i < TOGETHER; i++) {
        IoFreeWorkItem(items[i]);
    }
}

static struct item twice;

static void never_ends(PDEVICE_OBJECT which, PVOID context)
{
    KeWaitForSingleObject(&twice.done, Executive, KernelMode, FALSE, NULL);
}

static void queue_twice(void)
{
    struct nt_driver *driver;
    struct nt_host *host;

    nt_host_create(&host);
    nt_enter(host);
    nt_driver_load(host, "work", entry, NULL, &driver, NULL, 0);
    KeInitializeEvent(&twice.done, NotificationEvent, FALSE);
    twice.item = IoAllocateWorkItem(device);
    for (int i = 0; i < 100000; i++) { /* at the latest once both are queued before a worker has started */
        IoQueueWorkItem(twice.item, never_ends, DelayedWorkQueue, NULL);
    }
}

static void work_item_is_queued_once(void **state)
{
    assert_dies(queue_twice, "is queued already");
}

/* ---- system threads ---------------------------------------------------------------------------------------------- */

static KEVENT go_on;
static PKTHREAD seen_thread;

static void thread_main(PVOID context)
{
    seen_thread = KeGetCurrentThread();
    KeWaitForSingleObject(&go_on, Executive, KernelMode, FALSE, NULL);
    *(int *)context = 1;
    PsTerminateSystemThread(STATUS_SUCCESS);
    *(int *)context = 2;
}

static void system_thread_can_be_waited_for_and_ends_in_the_middle(void **state)
{
    LARGE_INTEGER now = {.QuadPart = 0};
    int reached = 0;
    PVOID thread;
    HANDLE handle;

    KeInitializeEvent(&go_on, NotificationEvent, FALSE);
    assert_int_equal(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, thread_main, &reached),
                     STATUS_SUCCESS);
    assert_int_equal(ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL),
                     STATUS_SUCCESS);
    ZwClose(handle);
    assert_int_equal(KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, &now), STATUS_TIMEOUT);
    KeSetEvent(&go_on, 0, FALSE);
    wait_for(thread);
    assert_int_equal(reached, 1);
    assert_ptr_equal(seen_thread, thread);
    ObDereferenceObject(thread);
    assert_int_equal(PsTerminateSystemThread(STATUS_SUCCESS), STATUS_INVALID_PARAMETER); /* not on a foreign thread */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_host(work_runs_at_passive_level_inside_its_host),
        with_host(work_that_blocks_delays_no_other_work),
        cmocka_unit_test(everything_queued_is_run_before_the_host_ends),
        with_host(work_item_may_queue_itself_again_and_free_itself),
        cmocka_unit_test(host_may_end_as_soon_as_the_work_has_run),
        with_host(everything_that_found_no_thread_gets_one_later),
        cmocka_unit_test(work_item_is_queued_once),
        with_host(system_thread_can_be_waited_for_and_ends_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
