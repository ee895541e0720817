/* SPDX-License-Identifier: MIT */
/* The way from an ATR to a protocol and a rate, for its tests: answers to reset, a reader, and what a card says. */
#ifndef ISO7816_NEGOTIATE_KIT_H
#define ISO7816_NEGOTIATE_KIT_H

#include "iso7816_support.h"
#include "../../src/iso7816/negotiate.h"

/* Answers to reset; T=0 and T=1 are offered, T=0 first, where nothing else is said. */
#define BOTH              "3B 80 80 31 FE 05 CA"
#define BOTH_512_16       "3B 90 95 80 31 FE 05 4F"
#define BOTH_512_64       "3B 90 97 80 31 FE 05 4D"
#define BOTH_512_8        "3B 90 94 80 31 FE 05 4E"
#define BOTH_512_2        "3B 90 92 80 31 FE 05 48"
#define BOTH_768_32       "3B 90 A6 80 31 FE 05 7C"
#define BOTH_2048_64      "3B 90 D7 80 31 FE 05 0D"
#define BOTH_4_MHZ        "3B 90 05 80 31 FE 05 DF" /* Fi = 0: F = 372, fmax = 4 MHz */
#define BOTH_RESERVED     "3B 90 71 80 31 FE 05 AB" /* Fi = 7 */
#define DISORDER          "3B 80 81 30 00 05 34"    /* T=1, then T=0 (8.2.3) */
#define INVERSE_512_16    "3F 90 95 80 31 FE 05 4F"
#define ONLY_T0           "3B 10 95"
#define ONLY_T1           "3B 80 81 31 FE 05 CB"
#define ONLY_T1_512_32    "3B 90 96 81 31 FE 05 4D"
#define T0_CAN_CHANGE     "3B 90 95 90 00 31 FE 05 5F" /* specific mode, TA1 = 95 */
#define T0_FIXED          "3B 90 95 90 80 31 FE 05 DF"
#define T1_CAN_CHANGE     "3B 90 95 90 01 31 FE 05 5E"
#define T1_FIXED          "3B 90 95 90 81 31 FE 05 DE"
#define T1_IMPLICIT       "3B 90 95 90 91 31 FE 05 CE"
#define T1_768_CAN_CHANGE "3B 90 A6 90 01 31 FE 05 6D"
#define T1_768_FIXED      "3B 90 A6 90 81 31 FE 05 ED"

#define SEND  ISO7816_NEGOTIATE_SEND
#define RESET ISO7816_NEGOTIATE_RESET
#define READY ISO7816_NEGOTIATE_READY
#define FAIL  ISO7816_NEGOTIATE_FAIL

/* A reader at 4 MHz with every D for F = 372 and F = 512. */
static inline struct iso7816_negotiate_config reader(uint8_t protocol)
{
    return (struct iso7816_negotiate_config){
        .protocol = protocol, .protocols = 0x0003, .clock_khz = 4000, .pairs = {[1] = 0x03FE, [9] = 0x03FE}};
}

static inline struct iso7816_atr parsed(const char *text)
{
    uint8_t bytes[ISO7816_ATR_MAX];
    struct iso7816_atr atr;

    assert_true(iso7816_atr_parse(bytes, hex(text, bytes, sizeof bytes), &atr, NULL) == ISO7816_ATR_OK ||
                strcmp(text, BOTH_RESERVED) == 0 || strcmp(text, DISORDER) == 0);
    return atr;
}

static inline enum iso7816_negotiate_action
begin(struct iso7816_negotiate *n, const struct iso7816_negotiate_config *config, const char *atr, uint8_t first)
{
    struct iso7816_atr card = parsed(atr);

    memset(n, 0xEE, sizeof *n);
    return iso7816_negotiate_start(n, config, &card, first, true);
}

static inline enum iso7816_negotiate_action says(struct iso7816_negotiate *n, const char *response)
{
    uint8_t bytes[16], *copy;
    size_t size = hex(response, bytes, sizeof bytes);
    enum iso7816_negotiate_action action;

    copy = exact(bytes, size);
    action = iso7816_negotiate_response(n, copy, size, true);
    free(copy);
    return action;
}

static inline enum iso7816_negotiate_action comes_up(struct iso7816_negotiate *n, const char *atr, uint8_t first)
{
    struct iso7816_atr card = parsed(atr);

    return iso7816_negotiate_atr(n, &card, first);
}

static inline void check_sent(const struct iso7816_negotiate *n, enum iso7816_negotiate_action action,
                              const char *bytes, int line)
{
    _assert_int_equal((uintmax_t)action, SEND, __FILE__, line);
    check_bytes(n->tx, n->tx_size, bytes, __FILE__, line);
}

#define assert_sent(n, action, bytes) check_sent(n, action, bytes, __LINE__)

#endif
