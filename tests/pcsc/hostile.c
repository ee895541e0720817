/* SPDX-License-Identifier: MIT */
/*
 * What must not take pcscd down, hold up other readers, or be told as a success: cards that leave in the middle, that
 * are changed faster than one looks, that stay silent for ever; applications that reset each other's cards; drivers that
 * hang. hostile.sh starts pcscd with the readers that are numbered here.
 */
#include "kit.h"

#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PLAIN, DEADLINE, HANGING, PEER, READERS }; /* in pcscd's order */
#define DEADLINE_MS 300                           /* of the readers DEADLINE and HANGING */

static struct client clients[READERS_MAX];

/* A call that ends by the reader's deadline, not at once and not much later. */
static void expect_deadline(struct client *client, uint64_t began)
{
    const uint64_t took = now_ms() - began;

    EXPECT(took >= DEADLINE_MS - 20, true);
    EXPECT(took < PATIENCE_MS, true);
}

/* ---- cards that leave ---------------------------------------------------------------------------------------------- */

static void removal_in_the_middle_of_a_transmit_is_no_smartcard(struct client *client)
{
    for (unsigned byte = 0; byte < 24; byte++) {
        uint8_t reply[32];
        DWORD size = sizeof(reply);
        SCARDHANDLE card;
        char fault[48];

        card_in(client);
        card = connect_card(client, client->one, SCARD_SHARE_SHARED);
        expect_echo(client, card, 4);
        snprintf(fault, sizeof(fault), byte == 0 ? "remove when=before" : "remove when=during byte=%u", byte - 1);
        EXPECT(vendor(client, TOOL_FAULT, fault), SCARD_S_SUCCESS);
        EXPECT(echo(client, card, 8, reply, &size), SCARD_E_NO_SMARTCARD);
        EXPECT(size, 0);
        card_out(client);
        size = sizeof(reply);
        EXPECT(echo(client, card, 8, reply, &size), SCARD_W_REMOVED_CARD);
        EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
        card_in(client);
        card = connect_card(client, client->one, SCARD_SHARE_SHARED);
        expect_echo(client, card, 4);
        EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    }
}

static void every_swap_is_noticed_and_ends_the_connection(struct client *client)
{
    SCARD_READERSTATE state = {.szReader = client->reader};
    DWORD first;

    card_in(client);
    first = reader_state(client) >> 16;
    for (unsigned i = 1; i <= 200; i++) {
        SCARDHANDLE card = connect_card(client, client->one, SCARD_SHARE_SHARED);
        uint8_t reply[16];
        DWORD size = sizeof(reply);

        state.dwCurrentState = reader_state(client);
        EXPECT(vendor(client, TOOL_REMOVE, NULL), SCARD_S_SUCCESS);
        EXPECT(vendor(client, TOOL_INSERT, client->card), SCARD_S_SUCCESS);
        EXPECT(SCardGetStatusChange(client->one, PATIENCE_MS, &state, 1), SCARD_S_SUCCESS);
        card_in(client);
        EXPECT((reader_state(client) >> 16) - first, 2 * i);
        EXPECT(echo(client, card, 4, reply, &size), SCARD_W_REMOVED_CARD);
        EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    }
}

/* Before pcscd has noticed anything, too. */
static void nobody_speaks_to_the_card_that_took_the_place_of_his(struct client *client)
{
    for (unsigned i = 0; i < 40; i++) {
        uint8_t reply[16];
        DWORD size = sizeof(reply), protocol;
        uint64_t until;
        SCARDHANDLE card;
        DWORD events;
        LONG result;

        card_in(client);
        events = reader_state(client) >> 16;
        card = connect_card(client, client->one, SCARD_SHARE_SHARED);
        EXPECT(vendor(client, TOOL_REMOVE, NULL), SCARD_S_SUCCESS);
        EXPECT(vendor(client, TOOL_INSERT, client->card), SCARD_S_SUCCESS);
        result = echo(client, card, 4, reply, &size);
        /* Not transacted: pcscd noticed both while this call waited for its turn, and the new card had no power yet. */
        if (result != SCARD_E_NO_SMARTCARD && result != SCARD_E_NOT_TRANSACTED)
            EXPECT(result, SCARD_W_REMOVED_CARD);
        EXPECT(size, 0);
        /* pcscd powers the new card when it has noticed both; before that nobody can connect to it. */
        for (until = now_ms() + PATIENCE_MS; (reader_state(client) >> 16) - events < 2 && now_ms() < until;)
            sleep_ms(1);
        EXPECT((reader_state(client) >> 16) - events, 2);
        card_in(client);
        EXPECT(SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_LEAVE_CARD, &protocol),
               SCARD_S_SUCCESS);
        expect_echo(client, card, 4);
        EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    }
}

/* ---- cards that stay but do not work ------------------------------------------------------------------------------- */

/* Were it told as absent, pcscd would believe so until somebody takes the card out. */
static void a_card_whose_reset_failed_is_still_in_and_can_be_reset(struct client *client)
{
    uint8_t reply[16];
    DWORD size = sizeof(reply), protocol;
    SCARDHANDLE card;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    EXPECT(vendor(client, TOOL_FAULT, "mute count=0"), SCARD_S_SUCCESS);
    EXPECT(SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_RESET_CARD, &protocol),
           SCARD_W_UNRESPONSIVE_CARD);
    EXPECT(vendor(client, TOOL_FAULT, "none"), SCARD_S_SUCCESS);
    EXPECT(echo(client, card, 4, reply, &size), SCARD_W_RESET_CARD);
    EXPECT(size, 0);
    EXPECT(reader_state(client) & SCARD_STATE_PRESENT, SCARD_STATE_PRESENT);
    EXPECT(SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_RESET_CARD, &protocol), SCARD_S_SUCCESS);
    expect_echo(client, card, 4);
    EXPECT(SCardDisconnect(card, SCARD_UNPOWER_CARD), SCARD_S_SUCCESS);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    expect_echo(client, card, 4);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

static void a_transmit_beyond_the_readers_deadline_returns(struct client *client)
{
    uint8_t reply[16], last[8];
    static const uint8_t io_timeout[] = {0xB5, 0x00, 0x00, 0xC0};
    DWORD size = sizeof(reply);
    SCARDHANDLE card;
    uint64_t began;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    EXPECT(vendor(client, TOOL_FAULT, "wtx"), SCARD_S_SUCCESS);
    began = now_ms();
    EXPECT(echo(client, card, 4, reply, &size), SCARD_E_NOT_TRANSACTED);
    expect_deadline(client, began);
    EXPECT(size, 0);
    size = sizeof(last);
    EXPECT(SCardControl(card, SCARD_CTL_CODE(TOOL_GET_LAST_ERROR), NULL, 0, last, sizeof(last), &size),
           SCARD_S_SUCCESS);
    EXPECT_BYTES(last, size, io_timeout);
    expect_echo(client, card, 4);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

/* ---- applications against each other ------------------------------------------------------------------------------- */

struct resetter {
    struct client *client;
    unsigned pause_ms;
    atomic_bool stop;
    atomic_uint resets;
};

static void *reset_again_and_again(void *argument)
{
    struct resetter *resetter = argument;
    SCARDHANDLE card;
    DWORD protocol;

    if (SCardConnect(resetter->client->two, resetter->client->reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &card,
                     &protocol) != SCARD_S_SUCCESS)
        return NULL;
    while (!resetter->stop) {
        if (SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_RESET_CARD, &protocol) ==
            SCARD_S_SUCCESS)
            resetter->resets++;
        sleep_ms(resetter->pause_ms);
    }
    SCardDisconnect(card, SCARD_LEAVE_CARD);
    return NULL;
}

static void a_reset_by_another_application_is_told_once_and_spoils_nothing(struct client *client)
{
    struct resetter resetter = {.client = client, .pause_ms = 2};
    const uint64_t until = now_ms() + PATIENCE_MS;
    unsigned told = 0;
    pthread_t thread;
    SCARDHANDLE card;
    DWORD protocol;

    card_in(client);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    EXPECT(pthread_create(&thread, NULL, reset_again_and_again, &resetter), 0);
    while (told < 50 && now_ms() < until) {
        uint8_t reply[64];
        DWORD size = sizeof(reply);
        LONG result = echo(client, card, 32, reply, &size);

        if (result == SCARD_W_RESET_CARD) {
            result = SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, SCARD_LEAVE_CARD, &protocol);
            told += result == SCARD_S_SUCCESS ? 1 : 0;
        }
        /* While pcscd (1.9.9) resets a card it has neither its answer to reset nor its protocol for others, who have
         * passed all checks when it begins: the next call tells them. */
        if (result == SCARD_E_PROTO_MISMATCH)
            result = SCARD_S_SUCCESS;
        if (result != SCARD_S_SUCCESS) {
            resetter.stop = true;
            pthread_join(thread, NULL);
        }
        EXPECT(result, SCARD_S_SUCCESS);
    }
    resetter.stop = true;
    pthread_join(thread, NULL);
    EXPECT(told, 50);
    EXPECT(resetter.resets >= told, true);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

/* pcscd's thread that resets writes what it believes into the reader's state after the one that sees the removal has. */
static void a_card_pulled_while_others_reset_it_is_seen_to_leave(struct client *client)
{
    for (unsigned i = 0; i < 20; i++) {
        struct resetter resetter = {.client = client};
        uint64_t until = now_ms() + PATIENCE_MS;
        pthread_t thread;

        card_in(client);
        EXPECT(pthread_create(&thread, NULL, reset_again_and_again, &resetter), 0);
        while (resetter.resets == 0 && now_ms() < until)
            sleep_ms(1);
        vendor(client, TOOL_REMOVE, NULL);
        resetter.stop = true;
        pthread_join(thread, NULL);
        card_out(client);
        EXPECT(resetter.resets > 0, true);
    }
    card_in(client);
}

/* ---- a card simulator that dies ------------------------------------------------------------------------------------ */

struct simulator {
    pid_t process;
    int output;
};

static void hear(struct client *client, const struct simulator *simulator, const char *word)
{
    char line[32] = "";
    size_t used = 0;

    while (used + 1 < sizeof(line) && read(simulator->output, line + used, 1) == 1 && line[used] != '\n')
        used++;
    line[used] = '\0';
    EXPECT(strcmp(line, word), 0);
}

/* hang: the instruction byte that it never answers. */
static struct simulator start_simulator(struct client *client, const char *hang)
{
    char *program = getenv("SMARTCRD_VPCD_CARD"), port[16] = "";
    const char *portfile = getenv("SMARTCRD_TEST_PORTFILE");
    FILE *file = portfile ? fopen(portfile, "re") : NULL;
    char hang_word[8];
    char *words[] = {program, (char[]){"--hang"}, hang_word, port, (char[]){"echo"}, NULL};
    posix_spawn_file_actions_t actions;
    struct simulator simulator;
    int ends[2];

    EXPECT(file && program && fscanf(file, "%15s", port) == 1, true);
    fclose(file);
    snprintf(hang_word, sizeof(hang_word), "%s", hang);
    EXPECT(pipe(ends), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    EXPECT(posix_spawn(&simulator.process, program, &actions, NULL, words, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    simulator.output = ends[0];
    hear(client, &simulator, "connected");
    return simulator;
}

static void end_simulator(const struct simulator *simulator)
{
    kill(simulator->process, SIGKILL);
    waitpid(simulator->process, NULL, 0);
    close(simulator->output);
}

struct killer {
    struct client *client;
    struct simulator simulator;
};

static void *kill_when_it_hangs(void *argument)
{
    struct killer *killer = argument;
    char c;

    while (read(killer->simulator.output, &c, 1) == 1 && c != '\n')
        continue;
    end_simulator(&killer->simulator);
    return NULL;
}

static void a_card_simulator_that_dies_in_the_middle_is_no_smartcard(struct client *client)
{
    for (unsigned i = 0; i < 3; i++) {
        struct killer killer = {client, start_simulator(client, "D0")};
        static const uint8_t three[] = {0x00, 0xB0, 0x00, 0x00, 0x03}, counted[] = {0, 1, 2, 0x90, 0x00};
        uint8_t reply[16];
        DWORD size = sizeof(reply);
        SCARDHANDLE card;
        pthread_t thread;

        until_state(client, SCARD_STATE_PRESENT);
        card = connect_card(client, client->one, SCARD_SHARE_SHARED);
        EXPECT(SCardTransmit(card, pci(client), three, sizeof(three), NULL, reply, &size), SCARD_S_SUCCESS);
        EXPECT_BYTES(reply, size, counted);
        EXPECT(pthread_create(&thread, NULL, kill_when_it_hangs, &killer), 0);
        size = sizeof(reply);
        EXPECT(echo(client, card, 4, reply, &size), SCARD_E_NO_SMARTCARD);
        EXPECT(size, 0);
        pthread_join(thread, NULL);
        until_state(client, SCARD_STATE_EMPTY);
        EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    }
}

/* ---- a driver that hangs ------------------------------------------------------------------------------------------- */

/* A command that sleeps in the driver. */
static LONG sleep_in_driver(struct client *client, SCARDHANDLE card, unsigned tenths, DWORD *size)
{
    const uint8_t command[] = {0x00, 0x77, (uint8_t)(tenths >> 8), (uint8_t)tenths};
    uint8_t reply[16];

    *size = sizeof(reply);
    return SCardTransmit(card, pci(client), command, sizeof(command), NULL, reply, size);
}

/* Other readers, and other calls of PC/SC, notice nothing. Returns an error of theirs. */
static LONG use_another_reader(struct client *client)
{
    static const uint8_t two[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    SCARDHANDLE card;
    DWORD protocol;
    LONG result =
        SCardConnect(client->two, clients[PLAIN].reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY, &card, &protocol);

    if (result != SCARD_S_SUCCESS)
        return result;
    for (unsigned i = 0; i < 100 && result == SCARD_S_SUCCESS; i++) {
        uint8_t reply[16];
        DWORD size = sizeof(reply);

        result = SCardTransmit(card, SCARD_PCI_T1, two, sizeof(two), NULL, reply, &size);
        if (result == SCARD_S_SUCCESS && size != 4)
            result = SCARD_F_COMM_ERROR;
    }
    SCardDisconnect(card, SCARD_LEAVE_CARD);
    return result;
}

struct sleeper {
    struct client *client;
    SCARDHANDLE card;
    uint64_t took;
    LONG result;
};

static void *sleeping_transmit(void *argument)
{
    struct sleeper *sleeper = argument;
    uint64_t began = now_ms();
    DWORD size;

    sleeper->result = sleep_in_driver(sleeper->client, sleeper->card, 80, &size);
    sleeper->took = now_ms() - began;
    return NULL;
}

static void a_driver_that_hangs_costs_its_caller_the_deadline_and_others_nothing(struct client *client)
{
    SCARDHANDLE card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    struct sleeper sleeper = {.client = client, .card = card};
    const uint64_t until = now_ms() + PATIENCE_MS + 8000;
    pthread_t thread;
    uint64_t began;
    LONG others;
    DWORD size;

    EXPECT(pthread_create(&thread, NULL, sleeping_transmit, &sleeper), 0);
    others = use_another_reader(client);
    pthread_join(thread, NULL); /* it uses this stack */
    EXPECT(others, SCARD_S_SUCCESS);
    EXPECT(sleeper.result, SCARD_E_NOT_TRANSACTED);
    expect_deadline(client, now_ms() - sleeper.took);
    /* It still sleeps, also after others have had their way: the next one has its deadline as well. */
    EXPECT(use_another_reader(client), SCARD_S_SUCCESS);
    began = now_ms();
    EXPECT(sleep_in_driver(client, card, 0, &size), SCARD_E_NOT_TRANSACTED);
    expect_deadline(client, began);
    /* When it wakes up, all is well. */
    while (sleep_in_driver(client, card, 0, &size) != SCARD_S_SUCCESS)
        EXPECT(now_ms() < until, true);
    EXPECT(size, 2);
    EXPECT(SCardDisconnect(card, SCARD_RESET_CARD), SCARD_S_SUCCESS);
    card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    EXPECT(sleep_in_driver(client, card, 0, &size), SCARD_S_SUCCESS);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

/* The last of all: it sleeps for ten minutes, and hostile.sh sees whether pcscd ends all the same. */
static void pcscd_goes_on_beside_a_driver_that_hangs_for_good(struct client *client)
{
    SCARDHANDLE card = connect_card(client, client->one, SCARD_SHARE_SHARED);
    DWORD size;

    EXPECT(sleep_in_driver(client, card, 6000, &size), SCARD_E_NOT_TRANSACTED);
    EXPECT(use_another_reader(client), SCARD_S_SUCCESS);
    EXPECT(SCardDisconnect(card, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

#define STEP(name)                                                                                                     \
    {                                                                                                                  \
#name, name                                                                                                    \
    }
#define RUN(steps, reader) run_steps("", steps, sizeof(steps) / sizeof(steps[0]), &clients[reader], 1)

int main(void)
{
    static const struct card_choice echo_card = {"echo", SCARD_PROTOCOL_T1};
    static const struct step plain[] = {
        STEP(removal_in_the_middle_of_a_transmit_is_no_smartcard),
        STEP(every_swap_is_noticed_and_ends_the_connection),
        STEP(nobody_speaks_to_the_card_that_took_the_place_of_his),
        STEP(a_card_whose_reset_failed_is_still_in_and_can_be_reset),
        STEP(a_reset_by_another_application_is_told_once_and_spoils_nothing),
        STEP(a_card_pulled_while_others_reset_it_is_seen_to_leave),
    };
    static const struct step deadline[] = {STEP(a_transmit_beyond_the_readers_deadline_returns)};
    static const struct step peer[] = {STEP(a_card_simulator_that_dies_in_the_middle_is_no_smartcard)};
    static const struct step hanging[] = {
        STEP(a_driver_that_hangs_costs_its_caller_the_deadline_and_others_nothing),
        STEP(pcscd_goes_on_beside_a_driver_that_hangs_for_good),
    };

    if (find_clients(clients, &echo_card, 1) != READERS) {
        printf("hostile.sh starts this program\n");
        return 1;
    }
    return RUN(plain, PLAIN) + RUN(deadline, DEADLINE) + RUN(peer, PEER) + RUN(hanging, HANGING) > 0 ? 1 : 0;
}
