/* SPDX-License-Identifier: MIT */
/*
 * The run-time library's strings and memory. Conversions are Latin-1: what does not fit becomes '?'.
 */
#include "internal.h"
#include "verify/verify.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define MAX_BYTES 0xFFFC /* of a counted string with its terminator; a multiple of every character size */

SIZE_T RtlCompareMemory(const VOID *A, const VOID *B, SIZE_T Length)
{
    const unsigned char *a = A, *b = B;
    SIZE_T i = 0;

    while (i < Length && a[i] == b[i]) {
        i++;
    }
    return i;
}

PVOID RtlSecureZeroMemory(PVOID Destination, SIZE_T Length)
{
    explicit_bzero(Destination, Length);
    return Destination;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

VOID RtlInitUnicodeString(PUNICODE_STRING DestinationString, PCWSTR SourceString)
{
    size_t size = SourceString != NULL ? wcslen(SourceString) * sizeof(WCHAR) : 0;

    if (size > MAX_BYTES - sizeof(WCHAR)) {
        size = MAX_BYTES - sizeof(WCHAR);
    }
    DestinationString->Length = (USHORT)size;
    DestinationString->MaximumLength = (USHORT)(SourceString != NULL ? size + sizeof(WCHAR) : 0);
    DestinationString->Buffer = (PWCH)(uintptr_t)SourceString;
}

VOID RtlInitAnsiString(PANSI_STRING DestinationString, PCSZ SourceString)
{
    size_t size = SourceString != NULL ? strlen(SourceString) : 0;

    if (size > MAX_BYTES - 1) {
        size = MAX_BYTES - 1;
    }
    DestinationString->Length = (USHORT)size;
    DestinationString->MaximumLength = (USHORT)(SourceString != NULL ? size + 1 : 0);
    DestinationString->Buffer = (PCHAR)(uintptr_t)SourceString;
}

VOID RtlInitEmptyUnicodeString(PUNICODE_STRING UnicodeString, PWCH Buffer, USHORT BufferSize)
{
    UnicodeString->Length = 0;
    UnicodeString->MaximumLength = BufferSize;
    UnicodeString->Buffer = Buffer;
}

/* ---- copying ----------------------------------------------------------------------------------------------------- */

VOID RtlCopyUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString)
{
    size_t size = SourceString != NULL ? SourceString->Length : 0;

    if (size > DestinationString->MaximumLength) {
        size = DestinationString->MaximumLength - DestinationString->MaximumLength % sizeof(WCHAR);
    }
    if (size > 0) {
        memmove(DestinationString->Buffer, SourceString->Buffer, size);
    }
    DestinationString->Length = (USHORT)size;
    if (size + sizeof(WCHAR) <= DestinationString->MaximumLength) {
        DestinationString->Buffer[size / sizeof(WCHAR)] = UNICODE_NULL;
    }
}

static NTSTATUS append(PUNICODE_STRING destination, const WCHAR *source, size_t size)
{
    size_t length = destination->Length;

    if (size > (size_t)destination->MaximumLength - length) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    if (size > 0) {
        memmove(destination->Buffer + length / sizeof(WCHAR), source, size);
    }
    length += size;
    destination->Length = (USHORT)length;
    if (length + sizeof(WCHAR) <= destination->MaximumLength) {
        destination->Buffer[length / sizeof(WCHAR)] = UNICODE_NULL;
    }
    return STATUS_SUCCESS;
}

NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING Destination, PCWSTR Source)
{
    return append(Destination, Source, Source != NULL ? wcslen(Source) * sizeof(WCHAR) : 0);
}

NTSTATUS RtlAppendUnicodeStringToString(PUNICODE_STRING Destination, PCUNICODE_STRING Source)
{
    return append(Destination, Source->Buffer, Source->Length);
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

WCHAR RtlUpcaseUnicodeChar(WCHAR SourceCharacter)
{
    bool lower = (SourceCharacter >= L'a' && SourceCharacter <= L'z') ||
                 (SourceCharacter >= 0xE0 && SourceCharacter <= 0xFE && SourceCharacter != 0xF7);

    return lower ? SourceCharacter - 0x20 : SourceCharacter;
}

LONG RtlCompareUnicodeString(PCUNICODE_STRING A, PCUNICODE_STRING B, BOOLEAN CaseInSensitive)
{
    size_t a_length = A->Length / sizeof(WCHAR), b_length = B->Length / sizeof(WCHAR);

    VERIFY_CALLED();
    for (size_t i = 0; i < a_length && i < b_length; i++) {
        WCHAR a = CaseInSensitive ? RtlUpcaseUnicodeChar(A->Buffer[i]) : A->Buffer[i];
        WCHAR b = CaseInSensitive ? RtlUpcaseUnicodeChar(B->Buffer[i]) : B->Buffer[i];

        if (a != b) {
            return a < b ? -1 : 1;
        }
    }
    return a_length == b_length ? 0 : a_length < b_length ? -1 : 1;
}

BOOLEAN RtlEqualUnicodeString(PCUNICODE_STRING A, PCUNICODE_STRING B, BOOLEAN CaseInSensitive)
{
    VERIFY_CALLED();
    return A->Length == B->Length && RtlCompareUnicodeString(A, B, CaseInSensitive) == 0;
}

/* ---- converting -------------------------------------------------------------------------------------------------- */

/* Have room for `length` characters of `width` bytes and a terminator, in *buffer or newly allocated. */
static NTSTATUS make_room(void **buffer, USHORT *maximum, size_t length, size_t width, BOOLEAN allocate)
{
    size_t size = (length + 1) * width;

    if (size > MAX_BYTES) {
        return STATUS_INVALID_PARAMETER;
    }
    if (!allocate) {
        return size > *maximum ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
    }
    *buffer = ExAllocatePoolWithTag(NonPagedPool, size, 0);
    *maximum = (USHORT)size;
    return *buffer != NULL ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

NTSTATUS RtlUnicodeStringToAnsiString(PANSI_STRING DestinationString, PCUNICODE_STRING SourceString,
                                      BOOLEAN AllocateDestinationString)
{
    size_t length = SourceString->Length / sizeof(WCHAR);
    void *buffer = DestinationString->Buffer;
    NTSTATUS status = make_room(&buffer, &DestinationString->MaximumLength, length, 1, AllocateDestinationString);

    VERIFY_CALLED();
    if (!NT_SUCCESS(status)) {
        return status;
    }
    DestinationString->Buffer = buffer;
    for (size_t i = 0; i < length; i++) {
        WCHAR c = SourceString->Buffer[i];

        DestinationString->Buffer[i] = (CHAR)(c >= 0 && c <= 0xFF ? c : L'?');
    }
    DestinationString->Buffer[length] = ANSI_NULL;
    DestinationString->Length = (USHORT)length;
    return STATUS_SUCCESS;
}

NTSTATUS RtlAnsiStringToUnicodeString(PUNICODE_STRING DestinationString, PCANSI_STRING SourceString,
                                      BOOLEAN AllocateDestinationString)
{
    size_t length = SourceString->Length;
    void *buffer = DestinationString->Buffer;
    NTSTATUS status =
        make_room(&buffer, &DestinationString->MaximumLength, length, sizeof(WCHAR), AllocateDestinationString);

    VERIFY_CALLED();
    if (!NT_SUCCESS(status)) {
        return status;
    }
    DestinationString->Buffer = buffer;
    for (size_t i = 0; i < length; i++) {
        DestinationString->Buffer[i] = (UCHAR)SourceString->Buffer[i];
    }
    DestinationString->Buffer[length] = UNICODE_NULL;
    DestinationString->Length = (USHORT)(length * sizeof(WCHAR));
    return STATUS_SUCCESS;
}

static bool valid_base(ULONG base)
{
    return base == 2 || base == 8 || base == 10 || base == 16;
}

NTSTATUS RtlIntegerToUnicodeString(ULONG Value, ULONG Base, PUNICODE_STRING String)
{
    VERIFY_CALLED();
    WCHAR digits[33];
    size_t first = ARRAYSIZE(digits);

    Base = Base == 0 ? 10 : Base;
    if (!valid_base(Base)) {
        return STATUS_INVALID_PARAMETER;
    }
    do {
        digits[--first] = L"0123456789ABCDEF"[Value % Base];
        Value /= Base;
    } while (Value != 0);
    if ((ARRAYSIZE(digits) - first) * sizeof(WCHAR) > String->MaximumLength) {
        return STATUS_BUFFER_OVERFLOW;
    }
    String->Length = 0;
    return append(String, digits + first, (ARRAYSIZE(digits) - first) * sizeof(WCHAR));
}

static ULONG digit_of(WCHAR c)
{
    c = RtlUpcaseUnicodeChar(c);
    return c >= L'0' && c <= L'9' ? (ULONG)(c - L'0') : c >= L'A' && c <= L'F' ? (ULONG)(c - L'A' + 10) : UINT32_MAX;
}

NTSTATUS RtlUnicodeStringToInteger(PCUNICODE_STRING String, ULONG Base, PULONG Value)
{
    size_t length = String->Length / sizeof(WCHAR), i = 0;
    bool negative = false;
    ULONG value = 0;

    VERIFY_CALLED();
    while (i < length && String->Buffer[i] <= L' ') {
        i++;
    }
    if (i < length && (String->Buffer[i] == L'-' || String->Buffer[i] == L'+')) {
        negative = String->Buffer[i++] == L'-';
    }
    if (Base == 0) {
        WCHAR prefix = i + 1 < length && String->Buffer[i] == L'0' ? String->Buffer[i + 1] : UNICODE_NULL;

        Base = prefix == L'x' ? 16 : prefix == L'o' ? 8 : prefix == L'b' ? 2 : 10;
        i += Base == 10 ? 0 : 2;
    }
    if (!valid_base(Base)) {
        return STATUS_INVALID_PARAMETER;
    }
    for (; i < length && digit_of(String->Buffer[i]) < Base; i++) {
        value = value * Base + digit_of(String->Buffer[i]);
    }
    *Value = negative ? 0 - value : value;
    return STATUS_SUCCESS;
}

static void free_string(void **buffer, USHORT *length, USHORT *maximum)
{
    if (*buffer != NULL) {
        ExFreePool(*buffer);
    }
    *buffer = NULL;
    *length = *maximum = 0;
}

VOID RtlFreeUnicodeString(PUNICODE_STRING UnicodeString)
{
    void *buffer = UnicodeString->Buffer;

    VERIFY_CALLED();
    free_string(&buffer, &UnicodeString->Length, &UnicodeString->MaximumLength);
    UnicodeString->Buffer = NULL;
}

VOID RtlFreeAnsiString(PANSI_STRING AnsiString)
{
    void *buffer = AnsiString->Buffer;

    VERIFY_CALLED();
    free_string(&buffer, &AnsiString->Length, &AnsiString->MaximumLength);
    AnsiString->Buffer = NULL;
}
