/* SPDX-License-Identifier: MIT */
/* Symbolic links of readers without a device interface: smclib.md 2.12. */
#include "private.h"

#define LINK_PREFIX L"\\DosDevices\\SCReader"
#define PREFIX_SIZE (sizeof(LINK_PREFIX) / sizeof(WCHAR) - 1)
#define MAX_DIGITS  4
#define MAX_LINKS   10000 /* what MAX_DIGITS can count */

/* Append a number; returns the string's size in characters. */
static USHORT append(PWCH buffer, USHORT size, ULONG number)
{
    WCHAR digits[10];
    USHORT count = 0;

    do {
        digits[count++] = (WCHAR)(L'0' + (WCHAR)(number % 10));
        number /= 10;
    } while (number != 0);
    while (count > 0) {
        buffer[size++] = digits[--count];
    }
    return size;
}

/* Wine has the second status for a name that leads to a device. */
static BOOLEAN taken(NTSTATUS status)
{
    return status == STATUS_OBJECT_NAME_COLLISION || status == STATUS_OBJECT_TYPE_MISMATCH;
}

NTSTATUS SmartcardCreateLink(PUNICODE_STRING LinkName, PUNICODE_STRING DeviceName)
{
    const SIZE_T size = (PREFIX_SIZE + MAX_DIGITS + 1) * sizeof(WCHAR);
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
    PWCH buffer = smclib_allocate(size);

    LinkName->Buffer = NULL;
    LinkName->Length = 0;
    LinkName->MaximumLength = 0;
    if (buffer == NULL) {
        return status;
    }
    RtlCopyMemory(buffer, LINK_PREFIX, PREFIX_SIZE * sizeof(WCHAR));
    LinkName->Buffer = buffer;
    LinkName->MaximumLength = (USHORT)size;
    for (ULONG n = 0; n < MAX_LINKS; n++) {
        USHORT length = append(buffer, (USHORT)PREFIX_SIZE, n);

        buffer[length] = 0;
        LinkName->Length = (USHORT)(length * sizeof(WCHAR));
        status = IoCreateSymbolicLink(LinkName, DeviceName);
        if (!taken(status)) {
            break;
        }
    }
    if (!NT_SUCCESS(status)) {
        smclib_free(buffer, size);
        LinkName->Buffer = NULL;
        LinkName->Length = 0;
        LinkName->MaximumLength = 0;
    }
    return status;
}
