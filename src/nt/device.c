/* SPDX-License-Identifier: MIT */
/*
 * Device objects: making, stacking and deleting them. One allocation holds the device object, the host's part and the
 * driver's extension.
 */
#include "internal.h"
#include "verify/verify.h"

#include <search.h>
#include <stdlib.h>

struct block {
    DEVICE_OBJECT object;
    struct nt_device device;
    _Alignas(16) unsigned char extension[];
};

/* Where the calling thread lists the devices that it makes. */
static __thread struct nt_device **hiding;

void devices_hide(struct nt_device **list)
{
    *list = NULL;
    hiding = list;
}

void devices_show(struct nt_host *host, struct nt_device **list)
{
    hiding = NULL;
    pthread_mutex_lock(&host->names_lock);
    for (struct nt_device *device = *list; device != NULL; device = device->hidden_next) {
        device->hidden_in = NULL;
    }
    pthread_mutex_unlock(&host->names_lock);
}

static int by_number(const void *left, const void *right)
{
    uint32_t a = ((const struct nt_device *)left)->number, b = ((const struct nt_device *)right)->number;

    return (a > b) - (a < b);
}

PDEVICE_OBJECT device_numbered(const struct nt_driver *driver, uint32_t number)
{
    struct nt_device key = {.number = number};
    struct nt_device *const *node = tfind(&key, &driver->by_number, by_number);

    return node != NULL ? (*node)->object : NULL;
}

/* Give it a number and enter it in its driver's list and the host's. With names_lock held. */
static NTSTATUS enter(struct nt_device *device)
{
    struct nt_driver *driver = device->driver;

    device->number = driver->next_number;
    if (tsearch(device, &driver->by_number, by_number) == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    driver->next_number++;
    InterlockedIncrement(&driver->devices);
    device->object->NextDevice = driver->object.DeviceObject;
    if (driver->object.DeviceObject != NULL) {
        driver->object.DeviceObject->Reserved->newer = device->object;
    }
    driver->object.DeviceObject = device->object;
    InsertTailList(&device->host->devices, &device->all);
    if (hiding != NULL) {
        device->hidden_in = hiding;
        device->hidden_next = *hiding;
        *hiding = device;
    }
    return STATUS_SUCCESS;
}

NTSTATUS IoCreateDevice(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize, PUNICODE_STRING DeviceName,
                        DEVICE_TYPE DeviceType, ULONG DeviceCharacteristics, BOOLEAN Exclusive,
                        PDEVICE_OBJECT *DeviceObject)
{
    struct nt_driver *driver = DriverObject->Reserved;
    struct nt_host *host = driver->host;
    char text[NAME_BYTES_MAX + 1];
    struct block *block;
    NTSTATUS status = STATUS_SUCCESS;

    VERIFY_CALLED();
    *DeviceObject = NULL;
    if (DeviceName != NULL) {
        status = name_from_wide(DeviceName, text);
        if (!NT_SUCCESS(status)) {
            return status;
        }
    }
    block = calloc(1, sizeof(*block) + DeviceExtensionSize);
    if (block == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    block->object = (DEVICE_OBJECT){
        .Type = IO_TYPE_DEVICE,
        .Size = (USHORT)sizeof(DEVICE_OBJECT),
        .ReferenceCount = 1,
        .DriverObject = DriverObject,
        .Flags = DO_DEVICE_INITIALIZING | (Exclusive ? (ULONG)DO_EXCLUSIVE : 0) |
                 (DeviceName != NULL ? (ULONG)DO_DEVICE_HAS_NAME : 0),
        .Characteristics = DeviceCharacteristics,
        .DeviceExtension = DeviceExtensionSize != 0 ? block->extension : NULL,
        .DeviceType = DeviceType,
        .StackSize = 1,
        .Reserved = &block->device,
    };
    block->device = (struct nt_device){.host = host,
                                       .driver = driver,
                                       .object = &block->object,
                                       .references = 1,
                                       .extension_size = DeviceExtensionSize};

    pthread_mutex_lock(&host->names_lock);
    if (DeviceName != NULL) {
        status = name_add(host, NAME_DEVICE, text, NULL, &block->device.name);
    }
    if (NT_SUCCESS(status)) {
        status = enter(&block->device);
        if (block->device.name != NULL && NT_SUCCESS(status)) {
            block->device.name->device = &block->object;
            name_choose_link(host, &block->object); /* made before it, maybe */
        } else if (block->device.name != NULL) {
            name_remove(host, block->device.name);
        }
    }
    if (NT_SUCCESS(status)) {
        *DeviceObject = &block->object;
    }
    pthread_mutex_unlock(&host->names_lock);
    if (!NT_SUCCESS(status)) {
        free(block);
    }
    return status;
}

/* With names_lock held. */
static void forget(PDEVICE_OBJECT object)
{
    struct nt_device *device = object->Reserved;

    if (device->newer != NULL) {
        device->newer->NextDevice = object->NextDevice;
    } else {
        object->DriverObject->DeviceObject = object->NextDevice;
    }
    if (object->NextDevice != NULL) {
        object->NextDevice->Reserved->newer = device->newer;
    }
    object->NextDevice = NULL;
    device->newer = NULL;
    tdelete(device, &device->driver->by_number, by_number);
    RemoveEntryList(&device->all);
    if (device->hidden_in != NULL) {
        struct nt_device **hidden = device->hidden_in;

        while (*hidden != device) {
            hidden = &(*hidden)->hidden_next;
        }
        *hidden = device->hidden_next;
        device->hidden_in = NULL;
    }
    if (device->lower != NULL) {
        device->lower->AttachedDevice = NULL;
        device->lower = NULL;
    }
    if (object->AttachedDevice != NULL) {
        object->AttachedDevice->Reserved->lower = NULL;
        object->AttachedDevice = NULL;
    }
    device->link = NULL; /* links outlive it, and lead to the next device of that name */
    if (device->name != NULL) {
        name_remove(device->host, device->name);
        device->name = NULL;
    }
    while (device->interfaces != NULL) {
        struct name *next = device->interfaces->sibling;

        name_remove(device->host, device->interfaces);
        device->interfaces = next;
    }
}

VOID IoDeleteDevice(PDEVICE_OBJECT DeviceObject)
{
    struct nt_device *device;
    struct nt_host *host;

    VERIFY_CALLED();
    if (DeviceObject == NULL || DeviceObject->Type != IO_TYPE_DEVICE || DeviceObject->Reserved->deleted) {
        host_fail(__func__, "%p is no device object, or was deleted before", (void *)DeviceObject);
    }
    device = DeviceObject->Reserved;
    host = device->host;
    pthread_mutex_lock(&host->names_lock);
    device->deleted = true;
    forget(DeviceObject);
    pthread_mutex_unlock(&host->names_lock);
    device_release(DeviceObject);
}

void device_release(PDEVICE_OBJECT device)
{
    struct nt_driver *driver = device->Reserved->driver;

    if (InterlockedDecrement(&device->Reserved->references) == 0) {
        device->Type = 0;
        free(device);
        InterlockedDecrement(&driver->devices);
    }
}

void driver_delete_devices(struct nt_driver *driver)
{
    while (driver->object.DeviceObject != NULL) {
        IoDeleteDevice(driver->object.DeviceObject);
    }
}

/* ---- stacks ------------------------------------------------------------------------------------------------------ */

PDEVICE_OBJECT device_top(PDEVICE_OBJECT device)
{
    while (device->AttachedDevice != NULL) {
        device = device->AttachedDevice;
    }
    return device;
}

PDEVICE_OBJECT device_bottom(PDEVICE_OBJECT device)
{
    while (device->Reserved->lower != NULL) {
        device = device->Reserved->lower;
    }
    return device;
}

PDEVICE_OBJECT IoAttachDeviceToDeviceStack(PDEVICE_OBJECT SourceDevice, PDEVICE_OBJECT TargetDevice)
{
    struct nt_host *host = TargetDevice->Reserved->host;
    PDEVICE_OBJECT top;

    VERIFY_CALLED();
    pthread_mutex_lock(&host->names_lock);
    top = device_top(TargetDevice);
    if (TargetDevice->Reserved->deleted || top->StackSize == INT8_MAX || SourceDevice->Reserved->lower != NULL) {
        top = NULL;
    } else {
        top->AttachedDevice = SourceDevice;
        SourceDevice->Reserved->lower = top;
        SourceDevice->StackSize = (CCHAR)(top->StackSize + 1);
    }
    pthread_mutex_unlock(&host->names_lock);
    return top;
}

VOID IoDetachDevice(PDEVICE_OBJECT TargetDevice)
{
    struct nt_host *host = TargetDevice->Reserved->host;

    VERIFY_CALLED();
    pthread_mutex_lock(&host->names_lock);
    if (TargetDevice->AttachedDevice == NULL) {
        host_fail(__func__, "nothing is attached to the device object at %p", (void *)TargetDevice);
    }
    TargetDevice->AttachedDevice->Reserved->lower = NULL;
    TargetDevice->AttachedDevice = NULL;
    pthread_mutex_unlock(&host->names_lock);
}

PDEVICE_OBJECT IoGetAttachedDeviceReference(PDEVICE_OBJECT DeviceObject)
{
    struct nt_host *host = DeviceObject->Reserved->host;
    PDEVICE_OBJECT top;

    VERIFY_CALLED();
    pthread_mutex_lock(&host->names_lock);
    top = device_top(DeviceObject);
    ObReferenceObject(top);
    pthread_mutex_unlock(&host->names_lock);
    return top;
}

POWER_STATE PoSetPowerState(PDEVICE_OBJECT DeviceObject, POWER_STATE_TYPE Type, POWER_STATE State)
{
    return (POWER_STATE){.DeviceState = PowerDeviceD0}; /* the state before: devices here are always on */
}
