/* SPDX-License-Identifier: MIT */
/*
 * T=0: every character of TPDUs of all cases, with and without NULL bytes (ISO/IEC 7816-3:2006, 10.3). There is no
 * check but parity: a character that arrives right in parity and wrong in value is taken for what it is, so a wrong data byte
 * reaches the caller, and a wrong procedure byte leaves reader and card with different ideas of where they are, until a
 * reset. A TPDU that fails leaves nothing behind: the virtual card waits for a header again.
 */
#include "matrix.h"

#define WWT_US 89280u /* WI 1: 960 etu of 93 us */

enum spot { HEADER, DATA_OUT, NUL, ACK, DATA_IN, SW1, SW2 };

struct character {
    bool to_card;
    enum spot spot;
    size_t at;    /* in its direction */
    size_t index; /* in the header, in the data */
};

struct tpdu {
    const char *name;
    uint8_t command[300], right[300];
    size_t size, right_size;
    bool null, fetch; /* GET RESPONSE, after a case 3 that left something to fetch */
};

static const uint8_t ping[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
static const uint8_t pong[] = {0x00, 0x01, 0x90, 0x00};

static NTSTATUS transmit(struct desk *desk, const void *what, uint8_t *reply, size_t *size)
{
    const struct tpdu *tpdu = what;

    return smartcrd_transmit(desk->reader, tpdu->command, tpdu->size, reply, size, SMARTCRD_NO_TIMEOUT);
}

static NTSTATUS transmit_ping(struct desk *desk, const void *what, uint8_t *reply, size_t *size)
{
    (void)what;
    return smartcrd_transmit(desk->reader, ping, sizeof(ping), reply, size, SMARTCRD_NO_TIMEOUT);
}

static bool prepare(struct desk *desk, const void *what)
{
    static const uint8_t leaves_five[] = {0x00, 0x01, 0x00, 0x00, 0x05, 0x00, 0x01, 0x02, 0x03, 0x04};
    const struct tpdu *tpdu = what;
    uint8_t reply[8];
    size_t size = sizeof(reply);

    return desk_connect(desk, SCARD_PROTOCOL_T0) &&
           (!tpdu->fetch || (smartcrd_transmit(desk->reader, leaves_five, sizeof(leaves_five), reply, &size,
                                               SMARTCRD_NO_TIMEOUT) == STATUS_SUCCESS &&
                             size == 2 && reply[0] == 0x61 && reply[1] == 0x05));
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

#define OK       STATUS_SUCCESS
#define ERROR    STATUS_DEVICE_PROTOCOL_ERROR
#define MUTE     STATUS_IO_TIMEOUT
#define PROTOCOL SMARTCRD_LAYER_PROTOCOL

static const struct expected fine = {OK, SMARTCRD_LAYER_DRIVER, "", 0, ANSWER_RIGHT, WORKS};
static const struct expected altered = {OK, SMARTCRD_LAYER_DRIVER, "", 0, ANSWER_ALTERED, WORKS};
static const struct expected another = {OK, SMARTCRD_LAYER_DRIVER, "", 0, ANSWER_OTHER, AFTER_RESET};
static const struct expected mute = {MUTE, PROTOCOL, "T=0: the card is mute", 0, ANSWER_NONE, WORKS};
static const struct expected unknown = {ERROR, PROTOCOL, "T=0: a procedure byte that is none", 0, ANSWER_NONE, WORKS};
static const struct expected removed = {
    STATUS_NO_MEDIA, SMARTCRD_LAYER_CARD, "the card was removed", 0, ANSWER_NONE, GONE};

/* 7.3: sent again, three times at most. */
static struct expected parity(bool to_card, unsigned times)
{
    if (times >= 1 && times <= 3)
        return (struct expected){OK, SMARTCRD_LAYER_DRIVER, "", (int)times, ANSWER_RIGHT, WORKS};
    if (to_card) /* it has not got the character, and goes on waiting for it */
        return (struct expected){MUTE, PROTOCOL, "T=0: the card is mute", 3, ANSWER_NONE, WORKS};
    return (struct expected){ERROR, PROTOCOL, "T=0: a character stays wrong", 4, ANSWER_NONE, WORKS};
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

static void one(struct desk *desk, const struct cell *base, const struct character *c, unsigned times,
                const struct expected *expected, const char *format, ...) __attribute__((format(printf, 6, 7)));

static void one(struct desk *desk, const struct cell *base, const struct character *c, unsigned times,
                const struct expected *expected, const char *format, ...)
{
    static const char *const spots[] = {"header", "data", "NULL", "ACK", "data", "SW1", "SW2"};
    struct cell cell = *base;
    char fault[60];
    va_list arguments;
    size_t used = strlen(cell.name);

    va_start(arguments, format);
    vsnprintf(fault, sizeof(fault), format, arguments);
    va_end(arguments);
    if (strncmp(fault, "remove", 6) == 0)
        text(cell.fault[0], sizeof(cell.fault[0]), "%s to=%s", fault, c->to_card ? "card" : "reader");
    else
        text(cell.fault[0], sizeof(cell.fault[0]), "%s to=%s count=%u", fault, c->to_card ? "card" : "reader", times);
    text(cell.name + used, sizeof(cell.name) - used, ", %s (%s %zu)", cell.fault[0], spots[c->spot], c->index);
    cell.expected = *expected;
    matrix_cell(desk, &cell);
}

/* A procedure byte that is none, one that is NULL, one that is SW1; with what comes of it. */
static void procedure_bytes(struct desk *desk, const struct cell *base, const struct character *c,
                            const struct tpdu *tpdu, size_t out, size_t in)
{
    bool last = tpdu->right_size == in + 2 && c->spot == SW1;

    one(desk, base, c, 1, &unknown, "alter byte=%zu value=00", c->at);
    one(desk, base, c, FOR_EVER, &unknown, "alter byte=%zu value=00", c->at);
    if (c->spot == ACK) {
        /* NULL: the card waits for data, or its first data byte is taken for a procedure byte. */
        one(desk, base, c, 1, out > 0 ? &mute : &unknown, "alter byte=%zu value=60", c->at);
        /* SW1, and the next character is SW2: the answer of a card that has more to say, or to hear. */
        if (in > 0)
            one(desk, base, c, 1, &another, "alter byte=%zu value=90", c->at);
        else
            one(desk, base, c, 1, &mute, "alter byte=%zu value=90", c->at);
        /* ACK for one byte, and the second is none (out) or no procedure byte (in). */
        if (out > 1)
            one(desk, base, c, 1, &mute, "alter byte=%zu xor=FF", c->at);
        else if (in > 1)
            one(desk, base, c, 1, &unknown, "alter byte=%zu xor=FF", c->at);
    }
    if (c->spot == NUL)
        one(desk, base, c, 1, &another, "alter byte=%zu value=90", c->at);
    if (last)
        one(desk, base, c, 1, &unknown, "alter byte=%zu value=60",
            c->at); /* NULL; then SW2, which is no procedure byte */
    if (c->spot == SW1)
        one(desk, base, c, 1, &altered, "alter byte=%zu xor=02", c->at);
}

static void altered_characters(struct desk *desk, const struct cell *base, const struct character *c,
                               const struct tpdu *tpdu, size_t out, size_t in)
{
    if (c->spot == HEADER) {
        if (c->index == 1) { /* another INS, and the card's ACK is its own: no procedure byte of ours */
            if (in == 256)   /* which counts no bytes to the card */
                one(desk, base, c, 1, &another, "alter byte=%zu xor=10", c->at);
            else if (out + in > 0)
                one(desk, base, c, 1, &unknown, "alter byte=%zu xor=10", c->at);
            else
                one(desk, base, c, 1, &fine, "alter byte=%zu xor=10", c->at);
        } else if (c->index < 4) {
            one(desk, base, c, 1, &fine, "alter byte=%zu xor=01", c->at); /* the echo card does not mind */
            one(desk, base, c, FOR_EVER, &fine, "alter byte=%zu xor=01", c->at);
        } else if (out > 1) { /* P3 is one less: the last byte of the data is the next command's first */
            one(desk, base, c, 1, &another, "alter byte=%zu value=%02X", c->at, (unsigned)out - 1);
            if (out < 255)
                one(desk, base, c, 1, &mute, "alter byte=%zu value=%02X", c->at, (unsigned)out + 1);
        } else if (in > 1) { /* P3 is one less: SW1 is taken for data, SW2 for a procedure byte */
            one(desk, base, c, 1, &unknown, "alter byte=%zu value=%02X", c->at, (unsigned)in - 1);
        }
    } else if (c->spot == DATA_OUT) { /* the card has another byte, and nobody knows */
        one(desk, base, c, 1, &fine, "alter byte=%zu xor=01", c->at);
        one(desk, base, c, FOR_EVER, &fine, "alter byte=%zu xor=01", c->at);
    } else if (c->spot == DATA_IN || c->spot == SW2) {
        one(desk, base, c, 1, &altered, "alter byte=%zu xor=01", c->at);
        one(desk, base, c, FOR_EVER, &altered, "alter byte=%zu xor=01", c->at);
    } else {
        procedure_bytes(desk, base, c, tpdu, out, in);
    }
}

static void inserted(struct desk *desk, const struct cell *base, const struct character *c, size_t in)
{
    if (c->to_card)
        return;                                               /* the reader's own, and the card has no way to tell */
    if (c->spot == NUL || c->spot == ACK || c->spot == SW1) { /* 10.3.3: any number of NULL */
        one(desk, base, c, 1, &fine, "extra hex=60 byte=%zu", c->at);
        one(desk, base, c, 1, &fine, "extra hex=6060606060606060 byte=%zu", c->at);
        one(desk, base, c, 1, &unknown, "extra hex=00 byte=%zu", c->at);
    } else if (c->spot == DATA_IN && in > 0) { /* the last data byte is taken for a procedure byte */
        one(desk, base, c, 1, &unknown, "extra hex=05 byte=%zu", c->at);
    } else if (c->spot == SW2) {
        one(desk, base, c, 1, &altered, "extra hex=EE byte=%zu", c->at); /* SW2, and what follows is lost */
    }
}

static void character(struct desk *desk, const struct cell *base, const struct character *c, const struct tpdu *tpdu,
                      size_t out, size_t in)
{
    static const unsigned times[] = {1, 2, 3, 4, FOR_EVER};
    const bool slow = tpdu->null && !c->to_card && /* the card takes its time before NULL and what follows */
                      (c->spot == NUL || (out > 0 ? c->spot == SW1 : c->at == 1));

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct expected expected = parity(c->to_card, times[i]);

        one(desk, base, c, times[i], &expected, "parity byte=%zu", c->at);
    }
    for (unsigned ever = 0; ever < 2; ever++) {
        one(desk, base, c, !ever, &mute, "cut byte=%zu", c->at);
        one(desk, base, c, !ever, &fine, "delay byte=%zu us=%u", c->at, slow ? 1000u : WWT_US - 1);
        one(desk, base, c, !ever, &mute, "delay byte=%zu us=%u", c->at, WWT_US + 1);
        one(desk, base, c, !ever, &fine, "edc byte=%zu", c->at); /* there are no blocks */
        one(desk, base, c, !ever, &fine, "duplicate");
    }
    one(desk, base, c, 1, &removed, "remove when=during byte=%zu", c->at);
    altered_characters(desk, base, c, tpdu, out, in);
    inserted(desk, base, c, in);
}

static void plain(struct desk *desk, const struct cell *base, const char *fault, const struct expected *expected)
{
    struct cell cell = *base;
    size_t used = strlen(cell.name);

    text(cell.name + used, sizeof(cell.name) - used, ", %s", *fault != '\0' ? fault : "no fault");
    text(cell.fault[0], sizeof(cell.fault[0]), "%s", fault);
    cell.expected = *expected;
    matrix_cell(desk, &cell);
}

static void whole(struct desk *desk, const struct cell *base, const struct tpdu *tpdu, const size_t sent[2])
{
    const bool first_is_null = tpdu->null && tpdu->size <= 5;
    static const struct expected before = {
        STATUS_NO_MEDIA, SMARTCRD_LAYER_CARD, "the card was removed", 0, ANSWER_NONE, GONE};
    static const struct expected behind = {OK, SMARTCRD_LAYER_DRIVER, "", 0, ANSWER_RIGHT, GONE};
    static const struct expected endless = {MUTE, PROTOCOL, "T=0: NULL bytes without end", 0, ANSWER_NONE, WORKS};
    char fault[80];

    plain(desk, base, "", &fine);
    plain(desk, base, "remove when=before", &before);
    plain(desk, base, "remove when=after", &behind);
    for (int to_card = 0; to_card < 2; to_card++) { /* behind the last character: the list above is right */
        text(fault, sizeof(fault), "remove when=during byte=%zu to=%s", sent[to_card], to_card ? "card" : "reader");
        plain(desk, base, fault, &fine);
    }
    plain(desk, base, "mute", &mute);
    plain(desk, base, "mute count=0", &mute);
    plain(desk, base, "wtx", tpdu->fetch ? &fine : &endless); /* what is fetched is there already */
    plain(desk, base, "wtx count=0", tpdu->fetch ? &fine : &endless);
    text(fault, sizeof(fault), "late us=%u", tpdu->null ? 1000 : WWT_US - 1);
    plain(desk, base, fault, &fine);
    text(fault, sizeof(fault), "late us=%u", WWT_US + 1);
    plain(desk, base, fault, tpdu->fetch ? &fine : &mute);
    plain(desk, base, "extra hex=05", first_is_null ? &unknown : &fine); /* behind ACK or SW2 it is lost */
}

static size_t draw(struct character *c, const struct tpdu *tpdu, size_t out, size_t in, size_t sent[2])
{
    size_t count = 0;

    for (size_t i = 0; i < 5; i++)
        c[count++] = (struct character){true, HEADER, sent[1]++, i};
    if (out > 0)
        c[count++] = (struct character){false, ACK, sent[0]++, 0};
    for (size_t i = 0; i < out; i++)
        c[count++] = (struct character){true, DATA_OUT, sent[1]++, i};
    if (tpdu->null)
        c[count++] = (struct character){false, NUL, sent[0]++, 0};
    if (in > 0)
        c[count++] = (struct character){false, ACK, sent[0]++, 0};
    for (size_t i = 0; i < in; i++)
        c[count++] = (struct character){false, DATA_IN, sent[0]++, i};
    c[count++] = (struct character){false, SW1, sent[0]++, 0};
    c[count++] = (struct character){false, SW2, sent[0]++, 0};
    return count;
}

void walk_t0(struct desk *desk)
{
    static const struct {
        const char *name;
        uint8_t ins;
        size_t out, in;
    } cases[] = {{"case 1", 0x01, 0, 0},
                 {"case 2", 0xB0, 0, 2},
                 {"case 2, 40 bytes", 0xB0, 0, 40},
                 {"case 2, 256 bytes", 0xB0, 0, 256},
                 {"case 3", 0x01, 1, 0},
                 {"case 3, 5 bytes", 0x01, 5, 0},
                 {"case 3, 255 bytes", 0x01, 255, 0},
                 {"GET RESPONSE", 0xC0, 0, 5}};
    static struct character characters[600];

    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]) - 1; i++) { /* what is fetched is there at once */
        const size_t out = cases[i / 2].out, in = cases[i / 2].in;
        struct tpdu tpdu = {.null = i % 2 != 0, .fetch = cases[i / 2].ins == 0xC0};
        struct cell cell = {.prepare = prepare,
                            .exchange = transmit,
                            .next = transmit_ping,
                            .what = &tpdu,
                            .right = tpdu.right,
                            .next_right = pong,
                            .next_right_size = sizeof(pong)};
        size_t sent[2] = {0, 0};
        size_t count = draw(characters, &tpdu, out, in, sent);

        memcpy(tpdu.command, (const uint8_t[]){0x00, cases[i / 2].ins, 0x00, 0x00, (uint8_t)(out + in)}, 5);
        tpdu.size = out + in > 0 ? 5 + out : 4;
        for (size_t k = 0; k < out; k++)
            tpdu.command[5 + k] = (uint8_t)(0x11 + k % 0x40);
        for (size_t k = 0; k < in; k++)
            tpdu.right[k] = (uint8_t)k;
        tpdu.right_size = in;
        /* The echo of case 3 is case 4: the card has something to fetch (12.2.5). */
        memcpy(tpdu.right + in, (const uint8_t[]){out > 0 ? 0x61 : 0x90, (uint8_t)out}, 2);
        cell.right_size = in + 2;
        text(cell.card, sizeof(cell.card), "echo atr=3B804001%s", tpdu.null ? " delay=60" : "");
        text(cell.name, sizeof(cell.name), "%s%s", cases[i / 2].name, tpdu.null ? " with NULL" : "");
        whole(desk, &cell, &tpdu, sent);
        for (size_t k = 0; k < count; k++)
            character(desk, &cell, &characters[k], &tpdu, out, in);
    }
}
