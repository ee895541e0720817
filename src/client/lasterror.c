/* SPDX-License-Identifier: MIT */
/*
 * The last error: what is stored when, and in which order (DESIGN section 4).
 *
 * Every operation's end passes through ending_record exactly once, under its reader's end_lock: the status is stored,
 * the operation gets its sequence number, the journal gets its entry; only afterwards can anyone see that it has ended.
 * So the order of the stores is the order of the sequence numbers, and whoever has seen an end finds its status or a
 * later one. Queries read the cell through the library and take no lock.
 *
 * The cell is the extension's LastError from the moment on in which the library first shows it; before that, and after
 * the device has gone, the reader's shadow stands in.
 */
#include "op.h"

#include <stdio.h>
#include <string.h>

static ULONG cell_read(struct reader *reader)
{
    return __atomic_load_n(atomic_load_explicit(&reader->cell, memory_order_relaxed), __ATOMIC_RELAXED);
}

/* end_lock held. Release: whoever reads the value in the library's way sees what was done before. */
static void cell_store(struct reader *reader, NTSTATUS status)
{
    reader->known = (ULONG)status;
    __atomic_store_n(atomic_load_explicit(&reader->cell, memory_order_relaxed), (ULONG)status, __ATOMIC_RELEASE);
}

/* The library shows its cell: what is known moves there, unless nothing ever ended here and the driver's value counts. */
static void cell_bind(struct reader *reader, volatile ULONG *cell)
{
    pthread_mutex_lock(&reader->end_lock);
    if (!reader->sealed && atomic_load_explicit(&reader->cell, memory_order_relaxed) != cell) {
        /* The value first: a query that finds the pointer there takes no lock, and must find the value moved. */
        if (atomic_load_explicit(&reader->journal.last, memory_order_relaxed) > 0)
            __atomic_store_n(cell, reader->known, __ATOMIC_RELAXED);
        else
            reader->known = __atomic_load_n(cell, __ATOMIC_RELAXED);
        /* Release: for that. */
        atomic_store_explicit(&reader->cell, cell, memory_order_release);
    }
    pthread_mutex_unlock(&reader->end_lock);
}

static BOOLEAN records_last_error(void *context, volatile ULONG *cell)
{
    struct watch *watch = context;

    if (atomic_load_explicit(&watch->reader->cell, memory_order_acquire) != cell)
        cell_bind(watch->reader, cell);
    return TRUE;
}

static void step(void *context, enum host_layer layer, const char *words)
{
    struct watch *watch = context;

    if (!watch->op)
        return;
    pthread_mutex_lock(&watch->reader->end_lock);
    if (watch->op->sequence == 0) {
        watch->op->layer = layer;
        snprintf(watch->op->step, sizeof(watch->op->step), "%s", words);
    }
    pthread_mutex_unlock(&watch->reader->end_lock);
}

static void count(void *context, ULONG retransmissions, ULONG waiting_time_extensions)
{
    struct watch *watch = context;

    if (!watch->op)
        return;
    pthread_mutex_lock(&watch->reader->end_lock);
    watch->op->retransmissions += retransmissions;
    watch->op->waiting_time_extensions += waiting_time_extensions;
    pthread_mutex_unlock(&watch->reader->end_lock);
}

static void identify(void *context, struct nt_identity *identity)
{
    struct watch *watch = context;

    if (!watch->op)
        return;
    identity->id = watch->op->id;
    identity->handle = watch->op->handle->number;
}

const struct nt_observer client_observer = {
    .records_last_error = records_last_error,
    .step = step,
    .count = count,
    .identify = identify,
};

/* Whether the driver stored this operation's result by itself, as Microsoft's page asks: only one that it pended and
 * completed counts, and only when the value is not the one that was stored here last. */
static bool driver_stored(struct op *op, uint32_t claim)
{
    return claim == 0 && op->pended && !op->tracking && cell_read(op->watch.reader) != op->watch.reader->known;
}

/* What a claim means for the journal. */
static void claim_words(struct op *op, uint32_t claim, char *words, size_t size)
{
    bool started = atomic_load_explicit(&op->started_ns, memory_order_relaxed) != 0;
    const char *where = started ? "while the driver had the request" : "while the request waited for its turn";
    char time[48];
    const char *what = "cancelled";

    if (claim == OP_DEADLINE) {
        snprintf(time, sizeof(time), "deadline of %u ms passed", op->timeout_ms);
        what = time;
    } else if (claim == OP_REMOVAL) {
        what = "reader removed";
    } else if (claim == OP_NO_RESOURCES) {
        what = "no thread or memory to go on";
    }
    /* The driver's own last words say more than the place; their end is cut when there is no room. */
    if (op->step[0] != 0) {
        size_t used = (size_t)snprintf(words, size, "%s; the driver was at: ", what);

        snprintf(words + used, size - used, "%.*s", (int)(size - used - 1), op->step);
    } else {
        snprintf(words, size, "%s %s", what, where);
    }
}

static void fill_entry(struct op *op, uint32_t claim, struct smartcrd_journal_entry *entry)
{
    entry->request = op->id;
    entry->handle = op->handle->number;
    entry->code = op->code;
    entry->minor = op->minor;
    entry->late = op->late;
    entry->layer = (enum smartcrd_layer)op->layer;
    entry->submitted_ns = op->submitted_ns;
    entry->started_ns = atomic_load_explicit(&op->started_ns, memory_order_relaxed);
    entry->ended_ns = nt_time(op->handle->context->host);
    entry->bytes_in = op->in_size;
    entry->retransmissions = op->retransmissions;
    entry->waiting_time_extensions = op->waiting_time_extensions;
    memcpy(entry->command, op->command, sizeof(entry->command));
    entry->command_size = op->command_size;
    if (claim != 0) {
        entry->layer = SMARTCRD_LAYER_HOST;
        claim_words(op, claim, entry->step, sizeof(entry->step));
    } else {
        memcpy(entry->step, op->step, sizeof(entry->step));
    }
}

/* end_lock held: the one place where a status becomes the last error. */
static void record(struct reader *reader, struct smartcrd_journal_entry *entry, bool honour_driver)
{
    if (honour_driver)
        reader->known = cell_read(reader);
    else
        cell_store(reader, entry->status);
    entry->sequence = atomic_load_explicit(&reader->journal.last, memory_order_relaxed) + 1;
    journal_add(&reader->journal, entry);
}

void ending_record(struct op *op, uint32_t claim, NTSTATUS status, size_t information)
{
    struct reader *reader = op->watch.reader;
    struct smartcrd_journal_entry entry;

    memset(&entry, 0, sizeof(entry));
    pthread_mutex_lock(&reader->end_lock);
    fill_entry(op, claim, &entry);
    entry.status = status;
    entry.bytes_out = (uint32_t)information;
    record(reader, &entry, driver_stored(op, claim));
    op->sequence = entry.sequence;
    pthread_mutex_unlock(&reader->end_lock);
}

void ending_late(struct op *op, NTSTATUS status)
{
    struct reader *reader = op->watch.reader;

    pthread_mutex_lock(&reader->end_lock);
    op->late = status;
    if (op->sequence != 0)
        journal_late(&reader->journal, op->sequence, status);
    /* The driver stored the result that nobody wants any more: what ended last is still what ended last. */
    if (cell_read(reader) != reader->known)
        cell_store(reader, (NTSTATUS)reader->known);
    pthread_mutex_unlock(&reader->end_lock);
}

NTSTATUS ending_refuse(struct smartcrd_handle *handle, const struct call *call, uint64_t id, NTSTATUS status,
                       const char *words, uint64_t *sequence)
{
    struct reader *reader = handle->reader;
    struct smartcrd_journal_entry entry;

    memset(&entry, 0, sizeof(entry));
    entry.request = id;
    entry.handle = handle->number;
    entry.code = call->request->code;
    entry.status = status;
    entry.late = STATUS_PENDING;
    entry.layer = SMARTCRD_LAYER_HOST;
    snprintf(entry.step, sizeof(entry.step), "%s", words);
    entry.submitted_ns = nt_time(handle->context->host);
    entry.ended_ns = entry.submitted_ns;
    pthread_mutex_lock(&reader->end_lock);
    record(reader, &entry, false);
    pthread_mutex_unlock(&reader->end_lock);
    if (sequence)
        *sequence = entry.sequence;
    return status;
}

void ending_seal(struct reader *reader)
{
    pthread_mutex_lock(&reader->end_lock);
    if (!reader->sealed) {
        reader->sealed = true;
        /* Atomic: where the library never showed its cell, the shadow is being read already. */
        __atomic_store_n(&reader->shadow, reader->known, __ATOMIC_RELAXED);
        atomic_store_explicit(&reader->cell, &reader->shadow, memory_order_release);
    }
    pthread_mutex_unlock(&reader->end_lock);
}

ULONG ending_last(struct reader *reader)
{
    return __atomic_load_n(atomic_load_explicit(&reader->cell, memory_order_acquire), __ATOMIC_ACQUIRE);
}
