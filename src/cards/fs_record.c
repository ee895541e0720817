/* SPDX-License-Identifier: MIT */
/* READ, UPDATE and APPEND RECORD (ISO/IEC 7816-4:2013, 11.4): by number, by place, one or several. */
#include "fs.h"

enum { FIRST = 0, LAST = 1, NEXT = 2, PREVIOUS = 3, NUMBER = 4, FROM_NUMBER = 5, TO_NUMBER = 6 };

UCHAR *fs_record(struct fs_card *card, const struct fs_file *file, ULONG number)
{
    ULONG slot = number - 1;

    if (number == 0 || number > file->records) {
        return NULL;
    }
    if (file->kind == FS_CYCLIC) {
        /* number 1 is the newest; older ones lie in the slots before it */
        slot = (file->newest + (ULONG)file->records_max - slot) % file->records_max;
    }
    return card->arena + file->at + slot * (ULONG)(file->record_size + 1);
}

static USHORT locate(struct fs_card *card, const struct iso7816_command *c, struct fs_file **file)
{
    UCHAR sfi = c->p2 >> 3;
    USHORT sw = sfi == 0x1F ? 0x6A86 : fs_target(card, sfi, file);

    if (sw != 0x9000) {
        return sw;
    }
    return (*file)->kind == FS_DF || (*file)->kind == FS_TRANSPARENT ? 0x6981 : 0x9000;
}

/* The number that P1 and the low bits of P2 mean. 0: there is none. Identifiers are not kept, so P1 is 0 for places. */
static ULONG which(const struct fs_card *card, const struct fs_file *file, UCHAR p1, UCHAR mode)
{
    switch (mode) {
    case FIRST:
        return file->records > 0;
    case LAST:
        return file->records;
    case NEXT:
        return card->record < file->records ? (ULONG)card->record + 1 : 0;
    case PREVIOUS:
        return card->record == 0 ? file->records : (ULONG)card->record - 1;
    default:
        return p1 == 0 ? card->record : p1;
    }
}

/* Records in the order that P2 asks for: P1 to the last, or the last to P1. */
static USHORT read_several(struct fs_card *card, const struct fs_file *file, ULONG number, BOOLEAN down,
                           struct fs_reply *reply)
{
    ULONG n = down ? file->records : number;

    for (; n >= 1 && n <= file->records; n = down ? n - 1 : n + 1) {
        const UCHAR *record = fs_record(card, file, n);

        fs_reply_add(reply, record + 1, record[0]);
        if (down && n == number) {
            break;
        }
    }
    return 0x9000;
}

USHORT fs_read_record(struct fs_card *card, const struct iso7816_command *c, struct fs_reply *reply)
{
    UCHAR mode = c->p2 & 0x07;
    struct fs_file *file;
    const UCHAR *record;
    ULONG number;
    USHORT sw = locate(card, c, &file);

    if (sw != 0x9000) {
        return sw;
    }
    if (mode > TO_NUMBER || (mode < NUMBER && c->p1 != 0)) {
        return 0x6A86;
    }
    if (!fs_allowed(card, file->read)) {
        return 0x6982;
    }
    number = which(card, file, c->p1, mode);
    record = fs_record(card, file, number);
    if (record == NULL) {
        return 0x6A83;
    }
    if (mode == FROM_NUMBER || mode == TO_NUMBER) {
        return read_several(card, file, number, mode == TO_NUMBER, reply);
    }
    if (mode < NUMBER) {
        card->record = (UCHAR)number; /* a read by number leaves the pointer alone (11.4.3) */
    }
    fs_reply_add(reply, record + 1, record[0]);
    return c->le > record[0] && c->le != (c->extended ? 65536u : 256u) ? 0x6282 : 0x9000;
}

static USHORT check_length(const struct fs_file *file, ULONG length)
{
    if (file->kind == FS_LINEAR_VARIABLE) {
        return length <= file->record_size ? 0x9000 : 0x6A84;
    }
    return length == file->record_size ? 0x9000 : 0x6700;
}

/* Make room for a record: behind the last one, or, in a cyclic file, over the oldest. NULL: the file is full. */
static UCHAR *new_record(struct fs_card *card, struct fs_file *file)
{
    if (file->kind == FS_CYCLIC) {
        file->newest = (UCHAR)(file->records == 0 ? 0 : (file->newest + 1) % file->records_max);
        if (file->records < file->records_max) {
            file->records++;
        }
        card->record = 1;
        return fs_record(card, file, 1);
    }
    if (file->records >= file->records_max) {
        return NULL;
    }
    file->records++;
    card->record = file->records;
    return fs_record(card, file, file->records);
}

static VOID write_record(UCHAR *record, const struct iso7816_command *c)
{
    record[0] = (UCHAR)c->lc;
    RtlCopyMemory(record + 1, c->data, c->lc);
}

USHORT fs_update_record(struct fs_card *card, const struct iso7816_command *c, struct fs_reply *reply)
{
    UCHAR mode = c->p2 & 0x07;
    struct fs_file *file;
    UCHAR *record;
    ULONG number;
    USHORT sw = locate(card, c, &file);

    (void)reply;
    if (sw != 0x9000) {
        return sw;
    }
    if (mode > NUMBER || (mode < NUMBER && c->p1 != 0)) {
        return 0x6A86;
    }
    if (!fs_allowed(card, file->update)) {
        return 0x6982;
    }
    sw = check_length(file, c->lc);
    if (sw != 0x9000) {
        return sw;
    }
    if (file->kind == FS_CYCLIC && mode == PREVIOUS) {
        record = new_record(card, file); /* the previous of the newest is the oldest, which becomes the newest */
    } else {
        number = which(card, file, c->p1, mode);
        record = fs_record(card, file, number);
        if (record != NULL && mode < NUMBER) {
            card->record = (UCHAR)number;
        }
    }
    if (record == NULL) {
        return 0x6A83;
    }
    write_record(record, c);
    return 0x9000;
}

USHORT fs_append_record(struct fs_card *card, const struct iso7816_command *c, struct fs_reply *reply)
{
    struct fs_file *file;
    UCHAR *record;
    USHORT sw;

    (void)reply;
    if (c->p1 != 0 || (c->p2 & 0x07) != 0) {
        return 0x6A86;
    }
    sw = locate(card, c, &file);
    if (sw != 0x9000) {
        return sw;
    }
    if (!fs_allowed(card, file->update)) {
        return 0x6982;
    }
    sw = check_length(file, c->lc);
    if (sw != 0x9000) {
        return sw;
    }
    record = new_record(card, file);
    if (record == NULL) {
        return 0x6A84;
    }
    write_record(record, c);
    return 0x9000;
}
