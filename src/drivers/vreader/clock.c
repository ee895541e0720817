/* SPDX-License-Identifier: MIT */
/*
 * The reader's timers on Windows: a thread that sleeps until the next of them is due. The kernel's own timers are no
 * choice, because of Wine: its KeSetTimer and KeCancelTimer wait for the timer's DPC, holding a lock that this needs to
 * return (seen in Wine 8.0). So a timer that is set or stopped while it fires hangs everything for good; and that cannot
 * be ruled out, since a card may answer at the moment when the waiting time is over.
 */
#include "vreader.h"

#define NO_TIME ((ULONGLONG)-1)
#define NAP_S   60u /* the longest sleep: counters of some GHz count too far for the product below in longer times */

static ULONGLONG counter(ULONGLONG *Frequency)
{
    LARGE_INTEGER frequency;
    ULONGLONG now = (ULONGLONG)KeQueryPerformanceCounter(&frequency).QuadPart;

    *Frequency = (ULONGLONG)frequency.QuadPart;
    return now;
}

VOID vreader_timer_set(READER_EXTENSION *Reader, struct vreader_timer *Timer, ULONG Us)
{
    ULONGLONG frequency;

    Timer->Due = counter(&frequency);
    Timer->Due += Us * frequency / 1000000u + 1;
    Timer->Us = Us;
    Timer->Armed = TRUE;
    if (Timer->Due < Reader->Clock.WakesAt) {
        Reader->Clock.WakesAt = 0;
        KeSetEvent(&Reader->Clock.Changed, IO_NO_INCREMENT, FALSE);
    }
}

VOID vreader_timer_stop(struct vreader_timer *Timer)
{
    Timer->Armed = FALSE;
}

/* The timer that is due first; NULL: none is set. Lock held. */
static struct vreader_timer *first(READER_EXTENSION *Reader)
{
    struct vreader_timer *const timers[] = {&Reader->Wait, &Reader->Pace, &Reader->Line};
    struct vreader_timer *timer = NULL;
    ULONG i;

    for (i = 0; i < sizeof timers / sizeof timers[0]; i++) {
        if (timers[i]->Armed && (timer == NULL || timers[i]->Due < timer->Due)) {
            timer = timers[i];
        }
    }
    return timer;
}

/* Fire what is due, in the order of the times and not in that of a late look: an answer that came in time comes before
 * the end of the waiting time. Returns when the next one is due. Lock held. */
static ULONGLONG fire(READER_EXTENSION *Reader, ULONGLONG Now)
{
    struct vreader_timer *timer = first(Reader);

    while (timer != NULL && timer->Due <= Now) {
        timer->Armed = FALSE;
        timer->Fired(Reader);
        timer = first(Reader);
    }
    return timer != NULL ? timer->Due : NO_TIME;
}

/* How long to sleep, in units of 100 ns. */
static ULONGLONG units_until(ULONGLONG Next, ULONGLONG Now, ULONGLONG Frequency)
{
    ULONGLONG ticks = Next > Now ? Next - Now : 0;

    if (ticks > NAP_S * Frequency) {
        ticks = NAP_S * Frequency;
    }
    return ticks > 0 ? ticks * 10000000u / Frequency + 1 : 0;
}

static VOID run(PVOID Context)
{
    READER_EXTENSION *reader = Context;
    ULONGLONG frequency, now, next;
    LARGE_INTEGER timeout;
    KIRQL irql;

    for (;;) {
        irql = vreader_enter(reader);
        reader->Clock.WakesAt = 0; /* no need to be woken up */
        now = counter(&frequency);
        next = reader->Clock.Stop ? 0 : fire(reader, now);
        reader->Clock.WakesAt = next;
        vreader_leave(reader, irql);
        if (next == 0) {
            break;
        }
        now = counter(&frequency);
        timeout.QuadPart = -(LONGLONG)units_until(next, now, frequency);
        (void)KeWaitForSingleObject(&reader->Clock.Changed, Executive, KernelMode, FALSE,
                                    next == NO_TIME ? NULL : &timeout);
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

NTSTATUS vreader_timers_create(READER_EXTENSION *Reader)
{
    HANDLE handle;
    NTSTATUS status;

    KeInitializeEvent(&Reader->Clock.Changed, SynchronizationEvent, FALSE);
    status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, run, Reader);
    if (NT_SUCCESS(status)) {
        status = ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &Reader->Clock.Thread, NULL);
        ZwClose(handle);
    }
    return status;
}

VOID vreader_timers_delete(READER_EXTENSION *Reader)
{
    KIRQL irql;

    if (Reader->Clock.Thread == NULL) {
        return;
    }
    irql = vreader_enter(Reader);
    Reader->Clock.Stop = TRUE;
    KeSetEvent(&Reader->Clock.Changed, IO_NO_INCREMENT, FALSE);
    vreader_leave(Reader, irql);
    (void)KeWaitForSingleObject(Reader->Clock.Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Reader->Clock.Thread);
}
