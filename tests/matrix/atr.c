/* SPDX-License-Identifier: MIT */
/*
 * Answers to reset: every character of six of them. Nothing asks for an answer again, so what is wrong with it, beyond
 * the repetition of characters that a card with T=0 does (ISO/IEC 7816-3:2006, 7.3), ends the reset; the card loses its
 * power, and the next reset works. Only TCK checks an answer, and only where more than T=0 is offered (8.2.5).
 */
#include "matrix.h"

#define START_US 10000u  /* 6.2.2: 40 000 clock cycles */
#define NEXT_US  892800u /* 8.1: 9600 etu of 93 us */

struct answer_to_reset {
    const char *name, *hex;
    bool tck;       /* it ends with one, which is appended */
    size_t only_td; /* the one TDi that offers T=1: with T=0 instead there is no TCK to look at; 0: none such */
    bool offers_t0;
    uint32_t protocol;
    uint8_t bytes[33];
    size_t size;
};

static NTSTATUS reset(struct desk *desk, const void *what, uint8_t *reply, size_t *size)
{
    (void)what;
    return desk_reset(desk, reply, size);
}

static NTSTATUS reset_and_ask(struct desk *desk, const void *what, uint8_t *reply, size_t *size)
{
    static const uint8_t ping[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    const struct answer_to_reset *a = what;

    if (!desk_connect(desk, a->protocol))
        return STATUS_UNSUCCESSFUL;
    return smartcrd_transmit(desk->reader, ping, sizeof(ping), reply, size, SMARTCRD_NO_TIMEOUT);
}

static bool prepare(struct desk *desk, const void *what)
{
    (void)what;
    return smartcrd_power(desk->reader, SCARD_POWER_DOWN, NULL, NULL, SMARTCRD_NO_TIMEOUT) == STATUS_SUCCESS;
}

#define OK  STATUS_SUCCESS
#define BAD STATUS_UNRECOGNIZED_MEDIA

static const struct expected fine = {OK, SMARTCRD_LAYER_DRIVER, "", 0, ANSWER_RIGHT, WORKS};
static const struct expected other = {OK, SMARTCRD_LAYER_DRIVER, "", 0, ANSWER_OTHER, WORKS};
static const struct expected none = {BAD, SMARTCRD_LAYER_CARD, "ATR: *", 0, ANSWER_NONE, WORKS};
static const struct expected mute = {
    STATUS_IO_TIMEOUT, SMARTCRD_LAYER_CARD, "no answer to reset came", 0, ANSWER_NONE, WORKS};
static const struct expected removed = {
    STATUS_NO_MEDIA, SMARTCRD_LAYER_CARD, "the card was removed", 0, ANSWER_NONE, GONE};
static const struct expected before = {
    STATUS_NO_MEDIA, SMARTCRD_LAYER_CARD, "the card was removed", 0, ANSWER_NONE, GONE};
static const struct expected behind = {OK, SMARTCRD_LAYER_DRIVER, "", 0, ANSWER_RIGHT, GONE};

static struct expected parity(const struct answer_to_reset *a, unsigned times)
{
    unsigned repetitions = a->offers_t0 ? 3 : 0;

    if (times != FOR_EVER && times <= repetitions)
        return (struct expected){OK, SMARTCRD_LAYER_DRIVER, "", (int)times, ANSWER_RIGHT, WORKS};
    return (struct expected){BAD,
                             SMARTCRD_LAYER_TRANSPORT,
                             "reset: a character of the answer came with a parity error",
                             (int)repetitions,
                             ANSWER_NONE,
                             WORKS};
}

static void both(struct desk *desk, const struct cell *base, const struct expected *expected, const char *fault)
{
    matrix_faulty(desk, base, expected, "%s on=atr", fault);
    matrix_faulty(desk, base, expected, "%s on=atr count=0", fault);
}

/* Where the characters are that say how many there are. */
static size_t structure(const struct answer_to_reset *a)
{
    return a->size - (a->bytes[1] & 0x0Fu) - a->tck;
}

static void character(struct desk *desk, const struct cell *base, const struct answer_to_reset *a, size_t at)
{
    const bool historical = at >= structure(a) && at < a->size - a->tck;
    char fault[80];

    for (unsigned times = 0; times <= 4; times++) {
        struct expected expected = parity(a, times);

        matrix_faulty(desk, base, &expected, "parity byte=%zu on=atr count=%u", at, times);
    }
    text(fault, sizeof(fault), "edc byte=%zu", at);
    /* Without a TCK nobody sees a wrong historical byte, TC2, or T0 that counts one less. */
    if (a->only_td != 0 && at == a->only_td)
        both(desk, base, &other, fault);
    else if (a->tck || at == 0 || (at == 1 && (a->bytes[1] & 1) == 0) || (at > 1 && at + 1 < structure(a)))
        both(desk, base, &none, fault);
    else
        both(desk, base, &other, fault);
    if (a->tck && (historical || at <= 1 || at == a->size - 1)) {
        text(fault, sizeof(fault), "alter byte=%zu xor=01", at);
        both(desk, base, at <= 1 ? &none : historical ? &other : &fine, fault);
    }
    text(fault, sizeof(fault), "cut byte=%zu", at);
    both(desk, base, at == 0 ? &mute : &none, fault);
    text(fault, sizeof(fault), "extra hex=FF byte=%zu", at);
    both(desk, base, a->tck || at < 2 || at + 1 < structure(a) ? &none : &other, fault);
    text(fault, sizeof(fault), "delay byte=%zu us=%u", at, (at == 0 ? START_US : NEXT_US) - 1);
    both(desk, base, &fine, fault);
    text(fault, sizeof(fault), "delay byte=%zu us=%u", at, (at == 0 ? START_US : NEXT_US) + 1);
    both(desk, base, at == 0 ? &mute : &none, fault);
    matrix_faulty(desk, base, &removed, "remove when=during byte=%zu", at);
    matrix_faulty(desk, base, &removed, "remove when=during byte=%zu to=reader", at);
}

static void whole(struct desk *desk, const struct cell *base, const struct answer_to_reset *a)
{
    matrix_faulty(desk, base, &fine, "%s", "");
    both(desk, base, &fine, "extra hex=55");
    both(desk, base, &none, "replace hex=00C0");
    both(desk, base, &none, "replace hex=3B edc=leave");
    matrix_faulty(desk, base, &before, "remove when=before");
    matrix_faulty(desk, base, &behind, "remove when=after");
    matrix_faulty(desk, base, &fine, "remove when=during byte=%zu", a->size);
    for (unsigned ever = 0; ever < 2; ever++) {
        matrix_faulty(desk, base, &mute, "mute count=%u", !ever);
        matrix_faulty(desk, base, &fine, "wtx count=%u", !ever); /* there is no way to ask for time here */
        matrix_faulty(desk, base, &fine, "late us=%u count=%u", START_US - 1, !ever);
        matrix_faulty(desk, base, &mute, "late us=%u count=%u", START_US + 1, !ever);
        matrix_faulty(desk, base, &fine, "edc byte=1 on=exchange count=%u", !ever);
        matrix_faulty(desk, base, &fine, "cut byte=1 on=pps count=%u", !ever);
    }
}

void walk_atr(struct desk *desk)
{
    static const struct answer_to_reset answers[] = {
        {"T=0", "3B804001", false, 0, true, SCARD_PROTOCOL_T0, {0}, 0},
        {"T=0 with historical bytes", "3B021450", false, 0, true, SCARD_PROTOCOL_T0, {0}, 0},
        {"T=0 and T=1", "3B808031FE05", true, 3, true, SCARD_PROTOCOL_T1, {0}, 0},
        {"T=1", "3B808131FE05", true, 0, false, SCARD_PROTOCOL_T1, {0}, 0},
        {"inverse convention", "3F808031FE05", true, 3, true, SCARD_PROTOCOL_T0, {0}, 0},
        {"fast, historical bytes", "3B9495C00231FE1565636F21", true, 5, true, SCARD_PROTOCOL_T1, {0}, 0},
        {"long", "3BFF1100FF8031FE05A1A3A5A7A9ABADAFB1B3B5B7B9BBBD", true, 6, true, SCARD_PROTOCOL_T0, {0}, 0},
    };
    static const uint8_t pong[] = {0x00, 0x01, 0x90, 0x00};

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct answer_to_reset a = answers[i];
        char hex[80];
        struct cell cell = {.prepare = prepare,
                            .exchange = reset,
                            .next = reset_and_ask,
                            .what = &a,
                            .right = a.bytes,
                            .next_right = pong,
                            .next_right_size = sizeof(pong)};

        atr_text(hex, sizeof(hex), a.hex, a.tck);
        for (size_t k = 0; hex[2 * k] != '\0'; k++, a.size++) {
            const char digits[3] = {hex[2 * k], hex[2 * k + 1], '\0'};

            a.bytes[k] = (uint8_t)strtoul(digits, NULL, 16);
        }
        cell.right_size = a.size;
        text(cell.card, sizeof(cell.card), "echo atr=%s", hex);
        text(cell.name, sizeof(cell.name), "%s", a.name);
        whole(desk, &cell, &a);
        for (size_t at = 0; at < a.size; at++)
            character(desk, &cell, &a, at);
    }
}
