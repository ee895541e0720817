/* SPDX-License-Identifier: MIT */
/*
 * conform: the suite as a program of its own, for Windows and Wine (conform.exe SCReader0). The Linux one brings its
 * virtual reader with it; `smartcrd conform` runs the suite on any other.
 */
#include "port.h"
#include "run.h"

#include <string.h>
#include <time.h>

int main(int argc, char **argv)
{
    struct conform_options options = {.seed = (uint32_t)time(NULL), .limit = 60};
    struct conform run = {.options = &options};
    char why[160];
    int code;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        printf("usage: conform [READER] [OPTIONS]\n\nRuns the conformance suite on a smart card reader.\n\n%s\n\n"
               "Exit codes: 0 nothing failed; 1 a check failed; 2 bad input; 3 no such reader.\n",
               CONFORM_HELP);
        return CONFORM_PASSED;
    }
    if (!conform_parse(&options, argc - 1, argv + 1, why, sizeof why)) {
        fprintf(stderr, "conform: %s\n", why);
        return CONFORM_USAGE;
    }
    if (options.list)
        return conform_list(&run);
    if (!port_begin(options.reader, run.reader)) {
        fprintf(stderr, "conform: there is no reader\n");
        return CONFORM_MISSING;
    }
    code = conform_run(&run);
    conform_free(&run);
    port_finish();
    return code;
}
