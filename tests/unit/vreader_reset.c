/* SPDX-License-Identifier: MIT */
/*
 * Activation, reset and deactivation as the card sees them (ISO/IEC 7816-3:2006, 6.2 and 6.4). The kind of this program
 * takes the place of the registry's: it writes down what happens to it.
 */
#include "vreader_kit.h"

static char seen[64]; /* C and W: cold and warm reset; D: deactivation */
static UCHAR answer[2] = {0x3B, 0x00};

static VOID see(char what)
{
    size_t length = strlen(seen);

    assert_true(length + 1 < sizeof seen);
    seen[length] = what;
    seen[length + 1] = '\0';
}

static NTSTATUS create(const struct card_options *options, struct card_slot *slot, struct card **card, char *why,
                       ULONG why_size);

static VOID destroy(struct card *card)
{
    (void)card;
}

static NTSTATUS reset(struct card *card, BOOLEAN cold, ULONG ticket, UCHAR *atr, ULONG *length)
{
    (void)card;
    (void)ticket;
    see(cold ? 'C' : 'W');
    memcpy(atr, answer, sizeof answer);
    *length = sizeof answer;
    return STATUS_SUCCESS;
}

static VOID power_off(struct card *card)
{
    (void)card;
    see('D');
}

static NTSTATUS command(struct card *card, ULONG ticket, const UCHAR *apdu, ULONG apdu_length, UCHAR *response,
                        ULONG *length)
{
    (void)card;
    (void)ticket;
    (void)apdu;
    (void)apdu_length;
    (void)response;
    (void)length;
    return STATUS_IO_TIMEOUT;
}

static const struct card_kind kind = {
    .name = "diary", .create = create, .destroy = destroy, .reset = reset, .power_off = power_off, .command = command};
static struct card the_card = {&kind};

const struct card_kind *card_kind_find(const char *name, ULONG name_length)
{
    return name_length == 5 && memcmp(name, "diary", 5) == 0 ? &kind : NULL;
}

static NTSTATUS create(const struct card_options *options, struct card_slot *slot, struct card **card, char *why,
                       ULONG why_size)
{
    (void)options;
    (void)slot;
    (void)why;
    (void)why_size;
    *card = &the_card;
    return STATUS_SUCCESS;
}

static NTSTATUS power_it(struct rig *rig, ULONG how)
{
    UCHAR atr[33];
    size_t size;

    return power(rig->reader, how, atr, &size);
}

static void begin(struct rig *rig, UCHAR t0)
{
    seen[0] = '\0';
    answer[1] = t0;
    insert(rig, "diary");
}

static void warm_reset_keeps_the_power_on(void **state)
{
    struct rig *rig = *state;

    begin(rig, 0x00);
    assert_int_equal(power_it(rig, SCARD_COLD_RESET), STATUS_SUCCESS);
    assert_int_equal(power_it(rig, SCARD_WARM_RESET), STATUS_SUCCESS);
    assert_string_equal(seen, "CW");
    assert_int_equal(power_it(rig, SCARD_POWER_DOWN), STATUS_SUCCESS);
    assert_string_equal(seen, "CWD");
}

static void warm_reset_of_a_card_without_power_is_cold(void **state)
{
    struct rig *rig = *state;

    begin(rig, 0x00);
    assert_int_equal(power_it(rig, SCARD_WARM_RESET), STATUS_SUCCESS);
    assert_int_equal(power_it(rig, SCARD_POWER_DOWN), STATUS_SUCCESS);
    assert_int_equal(power_it(rig, SCARD_WARM_RESET), STATUS_SUCCESS);
    assert_string_equal(seen, "CDC");
}

static void card_with_a_bad_answer_is_deactivated(void **state)
{
    struct rig *rig = *state;

    begin(rig, 0x01); /* announces a historical byte that does not come */
    assert_int_equal(power_it(rig, SCARD_COLD_RESET), STATUS_UNRECOGNIZED_MEDIA);
    assert_string_equal(seen, "CD");
    answer[1] = 0x00;
    assert_int_equal(power_it(rig, SCARD_WARM_RESET), STATUS_SUCCESS);
    assert_string_equal(seen, "CDC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_rig(warm_reset_keeps_the_power_on),
        with_rig(warm_reset_of_a_card_without_power_is_cold),
        with_rig(card_with_a_bad_answer_is_deactivated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
