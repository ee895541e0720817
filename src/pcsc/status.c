/* SPDX-License-Identifier: MIT */
/*
 * From an NTSTATUS to what pcscd can pass on. Its application gets the more exact SCARD_ error the more exact the code
 * is, but pcscd tells few apart, and not the same ones in each call; docs/pcsc.md has the whole way.
 */
#include "slot.h"

struct row {
    NTSTATUS status;
    enum ifd_result transmit, power, protocol, attribute, control;
};

static const struct row rows[] = {
    {STATUS_NO_MEDIA, IFD_ABSENT, IFD_POWER_FAILED, IFD_FAILED, IFD_ABSENT, IFD_ABSENT},
    {STATUS_DEVICE_REMOVED, IFD_GONE, IFD_GONE, IFD_GONE, IFD_GONE, IFD_GONE},
    {STATUS_DELETE_PENDING, IFD_GONE, IFD_GONE, IFD_GONE, IFD_GONE, IFD_GONE},
    {STATUS_IO_TIMEOUT, IFD_TIMED_OUT, IFD_POWER_FAILED, IFD_TIMED_OUT, IFD_TIMED_OUT, IFD_TIMED_OUT},
    {STATUS_BUFFER_TOO_SMALL, IFD_TOO_SMALL, IFD_POWER_FAILED, IFD_FAILED, IFD_TOO_SMALL, IFD_TOO_SMALL},
    {STATUS_BUFFER_OVERFLOW, IFD_TOO_SMALL, IFD_POWER_FAILED, IFD_FAILED, IFD_TOO_SMALL, IFD_TOO_SMALL},
    {STATUS_NOT_SUPPORTED, IFD_FAILED, IFD_REFUSED, IFD_PROTOCOL_REFUSED, IFD_TAG_UNKNOWN, IFD_REFUSED},
    {STATUS_INVALID_DEVICE_REQUEST, IFD_FAILED, IFD_REFUSED, IFD_PROTOCOL_REFUSED, IFD_TAG_UNKNOWN, IFD_REFUSED},
};

/* Any other error. */
static const struct row otherwise = {0, IFD_FAILED, IFD_POWER_FAILED, IFD_PTS_FAILED, IFD_FAILED, IFD_FAILED};

enum ifd_result status_map(enum status_of what, NTSTATUS status)
{
    const struct row *row = &otherwise;

    if (NT_SUCCESS(status))
        return IFD_OK;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].status == status)
            row = &rows[i];
    switch (what) {
    case STATUS_OF_TRANSMIT:
        return row->transmit;
    case STATUS_OF_POWER:
        return row->power;
    case STATUS_OF_PROTOCOL:
        return row->protocol;
    case STATUS_OF_ATTRIBUTE:
        return row->attribute;
    case STATUS_OF_CONTROL:
        break;
    }
    return row->control;
}
