/* SPDX-License-Identifier: MIT */
/*
 * The driver of this folder runs: with a model of its hardware behind the ports it has a reader whose card answers, and
 * its requests come back through its own completion routine.
 */
#include "../e2e/support.h"

#define TURN_CARD SCARD_CTL_CODE(2048)

static const char *driver_path(const char *variable)
{
    const char *path = getenv(variable);
    if (path == NULL || strchr(path, '/') == NULL)
        fail_msg("%s names no file; run this with meson test", variable);
    return path;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    char error[256] = "";

    assert_non_null(world);
    assert_status(smartcrd_create(NULL, &world->context), STATUS_SUCCESS);
    if (smartcrd_load_driver(world->context, driver_path("SMARTCRD_NAMES_DRIVER"), error, sizeof(error)) !=
        STATUS_SUCCESS)
        fail_msg("%s", error);
    assert_status(smartcrd_add_reader(world->context, "names", world->name, sizeof(world->name)), STATUS_SUCCESS);
    world->reader = open_handle(world->context, world->name);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    smartcrd_close(world->reader);
    smartcrd_destroy(world->context);
    free(world);
    return 0;
}

static void power(struct world *world)
{
    uint8_t atr[33];
    size_t size = sizeof(atr);

    assert_status(smartcrd_power(world->reader, SCARD_COLD_RESET, atr, &size, PATIENCE_MS), STATUS_SUCCESS);
    assert_int_equal(size, 5);
    assert_memory_equal(atr, "\x3B\x80\x80\x01\x01", 5);
}

static void protocol(struct world *world, uint32_t mask)
{
    uint32_t selected = 0;

    assert_status(smartcrd_set_protocol(world->reader, mask, &selected, PATIENCE_MS), STATUS_SUCCESS);
    assert_int_equal(selected, mask);
}

/* The card gives a command's data back. */
static void echo(struct world *world)
{
    uint8_t reply[64];
    size_t size = sizeof(reply);

    assert_status(smartcrd_transmit(world->reader, (const uint8_t *)"\x00\xD6\x00\x00\x03\x01\x02\x03", 8, reply, &size,
                                    PATIENCE_MS),
                  STATUS_SUCCESS);
    assert_int_equal(size, 5);
    assert_memory_equal(reply, "\x01\x02\x03\x90\x00", 5);
}

static void a_card_behind_ports_answers_in_t0(void **state)
{
    power(*state);
    protocol(*state, SCARD_PROTOCOL_T0);
    echo(*state);
    echo(*state);
}

static void a_card_behind_ports_answers_in_t1(void **state)
{
    power(*state);
    protocol(*state, SCARD_PROTOCOL_T1);
    echo(*state);
    echo(*state);
}

static void what_the_driver_tells_of_itself_is_there(void **state)
{
    struct world *world = *state;
    uint8_t value[64];
    size_t size = sizeof(value);

    assert_status(smartcrd_attribute(world->reader, SCARD_ATTR_VENDOR_IFD_TYPE, value, &size), STATUS_SUCCESS);
    assert_memory_equal(value, "port reader", 11);
    size = sizeof(value);
    assert_status(smartcrd_attribute(world->reader, SCARD_ATTR_VENDOR_IFD_SERIAL_NO, value, &size), STATUS_SUCCESS);
    assert_memory_equal(value, "20", 2); /* a year of this century */
}

static void tracking_through_a_completion_routine_ends_when_the_card_goes(void **state)
{
    struct world *world = *state;
    uint64_t waiting = start(world->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);

    assert_status(bare(world->reader, TURN_CARD), STATUS_SUCCESS);
    assert_status(finish(world->reader, waiting).status, STATUS_SUCCESS);
    assert_int_equal(reader_state(world->reader), SCARD_ABSENT);
    assert_status(bare(world->reader, IOCTL_SMARTCARD_SET_PROTOCOL), STATUS_INVALID_DEVICE_STATE);
    assert_status(last_error(world->reader), STATUS_INVALID_DEVICE_STATE);
    assert_status(bare(world->reader, TURN_CARD), STATUS_SUCCESS);
    assert_int_equal(reader_state(world->reader), SCARD_PRESENT);
}

static void tracking_stays_when_another_file_is_closed(void **state)
{
    struct world *world = *state;
    uint64_t waiting = start(world->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);

    assert_status(bare(world->reader, IOCTL_SMARTCARD_EJECT), STATUS_NOT_SUPPORTED);
    smartcrd_close(open_handle(world->context, world->name));
    assert_status(bare(world->reader, TURN_CARD), STATUS_SUCCESS);
    assert_status(finish(world->reader, waiting).status, STATUS_SUCCESS);
}

static void a_cancelled_tracking_request_is_the_last_error(void **state)
{
    struct world *world = *state;
    uint64_t waiting = start(world->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);

    assert_status(smartcrd_cancel(world->reader, waiting), STATUS_SUCCESS);
    assert_status(finish(world->reader, waiting).status, STATUS_CANCELLED);
    assert_status(last_error(world->reader), STATUS_CANCELLED);
    power(world);
}

static void a_reader_without_its_hardware_is_not_made(void **state)
{
    struct smartcrd *context = NULL;
    char name[SMARTCRD_NAME_MAX];

    assert_status(smartcrd_create(NULL, &context), STATUS_SUCCESS);
    assert_status(smartcrd_load_driver(context, driver_path("SMARTCRD_NAMES_BARE_DRIVER"), NULL, 0), STATUS_SUCCESS);
    assert_status(smartcrd_add_reader(context, "names_bare", name, sizeof(name)), STATUS_NO_SUCH_DEVICE);
    smartcrd_destroy(context);
}

#define with_reader(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_reader(a_card_behind_ports_answers_in_t0),
        with_reader(a_card_behind_ports_answers_in_t1),
        with_reader(what_the_driver_tells_of_itself_is_there),
        with_reader(tracking_through_a_completion_routine_ends_when_the_card_goes),
        with_reader(tracking_stays_when_another_file_is_closed),
        with_reader(a_cancelled_tracking_request_is_the_last_error),
        cmocka_unit_test(a_reader_without_its_hardware_is_not_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
