/* SPDX-License-Identifier: MIT */
/*
 * T=0 over a bad line, character by character, ENVELOPE and GET RESPONSE included. What the line does:
 *   - a character has wrong parity, up to four times in a row (the receiver asks for it again, 7.3), either way;
 *   - it is lost on its way to the card;
 *   - it is lost on its way to the reader, or comes after the waiting time, or the card falls silent for good;
 *   - the receiver sees characters while it sends itself.
 * What it does not do, because T=0 has neither numbers nor an EDC, so that no engine could tell: it does not double or
 * invent a character while the other side listens; it does not lose an ACK, or the data after an ACK for a single byte.
 * The data byte that then stands in the place of a procedure byte may be 6X or 9X, and with the one behind it pass for
 * the status. Any other loss leaves the reader waiting for more than will come. After an error the card is reset, as
 * t0.h asks.
 */
#include "engines.h"

#include "../../src/iso7816/apdu.h"
#include "../../src/iso7816/t0.h"

#define ROOM_TO_SEE 16u
#define APDU_ERROR  8u /* the reply was no answer to the APDU, or did not fit */

const char *const t0_ends[ENDS_MAX] = {
    [ISO7816_T0_NO_ERROR] = "answered", [ISO7816_T0_BAD_PROCEDURE] = "bad procedure byte",
    [ISO7816_T0_TIMEOUT] = "time-out",  [ISO7816_T0_PARITY] = "parity",
    [APDU_ERROR] = "no room",
};

enum { TO_CARD_WRONG, TO_CARD_LOST, TO_READER_WRONG, TO_READER_LOST, LATE, MUTE, NOISE, NULLS };

const char *const t0_faults[FAULT_KINDS_MAX] = {
    [TO_CARD_WRONG] = "wrong to the card",
    [TO_CARD_LOST] = "lost to the card",
    [TO_READER_WRONG] = "wrong to the reader",
    [TO_READER_LOST] = "lost to the reader",
    [LATE] = "late",
    [MUTE] = "mute",
    [NOISE] = "while sending",
    [NULLS] = "NULL",
};

/* Chances of 1000: for each character, and of a NULL before each answer. */
struct manners {
    unsigned wrong, lose, late, mute, noise, busy;
};

static const struct manners kinds[] = {
    {.busy = 100},
    {.wrong = 5, .noise = 1, .busy = 100},
    {.wrong = 1, .lose = 1, .late = 1, .mute = 1, .noise = 1, .busy = 100},
    {.wrong = 100, .noise = 10, .busy = 500},
};

static struct {
    const struct manners *manners;
    uint64_t seed, random;
    struct iso7816_apdu_t0 apdu;
    struct iso7816_t0_host host;
    struct iso7816_t0_card card;
    bool mute;
    unsigned runs;
    unsigned long characters, extra; /* of this exchange; those of them that only faults and NULLs explain */
    uint8_t taken[COMMAND_MAX], held[RESPONSE_MAX];
} s;

static struct job job;
static uint8_t response[RESPONSE_MAX + ROOM_TO_SEE];

static bool happens(unsigned per_thousand, unsigned fault)
{
    if (!chance(&s.random, per_thousand))
        return false;
    play.faults[fault]++;
    return true;
}

/* What the card is to see of the command (12.2): more than 255 bytes of data come as they are, by ENVELOPE; else one
 * TPDU, without the Le of a case 4. */
static size_t card_view(uint8_t *view)
{
    const bool extended = job.command_size > 5 && job.command[4] == 0;

    if (job.lc > 255) {
        memcpy(view, job.command, job.command_size);
        return job.command_size;
    }
    memcpy(view, job.command, 4);
    if (job.kase == 1)
        return 4;
    if (job.kase == 2) {
        view[4] = job.ne < 256 ? (uint8_t)job.ne : 0;
        return 5;
    }
    view[4] = (uint8_t)job.lc;
    memcpy(view + 5, job.command + (extended ? 7 : 5), job.lc);
    return 5 + job.lc;
}

static void check_command(void)
{
    static uint8_t view[COMMAND_MAX];
    size_t size = card_view(view);

    if (s.card.apdu_size != size || memcmp(s.taken, view, size) != 0)
        broken("the card was given a command that was not sent");
    if (s.runs++ > 0)
        broken("the command ran twice");
}

/* Whether T=0 survives the loss of this character on its way to the reader (see above). */
static bool may_be_lost(uint8_t byte)
{
    const char *awaited = iso7816_t0_host_awaits(&s.host);
    const uint8_t ins = s.apdu.tpdu[1], complement = (uint8_t)~ins;

    if (strcmp(awaited, "a data byte") == 0)
        return !s.card.ack_single;
    return strcmp(awaited, "SW2") == 0 || (byte != ins && byte != complement);
}

/* A character of the card goes to the reader. */
static enum iso7816_t0_action to_reader(enum iso7816_t0_action action, uint8_t byte)
{
    s.characters++;
    if (happens(s.manners->mute, MUTE))
        s.mute = true;
    if (s.mute || action != ISO7816_T0_RECEIVE)
        return action;
    if (may_be_lost(byte) && happens(s.manners->lose, TO_READER_LOST))
        return action;
    if (happens(s.manners->late, LATE)) {
        s.mute = true; /* the reader resets the card, whatever comes then */
        return action;
    }
    while (action == ISO7816_T0_RECEIVE && happens(s.manners->wrong, TO_READER_WRONG)) {
        s.extra++;
        action = iso7816_t0_host_receive(&s.host, byte ^ (uint8_t)(1 + below(&s.random, 255)), false);
    }
    if (action == ISO7816_T0_RECEIVE)
        action = iso7816_t0_host_receive(&s.host, byte, true);
    return action;
}

/* What the card does until it waits for a character. */
static enum iso7816_t0_action card_speaks(enum iso7816_t0_card_action does, enum iso7816_t0_action action)
{
    while (does != ISO7816_T0_CARD_RECEIVE) {
        if (does == ISO7816_T0_CARD_COMMAND)
            check_command();
        if (does == ISO7816_T0_CARD_SEND) {
            tell("card", s.card.tx, s.card.tx_size, "");
            for (size_t i = 0; i < s.card.tx_size; i++) {
                action = to_reader(action, s.card.tx[i]);
                if (happens(s.manners->noise, NOISE))
                    (void)iso7816_t0_card_receive(&s.card, (uint8_t)below(&s.random, 256), NULL, NULL);
            }
            does = iso7816_t0_card_sent(&s.card);
        } else if (happens(s.manners->busy, NULLS)) {
            s.extra++;
            does = iso7816_t0_card_busy(&s.card);
        } else {
            does = iso7816_t0_card_answer(&s.card, job.response, job.response_size);
        }
    }
    return action;
}

/* The reader's characters go to the card, which answers. */
static enum iso7816_t0_action to_card(void)
{
    enum iso7816_t0_card_action does = ISO7816_T0_CARD_RECEIVE;
    enum iso7816_t0_action action;
    uint8_t line[256];
    size_t size = s.host.tx_size;

    tell("reader", s.host.tx, size, "");
    memcpy(line, s.host.tx, size);
    if (happens(s.manners->noise, NOISE))
        (void)iso7816_t0_host_receive(&s.host, (uint8_t)below(&s.random, 256), true);
    action = iso7816_t0_host_sent(&s.host);
    for (size_t i = 0; i < size && !s.mute; i++) {
        unsigned wrong = 0;

        s.characters++;
        while (wrong <= 3 && happens(s.manners->wrong, TO_CARD_WRONG)) {
            wrong++;
            s.extra++;
        }
        if (wrong > 3 || happens(s.manners->lose, TO_CARD_LOST))
            continue;
        if (does != ISO7816_T0_CARD_RECEIVE)
            broken("the card speaks while the reader does");
        does = iso7816_t0_card_receive(&s.card, line[i], NULL, NULL);
        if (i + 1 < size && s.card.ack_single && does == ISO7816_T0_CARD_SEND)
            broken("the card was sent more than it asked for");
    }
    return card_speaks(does, action);
}

/* One TPDU; false: an error. */
static bool tpdu_exchange(uint8_t reply[258])
{
    enum iso7816_t0_action action = iso7816_t0_host_start(&s.host, s.apdu.tpdu, s.apdu.tpdu_size, reply, 258);

    while (action == ISO7816_T0_SEND || action == ISO7816_T0_RECEIVE) {
        if (action == ISO7816_T0_SEND)
            action = to_card();
        else
            action = iso7816_t0_host_timeout(&s.host);
    }
    return action == ISO7816_T0_DONE;
}

/* Returns how it ended: a row of t0_ends. */
static unsigned exchange(size_t room)
{
    enum iso7816_apdu_t0_action action = iso7816_apdu_t0_start(&s.apdu, job.command, job.command_size, response, room);

    s.runs = 0;
    s.characters = 0;
    s.extra = 0;
    while (action == ISO7816_APDU_T0_SEND) {
        uint8_t reply[258];

        if (!tpdu_exchange(reply))
            return s.host.error;
        action = iso7816_apdu_t0_reply(&s.apdu, reply, s.host.reply_size);
    }
    return action == ISO7816_APDU_T0_DONE ? ISO7816_T0_NO_ERROR : APDU_ERROR;
}

static void check_end(unsigned end, size_t room)
{
    const bool clean = s.manners->lose + s.manners->late + s.manners->mute == 0;

    for (size_t i = 0; i < ROOM_TO_SEE; i++) {
        if (response[room + i] != 0xA5)
            broken("the response buffer was written beyond its end");
    }
    /* Each byte with an ACK of its own, and a header, an ACK and a status for every 255 of them. */
    if (s.characters > 32 + 3 * (job.command_size + job.response_size) + s.extra)
        broken("it took too many characters");
    switch (end) {
    case ISO7816_T0_NO_ERROR:
        if (s.apdu.response_size != job.response_size || memcmp(response, job.response, job.response_size) != 0)
            broken("this is another's answer");
        if (s.runs != 1)
            broken("the command did not run");
        break;
    case ISO7816_T0_TIMEOUT:
    case ISO7816_T0_BAD_PROCEDURE:
        if (clean && s.manners->wrong == 0)
            broken("an error on a clean line");
        break;
    case ISO7816_T0_PARITY:
        if (s.manners->wrong == 0)
            broken("nothing was wrong");
        break;
    case APDU_ERROR:
        if (room >= job.response_size)
            broken("there was room");
        break;
    default:
        broken("an error that nothing explains");
    }
}

void t0_session(uint64_t session_seed)
{
    unsigned end = ISO7816_T0_NO_ERROR;

    memset(&s, 0, sizeof s);
    s.seed = session_seed;
    s.random = session_seed + 1;
    s.manners = &kinds[below(&s.random, COUNT(kinds))];
    iso7816_t0_card_init(&s.card, s.taken, sizeof s.taken, s.held, sizeof s.held);
    s.card.ack_single = chance(&s.random, 300);
    for (exchange_index = 0; exchange_index < SESSION_MAX && (end == ISO7816_T0_NO_ERROR || end == APDU_ERROR);
         exchange_index++) {
        size_t room;

        make_job(&job, s.seed, exchange_index, SIZE_MAX);
        room = chance(&s.random, 990) ? RESPONSE_MAX : below(&s.random, (uint32_t)job.response_size + 1);
        memset(response + room, 0xA5, ROOM_TO_SEE);
        end = exchange(room);
        check_end(end, room);
        play.exchanges++;
        play.ends[end]++;
        play.carried += s.characters;
        play.retransmissions += s.host.repetitions;
    }
}
