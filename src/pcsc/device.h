/* SPDX-License-Identifier: MIT */
/*
 * How DEVICENAME in reader.conf names a reader: KIND:REST, in double quotes when there are blanks in it. (Without the colon
 * pcscd takes it for a file and looks whether it is there.)
 *
 *   vreader:                 a virtual reader without a card
 *   vreader:CARD             with a card, as smartcrd-vreader(7) describes it: "vreader:fs pin=1234"
 *   vreader:script=FILE      with the scripted card of that file
 *   vreader:CARD | CARD ...  with a slot for each; nothing between the bars is an empty slot
 *   vpcd:[port=N ...]        a virtual reader with a card simulator behind it: "vreader:vpcd port=N"
 *   driver:/PATH/D.so [N]    the readers of a driver, each a slot: those that it makes itself, or N of them (1)
 *
 * Behind KIND may stand ",timeout=MS", how long an operation may take (60000).
 */
#ifndef PCSC_DEVICE_H
#define PCSC_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_SLOTS    16 /* with more, pcscd drops the reader without a word */
#define DEVICE_NAME_MAX 1024

struct device_name {
    char text[DEVICE_NAME_MAX + 8]; /* what the rest points into */
    uint32_t timeout_ms;
    const char *driver;              /* "vreader", or a path */
    unsigned slots;                  /* wanted */
    const char *cards[DEVICE_SLOTS]; /* of a virtual reader: trimmed, "" for none */
};

/* false: `why` says what is wrong. */
bool device_parse(const char *text, struct device_name *name, char *why, size_t why_size);

#endif
