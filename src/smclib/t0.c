/* SPDX-License-Identifier: MIT */
/* T=0 as plain as Microsoft's: one TPDU each way, smclib.md 5.3. What a TPDU cannot carry is iso7816/apdu.h's. */
#include "private.h"

#define T0_HEADER 5u

NTSTATUS SmartcardT0Request(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PSMARTCARD_EXTENSION ext = SmartcardExtension;
    PSMARTCARD_REQUEST request = &ext->SmartcardRequest;
    PUCHAR apdu;
    PUCHAR tpdu;
    ULONG length;

    if (request->BufferLength >= request->BufferSize ||
        ext->IoRequest.RequestBufferLength >= request->BufferSize - request->BufferLength) {
        return STATUS_BUFFER_OVERFLOW;
    }
    if (!smclib_apdu(ext, &apdu, &length) || length < 4 || (length > T0_HEADER && length != T0_HEADER + apdu[4])) {
        return STATUS_INVALID_PARAMETER;
    }
    /* There is room for the byte that case 1 lacks: `length` is at least 8 less than what was compared above. */
    tpdu = request->Buffer + request->BufferLength;
    RtlCopyMemory(tpdu, apdu, length);
    ext->T0.Lc = 0;
    ext->T0.Le = 0;
    if (length == 4) {
        tpdu[length++] = 0;
    } else if (length == T0_HEADER) {
        ext->T0.Le = tpdu[4] != 0 ? tpdu[4] : 256;
    } else {
        ext->T0.Lc = tpdu[4];
    }
    request->BufferLength += length;
    return STATUS_SUCCESS;
}

NTSTATUS SmartcardT0Reply(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PSMARTCARD_EXTENSION ext = SmartcardExtension;
    const SMARTCARD_REPLY *reply = &ext->SmartcardReply;
    NTSTATUS status = STATUS_DEVICE_PROTOCOL_ERROR;

    if (reply->BufferLength >= 2 && reply->BufferLength <= reply->BufferSize) {
        status = smclib_reply(ext, SCARD_PROTOCOL_T0, reply->Buffer, reply->BufferLength);
    }
    smclib_exchange_over(ext);
    return status;
}
