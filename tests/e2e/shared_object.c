/* SPDX-License-Identifier: MIT */
/*
 * A driver in a shared object: the example driver, built from its own folder, is loaded, makes its reader, and answers;
 * what cannot be loaded is refused with a sentence.
 */
#include "support.h"

#include <limits.h>
#include <unistd.h>

static const char *driver_path(void)
{
    const char *path = getenv("SMARTCRD_EXAMPLE_DRIVER");
    if (path == NULL || strchr(path, '/') == NULL)
        fail_msg("SMARTCRD_EXAMPLE_DRIVER names no file; run this with meson test");
    return path;
}

static int setup(void **state)
{
    struct smartcrd *context = NULL;
    assert_status(smartcrd_create(NULL, &context), STATUS_SUCCESS);
    *state = context;
    return 0;
}

static int teardown(void **state)
{
    smartcrd_destroy(*state);
    return 0;
}

/* Load it and open its reader. */
static struct smartcrd_handle *example(struct smartcrd *context)
{
    struct smartcrd_reader_info info[2];
    char error[256] = "", name[SMARTCRD_NAME_MAX];
    NTSTATUS status = smartcrd_load_driver(context, driver_path(), error, sizeof(error));
    if (status != STATUS_SUCCESS)
        print_error("%s\n", error);
    assert_status(status, STATUS_SUCCESS);
    if (smartcrd_list(context, info, 2) == 0)
        assert_status(smartcrd_add_reader(context, "example", name, sizeof(name)), STATUS_SUCCESS);
    assert_int_equal(smartcrd_list(context, info, 2), 1);
    assert_string_equal(info[0].driver, "example");
    return open_handle(context, info[0].name);
}

static void it_makes_its_reader_and_the_toy_card_answers(void **state)
{
    struct smartcrd_handle *reader = example(*state);
    uint8_t atr[33], reply[64];
    size_t size = sizeof(atr);
    uint32_t selected = 0;
    assert_in_range(reader_state(reader), SCARD_PRESENT, SCARD_SPECIFIC);
    assert_status(smartcrd_power(reader, SCARD_COLD_RESET, atr, &size, PATIENCE_MS), STATUS_SUCCESS);
    assert_in_range(size, 2, 33);
    assert_int_equal(atr[0], 0x3B);
    assert_status(smartcrd_set_protocol(reader, SCARD_PROTOCOL_Tx, &selected, PATIENCE_MS), STATUS_SUCCESS);
    assert_int_equal(reader_state(reader), SCARD_SPECIFIC);
    size = sizeof(reply);
    assert_status(smartcrd_transmit(reader, (const uint8_t *)"\0\1\0\0", 4, reply, &size, PATIENCE_MS), STATUS_SUCCESS);
    assert_in_range(size, 2, sizeof(reply));
    assert_memory_equal(reply + size - 2, "\x90\x00", 2);
    assert_status(last_error(reader), STATUS_SUCCESS);
    smartcrd_close(reader);
}

static void its_last_error_is_true(void **state)
{
    struct smartcrd_handle *reader = example(*state);
    assert_status(last_error(reader), STATUS_SUCCESS);
    assert_status(bare(reader, IOCTL_SMARTCARD_EJECT), STATUS_NOT_SUPPORTED);
    assert_status(last_error(reader), STATUS_NOT_SUPPORTED);
    uint64_t waiting = start(reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);
    assert_status(smartcrd_cancel(reader, waiting), STATUS_SUCCESS);
    assert_status(finish(reader, waiting).status, STATUS_CANCELLED);
    assert_status(last_error(reader), STATUS_CANCELLED);
    smartcrd_close(reader);
}

static void loading_it_twice_is_no_error(void **state)
{
    struct smartcrd_handle *reader = example(*state);
    struct smartcrd_reader_info info[2];
    assert_status(smartcrd_load_driver(*state, driver_path(), NULL, 0), STATUS_SUCCESS);
    assert_int_equal(smartcrd_list(*state, info, 2), 1);
    smartcrd_close(reader);
}

static void two_contexts_load_it_independently(void **state)
{
    struct smartcrd *other = NULL;
    struct smartcrd_handle *reader = example(*state);
    assert_status(smartcrd_create(NULL, &other), STATUS_SUCCESS);
    struct smartcrd_handle *second = example(other);
    assert_status(bare(reader, IOCTL_SMARTCARD_EJECT), STATUS_NOT_SUPPORTED);
    assert_status(last_error(second), STATUS_SUCCESS);
    smartcrd_close(second);
    smartcrd_destroy(other);
    assert_status(last_error(reader), STATUS_NOT_SUPPORTED);
    smartcrd_close(reader);
}

static void what_is_no_driver_is_refused_with_a_sentence(void **state)
{
    char error[256] = "", tiny[8] = "";
    assert_status(smartcrd_load_driver(*state, "/no/such/driver.so", error, sizeof(error)),
                  STATUS_OBJECT_NAME_NOT_FOUND);
    assert_non_null(strstr(error, "/no/such/driver.so"));
    assert_null(strchr(error, '\n'));
    assert_status(smartcrd_load_driver(*state, "/no/such/driver.so", tiny, sizeof(tiny)), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_true(strlen(tiny) < sizeof(tiny));
    error[0] = '\0';
    assert_status(smartcrd_load_driver(*state, "/etc/passwd", error, sizeof(error)), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_true(error[0] != '\0');
    error[0] = '\0';
    assert_status(smartcrd_load_driver(*state, "nosuchdriver", error, sizeof(error)), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_non_null(strstr(error, "nosuchdriver"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_makes_its_reader_and_the_toy_card_answers),
        TEST(its_last_error_is_true),
        TEST(loading_it_twice_is_no_error),
        TEST(two_contexts_load_it_independently),
        TEST(what_is_no_driver_is_refused_with_a_sentence),
    };
    return cmocka_run_group_tests_name("shared_object", tests, NULL, NULL);
}
