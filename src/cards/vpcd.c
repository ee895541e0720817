/* SPDX-License-Identifier: MIT */
/*
 * The vpcd card: a card simulator in another process, which speaks vsmartcard's vpcd protocol over TCP. A peer that is
 * connected is a card in the reader. This file takes the options and the reader's calls; vpcd_peer.c does the talking.
 *
 * Listens on loopback unless asked otherwise: whoever can reach the port is a card, and sees the PINs.
 */
#include "registry.h"
#include "vpcd_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HOST_SIZE 64u
#define PATH_SIZE 1024u
#define BACKLOG   2 /* peers that may wait for the one there to leave */

struct reason {
    char *text;
    ULONG size;
};

static NTSTATUS refuse(const struct reason *why, NTSTATUS status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static NTSTATUS refuse(const struct reason *why, NTSTATUS status, const char *format, ...)
{
    va_list arguments;

    if (why->size > 0) {
        va_start(arguments, format);
        (void)vsnprintf(why->text, why->size, format, arguments);
        va_end(arguments);
    }
    return status;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

/* A numeric address and port into a socket address; names are not looked up, since that would block the reader. */
static bool address(const char *host, const char *port, struct sockaddr_storage *result, socklen_t *length)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found = NULL;
    bool fine = false;

    for (const char *p = port; *p != 0; p++) {
        if (*p < '0' || *p > '9' || p - port >= 5) {
            return false;
        }
    }
    if (*port == 0 || atoi(port) > 65535) {
        return false;
    }
    if (strcmp(host, "localhost") == 0) {
        host = "127.0.0.1";
    }
    if (getaddrinfo(host, port, &hints, &found) == 0 && found->ai_addrlen <= sizeof(*result)) {
        memcpy(result, found->ai_addr, found->ai_addrlen);
        *length = found->ai_addrlen;
        fine = true;
    }
    if (found != NULL) {
        freeaddrinfo(found);
    }
    return fine;
}

/* connect=HOST:PORT, an IPv6 host in brackets. */
static NTSTATUS parse_remote(struct vpcd_card *card, char *text, const struct reason *why)
{
    char *colon = strrchr(text, ':'), *host = text;

    if (colon != NULL) {
        *colon = 0;
        if (host[0] == '[' && colon > host + 1 && colon[-1] == ']') {
            host++;
            colon[-1] = 0;
        }
    }
    if (colon == NULL || !address(host, colon + 1, &card->remote, &card->remote_length) || atoi(colon + 1) == 0) {
        return refuse(why, STATUS_INVALID_PARAMETER,
                      "connect= needs a numeric address and a port, like 127.0.0.1:35963 or [::1]:35963");
    }
    card->port = (unsigned)atoi(colon + 1);
    return STATUS_SUCCESS;
}

/* ---- listening --------------------------------------------------------------------------------------------------- */

/* Write the port to a file, whole or not at all: whoever finds it can read it. */
static NTSTATUS tell_port(const char *path, unsigned port, const struct reason *why)
{
    char temporary[PATH_SIZE + 16];
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    int fd = -1;

    (void)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return refuse(why, status, "portfile=%s cannot be written: %s", path, strerror(errno));
    }
    if (dprintf(fd, "%u\n", port) < 0 || rename(temporary, path) != 0) {
        status = refuse(why, status, "portfile=%s cannot be written: %s", path, strerror(errno));
        (void)unlink(temporary);
        goto out;
    }
    status = STATUS_SUCCESS;
out:
    close(fd);
    return status;
}

static unsigned bound_port(int listener)
{
    union {
        struct sockaddr_storage any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name;
    socklen_t length = sizeof(name);

    if (getsockname(listener, (struct sockaddr *)&name, &length) != 0) {
        return 0;
    }
    return ntohs(name.any.ss_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

static NTSTATUS start_listening(struct vpcd_card *card, const struct card_options *options, const struct reason *why)
{
    struct sockaddr_storage local;
    socklen_t length;
    char host[HOST_SIZE], port[8], path[PATH_SIZE];
    int on = 1;

    if (!card_option_text(options, "port", "35963", port, sizeof(port)) ||
        !card_option_text(options, "bind", "127.0.0.1", host, sizeof(host)) ||
        !card_option_text(options, "portfile", "", path, sizeof(path)) || !address(host, port, &local, &length)) {
        return refuse(why, STATUS_INVALID_PARAMETER,
                      "port= is a number up to 65535 (0: any free one), bind= a numeric address, portfile= a path");
    }
    card->listener = socket(local.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (card->listener < 0) {
        return refuse(why, STATUS_INSUFFICIENT_RESOURCES, "no socket to be had: %s", strerror(errno));
    }
    (void)setsockopt(card->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(card->listener, (const struct sockaddr *)&local, length) != 0 || listen(card->listener, BACKLOG) != 0) {
        return refuse(why, STATUS_INVALID_PARAMETER, "cannot listen on %s, port %s: %s", host, port, strerror(errno));
    }
    card->port = bound_port(card->listener);
    return path[0] == 0 ? STATUS_SUCCESS : tell_port(path, card->port, why);
}

/* ---- the card's functions ---------------------------------------------------------------------------------------- */

/* Everything but the thread. */
static VOID free_card(struct vpcd_card *card)
{
    if (card->listener >= 0) {
        close(card->listener);
    }
    if (card->wake >= 0) {
        close(card->wake);
    }
    pthread_mutex_destroy(&card->lock);
    free(card);
}

static void *run(void *context)
{
    struct vpcd_card *card = context;

    vpcd_peer_run(card);
    if (card->box.orphan) { /* set by this very thread */
        free_card(card);
    }
    return NULL;
}

/* The thread must not take the program's signals. */
static NTSTATUS start_thread(struct vpcd_card *card, const struct reason *why)
{
    sigset_t all, before;
    int error;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&card->thread, NULL, run, card);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0 ? STATUS_SUCCESS
                      : refuse(why, STATUS_INSUFFICIENT_RESOURCES, "no thread to be had: %s", strerror(error));
}

static NTSTATUS vpcd_create(const struct card_options *options, struct card_slot *slot, struct card **result, char *why,
                            ULONG why_size)
{
    static const char *const keys[] = {"port", "portfile", "bind", "connect", NULL};
    struct reason reason = {why, why_size};
    char remote[HOST_SIZE + 16];
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
    struct vpcd_card *card;

    if (!card_options_known(options, keys, why, why_size)) {
        return STATUS_INVALID_PARAMETER;
    }
    card = calloc(1, sizeof(*card));
    if (card == NULL) {
        return refuse(&reason, status, "out of memory");
    }
    card->card.kind = &card_vpcd;
    card->slot = slot;
    card->listener = -1;
    card->box.request = VPCD_NOTHING;
    vpcd_session_begin(&card->session);
    (void)pthread_mutex_init(&card->lock, NULL);
    card->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (card->wake < 0) {
        status = refuse(&reason, status, "no descriptor to be had: %s", strerror(errno));
        goto out;
    }
    if (!card_option_text(options, "connect", "", remote, sizeof(remote))) {
        status = refuse(&reason, STATUS_INVALID_PARAMETER, "connect= is too long");
    } else if (remote[0] != 0) {
        status = parse_remote(card, remote, &reason);
    } else {
        status = start_listening(card, options, &reason);
    }
    if (!NT_SUCCESS(status)) {
        goto out;
    }
    status = start_thread(card, &reason);
    if (!NT_SUCCESS(status)) {
        goto out;
    }
    *result = &card->card;
    return STATUS_PENDING;
out:
    free_card(card);
    return status;
}

static VOID vpcd_destroy(struct card *base)
{
    struct vpcd_card *card = (struct vpcd_card *)base;

    /* An answer of ours can end an operation, and the thread that ended it runs the next in line: which may be to take
     * this card out. The thread cannot wait for itself; it makes no more calls, and frees the card on its way out. */
    bool own = pthread_equal(pthread_self(), card->thread) != 0;

    pthread_mutex_lock(&card->lock);
    card->box.stop = true;
    card->box.orphan = own;
    pthread_mutex_unlock(&card->lock);
    if (own) {
        (void)pthread_detach(card->thread);
        return;
    }
    vpcd_peer_wake(card);
    (void)pthread_join(card->thread, NULL);
    free_card(card);
}

/* Put a request into the box for the thread to find. */
static NTSTATUS post(struct vpcd_card *card, enum vpcd_request request, ULONG ticket, const UCHAR *apdu, ULONG length)
{
    NTSTATUS status = STATUS_NO_MEDIA;

    pthread_mutex_lock(&card->lock);
    if (card->box.connected) {
        card->box.request = request;
        card->box.ticket = ticket;
        card->box.length = length;
        if (length > 0) {
            memcpy(card->box.apdu, apdu, length);
        }
        status = STATUS_PENDING;
    }
    pthread_mutex_unlock(&card->lock);
    if (status == STATUS_PENDING) {
        vpcd_peer_wake(card);
    }
    return status;
}

static NTSTATUS vpcd_reset(struct card *base, BOOLEAN cold, ULONG ticket, UCHAR *atr, ULONG *length)
{
    (void)atr;
    (void)length;
    return post((struct vpcd_card *)base, cold ? VPCD_COLD_RESET : VPCD_WARM_RESET, ticket, NULL, 0);
}

static VOID vpcd_power_off(struct card *base)
{
    struct vpcd_card *card = (struct vpcd_card *)base;

    pthread_mutex_lock(&card->lock);
    card->box.power_off = card->box.connected;
    card->box.request = VPCD_NOTHING; /* a card without power answers nothing */
    pthread_mutex_unlock(&card->lock);
    vpcd_peer_wake(card);
}

static NTSTATUS vpcd_command(struct card *base, ULONG ticket, const UCHAR *apdu, ULONG apdu_length, UCHAR *response,
                             ULONG *length)
{
    /* Fewer than four bytes are no APDU, and one byte would be a control code; the protocol carries no more than 65535. */
    if (apdu_length < 4 || apdu_length > VPCD_MAX) {
        response[0] = 0x67;
        response[1] = 0x00;
        *length = 2;
        return STATUS_SUCCESS;
    }
    return post((struct vpcd_card *)base, VPCD_COMMAND, ticket, apdu, apdu_length);
}

/* What is behind the peer is not known; the interindustry instructions are the best guess. */
static enum card_direction vpcd_direction(struct card *base, const UCHAR header[5])
{
    (void)base;
    return card_iso_direction(header);
}

static VOID vpcd_describe(struct card *base, char *text, ULONG size)
{
    struct vpcd_card *card = (struct vpcd_card *)base;
    bool connected;

    pthread_mutex_lock(&card->lock);
    connected = card->box.connected;
    pthread_mutex_unlock(&card->lock);
    (void)snprintf(text, size, "%s=%u peer=%s", card->listener >= 0 ? "port" : "connect", card->port,
                   connected ? "there" : "none");
}

const struct card_kind card_vpcd = {
    .name = "vpcd",
    .help = "a card simulator over TCP; port=N (35963; 0: any) portfile=PATH bind=ADDRESS (127.0.0.1), or "
            "connect=ADDRESS:PORT",
    .create = vpcd_create,
    .destroy = vpcd_destroy,
    .reset = vpcd_reset,
    .power_off = vpcd_power_off,
    .command = vpcd_command,
    .direction = vpcd_direction,
    .describe = vpcd_describe,
    .own_world = TRUE,
};
