/* SPDX-License-Identifier: MIT */
/*
 * smartcrd-pcsc: a PC/SC program that asks smartcrd's readers for more than PC/SC has calls for, through SCardControl:
 * the last error, the journal, and the virtual reader's hand at the slot. smartcrd-pcsc(1) describes it.
 */
#include "tool.h"

#include <PCSC/reader.h>
#include <PCSC/winscard.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_NO_READER };

struct session {
    SCARDCONTEXT context;
    SCARDHANDLE card;
    char name[MAX_READERNAME];
};

static int complain(const char *what, LONG error)
{
    fprintf(stderr, "smartcrd-pcsc: %s: %s\n", what, pcsc_stringify_error(error));
    return EXIT_FAILED;
}

/* ---- readers ------------------------------------------------------------------------------------------------------- */

/* All names, each with a NUL, one more at the end. To be freed; NULL: complained. */
static char *reader_names(SCARDCONTEXT context)
{
    char *names = NULL;
    DWORD size = 0;
    LONG error = SCardListReaders(context, NULL, NULL, &size);

    if (error == SCARD_S_SUCCESS && (names = calloc(1, size + 2)))
        error = SCardListReaders(context, NULL, names, &size);
    if (error == SCARD_S_SUCCESS && names)
        return names;
    complain("no readers", names ? error : error == SCARD_S_SUCCESS ? SCARD_E_NO_MEMORY : error);
    free(names);
    return NULL;
}

/* The reader that is asked for: by its number in the list, by its name or the beginning of it; the first without. */
static const char *pick(const char *names, const char *wanted)
{
    char *end;
    unsigned long number = wanted ? strtoul(wanted, &end, 10) : 0;
    bool by_number = !wanted || (*wanted && !*end);
    unsigned long at = 0;

    for (const char *name = names; *name; name += strlen(name) + 1, at++)
        if (by_number ? at == number : !strncmp(name, wanted, strlen(wanted)))
            return name;
    return NULL;
}

static int begin(struct session *session, const char *wanted)
{
    LONG error = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &session->context);
    char *names = NULL;
    const char *name;
    DWORD protocol;
    int code = EXIT_NO_READER;

    if (error != SCARD_S_SUCCESS)
        return complain("no pcscd", error);
    names = reader_names(session->context);
    if (!names)
        goto out;
    name = pick(names, wanted);
    if (!name) {
        fprintf(stderr, "smartcrd-pcsc: no reader %s; `smartcrd-pcsc list` shows them\n", wanted ? wanted : "0");
        goto out;
    }
    snprintf(session->name, sizeof(session->name), "%s", name);
    /* Direct: without a card, and beside programs that use the card. */
    error = SCardConnect(session->context, name, SCARD_SHARE_DIRECT, 0, &session->card, &protocol);
    code = error == SCARD_S_SUCCESS ? EXIT_OK : complain(name, error);
out:
    free(names);
    if (code != EXIT_OK)
        SCardReleaseContext(session->context);
    return code;
}

static void end(struct session *session)
{
    SCardDisconnect(session->card, SCARD_LEAVE_CARD);
    SCardReleaseContext(session->context);
}

/* ---- commands ------------------------------------------------------------------------------------------------------ */

static int list(void)
{
    SCARDCONTEXT context;
    LONG error = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context);
    unsigned number = 0;
    char *names;

    if (error != SCARD_S_SUCCESS)
        return complain("no pcscd", error);
    names = reader_names(context);
    for (const char *name = names; name && *name; name += strlen(name) + 1)
        printf("%u  %s\n", number++, name);
    SCardReleaseContext(context);
    free(names);
    return names ? EXIT_OK : EXIT_NO_READER;
}

static int last_error(struct session *session)
{
    uint32_t status = 0;
    DWORD size = 0;
    char words[128];
    LONG error =
        SCardControl(session->card, SCARD_CTL_CODE(TOOL_GET_LAST_ERROR), NULL, 0, &status, sizeof(status), &size);

    if (error != SCARD_S_SUCCESS || size != sizeof(status))
        return complain(session->name, error != SCARD_S_SUCCESS ? error : SCARD_F_COMM_ERROR);
    printf("0x%08X %s\n", status, tool_status_words(status, words, sizeof(words)));
    return EXIT_OK;
}

/* Why a virtual reader refused a text: the second line of its status. */
static void say_refusal(struct session *session)
{
    char text[1024];
    DWORD size = 0;
    LONG error = SCardControl(session->card, SCARD_CTL_CODE(TOOL_STATUS), NULL, 0, text, sizeof(text) - 1, &size);
    const char *why;

    if (error != SCARD_S_SUCCESS || size >= sizeof(text))
        return;
    text[size] = '\0';
    why = strchr(text, '\n');
    if (why)
        fprintf(stderr, "smartcrd-pcsc: %s\n", why + 1);
}

/* A code with a text in and out. */
static int exchange(struct session *session, unsigned function, const char *text)
{
    char *out = malloc(MAX_BUFFER_SIZE_EXTENDED);
    DWORD size = 0;
    LONG error = SCARD_E_NO_MEMORY;

    if (out)
        error = SCardControl(session->card, SCARD_CTL_CODE(function), text, text ? strlen(text) : 0, out,
                             MAX_BUFFER_SIZE_EXTENDED, &size);
    if (error == SCARD_S_SUCCESS && size > 0) {
        fwrite(out, 1, size, stdout);
        if (out[size - 1] != '\n')
            putchar('\n');
    }
    if (error != SCARD_S_SUCCESS) {
        complain(session->name, error);
        say_refusal(session);
    }
    free(out);
    return error == SCARD_S_SUCCESS ? EXIT_OK : EXIT_FAILED;
}

struct command {
    const char *name;
    const char *argument; /* what it wants, NULL for nothing */
    unsigned function;
    const char *help;
};

static const struct command commands[] = {
    {"list", NULL, 0, "the readers and their numbers"},
    {"last-error", NULL, TOOL_GET_LAST_ERROR, "the status of the reader's last operation"},
    {"journal", NULL, TOOL_JOURNAL, "its last operations: number, code, status, layer, bytes in and out, time, why"},
    {"status", NULL, TOOL_STATUS, "of a virtual reader: its card and its faults"},
    {"insert", "CARD", TOOL_INSERT, "put a card into a virtual reader: \"fs pin=123456\", echo, ..."},
    {"remove", NULL, TOOL_REMOVE, "take it out"},
    {"fault", "FAULT", TOOL_FAULT, "disturb it: mute, \"edc byte=1\", remove, ... (smartcrd-vreader(7))"},
};

static void usage(FILE *to)
{
    fprintf(to, "usage: smartcrd-pcsc [-r READER] COMMAND [ARGUMENT]\n\n"
                "READER is a number of `list`, a name or its beginning; the first one without it.\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(to, "  %-10s %-6s %s\n", commands[i].name, commands[i].argument ? commands[i].argument : "",
                commands[i].help);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

int main(int count, char **words)
{
    const char *wanted = NULL;
    const struct command *command;
    struct session session;
    int at = 1, code;

    if (at + 1 < count && (!strcmp(words[at], "-r") || !strcmp(words[at], "--reader"))) {
        wanted = words[at + 1];
        at += 2;
    }
    if (at < count && (!strcmp(words[at], "-h") || !strcmp(words[at], "--help"))) {
        usage(stdout);
        return EXIT_OK;
    }
    command = at < count ? find(words[at]) : NULL;
    if (!command || count - at - 1 != (command->argument ? 1 : 0)) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (command->function == 0)
        return list();
    code = begin(&session, wanted);
    if (code != EXIT_OK)
        return code;
    code = command->function == TOOL_GET_LAST_ERROR ? last_error(&session)
                                                    : exchange(&session, command->function, words[at + 1]);
    end(&session);
    return code;
}
