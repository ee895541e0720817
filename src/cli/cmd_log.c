/* SPDX-License-Identifier: MIT */
/* log and watch: the journal of a reader, as a table and as it grows. Both only ask, and so disturb nothing. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 10 /* how late watch may be */

static void say_entry(struct cli *cli, const struct smartcrd_journal_entry *entry)
{
    char what[64], status[48];
    char sizes[80];
    snprintf(sizes, sizeof sizes, "%5u > %u", entry->bytes_in, entry->bytes_out);
    if (entry->retransmissions || entry->waiting_time_extensions)
        snprintf(sizes, sizeof sizes, "%5u > %-5u  %u sent again, %u WTX", entry->bytes_in, entry->bytes_out,
                 entry->retransmissions, entry->waiting_time_extensions);
    cli_say(cli, "%5llu  %-26s %s%-41s%s %9.3f ms %s\n", (unsigned long long)entry->sequence,
            cli_operation_words(entry, what, sizeof what), cli_on(cli, NT_SUCCESS(entry->status) ? CLI_GOOD : CLI_BAD),
            cli_status_words(entry->status, status, sizeof status), cli_off(cli),
            (double)(entry->ended_ns - entry->submitted_ns) / 1e6, sizes);
    if (entry->step[0])
        cli_say(cli, "       %s%s: %s%s\n", cli_on(cli, CLI_DIM), smartcrd_layer_name(entry->layer), entry->step,
                cli_off(cli));
    if (entry->late != STATUS_PENDING)
        cli_say(cli, "       %sthe driver's own answer came too late: %s%s\n", cli_on(cli, CLI_DIM),
                cli_status_words(entry->late, status, sizeof status), cli_off(cli));
}

int cmd_log(struct cli *cli, int argc, char **argv)
{
    uint32_t wanted = CLI_JOURNAL;
    const struct cli_option options[] = {{"-n", CLI_NUMBER, &wanted, 1, CLI_JOURNAL}};
    struct smartcrd_journal_entry *entries;
    size_t count, first;
    if (cli_options(cli, &argc, argv, options, 1) != CLI_OK || cli_count(cli, argc, argv, 0, 0) != CLI_OK)
        return CLI_USAGE;
    if (cli->checking)
        return CLI_OK;
    entries = calloc(CLI_JOURNAL, sizeof *entries);
    if (!entries)
        return cli_complain(cli, CLI_FAILED, "there is no memory left");
    count = smartcrd_journal(cli->reader->handle, 0, entries, CLI_JOURNAL);
    first = count > wanted ? count - wanted : 0;
    if (count > 0)
        cli_say(cli, "%s    #  %-26s %-41s %12s %5s > %s%s\n", cli_on(cli, CLI_DIM), "operation", "status", "time",
                "in", "out", cli_off(cli));
    json_open(&cli->json, "entries", '[');
    for (size_t i = first; i < count; i++) {
        say_entry(cli, &entries[i]);
        json_open(&cli->json, NULL, '{');
        cli_json_entry(&cli->json, &entries[i]);
        json_close(&cli->json, '}');
    }
    json_close(&cli->json, ']');
    if (count == 0)
        cli_say(cli, "Nothing has ended on %s yet.\n", cli->reader->name);
    free(entries);
    return CLI_OK;
}

struct watched {
    struct cli_reader *reader;
    uint64_t sequence;
    uint32_t state;
    bool gone;
};

/* The time of day, or what the simulated clock has come to. */
static void stamp(const struct cli *cli, char *text, size_t size)
{
    struct timespec now;
    struct tm parts;
    char seconds[16];
    if (cli->simulated_time) {
        uint64_t ns = smartcrd_now(cli->context);
        now = (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
        gmtime_r(&now.tv_sec, &parts);
    } else {
        clock_gettime(CLOCK_REALTIME, &now);
        localtime_r(&now.tv_sec, &parts);
    }
    strftime(seconds, sizeof seconds, "%H:%M:%S", &parts);
    snprintf(text, size, "%s.%03ld", seconds, now.tv_nsec / 1000000);
}

/* One event: a line of text, or an object of its own. */
static void begin_event(struct cli *cli, struct json *json, const struct watched *watched, const char *event)
{
    char when[32];
    stamp(cli, when, sizeof when);
    cli_say(cli, "%s%s%s  %-10s ", cli_on(cli, CLI_DIM), when, cli_off(cli), watched->reader->name);
    json_open(json, NULL, '{');
    json_string(json, "event", event);
    json_string(json, "time", when);
    json_string(json, "reader", watched->reader->name);
}

static void end_event(struct cli *cli, struct json *json)
{
    json_close(json, '}');
    if (cli->as_json)
        json_print(json, stdout);
    json_reset(json);
    fflush(stdout);
}

static void look_at_state(struct cli *cli, struct json *json, struct watched *watched, bool first)
{
    uint32_t state = 0;
    NTSTATUS status = smartcrd_state(watched->reader->handle, &state);
    bool was_in = watched->state > SCARD_ABSENT, is_in = state > SCARD_ABSENT;
    const char *event;
    if (!NT_SUCCESS(status)) {
        if (!watched->gone) {
            begin_event(cli, json, watched, "reader-gone");
            cli_say(cli, "the reader is gone\n");
            end_event(cli, json);
        }
        watched->gone = true;
        return;
    }
    if (state == watched->state && !first)
        return;
    event = first || was_in == is_in ? "state" : is_in ? "card-inserted" : "card-removed";
    begin_event(cli, json, watched, event);
    json_string(json, "state", cli_state_word(state));
    json_number(json, "state_code", state);
    cli_say(cli, "%s%s%s%s, %s\n",
            first || was_in == is_in ? ""
            : is_in                  ? "card inserted: "
                                     : "card removed: ",
            cli_on(cli, CLI_STRONG), cli_state_word(state), cli_off(cli), cli_state_text(state));
    end_event(cli, json);
    watched->state = state;
}

static void look_at_journal(struct cli *cli, struct json *json, struct watched *watched)
{
    struct smartcrd_journal_entry entries[16];
    size_t count = smartcrd_journal(watched->reader->handle, watched->sequence, entries, 16);
    for (size_t i = 0; i < count; i++) {
        char what[64], status[48];
        begin_event(cli, json, watched, "operation");
        cli_json_entry(json, &entries[i]);
        cli_say(cli, "%-26s %s%s%s  %.3f ms%s%s%s%s\n", cli_operation_words(&entries[i], what, sizeof what),
                cli_on(cli, NT_SUCCESS(entries[i].status) ? CLI_GOOD : CLI_BAD),
                cli_status_words(entries[i].status, status, sizeof status), cli_off(cli),
                (double)(entries[i].ended_ns - entries[i].submitted_ns) / 1e6, entries[i].step[0] ? "  " : "",
                entries[i].step[0] ? smartcrd_layer_name(entries[i].layer) : "", entries[i].step[0] ? ": " : "",
                entries[i].step);
        end_event(cli, json);
        watched->sequence = entries[i].sequence;
    }
}

static int open_watched(struct cli *cli, int argc, char **argv, struct watched **list, size_t *count)
{
    struct smartcrd_reader_info *infos = NULL;
    size_t total = (size_t)argc - 1;
    int code = CLI_OK;
    if (argc == 1)
        infos = cli_list(cli, &total);
    *list = calloc(total ? total : 1, sizeof **list);
    if (!*list || (argc == 1 && !infos))
        code = cli_complain(cli, CLI_FAILED, "there is no memory left");
    for (*count = 0; *list && code == CLI_OK && *count < total; ++*count) {
        const char *name = infos ? infos[*count].name : argv[*count + 1];
        struct watched *watched = &(*list)[*count];
        struct smartcrd_journal_entry entry = {0};
        NTSTATUS status;
        watched->reader = cli_reader_open(cli, name, &status);
        if (!watched->reader) {
            code = cli_complain(cli, CLI_MISSING, "%s: %s", name, smartcrd_status_text(status));
            break;
        }
        cli_newest_entry(watched->reader->handle, &entry);
        watched->sequence = entry.sequence;
    }
    free(infos);
    return code;
}

/* Until the next look. Simulated time that ends nowhere goes on as fast as the real one. */
static bool let_pass(struct cli *cli, bool for_ever)
{
    return (!for_ever || !cli->simulated_time || interrupt_sleep(POLL_MS)) && cli_sleep(cli, POLL_MS);
}

int cmd_watch(struct cli *cli, int argc, char **argv)
{
    uint32_t ms = SMARTCRD_NO_TIMEOUT;
    const struct cli_option options[] = {{"--for", CLI_NUMBER, &ms, 0, UINT32_MAX - 1}};
    struct watched *list = NULL;
    struct json json = {0};
    uint64_t end;
    size_t count = 0;
    int code;
    if (cli_options(cli, &argc, argv, options, 1) != CLI_OK || cli_count(cli, argc, argv, 0, 64) != CLI_OK)
        return CLI_USAGE;
    if (cli->checking)
        return CLI_OK;
    code = open_watched(cli, argc, argv, &list, &count);
    end = ms == SMARTCRD_NO_TIMEOUT ? UINT64_MAX : smartcrd_now(cli->context) + (uint64_t)ms * 1000000u;
    for (size_t i = 0; code == CLI_OK && i < count; i++)
        look_at_state(cli, &json, &list[i], true);
    while (code == CLI_OK && let_pass(cli, end == UINT64_MAX)) {
        for (size_t i = 0; i < count; i++) {
            look_at_journal(cli, &json, &list[i]);
            look_at_state(cli, &json, &list[i], false);
        }
        if (smartcrd_now(cli->context) >= end)
            break;
    }
    json_free(&json);
    free(list);
    if (cli->interactive && interrupt_seen())
        cli_say(cli, "\n");
    interrupt_clear(); /* being interrupted is how watch ends */
    return code;
}
