/* SPDX-License-Identifier: MIT */
/*
 * Command APDUs of any kind over whichever protocol is selected. Over T=1 that is one TRANSMIT; over T=0 it is several
 * (iso7816's state machine says which), between which no other operation of the reader may come: the exchange holds
 * the reader's turn (queue.c) until it is over.
 */
#include "op.h"

#include "park.h"

#include "../iso7816/apdu.h"

#include <string.h>

/* What is left of the time for the whole exchange. */
static uint32_t time_left(struct smartcrd *context, uint64_t until)
{
    uint64_t now = nt_time(context->host);
    uint64_t left;

    if (until == PARK_FOR_EVER)
        return SMARTCRD_NO_TIMEOUT;
    left = until > now ? (until - now + 999999u) / 1000000u : 0; /* never earlier than the caller said */
    return left < SMARTCRD_NO_TIMEOUT ? (uint32_t)left : SMARTCRD_NO_TIMEOUT - 1;
}

static NTSTATUS exchange_t0(struct smartcrd_handle *handle, const uint8_t *command, size_t size, uint8_t *reply,
                            size_t *reply_size, uint64_t until)
{
    struct iso7816_apdu_t0 apdu;
    uint8_t answer[256 + 2];
    NTSTATUS status = STATUS_SUCCESS;
    enum iso7816_apdu_t0_action action = iso7816_apdu_t0_start(&apdu, command, size, reply, *reply_size);
    bool started = action == ISO7816_APDU_T0_SEND;

    *reply_size = 0;
    while (NT_SUCCESS(status) && action == ISO7816_APDU_T0_SEND) {
        size_t answer_size = sizeof(answer);
        status = request_transmit(handle, apdu.tpdu, apdu.tpdu_size, answer, &answer_size,
                                  time_left(handle->context, until), &apdu);
        if (NT_SUCCESS(status))
            action = iso7816_apdu_t0_reply(&apdu, answer, answer_size);
    }
    op_pass_on(queue_release(handle->reader, &apdu));
    if (NT_SUCCESS(status) && action == ISO7816_APDU_T0_DONE)
        *reply_size = apdu.response_size;
    else if (NT_SUCCESS(status))
        status = started ? STATUS_DEVICE_PROTOCOL_ERROR : STATUS_INVALID_PARAMETER;
    explicit_bzero(&apdu, sizeof(apdu));
    explicit_bzero(answer, sizeof(answer));
    return status;
}

NTSTATUS smartcrd_apdu(struct smartcrd_handle *handle, const uint8_t *command, size_t size, uint8_t *reply,
                       size_t *reply_size, uint32_t timeout_ms)
{
    uint32_t protocol = 0;
    size_t protocol_size = sizeof(protocol);
    struct nt_held before;
    NTSTATUS status;

    if (!handle || !reply_size || (!command && size > 0) || (!reply && *reply_size > 0))
        return STATUS_INVALID_PARAMETER;
    before = context_hold(handle->context); /* one call: nobody moves the clock between its exchanges */
    handle_enter(handle);
    status = smartcrd_attribute(handle, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &protocol, &protocol_size);
    if (NT_SUCCESS(status) && protocol_size == sizeof(protocol) && protocol == SCARD_PROTOCOL_T0)
        status = exchange_t0(handle, command, size, reply, reply_size, park_until(handle->context, timeout_ms));
    else /* T=1, or no protocol, which the library refuses with the right status */
        status = smartcrd_transmit(handle, command, size, reply, reply_size, timeout_ms);
    handle_leave(handle);
    context_release(before);
    return status;
}
