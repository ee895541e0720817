/* SPDX-License-Identifier: MIT */
/*
 * What to offer a card in PPS: PTS_DATA from what the card's TA1 allows and what the reader can do. Nothing is
 * documented but the fields' meaning; the rule below fits every record of Windows 11's library (smclib.md 5.2).
 */
#include "private.h"

/* The values that a reader supports: those of its list when it has one, and the two figures that it always gives;
 * without a list these two are all. */
struct values {
    const ULONG *list;
    ULONG entries;
    ULONG standard;
    ULONG max; /* 0: not set, so no limit */
};

/* Value number `index`, 0 for one that is not to be used; *more becomes FALSE behind the last. */
static ULONG value(const struct values *values, ULONG index, BOOLEAN *more)
{
    ULONG v;

    if (index < values->entries) {
        v = values->list[index];
    } else {
        v = index == values->entries ? values->standard : values->max;
        *more = index == values->entries;
    }
    return values->max != 0 && v > values->max ? 0 : v;
}

/* The reader's highest clock (kHz) that is not above the card's limit; the default one when there is no such. */
static ULONG best_clock(const struct values *clocks, ULONG limit)
{
    BOOLEAN more = TRUE;
    ULONG best = 0;

    for (ULONG i = 0; more; i++) {
        ULONG clock = value(clocks, i, &more);

        if (clock <= limit && clock > best) {
            best = clock;
        }
    }
    return best != 0 ? best : clocks->standard;
}

/* The reader's rate that `rate` means: the one within one percent of it. 0: none. */
static ULONG matching_rate(const struct values *rates, ULONGLONG rate)
{
    BOOLEAN more = TRUE;

    for (ULONG i = 0; more; i++) {
        ULONG candidate = value(rates, i, &more);
        ULONGLONG off = candidate > rate ? candidate - rate : rate - candidate;

        if (candidate != 0 && off * 100 <= candidate) {
            return candidate;
        }
    }
    return 0;
}

/* Find, from the card's Fl and Dl downwards, a pair at which some clock of the reader gives some rate of the reader. */
static BOOLEAN optimal(const SCARD_READER_CAPABILITIES *reader, PSCARD_CARD_CAPABILITIES card)
{
    const CLOCK_RATE_CONVERSION *f = card->ClockRateConversion;
    const BIT_RATE_ADJUSTMENT *d = card->BitRateAdjustment;
    const struct values clocks = {
        reader->CLKFrequenciesSupported.List,
        reader->CLKFrequenciesSupported.List != NULL ? reader->CLKFrequenciesSupported.Entries : 0u,
        reader->CLKFrequency.Default,
        reader->CLKFrequency.Max,
    };
    const struct values rates = {
        reader->DataRatesSupported.List,
        reader->DataRatesSupported.List != NULL ? reader->DataRatesSupported.Entries : 0u,
        reader->DataRate.Default,
        reader->DataRate.Max,
    };

    for (UCHAR fl = card->Fl; fl >= 1; fl--) {
        ULONG clock;

        if (f[fl].F == 0 || f[fl].fs > f[card->Fl].fs) {
            continue;
        }
        clock = best_clock(&clocks, f[fl].fs / 1000);
        for (UCHAR dl = card->Dl; dl >= 2; dl--) {
            ULONG rate;

            if (d[dl].DNumerator == 0 || d[dl].DNumerator > d[card->Dl].DNumerator) {
                continue;
            }
            rate = matching_rate(&rates, (ULONGLONG)clock * 1000 * d[dl].DNumerator / d[dl].DDivisor / f[fl].F);
            if (rate != 0) {
                card->PtsData.Fl = fl;
                card->PtsData.Dl = dl;
                card->PtsData.CLKFrequency = clock;
                card->PtsData.DataRate = rate;
                return TRUE;
            }
        }
    }
    return FALSE;
}

void smclib_pts(const SCARD_READER_CAPABILITIES *reader, PSCARD_CARD_CAPABILITIES card)
{
    if (card->PtsData.Type == PTS_TYPE_USER) {
        return;
    }
    card->PtsData.StopBits = card->N == 255 ? 1 : 2;
    if (card->PtsData.Type == PTS_TYPE_OPTIMAL && optimal(reader, card)) {
        return;
    }
    card->PtsData.Fl = 1;
    card->PtsData.Dl = 1;
    card->PtsData.CLKFrequency = reader->CLKFrequency.Default;
    card->PtsData.DataRate = reader->DataRate.Default;
}
