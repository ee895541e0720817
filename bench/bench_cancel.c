/* SPDX-License-Identifier: MIT */
/*
 * From smartcrd_cancel to the reaped completion: for a driver with a cancel routine (a TRANSMIT to a mute card in the
 * virtual reader), and for one without (pending.c, which lets go 30 milliseconds later).
 */
#include "bench.h"
#include "pending.h"

#include <smartcrd/vreader.h>

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS      500
#define SLOW_ROUNDS 50

static double cancel_us(struct smartcrd_handle *handle, const struct smartcrd_request *request)
{
    struct smartcrd_completion completion;
    uint64_t id, began;

    if (smartcrd_submit(handle, request, &id, &completion) != STATUS_PENDING) {
        fprintf(stderr, "bench: the request did not pend but ended with 0x%08X\n", (unsigned)completion.status);
        exit(1);
    }
    began = bench_now();
    bench_check(smartcrd_cancel(handle, id), "cancel");
    bench_check(smartcrd_reap(handle, &completion, SMARTCRD_NO_TIMEOUT), "reap");
    double elapsed = (double)(bench_now() - began) / 1000;
    if (completion.status != STATUS_CANCELLED) {
        fprintf(stderr, "bench: the cancelled request ended with 0x%08X\n", (unsigned)completion.status);
        exit(1);
    }
    return elapsed;
}

static void with_a_routine(void)
{
    static double samples[ROUNDS];
    const size_t rounds = bench_rounds(ROUNDS);
    uint8_t buffer[64];
    struct smartcrd_handle *handle, *panel;
    struct smartcrd *context = bench_echo_reader(SCARD_PROTOCOL_T1, &handle, &panel);
    struct smartcrd_request request = bench_short_apdu(SCARD_PROTOCOL_T1, buffer);

    bench_vendor(panel, IOCTL_VREADER_FAULT, "mute count=0");
    for (size_t i = 0; i < rounds; i++)
        samples[i] = cancel_us(handle, &request);
    bench_show((struct bench_figure){.name = "cancel.routine",
                                     .means = "cancel to completion, driver with a cancel routine",
                                     .unit = "us",
                                     .samples = samples,
                                     .count = rounds,
                                     .target = 20});
    bench_show((struct bench_figure){.name = "cancel.routine_99",
                                     .means = "the same, 99 of 100 are under",
                                     .unit = "us",
                                     .value = bench_percentile(samples, rounds, 99)});
    smartcrd_close(panel);
    smartcrd_close(handle);
    smartcrd_destroy(context);
}

static void without_one(void)
{
    const struct smartcrd_request request = {.code = IOCTL_SMARTCARD_EJECT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    static double samples[SLOW_ROUNDS];
    const size_t rounds = bench_rounds(SLOW_ROUNDS);
    struct smartcrd_handle *handle;
    struct smartcrd *context;

    pending_ms = 30;
    bench_check(smartcrd_create(NULL, &context), "create a context");
    bench_check(smartcrd_add_driver(context, "pending", pending_entry), "load the pending driver");
    bench_check(smartcrd_open(context, "SCReader0", &handle), "open its reader");
    for (size_t i = 0; i < rounds; i++) {
        samples[i] = cancel_us(handle, &request) / 1000;
        /* A synchronous one waits for its turn: the driver has let go of the cancelled one then. */
        bench_check(smartcrd_control(handle, &request, NULL), "eject");
    }
    bench_show((struct bench_figure){.name = "cancel.none",
                                     .means = "cancel to completion, driver without a cancel routine",
                                     .unit = "ms",
                                     .samples = samples,
                                     .count = rounds,
                                     .target = 20});
    bench_show((struct bench_figure){.name = "cancel.none_99",
                                     .means = "the same, 99 of 100 are under",
                                     .unit = "ms",
                                     .value = bench_percentile(samples, rounds, 99)});
    smartcrd_close(handle);
    smartcrd_destroy(context);
}

int main(int argc, char **argv)
{
    bench_begin(&argc, argv);
    with_a_routine();
    without_one();
    return 0;
}
