/* SPDX-License-Identifier: MIT */
/*
 * The virtual reader's slot: insert, remove, fault. Their words go to the driver as text (vreader.h); what is wrong
 * with them the driver knows and says.
 */
#include "cli.h"
#include "secret.h"

#include <smartcrd/vreader.h>

#include <stdlib.h>
#include <string.h>

NTSTATUS cli_slot_status(struct cli_reader *reader, char *text, size_t size)
{
    struct smartcrd_request request = {
        .code = IOCTL_VREADER_STATUS, .out = text, .out_size = size - 1, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    size_t length = 0;
    NTSTATUS status;
    text[0] = '\0';
    if (!reader->panel)
        return STATUS_NOT_SUPPORTED;
    status = smartcrd_control(reader->panel, &request, &length);
    if (!NT_SUCCESS(status))
        length = 0;
    text[length < size ? length : size - 1] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return status;
}

/* The second line of the slot's status: why the last text was refused. */
void cli_refusal(struct cli_reader *reader, char *why, size_t size)
{
    static const char prefix[] = "refused: ";
    char text[1024];
    struct smartcrd_request request = {
        .code = IOCTL_VREADER_STATUS, .out = text, .out_size = sizeof text - 1, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    size_t length = 0;
    char *line;
    why[0] = '\0';
    if (!reader->panel || !NT_SUCCESS(smartcrd_control(reader->panel, &request, &length)) || length >= sizeof text)
        return;
    text[length] = '\0';
    line = strchr(text, '\n');
    if (!line)
        return;
    line++;
    line[strcspn(line, "\n")] = '\0';
    snprintf(why, size, "%s", strncmp(line, prefix, sizeof prefix - 1) ? line : line + sizeof prefix - 1);
}

NTSTATUS cli_vendor_text(struct cli_reader *reader, uint32_t code, const char *text, size_t size, bool queued,
                         char *why, size_t why_size)
{
    struct smartcrd_request request = {
        .code = code, .in = size ? text : NULL, .in_size = size, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    NTSTATUS status;
    why[0] = '\0';
    if (!reader->panel)
        return STATUS_NOT_SUPPORTED; /* another driver's vendor codes mean something else */
    status = smartcrd_control(queued ? reader->handle : reader->panel, &request, NULL);
    if (status == STATUS_INVALID_PARAMETER)
        cli_refusal(reader, why, why_size);
    return status;
}

/* Put words together to the line that the driver expects; a value with blanks gets its quotation marks back. */
static bool join(char **words, int count, char *line, size_t room)
{
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        const char *equals = strchr(words[i], '=');
        bool quote = equals && strpbrk(equals, " \t");
        int key = quote ? (int)(equals + 1 - words[i]) : 0;
        int length = snprintf(line + at, room - at, "%s%.*s%s%s%s", i ? " " : "", key, words[i], quote ? "\"" : "",
                              words[i] + key, quote ? "\"" : "");
        if (length < 0 || (size_t)length >= room - at || strpbrk(words[i], "\n"))
            return false;
        at += (size_t)length;
    }
    return true;
}

static int vendor(struct cli *cli, uint32_t code, const char *text, size_t size, bool queued, const char *said)
{
    char why[256], status_line[256], words[48];
    NTSTATUS status = cli_vendor_text(cli->reader, code, text, size, queued, why, sizeof why);
    cli->status = status;
    if (status == STATUS_INVALID_PARAMETER && why[0])
        return cli_complain(cli, CLI_USAGE, "%s; see `help %s`", why, cli->command);
    if (status == STATUS_NOT_SUPPORTED)
        return cli_complain(cli, CLI_FAILED, "%s: %s is no virtual reader, a hand must do this",
                            cli_status_words(status, words, sizeof words), cli->reader->name);
    if (code == IOCTL_VREADER_INSERT && status == STATUS_DEVICE_BUSY)
        return cli_complain(cli, CLI_FAILED, "%s: there is a card already; `remove` takes it out",
                            cli_status_words(status, words, sizeof words));
    if (code == IOCTL_VREADER_REMOVE && status == STATUS_NO_MEDIA)
        return cli_complain(cli, CLI_FAILED, "%s: there is no card; `insert fs` puts one in",
                            cli_status_words(status, words, sizeof words));
    if (!NT_SUCCESS(status))
        return cli_complain(cli, CLI_FAILED, "%s: %s", cli_status_words(status, words, sizeof words),
                            smartcrd_status_text(status));
    status = cli_slot_status(cli->reader, status_line, sizeof status_line);
    json_string(&cli->json, "slot", status_line);
    cli_say(cli, "%s%s%s\n", said, status_line[0] ? ": " : "", status_line);
    if (status == STATUS_INSUFFICIENT_RESOURCES)
        return cli_complain(cli, CLI_FAILED, "it is done, but there is no memory left to tell the slot's state");
    return CLI_OK;
}

int cmd_insert(struct cli *cli, int argc, char **argv)
{
    const char *file = NULL;
    bool queued = false;
    const struct cli_option options[] = {
        {"--file", CLI_STRING, &file, 0, 0},
        {"--queued", CLI_FLAG, &queued, 0, 0},
    };
    char line[4096];
    char *body = NULL, *text = NULL;
    size_t length = 0, body_size = 0;
    int code = CLI_USAGE;
    if (cli_options(cli, &argc, argv, options, 2) != CLI_OK || cli_count(cli, argc, argv, 1, 64) != CLI_OK)
        return CLI_USAGE;
    if (!join(argv + 1, argc - 1, line, sizeof line))
        return cli_complain(cli, CLI_USAGE, "the card's options are too long, or have a line break in them");
    if (file) {
        body = cli_read_file(cli, file, &body_size);
        if (!body)
            return CLI_FILE;
    }
    if (cli->checking) {
        code = CLI_OK;
        goto out;
    }
    length = strlen(line);
    text = malloc(length + 1 + body_size + 1);
    if (!text) {
        code = cli_complain(cli, CLI_FAILED, "there is no memory left");
        goto out;
    }
    memcpy(text, line, length);
    if (body) {
        text[length++] = '\n';
        memcpy(text + length, body, body_size);
        length += body_size;
    }
    code = vendor(cli, IOCTL_VREADER_INSERT, text, length, queued, "inserted");
out:
    explicit_bzero(line, sizeof line); /* a card's PIN may have been in it */
    secret_free(text, length);
    secret_free(body, body_size);
    return code;
}

int cmd_remove(struct cli *cli, int argc, char **argv)
{
    bool queued = false;
    const struct cli_option options[] = {{"--queued", CLI_FLAG, &queued, 0, 0}};
    if (cli_options(cli, &argc, argv, options, 1) != CLI_OK || cli_count(cli, argc, argv, 0, 0) != CLI_OK)
        return CLI_USAGE;
    return cli->checking ? CLI_OK : vendor(cli, IOCTL_VREADER_REMOVE, NULL, 0, queued, "removed");
}

int cmd_fault(struct cli *cli, int argc, char **argv)
{
    bool queued = false;
    const struct cli_option options[] = {{"--queued", CLI_FLAG, &queued, 0, 0}};
    char line[1024];
    if (cli_options(cli, &argc, argv, options, 1) != CLI_OK || cli_count(cli, argc, argv, 1, 16) != CLI_OK)
        return CLI_USAGE;
    if (!join(argv + 1, argc - 1, line, sizeof line))
        return cli_complain(cli, CLI_USAGE, "the fault's options are too long, or have a line break in them");
    return cli->checking ? CLI_OK : vendor(cli, IOCTL_VREADER_FAULT, line, strlen(line), queued, "armed");
}
