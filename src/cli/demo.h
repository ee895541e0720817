/* SPDX-License-Identifier: MIT */
/*
 * The demo: a story that checks itself. It makes a context and a reader of its own and leaves those of the command line
 * alone. demo.c holds the plot, demo_story.c the voice, demo_fs.c and demo_cac.c what each card can do, demo_failures.c
 * what goes wrong.
 */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include "cli.h"

#define DEMO_SURPRISES 32

struct demo {
    struct cli *cli;
    struct smartcrd *context;
    char reader[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *handle;   /* the one that works */
    struct smartcrd_handle *observer; /* a second one that only asks for the last error */
    struct smartcrd_handle *panel;    /* the hand at the slot */
    const char *insert;               /* the card, for IOCTL_VREADER_INSERT */
    const char *out;                  /* folder for files, or NULL */
    const char *pin;
    uint8_t ping[32]; /* a command that the card answers with 9000 */
    size_t ping_size;
    unsigned chapter, surprises;
    char surprise[DEMO_SURPRISES][160];
    uint8_t reply[CLI_RESPONSE_MAX];
};

/* ---- demo_story.c ---- */

/* A numbered heading, and a line or two on what it shows. */
void demo_chapter(struct demo *demo, const char *title, const char *why);
/* "  label   text". */
void demo_line(struct demo *demo, const char *label, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What must hold; when it does not, that is said at once and counted. Returns `good`. */
bool demo_expect(struct demo *demo, bool good, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Hand a text to the reader's panel; a refusal is a surprise. */
bool demo_panel(struct demo *demo, uint32_t code, const char *text);

/* An overlapped operation on the way. */
struct demo_op {
    uint64_t id;
    uint64_t begin_ns;
    bool ended; /* at once; `done` is filled */
    struct smartcrd_completion done;
};

bool demo_submit(struct demo *demo, const struct smartcrd_request *request, struct demo_op *op);
/* Wait for its completion (at most 5 seconds). */
bool demo_reap(struct demo *demo, struct demo_op *op);
/*
 * Show how it ended, what the journal says, and what GET_LAST_ERROR answers on both handles; all must agree on
 * `expected`.
 */
void demo_ending(struct demo *demo, const char *title, const struct demo_op *op, NTSTATUS expected);
/* The answer of IOCTL_SMARTCARD_GET_LAST_ERROR, the bare control code, on a handle. */
NTSTATUS demo_last_error(struct smartcrd_handle *handle, NTSTATUS *last);

/* Exchange an APDU, show it under a name, expect SW. Returns the size of the data in demo->reply, or SIZE_MAX. */
size_t demo_apdu(struct demo *demo, const char *name, const uint8_t *command, size_t size, unsigned sw);
/* The same, for APDUs of which there are too many to show. */
size_t demo_quiet_apdu(struct demo *demo, const char *name, const uint8_t *command, size_t size, unsigned sw);

/* ---- the chapters ---- */

void demo_fs(struct demo *demo);
void demo_cac(struct demo *demo);
/* Reset the card and select T=1; false is a surprise. */
bool demo_ready(struct demo *demo, bool show);
void demo_failures(struct demo *demo);

#endif
