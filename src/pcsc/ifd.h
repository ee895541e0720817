/* SPDX-License-Identifier: MIT */
/*
 * Between the IFD handler's entry points and what does the work: plain C types, because pcsc-lite's wintypes.h and
 * smartcrd's ntdef.h both define ULONG and LONG, and not alike. ifdhandler.c includes this and pcsc-lite's headers, the
 * other files this and smartcrd.h.
 *
 * pcscd knows a slot by its Lun (reader << 16 | slot). Numbers of results, tags and actions are those of ifdhandler.h of
 * pcsc-lite 1.9.9; ifdhandler.c asserts that they are.
 *
 * Threads: any; pcscd calls for several slots, and the polling function beside everything else, at the same time.
 */
#ifndef PCSC_IFD_H
#define PCSC_IFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IFD_ATR_MAX 33

enum ifd_result {
    IFD_OK = 0,
    IFD_TAG_UNKNOWN = 600,
    IFD_SET_FAILED = 601,
    IFD_READ_ONLY = 602,
    IFD_PTS_FAILED = 605,
    IFD_PROTOCOL_REFUSED = 607,
    IFD_POWER_FAILED = 608,
    IFD_FAILED = 612,
    IFD_TIMED_OUT = 613,
    IFD_REFUSED = 614,
    IFD_PRESENT = 615,
    IFD_ABSENT = 616,
    IFD_GONE = 617,
    IFD_TOO_SMALL = 618,
};

enum ifd_action { IFD_UP = 500, IFD_DOWN = 501, IFD_WARM = 502 };

enum ifd_pts { IFD_PTS1 = 1, IFD_PTS2 = 2, IFD_PTS3 = 4 };

/* ---- slot.c: channels ---------------------------------------------------------------------------------------------- */

/* Open the device (device.h says how it is named). IFD_OK, IFD_GONE (no such device), IFD_FAILED. Why it could not be
 * opened is logged. */
enum ifd_result ifd_open(uint32_t lun, const char *device);
enum ifd_result ifd_close(uint32_t lun);

/* ---- card.c: power, protocol, exchange ----------------------------------------------------------------------------- */

/* atr: IFD_ATR_MAX bytes; *size receives its length, 0 unless IFD_OK. */
enum ifd_result ifd_power(uint32_t lun, unsigned action, uint8_t *atr, size_t *size);

/* protocol: 1 T=0, 2 T=1, 4 raw. flags say which of PTS1 to PTS3 count; 0: the best that card and reader have. */
enum ifd_result ifd_set_protocol(uint32_t lun, unsigned protocol, unsigned flags, uint8_t pts1);

/* *reply_size: in, the room; out, the answer's length with SW1 SW2, 0 unless IFD_OK. */
enum ifd_result ifd_transmit(uint32_t lun, const uint8_t *command, size_t size, uint8_t *reply, size_t *reply_size);

/* ---- presence.c: is there a card, and when does that change -------------------------------------------------------- */

/* IFD_PRESENT, IFD_ABSENT, IFD_GONE. A card that was swapped is absent once before it is present. For the thread that
 * calls ifd_wait, and for all before the first call when ifd_watch has announced it, the answer changes only while that
 * thread is in ifd_wait; others hear of a change that is to be told there next. */
enum ifd_result ifd_presence(uint32_t lun);
enum ifd_result ifd_watch(uint32_t lun);

/* Sleep until ifd_presence has something new to say, timeout_ms have passed (negative: no limit), or ifd_wake. What
 * contradicts what another thread was told a moment ago waits for a tenth of a second. IFD_GONE: the reader has gone;
 * that, too, sleeps. */
enum ifd_result ifd_wait(uint32_t lun, int timeout_ms);
enum ifd_result ifd_wake(uint32_t lun);

/* ---- capability.c -------------------------------------------------------------------------------------------------- */

/* How many slots the reader of this Lun has, its card's answer to reset, an attribute. *size: in, the room; out, the
 * length, untouched unless IFD_OK. */
enum ifd_result ifd_slots(uint32_t lun, unsigned *slots);
enum ifd_result ifd_atr(uint32_t lun, uint8_t *atr, size_t *size);
enum ifd_result ifd_attribute(uint32_t lun, uint32_t tag, uint8_t *value, size_t *size);
enum ifd_result ifd_set_attribute(uint32_t lun, uint32_t tag, const uint8_t *value, size_t size);

/* ---- control.c ----------------------------------------------------------------------------------------------------- */

/* A control code of SCardControl, pcsc-lite's form or Windows'. *returned: bytes of out, 0 unless IFD_OK. */
enum ifd_result ifd_control(uint32_t lun, uint32_t code, const uint8_t *in, size_t in_size, uint8_t *out,
                            size_t out_size, size_t *returned);

#endif
