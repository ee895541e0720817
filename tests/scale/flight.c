/* SPDX-License-Identifier: MIT */
/*
 * 100,000 overlapped requests in flight on one handle, and 5000 handles on one reader: each request ends exactly once,
 * with the status that it should have, whichever way it ends. The driver holds the first one; all others wait in line.
 */
#include "../unit/client_toy.h"

#define MANY    100000u
#define HANDLES 5000u
#define NONE    SMARTCRD_NO_TIMEOUT

/* How each of them ended: STATUS_PENDING until it has. request.user points at its place. */
static NTSTATUS ends[MANY];
static uint64_t ids[MANY];

/* The first one has no deadline. */
static void submit_all(struct smartcrd_handle *handle, uint32_t timeout_ms)
{
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t in[3] = {(uint32_t)STATUS_NO_MEDIA, 0, 0};
        const struct smartcrd_request request = {.code = i == 0 ? TOY_HOLD : TOY_RETURN,
                                                 .in = in,
                                                 .in_size = sizeof(in),
                                                 .timeout_ms = i == 0 ? NONE : timeout_ms,
                                                 .user = &ends[i]};

        ends[i] = STATUS_PENDING;
        assert_int_equal(smartcrd_submit(handle, &request, &ids[i], NULL), STATUS_PENDING);
    }
}

/* Reap so many: each once, in the order of the sequence numbers. */
static void reap_some(struct smartcrd_handle *handle, uint32_t count)
{
    struct smartcrd_completion completion;
    uint64_t sequence = 0;

    for (uint32_t i = 0; i < count; i++) {
        NTSTATUS *end;

        assert_int_equal(smartcrd_reap(handle, &completion, 60000), STATUS_SUCCESS);
        end = completion.user;
        assert_true(end >= ends && end < ends + MANY);
        assert_int_equal(completion.id, ids[end - ends]);
        assert_int_equal(*end, STATUS_PENDING);
        *end = completion.status;
        assert_true(completion.sequence > sequence);
        sequence = completion.sequence;
    }
}

/* Reap them all; none is left. */
static void reap_all(struct smartcrd_handle *handle)
{
    struct smartcrd_completion completion;

    reap_some(handle, MANY);
    assert_int_equal(smartcrd_reap(handle, &completion, 0), STATUS_NO_MORE_ENTRIES);
}

static void those_that_are_cancelled_end_so_and_the_others_run(void **state)
{
    struct house *house = *state;

    submit_all(house->handle, NONE);
    for (uint32_t i = 1; i < MANY; i += 3)
        assert_int_equal(smartcrd_cancel(house->handle, ids[i]), STATUS_SUCCESS);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    reap_all(house->handle);
    assert_int_equal(ends[0], STATUS_SUCCESS);
    for (uint32_t i = 1; i < MANY; i++)
        assert_int_equal(ends[i], i % 3 == 1 ? STATUS_CANCELLED : STATUS_NO_MEDIA);
    assert_int_equal(house->toy->operations, 66667); /* the first, and two of three of the others: 100000 - 33333 */
}

static void cancel_all_ends_all_and_says_how_many(void **state)
{
    struct house *house = *state;

    submit_all(house->handle, NONE);
    assert_int_equal(smartcrd_cancel_all(house->handle), 100000);
    reap_all(house->handle);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(ends[i], STATUS_CANCELLED);
    assert_int_equal(house->toy->operations, 1);
}

static void deadlines_that_pass_at_once_end_all_that_have_one(void **state)
{
    struct house *house = *state;

    submit_all(house->handle, 500);
    reap_some(house->handle, MANY - 1);
    for (uint32_t i = 1; i < MANY; i++)
        assert_int_equal(ends[i], STATUS_IO_TIMEOUT);
    assert_int_equal(ends[0], STATUS_PENDING);
    assert_true(toy_release(house->toy, STATUS_NO_MEDIA));
    reap_some(house->handle, 1);
    assert_int_equal(ends[0], STATUS_NO_MEDIA);
    assert_int_equal(house->toy->operations, 1);
}

static void a_removal_ends_all(void **state)
{
    struct house *house = *state;

    submit_all(house->handle, NONE);
    assert_int_equal(smartcrd_remove_reader(house->context, "SCReader0"), STATUS_SUCCESS);
    reap_all(house->handle);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(ends[i], STATUS_DEVICE_REMOVED);
}

static void a_close_leaves_nothing(void **state)
{
    struct house *house = *state;

    submit_all(house->handle, NONE);
    smartcrd_close(house->handle);
    assert_int_equal(house->toy->operations, 1);
    assert_int_equal(house->toy->closes, 1);
    assert_int_equal(smartcrd_open(house->context, "SCReader0", &house->handle), STATUS_SUCCESS);
    assert_int_equal(last_of(house->handle), STATUS_CANCELLED);
    assert_int_equal(do_return(house->handle, STATUS_NO_MEDIA), STATUS_NO_MEDIA);
}

static void a_removal_reaches_every_handle(void **state)
{
    static struct smartcrd_handle *handles[HANDLES];
    struct house *house = *state;
    struct smartcrd_completion completion;

    start_pending(house->handle, TOY_HOLD, NONE);
    for (uint32_t i = 0; i < HANDLES; i++) {
        assert_int_equal(smartcrd_open(house->context, "SCReader0", &handles[i]), STATUS_SUCCESS);
        start_pending(handles[i], TOY_HOLD, NONE);
    }
    assert_int_equal(smartcrd_remove_reader(house->context, "SCReader0"), STATUS_SUCCESS);
    for (uint32_t i = 0; i < HANDLES; i++) {
        assert_int_equal(smartcrd_reap(handles[i], &completion, 60000), STATUS_SUCCESS);
        assert_int_equal(completion.status, STATUS_DEVICE_REMOVED);
        assert_int_equal(smartcrd_reap(handles[i], &completion, 0), STATUS_NO_MORE_ENTRIES);
        smartcrd_close(handles[i]);
    }
}

int main(void)
{
#define FLIGHT(test) cmocka_unit_test_setup_teardown(test, house_up, house_down)
    const struct CMUnitTest tests[] = {
        FLIGHT(those_that_are_cancelled_end_so_and_the_others_run),
        FLIGHT(cancel_all_ends_all_and_says_how_many),
        FLIGHT(deadlines_that_pass_at_once_end_all_that_have_one),
        FLIGHT(a_removal_ends_all),
        FLIGHT(a_close_leaves_nothing),
        FLIGHT(a_removal_reaches_every_handle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
