/* SPDX-License-Identifier: MIT */
/*
 * What a card's ATR means to Microsoft's library: smclib.md 5.2. This is not the standard's reading, which is in
 * src/iso7816/atr.c; every difference is listed in docs/quirks.md.
 */
#define _ISO_TABLES_
#include "private.h"

#include "../iso7816/edc.h"

#define DEFAULT_CLOCK 3571u /* kHz, for readers that do not say */

/* The interface bytes of one ATR, found and checked, not interpreted. */
struct parsed {
    ULONG indications;    /* how many TDi there are */
    UCHAR first_protocol; /* of TD1; 0 without one */
    BOOLEAN t1_offered;
    BOOLEAN has_ta1, has_tb1, has_tc1; /* the global ones */
    BOOLEAN has_ta2, has_tb2, has_tc2;
    UCHAR ta1, tb1, tc1, ta2, tb2, tc2;
    BOOLEAN has_t1_ta, has_t1_tb, has_t1_tc; /* the first of their kind behind a TDi that says T=1 */
    UCHAR t1_ta, t1_tb, t1_tc;
    const UCHAR *historical;
    UCHAR historical_count;
};

void smclib_clear_card(PSMARTCARD_EXTENSION ext)
{
    RtlZeroMemory(&ext->CardCapabilities, sizeof(ext->CardCapabilities));
    ext->CardCapabilities.ClockRateConversion = ClockRateConversion;
    ext->CardCapabilities.BitRateAdjustment = BitRateAdjustment;
}

VOID SmartcardInitializeCardCapabilities(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PSMARTCARD_EXTENSION ext = SmartcardExtension;
    ULONG ifsd = ext->ReaderCapabilities.MaxIFSD;
    KIRQL irql;

    KeAcquireSpinLock(&ext->OsData->SpinLock, &irql);
    smclib_clear_card(ext);
    ext->CardCapabilities.Protocol.Supported = SCARD_PROTOCOL_RAW;
    ext->T1.State = T1_INIT;
    ext->T1.IFSD = ifsd >= 1 && ifsd <= T1_IFSD ? (UCHAR)ifsd : T1_IFSD_DEFAULT;
    ext->T1.SSN = 0;
    ext->T1.RSN = 0;
    ext->T1.LastError = 0;
    ext->T1.Resend = 0;
    ext->T1.Resynch = 0;
    ext->T1.Wtx = 0;
    ext->T1.WaitForReply = FALSE;
    smclib_private(ext)->t1_out_of_step = FALSE;
    KeReleaseSpinLock(&ext->OsData->SpinLock, irql);
}

/* Take the next byte of the ATR if `bit` of `y` announces it. FALSE: it is missing. */
static BOOLEAN take(const UCHAR *atr, ULONG length, ULONG *at, UCHAR y, UCHAR bit, BOOLEAN *has, UCHAR *value)
{
    *has = FALSE;
    if ((y & bit) == 0) {
        return TRUE;
    }
    if (*at >= length) {
        return FALSE;
    }
    *has = TRUE;
    *value = atr[(*at)++];
    return TRUE;
}

/* Only the first counts. */
static void keep_first(BOOLEAN *has, UCHAR *kept, BOOLEAN has_new, UCHAR value)
{
    if (has_new && !*has) {
        *has = TRUE;
        *kept = value;
    }
}

/* One group of interface bytes, TAi TBi TCi TDi. y becomes the next group's announcements, 0 behind the last. */
static BOOLEAN parse_group(const UCHAR *atr, ULONG length, ULONG *at, ULONG i, UCHAR *y, UCHAR *protocol,
                           struct parsed *p)
{
    BOOLEAN a, b, c, d;
    UCHAR ta = 0, tb = 0, tc = 0, td = 0;

    if (!take(atr, length, at, *y, 0x1, &a, &ta) || !take(atr, length, at, *y, 0x2, &b, &tb) ||
        !take(atr, length, at, *y, 0x4, &c, &tc) || !take(atr, length, at, *y, 0x8, &d, &td)) {
        return FALSE;
    }
    if (i == 1) {
        keep_first(&p->has_ta1, &p->ta1, a, ta);
        keep_first(&p->has_tb1, &p->tb1, b, tb);
        keep_first(&p->has_tc1, &p->tc1, c, tc);
    } else if (i == 2) {
        keep_first(&p->has_ta2, &p->ta2, a, ta);
        keep_first(&p->has_tb2, &p->tb2, b, tb);
        keep_first(&p->has_tc2, &p->tc2, c, tc);
    }
    if (i >= 2 && *protocol == 1) {
        keep_first(&p->has_t1_ta, &p->t1_ta, a, ta);
        keep_first(&p->has_t1_tb, &p->t1_tb, b, tb);
        keep_first(&p->has_t1_tc, &p->t1_tc, c, tc);
    }
    *y = d ? (UCHAR)(td >> 4) : 0;
    if (d) {
        *protocol = td & 0x0F;
        if (p->indications == 0) {
            p->first_protocol = *protocol;
        }
        p->indications++;
        p->t1_offered = p->t1_offered || *protocol == 1;
    }
    return TRUE;
}

/* Length and checksum must fit exactly; nothing is interpreted yet. `length` is at least 2. */
static BOOLEAN parse(const UCHAR *atr, ULONG length, struct parsed *p)
{
    ULONG at = 2;
    UCHAR y = atr[1] >> 4;
    UCHAR protocol = 0;
    BOOLEAN needs_tck = FALSE;

    RtlZeroMemory(p, sizeof(*p));
    for (ULONG i = 1; y != 0; i++) { /* each group takes at least one byte */
        ULONG before = p->indications;

        if (!parse_group(atr, length, &at, i, &y, &protocol, p)) {
            return FALSE;
        }
        needs_tck = needs_tck || (p->indications != before && protocol != 0);
    }
    p->historical = atr + at;
    p->historical_count = atr[1] & 0x0F;
    if (length != at + p->historical_count + (needs_tck ? 1u : 0u)) {
        return FALSE;
    }
    return !needs_tck || iso7816_lrc(atr + 1, length - 1) == 0;
}

/* A 32-bit time must not come out short because it did not fit. */
static ULONG saturate(ULONGLONG value)
{
    return value > 0xFFFFFFFFu ? 0xFFFFFFFFu : (ULONG)value;
}

static void evaluate_t0(const struct parsed *p, PSCARD_CARD_CAPABILITIES card)
{
    card->T0.WI = p->has_tc2 ? p->tc2 : 10;
    card->T0.WT = saturate(1 + (ULONGLONG)960 * card->T0.WI * card->etu);
}

static void evaluate_t1(const struct parsed *p, ULONG clock, PSCARD_CARD_CAPABILITIES card)
{
    ULONG scaled;

    card->T1.IFSC = p->has_t1_ta && p->t1_ta != 0 ? p->t1_ta : T1_IFSD_DEFAULT;
    card->T1.CWI = p->has_t1_tb && p->t1_tb != 0 ? p->t1_tb & 0x0F : T1_CWI_DEFAULT;
    card->T1.BWI = p->has_t1_tb && p->t1_tb != 0 ? (UCHAR)(p->t1_tb >> 4) : T1_BWI_DEFAULT;
    card->T1.EDC = p->has_t1_tc ? p->t1_tc & T1_CRC_CHECK : 0;
    card->T1.CWT = saturate(1 + ((1ull << card->T1.CWI) + 11) * card->etu);
    /* Both the wrap and the scaled 11 etu are the library's (smclib.md 5.2). */
    scaled = (ULONG)(((1ull << card->T1.BWI) * 960 * 372) & 0xFFFFFFFFu);
    card->T1.BWT = saturate(1 + 1000ull * (11ull * card->etu + scaled / clock));
    card->T1.BGT = 0;
}

/* Fill everything but the ATR itself from the parsed bytes. FALSE: reserved Fl or Dl. */
static BOOLEAN evaluate(PSMARTCARD_EXTENSION ext, const struct parsed *p, PSCARD_CARD_CAPABILITIES card)
{
    ULONG clock = ext->ReaderCapabilities.CLKFrequency.Default;

    clock = clock != 0 ? clock : DEFAULT_CLOCK;
    card->Fl = p->has_ta1 ? (UCHAR)(p->ta1 >> 4) : 1;
    card->Dl = p->has_ta1 ? p->ta1 & 0x0F : 1;
    if (ClockRateConversion[card->Fl].F == 0 || BitRateAdjustment[card->Dl].DNumerator == 0) {
        return FALSE;
    }
    card->etu = 1 + 372000 / clock;
    card->II = p->has_tb1 ? (UCHAR)(p->tb1 >> 6) : 0;
    card->P = p->has_tb1 ? (UCHAR)(((p->tb1 & 0x1Fu) * 10u) & 0xFFu) : 50;
    card->P = p->has_tb2 ? p->tb2 : card->P;
    card->N = p->has_tc1 ? p->tc1 : 0;
    card->GT = card->N == 255 ? 0 : saturate((ULONGLONG)card->N * card->etu);

    RtlZeroMemory(&card->HistoricalChars, sizeof(card->HistoricalChars));
    RtlCopyMemory(card->HistoricalChars.Buffer, p->historical, p->historical_count);
    card->HistoricalChars.Length = p->historical_count;

    RtlZeroMemory(&card->T0, sizeof(card->T0));
    RtlZeroMemory(&card->T1, sizeof(card->T1));
    card->Protocol.Supported = SCARD_PROTOCOL_RAW;
    if (p->first_protocol == 0) {
        card->Protocol.Supported |= SCARD_PROTOCOL_T0;
        evaluate_t0(p, card);
    }
    if (p->t1_offered) {
        card->Protocol.Supported |= SCARD_PROTOCOL_T1;
        evaluate_t1(p, clock, card);
    }
    smclib_pts(&ext->ReaderCapabilities, card);
    return TRUE;
}

/* The state that the card is in after this ATR; selects the protocol that it is bound to. */
static ULONG select_protocol(const struct parsed *p, PSCARD_CARD_CAPABILITIES card)
{
    card->Protocol.Selected = SCARD_PROTOCOL_UNDEFINED;
    if (p->has_ta2) {
        card->Protocol.Selected = 1u << (p->ta2 & 0x0F);
        return SCARD_SPECIFIC;
    }
    if (p->indications <= 1 && (!p->has_ta1 || p->ta1 == 0x11)) {
        if (p->first_protocol <= 1) {
            card->Protocol.Selected = 1u << p->first_protocol;
        }
        return SCARD_SPECIFIC;
    }
    return SCARD_NEGOTIABLE;
}

NTSTATUS smclib_update_card_capabilities(PSMARTCARD_EXTENSION ext, BOOLEAN keep_absent)
{
    SCARD_CARD_CAPABILITIES card = ext->CardCapabilities; /* worked on here, shown to others all at once */
    NTSTATUS status = STATUS_UNRECOGNIZED_MEDIA;
    ULONG state = SCARD_UNKNOWN;
    ULONG kept = card.ATR.Length < sizeof(card.ATR.Buffer) ? card.ATR.Length : (ULONG)sizeof(card.ATR.Buffer);
    struct parsed parsed;
    KIRQL irql;

    if (card.ATR.Length < 2 ||
        (card.ATR.Buffer[0] != 0x3B && card.ATR.Buffer[0] != 0x3F && card.ATR.Buffer[0] != 0x03)) {
        goto out;
    }
    card.Protocol.Supported = 0;
    if (card.ATR.Buffer[0] == 0x03) {
        SmartcardInvertData(card.ATR.Buffer, kept);
        card.InversConvention = TRUE;
    } else if (card.ATR.Buffer[0] == 0x3B) {
        card.InversConvention = FALSE; /* 3F keeps it: that is what 03 has become when it is evaluated again */
    }
    if (card.ATR.Length > MAXIMUM_ATR_LENGTH || !parse(card.ATR.Buffer, card.ATR.Length, &parsed) ||
        !evaluate(ext, &parsed, &card)) {
        /* A half-evaluated card must not show: only what is known of failures (smclib.md 5.2). */
        SCARD_CARD_CAPABILITIES failed = ext->CardCapabilities;

        failed.ATR = card.ATR;
        failed.InversConvention = card.InversConvention;
        failed.Protocol.Supported = 0;
        card = failed;
        goto out;
    }
    state = select_protocol(&parsed, &card);
    status = STATUS_SUCCESS;
out:
    KeAcquireSpinLock(&ext->OsData->SpinLock, &irql);
    ext->CardCapabilities = card;
    if (NT_SUCCESS(status) && !(keep_absent && ext->ReaderCapabilities.CurrentState <= SCARD_ABSENT)) {
        ext->ReaderCapabilities.CurrentState = state;
    }
    KeReleaseSpinLock(&ext->OsData->SpinLock, irql);
    return status;
}

NTSTATUS SmartcardUpdateCardCapabilities(PSMARTCARD_EXTENSION SmartcardExtension)
{
    return smclib_update_card_capabilities(SmartcardExtension, FALSE);
}

VOID SmartcardInvertData(PUCHAR Buffer, ULONG Length)
{
    for (ULONG i = 0; i < Length; i++) {
        Buffer[i] = iso7816_invert(Buffer[i]);
    }
}
