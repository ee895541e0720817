/* SPDX-License-Identifier: MIT */
/* See pending.h. */
#include "pending.h"

unsigned pending_ms;

struct pending {
    SMARTCARD_EXTENSION smartcard;
    KTIMER timer;
    KDPC dpc;
};

static VOID let_go(PKDPC dpc, PVOID context, PVOID first, PVOID second)
{
    struct pending *reader = context;
    PIRP irp = reader->smartcard.OsData->CurrentIrp;
    (void)dpc;
    (void)first;
    (void)second;
    reader->smartcard.OsData->CurrentIrp = NULL;
    smartcrd_store_last_error(&reader->smartcard, irp, STATUS_SUCCESS);
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
}

static NTSTATUS pending_eject(PSMARTCARD_EXTENSION smartcard)
{
    struct pending *reader = CONTAINING_RECORD(smartcard, struct pending, smartcard);
    LARGE_INTEGER due = {.QuadPart = -10000LL * pending_ms};
    IoMarkIrpPending(smartcard->OsData->CurrentIrp);
    if (pending_ms > 0) {
        KeSetTimer(&reader->timer, due, &reader->dpc);
    } else {
        KeInsertQueueDpc(&reader->dpc, NULL, NULL);
    }
    return STATUS_PENDING;
}

static NTSTATUS pending_dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    struct pending *reader = device->DeviceExtension;
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    if (stack->MajorFunction == IRP_MJ_DEVICE_CONTROL) {
        return SmartcardDeviceControl(&reader->smartcard, irp);
    }
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID pending_unload(PDRIVER_OBJECT driver)
{
    struct pending *reader = driver->DeviceObject->DeviceExtension;
    UNICODE_STRING link;
    RtlInitUnicodeString(&link, L"\\DosDevices\\SCReader0");
    IoDeleteSymbolicLink(&link);
    KeCancelTimer(&reader->timer);
    SmartcardExit(&reader->smartcard);
    IoDeleteDevice(driver->DeviceObject);
}

NTSTATUS pending_entry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    PDEVICE_OBJECT device;
    UNICODE_STRING name, link;
    (void)registry_path;
    driver->MajorFunction[IRP_MJ_CREATE] = pending_dispatch;
    driver->MajorFunction[IRP_MJ_CLEANUP] = pending_dispatch;
    driver->MajorFunction[IRP_MJ_CLOSE] = pending_dispatch;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = pending_dispatch;
    driver->DriverUnload = pending_unload;
    RtlInitUnicodeString(&name, L"\\Device\\Pending0");
    RtlInitUnicodeString(&link, L"\\DosDevices\\SCReader0");
    NTSTATUS status = IoCreateDevice(driver, sizeof(struct pending), &name, FILE_DEVICE_SMARTCARD, 0, FALSE, &device);
    if (status < 0) {
        return status;
    }
    struct pending *reader = device->DeviceExtension;
    device->Flags |= DO_BUFFERED_IO | DO_NEVER_BLOCKS;
    reader->smartcard.Version = SMCLIB_VERSION;
    reader->smartcard.SmartcardRequest.BufferSize = MIN_BUFFER_SIZE;
    reader->smartcard.SmartcardReply.BufferSize = MIN_BUFFER_SIZE;
    reader->smartcard.ReaderFunction[RDF_CARD_EJECT] = pending_eject;
    status = SmartcardInitialize(&reader->smartcard);
    if (status < 0) {
        IoDeleteDevice(device);
        return status;
    }
    reader->smartcard.OsData->DeviceObject = device;
    KeInitializeTimer(&reader->timer);
    KeInitializeDpc(&reader->dpc, let_go, reader);
    device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return IoCreateSymbolicLink(&link, &name);
}
