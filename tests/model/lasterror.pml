/* SPDX-License-Identifier: MIT */
/*
 * The last error (src/client/lasterror.c, query.c): one inline for each function, with the same names (steps.pml says what a d_step
 * is). An answer is the number of an operation here, so that its age can be judged.
 */

/* ---- the last error: lasterror.c ------------------------------------------------------------------------------- */

#define cell_read() (cell == EXT -> ext : shadow)
inline cell_store(value) {
    known = value;
    if
    :: cell == EXT -> ext = known
    :: else -> shadow = known
    fi
}

/* ending_record, driver_stored: the driver's own word is left only when it is about this very end. In a step whose
 * guard is end_free(). */
#define end_free() (elock == 0)
inline ending_record(o) {
    assert(op[o].sequence == 0);
    sequence++;
    op[o].sequence = sequence;
    op[o].status = op[o].claim;
    if
#if MUTANT == 22 /* whatever stands there is taken for the driver's word */
    :: op[o].claim == 0 && op[o].pended && !tracking(o) -> known = cell_read()
#else
    :: op[o].claim == 0 && op[o].pended && !tracking(o) && cell_read() != known ->
       assert(cell_read() == WORD + 1 + o);
       known = cell_read()
#endif
#if MUTANT == 1 /* the value is stored when the end can be seen */
    :: else -> known = 1 + o
#else
    :: else -> cell_store(1 + o)
#endif
    fi
}

/* ending_refuse: what never became an operation ends all the same. */
inline ending_refuse(o) {
    d_step {
        end_free() ->
        sequence++;
        op[o].sequence = sequence;
        op[o].status = REMOVAL;
        cell_store(1 + o);
        op[o].refused = 1;
        op[o].delivered = 1;
        seen = sequence
    }
}

inline ending_late(o) {
    d_step {
        end_free() ->
        alive(o);
#if MUTANT != 21 /* the late word of the driver stays */
        if
        :: cell_read() != known -> cell_store(known)
        :: else
        fi;
#endif
        op[o].late = 0
    }
}

/* ending_seal */
inline ending_seal() {
    d_step { end_free() -> elock = 1 };
    sealed = 1;
#if MUTANT == 12 /* the pointer before the value */
    cell = SHADOW;
    shadow = known;
#else
    shadow = known;
    cell = SHADOW;
#endif
    elock = 0
}

/* cell_bind: the library shows its cell */
inline cell_bind() {
    d_step { end_free() -> elock = 1 };
    if
    :: !sealed && cell != EXT ->
#if MUTANT == 13 /* the pointer before the value */
       cell = EXT;
       if
       :: sequence > 0 -> ext = known
       :: else -> known = ext
       fi
#else
       if
       :: sequence > 0 -> ext = known
       :: else -> known = ext
       fi;
       cell = EXT
#endif
    :: else
    fi;
    elock = 0
}

/* query.c query_run, smartcrd_last_error. What was seen before the question must not be younger than the answer. */
inline last_error() {
    s = seen;
    if
    :: removed -> /* ask_nobody: ending_last */
       pointer = cell;
       d_step { v = (pointer == EXT -> ext : shadow); judge(v, s) }
    :: else -> /* through the driver and the library: records_last_error */
       assert(!gone);
       if
       :: cell != EXT -> cell_bind()
       :: else
       fi;
       d_step { v = ext; judge(v, s) }
    fi
}
/* A word of the driver's about something that has ended and been told otherwise may stand there between its store and
 * its completion (`late`); nothing of the host's can prevent that. */
inline judge(v, s) {
    if
    :: v == 0 -> assert(s == 0)
    :: v > WORD ->
       assert(op[v - WORD - 1].late || op[v - WORD - 1].sequence == 0 ||
              (op[v - WORD - 1].status == 0 && op[v - WORD - 1].sequence >= s))
    :: v > 0 && v < WORD -> assert(op[v - 1].sequence >= s)
    fi;
    v = 0;
    s = 0
}
