/* SPDX-License-Identifier: MIT */
/*
 * Inside the suite: what its own files share. Checks include suite.h alone.
 *
 * options.c reads the command line, run.c runs the checks, suite.c and world.c are what they work with, status.c has
 * the words, report.c writes the reports, port.h is the system.
 */
#ifndef CONFORMANCE_RUN_H
#define CONFORMANCE_RUN_H

#include "suite.h"

#include <setjmp.h>
#include <stdio.h>

#define CONFORM_NAMES  64 /* of --check */
#define CONFORM_REASON 512

/* Exit codes. */
enum { CONFORM_PASSED = 0, CONFORM_FAILED = 1, CONFORM_USAGE = 2, CONFORM_MISSING = 3 };

/* ---- options.c --------------------------------------------------------------------------------------------------- */

struct conform_options {
    const char *reader;               /* NULL: the first */
    const char *parts;                /* "AF"; NULL: all */
    const char *names[CONFORM_NAMES]; /* checks to run; none: all */
    size_t name_count;
    const char *json, *junit; /* files, "-" is standard output; NULL: no such report */
    uint32_t seed;            /* the clock's, unless --seed says one */
    uint32_t rounds;          /* of checks that repeat something at random; 0: each check's own */
    uint32_t limit;           /* seconds for one check */
    bool list, cmocka, quiet;
    bool silent; /* no text at all: the caller shows the results */
};

/* Read the words behind the command's name. false: `why` says what is wrong. */
bool conform_parse(struct conform_options *options, int argc, char **argv, char *why, size_t size);

/* The options in words, for help texts. */
#define CONFORM_HELP                                                                                                   \
    "--part A,F     only these parts\n"                                                                                \
    "--check NAME   only this check, may be given again\n"                                                             \
    "--list         print the checks and what each rests on, run none\n"                                               \
    "--json FILE    write the results as JSON; - is standard output\n"                                                 \
    "--junit FILE   write them as JUnit XML\n"                                                                         \
    "--seed N       what is done at random follows from N\n"                                                           \
    "--rounds N     do what is done at random N times\n"                                                               \
    "--limit S      seconds after which a check counts as hung (60)\n"                                                 \
    "--quiet        print failures and totals alone\n"                                                                 \
    "--style cmocka print a line for each check as cmocka does"

/* ---- run.c ------------------------------------------------------------------------------------------------------- */

enum verdict { PASSED, FAILED, SKIPPED };

struct result {
    const struct part *part;
    const struct check *check;
    enum verdict verdict;
    char reason[CONFORM_REASON]; /* of a failure or a skip */
    const char *file;            /* of a failure, NULL: of none in particular */
    int line;
    uint32_t ms;
};

struct totals {
    unsigned passed, failed, skipped;
    uint64_t ms;
};

/* A run: what it was given, and what came of it. */
struct conform {
    const struct conform_options *options;
    const struct part *const *parts; /* NULL ends them; NULL: the suite's own */
    char reader[64], vendor[64], type[64];
    bool is_virtual;
    bool (*stopped)(void); /* asked between two checks: whether to leave the rest; may be NULL */
    void (*hung)(
        const struct conform *run); /* called on another thread before a hung check ends the process; may be NULL */
    void *user;                     /* the caller's */
    char time[32];                  /* of the beginning: 2026-01-31T12:00:00Z */
    struct result *results;
    size_t count;
};

/* Run what the options choose on a reader, and write the reports. Returns an exit code, and says on standard error why
 * when that is CONFORM_USAGE or CONFORM_MISSING. A check that exceeds its time is cancelled and has failed; when that
 * does not end it, the process ends with CONFORM_FAILED, after the reports. `run` is filled; free it with conform_free.
 */
int conform_run(struct conform *run);
void conform_free(struct conform *run);
/* Whether the options choose any check. */
bool conform_exists(const struct conform *run);
/* Print every check that the options choose, with its source. */
int conform_list(const struct conform *run);

struct totals totals_of(const struct conform *run, const struct part *part); /* NULL: of all */

/* ---- report.c ---------------------------------------------------------------------------------------------------- */

/* A line as soon as a check has ended; the lines at the end; the files of --json and --junit. false: a file cannot be
 * written, which standard error has been told. */
void report_result(const struct conform *run, const struct result *result);
void report_totals(const struct conform *run);
bool report_files(const struct conform *run);
void report_json(const struct conform *run, FILE *file);
void report_junit(const struct conform *run, FILE *file);
const char *verdict_word(enum verdict verdict);

/* ---- suite.c, world.c: what a check works with ------------------------------------------------------------------- */

#define PATIENCE_MS 10000 /* for one request, and for all that is put back behind a check */

enum thing_kind { THING_FILE, THING_EVENT, THING_THREAD };

struct thing {
    struct thing *next;
    enum thing_kind kind;
    HANDLE handle;
};

struct own_io {
    struct own_io *next;
    struct io io;
};

struct fresh {
    struct fresh *next;
    char name[64];
    HANDLE panel; /* NULL: none opened yet */
};

struct suite {
    const struct conform *run;
    struct result *result;
    HANDLE panel; /* NULL: not the virtual reader */
    /* the check that runs */
    jmp_buf back;
    DWORD thread;
    volatile LONG over;   /* threads of the check are to end */
    volatile LONG judged; /* somebody has given the verdict, and writes it */
    struct thing *things;
    struct own_io *ios;
    struct fresh *fresh;
    uint64_t random;
};

/* Memory, zeroed; without any, the check fails. */
void *need_memory(struct suite *suite, size_t size);
/* A request that the world knows. Its event, in and out belong to it; NULL is none. */
struct io *new_io(struct suite *suite);
/* Whether a request ends within so many milliseconds; takes its result. */
bool has_ended(struct io *io, DWORD ms);
/* "POWER"; "a request" for a code without a name here. */
const char *code_word(DWORD code);
/* Whether this is the check's first verdict, which stands: then the caller writes it. */
bool first_verdict(struct suite *suite);
/* Cancel whatever runs on the check's handles and in its threads. Any thread. */
void cancel_all(struct suite *suite);
/* Put everything back; `why` says what went wrong with it, if anything. false: a thread of the check still runs, and
 * what it uses had to be left as it is. */
bool put_back(struct suite *suite, char *why, size_t size);
/* The panel of a reader, opened; NULL: it has none. */
HANDLE open_panel(const char *reader);
/* Open a device by its name without \\.\; INVALID_HANDLE_VALUE. */
HANDLE open_named(const char *name, DWORD flags);
/* An attribute as text, "" when there is none. */
void attribute_text(HANDLE handle, DWORD tag, char *text, size_t size);
void random_from(struct suite *suite, uint32_t seed, const char *name);

#endif
