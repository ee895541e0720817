/* SPDX-License-Identifier: MIT */
/*
 * Failing on purpose: what the stack asks of the system (memory, threads, descriptors) and could be refused can be made
 * to fail, the n-th time, or from the n-th time on. fail.c puts itself in front of the calls in one of two ways:
 *
 * - linked in, with the linker's --wrap: a program asks for failures by the functions below, and blocks that were not
 *   freed are counted;
 * - preloaded (LD_PRELOAD) into any program: the environment asks. Only calls from code below FAIL_ROOT count, so that
 *   the C library and other people's libraries have what they want.
 *
 *     FAIL_ROOT=FOLDER    whose calls count
 *     FAIL_KIND=memory|thread|file  only these (default: all)
 *     FAIL_AT=N           the N-th call of the process fails (counted from 1)
 *     FAIL_STACK=A,B,...  the first call with these return addresses fails; each MODULE+OFFSET
 *     FAIL_KEEP=1         and all calls after it
 *     FAIL_REPORT=FILE    a line is appended for each new stack of a call (seen KIND STACK), one that says what failed
 *                         (failed KIND STACK), and, with FAIL_STACK, for each failed assertion of cmocka's (refused) and
 *                         for a crash (crashed SIGNAL STACK), which ends the program there
 */
#ifndef TESTS_FAIL_H
#define TESTS_FAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FAIL_MEMORY = 1, /* malloc and its family, strdup, tsearch, getline, mmap, dlopen */
    FAIL_THREAD = 2, /* pthread_create */
    FAIL_FILE = 4,   /* descriptors: open, fopen, mkostemp, memfd_create, eventfd, epoll_create1, socket, accept4 */
    FAIL_ALL = 7
};

/* From now on calls are counted anew, in all threads; the at-th of these kinds fails (0: none), with keep all after it. */
void fail_arm(unsigned kinds, uint64_t at, bool keep);

/* Between the two of these calls succeed and are not counted. */
void fail_spare(bool spare);

/* Calls succeed again. Returns how many there were since fail_arm; *failed: how many of them failed. */
uint64_t fail_disarm(uint64_t *failed);

/* Where the first failure was: return addresses, the caller's first. Returns how many. */
size_t fail_where(void *addresses[], size_t room);

/* Blocks of memory that were allocated by calls in front of which fail.c stands, and not freed. */
size_t fail_blocks(void);

/* Forget the blocks that there are: fail_blocks counts from here on. */
void fail_blocks_forget(void);

/* Say on stderr which functions and lines return addresses of this program belong to. */
void fail_show(void *const addresses[], size_t depth);

/* Say on stderr where the blocks that fail_blocks counts were allocated. */
void fail_blocks_show(void);

#endif
