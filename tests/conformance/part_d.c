/* SPDX-License-Identifier: MIT */
/* Part D: its table, and the exchange that most of its checks are made of. */
#include "part_d.h"

#include <string.h>

#define ROW(name, source, needs) {#name, source, needs, name},

static const struct check checks[] = {
    /* clang-format off */
    PART_D_READER(ROW)
    PART_D_FRAME(ROW)
    PART_D_T0(ROW)
    PART_D_T1(ROW)
    PART_D_BAD(ROW)
    PART_D_SELECT(ROW)
    /* clang-format on */
};

const struct part part_d = {'D', "protocols", checks, sizeof(checks) / sizeof(checks[0])};

DWORD from_hex(const char *hex, UCHAR *bytes, DWORD room)
{
    DWORD digits = 0;

    for (; *hex != '\0' && digits < 2 * room; hex++) {
        unsigned value = 0;

        if (*hex == ' ')
            continue;
        value = (unsigned)(*hex <= '9' ? *hex - '0' : *hex - 'A' + 10);
        bytes[digits / 2] = (UCHAR)(digits % 2 == 0 ? value << 4 : bytes[digits / 2] | value);
        digits++;
    }
    return digits / 2;
}

HANDLE begin_with(struct suite *suite, const char *card, DWORD protocol)
{
    HANDLE reader = open_reader(suite);

    card_in(suite, card);
    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    if (reader_state(suite, reader) != SCARD_SPECIFIC)
        EXPECT_NUMBER(suite, set_protocol(suite, reader, protocol), protocol);
    return reader;
}

void expect_works(struct suite *suite, HANDLE reader, DWORD protocol)
{
    static const UCHAR t0_command[] = {0x00, 0xB0, 0x00, 0x00, 0x02}, t0_answer[] = {0x00, 0x01, 0x90, 0x00};
    static const UCHAR t1_command[] = {0x00, ECHO_INS, 0x00, 0x00, 0x02, 0xC5, 0x5C},
                       t1_answer[] = {0xC5, 0x5C, 0x90, 0x00};
    const bool t0 = protocol == SCARD_PROTOCOL_T0;
    UCHAR answer[16];
    DWORD size = transmit(suite, reader, protocol, t0 ? t0_command : t1_command,
                          t0 ? sizeof(t0_command) : sizeof(t1_command), answer, sizeof(answer));

    EXPECT_BYTES(suite, answer, size, t0 ? t0_answer : t1_answer, t0 ? sizeof(t0_answer) : sizeof(t1_answer));
}

void expect_gone(struct suite *suite, HANDLE reader, DWORD protocol)
{
    static const UCHAR command[] = {0x00, ECHO_INS, 0x00, 0x00};

    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_ABSENT);
    EXPECT_STATUS(suite, request_transmit(suite, reader, protocol, command, sizeof(command), 8),
                  STATUS_INVALID_DEVICE_STATE);
}

bool panel_says(struct suite *suite, HANDLE reader, const char *words)
{
    struct io *io = request(suite, reader, IOCTL_VREADER_STATUS, NULL, 0, 512);
    size_t size = strlen(words);

    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    for (size_t i = 0; i + size <= io->returned; i++) {
        if (memcmp(io->out + i, words, size) == 0)
            return true;
    }
    return false;
}

void expect_answer(struct suite *suite, struct io *io, DWORD protocol, const UCHAR *answer, DWORD size)
{
    SCARD_IO_REQUEST header = {0, 0};

    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, io->returned, PCI_SIZE + size);
    memcpy(&header, io->out, sizeof(header));
    EXPECT_NUMBER(suite, header.dwProtocol, protocol);
    EXPECT_NUMBER(suite, header.cbPciLength, PCI_SIZE);
    EXPECT_BYTES(suite, io->out + PCI_SIZE, size, answer, size);
}

void run_exchange(struct suite *suite, const struct exchange *exchange)
{
    HANDLE reader = begin_with(suite, exchange->card, exchange->protocol), second = open_reader(suite);
    UCHAR command[300], answer[300];
    DWORD command_size = from_hex(exchange->command, command, sizeof(command)), answer_size = 0;
    struct io *io = NULL;

    if (exchange->again)
        expect_works(suite, reader, exchange->protocol);
    if (exchange->fault != NULL)
        fault(suite, exchange->fault);
    io = request_transmit(suite, reader, exchange->protocol, command, command_size, 300);
    EXPECT_STATUS(suite, io, exchange->status);
    EXPECT_LAST(suite, second, exchange->status);
    if (exchange->answer != NULL) {
        answer_size = from_hex(exchange->answer, answer, sizeof(answer));
        expect_answer(suite, io, exchange->protocol, answer, answer_size);
    } else {
        EXPECT_NUMBER(suite, io->returned, 0);
    }
    fault(suite, "none");
    if (exchange->after == GONE)
        expect_gone(suite, second, exchange->protocol);
    else if (exchange->after == FAILS_AGAIN)
        EXPECT_STATUS(suite, request_transmit(suite, second, exchange->protocol, command, command_size, 300),
                      exchange->status);
    else
        expect_works(suite, second, exchange->protocol);
}
