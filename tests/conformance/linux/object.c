/* SPDX-License-Identifier: MIT */
/* Handles, events, threads, waits and time under their Win32 names. Files are in file.c. */
#include "port.h"
#include "win32.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define SLOTS 4096

static struct slot {
    uint32_t generation;
    struct object object;
} slots[SLOTS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards slots, files' lists, and all below */
static pthread_cond_t changed;                           /* something was signalled, ended or left */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned slot_hint, threads_running;
static DWORD last_thread;

static _Thread_local DWORD last_error, thread_id;
static _Thread_local HANDLE thread_handle;

static void start(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

void win32_lock(void)
{
    pthread_once(&once, start);
    pthread_mutex_lock(&lock);
}

void win32_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static HANDLE handle_of(unsigned index)
{
    return (HANDLE)((uintptr_t)slots[index].generation << 16 | (uintptr_t)(index + 1) << 2);
}

HANDLE object_new(struct object object)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        unsigned index = (slot_hint + i) % SLOTS;
        if (slots[index].object.kind == OBJECT_NONE) {
            slots[index].object = object;
            slot_hint = index + 1;
            return handle_of(index);
        }
    }
    last_error = ERROR_TOO_MANY_OPEN_FILES;
    return NULL;
}

struct object *object_find(HANDLE handle, enum object_kind kind)
{
    uintptr_t index = ((uintptr_t)handle & 0xFFFF) >> 2;
    if (index >= 1 && index <= SLOTS) {
        struct object *object = &slots[index - 1].object;
        /* The two lowest bits of a handle are the program's to use, as on Windows. */
        if (object->kind != OBJECT_NONE &&
            handle_of((unsigned)index - 1) == (HANDLE)((uintptr_t)handle & ~(uintptr_t)3) &&
            (kind == OBJECT_NONE || object->kind == kind))
            return object;
    }
    last_error = ERROR_INVALID_HANDLE;
    return NULL;
}

void object_free(HANDLE handle)
{
    struct slot *slot = &slots[(((uintptr_t)handle & 0xFFFF) >> 2) - 1];
    slot->object = (struct object){.kind = OBJECT_NONE};
    slot->generation++;
}

HANDLE object_next(enum object_kind kind, HANDLE after)
{
    for (unsigned i = (unsigned)(((uintptr_t)after & 0xFFFF) >> 2); i < SLOTS; i++) /* the number of one is index + 1 */
        if (slots[i].object.kind == kind)
            return handle_of(i);
    return NULL;
}

void object_signal(HANDLE handle, bool on)
{
    DWORD kept = last_error;
    struct object *object = handle ? object_find(handle, OBJECT_NONE) : NULL;
    if (object)
        object->signalled = on;
    last_error = kept;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

struct timespec win32_until(DWORD milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

void win32_wake(void)
{
    pthread_cond_broadcast(&changed);
}

bool win32_sleep(const struct timespec *until)
{
    if (!until)
        return pthread_cond_wait(&changed, &lock) == 0;
    return pthread_cond_timedwait(&changed, &lock, until) != ETIMEDOUT;
}

static void take(struct object *object)
{
    if (object->kind == OBJECT_EVENT && !object->manual)
        object->signalled = false;
}

/* One look at all of them: WAIT_OBJECT_0 + index, WAIT_TIMEOUT when the wait is not over, WAIT_FAILED. */
static DWORD look(DWORD count, const HANDLE *objects, BOOL all)
{
    DWORD ready = 0;
    for (DWORD i = 0; i < count; i++) {
        struct object *object = object_find(objects[i], OBJECT_NONE);
        if (!object)
            return WAIT_FAILED;
        if (object->signalled && !all) {
            take(object);
            return WAIT_OBJECT_0 + i;
        }
        ready += object->signalled;
    }
    if (!all || ready < count)
        return WAIT_TIMEOUT;
    for (DWORD i = 0; i < count; i++)
        take(object_find(objects[i], OBJECT_NONE));
    return WAIT_OBJECT_0;
}

DWORD WaitForMultipleObjects(DWORD count, const HANDLE *objects, BOOL all, DWORD milliseconds)
{
    struct timespec until = win32_until(milliseconds == INFINITE ? 0 : milliseconds);
    DWORD result;
    if (count == 0 || count > MAXIMUM_WAIT_OBJECTS) {
        last_error = ERROR_INVALID_PARAMETER;
        return WAIT_FAILED;
    }
    win32_lock();
    result = look(count, objects, all);
    for (bool more = milliseconds != 0; result == WAIT_TIMEOUT && more; result = look(count, objects, all))
        more = win32_sleep(milliseconds == INFINITE ? NULL : &until);
    win32_unlock();
    return result;
}

DWORD WaitForSingleObject(HANDLE object, DWORD milliseconds)
{
    return WaitForMultipleObjects(1, &object, FALSE, milliseconds);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

HANDLE CreateEventA(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, BOOL initial_state, LPCSTR name)
{
    HANDLE handle = NULL;
    if (name) {
        last_error = ERROR_NOT_SUPPORTED;
        return NULL;
    }
    win32_lock();
    handle = object_new(
        (struct object){.kind = OBJECT_EVENT, .manual = manual_reset != FALSE, .signalled = initial_state != FALSE});
    win32_unlock();
    return handle;
}

HANDLE CreateEventW(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, BOOL initial_state, LPCWSTR name)
{
    return CreateEventA(security, manual_reset, initial_state, name ? "" : NULL);
}

static BOOL set_event(HANDLE event, bool on)
{
    struct object *object;
    win32_lock();
    object = object_find(event, OBJECT_EVENT);
    if (object)
        object->signalled = on;
    if (object && on)
        win32_wake();
    win32_unlock();
    return object != NULL;
}

BOOL SetEvent(HANDLE event)
{
    return set_event(event, true);
}

BOOL ResetEvent(HANDLE event)
{
    return set_event(event, false);
}

BOOL CloseHandle(HANDLE handle)
{
    struct object *object;
    enum object_kind kind;
    win32_lock();
    object = object_find(handle, OBJECT_NONE);
    kind = object ? object->kind : OBJECT_NONE;
    if (object && kind != OBJECT_FILE) {
        object_free(handle);
        win32_wake();
    }
    win32_unlock();
    return kind == OBJECT_FILE ? file_close(handle) : kind != OBJECT_NONE;
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

struct beginning {
    LPTHREAD_START_ROUTINE start;
    LPVOID parameter;
    HANDLE handle;
    DWORD id;
};

static void thread_ends(DWORD code)
{
    struct object *object;
    win32_lock();
    object = object_find(thread_handle, OBJECT_THREAD);
    if (object) {
        object->exit_code = code;
        object->signalled = true;
    }
    threads_running--;
    win32_wake();
    win32_unlock();
}

static void *thread_main(void *argument)
{
    struct beginning beginning = *(struct beginning *)argument;
    free(argument);
    thread_handle = beginning.handle;
    thread_id = beginning.id;
    thread_ends(beginning.start(beginning.parameter));
    return NULL;
}

HANDLE CreateThread(LPSECURITY_ATTRIBUTES security, SIZE_T stack_size, LPTHREAD_START_ROUTINE start_routine,
                    LPVOID parameter, DWORD flags, LPDWORD id)
{
    struct beginning *beginning =
        flags == 0 ? malloc(sizeof *beginning) : NULL; /* suspended threads: nobody needs them */
    pthread_t thread;
    HANDLE handle = NULL;
    if (!beginning) {
        last_error = flags == 0 ? ERROR_NOT_ENOUGH_MEMORY : ERROR_NOT_SUPPORTED;
        return NULL;
    }
    win32_lock();
    *beginning = (struct beginning){.start = start_routine, .parameter = parameter, .id = ++last_thread};
    handle = object_new((struct object){.kind = OBJECT_THREAD, .thread = beginning->id, .exit_code = STILL_ACTIVE});
    beginning->handle = handle;
    if (id)
        *id = beginning->id;
    if (handle && pthread_create(&thread, NULL, thread_main, beginning) == 0) {
        pthread_detach(thread);
        threads_running++;
        beginning = NULL;
    } else if (handle) {
        object_free(handle);
        handle = NULL;
        last_error = ERROR_NOT_ENOUGH_MEMORY;
    }
    win32_unlock();
    free(beginning);
    return handle;
}

VOID ExitThread(DWORD code)
{
    if (thread_handle)
        thread_ends(code);
    pthread_exit(NULL);
}

BOOL GetExitCodeThread(HANDLE thread, LPDWORD code)
{
    struct object *object;
    win32_lock();
    object = object_find(thread, OBJECT_THREAD);
    if (object)
        *code = object->exit_code;
    win32_unlock();
    return object != NULL;
}

DWORD GetCurrentThreadId(void)
{
    if (thread_id == 0) {
        win32_lock();
        thread_id = ++last_thread;
        win32_unlock();
    }
    return thread_id;
}

unsigned win32_threads(void)
{
    return threads_running;
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

DWORD GetLastError(void)
{
    return last_error;
}

VOID SetLastError(DWORD error)
{
    last_error = error;
}

VOID Sleep(DWORD milliseconds)
{
    struct timespec until = win32_until(milliseconds);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

ULONGLONG GetTickCount64(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (ULONGLONG)now.tv_sec * 1000 + (ULONGLONG)now.tv_nsec / 1000000;
}
