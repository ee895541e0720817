/* SPDX-License-Identifier: MIT */
/* The ring of a reader's last operations. What goes into an entry is operation business (op.c); this file keeps it. */
#include "journal.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#define WORDS (sizeof(struct smartcrd_journal_entry) / sizeof(uint64_t))

/* How often a reader looks again at a slot that is being written, before it leaves the slot out. */
#define LOOKS 200

_Static_assert(sizeof(struct smartcrd_journal_entry) % sizeof(uint64_t) == 0, "an entry is a whole number of words");
_Static_assert(sizeof(struct smartcrd_journal_entry) <= 256, "an entry stays small");

struct journal_slot {
    _Atomic uint64_t version;
    _Atomic uint64_t words[WORDS];
};

bool journal_create(struct journal *journal, uint32_t count)
{
    void *memory =
        mmap(NULL, count * sizeof(struct journal_slot), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return false;
    journal->slots = memory;
    journal->count = count;
    atomic_init(&journal->last, 0);
    return true;
}

void journal_destroy(struct journal *journal)
{
    if (journal->slots)
        munmap(journal->slots, journal->count * sizeof(struct journal_slot));
    journal->slots = NULL;
}

/*
 * The orders of a sequence lock without fences: the words are stored with release, so none of them can be seen before
 * the odd version is; the even version is stored with release, so it cannot be seen before the words. The reader loads
 * the words with acquire, so that its second look at the version comes after them.
 */
static void slot_write(struct journal_slot *slot, const struct smartcrd_journal_entry *entry)
{
    uint64_t words[WORDS];
    uint64_t version = atomic_load_explicit(&slot->version, memory_order_relaxed);

    memcpy(words, entry, sizeof(words));
    atomic_store_explicit(&slot->version, version + 1, memory_order_relaxed);
    for (size_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&slot->words[i], words[i], memory_order_release);
    atomic_store_explicit(&slot->version, version + 2, memory_order_release);
}

static bool slot_read(struct journal_slot *slot, struct smartcrd_journal_entry *entry)
{
    uint64_t words[WORDS];

    for (int look = 0; look < LOOKS; look++) {
        uint64_t before = atomic_load_explicit(&slot->version, memory_order_acquire);
        if (!(before & 1)) {
            for (size_t i = 0; i < WORDS; i++)
                words[i] = atomic_load_explicit(&slot->words[i], memory_order_acquire);
            if (atomic_load_explicit(&slot->version, memory_order_relaxed) == before) {
                memcpy(entry, words, sizeof(words));
                return true;
            }
        }
        if (look > LOOKS / 2)
            sched_yield(); /* the writer was put aside in the middle of its few stores */
    }
    return false;
}

void journal_add(struct journal *journal, const struct smartcrd_journal_entry *entry)
{
    slot_write(&journal->slots[entry->sequence & (journal->count - 1)], entry);
    /* Release: who sees the number finds the entry. */
    atomic_store_explicit(&journal->last, entry->sequence, memory_order_release);
}

/* One store of one word, and no new version: a reader finds the entry at any time, with the one status or the other. */
void journal_late(struct journal *journal, uint64_t sequence, NTSTATUS late)
{
    const size_t at = offsetof(struct smartcrd_journal_entry, late);
    struct journal_slot *slot = &journal->slots[sequence & (journal->count - 1)];
    struct smartcrd_journal_entry entry;
    uint64_t word;

    if (slot_read(slot, &entry) && entry.sequence == sequence) {
        entry.late = late;
        memcpy(&word, (const uint8_t *)&entry + at / sizeof(word) * sizeof(word), sizeof(word));
        atomic_store_explicit(&slot->words[at / sizeof(word)], word, memory_order_release);
    }
}

size_t journal_read(struct journal *journal, uint64_t since, struct smartcrd_journal_entry *entries, size_t count)
{
    uint64_t sequence = since == UINT64_MAX ? since : since + 1;
    size_t found = 0;

    /* A reader that is overtaken goes on with the oldest that is left, but not for ever. A slot that stays in mid-write
     * is the next oldest, about to be replaced by a writer who was put aside: it is left out, not waited for. */
    for (int overtaken = 0; overtaken < LOOKS && found < count;) {
        uint64_t last = atomic_load_explicit(&journal->last, memory_order_acquire);
        struct smartcrd_journal_entry entry;

        if (last >= journal->count && sequence < last - journal->count + 1)
            sequence = last - journal->count + 1;
        if (sequence > last)
            break;
        if (slot_read(&journal->slots[sequence & (journal->count - 1)], &entry) && entry.sequence == sequence) {
            entries[found++] = entry;
        } else {
            overtaken++;
        }
        sequence++;
    }
    return found;
}
