/* SPDX-License-Identifier: MIT */
/*
 * T=0 with cards that cannot tell which way a command's data go: the instruction byte decides then. The kinds of this
 * program take the place of the registry's.
 */
#include "vreader_kit.h"

static NTSTATUS create(const struct card_options *options, struct card_slot *slot, struct card **card, char *why,
                       ULONG why_size);
static VOID destroy(struct card *card);
static NTSTATUS reset(struct card *card, BOOLEAN cold, ULONG ticket, UCHAR *atr, ULONG *length);
static NTSTATUS command(struct card *card, ULONG ticket, const UCHAR *apdu, ULONG apdu_length, UCHAR *response,
                        ULONG *length);

static enum card_direction no_telling(struct card *card, const UCHAR header[5])
{
    (void)card;
    (void)header;
    return CARD_UNKNOWN;
}

static const struct card_kind kinds[] = {
    {.name = "silent", .create = create, .destroy = destroy, .reset = reset, .command = command},
    {.name = "unknown",
     .create = create,
     .destroy = destroy,
     .reset = reset,
     .command = command,
     .direction = no_telling},
};
static struct card cards[] = {{&kinds[0]}, {&kinds[1]}};
static const struct card_kind *wanted;

const struct card_kind *card_kind_find(const char *name, ULONG name_length)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strlen(kinds[i].name) == name_length && memcmp(kinds[i].name, name, name_length) == 0) {
            wanted = &kinds[i];
            return wanted;
        }
    }
    return NULL;
}

static NTSTATUS create(const struct card_options *options, struct card_slot *slot, struct card **card, char *why,
                       ULONG why_size)
{
    (void)options;
    (void)slot;
    (void)why;
    (void)why_size;
    *card = &cards[wanted - kinds];
    return STATUS_SUCCESS;
}

static VOID destroy(struct card *card)
{
    (void)card;
}

static NTSTATUS reset(struct card *card, BOOLEAN cold, ULONG ticket, UCHAR *atr, ULONG *length)
{
    (void)card;
    (void)cold;
    (void)ticket;
    memcpy(atr, "\x3B\x00", 2);
    *length = 2;
    return STATUS_SUCCESS;
}

/* READ BINARY of two bytes gives them, anything else tells how long it was. */
static NTSTATUS command(struct card *card, ULONG ticket, const UCHAR *apdu, ULONG apdu_length, UCHAR *response,
                        ULONG *length)
{
    (void)card;
    (void)ticket;
    if (apdu_length == 5 && apdu[1] == 0xB0) {
        memcpy(response, "\x0A\x0B\x90\x00", 4);
        *length = 4;
    } else {
        response[0] = 0x91;
        response[1] = (UCHAR)apdu_length;
        *length = 2;
    }
    return STATUS_SUCCESS;
}

static void the_instruction_decides(void **state)
{
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        insert(rig, kinds[i].name);
        connect(rig, T0);
        exchange(rig, T0, "00 B0 00 00 02", "0A 0B 90 00");
        exchange(rig, T0, "00 D6 00 00 02 AA BB", "91 07");
        assert_int_equal(say(rig->panel, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_rig(the_instruction_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
