/* SPDX-License-Identifier: MIT */
/*
 * What a synchronous short APDU without a deadline must not cost on an idle reader (DESIGN section 5): no allocation, no
 * other thread, no wait. Counted over the whole column, from smartcrd_control to the echo card and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include <smartcrd/smartcrd.h>
#include <smartcrd/vreader.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#define CALLS 1000

/* Allocations of this thread. */
static __thread unsigned long allocations;

#ifndef SANITIZED /* sanitizers have allocators of their own, and need them */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    allocations++;
    return __libc_realloc(memory, size);
}
#endif

static long waits(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_nvcsw;
}

static unsigned long threads(void)
{
    char line[128];
    unsigned long count = 0;
    FILE *file = fopen("/proc/self/status", "re");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "Threads:", 8) == 0) {
            count = strtoul(line + 8, NULL, 10);
        }
    }
    fclose(file);
    return count;
}

static void synchronous_short_apdu_costs_no_allocation_no_thread_and_no_wait(void **state)
{
    const uint32_t protocol = *(const uint32_t *)*state;
    static const uint8_t read[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    static const uint8_t answer[] = {0x00, 0x01, 0x90, 0x00};
    char name[SMARTCRD_NAME_MAX], panel_name[SMARTCRD_NAME_MAX + 8];
    struct smartcrd *context;
    struct smartcrd_handle *reader, *panel;
    struct smartcrd_request insert = {
        .code = IOCTL_VREADER_INSERT, .in = "echo", .in_size = 4, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    uint8_t atr[33], reply[16];
    size_t size = sizeof(atr);
    unsigned long threads_before;
    long waits_before;

    assert_int_equal(smartcrd_create(NULL, &context), STATUS_SUCCESS);
    assert_int_equal(smartcrd_load_driver(context, "vreader", NULL, 0), STATUS_SUCCESS);
    assert_int_equal(smartcrd_add_reader(context, "vreader", name, sizeof(name)), STATUS_SUCCESS);
    snprintf(panel_name, sizeof(panel_name), "%s-panel", name);
    assert_int_equal(smartcrd_open(context, name, &reader), STATUS_SUCCESS);
    assert_int_equal(smartcrd_open(context, panel_name, &panel), STATUS_SUCCESS);
    assert_int_equal(smartcrd_control(panel, &insert, NULL), STATUS_SUCCESS);
    assert_int_equal(smartcrd_power(reader, SCARD_COLD_RESET, atr, &size, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    assert_int_equal(smartcrd_set_protocol(reader, protocol, NULL, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);

    size = sizeof(reply);
    assert_int_equal(smartcrd_transmit(reader, read, sizeof(read), reply, &size, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    threads_before = threads();
    waits_before = waits();
    allocations = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        size = sizeof(reply);
        assert_int_equal(smartcrd_transmit(reader, read, sizeof(read), reply, &size, SMARTCRD_NO_TIMEOUT),
                         STATUS_SUCCESS);
        assert_int_equal(size, sizeof(answer));
        assert_memory_equal(reply, answer, sizeof(answer));
    }
    assert_int_equal(allocations, 0);
    assert_in_range(waits() - waits_before, 0,
                    CALLS / 100); /* a page that has to come from a disk is no wait of ours */
    assert_int_equal(threads(), threads_before);

    smartcrd_close(panel);
    smartcrd_close(reader);
    smartcrd_destroy(context);
}

static void the_count_counts(void **state)
{
    void *volatile memory;

    (void)state;
    allocations = 0;
    memory = malloc(1);
    free(memory);
    memory = calloc(1, 1);
    free(memory);
#ifdef SANITIZED
    assert_int_equal(allocations, 0);
#else
    assert_int_equal(allocations, 2);
#endif
}

int main(void)
{
    static uint32_t t0 = SCARD_PROTOCOL_T0, t1 = SCARD_PROTOCOL_T1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_count_counts),
        {"over_t0_synchronous_short_apdu_costs_no_allocation_no_thread_and_no_wait",
         synchronous_short_apdu_costs_no_allocation_no_thread_and_no_wait, NULL, NULL, &t0},
        {"over_t1_synchronous_short_apdu_costs_no_allocation_no_thread_and_no_wait",
         synchronous_short_apdu_costs_no_allocation_no_thread_and_no_wait, NULL, NULL, &t1},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
