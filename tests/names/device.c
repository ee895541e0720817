/* SPDX-License-Identifier: MIT */
/*
 * The driver's frame: entry, Plug and Play, files, and the way of a control code to the library and back through a
 * completion routine, as drivers do that keep count of what is on its way.
 */
#include "reader.h"

#define MESSAGE_NO_READER ((NTSTATUS)0xC0070001L) /* of the driver's own message file */

DRIVER_INITIALIZE DriverEntry;
static DRIVER_ADD_DEVICE AddDevice;
static DRIVER_DISPATCH DispatchControl, DispatchFile, DispatchPnp, DispatchOther;
static DRIVER_UNLOAD Unload;

#if DBG || DEBUG
static const struct {
    ULONG Code;
    const CHAR *Name;
} ControlCodes[] = {
    {IOCTL_SMARTCARD_POWER, "POWER"},
    {IOCTL_SMARTCARD_GET_ATTRIBUTE, "GET_ATTRIBUTE"},
    {IOCTL_SMARTCARD_SET_ATTRIBUTE, "SET_ATTRIBUTE"},
    {IOCTL_SMARTCARD_CONFISCATE, "CONFISCATE"},
    {IOCTL_SMARTCARD_TRANSMIT, "TRANSMIT"},
    {IOCTL_SMARTCARD_EJECT, "EJECT"},
    {IOCTL_SMARTCARD_SWALLOW, "SWALLOW"},
    {IOCTL_SMARTCARD_IS_PRESENT, "IS_PRESENT"},
    {IOCTL_SMARTCARD_IS_ABSENT, "IS_ABSENT"},
    {IOCTL_SMARTCARD_SET_PROTOCOL, "SET_PROTOCOL"},
    {IOCTL_SMARTCARD_GET_STATE, "GET_STATE"},
    {IOCTL_SMARTCARD_GET_LAST_ERROR, "GET_LAST_ERROR"},
    {IOCTL_SMARTCARD_GET_PERF_CNTR, "GET_PERF_CNTR"},
};

static const CHAR *ControlCodeName(ULONG Code)
{
    ULONG i;

    for (i = 0; i < sizeof(ControlCodes) / sizeof(ControlCodes[0]); i++) {
        if (ControlCodes[i].Code == Code) {
            return ControlCodes[i].Name;
        }
    }
    return "*** unknown ***";
}
#endif

/* ---- control codes ----------------------------------------------------------------------------------------------- */

static NTSTATUS ControlEnded(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    PDEVICE_EXTENSION Extension = Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    if (Irp->PendingReturned) {
        IoMarkIrpPending(Irp);
    }
    (VOID) InterlockedDecrement(&Extension->Requests);
    return STATUS_SUCCESS;
}

static NTSTATUS DispatchControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION Extension = DeviceObject->DeviceExtension;
    NTSTATUS Status;

    SmartcardDebug(
        DEBUG_TRACE,
        ("names: %s\n", ControlCodeName(IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode)));
    Irp->Tail.Overlay.DriverContext[0] = Extension;
    (VOID) InterlockedIncrement(&Extension->Requests);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, ControlEnded, Extension, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(Irp);
    Status = SmartcardDeviceControl(&Extension->SmartcardExtension, Irp);
    if (Status == STATUS_PENDING) { /* it has skipped the location that counts it */
        (VOID) InterlockedDecrement(&Extension->Requests);
    }
    return Status;
}

static NTSTATUS Finish(PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS DispatchFile(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION Extension = DeviceObject->DeviceExtension;

    switch (IoGetCurrentIrpStackLocation(Irp)->MajorFunction) {
    case IRP_MJ_CREATE:
        (VOID) InterlockedIncrement(&Extension->Opened);
        break;
    case IRP_MJ_CLOSE:
        (VOID) InterlockedDecrement(&Extension->Opened);
        break;
    default:
        ReaderEndTracking(&Extension->SmartcardExtension, IoGetCurrentIrpStackLocation(Irp)->FileObject,
                          STATUS_CANCELLED);
        break;
    }
    return Finish(Irp, STATUS_SUCCESS);
}

/* ---- Plug and Play ----------------------------------------------------------------------------------------------- */

static NTSTATUS PassDown(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(((PDEVICE_EXTENSION)DeviceObject->DeviceExtension)->LowerDevice, Irp);
}

static NTSTATUS LowerHasStarted(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    (VOID) KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS StartDevice(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION Extension = DeviceObject->DeviceExtension;
    NTSTATUS Status;
    KEVENT Started;

    KeInitializeEvent(&Started, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, LowerHasStarted, &Started, TRUE, TRUE, TRUE);
    Status = IoCallDriver(Extension->LowerDevice, Irp);
    if (Status == STATUS_PENDING) {
        (VOID) KeWaitForSingleObject(&Started, Executive, KernelMode, FALSE, NULL);
        Status = Irp->IoStatus.Status;
    }
    if (NT_SUCCESS(Status)) {
        Status = IoSetDeviceInterfaceState(&Extension->DeviceLink, TRUE);
    }
    return Finish(Irp, Status);
}

static VOID DeleteReader(PDEVICE_OBJECT DeviceObject)
{
    PDEVICE_EXTENSION Extension = DeviceObject->DeviceExtension;

    if (Extension->DeviceLink.Buffer != NULL) {
        RtlFreeUnicodeString(&Extension->DeviceLink);
    }
    if (Extension->LowerDevice != NULL) {
        IoDetachDevice(Extension->LowerDevice);
    }
    if (Extension->SmartcardExtension.ReaderExtension != NULL) {
        ExFreePoolWithTag(Extension->SmartcardExtension.ReaderExtension, SMARTCARD_POOL_TAG);
    }
    SmartcardExit(&Extension->SmartcardExtension);
    IoDeleteDevice(DeviceObject);
}

static NTSTATUS DispatchPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PDEVICE_EXTENSION Extension = DeviceObject->DeviceExtension;
    NTSTATUS Status;

    switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        return StartDevice(DeviceObject, Irp);
    case IRP_MN_SURPRISE_REMOVAL:
        ReaderEndTracking(&Extension->SmartcardExtension, NULL, STATUS_DEVICE_REMOVED);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        return PassDown(DeviceObject, Irp);
    case IRP_MN_REMOVE_DEVICE:
        ReaderEndTracking(&Extension->SmartcardExtension, NULL, STATUS_DEVICE_REMOVED);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        Status = PassDown(DeviceObject, Irp);
        DeleteReader(DeviceObject);
        return Status;
    default:
        return PassDown(DeviceObject, Irp);
    }
}

static NTSTATUS DispatchOther(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    return PassDown(DeviceObject, Irp);
}

/* ---- the reader -------------------------------------------------------------------------------------------------- */

/* It has no serial number of its own: the day on which it was found stands for one. */
static VOID MakeSerialNumber(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PUCHAR Text = SmartcardExtension->VendorAttr.IfdSerialNo.Buffer;
    PREADER_EXTENSION Reader = SmartcardExtension->ReaderExtension;
    TIME_FIELDS Fields;
    ULONG Day, i;

    KeQuerySystemTime(&Reader->Found);
    RtlTimeToTimeFields(&Reader->Found, &Fields);
    Day = (ULONG)Fields.Year * 10000 + (ULONG)Fields.Month * 100 + (ULONG)Fields.Day;
    for (i = 8; i > 0; i--, Day /= 10) {
        Text[i - 1] = (UCHAR)('0' + Day % 10);
    }
    SmartcardExtension->VendorAttr.IfdSerialNo.Length = 8;
}

static VOID Describe(PSMARTCARD_EXTENSION SmartcardExtension)
{
    static ULONG Rates[] = {9600, 19200, 38400};
    static const CHAR Vendor[] = "smartcrd", Type[] = "port reader";

    SmartcardExtension->Version = SMCLIB_VERSION;
    SmartcardExtension->ReaderFunction[RDF_CARD_POWER] = ReaderPower;
    SmartcardExtension->ReaderFunction[RDF_TRANSMIT] = ReaderTransmit;
    SmartcardExtension->ReaderFunction[RDF_CARD_TRACKING] = ReaderTracking;
    SmartcardExtension->ReaderFunction[RDF_SET_PROTOCOL] = ReaderSetProtocol;
    SmartcardExtension->ReaderFunction[RDF_IOCTL_VENDOR] = ReaderVendor;

    NT_ASSERT(sizeof(Type) - 1 <= MAXIMUM_ATTR_STRING_LENGTH);
    RtlCopyMemory(SmartcardExtension->VendorAttr.VendorName.Buffer, Vendor, sizeof(Vendor) - 1);
    SmartcardExtension->VendorAttr.VendorName.Length = sizeof(Vendor) - 1;
    RtlCopyMemory(SmartcardExtension->VendorAttr.IfdType.Buffer, Type, sizeof(Type) - 1);
    SmartcardExtension->VendorAttr.IfdType.Length = sizeof(Type) - 1;
    SmartcardExtension->VendorAttr.UnitNo = 0;
    SmartcardExtension->VendorAttr.IfdVersion.BuildNumber = 0;
    SmartcardExtension->VendorAttr.IfdVersion.VersionMajor = 1;
    SmartcardExtension->VendorAttr.IfdVersion.VersionMinor = 2;
    MakeSerialNumber(SmartcardExtension);

    SmartcardExtension->ReaderCapabilities.SupportedProtocols = SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1;
    SmartcardExtension->ReaderCapabilities.ReaderType = SCARD_READER_TYPE_PCMCIA;
    SmartcardExtension->ReaderCapabilities.MechProperties = 0;
    SmartcardExtension->ReaderCapabilities.Channel = 0;
    SmartcardExtension->ReaderCapabilities.CLKFrequency.Default = 4000;
    SmartcardExtension->ReaderCapabilities.CLKFrequency.Max = 4000;
    SmartcardExtension->ReaderCapabilities.DataRate.Default = 9600;
    SmartcardExtension->ReaderCapabilities.DataRate.Max = 38400;
    SmartcardExtension->ReaderCapabilities.DataRatesSupported.List = Rates;
    SmartcardExtension->ReaderCapabilities.DataRatesSupported.Entries = sizeof(Rates) / sizeof(Rates[0]);
    SmartcardExtension->ReaderCapabilities.MaxIFSD = 254;
    SmartcardExtension->ReaderCapabilities.CurrentState =
        ReaderHasCard(SmartcardExtension->ReaderExtension) ? (ULONG)SCARD_PRESENT : (ULONG)SCARD_ABSENT;

    SmartcardExtension->SmartcardRequest.BufferSize = MIN_BUFFER_SIZE;
    SmartcardExtension->SmartcardReply.BufferSize = MIN_BUFFER_SIZE;
}

static NTSTATUS MakeReader(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT DeviceObject)
{
    PDEVICE_EXTENSION Extension = DeviceObject->DeviceExtension;
    PSMARTCARD_EXTENSION SmartcardExtension = &Extension->SmartcardExtension;
    NTSTATUS Status;

    SmartcardExtension->ReaderExtension =
        ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(READER_EXTENSION), SMARTCARD_POOL_TAG);
    if (SmartcardExtension->ReaderExtension == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    SmartcardExtension->ReaderExtension->IoBase = (PUCHAR)(ULONG_PTR)PORT_BASE;
    if (!ReaderIsThere(SmartcardExtension->ReaderExtension)) {
        SmartcardLogError(DriverObject, MESSAGE_NO_READER, NULL, 0);
        return STATUS_NO_SUCH_DEVICE;
    }
    Describe(SmartcardExtension);
    Status = SmartcardInitialize(SmartcardExtension);
    if (NT_SUCCESS(Status)) {
        SmartcardExtension->OsData->DeviceObject = DeviceObject;
    }
    return Status;
}

static NTSTATUS AddDevice(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    PDEVICE_OBJECT DeviceObject;
    PDEVICE_EXTENSION Extension;
    NTSTATUS Status;

    Status = IoCreateDevice(DriverObject, sizeof(DEVICE_EXTENSION), NULL, FILE_DEVICE_SMARTCARD,
                            FILE_DEVICE_SECURE_OPEN, FALSE, &DeviceObject);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Extension = DeviceObject->DeviceExtension;
    Status = MakeReader(DriverObject, DeviceObject);
    if (NT_SUCCESS(Status)) {
        Extension->LowerDevice = IoAttachDeviceToDeviceStack(DeviceObject, PhysicalDeviceObject);
        Status = Extension->LowerDevice != NULL ? STATUS_SUCCESS : STATUS_NO_SUCH_DEVICE;
    }
    if (NT_SUCCESS(Status)) {
        Status = IoRegisterDeviceInterface(PhysicalDeviceObject, &SmartCardReaderGuid, NULL, &Extension->DeviceLink);
    }
    if (!NT_SUCCESS(Status)) {
        DeleteReader(DeviceObject);
        return Status;
    }
    DeviceObject->StackSize++; /* for the location that DispatchControl adds */
    DeviceObject->Flags |= DO_BUFFERED_IO;
    DeviceObject->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
#ifdef MODEL
    ModelPullOut();
#endif
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    ANSI_STRING Path;
    UNICODE_STRING Service;

    RtlInitUnicodeString(&Service, L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\names");
    if (RegistryPath == NULL) {
        RegistryPath = &Service;
    }
    if (NT_SUCCESS(RtlUnicodeStringToAnsiString(&Path, RegistryPath, TRUE))) {
        SmartcardDebug(DEBUG_DRIVER, ("names: %Z\n", &Path));
        RtlFreeAnsiString(&Path);
    }
#ifdef MODEL
    ModelPlugIn();
#endif
    DriverObject->DriverUnload = Unload;
    DriverObject->DriverExtension->AddDevice = AddDevice;
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DispatchFile;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = DispatchFile;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DispatchFile;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DispatchControl;
    DriverObject->MajorFunction[IRP_MJ_PNP] = DispatchPnp;
    DriverObject->MajorFunction[IRP_MJ_POWER] = DispatchOther;
    DriverObject->MajorFunction[IRP_MJ_SYSTEM_CONTROL] = DispatchOther;
    return STATUS_SUCCESS;
}
