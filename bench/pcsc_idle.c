/* SPDX-License-Identifier: MIT */
/* What another process costs, and where it runs. */
#include "pcsc.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Call for every thread of a process. */
static void each_thread(pid_t process, void (*visit)(pid_t process, pid_t thread, void *argument), void *argument)
{
    char path[64];
    struct dirent *entry;
    DIR *folder;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
    folder = opendir(path);
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            visit(process, (pid_t)strtol(entry->d_name, NULL, 10), argument);
    if (folder)
        closedir(folder);
}

static void add_sleeps(pid_t process, pid_t thread, void *argument)
{
    static const char key[] = "voluntary_ctxt_switches:";
    uint64_t *sleeps = argument;
    char path[64], line[256];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)process, (int)thread);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (!strncmp(line, key, sizeof(key) - 1))
            *sleeps += strtoull(line + sizeof(key) - 1, NULL, 10);
    if (file)
        fclose(file);
}

struct cost process_cost(pid_t process)
{
    struct cost cost = {0, 0};
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        fprintf(stderr, "bench: process %d has ended\n", (int)process);
        exit(1);
    }
    cost.cpu_ns = (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
    each_thread(process, add_sleeps, &cost.sleeps);
    return cost;
}

static void pin_thread(pid_t process, pid_t thread, void *argument)
{
    (void)process;
    sched_setaffinity(thread, sizeof(cpu_set_t), argument);
}

void process_pin(pid_t process, bool one)
{
    static cpu_set_t all;
    static bool known;
    cpu_set_t set;

    if (!known) {
        sched_getaffinity(0, sizeof(all), &all);
        known = true;
    }
    set = all;
    if (one) {
        size_t last = CPU_SETSIZE - 1;

        while (last > 0 && !CPU_ISSET(last, &all))
            last--;
        CPU_ZERO(&set);
        CPU_SET(last, &set);
    }
    each_thread(process, pin_thread, &set);
}
