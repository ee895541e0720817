/* SPDX-License-Identifier: MIT */
/*
 * SIGINT cancels what runs instead of killing the program: SIGINT is blocked everywhere, a thread of our own waits for
 * it and cancels everything in flight on the handles it knows. A second SIGINT before the first was dealt with ends the
 * program, for a driver that lets go of nothing.
 */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define KNOWN_MAX 1024

static pthread_t thread;
static bool running;
/* Guards known and known_count; smartcrd_cancel_all is called with it held, so no handle here is closed meanwhile. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct smartcrd_handle *known[KNOWN_MAX];
static size_t known_count;
static atomic_bool seen; /* sequentially consistent: rare, and nothing to gain */
static atomic_bool stopping;
static atomic_bool idle;
static int event = -1;

static void *wait_for_signals(void *unused)
{
    sigset_t set;
    (void)unused;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    for (;;) {
        int number;
        uint64_t one = 1;
        if (sigwait(&set, &number) != 0 || atomic_load(&stopping))
            return NULL;
        /* First the event, so that whoever sees `seen` can also clear the event. */
        if (write(event, &one, sizeof one) < 0 && errno != EAGAIN)
            return NULL;
        if (atomic_exchange(&seen, true) || atomic_load(&idle))
            _exit(CLI_INTERRUPTED);
        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < known_count; i++)
            smartcrd_cancel_all(known[i]);
        pthread_mutex_unlock(&lock);
    }
}

bool interrupt_start(void)
{
    struct sigaction action;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event >= 0 && sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
        return true; /* a job in the background: it shall stay ignored */
    running = event >= 0 && pthread_sigmask(SIG_BLOCK, &set, NULL) == 0 &&
              pthread_create(&thread, NULL, wait_for_signals, NULL) == 0;
    return running;
}

void interrupt_stop(void)
{
    if (!running)
        return;
    atomic_store(&stopping, true);
    pthread_kill(thread, SIGINT);
    pthread_join(thread, NULL);
    close(event);
    event = -1;
    running = false;
}

void interrupt_idle(bool on)
{
    atomic_store(&idle, on);
}

bool interrupt_seen(void)
{
    return atomic_load(&seen);
}

void interrupt_clear(void)
{
    uint64_t count;
    if (event >= 0 && read(event, &count, sizeof count) < 0 && errno != EAGAIN)
        return;
    atomic_store(&seen, false);
}

int interrupt_fd(void)
{
    return event;
}

bool interrupt_sleep(uint32_t milliseconds)
{
    uint64_t end = cli_now_ns() + (uint64_t)milliseconds * 1000000u;
    while (!interrupt_seen()) {
        struct pollfd fd = {.fd = event, .events = POLLIN};
        uint64_t now = cli_now_ns(), left = now < end ? (end - now + 999999u) / 1000000u : 0;
        if (left == 0)
            return true;
        poll(&fd, event >= 0, left > 1000000 ? 1000000 : (int)left);
    }
    return false;
}

bool cli_sleep(struct cli *cli, uint32_t milliseconds)
{
    uint64_t left = (uint64_t)milliseconds * 1000000u, passed;
    bool ran = true;
    if (!cli->simulated_time)
        return interrupt_sleep(milliseconds);
    while (cli->context && !interrupt_seen() && (ran || left > 0)) {
        ran = smartcrd_advance(cli->context, left, &passed);
        left = passed < left ? left - passed : 0;
    }
    return !interrupt_seen();
}

bool interrupt_know(struct smartcrd_handle *handle)
{
    bool room;
    pthread_mutex_lock(&lock);
    room = known_count < KNOWN_MAX;
    if (room)
        known[known_count++] = handle;
    pthread_mutex_unlock(&lock);
    return room;
}

void interrupt_forget(struct smartcrd_handle *handle)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < known_count; i++)
        if (known[i] == handle)
            known[i] = known[--known_count];
    pthread_mutex_unlock(&lock);
}
