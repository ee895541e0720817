/* SPDX-License-Identifier: MIT */
/* Scripts: lines of commands from a file, checked as a whole before the first one runs, or from standard input. */
#include "cli.h"
#include "secret.h"
#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 4096
#define LINE_ROOM (4 * CLI_TEXT_MAX) /* of a line from standard input, before it must move, and leave a copy behind */

char *cli_read_file(struct cli *cli, const char *path, size_t *size)
{
    FILE *file = fopen(path, "re");
    char *text = malloc(CLI_TEXT_MAX + 2);
    if (!file || !text) {
        cli_complain(cli, CLI_FILE, "%s: %s", path, strerror(errno));
        goto fail;
    }
    setvbuf(file, NULL, _IONBF, 0); /* a buffer would keep what it has had */
    *size = fread(text, 1, CLI_TEXT_MAX + 1, file);
    if (ferror(file)) {
        cli_complain(cli, CLI_FILE, "%s: %s", path, strerror(errno));
        goto fail;
    }
    if (*size > CLI_TEXT_MAX) {
        cli_complain(cli, CLI_FILE, "%s: longer than %d bytes", path, CLI_TEXT_MAX);
        goto fail;
    }
    fclose(file);
    text[*size] = '\0';
    return text;
fail:
    if (file)
        fclose(file);
    secret_free(text, CLI_TEXT_MAX + 2);
    return NULL;
}

int cli_line(struct cli *cli, char *line, bool check_only)
{
    char **words = calloc(WORDS_MAX, sizeof *words);
    const char *why;
    size_t count;
    int code;
    if (!words)
        return cli_complain(cli, CLI_FAILED, "there is no memory left");
    cli->command = NULL;
    count = words_split(line, words, WORDS_MAX, &why);
    if (count == SIZE_MAX)
        code = cli_refuse_line(cli, why);
    else if (check_only)
        code = cli_check_words(cli, words, count);
    else
        code = cli_run_words(cli, words, count);
    free(words);
    return code;
}

/* One pass over the lines of a text; stops at the first failure unless --keep-going. */
static int pass(struct cli *cli, const char *path, const char *text, bool check_only)
{
    int result = CLI_OK;
    unsigned number = 0;
    while (*text && !cli->quit) {
        size_t length = strcspn(text, "\n");
        char *line = strndup(text, length);
        char where[300];
        int code;
        if (!line)
            return cli_complain(cli, CLI_FAILED, "there is no memory left");
        snprintf(where, sizeof where, "%.255s:%u", path, ++number);
        cli->where = where;
        code = cli_line(cli, line, check_only);
        cli->where = NULL;
        secret_free(line, length + 1);
        if (result == CLI_OK)
            result = code;
        if (code != CLI_OK && (check_only || !cli->keep_going || code == CLI_INTERRUPTED))
            break;
        text += length + (text[length] == '\n');
    }
    return result;
}

/* *is_text: there is no NUL in the line, which would hide what follows it. */
static bool next_line(char **line, size_t *room, bool *is_text)
{
    ssize_t got;
    interrupt_idle(true);
    got = getline(line, room, stdin);
    interrupt_idle(false);
    *is_text = got > 0 && strlen(*line) == (size_t)got;
    return got > 0;
}

/* Standard input may be a program that reads our answers before it writes the next line. */
static int from_standard_input(struct cli *cli)
{
    size_t room = LINE_ROOM;
    char *line = malloc(room);
    unsigned number = 0;
    int result = CLI_OK;
    bool is_text;
    if (!line)
        return cli_complain(cli, CLI_FAILED, "there is no memory left");
    setvbuf(stdin, NULL, _IONBF, 0); /* a buffer would keep what it has had */
    while (!cli->quit && next_line(&line, &room, &is_text)) {
        char where[32];
        int code;
        snprintf(where, sizeof where, "line %u", ++number);
        cli->where = where;
        code = is_text ? cli_line(cli, line, false) : cli_refuse_line(cli, "this is no text");
        cli->where = NULL;
        explicit_bzero(line, room);
        if (result == CLI_OK)
            result = code;
        if (code != CLI_OK && (!cli->keep_going || code == CLI_INTERRUPTED))
            break;
    }
    secret_free(line, room);
    return result;
}

int cli_script(struct cli *cli, const char *path)
{
    size_t size;
    char *text;
    int code = CLI_FILE;
    if (!strcmp(path, "-"))
        return from_standard_input(cli);
    text = cli_read_file(cli, path, &size);
    if (!text)
        return CLI_FILE;
    if (strlen(text) != size)
        code = cli_complain(cli, CLI_FILE, "%s: this is no text", path);
    else
        code = pass(cli, path, text, true);
    if (code == CLI_OK)
        code = pass(cli, path, text, false);
    secret_free(text, size);
    return code;
}
