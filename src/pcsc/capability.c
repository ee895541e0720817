/* SPDX-License-Identifier: MIT */
/* What a slot can say of itself and of its card. */
#include "slot.h"

#include <string.h>

enum ifd_result ifd_slots(uint32_t lun, unsigned *slots)
{
    struct slot *slot = slot_hold(lun);

    if (!slot)
        return IFD_GONE;
    *slots = slot->slots;
    slot_release(slot);
    return IFD_OK;
}

enum ifd_result ifd_atr(uint32_t lun, uint8_t *atr, size_t *size)
{
    struct slot *slot = slot_hold(lun);
    enum ifd_result result = IFD_TOO_SMALL;

    if (!slot)
        return IFD_GONE;
    pthread_mutex_lock(&slot->lock);
    if (*size >= slot->atr_size) {
        memcpy(atr, slot->atr, slot->atr_size);
        *size = slot->atr_size;
        result = IFD_OK;
    }
    pthread_mutex_unlock(&slot->lock);
    slot_release(slot);
    return result;
}

enum ifd_result ifd_attribute(uint32_t lun, uint32_t tag, uint8_t *value, size_t *size)
{
    struct slot *slot = slot_hold(lun);
    size_t length = *size;
    NTSTATUS status;

    if (!slot)
        return IFD_GONE;
    status = smartcrd_attribute(slot->handle, tag, value, &length);
    if (NT_SUCCESS(status))
        *size = length;
    slot_release(slot);
    return status_map(STATUS_OF_ATTRIBUTE, status);
}

enum ifd_result ifd_set_attribute(uint32_t lun, uint32_t tag, const uint8_t *value, size_t size)
{
    uint8_t in[4 + 256];
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_SET_ATTRIBUTE, .in = in, .in_size = 4 + size};
    struct slot *slot;
    NTSTATUS status;

    if (size > sizeof(in) - 4)
        return IFD_SET_FAILED;
    slot = slot_hold(lun);
    if (!slot)
        return IFD_GONE;
    memcpy(in, &tag, 4);
    memcpy(in + 4, value, size);
    request.timeout_ms = slot->timeout_ms;
    status = smartcrd_control(slot->handle, &request, NULL);
    slot_release(slot);
    if (status == STATUS_NOT_SUPPORTED)
        return IFD_TAG_UNKNOWN;
    return NT_SUCCESS(status) ? IFD_OK : status == STATUS_DEVICE_REMOVED ? IFD_GONE : IFD_SET_FAILED;
}
