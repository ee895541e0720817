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

int main(void)
{
    static double samples[ROUNDS];
    uint8_t buffer[64];
    struct smartcrd_handle *handle, *panel;
    struct smartcrd *context = bench_echo_reader(SCARD_PROTOCOL_T1, &handle, &panel);
    struct smartcrd_request request = bench_short_apdu(SCARD_PROTOCOL_T1, buffer);
    bench_vendor(panel, IOCTL_VREADER_FAULT, "mute count=0");
    for (size_t i = 0; i < ROUNDS; i++) {
        samples[i] = cancel_us(handle, &request);
    }
    bench_line("cancel to completion, driver with a cancel routine, median", bench_percentile(samples, ROUNDS, 50),
               "us", 50);
    bench_line("  99 of 100 are under", bench_percentile(samples, ROUNDS, 99), "us", 0);
    smartcrd_close(panel);
    smartcrd_close(handle);
    smartcrd_destroy(context);

    pending_ms = 30;
    bench_check(smartcrd_create(NULL, &context), "create a context");
    bench_check(smartcrd_add_driver(context, "pending", pending_entry), "load the pending driver");
    bench_check(smartcrd_open(context, "SCReader0", &handle), "open its reader");
    request = (struct smartcrd_request){.code = IOCTL_SMARTCARD_EJECT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    for (size_t i = 0; i < SLOW_ROUNDS; i++) {
        samples[i] = cancel_us(handle, &request);
        /* A synchronous one waits for its turn: the driver has let go of the cancelled one then. */
        bench_check(smartcrd_control(handle, &request, NULL), "eject");
    }
    bench_line("cancel to completion, driver without one, median", bench_percentile(samples, SLOW_ROUNDS, 50) / 1000,
               "ms", 20);
    bench_line("  99 of 100 are under", bench_percentile(samples, SLOW_ROUNDS, 99) / 1000, "ms", 0);
    smartcrd_close(handle);
    smartcrd_destroy(context);
    return 0;
}
