/* SPDX-License-Identifier: MIT */
/* See kit.h. */
#include "kit.h"

#include <ctype.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define PAD     32768u /* between a case and what its process does before and after it */
#define LOOKS   40     /* times 20 ms */
#define LIMIT_S 60u    /* for one case */
#define DEFAULT 16u

/* Shared with the process of the case. */
static struct {
    _Atomic int shown, seen;
} * stage;

struct secret_sites *secret_sites;

static pid_t self;
static bool quiet; /* what is found was to be expected */

static void nap_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* No call below this frame but the system's: what the case's calls have left on the stack stays as it is. */
void secret_shown(void)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    int shown = atomic_fetch_add(&stage->shown, 1) + 1;

    syscall(SYS_kill, self, SIGSTOP);
    while (atomic_load(&stage->seen) < shown)
        syscall(SYS_nanosleep, &nap, NULL);
}

static __attribute__((noinline)) void run_deep(const struct secret_case *c, const struct secret *secret)
{
    volatile uint8_t pad[PAD];

    pad[0] = 0;
    c->run(secret);
    pad[PAD - 1] = pad[0];
}

static _Noreturn void be_the_case(const struct secret_case *c, const struct secret *secret)
{
    self = getpid();
    alarm(LIMIT_S);
    /* The verifier takes a wipe that was left out for something that a driver has written. */
    if (quiet && !freopen("/dev/null", "w", stderr))
        _exit(2);
    run_deep(c, secret);
    secret_shown(); /* once more, with everything closed */
    _exit(0);
}

/* Look until nothing is found. Returns what is found in the end; `process` is stopped, before and after. */
static int look(pid_t process, const struct secret *secret, bool remains)
{
    int found = search_process(process, secret, false);
    int status;

    for (int i = 0; found > 0 && !remains && i < (quiet ? 10 : LOOKS); i++) {
        kill(process, SIGCONT);
        nap_ms(i < 10 ? 2 : 20);
        kill(process, SIGSTOP);
        if (waitpid(process, &status, WUNTRACED) != process || !WIFSTOPPED(status))
            return -1;
        found = search_process(process, secret, false);
    }
    return found;
}

/* Returns whether the case is as it should be. */
static bool attend(const struct secret_case *c, const struct secret *secret, pid_t process)
{
    bool good = true;
    int status = 0;
    int looks = 0;

    while (waitpid(process, &status, WUNTRACED) == process && WIFSTOPPED(status)) {
        int found = look(process, secret, c->remains);
        looks++;
        if (found < 0 || (found > 0) != c->remains) {
            if (!quiet)
                printf("  %s, look %d: %d places\n", c->name, looks, found);
            if (found > 0 && !quiet)
                search_process(process, secret, true);
            good = false;
        }
        atomic_store(&stage->seen, atomic_load(&stage->shown));
        kill(process, SIGCONT);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        if (!quiet)
            printf("  %s: ended with %s %d\n", c->name, WIFSIGNALED(status) ? "signal" : "code",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        good = false;
    }
    return good && looks > 0;
}

static bool run_case(const struct secret_case *c)
{
    static struct secret secret;
    pid_t process;

    if (c->digits)
        secret_make_digits(&secret, c->size ? c->size : DEFAULT);
    else
        secret_make(&secret, c->size ? c->size : DEFAULT);
    atomic_store(&stage->shown, 0);
    atomic_store(&stage->seen, 0);
    fflush(stdout);
    process = fork();
    if (process == 0)
        be_the_case(c, &secret);
    return process > 0 && attend(c, &secret, process);
}

void secret_verdict(bool good, const char *rule)
{
    printf("[ %8s ] ", good ? "      OK" : " FAILED");
    for (; *rule; rule++)
        putchar(isalnum((unsigned char)*rule) ? *rule : '_');
    putchar('\n');
}

/* Memory that processes share. */
static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        abort();
    return memory;
}

int secret_run(const struct secret_case *cases, size_t count, const char *word)
{
    size_t run = 0, bad = 0;

    stage = share(sizeof *stage);
    for (size_t i = 0; i < count; i++) {
        if (word && !strstr(cases[i].name, word))
            continue;
        bool good = run_case(&cases[i]);
        secret_verdict(good, cases[i].name);
        run++;
        bad += !good;
    }
    printf("%zu cases, %zu failed\n", run, bad);
    return bad > 0 || run == 0;
}

static bool is_missed(const struct secret_case *cases, size_t count, uint64_t who)
{
    for (size_t i = 0; i < count; i++)
        if (who & (uint64_t)1 << i && !run_case(&cases[i]))
            return true;
    return false;
}

int secret_run_without_wipes(const struct secret_case *cases, size_t count)
{
    extern const char __executable_start[];
    size_t i, needless = 0;

    secret_sites = share(sizeof *secret_sites);
    stage = share(sizeof *stage);
    for (i = 0; i < count; i++) {
        secret_sites->current = (unsigned)i;
        if (!run_case(&cases[i]))
            return 1;
    }
    quiet = true;
    for (i = 0; i < SECRET_SITES && secret_sites->site[i].caller; i++) {
        secret_sites->left_out = secret_sites->site[i].caller;
        if (is_missed(cases, count, secret_sites->site[i].cases))
            continue;
        printf("nobody misses what is wiped before %#zx\n",
               (size_t)((const char *)secret_sites->site[i].caller - __executable_start));
        needless++;
    }
    printf("%zu calls that wipe, %zu of them nobody misses\n", i, needless);
    return 0;
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

static _Noreturn void become(char *const words[], int input, int output)
{
    if ((input >= 0 && dup2(input, STDIN_FILENO) < 0) ||
        (output >= 0 && (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)) ||
        ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(126);
    execv(words[0], words);
    _exit(127);
}

int secret_search_at_exit(char *const words[], int input, int output, const struct secret *secret, int *code)
{
    int status = 0, found = -1;
    pid_t process;

    fflush(stdout);
    process = fork();
    if (process == 0)
        become(words, input, output);
    if (process < 0)
        return -1;
    *code = -1;
    while (waitpid(process, &status, __WALL) == process && WIFSTOPPED(status)) {
        int signal = WSTOPSIG(status);

        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
            found = search_process(process, secret, true);
            signal = 0;
        } else if (signal == SIGTRAP) { /* it has become the program */
            ptrace(PTRACE_SETOPTIONS, process, NULL, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
            signal = 0;
        }
        ptrace(PTRACE_CONT, process, NULL, signal);
    }
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return found;
}
