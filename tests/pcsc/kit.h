/* SPDX-License-Identifier: MIT */
/*
 * What the programs share that test the IFD handler through pcscd: a table of steps, each a named result in the form of
 * cmocka's (tests/count.py counts them), run for every reader on a thread of its own; and the hand at the virtual
 * reader's slot. The programs run where tests/pcsc/under_pcscd has started a pcscd.
 */
#ifndef TESTS_PCSC_KIT_H
#define TESTS_PCSC_KIT_H

#include "src/pcsc/tool.h"

#include <PCSC/reader.h>
#include <PCSC/winscard.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#define PATIENCE_MS 20000 /* for what must come, on a busy machine */
#define READERS_MAX 16

/* One reader's user: two applications, so to say. */
struct client {
    const char *reader;
    DWORD protocol;          /* what its card speaks: SCARD_PROTOCOL_T0 or _T1 */
    const char *card;        /* what `card_in` inserts */
    SCARDCONTEXT one, two;   /* for the calls of the step */
    SCARDCONTEXT hand;       /* of the hand at the slot, */
    SCARDHANDLE hand_card;   /* which holds the reader directly, */
    pthread_mutex_t at_hand; /* one call at a time */
    jmp_buf failed;
    char why[512]; /* of a failed step */
};

struct step {
    const char *name;
    void (*run)(struct client *client);
};

/* Run every step with every client, all clients at once, each step when all are done with the one before. A failed step
 * is told and the client gets new contexts. Returns how many steps failed. */
unsigned run_steps(const char *prefix, const struct step *steps, size_t count, struct client *clients,
                   size_t client_count);

/* The readers that pcscd has; a client for each with `cards[i % card_count]`. */
struct card_choice {
    const char *card;
    DWORD protocol;
};
size_t find_clients(struct client *clients, const struct card_choice *cards, size_t card_count);

/* Fail the step unless the two are the same; `what` is the text of the call. */
void expect_value(struct client *client, int line, const char *what, unsigned long got, unsigned long want);
void expect_bytes(struct client *client, int line, const void *got, size_t got_size, const void *want,
                  size_t want_size);
#define EXPECT(call, want)                expect_value(client, __LINE__, #call, (unsigned long)(call), (unsigned long)(want))
#define EXPECT_BYTES(got, got_size, want) expect_bytes(client, __LINE__, got, got_size, want, sizeof(want))

/* A vendor code of the virtual reader, with text; what pcscd says. */
LONG vendor(struct client *client, unsigned function, const char *text);
/* Put the client's card in unless one is in, disarm faults, and wait until pcscd has it and nobody uses it exclusively;
 * take it out and wait until pcscd knows. The reader must have begun without a card. */
void card_in(struct client *client);
void card_out(struct client *client);

/* The state of the reader as pcscd has it now: SCARD_STATE_ bits below 16 bits, above them the count of events. */
DWORD reader_state(struct client *client);
/* Wait until the state has the bits, PATIENCE_MS at most. */
void until_state(struct client *client, DWORD bits);

SCARDHANDLE connect_card(struct client *client, SCARDCONTEXT context, DWORD share);
const SCARD_IO_REQUEST *pci(const struct client *client);

/* An echo: the card gives the data of 00 D0 0000 back. size: of the data; extended from 256 on. *reply_size: in, the
 * room. */
LONG echo(struct client *client, SCARDHANDLE card, size_t size, uint8_t *reply, DWORD *reply_size);
/* It works, and the answer is right. */
void expect_echo(struct client *client, SCARDHANDLE card, size_t size);

uint64_t now_ms(void);
void sleep_ms(unsigned ms);

#endif
