/* SPDX-License-Identifier: MIT */
/*
 * How characters arrive, and when: on the reader's side and on the card's, after what faults have made of them. What is
 * sent, and what follows from what came, is wire.c's and the engines'.
 *
 * Each side takes a block to be whole when as many characters have come as it announces, or when the next one does not
 * come in the time that may pass between two (ISO/IEC 7816-3:2006, 11.4.3: CWT; 8.1 and clause 9: 9600 etu); what comes
 * behind its end is lost. While a card is in the middle of sending it does not listen. Without faults all of a block
 * comes at once, and none of this is looked at.
 */
#include "vreader.h"

/* Between two characters of an answer to reset or of PPS, 9600 etu at the default rate. */
#define INITIAL_WAIT_US (9600u * 372u / (VREADER_CLOCK_KHZ / 1000u))

/* ---- to the reader ----------------------------------------------------------------------------------------------- */

/* All of it arrives at once; Length 0: what was there is gone. */
VOID line_show(struct vreader_slot *Slot, const UCHAR *Bytes, ULONG Length)
{
    Slot->Out = Bytes;
    Slot->OutSize = Length;
    Slot->OutAt = 0;
    Slot->Arrived = Length;
    Slot->Whole = TRUE;
    Slot->InLine = FALSE;
    if (Slot->Reader->Line.Armed) {
        vreader_timer_stop(&Slot->Reader->Line);
    }
}

BOOLEAN wire_waiting(const READER_EXTENSION *Reader)
{
    const struct vreader_slot *slot = Reader->Slot;

    return slot != NULL && slot->Doing != CARD_HOLDING && slot->OutAt < slot->Arrived && slot->Whole;
}

static VOID line_set(struct vreader_line *Line, const UCHAR *Bytes, ULONG Length)
{
    RtlCopyMemory(Line->Bytes, Bytes, Length);
    Line->Size = Length;
    Line->Real = Length;
    Line->ParityOk = TRUE;
    Line->StopCount = 0;
    Line->StopAt = 0;
}

/* How many characters whoever listens expects, once it has got these. */
static ULONG expected(const struct vreader_slot *Slot, enum vreader_on On, const UCHAR *Bytes, ULONG Length)
{
    UCHAR atr[ISO7816_ATR_MAX];

    switch (On) {
    case ON_EXCHANGE:
        return (ULONG)iso7816_t1_expected(Bytes, Length, wire_edc(Slot));
    case ON_PPS:
        return (ULONG)iso7816_pps_expected(Bytes, Length);
    default:
        if (Length > sizeof atr) {
            Length = sizeof atr;
        }
        RtlCopyMemory(atr, Bytes, Length);
        if (Slot->Inverse) {
            SmartcardInvertData(atr, Length);
        }
        return (ULONG)iso7816_atr_expected(atr, Length);
    }
}

/* Between two characters, in microseconds. */
static ULONG character_wait(const struct vreader_slot *Slot, enum vreader_on On)
{
    return On == ON_EXCHANGE ? (ULONG)((Slot->Timing.cwt_ns + 999) / 1000) : INITIAL_WAIT_US;
}

/* What comes without a stop arrives. T=0 characters are taken one by one, so there is no block to wait for. */
static VOID arrive(READER_EXTENSION *Reader)
{
    struct vreader_slot *slot = Reader->Slot;
    const struct vreader_line *line = &slot->ToReader;
    ULONG length;

    slot->Arrived = slot->OutSize;
    if (line->StopAt < line->StopCount && line->Stops[line->StopAt].At < slot->OutSize) {
        slot->Arrived = line->Stops[line->StopAt].At;
        vreader_timer_set(Reader, &Reader->Line, line->Stops[line->StopAt].Us);
    }
    length = slot->Arrived - slot->OutAt;
    slot->Whole = slot->Phase == PHASE_PROTOCOL && slot->Protocol == 0
                      ? TRUE
                      : length > 0 && expected(slot, slot->On, slot->Out + slot->OutAt, length) <= length;
    if (length > 0 && !slot->Whole && Reader->Wait.Armed) {
        vreader_timer_set(Reader, &Reader->Wait, character_wait(slot, slot->On));
    }
}

VOID wire_arrive(READER_EXTENSION *Reader)
{
    Reader->Slot->ToReader.StopAt++;
    arrive(Reader);
}

static VOID show_line(READER_EXTENSION *Reader, enum vreader_on On)
{
    struct vreader_slot *slot = Reader->Slot;

    line_show(slot, slot->ToReader.Bytes, slot->ToReader.Size);
    slot->On = (UCHAR)On;
    slot->InLine = TRUE;
    arrive(Reader);
}

/* A T=1 block or a PPS block leaves the card. */
VOID line_show_block(READER_EXTENSION *Reader, enum vreader_on On, const UCHAR *Bytes, ULONG Length)
{
    struct vreader_slot *slot = Reader->Slot;

    if (fault_near(Reader)) {
        line_set(&slot->ToReader, Bytes, Length);
        if (fault_block(Reader, On, TO_READER, &slot->ToReader)) {
            show_line(Reader, On);
            return;
        }
    }
    line_show(slot, Bytes, Length);
}

/* Characters of T=0 leave the card. */
VOID line_show_characters(READER_EXTENSION *Reader, const UCHAR *Bytes, ULONG Length)
{
    struct vreader_slot *slot = Reader->Slot;

    if (!fault_near(Reader) && !Reader->Op.Cut[TO_READER]) {
        line_show(slot, Bytes, Length);
        return;
    }
    line_set(&slot->ToReader, Bytes, Length);
    if (Reader->Op.Cut[TO_READER]) {
        slot->ToReader.Size = 0;
    } else {
        fault_characters(Reader, TO_READER, Reader->Op.ToReader, &slot->ToReader);
    }
    show_line(Reader, ON_EXCHANGE);
}

/* Decoded; the inverse convention is for the line. */
VOID line_show_atr(READER_EXTENSION *Reader, const UCHAR *Bytes, ULONG Length)
{
    struct vreader_slot *slot = Reader->Slot;
    BOOLEAN hit;

    line_set(&slot->ToReader, Bytes, Length);
    hit = fault_near(Reader) && fault_block(Reader, ON_ATR, TO_READER, &slot->ToReader);
    if (slot->Inverse) {
        SmartcardInvertData(slot->ToReader.Bytes, slot->ToReader.Size);
    }
    if (hit) {
        show_line(Reader, ON_ATR);
    } else {
        line_show(slot, slot->ToReader.Bytes, Length);
    }
}

BOOLEAN line_busy(const struct vreader_slot *Slot)
{
    return Slot->InLine && Slot->OutAt < Slot->ToReader.Real;
}

/* Some of a block has come, and more is to come. */
static BOOLEAN partial(const struct vreader_slot *Slot)
{
    return Slot != NULL && Slot->OutAt < Slot->Arrived && !Slot->Whole;
}

ULONG wire_patience(const READER_EXTENSION *Reader, ULONG Us)
{
    return partial(Reader->Slot) ? character_wait(Reader->Slot, Reader->Slot->On) : Us;
}

BOOLEAN wire_cut_off(READER_EXTENSION *Reader)
{
    BOOLEAN cut = partial(Reader->Slot);

    if (cut) {
        Reader->Slot->Whole = TRUE;
    }
    return cut;
}

ULONG wire_take(READER_EXTENSION *Reader, UCHAR *Buffer, ULONG Room, BOOLEAN *ParityOk)
{
    struct vreader_slot *slot = Reader->Slot;
    ULONG length = slot->Arrived - slot->OutAt;

    *ParityOk = !slot->InLine || slot->ToReader.ParityOk;
    if (!fault_pass(Reader, length, FALSE)) {
        return 0;
    }
    if (slot->InLine) {
        ULONG whole = expected(slot, slot->On, slot->Out + slot->OutAt, length);

        length = length < whole ? length : whole;
    }
    if (length > Room) {
        length = Room;
    }
    RtlCopyMemory(Buffer, slot->Out + slot->OutAt, length);
    slot->OutAt = slot->Arrived;
    slot->Whole = FALSE;
    return length;
}

/* ---- to the card ------------------------------------------------------------------------------------------------- */

/* What the card gets of a block: up to its end, or to a pause that is too long. */
static VOID listen(const struct vreader_slot *Slot, enum vreader_on On, struct vreader_line *Line)
{
    ULONG limit = character_wait(Slot, On);
    ULONG whole, i;

    for (i = 0; i < Line->StopCount; i++) {
        if (Line->Stops[i].Us > limit && Line->Stops[i].At > 0 && Line->Stops[i].At < Line->Size) {
            Line->Size = Line->Stops[i].At;
        }
    }
    whole = expected(Slot, On, Line->Bytes, Line->Size);
    if (Line->Size > whole) {
        Line->Size = whole;
    }
}

/* A block on its way to the card, in ToCard. */
const struct vreader_line *line_block_to_card(READER_EXTENSION *Reader, enum vreader_on On, const UCHAR *Block,
                                              ULONG Length)
{
    struct vreader_line *line = &Reader->Slot->ToCard;

    line_set(line, Block, Length);
    if (fault_near(Reader) && fault_block(Reader, On, TO_CARD, line)) {
        listen(Reader->Slot, On, line);
    }
    return line;
}

/* What is left of them, in ToCard; returns how many. A pause longer than WWT (10.2) ends it for the card. */
ULONG line_characters_to_card(READER_EXTENSION *Reader, ULONG First, const UCHAR *Bytes, ULONG Length)
{
    struct vreader_line *line = &Reader->Slot->ToCard;
    ULONG i;

    line_set(line, Bytes, Length);
    if (Reader->Op.Cut[TO_CARD]) {
        return 0;
    }
    fault_characters(Reader, TO_CARD, First, line);
    for (i = 0; i < line->StopCount; i++) {
        if (line->Stops[i].Us > Reader->Slot->Timing.wwt_ns / 1000 && line->Stops[i].At < line->Size) {
            line->Size = line->Stops[i].At;
            Reader->Op.Cut[TO_CARD] = TRUE;
        }
    }
    return line->Size;
}
