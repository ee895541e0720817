/* SPDX-License-Identifier: MIT */
/*
 * On Windows: the readers that come with the service itself, for whoever creates and starts it by hand (sc create, sc
 * start). Whether there are any is not guessed from how the driver was started; it is said in the registry, which works
 * alike everywhere:
 *
 *   ...\Services\<name>\Parameters\Readers   REG_DWORD, how many readers the driver makes by itself; 1 when there is no
 *                                          such value. vreader.inf sets 0: its readers come with their devices.
 */
#include "vreader.h"

#define MOST_READERS 64

static ULONG read_number(HANDLE Key, PCWSTR Name, ULONG Otherwise)
{
    union {
        KEY_VALUE_PARTIAL_INFORMATION Value;
        UCHAR Room[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + sizeof(ULONG)];
    } answer;
    UNICODE_STRING name;
    ULONG size, number = Otherwise;

    RtlInitUnicodeString(&name, Name);
    if (NT_SUCCESS(ZwQueryValueKey(Key, &name, KeyValuePartialInformation, &answer, sizeof answer, &size)) &&
        answer.Value.Type == REG_DWORD && answer.Value.DataLength == sizeof number) {
        RtlCopyMemory(&number, answer.Value.Data, sizeof number);
    }
    return number;
}

static NTSTATUS open_key(HANDLE Parent, PUNICODE_STRING Name, PHANDLE Key)
{
    OBJECT_ATTRIBUTES attributes;

    InitializeObjectAttributes(&attributes, Name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, Parent, NULL);
    return ZwOpenKey(Key, KEY_READ, &attributes);
}

static ULONG count_readers(PUNICODE_STRING RegistryPath)
{
    UNICODE_STRING parameters;
    HANDLE service, key;
    ULONG count = 1;

    RtlInitUnicodeString(&parameters, L"Parameters");
    if (NT_SUCCESS(open_key(NULL, RegistryPath, &service))) {
        if (NT_SUCCESS(open_key(service, &parameters, &key))) {
            count = read_number(key, L"Readers", count);
            ZwClose(key);
        }
        ZwClose(service);
    }
    return count < MOST_READERS ? count : MOST_READERS;
}

NTSTATUS vreader_start_service(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath)
{
    ULONG count = count_readers(RegistryPath);
    NTSTATUS status = STATUS_SUCCESS;
    PDEVICE_OBJECT object;

    for (; count > 0 && NT_SUCCESS(status); count--) {
        status = vreader_create_reader(Driver, &object);
    }
    if (!NT_SUCCESS(status)) {
        vreader_stop_service(Driver);
        return status;
    }
    /* They can be opened when no later one can fail any more: a device that is open outlasts its deletion. */
    for (object = Driver->DeviceObject; object != NULL; object = object->NextDevice) {
        if (((struct vreader_device *)object->DeviceExtension)->Kind == VREADER_READER) {
            vreader_ready(object->DeviceExtension);
        }
    }
    return STATUS_SUCCESS;
}

/* Those of AddDevice were removed before. */
VOID vreader_stop_service(PDRIVER_OBJECT Driver)
{
    PDEVICE_OBJECT object = Driver->DeviceObject;

    while (object != NULL) {
        struct vreader_device *device = object->DeviceExtension;

        if (device->Kind == VREADER_READER) {
            struct vreader_fdo *fdo = (struct vreader_fdo *)device;

            vreader_retire(fdo);
            vreader_delete_reader(fdo);
            object = Driver->DeviceObject;
        } else {
            object = object->NextDevice;
        }
    }
}
