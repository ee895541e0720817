/* SPDX-License-Identifier: MIT */
/*
 * The interactive shell: lines with history and completion where libedit was found, plain lines elsewhere. Lines with a
 * PIN in them, and lines that begin with a blank, are not kept.
 */
#include "cli.h"
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

static void greet(struct cli *cli)
{
    cli_say(cli, "smartcrd %s. `help` lists the commands, `demo` shows what they are for, `quit` leaves.\n",
            smartcrd_version());
}

/* Wait for a byte on standard input; false when SIGINT came first. */
static bool wait_for_input(void)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = interrupt_fd(), .events = POLLIN}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    return !interrupt_seen();
}

#ifdef HAVE_LIBEDIT

#include <histedit.h>

static EditLine *editor;

static char *prompt(EditLine *el)
{
    struct cli *cli = NULL;
    static char text[SMARTCRD_NAME_MAX + 16];
    el_get(el, EL_CLIENTDATA, &cli);
    snprintf(text, sizeof text, "%s> ", cli && cli->reader ? cli->reader->name : "smartcrd");
    return text;
}

/* One character from standard input, in the locale's encoding; bytes that are none stand for themselves. */
static int get_char(EditLine *el, wchar_t *c)
{
    mbstate_t state = {0};
    size_t used = (size_t)-2;
    (void)el;
    while (used == (size_t)-2) {
        char byte;
        ssize_t got;
        if (!wait_for_input())
            return 0; /* as at the end of input; the caller looks at interrupt_seen */
        got = read(STDIN_FILENO, &byte, 1);
        if (got != 1)
            return got == 0 ? 0 : -1;
        used = mbrtowc(c, &byte, 1, &state);
        if (used == (size_t)-1)
            *c = (unsigned char)byte;
    }
    return 1;
}

/* What the word under the cursor could become. */
struct choices {
    const char *start; /* of the word, `length` characters */
    size_t length, count;
    char words[64][SMARTCRD_NAME_MAX];
};

static void offer(struct choices *choices, const char *word, size_t length)
{
    char *to = choices->words[choices->count];
    if (choices->count == sizeof choices->words / sizeof *choices->words || length < choices->length ||
        length >= sizeof choices->words[0] || strncasecmp(word, choices->start, choices->length))
        return;
    memcpy(to, word, length);
    to[length] = '\0';
    choices->count++;
}

/* The words that a command's usage has in small letters: options and choices; what is in capitals is for the user. */
static void offer_usage(struct choices *choices, const char *args)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    while (*(args += strcspn(args, word))) {
        size_t length = strspn(args, word);
        if (length > 1 && args[length] != '=')
            offer(choices, args, length);
        args += length;
    }
}

static void offer_arguments(struct cli *cli, struct choices *choices, const struct cli_command *command)
{
    struct smartcrd_reader_info *infos;
    size_t count = 0;
    offer_usage(choices, command->args);
    for (size_t i = 0; command->run == cmd_help && cli_command_at(i); i++)
        offer(choices, cli_command_at(i)->name, strlen(cli_command_at(i)->name));
    for (size_t i = 0; command->run == cmd_attr && cli_attribute_at(i); i++)
        offer(choices, cli_attribute_at(i), strlen(cli_attribute_at(i)));
    if (command->run != cmd_use && command->run != cmd_watch)
        return;
    infos = cli_list(cli, &count);
    for (size_t i = 0; infos && i < count; i++)
        offer(choices, infos[i].name, strlen(infos[i].name));
    free(infos);
}

/* Put in what all choices begin with; when that is no more than was typed, show them. */
static unsigned char take(EditLine *el, const struct choices *choices)
{
    char text[SMARTCRD_NAME_MAX + 1];
    size_t common = strlen(choices->words[0]);
    for (size_t i = 1; i < choices->count; i++)
        for (size_t k = 0; k < common; k++)
            if (choices->words[i][k] != choices->words[0][k])
                common = k;
    if (choices->count > 1 && common <= choices->length) {
        printf("\n");
        for (size_t i = 0; i < choices->count; i++)
            printf("%s%s", choices->words[i], i + 1 == choices->count ? "\n" : i % 8 == 7 ? "\n" : "  ");
        fflush(stdout);
        return CC_REDISPLAY;
    }
    snprintf(text, sizeof text, "%.*s%s", (int)common, choices->words[0], choices->count == 1 ? " " : "");
    el_deletestr(el, (int)choices->length);
    return el_insertstr(el, text) == 0 ? CC_REFRESH : CC_ERROR;
}

/* Complete the name of a command, its options and choices, readers, attributes, and files behind options that take one. */
static unsigned char complete(EditLine *el, int key)
{
    static const char *const paths[] = {"--file ", "--db ", "--out "};
    const LineInfo *line = el_line(el);
    const char *first = line->buffer;
    struct choices choices = {.start = line->cursor};
    const struct cli_command *command;
    struct cli *cli = NULL;
    char name[32];

    el_get(el, EL_CLIENTDATA, &cli);
    while (choices.start > line->buffer && choices.start[-1] != ' ' && choices.start[-1] != ',')
        choices.start--;
    choices.length = (size_t)(line->cursor - choices.start);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        size_t length = strlen(paths[i]);
        if ((size_t)(choices.start - line->buffer) >= length && !strncmp(choices.start - length, paths[i], length))
            return _el_fn_complete(el, key);
    }
    for (const char *c = line->buffer; c < choices.start; c++)
        if (*c == ',')
            first = c + 1;
    while (first < choices.start && *first == ' ')
        first++;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(first, " "), first);
    command = cli_command_find(name);
    if (first == choices.start)
        for (size_t i = 0; cli_command_at(i); i++)
            offer(&choices, cli_command_at(i)->name, strlen(cli_command_at(i)->name));
    else if (command)
        offer_arguments(cli, &choices, command);
    return choices.count > 0 ? take(el, &choices) : CC_ERROR;
}

/* $XDG_STATE_HOME/smartcrd/history, else ~/.local/state/..., for this user alone. */
static bool history_path(char *path, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int length;
    if (state && state[0] == '/')
        length = snprintf(path, size, "%s", state);
    else if (home && home[0] == '/')
        length = snprintf(path, size, "%s/.local/state", home);
    else
        return false;
    if (length < 0 || (size_t)length + sizeof "/smartcrd/history" > size)
        return false;
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    mkdir(path, 0700);
    strcat(path, "/smartcrd");
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return false;
    strcat(path, "/history");
    return true;
}

static History *history_start(char *path, size_t size)
{
    History *history_list = history_init();
    HistEvent event;
    int fd;
    if (!history_list)
        return NULL;
    history(history_list, &event, H_SETSIZE, 1000);
    history(history_list, &event, H_SETUNIQUE, 1);
    path[0] = '\0';
    if (!history_path(path, size))
        return history_list;
    /* Made private before libedit writes to it; never through a link that somebody left there. */
    fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fchmod(fd, 0600) < 0)
        path[0] = '\0';
    if (fd >= 0)
        close(fd);
    if (path[0])
        history(history_list, &event, H_LOAD, path);
    return history_list;
}

/*
 * Wipe the editor's own copies of a line that it has given out. Both are its to write to, and const for us; the next line
 * goes to the same place, so nothing is lost that it still wants.
 */
static void forget_line(const char *line, size_t length)
{
    const LineInfoW *wide = el_wline(editor);
    explicit_bzero((void *)(uintptr_t)wide->buffer, length * sizeof *wide->buffer);
    explicit_bzero((void *)(uintptr_t)line, length);
}

static void run_line(struct cli *cli, History *list, const char *path, const char *line)
{
    HistEvent event;
    char *copy = strdup(line);
    if (!copy)
        return;
    copy[strcspn(copy, "\n")] = '\0';
    if (list && copy[0] && copy[0] != ' ' && !secret_line(copy)) {
        history(list, &event, H_ENTER, copy);
        if (path[0])
            history(list, &event, H_SAVE, path);
    }
    cli_line(cli, copy, false);
    explicit_bzero(copy, strlen(line));
    free(copy);
}

int cli_shell(struct cli *cli)
{
    char path[PATH_MAX];
    History *list;
    HistEvent event;
    int code = cli_start(cli);
    if (code != CLI_OK)
        return code;
    editor = el_init("smartcrd", stdin, stdout, stderr);
    if (!editor)
        return cli_complain(cli, CLI_FAILED, "the terminal cannot be used");
    list = history_start(path, sizeof path);
    el_set(editor, EL_CLIENTDATA, cli);
    el_set(editor, EL_PROMPT, prompt);
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_GETCFN, get_char);
    if (list)
        el_set(editor, EL_HIST, history, list);
    el_set(editor, EL_ADDFN, "complete", "complete a command", complete);
    el_set(editor, EL_BIND, "^I", "complete", NULL);
    greet(cli);
    while (!cli->quit) {
        int length = 0;
        const char *line;
        interrupt_clear();
        line = el_gets(editor, &length);
        if (interrupt_seen()) {
            printf("^C\n");
            el_reset(editor);
            continue;
        }
        if (!line || length <= 0) {
            printf("\n");
            break;
        }
        run_line(cli, list, path, line);
        forget_line(line, (size_t)length);
    }
    if (list)
        history_end(list);
    (void)event;
    el_end(editor);
    editor = NULL;
    return CLI_OK;
}

#else

int cli_shell(struct cli *cli)
{
    char line[4096];
    int code = cli_start(cli);
    if (code != CLI_OK)
        return code;
    setvbuf(stdin, NULL, _IONBF, 0); /* a buffer would keep what it has had */
    greet(cli);
    while (!cli->quit) {
        interrupt_clear();
        printf("%s> ", cli->reader ? cli->reader->name : "smartcrd");
        fflush(stdout);
        if (!wait_for_input()) {
            printf("^C\n");
            continue;
        }
        if (!fgets(line, sizeof line, stdin))
            break;
        if (!strchr(line, '\n') && !feof(stdin))
            cli_complain(cli, CLI_USAGE, "this line is too long");
        else
            cli_line(cli, line, false);
        explicit_bzero(line, sizeof line);
    }
    return CLI_OK;
}

#endif
