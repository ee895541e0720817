/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

/* pcscd's own (debuglog.h); a program that loads the handler without pcscd has none. */
extern void log_msg(int priority, const char *format, ...) __attribute__((weak));
#define PRIORITY_ERROR 2

void log_error(const char *format, ...)
{
    char line[1024];
    va_list words;

    va_start(words, format);
    vsnprintf(line, sizeof(line), format, words);
    va_end(words);
    if (log_msg)
        log_msg(PRIORITY_ERROR, "smartcrd: %s", line);
    else
        fprintf(stderr, "smartcrd: %s\n", line);
}
