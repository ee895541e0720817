/* SPDX-License-Identifier: MIT */
/*
 * A short APDU (5 bytes out, 4 back) to the echo card at block level: synchronous, and overlapped from submit to the
 * reaped completion (the card answers at once, so submit brings the end itself); then a request that really pends and is
 * ended on another thread. Beside the latter what handing a job to another thread and back costs here, by eventfd and by
 * futex: no interface that ends a request on another thread can be faster.
 */
#include "bench.h"
#include "pending.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS 200
#define CALLS  1000
#define HANDED 100 /* calls a round, where threads wait for each other */

static double samples[ROUNDS];
static size_t rounds;

static void show(struct bench_figure figure)
{
    figure.unit = "us";
    figure.samples = samples;
    figure.count = rounds;
    bench_show(figure);
}

static void synchronous(uint32_t protocol, struct bench_figure figure)
{
    uint8_t buffer[64];
    struct smartcrd_handle *handle;
    struct smartcrd *context = bench_echo_reader(protocol, &handle, NULL);
    struct smartcrd_request request = bench_short_apdu(protocol, buffer);
    size_t size = 0;

    for (size_t i = 0; i < rounds; i++) {
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
    show(figure);
}

/* Overlapped requests, from submit to the completion. */
static void submit_and_reap(struct smartcrd_handle *handle, const struct smartcrd_request *request, unsigned calls)
{
    for (size_t i = 0; i < rounds; i++) {
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
}

static void overlapped(uint32_t protocol, struct bench_figure figure)
{
    uint8_t buffer[64];
    struct smartcrd_handle *handle;
    struct smartcrd *context = bench_echo_reader(protocol, &handle, NULL);
    struct smartcrd_request request = bench_short_apdu(protocol, buffer);

    submit_and_reap(handle, &request, CALLS);
    smartcrd_close(handle);
    smartcrd_destroy(context);
    show(figure);
}

/* A driver that really pends: submit on this thread, the end from the host's clock thread, reap on this one. */
static void pended(struct bench_figure figure)
{
    const struct smartcrd_request request = {.code = IOCTL_SMARTCARD_EJECT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    struct smartcrd_handle *handle;
    struct smartcrd *context;

    bench_check(smartcrd_create(NULL, &context), "create a context");
    bench_check(smartcrd_add_driver(context, "pending", pending_entry), "load the pending driver");
    bench_check(smartcrd_open(context, "SCReader0", &handle), "open its reader");
    submit_and_reap(handle, &request, HANDED);
    smartcrd_close(handle);
    smartcrd_destroy(context);
    show(figure);
}

/* ---- yardsticks: a job to another thread and back ------------------------------------------------------------------ */

#define NOTHING 0
#define JOB     1
#define LEAVE   2

static int there_fd, back_fd;

static void eventfd_put(int fd, uint64_t word)
{
    if (write(fd, &word, sizeof(word)) != sizeof(word))
        exit(1);
}

static uint64_t eventfd_take(int fd)
{
    uint64_t word;

    if (read(fd, &word, sizeof(word)) != sizeof(word))
        exit(1);
    return word;
}

static void *eventfd_echo(void *unused)
{
    (void)unused;
    while (eventfd_take(there_fd) == JOB)
        eventfd_put(back_fd, JOB);
    return NULL;
}

static void by_eventfd(uint64_t what)
{
    eventfd_put(there_fd, what);
    if (what == JOB)
        eventfd_take(back_fd);
}

static _Atomic uint32_t there, back;

static void futex_put(_Atomic uint32_t *word, uint32_t what)
{
    atomic_store(word, what);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static uint32_t futex_take(_Atomic uint32_t *word)
{
    uint32_t what;

    while ((what = atomic_exchange(word, NOTHING)) == NOTHING)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, NOTHING, NULL, NULL, 0);
    return what;
}

static void *futex_echo(void *unused)
{
    (void)unused;
    while (futex_take(&there) == JOB)
        futex_put(&back, JOB);
    return NULL;
}

static void by_futex(uint64_t what)
{
    futex_put(&there, (uint32_t)what);
    if (what == JOB)
        futex_take(&back);
}

static void hand_over(void *(*echo)(void *), void (*send)(uint64_t what), struct bench_figure figure)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, echo, NULL) != 0)
        exit(1);
    for (size_t i = 0; i < rounds; i++) {
        uint64_t began = bench_now();
        for (unsigned n = 0; n < HANDED; n++) {
            send(JOB);
        }
        samples[i] = (double)(bench_now() - began) / HANDED / 1000;
    }
    send(LEAVE);
    pthread_join(thread, NULL);
    show(figure);
}

int main(int argc, char **argv)
{
    cpu_set_t one;

    bench_begin(&argc, argv);
    rounds = bench_rounds(ROUNDS);
    synchronous(SCARD_PROTOCOL_T1,
                (struct bench_figure){.name = "transmit.sync",
                                      .means = "TRANSMIT of a short APDU, echo card, T=1 at block level, synchronous",
                                      .target = 1.5});
    synchronous(SCARD_PROTOCOL_T0,
                (struct bench_figure){.name = "transmit.sync_t0", .means = "the same over T=0", .target = 1.5});
    overlapped(SCARD_PROTOCOL_T1,
               (struct bench_figure){.name = "transmit.overlapped",
                                     .means = "the same over T=1, overlapped, submit to reaped completion",
                                     .target = 6});
    /* Waking an idle processor costs tens of microseconds in a virtual machine, whoever does it: what follows is of all
     * threads on one processor. */
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    pended((struct bench_figure){.name = "transmit.pended",
                                 .means = "an overlapped request that pends and is ended by a DPC, one processor",
                                 .target = 6});
    there_fd = eventfd(0, EFD_CLOEXEC);
    back_fd = eventfd(0, EFD_CLOEXEC);
    hand_over(eventfd_echo, by_eventfd,
              (struct bench_figure){.name = "transmit.eventfd",
                                    .means = "a job to another thread and back, by eventfd",
                                    .beside = "transmit.pended"});
    hand_over(futex_echo, by_futex,
              (struct bench_figure){.name = "transmit.futex",
                                    .means = "a job to another thread and back, by futex",
                                    .beside = "transmit.pended"});
    close(there_fd);
    close(back_fd);
    return 0;
}
