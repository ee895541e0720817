/* SPDX-License-Identifier: MIT */
/*
 * The threads: callers of the interface (control.c, complete.c, cancel.c, handle.c, reader.c), the host's workers and
 * clock, and the driver. Which of them there are, and what they do, is the configuration's choice (request.pml).
 */

/* What the inlines of steps.pml use on every thread. */
#define MINE \
    bit asleep, drop, to_caller, mine, was_queued, clock_set, must, last, passes, may, claimed; \
    byte after = NONE; byte behind = NONE; byte pw; byte n; byte x

/* Callers inside the interface, and those that have left it for good. */
unsigned entered : 3;
unsigned have_left : 3;
bit left_cancellers;

/* ---- starting: control.c --------------------------------------------------------------------------------------- */

/* begin, op_create, claim_at_birth. go: it is an operation now. */
inline begin(o, go) {
    go = 1;
#if REMOVER
    if
    :: removed -> ending_refuse(o); go = 0
    :: else
    fi;
#endif
    if
    :: go ->
       /* What op_create makes is nobody else's before it is in the table. */
       d_step {
           handle_free() ->
           assert(hrefs > 0);
           hrefs++;
           op[o].made = 1;
           op[o].refs = 2;
#if MUTANT == 5 /* the runner's reference goes with the completion, whoever is still inside the driver */
           op[o].outstanding = 1;
#else
           op[o].outstanding = 2;
#endif
           users++;
           op[o].in_table = 1
       };
#if MUTANT != 19 && (REMOVER || CLOSE_EARLY) /* nobody looks whether reader or handle are going */
       if
       :: removed -> birth = REMOVAL
       :: else ->
          if
          :: closing -> birth = CANCEL
          :: else
          fi
       fi;
       if
       :: birth != 0 -> claim_it(o, birth); birth = 0
       :: else
       fi
#endif
    :: else
    fi
}
inline claim_it(o, what) {
    op_claim(o, what, w);
    if
    :: won(w) -> op_claimed(o, w)
    :: else
    fi;
    w = LOST
}
inline set_deadline(o) {
    deadline_set(o, DUE_DEADLINE, clock_set);
    if
    :: clock_set
    :: else ->
       claim_it(o, NO_RESOURCES)
    fi;
    clock_set = 0
}

inline start(o, ran) {
    ran = 0;
#if TIMED && !NEVER_BLOCKS
    if
    :: timed(o) -> set_deadline(o)
    :: else
    fi;
#endif
    if
    :: tracking(o) -> turn = 1
    :: else -> queue_enter(o, turn)
    fi;
    if
    :: turn && here(o) -> ran = 1; op_run(o, next); op_pass_on(next)
    :: turn && !here(o) -> next = o; op_pass_on(next)
    :: else
    fi;
    turn = 0;
#if TIMED && NEVER_BLOCKS
    if
    :: timed(o) -> set_deadline(o)
    :: else
    fi
#endif
}

/* ---- synchronous ----------------------------------------------------------------------------------------------- */

/* The operation is run at one place here, and at two there. */
inline wait_for_end(o, ran) {
    if
    :: !ran -> wait_for_signal(o, ENDED | TURN); turned = (got & ENDED) == 0
    :: else
    fi;
    do
    :: turned -> turned = 0; ran = 1; op_run(o, next); op_pass_on(next)
    :: !turned ->
       wait_for_signal(o, ENDED);
       if
       :: own_thread(o) && !tracking(o) && !ran && has_turn == o -> /* queue_is_active */
#if MUTANT != 11 /* the turn is passed on before it has arrived */
          wait_for_signal(o, TURN);
#endif
          turned = 1
       :: else -> break
       fi
    od;
    got = 0
}

inline control_run(o) {
    begin(o, go);
    if
    :: go ->
       start(o, ran);
       wait_for_end(o, ran);
       d_step { handle_free() -> op_deliver(o); users--; handle_touch() }; /* take_end */
       op_unref(o)
    :: else
    fi;
    go = 0;
    ran = 0
}

/* A call that is inside when the handle is closed has said so before. */
#if CLOSE_EARLY
inline handle_enter() { d_step { handle_free() -> hrefs++; users++; entered++ } }
inline handle_leave() {
    d_step { handle_free() -> users--; handle_touch() };
    handle_unref();
    have_left++
}
#else
inline handle_enter() { skip }
inline handle_leave() { have_left++ }
#endif

#define LOCALS MINE; bit go; bit ran; bit turned; bit turn; byte w; byte birth; byte next = NONE; byte got

#if SYNC
proctype Caller(byte me)
{
    LOCALS;

    handle_enter();
    control_run(me);
    handle_leave()
}
#endif

/* apdu.c exchange_t0: several requests, between which no other may come. */
#if EXCHANGE
proctype Exchange()
{
    LOCALS;
    byte o;

    handle_enter();
    o = 0;
    do
    :: o < N ->
       if
       :: in(EXCHANGE, o) -> control_run(o)
       :: else
       fi;
       o++
    :: else -> break
    od;
    queue_release(next);
    op_pass_on(next);
    handle_leave()
}
#endif

/* ---- overlapped ------------------------------------------------------------------------------------------------ */

inline submit(o) {
    begin(o, go);
    if
    :: go ->
       start(o, ran);
       d_step {
           handle_free() ->
           alive(o);
#if MUTANT == 24 /* nobody looks whether it has ended meanwhile */
           go = 0;
#else
           go = op[o].finished;
#endif
           users--;
           if
           :: go -> op_deliver(o); handle_touch() /* take_end */
           :: else -> op[o].list = 1; pending++
           fi
       };
       if
       :: go -> op_unref(o)
       :: else
       fi
    :: else
    fi;
    go = 0;
    ran = 0
}

/* complete.c reap, take: until no more can come. */
inline reap_all() {
    do
    :: atomic { handle_free() && nempty(done) -> done?o; op_deliver(o); handle_touch() };
       op_unref(o)
    :: handle_free() && empty(done) && pending == 0 -> break
#if MUTANT == 26 /* it sleeps on what it finds when it has given the lock back */
    :: atomic { handle_free() && empty(done) && pending > 0 -> sleepers++ };
       got = hsignal;
#else
    :: atomic { handle_free() && empty(done) && pending > 0 -> sleepers++; got = hsignal };
#endif
       hsignal != got;
       d_step { handle_free() -> sleepers--; got = 0 }
    od
}

#if OVERLAPPED
proctype Submitter()
{
    LOCALS;
    byte o;

    do
    :: o < N ->
       if
       :: in(OVERLAPPED, o) -> submit(o)
       :: else
       fi;
       o++
    :: else -> break
    od;
    o = 0;
#if CLOSE_EARLY
    entered++
#else
    reap_all();
    have_left++
#endif
}
#endif

/* ---- cancelling: cancel.c -------------------------------------------------------------------------------------- */

inline smartcrd_cancel(o) {
    d_step {
        handle_free() ->
        if
        :: op[o].in_table ->
#if MUTANT != 29 /* the canceller has no reference of its own */
           op[o].refs++;
#endif
           w = won_of(o);
           if
#if MUTANT == 18 /* it promises for a claim of somebody else's too */
           :: !won(w) && op[o].claim != 0 -> op[o].promised = 1
#else
           :: !won(w) && op[o].claim == CANCEL -> op[o].promised = 1
#endif
           :: won(w) -> op[o].claim = CANCEL; op[o].promised = 1
           :: else
           fi;
           go = 1
        :: else -> go = 0
        fi
    };
    if
    :: won(w) -> op_claimed(o, w)
    :: else
    fi;
    w = LOST;
#if MUTANT != 29
    if
    :: go -> op_unref(o)
    :: else
    fi;
#endif
    go = 0
}

/* Any one, at any time. */
#if CANCELLER
proctype Canceller()
{
    MINE;
    byte w; bit go; byte o;

    if
    :: o = 0
#if N > 1
    :: o = N - 1
#endif
    fi;
    smartcrd_cancel(o);
    left_cancellers = 1
}
#endif

/* First the claims, under the lock, then what follows from them. */
inline handle_claim_all(what) {
    lock_handle();
    o = 0;
    do
    :: o < N && op[o].in_table ->
       op_claim(o, what, w);
       d_step {
           if
           :: won(w) -> op[o].refs++; wins[o] = w
           :: else
           fi;
           w = LOST;
           o++
       }
    :: o < N && !op[o].in_table -> o++
    :: else -> unlock_handle(); o = 0; break
    od;
    do
    :: o < N && wins[o] != LOST ->
       op_claimed(o, wins[o]);
       wins[o] = LOST;
       op_unref(o);
       o++
    :: o < N && wins[o] == LOST -> o++
    :: else -> break
    od;
    o = 0
}

/* ---- closing: handle.c ----------------------------------------------------------------------------------------- */

proctype Closer()
{
    MINE;
    byte w; byte o; byte got; byte wins[N];

#if CLOSE_EARLY
    entered == CALLERS && left_cancellers == CANCELLER;
#else
    have_left == CALLERS && left_cancellers == CANCELLER;
#endif
    closing = 1;
    handle_claim_all(CANCEL);
    linked = 0; /* unlink_handle */
#if MUTANT != 15 /* it does not wait */
    do /* wait_for_ends */
    :: atomic { handle_free() && (users > 0 || pending > 0) -> sleepers++; got = hsignal };
       hsignal != got;
       d_step { handle_free() -> sleepers--; got = 0 }
    :: handle_free() && users == 0 && pending == 0 -> break
    od;
#endif
    /* done_drop_all */
    do
    :: atomic { handle_free() && nempty(done) -> done?o; op[o].in_table = 0; op[o].dropped = 1 };
       op_unref(o)
    :: handle_free() && empty(done) -> break
    od;
    o = 0;
    closed = 1;
    handle_unref()
}

/* ---- removing: reader.c ---------------------------------------------------------------------------------------- */

inline sweep() {
    d_step {
        if
        :: linked -> hrefs++; go = 1
        :: else
        fi
    };
    if
    :: go -> handle_claim_all(REMOVAL); handle_unref()
    :: else
    fi
}

#if REMOVER
proctype Remover()
{
    MINE;
    byte w; byte o; byte wins[N]; bit go;

#if MUTANT == 31 /* what is in flight is claimed before the reader is marked */
    sweep();
#endif
    /* mark_removed */
#if MUTANT == 27 /* sealed before anybody is told */
    pins++;
    ending_seal();
    removed = 1;
#elif MUTANT == 28 /* not sealed */
    d_step { removed = 1; pins++ };
    sealed = 1;
    cell = SHADOW;
#else
    d_step { removed = 1; pins++ };
    ending_seal();
#endif
#if MUTANT != 31
    sweep();
#endif
    swept = 1;
    /* take_away: the driver is told; two pins */
    d_step { unpin() };
    d_step { unpin() }
}
#endif

/* ---- asking: query.c ------------------------------------------------------------------------------------------- */

/* On a handle of its own, which keeps the reader pinned. */
#if QUERIES > 0
proctype Query()
{
    byte v; byte s; bit pointer; byte times = 0;

    do
    :: times < ASKS -> last_error(); times++
    :: else -> break
    od;
    atomic {
        asked++;
        if
        :: asked == QUERIES -> unpin()
        :: else
        fi
    }
}
#endif

/* ---- the host -------------------------------------------------------------------------------------------------- */

/* op.c work: a loop, however many operations end at once. */
#if WORKERS > 0
proctype Worker()
{
    MINE;
    byte o = NONE; byte next = NONE;

end:
    do
    :: work?o ->
       do
       :: o != NONE ->
          op_run(o, next);
          o = next;
          next = NONE;
          if
          :: o != NONE && own_thread(o) -> op_pass_on(o)
          :: else
          fi
       :: else -> break
       od
    od
}
#endif

/* deadline.c timer_fired: the time of what is in the heap passes, in any order. */
#if N == 1
#define ANY_DUE (op[0].due != 0)
#elif N == 2
#define ANY_DUE (op[0].due != 0 || op[1].due != 0)
#else
#define ANY_DUE (op[0].due != 0 || op[1].due != 0 || op[2].due != 0)
#endif
#if CLOCK
proctype Clock()
{
    MINE;
    byte o; byte when; byte w;

end:
    do
    :: atomic {
           ANY_DUE ->
           if
           :: op[0].due != 0 -> o = 0
#if N > 1
           :: op[1].due != 0 -> o = 1
#endif
#if N > 2
           :: op[2].due != 0 -> o = 2
#endif
           fi;
           when = op[o].due;
           op[o].due = 0
       };
       op_expired(o, when, w);
       o = 0;
       when = 0
    od
}
#endif

/* ---- the driver ------------------------------------------------------------------------------------------------ */

/* What it does with a request that it has pended, on whatever thread. */
#if DRIVER_PENDS || DRIVER_HOLDS || DRIVER_KEEPS
proctype Driver(byte me)
{
    MINE;

end:
    d_step { op[me].irp == PENDED || op[me].irp == CANCELLING -> op[me].irp = COMPLETING };
#if DRIVER_STORES
    if /* as Microsoft's page asks: the result first, then the completion */
    :: d_step { !tracking(me) -> ext = WORD + 1 + me; op[me].late = op[me].ended }
    :: true
    fi;
#endif
    completed(me)
}
#endif

/* ---- the end of it all ----------------------------------------------------------------------------------------- */

/* When nothing moves any more. */
active proctype End()
{
    byte o;
    bit kept;

    timeout ->
    d_step {
        o = 0;
        do
        :: o < N ->
           /* Each has ended, and its caller was told, or did not want to know. */
           assert(op[o].delivered + op[o].dropped == 1);
           assert(op[o].sequence > 0);
           assert(!op[o].promised || op[o].status == CANCEL);
           if
           :: op[o].irp == KEPT -> kept = 1; assert(op[o].refs == 1)
           :: else -> assert(op[o].refused || op[o].freed)
           fi;
           o++
        :: else -> break
        od;
        assert(closed && empty(done) && users == 0 && pending == 0 && hlock == 0 && elock == 0);
        if
        :: kept -> assert(!gone && !hfreed)
        :: else -> assert(has_turn == NONE && empty(line) && !holder && in_driver == NONE && hfreed && gone == REMOVER)
        fi
    }
}

init {
    atomic {
#if SYNC & 1
        run Caller(0);
#endif
#if SYNC & 2
        run Caller(1);
#endif
#if SYNC & 4
        run Caller(2);
#endif
#if EXCHANGE
        run Exchange();
#endif
#if OVERLAPPED
        run Submitter();
#endif
#if CANCELLER
        run Canceller();
#endif
#if REMOVER
        run Remover();
#endif
#if QUERIES > 0
        run Query();
#endif
#if QUERIES > 1
        run Query();
#endif
#if WORKERS > 0
        run Worker();
#endif
#if WORKERS > 1
        run Worker();
#endif
#if CLOCK
        run Clock();
#endif
#if DRIVER_PENDS || DRIVER_HOLDS || DRIVER_KEEPS
#if N > 1
        run Driver(1);
#endif
#if N > 2
        run Driver(2);
#endif
        run Driver(0);
#endif
        run Closer()
    }
}
