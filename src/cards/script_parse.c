/* SPDX-License-Identifier: MIT */
/* From a script's text to its lines: one pass, every mistake is told with its line's number. */
#include "script.h"

#define TAG 0x70736343u

struct parser {
    struct script *script;
    ULONG line;               /* from 1, for messages */
    ULONG open[SCRIPT_DEPTH]; /* repeats without an end so far */
    ULONG depth;
    BOOLEAN in_command; /* answers may follow */
    BOOLEAN in_other;
    BOOLEAN answered; /* mute or leave stood: nothing may follow */
    ULONG answer_bytes;
    struct card_text why;
};

static BOOLEAN blank(UCHAR c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static NTSTATUS complain(struct parser *p, const char *words)
{
    card_text_add(&p->why, "line ");
    card_text_number(&p->why, p->line);
    card_text_add(&p->why, ": ");
    card_text_add(&p->why, words);
    return STATUS_INVALID_PARAMETER;
}

static struct script_line *add(struct parser *p, enum script_what what)
{
    struct script_line *line = &p->script->lines[p->script->line_count++];

    RtlZeroMemory(line, sizeof *line);
    line->what = (UCHAR)what;
    line->at = p->script->heap_used;
    return line;
}

static int digit(UCHAR c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Close the group of a command or of `else`: it must have said something. */
static NTSTATUS close_group(struct parser *p)
{
    BOOLEAN open = p->in_command || p->in_other;

    p->in_command = FALSE;
    p->in_other = FALSE;
    if (open && !p->answered && p->answer_bytes < 2) {
        return complain(p, "the command before has no answer of at least 2 bytes (SW1 SW2), no mute and no leave");
    }
    return STATUS_SUCCESS;
}

static NTSTATUS open_group(struct parser *p)
{
    NTSTATUS status = close_group(p);

    p->answered = FALSE;
    p->answer_bytes = 0;
    return status;
}

/* "> 00 A4 0? ?? *": each byte two digits, each digit hex or ?, and * at the end for any further bytes. The heap has
 * room: two bytes for at least two characters. */
static NTSTATUS parse_command(struct parser *p, const UCHAR *text, ULONG length)
{
    NTSTATUS status = open_group(p);
    struct script_line *line;
    ULONG i = 0;

    if (!NT_SUCCESS(status)) {
        return status;
    }
    line = add(p, SCRIPT_COMMAND);
    while (i < length) {
        UCHAR value = 0, mask = 0;
        ULONG k;

        if (blank(text[i]) || text[i] == ':') {
            i++;
            continue;
        }
        if (line->rest) {
            return complain(p, "* must be the pattern's end");
        }
        if (text[i] == '*') {
            line->rest = TRUE;
            i++;
            continue;
        }
        for (k = 0; k < 2; k++, i++) {
            int d = i < length ? digit(text[i]) : -1;

            if (d < 0 && !(i < length && text[i] == '?')) {
                return complain(p, "a command is bytes of two hex digits or ?, and * at the end");
            }
            value = (UCHAR)(value << 4 | (d < 0 ? 0 : d));
            mask = (UCHAR)(mask << 4 | (d < 0 ? 0 : 0xF));
        }
        p->script->heap[p->script->heap_used++] = value;
        p->script->heap[p->script->heap_used++] = mask;
        line->length++;
    }
    if (line->length == 0 && !line->rest) {
        return complain(p, "> wants a command");
    }
    p->in_command = TRUE;
    return STATUS_SUCCESS;
}

static NTSTATUS parse_answer(struct parser *p, const UCHAR *text, ULONG length)
{
    struct script_line *line;
    ULONG room = length;

    if ((!p->in_command && !p->in_other) || p->answered) {
        return complain(p, "an answer must stand behind a command or else, and not behind mute or leave");
    }
    line = add(p, SCRIPT_ANSWER);
    if (!card_hex((const char *)text, length, p->script->heap + p->script->heap_used, &room) || room == 0) {
        return complain(p, "an answer is bytes of two hex digits");
    }
    p->answer_bytes += room;
    if (p->answer_bytes > CARD_MAX_RESPONSE) {
        return complain(p, "an answer has at most 65538 bytes");
    }
    line->length = room;
    p->script->heap_used += room;
    return STATUS_SUCCESS;
}

static NTSTATUS parse_atr(struct parser *p, const UCHAR *text, ULONG length)
{
    ULONG room = sizeof p->script->atr;

    if (!card_hex((const char *)text, length, p->script->atr, &room) || room < 2) {
        return complain(p, "atr wants 2 to 33 bytes of two hex digits");
    }
    p->script->atr_length = room;
    return STATUS_SUCCESS;
}

static NTSTATUS parse_order(struct parser *p, const UCHAR *text, ULONG length)
{
    (void)text;
    (void)length;
    p->script->match = FALSE;
    return STATUS_SUCCESS;
}

static NTSTATUS parse_match(struct parser *p, const UCHAR *text, ULONG length)
{
    (void)text;
    (void)length;
    p->script->match = TRUE;
    return STATUS_SUCCESS;
}

static NTSTATUS parse_wait(struct parser *p, const UCHAR *text, ULONG length)
{
    struct script_line *line;
    ULONG ms;

    if ((!p->in_command && !p->in_other) || p->answered) {
        return complain(p, "wait must stand behind a command or else, and not behind mute or leave");
    }
    if (!card_number((const char *)text, length, 3600000, &ms)) {
        return complain(p, "wait wants milliseconds, at most 3600000");
    }
    line = add(p, SCRIPT_WAIT);
    line->number = ms;
    return STATUS_SUCCESS;
}

static NTSTATUS end_answer(struct parser *p, enum script_what what)
{
    if ((!p->in_command && !p->in_other) || p->answered || p->answer_bytes > 0) {
        return complain(p, "mute and leave stand behind a command or else, instead of an answer");
    }
    add(p, what);
    p->answered = TRUE;
    return STATUS_SUCCESS;
}

static NTSTATUS parse_mute(struct parser *p, const UCHAR *text, ULONG length)
{
    (void)text;
    (void)length;
    return end_answer(p, SCRIPT_MUTE);
}

static NTSTATUS parse_leave(struct parser *p, const UCHAR *text, ULONG length)
{
    (void)text;
    (void)length;
    return end_answer(p, SCRIPT_LEAVE);
}

static NTSTATUS parse_repeat(struct parser *p, const UCHAR *text, ULONG length)
{
    NTSTATUS status = open_group(p);
    struct script_line *line;
    ULONG number = 0;

    if (!NT_SUCCESS(status)) {
        return status;
    }
    if (length > 0 && (!card_number((const char *)text, length, 0xFFFFFFFFu, &number) || number == 0)) {
        return complain(p, "repeat wants a number from 1 on, or nothing for ever");
    }
    if (p->depth >= SCRIPT_DEPTH) {
        return complain(p, "repeats are nested at most 8 deep");
    }
    p->open[p->depth++] = p->script->line_count;
    line = add(p, SCRIPT_REPEAT);
    line->number = number;
    return STATUS_SUCCESS;
}

static NTSTATUS parse_end(struct parser *p, const UCHAR *text, ULONG length)
{
    NTSTATUS status = open_group(p);
    struct script_line *line;
    ULONG i, start;

    (void)text;
    (void)length;
    if (!NT_SUCCESS(status)) {
        return status;
    }
    if (p->depth == 0) {
        return complain(p, "end without repeat");
    }
    start = p->open[--p->depth];
    /* Without a command inside, playing would never come to one. */
    for (i = start; i < p->script->line_count && p->script->lines[i].what != SCRIPT_COMMAND; i++) {
    }
    if (i == p->script->line_count) {
        return complain(p, "there is no command between repeat and end");
    }
    line = add(p, SCRIPT_END);
    line->jump = start;
    p->script->lines[start].jump = p->script->line_count;
    return STATUS_SUCCESS;
}

static NTSTATUS parse_else(struct parser *p, const UCHAR *text, ULONG length)
{
    NTSTATUS status = open_group(p);

    (void)text;
    (void)length;
    if (!NT_SUCCESS(status)) {
        return status;
    }
    if (p->depth > 0) {
        return complain(p, "else cannot stand inside a repeat");
    }
    if (p->script->other != 0) {
        return complain(p, "there is an else already");
    }
    /* A pattern that fits everything, which only `other` leads to. */
    p->script->other = p->script->line_count;
    add(p, SCRIPT_COMMAND)->rest = TRUE;
    p->in_other = TRUE;
    return STATUS_SUCCESS;
}

static const struct {
    const char *word;
    BOOLEAN argument;
    NTSTATUS (*parse)(struct parser *p, const UCHAR *text, ULONG length);
} words[] = {
    {">", TRUE, parse_command},    {"<", TRUE, parse_answer},     {"atr", TRUE, parse_atr},
    {"order", FALSE, parse_order}, {"match", FALSE, parse_match}, {"wait", TRUE, parse_wait},
    {"mute", FALSE, parse_mute},   {"leave", FALSE, parse_leave}, {"repeat", TRUE, parse_repeat},
    {"end", FALSE, parse_end},     {"else", FALSE, parse_else},
};

static NTSTATUS parse_line(struct parser *p, const UCHAR *text, ULONG length)
{
    ULONG i, k;

    while (length > 0 && blank(text[length - 1])) {
        length--;
    }
    while (length > 0 && blank(text[0])) {
        text++;
        length--;
    }
    if (length == 0 || text[0] == '#') {
        return STATUS_SUCCESS;
    }
    for (i = 0; i < sizeof words / sizeof words[0]; i++) {
        for (k = 0; k < length && words[i].word[k] != '\0' && text[k] == (UCHAR)words[i].word[k]; k++) {
        }
        /* a sign needs no blank behind it, a word does */
        if (words[i].word[k] != '\0' || (k > 1 && k < length && !blank(text[k]))) {
            continue;
        }
        while (k < length && blank(text[k])) {
            k++;
        }
        if (k < length && !words[i].argument) {
            return complain(p, "there is too much in the line");
        }
        return words[i].parse(p, text + k, length - k);
    }
    return complain(p, "a line begins with > < atr order match wait mute leave repeat end else or #");
}

static ULONG count_lines(const UCHAR *text, ULONG length)
{
    ULONG count = 1;
    ULONG i;

    for (i = 0; i < length; i++) {
        count += text[i] == '\n';
    }
    return count;
}

/* `else` may stand first, where its index would be 0: line 0 is a filler so that 0 can mean that there is none. */
static NTSTATUS parse_all(struct parser *p, const UCHAR *text, ULONG length)
{
    NTSTATUS status = STATUS_SUCCESS;
    ULONG i = 0;

    add(p, SCRIPT_WAIT);
    while (i < length && NT_SUCCESS(status)) {
        ULONG start = i;

        while (i < length && text[i] != '\n') {
            i++;
        }
        p->line++;
        status = parse_line(p, text + start, i - start);
        i++;
    }
    if (NT_SUCCESS(status)) {
        status = close_group(p);
    }
    if (NT_SUCCESS(status) && p->depth > 0) {
        status = complain(p, "a repeat has no end");
    }
    return status;
}

NTSTATUS script_parse(struct script *script, const UCHAR *text, ULONG length, char *why, ULONG why_size)
{
    struct parser p = {.script = script};
    ULONG count = count_lines(text, length);
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

    card_text_begin(&p.why, why, why_size);
    if (count > SCRIPT_LINES) {
        card_text_add(&p.why, "a script has at most 16384 lines");
        return STATUS_INVALID_PARAMETER;
    }
    script->lines = ExAllocatePoolWithTag(NonPagedPool, (SIZE_T)(count + 1) * sizeof *script->lines, TAG);
    /* a byte of the text gives at most one of the heap */
    script->heap = ExAllocatePoolWithTag(NonPagedPool, (SIZE_T)length + 1, TAG);
    if (script->lines == NULL || script->heap == NULL) {
        goto out;
    }
    status = parse_all(&p, text, length);
out:
    if (!NT_SUCCESS(status)) {
        script_free(script);
    }
    return status;
}

VOID script_free(struct script *script)
{
    if (script->lines != NULL) {
        ExFreePoolWithTag(script->lines, TAG);
        script->lines = NULL;
    }
    if (script->heap != NULL) {
        ExFreePoolWithTag(script->heap, TAG);
        script->heap = NULL;
    }
}
