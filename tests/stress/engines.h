/* SPDX-License-Identifier: MIT */
/* What the two halves of tests/stress/engines share: the generator, the commands and answers, the counts. */
#ifndef ENGINES_H
#define ENGINES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define COMMAND_MAX     (4 + 3 + 65535 + 2)
#define RESPONSE_MAX    (65536 + 2)
#define SESSION_MAX     64 /* exchanges between two resets */
#define NO_LIMIT        SIZE_MAX
#define ENDS_MAX        10
#define FAULT_KINDS_MAX 12

/* Exchange `index` of a session: all of it follows from the session's seed and the index, so that whoever holds bytes
 * can be asked whether they are really that exchange's. P1 is the index, P2 a checksum of the rest of the command;
 * answers begin with both as far as they have room, and their SW2 is the index. */
struct job {
    unsigned index;
    uint8_t kase;
    uint32_t lc, ne; /* bytes of data in the command, bytes of data allowed in the answer */
    size_t command_size, response_size;
    uint8_t command[COMMAND_MAX], response[RESPONSE_MAX];
};

/* What to play, from the command line, and what it is counted by. */
struct play {
    const char *name;
    uint64_t seed;
    unsigned long count; /* exchanges */
    long only;           /* -1, or the one session to play, telling every step */
    /* counts */
    unsigned long exchanges, sessions, ends[ENDS_MAX], faults[FAULT_KINDS_MAX];
    unsigned long carried, retransmissions, resynchronisations;
};

/* A generator of 64 bits (splitmix64); chance: in 1000. */
uint64_t next_random(uint64_t *state);
uint32_t below(uint64_t *state, uint32_t limit);
bool chance(uint64_t *state, unsigned per_thousand);

/* Make exchange `index` of a session: a command of any case with at most `limit` bytes of data each way. Most are
 * short, some are as long as can be. */
void make_job(struct job *job, uint64_t session_seed, unsigned index, size_t limit);

/* Ends the test, and says how to see it again. */
void broken(const char *what);
/* Tells a step when one session is played alone. */
void tell(const char *who, const uint8_t *bytes, size_t size, const char *what);

extern struct play play; /* the one under way */
extern unsigned long session;
extern unsigned exchange_index;

/* One session: a reset, then exchanges until one fails, or SESSION_MAX. */
void t1_session(uint64_t session_seed);
void t0_session(uint64_t session_seed);

extern const char *const t1_ends[ENDS_MAX], *const t0_ends[ENDS_MAX];
extern const char *const t1_faults[FAULT_KINDS_MAX], *const t0_faults[FAULT_KINDS_MAX];

#endif
