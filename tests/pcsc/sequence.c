/* SPDX-License-Identifier: MIT */
/*
 * Every call of PC/SC that an application makes, through pcscd and the IFD handler, with the exact code that comes back:
 * the sequence of pcsc-lite's own testpcsc, and what can go wrong in it. For every reader that pcscd has, all at the same
 * time, each with contexts and a thread of its own.
 *
 * usage: sequence PREFIX [t0]: PREFIX stands before the results' names; every other reader gets a card for T=0 only,
 * with t0 the first one does
 */
#include "kit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t t1_atr[] = {0x3B, 0x94, 0x95, 0xC0, 0x02, 0x31, 0xFE, 0x15, 0x65, 0x63, 0x68, 0x6F, 0x18};
static const uint8_t t0_atr[] = {0x3B, 0x04, 0x65, 0x63, 0x68, 0x6F};

static const void *atr_of(const struct client *client)
{
    return client->protocol == SCARD_PROTOCOL_T0 ? t0_atr : t1_atr;
}

static size_t atr_size_of(const struct client *client)
{
    return client->protocol == SCARD_PROTOCOL_T0 ? sizeof(t0_atr) : sizeof(t1_atr);
}

/* ---- contexts and lists -------------------------------------------------------------------------------------------- */

static void a_released_context_is_none(struct client *client)
{
    SCARDCONTEXT context;

    EXPECT(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context), SCARD_S_SUCCESS);
    EXPECT(SCardIsValidContext(context), SCARD_S_SUCCESS);
    EXPECT(SCardReleaseContext(context), SCARD_S_SUCCESS);
    EXPECT(SCardIsValidContext(context), SCARD_E_INVALID_HANDLE);
    EXPECT(SCardReleaseContext(context), SCARD_E_INVALID_HANDLE);
}

static void the_list_has_the_reader(struct client *client)
{
    char names[READERS_MAX * MAX_READERNAME], groups[64];
    DWORD size = 0, groups_size = sizeof(groups);
    unsigned found = 0;

    EXPECT(SCardListReaders(client->one, NULL, NULL, &size), SCARD_S_SUCCESS);
    size--;
    EXPECT(SCardListReaders(client->one, NULL, names, &size), SCARD_E_INSUFFICIENT_BUFFER);
    size = sizeof(names);
    EXPECT(SCardListReaders(client->one, NULL, names, &size), SCARD_S_SUCCESS);
    for (const char *name = names; *name; name += strlen(name) + 1)
        found += !strcmp(name, client->reader);
    EXPECT(found, 1);
    EXPECT(SCardListReaderGroups(client->one, groups, &groups_size), SCARD_S_SUCCESS);
    EXPECT(strcmp(groups, "SCard$DefaultReaders"), 0);
}

/* ---- connect ------------------------------------------------------------------------------------------------------- */

static void connect_needs_a_reader_of_the_list(struct client *client)
{
    SCARDHANDLE card;
    DWORD protocol;

    EXPECT(SCardConnect(client->one, "no such reader", SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &card, &protocol),
           SCARD_E_UNKNOWN_READER);
    EXPECT(SCardConnect(0x5A5A5A5A, client->reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &card, &protocol),
           SCARD_E_INVALID_HANDLE);
    EXPECT(SCardConnect(client->one, client->reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, NULL, &protocol),
           SCARD_E_INVALID_PARAMETER);
}

static void a_shared_card_has_several_users_and_none_exclusively(struct client *client)
{
    SCARDHANDLE one, two, three;
    DWORD protocol;

    card_in(client);
    one = connect_card(client, client->one, SCARD_SHARE_SHARED);
    two = connect_card(client, client->two, SCARD_SHARE_SHARED);
    EXPECT(SCardConnect(client->two, client->reader, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_ANY, &three, &protocol),
           SCARD_E_SHARING_VIOLATION);
    expect_echo(client, one, 4);
    expect_echo(client, two, 4);
    EXPECT(SCardDisconnect(one, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    expect_echo(client, two, 4);
    EXPECT(SCardDisconnect(two, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

/* The hand at the slot is a user, too, so it lets go for this. */
static void an_exclusive_card_has_one_user(struct client *client)
{
    SCARDHANDLE one, two;
    DWORD protocol;

    card_in(client);
    EXPECT(SCardDisconnect(client->hand_card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    one = connect_card(client, client->one, SCARD_SHARE_EXCLUSIVE);
    EXPECT(SCardConnect(client->two, client->reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &two, &protocol),
           SCARD_E_SHARING_VIOLATION);
    EXPECT(SCardConnect(client->two, client->reader, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_ANY, &two, &protocol),
           SCARD_E_SHARING_VIOLATION);
    EXPECT(reader_state(client) & SCARD_STATE_EXCLUSIVE, SCARD_STATE_EXCLUSIVE);
    expect_echo(client, one, 4);
    EXPECT(SCardDisconnect(one, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    EXPECT(SCardConnect(client->hand, client->reader, SCARD_SHARE_DIRECT, 0, &client->hand_card, &protocol),
           SCARD_S_SUCCESS);
}

static void connect_refuses_a_protocol_that_the_card_has_not(struct client *client)
{
    SCARDHANDLE card;
    DWORD protocol;

    card_in(client);
    if (client->protocol == SCARD_PROTOCOL_T0)
        EXPECT(SCardConnect(client->one, client->reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, &card, &protocol),
               SCARD_E_PROTO_MISMATCH);
    EXPECT(SCardConnect(client->one, client->reader, SCARD_SHARE_SHARED, 0, &card, &protocol), SCARD_E_PROTO_MISMATCH);
    EXPECT(SCardConnect(client->one, client->reader, 99, SCARD_PROTOCOL_ANY, &card, &protocol), SCARD_E_INVALID_VALUE);
}

static void without_a_card_there_is_only_a_direct_connection(struct client *client)
{
    uint8_t reply[16];
    DWORD size = sizeof(reply), protocol = 99;
    SCARDHANDLE card;

    card_out(client);
    EXPECT(SCardConnect(client->one, client->reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &card, &protocol),
           SCARD_E_NO_SMARTCARD);
    EXPECT(SCardConnect(client->one, client->reader, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_ANY, &card, &protocol),
           SCARD_E_NO_SMARTCARD);
    EXPECT(SCardConnect(client->one, client->reader, SCARD_SHARE_DIRECT, 0, &card, &protocol), SCARD_S_SUCCESS);
    EXPECT(protocol, SCARD_PROTOCOL_UNDEFINED);
    EXPECT(echo(client, card, 2, reply, &size), SCARD_E_NO_SMARTCARD);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

/* ---- status -------------------------------------------------------------------------------------------------------- */

static void status_tells_name_state_protocol_and_answer_to_reset(struct client *client)
{
    char name[MAX_READERNAME];
    uint8_t atr[MAX_ATR_SIZE];
    DWORD name_size = sizeof(name), atr_size = sizeof(atr), state, protocol;
    const uint64_t until = now_ms() + PATIENCE_MS;
    SCARDHANDLE card;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    /* libpcsclite keeps one copy of all readers' states for all threads, so that it may be older than the connection
     * when another thread asked before and was answered late. */
    do {
        name_size = sizeof(name);
        atr_size = sizeof(atr);
        EXPECT(SCardStatus(card, name, &name_size, &state, &protocol, atr, &atr_size), SCARD_S_SUCCESS);
    } while (protocol == SCARD_PROTOCOL_UNDEFINED && now_ms() < until);
    EXPECT(strcmp(name, client->reader), 0);
    EXPECT(state & 0xFFFF, SCARD_PRESENT | SCARD_POWERED | SCARD_NEGOTIABLE);
    EXPECT(protocol, client->protocol);
    expect_bytes(client, __LINE__, atr, atr_size, atr_of(client), atr_size_of(client));
    name_size = 2;
    EXPECT(SCardStatus(card, name, &name_size, &state, &protocol, atr, &atr_size), SCARD_E_INSUFFICIENT_BUFFER);
    EXPECT(name_size, strlen(client->reader) + 1);
    EXPECT(SCardStatus(card, NULL, NULL, NULL, NULL, NULL, NULL), SCARD_S_SUCCESS);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    EXPECT(SCardStatus(card, NULL, NULL, NULL, NULL, NULL, NULL), SCARD_E_INVALID_HANDLE);
}

/* ---- status change ------------------------------------------------------------------------------------------------- */

/* Somebody else's call, a little later. */
struct later {
    pthread_t thread;
    struct client *client;
    unsigned function; /* a vendor code; 0: cancel context `one` */
    const char *text;
    _Atomic LONG result;
};

static void *run_later(void *argument)
{
    struct later *later = argument;

    sleep_ms(50);
    later->result =
        later->function ? vendor(later->client, later->function, later->text) : SCardCancel(later->client->one);
    return NULL;
}

static void begin_later(struct client *client, struct later *later, unsigned function, const char *text)
{
    *later = (struct later){.client = client, .function = function, .text = text};
    EXPECT(pthread_create(&later->thread, NULL, run_later, later), 0);
}

static LONG end_later(struct later *later)
{
    pthread_join(later->thread, NULL);
    return later->result;
}

static void status_change_tells_the_state_at_once_to_the_unaware(struct client *client)
{
    SCARD_READERSTATE state = {.szReader = client->reader, .dwCurrentState = SCARD_STATE_UNAWARE};

    card_in(client);
    EXPECT(SCardGetStatusChange(client->one, PATIENCE_MS, &state, 1), SCARD_S_SUCCESS);
    EXPECT(state.dwEventState & 0xFFFF & ~(DWORD)SCARD_STATE_INUSE, SCARD_STATE_CHANGED | SCARD_STATE_PRESENT);
    expect_bytes(client, __LINE__, state.rgbAtr, state.cbAtr, atr_of(client), atr_size_of(client));
    card_out(client);
    EXPECT(SCardGetStatusChange(client->one, PATIENCE_MS, &state, 1), SCARD_S_SUCCESS);
    EXPECT(state.dwEventState & 0xFFFF & ~(DWORD)SCARD_STATE_INUSE, SCARD_STATE_CHANGED | SCARD_STATE_EMPTY);
    EXPECT(state.cbAtr, 0);
}

static void status_change_without_a_change_times_out(struct client *client)
{
    SCARD_READERSTATE state = {.szReader = client->reader};

    card_in(client);
    state.dwCurrentState = reader_state(client);
    EXPECT(SCardGetStatusChange(client->one, 100, &state, 1), SCARD_E_TIMEOUT);
    EXPECT(state.dwEventState & SCARD_STATE_CHANGED, 0);
    state.szReader = "no such reader";
    EXPECT(SCardGetStatusChange(client->one, 100, &state, 1), SCARD_E_UNKNOWN_READER);
}

/* Remove, insert, and both again, while an application waits for it. Each counts one event. */
static void status_change_sees_cards_come_and_go(struct client *client)
{
    SCARD_READERSTATE state = {.szReader = client->reader};
    struct later later;
    DWORD events;

    card_in(client);
    state.dwCurrentState = reader_state(client);
    events = state.dwCurrentState >> 16;
    for (unsigned i = 1; i <= 4; i++) {
        const bool in = i % 2 == 0;

        begin_later(client, &later, in ? TOOL_INSERT : TOOL_REMOVE, in ? client->card : NULL);
        EXPECT(SCardGetStatusChange(client->one, PATIENCE_MS, &state, 1), SCARD_S_SUCCESS);
        EXPECT(end_later(&later), SCARD_S_SUCCESS);
        EXPECT(state.dwEventState & (SCARD_STATE_CHANGED | SCARD_STATE_PRESENT | SCARD_STATE_EMPTY),
               SCARD_STATE_CHANGED | (in ? SCARD_STATE_PRESENT : SCARD_STATE_EMPTY));
        EXPECT((state.dwEventState >> 16) - events, i);
        state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
    }
}

static void cancel_ends_the_wait_for_a_change(struct client *client)
{
    SCARD_READERSTATE state = {.szReader = client->reader};
    struct later later;

    card_in(client);
    state.dwCurrentState = reader_state(client);
    begin_later(client, &later, 0, NULL);
    EXPECT(SCardGetStatusChange(client->one, INFINITE, &state, 1), SCARD_E_CANCELLED);
    EXPECT(end_later(&later), SCARD_S_SUCCESS);
    EXPECT(SCardCancel(0x5A5A5A5A), SCARD_E_INVALID_HANDLE);
}

/* ---- transmit ------------------------------------------------------------------------------------------------------ */

static void transmit_short_commands(struct client *client)
{
    static const uint8_t nothing[] = {0x00, 0xB0, 0x00, 0x00}, four[] = {0x00, 0xB0, 0x00, 0x00, 0x04};
    static const uint8_t ok[] = {0x90, 0x00}, counted[] = {0x00, 0x01, 0x02, 0x03, 0x90, 0x00};
    static const uint8_t all[] = {0x00, 0xB0, 0x00, 0x00, 0x00};
    uint8_t reply[300];
    DWORD size = sizeof(reply);
    SCARD_IO_REQUEST received = {0, sizeof(received)};
    SCARDHANDLE card;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    EXPECT(SCardTransmit(card, pci(client), nothing, sizeof(nothing), NULL, reply, &size), SCARD_S_SUCCESS);
    EXPECT_BYTES(reply, size, ok);
    size = sizeof(reply);
    EXPECT(SCardTransmit(card, pci(client), four, sizeof(four), &received, reply, &size), SCARD_S_SUCCESS);
    EXPECT_BYTES(reply, size, counted);
    EXPECT(received.dwProtocol, client->protocol);
    size = sizeof(reply);
    EXPECT(SCardTransmit(card, pci(client), all, sizeof(all), NULL, reply, &size), SCARD_S_SUCCESS);
    EXPECT(size, 258);
    EXPECT(reply[255], 0xFF);
    for (unsigned length = 1; length <= 255; length += 127)
        expect_echo(client, card, length);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

static void transmit_extended_commands(struct client *client)
{
    SCARDHANDLE card;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    expect_echo(client, card, 256);
    expect_echo(client, card, 4000);
    expect_echo(client, card, 65535);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

static void transmit_refuses_what_is_no_command_and_too_little_room(struct client *client)
{
    static uint8_t large[MAX_BUFFER_SIZE_EXTENDED + 1];
    uint8_t reply[MAX_BUFFER_SIZE];
    DWORD size = sizeof(reply);
    SCARDHANDLE card;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    EXPECT(SCardTransmit(card, pci(client), large, sizeof(large), NULL, reply, &size), SCARD_E_INSUFFICIENT_BUFFER);
    size = sizeof(reply);
    size = 8;
    EXPECT(echo(client, card, 7, reply, &size), SCARD_E_INSUFFICIENT_BUFFER);
    size = sizeof(reply);
    EXPECT(SCardTransmit(card, client->protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T1 : SCARD_PCI_T0, large, 5, NULL,
                         reply, &size),
           SCARD_E_PROTO_MISMATCH);
    expect_echo(client, card, 4);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    size = sizeof(reply);
    EXPECT(echo(client, card, 4, reply, &size), SCARD_E_INVALID_HANDLE);
}

/* ---- control and attributes ---------------------------------------------------------------------------------------- */

#define WINDOWS_CODE(function) ((DWORD)(0x310000 | (function) << 2))

static void control_reaches_the_reader_by_both_forms_of_a_code(struct client *client)
{
    static const uint8_t state_specific[] = {6, 0, 0, 0};
    uint8_t out[64];
    DWORD size = 0;
    SCARDHANDLE card;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    EXPECT(SCardControl(card, SCARD_CTL_CODE(14), NULL, 0, out, sizeof(out), &size), SCARD_S_SUCCESS);
    EXPECT_BYTES(out, size, state_specific);
    memset(out, 0, sizeof(out));
    EXPECT(SCardControl(card, WINDOWS_CODE(14), NULL, 0, out, sizeof(out), &size), SCARD_S_SUCCESS);
    EXPECT_BYTES(out, size, state_specific);
    EXPECT(SCardControl(card, SCARD_CTL_CODE(3400), NULL, 0, out, sizeof(out), &size), SCARD_S_SUCCESS);
    EXPECT(size, 0);
    EXPECT(SCardControl(card, SCARD_CTL_CODE(3000), NULL, 0, out, sizeof(out), &size), SCARD_E_UNSUPPORTED_FEATURE);
    EXPECT(SCardControl(card, 1, NULL, 0, out, sizeof(out), &size), SCARD_E_UNSUPPORTED_FEATURE);
    EXPECT(SCardControl(card, SCARD_CTL_CODE(14), NULL, 0, out, 2, &size), SCARD_E_INSUFFICIENT_BUFFER);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

static void control_tells_the_last_error_after_a_mute_card(struct client *client)
{
    static const uint8_t io_timeout[] = {0xB5, 0x00, 0x00, 0xC0}, success[] = {0, 0, 0, 0};
    uint8_t out[16], reply[16];
    DWORD size = sizeof(reply);
    SCARDHANDLE card;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    EXPECT(vendor(client, TOOL_FAULT, "mute"), SCARD_S_SUCCESS);
    EXPECT(echo(client, card, 2, reply, &size), SCARD_E_NOT_TRANSACTED);
    EXPECT(size, 0);
    EXPECT(SCardControl(card, SCARD_CTL_CODE(TOOL_GET_LAST_ERROR), NULL, 0, out, sizeof(out), &size), SCARD_S_SUCCESS);
    EXPECT_BYTES(out, size, io_timeout);
    expect_echo(client, card, 2);
    EXPECT(SCardControl(card, SCARD_CTL_CODE(TOOL_GET_LAST_ERROR), NULL, 0, out, sizeof(out), &size), SCARD_S_SUCCESS);
    EXPECT_BYTES(out, size, success);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

static void attributes(struct client *client)
{
    uint8_t value[MAX_BUFFER_SIZE];
    DWORD size = sizeof(value);
    SCARDHANDLE card;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    EXPECT(SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, value, &size), SCARD_S_SUCCESS);
    expect_bytes(client, __LINE__, value, size, atr_of(client), atr_size_of(client));
    size = 4;
    EXPECT(SCardGetAttrib(card, SCARD_ATTR_ATR_STRING, value, &size), SCARD_E_INSUFFICIENT_BUFFER);
    size = sizeof(value);
    EXPECT(SCardGetAttrib(card, SCARD_ATTR_VENDOR_NAME, value, &size), SCARD_S_SUCCESS);
    size = sizeof(value);
    EXPECT(SCardGetAttrib(card, SCARD_ATTR_DEVICE_FRIENDLY_NAME, value, &size), SCARD_S_SUCCESS);
    EXPECT(strncmp((const char *)value, client->reader, size), 0);
    size = sizeof(value);
    EXPECT(SCardGetAttrib(card, 0x7FFFFF, value, &size), SCARD_E_UNSUPPORTED_FEATURE);
    EXPECT(SCardSetAttrib(card, SCARD_ATTR_VENDOR_NAME, value, 2), SCARD_E_UNEXPECTED);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

/* ---- transactions -------------------------------------------------------------------------------------------------- */

/* Another application that wants the card while a transaction is on. */
struct rival {
    pthread_t thread;
    struct client *client;
    SCARDHANDLE card;
    atomic_bool got_it;
    LONG began, ended;
};

static void *want_transaction(void *argument)
{
    struct rival *rival = argument;

    rival->began = SCardBeginTransaction(rival->card);
    rival->got_it = true;
    rival->ended = SCardEndTransaction(rival->card, SCARD_LEAVE_CARD);
    return NULL;
}

static void a_transaction_keeps_others_out_until_it_ends(struct client *client)
{
    struct rival rival = {.client = client};
    SCARDHANDLE card;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    rival.card = connect_card(client, client->two, SCARD_SHARE_SHARED);
    EXPECT(SCardEndTransaction(card, SCARD_LEAVE_CARD), SCARD_E_NOT_TRANSACTED);
    EXPECT(SCardBeginTransaction(card), SCARD_S_SUCCESS);
    EXPECT(pthread_create(&rival.thread, NULL, want_transaction, &rival), 0);
    for (unsigned i = 0; i < 20; i++) {
        expect_echo(client, card, 16);
        sleep_ms(10);
    }
    EXPECT(rival.got_it, false);
    EXPECT(SCardEndTransaction(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    pthread_join(rival.thread, NULL);
    EXPECT(rival.began, SCARD_S_SUCCESS);
    EXPECT(rival.ended, SCARD_S_SUCCESS);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    EXPECT(SCardDisconnect(rival.card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

static void a_transaction_may_end_with_a_reset(struct client *client)
{
    SCARDHANDLE one, two;
    DWORD protocol;

    card_in(client);
    one = connect_card(client, client->one, SCARD_SHARE_SHARED);
    two = connect_card(client, client->two, SCARD_SHARE_SHARED);
    EXPECT(SCardBeginTransaction(one), SCARD_S_SUCCESS);
    EXPECT(SCardEndTransaction(one, SCARD_RESET_CARD), SCARD_S_SUCCESS);
    EXPECT(SCardBeginTransaction(two), SCARD_W_RESET_CARD);
    EXPECT(SCardReconnect(two, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_LEAVE_CARD, &protocol), SCARD_S_SUCCESS);
    expect_echo(client, two, 4);
    EXPECT(SCardDisconnect(one, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    EXPECT(SCardDisconnect(two, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

/* ---- reconnect and disconnect -------------------------------------------------------------------------------------- */

/* What the other application's next transmit says, once; after its own reconnect it works again. */
static void other_is_told(struct client *client, SCARDHANDLE other, LONG what)
{
    uint8_t reply[16];
    DWORD size = sizeof(reply), protocol = 0;

    EXPECT(echo(client, other, 2, reply, &size), what);
    if (what != SCARD_S_SUCCESS) {
        EXPECT(SCardReconnect(other, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_LEAVE_CARD, &protocol),
               SCARD_S_SUCCESS);
        EXPECT(protocol, client->protocol);
    }
    expect_echo(client, other, 4);
}

static void reconnect_with(struct client *client, DWORD how, LONG other_sees)
{
    SCARDHANDLE one, two;
    DWORD protocol = 0;

    card_in(client);
    one = connect_card(client, client->one, SCARD_SHARE_SHARED);
    two = connect_card(client, client->two, SCARD_SHARE_SHARED);
    EXPECT(SCardReconnect(one, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, how, &protocol), SCARD_S_SUCCESS);
    EXPECT(protocol, client->protocol);
    expect_echo(client, one, 4);
    other_is_told(client, two, other_sees);
    EXPECT(SCardDisconnect(one, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    EXPECT(SCardDisconnect(two, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

static void reconnect_leave(struct client *client)
{
    reconnect_with(client, SCARD_LEAVE_CARD, SCARD_S_SUCCESS);
}

static void reconnect_reset(struct client *client)
{
    reconnect_with(client, SCARD_RESET_CARD, SCARD_W_RESET_CARD);
}

static void reconnect_unpower(struct client *client)
{
    reconnect_with(client, SCARD_UNPOWER_CARD, SCARD_W_RESET_CARD);
}

static void disconnect_with(struct client *client, DWORD how, LONG other_sees)
{
    SCARDHANDLE one, two;

    card_in(client);
    one = connect_card(client, client->one, SCARD_SHARE_SHARED);
    two = connect_card(client, client->two, SCARD_SHARE_SHARED);
    EXPECT(SCardDisconnect(one, how), SCARD_S_SUCCESS);
    EXPECT(SCardDisconnect(one, how), SCARD_E_INVALID_HANDLE);
    other_is_told(client, two, other_sees);
    EXPECT(SCardDisconnect(two, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

static void disconnect_leave(struct client *client)
{
    disconnect_with(client, SCARD_LEAVE_CARD, SCARD_S_SUCCESS);
}

static void disconnect_reset(struct client *client)
{
    disconnect_with(client, SCARD_RESET_CARD, SCARD_W_RESET_CARD);
}

/* pcscd leaves the card without power to the others, so that one of them has to reset it. */
static void disconnect_unpower(struct client *client)
{
    SCARDHANDLE one, two;
    uint8_t reply[16];
    DWORD size = sizeof(reply), protocol = 0;

    card_in(client);
    one = connect_card(client, client->one, SCARD_SHARE_SHARED);
    two = connect_card(client, client->two, SCARD_SHARE_SHARED);
    EXPECT(SCardDisconnect(one, SCARD_UNPOWER_CARD), SCARD_S_SUCCESS);
    EXPECT(echo(client, two, 2, reply, &size), SCARD_W_RESET_CARD);
    EXPECT(SCardReconnect(two, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_LEAVE_CARD, &protocol),
           SCARD_W_UNRESPONSIVE_CARD);
    EXPECT(SCardReconnect(two, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_RESET_CARD, &protocol), SCARD_S_SUCCESS);
    EXPECT(protocol, client->protocol);
    expect_echo(client, two, 4);
    one = connect_card(client, client->one, SCARD_SHARE_SHARED);
    expect_echo(client, one, 4);
    EXPECT(SCardDisconnect(one, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    EXPECT(SCardDisconnect(two, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

static void disconnect_eject(struct client *client)
{
    disconnect_with(client, SCARD_EJECT_CARD, SCARD_S_SUCCESS);
}

static void a_released_context_disconnects(struct client *client)
{
    SCARDCONTEXT context;
    SCARDHANDLE card;

    card_in(client);
    EXPECT(SCardDisconnect(client->hand_card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    EXPECT(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context), SCARD_S_SUCCESS);
    connect_card(client, context, SCARD_SHARE_EXCLUSIVE);
    EXPECT(SCardReleaseContext(context), SCARD_S_SUCCESS);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    EXPECT(SCardConnect(client->hand, client->reader, SCARD_SHARE_DIRECT, 0, &client->hand_card, &(DWORD){0}),
           SCARD_S_SUCCESS);
}

/* ---- removal ------------------------------------------------------------------------------------------------------- */

static void a_card_that_was_removed_is_gone_for_its_user(struct client *client)
{
    uint8_t reply[16];
    DWORD size = sizeof(reply), protocol;
    SCARDHANDLE card;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    card_out(client);
    EXPECT(echo(client, card, 2, reply, &size), SCARD_W_REMOVED_CARD);
    EXPECT(SCardStatus(card, NULL, NULL, NULL, NULL, NULL, NULL), SCARD_W_REMOVED_CARD);
    EXPECT(SCardBeginTransaction(card), SCARD_W_REMOVED_CARD);
    EXPECT(SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_LEAVE_CARD, &protocol),
           SCARD_E_NO_SMARTCARD);
    card_in(client);
    EXPECT(SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_LEAVE_CARD, &protocol), SCARD_S_SUCCESS);
    expect_echo(client, card, 4);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

#define STEP(name)                                                                                                     \
    {                                                                                                                  \
#name, name                                                                                                    \
    }
static const struct step steps[] = {
    STEP(a_released_context_is_none),
    STEP(the_list_has_the_reader),
    STEP(connect_needs_a_reader_of_the_list),
    STEP(a_shared_card_has_several_users_and_none_exclusively),
    STEP(an_exclusive_card_has_one_user),
    STEP(connect_refuses_a_protocol_that_the_card_has_not),
    STEP(without_a_card_there_is_only_a_direct_connection),
    STEP(status_tells_name_state_protocol_and_answer_to_reset),
    STEP(status_change_tells_the_state_at_once_to_the_unaware),
    STEP(status_change_without_a_change_times_out),
    STEP(status_change_sees_cards_come_and_go),
    STEP(cancel_ends_the_wait_for_a_change),
    STEP(transmit_short_commands),
    STEP(transmit_extended_commands),
    STEP(transmit_refuses_what_is_no_command_and_too_little_room),
    STEP(control_reaches_the_reader_by_both_forms_of_a_code),
    STEP(control_tells_the_last_error_after_a_mute_card),
    STEP(attributes),
    STEP(a_transaction_keeps_others_out_until_it_ends),
    STEP(a_transaction_may_end_with_a_reset),
    STEP(reconnect_leave),
    STEP(reconnect_reset),
    STEP(reconnect_unpower),
    STEP(disconnect_leave),
    STEP(disconnect_reset),
    STEP(disconnect_unpower),
    STEP(disconnect_eject),
    STEP(a_released_context_disconnects),
    STEP(a_card_that_was_removed_is_gone_for_its_user),
};

int main(int count, char **words)
{
    static const struct card_choice t1_first[] = {
        {"echo", SCARD_PROTOCOL_T1},
        {"echo atr=3B046563686F", SCARD_PROTOCOL_T0},
    };
    static const struct card_choice t0_first[] = {
        {"echo atr=3B046563686F", SCARD_PROTOCOL_T0},
        {"echo", SCARD_PROTOCOL_T1},
    };
    static struct client clients[READERS_MAX];
    const bool t0 = count == 3 && !strcmp(words[2], "t0");
    size_t clients_count = find_clients(clients, t0 ? t0_first : t1_first, 2);

    if (count < 2 || count > 3 || clients_count == 0) {
        printf("usage: sequence PREFIX [t0], with readers in pcscd\n");
        return 1;
    }
    return run_steps(words[1], steps, sizeof(steps) / sizeof(steps[0]), clients, clients_count) ? 1 : 0;
}
