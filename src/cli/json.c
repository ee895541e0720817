/* SPDX-License-Identifier: MIT */
/* The JSON writer of --json. Escaping as RFC 8259, section 7. */
#include "json.h"

#include <stdlib.h>
#include <string.h>

static void put(struct json *json, const char *bytes, size_t size)
{
    if (json->failed)
        return;
    if (size > json->room - json->size) {
        size_t room = json->room ? json->room : 1024;
        char *text;
        while (size > room - json->size && room <= SIZE_MAX / 4)
            room *= 2;
        text = size > room - json->size ? NULL : realloc(json->text, room);
        if (!text) {
            json->failed = true;
            return;
        }
        json->text = text;
        json->room = room;
    }
    memcpy(json->text + json->size, bytes, size);
    json->size += size;
}

static void put_char(struct json *json, char c)
{
    put(json, &c, 1);
}

/* Length of the well-formed UTF-8 sequence that begins at bytes, 0 when there is none (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *bytes, size_t size)
{
    static const struct {
        unsigned char first, last, low, high; /* of the first byte; of the second one */
        size_t length;
    } forms[] = {
        {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
        {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    if (bytes[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (bytes[0] < forms[i].first || bytes[0] > forms[i].last)
            continue;
        if (size < forms[i].length || bytes[1] < forms[i].low || bytes[1] > forms[i].high)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((bytes[k] & 0xC0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static void put_quoted(struct json *json, const char *value, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)value;
    put_char(json, '"');
    for (size_t i = 0; i < size;) {
        size_t length = utf8_length(bytes + i, size - i);
        char escape[8];
        if (length == 0) {
            put(json, "\\ufffd", 6);
            i++;
        } else if (bytes[i] == '"' || bytes[i] == '\\') {
            put_char(json, '\\');
            put_char(json, value[i++]);
        } else if (bytes[i] < 0x20 || bytes[i] == 0x7F) {
            put(json, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", bytes[i++]));
        } else {
            put(json, value + i, length);
            i += length;
        }
    }
    put_char(json, '"');
}

static void put_key(struct json *json, const char *key)
{
    if (json->comma)
        put_char(json, ',');
    json->comma = true;
    if (key) {
        put_quoted(json, key, strlen(key));
        put_char(json, ':');
    }
}

void json_open(struct json *json, const char *key, char bracket)
{
    put_key(json, key);
    put_char(json, bracket);
    json->comma = false;
    if (json->depth < sizeof json->open)
        json->open[json->depth++] = bracket;
    else
        json->failed = true;
}

void json_close(struct json *json, char bracket)
{
    if (json->depth > 0)
        json->depth--;
    put_char(json, bracket);
    json->comma = true;
}

void json_close_to(struct json *json, unsigned depth)
{
    while (json->depth > depth)
        json_close(json, json->open[json->depth - 1] == '{' ? '}' : ']');
}

void json_text(struct json *json, const char *key, const char *value, size_t size)
{
    put_key(json, key);
    put_quoted(json, value, size);
}

void json_string(struct json *json, const char *key, const char *value)
{
    put_key(json, key);
    if (value)
        put_quoted(json, value, strlen(value));
    else
        put(json, "null", 4);
}

void json_hex(struct json *json, const char *key, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    put_key(json, key);
    put_char(json, '"');
    for (size_t i = 0; i < size; i++) {
        char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
        put(json, pair, 2);
    }
    put_char(json, '"');
}

void json_number(struct json *json, const char *key, int64_t value)
{
    char text[32];
    put_key(json, key);
    put(json, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
}

void json_bool(struct json *json, const char *key, bool value)
{
    put_key(json, key);
    put(json, value ? "true" : "false", value ? 4 : 5);
}

bool json_print(struct json *json, FILE *file)
{
    bool good;
    put_char(json, '\n');
    good = !json->failed && fwrite(json->text, 1, json->size, file) == json->size;
    fflush(file);
    json_reset(json);
    return good;
}

void json_reset(struct json *json)
{
    json->size = 0;
    json->depth = 0;
    json->comma = false;
    json->failed = false;
}

void json_free(struct json *json)
{
    free(json->text);
    *json = (struct json){0};
}
