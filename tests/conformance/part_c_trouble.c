/* SPDX-License-Identifier: MIT */
/*
 * Part C, the resource manager: what comes in between. The card leaves before, during and after each step of connect
 * and in mid-exchange, another one comes; other clients use the reader in turns, at once, or leave without a word.
 */
#include "part_c.h"

static const UCHAR counted[] = {0x00, 0x01, 0x90, 0x00}; /* the echo card's answer to get_two */

static struct io *start_cold_reset(struct suite *suite, HANDLE handle)
{
    static const ULONG cold = SCARD_COLD_RESET;

    return start(suite, handle, IOCTL_SMARTCARD_POWER, &cold, sizeof cold, 33);
}

static struct io *start_set_protocol(struct suite *suite, HANDLE handle)
{
    static const ULONG t1 = SCARD_PROTOCOL_T1;

    return start(suite, handle, IOCTL_SMARTCARD_SET_PROTOCOL, &t1, sizeof t1, 4);
}

static struct io *start_get_two(struct suite *suite, HANDLE handle)
{
    return start_transmit(suite, handle, SCARD_PROTOCOL_T1, get_two, sizeof get_two, 16);
}

/* The steps of connect and what follows it; each needs the ones before. */
static struct io *(*const steps[])(struct suite *, HANDLE) = {start_cold_reset, start_set_protocol, start_get_two};
#define STEPS (sizeof steps / sizeof steps[0])

static void take_steps(struct suite *suite, HANDLE handle, size_t count)
{
    for (size_t i = 0; i < count; i++)
        EXPECT_STATUS(suite, steps[i](suite, handle), STATUS_SUCCESS);
}

/* An exchange as it must be with the echo card. */
static void expect_counted(struct suite *suite, HANDLE handle, DWORD protocol)
{
    UCHAR answer[16];

    EXPECT_BYTES(suite, answer, transmit(suite, handle, protocol, get_two, sizeof get_two, answer, sizeof answer),
                 counted, sizeof counted);
}

static void expect_gone(struct suite *suite, HANDLE handle, struct io *tracking)
{
    EXPECT_STATUS(suite, tracking, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_ABSENT);
}

/* ---- removal ----------------------------------------------------------------------------------------------------- */

void c_removal_before_steps(struct suite *suite)
{
    UCHAR presence = 0xA5;
    HANDLE handle = open_reader(suite);

    for (size_t done = 0; done <= STEPS; done++) {
        card_in(suite, "echo");
        take_steps(suite, handle, done);
        card_out(suite);
        EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_ABSENT);
        attribute(suite, handle, SCARD_ATTR_ICC_PRESENCE, &presence, sizeof presence);
        EXPECT_NUMBER(suite, presence, 0);
        for (size_t i = 0; i < STEPS; i++)
            EXPECT_STATUS(suite, steps[i](suite, handle), STATUS_INVALID_DEVICE_STATE);
    }
    card_in(suite, "echo");
    EXPECT_NUMBER(suite, connect_card(suite, handle, SCARD_PROTOCOL_Tx), SCARD_PROTOCOL_T1);
    expect_counted(suite, handle, SCARD_PROTOCOL_T1);
}

/* The card leaves when the step has begun: that is the driver's to say, not the library's. */
void c_removal_during_steps(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    HANDLE monitor = open_reader(suite);

    for (size_t done = 0; done < STEPS; done++) {
        struct io *tracking;

        card_in(suite, "echo");
        tracking = start(suite, monitor, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
        take_steps(suite, handle, done);
        fault(suite, "remove when=before");
        EXPECT_STATUS(suite, steps[done](suite, handle), STATUS_NO_MEDIA);
        expect_gone(suite, handle, tracking);
    }
}

/* Over both protocols, at the first character, in the middle, at the last, of either direction. */
void c_removal_in_exchange(struct suite *suite)
{
    static const char *const when[] = {
        "remove when=during byte=0",           "remove when=during byte=3",
        "remove when=during byte=4 to=card",   "remove when=during byte=0 to=reader",
        "remove when=during byte=2 to=reader",
    };
    HANDLE handle = open_reader(suite);
    HANDLE monitor = open_reader(suite);

    for (size_t i = 0; i < 2 * sizeof when / sizeof when[0]; i++) {
        DWORD protocol = i % 2 ? SCARD_PROTOCOL_T0 : SCARD_PROTOCOL_T1;
        struct io *tracking;

        card_in(suite, "echo");
        EXPECT_NUMBER(suite, connect_card(suite, handle, protocol), protocol);
        tracking = start(suite, monitor, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
        fault(suite, when[i / 2]);
        EXPECT_STATUS(suite, request_transmit(suite, handle, protocol, get_two, sizeof get_two, 16), STATUS_NO_MEDIA);
        expect_gone(suite, handle, tracking);
    }
}

/* A hand at the slot while the reader waits for the card, in each step. */
void c_removal_by_hand(struct suite *suite)
{
    static const char *const hold[STEPS] = {"delay on=atr byte=1 ms=800", "delay on=pps byte=0 ms=800", "wtx"};
    HANDLE handle = open_reader(suite);
    HANDLE monitor = open_reader(suite);

    for (size_t done = 0; done < STEPS; done++) {
        struct io *step, *tracking;

        card_in(suite, "echo");
        take_steps(suite, handle, done);
        fault(suite, hold[done]);
        step = steps[done](suite, handle);
        tracking = start(suite, monitor, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
        EXPECT(suite, step->pended && tracking->pended);
        card_out(suite);
        EXPECT_STATUS(suite, step, STATUS_NO_MEDIA);
        expect_gone(suite, handle, tracking);
    }
}

/* Whoever holds the old card's protocol does not talk to the new card. */
void c_swap(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    for (size_t done = 0; done <= STEPS; done++) {
        card_in(suite, "fs");
        take_steps(suite, handle, done);
        card_out(suite);
        card_in(suite, "echo");
        EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_PRESENT);
        EXPECT_STATUS(suite, start_get_two(suite, handle), STATUS_INVALID_DEVICE_STATE);
        EXPECT_NUMBER(suite, connect_card(suite, handle, SCARD_PROTOCOL_T1), SCARD_PROTOCOL_T1);
        expect_counted(suite, handle, SCARD_PROTOCOL_T1);
        card_out(suite);
    }
}

/* ---- other clients ----------------------------------------------------------------------------------------------- */

void c_two_in_turns(struct suite *suite)
{
    HANDLE clients[2];
    DWORD protocol;

    clients[0] = open_reader(suite);
    clients[1] = open_reader(suite);
    protocol = connect_card(suite, clients[0], SCARD_PROTOCOL_Tx);
    EXPECT_NUMBER(suite, connect_card(suite, clients[1], SCARD_PROTOCOL_Tx), protocol);
    for (int i = 0; i < 20; i++)
        expect_exchange(suite, clients[i % 2], protocol);
}

/* Each gets its own answer, in the order of asking. */
void c_two_at_once(struct suite *suite)
{
    UCHAR apdu[] = {0x00, 0xD6, 0x00, 0x00, 0x01, 0x00};
    HANDLE clients[2];
    struct io *io[10];

    clients[0] = open_reader(suite);
    clients[1] = open_reader(suite);
    card_in(suite, "echo delay=20");
    EXPECT_NUMBER(suite, connect_card(suite, clients[0], SCARD_PROTOCOL_T1), SCARD_PROTOCOL_T1);
    for (UCHAR i = 0; i < 10; i++) {
        apdu[5] = i;
        io[i] = start_transmit(suite, clients[i % 2], SCARD_PROTOCOL_T1, apdu, sizeof apdu, 16);
    }
    for (UCHAR i = 10; i-- > 0;) {
        const UCHAR want[] = {0x02, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, i, 0x90, 0x00};

        EXPECT_STATUS(suite, io[i], STATUS_SUCCESS);
        EXPECT_BYTES(suite, io[i]->out, io[i]->returned, want, sizeof want);
        for (UCHAR earlier = 0; earlier < i; earlier++)
            EXPECT(suite, ends_within(suite, io[earlier], 0));
    }
}

void c_reset_by_another(struct suite *suite)
{
    HANDLE one = open_reader(suite);
    HANDLE other = open_reader(suite);

    EXPECT_NUMBER(suite, connect_card(suite, one, SCARD_PROTOCOL_T1), SCARD_PROTOCOL_T1);
    power_up(suite, other, SCARD_WARM_RESET, NULL);
    EXPECT_STATUS(suite, start_get_two(suite, one), STATUS_INVALID_DEVICE_STATE);
    EXPECT_NUMBER(suite, connect_card(suite, other, SCARD_PROTOCOL_T0), SCARD_PROTOCOL_T0);
    EXPECT_STATUS(suite, start_get_two(suite, one), STATUS_INVALID_DEVICE_STATE);
    expect_counted(suite, one, SCARD_PROTOCOL_T0);
}

void c_close_in_exchange(struct suite *suite)
{
    HANDLE one = open_reader(suite);
    HANDLE other = open_reader(suite);
    struct io *exchange;

    card_in(suite, "echo");
    EXPECT_NUMBER(suite, connect_card(suite, one, SCARD_PROTOCOL_T1), SCARD_PROTOCOL_T1);
    fault(suite, "wtx");
    exchange = start_get_two(suite, one);
    EXPECT(suite, exchange->pended);
    close_handle(suite, one);
    EXPECT_STATUS(suite, exchange, STATUS_CANCELLED);
    fault(suite, "none");
    expect_counted(suite, other, SCARD_PROTOCOL_T1);
}

void c_two_readers(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *exchange;
    char name[64];
    HANDLE other;

    card_in(suite, "echo");
    EXPECT_NUMBER(suite, connect_card(suite, handle, SCARD_PROTOCOL_T1), SCARD_PROTOCOL_T1);
    fault(suite, "wtx");
    exchange = start_get_two(suite, handle);
    EXPECT(suite, exchange->pended);
    fresh_reader(suite, name);
    fresh_card_in(suite, name, "echo");
    other = open_device(suite, name, FILE_FLAG_OVERLAPPED);
    EXPECT_NUMBER(suite, connect_card(suite, other, SCARD_PROTOCOL_T1), SCARD_PROTOCOL_T1);
    expect_counted(suite, other, SCARD_PROTOCOL_T1);
    EXPECT(suite, !ends_within(suite, exchange, 0));
}
