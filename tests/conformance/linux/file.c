/* SPDX-License-Identifier: MIT */
/*
 * Files under their Win32 names: a reader's handle of smartcrd.h, its requests, and the reaper, the one thread that
 * makes overlapped requests end without anybody's call.
 *
 * Who frees what: `calls` counts who works on a file without the lock; a file is closed when that is 0 and its list of
 * requests is empty. A request leaves the list when it ends, by whoever brings its end (the reaper, or the thread that
 * sent it); that one frees it, but while its sender is still inside the call (`sending`), the sender does.
 */
#include "port.h"
#include "win32.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <wchar.h>

struct request {
    struct request *next;
    OVERLAPPED *overlapped;
    HANDLE event;
    DWORD thread;     /* that sent it: CancelIo */
    bool synchronous; /* its thread waits for it: CancelSynchronousIo */
    bool sending;     /* its thread has not left the call */
    bool cancel;      /* to be cancelled as soon as its number is known */
    bool ended;
    uint64_t id; /* 0: not known yet */
    NTSTATUS status;
    size_t information;
};

struct file {
    struct smartcrd_handle *handle;
    bool overlapped;
    bool closing;
    unsigned calls;
    struct request *requests;
};

/* Guarded by win32_lock, as every file. */
static struct smartcrd *attached;
static int poller = -1, stopper = -1;
static bool reaping;
static pthread_t reaper;

static BOOL fail_with(DWORD error)
{
    SetLastError(error);
    return FALSE;
}

/* A file that is not being closed, with one more call inside; NULL: no such file. */
static struct file *enter(HANDLE handle)
{
    struct object *object;
    struct file *file = NULL;
    win32_lock();
    object = object_find(handle, OBJECT_FILE);
    if (object && object->file->closing)
        SetLastError(ERROR_INVALID_HANDLE);
    else if (object)
        file = object->file;
    if (file)
        file->calls++;
    win32_unlock();
    return file;
}

static void leave_locked(struct file *file)
{
    file->calls--;
    if (file->closing)
        win32_wake();
}

static void leave(struct file *file)
{
    win32_lock();
    leave_locked(file);
    win32_unlock();
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static void unlink_request(struct file *file, struct request *request)
{
    struct request **link = &file->requests;
    while (*link != request)
        link = &(*link)->next;
    *link = request->next;
}

/* What the program sees of an end, in the order in which the kernel writes it: who reads Internal finds the rest. */
static void show(HANDLE handle, const struct request *request)
{
    if (request->overlapped) {
        request->overlapped->InternalHigh = request->information;
        __atomic_store_n(&request->overlapped->Internal, (ULONG_PTR)(ULONG)request->status, __ATOMIC_RELEASE);
    }
    object_signal(request->event, true);
    object_signal(handle, true);
    win32_wake();
}

static void end(HANDLE handle, struct file *file, struct request *request, NTSTATUS status, size_t information)
{
    unlink_request(file, request);
    request->status = status;
    request->information = information;
    request->ended = true;
    show(handle, request);
    if (!request->sending)
        free(request);
}

/* ---- the reaper -------------------------------------------------------------------------------------------------- */

static void reap(HANDLE handle)
{
    struct smartcrd_completion completion;
    struct object *object;
    struct file *file;
    win32_lock();
    object = object_find(handle, OBJECT_FILE);
    file = object ? object->file : NULL; /* also one that is being closed: its requests are to end */
    if (file)
        file->calls++;
    win32_unlock();
    if (!file)
        return;
    while (smartcrd_reap(file->handle, &completion, 0) == STATUS_SUCCESS) {
        win32_lock();
        end(handle, file, completion.user, completion.status, completion.information);
        win32_unlock();
    }
    leave(file);
}

static void *reaper_main(void *unused)
{
    for (;;) {
        struct epoll_event events[16];
        int count = epoll_wait(poller, events, 16, -1);
        for (int i = 0; i < count; i++) {
            if (!events[i].data.ptr)
                return NULL;
            reap(events[i].data.ptr);
        }
    }
}

/* Lock held. */
static bool reaper_start(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (reaping)
        return true;
    poller = epoll_create1(EPOLL_CLOEXEC);
    stopper = eventfd(0, EFD_CLOEXEC);
    reaping = poller >= 0 && stopper >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, stopper, &event) == 0 &&
              pthread_create(&reaper, NULL, reaper_main, NULL) == 0;
    return reaping;
}

void file_stop(void)
{
    uint64_t one = 1;
    if (reaping && write(stopper, &one, sizeof one) == (ssize_t)sizeof one)
        pthread_join(reaper, NULL);
    if (poller >= 0)
        close(poller);
    if (stopper >= 0)
        close(stopper);
    poller = stopper = -1;
    reaping = false;
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

HANDLE CreateFileA(LPCSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security, DWORD disposition,
                   DWORD flags, HANDLE template_file)
{
    struct file *file = calloc(1, sizeof *file);
    HANDLE handle = NULL;
    DWORD error = ERROR_SUCCESS;
    NTSTATUS status;

    if (!file) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return INVALID_HANDLE_VALUE;
    }
    if (!attached || strncmp(name, "\\\\.\\", 4) != 0) {
        error = ERROR_FILE_NOT_FOUND;
        goto out;
    }
    status = smartcrd_open(attached, name + 4, &file->handle);
    if (!NT_SUCCESS(status)) {
        error = win32_error(status);
        goto out;
    }
    file->overlapped = (flags & FILE_FLAG_OVERLAPPED) != 0;
    win32_lock();
    handle = object_new((struct object){.kind = OBJECT_FILE, .file = file});
    if (handle && file->overlapped) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = handle};
        if (!reaper_start() || epoll_ctl(poller, EPOLL_CTL_ADD, smartcrd_fd(file->handle), &event) != 0) {
            object_free(handle);
            handle = NULL;
        }
    }
    win32_unlock();
    if (!handle)
        error = ERROR_TOO_MANY_OPEN_FILES;
out:
    if (error != ERROR_SUCCESS) {
        smartcrd_close(file->handle);
        free(file);
        SetLastError(error);
    }
    return error == ERROR_SUCCESS ? handle : INVALID_HANDLE_VALUE;
}

HANDLE CreateFileW(LPCWSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security, DWORD disposition,
                   DWORD flags, HANDLE template_file)
{
    char narrow[MAX_PATH];
    size_t i = 0;
    while (i + 1 < sizeof narrow && name[i] > 0 && name[i] < 0x80) { /* devices have ASCII names */
        narrow[i] = (char)name[i];
        i++;
    }
    narrow[i] = '\0';
    if (name[i]) {
        SetLastError(ERROR_FILE_NOT_FOUND);
        return INVALID_HANDLE_VALUE;
    }
    return CreateFileA(narrow, access, share, security, disposition, flags, template_file);
}

BOOL file_close(HANDLE handle)
{
    struct object *object;
    struct file *file;
    win32_lock();
    object = object_find(handle, OBJECT_FILE);
    if (!object || object->file->closing) {
        win32_unlock();
        return fail_with(ERROR_INVALID_HANDLE);
    }
    file = object->file;
    file->closing = true;
    while (file->calls > 0 || file->requests) {
        struct timespec soon = win32_until(2); /* and look again: a call inside may only now be sending its request */
        win32_unlock();
        smartcrd_cancel_all(file->handle);
        win32_lock();
        if (file->calls > 0 || file->requests)
            win32_sleep(&soon);
    }
    object_free(handle); /* from here on the reaper does not find it */
    if (file->overlapped)
        epoll_ctl(poller, EPOLL_CTL_DEL, smartcrd_fd(file->handle), NULL);
    win32_wake();
    win32_unlock();
    smartcrd_close(file->handle);
    free(file);
    return TRUE;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* Put a request on its file's list, its OVERLAPPED and event ready; NULL: the last error says why. */
static struct request *begin(HANDLE device, struct file *file, OVERLAPPED *overlapped)
{
    struct request *request = calloc(1, sizeof *request);
    DWORD thread = GetCurrentThreadId();
    if (!request) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    win32_lock();
    if (overlapped && overlapped->hEvent && !object_find(overlapped->hEvent, OBJECT_EVENT)) {
        free(request);
        request = NULL;
        goto out;
    }
    request->overlapped = overlapped;
    request->thread = thread;
    request->synchronous = !overlapped || !file->overlapped;
    request->sending = true;
    if (overlapped) {
        request->event = overlapped->hEvent;
        overlapped->InternalHigh = 0;
        __atomic_store_n(&overlapped->Internal, (ULONG_PTR)STATUS_PENDING, __ATOMIC_RELEASE);
        object_signal(overlapped->hEvent, false);
    }
    object_signal(device, false);
    request->next = file->requests;
    file->requests = request;
out:
    win32_unlock();
    return request;
}

/* The request's number is known now: from here on it can be cancelled, and is when somebody wanted that already. */
static void give_number(struct file *file, struct request *request, uint64_t id)
{
    bool cancel;
    win32_lock();
    request->id = id;
    cancel = request->cancel && !request->ended;
    win32_unlock();
    if (cancel)
        smartcrd_cancel(file->handle, id);
}

/* Wait for a request that was pended, on its own thread. */
static void await(HANDLE device, struct file *file, struct request *request)
{
    struct smartcrd_completion completion;
    if (!file->overlapped) {
        smartcrd_reap_one(file->handle, request->id, &completion, SMARTCRD_NO_TIMEOUT);
        win32_lock();
        end(device, file, request, completion.status, completion.information);
        win32_unlock();
        return;
    }
    win32_lock();
    while (!request->ended)
        win32_sleep(NULL);
    win32_unlock();
}

BOOL DeviceIoControl(HANDLE device, DWORD code, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size, LPDWORD returned,
                     LPOVERLAPPED overlapped)
{
    struct file *file = enter(device);
    struct request *request = file ? begin(device, file, overlapped) : NULL;
    struct smartcrd_completion done = {0};
    struct smartcrd_request wanted = {.code = code,
                                      .in = in_size ? in : NULL,
                                      .in_size = in_size,
                                      .out = out_size ? out : NULL,
                                      .out_size = out_size,
                                      .timeout_ms = SMARTCRD_NO_TIMEOUT,
                                      .user = request};
    uint64_t id = 0;
    NTSTATUS status;

    if (returned)
        *returned = 0;
    if (!request) {
        if (file)
            leave(file);
        return FALSE;
    }
    status = smartcrd_submit(file->handle, &wanted, &id, &done);
    if (status == STATUS_PENDING) {
        give_number(file, request, id);
        if (request->synchronous) {
            await(device, file, request);
            status = request->status;
            done.information = request->information;
        }
    }
    win32_lock();
    if (status != STATUS_PENDING && !request->ended) { /* at once */
        unlink_request(file, request);
        request->status = status;
        request->information = done.information;
        request->ended = true;
        if (!NT_ERROR(status))
            show(device, request);
    }
    request->sending = false;
    if (request->ended)
        free(request);
    leave_locked(file);
    win32_unlock();
    if (returned && status != STATUS_PENDING)
        *returned = (DWORD)done.information;
    if (status == STATUS_PENDING)
        return fail_with(ERROR_IO_PENDING);
    return NT_SUCCESS(status) ? TRUE : fail_with(win32_error(status));
}

static BOOL result_of(HANDLE file, LPOVERLAPPED overlapped, LPDWORD transferred, DWORD milliseconds, DWORD too_late)
{
    NTSTATUS status;
    if (!HasOverlappedIoCompleted(overlapped)) {
        DWORD wait = milliseconds ? WaitForSingleObject(overlapped->hEvent ? overlapped->hEvent : file, milliseconds)
                                  : WAIT_TIMEOUT;
        if (wait == WAIT_FAILED)
            return FALSE;
        if (wait == WAIT_TIMEOUT)
            return fail_with(too_late);
    }
    status = (NTSTATUS)__atomic_load_n(&overlapped->Internal, __ATOMIC_ACQUIRE);
    *transferred = (DWORD)overlapped->InternalHigh;
    return NT_SUCCESS(status) ? TRUE : fail_with(win32_error(status));
}

BOOL GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, LPDWORD transferred, BOOL wait)
{
    return result_of(file, overlapped, transferred, wait ? INFINITE : 0, ERROR_IO_INCOMPLETE);
}

BOOL GetOverlappedResultEx(HANDLE file, LPOVERLAPPED overlapped, LPDWORD transferred, DWORD milliseconds,
                           BOOL alertable)
{
    return result_of(file, overlapped, transferred, milliseconds, milliseconds ? WAIT_TIMEOUT : ERROR_IO_INCOMPLETE);
}

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

/* Which requests are meant: of this thread (0: of any), with this OVERLAPPED (NULL: any), synchronous ones only. */
struct wanted {
    DWORD thread;
    const OVERLAPPED *overlapped;
    bool synchronous;
};

static bool is_wanted(const struct request *request, const struct wanted *wanted)
{
    return (wanted->thread == 0 || request->thread == wanted->thread) &&
           (!wanted->overlapped || request->overlapped == wanted->overlapped) &&
           (!wanted->synchronous || request->synchronous);
}

/* Cancel them; how many were found that had not ended. The file has been entered. */
static unsigned cancel(struct file *file, const struct wanted *wanted)
{
    uint64_t *ids = NULL;
    unsigned found = 0, count = 0, room = 0;
    win32_lock();
    for (struct request *request = file->requests; request; request = request->next)
        room++;
    ids = room ? calloc(room, sizeof *ids) : NULL;
    for (struct request *request = ids ? file->requests : NULL; request; request = request->next) {
        if (!is_wanted(request, wanted))
            continue;
        if (request->id != 0) {
            ids[count++] = request->id;
        } else { /* its thread is about to learn the number */
            request->cancel = true;
            found++;
        }
    }
    win32_unlock();
    for (unsigned i = 0; i < count; i++)
        found += smartcrd_cancel(file->handle, ids[i]) == STATUS_SUCCESS;
    free(ids);
    return found;
}

BOOL CancelIo(HANDLE handle)
{
    struct wanted wanted = {.thread = GetCurrentThreadId()};
    struct file *file = enter(handle);
    if (!file)
        return FALSE;
    cancel(file, &wanted);
    leave(file);
    return TRUE;
}

BOOL CancelIoEx(HANDLE handle, LPOVERLAPPED overlapped)
{
    struct wanted wanted = {.overlapped = overlapped};
    struct file *file = enter(handle);
    unsigned found;
    if (!file)
        return FALSE;
    found = cancel(file, &wanted);
    leave(file);
    return found > 0 ? TRUE : fail_with(ERROR_NOT_FOUND);
}

/* The file on which a thread waits, entered; NULL: on none. Lock held. */
static struct file *file_with(const struct wanted *wanted)
{
    HANDLE handle = NULL;
    while ((handle = object_next(OBJECT_FILE, handle))) {
        struct file *file = object_find(handle, OBJECT_FILE)->file;
        for (struct request *request = file->requests; request; request = request->next) {
            if (is_wanted(request, wanted)) {
                file->calls++;
                return file;
            }
        }
    }
    return NULL;
}

BOOL CancelSynchronousIo(HANDLE thread)
{
    struct wanted wanted = {.synchronous = true};
    struct object *object;
    struct file *file = NULL;
    unsigned found = 0;
    win32_lock();
    object = object_find(thread, OBJECT_THREAD);
    wanted.thread = object ? object->thread : 0;
    if (object)
        file = file_with(&wanted);
    win32_unlock();
    if (!object)
        return FALSE;
    if (file) {
        found = cancel(file, &wanted);
        leave(file);
    }
    return found > 0 ? TRUE : fail_with(ERROR_NOT_FOUND);
}

/* ---- port.h ------------------------------------------------------------------------------------------------------ */

void win32_attach(struct smartcrd *context)
{
    attached = context;
}

struct smartcrd *win32_context(void)
{
    return attached;
}

void win32_detach(void)
{
    static const enum object_kind kinds[] = {OBJECT_FILE, OBJECT_THREAD, OBJECT_EVENT};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (;;) {
            HANDLE handle;
            win32_lock();
            while (kinds[i] == OBJECT_THREAD && win32_threads() > 0)
                win32_sleep(NULL);
            handle = object_next(kinds[i], NULL);
            win32_unlock();
            if (!handle)
                break;
            CloseHandle(handle);
        }
    }
    file_stop();
    attached = NULL;
}
