/* SPDX-License-Identifier: MIT */
/*
 * port.h for Windows and Wine. What a real Windows cannot do is found at run time; what Wine cannot do is the table
 * here (docs/quirks.md tells more).
 */
#include "../port.h"
#include "../../../windows/devices.h"

#include <stdio.h>

/* ntdll exports it on Wine alone. */
static const char *wine_version(void)
{
    typedef const char *version_function(void);
    union {
        FARPROC address;
        version_function *call;
    } function = {.address = GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version")};
    return function.address ? function.call() : NULL;
}

const char *port_system(void)
{
    static char text[80];
    typedef LONG WINAPI get_version(OSVERSIONINFOW * info); /* GetVersionEx lies about what is newer than the program */
    union {
        FARPROC address;
        get_version *call;
    } function = {.address = GetProcAddress(GetModuleHandleA("ntdll.dll"), "RtlGetVersion")};
    OSVERSIONINFOW info = {.dwOSVersionInfoSize = sizeof info};

    if (wine_version())
        snprintf(text, sizeof text, "Wine %s", wine_version());
    else if (function.address && function.call(&info) == 0)
        snprintf(text, sizeof text, "Windows %lu.%lu.%lu", info.dwMajorVersion, info.dwMinorVersion,
                 info.dwBuildNumber);
    else
        snprintf(text, sizeof text, "Windows");
    return text;
}

const char *port_gap(enum need need)
{
    static const struct {
        enum need need;
        const char *reason;
    } gaps[] = {
        {NEED_CLEANUP, "Wine 8 sends no IRP_MJ_CLEANUP: a request stays pended when its file is closed"},
        {NEED_GONE, "Wine 8 answers requests on an open file itself once the device has left; the driver is not asked"},
        {NEED_CANCEL_RACE,
         "Wine 8 writes to a request that ended while it was being cancelled, and its driver process dies"},
    };
    for (size_t i = 0; wine_version() && i < sizeof gaps / sizeof *gaps; i++)
        if (gaps[i].need == need)
            return gaps[i].reason;
    return NULL;
}

const char *port_no_plug(const char *reader, bool is_virtual)
{
    static char why[160];
    if (!is_virtual)
        return "needs a virtual reader, which can be unplugged by a program";
    return devices_possible(why, sizeof why) ? NULL : why;
}

bool port_plug_in(const char *reader, char name[64], char *why, size_t size)
{
    return devices_add(name, why, size);
}

bool port_plug_out(const char *name, char *why, size_t size)
{
    return devices_remove(name, why, size);
}

bool port_begin(const char *wanted, char name[64])
{
    snprintf(name, 64, "%s", wanted ? wanted : "SCReader0");
    return true;
}

void port_finish(void)
{
}

void port_end(int code)
{
    ExitProcess((UINT)code);
}
