/* SPDX-License-Identifier: MIT */
/*
 * What it costs to ask for the last error through a handle: nanoseconds, and instructions counted by callgrind (this
 * program starts itself under valgrind for that). Beside it what a system call costs here, which is the least that any
 * interface across the kernel's border would pay.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <fcntl.h>
#include <unistd.h>

#define ROUNDS  200
#define CALLS   20000
#define COUNTED 1000

/* Not inlined: callgrind collects inside this function only. */
__attribute__((noinline)) void ask_many(struct smartcrd_handle *handle, unsigned calls);
void ask_many(struct smartcrd_handle *handle, unsigned calls)
{
    NTSTATUS last = 0;
    for (unsigned i = 0; i < calls; i++) {
        if (smartcrd_last_error(handle, &last) != STATUS_SUCCESS) {
            abort();
        }
    }
}

static void system_call(size_t rounds)
{
    static double samples[ROUNDS];
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC), value;
    for (size_t i = 0; i < rounds; i++) {
        uint64_t began = bench_now();
        for (unsigned n = 0; n < 1000; n++) {
            ioctl(fd, FIONREAD, &value);
        }
        samples[i] = (double)(bench_now() - began) / 1000;
    }
    close(fd);
    bench_show((struct bench_figure){.name = "last_error.ioctl",
                                     .means = "the cheapest ioctl(2) of this system",
                                     .unit = "ns",
                                     .samples = samples,
                                     .count = rounds,
                                     .beside = "last_error.time"});
}

int main(int argc, char **argv)
{
    static double samples[ROUNDS];
    struct smartcrd_handle *handle;
    struct smartcrd *context;
    size_t rounds;

    bench_begin(&argc, argv);
    rounds = bench_rounds(ROUNDS);
    context = bench_echo_reader(SCARD_PROTOCOL_T1, &handle, NULL);
    if (argc > 1 && strcmp(argv[1], "--counted") == 0) {
        ask_many(handle, COUNTED);
    } else {
        ask_many(handle, CALLS);
        for (size_t i = 0; i < rounds; i++) {
            uint64_t began = bench_now();
            ask_many(handle, CALLS);
            samples[i] = (double)(bench_now() - began) / CALLS;
        }
        bench_show((struct bench_figure){.name = "last_error.time",
                                         .means = "GET_LAST_ERROR through a handle",
                                         .unit = "ns",
                                         .samples = samples,
                                         .count = rounds,
                                         .target = 60});
        system_call(rounds);
        double instructions = bench_instructions(argv[0], "ask_many", "");
        bench_show((struct bench_figure){.name = "last_error.instructions",
                                         .means = "the same, counted by callgrind",
                                         .unit = "instructions",
                                         .value = instructions > 0 ? instructions / COUNTED : BENCH_UNKNOWN,
                                         .target = 251});
    }
    smartcrd_close(handle);
    smartcrd_destroy(context);
    return 0;
}
