/* SPDX-License-Identifier: MIT */
/*
 * What the IFD handler adds to the control codes of SCardControl. A program gives SCARD_CTL_CODE of pcsc-lite the
 * function number (`SMARTCRD_PCSC_JOURNAL_FUNCTION`), or SCardControl the code itself.
 */
#ifndef SMARTCRD_PCSC_H
#define SMARTCRD_PCSC_H

/*
 * The reader's journal as text (ASCII, no NUL), an entry a line, the oldest first: sequence number, control code,
 * status, layer, bytes in, bytes out, duration in microseconds, and what happened in words. No input. When the output
 * has no room for all, the oldest are left out.
 */
#define SMARTCRD_PCSC_JOURNAL_FUNCTION 4000
#define SMARTCRD_PCSC_JOURNAL          0x00313E80 /* Windows' SCARD_CTL_CODE(4000) */

#endif
