/* SPDX-License-Identifier: MIT */
/*
 * Answers to reset. Input: the ATR, all of it.
 *
 * A whole ATR is what its levels, its historical bytes and TCK say; what iso7816_atr_expected tells on the way agrees
 * with the parser; values are within what the standard allows; times come out of every ATR whose structure is whole.
 */
#include "fuzz.h"
#include "src/iso7816/atr.h"
#include "src/iso7816/timing.h"

/* The ATR again, from what was understood. Returns its size. */
static size_t rebuild(const struct iso7816_atr *atr, uint8_t bytes[ISO7816_ATR_MAX])
{
    size_t size = 1;

    bytes[0] = atr->convention == ISO7816_INVERSE ? 0x3F : 0x3B;
    bytes[size++] = (uint8_t)((atr->level_count ? atr->level[0].present : 0) << 4 | atr->historical_count);
    for (size_t i = 0; i < atr->level_count; i++) {
        const struct iso7816_atr_level *level = &atr->level[i];

        require(size + 4 <= ISO7816_ATR_MAX + 3);
        if (level->present & 1)
            bytes[size++] = level->ta;
        if (level->present & 2)
            bytes[size++] = level->tb;
        if (level->present & 4)
            bytes[size++] = level->tc;
        if (level->present & 8)
            bytes[size++] = level->td;
    }
    memcpy(bytes + size, atr->historical, atr->historical_count);
    size += atr->historical_count;
    if (atr->has_tck)
        bytes[size++] = atr->tck;
    return size;
}

static void structure_is_whole(const struct iso7816_atr *atr, const struct exact *bytes)
{
    uint8_t again[2 * ISO7816_ATR_MAX];

    require(bytes->size >= 2 && bytes->size <= ISO7816_ATR_MAX);
    require(atr->level_count <= ISO7816_ATR_LEVELS && atr->historical_count <= 15);
    require(rebuild(atr, again) == bytes->size && memcmp(again, bytes->bytes, bytes->size) == 0);
    require(atr->protocols != 0 && (atr->protocols >> atr->first_protocol & 1));
    require(atr->ifsc >= 1 && atr->ifsc <= 254 && atr->bwi <= 9 && atr->cwi <= 15 && atr->wi >= 1);
    require(atr->f == iso7816_f(atr->fi) && atr->d == iso7816_d(atr->di) && atr->fmax_khz == iso7816_fmax_khz(atr->fi));
}

static void times(const struct iso7816_atr *atr, uint8_t more)
{
    static const uint32_t clocks[] = {0, 1, 1000, 3571, 4000, 20000, UINT32_MAX};

    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        for (uint8_t protocol = 0; protocol <= 1; protocol++) {
            struct iso7816_timing t;

            iso7816_timing(atr, protocol, more >> 4, more & 0x0F, clocks[i], &t);
            require(t.gt_etu >= 11 && t.cwt_etu >= 12 && t.bgt_etu == 22);
            require(t.wwt_etu > 0 && t.bwt_etu > 11 && t.bwt_etu < (uint64_t)1 << 40 && t.wwt_etu < (uint64_t)1 << 40);
            /* Rounded up once, not once for each etu: no more than a nanosecond for each of them apart. */
            require(t.etu_ns > 0 && t.cwt_ns <= t.cwt_etu * t.etu_ns && t.cwt_ns >= t.cwt_etu * (t.etu_ns - 1));
            require(t.bwt_ns <= t.bwt_etu * t.etu_ns && t.wwt_ns <= t.wwt_etu * t.etu_ns && t.gt_ns && t.bgt_ns);
        }
    }
}

static void expected_agrees(const struct exact *bytes, enum iso7816_atr_result result)
{
    size_t whole = iso7816_atr_expected(bytes->bytes, bytes->size);

    require(whole >= 2 && whole <= ISO7816_ATR_MAX + 1);
    for (size_t size = 0; size < bytes->size && size < whole; size++) {
        struct exact part = exact_copy(bytes->bytes, size);
        size_t now = iso7816_atr_expected(part.bytes, size);

        require(now > size && now <= whole); /* what has come never announces more than the whole does */
        drop(&part);
    }
    switch (result) {
    case ISO7816_ATR_EMPTY:
    case ISO7816_ATR_BAD_TS:
        break;
    case ISO7816_ATR_TOO_SHORT:
    case ISO7816_ATR_NO_TCK:
        require(whole > bytes->size);
        break;
    case ISO7816_ATR_TOO_LONG:
        require(whole < bytes->size || bytes->size > ISO7816_ATR_MAX);
        break;
    case ISO7816_ATR_EXTRA_TCK:
        require(whole + 1 == bytes->size);
        break;
    default:
        require(whole == bytes->size);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exact bytes = exact_copy(data, size);
    struct iso7816_atr atr, other;
    size_t at, other_at;
    enum iso7816_atr_result result;

    memset(&atr, 0x00, sizeof atr);
    memset(&other, 0xFF, sizeof other);
    result = iso7816_atr_parse(bytes.bytes, size, &atr, &at);
    require((unsigned)result < ISO7816_ATR_RESULTS && iso7816_atr_text(result)[0] != '\0');
    require(at <= size && (result != ISO7816_ATR_OK || at == size));
    /* What was in the structure before does not matter. */
    require(iso7816_atr_parse(bytes.bytes, size, &other, &other_at) == result && other_at == at);
    require(other.level_count == atr.level_count && other.protocols == atr.protocols && other.f == atr.f);
    require(other.ifsc == atr.ifsc && other.n == atr.n && other.wi == atr.wi && other.crc == atr.crc);
    require(memcmp(other.historical, atr.historical, sizeof atr.historical) == 0);
    require(iso7816_atr_parse(bytes.bytes, size, &other, NULL) == result);

    expected_agrees(&bytes, result);
    if (result == ISO7816_ATR_OK || result > ISO7816_ATR_BAD_TCK) {
        structure_is_whole(&atr, &bytes);
        times(&atr, bytes.bytes[size - 1]);
    }
    if (result == ISO7816_ATR_OK)
        require(atr.f != 0 && atr.d != 0);
    drop(&bytes);
    return 0;
}
