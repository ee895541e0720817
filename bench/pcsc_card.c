/* SPDX-License-Identifier: MIT */
/*
 * The card side of the vpcd protocol, for measuring: two bytes of length, then a command APDU or one byte of control (0
 * off, 1 on, 2 reset, 4: give the answer to reset). It acknowledges at once what comes (TCP_QUICKACK), because the
 * reader sends length and payload separately and waits 40 ms otherwise, and answers in one piece without delay.
 */
#include "pcsc.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET_ATR 4

struct vpcd_card {
    pthread_t thread;
    int peer;
    _Atomic(_Atomic uint64_t *) left;
};

static bool take(int peer, void *bytes, size_t size)
{
    const int yes = 1;
    ssize_t got = 1;

    for (size_t at = 0; at < size && got > 0; at += (size_t)got) {
        got = recv(peer, (uint8_t *)bytes + at, size - at, 0);
        setsockopt(peer, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof(yes));
    }
    return got > 0;
}

/* What the card says to a message; returns the length, 0 for nothing. */
static size_t answer(const uint8_t *message, size_t size, uint8_t *reply)
{
    static const uint8_t atr[] = {0x3B, 0x80, 0x80, 0x01, 0x01};
    size_t length;

    if (size == 1) {
        memcpy(reply, atr, sizeof(atr));
        return message[0] == GET_ATR ? sizeof(atr) : 0;
    }
    length = size > 4 ? message[4] : 0;
    if (size >= 5 + length)
        memcpy(reply, message + 5, length);
    else
        memset(reply, 0, length);
    reply[length++] = 0x90;
    reply[length++] = 0x00;
    return length;
}

static void *serve(void *argument)
{
    struct vpcd_card *card = argument;
    uint8_t head[2], message[512], reply[2 + 512];
    size_t size;

    while (take(card->peer, head, sizeof(head))) {
        size = (size_t)head[0] << 8 | head[1];
        if (size == 0 || size > sizeof(message) || !take(card->peer, message, size))
            break;
        if (size > 1 && card->left) {
            *card->left = bench_now();
            shutdown(card->peer, SHUT_RDWR);
            break;
        }
        size = answer(message, size, reply + 2);
        reply[0] = (uint8_t)(size >> 8);
        reply[1] = (uint8_t)size;
        if (size > 0 && send(card->peer, reply, size + 2, MSG_NOSIGNAL) < 0)
            break;
    }
    return NULL;
}

struct vpcd_card *vpcd_insert(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct vpcd_card *card = calloc(1, sizeof(*card));
    const int yes = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!card)
        exit(1);
    card->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(card->peer, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (connect(card->peer, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        pthread_create(&card->thread, NULL, serve, card) != 0) {
        fprintf(stderr, "bench: no vpcd at port %u\n", port);
        exit(1);
    }
    return card;
}

void vpcd_leave_at_command(struct vpcd_card *card, _Atomic uint64_t *left)
{
    card->left = left;
}

void vpcd_remove(struct vpcd_card *card)
{
    shutdown(card->peer, SHUT_RDWR);
    pthread_join(card->thread, NULL);
    close(card->peer);
    free(card);
}
