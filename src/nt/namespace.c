/* SPDX-License-Identifier: MIT */
/*
 * The names of device objects, symbolic links and interfaces: a hash table per host.
 */
#include "internal.h"
#include "verify/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_BUCKETS 64
#define LINKS_MAX     7 /* links in a row that are followed */

static char upcase(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool same(const char *a, const char *b)
{
    while (*a != '\0' && upcase(*a) == upcase(*b)) {
        a++;
        b++;
    }
    return upcase(*a) == upcase(*b);
}

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)upcase(*text)) * 16777619U;
    }
    return hash;
}

/* ---- from the kernel's strings ----------------------------------------------------------------------------------- */

/* Append a character as UTF-8; false when it does not fit or is none. */
static bool append(char *text, size_t *length, uint32_t c)
{
    static const uint8_t lead[] = {0x00, 0xC0, 0xE0, 0xF0};
    unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

    if (c == 0 || c > 0x10FFFF || *length + more + 1 > NAME_BYTES_MAX) {
        return false;
    }
    text[(*length)++] = (char)(lead[more] | (c >> (6 * more)));
    while (more-- > 0) {
        text[(*length)++] = (char)(0x80 | ((c >> (6 * more)) & 0x3F));
    }
    return true;
}

static void replace_prefix(char *text, const char *prefix, const char *with)
{
    size_t old = strlen(prefix), new = strlen(with);

    for (size_t i = 0; i < old; i++) {
        if (upcase(text[i]) != upcase(prefix[i])) {
            return;
        }
    }
    memcpy(text, with, new);
    memmove(text + new, text + old, strlen(text + old) + 1);
}

NTSTATUS name_from_wide(PCUNICODE_STRING wide, char text[NAME_BYTES_MAX + 1])
{
    size_t length = 0;
    char before = '\0';

    if (wide == NULL || wide->Buffer == NULL || wide->Length % sizeof(WCHAR) != 0 || wide->Length == 0 ||
        wide->Buffer[0] != L'\\') {
        return STATUS_OBJECT_NAME_INVALID;
    }
    for (size_t i = 0; i < wide->Length / sizeof(WCHAR); i++) {
        if ((wide->Buffer[i] == L'\\' && before == '\\') || !append(text, &length, (uint32_t)wide->Buffer[i])) {
            return STATUS_OBJECT_NAME_INVALID;
        }
        before = text[length - 1];
    }
    if (before == '\\') {
        return STATUS_OBJECT_NAME_INVALID;
    }
    text[length] = '\0';
    replace_prefix(text, "\\DosDevices\\", "\\??\\");
    replace_prefix(text, "\\GLOBAL\?\?\\", "\\??\\");
    return STATUS_SUCCESS;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static struct name **slot(struct nt_host *host, const char *text)
{
    uint32_t hash = hash_of(text);
    struct name **link = &host->buckets[hash & (host->bucket_count - 1)];

    while (*link != NULL && ((*link)->hash != hash || !same((*link)->text, text))) {
        link = &(*link)->next;
    }
    return link;
}

struct name *name_find(struct nt_host *host, const char *text)
{
    return *slot(host, text);
}

static const char *target_of(const struct name *link)
{
    return link->text + link->target_offset;
}

static struct name **target_chain(struct nt_host *host, uint32_t hash)
{
    return &host->targets[hash & (host->bucket_count - 1)];
}

static void target_add(struct nt_host *host, struct name *link)
{
    struct name **chain = target_chain(host, link->target_hash);

    link->target_next = *chain;
    *chain = link;
}

static void target_remove(struct nt_host *host, struct name *link)
{
    struct name **at = target_chain(host, link->target_hash);

    while (*at != link) {
        at = &(*at)->target_next;
    }
    *at = link->target_next;
}

bool names_init(struct nt_host *host)
{
    host->bucket_count = FIRST_BUCKETS;
    host->buckets = calloc(host->bucket_count, sizeof(*host->buckets));
    host->targets = calloc(host->bucket_count, sizeof(*host->targets));
    return host->buckets != NULL && host->targets != NULL;
}

/* Twice the buckets when there are more names than buckets; without memory the chains just grow. */
static void grow(struct nt_host *host)
{
    size_t old_count = host->bucket_count, count = old_count * 2;
    struct name **old = host->buckets;
    struct name **buckets = calloc(count, sizeof(*buckets)), **targets = calloc(count, sizeof(*targets));

    if (buckets == NULL || targets == NULL) {
        free(buckets);
        free(targets);
        return;
    }
    free(host->targets);
    host->targets = targets;
    host->buckets = buckets;
    host->bucket_count = count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct name *name = old[i], *next; name != NULL; name = next) {
            struct name **link = &buckets[name->hash & (count - 1)];

            next = name->next;
            name->next = *link;
            *link = name;
            if (name->kind == NAME_LINK) {
                target_add(host, name);
            }
        }
    }
    free(old);
}

/* The device that a name stands for, through a link; NULL: none. */
static PDEVICE_OBJECT resolve(struct nt_host *host, const struct name *name)
{
    for (int depth = 0; name != NULL && depth <= LINKS_MAX; depth++) {
        if (name->kind != NAME_LINK) {
            return name->device;
        }
        name = name_find(host, target_of(name));
    }
    return NULL;
}

static bool is_dos_link(const struct name *name)
{
    return name->kind == NAME_LINK && strncmp(name->text, "\\??\\", 4) == 0;
}

NTSTATUS name_add(struct nt_host *host, enum name_kind kind, const char *text, const char *target, struct name **name)
{
    size_t size = strlen(text) + 1;
    size_t target_size = target != NULL ? strlen(target) + 1 : 0;
    struct name **link;
    struct name *n;

    if (host->name_count >= host->bucket_count) {
        grow(host);
    }
    link = slot(host, text);
    if (*link != NULL) {
        return STATUS_OBJECT_NAME_COLLISION;
    }
    n = calloc(1, sizeof(*n) + size + target_size);
    if (n == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    n->kind = kind;
    n->hash = hash_of(text);
    memcpy(n->text, text, size);
    if (target != NULL) {
        n->target_offset = (uint16_t)size;
        memcpy(n->text + size, target, target_size);
    }
    n->order = ++host->name_order;
    *link = n;
    host->name_count++;
    if (kind == NAME_LINK) {
        n->target_hash = hash_of(target);
        target_add(host, n);
    }
    *name = n;
    return STATUS_SUCCESS;
}

void name_remove(struct nt_host *host, struct name *name)
{
    PDEVICE_OBJECT device = name->kind == NAME_LINK ? resolve(host, name) : NULL;

    *slot(host, name->text) = name->next;
    host->name_count--;
    if (name->kind == NAME_LINK) {
        target_remove(host, name);
    }
    if (device != NULL) {
        name_choose_link(host, device);
    }
    free(name);
}

/* The oldest link in \DosDevices among `best`, those to `text`, and those to them. From a device downwards links form a
 * tree, since each has one target; `depth` keeps to what resolve follows. */
static struct name *oldest_link(struct nt_host *host, const char *text, struct name *best, int depth)
{
    uint32_t hash = hash_of(text);

    for (struct name *link = *target_chain(host, hash); link != NULL && depth > 0; link = link->target_next) {
        if (link->target_hash == hash && same(target_of(link), text)) {
            if (is_dos_link(link) && (best == NULL || link->order < best->order)) {
                best = link;
            }
            best = oldest_link(host, link->text, best, depth - 1);
        }
    }
    return best;
}

void name_choose_link(struct nt_host *host, PDEVICE_OBJECT device)
{
    const struct name *name = device->Reserved->name;

    device->Reserved->link = name != NULL ? oldest_link(host, name->text, NULL, LINKS_MAX) : NULL;
}

void names_free(struct nt_host *host)
{
    for (size_t i = 0; host->buckets != NULL && i < host->bucket_count; i++) {
        for (struct name *name = host->buckets[i], *next; name != NULL; name = next) {
            next = name->next;
            free(name);
        }
    }
    free(host->buckets);
    free(host->targets);
}

/* ---- symbolic links ---------------------------------------------------------------------------------------------- */

NTSTATUS IoCreateSymbolicLink(PUNICODE_STRING SymbolicLinkName, PUNICODE_STRING DeviceName)
{
    struct nt_host *host = nt_current(__func__);
    char text[NAME_BYTES_MAX + 1], target[NAME_BYTES_MAX + 1];
    struct name *name;
    PDEVICE_OBJECT device;
    NTSTATUS status = name_from_wide(SymbolicLinkName, text);

    VERIFY_CALLED();
    if (NT_SUCCESS(status)) {
        status = name_from_wide(DeviceName, target);
    }
    if (!NT_SUCCESS(status)) {
        return status;
    }
    pthread_mutex_lock(&host->names_lock);
    status = name_add(host, NAME_LINK, text, target, &name);
    if (NT_SUCCESS(status)) {
        device = resolve(host, name);
        if (device != NULL) {
            name_choose_link(host, device);
        }
    }
    pthread_mutex_unlock(&host->names_lock);
    return status;
}

NTSTATUS IoCreateUnprotectedSymbolicLink(PUNICODE_STRING SymbolicLinkName, PUNICODE_STRING DeviceName)
{
    VERIFY_CALLED();
    return IoCreateSymbolicLink(SymbolicLinkName, DeviceName);
}

NTSTATUS IoDeleteSymbolicLink(PUNICODE_STRING SymbolicLinkName)
{
    struct nt_host *host = nt_current(__func__);
    char text[NAME_BYTES_MAX + 1];
    struct name *name;
    NTSTATUS status = name_from_wide(SymbolicLinkName, text);

    VERIFY_CALLED();
    if (!NT_SUCCESS(status)) {
        return status;
    }
    pthread_mutex_lock(&host->names_lock);
    name = name_find(host, text);
    if (name != NULL && name->kind == NAME_LINK) {
        name_remove(host, name);
    } else {
        status = name != NULL ? STATUS_OBJECT_TYPE_MISMATCH : STATUS_OBJECT_NAME_NOT_FOUND;
    }
    pthread_mutex_unlock(&host->names_lock);
    return status;
}

/* ---- what the client asks ---------------------------------------------------------------------------------------- */

/* The link under which a stack is listed: the topmost device's, else one below it. */
static const struct name *stack_link(PDEVICE_OBJECT top)
{
    for (PDEVICE_OBJECT device = top; device != NULL; device = device->Reserved->lower) {
        if (device->Reserved->link != NULL) {
            return device->Reserved->link;
        }
    }
    return NULL;
}

static bool is_screader(const char *component)
{
    static const char prefix[] = "SCREADER";
    size_t i = 0;

    for (; prefix[i] != '\0'; i++) {
        if (upcase(component[i]) != prefix[i]) {
            return false;
        }
    }
    return component[i] != '\0' && strspn(component + i, "0123456789") == strlen(component + i);
}

/* Whether it is on its way in or out, and found by nobody meanwhile. */
static bool is_hidden(PDEVICE_OBJECT device)
{
    return device->Reserved->hidden_in != NULL || device->Reserved->driver->hidden;
}

/* The name under which a device can be opened; false: it is none that has one. *reader says whether it is a reader. */
static bool open_name(struct nt_host *host, PDEVICE_OBJECT top, char name[NAME_BYTES_MAX + 1], bool *reader)
{
    struct nt_device *device = top->Reserved;
    const struct name *link;

    if (device->deleted || is_hidden(top) || top->AttachedDevice != NULL || device->driver == host->root) {
        return false;
    }
    link = stack_link(top);
    *reader = interface_is_reader(device_bottom(top));
    if (link != NULL) {
        snprintf(name, NAME_BYTES_MAX + 1, "%s", strrchr(link->text, '\\') + 1);
        *reader = *reader || is_screader(name);
        return true;
    }
    if (*reader) {
        snprintf(name, NAME_BYTES_MAX + 1, "%s%u", device->driver->name, device->number);
        return true;
    }
    return false;
}

NTSTATUS nt_device_name(PDEVICE_OBJECT top, char *name, size_t size)
{
    struct nt_host *host = top->Reserved->host;
    char text[NAME_BYTES_MAX + 1];
    size_t length;
    bool reader, found;

    pthread_mutex_lock(&host->names_lock);
    found = open_name(host, top, text, &reader);
    pthread_mutex_unlock(&host->names_lock);
    if (!found) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    length = strlen(text) + 1;
    if (length > size) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    memcpy(name, text, length);
    return STATUS_SUCCESS;
}

void nt_walk(struct nt_host *host,
             BOOLEAN (*visit)(void *context, const char *name, PDEVICE_OBJECT top, BOOLEAN is_reader), void *context)
{
    char name[NAME_BYTES_MAX + 1];
    BOOLEAN go_on = TRUE;

    pthread_mutex_lock(&host->names_lock);
    for (LIST_ENTRY *entry = host->devices.Flink; entry != &host->devices && go_on; entry = entry->Flink) {
        PDEVICE_OBJECT top = CONTAINING_RECORD(entry, struct nt_device, all)->object;
        bool reader;

        if (open_name(host, top, name, &reader)) {
            go_on = visit(context, name, top, reader);
        }
    }
    pthread_mutex_unlock(&host->names_lock);
}

/* A reader without a link of its own, by its driver's name and its number: "driver3". A driver's name may end with
 * digits too, so every way to divide the digits is tried. */
static PDEVICE_OBJECT find_numbered(struct nt_host *host, const char *name)
{
    char own[NAME_BYTES_MAX + 1];
    size_t length = strlen(name), at = length;
    uint64_t number = 0, place = 1;
    bool reader;

    while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9' && length - at < 10) {
        number += place * (uint64_t)(name[--at] - '0');
        place *= 10;
        for (struct nt_driver *driver = host->drivers; driver != NULL && number <= UINT32_MAX; driver = driver->next) {
            PDEVICE_OBJECT top;

            if (strlen(driver->name) != at || strncasecmp(driver->name, name, at) != 0) {
                continue;
            }
            top = device_numbered(driver, (uint32_t)number);
            if (top != NULL && open_name(host, top, own, &reader) && same(own, name)) {
                return top;
            }
        }
    }
    return NULL;
}

struct search {
    const char *name;
    PDEVICE_OBJECT found;
};

static BOOLEAN visit_search(void *context, const char *name, PDEVICE_OBJECT top, BOOLEAN is_reader)
{
    struct search *search = context;

    if (same(name, search->name)) {
        search->found = top;
    }
    return search->found == NULL;
}

PDEVICE_OBJECT nt_find(struct nt_host *host, const char *name)
{
    struct search search = {.found = NULL};
    PDEVICE_OBJECT found;
    char text[NAME_BYTES_MAX + 1] = "\\??\\";
    size_t length;
    bool hidden;

    if (strncmp(name, "\\\\.\\", 4) == 0 || strncmp(name, "\\\\?\\", 4) == 0) {
        name += 4;
    }
    length = strlen(name);
    if (length == 0 || length > NAME_BYTES_MAX - 4) {
        return NULL;
    }
    memcpy(text + 4, name, length + 1);
    pthread_mutex_lock(&host->names_lock);
    found = resolve(host, name_find(host, text));
    found = found != NULL ? device_top(found) : find_numbered(host, name);
    hidden = found != NULL && is_hidden(found);
    pthread_mutex_unlock(&host->names_lock);
    if (hidden) {
        return NULL;
    }
    if (found == NULL) {
        search.name = name;
        nt_walk(host, visit_search, &search); /* it may be the last component of a longer link */
        found = search.found;
    }
    return found;
}
