/* SPDX-License-Identifier: MIT */
/* attr: the reader's attributes by name (smclib.md 1.2). Which ones are answered is for the reader to say. */
#include "cli.h"
#include "words.h"

#include <stdlib.h>
#include <string.h>

enum kind { TEXT, NUMBER, BYTES, KHZ, RATE, PROTOCOLS, VERSION, CHANNEL };

/* Values as numbers: not every header of this interface names all of them. */
static const struct {
    const char *name;
    uint32_t value;
    enum kind kind;
} attributes[] = {
    {"VENDOR_NAME", 0x00010100, TEXT},
    {"VENDOR_IFD_TYPE", 0x00010101, TEXT},
    {"VENDOR_IFD_VERSION", 0x00010102, VERSION},
    {"VENDOR_IFD_SERIAL_NO", 0x00010103, TEXT},
    {"CHANNEL_ID", 0x00020110, CHANNEL},
    {"PROTOCOL_TYPES", 0x00030120, PROTOCOLS},
    {"DEFAULT_CLK", 0x00030121, KHZ},
    {"MAX_CLK", 0x00030122, KHZ},
    {"DEFAULT_DATA_RATE", 0x00030123, RATE},
    {"MAX_DATA_RATE", 0x00030124, RATE},
    {"MAX_IFSD", 0x00030125, NUMBER},
    {"SYNC_PROTOCOL_TYPES", 0x00030126, NUMBER},
    {"POWER_MGMT_SUPPORT", 0x00040131, NUMBER},
    {"USER_TO_CARD_AUTH_DEVICE", 0x00050140, NUMBER},
    {"USER_AUTH_INPUT_DEVICE", 0x00050142, NUMBER},
    {"CHARACTERISTICS", 0x00060150, NUMBER},
    {"CURRENT_PROTOCOL_TYPE", 0x00080201, PROTOCOLS},
    {"CURRENT_CLK", 0x00080202, KHZ},
    {"CURRENT_F", 0x00080203, NUMBER},
    {"CURRENT_D", 0x00080204, NUMBER},
    {"CURRENT_N", 0x00080205, NUMBER},
    {"CURRENT_W", 0x00080206, NUMBER},
    {"CURRENT_IFSC", 0x00080207, NUMBER},
    {"CURRENT_IFSD", 0x00080208, NUMBER},
    {"CURRENT_BWT", 0x00080209, NUMBER},
    {"CURRENT_CWT", 0x0008020A, NUMBER},
    {"CURRENT_EBC_ENCODING", 0x0008020B, NUMBER},
    {"EXTENDED_BWT", 0x0008020C, NUMBER},
    {"ICC_PRESENCE", 0x00090300, NUMBER},
    {"ICC_INTERFACE_STATUS", 0x00090301, NUMBER},
    {"CURRENT_IO_STATE", 0x00090302, NUMBER},
    {"ATR_STRING", 0x00090303, BYTES},
    {"ICC_TYPE_PER_ATR", 0x00090304, NUMBER},
    {"DEVICE_UNIT", 0x7FFF0001, NUMBER},
    {"DEVICE_IN_USE", 0x7FFF0002, NUMBER},
    {"DEVICE_FRIENDLY_NAME_A", 0x7FFF0003, TEXT},
    {"DEVICE_SYSTEM_NAME_A", 0x7FFF0004, TEXT},
    {"SUPRESS_T1_IFS_REQUEST", 0x7FFF0007, NUMBER},
    {"PERF_NUM_TRANSMISSIONS", 0x7FFE0001, NUMBER},
    {"PERF_BYTES_TRANSMITTED", 0x7FFE0002, NUMBER},
    {"PERF_TRANSMISSION_TIME", 0x7FFE0003, NUMBER},
};

#define COUNT (sizeof attributes / sizeof *attributes)

const char *cli_attribute_at(size_t index)
{
    return index < COUNT ? attributes[index].name : NULL;
}

static char fold(char c)
{
    if (c >= 'a' && c <= 'z')
        return (char)(c - 'a' + 'A');
    return c == '-' ? '_' : c;
}

static bool same_name(const char *word, const char *name)
{
    for (; *word && fold(*word) == *name; word++, name++)
        ;
    return !*word && !*name;
}

/* The row of a name or number; COUNT when it has none. */
static size_t find(const char *word, uint32_t *value)
{
    static const char prefix[] = "SCARD_ATTR_", perf[] = "SCARD_";
    uint64_t number;
    size_t i = 0;
    if (number_parse(word, 0, UINT32_MAX, &number)) {
        for (*value = (uint32_t)number; i < COUNT && attributes[i].value != *value; i++)
            ;
        return i;
    }
    if (!strncasecmp(word, prefix, sizeof prefix - 1))
        word += sizeof prefix - 1;
    else if (!strncasecmp(word, perf, sizeof perf - 1))
        word += sizeof perf - 1;
    for (; i < COUNT && !same_name(word, attributes[i].name); i++)
        ;
    *value = i < COUNT ? attributes[i].value : 0;
    return i;
}

static uint32_t number_of(const uint8_t *value, size_t size)
{
    uint32_t number = 0;
    if (size == 1)
        return value[0];
    memcpy(&number, value, size < sizeof number ? size : sizeof number);
    return number;
}

/* A value in words. Numbers are 1 or 4 bytes; anything else is shown as bytes. */
static void describe(enum kind kind, const uint8_t *value, size_t size, char *text, size_t room)
{
    uint32_t number = number_of(value, size);
    char words[32];
    if (kind != TEXT && kind != BYTES && size != 1 && size != 4)
        kind = BYTES;
    switch (kind) {
    case TEXT:
        snprintf(text, room, "%.*s", (int)size, (const char *)value);
        break;
    case BYTES:
        cli_hex_words(value, size, text, room);
        break;
    case NUMBER:
        snprintf(text, room, "%u", number);
        break;
    case KHZ:
        snprintf(text, room, "%u kHz", number);
        break;
    case RATE:
        snprintf(text, room, "%u bit/s", number);
        break;
    case PROTOCOLS:
        snprintf(text, room, "0x%X (%s)", number, cli_protocol_word(number, words, sizeof words));
        break;
    case VERSION:
        snprintf(text, room, "%u.%u.%u", number >> 24, number >> 16 & 0xFF, number & 0xFFFF);
        break;
    case CHANNEL:
        snprintf(text, room, "0x%08X (type 0x%X, channel %u)", number, number >> 16, number & 0xFFFF);
        break;
    }
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '.';
}

static void say(struct cli *cli, size_t row, uint32_t tag, const uint8_t *value, size_t size)
{
    char text[3 * 256], number[16];
    enum kind kind = row < COUNT ? attributes[row].kind : BYTES;
    const char *name = row < COUNT ? attributes[row].name : number;
    snprintf(number, sizeof number, "0x%08X", tag);
    describe(kind, value, size, text, sizeof text);
    json_open(&cli->json, NULL, '{');
    json_string(&cli->json, "name", row < COUNT ? name : NULL);
    json_number(&cli->json, "tag", tag);
    json_hex(&cli->json, "bytes", value, size);
    json_string(&cli->json, "text", text);
    if (kind != TEXT && kind != BYTES && (size == 1 || size == 4))
        json_number(&cli->json, "value", number_of(value, size));
    json_close(&cli->json, '}');
    cli_say(cli, "%-24s %s0x%08X%s  %s\n", name, cli_on(cli, CLI_DIM), tag, cli_off(cli), text);
}

/* A query: the journal knows nothing of it. */
static int refused(struct cli *cli, NTSTATUS status)
{
    char words[48];

    cli->status = status;
    return cli_complain(cli, CLI_FAILED, "%s: %s", cli_status_words(status, words, sizeof words),
                        smartcrd_status_text(status));
}

int cmd_attr(struct cli *cli, int argc, char **argv)
{
    uint8_t value[256];
    size_t row = COUNT, size = sizeof value;
    uint32_t tag = 0;
    NTSTATUS status;
    if (cli_count(cli, argc, argv, 0, 1) != CLI_OK)
        return CLI_USAGE;
    if (argc > 1) {
        row = find(argv[1], &tag);
        if (row == COUNT && tag == 0)
            return cli_complain(cli, CLI_USAGE, "there is no attribute \"%s\"; `attr` alone lists those that answer",
                                argv[1]);
    }
    if (cli->checking)
        return CLI_OK;
    if (argc > 1) {
        status = smartcrd_attribute(cli->reader->handle, tag, value, &size);
        if (!NT_SUCCESS(status))
            return refused(cli, status);
        json_open(&cli->json, "attributes", '[');
        say(cli, row, tag, value, size <= sizeof value ? size : sizeof value);
        json_close(&cli->json, ']');
        return CLI_OK;
    }
    status = STATUS_SUCCESS;
    json_open(&cli->json, "attributes", '[');
    for (row = 0; row < COUNT && status != STATUS_INSUFFICIENT_RESOURCES; row++) {
        size = sizeof value;
        status = smartcrd_attribute(cli->reader->handle, attributes[row].value, value, &size);
        if (NT_SUCCESS(status))
            say(cli, row, attributes[row].value, value, size <= sizeof value ? size : sizeof value);
    }
    json_close(&cli->json, ']');
    /* Those that the reader does not have are left out; one that it has is not. */
    return status == STATUS_INSUFFICIENT_RESOURCES ? refused(cli, status) : CLI_OK;
}
