/* SPDX-License-Identifier: MIT */
/*
 * The scripted card. Input: the script's text up to the first NUL, then commands: a length and that many bytes each;
 * length 0 resets the card.
 *
 * A text is refused with a sentence and nothing is kept, or it becomes lines that lie within their heap and lead to each
 * other; a card that plays it answers every command with at least SW1 SW2, or says why not.
 */
#include "fuzz.h"
#include "src/cards/script.h"

static void refused(const struct script *script, NTSTATUS status, const char *why)
{
    require(status == STATUS_INVALID_PARAMETER && script->lines == NULL && script->heap == NULL);
    require(why[0] != '\0' && strchr(why, '\n') == NULL);
}

static void is_sound(const struct script *script, size_t length)
{
    ULONG depth = 0;

    require(script->line_count <= SCRIPT_LINES + 1 && script->heap_used <= length);
    require(script->other < script->line_count);
    require(script->atr_length == 0 || (script->atr_length >= 2 && script->atr_length <= 33));
    for (ULONG i = 0; i < script->line_count; i++) {
        const struct script_line *line = &script->lines[i];

        switch (line->what) {
        case SCRIPT_COMMAND:
            require(line->at + 2 * line->length <= script->heap_used);
            break;
        case SCRIPT_ANSWER:
            require(line->length > 0 && line->at + line->length <= script->heap_used);
            touch(script->heap + line->at, line->length);
            break;
        case SCRIPT_REPEAT:
            require(++depth <= SCRIPT_DEPTH && line->jump > i + 1 && line->jump <= script->line_count);
            require(script->lines[line->jump - 1].what == SCRIPT_END && script->lines[line->jump - 1].jump == i);
            break;
        case SCRIPT_END:
            require(depth-- > 0 && line->jump < i && script->lines[line->jump].what == SCRIPT_REPEAT);
            break;
        default:
            require(line->what == SCRIPT_WAIT || line->what == SCRIPT_MUTE || line->what == SCRIPT_LEAVE);
            break;
        }
    }
    require(depth == 0);
}

static void parse(const struct exact *text)
{
    struct exact why = exact_room(96), narrow = exact_room(1);
    struct script script = {.line_count = 0}, again = {.line_count = 0};
    NTSTATUS status = script_parse(&script, text->bytes, (ULONG)text->size, (char *)why.bytes, (ULONG)why.size);

    if (status == STATUS_SUCCESS)
        is_sound(&script, text->size);
    else
        refused(&script, status, (const char *)why.bytes);
    require(script_parse(&again, text->bytes, (ULONG)text->size, (char *)narrow.bytes, 1) == status);
    require(narrow.bytes[0] == '\0');
    script_free(&again);
    script_free(&script);
    drop(&narrow);
    drop(&why);
}

static void play(const struct exact *text, struct input *in)
{
    const struct card_options options = {
        .line = "", .line_length = 0, .body = text->bytes, .body_length = (ULONG)text->size};
    static UCHAR response[CARD_MAX_RESPONSE];
    struct card_slot slot = {.functions = NULL};
    char why[96] = "";
    struct card *card = NULL;

    if (card_script.create(&options, &slot, &card, why, sizeof why) != STATUS_SUCCESS)
        return;
    while (in->left) {
        struct exact command = take_exact(in, take(in));
        ULONG length = command.size ? CARD_MAX_RESPONSE : 33, room = length;
        NTSTATUS status = command.size
                              ? card_script.command(card, 1, command.bytes, (ULONG)command.size, response, &length)
                              : card_script.reset(card, TRUE, 1, response, &length);

        require(status == STATUS_SUCCESS || status == STATUS_IO_TIMEOUT || status == STATUS_NO_MEDIA);
        require(status != STATUS_SUCCESS || (length >= 2 && length <= room));
        require(card_script.delay_ms == NULL || card_script.delay_ms(card) <= 16384u * 3600000u);
        drop(&command);
    }
    card_script.destroy(card);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    struct exact text = take_exact(&in, end ? (size_t)(end - data) : size);

    (void)take(&in);
    parse(&text);
    play(&text, &in);
    drop(&text);
    return 0;
}
