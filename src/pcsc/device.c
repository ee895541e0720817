/* SPDX-License-Identifier: MIT */
/* DEVICENAME taken apart. */
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 60000
#define BLANKS             " \t"

/* Cut blanks off both ends, in place. */
static char *trim(char *text)
{
    char *end;

    text += strspn(text, BLANKS);
    end = text + strlen(text);
    while (end > text && strchr(BLANKS, end[-1]))
        end--;
    *end = '\0';
    return text;
}

static bool number(const char *text, unsigned long least, unsigned long most, unsigned long *value)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    *value = strtoul(text, &end, 10);
    return *end == '\0' && *value >= least && *value <= most;
}

static bool parse_cards(struct device_name *name, char *text, char *why, size_t why_size)
{
    name->driver = "vreader";
    while (text) {
        char *bar = strchr(text, '|');

        if (bar)
            *bar++ = '\0';
        if (name->slots == DEVICE_SLOTS) {
            snprintf(why, why_size, "more than %d slots", DEVICE_SLOTS);
            return false;
        }
        name->cards[name->slots++] = trim(text);
        text = bar;
    }
    return true;
}

static bool parse_driver(struct device_name *name, char *path, char *why, size_t why_size)
{
    char *slots = path + strcspn(path, BLANKS);
    unsigned long count = 1;

    if (*slots) {
        *slots++ = '\0';
        slots = trim(slots);
    }
    if (!strchr(path, '/')) {
        snprintf(why, why_size, "driver: wants the path of a driver");
        return false;
    }
    if (*slots && !number(slots, 1, DEVICE_SLOTS, &count)) {
        snprintf(why, why_size, "behind the driver stands the number of its readers, 1 to %d", DEVICE_SLOTS);
        return false;
    }
    name->driver = path;
    name->slots = (unsigned)count;
    return true;
}

/* KIND[,timeout=MS] */
static bool parse_kind(struct device_name *name, char *kind, char *why, size_t why_size)
{
    static const char key[] = ",timeout=";
    char *option = strchr(kind, ',');
    unsigned long value;

    if (!option)
        return true;
    if (strncmp(option, key, sizeof(key) - 1) != 0 || !number(option + sizeof(key) - 1, 1, 3600000, &value)) {
        snprintf(why, why_size, "behind %.*s only timeout=MS can stand, with 1 to 3600000 milliseconds",
                 (int)(option - kind), kind);
        return false;
    }
    *option = '\0';
    name->timeout_ms = (uint32_t)value;
    return true;
}

bool device_parse(const char *text, struct device_name *name, char *why, size_t why_size)
{
    /* Room before the text, to put a card's kind in front of its options. */
    const size_t before = sizeof(name->text) - DEVICE_NAME_MAX;
    size_t length = strlen(text);
    char *kind = name->text + before, *rest;

    memset(name, 0, sizeof(*name));
    name->timeout_ms = DEFAULT_TIMEOUT_MS;
    /* pcscd leaves the quotes on. */
    if (length >= 2 && text[0] == '"' && text[length - 1] == '"') {
        text++;
        length -= 2;
    }
    if (length >= DEVICE_NAME_MAX) {
        snprintf(why, why_size, "longer than %d characters", DEVICE_NAME_MAX - 1);
        return false;
    }
    memcpy(kind, text, length);
    rest = kind + strcspn(kind, ":");
    if (*rest)
        *rest++ = '\0';
    if (!parse_kind(name, kind, why, why_size))
        return false;
    if (!strcmp(kind, "driver"))
        return parse_driver(name, trim(rest), why, why_size);
    if (!strcmp(kind, "vpcd")) {
        rest -= strlen("vpcd ");
        memcpy(rest, "vpcd ", strlen("vpcd "));
    } else if (strcmp(kind, "vreader") != 0 && *kind) {
        snprintf(why, why_size, "it begins with vreader:, vpcd: or driver:");
        return false;
    }
    return parse_cards(name, rest, why, why_size);
}
