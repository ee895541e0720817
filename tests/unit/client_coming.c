/* SPDX-License-Identifier: MIT */
/* Devices on their way in and out are found by nobody: one that has not started yet, one whose driver is unloaded. */
#include "client_toy.h"

static bool start_fails;
static _Atomic bool starting, go_on, over;

static NTSTATUS slow_pnp(PDEVICE_OBJECT device, PIRP irp)
{
    if (IoGetCurrentIrpStackLocation(irp)->MinorFunction == IRP_MN_START_DEVICE) {
        starting = true;
        while (!go_on)
            sleep_ms(1);
        if (start_fails) {
            irp->IoStatus.Status = STATUS_UNSUCCESSFUL;
            IoCompleteRequest(irp, IO_NO_INCREMENT);
            return STATUS_UNSUCCESSFUL;
        }
    }
    return toy_pnp(device, irp);
}

static NTSTATUS slow_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NTSTATUS status = toy_entry(driver, path);

    driver->MajorFunction[IRP_MJ_PNP] = slow_pnp;
    return status;
}

static void *add_one(void *argument)
{
    static NTSTATUS status;
    char name[SMARTCRD_NAME_MAX];

    status = smartcrd_add_reader(argument, "toy", name, sizeof(name));
    return &status;
}

static void a_device_that_starts_is_not_there_yet(void **state)
{
    struct smartcrd *context;
    struct smartcrd_handle *handle;
    pthread_t thread;
    void *added;

    (void)state;
    for (int round = 0; round < 2; round++) {
        toy_count = 0;
        start_fails = round == 1;
        starting = go_on = false;
        assert_int_equal(smartcrd_create(NULL, &context), STATUS_SUCCESS);
        assert_int_equal(smartcrd_add_driver(context, "toy", slow_entry), STATUS_SUCCESS);
        assert_int_equal(pthread_create(&thread, NULL, add_one, context), 0);
        while (!starting)
            sleep_ms(1);
        NTSTATUS opened = smartcrd_open(context, "SCReader0", &handle);
        NTSTATUS removed = smartcrd_remove_reader(context, "SCReader0");
        size_t listed = smartcrd_list(context, NULL, 0);
        go_on = true;
        pthread_join(thread, &added);
        assert_int_equal(opened, STATUS_OBJECT_NAME_NOT_FOUND);
        assert_int_equal(removed, STATUS_OBJECT_NAME_NOT_FOUND);
        assert_int_equal(listed, 0);
        assert_int_equal(*(NTSTATUS *)added, start_fails ? STATUS_UNSUCCESSFUL : STATUS_SUCCESS);
        assert_int_equal(smartcrd_list(context, NULL, 0), start_fails ? 0 : 1);
        smartcrd_destroy(context);
    }
}

/* ---- a driver that makes its device when it is loaded -------------------------------------------------------------- */

static UNICODE_STRING link_name;

static NTSTATUS agree(PDEVICE_OBJECT device, PIRP irp)
{
    (void)device;
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID legacy_unload(PDRIVER_OBJECT driver)
{
    IoDeleteSymbolicLink(&link_name);
    IoDeleteDevice(driver->DeviceObject);
}

static NTSTATUS legacy_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNICODE_STRING name;
    PDEVICE_OBJECT device;
    NTSTATUS status;

    (void)path;
    RtlInitUnicodeString(&link_name, L"\\DosDevices\\SCReader0");
    RtlInitUnicodeString(&name, L"\\Device\\legacy0");
    status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_SMARTCARD, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    for (int i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        driver->MajorFunction[i] = agree;
    driver->DriverUnload = legacy_unload;
    return IoCreateSymbolicLink(&link_name, &name);
}

static void *open_again_and_again(void *context)
{
    while (!over) {
        struct smartcrd_handle *handle = NULL;
        smartcrd_open(context, "SCReader0", &handle);
        smartcrd_close(handle);
    }
    return NULL;
}

static void *remove_again_and_again(void *context)
{
    while (!over)
        smartcrd_remove_reader(context, "SCReader0");
    return NULL;
}

/* For the sanitizers: what was looked up is there until it has been used. */
static void an_unloaded_driver_takes_nothing_from_others_hands(void **state)
{
    struct smartcrd *context;
    pthread_t opener, remover;
    int unloads = 0;

    (void)state;
    over = false;
    assert_int_equal(smartcrd_create(NULL, &context), STATUS_SUCCESS);
    pthread_create(&opener, NULL, open_again_and_again, context);
    pthread_create(&remover, NULL, remove_again_and_again, context);
    for (uint64_t end = nt_now() + 20000000000u; unloads < 300 && nt_now() < end;) {
        assert_int_equal(smartcrd_add_driver(context, "legacy", legacy_entry), STATUS_SUCCESS);
        if (smartcrd_unload_driver(context, "legacy") == STATUS_SUCCESS)
            unloads++;
    }
    over = true;
    pthread_join(opener, NULL);
    pthread_join(remover, NULL);
    smartcrd_destroy(context);
    assert_true(unloads > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_that_starts_is_not_there_yet),
        cmocka_unit_test(an_unloaded_driver_takes_nothing_from_others_hands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
