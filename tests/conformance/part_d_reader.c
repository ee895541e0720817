/* SPDX-License-Identifier: MIT */
/*
 * What any reader must do with any card: nothing here knows the card but for its answer to reset. The command is SELECT
 * of the MF, which a card may well refuse, with a status word.
 */
#include "part_d.h"

#include <string.h>

static const UCHAR select_mf[] = {0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00};

/* The protocol that is selected after a reset, or after a choice between T=0 and T=1. */
static DWORD agree(struct suite *suite, HANDLE reader)
{
    DWORD protocol = 0;

    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    if (reader_state(suite, reader) != SCARD_SPECIFIC)
        return set_protocol(suite, reader, T0_AND_T1);
    EXPECT_NUMBER(suite, attribute(suite, reader, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &protocol, sizeof(protocol)),
                  sizeof(protocol));
    return protocol;
}

/* SW1 SW2 end the answer (ISO/IEC 7816-3:2006, 12.1.1: 6X but 60, or 9X). */
static void expect_status_word(struct suite *suite, const UCHAR *answer, DWORD size)
{
    EXPECT(suite, size >= 2);
    EXPECT(suite, (answer[size - 2] & 0xF0) == 0x60 || (answer[size - 2] & 0xF0) == 0x90);
    EXPECT(suite, answer[size - 2] != 0x60);
}

void any_card_gets_a_protocol_of_its_answer_to_reset(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    DWORD protocol = agree(suite, reader), selected = 0;

    EXPECT(suite, protocol == SCARD_PROTOCOL_T0 || protocol == SCARD_PROTOCOL_T1);
    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_SPECIFIC);
    attribute(suite, reader, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof(selected));
    EXPECT_NUMBER(suite, selected, protocol);
}

void any_card_answers_select_mf_with_a_status(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    UCHAR answer[258];
    DWORD protocol = agree(suite, reader);

    expect_status_word(suite, answer,
                       transmit(suite, reader, protocol, select_mf, sizeof(select_mf), answer, sizeof(answer)));
    EXPECT_LAST(suite, reader, STATUS_SUCCESS);
}

void any_card_answers_get_challenge_with_a_status(struct suite *suite)
{
    static const UCHAR get_challenge[] = {0x00, 0x84, 0x00, 0x00, 0x08};
    HANDLE reader = open_reader(suite);
    UCHAR answer[258];
    DWORD protocol = agree(suite, reader);

    expect_status_word(suite, answer,
                       transmit(suite, reader, protocol, get_challenge, sizeof(get_challenge), answer, sizeof(answer)));
}

void fifty_exchanges_in_a_row_are_answered(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    DWORD protocol = agree(suite, reader);
    UCHAR answer[258];

    for (int i = 0; i < 50; i++)
        expect_status_word(suite, answer,
                           transmit(suite, reader, protocol, select_mf, sizeof(select_mf), answer, sizeof(answer)));
}

void ten_resets_and_exchanges_in_a_row_succeed(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    UCHAR answer[258];

    for (int i = 0; i < 10; i++) {
        DWORD protocol = agree(suite, reader);

        expect_status_word(suite, answer,
                           transmit(suite, reader, protocol, select_mf, sizeof(select_mf), answer, sizeof(answer)));
    }
}

void reply_has_the_protocol_in_its_header(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    DWORD protocol = agree(suite, reader);
    struct io *io = request_transmit(suite, reader, protocol, select_mf, sizeof(select_mf), 258);
    SCARD_IO_REQUEST header = {0, 0};

    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT(suite, io->returned >= PCI_SIZE + 2);
    memcpy(&header, io->out, sizeof(header));
    EXPECT_NUMBER(suite, header.dwProtocol, protocol);
    EXPECT_NUMBER(suite, header.cbPciLength, PCI_SIZE);
}

/* A case 3 command has no answer but its status. */
void output_exactly_as_long_as_the_reply_is_enough(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    DWORD protocol = agree(suite, reader);
    struct io *all = request_transmit(suite, reader, protocol, select_mf, sizeof(select_mf), 258);

    EXPECT_STATUS(suite, all, STATUS_SUCCESS);
    EXPECT_STATUS(suite,
                  request_transmit(suite, reader, protocol, select_mf, sizeof(select_mf), all->returned - PCI_SIZE),
                  STATUS_SUCCESS);
}

void output_one_byte_short_is_refused_and_the_next_exchange_works(struct suite *suite)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    DWORD protocol = agree(suite, reader);
    struct io *all = request_transmit(suite, reader, protocol, select_mf, sizeof(select_mf), 258);

    EXPECT_STATUS(suite, all, STATUS_SUCCESS);
    EXPECT_STATUS(suite,
                  request_transmit(suite, reader, protocol, select_mf, sizeof(select_mf), all->returned - PCI_SIZE - 1),
                  STATUS_BUFFER_TOO_SMALL);
    EXPECT_LAST(suite, second, STATUS_BUFFER_TOO_SMALL);
    EXPECT_STATUS(suite, request_transmit(suite, second, protocol, select_mf, sizeof(select_mf), 258), STATUS_SUCCESS);
}

void input_shorter_than_its_header_is_refused(struct suite *suite)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    const SCARD_IO_REQUEST header = {agree(suite, reader), PCI_SIZE};

    for (DWORD size = 0; size < PCI_SIZE; size++) {
        EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_TRANSMIT, &header, size, 258),
                      STATUS_INVALID_PARAMETER);
        EXPECT_LAST(suite, second, STATUS_INVALID_PARAMETER);
    }
}

void other_protocol_than_the_selected_one_is_refused(struct suite *suite)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    DWORD protocol = agree(suite, reader);
    const DWORD others[] = {protocol ^ T0_AND_T1, T0_AND_T1, SCARD_PROTOCOL_RAW, 0, 0xFFFFFFFF};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        EXPECT_STATUS(suite, request_transmit(suite, reader, others[i], select_mf, sizeof(select_mf), 258),
                      STATUS_INVALID_DEVICE_STATE);
        EXPECT_LAST(suite, second, STATUS_INVALID_DEVICE_STATE);
    }
    EXPECT_STATUS(suite, request_transmit(suite, second, protocol, select_mf, sizeof(select_mf), 258), STATUS_SUCCESS);
}

void transmission_before_a_protocol_is_selected_is_refused(struct suite *suite)
{
    HANDLE reader = open_reader(suite), second = open_reader(suite);

    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    if (reader_state(suite, reader) == SCARD_SPECIFIC)
        skip(suite, "the card's answer to reset selects the protocol");
    EXPECT_STATUS(suite, request_transmit(suite, reader, SCARD_PROTOCOL_T0, select_mf, sizeof(select_mf), 258),
                  STATUS_INVALID_DEVICE_STATE);
    EXPECT_LAST(suite, second, STATUS_INVALID_DEVICE_STATE);
}

void transmission_without_power_is_refused(struct suite *suite)
{
    static const DWORD down = SCARD_POWER_DOWN;
    HANDLE reader = open_reader(suite), second = open_reader(suite);
    DWORD protocol = agree(suite, reader);

    EXPECT_STATUS(suite, request(suite, reader, IOCTL_SMARTCARD_POWER, &down, sizeof(down), 0), STATUS_SUCCESS);
    EXPECT_STATUS(suite, request_transmit(suite, reader, protocol, select_mf, sizeof(select_mf), 258),
                  STATUS_INVALID_DEVICE_STATE);
    EXPECT_LAST(suite, second, STATUS_INVALID_DEVICE_STATE);
}
