/* SPDX-License-Identifier: MIT */
/*
 * The last error is true: each sentence of the rules, through handles, as a test of its own. Most run on the virtual
 * reader; those about what a driver stores run on a driver whose end is scripted. The order under many threads has a
 * file of its own, last_error_order.c.
 */
#include "support.h"
#include "support_driver.h"

#define ANY_VALUE ((NTSTATUS)0xC0DE0001)

/* ---- the answer --------------------------------------------------------------------------------------------------- */

static void initially_success(void **state)
{
    struct world *world = *state;
    assert_status(last_error(world->reader), STATUS_SUCCESS);
}

static void answer_is_of_the_reader_that_is_asked(void **state)
{
    struct world *world = *state;
    char name[SMARTCRD_NAME_MAX];
    assert_status(smartcrd_add_reader(world->context, "vreader", name, sizeof(name)), STATUS_SUCCESS);
    struct smartcrd_handle *other = open_handle(world->context, name);
    assert_status(bare(world->reader, IOCTL_SMARTCARD_EJECT), STATUS_NOT_SUPPORTED);
    assert_status(last_error(other), STATUS_SUCCESS);
    assert_status(last_error(world->reader), STATUS_NOT_SUPPORTED);
    smartcrd_close(other);
}

static void every_operation_that_ends_stores_its_status(void **state)
{
    struct world *world = *state;
    uint32_t number = SCARD_COLD_RESET;
    uint8_t reply[64];
    size_t size;

    insert_card(world, "echo atr=" ATR_DUAL);
    assert_status(control(world->reader, IOCTL_SMARTCARD_POWER, &number, 4, reply, 32, NULL), STATUS_BUFFER_TOO_SMALL);
    assert_status(last_error(world->reader), STATUS_BUFFER_TOO_SMALL);
    assert_status(control(world->reader, IOCTL_SMARTCARD_POWER, &number, 4, reply, 33, NULL), STATUS_SUCCESS);
    assert_status(last_error(world->reader), STATUS_SUCCESS);
    number = 0x00400000;
    assert_status(control(world->reader, IOCTL_SMARTCARD_SET_PROTOCOL, &number, 4, reply, 4, NULL),
                  STATUS_NOT_SUPPORTED);
    assert_status(last_error(world->reader), STATUS_NOT_SUPPORTED);
    number = SCARD_PROTOCOL_T1;
    assert_status(control(world->reader, IOCTL_SMARTCARD_SET_PROTOCOL, &number, 4, reply, 4, NULL), STATUS_SUCCESS);
    assert_status(last_error(world->reader), STATUS_SUCCESS);
    assert_status(transmit(world->reader, SCARD_PROTOCOL_T0, "\0\1\0\0", 4, reply, &size), STATUS_INVALID_DEVICE_STATE);
    assert_status(last_error(world->reader), STATUS_INVALID_DEVICE_STATE);
    assert_status(transmit(world->reader, SCARD_PROTOCOL_T1, "\0\1\0\0", 4, reply, &size), STATUS_SUCCESS);
    assert_status(last_error(world->reader), STATUS_SUCCESS);
    number = SCARD_ATTR_DEVICE_IN_USE;
    assert_status(control(world->reader, IOCTL_SMARTCARD_SET_ATTRIBUTE, &number, 4, NULL, 0, NULL),
                  STATUS_NOT_SUPPORTED);
    assert_status(last_error(world->reader), STATUS_NOT_SUPPORTED);
    number = SCARD_ATTR_SUPRESS_T1_IFS_REQUEST;
    assert_status(control(world->reader, IOCTL_SMARTCARD_SET_ATTRIBUTE, &number, 4, NULL, 0, NULL), STATUS_SUCCESS);
    assert_status(last_error(world->reader), STATUS_SUCCESS);
}

static void refused_operations_store_too(void **state)
{
    struct world *world = *state;
    static const struct {
        uint32_t code;
        NTSTATUS status;
    } rows[] = {
        {IOCTL_SMARTCARD_POWER, STATUS_INVALID_DEVICE_STATE}, /* no card */
        {IOCTL_SMARTCARD_EJECT, STATUS_NOT_SUPPORTED},
        {IOCTL_SMARTCARD_TRANSMIT, STATUS_INVALID_DEVICE_STATE},
        {IOCTL_SMARTCARD_SWALLOW, STATUS_NOT_SUPPORTED},
        {SCARD_CTL_CODE(8), STATUS_INVALID_DEVICE_REQUEST}, /* READ, obsolete */
        {IOCTL_SMARTCARD_CONFISCATE, STATUS_NOT_SUPPORTED},
        {SCARD_CTL_CODE(9), STATUS_INVALID_DEVICE_REQUEST}, /* WRITE, obsolete */
        {SCARD_CTL_CODE(10) | 3, STATUS_INVALID_PARAMETER}, /* METHOD_NEITHER */
        {SCARD_CTL_CODE(100), STATUS_INVALID_DEVICE_REQUEST},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_status(bare(world->reader, rows[i].code), rows[i].status);
        assert_status(last_error(world->reader), rows[i].status);
        assert_status(run(world->reader, rows[i].code, NULL, 0, NULL, 0, 1000).status, rows[i].status);
        assert_status(last_error(world->reader), rows[i].status);
    }
}

static void vendor_codes_store_too(void **state)
{
    struct world *world = *state;
    assert_status(bare(world->reader, IOCTL_VREADER_REMOVE), STATUS_NO_MEDIA);
    assert_status(last_error(world->reader), STATUS_NO_MEDIA);
    assert_status(say(world->reader, IOCTL_VREADER_INSERT, "echo"), STATUS_SUCCESS);
    assert_status(last_error(world->reader), STATUS_SUCCESS);
    assert_status(say(world->reader, IOCTL_VREADER_INSERT, "echo"), STATUS_DEVICE_BUSY);
    assert_status(last_error(world->reader), STATUS_DEVICE_BUSY);
}

static void tracking_requests_store_too(void **state)
{
    struct world *world = *state;
    uint64_t waiting = start(world->reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);
    assert_status(last_error(world->reader), STATUS_SUCCESS);
    /* A second one is refused while the first waits (smclib.md 3.3). */
    assert_status(bare(world->reader, IOCTL_SMARTCARD_IS_ABSENT), STATUS_DEVICE_BUSY);
    assert_status(last_error(world->reader), STATUS_DEVICE_BUSY);
    assert_status(smartcrd_cancel(world->reader, waiting), STATUS_SUCCESS);
    assert_status(finish(world->reader, waiting).status, STATUS_CANCELLED);
    assert_status(last_error(world->reader), STATUS_CANCELLED);
    waiting = start(world->reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);
    insert_card(world, "echo");
    assert_status(finish(world->reader, waiting).status, STATUS_SUCCESS);
    assert_status(last_error(world->reader), STATUS_SUCCESS);
    waiting = start(world->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, 20);
    assert_status(finish(world->reader, waiting).status, STATUS_IO_TIMEOUT);
    assert_status(last_error(world->reader), STATUS_IO_TIMEOUT);
}

/* ---- overlapped operations that fail ------------------------------------------------------------------------------ */

static void a_passed_deadline_is_the_last_error(void **state)
{
    struct world *world = *state;
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    arm_fault(world, "mute");
    uint64_t id = start_transmit(world->reader, SCARD_PROTOCOL_T1, 50);
    struct smartcrd_completion done = finish(world->reader, id);
    assert_status(done.status, STATUS_IO_TIMEOUT);
    assert_int_equal(done.information, 0);
    assert_status(last_error(world->reader), STATUS_IO_TIMEOUT);
}

static void cancelling_a_running_operation_is_the_last_error(void **state)
{
    struct world *world = *state;
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    arm_fault(world, "mute");
    uint64_t id = start_transmit(world->reader, SCARD_PROTOCOL_T1, SMARTCRD_NO_TIMEOUT);
    assert_status(last_error(world->reader), STATUS_SUCCESS);
    assert_status(smartcrd_cancel(world->reader, id), STATUS_SUCCESS);
    assert_status(finish(world->reader, id).status, STATUS_CANCELLED);
    assert_status(last_error(world->reader), STATUS_CANCELLED);
}

static void cancelling_a_queued_operation_is_the_last_error(void **state)
{
    struct world *world = *state;
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    arm_fault(world, "mute");
    uint64_t first = start_transmit(world->reader, SCARD_PROTOCOL_T1, SMARTCRD_NO_TIMEOUT);
    uint64_t queued = start_transmit(world->reader, SCARD_PROTOCOL_T1, SMARTCRD_NO_TIMEOUT);
    assert_status(smartcrd_cancel(world->reader, queued), STATUS_SUCCESS);
    assert_status(finish(world->reader, queued).status, STATUS_CANCELLED);
    assert_status(last_error(world->reader), STATUS_CANCELLED);
    assert_status(smartcrd_cancel(world->reader, first), STATUS_SUCCESS);
    assert_status(finish(world->reader, first).status, STATUS_CANCELLED);
}

static void a_card_pulled_out_is_the_last_error(void **state)
{
    struct world *world = *state;
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    arm_fault(world, "mute");
    uint64_t id = start_transmit(world->reader, SCARD_PROTOCOL_T1, SMARTCRD_NO_TIMEOUT);
    take_card_out(world);
    assert_status(finish(world->reader, id).status, STATUS_NO_MEDIA);
    assert_status(last_error(world->reader), STATUS_NO_MEDIA);
    assert_int_equal(reader_state(world->reader), SCARD_ABSENT);
}

static void a_broken_t1_link_is_the_last_error(void **state)
{
    struct world *world = *state;
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    arm_fault(world, "edc byte=1 to=reader count=0");
    uint8_t in[16], out[64];
    struct smartcrd_completion done =
        run(world->reader, IOCTL_SMARTCARD_TRANSMIT, in, with_pci(in, SCARD_PROTOCOL_T1, "\0\1\0\0", 4), out,
            sizeof(out), SMARTCRD_NO_TIMEOUT);
    assert_status(done.status, STATUS_DEVICE_PROTOCOL_ERROR);
    assert_status(last_error(world->reader), STATUS_DEVICE_PROTOCOL_ERROR);
}

static void a_removed_reader_is_the_last_error(void **state)
{
    struct world *world = *state;
    struct smartcrd_handle *second = open_handle(world->context, world->name);
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    arm_fault(world, "mute");
    uint64_t running = start_transmit(world->reader, SCARD_PROTOCOL_T1, SMARTCRD_NO_TIMEOUT);
    uint64_t queued = start_transmit(second, SCARD_PROTOCOL_T1, SMARTCRD_NO_TIMEOUT);
    uint64_t tracking = start(second, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);
    assert_status(smartcrd_remove_reader(world->context, world->name), STATUS_SUCCESS);
    assert_status(finish(world->reader, running).status, STATUS_DEVICE_REMOVED);
    assert_status(finish(second, queued).status, STATUS_DEVICE_REMOVED);
    assert_status(finish(second, tracking).status, STATUS_DEVICE_REMOVED);
    assert_status(last_error(world->reader), STATUS_DEVICE_REMOVED);
    assert_status(last_error(second), STATUS_DEVICE_REMOVED);
    assert_status(bare(second, IOCTL_SMARTCARD_EJECT), STATUS_DEVICE_REMOVED);
    assert_status(last_error(second), STATUS_DEVICE_REMOVED);
    smartcrd_close(second);
    assert_status(last_error(world->reader), STATUS_DEVICE_REMOVED);
}

/* ---- who stores --------------------------------------------------------------------------------------------------- */

static void the_library_stores_what_it_completes_itself(void **state)
{
    struct world *world = *state;
    assert_status(scripted(world->reader, ANY_VALUE, SCRIPT_AT_ONCE, 0, 0).status, ANY_VALUE);
    assert_status(last_error(world->reader), ANY_VALUE);
    assert_int_equal(test_reader_at(0)->extension.LastError, (ULONG)ANY_VALUE);
}

static void a_driver_that_pends_stores_with_the_librarys_helper(void **state)
{
    struct world *world = *state;
    assert_status(scripted(world->reader, ANY_VALUE, SCRIPT_STORE_HELPER, 0, 5).status, ANY_VALUE);
    assert_status(last_error(world->reader), ANY_VALUE);
    assert_int_equal(test_reader_at(0)->extension.LastError, (ULONG)ANY_VALUE);
}

static void a_driver_that_pends_stores_by_itself_and_is_honoured(void **state)
{
    struct world *world = *state;
    struct smartcrd_completion done =
        scripted(world->reader, STATUS_IO_DEVICE_ERROR, SCRIPT_STORE_FIELD, STATUS_CRC_ERROR, 5);
    assert_status(done.status, STATUS_IO_DEVICE_ERROR);
    assert_status(last_error(world->reader), STATUS_CRC_ERROR);
}

static void for_a_driver_that_stored_nothing_the_host_stores_the_completion(void **state)
{
    struct world *world = *state;
    assert_status(scripted(world->reader, ANY_VALUE, SCRIPT_PEND, 0, 5).status, ANY_VALUE);
    assert_status(last_error(world->reader), ANY_VALUE);
    assert_int_equal(test_reader_at(0)->extension.LastError, (ULONG)ANY_VALUE);
    assert_status(scripted(world->reader, STATUS_SUCCESS, SCRIPT_PEND, 0, 5).status, STATUS_SUCCESS);
    assert_status(last_error(world->reader), STATUS_SUCCESS);
}

static void a_drivers_late_result_does_not_disturb_the_answer(void **state)
{
    struct world *world = *state;
    static const uint32_t hows[] = {SCRIPT_BLOCK, SCRIPT_PEND, SCRIPT_STORE_HELPER, SCRIPT_STORE_FIELD};
    for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
        uint64_t id = start_script(world->reader, STATUS_CRC_ERROR, hows[i], 300, 20);
        struct smartcrd_completion done = finish(world->reader, id);
        assert_status(done.status, STATUS_IO_TIMEOUT);
        assert_status(last_error(world->reader), STATUS_IO_TIMEOUT);
        while (journal_entry(world->reader, done.sequence).late == STATUS_PENDING)
            sleep_ms(1);
        assert_status(journal_entry(world->reader, done.sequence).late, STATUS_CRC_ERROR);
        assert_status(last_error(world->reader), STATUS_IO_TIMEOUT);
        assert_status(scripted(world->reader, STATUS_SUCCESS, SCRIPT_AT_ONCE, 0, 0).status, STATUS_SUCCESS);
        assert_status(last_error(world->reader), STATUS_SUCCESS);
    }
}

/* ---- asking never disturbs ---------------------------------------------------------------------------------------- */

static void the_four_queries_store_nothing(void **state)
{
    struct world *world = *state;
    uint32_t tag, value;

    assert_status(bare(world->reader, IOCTL_VREADER_REMOVE), STATUS_NO_MEDIA);
    reader_state(world->reader);
    assert_status(bare(world->reader, IOCTL_SMARTCARD_GET_STATE), STATUS_BUFFER_TOO_SMALL);
    assert_status(bare(world->reader, IOCTL_SMARTCARD_GET_LAST_ERROR), STATUS_BUFFER_TOO_SMALL);
    assert_status(bare(world->reader, IOCTL_SMARTCARD_GET_PERF_CNTR), STATUS_INVALID_DEVICE_REQUEST);
    tag = SCARD_ATTR_DEFAULT_CLK;
    assert_status(control(world->reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, &value, 4, NULL), STATUS_SUCCESS);
    assert_status(control(world->reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, &value, 3, NULL),
                  STATUS_BUFFER_TOO_SMALL);
    tag = SCARD_ATTR_ATR_STRING;
    assert_status(control(world->reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, &value, 4, NULL),
                  STATUS_INVALID_DEVICE_STATE);
    tag = 0x12345678;
    assert_status(run(world->reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, &value, 4, 1000).status,
                  STATUS_NOT_SUPPORTED);
    assert_status(last_error(world->reader), STATUS_NO_MEDIA);
}

static void each_query_alone_leaves_the_answer(void **state)
{
    struct world *world = *state;
    static const uint32_t queries[] = {IOCTL_SMARTCARD_GET_LAST_ERROR, IOCTL_SMARTCARD_GET_STATE,
                                       IOCTL_SMARTCARD_GET_ATTRIBUTE, IOCTL_SMARTCARD_GET_PERF_CNTR};
    uint8_t out[300];
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        assert_status(bare(world->reader, IOCTL_VREADER_REMOVE), STATUS_NO_MEDIA);
        assert_true(bare(world->reader, queries[i]) != STATUS_SUCCESS);
        assert_status(last_error(world->reader), STATUS_NO_MEDIA);
        control(world->reader, queries[i], "\1\1\1", 4, out, sizeof(out), NULL);
        run(world->reader, queries[i], "\1\1\1", 4, out, sizeof(out), 1000);
        assert_status(last_error(world->reader), STATUS_NO_MEDIA);
    }
}

static void reading_does_not_clear_it(void **state)
{
    struct world *world = *state;
    assert_status(bare(world->reader, IOCTL_SMARTCARD_EJECT), STATUS_NOT_SUPPORTED);
    for (int i = 0; i < 1000; i++)
        assert_status(last_error(world->reader), STATUS_NOT_SUPPORTED);
}

static void queries_have_no_journal_entry(void **state)
{
    struct world *world = *state;
    uint32_t answer;
    assert_status(bare(world->reader, IOCTL_SMARTCARD_EJECT), STATUS_NOT_SUPPORTED);
    uint64_t newest = journal_newest(world->reader).sequence;
    struct smartcrd_completion done =
        run(world->reader, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, &answer, sizeof(answer), 1000);
    assert_status(done.status, STATUS_SUCCESS);
    assert_int_equal(done.information, 4);
    assert_int_equal(done.sequence, 0);
    assert_int_equal(answer, (uint32_t)STATUS_NOT_SUPPORTED);
    assert_int_equal(journal_newest(world->reader).sequence, newest);
}

/* ---- always, at once ---------------------------------------------------------------------------------------------- */

static void answered_in_every_reader_state(void **state)
{
    struct world *world = *state;
    for (ULONG now = SCARD_UNKNOWN; now <= SCARD_SPECIFIC; now++) {
        test_reader_set(test_reader_at(0), now, 0);
        assert_int_equal(reader_state(world->reader), now);
        NTSTATUS value = (NTSTATUS)(0xE0000000u | now);
        scripted(world->reader, value, SCRIPT_AT_ONCE, 0, 0);
        assert_status(last_error(world->reader), value);
    }
}

static void answered_while_an_operation_is_pending_and_on_every_handle(void **state)
{
    struct world *world = *state;
    struct smartcrd_handle *second = open_handle(world->context, world->name);
    scripted(world->reader, ANY_VALUE, SCRIPT_AT_ONCE, 0, 0);
    uint64_t running =
        start_script(world->reader, STATUS_SUCCESS, SCRIPT_PEND | SCRIPT_CANCELLABLE, 60000, SMARTCRD_NO_TIMEOUT);
    uint64_t queued = start_script(second, STATUS_SUCCESS, SCRIPT_AT_ONCE, 0, SMARTCRD_NO_TIMEOUT);
    test_reader_set(test_reader_at(0), SCARD_ABSENT, 0);
    uint64_t tracking = start(second, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);
    for (int i = 0; i < 100; i++) {
        assert_status(last_error(world->reader), ANY_VALUE);
        assert_status(last_error(second), ANY_VALUE);
    }
    assert_status(smartcrd_cancel(world->reader, running), STATUS_SUCCESS);
    assert_status(finish(world->reader, running).status, STATUS_CANCELLED);
    assert_status(finish(second, queued).status, STATUS_SUCCESS);
    assert_status(smartcrd_cancel(second, tracking), STATUS_SUCCESS);
    assert_status(finish(second, tracking).status, STATUS_CANCELLED);
    assert_status(last_error(world->reader), STATUS_CANCELLED);
    smartcrd_close(second);
}

static void answered_while_a_callback_is_running(void **state)
{
    struct world *world = *state;
    scripted(world->reader, ANY_VALUE, SCRIPT_AT_ONCE, 0, 0);
    uint64_t asleep = start_script(world->reader, STATUS_SUCCESS, SCRIPT_BLOCK, 10000, SMARTCRD_NO_TIMEOUT);
    while (InterlockedCompareExchange(&test_sleepers, 0, 0) == 0)
        sleep_ms(1);
    uint64_t began = now_ms();
    for (int i = 0; i < 100; i++) {
        assert_status(last_error(world->reader), ANY_VALUE);
        assert_int_equal(reader_state(world->reader), SCARD_SPECIFIC);
    }
    assert_true(now_ms() - began < 5000);
    assert_int_equal(InterlockedCompareExchange(&test_sleepers, 0, 0), 1);
    InterlockedExchange(&test_release, 1);
    assert_status(finish(world->reader, asleep).status, STATUS_SUCCESS);
    assert_status(last_error(world->reader), STATUS_SUCCESS);
    InterlockedExchange(&test_release, 0);
}

/* ---- buffers ------------------------------------------------------------------------------------------------------ */

static void short_buffers_get_buffer_too_small_and_nothing_is_written(void **state)
{
    struct world *world = *state;
    for (size_t size = 0; size < 4; size++) {
        uint8_t out[4] = {0xA5, 0xA5, 0xA5, 0xA5};
        size_t information = 99;
        assert_status(control(world->reader, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, out, size, &information),
                      STATUS_BUFFER_TOO_SMALL);
        assert_int_equal(information, 0);
        assert_memory_equal(out, "\xA5\xA5\xA5\xA5", 4);
    }
}

static void four_bytes_are_written_however_long_the_buffer(void **state)
{
    struct world *world = *state;
    assert_status(bare(world->reader, IOCTL_SMARTCARD_EJECT), STATUS_NOT_SUPPORTED);
    for (size_t size = 4; size < 300; size++) {
        uint8_t out[300];
        size_t information = 99;
        memset(out, 0xA5, sizeof(out));
        assert_status(control(world->reader, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, out, size, &information),
                      STATUS_SUCCESS);
        assert_int_equal(information, 4);
        assert_memory_equal(out, "\xBB\x00\x00\xC0\xA5", 5); /* STATUS_NOT_SUPPORTED, little-endian */
    }
}

static void input_is_ignored(void **state)
{
    struct world *world = *state;
    uint8_t in[300];
    memset(in, 0xFF, sizeof(in));
    assert_status(bare(world->reader, IOCTL_SMARTCARD_EJECT), STATUS_NOT_SUPPORTED);
    for (size_t size = 0; size < 300; size++) {
        uint32_t answer = 0;
        size_t information = 0;
        assert_status(
            control(world->reader, IOCTL_SMARTCARD_GET_LAST_ERROR, in, size, &answer, sizeof(answer), &information),
            STATUS_SUCCESS);
        assert_int_equal(information, 4);
        assert_int_equal(answer, (uint32_t)STATUS_NOT_SUPPORTED);
    }
}

static void the_vxd_form_keeps_its_pages_contract(void **state)
{
    struct world *world = *state;
    ULONG answer[2], returned;
    scripted(world->reader, ANY_VALUE, SCRIPT_AT_ONCE, 0, 0);
    for (ULONG size = 0; size <= sizeof(answer); size++) {
        DIOCPARAMETERS parameters = {
            .dwIoControlCode = IOCTL_SMARTCARD_GET_LAST_ERROR,
            .lpvOutBuffer = answer,
            .cbOutBuffer = size,
            .lpcbBytesReturned = &returned,
        };
        answer[0] = answer[1] = 0xA5A5A5A5;
        returned = 99;
        NTSTATUS status = smartcrd_device_control_vxd(&test_reader_at(0)->extension, &parameters);
        if (size < 4) {
            assert_status(status, STATUS_BUFFER_TOO_SMALL);
            assert_int_equal(returned, 0);
            assert_int_equal(answer[0], 0xA5A5A5A5);
        } else {
            assert_status(status, STATUS_SUCCESS);
            assert_int_equal(returned, 4);
            assert_int_equal(answer[0], (ULONG)ANY_VALUE);
        }
        assert_int_equal(answer[1], 0xA5A5A5A5);
    }
}

/* ---- each its own -------------------------------------------------------------------------------------------------- */

static void every_completion_carries_its_own_status_and_the_journal_keeps_it(void **state)
{
    struct world *world = *state;
    struct smartcrd_handle *handles[3];
    uint64_t ids[3];
    for (int i = 0; i < 3; i++) {
        handles[i] = open_handle(world->context, world->name);
        ids[i] = start_script(handles[i], (NTSTATUS)(0xE0000000u + (unsigned)i), SCRIPT_PEND, 150, SMARTCRD_NO_TIMEOUT);
    }
    for (int i = 0; i < 3; i++) {
        struct smartcrd_completion done = finish(handles[i], ids[i]);
        assert_status(done.status, (NTSTATUS)(0xE0000000u + (unsigned)i));
        struct smartcrd_journal_entry entry = journal_entry(world->reader, done.sequence);
        assert_status(entry.status, done.status);
        assert_int_equal(entry.request, ids[i]);
        assert_int_equal(entry.code, IOCTL_TEST_SCRIPT);
        smartcrd_close(handles[i]);
    }
    assert_status(last_error(world->reader), (NTSTATUS)0xE0000002u);
}

#define ON_VREADER(f)  cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
#define ON_SCRIPTED(f) cmocka_unit_test_setup_teardown(f, scripted_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_VREADER(initially_success),
        ON_VREADER(answer_is_of_the_reader_that_is_asked),
        ON_VREADER(every_operation_that_ends_stores_its_status),
        ON_VREADER(refused_operations_store_too),
        ON_VREADER(vendor_codes_store_too),
        ON_VREADER(tracking_requests_store_too),
        ON_VREADER(a_passed_deadline_is_the_last_error),
        ON_VREADER(cancelling_a_running_operation_is_the_last_error),
        ON_VREADER(cancelling_a_queued_operation_is_the_last_error),
        ON_VREADER(a_card_pulled_out_is_the_last_error),
        ON_VREADER(a_broken_t1_link_is_the_last_error),
        ON_VREADER(a_removed_reader_is_the_last_error),
        ON_SCRIPTED(the_library_stores_what_it_completes_itself),
        ON_SCRIPTED(a_driver_that_pends_stores_with_the_librarys_helper),
        ON_SCRIPTED(a_driver_that_pends_stores_by_itself_and_is_honoured),
        ON_SCRIPTED(for_a_driver_that_stored_nothing_the_host_stores_the_completion),
        ON_SCRIPTED(a_drivers_late_result_does_not_disturb_the_answer),
        ON_VREADER(the_four_queries_store_nothing),
        ON_VREADER(each_query_alone_leaves_the_answer),
        ON_VREADER(reading_does_not_clear_it),
        ON_VREADER(queries_have_no_journal_entry),
        ON_SCRIPTED(answered_in_every_reader_state),
        ON_SCRIPTED(answered_while_an_operation_is_pending_and_on_every_handle),
        ON_SCRIPTED(answered_while_a_callback_is_running),
        ON_VREADER(short_buffers_get_buffer_too_small_and_nothing_is_written),
        ON_VREADER(four_bytes_are_written_however_long_the_buffer),
        ON_VREADER(input_is_ignored),
        ON_SCRIPTED(the_vxd_form_keeps_its_pages_contract),
        ON_SCRIPTED(every_completion_carries_its_own_status_and_the_journal_keeps_it),
    };
    return cmocka_run_group_tests_name("last_error", tests, NULL, NULL);
}
