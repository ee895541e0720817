/* SPDX-License-Identifier: MIT */
/* Requests that a watched driver never ends: the verifier ends them, once, and what the driver does later does no harm. */
#include "nt_helper.h"

#include "../../src/nt/verify/verify.h"

static PDEVICE_OBJECT lower_device, own_device;
static PIRP kept;

static NTSTATUS control(PDEVICE_OBJECT device, PIRP irp)
{
    IoMarkIrpPending(irp);
    kept = irp;
    return STATUS_PENDING;
}

static NTSTATUS pnp(PDEVICE_OBJECT device, PIRP irp)
{
    bool removal = IoGetCurrentIrpStackLocation(irp)->MinorFunction == IRP_MN_REMOVE_DEVICE;
    NTSTATUS status;

    IoSkipCurrentIrpStackLocation(irp);
    status = IoCallDriver(lower_device, irp);
    if (removal) {
        IoDetachDevice(lower_device);
        IoDeleteDevice(device);
    }
    return status;
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

static NTSTATUS keeping_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    driver->DriverExtension->AddDevice = add_device;
    driver->MajorFunction[IRP_MJ_PNP] = pnp;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = control;
    return STATUS_SUCCESS;
}

static VOID delete_own(PDRIVER_OBJECT driver)
{
    IoDeleteDevice(own_device);
}

/* Its device is there from the beginning, and nobody removes it. */
static NTSTATUS old_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    driver->DriverUnload = delete_own;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = control;
    return IoCreateDevice(driver, 0, NULL, FILE_DEVICE_SMARTCARD, 0, FALSE, &own_device);
}

/* ---- who sends it ------------------------------------------------------------------------------------------------ */

static int ends, stores, steps;
static volatile ULONG cell;

static NTSTATUS ended(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    ends++;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static BOOLEAN store(void *context, volatile ULONG *where)
{
    stores++;
    return FALSE;
}

static void step(void *context, enum host_layer layer, const char *words)
{
    steps++;
}

static const struct nt_observer observer = {.records_last_error = store, .step = step};

static PIRP send(PDEVICE_OBJECT top)
{
    PIRP irp = IoAllocateIrp(top->StackSize, FALSE);
    PIO_STACK_LOCATION location = IoGetNextIrpStackLocation(irp);

    ends = stores = steps = 0;
    location->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    location->Parameters.DeviceIoControl.IoControlCode = 0x310004;
    IoSetCompletionRoutine(irp, ended, NULL, TRUE, TRUE, TRUE);
    nt_observe(irp, &observer, NULL);
    assert_int_equal(IoCallDriver(top, irp), STATUS_PENDING);
    assert_int_equal(ends, 0);
    return irp;
}

static void expect_never_completed(struct nt_host *host, const char *function)
{
    struct nt_violation violation, more;

    assert_true(nt_next_violation(host, &violation));
    assert_string_equal(violation.rule->name, "never_completed");
    assert_string_equal(violation.function, function);
    assert_int_equal(violation.code, 0x310004);
    assert_false(nt_next_violation(host, &more));
}

static int watched_up(void **state)
{
    host_up(state);
    nt_host_simulate(*state);
    assert_true(nt_host_verify(*state, NULL));
    return 0;
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

static void what_is_kept_over_a_removal_ends_once(void **state)
{
    struct nt_violation violation;
    struct nt_driver *driver;
    PDEVICE_OBJECT top;
    PIRP irp;

    assert_int_equal(nt_driver_load(*state, "keeping", keeping_entry, NULL, &driver, NULL, 0), STATUS_SUCCESS);
    assert_int_equal(nt_device_add(driver, &top), STATUS_SUCCESS);
    irp = send(top);
    (void)IoCancelIrp(irp); /* the driver has no cancel routine */
    assert_int_equal(ends, 0);
    nt_device_surprise(top);
    nt_device_settle(top);
    assert_int_equal(ends, 1);
    assert_int_equal(irp->IoStatus.Status, STATUS_DEVICE_REMOVED);
    expect_never_completed(*state, "control");
    IoFreeIrp(irp);

    /* Who sent it is gone; the driver does not know. */
    assert_true(host_records_last_error(kept, &cell));
    host_step(kept, HOST_LAYER_DRIVER, "late");
    assert_int_equal(stores, 0);
    assert_int_equal(steps, 0);
    kept->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(kept, IO_NO_INCREMENT);
    assert_int_equal(ends, 1);

    nt_device_remove(top);
    assert_int_equal(nt_driver_unload(driver), STATUS_SUCCESS);
    assert_false(nt_next_violation(*state, &violation));
}

static void what_is_kept_when_its_driver_is_unloaded_ends(void **state)
{
    struct nt_driver *driver;
    PIRP irp;

    assert_int_equal(nt_driver_load(*state, "old", old_entry, NULL, &driver, NULL, 0), STATUS_SUCCESS);
    irp = send(own_device);
    assert_int_equal(nt_driver_unload(driver), STATUS_SUCCESS);
    assert_int_equal(ends, 1);
    assert_int_equal(irp->IoStatus.Status, STATUS_DEVICE_REMOVED);
    expect_never_completed(*state, "control");
    IoFreeIrp(irp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_kept_over_a_removal_ends_once, watched_up, host_down),
        cmocka_unit_test_setup_teardown(what_is_kept_when_its_driver_is_unloaded_ends, watched_up, host_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
