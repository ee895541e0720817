/* SPDX-License-Identifier: MIT */
/* A vpcd card in its two halves: vpcd.c is what the reader calls, vpcd_peer.c the thread that talks to the simulator. */
#ifndef SMARTCRD_VPCD_PEER_H
#define SMARTCRD_VPCD_PEER_H

#include "card.h"
#include "vpcd_session.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>

struct vpcd_card {
    struct card card; /* first */
    struct card_slot *slot;
    pthread_t thread;
    int wake;     /* eventfd: something is in the box */
    int listener; /* -1: we go out to `remote` instead */
    struct sockaddr_storage remote;
    socklen_t remote_length;
    unsigned port; /* ours, or the remote one */

    /* Guards box. A leaf: nothing is called and no other lock is taken while it is held. The reader takes it under its
     * spin lock, so it is held for one copy of an APDU at most. */
    pthread_mutex_t lock;
    struct {
        bool stop;
        bool orphan;               /* the thread took itself out, and frees the card when it ends */
        bool connected;            /* requests are taken */
        bool power_off;            /* comes before `request` */
        enum vpcd_request request; /* the newest; an older one that was not yet sent is of no use to anyone */
        ULONG ticket;
        size_t length;
        uint8_t apdu[VPCD_MAX];
    } box;

    struct vpcd_session session; /* the thread's own */
};

/* The thread's work: wait for a peer, serve it until it hangs up, wait for the next; until box.stop is set. */
void vpcd_peer_run(struct vpcd_card *card);

/* Have the thread look into the box. Any thread, never blocks. */
void vpcd_peer_wake(struct vpcd_card *card);

#endif
