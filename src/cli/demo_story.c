/* SPDX-License-Identifier: MIT */
/* The demo's voice: chapters, lines, and the checks behind them. */
#include "demo.h"
#include "sw.h"
#include "../iso7816/apdu.h"

#include <stdarg.h>
#include <string.h>

#define PATIENCE_MS 5000

void demo_chapter(struct demo *demo, const char *title, const char *why)
{
    struct cli *cli = demo->cli;
    cli_say(cli, "\n%s%2u  %s%s\n", cli_on(cli, CLI_STRONG), ++demo->chapter, title, cli_off(cli));
    if (why)
        cli_say(cli, "    %s%s%s\n", cli_on(cli, CLI_DIM), why, cli_off(cli));
}

void demo_line(struct demo *demo, const char *label, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    cli_say(demo->cli, "    %-12s %s\n", label, text);
}

bool demo_expect(struct demo *demo, bool good, const char *format, ...)
{
    char *text = demo->surprise[demo->surprises % DEMO_SURPRISES];
    va_list list;
    if (good)
        return true;
    va_start(list, format);
    vsnprintf(text, sizeof demo->surprise[0], format, list);
    va_end(list);
    demo->surprises++;
    cli_say(demo->cli, "    %sSURPRISE     %s%s\n", cli_on(demo->cli, CLI_BAD), text, cli_off(demo->cli));
    return false;
}

bool demo_panel(struct demo *demo, uint32_t code, const char *text)
{
    struct cli_reader reader = {.handle = demo->handle, .panel = demo->panel};
    char words[48], why[256];
    NTSTATUS status = cli_vendor_text(&reader, code, text, text ? strlen(text) : 0, false, why, sizeof why);
    return demo_expect(demo, NT_SUCCESS(status), "the slot refuses \"%.60s\": %s", text ? text : "remove",
                       why[0] ? why : cli_status_words(status, words, sizeof words));
}

bool demo_submit(struct demo *demo, const struct smartcrd_request *request, struct demo_op *op)
{
    NTSTATUS status;
    char words[48];
    *op = (struct demo_op){.begin_ns = cli_now_ns()};
    status = smartcrd_submit(demo->handle, request, &op->id, &op->done);
    op->ended = status != STATUS_PENDING;
    demo_line(demo, "submit", "%-34s %s%.2f ms until the call returned%s",
              cli_status_words(status, words, sizeof words), cli_on(demo->cli, CLI_DIM),
              (double)(cli_now_ns() - op->begin_ns) / 1e6, cli_off(demo->cli));
    return demo_expect(demo, status == STATUS_PENDING || op->done.status == status,
                       "submit and its completion disagree on the status");
}

bool demo_reap(struct demo *demo, struct demo_op *op)
{
    NTSTATUS status;
    char words[48];
    if (op->ended)
        return true;
    status = smartcrd_reap_one(demo->handle, op->id, &op->done, PATIENCE_MS);
    op->ended = status == STATUS_SUCCESS;
    return demo_expect(demo, op->ended, "no completion came in %d s: %s", PATIENCE_MS / 1000,
                       cli_status_words(status, words, sizeof words));
}

NTSTATUS demo_last_error(struct smartcrd_handle *handle, NTSTATUS *last)
{
    uint32_t value = 0;
    size_t information = 0;
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_GET_LAST_ERROR,
                                       .out = &value,
                                       .out_size = sizeof value,
                                       .timeout_ms = SMARTCRD_NO_TIMEOUT};
    NTSTATUS status = smartcrd_control(handle, &request, &information);
    *last = (NTSTATUS)value;
    return NT_SUCCESS(status) && information != sizeof value ? STATUS_UNSUCCESSFUL : status;
}

static bool find_entry(struct demo *demo, uint64_t sequence, struct smartcrd_journal_entry *entry)
{
    return sequence > 0 && smartcrd_journal(demo->handle, sequence - 1, entry, 1) == 1 && entry->sequence == sequence;
}

static void json_ending(struct demo *demo, const char *title, const struct demo_op *op, NTSTATUS expected,
                        NTSTATUS last, NTSTATUS seen)
{
    struct json *json = &demo->cli->json;
    json_open(json, NULL, '{');
    json_string(json, "title", title);
    cli_json_status(json, op->done.status);
    json_string(json, "expected", smartcrd_status_name(expected));
    json_string(json, "last_error", smartcrd_status_name(last));
    json_string(json, "last_error_second_handle", smartcrd_status_name(seen));
}

void demo_ending(struct demo *demo, const char *title, const struct demo_op *op, NTSTATUS expected)
{
    struct smartcrd_journal_entry entry;
    NTSTATUS last = STATUS_PENDING, seen = STATUS_PENDING, status = op->done.status, first, second;
    char words[48], other[48];
    bool known;
    struct cli *cli = demo->cli;

    first = demo_last_error(demo->handle, &last);
    second = demo_last_error(demo->observer, &seen);
    known = find_entry(demo, op->done.sequence, &entry);
    json_ending(demo, title, op, expected, last, seen);
    demo_line(demo, "completion", "%s%s%s", cli_on(cli, NT_SUCCESS(status) ? CLI_GOOD : CLI_BAD),
              cli_status_words(status, words, sizeof words), cli_off(cli));
    if (!NT_SUCCESS(status))
        demo_line(demo, "", "%s%s%s", cli_on(cli, CLI_DIM), smartcrd_status_text(status), cli_off(cli));
    if (known) {
        json_open(&cli->json, "journal", '{');
        cli_json_entry(&cli->json, &entry);
        json_close(&cli->json, '}');
        demo_line(demo, "journal", "#%llu, %.1f ms, %s%s%s", (unsigned long long)entry.sequence,
                  (double)(entry.ended_ns - entry.submitted_ns) / 1e6, smartcrd_layer_name(entry.layer),
                  entry.step[0] ? ": " : "", entry.step);
    }
    demo_line(demo, "last error", "%s%s%s%s", cli_on(cli, last == status ? CLI_GOOD : CLI_BAD),
              cli_status_words(last, words, sizeof words), cli_off(cli),
              last == seen ? "  (the second handle says the same)" : "");
    json_close(&cli->json, '}');

    demo_expect(demo, status == expected, "the completion should be %s",
                cli_status_words(expected, words, sizeof words));
    demo_expect(demo, NT_SUCCESS(first) && NT_SUCCESS(second), "GET_LAST_ERROR did not answer");
    demo_expect(demo, last == expected && seen == expected, "GET_LAST_ERROR says %s and, on the second handle, %s",
                cli_status_words(last, words, sizeof words), cli_status_words(seen, other, sizeof other));
    demo_expect(demo, known && entry.status == expected, "the journal has no entry with this status");
    demo_expect(demo, !known || NT_SUCCESS(expected) || entry.step[0], "the journal has no words for it");
}

size_t demo_quiet_apdu(struct demo *demo, const char *name, const uint8_t *command, size_t size, unsigned sw)
{
    size_t reply = sizeof demo->reply;
    NTSTATUS status = smartcrd_apdu(demo->handle, command, size, demo->reply, &reply, PATIENCE_MS);
    char words[48];
    unsigned got;
    if (!demo_expect(demo, NT_SUCCESS(status) && reply >= 2 && reply <= sizeof demo->reply, "%s: %s", name,
                     cli_status_words(status, words, sizeof words)))
        return SIZE_MAX;
    got = (unsigned)demo->reply[reply - 2] << 8 | demo->reply[reply - 1];
    if (!demo_expect(demo, got == sw, "%s: the card answers %04X instead of %04X", name, got, sw))
        return SIZE_MAX;
    return reply - 2;
}

/* Data that are text, without trailing blanks and zeros; else nothing. */
static void printable_words(const uint8_t *bytes, size_t size, char *text, size_t room)
{
    text[0] = '\0';
    while (size > 0 && (bytes[size - 1] == 0 || bytes[size - 1] == ' '))
        size--;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] < 0x20 || bytes[i] >= 0x7F)
            return;
    if (size < room)
        snprintf(text, room, "%.*s", (int)size, (const char *)bytes);
}

size_t demo_apdu(struct demo *demo, const char *name, const uint8_t *command, size_t size, unsigned sw)
{
    struct cli *cli = demo->cli;
    bool secret = iso7816_command_is_secret(command[0], command[1]);
    char hex[64], text[96], shown[64];
    size_t data;
    cli_hex_words(command, secret && size > 5 ? 5 : size, hex, sizeof hex);
    demo_line(demo, name, "%s> %s%s%s", cli_on(cli, CLI_DIM), cli_off(cli), hex, secret ? " (PIN not shown)" : "");
    data = demo_quiet_apdu(demo, name, command, size, sw);
    if (data == SIZE_MAX)
        return data;
    printable_words(demo->reply, data, shown, sizeof shown);
    demo_line(demo, "", "%s<%s %s%s%04X  %s%s%s%s%s", cli_on(cli, CLI_DIM), cli_off(cli),
              cli_hex_words(demo->reply, data, hex, sizeof hex), data ? " " : "", sw, cli_on(cli, CLI_DIM),
              sw_text((uint8_t)(sw >> 8), (uint8_t)sw, text, sizeof text), shown[0] ? ", \"" : "", shown,
              shown[0] ? "\"" : "");
    cli_say(cli, "%s", cli_off(cli));
    return data;
}
