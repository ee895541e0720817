/* SPDX-License-Identifier: MIT */
/* atr --file: judge a whole list of ATRs, a line for each one refused, and the counts. */
#include "cli.h"
#include "atr_file.h"
#include "words.h"
#include "../iso7816/atr.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct counts {
    unsigned lines, parsed, wildcards, refused;
    unsigned per_reason[64]; /* by enum iso7816_atr_result, the last for all above */
};

static void refuse(struct cli *cli, struct counts *counts, const char *text, size_t at, const char *reason)
{
    counts->refused++;
    json_open(&cli->json, NULL, '{');
    json_number(&cli->json, "line", counts->lines);
    json_string(&cli->json, "atr", text);
    json_number(&cli->json, "offset", (int64_t)at);
    json_string(&cli->json, "reason", reason);
    json_close(&cli->json, '}');
    cli_say(cli, "line %u: %s\n    byte %zu: %s\n", counts->lines, text, at, reason);
}

static void judge(struct cli *cli, struct counts *counts, char *line)
{
    static const char pattern[] = ".[]()*+?|\\^$";
    struct iso7816_atr atr;
    uint8_t bytes[512];
    size_t size, at = 0;
    const char *why;
    enum iso7816_atr_result result;

    for (size_t end = strlen(line); end > 0 && isspace((unsigned char)line[end - 1]);)
        line[--end] = '\0';
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = ' '; /* the line may come to a terminal */
    if (!isxdigit((unsigned char)line[0]))
        return;
    if (strpbrk(line, pattern)) {
        counts->wildcards++;
        return;
    }
    if (!hex_parse(line, bytes, sizeof bytes, &size, &why)) {
        refuse(cli, counts, line, 0, why);
        return;
    }
    result = iso7816_atr_parse(bytes, size, &atr, &at);
    if (result == ISO7816_ATR_OK) {
        counts->parsed++;
        return;
    }
    counts->per_reason[(unsigned)result < 63 ? (unsigned)result : 63]++;
    refuse(cli, counts, line, at, iso7816_atr_text(result));
}

static void say_counts(struct cli *cli, const struct counts *counts)
{
    json_number(&cli->json, "lines", counts->lines);
    json_number(&cli->json, "parsed", counts->parsed);
    json_number(&cli->json, "refused_count", counts->refused);
    json_number(&cli->json, "wildcards_skipped", counts->wildcards);
    cli_say(cli, "%u parsed, %u refused, %u with wildcards skipped\n", counts->parsed, counts->refused,
            counts->wildcards);
    json_open(&cli->json, "reasons", '[');
    for (unsigned i = 1; i < 63; i++) {
        const char *text = counts->per_reason[i] ? iso7816_atr_text((enum iso7816_atr_result)i) : NULL;
        if (!text)
            continue;
        cli_say(cli, "  %5u  %s\n", counts->per_reason[i], text);
        json_open(&cli->json, NULL, '{');
        json_string(&cli->json, "reason", text);
        json_number(&cli->json, "count", counts->per_reason[i]);
        json_close(&cli->json, '}');
    }
    json_close(&cli->json, ']');
}

int atr_file(struct cli *cli, const char *path)
{
    bool standard = !strcmp(path, "-");
    FILE *file = standard ? stdin : fopen(path, "re");
    struct counts counts = {0};
    char *line = NULL;
    size_t room = 0;
    int code = CLI_OK;
    if (!file)
        return cli_complain(cli, CLI_FILE, "%s: %s", path, strerror(errno));
    json_open(&cli->json, "refused", '[');
    while (getline(&line, &room, file) > 0) {
        counts.lines++;
        judge(cli, &counts, line);
    }
    json_close(&cli->json, ']');
    if (ferror(file))
        code = cli_complain(cli, CLI_FILE, "%s: %s", path, strerror(errno));
    say_counts(cli, &counts);
    if (!standard)
        fclose(file);
    free(line);
    return code;
}
