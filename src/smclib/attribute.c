/* SPDX-License-Identifier: MIT */
/*
 * GET_ATTRIBUTE: smclib.md 1.2 and 3.8. One table; a tag that is not in it is not supported.
 *
 * Each answer belongs to one moment: what the card's attributes are taken from is the extension under SpinLock, or, while
 * an operation runs and may be changing it, the copy made when that operation started.
 */
#include "private.h"

enum source {
    READER_ULONG, /* of ReaderCapabilities, at `offset` */
    CARD_ULONG,   /* of CardCapabilities, at `offset` */
    CARD_UCHAR,   /* likewise, a byte given as ULONG */
    VENDOR_TEXT,  /* of VendorAttr: USHORT length and 32 bytes, at `offset` */
    SPECIAL,      /* a function makes it */
};

/* What an attribute is made from. */
struct view {
    const SMARTCARD_EXTENSION *ext;
    const SCARD_CARD_CAPABILITIES *card;
    ULONG state; /* now */
};

/* The made value: `bytes`, or `text` when that is longer. */
struct answer {
    ULONG size;
    const UCHAR *text; /* NULL: the answer is in bytes */
    UCHAR bytes[4];
};

typedef NTSTATUS make_fn(const struct view *view, struct answer *answer);

struct attribute {
    ULONG tag;
    UCHAR source;
    BOOLEAN needs_card; /* CurrentState >= SCARD_NEGOTIABLE */
    UCHAR size;         /* of the answer; 0 when it varies */
    USHORT offset;
    make_fn *make;
};

static void put_ulong(struct answer *answer, ULONG value)
{
    RtlCopyMemory(answer->bytes, &value, sizeof(value));
    answer->size = sizeof(value);
}

static void put_byte(struct answer *answer, UCHAR value)
{
    answer->bytes[0] = value;
    answer->size = 1;
}

static NTSTATUS make_version(const struct view *view, struct answer *answer)
{
    const VENDOR_ATTR *vendor = &view->ext->VendorAttr;

    put_ulong(answer, (ULONG)vendor->IfdVersion.VersionMajor << 24 | (ULONG)vendor->IfdVersion.VersionMinor << 16 |
                          vendor->IfdVersion.BuildNumber);
    return STATUS_SUCCESS;
}

static NTSTATUS make_channel(const struct view *view, struct answer *answer)
{
    const SCARD_READER_CAPABILITIES *reader = &view->ext->ReaderCapabilities;

    put_ulong(answer, reader->ReaderType << 16 | reader->Channel);
    return STATUS_SUCCESS;
}

static NTSTATUS make_unit(const struct view *view, struct answer *answer)
{
    put_ulong(answer, view->ext->VendorAttr.UnitNo);
    return STATUS_SUCCESS;
}

static NTSTATUS make_f(const struct view *view, struct answer *answer)
{
    put_ulong(answer, view->card->ClockRateConversion[view->card->Fl & 0x0F].F);
    return STATUS_SUCCESS;
}

static NTSTATUS make_d(const struct view *view, struct answer *answer)
{
    const BIT_RATE_ADJUSTMENT *d = &view->card->BitRateAdjustment[view->card->Dl & 0x0F];

    put_ulong(answer, d->DDivisor != 0 ? d->DNumerator / d->DDivisor : 0);
    return STATUS_SUCCESS;
}

static NTSTATUS make_ifsd(const struct view *view, struct answer *answer)
{
    put_ulong(answer, view->ext->T1.IFSD);
    return STATUS_SUCCESS;
}

static NTSTATUS make_presence(const struct view *view, struct answer *answer)
{
    if (view->state == SCARD_UNKNOWN) {
        return STATUS_INVALID_DEVICE_STATE;
    }
    put_byte(answer, view->state == SCARD_ABSENT ? 0 : view->state == SCARD_PRESENT ? 1 : 2);
    return STATUS_SUCCESS;
}

static NTSTATUS make_interface(const struct view *view, struct answer *answer)
{
    put_byte(answer, view->state >= SCARD_SWALLOWED ? 0xFF : 0);
    return STATUS_SUCCESS;
}

static NTSTATUS make_atr(const struct view *view, struct answer *answer)
{
    const UCHAR length = view->card->ATR.Length;

    answer->text = view->card->ATR.Buffer;
    answer->size = length <= sizeof(view->card->ATR.Buffer) ? length : (ULONG)sizeof(view->card->ATR.Buffer);
    return STATUS_SUCCESS;
}

static NTSTATUS make_type(const struct view *view, struct answer *answer)
{
    put_byte(answer, view->card->Protocol.Selected == SCARD_PROTOCOL_UNDEFINED ? 0 : 1);
    return STATUS_SUCCESS;
}

#define VENDOR(field) VENDOR_TEXT, FALSE, 0, offsetof(VENDOR_ATTR, field), NULL
#define READER(field) READER_ULONG, FALSE, 4, offsetof(SCARD_READER_CAPABILITIES, field), NULL
#define CARD(field)   CARD_ULONG, TRUE, 4, offsetof(SCARD_CARD_CAPABILITIES, field), NULL
#define CARD1(field)  CARD_UCHAR, TRUE, 4, offsetof(SCARD_CARD_CAPABILITIES, field), NULL

static const struct attribute attributes[] = {
    {SCARD_ATTR_VENDOR_NAME, VENDOR(VendorName)},
    {SCARD_ATTR_VENDOR_IFD_TYPE, VENDOR(IfdType)},
    {SCARD_ATTR_VENDOR_IFD_VERSION, SPECIAL, FALSE, 4, 0, make_version},
    {SCARD_ATTR_VENDOR_IFD_SERIAL_NO, VENDOR(IfdSerialNo)},
    {SCARD_ATTR_CHANNEL_ID, SPECIAL, FALSE, 4, 0, make_channel},
    {SCARD_ATTR_PROTOCOL_TYPES, READER(SupportedProtocols)},
    {SCARD_ATTR_DEFAULT_CLK, READER(CLKFrequency.Default)},
    {SCARD_ATTR_MAX_CLK, READER(CLKFrequency.Max)},
    {SCARD_ATTR_DEFAULT_DATA_RATE, READER(DataRate.Default)},
    {SCARD_ATTR_MAX_DATA_RATE, READER(DataRate.Max)},
    {SCARD_ATTR_MAX_IFSD, READER(MaxIFSD)},
    {SCARD_ATTR_POWER_MGMT_SUPPORT, READER(PowerMgmtSupport)},
    {SCARD_ATTR_CHARACTERISTICS, READER(MechProperties)},
    {SCARD_ATTR_CURRENT_PROTOCOL_TYPE, CARD(Protocol.Selected)},
    {SCARD_ATTR_CURRENT_CLK, READER_ULONG, TRUE, 4, offsetof(SCARD_READER_CAPABILITIES, CLKFrequency.Default), NULL},
    {SCARD_ATTR_CURRENT_F, SPECIAL, TRUE, 4, 0, make_f},
    {SCARD_ATTR_CURRENT_D, SPECIAL, TRUE, 4, 0, make_d},
    {SCARD_ATTR_CURRENT_N, CARD1(N)},
    {SCARD_ATTR_CURRENT_W, CARD1(T0.WI)},
    {SCARD_ATTR_CURRENT_IFSC, CARD1(T1.IFSC)},
    {SCARD_ATTR_CURRENT_IFSD, SPECIAL, TRUE, 4, 0, make_ifsd},
    {SCARD_ATTR_CURRENT_BWT, CARD1(T1.BWI)},
    {SCARD_ATTR_CURRENT_CWT, CARD1(T1.CWI)},
    {SCARD_ATTR_CURRENT_EBC_ENCODING, CARD1(T1.EDC)},
    {SCARD_ATTR_ICC_PRESENCE, SPECIAL, FALSE, 1, 0, make_presence},
    {SCARD_ATTR_ICC_INTERFACE_STATUS, SPECIAL, FALSE, 1, 0, make_interface},
    {SCARD_ATTR_ATR_STRING, SPECIAL, TRUE, 0, 0, make_atr},
    {SCARD_ATTR_ICC_TYPE_PER_ATR, SPECIAL, TRUE, 1, 0, make_type},
    {SCARD_ATTR_DEVICE_UNIT, SPECIAL, FALSE, 4, 0, make_unit},
};

static NTSTATUS make(const struct attribute *attribute, const struct view *view, struct answer *answer)
{
    const UCHAR *reader = (const UCHAR *)&view->ext->ReaderCapabilities + attribute->offset;
    const UCHAR *card = (const UCHAR *)view->card + attribute->offset;
    const UCHAR *vendor = (const UCHAR *)&view->ext->VendorAttr + attribute->offset;
    USHORT length;

    switch (attribute->source) {
    case READER_ULONG:
        RtlCopyMemory(answer->bytes, reader, 4);
        answer->size = 4;
        return STATUS_SUCCESS;
    case CARD_ULONG:
        RtlCopyMemory(answer->bytes, card, 4);
        answer->size = 4;
        return STATUS_SUCCESS;
    case CARD_UCHAR:
        put_ulong(answer, *card);
        return STATUS_SUCCESS;
    case VENDOR_TEXT:
        RtlCopyMemory(&length, vendor, sizeof(length));
        answer->text = vendor + sizeof(length);
        answer->size = length <= MAXIMUM_ATTR_STRING_LENGTH ? length : MAXIMUM_ATTR_STRING_LENGTH;
        return STATUS_SUCCESS;
    default:
        return attribute->make(view, answer);
    }
}

static const struct attribute *find(ULONG tag)
{
    for (SIZE_T i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
        if (attributes[i].tag == tag) {
            return &attributes[i];
        }
    }
    return NULL;
}

NTSTATUS smclib_get_attribute(const struct smclib_request *request)
{
    PSMARTCARD_EXTENSION ext = request->ext;
    struct smclib_private *private = smclib_private(ext);
    const struct attribute *attribute = find(request->minor);
    struct answer answer = {0, NULL, {0, 0, 0, 0}};
    struct view view = {ext, &ext->CardCapabilities, SCARD_UNKNOWN};
    NTSTATUS status = STATUS_SUCCESS;
    ULONG card_state;
    KIRQL irql;

    if (attribute == NULL) {
        return STATUS_NOT_SUPPORTED;
    }
    if (attribute->size > request->out) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    KeAcquireSpinLock(&ext->OsData->SpinLock, &irql);
    view.state = ext->ReaderCapabilities.CurrentState;
    card_state = view.state;
    if (ext->OsData->CurrentIrp != NULL) {
        view.card = &private->card;
        card_state = private->state < view.state ? private->state : view.state;
    }
    if (attribute->needs_card && card_state < SCARD_NEGOTIABLE) {
        status = STATUS_INVALID_DEVICE_STATE;
        goto out;
    }
    status = make(attribute, &view, &answer);
    if (!NT_SUCCESS(status)) {
        goto out;
    }
    if (answer.size > request->out) {
        status = STATUS_BUFFER_TOO_SMALL;
        goto out;
    }
    /* Copied under the lock: `text` points into the extension. */
    if (answer.size != 0) {
        RtlCopyMemory(request->buffer, answer.text != NULL ? answer.text : answer.bytes, answer.size);
    }
    request->irp->IoStatus.Information = answer.size;
out:
    KeReleaseSpinLock(&ext->OsData->SpinLock, irql);
    return status;
}
