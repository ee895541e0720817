/* SPDX-License-Identifier: MIT */
/*
 * stress [--seconds N] [--operations N] [--seed N] [--threads N] [--readers N] [--contexts N] [--simulated-time]
 *        [--verify]
 *
 * Random requests, cancels, deadlines, faults, insertions, removals, closes, unloads, by many threads over many readers,
 * until so many seconds have passed or so many operations have ended; see stress.h. The seed is printed first. What each
 * thread decides depends on the seed alone; when the decisions meet is up to the system, so a violation shows again soon,
 * not at once. With --threads 1 --simulated-time everything happens again exactly, and the digest at the end is the same.
 */
#include "stress.h"

#include "../../src/nt/nt.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings settings = {.threads = 6, .readers = 8, .contexts = 2};

/* ---- the report -------------------------------------------------------------------------------------------------- */

static void print_command(FILE *to)
{
    fprintf(to, "stress --seed %" PRIu64 " --threads %u --readers %u --contexts %u%s", settings.seed, settings.threads,
            settings.readers, settings.contexts, settings.simulated ? " --simulated-time" : "");
    if (settings.verify)
        fprintf(to, " --verify");
    if (settings.operations > 0)
        fprintf(to, " --operations %" PRIu64, settings.operations);
    if (settings.seconds > 0)
        fprintf(to, " --seconds %g", settings.seconds);
    fprintf(to, "\n");
}

void violation(const struct slot *slot, struct history *history, const char *format, ...)
{
    static _Atomic bool reported;
    va_list arguments;

    if (atomic_exchange(&reported, true)) {
        for (;;)
            pause(); /* the first one ends the program */
    }
    va_start(arguments, format);
    fprintf(stderr, "stress: VIOLATION: ");
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    if (slot)
        slot_print(slot, stderr);
    if (history)
        history_print(history, stderr);
    fprintf(stderr, "again: ");
    print_command(stderr);
    fflush(stderr);
    _exit(1);
}

static void give_up(int number)
{
    static const char words[] = "stress: VIOLATION: something hangs\n";

    (void)!write(2, words, sizeof(words) - 1);
    abort();
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: stress [--seconds N] [--operations N] [--seed N] [--threads 1..64] [--readers 1..256]\n"
                    "              [--contexts 1..16] [--simulated-time] [--verify]\n");
    exit(2);
}

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
    char *end = NULL;
    uint64_t value = text ? strtoull(text, &end, 10) : 0;

    if (!text || *text < '0' || *text > '9' || *end != 0 || value < least || value > most)
        usage();
    return value;
}

static void read_options(char **argv)
{
    settings.seed = nt_now() % 1000000000u;
    for (char **at = argv + 1; *at; at++) {
        if (strcmp(*at, "--simulated-time") == 0)
            settings.simulated = true;
        else if (strcmp(*at, "--verify") == 0)
            settings.verify = true;
        else if (strcmp(*at, "--seconds") == 0)
            settings.seconds = (double)number(*++at, 1, 1000000);
        else if (strcmp(*at, "--operations") == 0)
            settings.operations = number(*++at, 1, UINT64_MAX);
        else if (strcmp(*at, "--seed") == 0)
            settings.seed = number(*++at, 0, UINT64_MAX);
        else if (strcmp(*at, "--threads") == 0)
            settings.threads = (uint32_t)number(*++at, 1, 64);
        else if (strcmp(*at, "--readers") == 0)
            settings.readers = (uint32_t)number(*++at, 1, 256);
        else if (strcmp(*at, "--contexts") == 0)
            settings.contexts = (uint32_t)number(*++at, 1, 16);
        else
            usage();
    }
    if (settings.contexts > settings.readers)
        settings.contexts = settings.readers;
    if (settings.seconds <= 0 && settings.operations == 0)
        settings.seconds = 3;
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

static void add_tally(struct tally *sum, const struct tally *one)
{
    sum->operations += one->operations;
    sum->queries += one->queries;
    sum->answers += one->answers;
    sum->undecided += one->undecided;
    sum->cancels += one->cancels;
    sum->deadlines += one->deadlines;
    sum->removals += one->removals;
    sum->closes += one->closes;
    sum->surrounded += one->surrounded;
    sum->replugs += one->replugs;
    sum->unloads += one->unloads;
    sum->contexts += one->contexts;
    sum->digest = sum->digest * 31 + one->digest;
}

/* What it all was; whether enough of it was looked at. */
static bool print_tally(const struct tally *sum, double seconds)
{
    const struct {
        const char *what;
        uint64_t count;
    } rows[] = {
        {"last errors explained", sum->answers},
        {"undecided", sum->undecided},
        {"queries", sum->queries},
        {"cancels", sum->cancels},
        {"deadlines passed", sum->deadlines},
        {"ended by a removal", sum->removals},
        {"handles closed", sum->closes},
        {"closed around a call", sum->surrounded},
        {"readers replaced", sum->replugs},
        {"drivers unloaded", sum->unloads},
        {"contexts destroyed", sum->contexts},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        printf("%-22s %12" PRIu64 "\n", rows[i].what, rows[i].count);
    printf("stress: %" PRIu64 " operations without a violation, %.0f a second, digest %016" PRIx64 "\n",
           sum->operations, (double)sum->operations / seconds, sum->digest);
    if (sum->undecided > sum->answers / 2) {
        printf("stress: too much was undecided; give it fewer threads\n");
        return false;
    }
    return sum->operations > 0;
}

int main(int argc, char **argv)
{
    static struct player players[64];
    struct tally sum = {0};
    uint64_t began;

    (void)argc;
    read_options(argv);
    print_command(stdout);
    fflush(stdout);
    signal(SIGALRM, give_up);
    alarm(2 * PATIENCE); /* the players wind it up again */
    began = nt_now();
    play_prepare();
    house_up();
    for (uint32_t i = 0; i < settings.threads; i++) {
        players[i].number = i;
        MUST(pthread_create(&players[i].thread, NULL, play, &players[i]) == 0, NULL, NULL, "no thread");
    }
    for (uint32_t i = 0; i < settings.threads; i++) {
        pthread_join(players[i].thread, NULL);
        add_tally(&sum, &players[i].tally);
    }
    play_finish();
    house_down();
    add_tally(&sum, &tally);
    return print_tally(&sum, (double)(nt_now() - began) / 1e9) ? 0 : 1;
}
