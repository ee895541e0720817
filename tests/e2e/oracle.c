/* SPDX-License-Identifier: MIT */
/* See oracle.h. */
#include "oracle.h"

#include <smartcrd/wdm.h>

#include <string.h>

struct answer refuse(NTSTATUS status)
{
    return (struct answer){.status = status, .or_status = status};
}

static struct answer succeed(size_t information)
{
    return (struct answer){.status = STATUS_SUCCESS, .information = information, .or_status = STATUS_SUCCESS};
}

uint32_t number_at(const uint8_t *bytes)
{
    uint32_t number;
    memcpy(&number, bytes, sizeof(number));
    return number;
}

uint32_t minor_of(const struct question *q)
{
    return q->in_size >= 4 ? number_at(q->in) : q->minor_before;
}

/* 1.2: the answered attributes and their sizes with the toy reader. */
const struct attribute attributes[ATTRIBUTES] = {
    {0x00010100, 4, false}, {0x00010101, 5, false}, {0x00010102, 4, false}, {0x00010103, 6, false},
    {0x00020110, 4, false}, {0x00030120, 4, false}, {0x00030121, 4, false}, {0x00030122, 4, false},
    {0x00030123, 4, false}, {0x00030124, 4, false}, {0x00030125, 4, false}, {0x00040131, 4, false},
    {0x00060150, 4, false}, {0x00080201, 4, true},  {0x00080202, 4, true},  {0x00080203, 4, true},
    {0x00080204, 4, true},  {0x00080205, 4, true},  {0x00080206, 4, true},  {0x00080207, 4, true},
    {0x00080208, 4, true},  {0x00080209, 4, true},  {0x0008020A, 4, true},  {0x0008020B, 4, true},
    {0x00090300, 1, false}, {0x00090301, 1, false}, {0x00090303, 5, true},  {0x00090304, 1, true},
    {0x7FFF0001, 4, false},
};

static struct answer expected_attribute(const struct question *q) /* 3.8 */
{
    const uint32_t tag = minor_of(q);
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        if (attributes[i].tag != tag)
            continue;
        const bool short_buffer = attributes[i].size > q->out_size;
        const bool bad_state = (attributes[i].needs_card && q->state < SCARD_NEGOTIABLE) ||
                               (tag == SCARD_ATTR_ICC_PRESENCE && q->state == SCARD_UNKNOWN);
        if (short_buffer && bad_state)
            return (struct answer){.status = STATUS_BUFFER_TOO_SMALL, .or_status = STATUS_INVALID_DEVICE_STATE};
        if (short_buffer)
            return refuse(STATUS_BUFFER_TOO_SMALL);
        return bad_state ? refuse(STATUS_INVALID_DEVICE_STATE) : succeed(attributes[i].size);
    }
    return refuse(STATUS_NOT_SUPPORTED);
}

static struct answer expected_power(const struct question *q) /* 3.4 */
{
    const uint32_t minor = minor_of(q);
    if (!q->callbacks)
        return refuse(STATUS_NOT_SUPPORTED);
    if (q->state <= SCARD_ABSENT)
        return refuse(STATUS_INVALID_DEVICE_STATE);
    if (minor > SCARD_WARM_RESET)
        return refuse(STATUS_INVALID_DEVICE_REQUEST);
    if (minor != SCARD_POWER_DOWN && q->out_size < 33)
        return refuse(STATUS_BUFFER_TOO_SMALL);
    return succeed(minor == SCARD_POWER_DOWN ? 0 : 5);
}

static struct answer expected_set_protocol(const struct question *q) /* 3.5; the card supports T0, T1 and raw */
{
    const uint32_t mask = minor_of(q), supported = 0x10003;
    if (!q->callbacks)
        return refuse(STATUS_NOT_SUPPORTED);
    if (q->state <= SCARD_ABSENT) {
        struct answer answer = refuse(STATUS_INVALID_DEVICE_STATE);
        if (q->out_size < 4)
            answer.or_status = STATUS_BUFFER_TOO_SMALL;
        return answer;
    }
    if (q->out_size < 4)
        return refuse(STATUS_BUFFER_TOO_SMALL);
    if (q->state == SCARD_SPECIFIC && (mask & q->selected) != 0)
        return succeed(0);
    return (mask & supported) == 0 ? refuse(STATUS_NOT_SUPPORTED) : succeed(4);
}

/* 5.3 to 5.5, for an SCARD_IO_REQUEST of eight bytes. */
static struct answer expected_exchange(const struct question *q)
{
    const size_t n = q->in_size - 8;
    if (q->selected == SCARD_PROTOCOL_RAW) {
        if (q->in_size >= 288)
            return refuse(STATUS_BUFFER_TOO_SMALL);
        return q->out_size < 2 ? refuse(STATUS_BUFFER_TOO_SMALL) : succeed(2);
    }
    if (q->selected == SCARD_PROTOCOL_T0) {
        if (q->in_size >= 288)
            return refuse(STATUS_BUFFER_OVERFLOW);
        if (n < 4 || (n > 5 && n != 5u + q->in[12]))
            return refuse(STATUS_INVALID_PARAMETER);
    }
    return q->out_size < 10 ? refuse(STATUS_BUFFER_TOO_SMALL) : succeed(10);
}

static struct answer expected_transmit(const struct question *q) /* 3.6 */
{
    if (!q->callbacks)
        return refuse(STATUS_NOT_SUPPORTED);
    if (q->state != SCARD_SPECIFIC)
        return refuse(STATUS_INVALID_DEVICE_STATE);
    if (q->in_size < 8)
        return refuse(STATUS_INVALID_PARAMETER);
    if (number_at(q->in) != q->selected)
        return refuse(STATUS_INVALID_DEVICE_STATE);
    /* Other header lengths than eight, and an empty APDU over T=1: the documents are silent. */
    if (number_at(q->in + 4) != 8 || (q->selected == SCARD_PROTOCOL_T1 && q->in_size == 8))
        return (struct answer){.any = true};
    return expected_exchange(q);
}

static struct answer expected_tracking(const struct question *q, bool matches) /* 3.3 */
{
    struct answer answer = refuse(STATUS_SUCCESS);
    if (!q->callbacks)
        answer = refuse(STATUS_NOT_SUPPORTED);
    else if (q->tracking)
        answer = refuse(STATUS_DEVICE_BUSY);
    else if (q->state == SCARD_UNKNOWN)
        answer = refuse(STATUS_INVALID_DEVICE_STATE);
    else if (!matches)
        answer = refuse(STATUS_CANCELLED); /* the toy's callback says so */
    answer.keeps_information = true;
    return answer;
}

struct answer expected(const struct question *q)
{
    if ((q->code & 3) != METHOD_BUFFERED) {
        struct answer answer = refuse(STATUS_INVALID_PARAMETER);
        answer.keeps_information = true;
        return answer;
    }
    if ((q->code >> 2 & 0xFFF) >= 2048) {
        if (!q->callbacks)
            return refuse(STATUS_INVALID_DEVICE_REQUEST);
        return succeed(q->in_size < q->out_size ? q->in_size : q->out_size); /* the toy's answer */
    }
    switch (q->code) {
    case IOCTL_SMARTCARD_GET_LAST_ERROR:
    case IOCTL_SMARTCARD_GET_STATE:
        return q->out_size < 4 ? refuse(STATUS_BUFFER_TOO_SMALL) : succeed(4);
    case IOCTL_SMARTCARD_IS_PRESENT:
        return expected_tracking(q, q->state > SCARD_ABSENT);
    case IOCTL_SMARTCARD_IS_ABSENT:
        return expected_tracking(q, q->state == SCARD_ABSENT);
    case IOCTL_SMARTCARD_POWER:
        return expected_power(q);
    case IOCTL_SMARTCARD_SET_PROTOCOL:
        return expected_set_protocol(q);
    case IOCTL_SMARTCARD_TRANSMIT:
        return expected_transmit(q);
    case IOCTL_SMARTCARD_EJECT:
    case IOCTL_SMARTCARD_SWALLOW:
    case IOCTL_SMARTCARD_CONFISCATE:
        return q->callbacks ? succeed(0) : refuse(STATUS_NOT_SUPPORTED);
    case IOCTL_SMARTCARD_GET_ATTRIBUTE:
        return expected_attribute(q);
    case IOCTL_SMARTCARD_SET_ATTRIBUTE:
        return minor_of(q) == SCARD_ATTR_SUPRESS_T1_IFS_REQUEST ? succeed(0) : refuse(STATUS_NOT_SUPPORTED);
    default:
        return refuse(STATUS_INVALID_DEVICE_REQUEST);
    }
}
