/* SPDX-License-Identifier: MIT */
/*
 * vreader-setup.exe: install virtual readers on a Windows system, and take them away. What it does is done by devices.c;
 * it wants vreader.inf, vreader.sys and smclib.sys in its own folder, and an administrator.
 */
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices.h"

#define MAX_READERS 100

static int complain(const char *why)
{
    fprintf(stderr, "vreader-setup: %s\n", why);
    return 1;
}

static int usage(void)
{
    fputs("vreader-setup add [COUNT]     add readers (1), and say their names\n"
          "vreader-setup remove NAME     take one away\n"
          "vreader-setup remove-all      take all of them away\n"
          "vreader-setup list            say which there are\n",
          stderr);
    return 2;
}

static int add(const char *count)
{
    char name[DEVICES_NAME], why[200];
    char *end = NULL;
    long left = count != NULL ? strtol(count, &end, 10) : 1;

    if (left < 1 || left > MAX_READERS || (end != NULL && *end != '\0')) {
        return usage();
    }
    for (; left > 0; left--) {
        if (!devices_add(name, why, sizeof why)) {
            return complain(why);
        }
        puts(name);
    }
    return 0;
}

static int remove_all(void)
{
    char why[200];
    unsigned count;

    if (!devices_remove_all(&count, why, sizeof why)) {
        return complain(why);
    }
    printf("%u\n", count);
    return 0;
}

static void show(const char *name)
{
    puts(name != NULL ? name : "(a reader that does not run)");
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    char why[200];

    if (strcmp(verb, "add") == 0 && argc <= 3) {
        return add(argv[2]);
    }
    if (strcmp(verb, "remove") == 0 && argc == 3) {
        return devices_remove(argv[2], why, sizeof why) ? 0 : complain(why);
    }
    if (strcmp(verb, "remove-all") == 0 && argc == 2) {
        return remove_all();
    }
    if (strcmp(verb, "list") == 0 && argc == 2) {
        return devices_each(show, why, sizeof why) ? 0 : complain(why);
    }
    return usage();
}
