/* SPDX-License-Identifier: MIT */
/* The words of a card's option line, hex, numbers, and text in buffers of fixed size. Pure functions. */
#include "card.h"

static BOOLEAN is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

BOOLEAN card_word_is(const char *text, ULONG length, const char *word)
{
    ULONG i;

    for (i = 0; i < length; i++) {
        if (word[i] == '\0' || word[i] != text[i]) {
            return FALSE;
        }
    }
    return word[length] == '\0';
}

/* One word of a line: key, key=value or key="value with blanks". */
struct word {
    const char *key, *value;
    ULONG key_length, value_length;
};

/* Take the next word from *at on. FALSE: no more. */
static BOOLEAN next_word(const char *line, ULONG length, ULONG *at, struct word *word)
{
    ULONG i = *at;

    while (i < length && is_blank(line[i])) {
        i++;
    }
    if (i >= length) {
        return FALSE;
    }
    word->key = line + i;
    while (i < length && !is_blank(line[i]) && line[i] != '=') {
        i++;
    }
    word->key_length = (ULONG)(line + i - word->key);
    word->value = line + i;
    word->value_length = 0;
    if (i < length && line[i] == '=') {
        i++;
        if (i < length && line[i] == '"') {
            word->value = line + ++i;
            while (i < length && line[i] != '"') {
                i++;
            }
            word->value_length = (ULONG)(line + i - word->value);
            i += i < length; /* the closing quote; a missing one ends with the line */
        } else {
            word->value = line + i;
            while (i < length && !is_blank(line[i])) {
                i++;
            }
            word->value_length = (ULONG)(line + i - word->value);
        }
    }
    *at = i;
    return TRUE;
}

BOOLEAN card_option(const struct card_options *options, const char *key, const char **value, ULONG *length)
{
    struct word word;
    ULONG at = 0;

    while (next_word(options->line, options->line_length, &at, &word)) {
        if (card_word_is(word.key, word.key_length, key)) {
            *value = word.value;
            *length = word.value_length;
            return TRUE;
        }
    }
    return FALSE;
}

BOOLEAN card_option_text(const struct card_options *options, const char *key, const char *otherwise, char *text,
                         ULONG size)
{
    const char *value = otherwise;
    ULONG length = 0;
    ULONG i;

    while (otherwise[length] != '\0') {
        length++;
    }
    (void)card_option(options, key, &value, &length);
    if (length >= size) {
        return FALSE;
    }
    for (i = 0; i < length; i++) {
        if (value[i] == '\0') {
            return FALSE;
        }
        text[i] = value[i];
    }
    text[length] = '\0';
    return TRUE;
}

BOOLEAN card_option_word(const struct card_options *options, const char *key, const char *const *words, UCHAR *number,
                         struct card_text *why)
{
    const char *value;
    ULONG length;
    UCHAR i;

    if (!card_option(options, key, &value, &length)) {
        return TRUE;
    }
    for (i = 0; words[i] != NULL; i++) {
        if (card_word_is(value, length, words[i])) {
            *number = i;
            return TRUE;
        }
    }
    card_text_add(why, key);
    for (i = 0; words[i] != NULL; i++) {
        card_text_add(why, i == 0 ? " wants " : words[i + 1] == NULL ? " or " : ", ");
        card_text_add(why, words[i]);
    }
    return FALSE;
}

BOOLEAN card_options_known(const struct card_options *options, const char *const *keys, char *why, ULONG why_size)
{
    static const char *const readers_own[] = {"atr", "crc", "fastest", "pps", "warm"};
    struct card_text text;
    struct word word;
    ULONG at = 0;
    ULONG i;

    while (next_word(options->line, options->line_length, &at, &word)) {
        const char *known = NULL;
        const char *first = word.value; /* of that key */
        ULONG length;

        for (i = 0; known == NULL && i < sizeof readers_own / sizeof readers_own[0]; i++) {
            known = card_word_is(word.key, word.key_length, readers_own[i]) ? readers_own[i] : NULL;
        }
        for (i = 0; known == NULL && keys[i] != NULL; i++) {
            known = card_word_is(word.key, word.key_length, keys[i]) ? keys[i] : NULL;
        }
        if (known == NULL || (card_option(options, known, &first, &length) && first != word.value)) {
            card_text_begin(&text, why, why_size);
            card_text_add(&text, known == NULL ? "there is no option " : "given twice: ");
            card_text_bytes(&text, word.key, word.key_length < 40 ? word.key_length : 40);
            return FALSE;
        }
    }
    return TRUE;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

BOOLEAN card_hex(const char *text, ULONG text_length, UCHAR *bytes, ULONG *length)
{
    ULONG room = *length;
    ULONG count = 0;
    ULONG i = 0;

    while (i < text_length) {
        int high, low;

        if (is_blank(text[i]) || text[i] == ':') {
            i++;
            continue;
        }
        high = digit(text[i]);
        low = i + 1 < text_length ? digit(text[i + 1]) : -1;
        if (high < 0 || low < 0 || count >= room) {
            return FALSE;
        }
        bytes[count++] = (UCHAR)(high << 4 | low);
        i += 2;
    }
    *length = count;
    return TRUE;
}

BOOLEAN card_number(const char *text, ULONG text_length, ULONG max, ULONG *number)
{
    ULONGLONG value = 0;
    ULONG base = 10;
    ULONG i = 0;

    if (text_length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        i = 2;
    }
    if (i >= text_length) {
        return FALSE;
    }
    for (; i < text_length; i++) {
        int d = digit(text[i]);

        if (d < 0 || (ULONG)d >= base) {
            return FALSE;
        }
        value = value * base + (ULONG)d;
        if (value > max) {
            return FALSE;
        }
    }
    *number = (ULONG)value;
    return TRUE;
}

VOID card_text_begin(struct card_text *text, char *buffer, ULONG size)
{
    text->buffer = buffer;
    text->size = size;
    text->length = 0;
    if (size > 0) {
        buffer[0] = '\0';
    }
}

static VOID add_char(struct card_text *text, char c)
{
    if (text->size > 0 && text->length < text->size - 1) {
        text->buffer[text->length++] = c;
        text->buffer[text->length] = '\0';
    }
}

VOID card_text_add(struct card_text *text, const char *words)
{
    while (*words != '\0') {
        add_char(text, *words++);
    }
}

VOID card_text_bytes(struct card_text *text, const char *words, ULONG length)
{
    ULONG i;

    for (i = 0; i < length; i++) {
        add_char(text, words[i] >= 0x20 && words[i] < 0x7F ? words[i] : '?');
    }
}

VOID card_text_number(struct card_text *text, ULONG number)
{
    char digits[10];
    ULONG count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) {
        add_char(text, digits[--count]);
    }
}

VOID card_wipe(PVOID memory, SIZE_T size)
{
    volatile UCHAR *bytes = memory;

    while (size-- > 0) {
        *bytes++ = 0;
    }
}

enum card_direction card_iso_direction(const UCHAR header[5])
{
    /* READ BINARY, READ RECORD, GET RESPONSE, GET DATA, GET CHALLENGE; the others that take P3 bytes from the card
     * (SEARCH, MANAGE CHANNEL) are answered through 61xx as well. */
    static const UCHAR from_card[] = {0xB0, 0xB2, 0xC0, 0xCA, 0x84};
    ULONG i;

    for (i = 0; i < sizeof from_card; i++) {
        if (header[1] == from_card[i]) {
            return CARD_FROM_CARD;
        }
    }
    return CARD_TO_CARD;
}
