/* SPDX-License-Identifier: MIT */
/* The reader's timers, where the kernel's can be used as they are meant to be: not on Windows, see clock.c. */
#include "vreader.h"

static VOID set_timer(struct vreader_timer *Timer, ULONGLONG Us)
{
    LARGE_INTEGER due;

    due.QuadPart = -10 * (LONGLONG)(Us > 0 ? Us : 1);
    KeSetTimer(&Timer->Timer, due, &Timer->Dpc);
}

VOID vreader_timer_set(READER_EXTENSION *Reader, struct vreader_timer *Timer, ULONG Us)
{
    LARGE_INTEGER frequency;

    Timer->Due = (ULONGLONG)KeQueryPerformanceCounter(&frequency).QuadPart;
    Timer->Due += (ULONGLONG)Us * (ULONGLONG)frequency.QuadPart / 1000000u;
    Timer->Us = Us;
    Timer->Armed = TRUE;
    Reader->TimersUsed = TRUE;
    set_timer(Timer, Us);
}

VOID vreader_timer_stop(struct vreader_timer *Timer)
{
    if (Timer->Armed) {
        Timer->Armed = FALSE;
        (void)KeCancelTimer(&Timer->Timer);
    }
}

/*
 * Is it the setting's own firing? What KeSetTimer and KeCancelTimer return does not tell, because one DPC in the queue can
 * stand for two settings. The clock tells: what comes too early is of an earlier setting, and the timer is set for the rest.
 */
static BOOLEAN is_due(struct vreader_timer *Timer)
{
    LARGE_INTEGER frequency;
    ULONGLONG now;

    if (!Timer->Armed) {
        return FALSE;
    }
    now = (ULONGLONG)KeQueryPerformanceCounter(&frequency).QuadPart;
    if (now < Timer->Due) {
        set_timer(Timer, (Timer->Due - now) * 1000000u / (ULONGLONG)frequency.QuadPart + 1);
        return FALSE;
    }
    Timer->Armed = FALSE;
    return TRUE;
}

static VOID dpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    struct vreader_timer *timer = Context;
    READER_EXTENSION *reader = timer->Reader;
    KIRQL irql = vreader_enter(reader);

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    if (is_due(timer)) {
        timer->Fired(reader);
    }
    vreader_leave(reader, irql);
}

static VOID create(READER_EXTENSION *Reader, struct vreader_timer *Timer)
{
    Timer->Reader = Reader;
    KeInitializeTimer(&Timer->Timer);
    KeInitializeDpc(&Timer->Dpc, dpc, Timer);
}

NTSTATUS vreader_timers_create(READER_EXTENSION *Reader)
{
    create(Reader, &Reader->Wait);
    create(Reader, &Reader->Pace);
    create(Reader, &Reader->Line);
    return STATUS_SUCCESS;
}

VOID vreader_timers_delete(READER_EXTENSION *Reader)
{
    if (Reader->TimersUsed) {
        KeFlushQueuedDpcs();
    }
}
