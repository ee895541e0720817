/* SPDX-License-Identifier: MIT */
/*
 * How a dispatcher object keeps its state in the structure that Windows' sizes leave us: one atomic word, SignalState.
 *
 *   bit 0      WAITERS: somebody is parked for this object, so whoever signals it must look into the parking lot
 *   bits 1-31  the count: 0 or 1 for events, timers, threads and mutexes (1: free), 0...Limit for semaphores
 *
 * One word, not two, because a signalled object may be freed by whoever it released: after the read-modify-write that
 * signals, the object is not touched again (unless somebody is parked, who cannot leave without the bucket's lock).
 */
#ifndef SMARTCRD_NT_WAIT_H
#define SMARTCRD_NT_WAIT_H

#include <smartcrd/wdm.h>

#define WAITERS     1
#define ONE         2 /* a count of one */
#define COUNT(word) ((word) >> 1)

#define OBJECT_MAGIC 0xA5

enum object_type {
    OBJECT_NOTIFICATION_EVENT = 0,
    OBJECT_SYNCHRONIZATION_EVENT = 1,
    OBJECT_MUTANT = 2,
    OBJECT_SEMAPHORE = 5,
    OBJECT_THREAD = 6,
    OBJECT_NOTIFICATION_TIMER = 8,
    OBJECT_SYNCHRONIZATION_TIMER = 9,
    OBJECT_NAP = 0x70, /* none of Windows': the end of a wait in simulated time */
};

static inline void object_init(DISPATCHER_HEADER *header, enum object_type type, LONG count)
{
    header->Type = (UCHAR)type;
    header->Magic = OBJECT_MAGIC;
    header->Size = 0;
    header->Inserted = 0;
    header->WaitListHead.Flink = NULL;
    header->WaitListHead.Blink = NULL;
    __atomic_store_n(&header->SignalState, count * ONE, __ATOMIC_RELEASE);
}

static inline void object_check(const DISPATCHER_HEADER *header, const char *function)
{
    if (header->Magic != OBJECT_MAGIC) {
        host_fail(function, "the object at %p was never initialised", (const void *)header);
    }
}

#endif
