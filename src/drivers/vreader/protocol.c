/* SPDX-License-Identifier: MIT */
/*
 * IOCTL_SMARTCARD_SET_PROTOCOL: choose among the protocols that the caller, the card and the reader share, T=1 before
 * T=0 before raw, and agree with the card on it and on the rate, by PPS (smclib.md 3.5; ISO/IEC 7816-3:2006, 9). A PPS
 * is only possible right after a reset, so when the card has been talked to, or has been told another protocol, it gets
 * a warm reset first; and when it refuses or stays mute, another one, and then the default rate.
 */
#include "vreader.h"

enum { STAGE_RESET, STAGE_PPS };

#define PPS_WAIT_ETU 9600u /* 9.2: the initial waiting time */

static NTSTATUS select(READER_EXTENSION *Reader, ULONG Protocol)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;

    Reader->Slot->Selected = Protocol;
    KeAcquireSpinLockAtDpcLevel(&smartcard->OsData->SpinLock);
    smartcard->CardCapabilities.Protocol.Selected = Protocol;
    smartcard->ReaderCapabilities.CurrentState = SCARD_SPECIFIC;
    KeReleaseSpinLockFromDpcLevel(&smartcard->OsData->SpinLock);
    if (smartcard->IoRequest.ReplyBufferLength < sizeof(ULONG)) {
        return STATUS_BUFFER_TOO_SMALL; /* the library asked for 4 */
    }
    RtlCopyMemory(smartcard->IoRequest.ReplyBuffer, &Protocol, sizeof Protocol);
    *smartcard->IoRequest.Information = sizeof Protocol;
    return STATUS_SUCCESS;
}

static UCHAR wanted(const READER_EXTENSION *Reader)
{
    return Reader->Op.Selected == SCARD_PROTOCOL_T1;
}

/* Send the request, or do without when the card would come up that way anyhow. */
static NTSTATUS negotiate(READER_EXTENSION *Reader)
{
    const PTS_DATA *pts = &Reader->Smartcard->CardCapabilities.PtsData;
    const struct iso7816_atr *atr = &Reader->Slot->Parsed;
    struct iso7816_pps request = {.protocol = wanted(Reader)};
    UCHAR bytes[ISO7816_PPS_MAX];
    ULONG size;

    if (pts->Fl != 1 || pts->Dl != 1) {
        request.has_pps1 = true;
        request.pps1 = (UCHAR)(pts->Fl << 4 | pts->Dl);
    }
    if (!request.has_pps1 && atr->first_protocol == request.protocol) {
        wire_protocol(Reader, request.protocol, 1, 1);
        return select(Reader, Reader->Op.Selected);
    }
    size = (ULONG)iso7816_pps_build(&request, bytes);
    Reader->Op.Stage = STAGE_PPS;
    wire_send(Reader, bytes, size);
    return vreader_wait(Reader, (ULONGLONG)PPS_WAIT_ETU * 372 * 1000 / VREADER_CLOCK_KHZ, "PPS", "the response", 0);
}

static NTSTATUS warm_reset(READER_EXTENSION *Reader)
{
    ULONG us;

    Reader->Op.Stage = STAGE_RESET;
    wire_reset(Reader, FALSE, &us);
    return vreader_wait(Reader, us, "warm reset", "TS", 0);
}

/* The answer to the warm reset is of no use: the card needs a reset by the caller. */
static NTSTATUS give_up(READER_EXTENSION *Reader)
{
    wire_power_off(Reader);
    vreader_set_state(Reader, SCARD_PRESENT);
    return STATUS_DEVICE_PROTOCOL_ERROR;
}

/* The card is as after its reset: what the library knows of it must be, too. */
static NTSTATUS take_atr(READER_EXTENSION *Reader)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    UCHAR type = smartcard->CardCapabilities.PtsData.Type;
    UCHAR atr[MAXIMUM_ATR_LENGTH];
    BOOLEAN parity_ok;
    ULONG length = wire_take(Reader, atr, sizeof atr, &parity_ok);
    NTSTATUS status;

    if (Reader->Op.Lost) {
        return STATUS_NO_MEDIA;
    }
    if (!parity_ok) {
        host_step(Reader->Op.Irp, HOST_LAYER_TRANSPORT,
                  "warm reset: a character of the answer came with a parity error");
        return give_up(Reader);
    }
    SmartcardInitializeCardCapabilities(smartcard);
    RtlCopyMemory(smartcard->CardCapabilities.ATR.Buffer, atr, length);
    smartcard->CardCapabilities.ATR.Length = (UCHAR)length;
    smartcard->CardCapabilities.PtsData.Type = Reader->Op.Tries == 0 ? type : (UCHAR)PTS_TYPE_DEFAULT;
    status = SmartcardUpdateCardCapabilities(smartcard);
    if (!NT_SUCCESS(status) || (smartcard->CardCapabilities.Protocol.Supported & Reader->Op.Selected) == 0) {
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "the answer to the warm reset is another one than before");
        return give_up(Reader);
    }
    if (vreader_state(Reader) == SCARD_SPECIFIC) {
        wire_protocol_of_atr(Reader);
        return select(Reader, Reader->Op.Selected);
    }
    return negotiate(Reader);
}

/* Once more after a reset, at the default rate; then give up. */
static NTSTATUS again(READER_EXTENSION *Reader, NTSTATUS Status, const char *Words)
{
    host_step(Reader->Op.Irp, HOST_LAYER_CARD, "PPS: %s%s", Words, Reader->Op.Tries == 0 ? "" : ", again");
    host_count(Reader->Op.Irp, 1, 0);
    if (Reader->Op.Tries++ > 0) {
        return Status;
    }
    return warm_reset(Reader);
}

static NTSTATUS take_pps(READER_EXTENSION *Reader)
{
    const PTS_DATA *pts = &Reader->Smartcard->CardCapabilities.PtsData;
    struct iso7816_pps request = {.protocol = wanted(Reader)};
    struct iso7816_pps agreed;
    UCHAR bytes[ISO7816_PPS_MAX];
    BOOLEAN parity_ok;
    ULONG length = wire_take(Reader, bytes, sizeof bytes, &parity_ok);

    if (Reader->Op.Lost) {
        return STATUS_NO_MEDIA;
    }
    if (!parity_ok) {
        return again(Reader, STATUS_DEVICE_PROTOCOL_ERROR, "a character of the response came with a parity error");
    }
    if (pts->Fl != 1 || pts->Dl != 1) {
        request.has_pps1 = true;
        request.pps1 = (UCHAR)(pts->Fl << 4 | pts->Dl);
    }
    if (iso7816_pps_check(&request, bytes, length, &agreed) != ISO7816_PPS_OK) {
        return again(Reader, STATUS_DEVICE_PROTOCOL_ERROR, "the card's answer is not valid");
    }
    wire_protocol(Reader, request.protocol, agreed.has_pps1 ? agreed.pps1 >> 4 : 1,
                  agreed.has_pps1 ? agreed.pps1 & 0x0F : 1);
    return select(Reader, Reader->Op.Selected);
}

static NTSTATUS start(READER_EXTENSION *Reader)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    ULONG mask = smartcard->MinorIoControlCode & smartcard->CardCapabilities.Protocol.Supported &
                 smartcard->ReaderCapabilities.SupportedProtocols;

    if ((mask & SCARD_PROTOCOL_T1) != 0) {
        Reader->Op.Selected = SCARD_PROTOCOL_T1;
    } else if ((mask & SCARD_PROTOCOL_T0) != 0) {
        Reader->Op.Selected = SCARD_PROTOCOL_T0;
    } else if ((mask & SCARD_PROTOCOL_RAW) != 0) {
        return Reader->Slot->Phase == PHASE_OFF ? STATUS_INVALID_DEVICE_STATE : select(Reader, SCARD_PROTOCOL_RAW);
    } else {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    if (Reader->Slot->Phase == PHASE_OFF) {
        host_step(Reader->Op.Irp, HOST_LAYER_DRIVER, "the card has no power: reset it first");
        return STATUS_INVALID_DEVICE_STATE;
    }
    if (Reader->Slot->Parsed.specific && Reader->Slot->Parsed.specific_protocol != wanted(Reader)) {
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "the card is in specific mode with T=%u",
                  Reader->Slot->Parsed.specific_protocol);
        Reader->Op.Selected = 0;
        return STATUS_NOT_SUPPORTED;
    }
    if (!fault_exchange(Reader)) {
        return STATUS_NO_MEDIA;
    }
    if (!Reader->Slot->Talked && Reader->Slot->Phase == PHASE_PROTOCOL && Reader->Slot->Protocol == wanted(Reader)) {
        return select(Reader, Reader->Op.Selected);
    }
    /* Once a protocol is in force, whether it has been used or not, a card takes a PPS request only after a reset. */
    return Reader->Slot->Talked || Reader->Slot->Phase == PHASE_PROTOCOL ? warm_reset(Reader) : negotiate(Reader);
}

static NTSTATUS step(READER_EXTENSION *Reader, enum vreader_event Event)
{
    if (Event == EVENT_START) {
        return start(Reader);
    }
    if (Event == EVENT_DATA) {
        return Reader->Op.Stage == STAGE_RESET ? take_atr(Reader) : take_pps(Reader);
    }
    if (Reader->Op.Stage == STAGE_RESET) {
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "no answer to the warm reset came");
        return STATUS_IO_TIMEOUT;
    }
    return again(Reader, STATUS_IO_TIMEOUT, "the card is mute");
}

NTSTATUS vreader_set_protocol(PSMARTCARD_EXTENSION Smartcard)
{
    return vreader_start(Smartcard->ReaderExtension, step);
}
