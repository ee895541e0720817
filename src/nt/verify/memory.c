/* SPDX-License-Identifier: MIT */
/*
 * Pool of watched drivers: each block has a guard on both sides; one that was freed is filled with a pattern and kept
 * for a while, so that freeing it again does no harm, and writing to it is found.
 */
#include "verify.h"

#include <stdlib.h>
#include <string.h>

#define GUARD_SIZE 32
#define GUARD_BYTE 0xB5
#define FREED_BYTE 0xDD
#define BUCKETS    1024
#define KEPT_MAX   256     /* freed blocks that are kept, */
#define KEPT_BYTES 1048576 /* and their bytes */

struct block {
    LIST_ENTRY chain; /* by address; guarded by pool_lock, like everything below */
    LIST_ENTRY kept;  /* of freed ones, the oldest first */
    struct nt_driver *driver;
    const void *made_in, *freed_in; /* routines of the driver */
    size_t size;
    bool freed;
    _Alignas(16) uint8_t guard[GUARD_SIZE]; /* the driver's bytes follow, and another guard */
};

size_t verify_pool_blocks;

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool ready;
    LIST_ENTRY buckets[BUCKETS];
    LIST_ENTRY kept;
    size_t kept_count, kept_bytes;
} pool;

static uint8_t *bytes_of(struct block *block)
{
    return block->guard + GUARD_SIZE;
}

static PLIST_ENTRY bucket_of(const void *bytes)
{
    return &pool.buckets[((uintptr_t)bytes >> 4 ^ (uintptr_t)bytes >> 14) % BUCKETS];
}

static bool guards_intact(struct block *block)
{
    return verify_intact(block->guard, GUARD_SIZE, GUARD_BYTE) &&
           verify_intact(bytes_of(block) + block->size, GUARD_SIZE, GUARD_BYTE);
}

static void fill_guards(struct block *block)
{
    memset(block->guard, GUARD_BYTE, GUARD_SIZE);
    memset(bytes_of(block) + block->size, GUARD_BYTE, GUARD_SIZE);
}

/* Everything below up to the next line with pool_lock held. */

static struct block *find(const void *bytes)
{
    PLIST_ENTRY bucket = bucket_of(bytes);

    for (PLIST_ENTRY entry = bucket->Flink; pool.ready && entry != bucket; entry = entry->Flink) {
        struct block *block = CONTAINING_RECORD(entry, struct block, chain);

        if (bytes_of(block) == bytes) {
            return block;
        }
    }
    return NULL;
}

static void enter(struct block *block)
{
    if (!pool.ready) {
        for (size_t i = 0; i < BUCKETS; i++) {
            InitializeListHead(&pool.buckets[i]);
        }
        InitializeListHead(&pool.kept);
        pool.ready = true;
    }
    InsertTailList(bucket_of(bytes_of(block)), &block->chain);
    __atomic_fetch_add(&verify_pool_blocks, 1, __ATOMIC_RELAXED);
}

static void keep(struct block *block)
{
    block->freed = true;
    memset(bytes_of(block), FREED_BYTE, block->size);
    InsertTailList(&pool.kept, &block->kept);
    pool.kept_count++;
    pool.kept_bytes += block->size;
}

static void take_out(struct block *block)
{
    RemoveEntryList(&block->chain);
    if (block->freed) {
        RemoveEntryList(&block->kept);
        pool.kept_count--;
        pool.kept_bytes -= block->size;
    }
    __atomic_fetch_sub(&verify_pool_blocks, 1, __ATOMIC_RELAXED);
}

/* The oldest kept block, when there are too many. */
static struct block *surplus(void)
{
    struct block *oldest = NULL;

    if (pool.kept_count > KEPT_MAX || (pool.kept_bytes > KEPT_BYTES && pool.kept_count > 1)) {
        oldest = CONTAINING_RECORD(pool.kept.Flink, struct block, kept);
        take_out(oldest);
    }
    return oldest;
}

/* ---- without the lock -------------------------------------------------------------------------------------------- */

/* It is in no list any more. */
static void let_go(struct block *block)
{
    if (block->freed && !(verify_intact(bytes_of(block), block->size, FREED_BYTE) && guards_intact(block))) {
        verify_report_driver(VERIFY_POOL_USED, block->driver, block->freed_in,
                             "a block of %zu bytes was written to after it had been freed here", block->size);
    }
    free(block);
}

PVOID verify_pool_allocate(SIZE_T size, bool zero)
{
    struct block *block = malloc(sizeof(*block) + size + GUARD_SIZE);

    if (block == NULL) {
        return NULL;
    }
    memset(block, 0, sizeof(*block));
    block->driver = host_cpu.Frame->driver;
    block->made_in = host_cpu.Frame->routine;
    block->size = size;
    fill_guards(block);
    memset(bytes_of(block), zero ? 0 : GUARD_BYTE, size);
    pthread_mutex_lock(&pool_lock);
    enter(block);
    pthread_mutex_unlock(&pool_lock);
    return bytes_of(block);
}

static void report(enum verify_rule rule, const struct block *block, const char *words)
{
    if (host_cpu.Frame != NULL) {
        verify_report(rule, words, block->size);
    } else {
        verify_report_driver(rule, block->driver, block->made_in, words, block->size);
    }
}

bool verify_pool_free(PVOID bytes)
{
    struct block *block, *oldest = NULL;
    struct block seen; /* as it was: once it is kept, another thread may be rid of it */
    bool overrun = false;

    pthread_mutex_lock(&pool_lock);
    block = find(bytes);
    if (block != NULL) {
        seen = *block;
        overrun = !seen.freed && !guards_intact(block);
    }
    if (block != NULL && !seen.freed) {
        fill_guards(block);
        block->freed_in = host_cpu.Frame != NULL ? host_cpu.Frame->routine : NULL;
        keep(block);
        oldest = surplus();
    }
    pthread_mutex_unlock(&pool_lock);
    if (block == NULL) {
        return false;
    }
    if (seen.freed) {
        report(VERIFY_POOL_FREED, &seen, "a block of %zu bytes was freed for the second time");
    }
    if (overrun) {
        report(VERIFY_POOL_OVERRUN, &seen, "the bytes before or behind a block of %zu bytes were overwritten");
    }
    if (oldest != NULL) {
        let_go(oldest);
    }
    return true;
}

/* The next of the driver's blocks, taken out. */
static struct block *take_of(const struct nt_driver *driver)
{
    struct block *found = NULL;

    pthread_mutex_lock(&pool_lock);
    for (size_t i = 0; pool.ready && i < BUCKETS && found == NULL; i++) {
        for (PLIST_ENTRY e = pool.buckets[i].Flink; e != &pool.buckets[i] && found == NULL; e = e->Flink) {
            struct block *block = CONTAINING_RECORD(e, struct block, chain);

            found = block->driver == driver ? block : NULL;
        }
    }
    if (found != NULL) {
        take_out(found);
    }
    pthread_mutex_unlock(&pool_lock);
    return found;
}

void verify_pool_unload(struct nt_driver *driver)
{
    struct block *block;

    while ((block = take_of(driver)) != NULL) {
        if (!block->freed) {
            verify_report_driver(VERIFY_POOL_LEFT, driver, block->made_in,
                                 "a block of %zu bytes that was allocated here was never freed", block->size);
        }
        let_go(block);
    }
}
