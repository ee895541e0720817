/* SPDX-License-Identifier: MIT */
/* Protocol and parameters selection, both sides: ISO/IEC 7816-3:2006, clause 9. Changing the rate is the caller's. */
#include "pps.h"
#include "edc.h"

#define PPSS          0xFFu
#define PPS0_PPS1     0x10u
#define PPS0_PPS2     0x20u
#define PPS0_PPS3     0x40u
#define PPS0_RESERVED 0x80u
#define FD_DD         0x11u

size_t iso7816_pps_build(const struct iso7816_pps *pps, uint8_t bytes[ISO7816_PPS_MAX])
{
    size_t size = 2;

    bytes[0] = PPSS;
    bytes[1] = pps->protocol & 0x0F;
    if (pps->has_pps1) {
        bytes[1] |= PPS0_PPS1;
        bytes[size++] = pps->pps1;
    }
    if (pps->has_pps2) {
        bytes[1] |= PPS0_PPS2;
        bytes[size++] = pps->pps2;
    }
    if (pps->has_pps3) {
        bytes[1] |= PPS0_PPS3;
        bytes[size++] = pps->pps3;
    }
    return iso7816_edc_append(bytes, size, ISO7816_EDC_LRC);
}

size_t iso7816_pps_expected(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 3;
    return (size_t)3 + ((bytes[1] & PPS0_PPS1) != 0) + ((bytes[1] & PPS0_PPS2) != 0) + ((bytes[1] & PPS0_PPS3) != 0);
}

enum iso7816_pps_result iso7816_pps_parse(const uint8_t *bytes, size_t size, struct iso7816_pps *pps)
{
    size_t next = 2;

    *pps = (struct iso7816_pps){.pps1 = FD_DD};
    if (size > 0 && bytes[0] != PPSS)
        return ISO7816_PPS_BAD_PPSS;
    if (size < iso7816_pps_expected(bytes, size))
        return ISO7816_PPS_TOO_SHORT;
    if (size > iso7816_pps_expected(bytes, size))
        return ISO7816_PPS_TOO_LONG;
    if (iso7816_lrc(bytes, size) != 0)
        return ISO7816_PPS_BAD_PCK;
    if (bytes[1] & PPS0_RESERVED)
        return ISO7816_PPS_BAD_PPS0;

    pps->protocol = bytes[1] & 0x0F;
    pps->has_pps1 = (bytes[1] & PPS0_PPS1) != 0;
    pps->has_pps2 = (bytes[1] & PPS0_PPS2) != 0;
    pps->has_pps3 = (bytes[1] & PPS0_PPS3) != 0;
    if (pps->has_pps1)
        pps->pps1 = bytes[next++];
    if (pps->has_pps2)
        pps->pps2 = bytes[next++];
    if (pps->has_pps3)
        pps->pps3 = bytes[next];
    return ISO7816_PPS_OK;
}

/* 9.3: each optional byte is echoed as it was, or left out; nothing is added. */
static bool echoed(bool asked, uint8_t request, bool answered, uint8_t response)
{
    return !answered || (asked && request == response);
}

enum iso7816_pps_result iso7816_pps_check(const struct iso7816_pps *request, const uint8_t *response, size_t size,
                                          struct iso7816_pps *agreed)
{
    enum iso7816_pps_result result = iso7816_pps_parse(response, size, agreed);

    if (result != ISO7816_PPS_OK)
        return result;
    if (agreed->protocol != request->protocol ||
        !echoed(request->has_pps1, request->pps1, agreed->has_pps1, agreed->pps1) ||
        !echoed(request->has_pps2, request->pps2, agreed->has_pps2, agreed->pps2) ||
        !echoed(request->has_pps3, request->pps3, agreed->has_pps3, agreed->pps3))
        return ISO7816_PPS_NOT_ECHOED;
    return ISO7816_PPS_OK;
}

bool iso7816_pps_allows(const struct iso7816_atr *atr, uint8_t pps1)
{
    uint16_t f = iso7816_f(pps1 >> 4), low = 372, high = atr->f;
    uint8_t d = iso7816_d(pps1 & 0x0F);

    if (high < low)
        low = high;
    if (high < 372)
        high = 372;
    return f != 0 && d != 0 && f >= low && f <= high && d <= atr->d;
}

size_t iso7816_pps_answer(const struct iso7816_atr *atr, const uint8_t *request, size_t size,
                          uint8_t response[ISO7816_PPS_MAX], struct iso7816_pps *agreed)
{
    struct iso7816_pps pps;

    if (iso7816_pps_parse(request, size, &pps) != ISO7816_PPS_OK)
        return 0;
    if (atr->specific || pps.protocol == 15 || !(atr->protocols >> pps.protocol & 1))
        return 0;
    *agreed = (struct iso7816_pps){.protocol = pps.protocol, .pps1 = FD_DD};
    if (pps.has_pps1 && iso7816_pps_allows(atr, pps.pps1)) {
        agreed->has_pps1 = true;
        agreed->pps1 = pps.pps1;
    }
    return iso7816_pps_build(agreed, response);
}
