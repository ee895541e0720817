/* SPDX-License-Identifier: MIT */
/*
 * Protocol and parameters selection. Input: the length of an ATR and the ATR, the length of a request and the request,
 * a response.
 *
 * What parses is what would be built, and the other way round; what a card answers is what its reader accepts; what a
 * reader accepts is what it asked for, or less.
 */
#include "fuzz.h"
#include "src/iso7816/atr.h"
#include "src/iso7816/pps.h"

static bool same(const struct iso7816_pps *a, const struct iso7816_pps *b)
{
    return a->protocol == b->protocol && a->has_pps1 == b->has_pps1 && a->has_pps2 == b->has_pps2 &&
           a->has_pps3 == b->has_pps3 && a->pps1 == b->pps1 && a->pps2 == b->pps2 && a->pps3 == b->pps3;
}

static enum iso7816_pps_result parse(const struct exact *bytes, struct iso7816_pps *pps)
{
    enum iso7816_pps_result result = iso7816_pps_parse(bytes->bytes, bytes->size, pps);
    size_t whole = iso7816_pps_expected(bytes->bytes, bytes->size);
    uint8_t again[ISO7816_PPS_MAX];

    require(whole >= 3 && whole <= ISO7816_PPS_MAX);
    require(result != ISO7816_PPS_TOO_SHORT || bytes->size < whole);
    require(result != ISO7816_PPS_TOO_LONG || bytes->size > whole);
    require(result != ISO7816_PPS_NOT_ECHOED);
    if (result == ISO7816_PPS_OK) {
        require(bytes->size == whole && iso7816_pps_build(pps, again) == whole);
        require(memcmp(again, bytes->bytes, whole) == 0);
    }
    return result;
}

/* Any request can be built, and is read as it was meant. */
static void build(const uint8_t bytes[4])
{
    struct iso7816_pps pps = {.protocol = bytes[0] & 0x0F, .pps1 = 0x11}, again;
    struct exact built = exact_room(ISO7816_PPS_MAX);

    pps.has_pps1 = bytes[0] & 0x10;
    pps.has_pps2 = bytes[0] & 0x20;
    pps.has_pps3 = bytes[0] & 0x40;
    pps.pps1 = pps.has_pps1 ? bytes[1] : 0x11;
    pps.pps2 = pps.has_pps2 ? bytes[2] : 0;
    pps.pps3 = pps.has_pps3 ? bytes[3] : 0;
    require(iso7816_pps_parse(built.bytes, iso7816_pps_build(&pps, built.bytes), &again) == ISO7816_PPS_OK);
    require(same(&pps, &again));
    drop(&built);
}

static void answer(const struct exact *atr_bytes, const struct exact *request, const struct iso7816_pps *asked)
{
    struct exact response = exact_room(ISO7816_PPS_MAX);
    struct iso7816_pps agreed, seen;
    struct iso7816_atr atr;
    size_t size;

    (void)iso7816_atr_parse(atr_bytes->bytes, atr_bytes->size, &atr, NULL);
    size = iso7816_pps_answer(&atr, request->bytes, request->size, response.bytes, &agreed);
    require(size == 0 || (asked != NULL && size >= 3 && size <= request->size));
    if (size) {
        require(!atr.specific && (atr.protocols >> asked->protocol & 1));
        require(iso7816_pps_check(asked, response.bytes, size, &seen) == ISO7816_PPS_OK && same(&seen, &agreed));
        require(iso7816_f(agreed.pps1 >> 4) != 0 && iso7816_d(agreed.pps1 & 0x0F) != 0);
    }
    drop(&response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct exact atr = take_exact(&in, take(&in)), request = take_exact(&in, take(&in)),
                 response = take_exact(&in, in.left);
    struct iso7816_pps asked, answered, agreed;
    bool fine = parse(&request, &asked) == ISO7816_PPS_OK;

    if (request.size >= 4)
        build(request.bytes);
    answer(&atr, &request, fine ? &asked : NULL);
    if (fine && iso7816_pps_check(&asked, response.bytes, response.size, &agreed) == ISO7816_PPS_OK) {
        require(parse(&response, &answered) == ISO7816_PPS_OK && same(&answered, &agreed));
        require(agreed.protocol == asked.protocol);
        require(agreed.has_pps1 ? asked.has_pps1 && agreed.pps1 == asked.pps1 : agreed.pps1 == 0x11);
        require(!agreed.has_pps2 || (asked.has_pps2 && agreed.pps2 == asked.pps2));
        require(!agreed.has_pps3 || (asked.has_pps3 && agreed.pps3 == asked.pps3));
    }
    drop(&response);
    drop(&request);
    drop(&atr);
    return 0;
}
