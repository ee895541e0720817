/* SPDX-License-Identifier: MIT */
/*
 * What the tests of secrets share: a case runs in a process of its own (a fork without exec), shows itself where
 * nothing of its secret may be left, and is searched there from outside, so that the search leaves no traces. An
 * assertion that fails ends its process.
 */
#ifndef SECRETS_KIT_H
#define SECRETS_KIT_H

#include "search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What a case does; it calls secret_shown at least once, or ends. */
struct secret_case {
    const char *name; /* a rule */
    void (*run)(const struct secret *secret);
    size_t size; /* of its secret; 0: 16 */
    bool digits;
    bool remains; /* the control: it must be found, or the search is blind */
};

/*
 * Here nothing of the secret may be left in this process. Returns when it has been searched; a thread that is about to
 * wipe something has two seconds for it. Does not touch what lies below the caller's frame.
 */
void secret_shown(void);

/* Who wipes, where wipes.c is linked in: in memory that the cases' processes share. */
#define SECRET_SITES 128u

struct secret_sites {
    void *left_out;   /* this call is not done */
    unsigned current; /* the case that runs */
    struct {
        void *caller;   /* NULL: a free place */
        uint64_t cases; /* which have come by, a bit each */
    } site[SECRET_SITES];
};
extern struct secret_sites *secret_sites; /* NULL: all are done */

/*
 * Which of the calls that wipe are needed? Leave one after the other out, and run the cases that come by it until one
 * finds a trace. Tells those that no case misses, as addresses in the program (addr2line -f -e PROGRAM ADDRESS): what
 * they wipe is wiped by another one as well, or holds no secret here. Returns main's code.
 */
int secret_run_without_wipes(const struct secret_case *cases, size_t count);

/* Run the cases of which the name contains a word (NULL: all). Returns main's code: 0 when nothing was found. */
int secret_run(const struct secret_case *cases, size_t count, const char *word);

/* Say how a rule came out, as cmocka does and tests/count.py expects. */
void secret_verdict(bool good, const char *rule);

/*
 * For a program that is traced until it ends: start it with its standard input from a descriptor and its output to
 * another (-1: as it is); stop it at its very end, with its memory as it was left; search it. Returns what
 * search_process does, -1 when it could not be started. *code receives its exit code.
 */
int secret_search_at_exit(char *const words[], int input, int output, const struct secret *secret, int *code);

#endif
