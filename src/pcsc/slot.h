/* SPDX-License-Identifier: MIT */
/*
 * A slot: one smartcrd reader behind a Lun. All slots live in one context, made with the first channel and destroyed
 * with the last. A call finds its slot by the Lun and holds it (slot_hold), so that a channel that is closed meanwhile
 * goes when the last call has left.
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
    bool present;      /* as pcscd was told last */
    bool gone;         /* the reader has left */
    bool changed;      /* the opposite of `present` came true, which nobody has taken yet */
    bool refused;      /* the last tracking request: there is no use in the next one at once */
    bool watched;      /* by ifd_wait, which then takes the changes */
    bool stopped;      /* ifd_wait is to return */
    uint64_t tracking; /* the pending IS_PRESENT or IS_ABSENT; 0: none */
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

/* pcscd was told by the way that there is no card. It will go on believing it until ifd_presence says so and then
 * something else, which is now sure to happen if there is one after all. */
void presence_told_absent(struct slot *slot);

/* What an NTSTATUS becomes, by what was asked for. */
enum status_of { STATUS_OF_TRANSMIT, STATUS_OF_POWER, STATUS_OF_PROTOCOL, STATUS_OF_ATTRIBUTE, STATUS_OF_CONTROL };
enum ifd_result status_map(enum status_of what, NTSTATUS status);

/* The card is away for a moment or for good: what was known of it is forgotten. */
void slot_forget_card(struct slot *slot);

#endif
