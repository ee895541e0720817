/* SPDX-License-Identifier: MIT */
/* The library under several threads: one callback at a time, queries beside it, the remove lock's wait. */
#include "smclib_support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#define THREADS 4
#define ROUNDS  500

static struct reader *reader;
static atomic_int inside;  /* callbacks that run */
static atomic_int most;    /* of them at once */
static atomic_bool let_go; /* what a blocked callback waits for */
static atomic_bool entered;

static NTSTATUS counting(PSMARTCARD_EXTENSION ext)
{
    int now = atomic_fetch_add(&inside, 1) + 1;

    if (now > atomic_load(&most)) {
        atomic_store(&most, now);
    }
    ext->CardCapabilities.ATR.Length = 5; /* what callbacks may change without a lock */
    ext->CardCapabilities.ATR.Buffer[0] ^= 1;
    sched_yield();
    atomic_fetch_sub(&inside, 1);
    return (NTSTATUS)ext->MinorIoControlCode;
}

static NTSTATUS blocking(PSMARTCARD_EXTENSION ext)
{
    UNREFERENCED_PARAMETER(ext);
    atomic_store(&entered, true);
    while (!atomic_load(&let_go)) {
        sched_yield();
    }
    return STATUS_SUCCESS;
}

static void *run_operations(void *argument)
{
    ULONG base = 0xC0000000u + (ULONG)(uintptr_t)argument * ROUNDS;

    for (ULONG i = 0; i < ROUNDS; i++) {
        ULONG wanted = base + i;

        /* Each request gets the status that its own callback saw in its own input. */
        if (send_ulong(reader, IOCTL_SMARTCARD_EJECT, wanted, 0) != (NTSTATUS)wanted) {
            return (void *)1;
        }
    }
    return NULL;
}

static void *run_queries(void *argument)
{
    ULONG tag = SCARD_ATTR_ATR_STRING;
    struct result result;

    for (ULONG i = 0; i < ROUNDS; i++) {
        send_to(reader, &result, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, 64);
        if (result.returned != STATUS_SUCCESS) {
            return (void *)1;
        }
        (void)last_error(reader);
        if (send_ulong(reader, IOCTL_SMARTCARD_GET_STATE, 0, 4) != STATUS_SUCCESS) {
            return (void *)1;
        }
    }
    return argument;
}

static void callbacks_run_one_at_a_time_beside_queries(void **unused)
{
    pthread_t threads[THREADS], queries;
    void *failed;

    (void)unused;
    reader = full_reader(SCARD_SPECIFIC);
    reader->ext.CardCapabilities.ATR.Length = 5;
    reader->ext.ReaderFunction[RDF_CARD_EJECT] = counting;
    assert_int_equal(pthread_create(&queries, NULL, run_queries, NULL), 0);
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_operations, (void *)i), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(pthread_join(queries, &failed), 0);
    assert_null(failed);
    assert_int_equal(atomic_load(&most), 1);
    free_reader(reader);
}

static void *eject(void *argument)
{
    return (void *)(uintptr_t)(send_ulong(reader, IOCTL_SMARTCARD_EJECT, 0, 0) != STATUS_SUCCESS || argument != NULL);
}

static void a_callback_that_blocks_keeps_no_query_and_no_tracking(void **unused)
{
    pthread_t thread;
    void *failed;

    (void)unused;
    reader = full_reader(SCARD_PRESENT);
    reader->ext.ReaderFunction[RDF_CARD_EJECT] = blocking;
    atomic_store(&let_go, false);
    atomic_store(&entered, false);
    assert_int_equal(pthread_create(&thread, NULL, eject, NULL), 0);
    while (!atomic_load(&entered)) {
        sched_yield();
    }
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_GET_STATE, 0, 4), STATUS_SUCCESS);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_MAX_CLK, 4), STATUS_SUCCESS);
    assert_int_equal(last_error(reader), STATUS_SUCCESS);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_IS_PRESENT, 0, 0), STATUS_SUCCESS);
    assert_int_equal(send_ulong(reader, SCARD_CTL_CODE(13), 0, 0), STATUS_INVALID_DEVICE_REQUEST);
    atomic_store(&let_go, true);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    free_reader(reader);
}

static NTSTATUS nested(PSMARTCARD_EXTENSION ext)
{
    UNREFERENCED_PARAMETER(ext);
    return send_ulong(reader, IOCTL_SMARTCARD_SWALLOW, 0, 0);
}

static void a_callback_that_sends_an_operation_to_its_own_reader_is_told_busy(void **unused)
{
    (void)unused;
    reader = full_reader(SCARD_PRESENT);
    reader->ext.ReaderFunction[RDF_CARD_EJECT] = nested;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_EJECT, 0, 0), STATUS_DEVICE_BUSY);
    assert_int_equal(reader->seen.calls[RDF_READER_SWALLOW], 0);
    free_reader(reader);
}

static atomic_bool removed;

static void *remove_reader(void *argument)
{
    SmartcardReleaseRemoveLockAndWait(&reader->ext);
    atomic_store(&removed, true);
    return argument;
}

static void removal_waits_for_the_last_share(void **unused)
{
    pthread_t thread;

    (void)unused;
    reader = full_reader(SCARD_PRESENT);
    atomic_store(&removed, false);
    assert_int_equal(SmartcardAcquireRemoveLock(&reader->ext), STATUS_SUCCESS); /* the remover's */
    assert_int_equal(SmartcardAcquireRemoveLock(&reader->ext), STATUS_SUCCESS); /* ours */
    assert_int_equal(SmartcardAcquireRemoveLock(&reader->ext), STATUS_SUCCESS); /* ours */
    assert_int_equal(pthread_create(&thread, NULL, remove_reader, NULL), 0);
    while (SmartcardAcquireRemoveLock(&reader->ext) == STATUS_SUCCESS) {
        SmartcardReleaseRemoveLock(&reader->ext);
        sched_yield();
    }
    assert_false(atomic_load(&removed));
    SmartcardReleaseRemoveLock(&reader->ext);
    for (int i = 0; i < 100; i++) {
        sched_yield();
    }
    assert_false(atomic_load(&removed)); /* one share is still out */
    SmartcardReleaseRemoveLock(&reader->ext);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load(&removed));
    assert_int_equal(reader->ext.OsData->RemoveLock.RefCount, 0);
    free_reader(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callbacks_run_one_at_a_time_beside_queries),
        cmocka_unit_test(a_callback_that_blocks_keeps_no_query_and_no_tracking),
        cmocka_unit_test(a_callback_that_sends_an_operation_to_its_own_reader_is_told_busy),
        cmocka_unit_test(removal_waits_for_the_last_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
