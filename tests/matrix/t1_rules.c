/* SPDX-License-Identifier: MIT */
/*
 * What a fault makes of a T=1 exchange. The reader's side is the library's: two retries for a block, then RESYNCH up to
 * three times, then the exchange is given up; whatever answers S(IFS) or RESYNCH wrongly ends it (smclib.md 5.5). The
 * card's side is ISO/IEC 7816-3:2006, 11.6.3: two R-blocks, then silence (rule 7.4.3); its S(request) again when the
 * response is no valid one (rule 7.3). A count of blocks that the fault hits is 1, 2, 3 or for ever.
 */
#include "t1.h"

#define BIT(kind) (1u << (kind))
#define I_BLOCKS  (BIT(I_MORE) | BIT(I_LAST))
#define LIBRARYS  (BIT(IFS) | I_BLOCKS | BIT(R) | BIT(WTX))

#define ONCE   1u
#define TWICE  2u
#define THRICE 4u
#define EVER   8u
#define ALWAYS 15u

#define TO_CARD   1
#define TO_READER 0

#define OK    STATUS_SUCCESS
#define ERROR STATUS_DEVICE_PROTOCOL_ERROR
#define MUTE  STATUS_IO_TIMEOUT

#define FIRST_RETRY  "T=1: * block %u, first retry"
#define SECOND_RETRY "T=1: * block %u, second retry"
#define THIRD        "T=1: * block %u, third time: RESYNCH"
#define ASKS(which)  "T=1: the card asks for a repetition in block %u, " which
#define NOTHING(end) "T=1: nothing came for block %u, " end
#define HELPLESS     "T=1: * block *, and three times RESYNCH did not help"
#define NOT_IFS      "T=1: the card answered S(IFS) with something else in block %u"
#define NOT_RESYNCH  "T=1: the card answered RESYNCH with something else in block %u"
#define NO_RESYNCH   "T=1: the card does not resynchronise"
#define ALL_MUTE     "T=1: the card is mute: 6 blocks got no answer"

#define PROTOCOL SMARTCRD_LAYER_PROTOCOL
#define CARD     SMARTCRD_LAYER_CARD
#define QUIET    -2 /* with "": the layer of those words */

struct rule {
    enum effect effect;
    int to_card;
    unsigned kinds, times;
    NTSTATUS status;
    int layer;
    const char *step; /* "": nothing was told behind the words of an exchange that goes well */
    unsigned block;   /* the step's block: so many behind the next one that the library gets */
    int retransmissions;
};

/* clang-format off */
static const struct rule rules[] = {
    /* To the reader. Nothing, or no valid block: R-block, the block again (rules 7.1, 7.6). */
    {BAD,       TO_READER, LIBRARYS,     ONCE,          OK,    PROTOCOL, FIRST_RETRY,  0, 1},
    {BAD,       TO_READER, LIBRARYS,     TWICE,         OK,    PROTOCOL, SECOND_RETRY, 1, 2},
    {BAD,       TO_READER, LIBRARYS,     THRICE,        OK,    PROTOCOL, THIRD,        2, 2},
    {BAD,       TO_READER, LIBRARYS,     EVER,          ERROR, PROTOCOL, HELPLESS,     0, ANY},
    {BAD,       TO_READER, BIT(RESYNCH), ONCE,          OK,    QUIET,    "",           0, 1},
    {BAD,       TO_READER, BIT(RESYNCH), TWICE,         OK,    QUIET,    "",           0, 2},
    {BAD,       TO_READER, BIT(RESYNCH), THRICE | EVER, ERROR, CARD,     NO_RESYNCH,   0, 2},
    {LOST,      TO_READER, LIBRARYS,     ONCE,          OK,    PROTOCOL, NOTHING("first retry"),  0, 1},
    {LOST,      TO_READER, LIBRARYS,     TWICE,         OK,    PROTOCOL, NOTHING("second retry"), 1, 2},
    {LOST,      TO_READER, LIBRARYS,     THRICE,        OK,    PROTOCOL, NOTHING("third time: RESYNCH"), 2, 2},
    {LOST,      TO_READER, BIT(RESYNCH), ONCE,          OK,    QUIET,    "",           0, 1},
    {LOST,      TO_READER, BIT(RESYNCH), TWICE,         OK,    QUIET,    "",           0, 2},
    {LOST,      TO_READER, BIT(RESYNCH), THRICE | EVER, MUTE,  CARD,     NO_RESYNCH,   0, 2},
    /* The card is late, and does not hear the R-block: the block is its answer to that. */
    {LATE,      TO_READER, LIBRARYS,     ONCE,          OK,    PROTOCOL, NOTHING("first retry"), 0, 1},
    {LATE,      TO_READER, BIT(RESYNCH), ONCE,          OK,    QUIET,    "",           0, 1},
    {LATE,      TO_READER, BIT(RESYNCH_2), ONCE,        OK,    PROTOCOL, "T=1: nothing came for block 1: RESYNCH again", 0, 0},
    /* A part of a block, and the rest as an answer to the R-block, which the card does not hear either. */
    {SLICED,    TO_READER, LIBRARYS,     ONCE,          OK,    PROTOCOL, SECOND_RETRY, 1, 2},
    {SLICED,    TO_READER, LIBRARYS,     TWICE,         OK,    PROTOCOL, "T=1: * block %u: RESYNCH again", 3, 2},
    {SLICED,    TO_READER, LIBRARYS,     THRICE | EVER, ERROR, PROTOCOL, HELPLESS,     0, 2},
    {SLICED,    TO_READER, BIT(RESYNCH), ONCE,          OK,    QUIET,    "",           0, 2},
    {SLICED,    TO_READER, BIT(RESYNCH), TWICE | THRICE | EVER, ERROR, CARD, NO_RESYNCH, 0, 2},
    /* A wrong number: R-block, as above; a request for a response and vice versa: the end. */
    {WRONG_PCB, TO_READER, I_BLOCKS | BIT(R), ONCE,     OK,    PROTOCOL, FIRST_RETRY,  0, 1},
    {WRONG_PCB, TO_READER, I_BLOCKS | BIT(R), TWICE,    OK,    PROTOCOL, SECOND_RETRY, 1, 2},
    {WRONG_PCB, TO_READER, I_BLOCKS | BIT(R), THRICE,   OK,    PROTOCOL, THIRD,        2, 2},
    {WRONG_PCB, TO_READER, I_BLOCKS | BIT(R), EVER,     ERROR, PROTOCOL, NOT_RESYNCH,  3, 2}, /* its answer is hit as well */
    {WRONG_PCB, TO_READER, BIT(IFS),     ALWAYS,        ERROR, PROTOCOL, "T=1: the card answered S(IFS) with something else in block 2", 0, 0},
    {WRONG_PCB, TO_READER, BIT(WTX),     ALWAYS,        ERROR, PROTOCOL, "T=1: unexpected S-block response in block %u", 0, 0},
    {WRONG_PCB, TO_READER, BIT(RESYNCH), ONCE,          OK,    QUIET,    "",           0, 1},
    {WRONG_PCB, TO_READER, BIT(RESYNCH), TWICE,         OK,    QUIET,    "",           0, 2},
    {WRONG_PCB, TO_READER, BIT(RESYNCH), THRICE | EVER, ERROR, CARD,     NO_RESYNCH,   0, 2},
    {WRONG_INF, TO_READER, BIT(IFS),     ONCE,          OK,    QUIET,    "",           0, 0}, /* smclib.md 5.5: not compared */
    {WRONG_INF, TO_READER, BIT(WTX),     ONCE,          OK,    QUIET,    "",           0, 0}, /* the card asks again */
    /* The library's RESYNCH: three times in all. */
    {BAD,       TO_READER, BIT(RESYNCH_2), ONCE | TWICE,  OK,    PROTOCOL, "T=1: * block *: RESYNCH again", 0, 0},
    {BAD,       TO_READER, BIT(RESYNCH_2), THRICE | EVER, ERROR, PROTOCOL, HELPLESS,   0, 0},
    {LOST,      TO_READER, BIT(RESYNCH_2), ONCE | TWICE,  OK,    PROTOCOL, "T=1: nothing came for block *: RESYNCH again", 0, 0},
    {LOST,      TO_READER, BIT(RESYNCH_2), THRICE | EVER, ERROR, PROTOCOL, HELPLESS,   0, 0},
    {SLICED,    TO_READER, BIT(RESYNCH_2), ONCE,          OK,    PROTOCOL, "T=1: * block *: RESYNCH again", 0, 0},
    {SLICED,    TO_READER, BIT(RESYNCH_2), TWICE | THRICE | EVER, ERROR, PROTOCOL, HELPLESS, 0, 0},
    {WRONG_PCB, TO_READER, BIT(RESYNCH_2), ALWAYS,        ERROR, PROTOCOL, NOT_RESYNCH, 0, 0},

    /* To the card. No valid block: R-block, the block again (rule 7.5); an R-block is no answer to S(IFS), RESYNCH. */
    {BAD,       TO_CARD, BIT(IFS),          ALWAYS,        ERROR, PROTOCOL, NOT_IFS,            0, 0},
    {BAD,       TO_CARD, I_BLOCKS | BIT(R), ONCE,          OK,    PROTOCOL, ASKS("first retry"), 0, 1},
    {BAD,       TO_CARD, I_BLOCKS | BIT(R), TWICE,         OK,    PROTOCOL, ASKS("second retry"), 1, 2},
    {BAD,       TO_CARD, I_BLOCKS | BIT(R), THRICE,        OK,    PROTOCOL, NOTHING("third time: RESYNCH"), 2, 2},
    {BAD,       TO_CARD, I_BLOCKS | BIT(R), EVER,          ERROR, PROTOCOL, HELPLESS,           0, ANY},
    {BAD,       TO_CARD, BIT(WTX),          ONCE | TWICE,  OK,    QUIET,    "",                 0, 0},
    {BAD,       TO_CARD, BIT(WTX),          THRICE,        OK,    PROTOCOL, "T=1: nothing came for block *, third time: RESYNCH", 0, 2},
    {BAD,       TO_CARD, BIT(WTX),          EVER,          ERROR, PROTOCOL, HELPLESS,           0, ANY},
    {BAD,       TO_CARD, BIT(RESYNCH),      ONCE,          OK,    QUIET,    "",                 0, 1},
    {BAD,       TO_CARD, BIT(RESYNCH),      TWICE,         OK,    QUIET,    "",                 0, 2},
    {BAD,       TO_CARD, BIT(RESYNCH),      THRICE | EVER, ERROR, CARD,     NO_RESYNCH,         0, 2},
    {BAD,       TO_CARD, BIT(RESYNCH_2),    ALWAYS,        ERROR, PROTOCOL, NOT_RESYNCH,        0, 0},
    {LOST,      TO_CARD, BIT(RESYNCH_2),    ONCE | TWICE,  OK,    PROTOCOL, "T=1: nothing came for block *: RESYNCH again", 0, 0},
    {LOST,      TO_CARD, BIT(RESYNCH_2),    THRICE | EVER, ERROR, PROTOCOL, HELPLESS,           0, 0},
    {WRONG_PCB, TO_CARD, BIT(RESYNCH_2),    ALWAYS,        ERROR, PROTOCOL, NOT_RESYNCH,        0, 0},
    /* Nothing: the reader's R-block comes to a card that does not know of the block. */
    {LOST,      TO_CARD, BIT(IFS),          ONCE,          ERROR, PROTOCOL, NOT_IFS,            1, 1},
    {LOST,      TO_CARD, BIT(IFS),          TWICE,         ERROR, PROTOCOL, NOT_IFS,            2, 2},
    {LOST,      TO_CARD, BIT(IFS),          THRICE,        OK,    PROTOCOL, NOTHING("third time: RESYNCH"), 2, 2},
    {LOST,      TO_CARD, I_BLOCKS,          ONCE,          OK,    PROTOCOL, ASKS("second retry"), 1, 2},
    {LOST,      TO_CARD, I_BLOCKS,          TWICE,         OK,    PROTOCOL, ASKS("third time: RESYNCH"), 2, 2},
    {LOST,      TO_CARD, I_BLOCKS,          THRICE,        OK,    PROTOCOL, NOTHING("third time: RESYNCH"), 2, 2},
    {LOST,      TO_CARD, BIT(R) | BIT(WTX), ONCE,          OK,    PROTOCOL, NOTHING("first retry"), 0, 1},
    {LOST,      TO_CARD, BIT(R) | BIT(WTX), TWICE,         OK,    PROTOCOL, NOTHING("second retry"), 1, 2},
    {LOST,      TO_CARD, BIT(R) | BIT(WTX), THRICE,        OK,    PROTOCOL, NOTHING("third time: RESYNCH"), 2, 2},
    {LOST,      TO_CARD, BIT(RESYNCH),      ONCE,          OK,    QUIET,    "",                 0, 1},
    {LOST,      TO_CARD, BIT(RESYNCH),      TWICE,         OK,    QUIET,    "",                 0, 2},
    {LOST,      TO_CARD, BIT(RESYNCH),      THRICE | EVER, MUTE,  CARD,     NO_RESYNCH,         0, 2},
    {WRONG_PCB, TO_CARD, I_BLOCKS | BIT(R), ONCE,          OK,    PROTOCOL, FIRST_RETRY,        0, 1},
    {WRONG_PCB, TO_CARD, I_BLOCKS | BIT(R), TWICE,         OK,    PROTOCOL, SECOND_RETRY,       1, 2},
    {WRONG_PCB, TO_CARD, I_BLOCKS | BIT(R), THRICE,        OK,    PROTOCOL, THIRD,              2, 2},
    {WRONG_PCB, TO_CARD, I_BLOCKS | BIT(R), EVER,          ERROR, PROTOCOL, NOT_RESYNCH,        3, 2}, /* it is hit as well */
    {WRONG_PCB, TO_CARD, BIT(IFS),          ALWAYS,        ERROR, PROTOCOL, NOT_IFS,            0, 0},
    {WRONG_PCB, TO_CARD, BIT(WTX),          ONCE | TWICE,  OK,    QUIET,    "",                 0, 0},
    {WRONG_PCB, TO_CARD, BIT(WTX),          THRICE,        OK,    PROTOCOL, "T=1: nothing came for block *, third time: RESYNCH", 0, 2},
    {WRONG_PCB, TO_CARD, BIT(WTX),          EVER,          ERROR, PROTOCOL, HELPLESS,           0, 2}, /* mute: rule 7.4.3 */
    {WRONG_PCB, TO_CARD, BIT(RESYNCH),      ONCE,          OK,    QUIET,    "",                 0, 1},
    {WRONG_PCB, TO_CARD, BIT(RESYNCH),      TWICE,         OK,    QUIET,    "",                 0, 2},
    {WRONG_PCB, TO_CARD, BIT(RESYNCH),      THRICE | EVER, ERROR, CARD,     NO_RESYNCH,         0, 2},
    {WRONG_INF, TO_CARD, BIT(IFS),          ONCE,          ERROR, PROTOCOL, NOT_IFS,            0, 0}, /* 11.4.2: FF is no IFSD */
    {WRONG_INF, TO_CARD, BIT(WTX),          ONCE,          OK,    QUIET,    "",                 0, 0}, /* 11.6.2.3: not the card's value */
};
/* clang-format on */

const char *t1_kind_name(enum kind kind)
{
    static const char *const names[] = {[IFS] = "S(IFS)",
                                        [I_MORE] = "I, more",
                                        [I_LAST] = "I",
                                        [R] = "R",
                                        [WTX] = "S(WTX)",
                                        [RESYNCH] = "S(RESYNCH)",
                                        [RESYNCH_2] = "second S(RESYNCH)"};

    return names[kind];
}

enum effect t1_altered(const struct place *place, size_t byte)
{
    size_t at = place->apdu_at + byte - 3;

    if (!place->to_card || at > 4)
        return ALTERED_DATA;
    return at == 4 ? ALTERED_LC : ALTERED_HEADER;
}

/* The card's last block is an S(response): an R-block makes it repeat that, because the library asks for it so. */
static const char *repeated(const struct trace *trace, size_t at)
{
    if (at == 0 || trace->places[at - 1].to_card)
        return NULL;
    return trace->places[at - 1].kind == IFS         ? "S(IFS response)"
           : trace->places[at - 1].kind == RESYNCH_2 ? "S-block response"
                                                     : NULL;
}

/* Whether the card has said anything in this exchange before. */
static bool heard(const struct trace *trace, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (!trace->places[i].to_card)
            return true;
    }
    return false;
}

int t1_layer(const struct trace *trace)
{
    return trace->words[0] == '\0' ? SMARTCRD_LAYER_DRIVER : PROTOCOL;
}

void t1_name(struct cell *cell, const struct place *place, size_t byte)
{
    size_t used = strlen(cell->name);

    text(cell->name + used, sizeof(cell->name) - used, ", %s, byte %zu of %s to the %s", cell->fault[0], byte,
         t1_kind_name(place->kind), place->to_card ? "card" : "reader");
}

/* What depends on more than the block itself. */
static bool special(const struct trace *trace, size_t at, enum effect effect, unsigned times, struct expected *expected,
                    char *step, size_t size)
{
    const struct place *place = &trace->places[at];
    unsigned left = 0;

    for (size_t i = at; i < trace->count; i++)
        left += !trace->places[i].to_card;
    if (effect == LATE && times != 1) { /* every block costs one retry, and the library counts it twice */
        unsigned hit = times == FOR_EVER || times > left ? left : times;
        bool second = place->kind == RESYNCH_2 || place->kind == RESYNCH; /* another RESYNCH is no retransmission */
        const struct place *last = place;

        for (unsigned i = 1; i < hit; i++) {
            do
                last++;
            while (last->to_card);
        }
        text(step, size, "T=1: nothing came for block %u%s", last->received + hit - (place->kind == RESYNCH),
             last->kind == RESYNCH_2 ? ": RESYNCH again" : ", first retry");
        *expected = (struct expected){OK, PROTOCOL, step, (int)(hit - second), ANSWER_RIGHT, WORKS};
        return true;
    }
    if (effect == LOST && times == FOR_EVER && place->kind != RESYNCH && place->kind != RESYNCH_2) {
        if (heard(trace, at))
            *expected = (struct expected){ERROR, PROTOCOL, HELPLESS, 2, ANSWER_NONE, WORKS};
        else
            *expected = (struct expected){MUTE, CARD, ALL_MUTE, 2, ANSWER_NONE, WORKS};
        return true;
    }
    if (effect == LOST && place->to_card && place->kind != IFS && place->kind != R && times < 3 &&
        repeated(trace, at) != NULL) {
        text(step, size, "T=1: unexpected %s in block %u", repeated(trace, at), place->received + times + 1);
        *expected = (struct expected){ERROR, PROTOCOL, step, (int)times, ANSWER_NONE, WORKS};
        return true;
    }
    return false;
}

bool t1_expect(const struct trace *trace, size_t at, enum effect effect, unsigned times, struct expected *expected,
               char *step, size_t step_size)
{
    const struct place *place = &trace->places[at];
    unsigned bit = times == FOR_EVER ? EVER : 1u << (times - 1);

    if (effect == HARMLESS || effect == ALTERED_HEADER) {
        *expected = (struct expected){OK, t1_layer(trace), trace->words, 0, ANSWER_RIGHT, WORKS};
        return true;
    }
    if (effect == ALTERED_DATA || effect == ALTERED_LC) {
        *expected = (struct expected){
            OK, t1_layer(trace), trace->words, 0, effect == ALTERED_LC ? ANSWER_OTHER : ANSWER_ALTERED, WORKS};
        return true;
    }
    if (special(trace, at, effect, times, expected, step, step_size))
        return true;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct rule *rule = &rules[i];

        if (rule->effect != effect || (rule->to_card != 0) != place->to_card || (rule->kinds & BIT(place->kind)) == 0 ||
            (rule->times & bit) == 0)
            continue;
        text(step, step_size, rule->step, place->received + 1 + rule->block);
        *expected = (struct expected){.status = rule->status,
                                      .layer = rule->layer == QUIET ? t1_layer(trace) : rule->layer,
                                      .step = rule->step[0] == '\0' ? trace->words : step,
                                      .retransmissions = rule->retransmissions,
                                      .answer = rule->status == OK ? ANSWER_RIGHT : ANSWER_NONE,
                                      .after = WORKS};
        return true;
    }
    return false;
}

/* ---- whole blocks ------------------------------------------------------------------------------------------------ */

/*
 * Another valid block instead. By place, to the reader and to the card: + the exchange succeeds (the block is asked for
 * again, or is the right one anyhow), - it ends with DEVICE_PROTOCOL_ERROR, v with DEVICE_POWER_FAILURE, . no cell. Once;
 * for ever it fails, but for requests of the card, which keep the library busy for a million blocks.
 */
/* clang-format off */
static const struct {
    const char *pcb, *inf;
    const char *to_reader, *to_card; /* IFS, I_MORE, I_LAST, R, WTX, RESYNCH, RESYNCH_2 */
    bool ever_to_reader;
} replacements[] = {
    {"80", "",   "-+++++-", "-++++++", true}, /* R-blocks: an answer to an I-block, not to an S(request) ... */
    {"90", "",   "-+++++-", "-++++++", true}, /* ... but the card repeats an S(response) for them */
    {"C0", "",   "++++++-", "-----++", true}, /* S(RESYNCH request): the reader's to send */
    {"C1", "20", "-+++++-", "+---++-", false},
    {"C2", "",   "----++-", "----++-", false}, /* aborts a chain, and with it the exchange */
    {"C3", "01", "-+++++-", "-+++++-", false},
    {"E0", "",   "-----.+", "-+++++-", true},
    {"E1", "20", "+----+-", "-+++++-", true},
    {"E2", "",   "-----+-", "-+++++-", true},
    {"E3", "05", "-----+-", "-+++++-", true},
    {"E4", "",   "vvvvv+-", "-+++++-", false}, /* VPP error */
    {"C8", "",   "++++++-", "-+++++-", true}, /* reserved */
};
/* clang-format on */

static void replaced(struct desk *desk, const struct cell *base, const struct trace *trace, size_t at, size_t row,
                     unsigned times)
{
    /*
     * What stays open: an exchange that succeeds tells of the last block that was asked for again, and whether there was
     * one hangs on the bytes (the other block may be the right one). Which layer gives up a RESYNCH hangs on who sent it.
     */
    static const struct expected outcomes[] = {
        {OK, ANY, "*", ANY, ANSWER_RIGHT, WORKS},
        {ERROR, PROTOCOL, "T=1: *", ANY, ANSWER_NONE, WORKS},
        {STATUS_DEVICE_POWER_FAILURE, PROTOCOL, "T=1: the card reports a VPP error in block *", ANY, ANSWER_NONE,
         WORKS},
    };
    const struct place *place = &trace->places[at];
    struct cell cell = *base;
    char how = (place->to_card ? replacements[row].to_card : replacements[row].to_reader)[place->kind];

    /* The card's last block is an S(response), and an R-block makes it come again. */
    if (place->to_card && (place->kind == I_LAST || place->kind == I_MORE) && replacements[row].pcb[1] == '0' &&
        (replacements[row].pcb[0] == '8' || replacements[row].pcb[0] == '9') && repeated(trace, at) != NULL)
        how = '-';
    if (how == '.' || (times == FOR_EVER && place->kind == R && place->pcb == strtoul(replacements[row].pcb, NULL, 16)))
        return; /* it is the right one, and the only one */
    if (times == FOR_EVER)
        how = '-';
    text(cell.fault[0], sizeof(cell.fault[0]), "replace hex=00%s%02X%s to=%s skip=%u count=%u", replacements[row].pcb,
         (unsigned)strlen(replacements[row].inf) / 2, replacements[row].inf, place->to_card ? "card" : "reader",
         place->skip, times);
    cell.expected = outcomes[how == '+' ? 0 : how == '-' ? 1 : 2];
    if (place->kind == RESYNCH)
        cell.expected.layer = ANY;
    t1_name(&cell, place, 0);
    matrix_cell(desk, &cell);
}

/* The same block again, in place of the next one that way, which may be of the next exchange. */
static void duplicated(struct desk *desk, const struct cell *base, const struct trace *trace, size_t at, unsigned times)
{
    const struct place *place = &trace->places[at];
    const struct place *next = NULL;
    struct cell cell = *base;
    bool fails;

    for (size_t i = at + 1; i < trace->count && next == NULL; i++) {
        if (trace->places[i].to_card == place->to_card)
            next = &trace->places[i];
    }
    /* An S-block that nobody asked for ends the exchange, but for one of the two RESYNCH. The card's S(WTX) is answered,
     * and the reader's is a block that the card asks for again. */
    fails = next != NULL && (place->kind == IFS || place->kind == RESYNCH_2);
    if (times == FOR_EVER && next != NULL) {
        if (place->kind == WTX && !place->to_card)
            return; /* a million blocks */
        fails = true;
    }
    text(cell.fault[0], sizeof(cell.fault[0]), "duplicate to=%s skip=%u count=%u", place->to_card ? "card" : "reader",
         place->skip, times);
    /* What stays open: whether the next block is the same by its bytes, and is asked for again. */
    cell.expected = (struct expected){fails ? ERROR : OK,
                                      fails          ? PROTOCOL
                                      : next != NULL ? ANY
                                                     : t1_layer(trace),
                                      fails          ? "T=1: *"
                                      : next != NULL ? "*"
                                                     : trace->words,
                                      next != NULL ? ANY : 0,
                                      fails ? ANSWER_NONE : ANSWER_RIGHT,
                                      WORKS};
    t1_name(&cell, place, 0);
    matrix_cell(desk, &cell);
}

void t1_blocks(struct desk *desk, const struct cell *base, const struct trace *trace, size_t at)
{
    for (size_t row = 0; row < sizeof(replacements) / sizeof(replacements[0]); row++) {
        replaced(desk, base, trace, at, row, 1);
        if (trace->places[at].to_card || replacements[row].ever_to_reader)
            replaced(desk, base, trace, at, row, FOR_EVER);
    }
    duplicated(desk, base, trace, at, 1);
    duplicated(desk, base, trace, at, FOR_EVER);
}
