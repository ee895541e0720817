/* SPDX-License-Identifier: MIT */
/* A reader for the harnesses of the library: its driver is the harness, and requests are made by hand. */
#ifndef FUZZ_SMCLIB_READER_H
#define FUZZ_SMCLIB_READER_H

#include "fuzz.h"

#include <smartcrd/smclib.h>

/* How a request ended. */
struct ending {
    unsigned times;
    NTSTATUS status;
    ULONG_PTR information;
};

static inline SMARTCARD_EXTENSION *reader_up(PREADER_EXTENSION driver)
{
    SMARTCARD_EXTENSION *ext = calloc(1, sizeof *ext);

    require(ext != NULL);
    ext->Version = SMCLIB_VERSION;
    ext->SmartcardRequest.BufferSize = MIN_BUFFER_SIZE;
    ext->SmartcardReply.BufferSize = MIN_BUFFER_SIZE;
    ext->ReaderExtension = driver;
    ext->ReaderCapabilities.CLKFrequency.Default = 3571;
    ext->ReaderCapabilities.CLKFrequency.Max = 3571;
    ext->ReaderCapabilities.DataRate.Default = 9600;
    ext->ReaderCapabilities.DataRate.Max = 115200;
    ext->ReaderCapabilities.MaxIFSD = 254;
    require(SmartcardInitialize(ext) == STATUS_SUCCESS);
    return ext;
}

static inline void reader_down(SMARTCARD_EXTENSION *ext)
{
    SmartcardExit(ext);
    free(ext);
}

/* Store an ATR as a driver does, and have it evaluated. */
static inline NTSTATUS reader_atr(SMARTCARD_EXTENSION *ext, const uint8_t *atr, size_t size)
{
    SmartcardInitializeCardCapabilities(ext);
    if (size > sizeof ext->CardCapabilities.ATR.Buffer)
        size = sizeof ext->CardCapabilities.ATR.Buffer;
    if (size)
        memcpy(ext->CardCapabilities.ATR.Buffer, atr, size);
    ext->CardCapabilities.ATR.Length = (UCHAR)size;
    return SmartcardUpdateCardCapabilities(ext);
}

static inline NTSTATUS reader_ended(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    struct ending *ending = context;

    UNREFERENCED_PARAMETER(device);
    ending->times++;
    ending->status = irp->IoStatus.Status;
    ending->information = irp->IoStatus.Information;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* A request that ends at once; buffer holds the input and takes the output, and is as large as the larger of both. */
static inline struct ending reader_request(SMARTCARD_EXTENSION *ext, ULONG code, const struct exact *buffer, size_t in,
                                           size_t out)
{
    struct ending ending = {.times = 0};
    PIRP irp = IoAllocateIrp(1, FALSE);
    PIO_STACK_LOCATION stack;
    NTSTATUS returned;

    require(irp != NULL);
    irp->AssociatedIrp.SystemBuffer = buffer->size ? buffer->bytes : NULL;
    irp->IoStatus.Information = 0;
    stack = IoGetNextIrpStackLocation(irp);
    stack->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    stack->Parameters.DeviceIoControl.IoControlCode = code;
    stack->Parameters.DeviceIoControl.InputBufferLength = (ULONG)in;
    stack->Parameters.DeviceIoControl.OutputBufferLength = (ULONG)out;
    IoSetCompletionRoutine(irp, reader_ended, &ending, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(irp);
    returned = SmartcardDeviceControl(ext, irp);
    require(ending.times == 1 && ending.status == returned && returned != STATUS_PENDING);
    require(ext->OsData->CurrentIrp == NULL);
    IoFreeIrp(irp);
    return ending;
}

#endif
