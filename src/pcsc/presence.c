/* SPDX-License-Identifier: MIT */
/*
 * Is there a card, and when does that change: by the overlapped tracking requests, without polling.
 *
 * A tracking request for the opposite of what pcscd was told is always pending: IS_ABSENT while it believes in a card,
 * IS_PRESENT while it does not. When it ends, that is one step; only when it is taken the next request is made, and when
 * that ends at once, one more step waits. So a card that was swapped in no time is absent once before it is present
 * again, and no swap goes unnoticed.
 *
 * ifd_wait takes the steps, one a call, because only pcscd's polling thread makes events of them: it asks for the
 * presence after each wait. It also asks before each of its power actions, and that answer goes nowhere, so for it the
 * answer stays between two waits.
 *
 * What pcscd's other threads hear of the card, by a transmit that finds none, a power action, or the question before it,
 * they write into the reader's state some time after the handler has returned. Had the opposite been told to the polling
 * thread by then, pcscd would go on without a card that is in, or with one that is not. So ifd_wait holds such a step
 * back for a while.
 *
 * A driver that does not track (STATUS_NOT_SUPPORTED) or does not know (STATUS_INVALID_DEVICE_STATE) is asked for its
 * state each time, several times a second.
 */
#include "slot.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 200 /* at a driver that does not track */
#define HOLD_BACK_MS  100 /* longer than a thread that is ready to run waits for a processor */
#define NAP_MS        10  /* of a wait that holds a step back */

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Without a tracking request, compare with what the reader says of itself. slot->lock held. */
static void look(struct slot *slot)
{
    uint32_t state;

    if (NT_SUCCESS(smartcrd_state(slot->handle, &state)))
        slot->changed = slot->present != (state > SCARD_ABSENT);
}

/* Ask for the next change. slot->lock held: a driver that may block runs on a thread of its own, so this does not. */
static void ask(struct slot *slot)
{
    struct smartcrd_request request = {
        .code = slot->present ? IOCTL_SMARTCARD_IS_ABSENT : IOCTL_SMARTCARD_IS_PRESENT,
        .timeout_ms = SMARTCRD_NO_TIMEOUT,
    };
    uint64_t id = 0;
    NTSTATUS status = smartcrd_submit(slot->watch, &request, &id, NULL);

    if (status == STATUS_PENDING)
        slot->tracking = id;
    else if (status == STATUS_DEVICE_REMOVED)
        slot->gone = true;
    else if (NT_SUCCESS(status))
        slot->changed = true;
    else
        slot->refused = true;
}

static void wake(struct slot *slot)
{
    static const uint64_t one = 1;

    /* It fails only when the counter is full, and then the fd is readable as well. */
    (void)!write(slot->wake_fd, &one, sizeof(one));
}

/* Take the end of the tracking request, if it has come. slot->lock held. */
static void take(struct slot *slot)
{
    struct smartcrd_completion completion;
    NTSTATUS status;

    if (slot->tracking == 0)
        return;
    status = smartcrd_reap_one(slot->watch, slot->tracking, &completion, 0);
    if (status == STATUS_TIMEOUT)
        return;
    slot->tracking = 0;
    if (NT_SUCCESS(status) && NT_SUCCESS(completion.status))
        slot->changed = true;
    else if (NT_SUCCESS(status) && completion.status == STATUS_DEVICE_REMOVED)
        slot->gone = true;
    else
        slot->refused = true;
}

/* The same for whoever is not ifd_wait: that may sleep until the descriptor shows this very end. */
static void take_for_others(struct slot *slot)
{
    const bool pending = slot->tracking != 0;

    take(slot);
    if (pending && slot->tracking == 0)
        wake(slot);
}

/* ---- what others were told ----------------------------------------------------------------------------------------- */

/* Is this not the thread that waits, and that writes what it was told before it asks again? slot->lock held. */
static bool is_somebody_else(const struct slot *slot)
{
    return slot->has_waiter && !pthread_equal(slot->waiter, pthread_self());
}

/* slot->lock held. */
static bool is_held_back(const struct slot *slot)
{
    return slot->changed &&
           ((slot->present && slot->powering > 0) || now_ms() - slot->told_ms[slot->present] < HOLD_BACK_MS);
}

bool presence_power_begins(struct slot *slot)
{
    bool counts;

    pthread_mutex_lock(&slot->lock);
    counts = is_somebody_else(slot);
    if (counts)
        slot->powering++;
    pthread_mutex_unlock(&slot->lock);
    return counts;
}

void presence_power_ends(struct slot *slot, bool counted)
{
    pthread_mutex_lock(&slot->lock);
    if (counted) {
        slot->powering--;
        slot->told_ms[true] = now_ms(); /* a card in any case: one that works, or one that does not */
    }
    pthread_mutex_unlock(&slot->lock);
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

/* Take one step, if there is one. slot->lock held. */
static bool step(struct slot *slot)
{
    take(slot);
    if (!slot->gone && !slot->changed && slot->tracking == 0 && !slot->refused)
        ask(slot);
    if (!slot->gone && !slot->changed && slot->refused)
        look(slot);
    if (!slot->changed || slot->gone || is_held_back(slot))
        return false;
    slot->changed = false;
    slot->present = !slot->present;
    slot_forget_card(slot);
    ask(slot);
    return true;
}

void presence_begin(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    look(slot);
    slot->present = slot->changed;
    slot->changed = false;
    ask(slot);
    pthread_mutex_unlock(&slot->lock);
}

enum ifd_result ifd_watch(uint32_t lun)
{
    struct slot *slot = slot_hold(lun);

    if (!slot)
        return IFD_GONE;
    pthread_mutex_lock(&slot->lock);
    slot->watched = true;
    pthread_mutex_unlock(&slot->lock);
    slot_release(slot);
    return IFD_OK;
}

enum ifd_result ifd_presence(uint32_t lun)
{
    struct slot *slot = slot_hold(lun);
    enum ifd_result result;
    bool present;

    if (!slot)
        return IFD_GONE;
    pthread_mutex_lock(&slot->lock);
    if (slot->watched)
        take_for_others(slot);
    else
        step(slot);
    present = slot->present;
    if (is_somebody_else(slot)) {
        /* The step that waits, too: who resets a card that has left again and again must not hold it back for ever. */
        present = slot->present != slot->changed;
        slot->told_ms[present] = now_ms();
    }
    result = slot->gone ? IFD_GONE : present ? IFD_PRESENT : IFD_ABSENT;
    pthread_mutex_unlock(&slot->lock);
    slot_release(slot);
    return result;
}

bool presence_lost(struct slot *slot)
{
    bool lost;

    pthread_mutex_lock(&slot->lock);
    take_for_others(slot);
    lost = slot->gone || slot->changed || !slot->present;
    pthread_mutex_unlock(&slot->lock);
    return lost;
}

void presence_told_absent(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    take_for_others(slot);
    /* While a tracking request pends, its end will tell; a driver without may have another card before it is asked. */
    if (slot->tracking == 0 && slot->present)
        slot->changed = true;
    if (is_somebody_else(slot))
        slot->told_ms[false] = now_ms();
    pthread_mutex_unlock(&slot->lock);
}

/* What there is to wait for. */
enum waiting { WAIT_NOTHING, WAIT_TRACKING, WAIT_LOOK_AGAIN, WAIT_A_NAP, WAIT_GONE };

/* Take a step; without one, say what to wait for. */
static enum waiting step_or_wait(struct slot *slot)
{
    enum waiting waiting = WAIT_LOOK_AGAIN;

    pthread_mutex_lock(&slot->lock);
    if (step(slot))
        waiting = WAIT_NOTHING;
    else if (slot->gone)
        waiting = WAIT_GONE;
    else if (is_held_back(slot))
        waiting = WAIT_A_NAP;
    else if (slot->tracking != 0)
        waiting = WAIT_TRACKING;
    if (waiting == WAIT_LOOK_AGAIN)
        slot->refused = false; /* after a pause it may be asked again */
    pthread_mutex_unlock(&slot->lock);
    return waiting;
}

/* Whether the wait that runs is to end; asked once. */
static bool is_stopped(struct slot *slot)
{
    bool stopped;

    pthread_mutex_lock(&slot->lock);
    stopped = slot->stopped;
    slot->stopped = false;
    pthread_mutex_unlock(&slot->lock);
    return stopped;
}

void presence_stop(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    slot->stopped = true;
    pthread_mutex_unlock(&slot->lock);
    wake(slot);
}

/* Sleep until something happens that `waiting` is for, until somebody wakes, or `until` has come (negative timeout: no
 * limit). */
static void sleep_until(struct slot *slot, enum waiting waiting, int timeout_ms, uint64_t until)
{
    struct pollfd fds[2] = {{.fd = slot->wake_fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    const uint64_t now = now_ms();
    int left = timeout_ms < 0 ? -1 : until > now ? (int)(until - now) : 0;
    uint64_t woken;

    if (waiting == WAIT_TRACKING)
        fds[1].fd = smartcrd_fd(slot->watch);
    /* Without a descriptor it goes as without tracking. */
    if (waiting != WAIT_GONE && fds[1].fd < 0 && (left < 0 || left > LOOK_AGAIN_MS))
        left = LOOK_AGAIN_MS;
    if (waiting == WAIT_A_NAP)
        left = NAP_MS;
    if (poll(fds, 2, left) > 0 && fds[0].revents)
        (void)!read(slot->wake_fd, &woken, sizeof(woken)); /* nothing there: another thread of pcscd's was quicker */
}

enum ifd_result ifd_wait(uint32_t lun, int timeout_ms)
{
    struct slot *slot = slot_hold(lun);
    const uint64_t until = now_ms() + (timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
    enum waiting waiting;

    if (!slot)
        return IFD_GONE;
    pthread_mutex_lock(&slot->lock);
    slot->watched = true;
    slot->waiter = pthread_self();
    slot->has_waiter = true;
    pthread_mutex_unlock(&slot->lock);
    /* It must not return for less: after a return without a change pcscd takes the power from a card that nobody uses. */
    for (;;) {
        waiting = step_or_wait(slot);
        if (waiting == WAIT_NOTHING || is_stopped(slot) || (timeout_ms >= 0 && now_ms() >= until))
            break;
        sleep_until(slot, waiting, timeout_ms, until);
    }
    slot_release(slot);
    return waiting == WAIT_GONE ? IFD_GONE : IFD_OK;
}

enum ifd_result ifd_wake(uint32_t lun)
{
    struct slot *slot = slot_hold(lun);

    if (!slot)
        return IFD_GONE;
    presence_stop(slot);
    slot_release(slot);
    return IFD_OK;
}
