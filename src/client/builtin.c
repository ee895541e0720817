/* SPDX-License-Identifier: MIT */
/* The drivers that are linked into the library. */
#include "context.h"

DRIVER_INITIALIZE VReaderDriverEntry;

const struct builtin_driver builtin_drivers[] = {
    {"vreader", VReaderDriverEntry},
    {NULL, NULL},
};
