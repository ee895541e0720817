/* SPDX-License-Identifier: MIT */
/*
 * 10,000 virtual readers, each with a pending IS_PRESENT, and TRANSMITs on 100 of them that hold a card; beside it 100
 * such readers alone in their context. The two take turns, so that what else the machine does hits both alike.
 */
#include "scale.h"

#include <smartcrd/vreader.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define READERS 10000
#define WORKERS 100
#define ROUNDS  100
#define CALLS   10 /* TRANSMITs on each of the hundred in a round */

struct crowd {
    struct smartcrd *context;
    struct smartcrd_handle **handles;
    size_t count, workers, step; /* each step-th works */
};

static void crowd_work(const struct crowd *crowd, size_t calls)
{
    uint8_t buffer[64];
    const struct smartcrd_request request = bench_short_apdu(SCARD_PROTOCOL_T1, buffer);

    for (size_t call = 0; call < calls; call++)
        for (size_t i = 0; i < crowd->workers; i++)
            bench_check(smartcrd_control(crowd->handles[i * crowd->step], &request, NULL), "transmit");
}

static void crowd_make(struct crowd *crowd, size_t count, size_t workers)
{
    const struct smartcrd_request wait = {.code = IOCTL_SMARTCARD_IS_PRESENT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    const struct smartcrd_request absent = {.code = IOCTL_SMARTCARD_IS_ABSENT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    char name[SMARTCRD_NAME_MAX];
    uint64_t id;

    *crowd = (struct crowd){.count = count, .workers = workers, .step = count / workers};
    crowd->handles = calloc(count, sizeof(struct smartcrd_handle *));
    if (!crowd->handles)
        exit(1);
    bench_check(smartcrd_create(NULL, &crowd->context), "create a context");
    bench_check(smartcrd_load_driver(crowd->context, "vreader", NULL, 0), "load the driver vreader");
    for (size_t i = 0; i < count; i++) {
        const bool works = i % crowd->step == 0 && i / crowd->step < workers;

        if (works) {
            bench_add_echo(crowd->context, SCARD_PROTOCOL_T1, &crowd->handles[i], NULL);
        } else {
            bench_check(smartcrd_add_reader(crowd->context, "vreader", name, sizeof(name)), "add a reader");
            bench_check(smartcrd_open(crowd->context, name, &crowd->handles[i]), "open a reader");
        }
        if (smartcrd_submit(crowd->handles[i], works ? &absent : &wait, &id, NULL) != STATUS_PENDING) {
            fprintf(stderr, "bench: IS_PRESENT or IS_ABSENT did not pend\n");
            exit(1);
        }
    }
}

static void crowd_end(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->count; i++)
        smartcrd_close(crowd->handles[i]);
    smartcrd_destroy(crowd->context);
    free(crowd->handles);
}

void scale_readers(void)
{
    static double among[ROUNDS], alone[ROUNDS], ratio[ROUNDS];
    const size_t rounds = bench_rounds(ROUNDS), workers = bench_is_quick() ? 10 : WORKERS;
    struct crowd many, few;
    size_t before = mallinfo2().uordblks;

    crowd_make(&many, bench_rounds(READERS), workers);
    bench_show((struct bench_figure){.name = "scale.reader_bytes",
                                     .means = "a reader of 10,000, open, with a request: allocated",
                                     .unit = "bytes",
                                     .value = (double)(mallinfo2().uordblks - before) / (double)many.count,
                                     .target = 16384});
    crowd_make(&few, workers, workers);
    for (size_t round = 0; round < rounds; round++) {
        const uint64_t began = bench_now(), cpu_began = bench_thread_cpu();
        crowd_work(&many, CALLS);
        const uint64_t between = bench_now(), cpu_between = bench_thread_cpu();
        crowd_work(&few, CALLS);
        const uint64_t ended = bench_now(), cpu_ended = bench_thread_cpu();
        among[round] = (double)(between - began) / 1000 / (double)(workers * CALLS);
        alone[round] = (double)(ended - between) / 1000 / (double)(workers * CALLS);
        ratio[round] = (double)(cpu_between - cpu_began) / (double)(cpu_ended - cpu_between);
    }
    bench_show((struct bench_figure){.name = "scale.work",
                                     .means = "TRANSMIT on 100 of 10,000 readers in turn, each",
                                     .unit = "us",
                                     .samples = among,
                                     .count = rounds});
    bench_show((struct bench_figure){.name = "scale.work_alone",
                                     .means = "the same on 100 readers alone",
                                     .unit = "us",
                                     .samples = alone,
                                     .count = rounds,
                                     .beside = "scale.work"});
    bench_show((struct bench_figure){.name = "scale.work_ratio",
                                     .means = "the former as a multiple of the latter, in processor time",
                                     .unit = "times",
                                     .samples = ratio,
                                     .count = rounds,
                                     .target = 1.5});
    crowd_end(&few);
    crowd_end(&many);
}
