/* SPDX-License-Identifier: MIT */
/* Commands about readers as a whole: which there are, their state, power and protocol, and their last error. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

int cmd_list(struct cli *cli, int argc, char **argv)
{
    struct smartcrd_reader_info *infos;
    size_t count;
    if (cli_count(cli, argc, argv, 0, 0) != CLI_OK)
        return CLI_USAGE;
    if (cli->checking)
        return CLI_OK;
    infos = cli_list(cli, &count);
    if (!infos)
        return cli_complain(cli, CLI_FAILED, "there is no memory left");
    json_open(&cli->json, "readers", '[');
    for (size_t i = 0; i < count; i++) {
        bool current = cli->reader && !strcmp(cli->reader->name, infos[i].name);
        cli_say(cli, "%s %-12s %-11s driver %-10s %s%s%s\n", current ? "*" : " ", infos[i].name,
                cli_state_word(infos[i].state), infos[i].driver, infos[i].vendor, infos[i].vendor[0] ? " " : "",
                infos[i].ifd_type);
        json_open(&cli->json, NULL, '{');
        json_string(&cli->json, "name", infos[i].name);
        json_bool(&cli->json, "current", current);
        json_string(&cli->json, "driver", infos[i].driver);
        json_string(&cli->json, "state", cli_state_word(infos[i].state));
        json_number(&cli->json, "state_code", infos[i].state);
        json_string(&cli->json, "vendor", infos[i].vendor);
        json_string(&cli->json, "type", infos[i].ifd_type);
        json_close(&cli->json, '}');
    }
    json_close(&cli->json, ']');
    if (count == 0)
        cli_say(cli, "There is no reader.\n");
    free(infos);
    return CLI_OK;
}

int cmd_use(struct cli *cli, int argc, char **argv)
{
    struct cli_reader *reader;
    NTSTATUS status;
    if (cli_count(cli, argc, argv, 1, 1) != CLI_OK)
        return CLI_USAGE;
    if (cli->checking)
        return CLI_OK;
    reader = cli_reader_open(cli, argv[1], &status);
    if (!reader) {
        cli->status = status;
        return cli_complain(cli, CLI_MISSING, "%s: %s; `list` shows the readers", argv[1],
                            status == STATUS_OBJECT_NAME_NOT_FOUND ? "there is no such reader"
                                                                   : smartcrd_status_text(status));
    }
    cli->reader = reader;
    json_string(&cli->json, "using", reader->name);
    return CLI_OK;
}

int cmd_add(struct cli *cli, int argc, char **argv)
{
    char why[256] = "", driver[64], name[SMARTCRD_NAME_MAX] = "", words[48];
    const char *wanted = argc > 1 ? argv[1] : cli->driver;
    NTSTATUS status;
    if (cli_count(cli, argc, argv, 0, 1) != CLI_OK)
        return CLI_USAGE;
    if (cli->checking)
        return CLI_OK;
    status = smartcrd_load_driver(cli->context, wanted, why, sizeof why);
    cli_driver_name(wanted, driver, sizeof driver);
    if (NT_SUCCESS(status)) {
        status = smartcrd_add_reader(cli->context, driver, name, sizeof name);
        if (status == STATUS_NOT_SUPPORTED)
            return CLI_OK; /* a driver that made its readers itself */
    }
    if (!NT_SUCCESS(status)) {
        cli->status = status;
        return cli_complain(cli, CLI_MISSING, "%s: %s%s%s", driver, cli_status_words(status, words, sizeof words),
                            why[0] ? ": " : "", why);
    }
    json_string(&cli->json, "added", name);
    cli_say(cli, "%s\n", name);
    if (!cli->reader)
        cli->reader = cli_reader_open(cli, name, &status);
    if (!cli->reader)
        return cli_complain(cli, CLI_MISSING, "the reader %s cannot be opened: %s", name,
                            cli_status_words(status, words, sizeof words));
    return CLI_OK;
}

static int say_state(struct cli *cli, uint32_t state)
{
    NTSTATUS slot;
    char text[256];
    uint8_t atr[64];
    uint32_t protocol;
    size_t size = sizeof atr;
    json_string(&cli->json, "state", cli_state_word(state));
    json_number(&cli->json, "state_code", state);
    cli_say(cli, "%s: %s%s%s, %s\n", cli->reader->name, cli_on(cli, CLI_STRONG), cli_state_word(state), cli_off(cli),
            cli_state_text(state));
    slot = cli_slot_status(cli->reader, text, sizeof text);
    if (NT_SUCCESS(slot) && text[0]) {
        json_string(&cli->json, "slot", text);
        cli_say(cli, "  slot      %s\n", text);
    }
    if (NT_SUCCESS(smartcrd_attribute(cli->reader->handle, SCARD_ATTR_ATR_STRING, atr, &size)) && size > 0 &&
        size <= sizeof atr) {
        json_hex(&cli->json, "atr", atr, size);
        cli_say(cli, "  ATR       ");
        cli_say_hex(cli, atr, size, 12);
        cli_say(cli, "\n");
    }
    size = sizeof protocol;
    if (NT_SUCCESS(smartcrd_attribute(cli->reader->handle, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &protocol, &size)) &&
        size == sizeof protocol && protocol != 0) {
        cli_protocol_word(protocol, text, sizeof text);
        json_string(&cli->json, "protocol", text);
        cli_say(cli, "  protocol  %s\n", text);
    }
    return slot == STATUS_INSUFFICIENT_RESOURCES ? cli_complain(cli, CLI_FAILED, "there is no memory left for the slot")
                                                 : CLI_OK;
}

int cmd_state(struct cli *cli, int argc, char **argv)
{
    const char *wait = NULL;
    uint32_t timeout = SMARTCRD_NO_TIMEOUT, state;
    const struct cli_option options[] = {
        {"--wait", CLI_STRING, &wait, 0, 0},
        {"--timeout", CLI_NUMBER, &timeout, 0, UINT32_MAX - 1},
    };
    NTSTATUS status;
    if (cli_options(cli, &argc, argv, options, 2) != CLI_OK || cli_count(cli, argc, argv, 0, 0) != CLI_OK)
        return CLI_USAGE;
    if (wait && strcmp(wait, "present") && strcmp(wait, "absent"))
        return cli_complain(cli, CLI_USAGE, "--wait takes present or absent, not \"%s\"", wait);
    if (cli->checking)
        return CLI_OK;
    if (wait) {
        struct smartcrd_request request = {
            .code = !strcmp(wait, "present") ? IOCTL_SMARTCARD_IS_PRESENT : IOCTL_SMARTCARD_IS_ABSENT,
            .timeout_ms = timeout,
        };
        status = smartcrd_control(cli->reader->handle, &request, NULL);
        if (!NT_SUCCESS(status))
            return cli_failed(cli, status);
    }
    status = smartcrd_state(cli->reader->handle, &state);
    if (!NT_SUCCESS(status))
        return cli_failed(cli, status);
    return say_state(cli, state);
}

int cmd_power(struct cli *cli, int argc, char **argv)
{
    static const char *const kinds[] = {"down", "cold", "warm"}; /* SCARD_POWER_DOWN, _COLD_RESET, _WARM_RESET */
    uint32_t timeout = SMARTCRD_NO_TIMEOUT, kind = SCARD_COLD_RESET;
    const struct cli_option options[] = {{"--timeout", CLI_NUMBER, &timeout, 0, UINT32_MAX - 1}};
    uint8_t atr[64];
    size_t size = sizeof atr;
    NTSTATUS status;
    if (cli_options(cli, &argc, argv, options, 1) != CLI_OK || cli_count(cli, argc, argv, 0, 1) != CLI_OK)
        return CLI_USAGE;
    if (argc > 1) {
        for (kind = 0; kind < 3 && strcmp(kinds[kind], argv[1]); kind++)
            ;
        if (kind == 3)
            return cli_complain(cli, CLI_USAGE, "power takes cold, warm or down, not \"%s\"", argv[1]);
    }
    if (cli->checking)
        return CLI_OK;
    json_string(&cli->json, "kind", kinds[kind]);
    status = smartcrd_power(cli->reader->handle, kind, atr, &size, timeout);
    if (!NT_SUCCESS(status))
        return cli_failed(cli, status);
    if (kind == SCARD_POWER_DOWN) {
        cli_say(cli, "The card is powered down.\n");
        return CLI_OK;
    }
    json_hex(&cli->json, "atr", atr, size);
    cli_say(cli, "ATR ");
    cli_say_hex(cli, atr, size, 4);
    cli_say(cli, "\n");
    return CLI_OK;
}

int cmd_protocol(struct cli *cli, int argc, char **argv)
{
    static const struct {
        const char *word;
        uint32_t bits;
    } words[] = {
        {"t0", SCARD_PROTOCOL_T0},
        {"t1", SCARD_PROTOCOL_T1},
        {"raw", SCARD_PROTOCOL_RAW},
        {"default", 0x80000000u},
        {"optimal", 0},
    };
    uint32_t timeout = SMARTCRD_NO_TIMEOUT, mask = 0, selected = 0;
    const struct cli_option options[] = {{"--timeout", CLI_NUMBER, &timeout, 0, UINT32_MAX - 1}};
    char text[32];
    NTSTATUS status;
    if (cli_options(cli, &argc, argv, options, 1) != CLI_OK)
        return CLI_USAGE;
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < sizeof words / sizeof *words && strcasecmp(words[k].word, argv[i]))
            k++;
        if (k == sizeof words / sizeof *words)
            return cli_complain(cli, CLI_USAGE, "\"%s\" is none of t0, t1, raw, default, optimal", argv[i]);
        mask |= words[k].bits;
    }
    if ((mask & ~0x80000000u) == 0)
        mask |= SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1;
    if (cli->checking)
        return CLI_OK;
    status = smartcrd_set_protocol(cli->reader->handle, mask, &selected, timeout);
    if (!NT_SUCCESS(status))
        return cli_failed(cli, status);
    cli_protocol_word(selected, text, sizeof text);
    json_string(&cli->json, "protocol", text);
    json_number(&cli->json, "protocol_code", selected);
    cli_say(cli, "%s\n", text);
    return CLI_OK;
}

int cmd_last_error(struct cli *cli, int argc, char **argv)
{
    NTSTATUS status, last;
    char words[48];
    if (cli_count(cli, argc, argv, 0, 0) != CLI_OK)
        return CLI_USAGE;
    if (cli->checking)
        return CLI_OK;
    status = smartcrd_last_error(cli->reader->handle, &last);
    if (!NT_SUCCESS(status))
        return cli_failed(cli, status);
    json_string(&cli->json, "last_error", smartcrd_status_name(last));
    json_number(&cli->json, "last_error_code", (int64_t)(uint32_t)last);
    json_string(&cli->json, "last_error_text", smartcrd_status_text(last));
    cli_say(cli, "%s%s%s: %s\n", cli_on(cli, NT_SUCCESS(last) ? CLI_GOOD : CLI_BAD),
            cli_status_words(last, words, sizeof words), cli_off(cli), smartcrd_status_text(last));
    return CLI_OK;
}
