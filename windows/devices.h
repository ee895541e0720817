/* SPDX-License-Identifier: MIT */
/*
 * Virtual readers as devices of Plug and Play, for programs: add one, take one away, list them. Each is a device
 * enumerated by root with the hardware ID Root\VReader, installed from vreader.inf, as on any Windows. It needs an
 * administrator's rights.
 *
 * Any thread, one at a time. `why` (size bytes) says in words what failed, when something does.
 */
#ifndef WINDOWS_DEVICES_H
#define WINDOWS_DEVICES_H

#include <stdbool.h>
#include <stddef.h>

#define DEVICES_NAME 64

/* Whether readers can be added: vreader.inf, vreader.sys and smclib.sys lie beside this program. */
bool devices_possible(char *why, size_t size);

/* Add a reader and wait until it can be opened; name: how, without \\.\ ("vreader3"). */
bool devices_add(char name[DEVICES_NAME], char *why, size_t size);

/* Take the reader of that name away, whatever it is doing, and wait until nothing of that name can be opened. */
bool devices_remove(const char *name, char *why, size_t size);

/* Take away all of them; *count: how many there were. Those that never started, too. */
bool devices_remove_all(unsigned *count, char *why, size_t size);

/* Call `show` for each, with its name or NULL when it does not run. */
bool devices_each(void (*show)(const char *name), char *why, size_t size);

#endif
