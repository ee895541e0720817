/* SPDX-License-Identifier: MIT */
/*
 * SCardControl: which control codes reach the reader, and the journal.
 *
 * A code comes in one of two forms: SCARD_CTL_CODE(n) of pcsc-lite, 0x42000000 + n, or of Windows, 0x310000 | n << 2
 * (programs with numbers of their own). What would pull the card from under pcscd's other clients is refused: they have
 * calls of their own for it.
 */
#include "slot.h"

#include <smartcrd/pcsc.h>

#include <stdio.h>
#include <string.h>

#define PCSCLITE_CODES 0x42000000u

/* Codes that pcscd's own calls stand for. */
static const uint32_t refused[] = {IOCTL_SMARTCARD_POWER, IOCTL_SMARTCARD_SET_PROTOCOL, IOCTL_SMARTCARD_TRANSMIT,
                                   IOCTL_SMARTCARD_IS_PRESENT, IOCTL_SMARTCARD_IS_ABSENT};

/* The reader's code for this one of SCardControl, 0 when there is none. */
static uint32_t code_of(uint32_t code)
{
    if (code > PCSCLITE_CODES && code - PCSCLITE_CODES <= 0xFFF)
        return SCARD_CTL_CODE(code - PCSCLITE_CODES);
    /* 0x33: functions above 4095, whose upper bits run into the device type. */
    return code >> 16 == FILE_DEVICE_SMARTCARD || code >> 16 == 0x33 ? code : 0;
}

static bool is_refused(uint32_t code)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (code == refused[i])
            return true;
    return false;
}

/* One line for an entry; returns its length. */
static size_t print_entry(const struct smartcrd_journal_entry *entry, char *line, size_t size)
{
    const char *code = smartcrd_code_name(entry->code), *status = smartcrd_status_name(entry->status);
    char code_number[16], status_number[16];
    int length;

    snprintf(code_number, sizeof(code_number), "0x%08X", entry->code);
    snprintf(status_number, sizeof(status_number), "0x%08X", (uint32_t)entry->status);
    length = snprintf(
        line, size, "%llu %s %s %s %u %u %llu us%s%s\n", (unsigned long long)entry->sequence, code ? code : code_number,
        status ? status : status_number, smartcrd_layer_name(entry->layer), entry->bytes_in, entry->bytes_out,
        (unsigned long long)((entry->ended_ns - entry->submitted_ns) / 1000), entry->step[0] ? ": " : "", entry->step);
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

/* The journal as text, the oldest entry first; when there is not enough room the oldest are left out. */
static enum ifd_result journal(struct slot *slot, uint8_t *out, size_t out_size, size_t *returned)
{
    static _Thread_local struct smartcrd_journal_entry entries[256];
    size_t count = smartcrd_journal(slot->handle, 0, entries, sizeof(entries) / sizeof(entries[0]));
    size_t first = count, used = 0, length;
    char line[256];

    while (first > 0 && used + (length = print_entry(&entries[first - 1], line, sizeof(line))) <= out_size) {
        used += length;
        first--;
    }
    *returned = 0;
    for (; first < count; first++) {
        length = print_entry(&entries[first], line, sizeof(line));
        memcpy(out + *returned, line, length);
        *returned += length;
    }
    return IFD_OK;
}

enum ifd_result ifd_control(uint32_t lun, uint32_t code, const uint8_t *in, size_t in_size, uint8_t *out,
                            size_t out_size, size_t *returned)
{
    struct slot *slot = slot_hold(lun);
    struct smartcrd_request request = {.in = in, .in_size = in_size, .out = out, .out_size = out_size};
    enum ifd_result result = IFD_REFUSED;

    *returned = 0;
    if (!slot)
        return IFD_GONE;
    request.code = code_of(code);
    request.timeout_ms = slot->timeout_ms;
    if (request.code == SMARTCRD_PCSC_JOURNAL) {
        result = journal(slot, out, out_size, returned);
    } else if (request.code == IOCTL_SMARTCARD_GET_FEATURE_REQUEST) {
        /* PC/SC part 10: a list of none. Every program asks, so it must not become the reader's last operation. */
        result = IFD_OK;
    } else if (request.code != 0 && !is_refused(request.code)) {
        result = status_map(STATUS_OF_CONTROL, smartcrd_control(slot->handle, &request, returned));
        if (result != IFD_OK)
            *returned = 0;
    }
    slot_release(slot);
    return result;
}
