/* SPDX-License-Identifier: MIT */
/*
 * host.h's functions: they hand what the library and the drivers say about a request to the client that watches it.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>

#define STEP_MAX 96 /* with its NUL */

BOOLEAN host_records_last_error(PIRP Irp, volatile ULONG *Cell)
{
    const struct nt_observer *observer = Irp->HostObserver;

    if (observer == NULL || observer->records_last_error == NULL) {
        return FALSE;
    }
    return observer->records_last_error(Irp->HostContext, Cell);
}

void host_step(PIRP Irp, enum host_layer Layer, const char *Format, ...)
{
    const struct nt_observer *observer = Irp != NULL ? Irp->HostObserver : NULL;
    char words[STEP_MAX];
    va_list arguments;

    if (observer == NULL || observer->step == NULL) {
        return;
    }
    va_start(arguments, Format);
    vsnprintf(words, sizeof(words), Format, arguments);
    va_end(arguments);
    observer->step(Irp->HostContext, Layer, words);
}

void host_count(PIRP Irp, ULONG Retransmissions, ULONG WaitingTimeExtensions)
{
    const struct nt_observer *observer = Irp != NULL ? Irp->HostObserver : NULL;

    if (observer != NULL && observer->count != NULL) {
        observer->count(Irp->HostContext, Retransmissions, WaitingTimeExtensions);
    }
}
