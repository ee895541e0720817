/* SPDX-License-Identifier: MIT */
/* READ BINARY and UPDATE BINARY (ISO/IEC 7816-4:2013, 11.3), even instruction bytes; GET CHALLENGE (11.6.2). */
#include "fs.h"

/* P1 P2: offset of 15 bits in the current EF, or, with b8 of P1, an SFI and an offset of 8 bits. */
static USHORT locate(struct fs_card *card, const struct iso7816_command *c, struct fs_file **file, ULONG *offset)
{
    USHORT sw;

    if ((c->p1 & 0x80) != 0) {
        if ((c->p1 & 0x60) != 0 || (c->p1 & 0x1F) == 0) {
            return 0x6A86;
        }
        *offset = c->p2;
        sw = fs_target(card, c->p1 & 0x1F, file);
    } else {
        *offset = (ULONG)(c->p1 << 8 | c->p2);
        sw = fs_target(card, 0, file);
    }
    if (sw != 0x9000) {
        return sw;
    }
    return (*file)->kind == FS_TRANSPARENT ? 0x9000 : 0x6981;
}

USHORT fs_read_binary(struct fs_card *card, const struct iso7816_command *c, struct fs_reply *reply)
{
    struct fs_file *file;
    ULONG offset, left, whole;
    USHORT sw = locate(card, c, &file, &offset);

    if (sw != 0x9000) {
        return sw;
    }
    if (!fs_allowed(card, file->read)) {
        return 0x6982;
    }
    if (offset >= file->size) {
        return 0x6B00;
    }
    left = file->size - offset;
    /* An Le that is coded as zero asks for all there is; any other that is too great is told. */
    whole = c->extended ? 65536 : 256;
    fs_reply_add(reply, card->arena + file->at + offset, left < c->le ? left : c->le);
    return left < c->le && c->le != whole ? 0x6282 : 0x9000;
}

USHORT fs_update_binary(struct fs_card *card, const struct iso7816_command *c, struct fs_reply *reply)
{
    struct fs_file *file;
    ULONG offset;
    USHORT sw = locate(card, c, &file, &offset);

    (void)reply;
    if (sw != 0x9000) {
        return sw;
    }
    if (!fs_allowed(card, file->update)) {
        return 0x6982;
    }
    if (offset >= file->size) {
        return 0x6B00;
    }
    if (c->lc > file->size - offset) {
        return 0x6700;
    }
    RtlCopyMemory(card->arena + file->at + offset, c->data, c->lc);
    return 0x9000;
}

/* Numbers for tests, not for secrets: xorshift32 (Marsaglia), which repeats for the same seed. */
USHORT fs_get_challenge(struct fs_card *card, const struct iso7816_command *c, struct fs_reply *reply)
{
    ULONG i;

    if (c->p1 != 0 || c->p2 != 0) {
        return 0x6A86;
    }
    for (i = 0; i < c->le; i++) {
        ULONG x = card->random != 0 ? card->random : 1;
        UCHAR byte;

        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        card->random = x;
        byte = (UCHAR)(x >> 24);
        fs_reply_add(reply, &byte, 1);
    }
    return 0x9000;
}
