/* SPDX-License-Identifier: MIT */
/*
 * The books of requests: each has a slot from before its submission until its completion was seen, and is held to what
 * smartcrd.h promises:
 *     - submit gives a final status and no completion, or STATUS_PENDING and exactly one; the completion is found by what
 *       the request carried for its user, the slot and which use of it, so a second one, or one of a handle that was closed,
 *       has no open entry;
 *     - it ends with the status that the driver gave it, which names it; STATUS_CANCELLED only when somebody cancels,
 *       and always when a cancel said so, never when one said that it was too late; STATUS_IO_TIMEOUT only with a deadline,
 *       and not before that; STATUS_DEVICE_REMOVED only when its reader is pulled, and always afterwards;
 *     - the output is its own, with success; else nothing was written, and never outside the call that delivers it;
 *     - completions come from a handle's list in the order of the ends;
 *     - a handle that was closed leaves nothing behind: when smartcrd_close has returned, all of it has ended.
 * The order of the ends is history.c's.
 */
#include "stress.h"

#include "../../src/client/handle.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>

#define CANARY 0xA5

static struct slot slots[SLOTS];
static _Atomic uint32_t seats;

void seat_init(struct seat *seat, bool shared)
{
    uint32_t number = seats++;

    MUST(number < SEATS, NULL, NULL, "more than %u seats", SEATS);
    memset(seat, 0, sizeof(*seat));
    pthread_rwlock_init(&seat->use, NULL);
    pthread_mutex_init(&seat->lock, NULL);
    seat->shared = shared;
    seat->slots = &slots[number * SEAT_SLOTS];
    for (uint32_t i = 0; i < SEAT_SLOTS; i++) {
        seat->slots[i].number = number * SEAT_SLOTS + i;
        seat->slots[i].seat = seat;
    }
}

void seat_opened(struct seat *seat, struct history *history, struct smartcrd_handle *handle)
{
    pthread_mutex_lock(&seat->lock);
    seat->history = history;
    seat->handle = handle;
    pthread_mutex_unlock(&seat->lock);
}

struct slot *slot_of(uint32_t token)
{
    struct slot *slot = &slots[token & (SLOTS - 1)];

    return token != 0 && slot->token == token ? slot : NULL;
}

/* ---- a request begins -------------------------------------------------------------------------------------------- */

/* The seat's lock held. */
static struct slot *take(struct seat *seat)
{
    struct slot *slot = NULL;
    struct history *history = seat->history;
    uint32_t token;

    for (uint32_t i = 0; i < SEAT_SLOTS && !slot; i++) {
        if (seat->slots[i].state == SLOT_FREE)
            slot = &seat->slots[i];
    }
    if (!slot)
        return NULL;
    token = (slot->token + SLOTS) & TOKEN_MASK;
    slot->token = token >> SLOT_BITS == 0 ? SLOTS | slot->number : token | slot->number;
    seat->flying++;
    slot->state = SLOT_STARTING;
    slot->history = history;
    slot->back = 0;
    slot->id = 0;
    slot->synchronous = false;
    slot->card = false;
    slot->exchange = false;
    slot->cancel_asked = seat->cancelling > 0;
    slot->promised = false;
    slot->too_late = false;
    slot->must_be_removed = history->removed;
    memset(slot->out, CANARY, sizeof(slot->out));
    slot->begun = ++history->ticks;
    history->begun++;
    slot->floor = history_now(history);
    return slot;
}

struct slot *slot_begin(struct seat *seat, enum behaviour behaviour, uint32_t code, uint32_t delay_us,
                        uint32_t timeout_ms, uint32_t severity, struct smartcrd_request *request)
{
    struct slot *slot;

    pthread_mutex_lock(&seat->lock);
    slot = take(seat);
    pthread_mutex_unlock(&seat->lock);
    if (!slot)
        return NULL;
    uint32_t status = severity << 30 | 0x20000000u | slot->token;
    slot->behaviour = behaviour;
    slot->code = code;
    slot->timeout_ms = timeout_ms;
    slot->order =
        (struct order){behaviour, slot->token, behaviour == TOY_STORE ? status | STATUS_STORES : status, delay_us};
    slot->submitted_ns = timeout_ms != NONE ? smartcrd_now(seat->history->context) : 0;
    *request = (struct smartcrd_request){.code = code,
                                         .in = &slot->order,
                                         .in_size = sizeof(slot->order),
                                         .out = slot->out,
                                         .out_size = sizeof(slot->out),
                                         .timeout_ms = timeout_ms,
                                         .user = (void *)(uintptr_t)slot->token};
    return slot;
}

struct slot *slot_begin_card(struct seat *seat, uint32_t code, uint32_t timeout_ms)
{
    struct slot *slot;

    pthread_mutex_lock(&seat->lock);
    slot = take(seat);
    pthread_mutex_unlock(&seat->lock);
    if (!slot)
        return NULL;
    slot->behaviour = TOY_RETURN;
    slot->code = code;
    slot->timeout_ms = timeout_ms;
    slot->card = true;
    slot->order = (struct order){0};
    slot->submitted_ns = timeout_ms != NONE ? smartcrd_now(seat->history->context) : 0;
    return slot;
}

/* ---- a request ends ---------------------------------------------------------------------------------------------- */

/* What a virtual reader, or a typed call, may say besides what has a reason here. */
static bool card_may_say(NTSTATUS status)
{
    static const NTSTATUS said[] = {
        STATUS_SUCCESS,
        STATUS_NO_MEDIA,
        STATUS_INVALID_PARAMETER,
        STATUS_INVALID_DEVICE_STATE,
        STATUS_INVALID_DEVICE_REQUEST,
        STATUS_NOT_SUPPORTED,
        STATUS_BUFFER_TOO_SMALL,
        STATUS_UNRECOGNIZED_MEDIA,
        STATUS_DEVICE_PROTOCOL_ERROR,
        STATUS_DEVICE_BUSY,
        STATUS_IO_TIMEOUT,
        STATUS_IO_DEVICE_ERROR,
        STATUS_CRC_ERROR,
        STATUS_INFO_LENGTH_MISMATCH,
    };

    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        if (said[i] == status)
            return true;
    }
    return false;
}

static void check_status(const struct slot *slot, NTSTATUS status)
{
    struct history *history = slot->history;
    bool tracking = slot->behaviour == TOY_TRACK;

    MUST(!slot->promised || status == STATUS_CANCELLED, slot, history,
         "a cancel had promised STATUS_CANCELLED, but it ended with 0x%08X", (unsigned)status);
    MUST(!slot->must_be_removed || status == STATUS_DEVICE_REMOVED, slot, history,
         "its reader had been removed before, but it ended with 0x%08X", (unsigned)status);
    switch (status) {
    case STATUS_CANCELLED:
        MUST(slot->cancel_asked, slot, history, "ended cancelled, but nobody had cancelled it");
        MUST(!slot->too_late, slot, history, "a cancel had been told that it was too late, but it ended cancelled");
        break;
    case STATUS_DEVICE_REMOVED:
        MUST(history->removing, slot, history, "ended as removed, but nobody had removed its reader");
        tally.removals++;
        break;
    case STATUS_IO_TIMEOUT:
        MUST(slot->timeout_ms != NONE || slot->card, slot, history, "timed out without a deadline");
        MUST(slot->card || smartcrd_now(history->context) - slot->submitted_ns >= slot->timeout_ms * 1000000ull, slot,
             history, "timed out before its deadline");
        tally.deadlines++;
        break;
    default:
        if (slot->card)
            MUST(card_may_say(status), slot, history, "ended with 0x%08X, which no card gives", (unsigned)status);
        else if (tracking)
            MUST(status == STATUS_SUCCESS || status == STATUS_DEVICE_BUSY, slot, history,
                 "a tracking request ended with 0x%08X", (unsigned)status);
        else
            MUST(status == (NTSTATUS)slot->order.status, slot, history, "ended with 0x%08X, another one's status",
                 (unsigned)status);
        break;
    }
}

static bool out_untouched(const struct slot *slot, size_t from)
{
    for (size_t i = from; i < sizeof(slot->out); i++) {
        if (slot->out[i] != CANARY)
            return false;
    }
    return true;
}

/* An error's output is nothing, a success's is the input, and behind it nothing is written. */
static void check_output(const struct slot *slot, NTSTATUS status, size_t information)
{
    bool full = !NT_ERROR(status) && slot->behaviour != TOY_TRACK;

    if (slot->card)
        return;
    MUST(information == (full ? sizeof(slot->order) : 0), slot, slot->history, "ended with 0x%08X and %zu bytes",
         (unsigned)status, information);
    MUST(out_untouched(slot, information), slot, slot->history, "the caller's memory was written to");
    MUST(!full || memcmp(slot->out, &slot->order, sizeof(slot->order)) == 0, slot, slot->history,
         "the output is another one's");
}

/* The seat's lock held. */
static void give_back(struct slot *slot, NTSTATUS status)
{
    slot->last_token = slot->token;
    slot->last_status = status;
    slot->state = SLOT_FREE;
    slot->seat->flying--;
    tally.operations++;
    tally_see((uint64_t)(uint32_t)status << 32 ^ slot->token);
}

/* Its end is seen. The seat's lock held. */
static void ended(struct slot *slot, const struct smartcrd_completion *completion)
{
    MUST(completion->code == slot->code, slot, slot->history, "another code came back, 0x%08X", completion->code);
    MUST(completion->sequence != 0, slot, slot->history, "ended without a number");
    check_status(slot, completion->status);
    check_output(slot, completion->status, completion->information);
    history_ended(slot->history, slot, slot->floor, completion->sequence, completion->status);
}

void slot_submitted(struct slot *slot, NTSTATUS status, uint64_t id, const struct smartcrd_completion *done)
{
    struct seat *seat = slot->seat;

    pthread_mutex_lock(&seat->lock);
    slot->back = slot->history->ticks;
    MUST(id != 0, slot, slot->history, "the submission gave no number");
    if (status != STATUS_PENDING) {
        MUST(slot->state == SLOT_STARTING, slot, slot->history, "ended at once, and had a completion too");
        MUST(done->status == status && done->id == id && done->user == (void *)(uintptr_t)slot->token, slot,
             slot->history, "the submission's end is another one's");
        ended(slot, done);
        give_back(slot, status);
    } else if (slot->state == SLOT_EARLY) {
        MUST(slot->id == id, slot, slot->history, "the completion had another number than the request, %" PRIu64,
             slot->id);
        give_back(slot, slot->last_status);
    } else {
        slot->id = id;
        slot->state = SLOT_FLYING;
        /* In a shared seat another thread may be reaping it this moment. */
        MUST(seat->shared || out_untouched(slot, 0), slot, slot->history,
             "the caller's memory was written to before its end");
    }
    pthread_mutex_unlock(&seat->lock);
}

void slot_controlled(struct slot *slot, NTSTATUS status, size_t information)
{
    struct seat *seat = slot->seat;

    pthread_mutex_lock(&seat->lock);
    check_status(slot, status);
    check_output(slot, status, information);
    if (!slot->exchange)
        history_ended_somewhere(slot->history, slot, slot->floor, status);
    give_back(slot, status);
    pthread_mutex_unlock(&seat->lock);
}

void slot_reaped(struct seat *seat, const struct smartcrd_completion *completion, bool listed)
{
    uint32_t token = (uint32_t)(uintptr_t)completion->user;
    struct slot *slot = slot_of(token);

    MUST(slot && slot->seat == seat, slot, seat->history, "a completion of no request: number %" PRIu64 ", 0x%08X",
         completion->id, (unsigned)completion->status);
    pthread_mutex_lock(&seat->lock);
    MUST((slot->state == SLOT_FLYING || slot->state == SLOT_STARTING) && !slot->synchronous && slot->token == token,
         slot, slot->history, "a second completion, or one that nobody waits for: number %" PRIu64 ", 0x%08X",
         completion->id, (unsigned)completion->status);
    MUST(slot->state == SLOT_STARTING || slot->id == completion->id, slot, slot->history,
         "the completion has another number, %" PRIu64, completion->id);
    if (listed && !seat->shared) {
        MUST(completion->sequence > seat->reaped, slot, slot->history, "end %" PRIu64 " was listed after end %" PRIu64,
             completion->sequence, seat->reaped);
        seat->reaped = completion->sequence;
    }
    ended(slot, completion);
    if (slot->state == SLOT_STARTING) {
        slot->id = completion->id;
        slot->last_status = completion->status;
        slot->state = SLOT_EARLY;
    } else {
        give_back(slot, completion->status);
    }
    pthread_mutex_unlock(&seat->lock);
}

/* ---- cancels ----------------------------------------------------------------------------------------------------- */

/* One that is in flight; NULL: none is. The seat's lock held. */
static struct slot *any(struct seat *seat, uint32_t which)
{
    for (uint32_t i = 0; i < SEAT_SLOTS; i++) {
        struct slot *slot = &seat->slots[(which + i) % SEAT_SLOTS];
        if (slot->state == SLOT_FLYING)
            return slot;
    }
    return NULL;
}

uint64_t seat_any(struct seat *seat, uint32_t which)
{
    struct slot *slot;
    uint64_t id = 0;

    pthread_mutex_lock(&seat->lock);
    slot = any(seat, which);
    if (slot)
        id = slot->id;
    pthread_mutex_unlock(&seat->lock);
    return id;
}

uint32_t seat_flying(struct seat *seat)
{
    pthread_mutex_lock(&seat->lock);
    uint32_t flying = seat->flying;
    pthread_mutex_unlock(&seat->lock);
    return flying;
}

/* What a cancel has said, of a request that has ended meanwhile. */
static void check_cancelled(const struct slot *slot, NTSTATUS said)
{
    MUST(said != STATUS_SUCCESS || slot->last_status == STATUS_CANCELLED, slot, slot->history,
         "a cancel promised STATUS_CANCELLED, but it had ended with 0x%08X", (unsigned)slot->last_status);
    MUST(said != STATUS_ALREADY_COMPLETE || slot->last_status != STATUS_CANCELLED, slot, slot->history,
         "a cancel was told that it was too late, but it had ended cancelled");
}

void slot_cancel(struct seat *seat, uint32_t which)
{
    struct slot *slot;
    uint64_t id = 0;
    uint32_t token = 0;
    NTSTATUS said;

    pthread_mutex_lock(&seat->lock);
    slot = any(seat, which);
    if (slot) {
        slot->cancel_asked = true;
        id = slot->id;
        token = slot->token;
    }
    pthread_mutex_unlock(&seat->lock);
    if (!slot)
        return;
    said = smartcrd_cancel(seat->handle, id);
    tally.cancels++;
    pthread_mutex_lock(&seat->lock);
    MUST(said == STATUS_SUCCESS || said == STATUS_ALREADY_COMPLETE || said == STATUS_NOT_FOUND, slot, slot->history,
         "a cancel said 0x%08X", (unsigned)said);
    if (slot->token == token && slot->state == SLOT_FLYING) {
        /* Another thread may have reaped it and be on its way here. */
        MUST(said != STATUS_NOT_FOUND || seat->shared, slot, slot->history, "in flight, but a cancel did not find it");
        MUST(said != STATUS_ALREADY_COMPLETE || !slot->promised, slot, slot->history,
             "a cancel had promised STATUS_CANCELLED, another says that it is too late");
        slot->promised = slot->promised || said == STATUS_SUCCESS;
        slot->too_late = slot->too_late || said == STATUS_ALREADY_COMPLETE;
    } else if (slot->last_token == token) {
        MUST(seat->shared, slot, slot->history, "ended during a cancel, and was reaped by nobody");
        check_cancelled(slot, said);
    }
    pthread_mutex_unlock(&seat->lock);
}

void seat_cancel_begins(struct seat *seat)
{
    pthread_mutex_lock(&seat->lock);
    seat->cancelling++;
    for (uint32_t i = 0; i < SEAT_SLOTS; i++)
        seat->slots[i].cancel_asked = true;
    pthread_mutex_unlock(&seat->lock);
}

void seat_cancel_ends(struct seat *seat)
{
    pthread_mutex_lock(&seat->lock);
    seat->cancelling--;
    pthread_mutex_unlock(&seat->lock);
}

/* ---- a handle is closed ------------------------------------------------------------------------------------------ */

bool seat_enter(struct seat *seat, bool guest)
{
    bool entered;

    pthread_mutex_lock(&seat->lock);
    entered = seat->handle && !seat->leaving;
    if (entered)
        (*(guest ? &seat->guests : &seat->users))++;
    pthread_mutex_unlock(&seat->lock);
    return entered;
}

void seat_leave(struct seat *seat, bool guest)
{
    pthread_mutex_lock(&seat->lock);
    (*(guest ? &seat->guests : &seat->users))--;
    pthread_mutex_unlock(&seat->lock);
}

/* The handle counts the calls that are inside; a guest who is not is about to be, or has just left. */
static bool all_inside(struct seat *seat, uint32_t *guests)
{
    bool all;

    pthread_mutex_lock(&seat->lock);
    pthread_mutex_lock(&seat->handle->lock);
    all = seat->users == 0 && seat->handle->users == seat->guests;
    *guests = seat->guests;
    pthread_mutex_unlock(&seat->handle->lock);
    pthread_mutex_unlock(&seat->lock);
    return all;
}

bool seat_surround(struct seat *seat)
{
    bool first, all = false;
    uint32_t guests = 0;

    pthread_mutex_lock(&seat->lock);
    first = seat->handle && !seat->leaving;
    seat->leaving = seat->leaving || first;
    pthread_mutex_unlock(&seat->lock);
    if (!first)
        return false;
    for (int i = 0; i < 1000 && !all; i++) {
        all = all_inside(seat, &guests);
        if (!all)
            sched_yield();
    }
    if (!all) {
        pthread_mutex_lock(&seat->lock);
        seat->leaving = false;
        pthread_mutex_unlock(&seat->lock);
    }
    tally.surrounded += all && guests > 0;
    return all;
}

struct dropped {
    struct seat *seat;
    uint32_t found;
};

static void one_dropped(const struct smartcrd_journal_entry *entry, void *context)
{
    struct dropped *dropped = context;

    for (uint32_t i = 0; i < SEAT_SLOTS; i++) {
        struct slot *slot = &dropped->seat->slots[i];
        if (slot->state != SLOT_FLYING || slot->id != entry->request)
            continue;
        check_status(slot, entry->status);
        history_ended(slot->history, slot, slot->floor, entry->sequence, entry->status);
        MUST(out_untouched(slot, 0), slot, slot->history, "the handle was closed, but the caller's memory written to");
        give_back(slot, entry->status);
        dropped->found++;
    }
}

void seat_closed(struct seat *seat)
{
    struct dropped dropped = {.seat = seat};
    uint64_t since = UINT64_MAX;

    pthread_mutex_lock(&seat->lock);
    for (uint32_t i = 0; i < SEAT_SLOTS; i++) {
        if (seat->slots[i].state != SLOT_FREE && seat->slots[i].floor < since)
            since = seat->slots[i].floor;
    }
    if (seat->flying > 0 && history_walk(seat->history, since, one_dropped, &dropped) && seat->flying > 0) {
        struct slot *left = seat->slots;
        while (left->state == SLOT_FREE)
            left++;
        violation(left, left->history, "its handle was closed, but it has not ended");
    }
    for (uint32_t i = 0; i < SEAT_SLOTS; i++) { /* those of which the journal knows no more */
        if (seat->slots[i].state != SLOT_FREE) {
            give_back(&seat->slots[i], STATUS_CANCELLED);
            tally.undecided++;
        }
    }
    seat->reaped = 0;
    seat->leaving = false;
    seat->handle = NULL;
    pthread_mutex_unlock(&seat->lock);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

void slot_print(const struct slot *slot, FILE *to)
{
    const char *name = smartcrd_code_name(slot->code);

    fprintf(to, "request %" PRIu64 " (token 0x%08X): code 0x%08X %s, %s%s%s, own status 0x%08X, %u us, ", slot->id,
            slot->token, slot->code, name ? name : "", behaviour_name(slot->behaviour), slot->card ? ", card" : "",
            slot->synchronous ? ", synchronous" : "", slot->order.status, slot->order.delay_us);
    if (slot->timeout_ms == NONE)
        fprintf(to, "no deadline\n");
    else
        fprintf(to, "deadline %u ms\n", slot->timeout_ms);
    fprintf(to, "    submitted at tick %" PRIu64 " after end %" PRIu64 "%s", slot->begun, slot->floor,
            slot->must_be_removed ? ", reader removed before" : "");
    if (slot->back != 0)
        fprintf(to, "; submission returned at tick %" PRIu64, slot->back);
    fprintf(to, "; the driver %s it", slot->arrived == slot->token ? "got" : "has not seen");
    fprintf(to, "%s%s%s\n", slot->cancel_asked ? "; being cancelled" : "", slot->promised ? "; cancel promised" : "",
            slot->too_late ? "; cancel came too late" : "");
}
