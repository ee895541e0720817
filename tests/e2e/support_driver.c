/* SPDX-License-Identifier: MIT */
/* See support_driver.h. */
#include "support_driver.h"

struct test_plan test_plan;
volatile LONG test_release, test_sleepers;
static struct test_reader *readers[TEST_READERS];

static const UCHAR toy_atr[] = {0x3B, 0x80, 0x80, 0x01, 0x01};

void test_plan_reset(void)
{
    RtlZeroMemory(&test_plan, sizeof(test_plan));
    test_plan.callbacks[RDF_CARD_POWER] = toy_power;
    test_plan.callbacks[RDF_TRANSMIT] = toy_transmit;
    test_plan.callbacks[RDF_CARD_EJECT] = toy_success;
    test_plan.callbacks[RDF_READER_SWALLOW] = toy_success;
    test_plan.callbacks[RDF_CARD_CONFISCATE] = toy_success;
    test_plan.callbacks[RDF_CARD_TRACKING] = toy_tracking;
    test_plan.callbacks[RDF_SET_PROTOCOL] = toy_set_protocol;
    test_plan.callbacks[RDF_IOCTL_VENDOR] = toy_vendor;
    test_plan.state = SCARD_SPECIFIC;
}

struct test_reader *test_reader_at(unsigned number)
{
    return number < TEST_READERS ? readers[number] : NULL;
}

void test_reader_set(struct test_reader *reader, ULONG state, ULONG selected)
{
    KIRQL irql;
    KeAcquireSpinLock(&reader->extension.OsData->SpinLock, &irql);
    reader->extension.CardCapabilities = reader->capabilities;
    reader->extension.CardCapabilities.Protocol.Selected = selected;
    reader->extension.ReaderCapabilities.CurrentState = state;
    reader->extension.T1.State = T1_START;
    KeReleaseSpinLock(&reader->extension.OsData->SpinLock, irql);
}

/* ---- the toy card ------------------------------------------------------------------------------------------------ */

NTSTATUS toy_success(PSMARTCARD_EXTENSION extension)
{
    (void)extension;
    return STATUS_SUCCESS;
}

NTSTATUS toy_power(PSMARTCARD_EXTENSION extension)
{
    if (extension->MinorIoControlCode == SCARD_POWER_DOWN)
        return STATUS_SUCCESS;
    RtlCopyMemory(extension->IoRequest.ReplyBuffer, toy_atr, sizeof(toy_atr));
    *extension->IoRequest.Information = sizeof(toy_atr);
    RtlCopyMemory(extension->CardCapabilities.ATR.Buffer, toy_atr, sizeof(toy_atr));
    extension->CardCapabilities.ATR.Length = sizeof(toy_atr);
    return SmartcardUpdateCardCapabilities(extension);
}

NTSTATUS toy_set_protocol(PSMARTCARD_EXTENSION extension)
{
    const ULONG mask = extension->MinorIoControlCode;
    const ULONG selected = mask & SCARD_PROTOCOL_T1   ? SCARD_PROTOCOL_T1
                           : mask & SCARD_PROTOCOL_T0 ? SCARD_PROTOCOL_T0
                                                      : SCARD_PROTOCOL_RAW;
    KIRQL irql;
    KeAcquireSpinLock(&extension->OsData->SpinLock, &irql);
    extension->CardCapabilities.Protocol.Selected = selected;
    extension->ReaderCapabilities.CurrentState = SCARD_SPECIFIC;
    KeReleaseSpinLock(&extension->OsData->SpinLock, irql);
    RtlCopyMemory(extension->IoRequest.ReplyBuffer, &selected, sizeof(selected));
    *extension->IoRequest.Information = sizeof(selected);
    return STATUS_SUCCESS;
}

/* A T=1 card with LRC that takes every block and answers 90 00 to the last of a chain. */
static void toy_t1_block(PSMARTCARD_EXTENSION extension)
{
    const UCHAR *block = extension->SmartcardRequest.Buffer;
    UCHAR *reply = extension->SmartcardReply.Buffer;
    const UCHAR pcb = block[1];
    ULONG length = 3;

    reply[0] = 0;
    reply[2] = 0;
    if ((pcb & 0xC0) == 0xC0) { /* S(... request): the response with the same value */
        reply[1] = (UCHAR)(pcb | 0x20);
        reply[2] = block[2];
        if (block[2] == 1)
            reply[length++] = block[3];
    } else if ((pcb & 0x80) == 0 && (pcb & T1_MORE_DATA) != 0) { /* R(N(S) + 1) */
        reply[1] = (UCHAR)(0x80 | ((~pcb & 0x40) >> 2));
    } else { /* the last of a chain, or a wish to have the answer again */
        reply[1] = (UCHAR)(extension->T1.RSN << 6);
        reply[2] = 2;
        reply[length++] = 0x90;
        reply[length++] = 0x00;
    }
    UCHAR lrc = 0;
    for (ULONG i = 0; i < length; i++)
        lrc = (UCHAR)(lrc ^ reply[i]);
    reply[length++] = lrc;
    extension->SmartcardReply.BufferLength = length;
}

static NTSTATUS toy_transmit_t1(PSMARTCARD_EXTENSION extension)
{
    NTSTATUS status = STATUS_DEVICE_PROTOCOL_ERROR;
    for (unsigned turns = 0; turns < 100; turns++) {
        extension->SmartcardRequest.BufferLength = 0;
        extension->T1.NAD = 0;
        status = SmartcardT1Request(extension);
        if (status != STATUS_SUCCESS)
            return status;
        toy_t1_block(extension);
        status = SmartcardT1Reply(extension);
        if (status != STATUS_MORE_PROCESSING_REQUIRED)
            return status;
    }
    return status;
}

NTSTATUS toy_transmit(PSMARTCARD_EXTENSION extension)
{
    const ULONG protocol = extension->CardCapabilities.Protocol.Selected;
    NTSTATUS status;

    if (protocol == SCARD_PROTOCOL_T1)
        return toy_transmit_t1(extension);
    extension->SmartcardRequest.BufferLength = 0;
    status = protocol == SCARD_PROTOCOL_T0 ? SmartcardT0Request(extension) : SmartcardRawRequest(extension);
    if (status != STATUS_SUCCESS)
        return status;
    extension->SmartcardReply.Buffer[0] = 0x90;
    extension->SmartcardReply.Buffer[1] = 0x00;
    extension->SmartcardReply.BufferLength = 2;
    return protocol == SCARD_PROTOCOL_T0 ? SmartcardT0Reply(extension) : SmartcardRawReply(extension);
}

/* The wait is over at once, unsuccessfully. */
NTSTATUS toy_tracking(PSMARTCARD_EXTENSION extension)
{
    KIRQL irql;
    KeAcquireSpinLock(&extension->OsData->SpinLock, &irql);
    extension->OsData->NotificationIrp = NULL;
    KeReleaseSpinLock(&extension->OsData->SpinLock, irql);
    return STATUS_CANCELLED;
}

/* Answers the input turned over, as far as it fits: touches every byte of both buffers. */
NTSTATUS toy_vendor(PSMARTCARD_EXTENSION extension)
{
    const ULONG in = extension->IoRequest.RequestBufferLength, out = extension->IoRequest.ReplyBufferLength;
    const ULONG both = in < out ? in : out;

    for (ULONG i = 0; i < both; i++)
        extension->IoRequest.ReplyBuffer[i] = (UCHAR)~extension->IoRequest.RequestBuffer[i];
    for (ULONG i = both; i < out; i++)
        extension->IoRequest.ReplyBuffer[i] = 0xEE;
    *extension->IoRequest.Information = both;
    return STATUS_SUCCESS;
}

/* ---- scripts ----------------------------------------------------------------------------------------------------- */

/* Take the current operation, if it is still there and nobody cancels it. Under the spin lock. */
static PIRP take_current(struct test_reader *reader)
{
    PIRP irp = reader->extension.OsData->CurrentIrp;
    if (irp == NULL || ((reader->script.how & SCRIPT_CANCELLABLE) != 0 && IoSetCancelRoutine(irp, NULL) == NULL))
        return NULL;
    reader->extension.OsData->CurrentIrp = NULL;
    return irp;
}

static VOID script_end(PKDPC dpc, PVOID context, PVOID unused1, PVOID unused2)
{
    struct test_reader *reader = context;
    PSMARTCARD_EXTENSION extension = &reader->extension;
    (void)dpc;
    (void)unused1;
    (void)unused2;

    KeAcquireSpinLockAtDpcLevel(&extension->OsData->SpinLock);
    PIRP irp = take_current(reader);
    const struct script script = reader->script;
    KeReleaseSpinLockFromDpcLevel(&extension->OsData->SpinLock);
    if (irp == NULL)
        return;
    if ((script.how & 0xFF) == SCRIPT_STORE_HELPER)
        smartcrd_store_last_error(extension, irp, (NTSTATUS)script.status);
    if ((script.how & 0xFF) == SCRIPT_STORE_FIELD)
        InterlockedExchange((volatile LONG *)&extension->LastError, (LONG)script.stored);
    irp->IoStatus.Status = (NTSTATUS)script.status;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

static VOID script_cancel(PDEVICE_OBJECT device, PIRP irp)
{
    struct test_reader *reader = device->DeviceExtension;
    KIRQL irql;

    IoReleaseCancelSpinLock(irp->CancelIrql);
    KeAcquireSpinLock(&reader->extension.OsData->SpinLock, &irql);
    KeCancelTimer(&reader->timer);
    reader->extension.OsData->CurrentIrp = NULL;
    KeReleaseSpinLock(&reader->extension.OsData->SpinLock, irql);
    irp->IoStatus.Status = STATUS_CANCELLED;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

static NTSTATUS script_pend(struct test_reader *reader)
{
    LARGE_INTEGER due;
    PIRP cancelled = NULL;
    KIRQL irql;

    due.QuadPart = -10000LL * (LONGLONG)reader->script.delay_ms;
    KeAcquireSpinLock(&reader->extension.OsData->SpinLock, &irql);
    PIRP irp = reader->extension.OsData->CurrentIrp;
    IoMarkIrpPending(irp);
    if ((reader->script.how & SCRIPT_CANCELLABLE) != 0) {
        IoSetCancelRoutine(irp, script_cancel);
        if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL) {
            reader->extension.OsData->CurrentIrp = NULL;
            cancelled = irp;
        }
    }
    if (cancelled == NULL)
        KeSetTimer(&reader->timer, due, &reader->dpc);
    KeReleaseSpinLock(&reader->extension.OsData->SpinLock, irql);
    if (cancelled != NULL) {
        cancelled->IoStatus.Status = STATUS_CANCELLED;
        cancelled->IoStatus.Information = 0;
        IoCompleteRequest(cancelled, IO_NO_INCREMENT);
    }
    return STATUS_PENDING;
}

static NTSTATUS script_run(PSMARTCARD_EXTENSION extension, const UCHAR *text, ULONG length)
{
    struct test_reader *reader = (struct test_reader *)extension;
    LARGE_INTEGER nap;

    if (length < sizeof(struct script))
        return STATUS_INVALID_PARAMETER;
    RtlCopyMemory(&reader->script, text, sizeof(struct script));
    const struct script script = reader->script;
    switch (script.how & 0xFF) {
    case SCRIPT_AT_ONCE:
        return (NTSTATUS)script.status;
    case SCRIPT_BLOCK:
        nap.QuadPart = -50000; /* 5 ms */
        InterlockedIncrement(&test_sleepers);
        for (ULONG slept = 0; slept < script.delay_ms && InterlockedCompareExchange(&test_release, 0, 0) == 0;
             slept += 5)
            KeDelayExecutionThread(KernelMode, FALSE, &nap);
        InterlockedDecrement(&test_sleepers);
        return (NTSTATUS)script.status;
    default:
        return script_pend(reader);
    }
}

NTSTATUS scripted_vendor(PSMARTCARD_EXTENSION extension)
{
    return script_run(extension, extension->IoRequest.RequestBuffer, extension->IoRequest.RequestBufferLength);
}

NTSTATUS scripted_transmit(PSMARTCARD_EXTENSION extension)
{
    return script_run(extension, extension->IoRequest.RequestBuffer + sizeof(SCARD_IO_REQUEST),
                      extension->IoRequest.RequestBufferLength - (ULONG)sizeof(SCARD_IO_REQUEST));
}

static VOID tracking_cancel(PDEVICE_OBJECT device, PIRP irp)
{
    struct test_reader *reader = device->DeviceExtension;
    KIRQL irql;

    IoReleaseCancelSpinLock(irp->CancelIrql);
    KeAcquireSpinLock(&reader->extension.OsData->SpinLock, &irql);
    reader->extension.OsData->NotificationIrp = NULL;
    KeReleaseSpinLock(&reader->extension.OsData->SpinLock, irql);
    irp->IoStatus.Status = STATUS_CANCELLED;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

NTSTATUS pending_tracking(PSMARTCARD_EXTENSION extension)
{
    PIRP cancelled = NULL;
    KIRQL irql;

    KeAcquireSpinLock(&extension->OsData->SpinLock, &irql);
    PIRP irp = extension->OsData->NotificationIrp;
    IoMarkIrpPending(irp);
    IoSetCancelRoutine(irp, tracking_cancel);
    if (irp->Cancel && IoSetCancelRoutine(irp, NULL) != NULL) {
        extension->OsData->NotificationIrp = NULL;
        cancelled = irp;
    }
    KeReleaseSpinLock(&extension->OsData->SpinLock, irql);
    if (cancelled != NULL) {
        cancelled->IoStatus.Status = STATUS_CANCELLED;
        cancelled->IoStatus.Information = 0;
        IoCompleteRequest(cancelled, IO_NO_INCREMENT);
    }
    return STATUS_PENDING;
}

void test_tracking_end(struct test_reader *reader, ULONG state, NTSTATUS status)
{
    PSMARTCARD_EXTENSION extension = &reader->extension;
    KIRQL irql;

    KeAcquireSpinLock(&extension->OsData->SpinLock, &irql);
    PIRP irp = extension->OsData->NotificationIrp;
    if (irp != NULL && IoSetCancelRoutine(irp, NULL) != NULL)
        extension->OsData->NotificationIrp = NULL;
    else
        irp = NULL;
    extension->ReaderCapabilities.CurrentState = state;
    KeReleaseSpinLock(&extension->OsData->SpinLock, irql);
    if (irp == NULL)
        return;
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

/* ---- the driver -------------------------------------------------------------------------------------------------- */

static NTSTATUS complete(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS test_create_close(PDEVICE_OBJECT device, PIRP irp)
{
    (void)device;
    return complete(irp, STATUS_SUCCESS);
}

static NTSTATUS test_control(PDEVICE_OBJECT device, PIRP irp)
{
    struct test_reader *reader = device->DeviceExtension;
    return SmartcardDeviceControl(&reader->extension, irp);
}

static NTSTATUS test_pnp(PDEVICE_OBJECT device, PIRP irp)
{
    struct test_reader *reader = device->DeviceExtension;
    PDEVICE_OBJECT lower = reader->lower;
    const UCHAR minor = IoGetCurrentIrpStackLocation(irp)->MinorFunction;

    if (minor == IRP_MN_START_DEVICE)
        IoSetDeviceInterfaceState(&reader->interface_name, TRUE);
    if (minor != IRP_MN_REMOVE_DEVICE) {
        irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(irp);
        return IoCallDriver(lower, irp);
    }
    IoSetDeviceInterfaceState(&reader->interface_name, FALSE);
    RtlFreeUnicodeString(&reader->interface_name);
    for (unsigned i = 0; i < TEST_READERS; i++)
        if (readers[i] == reader)
            readers[i] = NULL;
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(irp);
    NTSTATUS status = IoCallDriver(lower, irp);
    SmartcardExit(&reader->extension);
    IoDetachDevice(lower);
    IoDeleteDevice(device);
    return status;
}

static void test_fill(PSMARTCARD_EXTENSION extension)
{
    extension->Version = SMCLIB_VERSION;
    extension->SmartcardRequest.BufferSize = MIN_BUFFER_SIZE;
    extension->SmartcardReply.BufferSize = MIN_BUFFER_SIZE;
    RtlCopyMemory(extension->VendorAttr.VendorName.Buffer, "Toys", 4);
    extension->VendorAttr.VendorName.Length = 4;
    RtlCopyMemory(extension->VendorAttr.IfdType.Buffer, "Tests", 5);
    extension->VendorAttr.IfdType.Length = 5;
    RtlCopyMemory(extension->VendorAttr.IfdSerialNo.Buffer, "123456", 6);
    extension->VendorAttr.IfdSerialNo.Length = 6;
    extension->VendorAttr.IfdVersion.BuildNumber = 0x0403;
    extension->VendorAttr.IfdVersion.VersionMinor = 2;
    extension->VendorAttr.IfdVersion.VersionMajor = 1;
    extension->VendorAttr.UnitNo = 7;
    extension->ReaderCapabilities.SupportedProtocols = SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1;
    extension->ReaderCapabilities.ReaderType = SCARD_READER_TYPE_USB;
    extension->ReaderCapabilities.Channel = 5;
    extension->ReaderCapabilities.MechProperties = SCARD_READER_SWALLOWS;
    extension->ReaderCapabilities.CLKFrequency.Default = 3571;
    extension->ReaderCapabilities.CLKFrequency.Max = 14285;
    extension->ReaderCapabilities.DataRate.Default = 9600;
    extension->ReaderCapabilities.DataRate.Max = 115200;
    extension->ReaderCapabilities.MaxIFSD = 254;
    extension->ReaderCapabilities.PowerMgmtSupport = 1;
    extension->ReaderCapabilities.CurrentState = SCARD_PRESENT;
    for (unsigned i = 0; i < 16; i++)
        extension->ReaderFunction[i] = test_plan.callbacks[i];
}

static NTSTATUS test_add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT pdo)
{
    PDEVICE_OBJECT device = NULL;
    unsigned number = 0;

    while (number < TEST_READERS && readers[number] != NULL)
        number++;
    if (number == TEST_READERS)
        return STATUS_INSUFFICIENT_RESOURCES;
    NTSTATUS status =
        IoCreateDevice(driver, sizeof(struct test_reader), NULL, FILE_DEVICE_SMARTCARD, 0, FALSE, &device);
    if (status != STATUS_SUCCESS)
        return status;
    struct test_reader *reader = device->DeviceExtension;
    RtlZeroMemory(reader, sizeof(*reader));
    reader->device = device;
    KeInitializeTimer(&reader->timer);
    KeInitializeDpc(&reader->dpc, script_end, reader);
    test_fill(&reader->extension);
    status = SmartcardInitialize(&reader->extension);
    if (status != STATUS_SUCCESS)
        goto out_device;
    reader->extension.OsData->DeviceObject = device;
    SmartcardInitializeCardCapabilities(&reader->extension);
    RtlCopyMemory(reader->extension.CardCapabilities.ATR.Buffer, toy_atr, sizeof(toy_atr));
    reader->extension.CardCapabilities.ATR.Length = sizeof(toy_atr);
    SmartcardUpdateCardCapabilities(&reader->extension);
    reader->capabilities = reader->extension.CardCapabilities;
    test_reader_set(reader, test_plan.state, test_plan.state == SCARD_SPECIFIC ? SCARD_PROTOCOL_T1 : 0);
    status = IoRegisterDeviceInterface(pdo, &SmartCardReaderGuid, NULL, &reader->interface_name);
    if (status != STATUS_SUCCESS)
        goto out_library;
    reader->lower = IoAttachDeviceToDeviceStack(device, pdo);
    device->Flags |= DO_BUFFERED_IO;
#ifdef DO_NEVER_BLOCKS
    if (test_plan.never_blocks)
        device->Flags |= DO_NEVER_BLOCKS;
#endif
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    readers[number] = reader;
    return STATUS_SUCCESS;

out_library:
    SmartcardExit(&reader->extension);
out_device:
    IoDeleteDevice(device);
    return status;
}

static VOID test_unload(PDRIVER_OBJECT driver)
{
    (void)driver;
}

NTSTATUS TestDriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    (void)registry_path;
    driver->MajorFunction[IRP_MJ_CREATE] = test_create_close;
    driver->MajorFunction[IRP_MJ_CLOSE] = test_create_close;
    driver->MajorFunction[IRP_MJ_CLEANUP] = test_create_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = test_control;
    driver->MajorFunction[IRP_MJ_PNP] = test_pnp;
    driver->DriverExtension->AddDevice = test_add_device;
    driver->DriverUnload = test_unload;
    return STATUS_SUCCESS;
}
