/* SPDX-License-Identifier: MIT */
/* The scenarios: what a program does with contexts, drivers, readers, cards and requests (stage.h, main.c). */
#include "stage.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define NONE SMARTCRD_NO_TIMEOUT

static const struct smartcrd_options real_time = {.size = sizeof(real_time)};
static const struct smartcrd_options simulated = {.size = sizeof(simulated), .simulated_time = 1};
static const struct smartcrd_options watched = {.size = sizeof(watched), .simulated_time = 1, .verify = 1};

/* ---- pieces ------------------------------------------------------------------------------------------------------- */

static NTSTATUS tell(struct smartcrd_handle *handle, uint32_t code, const char *text)
{
    struct smartcrd_request request = {.code = code, .in = text, .in_size = strlen(text), .timeout_ms = NONE};

    return smartcrd_control(handle, &request, NULL);
}

/* A virtual reader, and its panel, opened. */
static void put_up(struct stage *stage, const struct smartcrd_options *options)
{
    char panel[SMARTCRD_NAME_MAX + 8];

    STEP(stage, smartcrd_create(options, &stage->context), STATUS_SUCCESS);
    STEP(stage, smartcrd_load_driver(stage->context, "vreader", NULL, 0), STATUS_SUCCESS);
    STEP(stage, smartcrd_add_reader(stage->context, "vreader", stage->name, sizeof(stage->name)), STATUS_SUCCESS);
    snprintf(panel, sizeof(panel), "%s-panel", stage->name);
    STEP(stage, smartcrd_open(stage->context, stage->name, &stage->reader), STATUS_SUCCESS);
    STEP(stage, smartcrd_open(stage->context, panel, &stage->panel), STATUS_SUCCESS);
}

/* The same with a driver that blocks, which has no panel. */
static void put_up_blocking(struct stage *stage)
{
    STEP(stage, smartcrd_create(&real_time, &stage->context), STATUS_SUCCESS);
    STEP(stage, smartcrd_add_driver(stage->context, "blocking", blocking_driver), STATUS_SUCCESS);
    STEP(stage, smartcrd_add_reader(stage->context, "blocking", stage->name, sizeof(stage->name)), STATUS_SUCCESS);
    STEP(stage, smartcrd_open(stage->context, stage->name, &stage->reader), STATUS_SUCCESS);
}

static void take_down(struct stage *stage)
{
    smartcrd_close(stage->panel);
    smartcrd_close(stage->reader);
    smartcrd_destroy(stage->context);
}

static NTSTATUS power(struct stage *stage)
{
    stage->size = sizeof(stage->reply);
    return smartcrd_power(stage->reader, SCARD_COLD_RESET, stage->reply, &stage->size, NONE);
}

static void use_card(struct stage *stage, const char *card, uint32_t protocol)
{
    STEP(stage, tell(stage->panel, IOCTL_VREADER_INSERT, card), STATUS_SUCCESS);
    STEP(stage, power(stage), STATUS_SUCCESS);
    MUST(stage, stage->size >= 2 && (stage->reply[0] == 0x3B || stage->reply[0] == 0x3F));
    STEP(stage, smartcrd_set_protocol(stage->reader, protocol, NULL, NONE), STATUS_SUCCESS);
}

static NTSTATUS transmit(struct stage *stage, const void *command, size_t size, uint32_t timeout_ms)
{
    stage->size = sizeof(stage->reply);
    return smartcrd_transmit(stage->reader, command, size, stage->reply, &stage->size, timeout_ms);
}

static void read_two(struct stage *stage, uint32_t timeout_ms, NTSTATUS expected)
{
    static const uint8_t read[] = {0x00, 0xB0, 0x00, 0x00, 0x02}, answer[] = {0x00, 0x01, 0x90, 0x00};

    STEP(stage, transmit(stage, read, sizeof(read), timeout_ms), expected);
    MUST(stage, expected != STATUS_SUCCESS || (stage->size == 4 && memcmp(stage->reply, answer, 4) == 0));
}

/* The last error is true, whatever was refused. */
static void last_error_is(struct stage *stage, NTSTATUS expected)
{
    NTSTATUS last = 1;

    MUST(stage, stage->over || smartcrd_last_error(stage->reader, &last) == STATUS_SUCCESS);
    MUST(stage, stage->over || last == expected);
}

/* Reap one: it must come, with the status expected, or refused. */
static void reap(struct stage *stage, NTSTATUS expected)
{
    struct smartcrd_completion completion = {0};

    if (stage->over)
        return;
    MUST(stage, smartcrd_reap(stage->reader, &completion, 30000) == STATUS_SUCCESS);
    MUST(stage,
         completion.status == expected || (stage_has_failed() && completion.status == STATUS_INSUFFICIENT_RESOURCES));
}

/* ---- scenarios ---------------------------------------------------------------------------------------------------- */

static void contexts(struct stage *stage)
{
    struct smartcrd *second = NULL;

    STEP(stage, smartcrd_create(&real_time, &stage->context), STATUS_SUCCESS);
    if (smartcrd_create(&simulated, &second) == STATUS_SUCCESS)
        smartcrd_destroy(second);
    else
        MUST(stage, second == NULL && stage_has_failed());
}

static void run_contexts(struct stage *stage)
{
    contexts(stage);
    take_down(stage);
}

static void readers(struct stage *stage)
{
    struct smartcrd_reader_info infos[8];
    char names[3][SMARTCRD_NAME_MAX];

    STEP(stage, smartcrd_create(&real_time, &stage->context), STATUS_SUCCESS);
    STEP(stage, smartcrd_load_driver(stage->context, "vreader", NULL, 0), STATUS_SUCCESS);
    for (int i = 0; i < 3; i++)
        STEP(stage, smartcrd_add_reader(stage->context, "vreader", names[i], sizeof(names[i])), STATUS_SUCCESS);
    MUST(stage, smartcrd_list(stage->context, infos, 8) == 3);
    STEP(stage, smartcrd_remove_reader(stage->context, names[1]), STATUS_SUCCESS);
    STEP(stage, smartcrd_open(stage->context, names[2], &stage->reader), STATUS_SUCCESS);
    STEP(stage, smartcrd_remove_reader(stage->context, names[2]), STATUS_SUCCESS);
    smartcrd_close(stage->reader);
    stage->reader = NULL;
    STEP(stage, smartcrd_remove_reader(stage->context, names[0]), STATUS_SUCCESS);
    MUST(stage, smartcrd_list(stage->context, infos, 8) == 0);
    STEP(stage, smartcrd_unload_driver(stage->context, "vreader"), STATUS_SUCCESS);
    STEP(stage, smartcrd_load_driver(stage->context, "vreader", NULL, 0), STATUS_SUCCESS);
}

static void run_readers(struct stage *stage)
{
    readers(stage);
    take_down(stage);
}

static void exchanges(struct stage *stage, const char *card, uint32_t protocol)
{
    static const uint8_t select[] = {0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00};
    struct smartcrd_journal_entry entries[4];
    uint8_t big[1024];
    size_t size = sizeof(big);
    uint32_t state = 0;

    use_card(stage, card, protocol);
    if (stage->over)
        return;
    STEP(stage, smartcrd_state(stage->reader, &state), STATUS_SUCCESS);
    MUST(stage, state == SCARD_SPECIFIC);
    STEP(stage, (size = sizeof(big), smartcrd_attribute(stage->reader, SCARD_ATTR_VENDOR_NAME, big, &size)),
         STATUS_SUCCESS);
    STEP(stage, transmit(stage, select, sizeof(select), NONE), STATUS_SUCCESS);
    last_error_is(stage, STATUS_SUCCESS);
    STEP(stage, transmit(stage, select, sizeof(select), 60000), STATUS_SUCCESS);
    STEP(stage, tell(stage->panel, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
    STEP(stage, transmit(stage, select, sizeof(select), NONE), STATUS_INVALID_DEVICE_STATE);
    last_error_is(stage, STATUS_INVALID_DEVICE_STATE);
    MUST(stage, smartcrd_journal(stage->reader, 0, entries, 4) == 4);
}

static void run_exchange_t0(struct stage *stage)
{
    put_up(stage, &simulated);
    if (!stage->over)
        exchanges(stage, "fs", SCARD_PROTOCOL_T0);
    take_down(stage);
}

static void run_exchange_t1(struct stage *stage)
{
    put_up(stage, &simulated);
    if (!stage->over)
        exchanges(stage, "fs", SCARD_PROTOCOL_T1);
    take_down(stage);
}

static void run_exchange_real(struct stage *stage)
{
    put_up(stage, &real_time);
    if (!stage->over)
        exchanges(stage, "fs", SCARD_PROTOCOL_T1);
    take_down(stage);
}

/* Under the verifier, which has memory of its own for each request and block: what it cannot watch goes unwatched, and a
 * driver without a mistake has none then. */
static void watched_exchanges(struct stage *stage)
{
    struct smartcrd_violation found;
    char line[512];

    exchanges(stage, "fs", SCARD_PROTOCOL_T1);
    (void)smartcrd_remove_reader(stage->context, stage->name);
    smartcrd_close(stage->panel);
    smartcrd_close(stage->reader);
    stage->panel = stage->reader = NULL;
    (void)smartcrd_unload_driver(stage->context, "vreader");
    while (smartcrd_next_violation(stage->context, &found)) {
        smartcrd_violation_text(&found, line, sizeof(line));
        stage_wrong(stage, __FILE__, __LINE__, "%s", line);
    }
}

static void run_watched(struct stage *stage)
{
    put_up(stage, &watched);
    if (!stage->over)
        watched_exchanges(stage);
    take_down(stage);
}

/* An extended APDU over T=1, chained both ways: larger than any buffer that is there already. */
static void long_apdu(struct stage *stage)
{
    static uint8_t command[7 + 2000 + 2] = {0x00, 0xD6, 0x00, 0x00, 0x00, 0x07, 0xD0};

    use_card(stage, "echo", SCARD_PROTOCOL_T1);
    if (stage->over)
        return;
    STEP(stage, transmit(stage, command, sizeof(command), NONE), STATUS_SUCCESS);
    MUST(stage, stage->size == 2002);
}

static void run_long_apdu(struct stage *stage)
{
    put_up(stage, &simulated);
    if (!stage->over)
        long_apdu(stage);
    take_down(stage);
}

static void cards(struct stage *stage)
{
    static const char *const kinds[] = {"fs pin=4711", "echo delay=1",
                                        "script\natr 3B 80 80 01 01\n> 00 B0 *\n< 90 00\n", "vpcd port=0"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        STEP(stage, tell(stage->panel, IOCTL_VREADER_INSERT, kinds[i]), STATUS_SUCCESS);
        if (i < 3) /* no peer is connected: the slot of the last is empty */
            STEP(stage, tell(stage->panel, IOCTL_VREADER_INSERT, "echo"), STATUS_DEVICE_BUSY);
        STEP(stage, tell(stage->panel, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
    }
    STEP(stage, tell(stage->panel, IOCTL_VREADER_INSERT, "no-such-kind"), STATUS_INVALID_PARAMETER);
    use_card(stage, "echo", SCARD_PROTOCOL_T1);
    read_two(stage, NONE, STATUS_SUCCESS);
}

static void run_cards(struct stage *stage)
{
    put_up(stage, &real_time);
    if (!stage->over)
        cards(stage);
    take_down(stage);
}

static void faults(struct stage *stage)
{
    use_card(stage, "echo", SCARD_PROTOCOL_T1);
    if (stage->over)
        return;
    STEP(stage, tell(stage->panel, IOCTL_VREADER_FAULT, "edc byte=1"), STATUS_SUCCESS);
    read_two(stage, NONE, STATUS_SUCCESS);
    STEP(stage, tell(stage->panel, IOCTL_VREADER_FAULT, "mute"), STATUS_SUCCESS);
    read_two(stage, NONE, STATUS_IO_TIMEOUT);
    last_error_is(stage, STATUS_IO_TIMEOUT);
    STEP(stage, tell(stage->panel, IOCTL_VREADER_FAULT, "replace hex=00E0010A edc=mend"), STATUS_SUCCESS);
    STEP(stage, tell(stage->panel, IOCTL_VREADER_FAULT, "none"), STATUS_SUCCESS);
    read_two(stage, 10000, STATUS_SUCCESS);
}

static void run_faults(struct stage *stage)
{
    put_up(stage, &simulated);
    if (!stage->over)
        faults(stage);
    take_down(stage);
}

/* Thirty in flight behind one that takes long, some with a deadline: more than fit in any table at first. */
static void overlapped(struct stage *stage)
{
    static const uint8_t read[] = {2, 0, 0, 0, 8, 0, 0, 0, 0x00, 0xB0, 0x00, 0x00, 0x02};
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_TRANSMIT,
                                       .in = read,
                                       .in_size = sizeof(read),
                                       .out = stage->reply,
                                       .out_size = 64,
                                       .timeout_ms = NONE};
    struct smartcrd_completion completion;
    uint64_t ids[30];

    use_card(stage, "echo delay=5", SCARD_PROTOCOL_T1);
    for (size_t i = 0; i < 30 && !stage->over; i++) {
        request.timeout_ms = i % 3 == 2 ? 60000 : NONE;
        STEP(stage, smartcrd_submit(stage->reader, &request, &ids[i], NULL), STATUS_PENDING);
    }
    if (stage->over)
        return;
    MUST(stage, smartcrd_cancel(stage->reader, ids[29]) == STATUS_SUCCESS);
    MUST(stage, smartcrd_reap_one(stage->reader, ids[29], &completion, 30000) == STATUS_SUCCESS);
    MUST(stage, completion.status == STATUS_CANCELLED);
    for (int i = 0; i < 29; i++)
        reap(stage, STATUS_SUCCESS);
    MUST(stage, stage->over || smartcrd_reap(stage->reader, &completion, 0) == STATUS_NO_MORE_ENTRIES);
    read_two(stage, NONE, STATUS_SUCCESS);
    last_error_is(stage, STATUS_SUCCESS);
}

static void run_overlapped(struct stage *stage)
{
    put_up(stage, &real_time);
    if (!stage->over)
        overlapped(stage);
    take_down(stage);
}

static void run_overlapped_simulated(struct stage *stage)
{
    put_up(stage, &simulated);
    if (!stage->over)
        overlapped(stage);
    take_down(stage);
}

/* Tracking: both are pending, one ends by an insertion, one by its deadline, one by a cancel, one by the removal. */
static void tracking(struct stage *stage)
{
    struct smartcrd_request present = {.code = IOCTL_SMARTCARD_IS_PRESENT, .timeout_ms = NONE};
    struct smartcrd_request absent = {.code = IOCTL_SMARTCARD_IS_ABSENT, .timeout_ms = 5};
    struct pollfd wait = {.events = POLLIN};
    uint64_t id;

    STEP(stage, smartcrd_submit(stage->reader, &present, &id, NULL), STATUS_PENDING);
    wait.fd = smartcrd_fd(stage->reader);
    if (wait.fd < 0) {
        MUST(stage, stage_has_failed());
        wait.fd = smartcrd_fd(stage->reader);
    }
    STEP(stage, tell(stage->panel, IOCTL_VREADER_INSERT, "echo"), STATUS_SUCCESS);
    MUST(stage, wait.fd < 0 || poll(&wait, 1, 30000) == 1);
    reap(stage, STATUS_SUCCESS);
    STEP(stage, smartcrd_submit(stage->reader, &absent, &id, NULL), STATUS_PENDING);
    reap(stage, STATUS_IO_TIMEOUT);
    last_error_is(stage, STATUS_IO_TIMEOUT);
    absent.timeout_ms = NONE;
    STEP(stage, smartcrd_submit(stage->reader, &absent, &id, NULL), STATUS_PENDING);
    MUST(stage, smartcrd_cancel_all(stage->reader) == 1);
    reap(stage, STATUS_CANCELLED);
    STEP(stage, smartcrd_submit(stage->reader, &absent, &id, NULL), STATUS_PENDING);
    STEP(stage, smartcrd_remove_reader(stage->context, stage->name), STATUS_SUCCESS);
    reap(stage, STATUS_DEVICE_REMOVED);
}

static void run_tracking(struct stage *stage)
{
    put_up(stage, &real_time);
    if (!stage->over)
        tracking(stage);
    take_down(stage);
}

/* Synchronous with a deadline: on a thread of the host when the driver may block, and the caller leaves in time. */
static void deadlines(struct stage *stage)
{
    uint32_t ms = 1;
    struct smartcrd_request sleep = {.code = BLOCKING_SLEEP, .in = &ms, .in_size = sizeof(ms), .timeout_ms = NONE};
    struct smartcrd_request hold = {.code = BLOCKING_HOLD, .timeout_ms = 2};
    uint64_t id;

    STEP(stage, smartcrd_control(stage->reader, &sleep, NULL), STATUS_SUCCESS);
    sleep.timeout_ms = 20000;
    STEP(stage, smartcrd_control(stage->reader, &sleep, NULL), STATUS_SUCCESS);
    STEP(stage, smartcrd_submit(stage->reader, &sleep, &id, NULL), STATUS_PENDING);
    reap(stage, STATUS_SUCCESS);
    blocking_hold(true);
    STEP(stage, smartcrd_control(stage->reader, &hold, NULL), STATUS_IO_TIMEOUT);
    last_error_is(stage, STATUS_IO_TIMEOUT);
    sleep.timeout_ms = NONE;
    STEP(stage, smartcrd_submit(stage->reader, &sleep, &id, NULL), STATUS_PENDING); /* behind the one that is held */
    blocking_hold(false);
    reap(stage, STATUS_SUCCESS);
}

static void run_deadlines(struct stage *stage)
{
    put_up_blocking(stage);
    if (!stage->over)
        deadlines(stage);
    blocking_hold(false);
    take_down(stage);
}

/* What drivers ask the host for. */
static void kernel(struct stage *stage)
{
    static const uint32_t codes[] = {BLOCKING_THREAD, BLOCKING_ITEM, BLOCKING_ITEMS, BLOCKING_TIMERS, BLOCKING_LOG};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        /* Needs two workers; where no thread comes for ever, it takes for ever, as on Windows. */
        if (codes[i] == BLOCKING_ITEMS && stage->manner != ONE_CALL)
            continue;
        STEP(stage, tell(stage->reader, codes[i], ""), STATUS_SUCCESS);
        last_error_is(stage, STATUS_SUCCESS);
    }
}

static void run_kernel(struct stage *stage)
{
    put_up_blocking(stage);
    if (!stage->over)
        kernel(stage);
    take_down(stage);
}

/* The reader goes, and handles and contexts are closed, while things are in flight. */
static void leaving(struct stage *stage)
{
    struct smartcrd_handle *second = NULL;
    struct smartcrd_request hold = {.code = BLOCKING_HOLD, .timeout_ms = NONE};
    uint64_t id;

    blocking_hold(true);
    STEP(stage, smartcrd_submit(stage->reader, &hold, &id, NULL), STATUS_PENDING);
    STEP(stage, smartcrd_submit(stage->reader, &hold, &id, NULL), STATUS_PENDING);
    STEP(stage, smartcrd_open(stage->context, stage->name, &second), STATUS_SUCCESS);
    smartcrd_close(stage->reader); /* with two in flight, of which the driver keeps one */
    stage->reader = second;
    STEP(stage, smartcrd_submit(stage->reader, &hold, &id, NULL), STATUS_PENDING);
    STEP(stage, smartcrd_remove_reader(stage->context, stage->name), STATUS_SUCCESS);
    reap(stage, STATUS_DEVICE_REMOVED);
}

static void run_leaving(struct stage *stage)
{
    put_up_blocking(stage);
    if (!stage->over)
        leaving(stage);
    blocking_hold(false);
    take_down(stage);
}

/* More readers than the first table has room for. */
static void many(struct stage *stage)
{
    char name[SMARTCRD_NAME_MAX];

    STEP(stage, smartcrd_create(&simulated, &stage->context), STATUS_SUCCESS);
    STEP(stage, smartcrd_load_driver(stage->context, "vreader", NULL, 0), STATUS_SUCCESS);
    stage_spare(true);
    for (int i = 0; i < 70; i++) {
        if (i == 62)
            stage_spare(false);
        STEP(stage, smartcrd_add_reader(stage->context, "vreader", name, sizeof(name)), STATUS_SUCCESS);
    }
    STEP(stage, smartcrd_open(stage->context, name, &stage->reader), STATUS_SUCCESS);
    MUST(stage, smartcrd_list(stage->context, NULL, 0) == 70);
}

static void run_many(struct stage *stage)
{
    many(stage);
    take_down(stage);
}

const struct scenario scenarios[] = {
    {"contexts", run_contexts},
    {"readers", run_readers},
    {"exchange_t0", run_exchange_t0},
    {"exchange_t1", run_exchange_t1},
    {"exchange_real", run_exchange_real},
    {"watched", run_watched},
    {"long_apdu", run_long_apdu},
    {"cards", run_cards},
    {"faults", run_faults},
    {"overlapped", run_overlapped},
    {"overlapped_simulated", run_overlapped_simulated},
    {"tracking", run_tracking},
    {"deadlines", run_deadlines},
    {"kernel", run_kernel},
    {"leaving", run_leaving},
    {"many", run_many},
};
const size_t scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);
