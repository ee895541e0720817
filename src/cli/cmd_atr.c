/* SPDX-License-Identifier: MIT */
/* atr: an answer to reset in words. Parsing is iso7816's; lists of ATRs are atr_file.c's. */
#include "cli.h"
#include "atr_file.h"
#include "historical.h"
#include "words.h"
#include "../iso7816/timing.h"

#include <stdarg.h>
#include <string.h>

#define DEFAULT_KHZ 3571 /* 9600 bit/s with F = 372 */

static void fact(struct cli *cli, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void fact(struct cli *cli, const char *name, const char *format, ...)
{
    char text[640];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    cli_say(cli, "  %-22s %s\n", name, text);
}

/* Undo the inverse convention: a raw TS arrives as 03 (ISO/IEC 7816-3:2006, 8.1). */
static void uninvert(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t from = (uint8_t)~bytes[i], to = 0;
        for (int bit = 0; bit < 8; bit++)
            if (from & 1u << bit)
                to = (uint8_t)(to | 0x80u >> bit);
        bytes[i] = to;
    }
}

static void say_levels(struct cli *cli, const struct iso7816_atr *atr)
{
    json_open(&cli->json, "interface_bytes", '[');
    for (unsigned i = 0; i < atr->level_count && i < ISO7816_ATR_LEVELS; i++) {
        const struct iso7816_atr_level *level = &atr->level[i];
        const uint8_t values[] = {level->ta, level->tb, level->tc, level->td};
        char text[64] = "", name[16];
        size_t at = 0;
        json_open(&cli->json, NULL, '{');
        for (unsigned k = 0; k < 4; k++) {
            if (!(level->present & 1u << k))
                continue;
            snprintf(name, sizeof name, "T%c%u", 'A' + (int)k, i + 1);
            json_hex(&cli->json, name, &values[k], 1);
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s = %02X", at ? ", " : "", name, values[k]);
        }
        json_close(&cli->json, '}');
        if (!text[0])
            continue;
        snprintf(name, sizeof name, "for T=%u", level->protocol);
        fact(cli, i == 0 ? "interface bytes" : "", "%-42s %s%s%s", text, cli_on(cli, CLI_DIM),
             level->protocol > 15 || level->protocol == 15 ? "for all protocols" : name, cli_off(cli));
    }
    json_close(&cli->json, ']');
}

static void say_protocols(struct cli *cli, const struct iso7816_atr *atr)
{
    char text[96] = "";
    size_t at = 0;
    json_open(&cli->json, "protocols", '[');
    for (unsigned t = 0; t < 15; t++) {
        if (!(atr->protocols & 1u << t))
            continue;
        json_number(&cli->json, NULL, t);
        at += (size_t)snprintf(text + at, sizeof text - at, "%sT=%u", at ? ", " : "", t);
    }
    json_close(&cli->json, ']');
    json_number(&cli->json, "first_protocol", atr->first_protocol);
    json_bool(&cli->json, "specific_mode", atr->specific);
    fact(cli, "protocols", "%s; T=%u without PPS", text, atr->specific ? atr->specific_protocol : atr->first_protocol);
    if (atr->specific)
        fact(cli, "mode", "specific: T=%u, %s, %s", atr->specific_protocol,
             atr->specific_implicit ? "at a rate that the card does not tell" : "at the rate below, at once",
             atr->specific_can_change ? "can become negotiable" : "cannot become negotiable");
    else
        fact(cli, "mode", "negotiable");
}

static void say_rate(struct cli *cli, const char *key, const char *name, unsigned f, unsigned d, unsigned khz)
{
    /* etu = F / (D * clock) (7.1) */
    unsigned long long bits = (unsigned long long)khz * 1000 * d / f;
    json_open(&cli->json, key, '{');
    json_number(&cli->json, "F", f);
    json_number(&cli->json, "D", d);
    json_number(&cli->json, "bits_per_second", (int64_t)bits);
    json_close(&cli->json, '}');
    fact(cli, name, "F = %u, D = %u: %llu bit/s, an etu of %.3f us", f, d, bits,
         (double)f * 1000.0 / ((double)d * khz));
}

static void say_time(struct cli *cli, const char *key, const char *name, uint64_t etu, uint64_t ns)
{
    json_open(&cli->json, key, '{');
    json_number(&cli->json, "etu", (int64_t)etu);
    json_number(&cli->json, "ns", (int64_t)ns);
    json_close(&cli->json, '}');
    fact(cli, name, "%llu etu = %.3f ms", (unsigned long long)etu, (double)ns / 1e6);
}

/* Waiting times at the default rate and, where the ATR offers another, at that one. */
static void say_times(struct cli *cli, const struct iso7816_atr *atr, unsigned khz)
{
    const uint8_t rates[2][2] = {{1, 1}, {atr->fi, atr->di}};
    bool other = iso7816_f(atr->fi) != 372 || iso7816_d(atr->di) != 1;
    other = other && iso7816_f(atr->fi) && iso7816_d(atr->di);
    json_open(&cli->json, "times", '[');
    for (int i = 0; i < (other ? 2 : 1); i++) {
        struct iso7816_timing times;
        char title[64];
        json_open(&cli->json, NULL, '{');
        json_number(&cli->json, "Fi", rates[i][0]);
        json_number(&cli->json, "Di", rates[i][1]);
        snprintf(title, sizeof title, "times at F/D = %u/%u", iso7816_f(rates[i][0]), iso7816_d(rates[i][1]));
        cli_say(cli, "  %s\n", title);
        if (atr->protocols & 1) {
            iso7816_timing(atr, 0, rates[i][0], rates[i][1], khz, &times);
            say_time(cli, "wwt", "  T=0 WT  waiting", times.wwt_etu, times.wwt_ns);
        }
        if (atr->protocols & 2) {
            iso7816_timing(atr, 1, rates[i][0], rates[i][1], khz, &times);
            say_time(cli, "cwt", "  T=1 CWT character", times.cwt_etu, times.cwt_ns);
            say_time(cli, "bwt", "  T=1 BWT block", times.bwt_etu, times.bwt_ns);
        }
        iso7816_timing(atr, atr->protocols & 1 ? 0 : 1, rates[i][0], rates[i][1], khz, &times);
        say_time(cli, "gt", "  GT      guard", times.gt_etu, times.gt_ns);
        json_close(&cli->json, '}');
    }
    json_close(&cli->json, ']');
}

static void say_card(struct cli *cli, const struct iso7816_atr *atr)
{
    static const char *const stop[] = {"not supported", "state L", "state H", "either state"};
    if (atr->protocols & 1) {
        json_number(&cli->json, "WI", atr->wi);
        fact(cli, "T=0", "WI = %u", atr->wi);
    }
    if (atr->protocols & 2) {
        json_number(&cli->json, "IFSC", atr->ifsc);
        json_number(&cli->json, "BWI", atr->bwi);
        json_number(&cli->json, "CWI", atr->cwi);
        json_string(&cli->json, "EDC", atr->crc ? "CRC" : "LRC");
        fact(cli, "T=1", "IFSC = %u bytes, BWI = %u, CWI = %u, EDC is %s", atr->ifsc, atr->bwi, atr->cwi,
             atr->crc ? "a CRC" : "an LRC");
    }
    json_number(&cli->json, "N", atr->n);
    if (atr->n == 255)
        fact(cli, "extra guard time", "N = 255: none, the shortest the protocol allows");
    else
        fact(cli, "extra guard time", "N = %u", atr->n);
    if (atr->classes) {
        char text[32];
        snprintf(text, sizeof text, "%s%s%s", atr->classes & 1 ? " A (5 V)" : "", atr->classes & 2 ? " B (3 V)" : "",
                 atr->classes & 4 ? " C (1.8 V)" : "");
        json_number(&cli->json, "classes", atr->classes);
        fact(cli, "voltage classes", "%s; clock stop: %s", text[0] ? text + 1 : "reserved", stop[atr->clock_stop & 3]);
    }
    if (atr->has_vpp)
        fact(cli, "programming voltage", "TB1 is there; deprecated, to be ignored");
}

static void say_historical(void *context, const char *name, const char *text)
{
    struct cli *cli = context;
    json_open(&cli->json, NULL, '{');
    json_string(&cli->json, "name", name);
    json_string(&cli->json, "text", text);
    json_close(&cli->json, '}');
    cli_say(cli, "    %-20s %s\n", name, text);
}

static int explain(struct cli *cli, uint8_t *bytes, size_t size, unsigned khz)
{
    struct iso7816_atr atr;
    bool inverted = size > 0 && bytes[0] == 0x03;
    enum iso7816_atr_result result;
    size_t at = 0;
    if (inverted)
        uninvert(bytes, size);
    result = iso7816_atr_parse(bytes, size, &atr, &at);
    json_hex(&cli->json, "atr", bytes, size);
    json_bool(&cli->json, "valid", result == ISO7816_ATR_OK);
    if (result != ISO7816_ATR_OK) {
        json_number(&cli->json, "offset", (int64_t)at);
        return cli_complain(cli, CLI_FAILED, "no valid ATR, at byte %zu: %s", at, iso7816_atr_text(result));
    }
    cli_say(cli, "ATR ");
    cli_say_hex(cli, bytes, size, 4);
    cli_say(cli, "\n");
    json_string(&cli->json, "convention", atr.convention == ISO7816_INVERSE ? "inverse" : "direct");
    fact(cli, "convention", "%s%s", atr.convention == ISO7816_INVERSE ? "inverse" : "direct",
         inverted ? " (shown decoded)" : "");
    say_levels(cli, &atr);
    say_protocols(cli, &atr);
    json_number(&cli->json, "clock_khz", khz);
    json_number(&cli->json, "fmax_khz", atr.fmax_khz);
    fact(cli, "clock", "%u.%03u MHz assumed, the card takes at most %u.%u MHz", khz / 1000, khz % 1000,
         (unsigned)atr.fmax_khz / 1000, (unsigned)atr.fmax_khz % 1000 / 100);
    say_rate(cli, "default_rate", "rate, default", 372, 1, khz);
    if (atr.f && atr.d && (atr.f != 372 || atr.d != 1))
        say_rate(cli, "offered_rate", "rate, offered", atr.f, atr.d, khz);
    say_card(cli, &atr);
    if (atr.protocols & 3)
        say_times(cli, &atr, khz);
    json_hex(&cli->json, "historical_bytes", atr.historical, atr.historical_count);
    json_open(&cli->json, "historical", '[');
    if (atr.historical_count > 0) {
        char text[64];
        fact(cli, "historical bytes", "%s", cli_hex_words(atr.historical, atr.historical_count, text, sizeof text));
        historical_decode(atr.historical, atr.historical_count, say_historical, cli);
    }
    json_close(&cli->json, ']');
    if (atr.has_tck)
        fact(cli, "TCK", "%02X, right", atr.tck);
    return CLI_OK;
}

static int from_card(struct cli *cli, unsigned khz)
{
    uint8_t bytes[64];
    size_t size = sizeof bytes;
    NTSTATUS status;
    char words[48];
    int code = cli_start(cli);
    if (code != CLI_OK)
        return code;
    if (!cli->reader)
        return cli_complain(cli, CLI_MISSING, "there is no reader; give the ATR in hex");
    json_string(&cli->json, "reader", cli->reader->name);
    status = smartcrd_attribute(cli->reader->handle, SCARD_ATTR_ATR_STRING, bytes, &size);
    if (NT_SUCCESS(status) && size <= sizeof bytes)
        return explain(cli, bytes, size, khz);
    cli->status = status;
    return cli_complain(cli, CLI_FAILED, "%s: there is no ATR; `insert` and `power` first, or give one in hex",
                        cli_status_words(status, words, sizeof words));
}

int cmd_atr(struct cli *cli, int argc, char **argv)
{
    const char *file = NULL, *why;
    uint32_t khz = DEFAULT_KHZ;
    const struct cli_option options[] = {
        {"--file", CLI_STRING, &file, 0, 0},
        {"--clock", CLI_NUMBER, &khz, 100, 100000},
    };
    uint8_t bytes[64];
    char text[256] = "";
    size_t size = 0;
    if (cli_options(cli, &argc, argv, options, 2) != CLI_OK)
        return CLI_USAGE;
    if (!file && argc == 2 && !strcmp(argv[1], "-"))
        file = "-";
    else if (file && argc > 1)
        return cli_complain(cli, CLI_USAGE, "give either an ATR or --file, not both");
    if (file)
        return cli->checking ? CLI_OK : atr_file(cli, file);
    /* The bytes may be separate words: no other reading is possible. */
    for (int i = 1; i < argc; i++) {
        size_t at = strlen(text);
        if (snprintf(text + at, sizeof text - at, "%s ", argv[i]) >= (int)(sizeof text - at))
            return cli_complain(cli, CLI_USAGE, "this is too long, an ATR has at most 33 bytes");
    }
    if (argc > 1 && !hex_parse(text, bytes, sizeof bytes, &size, &why))
        return cli_complain(cli, CLI_USAGE, "\"%.*s\" is no ATR in hex: %s", (int)strlen(text) - 1, text, why);
    if (cli->checking)
        return CLI_OK;
    return argc > 1 ? explain(cli, bytes, size, khz) : from_card(cli, khz);
}
