/* SPDX-License-Identifier: MIT */
/*
 * Simulated time through the whole column, with the virtual reader: how long a card takes, that two runs leave the same
 * journal, and that a card in another process is waited for in real time.
 */
#include "client_toy.h"

#include <smartcrd/vreader.h>

#define START  1000000000U
#define MS     1000000ULL
#define SECOND 1000000000ULL

static const struct smartcrd_options simulated = {.size = sizeof(simulated), .simulated_time = 1};

struct virtual
{
    struct smartcrd *context;
    struct smartcrd_handle *reader, *panel;
    char name[SMARTCRD_NAME_MAX];
};

static void virtual_up(struct virtual *v)
{
    char panel[SMARTCRD_NAME_MAX + 8];

    assert_int_equal(smartcrd_create(&simulated, &v->context), STATUS_SUCCESS);
    assert_int_equal(smartcrd_load_driver(v->context, "vreader", NULL, 0), STATUS_SUCCESS);
    assert_int_equal(smartcrd_add_reader(v->context, "vreader", v->name, sizeof(v->name)), STATUS_SUCCESS);
    snprintf(panel, sizeof(panel), "%s-panel", v->name);
    assert_int_equal(smartcrd_open(v->context, v->name, &v->reader), STATUS_SUCCESS);
    assert_int_equal(smartcrd_open(v->context, panel, &v->panel), STATUS_SUCCESS);
}

static void virtual_down(struct virtual *v)
{
    smartcrd_close(v->panel);
    smartcrd_close(v->reader);
    smartcrd_destroy(v->context);
}

static void tell_panel(struct virtual *v, uint32_t code, const char *text)
{
    struct smartcrd_request request = {
        .code = code, .in = text, .in_size = strlen(text), .timeout_ms = SMARTCRD_NO_TIMEOUT};

    assert_int_equal(smartcrd_control(v->panel, &request, NULL), STATUS_SUCCESS);
}

static void ready(struct virtual *v, const char *card, uint32_t protocol)
{
    uint8_t atr[33];
    size_t size = sizeof(atr);

    tell_panel(v, IOCTL_VREADER_INSERT, card);
    assert_int_equal(smartcrd_power(v->reader, SCARD_COLD_RESET, atr, &size, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    assert_int_equal(smartcrd_set_protocol(v->reader, protocol, NULL, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
}

static NTSTATUS read_two(struct virtual *v, uint32_t timeout_ms)
{
    static const uint8_t read[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    uint8_t reply[16];
    size_t size = sizeof(reply);

    return smartcrd_transmit(v->reader, read, sizeof(read), reply, &size, timeout_ms);
}

/* A session with everything that takes time. */
static size_t session(struct smartcrd_journal_entry *entries, size_t count)
{
    struct virtual v;
    size_t found;

    virtual_up(&v);
    ready(&v, "echo delay=30", SCARD_PROTOCOL_T1);
    read_two(&v, SMARTCRD_NO_TIMEOUT);
    read_two(&v, 10);
    read_two(&v, SMARTCRD_NO_TIMEOUT);
    tell_panel(&v, IOCTL_VREADER_FAULT, "mute");
    read_two(&v, SMARTCRD_NO_TIMEOUT);
    tell_panel(&v, IOCTL_VREADER_REMOVE, "");
    tell_panel(&v, IOCTL_VREADER_INSERT, "echo");
    read_two(&v, 1000);
    memset(entries, 0, count * sizeof(*entries));
    found = smartcrd_journal(v.reader, 0, entries, count);
    virtual_down(&v);
    return found;
}

static void two_runs_leave_the_same_journal_bit_by_bit(void **state)
{
    static struct smartcrd_journal_entry first[64], second[64];
    size_t count = session(first, 64);

    (void)state;
    assert_true(count >= 7);
    assert_int_equal(session(second, 64), count);
    assert_memory_equal(first, second, count * sizeof(first[0]));
}

static void a_card_that_takes_a_minute_takes_no_real_time(void **state)
{
    struct virtual v;
    uint64_t before;

    (void)state;
    virtual_up(&v);
    ready(&v, "echo delay=60000", SCARD_PROTOCOL_T1);
    before = smartcrd_now(v.context);
    assert_int_equal(read_two(&v, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    assert_true(smartcrd_now(v.context) - before >= 60 * SECOND);
    assert_true(smartcrd_now(v.context) - before < 61 * SECOND);
    virtual_down(&v);
}

/*
 * The echo card's ATR says BWI = 1; the reader's clock is 4 MHz, and at the default rate an etu is 372 clocks, 93 us:
 * BWT = 11 etu + 2 * 960 * 372 / f = 1.023 ms + 178.56 ms (ISO/IEC 7816-3:2006, 11.4.3). The reader tries three times,
 * asks for the card to resynchronise three times, and gives up.
 */
static void a_mute_card_ends_after_exactly_its_block_waiting_times(void **state)
{
    struct smartcrd_journal_entry entry;
    struct virtual v;

    (void)state;
    virtual_up(&v);
    ready(&v, "echo", SCARD_PROTOCOL_T1 | SCARD_PROTOCOL_DEFAULT);
    tell_panel(&v, IOCTL_VREADER_FAULT, "mute count=0");
    assert_int_equal(read_two(&v, SMARTCRD_NO_TIMEOUT), STATUS_IO_TIMEOUT);
    entry = newest(v.reader);
    assert_int_equal(entry.ended_ns - entry.started_ns, 6 * (1023000 + 178560000));
    virtual_down(&v);
}

/* T=0: its ATR says WI = 2 and Fi = 512: WT = 2 * 960 * 512 / f = 245.76 ms, in whole etu 2643 of 93 us (10.2). */
static void a_mute_card_ends_after_exactly_one_waiting_time(void **state)
{
    struct smartcrd_journal_entry entry;
    struct virtual v;

    (void)state;
    virtual_up(&v);
    ready(&v, "echo", SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_DEFAULT);
    tell_panel(&v, IOCTL_VREADER_FAULT, "mute count=0");
    assert_int_equal(read_two(&v, SMARTCRD_NO_TIMEOUT), STATUS_IO_TIMEOUT);
    entry = newest(v.reader);
    assert_int_equal(entry.ended_ns - entry.started_ns, 245799000);
    virtual_down(&v);
}

static void waiting_for_a_card_that_does_not_come_ends_at_the_deadline(void **state)
{
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_IS_PRESENT, .timeout_ms = 30000};
    struct virtual v;

    (void)state;
    virtual_up(&v);
    assert_int_equal(smartcrd_control(v.reader, &request, NULL), STATUS_IO_TIMEOUT);
    assert_int_equal(smartcrd_now(v.context), START + 30 * SECOND);
    virtual_down(&v);
}

static void a_card_in_another_process_is_waited_for_in_real_time(void **state)
{
    struct smartcrd_request wait = {.code = IOCTL_SMARTCARD_IS_PRESENT, .timeout_ms = 1100};
    struct virtual v;
    uint64_t start;

    (void)state;
    virtual_up(&v);
    tell_panel(&v, IOCTL_VREADER_INSERT, "vpcd port=0");
    start = nt_now();
    assert_int_equal(smartcrd_control(v.reader, &wait, NULL), STATUS_IO_TIMEOUT);
    assert_true(nt_now() - start >= 1100 * MS);
    assert_int_equal(newest(v.reader).ended_ns - newest(v.reader).submitted_ns, 1100 * MS);
    /* It has gone: a day is nothing again. */
    tell_panel(&v, IOCTL_VREADER_REMOVE, "");
    wait.timeout_ms = 86400000;
    assert_int_equal(smartcrd_control(v.reader, &wait, NULL), STATUS_IO_TIMEOUT);
    virtual_down(&v);
}

static void a_removal_ends_what_waits_in_simulated_time(void **state)
{
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_IS_PRESENT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    struct smartcrd_completion completion;
    struct virtual v;

    (void)state;
    virtual_up(&v);
    assert_int_equal(smartcrd_submit(v.reader, &request, NULL, NULL), STATUS_PENDING);
    assert_int_equal(smartcrd_remove_reader(v.context, v.name), STATUS_SUCCESS);
    assert_int_equal(smartcrd_reap(v.reader, &completion, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    assert_int_equal(completion.status, STATUS_DEVICE_REMOVED);
    assert_true(smartcrd_now(v.context) <= START + 10 * MS);
    virtual_down(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_runs_leave_the_same_journal_bit_by_bit),
        cmocka_unit_test(a_card_that_takes_a_minute_takes_no_real_time),
        cmocka_unit_test(a_mute_card_ends_after_exactly_its_block_waiting_times),
        cmocka_unit_test(a_mute_card_ends_after_exactly_one_waiting_time),
        cmocka_unit_test(waiting_for_a_card_that_does_not_come_ends_at_the_deadline),
        cmocka_unit_test(a_card_in_another_process_is_waited_for_in_real_time),
        cmocka_unit_test(a_removal_ends_what_waits_in_simulated_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
