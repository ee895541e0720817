/* SPDX-License-Identifier: MIT */
/* The words that arm a fault (vreader.h), and why they are refused. When it hits, and what it does then: fault.c. */
#include "vreader.h"

enum option {
    TAKES_BYTE = 1u << 0,
    TAKES_TO = 1u << 1,
    TAKES_ON = 1u << 2,
    TAKES_EDC = 1u << 3,
    TAKES_HEX = 1u << 4,
    TAKES_XOR = 1u << 5, /* and value */
    TAKES_TIME = 1u << 6,
    TAKES_WHEN = 1u << 7,
};
#define OF_LINE ((ULONG)(TAKES_TO | TAKES_ON))

static const struct {
    const char *name;
    UCHAR kind;
    ULONG takes; /* enum option; count and skip fit all */
} kinds[] = {
    {"mute", FAULT_MUTE, 0},
    {"remove", FAULT_REMOVE, TAKES_WHEN | TAKES_BYTE | TAKES_TO},
    {"wtx", FAULT_WTX, 0},
    {"late", FAULT_LATE, TAKES_TIME},
    {"edc", FAULT_EDC, OF_LINE | TAKES_BYTE},
    {"parity", FAULT_PARITY, OF_LINE | TAKES_BYTE},
    {"alter", FAULT_ALTER, OF_LINE | TAKES_BYTE | TAKES_XOR | TAKES_EDC},
    {"replace", FAULT_REPLACE, OF_LINE | TAKES_HEX | TAKES_EDC},
    {"cut", FAULT_CUT, OF_LINE | TAKES_BYTE},
    {"extra", FAULT_EXTRA, OF_LINE | TAKES_BYTE | TAKES_HEX},
    {"delay", FAULT_DELAY, OF_LINE | TAKES_BYTE | TAKES_TIME},
    {"duplicate", FAULT_DUPLICATE, OF_LINE},
};

static const struct {
    const char *key;
    ULONG option; /* 0: of every fault */
} keys[] = {
    {"count", 0},         {"skip", 0},        {"byte", TAKES_BYTE}, {"to", TAKES_TO},
    {"on", TAKES_ON},     {"edc", TAKES_EDC}, {"hex", TAKES_HEX},   {"xor", TAKES_XOR},
    {"value", TAKES_XOR}, {"us", TAKES_TIME}, {"ms", TAKES_TIME},   {"when", TAKES_WHEN},
};
#define KEYS (sizeof keys / sizeof keys[0])

static BOOLEAN parse_numbers(struct vreader_fault *fault, const struct card_options *options, struct card_text *why)
{
    ULONG ms = 0;
    const struct {
        const char *key;
        ULONG *number;
        ULONG max;
    } rows[] = {
        {"count", &fault->Count, 1000000},
        {"skip", &fault->Skip, 1000000},
        {"byte", &fault->Byte, 1000000},
        {"us", &fault->Us, 3600000000u},
        {"ms", &ms, 3600000},
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
    if (!card_option(options, "us", &value, &length)) {
        fault->Us = ms * 1000;
    } else if (card_option(options, "ms", &value, &length)) {
        card_text_add(why, "one of us=N and ms=N, not both");
        return FALSE;
    }
    return TRUE;
}

static BOOLEAN parse_words(struct vreader_fault *fault, const struct card_options *options, struct card_text *why)
{
    static const char *const whens[] = {"before", "during", "after", NULL};
    static const char *const ons[] = {"exchange", "atr", "pps", NULL};
    static const char *const ways[] = {"reader", "card", NULL};
    static const char *const edcs[] = {"leave", "mend", NULL};

    if (!card_option_word(options, "when", whens, &fault->When, why) ||
        !card_option_word(options, "to", ways, &fault->Way, why) ||
        !card_option_word(options, "on", ons, &fault->On, why) ||
        !card_option_word(options, "edc", edcs, &fault->Mend, why)) {
        return FALSE;
    }
    if (fault->On == ON_ATR && fault->Way == TO_CARD) {
        card_text_add(why, "an answer to reset goes to the reader");
        return FALSE;
    }
    return TRUE;
}

/* alter: xor=HH or value=HH. */
static BOOLEAN parse_change(struct vreader_fault *fault, const struct card_options *options, struct card_text *why)
{
    const char *value;
    ULONG length;
    ULONG one = 1;

    fault->And = 0xFF;
    if (card_option(options, "value", &value, &length)) {
        fault->And = 0;
    } else if (!card_option(options, "xor", &value, &length)) {
        length = 0;
    }
    if (!card_hex(value, length, &fault->Xor, &one) || one != 1 || (fault->And == 0xFF && fault->Xor == 0)) {
        card_text_add(why, "alter wants xor=HH, not 00, or value=HH, two hex digits");
        return FALSE;
    }
    return TRUE;
}

static BOOLEAN parse_hex(struct vreader_fault *fault, const struct card_options *options, const char *name,
                         struct card_text *why)
{
    const char *value;
    ULONG length;

    fault->HexLength = sizeof fault->Hex;
    if (!card_option(options, "hex", &value, &length) || !card_hex(value, length, fault->Hex, &fault->HexLength) ||
        fault->HexLength == 0) {
        card_text_add(why, name);
        card_text_add(why, " wants hex=, 1 to 32 bytes of two hex digits");
        return FALSE;
    }
    return TRUE;
}

/* What a fault cannot do without. */
static BOOLEAN parse_needs(struct vreader_fault *fault, const struct card_options *options, ULONG takes,
                           const char *name, struct card_text *why)
{
    if ((takes & TAKES_XOR) != 0 && !parse_change(fault, options, why)) {
        return FALSE;
    }
    if ((takes & TAKES_HEX) != 0 && !parse_hex(fault, options, name, why)) {
        return FALSE;
    }
    if ((takes & TAKES_TIME) != 0 && fault->Us == 0) {
        card_text_add(why, name);
        card_text_add(why, " wants ms=N or us=N, N from 1 on");
        return FALSE;
    }
    return TRUE;
}

static BOOLEAN parse(struct vreader_fault *fault, const char *text, ULONG length, struct card_text *why)
{
    struct card_options options = {.body = NULL};
    const char *known[KEYS + 1] = {NULL};
    char key_why[64];
    ULONG size = 0, count = 0;
    ULONG kind, i;

    while (size < length && text[size] != ' ' && text[size] != '\t') {
        size++;
    }
    for (kind = 0; kind < sizeof kinds / sizeof kinds[0] && !card_word_is(text, size, kinds[kind].name); kind++) {
    }
    if (kind == sizeof kinds / sizeof kinds[0]) {
        card_text_add(why, "a fault is one of none");
        for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            card_text_add(why, " ");
            card_text_add(why, kinds[i].name);
        }
        return FALSE;
    }
    for (i = 0; i < KEYS; i++) {
        if (keys[i].option == 0 || (keys[i].option & kinds[kind].takes) != 0) {
            known[count++] = keys[i].key;
        }
    }
    options.line = text + size;
    options.line_length = length - size;
    if (!card_options_known(&options, known, key_why, sizeof key_why)) {
        card_text_add(why, key_why);
        return FALSE;
    }
    fault->Kind = kinds[kind].kind;
    fault->Way = fault->Kind == FAULT_REMOVE ? BOTH_WAYS : TO_READER;
    fault->Byte = fault->Kind == FAULT_EXTRA ? VREADER_NEVER : 0;
    fault->Mend = fault->Kind == FAULT_ALTER || fault->Kind == FAULT_REPLACE;
    return parse_numbers(fault, &options, why) && parse_words(fault, &options, why) &&
           parse_needs(fault, &options, kinds[kind].takes, kinds[kind].name, why);
}

/* Whether the text begins with the word none; *alone: and says nothing more. */
static BOOLEAN says_none(const char *text, ULONG length, BOOLEAN *alone)
{
    ULONG i;

    if (length < 4 || !card_word_is(text, 4, "none") || (length > 4 && text[4] != ' ' && text[4] != '\t')) {
        return FALSE;
    }
    for (i = 4; i < length && (text[i] == ' ' || text[i] == '\t'); i++) {
    }
    *alone = i == length;
    return TRUE;
}

NTSTATUS fault_arm(READER_EXTENSION *Reader, const char *Text, ULONG Length, struct card_text *Why)
{
    struct vreader_fault fault = {.Count = 1, .When = WHEN_BEFORE};
    BOOLEAN alone;
    ULONG i;

    if (says_none(Text, Length, &alone)) {
        if (!alone) {
            card_text_add(Why, "none takes no options");
            return STATUS_INVALID_PARAMETER;
        }
        RtlZeroMemory(Reader->Faults, sizeof Reader->Faults);
        Reader->Armed = 0;
        return STATUS_SUCCESS;
    }
    if (!parse(&fault, Text, Length, Why)) {
        return STATUS_INVALID_PARAMETER;
    }
    for (i = 0; i < VREADER_FAULTS; i++) {
        if (Reader->Faults[i].Kind == FAULT_NONE) {
            Reader->Faults[i] = fault;
            Reader->Armed++;
            return STATUS_SUCCESS;
        }
    }
    card_text_add(Why, "eight faults are armed already; fault none disarms them");
    return STATUS_INSUFFICIENT_RESOURCES;
}
