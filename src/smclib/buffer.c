/* SPDX-License-Identifier: MIT */
/* The two ends of a TRANSMIT that every protocol shares: the APDU in the input, the reply behind its header. */
#include "private.h"

BOOLEAN smclib_apdu(PSMARTCARD_EXTENSION ext, PUCHAR *apdu, ULONG *length)
{
    ULONG size = ext->IoRequest.RequestBufferLength;
    SCARD_IO_REQUEST pci;

    if (ext->IoRequest.RequestBuffer == NULL || size < SMCLIB_PCI_LENGTH) {
        return FALSE;
    }
    RtlCopyMemory(&pci, ext->IoRequest.RequestBuffer, sizeof(pci));
    if (pci.cbPciLength < SMCLIB_PCI_LENGTH || pci.cbPciLength > size) {
        return FALSE;
    }
    *apdu = ext->IoRequest.RequestBuffer + pci.cbPciLength;
    *length = size - pci.cbPciLength;
    return TRUE;
}

NTSTATUS smclib_reply(PSMARTCARD_EXTENSION ext, ULONG protocol, const UCHAR *data, ULONG length)
{
    const SCARD_IO_REQUEST pci = {protocol, SMCLIB_PCI_LENGTH};
    ULONG room = ext->IoRequest.ReplyBufferLength;

    if (ext->IoRequest.ReplyBuffer == NULL || room < SMCLIB_PCI_LENGTH || room - SMCLIB_PCI_LENGTH < length) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    RtlCopyMemory(ext->IoRequest.ReplyBuffer, &pci, sizeof(pci));
    if (length != 0) {
        RtlCopyMemory(ext->IoRequest.ReplyBuffer + SMCLIB_PCI_LENGTH, data, length);
    }
    *ext->IoRequest.Information = SMCLIB_PCI_LENGTH + length;
    return STATUS_SUCCESS;
}

void smclib_exchange_over(PSMARTCARD_EXTENSION ext)
{
    struct smclib_private *private = smclib_private(ext);

    if (private->secret) {
        private->secret = FALSE;
        smclib_wipe(ext->SmartcardRequest.Buffer, private->request_size);
        smclib_wipe(ext->SmartcardReply.Buffer, private->reply_size);
    }
}
