/* SPDX-License-Identifier: MIT */
/*
 * A short APDU (5 bytes out, 4 back) to the echo card at block level: synchronous, and overlapped from submit to the
 * reaped completion (the card answers at once, so submit brings the end itself); then a request that really pends and is
 * ended on another thread. Beside the latter what handing a job to another thread and back costs here, which is what an
 * overlapped interface with a thread of its own would pay.
 */
#include "bench.h"
#include "pending.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ROUNDS 200
#define CALLS  1000

static double synchronous_us(uint32_t protocol)
{
    static double samples[ROUNDS];
    uint8_t buffer[64];
    struct smartcrd_handle *handle;
    struct smartcrd *context = bench_echo_reader(protocol, &handle, NULL);
    struct smartcrd_request request = bench_short_apdu(protocol, buffer);
    size_t size = 0;

    for (size_t i = 0; i < ROUNDS; i++) {
        uint64_t began = bench_now();
        for (unsigned n = 0; n < CALLS; n++) {
            bench_check(smartcrd_control(handle, &request, &size), "transmit");
        }
        samples[i] = (double)(bench_now() - began) / CALLS / 1000;
    }
    if (size != sizeof(SCARD_IO_REQUEST) + 4) {
        fprintf(stderr, "bench: the echo card answered %zu bytes\n", size);
        exit(1);
    }
    smartcrd_close(handle);
    smartcrd_destroy(context);
    return bench_percentile(samples, ROUNDS, 50);
}

/* Median time of an overlapped request, from submit to its completion. */
static double submit_and_reap_us(struct smartcrd_handle *handle, const struct smartcrd_request *request, unsigned calls)
{
    static double samples[ROUNDS];

    for (size_t i = 0; i < ROUNDS; i++) {
        uint64_t began = bench_now();
        for (unsigned n = 0; n < calls; n++) {
            struct smartcrd_completion completion;
            uint64_t id;
            NTSTATUS status = smartcrd_submit(handle, request, &id, &completion);
            if (status == STATUS_PENDING) {
                bench_check(smartcrd_reap(handle, &completion, SMARTCRD_NO_TIMEOUT), "reap");
                status = completion.status;
            }
            bench_check(status, "overlapped request");
        }
        samples[i] = (double)(bench_now() - began) / calls / 1000;
    }
    return bench_percentile(samples, ROUNDS, 50);
}

static double overlapped_us(uint32_t protocol)
{
    uint8_t buffer[64];
    struct smartcrd_handle *handle;
    struct smartcrd *context = bench_echo_reader(protocol, &handle, NULL);
    struct smartcrd_request request = bench_short_apdu(protocol, buffer);
    double figure = submit_and_reap_us(handle, &request, CALLS);

    smartcrd_close(handle);
    smartcrd_destroy(context);
    return figure;
}

/* A driver that really pends: submit on this thread, the end from the host's clock thread, reap on this one. */
static double pending_us(void)
{
    const struct smartcrd_request request = {.code = IOCTL_SMARTCARD_EJECT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    struct smartcrd_handle *handle;
    struct smartcrd *context;
    double figure;

    bench_check(smartcrd_create(NULL, &context), "create a context");
    bench_check(smartcrd_add_driver(context, "pending", pending_entry), "load the pending driver");
    bench_check(smartcrd_open(context, "SCReader0", &handle), "open its reader");
    figure = submit_and_reap_us(handle, &request, CALLS / 10);
    smartcrd_close(handle);
    smartcrd_destroy(context);
    return figure;
}

static int there, back;

static void *echo_thread(void *unused)
{
    uint64_t word;
    (void)unused;
    while (read(there, &word, sizeof(word)) == sizeof(word) && word == 1) {
        if (write(back, &word, sizeof(word)) != sizeof(word)) {
            break;
        }
    }
    return NULL;
}

static double thread_us(void)
{
    static double samples[ROUNDS];
    pthread_t thread;
    uint64_t one = 1, two = 2, word;
    there = eventfd(0, EFD_CLOEXEC);
    back = eventfd(0, EFD_CLOEXEC);
    pthread_create(&thread, NULL, echo_thread, NULL);
    for (size_t i = 0; i < ROUNDS; i++) {
        uint64_t began = bench_now();
        for (unsigned n = 0; n < 100; n++) {
            if (write(there, &one, sizeof(one)) != sizeof(one) || read(back, &word, sizeof(word)) != sizeof(word)) {
                exit(1);
            }
        }
        samples[i] = (double)(bench_now() - began) / 100 / 1000;
    }
    if (write(there, &two, sizeof(two)) != sizeof(two)) {
        exit(1);
    }
    pthread_join(thread, NULL);
    close(there);
    close(back);
    return bench_percentile(samples, ROUNDS, 50);
}

int main(void)
{
    bench_line("TRANSMIT, short APDU, echo card, T=1, synchronous, median", synchronous_us(SCARD_PROTOCOL_T1), "us", 3);
    bench_line("  the same over T=0", synchronous_us(SCARD_PROTOCOL_T0), "us", 0);
    bench_line("  the same over T=1, overlapped, submit to reaped completion", overlapped_us(SCARD_PROTOCOL_T1), "us",
               15);
    /* Waking an idle processor costs tens of microseconds in a virtual machine, whoever does it: the next two figures
     * are of all threads on one processor. */
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    bench_line("  an overlapped request that pends and is ended by a DPC, one CPU", pending_us(), "us", 15);
    bench_line("  for comparison: a job to another thread and back, one CPU", thread_us(), "us", 0);
    return 0;
}
