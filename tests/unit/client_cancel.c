/* SPDX-License-Identifier: MIT */
/* What a cancel, a deadline, a removal and a close promise (DESIGN section 5), and the order of operations. */
#include "client_toy.h"

#define NONE SMARTCRD_NO_TIMEOUT

/* A generous bound for "at once" on a busy machine; the promises themselves are 10 and 20 ms. */
#define SOON_MS 1000u

static void a_queued_request_ends_cancelled_at_once(void **state)
{
    struct house *house = *state;
    uint64_t held = start_pending(house->handle, TOY_KEEP, NONE);
    uint64_t queued = start_pending(house->handle, TOY_KEEP, NONE);
    struct smartcrd_completion completion;

    assert_int_equal(smartcrd_cancel(house->handle, queued), STATUS_SUCCESS);
    /* No waiting: the completion is there when cancel returns. */
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_SUCCESS);
    assert_int_equal(completion.id, queued);
    assert_int_equal(completion.status, STATUS_CANCELLED);
    assert_int_equal(house->toy->operations, 1);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    assert_int_equal(reap_status(house->handle, held), STATUS_SUCCESS);
}

static void a_running_one_goes_through_the_cancel_routine(void **state)
{
    struct house *house = *state;
    uint64_t held = start_pending(house->handle, TOY_HOLD, NONE);
    struct smartcrd_completion completion;

    assert_int_equal(smartcrd_cancel(house->handle, held), STATUS_SUCCESS);
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_SUCCESS);
    assert_int_equal(completion.status, STATUS_CANCELLED);
    assert_false(toy_release(house->toy, STATUS_SUCCESS));
    assert_int_equal(newest(house->handle).late, STATUS_PENDING);
}

static void a_driver_that_does_not_let_go_keeps_nobody(void **state)
{
    struct house *house = *state;
    uint64_t held = start_pending(house->handle, TOY_KEEP, NONE);
    uint64_t start = nt_now();
    uint64_t next;
    struct smartcrd_completion completion;

    assert_int_equal(smartcrd_cancel(house->handle, held), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, held), STATUS_CANCELLED);
    assert_true(ms_since(start) >= 9);
    assert_true(ms_since(start) < SOON_MS);
    /* The reader serves the next one when the driver returns, not before. */
    next = start_pending(house->handle, TOY_HOLD, NONE);
    assert_int_equal(smartcrd_reap(house->handle, &completion, 30), STATUS_TIMEOUT);
    assert_int_equal(house->toy->operations, 1);
    assert_true(toy_release(house->toy, STATUS_NO_MEDIA));
    toy_wait_held(house->toy, &house->toy->held);
    assert_int_equal(house->toy->operations, 2);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    assert_int_equal(reap_status(house->handle, next), STATUS_SUCCESS);
}

static void a_late_result_is_discarded_and_journaled(void **state)
{
    struct house *house = *state;
    uint64_t held = start_pending(house->handle, TOY_KEEP, NONE);
    struct smartcrd_completion completion;
    struct smartcrd_journal_entry entry;

    assert_int_equal(smartcrd_cancel(house->handle, held), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, held), STATUS_CANCELLED);
    entry = newest(house->handle);
    assert_int_equal(entry.status, STATUS_CANCELLED);
    assert_int_equal(entry.late, STATUS_PENDING);
    assert_int_equal(entry.layer, SMARTCRD_LAYER_HOST);
    assert_string_equal(entry.step, "cancelled while the driver had the request");
    assert_true(toy_release(house->toy, STATUS_NO_MEDIA));
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_NO_MORE_ENTRIES);
    entry = newest(house->handle);
    assert_int_equal(entry.status, STATUS_CANCELLED);
    assert_int_equal(entry.late, STATUS_NO_MEDIA);
    assert_int_equal(entry.sequence, 1);
}

static void those_behind_a_kept_one_can_be_cancelled_and_time_out(void **state)
{
    struct house *house = *state;
    uint64_t held = start_pending(house->handle, TOY_KEEP, NONE);
    uint64_t second, third;

    assert_int_equal(smartcrd_cancel(house->handle, held), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, held), STATUS_CANCELLED);
    second = start_pending(house->handle, TOY_KEEP, NONE);
    third = start_pending(house->handle, TOY_KEEP, 20);
    assert_int_equal(smartcrd_cancel(house->handle, second), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, second), STATUS_CANCELLED);
    assert_int_equal(reap_status(house->handle, third), STATUS_IO_TIMEOUT);
    assert_string_equal(newest(house->handle).step, "deadline of 20 ms passed while the request waited for its turn");
    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_KEEP, 0, 0, 0, 20), NULL), STATUS_IO_TIMEOUT);
    assert_int_equal(house->toy->operations, 1);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
}

static void cancel_says_what_it_did(void **state)
{
    struct house *house = *state;
    uint64_t id = start_pending(house->handle, TOY_HOLD, NONE);
    struct smartcrd_handle *other;

    assert_int_equal(smartcrd_cancel(house->handle, id + 1), STATUS_NOT_FOUND);
    assert_int_equal(smartcrd_cancel(house->handle, 0), STATUS_NOT_FOUND);
    assert_int_equal(smartcrd_open(house->context, "SCReader0", &other), STATUS_SUCCESS);
    assert_int_equal(smartcrd_cancel(other, id), STATUS_NOT_FOUND);
    smartcrd_close(other);
    /* Ended, not reaped. */
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_ALREADY_COMPLETE);
    assert_int_equal(reap_status(house->handle, id), STATUS_SUCCESS);
    /* Reaped. */
    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_NOT_FOUND);
    /* Twice: it will end cancelled, both times true. */
    id = start_pending(house->handle, TOY_KEEP, NONE);
    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_SUCCESS);
    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, id), STATUS_CANCELLED);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    /* Bound to end by its deadline. */
    id = start_pending(house->handle, TOY_KEEP, 1);
    assert_int_equal(reap_status(house->handle, id), STATUS_IO_TIMEOUT);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
}

static void a_cancelled_one_ends_cancelled_whatever_the_driver_says(void **state)
{
    struct house *house = *state;
    uint64_t id = start_pending(house->handle, TOY_KEEP, NONE);

    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_SUCCESS);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    assert_int_equal(reap_status(house->handle, id), STATUS_CANCELLED);
    assert_int_equal(last_of(house->handle), STATUS_CANCELLED);
}

static void cancel_all_counts_what_it_cancelled(void **state)
{
    struct house *house = *state;
    uint64_t ids[6];

    for (size_t i = 0; i < ARRAYSIZE(ids); i++)
        ids[i] = start_pending(house->handle, TOY_HOLD, NONE);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    toy_wait_held(house->toy, &house->toy->held);
    assert_int_equal(smartcrd_cancel_all(house->handle), 5);
    assert_int_equal(smartcrd_cancel_all(house->handle), 0);
    assert_int_equal(reap_status(house->handle, ids[0]), STATUS_SUCCESS);
    for (size_t i = 1; i < ARRAYSIZE(ids); i++)
        assert_int_equal(reap_status(house->handle, ids[i]), STATUS_CANCELLED);
}

struct sync_call {
    struct smartcrd_handle *handle;
    uint32_t code, timeout_ms, milliseconds;
    NTSTATUS status;
    pthread_t thread;
};

static void *call_control(void *argument)
{
    struct sync_call *call = argument;

    call->status = smartcrd_control(call->handle, ASK(call->code, call->milliseconds, 0, 0, call->timeout_ms), NULL);
    return NULL;
}

static void start_call(struct sync_call *call)
{
    assert_int_equal(pthread_create(&call->thread, NULL, call_control, call), 0);
}

static void cancel_all_reaches_synchronous_requests_of_other_threads(void **state)
{
    struct house *house = *state;
    struct sync_call running = {.handle = house->handle, .code = TOY_HOLD, .timeout_ms = NONE};
    struct sync_call queued = running;
    size_t count = 0;

    start_call(&running);
    toy_wait_held(house->toy, &house->toy->held);
    start_call(&queued);
    while (count < 2)
        count += smartcrd_cancel_all(house->handle);
    pthread_join(running.thread, NULL);
    pthread_join(queued.thread, NULL);
    assert_int_equal(running.status, STATUS_CANCELLED);
    assert_int_equal(queued.status, STATUS_CANCELLED);
}

static void a_deadline_is_a_cancel_that_ends_in_io_timeout(void **state)
{
    struct house *house = *state;
    uint64_t start = nt_now();

    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_HOLD, 0, 0, 0, 30), NULL), STATUS_IO_TIMEOUT);
    assert_true(ms_since(start) >= 30);
    assert_true(ms_since(start) < SOON_MS);
    assert_string_equal(newest(house->handle).step, "deadline of 30 ms passed while the driver had the request");
    start = nt_now();
    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_KEEP, 0, 0, 0, 30), NULL), STATUS_IO_TIMEOUT);
    assert_true(ms_since(start) >= 39);
    assert_true(ms_since(start) < SOON_MS);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
}

static void a_deadline_in_time_changes_nothing(void **state)
{
    struct house *house = *state;

    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(smartcrd_control(house->handle, ASK(TOY_LATER, 1, STATUS_CRC_ERROR, i, 20000), NULL),
                         STATUS_CRC_ERROR);
    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_RETURN, STATUS_SUCCESS, 0, 0, 20000), NULL),
                     STATUS_SUCCESS);
}

static void a_deadline_of_nothing_lets_only_what_ends_at_once_succeed(void **state)
{
    struct house *house = *state;

    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_RETURN, STATUS_SUCCESS, 0, 0, 0), NULL), STATUS_SUCCESS);
    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_HOLD, 0, 0, 0, 0), NULL), STATUS_IO_TIMEOUT);
}

static void a_driver_that_sleeps_keeps_no_caller_beyond_its_deadline(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *other;
    char name[SMARTCRD_NAME_MAX];
    uint64_t start = nt_now();
    struct sync_call behind = {.handle = house->handle, .code = TOY_RETURN, .timeout_ms = 150};

    assert_int_equal(smartcrd_add_reader(house->context, "toy", name, sizeof(name)), STATUS_SUCCESS);
    assert_int_equal(smartcrd_open(house->context, name, &other), STATUS_SUCCESS);
    start_call(&behind);
    pthread_join(behind.thread, NULL);
    start = nt_now();
    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_SLEEP, 3000, 0, 0, 100), NULL), STATUS_IO_TIMEOUT);
    assert_true(ms_since(start) < SOON_MS);
    /* Others on the same reader keep their deadlines too, and other readers notice nothing. */
    start_call(&behind);
    assert_int_equal(do_return(other, STATUS_SUCCESS), STATUS_SUCCESS);
    pthread_join(behind.thread, NULL);
    assert_int_equal(behind.status, STATUS_IO_TIMEOUT);
    assert_true(ms_since(start) < 2500);
    smartcrd_close(other);
}

static void a_cancel_frees_the_caller_of_a_sleeping_driver(void **state)
{
    struct house *house = *state;
    uint64_t start = nt_now();
    uint64_t id;

    assert_int_equal(smartcrd_submit(house->handle, ASK(TOY_SLEEP, 3000, 0, 0, NONE), &id, NULL), STATUS_PENDING);
    sleep_ms(20);
    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, id), STATUS_CANCELLED);
    assert_true(ms_since(start) < SOON_MS);
    smartcrd_close(house->handle); /* does not wait for the driver either */
    assert_true(ms_since(start) < SOON_MS * 2);
    assert_int_equal(smartcrd_open(house->context, "SCReader0", &house->handle), STATUS_SUCCESS);
}

/* ---- the order of operations ------------------------------------------------------------------------------------- */

static void operations_run_one_at_a_time_in_the_order_of_submission(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *handles[3] = {house->handle};
    uint64_t ids[90];

    for (int i = 1; i < 3; i++)
        assert_int_equal(smartcrd_open(house->context, "SCReader0", &handles[i]), STATUS_SUCCESS);
    for (uint32_t i = 0; i < ARRAYSIZE(ids); i++) {
        NTSTATUS status = smartcrd_submit(handles[i % 3], ASK(TOY_LATER, 1, STATUS_SUCCESS, i, NONE), &ids[i], NULL);
        if (status != STATUS_PENDING)
            ids[i] = 0;
    }
    for (uint32_t i = 0; i < ARRAYSIZE(ids); i++) {
        if (ids[i])
            assert_int_equal(reap_status(handles[i % 3], ids[i]), STATUS_SUCCESS);
    }
    for (uint32_t i = 0; i < ARRAYSIZE(ids); i++)
        assert_int_equal(house->toy->order[i], i);
    assert_int_equal(house->toy->most_inside, 1);
    for (int i = 1; i < 3; i++)
        smartcrd_close(handles[i]);
}

static void *many_calls(void *argument)
{
    struct sync_call *call = argument;

    for (int i = 0; i < 200; i++) {
        call->status = do_return(call->handle, STATUS_NO_MEDIA);
        assert_int_equal(call->status, STATUS_NO_MEDIA);
    }
    return NULL;
}

static void many_threads_never_meet_in_the_driver(void **state)
{
    struct house *house = *state;
    struct sync_call calls[6];

    for (size_t i = 0; i < ARRAYSIZE(calls); i++) {
        calls[i].handle = house->handle;
        assert_int_equal(pthread_create(&calls[i].thread, NULL, many_calls, &calls[i]), 0);
    }
    for (size_t i = 0; i < ARRAYSIZE(calls); i++)
        pthread_join(calls[i].thread, NULL);
    assert_int_equal(house->toy->most_inside, 1);
    assert_int_equal(house->toy->operations, 1200);
}

static void tracking_does_not_queue(void **state)
{
    struct house *house = *state;
    uint64_t held = start_pending(house->handle, TOY_HOLD, NONE);
    uint64_t tracking;

    toy_wait_held(house->toy, &house->toy->held);
    tracking = start_pending(house->handle, IOCTL_SMARTCARD_IS_ABSENT, NONE);
    toy_wait_held(house->toy, &house->toy->tracking);
    assert_true(toy_let_go(house->toy, &house->toy->tracking, STATUS_SUCCESS, 0));
    assert_int_equal(reap_status(house->handle, tracking), STATUS_SUCCESS);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    assert_int_equal(reap_status(house->handle, held), STATUS_SUCCESS);
}

/* ---- removal and close ------------------------------------------------------------------------------------------- */

static void removal_ends_everything(void **state)
{
    struct house *house = *state;
    uint64_t tracking = start_pending(house->handle, IOCTL_SMARTCARD_IS_PRESENT, NONE);
    uint64_t kept = start_pending(house->handle, TOY_KEEP, NONE);
    uint64_t queued = start_pending(house->handle, TOY_HOLD, 60000);
    struct smartcrd_handle *late;
    struct toy *toy = house->toy;
    uint32_t value;

    assert_int_equal(smartcrd_remove_reader(house->context, "SCReader0"), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, tracking), STATUS_DEVICE_REMOVED);
    assert_int_equal(reap_status(house->handle, queued), STATUS_DEVICE_REMOVED);
    assert_int_equal(reap_status(house->handle, kept), STATUS_DEVICE_REMOVED);
    assert_int_equal(smartcrd_state(house->handle, &value), STATUS_DEVICE_REMOVED);
    assert_int_equal(smartcrd_submit(house->handle, ASK(TOY_HOLD, 0, 0, 0, NONE), NULL, NULL), STATUS_DEVICE_REMOVED);
    assert_int_equal(smartcrd_open(house->context, "SCReader0", &late), STATUS_DEVICE_REMOVED);
    assert_int_equal(smartcrd_remove_reader(house->context, "SCReader0"), STATUS_OBJECT_NAME_NOT_FOUND);
    /* The device waits for the request that the driver keeps. */
    smartcrd_close(house->handle);
    assert_int_equal(toy->closes, 0);
    assert_true(toy_release(toy, STATUS_SUCCESS));
    house->handle = NULL;
}

static void the_device_goes_with_the_last_handle(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *other;

    assert_int_equal(smartcrd_open(house->context, "SCReader0", &other), STATUS_SUCCESS);
    assert_int_equal(smartcrd_remove_reader(house->context, "SCReader0"), STATUS_SUCCESS);
    smartcrd_close(other);
    assert_int_equal(last_of(house->handle), STATUS_SUCCESS);
    assert_int_equal(smartcrd_open(house->context, "SCReader0", &other), STATUS_DEVICE_REMOVED);
    smartcrd_close(house->handle);
    assert_int_equal(smartcrd_open(house->context, "SCReader0", &other), STATUS_OBJECT_NAME_NOT_FOUND);
    house->handle = NULL;
}

static void close_cancels_what_is_in_flight(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *other;
    uint64_t mine = start_pending(house->handle, TOY_HOLD, NONE);

    assert_int_equal(smartcrd_open(house->context, "SCReader0", &other), STATUS_SUCCESS);
    start_pending(other, TOY_HOLD, NONE);
    start_pending(other, IOCTL_SMARTCARD_IS_PRESENT, NONE);
    start_pending(other, TOY_HOLD, 60000);
    smartcrd_close(other);
    assert_int_equal(house->toy->cleanups, 1);
    assert_int_equal(house->toy->closes, 1);
    assert_null(house->toy->tracking);
    assert_int_equal(last_of(house->handle), STATUS_CANCELLED);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    assert_int_equal(reap_status(house->handle, mine), STATUS_SUCCESS);
    assert_int_equal(house->toy->operations, 1);
}

static void close_follows_the_request_that_a_driver_keeps(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *other;
    uint64_t start = nt_now();

    assert_int_equal(smartcrd_open(house->context, "SCReader0", &other), STATUS_SUCCESS);
    start_pending(other, TOY_KEEP, NONE);
    toy_wait_held(house->toy, &house->toy->held);
    smartcrd_close(other);
    assert_true(ms_since(start) < SOON_MS);
    assert_int_equal(house->toy->cleanups, 1);
    assert_int_equal(house->toy->closes, 0);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    while (house->toy->closes == 0)
        sleep_ms(1);
}

static void completions_not_reaped_go_with_the_handle(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *other;

    assert_int_equal(smartcrd_open(house->context, "SCReader0", &other), STATUS_SUCCESS);
    for (int i = 0; i < 5; i++) {
        start_pending(other, TOY_HOLD, NONE);
        toy_wait_held(house->toy, &house->toy->held);
        assert_true(toy_release(house->toy, STATUS_SUCCESS));
    }
    smartcrd_close(other);
    assert_int_equal(house->toy->closes, 1);
}

static void destroy_waits_for_a_driver_that_sleeps(void **state)
{
    struct smartcrd *context;
    struct smartcrd_handle *handle;
    char name[SMARTCRD_NAME_MAX];
    uint64_t start = nt_now();
    uint64_t id;

    (void)state;
    toy_count = 0;
    toy_never_blocks = false;
    assert_int_equal(smartcrd_create(NULL, &context), STATUS_SUCCESS);
    assert_int_equal(smartcrd_add_driver(context, "toy", toy_entry), STATUS_SUCCESS);
    assert_int_equal(smartcrd_add_reader(context, "toy", name, sizeof(name)), STATUS_SUCCESS);
    assert_int_equal(smartcrd_open(context, name, &handle), STATUS_SUCCESS);
    assert_int_equal(smartcrd_submit(handle, ASK(TOY_SLEEP, 400, 0, 0, NONE), &id, NULL), STATUS_PENDING);
    while (toys[0]->operations == 0)
        sleep_ms(1);
    smartcrd_close(handle);
    smartcrd_destroy(context);
    assert_true(ms_since(start) >= 400);
}

#define TEST(name)          cmocka_unit_test_setup_teardown(name, house_up, house_down)
#define TEST_BLOCKING(name) cmocka_unit_test_setup_teardown(name, house_up_blocking, house_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_queued_request_ends_cancelled_at_once),
        TEST(a_running_one_goes_through_the_cancel_routine),
        TEST(a_driver_that_does_not_let_go_keeps_nobody),
        TEST(a_late_result_is_discarded_and_journaled),
        TEST(those_behind_a_kept_one_can_be_cancelled_and_time_out),
        TEST(cancel_says_what_it_did),
        TEST(a_cancelled_one_ends_cancelled_whatever_the_driver_says),
        TEST(cancel_all_counts_what_it_cancelled),
        TEST(cancel_all_reaches_synchronous_requests_of_other_threads),
        TEST_BLOCKING(cancel_all_reaches_synchronous_requests_of_other_threads),
        TEST(a_deadline_is_a_cancel_that_ends_in_io_timeout),
        TEST_BLOCKING(a_deadline_is_a_cancel_that_ends_in_io_timeout),
        TEST(a_deadline_in_time_changes_nothing),
        TEST_BLOCKING(a_deadline_in_time_changes_nothing),
        TEST(a_deadline_of_nothing_lets_only_what_ends_at_once_succeed),
        TEST_BLOCKING(a_driver_that_sleeps_keeps_no_caller_beyond_its_deadline),
        TEST_BLOCKING(a_cancel_frees_the_caller_of_a_sleeping_driver),
        TEST(operations_run_one_at_a_time_in_the_order_of_submission),
        TEST_BLOCKING(operations_run_one_at_a_time_in_the_order_of_submission),
        TEST(many_threads_never_meet_in_the_driver),
        TEST_BLOCKING(many_threads_never_meet_in_the_driver),
        TEST(tracking_does_not_queue),
        TEST_BLOCKING(tracking_does_not_queue),
        TEST(removal_ends_everything),
        TEST(the_device_goes_with_the_last_handle),
        TEST(close_cancels_what_is_in_flight),
        TEST(close_follows_the_request_that_a_driver_keeps),
        TEST_BLOCKING(close_follows_the_request_that_a_driver_keeps),
        TEST(completions_not_reaped_go_with_the_handle),
        cmocka_unit_test(destroy_waits_for_a_driver_that_sleeps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
