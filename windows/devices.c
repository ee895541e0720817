/* SPDX-License-Identifier: MIT */
/* Devices of Plug and Play through SetupAPI, the way of Microsoft's devcon sample. Which reader belongs to a device is
 * asked of the reader itself, through the device's interface: vreader<N> has DEVICE_UNIT N. */
#include <windows.h>

#include <initguid.h>

#include <newdev.h>
#include <setupapi.h>

#include <smartcrd/winsmcrd.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "devices.h"

#define HARDWARE_ID    L"Root\\VReader\0" /* and the list's own end */
#define PATIENCE_MS    10000u
#define LOOK_AGAIN_MS  10u
#define INSTANCE_CHARS 200u

/* ---- words --------------------------------------------------------------------------------------------------------- */

static bool failed(const char *what, char *why, size_t size)
{
    snprintf(why, size, "%s: error %lu (0x%08lx)", what, GetLastError(), GetLastError());
    return false;
}

static bool refused(const char *what, char *why, size_t size)
{
    snprintf(why, size, "%s", what);
    return false;
}

/* ---- what lies beside the program ---------------------------------------------------------------------------------- */

/* The path of a file in this program's folder. */
static bool beside(const WCHAR *file, WCHAR path[MAX_PATH])
{
    DWORD length = GetModuleFileNameW(NULL, path, MAX_PATH);
    WCHAR *slash;

    if (length == 0 || length >= MAX_PATH) {
        return false;
    }
    slash = wcsrchr(path, L'\\');
    if (slash == NULL || (size_t)(slash + 1 - path) + wcslen(file) >= MAX_PATH) {
        return false;
    }
    wcscpy(slash + 1, file);
    return GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES;
}

bool devices_possible(char *why, size_t size)
{
    WCHAR path[MAX_PATH];

    if (!beside(L"vreader.inf", path) || !beside(L"vreader.sys", path) || !beside(L"smclib.sys", path)) {
        return refused("vreader.inf, vreader.sys and smclib.sys are not in this program's folder", why, size);
    }
    return true;
}

/* ---- devices ------------------------------------------------------------------------------------------------------- */

static bool is_ours(HDEVINFO set, SP_DEVINFO_DATA *device)
{
    WCHAR ids[INSTANCE_CHARS] = L"";

    return SetupDiGetDeviceRegistryPropertyW(set, device, SPDRP_HARDWAREID, NULL, (BYTE *)ids,
                                             sizeof ids - 2 * sizeof(WCHAR), NULL) &&
           _wcsicmp(ids, HARDWARE_ID) == 0;
}

/* Ask a reader for its number. */
static bool unit_of(const WCHAR *path, DWORD *unit)
{
    DWORD tag = SCARD_ATTR_DEVICE_UNIT, length = 0;
    HANDLE reader = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                OPEN_EXISTING, 0, NULL);
    BOOL answered;

    if (reader == INVALID_HANDLE_VALUE) {
        return false;
    }
    answered =
        DeviceIoControl(reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, sizeof tag, unit, sizeof *unit, &length, NULL);
    CloseHandle(reader);
    return answered && length == sizeof *unit;
}

/* The path that an interface is opened by; the caller frees it. NULL: there is none. */
static SP_DEVICE_INTERFACE_DETAIL_DATA_W *path_of(HDEVINFO set, SP_DEVICE_INTERFACE_DATA *found)
{
    SP_DEVICE_INTERFACE_DETAIL_DATA_W *detail;
    DWORD size = 0;

    (void)SetupDiGetDeviceInterfaceDetailW(set, found, NULL, 0, &size, NULL);
    if (size < sizeof *detail) {
        return NULL;
    }
    detail = calloc(1, size);
    if (detail != NULL) {
        detail->cbSize = sizeof *detail;
        if (!SetupDiGetDeviceInterfaceDetailW(set, found, detail, size, NULL, NULL)) {
            free(detail);
            detail = NULL;
        }
    }
    return detail;
}

/* The name of the reader that a device is, from the number that it answers. false: it does not run. */
static bool name_of(HDEVINFO set, SP_DEVINFO_DATA *device, char name[DEVICES_NAME])
{
    SP_DEVICE_INTERFACE_DATA first = {.cbSize = sizeof first};
    SP_DEVICE_INTERFACE_DETAIL_DATA_W *path = NULL;
    HDEVINFO interfaces = INVALID_HANDLE_VALUE;
    WCHAR instance[INSTANCE_CHARS];
    bool found = false;
    DWORD unit;

    if (!SetupDiGetDeviceInstanceIdW(set, device, instance, INSTANCE_CHARS, NULL)) {
        goto out;
    }
    interfaces = SetupDiGetClassDevsW(&SmartCardReaderGuid, instance, NULL, DIGCF_DEVICEINTERFACE | DIGCF_PRESENT);
    if (interfaces == INVALID_HANDLE_VALUE ||
        !SetupDiEnumDeviceInterfaces(interfaces, NULL, &SmartCardReaderGuid, 0, &first)) {
        goto out;
    }
    path = path_of(interfaces, &first);
    if (path != NULL && unit_of(path->DevicePath, &unit)) {
        snprintf(name, DEVICES_NAME, "vreader%lu", unit);
        found = true;
    }
out:
    free(path);
    if (interfaces != INVALID_HANDLE_VALUE) {
        SetupDiDestroyDeviceInfoList(interfaces);
    }
    return found;
}

/* Walk the devices; `visit` returns false to end the walk. */
typedef bool visit_fn(HDEVINFO set, SP_DEVINFO_DATA *device, void *context);

static bool walk(visit_fn *visit, void *context, char *why, size_t size)
{
    HDEVINFO set = SetupDiGetClassDevsW(&SmartCardReaderGuid, NULL, NULL, 0);
    SP_DEVINFO_DATA device = {.cbSize = sizeof device};
    DWORD i;

    if (set == INVALID_HANDLE_VALUE) {
        return failed("SetupDiGetClassDevs", why, size);
    }
    for (i = 0; SetupDiEnumDeviceInfo(set, i, &device); i++) {
        if (is_ours(set, &device) && !visit(set, &device, context)) {
            break;
        }
    }
    SetupDiDestroyDeviceInfoList(set);
    return true;
}

/* ---- add ----------------------------------------------------------------------------------------------------------- */

/* A device without a driver. */
static bool make_device(HDEVINFO set, SP_DEVINFO_DATA *device, char *why, size_t size)
{
    static const WCHAR id[] = HARDWARE_ID;

    if (!SetupDiCreateDeviceInfoW(set, L"VReader", &SmartCardReaderGuid, NULL, NULL, DICD_GENERATE_ID, device)) {
        return failed("SetupDiCreateDeviceInfo", why, size);
    }
    if (!SetupDiSetDeviceRegistryPropertyW(set, device, SPDRP_HARDWAREID, (const BYTE *)id, sizeof id)) {
        return failed("SetupDiSetDeviceRegistryProperty", why, size);
    }
    if (!SetupDiCallClassInstaller(DIF_REGISTERDEVICE, set, device)) {
        return failed("DIF_REGISTERDEVICE", why, size);
    }
    return true;
}

static bool wait_for_name(HDEVINFO set, SP_DEVINFO_DATA *device, char name[DEVICES_NAME])
{
    ULONGLONG end = GetTickCount64() + PATIENCE_MS;

    while (!name_of(set, device, name)) {
        if (GetTickCount64() > end) {
            return false;
        }
        Sleep(LOOK_AGAIN_MS);
    }
    return true;
}

bool devices_add(char name[DEVICES_NAME], char *why, size_t size)
{
    SP_DEVINFO_DATA device = {.cbSize = sizeof device};
    WCHAR inf[MAX_PATH];
    HDEVINFO set = INVALID_HANDLE_VALUE;
    bool made = false, done = false;
    BOOL reboot = FALSE;

    if (!devices_possible(why, size)) {
        goto out;
    }
    set = SetupDiCreateDeviceInfoList(&SmartCardReaderGuid, NULL);
    if (set == INVALID_HANDLE_VALUE) {
        failed("SetupDiCreateDeviceInfoList", why, size);
        goto out;
    }
    made = make_device(set, &device, why, size);
    if (!made) {
        goto out;
    }
    if (!beside(L"vreader.inf", inf) ||
        !UpdateDriverForPlugAndPlayDevicesW(NULL, HARDWARE_ID, inf, INSTALLFLAG_FORCE, &reboot)) {
        failed("UpdateDriverForPlugAndPlayDevices", why, size);
        goto out;
    }
    if (!wait_for_name(set, &device, name)) {
        refused("the device was installed, but its reader does not answer", why, size);
        goto out;
    }
    done = true;
out:
    if (made && !done) {
        SetupDiCallClassInstaller(DIF_REMOVE, set, &device);
    }
    if (set != INVALID_HANDLE_VALUE) {
        SetupDiDestroyDeviceInfoList(set);
    }
    return done;
}

/* ---- remove -------------------------------------------------------------------------------------------------------- */

struct removal {
    const char *name; /* NULL: all */
    unsigned found, removed;
    DWORD error;
};

static bool remove_one(HDEVINFO set, SP_DEVINFO_DATA *device, void *context)
{
    struct removal *removal = context;
    char name[DEVICES_NAME];

    if (removal->name != NULL && (!name_of(set, device, name) || strcmp(name, removal->name) != 0)) {
        return true;
    }
    removal->found++;
    if (SetupDiCallClassInstaller(DIF_REMOVE, set, device)) {
        removal->removed++;
    } else {
        removal->error = GetLastError();
    }
    return removal->name == NULL;
}

static bool opens(const char *name)
{
    char path[DEVICES_NAME + 8];
    HANDLE reader;

    snprintf(path, sizeof path, "\\\\.\\%s", name);
    reader = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0,
                         NULL);
    if (reader == INVALID_HANDLE_VALUE) {
        return false;
    }
    CloseHandle(reader);
    return true;
}

bool devices_remove(const char *name, char *why, size_t size)
{
    struct removal removal = {.name = name};
    ULONGLONG end = GetTickCount64() + PATIENCE_MS;

    if (!walk(remove_one, &removal, why, size)) {
        return false;
    }
    if (removal.found == 0) {
        return refused("there is no such reader", why, size);
    }
    if (removal.removed == 0) {
        SetLastError(removal.error);
        return failed("DIF_REMOVE", why, size);
    }
    while (opens(name)) {
        if (GetTickCount64() > end) {
            return refused("the device was removed, but its reader still answers", why, size);
        }
        Sleep(LOOK_AGAIN_MS);
    }
    return true;
}

bool devices_remove_all(unsigned *count, char *why, size_t size)
{
    struct removal removal = {.name = NULL};

    *count = 0;
    if (!walk(remove_one, &removal, why, size)) {
        return false;
    }
    *count = removal.removed;
    SetLastError(removal.error);
    return removal.removed == removal.found || failed("DIF_REMOVE", why, size);
}

/* ---- list ---------------------------------------------------------------------------------------------------------- */

static bool show_one(HDEVINFO set, SP_DEVINFO_DATA *device, void *context)
{
    void (*const *show)(const char *) = context;
    char name[DEVICES_NAME];

    (*show)(name_of(set, device, name) ? name : NULL);
    return true;
}

bool devices_each(void (*show)(const char *name), char *why, size_t size)
{
    return walk(show_one, &show, why, size);
}
