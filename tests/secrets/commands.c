/* SPDX-License-Identifier: MIT */
/*
 * Secrets given to the command `smartcrd`: as arguments, in scripts, in the shell. Each run is stopped at its very end and
 * searched; what it has printed, and the history file, are searched as well.
 *
 * usage: commands SMARTCRD [WORD]: the command to test; only the cases with this word in their name
 */
#include "kit.h"

#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define WORDS 16

/* One run. `%` in a word, or in what comes on standard input or from a file, stands for the secret: in hex, or as it is
 * when it is digits. */
struct command_case {
    const char *name;
    const char *words[WORDS]; /* behind the program's name; "@" is the file's name */
    const char *input;        /* standard input; NULL: empty */
    const char *file;         /* content of a file; NULL: none */
    bool digits;
    bool shown; /* the control: it is asked to show the secret, and does */
    int code;
};

static const struct command_case cases[] = {
    {"one argument", {"--card", "fs", "power", "cold", ",", "protocol", "t1", ",", "send", "0020000110%"}},
    {"bytes apart", {"--card", "fs", "power", "cold", ",", "protocol", "t0", ",", "send", "00 20 00 01 10 %"}},
    {"as JSON", {"--json", "--card", "fs", "power", "cold", ",", "protocol", "t1", ",", "send", "0020000110%"}},
    {"with the journal", {"-v", "--card", "fs", "power", "cold", ",", "protocol", "t1", ",", "send", "0020000110%"}},
    {"overlapped",
     {"--card", "fs", "power", "cold", ",", "protocol", "t1", ",", "send", "--async", "0020000110%", ",", "wait"}},
    {"an exchange that fails",
     {"--card", "fs", "power", "cold", ",", "protocol", "t1", ",", "fault", "mute", ",", "send", "0020000110%"},
     .code = 1},
    {"a length that is wrong", {"--card", "fs", "send", "0020000111%"}, .code = 2},
    {"a digit too many", {"--card", "fs", "send", "0020000110%0"}, .code = 2},
    {"a script on standard input", {NULL}, "insert fs\npower cold\nprotocol t1\nsend 0020000110%\nlog\n"},
    {"a script in a file", {"--file", "@"}, .file = "insert fs\npower cold\nprotocol t1\nsend 0020000110%\nlog\n"},
    {"a script that is refused", {"--file", "@"}, .file = "insert fs\nsend 0020000110%\nnonsense\n", .code = 2},
    {"a card's PIN", {"insert", "fs", "pin=%", ",", "remove"}, .digits = true},
    {"a PIN for the demo", {"demo", "--pin", "%", "--card", "nothing"}, .digits = true, .code = 2},
    {"a card that is refused", {"--card", "fs pin=% what=1", "state"}, .digits = true, .code = 2},
    {"a card's PIN as an option", {"--card", "fs pin=%", "state"}, .digits = true},
    {"control: --show-pins shows them",
     {"--show-pins", "--card", "fs", "power", "cold", ",", "protocol", "t1", ",", "send", "0020000110%"},
     .shown = true},
};

/* Put the secret in the place of `%`. Free it. */
static char *fill(const char *text, const struct secret *secret, bool digits)
{
    size_t size = strlen(text) + 2 * secret->size + 1, at;
    char *filled = calloc(1, size);
    const char *place = strchr(text, '%');
    uint8_t bytes[SECRET_MAX];

    if (!filled)
        exit(1);
    at = place ? (size_t)(place - text) : strlen(text);
    memcpy(filled, text, at);
    if (!place)
        return filled;
    secret_write(secret, bytes);
    for (size_t i = 0; i < secret->size; i++)
        at += (size_t)snprintf(filled + at, size - at, digits ? "%c" : "%02X", bytes[i]);
    strcpy(filled + at, place + 1);
    return filled;
}

static int file_with(const char *text)
{
    int fd = memfd_create("text", 0);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) != 0)
        exit(1);
    return fd;
}

static bool run_case(const char *program, const struct command_case *c)
{
    char *words[WORDS + 2] = {(char *)(uintptr_t)program}, path[64];
    char *input, *content;
    static struct secret secret;
    int in, file, out = memfd_create("output", 0), code = -1, found, printed;
    bool good;

    if (c->digits)
        secret_make_digits(&secret, 8);
    else
        secret_make(&secret, 16);
    input = fill(c->input ? c->input : "", &secret, false);
    content = fill(c->file ? c->file : "", &secret, false);
    in = file_with(input);
    file = file_with(content);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    for (size_t i = 0; i < WORDS && c->words[i]; i++)
        words[i + 1] = strcmp(c->words[i], "@") == 0 ? path : fill(c->words[i], &secret, c->digits);

    found = secret_search_at_exit(words, in, out, &secret, &code);
    printed = search_file(out, &secret);
    good = c->shown ? printed > 0 : found == 0 && printed == 0;
    if (!good || code != c->code)
        printf("  %s: %d places in memory, %d in its output, code %d instead of %d\n", c->name, found, printed, code,
               c->code);
    for (size_t i = 0; i < WORDS && c->words[i]; i++)
        if (words[i + 1] != path)
            free(words[i + 1]);
    free(input);
    free(content);
    close(in);
    close(file);
    close(out);
    return good && code == c->code;
}

/* ---- the shell --------------------------------------------------------------------------------------------------- */

/* What a terminal shows must be read, or the shell waits. */
static void *look_on(void *context)
{
    const int *master = context;
    char bytes[512];

    while (read(*master, bytes, sizeof bytes) > 0) {
    }
    return NULL;
}

/* A shell of one's own on a terminal: lines with a PIN are in no history; in memory nothing is left of them. */
static bool the_shell(const char *program)
{
    static struct secret secret;
    char *words[] = {(char *)(uintptr_t)program, NULL}, folder[] = "/tmp/smartcrd-shell-XXXXXX", path[96];
    char *lines;
    int master, slave, code = -1, history, found, kept, remembered = 0;
    struct stat status = {0};
    char text[512] = "";
    pthread_t watcher;

    secret_make(&secret, 16);
    lines = fill("insert fs\npower cold\nprotocol t1\nsend 0020000110%\nquit\n", &secret, false);
    if (!mkdtemp(folder) || openpty(&master, &slave, NULL, NULL, NULL) != 0 ||
        write(master, lines, strlen(lines)) != (ssize_t)strlen(lines) ||
        pthread_create(&watcher, NULL, look_on, &master) != 0)
        return false;
    setenv("XDG_STATE_HOME", folder, 1);
    setenv("TERM", "xterm", 1);
    umask(0);
    found = secret_search_at_exit(words, slave, slave, &secret, &code);
    umask(077);
    close(slave);
    pthread_join(watcher, NULL);
    close(master);

    snprintf(path, sizeof path, "%s/smartcrd/history", folder);
    history = open(path, O_RDONLY | O_CLOEXEC);
    kept = history < 0 ? 0 : search_file(history, &secret);
    if (history >= 0 && fstat(history, &status) == 0 && pread(history, text, sizeof text - 1, 0) > 0)
        remembered = strstr(text, "protocol") != NULL;
    if (history >= 0)
        close(history);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    rmdir(folder);
    free(lines);
    if (found == 0 && kept == 0 && code == 0 && (history < 0 || (remembered && (status.st_mode & 0777) == 0600)))
        return true;
    printf("  %d places in memory, %d in the history, mode %o, code %d, other lines %s\n", found, kept,
           (unsigned)status.st_mode & 0777, code, remembered ? "kept" : "lost");
    return false;
}

int main(int argc, char **argv)
{
    size_t run = 0, bad = 0;

    /* Other people's libraries bind when they are called first, be it by their last words at the program's end. */
    setenv("LD_BIND_NOW", "1", 1);
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++) {
        bool good;

        if (argc > 2 && !strstr(cases[i].name, argv[2]))
            continue;
        good = run_case(argv[1], &cases[i]);
        secret_verdict(good, cases[i].name);
        run++;
        bad += !good;
    }
    if (argc == 2 || (argc > 2 && strstr("the shell", argv[2]))) {
        bool good = the_shell(argv[1]);
        secret_verdict(good, "the shell");
        run++;
        bad += !good;
    }
    printf("%zu cases, %zu failed\n", run, bad);
    return bad > 0 || run == 0;
}
