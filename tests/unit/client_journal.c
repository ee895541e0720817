/* SPDX-License-Identifier: MIT */
/* The journal (DESIGN section 8): what an entry says, the order, the ring, and what it never holds. */
#include "client_toy.h"

#define NONE SMARTCRD_NO_TIMEOUT

static void an_entry_says_it_all(void **state)
{
    struct house *house = *state;
    struct smartcrd_completion done;
    struct smartcrd_journal_entry entry;
    uint8_t out[12];
    struct smartcrd_request request = {.code = TOY_RETURN,
                                       .in = (uint32_t[]){STATUS_SUCCESS, 10, 0},
                                       .in_size = 12,
                                       .out = out,
                                       .out_size = 12,
                                       .timeout_ms = NONE};
    uint64_t start = nt_now();

    assert_int_equal(smartcrd_submit(house->handle, &request, NULL, &done), STATUS_SUCCESS);
    entry = newest(house->handle);
    assert_int_equal(entry.sequence, 1);
    assert_int_equal(entry.sequence, done.sequence);
    assert_int_equal(entry.request, done.id);
    assert_int_equal(entry.handle, 1);
    assert_int_equal(entry.code, TOY_RETURN);
    assert_int_equal(entry.minor, 0);
    assert_int_equal(entry.status, STATUS_SUCCESS);
    assert_int_equal(entry.late, STATUS_PENDING);
    assert_int_equal(entry.layer, SMARTCRD_LAYER_DRIVER);
    assert_string_equal(entry.step, "");
    assert_true(start <= entry.submitted_ns && entry.submitted_ns <= entry.started_ns);
    assert_true(entry.started_ns <= entry.ended_ns && entry.ended_ns <= nt_now());
    assert_int_equal(entry.bytes_in, 12);
    assert_int_equal(entry.bytes_out, 10);
    assert_int_equal(entry.command_size, 0);
}

static void the_layer_that_decided_and_its_words_are_kept(void **state)
{
    struct house *house = *state;
    struct smartcrd_journal_entry entry;

    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_STEP, STATUS_DEVICE_PROTOCOL_ERROR, 0, 0, NONE), NULL),
                     STATUS_DEVICE_PROTOCOL_ERROR);
    entry = newest(house->handle);
    assert_int_equal(entry.layer, SMARTCRD_LAYER_PROTOCOL);
    assert_string_equal(entry.step, "T=1: EDC error in block 3, third retry");
    assert_int_equal(entry.retransmissions, 1);
    assert_int_equal(entry.waiting_time_extensions, 2);
    /* And not for the next one. */
    do_return(house->handle, STATUS_SUCCESS);
    entry = newest(house->handle);
    assert_string_equal(entry.step, "");
    assert_int_equal(entry.retransmissions, 0);
}

static void what_never_reached_the_driver_has_no_start(void **state)
{
    struct house *house = *state;
    uint64_t held = start_pending(house->handle, TOY_HOLD, NONE);
    uint64_t queued = start_pending(house->handle, TOY_HOLD, NONE);
    struct smartcrd_journal_entry entry;

    assert_int_equal(smartcrd_cancel(house->handle, queued), STATUS_SUCCESS);
    entry = newest(house->handle);
    assert_int_equal(entry.request, queued);
    assert_int_equal(entry.started_ns, 0);
    assert_string_equal(entry.step, "cancelled while the request waited for its turn");
    assert_int_equal(entry.layer, SMARTCRD_LAYER_HOST);
    assert_int_equal(smartcrd_cancel(house->handle, held), STATUS_SUCCESS);
}

static void of_a_transmit_only_the_header_is_kept(void **state)
{
    struct house *house = *state;
    struct smartcrd_journal_entry entry;
    /* SCARD_IO_REQUEST for T=1, then VERIFY with a PIN. */
    static const uint8_t verify[] = {2, 0, 0, 0, 8, 0, 0, 0, 0x00, 0x20, 0x00, 0x81, 0x04, '1', '2', '3', '4'};
    struct smartcrd_request request = {
        .code = IOCTL_SMARTCARD_TRANSMIT, .in = verify, .in_size = sizeof(verify), .timeout_ms = NONE};

    smartcrd_control(house->handle, &request, NULL);
    entry = newest(house->handle);
    assert_int_equal(entry.command_size, 5);
    assert_memory_equal(entry.command, "\x00\x20\x00\x81\x04", 5);
    for (size_t i = 0; i + 4 <= sizeof(entry); i++)
        assert_memory_not_equal((uint8_t *)&entry + i, "1234", 4);
    /* A length of the header that points beyond the input is not followed. */
    request.in = (uint32_t[]){2, 0xFFFFFFF0u, 0};
    request.in_size = 12;
    smartcrd_control(house->handle, &request, NULL);
    assert_int_equal(newest(house->handle).command_size, 0);
}

static void the_minor_code_of_those_that_have_one(void **state)
{
    struct house *house = *state;

    smartcrd_control(house->handle, ASK(IOCTL_SMARTCARD_POWER, SCARD_WARM_RESET, 0, 0, NONE), NULL);
    assert_int_equal(newest(house->handle).minor, SCARD_WARM_RESET);
    smartcrd_control(house->handle, ASK(IOCTL_SMARTCARD_SET_PROTOCOL, 3, 0, 0, NONE), NULL);
    assert_int_equal(newest(house->handle).minor, 3);
    smartcrd_control(house->handle, ASK(TOY_RETURN, 3, 0, 0, NONE), NULL);
    assert_int_equal(newest(house->handle).minor, 0);
}

static void queries_are_not_journaled(void **state)
{
    struct house *house = *state;
    struct smartcrd_journal_entry entry;

    last_of(house->handle);
    assert_int_equal(smartcrd_journal(house->handle, 0, &entry, 1), 0);
}

static void a_ring_keeps_the_last_ones_in_order(void **state)
{
    struct house *house = *state;
    struct smartcrd_journal_entry entries[80];
    struct smartcrd_handle *other;

    for (uint32_t i = 1; i <= 100; i++)
        do_return(house->handle, (NTSTATUS)(0xC0000000u + i));
    assert_int_equal(smartcrd_journal(house->handle, 0, entries, 80), 64);
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(entries[i].sequence, 37 + i);
        assert_int_equal(entries[i].status, (NTSTATUS)(0xC0000000u + 37 + i));
    }
    /* One ring per reader, whichever handle asks. */
    assert_int_equal(smartcrd_open(house->context, "SCReader0", &other), STATUS_SUCCESS);
    assert_int_equal(smartcrd_journal(other, 98, entries, 80), 2);
    assert_int_equal(entries[0].sequence, 99);
    assert_int_equal(smartcrd_journal(other, 98, entries, 1), 1);
    assert_int_equal(smartcrd_journal(other, 100, entries, 80), 0);
    assert_int_equal(smartcrd_journal(other, UINT64_MAX, entries, 80), 0);
    smartcrd_close(other);
}

static _Atomic bool writing;

static void *write_entries(void *argument)
{
    for (uint32_t i = 0; i < 20000; i++)
        do_return(argument, (NTSTATUS)(0xC0000000u | (i & 0xFFFF)));
    writing = false;
    return NULL;
}

static void readers_see_whole_entries_while_it_is_written(void **state)
{
    struct house *house = *state;
    struct smartcrd_journal_entry entries[64];
    pthread_t thread;

    writing = true;
    pthread_create(&thread, NULL, write_entries, house->handle);
    while (writing) {
        size_t count = smartcrd_journal(house->handle, 0, entries, 64);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(entries[i].code, TOY_RETURN);
            assert_int_equal((uint32_t)entries[i].status, 0xC0000000u | ((entries[i].sequence - 1) & 0xFFFF));
            assert_true(entries[i].started_ns >= entries[i].submitted_ns);
        }
    }
    pthread_join(thread, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_up, house_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entry_says_it_all),
        TEST(the_layer_that_decided_and_its_words_are_kept),
        TEST(what_never_reached_the_driver_has_no_start),
        TEST(of_a_transmit_only_the_header_is_kept),
        TEST(the_minor_code_of_those_that_have_one),
        TEST(queries_are_not_journaled),
        TEST(a_ring_keeps_the_last_ones_in_order),
        TEST(readers_see_whole_entries_while_it_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
