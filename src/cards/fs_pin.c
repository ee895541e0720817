/* SPDX-License-Identifier: MIT */
/* VERIFY and CHANGE REFERENCE DATA (ISO/IEC 7816-4:2013, 11.6.5 and 11.6.6): one PIN of 4 to 8 digits for the card. */
#include "fs.h"

/* Compare in a time that depends on the lengths alone, not on how many digits are right. */
static BOOLEAN pin_equal(const struct fs_card *card, const UCHAR *digits, ULONG length)
{
    UCHAR wrong = (UCHAR)(length != card->pin_length);
    ULONG i;

    for (i = 0; i < FS_PIN_MAX; i++) {
        UCHAR given = i < length ? digits[i] : 0;
        UCHAR known = i < card->pin_length ? card->pin[i] : 0;

        wrong = (UCHAR)(wrong | (given ^ known));
    }
    return wrong == 0;
}

/* The digits' count without padding (FF); 0 when it is no PIN. */
static ULONG digits_of(const UCHAR *bytes, ULONG length)
{
    ULONG i;

    while (length > 0 && bytes[length - 1] == 0xFF) {
        length--;
    }
    for (i = 0; i < length; i++) {
        if (bytes[i] < '0' || bytes[i] > '9') {
            return 0;
        }
    }
    return length >= 4 && length <= FS_PIN_MAX ? length : 0;
}

/* Try a PIN: counts down before it compares, so that a card that leaves in between has counted. */
static USHORT try_pin(struct fs_card *card, const UCHAR *digits, ULONG length)
{
    if (card->tries_left == 0) {
        return 0x6983;
    }
    card->tries_left--;
    if (!pin_equal(card, digits, length)) {
        card->verified = FALSE;
        return (USHORT)(0x63C0 | card->tries_left);
    }
    card->tries_left = card->tries;
    return 0x9000;
}

static USHORT check_reference(const struct iso7816_command *c)
{
    if (c->p1 != 0x00) {
        return 0x6A86;
    }
    return c->p2 == 0x00 || c->p2 == FS_PIN_ID ? 0x9000 : 0x6A88;
}

USHORT fs_verify(struct fs_card *card, const struct iso7816_command *c, struct fs_reply *reply)
{
    USHORT sw = check_reference(c);
    ULONG length;

    (void)reply;
    if (sw != 0x9000) {
        return sw;
    }
    if (c->lc == 0) { /* how does it stand? */
        if (card->verified) {
            return 0x9000;
        }
        return card->tries_left == 0 ? 0x6983 : (USHORT)(0x63C0 | card->tries_left);
    }
    if (c->lc > FS_PIN_MAX) {
        return 0x6700;
    }
    length = digits_of(c->data, c->lc);
    sw = try_pin(card, c->data, length);
    if (sw == 0x9000) {
        card->verified = TRUE;
    }
    return sw;
}

/* P1 = 00: the old PIN and the new one, each padded with FF to 8 bytes. */
USHORT fs_change_pin(struct fs_card *card, const struct iso7816_command *c, struct fs_reply *reply)
{
    USHORT sw = check_reference(c);
    ULONG fresh;

    (void)reply;
    if (sw != 0x9000) {
        return sw;
    }
    if (c->lc != 2 * FS_PIN_MAX) {
        return 0x6700;
    }
    fresh = digits_of(c->data + FS_PIN_MAX, FS_PIN_MAX);
    if (fresh == 0) {
        return 0x6A80;
    }
    sw = try_pin(card, c->data, digits_of(c->data, FS_PIN_MAX));
    if (sw == 0x9000) {
        card_wipe(card->pin, sizeof card->pin);
        RtlCopyMemory(card->pin, c->data + FS_PIN_MAX, fresh);
        card->pin_length = (UCHAR)fresh;
    }
    return sw;
}
