/* SPDX-License-Identifier: MIT */
/*
 * The commands of the reader, byte by byte through its ports, and what its error codes mean.
 */
#include "reader.h"

typedef struct _ANSWER_MEANING {
    UCHAR Code;
    NTSTATUS Status;
    LPCWSTR Words;
} ANSWER_MEANING;

/* In the order of the codes: code n is row n. */
static const ANSWER_MEANING Meanings[] = {
    {0, STATUS_SUCCESS, L"done"},
    {1, STATUS_PENDING, L"the card asks for time"},
    {2, STATUS_TIMEOUT, L"the reader asks for time"},
    {3, STATUS_UNSUCCESSFUL, L"the card failed"},
    {4, STATUS_INVALID_PARAMETER, L"a parameter is wrong"},
    {5, STATUS_INVALID_DEVICE_REQUEST, L"an unknown command"},
    {6, STATUS_INVALID_DEVICE_STATE, L"not now"},
    {7, STATUS_MORE_PROCESSING_REQUIRED, L"another round"},
    {8, STATUS_BUFFER_TOO_SMALL, L"too long"},
    {9, STATUS_CRC_ERROR, L"bits were lost"},
    {10, STATUS_INSUFFICIENT_RESOURCES, L"the reader is full"},
    {11, STATUS_IO_TIMEOUT, L"the card is mute"},
    {12, STATUS_CANCELLED, L"aborted"},
    {13, STATUS_NO_MEDIA, L"no card"},
    {14, STATUS_IO_DEVICE_ERROR, L"the reader failed"},
    {15, STATUS_DEVICE_PROTOCOL_ERROR, L"the card broke the protocol"},
    {16, STATUS_UNRECOGNIZED_MEDIA, L"no smart card"},
    {17, STATUS_DEVICE_BUSY, L"busy"},
    {18, STATUS_NO_MORE_ENTRIES, L"nothing left"},
    {19, STATUS_DEVICE_REMOVED, L"the reader is gone"},
};

static NTSTATUS Meaning(UCHAR Code)
{
    if (Code >= sizeof(Meanings) / sizeof(Meanings[0])) {
        return STATUS_IO_DEVICE_ERROR;
    }
    NT_ASSERTMSG("the table is in order", Meanings[Code].Code == Code && Meanings[Code].Words != NULL);
    return Meanings[Code].Status;
}

VOID SysDelay(ULONG Milliseconds)
{
    LARGE_INTEGER Interval;

    Interval.QuadPart = (LONGLONG)Milliseconds * -10000;
    (VOID) KeDelayExecutionThread(KernelMode, FALSE, &Interval);
}

static UCHAR ReadStatus(PREADER_EXTENSION Reader)
{
    return READ_PORT_UCHAR(Reader->IoBase + PORT_STATUS);
}

BOOLEAN ReaderHasCard(_In_ PREADER_EXTENSION Reader)
{
    return (BOOLEAN)((ReadStatus(Reader) & STATUS_BIT_CARD) != 0);
}

BOOLEAN ReaderIsThere(_In_ PREADER_EXTENSION Reader)
{
    return (BOOLEAN)((ReadStatus(Reader) & STATUS_BIT_NONE) == 0);
}

/* The next byte of the answer: most come within microseconds, the first one after the card has worked. */
static NTSTATUS ReadByte(PREADER_EXTENSION Reader, _Out_ PUCHAR Value)
{
    ULONG Tries;

    for (Tries = 0; Tries < READER_PATIENCE; Tries++) {
        if (!ReaderIsThere(Reader)) {
            return STATUS_DEVICE_REMOVED;
        }
        if ((ReadStatus(Reader) & STATUS_BIT_READY) != 0) {
            *Value = READ_PORT_UCHAR(Reader->IoBase + PORT_DATA);
            return STATUS_SUCCESS;
        }
        if (Tries < 10) {
            KeStallExecutionProcessor(10);
        } else {
            SysDelay(1);
        }
    }
    return STATUS_IO_TIMEOUT;
}

/* AnswerLength: the room in, the answer's length out. */
NTSTATUS ReaderCommand(_In_ PREADER_EXTENSION Reader, UCHAR Command, const UCHAR *Data, USHORT DataLength,
                       _Out_writes_bytes_(*AnswerLength) PUCHAR Answer, PULONG AnswerLength)
{
    UCHAR Head[3];
    ULONG Length, i;
    NTSTATUS Status = STATUS_SUCCESS;

    NT_ASSERT(KeGetCurrentIrql() == PASSIVE_LEVEL);
    WRITE_PORT_UCHAR(Reader->IoBase + PORT_COMMAND, Command);
    WRITE_PORT_UCHAR(Reader->IoBase + PORT_DATA, (UCHAR)(DataLength & 0xFF));
    WRITE_PORT_UCHAR(Reader->IoBase + PORT_DATA, (UCHAR)(DataLength >> 8));
    for (i = 0; i < DataLength; i++) {
        WRITE_PORT_UCHAR(Reader->IoBase + PORT_DATA, Data[i]);
    }
    for (i = 0; i < sizeof(Head) && NT_SUCCESS(Status); i++) {
        Status = ReadByte(Reader, &Head[i]);
    }
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Length = (ULONG)(Head[1] | Head[2] << 8);
    if (Length > *AnswerLength) {
        SmartcardDebug(DEBUG_DRIVER, ("names: an answer of %lu bytes does not fit\n", Length));
        return STATUS_BUFFER_TOO_SMALL;
    }
    for (i = 0; i < Length && NT_SUCCESS(Status); i++) {
        Status = ReadByte(Reader, &Answer[i]);
    }
    *AnswerLength = i;
    return NT_SUCCESS(Status) ? Meaning(Head[0]) : Status;
}
