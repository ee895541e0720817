/* SPDX-License-Identifier: MIT */
/* How a line becomes words, and words become bytes and numbers. What they mean is for the commands. */
#include "words.h"

#include <string.h>

char words_comma[] = ",";

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copy one word down to *out and move *in behind it. *plain: its last character was not quoted. NULL: *why. */
static char *take_word(char **in, char **out, bool *plain, const char **why)
{
    char *word = *out, *from = *in, *to = *out;
    *plain = false;
    while (*from && !is_blank(*from)) {
        char quote = *from;
        *plain = quote != '"' && quote != '\'';
        if (*plain) {
            *to++ = *from++;
            continue;
        }
        for (from++; *from && *from != quote;)
            *to++ = *from++;
        if (!*from) {
            *why = "a quotation mark is not closed";
            return NULL;
        }
        from++;
    }
    /* The NUL may land on the blank that ends the word, so step over that first. */
    if (*from)
        from++;
    *in = from;
    *out = to;
    return word;
}

size_t words_split(char *line, char **words, size_t room, const char **why)
{
    char *in = line, *out = line;
    size_t count = 0;
    for (;;) {
        char *word;
        bool plain, comma;
        while (is_blank(*in))
            in++;
        if (!*in || *in == '#')
            return count;
        word = take_word(&in, &out, &plain, why);
        if (!word)
            return SIZE_MAX;
        comma = plain && out > word && out[-1] == ',';
        if (comma)
            out--;
        if (room - count < 2) {
            *why = "too many words";
            return SIZE_MAX;
        }
        if (!comma || out > word) {
            words[count++] = word;
            *out++ = '\0';
        }
        if (comma)
            words[count++] = words_comma;
    }
}

size_t words_from_argv(int argc, char **argv, char **words)
{
    size_t count = 0;
    for (int i = 0; i < argc; i++) {
        size_t length = strlen(argv[i]);
        bool comma = length > 0 && argv[i][length - 1] == ',';
        if (comma)
            argv[i][--length] = '\0';
        if (!comma || length > 0)
            words[count++] = argv[i];
        if (comma)
            words[count++] = words_comma;
    }
    return count;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_parse(const char *text, uint8_t *bytes, size_t room, size_t *size, const char **why)
{
    size_t count = 0;
    *why = NULL;
    for (; *text; text += 2) {
        while (is_blank(*text) || (*text == ':' && count > 0))
            text++;
        if (!*text)
            break;
        if (digit(text[0]) < 0) {
            *why = "it has a character that is no hex digit";
        } else if (!text[1] || is_blank(text[1]) || text[1] == ':') {
            *why = "a byte needs two hex digits";
        } else if (digit(text[1]) < 0) {
            *why = "it has a character that is no hex digit";
        } else if (count == room) {
            *why = "it is too long";
        }
        if (*why)
            return false;
        bytes[count++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
    }
    *size = count;
    return true;
}

bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    unsigned base = 10;
    uint64_t sum = 0;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    if (!*text)
        return false;
    for (; *text; text++) {
        int d = digit(*text);
        if (d < 0 || (unsigned)d >= base || sum > (UINT64_MAX - (uint64_t)d) / base)
            return false;
        sum = sum * base + (uint64_t)d;
    }
    *value = sum;
    return sum >= min && sum <= max;
}
