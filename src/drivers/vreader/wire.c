/* SPDX-License-Identifier: MIT */
/*
 * What the reader sends comes here, and the card's side of the protocols lives here: its engines, its clock (waiting
 * time requests at half of the waiting time), its lateness. How characters arrive on either side is line.c's.
 *
 * The ATR passes as it is on the line (inverted in the inverse convention). Afterwards both sides use the convention
 * that TS named, so characters pass decoded. Transmission itself takes no time; waiting does.
 */
#include "vreader.h"

static VOID run_command(READER_EXTENSION *Reader, UCHAR *Apdu, ULONG Length);
static VOID give_answer(READER_EXTENSION *Reader);

enum iso7816_edc wire_edc(const struct vreader_slot *Slot)
{
    if (!Slot->Parsed.crc) {
        return ISO7816_EDC_LRC;
    }
    return Slot->IsoCrc ? ISO7816_EDC_CRC : ISO7816_EDC_CRC_A001;
}

/* The card has something to say: now, or when its lateness is over. */
static VOID hold(READER_EXTENSION *Reader)
{
    struct vreader_slot *slot = Reader->Slot;

    if (slot->LateUs != 0) {
        slot->Doing = CARD_HOLDING;
        vreader_timer_set(Reader, &Reader->Pace, slot->LateUs);
        slot->LateUs = 0;
    }
}

/* ---- the card's clock -------------------------------------------------------------------------------------------- */

/* It computes: ask for more time at half of the waiting time, or be ready before. */
static VOID pace(READER_EXTENSION *Reader)
{
    struct vreader_slot *slot = Reader->Slot;
    ULONGLONG us = (slot->Protocol == 1 ? slot->Timing.bwt_ns : slot->Timing.wwt_ns) / 2000;

    if (slot->Resetting || (slot->Raw && slot->LeftUs == 0)) {
        return; /* nothing to ask with */
    }
    if (us == 0) {
        us = 1;
    }
    if (slot->LeftUs != 0 && (slot->Raw || slot->LeftUs < us)) {
        us = slot->LeftUs;
    }
    vreader_timer_set(Reader, &Reader->Pace, us < VREADER_NEVER ? (ULONG)us : VREADER_NEVER);
}

static VOID ready(READER_EXTENSION *Reader)
{
    struct vreader_slot *slot = Reader->Slot;

    if (slot->Asked) {
        slot->Ready = TRUE; /* S(WTX response) comes first */
        return;
    }
    slot->Doing = CARD_IDLE;
    slot->Ready = FALSE;
    give_answer(Reader);
}

VOID wire_pace(READER_EXTENSION *Reader)
{
    struct vreader_slot *slot = Reader->Slot;

    if (slot->Doing == CARD_HOLDING) {
        slot->Doing = CARD_IDLE;
        return;
    }
    if (slot->Doing != CARD_RUNNING || slot->Resetting) {
        return;
    }
    if (slot->LeftUs != 0) {
        slot->LeftUs = slot->LeftUs > Reader->Pace.Us ? slot->LeftUs - Reader->Pace.Us : 0;
        if (slot->LeftUs == 0) {
            ready(Reader);
            return;
        }
    }
    if (!slot->Asked && !slot->Raw && !wire_waiting(Reader)) {
        if (slot->Protocol == 1) {
            if (iso7816_t1_card_wtx(&slot->Engine.T1, 1) == ISO7816_T1_SEND) {
                slot->Asked = TRUE;
                line_show_block(Reader, ON_EXCHANGE, slot->Engine.T1.tx, (ULONG)slot->Engine.T1.tx_size);
            }
        } else if (iso7816_t0_card_busy(&slot->Engine.T0) == ISO7816_T0_CARD_SEND) {
            host_count(Reader->Op.Irp, 0, 1);
            line_show_characters(Reader, slot->Engine.T0.tx, (ULONG)slot->Engine.T0.tx_size);
        }
    }
    pace(Reader);
}

/* ---- T=1 --------------------------------------------------------------------------------------------------------- */

static VOID act_t1(READER_EXTENSION *Reader, enum iso7816_t1_action Action)
{
    struct vreader_slot *slot = Reader->Slot;
    struct iso7816_t1_card *t1 = &slot->Engine.T1;

    if (Action == ISO7816_T1_SEND) {
        if (slot->Doing == CARD_RUNNING && t1->tx_size > 1 &&
            t1->tx[1] == (ISO7816_T1_S_RESYNCH | ISO7816_T1_S_RESPONSE)) {
            slot->Ticket++; /* the command is forgotten, and so will its answer be */
            slot->Doing = CARD_IDLE;
            slot->Asked = FALSE;
            vreader_timer_stop(&Reader->Pace);
        }
        line_show_block(Reader, ON_EXCHANGE, t1->tx, (ULONG)t1->tx_size);
        return;
    }
    if (slot->Doing == CARD_RUNNING && t1->asked != 0) {
        return; /* no valid one, and the card has said so often enough */
    }
    if (slot->Doing == CARD_RUNNING) { /* S(WTX response) came */
        slot->Asked = FALSE;
        if (slot->Ready) {
            ready(Reader);
        }
        return;
    }
    if (Action == ISO7816_T1_COMMAND) {
        run_command(Reader, t1->in, (ULONG)t1->in_size);
    }
}

static VOID send_block(READER_EXTENSION *Reader, const UCHAR *Block, ULONG Length)
{
    struct vreader_slot *slot = Reader->Slot;
    BOOLEAN parity_ok = TRUE;

    if (fault_near(Reader)) {
        const struct vreader_line *line = line_block_to_card(Reader, ON_EXCHANGE, Block, Length);

        Block = line->Bytes;
        Length = line->Size;
        parity_ok = line->ParityOk;
    }
    if (Length > 0) {
        act_t1(Reader, iso7816_t1_card_receive(&slot->Engine.T1, Block, Length, parity_ok));
    }
}

/* ---- T=0 --------------------------------------------------------------------------------------------------------- */

static VOID act_t0(READER_EXTENSION *Reader, enum iso7816_t0_card_action Action)
{
    struct vreader_slot *slot = Reader->Slot;
    struct iso7816_t0_card *t0 = &slot->Engine.T0;

    if (Action == ISO7816_T0_CARD_SEND && line_busy(slot)) {
        return; /* a NULL that is late comes first, and then what is to be sent now */
    }
    if (Action == ISO7816_T0_CARD_SEND) {
        line_show_characters(Reader, t0->tx, (ULONG)t0->tx_size);
    } else if (Action == ISO7816_T0_CARD_COMMAND && slot->Doing != CARD_RUNNING) {
        run_command(Reader, t0->apdu, (ULONG)t0->apdu_size);
    }
}

static enum iso7816_t0_direction direction(void *Context, const uint8_t Header[5])
{
    struct vreader_slot *slot = Context;
    const struct card_kind *kind = slot->Card->kind;

    switch (kind->direction != NULL ? kind->direction(slot->Card, Header) : CARD_UNKNOWN) {
    case CARD_FROM_CARD:
        return ISO7816_T0_FROM_CARD;
    case CARD_TO_CARD:
        return ISO7816_T0_TO_CARD;
    default:
        return iso7816_t0_direction_of(Header);
    }
}

/* The card has sent what the reader did not take, because it took something else for the end. */
static VOID finish_sending(struct vreader_slot *Slot)
{
    if (line_busy(Slot)) {
        (void)iso7816_t0_card_sent(&Slot->Engine.T0);
    }
}

/* A wrong character is sent again, three times at most (ISO/IEC 7816-3:2006, 7.3); then the card has not got it. */
static VOID send_characters(READER_EXTENSION *Reader, const UCHAR *Bytes, ULONG Length)
{
    struct vreader_slot *slot = Reader->Slot;
    ULONG first = Reader->Op.ToCard - Length;
    ULONG i, again;

    if (fault_near(Reader) || Reader->Op.Cut[TO_CARD]) {
        Length = line_characters_to_card(Reader, first, Bytes, Length);
        Bytes = slot->ToCard.Bytes;
    }
    for (i = 0; i < Length && slot->Phase == PHASE_PROTOCOL; i++) {
        for (again = 0; fault_parity(Reader, TO_CARD, first + i); again++) {
            if (again == 3) {
                host_step(Reader->Op.Irp, HOST_LAYER_TRANSPORT, "T=0: character %u stays wrong on its way to the card",
                          first + i);
                return;
            }
            host_count(Reader->Op.Irp, 1, 0);
        }
        act_t0(Reader, iso7816_t0_card_receive(&slot->Engine.T0, Bytes[i], direction, slot));
    }
}

UCHAR wire_take_character(READER_EXTENSION *Reader, BOOLEAN *ParityOk)
{
    struct vreader_slot *slot = Reader->Slot;
    ULONG index = Reader->Op.ToReader;
    UCHAR byte = slot->Out[slot->OutAt];

    *ParityOk = TRUE;
    if (fault_parity(Reader, TO_READER, index)) {
        *ParityOk = FALSE;
        Reader->Op.Heard = TRUE;
        return (UCHAR)(byte ^ 0x01);
    }
    if (!fault_pass(Reader, 1, FALSE)) {
        return byte;
    }
    if (++slot->OutAt == (slot->InLine ? slot->ToReader.Real : slot->OutSize)) {
        act_t0(Reader, iso7816_t0_card_sent(&slot->Engine.T0));
    }
    return byte;
}

/* ---- commands and answers ---------------------------------------------------------------------------------------- */

static VOID run_command(READER_EXTENSION *Reader, UCHAR *Apdu, ULONG Length)
{
    struct vreader_slot *slot = Reader->Slot;
    const struct card_kind *kind = slot->Card->kind;
    NTSTATUS status = STATUS_PENDING;

    slot->Ticket++;
    slot->Asked = FALSE;
    slot->Ready = FALSE;
    slot->LeftUs = 0;
    if (slot->Secret != 0) {
        card_wipe(slot->Response, slot->ResponseLength); /* nobody has fetched it, and this one may be shorter */
    }
    if (!slot->Endless) {
        slot->ResponseLength = CARD_MAX_RESPONSE;
        status = kind->command(slot->Card, slot->Ticket, Apdu, Length, slot->Response, &slot->ResponseLength);
    }
    if (Length >= 2 && iso7816_command_is_secret(Apdu[0], Apdu[1])) {
        card_wipe(Apdu, Length);
    }
    if (status == STATUS_SUCCESS) {
        ULONG ms = kind->delay_ms != NULL ? kind->delay_ms(slot->Card) : 0;

        slot->LeftUs = ms < VREADER_NEVER / 1000 ? ms * 1000 : VREADER_NEVER;
    }
    if (status == STATUS_PENDING || (status == STATUS_SUCCESS && slot->LeftUs != 0)) {
        slot->Doing = CARD_RUNNING;
        pace(Reader);
    } else {
        wire_answer(Reader, status, NULL, slot->ResponseLength);
    }
}

/* Hand the response to the protocol's engine. */
static VOID give_answer(READER_EXTENSION *Reader)
{
    struct vreader_slot *slot = Reader->Slot;

    if (slot->Raw) {
        slot->Raw = FALSE;
        line_show(slot, slot->Response, slot->ResponseLength);
    } else if (slot->Protocol == 1) {
        act_t1(Reader, iso7816_t1_card_answer(&slot->Engine.T1, slot->Response, slot->ResponseLength));
    } else {
        act_t0(Reader, iso7816_t0_card_answer(&slot->Engine.T0, slot->Response, slot->ResponseLength));
    }
    hold(Reader);
}

/* 8.3: in specific mode TA1 holds from the answer to reset on, unless TA2 says that the rate is known some other way,
 * which is taken as the default here. */
static BOOLEAN rate_is_of_atr(const struct iso7816_atr *Atr)
{
    return Atr->specific && !Atr->specific_implicit;
}

static VOID show_atr(READER_EXTENSION *Reader, const UCHAR *Bytes, ULONG Length)
{
    struct vreader_slot *slot = Reader->Slot;
    UCHAR atr[ISO7816_ATR_MAX];

    if (slot->Warm && slot->WarmLength != 0) {
        Bytes = slot->WarmAtr;
        Length = slot->WarmLength;
    } else if (slot->AtrLength != 0) {
        Bytes = slot->Atr;
        Length = slot->AtrLength;
    }
    if (Length > sizeof atr) {
        Length = sizeof atr;
    }
    RtlCopyMemory(atr, Bytes, Length);
    if (Length > 0 && atr[0] == 0x03) { /* given as it looks on the line */
        SmartcardInvertData(atr, Length);
    }
    slot->Inverse = Length > 0 && atr[0] == 0x3F;
    (void)iso7816_atr_parse(atr, Length, &slot->Parsed, NULL);
    slot->CardFi = rate_is_of_atr(&slot->Parsed) ? slot->Parsed.fi : 1;
    slot->CardDi = rate_is_of_atr(&slot->Parsed) ? slot->Parsed.di : 1;
    slot->Resetting = FALSE;
    slot->Doing = CARD_IDLE;
    slot->Phase = PHASE_ATR;
    line_show_atr(Reader, atr, Length);
    hold(Reader);
}

VOID wire_answer(READER_EXTENSION *Reader, NTSTATUS Status, const UCHAR *Bytes, ULONG Length)
{
    struct vreader_slot *slot = Reader->Slot;

    if (slot->Endless && !slot->Resetting) {
        return;
    }
    if (Status == STATUS_NO_MEDIA) {
        vreader_depart(Reader, FALSE);
    } else if (!NT_SUCCESS(Status) || Length < (slot->Resetting ? 1u : 2u) || Length > CARD_MAX_RESPONSE) {
        vreader_timer_stop(&Reader->Pace);
        slot->Doing = CARD_IDLE;
        Reader->Op.Mute = TRUE;
        if (slot->Resetting && Reader->Wait.Armed) {
            vreader_timer_set(Reader, &Reader->Wait, VREADER_ATR_US); /* it is mute after all */
        }
    } else if (slot->Resetting) {
        show_atr(Reader, Bytes, Length);
    } else {
        if (Bytes != NULL) {
            RtlCopyMemory(slot->Response, Bytes, Length);
        }
        slot->ResponseLength = Length;
        vreader_timer_stop(&Reader->Pace);
        ready(Reader);
    }
}

/* ---- reset and protocols ----------------------------------------------------------------------------------------- */

static VOID forget(READER_EXTENSION *Reader)
{
    struct vreader_slot *slot = Reader->Slot;

    vreader_timer_stop(&Reader->Pace);
    slot->Ticket++;
    slot->Doing = CARD_IDLE;
    slot->Resetting = FALSE;
    slot->Asked = FALSE;
    slot->Ready = FALSE;
    slot->Raw = FALSE;
    slot->LeftUs = 0;
    card_wipe(slot->Stale, slot->StaleLength);
    slot->StaleLength = 0;
    line_show(slot, NULL, 0);
}

VOID wire_reset(READER_EXTENSION *Reader, BOOLEAN Cold, ULONG *Us)
{
    struct vreader_slot *slot = Reader->Slot;
    UCHAR atr[ISO7816_ATR_MAX];
    ULONG length = sizeof atr;
    NTSTATUS status;

    *Us = VREADER_ATR_US;
    forget(Reader);
    slot->Phase = PHASE_OFF;
    slot->Talked = FALSE;
    slot->Resync = FALSE;
    slot->NoIfs = FALSE;
    slot->Protocol = 0;
    slot->Selected = 0;
    slot->Resetting = TRUE;
    slot->Warm = !Cold;
    if (Reader->Op.Mute) {
        return;
    }
    status = slot->Card->kind->reset(slot->Card, Cold, slot->Ticket, atr, &length);
    if (status == STATUS_PENDING) {
        slot->Doing = CARD_RUNNING;
        *Us = VREADER_PEER_US;
    } else {
        wire_answer(Reader, status, atr, length);
    }
}

VOID wire_power_off(READER_EXTENSION *Reader)
{
    struct vreader_slot *slot = Reader->Slot;

    forget(Reader);
    if (slot->Phase != PHASE_OFF || slot->Talked) {
        slot->Phase = PHASE_OFF;
    }
    if (slot->Card->kind->power_off != NULL) {
        slot->Card->kind->power_off(slot->Card);
    }
}

static VOID start_engine(struct vreader_slot *Slot)
{
    if (Slot->Protocol == 1) {
        struct iso7816_t1_config config = {
            .edc = wire_edc(Slot),
            .nad = 0,
            .ifsc = Slot->Parsed.ifsc != 0 ? Slot->Parsed.ifsc : 32,
            .ifsd = 32,
        };

        iso7816_t1_card_init(&Slot->Engine.T1, &config, Slot->Command, sizeof Slot->Command);
    } else {
        iso7816_t0_card_init(&Slot->Engine.T0, Slot->Command, sizeof Slot->Command, Slot->Response,
                             sizeof Slot->Response);
    }
}

VOID wire_protocol(READER_EXTENSION *Reader, UCHAR Protocol, UCHAR Fi, UCHAR Di)
{
    struct vreader_slot *slot = Reader->Slot;

    slot->Phase = PHASE_PROTOCOL;
    slot->Protocol = Protocol;
    slot->Selected = Protocol == 1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0;
    slot->Fi = Fi;
    slot->Di = Di;
    iso7816_timing(&slot->Parsed, Protocol, Fi, Di, VREADER_CLOCK_KHZ, &slot->Timing);
    start_engine(slot);
}

VOID wire_protocol_of_atr(READER_EXTENSION *Reader)
{
    const struct iso7816_atr *atr = &Reader->Slot->Parsed;
    BOOLEAN own = rate_is_of_atr(atr);

    wire_protocol(Reader, (atr->specific ? atr->specific_protocol : atr->first_protocol) == 1, own ? atr->fi : 1,
                  own ? atr->di : 1);
}

/* How the card takes this request. */
static enum vreader_pps pps_answer(const struct vreader_slot *Slot, const struct iso7816_pps *Wanted)
{
    ULONG f = iso7816_f(Wanted->pps1 >> 4), d = iso7816_d(Wanted->pps1 & 0x0F);

    if (Slot->FastestD == 0) {
        return Slot->PpsAnswer;
    }
    if (!Wanted->has_pps1 || d * Slot->FastestF <= Slot->FastestD * f) {
        return PPS_AGREE;
    }
    return Slot->PpsAnswer == PPS_AGREE ? PPS_DEFAULT_RATE : Slot->PpsAnswer;
}

/* PPS (ISO/IEC 7816-3:2006, 9.3): what the card answers; it then keeps to what was agreed. */
static VOID send_pps(READER_EXTENSION *Reader, const UCHAR *Bytes, ULONG Length)
{
    struct vreader_slot *slot = Reader->Slot;
    const struct vreader_line *request;
    struct iso7816_pps agreed;
    ULONG size;

    if (Length > ISO7816_PPS_MAX) {
        return;
    }
    request = line_block_to_card(Reader, ON_PPS, Bytes, Length);
    size = (ULONG)iso7816_pps_answer(&slot->Parsed, request->Bytes, request->Size, slot->Pps, &agreed);
    if (size == 0 || !request->ParityOk || pps_answer(slot, &agreed) == PPS_MUTE) {
        return; /* 9.3: it does not answer what it does not understand */
    }
    if (pps_answer(slot, &agreed) == PPS_DEFAULT_RATE) {
        agreed = (struct iso7816_pps){.protocol = agreed.protocol, .pps1 = 0x11};
        size = (ULONG)iso7816_pps_build(&agreed, slot->Pps);
    }
    slot->CardFi = agreed.pps1 >> 4;
    slot->CardDi = agreed.pps1 & 0x0F;
    line_show_block(Reader, ON_PPS, slot->Pps, size);
    hold(Reader);
}

VOID wire_send(READER_EXTENSION *Reader, const UCHAR *Bytes, ULONG Length)
{
    struct vreader_slot *slot = Reader->Slot;

    if (!vreader_present(Reader) || !fault_pass(Reader, Length, TRUE)) {
        return;
    }
    slot->Talked = TRUE;
    if (Reader->Op.Mute || slot->Doing == CARD_HOLDING || (slot->Doing == CARD_RUNNING && !slot->Asked) ||
        Reader->Line.Armed) {
        return; /* nobody listens */
    }
    if (slot->Phase == PHASE_PROTOCOL && slot->Protocol == 0) {
        finish_sending(slot);
    }
    line_show(slot, NULL, 0);
    if (slot->Phase == PHASE_PROTOCOL && (slot->Fi != slot->CardFi || slot->Di != slot->CardDi)) {
        return; /* noise */
    }
    if (slot->Phase == PHASE_ATR) {
        send_pps(Reader, Bytes, Length);
    } else if (slot->Phase == PHASE_PROTOCOL && slot->Protocol == 1) {
        send_block(Reader, Bytes, Length);
    } else if (slot->Phase == PHASE_PROTOCOL) {
        send_characters(Reader, Bytes, Length);
    }
}

VOID wire_raw(READER_EXTENSION *Reader, const UCHAR *Apdu, ULONG Length)
{
    struct vreader_slot *slot = Reader->Slot;

    if (!vreader_present(Reader) || !fault_pass(Reader, Length, TRUE) || Reader->Op.Mute ||
        Length > sizeof slot->Command) {
        return;
    }
    slot->Raw = TRUE;
    line_show(slot, NULL, 0);
    RtlCopyMemory(slot->Command, Apdu, Length);
    run_command(Reader, slot->Command, Length);
}

VOID wire_abandon(READER_EXTENSION *Reader)
{
    struct vreader_slot *slot = Reader->Slot;
    BOOLEAN resetting = slot->Resetting;

    if (Reader->Op.Wire == 0 && slot->Doing == CARD_IDLE && !resetting) {
        return; /* nothing was said */
    }
    forget(Reader);
    if (resetting) {
        slot->Phase = PHASE_OFF;
        if (slot->Card->kind->power_off != NULL) {
            slot->Card->kind->power_off(slot->Card);
        }
        vreader_set_state(Reader, SCARD_PRESENT);
    } else if (slot->Phase == PHASE_PROTOCOL) {
        start_engine(slot);
        slot->Resync = slot->Protocol == 1;
    }
}

/* The engine of the protocol still needs what it has of a command, or of a response; or a block is to come again. */
static BOOLEAN still_needed(const struct vreader_slot *Slot)
{
    const struct iso7816_t0_card *t0 = &Slot->Engine.T0;

    return Slot->StaleLength > 0 || (Slot->Phase == PHASE_PROTOCOL && Slot->Protocol == 0 &&
                                     (t0->holding || t0->repeats || t0->envelope_size > 0));
}

VOID wire_forget(READER_EXTENSION *Reader)
{
    struct vreader_slot *slot = Reader->Slot;
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;

    card_wipe(smartcard->SmartcardRequest.Buffer, smartcard->SmartcardRequest.BufferSize);
    card_wipe(smartcard->SmartcardReply.Buffer, smartcard->SmartcardReply.BufferSize);
    if (slot == NULL) {
        return;
    }
    card_wipe(slot->ToCard.Bytes, sizeof slot->ToCard.Bytes);
    card_wipe(slot->ToReader.Bytes, sizeof slot->ToReader.Bytes);
    slot->Secret += Reader->Op.ToCard + 1;
    if (slot->Phase == PHASE_PROTOCOL && slot->Protocol == 1 && (slot->Engine.T1.tx[1] & 0x80) == 0) {
        card_wipe(slot->Engine.T1.tx, sizeof slot->Engine.T1.tx); /* an I-block, which is never sent from here again */
    } else if (slot->Phase == PHASE_PROTOCOL && slot->Protocol == 0) {
        card_wipe(slot->Engine.T0.out, sizeof slot->Engine.T0.out);
    }
    if (!still_needed(slot)) {
        card_wipe(slot->Command, slot->Secret < sizeof slot->Command ? slot->Secret : sizeof slot->Command);
        card_wipe(slot->Response, slot->ResponseLength < sizeof slot->Response ? slot->ResponseLength : 0);
        slot->Secret = 0;
    }
}
