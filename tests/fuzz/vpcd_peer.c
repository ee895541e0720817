/* SPDX-License-Identifier: MIT */
/*
 * The thread of a vpcd card against a hostile simulator, through a socket, with everything on one thread: the peer has
 * sent all it will ever say and hung up before the card looks. Input: how many requests the reader makes (modulo 8),
 * one byte for each (as in vpcd_session.c, its low three bits), then what the peer says.
 *
 * The card comes once and goes once; answers come only to what was asked, and each ends one request; the card's end is
 * reached, whatever the peer said.
 */
#include "fuzz.h"
#include "src/cards/vpcd_peer.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST 60000u /* what a socket's buffer surely holds */

struct world {
    struct card_slot slot; /* first */
    struct vpcd_card *card;
    struct exact requests;
    size_t asked, answered, came, left;
};

/* The reader puts its next request into the box, as vpcd.c does. */
static void ask(struct world *world)
{
    struct vpcd_card *card = world->card;
    enum vpcd_request request;

    if (world->asked == world->requests.size)
        return;
    request = (enum vpcd_request)(world->requests.bytes[world->asked] % 5);
    world->asked++;
    pthread_mutex_lock(&card->lock);
    card->box.ticket = (ULONG)world->asked;
    if (request == VPCD_POWER_OFF) {
        card->box.power_off = true;
    } else {
        card->box.request = request;
        card->box.length = 5;
        memcpy(card->box.apdu, "\x00\xB0\x00\x00\x00", 5);
    }
    pthread_mutex_unlock(&card->lock);
    vpcd_peer_wake(card);
}

static VOID answer(struct card_slot *slot, ULONG ticket, NTSTATUS status, const UCHAR *bytes, ULONG length)
{
    struct world *world = (struct world *)(void *)slot;

    require(world->came == 1 && world->left == 0 && ticket >= 1 && ticket <= world->asked);
    require(++world->answered <= world->asked);
    require(status == STATUS_SUCCESS || status == STATUS_IO_TIMEOUT || status == STATUS_NO_MEDIA);
    require(status == STATUS_SUCCESS ? length >= 2 && length <= VPCD_MAX : length == 0);
    if (length)
        touch(bytes, length);
    ask(world);
}

static VOID presence(struct card_slot *slot, BOOLEAN present)
{
    struct world *world = (struct world *)(void *)slot;

    if (present) {
        require(++world->came == 1);
        ask(world);
        return;
    }
    require(++world->left == 1);
    pthread_mutex_lock(&world->card->lock);
    world->card->box.stop = true;
    pthread_mutex_unlock(&world->card->lock);
}

/* A listener of our own, and a peer that has connected, spoken and hung up. Returns the peer's descriptor. */
static int speak(int listener, const struct exact *words)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address.sun_family; /* bound so, a socket gets a name that no other has */
    int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    require(peer >= 0 && bind(listener, (const struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0);
    length = sizeof address;
    require(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    require(connect(peer, (const struct sockaddr *)&address, length) == 0);
    for (size_t at = 0; at < words->size;) {
        ssize_t sent = send(peer, words->bytes + at, words->size - at, MSG_NOSIGNAL);

        require(sent > 0);
        at += (size_t)sent;
    }
    require(shutdown(peer, SHUT_WR) == 0);
    return peer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct card_slot_functions functions = {.answer = answer, .presence = presence};
    struct input in = {data, size};
    struct world world = {.slot = {.functions = &functions}};
    struct exact words;
    struct vpcd_card *card = calloc(1, sizeof *card);
    int peer;

    require(card != NULL);
    world.card = card;
    world.requests = take_exact(&in, take(&in) % 8u);
    words = take_exact(&in, in.left < MOST ? in.left : MOST);
    card->slot = &world.slot;
    card->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    card->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    require(card->wake >= 0 && card->listener >= 0 && pthread_mutex_init(&card->lock, NULL) == 0);
    peer = speak(card->listener, &words);

    vpcd_peer_run(card);
    require(world.came == 1 && world.left == 1);

    close(peer);
    close(card->listener);
    close(card->wake);
    pthread_mutex_destroy(&card->lock);
    free(card);
    drop(&words);
    drop(&world.requests);
    return 0;
}
