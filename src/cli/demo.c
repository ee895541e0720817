/* SPDX-License-Identifier: MIT */
/* The demo's plot: a reader, a card that comes, talk, four failures, the journal. It fails when anything surprises. */
#include "demo.h"

#include <smartcrd/vreader.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int open_reader(struct demo *demo)
{
    struct cli *cli = demo->cli;
    char panel[SMARTCRD_NAME_MAX + 8], why[256] = "", words[48];
    NTSTATUS status = smartcrd_create(NULL, &demo->context);
    if (NT_SUCCESS(status))
        status = smartcrd_load_driver(demo->context, "vreader", why, sizeof why);
    if (NT_SUCCESS(status))
        status = smartcrd_add_reader(demo->context, "vreader", demo->reader, sizeof demo->reader);
    if (NT_SUCCESS(status))
        status = smartcrd_open(demo->context, demo->reader, &demo->handle);
    if (NT_SUCCESS(status))
        interrupt_know(demo->handle);
    if (NT_SUCCESS(status))
        status = smartcrd_open(demo->context, demo->reader, &demo->observer);
    snprintf(panel, sizeof panel, "%s-panel", demo->reader);
    if (NT_SUCCESS(status))
        status = smartcrd_open(demo->context, panel, &demo->panel);
    if (NT_SUCCESS(status))
        return CLI_OK;
    cli->status = status;
    return cli_complain(cli, CLI_MISSING, "no virtual reader can be had: %s%s%s",
                        cli_status_words(status, words, sizeof words), why[0] ? ": " : "", why);
}

static void nothing_yet(struct demo *demo)
{
    uint32_t state = SCARD_UNKNOWN;
    NTSTATUS last = STATUS_PENDING, status;
    char words[48];
    demo_chapter(demo, "A reader, and nothing in it",
                 "It is virtual, and lives in this process: no daemon, no hardware.");
    status = smartcrd_state(demo->handle, &state);
    demo_line(demo, demo->reader, "%s, %s", cli_state_word(state), cli_state_text(state));
    demo_expect(demo, NT_SUCCESS(status) && state == SCARD_ABSENT, "the state should be ABSENT");
    status = demo_last_error(demo->handle, &last);
    demo_line(demo, "last error", "%s  nothing has happened yet", cli_status_words(last, words, sizeof words));
    demo_expect(demo, NT_SUCCESS(status) && last == STATUS_SUCCESS, "the last error should be STATUS_SUCCESS");
}

static bool card_comes(struct demo *demo)
{
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_IS_PRESENT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    struct demo_op op;
    demo_chapter(demo, "Wait for a card, overlapped",
                 "IS_PRESENT is pending while the program goes on; it ends when a card is there.");
    if (!demo_submit(demo, &request, &op))
        return false;
    demo_expect(demo, !op.ended, "IS_PRESENT should be pending while there is no card");
    interrupt_sleep(50);
    demo_line(demo, "insert", "%s", demo->insert);
    if (!demo_panel(demo, IOCTL_VREADER_INSERT, demo->insert)) {
        smartcrd_cancel(demo->handle, op.id);
        return false;
    }
    if (demo_reap(demo, &op))
        demo_ending(demo, "a card is inserted", &op, STATUS_SUCCESS);
    return true;
}

static void say_journal(struct demo *demo)
{
    struct smartcrd_journal_entry entries[64];
    size_t count = smartcrd_journal(demo->handle, 0, entries, 64);
    demo_chapter(demo, "The journal remembers", "What did not end well, newest last; `log` shows all of it.");
    for (size_t i = 0; i < count; i++) {
        char what[64], words[48];
        if (NT_SUCCESS(entries[i].status))
            continue;
        cli_say(demo->cli, "    #%-3llu %-24s %-41s %7.1f ms  %s\n", (unsigned long long)entries[i].sequence,
                cli_operation_words(&entries[i], what, sizeof what),
                cli_status_words(entries[i].status, words, sizeof words),
                (double)(entries[i].ended_ns - entries[i].submitted_ns) / 1e6, smartcrd_layer_name(entries[i].layer));
    }
}

static void play(struct demo *demo, bool cac)
{
    nothing_yet(demo);
    if (!card_comes(demo) || interrupt_seen())
        return;
    demo_chapter(demo, "Power and protocol", "A reset brings the ATR; PPS settles protocol and rate.");
    if (!demo_ready(demo, true) || interrupt_seen())
        return;
    if (cac)
        demo_cac(demo);
    else
        demo_fs(demo);
    demo_failures(demo);
    say_journal(demo);
}

static int finish(struct demo *demo, uint64_t begin)
{
    struct cli *cli = demo->cli;
    json_close(&cli->json, ']');
    json_number(&cli->json, "duration_ms", (int64_t)((cli_now_ns() - begin) / 1000000u));
    json_open(&cli->json, "surprises", '[');
    for (unsigned i = 0; i < demo->surprises && i < DEMO_SURPRISES; i++)
        json_string(&cli->json, NULL, demo->surprise[i]);
    json_close(&cli->json, ']');
    if (interrupt_seen())
        return CLI_INTERRUPTED;
    if (demo->surprises > 0)
        return cli_complain(cli, CLI_FAILED, "%u surprise%s, the first: %s", demo->surprises,
                            demo->surprises == 1 ? "" : "s", demo->surprise[0]);
    cli_say(cli, "\n%sEverything ended as it should, in %.1f s.%s Now yours: smartcrd --card fs\n",
            cli_on(cli, CLI_GOOD), (double)(cli_now_ns() - begin) / 1e9, cli_off(cli));
    return CLI_OK;
}

static void prepare(struct demo *demo, bool cac, const char *db, char *insert, size_t size)
{
    static const uint8_t select_fs[] = {0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00};
    static const uint8_t select_cac[] = {0x00, 0xA4, 0x04, 0x00, 0x07, 0xA0, 0x00, 0x00, 0x00, 0x79, 0x01, 0x00, 0x00};
    /* libcacard's own ATR offers T=0 alone; this one has its historical bytes, and T=1 as well. */
    static const char atr[] = "3B8A80017366746520636431343419";
    demo->insert = "fs";
    memcpy(demo->ping, select_fs, sizeof select_fs);
    demo->ping_size = sizeof select_fs;
    if (!cac)
        return;
    snprintf(insert, size, "cac db=\"%s\" atr=%s", db, atr);
    demo->insert = insert;
    memcpy(demo->ping, select_cac, sizeof select_cac);
    demo->ping_size = sizeof select_cac;
}

static int run(struct cli *cli, bool cac, const char *db, const char *pin, const char *out)
{
    struct demo *demo = calloc(1, sizeof *demo);
    uint64_t begin = cli_now_ns();
    char insert[4096 + 128];
    int code;
    if (!demo)
        return cli_complain(cli, CLI_FAILED, "there is no memory left");
    demo->cli = cli;
    demo->pin = pin;
    demo->out = out;
    prepare(demo, cac, db, insert, sizeof insert);
    code = open_reader(demo);
    if (code == CLI_OK) {
        json_string(&cli->json, "card", cac ? "cac" : "fs");
        json_open(&cli->json, "operations", '[');
        play(demo, cac);
        code = finish(demo, begin);
    }
    if (demo->handle)
        interrupt_forget(demo->handle);
    smartcrd_close(demo->handle);
    smartcrd_close(demo->observer);
    smartcrd_close(demo->panel);
    smartcrd_destroy(demo->context);
    free(demo);
    return code;
}

int cmd_demo(struct cli *cli, int argc, char **argv)
{
    const char *card = "fs", *db = NULL, *pin = "1234", *out = NULL;
    const struct cli_option options[] = {
        {"--card", CLI_STRING, &card, 0, 0},
        {"--db", CLI_STRING, &db, 0, 0},
        {"--pin", CLI_STRING, &pin, 0, 0},
        {"--out", CLI_STRING, &out, 0, 0},
    };
    struct stat info;
    bool cac;
    if (cli_options(cli, &argc, argv, options, 4) != CLI_OK || cli_count(cli, argc, argv, 0, 0) != CLI_OK)
        return CLI_USAGE;
    cac = !strcmp(card, "cac");
    if (!cac && strcmp(card, "fs"))
        return cli_complain(cli, CLI_USAGE, "--card takes fs or cac, not \"%s\"", card);
    if (!cac && (db || out))
        return cli_complain(cli, CLI_USAGE, "--db and --out go with --card cac");
    if (cac && (!db || db[0] != '/' || strlen(db) > 4000 || strpbrk(db, "\"\n")))
        return cli_complain(cli, CLI_USAGE,
                            "--card cac needs --db DIR, the absolute path of its NSS database; "
                            "tests/e2e/cac-db.sh DIR makes one");
    if (cac && (strlen(pin) < 4 || strlen(pin) > 8))
        return cli_complain(cli, CLI_USAGE, "--pin needs 4 to 8 characters");
    if (out && (stat(out, &info) != 0 || !S_ISDIR(info.st_mode)))
        return cli_complain(cli, CLI_FILE, "--out %s: there is no such folder", out);
    return cli->checking ? CLI_OK : run(cli, cac, db, pin, out);
}
