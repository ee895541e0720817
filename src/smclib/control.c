/* SPDX-License-Identifier: MIT */
/*
 * SmartcardDeviceControl: which request goes where, after which checks, in which order (smclib.md 3). What differs from
 * code to code is a row of the table below; what the handlers do beyond their row is what smclib.md 3.3 to 3.10 say.
 */
#include "private.h"

#include "../iso7816/apdu.h"

enum kind {
    REFUSED,   /* no such code: an operation that ends at once */
    QUERY,     /* answered at any time, changes nothing, not even the last error */
    TRACKING,  /* answered at any time; one can be pended besides the current operation */
    OPERATION, /* one at a time */
};

typedef NTSTATUS handler_fn(struct smclib_request *request);

struct control {
    UCHAR kind;
    UCHAR callback; /* RDF_..., or NO_CALLBACK */
    UCHAR least_state;
    UCHAR least_output;
    NTSTATUS without_callback;
    handler_fn *handler; /* NULL: the callback is all there is to it */
};

#define NO_CALLBACK 0xFF

static handler_fn get_state, get_attribute, set_attribute, track, power, set_protocol, transmit;

/* By function number; 15, GET_LAST_ERROR, never gets here. Checks go from left to right: callback, state, output, then the handler's own. */
static const struct control controls[] = {
    [1] = {OPERATION, RDF_CARD_POWER, SCARD_PRESENT, 0, STATUS_NOT_SUPPORTED, power},
    [2] = {QUERY, NO_CALLBACK, SCARD_UNKNOWN, 0, 0, get_attribute},
    [3] = {OPERATION, NO_CALLBACK, SCARD_UNKNOWN, 0, 0, set_attribute},
    [4] = {OPERATION, RDF_CARD_CONFISCATE, SCARD_UNKNOWN, 0, STATUS_NOT_SUPPORTED, NULL},
    [5] = {OPERATION, RDF_TRANSMIT, SCARD_SPECIFIC, 0, STATUS_NOT_SUPPORTED, transmit},
    [6] = {OPERATION, RDF_CARD_EJECT, SCARD_UNKNOWN, 0, STATUS_NOT_SUPPORTED, NULL},
    [7] = {OPERATION, RDF_READER_SWALLOW, SCARD_UNKNOWN, 0, STATUS_NOT_SUPPORTED, NULL},
    [10] = {TRACKING, RDF_CARD_TRACKING, SCARD_UNKNOWN, 0, STATUS_NOT_SUPPORTED, track},
    [11] = {TRACKING, RDF_CARD_TRACKING, SCARD_UNKNOWN, 0, STATUS_NOT_SUPPORTED, track},
    [12] = {OPERATION, RDF_SET_PROTOCOL, SCARD_PRESENT, 4, STATUS_NOT_SUPPORTED, set_protocol},
    [14] = {QUERY, NO_CALLBACK, SCARD_UNKNOWN, 4, 0, get_state},
    [16] = {QUERY, NO_CALLBACK, SCARD_UNKNOWN, 0, 0, NULL},
};

static const struct control vendor_control = {
    OPERATION, RDF_IOCTL_VENDOR, SCARD_UNKNOWN, 0, STATUS_INVALID_DEVICE_REQUEST, NULL};
static const struct control no_control = {REFUSED, NO_CALLBACK, SCARD_UNKNOWN, 0, 0, NULL};

#define FUNCTION(code) (((code) >> 2) & 0xFFFu)

/* SCARD_CTL_CODE of a function above 4095 reaches into the device type: what looks like function 0 to 3 of this device
 * is 0x8000 to 0x8003, and vendors do use these (smclib.md 1.1). */
#define FILE_DEVICE_SMARTCARD_OVERFLOW 0x33u

static const struct control *find(ULONG code)
{
    ULONG function = FUNCTION(code);

    if (code >> 14 == IOCTL_SMARTCARD_POWER >> 14 && function < sizeof(controls) / sizeof(controls[0])) {
        return &controls[function];
    }
    if (function >= 2048 || code >> 16 == FILE_DEVICE_SMARTCARD_OVERFLOW) {
        return &vendor_control;
    }
    return &no_control;
}

/* ---- queries ----------------------------------------------------------------------------------------------------- */

static ULONG current_state(PSMARTCARD_EXTENSION ext)
{
    ULONG state;
    KIRQL irql;

    KeAcquireSpinLock(&ext->OsData->SpinLock, &irql);
    state = ext->ReaderCapabilities.CurrentState;
    KeReleaseSpinLock(&ext->OsData->SpinLock, irql);
    return state;
}

static NTSTATUS get_state(struct smclib_request *request)
{
    ULONG state = current_state(request->ext);

    RtlCopyMemory(request->buffer, &state, sizeof(state));
    request->irp->IoStatus.Information = sizeof(state);
    return STATUS_SUCCESS;
}

static NTSTATUS get_attribute(struct smclib_request *request)
{
    return smclib_get_attribute(request);
}

/* ---- tracking: 3.3 ----------------------------------------------------------------------------------------------- */

static NTSTATUS track(struct smclib_request *request)
{
    PSMARTCARD_EXTENSION ext = request->ext;
    POS_DEP_DATA os = ext->OsData;
    NTSTATUS status = STATUS_PENDING;
    ULONG state;
    KIRQL irql;

    KeAcquireSpinLock(&os->SpinLock, &irql);
    state = ext->ReaderCapabilities.CurrentState;
    if (os->NotificationIrp != NULL) {
        status = STATUS_DEVICE_BUSY;
    } else if (state == SCARD_UNKNOWN) {
        status = STATUS_INVALID_DEVICE_STATE;
    } else if ((state > SCARD_ABSENT) == (request->code == IOCTL_SMARTCARD_IS_PRESENT)) {
        status = STATUS_SUCCESS;
    } else {
        os->NotificationIrp = request->irp;
    }
    KeReleaseSpinLock(&os->SpinLock, irql);

    if (status == STATUS_PENDING) {
        return host_call_reader(request->irp, ext, ext->ReaderFunction[RDF_CARD_TRACKING], RDF_CARD_TRACKING);
    }
    if (status == STATUS_DEVICE_BUSY) {
        host_step(request->irp, HOST_LAYER_LIBRARY, "another tracking request is pending");
    }
    return status;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static NTSTATUS call(struct smclib_request *request, ULONG callback)
{
    return host_call_reader(request->irp, request->ext, request->ext->ReaderFunction[callback], callback);
}

/* 3.9 */
static NTSTATUS set_attribute(struct smclib_request *request)
{
    if (request->minor != SCARD_ATTR_SUPRESS_T1_IFS_REQUEST) {
        return STATUS_NOT_SUPPORTED;
    }
    request->ext->T1.State = T1_START;
    return STATUS_SUCCESS;
}

/* 3.4: the card is forgotten even if a later check fails. */
static NTSTATUS power(struct smclib_request *request)
{
    SmartcardInitializeCardCapabilities(request->ext);
    switch (request->minor) {
    case SCARD_POWER_DOWN:
        break;
    case SCARD_COLD_RESET:
    case SCARD_WARM_RESET:
        if (request->out < SCARD_ATR_LENGTH) {
            return STATUS_BUFFER_TOO_SMALL;
        }
        break;
    default:
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    return call(request, RDF_CARD_POWER);
}

/* Set the state unless the card has left meanwhile. FALSE: it has. */
static BOOLEAN set_state(PSMARTCARD_EXTENSION ext, ULONG state)
{
    BOOLEAN present;
    KIRQL irql;

    KeAcquireSpinLock(&ext->OsData->SpinLock, &irql);
    present = ext->ReaderCapabilities.CurrentState > SCARD_ABSENT;
    if (present) {
        ext->ReaderCapabilities.CurrentState = state;
    }
    KeReleaseSpinLock(&ext->OsData->SpinLock, irql);
    return present;
}

/* 3.5 */
static NTSTATUS set_protocol(struct smclib_request *request)
{
    PSMARTCARD_EXTENSION ext = request->ext;
    SCARD_CARD_CAPABILITIES *card = &ext->CardCapabilities;
    ULONG mask = request->minor;

    if (current_state(ext) == SCARD_SPECIFIC && (mask & card->Protocol.Selected) != 0) {
        return STATUS_SUCCESS;
    }
    if (!set_state(ext, SCARD_NEGOTIABLE)) {
        return STATUS_INVALID_DEVICE_STATE;
    }
    if ((mask & SCARD_PROTOCOL_Tx) != 0) {
        card->PtsData.Type = (mask & SCARD_PROTOCOL_DEFAULT) != 0 ? PTS_TYPE_DEFAULT : PTS_TYPE_OPTIMAL;
        (void)smclib_update_card_capabilities(ext, TRUE); /* a bad ATR shows in Supported */
    } else if (ext->ReaderFunction[RDF_ATR_PARSE] != NULL) {
        NTSTATUS status = call(request, RDF_ATR_PARSE);

        if (status == STATUS_PENDING || !NT_SUCCESS(status)) {
            return status;
        }
    }
    if ((mask & card->Protocol.Supported) == 0) {
        card->Protocol.Selected = SCARD_PROTOCOL_UNDEFINED;
        (void)set_state(ext, SCARD_NEGOTIABLE);
        host_step(request->irp, HOST_LAYER_LIBRARY, "the card offers none of the wanted protocols");
        return STATUS_NOT_SUPPORTED;
    }
    return call(request, RDF_SET_PROTOCOL);
}

/* 3.6 */
static NTSTATUS transmit(struct smclib_request *request)
{
    PSMARTCARD_EXTENSION ext = request->ext;
    SCARD_IO_REQUEST pci;
    PUCHAR apdu;
    ULONG length;

    if (request->in < SMCLIB_PCI_LENGTH) {
        host_step(request->irp, HOST_LAYER_LIBRARY, "the input is shorter than SCARD_IO_REQUEST");
        return STATUS_INVALID_PARAMETER;
    }
    RtlCopyMemory(&pci, request->buffer, sizeof(pci));
    if (pci.dwProtocol != ext->CardCapabilities.Protocol.Selected) {
        host_step(request->irp, HOST_LAYER_LIBRARY, "not the protocol that is selected");
        return STATUS_INVALID_DEVICE_STATE;
    }
    smclib_private(ext)->t1_new_exchange = TRUE;
    smclib_private(ext)->secret =
        smclib_apdu(ext, &apdu, &length) && length >= 2 && iso7816_command_is_secret(apdu[0], apdu[1]);
    return call(request, RDF_TRANSMIT);
}

/* ---- the frame: 3.0 ---------------------------------------------------------------------------------------------- */

/* What the driver sees of a request. Under SpinLock, and only when no operation owns these fields. */
static void publish(const struct smclib_request *request)
{
    PSMARTCARD_EXTENSION ext = request->ext;

    ext->IoRequest.Information = (PULONG)(void *)&request->irp->IoStatus.Information;
    ext->IoRequest.RequestBuffer = request->buffer;
    ext->IoRequest.RequestBufferLength = request->in;
    ext->IoRequest.ReplyBuffer = request->buffer;
    ext->IoRequest.ReplyBufferLength = request->out;
    ext->MajorIoControlCode = request->code;
    ext->MinorIoControlCode = request->minor;
}

/*
 * The minor code: the input's first ULONG; a shorter input leaves the one before in force. Requests that run beside an
 * operation must not disturb what that operation's driver sees.
 *
 * take TRUE: make this request the current one. FALSE is returned when there is one already; then nothing has changed.
 */
static BOOLEAN begin(struct smclib_request *request, BOOLEAN take)
{
    PSMARTCARD_EXTENSION ext = request->ext;
    struct smclib_private *private = smclib_private(ext);
    BOOLEAN idle;
    KIRQL irql;

    KeAcquireSpinLock(&ext->OsData->SpinLock, &irql);
    idle = ext->OsData->CurrentIrp == NULL;
    request->minor = ext->MinorIoControlCode;
    if (request->in >= sizeof(ULONG)) {
        RtlCopyMemory(&request->minor, request->buffer, sizeof(ULONG));
    }
    if (idle) {
        publish(request);
        if (take) {
            private->card = ext->CardCapabilities;
            private->state = ext->ReaderCapabilities.CurrentState;
            ext->OsData->CurrentIrp = request->irp;
        }
    }
    KeReleaseSpinLock(&ext->OsData->SpinLock, irql);
    return idle;
}

static void end(PSMARTCARD_EXTENSION ext)
{
    KIRQL irql;

    KeAcquireSpinLock(&ext->OsData->SpinLock, &irql);
    ext->OsData->CurrentIrp = NULL;
    KeReleaseSpinLock(&ext->OsData->SpinLock, irql);
}

/* The table's checks, then the handler. */
static NTSTATUS serve(const struct control *control, struct smclib_request *request)
{
    PSMARTCARD_EXTENSION ext = request->ext;

    if (control->callback != NO_CALLBACK && ext->ReaderFunction[control->callback] == NULL) {
        host_step(request->irp, HOST_LAYER_LIBRARY, "the driver has no callback for this request");
        return control->without_callback;
    }
    if (control->least_state != SCARD_UNKNOWN) {
        ULONG state = current_state(ext);

        if (state < control->least_state) {
            host_step(request->irp, HOST_LAYER_LIBRARY, "%s",
                      state <= SCARD_ABSENT ? "the reader has no card" : "no protocol has been selected");
            return STATUS_INVALID_DEVICE_STATE;
        }
    }
    if (request->out < control->least_output) {
        host_step(request->irp, HOST_LAYER_LIBRARY, "the output buffer is too small");
        return STATUS_BUFFER_TOO_SMALL;
    }
    if (control->handler != NULL) {
        return control->handler(request);
    }
    return control->callback != NO_CALLBACK ? call(request, control->callback) : STATUS_INVALID_DEVICE_REQUEST;
}

/*
 * OsData->Mutex makes callbacks run one at a time: whoever comes while one runs waits; whoever comes while a request is
 * pended (CurrentIrp set, mutex free) is told that the device is busy. A callback that sends a request to its own
 * reader meets the latter too, because the mutex can be taken again by its owner.
 */
static NTSTATUS operate(const struct control *control, struct smclib_request *request)
{
    PSMARTCARD_EXTENSION ext = request->ext;
    NTSTATUS status = STATUS_DEVICE_BUSY;

    (void)KeWaitForSingleObject(&ext->OsData->Mutex, Executive, KernelMode, FALSE, NULL);
    if (begin(request, TRUE)) {
        smclib_exchange_over(ext); /* the driver may have ended one by itself */
        status = serve(control, request);
        if (status != STATUS_PENDING) {
            smclib_exchange_over(ext);
            end(ext);
        }
    } else {
        host_step(request->irp, HOST_LAYER_LIBRARY, "another operation is pending");
    }
    (void)KeReleaseMutex(&ext->OsData->Mutex, FALSE);
    return status;
}

static NTSTATUS complete(PSMARTCARD_EXTENSION ext, PIRP irp, UCHAR kind, NTSTATUS status)
{
    if (kind == QUERY) {
        (void)host_records_last_error(irp, &ext->LastError);
    } else {
        smartcrd_store_last_error(ext, irp, status);
    }
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

/*
 * GET_LAST_ERROR takes no lock, whatever the reader is doing (DESIGN section 4), and the shortest way: it is asked after
 * every failure. Windows 11's library refuses this request; its documentation promises it.
 */
static __inline NTSTATUS get_last_error(PSMARTCARD_EXTENSION ext, PIRP irp, ULONG out)
{
    PVOID buffer = irp->AssociatedIrp.SystemBuffer;
    ULONG last_error;

    if (buffer == NULL || out < sizeof(last_error)) {
        irp->IoStatus.Information = 0;
        return complete(ext, irp, QUERY, STATUS_BUFFER_TOO_SMALL);
    }
    (void)host_records_last_error(irp, &ext->LastError); /* shows the cell: a value kept elsewhere moves in */
    last_error = smclib_load(&ext->LastError);
    RtlCopyMemory(buffer, &last_error, sizeof(last_error));
    irp->IoStatus.Information = sizeof(last_error);
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

/* Every other request. */
static DECLSPEC_NOINLINE NTSTATUS device_control(PSMARTCARD_EXTENSION SmartcardExtension, PIRP Irp)
{
    const IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(Irp);
    struct smclib_request request = {
        .ext = SmartcardExtension,
        .irp = Irp,
        .buffer = Irp->AssociatedIrp.SystemBuffer,
        .in = stack->Parameters.DeviceIoControl.InputBufferLength,
        .out = stack->Parameters.DeviceIoControl.OutputBufferLength,
        .code = stack->Parameters.DeviceIoControl.IoControlCode,
    };
    const struct control *control;
    NTSTATUS status;

    if ((request.code & 3u) != METHOD_BUFFERED) {
        return complete(SmartcardExtension, Irp, REFUSED, STATUS_INVALID_PARAMETER);
    }
    if (request.buffer == NULL) {
        request.in = 0;
        request.out = 0;
    }
    control = find(request.code);
    if (control->kind != TRACKING) {
        Irp->IoStatus.Information = 0;
    }
    switch (control->kind) {
    case OPERATION:
        status = operate(control, &request);
        break;
    case QUERY:
    case TRACKING:
        (void)begin(&request, FALSE);
        status = serve(control, &request);
        break;
    default:
        (void)begin(&request, FALSE);
        status = STATUS_INVALID_DEVICE_REQUEST;
        host_step(Irp, HOST_LAYER_LIBRARY, "no such control code");
        break;
    }
    return status == STATUS_PENDING ? status : complete(SmartcardExtension, Irp, control->kind, status);
}

NTSTATUS SmartcardDeviceControl(PSMARTCARD_EXTENSION SmartcardExtension, PIRP Irp)
{
    const IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(Irp);

    if (stack->Parameters.DeviceIoControl.IoControlCode == IOCTL_SMARTCARD_GET_LAST_ERROR) {
        return get_last_error(SmartcardExtension, Irp, stack->Parameters.DeviceIoControl.OutputBufferLength);
    }
    return device_control(SmartcardExtension, Irp);
}
