/* SPDX-License-Identifier: MIT */
/*
 * Part B, the reader interface: what its files share. part_b.c has the table and the reader's own attributes,
 * part_b_card.c the card's, part_b_buffers.c buffers of every size and place, part_b_codes.c control codes and handles.
 */
#ifndef CONFORMANCE_PART_B_H
#define CONFORMANCE_PART_B_H

#include "suite.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Ask for an attribute, without an opinion on the answer. */
static inline struct io *ask(struct suite *suite, HANDLE handle, DWORD tag, DWORD out_size)
{
    return request(suite, handle, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, sizeof tag, out_size);
}

/* An attribute that is a ULONG. */
static inline ULONG number(struct suite *suite, HANDLE handle, DWORD tag)
{
    ULONG value = 0xA5A5A5A5u;
    DWORD length = attribute(suite, handle, tag, &value, sizeof value);

    if (length != sizeof value)
        fail(suite, __FILE__, __LINE__, "attribute %08X has %u bytes, not 4", (unsigned)tag, (unsigned)length);
    return value;
}

static inline void power_down(struct suite *suite, HANDLE handle)
{
    static const ULONG down = SCARD_POWER_DOWN;

    EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_POWER, &down, sizeof down, 0), STATUS_SUCCESS);
}

/* What smclib.md 1.2 has of the reader, with the least and the greatest length of the answer. */
struct reader_tag {
    DWORD tag;
    DWORD least, most;
};
#define READER_TAGS 16
extern const struct reader_tag b_reader_tags[READER_TAGS];

/* What it has of the card: answered from SCARD_NEGOTIABLE on. */
#define CARD_TAGS 13
extern const DWORD b_card_tags[CARD_TAGS];

void b_card_refused_when_absent(struct suite *suite);
void b_card_refused_before_reset(struct suite *suite);
void b_card_refused_during_reset(struct suite *suite);
void b_card_refused_after_power_down(struct suite *suite);
void b_card_refused_after_removal(struct suite *suite);
void b_card_after_reset(struct suite *suite);
void b_card_with_t1(struct suite *suite);
void b_card_with_t0(struct suite *suite);
void b_card_t1_only(struct suite *suite);
void b_card_t0_only(struct suite *suite);
void b_card_during_exchange(struct suite *suite);
void b_atr_is_powers(struct suite *suite);
void b_atr_of_any_card(struct suite *suite);
void b_atr_forgotten(struct suite *suite);
void b_presence(struct suite *suite);
void b_presence_during_reset(struct suite *suite);
void b_interface_status(struct suite *suite);
void b_icc_type(struct suite *suite);

void b_reader_buffers_exact(struct suite *suite);
void b_reader_buffers_short(struct suite *suite);
void b_reader_buffers_long(struct suite *suite);
void b_card_buffers(struct suite *suite);
void b_no_output(struct suite *suite);
void b_short_input(struct suite *suite);
void b_short_input_after_power(struct suite *suite);
void b_long_input(struct suite *suite);
void b_same_buffer(struct suite *suite);
void b_unaligned_buffers(struct suite *suite);
void b_state_buffers(struct suite *suite);
void b_power_buffers(struct suite *suite);
void b_protocol_buffers(struct suite *suite);

void b_not_buffered(struct suite *suite);
void b_unknown_functions(struct suite *suite);
void b_other_devices(struct suite *suite);
void b_obsolete(struct suite *suite);
void b_mechanics(struct suite *suite);
void b_counters(struct suite *suite);
void b_set_ifs(struct suite *suite);
void b_set_others(struct suite *suite);
void b_power_kinds(struct suite *suite);
void b_vendor_unknown(struct suite *suite);
void b_vendor_card(struct suite *suite);
void b_vendor_status(struct suite *suite);
void b_vendor_faults(struct suite *suite);
void b_two_handles(struct suite *suite);
void b_many_handles(struct suite *suite);
void b_many_opens(struct suite *suite);
void b_no_such_reader(struct suite *suite);
void b_any_access(struct suite *suite);
void b_synchronous(struct suite *suite);
void b_closed(struct suite *suite);

#endif
