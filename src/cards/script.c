/* SPDX-License-Identifier: MIT */
/*
 * The scripted card: it answers as a text says, in the text's order or by looking each command up. Every command takes
 * a bounded number of steps: repeats hold at least one command (script_parse.c).
 */
#include "script.h"

#define TAG 0x72734345u

struct script_card {
    struct card base;
    struct script script;
    ULONG at;                 /* the next line, in order */
    ULONG left[SCRIPT_DEPTH]; /* rounds left of the repeats that we are in, 0 for ever */
    ULONG depth;
    ULONG delay_ms; /* of the last answer */
};

/* T=0 and T=1, TA1 = 95, WI = 2, IFSC = 254, BWI = 1, CWI = 5; historical bytes "script". */
static const UCHAR script_atr[] = {0x3B, 0x96, 0x95, 0xC0, 0x02, 0x31, 0xFE, 0x15,
                                   0x73, 0x63, 0x72, 0x69, 0x70, 0x74, 0x14};

static VOID rewind_script(struct script_card *card)
{
    card->at = 1;
    card->depth = 0;
}

static NTSTATUS script_create(const struct card_options *options, struct card_slot *slot, struct card **card, char *why,
                              ULONG why_size)
{
    static const char *const keys[] = {NULL};
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    struct script_card *script;

    (void)slot;
    if (!card_options_known(options, keys, why, why_size)) {
        return status;
    }
    script = ExAllocatePoolWithTag(NonPagedPool, sizeof *script, TAG);
    if (script == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    RtlZeroMemory(script, sizeof *script);
    script->base.kind = &card_script;
    script->script.atr_length = sizeof script_atr;
    RtlCopyMemory(script->script.atr, script_atr, sizeof script_atr);
    status = script_parse(&script->script, options->body, options->body_length, why, why_size);
    if (!NT_SUCCESS(status)) {
        ExFreePoolWithTag(script, TAG);
        return status;
    }
    rewind_script(script);
    *card = &script->base;
    return STATUS_SUCCESS;
}

static VOID script_destroy(struct card *base)
{
    struct script_card *card = (struct script_card *)base;

    script_free(&card->script);
    ExFreePoolWithTag(card, TAG);
}

static NTSTATUS script_reset(struct card *base, BOOLEAN cold, ULONG ticket, UCHAR *atr, ULONG *length)
{
    struct script_card *card = (struct script_card *)base;

    (void)cold;
    (void)ticket;
    rewind_script(card);
    card->delay_ms = 0;
    RtlCopyMemory(atr, card->script.atr, card->script.atr_length);
    *length = card->script.atr_length;
    return STATUS_SUCCESS;
}

static BOOLEAN fits(const struct script *script, const struct script_line *line, const UCHAR *apdu, ULONG length)
{
    const UCHAR *pattern = script->heap + line->at;
    ULONG i;

    if (length < line->length || (length > line->length && !line->rest)) {
        return FALSE;
    }
    for (i = 0; i < line->length; i++) {
        if ((apdu[i] & pattern[2 * i + 1]) != pattern[2 * i]) {
            return FALSE;
        }
    }
    return TRUE;
}

/* By looking up: the first command that fits. 0: none. */
static ULONG look_up(const struct script *script, const UCHAR *apdu, ULONG length)
{
    ULONG i;

    for (i = 1; i < script->line_count; i++) {
        const struct script_line *line = &script->lines[i];

        if (line->what == SCRIPT_COMMAND && i != script->other && fits(script, line, apdu, length)) {
            return i;
        }
    }
    return 0;
}

/* In order: go on to the next command, through the ends of repeats. 0: the script is over. Each step goes forward, or
 * back to a repeat with a command behind it, so there are at most as many steps as lines, twice. */
static ULONG next_command(struct script_card *card)
{
    const struct script *script = &card->script;
    ULONG steps;

    for (steps = 0; steps < 2 * script->line_count && card->at < script->line_count; steps++) {
        const struct script_line *line = &script->lines[card->at];

        if (line->what == SCRIPT_COMMAND && card->at != script->other) {
            return card->at;
        }
        if (line->what == SCRIPT_REPEAT) {
            card->left[card->depth++] = line->number;
        } else if (line->what == SCRIPT_END) {
            ULONG *left = &card->left[card->depth - 1];

            if (*left == 1) {
                card->depth--;
            } else {
                *left -= *left > 0;
                card->at = line->jump;
            }
        }
        card->at++;
    }
    return 0;
}

/* What stands behind the command in line `at`, up to the next command, repeat or end. */
static NTSTATUS answer(struct script_card *card, ULONG at, UCHAR *response, ULONG *length)
{
    const struct script *script = &card->script;
    ULONG size = 0;

    for (at++; at < script->line_count; at++) {
        const struct script_line *line = &script->lines[at];

        switch (line->what) {
        case SCRIPT_WAIT:
            card->delay_ms = line->number < 3600000 - card->delay_ms ? card->delay_ms + line->number : 3600000;
            break;
        case SCRIPT_ANSWER:
            RtlCopyMemory(response + size, script->heap + line->at, line->length);
            size += line->length;
            break;
        case SCRIPT_MUTE:
            return STATUS_IO_TIMEOUT;
        case SCRIPT_LEAVE:
            return STATUS_NO_MEDIA;
        default:
            goto out;
        }
    }
out:
    *length = size;
    return STATUS_SUCCESS;
}

static NTSTATUS script_command(struct card *base, ULONG ticket, const UCHAR *apdu, ULONG apdu_length, UCHAR *response,
                               ULONG *length)
{
    struct script_card *card = (struct script_card *)base;
    const struct script *script = &card->script;
    ULONG at;

    (void)ticket;
    card->delay_ms = 0;
    if (script->match) {
        at = look_up(script, apdu, apdu_length);
    } else {
        at = next_command(card);
        if (at != 0 && !fits(script, &script->lines[at], apdu, apdu_length)) {
            at = 0;
        }
        card->at += at != 0;
    }
    if (at == 0) {
        at = script->other;
    }
    if (at != 0) {
        return answer(card, at, response, length);
    }
    response[0] = 0x6F;
    response[1] = 0x00;
    *length = 2;
    return STATUS_SUCCESS;
}

static enum card_direction script_direction(struct card *card, const UCHAR header[5])
{
    (void)card;
    return card_iso_direction(header);
}

static ULONG script_delay(struct card *card)
{
    return ((struct script_card *)card)->delay_ms;
}

const struct card_kind card_script = {
    .name = "script",
    .help = "answers as the text behind the first line says",
    .create = script_create,
    .destroy = script_destroy,
    .reset = script_reset,
    .command = script_command,
    .direction = script_direction,
    .delay_ms = script_delay,
};
