/* SPDX-License-Identifier: MIT */
/* Between the scripted card's parser and what plays a script. The language: docs/smartcrd-vreader.7.scd. */
#ifndef CARDS_SCRIPT_H
#define CARDS_SCRIPT_H

#include "card.h"

#define SCRIPT_DEPTH 8u /* of repeat ... end */
#define SCRIPT_LINES 16384u

enum script_what {
    SCRIPT_COMMAND, /* bytes: pairs of value and mask; `rest`: more may follow */
    SCRIPT_ANSWER,  /* bytes */
    SCRIPT_WAIT,    /* number: milliseconds */
    SCRIPT_MUTE,
    SCRIPT_LEAVE,
    SCRIPT_REPEAT, /* number: how often, 0 for ever; jump: the line behind its end */
    SCRIPT_END,    /* jump: its repeat */
};

struct script_line {
    UCHAR what; /* enum script_what */
    BOOLEAN rest;
    ULONG number, jump;
    ULONG at, length; /* of its bytes in the script's heap */
};

struct script {
    UCHAR atr[33];
    ULONG atr_length;
    BOOLEAN match; /* commands are looked up from the top instead of in order */
    ULONG line_count;
    ULONG other; /* index of the command line that stands for else, 0: there is none (line 0 is a filler) */
    struct script_line *lines;
    UCHAR *heap;
    ULONG heap_used;
};

/* Parse a text. On failure `why` says what is wrong in which line and the script owns nothing. `script` is zeroed by
 * the caller; script_free gives back what it holds. */
NTSTATUS script_parse(struct script *script, const UCHAR *text, ULONG length, char *why, ULONG why_size);
VOID script_free(struct script *script);

#endif
