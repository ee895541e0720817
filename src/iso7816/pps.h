/* SPDX-License-Identifier: MIT */
/* Protocol and parameters selection: ISO/IEC 7816-3:2006, clause 9. Pure functions, any thread. */
#ifndef ISO7816_PPS_H
#define ISO7816_PPS_H

#include "atr.h"

#define ISO7816_PPS_MAX 6 /* PPSS PPS0 PPS1 PPS2 PPS3 PCK */

struct iso7816_pps {
    uint8_t protocol;
    bool has_pps1, has_pps2, has_pps3;
    uint8_t pps1, pps2, pps3; /* PPS1: Fi in the high nibble, Di in the low one */
};

enum iso7816_pps_result {
    ISO7816_PPS_OK,        /* the card agreed; *agreed says to what (PPS1 absent means Fd, Dd: pps1 is 11) */
    ISO7816_PPS_TOO_SHORT, /* fewer bytes than PPS0 announces */
    ISO7816_PPS_TOO_LONG,  /* more bytes than PPS0 announces */
    ISO7816_PPS_BAD_PPSS,  /* the first byte is not FF */
    ISO7816_PPS_BAD_PPS0,  /* bit 8, which is reserved, is 1 */
    ISO7816_PPS_BAD_PCK,
    ISO7816_PPS_NOT_ECHOED, /* an answer that 9.3 does not allow */
};

/* Build a request (or a response); returns its size, at most ISO7816_PPS_MAX. */
size_t iso7816_pps_build(const struct iso7816_pps *pps, uint8_t bytes[ISO7816_PPS_MAX]);
/* Bytes of a PPS block in all, from its first `size` ones; greater than size while incomplete. */
size_t iso7816_pps_expected(const uint8_t *bytes, size_t size);
/* Parse one PPS block. Absent bytes are left at pps1 = 11 (Fd, Dd), pps2 = pps3 = 0. */
enum iso7816_pps_result iso7816_pps_parse(const uint8_t *bytes, size_t size, struct iso7816_pps *pps);
/* The reader's side: judge the response to `request` by the rules of 9.3. */
enum iso7816_pps_result iso7816_pps_check(const struct iso7816_pps *request, const uint8_t *response, size_t size,
                                          struct iso7816_pps *agreed);
/* Whether a card with this ATR allows a PPS1: F from Fd to Fi and D from Dd to Di, by their values, not their indexes
 * (9.2). */
bool iso7816_pps_allows(const struct iso7816_atr *atr, uint8_t pps1);
/* The card's side: what a card with this ATR answers to a request. Returns the response's size, 0 to stay mute: the
 * request is wrong, asks for a protocol that the ATR does not offer, or the card is in specific mode. PPS1 is echoed
 * when its values lie between Fd, Dd and Fi, Di (9.2), else left out; PPS2 and PPS3 are left out. */
size_t iso7816_pps_answer(const struct iso7816_atr *atr, const uint8_t *request, size_t size,
                          uint8_t response[ISO7816_PPS_MAX], struct iso7816_pps *agreed);

#endif
