/* SPDX-License-Identifier: MIT */
/*
 * T=1 over a bad line. What the line does to a block, both ways:
 *   - nothing of it arrives; it is cut short; bytes of it are changed, or noise comes before or behind it, so that
 *     parity or EDC can tell (a change that both miss is not the protocol's affair, and is not made);
 *   - the card gets it twice, or the reader does, before or after its next block has gone out;
 *   - the card's answer comes after the time-out: before the reader's next block has gone out, or up to three of them
 *     later, so in the next exchange as well.
 * The reader drops what has come before it sends (t1.h asks its caller for that); in half of the sessions it does not,
 * which costs blocks but must not cost data.
 *
 * What no line does: it does not overtake. What went in first comes out first, so a block is never seen again once a
 * younger one has arrived. T=1 rests on that: with numbers of one bit, an I-block that came again two blocks later
 * would pass for a new one.
 *
 * What this line does not do, and the protocol would not survive: a response to S(RESYNCH) does not arrive once another
 * S(RESYNCH request) has gone out. It carries no number, so an old one passes for the new one; then an I-block from
 * before the new request passes for one after it. The exchange that is under way still gets its own answer; but the
 * card stands at 0 and the reader at 1, so that the first block of the next chain is taken for acknowledged and never
 * seen. No engine can tell, so t1.h asks the caller for a silent line before S(RESYNCH request).
 */
#include "engines.h"

#include "../../src/iso7816/t1.h"

#define ROOM_TO_SEE 16u /* bytes behind the reply buffer that must stay untouched */
#define QUEUE       64u

const char *const t1_ends[ENDS_MAX] = {
    [ISO7816_T1_NO_ERROR] = "answered",         [ISO7816_T1_NO_ANSWER] = "no answer",
    [ISO7816_T1_EDC_ERROR] = "EDC error",       [ISO7816_T1_BAD_BLOCK] = "bad block",
    [ISO7816_T1_ABORTED] = "aborted",           [ISO7816_T1_NO_ROOM] = "no room",
    [ISO7816_T1_TOO_MANY_WTX] = "too many WTX", [ISO7816_T1_TOO_MANY_BLOCKS] = "too many blocks",
};

enum {
    LOST,
    CHANGED,
    CUT,
    EXTENDED,
    TWICE_TO_CARD,
    TWICE_TO_READER,
    LATE,
    CARD_WTX,
    CARD_IFS,
    CARD_ABORT,
    READER_ABORT
};

const char *const t1_faults[FAULT_KINDS_MAX] = {
    [LOST] = "lost",
    [CHANGED] = "changed",
    [CUT] = "cut",
    [EXTENDED] = "extended",
    [TWICE_TO_CARD] = "twice to the card",
    [TWICE_TO_READER] = "twice to the reader",
    [LATE] = "late",
    [CARD_WTX] = "WTX",
    [CARD_IFS] = "IFS by the card",
    [CARD_ABORT] = "ABORT by the card",
    [READER_ABORT] = "ABORT by the reader",
};

/* How bad the line is, and how wilful the two: chances of 1000 for each block. */
struct manners {
    unsigned lose, change, cut, extend, twice_to_card, twice_to_reader, late, wtx, ifs, card_abort, reader_abort;
};

/* In the order above. */
static const struct manners kinds[] = {
    {0, 0, 0, 0, 0, 0, 0, 20, 10, 0, 0},           /* a good line */
    {5, 10, 0, 0, 0, 0, 0, 20, 5, 0, 0},           /* a usual one */
    {10, 10, 10, 10, 0, 0, 0, 50, 10, 0, 0},       /* a noisy one */
    {0, 0, 0, 0, 20, 20, 20, 20, 5, 0, 0},         /* a slow one */
    {0, 0, 0, 0, 0, 0, 0, 20, 20, 20, 20},         /* a good one, and aborts */
    {10, 10, 10, 10, 10, 10, 10, 50, 10, 10, 10},  /* some of everything */
    {60, 60, 30, 30, 60, 60, 60, 200, 50, 20, 20}, /* much of everything */
    {0, 0, 0, 0, 150, 0, 150, 100, 0, 0, 0},       /* out of step all the time */
};

/* A block under way to the reader, and how many blocks the reader sends before it arrives. */
struct block_to_reader {
    uint8_t bytes[2 * ISO7816_T1_BLOCK_MAX];
    size_t size;
    bool parity_ok, resynch;
    unsigned sends;
};

static struct {
    const struct manners *manners;
    uint64_t seed, random;
    struct iso7816_t1_host host;
    struct iso7816_t1_card card;
    struct block_to_reader queue[QUEUE];
    size_t queued;
    enum iso7816_edc edc;
    bool flushes;             /* the reader drops what has come before it sends */
    size_t limit;             /* bytes of data, so that short blocks do not make endless exchanges */
    bool running;             /* the card's application */
    bool failed[SESSION_MAX]; /* exchanges that ended with an error */
    unsigned runs;            /* of this exchange's command */
    uint8_t in[COMMAND_MAX];
} s;

static struct job job, other;
static uint8_t reply[RESPONSE_MAX + ROOM_TO_SEE];

static bool happens(unsigned per_thousand, unsigned fault)
{
    if (!chance(&s.random, per_thousand))
        return false;
    play.faults[fault]++;
    return true;
}

/* Carry a block; what the line makes of it is seen by parity or EDC. Returns its size, 0 when nothing arrives. `to` has
 * room for two blocks. */
static size_t carry(const uint8_t *from, size_t size, uint8_t *to, bool *parity_ok)
{
    size_t arrived = size;

    *parity_ok = true;
    if (happens(s.manners->lose, LOST))
        return 0;
    memcpy(to, from, size);
    if (happens(s.manners->change, CHANGED)) {
        for (unsigned n = 1 + below(&s.random, 3); n > 0; n--)
            to[below(&s.random, (uint32_t)size)] ^= (uint8_t)(1 + below(&s.random, 255));
        *parity_ok = chance(&s.random, 500);
    }
    if (happens(s.manners->cut, CUT))
        arrived = below(&s.random, (uint32_t)size);
    if (happens(s.manners->extend, EXTENDED)) {
        const size_t noise = 1 + below(&s.random, 20);
        const bool before = chance(&s.random, 500);

        memmove(to + (before ? noise : 0), to, arrived);
        for (size_t i = 0; i < noise; i++)
            to[(before ? 0 : arrived) + i] = (uint8_t)next_random(&s.random);
        arrived += noise;
    }
    /* What the EDC misses, parity sees. */
    if ((arrived != size || memcmp(to, from, size) != 0) && iso7816_edc_ok(to, arrived, s.edc))
        *parity_ok = false;
    return arrived;
}

/* The card's block goes to the reader; nothing overtakes. */
static void to_reader(unsigned sends)
{
    struct block_to_reader *block = &s.queue[s.queued];

    if (s.queued == QUEUE)
        broken("the line holds too many blocks");
    block->size = carry(s.card.tx, s.card.tx_size, block->bytes, &block->parity_ok);
    block->resynch = s.card.tx[1] == (ISO7816_T1_S_RESYNCH | ISO7816_T1_S_RESPONSE);
    block->sends = sends;
    if (s.queued > 0 && s.queue[s.queued - 1].sends > sends)
        block->sends = s.queue[s.queued - 1].sends;
    if (block->size > 0)
        s.queued++;
}

/* The reader sends: what has come is dropped, what is late comes nearer. */
static void flush(void)
{
    const bool resynch = s.host.tx[1] == ISO7816_T1_S_RESYNCH;
    size_t left = 0;

    for (size_t i = 0; i < s.queued; i++) {
        struct block_to_reader *block = &s.queue[i];

        if ((s.flushes && block->sends == 0) || (resynch && block->resynch))
            continue;
        block->sends -= block->sends > 0;
        s.queue[left++] = *block;
    }
    s.queued = left;
}

/* The card has been given a command: a whole one that was sent, now or in an exchange that ended with an error. */
static enum iso7816_t1_action application(void)
{
    if (s.card.in_size == job.command_size && memcmp(s.in, job.command, job.command_size) == 0) {
        s.runs++;
        return iso7816_t1_card_answer(&s.card, job.response, job.response_size);
    }
    if (s.card.in_size < 4 || s.in[2] >= exchange_index || !s.failed[s.in[2]])
        broken("the card was given a command that was not sent, or was answered before");
    make_job(&other, s.seed, s.in[2], s.limit);
    if (s.card.in_size != other.command_size || memcmp(s.in, other.command, other.command_size) != 0)
        broken("the card was given a command that is none");
    return iso7816_t1_card_answer(&s.card, other.response, other.response_size);
}

/* The card gets a block; whether it sends one. */
static bool card_turn(const uint8_t *block, size_t size, bool parity_ok)
{
    enum iso7816_t1_action action = iso7816_t1_card_receive(&s.card, block, size, parity_ok);

    if (action == ISO7816_T1_COMMAND)
        s.running = true;
    if (action == ISO7816_T1_SEND && s.card.tx[1] == (ISO7816_T1_S_RESYNCH | ISO7816_T1_S_RESPONSE))
        s.running = false; /* nobody waits for the answer any more (t1.h) */
    if (action != ISO7816_T1_SEND && s.running) {
        if (chance(&s.random, s.manners->wtx)) {
            action = iso7816_t1_card_wtx(&s.card, (uint8_t)below(&s.random, 256));
            play.faults[CARD_WTX] += action == ISO7816_T1_SEND;
        } else {
            s.running = false;
            action = application();
        }
    }
    if (action != ISO7816_T1_SEND)
        return false;
    if (chance(&s.random, s.manners->ifs))
        play.faults[CARD_IFS] += iso7816_t1_card_ifs(&s.card, (uint8_t)(s.limit < 1000 ? 1 + below(&s.random, 254)
                                                                                       : 254)) == ISO7816_T1_SEND;
    if (chance(&s.random, s.manners->card_abort))
        play.faults[CARD_ABORT] += iso7816_t1_card_abort(&s.card) == ISO7816_T1_SEND;
    tell("card", s.card.tx, s.card.tx_size, "");
    return true;
}

/* The reader's block goes to the card, and what the card says back on its way. */
static void to_card(void)
{
    uint8_t line[2 * ISO7816_T1_BLOCK_MAX];
    bool parity_ok;
    unsigned times = happens(s.manners->twice_to_card, TWICE_TO_CARD) ? 2 : 1;
    size_t size;

    tell("reader", s.host.tx, s.host.tx_size, "");
    flush();
    size = carry(s.host.tx, s.host.tx_size, line, &parity_ok);
    while (size > 0 && times-- > 0) {
        unsigned sends = happens(s.manners->late, LATE) ? 1 + below(&s.random, 3) : 0;

        if (!card_turn(line, size, parity_ok))
            continue;
        to_reader(sends);
        if (happens(s.manners->twice_to_reader, TWICE_TO_READER))
            to_reader(sends + below(&s.random, 3));
    }
}

/* What comes to the reader within the waiting time. */
static enum iso7816_t1_action reader_turn(void)
{
    enum iso7816_t1_action action;
    uint8_t *exact;

    if (s.queued == 0 || s.queue[0].sends > 0) {
        tell("line", NULL, 0, "time-out");
        return iso7816_t1_host_receive(&s.host, NULL, 0, true);
    }
    tell("line", s.queue[0].bytes, s.queue[0].size, s.queue[0].parity_ok ? "arrives" : "arrives with wrong parity");
    exact = malloc(s.queue[0].size); /* so that the address sanitizer sees a byte read beyond it */
    assert_non_null(exact);
    memcpy(exact, s.queue[0].bytes, s.queue[0].size);
    action = iso7816_t1_host_receive(&s.host, exact, s.queue[0].size, s.queue[0].parity_ok);
    free(exact);
    s.queued--;
    memmove(s.queue, s.queue + 1, s.queued * sizeof s.queue[0]);
    return action;
}

/*
 * The most blocks that one exchange may take: a run of it moves on at least once in (idle_max + wtx_max + 1) valid
 * blocks; each of them may cost two more attempts and, before the last, RESYNCH thrice; there are at most 1 +
 * restart_max runs. An IFS of 1 in both directions is the longest run.
 */
static unsigned long blocks_most(void)
{
    unsigned long steps = (unsigned long)(job.command_size + job.response_size) + 2;

    return (1 + s.host.restart_max) * steps * (s.host.idle_max + s.host.wtx_max + 1) * 3 + 3;
}

static void check_end(enum iso7816_t1_action action, size_t room)
{
    for (size_t i = 0; i < ROOM_TO_SEE; i++) {
        if (reply[room + i] != 0xA5)
            broken("the reply buffer was written beyond its end");
    }
    if (action == ISO7816_T1_DONE) {
        if (s.host.error != ISO7816_T1_NO_ERROR || s.host.reply_size != job.response_size ||
            memcmp(reply, job.response, job.response_size) != 0)
            broken("this is another's answer");
        if (s.runs == 0 || s.runs > 1 + s.host.resynchronisations)
            broken("the command did not run as often as it was sent");
        return;
    }
    switch (s.host.error) {
    case ISO7816_T1_NO_ROOM:
        if (room >= job.response_size)
            broken("there was room");
        break;
    case ISO7816_T1_ABORTED:
        if (s.manners->card_abort + s.manners->reader_abort == 0)
            broken("nobody aborted");
        break;
    case ISO7816_T1_NO_ANSWER:
    case ISO7816_T1_EDC_ERROR:
    case ISO7816_T1_BAD_BLOCK:
    case ISO7816_T1_TOO_MANY_BLOCKS:
        if (s.manners->lose + s.manners->late == 0)
            broken("an error on a clean line");
        break;
    default:
        broken("an error that nothing explains");
    }
}

static bool goes_on(enum iso7816_t1_action action)
{
    return action == ISO7816_T1_DONE || s.host.error == ISO7816_T1_ABORTED || s.host.error == ISO7816_T1_NO_ROOM;
}

static enum iso7816_t1_action exchange(size_t room)
{
    enum iso7816_t1_action action = iso7816_t1_host_start(&s.host, job.command, job.command_size, reply, room);
    unsigned long blocks = 0;

    while (action == ISO7816_T1_SEND) {
        if (blocks++ == blocks_most())
            broken("it does not end");
        if (happens(s.manners->reader_abort, READER_ABORT))
            iso7816_t1_host_abort(&s.host);
        to_card();
        action = reader_turn();
    }
    play.carried += blocks;
    return action;
}

static void reset(uint64_t session_seed)
{
    static const uint8_t sizes[] = {1, 5, 16, 32, 128, 253, 254};
    struct iso7816_t1_config config = {.ifsd = 32};
    uint8_t ifsd_wanted;

    memset(&s, 0, sizeof s);
    s.seed = session_seed;
    s.random = session_seed + 1;
    s.manners = &kinds[below(&s.random, COUNT(kinds))];
    s.flushes = chance(&s.random, 500);
    s.edc = (enum iso7816_edc)below(&s.random, 3);
    config.edc = s.edc;
    config.nad = chance(&s.random, 200) ? 0x21 : 0x00;
    config.ifsc = sizes[below(&s.random, COUNT(sizes))];
    ifsd_wanted = chance(&s.random, 500) ? 254 : chance(&s.random, 500) ? sizes[below(&s.random, COUNT(sizes))] : 0;
    s.limit = config.ifsc < 32 || (ifsd_wanted > 0 && ifsd_wanted < 32) ? 600 : NO_LIMIT;
    iso7816_t1_host_init(&s.host, &config, ifsd_wanted);
    config.nad = 0;
    iso7816_t1_card_init(&s.card, &config, s.in, sizeof s.in);
}

void t1_session(uint64_t session_seed)
{
    enum iso7816_t1_action action = ISO7816_T1_DONE;

    reset(session_seed);
    for (exchange_index = 0; exchange_index < SESSION_MAX && goes_on(action); exchange_index++) {
        size_t room;

        make_job(&job, s.seed, exchange_index, s.limit);
        room = chance(&s.random, 990) ? RESPONSE_MAX : below(&s.random, (uint32_t)job.response_size + 1);
        memset(reply + room, 0xA5, ROOM_TO_SEE);
        s.runs = 0;
        action = exchange(room);
        check_end(action, room);
        s.failed[exchange_index] = action != ISO7816_T1_DONE;
        play.exchanges++;
        play.ends[s.host.error]++;
        play.retransmissions += s.host.retransmissions;
        play.resynchronisations += s.host.resynchronisations;
    }
}
