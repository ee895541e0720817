/* SPDX-License-Identifier: MIT */
/*
 * Applications without manners: threads that connect, transmit, reset, swap cards, disturb them, cancel and leave in any
 * order, on a few readers, for some seconds. No call may give what it never should, an answer must be the right one, and
 * in the end every reader works.
 *
 * usage: stress SECONDS [SEED]; a run's seed is printed
 */
#include "kit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS 6

static struct client clients[READERS_MAX];
static size_t clients_count;
static uint64_t until, seed;
static atomic_uint wrong, calls, successes;

struct application {
    pthread_t thread;
    unsigned number;
    uint64_t seed;
    SCARDCONTEXT context;
    _Atomic SCARDCONTEXT *all; /* of every application, to cancel */
};

static unsigned any(struct application *application, unsigned count)
{
    application->seed ^= application->seed << 13;
    application->seed ^= application->seed >> 7;
    application->seed ^= application->seed << 17;
    return (unsigned)(application->seed % count);
}

/* What may come of a call on a reader with which others do as they like. */
static void judge(const char *what, LONG result)
{
    static const LONG allowed[] = {
        SCARD_S_SUCCESS,        SCARD_E_NO_SMARTCARD,      SCARD_E_NOT_TRANSACTED, SCARD_W_REMOVED_CARD,
        SCARD_W_RESET_CARD,     SCARD_W_UNRESPONSIVE_CARD, SCARD_W_UNPOWERED_CARD, SCARD_E_SHARING_VIOLATION,
        SCARD_E_PROTO_MISMATCH, SCARD_E_TIMEOUT,           SCARD_E_CANCELLED,      SCARD_E_INVALID_VALUE,
        SCARD_E_INVALID_HANDLE,
    };

    calls++;
    if (result == SCARD_S_SUCCESS)
        successes++;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (result == allowed[i])
            return;
    wrong++;
    printf("%s: %s\n", what, pcsc_stringify_error(result));
}

static void transmit(struct application *application, SCARDHANDLE card, DWORD protocol)
{
    const SCARD_IO_REQUEST *header = protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1;
    uint8_t le = (uint8_t)(1 + any(application, 255));
    const uint8_t command[] = {0x00, 0xB0, 0x00, 0x00, le};
    uint8_t reply[300];
    DWORD size = sizeof(reply);
    LONG result = SCardTransmit(card, header, command, sizeof(command), NULL, reply, &size);

    judge("SCardTransmit", result);
    if (result == SCARD_S_SUCCESS
            ? size != (DWORD)le + 2 || reply[0] != 0 || reply[le - 1] != le - 1 || reply[le] != 0x90
            : size != 0 && size != sizeof(reply)) {
        wrong++;
        printf("SCardTransmit: %s with %lu bytes\n", pcsc_stringify_error(result), size);
    }
}

static void at_the_slot(struct application *application, SCARDHANDLE card)
{
    static const struct {
        unsigned function;
        const char *text;
    } deeds[] = {
        {TOOL_REMOVE, NULL},         {TOOL_INSERT, "echo"},
        {TOOL_INSERT, "echo"},       {TOOL_INSERT, "echo atr=3B046563686F"},
        {TOOL_FAULT, "mute"},        {TOOL_FAULT, "remove when=during byte=3"},
        {TOOL_FAULT, "edc byte=1"},  {TOOL_FAULT, "none"},
        {TOOL_GET_LAST_ERROR, NULL}, {TOOL_JOURNAL, NULL},
    };
    const unsigned which = any(application, sizeof(deeds) / sizeof(deeds[0]));
    static _Thread_local uint8_t out[65536];
    DWORD size;

    judge("SCardControl", SCardControl(card, SCARD_CTL_CODE(deeds[which].function), deeds[which].text,
                                       deeds[which].text ? strlen(deeds[which].text) : 0, out, sizeof(out), &size));
}

static void one_connection(struct application *application)
{
    static const DWORD shares[] = {SCARD_SHARE_SHARED, SCARD_SHARE_SHARED, SCARD_SHARE_DIRECT, SCARD_SHARE_EXCLUSIVE};
    static const DWORD ends[] = {SCARD_LEAVE_CARD, SCARD_RESET_CARD, SCARD_UNPOWER_CARD, SCARD_EJECT_CARD};
    const char *reader = clients[any(application, (unsigned)clients_count)].reader;
    SCARDHANDLE card;
    DWORD protocol = 0;
    LONG result =
        SCardConnect(application->context, reader, shares[any(application, 4)], SCARD_PROTOCOL_ANY, &card, &protocol);

    judge("SCardConnect", result);
    if (result != SCARD_S_SUCCESS)
        return;
    for (unsigned i = any(application, 12); i > 0; i--)
        switch (any(application, 5)) {
        case 0:
            at_the_slot(application, card);
            break;
        case 1:
            judge("SCardReconnect",
                  SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, ends[any(application, 3)], &protocol));
            break;
        case 2:
            judge("SCardStatus", SCardStatus(card, NULL, NULL, NULL, NULL, NULL, NULL));
            break;
        default:
            transmit(application, card, protocol);
        }
    judge("SCardDisconnect", SCardDisconnect(card, ends[any(application, 4)]));
}

static void *behave(void *argument)
{
    struct application *application = argument;

    while (now_ms() < until) {
        SCARD_READERSTATE state = {.szReader = clients[any(application, (unsigned)clients_count)].reader};
        SCARDCONTEXT whose;

        switch (any(application, 8)) {
        case 0:
            judge("SCardGetStatusChange", SCardGetStatusChange(application->context, any(application, 20), &state, 1));
            break;
        case 1:
            whose = application->all[any(application, THREADS)];
            judge("SCardCancel", SCardCancel(whose));
            break;
        case 2:
            application->all[application->number] = 0;
            judge("SCardReleaseContext", SCardReleaseContext(application->context));
            judge("SCardEstablishContext",
                  SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &application->context));
            application->all[application->number] = application->context;
            break;
        default:
            one_connection(application);
        }
    }
    return NULL;
}

static void misbehave(struct client *client)
{
    static _Atomic SCARDCONTEXT contexts[THREADS];
    struct application applications[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        applications[i] =
            (struct application){.number = i, .seed = (seed + i + 1) * 0x9E3779B97F4A7C15u, .all = contexts};
        EXPECT(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &applications[i].context), SCARD_S_SUCCESS);
        contexts[i] = applications[i].context;
        EXPECT(pthread_create(&applications[i].thread, NULL, behave, &applications[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(applications[i].thread, NULL);
        SCardReleaseContext(applications[i].context);
    }
    printf("%u calls, %u successes\n", calls, successes);
    EXPECT(wrong, 0);
    EXPECT(successes > 100, true);
}

/* Whatever was left in there, another card works. */
static void every_reader_works_afterwards(struct client *client)
{
    SCARDHANDLE card;

    card_out(client);
    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    expect_echo(client, card, 200);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

int main(int count, char **words)
{
    static const struct card_choice echo_card = {"echo", SCARD_PROTOCOL_T1};
    static const struct step during[] = {{"applications_without_manners", misbehave}};
    static const struct step after[] = {{"every_reader_works_afterwards", every_reader_works_afterwards}};

    clients_count = find_clients(clients, &echo_card, 1);
    if (count < 2 || clients_count == 0) {
        printf("usage: stress SECONDS [SEED], with readers in pcscd\n");
        return 1;
    }
    seed = count > 2 ? strtoull(words[2], NULL, 10) : (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)seed);
    until = now_ms() + strtoull(words[1], NULL, 10) * 1000;
    return run_steps("", during, 1, clients, 1) + run_steps("", after, 1, clients, clients_count) > 0 ? 1 : 0;
}
