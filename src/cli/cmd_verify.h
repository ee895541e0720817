/* SPDX-License-Identifier: MIT */
/*
 * What the files of `smartcrd verify` share: cmd_verify.c (options, the process that does the work, the watch over it),
 * cmd_verify_load.c and cmd_verify_ask.c (the work: a driver and what is asked of it), cmd_verify_report.c (the verdict).
 *
 * The work is done in a process of its own, because a driver may crash or hang. What came of it stands in a record that
 * both processes have in memory, so that nothing is lost when that happens.
 */
#ifndef CLI_CMD_VERIFY_H
#define CLI_CMD_VERIFY_H

#include "cli.h"

#include <stdatomic.h>

#define VERIFY_SEATS      3  /* threads that ask, at most */
#define VERIFY_VIOLATIONS 64 /* different ones that are remembered */
#define VERIFY_VENDOR     8
#define VERIFY_SHAPES     24 /* at least as many as verify_shape has */

struct verify_plan {
    const char *driver; /* as the user named it */
    uint32_t seed, seconds, rounds, limit;
    uint32_t vendor[VERIFY_VENDOR]; /* control codes */
    size_t vendor_count;
    bool simulated;
};

/* What can happen to a driver, each counted. verify_event_text has the words. */
enum verify_event {
    VERIFY_LOADED,
    VERIFY_UNLOADED,
    VERIFY_OPENED,
    VERIFY_CLOSED_BUSY, /* a handle with requests in flight */
    VERIFY_REMOVED,
    VERIFY_REMOVED_BUSY,
    VERIFY_CANCELS,
    VERIFY_CANCELLED, /* requests that ended so */
    VERIFY_TIMED_OUT,
    VERIFY_POWERED,
    VERIFY_PROTOCOLS,
    VERIFY_EXCHANGED,
    VERIFY_TRACKED, /* a tracking request that was pended ended because the card moved */
    VERIFY_EVENTS
};

/* One violation, as often as it was seen. */
struct verify_found {
    struct smartcrd_violation violation; /* its `rule` is no pointer of this process: */
    uint32_t rule;
    uint32_t times;
    uint32_t seed; /* of the first round that it was seen in */
};

/*
 * Written by the process that works, read by the other one while it runs (the atomics) and once it has ended (the rest).
 * Atomics are relaxed: each is read for its own sake.
 */
struct verify_record {
    atomic_bool stop; /* the other way: finish this round */
    /* of each thread that asks: when its present step began (nt_now's clock, 0: none) and what it is */
    _Atomic uint64_t since_ns[VERIFY_SEATS];
    char step[VERIFY_SEATS][128];
    _Atomic uint32_t seed; /* of the present round */
    atomic_uint rounds;
    atomic_ullong tried[VERIFY_SHAPES], succeeded[VERIFY_SHAPES];
    atomic_ullong events[VERIFY_EVENTS];
    atomic_uint found_count; /* stored after the entry, released: the ones below it are complete */
    unsigned found_more;     /* different ones that there was no room for */
    struct verify_found found[VERIFY_VIOLATIONS];
    int exit;          /* of the work: an enum cli_exit */
    char why[300];     /* what was wrong before it could begin */
    atomic_int signal; /* that it died of */
    char dying[192];   /* in which function of the driver, or in which ones its threads were; empty: not known */
};

/* ---- cmd_verify_load.c ---- */

/* Do the work; everything that came of it is in the record. */
void verify_work(const struct verify_plan *plan, struct verify_record *record);
/* The kinds of requests that are counted (cmd_verify_ask.c): words, NULL ends the walk. */
const char *verify_shape_text(size_t index);

/* ---- cmd_verify_report.c ---- */

enum verify_end { VERIFY_ENDED, VERIFY_DIED, VERIFY_HUNG };

/* Print the verdict; returns the exit code. status: waitpid's. */
int verify_report(struct cli *cli, const struct verify_plan *plan, const struct verify_record *record,
                  enum verify_end end, int status);

#endif
