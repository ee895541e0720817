/* SPDX-License-Identifier: MIT */
/*
 * At which IRQL the routines of wdm.h may be called: the pages of Microsoft's documentation, one row for each. Routines
 * for which any IRQL will do, and those that are inline, are not in the table.
 */
#include "verify.h"

#include <stdlib.h>
#include <string.h>

struct routine {
    const char *name;
    KIRQL least, most;
};

#define PASSIVE  PASSIVE_LEVEL, PASSIVE_LEVEL
#define APC      PASSIVE_LEVEL, APC_LEVEL
#define DISPATCH PASSIVE_LEVEL, DISPATCH_LEVEL

/* In strcmp's order. */
static const struct routine routines[] = {
    {"ExAcquireFastMutex", APC},
    {"ExAllocatePool2", DISPATCH},
    {"ExAllocatePoolWithTag", DISPATCH},
    {"ExAllocatePoolZero", DISPATCH},
    {"ExFreePoolWithTag", DISPATCH},
    {"ExReleaseFastMutex", APC_LEVEL, APC_LEVEL},
    {"ExTryToAcquireFastMutex", APC},
    {"IoAcquireCancelSpinLock", DISPATCH},
    {"IoAcquireRemoveLockEx", DISPATCH},
    {"IoAllocateErrorLogEntry", DISPATCH},
    {"IoAllocateIrp", DISPATCH},
    {"IoAllocateWorkItem", DISPATCH},
    {"IoAttachDeviceToDeviceStack", PASSIVE},
    {"IoCancelIrp", DISPATCH},
    {"IoCreateDevice", APC},
    {"IoCreateSymbolicLink", PASSIVE},
    {"IoCreateUnprotectedSymbolicLink", PASSIVE},
    {"IoDeleteDevice", APC},
    {"IoDeleteSymbolicLink", PASSIVE},
    {"IoDetachDevice", PASSIVE},
    {"IoFreeErrorLogEntry", DISPATCH},
    {"IoFreeIrp", DISPATCH},
    {"IoFreeWorkItem", DISPATCH},
    {"IoGetAttachedDeviceReference", DISPATCH},
    {"IoInvalidateDeviceState", DISPATCH},
    {"IoQueueWorkItem", DISPATCH},
    {"IoRegisterDeviceInterface", PASSIVE},
    {"IoReleaseCancelSpinLock", DISPATCH_LEVEL, DISPATCH_LEVEL},
    {"IoReleaseRemoveLockAndWaitEx", PASSIVE},
    {"IoReleaseRemoveLockEx", DISPATCH},
    {"IoSetDeviceInterfaceState", PASSIVE},
    {"IoWriteErrorLogEntry", DISPATCH},
    {"KeAcquireSpinLockAtDpcLevel", DISPATCH_LEVEL, HIGH_LEVEL},
    {"KeAcquireSpinLockRaiseToDpc", DISPATCH},
    {"KeCancelTimer", DISPATCH},
    {"KeClearEvent", DISPATCH},
    {"KeDelayExecutionThread", APC},
    {"KeFlushQueuedDpcs", PASSIVE},
    {"KeReadStateEvent", DISPATCH},
    {"KeReadStateMutex", DISPATCH},
    {"KeReadStateSemaphore", DISPATCH},
    {"KeReadStateTimer", DISPATCH},
    {"KeReleaseMutex", DISPATCH},
    {"KeReleaseSemaphore", DISPATCH},
    {"KeReleaseSpinLock", DISPATCH_LEVEL, DISPATCH_LEVEL},
    {"KeReleaseSpinLockFromDpcLevel", DISPATCH_LEVEL, HIGH_LEVEL},
    {"KeResetEvent", DISPATCH},
    {"KeSetEvent", DISPATCH},
    {"KeSetTimerEx", DISPATCH},
    {"ObDereferenceObject", DISPATCH},
    {"ObReferenceObjectByHandle", PASSIVE},
    {"PsCreateSystemThread", PASSIVE},
    {"PsTerminateSystemThread", PASSIVE},
    {"RtlAnsiStringToUnicodeString", PASSIVE},
    {"RtlCompareUnicodeString", PASSIVE},
    {"RtlEqualUnicodeString", PASSIVE},
    {"RtlFreeAnsiString", PASSIVE},
    {"RtlFreeUnicodeString", PASSIVE},
    {"RtlIntegerToUnicodeString", PASSIVE},
    {"RtlUnicodeStringToAnsiString", PASSIVE},
    {"RtlUnicodeStringToInteger", PASSIVE},
    {"ZwClose", PASSIVE},
};

static int by_name(const void *key, const void *row)
{
    return strcmp(key, ((const struct routine *)row)->name);
}

void verify_called(const char *function)
{
    const struct routine *routine =
        bsearch(function, routines, sizeof(routines) / sizeof(routines[0]), sizeof(routines[0]), by_name);
    KIRQL irql = host_cpu.Irql;

    if (routine == NULL || (irql >= routine->least && irql <= routine->most)) {
        return;
    }
    verify_report(VERIFY_IRQL, "%s was called at IRQL %d, %s %d is allowed", function, irql,
                  irql > routine->most ? "at most" : "at least", irql > routine->most ? routine->most : routine->least);
}
