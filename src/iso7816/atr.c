/* SPDX-License-Identifier: MIT */
/*
 * Parsing an answer to reset: ISO/IEC 7816-3:2006, clause 8. First its structure is walked and filed by levels, then
 * the levels are given their meaning. What a reader does with a card whose ATR is wrong is its own affair.
 */
#include "atr.h"
#include "bytes.h"
#include "edc.h"

#define TA           0x1u
#define TB           0x2u
#define TC           0x4u
#define TD           0x8u
#define PRESENT(y)   ((uint8_t)((y) >> 4))
#define PROTOCOL(td) ((uint8_t)((td)&0x0F))

/* Tables 7 and 8; 0 for what is reserved. */
static const uint16_t f_table[16] = {372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048, 0, 0};
static const uint16_t fmax_table[16] = {4000, 5000, 6000, 8000,  12000, 16000, 20000, 0,
                                        0,    5000, 7500, 10000, 15000, 20000, 0,     0};
static const uint8_t d_table[16] = {0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0};

/* How many characters Y announces, TD included. */
static const uint8_t bit_count[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};

static const char *const texts[ISO7816_ATR_RESULTS] = {
    [ISO7816_ATR_OK] = "the ATR is valid",
    [ISO7816_ATR_EMPTY] = "there is no ATR",
    [ISO7816_ATR_BAD_TS] = "TS is neither 3B nor 3F (8.1)",
    [ISO7816_ATR_TOO_SHORT] = "the ATR ends before the last character that T0 and the TDi announce (8.2)",
    [ISO7816_ATR_TOO_LONG] = "there are characters after the end that T0 and the TDi announce (8.2)",
    [ISO7816_ATR_NO_TCK] = "TCK is missing, though a protocol other than T=0 is indicated (8.2.5)",
    [ISO7816_ATR_EXTRA_TCK] = "there is one character too many: only T=0 is offered, so TCK shall be absent (8.2.5)",
    [ISO7816_ATR_BAD_TCK] = "TCK is wrong: the exclusive-or of T0 to TCK is not 00 (8.2.5)",
    [ISO7816_ATR_BAD_FI] = "TA1 indicates a reserved value of Fi (8.3, table 7)",
    [ISO7816_ATR_BAD_DI] = "TA1 indicates a reserved value of Di (8.3, table 8)",
    [ISO7816_ATR_BAD_PROTOCOL_ORDER] = "TD1 indicates T=15, or the protocols are not in ascending order (8.2.3)",
    [ISO7816_ATR_BAD_WI] = "TC2 indicates the reserved waiting time integer 00 (10.2)",
    [ISO7816_ATR_BAD_IFSC] = "the first TA for T=1 indicates a reserved IFSC, 00 or FF (11.4.2)",
    [ISO7816_ATR_BAD_BWI] = "the first TB for T=1 indicates a reserved BWI, above 9 (11.4.3)",
};

/* The first violation of meaning that was found. */
struct finding {
    enum iso7816_atr_result result;
    size_t at;
};

uint16_t iso7816_f(uint8_t fi)
{
    return fi < 16 ? f_table[fi] : 0;
}

uint32_t iso7816_fmax_khz(uint8_t fi)
{
    return fi < 16 ? fmax_table[fi] : 0;
}

uint8_t iso7816_d(uint8_t di)
{
    return di < 16 ? d_table[di] : 0;
}

const char *iso7816_atr_text(enum iso7816_atr_result result)
{
    return (unsigned)result < ISO7816_ATR_RESULTS ? texts[result] : "unknown result";
}

static void note(struct finding *finding, enum iso7816_atr_result result, size_t at)
{
    if (finding->result == ISO7816_ATR_OK)
        *finding = (struct finding){result, at};
}

static void set_defaults(struct iso7816_atr *atr)
{
    *atr = (struct iso7816_atr){.fi = 1, .di = 1, .f = 372, .d = 1, .fmax_khz = 5000};
    atr->wi = 10;
    atr->ifsc = 32;
    atr->bwi = 4;
    atr->cwi = 13;
}

/* Take the interface bytes of one level, which lie within the ATR; returns the Y of the next level. */
static uint8_t take_level(struct iso7816_atr_level *level, uint8_t present, uint8_t protocol, const uint8_t *bytes)
{
    *level = (struct iso7816_atr_level){.present = present, .protocol = protocol};
    if (present & TA)
        level->ta = *bytes++;
    if (present & TB)
        level->tb = *bytes++;
    if (present & TC)
        level->tc = *bytes++;
    if (!(present & TD))
        return 0;
    level->td = *bytes;
    return PRESENT(level->td);
}

/* The structure: files the levels, offers and historical bytes, and checks where everything ends. */
static enum iso7816_atr_result walk(const uint8_t *bytes, size_t size, struct iso7816_atr *atr, size_t *at)
{
    uint8_t y, protocol = 255;
    size_t next = 2;

    *at = 0;
    if (size == 0)
        return ISO7816_ATR_EMPTY;
    if (bytes[0] != 0x3B && bytes[0] != 0x3F)
        return ISO7816_ATR_BAD_TS;
    atr->convention = bytes[0] == 0x3F ? ISO7816_INVERSE : ISO7816_DIRECT;
    *at = ISO7816_ATR_MAX;
    if (size > ISO7816_ATR_MAX)
        return ISO7816_ATR_TOO_LONG;
    *at = size;
    if (size < 2)
        return ISO7816_ATR_TOO_SHORT;

    /* Each turn takes at least one of at most 31 characters, so the levels suffice. */
    //@ loop unroll 32;
    for (y = PRESENT(bytes[1]); y != 0;) {
        struct iso7816_atr_level *level = &atr->level[atr->level_count];

        //@ split y;
        if (next + bit_count[y] > size)
            return ISO7816_ATR_TOO_SHORT;
        atr->level_count++;
        next += bit_count[y];
        y = take_level(level, y, protocol, bytes + next - bit_count[y]);
        //@ merge y;
        if (level->present & TD) {
            protocol = PROTOCOL(level->td);
            atr->protocols |= (uint16_t)(1u << protocol);
            if (level == atr->level)
                atr->first_protocol = protocol;
        }
    }
    if (atr->protocols == 0)
        atr->protocols = 1;

    //@ split next;
    atr->historical_count = bytes[1] & 0x0F;
    if (next + atr->historical_count > size) {
        atr->historical_count = 0;
        return ISO7816_ATR_TOO_SHORT;
    }
    copy_bytes(atr->historical, bytes + next, atr->historical_count);
    next += atr->historical_count;

    if (atr->protocols == 1) {
        *at = next;
        if (size == next + 1)
            return ISO7816_ATR_EXTRA_TCK;
        return size > next ? ISO7816_ATR_TOO_LONG : ISO7816_ATR_OK;
    }
    if (size == next)
        return ISO7816_ATR_NO_TCK;
    atr->has_tck = true;
    atr->tck = bytes[next];
    *at = next + 1;
    if (size > next + 1)
        return ISO7816_ATR_TOO_LONG;
    *at = next;
    if (iso7816_lrc(bytes + 1, size - 1) != 0)
        return ISO7816_ATR_BAD_TCK;
    *at = size;
    return ISO7816_ATR_OK;
}

/* Level 1: global interface bytes. A reserved Fi or Di is filed as it is, with F or D 0. */
static void read_level1(struct iso7816_atr *atr, const struct iso7816_atr_level *level, size_t at,
                        struct finding *finding)
{
    if (level->present & TA) {
        atr->fi = level->ta >> 4;
        atr->di = level->ta & 0x0F;
        atr->f = f_table[atr->fi];
        atr->fmax_khz = fmax_table[atr->fi];
        atr->d = d_table[atr->di];
        if (atr->f == 0)
            note(finding, ISO7816_ATR_BAD_FI, at);
        if (atr->d == 0)
            note(finding, ISO7816_ATR_BAD_DI, at);
    }
    if (level->present & TB)
        atr->has_vpp = (level->tb & 0x1F) != 0;
    if (level->present & TC)
        atr->n = level->tc;
}

/* Level 2: TA2 and TB2 are global, TC2 belongs to T=0 (8.2.3), so it has no meaning where T=0 is not offered. */
static void read_level2(struct iso7816_atr *atr, const struct iso7816_atr_level *level, size_t at,
                        struct finding *finding)
{
    if (level->present & TA) {
        atr->specific = true;
        atr->specific_implicit = (level->ta & 0x10) != 0;
        atr->specific_can_change = (level->ta & 0x80) == 0;
        atr->specific_protocol = PROTOCOL(level->ta);
    }
    if ((level->present & TB) && level->tb != 0)
        atr->has_vpp = true;
    if ((level->present & TC) && (atr->protocols & 1)) {
        if (level->tc == 0)
            note(finding, ISO7816_ATR_BAD_WI, at + bit_count[level->present & (TA | TB)]);
        else
            atr->wi = level->tc;
    }
}

/* The first level from 3 on that belongs to T=1 (11.4). */
static void read_t1(struct iso7816_atr *atr, const struct iso7816_atr_level *level, size_t at, struct finding *finding)
{
    if (level->present & TA) {
        if (level->ta == 0x00 || level->ta == 0xFF)
            note(finding, ISO7816_ATR_BAD_IFSC, at);
        else
            atr->ifsc = level->ta;
    }
    if (level->present & TB) {
        atr->cwi = level->tb & 0x0F;
        if (level->tb >> 4 > 9)
            note(finding, ISO7816_ATR_BAD_BWI, at + bit_count[level->present & TA]);
        else
            atr->bwi = level->tb >> 4;
    }
    if (level->present & TC)
        atr->crc = (level->tc & 0x01) != 0;
}

/* The first level from 3 on that belongs to T=15: global bytes again (8.3). */
static void read_t15(struct iso7816_atr *atr, const struct iso7816_atr_level *level)
{
    if (level->present & TA) {
        atr->clock_stop = level->ta >> 6;
        atr->classes = level->ta & 0x3F;
    }
}

static struct finding read_levels(struct iso7816_atr *atr, size_t size)
{
    struct finding finding = {ISO7816_ATR_OK, size};
    bool t1_read = false, t15_read = false;
    uint8_t last = 0;
    size_t at = 2;

    //@ loop unroll 31;
    for (size_t i = 0; i < atr->level_count; at += bit_count[atr->level[i].present], i++) {
        const struct iso7816_atr_level *level = &atr->level[i];

        if (i == 0) {
            read_level1(atr, level, at, &finding);
        } else if (i == 1) {
            read_level2(atr, level, at, &finding);
        } else if (level->protocol == 1 && !t1_read) {
            read_t1(atr, level, at, &finding);
            t1_read = true;
        } else if (level->protocol == 15 && !t15_read) {
            read_t15(atr, level);
            t15_read = true;
        }
        if (level->present & TD) {
            uint8_t protocol = PROTOCOL(level->td);

            if (protocol < last || (i == 0 && protocol == 15))
                note(&finding, ISO7816_ATR_BAD_PROTOCOL_ORDER, at + bit_count[level->present] - 1);
            last = protocol;
        }
    }
    return finding;
}

enum iso7816_atr_result iso7816_atr_parse(const uint8_t *bytes, size_t size, struct iso7816_atr *atr, size_t *at)
{
    struct finding finding;

    set_defaults(atr);
    finding.result = walk(bytes, size, atr, &finding.at);
    if (finding.result == ISO7816_ATR_OK)
        finding = read_levels(atr, size);
    if (at)
        *at = finding.at;
    return finding.result;
}

size_t iso7816_atr_expected(const uint8_t *bytes, size_t size)
{
    size_t next = 2;
    bool tck = false;

    if (size < 2)
        return 2;
    //@ loop unroll 32;
    for (uint8_t y = PRESENT(bytes[1]); y != 0;) {
        uint8_t td;

        next += bit_count[y];
        if (next > ISO7816_ATR_MAX)
            return ISO7816_ATR_MAX + 1;
        if (!(y & TD))
            break;
        if (next > size) /* TDi has not come, and announces who knows what */
            return next;
        td = bytes[next - 1];
        tck = tck || PROTOCOL(td) != 0;
        y = PRESENT(td);
    }
    next += (size_t)(bytes[1] & 0x0F) + (tck ? 1 : 0);
    return next > ISO7816_ATR_MAX ? ISO7816_ATR_MAX + 1 : next;
}
