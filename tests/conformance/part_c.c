/* SPDX-License-Identifier: MIT */
/*
 * Part C, the resource manager: the calls that it makes, in its order (smclib.md 3.11, after Microsoft's example
 * sequence for readers): at start-up who the reader is and whether there is a card; on connect the state, a reset or
 * the answer to the last one, and a protocol; on disconnect nothing, a reset, or no power. What goes wrong on the way,
 * by removal or by other clients, is part_c_trouble.c's.
 */
#include "part_c.h"

/* ---- start-up ---------------------------------------------------------------------------------------------------- */

static void ask_who(struct suite *suite, HANDLE handle)
{
    ULONG unit, characteristics;
    UCHAR text[32];

    EXPECT(suite, attribute(suite, handle, SCARD_ATTR_VENDOR_NAME, text, sizeof text) > 0);
    EXPECT(suite, attribute(suite, handle, SCARD_ATTR_VENDOR_IFD_TYPE, text, sizeof text) > 0);
    EXPECT_NUMBER(suite, attribute(suite, handle, SCARD_ATTR_DEVICE_UNIT, &unit, sizeof unit), 4);
    EXPECT_NUMBER(suite, attribute(suite, handle, SCARD_ATTR_CHARACTERISTICS, &characteristics, sizeof characteristics),
                  4);
}

/* Any reader, with or without a card: the one request ends at once, the other waits. */
static void start_up(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    bool card;
    struct io *io;

    ask_who(suite, handle);
    card = reader_state(suite, handle) > SCARD_ABSENT;
    io = request(suite, handle, card ? IOCTL_SMARTCARD_IS_PRESENT : IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    io = start(suite, handle, card ? IOCTL_SMARTCARD_IS_ABSENT : IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
    EXPECT(suite, io->pended);
    EXPECT(suite, CancelIo(handle));
    EXPECT_STATUS(suite, io, STATUS_CANCELLED);
}

static void start_up_and_wait(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io;

    ask_who(suite, handle);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_ABSENT);
    io = start(suite, handle, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
    EXPECT(suite, io->pended);
    card_in(suite, "echo");
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_PRESENT);
    EXPECT_NUMBER(suite, connect_card(suite, handle, SCARD_PROTOCOL_Tx), SCARD_PROTOCOL_T1);
    expect_exchange(suite, handle, SCARD_PROTOCOL_T1);
}

/* ---- connect, from each state ------------------------------------------------------------------------------------ */

static void connect_absent(struct suite *suite)
{
    static const ULONG both = SCARD_PROTOCOL_Tx;
    HANDLE handle = open_reader(suite);

    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_ABSENT);
    for (ULONG kind = SCARD_POWER_DOWN; kind <= SCARD_WARM_RESET; kind++)
        EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_POWER, &kind, sizeof kind, 33),
                      STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_SET_PROTOCOL, &both, sizeof both, 4),
                  STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(suite, request_transmit(suite, handle, SCARD_PROTOCOL_T1, get_two, sizeof get_two, 16),
                  STATUS_INVALID_DEVICE_STATE);
}

static void connect_present(struct suite *suite)
{
    static const ULONG down = SCARD_POWER_DOWN;
    HANDLE handle = open_reader(suite);

    EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_POWER, &down, sizeof down, 0), STATUS_SUCCESS);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_PRESENT);
    expect_exchange(suite, handle, connect_card(suite, handle, SCARD_PROTOCOL_Tx));
}

/* A reset that was cancelled leaves the card under power and no more known than that. */
static void connect_powered(struct suite *suite)
{
    static const ULONG cold = SCARD_COLD_RESET;
    HANDLE handle = open_reader(suite);
    struct io *reset;

    for (int attempt = 0; attempt < 10 && reader_state(suite, handle) != SCARD_POWERED; attempt++) {
        fault(suite, "delay on=atr byte=1 ms=800");
        reset = start(suite, handle, IOCTL_SMARTCARD_POWER, &cold, sizeof cold, 33);
        (void)CancelIoEx(handle, &reset->overlapped); /* comes too late on a machine that is very busy */
        finish(suite, reset);
    }
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_POWERED);
    EXPECT_STATUS(suite, request_transmit(suite, handle, SCARD_PROTOCOL_T1, get_two, sizeof get_two, 16),
                  STATUS_INVALID_DEVICE_STATE);
    EXPECT_NUMBER(suite, connect_card(suite, handle, SCARD_PROTOCOL_Tx), SCARD_PROTOCOL_T1);
    expect_exchange(suite, handle, SCARD_PROTOCOL_T1);
}

static void connect_negotiable(struct suite *suite)
{
    HANDLE first = open_reader(suite);
    HANDLE second = open_reader(suite);

    power_up(suite, first, SCARD_COLD_RESET, NULL);
    EXPECT_NUMBER(suite, reader_state(suite, second), SCARD_NEGOTIABLE);
    EXPECT_NUMBER(suite, connect_card(suite, second, SCARD_PROTOCOL_T0), SCARD_PROTOCOL_T0);
    expect_exchange(suite, second, SCARD_PROTOCOL_T0);
}

/* Selected already: nothing is done, and nothing comes back (smclib.md 3.5 (2)). */
static void connect_specific(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    DWORD protocol = connect_card(suite, handle, SCARD_PROTOCOL_Tx);
    ULONG masks[2];

    masks[0] = protocol;
    masks[1] = SCARD_PROTOCOL_Tx;
    for (int i = 0; i < 2; i++) {
        struct io *io = request(suite, handle, IOCTL_SMARTCARD_SET_PROTOCOL, &masks[i], sizeof masks[i], 4);

        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        EXPECT_NUMBER(suite, io->returned, 0);
        EXPECT_NUMBER(suite, io->out[0], 0xA5);
        EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_SPECIFIC);
        expect_exchange(suite, handle, protocol);
    }
}

static void connect_one_protocol(struct suite *suite)
{
    static const ULONG both = SCARD_PROTOCOL_Tx;
    HANDLE handle = open_reader(suite);
    struct io *io;

    card_in(suite, "echo atr=3B00");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_SPECIFIC);
    io = request(suite, handle, IOCTL_SMARTCARD_SET_PROTOCOL, &both, sizeof both, 4);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, io->returned, 0);
    expect_exchange(suite, handle, SCARD_PROTOCOL_T0);
}

/* T=1 before T=0, and the one that was asked for if only one was (smclib.md 3.5). */
static void connect_choice(struct suite *suite)
{
    static const DWORD rows[][2] = {
        {SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T0},
        {SCARD_PROTOCOL_T1, SCARD_PROTOCOL_T1},
        {SCARD_PROTOCOL_Tx, SCARD_PROTOCOL_T1},
        {SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_DEFAULT, SCARD_PROTOCOL_T0},
        {SCARD_PROTOCOL_T1 | SCARD_PROTOCOL_DEFAULT, SCARD_PROTOCOL_T1},
        {SCARD_PROTOCOL_RAW, SCARD_PROTOCOL_RAW},
        {SCARD_PROTOCOL_RAW | SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T0},
    };
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ULONG selected = 0;

        power_up(suite, handle, SCARD_COLD_RESET, NULL);
        EXPECT_NUMBER(suite, set_protocol(suite, handle, rows[i][0]), rows[i][1]);
        attribute(suite, handle, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, sizeof selected);
        EXPECT_NUMBER(suite, selected, rows[i][1]);
        EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_SPECIFIC);
    }
}

static void connect_wrong_protocol(struct suite *suite)
{
    static const ULONG t0 = SCARD_PROTOCOL_T0;
    HANDLE handle = open_reader(suite);

    card_in(suite, "echo atr=3B80817120450015"); /* T=1 alone: IFSC 32, BWI 4, CWI 5, LRC */
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_SET_PROTOCOL, &t0, sizeof t0, 4), STATUS_NOT_SUPPORTED);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_NEGOTIABLE);
    EXPECT_NUMBER(suite, set_protocol(suite, handle, SCARD_PROTOCOL_T1), SCARD_PROTOCOL_T1);
    expect_exchange(suite, handle, SCARD_PROTOCOL_T1);
}

/* Nothing of the card before is taken for this one's: the library finds no protocol that is offered (and leaves the
 * state NEGOTIABLE, smclib.md 3.5 (5)); raw mode it lets pass, and the driver says that there is no power. */
static void connect_without_reset(struct suite *suite)
{
    static const struct {
        ULONG mask;
        NTSTATUS status;
        ULONG state;
    } rows[] = {
        {SCARD_PROTOCOL_Tx, STATUS_NOT_SUPPORTED, SCARD_NEGOTIABLE},
        {SCARD_PROTOCOL_T1, STATUS_NOT_SUPPORTED, SCARD_NEGOTIABLE},
        {SCARD_PROTOCOL_RAW, STATUS_INVALID_DEVICE_STATE, SCARD_PRESENT},
    };
    HANDLE handle = open_reader(suite);
    UCHAR atr[33];

    card_in(suite, "fs");
    connect_card(suite, handle, SCARD_PROTOCOL_Tx);
    card_out(suite);
    card_in(suite, "echo");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_SET_PROTOCOL, &rows[i].mask, 4, 4), rows[i].status);
        EXPECT_NUMBER(suite, reader_state(suite, handle), rows[i].state);
        if (rows[i].state == SCARD_NEGOTIABLE)
            EXPECT_NUMBER(suite, attribute(suite, handle, SCARD_ATTR_ATR_STRING, atr, sizeof atr), 0);
        EXPECT_STATUS(suite, request_transmit(suite, handle, SCARD_PROTOCOL_T1, get_two, sizeof get_two, 16),
                      STATUS_INVALID_DEVICE_STATE);
    }
    EXPECT_NUMBER(suite, connect_card(suite, handle, SCARD_PROTOCOL_Tx), SCARD_PROTOCOL_T1);
    EXPECT_BYTES(suite, atr, attribute(suite, handle, SCARD_ATTR_ATR_STRING, atr, sizeof atr),
                 "\x3B\x94\x95\xC0\x02\x31\xFE\x15\x65\x63\x68\x6F\x18", 13);
    expect_exchange(suite, handle, SCARD_PROTOCOL_T1);
}

static void exchange_without_protocol(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    for (DWORD protocol = 0; protocol <= SCARD_PROTOCOL_T1; protocol++)
        EXPECT_STATUS(suite, request_transmit(suite, handle, protocol, get_two, sizeof get_two, 16),
                      STATUS_INVALID_DEVICE_STATE);
}

/* ---- disconnect -------------------------------------------------------------------------------------------------- */

static void disconnect_leaving(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    DWORD protocol = connect_card(suite, handle, SCARD_PROTOCOL_Tx);

    close_handle(suite, handle);
    handle = open_reader(suite);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_SPECIFIC);
    expect_exchange(suite, handle, protocol);
}

static void disconnect_unpowered(struct suite *suite)
{
    static const ULONG down = SCARD_POWER_DOWN;
    HANDLE handle = open_reader(suite);
    DWORD protocol = connect_card(suite, handle, SCARD_PROTOCOL_Tx);

    for (int i = 0; i < 2; i++) { /* a second time does no harm */
        struct io *io = request(suite, handle, IOCTL_SMARTCARD_POWER, &down, sizeof down, 0);

        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        EXPECT_NUMBER(suite, io->returned, 0);
        EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_PRESENT);
        EXPECT_STATUS(suite, request_transmit(suite, handle, protocol, get_two, sizeof get_two, 16),
                      STATUS_INVALID_DEVICE_STATE);
    }
    expect_exchange(suite, handle, connect_card(suite, handle, SCARD_PROTOCOL_Tx));
}

static void disconnect_with(struct suite *suite, ULONG kind)
{
    HANDLE handle = open_reader(suite);
    DWORD protocol = connect_card(suite, handle, SCARD_PROTOCOL_Tx);
    UCHAR before[33], after[33];
    DWORD size = attribute(suite, handle, SCARD_ATTR_ATR_STRING, before, sizeof before);

    expect_exchange(suite, handle, protocol);
    EXPECT_BYTES(suite, after, power_up(suite, handle, kind, after), before, size);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_NEGOTIABLE);
    EXPECT_STATUS(suite, request_transmit(suite, handle, protocol, get_two, sizeof get_two, 16),
                  STATUS_INVALID_DEVICE_STATE);
    expect_exchange(suite, handle, connect_card(suite, handle, SCARD_PROTOCOL_Tx));
}

static void disconnect_warm(struct suite *suite)
{
    disconnect_with(suite, SCARD_WARM_RESET);
}

static void disconnect_cold(struct suite *suite)
{
    disconnect_with(suite, SCARD_COLD_RESET);
}

/* ---- reconnect --------------------------------------------------------------------------------------------------- */

static void reconnect_after_reset(struct suite *suite)
{
    static const DWORD order[] = {SCARD_PROTOCOL_T1, SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T1};
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        power_up(suite, handle, i == 0 ? SCARD_COLD_RESET : SCARD_WARM_RESET, NULL);
        EXPECT_NUMBER(suite, set_protocol(suite, handle, order[i]), order[i]);
        expect_exchange(suite, handle, order[i]);
        EXPECT_STATUS(suite, request_transmit(suite, handle, 3 - order[i], get_two, sizeof get_two, 16),
                      STATUS_INVALID_DEVICE_STATE);
        expect_exchange(suite, handle, order[i]);
    }
}

/* The card takes a protocol only right after a reset: the driver sees to that. */
static void reconnect_at_once(struct suite *suite)
{
    static const DWORD order[] = {SCARD_PROTOCOL_T1, SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T1};
    HANDLE handle = open_reader(suite);

    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        EXPECT_NUMBER(suite, set_protocol(suite, handle, order[i]), order[i]);
        expect_exchange(suite, handle, order[i]);
    }
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static void sessions(struct suite *suite)
{
    HANDLE monitor = open_reader(suite);

    for (int i = 0; i < 20; i++) {
        struct io *tracking = start(suite, monitor, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
        HANDLE handle = open_reader(suite);
        DWORD mask = i % 3 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0;
        UCHAR apdu[5 + 200] = {0x00, 0xD6, 0x00, 0x00, 200};
        UCHAR answer[256];

        card_in(suite, "echo");
        EXPECT_STATUS(suite, tracking, STATUS_SUCCESS);
        tracking = start(suite, monitor, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
        EXPECT(suite, tracking->pended);
        EXPECT_NUMBER(suite, connect_card(suite, handle, mask), mask);
        for (int k = 0; k < 5; k++) {
            expect_exchange(suite, handle, mask);
            EXPECT(suite, transmit(suite, handle, mask, apdu, sizeof apdu, answer, sizeof answer) >= 2);
        }
        EXPECT(suite, !ends_within(suite, tracking, 0));
        card_out(suite);
        EXPECT_STATUS(suite, tracking, STATUS_SUCCESS);
        EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_ABSENT);
        close_handle(suite, handle);
    }
}

/* ---- the part ---------------------------------------------------------------------------------------------------- */

#define VIRTUAL_CARD (NEED_VIRTUAL | NEED_CARD)

static const struct check checks[] = {
    {"start_up", "smclib.md 3.11, start-up", 0, start_up},
    {"start_up_then_a_card", "smclib.md 3.11, start-up", NEED_VIRTUAL, start_up_and_wait},
    {"connect_without_a_card", "smclib.md 3.4 to 3.6", NEED_VIRTUAL, connect_absent},
    {"connect_from_present", "smclib.md 3.11, connect", NEED_CARD, connect_present},
    {"connect_from_powered", "smclib.md 3.11, connect", VIRTUAL_CARD, connect_powered},
    {"connect_from_negotiable", "smclib.md 3.11, connect", VIRTUAL_CARD, connect_negotiable},
    {"connect_from_specific", "smclib.md 3.5 (2) and 3.11", NEED_CARD, connect_specific},
    {"connect_to_a_card_of_one_protocol", "smclib.md 3.5 (2) and 5.2", NEED_VIRTUAL, connect_one_protocol},
    {"connect_chooses_a_protocol", "smclib.md 3.5", VIRTUAL_CARD, connect_choice},
    {"connect_with_a_protocol_that_the_card_has_not", "smclib.md 3.5 (5)", NEED_VIRTUAL, connect_wrong_protocol},
    {"connect_without_a_reset", "smclib.md 3.5", NEED_VIRTUAL, connect_without_reset},
    {"exchange_without_a_protocol", "smclib.md 3.6", VIRTUAL_CARD, exchange_without_protocol},
    {"disconnect_leaves_the_card", "smclib.md 3.11, disconnect", NEED_CARD, disconnect_leaving},
    {"disconnect_takes_the_power", "smclib.md 3.4 and 3.11", NEED_CARD, disconnect_unpowered},
    {"disconnect_resets_warm", "smclib.md 3.4", VIRTUAL_CARD, disconnect_warm},
    {"disconnect_resets_cold", "smclib.md 3.4", VIRTUAL_CARD, disconnect_cold},
    {"reconnect_with_another_protocol_after_a_reset", "smclib.md 3.5", VIRTUAL_CARD, reconnect_after_reset},
    {"reconnect_with_another_protocol_at_once", "smclib.md 3.5; ISO/IEC 7816-3:2006, 6.3.1", VIRTUAL_CARD,
     reconnect_at_once},
    {"sessions_with_tracking", "smclib.md 3.11 and 4.2", NEED_VIRTUAL, sessions},

    {"removal_before_each_step_of_connect", "smclib.md 3.4 to 3.6", NEED_VIRTUAL, c_removal_before_steps},
    {"removal_during_each_step_of_connect", "RDF_CARD_POWER; smclib.md 3.4", NEED_VIRTUAL, c_removal_during_steps},
    {"removal_in_an_exchange", "RDF_TRANSMIT; smclib.md 3.6", NEED_VIRTUAL, c_removal_in_exchange},
    {"removal_by_hand_ends_each_step", "RDF_TRANSMIT; smclib.md 4.5", NEED_VIRTUAL, c_removal_by_hand},
    {"another_card_must_be_connected_anew", "smclib.md 3.6 and 4.5", NEED_VIRTUAL, c_swap},
    {"two_clients_in_turns", "DESIGN 5", NEED_CARD, c_two_in_turns},
    {"two_clients_at_once", "DESIGN 5", NEED_VIRTUAL, c_two_at_once},
    {"reset_of_one_client_undoes_the_others_protocol", "smclib.md 3.4 and 3.6", VIRTUAL_CARD, c_reset_by_another},
    {"client_that_closes_in_an_exchange", "DESIGN 5; smclib.md 4.4", NEED_VIRTUAL | NEED_CLEANUP, c_close_in_exchange},
    {"connect_while_another_reader_is_busy", "DESIGN 5", NEED_VIRTUAL | NEED_UNPLUG, c_two_readers},
};

const struct part part_c = {'C', "resource manager", checks, sizeof checks / sizeof checks[0]};
