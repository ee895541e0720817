/* SPDX-License-Identifier: MIT */
/*
 * Run a corpus through a harness, without libFuzzer: replay FILE.hex...
 *
 * A corpus is text: lines of hex digits, each one input ("-" is the empty one), comments from # to the line's end.
 */
#include "fuzz.h"

#include <errno.h>

static int digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Turn a line into bytes, in its own place. false: it is none. */
static bool unhex(char *line, size_t *size)
{
    uint8_t *out = (uint8_t *)line;
    const char *at = line;

    *size = 0;
    if (strcmp(line, "-") == 0)
        return true;
    for (; *at != '\0'; at += 2) {
        int high = digit((unsigned char)at[0]), low = high < 0 ? -1 : digit((unsigned char)at[1]);

        if (low < 0)
            return false;
        out[(*size)++] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool replay(const char *path)
{
    FILE *file = fopen(path, "r");
    unsigned number = 0, inputs = 0;
    size_t room = 0;
    char *line = NULL;
    bool fine = false;

    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        goto out;
    }
    while (getline(&line, &room, file) >= 0) {
        struct exact input;
        size_t size;

        number++;
        line[strcspn(line, "# \t\r\n")] = '\0';
        if (line[0] == '\0')
            continue;
        if (!unhex(line, &size)) {
            fprintf(stderr, "%s:%u: not hex\n", path, number);
            goto out;
        }
        input = exact_copy((const uint8_t *)line, size);
        (void)LLVMFuzzerTestOneInput(input.bytes, input.size);
        drop(&input);
        inputs++;
    }
    printf("%s: %u inputs\n", path, inputs);
    fine = inputs > 0;
out:
    free(line);
    if (file != NULL)
        fclose(file);
    return fine;
}

int main(int argc, char **argv)
{
    bool fine = argc > 1;

    for (int i = 1; i < argc; i++)
        fine = replay(argv[i]) && fine;
    return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
