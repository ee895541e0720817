/* SPDX-License-Identifier: MIT */
/* SELECT in its forms and GET DATA (ISO/IEC 7816-4:2013, 11.2.2 and 11.5.3), and the templates that they answer with. */
#include "fs.h"

/* What P2 asks for (table 40). */
enum { WANT_FCI = 0x00, WANT_FCP = 0x04, WANT_FMD = 0x08, WANT_NOTHING = 0x0C };

static UCHAR child(const struct fs_card *card, UCHAR df, USHORT id)
{
    UCHAR i;

    for (i = 1; i < card->file_count; i++) {
        if (card->files[i].parent == df && card->files[i].id == id) {
            return i;
        }
    }
    return FS_NO_FILE;
}

/* By identifier: a child of the current DF, the MF, the DF itself, its parent, or one of the parent's DFs. */
static UCHAR by_id(const struct fs_card *card, USHORT id)
{
    UCHAR parent = card->files[card->df].parent;
    UCHAR found = child(card, card->df, id);

    if (found != FS_NO_FILE) {
        return found;
    }
    if (id == 0x3F00) {
        return 0;
    }
    if (card->files[card->df].id == id) {
        return card->df;
    }
    if (card->files[parent].id == id) {
        return parent;
    }
    found = child(card, parent, id);
    return found != FS_NO_FILE && card->files[found].kind == FS_DF ? found : (UCHAR)FS_NO_FILE;
}

/* By path: identifiers two bytes each, from `df` down. */
static UCHAR by_path(const struct fs_card *card, UCHAR df, const UCHAR *path, ULONG length)
{
    UCHAR found = df;
    ULONG i;

    for (i = 0; i + 1 < length; i += 2) {
        if (found == FS_NO_FILE || card->files[found].kind != FS_DF) {
            return FS_NO_FILE;
        }
        found = child(card, found, (USHORT)(path[i] << 8 | path[i + 1]));
    }
    return found;
}

/* By DF name, which may be cut on the right; `next` looks behind the current DF. */
static UCHAR by_name(const struct fs_card *card, const UCHAR *name, ULONG length, BOOLEAN next)
{
    UCHAR i;

    for (i = next ? (UCHAR)(card->df + 1) : 0; i < card->file_count; i++) {
        const struct fs_file *file = &card->files[i];

        if (file->kind == FS_DF && length <= file->name_length && file->name_length > 0 &&
            RtlEqualMemory(file->name, name, length)) {
            return i;
        }
    }
    return FS_NO_FILE;
}

static VOID add_control(const struct fs_file *file, struct fs_reply *reply)
{
    static const UCHAR descriptors[] = {0x38, 0x01, 0x02, 0x04, 0x06}; /* table 10, by enum fs_kind */
    UCHAR size[] = {0x80, 0x02, (UCHAR)(file->size >> 8), (UCHAR)(file->size & 0xFF)};
    UCHAR descriptor[] = {0x82, 0x01, descriptors[file->kind]};
    UCHAR records[] = {0x82, 0x05, descriptors[file->kind], 0x01, 0x00, file->record_size, file->records};
    UCHAR id[] = {0x83, 0x02, (UCHAR)(file->id >> 8), (UCHAR)(file->id & 0xFF)};
    UCHAR name[] = {0x84, file->name_length};
    UCHAR sfi[] = {0x88, 0x01, (UCHAR)(file->sfi << 3)};
    static const UCHAR activated[] = {0x8A, 0x01, 0x05};

    if (file->kind != FS_DF) {
        fs_reply_add(reply, size, sizeof size);
    }
    if (file->kind == FS_DF || file->kind == FS_TRANSPARENT) {
        fs_reply_add(reply, descriptor, sizeof descriptor);
    } else {
        fs_reply_add(reply, records, sizeof records);
    }
    fs_reply_add(reply, id, sizeof id);
    if (file->name_length > 0) {
        fs_reply_add(reply, name, sizeof name);
        fs_reply_add(reply, file->name, file->name_length);
    }
    if (file->sfi != 0) {
        fs_reply_add(reply, sfi, sizeof sfi);
    }
    fs_reply_add(reply, activated, sizeof activated);
}

static VOID add_template(const struct fs_file *file, UCHAR want, struct fs_reply *reply)
{
    UCHAR *head = reply->data + reply->length;
    ULONG start;

    if (want == WANT_NOTHING || reply->room - reply->length < 64) {
        return;
    }
    reply->length += 2;
    start = reply->length;
    if (want != WANT_FMD) {
        add_control(file, reply);
    }
    head[0] = want == WANT_FCI ? 0x6F : want == WANT_FCP ? 0x62 : 0x64;
    head[1] = (UCHAR)(reply->length - start);
}

USHORT fs_select(struct fs_card *card, const struct iso7816_command *c, struct fs_reply *reply)
{
    UCHAR found = FS_NO_FILE;

    if ((c->p2 & 0xF3) != 0 && !(c->p1 == 0x04 && (c->p2 & 0xF3) == 0x02)) {
        return 0x6A86;
    }
    switch (c->p1) {
    case 0x00: /* MF, DF or EF by identifier; no data means the MF */
        if (c->lc != 0 && c->lc != 2) {
            return 0x6A87;
        }
        found = c->lc == 0 ? 0 : by_id(card, (USHORT)(c->data[0] << 8 | c->data[1]));
        break;
    case 0x01: /* a DF under the current one */
    case 0x02: /* an EF under the current DF */
        if (c->lc != 2) {
            return 0x6A87;
        }
        found = child(card, card->df, (USHORT)(c->data[0] << 8 | c->data[1]));
        if (found != FS_NO_FILE && (card->files[found].kind == FS_DF) != (c->p1 == 0x01)) {
            found = FS_NO_FILE;
        }
        break;
    case 0x03: /* the parent */
        if (c->lc != 0) {
            return 0x6A87;
        }
        found = card->files[card->df].parent;
        break;
    case 0x04:
        if (c->lc == 0 || c->lc > FS_NAME_MAX) {
            return 0x6A87;
        }
        found = by_name(card, c->data, c->lc, (c->p2 & 0x03) == 0x02);
        break;
    case 0x08: /* path from the MF, which is not named in it */
    case 0x09: /* path from the current DF */
        if (c->lc == 0 || c->lc % 2 != 0) {
            return 0x6A87;
        }
        found = by_path(card, c->p1 == 0x08 ? 0 : card->df, c->data, c->lc);
        break;
    default:
        return 0x6A86;
    }
    if (found == FS_NO_FILE) {
        return 0x6A82;
    }
    if (card->files[found].kind == FS_DF) {
        card->df = found;
        card->ef = FS_NO_FILE;
    } else {
        card->df = card->files[found].parent;
        card->ef = found;
    }
    card->record = 0;
    add_template(&card->files[found], (UCHAR)(c->p2 & 0x0C), reply);
    return 0x9000;
}

/* P1 P2 is a tag: 5F51/5F52 historical bytes are in the ATR, so only the serial number (5A) is offered here. */
USHORT fs_get_data(struct fs_card *card, const struct iso7816_command *c, struct fs_reply *reply)
{
    if (c->p1 != 0x00 || c->p2 != 0x5A) {
        return 0x6A88;
    }
    fs_reply_add(reply, card->arena + card->files[3].at, card->files[3].size);
    return 0x9000;
}
