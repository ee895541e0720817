/* SPDX-License-Identifier: MIT */
/* Faults: parsing, arming, and whether one hits now. What a fault does to the line is wire.c's business. */
#include "vreader.h"

static const struct {
    const char *name;
    UCHAR kind;
} kinds[] = {
    {"mute", FAULT_MUTE},     {"remove", FAULT_REMOVE}, {"edc", FAULT_EDC},
    {"parity", FAULT_PARITY}, {"wtx", FAULT_WTX},       {"late", FAULT_LATE},
};

/* Which options a fault takes, by kind; count and skip fit all. */
#define OPTIONS 5u
static const char *const options_of[][OPTIONS] = {
    [FAULT_MUTE] = {"count", "skip"},
    [FAULT_REMOVE] = {"count", "skip", "when", "byte"},
    [FAULT_EDC] = {"count", "skip", "byte", "to", "on"},
    [FAULT_PARITY] = {"count", "skip", "byte", "to", "on"},
    [FAULT_WTX] = {"count", "skip"},
    [FAULT_LATE] = {"count", "skip", "ms"},
};

static BOOLEAN same(const char *value, ULONG length, const char *word)
{
    ULONG i;

    for (i = 0; i < length && word[i] != '\0' && value[i] == word[i]; i++) {
    }
    return i == length && word[i] == '\0';
}

static BOOLEAN parse_numbers(struct vreader_fault *fault, const struct card_options *options, struct card_text *why)
{
    const struct {
        const char *key;
        ULONG *number;
        ULONG max;
    } rows[] = {
        {"count", &fault->Count, 1000000},
        {"skip", &fault->Skip, 1000000},
        {"byte", &fault->Byte, 1000000},
        {"ms", &fault->Ms, 3600000},
    };
    const char *value;
    ULONG i, length;

    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (card_option(options, rows[i].key, &value, &length) &&
            !card_number(value, length, rows[i].max, rows[i].number)) {
            card_text_add(why, rows[i].key);
            card_text_add(why, " wants a number of at most ");
            card_text_number(why, rows[i].max);
            return FALSE;
        }
    }
    fault->Forever = fault->Count == 0;
    return TRUE;
}

static BOOLEAN parse_words(struct vreader_fault *fault, const struct card_options *options, struct card_text *why)
{
    static const char *const whens[] = {"before", "during", "after"};
    static const char *const ons[] = {"exchange", "atr", "pps"};
    const char *value;
    ULONG length;

    if (card_option(options, "when", &value, &length)) {
        for (fault->When = 0; fault->When < 3 && !same(value, length, whens[fault->When]); fault->When++) {
        }
        if (fault->When == 3) {
            card_text_add(why, "when wants before, during or after");
            return FALSE;
        }
    }
    if (card_option(options, "to", &value, &length)) {
        fault->ToCard = same(value, length, "card");
        if (!fault->ToCard && !same(value, length, "reader")) {
            card_text_add(why, "to wants card or reader");
            return FALSE;
        }
    }
    if (card_option(options, "on", &value, &length)) {
        for (fault->On = 0; fault->On < 3 && !same(value, length, ons[fault->On]); fault->On++) {
        }
        if (fault->On == 3) {
            card_text_add(why, "on wants exchange, atr or pps");
            return FALSE;
        }
        if (fault->On == ON_ATR && fault->ToCard) {
            card_text_add(why, "an answer to reset goes to the reader");
            return FALSE;
        }
    }
    if (fault->Kind == FAULT_LATE && fault->Ms == 0) {
        card_text_add(why, "late wants ms=N, N from 1 on");
        return FALSE;
    }
    return TRUE;
}

NTSTATUS fault_arm(READER_EXTENSION *Reader, const char *Text, ULONG Length, struct card_text *Why)
{
    struct vreader_fault fault = {.Count = 1, .When = WHEN_BEFORE};
    struct card_options options;
    const char *keys[OPTIONS + 1] = {NULL};
    char key_why[64];
    ULONG size = 0;
    ULONG i;

    while (size < Length && Text[size] != ' ' && Text[size] != '\t') {
        size++;
    }
    if (same(Text, size, "none")) {
        RtlZeroMemory(Reader->Faults, sizeof Reader->Faults);
        return STATUS_SUCCESS;
    }
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (same(Text, size, kinds[i].name)) {
            fault.Kind = kinds[i].kind;
        }
    }
    if (fault.Kind == FAULT_NONE) {
        card_text_add(Why, "a fault is one of none mute remove edc parity wtx late");
        return STATUS_INVALID_PARAMETER;
    }
    options.line = Text + size;
    options.line_length = Length - size;
    options.body = NULL;
    options.body_length = 0;
    for (i = 0; i < OPTIONS; i++) {
        keys[i] = options_of[fault.Kind][i];
    }
    if (!card_options_known(&options, keys, key_why, sizeof key_why)) {
        card_text_add(Why, key_why);
        return STATUS_INVALID_PARAMETER;
    }
    if (!parse_numbers(&fault, &options, Why) || !parse_words(&fault, &options, Why)) {
        return STATUS_INVALID_PARAMETER;
    }
    for (i = 0; i < VREADER_FAULTS; i++) {
        if (Reader->Faults[i].Kind == FAULT_NONE) {
            Reader->Faults[i] = fault;
            return STATUS_SUCCESS;
        }
    }
    card_text_add(Why, "eight faults are armed already; fault none disarms them");
    return STATUS_INSUFFICIENT_RESOURCES;
}

ULONG fault_count(const READER_EXTENSION *Reader)
{
    ULONG count = 0;
    ULONG i;

    for (i = 0; i < VREADER_FAULTS; i++) {
        count += Reader->Faults[i].Kind != FAULT_NONE;
    }
    return count;
}

/* Its turn has come: does it hit? Counts down, and frees its place after the last time. */
static BOOLEAN hits(struct vreader_fault *fault)
{
    if (fault->Skip > 0) {
        fault->Skip--;
        return FALSE;
    }
    if (!fault->Forever && --fault->Count == 0) {
        fault->Kind = FAULT_NONE;
    }
    return TRUE;
}

BOOLEAN fault_exchange(READER_EXTENSION *Reader)
{
    struct vreader_op *op = &Reader->Op;
    BOOLEAN before = FALSE;
    ULONG i;

    for (i = 0; i < VREADER_FAULTS; i++) {
        struct vreader_fault fault = Reader->Faults[i];

        if ((fault.Kind != FAULT_MUTE && fault.Kind != FAULT_REMOVE && fault.Kind != FAULT_WTX &&
             fault.Kind != FAULT_LATE) ||
            !hits(&Reader->Faults[i])) {
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
            Reader->Slot->LateUs = fault.Ms < 4000000 ? fault.Ms * 1000 : VREADER_NEVER;
            break;
        default:
            before |= fault.When == WHEN_BEFORE;
            op->RemoveAfter |= fault.When == WHEN_AFTER;
            if (fault.When == WHEN_DURING && fault.Byte < op->RemoveAt) {
                op->RemoveAt = fault.Byte;
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
    if (op->Wire <= op->RemoveAt || op->RemoveAt == VREADER_NEVER) {
        return TRUE;
    }
    vreader_depart(Reader, TRUE);
    return FALSE;
}

/* How often a character with a parity error is sent again. A card that offers T=0 does so from its answer to reset on,
 * others need not (ISO/IEC 7816-3:2006, 7.3), and do not; a T=1 block is repeated as a whole. */
static ULONG repetitions(const READER_EXTENSION *Reader, enum vreader_on On)
{
    return On != ON_EXCHANGE && (Reader->Slot->Parsed.protocols & 1u) != 0 ? 3u : 0u;
}

VOID fault_block(READER_EXTENSION *Reader, enum vreader_on On, BOOLEAN ToCard, UCHAR *Block, ULONG Length,
                 BOOLEAN *ParityOk)
{
    ULONG i, again;

    for (i = 0; i < VREADER_FAULTS && Length > 0; i++) {
        struct vreader_fault *fault = &Reader->Faults[i];
        UCHAR *byte = &Block[fault->Byte < Length ? fault->Byte : Length - 1];

        if (fault->On != On || fault->ToCard != ToCard) {
            continue;
        }
        if (fault->Kind == FAULT_EDC && hits(fault)) {
            *byte ^= 0x01;
        }
        for (again = 0; fault->Kind == FAULT_PARITY && hits(fault); again++) {
            if (again == repetitions(Reader, On)) {
                *byte ^= 0x01;
                *ParityOk = FALSE;
                break;
            }
            host_count(Reader->Op.Irp, 1, 0);
        }
    }
}

BOOLEAN fault_character(READER_EXTENSION *Reader, BOOLEAN ToCard, ULONG Index)
{
    ULONG i;

    for (i = 0; i < VREADER_FAULTS; i++) {
        struct vreader_fault *fault = &Reader->Faults[i];

        if (fault->Kind == FAULT_PARITY && fault->On == ON_EXCHANGE && fault->ToCard == ToCard &&
            fault->Byte == Index && hits(fault)) {
            return TRUE;
        }
    }
    return FALSE;
}
