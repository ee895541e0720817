/* SPDX-License-Identifier: MIT */
/* LRC, CRC and the inverse convention (edc.h). */
#include "iso7816_support.h"
#include "../../src/iso7816/edc.h"

static void lrc_is_the_exclusive_or_of_all_bytes(void **state)
{
    uint8_t b[8] = {0};

    assert_int_equal(iso7816_lrc(b, 0), 0x00);
    assert_int_equal(iso7816_lrc(b, hex("00 C1 01 FE", b, 8)), 0x3E);
    assert_int_equal(iso7816_lrc(b, hex("00 C1 01 20", b, 8)), 0xE0);
    assert_int_equal(iso7816_lrc(b, hex("01 02 04 08 10 20 40 80", b, 8)), 0xFF);
    assert_int_equal(iso7816_lrc((const uint8_t *)"ABCDEFGHIJKLMNOPQRS", 19), 0x40);
}

static void crc_is_that_of_iso_13239(void **state)
{
    uint8_t b[8] = {0};

    assert_int_equal(iso7816_crc(b, 0), 0xFFFF);
    assert_int_equal(iso7816_crc(b, hex("00 C1 01 FE", b, 8)), 0x544E);
    assert_int_equal(iso7816_crc(b, hex("00 E1 01 FE", b, 8)), 0x5775);
    assert_int_equal(iso7816_crc(b, hex("00 C0 00", b, 8)), 0xF399);
    /* The check value of this code over "123456789", known as CRC-16/MCRF4XX. */
    assert_int_equal(iso7816_crc((const uint8_t *)"123456789", 9), 0x6F91);
}

static void crc_a001_is_the_one_of_microsofts_library(void **state)
{
    uint8_t b[8] = {0};

    assert_int_equal(iso7816_crc_a001(b, 0), 0x0000);
    assert_int_equal(iso7816_crc_a001(b, hex("00 C1 01 FE", b, 8)), 0xECD1);
    assert_int_equal(iso7816_crc_a001(b, hex("31 32 33 34 35 36 37 38", b, 8)), 0x3C9D);
    /* The check value of this code over "123456789", known as CRC-16/ARC. */
    assert_int_equal(iso7816_crc_a001((const uint8_t *)"123456789", 9), 0xBB3D);
}

static void edc_is_appended_crc_high_byte_first(void **state)
{
    uint8_t b[8] = {0};
    size_t size = hex("00 C1 01 FE", b, 8);

    assert_bytes(b, iso7816_edc_append(b, size, ISO7816_EDC_LRC), "00 C1 01 FE 3E");
    assert_bytes(b, iso7816_edc_append(b, size, ISO7816_EDC_CRC), "00 C1 01 FE 54 4E");
    assert_bytes(b, iso7816_edc_append(b, size, ISO7816_EDC_CRC_A001), "00 C1 01 FE EC D1");
    assert_int_equal(iso7816_edc_size(ISO7816_EDC_LRC), 1);
    assert_int_equal(iso7816_edc_size(ISO7816_EDC_CRC), 2);
    assert_int_equal(iso7816_edc_size(ISO7816_EDC_CRC_A001), 2);
}

static void every_wrong_bit_is_found(void **state)
{
    static const enum iso7816_edc kinds[] = {ISO7816_EDC_LRC, ISO7816_EDC_CRC, ISO7816_EDC_CRC_A001};

    for (size_t k = 0; k < COUNT(kinds); k++) {
        uint8_t b[16];
        size_t size = iso7816_edc_append(b, hex("00 40 05 00 A4 04 00 00", b, 16), kinds[k]);

        assert_true(iso7816_edc_ok(b, size, kinds[k]));
        for (size_t bit = 0; bit < 8 * size; bit++) {
            b[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(iso7816_edc_ok(b, size, kinds[k]));
            b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void one_crc_is_not_the_other(void **state)
{
    uint8_t b[8];

    assert_true(iso7816_edc_ok(b, hex("00 E1 01 FE 57 75", b, 8), ISO7816_EDC_CRC));
    assert_false(iso7816_edc_ok(b, 6, ISO7816_EDC_CRC_A001));
    assert_true(iso7816_edc_ok(b, hex("00 E1 01 FE 26 D0", b, 8), ISO7816_EDC_CRC_A001));
    assert_false(iso7816_edc_ok(b, 6, ISO7816_EDC_CRC));
}

static void too_few_bytes_have_no_edc(void **state)
{
    uint8_t none[2] = {0xFF, 0xFF}, zero[2] = {0};

    assert_false(iso7816_edc_ok(zero, 0, ISO7816_EDC_LRC));
    assert_true(iso7816_edc_ok(zero, 1, ISO7816_EDC_LRC));
    assert_false(iso7816_edc_ok(zero, 0, ISO7816_EDC_CRC_A001));
    assert_false(iso7816_edc_ok(zero, 1, ISO7816_EDC_CRC_A001));
    assert_true(iso7816_edc_ok(zero, 2, ISO7816_EDC_CRC_A001));
    assert_false(iso7816_edc_ok(none, 0, ISO7816_EDC_CRC));
    assert_false(iso7816_edc_ok(none, 1, ISO7816_EDC_CRC));
    assert_true(iso7816_edc_ok(none, 2, ISO7816_EDC_CRC));
}

static void inverse_convention_turns_order_and_level(void **state)
{
    assert_int_equal(iso7816_invert(0x03), 0x3F);
    assert_int_equal(iso7816_invert(0x3F), 0x03);
    assert_int_equal(iso7816_invert(0x00), 0xFF);
    assert_int_equal(iso7816_invert(0x80), 0xFE);
    assert_int_equal(iso7816_invert(0x12), 0xB7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lrc_is_the_exclusive_or_of_all_bytes),
        cmocka_unit_test(crc_is_that_of_iso_13239),
        cmocka_unit_test(crc_a001_is_the_one_of_microsofts_library),
        cmocka_unit_test(edc_is_appended_crc_high_byte_first),
        cmocka_unit_test(every_wrong_bit_is_found),
        cmocka_unit_test(one_crc_is_not_the_other),
        cmocka_unit_test(too_few_bytes_have_no_edc),
        cmocka_unit_test(inverse_convention_turns_order_and_level),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
