/* SPDX-License-Identifier: MIT */
/*
 * Device interfaces: classes, named by GUIDs, that a driver says its physical device belongs to.
 */
#include "internal.h"
#include "verify/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* {50DD5230-BA8A-11D1-BF5D-0000F805F530}: smart card readers */
static const GUID reader_class = {0x50DD5230, 0xBA8A, 0x11D1, {0xBF, 0x5D, 0x00, 0x00, 0xF8, 0x05, 0xF5, 0x30}};

bool interface_is_reader(PDEVICE_OBJECT physical)
{
    for (const struct name *name = physical->Reserved->interfaces; name != NULL; name = name->sibling) {
        if (name->enabled && IsEqualGUID(&name->class_guid, &reader_class)) {
            return true;
        }
    }
    return false;
}

/* "\??\root#3#{50dd5230-...}\reference" */
static NTSTATUS make_name(PDEVICE_OBJECT device, const GUID *guid, PCUNICODE_STRING reference,
                          char text[NAME_BYTES_MAX + 1])
{
    int length = snprintf(text, NAME_BYTES_MAX + 1, "\\??\\%s#%u#{%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x}",
                          device->Reserved->driver->name, device->Reserved->number, guid->Data1, guid->Data2,
                          guid->Data3, guid->Data4[0], guid->Data4[1], guid->Data4[2], guid->Data4[3], guid->Data4[4],
                          guid->Data4[5], guid->Data4[6], guid->Data4[7]);
    size_t count = reference != NULL ? reference->Length / sizeof(WCHAR) : 0;

    if (count > 0) {
        if ((size_t)length + 1 + count > NAME_BYTES_MAX) {
            return STATUS_INVALID_PARAMETER;
        }
        text[length++] = '\\';
        for (size_t i = 0; i < count; i++) {
            WCHAR c = reference->Buffer[i];

            if (c <= L' ' || c > L'~' || c == L'\\' || c == L'/') {
                return STATUS_INVALID_PARAMETER;
            }
            text[length++] = (char)c;
        }
        text[length] = '\0';
    }
    return STATUS_SUCCESS;
}

NTSTATUS IoRegisterDeviceInterface(PDEVICE_OBJECT PhysicalDeviceObject, const GUID *InterfaceClassGuid,
                                   PUNICODE_STRING ReferenceString, PUNICODE_STRING SymbolicLinkName)
{
    struct nt_device *device = PhysicalDeviceObject->Reserved;
    struct nt_host *host = device->host;
    char text[NAME_BYTES_MAX + 1];
    ANSI_STRING ansi;
    struct name *name;
    NTSTATUS status;

    VERIFY_CALLED();
    if (device->driver != host->root) {
        return STATUS_INVALID_DEVICE_REQUEST; /* not a physical device object */
    }
    status = make_name(PhysicalDeviceObject, InterfaceClassGuid, ReferenceString, text);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    RtlInitAnsiString(&ansi, text);
    if (!NT_SUCCESS(RtlAnsiStringToUnicodeString(SymbolicLinkName, &ansi, TRUE))) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    pthread_mutex_lock(&host->names_lock);
    if (name_find(host, text) == NULL) {
        status = name_add(host, NAME_INTERFACE, text, NULL, &name);
        if (NT_SUCCESS(status)) {
            name->device = PhysicalDeviceObject;
            name->class_guid = *InterfaceClassGuid;
            name->sibling = device->interfaces;
            device->interfaces = name;
        }
    }
    pthread_mutex_unlock(&host->names_lock);
    if (!NT_SUCCESS(status)) {
        RtlFreeUnicodeString(SymbolicLinkName);
    }
    return status;
}

NTSTATUS IoSetDeviceInterfaceState(PUNICODE_STRING SymbolicLinkName, BOOLEAN Enable)
{
    struct nt_host *host = nt_current(__func__);
    char text[NAME_BYTES_MAX + 1];
    struct name *name;
    NTSTATUS status = name_from_wide(SymbolicLinkName, text);

    VERIFY_CALLED();
    if (!NT_SUCCESS(status)) {
        return STATUS_INVALID_PARAMETER;
    }
    pthread_mutex_lock(&host->names_lock);
    name = name_find(host, text);
    if (name == NULL || name->kind != NAME_INTERFACE) {
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    } else if (Enable && name->enabled) {
        status = STATUS_OBJECT_NAME_EXISTS;
    } else if (!Enable && !name->enabled) {
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    } else {
        name->enabled = Enable != FALSE;
    }
    pthread_mutex_unlock(&host->names_lock);
    return status;
}

VOID IoInvalidateDeviceState(PDEVICE_OBJECT PhysicalDeviceObject)
{
    VERIFY_CALLED();
    /* Nobody asks devices for their state here. */
}
