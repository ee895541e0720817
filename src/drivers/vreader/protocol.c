/* SPDX-License-Identifier: MIT */
/*
 * IOCTL_SMARTCARD_SET_PROTOCOL: choose among the protocols that the caller, the card and the reader share, T=1 before
 * T=0 before raw, and agree with the card on it and on a rate (smclib.md 3.5). What to propose, and what to do when the
 * card refuses, is iso7816/negotiate.c's; the first proposal is the library's, as Windows computes it; here its steps
 * are carried out and said.
 */
#include "vreader.h"

enum { STAGE_RESET, STAGE_PPS };

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

/* ---- what the reader and the card can do ------------------------------------------------------------------------- */

/* Whether the reader has this rate, within one percent, as the library has it (smclib/pts.c). */
static BOOLEAN has_rate(const SCARD_READER_CAPABILITIES *Reader, ULONGLONG Rate)
{
    ULONG entries = Reader->DataRatesSupported.List != NULL ? Reader->DataRatesSupported.Entries : 0u;
    ULONG i;

    for (i = 0; i < entries + 2; i++) {
        ULONG rate = i < entries ? Reader->DataRatesSupported.List[i]
                                 : (i == entries ? Reader->DataRate.Default : Reader->DataRate.Max);
        ULONGLONG off = rate > Rate ? rate - Rate : Rate - rate;

        if (off * 100 <= rate && (Reader->DataRate.Max == 0 || rate <= Reader->DataRate.Max)) {
            return TRUE;
        }
    }
    return FALSE;
}

VOID vreader_abilities(const READER_EXTENSION *Reader, struct iso7816_negotiate_config *Config)
{
    const SCARD_READER_CAPABILITIES *reader = &Reader->Smartcard->ReaderCapabilities;
    ULONG pair;

    RtlZeroMemory(Config, sizeof *Config);
    Config->protocols = (USHORT)(reader->SupportedProtocols & SCARD_PROTOCOL_Tx);
    Config->clock_khz = reader->CLKFrequency.Default;
    for (pair = 0; pair < 256; pair++) {
        ULONG f = iso7816_f((UCHAR)(pair >> 4)), d = iso7816_d(pair & 0x0F);

        if (f != 0 && d != 0 && has_rate(reader, (ULONGLONG)Config->clock_khz * 1000 * d / f)) {
            Config->pairs[pair >> 4] |= (USHORT)(1u << (pair & 0x0F));
        }
    }
}

BOOLEAN vreader_read_atr(const READER_EXTENSION *Reader, struct iso7816_atr *Atr)
{
    const SCARD_CARD_CAPABILITIES *card = &Reader->Smartcard->CardCapabilities;
    enum iso7816_atr_result result = iso7816_atr_parse(card->ATR.Buffer, card->ATR.Length, Atr, NULL);

    return result == ISO7816_ATR_OK || result > ISO7816_ATR_BAD_TCK; /* what is behind is of meaning, not structure */
}

/* The library's proposal. */
static UCHAR proposal(const READER_EXTENSION *Reader)
{
    const PTS_DATA *pts = &Reader->Smartcard->CardCapabilities.PtsData;

    return (UCHAR)(pts->Fl << 4 | (pts->Dl & 0x0F));
}

static enum iso7816_negotiate_action begin(READER_EXTENSION *Reader, const struct iso7816_atr *Atr)
{
    static const enum iso7816_aim aims[] = {
        [PTS_TYPE_DEFAULT] = ISO7816_AIM_DEFAULT,
        [PTS_TYPE_OPTIMAL] = ISO7816_AIM_BEST,
        [PTS_TYPE_USER] = ISO7816_AIM_OWN,
    };
    UCHAR type = Reader->Smartcard->CardCapabilities.PtsData.Type;
    const struct vreader_slot *slot = Reader->Slot;
    struct iso7816_negotiate_config config;

    vreader_abilities(Reader, &config);
    config.protocol = wanted(Reader);
    config.aim = type <= PTS_TYPE_USER ? aims[type] : ISO7816_AIM_DEFAULT;
    config.insist = true;
    /* Once a protocol is in force, whether it has been used or not, a card takes a PPS request only after a reset. */
    return iso7816_negotiate_start(&Reader->Slot->Negotiate, &config, Atr, proposal(Reader),
                                   !slot->Talked && slot->Phase == PHASE_ATR);
}

/* ---- the steps --------------------------------------------------------------------------------------------------- */

/* Which request failed, how, and what rate is in force after all; Now is 0 while none is. */
static VOID say_trouble(const READER_EXTENSION *Reader, UCHAR Now)
{
    static const char *const words[] = {
        [ISO7816_TROUBLE_NONE] = "",
        [ISO7816_TROUBLE_MUTE] = "the card is mute to",
        [ISO7816_TROUBLE_GARBLED] = "parity error in the answer to",
        [ISO7816_TROUBLE_WRONG] = "no valid answer to",
        [ISO7816_TROUBLE_REFUSED] = "the card refuses",
    };
    const struct iso7816_negotiate *negotiate = &Reader->Slot->Negotiate;
    const char *what = words[negotiate->trouble];
    ULONG f = iso7816_f(negotiate->trouble_pair >> 4), d = iso7816_d(negotiate->trouble_pair & 0x0F);

    if (Now != 0) {
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "PPS: %s %u/%u; now %u/%u", what, f, d, iso7816_f(Now >> 4),
                  iso7816_d(Now & 0x0F));
    } else {
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "PPS: %s %u/%u%s", what, f, d,
                  negotiate->requests > 1 ? ", again" : "");
    }
}

static NTSTATUS send(READER_EXTENSION *Reader)
{
    const struct iso7816_negotiate *negotiate = &Reader->Slot->Negotiate;

    Reader->Op.Stage = STAGE_PPS;
    wire_send(Reader, negotiate->tx, (ULONG)negotiate->tx_size);
    return vreader_wait(Reader, (ULONGLONG)ISO7816_NEGOTIATE_WAIT_ETU * 372 * 1000 / VREADER_CLOCK_KHZ, "PPS",
                        "the response", 0);
}

static NTSTATUS warm_reset(READER_EXTENSION *Reader)
{
    ULONG us;

    Reader->Op.Stage = STAGE_RESET;
    wire_reset(Reader, FALSE, &us);
    return vreader_wait(Reader, us, "warm reset", "TS", 0);
}

static NTSTATUS fail(READER_EXTENSION *Reader)
{
    const struct iso7816_negotiate *negotiate = &Reader->Slot->Negotiate;

    switch (negotiate->reason) {
    case ISO7816_NEGOTIATE_PPS_FAILED:
        return negotiate->trouble == ISO7816_TROUBLE_MUTE ? STATUS_IO_TIMEOUT : STATUS_DEVICE_PROTOCOL_ERROR;
    case ISO7816_NEGOTIATE_SPECIFIC_PROTOCOL:
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "the card is in specific mode with T=%u",
                  negotiate->atr.specific_protocol);
        if (negotiate->resets > 0) {
            wire_protocol_of_atr(Reader); /* asked in vain, it goes on with that protocol */
        }
        return STATUS_NOT_SUPPORTED;
    default:
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "%s", iso7816_negotiate_text(negotiate->reason));
        return negotiate->resets > 0 ? vreader_power_off(Reader, STATUS_DEVICE_PROTOCOL_ERROR) : STATUS_NOT_SUPPORTED;
    }
}

static NTSTATUS act(READER_EXTENSION *Reader, enum iso7816_negotiate_action Action)
{
    const struct iso7816_negotiate *negotiate = &Reader->Slot->Negotiate;

    switch (Action) {
    case ISO7816_NEGOTIATE_SEND:
        return send(Reader);
    case ISO7816_NEGOTIATE_RESET:
        return warm_reset(Reader);
    case ISO7816_NEGOTIATE_READY:
        if (negotiate->trouble != ISO7816_TROUBLE_NONE) {
            say_trouble(Reader, negotiate->pair);
        }
        wire_protocol(Reader, negotiate->protocol, negotiate->pair >> 4, negotiate->pair & 0x0F);
        return select(Reader, Reader->Op.Selected);
    default:
        return fail(Reader);
    }
}

/* The card is as after its reset: what the library knows of it must be, too. */
static NTSTATUS take_atr(READER_EXTENSION *Reader)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    UCHAR type = smartcard->CardCapabilities.PtsData.Type;
    UCHAR bytes[MAXIMUM_ATR_LENGTH];
    struct iso7816_atr atr;
    BOOLEAN parity_ok;
    ULONG length = wire_take(Reader, bytes, sizeof bytes, &parity_ok);
    NTSTATUS status;

    if (Reader->Op.Lost) {
        return STATUS_NO_MEDIA;
    }
    if (!parity_ok) {
        host_step(Reader->Op.Irp, HOST_LAYER_TRANSPORT,
                  "warm reset: a character of the answer came with a parity error");
        return vreader_power_off(Reader, STATUS_DEVICE_PROTOCOL_ERROR);
    }
    SmartcardInitializeCardCapabilities(smartcard);
    RtlCopyMemory(smartcard->CardCapabilities.ATR.Buffer, bytes, length);
    smartcard->CardCapabilities.ATR.Length = (UCHAR)length;
    smartcard->CardCapabilities.PtsData.Type = type;
    status = SmartcardUpdateCardCapabilities(smartcard);
    if (!NT_SUCCESS(status) || (smartcard->CardCapabilities.Protocol.Supported & Reader->Op.Selected) == 0 ||
        !vreader_read_atr(Reader, &atr)) {
        host_step(Reader->Op.Irp, HOST_LAYER_CARD, "the answer to the warm reset is another one than before");
        return vreader_power_off(Reader, STATUS_DEVICE_PROTOCOL_ERROR);
    }
    return act(Reader, iso7816_negotiate_atr(&Reader->Slot->Negotiate, &atr, proposal(Reader)));
}

/* A request has been answered, or not. */
static NTSTATUS go_on(READER_EXTENSION *Reader, enum iso7816_negotiate_action Action)
{
    if (Action != ISO7816_NEGOTIATE_READY) {
        say_trouble(Reader, 0);
        host_count(Reader->Op.Irp, 1, 0);
    }
    return act(Reader, Action);
}

static NTSTATUS take_pps(READER_EXTENSION *Reader)
{
    UCHAR bytes[ISO7816_PPS_MAX];
    BOOLEAN parity_ok;
    ULONG length = wire_take(Reader, bytes, sizeof bytes, &parity_ok);

    if (Reader->Op.Lost) {
        return STATUS_NO_MEDIA;
    }
    return go_on(Reader, iso7816_negotiate_response(&Reader->Slot->Negotiate, bytes, length, parity_ok));
}

/* On the way here the library has made the state NEGOTIABLE or higher by an answer to reset that may be another card's
 * (smclib.md 3.5): nobody must take it for this one's. */
static NTSTATUS without_power(READER_EXTENSION *Reader)
{
    host_step(Reader->Op.Irp, HOST_LAYER_DRIVER, "the card has no power: reset it first");
    return vreader_power_off(Reader, STATUS_INVALID_DEVICE_STATE);
}

static NTSTATUS start(READER_EXTENSION *Reader)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;
    const struct vreader_slot *slot = Reader->Slot;
    ULONG mask = smartcard->MinorIoControlCode & smartcard->CardCapabilities.Protocol.Supported &
                 smartcard->ReaderCapabilities.SupportedProtocols;
    enum iso7816_negotiate_action action = ISO7816_NEGOTIATE_READY;
    struct iso7816_atr atr;
    BOOLEAN in_force;

    if ((mask & SCARD_PROTOCOL_T1) != 0) {
        Reader->Op.Selected = SCARD_PROTOCOL_T1;
    } else if ((mask & SCARD_PROTOCOL_T0) != 0) {
        Reader->Op.Selected = SCARD_PROTOCOL_T0;
    } else if ((mask & SCARD_PROTOCOL_RAW) != 0) {
        return slot->Phase == PHASE_OFF ? without_power(Reader) : select(Reader, SCARD_PROTOCOL_RAW);
    } else {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    if (slot->Phase == PHASE_OFF || !vreader_read_atr(Reader, &atr)) {
        return without_power(Reader);
    }
    in_force = !slot->Talked && slot->Phase == PHASE_PROTOCOL && slot->Protocol == wanted(Reader);
    if (!in_force) {
        action = begin(Reader, &atr);
    }
    if (action == ISO7816_NEGOTIATE_FAIL) {
        return fail(Reader);
    }
    if (!fault_exchange(Reader)) {
        return STATUS_NO_MEDIA;
    }
    return in_force ? select(Reader, Reader->Op.Selected) : act(Reader, action);
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
        return vreader_power_off(Reader, STATUS_IO_TIMEOUT);
    }
    return go_on(Reader, iso7816_negotiate_silence(&Reader->Slot->Negotiate));
}

NTSTATUS vreader_set_protocol(PSMARTCARD_EXTENSION Smartcard)
{
    return vreader_start(Smartcard->ReaderExtension, step);
}
