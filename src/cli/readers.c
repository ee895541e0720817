/* SPDX-License-Identifier: MIT */
/* The readers that the commands of one run share: started with the first command that needs one. */
#include "cli.h"
#include "secret.h"
#include "words.h"

#include <smartcrd/vreader.h>

#include <stdlib.h>
#include <string.h>

static int start_driver(struct cli *cli)
{
    char why[256] = "";
    char words[48];
    NTSTATUS status = smartcrd_load_driver(cli->context, cli->driver, why, sizeof why);
    if (NT_SUCCESS(status))
        return CLI_OK;
    return cli_complain(cli, CLI_MISSING, "--driver %s: %s: %s", cli->driver,
                        cli_status_words(status, words, sizeof words), why[0] ? why : smartcrd_status_text(status));
}

void cli_driver_name(const char *driver, char *name, size_t size)
{
    const char *slash = strrchr(driver, '/');
    const char *base = slash ? slash + 1 : driver;
    const char *dot = slash ? strrchr(base, '.') : NULL;
    snprintf(name, size, "%.*s", dot ? (int)(dot - base) : (int)strlen(base), base);
}

static int add_readers(struct cli *cli)
{
    char driver[64], name[SMARTCRD_NAME_MAX], words[48];
    cli_driver_name(cli->driver, driver, sizeof driver);
    for (unsigned i = 0; i < cli->readers_wanted; i++) {
        NTSTATUS status = smartcrd_add_reader(cli->context, driver, name, sizeof name);
        if (status == STATUS_NOT_SUPPORTED)
            break; /* it made its readers itself */
        if (!NT_SUCCESS(status))
            return cli_complain(cli, CLI_MISSING, "the driver %s gives no reader: %s: %s", driver,
                                cli_status_words(status, words, sizeof words), smartcrd_status_text(status));
    }
    return CLI_OK;
}

static int insert_cards(struct cli *cli, const struct smartcrd_reader_info *infos, size_t count)
{
    if (cli->card_count > count)
        return cli_complain(cli, CLI_USAGE, "--card is given %zu times for %zu of --readers", cli->card_count, count);
    for (size_t i = 0; i < cli->card_count; i++) {
        char why[256], words[48];
        NTSTATUS status;
        struct cli_reader *reader = cli_reader_open(cli, infos[i].name, &status);
        if (reader)
            status = cli_vendor_text(reader, IOCTL_VREADER_INSERT, cli->cards[i], strlen(cli->cards[i]), false, why,
                                     sizeof why);
        else
            why[0] = '\0';
        if (!NT_SUCCESS(status))
            return cli_complain(cli, CLI_USAGE, "--card \"%.*s\": %s%s", secret_length(cli->cards[i]), cli->cards[i],
                                why[0] ? why : cli_status_words(status, words, sizeof words),
                                why[0]                           ? "; see `smartcrd help insert`"
                                : status == STATUS_NOT_SUPPORTED ? ": this is no virtual reader"
                                                                 : "");
    }
    return CLI_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct smartcrd_reader_info *left = a, *right = b;
    return strverscmp(left->name, right->name); /* vreader2 before vreader10 */
}

struct smartcrd_reader_info *cli_list(struct cli *cli, size_t *count)
{
    size_t room = smartcrd_list(cli->context, NULL, 0);
    struct smartcrd_reader_info *infos = calloc(room ? room : 1, sizeof *infos);
    *count = infos ? smartcrd_list(cli->context, infos, room) : 0;
    if (*count > room)
        *count = room;
    if (infos)
        qsort(infos, *count, sizeof *infos, by_name);
    return infos;
}

int cli_start(struct cli *cli)
{
    struct smartcrd_options options = {.size = sizeof options,
                                       .journal_entries = CLI_JOURNAL,
                                       .simulated_time = cli->simulated_time,
                                       .verify = cli->verify};
    struct smartcrd_reader_info *infos = NULL;
    size_t count;
    NTSTATUS status;
    int code;

    if (cli->context)
        return CLI_OK;
    status = smartcrd_create(&options, &cli->context);
    if (!NT_SUCCESS(status))
        return cli_complain(cli, CLI_MISSING, "no readers can be had: %s", smartcrd_status_text(status));
    code = start_driver(cli);
    if (code == CLI_OK)
        code = add_readers(cli);
    if (code != CLI_OK)
        goto out;
    infos = cli_list(cli, &count);
    if (!infos) {
        code = cli_complain(cli, CLI_MISSING, "no readers can be had: there is no memory left");
        goto out;
    }
    if (count > 0) {
        char words[48];
        cli->reader = cli_reader_open(cli, infos[0].name, &status);
        if (!cli->reader) {
            code = cli_complain(cli, CLI_MISSING, "the reader %s cannot be opened: %s", infos[0].name,
                                cli_status_words(status, words, sizeof words));
            goto out;
        }
    }
    code = insert_cards(cli, infos, count);
out:
    free(infos);
    if (code != CLI_OK)
        cli_stop(cli);
    return code;
}

/* --verify: what the drivers did wrong. Readers go first, because what was left undone shows then. */
static void say_violations(struct cli *cli)
{
    struct smartcrd_violation violation;
    char driver[64], line[1024];
    size_t count = 0;
    struct smartcrd_reader_info *infos = cli_list(cli, &count);
    for (size_t i = 0; infos && i < count; i++)
        smartcrd_remove_reader(cli->context, infos[i].name);
    free(infos);
    cli_driver_name(cli->driver, driver, sizeof driver);
    smartcrd_unload_driver(cli->context, driver);
    fflush(stdout);
    for (; smartcrd_next_violation(cli->context, &violation); cli->violations++) {
        smartcrd_violation_text(&violation, line, sizeof line);
        fprintf(stderr, "smartcrd: verifier: %s\n", line);
    }
}

void cli_stop(struct cli *cli)
{
    for (size_t i = 0; i < cli->reader_count; i++) {
        struct cli_reader *reader = cli->readers[i];
        interrupt_forget(reader->handle);
        smartcrd_close(reader->handle);
        smartcrd_close(reader->panel);
        free(reader);
    }
    while (cli->pending) {
        struct cli_pending *pending = cli->pending;
        cli->pending = pending->next;
        explicit_bzero(pending->buffer, pending->room);
        free(pending->buffer);
        free(pending);
    }
    free(cli->readers);
    if (cli->verify && cli->context)
        say_violations(cli);
    smartcrd_destroy(cli->context);
    cli->readers = NULL;
    cli->reader_count = 0;
    cli->reader = NULL;
    cli->context = NULL;
}

static struct cli_reader *reader_new(struct cli *cli, const char *name, NTSTATUS *status)
{
    struct cli_reader *reader = calloc(1, sizeof *reader);
    char panel[SMARTCRD_NAME_MAX + 8];
    if (!reader) {
        *status = STATUS_INSUFFICIENT_RESOURCES;
        return NULL;
    }
    snprintf(reader->name, sizeof reader->name, "%s", name);
    *status = smartcrd_open(cli->context, name, &reader->handle);
    if (!NT_SUCCESS(*status)) {
        free(reader);
        return NULL;
    }
    snprintf(panel, sizeof panel, "%s-panel", name);
    *status = smartcrd_open(cli->context, panel, &reader->panel);
    if (*status == STATUS_INSUFFICIENT_RESOURCES) {
        smartcrd_close(reader->handle);
        free(reader);
        return NULL;
    }
    if (!NT_SUCCESS(*status)) /* no virtual reader, so it has none */
        reader->panel = NULL;
    *status = STATUS_SUCCESS;
    interrupt_know(reader->handle); /* too many: SIGINT then only ends the program the second time */
    return reader;
}

struct cli_reader *cli_reader_open(struct cli *cli, const char *name, NTSTATUS *status)
{
    struct cli_reader **readers, *reader;
    *status = STATUS_SUCCESS;
    for (size_t i = 0; i < cli->reader_count; i++)
        if (!strcasecmp(cli->readers[i]->name, name))
            return cli->readers[i];
    readers = realloc(cli->readers, (cli->reader_count + 1) * sizeof(struct cli_reader *));
    if (!readers) {
        *status = STATUS_INSUFFICIENT_RESOURCES;
        return NULL;
    }
    cli->readers = readers;
    reader = reader_new(cli, name, status);
    if (reader)
        cli->readers[cli->reader_count++] = reader;
    return reader;
}

bool cli_newest_entry(struct smartcrd_handle *handle, struct smartcrd_journal_entry *entry)
{
    uint64_t since = 0;
    bool found = false;
    /* Walking on from the last one read ends: nothing but a running operation adds entries. */
    for (int rounds = 0; rounds < 64; rounds++) {
        struct smartcrd_journal_entry some[16];
        size_t count = smartcrd_journal(handle, since, some, 16);
        if (count == 0)
            break;
        *entry = some[count - 1];
        since = entry->sequence;
        found = true;
    }
    return found;
}
