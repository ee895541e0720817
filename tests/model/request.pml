/* SPDX-License-Identifier: MIT */
/*
 * The life of a request in src/client as a model for spin: state.pml (what there is), lasterror.pml and steps.pml (the
 * functions), roles.pml (the threads). ./check runs it in many configurations, which the switches below choose; a mask
 * has a bit for each operation. docs/requests.md shows the states, the rules, and what the model leaves out.
 *
 *   N                 operations, 1 to 3
 *   SYNC              those that a caller each runs synchronously; OVERLAPPED: those that one caller submits, in order;
 *                     EXCHANGE: those that are one exchange
 *   TIMED, TRACKING   those with a deadline; those that do not wait for their turn
 *   NEVER_BLOCKS      the device's flag
 *   DRIVER_AT_ONCE, _PENDS, _HOLDS, _KEEPS
 *                     those that the driver may complete at once; pend and complete some time; complete only when they
 *                     are cancelled; never give back
 *   DRIVER_STORES     it may store results in LastError by itself
 *   CANCELLER         somebody cancels, REMOVER: removes, CLOSE_EARLY: closes the handle with requests in flight
 *   QUERIES, ASKS     threads that ask for the last error, and how often each does
 *   UNBOUND           the library has not shown its cell yet
 *   PARKS             sleeping on op.signal is looked at in detail
 *   FAILS             there may be no memory for the clock and no thread
 *   WORKERS           how many
 *   MUTANT            a mistake, by number: it must be found
 */
#ifndef N
#define N 2
#endif
#ifndef SYNC
#define SYNC 0
#endif
#ifndef OVERLAPPED
#define OVERLAPPED 0
#endif
#ifndef EXCHANGE
#define EXCHANGE 0
#endif
#ifndef TIMED
#define TIMED 0
#endif
#ifndef TRACKING
#define TRACKING 0
#endif
#ifndef NEVER_BLOCKS
#define NEVER_BLOCKS 0
#endif
#ifndef CANCELLER
#define CANCELLER 0
#endif
#ifndef CLOSE_EARLY
#define CLOSE_EARLY 0
#endif
#ifndef REMOVER
#define REMOVER 0
#endif
#ifndef QUERIES
#define QUERIES 0
#endif
#ifndef ASKS
#define ASKS 1
#endif
#ifndef UNBOUND
#define UNBOUND 0
#endif
#ifndef FAILS
#define FAILS 0
#endif
#ifndef PARKS
#define PARKS 0
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef DRIVER_AT_ONCE
#define DRIVER_AT_ONCE 7
#endif
#ifndef DRIVER_PENDS
#define DRIVER_PENDS 7
#endif
#ifndef DRIVER_HOLDS
#define DRIVER_HOLDS 0
#endif
#ifndef DRIVER_KEEPS
#define DRIVER_KEEPS 0
#endif
#ifndef DRIVER_STORES
#define DRIVER_STORES 0
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

/* Nobody's time can pass where nobody claims and nothing has a deadline. */
#define CLOCK (TIMED || CANCELLER || CLOSE_EARLY || REMOVER || FAILS)
#define CALLERS ((SYNC & 1) + (SYNC >> 1 & 1) + (SYNC >> 2 & 1) + (EXCHANGE != 0) + (OVERLAPPED != 0))

chan work = [N] of { byte };
unsigned asked : 2;

#include "state.pml"
#include "lasterror.pml"
#include "steps.pml"
#include "roles.pml"
