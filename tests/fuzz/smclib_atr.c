/* SPDX-License-Identifier: MIT */
/*
 * Microsoft's reading of answers to reset. Input: clock and rate of the reader (two bytes each, in 10 kHz and 100 baud),
 * the PTS type, then the ATR.
 *
 * A bad ATR offers no protocol; a good one leaves values that the protocols can work with; every attribute is answered
 * within its buffer; the same ATR means the same again.
 */
#include "smclib_reader.h"

struct _READER_EXTENSION {
    char nothing;
};

static void attributes(SMARTCARD_EXTENSION *ext)
{
    static const ULONG tags[] = {SCARD_ATTR_CURRENT_PROTOCOL_TYPE,
                                 SCARD_ATTR_CURRENT_CLK,
                                 SCARD_ATTR_CURRENT_F,
                                 SCARD_ATTR_CURRENT_D,
                                 SCARD_ATTR_CURRENT_N,
                                 SCARD_ATTR_CURRENT_W,
                                 SCARD_ATTR_CURRENT_IFSC,
                                 SCARD_ATTR_CURRENT_IFSD,
                                 SCARD_ATTR_CURRENT_BWT,
                                 SCARD_ATTR_CURRENT_CWT,
                                 SCARD_ATTR_CURRENT_EBC_ENCODING,
                                 SCARD_ATTR_ICC_PRESENCE,
                                 SCARD_ATTR_ICC_INTERFACE_STATUS,
                                 SCARD_ATTR_ATR_STRING,
                                 SCARD_ATTR_ICC_TYPE_PER_ATR};

    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        for (size_t out = 0; out <= 36; out += 12) {
            struct exact buffer = exact_room(out > 4 ? out : 4);
            struct ending ending;

            memcpy(buffer.bytes, &tags[i], 4);
            ending = reader_request(ext, IOCTL_SMARTCARD_GET_ATTRIBUTE, &buffer, 4, out);
            require(ending.information <= out && (ending.status == STATUS_SUCCESS || ending.information == 0));
            require(out < 36 || ending.status == STATUS_SUCCESS || ending.status == STATUS_INVALID_DEVICE_STATE);
            drop(&buffer);
        }
    }
}

static void good(const SMARTCARD_EXTENSION *ext)
{
    const SCARD_CARD_CAPABILITIES *card = &ext->CardCapabilities;

    require(ext->ReaderCapabilities.CurrentState == SCARD_NEGOTIABLE ||
            ext->ReaderCapabilities.CurrentState == SCARD_SPECIFIC);
    require((card->Protocol.Supported & ~(ULONG)(SCARD_PROTOCOL_Tx | SCARD_PROTOCOL_RAW)) == 0);
    require(card->ATR.Length <= MAXIMUM_ATR_LENGTH && card->HistoricalChars.Length <= 15);
    require(card->etu > 0 && (card->ATR.Buffer[0] == 0x3B || card->ATR.Buffer[0] == 0x3F));
    require(card->ClockRateConversion[card->Fl].F != 0 && card->BitRateAdjustment[card->Dl].DNumerator != 0);
    require((card->Protocol.Supported & SCARD_PROTOCOL_T0) == 0 || card->T0.WT > 0);
    require((card->Protocol.Supported & SCARD_PROTOCOL_T1) == 0 || (card->T1.IFSC > 0 && card->T1.BWT > 0));
    require(card->PtsData.Type == PTS_TYPE_USER || (card->PtsData.Fl >= 1 && card->PtsData.Fl <= 15));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct _READER_EXTENSION driver = {0};
    struct input in = {data, size};
    SMARTCARD_EXTENSION *ext = reader_up(&driver);
    struct exact atr;
    NTSTATUS status;
    ULONG supported;

    ext->ReaderCapabilities.CLKFrequency.Default = 10 * (ULONG)take_number(&in, 65535);
    ext->ReaderCapabilities.CLKFrequency.Max = ext->ReaderCapabilities.CLKFrequency.Default;
    ext->ReaderCapabilities.DataRate.Default = 100 * (ULONG)take_number(&in, 65535);
    ext->ReaderCapabilities.DataRate.Max = 2 * ext->ReaderCapabilities.DataRate.Default;
    ext->ReaderCapabilities.CurrentState = SCARD_PRESENT;
    ext->CardCapabilities.PtsData.Type = take(&in) % 3;
    atr = take_exact(&in, in.left);

    status = reader_atr(ext, atr.bytes, atr.size);
    require(status == STATUS_SUCCESS || status == STATUS_UNRECOGNIZED_MEDIA);
    supported = ext->CardCapabilities.Protocol.Supported;
    if (status == STATUS_SUCCESS)
        good(ext);
    else
        require(ext->ReaderCapabilities.CurrentState == SCARD_PRESENT && (supported & SCARD_PROTOCOL_Tx) == 0);
    attributes(ext);
    require(SmartcardUpdateCardCapabilities(ext) == status);
    require(ext->CardCapabilities.Protocol.Supported == supported || status != STATUS_SUCCESS);
    drop(&atr);
    reader_down(ext);
    return 0;
}
