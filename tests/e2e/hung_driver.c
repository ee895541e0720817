/* SPDX-License-Identifier: MIT */
/*
 * A driver that sleeps ten seconds in its callback holds up nobody but the reader it is for: a caller that cancels or
 * whose deadline passes has its completion within 20 ms, other readers notice nothing, and the reader serves again
 * when the driver returns. The sleep ends when a test is done with it.
 */
#include "support.h"
#include "support_driver.h"

#define SLEEP_MS 10000u

typedef uint64_t measured(struct world *world);

/* How many milliseconds it took at best in five attempts: other programs on the machine may disturb some of them, but
 * what the stack itself adds is in all. An end may come 20 ms late where times mean something, 200 under sanitizers. */
static void takes(struct world *world, measured *measure, uint64_t least, uint64_t most)
{
    uint64_t best = UINT64_MAX;
    for (int attempt = 0; attempt < 5 && best > most + 20u * time_scale(); attempt++) {
        InterlockedExchange(&test_release, 0);
        uint64_t took = measure(world);
        assert_in_range(took, least, SLEEP_MS / 2);
        best = took < best ? took : best;
    }
    assert_in_range(best, least, most + 20u * time_scale());
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    if (world == NULL)
        return -1;
    test_plan_reset();
    test_plan.callbacks[RDF_IOCTL_VENDOR] = scripted_vendor;
    test_plan.callbacks[RDF_TRANSMIT] = scripted_transmit;
    InterlockedExchange(&test_release, 0);
    world_open(world, NULL);
    assert_status(smartcrd_add_driver(world->context, "test", TestDriverEntry), STATUS_SUCCESS);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    InterlockedExchange(&test_release, 1);
    return world_teardown(state);
}

static struct smartcrd_handle *hung_reader(struct world *world, char name[SMARTCRD_NAME_MAX])
{
    assert_status(smartcrd_add_reader(world->context, "test", name, SMARTCRD_NAME_MAX), STATUS_SUCCESS);
    return open_handle(world->context, name);
}

/* A TRANSMIT (the toy's T=1 is selected) whose callback sleeps ten seconds and then says CRC error. */
static size_t sleeping_transmit(uint8_t *buffer)
{
    const struct script script = {(ULONG)STATUS_CRC_ERROR, SCRIPT_BLOCK, 0, SLEEP_MS};
    return with_pci(buffer, SCARD_PROTOCOL_T1, &script, sizeof(script));
}

static void until_asleep(void)
{
    while (InterlockedCompareExchange(&test_sleepers, 0, 0) == 0)
        sleep_ms(1);
}

static void wake_up(void)
{
    InterlockedExchange(&test_release, 1);
    while (InterlockedCompareExchange(&test_sleepers, 0, 0) != 0)
        sleep_ms(1);
}

/* The late result arrives in the journal; then the reader serves the next operation. */
static void recovers(struct smartcrd_handle *handle, uint64_t sequence, NTSTATUS ended)
{
    const struct script script = {(ULONG)STATUS_SUCCESS, SCRIPT_AT_ONCE, 0, 0};
    assert_status(journal_entry(handle, sequence).late, STATUS_PENDING);
    assert_status(last_error(handle), ended);
    wake_up();
    assert_status(control(handle, IOCTL_TEST_SCRIPT, &script, sizeof(script), NULL, 0, NULL), STATUS_SUCCESS);
    struct smartcrd_journal_entry entry = journal_entry(handle, sequence);
    assert_status(entry.status, ended);
    assert_status(entry.late, STATUS_CRC_ERROR);
    assert_true(entry.step[0] != '\0');
    assert_status(last_error(handle), STATUS_SUCCESS);
}

static uint64_t overlapped_deadline(struct world *world)
{
    char name[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *handle = hung_reader(world, name);
    uint8_t in[64], out[64];
    size_t size = sleeping_transmit(in);
    uint64_t began = now_ms();
    uint64_t id = start(handle, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), 50);
    struct smartcrd_completion done = finish(handle, id);
    uint64_t took = now_ms() - began;
    assert_status(done.status, STATUS_IO_TIMEOUT);
    recovers(handle, done.sequence, STATUS_IO_TIMEOUT);
    smartcrd_close(handle);
    return took;
}

static void a_deadline_ends_an_overlapped_operation_in_time(void **state)
{
    takes(*state, overlapped_deadline, 49, 50);
}

static uint64_t synchronous_deadline(struct world *world)
{
    char name[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *handle = hung_reader(world, name);
    uint8_t in[64], out[64];
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_TRANSMIT,
                                       .in = in,
                                       .in_size = sleeping_transmit(in),
                                       .out = out,
                                       .out_size = sizeof(out),
                                       .timeout_ms = 50};
    uint64_t began = now_ms();
    assert_status(smartcrd_control(handle, &request, NULL), STATUS_IO_TIMEOUT);
    uint64_t took = now_ms() - began;
    recovers(handle, journal_newest(handle).sequence, STATUS_IO_TIMEOUT);
    smartcrd_close(handle);
    return took;
}

static void a_deadline_ends_a_synchronous_operation_in_time(void **state)
{
    takes(*state, synchronous_deadline, 49, 50);
}

static uint64_t cancel(struct world *world)
{
    char name[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *handle = hung_reader(world, name);
    uint8_t in[64], out[64];
    size_t size = sleeping_transmit(in);
    uint64_t id = start(handle, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), SMARTCRD_NO_TIMEOUT);
    until_asleep();
    uint64_t began = now_ms();
    assert_status(smartcrd_cancel(handle, id), STATUS_SUCCESS);
    struct smartcrd_completion done = finish(handle, id);
    uint64_t took = now_ms() - began;
    assert_status(done.status, STATUS_CANCELLED);
    assert_status(smartcrd_cancel(handle, id), STATUS_NOT_FOUND);
    recovers(handle, done.sequence, STATUS_CANCELLED);
    smartcrd_close(handle);
    return took;
}

static void a_cancel_ends_it_in_time(void **state)
{
    takes(*state, cancel, 0, 0);
}

static uint64_t queued_deadline(struct world *world)
{
    char name[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *handle = hung_reader(world, name), *second = open_handle(world->context, name);
    uint8_t in[64], out[64];
    const struct script quick = {(ULONG)STATUS_SUCCESS, SCRIPT_AT_ONCE, 0, 0};
    size_t size = sleeping_transmit(in);
    uint64_t id = start(handle, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), SMARTCRD_NO_TIMEOUT);
    until_asleep();
    uint64_t began = now_ms();
    uint64_t timed = start(second, IOCTL_TEST_SCRIPT, &quick, sizeof(quick), NULL, 0, 30);
    uint64_t cancelled = start(second, IOCTL_TEST_SCRIPT, &quick, sizeof(quick), NULL, 0, SMARTCRD_NO_TIMEOUT);
    uint64_t patient = start(second, IOCTL_TEST_SCRIPT, &quick, sizeof(quick), NULL, 0, SMARTCRD_NO_TIMEOUT);
    assert_status(smartcrd_cancel(second, cancelled), STATUS_SUCCESS);
    assert_status(finish(second, cancelled).status, STATUS_CANCELLED);
    assert_status(finish(second, timed).status, STATUS_IO_TIMEOUT);
    uint64_t took = now_ms() - began;
    struct smartcrd_completion none;
    assert_status(smartcrd_reap(second, &none, 0), STATUS_TIMEOUT);
    wake_up();
    assert_status(finish(handle, id).status, STATUS_CRC_ERROR);
    assert_status(finish(second, patient).status, STATUS_SUCCESS);
    smartcrd_close(second);
    smartcrd_close(handle);
    return took;
}

static void operations_queued_behind_it_keep_their_own_deadlines(void **state)
{
    takes(*state, queued_deadline, 29, 30);
}

static uint64_t closing(struct world *world)
{
    char name[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *handle = hung_reader(world, name);
    uint8_t in[64], out[64];
    size_t size = sleeping_transmit(in);
    start(handle, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), SMARTCRD_NO_TIMEOUT);
    until_asleep();
    memset(out, 0xA5, sizeof(out));
    uint64_t began = now_ms();
    smartcrd_close(handle);
    uint64_t took = now_ms() - began;
    wake_up();
    for (size_t i = 0; i < sizeof(out); i++)
        assert_int_equal(out[i], 0xA5);
    return took;
}

static void closing_its_handle_does_not_wait_for_it(void **state)
{
    /* Close first waits for the end, then as long again for the driver to let go by itself. */
    takes(*state, closing, 0, 10);
}

static void no_other_reader_waits(void **state)
{
    struct world *world = *state;
    char name[SMARTCRD_NAME_MAX], name2[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *handle = hung_reader(world, name), *sibling = hung_reader(world, name2);
    const struct script quick = {(ULONG)STATUS_SUCCESS, SCRIPT_AT_ONCE, 0, 0};
    uint8_t in[64], out[64], reply[64];
    size_t reply_size, size = sleeping_transmit(in);

    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    uint64_t id = start(handle, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), SMARTCRD_NO_TIMEOUT);
    until_asleep();
    uint64_t began = now_ms();
    for (int i = 0; i < 50; i++) {
        assert_status(transmit(world->reader, SCARD_PROTOCOL_T1, "\0\1\0\0", 4, reply, &reply_size), STATUS_SUCCESS);
        assert_status(run(sibling, IOCTL_TEST_SCRIPT, &quick, sizeof(quick), NULL, 0, 5000).status, STATUS_SUCCESS);
        assert_status(control(sibling, IOCTL_TEST_SCRIPT, &quick, sizeof(quick), NULL, 0, NULL), STATUS_SUCCESS);
    }
    /* All of it long before the sleeper wakes. */
    assert_in_range(now_ms() - began, 0, SLEEP_MS / 4);
    assert_int_equal(InterlockedCompareExchange(&test_sleepers, 0, 0), 1);
    wake_up();
    assert_status(finish(handle, id).status, STATUS_CRC_ERROR);
    smartcrd_close(sibling);
    smartcrd_close(handle);
}

static void opening_and_listing_do_not_wait(void **state)
{
    struct world *world = *state;
    char name[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *handle = hung_reader(world, name);
    struct smartcrd_reader_info infos[8];
    uint8_t in[64], out[64];
    size_t size = sleeping_transmit(in);
    uint64_t id = start(handle, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), SMARTCRD_NO_TIMEOUT);
    until_asleep();
    uint64_t began = now_ms();
    assert_int_equal(smartcrd_list(world->context, infos, 8), 2);
    smartcrd_close(open_handle(world->context, name));
    assert_in_range(now_ms() - began, 0, SLEEP_MS / 4);
    assert_int_equal(InterlockedCompareExchange(&test_sleepers, 0, 0), 1);
    wake_up();
    assert_status(finish(handle, id).status, STATUS_CRC_ERROR);
    smartcrd_close(handle);
}

static uint64_t removal(struct world *world)
{
    char name[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *handle = hung_reader(world, name);
    uint8_t in[64], out[64];
    size_t size = sleeping_transmit(in);
    uint64_t id = start(handle, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), SMARTCRD_NO_TIMEOUT);
    until_asleep();
    uint64_t began = now_ms();
    assert_status(smartcrd_remove_reader(world->context, name), STATUS_SUCCESS);
    assert_status(finish(handle, id).status, STATUS_DEVICE_REMOVED);
    uint64_t took = now_ms() - began;
    assert_status(last_error(handle), STATUS_DEVICE_REMOVED);
    wake_up();
    smartcrd_close(handle);
    return took;
}

static void removing_its_reader_ends_the_operation_in_time(void **state)
{
    takes(*state, removal, 0, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_deadline_ends_an_overlapped_operation_in_time),
        TEST(a_deadline_ends_a_synchronous_operation_in_time),
        TEST(a_cancel_ends_it_in_time),
        TEST(operations_queued_behind_it_keep_their_own_deadlines),
        TEST(closing_its_handle_does_not_wait_for_it),
        TEST(no_other_reader_waits),
        TEST(opening_and_listing_do_not_wait),
        TEST(removing_its_reader_ends_the_operation_in_time),
    };
    return cmocka_run_group_tests_name("hung_driver", tests, NULL, NULL);
}
