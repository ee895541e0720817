/* SPDX-License-Identifier: MIT */
/* Writes a JSON and a JUnit report with all that needs care in their texts: reports.py reads them back. */
#include "run.h"

#include <string.h>

static void nothing(struct suite *suite)
{
}

int main(int argc, char **argv)
{
    static const struct check checks[] = {
        {"passes", "a page, <b> & \"c\"", 0, nothing},
        {"fails", "ISO/IEC 7816-3, 11.6.3.2", 0, nothing},
        {"skipped", "]]> --> ' \\", 0, nothing},
    };
    static const struct part part = {'T', "less < more & \"most\"", checks, 3};
    static const struct part *const parts[] = {&part, NULL};
    struct conform_options options = {.json = argv[1], .junit = argv[2], .seed = 4294967295u};
    struct result results[3] = {
        {.part = &part, .check = &checks[0], .verdict = PASSED, .ms = 1500},
        {.part = &part, .check = &checks[1], .verdict = FAILED, .file = "../far/away/part_t.c", .line = 12, .ms = 7},
        {.part = &part, .check = &checks[2], .verdict = SKIPPED},
    };
    struct conform run = {.options = &options,
                          .parts = parts,
                          .reader = "vreader0",
                          .vendor = "a\"b\\c<d>&e",
                          .type = "\xFF\x01",
                          .time = "2026-01-31T12:00:00Z",
                          .results = results,
                          .count = 3};
    strcpy(results[1].reason, "<&\"'>]]>\t\n\r\x01\x1F\x7F\xE4 {}[],\\u0041");
    strcpy(results[2].reason, "no card in the reader");
    return argc == 3 && report_files(&run) ? 0 : 1;
}
