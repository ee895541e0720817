/* SPDX-License-Identifier: MIT */
/*
 * Runs each scenario with its first call failing, then its second, until none is left, in each of the three manners of
 * stage.h; in a process of its own, so that a crash or a hang is one failure, and the next call's turn comes.
 *
 *     scenarios [--part I/N] [NAME [MANNER [CALL]]]
 *
 * With a call's number, that one alone runs, in this process, for a debugger. --part I/N takes every N-th call only.
 */
#include "stage.h"

#include "fail.h"

#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE   60   /* seconds after which a run hangs */
#define MOST_CALLS 5000 /* more than any scenario makes */
#define SEEN       16   /* failures of one scenario after which it is left */

static const char *const manners[] = {"one", "until-seen", "to-the-end"};

/* What the parent knows of its child's run. */
static struct progress {
    uint64_t call, runs, failures;
    unsigned manner;
    bool done;
} * progress;

static unsigned part, parts = 1;
static bool healed; /* the calls succeed again since a step was refused */
static uint64_t failed_before_healing;

bool stage_has_failed(void)
{
    uint64_t failed;

    fail_disarm(&failed);
    return failed > 0;
}

void stage_spare(bool spare)
{
    if (!healed)
        fail_spare(spare);
}

void stage_wrong(struct stage *stage, const char *file, int line, const char *format, ...)
{
    char words[400];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    fprintf(stderr, "    %s:%d: %s\n", file, line, words);
    progress->failures++;
    stage->over = true;
}

bool stage_again(struct stage *stage, const char *file, int line, const char *step, NTSTATUS status, NTSTATUS expected)
{
    uint64_t failed = failed_before_healing;

    if (stage->over || status == expected)
        return false;
    if (!healed && status == STATUS_INSUFFICIENT_RESOURCES) {
        if (stage->manner == TO_THE_END) {
            stage->over = true;
            return false;
        }
        fail_disarm(&failed);
        failed_before_healing = failed;
        healed = true;
        if (failed > 0)
            return true;
    }
    stage_wrong(stage, file, line, "%s: %s instead of %s%s", step, smartcrd_status_name(status),
                smartcrd_status_name(expected), failed > 0 ? "" : " though nothing has failed yet");
    return false;
}

static void show_where(void)
{
    void *where[8];
    size_t depth = fail_where(where, 8);

    fprintf(stderr, "    the call that failed:\n");
    fail_show(where, depth);
}

static int open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

/* One run; call 0 fails none. Returns how many calls have failed. */
static uint64_t run(const struct scenario *scenario, enum manner manner, uint64_t call)
{
    static struct stage stage;
    uint64_t failures = progress->failures;
    uint64_t failed;
    size_t left;
    int files = open_files();

    memset(&stage, 0, sizeof(stage));
    stage.manner = manner;
    healed = false;
    failed_before_healing = 0;
    fail_blocks_forget();
    progress->runs++;
    alarm(PATIENCE);
    fail_arm(FAIL_ALL, call, manner != ONE_CALL);
    scenario->run(&stage);
    fail_disarm(&failed);
    alarm(0);
    left = fail_blocks();
    if (left > 0) {
        fprintf(stderr, "    %zu blocks were not freed, allocated at:\n", left);
        fail_blocks_show();
        progress->failures++;
    }
    if (open_files() != files) {
        fprintf(stderr, "    %d descriptors instead of %d\n", open_files(), files);
        progress->failures++;
    }
    if (progress->failures != failures) {
        fprintf(stderr, "    (%s %s %llu)\n", scenario->name, manners[manner], (unsigned long long)call);
        if (call > 0)
            show_where();
    }
    return failed;
}

/* From where the parent says, in a child: until no call is left to fail. */
static void run_rest(const struct scenario *scenario)
{
    /* What is made once in a process is there after this. */
    if (run(scenario, ONE_CALL, 0) != 0 || progress->failures > 0) {
        progress->done = true;
        return;
    }
    while (progress->failures < SEEN && progress->manner <= TO_THE_END) {
        uint64_t failed = run(scenario, progress->manner, progress->call);

        if (failed == 0 || progress->call > MOST_CALLS) {
            progress->manner++;
            progress->call = 1 + part;
        } else {
            progress->call += parts;
        }
    }
    progress->done = true;
}

static bool child_ended_well(const struct scenario *scenario, pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) != child)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        fprintf(stderr, "    it hangs\n");
    else if (WIFSIGNALED(status))
        fprintf(stderr, "    killed by signal %d\n", WTERMSIG(status));
    else
        fprintf(stderr, "    exit code %d\n", WEXITSTATUS(status));
    fprintf(stderr, "    (%s %s %llu)\n", scenario->name,
            progress->manner <= TO_THE_END ? manners[progress->manner] : "end", (unsigned long long)progress->call);
    progress->failures++;
    return false;
}

static bool run_all(const struct scenario *scenario)
{
    memset(progress, 0, sizeof(*progress));
    progress->call = 1 + part;
    while (!progress->done && progress->failures < SEEN) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            run_rest(scenario);
            exit(0);
        }
        if (child < 0 || !child_ended_well(scenario, child))
            progress->call += parts;
    }
    printf("%-20s %5llu runs, %llu failures\n", scenario->name, (unsigned long long)progress->runs,
           (unsigned long long)progress->failures);
    return progress->failures == 0;
}

static int run_one(const struct scenario *scenario, const char *manner, const char *call)
{
    enum manner wanted = ONE_CALL;

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(manner, manners[i]) == 0)
            wanted = (enum manner)i;
    }
    run(scenario, ONE_CALL, 0);
    run(scenario, wanted, strtoull(call, NULL, 10));
    show_where();
    return progress->failures == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    size_t ran = 0, failed = 0;
    uint64_t runs = 0;

    progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED)
        return 2;
    if (argc > 2 && strcmp(argv[1], "--part") == 0) {
        if (sscanf(argv[2], "%u/%u", &part, &parts) != 2 || parts == 0 || part >= parts) {
            fprintf(stderr, "scenarios: --part wants I/N, I from 0 to N - 1\n");
            return 2;
        }
        argv += 2;
        argc -= 2;
    }
    for (size_t i = 0; i < scenario_count; i++) {
        if (argc > 1 && strcmp(argv[1], scenarios[i].name) != 0)
            continue;
        if (argc > 3)
            return run_one(&scenarios[i], argv[2], argv[3]);
        ran++;
        failed += !run_all(&scenarios[i]);
        runs += progress->runs;
    }
    printf("fail: %zu scenarios, %llu runs, %zu failed\n", ran, (unsigned long long)runs, failed);
    return failed == 0 && ran > 0 ? 0 : 1;
}
