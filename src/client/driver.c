/* SPDX-License-Identifier: MIT */
/* Drivers: loading and unloading them, by name. What a driver is made of is the host's business (nt.h). */
#include "context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct driver *driver_find(struct smartcrd *context, const char *name)
{
    struct driver *driver = context->drivers;

    while (driver && strcasecmp(driver->name, name) != 0)
        driver = driver->next;
    return driver;
}

static void say(char *error, size_t size, const char *format, const char *name)
{
    if (error && size > 0)
        snprintf(error, size, format, name);
}

/* Take a place in the list of drivers, without a driver yet. NULL: *status says why. */
static struct driver *reserve(struct smartcrd *context, const char *name, NTSTATUS *status)
{
    struct driver *driver;

    pthread_mutex_lock(&context->lock);
    while ((driver = driver_find(context, name)) && (!driver->nt || driver->unloading))
        pthread_cond_wait(&context->changed, &context->lock); /* another thread is loading or unloading it */
    if (driver) {
        *status = STATUS_SUCCESS;
        driver = NULL;
    } else {
        *status = STATUS_INSUFFICIENT_RESOURCES;
        driver = calloc(1, sizeof(*driver));
        if (driver) {
            snprintf(driver->name, sizeof(driver->name), "%s", name);
            driver->next = context->drivers;
            context->drivers = driver;
        }
    }
    pthread_mutex_unlock(&context->lock);
    return driver;
}

static void drop(struct smartcrd *context, struct driver *driver)
{
    struct driver **link = &context->drivers;

    while (*link != driver)
        link = &(*link)->next;
    *link = driver->next;
    free(driver);
    pthread_cond_broadcast(&context->changed);
}

static NTSTATUS load(struct smartcrd *context, const char *name, PDRIVER_INITIALIZE entry, const char *path,
                     char *error, size_t error_size)
{
    struct nt_driver *nt = NULL;
    struct driver *driver;
    struct nt_host *before;
    struct nt_held held;
    NTSTATUS status = STATUS_INVALID_PARAMETER;

    if (name[0] == 0 || strlen(name) >= DRIVER_NAME_SIZE) {
        say(error, error_size, "a driver's name has 1 to 31 bytes: '%.64s' does not fit", name);
        return status;
    }
    driver = reserve(context, name, &status);
    if (!driver)
        return status;
    held = context_hold(context);
    before = nt_enter(context->host);
    status = nt_driver_load(context->host, name, entry, path, &nt, error, error_size);
    nt_enter(before);
    context_release(held);
    pthread_mutex_lock(&context->lock);
    if (NT_SUCCESS(status)) {
        driver->nt = nt;
        pthread_cond_broadcast(&context->changed);
    } else {
        drop(context, driver);
    }
    pthread_mutex_unlock(&context->lock);
    return status;
}

NTSTATUS smartcrd_load_driver(struct smartcrd *context, const char *driver, char *error, size_t error_size)
{
    char name[DRIVER_NAME_SIZE + 1];
    const char *base, *end;

    say(error, error_size, "%s", "");
    if (!context || !driver)
        return STATUS_INVALID_PARAMETER;
    base = strrchr(driver, '/');
    if (!base) {
        for (const struct builtin_driver *b = builtin_drivers; b->name; b++) {
            if (strcasecmp(b->name, driver) == 0)
                return load(context, b->name, b->entry, NULL, error, error_size);
        }
        say(error, error_size, "there is no driver '%.64s' built in; give the path of a shared object, with a slash",
            driver);
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    base++;
    end = strrchr(base, '.');
    size_t length = end && end != base ? (size_t)(end - base) : strlen(base);
    snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : sizeof(name)), base);
    return load(context, name, NULL, driver, error, error_size);
}

NTSTATUS smartcrd_add_driver(struct smartcrd *context, const char *name, smartcrd_driver_entry *entry)
{
    if (!context || !name || !entry)
        return STATUS_INVALID_PARAMETER;
    return load(context, name, entry, NULL, NULL, 0);
}

NTSTATUS smartcrd_unload_driver(struct smartcrd *context, const char *name)
{
    struct driver *driver;
    struct nt_host *before;
    struct nt_held held;
    NTSTATUS status = STATUS_OBJECT_NAME_NOT_FOUND;

    if (!context || !name)
        return STATUS_INVALID_PARAMETER;
    handle_adopt_orphans(context);
    pthread_mutex_lock(&context->lock);
    driver = driver_find(context, name);
    if (driver && driver->nt && !driver->unloading) {
        status = STATUS_DEVICE_BUSY;
        if (driver->busy == 0 && readers_forget(context, driver->name)) {
            driver->unloading = true;
            nt_driver_hide(driver->nt, TRUE); /* nobody finds its devices any more */
            status = STATUS_SUCCESS;
        }
    }
    pthread_mutex_unlock(&context->lock);
    if (!NT_SUCCESS(status))
        return status;
    held = context_hold(context);
    before = nt_enter(context->host);
    status = nt_driver_unload(driver->nt);
    nt_enter(before);
    context_release(held);
    pthread_mutex_lock(&context->lock);
    if (NT_SUCCESS(status)) {
        drop(context, driver);
    } else {
        nt_driver_hide(driver->nt, FALSE);
        driver->unloading = false;
    }
    pthread_cond_broadcast(&context->changed);
    pthread_mutex_unlock(&context->lock);
    return status;
}
