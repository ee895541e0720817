/* SPDX-License-Identifier: MIT */
/*
 * PINs in what the command is told: which words hold one, and how they are kept from other users' eyes (a process's
 * arguments are everybody's to read) and from staying in memory. docs/secrets.md says what is promised.
 */
#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a word is a command APDU whose data is secret (iso7816_command_is_secret), or a card's PIN; an APDU's bytes
 * may be words of their own. */
bool secret_words(char *const words[], size_t count);

/* The same for a line that is not taken apart yet; one that cannot be is taken for secret. */
bool secret_line(const char *line);

/*
 * When the program's arguments hold a secret: move them all to memory of our own, and blank out what `ps` shows. Returns
 * the arguments to use, argv itself when there is nothing to hide. secret_forget_arguments wipes them again.
 */
char **secret_take_arguments(int argc, char **argv);
void secret_forget_arguments(void);

/* How many characters of a card's description may be told: a PIN, and what follows it, may not. */
int secret_length(const char *card);

/* Wipe a text and free it; NULL does nothing. */
void secret_free(char *text, size_t size);

#endif
