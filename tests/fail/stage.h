/* SPDX-License-Identifier: MIT */
/*
 * What a scenario is made of. It is run again and again, each time with another call of the stack failing (fail.h), and
 * says of each step how it ends when nothing fails. A step may end in STATUS_INSUFFICIENT_RESOURCES instead while calls
 * fail, and in nothing else. Then the calls succeed again, and the same step must do as if nothing had been; or, in the
 * last of the three manners, they go on failing, the scenario ends there, and its end must need nothing.
 */
#ifndef TESTS_FAIL_STAGE_H
#define TESTS_FAIL_STAGE_H

#include <smartcrd/smartcrd.h>
#include <smartcrd/vreader.h>

#include "../../src/nt/nt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum manner {
    ONE_CALL,   /* one call fails */
    UNTIL_SEEN, /* it and all after it, until a step is refused */
    TO_THE_END  /* it and all after it */
};

struct stage {
    enum manner manner;
    bool over; /* a step was refused, and nothing shall be tried any more */
    struct smartcrd *context;
    struct smartcrd_handle *reader, *panel;
    char name[SMARTCRD_NAME_MAX];
    uint8_t reply[4096];
    size_t size; /* of what is in reply */
};

struct scenario {
    const char *name;
    void (*run)(struct stage *stage); /* between the two: everything is up to it */
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* Say what is wrong, and where; the run counts as failed. */
void stage_wrong(struct stage *stage, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether a step that ended so is to be tried again. false: it is as it should be, or that was reported, or all is over. */
bool stage_again(struct stage *stage, const char *file, int line, const char *step, NTSTATUS status, NTSTATUS expected);

/* From here on calls succeed and are not counted, or fail again as before. For what only repeats itself. */
void stage_spare(bool spare);

/* Whether any call has failed by now: what is refused then is refused for a reason. */
bool stage_has_failed(void);

/* One step. Evaluated twice when it was refused. Leaves the function when the scenario is over. */
#define STEP(stage, call, expected)                                                                                    \
    do {                                                                                                               \
        while (stage_again(stage, __FILE__, __LINE__, #call, (call), expected)) {                                      \
        }                                                                                                              \
        if ((stage)->over)                                                                                             \
            return;                                                                                                    \
    } while (0)

/* What must hold, whatever fails. */
#define MUST(stage, condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            stage_wrong(stage, __FILE__, __LINE__, "%s", #condition);                                                  \
    } while (0)

/* The driver of driver.c; a reader of its. */
NTSTATUS blocking_driver(struct _DRIVER_OBJECT *driver, struct _UNICODE_STRING *path);

/* Whether BLOCKING_HOLD blocks. */
void blocking_hold(bool hold);

#define BLOCKING_SLEEP  SCARD_CTL_CODE(2060) /* input: a ULONG, milliseconds; blocks so long */
#define BLOCKING_HOLD   SCARD_CTL_CODE(2066) /* blocks while blocking_hold says so */
#define BLOCKING_THREAD SCARD_CTL_CODE(2061) /* a system thread ends the request */
#define BLOCKING_ITEM   SCARD_CTL_CODE(2062) /* a work item ends it */
#define BLOCKING_ITEMS  SCARD_CTL_CODE(2065) /* a work item ends it, once a second one has run meanwhile */
#define BLOCKING_TIMERS SCARD_CTL_CODE(2063) /* the last of 200 timers ends it */
#define BLOCKING_LOG    SCARD_CTL_CODE(2064) /* writes to the system's log */

#endif
