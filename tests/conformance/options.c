/* SPDX-License-Identifier: MIT */
/* The words behind `smartcrd conform` and conform.exe: one table. */
#include "run.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, NUMBER, TEXT };

struct option {
    const char *name;
    enum kind kind;
    size_t offset;
};

static const struct option options_known[] = {
    {"--list", FLAG, offsetof(struct conform_options, list)},
    {"--quiet", FLAG, offsetof(struct conform_options, quiet)},
    {"--json", TEXT, offsetof(struct conform_options, json)},
    {"--junit", TEXT, offsetof(struct conform_options, junit)},
    {"--part", TEXT, offsetof(struct conform_options, parts)},
    {"--seed", NUMBER, offsetof(struct conform_options, seed)},
    {"--rounds", NUMBER, offsetof(struct conform_options, rounds)},
    {"--limit", NUMBER, offsetof(struct conform_options, limit)},
};

static bool read_number(const char *text, uint32_t *number)
{
    char *end;
    unsigned long long value;
    if (!isdigit((unsigned char)text[0]))
        return false;
    value = strtoull(text, &end, 0);
    if (*end || value > UINT32_MAX)
        return false;
    *number = (uint32_t)value;
    return true;
}

static const struct option *find(const char *word)
{
    for (size_t i = 0; i < sizeof options_known / sizeof *options_known; i++)
        if (strcmp(options_known[i].name, word) == 0)
            return &options_known[i];
    return NULL;
}

static bool parts_known(const char *parts)
{
    return parts[0] && strspn(parts, "ABCDEFabcdef,") == strlen(parts);
}

bool conform_parse(struct conform_options *options, int argc, char **argv, char *why, size_t size)
{
    for (int i = 0; i < argc; i++) {
        const struct option *option = find(argv[i]);
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool special = strcmp(argv[i], "--check") == 0 || strcmp(argv[i], "--style") == 0;
        if (!option && !special) {
            if (argv[i][0] == '-' || options->reader) {
                snprintf(why, size, argv[i][0] == '-' ? "there is no option %s" : "one reader at a time, not %s too",
                         argv[i]);
                return false;
            }
            options->reader = argv[i];
            continue;
        }
        if (option && option->kind == FLAG) {
            *(bool *)((char *)options + option->offset) = true;
            continue;
        }
        if (!value) {
            snprintf(why, size, "%s needs a word behind it", argv[i]);
            return false;
        }
        if (option && option->kind == TEXT) {
            *(const char **)((char *)options + option->offset) = value;
        } else if (option) {
            if (!read_number(value, (uint32_t *)((char *)options + option->offset))) {
                snprintf(why, size, "%s needs a number, not \"%s\"", argv[i], value);
                return false;
            }
        } else if (strcmp(argv[i], "--style") == 0) {
            options->cmocka = strcmp(value, "cmocka") == 0;
            if (!options->cmocka) {
                snprintf(why, size, "--style knows cmocka, not \"%s\"", value);
                return false;
            }
        } else if (options->name_count == CONFORM_NAMES) {
            snprintf(why, size, "--check can be given %d times", CONFORM_NAMES);
            return false;
        } else {
            options->names[options->name_count++] = value;
        }
        i++;
    }
    if (options->parts && !parts_known(options->parts)) {
        snprintf(why, size, "--part knows A to F, separated by commas, not \"%s\"", options->parts);
        return false;
    }
    if (options->limit == 0) {
        snprintf(why, size, "--limit needs a number of seconds, 1 at least");
        return false;
    }
    return true;
}
