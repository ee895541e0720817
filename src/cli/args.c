/* SPDX-License-Identifier: MIT */
/* The options of a single command: one table each, read here. */
#include "cli.h"
#include "words.h"

#include <string.h>

static const struct cli_option *find(const struct cli_option *options, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(options[i].name, word))
            return &options[i];
    return NULL;
}

static int take_value(struct cli *cli, const struct cli_option *option, const char *word)
{
    uint64_t number;
    if (!word)
        return cli_complain(cli, CLI_USAGE, "%s needs a value; see `help %s`", option->name, cli->command);
    if (option->kind == CLI_STRING) {
        *(const char **)option->value = word;
        return CLI_OK;
    }
    if (!number_parse(word, option->min, option->max, &number))
        return cli_complain(cli, CLI_USAGE, "%s needs a number from %u to %u, not \"%s\"", option->name, option->min,
                            option->max, word);
    *(uint32_t *)option->value = (uint32_t)number;
    return CLI_OK;
}

int cli_options(struct cli *cli, int *argc, char **argv, const struct cli_option *options, size_t count)
{
    int left = 1;
    for (int i = 1; i < *argc; i++) {
        const struct cli_option *option;
        if (argv[i][0] != '-' || !argv[i][1]) {
            argv[left++] = argv[i];
            continue;
        }
        option = find(options, count, argv[i]);
        if (!option)
            return cli_complain(cli, CLI_USAGE, "there is no option %s here; see `help %s`", argv[i], cli->command);
        if (option->kind == CLI_FLAG) {
            *(bool *)option->value = true;
            continue;
        }
        if (take_value(cli, option, i + 1 < *argc ? argv[i + 1] : NULL) != CLI_OK)
            return CLI_USAGE;
        i++;
    }
    *argc = left;
    return CLI_OK;
}

int cli_count(struct cli *cli, int argc, char **argv, int min, int max)
{
    const char *args = cli_command_find(cli->command)->args;
    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-' && argv[i][1])
            return cli_complain(cli, CLI_USAGE, "there is no option %s here; see `help %s`", argv[i], cli->command);
    if (argc - 1 < min)
        return cli_complain(cli, CLI_USAGE, "something is missing; usage: %s %s", cli->command, args);
    if (argc - 1 > max)
        return cli_complain(cli, CLI_USAGE, "\"%s\" is one word too many; usage: %s %s", argv[max + 1], cli->command,
                            args);
    return CLI_OK;
}
