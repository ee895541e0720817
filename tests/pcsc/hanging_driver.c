/* SPDX-License-Identifier: MIT */
/*
 * A driver for pcscd to suffer from: the toy card of tests/e2e/support_driver.h, but the command 00 77 P1 P2 sleeps in
 * the driver for P1 P2 tenths of a second, and so does the vendor code of scripts. It does not track the card; after the
 * command 00 78 00 00 it says, when it is asked to, that the reader has gone; 00 79 00 00 finds that the card was changed
 * for another, and 00 7A 00 00 is a success without an answer.
 */
#include "tests/e2e/support_driver.h"

static volatile LONG gone;

static NTSTATUS tracking(PSMARTCARD_EXTENSION extension)
{
    const NTSTATUS status = toy_tracking(extension);

    return InterlockedCompareExchange(&gone, 0, 0) ? STATUS_DEVICE_REMOVED : status;
}

static NTSTATUS transmit(PSMARTCARD_EXTENSION extension)
{
    const UCHAR *command = extension->IoRequest.RequestBuffer + sizeof(SCARD_IO_REQUEST);
    const BOOLEAN has_header = extension->IoRequest.RequestBufferLength >= sizeof(SCARD_IO_REQUEST) + 4;
    LARGE_INTEGER nap;

    nap.QuadPart = -1000000; /* 100 ms */
    if (has_header && command[1] == 0x78)
        InterlockedExchange(&gone, 1);
    if (has_header && command[1] == 0x79)
        return STATUS_NO_MEDIA;
    if (has_header && command[1] == 0x7A) {
        RtlCopyMemory(extension->IoRequest.ReplyBuffer, extension->IoRequest.RequestBuffer, sizeof(SCARD_IO_REQUEST));
        *extension->IoRequest.Information = sizeof(SCARD_IO_REQUEST);
        return STATUS_SUCCESS;
    }
    if (has_header && command[1] == 0x77)
        for (ULONG left = (ULONG)command[2] << 8 | command[3]; left > 0; left--)
            KeDelayExecutionThread(KernelMode, FALSE, &nap);
    return toy_transmit(extension);
}

DRIVER_INITIALIZE DriverEntry;
NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    test_plan_reset();
    test_plan.callbacks[RDF_TRANSMIT] = transmit;
    test_plan.callbacks[RDF_CARD_TRACKING] = tracking;
    test_plan.callbacks[RDF_IOCTL_VENDOR] = scripted_vendor;
    return TestDriverEntry(driver, path);
}
