/* SPDX-License-Identifier: MIT */
/*
 * 10,000 virtual readers, each with a pending IS_PRESENT, and work on 100 of them by four threads: the hundred answer
 * rightly, the others notice nothing, and each request ends exactly once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include <smartcrd/smartcrd.h>
#include <smartcrd/vreader.h>

#define READERS 10000u
#define STEP    100u /* each hundredth works */
#define THREADS 4u
#define CALLS   50u
#define NONE    SMARTCRD_NO_TIMEOUT

static struct smartcrd *context;
static struct smartcrd_handle *handles[READERS];
static char names[READERS][SMARTCRD_NAME_MAX];
static uint64_t waits[READERS];

static int up(void **state)
{
    const struct smartcrd_request wait = {.code = IOCTL_SMARTCARD_IS_PRESENT, .timeout_ms = NONE};

    (void)state;
    assert_int_equal(smartcrd_create(NULL, &context), STATUS_SUCCESS);
    assert_int_equal(smartcrd_load_driver(context, "vreader", NULL, 0), STATUS_SUCCESS);
    for (uint32_t i = 0; i < READERS; i++) {
        assert_int_equal(smartcrd_add_reader(context, "vreader", names[i], sizeof(names[i])), STATUS_SUCCESS);
        assert_int_equal(smartcrd_open(context, names[i], &handles[i]), STATUS_SUCCESS);
        assert_int_equal(smartcrd_submit(handles[i], &wait, &waits[i], NULL), STATUS_PENDING);
    }
    return 0;
}

static int down(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < READERS; i++)
        smartcrd_close(handles[i]);
    smartcrd_destroy(context);
    return 0;
}

/* The rest is done by threads, which must not jump out of themselves: they count what is not as it should be. */
static unsigned insert_and_power(uint32_t reader)
{
    char panel_name[SMARTCRD_NAME_MAX + 8];
    const struct smartcrd_request insert = {
        .code = IOCTL_VREADER_INSERT, .in = "echo", .in_size = 4, .timeout_ms = NONE};
    struct smartcrd_handle *panel;
    uint8_t atr[33];
    size_t atr_size = sizeof(atr);
    unsigned wrong = 0;

    snprintf(panel_name, sizeof(panel_name), "%.*s-panel", SMARTCRD_NAME_MAX - 1, names[reader]);
    if (smartcrd_open(context, panel_name, &panel) != STATUS_SUCCESS)
        return 1;
    wrong += smartcrd_control(panel, &insert, NULL) != STATUS_SUCCESS;
    smartcrd_close(panel);
    wrong += smartcrd_power(handles[reader], SCARD_COLD_RESET, atr, &atr_size, NONE) != STATUS_SUCCESS;
    wrong += smartcrd_set_protocol(handles[reader], SCARD_PROTOCOL_T1, NULL, NONE) != STATUS_SUCCESS;
    return wrong;
}

static unsigned transmit(uint32_t reader, uint8_t call)
{
    /* The echo card gives the data back: READER CALL 90 00. */
    const uint8_t command[] = {0x00, 0xDA, 0x00, 0x00, 0x03, (uint8_t)(reader >> 8), (uint8_t)reader, call};
    const uint8_t answer[] = {(uint8_t)(reader >> 8), (uint8_t)reader, call, 0x90, 0x00};
    uint8_t reply[16];
    size_t size = sizeof(reply);

    return smartcrd_transmit(handles[reader], command, sizeof(command), reply, &size, NONE) != STATUS_SUCCESS ||
           size != sizeof(answer) || memcmp(reply, answer, sizeof(answer)) != 0;
}

static void *work(void *argument)
{
    const uint32_t number = (uint32_t)(uintptr_t)argument;
    uintptr_t wrong = 0;

    for (uint32_t reader = number * STEP; reader < READERS; reader += THREADS * STEP)
        wrong += insert_and_power(reader);
    for (uint8_t call = 0; call < CALLS; call++)
        for (uint32_t reader = number * STEP; reader < READERS; reader += THREADS * STEP)
            wrong += transmit(reader, call);
    return (void *)wrong;
}

static void work_on_a_hundred_of_ten_thousand_is_theirs_alone(void **state)
{
    struct smartcrd_completion completion;
    pthread_t threads[THREADS];

    (void)state;
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        void *wrong;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_int_equal((uintptr_t)wrong, 0);
    }
    for (uint32_t i = 0; i < READERS; i++) {
        if (i % STEP != 0) {
            /* Nothing has happened here: it still waits, until it is cancelled. */
            assert_int_equal(smartcrd_reap(handles[i], &completion, 0), STATUS_TIMEOUT);
            assert_int_equal(smartcrd_cancel(handles[i], waits[i]), STATUS_SUCCESS);
        }
        assert_int_equal(smartcrd_reap(handles[i], &completion, 60000), STATUS_SUCCESS);
        assert_int_equal(completion.id, waits[i]);
        assert_int_equal(completion.status, i % STEP != 0 ? STATUS_CANCELLED : STATUS_SUCCESS);
        /* Its insertion ended IS_PRESENT before anything else ended on that reader. */
        assert_int_equal(completion.sequence, 1);
        assert_int_equal(smartcrd_reap(handles[i], &completion, 0), STATUS_NO_MORE_ENTRIES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(work_on_a_hundred_of_ten_thousand_is_theirs_alone, up, down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
