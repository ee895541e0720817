/* SPDX-License-Identifier: MIT */
/*
 * A driver in a shared object, for the tests of loading one. It calls nothing of the host, so that it loads into any
 * program. It starts only under the name "sample": that is how the test sees that its DriverEntry ran.
 */
#include <smartcrd/wdm.h>

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static const WCHAR name[] = L"\\Driver\\sample";

    if (RegistryPath->Length == 0 || DriverObject->DriverName.Length != sizeof(name) - sizeof(WCHAR) ||
        !RtlEqualMemory(DriverObject->DriverName.Buffer, name, sizeof(name))) {
        return STATUS_DEVICE_NOT_CONNECTED;
    }
    return STATUS_SUCCESS;
}
