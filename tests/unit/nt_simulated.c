/* SPDX-License-Identifier: MIT */
/*
 * Simulated time in the host, with one thread: when timers, DPCs and waits are due. No test here waits for real time;
 * spans of simulated time are long enough for anybody to notice if one did.
 */
#include "nt_simulated_kit.h"

static void the_clock_begins_at_one_second_and_stands_still(void **state)
{
    assert_int_equal(nt_time(*state), START);
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    assert_int_equal(nt_time(*state), START);
    assert_int_equal(KeQueryInterruptTime(), START / 100);
}

static void system_time_begins_on_a_fixed_day(void **state)
{
    LARGE_INTEGER now;
    TIME_FIELDS fields;

    (void)state;
    KeQuerySystemTime(&now);
    RtlTimeToTimeFields(&now, &fields);
    assert_int_equal(fields.Year, 2020);
    assert_int_equal(fields.Month, 1);
    assert_int_equal(fields.Day, 1);
    assert_int_equal(fields.Hour, 0);
    assert_int_equal(fields.Minute, 0);
    assert_int_equal(fields.Second, 1);
}

static void advancing_moves_to_the_next_timer_and_runs_its_dpc_here(void **state)
{
    struct note note;
    uint64_t passed;

    note_init(&note, *state);
    KeSetTimer(&note.timer, milliseconds(3600000), &note.dpc);
    assert_true(nt_advance(*state, UINT64_MAX, &passed));
    assert_int_equal(passed, 3600 * SECOND);
    assert_int_equal(note.count, 1);
    assert_int_equal(note.when, START + 3600 * SECOND);
    assert_true(pthread_equal(note.thread, pthread_self()));
    assert_int_equal(note.irql, DISPATCH_LEVEL);
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
    assert_true(KeReadStateTimer(&note.timer));
}

static void advancing_stops_at_its_limit_before_a_timer(void **state)
{
    struct note note;
    uint64_t passed;

    note_init(&note, *state);
    KeSetTimer(&note.timer, milliseconds(10), &note.dpc);
    assert_false(nt_advance(*state, 10 * MS - 100, &passed));
    assert_int_equal(passed, 10 * MS - 100);
    assert_int_equal(note.count, 0);
    assert_true(nt_advance(*state, 100, &passed));
    assert_int_equal(passed, 100);
    assert_int_equal(note.count, 1);
}

static void advancing_rounds_its_limit_down_to_the_kernels_unit(void **state)
{
    uint64_t passed;

    assert_false(nt_advance(*state, 1099, &passed));
    assert_int_equal(passed, 1000);
    assert_false(nt_advance(*state, 99, &passed));
    assert_int_equal(passed, 0);
}

static void advancing_to_the_next_timer_goes_nowhere_without_one(void **state)
{
    uint64_t passed = 1;

    assert_false(nt_advance(*state, UINT64_MAX, &passed));
    assert_int_equal(passed, 0);
    assert_int_equal(nt_time(*state), START);
}

static void a_timer_that_is_cancelled_moves_nothing(void **state)
{
    struct note note;
    uint64_t passed;

    note_init(&note, *state);
    KeSetTimer(&note.timer, milliseconds(10), &note.dpc);
    assert_true(KeCancelTimer(&note.timer));
    assert_false(nt_advance(*state, UINT64_MAX, &passed));
    assert_int_equal(note.count, 0);
}

static void a_timer_for_ever_is_none(void **state)
{
    struct note note;
    uint64_t passed;

    note_init(&note, *state);
    KeSetTimer(&note.timer, (LARGE_INTEGER){.QuadPart = INT64_MIN}, &note.dpc);
    assert_false(nt_advance(*state, UINT64_MAX, &passed));
    assert_int_equal(passed, 0);
    KeCancelTimer(&note.timer);
}

static void one_advance_runs_all_that_is_due_at_one_time_in_the_order_of_setting(void **state)
{
    struct note notes[4];
    char order[16] = "";
    uint64_t passed;

    for (int i = 0; i < 4; i++) {
        note_init(&notes[i], *state);
        notes[i].order = order;
        notes[i].letter = (char)('a' + i);
    }
    KeSetTimer(&notes[2].timer, milliseconds(5), &notes[2].dpc);
    KeSetTimer(&notes[0].timer, milliseconds(5), &notes[0].dpc);
    KeSetTimer(&notes[3].timer, milliseconds(6), &notes[3].dpc);
    KeSetTimer(&notes[1].timer, milliseconds(5), &notes[1].dpc);
    assert_true(nt_advance(*state, UINT64_MAX, &passed));
    assert_int_equal(passed, 5 * MS);
    assert_string_equal(order, "cab");
    assert_true(nt_advance(*state, UINT64_MAX, &passed));
    assert_int_equal(passed, 1 * MS);
    assert_string_equal(order, "cabd");
}

static void an_absolute_timer_is_due_at_its_system_time(void **state)
{
    struct note note;
    LARGE_INTEGER due;
    uint64_t passed;

    note_init(&note, *state);
    KeQuerySystemTime(&due);
    due.QuadPart += 70000; /* 7 ms */
    KeSetTimer(&note.timer, due, &note.dpc);
    assert_true(nt_advance(*state, UINT64_MAX, &passed));
    assert_int_equal(passed, 7 * MS);
}

static void a_periodic_timer_comes_every_period_exactly(void **state)
{
    struct note note;
    uint64_t passed;

    note_init(&note, *state);
    KeSetTimerEx(&note.timer, milliseconds(10), 3, &note.dpc);
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(nt_advance(*state, UINT64_MAX, &passed));
        assert_int_equal(note.count, i + 1);
        assert_int_equal(note.when, START + 10 * MS + i * 3 * MS);
    }
    KeCancelTimer(&note.timer);
}

static void a_timer_that_is_due_at_once_comes_a_moment_later_so_that_time_goes_on(void **state)
{
    struct note note, other;
    LARGE_INTEGER now = {.QuadPart = 1}; /* long ago */
    uint64_t passed;

    note_init(&note, *state);
    note_init(&other, *state);
    KeSetTimer(&other.timer, milliseconds(1), &other.dpc);
    KeSetTimer(&note.timer, now, &note.dpc);
    assert_true(nt_advance(*state, UINT64_MAX, &passed));
    assert_int_equal(passed, 100);
    assert_int_equal(note.count, 1);
    assert_int_equal(other.count, 0);
    KeCancelTimer(&other.timer);
}

static void a_queued_dpc_is_run_without_any_time_passing(void **state)
{
    struct note note;
    uint64_t passed;

    note_init(&note, *state);
    assert_true(KeInsertQueueDpc(&note.dpc, NULL, NULL));
    assert_int_equal(note.count, 0);
    assert_true(nt_advance(*state, SECOND, &passed));
    assert_int_equal(passed, 0);
    assert_int_equal(note.count, 1);
}

static void flushing_runs_the_queued_dpcs(void **state)
{
    struct note note;

    note_init(&note, *state);
    KeInsertQueueDpc(&note.dpc, NULL, NULL);
    KeFlushQueuedDpcs();
    assert_int_equal(note.count, 1);
    assert_int_equal(nt_time(*state), START);
}

static void a_delay_takes_its_time_and_no_other(void **state)
{
    LARGE_INTEGER delay = milliseconds(86400000);

    assert_int_equal(KeDelayExecutionThread(KernelMode, FALSE, &delay), STATUS_SUCCESS);
    assert_int_equal(nt_time(*state), START + 86400 * SECOND);
}

static void a_wait_times_out_exactly(void **state)
{
    LARGE_INTEGER timeout = milliseconds(60000);
    KEVENT event;

    KeInitializeEvent(&event, NotificationEvent, FALSE);
    assert_int_equal(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &timeout), STATUS_TIMEOUT);
    assert_int_equal(nt_time(*state), START + 60 * SECOND);
}

static void a_wait_without_a_limit_moves_the_clock_to_the_timer_that_ends_it(void **state)
{
    struct note note;

    note_init(&note, *state);
    KeSetTimer(&note.timer, milliseconds(60000), NULL);
    assert_int_equal(KeWaitForSingleObject(&note.timer, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
    assert_int_equal(nt_time(*state), START + 60 * SECOND);
}

static void a_wait_runs_the_timers_before_its_end_and_not_those_after(void **state)
{
    LARGE_INTEGER timeout = milliseconds(60000);
    struct note before, after;
    KEVENT event;

    note_init(&before, *state);
    note_init(&after, *state);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeSetTimer(&before.timer, milliseconds(59999), &before.dpc);
    KeSetTimer(&after.timer, milliseconds(60001), &after.dpc);
    assert_int_equal(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &timeout), STATUS_TIMEOUT);
    assert_int_equal(before.count, 1);
    assert_int_equal(before.when, START + 59999 * (uint64_t)MS);
    assert_int_equal(after.count, 0);
    KeCancelTimer(&after.timer);
}

static void a_stalled_processor_lets_time_pass(void **state)
{
    struct note note;
    uint64_t passed;

    note_init(&note, *state);
    KeSetTimer(&note.timer, milliseconds(1), &note.dpc);
    KeStallExecutionProcessor(5000);
    assert_int_equal(nt_time(*state), START + 5 * MS);
    assert_true(nt_advance(*state, UINT64_MAX, &passed)); /* late by what was stalled */
    assert_int_equal(passed, 0);
    assert_int_equal(note.when, START + 5 * MS);
}

static void two_hosts_have_two_clocks(void **state)
{
    LARGE_INTEGER delay = milliseconds(1000);
    struct nt_host *other, *mine = *state;

    assert_int_equal(nt_host_create(&other), STATUS_SUCCESS);
    nt_host_simulate(other);
    nt_enter(other);
    KeDelayExecutionThread(KernelMode, FALSE, &delay);
    nt_enter(mine);
    assert_int_equal(nt_time(other), START + SECOND);
    assert_int_equal(nt_time(mine), START);
    nt_host_destroy(other);
}

#define TIMERS 300

static size_t fired[TIMERS + 1], fired_count;

static void note_number(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    (void)dpc;
    (void)argument1;
    (void)argument2;
    if (fired_count <= TIMERS) {
        fired[fired_count++] = (size_t)(uintptr_t)context;
    }
}

/* Some are set anew, some cancelled, at random: what is left fires in the order of due times, equal ones as they were set.
 * Which is next is looked up here in the plainest way. */
static void timers_set_and_cancelled_at_random_fire_in_order(void **state)
{
    static KTIMER timers[TIMERS];
    static KDPC dpcs[TIMERS];
    static uint64_t due[TIMERS], set[TIMERS]; /* due 0: not set */
    uint64_t seed = 1, passed;
    size_t count = 0;

    for (size_t i = 0; i < TIMERS; i++) {
        KeInitializeTimer(&timers[i]);
        KeInitializeDpc(&dpcs[i], note_number, (PVOID)(uintptr_t)i);
    }
    for (uint64_t turn = 1; turn <= 3000; turn++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t i = (seed >> 33) % TIMERS;
        LONGLONG ms = 1 + (LONGLONG)((seed >> 50) % 100);

        if ((seed >> 60) < 6) {
            assert_int_equal(KeCancelTimer(&timers[i]), due[i] != 0);
            due[i] = 0;
        } else {
            assert_int_equal(KeSetTimer(&timers[i], milliseconds(ms), &dpcs[i]), due[i] != 0);
            due[i] = (uint64_t)ms;
            set[i] = turn;
        }
    }
    fired_count = 0;
    while (nt_advance(*state, UINT64_MAX, &passed) || passed > 0) {
    }
    for (size_t i = 0; i < TIMERS; i++) {
        count += due[i] != 0;
    }
    assert_in_range(count, TIMERS / 3, TIMERS - 1);
    assert_int_equal(fired_count, count);
    for (size_t n = 0; n < count; n++) {
        size_t next = TIMERS;

        for (size_t i = 0; i < TIMERS; i++) {
            if (due[i] != 0 && (next == TIMERS || due[i] < due[next] || (due[i] == due[next] && set[i] < set[next]))) {
                next = i;
            }
        }
        assert_int_equal(fired[n], next);
        due[next] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_simulated(the_clock_begins_at_one_second_and_stands_still),
        with_simulated(system_time_begins_on_a_fixed_day),
        with_simulated(advancing_moves_to_the_next_timer_and_runs_its_dpc_here),
        with_simulated(advancing_stops_at_its_limit_before_a_timer),
        with_simulated(advancing_rounds_its_limit_down_to_the_kernels_unit),
        with_simulated(advancing_to_the_next_timer_goes_nowhere_without_one),
        with_simulated(a_timer_that_is_cancelled_moves_nothing),
        with_simulated(a_timer_for_ever_is_none),
        with_simulated(one_advance_runs_all_that_is_due_at_one_time_in_the_order_of_setting),
        with_simulated(an_absolute_timer_is_due_at_its_system_time),
        with_simulated(a_periodic_timer_comes_every_period_exactly),
        with_simulated(a_timer_that_is_due_at_once_comes_a_moment_later_so_that_time_goes_on),
        with_simulated(a_queued_dpc_is_run_without_any_time_passing),
        with_simulated(flushing_runs_the_queued_dpcs),
        with_simulated(a_delay_takes_its_time_and_no_other),
        with_simulated(a_wait_times_out_exactly),
        with_simulated(a_wait_without_a_limit_moves_the_clock_to_the_timer_that_ends_it),
        with_simulated(a_wait_runs_the_timers_before_its_end_and_not_those_after),
        with_simulated(a_stalled_processor_lets_time_pass),
        with_simulated(two_hosts_have_two_clocks),
        with_simulated(timers_set_and_cancelled_at_random_fire_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
