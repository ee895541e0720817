/* SPDX-License-Identifier: MIT */
/* What the tests of the host's simulated time share: a host with such a clock, and DPCs that leave a note. */
#ifndef NT_SIMULATED_KIT_H
#define NT_SIMULATED_KIT_H

#include "nt_helper.h"

#include <pthread.h>

#define START  1000000000U
#define SECOND 1000000000ULL

static int simulated_up(void **state)
{
    int result = host_up(state);

    nt_host_simulate(*state);
    return result;
}

#define with_simulated(test) cmocka_unit_test_setup_teardown(test, simulated_up, host_down)

/* What a timer's DPC leaves behind. */
struct note {
    KTIMER timer;
    KDPC dpc;
    struct nt_host *host;
    LONG count; /* atomic */
    uint64_t when;
    char *order, letter;
    pthread_t thread;
    KIRQL irql;
    LONGLONG again_ms; /* sets the timer anew, so long as it is not 0 */
};

static void note_it(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    struct note *note = context;

    (void)dpc;
    (void)argument1;
    (void)argument2;
    note->when = nt_time(note->host);
    note->thread = pthread_self();
    note->irql = KeGetCurrentIrql();
    if (note->order != NULL) {
        char letter[2] = {note->letter, 0};
        strcat(note->order, letter);
    }
    InterlockedIncrement(&note->count);
    if (note->again_ms != 0) {
        KeSetTimer(&note->timer, milliseconds(note->again_ms), &note->dpc);
    }
}

__attribute__((unused)) static void note_init(struct note *note, struct nt_host *host)
{
    memset(note, 0, sizeof(*note));
    note->host = host;
    KeInitializeTimer(&note->timer);
    KeInitializeDpc(&note->dpc, note_it, note);
}

#endif
