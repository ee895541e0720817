/* SPDX-License-Identifier: MIT */
/*
 * A reader's journal: a ring of the last operations (DESIGN section 8). One writer at a time (the holder of the
 * reader's end lock), any number of readers that take no lock and hold nobody up. Writing allocates nothing.
 *
 * Each slot is a sequence lock: its version is odd while it is written. The words are atomics, so that a reader that
 * looks at a slot in mid-write reads old or new words but never something undefined; the version tells it to look again.
 */
#ifndef CLIENT_JOURNAL_H
#define CLIENT_JOURNAL_H

#include <smartcrd/smartcrd.h>

#include <stdatomic.h>

struct journal_slot;

struct journal {
    struct journal_slot *slots; /* mapped memory: pages that were never written cost nothing */
    uint32_t count;             /* a power of two */
    _Atomic uint64_t last;      /* the newest entry's sequence number; 0: none */
};

/* false: no memory. */
bool journal_create(struct journal *journal, uint32_t count);
void journal_destroy(struct journal *journal);

/* Add entry->sequence, which is one more than the last one. */
void journal_add(struct journal *journal, const struct smartcrd_journal_entry *entry);

/* Set the late status of an entry, if it is still there. */
void journal_late(struct journal *journal, uint64_t sequence, NTSTATUS late);

/* As smartcrd_journal. */
size_t journal_read(struct journal *journal, uint64_t since, struct smartcrd_journal_entry *entries, size_t count);

#endif
