/* SPDX-License-Identifier: MIT */
/*
 * The echo card, for measuring and for tests of protocols: it takes any command, gives the command's data back, or,
 * when there are none, Le bytes of a counting pattern (00 01 02 ... FF 00 ...), and 90 00.
 */
#include "card.h"
#include "../iso7816/apdu.h"

#define TAG 0x6F684345u

struct echo_card {
    struct card base;
    ULONG delay_ms;
};

/* T=0 and T=1, TA1 = 95, WI = 2, IFSC = 254, BWI = 1, CWI = 5; historical bytes "echo". */
static const UCHAR echo_atr[] = {0x3B, 0x94, 0x95, 0xC0, 0x02, 0x31, 0xFE, 0x15, 0x65, 0x63, 0x68, 0x6F, 0x18};

static NTSTATUS echo_create(const struct card_options *options, struct card_slot *slot, struct card **card, char *why,
                            ULONG why_size)
{
    static const char *const keys[] = {"delay", NULL};
    struct echo_card *echo;
    struct card_text text;
    const char *value;
    ULONG length, delay = 0;

    (void)slot;
    if (!card_options_known(options, keys, why, why_size)) {
        return STATUS_INVALID_PARAMETER;
    }
    if (card_option(options, "delay", &value, &length) && !card_number(value, length, 3600000, &delay)) {
        card_text_begin(&text, why, why_size);
        card_text_add(&text, "delay wants milliseconds, at most 3600000");
        return STATUS_INVALID_PARAMETER;
    }
    echo = ExAllocatePoolWithTag(NonPagedPool, sizeof *echo, TAG);
    if (echo == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    echo->base.kind = &card_echo;
    echo->delay_ms = delay;
    *card = &echo->base;
    return STATUS_SUCCESS;
}

static VOID echo_destroy(struct card *card)
{
    ExFreePoolWithTag(card, TAG);
}

static NTSTATUS echo_reset(struct card *card, BOOLEAN cold, ULONG ticket, UCHAR *atr, ULONG *length)
{
    (void)card;
    (void)cold;
    (void)ticket;
    RtlCopyMemory(atr, echo_atr, sizeof echo_atr);
    *length = sizeof echo_atr;
    return STATUS_SUCCESS;
}

static NTSTATUS echo_command(struct card *card, ULONG ticket, const UCHAR *apdu, ULONG apdu_length, UCHAR *response,
                             ULONG *length)
{
    struct iso7816_command command;
    ULONG size = 0;
    USHORT sw = 0x9000;
    ULONG i;

    (void)card;
    (void)ticket;
    if (!iso7816_command_parse(apdu, apdu_length, &command)) {
        sw = 0x6700;
    } else if (command.lc > 0) {
        size = command.has_le && command.le < command.lc ? command.le : command.lc;
        RtlMoveMemory(response, command.data, size);
    } else if (command.has_le) {
        size = command.le;
        for (i = 0; i < size; i++) {
            response[i] = (UCHAR)i;
        }
    }
    response[size] = (UCHAR)(sw >> 8);
    response[size + 1] = (UCHAR)(sw & 0xFF);
    *length = size + 2;
    return STATUS_SUCCESS;
}

static enum card_direction echo_direction(struct card *card, const UCHAR header[5])
{
    (void)card;
    return card_iso_direction(header);
}

static ULONG echo_delay(struct card *card)
{
    return ((struct echo_card *)card)->delay_ms;
}

const struct card_kind card_echo = {
    .name = "echo",
    .help = "gives each command's data back; delay=MS: the time it takes",
    .create = echo_create,
    .destroy = echo_destroy,
    .reset = echo_reset,
    .command = echo_command,
    .direction = echo_direction,
    .delay_ms = echo_delay,
};
