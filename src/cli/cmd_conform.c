/* SPDX-License-Identifier: MIT */
/* conform: the conformance suite (tests/conformance) on one of the readers of this run. */
#include "cli.h"

#include "linux/port.h"
#include "run.h"

#include <string.h>
#include <time.h>

_Static_assert((int)CONFORM_PASSED == (int)CLI_OK && (int)CONFORM_FAILED == (int)CLI_FAILED &&
                   (int)CONFORM_USAGE == (int)CLI_USAGE && (int)CONFORM_MISSING == (int)CLI_MISSING,
               "the suite's exit codes are the command's");

static void json_totals(struct json *json, const char *key, struct totals totals)
{
    json_open(json, key, '{');
    json_number(json, "passed", totals.passed);
    json_number(json, "failed", totals.failed);
    json_number(json, "skipped", totals.skipped);
    json_number(json, "ms", (int64_t)totals.ms);
    json_close(json, '}');
}

static void json_results(struct cli *cli, const struct conform *run)
{
    struct json *json = &cli->json;
    json_string(json, "tested", run->reader);
    json_string(json, "vendor", run->vendor);
    json_string(json, "type", run->type);
    json_number(json, "seed", run->options->seed);
    json_open(json, "checks", '[');
    for (size_t i = 0; i < run->count; i++) {
        const struct result *result = &run->results[i];
        json_open(json, NULL, '{');
        json_text(json, "part", &result->part->letter, 1);
        json_string(json, "name", result->check->name);
        json_string(json, "source", result->check->source);
        json_string(json, "result", verdict_word(result->verdict));
        json_string(json, "reason", result->reason);
        json_number(json, "ms", result->ms);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_totals(json, "totals", totals_of(run, NULL));
}

/* A check hangs: the process ends behind this, so the object is finished here. */
static void hung(const struct conform *run)
{
    struct cli *cli = run->user;
    if (!cli->as_json)
        return;
    json_results(cli, run);
    json_number(&cli->json, "exit", CLI_FAILED);
    json_close(&cli->json, '}');
    json_print(&cli->json, stdout);
}

static int run_suite(struct cli *cli, const struct conform_options *options)
{
    struct conform run = {.options = options, .stopped = interrupt_seen, .hung = hung, .user = cli};
    char driver[64], words[48];
    struct cli_reader *reader = cli->reader;
    struct totals totals;
    NTSTATUS status;
    int code;

    if (options->reader) {
        reader = cli_reader_open(cli, options->reader, &status);
        if (!reader)
            return cli_complain(cli, CLI_MISSING, "the reader %s cannot be opened: %s", options->reader,
                                cli_status_words(status, words, sizeof words));
    }
    snprintf(run.reader, sizeof run.reader, "%s", reader->name);
    cli_driver_name(cli->driver, driver, sizeof driver);
    interrupt_forget(reader->handle); /* SIGINT ends the run between two checks; their own cancels are the test */
    win32_attach(cli->context);
    port_driver(driver);
    code = conform_run(&run);
    if (cli->as_json)
        json_results(cli, &run);
    totals = totals_of(&run, NULL);
    if (totals.failed > 0)
        cli_complain(cli, code, "%u of %u checks failed", totals.failed, totals.passed + totals.failed);
    conform_free(&run);
    win32_detach();
    interrupt_know(reader->handle);
    return code;
}

int cmd_conform(struct cli *cli, int argc, char **argv)
{
    struct conform_options options = {.seed = (uint32_t)time(NULL), .limit = 60, .silent = cli->as_json};
    struct conform listed = {.options = &options};
    char why[160];

    if (!conform_parse(&options, argc - 1, argv + 1, why, sizeof why))
        return cli_complain(cli, CLI_USAGE, "%s; see `help conform`", why);
    if (cli->simulated_time)
        return cli_complain(cli, CLI_USAGE, "the suite waits in real time: leave --simulated-time away");
    if (cli->as_json && ((options.json && strcmp(options.json, "-") == 0) ||
                         (options.junit && strcmp(options.junit, "-") == 0) || options.list))
        return cli_complain(cli, CLI_USAGE, "standard output is for the one JSON object: name a file, not -");
    if (!conform_exists(&listed))
        return cli_complain(cli, CLI_USAGE, "there is no such check; `conform --list` prints all of them");
    if (cli->checking)
        return CLI_OK;
    if (options.list)
        return conform_list(&listed);
    if (cli->pending)
        return cli_complain(cli, CLI_USAGE, "the suite needs a reader with nothing in flight: `wait` first");
    return run_suite(cli, &options);
}
