/* SPDX-License-Identifier: MIT */
/*
 * IOCTL_SMARTCARD_TRANSMIT, as a driver does it that has the characters in its own hands: the library builds and reads
 * TPDUs and blocks (smclib.md 5.3 to 5.5), this file moves them and keeps the times.
 */
#include "vreader.h"

enum { STAGE_EXCHANGE, STAGE_RESYNC };

#define RESYNC_TRIES 3u /* ISO/IEC 7816-3:2006, 11.6.3.2 rule 6.4 */

/* ---- T=1 --------------------------------------------------------------------------------------------------------- */

static NTSTATUS t1_send(READER_EXTENSION *Reader)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    ULONGLONG bwt = (Reader->Slot->Timing.bwt_ns + 999) / 1000;
    NTSTATUS status;

    smartcard->SmartcardRequest.BufferLength = 0;
    smartcard->T1.NAD = 0;
    status = SmartcardT1Request(smartcard);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    wire_send(Reader, smartcard->SmartcardRequest.Buffer, smartcard->SmartcardRequest.BufferLength);
    bwt *= smartcard->T1.Wtx != 0 ? smartcard->T1.Wtx : 1;
    if (smartcard->T1.Resend != 0 || smartcard->T1.State == T1_RESYNCH_REQUEST) {
        return vreader_wait(Reader, bwt, NULL, NULL, 0); /* the library has said why we are here */
    }
    return vreader_wait(Reader, bwt, "T=1", "block", Reader->Op.Blocks + 1);
}

/* The reader's side speaks the library's CRC, not the standard's. */
static enum iso7816_edc edc_kind(const READER_EXTENSION *Reader)
{
    return Reader->Smartcard->CardCapabilities.T1.EDC != 0 ? ISO7816_EDC_CRC_A001 : ISO7816_EDC_LRC;
}

/* Both sides start anew with sequence numbers 0, which the library's own routine for it cannot be asked for from here
 * (11.6.2.3). */
static NTSTATUS t1_resync(READER_EXTENSION *Reader)
{
    UCHAR block[ISO7816_T1_BLOCK_MAX] = {0x00, ISO7816_T1_S_RESYNCH, 0x00};
    ULONG size = (ULONG)iso7816_edc_append(block, 3, edc_kind(Reader));

    host_count(Reader->Op.Irp, Reader->Op.Tries > 0, 0);
    Reader->Op.Stage = STAGE_RESYNC;
    wire_send(Reader, block, size);
    return vreader_wait(Reader, (Reader->Slot->Timing.bwt_ns + 999) / 1000, "T=1", "the response to RESYNCH", 0);
}

static NTSTATUS t1_resynced(READER_EXTENSION *Reader, const UCHAR *Block, ULONG Length)
{
    T1_DATA *t1 = &Reader->Smartcard->T1;

    if (Length < 4 || Block[1] != (ISO7816_T1_S_RESYNCH | ISO7816_T1_S_RESPONSE) || Block[2] != 0) {
        if (++Reader->Op.Tries < RESYNC_TRIES) {
            return t1_resync(Reader);
        }
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "T=1: the card does not resynchronise");
        return Reader->Op.Heard ? STATUS_DEVICE_PROTOCOL_ERROR : STATUS_IO_TIMEOUT;
    }
    Reader->Slot->Resync = FALSE;
    t1->SSN = 0;
    t1->RSN = 0;
    t1->Resend = 0;
    t1->Resynch = 0;
    t1->Wtx = 0;
    t1->State = Reader->Slot->NoIfs ? T1_START : T1_INIT;
    Reader->Op.Stage = STAGE_EXCHANGE;
    return t1_send(Reader);
}

/* What came, Length 0 for nothing: the library says what is next. */
static NTSTATUS t1_received(READER_EXTENSION *Reader, ULONG Length)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    NTSTATUS status;

    Reader->Op.Blocks++;
    smartcard->SmartcardReply.BufferLength = Length;
    status = SmartcardT1Reply(smartcard);
    if (status == STATUS_MORE_PROCESSING_REQUIRED) {
        return t1_send(Reader);
    }
    if (!NT_SUCCESS(status) && !Reader->Op.Heard) {
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "T=1: the card is mute: %u blocks got no answer", Reader->Op.Blocks);
        return STATUS_IO_TIMEOUT;
    }
    return status;
}

static NTSTATUS t1_step(READER_EXTENSION *Reader, enum vreader_event Event)
{
    SMARTCARD_REPLY *reply = &Reader->Smartcard->SmartcardReply;
    BOOLEAN parity_ok = TRUE;
    ULONG length = 0;

    if (Event == EVENT_START) {
        if (!fault_exchange(Reader)) {
            return STATUS_NO_MEDIA;
        }
        if (!Reader->Slot->Talked) {
            Reader->Slot->NoIfs = Reader->Smartcard->T1.State == T1_START;
        }
        return Reader->Slot->Resync ? t1_resync(Reader) : t1_send(Reader);
    }
    if (Event == EVENT_DATA) {
        length = wire_take(Reader, reply->Buffer, reply->BufferSize, &parity_ok);
        if (Reader->Op.Lost) {
            return STATUS_NO_MEDIA;
        }
        if (!parity_ok && length > 0) {
            host_step(Reader->Op.Irp, HOST_LAYER_TRANSPORT, "T=1: a character came with a parity error");
            /* It makes the block invalid (ISO/IEC 7816-3:2006, 11.6.3). The library looks at the EDC alone, which may fit
             * by chance: then it must not. */
            if (iso7816_edc_ok(reply->Buffer, length, edc_kind(Reader))) {
                reply->Buffer[length - 1] ^= 0x01;
            }
        }
    }
    if (Reader->Op.Stage == STAGE_RESYNC) {
        BOOLEAN ok = parity_ok && iso7816_edc_ok(reply->Buffer, length, edc_kind(Reader));

        return t1_resynced(Reader, reply->Buffer, ok ? length : 0);
    }
    return t1_received(Reader, length);
}

/* ---- T=0 --------------------------------------------------------------------------------------------------------- */

static NTSTATUS t0_failed(READER_EXTENSION *Reader)
{
    static const struct {
        enum iso7816_t0_error error;
        NTSTATUS status;
        const char *words;
    } rows[] = {
        {ISO7816_T0_BAD_TPDU, STATUS_INVALID_PARAMETER, "this is no command TPDU"},
        {ISO7816_T0_BAD_PROCEDURE, STATUS_DEVICE_PROTOCOL_ERROR, "a procedure byte that is none"},
        {ISO7816_T0_TIMEOUT, STATUS_IO_TIMEOUT, "the card is mute"},
        {ISO7816_T0_PARITY, STATUS_DEVICE_PROTOCOL_ERROR, "a character stays wrong"},
        {ISO7816_T0_TOO_MANY_NULLS, STATUS_IO_TIMEOUT, "NULL bytes without end"},
        {ISO7816_T0_NO_ROOM, STATUS_BUFFER_TOO_SMALL, "the answer is too long"},
    };
    ULONG i;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].error == Reader->Slot->T0Host.error) {
            host_step(Reader->Op.Irp, HOST_LAYER_PROTOCOL, "T=0: %s", rows[i].words);
            return rows[i].status;
        }
    }
    return STATUS_DEVICE_PROTOCOL_ERROR;
}

/* Do what the host's machine says until it wants a character that is not there. */
static NTSTATUS t0_act(READER_EXTENSION *Reader, enum iso7816_t0_action Action)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    struct iso7816_t0_host *host = &Reader->Slot->T0Host;

    for (;;) {
        if (Reader->Op.Lost) {
            return STATUS_NO_MEDIA;
        }
        switch (Action) {
        case ISO7816_T0_SEND:
            wire_send(Reader, host->tx, (ULONG)host->tx_size);
            Action = iso7816_t0_host_sent(host);
            break;
        case ISO7816_T0_RECEIVE: {
            BOOLEAN parity_ok;
            UCHAR byte;

            if (!wire_waiting(Reader)) {
                return vreader_wait(Reader, (Reader->Slot->Timing.wwt_ns + 999) / 1000, "T=0",
                                    iso7816_t0_host_awaits(host), 0);
            }
            byte = wire_take_character(Reader, &parity_ok);
            if (!parity_ok) {
                host_count(Reader->Op.Irp, 1, 0);
            }
            Action = iso7816_t0_host_receive(host, byte, parity_ok);
            break;
        }
        case ISO7816_T0_DONE:
            smartcard->SmartcardReply.BufferLength = (ULONG)host->reply_size;
            return SmartcardT0Reply(smartcard);
        default:
            return t0_failed(Reader);
        }
    }
}

static NTSTATUS t0_step(READER_EXTENSION *Reader, enum vreader_event Event)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    struct iso7816_t0_host *host = &Reader->Slot->T0Host;
    NTSTATUS status;

    if (Event == EVENT_DATA) {
        return t0_act(Reader, ISO7816_T0_RECEIVE);
    }
    if (Event == EVENT_SILENCE) {
        return t0_act(Reader, iso7816_t0_host_timeout(host));
    }
    smartcard->SmartcardRequest.BufferLength = 0;
    status = SmartcardT0Request(smartcard);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    if (!fault_exchange(Reader)) {
        return STATUS_NO_MEDIA;
    }
    return t0_act(Reader, iso7816_t0_host_start(
                              host, smartcard->SmartcardRequest.Buffer, smartcard->SmartcardRequest.BufferLength,
                              smartcard->SmartcardReply.Buffer, smartcard->SmartcardReply.BufferSize));
}

/* ---- raw --------------------------------------------------------------------------------------------------------- */

/* The command APDU goes to the card without a protocol, as to a contactless card behind a reader that hides its own. */
static NTSTATUS raw_step(READER_EXTENSION *Reader, enum vreader_event Event)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    SMARTCARD_REPLY *reply = &smartcard->SmartcardReply;
    const SMARTCARD_REQUEST *request = &smartcard->SmartcardRequest;
    BOOLEAN parity_ok;
    NTSTATUS status;

    if (Event == EVENT_SILENCE) {
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "the card is mute");
        return STATUS_IO_TIMEOUT;
    }
    if (Event == EVENT_DATA) {
        if (Reader->Slot->OutSize > reply->BufferSize) {
            return STATUS_BUFFER_TOO_SMALL;
        }
        reply->BufferLength = wire_take(Reader, reply->Buffer, reply->BufferSize, &parity_ok);
        return Reader->Op.Lost ? STATUS_NO_MEDIA : SmartcardRawReply(smartcard);
    }
    smartcard->SmartcardRequest.BufferLength = 0;
    status = SmartcardRawRequest(smartcard);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    if (request->BufferLength <= sizeof(SCARD_IO_REQUEST)) {
        return STATUS_INVALID_PARAMETER; /* a header, and nothing behind it */
    }
    if (!fault_exchange(Reader)) {
        return STATUS_NO_MEDIA;
    }
    wire_raw(Reader, request->Buffer + sizeof(SCARD_IO_REQUEST),
             request->BufferLength - (ULONG)sizeof(SCARD_IO_REQUEST));
    return vreader_wait(Reader, VREADER_PEER_US, "raw", "the answer", 0);
}

/* Whether the command, or what an earlier one has left, is to be kept secret. */
static BOOLEAN is_secret(const READER_EXTENSION *Reader)
{
    const UCHAR *request = Reader->Smartcard->IoRequest.RequestBuffer;
    ULONG length = Reader->Smartcard->IoRequest.RequestBufferLength;
    SCARD_IO_REQUEST header;

    RtlCopyMemory(&header, request, sizeof header); /* the library has seen to its length */
    return Reader->Slot->Secret != 0 ||
           (length >= 2 && header.cbPciLength <= length - 2 &&
            iso7816_command_is_secret(request[header.cbPciLength], request[header.cbPciLength + 1]));
}

static NTSTATUS step(READER_EXTENSION *Reader, enum vreader_event Event)
{
    ULONG selected = Reader->Smartcard->CardCapabilities.Protocol.Selected;

    Reader->Op.Secret = is_secret(Reader);
    switch (selected) {
    case SCARD_PROTOCOL_T1:
        Reader->Op.Step = t1_step;
        break;
    case SCARD_PROTOCOL_T0:
        Reader->Op.Step = t0_step;
        break;
    case SCARD_PROTOCOL_RAW:
        Reader->Op.Step = raw_step;
        break;
    default:
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    if (selected != SCARD_PROTOCOL_RAW &&
        (Reader->Slot->Phase != PHASE_PROTOCOL || Reader->Slot->Protocol != (selected == SCARD_PROTOCOL_T1))) {
        host_step(Reader->Op.Irp, HOST_LAYER_DRIVER, "the card does not speak the selected protocol now");
        return STATUS_INVALID_DEVICE_STATE;
    }
    return Reader->Op.Step(Reader, Event);
}

NTSTATUS vreader_transmit(PSMARTCARD_EXTENSION Smartcard)
{
    return vreader_start(Smartcard->ReaderExtension, step);
}
