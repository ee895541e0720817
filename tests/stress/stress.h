/* SPDX-License-Identifier: MIT */
/*
 * A random load on the whole stack with a checker that follows every request. Who does what:
 *
 *     stress.c    the program: options, threads, the report of a violation
 *     choose.c    the generator: what comes next; depends on the seed, the thread and the number of the step alone
 *     play.c      the players: carry out what was chosen
 *     house.c     what is played on: contexts, drivers, readers that come and go, cards
 *     driver.c    the toy driver, which ends requests in every way that there is, and looks at what it is given
 *     request.c   the checker of each request: from its submission to its one completion
 *     history.c   the checker of each reader: one order of ends that explains every answer about the last error
 */
#ifndef STRESS_H
#define STRESS_H

#include <smartcrd/smartcrd.h>
#include <smartcrd/wdm.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NONE     SMARTCRD_NO_TIMEOUT
#define PATIENCE 120u /* seconds after which something that must come is lost */

/* ---- stress.c ---------------------------------------------------------------------------------------------------- */

struct slot;
struct history;

extern struct settings {
    uint64_t seed, operations; /* operations 0: no such limit */
    double seconds;            /* 0: no such limit */
    uint32_t threads, readers, contexts;
    bool simulated, verify;
} settings;

/* Says what is wrong, the history of the request (NULL: of none) and the reader (NULL), the seed, the command that plays
 * it again; ends the program. */
_Noreturn void violation(const struct slot *slot, struct history *history, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define MUST(condition, slot, history, ...)                                                                            \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            violation(slot, history, __VA_ARGS__);                                                                     \
    } while (0)

/* What a thread has done; added up at the end. */
struct tally {
    uint64_t operations, queries, answers, undecided; /* undecided: the journal had been overwritten meanwhile */
    uint64_t cancels, deadlines, removals, closes, replugs, unloads, contexts;
    uint64_t surrounded; /* handles closed while somebody else was in a call */
    uint64_t digest;     /* of all that the thread has seen: equal when a run is played again exactly */
};
extern __thread struct tally tally;
void tally_see(uint64_t what);

/* ---- choose.c ---------------------------------------------------------------------------------------------------- */

enum action {
    ACTION_CONTROL,
    ACTION_SUBMIT,
    ACTION_ASK,
    ACTION_QUERY,
    ACTION_REAP,
    ACTION_REAP_ONE,
    ACTION_POLL,
    ACTION_CANCEL,
    ACTION_CANCEL_ALL,
    ACTION_DRAIN,
    ACTION_CLOSE,
    ACTION_HAND,
    ACTION_PANEL,
    ACTION_TYPED,
    ACTION_REPLUG,
    ACTION_SPARE,
    ACTION_CONTEXT,
    ACTION_COUNT
};

/* What the toy driver does with a request. */
enum behaviour {
    TOY_RETURN, /* completes at once */
    TOY_HOLD,   /* pends, with a cancel routine, until its time has come or a hand lets it go */
    TOY_KEEP,   /* the same without a cancel routine */
    TOY_STORE,  /* the same, and stores the last error by itself before it completes, as Microsoft's page asks */
    TOY_SLEEP,  /* sleeps in its dispatch routine; where the toy never blocks, like TOY_KEEP */
    TOY_TRACK,  /* IS_PRESENT or IS_ABSENT: pends until a hand lets it go */
    TOY_BEHAVIOURS
};

struct dice {
    uint64_t seed, step, state;
};

/* The next step of a thread: whatever it draws, the step after it begins at the same place. */
void dice_step(struct dice *dice);
uint32_t draw(struct dice *dice, uint32_t below);
enum action choose_action(struct dice *dice);
enum behaviour choose_behaviour(struct dice *dice);
uint32_t choose_code(struct dice *dice, enum behaviour behaviour);
uint32_t choose_delay_us(struct dice *dice, enum behaviour behaviour);
uint32_t choose_timeout_ms(struct dice *dice);
const char *behaviour_name(enum behaviour behaviour);

/* ---- history.c --------------------------------------------------------------------------------------------------- */

#define STORES 1024u
#define RING   4096u /* ends that are remembered for each reader; a power of two */

/* One incarnation of a reader, from plug to unplug and until the last of those who use it has left. */
struct history {
    _Atomic uint32_t refs;  /* of its memory: the users together, and the toy's device */
    _Atomic uint32_t users; /* handles, and its being plugged in; with the last of them the watcher is closed */
    struct smartcrd *context;
    struct smartcrd_handle *watcher; /* reads the journal */
    struct smartcrd_handle *panel;   /* of a virtual reader */
    char name[SMARTCRD_NAME_MAX];
    bool toy, never_blocks, shows_cell;
    _Atomic bool removing, removed; /* smartcrd_remove_reader was called, has returned */
    _Atomic uint64_t ticks;         /* one for each submission that begins: a clock for what came before what */
    _Atomic uint64_t begun;         /* operations */
    _Atomic uint64_t known;         /* newest end that somebody has seen, in a completion or in an answer */
    _Atomic uint64_t
        stores[STORES];          /* what the toy stored by itself: status, tick when it was completed (0: not yet) */
    _Atomic uint64_t ring[RING]; /* number of an end, whether its completion was seen, status */
    pthread_mutex_t device_lock; /* guards: */
    struct toy *device;          /* NULL when it has gone */
};

struct history *history_new(struct smartcrd *context);
void history_ref(struct history *history);
void history_unref(struct history *history);
void history_enter(struct history *history); /* one more user, by a user */
void history_leave(struct history *history); /* one less; the last one looks whether all of it adds up */

/* A request of that slot has ended with this number. floor: history_now before it was submitted. */
void history_ended(struct history *history, const struct slot *slot, uint64_t floor, uint64_t sequence,
                   NTSTATUS status);
/* The same for one whose number is not known: the journal has it. */
void history_ended_somewhere(struct history *history, const struct slot *slot, uint64_t floor, NTSTATUS status);
/* Ask for the last error through the handle, and check the answer. */
void history_ask(struct history *history, struct smartcrd_handle *handle);
/* For the toy: it is about to store this by itself, and when it has completed the request. */
void history_stores(struct history *history, NTSTATUS status, bool completed);
/* What is known now. */
uint64_t history_now(struct history *history);
/* Show each journal entry newer than `since`. false: some were overwritten. */
bool history_walk(struct history *history, uint64_t since,
                  void (*visit)(const struct smartcrd_journal_entry *entry, void *context), void *context);
void history_print(struct history *history, FILE *to);

/* ---- request.c --------------------------------------------------------------------------------------------------- */

#define SLOT_BITS     12u
#define SLOTS         (1u << SLOT_BITS)
#define SEAT_SLOTS    16u
#define SEATS         (SLOTS / SEAT_SLOTS)
#define TOKEN_BITS    27u
#define TOKEN_MASK    ((1u << TOKEN_BITS) - 1u)
#define STATUS_STORES 0x08000000u /* in a status that names its request: the toy stores it by itself */
#define OUT_SIZE      24u

/* The input of a toy's request, and its output. */
struct order {
    uint32_t behaviour, token, status, delay_us;
};

/* A handle, and what is in flight on it. */
struct seat {
    /* Shared seats: held for reading while the handle is used, for writing while it is opened, and to wait until all have
     * left one that was closed. A private one is its player's alone. */
    pthread_rwlock_t use;
    bool shared;
    struct smartcrd_handle *handle;
    struct history *history;
    struct slot *slots;
    pthread_mutex_t lock; /* guards the rest, and the slots */
    uint32_t flying;      /* slots that are not free */
    uint32_t guests;      /* of a shared seat: who is in a synchronous call, or about to be */
    uint32_t users;       /* and who uses it in another way */
    bool leaving;         /* it is going to be closed: nobody begins anything */
    uint32_t cancelling;  /* calls of smartcrd_cancel_all, or smartcrd_close, that are under way */
    uint64_t reaped;      /* newest number of those from the list, when the seat is private */
};

enum slot_state { SLOT_FREE, SLOT_STARTING, SLOT_FLYING, SLOT_EARLY /* reaped before its submission had returned */ };

/* A request. Guarded by its seat's lock but for the atomics, at which the driver looks. */
struct slot {
    uint32_t number;
    enum slot_state state;
    struct seat *seat;
    struct history *history;
    _Atomic uint32_t token;       /* names one use of the slot */
    _Atomic uint64_t begun, back; /* ticks of its submission: before, and after it returned (0: not yet) */
    _Atomic uint32_t arrived;     /* token with which the driver has got it */
    struct order order;
    uint64_t id, floor, submitted_ns;
    uint32_t code, timeout_ms;
    enum behaviour behaviour;
    bool synchronous, card, exchange;      /* exchange: of several operations, the last of which may not decide */
    bool cancel_asked, promised, too_late; /* a cancel is under way; succeeded; was told that it had ended */
    bool must_be_removed;                  /* the removal was over before it was submitted */
    uint32_t last_token;                   /* of the use before, */
    NTSTATUS last_status;                  /* and how it ended */
    uint8_t out[OUT_SIZE];
};

void seat_init(struct seat *seat, bool shared);
/* Take a free slot for a request on the seat. NULL: there is none. The request's members are set for it. */
struct slot *slot_begin(struct seat *seat, enum behaviour behaviour, uint32_t code, uint32_t delay_us,
                        uint32_t timeout_ms, uint32_t severity, struct smartcrd_request *request);
/* One for a card: anything goes in, and out of the reply nothing is known. */
struct slot *slot_begin_card(struct seat *seat, uint32_t code, uint32_t timeout_ms);
/* The submission has returned. */
void slot_submitted(struct slot *slot, NTSTATUS status, uint64_t id, const struct smartcrd_completion *done);
/* A synchronous call has returned. */
void slot_controlled(struct slot *slot, NTSTATUS status, size_t information);
/* A completion was reaped from the seat. listed: the next one, not a certain one. */
void slot_reaped(struct seat *seat, const struct smartcrd_completion *completion, bool listed);
/* Cancel one of the seat's. */
void slot_cancel(struct seat *seat, uint32_t which);
/* Everything on the seat is going to be cancelled, has been. */
void seat_cancel_begins(struct seat *seat);
void seat_cancel_ends(struct seat *seat);
/* A handle for it, on the reader of that history, which counts it as a user already. */
void seat_opened(struct seat *seat, struct history *history, struct smartcrd_handle *handle);
/* The handle was closed: what was in flight must have ended. */
void seat_closed(struct seat *seat);
/* Its completion by id, of any that is in flight; 0: none is. */
uint64_t seat_any(struct seat *seat, uint32_t which);
uint32_t seat_flying(struct seat *seat);
/* Begin to use a shared seat, as a guest who makes a synchronous call or otherwise; stop it. false: it is leaving. */
bool seat_enter(struct seat *seat, bool guest);
void seat_leave(struct seat *seat, bool guest);
/* Let nobody begin anything, and wait until every guest is inside a call of the handle, and nobody else uses it: then it
 * may be closed. false: not now. */
bool seat_surround(struct seat *seat);
void slot_print(const struct slot *slot, FILE *to);

/* For the driver: the slot of a token; NULL: it has been used again. */
struct slot *slot_of(uint32_t token);

/* ---- driver.c ---------------------------------------------------------------------------------------------------- */

/* The history of the toy that smartcrd_add_reader makes on this thread. */
extern __thread struct history *plugging;

smartcrd_driver_entry stress_driver_entry;

/* Let go of what the toy holds. */
void toy_hand(struct history *history, bool tracking);

/* ---- house.c ----------------------------------------------------------------------------------------------------- */

void house_up(void);
void house_down(void);
/* The reader at a place, as one more user's. */
struct history *house_reader(uint32_t place);
/* Open the reader at a place in the seat, if it is still there. */
void house_open(uint32_t place, struct seat *seat);
/* Pull its plug, and put another one in. */
void house_replug(uint32_t place, struct dice *dice);
/* Do something to the card of the virtual reader. */
void house_panel(struct history *history, struct dice *dice);
/* A driver, or a context with one, that comes and goes; the seat is free before and after. */
void house_spare(struct dice *dice, struct seat *seat);
void house_another(struct dice *dice, struct seat *seat);

/* ---- play.c ------------------------------------------------------------------------------------------------------ */

struct player {
    pthread_t thread;
    uint32_t number;
    struct tally tally;
};

void play_prepare(void);
void *play(void *player);
void play_finish(void);
/* Submit one more request; close the handle. */
void play_submit(struct seat *seat, struct dice *dice);
void play_close(struct seat *seat);

#endif
