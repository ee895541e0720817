/* SPDX-License-Identifier: MIT */
/* The run: which checks, on which reader, one after the other, each within its time. */
#include "port.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct part *const own_parts[] = {&part_a, &part_b, &part_c, &part_d, &part_e, &part_f, NULL};

static const struct part *const *parts_of(const struct conform *run)
{
    return run->parts ? run->parts : own_parts;
}

/* ---- which checks ------------------------------------------------------------------------------------------------ */

/* NAME, or A.NAME. */
static bool is_named(const struct part *part, const struct check *check, const char *name)
{
    if (name[0] && name[1] == '.')
        return (name[0] & ~0x20) == part->letter && strcmp(name + 2, check->name) == 0;
    return strcmp(name, check->name) == 0;
}

static bool is_chosen(const struct conform_options *options, const struct part *part, const struct check *check)
{
    if (options->parts && !strchr(options->parts, part->letter) && !strchr(options->parts, part->letter | 0x20))
        return false;
    for (size_t i = 0; i < options->name_count; i++)
        if (is_named(part, check, options->names[i]))
            return true;
    return options->name_count == 0;
}

/* The tables must be in order: every check has a source, and a name of its own in its part. Returns what is wrong, or
 * NULL. */
static const char *tables_wrong(const struct part *const *parts, char *text, size_t size)
{
    for (const struct part *const *part = parts; *part; part++) {
        for (size_t i = 0; i < (*part)->count; i++) {
            const struct check *check = &(*part)->checks[i];
            if (!check->name || !check->name[0] || !check->run || !check->source || !check->source[0]) {
                snprintf(text, size, "check %lu of part %c (%s) has no name, source or body", (unsigned long)i,
                         (*part)->letter, check->name ? check->name : "?");
                return text;
            }
            for (size_t j = 0; j < i; j++) {
                if (strcmp((*part)->checks[j].name, check->name) == 0) {
                    snprintf(text, size, "two checks of part %c have the name %s", (*part)->letter, check->name);
                    return text;
                }
            }
        }
    }
    return NULL;
}

/* Fill results with what is chosen, in order. false: no memory. */
static bool choose(struct conform *run)
{
    size_t room = 0;
    for (const struct part *const *part = parts_of(run); *part; part++)
        room += (*part)->count;
    run->results = calloc(room ? room : 1, sizeof *run->results);
    run->count = 0;
    for (const struct part *const *part = parts_of(run); *part && run->results; part++)
        for (size_t i = 0; i < (*part)->count; i++)
            if (is_chosen(run->options, *part, &(*part)->checks[i]))
                run->results[run->count++] = (struct result){.part = *part, .check = &(*part)->checks[i]};
    return run->results != NULL;
}

/* ---- which reader ------------------------------------------------------------------------------------------------ */

static bool look_at_reader(struct conform *run, struct suite *suite)
{
    HANDLE handle = open_named(run->reader, FILE_FLAG_OVERLAPPED);
    if (handle == INVALID_HANDLE_VALUE)
        return false;
    attribute_text(handle, SCARD_ATTR_VENDOR_NAME, run->vendor, sizeof run->vendor);
    attribute_text(handle, SCARD_ATTR_VENDOR_IFD_TYPE, run->type, sizeof run->type);
    CloseHandle(handle);
    suite->panel = open_panel(run->reader);
    run->is_virtual = suite->panel != NULL;
    return true;
}

static bool holds_card(const char *reader)
{
    HANDLE handle = open_named(reader, 0);
    ULONG state = SCARD_UNKNOWN;
    DWORD returned = 0;
    if (handle == INVALID_HANDLE_VALUE)
        return false;
    if (!DeviceIoControl(handle, IOCTL_SMARTCARD_GET_STATE, NULL, 0, &state, sizeof state, &returned, NULL))
        state = SCARD_UNKNOWN;
    CloseHandle(handle);
    return state > SCARD_ABSENT;
}

/* Why a check cannot run here; NULL: it can. */
static const char *unmet(const struct suite *suite, const struct check *check)
{
    static const enum need needs[] = {NEED_VIRTUAL, NEED_CARD, NEED_UNPLUG, NEED_CLEANUP, NEED_GONE, NEED_CANCEL_RACE};
    const struct conform *run = suite->run;
    if ((check->needs & NEED_VIRTUAL) && !run->is_virtual)
        return "needs the virtual reader's panel";
    if ((check->needs & NEED_CARD) && !run->is_virtual && !holds_card(run->reader))
        return "no card in the reader";
    if ((check->needs & NEED_UNPLUG) && port_no_plug(run->reader, run->is_virtual))
        return port_no_plug(run->reader, run->is_virtual);
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if ((check->needs & needs[i]) && port_gap(needs[i]))
            return port_gap(needs[i]);
    return NULL;
}

/* ---- the watch --------------------------------------------------------------------------------------------------- */

#define TICK_MS      100
#define RESCUE_TICKS 100

static struct watch {
    struct conform *run;
    struct suite *suite;
    HANDLE stop, thread;
    volatile LONG rescuing; /* the check that runs is being cancelled */
    volatile LONG held;     /* guards what follows, and the results against the watch */
    LONG current, begun;    /* index of the check that runs, -1: none; counts the checks that have begun */
} watch;

static void watch_enter(void)
{
    while (InterlockedExchange(&watch.held, 1) != 0)
        Sleep(0);
}

static void watch_leave(void)
{
    InterlockedExchange(&watch.held, 0);
}

static void watch_set(LONG current)
{
    watch_enter();
    watch.current = current;
    watch.begun += current >= 0;
    watch_leave();
}

static void leave_rest(struct conform *run, size_t from, const char *why)
{
    for (size_t i = from; i < run->count; i++) {
        run->results[i].verdict = SKIPPED;
        snprintf(run->results[i].reason, sizeof run->results[i].reason, "not run: %s", why);
    }
}

/* The check that runs has hung, the watch is held: end the process, and leave the reports behind. */
static void give_up(void)
{
    struct conform *run = watch.run;
    leave_rest(run, (size_t)watch.current + 1, "a check before it hung, and could not be ended");
    report_result(run, &run->results[watch.current]);
    report_totals(run);
    report_files(run);
    if (run->hung)
        run->hung(run);
    fflush(stdout);
    port_end(CONFORM_FAILED);
}

/* Cancels what the check waits for; a thread of its own, since cancelling may hang as well. */
static DWORD WINAPI cancel_main(LPVOID unused)
{
    while (InterlockedExchangeAdd(&watch.rescuing, 0) != 0) {
        cancel_all(watch.suite);
        Sleep(TICK_MS);
    }
    return 0;
}

/* The time of the check that runs is up: it has failed. Returns when it has ended all the same. */
static void rescue(LONG begun)
{
    HANDLE thread = NULL;
    for (int ticks = 0;; ticks++) {
        watch_enter();
        if (watch.begun != begun || watch.current < 0)
            break;
        if (ticks == 0 && first_verdict(watch.suite)) {
            struct result *result = &watch.run->results[watch.current];
            result->verdict = FAILED;
            result->file = NULL;
            result->ms = watch.run->options->limit * 1000;
            snprintf(result->reason, sizeof result->reason, "hung: it did not end within %lu s",
                     (unsigned long)watch.run->options->limit);
        }
        if (ticks == RESCUE_TICKS)
            give_up();
        watch_leave();
        if (ticks == 0) {
            InterlockedExchange(&watch.rescuing, 1);
            thread = CreateThread(NULL, 0, cancel_main, NULL, 0, NULL);
        }
        Sleep(TICK_MS);
    }
    watch_leave();
    InterlockedExchange(&watch.rescuing, 0);
    if (thread) {
        WaitForSingleObject(thread, PATIENCE_MS);
        CloseHandle(thread);
    }
}

/* Time is counted in waits that have timed out, and not by a clock that a hanging system may no longer move. */
static DWORD WINAPI watch_main(LPVOID unused)
{
    LONG seen = 0;
    uint64_t ms = 0;
    while (WaitForSingleObject(watch.stop, TICK_MS) == WAIT_TIMEOUT) {
        watch_enter();
        ms = watch.begun != seen || watch.current < 0 ? 0 : ms + TICK_MS;
        seen = watch.begun;
        watch_leave();
        if (ms >= (uint64_t)watch.run->options->limit * 1000)
            rescue(seen);
    }
    return 0;
}

static bool watch_start(struct conform *run, struct suite *suite)
{
    watch = (struct watch){.run = run, .suite = suite, .current = -1, .stop = CreateEventA(NULL, TRUE, FALSE, NULL)};
    watch.thread = CreateThread(NULL, 0, watch_main, NULL, 0, NULL);
    return watch.thread != NULL;
}

static void watch_stop(void)
{
    SetEvent(watch.stop);
    if (watch.thread) {
        WaitForSingleObject(watch.thread, INFINITE);
        CloseHandle(watch.thread);
    }
    CloseHandle(watch.stop);
}

/* ---- one check --------------------------------------------------------------------------------------------------- */

/* false: it left something behind that the next check would meet. */
static bool run_check(struct suite *suite, LONG index)
{
    struct result *result = &suite->run->results[index];
    const char *reason = unmet(suite, result->check);
    ULONGLONG since = GetTickCount64();
    char why[CONFORM_REASON];
    bool clean;

    if (reason) {
        result->verdict = SKIPPED;
        snprintf(result->reason, sizeof result->reason, "%s", reason);
        return true;
    }
    suite->result = result;
    suite->thread = GetCurrentThreadId();
    suite->over = suite->judged = 0;
    random_from(suite, suite->run->options->seed, result->check->name);
    watch_set(index);
    if (setjmp(suite->back) == 0) {
        if ((result->check->needs & NEED_CARD) && suite->panel)
            card_in(suite, "echo");
        result->check->run(suite);
    }
    clean = put_back(suite, why, sizeof why);
    if (why[0] && result->verdict != FAILED) {
        result->verdict = FAILED;
        result->file = NULL;
        snprintf(result->reason, sizeof result->reason, "behind the check: %.400s", why);
    }
    watch_set(-1);
    result->ms = (uint32_t)(GetTickCount64() - since);
    return clean;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

struct totals totals_of(const struct conform *run, const struct part *part)
{
    struct totals totals = {0};
    for (size_t i = 0; i < run->count; i++) {
        const struct result *result = &run->results[i];
        if (part && result->part != part)
            continue;
        totals.passed += result->verdict == PASSED;
        totals.failed += result->verdict == FAILED;
        totals.skipped += result->verdict == SKIPPED;
        totals.ms += result->ms;
    }
    return totals;
}

int conform_list(const struct conform *run)
{
    size_t count = 0;
    for (const struct part *const *part = parts_of(run); *part; part++) {
        for (size_t i = 0; i < (*part)->count; i++) {
            const struct check *check = &(*part)->checks[i];
            if (!is_chosen(run->options, *part, check))
                continue;
            printf("%c.%s: %s\n", (*part)->letter, check->name, check->source);
            count++;
        }
    }
    if (count == 0)
        fputs("there is no such check; --list prints all of them\n", stderr);
    return count ? CONFORM_PASSED : CONFORM_USAGE;
}

bool conform_exists(const struct conform *run)
{
    for (const struct part *const *part = parts_of(run); *part; part++)
        for (size_t i = 0; i < (*part)->count; i++)
            if (is_chosen(run->options, *part, &(*part)->checks[i]))
                return true;
    return false;
}

int conform_run(struct conform *run)
{
    struct suite suite = {.run = run};
    time_t now = time(NULL);
    char text[160];
    bool clean;
    int code = CONFORM_MISSING;

    strftime(run->time, sizeof run->time, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    if (tables_wrong(parts_of(run), text, sizeof text)) {
        fprintf(stderr, "the suite is broken: %s\n", text);
        return CONFORM_FAILED;
    }
    if (!choose(run)) {
        fputs("there is no memory left\n", stderr);
        return CONFORM_FAILED;
    }
    if (run->count == 0) {
        fputs("there is no such check; --list prints all of them\n", stderr);
        return CONFORM_USAGE;
    }
    if (!look_at_reader(run, &suite)) {
        fprintf(stderr, "the reader %s cannot be opened: error %lu\n", run->reader, (unsigned long)GetLastError());
        return CONFORM_MISSING;
    }
    if (!watch_start(run, &suite)) {
        fputs("no thread can be started\n", stderr);
        goto out;
    }
    put_back(&suite, text, sizeof text); /* whatever lay in the virtual reader before */
    for (size_t i = 0; i < run->count; i++) {
        if (run->stopped && run->stopped()) {
            leave_rest(run, i, "the run was interrupted");
            break;
        }
        clean = run_check(&suite, (LONG)i);
        report_result(run, &run->results[i]);
        if (!clean) {
            leave_rest(run, i + 1, "a thread of a check before it still runs");
            break;
        }
    }
    report_totals(run);
    code = report_files(run) && totals_of(run, NULL).failed == 0 ? CONFORM_PASSED : CONFORM_FAILED;
    watch_stop();
out:
    if (suite.panel)
        CloseHandle(suite.panel);
    return code;
}

void conform_free(struct conform *run)
{
    free(run->results);
    run->results = NULL;
    run->count = 0;
}
