/* SPDX-License-Identifier: MIT */
/* What becomes of an NTSTATUS on its way to pcscd: the table of docs/pcsc.md, row by row. */
#include "src/pcsc/slot.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void becomes(NTSTATUS status, int transmit, int power, int protocol, int attribute, int control)
{
    assert_int_equal(status_map(STATUS_OF_TRANSMIT, status), transmit);
    assert_int_equal(status_map(STATUS_OF_POWER, status), power);
    assert_int_equal(status_map(STATUS_OF_PROTOCOL, status), protocol);
    assert_int_equal(status_map(STATUS_OF_ATTRIBUTE, status), attribute);
    assert_int_equal(status_map(STATUS_OF_CONTROL, status), control);
}

static void success_is_success(void **state)
{
    (void)state;
    becomes(STATUS_SUCCESS, 0, 0, 0, 0, 0);
}

static void no_card_is_told_as_such(void **state)
{
    (void)state;
    becomes(STATUS_NO_MEDIA, 616, 608, 612, 616, 616);
}

static void a_reader_that_has_gone_is_told_as_such(void **state)
{
    (void)state;
    becomes(STATUS_DEVICE_REMOVED, 617, 617, 617, 617, 617);
    becomes(STATUS_DELETE_PENDING, 617, 617, 617, 617, 617);
}

static void a_deadline_is_a_time_out(void **state)
{
    (void)state;
    becomes(STATUS_IO_TIMEOUT, 613, 608, 613, 613, 613);
}

static void a_small_buffer_is_told_as_such(void **state)
{
    (void)state;
    becomes(STATUS_BUFFER_TOO_SMALL, 618, 608, 612, 618, 618);
    becomes(STATUS_BUFFER_OVERFLOW, 618, 608, 612, 618, 618);
}

static void what_a_driver_does_not_know_is_no_failure_of_the_reader(void **state)
{
    (void)state;
    becomes(STATUS_NOT_SUPPORTED, 612, 614, 607, 600, 614);
    becomes(STATUS_INVALID_DEVICE_REQUEST, 612, 614, 607, 600, 614);
}

static void any_other_error_is_a_failure(void **state)
{
    (void)state;
    becomes(STATUS_DEVICE_PROTOCOL_ERROR, 612, 608, 605, 612, 612);
    becomes(STATUS_CANCELLED, 612, 608, 605, 612, 612);
    becomes(STATUS_INVALID_PARAMETER, 612, 608, 605, 612, 612);
    becomes(STATUS_UNRECOGNIZED_MEDIA, 612, 608, 605, 612, 612);
    becomes((NTSTATUS)0xE0001234, 612, 608, 605, 612, 612);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_success),
        cmocka_unit_test(no_card_is_told_as_such),
        cmocka_unit_test(a_reader_that_has_gone_is_told_as_such),
        cmocka_unit_test(a_deadline_is_a_time_out),
        cmocka_unit_test(a_small_buffer_is_told_as_such),
        cmocka_unit_test(what_a_driver_does_not_know_is_no_failure_of_the_reader),
        cmocka_unit_test(any_other_error_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
