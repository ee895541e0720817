/* SPDX-License-Identifier: MIT */
/*
 * What the programs share that test the IFD handler without pcscd: its entry points, loaded from SMARTCRD_IFD_HANDLER, and
 * the usual calls of them.
 */
#ifndef TESTS_PCSC_HANDLER_KIT_H
#define TESTS_PCSC_HANDLER_KIT_H

#include "src/pcsc/tool.h"

#include <PCSC/ifdhandler.h>
#include <PCSC/reader.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define SLOT(reader, slot)     ((DWORD)(reader) << 16 | (slot))
#define WINDOWS_CODE(function) ((DWORD)(0x310000 | (function) << 2))

struct ifd_entries {
    RESPONSECODE (*open)(DWORD, LPSTR);
    RESPONSECODE (*open_number)(DWORD, DWORD);
    RESPONSECODE (*close)(DWORD);
    RESPONSECODE (*get)(DWORD, DWORD, PDWORD, PUCHAR);
    RESPONSECODE (*set)(DWORD, DWORD, DWORD, PUCHAR);
    RESPONSECODE (*protocol)(DWORD, DWORD, UCHAR, UCHAR, UCHAR, UCHAR);
    RESPONSECODE (*power)(DWORD, DWORD, PUCHAR, PDWORD);
    RESPONSECODE (*transmit)(DWORD, SCARD_IO_HEADER, PUCHAR, DWORD, PUCHAR, PDWORD, PSCARD_IO_HEADER);
    RESPONSECODE (*presence)(DWORD);
    RESPONSECODE (*control)(DWORD, DWORD, PUCHAR, DWORD, PUCHAR, DWORD, LPDWORD);
    RESPONSECODE (*wait)(DWORD, int);
    RESPONSECODE (*wake)(DWORD);
};
extern struct ifd_entries ifd;

uint64_t now_ms(void);
void sleep_ms(unsigned ms);

RESPONSECODE open_name(DWORD lun, const char *name);
/* The driver in SMARTCRD_HANGING_DRIVER; options as they stand before the colon of its name: "", ",timeout=100". */
RESPONSECODE open_hanging(DWORD lun, const char *options);
/* As pcscd does that has a polling thread; sets ifd.wait and ifd.wake. */
void watch(DWORD lun);
/* A vendor code of the virtual reader, with text or without. */
RESPONSECODE vendor(DWORD lun, unsigned function, const char *text);
RESPONSECODE power(DWORD lun, DWORD action);
/* A short command over T=1 that the echo card answers with 4 bytes. */
RESPONSECODE exchange(DWORD lun, DWORD *size);
/* A card with power that speaks T=1. */
void start_card(DWORD lun);

/* For cmocka: find the entry points; close what a failed test left open, which would fail the next ones. */
int load(void **state);
int close_all(void **state);

#endif
