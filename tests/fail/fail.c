/* SPDX-License-Identifier: MIT */
/* See fail.h: the calls, and the decision. What is tried and what must hold then is scenarios.c's and each's business. */
#include "fail.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define DEPTH  4    /* return addresses that make a stack: the call's own, and three callers */
#define STACKS 4096 /* different ones that one process can report */

static struct {
    _Atomic unsigned kinds; /* relaxed, like all below: a call that is made meanwhile may be counted or not */
    _Atomic uint64_t count, failed, at;
    _Atomic bool keep;
    void *where[DEPTH];
    size_t depth; /* of where; written by the first that fails, read after fail_disarm */
} plan;

/* What the decision itself calls is never counted. */
static __thread bool inside;

#ifdef FAIL_WRAP
#define REAL(name) __real_##name
static bool by_environment(unsigned kind)
{
    return false;
}
static bool is_ours(const void *caller)
{
    return true;
}
static bool is_ready(void)
{
    return true;
}
#else
#define REAL(name) real_##name
static bool by_environment(unsigned kind);
static bool is_ours(const void *caller);
static bool is_ready(void);
static void catch_crashes(void);
#endif

/* DECLARE(malloc, void *, (size_t size)): the real one. Preloaded it is the next library's. */
#ifdef FAIL_WRAP
#define DECLARE(name, type, arguments)                                                                                 \
    type __real_##name arguments;                                                                                      \
    type __wrap_##name arguments;                                                                                      \
    type __wrap_##name arguments
#define FIND(name)
#else
/* The real ones are looked for before the program begins: dlsym has an effect on what dlerror says. Whoever calls even
 * earlier is served as well. */
#define DECLARE(name, type, arguments)                                                                                 \
    static type(*real_##name) arguments;                                                                               \
    __attribute__((constructor)) static void find_##name(void)                                                         \
    {                                                                                                                  \
        void *symbol = dlsym(RTLD_NEXT, #name);                                                                        \
        memcpy(&real_##name, &symbol, sizeof(symbol));                                                                 \
    }                                                                                                                  \
    EXPORT type name arguments
#define FIND(name)                                                                                                     \
    do {                                                                                                               \
        if (!real_##name)                                                                                              \
            find_##name();                                                                                             \
    } while (0)
#endif

/* The stack above a hook: its caller's return address first. */
static size_t stack_of(void *caller, void *addresses[DEPTH])
{
    void *all[DEPTH + 8];
    int count = backtrace(all, DEPTH + 8);
    size_t depth = 0;
    int i = 0;

    while (i < count && all[i] != caller)
        i++;
    for (; i < count && depth < DEPTH && is_ours(all[i]); i++)
        addresses[depth++] = all[i];
    if (depth == 0)
        addresses[depth++] = caller;
    return depth;
}

static void *current_caller(void *caller)
{
    static __thread void *kept;

    if (caller)
        kept = caller;
    return kept;
}

/* The plan's decision for one call of ours. */
static bool decide(unsigned kind)
{
    uint64_t at = atomic_load_explicit(&plan.at, memory_order_relaxed);
    uint64_t number;

    if (by_environment(kind))
        return true;
    if (!(kind & atomic_load_explicit(&plan.kinds, memory_order_relaxed)))
        return false;
    number = atomic_fetch_add_explicit(&plan.count, 1, memory_order_relaxed) + 1;
    if (at == 0 || number < at || (number > at && !atomic_load_explicit(&plan.keep, memory_order_relaxed)))
        return false;
    if (number == at)
        plan.depth = stack_of(current_caller(NULL), plan.where);
    atomic_fetch_add_explicit(&plan.failed, 1, memory_order_relaxed);
    return true;
}

static bool fails(unsigned kind, void *caller)
{
    int error = errno;
    bool failing;

    if (inside || !is_ours(caller))
        return false;
    inside = true;
    current_caller(caller);
    failing = decide(kind);
    inside = false;
    errno = error;
    return failing;
}

#define FAILS(kind) (is_ready() && fails(kind, __builtin_extract_return_addr(__builtin_return_address(0))))

void fail_arm(unsigned kinds, uint64_t at, bool keep)
{
    void *warm[2];

    backtrace(warm, 2); /* loads what it needs now, not in the middle of a call */
    atomic_store(&plan.kinds, 0);
    atomic_store(&plan.count, 0);
    atomic_store(&plan.failed, 0);
    atomic_store(&plan.at, at);
    atomic_store(&plan.keep, keep);
    plan.depth = 0;
    atomic_store(&plan.kinds, kinds);
}

void fail_spare(bool spare)
{
    atomic_store(&plan.kinds, spare ? 0 : FAIL_ALL);
}

uint64_t fail_disarm(uint64_t *failed)
{
    atomic_store(&plan.kinds, 0);
    if (failed)
        *failed = atomic_load(&plan.failed);
    return atomic_load(&plan.count);
}

size_t fail_where(void *addresses[], size_t room)
{
    size_t depth = plan.depth < room ? plan.depth : room;

    memcpy(addresses, plan.where, depth * sizeof(addresses[0]));
    return depth;
}

void fail_show(void *const addresses[], size_t depth)
{
    char command[512] = "";
    size_t length = 0;
    Dl_info info;

    for (size_t i = 0; i < depth && length < sizeof(command) - 64; i++) {
        uintptr_t at = (uintptr_t)addresses[i] - 1; /* in the call, not behind it */
        if (!dladdr(addresses[i], &info))
            continue;
        if (length == 0)
            length = (size_t)snprintf(command, sizeof(command), "addr2line -pisfe '%.200s'", info.dli_fname);
        length += (size_t)snprintf(command + length, sizeof(command) - length, " 0x%zx",
                                   (size_t)(at - (uintptr_t)info.dli_fbase));
    }
    if (length == 0 || system(command) != 0)
        backtrace_symbols_fd(addresses, (int)depth, STDERR_FILENO);
}

/* ---- preloaded: the environment asks -------------------------------------------------------------------------------- */

#ifndef FAIL_WRAP
static struct {
    bool ready, exe_is_ours, done;
    char root[PATH_MAX];
    size_t root_length;
    const char *stack; /* FAIL_STACK */
    int report;        /* a descriptor, or -1 */
} asked = {.report = -1};

static pthread_mutex_t stacks_lock = PTHREAD_MUTEX_INITIALIZER; /* guards stacks; nothing is taken while it is held */
static uint64_t stacks[STACKS];

__attribute__((constructor)) static void ask_environment(void)
{
    const char *root = getenv("FAIL_ROOT"), *report = getenv("FAIL_REPORT"), *at = getenv("FAIL_AT");
    const char *kind = getenv("FAIL_KIND");
    char exe[PATH_MAX] = "";
    unsigned kinds = FAIL_ALL;

    if (!root || !realpath(root, asked.root))
        return;
    asked.root_length = strlen(asked.root);
    if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0)
        asked.exe_is_ours = strncmp(exe, asked.root, asked.root_length) == 0;
    if (kind)
        kinds = strcmp(kind, "memory") == 0 ? FAIL_MEMORY : strcmp(kind, "thread") == 0 ? FAIL_THREAD : FAIL_FILE;
    asked.stack = getenv("FAIL_STACK");
    inside = true;
    if (report)
        asked.report = open(report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    inside = false;
    fail_arm(kinds, at ? strtoull(at, NULL, 10) : 0, getenv("FAIL_KEEP") != NULL);
    asked.ready = true;
    if (asked.stack)
        catch_crashes();
}

/* Until then a call may come that has nothing to do with the program: the dynamic linker's, while it links this. */
static bool is_ready(void)
{
    return asked.ready;
}

/* The name of the module that an address belongs to, below FAIL_ROOT, and the address in it; NULL: not one of ours.
 * _dl_find_object takes no lock, so this can be asked from within the dynamic linker. */
static const char *module_of(const void *address, size_t *offset)
{
    struct dl_find_object found;
    const char *name = NULL;

    if (_dl_find_object((void *)(uintptr_t)address, &found) != 0 || !found.dlfo_link_map)
        return NULL;
    name = found.dlfo_link_map->l_name;
    *offset = (size_t)((uintptr_t)address - found.dlfo_link_map->l_addr);
    if (name[0] == 0)
        return asked.exe_is_ours ? program_invocation_name : NULL;
    return strncmp(name, asked.root, asked.root_length) == 0 && strstr(name, "/tests/fail/") == NULL ? name : NULL;
}

static bool is_ours(const void *caller)
{
    size_t offset;

    return asked.ready && module_of(caller, &offset) != NULL;
}

static size_t write_stack(char *text, size_t room, void *addresses[], size_t depth)
{
    size_t length = 0;

    text[0] = 0;
    for (size_t i = 0; i < depth && length < room; i++) {
        size_t offset = 0;
        const char *name = module_of(addresses[i], &offset);
        const char *base = name ? strrchr(name, '/') : NULL;
        length += (size_t)snprintf(text + length, room - length, "%s%s+%zx", i > 0 ? "," : "",
                                   base ? base + 1 : (name ? name : "?"), offset);
    }
    return length;
}

/* true: never seen before. */
static bool is_new(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    bool fresh = false;

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    hash |= 1;
    pthread_mutex_lock(&stacks_lock);
    for (size_t i = 0, at = hash % STACKS; i < STACKS; i++, at = (at + 1) % STACKS) {
        if (stacks[at] == hash)
            break;
        if (stacks[at] == 0) {
            stacks[at] = hash;
            fresh = true;
            break;
        }
    }
    pthread_mutex_unlock(&stacks_lock);
    return fresh;
}

static void report(const char *what, unsigned kind, const char *stack)
{
    char line[1024];
    int length = snprintf(line, sizeof(line), "%s %s %s\n", what,
                          kind == FAIL_MEMORY ? "memory" : (kind == FAIL_THREAD ? "thread" : "file"), stack);

    if (length > 0 && (size_t)length < sizeof(line))
        (void)!write(asked.report, line, (size_t)length);
}

static bool by_environment(unsigned kind)
{
    void *addresses[DEPTH];
    char text[900];

    if (!(kind & atomic_load_explicit(&plan.kinds, memory_order_relaxed)) || (asked.report < 0 && !asked.stack))
        return false;
    write_stack(text, sizeof(text), addresses, stack_of(current_caller(NULL), addresses));
    if (asked.stack) {
        bool keep = atomic_load_explicit(&plan.keep, memory_order_relaxed);
        bool mine = asked.done ? keep : strcmp(text, asked.stack) == 0;
        if (mine && !asked.done && asked.report >= 0)
            report("failed", kind, text);
        asked.done = asked.done || mine;
        return mine;
    }
    if (is_new(text))
        report("seen", kind, text);
    return false;
}

/* ---- preloaded: how a program ends ---------------------------------------------------------------------------------- */

/* A crash's stack goes into the report, and then the program ends: nobody else's handler has a say. */
static void on_crash(int number)
{
    static _Atomic bool once;
    char line[1024] = "crashed", *text = line + 7;
    size_t room = sizeof(line) - 9, length;
    void *all[64];
    int count;

    inside = true;
    if (atomic_exchange(&once, true))
        return;
    count = backtrace(all, 64);
    *text++ = ' ';
    text += snprintf(text, room, "%d ", number);
    for (int i = 0; i < count && text < line + sizeof(line) - 128; i++) {
        if (module_of(all[i], &length) && text[-1] != ' ')
            *text++ = ',';
        if (module_of(all[i], &length))
            text += write_stack(text, 120, &all[i], 1);
    }
    *text++ = '\n';
    if (asked.report >= 0)
        (void)!write(asked.report, line, (size_t)(text - line));
    raise(number); /* the default is in force again */
}

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

static bool is_crash(int number)
{
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++) {
        if (crashes[i] == number)
            return true;
    }
    return false;
}

/* Test frameworks catch signals, and would make a failed test of a crash. */
DECLARE(sigaction, int, (int number, const struct sigaction *action, struct sigaction *before))
{
    FIND(sigaction);
    if (asked.ready && asked.stack && is_crash(number))
        action = NULL;
    return real_sigaction(number, action, before);
}

DECLARE(signal, sighandler_t, (int number, sighandler_t handler))
{
    FIND(signal);
    return asked.ready && asked.stack && is_crash(number) ? SIG_DFL : REAL(signal)(number, handler);
}

static void catch_crashes(void)
{
    const struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};

    FIND(sigaction);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        real_sigaction(crashes[i], &action, NULL);
}

/* cmocka's: an assertion has failed. What such a test leaves behind is nobody's mistake. */
EXPORT void _fail(const char *file, int line);
DECLARE(_fail, void, (const char *file, int line))
{
    FIND(_fail);
    if (asked.report >= 0)
        (void)!write(asked.report, "refused\n", 8);
    real__fail(file, line);
}
#endif

/* ---- blocks --------------------------------------------------------------------------------------------------------- */

#ifdef FAIL_WRAP
#define BLOCKS 65536 /* at most so many at a time, and a power of two */

static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
static struct {
    void *block, *caller;
} blocks[BLOCKS];
static size_t block_count;

static size_t place_of(const void *block)
{
    return ((uintptr_t)block >> 4) * 0x9E3779B97F4A7C15u >> 48 & (BLOCKS - 1);
}

static void *block_add(void *block, void *caller)
{
    if (!block)
        return NULL;
    pthread_mutex_lock(&blocks_lock);
    if (block_count < BLOCKS / 2) {
        size_t at = place_of(block);
        while (blocks[at].block)
            at = (at + 1) & (BLOCKS - 1);
        blocks[at].block = block;
        blocks[at].caller = caller;
        block_count++;
    }
    pthread_mutex_unlock(&blocks_lock);
    return block;
}

static void block_remove(const void *block)
{
    pthread_mutex_lock(&blocks_lock);
    size_t at = place_of(block);
    while (blocks[at].block && blocks[at].block != block)
        at = (at + 1) & (BLOCKS - 1);
    if (blocks[at].block) {
        /* Those behind it that it had pushed on move up. */
        blocks[at].block = NULL;
        block_count--;
        for (size_t next = (at + 1) & (BLOCKS - 1); blocks[next].block; next = (next + 1) & (BLOCKS - 1)) {
            size_t home = place_of(blocks[next].block);
            if (((next - home) & (BLOCKS - 1)) >= ((next - at) & (BLOCKS - 1))) {
                blocks[at] = blocks[next];
                blocks[next].block = NULL;
                at = next;
            }
        }
    }
    pthread_mutex_unlock(&blocks_lock);
}

size_t fail_blocks(void)
{
    pthread_mutex_lock(&blocks_lock);
    size_t count = block_count;
    pthread_mutex_unlock(&blocks_lock);
    return count;
}

void fail_blocks_forget(void)
{
    pthread_mutex_lock(&blocks_lock);
    memset(blocks, 0, sizeof(blocks));
    block_count = 0;
    pthread_mutex_unlock(&blocks_lock);
}

void fail_blocks_show(void)
{
    void *callers[16];
    size_t count = 0;

    pthread_mutex_lock(&blocks_lock);
    for (size_t i = 0; i < BLOCKS && count < 16; i++) {
        if (blocks[i].block)
            callers[count++] = blocks[i].caller;
    }
    pthread_mutex_unlock(&blocks_lock);
    fail_show(callers, count);
}

#define ADD(block)    block_add(block, __builtin_extract_return_addr(__builtin_return_address(0)))
#define REMOVE(block) block_remove(block)
#else
#define ADD(block)    (block)
#define REMOVE(block) (void)(block)
#endif

/* ---- the calls ------------------------------------------------------------------------------------------------------ */

#define REFUSE(kind, error, answer)                                                                                    \
    do {                                                                                                               \
        if (FAILS(kind)) {                                                                                             \
            errno = error;                                                                                             \
            return answer;                                                                                             \
        }                                                                                                              \
    } while (0)

DECLARE(malloc, void *, (size_t size))
{
    FIND(malloc);
    REFUSE(FAIL_MEMORY, ENOMEM, NULL);
    return ADD(REAL(malloc)(size));
}

DECLARE(calloc, void *, (size_t count, size_t size))
{
    FIND(calloc);
    REFUSE(FAIL_MEMORY, ENOMEM, NULL);
    return ADD(REAL(calloc)(count, size));
}

DECLARE(realloc, void *, (void *block, size_t size))
{
    FIND(realloc);
    REFUSE(FAIL_MEMORY, ENOMEM, NULL);
    REMOVE(block);
    return ADD(REAL(realloc)(block, size));
}

DECLARE(strdup, char *, (const char *text))
{
    FIND(strdup);
    REFUSE(FAIL_MEMORY, ENOMEM, NULL);
    return ADD(REAL(strdup)(text));
}

DECLARE(strndup, char *, (const char *text, size_t length))
{
    FIND(strndup);
    REFUSE(FAIL_MEMORY, ENOMEM, NULL);
    return ADD(REAL(strndup)(text, length));
}

#ifdef FAIL_WRAP
DECLARE(free, void, (void *block))
{
    REMOVE(block);
    REAL(free)(block);
}
#endif

DECLARE(tsearch, void *, (const void *key, void **root, int (*compare)(const void *, const void *)))
{
    FIND(tsearch);
    REFUSE(FAIL_MEMORY, ENOMEM, NULL);
    return REAL(tsearch)(key, root, compare);
}

/* What getline is when it is inlined. */
DECLARE(__getdelim, ssize_t, (char **line, size_t *room, int delimiter, FILE *file))
{
    FIND(__getdelim);
    REFUSE(FAIL_MEMORY, ENOMEM, -1);
    return REAL(__getdelim)(line, room, delimiter, file);
}

/* With 64 bits for offsets these are what mmap, fopen and open are. */
DECLARE(mmap64, void *, (void *address, size_t length, int protection, int flags, int fd, off64_t offset))
{
    FIND(mmap64);
    REFUSE(FAIL_MEMORY, ENOMEM, MAP_FAILED);
    return REAL(mmap64)(address, length, protection, flags, fd, offset);
}

DECLARE(fopen64, FILE *, (const char *path, const char *mode))
{
    FIND(fopen64);
    REFUSE(FAIL_FILE, EMFILE, NULL);
    return REAL(fopen64)(path, mode);
}

DECLARE(open64, int, (const char *path, int flags, ...))
{
    va_list arguments;
    mode_t mode;

    FIND(open64);
    REFUSE(FAIL_FILE, EMFILE, -1);
    va_start(arguments, flags);
    mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return REAL(open64)(path, flags, mode);
}

DECLARE(mkostemp64, int, (char *path, int flags))
{
    FIND(mkostemp64);
    REFUSE(FAIL_FILE, EMFILE, -1);
    return REAL(mkostemp64)(path, flags);
}

DECLARE(memfd_create, int, (const char *name, unsigned flags))
{
    FIND(memfd_create);
    REFUSE(FAIL_FILE, EMFILE, -1);
    return REAL(memfd_create)(name, flags);
}

DECLARE(epoll_create1, int, (int flags))
{
    FIND(epoll_create1);
    REFUSE(FAIL_FILE, EMFILE, -1);
    return REAL(epoll_create1)(flags);
}

DECLARE(pthread_create, int,
        (pthread_t * thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument))
{
    FIND(pthread_create);
    if (FAILS(FAIL_THREAD))
        return EAGAIN;
    return REAL(pthread_create)(thread, attributes, routine, argument);
}

DECLARE(eventfd, int, (unsigned count, int flags))
{
    FIND(eventfd);
    REFUSE(FAIL_FILE, EMFILE, -1);
    return REAL(eventfd)(count, flags);
}

DECLARE(socket, int, (int family, int type, int protocol))
{
    FIND(socket);
    REFUSE(FAIL_FILE, EMFILE, -1);
    return REAL(socket)(family, type, protocol);
}

DECLARE(accept4, int, (int fd, struct sockaddr *address, socklen_t *length, int flags))
{
    FIND(accept4);
    REFUSE(FAIL_FILE, EMFILE, -1);
    return REAL(accept4)(fd, address, length, flags);
}

#ifndef FAIL_WRAP
/* dlopen looks at who calls it: its caller's own search path stays with its caller only when this is a jump. Ours are
 * given paths with a slash, for which that is all the same. */
DECLARE(dlopen, void *, (const char *path, int mode))
{
    FIND(dlopen);
    REFUSE(FAIL_MEMORY, ENOMEM, NULL);
    return REAL(dlopen)(path, mode);
}
#endif
