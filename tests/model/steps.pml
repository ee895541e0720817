/* SPDX-License-Identifier: MIT */
/*
 * The functions of src/client that move a request, one inline for each, with the same names. A `d_step` is what nobody
 * can look into: one atomic operation, or a section under a lock that touches nothing but what the lock guards and at
 * most one thing besides. Sections that others can look into take their lock as a step of its own. Threads: roles.pml.
 * Only what carries a rule is here: no bytes, no journal texts, no memory but references.
 */

/* ---- locks and sleep ------------------------------------------------------------------------------------------- */

/* A section under handle.lock is one step and begins with this; only handle_claim_all stays in it for several. */
#define handle_free() (hlock == 0 && !hfreed)
inline lock_handle() { d_step { handle_free() -> hlock = 1 } }
inline unlock_handle() { hlock = 0 }

/* complete.c handle_touch, lock held. Who sleeps compares the number, so that a change is never missed (park.c). */
inline handle_touch() {
    if
    :: sleepers > 0 -> hsignal++
    :: else
    fi
}

#if PARKS
/* op.c signal_caller, park.c park_wake. After the first step the operation may be gone: only its address is used. */
inline signal_caller(o, what) {
    d_step { alive(o); asleep = (op[o].signal & SLEEP) != 0; op[o].signal = op[o].signal | what };
    if
    :: asleep -> asleep = 0; op[o].parked = 0
    :: else
    fi
}
/* control.c wait_for_signal, park.c park_wait */
inline wait_for_signal(o, bits) {
    do
    :: d_step { alive(o); got = op[o].signal };
       if
       :: (got & (bits)) != 0 -> break
#if MUTANT == 23 /* it goes to sleep without another look at the word */
       :: else -> op[o].signal = op[o].signal | SLEEP; op[o].parked = 1; op[o].parked == 0
#else
       :: (got & (bits)) == 0 && (got & SLEEP) == 0 -> op[o].signal = op[o].signal | SLEEP
       :: (got & (bits)) == 0 && (got & SLEEP) != 0 ->
          d_step {
              if
              :: op[o].signal == got -> op[o].parked = 1
              :: else
              fi
          };
          op[o].parked == 0
#endif
       fi
    od
}
#else
inline signal_caller(o, what) { d_step { alive(o); op[o].signal = op[o].signal | what } }
inline wait_for_signal(o, bits) { d_step { (op[o].signal & (bits)) != 0 -> alive(o); got = op[o].signal } }
#endif

/* ---- references ------------------------------------------------------------------------------------------------ */

/* handle.c handle_unref, close_file; reader.c reader_unpin: what the last one does is done by nobody else. */
inline handle_unref() {
    d_step {
        assert(hrefs > 0 && !hfreed);
        hrefs--;
        if
        :: hrefs == 0 -> hfreed = 1; assert(closed); unpin()
        :: else
        fi
    }
}
inline unpin() {
    assert(pins > 0);
    pins--;
    if
    :: pins == 0 -> gone = 1
    :: else
    fi
}

/* op.c op_unref */
inline op_unref(o) {
    d_step {
        alive(o);
        assert(op[o].refs > 0);
        op[o].refs--;
        if
        :: op[o].refs == 0 ->
           op[o].freed = 1;
           assert(op[o].due == 0 && !op[o].in_table && in_driver != o);
           assert(hrefs > 0 && !hfreed);
           hrefs--;
           if
           :: hrefs == 0 -> hfreed = 1; assert(closed); unpin()
           :: else
           fi
        :: else
        fi
    }
}

/* ---- the clock: deadline.c ------------------------------------------------------------------------------------- */

/* deadline_set; is_too_late: what is claimed has its clock set by the claimer alone. */
inline deadline_set(o, when, ok) {
    if
    :: d_step {
           alive(o);
           ok = 1;
           if
           :: op[o].ended || (when == DUE_DEADLINE && op[o].claim != 0)
           :: else ->
              if
              :: op[o].due == 0 -> op[o].refs++
              :: else
              fi;
              op[o].due = when
           fi
       }
#if FAILS
    :: ok = 0 /* no memory */
#endif
    fi
}

inline deadline_drop(o) {
    d_step {
        alive(o);
        drop = op[o].due != 0;
#if MUTANT == 16 /* what has ended stays in the heap, but gives the reference back */
        skip
#else
        op[o].due = 0
#endif
    };
    if
    :: drop ->
       drop = 0;
#if MUTANT != 17 /* the heap's reference is kept */
       op_unref(o)
#endif
    :: else
    fi
}

/* ---- whose turn it is: queue.c --------------------------------------------------------------------------------- */

/* take_first, queue_lock held */
inline take_first(heir) {
    if
    :: line?heir; has_turn = heir; holder = holder | in(EXCHANGE, heir)
    :: empty(line) -> has_turn = NONE; heir = NONE
    fi
}

inline queue_enter(o, turn) {
    d_step {
        alive(o);
        turn = 0;
#if MUTANT == 9 /* a claimed one gets in */
        claimed = 0;
#else
        claimed = op[o].claim != 0;
#endif
        if
        :: claimed
        :: else ->
           places++;
           op[o].place = places;
           if
           :: has_turn == NONE && (holder -> in(EXCHANGE, o) : len(line) == 0) ->
              has_turn = o;
              holder = holder | in(EXCHANGE, o);
              turn = 1
#if MUTANT == 20 /* in front of the others */
           :: else -> in_front(o)
#else
           :: else ->
              if
              :: holder && in(EXCHANGE, o) -> in_front(o)
              :: else -> line!o
              fi
#endif
           fi
        fi
    };
    if
    :: claimed -> op_unref(o)
    :: else
    fi;
    claimed = 0
}
/* link_op(in_front) */
inline in_front(o) {
    n = len(line);
    line!o;
    do
    :: n > 0 -> line?x; line!x; n--
    :: else -> break
    od;
    x = 0
}

inline queue_leave(o, was) {
    d_step {
        alive(o);
        if
        :: line??[eval(o)] -> line??eval(o); was = 1
        :: else -> was = 0
        fi
    }
}

inline queue_next(o, heir) {
    d_step {
        alive(o);
        assert(has_turn == o);
        has_turn = NONE;
        heir = NONE;
        n = NONE;
        if
        :: nempty(line) -> line?<n>
        :: empty(line)
        fi;
        if
#if MUTANT == 25 /* others may come between the requests of an exchange */
        :: true -> take_first(heir)
#else
        :: !holder || (n != NONE && in(EXCHANGE, n)) -> take_first(heir)
        :: else
#endif
        fi;
        n = 0
    }
}

inline queue_release(heir) {
    d_step {
        heir = NONE;
        holder = 0;
        if
        :: has_turn == NONE -> take_first(heir)
        :: else
        fi
    }
}

/* ---- claims: op.c ---------------------------------------------------------------------------------------------- */

#define won_of(o) \
    (op[o].phase != RETURNED && op[o].claim == 0 && !op[o].ended \
        -> (op[o].phase == WAITING -> WON_WAITING : WON_RUNNING) \
        : (op[o].claim != 0 && !op[o].ended && op[o].phase == RUNNING -> CLAIMED_RUNNING : LOST))
#define won(w) (w == WON_WAITING || w == WON_RUNNING)

inline op_claim(o, what, w) {
#if MUTANT == 2 /* looks, and then writes */
    d_step { alive(o); w = won_of(o) };
    if
    :: won(w) -> op[o].claim = what
    :: else
    fi
#else
    d_step {
        alive(o);
        w = won_of(o);
        if
        :: won(w) -> op[o].claim = what
        :: else
        fi
    }
#endif
}

/* What a claim leads to; by whoever won it, holding no lock. */
inline op_claimed(o, w) {
    if
    :: w == WON_WAITING ->
       must = 1;
#if MUTANT != 6 /* it ends first and leaves the line then */
       if
       :: tracking(o)
       :: else -> queue_leave(o, was_queued)
       fi
#endif
    :: w == WON_RUNNING ->
       d_step { alive(o); op[o].abandon_at = 1 };
#if MUTANT == 8 /* nobody looks whether the driver lets go */
       must = 0;
#else
       deadline_set(o, DUE_ABANDON, clock_set);
       must = !clock_set;
#endif
#if MUTANT != 7 /* the driver is not asked to let go */
       IoCancelIrp(o)
#endif
    fi;
    clock_set = 0;
    if
    :: must -> op_finish(o, mine)
    :: else
    fi;
#if MUTANT == 6
    if
    :: w == WON_WAITING && !tracking(o) -> queue_leave(o, was_queued)
    :: else
    fi;
#endif
    must = 0;
    mine = 0;
#if MUTANT != 4 /* the runner's reference stays with what will never run */
    if
    :: was_queued -> op_unref(o)
    :: else
    fi;
#endif
    was_queued = 0
}

/* src/nt/irp.c IoCancelIrp: the cancel routine runs with the driver (roles.pml), not on the claimer's thread: more
 * orders than in the host, and no lock of the client is held. */
inline IoCancelIrp(o) {
    d_step {
        alive(o);
        op[o].irp_cancel = 1;
        if
        :: op[o].irp == HELD || op[o].irp == PENDED -> op[o].irp = CANCELLING
        :: else
        fi
    }
}

/* op_expired: the clock, with the heap's reference. */
inline op_expired(o, when, w) {
    op_claim(o, DEADLINE, w);
    if
    :: won(w) -> op_claimed(o, w)
    :: w == CLAIMED_RUNNING ->
       if
#if MUTANT == 32 /* it looks again and again until the driver lets go */
       :: d_step { op[o].abandon_at && !op[o].ended -> op[o].due = when; op[o].refs++ }
#else
       :: op[o].abandon_at -> op_finish(o, mine) /* the time has passed, or may have */
#endif
       :: when != DUE_ABANDON || !op[o].abandon_at
       fi
    :: else
    fi;
    mine = 0;
    w = LOST;
    op_unref(o)
}

/* ---- the end: op.c --------------------------------------------------------------------------------------------- */

inline op_finish(o, mine) {
#if MUTANT == 3 /* looks, and then writes */
    d_step { alive(o); mine = !op[o].ended; drop = mine && (op[o].claim != 0 || timed(o)) };
    op[o].ended = 1;
#else
    d_step { alive(o); mine = !op[o].ended; drop = mine && (op[o].claim != 0 || timed(o)); op[o].ended = 1 };
#endif
    if
    :: drop -> deadline_drop(o)
    :: else
    fi;
    if
    :: mine ->
       if
       :: passes -> /* the driver has let go: the turn goes on between the store and the news */
          d_step { handle_free() && end_free() -> hlock = 1; ending_record(o) };
          queue_next(o, after);
          d_step { publish(o); unlock_handle() }
       :: else ->
          d_step { handle_free() && end_free() -> ending_record(o); publish(o) }
       fi;
#if MUTANT == 1
       d_step { end_free() -> cell_store(known) };
#endif
       if
       :: to_caller -> to_caller = 0; signal_caller(o, ENDED)
       :: else
       fi
    :: else
    fi
}
/* handle.lock held: each completion once, to where it is awaited, and none when the handle is closed. */
inline publish(o) {
    alive(o);
    assert(!op[o].finished);
    op[o].finished = 1;
    to_caller = !op[o].list;
    if
    :: op[o].list -> assert(!closed); pending--; done!o; handle_touch()
    :: else
    fi
}

/* complete.c table_remove, and op.c op_deliver: each completion is taken once, and is what was promised. What is read of the
 * operation afterwards is covered by the reference that op_unref gives back. */
inline op_deliver(o) {
    alive(o);
    assert(op[o].finished && op[o].in_table && !op[o].delivered);
    op[o].in_table = 0;
    assert(!op[o].promised || op[o].status == CANCEL);
    op[o].delivered = 1;
    if
    :: op[o].sequence > seen -> seen = op[o].sequence
    :: else
    fi
}

/* ---- with the driver: op.c ------------------------------------------------------------------------------------- */

inline let_go(o, heir) {
    heir = NONE;
    d_step {
        alive(o);
        assert(op[o].outstanding > 0);
        op[o].outstanding--;
        last = op[o].outstanding == 0;
#if MUTANT == 14 /* the turn goes on when the first of the two is over */
        n = op[o].outstanding;
#endif
        if
        :: last && in_driver == o -> in_driver = NONE
        :: else
        fi
    };
    if
#if MUTANT == 14
    :: n == 1 -> queue_next(o, heir)
    :: last -> op_unref(o)
#else
    :: last ->
       if
       :: tracking(o)
       :: else -> queue_next(o, heir)
       fi;
       op_unref(o)
#endif
    :: else
    fi;
    last = 0
}

/* op.c completed: the completion routine, on whatever thread the driver completes. `last`: the dispatch routine has
 * returned before, so that nobody else lets go. */
inline completed(o) {
    d_step { alive(o); assert(op[o].phase == RUNNING); op[o].phase = RETURNED; mine = !op[o].ended };
    d_step {
        alive(o);
        last = op[o].outstanding == 1;
        passes = last && mine && !tracking(o);
        if
        :: last && in_driver == o -> in_driver = NONE
        :: else
        fi
    };
    if
    :: mine -> op_finish(o, mine)
    :: else
    fi;
    passes = 0;
    if
    :: mine
    :: else -> ending_late(o)
    fi;
    if
    :: last && mine -> last = 0; op_unref(o)
    :: else -> let_go(o, after)
    fi;
    mine = 0;
    op_pass_on(after)
}

/* IoCallDriver and the dispatch routine: the driver may do one of these. */
inline IoCallDriver(o) {
    if
#if DRIVER_AT_ONCE
    :: in(DRIVER_AT_ONCE, o) -> completed(o)
#endif
#if DRIVER_PENDS
    :: d_step { in(DRIVER_PENDS, o) -> alive(o); op[o].pended = 1; op[o].irp = PENDED }
#endif
#if DRIVER_HOLDS
    :: d_step { in(DRIVER_HOLDS, o) -> alive(o); op[o].pended = 1; op[o].irp = (op[o].irp_cancel -> CANCELLING : HELD) }
#endif
#if DRIVER_KEEPS
    :: d_step { in(DRIVER_KEEPS, o) -> alive(o); op[o].pended = 1; op[o].irp = KEPT }
#endif
    fi
}

/* The driver has one at a time, in the order in which they got in line, and nothing new when the reader is gone. */
inline op_run(o, heir) {
    d_step {
        alive(o);
        assert(!gone);
#if MUTANT == 10 /* what is claimed is started all the same */
        may = op[o].phase == WAITING;
#else
        may = op[o].phase == WAITING && op[o].claim == 0 && !op[o].ended;
#endif
        if
        :: may ->
           op[o].phase = RUNNING;
           assert(!swept && op[o].claim == 0);
           if
           :: tracking(o)
           :: else ->
              assert(in_driver == NONE && has_turn == o);
              assert(!holder || in(EXCHANGE, o));
              in_driver = o;
              if
              :: in(EXCHANGE, o) /* goes in front of others */
              :: else -> assert(op[o].place > last_place); last_place = op[o].place
              fi
           fi
        :: else
        fi
    };
    if
    :: may ->
       may = 0;
       IoCallDriver(o);
       let_go(o, heir)
    :: else ->
       heir = NONE;
       if
       :: tracking(o)
       :: else -> queue_next(o, heir)
       fi;
       op_unref(o)
    fi
}

/* nt_work_queue: to the workers (roles.pml) */
inline op_pass_on(o) {
    do
    :: o == NONE -> break
    :: o != NONE && own_thread(o) -> signal_caller(o, TURN); o = NONE; break
    :: o != NONE && !own_thread(o) -> d_step { alive(o); work!o; o = NONE }; break
#if FAILS
    :: o != NONE && !own_thread(o) -> /* no thread */
       op_claim(o, NO_RESOURCES, pw);
       if
       :: won(pw) -> op_claimed(o, pw)
       :: else
       fi;
       pw = LOST;
       if
       :: tracking(o) -> behind = NONE
       :: else -> queue_next(o, behind)
       fi;
       op_unref(o);
       o = behind;
       behind = NONE
#endif
    od
}
