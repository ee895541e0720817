/* SPDX-License-Identifier: MIT */
/*
 * The verifier through smartcrd.h, with a driver without a mistake of its own (client_toy.h): what is right is not
 * reported, however odd it looks, and the list of violations. Mistakes, rule by rule, are tests/verifier's.
 */
#include "client_toy.h"

static int watched_up(void **state)
{
    static struct house house;
    const struct smartcrd_options options = {.size = sizeof(options), .simulated_time = 1, .verify = 1};

    *state = &house;
    return house_build_with(&house, true, &options);
}

static void assert_nothing_is_wrong(struct smartcrd *context)
{
    struct smartcrd_violation found;
    char line[512];

    if (smartcrd_next_violation(context, &found)) {
        smartcrd_violation_text(&found, line, sizeof(line));
        fail_msg("%s", line);
    }
}

static struct smartcrd_violation the_violation(struct smartcrd *context, const char *rule)
{
    struct smartcrd_violation found;

    assert_true(smartcrd_next_violation(context, &found));
    assert_string_equal(found.rule->name, rule);
    assert_string_equal(found.driver, "toy");
    return found;
}

static NTSTATUS return_so_much(struct smartcrd_handle *handle, NTSTATUS status, uint32_t information)
{
    return smartcrd_control(handle, ASK(TOY_RETURN, status, information, 0, SMARTCRD_NO_TIMEOUT), NULL);
}

/* ---- Information ------------------------------------------------------------------------------------------------- */

/* The I/O manager copies nothing of a request that has failed. */
static void information_of_an_error_counts_for_nothing(void **state)
{
    struct house *house = *state;

    assert_int_equal(return_so_much(house->handle, STATUS_IO_TIMEOUT, 1000), STATUS_IO_TIMEOUT);
    assert_nothing_is_wrong(house->context);
    (void)return_so_much(house->handle, STATUS_SUCCESS, 1000);
    the_violation(house->context, "information_beyond_buffer");
    assert_nothing_is_wrong(house->context);
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

static UCHAR *kept_buffer;

static NTSTATUS keep_buffer(struct toy *toy, const UCHAR *in, ULONG in_size, UCHAR *out, ULONG room, ULONG_PTR *size)
{
    kept_buffer = out;
    return STATUS_SUCCESS;
}

static void transmit(struct house *house)
{
    static const uint8_t command[] = {2, 0, 0, 0, 8, 0, 0, 0, 0x00, 0xB0, 0x00, 0x00, 0x02};
    uint8_t out[64];
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_TRANSMIT,
                                       .in = command,
                                       .in_size = sizeof(command),
                                       .out = out,
                                       .out_size = sizeof(out),
                                       .timeout_ms = SMARTCRD_NO_TIMEOUT};

    assert_int_equal(smartcrd_control(house->handle, &request, NULL), STATUS_SUCCESS);
}

/* So many requests later the buffer is looked at for the last time; not only when the driver is unloaded. */
static void a_late_write_is_found_while_the_driver_lives(void **state)
{
    struct house *house = *state;
    struct smartcrd_violation found;

    house->toy->transmit = keep_buffer;
    transmit(house);
    kept_buffer[0] = 0x5A;
    assert_nothing_is_wrong(house->context);
    for (int i = 0; i < 300; i++)
        assert_int_equal(do_return(house->handle, STATUS_SUCCESS), STATUS_SUCCESS);
    found = the_violation(house->context, "written_after_completion");
    assert_string_equal(found.request, "IOCTL_SMARTCARD_TRANSMIT");
    assert_int_equal(found.code, IOCTL_SMARTCARD_TRANSMIT);
    assert_nothing_is_wrong(house->context);
}

/* ---- which request ----------------------------------------------------------------------------------------------- */

static void a_violation_names_the_request_as_its_caller_does(void **state)
{
    struct house *house = *state;
    struct smartcrd_violation found;
    struct smartcrd_journal_entry entry;

    assert_int_equal(do_return(house->handle, STATUS_SUCCESS), STATUS_SUCCESS);
    (void)return_so_much(house->handle, STATUS_SUCCESS, 1000);
    entry = newest(house->handle);
    found = the_violation(house->context, "information_beyond_buffer");
    assert_int_equal(found.code, TOY_RETURN);
    assert_string_equal(found.request, "0x00312000");
    assert_int_not_equal(found.id, 0);
    assert_int_equal(found.id, entry.request);
    assert_int_equal(found.handle, entry.handle);
}

/* ---- what a driver keeps ----------------------------------------------------------------------------------------- */

/* A reader's removal waits for what that reader's driver keeps, and judges nobody else's. */
static void another_readers_request_is_no_business_of_a_removal(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *second;
    char name[SMARTCRD_NAME_MAX];
    uint64_t id;

    assert_int_equal(smartcrd_add_reader(house->context, "toy", name, sizeof(name)), STATUS_SUCCESS);
    assert_int_equal(smartcrd_open(house->context, name, &second), STATUS_SUCCESS);
    id = start_pending(second, TOY_KEEP, SMARTCRD_NO_TIMEOUT);
    assert_int_equal(smartcrd_remove_reader(house->context, house->name), STATUS_SUCCESS);
    assert_nothing_is_wrong(house->context);
    assert_true(toy_release(toys[1], STATUS_SUCCESS));
    assert_int_equal(reap_status(second, id), STATUS_SUCCESS);
    smartcrd_close(second);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static void free_nothing(struct toy *toy)
{
    ExFreePoolWithTag(NULL, 0);
}

/* 256 unread ones; those beyond are printed, and counted. Different codes: one breach is one row. */
static void the_list_is_as_long_as_it_says(void **state)
{
    struct house *house = *state;
    struct smartcrd_violation found;

    house->toy->arrives = free_nothing;
    for (uint32_t i = 0; i < 260; i++) {
        const struct smartcrd_request request = {.code = SCARD_CTL_CODE(3000 + i), .timeout_ms = SMARTCRD_NO_TIMEOUT};

        assert_int_equal(smartcrd_control(house->handle, &request, NULL), STATUS_INVALID_DEVICE_REQUEST);
    }
    for (uint32_t i = 0; i < 256; i++) {
        found = the_violation(house->context, "wrong_call");
        assert_int_equal(found.number, i + 1);
        assert_int_equal(found.code, SCARD_CTL_CODE(3000 + i));
        assert_int_equal(found.times, 1);
    }
    assert_nothing_is_wrong(house->context);
    assert_int_equal(do_return(house->handle, STATUS_SUCCESS), STATUS_SUCCESS);
    assert_int_equal(the_violation(house->context, "wrong_call").number, 261);
}

#define watched(test) cmocka_unit_test_setup_teardown(test, watched_up, house_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        watched(information_of_an_error_counts_for_nothing),
        watched(a_late_write_is_found_while_the_driver_lives),
        watched(a_violation_names_the_request_as_its_caller_does),
        watched(another_readers_request_is_no_business_of_a_removal),
        watched(the_list_is_as_long_as_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
