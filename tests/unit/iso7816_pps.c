/* SPDX-License-Identifier: MIT */
/* Protocol and parameters selection (ISO/IEC 7816-3:2006, clause 9), both sides. */
#include "iso7816_support.h"
#include "../../src/iso7816/pps.h"

static enum iso7816_pps_result check(const struct iso7816_pps *request, const char *response,
                                     struct iso7816_pps *agreed)
{
    uint8_t b[16], *copy;
    size_t size = hex(response, b, sizeof b);
    enum iso7816_pps_result result;

    copy = exact(b, size);
    result = iso7816_pps_check(request, copy, size, agreed);
    free(copy);
    return result;
}

static void request_is_ppss_pps0_options_pck(void **state)
{
    uint8_t b[ISO7816_PPS_MAX];
    struct iso7816_pps pps = {.protocol = 1};

    assert_bytes(b, iso7816_pps_build(&pps, b), "FF 01 FE");
    pps.has_pps1 = true;
    pps.pps1 = 0x96;
    assert_bytes(b, iso7816_pps_build(&pps, b), "FF 11 96 78");
    pps.has_pps2 = pps.has_pps3 = true;
    pps.pps2 = 0xC0;
    pps.pps3 = 0x05;
    assert_bytes(b, iso7816_pps_build(&pps, b), "FF 71 96 C0 05 DD");
}

static void length_follows_from_pps0(void **state)
{
    static const uint8_t none[] = {0xFF, 0x01}, all[] = {0xFF, 0x70}, middle[] = {0xFF, 0x20};

    assert_int_equal(iso7816_pps_expected(none, 0), 3);
    assert_int_equal(iso7816_pps_expected(none, 1), 3);
    assert_int_equal(iso7816_pps_expected(none, 2), 3);
    assert_int_equal(iso7816_pps_expected(middle, 2), 4);
    assert_int_equal(iso7816_pps_expected(all, 2), 6);
}

static void identical_response_agrees_to_all(void **state)
{
    struct iso7816_pps request = {.protocol = 1, .has_pps1 = true, .pps1 = 0x96}, agreed;

    assert_int_equal(check(&request, "FF 11 96 78", &agreed), ISO7816_PPS_OK);
    assert_true(agreed.has_pps1);
    assert_int_equal(agreed.pps1, 0x96);
    assert_int_equal(agreed.protocol, 1);
}

static void response_without_pps1_means_fd_and_dd(void **state)
{
    struct iso7816_pps request = {.protocol = 0, .has_pps1 = true, .pps1 = 0x96}, agreed;

    assert_int_equal(check(&request, "FF 00 FF", &agreed), ISO7816_PPS_OK);
    assert_false(agreed.has_pps1);
    assert_int_equal(agreed.pps1, 0x11);
}

static void response_may_leave_out_pps2_and_pps3(void **state)
{
    struct iso7816_pps request = {.has_pps2 = true, .pps2 = 0xC0, .has_pps3 = true, .pps3 = 5}, agreed;

    assert_int_equal(check(&request, "FF 20 C0 1F", &agreed), ISO7816_PPS_OK);
    assert_true(agreed.has_pps2);
    assert_false(agreed.has_pps3);
    assert_int_equal(check(&request, "FF 00 FF", &agreed), ISO7816_PPS_OK);
}

static void other_responses_are_refused(void **state)
{
    struct iso7816_pps request = {.protocol = 1, .has_pps1 = true, .pps1 = 0x96}, plain = {.protocol = 1}, agreed;

    assert_int_equal(check(&request, "FF 11 95 7B", &agreed), ISO7816_PPS_NOT_ECHOED);
    assert_int_equal(check(&request, "FF 10 96 79", &agreed), ISO7816_PPS_NOT_ECHOED);
    assert_int_equal(check(&plain, "FF 11 11 FF", &agreed), ISO7816_PPS_NOT_ECHOED);
    assert_int_equal(check(&plain, "FF 21 C0 1E", &agreed), ISO7816_PPS_NOT_ECHOED);
    assert_int_equal(check(&request, "FF 11 96 79", &agreed), ISO7816_PPS_BAD_PCK);
    assert_int_equal(check(&request, "FE 11 96 79", &agreed), ISO7816_PPS_BAD_PPSS);
    assert_int_equal(check(&request, "FF 91 96 F8", &agreed), ISO7816_PPS_BAD_PPS0);
    assert_int_equal(check(&request, "FF 11 96", &agreed), ISO7816_PPS_TOO_SHORT);
    assert_int_equal(check(&request, "FF", &agreed), ISO7816_PPS_TOO_SHORT);
    assert_int_equal(check(&request, "", &agreed), ISO7816_PPS_TOO_SHORT);
    assert_int_equal(check(&request, "FF 11 96 78 00", &agreed), ISO7816_PPS_TOO_LONG);
}

/* What a card with this ATR answers; "" for nothing. */
static void answers(const char *atr_text, const char *request, const char *response)
{
    struct iso7816_pps agreed;
    struct iso7816_atr atr;
    uint8_t a[33], r[16], out[ISO7816_PPS_MAX], *copy;
    size_t size = hex(atr_text, a, sizeof a);

    assert_int_equal(iso7816_atr_parse(a, size, &atr, NULL), ISO7816_ATR_OK);
    size = hex(request, r, sizeof r);
    copy = exact(r, size);
    assert_bytes(out, iso7816_pps_answer(&atr, copy, size, out, &agreed), response);
    free(copy);
}

static void card_echoes_rates_between_default_and_its_own(void **state)
{
    answers("3B 10 96", "FF 10 96 79", "FF 10 96 79");
    answers("3B 10 96", "FF 10 11 FE", "FF 10 11 FE");
    answers("3B 10 96", "FF 10 93 7C", "FF 10 93 7C");
    answers("3B 10 96", "FF 10 18 F7", "FF 10 18 F7"); /* D 12 is less than 32, though its index is greater */
    answers("3B 00", "FF 00 FF", "FF 00 FF");
}

static void card_leaves_out_rates_it_cannot(void **state)
{
    answers("3B 10 96", "FF 10 97 78", "FF 00 FF"); /* D 64 */
    answers("3B 10 96", "FF 10 A6 49", "FF 00 FF"); /* F 768 */
    answers("3B 10 96", "FF 10 90 7F", "FF 00 FF"); /* reserved Di */
    answers("3B 10 96", "FF 10 76 99", "FF 00 FF"); /* reserved Fi */
    answers("3B 00", "FF 10 96 79", "FF 00 FF");
    answers("3B 00", "FF 60 C0 05 5A", "FF 00 FF"); /* PPS2 and PPS3 */
}

static void card_is_mute_to_what_it_does_not_offer(void **state)
{
    answers("3B 00", "FF 01 FE", "");
    answers("3B 80 80 01 01", "FF 01 FE", "FF 01 FE");
    answers("3B 80 80 1F C7 D8", "FF 0F F0", "");
}

static void card_is_mute_to_wrong_requests(void **state)
{
    answers("3B 00", "FF 00 FE", "");
    answers("3B 00", "FE 00 FE", "");
    answers("3B 00", "FF 80 7F", "");
    answers("3B 00", "FF 00", "");
    answers("3B 00", "", "");
}

static void card_in_specific_mode_is_mute(void **state)
{
    answers("3B 80 10 80", "FF 00 FF", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_is_ppss_pps0_options_pck),
        cmocka_unit_test(length_follows_from_pps0),
        cmocka_unit_test(identical_response_agrees_to_all),
        cmocka_unit_test(response_without_pps1_means_fd_and_dd),
        cmocka_unit_test(response_may_leave_out_pps2_and_pps3),
        cmocka_unit_test(other_responses_are_refused),
        cmocka_unit_test(card_echoes_rates_between_default_and_its_own),
        cmocka_unit_test(card_leaves_out_rates_it_cannot),
        cmocka_unit_test(card_is_mute_to_what_it_does_not_offer),
        cmocka_unit_test(card_is_mute_to_wrong_requests),
        cmocka_unit_test(card_in_specific_mode_is_mute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
