/* SPDX-License-Identifier: MIT */
/* T=1 in the matrix: what t1.c (the exchanges) and t1_rules.c (what faults make of them) share. */
#ifndef TEST_MATRIX_T1_H
#define TEST_MATRIX_T1_H

#include "matrix.h"

enum kind { IFS, I_MORE, I_LAST, R, WTX, RESYNCH, RESYNCH_2 }; /* the library adds one of its own to the driver's */

/* One block on the line. */
struct place {
    bool to_card;
    enum kind kind;
    uint8_t pcb;
    size_t size, edc;  /* in all; of the EDC */
    unsigned skip;     /* blocks that way before it */
    size_t offset;     /* bytes that way before it */
    unsigned received; /* blocks that the library has got before it */
    size_t apdu_at;    /* of the command, where INF begins */
};

struct trace {
    struct place places[400];
    size_t count;
    unsigned blocks[2], received;
    size_t bytes[2];
    unsigned ns, nr;
    size_t edc;
    const char *words; /* the journal's, when all goes well */
};

struct scene {
    const char *name;
    size_t data;
    bool warm;     /* not the first exchange after the reset */
    bool ifs;      /* S(IFS) comes first */
    bool suppress; /* no S(IFS): IFSD is 32 */
    bool delay;    /* the card asks for waiting time once */
    bool resynch;  /* the exchange before was given up */
};

struct exchange {
    const struct scene *scene;
    size_t edc, ifsc, size, right_size;
    uint32_t timeout_ms;
    char card[100];
    uint8_t command[300], right[300];
};

/* What a fault is to whoever gets the block. */
enum effect {
    HARMLESS,
    BAD,       /* no valid block: its EDC, its length, a character of it */
    LOST,      /* nothing */
    LATE,      /* all of it, after BWT */
    SLICED,    /* a part, and after CWT the rest */
    WRONG_PCB, /* a valid block with the other sequence number, or a response instead of a request and vice versa */
    WRONG_INF, /* of an S-block */
    ALTERED_HEADER, /* of an I-block: nobody can see it */
    ALTERED_LC,
    ALTERED_DATA,
};

const char *t1_kind_name(enum kind kind);
/* The effect of another byte in an I-block. */
enum effect t1_altered(const struct place *place, size_t byte);
/* The journal's layer of an exchange that goes well. */
int t1_layer(const struct trace *trace);
/* What the rules say. FALSE: there is no rule, which fails the walk. */
bool t1_expect(const struct trace *trace, size_t at, enum effect effect, unsigned times, struct expected *expected,
               char *step, size_t step_size);

/* Add to the cell's name what its fault hits. */
void t1_name(struct cell *cell, const struct place *place, size_t byte);
/* Faults of the whole block: another one instead, and the same one twice. */
void t1_blocks(struct desk *desk, const struct cell *base, const struct trace *trace, size_t at);

#endif
