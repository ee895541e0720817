/* SPDX-License-Identifier: MIT */
/*
 * The players: threads that carry out what the generator chose, on handles of their own and on some that all share. What
 * comes back goes to the checkers.
 */
#include "stress.h"

#include "../../src/nt/nt.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_SEATS    3u /* the last one is for readers that come and go */
#define SHARED_SEATS 4u
#define MAX_THREADS  64u

static struct seat own_seats[MAX_THREADS][OWN_SEATS];
static struct seat shared_seats[SHARED_SEATS];
static _Atomic uint64_t done_operations;
static uint64_t end_ns;

__thread struct tally tally;

void tally_see(uint64_t what)
{
    tally.digest = (tally.digest ^ what) * 0x100000001B3u + 0x9E3779B97F4A7C15u;
}

/* Enough of operations, or of time; looked at every so many steps. */
static bool is_over(void)
{
    return (settings.operations != 0 && done_operations >= settings.operations) || (end_ns != 0 && nt_now() >= end_ns);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* One that a toy understands, or that a virtual reader makes of it what it likes. */
static struct slot *choose_request(struct seat *seat, struct dice *dice, bool synchronous,
                                   struct smartcrd_request *request)
{
    enum behaviour behaviour = choose_behaviour(dice);
    uint32_t code = choose_code(dice, behaviour);
    uint32_t delay_us = choose_delay_us(dice, behaviour);
    uint32_t timeout_ms = choose_timeout_ms(dice);
    uint32_t severity = draw(dice, 4);
    struct slot *slot;

    if (behaviour == TOY_TRACK && synchronous && timeout_ms == NONE)
        timeout_ms = 1; /* nobody else might end it */
    slot = slot_begin(seat, behaviour, code, delay_us, timeout_ms, severity, request);
    if (slot) {
        slot->synchronous = synchronous;
        slot->card = !seat->history->toy;
    }
    return slot;
}

void play_submit(struct seat *seat, struct dice *dice)
{
    struct smartcrd_request request;
    struct smartcrd_completion done;
    struct slot *slot = choose_request(seat, dice, false, &request);
    uint64_t id = 0;
    NTSTATUS status;

    if (!slot)
        return;
    status = smartcrd_submit(seat->handle, &request, &id, &done);
    slot_submitted(slot, status, id, &done);
}

static void play_control(struct seat *seat, struct dice *dice)
{
    struct smartcrd_request request;
    struct slot *slot = choose_request(seat, dice, true, &request);
    size_t information = 0;
    NTSTATUS status;

    if (!slot)
        return;
    status = smartcrd_control(seat->handle, &request, &information);
    slot_controlled(slot, status, information);
}

/* Typed calls: what a program does with a card. The echo card gives back what it got. */
static void play_typed(struct seat *seat, struct dice *dice)
{
    uint8_t command[8] = {0, 0xEE, 0, 0, 3, (uint8_t)draw(dice, 256), (uint8_t)draw(dice, 256), 1}, reply[40];
    size_t size = sizeof(reply);
    uint32_t timeout_ms = draw(dice, 4) == 0 ? draw(dice, 20) : NONE;
    uint32_t what = seat->history->toy ? 0 : draw(dice, 8);
    uint32_t kind = draw(dice, 4) == 0 ? SCARD_POWER_DOWN : draw(dice, 2) ? SCARD_COLD_RESET : SCARD_WARM_RESET;
    struct slot *slot = slot_begin_card(seat, what == 0 ? IOCTL_SMARTCARD_POWER : IOCTL_SMARTCARD_TRANSMIT, timeout_ms);
    NTSTATUS status;

    if (!slot)
        return;
    slot->synchronous = true;
    slot->exchange = what != 0;
    switch (what) {
    case 0:
        status = smartcrd_power(seat->handle, kind, reply, &size, timeout_ms);
        break;
    case 1:
        status = smartcrd_set_protocol(seat->handle, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, NULL, timeout_ms);
        break;
    case 2:
        status = smartcrd_transmit(seat->handle, command, sizeof(command), reply, &size, timeout_ms);
        break;
    default:
        status = smartcrd_apdu(seat->handle, command, sizeof(command), reply, &size, timeout_ms);
        MUST(status != STATUS_SUCCESS || size == 2 || (size == 5 && memcmp(reply, command + 5, 3) == 0), slot,
             seat->history, "a card's answer is another one's");
        break;
    }
    slot_controlled(slot, status, 0);
}

static void play_query(struct seat *seat, struct dice *dice)
{
    struct history *history = seat->history;
    uint8_t value[64];
    size_t size = sizeof(value);
    uint32_t state = 0;
    NTSTATUS status;

    tally.queries++;
    if (draw(dice, 2)) {
        status = smartcrd_state(seat->handle, &state);
        MUST(status == STATUS_DEVICE_REMOVED || state <= SCARD_SPECIFIC, NULL, history, "state %u", state);
    } else {
        status = smartcrd_attribute(seat->handle, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, value, &size);
    }
    MUST(status == STATUS_SUCCESS || (status == STATUS_DEVICE_REMOVED && history->removing) ||
             (!history->toy && status != STATUS_CANCELLED),
         NULL, history, "a query ended with 0x%08X", (unsigned)status);
}

/* ---- completions ------------------------------------------------------------------------------------------------- */

/* Nobody else takes completions from a seat of one's own. */
static void check_reap(struct seat *seat, NTSTATUS status, uint32_t flying)
{
    MUST(status == STATUS_SUCCESS || status == STATUS_TIMEOUT || status == STATUS_NO_MORE_ENTRIES, NULL, seat->history,
         "smartcrd_reap said 0x%08X", (unsigned)status);
    MUST(seat->shared || (status == STATUS_NO_MORE_ENTRIES) == (flying == 0), NULL, seat->history,
         "%u requests are in flight, and smartcrd_reap says 0x%08X", flying, (unsigned)status);
}

static NTSTATUS reap(struct seat *seat, uint32_t timeout_ms)
{
    struct smartcrd_completion completion;
    uint32_t flying = seat->shared ? 0 : seat_flying(seat);
    NTSTATUS status = smartcrd_reap(seat->handle, &completion, timeout_ms);

    check_reap(seat, status, flying);
    if (status == STATUS_SUCCESS)
        slot_reaped(seat, &completion, true);
    return status;
}

static void reap_one(struct seat *seat, struct dice *dice)
{
    uint64_t id = seat_any(seat, draw(dice, SEAT_SLOTS));
    struct smartcrd_completion completion;
    NTSTATUS status;

    if (id == 0)
        return;
    status = smartcrd_reap_one(seat->handle, id, &completion, 0);
    MUST(status == STATUS_SUCCESS || status == STATUS_TIMEOUT || (seat->shared && status == STATUS_NOT_FOUND), NULL,
         seat->history, "smartcrd_reap_one said 0x%08X of request %llu, which is in flight", (unsigned)status,
         (unsigned long long)id);
    if (status == STATUS_SUCCESS) {
        MUST(completion.id == id, NULL, seat->history, "smartcrd_reap_one gave another one");
        slot_reaped(seat, &completion, false);
    }
}

static bool readable(struct seat *seat, int timeout_ms)
{
    struct pollfd fd = {.fd = smartcrd_fd(seat->handle), .events = POLLIN};

    MUST(fd.fd >= 0, NULL, seat->history, "no descriptor");
    return poll(&fd, 1, timeout_ms) == 1;
}

/* The descriptor says whether a completion waits. */
static void poll_once(struct seat *seat)
{
    struct smartcrd_completion completion;
    bool some = readable(seat, 0);
    uint32_t flying = seat->shared ? 0 : seat_flying(seat);
    NTSTATUS status = smartcrd_reap(seat->handle, &completion, 0);

    check_reap(seat, status, flying);
    MUST(seat->shared || !some || status == STATUS_SUCCESS, NULL, seat->history,
         "the descriptor is readable, but nothing waits");
    if (status == STATUS_SUCCESS)
        slot_reaped(seat, &completion, true);
    if (!seat->shared && status == STATUS_TIMEOUT && !settings.simulated && readable(seat, 1))
        MUST(reap(seat, 0) == STATUS_SUCCESS, NULL, seat->history, "the descriptor is readable, but nothing waits");
}

/* Poll does not move simulated time. */
static bool readable_in_time(struct seat *seat)
{
    if (!settings.simulated)
        return readable(seat, (int)PATIENCE * 1000);
    for (uint64_t began = nt_now(); nt_now() - began < PATIENCE * 1000000000ull;) {
        if (readable(seat, 0))
            return true;
        smartcrd_advance(seat->history->context, UINT64_MAX, NULL);
    }
    return false;
}

/* Cancel the lot and see every one of them end. */
static void drain(struct seat *seat, bool by_descriptor)
{
    struct smartcrd_completion completion;

    seat_cancel_begins(seat);
    smartcrd_cancel_all(seat->handle);
    seat_cancel_ends(seat);
    while (!seat->shared && seat_flying(seat) > 0) {
        MUST(!by_descriptor || readable_in_time(seat), NULL, seat->history, "%u requests never end", seat_flying(seat));
        MUST(reap(seat, by_descriptor ? 0 : PATIENCE * 1000) == STATUS_SUCCESS, NULL, seat->history,
             "%u requests never end", seat_flying(seat));
    }
    if (seat->shared)
        return;
    MUST(!by_descriptor || !readable(seat, 0), NULL, seat->history, "the descriptor is readable, but nothing waits");
    MUST(smartcrd_reap(seat->handle, &completion, NONE) == STATUS_NO_MORE_ENTRIES, NULL, seat->history,
         "more completions than requests");
}

/* A shared one is closed while guests are inside, whose calls end then; the seat is free when they have left. */
void play_close(struct seat *seat)
{
    struct history *history = seat->history;

    seat_cancel_begins(seat);
    smartcrd_close(seat->handle);
    if (seat->shared)
        pthread_rwlock_wrlock(&seat->use);
    seat_cancel_ends(seat);
    seat_closed(seat);
    tally.closes++;
    seat->history = NULL;
    if (seat->shared)
        pthread_rwlock_unlock(&seat->use);
    history_leave(history);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* What is done with a handle. */
static void use(enum action action, struct seat *seat, struct dice *dice)
{
    switch (action) {
    case ACTION_CONTROL:
        play_control(seat, dice);
        break;
    case ACTION_ASK:
        history_ask(seat->history, seat->handle);
        break;
    case ACTION_QUERY:
        play_query(seat, dice);
        break;
    case ACTION_REAP:
        reap(seat, draw(dice, 50) == 0 ? 1 : 0);
        break;
    case ACTION_REAP_ONE:
        reap_one(seat, dice);
        break;
    case ACTION_POLL:
        poll_once(seat);
        break;
    case ACTION_CANCEL:
        slot_cancel(seat, draw(dice, SEAT_SLOTS));
        break;
    case ACTION_CANCEL_ALL:
        seat_cancel_begins(seat);
        smartcrd_cancel_all(seat->handle);
        seat_cancel_ends(seat);
        break;
    case ACTION_DRAIN:
        drain(seat, draw(dice, 2) == 0);
        break;
    case ACTION_TYPED:
        play_typed(seat, dice);
        break;
    default:
        play_submit(seat, dice);
        break;
    }
}

static void use_shared(enum action action, struct seat *seat, struct dice *dice)
{
    uint32_t place = draw(dice, settings.readers);
    bool guest = action == ACTION_CONTROL;

    if (action == ACTION_CLOSE) {
        if (seat_surround(seat))
            play_close(seat);
    } else if (pthread_rwlock_tryrdlock(&seat->use) == 0) {
        bool empty = !seat->handle;
        if (!empty && seat_enter(seat, guest)) {
            use(action, seat, dice);
            seat_leave(seat, guest);
        }
        pthread_rwlock_unlock(&seat->use);
        if (empty && pthread_rwlock_trywrlock(&seat->use) == 0) {
            if (!seat->handle)
                house_open(place, seat);
            pthread_rwlock_unlock(&seat->use);
        }
    }
}

static void use_own(enum action action, struct seat *seat, struct dice *dice)
{
    if (!seat->handle)
        house_open(draw(dice, settings.readers), seat);
    else if (action == ACTION_CLOSE || (seat->history->removed && draw(dice, 8) == 0))
        play_close(seat);
    else
        use(action, seat, dice);
}

static void step(struct player *player, struct dice *dice)
{
    enum action action = choose_action(dice);
    struct seat *own = own_seats[player->number];
    uint32_t seat = draw(dice, 2 * (OWN_SEATS - 1) + 1);
    uint32_t place = draw(dice, settings.readers);
    struct history *history;

    switch (action) {
    case ACTION_HAND:
    case ACTION_PANEL:
        history = house_reader(place);
        if (history->toy)
            toy_hand(history, draw(dice, 4) == 0);
        else if (action == ACTION_PANEL)
            house_panel(history, dice);
        history_leave(history);
        break;
    case ACTION_REPLUG:
        house_replug(place, dice);
        break;
    case ACTION_SPARE:
        house_spare(dice, &own[OWN_SEATS - 1]);
        break;
    case ACTION_CONTEXT:
        house_another(dice, &own[OWN_SEATS - 1]);
        break;
    default:
        if (seat < 2 * (OWN_SEATS - 1))
            use_own(action, &own[seat / 2], dice);
        else
            use_shared(action, &shared_seats[draw(dice, SHARED_SEATS)], dice);
        break;
    }
}

void play_prepare(void)
{
    for (uint32_t i = 0; i < settings.threads; i++) {
        for (uint32_t j = 0; j < OWN_SEATS; j++)
            seat_init(&own_seats[i][j], false);
    }
    for (uint32_t i = 0; i < SHARED_SEATS; i++)
        seat_init(&shared_seats[i], true);
    end_ns = settings.seconds > 0 ? nt_now() + (uint64_t)(settings.seconds * 1e9) : 0;
}

void *play(void *argument)
{
    struct player *player = argument;
    struct dice dice = {.seed = settings.seed * 1000003u + player->number};
    uint64_t counted = 0;

    while (!is_over()) {
        for (int i = 0; i < 64; i++) {
            dice_step(&dice);
            step(player, &dice);
        }
        if (tally.operations - counted >= 256) {
            done_operations += tally.operations - counted;
            counted = tally.operations;
            alarm(2 * PATIENCE); /* nothing hangs as long as something ends */
        }
    }
    for (uint32_t i = 0; i < OWN_SEATS; i++) {
        struct seat *seat = &own_seats[player->number][i];
        if (seat->handle && i == 0)
            drain(seat, true);
        if (seat->handle)
            play_close(seat);
    }
    player->tally = tally;
    return NULL;
}

void play_finish(void)
{
    for (uint32_t i = 0; i < SHARED_SEATS; i++) {
        if (shared_seats[i].handle)
            play_close(&shared_seats[i]);
    }
}
