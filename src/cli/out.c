/* SPDX-License-Identifier: MIT */
/* How the command speaks: text for people, the common fields of the JSON objects, and the words for plain numbers. */
#include "cli.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

void cli_say(struct cli *cli, const char *format, ...)
{
    va_list list;
    if (cli->as_json)
        return;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
}

int cli_complain(struct cli *cli, int code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(cli->error, sizeof cli->error, format, list);
    va_end(list);
    fflush(stdout);
    fprintf(stderr, "smartcrd: %s%s%s%s%s\n", cli->where ? cli->where : "", cli->where ? ": " : "",
            cli->command ? cli->command : "", cli->command ? ": " : "", cli->error);
    return code;
}

int cli_failed(struct cli *cli, NTSTATUS status)
{
    struct smartcrd_journal_entry entry;
    bool known =
        cli->reader && cli_newest_entry(cli->reader->handle, &entry) && entry.status == status && entry.step[0];
    char name[48];
    cli->status = status;
    if (known) {
        json_string(&cli->json, "layer", smartcrd_layer_name(entry.layer));
        json_string(&cli->json, "step", entry.step);
    }
    return cli_complain(cli, CLI_FAILED, "%s: %s%s%s%s%s%s", cli_status_words(status, name, sizeof name),
                        smartcrd_status_text(status), known ? " [" : "", known ? smartcrd_layer_name(entry.layer) : "",
                        known ? ": " : "", known ? entry.step : "", known ? "]" : "");
}

const char *cli_on(const struct cli *cli, enum cli_colour colour)
{
    static const char *const codes[] = {"", "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m"};
    return cli->colour ? codes[colour] : "";
}

const char *cli_off(const struct cli *cli)
{
    return cli->colour ? "\x1b[0m" : "";
}

const char *cli_status_words(NTSTATUS status, char *text, size_t size)
{
    const char *name = smartcrd_status_name(status);
    if (name)
        snprintf(text, size, "%s (0x%08X)", name, (unsigned)status);
    else
        snprintf(text, size, "status 0x%08X", (unsigned)status);
    return text;
}

const char *cli_hex_words(const uint8_t *bytes, size_t count, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t need = i + 1 < count ? 8 : 4; /* blank, byte, NUL, and room for the dots when more comes */
        if (size - at < need) {
            snprintf(text + at, size - at, " ...");
            break;
        }
        at += (size_t)snprintf(text + at, size - at, "%s%02X", i ? " " : "", bytes[i]);
    }
    return text;
}

void cli_say_hex(struct cli *cli, const uint8_t *bytes, size_t count, int indent)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            cli_say(cli, i % 32 ? " " : "\n%*s", indent, "");
        cli_say(cli, "%02X", bytes[i]);
    }
}

static const struct {
    const char *word, *text;
} states[] = {
    {"UNKNOWN", "the reader does not know"},
    {"ABSENT", "no card"},
    {"PRESENT", "a card is in, without power"},
    {"SWALLOWED", "a card is in its contacts, without power"},
    {"POWERED", "a card has power, its answer to reset is not known"},
    {"NEGOTIABLE", "a card is reset and waits for a protocol"},
    {"SPECIFIC", "a card is ready for commands"},
};

const char *cli_state_word(uint32_t state)
{
    return state < sizeof states / sizeof *states ? states[state].word : "?";
}

const char *cli_state_text(uint32_t state)
{
    return state < sizeof states / sizeof *states ? states[state].text : "not a state that winsmcrd.h knows";
}

const char *cli_protocol_word(uint32_t protocol, char *text, size_t size)
{
    static const struct {
        uint32_t bit;
        const char *word;
    } words[] = {
        {SCARD_PROTOCOL_T0, "T=0"},
        {SCARD_PROTOCOL_T1, "T=1"},
        {SCARD_PROTOCOL_RAW, "raw"},
        {0x80000000u, "default"}, /* SCARD_PROTOCOL_DEFAULT */
    };
    size_t at = 0;
    snprintf(text, size, "none");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (protocol & words[i].bit && at < size)
            at += (size_t)snprintf(text + at, size - at, "%s%s", at ? " " : "", words[i].word);
    return text;
}

void cli_json_status(struct json *json, NTSTATUS status)
{
    json_string(json, "status", smartcrd_status_name(status));
    json_number(json, "status_code", (int64_t)(uint32_t)status);
    json_string(json, "status_text", smartcrd_status_text(status));
}

const char *cli_operation_words(const struct smartcrd_journal_entry *entry, char *text, size_t size)
{
    static const char *const power[] = {"down", "cold", "warm"};
    static const char prefix[] = "IOCTL_SMARTCARD_";
    const char *name = smartcrd_code_name(entry->code);
    char words[32];
    if (!name && entry->code >> 16 == FILE_DEVICE_SMARTCARD && (entry->code >> 2 & 0xFFF) >= 2048)
        snprintf(text, size, "vendor code %u", entry->code >> 2 & 0xFFF);
    else if (!name)
        snprintf(text, size, "code 0x%08X", entry->code);
    else if (entry->code == IOCTL_SMARTCARD_POWER && entry->minor < 3)
        snprintf(text, size, "POWER %s", power[entry->minor]);
    else if (entry->code == IOCTL_SMARTCARD_SET_PROTOCOL)
        snprintf(text, size, "SET_PROTOCOL %s", cli_protocol_word(entry->minor, words, sizeof words));
    else if (entry->command_size > 0)
        snprintf(text, size, "TRANSMIT %s",
                 cli_hex_words(entry->command, entry->command_size < 5 ? entry->command_size : 5, words, sizeof words));
    else
        snprintf(text, size, "%s", strncmp(name, prefix, sizeof prefix - 1) ? name : name + sizeof prefix - 1);
    return text;
}

void cli_json_entry(struct json *json, const struct smartcrd_journal_entry *entry)
{
    json_number(json, "sequence", (int64_t)entry->sequence);
    json_number(json, "request", (int64_t)entry->request);
    json_number(json, "handle", entry->handle);
    json_string(json, "operation", smartcrd_code_name(entry->code));
    json_number(json, "code", entry->code);
    json_number(json, "minor", entry->minor);
    cli_json_status(json, entry->status);
    if (entry->late != STATUS_PENDING) {
        json_string(json, "late_status", smartcrd_status_name(entry->late));
        json_number(json, "late_status_code", (int64_t)(uint32_t)entry->late);
    }
    json_string(json, "layer", smartcrd_layer_name(entry->layer));
    json_string(json, "step", entry->step);
    json_number(json, "submitted_ns", (int64_t)entry->submitted_ns);
    json_number(json, "started_ns", (int64_t)entry->started_ns);
    json_number(json, "ended_ns", (int64_t)entry->ended_ns);
    json_number(json, "bytes_in", entry->bytes_in);
    json_number(json, "bytes_out", entry->bytes_out);
    json_number(json, "retransmissions", entry->retransmissions);
    json_number(json, "waiting_time_extensions", entry->waiting_time_extensions);
    json_hex(json, "command_header", entry->command, entry->command_size < 5 ? entry->command_size : 5);
}

uint64_t cli_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
