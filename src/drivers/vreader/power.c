/* SPDX-License-Identifier: MIT */
/* IOCTL_SMARTCARD_POWER: cold and warm reset, power down (smclib.md 3.4; ISO/IEC 7816-3:2006, 6.2). */
#include "vreader.h"

static NTSTATUS power_down(READER_EXTENSION *Reader)
{
    wire_power_off(Reader);
    vreader_set_state(Reader, SCARD_PRESENT);
    return STATUS_SUCCESS;
}

static NTSTATUS reset(READER_EXTENSION *Reader)
{
    /* A warm reset of a card without power is a cold one. */
    BOOLEAN cold = Reader->Smartcard->MinorIoControlCode == SCARD_COLD_RESET || Reader->Slot->Phase == PHASE_OFF;
    ULONG us;

    if (!fault_exchange(Reader)) {
        return STATUS_NO_MEDIA;
    }
    vreader_set_state(Reader, SCARD_POWERED);
    wire_reset(Reader, cold, &us);
    return vreader_wait(Reader, us, "reset", "TS", 0);
}

/* No power for a card whose answer to reset is of no use (ISO/IEC 7816-3:2006, 6.2.2). */
static NTSTATUS give_up(READER_EXTENSION *Reader, NTSTATUS Status)
{
    wire_power_off(Reader);
    vreader_set_state(Reader, SCARD_PRESENT);
    return Status;
}

/* The ATR is there: the library says whether it is one, and what follows from it. */
static NTSTATUS take_atr(READER_EXTENSION *Reader)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    BOOLEAN parity_ok;
    ULONG length = wire_take(Reader, smartcard->CardCapabilities.ATR.Buffer, MAXIMUM_ATR_LENGTH, &parity_ok);
    NTSTATUS status;

    if (Reader->Op.Lost) {
        return STATUS_NO_MEDIA;
    }
    if (!parity_ok) {
        host_step(Reader->Op.Irp, HOST_LAYER_TRANSPORT, "reset: a character of the answer came with a parity error");
        return give_up(Reader, STATUS_UNRECOGNIZED_MEDIA);
    }
    smartcard->CardCapabilities.ATR.Length = (UCHAR)length;
    status = SmartcardUpdateCardCapabilities(smartcard);
    if (!NT_SUCCESS(status)) {
        struct iso7816_atr parsed;
        UCHAR atr[MAXIMUM_ATR_LENGTH];
        enum iso7816_atr_result result;

        RtlCopyMemory(atr, smartcard->CardCapabilities.ATR.Buffer, length);
        result = iso7816_atr_parse(atr, length, &parsed, NULL);
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "ATR: %s",
                  result != ISO7816_ATR_OK ? iso7816_atr_text(result) : "the library refuses it");
        return give_up(Reader, status);
    }
    length = smartcard->CardCapabilities.ATR.Length;
    if (smartcard->IoRequest.ReplyBufferLength < length) {
        return STATUS_BUFFER_TOO_SMALL; /* the library asked for 33 */
    }
    RtlCopyMemory(smartcard->IoRequest.ReplyBuffer, smartcard->CardCapabilities.ATR.Buffer, length);
    *smartcard->IoRequest.Information = length;
    if (vreader_state(Reader) == SCARD_SPECIFIC) {
        wire_protocol_of_atr(Reader);
    }
    return STATUS_SUCCESS;
}

static NTSTATUS step(READER_EXTENSION *Reader, enum vreader_event Event)
{
    switch (Event) {
    case EVENT_START:
        return Reader->Smartcard->MinorIoControlCode == SCARD_POWER_DOWN ? power_down(Reader) : reset(Reader);
    case EVENT_DATA:
        return take_atr(Reader);
    default:
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "no answer to reset came");
        return give_up(Reader, STATUS_IO_TIMEOUT);
    }
}

NTSTATUS vreader_power(PSMARTCARD_EXTENSION Smartcard)
{
    return vreader_start(Smartcard->ReaderExtension, step);
}
