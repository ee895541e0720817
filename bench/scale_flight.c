/* SPDX-License-Identifier: MIT */
/*
 * 100,000 overlapped requests in flight on one handle: one with the driver (a TRANSMIT to a mute card), the others in its
 * reader's line. What it takes to submit, to let them run and reap them, to cancel them all, and to close the handle on
 * them, each per request; and how much more that is than with 10,000 in flight,
 * in processor time, which shows what is not proportional.
 */
#include "scale.h"

#include <smartcrd/vreader.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define FEW    10000
#define MANY   100000
#define ROUNDS 5

enum part { SUBMIT, RUN, CANCEL, REAP, CLOSE, PARTS };

/* A moment, and what a part took: nanoseconds a request, by the clock and of the processor. */
struct moment {
    uint64_t clock, cpu;
};

struct flight {
    double ns[PARTS], cpu[PARTS];
    double bytes;
};

struct field {
    struct smartcrd_handle *handle, *panel;
    struct smartcrd *context;
    uint64_t first;     /* the number of the one that the driver has */
    uint8_t buffer[64]; /* what they send and where they answer, all of them; until the last is reaped */
};

static void submit(struct field *field, size_t count)
{
    const struct smartcrd_request request = bench_short_apdu(SCARD_PROTOCOL_T1, field->buffer);
    uint64_t id;

    for (size_t i = 0; i < count; i++) {
        if (smartcrd_submit(field->handle, &request, &id, NULL) != STATUS_PENDING) {
            fprintf(stderr, "bench: a request did not pend\n");
            exit(1);
        }
        if (i == 0)
            field->first = id;
    }
}

static void reap(struct field *field, size_t count)
{
    struct smartcrd_completion completion;

    for (size_t i = 0; i < count; i++)
        bench_check(smartcrd_reap(field->handle, &completion, SMARTCRD_NO_TIMEOUT), "reap");
}

static struct moment now(void)
{
    return (struct moment){bench_now(), bench_process_cpu()};
}

static void took(struct flight *flight, enum part part, struct moment began, size_t count)
{
    const struct moment ended = now();

    flight->ns[part] = (double)(ended.clock - began.clock) / (double)count;
    flight->cpu[part] = (double)(ended.cpu - began.cpu) / (double)count;
}

/* Submit them, have them run, reap them; submit them, cancel them, reap them; submit them and close. */
static struct flight fly(size_t count)
{
    struct flight flight;
    struct field field;
    struct moment began;
    size_t before;

    field.context = bench_echo_reader(SCARD_PROTOCOL_T1, &field.handle, &field.panel);
    bench_vendor(field.panel, IOCTL_VREADER_FAULT, "mute count=0");
    before = mallinfo2().uordblks + mallinfo2().hblkhd;
    began = now();
    submit(&field, count);
    took(&flight, SUBMIT, began, count);
    flight.bytes = (double)(mallinfo2().uordblks + mallinfo2().hblkhd - before) / (double)count;
    bench_vendor(field.panel, IOCTL_VREADER_FAULT, "none");
    began = now();
    bench_check(smartcrd_cancel(field.handle, field.first), "cancel");
    reap(&field, count);
    took(&flight, RUN, began, count);

    bench_vendor(field.panel, IOCTL_VREADER_FAULT, "mute count=0");
    submit(&field, count);
    began = now();
    if (smartcrd_cancel_all(field.handle) != count)
        exit(1);
    took(&flight, CANCEL, began, count);
    began = now();
    reap(&field, count);
    took(&flight, REAP, began, count);

    submit(&field, count);
    began = now();
    smartcrd_close(field.handle);
    took(&flight, CLOSE, began, count);
    smartcrd_close(field.panel);
    smartcrd_destroy(field.context);
    return flight;
}

static const struct {
    const char *name, *means, *growth;
    double target; /* us */
} parts[PARTS] = {
    {"scale.submit", "100,000 requests in flight on a handle: to submit one", "scale.submit_growth", 3},
    {"scale.run", "to run one and reap it", "scale.run_growth", 6},
    {"scale.cancel_all", "to cancel all: for each", "scale.cancel_all_growth", 3},
    {"scale.reap", "to reap all, which have ended: for each", "scale.reap_growth", 3},
    {"scale.close", "to close the handle on them: for each", "scale.close_growth", 3},
};

void scale_flight(void)
{
    static double samples[PARTS][ROUNDS], growth[PARTS][ROUNDS];
    const size_t rounds = bench_rounds(ROUNDS), few = bench_rounds(FEW), many = bench_rounds(MANY);
    double bytes = 0;

    for (size_t round = 0; round < rounds; round++) {
        struct flight small = {0}, large;

        /* As many requests as the large one has, so that both take as long. */
        for (size_t i = 0; i < many / few; i++) {
            const struct flight one = fly(few);

            for (unsigned part = 0; part < PARTS; part++)
                small.cpu[part] += one.cpu[part] / (double)(many / few);
        }
        large = fly(many);
        bytes = large.bytes;
        for (unsigned part = 0; part < PARTS; part++) {
            samples[part][round] = large.ns[part] / 1000;
            growth[part][round] = large.cpu[part] / small.cpu[part];
        }
    }
    for (unsigned part = 0; part < PARTS; part++) {
        bench_show((struct bench_figure){.name = parts[part].name,
                                         .means = parts[part].means,
                                         .unit = "us",
                                         .samples = samples[part],
                                         .count = rounds,
                                         .target = parts[part].target});
        bench_show((struct bench_figure){.name = parts[part].growth,
                                         .means = "its processor time as a multiple of that with 10,000 in flight",
                                         .unit = "times",
                                         .samples = growth[part],
                                         .count = rounds,
                                         .target = 3});
    }
    bench_show((struct bench_figure){.name = "scale.request_bytes",
                                     .means = "a request in flight: allocated",
                                     .unit = "bytes",
                                     .value = bytes,
                                     .target = 2048});
}
