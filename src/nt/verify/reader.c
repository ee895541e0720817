/* SPDX-License-Identifier: MIT */
/*
 * What the verifier knows of a reader's SMARTCARD_EXTENSION, between SmartcardInitialize and SmartcardExit: what
 * OsData->SpinLock guards, the callbacks, the remove lock, and what a request's end leaves in it.
 *
 * The guarded fields are compared with a copy that was taken when the spin lock was given back last: each time it is
 * taken, and when the driver's routines are entered and return, if it is free then. Reads cannot be seen.
 */
#include "verify.h"

#include <smartcrd/smclib.h>

#include <sched.h>
#include <stdlib.h>

#define TAGS_MAX   16 /* that are told apart */
#define BUCKETS    256
#define RELEASE_MS 5000 /* how long a removal waits for the remove lock */
#define COUNT_ASIDE                                                                                                    \
    0x40000000L /* keeps RemoveLock.RefCount below 0, where the library asks the host (smclib/locks.c) */

struct tag {
    ULONG tag;
    LONG count;
    const void *routine; /* that acquired it */
};

struct watch {
    struct watch *next;
    PSMARTCARD_EXTENSION ext;
    struct nt_driver *driver;
    BOOLEAN used; /* atomic, acquire and release: the copy below is there */

    /* The copy; guarded by OsData->SpinLock itself. */
    ULONG state;
    PIRP current, notification;

    LONG callbacks; /* atomic: that run */

    pthread_mutex_t tags_lock; /* guards everything below */
    struct tag tags[TAGS_MAX];
    LONG total, untold; /* shares; those of them that have no row */
    BOOLEAN removed;
};

/* Of all hosts: whoever takes a spin lock may be in none. */
static pthread_mutex_t watches_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the chains */
static struct watch *watches[BUCKETS];                           /* by the address of the spin lock */

static struct watch **bucket_of(const void *lock)
{
    return &watches[((uintptr_t)lock >> 4 ^ (uintptr_t)lock >> 12) % BUCKETS];
}

static PKSPIN_LOCK lock_of(const struct watch *watch)
{
    return &watch->ext->OsData->SpinLock;
}

/* What the library or a driver says is there stays there meanwhile. */
static struct watch *find(const KSPIN_LOCK *lock)
{
    struct watch *watch;

    pthread_mutex_lock(&watches_lock);
    watch = *bucket_of(lock);
    while (watch != NULL && lock_of(watch) != lock) {
        watch = watch->next;
    }
    pthread_mutex_unlock(&watches_lock);
    return watch;
}

static struct watch *find_extension(PSMARTCARD_EXTENSION ext)
{
    return ext->OsData != NULL && ext->OsData->RemoveLock.Removed == HOST_REMOVE_LOCK_WATCHED
               ? find(&ext->OsData->SpinLock)
               : NULL;
}

/* In the device's extension, where drivers have it. One that is elsewhere is watched less closely. */
static bool is_of(const struct watch *watch, PDEVICE_OBJECT device)
{
    const char *begin = device->DeviceExtension;

    return begin != NULL && (const char *)watch->ext >= begin &&
           (const char *)watch->ext < begin + device->Reserved->extension_size;
}

static struct watch *find_device(PDEVICE_OBJECT device)
{
    struct watch *found = NULL;

    pthread_mutex_lock(&watches_lock);
    for (size_t i = 0; i < BUCKETS && found == NULL; i++) {
        found = watches[i];
        while (found != NULL && !is_of(found, device)) {
            found = found->next;
        }
    }
    pthread_mutex_unlock(&watches_lock);
    return found;
}

/* ---- the spin lock ------------------------------------------------------------------------------------------------ */

static KSPIN_LOCK self(void)
{
    return (KSPIN_LOCK)&host_cpu | VERIFY_WATCHED_LOCK;
}

static bool holds(const struct watch *watch)
{
    return __atomic_load_n(lock_of(watch), __ATOMIC_RELAXED) == self();
}

static bool try_hold(struct watch *watch)
{
    KSPIN_LOCK expected = VERIFY_WATCHED_LOCK;

    return __atomic_compare_exchange_n(lock_of(watch), &expected, self(), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Take it without anybody noticing. false: this thread had it. */
static bool hold(struct watch *watch)
{
    if (holds(watch)) {
        return false;
    }
    while (!try_hold(watch)) {
        sched_yield();
    }
    return true;
}

static void let_go(struct watch *watch)
{
    __atomic_store_n(lock_of(watch), VERIFY_WATCHED_LOCK, __ATOMIC_RELEASE);
}

static void copy(struct watch *watch)
{
    watch->state = watch->ext->ReaderCapabilities.CurrentState;
    watch->current = watch->ext->OsData->CurrentIrp;
    watch->notification = watch->ext->OsData->NotificationIrp;
}

/* Which of the fields is not what it was; NULL: all are. The lock is held. */
static const char *changed(const struct watch *watch)
{
    if (watch->state != watch->ext->ReaderCapabilities.CurrentState) {
        return "ReaderCapabilities.CurrentState";
    }
    if (watch->current != watch->ext->OsData->CurrentIrp) {
        return "OsData->CurrentIrp";
    }
    return watch->notification != watch->ext->OsData->NotificationIrp ? "OsData->NotificationIrp" : NULL;
}

#define UNLOCKED_CHANGE "%s was changed while nobody held OsData->SpinLock"

static void report_change(struct nt_driver *driver, const char *field)
{
    if (host_cpu.Frame != NULL) {
        verify_report(VERIFY_STATE, UNLOCKED_CHANGE, field);
    } else {
        verify_report_driver(VERIFY_STATE, driver, NULL, UNLOCKED_CHANGE, field);
    }
}

void verify_spin_acquired(PKSPIN_LOCK lock)
{
    struct watch *watch = find(lock);
    const char *field;

    if (watch != NULL && __atomic_load_n(&watch->used, __ATOMIC_ACQUIRE) && (field = changed(watch)) != NULL) {
        report_change(watch->driver, field);
        copy(watch);
    }
}

void verify_spin_releasing(PKSPIN_LOCK lock)
{
    struct watch *watch = find(lock);

    if (watch != NULL && __atomic_load_n(&watch->used, __ATOMIC_ACQUIRE)) {
        copy(watch);
    }
}

/* When the lock is free at the moment. */
static const char *look(struct watch *watch)
{
    const char *field;

    if (!__atomic_load_n(&watch->used, __ATOMIC_ACQUIRE) || !try_hold(watch)) {
        return NULL;
    }
    field = changed(watch);
    copy(watch);
    let_go(watch);
    return field;
}

void verify_state_check(struct nt_driver *driver)
{
    const char *field = NULL;

    pthread_mutex_lock(&watches_lock);
    for (size_t i = 0; i < BUCKETS && field == NULL; i++) {
        for (struct watch *w = watches[i]; w != NULL && field == NULL; w = w->next) {
            field = w->driver == driver ? look(w) : NULL;
        }
    }
    pthread_mutex_unlock(&watches_lock);
    if (field != NULL) {
        report_change(driver, field);
    }
}

void verify_reader_used(PDEVICE_OBJECT device)
{
    struct watch *watch = find_device(device);

    if (watch != NULL && !__atomic_load_n(&watch->used, __ATOMIC_ACQUIRE)) {
        hold(watch);
        copy(watch);
        __atomic_store_n(&watch->used, TRUE, __ATOMIC_RELEASE);
        let_go(watch);
    }
}

/* ---- a request's end --------------------------------------------------------------------------------------------- */

static bool is_query(ULONG code)
{
    return code == IOCTL_SMARTCARD_GET_LAST_ERROR || code == IOCTL_SMARTCARD_GET_STATE ||
           code == IOCTL_SMARTCARD_GET_ATTRIBUTE || code == IOCTL_SMARTCARD_GET_PERF_CNTR;
}

void verify_reader_completion(struct verify_request *request, PIRP irp, PDEVICE_OBJECT device, NTSTATUS status,
                              bool pended, bool stored)
{
    struct verify_about about;
    struct watch *watch;
    bool held, current, notification;
    const char *field = NULL;

    verify_request_about(request, &about);
    watch = about.major == IRP_MJ_DEVICE_CONTROL ? find_device(device) : NULL;
    if (watch == NULL) {
        return;
    }
    if (pended && !stored && !is_query(about.code) &&
        __atomic_load_n(&watch->ext->LastError, __ATOMIC_RELAXED) != (ULONG)status) {
        verify_report_request(VERIFY_LAST_ERROR, request, NULL,
                              "it ended with the status 0x%08X, which was not stored in LastError", (unsigned)status);
    }
    held = hold(watch);
    if (held && watch->used) {
        field = changed(watch);
    }
    current = pended && watch->ext->OsData->CurrentIrp == irp;
    notification = watch->ext->OsData->NotificationIrp == irp;
    if (current) {
        watch->ext->OsData->CurrentIrp = NULL;
    }
    if (notification) {
        watch->ext->OsData->NotificationIrp = NULL;
    }
    if ((current || notification || field != NULL) && watch->used) {
        copy(watch);
    }
    if (held) {
        let_go(watch);
    }
    if (field != NULL) {
        verify_report_request(VERIFY_STATE, request, NULL, UNLOCKED_CHANGE, field);
    }
    if (current) {
        verify_report_request(VERIFY_CURRENT, request, NULL, "OsData->CurrentIrp still pointed to the request");
    }
    if (notification) {
        verify_report_request(VERIFY_NOTIFICATION, request, NULL,
                              "OsData->NotificationIrp still pointed to the request");
    }
}

/* ---- callbacks (host.h) ------------------------------------------------------------------------------------------ */

NTSTATUS host_call_watched(PIRP Irp, struct _SMARTCARD_EXTENSION *Extension, host_reader_function *Function,
                           ULONG Callback)
{
    const PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(Irp);
    struct verify_about about = {.major = IRP_MJ_DEVICE_CONTROL,
                                 .code = location->Parameters.DeviceIoControl.IoControlCode};
    const void *routine = VERIFY_ADDRESS(Function);
    struct verify_request *request = verify_request_of(Irp);
    struct watch *watch = find_extension(Extension);
    struct verify_frame frame;
    NTSTATUS status;

    if (watch == NULL) {
        return Function(Extension);
    }
    about.driver = watch->driver;
    if (Callback != RDF_CARD_TRACKING && InterlockedIncrement(&watch->callbacks) > 1) {
        verify_report_about(VERIFY_CALLBACK, &about, routine,
                            "it was entered while another callback of the reader ran");
    }
    if (request != NULL) {
        verify_request_enters(Irp, routine);
    }
    verify_enter(&frame, watch->driver, "callback", routine, request);
    status = Function(Extension);
    verify_leave(&frame);
    if (request != NULL) {
        verify_request_callback(Irp, routine, status);
    }
    if (Callback != RDF_CARD_TRACKING) {
        InterlockedDecrement(&watch->callbacks);
    }
    return status;
}

/* ---- readers come and go (host.h) -------------------------------------------------------------------------------- */

VOID host_reader_begins(struct _SMARTCARD_EXTENSION *Extension)
{
    struct watch *watch = verify_driver_here() != NULL ? calloc(1, sizeof(*watch)) : NULL;
    struct watch **bucket = bucket_of(&Extension->OsData->SpinLock);

    if (watch == NULL) {
        return;
    }
    watch->ext = Extension;
    watch->driver = verify_driver_here();
    pthread_mutex_init(&watch->tags_lock, NULL);
    Extension->OsData->RemoveLock.Removed = HOST_REMOVE_LOCK_WATCHED;
    Extension->OsData->RemoveLock.RefCount = (LONG)(1 - COUNT_ASIDE);
    __atomic_store_n(&Extension->OsData->SpinLock, VERIFY_WATCHED_LOCK, __ATOMIC_RELEASE);
    pthread_mutex_lock(&watches_lock);
    watch->next = *bucket;
    *bucket = watch;
    pthread_mutex_unlock(&watches_lock);
}

/* What is still acquired. */
static void report_tags(struct watch *watch, const char *when)
{
    struct tag tags[TAGS_MAX];

    pthread_mutex_lock(&watch->tags_lock);
    for (size_t i = 0; i < TAGS_MAX; i++) {
        tags[i] = watch->tags[i];
        watch->tags[i].count = 0;
    }
    watch->total = 0;
    watch->untold = 0;
    pthread_mutex_unlock(&watch->tags_lock);
    for (size_t i = 0; i < TAGS_MAX; i++) {
        if (tags[i].count > 0) {
            verify_report_driver(VERIFY_REMOVE_LOCK, watch->driver, tags[i].routine,
                                 "%s it was still acquired %d time(s) with the tag 0x%08X", when, tags[i].count,
                                 tags[i].tag);
        }
    }
}

VOID host_reader_ends(struct _SMARTCARD_EXTENSION *Extension)
{
    struct watch *watch = find_extension(Extension);
    struct watch **link = bucket_of(&Extension->OsData->SpinLock);

    if (watch == NULL) {
        return;
    }
    report_tags(watch, "at SmartcardExit");
    pthread_mutex_lock(&watches_lock);
    while (*link != watch) {
        link = &(*link)->next;
    }
    *link = watch->next;
    pthread_mutex_unlock(&watches_lock);
    Extension->OsData->RemoveLock.Removed = TRUE;
    __atomic_store_n(&Extension->OsData->SpinLock, 0, __ATOMIC_RELEASE);
    pthread_mutex_destroy(&watch->tags_lock);
    free(watch);
}

/* ---- the remove lock (host.h) ------------------------------------------------------------------------------------ */

/* What runs here. */
static const void *routine_here(void)
{
    return host_cpu.Frame != NULL ? host_cpu.Frame->routine : NULL;
}

/* The row of a share that the routine acquired with this tag; failing that, any with the tag; with any_tag, any at all,
 * the routine's own first. NULL: none. tags_lock held. */
static struct tag *tag_of(struct watch *watch, ULONG tag, bool any_tag)
{
    struct tag *found = NULL;

    for (size_t i = 0; i < TAGS_MAX; i++) {
        struct tag *row = &watch->tags[i];

        if (row->count > 0 && (any_tag || row->tag == tag) &&
            (found == NULL || (row->routine == routine_here() && found->routine != routine_here()))) {
            found = row;
        }
    }
    return found;
}

/* The row for one share more; NULL: there are too many kinds to be told apart. tags_lock held. */
static struct tag *tag_make(struct watch *watch, ULONG tag)
{
    struct tag *row = tag_of(watch, tag, false);

    if (row != NULL && row->routine == routine_here()) {
        return row;
    }
    for (size_t i = 0; i < TAGS_MAX; i++) {
        if (watch->tags[i].count == 0) {
            watch->tags[i] = (struct tag){.tag = tag, .routine = routine_here()};
            return &watch->tags[i];
        }
    }
    return row;
}

NTSTATUS host_remove_lock_acquire(struct _SMARTCARD_EXTENSION *Extension, ULONG Tag)
{
    struct watch *watch = find_extension(Extension);
    NTSTATUS status = STATUS_DELETE_PENDING;
    struct tag *row;

    if (watch == NULL) {
        return status;
    }
    pthread_mutex_lock(&watch->tags_lock);
    if (!watch->removed) {
        status = STATUS_SUCCESS;
        watch->total++;
        row = tag_make(watch, Tag);
        if (row != NULL) {
            row->count++;
        } else {
            watch->untold++;
        }
    }
    pthread_mutex_unlock(&watch->tags_lock);
    return status;
}

/* Give one share back. any_tag: it has none of its own. true: it was acquired. *mistaken: with another tag; one of those
 * goes then, so that the same mistake is not found again. */
static bool give_share(struct watch *watch, ULONG tag, bool any_tag, bool *mistaken)
{
    struct tag *row;
    bool matched;

    pthread_mutex_lock(&watch->tags_lock);
    row = tag_of(watch, tag, any_tag);
    matched = row != NULL || watch->untold > 0;
    *mistaken = !matched && watch->total > 0;
    row = *mistaken ? tag_of(watch, tag, true) : row;
    if (row != NULL) {
        row->count--;
    } else if (watch->untold > 0) {
        watch->untold--;
    }
    watch->total -= watch->total > 0;
    pthread_mutex_unlock(&watch->tags_lock);
    return matched;
}

static void release(struct watch *watch, ULONG tag, bool any_tag)
{
    struct nt_driver *driver = watch->driver; /* the reader may be gone after this */
    const char *more;
    bool mistaken;

    if (give_share(watch, tag, any_tag, &mistaken)) {
        return;
    }
    more = mistaken ? "with which it was not acquired; it was with another" : "and is not acquired";
    if (host_cpu.Frame != NULL) {
        verify_report(VERIFY_REMOVE_LOCK, "it was released with the tag 0x%08X, %s", tag, more);
    } else {
        verify_report_driver(VERIFY_REMOVE_LOCK, driver, NULL, "it was released with the tag 0x%08X, %s", tag, more);
    }
}

VOID host_remove_lock_release(struct _SMARTCARD_EXTENSION *Extension, ULONG Tag)
{
    struct watch *watch = find_extension(Extension);

    if (watch != NULL) {
        release(watch, Tag, false);
    }
}

static bool is_acquired(struct watch *watch)
{
    bool acquired;

    pthread_mutex_lock(&watch->tags_lock);
    acquired = watch->total > 0;
    pthread_mutex_unlock(&watch->tags_lock);
    return acquired;
}

VOID host_remove_lock_wait(struct _SMARTCARD_EXTENSION *Extension)
{
    struct watch *watch = find_extension(Extension);
    LARGE_INTEGER millisecond = {.QuadPart = -10000};

    if (watch == NULL) {
        return;
    }
    release(watch, 0, true);
    pthread_mutex_lock(&watch->tags_lock);
    watch->removed = TRUE;
    pthread_mutex_unlock(&watch->tags_lock);
    for (int waited = 0; waited < RELEASE_MS && is_acquired(watch); waited++) {
        KeDelayExecutionThread(KernelMode, FALSE, &millisecond);
    }
    if (is_acquired(watch)) {
        report_tags(watch, "when its reader was removed and nobody released it for 5 seconds,");
    }
}
