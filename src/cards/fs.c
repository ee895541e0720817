/* SPDX-License-Identifier: MIT */
/*
 * The file system card: an ISO/IEC 7816-4 card with an MF, DFs, transparent and record files, a PIN with a retry
 * counter, and a random number generator that repeats itself for the same seed. This file is the card's kind and the
 * way from a command APDU to its handler; protocols (GET RESPONSE, chaining, 6Cxx) are the reader's business.
 */
#include "fs.h"

#define TAG 0x73664345u

/*
 * T=0 and T=1, TA1 = 95, WI = 2, IFSC = 254, BWI = 1, CWI = 5; historical bytes (ISO/IEC 7816-4:2013, 12.1.1) with the
 * card capabilities: selection by DF name, path and identifier, SFI, record numbers, extended lengths.
 */
static const UCHAR fs_atr[] = {0x3B, 0x95, 0x95, 0xC0, 0x02, 0x31, 0xFE, 0x15, 0x80, 0x73, 0xB6, 0x21, 0x40, 0x3C};

/* One row per instruction. `le` says whether the command must have Le, `lc` whether it must have data. */
enum rule { NO, MAY, MUST };
static const struct row {
    UCHAR ins;
    UCHAR lc, le;
    fs_handler *handler;
} rows[] = {
    {0xA4, MAY, MAY, fs_select},      {0xB0, NO, MUST, fs_read_binary},   {0xD6, MUST, NO, fs_update_binary},
    {0xB2, NO, MUST, fs_read_record}, {0xDC, MUST, NO, fs_update_record}, {0xE2, MUST, NO, fs_append_record},
    {0x20, MAY, NO, fs_verify},       {0x24, MUST, NO, fs_change_pin},    {0x84, NO, MUST, fs_get_challenge},
    {0xCA, NO, MUST, fs_get_data},
};

BOOLEAN fs_allowed(const struct fs_card *card, UCHAR access)
{
    return access == FS_ALWAYS || (access == FS_AFTER_PIN && card->verified);
}

VOID fs_reply_add(struct fs_reply *reply, const UCHAR *bytes, ULONG length)
{
    if (length > reply->room - reply->length) {
        length = reply->room - reply->length;
    }
    RtlCopyMemory(reply->data + reply->length, bytes, length);
    reply->length += length;
}

USHORT fs_target(struct fs_card *card, UCHAR sfi, struct fs_file **file)
{
    UCHAR i;

    if (sfi != 0) {
        for (i = 0; i < card->file_count; i++) {
            if (card->files[i].sfi == sfi && card->files[i].parent == card->df && card->files[i].kind != FS_DF) {
                card->ef = i;
                card->record = 0;
                *file = &card->files[i];
                return 0x9000;
            }
        }
        return 0x6A82;
    }
    if (card->ef == FS_NO_FILE) {
        return 0x6986;
    }
    *file = &card->files[card->ef];
    return 0x9000;
}

/* CLA: the first interindustry values, basic channel, no secure messaging, no chaining (ISO/IEC 7816-4:2013, 5.4.1). */
static USHORT check_class(UCHAR cla)
{
    if ((cla & 0xE0) != 0) {
        return 0x6E00;
    }
    if ((cla & 0x10) != 0) {
        return 0x6884;
    }
    if ((cla & 0x0C) != 0) {
        return 0x6882;
    }
    return (cla & 0x03) != 0 ? 0x6881 : 0x9000;
}

static BOOLEAN rule_ok(UCHAR rule, BOOLEAN there)
{
    return rule == MAY || (rule == MUST) == there;
}

static USHORT run(struct fs_card *card, const struct iso7816_command *command, struct fs_reply *reply)
{
    USHORT sw = check_class(command->cla);
    ULONG i;

    if (sw != 0x9000) {
        return sw;
    }
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].ins != command->ins) {
            continue;
        }
        if (!rule_ok(rows[i].lc, command->lc > 0) || !rule_ok(rows[i].le, command->has_le)) {
            return 0x6700;
        }
        return rows[i].handler(card, command, reply);
    }
    return 0x6D00;
}

static NTSTATUS fs_command(struct card *base, ULONG ticket, const UCHAR *apdu, ULONG apdu_length, UCHAR *response,
                           ULONG *length)
{
    struct fs_card *card = (struct fs_card *)base;
    struct iso7816_command command;
    struct fs_reply reply = {.data = response, .room = *length - 2};
    USHORT sw = 0x6700;

    (void)ticket;
    if (iso7816_command_parse(apdu, apdu_length, &command)) {
        sw = run(card, &command, &reply);
        if (command.has_le && reply.length > command.le) {
            reply.length = command.le;
        }
    }
    response[reply.length] = (UCHAR)(sw >> 8);
    response[reply.length + 1] = (UCHAR)(sw & 0xFF);
    *length = reply.length + 2;
    return STATUS_SUCCESS;
}

/* ---- the kind ---------------------------------------------------------------------------------------------------- */

static BOOLEAN number_option(const struct card_options *options, const char *key, ULONG max, ULONG *number, char *why,
                             ULONG why_size)
{
    struct card_text text;
    const char *value;
    ULONG length;

    if (!card_option(options, key, &value, &length) || card_number(value, length, max, number)) {
        return TRUE;
    }
    card_text_begin(&text, why, why_size);
    card_text_add(&text, key);
    card_text_add(&text, " wants a number of at most ");
    card_text_number(&text, max);
    return FALSE;
}

static BOOLEAN pin_option(struct fs_card *card, const struct card_options *options, char *why, ULONG why_size)
{
    struct card_text text;
    const char *value = "1234";
    ULONG length = 4;
    ULONG i;

    (void)card_option(options, "pin", &value, &length);
    for (i = 0; i < length && value[i] >= '0' && value[i] <= '9'; i++) {
    }
    if (length < 4 || length > FS_PIN_MAX || i != length) {
        card_text_begin(&text, why, why_size);
        card_text_add(&text, "pin wants 4 to 8 digits");
        return FALSE;
    }
    RtlCopyMemory(card->pin, value, length);
    card->pin_length = (UCHAR)length;
    return TRUE;
}

static NTSTATUS fs_create(const struct card_options *options, struct card_slot *slot, struct card **card, char *why,
                          ULONG why_size)
{
    static const char *const keys[] = {"pin", "tries", "seed", "delay", NULL};
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    ULONG tries = 3, seed = 1, delay = 0;
    struct fs_card *fs;

    (void)slot;
    fs = ExAllocatePoolWithTag(NonPagedPool, sizeof *fs, TAG);
    if (fs == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    RtlZeroMemory(fs, sizeof *fs);
    if (!card_options_known(options, keys, why, why_size) ||
        !number_option(options, "tries", 15, &tries, why, why_size) ||
        !number_option(options, "seed", 0xFFFFFFFFu, &seed, why, why_size) ||
        !number_option(options, "delay", 3600000, &delay, why, why_size) || !pin_option(fs, options, why, why_size)) {
        goto out;
    }
    status = STATUS_INTERNAL_ERROR;
    fs->base.kind = &card_fs;
    fs->delay_ms = delay;
    fs->seed = seed;
    fs->random = seed;
    fs->tries = (UCHAR)tries;
    fs->tries_left = (UCHAR)tries;
    if (!fs_content(fs)) {
        goto out;
    }
    fs_restart(fs);
    *card = &fs->base;
    return STATUS_SUCCESS;
out:
    card_wipe(fs, sizeof *fs);
    ExFreePoolWithTag(fs, TAG);
    return status;
}

static VOID fs_destroy(struct card *card)
{
    card_wipe(card, sizeof(struct fs_card));
    ExFreePoolWithTag(card, TAG);
}

VOID fs_restart(struct fs_card *card)
{
    card->verified = FALSE;
    card->df = 0;
    card->ef = FS_NO_FILE;
    card->record = 0;
}

static NTSTATUS fs_reset(struct card *card, BOOLEAN cold, ULONG ticket, UCHAR *atr, ULONG *length)
{
    (void)cold;
    (void)ticket;
    fs_restart((struct fs_card *)card);
    RtlCopyMemory(atr, fs_atr, sizeof fs_atr);
    *length = sizeof fs_atr;
    return STATUS_SUCCESS;
}

static enum card_direction fs_direction(struct card *card, const UCHAR header[5])
{
    (void)card;
    return card_iso_direction(header);
}

static ULONG fs_delay(struct card *card)
{
    return ((struct fs_card *)card)->delay_ms;
}

const struct card_kind card_fs = {
    .name = "fs",
    .help = "an ISO 7816-4 file system; pin=DIGITS tries=N seed=N delay=MS",
    .create = fs_create,
    .destroy = fs_destroy,
    .reset = fs_reset,
    .command = fs_command,
    .direction = fs_direction,
    .delay_ms = fs_delay,
};
