/* SPDX-License-Identifier: MIT */
/*
 * The words of cards and faults: option lines, hex, numbers. Input: a text, its first byte apart, which is the room for
 * what it becomes.
 *
 * Values lie within the line; what is hex to one reader is hex to another; numbers are at most what they may be; text
 * in fixed buffers ends in NUL.
 */
#include "fuzz.h"
#include "src/cards/card.h"

static const char *const keys[] = {"k", "atr", "byte", "count", "port", NULL};

static void options(const struct exact *text)
{
    const struct card_options line = {
        .line = (const char *)text->bytes, .line_length = (ULONG)text->size, .body = NULL, .body_length = 0};
    struct exact why = exact_room(24);
    BOOLEAN known = card_options_known(&line, keys, (char *)why.bytes, (ULONG)why.size);

    require(known || (memchr(why.bytes, 0, why.size) != NULL && why.bytes[0] != '\0'));
    for (size_t i = 0; keys[i] != NULL; i++) {
        struct exact value_text = exact_room(16);
        const char *value = NULL;
        ULONG length = 0;

        if (card_option(&line, keys[i], &value, &length)) {
            require(value >= line.line && value + length <= line.line + line.line_length);
            if (card_option_text(&line, keys[i], "", (char *)value_text.bytes, 16))
                require(length < 16 && value_text.bytes[length] == '\0' &&
                        memcmp(value_text.bytes, value, length) == 0);
            else
                require(length >= 16 || memchr(value, 0, length) != NULL);
        } else {
            require(card_option_text(&line, keys[i], "otherwise", (char *)value_text.bytes, 16));
            require(strcmp((const char *)value_text.bytes, "otherwise") == 0);
        }
        drop(&value_text);
    }
    drop(&why);
}

static void hex(const struct exact *text, size_t room)
{
    struct exact bytes = exact_room(room), all = exact_room(text->size / 2);
    ULONG length = (ULONG)room, whole = (ULONG)all.size;
    bool fits = card_hex((const char *)text->bytes, (ULONG)text->size, bytes.bytes, &length);

    /* The same with room for all that can be there. */
    if (card_hex((const char *)text->bytes, (ULONG)text->size, all.bytes, &whole)) {
        require(whole <= text->size / 2 && fits == (whole <= room));
        require(!fits || (length == whole && memcmp(bytes.bytes, all.bytes, whole) == 0));
    } else {
        require(!fits);
    }
    drop(&all);
    drop(&bytes);
}

static void number(const struct exact *text)
{
    static const ULONG limits[] = {0, 9, 255, 65535, 3600000, 0xFFFFFFFF};
    bool before = false;
    ULONG value = 0, first = 0;

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        bool fine = card_number((const char *)text->bytes, (ULONG)text->size, limits[i], &value);

        require(!fine || value <= limits[i]);
        require(!before || (fine && value == first)); /* what is small enough once stays what it is */
        before = fine;
        first = value;
    }
}

static void words(const struct exact *text, size_t room)
{
    struct exact buffer = exact_room(room);
    struct card_text out;

    card_text_begin(&out, (char *)buffer.bytes, (ULONG)room);
    card_text_bytes(&out, (const char *)text->bytes, (ULONG)text->size);
    card_text_number(&out, (ULONG)text->size * 2654435761u);
    card_text_add(&out, ".");
    require(room == 0 || (out.length < room && buffer.bytes[out.length] == '\0'));
    for (ULONG i = 0; i < out.length; i++)
        require(buffer.bytes[i] >= 0x20 && buffer.bytes[i] < 0x7F);
    drop(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    size_t room = take(&in);
    struct exact text = take_exact(&in, in.left);

    options(&text);
    hex(&text, room);
    number(&text);
    words(&text, room);
    drop(&text);
    return 0;
}
