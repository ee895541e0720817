/* SPDX-License-Identifier: MIT */
/* See secret.h. */
#include "secret.h"

#include "words.h"
#include "../iso7816/apdu.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 4096

static struct {
    char **words; /* NULL: nothing was hidden */
    char *text;
    size_t size;
} hidden;

static bool is_header(const char *cla_and_ins)
{
    uint8_t bytes[2];
    size_t size;
    const char *why;

    return hex_parse(cla_and_ins, bytes, sizeof bytes, &size, &why) && size == 2 &&
           iso7816_command_is_secret(bytes[0], bytes[1]);
}

/* Whether a word begins like an APDU with a secret, blanks and colons between its bytes or not. */
static bool begins_secret(const char *word)
{
    char digits[5];
    size_t count = 0;

    for (; *word && count < 4; word++) {
        if (*word != ' ' && *word != '\t' && *word != ':')
            digits[count++] = *word;
    }
    digits[count] = '\0';
    return count == 4 && is_header(digits);
}

bool secret_words(char *const words[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char two[5];

        if (strcasestr(words[i], "pin=") || strcmp(words[i], "--pin") == 0 || begins_secret(words[i]))
            return true;
        if (strlen(words[i]) != 2 || i + 1 == count || strlen(words[i + 1]) != 2)
            continue;
        snprintf(two, sizeof two, "%s%s", words[i], words[i + 1]);
        if (is_header(two))
            return true;
    }
    return false;
}

bool secret_line(const char *line)
{
    size_t size = strlen(line) + 1;
    char *copy = strdup(line);
    char **words = calloc(WORDS_MAX, sizeof *words);
    const char *why;
    size_t count = copy && words ? words_split(copy, words, WORDS_MAX, &why) : SIZE_MAX;
    bool secret = count == SIZE_MAX || secret_words(words, count);

    secret_free(copy, size);
    free(words);
    return secret;
}

char **secret_take_arguments(int argc, char **argv)
{
    size_t count = (size_t)argc, at = 0;

    if (!secret_words(argv, count))
        return argv;
    for (size_t i = 0; i < count; i++)
        hidden.size += strlen(argv[i]) + 1;
    hidden.words = calloc(count + 1, sizeof *hidden.words);
    hidden.text = malloc(hidden.size);
    if (!hidden.words || !hidden.text) {
        secret_forget_arguments();
        return argv; /* then they stay where they are */
    }
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(argv[i]) + 1;

        hidden.words[i] = memcpy(hidden.text + at, argv[i], size);
        at += size;
        if (i > 0)
            explicit_bzero(argv[i], size);
    }
    return hidden.words;
}

void secret_forget_arguments(void)
{
    secret_free(hidden.text, hidden.size);
    free(hidden.words);
    hidden.text = NULL;
    hidden.words = NULL;
    hidden.size = 0;
}

int secret_length(const char *card)
{
    const char *pin = strcasestr(card, "pin=");

    return (int)(pin ? (size_t)(pin + 4 - card) : strlen(card));
}

void secret_free(char *text, size_t size)
{
    if (text)
        explicit_bzero(text, size);
    free(text);
}
