/* SPDX-License-Identifier: MIT */
/* Words, hex and numbers, as a user types them. Pure functions, strict: what is not clear is refused with a reason. */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stands between two commands; compared by address, so that a quoted "," is still a word. */
extern char words_comma[];

/*
 * Split a line in place: blanks separate words, "..." and '...' keep them together, a comma at the end of a word (or
 * alone) separates commands, # at the start of a word begins a comment. Returns how many; SIZE_MAX: *why says what is
 * wrong.
 */
size_t words_split(char *line, char **words, size_t room, const char **why);

/* The same for words that a shell has split. Needs room for twice argc. A comma at a word's end is cut off in place. */
size_t words_from_argv(int argc, char **argv, char **words);

/* Hex digits in pairs; blanks and colons between pairs. false: *why says what is wrong. */
bool hex_parse(const char *text, uint8_t *bytes, size_t room, size_t *size, const char **why);

/* Decimal, or hexadecimal after 0x; nothing else around it. */
bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value);

#endif
