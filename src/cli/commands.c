/* SPDX-License-Identifier: MIT */
/* The one table of commands, help, and the running of several in a row. */
#include "cli.h"
#include "words.h"

#include "run.h"

#include <stdlib.h>
#include <string.h>

static const struct cli_command commands[] = {
    {"list", "", "the readers, their drivers and states", NULL, true, cmd_list},
    {"use", "READER", "make another reader the one that commands mean", NULL, true, cmd_use},
    {"add", "[DRIVER]", "add one more reader",
     "DRIVER is a driver's name (vreader) or the path of a shared object, with a slash in it. Without it: the driver\n"
     "of --driver.",
     true, cmd_add},
    {"state", "[--wait present|absent] [--timeout MS]", "the reader's state, and its card",
     "--wait       wait first until a card is there, or gone\n"
     "--timeout    give up waiting after MS milliseconds, with STATUS_IO_TIMEOUT",
     true, cmd_state},
    {"power", "[cold|warm|down] [--timeout MS]", "reset the card (cold when nothing is said), or power it down", NULL,
     true, cmd_power},
    {"protocol", "[t0|t1|raw|optimal|default]... [--timeout MS]", "select a protocol",
     "Several may be named: the reader picks one. Without any: T=0 or T=1, whatever the card offers.\n"
     "default      with t0 or t1: at the default rate, without the faster one that the ATR offers\n"
     "optimal      at the fastest rate that reader and card share (what is done unless default is said)",
     true, cmd_protocol},
    {"atr", "[HEX | --file FILE | -] [--clock KHZ]", "explain an answer to reset",
     "Without HEX: the inserted card's.\n"
     "--file       every ATR of a file in the format of pcsc-tools' smartcard_list.txt; those with wildcards are\n"
     "             skipped and counted, those that are refused are shown with the reason and the offending byte\n"
     "-            one ATR a line from standard input, in the same format\n"
     "--clock      the card's clock in kHz, 3571 unless said otherwise, for times and rates",
     false, cmd_atr},
    {"send", "HEX... [--timeout MS] [--async] [--raw] [--expect SW]", "send commands to the card",
     "Each word is one command APDU; \"00 A4 04 00\" in quotes is one, too. Over T=0 an APDU becomes as many TPDUs as\n"
     "it takes (GET RESPONSE, 6Cxx, ENVELOPE).\n"
     "--timeout    give up on each after MS milliseconds, with STATUS_IO_TIMEOUT\n"
     "--async      do not wait: print the request's number, for wait and cancel. Over T=0 each is one TPDU then\n"
     "--raw        send the bytes as they are: no GET RESPONSE and no repetition after 6Cxx (--tpdu is the same)\n"
     "--expect     fail unless every answer ends in SW, four hex digits",
     true, cmd_send},
    {"wait", "[ID] [--timeout MS]", "wait for what send --async started, for one or for all",
     "--timeout    look that long, then leave it in flight", true, cmd_wait},
    {"cancel", "[ID]", "cancel what send --async started, one or all; wait then says how it ended", NULL, true,
     cmd_cancel},
    {"attr", "[NAME|NUMBER]", "an attribute of the reader, or all that it answers",
     "NAME as in winsmcrd.h, with or without SCARD_ATTR_: vendor-name, ATR_STRING, 0x90303.", true, cmd_attr},
    {"last-error", "", "what IOCTL_SMARTCARD_GET_LAST_ERROR answers", NULL, true, cmd_last_error},
    {"log", "[-n N]", "the reader's journal: its last operations and how they ended", "-n           only the last N",
     true, cmd_log},
    {"watch", "[READER]... [--for MS]", "show card and operation events as they happen, until interrupted",
     "Without READER: all of them. Watching asks only for the state and the journal, and disturbs nothing.\n"
     "--for        stop after MS milliseconds",
     true, cmd_watch},
    {"insert", "fs|echo|script|vpcd|cac [OPTION=VALUE]... [--file FILE] [--queued]",
     "put a card into the virtual reader",
     "fs           an ISO 7816-4 file system: pin=DIGITS tries=N seed=N delay=MS\n"
     "echo         gives each command's data back: delay=MS\n"
     "script       answers as the text of --file says\n"
     "vpcd         a card simulator over the network: port=N bind=ADDRESS portfile=PATH, or connect=HOST:PORT\n"
     "cac          libcacard's card: db=DIR, the NSS database with its certificates\n"
     "and for all: atr=HEX, another answer to reset, warm=HEX, to a warm one; pps=agree|default|mute; fastest=F/D;\n"
     "crc=microsoft|iso. smartcrd-vreader(7) says more.\n"
     "--file       the card's text, such as a script\n"
     "--queued     through the reader, as an operation that waits for its turn; else at once, as a hand at the slot",
     true, cmd_insert},
    {"remove", "[--queued]", "take the card out of the virtual reader", "--queued     see insert", true, cmd_remove},
    {"fault", "NAME [OPTION=VALUE]... [--queued]", "make the next exchanges of the virtual reader go wrong",
     "none         disarm everything\n"
     "mute         the card no longer answers\n"
     "remove when=before|during|after [byte=N] [to=card|reader]    the card leaves around the next exchange\n"
     "wtx          the card asks for more waiting time for ever\n"
     "late ms=N|us=N                the next answer starts so much later\n"
     "edc byte=N                    byte N of the next block is wrong, so is its checksum\n"
     "parity byte=N                 character N arrives with a parity error\n"
     "alter byte=N xor=HH|value=HH [edc=mend|leave]    byte N is another one, and the checksum fits\n"
     "replace hex=HH.. [edc=mend|leave]                another block comes instead\n"
     "cut byte=N                    character N and what follows does not come\n"
     "extra hex=HH.. [byte=N]       these come too, before character N or behind the last\n"
     "delay byte=N us=N|ms=N        character N comes so much later than the one before it\n"
     "duplicate                     the block comes again, in place of the next one\n"
     "and from edc on: to=card|reader (else reader), on=exchange|atr|pps (else exchange);\n"
     "for all but none: count=N (how often, 0 for ever, else 1), skip=N (how many to leave alone first).",
     true, cmd_fault},
    {"conform",
     "[READER] [--part A,F] [--check NAME] [--list] [--json FILE] [--junit FILE] [--seed N] [--rounds N] [--limit S] "
     "[--quiet] [--style cmocka]",
     "run the conformance suite on a reader; what needs the virtual reader says so", CONFORM_HELP, true, cmd_conform},
    {"verify", "[DRIVER] [--seconds N] [--seed N] [--rounds N] [--vendor N,...] [--limit S] [--here]",
     "run a driver through everything a program may ask, with the verifier on",
     "DRIVER is vreader or the path of a shared object, with a slash in it; without it, --driver's. It is loaded,\n"
     "asked at random, rightly and wrongly, cancelled, removed and unloaded, in rounds, in a process of its own.\n"
     "Then comes a verdict: each rule, kept or broken, by which function, in which request, and what to do\n"
     "(docs/verifier.md).\n"
     "--seconds    begin no new round after N seconds, 10 unless said otherwise\n"
     "--seed       of the first round; the next has the next number. What is broken says which seed shows it again\n"
     "--rounds     as many rounds, however long they take\n"
     "--vendor     send these functions of the driver's own control codes too, 2048 to 4095: they may do anything\n"
     "--limit      a request or a removal that takes longer than S seconds hangs, 30 unless said otherwise\n"
     "--here       in this process, for a debugger; a driver that crashes takes the verdict with it",
     false, cmd_verify},
    {"sleep", "MS", "wait that many milliseconds", NULL, false, cmd_sleep},
    {"demo", "[--card fs|cac] [--db DIR] [--pin PIN] [--out DIR]",
     "a card answers, then four overlapped operations fail, each in its own way",
     "--card       fs, or cac: libcacard's card, whose certificate is read and whose key signs\n"
     "--db         cac: the NSS database with its certificates, an absolute path\n"
     "--pin        cac: its PIN\n"
     "--out        cac: write certificate and signature to that folder",
     false, cmd_demo},
    {"help", "[COMMAND]", "this list, or more about one command", NULL, false, cmd_help},
    {"quit", "", "leave; what is in flight is cancelled", NULL, false, cmd_quit},
};

const struct cli_command *cli_command_at(size_t index)
{
    return index < sizeof commands / sizeof *commands ? &commands[index] : NULL;
}

const struct cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static void help_one(struct cli *cli, const struct cli_command *command)
{
    json_string(&cli->json, "name", command->name);
    json_string(&cli->json, "args", command->args);
    json_string(&cli->json, "summary", command->summary);
    json_string(&cli->json, "help", command->help);
    cli_say(cli, "%s%s%s %s\n    %s.\n", cli_on(cli, CLI_STRONG), command->name, cli_off(cli), command->args,
            command->summary);
    for (const char *line = command->help; line;) {
        const char *end = strchr(line, '\n');
        int length = end ? (int)(end - line) : (int)strlen(line);
        cli_say(cli, "    %.*s\n", length, line);
        line = end ? end + 1 : NULL;
    }
}

int cmd_help(struct cli *cli, int argc, char **argv)
{
    const struct cli_command *command = argc > 1 ? cli_command_find(argv[1]) : NULL;
    if (cli_count(cli, argc, argv, 0, 1) != CLI_OK)
        return CLI_USAGE;
    if (argc > 1 && !command)
        return cli_complain(cli, CLI_USAGE, "there is no command \"%s\"; `help` lists them", argv[1]);
    if (cli->checking)
        return CLI_OK;
    if (command) {
        help_one(cli, command);
        return CLI_OK;
    }
    json_open(&cli->json, "commands", '[');
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        json_open(&cli->json, NULL, '{');
        json_string(&cli->json, "name", commands[i].name);
        json_string(&cli->json, "args", commands[i].args);
        json_string(&cli->json, "summary", commands[i].summary);
        json_close(&cli->json, '}');
        cli_say(cli, "  %s%-11s%s %s\n", cli_on(cli, CLI_STRONG), commands[i].name, cli_off(cli), commands[i].summary);
    }
    json_close(&cli->json, ']');
    cli_say(cli,
            "\nA comma separates commands: insert fs, power, protocol t1, send 00A40000. `help send` says more.\n");
    return CLI_OK;
}

int cmd_quit(struct cli *cli, int argc, char **argv)
{
    if (cli_count(cli, argc, argv, 0, 0) != CLI_OK)
        return CLI_USAGE;
    cli->quit = !cli->checking;
    return CLI_OK;
}

int cmd_sleep(struct cli *cli, int argc, char **argv)
{
    uint64_t ms;
    if (cli_count(cli, argc, argv, 1, 1) != CLI_OK)
        return CLI_USAGE;
    if (!number_parse(argv[1], 0, UINT32_MAX, &ms))
        return cli_complain(cli, CLI_USAGE, "\"%s\" is no number of milliseconds", argv[1]);
    if (!cli->checking)
        cli_sleep(cli, (uint32_t)ms);
    return CLI_OK;
}

/* What --verbose adds: the journal's entries since the command began. */
static void say_new_entries(struct cli *cli, const struct cli_reader *reader, uint64_t since)
{
    struct smartcrd_journal_entry entries[16];
    size_t count = smartcrd_journal(reader->handle, since, entries, 16);
    for (size_t i = 0; i < count; i++) {
        char what[64], status[48];
        cli_say(cli, "%s  #%llu %s: %s, %.3f ms%s%s%s%s%s\n", cli_on(cli, CLI_DIM),
                (unsigned long long)entries[i].sequence, cli_operation_words(&entries[i], what, sizeof what),
                cli_status_words(entries[i].status, status, sizeof status),
                (double)(entries[i].ended_ns - entries[i].submitted_ns) / 1e6, entries[i].step[0] ? ", " : "",
                entries[i].step[0] ? smartcrd_layer_name(entries[i].layer) : "", entries[i].step[0] ? ": " : "",
                entries[i].step, cli_off(cli));
    }
}

static int start_for(struct cli *cli, const struct cli_command *command)
{
    int code = command->needs_reader ? cli_start(cli) : CLI_OK;
    bool may_add = command->run == cmd_list || command->run == cmd_add || command->run == cmd_use;
    if (code == CLI_OK && command->needs_reader && !cli->reader && !may_add)
        code = cli_complain(cli, CLI_MISSING, "there is no reader; `add` makes one");
    return code;
}

static void begin_object(struct cli *cli, const char *name)
{
    cli->command = NULL;
    cli->status = STATUS_SUCCESS;
    cli->error[0] = '\0';
    json_reset(&cli->json);
    json_open(&cli->json, NULL, '{');
    json_string(&cli->json, "command", name);
}

static void end_object(struct cli *cli, int code)
{
    json_close_to(&cli->json, 1);
    if (code == CLI_OK || cli->status != STATUS_SUCCESS) {
        cli_json_status(&cli->json, cli->status);
    } else { /* it failed, but no operation did: `error` says how */
        json_string(&cli->json, "status", NULL);
        json_string(&cli->json, "status_code", NULL);
        json_string(&cli->json, "status_text", NULL);
    }
    if (cli->error[0])
        json_string(&cli->json, "error", cli->error);
    json_number(&cli->json, "exit", code);
    json_close(&cli->json, '}');
    if (cli->as_json)
        json_print(&cli->json, stdout);
}

int cli_refuse_line(struct cli *cli, const char *why)
{
    begin_object(cli, NULL);
    cli_complain(cli, CLI_USAGE, "%s", why);
    end_object(cli, CLI_USAGE);
    return CLI_USAGE;
}

static int run_one(struct cli *cli, char **words, size_t count)
{
    const struct cli_command *command = cli_command_find(words[0]);
    struct smartcrd_journal_entry entry = {0};
    struct cli_reader *reader;
    int code;

    begin_object(cli, words[0]);
    if (!command)
        return cli_complain(cli, CLI_USAGE, "there is no command \"%s\"; `smartcrd help` lists them", words[0]);
    cli->command = command->name;
    if (cli->checking)
        return command->run(cli, (int)count, words);
    code = start_for(cli, command);
    reader = cli->reader;
    if (reader && command->needs_reader) {
        json_string(&cli->json, "reader", reader->name);
        if (cli->verbose)
            cli_newest_entry(reader->handle, &entry);
    }
    if (code == CLI_OK)
        code = command->run(cli, (int)count, words);
    if (cli->verbose && reader && command->needs_reader && command->run != cmd_log)
        say_new_entries(cli, reader, entry.sequence);
    if (code == CLI_OK && interrupt_seen())
        code = CLI_INTERRUPTED;
    return code;
}

/* One pass over all the commands. */
static int run_pass(struct cli *cli, char **words, size_t count, bool checking)
{
    char **copy = calloc(count + 1, sizeof *copy); /* handlers take their options out of it */
    int result = CLI_OK;
    if (!copy)
        return cli_complain(cli, CLI_FAILED, "there is no memory left");
    for (size_t at = 0; at < count && !cli->quit;) {
        size_t n = 0;
        int code;
        while (at + n < count && words[at + n] != words_comma)
            n++;
        memcpy(copy, words + at, n * sizeof *copy);
        copy[n] = NULL;
        at += n + 1;
        if (n == 0)
            continue;
        cli->checking = checking;
        code = run_one(cli, copy, n);
        cli->checking = false;
        if (!checking || code != CLI_OK)
            end_object(cli, code);
        if (code != CLI_OK && interrupt_seen())
            code = CLI_INTERRUPTED;
        if (result == CLI_OK)
            result = code;
        if (code != CLI_OK && (checking || !cli->keep_going || code == CLI_INTERRUPTED))
            break;
    }
    cli->command = NULL;
    fflush(stdout);
    free(copy);
    return result;
}

int cli_check_words(struct cli *cli, char **words, size_t count)
{
    return run_pass(cli, words, count, true);
}

int cli_run_words(struct cli *cli, char **words, size_t count)
{
    int code = run_pass(cli, words, count, true);
    return code == CLI_OK ? run_pass(cli, words, count, false) : code;
}
