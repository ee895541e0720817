/* SPDX-License-Identifier: MIT */
/* See kit.h. */
#include "kit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sleep_ms(unsigned ms)
{
    const struct timespec span = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&span, NULL);
}

/* ---- failures ------------------------------------------------------------------------------------------------------ */

static const char *in_words(unsigned long value, char *words, size_t size)
{
    if (value >> 16 == 0x8010)
        snprintf(words, size, "0x%08lX, %s", value, pcsc_stringify_error((LONG)value));
    else
        snprintf(words, size, "0x%lX", value);
    return words;
}

void expect_value(struct client *client, int line, const char *what, unsigned long got, unsigned long want)
{
    char one[128], two[128];

    if (got == want)
        return;
    snprintf(client->why, sizeof(client->why), "%s, line %d: %.150s is %s, not %s", client->reader, line, what,
             in_words(got, one, sizeof(one)), in_words(want, two, sizeof(two)));
    longjmp(client->failed, 1);
}

void expect_bytes(struct client *client, int line, const void *got, size_t got_size, const void *want, size_t want_size)
{
    size_t at = 0;

    expect_value(client, line, "length", got_size, want_size);
    while (at < want_size && ((const uint8_t *)got)[at] == ((const uint8_t *)want)[at])
        at++;
    expect_value(client, line, "the first byte that differs", at, want_size);
}

/* What the readers did last: with the times of their operations it says where a step hung. */
static void tell_journal(SCARDCONTEXT context, const char *reader)
{
    static char journal[8192];
    DWORD size = 0, protocol;
    SCARDHANDLE card;
    LONG result = SCardConnect(context, reader, SCARD_SHARE_DIRECT, 0, &card, &protocol);

    if (result == SCARD_S_SUCCESS) {
        result = SCardControl(card, SCARD_CTL_CODE(TOOL_JOURNAL), NULL, 0, journal, sizeof(journal), &size);
        SCardDisconnect(card, SCARD_LEAVE_CARD);
    }
    printf("%s, its journal: %s\n%.*s", reader, pcsc_stringify_error(result), (int)size, journal);
}

/* Of every reader, for what hangs one may have happened in another; of the first failure, for sixteen clients may fail. */
static void tell_journals(void)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    static char names[READERS_MAX * MAX_READERNAME];
    DWORD size = sizeof(names);
    SCARDCONTEXT context;

    if (atomic_flag_test_and_set(&told) ||
        SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) != SCARD_S_SUCCESS)
        return;
    if (SCardListReaders(context, NULL, names, &size) == SCARD_S_SUCCESS)
        for (const char *name = names; *name; name += strlen(name) + 1)
            tell_journal(context, name);
    SCardReleaseContext(context);
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

struct runner {
    const struct step *steps;
    size_t count;
    pthread_barrier_t *barrier;
    struct client *client;
    char (*why)[sizeof(((struct client *)0)->why)]; /* of each step, empty when it passed */
};

static void open_contexts(struct client *client)
{
    DWORD protocol;

    if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &client->one) != SCARD_S_SUCCESS ||
        SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &client->two) != SCARD_S_SUCCESS ||
        SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &client->hand) != SCARD_S_SUCCESS ||
        SCardConnect(client->hand, client->reader, SCARD_SHARE_DIRECT, 0, &client->hand_card, &protocol) !=
            SCARD_S_SUCCESS) {
        printf("no pcscd, or it does not let one in to %s\n", client->reader);
        exit(1);
    }
}

static void close_contexts(struct client *client)
{
    SCardDisconnect(client->hand_card, SCARD_LEAVE_CARD);
    SCardReleaseContext(client->one);
    SCardReleaseContext(client->two);
    SCardReleaseContext(client->hand);
}

static void *run_client(void *argument)
{
    struct runner *runner = argument;
    struct client *client = runner->client;

    open_contexts(client);
    for (size_t i = 0; i < runner->count; i++) {
        uint64_t began;

        pthread_barrier_wait(runner->barrier);
        began = now_ms();
        client->why[0] = '\0';
        if (setjmp(client->failed) == 0)
            runner->steps[i].run(client);
        memcpy(runner->why[i], client->why, sizeof(client->why));
        if (client->why[0] || now_ms() - began > PATIENCE_MS) {
            printf("%s took %llu ms\n", runner->steps[i].name, (unsigned long long)(now_ms() - began));
            tell_journals();
        }
        if (client->why[0]) {
            close_contexts(client);
            open_contexts(client);
        }
    }
    close_contexts(client);
    return NULL;
}

static unsigned tell(const char *prefix, const struct runner *runners, size_t client_count, size_t step)
{
    const char *why = NULL;

    for (size_t k = 0; k < client_count && !why; k++)
        if (runners[k].why[step][0])
            why = runners[k].why[step];
    if (why)
        printf("%s\n", why);
    printf("[ %8s ] %s%s\n", why ? " FAILED" : "      OK", prefix, runners[0].steps[step].name);
    return why ? 1 : 0;
}

unsigned run_steps(const char *prefix, const struct step *steps, size_t count, struct client *clients,
                   size_t client_count)
{
    static struct runner runners[READERS_MAX];
    pthread_t threads[READERS_MAX];
    pthread_barrier_t barrier;
    unsigned failed = 0;

    pthread_barrier_init(&barrier, NULL, (unsigned)client_count);
    for (size_t k = 0; k < client_count; k++) {
        runners[k] = (struct runner){.steps = steps, .count = count, .barrier = &barrier, .client = &clients[k]};
        runners[k].why = calloc(count, sizeof(*runners[k].why));
        if (!runners[k].why || pthread_create(&threads[k], NULL, run_client, &runners[k]) != 0) {
            printf("no memory\n");
            exit(1);
        }
    }
    for (size_t k = 0; k < client_count; k++)
        pthread_join(threads[k], NULL);
    for (size_t i = 0; i < count; i++)
        failed += tell(prefix, runners, client_count, i);
    for (size_t k = 0; k < client_count; k++)
        free(runners[k].why);
    pthread_barrier_destroy(&barrier);
    return failed;
}

size_t find_clients(struct client *clients, const struct card_choice *cards, size_t card_count)
{
    static char names[READERS_MAX * MAX_READERNAME];
    SCARDCONTEXT context;
    DWORD size = sizeof(names);
    size_t count = 0;

    if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) != SCARD_S_SUCCESS)
        return 0;
    if (SCardListReaders(context, NULL, names, &size) == SCARD_S_SUCCESS)
        for (const char *name = names; *name && count < READERS_MAX; name += strlen(name) + 1) {
            const struct card_choice *choice = &cards[count % card_count];

            clients[count] = (struct client){.reader = name, .protocol = choice->protocol, .card = choice->card};
            pthread_mutex_init(&clients[count].at_hand, NULL);
            count++;
        }
    SCardReleaseContext(context);
    return count;
}

/* ---- the slot ------------------------------------------------------------------------------------------------------ */

LONG vendor(struct client *client, unsigned function, const char *text)
{
    char out[512];
    DWORD size = 0;
    LONG result;

    pthread_mutex_lock(&client->at_hand);
    result = SCardControl(client->hand_card, SCARD_CTL_CODE(function), text, text ? strlen(text) : 0, out, sizeof(out),
                          &size);
    pthread_mutex_unlock(&client->at_hand);
    return result;
}

DWORD reader_state(struct client *client)
{
    SCARD_READERSTATE state = {.szReader = client->reader, .dwCurrentState = SCARD_STATE_UNAWARE};

    EXPECT(SCardGetStatusChange(client->one, 0, &state, 1), SCARD_S_SUCCESS);
    return state.dwEventState;
}

void until_state(struct client *client, DWORD bits)
{
    const uint64_t until = now_ms() + PATIENCE_MS;

    while ((reader_state(client) & bits) != bits && now_ms() < until)
        sleep_ms(1);
    EXPECT(reader_state(client) & bits, bits);
}

/* pcscd changes the state first, then does some more, and counts the event last. A reader that began without a card has
 * had an odd number of events when there is one. */
static bool has_settled(DWORD state)
{
    const bool odd = (state >> 16) % 2 == 1;

    return (state & SCARD_STATE_PRESENT) ? odd : (state & SCARD_STATE_EMPTY) && !odd;
}

static void until_settled(struct client *client, DWORD wanted)
{
    const uint64_t until = now_ms() + PATIENCE_MS;
    DWORD state;

    do {
        state = reader_state(client);
        if ((state & wanted) && has_settled(state) && !(state & (SCARD_STATE_MUTE | SCARD_STATE_EXCLUSIVE)))
            return;
        sleep_ms(1);
    } while (now_ms() < until);
    EXPECT(state, wanted);
}

void card_in(struct client *client)
{
    EXPECT(vendor(client, TOOL_FAULT, "none"), SCARD_S_SUCCESS);
    vendor(client, TOOL_INSERT, client->card); /* refused when one is in */
    until_settled(client, SCARD_STATE_PRESENT);
}

void card_out(struct client *client)
{
    vendor(client, TOOL_REMOVE, NULL); /* refused when none is in */
    until_settled(client, SCARD_STATE_EMPTY);
}

/* ---- the card ------------------------------------------------------------------------------------------------------ */

SCARDHANDLE connect_card(struct client *client, SCARDCONTEXT context, DWORD share)
{
    SCARDHANDLE card = 0;
    DWORD protocol = 0;

    EXPECT(SCardConnect(context, client->reader, share, SCARD_PROTOCOL_ANY, &card, &protocol), SCARD_S_SUCCESS);
    EXPECT(protocol, client->protocol);
    return card;
}

const SCARD_IO_REQUEST *pci(const struct client *client)
{
    return client->protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1;
}

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 7 + at / 256);
}

LONG echo(struct client *client, SCARDHANDLE card, size_t size, uint8_t *reply, DWORD *reply_size)
{
    uint8_t *command = malloc(size + 9);
    size_t at = 5;
    LONG result;

    if (!command)
        return SCARD_E_NO_MEMORY;
    memcpy(command, (const uint8_t[]){0x00, 0xD0, 0x00, 0x00, (uint8_t)size}, 5);
    if (size > 255) {
        memcpy(command + 4, (const uint8_t[]){0x00, (uint8_t)(size >> 8), (uint8_t)size}, 3);
        at = 7;
    }
    for (size_t i = 0; i < size; i++)
        command[at++] = pattern(i);
    command[at++] = 0x00; /* Le: all there is */
    if (size > 255)
        command[at++] = 0x00;
    result = SCardTransmit(card, pci(client), command, at, NULL, reply, reply_size);
    free(command);
    return result;
}

void expect_echo(struct client *client, SCARDHANDLE card, size_t size)
{
    static _Thread_local uint8_t reply[MAX_BUFFER_SIZE_EXTENDED];
    DWORD reply_size = sizeof(reply);
    size_t at = 0;

    EXPECT(echo(client, card, size, reply, &reply_size), SCARD_S_SUCCESS);
    EXPECT(reply_size, size + 2);
    while (at < size && reply[at] == pattern(at))
        at++;
    EXPECT(at, size);
    EXPECT(reply[size] << 8 | reply[size + 1], 0x9000);
}
