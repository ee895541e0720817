/* SPDX-License-Identifier: MIT */
/*
 * Drivers: loading them from a shared object or from the program itself, and unloading them.
 */
#include "internal.h"
#include "verify/verify.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static NTSTATUS refuse(PDEVICE_OBJECT device, PIRP irp)
{
    irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_INVALID_DEVICE_REQUEST;
}

static NTSTATUS wide_name(PUNICODE_STRING wide, const char *prefix, const char *name)
{
    char text[NAME_BYTES_MAX + 1];
    ANSI_STRING ansi;

    snprintf(text, sizeof(text), "%s%s", prefix, name);
    RtlInitAnsiString(&ansi, text);
    /* There is one reason why it can fail, which it calls STATUS_NO_MEMORY. */
    return NT_SUCCESS(RtlAnsiStringToUnicodeString(wide, &ansi, TRUE)) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

struct nt_driver *driver_new(struct nt_host *host, const char *name)
{
    struct nt_driver *driver = calloc(1, sizeof(*driver));

    if (driver == NULL) {
        return NULL;
    }
    if (!NT_SUCCESS(wide_name(&driver->object.DriverName, "\\Driver\\", name)) ||
        !NT_SUCCESS(wide_name(&driver->extension.ServiceKeyName, "", name))) {
        driver_free(driver);
        return NULL;
    }
    snprintf(driver->name, sizeof(driver->name), "%s", name);
    driver->host = host;
    driver->extension.DriverObject = &driver->object;
    driver->object.Type = IO_TYPE_DRIVER;
    driver->object.Size = (CSHORT)sizeof(driver->object);
    driver->object.DriverExtension = &driver->extension;
    driver->object.Reserved = driver;
    for (size_t i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++) {
        driver->object.MajorFunction[i] = refuse;
    }
    return driver;
}

void driver_free(struct nt_driver *driver)
{
    if (driver == NULL) {
        return;
    }
    RtlFreeUnicodeString(&driver->object.DriverName);
    RtlFreeUnicodeString(&driver->extension.ServiceKeyName);
    verify_driver_gone(driver);
    if (driver->library != NULL) {
        dlclose(driver->library);
    }
    free(driver);
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 3, 4))) explain(char *error, size_t size, const char *format, ...)
{
    va_list arguments;

    if (error == NULL || size == 0) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(error, size, format, arguments);
    va_end(arguments);
}

static const char *dl_words(void)
{
    const char *words = dlerror();

    return words != NULL ? words : "no reason given";
}

/* Find DriverEntry in a shared object. */
static NTSTATUS open_library(struct nt_driver *driver, const char *path, PDRIVER_INITIALIZE *entry, char *error,
                             size_t error_size)
{
    void *symbol;

    driver->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (driver->library == NULL) {
        explain(error, error_size, "cannot load the driver: %s", dl_words());
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    symbol = dlsym(driver->library, "DriverEntry");
    if (symbol == NULL) {
        explain(error, error_size, "%s is no driver, it exports no DriverEntry: %s", path, dl_words());
        return STATUS_PROCEDURE_NOT_FOUND;
    }
    memcpy(entry, &symbol, sizeof(*entry)); /* ISO C has no conversion from object to function pointers; POSIX does */
    return STATUS_SUCCESS;
}

static NTSTATUS call_entry(struct nt_driver *driver, PDRIVER_INITIALIZE entry)
{
    UNICODE_STRING registry;
    struct nt_host *before;
    struct verify_frame frame;
    NTSTATUS status = wide_name(&registry, "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\", driver->name);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    driver->object.DriverInit = entry;
    before = nt_enter(driver->host);
    if (driver->host->verify != NULL) {
        verify_enter(&frame, driver, "DriverEntry", VERIFY_ADDRESS(entry), NULL);
    }
    status = entry(&driver->object, &registry);
    if (driver->host->verify != NULL) {
        verify_leave(&frame);
        verify_driver_hook(driver);
    }
    if (!NT_SUCCESS(status)) {
        clock_flush(driver->host);
        driver_delete_devices(driver);
    }
    nt_enter(before);
    if (KeGetCurrentIrql() != PASSIVE_LEVEL) {
        host_fail("DriverEntry", "the driver %s returned at IRQL %d", driver->name, KeGetCurrentIrql());
    }
    RtlFreeUnicodeString(&registry);
    return status;
}

static struct nt_driver **driver_slot(struct nt_host *host, const char *name)
{
    struct nt_driver **link = &host->drivers;

    while (*link != NULL && strcmp((*link)->name, name) != 0) {
        link = &(*link)->next;
    }
    return link;
}

static void driver_unlink(struct nt_driver *driver)
{
    struct nt_host *host = driver->host;

    pthread_mutex_lock(&host->names_lock);
    *driver_slot(host, driver->name) = driver->next;
    pthread_mutex_unlock(&host->names_lock);
}

NTSTATUS nt_driver_load(struct nt_host *host, const char *name, PDRIVER_INITIALIZE entry, const char *path,
                        struct nt_driver **driver, char *error, size_t error_size)
{
    size_t length = strlen(name);
    struct nt_driver *d;
    NTSTATUS status = STATUS_SUCCESS;

    *driver = NULL;
    if (length == 0 || length >= DRIVER_NAME_MAX || strpbrk(name, "\\/") != NULL || (entry == NULL && path == NULL)) {
        explain(error, error_size, "a driver's name has 1 to %d bytes and no slash", DRIVER_NAME_MAX - 1);
        return STATUS_INVALID_PARAMETER;
    }
    d = driver_new(host, name);
    if (d == NULL) {
        explain(error, error_size, "no memory for the driver %s", name);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    /* In the list before its code runs, so that two loads of one name cannot both go on. */
    pthread_mutex_lock(&host->names_lock);
    if (*driver_slot(host, name) != NULL || strcmp(name, host->root->name) == 0) {
        status = STATUS_OBJECT_NAME_COLLISION;
    } else {
        d->hidden = true; /* until its DriverEntry has agreed: its devices go when it does not */
        d->next = host->drivers;
        host->drivers = d;
    }
    pthread_mutex_unlock(&host->names_lock);
    if (!NT_SUCCESS(status)) {
        explain(error, error_size, "there is a driver named %s already", name);
        driver_free(d);
        return status;
    }
    status = clock_prepare(host);
    if (!NT_SUCCESS(status)) {
        explain(error, error_size, "no thread for the clock of the driver %s", name);
    } else if (entry == NULL) {
        status = open_library(d, path, &entry, error, error_size);
    }
    if (NT_SUCCESS(status)) {
        status = call_entry(d, entry);
        if (!NT_SUCCESS(status)) {
            explain(error, error_size, "the driver %s refused to start: its DriverEntry returned 0x%08X", name,
                    (unsigned)status);
        }
    }
    if (!NT_SUCCESS(status)) {
        driver_unlink(d);
        driver_free(d);
        return status;
    }
    nt_driver_hide(d, FALSE);
    *driver = d;
    return STATUS_SUCCESS;
}

void nt_driver_hide(struct nt_driver *driver, BOOLEAN hide)
{
    pthread_mutex_lock(&driver->host->names_lock);
    driver->hidden = hide != FALSE;
    pthread_mutex_unlock(&driver->host->names_lock);
}

/* Whether its devices, if it has any, can go with it: made by DriverEntry, in no stack, held by nobody. */
static bool can_unload(struct nt_driver *driver)
{
    LONG own = 0;
    bool can = true;

    pthread_mutex_lock(&driver->host->names_lock);
    for (PDEVICE_OBJECT d = driver->object.DeviceObject; d != NULL && can; d = d->NextDevice) {
        can = driver->object.DriverUnload != NULL && d->Reserved->lower == NULL && d->AttachedDevice == NULL &&
              InterlockedExchangeAdd(&d->Reserved->references, 0) == 1;
        own++;
    }
    /* More than are in the list: one was deleted, but somebody still holds it. */
    can = can && InterlockedExchangeAdd(&driver->devices, 0) == own;
    pthread_mutex_unlock(&driver->host->names_lock);
    return can;
}

void driver_call_unload(struct nt_driver *driver)
{
    struct verify_frame frame;

    if (driver->object.DriverUnload == NULL) {
        return;
    }
    if (driver->verify != NULL) {
        verify_enter(&frame, driver, "Unload routine", VERIFY_ADDRESS(driver->object.DriverUnload), NULL);
    }
    driver->object.DriverUnload(&driver->object);
    if (driver->verify != NULL) {
        verify_leave(&frame);
    }
}

NTSTATUS nt_driver_unload(struct nt_driver *driver)
{
    struct nt_host *host = driver->host;
    struct nt_host *before;

    if (!can_unload(driver)) {
        return STATUS_DEVICE_BUSY;
    }
    before = nt_enter(host);
    driver_call_unload(driver);
    clock_flush(host); /* none of its DPC routines is running or queued when its code goes */
    driver_delete_devices(driver);
    nt_enter(before);
    driver_unlink(driver);
    driver_free(driver);
    return STATUS_SUCCESS;
}
