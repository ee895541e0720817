/* SPDX-License-Identifier: MIT */
/* The card in a slot: power, protocol, exchange. */
#include "slot.h"

#include <string.h>

void slot_forget_card(struct slot *slot)
{
    slot->atr_size = 0;
    slot->forgotten++;
}

static unsigned times_forgotten(struct slot *slot)
{
    unsigned times;

    pthread_mutex_lock(&slot->lock);
    times = slot->forgotten;
    pthread_mutex_unlock(&slot->lock);
    return times;
}

/* Unless the card has left since it was forgotten so many times: ifd_wait runs beside this. */
static void remember_atr(struct slot *slot, unsigned forgotten, const uint8_t *atr, size_t size)
{
    pthread_mutex_lock(&slot->lock);
    if (slot->forgotten == forgotten) {
        memcpy(slot->atr, atr, size);
        slot->atr_size = size;
    }
    pthread_mutex_unlock(&slot->lock);
}

enum ifd_result ifd_power(uint32_t lun, unsigned action, uint8_t *atr, size_t *size)
{
    static const uint32_t kinds[] = {SCARD_COLD_RESET, SCARD_POWER_DOWN, SCARD_WARM_RESET};
    struct slot *slot = slot_hold(lun);
    NTSTATUS status = STATUS_NOT_SUPPORTED;

    *size = 0;
    if (!slot)
        return IFD_GONE;
    if (action >= IFD_UP && action <= IFD_WARM) {
        const unsigned forgotten = times_forgotten(slot);
        const bool counted = presence_power_begins(slot);

        *size = IFD_ATR_MAX;
        status = smartcrd_power(slot->handle, kinds[action - IFD_UP], atr, size, slot->timeout_ms);
        /* Where there is no card there is none with power. INVALID_DEVICE_STATE: docs/quirks.md, "No card". */
        if (action == IFD_DOWN && (status == STATUS_NO_MEDIA || status == STATUS_INVALID_DEVICE_STATE))
            status = STATUS_SUCCESS;
        if (action == IFD_DOWN || !NT_SUCCESS(status))
            *size = 0;
        remember_atr(slot, forgotten, atr, *size);
        presence_power_ends(slot, counted);
    }
    slot_release(slot);
    return status_map(STATUS_OF_POWER, status);
}

/* TA1 of the answer to reset, 0x11 (the default rate) when it has none. */
static uint8_t ta1(struct slot *slot)
{
    uint8_t value = 0x11;

    pthread_mutex_lock(&slot->lock);
    if (slot->atr_size > 2 && (slot->atr[1] & 0x10))
        value = slot->atr[2];
    pthread_mutex_unlock(&slot->lock);
    return value;
}

/* A card that has been swapped, or powered down by another of pcscd's clients. */
static bool is_without_power(struct slot *slot)
{
    uint32_t state = SCARD_UNKNOWN;

    return NT_SUCCESS(smartcrd_state(slot->handle, &state)) && state >= SCARD_ABSENT && state <= SCARD_SWALLOWED;
}

enum ifd_result ifd_set_protocol(uint32_t lun, unsigned protocol, unsigned flags, uint8_t pts1)
{
    /* pcsc-lite's raw is 4; T=0 and T=1 have the same numbers here and there. */
    uint32_t mask = protocol == 4 ? SCARD_PROTOCOL_RAW : protocol;
    struct slot *slot = slot_hold(lun);
    enum ifd_result result = IFD_OK;
    uint32_t selected = 0;

    if (!slot)
        return IFD_GONE;
    if (mask != SCARD_PROTOCOL_T0 && mask != SCARD_PROTOCOL_T1 && mask != SCARD_PROTOCOL_RAW)
        result = IFD_PROTOCOL_REFUSED;
    else if (flags & (IFD_PTS2 | IFD_PTS3))
        result = IFD_PTS_FAILED; /* guard time and reserved: the reader does as the answer to reset says */
    else if (is_without_power(slot))
        result = IFD_PTS_FAILED; /* of a protocol that is merely not supported pcscd makes T=0 and a success */
    else if ((flags & IFD_PTS1) && pts1 == 0x11)
        mask |= SCARD_PROTOCOL_DEFAULT;
    else if ((flags & IFD_PTS1) && pts1 != ta1(slot))
        result = IFD_PTS_FAILED; /* the rate is the default one or the best, nothing between */
    if (result == IFD_OK)
        result = status_map(STATUS_OF_PROTOCOL, smartcrd_set_protocol(slot->handle, mask, &selected, slot->timeout_ms));
    if (result == IFD_OK && !(selected & mask))
        result = IFD_PTS_FAILED;
    slot_release(slot);
    return result;
}

enum ifd_result ifd_transmit(uint32_t lun, const uint8_t *command, size_t size, uint8_t *reply, size_t *reply_size)
{
    size_t room = *reply_size;
    struct slot *slot = slot_hold(lun);
    NTSTATUS status;

    *reply_size = 0;
    if (!slot)
        return IFD_GONE;
    status = smartcrd_apdu(slot->handle, command, size, reply, &room, slot->timeout_ms);
    if (NT_SUCCESS(status) && room == 0)
        status = STATUS_DEVICE_PROTOCOL_ERROR; /* never an empty success */
    if (NT_SUCCESS(status))
        *reply_size = room;
    /* The library says INVALID_DEVICE_STATE where the documentation has NO_MEDIA, and also for a card without power: one
     * that was swapped behind the caller's back, or one whose reset has failed, which is still in. Of the latter pcscd
     * must not hear that it is absent: it would believe so until the next change. */
    if (status == STATUS_NO_MEDIA || (status == STATUS_INVALID_DEVICE_STATE && presence_lost(slot))) {
        presence_told_absent(slot);
        status = STATUS_NO_MEDIA;
    }
    slot_release(slot);
    return status_map(STATUS_OF_TRANSMIT, status);
}
