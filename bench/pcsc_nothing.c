/* SPDX-License-Identifier: MIT */
/*
 * An IFD handler that does nothing: a card that is always there and gives its command's data back, or Le bytes 00, and
 * 90 00. What PC/SC costs with it, it costs with any handler.
 */
#include <PCSC/ifdhandler.h>

#include <string.h>

RESPONSECODE IFDHCreateChannelByName(DWORD Lun, LPSTR DeviceName)
{
    return IFD_SUCCESS;
}

RESPONSECODE IFDHCreateChannel(DWORD Lun, DWORD Channel)
{
    return IFD_SUCCESS;
}

RESPONSECODE IFDHCloseChannel(DWORD Lun)
{
    return IFD_SUCCESS;
}

RESPONSECODE IFDHGetCapabilities(DWORD Lun, DWORD Tag, PDWORD Length, PUCHAR Value)
{
    if ((Tag != TAG_IFD_SIMULTANEOUS_ACCESS && Tag != TAG_IFD_THREAD_SAFE) || *Length < 1)
        return IFD_ERROR_TAG;
    *Value = Tag == TAG_IFD_THREAD_SAFE ? 1 : 16;
    *Length = 1;
    return IFD_SUCCESS;
}

RESPONSECODE IFDHSetCapabilities(DWORD Lun, DWORD Tag, DWORD Length, PUCHAR Value)
{
    return IFD_ERROR_TAG;
}

RESPONSECODE IFDHSetProtocolParameters(DWORD Lun, DWORD Protocol, UCHAR Flags, UCHAR PTS1, UCHAR PTS2, UCHAR PTS3)
{
    return IFD_SUCCESS;
}

RESPONSECODE IFDHPowerICC(DWORD Lun, DWORD Action, PUCHAR Atr, PDWORD AtrLength)
{
    static const unsigned char atr[] = {0x3B, 0x80, 0x80, 0x01, 0x01};

    if (Atr && AtrLength) {
        memcpy(Atr, atr, sizeof(atr));
        *AtrLength = sizeof(atr);
    }
    return IFD_SUCCESS;
}

RESPONSECODE IFDHTransmitToICC(DWORD Lun, SCARD_IO_HEADER SendPci, PUCHAR TxBuffer, DWORD TxLength, PUCHAR RxBuffer,
                               PDWORD RxLength, PSCARD_IO_HEADER RecvPci)
{
    DWORD size = TxLength > 4 ? TxBuffer[4] : 0;

    if (*RxLength < size + 2)
        return IFD_ERROR_INSUFFICIENT_BUFFER;
    if (TxLength > 5)
        memcpy(RxBuffer, TxBuffer + 5, size);
    else
        memset(RxBuffer, 0, size);
    RxBuffer[size] = 0x90;
    RxBuffer[size + 1] = 0x00;
    *RxLength = size + 2;
    return IFD_SUCCESS;
}

RESPONSECODE IFDHICCPresence(DWORD Lun)
{
    return IFD_ICC_PRESENT;
}

RESPONSECODE IFDHControl(DWORD Lun, DWORD dwControlCode, PUCHAR TxBuffer, DWORD TxLength, PUCHAR RxBuffer,
                         DWORD RxLength, LPDWORD pdwBytesReturned)
{
    *pdwBytesReturned = 0;
    return IFD_ERROR_NOT_SUPPORTED;
}
