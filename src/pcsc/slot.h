/* SPDX-License-Identifier: MIT */
/*
 * A slot: one smartcrd reader behind a Lun. All slots live in one context, made with the first channel. A call finds
 * its slot by the Lun and holds it (slot_hold), so that a channel that is closed meanwhile goes when the last call has
 * left.
 *
 * Who calls what, in pcscd 1.9.9 (its eventhandler.c, ifdwrapper.c, winscard.c; we say that we are thread safe, slots too):
 *
 *   the slot's polling thread   ifd_wait; then ifd_presence, and ifd_power when a card has come or nobody has used it
 *   a thread per application    ifd_power, which ifd_presence precedes; protocol, transmit, control, attributes; ifd_wake
 *   the main thread             ifd_open, and in the end ifd_wake and ifd_close
 *
 * pcscd has a mutex per slot around each of these calls but ifd_wait and ifd_wake, which therefore run beside anything;
 * ifd_close waits for it half a second at most. Nothing here relies on it. What a thread of pcscd was told it writes into
 * the state of the reader without a lock, after the call: presence.c allows for that.
 */
#ifndef PCSC_SLOT_H
#define PCSC_SLOT_H

#include "ifd.h"

#include <smartcrd/smartcrd.h>

#include <pthread.h>

struct slot {
    unsigned slots;      /* of its device */
    uint32_t timeout_ms; /* of each operation */
    struct smartcrd_handle *handle;
    struct smartcrd_handle *watch; /* for the tracking request alone, so that nobody else reaps its end */
    int wake_fd;                   /* an eventfd: ifd_wait is to look again */
    unsigned holders;              /* guarded by the lock of slot.c's table */

    pthread_mutex_t lock; /* guards what follows; held only to look, never while a driver runs an operation */
    uint8_t atr[IFD_ATR_MAX];
    size_t atr_size;
    unsigned forgotten; /* how often (slot_forget_card) */
    bool present;       /* as pcscd was told last */
    bool gone;          /* the reader has left */
    bool changed;       /* the opposite of `present` came true, which nobody has taken yet */
    bool refused;       /* the last tracking request: there is no use in the next one at once */
    bool watched;       /* by ifd_wait, which then takes the changes */
    bool stopped;       /* ifd_wait is to return */
    pthread_t waiter;   /* the last one in ifd_wait, if has_waiter */
    bool has_waiter;
    unsigned powering;   /* power actions of others than the waiter that run */
    uint64_t told_ms[2]; /* when others than the waiter were told that there is no card, a card */
    uint64_t tracking;   /* the pending IS_PRESENT or IS_ABSENT; 0: none */
};

/* NULL: no such channel. To be given back with slot_release. */
struct slot *slot_hold(uint32_t lun);
void slot_release(struct slot *slot);

/* Watch the slot: find out whether there is a card, and ask for the first change. */
void presence_begin(struct slot *slot);

/* End the wait that runs, or else the next one. */
void presence_stop(struct slot *slot);

/* Has the card that pcscd believes in left, even if another one is in by now? */
bool presence_lost(struct slot *slot);

/* pcscd is told by the way that there is no card. It will go on believing it until ifd_presence says so and then
 * something else, which is now sure to happen if there is one after all, and not before it has written down the first. */
void presence_told_absent(struct slot *slot);

/* Around a power action, after which pcscd goes on as with a card; the second one gets what the first one returned. */
bool presence_power_begins(struct slot *slot);
void presence_power_ends(struct slot *slot, bool counted);

/* What an NTSTATUS becomes, by what was asked for. */
enum status_of { STATUS_OF_TRANSMIT, STATUS_OF_POWER, STATUS_OF_PROTOCOL, STATUS_OF_ATTRIBUTE, STATUS_OF_CONTROL };
enum ifd_result status_map(enum status_of what, NTSTATUS status);

/* The card is away for a moment or for good: what was known of it is forgotten. */
void slot_forget_card(struct slot *slot);

#endif
