/* SPDX-License-Identifier: MIT */
/*
 * The verifier's own mechanism: names of functions, the list of violations, guards of pool, the IRQL table, and that it
 * stays out of the way of what is right. Drivers that break its rules one by one are tests/verifier's.
 */
#include "nt_helper.h"

#include "../../src/nt/verify/verify.h"

#include <sched.h>

/* What the driver below does in its DriverEntry. */
static void (*deed)(void);

static NTSTATUS driver_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    deed();
    return STATUS_SUCCESS;
}

static const char *name_code(uint32_t code)
{
    return code == 0x310004 ? "IOCTL_SMARTCARD_POWER" : NULL;
}

static void load(struct nt_host *host, void (*what)(void))
{
    struct nt_driver *driver;

    deed = what;
    assert_int_equal(nt_driver_load(host, "naughty", driver_entry, NULL, &driver, NULL, 0), STATUS_SUCCESS);
    assert_int_equal(nt_driver_unload(driver), STATUS_SUCCESS);
}

static int watched_up(void **state)
{
    host_up(state);
    assert_true(nt_host_verify(*state, name_code));
    return 0;
}

#define watched(test) cmocka_unit_test_setup_teardown(test, watched_up, host_down)

/* The next violation must be one of this rule, found so many times, and the last one. */
static void expect_only(struct nt_host *host, const char *rule, uint32_t times)
{
    struct nt_violation violation, more;

    assert_true(nt_next_violation(host, &violation));
    assert_string_equal(violation.rule->name, rule);
    assert_string_equal(violation.driver, "naughty");
    assert_string_equal(violation.function, "driver_entry");
    assert_int_equal(violation.times, times);
    assert_false(nt_next_violation(host, &more));
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static void static_functions_are_named(void **state)
{
    char text[96];

    verify_symbol((const char *)VERIFY_ADDRESS(expect_only) + 1, text, sizeof(text));
    assert_string_equal(text, "expect_only");
}

static void exported_functions_of_other_objects_are_named(void **state)
{
    char text[96];

    verify_symbol(VERIFY_ADDRESS(_cmocka_run_group_tests), text, sizeof(text));
    assert_string_equal(text, "_cmocka_run_group_tests");
}

static void an_address_in_no_object_is_shown(void **state)
{
    char text[96];

    verify_symbol((const void *)(uintptr_t)0x10, text, sizeof(text));
    assert_string_equal(text, "0x10");
}

static void a_name_is_cut_to_the_room_that_there_is(void **state)
{
    char text[4] = "xxx";

    verify_symbol(VERIFY_ADDRESS(expect_only), text, sizeof(text));
    assert_string_equal(text, "exp");
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static void free_nothing(void)
{
    ExFreePoolWithTag(NULL, 0);
}

static void free_nothing_three_times(void)
{
    for (int i = 0; i < 3; i++) {
        free_nothing();
    }
}

static void the_same_breach_is_counted_until_it_is_read(void **state)
{
    load(*state, free_nothing_three_times);
    expect_only(*state, "wrong_call", 3);
    load(*state, free_nothing);
    expect_only(*state, "wrong_call", 1);
}

static void violations_are_numbered_in_their_order(void **state)
{
    struct nt_violation violation;

    load(*state, free_nothing);
    assert_true(nt_next_violation(*state, &violation));
    assert_int_equal(violation.number, 1);
    load(*state, free_nothing);
    assert_true(nt_next_violation(*state, &violation));
    assert_int_equal(violation.number, 2);
}

static void a_host_that_does_not_watch_has_none(void **state)
{
    struct nt_violation violation;

    assert_false(nt_next_violation(*state, &violation));
}

static void die_of_it(void)
{
    struct nt_host *host;

    nt_host_create(&host);
    load(host, free_nothing);
}

static void an_unwatched_driver_ends_the_process(void **state)
{
    assert_dies(die_of_it, "ExFreePoolWithTag: freeing NULL");
}

static void a_line_has_rule_driver_function_request_and_advice(void **state)
{
    struct nt_violation violation = {.rule = nt_rule(VERIFY_LOCK_HELD),
                                     .identity = {7, 2},
                                     .driver = "naughty",
                                     .function = "Transmit",
                                     .request = "IOCTL_SMARTCARD_TRANSMIT",
                                     .what = "it kept a lock"};
    char text[512];
    const char *line =
        "lock_held_on_return: naughty, Transmit (IOCTL_SMARTCARD_TRANSMIT, request 7 of handle 2): it kept "
        "a lock; give back on every path what you took: spin locks, the cancel spin lock, mutexes";

    assert_int_equal(nt_violation_text(&violation, text, sizeof(text)), strlen(line));
    assert_string_equal(text, line);
}

static void every_rule_has_its_three_texts_and_a_name_of_its_own(void **state)
{
    const struct nt_rule *rule;
    size_t count = 0;

    for (; (rule = nt_rule(count)) != NULL; count++) {
        assert_true(strlen(rule->name) > 0 && strlen(rule->text) > 0 && strlen(rule->advice) > 0);
        for (size_t i = 0; i < count; i++) {
            assert_string_not_equal(rule->name, nt_rule(i)->name);
        }
    }
    assert_int_equal(count, VERIFY_CALL + 1);
}

/* ---- pool -------------------------------------------------------------------------------------------------------- */

#define SIZE 13

static volatile PUCHAR block;

static void write_at(ptrdiff_t offset)
{
    block = ExAllocatePoolWithTag(NonPagedPoolNx, SIZE, 0);
    block[offset] = 0;
    ExFreePoolWithTag(block, 0);
}

static void write_first_and_last(void)
{
    write_at(0);
    write_at(SIZE - 1);
}

static void write_behind(void)
{
    write_at(SIZE);
}

static void write_before(void)
{
    write_at(-1);
}

static void write_far_behind(void)
{
    write_at(SIZE + 31);
}

static void free_behind_and_write(void)
{
    block = ExAllocatePoolWithTag(NonPagedPoolNx, SIZE, 0);
    ExFreePoolWithTag(block, 0);
    block[SIZE - 1] = 0;
}

static void free_and_write_behind(void)
{
    block = ExAllocatePoolWithTag(NonPagedPoolNx, SIZE, 0);
    ExFreePoolWithTag(block, 0);
    block[SIZE] = 0;
}

static void free_twice(void)
{
    write_at(0);
    ExFreePoolWithTag(block, 0);
}

static void leave(void)
{
    block = ExAllocatePoolZero(NonPagedPoolNx, SIZE, 0);
}

static void fill_many(void)
{
    for (int i = 0; i < 1000; i++) {
        write_at(i % SIZE);
    }
}

static void pool_guards_are_next_to_the_bytes(void **state)
{
    struct nt_violation violation;

    load(*state, write_first_and_last);
    load(*state, fill_many);
    assert_false(nt_next_violation(*state, &violation));
    load(*state, write_behind);
    expect_only(*state, "pool_overrun", 1);
    load(*state, write_before);
    expect_only(*state, "pool_overrun", 1);
    load(*state, write_far_behind);
    expect_only(*state, "pool_overrun", 1);
}

static void freed_pool_is_looked_at_when_its_driver_goes(void **state)
{
    load(*state, free_behind_and_write);
    expect_only(*state, "pool_used_after_free", 1);
    load(*state, free_and_write_behind);
    expect_only(*state, "pool_used_after_free", 1);
}

static struct nt_host *watching;
static bool found_meanwhile;

static void free_and_write_and_free_more(void)
{
    struct nt_violation violation;

    free_behind_and_write();
    fill_many();
    found_meanwhile =
        nt_next_violation(watching, &violation) && strcmp(violation.rule->name, "pool_used_after_free") == 0;
}

static void freed_pool_is_looked_at_when_more_is_freed(void **state)
{
    struct nt_violation violation;

    watching = *state;
    load(*state, free_and_write_and_free_more);
    assert_true(found_meanwhile);
    assert_false(nt_next_violation(*state, &violation));
}

static void freeing_twice_is_harmless(void **state)
{
    load(*state, free_twice);
    expect_only(*state, "pool_freed_wrongly", 1);
}

#define RACES 1000

static PUCHAR raced[RACES];
static LONG arrived; /* atomic */

static void free_each(PVOID context)
{
    for (LONG i = 0; i < RACES; i++) {
        InterlockedIncrement(&arrived);
        while (ReadAcquire(&arrived) < 2 * (i + 1)) { /* until the other one is as far */
            sched_yield();
        }
        ExFreePoolWithTag(raced[i], 0);
    }
}

static void free_twice_at_once(void)
{
    HANDLE threads[2];

    arrived = 0;
    for (int i = 0; i < RACES; i++) {
        raced[i] = ExAllocatePoolWithTag(NonPagedPoolNx, SIZE, 0);
    }
    for (int i = 0; i < 2; i++) {
        PsCreateSystemThread(&threads[i], THREAD_ALL_ACCESS, NULL, NULL, NULL, free_each, NULL);
    }
    for (int i = 0; i < 2; i++) {
        KeWaitForSingleObject(threads[i], Executive, KernelMode, FALSE, NULL);
        ZwClose(threads[i]);
    }
}

static void of_two_who_free_at_once_one_is_told(void **state)
{
    struct nt_violation violation, more;

    load(*state, free_twice_at_once);
    assert_true(nt_next_violation(*state, &violation));
    assert_string_equal(violation.rule->name, "pool_freed_wrongly");
    assert_string_equal(violation.function, "free_each");
    assert_int_equal(violation.times, RACES);
    assert_false(nt_next_violation(*state, &more));
}

static void left_pool_is_told_once_for_each_routine(void **state)
{
    load(*state, leave);
    expect_only(*state, "pool_left", 1);
}

static bool aligned_and_zero;

static void look_at_zeros(void)
{
    block = ExAllocatePoolZero(NonPagedPoolNx, SIZE, 0);
    aligned_and_zero = (uintptr_t)block % 16 == 0;
    for (int i = 0; i < SIZE; i++) {
        aligned_and_zero = aligned_and_zero && block[i] == 0;
    }
    ExFreePoolWithTag(block, 0);
}

static void allocations_are_aligned_and_zeroed_where_promised(void **state)
{
    load(*state, look_at_zeros);
    assert_true(aligned_and_zero);
}

/* ---- locks and IRQL ---------------------------------------------------------------------------------------------- */

static KSPIN_LOCK first, second;
static const char *routine;

static void call_at_dispatch(void)
{
    KIRQL irql;

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    verify_called(routine);
    KeLowerIrql(irql);
}

/* From the first row of the table to the last, so that a row out of order would be missed by the search. */
static void each_routine_has_the_limit_of_its_page(void **state)
{
    static const char *const passive[] = {
        "ExAcquireFastMutex",          "ExTryToAcquireFastMutex",
        "IoAttachDeviceToDeviceStack", "IoCreateDevice",
        "IoCreateSymbolicLink",        "IoDeleteDevice",
        "IoDeleteSymbolicLink",        "IoDetachDevice",
        "IoRegisterDeviceInterface",   "IoSetDeviceInterfaceState",
        "KeDelayExecutionThread",      "KeFlushQueuedDpcs",
        "ObReferenceObjectByHandle",   "PsCreateSystemThread",
        "PsTerminateSystemThread",     "RtlFreeUnicodeString",
        "RtlEqualUnicodeString",       "ZwClose",
    };
    static const char *const dispatch[] = {
        "ExAllocatePoolWithTag", "ExFreePoolWithTag", "IoAllocateIrp", "IoFreeIrp",
        "IoQueueWorkItem",       "KeSetEvent",        "KeSetTimerEx",  "KeReleaseMutex"};
    struct nt_violation violation;

    for (size_t i = 0; i < sizeof(passive) / sizeof(passive[0]); i++) {
        routine = passive[i];
        load(*state, call_at_dispatch);
        expect_only(*state, "wrong_irql", 1);
    }
    for (size_t i = 0; i < sizeof(dispatch) / sizeof(dispatch[0]); i++) {
        routine = dispatch[i];
        load(*state, call_at_dispatch);
        assert_false(nt_next_violation(*state, &violation));
    }
}

static void release_in_the_order_of_taking(void)
{
    KIRQL irql;

    KeInitializeSpinLock(&first);
    KeInitializeSpinLock(&second);
    KeAcquireSpinLock(&first, &irql);
    KeAcquireSpinLockAtDpcLevel(&second);
    KeReleaseSpinLockFromDpcLevel(&first);
    KeReleaseSpinLock(&second, irql);
}

static void take_two_and_keep_them(void)
{
    KIRQL irql;

    KeInitializeSpinLock(&first);
    KeInitializeSpinLock(&second);
    KeAcquireSpinLock(&first, &irql);
    KeAcquireSpinLockAtDpcLevel(&second);
}

static void locks_may_be_given_back_in_any_order(void **state)
{
    struct nt_violation violation;

    load(*state, release_in_the_order_of_taking);
    assert_false(nt_next_violation(*state, &violation));
}

static void kept_locks_are_given_back(void **state)
{
    load(*state, take_two_and_keep_them);
    expect_only(*state, "lock_held_on_return", 2);
    assert_int_equal(first, 0);
    assert_int_equal(second, 0);
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

static VOID end_with_a_lock(PVOID context)
{
    KIRQL irql;

    KeInitializeSpinLock(&first);
    KeAcquireSpinLock(&first, &irql);
    KeLowerIrql(irql);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static void run_thread(void)
{
    HANDLE thread;

    PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, end_with_a_lock, NULL);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ZwClose(thread);
}

static void a_thread_that_ends_itself_is_looked_at(void **state)
{
    struct nt_violation violation, more;

    load(*state, run_thread);
    assert_true(nt_next_violation(*state, &violation));
    assert_string_equal(violation.rule->name, "lock_held_on_return");
    assert_string_equal(violation.function, "end_with_a_lock");
    assert_string_equal(violation.request, "");
    assert_false(nt_next_violation(*state, &more));
}

static void take_fast_mutex_twice(void)
{
    FAST_MUTEX mutex;

    ExInitializeFastMutex(&mutex);
    ExAcquireFastMutex(&mutex);
    ExAcquireFastMutex(&mutex);
    ExReleaseFastMutex(&mutex);
}

static void release_mutex_of_nobody(void)
{
    KMUTEX mutex;

    KeInitializeMutex(&mutex, 0);
    KeReleaseMutex(&mutex, FALSE);
}

static void take_mutex_twice_and_give_it_back_twice(void)
{
    KMUTEX mutex;

    KeInitializeMutex(&mutex, 0);
    KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL);
    KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL);
    KeReleaseMutex(&mutex, FALSE);
    KeReleaseMutex(&mutex, FALSE);
}

static void mutexes_belong_to_their_threads(void **state)
{
    struct nt_violation violation;

    load(*state, take_mutex_twice_and_give_it_back_twice);
    assert_false(nt_next_violation(*state, &violation));
    load(*state, take_fast_mutex_twice);
    expect_only(*state, "lock_misused", 1);
    load(*state, release_mutex_of_nobody);
    expect_only(*state, "lock_misused", 1);
}

static void release_remove_lock_too_often(void)
{
    IO_REMOVE_LOCK lock;

    IoInitializeRemoveLock(&lock, 0, 0, 0);
    IoReleaseRemoveLock(&lock, NULL);
    IoReleaseRemoveLock(&lock, NULL);
}

static void release_semaphore_beyond_its_limit(void)
{
    KSEMAPHORE semaphore;

    KeInitializeSemaphore(&semaphore, 1, 1);
    KeReleaseSemaphore(&semaphore, 0, 1, FALSE);
}

static void raise_downwards(void)
{
    KIRQL irql, unused;

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeRaiseIrql(APC_LEVEL, &unused);
    KeLowerIrql(irql);
}

static void what_ended_the_process_becomes_a_report(void **state)
{
    load(*state, release_remove_lock_too_often);
    expect_only(*state, "remove_lock_imbalance", 1);
    load(*state, release_semaphore_beyond_its_limit);
    expect_only(*state, "wrong_call", 1);
    load(*state, raise_downwards);
    expect_only(*state, "wrong_irql", 1);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static PDEVICE_OBJECT lower_device;
static bool seen_copy, cancelled;

static NTSTATUS passed(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    KeSetEvent(context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Down the stack, back again, and then ended here: two completions, as it must be. */
static NTSTATUS pnp(PDEVICE_OBJECT device, PIRP irp)
{
    PDEVICE_OBJECT lower = lower_device;
    bool removal = IoGetCurrentIrpStackLocation(irp)->MinorFunction == IRP_MN_REMOVE_DEVICE;
    KEVENT done;

    KeInitializeEvent(&done, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoSetCompletionRoutine(irp, passed, &done, TRUE, TRUE, TRUE);
    IoCallDriver(lower, irp);
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    if (removal) {
        IoDetachDevice(lower);
        IoDeleteDevice(device);
    }
    return STATUS_SUCCESS;
}

static VOID cancel(PDEVICE_OBJECT device, PIRP irp)
{
    IoReleaseCancelSpinLock(irp->CancelIrql);
    cancelled = true;
    irp->IoStatus.Status = STATUS_CANCELLED;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

/* Kept until it is cancelled, at once when it is already. */
static NTSTATUS control(PDEVICE_OBJECT device, PIRP irp)
{
    PUCHAR buffer = irp->AssociatedIrp.SystemBuffer;

    seen_copy = buffer[0] == 1 && buffer[1] == 2;
    buffer[0] = 3;
    IoMarkIrpPending(irp);
    IoSetCancelRoutine(irp, cancel);
    if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL) {
        irp->IoStatus.Status = STATUS_CANCELLED;
        IoCompleteRequest(irp, IO_NO_INCREMENT);
    }
    return STATUS_PENDING;
}

static NTSTATUS add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical)
{
    PDEVICE_OBJECT device;
    NTSTATUS status = IoCreateDevice(driver, 0, NULL, FILE_DEVICE_SMARTCARD, 0, FALSE, &device);

    if (NT_SUCCESS(status)) {
        lower_device = IoAttachDeviceToDeviceStack(device, physical);
    }
    return status;
}

static NTSTATUS stacked_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    driver->DriverExtension->AddDevice = add_device;
    driver->MajorFunction[IRP_MJ_PNP] = pnp;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = control;
    return STATUS_SUCCESS;
}

static bool came_back;

static NTSTATUS back(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    came_back = irp->PendingReturned;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Send a control code with the bytes 1, 2, which `cancel_first` cancels before it gets there. */
static void ask(PDEVICE_OBJECT top, bool cancel_first)
{
    PIRP irp = IoAllocateIrp(top->StackSize, FALSE);
    PIO_STACK_LOCATION location = IoGetNextIrpStackLocation(irp);
    UCHAR bytes[2] = {1, 2};

    irp->AssociatedIrp.SystemBuffer = bytes;
    location->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    location->Parameters.DeviceIoControl.IoControlCode = 0x310004;
    location->Parameters.DeviceIoControl.InputBufferLength = 2;
    location->Parameters.DeviceIoControl.OutputBufferLength = 2;
    IoSetCompletionRoutine(irp, back, NULL, TRUE, TRUE, TRUE);
    came_back = seen_copy = cancelled = false;
    if (cancel_first) {
        assert_false(IoCancelIrp(irp));
    }
    assert_int_equal(IoCallDriver(top, irp), STATUS_PENDING);
    assert_int_equal(came_back, cancel_first);
    if (!cancel_first) {
        assert_int_equal(bytes[0], top->Reserved->host->verify != NULL ? 1 : 3); /* a watched driver has a copy */
        assert_true(IoCancelIrp(irp));
        assert_true(cancelled);
    }
    assert_true(came_back);
    assert_true(seen_copy);
    assert_int_equal(irp->IoStatus.Status, STATUS_CANCELLED);
    assert_int_equal(bytes[0], 3);
    IoFreeIrp(irp);
}

static void what_is_right_goes_as_ever(void **state)
{
    struct nt_violation violation;
    struct nt_driver *driver;
    PDEVICE_OBJECT top;

    assert_int_equal(nt_driver_load(*state, "stacked", stacked_entry, NULL, &driver, NULL, 0), STATUS_SUCCESS);
    assert_int_equal(nt_device_add(driver, &top), STATUS_SUCCESS);
    ask(top, false);
    ask(top, true);
    nt_device_surprise(top);
    nt_device_settle(top);
    nt_device_remove(top);
    assert_int_equal(nt_driver_unload(driver), STATUS_SUCCESS);
    assert_false(nt_next_violation(*state, &violation));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(static_functions_are_named),
        cmocka_unit_test(exported_functions_of_other_objects_are_named),
        cmocka_unit_test(an_address_in_no_object_is_shown),
        cmocka_unit_test(a_name_is_cut_to_the_room_that_there_is),
        watched(the_same_breach_is_counted_until_it_is_read),
        watched(violations_are_numbered_in_their_order),
        with_host(a_host_that_does_not_watch_has_none),
        cmocka_unit_test(an_unwatched_driver_ends_the_process),
        cmocka_unit_test(a_line_has_rule_driver_function_request_and_advice),
        cmocka_unit_test(every_rule_has_its_three_texts_and_a_name_of_its_own),
        watched(pool_guards_are_next_to_the_bytes),
        watched(freed_pool_is_looked_at_when_its_driver_goes),
        watched(freed_pool_is_looked_at_when_more_is_freed),
        watched(freeing_twice_is_harmless),
        watched(of_two_who_free_at_once_one_is_told),
        watched(left_pool_is_told_once_for_each_routine),
        watched(allocations_are_aligned_and_zeroed_where_promised),
        watched(each_routine_has_the_limit_of_its_page),
        watched(locks_may_be_given_back_in_any_order),
        watched(kept_locks_are_given_back),
        watched(a_thread_that_ends_itself_is_looked_at),
        watched(mutexes_belong_to_their_threads),
        watched(what_ended_the_process_becomes_a_report),
        watched(what_is_right_goes_as_ever),
        with_host(what_is_right_goes_as_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
