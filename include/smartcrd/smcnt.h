/* SPDX-License-Identifier: MIT */
/*
 * The part of the smart card driver library's interface that belongs to the NT kernel: OS_DEP_DATA, which the library
 * allocates for each reader and drivers use for locking and tracking (smclib.md 2.10). smclib.h includes this file.
 */
#ifndef SMARTCRD_SMCNT_H
#define SMARTCRD_SMCNT_H

#ifdef _WIN32
#include <wdm.h>
#else
#include <smartcrd/wdm.h>
#endif
#include <smartcrd/winsmcrd.h>

#define SMCLIB_NT 1

#ifdef POOL_TAGGING
#ifndef SMARTCARD_POOL_TAG
#define SMARTCARD_POOL_TAG 0x64726353 /* "Scrd" in memory; a driver may define its own before it includes this */
#endif
#ifdef ExAllocatePool
#undef ExAllocatePool
#endif
#define ExAllocatePool(a, b) ExAllocatePoolWithTag(a, b, SMARTCARD_POOL_TAG)
#endif

/*
 * DeviceObject     the driver's, which sets it after SmartcardInitialize
 * CurrentIrp       the operation that runs or is pended, NULL when there is none. Guarded by SpinLock. Set and cleared by
 *                  the library; a driver that pends an operation clears it (under SpinLock) before it completes the IRP,
 *                  which lets the library serve the next operation
 * NotificationIrp  the pended IS_PRESENT or IS_ABSENT. Guarded by SpinLock. Set by the library, taken by the driver
 *                  (exchanged with NULL before the IRP is completed)
 * Mutex            held by the library while one of the driver's callbacks runs, RDF_CARD_TRACKING excepted
 * SpinLock         guards CurrentIrp, NotificationIrp and ReaderCapabilities.CurrentState; for short accesses only.
 *                  The library takes it in every routine that changes the state or the card's capabilities, so it must
 *                  not be held when these are called
 * RemoveLock       SmartcardAcquireRemoveLock and its kin; private to them
 */
typedef struct _OS_DEP_DATA {
    PDEVICE_OBJECT DeviceObject;
    PIRP CurrentIrp;
    PIRP NotificationIrp;
    KMUTANT Mutex;
    KSPIN_LOCK SpinLock;
    struct {
        BOOLEAN Removed;
        LONG RefCount;
        KEVENT RemoveEvent;
        LIST_ENTRY TagList;
    } RemoveLock;
#ifdef DEBUG_INTERFACE
    PDEVICE_OBJECT DebugDeviceObject;
#endif
} OS_DEP_DATA, *POS_DEP_DATA;

#endif
