/* SPDX-License-Identifier: MIT */
/*
 * Part C, the resource manager: what its files share. part_c.c has the table and what goes well, part_c_trouble.c what
 * comes in between: removal, and other clients.
 */
#ifndef CONFORMANCE_PART_C_H
#define CONFORMANCE_PART_C_H

#include "suite.h"

/* A command with no data and an answer of two bytes; the echo card counts: 00 01 9000. */
static const UCHAR get_two[] = {0x00, 0xB0, 0x00, 0x00, 0x02};

/* Connect as the resource manager does, by what the state is: reset the card, or ask for the answer to its last reset;
 * then a protocol. Returns the one that is in force. */
static inline DWORD connect_card(struct suite *suite, HANDLE handle, DWORD mask)
{
    ULONG state = reader_state(suite, handle);
    ULONG selected = 0;
    UCHAR atr[33];

    if (state < SCARD_NEGOTIABLE)
        EXPECT(suite, power_up(suite, handle, state == SCARD_POWERED ? SCARD_WARM_RESET : SCARD_COLD_RESET, atr) >= 2);
    else
        EXPECT(suite, attribute(suite, handle, SCARD_ATTR_ATR_STRING, atr, sizeof atr) >= 2);
    set_protocol(suite, handle, mask);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_SPECIFIC);
    EXPECT_NUMBER(suite, attribute(suite, handle, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof selected), 4);
    return selected;
}

/* An exchange works: of any card, an answer of two bytes at least, with the header of this protocol before it. */
static inline void expect_exchange(struct suite *suite, HANDLE handle, DWORD protocol)
{
    UCHAR answer[16];

    EXPECT(suite, transmit(suite, handle, protocol, get_two, sizeof get_two, answer, sizeof answer) >= 2);
}

void c_removal_before_steps(struct suite *suite);
void c_removal_during_steps(struct suite *suite);
void c_removal_in_exchange(struct suite *suite);
void c_removal_by_hand(struct suite *suite);
void c_swap(struct suite *suite);
void c_two_in_turns(struct suite *suite);
void c_two_at_once(struct suite *suite);
void c_reset_by_another(struct suite *suite);
void c_close_in_exchange(struct suite *suite);
void c_two_readers(struct suite *suite);

#endif
