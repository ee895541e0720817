/* SPDX-License-Identifier: MIT */
/*
 * What the files behind windows.h share: the table of handles, and the one lock.
 *
 * A handle is a slot's number with the slot's generation, never a pointer: a stale one finds nothing. Everything a
 * handle stands for is guarded by win32_lock and looked up anew after each wait; nobody keeps a pointer to an object
 * without the lock. A file's requests go on without it (file.c says how they keep the file alive).
 */
#ifndef CONFORMANCE_LINUX_WIN32_H
#define CONFORMANCE_LINUX_WIN32_H

#include "windows.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum object_kind { OBJECT_NONE, OBJECT_EVENT, OBJECT_THREAD, OBJECT_FILE };

struct file;

struct object {
    enum object_kind kind;
    bool signalled;
    bool manual;       /* an event that stays signalled */
    DWORD thread;      /* a thread's number */
    DWORD exit_code;   /* STILL_ACTIVE while it runs */
    struct file *file; /* owned by file.c */
};

void win32_lock(void);
void win32_unlock(void);

/* The functions below are called with the lock held. */

/* A new handle; NULL: no room. */
HANDLE object_new(struct object object);
/* What a handle stands for; NULL and the last error ERROR_INVALID_HANDLE when that is not of this kind (OBJECT_NONE:
 * any). */
struct object *object_find(HANDLE handle, enum object_kind kind);
void object_free(HANDLE handle);
/* The first handle of this kind behind `after` (NULL: of all), NULL when there is none. */
HANDLE object_next(enum object_kind kind, HANDLE after);
/* Set or reset what a handle stands for; nothing when it has been closed. */
void object_signal(HANDLE handle, bool on);
/* Wake every waiter, so that it looks again; wait for that, at most until then (NULL: for ever). false: it is time. */
void win32_wake(void);
bool win32_sleep(const struct timespec *until);
/* That many milliseconds from now, on the clock of win32_sleep. */
struct timespec win32_until(DWORD milliseconds);

/* Threads of CreateThread that have not ended. */
unsigned win32_threads(void);

/* file.c, called without the lock: close a file, end the reaper. */
BOOL file_close(HANDLE handle);
void file_stop(void);

#endif
