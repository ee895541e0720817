/* SPDX-License-Identifier: MIT */
/* What the model of a request's life consists of: the parts of struct op, handle and reader (src/client/op.h, handle.h,
 * context.h) that carry a rule, under their names, and what is counted for the rules alone. */

/* ---- what there is --------------------------------------------------------------------------------------------- */

#define NONE 7 /* no operation */

/* op.word: phase and claim; the mark `ended` is a bit of its own, but always changed with the word in one step. */
#define WAITING  0
#define RUNNING  1
#define RETURNED 2

#define CANCEL       1
#define DEADLINE     2
#define REMOVAL      3
#define NO_RESOURCES 4

/* What a claimer learns from the word from before (op_claim). */
#define LOST            0
#define WON_WAITING     1
#define WON_RUNNING     2
#define CLAIMED_RUNNING 3 /* not by this one, with the driver, not ended */

/* op.signal */
#define TURN  1
#define ENDED 2
#define SLEEP 4

/* What the clock was set for (op.due). */
#define DUE_DEADLINE 1
#define DUE_ABANDON  2

/* Where the driver has the request. PENDED: it completes it some time. HELD: it completes it when it is cancelled.
 * KEPT: it never does. CANCELLING: its cancel routine has been called. */
#define ELSEWHERE  0
#define PENDED     1
#define HELD       2
#define KEPT       3
#define CANCELLING 4
#define COMPLETING 5

typedef Op {
    /* struct op */
    unsigned phase : 2;
    unsigned claim : 3;
    bit ended;
    unsigned refs : 3;
    unsigned outstanding : 2;
    unsigned signal : 3;
    bit parked;             /* in the kernel, on `signal` */
    bit in_table;           /* handle.lock guards this and the next three */
    bit list;               /* delivery == OP_DELIVER_LIST */
    bit finished;
    unsigned status : 3;    /* the claim that decided it; 0: the driver's */
    unsigned due : 2;       /* 0: not in the heap; deadlines.lock */
    bit abandon_at;         /* it is set */
    unsigned sequence : 3;  /* reader.end_lock */
    bit pended;
    unsigned irp : 3;
    bit irp_cancel;         /* irp->Cancel */
    /* For the rules alone. */
    bit made, freed, delivered, dropped, refused, promised, late;
    unsigned place : 3;     /* its place in the order of those that got in line */
};
Op op[N];

/* struct smartcrd_handle */
bit hlock;                  /* handle.lock */
unsigned hrefs : 4 = 1;
unsigned pending : 3;
unsigned users : 3;
unsigned sleepers : 3;
unsigned hsignal : 4;
bit closing;
bit linked = 1;             /* in reader.handles */
chan done = [N] of { byte };
bit hfreed, closed;         /* for the rules: gone; smartcrd_close has returned */

/* struct reader */
byte has_turn = NONE;         /* queue_lock: this, the line and the holder */
chan line = [N] of { byte };
bit holder;                 /* an exchange has the reader */
bit elock;                  /* end_lock, where others can look into the section */
#define SHADOW 0
#define EXT    1
#if UNBOUND
bit cell = SHADOW;
#else
bit cell = EXT;
#endif
/* Values: 0 is the first one, 1 + n that of operation n as the host stored it, WORD + 1 + n as the driver did. */
#define WORD 8
unsigned shadow : 4;
unsigned ext : 4;           /* SMARTCARD_EXTENSION.LastError */
unsigned known : 4;
unsigned sequence : 3;      /* journal.last */
bit sealed, removed;
#if MUTANT == 30 /* a handle does not keep the device */
unsigned pins : 3 = 1 + (QUERIES > 0);
#else
unsigned pins : 3 = 2 + (QUERIES > 0);
#endif

/* For the rules: all that is in flight has been claimed for the removal; the device is gone; whom the driver works for;
 * how many got in line, and the place of the last one that the driver saw; the newest end that anybody has seen. */
bit swept, gone;
byte in_driver = NONE;
unsigned places : 3;
unsigned last_place : 3;
unsigned seen : 3;

#define alive(o)   assert(op[o].made && !op[o].freed)
#define in(mask, o) (((mask) >> (o)) & 1)
#define tracking(o) in(TRACKING, o)
#define timed(o)    in(TIMED, o)
#define here(o)     (NEVER_BLOCKS || (in(SYNC | EXCHANGE, o) && !timed(o)))
#define own_thread(o) (here(o) && in(SYNC | EXCHANGE, o))
