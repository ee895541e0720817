/* SPDX-License-Identifier: MIT */
/*
 * Readers: finding, adding, removing. A reader is known by its device object; names are the host's business. Its device
 * goes when it has been removed and nobody holds it any more: no handle, no operation that a driver did not give back.
 */
#include "op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static struct reader **bucket_of(struct smartcrd *context, PDEVICE_OBJECT device)
{
    uintptr_t key = (uintptr_t)device;

    return &context->readers[(key >> 4 ^ key >> 14) & (context->bucket_count - 1)];
}

/* context->lock held for the next seven. */
static struct reader *known_reader(struct smartcrd *context, PDEVICE_OBJECT device)
{
    struct reader *reader = *bucket_of(context, device);

    while (reader && reader->device != device)
        reader = reader->next;
    return reader;
}

/* Out of the list of those that are present. Once is enough, twice does no harm. */
static void list_leave(struct reader *reader)
{
    RemoveEntryList(&reader->present);
    InitializeListHead(&reader->present);
}

static void forget(struct reader *reader)
{
    struct reader **link = bucket_of(reader->context, reader->device);

    while (*link != reader)
        link = &(*link)->next;
    *link = reader->next;
    reader->context->reader_count--;
    list_leave(reader);
    while (!IsListEmpty(&reader->panel_list)) /* they are being forgotten too */
        list_leave(CONTAINING_RECORD(reader->panel_list.Flink, struct reader, present));
}

/* Twice the buckets when there are more readers than buckets; without memory the chains just grow. */
static void grow(struct smartcrd *context)
{
    size_t old_count = context->bucket_count;
    struct reader **old = context->readers;
    struct reader **readers = calloc(old_count * 2, sizeof(*readers));

    if (!readers)
        return;
    context->readers = readers;
    context->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        struct reader *next;
        for (struct reader *reader = old[i]; reader; reader = next) {
            next = reader->next;
            reader->next = *bucket_of(context, reader->device);
            *bucket_of(context, reader->device) = reader;
        }
    }
    free(old);
}

static void reader_free(struct reader *reader)
{
    ObDereferenceObject(reader->device);
    journal_destroy(&reader->journal);
    pthread_mutex_destroy(&reader->queue_lock);
    pthread_mutex_destroy(&reader->end_lock);
    free(reader);
}

/* The driver's own name: the last component of \Driver\name. */
static void driver_name_of(PDEVICE_OBJECT device, char *name, size_t size)
{
    PUNICODE_STRING full = &device->DriverObject->DriverName;
    size_t length = full->Length / sizeof(WCHAR);
    size_t first = length;
    size_t i;

    while (first > 0 && full->Buffer[first - 1] != L'\\')
        first--;
    for (i = 0; first + i < length && i + 1 < size; i++)
        name[i] = (char)full->Buffer[first + i];
    name[i] = 0;
}

/* One pin, which stands for the presence of the device. */
static struct reader *reader_create(struct smartcrd *context, PDEVICE_OBJECT device, struct driver *driver)
{
    struct reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return NULL;
    if (!journal_create(&reader->journal, context->options.journal_entries)) {
        free(reader);
        return NULL;
    }
    ObReferenceObject(device); /* nothing else can be made at its address while this is known by it */
    reader->context = context;
    reader->device = device;
    reader->driver = driver;
    reader->pins = 1;
    atomic_init(&reader->cell, &reader->shadow);
    pthread_mutex_init(&reader->queue_lock, NULL);
    pthread_mutex_init(&reader->end_lock, NULL);
    driver_name_of(device, reader->driver_name, sizeof(reader->driver_name));
    InitializeListHead(&reader->panel_list);
    InitializeListHead(&reader->handles);
    InsertTailList(&context->present, &reader->present);
    if (context->reader_count >= context->bucket_count)
        grow(context);
    reader->next = *bucket_of(context, device);
    *bucket_of(context, device) = reader;
    context->reader_count++;
    return reader;
}

/* A removed reader of that name that is still on its way out. */
static bool is_going(struct smartcrd *context, const char *name)
{
    for (size_t i = 0; i < context->bucket_count; i++) {
        for (struct reader *reader = context->readers[i]; reader; reader = reader->next) {
            if (atomic_load(&reader->removed) && strcasecmp(reader->name, name) == 0)
                return true;
        }
    }
    return false;
}

/*
 * A panel "name-panel" goes with the reader "name" of the same driver: *parent receives that reader, or NULL.
 * STATUS_DEVICE_REMOVED: it is going, and the panel's device with it, which must not be touched then.
 */
static NTSTATUS find_parent(struct smartcrd *context, const char *name, struct reader **parent)
{
    char base[SMARTCRD_NAME_MAX];
    const char *dash = strrchr(name, '-');
    PDEVICE_OBJECT device;

    *parent = NULL;
    if (!dash || (size_t)(dash - name) >= sizeof(base))
        return STATUS_SUCCESS;
    memcpy(base, name, (size_t)(dash - name));
    base[dash - name] = 0;
    device = nt_find(context->host, base);
    if (!device)
        return is_going(context, base) ? STATUS_DEVICE_REMOVED : STATUS_SUCCESS;
    *parent = known_reader(context, device);
    if (!*parent)
        *parent = reader_create(context, device, NULL);
    if (!*parent)
        return STATUS_INSUFFICIENT_RESOURCES;
    return atomic_load(&(*parent)->removed) ? STATUS_DEVICE_REMOVED : STATUS_SUCCESS;
}

/* A device that nobody knows yet. */
static NTSTATUS make_known(struct smartcrd *context, PDEVICE_OBJECT device, struct reader *parent, struct reader **made)
{
    char driver_name[DRIVER_NAME_SIZE];
    struct driver *driver;

    driver_name_of(device, driver_name, sizeof(driver_name));
    driver = driver_find(context, driver_name);
    if (driver && driver->unloading)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    *made = reader_create(context, device, NULL);
    if (!*made)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (parent && parent->device->DriverObject == device->DriverObject) {
        (*made)->parent = parent;
        list_leave(*made);
        InsertTailList(&parent->panel_list, &(*made)->present);
        parent->pins++;
        parent->panels++;
    }
    return STATUS_SUCCESS;
}

/* Find it without pinning it. context->lock held. */
static NTSTATUS look_up(struct smartcrd *context, const char *name, struct reader **found)
{
    PDEVICE_OBJECT device = nt_find(context->host, name);
    struct reader *parent;
    NTSTATUS status;

    if (!device)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    *found = known_reader(context, device);
    if (!*found) {
        status = find_parent(context, name, &parent);
        if (NT_SUCCESS(status))
            status = make_known(context, device, parent, found);
        if (!NT_SUCCESS(status))
            return status;
    }
    return atomic_load(&(*found)->removed) ? STATUS_DEVICE_REMOVED : STATUS_SUCCESS;
}

NTSTATUS reader_find(struct smartcrd *context, const char *name, struct reader **reader)
{
    NTSTATUS status;

    pthread_mutex_lock(&context->lock);
    status = look_up(context, name, reader);
    if (NT_SUCCESS(status))
        (*reader)->pins++;
    pthread_mutex_unlock(&context->lock);
    return status;
}

void reader_unpin(struct reader *reader)
{
    struct smartcrd *context = reader->context;

    while (reader) {
        struct reader *parent = NULL;
        bool gone;

        pthread_mutex_lock(&context->lock);
        gone = --reader->pins == 0;
        pthread_cond_broadcast(&context->changed);
        pthread_mutex_unlock(&context->lock);
        if (!gone)
            return;
        /* A panel's own device goes with its reader's. */
        if (!reader->parent && reader->driver) {
            struct nt_held held = context_hold(context);
            struct nt_host *before = nt_enter(context->host);
            nt_device_remove(reader->device);
            nt_enter(before);
            context_release(held);
        }
        pthread_mutex_lock(&context->lock);
        parent = reader->parent;
        if (parent)
            parent->panels--;
        forget(reader);
        pthread_cond_broadcast(&context->changed);
        pthread_mutex_unlock(&context->lock);
        reader_free(reader);
        reader = parent;
    }
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

/* Enter a new device in the books. *late: somebody has removed it already and left the device to the caller. NULL: no
 * memory. */
static struct reader *enter_device(struct smartcrd *context, PDEVICE_OBJECT device, struct driver *driver,
                                   const char *name, bool *late)
{
    struct reader *reader;

    pthread_mutex_lock(&context->lock);
    reader = known_reader(context, device);
    if (!reader)
        reader = reader_create(context, device, driver);
    else
        reader->driver = driver; /* somebody was quick and opened it already */
    *late = reader && reader->taken;
    if (reader)
        snprintf(reader->name, sizeof(reader->name), "%s", name);
    pthread_mutex_unlock(&context->lock);
    return reader;
}

/* Inside the host. */
static NTSTATUS add_device(struct smartcrd *context, struct driver *driver, char *name, size_t size)
{
    struct reader *reader;
    PDEVICE_OBJECT device;
    NTSTATUS status, named;
    bool late;

    status = nt_device_add(driver->nt, &device);
    if (!NT_SUCCESS(status))
        return status;
    /* Before it is in the books, from where another thread could remove it. */
    named = nt_device_name(device, name, size);
    reader = enter_device(context, device, driver, NT_SUCCESS(named) ? name : "", &late);
    if (!reader) {
        nt_device_surprise(device);
        nt_device_remove(device);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (late) {
        nt_device_surprise(device);
        reader_unpin(reader);
    } else if (!NT_SUCCESS(named))
        reader_take_away(context, device); /* the caller could never open or remove it */
    return named;
}

NTSTATUS smartcrd_add_reader(struct smartcrd *context, const char *name, char *reader_name, size_t name_size)
{
    struct driver *driver;
    struct nt_host *before;
    struct nt_held held;
    NTSTATUS status;

    if (!context || !name || !reader_name || name_size == 0)
        return STATUS_INVALID_PARAMETER;
    pthread_mutex_lock(&context->lock);
    driver = driver_find(context, name);
    if (driver && driver->nt && !driver->unloading)
        driver->busy++;
    else
        driver = NULL;
    pthread_mutex_unlock(&context->lock);
    if (!driver)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    held = context_hold(context);
    before = nt_enter(context->host);
    status = add_device(context, driver, reader_name, name_size);
    nt_enter(before);
    context_release(held);
    pthread_mutex_lock(&context->lock);
    driver->busy--;
    pthread_mutex_unlock(&context->lock);
    return status;
}

/* ---- removing ---------------------------------------------------------------------------------------------------- */

/* Claim what is in flight on every handle of a removed reader. */
static void sweep(struct reader *reader)
{
    struct smartcrd *context = reader->context;
    struct smartcrd_handle *handle;

    do {
        pthread_mutex_lock(&context->lock);
        /* Nobody enters the list any more, and those that were seen are at its end. */
        handle = IsListEmpty(&reader->handles) ? NULL
                                               : CONTAINING_RECORD(reader->handles.Flink, struct smartcrd_handle, open);
        if (handle && handle->swept)
            handle = NULL;
        if (handle) {
            RemoveEntryList(&handle->open);
            InsertTailList(&reader->handles, &handle->open);
            handle->swept = true;
            handle_ref(handle);
        }
        pthread_mutex_unlock(&context->lock);
        if (handle) {
            handle_claim_all(handle, OP_REMOVAL);
            handle_unref(handle, false);
        }
    } while (handle);
}

/* From now on nothing goes to the driver. false: it was so already. context->lock held. */
static bool mark_removed(struct reader *reader)
{
    if (atomic_exchange(&reader->removed, true))
        return false;
    reader->pins++; /* the remover's */
    list_leave(reader);
    ending_seal(reader);
    return true;
}

/* The next panel of a reader that is not marked yet, marked and pinned. */
static struct reader *next_panel(struct reader *reader)
{
    struct smartcrd *context = reader->context;
    struct reader *found = NULL;

    pthread_mutex_lock(&context->lock);
    if (!IsListEmpty(&reader->panel_list)) {
        found = CONTAINING_RECORD(reader->panel_list.Flink, struct reader, present);
        mark_removed(found);
    }
    pthread_mutex_unlock(&context->lock);
    return found;
}

/* The rest of a removal, after mark_removed: end everything, tell the driver, give the remover's pin back, and that of
 * its presence. */
static void take_away(struct reader *reader)
{
    struct smartcrd *context = reader->context;
    struct reader *panel;
    struct nt_held held = context_hold(context);
    struct nt_host *before;
    bool added;

    sweep(reader);
    while ((panel = next_panel(reader))) {
        sweep(panel);
        reader_unpin(panel); /* ours, and its presence */
        reader_unpin(panel);
    }
    pthread_mutex_lock(&context->lock);
    reader->taken = true; /* from here on enter_device's caller does what follows */
    added = reader->driver != NULL;
    pthread_mutex_unlock(&context->lock);
    if (added) {
        before = nt_enter(context->host);
        nt_device_surprise(reader->device);
        nt_enter(before);
        nt_device_settle(reader->device);
        reader_unpin(reader);
    } else {
        nt_device_settle(reader->device);
    }
    reader_unpin(reader);
    context_release(held);
}

void reader_take_away(struct smartcrd *context, PDEVICE_OBJECT device)
{
    struct reader *reader;
    bool ours;

    pthread_mutex_lock(&context->lock);
    reader = known_reader(context, device);
    ours = reader && mark_removed(reader);
    pthread_mutex_unlock(&context->lock);
    if (ours)
        take_away(reader);
}

NTSTATUS smartcrd_remove_reader(struct smartcrd *context, const char *name)
{
    struct reader *reader;
    NTSTATUS status;

    if (!context || !name)
        return STATUS_INVALID_PARAMETER;
    pthread_mutex_lock(&context->lock);
    status = look_up(context, name, &reader);
    if (NT_SUCCESS(status) && (reader->parent || !mark_removed(reader)))
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    pthread_mutex_unlock(&context->lock);
    if (NT_SUCCESS(status))
        take_away(reader);
    return status == STATUS_DEVICE_REMOVED ? STATUS_OBJECT_NAME_NOT_FOUND : status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* One that is to be taken away, marked; or NULL. */
static struct reader *next_present(struct smartcrd *context)
{
    struct reader *found = NULL;

    pthread_mutex_lock(&context->lock);
    if (!IsListEmpty(&context->present)) {
        found = CONTAINING_RECORD(context->present.Flink, struct reader, present);
        mark_removed(found);
    }
    pthread_mutex_unlock(&context->lock);
    return found;
}

/* Wait until something about a reader has changed, at most for a second: handles that find no thread to close on tell
 * nobody. context->lock held; given back meanwhile. */
static void wait_for_change(struct smartcrd *context)
{
    struct timespec soon;

    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec++;
    pthread_cond_timedwait(&context->changed, &context->lock, &soon);
}

/* The same in simulated time, which has to go on for it; other threads' changes are looked for now and then. */
static void advance_for_change(struct smartcrd *context)
{
    uint64_t passed;

    pthread_mutex_unlock(&context->lock);
    if (!nt_advance(context->host, UINT64_MAX, &passed))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    pthread_mutex_lock(&context->lock);
}

void readers_remove_all(struct smartcrd *context)
{
    struct reader *reader;

    while ((reader = next_present(context)))
        take_away(reader);
    /* What is left then are devices of DriverEntry's, which nobody has open. */
    pthread_mutex_lock(&context->lock);
    while (!readers_forget(context, NULL)) {
        if (context->options.simulated_time)
            advance_for_change(context);
        else
            wait_for_change(context);
        pthread_mutex_unlock(&context->lock);
        handle_adopt_orphans(context);
        pthread_mutex_lock(&context->lock);
    }
    pthread_mutex_unlock(&context->lock);
}

/* Whether somebody has it open, or it is a device that can only go by being removed. */
static bool in_use(struct reader *reader)
{
    return reader->driver || reader->pins != 1 + reader->panels;
}

bool readers_forget(struct smartcrd *context, const char *driver)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < context->bucket_count; i++) {
            struct reader *next;
            for (struct reader *reader = context->readers[i]; reader; reader = next) {
                next = reader->next;
                if (driver && strcmp(reader->driver_name, driver) != 0)
                    continue;
                if (pass == 0 && in_use(reader))
                    return false;
                if (pass == 1) {
                    forget(reader);
                    reader_free(reader);
                }
            }
        }
    }
    return true;
}
