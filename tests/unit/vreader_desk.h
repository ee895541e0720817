/* SPDX-License-Identifier: MIT */
/*
 * For the tests of the virtual reader that come through smartcrd.h: a context in simulated time, a reader with its panel,
 * and what is done with them again and again. The verifier watches the driver, and must have nothing to say in the end. Tests below the client are vreader_kit.h's.
 */
#ifndef TEST_VREADER_DESK_H
#define TEST_VREADER_DESK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <smartcrd/smartcrd.h>
#include <smartcrd/vreader.h>

#define NONE SMARTCRD_NO_TIMEOUT
#define T0   SCARD_PROTOCOL_T0
#define T1   SCARD_PROTOCOL_T1

struct desk {
    struct smartcrd *context;
    struct smartcrd_handle *reader, *panel;
    char name[SMARTCRD_NAME_MAX];
};

static inline int desk_up(void **state)
{
    static const struct smartcrd_options options = {.size = sizeof(options), .simulated_time = 1, .verify = 1};
    static struct desk desk;
    char *name = desk.name, panel[SMARTCRD_NAME_MAX + 8];

    assert_int_equal(smartcrd_create(&options, &desk.context), STATUS_SUCCESS);
    assert_int_equal(smartcrd_load_driver(desk.context, "vreader", NULL, 0), STATUS_SUCCESS);
    assert_int_equal(smartcrd_add_reader(desk.context, "vreader", name, sizeof(desk.name)), STATUS_SUCCESS);
    snprintf(panel, sizeof(panel), "%s-panel", name);
    assert_int_equal(smartcrd_open(desk.context, name, &desk.reader), STATUS_SUCCESS);
    assert_int_equal(smartcrd_open(desk.context, panel, &desk.panel), STATUS_SUCCESS);
    *state = &desk;
    return 0;
}

static inline int desk_down(void **state)
{
    struct desk *desk = *state;
    struct smartcrd_violation violation;
    char line[1024];
    int violations = 0;

    smartcrd_close(desk->reader);
    smartcrd_close(desk->panel);
    (void)smartcrd_remove_reader(desk->context, desk->name); /* a test may have done it */
    assert_int_equal(smartcrd_unload_driver(desk->context, "vreader"), STATUS_SUCCESS);
    for (; smartcrd_next_violation(desk->context, &violation); violations++) {
        smartcrd_violation_text(&violation, line, sizeof(line));
        print_error("%s\n", line);
    }
    smartcrd_destroy(desk->context);
    return violations;
}

#define with_desk(test) cmocka_unit_test_setup_teardown(test, desk_up, desk_down)

static inline NTSTATUS say(struct desk *desk, uint32_t code, const char *text)
{
    struct smartcrd_request request = {.code = code, .in = text, .in_size = strlen(text), .timeout_ms = NONE};

    return smartcrd_control(desk->panel, &request, NULL);
}

static inline void insert(struct desk *desk, const char *text)
{
    assert_int_equal(say(desk, IOCTL_VREADER_INSERT, text), STATUS_SUCCESS);
}

static inline void take_out(struct desk *desk)
{
    assert_int_equal(say(desk, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
}

static inline void fault(struct desk *desk, const char *text)
{
    assert_int_equal(say(desk, IOCTL_VREADER_FAULT, text), STATUS_SUCCESS);
}

/* What the panel says, whole. */
static inline void panel_text(struct desk *desk, char text[512])
{
    size_t size = 0;
    struct smartcrd_request request = {.code = IOCTL_VREADER_STATUS, .out = text, .out_size = 511, .timeout_ms = NONE};

    assert_int_equal(smartcrd_control(desk->panel, &request, &size), STATUS_SUCCESS);
    text[size] = 0;
}

static inline void panel_says(struct desk *desk, const char *expected)
{
    char text[512];

    panel_text(desk, text);
    assert_string_equal(text, expected);
}

static inline NTSTATUS reset_within(struct desk *desk, uint32_t timeout_ms)
{
    uint8_t atr[33];
    size_t size = sizeof(atr);

    return smartcrd_power(desk->reader, SCARD_COLD_RESET, atr, &size, timeout_ms);
}

static inline NTSTATUS reset(struct desk *desk)
{
    return reset_within(desk, NONE);
}

static inline NTSTATUS select_protocol(struct desk *desk, uint32_t mask)
{
    return smartcrd_set_protocol(desk->reader, mask, NULL, NONE);
}

static inline void ready(struct desk *desk, const char *card, uint32_t protocol)
{
    insert(desk, card);
    assert_int_equal(reset(desk), STATUS_SUCCESS);
    assert_int_equal(select_protocol(desk, protocol), STATUS_SUCCESS);
}

/* READ BINARY of two bytes; when it succeeds, the answer is these four. */
static inline NTSTATUS read_as(struct desk *desk, const char *answer, uint32_t timeout_ms)
{
    static const uint8_t command[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    uint8_t reply[16];
    size_t size = sizeof(reply);
    NTSTATUS status = smartcrd_transmit(desk->reader, command, sizeof(command), reply, &size, timeout_ms);

    if (status == STATUS_SUCCESS) {
        assert_int_equal(size, 4);
        assert_memory_equal(reply, answer, 4);
    }
    return status;
}

/* The same with the echo card's own answer, 00 01 9000. */
static inline NTSTATUS read_within(struct desk *desk, uint32_t timeout_ms)
{
    return read_as(desk, "\x00\x01\x90\x00", timeout_ms);
}

static inline NTSTATUS read_two(struct desk *desk)
{
    return read_within(desk, NONE);
}

static inline struct smartcrd_journal_entry newest(struct desk *desk)
{
    struct smartcrd_journal_entry entries[64];
    size_t count = smartcrd_journal(desk->reader, 0, entries, 64);

    assert_true(count > 0);
    return entries[count - 1];
}

#endif
