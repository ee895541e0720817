/* SPDX-License-Identifier: MIT */
/*
 * A check's world (suite.h): what it opens, the cards and readers that it is given; and the putting back of it all. The
 * check's own threads add to it as well.
 */
#include "port.h"
#include "run.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Guards the lists of the world. */
static volatile LONG world_lock;

static void world_enter(void)
{
    while (InterlockedExchange(&world_lock, 1) != 0)
        Sleep(0);
}

static void world_leave(void)
{
    InterlockedExchange(&world_lock, 0);
}

void *need_memory(struct suite *suite, size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        fail(suite, NULL, 0, "there is no memory left");
    return memory;
}

/* ---- handles ----------------------------------------------------------------------------------------------------- */

HANDLE open_named(const char *name, DWORD flags)
{
    char path[128];
    snprintf(path, sizeof path, "\\\\.\\%s", name);
    return CreateFileA(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                       flags, NULL);
}

static HANDLE keep(struct suite *suite, enum thing_kind kind, HANDLE handle)
{
    struct thing *thing = need_memory(suite, sizeof *thing);
    *thing = (struct thing){.kind = kind, .handle = handle};
    world_enter();
    thing->next = suite->things;
    suite->things = thing;
    world_leave();
    return handle;
}

HANDLE open_device(struct suite *suite, const char *name, DWORD flags)
{
    HANDLE handle = open_named(name, flags);
    if (handle == INVALID_HANDLE_VALUE)
        fail(suite, NULL, 0, "%s cannot be opened: error %lu", name, (unsigned long)GetLastError());
    return keep(suite, THING_FILE, handle);
}

HANDLE open_reader(struct suite *suite)
{
    return open_device(suite, suite->run->reader, FILE_FLAG_OVERLAPPED);
}

void close_handle(struct suite *suite, HANDLE handle)
{
    struct thing *found;
    world_enter();
    for (struct thing **link = &suite->things; (found = *link); link = &found->next) {
        if (found->handle == handle) {
            *link = found->next;
            break;
        }
    }
    world_leave();
    if (!found)
        fail(suite, NULL, 0, "close_handle: the check has no such handle");
    free(found);
    if (!CloseHandle(handle))
        fail(suite, NULL, 0, "CloseHandle: error %lu", (unsigned long)GetLastError());
}

HANDLE new_event(struct suite *suite, BOOL manual_reset)
{
    HANDLE handle = CreateEventA(NULL, manual_reset, FALSE, NULL);
    if (!handle)
        fail(suite, NULL, 0, "CreateEvent: error %lu", (unsigned long)GetLastError());
    return keep(suite, THING_EVENT, handle);
}

HANDLE new_thread(struct suite *suite, LPTHREAD_START_ROUTINE run, void *argument)
{
    HANDLE handle = CreateThread(NULL, 0, run, argument, 0, NULL);
    if (!handle)
        fail(suite, NULL, 0, "CreateThread: error %lu", (unsigned long)GetLastError());
    return keep(suite, THING_THREAD, handle);
}

bool check_over(struct suite *suite)
{
    return InterlockedExchangeAdd(&suite->over, 0) != 0;
}

const char *reader_name(struct suite *suite)
{
    return suite->run->reader;
}
struct io *new_io(struct suite *suite)
{
    struct own_io *own = need_memory(suite, sizeof *own);
    world_enter();
    own->next = suite->ios;
    suite->ios = own;
    world_leave();
    return &own->io;
}

/* ---- the virtual reader ------------------------------------------------------------------------------------------ */

void attribute_text(HANDLE handle, DWORD tag, char *text, size_t size)
{
    OVERLAPPED overlapped = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    DWORD returned = 0;
    UCHAR value[MAXIMUM_ATTR_STRING_LENGTH + 8];
    bool done = DeviceIoControl(handle, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, sizeof tag, value, sizeof value, &returned,
                                &overlapped) ||
                (GetLastError() == ERROR_IO_PENDING && GetOverlappedResult(handle, &overlapped, &returned, TRUE));
    CloseHandle(overlapped.hEvent);
    snprintf(text, size, "%.*s", done ? (int)returned : 0, (const char *)value);
}

/* A reader's panel has its name with -panel behind it; of SCReaderN of the virtual reader it is vreaderM-panel, M its
 * unit. */
HANDLE open_panel(const char *reader)
{
    char name[96], type[64] = "";
    UCHAR unit[4];
    HANDLE panel, handle;
    snprintf(name, sizeof name, "%.80s-panel", reader);
    panel = open_named(name, 0);
    if (panel != INVALID_HANDLE_VALUE)
        return panel;
    handle = open_named(reader, FILE_FLAG_OVERLAPPED);
    if (handle == INVALID_HANDLE_VALUE)
        return NULL;
    attribute_text(handle, SCARD_ATTR_VENDOR_IFD_TYPE, type, sizeof type);
    if (strcmp(type, "Virtual Reader") == 0) {
        DWORD tag = SCARD_ATTR_DEVICE_UNIT, returned = 0, number;
        OVERLAPPED overlapped = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
        if ((DeviceIoControl(handle, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, sizeof tag, unit, sizeof unit, &returned,
                             &overlapped) ||
             (GetLastError() == ERROR_IO_PENDING && GetOverlappedResult(handle, &overlapped, &returned, TRUE))) &&
            returned == sizeof number) {
            memcpy(&number, unit, sizeof number);
            snprintf(name, sizeof name, "vreader%lu-panel", (unsigned long)number);
            panel = open_named(name, 0);
        }
        CloseHandle(overlapped.hEvent);
    }
    CloseHandle(handle);
    return panel == INVALID_HANDLE_VALUE ? NULL : panel;
}

/* The panel answers at once, so these go on a synchronous handle. Returns the Win32 error. */
static DWORD panel_send(HANDLE panel, DWORD code, const char *text)
{
    char copy[4096];
    DWORD returned, size = text ? (DWORD)strlen(text) : 0;
    if (size > sizeof copy)
        return ERROR_INVALID_PARAMETER;
    memcpy(copy, text ? text : "", size);
    return DeviceIoControl(panel, code, size ? copy : NULL, size, NULL, 0, &returned, NULL) ? ERROR_SUCCESS
                                                                                            : GetLastError();
}

static void panel_do(struct suite *suite, HANDLE panel, DWORD code, const char *text)
{
    DWORD error;
    if (!panel)
        fail(suite, NULL, 0, "%s: there is no panel", code_word(code));
    error = panel_send(panel, code, text);
    if (error != ERROR_SUCCESS)
        fail(suite, NULL, 0, "%s %s: error %lu", code_word(code), text ? text : "", (unsigned long)error);
}

void card_in(struct suite *suite, const char *text)
{
    panel_do(suite, suite->panel, IOCTL_VREADER_INSERT, text);
}

void card_out(struct suite *suite)
{
    panel_do(suite, suite->panel, IOCTL_VREADER_REMOVE, NULL);
}

void fault(struct suite *suite, const char *text)
{
    panel_do(suite, suite->panel, IOCTL_VREADER_FAULT, text);
}

void fresh_reader(struct suite *suite, char *name)
{
    struct fresh *fresh = need_memory(suite, sizeof *fresh);
    char why[160] = "";
    if (!port_plug_in(suite->run->reader, fresh->name, why, sizeof why)) {
        free(fresh);
        fail(suite, NULL, 0, "no reader can be plugged in: %s", why);
    }
    world_enter();
    fresh->next = suite->fresh;
    suite->fresh = fresh;
    world_leave();
    memcpy(name, fresh->name, sizeof fresh->name);
}

static struct fresh *fresh_find(struct suite *suite, const char *name)
{
    struct fresh *fresh;
    world_enter();
    fresh = suite->fresh;
    while (fresh && strcmp(fresh->name, name) != 0)
        fresh = fresh->next;
    if (fresh && !fresh->panel)
        fresh->panel = open_panel(name);
    world_leave();
    if (!fresh)
        fail(suite, NULL, 0, "%s is no reader of fresh_reader", name);
    return fresh;
}

void fresh_card_in(struct suite *suite, const char *name, const char *text)
{
    panel_do(suite, fresh_find(suite, name)->panel, IOCTL_VREADER_INSERT, text);
}

void fresh_fault(struct suite *suite, const char *name, const char *text)
{
    panel_do(suite, fresh_find(suite, name)->panel, IOCTL_VREADER_FAULT, text);
}

static bool fresh_away(struct fresh *fresh, char *why, size_t size)
{
    bool away;
    if (fresh->panel)
        CloseHandle(fresh->panel);
    away = port_plug_out(fresh->name, why, size);
    free(fresh);
    return away;
}

void take_away(struct suite *suite, const char *name)
{
    struct fresh *fresh = fresh_find(suite, name);
    struct fresh **link;
    char why[160] = "";
    world_enter();
    for (link = &suite->fresh; *link != fresh; link = &(*link)->next)
        ;
    *link = fresh->next;
    world_leave();
    if (!fresh_away(fresh, why, sizeof why))
        fail(suite, NULL, 0, "%s cannot be taken away: %s", name, why);
}

/* ---- putting back ------------------------------------------------------------------------------------------------ */

void cancel_all(struct suite *suite)
{
    world_enter();
    for (struct thing *thing = suite->things; thing; thing = thing->next) {
        if (thing->kind == THING_FILE)
            CancelIoEx(thing->handle, NULL);
        else if (thing->kind == THING_THREAD)
            CancelSynchronousIo(thing->handle);
    }
    world_leave();
}

static void complain(char *why, size_t size, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 3, 4)))
#endif
    ;
static void complain(char *why, size_t size, const char *format, ...)
{
    va_list list;
    if (why[0])
        return; /* the first is enough */
    va_start(list, format);
    vsnprintf(why, size, format, list);
    va_end(list);
}

static bool threads_end(struct suite *suite, ULONGLONG until)
{
    for (struct thing *thing = suite->things; thing; thing = thing->next) {
        if (thing->kind != THING_THREAD)
            continue;
        while (WaitForSingleObject(thing->handle, 20) != WAIT_OBJECT_0) {
            if (GetTickCount64() > until)
                return false;
            cancel_all(suite);
        }
    }
    return true;
}

/* Everything of a request that has ended; one that has not keeps its memory, the system may still write to it. */
static bool ios_end(struct suite *suite, ULONGLONG until, DWORD *code)
{
    bool all = true;
    while (suite->ios) {
        struct own_io *own = suite->ios;
        ULONGLONG now = GetTickCount64();
        suite->ios = own->next;
        if (!has_ended(&own->io, now < until ? (DWORD)(until - now) : 0)) {
            *code = own->io.code;
            all = false;
            continue;
        }
        CloseHandle(own->io.overlapped.hEvent);
        free(own->io.in);
        free(own->io.out);
        free(own);
    }
    return all;
}

static void power_down(struct suite *suite)
{
    HANDLE handle = open_named(suite->run->reader, 0);
    DWORD kind = SCARD_POWER_DOWN, returned;
    if (handle == INVALID_HANDLE_VALUE)
        return;
    DeviceIoControl(handle, IOCTL_SMARTCARD_POWER, &kind, sizeof kind, NULL, 0, &returned, NULL);
    CloseHandle(handle); /* how it ends is not the check's business: there may be no card */
}

bool put_back(struct suite *suite, char *why, size_t size)
{
    ULONGLONG until = GetTickCount64() + PATIENCE_MS;
    DWORD error, code = 0;

    why[0] = '\0';
    InterlockedExchange(&suite->over, 1);
    cancel_all(suite);
    if (suite->panel) {
        error = panel_send(suite->panel, IOCTL_VREADER_FAULT, "none");
        if (error != ERROR_SUCCESS)
            complain(why, size, "the faults cannot be disarmed: error %lu", (unsigned long)error);
        error = panel_send(suite->panel, IOCTL_VREADER_REMOVE, NULL);
        if (error != ERROR_SUCCESS && error != error_of(STATUS_NO_MEDIA))
            complain(why, size, "the card cannot be taken out: error %lu", (unsigned long)error);
    }
    if (!threads_end(suite, until)) {
        complain(why, size, "a thread of the check did not end within %d s", PATIENCE_MS / 1000);
        return false; /* it still uses the rest */
    }
    if (!ios_end(suite, until, &code))
        complain(why, size, "%s never ended", code_word(code));
    while (suite->things) {
        struct thing *thing = suite->things;
        world_enter();
        suite->things = thing->next;
        world_leave();
        CloseHandle(thing->handle);
        free(thing);
    }
    while (suite->fresh) {
        struct fresh *fresh = suite->fresh;
        char name[64], reason[160] = "";
        memcpy(name, fresh->name, sizeof name);
        suite->fresh = fresh->next;
        if (!fresh_away(fresh, reason, sizeof reason))
            complain(why, size, "%s cannot be taken away: %s", name, reason);
    }
    if (!suite->panel)
        power_down(suite);
    return true;
}
