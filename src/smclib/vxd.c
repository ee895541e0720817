/* SPDX-License-Identifier: MIT */
/*
 * The documentation describes some requests in terms of Windows 9x' DIOCPARAMETERS (smclib.md 3.1): this entry keeps
 * that contract. GET_LAST_ERROR is answered on the spot; everything else becomes an IRP and goes the way of all IRPs.
 */
#include "private.h"

static NTSTATUS ended(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    (void)KeSetEvent(context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static NTSTATUS get_last_error(PSMARTCARD_EXTENSION ext, const DIOCPARAMETERS *params, ULONG *returned)
{
    ULONG last_error = smclib_load(&ext->LastError);

    if (params->cbOutBuffer < sizeof(last_error)) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    RtlCopyMemory(params->lpvOutBuffer, &last_error, sizeof(last_error));
    *returned = sizeof(last_error);
    return STATUS_SUCCESS;
}

static NTSTATUS send_irp(PSMARTCARD_EXTENSION ext, const DIOCPARAMETERS *params, ULONG *returned)
{
    SIZE_T size = params->cbInBuffer > params->cbOutBuffer ? params->cbInBuffer : params->cbOutBuffer;
    PIRP irp = IoAllocateIrp(1, FALSE);
    PUCHAR buffer = size != 0 ? smclib_allocate(size) : NULL;
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
    PIO_STACK_LOCATION stack;
    ULONG_PTR information;
    KEVENT event;

    if (irp == NULL || (size != 0 && buffer == NULL)) {
        goto out;
    }
    if (params->cbInBuffer != 0) {
        RtlCopyMemory(buffer, params->lpvInBuffer, params->cbInBuffer);
    }
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp->AssociatedIrp.SystemBuffer = buffer;
    irp->IoStatus.Information = 0;
    stack = IoGetNextIrpStackLocation(irp);
    stack->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    stack->Parameters.DeviceIoControl.IoControlCode = params->dwIoControlCode;
    stack->Parameters.DeviceIoControl.InputBufferLength = params->cbInBuffer;
    stack->Parameters.DeviceIoControl.OutputBufferLength = params->cbOutBuffer;
    IoSetCompletionRoutine(irp, ended, &event, TRUE, TRUE, TRUE);
    IoSetNextIrpStackLocation(irp);
    (void)SmartcardDeviceControl(ext, irp);
    (void)KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);

    status = irp->IoStatus.Status;
    information = irp->IoStatus.Information;
    if (NT_SUCCESS(status)) {
        *returned = information < params->cbOutBuffer ? (ULONG)information : params->cbOutBuffer;
        if (*returned != 0) {
            RtlCopyMemory(params->lpvOutBuffer, buffer, *returned);
        }
    }
out:
    smclib_free(buffer, size);
    if (irp != NULL) {
        IoFreeIrp(irp);
    }
    return status;
}

NTSTATUS smartcrd_device_control_vxd(PSMARTCARD_EXTENSION SmartcardExtension, PDIOCPARAMETERS DiocParams)
{
    ULONG returned = 0;
    NTSTATUS status = STATUS_INVALID_PARAMETER;

    if ((DiocParams->cbInBuffer == 0 || DiocParams->lpvInBuffer != NULL) &&
        (DiocParams->cbOutBuffer == 0 || DiocParams->lpvOutBuffer != NULL)) {
        status = DiocParams->dwIoControlCode == IOCTL_SMARTCARD_GET_LAST_ERROR
                     ? get_last_error(SmartcardExtension, DiocParams, &returned)
                     : send_irp(SmartcardExtension, DiocParams, &returned);
    }
    if (DiocParams->lpcbBytesReturned != NULL) {
        *DiocParams->lpcbBytesReturned = returned;
    }
    return status;
}
