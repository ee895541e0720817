/* SPDX-License-Identifier: MIT */
/*
 * The matrix of faults: every byte position of every kind of exchange, crossed with every fault, through smartcrd.h,
 * in simulated time. A walk (t1.c, t0.c, atr.c, pps.c) names the cells and, from a table of rules, what each must end with;
 * matrix.c runs them and compares. Expected values come from the rules alone, never from the code that is tested.
 */
#ifndef TEST_MATRIX_H
#define TEST_MATRIX_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <smartcrd/smartcrd.h>
#include <smartcrd/vreader.h>

#define FOR_EVER 0  /* of count= */
#define ANY      -1 /* of what a rule leaves open */

/* What the caller must get. */
enum answer {
    ANSWER_RIGHT,   /* the right one */
    ANSWER_ALTERED, /* it differs in one byte, which the channel's check cannot see */
    ANSWER_OTHER,   /* another one, for the same reason */
    ANSWER_NONE,    /* an error */
};

/* What must hold afterwards. */
enum afterwards {
    WORKS,       /* the next exchange gives the right answer */
    AFTER_RESET, /* it does after a reset */
    GONE,        /* no card: NO_MEDIA, IS_ABSENT satisfied, until another one is inserted */
};

struct expected {
    NTSTATUS status;
    int layer;           /* enum smartcrd_layer; ANY */
    const char *step;    /* in the journal; '*' is any text */
    int retransmissions; /* ANY */
    enum answer answer;
    enum afterwards after;
};

struct desk;
typedef NTSTATUS act(struct desk *desk, const void *what, uint8_t *reply, size_t *size);

struct cell {
    char name[200];
    char card[128]; /* what is inserted */
    char fault[3][96];
    /* Bring the card to where the exchange begins, with no fault armed; run the exchange; run the next one. */
    bool (*prepare)(struct desk *desk, const void *what);
    act *exchange, *next;
    const void *what;
    const uint8_t *right, *next_right; /* the right answers */
    size_t right_size, next_right_size;
    struct expected expected;
};

struct desk {
    struct smartcrd *context;
    struct smartcrd_handle *reader, *second, *panel;
    char card[128]; /* what is in the slot */
    uint64_t index, only, stride, ran, failed, open;
    const char *walk;
    bool loud;
};

/* One more cell: it is run when it is one's turn. */
void matrix_cell(struct desk *desk, const struct cell *cell);
/* The cell with this fault, which goes into its name too, and what it must end with. */
void matrix_faulty(struct desk *desk, const struct cell *base, const struct expected *expected, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* No rule says what the cell must end with: that is a failure. */
void matrix_no_rule(struct desk *desk, const struct cell *cell);

/* For the walks: operations on the desk's reader. */
bool desk_say(struct desk *desk, uint32_t code, const char *text);
NTSTATUS desk_reset(struct desk *desk, uint8_t atr[33], size_t *size);
/* Reset and protocol; true when both succeed. */
bool desk_connect(struct desk *desk, uint32_t protocol);
/* Format into a cell's texts. */
void text(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "3B..." with the TCK that fits appended when tck. */
void atr_text(char *to, size_t size, const char *hex, bool tck);

void walk_t1(struct desk *desk);
void walk_t0(struct desk *desk);
void walk_atr(struct desk *desk);
void walk_pps(struct desk *desk);

#endif
