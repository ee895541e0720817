/* SPDX-License-Identifier: MIT */
/*
 * Drivers, device objects, names, interfaces, and devices that come and go.
 */
#include "nt_helper.h"

#include <wchar.h>

static const GUID reader_class = {0x50DD5230, 0xBA8A, 0x11D1, {0xBF, 0x5D, 0x00, 0x00, 0xF8, 0x05, 0xF5, 0x30}};

static UNICODE_STRING wide(PCWSTR text)
{
    UNICODE_STRING string;

    RtlInitUnicodeString(&string, text);
    return string;
}

static NTSTATUS make_link(PCWSTR link, PCWSTR target)
{
    UNICODE_STRING l = wide(link), t = wide(target);

    return IoCreateSymbolicLink(&l, &t);
}

static NTSTATUS delete_link(PCWSTR link)
{
    UNICODE_STRING l = wide(link);

    return IoDeleteSymbolicLink(&l);
}

static NTSTATUS make_device(PDRIVER_OBJECT driver, PCWSTR name, PDEVICE_OBJECT *device)
{
    UNICODE_STRING n = wide(name);

    return IoCreateDevice(driver, 0, name != NULL ? &n : NULL, FILE_DEVICE_SMARTCARD, 0, FALSE, device);
}

static PDRIVER_OBJECT plain;
static int unloads;

static VOID plain_unload(PDRIVER_OBJECT driver)
{
    unloads++;
}

static NTSTATUS plain_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    plain = driver;
    driver->DriverUnload = plain_unload;
    return STATUS_SUCCESS;
}

static struct nt_driver *load_plain(struct nt_host *host)
{
    struct nt_driver *driver;

    unloads = 0;
    assert_int_equal(nt_driver_load(host, "plain", plain_entry, NULL, &driver, NULL, 0), STATUS_SUCCESS);
    return driver;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static void device_names_are_unique_whatever_their_case(void **state)
{
    PDEVICE_OBJECT a, b;

    load_plain(*state);
    assert_int_equal(make_device(plain, L"\\Device\\Reader", &a), STATUS_SUCCESS);
    assert_int_equal(make_device(plain, L"\\DEVICE\\reader", &b), STATUS_OBJECT_NAME_COLLISION);
    assert_null(b);
    IoDeleteDevice(a);
    assert_int_equal(make_device(plain, L"\\DEVICE\\reader", &b), STATUS_SUCCESS);
}

static void bad_names_are_refused(void **state)
{
    static const PCWSTR bad[] = {L"", L"\\", L"Device\\x", L"\\Device\\", L"\\Device\\\\x"};
    WCHAR lone[] = L"\\Device\\x";
    UNICODE_STRING odd = {5, sizeof(lone), lone}, hollow = {sizeof(WCHAR) * 9, sizeof(lone), lone};
    WCHAR too_long[300];
    PDEVICE_OBJECT device;

    load_plain(*state);
    for (size_t i = 0; i < ARRAYSIZE(bad); i++) {
        assert_int_equal(make_device(plain, bad[i], &device), STATUS_OBJECT_NAME_INVALID);
    }
    for (size_t i = 0; i < ARRAYSIZE(too_long); i++) {
        too_long[i] = i == 0 ? L'\\' : i + 1 < ARRAYSIZE(too_long) ? L'x' : UNICODE_NULL;
    }
    assert_int_equal(make_device(plain, too_long, &device), STATUS_OBJECT_NAME_INVALID);
    assert_int_equal(IoCreateDevice(plain, 0, &odd, 0, 0, FALSE, &device), STATUS_OBJECT_NAME_INVALID);
    lone[4] = UNICODE_NULL;
    assert_int_equal(IoCreateDevice(plain, 0, &hollow, 0, 0, FALSE, &device), STATUS_OBJECT_NAME_INVALID);
    lone[4] = 0x110000;
    assert_int_equal(IoCreateDevice(plain, 0, &hollow, 0, 0, FALSE, &device), STATUS_OBJECT_NAME_INVALID);
}

static void device_is_found_by_its_link(void **state)
{
    PDEVICE_OBJECT device;

    load_plain(*state);
    make_device(plain, L"\\Device\\a", &device);
    assert_null(nt_find(*state, "SCReader0"));
    assert_int_equal(make_link(L"\\DosDevices\\SCReader0", L"\\Device\\a"), STATUS_SUCCESS);
    assert_int_equal(make_link(L"\\??\\SCREADER0", L"\\Device\\a"), STATUS_OBJECT_NAME_COLLISION);
    assert_ptr_equal(nt_find(*state, "SCReader0"), device);
    assert_ptr_equal(nt_find(*state, "screader0"), device);
    assert_ptr_equal(nt_find(*state, "\\\\.\\SCReader0"), device);
    assert_null(nt_find(*state, "a"));
    assert_null(nt_find(*state, ""));
    assert_int_equal(delete_link(L"\\DosDevices\\SCReader0"), STATUS_SUCCESS);
    assert_int_equal(delete_link(L"\\DosDevices\\SCReader0"), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_null(nt_find(*state, "SCReader0"));
}

static void link_may_come_before_its_device_and_stay_after_it(void **state)
{
    PDEVICE_OBJECT device;

    load_plain(*state);
    assert_int_equal(make_link(L"\\DosDevices\\Early", L"\\Device\\a"), STATUS_SUCCESS);
    assert_null(nt_find(*state, "Early"));
    make_device(plain, L"\\Device\\a", &device);
    assert_ptr_equal(nt_find(*state, "Early"), device);
    IoDeleteDevice(device);
    assert_null(nt_find(*state, "Early"));
    make_device(plain, L"\\Device\\a", &device);
    assert_ptr_equal(nt_find(*state, "Early"), device);
}

static void links_in_a_circle_lead_nowhere(void **state)
{
    load_plain(*state);
    assert_int_equal(make_link(L"\\??\\a", L"\\??\\b"), STATUS_SUCCESS);
    assert_int_equal(make_link(L"\\??\\b", L"\\??\\a"), STATUS_SUCCESS);
    assert_null(nt_find(*state, "a"));
}

static void device_has_the_name_of_its_oldest_link(void **state)
{
    PDEVICE_OBJECT device, unnamed;
    char name[32];

    load_plain(*state);
    assert_int_equal(make_link(L"\\DosDevices\\Far", L"\\??\\Near"),
                     STATUS_SUCCESS); /* the oldest, once it leads there */
    make_device(plain, L"\\Device\\a", &device);
    make_device(plain, NULL, &unnamed);
    assert_int_equal(nt_device_name(device, name, sizeof(name)), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(make_link(L"\\Elsewhere\\a", L"\\DEVICE\\A"), STATUS_SUCCESS); /* not in \DosDevices */
    assert_int_equal(nt_device_name(device, name, sizeof(name)), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(make_link(L"\\DosDevices\\Near", L"\\elsewhere\\A"), STATUS_SUCCESS);
    assert_int_equal(nt_device_name(device, name, sizeof(name)), STATUS_SUCCESS);
    assert_string_equal(name, "Far");
    assert_ptr_equal(nt_find(*state, "far"), device);
    assert_int_equal(make_link(L"\\DosDevices\\Third", L"\\Device\\a"), STATUS_SUCCESS);
    /* What leads there through a link that goes leads there no more. */
    assert_int_equal(delete_link(L"\\DosDevices\\Near"), STATUS_SUCCESS);
    assert_int_equal(nt_device_name(device, name, sizeof(name)), STATUS_SUCCESS);
    assert_string_equal(name, "Third");
    assert_null(nt_find(*state, "far"));
    assert_int_equal(nt_device_name(device, name, 6), STATUS_SUCCESS);
    name[0] = '?';
    assert_int_equal(nt_device_name(device, name, 5), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(name[0], '?');
    assert_int_equal(nt_device_name(unnamed, name, sizeof(name)), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(delete_link(L"\\DosDevices\\Third"), STATUS_SUCCESS);
    assert_int_equal(nt_device_name(device, name, sizeof(name)), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void device_of_a_longer_link_is_found_by_its_last_component(void **state)
{
    PDEVICE_OBJECT device;
    char name[32];

    load_plain(*state);
    make_device(plain, L"\\Device\\a", &device);
    assert_int_equal(make_link(L"\\DosDevices\\Global\\SCReader4", L"\\Device\\a"), STATUS_SUCCESS);
    assert_int_equal(nt_device_name(device, name, sizeof(name)), STATUS_SUCCESS);
    assert_string_equal(name, "SCReader4");
    assert_ptr_equal(nt_find(*state, "SCReader4"), device);
}

static void drivers_list_stays_right_whichever_device_goes(void **state)
{
    PDEVICE_OBJECT d[5];

    load_plain(*state);
    for (size_t i = 0; i < 5; i++) {
        make_device(plain, NULL, &d[i]);
    }
    IoDeleteDevice(d[2]); /* the newest is the first: 4 3 1 0 */
    assert_ptr_equal(plain->DeviceObject, d[4]);
    assert_ptr_equal(d[4]->NextDevice, d[3]);
    assert_ptr_equal(d[3]->NextDevice, d[1]);
    assert_ptr_equal(d[1]->NextDevice, d[0]);
    assert_null(d[0]->NextDevice);
    IoDeleteDevice(d[4]);
    IoDeleteDevice(d[0]);
    assert_ptr_equal(plain->DeviceObject, d[3]);
    assert_ptr_equal(d[3]->NextDevice, d[1]);
    assert_null(d[1]->NextDevice);
    make_device(plain, NULL, &d[0]);
    IoDeleteDevice(d[3]);
    assert_ptr_equal(plain->DeviceObject, d[0]);
    assert_ptr_equal(d[0]->NextDevice, d[1]);
    IoDeleteDevice(d[1]);
    IoDeleteDevice(d[0]);
    assert_null(plain->DeviceObject);
}

struct listed {
    char text[512];
    int left; /* visits after which to stop */
};

static BOOLEAN list(void *context, const char *name, PDEVICE_OBJECT top, BOOLEAN is_reader)
{
    struct listed *listed = context;
    size_t length = strlen(listed->text);

    snprintf(listed->text + length, sizeof(listed->text) - length, "%s%s ", name, is_reader ? "!" : "");
    return --listed->left > 0;
}

static const char *names_of(struct nt_host *host, int most)
{
    static struct listed listed;

    listed.text[0] = '\0';
    listed.left = most;
    nt_walk(host, list, &listed);
    return listed.text;
}

static void walk_lists_linked_devices_in_order_of_creation(void **state)
{
    PDEVICE_OBJECT a, b, c, d;

    load_plain(*state);
    make_device(plain, L"\\Device\\a", &a);
    make_device(plain, L"\\Device\\b", &b);
    make_device(plain, L"\\Device\\c", &c); /* has no link */
    make_device(plain, NULL, &d);
    make_link(L"\\DosDevices\\panel", L"\\Device\\b");
    make_link(L"\\DosDevices\\SCReader7", L"\\Device\\a");
    make_link(L"\\DosDevices\\second", L"\\Device\\a");
    assert_string_equal(names_of(*state, 100), "SCReader7! panel ");
    assert_string_equal(names_of(*state, 1), "SCReader7! ");
    delete_link(L"\\DosDevices\\SCReader7");
    assert_string_equal(names_of(*state, 100), "second panel ");
    assert_int_equal(make_link(L"\\DosDevices\\SCReaderX", L"\\Device\\c"), STATUS_SUCCESS);
    assert_string_equal(names_of(*state, 100), "second panel SCReaderX ");
}

static void ten_thousand_devices_are_found_by_name(void **state)
{
    PDEVICE_OBJECT device;
    char name[32];
    WCHAR path[40], link[40];

    load_plain(*state);
    for (int i = 0; i < 10000; i++) {
        swprintf(path, ARRAYSIZE(path), L"\\Device\\r%d", i);
        swprintf(link, ARRAYSIZE(link), L"\\DosDevices\\r%d", i);
        assert_int_equal(make_device(plain, path, &device), STATUS_SUCCESS);
        assert_int_equal(make_link(link, path), STATUS_SUCCESS);
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "R%d", i);
        assert_non_null(nt_find(*state, name));
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "R%d", i);
        swprintf(link, ARRAYSIZE(link), L"\\DosDevices\\r%d", i);
        device = nt_find(*state, name);
        assert_int_equal(delete_link(link), STATUS_SUCCESS);
        IoDeleteDevice(device);
    }
    assert_null(plain->DeviceObject);
}

/* ---- drivers ----------------------------------------------------------------------------------------------------- */

static void driver_is_loaded_once(void **state)
{
    struct nt_driver *driver = load_plain(*state), *again;
    char error[200];

    assert_int_equal(nt_driver_load(*state, "plain", plain_entry, NULL, &again, error, sizeof(error)),
                     STATUS_OBJECT_NAME_COLLISION);
    assert_null(again);
    assert_string_equal(error, "there is a driver named plain already");
    assert_int_equal(nt_driver_unload(driver), STATUS_SUCCESS);
    assert_int_equal(unloads, 1);
    load_plain(*state);
}

static void driver_is_unloaded_when_nobody_holds_its_devices(void **state)
{
    struct nt_driver *driver = load_plain(*state);
    PDEVICE_OBJECT device, kept;

    make_device(plain, L"\\Device\\kept", &kept);
    make_device(plain, NULL, &device);
    ObReferenceObject(device);
    assert_int_equal(nt_driver_unload(driver), STATUS_DEVICE_BUSY);
    IoDeleteDevice(device);
    assert_int_equal(nt_driver_unload(driver), STATUS_DEVICE_BUSY); /* deleted, but somebody still holds it */
    ObDereferenceObject(device);
    plain->DriverUnload = NULL;
    assert_int_equal(nt_driver_unload(driver), STATUS_DEVICE_BUSY); /* it cannot take back what DriverEntry made */
    assert_int_equal(unloads, 0);
    plain->DriverUnload = plain_unload;
    assert_int_equal(nt_driver_unload(driver), STATUS_SUCCESS);
    assert_int_equal(unloads, 1);
    load_plain(*state);
    assert_int_equal(make_device(plain, L"\\Device\\kept", &kept), STATUS_SUCCESS); /* its name is free again */
}

static NTSTATUS failing_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    PDEVICE_OBJECT device;

    make_device(driver, L"\\Device\\left", &device);
    return STATUS_NO_SUCH_DEVICE;
}

static void driver_that_fails_to_start_leaves_nothing(void **state)
{
    struct nt_driver *driver;
    PDEVICE_OBJECT device;
    char error[200];

    assert_int_equal(nt_driver_load(*state, "bad", failing_entry, NULL, &driver, error, sizeof(error)),
                     STATUS_NO_SUCH_DEVICE);
    assert_null(driver);
    assert_string_equal(error, "the driver bad refused to start: its DriverEntry returned 0xC000000E");
    load_plain(*state);
    assert_int_equal(make_device(plain, L"\\Device\\left", &device), STATUS_SUCCESS);
}

static void driver_names_are_checked(void **state)
{
    struct nt_driver *driver;

    assert_int_equal(nt_driver_load(*state, "", plain_entry, NULL, &driver, NULL, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(nt_driver_load(*state, "a/b", plain_entry, NULL, &driver, NULL, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(nt_driver_load(*state, "12345678901234567890123456789012", plain_entry, NULL, &driver, NULL, 0),
                     STATUS_INVALID_PARAMETER);
}

/* The driver drivers/testdriver.c: named by NT_TESTDRIVER, else where the build puts it, seen from this program. */
static const char *testdriver(void)
{
    static char path[4096];
    const char *given = getenv("NT_TESTDRIVER");
    ssize_t length;

    if (given != NULL) {
        return given;
    }
    length = readlink("/proc/self/exe", path, sizeof(path) - 64);
    assert_true(length > 0);
    path[length] = '\0';
    strcpy(strrchr(path, '/'), "/testdriver.so");
    return path;
}

static void driver_is_loaded_from_a_shared_object(void **state)
{
    struct nt_driver *driver;
    char error[300];

    assert_int_equal(nt_driver_load(*state, "sample", NULL, testdriver(), &driver, error, sizeof(error)),
                     STATUS_SUCCESS);
    assert_int_equal(nt_device_add(driver, &(PDEVICE_OBJECT){NULL}), STATUS_NOT_SUPPORTED);
    assert_int_equal(nt_driver_unload(driver), STATUS_SUCCESS);
    assert_int_equal(nt_driver_load(*state, "other", NULL, testdriver(), &driver, error, sizeof(error)),
                     STATUS_DEVICE_NOT_CONNECTED);
}

static void what_is_no_driver_is_refused_with_a_reason(void **state)
{
    struct nt_driver *driver;
    char error[300];

    assert_int_equal(nt_driver_load(*state, "none", NULL, "/nonexistent/x.so", &driver, error, sizeof(error)),
                     STATUS_OBJECT_NAME_NOT_FOUND);
    assert_non_null(strstr(error, "/nonexistent/x.so"));
    assert_int_equal(nt_driver_load(*state, "libc", NULL, "libc.so.6", &driver, error, sizeof(error)),
                     STATUS_PROCEDURE_NOT_FOUND);
    assert_non_null(strstr(error, "DriverEntry"));
}

/* ---- Plug and Play ------------------------------------------------------------------------------------------------- */

struct reader {
    PDEVICE_OBJECT self, below;
    UNICODE_STRING interface;
};

static char pnp_trace[64];
static NTSTATUS start_with, add_with;

static NTSTATUS reader_pnp(PDEVICE_OBJECT device, PIRP irp)
{
    struct reader *reader = device->DeviceExtension;
    PDEVICE_OBJECT below = reader->below;
    UCHAR minor = IoGetCurrentIrpStackLocation(irp)->MinorFunction;
    NTSTATUS status;
    size_t length = strlen(pnp_trace);

    snprintf(pnp_trace + length, sizeof(pnp_trace) - length, "%02X ", minor);
    if (minor == IRP_MN_START_DEVICE) {
        irp->IoStatus.Status = start_with;
        if (!NT_SUCCESS(start_with)) {
            IoCompleteRequest(irp, IO_NO_INCREMENT);
            return start_with;
        }
        assert_int_equal(IoSetDeviceInterfaceState(&reader->interface, TRUE), STATUS_SUCCESS);
    }
    if (minor == IRP_MN_REMOVE_DEVICE) {
        IoSetDeviceInterfaceState(&reader->interface, FALSE);
        RtlFreeUnicodeString(&reader->interface);
    }
    IoSkipCurrentIrpStackLocation(irp);
    status = IoCallDriver(below, irp);
    if (minor == IRP_MN_REMOVE_DEVICE) {
        IoDetachDevice(below);
        IoDeleteDevice(device);
    }
    return status;
}

static NTSTATUS reader_add(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical)
{
    struct reader *reader;
    PDEVICE_OBJECT device;

    if (!NT_SUCCESS(add_with)) {
        return add_with;
    }
    assert_int_equal(IoCreateDevice(driver, sizeof(*reader), NULL, FILE_DEVICE_SMARTCARD, 0, FALSE, &device),
                     STATUS_SUCCESS);
    reader = device->DeviceExtension;
    reader->self = device;
    reader->below = IoAttachDeviceToDeviceStack(device, physical);
    assert_ptr_equal(reader->below, physical);
    assert_int_equal(IoRegisterDeviceInterface(physical, &reader_class, NULL, &reader->interface), STATUS_SUCCESS);
    assert_int_equal(IoRegisterDeviceInterface(device, &reader_class, NULL, &(UNICODE_STRING){0}),
                     STATUS_INVALID_DEVICE_REQUEST);
    return STATUS_SUCCESS;
}

static NTSTATUS reader_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    driver->DriverExtension->AddDevice = reader_add;
    driver->MajorFunction[IRP_MJ_PNP] = reader_pnp;
    return STATUS_SUCCESS;
}

static struct nt_driver *load_reader(struct nt_host *host)
{
    struct nt_driver *driver;

    pnp_trace[0] = '\0';
    start_with = add_with = STATUS_SUCCESS;
    assert_int_equal(nt_driver_load(host, "reader", reader_entry, NULL, &driver, NULL, 0), STATUS_SUCCESS);
    return driver;
}

static void device_is_added_started_listed_and_removed(void **state)
{
    struct nt_driver *driver = load_reader(*state);
    PDEVICE_OBJECT first, second;

    assert_int_equal(nt_device_add(driver, &first), STATUS_SUCCESS);
    assert_int_equal(nt_device_add(driver, &second), STATUS_SUCCESS);
    assert_int_equal(first->StackSize, 2);
    assert_string_equal(pnp_trace, "00 00 ");
    assert_string_equal(names_of(*state, 100), "reader0! reader1! "); /* no links: the driver's name and a number */
    assert_ptr_equal(nt_find(*state, "Reader1"), second);
    assert_int_equal(nt_driver_unload(driver), STATUS_DEVICE_BUSY);
    nt_device_surprise(first);
    nt_device_remove(first);
    assert_string_equal(pnp_trace, "00 00 17 02 ");
    assert_string_equal(names_of(*state, 100), "reader1! ");
    nt_device_remove(second);
    assert_string_equal(names_of(*state, 100), "");
    assert_int_equal(nt_driver_unload(driver), STATUS_SUCCESS);
}

static void number_tells_devices_without_links_apart(void **state)
{
    struct nt_driver *one, *two;
    PDEVICE_OBJECT tops[13], other;
    char name[32];

    one = load_reader(*state);
    assert_int_equal(nt_driver_load(*state, "reader1", reader_entry, NULL, &two, NULL, 0), STATUS_SUCCESS);
    for (size_t i = 0; i < ARRAYSIZE(tops); i++) {
        assert_int_equal(nt_device_add(one, &tops[i]), STATUS_SUCCESS);
    }
    assert_int_equal(nt_device_add(two, &other), STATUS_SUCCESS);
    for (size_t i = 0; i < ARRAYSIZE(tops); i++) {
        snprintf(name, sizeof(name), "READER%zu", i);
        if (i != 10) { /* both drivers have a "reader10" */
            assert_ptr_equal(nt_find(*state, name), tops[i]);
        }
    }
    assert_int_equal(nt_device_name(other, name, sizeof(name)), STATUS_SUCCESS);
    assert_string_equal(name, "reader10");
    nt_device_remove(tops[10]);
    assert_ptr_equal(nt_find(*state, "reader10"), other);
    nt_device_remove(other);
    assert_null(nt_find(*state, "reader10"));
    assert_null(nt_find(*state, "reader013"));
    assert_null(nt_find(*state, "reader01"));
    assert_null(nt_find(*state, "reader4294967297"));
    assert_null(nt_find(*state, "reader99999999999999999999"));
    assert_null(nt_find(*state, "1"));
    for (size_t i = 0; i < ARRAYSIZE(tops); i++) {
        if (i != 10) {
            nt_device_remove(tops[i]);
        }
    }
}

static void device_that_does_not_start_is_taken_down(void **state)
{
    struct nt_driver *driver = load_reader(*state);
    PDEVICE_OBJECT top;

    start_with = STATUS_DEVICE_POWER_FAILURE;
    assert_int_equal(nt_device_add(driver, &top), STATUS_DEVICE_POWER_FAILURE);
    assert_null(top);
    assert_string_equal(pnp_trace, "00 02 ");
    add_with = STATUS_NO_MEMORY;
    assert_int_equal(nt_device_add(driver, &top), STATUS_NO_MEMORY);
    assert_string_equal(pnp_trace, "00 02 ");
    assert_int_equal(nt_driver_unload(driver), STATUS_SUCCESS);
}

static void device_of_driver_entry_hears_nothing_of_plug_and_play(void **state)
{
    PDEVICE_OBJECT device;

    load_plain(*state);
    make_device(plain, L"\\Device\\a", &device);
    nt_device_surprise(device);
    nt_device_remove(device);
    assert_ptr_equal(plain->DeviceObject, device);
}

static void hosts_share_no_names(void **state)
{
    struct nt_driver *driver = load_reader(*state), *other_driver;
    struct nt_host *other;
    PDEVICE_OBJECT here, there;

    assert_int_equal(nt_host_create(&other), STATUS_SUCCESS);
    assert_int_equal(nt_driver_load(other, "reader", reader_entry, NULL, &other_driver, NULL, 0), STATUS_SUCCESS);
    assert_int_equal(nt_device_add(driver, &here), STATUS_SUCCESS);
    assert_int_equal(nt_device_add(other_driver, &there), STATUS_SUCCESS);
    assert_ptr_equal(nt_find(*state, "reader0"), here);
    assert_ptr_equal(nt_find(other, "reader0"), there);
    nt_device_remove(there);
    nt_host_destroy(other);
    nt_device_remove(here);
}

static void delete_twice(void)
{
    PDEVICE_OBJECT device;

    make_device(plain, NULL, &device);
    ObReferenceObject(device);
    IoDeleteDevice(device);
    IoDeleteDevice(device);
}

static void deleting_twice_ends_the_process(void **state)
{
    load_plain(*state);
    assert_dies(delete_twice, "smartcrd: IoDeleteDevice: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_host(device_names_are_unique_whatever_their_case),
        with_host(bad_names_are_refused),
        with_host(device_is_found_by_its_link),
        with_host(link_may_come_before_its_device_and_stay_after_it),
        with_host(links_in_a_circle_lead_nowhere),
        with_host(device_has_the_name_of_its_oldest_link),
        with_host(device_of_a_longer_link_is_found_by_its_last_component),
        with_host(drivers_list_stays_right_whichever_device_goes),
        with_host(walk_lists_linked_devices_in_order_of_creation),
        with_host(ten_thousand_devices_are_found_by_name),
        with_host(driver_is_loaded_once),
        with_host(driver_is_unloaded_when_nobody_holds_its_devices),
        with_host(driver_that_fails_to_start_leaves_nothing),
        with_host(driver_names_are_checked),
        with_host(driver_is_loaded_from_a_shared_object),
        with_host(what_is_no_driver_is_refused_with_a_reason),
        with_host(device_is_added_started_listed_and_removed),
        with_host(number_tells_devices_without_links_apart),
        with_host(device_that_does_not_start_is_taken_down),
        with_host(device_of_driver_entry_hears_nothing_of_plug_and_play),
        with_host(hosts_share_no_names),
        with_host(deleting_twice_ends_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
