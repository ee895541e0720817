/* SPDX-License-Identifier: MIT */
/*
 * IOCTL_SMARTCARD_POWER: cold and warm reset, power down (smclib.md 3.4; ISO/IEC 7816-3:2006, 6.2). A card that comes up
 * in specific mode at a rate that the reader cannot do is asked to change by a warm reset, if it can, else switched off
 * (6.3.1); what follows in negotiable mode is SET_PROTOCOL's.
 */
#include "vreader.h"

NTSTATUS vreader_power_off(READER_EXTENSION *Reader, NTSTATUS Status)
{
    wire_power_off(Reader);
    vreader_set_state(Reader, SCARD_PRESENT);
    return Status;
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

static NTSTATUS give_answer(READER_EXTENSION *Reader)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    ULONG length = smartcard->CardCapabilities.ATR.Length;

    if (smartcard->IoRequest.ReplyBufferLength < length) {
        return STATUS_BUFFER_TOO_SMALL; /* the library asked for 33 */
    }
    RtlCopyMemory(smartcard->IoRequest.ReplyBuffer, smartcard->CardCapabilities.ATR.Buffer, length);
    *smartcard->IoRequest.Information = length;
    return STATUS_SUCCESS;
}

/* Protocol and rate are there with the answer to reset. */
static NTSTATUS take_specific(READER_EXTENSION *Reader)
{
    enum iso7816_negotiate_action action = ISO7816_NEGOTIATE_READY;
    struct iso7816_negotiate *negotiate = &Reader->Slot->Negotiate;
    struct iso7816_negotiate_config config;
    struct iso7816_atr atr;
    ULONG us;

    if (vreader_read_atr(Reader, &atr) && atr.specific) {
        vreader_abilities(Reader, &config);
        config.protocol = atr.specific_protocol;
        action = iso7816_negotiate_start(negotiate, &config, &atr, 0, true);
    }
    if (action == ISO7816_NEGOTIATE_RESET && Reader->Op.Tries++ == 0) {
        SmartcardInitializeCardCapabilities(Reader->Smartcard);
        vreader_set_state(Reader, SCARD_POWERED);
        wire_reset(Reader, FALSE, &us);
        return vreader_wait(Reader, us, "warm reset", "TS", 0);
    }
    if (action == ISO7816_NEGOTIATE_RESET ||
        (action == ISO7816_NEGOTIATE_FAIL && negotiate->reason == ISO7816_NEGOTIATE_SPECIFIC_RATE)) {
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "%s", iso7816_negotiate_text(ISO7816_NEGOTIATE_SPECIFIC_RATE));
        return vreader_power_off(Reader, STATUS_UNRECOGNIZED_MEDIA);
    }
    wire_protocol_of_atr(Reader); /* a protocol that nobody knows, too: a caller can still reset the card */
    return give_answer(Reader);
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
        return vreader_power_off(Reader, STATUS_UNRECOGNIZED_MEDIA);
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
        return vreader_power_off(Reader, status);
    }
    return vreader_state(Reader) == SCARD_SPECIFIC ? take_specific(Reader) : give_answer(Reader);
}

static NTSTATUS step(READER_EXTENSION *Reader, enum vreader_event Event)
{
    switch (Event) {
    case EVENT_START:
        return Reader->Smartcard->MinorIoControlCode == SCARD_POWER_DOWN ? vreader_power_off(Reader, STATUS_SUCCESS)
                                                                         : reset(Reader);
    case EVENT_DATA:
        return take_atr(Reader);
    default:
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "no answer to reset came");
        return vreader_power_off(Reader, STATUS_IO_TIMEOUT);
    }
}

NTSTATUS vreader_power(PSMARTCARD_EXTENSION Smartcard)
{
    return vreader_start(Smartcard->ReaderExtension, step);
}
