/* SPDX-License-Identifier: MIT */
/*
 * The journal: what it keeps of each operation, in which order, how long, and what it says about faults; and that
 * reading it holds nobody up.
 */
#include "support.h"
#include "support_driver.h"

#include <pthread.h>
#include <stdatomic.h>

static int small_ring_setup(void **state)
{
    const struct smartcrd_options options = {.size = sizeof(options), .journal_entries = 8};
    struct world *world = calloc(1, sizeof(*world));
    if (world == NULL)
        return -1;
    world_open(world, &options);
    *state = world;
    return 0;
}

/* An exchange over the T=1 link, synchronously; returns its journal entry. */
static struct smartcrd_journal_entry exchange(struct world *world, NTSTATUS status)
{
    uint8_t in[16], out[64];
    size_t size = with_pci(in, SCARD_PROTOCOL_T1, "\0\1\2\3\5", 5);
    struct smartcrd_completion done =
        run(world->reader, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), PATIENCE_MS);
    assert_status(done.status, status);
    struct smartcrd_journal_entry entry = journal_entry(world->reader, done.sequence);
    assert_int_equal(entry.request, done.id);
    assert_status(entry.status, status);
    return entry;
}

static bool mentions(const char *text, const char *word)
{
    return strcasestr(text, word) != NULL;
}

/* ---- entries -------------------------------------------------------------------------------------------------------- */

static void each_operation_has_one_entry_in_the_order_of_endings(void **state)
{
    struct world *world = *state;
    struct smartcrd_journal_entry entries[64];
    uint32_t minor = SCARD_ATTR_DEVICE_IN_USE;
    size_t before = smartcrd_journal(world->reader, 0, entries, 64);
    uint64_t since = before > 0 ? entries[before - 1].sequence : 0;

    bare(world->reader, IOCTL_SMARTCARD_EJECT);
    reader_state(world->reader); /* a query: no entry */
    uint64_t waiting = start(world->reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);
    control(world->reader, IOCTL_SMARTCARD_SET_ATTRIBUTE, &minor, 4, NULL, 0, NULL);
    last_error(world->reader);
    smartcrd_cancel(world->reader, waiting);
    struct smartcrd_completion done = finish(world->reader, waiting);
    bare(world->reader, SCARD_CTL_CODE(9));

    assert_int_equal(smartcrd_journal(world->reader, since, entries, 64), 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(entries[i].sequence, since + 1 + i);
    assert_int_equal(entries[0].code, IOCTL_SMARTCARD_EJECT);
    assert_status(entries[0].status, STATUS_NOT_SUPPORTED);
    assert_int_equal(entries[0].minor, 0);
    assert_int_equal(entries[1].code, IOCTL_SMARTCARD_SET_ATTRIBUTE);
    assert_status(entries[1].status, STATUS_NOT_SUPPORTED);
    assert_int_equal(entries[1].minor, SCARD_ATTR_DEVICE_IN_USE);
    assert_int_equal(entries[1].bytes_in, 4);
    assert_int_equal(entries[2].code, IOCTL_SMARTCARD_IS_PRESENT);
    assert_status(entries[2].status, STATUS_CANCELLED);
    assert_int_equal(entries[2].sequence, done.sequence);
    assert_int_equal(entries[2].request, waiting);
    assert_int_equal(entries[3].code, SCARD_CTL_CODE(9));
    assert_status(entries[3].status, STATUS_INVALID_DEVICE_REQUEST);
    /* The same from a later beginning, and from the end. */
    assert_int_equal(smartcrd_journal(world->reader, since + 2, entries, 64), 2);
    assert_int_equal(entries[0].sequence, since + 3);
    assert_int_equal(smartcrd_journal(world->reader, since + 4, entries, 64), 0);
    /* Less room: the oldest come first. */
    assert_int_equal(smartcrd_journal(world->reader, since, entries, 1), 1);
    assert_int_equal(entries[0].sequence, since + 1);
}

static void an_entry_says_who_what_and_when(void **state)
{
    struct world *world = *state;
    struct smartcrd_handle *second = open_handle(world->context, world->name);
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    uint8_t in[16], out[64];
    size_t size = with_pci(in, SCARD_PROTOCOL_T1, "\0\1\2\3\5", 5);
    struct smartcrd_completion first = run(world->reader, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), 5000);
    struct smartcrd_completion other = run(second, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), 5000);
    struct smartcrd_journal_entry one = journal_entry(world->reader, first.sequence);
    struct smartcrd_journal_entry two = journal_entry(second, other.sequence);

    assert_int_equal(one.code, IOCTL_SMARTCARD_TRANSMIT);
    assert_status(one.status, STATUS_SUCCESS);
    assert_status(one.late, STATUS_PENDING);
    assert_int_equal(one.bytes_in, 13);
    assert_int_equal(one.bytes_out, 8 + 5 + 2);
    assert_int_equal(one.command_size, 5);
    assert_memory_equal(one.command, "\0\1\2\3\5", 5);
    assert_int_equal(one.retransmissions, 0);
    assert_true(one.submitted_ns > 0);
    assert_true(one.submitted_ns <= one.started_ns);
    assert_true(one.started_ns <= one.ended_ns);
    assert_true(one.ended_ns <= two.ended_ns);
    assert_int_not_equal(one.handle, two.handle);
    assert_int_not_equal(one.handle, 0);
    assert_int_not_equal(one.request, two.request);
    smartcrd_close(second);
}

static void power_and_protocol_keep_their_minor_codes(void **state)
{
    struct world *world = *state;
    struct smartcrd_journal_entry entries[3];
    insert_card(world, "echo atr=" ATR_DUAL);
    power_up(world);
    uint64_t power = journal_newest(world->reader).sequence;
    select_protocol(world, SCARD_PROTOCOL_T1);
    assert_int_equal(smartcrd_journal(world->reader, power - 1, entries, 3), 2);
    assert_int_equal(entries[0].code, IOCTL_SMARTCARD_POWER);
    assert_int_equal(entries[0].minor, SCARD_COLD_RESET);
    assert_int_equal(entries[0].bytes_out, 5);
    assert_int_equal(entries[0].command_size, 0);
    assert_int_equal(entries[1].code, IOCTL_SMARTCARD_SET_PROTOCOL);
    assert_int_equal(entries[1].minor, SCARD_PROTOCOL_T1);
    assert_int_equal(entries[1].bytes_out, 4);
}

static void the_ring_keeps_the_last_ones(void **state)
{
    struct world *world = *state;
    struct smartcrd_journal_entry entries[32];
    for (int i = 0; i < 100; i++)
        bare(world->reader, i % 2 == 0 ? IOCTL_SMARTCARD_EJECT : SCARD_CTL_CODE(9));
    size_t count = smartcrd_journal(world->reader, 0, entries, 32);
    assert_int_equal(count, 8);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i].sequence, 93 + i);
        assert_int_equal(entries[i].code, i % 2 == 0 ? IOCTL_SMARTCARD_EJECT : SCARD_CTL_CODE(9));
    }
}

/* A PIN's bytes are nowhere in an entry: the header is all that is kept. */
static void a_pin_is_not_kept(void **state)
{
    struct world *world = *state;
    struct smartcrd_journal_entry entry;
    uint8_t reply[16];
    size_t size;
    ready_card(world, "fs atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    transmit(world->reader, SCARD_PROTOCOL_T1, "\x00\x20\x00\x01\x08\x39\x38\x37\x36\x35\x34\x33\x32", 13, reply,
             &size);
    entry = journal_newest(world->reader);
    assert_int_equal(entry.code, IOCTL_SMARTCARD_TRANSMIT);
    assert_int_equal(entry.command[1], 0x20);
    for (size_t i = 0; i + 4 <= sizeof(entry); i++)
        assert_true(memcmp((const uint8_t *)&entry + i, "\x39\x38\x37\x36", 4) != 0);
}

/* ---- faults in words ------------------------------------------------------------------------------------------------ */

static void an_edc_error_that_is_repaired_counts_a_retransmission(void **state)
{
    struct world *world = *state;
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    exchange(world, STATUS_SUCCESS);
    arm_fault(world, "edc byte=1 to=reader");
    struct smartcrd_journal_entry entry = exchange(world, STATUS_SUCCESS);
    assert_int_equal(entry.retransmissions, 1);
    assert_true(mentions(entry.step, "EDC"));
    entry = exchange(world, STATUS_SUCCESS);
    assert_int_equal(entry.retransmissions, 0);
    assert_string_equal(entry.step, "");
}

static void a_broken_t1_link_is_told_in_words(void **state)
{
    struct world *world = *state;
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    exchange(world, STATUS_SUCCESS);
    arm_fault(world, "edc byte=1 to=reader count=0");
    struct smartcrd_journal_entry entry = exchange(world, STATUS_DEVICE_PROTOCOL_ERROR);
    assert_int_equal(entry.layer, SMARTCRD_LAYER_PROTOCOL);
    assert_true(mentions(entry.step, "T=1"));
    assert_true(entry.retransmissions >= 2);
}

static void a_card_that_needs_time_counts_its_extensions(void **state)
{
    struct world *world = *state;
    /* BWT is 200 ms with this ATR (11 etu and 2 * 960 * 372 / 3571 kHz): a command of 700 ms needs at least three times
     * that, and a card that asks at half of it at most eight. */
    ready_card(world, "script atr=" ATR_IMPATIENT "\n> 00 01 02 03 05\nwait 700\n< 90 00\n", SCARD_PROTOCOL_T1);
    struct smartcrd_journal_entry entry = exchange(world, STATUS_SUCCESS);
    assert_in_range(entry.waiting_time_extensions, 3, 8);
    assert_true(entry.ended_ns - entry.started_ns >= 650000000u);
}

static void a_card_pulled_out_is_told_in_words(void **state)
{
    struct world *world = *state;
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    arm_fault(world, "remove when=during byte=2");
    struct smartcrd_journal_entry entry = exchange(world, STATUS_NO_MEDIA);
    assert_true(entry.layer == SMARTCRD_LAYER_CARD || entry.layer == SMARTCRD_LAYER_TRANSPORT);
    assert_true(mentions(entry.step, "removed") || mentions(entry.step, "gone") || mentions(entry.step, "left") ||
                mentions(entry.step, "out"));
}

static void a_passed_deadline_is_the_hosts_decision(void **state)
{
    struct world *world = *state;
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    arm_fault(world, "mute");
    struct smartcrd_completion done = finish(world->reader, start_transmit(world->reader, SCARD_PROTOCOL_T1, 40));
    struct smartcrd_journal_entry entry = journal_entry(world->reader, done.sequence);
    assert_status(entry.status, STATUS_IO_TIMEOUT);
    assert_int_equal(entry.layer, SMARTCRD_LAYER_HOST);
    assert_true(mentions(entry.step, "deadline"));
    assert_true(entry.ended_ns - entry.submitted_ns >= 39000000u);
}

static void a_cancel_in_the_queue_never_started(void **state)
{
    struct world *world = *state;
    ready_card(world, "echo atr=" ATR_DUAL, SCARD_PROTOCOL_T1);
    arm_fault(world, "mute");
    uint64_t running = start_transmit(world->reader, SCARD_PROTOCOL_T1, SMARTCRD_NO_TIMEOUT);
    uint64_t queued = start_transmit(world->reader, SCARD_PROTOCOL_T1, SMARTCRD_NO_TIMEOUT);
    smartcrd_cancel(world->reader, queued);
    struct smartcrd_journal_entry entry = journal_entry(world->reader, finish(world->reader, queued).sequence);
    assert_status(entry.status, STATUS_CANCELLED);
    assert_int_equal(entry.layer, SMARTCRD_LAYER_HOST);
    assert_int_equal(entry.started_ns, 0);
    assert_true(mentions(entry.step, "cancelled") && mentions(entry.step, "waited for its turn"));
    smartcrd_cancel(world->reader, running);
    entry = journal_entry(world->reader, finish(world->reader, running).sequence);
    assert_status(entry.status, STATUS_CANCELLED);
    assert_true(entry.started_ns != 0);
    assert_true(mentions(entry.step, "cancel"));
}

static void a_refusal_is_the_librarys_decision(void **state)
{
    struct world *world = *state;
    uint32_t kind = SCARD_COLD_RESET;
    uint8_t atr[33];
    assert_status(control(world->reader, IOCTL_SMARTCARD_POWER, &kind, 4, atr, sizeof(atr), NULL),
                  STATUS_INVALID_DEVICE_STATE);
    struct smartcrd_journal_entry entry = journal_newest(world->reader);
    assert_int_equal(entry.layer, SMARTCRD_LAYER_LIBRARY);
    assert_true(entry.step[0] != '\0');
}

/* ---- reading while writing ------------------------------------------------------------------------------------------- */

struct reading {
    struct world *world;
    atomic_bool stop;
    unsigned long entries;
    const char *problem;
};

/* What the writer below writes, and nothing torn or mixed. */
static const char *wrong_with(const struct smartcrd_journal_entry *entry)
{
    if (entry->code == IOCTL_SMARTCARD_EJECT)
        return entry->status == STATUS_NOT_SUPPORTED && entry->minor == 0 && entry->bytes_in == 0 ? NULL : "eject";
    if (entry->code == IOCTL_SMARTCARD_SET_ATTRIBUTE)
        return entry->status == STATUS_NOT_SUPPORTED && entry->minor == 0x12345678 && entry->bytes_in == 4
                   ? NULL
                   : "set attribute";
    if (entry->code == SCARD_CTL_CODE(9))
        return entry->status == STATUS_INVALID_DEVICE_REQUEST && entry->minor == 0 ? NULL : "write";
    return "a code that nobody sent";
}

static void *read_journal(void *argument)
{
    struct reading *reading = argument;
    struct smartcrd_journal_entry entries[8];
    uint64_t since = 0;
    while (!atomic_load(&reading->stop) && reading->problem == NULL) {
        size_t count = smartcrd_journal(reading->world->reader, since, entries, 8);
        for (size_t i = 0; i < count; i++) {
            if (entries[i].sequence <= since)
                reading->problem = "out of order";
            else if (wrong_with(&entries[i]) != NULL)
                reading->problem = wrong_with(&entries[i]);
            since = entries[i].sequence;
            reading->entries++;
        }
    }
    return NULL;
}

static void reading_while_writing_sees_whole_entries_in_order(void **state)
{
    struct world *world = *state;
    struct reading readings[2] = {{.world = world}, {.world = world}};
    const uint32_t minor = 0x12345678;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_journal, &readings[i]), 0);
    for (int i = 0; i < 20000; i++) {
        bare(world->reader, IOCTL_SMARTCARD_EJECT);
        control(world->reader, IOCTL_SMARTCARD_SET_ATTRIBUTE, &minor, 4, NULL, 0, NULL);
        bare(world->reader, SCARD_CTL_CODE(9));
    }
    for (int i = 0; i < 2; i++)
        atomic_store(&readings[i].stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        if (readings[i].problem != NULL)
            fail_msg("reader %d: %s", i, readings[i].problem);
        assert_true(readings[i].entries > 0);
    }
    assert_int_equal(journal_newest(world->reader).sequence, 60000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_operation_has_one_entry_in_the_order_of_endings),
        TEST(an_entry_says_who_what_and_when),
        TEST(power_and_protocol_keep_their_minor_codes),
        cmocka_unit_test_setup_teardown(the_ring_keeps_the_last_ones, small_ring_setup, world_teardown),
        TEST(a_pin_is_not_kept),
        TEST(an_edc_error_that_is_repaired_counts_a_retransmission),
        TEST(a_broken_t1_link_is_told_in_words),
        TEST(a_card_that_needs_time_counts_its_extensions),
        TEST(a_card_pulled_out_is_told_in_words),
        TEST(a_passed_deadline_is_the_hosts_decision),
        TEST(a_cancel_in_the_queue_never_started),
        TEST(a_refusal_is_the_librarys_decision),
        cmocka_unit_test_setup_teardown(reading_while_writing_sees_whole_entries_in_order, small_ring_setup,
                                        world_teardown),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
