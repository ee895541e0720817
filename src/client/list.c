/* SPDX-License-Identifier: MIT */
/* The list of readers: their names come from the host, the rest from queries to each, without opening it. */
#include "op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listing {
    struct smartcrd_reader_info *infos;
    size_t room, count;
};

static BOOLEAN add_name(void *context, const char *name, PDEVICE_OBJECT top, BOOLEAN is_reader)
{
    struct listing *listing = context;

    (void)top;
    if (is_reader && strlen(name) < SMARTCRD_NAME_MAX) {
        if (listing->count < listing->room) {
            struct smartcrd_reader_info *info = &listing->infos[listing->count];
            memset(info, 0, sizeof(*info));
            snprintf(info->name, sizeof(info->name), "%s", name);
        }
        listing->count++;
    }
    return TRUE;
}

/* An attribute that is a string; stays empty when there is none. */
static void get_string(const struct query_form *form, uint32_t attribute, char *text, size_t size)
{
    size_t length = 0;
    struct smartcrd_request request = {
        .code = IOCTL_SMARTCARD_GET_ATTRIBUTE,
        .in = &attribute,
        .in_size = sizeof(attribute),
        .out = text,
        .out_size = size - 1,
    };

    if (!NT_SUCCESS(query_run(form, &request, &length)))
        length = 0;
    text[length] = 0;
}

static bool describe(struct smartcrd *context, struct smartcrd_reader_info *info)
{
    struct reader *reader;
    FILE_OBJECT file = {.Type = IO_TYPE_FILE, .Size = sizeof(FILE_OBJECT)};
    struct query_form form;

    if (!NT_SUCCESS(reader_find(context, info->name, &reader)))
        return false;
    file.DeviceObject = reader->device;
    query_prepare(&form, reader, &file);
    snprintf(info->driver, sizeof(info->driver), "%s", reader->driver_name);
    get_string(&form, SCARD_ATTR_VENDOR_NAME, info->vendor, sizeof(info->vendor));
    get_string(&form, SCARD_ATTR_VENDOR_IFD_TYPE, info->ifd_type, sizeof(info->ifd_type));
    if (!NT_SUCCESS(query_ulong(&form, IOCTL_SMARTCARD_GET_STATE, &info->state)))
        info->state = SCARD_UNKNOWN;
    reader_unpin(reader);
    return true;
}

size_t smartcrd_list(struct smartcrd *context, struct smartcrd_reader_info *infos, size_t count)
{
    struct listing listing = {.infos = infos, .room = infos ? count : 0};
    size_t kept = 0;

    if (!context)
        return 0;
    nt_walk(context->host, add_name, &listing);
    if (listing.count > listing.room)
        kept = listing.count - listing.room; /* counted, not described */
    size_t named = listing.count - kept;
    size_t good = 0;
    for (size_t i = 0; i < named; i++) {
        /* One that went in the meantime is left out. */
        if (describe(context, &infos[i])) {
            if (good != i)
                infos[good] = infos[i];
            good++;
        }
    }
    return good + kept;
}
