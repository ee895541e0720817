/* SPDX-License-Identifier: MIT */
/* See figures.h. */
#include "figures.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool quick;

void bench_begin(int *argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    argv[kept] = NULL;
}

bool bench_is_quick(void)
{
    return quick;
}

size_t bench_rounds(size_t full)
{
    return !quick ? full : full < 200 ? 2 : full / 100;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_thread_cpu(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t bench_process_cpu(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

double bench_percentile(double *samples, size_t count, double percent)
{
    if (count == 0)
        return 0;
    qsort(samples, count, sizeof(*samples), compare);
    size_t at = (size_t)((double)count * percent / 100);
    return samples[at < count ? at : count - 1];
}

/* ---- showing ------------------------------------------------------------------------------------------------------- */

/* What is shown of a figure. */
struct shown {
    double middle, low, high;
    bool known, met;
};

static struct shown look(const struct bench_figure *figure)
{
    struct shown shown = {.middle = figure->value, .low = figure->value, .high = figure->value};

    if (figure->samples) {
        shown.low = bench_percentile(figure->samples, figure->count, 10);
        shown.high = bench_percentile(figure->samples, figure->count, 90);
        shown.middle = bench_percentile(figure->samples, figure->count, 50);
    }
    /* Neither the mark of what is unknown, nor a part of nothing. */
    shown.known = shown.middle >= 0 && shown.low <= DBL_MAX && shown.high <= DBL_MAX;
    shown.met =
        shown.known && (figure->target <= 0 || shown.middle < figure->target) && shown.middle >= figure->at_least;
    return shown;
}

static const char *text_of(double value, char text[32])
{
    snprintf(text, 32, "%.*f", value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 4, value);
    return text;
}

static void print(const struct bench_figure *figure, struct shown shown)
{
    char middle[32], low[32], high[32];

    printf("%s%-*s ", figure->beside ? "  " : "", figure->beside ? 70 : 72, figure->means);
    if (!shown.known) {
        printf("%10s\n", "not measured");
        return;
    }
    printf("%10s %s", text_of(shown.middle, middle), figure->unit);
    if (figure->samples)
        printf(" (%s to %s)", text_of(shown.low, low), text_of(shown.high, high));
    if (figure->target > 0)
        printf("   target: under %g", figure->target);
    if (figure->at_least > 0)
        printf("   target: %g or more", figure->at_least);
    printf("%s\n", shown.met ? "" : "  MISSED");
}

static void write_number(FILE *file, const char *key, bool there, double value)
{
    if (there)
        fprintf(file, ", \"%s\": %.6g", key, value);
    else
        fprintf(file, ", \"%s\": null", key);
}

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* Names and words are the benchmarks' own: they hold nothing that JSON would have to escape. */
static void record(const struct bench_figure *figure, struct shown shown)
{
    const char *path = getenv("SMARTCRD_BENCH_RECORD");
    FILE *file = path && *path ? fopen(path, "ae") : NULL;
    const bool spread = shown.known && figure->samples;

    if (!file)
        return;
    fprintf(file, "{\"name\": \"%s\", \"means\": \"%s\", \"unit\": \"%s\"", figure->name, figure->means, figure->unit);
    write_number(file, "median", shown.known, shown.middle);
    write_number(file, "p10", spread, shown.low);
    write_number(file, "p90", spread, shown.high);
    write_number(file, "rounds", true, figure->samples ? (double)figure->count : 1);
    write_number(file, "under", figure->target > 0, figure->target);
    write_number(file, "at_least", figure->at_least > 0, figure->at_least);
    if (figure->target > 0 || figure->at_least > 0)
        fprintf(file, ", \"met\": %s", !shown.known ? "null" : shown.met ? "true" : "false");
    else
        fputs(", \"met\": null", file);
    if (figure->beside)
        fprintf(file, ", \"beside\": \"%s\"", figure->beside);
    else
        fputs(", \"beside\": null", file);
    fprintf(file, ", \"compiler\": \"%s\"}\n", COMPILER);
    fclose(file);
}

void bench_show(struct bench_figure figure)
{
    struct shown shown = look(&figure);

    print(&figure, shown);
    fflush(stdout);
    record(&figure, shown);
}
