/* SPDX-License-Identifier: MIT */
/*
 * What the suite needs of the system it runs on and Win32 has no name for. linux/port.c and windows/port.c.
 */
#ifndef CONFORMANCE_PORT_H
#define CONFORMANCE_PORT_H

#include "suite.h"

/* "Linux 6.1.0", "Wine 8.0", "Windows 10.0.19045". Static storage. */
const char *port_system(void);

/* Why this system cannot meet a need, whatever the reader; NULL: it can. */
const char *port_gap(enum need need);

/* Whether readers like `reader` can be plugged in: the reason why not, or NULL. */
const char *port_no_plug(const char *reader, bool is_virtual);

/* Plug in one more reader like `reader` and receive its name without \\.\; unplug it. false: it did not work, and `why`
 * says why. */
bool port_plug_in(const char *reader, char name[64], char *why, size_t size);
bool port_plug_out(const char *name, char *why, size_t size);

/* For the suite as a program of its own: make ready, and say the name of the reader to run on (`wanted`, or the one
 * that is there); false: there is none. Undo it. */
bool port_begin(const char *wanted, char name[64]);
void port_finish(void);

/* End the process at once with this exit code, other threads and all. */
void port_end(int code)
#ifdef __GNUC__
    __attribute__((noreturn))
#endif
    ;

#endif
