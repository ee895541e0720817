/* SPDX-License-Identifier: MIT */
/*
 * The thread of a vpcd card: it owns the sockets, carries requests from the box to the peer and answers back to the
 * reader. It serves one peer at a time; others wait in the listener's queue. It never waits for anything but poll, and
 * calls the reader with no lock held. What the messages mean is vpcd_session.c's.
 */
#include "vpcd_peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RETRY_MS 250 /* between attempts to reach a simulator that does not listen (yet) */

/* What a look into the box came to. */
enum found { FOUND_NOTHING, FOUND_REQUEST, FOUND_STOP, FOUND_NONSENSE };

void vpcd_peer_wake(struct vpcd_card *card)
{
    uint64_t one = 1;
    /* It can only fail when the counter is full, and then the thread is awake anyway. */
    ssize_t written = write(card->wake, &one, sizeof(one));
    (void)written;
}

static void woken(struct vpcd_card *card)
{
    uint64_t count;
    ssize_t got = read(card->wake, &count, sizeof(count));
    (void)got;
}

static bool stopping(struct vpcd_card *card)
{
    pthread_mutex_lock(&card->lock);
    bool stop = card->box.stop;
    pthread_mutex_unlock(&card->lock);
    return stop;
}

/* Wait for the wake-up or for `events` on fd (-1: none). Returns what happened on fd. */
static short wait_for(struct vpcd_card *card, int fd, short events, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = card->wake, .events = POLLIN}, {.fd = fd, .events = events}};

    if (poll(fds, 2, timeout_ms) <= 0) {
        return 0;
    }
    if (fds[0].revents != 0) {
        woken(card);
    }
    return fds[1].revents;
}

/* ---- a peer ------------------------------------------------------------------------------------------------------ */

/* Send at once, keep no more than two messages for a peer that does not read, and notice in seconds when a remote
 * machine has died. */
static void tune(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_SNDBUF, 2 * (int)VPCD_MAX},
        {SOL_SOCKET, SO_KEEPALIVE, 1},   {IPPROTO_TCP, TCP_KEEPIDLE, 5},
        {IPPROTO_TCP, TCP_KEEPINTVL, 2}, {IPPROTO_TCP, TCP_KEEPCNT, 3},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
    }
}

/* Peers often send length and payload separately; without this the second waits 40 ms for our ACK (pcsc.md, Times).
 * The kernel forgets it, so it is asked for after every receive. */
static void acknowledge_at_once(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static int accept_one(struct vpcd_card *card)
{
    short events = wait_for(card, card->listener, POLLIN, -1);
    int fd;

    if (events == 0) {
        return -1;
    }
    fd = accept4(card->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
        /* Out of descriptors, say: the listener stays readable, so look again later. */
        (void)wait_for(card, -1, 0, RETRY_MS);
    }
    return fd;
}

static int connect_one(struct vpcd_card *card)
{
    int fd = socket(card->remote.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;
    socklen_t size = sizeof(error);

    if (fd < 0) {
        goto later;
    }
    if (connect(fd, (const struct sockaddr *)&card->remote, card->remote_length) != 0) {
        if (errno != EINPROGRESS) {
            goto later;
        }
        short events = 0;
        while (events == 0 && !stopping(card)) {
            events = wait_for(card, fd, POLLOUT, -1); /* the kernel gives up after its own time */
        }
        if (events == 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            goto later;
        }
    }
    return fd;
later:
    if (fd >= 0) {
        close(fd);
    }
    if (!stopping(card)) {
        (void)wait_for(card, -1, 0, RETRY_MS);
    }
    return -1;
}

/* Move the next request from the box to the session, when the last is wholly sent. */
static enum found take_request(struct vpcd_card *card)
{
    enum found found = FOUND_NOTHING;
    bool fine = true;

    pthread_mutex_lock(&card->lock);
    if (card->box.stop) {
        found = FOUND_STOP;
    } else if (card->session.out_sent < card->session.out_used) {
        found = FOUND_NOTHING;
    } else if (card->box.power_off) {
        fine = vpcd_session_request(&card->session, VPCD_POWER_OFF, 0, NULL, 0);
        card->box.power_off = false;
        found = FOUND_REQUEST;
    } else if (card->box.request != VPCD_NOTHING) {
        fine =
            vpcd_session_request(&card->session, card->box.request, card->box.ticket, card->box.apdu, card->box.length);
        explicit_bzero(card->box.apdu, card->box.length); /* it may have held a PIN */
        card->box.request = VPCD_NOTHING;
        card->box.length = 0;
        found = FOUND_REQUEST;
    }
    pthread_mutex_unlock(&card->lock);
    return fine ? found : FOUND_NONSENSE;
}

/* Send what fits. Returns false when the peer has gone. */
static bool send_some(struct vpcd_session *session, int fd)
{
    ssize_t sent;

    if (session->out_sent == session->out_used) {
        return true;
    }
    sent = send(fd, session->out + session->out_sent, session->out_used - session->out_sent, MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    }
    session->out_sent += (size_t)sent;
    if (session->out_sent == session->out_used) {
        explicit_bzero(session->out, session->out_used);
        session->out_sent = session->out_used = 0;
    }
    return true;
}

/* Receive what is there and hand answers on. Returns false when the peer has gone, or should go. */
static bool receive_some(struct vpcd_card *card, int fd)
{
    struct vpcd_session *session = &card->session;
    struct vpcd_answer answer;
    enum vpcd_result result;
    size_t room;
    uint8_t *bytes = vpcd_session_room(session, &room);
    ssize_t received = recv(fd, bytes, room, 0);

    if (received < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    }
    if (received == 0) {
        return false;
    }
    acknowledge_at_once(fd);
    vpcd_session_received(session, (size_t)received);
    while ((result = vpcd_session_next(session, &answer)) != VPCD_MORE) {
        if (result == VPCD_HANG_UP) {
            return false;
        }
        if (result == VPCD_ANSWER) {
            card->slot->functions->answer(card->slot, answer.ticket, answer.status, answer.bytes, answer.length);
        }
    }
    return true;
}

/* Until the peer hangs up, or the card is taken out. */
static void serve(struct vpcd_card *card, int fd)
{
    struct vpcd_session *session = &card->session;

    for (;;) {
        enum found found = take_request(card);
        bool sending = session->out_sent < session->out_used;
        if (found == FOUND_STOP || found == FOUND_NONSENSE || !send_some(session, fd)) {
            return;
        }
        if ((sending || found == FOUND_REQUEST) && session->out_used == 0) {
            continue; /* room again: another request may be in the box, and its wake-up has been taken */
        }
        short wanted = session->out_used > 0 ? POLLIN | POLLOUT : POLLIN;
        if ((wait_for(card, fd, wanted, -1) & (POLLIN | POLLERR | POLLHUP | POLLNVAL)) != 0 &&
            !receive_some(card, fd)) {
            return;
        }
    }
}

static void greet(struct vpcd_card *card, int fd)
{
    tune(fd);
    vpcd_session_begin(&card->session);
    pthread_mutex_lock(&card->lock);
    card->box.connected = true;
    pthread_mutex_unlock(&card->lock);
    card->slot->functions->presence(card->slot, TRUE);
}

/* The peer has gone: whoever waits for it learns so first, then the reader that the card is out. */
static void part(struct vpcd_card *card)
{
    bool awaited = card->session.awaited != VPCD_NOTHING;
    ULONG ticket = card->session.ticket;

    pthread_mutex_lock(&card->lock);
    if (card->box.request != VPCD_NOTHING) {
        awaited = true; /* newer than what the session waited for */
        ticket = card->box.ticket;
    }
    explicit_bzero(card->box.apdu, card->box.length);
    card->box.request = VPCD_NOTHING;
    card->box.length = 0;
    card->box.power_off = false;
    card->box.connected = false;
    pthread_mutex_unlock(&card->lock);
    explicit_bzero(card->session.out, card->session.out_used);
    explicit_bzero(card->session.in, card->session.in_used);
    vpcd_session_begin(&card->session);
    if (stopping(card)) {
        return; /* the reader waits for the thread's end and wants no news */
    }
    if (awaited) {
        card->slot->functions->answer(card->slot, ticket, STATUS_NO_MEDIA, NULL, 0);
        if (stopping(card)) {
            return; /* that led to the card being taken out, and the slot may be gone (vpcd_destroy) */
        }
    }
    card->slot->functions->presence(card->slot, FALSE);
}

void vpcd_peer_run(struct vpcd_card *card)
{
    while (!stopping(card)) {
        int fd = card->listener >= 0 ? accept_one(card) : connect_one(card);
        if (fd >= 0) {
            greet(card, fd);
            serve(card, fd);
            close(fd);
            part(card);
        }
    }
}
