/* SPDX-License-Identifier: MIT */
/* smartcrd: options, and the choice between commands, a script and the shell. */
#include "cli.h"
#include "secret.h"
#include "words.h"

#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void usage(FILE *file)
{
    fputs("usage: smartcrd [OPTIONS] [COMMAND [ARGUMENTS] [, COMMAND ...]]\n"
          "\n"
          "Runs commands on readers that live as long as this program: one virtual reader, unless said otherwise.\n"
          "Without a command: a shell on a terminal, else a script from standard input.\n"
          "\n"
          "  -f, --file FILE       a script: a line is what could stand here, # begins a comment; - is standard input\n"
          "  -k, --keep-going      do not stop at the first command that fails\n"
          "      --driver NAME     the readers' driver: vreader, or the path of a shared object, with a slash in it\n"
          "      --readers N       how many readers to begin with (1)\n"
          "      --card \"KIND ...\"  insert a card; the first --card is for the first reader, and so on\n"
          "      --simulated-time  wait for nothing: the clock jumps to whatever happens next\n"
          "      --verify          watch the driver, and say in the end which rules it broke (`smartcrd help verify`)\n"
          "      --show-pins       show the data of PIN commands, which is left out otherwise\n"
          "      --json            one JSON object for each command, on a line of its own\n"
          "  -v, --verbose         show each operation's journal entry too\n"
          "  -h, --help            this; `smartcrd help` lists the commands\n"
          "      --version\n"
          "\n"
          "Exit codes: 0 done; 1 an operation ended with an error; 2 bad input, nothing was done; 3 no such reader or\n"
          "driver; 4 a file cannot be read or written; 130 interrupted.\n",
          file);
}

enum {
    OPTION_DRIVER = 256,
    OPTION_READERS,
    OPTION_CARD,
    OPTION_JSON,
    OPTION_SHOW_PINS,
    OPTION_SIMULATED,
    OPTION_VERIFY,
    OPTION_VERSION
};

/* Returns CLI_OK to go on, or -1 when all is done already. */
static int read_options(struct cli *cli, int argc, char **argv, const char **script)
{
    static const struct option options[] = {
        {"file", required_argument, NULL, 'f'},
        {"keep-going", no_argument, NULL, 'k'},
        {"driver", required_argument, NULL, OPTION_DRIVER},
        {"readers", required_argument, NULL, OPTION_READERS},
        {"card", required_argument, NULL, OPTION_CARD},
        {"json", no_argument, NULL, OPTION_JSON},
        {"show-pins", no_argument, NULL, OPTION_SHOW_PINS},
        {"simulated-time", no_argument, NULL, OPTION_SIMULATED},
        {"verify", no_argument, NULL, OPTION_VERIFY},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
    };
    uint64_t number;
    int option;
    /* + : what follows the first command belongs to the commands */
    while ((option = getopt_long(argc, argv, "+f:kvh", options, NULL)) != -1) {
        switch (option) {
        case 'f':
            *script = optarg;
            break;
        case 'k':
            cli->keep_going = true;
            break;
        case 'v':
            cli->verbose = true;
            break;
        case OPTION_JSON:
            cli->as_json = true;
            cli->colour = false;
            break;
        case OPTION_SHOW_PINS:
            cli->show_pins = true;
            break;
        case OPTION_SIMULATED:
            cli->simulated_time = true;
            break;
        case OPTION_VERIFY:
            cli->verify = true;
            break;
        case OPTION_DRIVER:
            cli->driver = optarg;
            break;
        case OPTION_READERS:
            if (!number_parse(optarg, 0, 100000, &number))
                return cli_complain(cli, CLI_USAGE, "--readers needs a number from 0 to 100000, not \"%s\"", optarg);
            cli->readers_wanted = (unsigned)number;
            break;
        case OPTION_CARD:
            if (cli->card_count == CLI_CARDS)
                return cli_complain(cli, CLI_USAGE, "--card can be given %d times", CLI_CARDS);
            cli->cards[cli->card_count++] = optarg;
            break;
        case 'h':
            usage(stdout);
            return -1;
        case OPTION_VERSION:
            printf("smartcrd %s\n", smartcrd_version());
            return -1;
        default: /* getopt_long has said what is wrong */
            fputs("smartcrd: see smartcrd --help\n", stderr);
            return CLI_USAGE;
        }
    }
    return CLI_OK;
}

static int run_argv(struct cli *cli, int argc, char **argv)
{
    char **words = calloc((size_t)argc * 2 + 1, sizeof *words);
    int code;
    if (!words)
        return cli_complain(cli, CLI_FAILED, "there is no memory left");
    code = cli_run_words(cli, words, words_from_argv(argc, argv, words));
    free(words);
    return code;
}

int main(int argc, char **argv)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    const char *script = NULL;
    struct cli cli = {.driver = "vreader", .readers_wanted = 1};
    int code;

    setlocale(LC_CTYPE, "");
    cli.colour = isatty(STDOUT_FILENO) && !(no_colour && no_colour[0]) && !(terminal && !strcmp(terminal, "dumb"));
    argv = secret_take_arguments(argc, argv);
    code = read_options(&cli, argc, argv, &script);
    if (code != CLI_OK) {
        code = code < 0 ? CLI_OK : code;
        goto out;
    }
    argc -= optind;
    argv += optind;
    if (script && argc > 0) {
        code = cli_complain(&cli, CLI_USAGE, "give either commands or --file, not both");
        goto out;
    }
    if (!interrupt_start()) {
        code = cli_complain(&cli, CLI_FAILED, "no thread can be started");
        goto out;
    }
    cli.interactive = !script && argc == 0 && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (argc > 0)
        code = run_argv(&cli, argc, argv);
    else if (cli.interactive)
        code = cli_shell(&cli);
    else
        code = cli_script(&cli, script ? script : "-");
    cli_stop(&cli);
    if (cli.violations > 0 && code == CLI_OK)
        code = CLI_FAILED;
    interrupt_stop();
    json_free(&cli.json);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("smartcrd: standard output cannot be written\n", stderr);
        code = code == CLI_OK ? CLI_FILE : code;
    }
out:
    secret_forget_arguments();
    return code;
}
