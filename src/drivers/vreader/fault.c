/* SPDX-License-Identifier: MIT */
/* Faults: whether one hits now, and what it makes of the characters that pass. Their words are fault_text.c's, what
 * reader and card make of the rest is wire.c's. */
#include "vreader.h"

ULONG fault_count(const READER_EXTENSION *Reader)
{
    return Reader->Armed;
}

/* Its turn has come: does it hit? Counts down, and frees its place after the last time. */
static BOOLEAN hits(READER_EXTENSION *Reader, struct vreader_fault *fault)
{
    if (fault->Skip > 0) {
        fault->Skip--;
        return FALSE;
    }
    if (!fault->Forever && --fault->Count == 0) {
        fault->Kind = FAULT_NONE;
        Reader->Armed--;
    }
    return TRUE;
}

/* ---- exchanges --------------------------------------------------------------------------------------------------- */

static BOOLEAN of_exchanges(const struct vreader_fault *fault)
{
    return fault->Kind >= FAULT_MUTE && fault->Kind <= FAULT_LATE;
}

BOOLEAN fault_exchange(READER_EXTENSION *Reader)
{
    struct vreader_op *op = &Reader->Op;
    BOOLEAN before = FALSE;
    ULONG i;

    for (i = 0; Reader->Armed > 0 && i < VREADER_FAULTS; i++) {
        struct vreader_fault fault = Reader->Faults[i];

        if (!of_exchanges(&fault) || !hits(Reader, &Reader->Faults[i])) {
            continue;
        }
        switch (fault.Kind) {
        case FAULT_MUTE:
            op->Mute = TRUE;
            break;
        case FAULT_WTX:
            Reader->Slot->Endless = TRUE;
            break;
        case FAULT_LATE:
            Reader->Slot->LateUs = fault.Us;
            break;
        default:
            before |= fault.When == WHEN_BEFORE;
            op->RemoveAfter |= fault.When == WHEN_AFTER;
            if (fault.When == WHEN_DURING && fault.Byte < op->RemoveAt[fault.Way]) {
                op->RemoveAt[fault.Way] = fault.Byte;
            }
        }
    }
    if (before) {
        vreader_depart(Reader, TRUE);
    }
    return !before;
}

VOID fault_exchange_over(READER_EXTENSION *Reader)
{
    if (Reader->Op.RemoveAfter && vreader_present(Reader)) {
        vreader_depart(Reader, TRUE);
    }
}

BOOLEAN fault_pass(READER_EXTENSION *Reader, ULONG Length, BOOLEAN ToCard)
{
    struct vreader_op *op = &Reader->Op;

    if (ToCard) {
        op->ToCard += Length;
    } else {
        op->ToReader += Length;
        op->Heard = TRUE;
    }
    op->Wire += Length;
    if (op->Wire <= op->RemoveAt[BOTH_WAYS] && op->ToCard <= op->RemoveAt[TO_CARD] &&
        op->ToReader <= op->RemoveAt[TO_READER]) {
        return TRUE;
    }
    vreader_depart(Reader, TRUE);
    return FALSE;
}

/* ---- the line ---------------------------------------------------------------------------------------------------- */

BOOLEAN fault_near(const READER_EXTENSION *Reader)
{
    return Reader->Armed > 0 || Reader->Slot->StaleLength > 0;
}

static VOID put_in(struct vreader_line *line, ULONG at, const UCHAR *bytes, ULONG length)
{
    if (length > sizeof line->Bytes - line->Size) {
        length = sizeof line->Bytes - line->Size;
    }
    RtlMoveMemory(line->Bytes + at + length, line->Bytes + at, line->Size - at);
    RtlCopyMemory(line->Bytes + at, bytes, length);
    line->Size += length;
    if (at < line->Real) {
        line->Real += length;
    }
}

static VOID stop(struct vreader_line *line, ULONG at, ULONG us)
{
    ULONG i = line->StopCount++;

    for (; i > 0 && line->Stops[i - 1].At > at; i--) {
        line->Stops[i] = line->Stops[i - 1];
    }
    line->Stops[i].At = at;
    line->Stops[i].Us = us;
}

/* Make the check character fit: EDC, TCK where there is one, PCK. They are the line's last. */
static VOID mend(const struct vreader_slot *slot, enum vreader_on on, struct vreader_line *line)
{
    ULONG edc = on == ON_EXCHANGE ? (ULONG)iso7816_edc_size(wire_edc(slot)) : 1;
    ULONG first = on == ON_ATR; /* TS does not count */

    if (line->Size <= first + edc || (on == ON_ATR && !slot->Parsed.has_tck)) {
        return;
    }
    iso7816_edc_append(line->Bytes + first, line->Size - first - edc,
                       on == ON_EXCHANGE ? wire_edc(slot) : ISO7816_EDC_LRC);
}

static VOID replace(const struct vreader_slot *slot, const struct vreader_fault *fault, struct vreader_line *line)
{
    BOOLEAN none = fault->On == ON_ATR && !slot->Parsed.has_tck;

    RtlCopyMemory(line->Bytes, fault->Hex, fault->HexLength);
    line->Size = fault->HexLength;
    if (fault->Mend && !none) {
        line->Size += fault->On == ON_EXCHANGE ? (ULONG)iso7816_edc_size(wire_edc(slot)) : 1;
        mend(slot, fault->On, line);
    }
}

static VOID remember(struct vreader_slot *slot, const struct vreader_fault *fault, const struct vreader_line *line)
{
    ULONG size = line->Size < sizeof slot->Stale ? line->Size : sizeof slot->Stale;

    RtlCopyMemory(slot->Stale, line->Bytes, size);
    slot->StaleLength = size;
    slot->StaleOn = fault->On;
    slot->StaleWay = fault->Way;
}

/* The faults that blocks and T=0 characters share; at < Size, or Size for `extra`. */
static VOID disturb(const struct vreader_slot *slot, const struct vreader_fault *fault, BOOLEAN block, ULONG at,
                    struct vreader_line *line)
{
    switch (fault->Kind) {
    case FAULT_ALTER:
        line->Bytes[at] = (UCHAR)((line->Bytes[at] & fault->And) ^ fault->Xor);
        if (block && fault->Mend) {
            mend(slot, fault->On, line);
        }
        break;
    case FAULT_CUT:
        line->Size = at;
        break;
    case FAULT_EXTRA:
        put_in(line, at, fault->Hex, fault->HexLength);
        break;
    case FAULT_DELAY:
        stop(line, at, fault->Us);
        break;
    default:
        break;
    }
}

/* How often a character with a parity error is sent again. A card that offers T=0 does so from its answer to reset on,
 * others need not (ISO/IEC 7816-3:2006, 7.3), and do not; a T=1 block is repeated as a whole. */
static ULONG repetitions(const READER_EXTENSION *Reader, enum vreader_on On)
{
    return On != ON_EXCHANGE && (Reader->Slot->Parsed.protocols & 1u) != 0 ? 3u : 0u;
}

/* Returns whether the character stays wrong. *Turn: the fault's turn has come, and it hit. */
static BOOLEAN parity(READER_EXTENSION *Reader, struct vreader_fault *fault, enum vreader_on on)
{
    ULONG again = 0;

    for (;;) {
        if (again++ == repetitions(Reader, on)) {
            return TRUE;
        }
        host_count(Reader->Op.Irp, 1, 0);
        if (fault->Kind != FAULT_PARITY || !hits(Reader, fault)) {
            return FALSE;
        }
    }
}

static VOID disturb_block(READER_EXTENSION *Reader, struct vreader_fault *armed, const struct vreader_fault *fault,
                          struct vreader_line *line)
{
    struct vreader_slot *slot = Reader->Slot;
    ULONG at = fault->Byte < line->Size ? fault->Byte : line->Size - 1;

    switch (fault->Kind) {
    case FAULT_EDC:
        line->Bytes[at] ^= 0x01;
        break;
    case FAULT_PARITY:
        if (parity(Reader, armed, fault->On)) {
            line->Bytes[at] ^= 0x01;
            line->ParityOk = FALSE;
        }
        break;
    case FAULT_REPLACE:
        replace(slot, fault, line);
        break;
    case FAULT_DUPLICATE:
        remember(slot, fault, line);
        break;
    default:
        disturb(slot, fault, TRUE, fault->Kind == FAULT_EXTRA && fault->Byte >= line->Size ? line->Size : at, line);
        break;
    }
}

BOOLEAN fault_block(READER_EXTENSION *Reader, enum vreader_on On, enum vreader_way Way, struct vreader_line *Line)
{
    struct vreader_slot *slot = Reader->Slot;
    BOOLEAN hit = FALSE;
    ULONG i;

    if (slot->StaleLength > 0 && slot->StaleOn == On && slot->StaleWay == Way) {
        RtlCopyMemory(Line->Bytes, slot->Stale, slot->StaleLength);
        Line->Size = slot->StaleLength;
        card_wipe(slot->Stale, slot->StaleLength);
        slot->StaleLength = 0;
        hit = TRUE;
    }
    for (i = 0; i < VREADER_FAULTS && Line->Size > 0; i++) {
        struct vreader_fault *armed = &Reader->Faults[i];
        struct vreader_fault fault = *armed;

        if (fault.Kind < FAULT_EDC || fault.On != On || fault.Way != Way || !hits(Reader, armed)) {
            continue;
        }
        hit = TRUE;
        disturb_block(Reader, armed, &fault, Line);
    }
    return hit;
}

VOID fault_characters(READER_EXTENSION *Reader, enum vreader_way Way, ULONG First, struct vreader_line *Line)
{
    ULONG i;

    for (i = 0; i < VREADER_FAULTS; i++) {
        struct vreader_fault fault = Reader->Faults[i];
        BOOLEAN behind = fault.Kind == FAULT_EXTRA && fault.Byte == VREADER_NEVER;
        ULONG at = behind ? Line->Size : fault.Byte - First;

        if (fault.Kind < FAULT_ALTER || fault.Kind == FAULT_REPLACE || fault.Kind == FAULT_DUPLICATE ||
            fault.On != ON_EXCHANGE || fault.Way != Way || (!behind && (fault.Byte < First || at >= Line->Size)) ||
            !hits(Reader, &Reader->Faults[i])) {
            continue;
        }
        Reader->Op.Cut[Way] |= fault.Kind == FAULT_CUT;
        disturb(Reader->Slot, &fault, FALSE, at, Line);
    }
}

BOOLEAN fault_parity(READER_EXTENSION *Reader, enum vreader_way Way, ULONG Index)
{
    ULONG i;

    for (i = 0; Reader->Armed > 0 && i < VREADER_FAULTS; i++) {
        struct vreader_fault *fault = &Reader->Faults[i];

        if (fault->Kind == FAULT_PARITY && fault->On == ON_EXCHANGE && fault->Way == Way && fault->Byte == Index &&
            hits(Reader, fault)) {
            return TRUE;
        }
    }
    return FALSE;
}
