/* SPDX-License-Identifier: MIT */
/*
 * Clocks and their units: the kernel counts 100 ns since 1601 (system time) or since the start (interrupt time), we
 * count nanoseconds of the monotonic clock.
 */
#include "internal.h"
#include "wait.h"

#include <time.h>

#define SECOND           1000000000U
#define UNITS_PER_SECOND 10000000           /* of 100 ns */
#define UNIX_EPOCH       116444736000000000 /* 1970-01-01 in the kernel's system time */
#define TICK             156250             /* 100 ns per clock tick, as on most Windows machines */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

uint64_t nt_now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

struct timespec nt_timespec(uint64_t nanoseconds)
{
    return (struct timespec){.tv_sec = (time_t)(nanoseconds / SECOND), .tv_nsec = (long)(nanoseconds % SECOND)};
}

bool nt_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    bool done;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    done = pthread_cond_init(cond, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return done;
}

uint64_t nt_due(LONGLONG timeout)
{
    uint64_t now = nt_now();
    uint64_t units;

    if (timeout < 0) {
        units = (uint64_t) - (timeout + 1) + 1; /* INT64_MIN has no positive counterpart */
    } else {
        LARGE_INTEGER system;

        KeQuerySystemTime(&system);
        units = timeout > system.QuadPart ? (uint64_t)(timeout - system.QuadPart) : 0;
    }
    /* Beyond the year 2200 is for ever; UINT64_MAX itself means no limit. */
    return units > (INT64_MAX - now) / 100 ? UINT64_MAX - 1 : now + units * 100;
}

VOID KeQuerySystemTime(PLARGE_INTEGER CurrentTime)
{
    CurrentTime->QuadPart = (LONGLONG)(clock_ns(CLOCK_REALTIME) / 100) + UNIX_EPOCH;
}

ULONGLONG KeQueryInterruptTime(void)
{
    return nt_now() / 100;
}

ULONG KeQueryTimeIncrement(void)
{
    return TICK;
}

VOID KeQueryTickCount(PLARGE_INTEGER CurrentCount)
{
    CurrentCount->QuadPart = (LONGLONG)(KeQueryInterruptTime() / TICK);
}

LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER PerformanceFrequency)
{
    if (PerformanceFrequency != NULL) {
        PerformanceFrequency->QuadPart = SECOND;
    }
    return (LARGE_INTEGER){.QuadPart = (LONGLONG)nt_now()};
}

VOID ExSystemTimeToLocalTime(PLARGE_INTEGER SystemTime, PLARGE_INTEGER LocalTime)
{
    time_t seconds = (time_t)((SystemTime->QuadPart - UNIX_EPOCH) / UNITS_PER_SECOND);
    struct tm local = {0};

    localtime_r(&seconds, &local);
    LocalTime->QuadPart = SystemTime->QuadPart + (LONGLONG)local.tm_gmtoff * UNITS_PER_SECOND;
}

VOID RtlTimeToTimeFields(PLARGE_INTEGER Time, PTIME_FIELDS TimeFields)
{
    time_t seconds = (time_t)((Time->QuadPart - UNIX_EPOCH) / UNITS_PER_SECOND);
    struct tm utc = {0};

    gmtime_r(&seconds, &utc);
    *TimeFields = (TIME_FIELDS){
        .Year = (CSHORT)(utc.tm_year + 1900),
        .Month = (CSHORT)(utc.tm_mon + 1),
        .Day = (CSHORT)utc.tm_mday,
        .Hour = (CSHORT)utc.tm_hour,
        .Minute = (CSHORT)utc.tm_min,
        .Second = (CSHORT)utc.tm_sec,
        .Milliseconds = (CSHORT)(Time->QuadPart % UNITS_PER_SECOND / 10000),
        .Weekday = (CSHORT)utc.tm_wday,
    };
}

NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE WaitMode, BOOLEAN Alertable, PLARGE_INTEGER Interval)
{
    struct timespec until = nt_timespec(nt_due(Interval->QuadPart));

    if (KeGetCurrentIrql() > APC_LEVEL) {
        host_fail(__func__, "called at IRQL %d; a wait needs PASSIVE_LEVEL", KeGetCurrentIrql());
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
    }
    return STATUS_SUCCESS;
}

VOID KeStallExecutionProcessor(ULONG MicroSeconds)
{
    uint64_t until = nt_now() + (uint64_t)MicroSeconds * 1000;

    while (nt_now() < until) {
    }
}
