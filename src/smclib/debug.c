/* SPDX-License-Identifier: MIT */
/* Messages: the debug level and the event log (smclib.md 2.11, 2.12). */
#include "private.h"

static volatile ULONG debug_level; /* one for the process, as Windows has one for the machine; atomic */

VOID SmartcardSetDebugLevel(ULONG Level)
{
    (void)InterlockedExchange((LONG volatile *)&debug_level, (LONG)Level);
}

ULONG SmartcardGetDebugLevel(VOID)
{
    return smclib_load(&debug_level);
}

VOID SmartcardLogError(PVOID Object, NTSTATUS ErrorCode, PUNICODE_STRING Insertion, ULONG DumpData)
{
    const SIZE_T room = ERROR_LOG_MAXIMUM_SIZE - sizeof(IO_ERROR_LOG_PACKET) - sizeof(WCHAR);
    SIZE_T text = Insertion != NULL && Insertion->Buffer != NULL ? Insertion->Length : 0;
    PIO_ERROR_LOG_PACKET packet;
    SIZE_T size;

    text = (text < room ? text : room) & ~(SIZE_T)(sizeof(WCHAR) - 1);
    size = sizeof(*packet) + (text != 0 ? text + sizeof(WCHAR) : 0);
    packet = IoAllocateErrorLogEntry(Object, (UCHAR)size);
    if (packet == NULL) {
        return;
    }
    RtlZeroMemory(packet, size);
    packet->ErrorCode = ErrorCode;
    packet->FinalStatus = ErrorCode;
    packet->DumpDataSize = sizeof(packet->DumpData);
    packet->DumpData[0] = DumpData;
    packet->StringOffset = sizeof(*packet);
    if (text != 0) {
        packet->NumberOfStrings = 1;
        RtlCopyMemory((PUCHAR)packet + sizeof(*packet), Insertion->Buffer, text);
    }
    IoWriteErrorLogEntry(packet);
}
