/* SPDX-License-Identifier: MIT */
/*
 * Readers that leave with everything that is on them: each request ends once, with STATUS_DEVICE_REMOVED, and nobody
 * else notices. The readers are the checks' own (fresh_reader).
 */
#include "part_e.h"

#include <stdio.h>

#define SLOW_CARD E_T1_CARD " delay=60000"

static const UCHAR command[] = {0x00, 0x01, 0x00, 0x00};

/* A reader of our own, with a card or without; its name is left in `name`. */
static HANDLE plug_in(struct suite *suite, char name[64], const char *card)
{
    HANDLE reader = INVALID_HANDLE_VALUE;

    fresh_reader(suite, name);
    reader = open_device(suite, name, FILE_FLAG_OVERLAPPED);
    if (card != NULL) {
        fresh_card_in(suite, name, card);
        power_up(suite, reader, SCARD_COLD_RESET, NULL);
    }
    return reader;
}

static struct io *start_slow(struct suite *suite, HANDLE reader)
{
    return start_transmit(suite, reader, SCARD_PROTOCOL_T1, command, sizeof(command), 8);
}

/* ---- what is pending --------------------------------------------------------------------------------------------- */

void unplugged_reader_ends_its_transmission(struct suite *suite)
{
    char name[64];
    HANDLE reader = plug_in(suite, name, SLOW_CARD);
    struct io *io = start_slow(suite, reader);

    EXPECT(suite, !ends_within(suite, io, 150));
    take_away(suite, name);
    EXPECT_STATUS(suite, io, STATUS_DEVICE_REMOVED);
    EXPECT_NUMBER(suite, io->returned, 0);
}

void unplugged_reader_ends_its_reset(struct suite *suite)
{
    static const DWORD cold = SCARD_COLD_RESET;
    char name[64];
    HANDLE reader = plug_in(suite, name, E_T1_CARD);
    struct io *io = NULL;

    fresh_fault(suite, name, "delay byte=2 ms=800 on=atr");
    io = start(suite, reader, IOCTL_SMARTCARD_POWER, &cold, sizeof(cold), SCARD_ATR_LENGTH);
    EXPECT(suite, !ends_within(suite, io, 100));
    take_away(suite, name);
    EXPECT_STATUS(suite, io, STATUS_DEVICE_REMOVED);
}

void unplugged_reader_ends_is_present(struct suite *suite)
{
    char name[64];
    HANDLE reader = plug_in(suite, name, NULL);
    struct io *io = NULL;

    if (reader_state(suite, reader) > SCARD_ABSENT)
        skip(suite, "the new reader comes with a card in it");
    io = start(suite, reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
    EXPECT(suite, !ends_within(suite, io, 50));
    take_away(suite, name);
    EXPECT_STATUS(suite, io, STATUS_DEVICE_REMOVED);
}

void unplugged_reader_ends_is_absent(struct suite *suite)
{
    char name[64];
    HANDLE reader = plug_in(suite, name, E_T1_CARD);
    struct io *io = start(suite, reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);

    EXPECT(suite, !ends_within(suite, io, 50));
    take_away(suite, name);
    EXPECT_STATUS(suite, io, STATUS_DEVICE_REMOVED);
}

void unplugged_reader_ends_everything_that_is_queued(struct suite *suite)
{
    static const DWORD cold = SCARD_COLD_RESET;
    struct io *ios[6];
    char name[64];
    HANDLE reader = plug_in(suite, name, SLOW_CARD);

    ios[0] = start_slow(suite, reader);
    ios[1] = start(suite, reader, IOCTL_SMARTCARD_POWER, &cold, sizeof(cold), SCARD_ATR_LENGTH);
    ios[2] = start(suite, reader, IOCTL_VREADER_STATUS, NULL, 0, 100);
    ios[3] = start(suite, reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    ios[4] = start_slow(suite, reader);
    ios[5] = start(suite, reader, IOCTL_SMARTCARD_EJECT, NULL, 0, 0);
    EXPECT(suite, !ends_within(suite, ios[0], 100));
    for (int i = 1; i < 6; i++)
        EXPECT(suite, !ends_within(suite, ios[i], 0));
    take_away(suite, name);
    for (int i = 0; i < 6; i++)
        EXPECT_STATUS(suite, ios[i], STATUS_DEVICE_REMOVED);
}

void unplugged_reader_ends_requests_of_every_handle(struct suite *suite)
{
    struct io *ios[5];
    char name[64];

    (void)plug_in(suite, name, SLOW_CARD);
    for (int i = 0; i < 5; i++)
        ios[i] = start_slow(suite, open_device(suite, name, FILE_FLAG_OVERLAPPED));
    EXPECT(suite, !ends_within(suite, ios[0], 100));
    take_away(suite, name);
    for (int i = 0; i < 5; i++)
        EXPECT_STATUS(suite, ios[i], STATUS_DEVICE_REMOVED);
}

/* ---- what comes later -------------------------------------------------------------------------------------------- */

void unplugged_reader_refuses_later_requests(struct suite *suite)
{
    static const struct {
        DWORD code, in_size, out_size;
    } requests[] = {
        {IOCTL_SMARTCARD_POWER, 4, SCARD_ATR_LENGTH},
        {IOCTL_SMARTCARD_GET_ATTRIBUTE, 4, 100},
        {IOCTL_SMARTCARD_SET_ATTRIBUTE, 4, 0},
        {IOCTL_SMARTCARD_TRANSMIT, 12, 20},
        {IOCTL_SMARTCARD_EJECT, 0, 0},
        {IOCTL_SMARTCARD_IS_PRESENT, 0, 0},
        {IOCTL_SMARTCARD_IS_ABSENT, 0, 0},
        {IOCTL_SMARTCARD_SET_PROTOCOL, 4, 4},
        {IOCTL_SMARTCARD_GET_STATE, 0, 4},
    };
    static const UCHAR input[12] = {SCARD_COLD_RESET};
    char name[64];
    HANDLE reader = plug_in(suite, name, NULL);

    take_away(suite, name);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        EXPECT_STATUS(suite, request(suite, reader, requests[i].code, input, requests[i].in_size, requests[i].out_size),
                      STATUS_DEVICE_REMOVED);
}

void unplugged_reader_still_tells_its_last_error(struct suite *suite)
{
    char name[64];
    HANDLE reader = plug_in(suite, name, NULL), second = open_device(suite, name, FILE_FLAG_OVERLAPPED);

    EXPECT_STATUS(suite, request(suite, reader, SCARD_CTL_CODE(100), NULL, 0, 0), STATUS_INVALID_DEVICE_REQUEST);
    take_away(suite, name);
    EXPECT_LAST(suite, reader, STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_LAST(suite, second, STATUS_INVALID_DEVICE_REQUEST);
}

void unplugged_readers_last_error_is_the_removal(struct suite *suite)
{
    char name[64];
    HANDLE reader = plug_in(suite, name, SLOW_CARD), second = open_device(suite, name, FILE_FLAG_OVERLAPPED);
    struct io *io = start_slow(suite, reader);

    EXPECT(suite, !ends_within(suite, io, 100));
    take_away(suite, name);
    EXPECT_STATUS(suite, io, STATUS_DEVICE_REMOVED);
    EXPECT_LAST(suite, reader, STATUS_DEVICE_REMOVED);
    EXPECT_LAST(suite, second, STATUS_DEVICE_REMOVED);
}

void unplugged_reader_cannot_be_opened(struct suite *suite)
{
    char name[64], path[80];
    HANDLE again = INVALID_HANDLE_VALUE;

    (void)plug_in(suite, name, NULL);
    take_away(suite, name);
    snprintf(path, sizeof(path), "\\\\.\\%s", name);
    again = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                        FILE_FLAG_OVERLAPPED, NULL);
    if (again != INVALID_HANDLE_VALUE) {
        CloseHandle(again);
        fail(suite, __FILE__, __LINE__, "%s can still be opened", name);
    }
}

void unplugged_readers_handle_can_be_closed(struct suite *suite)
{
    char name[64];
    HANDLE reader = plug_in(suite, name, NULL);

    take_away(suite, name);
    close_handle(suite, reader);
}

void idle_reader_can_be_unplugged(struct suite *suite)
{
    for (int i = 0; i < 5; i++) {
        char name[64];

        close_handle(suite, plug_in(suite, name, NULL));
        take_away(suite, name);
    }
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

void unplugged_reader_does_not_disturb_another(struct suite *suite)
{
    HANDLE stays = open_reader(suite);
    struct io *waits = NULL;
    char name[64];

    card_in(suite, E_T1_CARD);
    power_up(suite, stays, SCARD_COLD_RESET, NULL);
    expect_t1_works(suite, stays);
    waits = start(suite, stays, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    (void)start_slow(suite, plug_in(suite, name, SLOW_CARD));
    take_away(suite, name);
    EXPECT(suite, !ends_within(suite, waits, 100));
    EXPECT_LAST(suite, stays, STATUS_SUCCESS);
    expect_t1_works(suite, stays);
    card_out(suite);
    EXPECT_STATUS(suite, waits, STATUS_SUCCESS);
}

void reader_that_is_plugged_in_again_works(struct suite *suite)
{
    for (int i = 0; i < 3; i++) {
        char name[64];
        HANDLE reader = plug_in(suite, name, E_T1_CARD);

        EXPECT_LAST(suite, reader, STATUS_SUCCESS);
        expect_t1_works(suite, reader);
        take_away(suite, name);
    }
}

/* Requests of any kind, and the plug is pulled at any time among them: each ends, in time or with the removal. */
void readers_unplugged_at_random_end_everything_once(struct suite *suite)
{
    static const NTSTATUS ends[] = {STATUS_SUCCESS, STATUS_DEVICE_REMOVED};
    static const DWORD cold = SCARD_COLD_RESET;

    for (int round = 0; round < (int)rounds(suite, 10); round++) {
        struct io *ios[8];
        char name[64];
        HANDLE reader = plug_in(suite, name, E_T1_CARD " delay=20");
        bool waits = false;

        for (int i = 0; i < 8; i++) {
            uint32_t kind = chance(suite, 4);

            if (kind == 0 && !waits) {
                ios[i] = start(suite, reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
                waits = true;
            } else if (kind == 1) {
                ios[i] = start(suite, reader, IOCTL_SMARTCARD_POWER, &cold, sizeof(cold), SCARD_ATR_LENGTH);
            } else {
                ios[i] = start_slow(suite, reader);
            }
        }
        Sleep(chance(suite, 120));
        take_away(suite, name);
        for (int i = 0; i < 8; i++) {
            DWORD error = finish(suite, ios[i])->error;

            if (error != error_of(ends[0]) && error != error_of(ends[1]))
                fail(suite, __FILE__, __LINE__, "round %d: request %d ended with error %u", round, i, (unsigned)error);
        }
    }
}
