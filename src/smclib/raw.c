/* SPDX-License-Identifier: MIT */
/* Raw exchanges: smclib.md 5.4. The driver sees the caller's SCARD_IO_REQUEST, and the caller gets none back. */
#include "private.h"

NTSTATUS SmartcardRawRequest(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PSMARTCARD_EXTENSION ext = SmartcardExtension;
    PSMARTCARD_REQUEST request = &ext->SmartcardRequest;
    ULONG length = ext->IoRequest.RequestBufferLength;

    if (request->BufferLength >= request->BufferSize || length >= request->BufferSize - request->BufferLength) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    if (length != 0) {
        RtlCopyMemory(request->Buffer + request->BufferLength, ext->IoRequest.RequestBuffer, length);
    }
    request->BufferLength += length;
    return STATUS_SUCCESS;
}

NTSTATUS SmartcardRawReply(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PSMARTCARD_EXTENSION ext = SmartcardExtension;
    ULONG length = ext->SmartcardReply.BufferLength;
    NTSTATUS status = STATUS_BUFFER_TOO_SMALL;

    if (length > ext->SmartcardReply.BufferSize || length > ext->IoRequest.ReplyBufferLength) {
        goto out;
    }
    if (length != 0) {
        RtlCopyMemory(ext->IoRequest.ReplyBuffer, ext->SmartcardReply.Buffer, length);
    }
    *ext->IoRequest.Information = length;
    status = STATUS_SUCCESS;
out:
    smclib_exchange_over(ext);
    return status;
}
