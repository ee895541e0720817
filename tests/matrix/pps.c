/* SPDX-License-Identifier: MIT */
/*
 * PPS: every character of the request and of the response. A response that is none of those that ISO/IEC 7816-3:2006,
 * 9.3, allows, or does not come within 9600 etu, costs a warm reset and a request for the next slower rate; the third
 * request is the last. A card whose first protocol is the wanted one needs none for the default rate, so that it always
 * comes to an end with it.
 */
#include "matrix.h"

#define NEXT_US 892800u /* clause 9: 9600 etu of 93 us */

struct negotiation {
    const char *name, *card;
    uint32_t protocol;
    bool offers_t0;
    unsigned requests; /* as many as fail, when all do */
    bool fails;        /* then */
    char first[8];     /* the rate that is proposed first */
};

static NTSTATUS select_protocol(struct desk *desk, const void *what, uint8_t *reply, size_t *size)
{
    const struct negotiation *n = what;
    uint32_t selected = 0;
    NTSTATUS status = smartcrd_set_protocol(desk->reader, n->protocol, &selected, SMARTCRD_NO_TIMEOUT);

    memcpy(reply, &selected, sizeof(selected));
    *size = sizeof(selected);
    return status;
}

/* The rate is the same on both sides: an exchange works. */
static NTSTATUS ask(struct desk *desk, const void *what, uint8_t *reply, size_t *size)
{
    static const uint8_t ping[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    const struct negotiation *n = what;
    NTSTATUS status = smartcrd_set_protocol(desk->reader, n->protocol, NULL, SMARTCRD_NO_TIMEOUT);

    if (status != STATUS_SUCCESS)
        return status;
    return smartcrd_transmit(desk->reader, ping, sizeof(ping), reply, size, SMARTCRD_NO_TIMEOUT);
}

static bool prepare(struct desk *desk, const void *what)
{
    uint8_t atr[33];
    size_t size;

    (void)what;
    return desk_reset(desk, atr, &size) == STATUS_SUCCESS;
}

#define OK STATUS_SUCCESS

static const struct expected fine = {OK, SMARTCRD_LAYER_DRIVER, "", 0, ANSWER_RIGHT, WORKS};
static const struct expected removed = {
    STATUS_NO_MEDIA, SMARTCRD_LAYER_CARD, "the card was removed", 0, ANSWER_NONE, GONE};
static const struct expected before = {
    STATUS_NO_MEDIA, SMARTCRD_LAYER_CARD, "the card was removed", 0, ANSWER_NONE, GONE};
static const struct expected behind = {OK, SMARTCRD_LAYER_DRIVER, "", 0, ANSWER_RIGHT, GONE};
static const struct expected mute = {STATUS_IO_TIMEOUT, SMARTCRD_LAYER_CARD, "no answer to the warm reset came", 1,
                                     ANSWER_NONE,       AFTER_RESET};

/* So many requests fail, as `status` when it is the last; `more` retransmissions of characters. */
static struct expected failing(const struct negotiation *n, unsigned times, NTSTATUS status, unsigned more)
{
    static char step[100];
    unsigned failures = times == FOR_EVER || times > n->requests ? n->requests : times;

    if (failures == n->requests && n->fails) {
        return (struct expected){status,      SMARTCRD_LAYER_CARD, "PPS: *, again", (int)(failures * (1 + more)),
                                 ANSWER_NONE, AFTER_RESET};
    }
    text(step, sizeof(step), failures == 1 ? "PPS: * %s; now *" : "PPS: *; now *", n->first);
    return (struct expected){OK, SMARTCRD_LAYER_CARD, step, (int)(failures * (1 + more)), ANSWER_RIGHT, WORKS};
}

/* 1, 2, 3 and all requests or responses are no good. */
static void bad(struct desk *desk, const struct cell *base, const struct negotiation *n, bool to_card, NTSTATUS status,
                const char *fault)
{
    static const unsigned times[] = {1, 2, 3, FOR_EVER};

    /* Behind the end of the third request, which has no PPS1, a character more harms none. */
    for (size_t i = 0; i < (strstr(fault, "hex=FF byte=3") != NULL ? 2 : 4); i++) {
        struct expected expected = failing(n, times[i], status, 0);

        matrix_faulty(desk, base, &expected, "%s on=pps to=%s count=%u", fault, to_card ? "card" : "reader", times[i]);
    }
}

static void parity(struct desk *desk, const struct cell *base, const struct negotiation *n, bool to_card, size_t at)
{
    const NTSTATUS status = to_card ? STATUS_IO_TIMEOUT : STATUS_DEVICE_PROTOCOL_ERROR;
    const unsigned repetitions = n->offers_t0 ? 3 : 0;

    for (unsigned times = 0; times <= repetitions + 1; times++) {
        struct expected expected = failing(n, times == FOR_EVER ? FOR_EVER : 1, status, repetitions);

        if (times != FOR_EVER && times <= repetitions) { /* 7.3: sent again */
            expected = fine;
            expected.retransmissions = (int)times;
        }
        matrix_faulty(desk, base, &expected, "parity byte=%zu on=pps to=%s count=%u", at, to_card ? "card" : "reader",
                      times);
    }
}

static void character(struct desk *desk, const struct cell *base, const struct negotiation *n, bool to_card, size_t at)
{
    /* A card that gets no good request stays mute (9.3). */
    const NTSTATUS wrong = to_card ? STATUS_IO_TIMEOUT : STATUS_DEVICE_PROTOCOL_ERROR;
    const char *way = to_card ? "card" : "reader";
    char fault[80];

    parity(desk, base, n, to_card, at);
    text(fault, sizeof(fault), "edc byte=%zu", at);
    bad(desk, base, n, to_card, wrong, fault);
    text(fault, sizeof(fault), "cut byte=%zu", at);
    bad(desk, base, n, to_card, at == 0 ? STATUS_IO_TIMEOUT : wrong, fault);
    text(fault, sizeof(fault), "extra hex=FF byte=%zu", at);
    bad(desk, base, n, to_card, wrong, fault);
    if (at == 0) {
        bad(desk, base, n, to_card, wrong, "alter byte=0 xor=01");
    } else if (at == 3) {
        matrix_faulty(desk, base, &fine, "alter byte=3 xor=01 on=pps to=%s", way);
        matrix_faulty(desk, base, &fine, "alter byte=3 xor=01 on=pps to=%s count=2", way);
    } else { /* another protocol, another rate: not what was proposed, and the card may agree to it */
        struct expected expected = failing(n, 1, wrong, 0);

        matrix_faulty(desk, base, &expected, "alter byte=%zu xor=01 on=pps to=%s", at, way);
    }
    matrix_faulty(desk, base, &fine, "delay byte=%zu us=%u on=pps to=%s", at, NEXT_US - 1, way);
    matrix_faulty(desk, base, &fine, "delay byte=%zu us=%u on=pps to=%s count=0", at, NEXT_US - 1, way);
    text(fault, sizeof(fault), "delay byte=%zu us=%u", at, NEXT_US + 1);
    if (to_card && at == 0)
        matrix_faulty(desk, base, &fine, "%s on=pps to=card", fault);
    else
        bad(desk, base, n, to_card, at == 0 ? STATUS_IO_TIMEOUT : wrong, fault);
    matrix_faulty(desk, base, &removed, "remove when=during byte=%zu to=%s", at, way);
}

static void whole(struct desk *desk, const struct cell *base, const struct negotiation *n)
{
    matrix_faulty(desk, base, &fine, "%s", "");
    matrix_faulty(desk, base, &before, "remove when=before");
    matrix_faulty(desk, base, &behind, "remove when=after");
    matrix_faulty(desk, base, &mute, "mute");
    matrix_faulty(desk, base, &mute, "mute count=0");
    for (int to_card = 0; to_card < 2; to_card++) {
        matrix_faulty(desk, base, &fine, "remove when=during byte=4 to=%s", to_card ? "card" : "reader");
        matrix_faulty(desk, base, &fine, "extra hex=FF on=pps to=%s count=0", to_card ? "card" : "reader");
        matrix_faulty(desk, base, &fine, "duplicate on=pps to=%s",
                      to_card ? "card" : "reader"); /* there is no next one */
    }
    matrix_faulty(desk, base, &fine, "edc byte=1 on=exchange");
    matrix_faulty(desk, base, &fine, "cut byte=1 on=atr");
    matrix_faulty(desk, base, &fine, "late us=%u", NEXT_US - 1);
    bad(desk, base, n, false, STATUS_DEVICE_PROTOCOL_ERROR, "replace hex=FF1118"); /* not echoed */
    bad(desk, base, n, false, STATUS_DEVICE_PROTOCOL_ERROR, "replace hex=3B80");   /* no PPSS */
    bad(desk, base, n, false, STATUS_DEVICE_PROTOCOL_ERROR,
        n->protocol == SCARD_PROTOCOL_T1 ? "replace hex=FF00" : "replace hex=FF01"); /* another protocol */
}

void walk_pps(struct desk *desk)
{
    static const struct negotiation negotiations[] = {
        {"T=1, first", "echo atr=3B90968131FE054D", SCARD_PROTOCOL_T1, false, 2, false, "512/32"},
        {"T=1, second", "echo atr=3B90958031FE054F", SCARD_PROTOCOL_T1, true, 3, true, "512/16"},
        {"T=0", "echo atr=3B90958031FE054F", SCARD_PROTOCOL_T0, true, 2, false, "512/16"},
        {"inverse convention", "echo atr=3F90958031FE054F", SCARD_PROTOCOL_T1, true, 3, true, "512/16"},
    };
    static const uint8_t pong[] = {0x00, 0x01, 0x90, 0x00};

    for (size_t i = 0; i < sizeof(negotiations) / sizeof(negotiations[0]); i++) {
        const struct negotiation *n = &negotiations[i];
        struct cell cell = {.prepare = prepare,
                            .exchange = select_protocol,
                            .next = ask,
                            .what = n,
                            .right = (const uint8_t *)&n->protocol,
                            .right_size = sizeof(n->protocol),
                            .next_right = pong,
                            .next_right_size = sizeof(pong)};

        text(cell.card, sizeof(cell.card), "%s", n->card);
        text(cell.name, sizeof(cell.name), "%s", n->name);
        whole(desk, &cell, n);
        for (size_t at = 0; at < 4; at++) { /* PPSS PPS0 PPS1 PCK */
            character(desk, &cell, n, true, at);
            character(desk, &cell, n, false, at);
        }
    }
}
