/* SPDX-License-Identifier: MIT */
/* The last error, sentence by sentence of DESIGN section 4. Under many threads: client_last_error_threads.c. */
#include "client_toy.h"

static void initially_success(void **state)
{
    struct house *house = *state;

    assert_int_equal(last_of(house->handle), STATUS_SUCCESS);
}

static void every_operation_stores_its_final_status(void **state)
{
    static const NTSTATUS statuses[] = {STATUS_NO_MEDIA, STATUS_SUCCESS, STATUS_DEVICE_BUSY, STATUS_CRC_ERROR,
                                        STATUS_IO_TIMEOUT};
    struct house *house = *state;

    for (size_t i = 0; i < ARRAYSIZE(statuses); i++) {
        assert_int_equal(do_return(house->handle, statuses[i]), statuses[i]);
        assert_int_equal(last_of(house->handle), statuses[i]);
    }
}

static void an_unknown_code_is_an_operation_that_fails(void **state)
{
    struct house *house = *state;

    assert_int_equal(smartcrd_control(house->handle, ASK(SCARD_CTL_CODE(100), 0, 0, 0, SMARTCRD_NO_TIMEOUT), NULL),
                     STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(last_of(house->handle), STATUS_INVALID_DEVICE_REQUEST);
}

static void a_pended_operation_stores_the_status_of_its_completion(void **state)
{
    struct house *house = *state;
    uint64_t id = start_pending(house->handle, TOY_HOLD, SMARTCRD_NO_TIMEOUT);

    assert_true(toy_release(house->toy, STATUS_NO_MEDIA));
    assert_int_equal(last_of(house->handle), STATUS_NO_MEDIA);
    assert_int_equal(reap_status(house->handle, id), STATUS_NO_MEDIA);
}

static void a_driver_that_stores_by_itself_is_honoured(void **state)
{
    struct house *house = *state;
    uint64_t id = start_pending(house->handle, TOY_HOLD, SMARTCRD_NO_TIMEOUT);

    assert_true(toy_let_go(house->toy, &house->toy->held, STATUS_UNSUCCESSFUL, STATUS_UNRECOGNIZED_MEDIA));
    assert_int_equal(last_of(house->handle), STATUS_UNRECOGNIZED_MEDIA);
    assert_int_equal(reap_status(house->handle, id), STATUS_UNSUCCESSFUL);
    /* What it stored then is not taken for the next one's. */
    id = start_pending(house->handle, TOY_HOLD, SMARTCRD_NO_TIMEOUT);
    assert_true(toy_release(house->toy, STATUS_NO_MEDIA));
    assert_int_equal(last_of(house->handle), STATUS_NO_MEDIA);
    assert_int_equal(reap_status(house->handle, id), STATUS_NO_MEDIA);
}

static void queries_store_nothing(void **state)
{
    struct house *house = *state;
    uint32_t value;
    size_t size = sizeof(value);

    do_return(house->handle, STATUS_NO_MEDIA);
    assert_int_equal(smartcrd_state(house->handle, &value), STATUS_SUCCESS);
    assert_int_equal(smartcrd_attribute(house->handle, 0x12345678, &value, &size), STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(smartcrd_control(house->handle, ASK(IOCTL_SMARTCARD_GET_PERF_CNTR, 0, 0, 0, 0), NULL),
                     STATUS_BUFFER_TOO_SMALL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(last_of(house->handle), STATUS_NO_MEDIA);
}

static void answered_while_an_operation_runs_on_every_handle(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *other;
    uint64_t held, queued;

    assert_int_equal(smartcrd_open(house->context, "SCReader0", &other), STATUS_SUCCESS);
    do_return(other, STATUS_CRC_ERROR);
    held = start_pending(house->handle, TOY_HOLD, SMARTCRD_NO_TIMEOUT);
    queued = start_pending(other, TOY_HOLD, SMARTCRD_NO_TIMEOUT);
    assert_int_equal(last_of(house->handle), STATUS_CRC_ERROR);
    assert_int_equal(last_of(other), STATUS_CRC_ERROR);
    assert_int_equal(smartcrd_cancel(other, queued), STATUS_SUCCESS);
    assert_int_equal(smartcrd_cancel(house->handle, held), STATUS_SUCCESS);
    smartcrd_close(other);
}

static void answered_while_the_driver_sleeps(void **state)
{
    struct house *house = *state;
    uint64_t start = nt_now();
    uint64_t id;

    assert_int_equal(smartcrd_submit(house->handle, ASK(TOY_SLEEP, 2000, 0, 0, SMARTCRD_NO_TIMEOUT), &id, NULL),
                     STATUS_PENDING);
    assert_int_equal(last_of(house->handle), STATUS_SUCCESS);
    assert_true(ms_since(start) < 1500);
    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, id), STATUS_CANCELLED);
}

static void four_bytes_are_enough_and_three_too_few(void **state)
{
    struct house *house = *state;
    uint8_t out[8];
    struct smartcrd_request request = {
        .code = IOCTL_SMARTCARD_GET_LAST_ERROR, .in = "ignored", .in_size = 7, .out = out};
    size_t information;

    do_return(house->handle, STATUS_NO_MEDIA); /* 0xC0000178 */
    for (request.out_size = 0; request.out_size <= sizeof(out); request.out_size++) {
        memset(out, 0xA5, sizeof(out));
        information = 99;
        if (request.out_size < 4) {
            assert_int_equal(smartcrd_control(house->handle, &request, &information), STATUS_BUFFER_TOO_SMALL);
            assert_int_equal(information, 0);
            assert_memory_equal(out, "\xA5\xA5\xA5\xA5\xA5\xA5\xA5\xA5", 8);
        } else {
            assert_int_equal(smartcrd_control(house->handle, &request, &information), STATUS_SUCCESS);
            assert_int_equal(information, 4);
            assert_memory_equal(out, "\x78\x01\x00\xC0\xA5\xA5\xA5\xA5", 8);
        }
    }
}

static void a_tracking_request_stores_its_end_too(void **state)
{
    struct house *house = *state;
    uint64_t id;

    do_return(house->handle, STATUS_NO_MEDIA);
    id = start_pending(house->handle, IOCTL_SMARTCARD_IS_PRESENT, SMARTCRD_NO_TIMEOUT);
    assert_int_equal(last_of(house->handle), STATUS_NO_MEDIA);
    assert_true(toy_let_go(house->toy, &house->toy->tracking, STATUS_SUCCESS, 0));
    assert_int_equal(last_of(house->handle), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, id), STATUS_SUCCESS);
    /* A second one at the same time is refused, and that counts as well. */
    id = start_pending(house->handle, IOCTL_SMARTCARD_IS_ABSENT, SMARTCRD_NO_TIMEOUT);
    assert_int_equal(
        smartcrd_control(house->handle, ASK(IOCTL_SMARTCARD_IS_ABSENT, 0, 0, 0, SMARTCRD_NO_TIMEOUT), NULL),
        STATUS_DEVICE_BUSY);
    assert_int_equal(last_of(house->handle), STATUS_DEVICE_BUSY);
    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_SUCCESS);
    assert_int_equal(last_of(house->handle), STATUS_CANCELLED);
}

static void cancelled_in_the_queue_is_stored(void **state)
{
    struct house *house = *state;
    uint64_t held = start_pending(house->handle, TOY_HOLD, SMARTCRD_NO_TIMEOUT);
    uint64_t queued = start_pending(house->handle, TOY_HOLD, SMARTCRD_NO_TIMEOUT);

    assert_int_equal(smartcrd_cancel(house->handle, queued), STATUS_SUCCESS);
    assert_int_equal(last_of(house->handle), STATUS_CANCELLED);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    assert_int_equal(last_of(house->handle), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, queued), STATUS_CANCELLED);
    assert_int_equal(reap_status(house->handle, held), STATUS_SUCCESS);
}

static void a_deadline_is_stored(void **state)
{
    struct house *house = *state;

    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_HOLD, 0, 0, 0, 20), NULL), STATUS_IO_TIMEOUT);
    assert_int_equal(last_of(house->handle), STATUS_IO_TIMEOUT);
}

static void a_late_result_disturbs_nothing(void **state)
{
    struct house *house = *state;
    uint64_t id = start_pending(house->handle, TOY_KEEP, SMARTCRD_NO_TIMEOUT);

    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, id), STATUS_CANCELLED);
    assert_int_equal(last_of(house->handle), STATUS_CANCELLED);
    /* Now the driver comes back, with a status and a value of its own. */
    assert_true(toy_let_go(house->toy, &house->toy->held, STATUS_NO_MEDIA, STATUS_CRC_ERROR));
    assert_int_equal(last_of(house->handle), STATUS_CANCELLED);
}

static void removal_is_stored_and_answered_afterwards(void **state)
{
    struct house *house = *state;
    uint64_t id = start_pending(house->handle, TOY_HOLD, SMARTCRD_NO_TIMEOUT);

    assert_int_equal(smartcrd_remove_reader(house->context, "SCReader0"), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, id), STATUS_DEVICE_REMOVED);
    assert_int_equal(last_of(house->handle), STATUS_DEVICE_REMOVED);
    assert_int_equal(do_return(house->handle, STATUS_SUCCESS), STATUS_DEVICE_REMOVED);
    assert_int_equal(last_of(house->handle), STATUS_DEVICE_REMOVED);
}

static void one_reader_knows_nothing_of_another(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *other;
    char name[SMARTCRD_NAME_MAX];

    assert_int_equal(smartcrd_add_reader(house->context, "toy", name, sizeof(name)), STATUS_SUCCESS);
    assert_int_equal(smartcrd_open(house->context, name, &other), STATUS_SUCCESS);
    do_return(house->handle, STATUS_NO_MEDIA);
    assert_int_equal(last_of(other), STATUS_SUCCESS);
    do_return(other, STATUS_CRC_ERROR);
    assert_int_equal(last_of(house->handle), STATUS_NO_MEDIA);
    smartcrd_close(other);
}

static void it_survives_its_handles(void **state)
{
    struct house *house = *state;

    do_return(house->handle, STATUS_NO_MEDIA);
    smartcrd_close(house->handle);
    assert_int_equal(smartcrd_open(house->context, "screader0", &house->handle), STATUS_SUCCESS);
    assert_int_equal(last_of(house->handle), STATUS_NO_MEDIA);
}

static void a_driver_without_the_library_gets_it_from_the_host(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *other;
    char name[SMARTCRD_NAME_MAX];

    toy_shows_cell = false;
    assert_int_equal(smartcrd_add_reader(house->context, "toy", name, sizeof(name)), STATUS_SUCCESS);
    assert_int_equal(smartcrd_open(house->context, name, &other), STATUS_SUCCESS);
    assert_int_equal(last_of(other), STATUS_SUCCESS);
    do_return(other, STATUS_CRC_ERROR);
    assert_int_equal(last_of(other), STATUS_CRC_ERROR);
    smartcrd_close(other);
}

static void a_cell_shown_late_takes_over_what_is_known(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *other;
    char name[SMARTCRD_NAME_MAX];

    toy_shows_cell = false;
    assert_int_equal(smartcrd_add_reader(house->context, "toy", name, sizeof(name)), STATUS_SUCCESS);
    assert_int_equal(smartcrd_open(house->context, name, &other), STATUS_SUCCESS);
    do_return(other, STATUS_CRC_ERROR);
    toys[1]->shows_cell = true;
    assert_int_equal(last_of(other), STATUS_CRC_ERROR);
    assert_int_equal(toys[1]->last_error, (ULONG)STATUS_CRC_ERROR);
    smartcrd_close(other);
}

static void the_store_comes_before_the_end_is_visible(void **state)
{
    struct house *house = *state;

    for (int i = 0; i < 300; i++) {
        NTSTATUS want = (NTSTATUS)(0xC0010000u + (uint32_t)i);
        struct smartcrd_completion completion;
        NTSTATUS status =
            smartcrd_submit(house->handle, ASK(TOY_LATER, 0, want, 0, SMARTCRD_NO_TIMEOUT), NULL, &completion);
        if (status == STATUS_PENDING)
            assert_int_equal(smartcrd_reap(house->handle, &completion, 30000), STATUS_SUCCESS);
        assert_int_equal(last_of(house->handle), want);
        assert_int_equal(completion.status, want);
    }
}

#define TEST(name)          cmocka_unit_test_setup_teardown(name, house_up, house_down)
#define TEST_BLOCKING(name) cmocka_unit_test_setup_teardown(name, house_up_blocking, house_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(initially_success),
        TEST(every_operation_stores_its_final_status),
        TEST_BLOCKING(every_operation_stores_its_final_status),
        TEST(an_unknown_code_is_an_operation_that_fails),
        TEST(a_pended_operation_stores_the_status_of_its_completion),
        TEST(a_driver_that_stores_by_itself_is_honoured),
        TEST(queries_store_nothing),
        TEST(answered_while_an_operation_runs_on_every_handle),
        TEST_BLOCKING(answered_while_the_driver_sleeps),
        TEST(four_bytes_are_enough_and_three_too_few),
        TEST(a_tracking_request_stores_its_end_too),
        TEST(cancelled_in_the_queue_is_stored),
        TEST(a_deadline_is_stored),
        TEST_BLOCKING(a_deadline_is_stored),
        TEST(a_late_result_disturbs_nothing),
        TEST(removal_is_stored_and_answered_afterwards),
        TEST(one_reader_knows_nothing_of_another),
        TEST(it_survives_its_handles),
        TEST(a_driver_without_the_library_gets_it_from_the_host),
        TEST(a_cell_shown_late_takes_over_what_is_known),
        TEST(the_store_comes_before_the_end_is_visible),
        TEST_BLOCKING(the_store_comes_before_the_end_is_visible),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
