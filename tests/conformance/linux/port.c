/* SPDX-License-Identifier: MIT */
/* port.h over a context of smartcrd.h: no gaps, and readers to plug in from the driver that the context has. */
#include "../port.h"
#include "port.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *plug_driver;
static NTSTATUS can_plug; /* STATUS_PENDING: not tried yet */

void port_driver(const char *driver)
{
    plug_driver = driver;
    can_plug = STATUS_PENDING;
}

const char *port_system(void)
{
    static char text[160];
    struct utsname name;
    if (uname(&name) != 0)
        return "Linux";
    snprintf(text, sizeof text, "%.64s %.64s", name.sysname, name.release);
    return text;
}

const char *port_gap(enum need need)
{
    return NULL;
}

const char *port_no_plug(const char *reader, bool is_virtual)
{
    char name[SMARTCRD_NAME_MAX];
    if (can_plug == STATUS_PENDING) { /* a driver may make all its readers itself, when it is loaded */
        can_plug = smartcrd_add_reader(win32_context(), plug_driver, name, sizeof name);
        if (NT_SUCCESS(can_plug))
            smartcrd_remove_reader(win32_context(), name);
    }
    return NT_SUCCESS(can_plug) ? NULL : "needs a driver that makes one more reader when it is asked to";
}

static bool plugged(NTSTATUS status, char *why, size_t size)
{
    if (!NT_SUCCESS(status))
        snprintf(why, size, "%s", smartcrd_status_text(status));
    return NT_SUCCESS(status);
}

bool port_plug_in(const char *reader, char name[64], char *why, size_t size)
{
    return plugged(smartcrd_add_reader(win32_context(), plug_driver, name, 64), why, size);
}

bool port_plug_out(const char *name, char *why, size_t size)
{
    return plugged(smartcrd_remove_reader(win32_context(), name), why, size);
}

bool port_begin(const char *wanted, char name[64])
{
    struct smartcrd *context = NULL;
    if (!NT_SUCCESS(smartcrd_create(NULL, &context)))
        return false;
    win32_attach(context);
    port_driver("vreader");
    if (!NT_SUCCESS(smartcrd_load_driver(context, "vreader", NULL, 0)) ||
        !NT_SUCCESS(smartcrd_add_reader(context, "vreader", name, 64))) {
        port_finish();
        return false;
    }
    if (wanted)
        snprintf(name, 64, "%s", wanted);
    return true;
}

void port_finish(void)
{
    struct smartcrd *context = win32_context();
    win32_detach();
    smartcrd_destroy(context);
}

void port_end(int code)
{
    _exit(code);
}
