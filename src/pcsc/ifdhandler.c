/* SPDX-License-Identifier: MIT */
/*
 * The entry points that pcscd calls (IFD handler interface, version 3; ifdhandler.h of pcsc-lite 1.9.9 describes each).
 * They check lengths, turn pcsc-lite's types into plain ones, and leave the rest to the files that ifd.h names.
 */
#include "ifd.h"

#include <PCSC/ifdhandler.h>
#include <PCSC/reader.h>

#include <string.h>

_Static_assert(IFD_OK == IFD_SUCCESS && IFD_TAG_UNKNOWN == IFD_ERROR_TAG && IFD_SET_FAILED == IFD_ERROR_SET_FAILURE,
               "numbers of ifdhandler.h");
_Static_assert(IFD_READ_ONLY == IFD_ERROR_VALUE_READ_ONLY && IFD_PTS_FAILED == IFD_ERROR_PTS_FAILURE,
               "numbers of ifdhandler.h");
_Static_assert(IFD_PROTOCOL_REFUSED == IFD_PROTOCOL_NOT_SUPPORTED && IFD_POWER_FAILED == IFD_ERROR_POWER_ACTION,
               "numbers of ifdhandler.h");
_Static_assert(IFD_FAILED == IFD_COMMUNICATION_ERROR && IFD_TIMED_OUT == IFD_RESPONSE_TIMEOUT,
               "numbers of ifdhandler.h");
_Static_assert(IFD_REFUSED == IFD_NOT_SUPPORTED && IFD_PRESENT == IFD_ICC_PRESENT && IFD_ABSENT == IFD_ICC_NOT_PRESENT,
               "numbers of ifdhandler.h");
_Static_assert(IFD_GONE == IFD_NO_SUCH_DEVICE && IFD_TOO_SMALL == IFD_ERROR_INSUFFICIENT_BUFFER,
               "numbers of ifdhandler.h");
_Static_assert(IFD_UP == IFD_POWER_UP && IFD_DOWN == IFD_POWER_DOWN && IFD_WARM == IFD_RESET,
               "numbers of ifdhandler.h");
_Static_assert(IFD_PTS1 == IFD_NEGOTIATE_PTS1 && IFD_PTS2 == IFD_NEGOTIATE_PTS2 && IFD_PTS3 == IFD_NEGOTIATE_PTS3,
               "numbers of ifdhandler.h");
_Static_assert(IFD_ATR_MAX == MAX_ATR_SIZE, "length of ifdhandler.h");

/* ---- channels ------------------------------------------------------------------------------------------------------ */

RESPONSECODE IFDHCreateChannelByName(DWORD Lun, LPSTR DeviceName)
{
    return DeviceName ? ifd_open((uint32_t)Lun, DeviceName) : IFD_GONE;
}

/* A reader without DEVICENAME: a virtual one, without a card. */
RESPONSECODE IFDHCreateChannel(DWORD Lun, DWORD Channel)
{
    (void)Channel;
    return ifd_open((uint32_t)Lun, "");
}

RESPONSECODE IFDHCloseChannel(DWORD Lun)
{
    return ifd_close((uint32_t)Lun);
}

/* ---- capabilities -------------------------------------------------------------------------------------------------- */

static RESPONSECODE poll_slot(DWORD lun, int timeout_ms)
{
    return ifd_wait((uint32_t)lun, timeout_ms);
}

static RESPONSECODE stop_polling(DWORD lun)
{
    return ifd_wake((uint32_t)lun);
}

/* Give a value of known size. */
static RESPONSECODE give(PDWORD length, PUCHAR value, const void *from, size_t size)
{
    if (*length < size)
        return IFD_TOO_SMALL;
    memcpy(value, from, size);
    *length = size;
    return IFD_OK;
}

static RESPONSECODE slots_number(uint32_t lun, PDWORD length, PUCHAR value)
{
    unsigned slots = 0;
    RESPONSECODE result = ifd_slots(lun, &slots);
    unsigned char number = (unsigned char)slots;

    return result == IFD_OK ? give(length, value, &number, 1) : result;
}

RESPONSECODE IFDHGetCapabilities(DWORD Lun, DWORD Tag, PDWORD Length, PUCHAR Value)
{
    static const unsigned char yes = 1, no = 0, readers = PCSCLITE_MAX_READERS_CONTEXTS;
    RESPONSECODE (*const poll)(DWORD, int) = poll_slot;
    RESPONSECODE (*const stop)(DWORD) = stop_polling;
    uint32_t lun = (uint32_t)Lun;
    RESPONSECODE result;
    size_t size;

    if (!Length || !Value)
        return IFD_FAILED;
    switch (Tag) {
    case TAG_IFD_SIMULTANEOUS_ACCESS:
        return give(Length, Value, &readers, 1);
    case TAG_IFD_THREAD_SAFE:
    case TAG_IFD_SLOT_THREAD_SAFE:
        return give(Length, Value, &yes, 1);
    case TAG_IFD_POLLING_THREAD_KILLABLE:
        return give(Length, Value, &no, 1);
    case TAG_IFD_POLLING_THREAD_WITH_TIMEOUT:
        ifd_watch(lun);
        return give(Length, Value, &poll, sizeof(poll));
    case TAG_IFD_STOP_POLLING_THREAD:
        return give(Length, Value, &stop, sizeof(stop));
    case TAG_IFD_SLOTS_NUMBER:
        return slots_number(lun, Length, Value);
    default:
        break;
    }
    size = *Length;
    if (Tag == TAG_IFD_ATR || Tag == SCARD_ATTR_ATR_STRING)
        result = ifd_atr(lun, Value, &size);
    else
        result = Tag <= UINT32_MAX ? ifd_attribute(lun, (uint32_t)Tag, Value, &size) : IFD_TAG_UNKNOWN;
    /* The length stays as it is on errors: pcscd answers some tags itself then, and needs it. */
    if (result == IFD_OK)
        *Length = size;
    return result;
}

RESPONSECODE IFDHSetCapabilities(DWORD Lun, DWORD Tag, DWORD Length, PUCHAR Value)
{
    if (Tag > UINT32_MAX || (!Value && Length > 0))
        return IFD_TAG_UNKNOWN;
    return ifd_set_attribute((uint32_t)Lun, (uint32_t)Tag, Value, Length);
}

/* ---- the card ------------------------------------------------------------------------------------------------------ */

RESPONSECODE IFDHSetProtocolParameters(DWORD Lun, DWORD Protocol, UCHAR Flags, UCHAR PTS1, UCHAR PTS2, UCHAR PTS3)
{
    (void)PTS2;
    (void)PTS3;
    return Protocol <= UINT32_MAX ? ifd_set_protocol((uint32_t)Lun, (unsigned)Protocol, Flags, PTS1)
                                  : IFD_PROTOCOL_REFUSED;
}

RESPONSECODE IFDHPowerICC(DWORD Lun, DWORD Action, PUCHAR Atr, PDWORD AtrLength)
{
    uint8_t atr[IFD_ATR_MAX];
    size_t size = 0;
    RESPONSECODE result = Action <= IFD_WARM ? ifd_power((uint32_t)Lun, (unsigned)Action, atr, &size) : IFD_REFUSED;

    if (Atr && AtrLength) {
        memset(Atr, 0, MAX_ATR_SIZE);
        memcpy(Atr, atr, size);
        *AtrLength = size;
    }
    return result;
}

RESPONSECODE IFDHTransmitToICC(DWORD Lun, SCARD_IO_HEADER SendPci, PUCHAR TxBuffer, DWORD TxLength, PUCHAR RxBuffer,
                               PDWORD RxLength, PSCARD_IO_HEADER RecvPci)
{
    RESPONSECODE result = IFD_FAILED;
    size_t size;

    if (!RxLength)
        return IFD_FAILED;
    size = *RxLength;
    *RxLength = 0;
    if (TxBuffer && RxBuffer) {
        result = ifd_transmit((uint32_t)Lun, TxBuffer, TxLength, RxBuffer, &size);
        *RxLength = size;
    }
    /* pcscd hands a number (T=0, T=1) in, and what is here to the application, which expects SCARD_PROTOCOL_T0, _T1. */
    if (RecvPci && SendPci.Protocol <= 1)
        RecvPci->Protocol = SendPci.Protocol == 0 ? SCARD_PROTOCOL_T0 : SCARD_PROTOCOL_T1;
    return result;
}

RESPONSECODE IFDHICCPresence(DWORD Lun)
{
    return ifd_presence((uint32_t)Lun);
}

RESPONSECODE IFDHControl(DWORD Lun, DWORD dwControlCode, PUCHAR TxBuffer, DWORD TxLength, PUCHAR RxBuffer,
                         DWORD RxLength, LPDWORD pdwBytesReturned)
{
    size_t returned = 0;
    RESPONSECODE result = IFD_REFUSED;

    if (dwControlCode <= UINT32_MAX && (TxBuffer || TxLength == 0) && (RxBuffer || RxLength == 0))
        result = ifd_control((uint32_t)Lun, (uint32_t)dwControlCode, TxBuffer, TxLength, RxBuffer, RxLength, &returned);
    if (pdwBytesReturned)
        *pdwBytesReturned = returned;
    return result;
}
