/* SPDX-License-Identifier: MIT */
/*
 * Throughput: a thread on each of 1, 2 and all processors, each with a reader of its own in one context. The card echoes
 * a short APDU over T=1; synchronous and overlapped. The numbers of threads take turns within each round. What one
 * request costs the processor shows whether the threads are in each other's way, also where others use the processors.
 */
#include "scale.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <smartcrd/vreader.h>

#define MOST   64
#define ROUNDS 9
#define NS     100000000u /* a round of one kind and one number of threads */

struct runner {
    _Alignas(64) pthread_t thread; /* a cache line for each */
    struct smartcrd_handle *handle;
    bool overlapped;
    uint64_t done, cpu_ns;
};

static struct runner runners[MOST];
static _Atomic bool go, stop;

static void *run(void *argument)
{
    struct runner *runner = argument;
    uint8_t buffer[64];
    const struct smartcrd_request request = bench_short_apdu(SCARD_PROTOCOL_T1, buffer);
    struct smartcrd_completion completion;
    uint64_t id, done = 0;

    while (!atomic_load(&go))
        sched_yield();
    const uint64_t began = bench_thread_cpu();
    do {
        if (!runner->overlapped)
            bench_check(smartcrd_control(runner->handle, &request, NULL), "transmit");
        else if (smartcrd_submit(runner->handle, &request, &id, &completion) == STATUS_PENDING)
            bench_check(smartcrd_reap(runner->handle, &completion, SMARTCRD_NO_TIMEOUT), "reap");
        done++;
    } while (!atomic_load_explicit(&stop, memory_order_relaxed));
    runner->done = done;
    runner->cpu_ns = bench_thread_cpu() - began;
    return NULL;
}

/* Thousands of requests a second; *cost: nanoseconds of processor for each. */
static double throughput(size_t threads, bool overlapped, double *cost)
{
    const uint64_t span = bench_is_quick() ? NS / 50 : NS;
    uint64_t began, done = 0, cpu_ns = 0;
    double elapsed;

    atomic_store(&go, false);
    atomic_store(&stop, false);
    for (size_t i = 0; i < threads; i++) {
        runners[i].overlapped = overlapped;
        if (pthread_create(&runners[i].thread, NULL, run, &runners[i]) != 0)
            exit(1);
    }
    began = bench_now();
    atomic_store(&go, true);
    while (bench_now() - began < span) {
        const struct timespec some = {.tv_nsec = 1000000};
        nanosleep(&some, NULL);
    }
    atomic_store(&stop, true);
    elapsed = (double)(bench_now() - began);
    for (size_t i = 0; i < threads; i++) {
        pthread_join(runners[i].thread, NULL);
        done += runners[i].done;
        cpu_ns += runners[i].cpu_ns;
    }
    *cost = (double)cpu_ns / (double)done;
    return (double)done / elapsed * 1e6;
}

static size_t processors(void)
{
    cpu_set_t set;
    size_t count;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        exit(1);
    count = (size_t)CPU_COUNT(&set);
    return count < MOST ? count : MOST;
}

enum { ONE, TWO, ALL, NUMBERS };

static const struct {
    bool overlapped;
    const char *name[NUMBERS], *means[NUMBERS - 1], *factor, *cost;
} kinds[] = {
    {false,
     {"scale.sync_1", "scale.sync_2", "scale.sync_all"},
     {"synchronous TRANSMITs, a reader for each thread, one thread", "two threads"},
     "scale.sync_factor",
     "scale.sync_cost"},
    {true,
     {"scale.overlapped_1", "scale.overlapped_2", "scale.overlapped_all"},
     {"overlapped TRANSMITs, a reader for each thread, one thread", "two threads"},
     "scale.overlapped_factor",
     "scale.overlapped_cost"},
};

static void measure(size_t kind, size_t all)
{
    static double samples[NUMBERS][ROUNDS], factor[ROUNDS], cost[ROUNDS];
    const size_t numbers[NUMBERS] = {1, all < 2 ? all : 2, all};
    const size_t rounds = bench_rounds(ROUNDS);
    char means[96];

    for (size_t round = 0; round < rounds; round++) {
        double costs[NUMBERS];

        for (size_t n = 0; n < NUMBERS; n++)
            samples[n][round] = throughput(numbers[n], kinds[kind].overlapped, &costs[n]);
        factor[round] = samples[ALL][round] / samples[ONE][round] / (double)all;
        cost[round] = costs[ALL] / costs[ONE];
    }
    for (size_t n = 0; n < NUMBERS; n++) {
        if (n == ALL)
            snprintf(means, sizeof(means), "a thread for each of %zu processors", all);
        else
            snprintf(means, sizeof(means), "%s", kinds[kind].means[n]);
        bench_show((struct bench_figure){
            .name = kinds[kind].name[n], .means = means, .unit = "thousand/s", .samples = samples[n], .count = rounds});
    }
    bench_show((struct bench_figure){.name = kinds[kind].factor,
                                     .means = "what a processor adds: the last, by the first, by their number",
                                     .unit = "times",
                                     .samples = factor,
                                     .count = rounds,
                                     .at_least = 0.8});
    bench_show((struct bench_figure){.name = kinds[kind].cost,
                                     .means = "what one costs a processor among all, as a multiple of alone",
                                     .unit = "times",
                                     .samples = cost,
                                     .count = rounds,
                                     .target = 1.25});
}

void scale_cores(void)
{
    const size_t all = processors();
    struct smartcrd *context;

    bench_check(smartcrd_create(NULL, &context), "create a context");
    bench_check(smartcrd_load_driver(context, "vreader", NULL, 0), "load the driver vreader");
    for (size_t i = 0; i < all || i < 2; i++)
        bench_add_echo(context, SCARD_PROTOCOL_T1, &runners[i].handle, NULL);
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
        measure(kind, all);
    for (size_t i = 0; i < all || i < 2; i++)
        smartcrd_close(runners[i].handle);
    smartcrd_destroy(context);
}
