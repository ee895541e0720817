/* SPDX-License-Identifier: MIT */
/* The usual requests with types: what they add to smartcrd_control is only the packing of buffers. */
#include "op.h"

#include <string.h>

NTSTATUS smartcrd_state(struct smartcrd_handle *handle, uint32_t *state)
{
    if (!handle || !state)
        return STATUS_INVALID_PARAMETER;
    return query_ulong(&handle->form, IOCTL_SMARTCARD_GET_STATE, state);
}

NTSTATUS smartcrd_attribute(struct smartcrd_handle *handle, uint32_t attribute, void *value, size_t *size)
{
    struct smartcrd_request request = {
        .code = IOCTL_SMARTCARD_GET_ATTRIBUTE, .in = &attribute, .in_size = sizeof(attribute), .out = value};

    if (!handle || !size || (!value && *size > 0))
        return STATUS_INVALID_PARAMETER;
    request.out_size = *size < OP_MAX_BUFFER ? *size : OP_MAX_BUFFER;
    return query_run(&handle->form, &request, size);
}

NTSTATUS smartcrd_power(struct smartcrd_handle *handle, uint32_t kind, uint8_t *atr, size_t *atr_size,
                        uint32_t timeout_ms)
{
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_POWER,
                                       .in = &kind,
                                       .in_size = sizeof(kind),
                                       .out = atr,
                                       .out_size = atr && atr_size ? *atr_size : 0,
                                       .timeout_ms = timeout_ms};
    size_t information;
    NTSTATUS status = smartcrd_control(handle, &request, &information);

    if (atr_size)
        *atr_size = information;
    return status;
}

/* The selected protocol; SCARD_PROTOCOL_UNDEFINED when none is. */
static uint32_t selected_protocol(struct smartcrd_handle *handle)
{
    uint32_t protocol = SCARD_PROTOCOL_UNDEFINED;
    size_t size = sizeof(protocol);

    if (!NT_SUCCESS(smartcrd_attribute(handle, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &protocol, &size)) ||
        size != sizeof(protocol))
        protocol = SCARD_PROTOCOL_UNDEFINED;
    return protocol;
}

NTSTATUS smartcrd_set_protocol(struct smartcrd_handle *handle, uint32_t mask, uint32_t *selected, uint32_t timeout_ms)
{
    uint32_t reply = 0;
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_SET_PROTOCOL,
                                       .in = &mask,
                                       .in_size = sizeof(mask),
                                       .out = &reply,
                                       .out_size = sizeof(reply),
                                       .timeout_ms = timeout_ms};
    size_t information;
    NTSTATUS status;

    if (!handle)
        return STATUS_INVALID_PARAMETER;
    handle_enter(handle); /* two requests: smartcrd_close must not come between them */
    status = smartcrd_control(handle, &request, &information);
    /* A protocol that was selected already: success, and an empty reply (smclib.md 3.5). */
    if (NT_SUCCESS(status) && information != sizeof(reply))
        reply = selected_protocol(handle);
    handle_leave(handle);
    if (selected)
        *selected = NT_SUCCESS(status) ? reply : 0;
    return status;
}

NTSTATUS request_transmit(struct smartcrd_handle *handle, const uint8_t *command, size_t size, uint8_t *reply,
                          size_t *reply_size, uint32_t timeout_ms, const void *holder)
{
    SCARD_IO_REQUEST header = {.dwProtocol = selected_protocol(handle), .cbPciLength = sizeof(header)};
    /* A raw reply has no header (smclib.md 5.4). */
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_TRANSMIT,
                                       .in = command,
                                       .in_size = size,
                                       .out = reply,
                                       .out_size = *reply_size,
                                       .timeout_ms = timeout_ms};
    struct call call = {.request = &request,
                        .prefix = (const uint8_t *)&header,
                        .prefix_size = sizeof(header),
                        .skip = header.dwProtocol == SCARD_PROTOCOL_RAW ? 0 : sizeof(header),
                        .holder = holder};

    return control_run(handle, &call, reply_size);
}

NTSTATUS smartcrd_transmit(struct smartcrd_handle *handle, const uint8_t *command, size_t size, uint8_t *reply,
                           size_t *reply_size, uint32_t timeout_ms)
{
    if (!handle || !reply_size || (!command && size > 0) || (!reply && *reply_size > 0))
        return STATUS_INVALID_PARAMETER;
    if (*reply_size > OP_MAX_BUFFER - sizeof(SCARD_IO_REQUEST))
        *reply_size = OP_MAX_BUFFER - sizeof(SCARD_IO_REQUEST);
    return request_transmit(handle, command, size, reply, reply_size, timeout_ms, NULL);
}
