/* SPDX-License-Identifier: MIT */
/*
 * Ten thousand virtual readers, each with a pending IS_PRESENT: resident memory a reader, threads, the time to make,
 * list and destroy them, and the time from the insertion of a card to the reaped completion.
 */
#include "bench.h"

#include <smartcrd/vreader.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READERS    10000
#define INSERTIONS 500

/* A figure of /proc/self/status: "VmRSS" in KiB, "Threads". */
static double process_figure(const char *key)
{
    char line[256];
    double figure = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':') {
            figure = strtod(line + strlen(key) + 1, NULL);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return figure;
}

static double list_ms(struct smartcrd *context, size_t readers)
{
    struct smartcrd_reader_info *infos = calloc(readers, sizeof(*infos));
    uint64_t began = bench_now();

    if (infos == NULL || smartcrd_list(context, infos, readers) != readers) {
        fprintf(stderr, "bench: not all readers are in the list\n");
        exit(1);
    }
    double elapsed = (double)(bench_now() - began) / 1000000;
    free(infos);
    return elapsed;
}

int main(int argc, char **argv)
{
    static struct smartcrd_handle *handles[READERS];
    static double samples[INSERTIONS];
    static char names[READERS][SMARTCRD_NAME_MAX];
    struct smartcrd_completion completion;
    struct smartcrd *context;
    size_t readers, insertions;
    uint64_t id;

    bench_begin(&argc, argv);
    readers = bench_rounds(READERS);
    insertions = bench_rounds(INSERTIONS);
    bench_check(smartcrd_create(NULL, &context), "create a context");
    bench_check(smartcrd_load_driver(context, "vreader", NULL, 0), "load the driver vreader");
    double memory = process_figure("VmRSS");
    uint64_t began = bench_now();
    for (size_t i = 0; i < readers; i++) {
        const struct smartcrd_request wait = {.code = IOCTL_SMARTCARD_IS_PRESENT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
        bench_check(smartcrd_add_reader(context, "vreader", names[i], sizeof(names[i])), "add a reader");
        bench_check(smartcrd_open(context, names[i], &handles[i]), "open a reader");
        if (smartcrd_submit(handles[i], &wait, &id, &completion) != STATUS_PENDING) {
            fprintf(stderr, "bench: IS_PRESENT did not pend\n");
            return 1;
        }
    }
    double elapsed = (double)(bench_now() - began) / (double)readers / 1000;
    bench_show((struct bench_figure){.name = "readers.memory",
                                     .means = "10,000 readers with a pending IS_PRESENT: resident memory of each",
                                     .unit = "KiB",
                                     .value = (process_figure("VmRSS") - memory) / (double)readers,
                                     .target = 16});
    bench_show((struct bench_figure){.name = "readers.threads",
                                     .means = "their threads, in the whole process",
                                     .unit = "threads",
                                     .value = process_figure("Threads"),
                                     .target = 8});
    bench_show((struct bench_figure){.name = "readers.begin",
                                     .means = "to add a reader, open it, and submit",
                                     .unit = "us",
                                     .value = elapsed,
                                     .target = 50});
    bench_show((struct bench_figure){
        .name = "readers.list", .means = "to list 10,000 readers", .unit = "ms", .value = list_ms(context, readers)});

    for (size_t i = 0; i < insertions; i++) {
        char panel_name[SMARTCRD_NAME_MAX + 8];
        struct smartcrd_handle *panel;
        size_t reader = i * (readers / insertions);
        snprintf(panel_name, sizeof(panel_name), "%.*s-panel", SMARTCRD_NAME_MAX - 1, names[reader]);
        bench_check(smartcrd_open(context, panel_name, &panel), "open a panel");
        began = bench_now();
        bench_vendor(panel, IOCTL_VREADER_INSERT, "echo");
        bench_check(smartcrd_reap(handles[reader], &completion, SMARTCRD_NO_TIMEOUT), "reap");
        samples[i] = (double)(bench_now() - began) / 1000;
        bench_check(completion.status, "IS_PRESENT");
        smartcrd_close(panel);
    }
    bench_show((struct bench_figure){.name = "readers.insertion",
                                     .means = "a card goes into one of 10,000 readers, to the reaped IS_PRESENT",
                                     .unit = "us",
                                     .samples = samples,
                                     .count = insertions,
                                     .target = 100});
    bench_show((struct bench_figure){.name = "readers.insertion_99",
                                     .means = "the same, 99 of 100 are under",
                                     .unit = "us",
                                     .value = bench_percentile(samples, insertions, 99)});

    for (size_t i = 0; i < readers; i++) {
        smartcrd_close(handles[i]);
    }
    began = bench_now();
    smartcrd_destroy(context);
    bench_show((struct bench_figure){.name = "readers.destroy",
                                     .means = "to destroy 10,000 readers",
                                     .unit = "ms",
                                     .value = (double)(bench_now() - began) / 1000000,
                                     .target = 1000});
    return 0;
}
