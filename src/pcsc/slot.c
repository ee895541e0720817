/* SPDX-License-Identifier: MIT */
/*
 * Channels: pcscd opens slot 0 of a reader, asks how many slots there are, and opens the others by the same name. The
 * first one makes the readers of them all; the last one that is closed takes them away.
 *
 * The context stays until the process ends, and the library with it (it is linked not to be unloaded): a driver that
 * hangs keeps threads in it, and neither pcscd's end nor the next reader may wait for that.
 */
#include "slot.h"

#include "device.h"
#include "log.h"

#include <smartcrd/vreader.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define READERS         16   /* of pcscd, too */
#define LAST_TIMEOUT_MS 1000 /* of the power-down that ends a channel */

/* A reader of pcscd: what the slots of one DEVICENAME share. */
struct device {
    unsigned channels; /* open ones; 0: the entry is free */
    unsigned slots;
    uint32_t timeout_ms;
    bool made; /* its readers are ours to remove */
    char names[DEVICE_SLOTS][SMARTCRD_NAME_MAX];
};

/* Held while a channel is opened or closed; guards context and devices. table_lock may be taken while it is held. */
static pthread_mutex_t channel_lock = PTHREAD_MUTEX_INITIALIZER;
static struct smartcrd *context;
static struct device devices[READERS];

/* Guards slots and their holders; held only to look. */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t table_idle = PTHREAD_COND_INITIALIZER; /* a slot has lost its last holder */
static struct slot *slots[READERS][DEVICE_SLOTS];

/* The place of a Lun, NULL when pcscd cannot mean one of ours. */
static struct slot **place(uint32_t lun)
{
    uint32_t reader = lun >> 16, slot = lun & 0xFFFF;

    return reader < READERS && slot < DEVICE_SLOTS ? &slots[reader][slot] : NULL;
}

struct slot *slot_hold(uint32_t lun)
{
    struct slot **at = place(lun), *slot = NULL;

    if (!at)
        return NULL;
    pthread_mutex_lock(&table_lock);
    slot = *at;
    if (slot)
        slot->holders++;
    pthread_mutex_unlock(&table_lock);
    return slot;
}

void slot_release(struct slot *slot)
{
    pthread_mutex_lock(&table_lock);
    if (--slot->holders == 0)
        pthread_cond_broadcast(&table_idle);
    pthread_mutex_unlock(&table_lock);
}

/* ---- a device's readers -------------------------------------------------------------------------------------------- */

/* How much of a name may be told: a card's PIN, and what follows it, is nobody's business. */
static int shown(const char *text)
{
    const char *pin = strstr(text, "pin=");

    return (int)(pin ? (size_t)(pin + 4 - text) : strlen(text));
}

/* Why the virtual reader refused a card: the second line of its status. */
static void log_refusal(struct smartcrd_handle *panel, const char *card, NTSTATUS status)
{
    char text[512];
    size_t size = 0;
    struct smartcrd_request request = {
        .code = IOCTL_VREADER_STATUS, .out = text, .out_size = sizeof(text) - 1, .timeout_ms = 1000};
    const char *why = NULL;

    if (NT_SUCCESS(smartcrd_control(panel, &request, &size))) {
        text[size] = '\0';
        why = strchr(text, '\n');
    }
    log_error("card \"%.*s\": %s", shown(card), card, why ? why + 1 : smartcrd_status_text(status));
}

/* The card's text, with the body of a script behind it. To be freed; NULL: the file cannot be read. */
static char *card_text(const char *card)
{
    static const char script[] = "script=";
    char *text = NULL;
    size_t size;
    FILE *file;

    if (strncmp(card, script, sizeof(script) - 1) != 0)
        return strdup(card);
    file = fopen(card + sizeof(script) - 1, "re");
    text = calloc(1, 65536);
    if (!file || !text)
        goto out;
    size = (size_t)snprintf(text, 65536, "script\n");
    size += fread(text + size, 1, 65536 - size - 1, file);
    if (ferror(file) || fgetc(file) != EOF) {
        free(text);
        text = NULL;
    }
out:
    if (file)
        fclose(file);
    if (!text || !file) {
        log_error("%s cannot be read, or is longer than 64 KiB", card);
        free(text);
        text = NULL;
    }
    return text;
}

static bool insert(const char *reader, const char *card)
{
    char panel_name[SMARTCRD_NAME_MAX + 8], *text = card_text(card);
    struct smartcrd_request request = {.code = IOCTL_VREADER_INSERT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    struct smartcrd_handle *panel = NULL;
    NTSTATUS status;
    bool done = false;

    if (!text)
        return false;
    snprintf(panel_name, sizeof(panel_name), "%s-panel", reader);
    status = smartcrd_open(context, panel_name, &panel);
    if (NT_SUCCESS(status)) {
        request.in = text;
        request.in_size = strlen(text);
        status = smartcrd_control(panel, &request, NULL);
        done = NT_SUCCESS(status);
        if (!done)
            log_refusal(panel, card, status);
    }
    smartcrd_close(panel);
    explicit_bzero(text, strlen(text)); /* a card's PIN may be in it */
    free(text);
    return done;
}

static bool is_taken(const char *reader)
{
    for (unsigned i = 0; i < READERS; i++)
        for (unsigned k = 0; devices[i].channels > 0 && k < devices[i].slots; k++)
            if (!strcmp(devices[i].names[k], reader))
                return true;
    return false;
}

/* The readers that a driver made itself and that no other channel has. */
static unsigned take_readers(struct device *device, const char *driver)
{
    struct smartcrd_reader_info infos[READERS * DEVICE_SLOTS];
    size_t count = smartcrd_list(context, infos, sizeof(infos) / sizeof(infos[0]));
    unsigned taken = 0;

    for (size_t i = 0; i < count && i < sizeof(infos) / sizeof(infos[0]) && taken < DEVICE_SLOTS; i++)
        if (!strcmp(infos[i].driver, driver) && !is_taken(infos[i].name))
            memcpy(device->names[taken++], infos[i].name, sizeof(infos[i].name));
    return taken;
}

/* A driver's name, as smartcrd_load_driver says: of a path the last part without its ending. */
static void driver_name(const char *driver, char *name, size_t size)
{
    const char *slash = strrchr(driver, '/');
    const char *base = slash ? slash + 1 : driver;
    const char *dot = slash ? strrchr(base, '.') : NULL;

    snprintf(name, size, "%.*s", dot ? (int)(dot - base) : (int)strlen(base), base);
}

static void remove_readers(struct device *device)
{
    if (device->made)
        for (unsigned i = 0; i < device->slots; i++)
            smartcrd_remove_reader(context, device->names[i]);
    memset(device, 0, sizeof(*device));
}

/* Make what a name asks for. false: logged. */
static bool make_readers(struct device *device, const char *text)
{
    struct device_name name;
    char why[256] = "", driver[64];
    NTSTATUS status = STATUS_SUCCESS;
    bool good = false;

    if (!device_parse(text, &name, why, sizeof(why))) {
        log_error("DEVICENAME %.*s: %s", shown(text), text, why);
        goto out;
    }
    if (!context)
        status = smartcrd_create(NULL, &context);
    if (NT_SUCCESS(status))
        status = smartcrd_load_driver(context, name.driver, why, sizeof(why));
    driver_name(name.driver, driver, sizeof(driver));
    device->timeout_ms = name.timeout_ms;
    device->made = true;
    while (NT_SUCCESS(status) && device->slots < name.slots) {
        char *reader = device->names[device->slots];

        status = smartcrd_add_reader(context, driver, reader, SMARTCRD_NAME_MAX);
        if (NT_SUCCESS(status)) {
            const char *card = name.cards[device->slots++];

            if (card && *card && !insert(reader, card))
                goto failed;
        }
    }
    if (status == STATUS_NOT_SUPPORTED && device->slots == 0) {
        device->made = false;
        device->slots = take_readers(device, driver);
        status = device->slots > 0 ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
    }
    good = NT_SUCCESS(status);
    if (!good)
        log_error("DEVICENAME %.*s: %s", shown(text), text, why[0] ? why : smartcrd_status_text(status));
failed:
    if (!good)
        remove_readers(device);
out:
    explicit_bzero(&name, sizeof(name)); /* a card's PIN may be in it */
    return good;
}

/* ---- channels ------------------------------------------------------------------------------------------------------ */

static void slot_free(struct slot *slot)
{
    smartcrd_close(slot->watch);
    smartcrd_close(slot->handle);
    if (slot->wake_fd >= 0)
        close(slot->wake_fd);
    pthread_mutex_destroy(&slot->lock);
    free(slot);
}

static struct slot *slot_new(const struct device *device, unsigned number)
{
    struct slot *slot = calloc(1, sizeof(*slot));

    if (!slot)
        return NULL;
    pthread_mutex_init(&slot->lock, NULL);
    slot->slots = device->slots;
    slot->timeout_ms = device->timeout_ms;
    slot->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (slot->wake_fd < 0 || !NT_SUCCESS(smartcrd_open(context, device->names[number], &slot->handle)) ||
        !NT_SUCCESS(smartcrd_open(context, device->names[number], &slot->watch))) {
        slot_free(slot);
        return NULL;
    }
    presence_begin(slot);
    return slot;
}

enum ifd_result ifd_open(uint32_t lun, const char *name)
{
    struct slot **at = place(lun), *slot = NULL;
    struct device *device;

    if (!at)
        return IFD_GONE;
    pthread_mutex_lock(&channel_lock);
    device = &devices[lun >> 16];
    if (*at || (device->channels == 0 && !make_readers(device, name)))
        goto out;
    if ((lun & 0xFFFF) < device->slots)
        slot = slot_new(device, lun & 0xFFFF);
    if (slot)
        device->channels++;
    else if (device->channels == 0)
        remove_readers(device);
    pthread_mutex_lock(&table_lock);
    *at = slot;
    pthread_mutex_unlock(&table_lock);
out:
    pthread_mutex_unlock(&channel_lock);
    return slot ? IFD_OK : IFD_GONE;
}

/* Wait until the last call has left a slot that no new one finds: cancelled and woken, and that again for those that
 * were about to begin. */
static void empty(struct slot *slot)
{
    struct timespec until;
    bool empty = false;

    while (!empty) {
        smartcrd_cancel_all(slot->handle);
        presence_stop(slot);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_mutex_lock(&table_lock);
        if (slot->holders > 0)
            pthread_cond_timedwait(&table_idle, &table_lock, &until);
        empty = slot->holders == 0;
        pthread_mutex_unlock(&table_lock);
    }
}

enum ifd_result ifd_close(uint32_t lun)
{
    struct slot **at = place(lun), *slot = NULL;
    struct device *device;

    if (!at)
        return IFD_GONE;
    pthread_mutex_lock(&channel_lock);
    pthread_mutex_lock(&table_lock);
    slot = *at;
    *at = NULL;
    pthread_mutex_unlock(&table_lock);
    if (slot) {
        empty(slot);
        /* A driver that hangs does not hold up pcscd's end. */
        smartcrd_power(slot->handle, SCARD_POWER_DOWN, NULL, NULL,
                       slot->timeout_ms < LAST_TIMEOUT_MS ? slot->timeout_ms : LAST_TIMEOUT_MS);
        slot_free(slot);
        device = &devices[lun >> 16];
        if (--device->channels == 0)
            remove_readers(device);
    }
    pthread_mutex_unlock(&channel_lock);
    return slot ? IFD_OK : IFD_GONE;
}
