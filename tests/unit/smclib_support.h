/* SPDX-License-Identifier: MIT */
/*
 * What the library's tests share: a reader whose driver is the test, and requests made by hand, with no client above
 * that would watch them. Buffers end at their last byte, so that AddressSanitizer sees any step beyond.
 */
#ifndef SMCLIB_SUPPORT_H
#define SMCLIB_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <smartcrd/smclib.h>

#define FILLER 0xEE

struct _READER_EXTENSION {
    unsigned calls[16];  /* of each callback */
    NTSTATUS answer[16]; /* what each returns */
    ULONG information;   /* what each stores, unless 0 */
    PIRP current;        /* OsData->CurrentIrp and NotificationIrp as the last callback saw them */
    PIRP notification;
    ULONG major, minor, state, selected;
    PTS_DATA pts;
};

struct reader {
    SMARTCARD_EXTENSION ext;
    struct _READER_EXTENSION seen;
};

/* How a request ended. */
struct result {
    NTSTATUS returned;    /* by SmartcardDeviceControl */
    unsigned completions; /* how often it was completed */
    NTSTATUS status;      /* IoStatus */
    ULONG_PTR information;
    UCHAR out[512]; /* the system buffer afterwards */
    PIRP irp;       /* still there when it is pending */
};

static NTSTATUS driver(PSMARTCARD_EXTENSION ext, ULONG callback)
{
    struct _READER_EXTENSION *seen = ext->ReaderExtension;

    seen->calls[callback]++;
    seen->current = ext->OsData->CurrentIrp;
    seen->notification = ext->OsData->NotificationIrp;
    seen->major = ext->MajorIoControlCode;
    seen->minor = ext->MinorIoControlCode;
    seen->state = ext->ReaderCapabilities.CurrentState;
    seen->selected = ext->CardCapabilities.Protocol.Selected;
    seen->pts = ext->CardCapabilities.PtsData;
    if (seen->information != 0) {
        *ext->IoRequest.Information = seen->information;
    }
    return seen->answer[callback];
}

#define DRIVER(name, index)                                                                                            \
    __attribute__((unused)) static NTSTATUS name(PSMARTCARD_EXTENSION ext)                                             \
    {                                                                                                                  \
        return driver(ext, index);                                                                                     \
    }
DRIVER(on_power, RDF_CARD_POWER)
DRIVER(on_transmit, RDF_TRANSMIT)
DRIVER(on_eject, RDF_CARD_EJECT)
DRIVER(on_swallow, RDF_READER_SWALLOW)
DRIVER(on_tracking, RDF_CARD_TRACKING)
DRIVER(on_protocol, RDF_SET_PROTOCOL)
DRIVER(on_confiscate, RDF_CARD_CONFISCATE)
DRIVER(on_vendor, RDF_IOCTL_VENDOR)
DRIVER(on_parse, RDF_ATR_PARSE)

/* A reader with no callback at all. */
static struct reader *bare_reader(void)
{
    struct reader *reader = calloc(1, sizeof(*reader));

    assert_non_null(reader);
    reader->ext.Version = SMCLIB_VERSION;
    reader->ext.SmartcardRequest.BufferSize = MIN_BUFFER_SIZE;
    reader->ext.SmartcardReply.BufferSize = MIN_BUFFER_SIZE;
    reader->ext.ReaderExtension = &reader->seen;
    reader->ext.ReaderCapabilities.CLKFrequency.Default = 3571;
    reader->ext.ReaderCapabilities.CLKFrequency.Max = 3571;
    reader->ext.ReaderCapabilities.DataRate.Default = 9600;
    reader->ext.ReaderCapabilities.DataRate.Max = 9600;
    reader->ext.ReaderCapabilities.MaxIFSD = 254;
    assert_int_equal(SmartcardInitialize(&reader->ext), STATUS_SUCCESS);
    return reader;
}

__attribute__((unused)) static struct reader *full_reader(ULONG state)
{
    struct reader *reader = bare_reader();

    reader->ext.ReaderFunction[RDF_CARD_POWER] = on_power;
    reader->ext.ReaderFunction[RDF_TRANSMIT] = on_transmit;
    reader->ext.ReaderFunction[RDF_CARD_EJECT] = on_eject;
    reader->ext.ReaderFunction[RDF_READER_SWALLOW] = on_swallow;
    reader->ext.ReaderFunction[RDF_CARD_TRACKING] = on_tracking;
    reader->ext.ReaderFunction[RDF_SET_PROTOCOL] = on_protocol;
    reader->ext.ReaderFunction[RDF_CARD_CONFISCATE] = on_confiscate;
    reader->ext.ReaderFunction[RDF_IOCTL_VENDOR] = on_vendor;
    reader->ext.ReaderCapabilities.CurrentState = state;
    return reader;
}

__attribute__((unused)) static void free_reader(struct reader *reader)
{
    SmartcardExit(&reader->ext);
    free(reader);
}

static NTSTATUS request_ended(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    struct result *result = context;

    UNREFERENCED_PARAMETER(device);
    result->completions++;
    result->status = irp->IoStatus.Status;
    result->information = irp->IoStatus.Information;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Take what is left of a request after it has ended. */
static void collect(struct result *result, size_t size)
{
    memset(result->out, FILLER, sizeof(result->out));
    if (size != 0) {
        memcpy(result->out, result->irp->AssociatedIrp.SystemBuffer,
               size < sizeof(result->out) ? size : sizeof(result->out));
    }
    free(result->irp->AssociatedIrp.SystemBuffer);
    IoFreeIrp(result->irp);
    result->irp = NULL;
}

/* Send a request. When it is pending result->irp stays, and the caller ends it and collects. */
__attribute__((unused)) static void send_to(struct reader *reader, struct result *result, ULONG code, const void *in,
                                            ULONG in_size, ULONG out_size)
{
    ULONG size = in_size > out_size ? in_size : out_size;
    PIRP irp = IoAllocateIrp(1, FALSE);
    PIO_STACK_LOCATION stack;

    memset(result, 0, sizeof(*result));
    assert_non_null(irp);
    if (size != 0) {
        irp->AssociatedIrp.SystemBuffer = malloc(size);
        assert_non_null(irp->AssociatedIrp.SystemBuffer);
        memset(irp->AssociatedIrp.SystemBuffer, FILLER, size);
        if (in_size != 0) {
            memcpy(irp->AssociatedIrp.SystemBuffer, in, in_size);
        }
    }
    irp->IoStatus.Information = 0x5555; /* to see whether it is touched */
    stack = IoGetNextIrpStackLocation(irp);
    stack->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    stack->Parameters.DeviceIoControl.IoControlCode = code;
    stack->Parameters.DeviceIoControl.InputBufferLength = in_size;
    stack->Parameters.DeviceIoControl.OutputBufferLength = out_size;
    IoSetCompletionRoutine(irp, request_ended, result, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(irp);
    result->irp = irp;
    result->returned = SmartcardDeviceControl(&reader->ext, irp);
    if (result->returned != STATUS_PENDING) {
        assert_int_equal(result->completions, 1);
        assert_int_equal(result->status, result->returned);
        collect(result, size);
    }
}

/* End a pended operation as a driver does. */
__attribute__((unused)) static void end_pended(struct reader *reader, struct result *result, NTSTATUS status)
{
    PIRP irp = result->irp;
    KIRQL irql;

    KeAcquireSpinLock(&reader->ext.OsData->SpinLock, &irql);
    reader->ext.OsData->CurrentIrp = NULL;
    KeReleaseSpinLock(&reader->ext.OsData->SpinLock, irql);
    irp->IoStatus.Status = status;
    smartcrd_store_last_error(&reader->ext, irp, status);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    assert_int_equal(result->completions, 1);
    collect(result, 0);
}

/* A request with a ULONG in, for its status. */
__attribute__((unused)) static NTSTATUS send_ulong(struct reader *reader, ULONG code, ULONG value, ULONG out_size)
{
    struct result result;

    send_to(reader, &result, code, &value, sizeof(value), out_size);
    return result.returned;
}

__attribute__((unused)) static ULONG ulong_at(const UCHAR *bytes)
{
    return bytes[0] | (ULONG)bytes[1] << 8 | (ULONG)bytes[2] << 16 | (ULONG)bytes[3] << 24;
}

/* What GET_LAST_ERROR says. */
__attribute__((unused)) static NTSTATUS last_error(struct reader *reader)
{
    struct result result;

    send_to(reader, &result, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, 4);
    assert_int_equal(result.status, STATUS_SUCCESS);
    assert_int_equal(result.information, 4);
    return (NTSTATUS)ulong_at(result.out);
}

__attribute__((unused)) static ULONG state_of(struct reader *reader)
{
    return reader->ext.ReaderCapabilities.CurrentState;
}

/* Store an ATR as a driver does, and have it evaluated. */
__attribute__((unused)) static NTSTATUS load_atr(struct reader *reader, const void *atr, UCHAR size)
{
    SmartcardInitializeCardCapabilities(&reader->ext);
    memcpy(reader->ext.CardCapabilities.ATR.Buffer, atr, size);
    reader->ext.CardCapabilities.ATR.Length = size;
    return SmartcardUpdateCardCapabilities(&reader->ext);
}

#define LOAD_ATR(reader, ...)                                                                                          \
    load_atr((reader), (const UCHAR[]){__VA_ARGS__}, (UCHAR)sizeof((const UCHAR[]){__VA_ARGS__}))

#endif
