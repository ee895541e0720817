/* SPDX-License-Identifier: MIT */
/* Words for numbers: statuses, control codes, layers, the version. Tables, nothing else. */
#include <smartcrd/smartcrd.h>

#include <stddef.h>

struct status_row {
    NTSTATUS status;
    const char *name;
    const char *text;
};

#define ROW(status, text)                                                                                              \
    {                                                                                                                  \
        status, #status, text                                                                                          \
    }

static const struct status_row statuses[] = {
    ROW(STATUS_SUCCESS, "it worked"),
    ROW(STATUS_ALREADY_COMPLETE, "the request had ended already; reap its completion"),
    ROW(STATUS_TIMEOUT, "nothing came in the time that was given; wait longer or look again later"),
    ROW(STATUS_PENDING, "the request is under way; its completion comes later"),
    ROW(STATUS_BUFFER_OVERFLOW, "the data does not fit in the buffer; give a larger one or send less"),
    ROW(STATUS_DEVICE_POWERED_OFF, "the reader is switched off; switch it on"),
    ROW(STATUS_DEVICE_BUSY, "the reader or its slot is in use; wait until it is free, then try again"),
    ROW(STATUS_NO_MORE_ENTRIES, "no completion waits and nothing is in flight"),
    ROW(STATUS_UNSUCCESSFUL, "the driver failed and gave no reason; look at the reader's journal"),
    ROW(STATUS_NOT_IMPLEMENTED, "the driver does not implement this request"),
    ROW(STATUS_INVALID_HANDLE, "this is no open handle"),
    ROW(STATUS_INVALID_PARAMETER, "an argument or the request's input makes no sense; check lengths and values"),
    ROW(STATUS_NO_SUCH_DEVICE, "there is no such device; list the readers"),
    ROW(STATUS_INVALID_DEVICE_REQUEST, "the reader does not know this request or this variant of it"),
    ROW(STATUS_UNRECOGNIZED_MEDIA, "the card's answer to reset is not valid; clean or turn the card, or try another"),
    ROW(STATUS_MORE_PROCESSING_REQUIRED, "the exchange is not finished; the driver goes on with it"),
    ROW(STATUS_ACCESS_DENIED, "the reader refuses access; it may be open exclusively elsewhere"),
    ROW(STATUS_BUFFER_TOO_SMALL, "the output buffer is too small; give a larger one"),
    ROW(STATUS_OBJECT_NAME_INVALID, "this is no valid name"),
    ROW(STATUS_OBJECT_NAME_NOT_FOUND, "there is nothing of that name; list the readers or load the driver first"),
    ROW(STATUS_OBJECT_NAME_COLLISION, "the name is in use already; choose another"),
    ROW(STATUS_DATA_OVERRUN, "more data came than was asked for"),
    ROW(STATUS_CRC_ERROR, "data arrived with a wrong checksum; try again, and check card and contacts"),
    ROW(STATUS_DELETE_PENDING, "the reader is being removed"),
    ROW(STATUS_PROCEDURE_NOT_FOUND, "the shared object exports no DriverEntry; it is no driver"),
    ROW(STATUS_INVALID_IMAGE_FORMAT, "the file is no shared object that can be loaded here"),
    ROW(STATUS_INSUFFICIENT_RESOURCES, "no memory or no thread could be had; close something and try again"),
    ROW(STATUS_NO_MEMORY, "no memory could be had; close something and try again"),
    ROW(STATUS_DEVICE_NOT_CONNECTED, "the reader is not connected; plug it in"),
    ROW(STATUS_DEVICE_POWER_FAILURE, "the card reports a programming voltage error; power it up again"),
    ROW(STATUS_DEVICE_NOT_READY, "the reader is not ready yet; try again in a moment"),
    ROW(STATUS_IO_TIMEOUT,
        "the card or the driver did not answer in time; try again, give more time, or reset the card"),
    ROW(STATUS_NOT_SUPPORTED, "the reader or its driver does not support this"),
    ROW(STATUS_INTERNAL_ERROR, "the protocol is in no state to go on; reset the card"),
    ROW(STATUS_CANCELLED, "the request was cancelled"),
    ROW(STATUS_NO_MEDIA, "there is no card in the reader; insert one"),
    ROW(STATUS_INVALID_DEVICE_STATE,
        "not possible in the reader's present state; insert and power the card, or select a protocol first"),
    ROW(STATUS_IO_DEVICE_ERROR, "the reader reports an error; unplug it and plug it in again"),
    ROW(STATUS_DEVICE_PROTOCOL_ERROR, "the card broke the transmission protocol; reset the card"),
    ROW(STATUS_NOT_FOUND, "there is no such request in flight or waiting to be reaped"),
    ROW(STATUS_DEVICE_REMOVED, "the reader has been removed; close it and open another"),
};

struct code_row {
    uint32_t code;
    const char *name;
};

#define CODE(code)                                                                                                     \
    {                                                                                                                  \
        code, #code                                                                                                    \
    }

static const struct code_row codes[] = {
    CODE(IOCTL_SMARTCARD_POWER),         CODE(IOCTL_SMARTCARD_GET_ATTRIBUTE), CODE(IOCTL_SMARTCARD_SET_ATTRIBUTE),
    CODE(IOCTL_SMARTCARD_CONFISCATE),    CODE(IOCTL_SMARTCARD_TRANSMIT),      CODE(IOCTL_SMARTCARD_EJECT),
    CODE(IOCTL_SMARTCARD_SWALLOW),       CODE(IOCTL_SMARTCARD_IS_PRESENT),    CODE(IOCTL_SMARTCARD_IS_ABSENT),
    CODE(IOCTL_SMARTCARD_SET_PROTOCOL),  CODE(IOCTL_SMARTCARD_GET_STATE),     CODE(IOCTL_SMARTCARD_GET_LAST_ERROR),
    CODE(IOCTL_SMARTCARD_GET_PERF_CNTR),
};

static const char *const layers[] = {
    [SMARTCRD_LAYER_HOST] = "host",           [SMARTCRD_LAYER_LIBRARY] = "library",
    [SMARTCRD_LAYER_PROTOCOL] = "protocol",   [SMARTCRD_LAYER_DRIVER] = "driver",
    [SMARTCRD_LAYER_TRANSPORT] = "transport", [SMARTCRD_LAYER_CARD] = "card",
};

static const struct status_row *find_status(NTSTATUS status)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].status == status)
            return &statuses[i];
    }
    return NULL;
}

const char *smartcrd_status_name(NTSTATUS status)
{
    const struct status_row *row = find_status(status);

    return row ? row->name : NULL;
}

const char *smartcrd_status_text(NTSTATUS status)
{
    const struct status_row *row = find_status(status);

    if (row)
        return row->text;
    if (NT_SUCCESS(status))
        return "it worked, with a status that has no words here";
    return NT_ERROR(status) ? "an error that has no words here; look the number up in ntstatus.h"
                            : "a warning that has no words here; look the number up in ntstatus.h";
}

const char *smartcrd_code_name(uint32_t code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == code)
            return codes[i].name;
    }
    return NULL;
}

const char *smartcrd_layer_name(enum smartcrd_layer layer)
{
    return (size_t)layer < sizeof(layers) / sizeof(layers[0]) ? layers[layer] : "unknown";
}

const char *smartcrd_version(void)
{
    return SMARTCRD_VERSION;
}
