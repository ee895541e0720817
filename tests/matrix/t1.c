/* SPDX-License-Identifier: MIT */
/*
 * T=1: every byte of every block of seven exchanges, over LRC and CRC and several IFS. What the exchanges look like on
 * the line is worked out here from 11.6 (chunks of IFS, one R-block for each but the last, S(IFS) first); what a fault
 * makes of them stands in t1_rules.c.
 */
#include "t1.h"

#define PING_SIZE 7

/* TA3 is the IFSC; BWI 0, CWI 5: BWT is 971 etu of 93 us, CWT 43. */
#define BWT_US 90303u
#define CWT_US 3999u

static const struct {
    const char *name, *atr;
    unsigned edc, ifsc;
} settings[] = {
    {"lrc ifs=254", "3B808131FE05", 1, 254}, {"crc ifs=254", "3B808171FE0501", 2, 254},
    {"lrc ifs=32", "3B8081312005", 1, 32},   {"crc ifs=32", "3B808171200501", 2, 32},
    {"lrc ifs=16", "3B8081311005", 1, 16},   {"crc ifs=16", "3B808171100501", 2, 16},
    {"lrc ifs=1", "3B8081310105", 1, 1},
};

static const struct scene scenes[] = {
    {"first", .data = 2, .ifs = true},
    {"short", .data = 2, .warm = true},
    {"chain", .data = 0, .warm = true}, /* three blocks to the card */
    {"answer chain", .data = 70, .warm = true, .suppress = true},
    {"wtx", .data = 2, .warm = true, .delay = true},
    {"resynch", .data = 2, .warm = true, .resynch = true},
};

/* ---- the line ---------------------------------------------------------------------------------------------------- */

static void add(struct trace *trace, bool to_card, enum kind kind, unsigned pcb, size_t inf)
{
    struct place *place = &trace->places[trace->count++];

    *place = (struct place){.to_card = to_card,
                            .kind = kind,
                            .pcb = (uint8_t)pcb,
                            .size = 3 + inf + trace->edc,
                            .edc = trace->edc,
                            .skip = trace->blocks[to_card],
                            .offset = trace->bytes[to_card],
                            .received = trace->received};
    trace->blocks[to_card]++;
    trace->bytes[to_card] += place->size;
    if (!to_card && kind != RESYNCH)
        trace->received++;
}

static void exchange_on_line(struct trace *trace, size_t command, size_t response, size_t ifsc, size_t ifsd, bool wtx)
{
    size_t sent = 0;

    for (; command - sent > ifsc; sent += ifsc) {
        add(trace, true, I_MORE, trace->ns << 6 | 0x20, ifsc);
        trace->places[trace->count - 1].apdu_at = sent;
        trace->ns ^= 1;
        add(trace, false, R, 0x80 | trace->ns << 4, 0);
    }
    add(trace, true, I_LAST, trace->ns << 6, command - sent);
    trace->places[trace->count - 1].apdu_at = sent;
    trace->ns ^= 1;
    if (wtx) {
        add(trace, false, WTX, 0xC3, 1);
        add(trace, true, WTX, 0xE3, 1);
    }
    for (; response > ifsd; response -= ifsd) {
        add(trace, false, I_MORE, trace->nr << 6 | 0x20, ifsd);
        trace->nr ^= 1;
        add(trace, true, R, 0x80 | trace->nr << 4, 0);
    }
    add(trace, false, I_LAST, trace->nr << 6, response);
    trace->nr ^= 1;
}

static void draw(struct trace *trace, const struct exchange *x)
{
    size_t ifsd = x->scene->suppress ? 32 : 254;

    memset(trace, 0, sizeof(*trace));
    trace->edc = x->edc;
    if (x->scene->warm && !x->scene->resynch) {
        exchange_on_line(trace, PING_SIZE, 4, x->ifsc, ifsd, x->scene->delay);
        *trace = (struct trace){.edc = x->edc, .ns = trace->ns, .nr = trace->nr};
    }
    trace->words = "";
    if (x->scene->resynch) {
        add(trace, true, RESYNCH, 0xC0, 0);
        add(trace, false, RESYNCH, 0xE0, 0);
        add(trace, true, RESYNCH_2, 0xC0, 0);
        add(trace, false, RESYNCH_2, 0xE0, 0);
        trace->words = "T=1: the exchange before was left unfinished: RESYNCH";
    }
    if (x->scene->ifs) {
        add(trace, true, IFS, 0xC1, 1);
        add(trace, false, IFS, 0xE1, 1);
    }
    exchange_on_line(trace, x->size, x->size - 5 + 2, x->ifsc, ifsd, x->scene->delay);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static const uint8_t ping[PING_SIZE] = {0x00, 0x01, 0x00, 0x00, 0x02, 0xAA, 0xBB};
static const uint8_t pong[] = {0xAA, 0xBB, 0x90, 0x00};

static NTSTATUS transmit(struct desk *desk, const void *what, uint8_t *reply, size_t *size)
{
    const struct exchange *x = what;

    return smartcrd_transmit(desk->reader, x->command, x->size, reply, size, x->timeout_ms);
}

static NTSTATUS transmit_ping(struct desk *desk, const void *what, uint8_t *reply, size_t *size)
{
    (void)what;
    return smartcrd_transmit(desk->reader, ping, sizeof(ping), reply, size, SMARTCRD_NO_TIMEOUT);
}

static bool prepare(struct desk *desk, const void *what)
{
    static const uint32_t suppress = SCARD_ATTR_SUPRESS_T1_IFS_REQUEST;
    const struct exchange *x = what;
    const struct smartcrd_request request = {.code = IOCTL_SMARTCARD_SET_ATTRIBUTE,
                                             .in = &suppress,
                                             .in_size = sizeof(suppress),
                                             .timeout_ms = SMARTCRD_NO_TIMEOUT};
    uint8_t reply[300];
    size_t size = sizeof(reply);

    if (!desk_connect(desk, SCARD_PROTOCOL_T1))
        return false;
    if (x->scene->suppress && smartcrd_control(desk->reader, &request, NULL) != STATUS_SUCCESS)
        return false;
    if (x->scene->warm && transmit_ping(desk, x, reply, &size) != STATUS_SUCCESS)
        return false;
    if (x->scene->resynch) {
        size = sizeof(reply);
        return desk_say(desk, IOCTL_VREADER_FAULT, "mute") && transmit_ping(desk, x, reply, &size) == STATUS_IO_TIMEOUT;
    }
    return true;
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

static struct cell cell_of(const struct exchange *x, const char *setting)
{
    struct cell cell = {.prepare = prepare,
                        .exchange = transmit,
                        .next = transmit_ping,
                        .what = x,
                        .right = x->right,
                        .right_size = x->right_size,
                        .next_right = pong,
                        .next_right_size = sizeof(pong)};

    text(cell.card, sizeof(cell.card), "%s", x->card);
    text(cell.name, sizeof(cell.name), "%s, %s", setting, x->scene->name);
    return cell;
}

/* A fault of one byte (or of the block), with what it is to whoever gets the block. */
static void one(struct desk *desk, const struct cell *base, const struct trace *trace, size_t at, size_t byte,
                enum effect effect, unsigned times, const char *fault)
{
    const struct place *place = &trace->places[at];
    struct cell cell = *base;
    static char step[100];

    text(cell.fault[0], sizeof(cell.fault[0]), "%s to=%s skip=%u count=%u", fault, place->to_card ? "card" : "reader",
         place->skip, times);
    t1_name(&cell, place, byte);
    if (t1_expect(trace, at, effect, times, &cell.expected, step, sizeof(step)))
        matrix_cell(desk, &cell);
    else
        matrix_no_rule(desk, &cell);
}

static void each_times(struct desk *desk, const struct cell *base, const struct trace *trace, size_t at, size_t byte,
                       enum effect effect, const char *fault)
{
    static const unsigned times[] = {1, 2, 3, FOR_EVER};

    for (size_t i = 0; i < 4; i++)
        one(desk, base, trace, at, byte, effect, times[i], fault);
}

static void removal(struct desk *desk, const struct cell *base, const struct place *place, size_t byte)
{
    struct cell cell = *base;

    text(cell.fault[0], sizeof(cell.fault[0]), "remove when=during byte=%zu to=%s", place->offset + byte,
         place->to_card ? "card" : "reader");
    t1_name(&cell, place, byte);
    cell.expected = (struct expected){.status = STATUS_NO_MEDIA,
                                      .layer = SMARTCRD_LAYER_CARD,
                                      .step = "the card was removed",
                                      .retransmissions = 0,
                                      .answer = ANSWER_NONE,
                                      .after = GONE};
    matrix_cell(desk, &cell);
}

static void delays(struct desk *desk, const struct cell *base, const struct trace *trace, size_t at, size_t byte)
{
    const struct place *place = &trace->places[at];
    unsigned limit = byte == 0 ? BWT_US : CWT_US;
    bool slow = byte == 0 && strstr(base->name, "wtx") != NULL; /* it takes its time before it answers */
    char fault[80];

    text(fault, sizeof(fault), "delay byte=%zu us=%u", byte, slow ? 1000u : limit - 1);
    one(desk, base, trace, at, byte, HARMLESS, 1, fault);
    one(desk, base, trace, at, byte, HARMLESS, FOR_EVER, fault);
    text(fault, sizeof(fault), "delay byte=%zu us=%u", byte, limit + 1);
    if (byte == 0)
        each_times(desk, base, trace, at, byte, place->to_card ? HARMLESS : LATE, fault);
    else
        each_times(desk, base, trace, at, byte, place->to_card ? BAD : SLICED, fault);
}

/* The byte is another one, and the EDC fits. */
static void alterations(struct desk *desk, const struct cell *base, const struct trace *trace, size_t at, size_t byte)
{
    static const char *const pcb_xor[] = {
        [IFS] = "20", [I_MORE] = "40", [I_LAST] = "40", [R] = "10", [WTX] = "20", [RESYNCH] = "20", [RESYNCH_2] = "20"};
    const struct place *place = &trace->places[at];
    char fault[80];

    text(fault, sizeof(fault), "alter byte=%zu xor=%s", byte,
         byte == 1   ? pcb_xor[place->kind]
         : byte == 0 ? "10"
                     : "01");
    if (byte == 0) {
        each_times(desk, base, trace, at, byte, HARMLESS, fault); /* smclib.md 5.5: NAD is not looked at */
    } else if (byte == 1) {
        each_times(desk, base, trace, at, byte, WRONG_PCB, fault);
    } else if (byte == 2 && place->kind == RESYNCH_2 && !place->to_card) {
        one(desk, base, trace, at, byte, HARMLESS, 1, fault); /* smclib.md 5.5: LEN of S-blocks is not looked at */
    } else if (byte == 2) {
        each_times(desk, base, trace, at, byte, BAD, fault);
    } else if (byte >= place->size - place->edc) {
        one(desk, base, trace, at, byte, HARMLESS, 1, fault); /* the EDC itself, mended */
    } else {
        one(desk, base, trace, at, byte,
            place->kind == I_MORE || place->kind == I_LAST ? t1_altered(place, byte) : WRONG_INF, 1, fault);
    }
}

static void bytes(struct desk *desk, const struct cell *base, const struct trace *trace, size_t at)
{
    const struct place *place = &trace->places[at];
    char fault[80];

    for (size_t byte = 0; byte < place->size; byte++) {
        text(fault, sizeof(fault), "edc byte=%zu", byte);
        each_times(desk, base, trace, at, byte, BAD, fault);
        text(fault, sizeof(fault), "parity byte=%zu", byte);
        each_times(desk, base, trace, at, byte, BAD, fault);
        text(fault, sizeof(fault), "cut byte=%zu", byte);
        each_times(desk, base, trace, at, byte, byte == 0 ? LOST : BAD, fault);
        text(fault, sizeof(fault), "extra hex=55 byte=%zu", byte);
        for (unsigned times = 1; times <= 3; times++)
            one(desk, base, trace, at, byte, BAD, times, fault);
        if (byte <= 3) /* behind the end of a shorter block it would harm none */
            one(desk, base, trace, at, byte, BAD, FOR_EVER, fault);
        alterations(desk, base, trace, at, byte);
        delays(desk, base, trace, at, byte);
        removal(desk, base, place, byte);
    }
    one(desk, base, trace, at, place->size, HARMLESS, 1, "extra hex=55");
    one(desk, base, trace, at, place->size, HARMLESS, FOR_EVER, "extra hex=55AA55AA");
    t1_blocks(desk, base, trace, at);
}

static void plain(struct desk *desk, const struct cell *base, const struct trace *trace, const char *fault,
                  struct expected expected)
{
    struct cell cell = *base;
    size_t used = strlen(cell.name);

    if (expected.status == STATUS_SUCCESS) {
        expected.step = trace->words;
        expected.layer = t1_layer(trace);
    }
    text(cell.name + used, sizeof(cell.name) - used, ", %s", *fault != '\0' ? fault : "no fault");
    text(cell.fault[0], sizeof(cell.fault[0]), "%s", fault);
    cell.expected = expected;
    matrix_cell(desk, &cell);
}

/* Faults of the whole exchange. */
static void whole(struct desk *desk, const struct cell *base, const struct trace *trace, struct exchange *x)
{
    static const struct expected fine = {STATUS_SUCCESS, ANY, "", 0, ANSWER_RIGHT, WORKS};
    static const struct expected before = {
        STATUS_NO_MEDIA, SMARTCRD_LAYER_CARD, "the card was removed", 0, ANSWER_NONE, GONE};
    static const struct expected behind = {STATUS_SUCCESS, ANY, "", 0, ANSWER_RIGHT, GONE};
    static const struct expected mute = {
        STATUS_IO_TIMEOUT, SMARTCRD_LAYER_CARD, "T=1: the card is mute: 6 blocks got no answer", 2, ANSWER_NONE, WORKS};
    static const struct expected deaf = {
        STATUS_IO_TIMEOUT, SMARTCRD_LAYER_CARD, "T=1: the card does not resynchronise", 2, ANSWER_NONE, WORKS};
    static const struct expected endless = {
        STATUS_IO_TIMEOUT, SMARTCRD_LAYER_HOST, "deadline of 2000 ms passed*", 0, ANSWER_NONE, WORKS};
    char fault[80];

    plain(desk, base, trace, "", fine);
    plain(desk, base, trace, "remove when=before", before);
    plain(desk, base, trace, "remove when=after", behind);
    for (int to_card = 0; to_card < 2; to_card++) { /* behind the last character: the trace above is right */
        text(fault, sizeof(fault), "remove when=during byte=%zu to=%s", trace->bytes[to_card],
             to_card ? "card" : "reader");
        plain(desk, base, trace, fault, fine);
    }
    plain(desk, base, trace, "mute", x->scene->resynch ? deaf : mute);
    plain(desk, base, trace, "mute count=0", x->scene->resynch ? deaf : mute);
    x->timeout_ms = 2000;
    plain(desk, base, trace, "wtx", endless);
    plain(desk, base, trace, "wtx count=0", endless);
    x->timeout_ms = SMARTCRD_NO_TIMEOUT;
}

void walk_t1(struct desk *desk)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        for (size_t j = 0; j < sizeof(scenes) / sizeof(scenes[0]); j++) {
            struct exchange x = {.scene = &scenes[j],
                                 .edc = settings[i].edc,
                                 .ifsc = settings[i].ifsc,
                                 .timeout_ms = SMARTCRD_NO_TIMEOUT};
            size_t data = scenes[j].data != 0 ? scenes[j].data : settings[i].ifsc == 254 ? 255 : 2 * settings[i].ifsc;
            struct trace trace;
            struct cell base;
            char atr[80];

            x.size = 5 + data;
            x.right_size = data + 2;
            memcpy(x.command, (const uint8_t[]){0x00, 0x01, 0x00, 0x00, (uint8_t)data}, 5);
            for (size_t k = 0; k < data; k++)
                x.command[5 + k] = x.right[k] =
                    (uint8_t)(0x80 + (k * k * 11 + k * 29 + 3) % 0x3D); /* no part of a block has a fitting EDC */
            memcpy(x.right + data, "\x90\x00", 2);
            atr_text(atr, sizeof(atr), settings[i].atr, true);
            text(x.card, sizeof(x.card), "echo atr=%s%s", atr, scenes[j].delay ? " delay=60" : "");
            draw(&trace, &x);
            base = cell_of(&x, settings[i].name);
            whole(desk, &base, &trace, &x);
            for (size_t at = 0; at < trace.count; at++)
                bytes(desk, &base, &trace, at);
        }
    }
}
