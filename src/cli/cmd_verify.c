/* SPDX-License-Identifier: MIT */
/*
 * verify: a driver at work under the verifier, and a verdict that its author can act on. This file has the options, the
 * process that does the work (this program again, with --record), and the watch over it: a driver that crashes or hangs
 * takes that process with it and nothing else.
 */
#include "cmd_verify.h"
#include "words.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS     50
#define SHOW_SIGNAL SIGTRAP /* which the host's threads do not block either */

extern char **environ;

/* ---- the process that works --------------------------------------------------------------------------------------- */

static struct verify_record *dying_record;
static atomic_flag dying_busy = ATOMIC_FLAG_INIT; /* threads write there one by one */
static char dying_driver[64];                     /* of the shared object's file name; empty: linked in */

/* Add the driver's innermost function on this stack, unless it is there already. */
static void write_where(struct verify_record *record)
{
    void *frames[64];
    char name[96] = "";
    int count = backtrace(frames, 64);
    size_t length;
    for (int i = 0; i < count && dying_driver[0] && !name[0]; i++) {
        Dl_info info;
        if (dladdr(frames[i], &info) && info.dli_fname && strstr(info.dli_fname, dying_driver))
            /* A return address, which may be past the end of a function whose last call does not return. */
            smartcrd_function_name((const char *)frames[i] - 1, name, sizeof name);
    }
    while (atomic_flag_test_and_set(&dying_busy))
        ;
    length = strlen(record->dying);
    if (name[0] && !strstr(record->dying, name))
        snprintf(record->dying + length, sizeof record->dying - length, "%s%s", length ? ", " : "", name);
    atomic_flag_clear(&dying_busy);
}

/* A deadly signal, on the thread that did it. */
static void die(int number)
{
    alarm(5); /* in case what follows waits for a lock that this thread has */
    atomic_store_explicit(&dying_record->signal, number, memory_order_relaxed);
    write_where(dying_record);
    raise(number); /* the default now: SA_RESETHAND */
}

/* The other process wants to know where this thread is. */
static void show(int number)
{
    (void)number;
    write_where(dying_record);
}

static void watch_signals(struct verify_record *record, const char *driver)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_handler = show};
    void *frame[1];
    const char *slash = strrchr(driver, '/');
    dying_record = record;
    snprintf(dying_driver, sizeof dying_driver, "%s", slash ? slash : "");
    (void)backtrace(frame, 1); /* it loads what it needs now */
    sigemptyset(&action.sa_mask);
    sigaction(SHOW_SIGNAL, &action, NULL);
    action = (struct sigaction){.sa_handler = die, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        sigaction(deadly[i], &action, NULL);
}

/* Work for the process that has the other end of the record. */
static int work_for(struct cli *cli, const struct verify_plan *plan, int fd)
{
    struct verify_record *record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (record == MAP_FAILED)
        return cli_complain(cli, CLI_FAILED, "the record cannot be mapped: %s", strerror(errno));
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    interrupt_stop(); /* SIGINT is the other process's: it says when to stop */
    watch_signals(record, plan->driver);
    verify_work(plan, record);
    return record->exit;
}

/* ---- the watch over it -------------------------------------------------------------------------------------------- */

/* Start this program again, for the work. */
static int start(struct cli *cli, const struct verify_plan *plan, int fd, pid_t *child)
{
    static char program[] = "smartcrd", simulated[] = "--simulated-time", command[] = "verify";
    static char options[][12] = {"--seed", "--seconds", "--rounds", "--record"};
    const uint32_t numbers[] = {plan->seed, plan->seconds, plan->rounds, (uint32_t)fd};
    char words[4][16], vendor_option[] = "--vendor", vendor[VERIFY_VENDOR * 8] = "", *argv[16];
    int count = 0, error;
    argv[count++] = program;
    if (plan->simulated)
        argv[count++] = simulated;
    argv[count++] = command;
    argv[count++] = (char *)(uintptr_t)plan->driver;
    for (size_t i = 0; i < 4; i++) {
        snprintf(words[i], sizeof words[i], "%u", (unsigned)numbers[i]);
        argv[count++] = options[i];
        argv[count++] = words[i];
    }
    for (size_t i = 0; i < plan->vendor_count; i++)
        snprintf(vendor + strlen(vendor), sizeof vendor - strlen(vendor), "%s%u", i ? "," : "",
                 (unsigned)(plan->vendor[i] >> 2 & 0xFFF));
    if (vendor[0]) {
        argv[count++] = vendor_option;
        argv[count++] = vendor;
    }
    argv[count] = NULL;
    error = posix_spawn(child, "/proc/self/exe", NULL, NULL, argv, environ);
    if (error)
        return cli_complain(cli, CLI_FAILED, "no process can be started: %s", strerror(error));
    return CLI_OK;
}

/* Whether a thread has been at one step for too long. */
static bool hangs(const struct verify_record *record, uint32_t limit)
{
    uint64_t now = cli_now_ns();
    for (size_t i = 0; i < VERIFY_SEATS; i++) {
        uint64_t since = atomic_load_explicit(&record->since_ns[i], memory_order_relaxed);
        if (since != 0 && now > since && now - since > limit * UINT64_C(1000000000))
            return true;
    }
    return false;
}

/* Have each thread of a process that hangs say where it is, then end it. */
static int put_down(pid_t child)
{
    char path[64];
    struct dirent *entry;
    DIR *tasks;
    int status = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)child);
    tasks = opendir(path);
    while (tasks && (entry = readdir(tasks)))
        if (entry->d_name[0] != '.')
            syscall(SYS_tgkill, (long)child, strtol(entry->d_name, NULL, 10), (long)SHOW_SIGNAL);
    if (tasks)
        closedir(tasks);
    nanosleep(&(struct timespec){.tv_nsec = 4 * LOOK_MS * 1000000L}, NULL);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return status;
}

static int watch(struct cli *cli, const struct verify_plan *plan, struct verify_record *record, pid_t child)
{
    int status = 0;
    pid_t gone;
    while ((gone = waitpid(child, &status, WNOHANG)) == 0) {
        if (interrupt_seen())
            atomic_store_explicit(&record->stop, true, memory_order_relaxed);
        if (hangs(record, plan->limit))
            return verify_report(cli, plan, record, VERIFY_HUNG, put_down(child));
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    if (gone < 0)
        return cli_complain(cli, CLI_FAILED, "the process that did the work is lost: %s", strerror(errno));
    if (WIFSIGNALED(status) || WEXITSTATUS(status) != record->exit)
        return verify_report(cli, plan, record, VERIFY_DIED, status);
    return verify_report(cli, plan, record, VERIFY_ENDED, status);
}

static int work_apart(struct cli *cli, const struct verify_plan *plan)
{
    struct verify_record *record = MAP_FAILED;
    int fd = memfd_create("smartcrd verify", 0), code;
    pid_t child;
    if (fd < 0 || ftruncate(fd, sizeof *record) != 0 ||
        (record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
        code = cli_complain(cli, CLI_FAILED, "no memory can be shared: %s", strerror(errno));
        goto out;
    }
    record->exit = -1; /* until it has ended by itself */
    code = start(cli, plan, fd, &child);
    if (code == CLI_OK)
        code = watch(cli, plan, record, child);
out:
    if (record != MAP_FAILED)
        munmap(record, sizeof *record);
    if (fd >= 0)
        close(fd);
    return code;
}

static int work_here(struct cli *cli, const struct verify_plan *plan)
{
    struct verify_record *record = calloc(1, sizeof *record);
    int code;
    if (!record)
        return cli_complain(cli, CLI_FAILED, "there is no memory left");
    verify_work(plan, record);
    code = verify_report(cli, plan, record, VERIFY_ENDED, 0);
    free(record);
    return code;
}

/* ---- the command -------------------------------------------------------------------------------------------------- */

/* "2048,2050": functions of the driver's own control codes. */
static int take_vendor(struct cli *cli, struct verify_plan *plan, const char *list)
{
    char word[16];
    while (list && *list) {
        size_t length = strcspn(list, ",");
        uint64_t number;
        snprintf(word, sizeof word, "%.*s", (int)length, list);
        if (length >= sizeof word || !number_parse(word, 2048, 4095, &number) || plan->vendor_count == VERIFY_VENDOR)
            return cli_complain(cli, CLI_USAGE,
                                "--vendor needs at most %d numbers from 2048 to 4095 with commas between "
                                "them, not \"%s\"",
                                VERIFY_VENDOR, list);
        plan->vendor[plan->vendor_count++] = SCARD_CTL_CODE((uint32_t)number);
        list += length + (list[length] == ',');
    }
    return CLI_OK;
}

int cmd_verify(struct cli *cli, int argc, char **argv)
{
    struct verify_plan plan = {.driver = cli->driver,
                               .seed = (uint32_t)time(NULL),
                               .seconds = 10,
                               .limit = 30,
                               .simulated = cli->simulated_time};
    const char *vendor = NULL;
    uint32_t fd = UINT32_MAX;
    bool here = false;
    const struct cli_option options[] = {
        {"--seconds", CLI_NUMBER, &plan.seconds, 1, 1000000},
        {"--seed", CLI_NUMBER, &plan.seed, 0, UINT32_MAX},
        {"--rounds", CLI_NUMBER, &plan.rounds, 0, 1000000},
        {"--limit", CLI_NUMBER, &plan.limit, 1, 100000},
        {"--vendor", CLI_STRING, &vendor, 0, 0},
        {"--here", CLI_FLAG, &here, 0, 0},
        {"--record", CLI_NUMBER, &fd, 3, 1000000},
    };
    if (cli_options(cli, &argc, argv, options, sizeof options / sizeof *options) != CLI_OK ||
        cli_count(cli, argc, argv, 0, 1) != CLI_OK || take_vendor(cli, &plan, vendor) != CLI_OK)
        return CLI_USAGE;
    if (argc > 1)
        plan.driver = argv[1];
    if (cli->checking)
        return CLI_OK;
    if (fd != UINT32_MAX)
        return work_for(cli, &plan, (int)fd);
    return here ? work_here(cli, &plan) : work_apart(cli, &plan);
}
