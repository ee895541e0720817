/* SPDX-License-Identifier: MIT */
/*
 * Simulated time through the client interface: what an operation takes, when deadlines, cancels and waits end, what the
 * journal says of it, and several threads; with a toy driver, for the client's own rules. Spans are long enough that
 * nobody could wait for them: where a test says nothing else, no real time passes.
 */
#include "client_toy.h"

#define START  1000000000U
#define MS     1000000ULL
#define SECOND 1000000000ULL

static const struct smartcrd_options simulated = {.size = sizeof(simulated), .simulated_time = 1};

static int up(void **state)
{
    static struct house house;

    *state = &house;
    return house_build_with(&house, true, &simulated);
}

static int up_blocking(void **state)
{
    static struct house house;

    *state = &house;
    return house_build_with(&house, false, &simulated);
}

#define with_toy(test)      cmocka_unit_test_setup_teardown(test, up, house_down)
#define with_blocking(test) cmocka_unit_test_setup_teardown(test, up_blocking, house_down)

static NTSTATUS later(struct house *house, uint32_t ms, uint32_t timeout_ms)
{
    return smartcrd_control(house->handle, ASK(TOY_LATER, ms, STATUS_SUCCESS, 0, timeout_ms), NULL);
}

static uint64_t submit_later(struct house *house, uint32_t ms, uint32_t timeout_ms)
{
    uint64_t id;

    assert_int_equal(smartcrd_submit(house->handle, ASK(TOY_LATER, ms, STATUS_SUCCESS, 0, timeout_ms), &id, NULL),
                     STATUS_PENDING);
    return id;
}

/* ---- contexts ---------------------------------------------------------------------------------------------------- */

static void the_clock_of_a_context_begins_at_one_second(void **state)
{
    struct house *house = *state;

    assert_int_equal(smartcrd_now(house->context), START);
}

static void a_context_in_real_time_cannot_be_advanced(void **state)
{
    struct smartcrd *context;
    uint64_t passed = 1, before;

    (void)state;
    assert_int_equal(smartcrd_create(NULL, &context), STATUS_SUCCESS);
    before = smartcrd_now(context);
    assert_false(smartcrd_advance(context, 3600 * SECOND, &passed));
    assert_int_equal(passed, 0);
    assert_true(smartcrd_now(context) - before < 3600 * SECOND);
    assert_false(smartcrd_advance(NULL, SECOND, &passed));
    smartcrd_destroy(context);
}

static void options_of_the_version_before_mean_real_time(void **state)
{
    struct smartcrd_options options = {.size = offsetof(struct smartcrd_options, simulated_time), .simulated_time = 1};
    struct smartcrd *context;
    uint64_t passed;

    (void)state;
    assert_int_equal(options.size, 16);
    assert_int_equal(smartcrd_create(&options, &context), STATUS_SUCCESS);
    assert_false(smartcrd_advance(context, SECOND, &passed));
    assert_int_equal(passed, 0);
    smartcrd_destroy(context);
}

static void what_is_reserved_must_be_zero(void **state)
{
    struct smartcrd_options options = {.size = sizeof(options), .reserved = 1};
    struct smartcrd *context;

    (void)state;
    assert_int_equal(smartcrd_create(&options, &context), STATUS_INVALID_PARAMETER);
    assert_null(context);
}

/* ---- one thread -------------------------------------------------------------------------------------------------- */

static void an_operation_takes_exactly_the_drivers_time(void **state)
{
    struct house *house = *state;
    struct smartcrd_journal_entry entry;

    assert_int_equal(later(house, 3600000, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    assert_int_equal(smartcrd_now(house->context), START + 3600 * SECOND);
    entry = newest(house->handle);
    assert_int_equal(entry.submitted_ns, START);
    assert_int_equal(entry.started_ns, START);
    assert_int_equal(entry.ended_ns, START + 3600 * SECOND);
}

static void a_deadline_ends_exactly_at_its_time(void **state)
{
    struct house *house = *state;

    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_HOLD, 0, 0, 0, 86400000), NULL), STATUS_IO_TIMEOUT);
    assert_int_equal(newest(house->handle).ended_ns, START + 86400 * SECOND);
    assert_int_equal(last_of(house->handle), STATUS_IO_TIMEOUT);
}

static void an_answer_just_before_the_deadline_is_in_time(void **state)
{
    struct house *house = *state;

    assert_int_equal(later(house, 999, 1000), STATUS_SUCCESS);
    assert_int_equal(smartcrd_now(house->context), START + 999 * MS);
}

static void an_answer_just_after_the_deadline_is_late(void **state)
{
    struct house *house = *state;

    /* It has no cancel routine, so its driver gives it back 1 ms after the deadline, within the 10 ms. */
    assert_int_equal(later(house, 1001, 1000), STATUS_IO_TIMEOUT);
    assert_int_equal(smartcrd_now(house->context), START + 1001 * MS);
}

static void a_driver_that_does_not_let_go_is_left_after_exactly_ten_milliseconds(void **state)
{
    struct house *house = *state;

    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_KEEP, 0, 0, 0, 500), NULL), STATUS_IO_TIMEOUT);
    assert_int_equal(newest(house->handle).ended_ns, START + 510 * MS);
    assert_int_equal(newest(house->handle).late, STATUS_PENDING);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    assert_int_equal(newest(house->handle).late, STATUS_SUCCESS);
}

static void a_cancel_ends_at_once_and_after_ten_milliseconds_when_the_driver_keeps_it(void **state)
{
    struct house *house = *state;
    uint64_t id = start_pending(house->handle, TOY_HOLD, SMARTCRD_NO_TIMEOUT);

    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, id), STATUS_CANCELLED);
    assert_int_equal(smartcrd_now(house->context), START);

    id = start_pending(house->handle, TOY_KEEP, SMARTCRD_NO_TIMEOUT);
    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, id), STATUS_CANCELLED);
    assert_int_equal(smartcrd_now(house->context), START + 10 * MS);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
}

static void a_reap_that_only_looks_moves_nothing(void **state)
{
    struct house *house = *state;
    struct smartcrd_completion completion;

    submit_later(house, 1, SMARTCRD_NO_TIMEOUT);
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_TIMEOUT);
    assert_int_equal(smartcrd_now(house->context), START);
    assert_int_equal(smartcrd_reap(house->handle, &completion, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    assert_int_equal(smartcrd_now(house->context), START + MS);
}

static void a_reap_times_out_exactly(void **state)
{
    struct house *house = *state;
    struct smartcrd_completion completion;
    uint64_t id = submit_later(house, 60001, SMARTCRD_NO_TIMEOUT);

    assert_int_equal(smartcrd_reap(house->handle, &completion, 60000), STATUS_TIMEOUT);
    assert_int_equal(smartcrd_now(house->context), START + 60 * SECOND);
    assert_int_equal(smartcrd_reap_one(house->handle, id, &completion, 1), STATUS_SUCCESS);
    assert_int_equal(smartcrd_now(house->context), START + 60 * SECOND + MS);
}

static void advancing_ends_what_is_due_and_makes_the_descriptor_readable(void **state)
{
    struct house *house = *state;
    struct smartcrd_completion completion;
    uint64_t passed;

    submit_later(house, 20, SMARTCRD_NO_TIMEOUT);
    assert_false(smartcrd_advance(house->context, 19 * MS, &passed));
    assert_int_equal(passed, 19 * MS);
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_TIMEOUT);
    assert_true(smartcrd_advance(house->context, UINT64_MAX, &passed));
    assert_int_equal(passed, 1 * MS);
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_SUCCESS);
    assert_int_equal(completion.status, STATUS_SUCCESS);
    assert_false(smartcrd_advance(house->context, UINT64_MAX, &passed));
    assert_int_equal(passed, 0);
    assert_true(smartcrd_fd(house->handle) >= 0);
}

static void equal_deadlines_end_in_the_order_of_submission(void **state)
{
    struct house *house = *state;
    uint64_t ids[8];
    struct smartcrd_completion completion;

    for (size_t i = 0; i < 8; i++) {
        ids[i] = start_pending(house->handle, TOY_HOLD, 1000);
    }
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(smartcrd_reap(house->handle, &completion, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
        assert_int_equal(completion.id, ids[i]);
        assert_int_equal(completion.status, STATUS_IO_TIMEOUT);
        assert_int_equal(smartcrd_now(house->context), START + SECOND);
    }
}

static void operations_wait_for_their_turn_in_simulated_time(void **state)
{
    struct house *house = *state;
    struct smartcrd_journal_entry entries[3];

    for (uint32_t i = 0; i < 3; i++) {
        submit_later(house, 1000, SMARTCRD_NO_TIMEOUT);
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct smartcrd_completion completion;
        assert_int_equal(smartcrd_reap(house->handle, &completion, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    }
    assert_int_equal(smartcrd_journal(house->handle, 0, entries, 3), 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(entries[i].submitted_ns, START);
        assert_int_equal(entries[i].started_ns, START + i * SECOND);
        assert_int_equal(entries[i].ended_ns, START + (i + 1) * SECOND);
    }
}

static unsigned long threads(void)
{
    char line[128];
    unsigned long count = 0;
    FILE *file = fopen("/proc/self/status", "re");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "Threads:", 8) == 0)
            count = strtoul(line + 8, NULL, 10);
    }
    fclose(file);
    return count;
}

static void a_program_of_one_thread_stays_one_thread(void **state)
{
    struct house *house = *state;
    struct smartcrd_completion completion;
    unsigned long before = threads();

    for (uint32_t i = 0; i < 8; i++) {
        submit_later(house, 10, i % 2 == 0 ? SMARTCRD_NO_TIMEOUT : 15 * i);
    }
    while (smartcrd_reap(house->handle, &completion, SMARTCRD_NO_TIMEOUT) == STATUS_SUCCESS) {
        assert_int_equal(threads(), before);
    }
    smartcrd_cancel_all(house->handle);
    assert_int_equal(threads(), before);
}

static void queries_take_no_time(void **state)
{
    struct house *house = *state;
    uint32_t value;

    submit_later(house, 1, SMARTCRD_NO_TIMEOUT);
    assert_int_equal(smartcrd_state(house->handle, &value), STATUS_SUCCESS);
    assert_int_equal(last_of(house->handle), STATUS_SUCCESS);
    assert_int_equal(smartcrd_now(house->context), START);
}

static void closing_with_things_in_flight_takes_ten_milliseconds_at_most(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *second;

    assert_int_equal(smartcrd_open(house->context, house->name, &second), STATUS_SUCCESS);
    start_pending(second, TOY_HOLD, SMARTCRD_NO_TIMEOUT);
    start_pending(second, TOY_HOLD, 5000);
    start_pending(second, IOCTL_SMARTCARD_IS_PRESENT, SMARTCRD_NO_TIMEOUT);
    smartcrd_close(second);
    assert_true(smartcrd_now(house->context) <= START + 10 * MS);
    assert_int_equal(do_return(house->handle, STATUS_SUCCESS), STATUS_SUCCESS);

    assert_int_equal(smartcrd_open(house->context, house->name, &second), STATUS_SUCCESS);
    uint64_t before = smartcrd_now(house->context);
    start_pending(second, TOY_KEEP, SMARTCRD_NO_TIMEOUT);
    smartcrd_close(second); /* abandon_ms until it ends, and as long once more for the driver */
    assert_int_equal(smartcrd_now(house->context), before + 20 * MS);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
}

static void destroying_waits_for_a_driver_in_simulated_time(void **state)
{
    struct smartcrd_handle *handle;
    struct house house;
    uint64_t id;

    (void)state;
    house_build_with(&house, true, &simulated);
    id = submit_later(&house, 86400000, SMARTCRD_NO_TIMEOUT); /* the toy gives it back tomorrow */
    assert_int_not_equal(id, 0);
    handle = house.handle;
    smartcrd_close(handle);
    smartcrd_destroy(house.context);
}

/* ---- drivers that block ------------------------------------------------------------------------------------------ */

static void a_driver_that_delays_on_the_callers_thread_takes_no_real_time(void **state)
{
    struct house *house = *state;

    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_SLEEP, 3600000, 0, 0, SMARTCRD_NO_TIMEOUT), NULL),
                     STATUS_SUCCESS);
    assert_int_equal(smartcrd_now(house->context), START + 3600 * SECOND);
}

static void a_driver_that_delays_on_a_worker_meets_its_deadline_exactly(void **state)
{
    struct house *house = *state;

    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_SLEEP, 1000, 0, 0, 1001), NULL), STATUS_SUCCESS);
    assert_int_equal(smartcrd_now(house->context), START + SECOND);
    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_SLEEP, 1000, 0, 0, 989), NULL), STATUS_IO_TIMEOUT);
    assert_int_equal(newest(house->handle).ended_ns, START + SECOND + 999 * MS);
}

/* ---- several threads --------------------------------------------------------------------------------------------- */

struct waiter {
    struct house *house;
    uint32_t code, timeout_ms;
    NTSTATUS status;
};

static void *wait_in_control(void *context)
{
    struct waiter *waiter = context;
    struct smartcrd_handle *handle;

    if (smartcrd_open(waiter->house->context, waiter->house->name, &handle) == STATUS_SUCCESS) {
        waiter->status = smartcrd_control(handle, ASK(waiter->code, 0, 0, 0, waiter->timeout_ms), NULL);
        smartcrd_close(handle);
    }
    return NULL;
}

static void threads_that_wait_at_once_each_end_at_their_own_time(void **state)
{
    struct house *house = *state;
    struct smartcrd_journal_entry entries[8];
    struct waiter waiters[4];
    pthread_t threads[4];
    uint64_t last_deadline = 0;

    for (uint32_t i = 0; i < 4; i++) {
        waiters[i] = (struct waiter){house, TOY_HOLD, 1000 * (i + 1), STATUS_PENDING};
        pthread_create(&threads[i], NULL, wait_in_control, &waiters[i]);
    }
    for (uint32_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].status, STATUS_IO_TIMEOUT);
    }
    /* Whatever the order in which the threads came: each had exactly its own time. */
    assert_int_equal(smartcrd_journal(house->handle, 0, entries, 8), 4);
    for (size_t i = 0; i < 4; i++) {
        uint64_t took = entries[i].ended_ns - entries[i].submitted_ns;
        assert_true(took == SECOND || took == 2 * SECOND || took == 3 * SECOND || took == 4 * SECOND);
        assert_true(entries[i].ended_ns >= last_deadline);
        last_deadline = entries[i].ended_ns;
    }
}

static void a_wait_without_a_timer_sleeps_until_somebody_acts(void **state)
{
    struct house *house = *state;
    struct waiter waiter = {house, TOY_KEEP, SMARTCRD_NO_TIMEOUT, STATUS_PENDING};
    pthread_t thread;

    pthread_create(&thread, NULL, wait_in_control, &waiter);
    toy_wait_held(house->toy, &house->toy->held);
    assert_true(toy_release(house->toy, STATUS_DEVICE_POWERED_OFF));
    pthread_join(thread, NULL);
    assert_int_equal(waiter.status, STATUS_DEVICE_POWERED_OFF);
    assert_int_equal(newest(house->handle).ended_ns, START);
}

static void *advance_until_told(void *context)
{
    struct waiter *waiter = context;

    while (__atomic_load_n(&waiter->status, __ATOMIC_ACQUIRE) == STATUS_PENDING) {
        smartcrd_advance(waiter->house->context, MS, NULL);
    }
    return NULL;
}

static void one_thread_may_advance_while_another_waits(void **state)
{
    struct house *house = *state;
    struct waiter driver = {house, 0, 0, STATUS_PENDING};
    pthread_t thread;

    pthread_create(&thread, NULL, advance_until_told, &driver);
    for (int i = 0; i < 200; i++) {
        struct smartcrd_journal_entry entry;
        assert_int_equal(later(house, 50, 51), STATUS_SUCCESS);
        entry = newest(house->handle);
        assert_int_equal(entry.ended_ns - entry.started_ns, 50 * MS);
    }
    __atomic_store_n(&driver.status, STATUS_SUCCESS, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
}

static void *cancel_everything(void *context)
{
    struct house *house = context;

    smartcrd_cancel_all(house->handle);
    return NULL;
}

/* While the driver's dispatch routine has the request: before the client has set the clock for its deadline. */
static void have_another_cancel(struct toy *toy)
{
    pthread_t thread;

    toy->arrives = NULL;
    pthread_create(&thread, NULL, cancel_everything, toy->test);
    pthread_join(thread, NULL);
}

static void a_deadline_does_not_put_off_the_end_of_what_is_cancelled_already(void **state)
{
    struct house *house = *state;

    house->toy->test = house;
    house->toy->arrives = have_another_cancel;
    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_KEEP, 0, 0, 0, 60000), NULL), STATUS_CANCELLED);
    assert_int_equal(smartcrd_now(house->context), START + 10 * MS);
    toy_release(house->toy, STATUS_CANCELLED);
}

/* ---- exchanges of several operations ------------------------------------------------------------------------------ */

static void *advance_an_hour(void *context)
{
    struct house *house = context;

    smartcrd_advance(house->context, 3600 * SECOND, NULL);
    return NULL;
}

static pthread_t advancer;

/* Inside smartcrd_apdu, between what it sends to the driver: another thread would move the clock now. */
static void let_another_advance(struct toy *toy)
{
    toy->arrives = NULL;
    pthread_create(&advancer, NULL, advance_an_hour, toy->test);
    nanosleep(&(struct timespec){.tv_nsec = 20 * MS}, NULL);
}

static NTSTATUS answer_9000(struct toy *toy, const UCHAR *in, ULONG in_size, UCHAR *out, ULONG room, ULONG_PTR *size)
{
    (void)toy;
    (void)in;
    (void)in_size;
    (void)room;
    memcpy(out + sizeof(SCARD_IO_REQUEST), "\x90\x00", 2);
    *size = sizeof(SCARD_IO_REQUEST) + 2;
    return STATUS_SUCCESS;
}

static void nobody_moves_the_clock_within_an_exchange_of_several_operations(void **state)
{
    static const uint8_t command[] = {0x00, 0x20, 0x00, 0x00};
    struct house *house = *state;
    uint8_t reply[2];
    size_t size = sizeof(reply);

    house->toy->protocol = SCARD_PROTOCOL_T0;
    house->toy->transmit = answer_9000;
    house->toy->test = house;
    house->toy->arrives = let_another_advance;
    assert_int_equal(smartcrd_apdu(house->handle, command, sizeof(command), reply, &size, 1000), STATUS_SUCCESS);
    assert_int_equal(newest(house->handle).submitted_ns, START);
    pthread_join(advancer, NULL);
    assert_int_equal(smartcrd_now(house->context), START + 3600 * SECOND);
}

static void a_context_that_is_made_inside_a_driver_has_its_own_clock(void **state)
{
    struct nt_host *other, *before;
    struct house house;

    (void)state;
    assert_int_equal(nt_host_create(&other), STATUS_SUCCESS);
    before = nt_enter(other);
    house_build_with(&house, true, &simulated);
    assert_int_equal(smartcrd_control(house.handle, ASK(TOY_HOLD, 0, 0, 0, 86400000), NULL), STATUS_IO_TIMEOUT);
    assert_int_equal(smartcrd_now(house.context), START + 86400 * SECOND);
    smartcrd_close(house.handle);
    smartcrd_destroy(house.context);
    nt_enter(before);
    nt_host_destroy(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_toy(the_clock_of_a_context_begins_at_one_second),
        cmocka_unit_test(a_context_in_real_time_cannot_be_advanced),
        cmocka_unit_test(options_of_the_version_before_mean_real_time),
        cmocka_unit_test(what_is_reserved_must_be_zero),
        with_toy(an_operation_takes_exactly_the_drivers_time),
        with_toy(a_deadline_ends_exactly_at_its_time),
        with_toy(an_answer_just_before_the_deadline_is_in_time),
        with_toy(an_answer_just_after_the_deadline_is_late),
        with_toy(a_driver_that_does_not_let_go_is_left_after_exactly_ten_milliseconds),
        with_toy(a_cancel_ends_at_once_and_after_ten_milliseconds_when_the_driver_keeps_it),
        with_toy(a_reap_that_only_looks_moves_nothing),
        with_toy(a_reap_times_out_exactly),
        with_toy(advancing_ends_what_is_due_and_makes_the_descriptor_readable),
        with_toy(equal_deadlines_end_in_the_order_of_submission),
        with_toy(operations_wait_for_their_turn_in_simulated_time),
        with_toy(a_program_of_one_thread_stays_one_thread),
        with_toy(queries_take_no_time),
        with_toy(closing_with_things_in_flight_takes_ten_milliseconds_at_most),
        cmocka_unit_test(destroying_waits_for_a_driver_in_simulated_time),
        with_blocking(a_driver_that_delays_on_the_callers_thread_takes_no_real_time),
        with_blocking(a_driver_that_delays_on_a_worker_meets_its_deadline_exactly),
        with_toy(threads_that_wait_at_once_each_end_at_their_own_time),
        with_toy(a_wait_without_a_timer_sleeps_until_somebody_acts),
        with_toy(one_thread_may_advance_while_another_waits),
        with_toy(a_deadline_does_not_put_off_the_end_of_what_is_cancelled_already),
        with_toy(nobody_moves_the_clock_within_an_exchange_of_several_operations),
        cmocka_unit_test(a_context_that_is_made_inside_a_driver_has_its_own_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
