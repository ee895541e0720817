/* SPDX-License-Identifier: MIT */
/* The device interface class of readers (smclib.md 1.3). On Windows winsmcrd.h defines it itself. */
#include "private.h"

#ifndef _WIN32
const GUID SmartCardReaderGuid = {0x50DD5230, 0xBA8A, 0x11D1, {0xBF, 0x5D, 0x00, 0x00, 0xF8, 0x05, 0xF5, 0x30}};
#endif
