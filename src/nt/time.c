/* SPDX-License-Identifier: MIT */
/*
 * Clocks and their units: the kernel counts 100 ns since 1601 (system time) or since the start (interrupt time), we
 * count nanoseconds of the monotonic clock, or of a host's simulated one.
 */
#include "internal.h"
#include "wait.h"
#include "verify/verify.h"

#include <time.h>

#define SECOND           1000000000U
#define UNITS_PER_SECOND 10000000           /* of 100 ns */
#define UNIX_EPOCH       116444736000000000 /* 1970-01-01 in the kernel's system time */
#define TICK             156250             /* 100 ns per clock tick, as on most Windows machines */
#define SIMULATED_EPOCH  132223104000000000 /* 2020-01-01: the system time at 0 of every simulated clock */

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

uint64_t nt_time(const struct nt_host *host)
{
    return host->simulated ? __atomic_load_n(&host->now, __ATOMIC_ACQUIRE) : nt_now();
}

/* The calling thread's time. */
static uint64_t time_here(void)
{
    return host_cpu.Host != NULL ? nt_time(host_cpu.Host) : nt_now();
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

/* The kernel's system time by a host's clock, or the real one. */
static LONGLONG system_time(const struct nt_host *host)
{
    if (host != NULL && host->simulated) {
        return (LONGLONG)(nt_time(host) / 100) + SIMULATED_EPOCH;
    }
    return (LONGLONG)(clock_ns(CLOCK_REALTIME) / 100) + UNIX_EPOCH;
}

uint64_t nt_due(struct nt_host *host, LONGLONG timeout)
{
    uint64_t now = host != NULL ? nt_time(host) : nt_now();
    uint64_t units;

    if (timeout < 0) {
        units = (uint64_t) - (timeout + 1) + 1; /* INT64_MIN has no positive counterpart */
    } else {
        LONGLONG system = system_time(host);

        units = timeout > system ? (uint64_t)(timeout - system) : 0;
    }
    /* Beyond the year 2200 is for ever; UINT64_MAX itself means no limit. */
    return units > (INT64_MAX - now) / 100 ? UINT64_MAX - 1 : now + units * 100;
}

VOID KeQuerySystemTime(PLARGE_INTEGER CurrentTime)
{
    CurrentTime->QuadPart = system_time(host_cpu.Host);
}

ULONGLONG KeQueryInterruptTime(void)
{
    return time_here() / 100;
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
    return (LARGE_INTEGER){.QuadPart = (LONGLONG)time_here()};
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
    struct nt_host *simulated = simulated_here();
    uint64_t due = nt_due(simulated, Interval->QuadPart);
    struct timespec until = nt_timespec(due);

    VERIFY_CALLED();
    if (KeGetCurrentIrql() > APC_LEVEL && host_cpu.Frame == NULL) {
        host_fail(__func__, "called at IRQL %d; a wait needs PASSIVE_LEVEL", KeGetCurrentIrql());
    }
    if (simulated != NULL) {
        while (simulate_sleep(simulated, parker_get(), due)) {
        }
        return STATUS_SUCCESS;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
    }
    return STATUS_SUCCESS;
}

VOID KeStallExecutionProcessor(ULONG MicroSeconds)
{
    uint64_t until = nt_now() + (uint64_t)MicroSeconds * 1000;
    struct nt_host *simulated = simulated_here();

    if (simulated != NULL) {
        simulate_stall(simulated, (uint64_t)MicroSeconds * 1000);
        return;
    }
    while (nt_now() < until) {
    }
}
