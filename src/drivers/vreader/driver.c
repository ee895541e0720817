/* SPDX-License-Identifier: MIT */
/*
 * Entry and unload, and how a reader comes into being: a device object for the reader, one for its panel, their names,
 * and the library's extension filled in.
 *
 * With Plug and Play a reader comes with AddDevice. On Windows readers can also come with the service itself (service.c),
 * and each of them has an SCReader name too.
 */
#include "vreader.h"

#ifndef VREADER_ENTRY
#define VREADER_ENTRY VReaderDriverEntry
#endif
DRIVER_INITIALIZE VREADER_ENTRY;

/* The number of the next reader of each driver object: one on Windows; on POSIX one for each host of the process. More
 * drivers than places still work: a number that is taken is passed over. Interlocked access only. */
#define DRIVERS 16
static struct {
    PVOID volatile Driver;
    LONG volatile Next;
} drivers[DRIVERS];

static LONG volatile *next_number(PDRIVER_OBJECT Driver)
{
    static LONG volatile shared;
    ULONG i;

    for (i = 0; i < DRIVERS; i++) {
        if (InterlockedCompareExchangePointer(&drivers[i].Driver, NULL, NULL) == Driver) {
            return &drivers[i].Next;
        }
    }
    return &shared;
}

static VOID claim_numbers(PDRIVER_OBJECT Driver)
{
    ULONG i;

    for (i = 0; i < DRIVERS; i++) {
        if (InterlockedCompareExchangePointer(&drivers[i].Driver, Driver, NULL) == NULL) {
            InterlockedExchange(&drivers[i].Next, 0);
            return;
        }
    }
}

static VOID release_numbers(PDRIVER_OBJECT Driver)
{
    ULONG i;

    for (i = 0; i < DRIVERS; i++) {
        (void)InterlockedCompareExchangePointer(&drivers[i].Driver, NULL, Driver);
    }
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

#define NAME_CHARACTERS 48

struct name {
    UNICODE_STRING String;
    WCHAR Buffer[NAME_CHARACTERS];
};

/* Folder, "vreader", number, and "-panel" or nothing. */
static PUNICODE_STRING make_name(struct name *Name, PCWSTR Folder, ULONG Number, BOOLEAN Panel)
{
    UNICODE_STRING digits;
    WCHAR buffer[12];

    Name->String.Buffer = Name->Buffer;
    Name->String.Length = 0;
    Name->String.MaximumLength = sizeof Name->Buffer;
    digits.Buffer = buffer;
    digits.Length = 0;
    digits.MaximumLength = sizeof buffer;
    (void)RtlIntegerToUnicodeString(Number, 10, &digits);
    (void)RtlAppendUnicodeToString(&Name->String, Folder);
    (void)RtlAppendUnicodeToString(&Name->String, L"vreader");
    (void)RtlAppendUnicodeStringToString(&Name->String, &digits);
    if (Panel) {
        (void)RtlAppendUnicodeToString(&Name->String, L"-panel");
    }
    return &Name->String;
}

#define DEVICE_FOLDER L"\\Device\\"
#define LINK_FOLDER   L"\\DosDevices\\"

/* ---- a reader ---------------------------------------------------------------------------------------------------- */

/* What 4 MHz gives with F = 372 and 512 and the usual D. */
static ULONG data_rates[] = {10753, 21505, 43011, 86022, 129032, 172043, 215054, 344086, 688172,
                             7812,  15625, 31250, 62500, 93750,  125000, 156250, 250000, 500000};
static ULONG clocks[] = {VREADER_CLOCK_KHZ};

static VOID fill_extension(struct vreader_fdo *Fdo)
{
    static const char vendor[] = "smartcrd";
    static const char type[] = "Virtual Reader";
    PSMARTCARD_EXTENSION smartcard = &Fdo->Smartcard;
    SCARD_READER_CAPABILITIES *reader = &smartcard->ReaderCapabilities;

    smartcard->Version = SMCLIB_VERSION;
    smartcard->SmartcardRequest.BufferSize = VREADER_BUFFER;
    smartcard->SmartcardReply.BufferSize = VREADER_BUFFER;
    smartcard->ReaderFunction[RDF_CARD_POWER] = vreader_power;
    smartcard->ReaderFunction[RDF_SET_PROTOCOL] = vreader_set_protocol;
    smartcard->ReaderFunction[RDF_TRANSMIT] = vreader_transmit;
    smartcard->ReaderFunction[RDF_CARD_TRACKING] = vreader_tracking;
    smartcard->ReaderFunction[RDF_IOCTL_VENDOR] = vreader_vendor;
    smartcard->VendorAttr.VendorName.Length = sizeof vendor - 1;
    RtlCopyMemory(smartcard->VendorAttr.VendorName.Buffer, vendor, sizeof vendor - 1);
    smartcard->VendorAttr.IfdType.Length = sizeof type - 1;
    RtlCopyMemory(smartcard->VendorAttr.IfdType.Buffer, type, sizeof type - 1);
    smartcard->VendorAttr.UnitNo = Fdo->Device.Number;
    smartcard->VendorAttr.IfdVersion.VersionMajor = 1;
    reader->SupportedProtocols = SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1 | SCARD_PROTOCOL_RAW;
    reader->ReaderType = SCARD_READER_TYPE_VENDOR;
    reader->Channel = Fdo->Device.Number;
    reader->CurrentState = SCARD_ABSENT;
    reader->CLKFrequency.Default = VREADER_CLOCK_KHZ;
    reader->CLKFrequency.Max = VREADER_CLOCK_KHZ;
    reader->CLKFrequenciesSupported.List = clocks;
    reader->CLKFrequenciesSupported.Entries = sizeof clocks / sizeof clocks[0];
    reader->DataRate.Default = 10753;
    reader->DataRate.Max = 688172;
    reader->DataRatesSupported.List = data_rates;
    reader->DataRatesSupported.Entries = sizeof data_rates / sizeof data_rates[0];
    reader->MaxIFSD = 254;
    smartcard->ReaderExtension = &Fdo->Reader;
}

/* The device object with the first number that is free. */
static NTSTATUS create_device(PDRIVER_OBJECT Driver, PDEVICE_OBJECT *Object, ULONG *Number)
{
    LONG volatile *next = next_number(Driver);
    NTSTATUS status = STATUS_OBJECT_NAME_COLLISION;
    struct name name;
    ULONG tries;

    for (tries = 0; tries < 100000 && status == STATUS_OBJECT_NAME_COLLISION; tries++) {
        *Number = (ULONG)InterlockedExchangeAdd(next, 1);
        status = IoCreateDevice(Driver, sizeof(struct vreader_fdo), make_name(&name, DEVICE_FOLDER, *Number, FALSE),
                                FILE_DEVICE_SMARTCARD, 0, FALSE, Object);
    }
    return status;
}

static NTSTATUS create_panel(PDRIVER_OBJECT Driver, struct vreader_fdo *Fdo)
{
    struct vreader_panel *panel;
    struct name device, link;
    NTSTATUS status = IoCreateDevice(Driver, sizeof(struct vreader_panel),
                                     make_name(&device, DEVICE_FOLDER, Fdo->Device.Number, TRUE), FILE_DEVICE_UNKNOWN,
                                     0, FALSE, &Fdo->PanelObject);

    if (!NT_SUCCESS(status)) {
        Fdo->PanelObject = NULL;
        return status;
    }
    panel = Fdo->PanelObject->DeviceExtension;
    panel->Device.Kind = VREADER_PANEL;
    panel->Device.Number = Fdo->Device.Number;
    KeInitializeSpinLock(&panel->Lock);
    panel->Fdo = Fdo;
    status = IoCreateSymbolicLink(make_name(&link, LINK_FOLDER, Fdo->Device.Number, TRUE), &device.String);
    Fdo->PanelLinked = NT_SUCCESS(status);
    return status;
}

static VOID ready(PDEVICE_OBJECT Object)
{
    Object->Flags |= DO_BUFFERED_IO;
#ifdef DO_NEVER_BLOCKS
    Object->Flags |= DO_NEVER_BLOCKS;
#endif
    Object->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
}

/* By which programs find the reader. */
static NTSTATUS create_links(struct vreader_fdo *Fdo)
{
    struct name device, link;
    NTSTATUS status = IoCreateSymbolicLink(make_name(&link, LINK_FOLDER, Fdo->Device.Number, FALSE),
                                           make_name(&device, DEVICE_FOLDER, Fdo->Device.Number, FALSE));

    Fdo->Linked = NT_SUCCESS(status);
#ifdef _WIN32
    /* The name that the resource manager of old, and programs like it, look for. */
    if (NT_SUCCESS(status)) {
        status = SmartcardCreateLink(&Fdo->Link, &device.String);
        if (!NT_SUCCESS(status)) {
            Fdo->Link.Buffer = NULL;
        }
    }
#endif
    return status;
}

VOID vreader_ready(struct vreader_fdo *Fdo)
{
    ready(Fdo->PanelObject);
    ready(Fdo->Self);
}

NTSTATUS vreader_create_reader(PDRIVER_OBJECT Driver, PDEVICE_OBJECT *Object)
{
    struct vreader_fdo *fdo;
    ULONG number;
    NTSTATUS status = create_device(Driver, Object, &number);

    if (!NT_SUCCESS(status)) {
        *Object = NULL;
        return status;
    }
    fdo = (*Object)->DeviceExtension;
    RtlZeroMemory(fdo, sizeof *fdo);
    fdo->Device.Kind = VREADER_READER;
    fdo->Device.Number = number;
    fdo->Self = *Object;
    fill_extension(fdo);
    fdo->Reader.Smartcard = &fdo->Smartcard;
    vreader_op_init(&fdo->Reader);
    fdo->Reader.Worker = IoAllocateWorkItem(*Object);
    status = fdo->Reader.Worker != NULL ? SmartcardInitialize(&fdo->Smartcard) : STATUS_INSUFFICIENT_RESOURCES;
    fdo->LibraryReady = NT_SUCCESS(status);
    if (NT_SUCCESS(status)) {
        fdo->Smartcard.OsData->DeviceObject = *Object;
        status = vreader_timers_create(&fdo->Reader);
    }
    if (NT_SUCCESS(status)) {
        status = create_panel(Driver, fdo);
    }
    if (NT_SUCCESS(status)) {
        status = create_links(fdo);
    }
    if (!NT_SUCCESS(status)) {
        vreader_delete_reader(fdo);
        *Object = NULL;
    }
    return status;
}

/* Undo whatever of it was done. Nothing runs on it any more but, perhaps, a timer's DPC. */
VOID vreader_delete_reader(struct vreader_fdo *Fdo)
{
    struct name name;

    if (Fdo->PanelObject != NULL) {
        struct vreader_panel *panel = Fdo->PanelObject->DeviceExtension;
        KIRQL irql;

        KeAcquireSpinLock(&panel->Lock, &irql);
        panel->Fdo = NULL;
        KeReleaseSpinLock(&panel->Lock, irql);
        if (Fdo->PanelLinked) {
            IoDeleteSymbolicLink(make_name(&name, LINK_FOLDER, Fdo->Device.Number, TRUE));
        }
        IoDeleteDevice(Fdo->PanelObject);
    }
    if (Fdo->LibraryReady) {
        vreader_slot_destroy(&Fdo->Reader);
    }
    vreader_timers_delete(&Fdo->Reader);
    if (Fdo->Interface.Buffer != NULL) {
        IoSetDeviceInterfaceState(&Fdo->Interface, FALSE);
        RtlFreeUnicodeString(&Fdo->Interface);
    }
    if (Fdo->Link.Buffer != NULL) {
        SmartcardDeleteLink(&Fdo->Link);
        ExFreePool(Fdo->Link.Buffer);
    }
    if (Fdo->Linked) {
        IoDeleteSymbolicLink(make_name(&name, LINK_FOLDER, Fdo->Device.Number, FALSE));
    }
    if (Fdo->LibraryReady) {
        SmartcardExit(&Fdo->Smartcard);
    }
    if (Fdo->Reader.Worker != NULL) {
        IoFreeWorkItem(Fdo->Reader.Worker);
    }
    if (Fdo->Lower != NULL) {
        IoDetachDevice(Fdo->Lower);
    }
    IoDeleteDevice(Fdo->Self);
}

NTSTATUS vreader_add_device(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    struct vreader_fdo *fdo;
    PDEVICE_OBJECT object;
    NTSTATUS status = vreader_create_reader(DriverObject, &object);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    fdo = object->DeviceExtension;
    status = IoRegisterDeviceInterface(PhysicalDeviceObject, &SmartCardReaderGuid, NULL, &fdo->Interface);
    if (NT_SUCCESS(status)) {
        fdo->Lower = IoAttachDeviceToDeviceStack(object, PhysicalDeviceObject);
        status = fdo->Lower != NULL ? STATUS_SUCCESS : STATUS_NO_SUCH_DEVICE;
    }
    if (!NT_SUCCESS(status)) {
        vreader_delete_reader(fdo);
        return status;
    }
    object->Flags |= fdo->Lower->Flags & (DO_POWER_PAGABLE | DO_POWER_INRUSH);
    vreader_ready(fdo);
    return STATUS_SUCCESS;
}

/* ---- the driver -------------------------------------------------------------------------------------------------- */

static VOID unload(PDRIVER_OBJECT DriverObject)
{
#ifdef _WIN32
    vreader_stop_service(DriverObject);
#endif
    release_numbers(DriverObject);
}

NTSTATUS VREADER_ENTRY(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    NTSTATUS status = STATUS_SUCCESS;

#ifndef _WIN32
    UNREFERENCED_PARAMETER(RegistryPath);
#endif
    DriverObject->MajorFunction[IRP_MJ_CREATE] = vreader_create_close;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = vreader_create_close;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = vreader_cleanup;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = vreader_device_control;
    DriverObject->MajorFunction[IRP_MJ_PNP] = vreader_pnp;
    DriverObject->MajorFunction[IRP_MJ_POWER] = vreader_pass_power;
    DriverObject->MajorFunction[IRP_MJ_SYSTEM_CONTROL] = vreader_pass_system_control;
    DriverObject->DriverExtension->AddDevice = vreader_add_device;
    DriverObject->DriverUnload = unload;
    claim_numbers(DriverObject);
#ifdef _WIN32
    status = vreader_start_service(DriverObject, RegistryPath);
    if (!NT_SUCCESS(status)) {
        release_numbers(DriverObject);
    }
#endif
    return status;
}
