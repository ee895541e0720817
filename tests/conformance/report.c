/* SPDX-License-Identifier: MIT */
/* What the run tells: lines of text as it goes, and at its end JSON and JUnit XML. */
#include "port.h"
#include "run.h"

#include <string.h>

const char *verdict_word(enum verdict verdict)
{
    static const char *const words[] = {[PASSED] = "passed", [FAILED] = "failed", [SKIPPED] = "skipped"};
    return words[verdict];
}

/* A file's name without the folders of the build. */
static const char *base_name(const char *file)
{
    const char *base = file;
    for (; *file; file++)
        if (*file == '/' || *file == '\\')
            base = file + 1;
    return base;
}

static void place(const struct result *result, char *text, size_t size)
{
    text[0] = '\0';
    if (result->verdict == FAILED && result->file)
        snprintf(text, size, "%s:%d: ", base_name(result->file), result->line);
}

void report_result(const struct conform *run, const struct result *result)
{
    char where[128];
    if (run->options->silent || (run->options->quiet && result->verdict == SKIPPED))
        return;
    place(result, where, sizeof where);
    if (run->options->cmocka) {
        static const char *const marks[] = {[PASSED] = "       OK", [FAILED] = "  FAILED ", [SKIPPED] = "  SKIPPED"};
        if (result->reason[0])
            printf("%c_%s: %s%s\n", result->part->letter, result->check->name, where, result->reason);
        printf("[%s ] %c_%s\n", marks[result->verdict], result->part->letter, result->check->name);
    } else if (!run->options->quiet || result->verdict == FAILED) {
        printf("%-7s %c.%s (%lu ms)%s%s%s\n", verdict_word(result->verdict), result->part->letter, result->check->name,
               (unsigned long)result->ms, result->reason[0] ? ": " : "", where, result->reason);
        if (result->verdict == FAILED)
            printf("        rests on: %s\n", result->check->source);
    }
    fflush(stdout);
}

/* Why checks were skipped, and how many of each part for each reason. */
static void say_skips(const struct conform *run)
{
    for (size_t i = 0; i < run->count; i++) {
        const struct part *part = NULL;
        bool told = run->results[i].verdict != SKIPPED;
        for (size_t j = 0; j < i && !told; j++)
            told = run->results[j].verdict == SKIPPED && strcmp(run->results[j].reason, run->results[i].reason) == 0;
        if (told)
            continue;
        printf("left out, %s:", run->results[i].reason);
        for (size_t j = i; j < run->count; j++) {
            unsigned left = 0, all = 0;
            if (run->results[j].part == part)
                continue;
            part = run->results[j].part;
            for (size_t k = 0; k < run->count; k++) {
                all += run->results[k].part == part;
                left += run->results[k].part == part && run->results[k].verdict == SKIPPED &&
                        strcmp(run->results[k].reason, run->results[i].reason) == 0;
            }
            if (left > 0)
                printf(" %u of %u of part %c;", left, all, part->letter);
        }
        printf("\n");
    }
}

void report_totals(const struct conform *run)
{
    const struct part *part = NULL;
    struct totals all = totals_of(run, NULL);
    if (run->options->silent)
        return;
    printf("\n%s, %s (%s, %s), seed %lu\n", port_system(), run->reader, run->vendor, run->type,
           (unsigned long)run->options->seed);
    for (size_t i = 0; i < run->count; i++) {
        if (run->results[i].part != part) {
            struct totals totals;
            part = run->results[i].part;
            totals = totals_of(run, part);
            printf("%c  %-48s %4u passed %4u failed %4u skipped\n", part->letter, part->title, totals.passed,
                   totals.failed, totals.skipped);
        }
    }
    say_skips(run);
    printf("   %-48s %4u passed %4u failed %4u skipped, %llu ms\n", "all", all.passed, all.failed, all.skipped,
           (unsigned long long)all.ms);
    fflush(stdout);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

/* Anything that is not plain ASCII becomes \u00XX, byte by byte: reasons may quote what a reader sent. */
static void json_text(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(file, "\\%c", c);
        else if (c < 0x20 || c >= 0x7F)
            fprintf(file, "\\u%04x", c);
        else
            fputc(c, file);
    }
    fputc('"', file);
}

static void json_member(FILE *file, const char *name, const char *text)
{
    fprintf(file, "\"%s\":", name);
    json_text(file, text);
    fputc(',', file);
}

static void json_totals(FILE *file, const char *name, struct totals totals)
{
    fprintf(file, "\"%s\":{\"passed\":%u,\"failed\":%u,\"skipped\":%u,\"ms\":%llu}", name, totals.passed, totals.failed,
            totals.skipped, (unsigned long long)totals.ms);
}

void report_json(const struct conform *run, FILE *file)
{
    fputc('{', file);
    json_member(file, "system", port_system());
    json_member(file, "reader", run->reader);
    json_member(file, "vendor", run->vendor);
    json_member(file, "type", run->type);
    json_member(file, "time", run->time);
    fprintf(file, "\"seed\":%lu,\"checks\":[", (unsigned long)run->options->seed);
    for (size_t i = 0; i < run->count; i++) {
        const struct result *result = &run->results[i];
        char letter[2] = {result->part->letter, '\0'}, where[128];
        place(result, where, sizeof where);
        fputs(i ? ",\n{" : "\n{", file);
        json_member(file, "part", letter);
        json_member(file, "title", result->part->title);
        json_member(file, "name", result->check->name);
        json_member(file, "source", result->check->source);
        json_member(file, "result", verdict_word(result->verdict));
        json_member(file, "where", where);
        json_member(file, "reason", result->reason);
        fprintf(file, "\"ms\":%lu}", (unsigned long)result->ms);
    }
    fputs("],\n", file);
    json_totals(file, "totals", totals_of(run, NULL));
    fputs("}\n", file);
}

/* ---- JUnit XML --------------------------------------------------------------------------------------------------- */

/* Escaped for attributes and for text. XML 1.0 has no way to write most control characters: they become '?'; what is
 * not ASCII is written as the character of that number. */
static void xml_text(FILE *file, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'' || c == '\t' || c == '\n' || c == '\r' ||
            c >= 0x7F)
            fprintf(file, "&#%u;", c);
        else
            fputc(c < 0x20 ? '?' : c, file);
    }
}

static void xml_attribute(FILE *file, const char *name, const char *text)
{
    fprintf(file, " %s=\"", name);
    xml_text(file, text);
    fputc('"', file);
}

static void xml_totals(FILE *file, struct totals totals)
{
    fprintf(file, " tests=\"%u\" failures=\"%u\" errors=\"0\" skipped=\"%u\" time=\"%llu.%03u\"",
            totals.passed + totals.failed + totals.skipped, totals.failed, totals.skipped,
            (unsigned long long)(totals.ms / 1000), (unsigned)(totals.ms % 1000));
}

static void xml_case(FILE *file, const struct result *result)
{
    char where[128], class_name[16];
    place(result, where, sizeof where);
    snprintf(class_name, sizeof class_name, "conform.%c", result->part->letter);
    fputs("  <testcase", file);
    xml_attribute(file, "classname", class_name);
    xml_attribute(file, "name", result->check->name);
    fprintf(file, " time=\"%lu.%03lu\">\n", (unsigned long)result->ms / 1000, (unsigned long)result->ms % 1000);
    fputs("   <properties><property name=\"source\"", file);
    xml_attribute(file, "value", result->check->source);
    fputs("/></properties>\n", file);
    if (result->verdict != PASSED) {
        fputs(result->verdict == FAILED ? "   <failure" : "   <skipped", file);
        xml_attribute(file, "message", result->reason);
        fputs(">", file);
        xml_text(file, where);
        fputs(result->verdict == FAILED ? "</failure>\n" : "</skipped>\n", file);
    }
    fputs("  </testcase>\n", file);
}

static void xml_property(FILE *file, const char *name, const char *value)
{
    fputs("<property", file);
    xml_attribute(file, "name", name);
    xml_attribute(file, "value", value);
    fputs("/>", file);
}

void report_junit(const struct conform *run, FILE *file)
{
    const struct part *part = NULL;
    char seed[16];
    snprintf(seed, sizeof seed, "%lu", (unsigned long)run->options->seed);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"conform\"", file);
    xml_totals(file, totals_of(run, NULL));
    fputs(">\n", file);
    for (size_t i = 0; i < run->count; i++) {
        const struct result *result = &run->results[i];
        if (result->part != part) {
            char name[96];
            if (part)
                fputs(" </testsuite>\n", file);
            part = result->part;
            snprintf(name, sizeof name, "%c: %s", part->letter, part->title);
            fputs(" <testsuite", file);
            xml_attribute(file, "name", name);
            xml_attribute(file, "timestamp", run->time);
            xml_totals(file, totals_of(run, part));
            fputs(">\n  <properties>", file);
            xml_property(file, "system", port_system());
            xml_property(file, "reader", run->reader);
            xml_property(file, "vendor", run->vendor);
            xml_property(file, "seed", seed);
            fputs("</properties>\n", file);
        }
        xml_case(file, result);
    }
    fputs(part ? " </testsuite>\n</testsuites>\n" : "</testsuites>\n", file);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static bool write_file(const struct conform *run, const char *path,
                       void (*report)(const struct conform *run, FILE *file))
{
    bool good;
    FILE *file;
    if (!path)
        return true;
    file = strcmp(path, "-") == 0 ? stdout : fopen(path, "wb");
    if (file) {
        report(run, file);
        good = fflush(file) == 0 && !ferror(file);
        good &= file == stdout || fclose(file) == 0;
    } else {
        good = false;
    }
    if (!good)
        fprintf(stderr, "%s cannot be written\n", path);
    return good;
}

bool report_files(const struct conform *run)
{
    bool json = write_file(run, run->options->json, report_json);
    return write_file(run, run->options->junit, report_junit) && json;
}
