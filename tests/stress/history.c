/* SPDX-License-Identifier: MIT */
/*
 * Whether the last error of a reader is linearizable: whether there is one order of all ends, and of all answers between
 * them, in which each answer is the status of the end before it, and which contradicts nobody's experience.
 *
 * What is known: every end has a number (in its completion, and in the journal), and ends claim to be stored in the order
 * of their numbers. Each end's status is kept by its number, in a ring; completion and journal must agree on it. Each
 * answer is traced to the first end that it can be the status of and that is not older than what was known when its
 * question began; the toy gives each request a status of its own, so that there is mostly one such end at all.
 *
 * What is checked: let `known` be the newest number that anybody has seen, in a completion that was delivered or in an
 * answer that was given. Whatever begins takes it as its floor:
 *     an operation ends with a number above its floor,
 *     an answer is traced to a number not below its floor,
 * and both then raise `known`, before whoever saw them goes on. Moreover an answer comes from what was stored when it was
 * given: the journal's entry is written together with the store, so what the answer is traced to is in the journal by
 * then, or is the very next entry.
 *
 * Why that suffices: take as order the numbers, with the answers that were traced to an end right behind it, in the order
 * of their times. Each answer then is the status of the end before it. It contradicts experience only when a came before b
 * (a was over when b began) and stands behind b. But a had raised `known` to its number, or more, before b took its
 * floor: so b's number is not below a's, and above it when b is an end. That covers all four cases (end or answer, before
 * end or answer). Tracing to the first end that fits is the mildest choice: it raises `known` least.
 *
 * At the end, when nobody uses the reader any more, nothing may be missing: as many ends as operations, and the last
 * error is the last end's status.
 *
 * What a thread that was put aside for long cannot trace any more, because ring and journal have gone on, is counted as
 * undecided and is not checked. A driver that stores by itself (as Microsoft's page asks) does so before the end, and also
 * when nobody waits any more: between its store and its completion the answer may be that status.
 */
#include "stress.h"

#include "../../src/nt/nt.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCE_MASK 0x7fffffffu
#define SEEN          (1ull << 32)
#define FETCH         16u

/* Seconds for a thread that was put aside between a store and its journal entry. */
#define STORE_PATIENCE 30u

static uint64_t packed(uint64_t sequence, NTSTATUS status, bool seen)
{
    return (sequence & SEQUENCE_MASK) << 33 | (seen ? SEEN : 0) | (uint32_t)status;
}

/* Above 0: the slot of the ring is ahead of this number; 0: it is this number's. */
static int32_t ahead(uint64_t slot, uint64_t sequence)
{
    return (int32_t)(((uint32_t)(slot >> 33) - (uint32_t)(sequence & SEQUENCE_MASK)) << 1);
}

struct history *history_new(struct smartcrd *context)
{
    struct history *history = calloc(1, sizeof(*history));

    MUST(history, NULL, NULL, "no memory");
    history->context = context;
    atomic_init(&history->refs, 1);
    atomic_init(&history->users, 1);
    /* Before anything has ended the last error is STATUS_SUCCESS; a slot of zeros is that of number 0. */
    for (uint32_t i = 1; i < RING; i++)
        atomic_init(&history->ring[i], packed(i - RING, 0, false));
    pthread_mutex_init(&history->device_lock, NULL);
    return history;
}

void history_ref(struct history *history)
{
    history->refs++;
}

void history_unref(struct history *history)
{
    if (--history->refs > 0)
        return;
    pthread_mutex_destroy(&history->device_lock);
    free(history);
}

void history_enter(struct history *history)
{
    history->users++;
}

uint64_t history_now(struct history *history)
{
    return history->known;
}

static void raise_known(struct history *history, uint64_t sequence)
{
    uint64_t known = history->known;

    while (known < sequence && !atomic_compare_exchange_weak(&history->known, &known, sequence))
        ;
}

/* The end of that number has this status; its completion was seen, or only its journal entry. */
static void ring_put(struct history *history, const struct slot *slot, uint64_t sequence, NTSTATUS status, bool seen)
{
    _Atomic uint64_t *place = &history->ring[sequence % RING];
    uint64_t old = *place, now;

    do {
        int32_t by = ahead(old, sequence);
        if (by > 0)
            return; /* the ring has gone on */
        now = packed(sequence, status, seen);
        if (by == 0 && sequence > 0) {
            MUST((NTSTATUS)old == status, slot, history, "end %llu has two statuses, 0x%08X and 0x%08X",
                 (unsigned long long)sequence, (unsigned)old, (unsigned)status);
            MUST(!seen || !(old & SEEN), slot, history, "two completions with the number %llu",
                 (unsigned long long)sequence);
            now |= old & SEEN;
        }
    } while (!atomic_compare_exchange_weak(place, &old, now));
}

enum found { FOUND, NOT_YET, OVERTAKEN };

/* From *at upwards, the first end with that status; *at: where it is, or the first one of which nothing is known. */
static enum found ring_find(struct history *history, uint64_t *at, NTSTATUS status)
{
    for (;; (*at)++) {
        uint64_t slot = history->ring[*at % RING];
        int32_t by = ahead(slot, *at);
        if (by != 0)
            return by > 0 ? OVERTAKEN : NOT_YET;
        if ((NTSTATUS)slot == status)
            return FOUND;
    }
}

static void check_entry(struct history *history, const struct smartcrd_journal_entry *entry)
{
    bool left = entry->status == STATUS_CANCELLED || entry->status == STATUS_IO_TIMEOUT ||
                entry->status == STATUS_DEVICE_REMOVED;

    MUST(entry->late == STATUS_PENDING || left, NULL, history,
         "end %llu, 0x%08X, says that the driver let go of it later, with 0x%08X", (unsigned long long)entry->sequence,
         (unsigned)entry->status, (unsigned)entry->late);
    MUST(entry->ended_ns >= entry->submitted_ns && (entry->started_ns == 0 || entry->ended_ns >= entry->started_ns),
         NULL, history, "end %llu was before its beginning", (unsigned long long)entry->sequence);
}

bool history_walk(struct history *history, uint64_t since,
                  void (*visit)(const struct smartcrd_journal_entry *entry, void *context), void *context)
{
    struct smartcrd_journal_entry entries[FETCH];
    size_t count;

    do {
        count = smartcrd_journal(history->watcher, since, entries, FETCH);
        for (size_t i = 0; i < count; i++) {
            MUST(entries[i].sequence > since, NULL, history, "the journal shows %llu after %llu",
                 (unsigned long long)entries[i].sequence, (unsigned long long)since);
            if (entries[i].sequence != since + 1)
                return false;
            since = entries[i].sequence;
            check_entry(history, &entries[i]);
            ring_put(history, NULL, since, entries[i].status, false);
            if (visit)
                visit(&entries[i], context);
        }
    } while (count == FETCH);
    return true;
}

/* What the journal knows of the ends from `at` on, into the ring. */
static enum found fetch(struct history *history, uint64_t at)
{
    struct smartcrd_journal_entry entries[FETCH];
    size_t count = smartcrd_journal(history->watcher, at - 1, entries, FETCH);

    for (size_t i = 0; i < count; i++) {
        check_entry(history, &entries[i]);
        ring_put(history, NULL, entries[i].sequence, entries[i].status, false);
    }
    if (count > 0 && entries[0].sequence > at)
        return OVERTAKEN;
    return count > 0 ? FOUND : NOT_YET;
}

void history_ended(struct history *history, const struct slot *slot, uint64_t floor, uint64_t sequence, NTSTATUS status)
{
    MUST(sequence > floor, slot, history, "ended as number %llu, but end %llu had been seen before it was submitted",
         (unsigned long long)sequence, (unsigned long long)floor);
    ring_put(history, slot, sequence, status, true);
    raise_known(history, sequence);
}

void history_ended_somewhere(struct history *history, const struct slot *slot, uint64_t floor, NTSTATUS status)
{
    uint64_t at = floor + 1;
    enum found found, more = FOUND;

    while ((found = ring_find(history, &at, status)) == NOT_YET && more == FOUND)
        more = fetch(history, at);
    if (found == FOUND)
        raise_known(history, at);
    else if (found == OVERTAKEN || more == OVERTAKEN)
        tally.undecided++;
    else
        violation(slot, history, "the call has returned 0x%08X, but no end after %llu has that status",
                  (unsigned)status, (unsigned long long)floor);
}

static _Atomic uint64_t *store_of(struct history *history, NTSTATUS status)
{
    return &history->stores[(uint32_t)status * 2654435761u >> 22];
}

void history_stores(struct history *history, NTSTATUS status, bool completed)
{
    uint64_t tick = completed ? ++history->ticks : 0;

    *store_of(history, status) = (uint64_t)(uint32_t)status << 32 | (uint32_t)tick;
}

/* Whether the toy may have stored this by itself while the question was asked, which began at that tick. */
static bool stored_meanwhile(struct history *history, NTSTATUS answer, uint64_t tick)
{
    uint64_t store = *store_of(history, answer);
    uint32_t until = (uint32_t)store;

    if (!((uint32_t)answer & STATUS_STORES))
        return false;
    return (NTSTATUS)(store >> 32) != answer || until == 0 || (int32_t)(until - (uint32_t)tick) > 0;
}

/* Wait for another entry. */
static void wait_a_moment(struct history *history, uint64_t began, NTSTATUS answer, uint64_t floor)
{
    MUST(nt_now() - began < STORE_PATIENCE * 1000000000ull, NULL, history,
         "the last error was 0x%08X, which no end from %llu on has as its status", (unsigned)answer,
         (unsigned long long)floor);
    sched_yield();
}

void history_ask(struct history *history, struct smartcrd_handle *handle)
{
    uint64_t floor = history->known, tick = history->ticks, at = floor;
    uint64_t limit = 0, began = 0;
    NTSTATUS answer = STATUS_PENDING;
    NTSTATUS status = smartcrd_last_error(handle, &answer);
    enum found found;

    tally.queries++;
    MUST(status == STATUS_SUCCESS, NULL, history, "the last error was refused with 0x%08X", (unsigned)status);
    while ((found = ring_find(history, &at, answer)) == NOT_YET && (limit == 0 || at <= limit)) {
        enum found more = fetch(history, at);
        if (more == OVERTAKEN) {
            found = OVERTAKEN;
            break;
        }
        if (more == FOUND)
            continue;
        if (stored_meanwhile(history, answer, tick))
            return;
        if (limit == 0) {
            limit = at; /* all others were there when the answer was: it is in this one's store, or nowhere */
            began = nt_now();
        }
        wait_a_moment(history, began, answer, floor);
    }
    if (found == OVERTAKEN) {
        tally.undecided++;
        return;
    }
    if ((found == NOT_YET || (limit != 0 && at > limit)) && stored_meanwhile(history, answer, tick))
        return;
    MUST(found == FOUND && (limit == 0 || at <= limit), NULL, history,
         "the last error was 0x%08X, which no end between %llu and %llu has as its status", (unsigned)answer,
         (unsigned long long)floor, (unsigned long long)limit);
    tally_see((uint64_t)(uint32_t)answer << 32 ^ at);
    tally.answers++;
    raise_known(history, at);
}

static void note_newest(const struct smartcrd_journal_entry *entry, void *context)
{
    *(uint64_t *)context = entry->sequence;
}

/* Nobody uses it any more: every operation has ended, once, and the last of them was the last. How many requests a typed
 * call makes of a card is not counted. */
static void close_books(struct history *history)
{
    uint64_t newest = history->known;

    if (!history_walk(history, newest, note_newest, &newest))
        return;
    MUST(!history->toy || newest == history->begun, NULL, history, "%llu operations were begun, but %llu have ended",
         (unsigned long long)history->begun, (unsigned long long)newest);
    raise_known(history, newest);
    history_ask(history, history->watcher);
}

void history_leave(struct history *history)
{
    if (--history->users > 0)
        return;
    close_books(history);
    smartcrd_close(history->panel);
    smartcrd_close(history->watcher);
    history_unref(history);
}

void history_print(struct history *history, FILE *to)
{
    struct smartcrd_journal_entry entries[8];
    uint64_t known = history->known;
    size_t count = smartcrd_journal(history->watcher, known > 4 ? known - 4 : 0, entries, 8);

    fprintf(to, "reader %s (%s%s), newest end that was seen: %llu%s\n", history->name,
            history->toy ? "toy" : "virtual reader", history->never_blocks ? ", never blocks" : "",
            (unsigned long long)known, history->removing ? ", removed" : "");
    for (size_t i = 0; i < count; i++)
        fprintf(to, "    %llu: request %llu, handle %u, code 0x%08X, 0x%08X%s %s\n",
                (unsigned long long)entries[i].sequence, (unsigned long long)entries[i].request, entries[i].handle,
                entries[i].code, (unsigned)entries[i].status, entries[i].late != STATUS_PENDING ? ", late" : "",
                entries[i].step);
}
