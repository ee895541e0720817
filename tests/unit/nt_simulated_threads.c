/* SPDX-License-Identifier: MIT */
/*
 * Simulated time in the host, with several threads: who moves the clock, whom it waits for, and who does what was put
 * off. Few tests wait for real time, and no longer than it says there.
 */
#include "nt_simulated_kit.h"

#include <errno.h>

/* ---- waiting at once ----------------------------------------------------------------------------------------------- */

struct sleepers {
    LONG order_used; /* atomic */
    char order[16];
};
static struct sleepers sleepers;

static void sleep_thrice(PVOID context)
{
    char letter = *(char *)context;

    for (int i = 0; i < 3; i++) {
        LARGE_INTEGER delay = milliseconds(letter == 'a' ? 3000 : 5000);
        KeDelayExecutionThread(KernelMode, FALSE, &delay);
        sleepers.order[InterlockedIncrement(&sleepers.order_used) - 1] = letter;
    }
}

static void start_thread(PKSTART_ROUTINE routine, PVOID context, PVOID *thread)
{
    HANDLE handle;

    assert_int_equal(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, routine, context), STATUS_SUCCESS);
    assert_int_equal(ObReferenceObjectByHandle(handle, 0, *PsThreadType, KernelMode, thread, NULL), STATUS_SUCCESS);
    ZwClose(handle);
}

static void drivers_threads_sleep_in_the_order_of_their_delays(void **state)
{
    static char a = 'a', b = 'b';
    PVOID threads[2];
    struct nt_held before = nt_hold(*state); /* as a driver's routine is: the first one must not run ahead */

    memset(&sleepers, 0, sizeof(sleepers));
    start_thread(sleep_thrice, &a, &threads[0]);
    start_thread(sleep_thrice, &b, &threads[1]);
    nt_release(before);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(KeWaitForSingleObject(threads[i], Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
        ObDereferenceObject(threads[i]);
    }
    /* a at 3, 6, 9; b at 5, 10, 15 */
    assert_string_equal(sleepers.order, "abaabb");
    assert_int_equal(nt_time(*state), START + 15 * SECOND);
}

struct ping {
    KEVENT there, back;
};

static void answer_pings(PVOID context)
{
    struct ping *ping = context;
    LARGE_INTEGER delay = milliseconds(1);

    for (int i = 0; i < 200; i++) {
        KeWaitForSingleObject(&ping->there, Executive, KernelMode, FALSE, NULL);
        KeDelayExecutionThread(KernelMode, FALSE, &delay);
        KeSetEvent(&ping->back, 0, FALSE);
    }
}

static void a_woken_thread_runs_before_the_clock_goes_on(void **state)
{
    LARGE_INTEGER timeout = milliseconds(2);
    struct ping ping;
    PVOID thread;

    KeInitializeEvent(&ping.there, SynchronizationEvent, FALSE);
    KeInitializeEvent(&ping.back, SynchronizationEvent, FALSE);
    start_thread(answer_pings, &ping, &thread);
    for (unsigned i = 0; i < 200; i++) {
        KeSetEvent(&ping.there, 0, FALSE);
        /* The answer comes after 1 ms; a clock that does not wait for who was woken would be at 2 ms before. */
        assert_int_equal(KeWaitForSingleObject(&ping.back, Executive, KernelMode, FALSE, &timeout), STATUS_SUCCESS);
        assert_int_equal(nt_time(*state), START + (i + 1) * (uint64_t)MS);
    }
    assert_int_equal(KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    ObDereferenceObject(thread);
}

struct job {
    struct nt_work work; /* first */
    KEVENT done;
};

static void work_in_real_time(struct nt_work *work)
{
    struct job *job = (struct job *)work;

    nanosleep(&(struct timespec){.tv_nsec = 20 * MS}, NULL);
    KeSetEvent(&job->done, 0, FALSE);
}

static void the_clock_waits_for_work_in_progress(void **state)
{
    LARGE_INTEGER timeout = milliseconds(10);
    struct job job = {.work.routine = work_in_real_time};

    KeInitializeEvent(&job.done, NotificationEvent, FALSE);
    assert_int_equal(nt_work_queue(*state, &job.work), STATUS_SUCCESS);
    /* 20 ms of real work within 10 ms of simulated time: none of them passes. */
    assert_int_equal(KeWaitForSingleObject(&job.done, Executive, KernelMode, FALSE, &timeout), STATUS_SUCCESS);
    assert_int_equal(nt_time(*state), START);
}

/* A thread in a world of its own. */
static void spin(PVOID context)
{
    while (InterlockedCompareExchange(context, 0, 0) == 0) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static void a_wait_for_work_that_does_not_end_runs_into_its_limit_in_real_time(void **state)
{
    static LONG leave;
    LARGE_INTEGER timeout = milliseconds(30);
    uint64_t start = nt_now();
    KEVENT never;
    PVOID thread;

    leave = 0;
    KeInitializeEvent(&never, NotificationEvent, FALSE);
    start_thread(spin, &leave, &thread);
    assert_int_equal(KeWaitForSingleObject(&never, Executive, KernelMode, FALSE, &timeout), STATUS_TIMEOUT);
    assert_int_equal(nt_time(*state), START + 30 * MS);
    assert_true(nt_now() - start >= 30 * MS);
    InterlockedExchange(&leave, 1);
    assert_int_equal(KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    ObDereferenceObject(thread);
}

struct foreign {
    struct nt_host *host;
    struct note note;
};

static void *set_timer_later(void *context)
{
    struct foreign *foreign = context;
    struct nt_host *before;

    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    before = nt_enter(foreign->host);
    KeSetTimer(&foreign->note.timer, milliseconds(1000), NULL);
    nt_enter(before);
    return NULL;
}

static void a_timer_of_a_foreign_thread_is_seen_by_who_sleeps_already(void **state)
{
    struct foreign foreign = {.host = *state};
    pthread_t thread;

    note_init(&foreign.note, *state);
    pthread_create(&thread, NULL, set_timer_later, &foreign);
    assert_int_equal(KeWaitForSingleObject(&foreign.note.timer, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    pthread_join(thread, NULL);
    assert_int_equal(nt_time(*state), START + SECOND);
}

/* ---- who is at work for a moment ----------------------------------------------------------------------------------- */

struct moment {
    struct nt_host *host;
    pthread_barrier_t begun;
    bool with_sleeper;
    pthread_t sleeper;
    KEVENT event;
};

static void *sleep_for_event(void *context)
{
    struct moment *moment = context;

    nt_enter(moment->host);
    KeWaitForSingleObject(&moment->event, Executive, KernelMode, FALSE, NULL);
    return NULL;
}

/* At work until the others have lain down. */
static void *work_for_a_moment(void *context)
{
    struct moment *moment = context;
    struct nt_held before = nt_hold(moment->host);

    pthread_barrier_wait(&moment->begun);
    nanosleep(&(struct timespec){.tv_nsec = 20 * MS}, NULL);
    if (moment->with_sleeper) {
        pthread_create(&moment->sleeper, NULL, sleep_for_event, moment);
        nanosleep(&(struct timespec){.tv_nsec = 20 * MS}, NULL);
    }
    nt_release(before);
    return NULL;
}

static void advance_past_a_moment(struct nt_host *host, bool with_sleeper)
{
    struct moment moment = {.host = host, .with_sleeper = with_sleeper};
    uint64_t passed;
    pthread_t thread;

    KeInitializeEvent(&moment.event, NotificationEvent, FALSE);
    pthread_barrier_init(&moment.begun, NULL, 2);
    pthread_create(&thread, NULL, work_for_a_moment, &moment);
    pthread_barrier_wait(&moment.begun);
    assert_false(nt_advance(host, 3600 * SECOND, &passed)); /* in real time this would be an hour */
    assert_int_equal(passed, 3600 * SECOND);
    pthread_join(thread, NULL);
    KeSetEvent(&moment.event, 0, FALSE);
    if (with_sleeper) {
        pthread_join(moment.sleeper, NULL);
    }
    pthread_barrier_destroy(&moment.begun);
}

static void advancing_to_a_limit_goes_on_when_the_others_have_stopped(void **state)
{
    advance_past_a_moment(*state, false);
}

static void a_limit_of_advancing_is_seen_by_every_sleeper(void **state)
{
    advance_past_a_moment(*state, true);
}

/* ---- what is put off --------------------------------------------------------------------------------------------- */

/* A timer's DPC that puts work off, as the end of a request does with the next one. */
struct put_off {
    struct nt_work work; /* first */
    struct nt_host *host;
    KTIMER timer;
    KDPC dpc;
    KEVENT event;
    PKEVENT sets; /* NULL: none */
    BOOLEAN taken;
    LONG done; /* atomic */
    pthread_t thread;
};

static void put_off_work(struct nt_work *work)
{
    struct put_off *p = (struct put_off *)work;

    p->thread = pthread_self();
    InterlockedIncrement(&p->done);
}

static void put_off_dpc(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct put_off *p = context;

    (void)dpc;
    (void)argument1;
    (void)argument2;
    p->taken = nt_defer(p->host, &p->work);
    if (p->sets != NULL) {
        KeSetEvent(p->sets, 0, FALSE);
    }
}

static void put_off_init(struct put_off *p, struct nt_host *host)
{
    memset(p, 0, sizeof(*p));
    p->work.routine = put_off_work;
    p->host = host;
    KeInitializeTimer(&p->timer);
    KeInitializeDpc(&p->dpc, put_off_dpc, p);
    KeInitializeEvent(&p->event, NotificationEvent, FALSE);
}

static void what_one_host_puts_off_is_not_done_in_another(void **state)
{
    struct nt_held here = nt_hold(*state), there;
    struct nt_host *other;
    struct put_off p;

    put_off_init(&p, *state);
    assert_int_equal(nt_host_create(&other), STATUS_SUCCESS);
    nt_host_simulate(other);
    assert_true(nt_defer(*state, &p.work));
    there = nt_hold(other);
    assert_false(nt_defer(*state, &p.work));
    nt_release(there);
    assert_int_equal(p.done, 0);
    nt_release(here);
    assert_int_equal(p.done, 1);
    nt_host_destroy(other);
}

static void what_is_put_off_while_a_driver_waits_is_done_when_it_goes_on(void **state)
{
    struct nt_held before = nt_hold(*state);
    struct put_off p;

    put_off_init(&p, *state);
    p.sets = &p.event;
    KeSetTimer(&p.timer, milliseconds(1000), &p.dpc);
    assert_int_equal(KeWaitForSingleObject(&p.event, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    assert_true(p.taken);
    /* The driver may be in a system call now for as long as it likes. */
    for (int i = 0; i < 10000 && InterlockedCompareExchange(&p.done, 0, 0) == 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = MS}, NULL);
    }
    assert_int_equal(InterlockedCompareExchange(&p.done, 0, 0), 1);
    assert_false(pthread_equal(p.thread, pthread_self()));
    nt_release(before);
}

static void delay_and_tell(PVOID context)
{
    struct put_off *p = context;
    LARGE_INTEGER delay = milliseconds(1000);

    KeSetTimer(&p->timer, milliseconds(500), &p->dpc);
    KeDelayExecutionThread(KernelMode, FALSE, &delay);
    InterlockedIncrement(&p->done);
}

static void nothing_is_put_off_to_a_drivers_own_thread(void **state)
{
    struct put_off p;
    PVOID thread;

    put_off_init(&p, *state);
    p.taken = TRUE;
    start_thread(delay_and_tell, &p, &thread);
    while (InterlockedCompareExchange(&p.done, 0, 0) == 0) { /* a wait in simulated time could run the DPC here */
        nanosleep(&(struct timespec){.tv_nsec = MS}, NULL);
    }
    assert_false(p.taken);
    assert_int_equal(KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    ObDereferenceObject(thread);
}

/* ---- without threads --------------------------------------------------------------------------------------------- */

static bool no_threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *),
                          void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument)
{
    return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, routine, argument);
}

static void threads_that_cannot_be_had_do_not_keep_the_clock(void **state)
{
    LARGE_INTEGER delay = milliseconds(86400000);
    struct put_off p;
    HANDLE handle;

    put_off_init(&p, *state);
    no_threads = true;
    assert_int_equal(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, delay_and_tell, &p),
                     STATUS_INSUFFICIENT_RESOURCES);
    assert_int_equal(nt_work_queue(*state, &p.work), STATUS_INSUFFICIENT_RESOURCES);
    no_threads = false;
    KeDelayExecutionThread(KernelMode, FALSE, &delay);
    assert_int_equal(nt_time(*state), START + 86400 * SECOND);
}

/* As the end of a device's last handle does, whose driver waits for something. */
static void put_off_work_that_waits(struct nt_work *work)
{
    struct put_off *p = (struct put_off *)work;
    LARGE_INTEGER delay = milliseconds(1000);

    KeSetEvent(&p->event, 0, FALSE);
    KeDelayExecutionThread(KernelMode, FALSE, &delay);
    InterlockedIncrement(&p->done);
}

static void work_that_waits_on_a_waiters_stack_loses_no_wake_up(void **state)
{
    struct nt_held before = nt_hold(*state);
    struct put_off p;

    put_off_init(&p, *state);
    p.work.routine = put_off_work_that_waits;
    KeSetTimer(&p.timer, milliseconds(1000), &p.dpc);
    no_threads = true;
    assert_int_equal(KeWaitForSingleObject(&p.event, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    no_threads = false;
    assert_true(p.taken);
    assert_int_equal(p.done, 1);
    assert_int_equal(nt_time(*state), START + 2 * SECOND);
    nt_release(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_simulated(drivers_threads_sleep_in_the_order_of_their_delays),
        with_simulated(a_woken_thread_runs_before_the_clock_goes_on),
        with_simulated(the_clock_waits_for_work_in_progress),
        with_simulated(a_wait_for_work_that_does_not_end_runs_into_its_limit_in_real_time),
        with_simulated(a_timer_of_a_foreign_thread_is_seen_by_who_sleeps_already),
        with_simulated(advancing_to_a_limit_goes_on_when_the_others_have_stopped),
        with_simulated(a_limit_of_advancing_is_seen_by_every_sleeper),
        with_simulated(what_one_host_puts_off_is_not_done_in_another),
        with_simulated(what_is_put_off_while_a_driver_waits_is_done_when_it_goes_on),
        with_simulated(nothing_is_put_off_to_a_drivers_own_thread),
        with_simulated(threads_that_cannot_be_had_do_not_keep_the_clock),
        with_simulated(work_that_waits_on_a_waiters_stack_loses_no_wake_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
