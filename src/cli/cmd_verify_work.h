/* SPDX-License-Identifier: MIT */
/*
 * The work of `smartcrd verify`, shared by cmd_verify_load.c (rounds: drivers and readers come and go) and
 * cmd_verify_ask.c (what each thread asks meanwhile, at random).
 */
#ifndef CLI_CMD_VERIFY_WORK_H
#define CLI_CMD_VERIFY_WORK_H

#include "cmd_verify.h"

#include <pthread.h>

#define READERS 2
#define HANDLES 3  /* of each thread */
#define FLIGHT  12 /* overlapped requests of each thread at once */
#define ROOM    1100
#define BIG     ((64u + 1u) * 1024u) /* the most that the client takes */

struct flight {
    struct smartcrd_handle *handle; /* NULL: free */
    uint64_t id;
    size_t shape;
    uint8_t in[ROOM], out[ROOM];
};

struct world;

/* One thread that asks; only that thread touches it. */
struct seat {
    struct world *world;
    unsigned number;
    uint64_t random;
    struct smartcrd_handle *handles[HANDLES]; /* NULL: closed */
    struct flight flights[FLIGHT];
    uint8_t *big;
};

struct world {
    const struct verify_plan *plan;
    struct verify_record *record;
    struct smartcrd *context;
    char driver[64];
    uint32_t seed;        /* of the round */
    uint64_t until_ns;    /* when the round shall end */
    bool adds;            /* the driver has an AddDevice */
    pthread_mutex_t lock; /* guards names; held only to copy one */
    char names[READERS][SMARTCRD_NAME_MAX];
    struct seat seats[VERIFY_SEATS];
    unsigned seat_count;
};

/* ---- cmd_verify_ask.c: each by the seat's own thread only ---- */

size_t seat_draw(struct seat *seat, size_t below); /* 0 to below - 1, from the seed */
/* What the thread is about to do, in words, for the watch and for the end of a driver that dies of it. */
void seat_does(struct seat *seat, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* It does nothing that could hang. */
void seat_rests(struct seat *seat);
/* Let so many microseconds pass, of the context's clock. Returns true. */
bool seat_waits(struct seat *seat, uint32_t us);
/* One thing at random. */
void seat_steps(struct seat *seat);
void seat_opens(struct seat *seat);   /* one of its handles anew */
void seat_submits(struct seat *seat); /* any request, overlapped */
/* End every request and close every handle, in one way or the other. */
void seat_leaves(struct seat *seat);

void verify_happened(struct verify_record *record, enum verify_event event);

#endif
