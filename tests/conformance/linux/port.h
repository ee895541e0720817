/* SPDX-License-Identifier: MIT */
/*
 * The ground that the Win32 names stand on here: one context of smartcrd.h at a time. What calls them is windows.h's
 * business; what a reader is, the context's.
 */
#ifndef CONFORMANCE_LINUX_PORT_H
#define CONFORMANCE_LINUX_PORT_H

#include <smartcrd/smartcrd.h>

/* From now on CreateFile opens devices of this context. Not while files are open. */
void win32_attach(struct smartcrd *context);

/* Close every handle that is still open, wait for the threads of CreateThread, stop the reaper. The context is the
 * caller's to destroy. Not while another thread is in a call of windows.h. */
void win32_detach(void);

/* The context, NULL when there is none. */
struct smartcrd *win32_context(void);

/* The name of the driver from which port_plug_in takes readers; kept, not copied. */
void port_driver(const char *driver);

/* The Win32 error that stands for an NTSTATUS, as RtlNtStatusToDosError has it. */
uint32_t win32_error(NTSTATUS status);

#endif
