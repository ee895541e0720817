/* SPDX-License-Identifier: MIT */
/*
 * For the tests of the virtual reader: a host with readers, and requests made by hand as the client would make them.
 * No observer is set, so the driver and the library store the last error themselves.
 */
#ifndef TEST_VREADER_KIT_H
#define TEST_VREADER_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/nt/nt.h"
#include "../../src/cards/card.h"
#include <smartcrd/smclib.h>
#include <smartcrd/vreader.h>

DRIVER_INITIALIZE VReaderDriverEntry;

struct rig {
    struct nt_host *host;
    struct nt_driver *driver;
    PDEVICE_OBJECT reader, panel;
    char name[32];
};

/* A request in flight. */
struct flight {
    PIRP irp;
    KEVENT done;
    FILE_OBJECT *file;
    UCHAR *buffer;
    NTSTATUS status;
    ULONG_PTR information;
};

static inline BOOLEAN rig_name(void *context, const char *name, PDEVICE_OBJECT top, BOOLEAN is_reader)
{
    struct rig *rig = context;

    if (top == rig->reader) {
        assert_true(is_reader);
        snprintf(rig->name, sizeof rig->name, "%s", name);
    }
    return TRUE;
}

static inline void rig_add(struct rig *rig)
{
    char panel[48];

    assert_int_equal(nt_device_add(rig->driver, &rig->reader), STATUS_SUCCESS);
    nt_walk(rig->host, rig_name, rig);
    snprintf(panel, sizeof panel, "%s-panel", rig->name);
    rig->panel = nt_find(rig->host, panel);
    assert_non_null(rig->panel);
}

static inline int rig_up_in(void **state, bool simulated)
{
    struct rig *rig = calloc(1, sizeof *rig);
    char error[128] = "";

    assert_int_equal(nt_host_create(&rig->host), STATUS_SUCCESS);
    if (simulated) {
        nt_host_simulate(rig->host);
    }
    nt_enter(rig->host);
    assert_int_equal(nt_driver_load(rig->host, "vreader", VReaderDriverEntry, NULL, &rig->driver, error, sizeof error),
                     STATUS_SUCCESS);
    rig_add(rig);
    *state = rig;
    return 0;
}

static inline int rig_up(void **state)
{
    return rig_up_in(state, false);
}

/* In simulated time: waits take none, and all of it can be told exactly (nt_time). */
static inline int rig_up_simulated(void **state)
{
    return rig_up_in(state, true);
}

static inline int rig_down(void **state)
{
    struct rig *rig = *state;
    NTSTATUS status = STATUS_DEVICE_BUSY;

    if (rig->reader != NULL) {
        nt_device_surprise(rig->reader);
        nt_device_remove(rig->reader);
    }
    /* Until a worker of the driver's queue has returned, its code stays. */
    for (int i = 0; i < 1000 && status == STATUS_DEVICE_BUSY; i++) {
        status = nt_driver_unload(rig->driver);
        if (status == STATUS_DEVICE_BUSY) {
            usleep(10000);
        }
    }
    assert_int_equal(status, STATUS_SUCCESS);
    nt_enter(NULL);
    nt_host_destroy(rig->host);
    free(rig);
    return 0;
}

static inline NTSTATUS flight_landed(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    struct flight *flight = context;

    (void)device;
    flight->status = irp->IoStatus.Status;
    flight->information = irp->IoStatus.Information;
    KeSetEvent(&flight->done, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Send a request; it owns `flight` until flight_end. Returns what the driver returned. */
static inline NTSTATUS flight_start(struct flight *flight, PDEVICE_OBJECT device, ULONG code, const void *in,
                                    size_t in_size, size_t out_size)
{
    size_t size = in_size > out_size ? in_size : out_size;
    PIO_STACK_LOCATION next;

    flight->irp = IoAllocateIrp((CCHAR)(device->StackSize + 1), FALSE);
    flight->buffer = malloc(size + (size == 0));
    if (in_size > 0) {
        memcpy(flight->buffer, in, in_size);
    }
    memset(flight->buffer + in_size, 0xEE, size - in_size);
    flight->irp->AssociatedIrp.SystemBuffer = flight->buffer;
    KeInitializeEvent(&flight->done, NotificationEvent, FALSE);
    IoSetNextIrpStackLocation(flight->irp);
    next = IoGetNextIrpStackLocation(flight->irp);
    next->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    next->FileObject = flight->file;
    next->Parameters.DeviceIoControl.IoControlCode = code;
    next->Parameters.DeviceIoControl.InputBufferLength = (ULONG)in_size;
    next->Parameters.DeviceIoControl.OutputBufferLength = (ULONG)out_size;
    IoSetCompletionRoutine(flight->irp, flight_landed, flight, TRUE, TRUE, TRUE);
    return IoCallDriver(device, flight->irp);
}

static inline bool flight_wait(struct flight *flight, int ms)
{
    LARGE_INTEGER timeout = {.QuadPart = -10000 * (LONGLONG)ms};

    return KeWaitForSingleObject(&flight->done, Executive, KernelMode, FALSE, &timeout) == STATUS_SUCCESS;
}

/* Wait for it (it must come within 30 s), copy what came out, free it. */
static inline NTSTATUS flight_end(struct flight *flight, void *out, size_t *information)
{
    assert_true(flight_wait(flight, 30000));
    if (information != NULL) {
        *information = flight->information;
    }
    if (out != NULL) {
        memcpy(out, flight->buffer, flight->information);
    }
    IoFreeIrp(flight->irp);
    free(flight->buffer);
    return flight->status;
}

static inline NTSTATUS control(PDEVICE_OBJECT device, ULONG code, const void *in, size_t in_size, void *out,
                               size_t out_size, size_t *information)
{
    struct flight *flight = calloc(1, sizeof *flight); /* a failing test leaves it to the driver */
    NTSTATUS status;
    size_t ignored;

    flight_start(flight, device, code, in, in_size, out_size);
    status = flight_end(flight, out, information != NULL ? information : &ignored);
    free(flight);
    return status;
}

static inline NTSTATUS say(PDEVICE_OBJECT device, ULONG code, const char *text)
{
    return control(device, code, text, strlen(text), NULL, 0, NULL);
}

static inline void insert(struct rig *rig, const char *text)
{
    assert_int_equal(say(rig->panel, IOCTL_VREADER_INSERT, text), STATUS_SUCCESS);
}

static inline void fault(struct rig *rig, const char *text)
{
    assert_int_equal(say(rig->panel, IOCTL_VREADER_FAULT, text), STATUS_SUCCESS);
}

static inline void status_is(struct rig *rig, const char *expected)
{
    char text[512];
    size_t size;

    assert_int_equal(control(rig->panel, IOCTL_VREADER_STATUS, NULL, 0, text, sizeof text - 1, &size), STATUS_SUCCESS);
    text[size] = '\0';
    assert_string_equal(text, expected);
}

static inline ULONG state_of(PDEVICE_OBJECT device)
{
    ULONG state = 99;

    assert_int_equal(control(device, IOCTL_SMARTCARD_GET_STATE, NULL, 0, &state, 4, NULL), STATUS_SUCCESS);
    return state;
}

static inline NTSTATUS last_error(PDEVICE_OBJECT device)
{
    NTSTATUS last = 99;

    assert_int_equal(control(device, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, &last, 4, NULL), STATUS_SUCCESS);
    return last;
}

static inline NTSTATUS power(PDEVICE_OBJECT device, ULONG kind, UCHAR atr[33], size_t *size)
{
    return control(device, IOCTL_SMARTCARD_POWER, &kind, 4, atr, 33, size);
}

static inline NTSTATUS set_protocol(PDEVICE_OBJECT device, ULONG mask, ULONG *selected)
{
    return control(device, IOCTL_SMARTCARD_SET_PROTOCOL, &mask, 4, selected, 4, NULL);
}

static inline void connect(struct rig *rig, ULONG protocol)
{
    UCHAR atr[33];
    ULONG selected = 0;
    size_t size;

    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_SUCCESS);
    assert_int_equal(set_protocol(rig->reader, protocol, &selected), STATUS_SUCCESS);
    assert_int_equal(state_of(rig->reader), SCARD_SPECIFIC);
}

static inline size_t with_pci(UCHAR *buffer, ULONG protocol, const char *hex)
{
    SCARD_IO_REQUEST pci = {protocol, sizeof pci};
    ULONG length = 70000;

    memcpy(buffer, &pci, sizeof pci);
    assert_true(card_hex(hex, (ULONG)strlen(hex), buffer + sizeof pci, &length));
    return length + sizeof pci;
}

static inline NTSTATUS transmit(PDEVICE_OBJECT device, ULONG protocol, const char *command, UCHAR *reply, size_t *size)
{
    UCHAR *in = malloc(70008);
    size_t length = with_pci(in, protocol, command);
    NTSTATUS status = control(device, IOCTL_SMARTCARD_TRANSMIT, in, length, in, 66000, size);

    if (status == STATUS_SUCCESS && reply != NULL) {
        memcpy(reply, in, *size);
    }
    free(in);
    return status;
}

/* The reply without its SCARD_IO_REQUEST (raw replies have none) is `answer`. */
static inline void exchange(struct rig *rig, ULONG protocol, const char *command, const char *answer)
{
    static UCHAR reply[66000], expected[66000];
    ULONG length = sizeof expected;
    size_t size = 0;
    size_t head = protocol == SCARD_PROTOCOL_RAW ? 0 : 8;
    NTSTATUS status = transmit(rig->reader, protocol, command, reply, &size);

    if (status != STATUS_SUCCESS) {
        fail_msg("%s: %08X", command, (unsigned)status);
    }
    assert_true(card_hex(answer, (ULONG)strlen(answer), expected, &length));
    assert_int_equal(size, length + head);
    assert_memory_equal(reply + head, expected, length);
}

static inline NTSTATUS failing(struct rig *rig, ULONG protocol, const char *command)
{
    size_t size = 0;
    NTSTATUS status = transmit(rig->reader, protocol, command, NULL, &size);

    assert_int_equal(size, 0);
    assert_int_equal(last_error(rig->reader), status);
    return status;
}

static inline double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#define T0 SCARD_PROTOCOL_T0
#define T1 SCARD_PROTOCOL_T1

/* T=0 and T=1, default rate, IFSC 254, BWI 0: BWT is 90 ms. */
#define FAST_T1        "atr=3B808031FE05CA"
/* T=0 alone, WI = 1: WWT is 89 ms. */
#define FAST_T0        "atr=3B804001"
#define with_rig(test) cmocka_unit_test_setup_teardown(test, rig_up, rig_down)

#define with_simulated_rig(test) cmocka_unit_test_setup_teardown(test, rig_up_simulated, rig_down)

#endif
