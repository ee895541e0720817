/* SPDX-License-Identifier: MIT */
/* A JSON writer: one object on one line, built in memory. Not a reader. One thread at a time. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    char *text;
    size_t size, room;
    bool comma;   /* something stands before in this object or array */
    char open[8]; /* the brackets that are open */
    unsigned depth;
    bool failed; /* out of memory: nothing is printed but that */
};

/* Every value has a key inside an object, and NULL as its key inside an array. */
void json_open(struct json *json, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json *json, char bracket);                 /* '}' or ']' */
/* Close what is open until `depth` brackets are left. */
void json_close_to(struct json *json, unsigned depth);
/* Bytes that are not well-formed UTF-8 become U+FFFD. */
void json_string(struct json *json, const char *key, const char *value);
void json_text(struct json *json, const char *key, const char *value, size_t size);
void json_hex(struct json *json, const char *key, const uint8_t *bytes, size_t size);
void json_number(struct json *json, const char *key, int64_t value);
void json_bool(struct json *json, const char *key, bool value);

/* Print the line and forget it. false: it could not be made. */
bool json_print(struct json *json, FILE *file);
void json_reset(struct json *json);
void json_free(struct json *json);

#endif
