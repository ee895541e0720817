/* SPDX-License-Identifier: MIT */
/*
 * T=1 when nothing goes wrong: all command cases, short and extended; chaining both ways, with lengths on both sides of
 * each limit. How many blocks an exchange takes can be seen from outside by a fault that harms none (characters behind
 * a block's end) and waits for a block of that number: it has hit, or is still armed.
 */
#include "part_d.h"

#include <stdio.h>
#include <string.h>

/* ---- cases ------------------------------------------------------------------------------------------------------- */

struct apdu_case {
    const char *card;
    bool extended;
    DWORD lc, le; /* 0: there is none */
};

/* The command as ISO/IEC 7816-3:2006, 12.1.3, codes it; returns its length. */
static DWORD command_of(const struct apdu_case *apdu, UCHAR *command)
{
    DWORD size = 4;

    memcpy(command, (const UCHAR[]){0x00, ECHO_INS, 0x00, 0x00}, 4);
    if (apdu->extended)
        command[size++] = 0x00;
    if (apdu->lc > 0) {
        if (apdu->extended)
            command[size++] = (UCHAR)(apdu->lc >> 8);
        command[size++] = (UCHAR)apdu->lc;
        for (DWORD i = 0; i < apdu->lc; i++)
            command[size++] = (UCHAR)(i * 7 + i / 256);
    }
    if (apdu->le > 0) {
        if (apdu->extended)
            command[size++] = (UCHAR)(apdu->le >> 8);
        command[size++] = (UCHAR)apdu->le;
    }
    return size;
}

/* What the `echo` card makes of it: the data back, at most Le of them, or Le bytes that count. */
static DWORD answer_of(const struct apdu_case *apdu, UCHAR *answer)
{
    DWORD size = apdu->lc == 0 ? apdu->le : apdu->le != 0 && apdu->le < apdu->lc ? apdu->le : apdu->lc;

    for (DWORD i = 0; i < size; i++)
        answer[i] = (UCHAR)(apdu->lc == 0 ? i : i * 7 + i / 256);
    memcpy(answer + size, "\x90\x00", 2);
    return size + 2;
}

static void exchange_case(struct suite *suite, HANDLE reader, const struct apdu_case *apdu)
{
    static UCHAR command[LONGEST_COMMAND], answer[LONGEST_ANSWER];
    DWORD command_size = command_of(apdu, command), answer_size = answer_of(apdu, answer);

    expect_answer(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T1, command, command_size, answer_size),
                  SCARD_PROTOCOL_T1, answer, answer_size);
}

/* Twice: the first exchange after a reset has S(IFS) before it, the second has other sequence numbers. */
static void run_case(struct suite *suite, const struct apdu_case *apdu)
{
    HANDLE reader = begin_with(suite, apdu->card, SCARD_PROTOCOL_T1), second = open_reader(suite);

    exchange_case(suite, reader, apdu);
    exchange_case(suite, second, apdu);
    EXPECT_LAST(suite, second, STATUS_SUCCESS);
}

#define CASE(name, ...)                                                                                                \
    void name(struct suite *suite)                                                                                     \
    {                                                                                                                  \
        static const struct apdu_case row = {__VA_ARGS__};                                                             \
                                                                                                                       \
        run_case(suite, &row);                                                                                         \
    }                                                                                                                  \
    struct apdu_case

CASE(t1_case_1, T1_CARD, .lc = 0, .le = 0);
CASE(t1_case_2_le_1, T1_CARD, .le = 1);
CASE(t1_case_2_le_256, T1_CARD, .le = 256);
CASE(t1_case_3_lc_1, T1_CARD, .lc = 1);
CASE(t1_case_3_lc_255, T1_CARD, .lc = 255);
CASE(t1_case_4_lc_255_le_256, T1_CARD, .lc = 255, .le = 256);
CASE(t1_extended_case_2_le_257, T1_CARD, .extended = true, .le = 257);
CASE(t1_extended_case_2_le_65536, T1_CARD, .extended = true, .le = 65536);
CASE(t1_extended_case_3_lc_1000, T1_CARD, .extended = true, .lc = 1000);
CASE(t1_extended_case_4_lc_65535_le_65536, T1_CARD, .extended = true, .lc = 65535, .le = 65536);
CASE(t1_extended_case_3_lc_1000_over_ifsc_1, T1_IFSC_1, .extended = true, .lc = 1000);
CASE(t1_crc, T1_CRC, .lc = 2, .le = 256);
CASE(t1_crc_with_chains_both_ways, T1_CRC_IFSC_32, .extended = true, .lc = 1000);

void t1_every_length_up_to_260(struct suite *suite)
{
    HANDLE reader = begin_with(suite, T1_IFSC_32, SCARD_PROTOCOL_T1);

    for (DWORD lc = 0; lc <= 260; lc++)
        exchange_case(suite, reader, &(const struct apdu_case){T1_IFSC_32, lc > 255, lc, 0});
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

/* The exchange takes exactly so many blocks to="card" or to="reader". */
static void expect_blocks(struct suite *suite, HANDLE reader, const struct apdu_case *apdu, const char *to,
                          unsigned blocks)
{
    char text[64];

    snprintf(text, sizeof(text), "extra hex=55 to=%s skip=%u", to, blocks - 1);
    fault(suite, text);
    exchange_case(suite, reader, apdu);
    EXPECT(suite, panel_says(suite, reader, "faults=0")); /* the last block was there */
    snprintf(text, sizeof(text), "extra hex=55 to=%s skip=%u", to, blocks);
    fault(suite, text);
    exchange_case(suite, reader, apdu);
    EXPECT(suite, panel_says(suite, reader, "faults=1")); /* and nothing behind it */
    fault(suite, "none");
}

struct chain {
    struct apdu_case apdu;
    bool without_ifs; /* SUPRESS_T1_IFS_REQUEST: IFSD stays at 32 */
    unsigned to_card, to_reader;
};

static void run_chain(struct suite *suite, const struct chain *chain)
{
    static const DWORD suppress = SCARD_ATTR_SUPRESS_T1_IFS_REQUEST;
    HANDLE reader = begin_with(suite, chain->apdu.card, SCARD_PROTOCOL_T1);

    if (chain->without_ifs)
        EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_SET_ATTRIBUTE, &suppress, sizeof(suppress), 0),
                      STATUS_SUCCESS);
    expect_works(suite, reader, SCARD_PROTOCOL_T1); /* S(IFS) is behind us */
    expect_blocks(suite, reader, &chain->apdu, "card", chain->to_card);
    expect_blocks(suite, reader, &chain->apdu, "reader", chain->to_reader);
}

#define CHAIN(name, ...)                                                                                               \
    void name(struct suite *suite)                                                                                     \
    {                                                                                                                  \
        static const struct chain row = {__VA_ARGS__};                                                                 \
                                                                                                                       \
        run_chain(suite, &row);                                                                                        \
    }                                                                                                                  \
    struct chain

/* 5 + Lc bytes of command: I-blocks to the card, an R-block for each but the last. */
CHAIN(t1_command_of_31_bytes_is_one_block_at_ifsc_32, .apdu = {T1_IFSC_32, .lc = 26}, .to_card = 1, .to_reader = 1);
CHAIN(t1_command_of_32_bytes_is_one_block_at_ifsc_32, .apdu = {T1_IFSC_32, .lc = 27}, .to_card = 1, .to_reader = 1);
CHAIN(t1_command_of_33_bytes_is_two_blocks_at_ifsc_32, .apdu = {T1_IFSC_32, .lc = 28}, .to_card = 2, .to_reader = 2);
CHAIN(t1_command_of_64_bytes_is_two_blocks_at_ifsc_32, .apdu = {T1_IFSC_32, .lc = 59}, .to_card = 2, .to_reader = 2);
CHAIN(t1_command_of_65_bytes_is_three_blocks_at_ifsc_32, .apdu = {T1_IFSC_32, .lc = 60}, .to_card = 3, .to_reader = 3);
/* Le + 2 bytes of answer, and R-blocks to the card. */
CHAIN(t1_answer_of_254_bytes_is_one_block_at_ifsd_254, .apdu = {T1_CARD, .le = 252}, .to_card = 1, .to_reader = 1);
CHAIN(t1_answer_of_255_bytes_is_two_blocks_at_ifsd_254, .apdu = {T1_CARD, .le = 253}, .to_card = 2, .to_reader = 2);
CHAIN(t1_answer_of_32_bytes_is_one_block_without_ifs, .apdu = {T1_CARD, .le = 30}, .without_ifs = true, .to_card = 1,
      .to_reader = 1);
CHAIN(t1_answer_of_33_bytes_is_two_blocks_without_ifs, .apdu = {T1_CARD, .le = 31}, .without_ifs = true, .to_card = 2,
      .to_reader = 2);

/* S(IFS) and the command make two blocks; then commands make one each, until the next reset. */
void t1_ifs_is_asked_for_once_after_a_reset(struct suite *suite)
{
    HANDLE reader = begin_with(suite, T1_CARD, SCARD_PROTOCOL_T1);

    for (int reset = 0; reset < 2; reset++) {
        power_up(suite, reader, reset == 0 ? SCARD_COLD_RESET : SCARD_WARM_RESET, NULL);
        set_protocol(suite, reader, SCARD_PROTOCOL_T1);
        fault(suite, "extra hex=55 to=card skip=1");
        expect_works(suite, reader, SCARD_PROTOCOL_T1);
        EXPECT(suite, panel_says(suite, reader, "faults=0"));
        fault(suite, "extra hex=55 to=card skip=1");
        expect_works(suite, reader, SCARD_PROTOCOL_T1);
        EXPECT(suite, panel_says(suite, reader, "faults=1"));
        fault(suite, "none");
    }
}
