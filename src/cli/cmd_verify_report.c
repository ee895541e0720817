/* SPDX-License-Identifier: MIT */
/* The verdict of `smartcrd verify`: what was tried, each rule, what to do, how to see it again, and what was not tried. */
#include "cmd_verify.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* What each event is called, and what to say when it never came (NULL: nothing). */
static const struct {
    const char *key, *text, *missing;
} events[VERIFY_EVENTS] = {
    [VERIFY_LOADED] = {"loaded", "loads", NULL},
    [VERIFY_UNLOADED] = {"unloaded", "unloads",
                         "the driver was never unloaded: it has no DriverUnload, or it keeps a "
                         "request, a device or a work item"},
    [VERIFY_OPENED] = {"opened", "handles opened", "no reader could be opened"},
    [VERIFY_CLOSED_BUSY] = {"closed_busy", "closed with requests in flight", NULL},
    [VERIFY_REMOVED] = {"removed", "readers removed",
                        "no reader was removed: the driver has no AddDevice, and makes its "
                        "readers in DriverEntry"},
    [VERIFY_REMOVED_BUSY] = {"removed_busy", "removed with requests in flight", NULL},
    [VERIFY_CANCELS] = {"cancels", "cancels", NULL},
    [VERIFY_CANCELLED] = {"cancelled", "requests that ended cancelled", NULL},
    [VERIFY_TIMED_OUT] = {"timed_out", "that met their deadline", NULL},
    [VERIFY_POWERED] = {"powered", "cards powered",
                        "no card answered a reset, so that TRANSMIT never reached the driver: "
                        "put a card into the reader"},
    [VERIFY_PROTOCOLS] = {"protocols", "protocols selected", "no protocol was selected"},
    [VERIFY_EXCHANGED] = {"exchanged", "commands answered", "no card answered a command"},
    [VERIFY_TRACKED] =
        {"tracked", "cards seen to come or go",
         "no card came or went while IS_PRESENT or IS_ABSENT waited for it: move one by hand meanwhile, or "
         "name the driver's own code for it with --vendor"},
};

static uint64_t count_of(const atomic_ullong *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static unsigned found_count(const struct verify_record *record)
{
    return atomic_load_explicit(&record->found_count, memory_order_acquire);
}

/* ---- what was tried ----------------------------------------------------------------------------------------------- */

static void say_tried(struct cli *cli, const struct verify_record *record)
{
    uint64_t all = 0;
    size_t width = 0;
    json_open(&cli->json, "requests", '[');
    for (size_t i = 0; verify_shape_text(i); i++) {
        json_open(&cli->json, NULL, '{');
        json_string(&cli->json, "request", verify_shape_text(i));
        json_number(&cli->json, "tried", (int64_t)count_of(&record->tried[i]));
        json_number(&cli->json, "succeeded", (int64_t)count_of(&record->succeeded[i]));
        json_close(&cli->json, '}');
        all += count_of(&record->tried[i]);
    }
    json_close(&cli->json, ']');
    cli_say(cli, "%stried%s  %llu requests (succeeded of tried):", cli_on(cli, CLI_STRONG), cli_off(cli),
            (unsigned long long)all);
    for (size_t i = 0; verify_shape_text(i); i++) {
        char text[96];
        int length = snprintf(text, sizeof text, "%s %llu of %llu", verify_shape_text(i),
                              (unsigned long long)count_of(&record->succeeded[i]),
                              (unsigned long long)count_of(&record->tried[i]));
        if (count_of(&record->tried[i]) == 0)
            continue;
        cli_say(cli, "%s%s", width == 0 || width + (size_t)length > 96 ? "\n    " : ", ", text);
        width = width == 0 || width + (size_t)length > 96 ? (size_t)length : width + (size_t)length + 2;
    }
    cli_say(cli, "\n");
    width = 0;
    json_open(&cli->json, "events", '{');
    for (size_t i = 0; i < VERIFY_EVENTS; i++) {
        char text[96];
        int length =
            snprintf(text, sizeof text, "%llu %s", (unsigned long long)count_of(&record->events[i]), events[i].text);
        json_number(&cli->json, events[i].key, (int64_t)count_of(&record->events[i]));
        cli_say(cli, "%s%s", width == 0 || width + (size_t)length > 96 ? (width ? ",\n    " : "    ") : ", ", text);
        width = width == 0 || width + (size_t)length > 96 ? (size_t)length : width + (size_t)length + 2;
    }
    json_close(&cli->json, '}');
    cli_say(cli, "\n");
}

static void say_untried(struct cli *cli, const struct verify_plan *plan, const struct verify_record *record)
{
    bool first = true;
    json_open(&cli->json, "not_tried", '[');
    for (size_t i = 0; i <= VERIFY_EVENTS; i++) {
        const char *text = i < VERIFY_EVENTS && count_of(&record->events[i]) == 0 ? events[i].missing : NULL;
        if (i == VERIFY_EVENTS && plan->vendor_count == 0)
            text = "the driver's own control codes, which may do anything: --vendor names those that may be sent";
        if (!text)
            continue;
        json_string(&cli->json, NULL, text);
        cli_say(cli, "%s%s%s\n", first ? "not tried\n" : "", "    ", text);
        first = false;
    }
    json_close(&cli->json, ']');
}

/* ---- the rules ---------------------------------------------------------------------------------------------------- */

/* The command that makes it happen again. */
static const char *again(const struct verify_plan *plan, uint32_t seed, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "smartcrd%s verify %s --seed %u --rounds 1",
                                 plan->simulated ? " --simulated-time" : "", plan->driver, (unsigned)seed);
    for (size_t i = 0; i < plan->vendor_count && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%u", i ? "," : " --vendor ",
                               (unsigned)(plan->vendor[i] >> 2 & 0xFFF));
    return text;
}

static void say_found(struct cli *cli, const struct verify_plan *plan, const struct verify_found *found)
{
    const struct smartcrd_violation *violation = &found->violation;
    char command[512];
    again(plan, found->seed, command, sizeof command);
    cli_say(cli, "      in %s%s%s%s%s, %u time%s\n        %s\n        again: %s\n", cli_on(cli, CLI_STRONG),
            violation->function[0] ? violation->function : "no function that could be named", cli_off(cli),
            violation->request[0] ? ", request " : "", violation->request, found->times, found->times == 1 ? "" : "s",
            violation->what, command);
    json_open(&cli->json, NULL, '{');
    json_string(&cli->json, "function", violation->function);
    json_string(&cli->json, "request", violation->request);
    json_number(&cli->json, "times", found->times);
    json_string(&cli->json, "what", violation->what);
    json_number(&cli->json, "seed", found->seed);
    json_string(&cli->json, "again", command);
    json_close(&cli->json, '}');
}

/* Each rule: kept, or who broke it and how. Returns how many are broken. */
static unsigned say_rules(struct cli *cli, const struct verify_plan *plan, const struct verify_record *record)
{
    unsigned broken = 0, count = found_count(record);
    const struct smartcrd_rule *rule;
    cli_say(cli, "%srules%s\n", cli_on(cli, CLI_STRONG), cli_off(cli));
    json_open(&cli->json, "rules", '[');
    for (uint32_t i = 0; (rule = smartcrd_rule(i)); i++) {
        bool kept = true;
        for (unsigned k = 0; k < count; k++)
            kept = kept && record->found[k].rule != i;
        broken += !kept;
        json_open(&cli->json, NULL, '{');
        json_string(&cli->json, "rule", rule->name);
        json_bool(&cli->json, "kept", kept);
        json_string(&cli->json, "text", rule->text);
        cli_say(cli, "    %-28s%s%s%s\n", rule->name, cli_on(cli, kept ? CLI_GOOD : CLI_BAD), kept ? "ok" : "BROKEN",
                cli_off(cli));
        if (!kept) {
            json_string(&cli->json, "advice", rule->advice);
            cli_say(cli, "      %s\n      to do: %s\n", rule->text, rule->advice);
        }
        json_open(&cli->json, "violations", '[');
        for (unsigned k = 0; k < count; k++)
            if (record->found[k].rule == i)
                say_found(cli, plan, &record->found[k]);
        json_close(&cli->json, ']');
        json_close(&cli->json, '}');
    }
    json_close(&cli->json, ']');
    return broken;
}

/* ---- the end ------------------------------------------------------------------------------------------------------ */

static void number_word(int number, char *text, size_t size)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGILL, "SIGILL"},   {SIGFPE, "SIGFPE"},
                 {SIGABRT, "SIGABRT"}, {SIGTRAP, "SIGTRAP"}, {SIGKILL, "SIGKILL"}, {SIGALRM, "SIGALRM"}};
    snprintf(text, size, "signal %d", number);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number)
            snprintf(text, size, "%s", names[i].name);
}

/* It did not end by itself: how, where, and while what was asked. */
static void say_end(struct cli *cli, const struct verify_plan *plan, const struct verify_record *record,
                    enum verify_end end, int status)
{
    static const char *const words[] = {[VERIFY_ENDED] = "ended", [VERIFY_DIED] = "crashed", [VERIFY_HUNG] = "hung"};
    int number = atomic_load_explicit(&record->signal, memory_order_relaxed);
    char how[64], command[512];
    json_string(&cli->json, "end", words[end]);
    if (end == VERIFY_ENDED)
        return;
    if (end == VERIFY_HUNG)
        snprintf(how, sizeof how, "for more than %u seconds", plan->limit);
    else if (number != 0 || WIFSIGNALED(status))
        number_word(number != 0 ? number : WTERMSIG(status), how, sizeof how);
    else
        snprintf(how, sizeof how, "exit code %d", WEXITSTATUS(status));
    again(plan, atomic_load_explicit(&record->seed, memory_order_relaxed), command, sizeof command);
    cli_say(cli, "%s%s%s %s%s%s\n", cli_on(cli, CLI_BAD), end == VERIFY_HUNG ? "HUNG" : "CRASHED", cli_off(cli), how,
            !record->dying[0]    ? ""
            : end == VERIFY_HUNG ? ", its threads in "
                                 : ", in ",
            record->dying);
    json_string(&cli->json, "how", how);
    json_string(&cli->json, "where", record->dying);
    json_open(&cli->json, "during", '[');
    for (size_t i = 0; i < VERIFY_SEATS; i++) {
        bool busy = atomic_load_explicit(&record->since_ns[i], memory_order_relaxed) != 0;
        if (!record->step[i][0])
            continue;
        cli_say(cli, "      %s %s\n", busy ? "during" : "after", record->step[i]);
        json_string(&cli->json, NULL, record->step[i]);
    }
    json_close(&cli->json, ']');
    json_string(&cli->json, "again", command);
    cli_say(cli, "      again: %s\n      in a debugger: gdb --args %s --here\n", command, command);
}

static int verdict(struct cli *cli, const struct verify_record *record, enum verify_end end, unsigned broken)
{
    if (end == VERIFY_HUNG)
        return cli_complain(cli, CLI_FAILED, "the driver hangs");
    if (end == VERIFY_DIED)
        return cli_complain(cli, CLI_FAILED, "the driver has ended the process");
    if (broken > 0)
        return cli_complain(cli, CLI_FAILED, "%u rule%s broken", broken, broken == 1 ? " is" : "s are");
    if (record->exit != CLI_OK)
        return cli_complain(cli, record->exit, "the driver gives no reader: %s", record->why);
    if (count_of(&record->events[VERIFY_OPENED]) == 0)
        return cli_complain(cli, CLI_FAILED, "nothing was asked: no reader could be opened");
    cli_say(cli, "%sno rule was broken%s\n", cli_on(cli, CLI_GOOD), cli_off(cli));
    return CLI_OK;
}

int verify_report(struct cli *cli, const struct verify_plan *plan, const struct verify_record *record,
                  enum verify_end end, int status)
{
    unsigned rounds = atomic_load_explicit(&record->rounds, memory_order_relaxed), broken = 0;
    bool began = count_of(&record->events[VERIFY_LOADED]) > 0 || end != VERIFY_ENDED || found_count(record) > 0;
    json_string(&cli->json, "driver", plan->driver);
    json_number(&cli->json, "seed", plan->seed);
    json_number(&cli->json, "rounds", rounds);
    if (began) {
        cli_say(cli, "%s%s%s, seed %u, %u round%s\n", cli_on(cli, CLI_STRONG), plan->driver, cli_off(cli), plan->seed,
                rounds, rounds == 1 ? "" : "s");
        say_tried(cli, record);
        broken = say_rules(cli, plan, record);
        if (record->found_more > 0)
            cli_say(cli, "    and %u more violations, for which there was no room\n", record->found_more);
        say_untried(cli, plan, record);
    }
    say_end(cli, plan, record, end, status);
    return verdict(cli, record, end, broken);
}
