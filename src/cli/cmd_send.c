/* SPDX-License-Identifier: MIT */
/*
 * send, wait and cancel: commands to the card, synchronous and overlapped. The data of PIN commands is never printed
 * (ISO/IEC 7816-4 VERIFY and its kin; iso7816_command_is_secret says which).
 */
#include "cli.h"
#include "secret.h"
#include "sw.h"
#include "words.h"
#include "../iso7816/apdu.h"

#include <stdlib.h>
#include <string.h>

#define HEADER sizeof(SCARD_IO_REQUEST)

struct send {
    uint32_t timeout;
    bool async, raw;
    int32_t expect; /* -1: anything */
    uint8_t *command, *reply;
};

static void say_command(struct cli *cli, const uint8_t *command, size_t size)
{
    bool secret = !cli->show_pins && iso7816_command_is_secret(command[0], command[1]);
    const char *name = ins_name(command[0], command[1]);
    size_t shown = secret && size > 5 ? 5 : size;
    json_hex(&cli->json, "apdu", command, shown);
    json_bool(&cli->json, "redacted", shown < size);
    cli_say(cli, "%s> %s", cli_on(cli, CLI_DIM), cli_off(cli));
    cli_say_hex(cli, command, shown, 2);
    if (shown < size)
        cli_say(cli, " (%zu bytes not shown)", size - shown);
    cli_say(cli, "%s%s%s%s\n", cli_on(cli, CLI_DIM), name ? "   " : "", name ? name : "", cli_off(cli));
}

/* Print an answer; its SW in words. Returns CLI_FAILED when it is not the expected one. */
static int say_reply(struct cli *cli, const uint8_t *reply, size_t size, uint64_t ns, int32_t expect)
{
    char text[96];
    uint8_t sw1, sw2;
    if (size < 2)
        return cli_failed(cli, STATUS_DEVICE_PROTOCOL_ERROR);
    sw1 = reply[size - 2];
    sw2 = reply[size - 1];
    sw_text(sw1, sw2, text, sizeof text);
    json_hex(&cli->json, "data", reply, size - 2);
    json_hex(&cli->json, "sw", reply + size - 2, 2);
    json_string(&cli->json, "sw_text", text);
    if (ns > 0)
        json_number(&cli->json, "duration_us", (int64_t)(ns / 1000));
    cli_say(cli, "%s<%s ", cli_on(cli, CLI_DIM), cli_off(cli));
    cli_say_hex(cli, reply, size, 2);
    cli_say(cli, "   %s%s%s", cli_on(cli, sw1 == 0x90 || sw1 == 0x61 ? CLI_GOOD : CLI_BAD), text, cli_off(cli));
    if (ns > 0)
        cli_say(cli, "%s  %.3f ms%s", cli_on(cli, CLI_DIM), (double)ns / 1e6, cli_off(cli));
    cli_say(cli, "\n");
    if (expect >= 0 && expect != (sw1 << 8 | sw2))
        return cli_complain(cli, CLI_FAILED, "the answer ends in %02X%02X, not in the %04X that --expect asks for", sw1,
                            sw2, (unsigned)expect);
    return CLI_OK;
}

static int send_now(struct cli *cli, const struct send *send, size_t size)
{
    size_t reply_size = CLI_RESPONSE_MAX;
    uint64_t begin = smartcrd_now(cli->context);
    NTSTATUS status;
    if (send->raw)
        status = smartcrd_transmit(cli->reader->handle, send->command, size, send->reply, &reply_size, send->timeout);
    else
        status = smartcrd_apdu(cli->reader->handle, send->command, size, send->reply, &reply_size, send->timeout);
    if (!NT_SUCCESS(status))
        return cli_failed(cli, status);
    return say_reply(cli, send->reply, reply_size, smartcrd_now(cli->context) - begin, send->expect);
}

static uint32_t selected_protocol(struct cli *cli)
{
    uint32_t protocol = 0;
    size_t size = sizeof protocol;
    NTSTATUS status = smartcrd_attribute(cli->reader->handle, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &protocol, &size);
    return NT_SUCCESS(status) && size == sizeof protocol ? protocol : 0;
}

/* Over T=0 a case 4 command goes without its Le; the card then says 61xx (ISO/IEC 7816-3:2006, 12.2.4). */
static size_t tpdu_size(const struct send *send, uint32_t protocol, size_t size)
{
    struct iso7816_command command;
    if (send->raw || protocol != SCARD_PROTOCOL_T0 || !iso7816_command_parse(send->command, size, &command))
        return size;
    return command.kase == 4 && !command.extended ? size - 1 : size;
}

static int send_async(struct cli *cli, const struct send *send, size_t size)
{
    struct cli_pending *pending = calloc(1, sizeof *pending);
    SCARD_IO_REQUEST header = {.dwProtocol = selected_protocol(cli), .cbPciLength = HEADER};
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_TRANSMIT, .timeout_ms = send->timeout};
    struct smartcrd_completion done;
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
    int code;

    if (!pending)
        return cli_failed(cli, status);
    size = tpdu_size(send, header.dwProtocol, size);
    pending->reader = cli->reader;
    pending->room = HEADER + (CLI_RESPONSE_MAX > size ? CLI_RESPONSE_MAX : size);
    pending->buffer = calloc(1, pending->room);
    if (!pending->buffer) {
        code = cli_failed(cli, status);
        goto out;
    }
    memcpy(pending->buffer, &header, HEADER);
    memcpy(pending->buffer + HEADER, send->command, size);
    request.in = pending->buffer;
    request.in_size = HEADER + size;
    request.out = pending->buffer;
    request.out_size = pending->room < 65536 + 1024 ? pending->room : 65536 + 1024;
    status = smartcrd_submit(cli->reader->handle, &request, &pending->id, &done);
    if (status == STATUS_PENDING) {
        explicit_bzero(pending->buffer + HEADER, size); /* smartcrd has its copy */
        json_number(&cli->json, "id", (int64_t)pending->id);
        cli_say(cli, "  request %llu is in flight\n", (unsigned long long)pending->id);
        pending->next = cli->pending;
        cli->pending = pending;
        return CLI_OK;
    }
    if (!NT_SUCCESS(status))
        code = cli_failed(cli, status);
    else
        code = say_reply(cli, pending->buffer + HEADER, done.information < HEADER ? 0 : done.information - HEADER, 0,
                         send->expect);
out:
    if (pending->buffer)
        explicit_bzero(pending->buffer, pending->room);
    free(pending->buffer);
    free(pending);
    return code;
}

static bool one_byte_each(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strlen(argv[i]) != 2)
            return false;
    return argc > 4;
}

/* 00 A4 04 00 without quotation marks: no single byte is an APDU, so it can only mean one. Returns it joined. */
static char *join_bytes(int argc, char **argv)
{
    char *text = malloc((size_t)argc * 3);
    char *to = text;
    for (int i = 1; to && i < argc; i++, to += 2)
        memcpy(to, argv[i], 3);
    return text;
}

static int parse_apdu(struct cli *cli, const char *word, struct send *send, size_t *size)
{
    const char *why;
    struct iso7816_command command;
    /* No more of the word than its header is said: what follows may be a PIN. */
    if (!hex_parse(word, send->command, CLI_APDU_MAX, size, &why))
        return cli_complain(cli, CLI_USAGE, "\"%.8s%s\" is no APDU in hex: %s", word, strlen(word) > 8 ? "..." : "",
                            why);
    if (*size < 4)
        return cli_complain(cli, CLI_USAGE,
                            "\"%s\" is too short, an APDU has at least CLA INS P1 P2; quote it when it "
                            "has blanks",
                            word);
    if (!send->raw && !iso7816_command_parse(send->command, *size, &command))
        return cli_complain(cli, CLI_USAGE,
                            "\"%.8s%s\" is no command APDU: its length does not fit its Lc and Le; "
                            "--raw sends it as it is",
                            word, strlen(word) > 8 ? "..." : "");
    return CLI_OK;
}

static int send_words(struct cli *cli, struct send *send, int argc, char **argv)
{
    size_t size;
    int code = CLI_OK;
    for (int i = 1; i < argc && code == CLI_OK; i++)
        code = parse_apdu(cli, argv[i], send, &size);
    if (code != CLI_OK || cli->checking)
        return code;
    json_open(&cli->json, "exchanges", '[');
    for (int i = 1; i < argc && code == CLI_OK; i++) {
        code = parse_apdu(cli, argv[i], send, &size);
        if (code != CLI_OK)
            break;
        json_open(&cli->json, NULL, '{');
        say_command(cli, send->command, size);
        code = send->async ? send_async(cli, send, size) : send_now(cli, send, size);
        json_close(&cli->json, '}');
    }
    json_close(&cli->json, ']');
    return code;
}

int cmd_send(struct cli *cli, int argc, char **argv)
{
    struct send send = {.timeout = SMARTCRD_NO_TIMEOUT, .expect = -1};
    const char *expect = NULL, *why;
    const struct cli_option options[] = {
        {"--timeout", CLI_NUMBER, &send.timeout, 0, UINT32_MAX - 1},
        {"--async", CLI_FLAG, &send.async, 0, 0},
        {"--raw", CLI_FLAG, &send.raw, 0, 0},
        {"--tpdu", CLI_FLAG, &send.raw, 0, 0},
        {"--expect", CLI_STRING, &expect, 0, 0},
    };
    char *joined = NULL;
    char *one[2] = {argv[0], NULL};
    uint8_t sw[2];
    size_t size;
    int code = CLI_USAGE;

    if (cli_options(cli, &argc, argv, options, 5) != CLI_OK)
        return CLI_USAGE;
    if (argc < 2)
        return cli_complain(cli, CLI_USAGE, "there is no APDU; say it in hex: send 00A4040007A0000000031010");
    if (expect && (!hex_parse(expect, sw, 2, &size, &why) || size != 2))
        return cli_complain(cli, CLI_USAGE, "--expect takes four hex digits such as 9000, not \"%s\"", expect);
    if (expect)
        send.expect = sw[0] << 8 | sw[1];
    send.command = malloc(CLI_APDU_MAX);
    send.reply = malloc(CLI_RESPONSE_MAX);
    if (one_byte_each(argc, argv)) {
        joined = join_bytes(argc, argv);
        one[1] = joined;
        argv = one;
        argc = 2;
    }
    if (!send.command || !send.reply || (argv == one && !joined))
        code = cli_complain(cli, CLI_FAILED, "there is no memory left");
    else
        code = send_words(cli, &send, argc, argv);
    secret_free((char *)send.command, CLI_APDU_MAX);
    secret_free((char *)send.reply, CLI_RESPONSE_MAX);
    secret_free(joined, joined ? strlen(joined) : 0);
    return code;
}

static struct cli_pending **find_pending(struct cli *cli, uint64_t id)
{
    struct cli_pending **at = &cli->pending, **found = NULL;
    /* The list has the newest first; without a number the oldest is meant. */
    for (; *at; at = &(*at)->next)
        if (id == 0 || (*at)->id == id)
            found = at;
    return found;
}

static int parse_id(struct cli *cli, int argc, char **argv, uint64_t *id)
{
    *id = 0;
    if (cli_count(cli, argc, argv, 0, 1) != CLI_OK)
        return CLI_USAGE;
    if (argc > 1 && !number_parse(argv[1], 1, UINT64_MAX, id))
        return cli_complain(cli, CLI_USAGE, "\"%s\" is no request's number; send --async prints them", argv[1]);
    return CLI_OK;
}

static int wait_one(struct cli *cli, struct cli_pending **at, uint32_t timeout)
{
    struct cli_pending *pending = *at;
    struct smartcrd_completion done;
    struct cli_reader *reader = cli->reader;
    NTSTATUS status = smartcrd_reap_one(pending->reader->handle, pending->id, &done, timeout);
    int code;
    json_number(&cli->json, "id", (int64_t)pending->id);
    if (status == STATUS_TIMEOUT) {
        cli->status = STATUS_TIMEOUT;
        return cli_complain(cli, CLI_FAILED, "request %llu is still in flight; `cancel` ends it",
                            (unsigned long long)pending->id);
    }
    cli_say(cli, "request %llu\n", (unsigned long long)pending->id);
    cli->reader = pending->reader; /* whose journal explains a failure */
    if (NT_SUCCESS(status))
        status = done.status;
    if (NT_SUCCESS(status))
        code =
            say_reply(cli, pending->buffer + HEADER, done.information < HEADER ? 0 : done.information - HEADER, 0, -1);
    else
        code = cli_failed(cli, status);
    cli->reader = reader;
    *at = pending->next;
    explicit_bzero(pending->buffer, pending->room);
    free(pending->buffer);
    free(pending);
    return code;
}

int cmd_wait(struct cli *cli, int argc, char **argv)
{
    uint32_t timeout = SMARTCRD_NO_TIMEOUT;
    const struct cli_option options[] = {{"--timeout", CLI_NUMBER, &timeout, 0, UINT32_MAX - 1}};
    struct cli_pending **at;
    NTSTATUS first = STATUS_SUCCESS;
    uint64_t id;
    int code = CLI_OK;
    if (cli_options(cli, &argc, argv, options, 1) != CLI_OK || parse_id(cli, argc, argv, &id) != CLI_OK)
        return CLI_USAGE;
    if (cli->checking)
        return CLI_OK;
    at = find_pending(cli, id);
    if (id != 0 && !at)
        return cli_complain(cli, CLI_USAGE, "there is no request %llu in flight", (unsigned long long)id);
    if (!at)
        cli_say(cli, "Nothing is in flight.\n");
    json_open(&cli->json, "requests", '[');
    for (; at; at = id ? NULL : find_pending(cli, 0)) {
        NTSTATUS status;
        int one;
        json_open(&cli->json, NULL, '{');
        cli->status = STATUS_SUCCESS;
        one = wait_one(cli, at, timeout);
        status = cli->status;
        cli_json_status(&cli->json, status);
        json_close(&cli->json, '}');
        if (code == CLI_OK) {
            code = one;
            first = status;
        }
        if (status == STATUS_TIMEOUT)
            break;
    }
    json_close(&cli->json, ']');
    cli->status = first;
    return code;
}

int cmd_cancel(struct cli *cli, int argc, char **argv)
{
    struct cli_pending *pending;
    uint64_t id;
    bool found = false;
    int code = CLI_OK;
    if (cli_options(cli, &argc, argv, NULL, 0) != CLI_OK || parse_id(cli, argc, argv, &id) != CLI_OK)
        return CLI_USAGE;
    if (cli->checking)
        return CLI_OK;
    json_open(&cli->json, "requests", '[');
    for (pending = cli->pending; pending; pending = pending->next) {
        NTSTATUS status;
        if (id != 0 && pending->id != id)
            continue;
        found = true;
        status = smartcrd_cancel(pending->reader->handle, pending->id);
        cli_say(cli, "request %llu %s\n", (unsigned long long)pending->id,
                status == STATUS_SUCCESS ? "will end cancelled" : "had ended already; `wait` shows how");
        json_open(&cli->json, NULL, '{');
        json_number(&cli->json, "id", (int64_t)pending->id);
        json_bool(&cli->json, "cancelled", status == STATUS_SUCCESS);
        json_close(&cli->json, '}');
    }
    json_close(&cli->json, ']');
    if (id != 0 && !found)
        code = cli_complain(cli, CLI_USAGE, "there is no request %llu in flight", (unsigned long long)id);
    else if (!found)
        cli_say(cli, "Nothing is in flight.\n");
    return code;
}
