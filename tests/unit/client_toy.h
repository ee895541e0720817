/* SPDX-License-Identifier: MIT */
/*
 * A small reader driver for the client's tests, without the library: it does what the test says with each request, and
 * keeps count. Requests that it holds are let go by the test (toy_release).
 */
#ifndef CLIENT_TOY_H
#define CLIENT_TOY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <pthread.h>
#include <wchar.h>
#include <cmocka.h>

#include <smartcrd/smartcrd.h>
#include "../../src/nt/nt.h"

/* Input: two ULONGs, status and Information. Completed at once; the output is the input. */
#define TOY_RETURN SCARD_CTL_CODE(2048)
/* Pended, with a cancel routine, until toy_release. */
#define TOY_HOLD   SCARD_CTL_CODE(2049)
/* Pended, without a cancel routine, until toy_release. */
#define TOY_KEEP   SCARD_CTL_CODE(2050)
/* Input: milliseconds. The dispatch routine sleeps. */
#define TOY_SLEEP  SCARD_CTL_CODE(2051)
/* Input: milliseconds, status. Pended; completed from a DPC. */
#define TOY_LATER  SCARD_CTL_CODE(2052)
/* Input: two ULONGs. Completed with the first, the dispatch routine returns the second. */
#define TOY_DOUBLE SCARD_CTL_CODE(2053)
/* Input: status. Says a step, counts one retransmission and two waiting time extensions, completes. */
#define TOY_STEP   SCARD_CTL_CODE(2054)

#define TOY_MAX 256

struct toy {
    PDEVICE_OBJECT device, lower;
    UNICODE_STRING link;
    WCHAR link_buffer[32];
    volatile ULONG last_error;
    bool shows_cell; /* as the library does */
    KSPIN_LOCK lock;
    PIRP held, tracking; /* guarded by lock */
    KTIMER timer;
    KDPC dpc;
    _Atomic NTSTATUS later; /* what the timer completes with */
    _Atomic int inside, most_inside, creates, cleanups, closes, operations, queries;
    ULONG order[1024]; /* first ULONG of each TOY_LATER, in the order of arrival */
    ULONG protocol;    /* CURRENT_PROTOCOL_TYPE */
    NTSTATUS (*transmit)(struct toy *toy, const UCHAR *in, ULONG in_size, UCHAR *out, ULONG room, ULONG_PTR *size);
    void (*arrives)(struct toy *toy); /* before a request is looked at; NULL: nothing */
    void *test;                       /* its */
};

/* Those that are there, the first one first; NULL: a free place. toy_books guards them where readers come and go
 * meanwhile. */
static struct toy *toys[TOY_MAX];
static pthread_mutex_t toy_books = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int toy_count;
static bool toy_never_blocks;
static bool toy_shows_cell;

static void toy_complete(struct toy *toy, PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    if (toy->shows_cell && !host_records_last_error(irp, &toy->last_error))
        toy->last_error = (ULONG)status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

__attribute__((unused)) static VOID toy_cancel(PDEVICE_OBJECT device, PIRP irp)
{
    struct toy *toy = device->DeviceExtension;
    KIRQL irql;

    IoReleaseCancelSpinLock(irp->CancelIrql);
    KeAcquireSpinLock(&toy->lock, &irql);
    if (toy->held == irp)
        toy->held = NULL;
    if (toy->tracking == irp)
        toy->tracking = NULL;
    KeReleaseSpinLock(&toy->lock, irql);
    toy_complete(toy, irp, STATUS_CANCELLED, 0);
}

/* Keep it in the slot until somebody takes it out. */
static NTSTATUS toy_pend(struct toy *toy, PIRP *slot, PIRP irp, bool cancellable)
{
    NTSTATUS status = STATUS_PENDING;
    KIRQL irql;

    KeAcquireSpinLock(&toy->lock, &irql);
    if (*slot) {
        status = STATUS_DEVICE_BUSY;
    } else {
        IoMarkIrpPending(irp);
        *slot = irp;
        if (cancellable) {
            IoSetCancelRoutine(irp, toy_cancel);
            if (irp->Cancel && IoSetCancelRoutine(irp, NULL)) {
                *slot = NULL;
                status = STATUS_CANCELLED;
            }
        }
    }
    KeReleaseSpinLock(&toy->lock, irql);
    if (status == STATUS_CANCELLED)
        toy_complete(toy, irp, status, 0);
    else if (status == STATUS_DEVICE_BUSY)
        toy_complete(toy, irp, status, 0);
    return status == STATUS_CANCELLED ? STATUS_PENDING : status;
}

/* Complete what is held. store: the driver writes it to LastError by itself first; 0: it does not. false: nothing is
 * held (any more). */
static bool toy_let_go(struct toy *toy, PIRP *slot, NTSTATUS status, NTSTATUS store)
{
    KIRQL irql;
    PIRP irp;

    KeAcquireSpinLock(&toy->lock, &irql);
    irp = *slot;
    /* Without its cancel routine: that one has it. One that never had any is ours. */
    if (irp && !IoSetCancelRoutine(irp, NULL) &&
        IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.IoControlCode != TOY_KEEP &&
        IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.IoControlCode != TOY_LATER)
        irp = NULL;
    if (irp)
        *slot = NULL;
    KeReleaseSpinLock(&toy->lock, irql);
    if (!irp)
        return false;
    if (store)
        InterlockedExchange((volatile LONG *)&toy->last_error, store);
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return true;
}

__attribute__((unused)) static bool toy_release(struct toy *toy, NTSTATUS status)
{
    return toy_let_go(toy, &toy->held, status, 0);
}

/* Wait until the driver has a request in its slot. */
__attribute__((unused)) static void toy_wait_held(struct toy *toy, PIRP *slot)
{
    for (;;) {
        KIRQL irql;
        KeAcquireSpinLock(&toy->lock, &irql);
        bool held = *slot != NULL;
        KeReleaseSpinLock(&toy->lock, irql);
        if (held)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
}

static VOID toy_timer(PKDPC dpc, PVOID context, PVOID a, PVOID b)
{
    struct toy *toy = context;

    toy_let_go(toy, &toy->held, toy->later, 0);
}

static ULONG toy_ulong(PIRP irp, ULONG index)
{
    return ((ULONG *)irp->AssociatedIrp.SystemBuffer)[index];
}

static NTSTATUS toy_query(struct toy *toy, PIRP irp, ULONG code, ULONG room)
{
    NTSTATUS status = STATUS_INVALID_DEVICE_REQUEST;
    ULONG_PTR information = 0;
    ULONG value = code == IOCTL_SMARTCARD_GET_STATE ? SCARD_SPECIFIC : toy->protocol;
    bool known = true;

    toy->queries++;
    if (code == IOCTL_SMARTCARD_GET_LAST_ERROR) {
        known = toy->shows_cell;
        if (known) {
            host_records_last_error(irp, &toy->last_error);
            value = __atomic_load_n(&toy->last_error, __ATOMIC_ACQUIRE);
        }
    } else if (code == IOCTL_SMARTCARD_GET_ATTRIBUTE && toy_ulong(irp, 0) != SCARD_ATTR_CURRENT_PROTOCOL_TYPE) {
        known = false;
    }
    if (known) {
        status = STATUS_BUFFER_TOO_SMALL;
        if (room >= sizeof(value)) {
            memcpy(irp->AssociatedIrp.SystemBuffer, &value, sizeof(value));
            information = sizeof(value);
            status = STATUS_SUCCESS;
        }
    }
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS toy_later(struct toy *toy, PIRP irp)
{
    LARGE_INTEGER due = {.QuadPart = -10000LL * (LONGLONG)toy_ulong(irp, 0)};
    NTSTATUS status;

    toy->later = (NTSTATUS)toy_ulong(irp, 1);
    if (due.QuadPart == 0)
        due.QuadPart = -1;
    status = toy_pend(toy, &toy->held, irp, false);
    if (status == STATUS_PENDING)
        KeSetTimer(&toy->timer, due, &toy->dpc);
    return status;
}

static NTSTATUS toy_operation(struct toy *toy, PIRP irp, PIO_STACK_LOCATION location)
{
    ULONG code = location->Parameters.DeviceIoControl.IoControlCode;
    NTSTATUS status = STATUS_INVALID_DEVICE_REQUEST;
    ULONG_PTR size = 0;
    LARGE_INTEGER nap;

    switch (code) {
    case TOY_RETURN:
        status = (NTSTATUS)toy_ulong(irp, 0);
        size = toy_ulong(irp, 1);
        break;
    case TOY_HOLD:
        return toy_pend(toy, &toy->held, irp, true);
    case TOY_KEEP:
        return toy_pend(toy, &toy->held, irp, false);
    case TOY_SLEEP:
        nap.QuadPart = -10000LL * (LONGLONG)toy_ulong(irp, 0);
        KeDelayExecutionThread(KernelMode, FALSE, &nap);
        status = STATUS_SUCCESS;
        break;
    case TOY_LATER:
        return toy_later(toy, irp);
    case TOY_DOUBLE:
        status = (NTSTATUS)toy_ulong(irp, 1);
        toy_complete(toy, irp, (NTSTATUS)toy_ulong(irp, 0), 0);
        return status;
    case TOY_STEP:
        host_step(irp, HOST_LAYER_PROTOCOL, "T=1: EDC error in block %d, third retry", 3);
        host_count(irp, 1, 2);
        status = (NTSTATUS)toy_ulong(irp, 0);
        break;
    case IOCTL_SMARTCARD_IS_PRESENT:
    case IOCTL_SMARTCARD_IS_ABSENT:
        return toy_pend(toy, &toy->tracking, irp, true);
    case IOCTL_SMARTCARD_TRANSMIT:
        if (toy->transmit)
            status = toy->transmit(
                toy, irp->AssociatedIrp.SystemBuffer, location->Parameters.DeviceIoControl.InputBufferLength,
                irp->AssociatedIrp.SystemBuffer, location->Parameters.DeviceIoControl.OutputBufferLength, &size);
        break;
    default:
        break;
    }
    toy_complete(toy, irp, status, size);
    return status;
}

static NTSTATUS toy_control(PDEVICE_OBJECT device, PIRP irp)
{
    struct toy *toy = device->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    ULONG code = location->Parameters.DeviceIoControl.IoControlCode;
    bool tracking = code == IOCTL_SMARTCARD_IS_PRESENT || code == IOCTL_SMARTCARD_IS_ABSENT;
    NTSTATUS status;

    if (toy->arrives)
        toy->arrives(toy);
    if (code == IOCTL_SMARTCARD_GET_LAST_ERROR || code == IOCTL_SMARTCARD_GET_STATE ||
        code == IOCTL_SMARTCARD_GET_ATTRIBUTE || code == IOCTL_SMARTCARD_GET_PERF_CNTR)
        return toy_query(toy, irp, code, location->Parameters.DeviceIoControl.OutputBufferLength);
    if (tracking)
        return toy_operation(toy, irp, location);
    if (code == TOY_LATER && toy->operations < (int)ARRAYSIZE(toy->order))
        toy->order[toy->operations] = toy_ulong(irp, 2);
    toy->operations++;
    int inside = ++toy->inside;
    if (inside > toy->most_inside)
        toy->most_inside = inside;
    status = toy_operation(toy, irp, location);
    toy->inside--;
    return status;
}

static NTSTATUS toy_file(PDEVICE_OBJECT device, PIRP irp)
{
    struct toy *toy = device->DeviceExtension;

    switch (IoGetCurrentIrpStackLocation(irp)->MajorFunction) {
    case IRP_MJ_CREATE:
        toy->creates++;
        break;
    case IRP_MJ_CLEANUP:
        toy->cleanups++;
        break;
    default:
        toy->closes++;
        break;
    }
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS toy_pnp(PDEVICE_OBJECT device, PIRP irp)
{
    struct toy *toy = device->DeviceExtension;
    PDEVICE_OBJECT lower = toy->lower;
    bool removing = IoGetCurrentIrpStackLocation(irp)->MinorFunction == IRP_MN_REMOVE_DEVICE;
    NTSTATUS status;

    irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(irp);
    status = IoCallDriver(lower, irp);
    if (removing) {
        pthread_mutex_lock(&toy_books);
        for (int i = 0; i < TOY_MAX; i++) {
            if (toys[i] == toy)
                toys[i] = NULL;
        }
        pthread_mutex_unlock(&toy_books);
        KeCancelTimer(&toy->timer);
        KeFlushQueuedDpcs();
        IoDeleteSymbolicLink(&toy->link);
        IoDetachDevice(lower);
        IoDeleteDevice(device);
    }
    return status;
}

static NTSTATUS toy_add(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical)
{
    WCHAR name_buffer[32];
    UNICODE_STRING name;
    PDEVICE_OBJECT device;
    struct toy *toy;
    NTSTATUS status;
    int number = toy_count++;

    swprintf(name_buffer, ARRAYSIZE(name_buffer), L"\\Device\\toy%d", number);
    RtlInitUnicodeString(&name, name_buffer);
    status = IoCreateDevice(driver, sizeof(struct toy), &name, FILE_DEVICE_SMARTCARD, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    toy = device->DeviceExtension;
    memset(toy, 0, sizeof(*toy));
    toy->device = device;
    toy->shows_cell = toy_shows_cell;
    toy->protocol = SCARD_PROTOCOL_T1;
    KeInitializeSpinLock(&toy->lock);
    KeInitializeTimer(&toy->timer);
    KeInitializeDpc(&toy->dpc, toy_timer, toy);
    swprintf(toy->link_buffer, ARRAYSIZE(toy->link_buffer), L"\\DosDevices\\SCReader%d", number);
    RtlInitUnicodeString(&toy->link, toy->link_buffer);
    IoCreateSymbolicLink(&toy->link, &name);
    toy->lower = IoAttachDeviceToDeviceStack(device, physical);
    if (toy_never_blocks)
        device->Flags |= DO_NEVER_BLOCKS;
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    pthread_mutex_lock(&toy_books);
    for (int i = 0; i < TOY_MAX; i++) {
        if (!toys[i]) {
            toys[i] = toy;
            break;
        }
    }
    pthread_mutex_unlock(&toy_books);
    return STATUS_SUCCESS;
}

static VOID toy_unload(PDRIVER_OBJECT driver)
{
    (void)driver;
}

static NTSTATUS toy_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    driver->DriverExtension->AddDevice = toy_add;
    driver->DriverUnload = toy_unload;
    driver->MajorFunction[IRP_MJ_CREATE] = toy_file;
    driver->MajorFunction[IRP_MJ_CLEANUP] = toy_file;
    driver->MajorFunction[IRP_MJ_CLOSE] = toy_file;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = toy_control;
    driver->MajorFunction[IRP_MJ_PNP] = toy_pnp;
    return STATUS_SUCCESS;
}

/* ---- for the tests ----------------------------------------------------------------------------------------------- */

struct house {
    struct smartcrd *context;
    struct smartcrd_handle *handle; /* on SCReader0 */
    struct toy *toy;
    char name[SMARTCRD_NAME_MAX];
};

static int house_build_with(struct house *house, bool never_blocks, const struct smartcrd_options *options)
{
    toy_count = 0;
    toy_never_blocks = never_blocks;
    toy_shows_cell = true;
    assert_int_equal(smartcrd_create(options, &house->context), STATUS_SUCCESS);
    assert_int_equal(smartcrd_add_driver(house->context, "toy", toy_entry), STATUS_SUCCESS);
    assert_int_equal(smartcrd_add_reader(house->context, "toy", house->name, sizeof(house->name)), STATUS_SUCCESS);
    assert_string_equal(house->name, "SCReader0");
    assert_int_equal(smartcrd_open(house->context, "SCReader0", &house->handle), STATUS_SUCCESS);
    house->toy = toys[0];
    return 0;
}

__attribute__((unused)) static int house_build(struct house *house, bool never_blocks)
{
    return house_build_with(house, never_blocks, NULL);
}

__attribute__((unused)) static int house_up(void **state)
{
    static struct house house;

    *state = &house;
    return house_build(&house, true);
}

/* The same with a driver that may block. */
__attribute__((unused)) static int house_up_blocking(void **state)
{
    static struct house house;

    *state = &house;
    return house_build(&house, false);
}

__attribute__((unused)) static int house_down(void **state)
{
    struct house *house = *state;

    smartcrd_close(house->handle);
    smartcrd_destroy(house->context);
    return 0;
}

/* A request with up to three ULONGs of input. */
#define ASK(c, a, b, n, ms)                                                                                            \
    &(struct smartcrd_request)                                                                                         \
    {                                                                                                                  \
        .code = (c), .in = (uint32_t[]){(uint32_t)(a), (uint32_t)(b), (uint32_t)(n)}, .in_size = 12,                   \
        .timeout_ms = (ms)                                                                                             \
    }

__attribute__((unused)) static NTSTATUS do_return(struct smartcrd_handle *handle, NTSTATUS status)
{
    return smartcrd_control(handle, ASK(TOY_RETURN, status, 0, 0, SMARTCRD_NO_TIMEOUT), NULL);
}

__attribute__((unused)) static NTSTATUS last_of(struct smartcrd_handle *handle)
{
    NTSTATUS last = STATUS_PENDING;

    assert_int_equal(smartcrd_last_error(handle, &last), STATUS_SUCCESS);
    return last;
}

/* Start one that must pend. */
__attribute__((unused)) static uint64_t start_pending(struct smartcrd_handle *handle, uint32_t code,
                                                      uint32_t timeout_ms)
{
    uint64_t id = 0;

    assert_int_equal(smartcrd_submit(handle, ASK(code, 0, 0, 0, timeout_ms), &id, NULL), STATUS_PENDING);
    assert_int_not_equal(id, 0);
    return id;
}

/* Reap one and say how it ended. */
__attribute__((unused)) static NTSTATUS reap_status(struct smartcrd_handle *handle, uint64_t id)
{
    struct smartcrd_completion completion = {0};

    assert_int_equal(smartcrd_reap_one(handle, id, &completion, 30000), STATUS_SUCCESS);
    assert_int_equal(completion.id, id);
    return completion.status;
}

__attribute__((unused)) static uint64_t ms_since(uint64_t start)
{
    return (nt_now() - start) / 1000000u;
}

__attribute__((unused)) static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* The newest journal entry. */
__attribute__((unused)) static struct smartcrd_journal_entry newest(struct smartcrd_handle *handle)
{
    struct smartcrd_journal_entry entries[64];
    size_t count = smartcrd_journal(handle, 0, entries, 64);

    assert_true(count > 0);
    return entries[count - 1];
}

#endif
