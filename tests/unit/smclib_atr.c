/* SPDX-License-Identifier: MIT */
/* What SmartcardUpdateCardCapabilities makes of an ATR: the data points of smclib.md 5.2. */
#include "smclib_support.h"

static struct reader *reader;
#define CARD (&reader->ext.CardCapabilities)

static int up(void **unused)
{
    (void)unused;
    reader = full_reader(SCARD_PRESENT);
    return 0;
}

static int down(void **unused)
{
    (void)unused;
    free_reader(reader);
    return 0;
}

/* ---- what fails -------------------------------------------------------------------------------------------------- */

static void too_short_or_a_wrong_ts_fails_and_leaves_supported_raw(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B), STATUS_UNRECOGNIZED_MEDIA);
    assert_int_equal(CARD->Protocol.Supported, SCARD_PROTOCOL_RAW);
    assert_int_equal(LOAD_ATR(reader, 0x3C, 0x00), STATUS_UNRECOGNIZED_MEDIA);
    assert_int_equal(CARD->Protocol.Supported, SCARD_PROTOCOL_RAW);
    assert_int_equal(state_of(reader), SCARD_PRESENT);
}

static void the_length_must_fit_exactly(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x02, 0x14, 0x50), STATUS_SUCCESS);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x02, 0x14), STATUS_UNRECOGNIZED_MEDIA);
    assert_int_equal(CARD->Protocol.Supported, 0);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x02, 0x14, 0x50, 0x00), STATUS_UNRECOGNIZED_MEDIA);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0xF0), STATUS_UNRECOGNIZED_MEDIA);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x80), STATUS_UNRECOGNIZED_MEDIA);
}

static void a_tck_is_needed_with_any_protocol_but_t0_and_must_be_right(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x01, 0x81), STATUS_SUCCESS);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x01, 0x80), STATUS_UNRECOGNIZED_MEDIA);
    assert_int_equal(CARD->Protocol.Supported, 0);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x01), STATUS_UNRECOGNIZED_MEDIA);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x00), STATUS_SUCCESS);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x00, 0x80), STATUS_UNRECOGNIZED_MEDIA); /* T=0 has none */
}

static void reserved_f_or_d_fails(void **unused)
{
    static const UCHAR bad[] = {0x71, 0x1A, 0x10, 0xE1, 0x8F};
    static const UCHAR good[] = {0x11, 0x97, 0x18, 0x19, 0x01, 0xD5};

    (void)unused;
    for (size_t i = 0; i < sizeof(bad); i++) {
        assert_int_equal(LOAD_ATR(reader, 0x3B, 0x10, bad[i]), STATUS_UNRECOGNIZED_MEDIA);
        assert_int_equal(CARD->Protocol.Supported, 0);
    }
    for (size_t i = 0; i < sizeof(good); i++) {
        assert_int_equal(LOAD_ATR(reader, 0x3B, 0x10, good[i]), STATUS_SUCCESS);
    }
}

static void more_than_33_bytes_are_no_atr(void **unused)
{
    static const UCHAR group[4] = {0x11, 0x00, 0x00, 0xF0};
    UCHAR atr[37] = {0x3B, 0xFF};

    (void)unused;
    for (size_t i = 0; i < 5; i++) { /* each TDi announces the next group, and 15 historical characters follow */
        memcpy(atr + 2 + 4 * i, group, 4);
    }
    atr[17] = 0x00; /* the fourth is the last: 33 bytes */
    assert_int_equal(load_atr(reader, atr, 33), STATUS_SUCCESS);
    atr[17] = 0xF0;
    atr[21] = 0x00;
    assert_int_equal(load_atr(reader, atr, 37), STATUS_UNRECOGNIZED_MEDIA);
}

/* Each TDi of T=0 announces the next one, up to the 32 characters behind TS. */
static void groups_of_interface_bytes_may_fill_the_atr(void **unused)
{
    UCHAR atr[33] = {0x3B, 0x80};

    (void)unused;
    memset(atr + 2, 0x80, 30);
    assert_int_equal(load_atr(reader, atr, 33), STATUS_SUCCESS);
    assert_int_equal(CARD->Protocol.Supported, SCARD_PROTOCOL_RAW | SCARD_PROTOCOL_T0);
    atr[32] = 0x80; /* announces one more that cannot be there */
    assert_int_equal(load_atr(reader, atr, 33), STATUS_UNRECOGNIZED_MEDIA);
}

static void an_atr_of_any_length_is_survived(void **unused)
{
    (void)unused;
    for (unsigned length = 0; length <= 255; length++) {
        SmartcardInitializeCardCapabilities(&reader->ext);
        memset(CARD->ATR.Buffer, 0xFF, sizeof(CARD->ATR.Buffer));
        CARD->ATR.Buffer[0] = 0x3B;
        CARD->ATR.Length = (UCHAR)length;
        assert_int_equal(SmartcardUpdateCardCapabilities(&reader->ext), STATUS_UNRECOGNIZED_MEDIA);
        /* 5.2: only an ATR that is too short, or with a wrong TS, leaves RAW there */
        assert_int_equal(CARD->Protocol.Supported, length < 2 ? SCARD_PROTOCOL_RAW : 0);
    }
}

static void an_inverted_atr_of_any_length_is_survived(void **unused)
{
    (void)unused;
    for (unsigned length = 2; length <= 255; length++) {
        SmartcardInitializeCardCapabilities(&reader->ext);
        memset(CARD->ATR.Buffer, 0xFF, sizeof(CARD->ATR.Buffer));
        memset(&CARD->HistoricalChars, FILLER, sizeof(CARD->HistoricalChars));
        CARD->ATR.Buffer[0] = 0x03;
        CARD->ATR.Buffer[1] = 0x03; /* 3F: groups and 15 historical bytes announced */
        CARD->ATR.Length = (UCHAR)length;
        assert_int_equal(SmartcardUpdateCardCapabilities(&reader->ext), STATUS_UNRECOGNIZED_MEDIA);
        assert_int_equal(CARD->ATR.Length, length);
        assert_int_equal(CARD->HistoricalChars.Buffer[0], FILLER); /* what lies behind the buffer is not inverted */
        assert_int_equal(CARD->Protocol.Supported, 0);
    }
}

/* ---- convention -------------------------------------------------------------------------------------------------- */

static void ts_03_inverts_the_atr_in_place(void **unused)
{
    /* 3F 02 14 50 as it arrives when read with the direct convention */
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x03, 0xBF, 0xD7, 0xF5), STATUS_SUCCESS);
    assert_memory_equal(CARD->ATR.Buffer, "\x3F\x02\x14\x50", 4);
    assert_true(CARD->InversConvention);
    assert_int_equal(SmartcardUpdateCardCapabilities(&reader->ext), STATUS_SUCCESS); /* once more changes nothing */
    assert_true(CARD->InversConvention);
    assert_memory_equal(CARD->ATR.Buffer, "\x3F\x02\x14\x50", 4);
}

static void ts_3b_is_direct_whatever_the_card_before_was(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x03, 0xBF, 0xD7, 0xF5), STATUS_SUCCESS);
    assert_true(CARD->InversConvention);
    memcpy(CARD->ATR.Buffer, "\x3B\x00", 2); /* a driver that forgets to forget the card before */
    CARD->ATR.Length = 2;
    assert_int_equal(SmartcardUpdateCardCapabilities(&reader->ext), STATUS_SUCCESS);
    assert_false(CARD->InversConvention);
}

static void ts_3f_counts_as_decoded_and_sets_no_convention(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3F, 0x02, 0x14, 0x50), STATUS_SUCCESS);
    assert_false(CARD->InversConvention);
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static void defaults_at_3571_khz(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x03, 'a', 'b', 'c'), STATUS_SUCCESS);
    assert_int_equal(CARD->Fl, 1);
    assert_int_equal(CARD->Dl, 1);
    assert_int_equal(CARD->II, 0);
    assert_int_equal(CARD->P, 50);
    assert_int_equal(CARD->N, 0);
    assert_int_equal(CARD->GT, 0);
    assert_int_equal(CARD->etu, 105);
    assert_int_equal(CARD->T0.WI, 10);
    assert_int_equal(CARD->T0.WT, 1008001);
    assert_int_equal(CARD->PtsData.StopBits, 2);
    assert_int_equal(CARD->HistoricalChars.Length, 3);
    assert_memory_equal(CARD->HistoricalChars.Buffer, "abc", 3);
    assert_int_equal(CARD->Protocol.Supported, SCARD_PROTOCOL_RAW | SCARD_PROTOCOL_T0);
    assert_int_equal(CARD->Protocol.Selected, SCARD_PROTOCOL_T0);
    assert_int_equal(state_of(reader), SCARD_SPECIFIC);
}

static void tb1_tb2_and_tc1_are_ii_p_and_n(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x60, 0x7F, 0x02), STATUS_SUCCESS);
    assert_int_equal(CARD->II, 1);
    assert_int_equal(CARD->P, 54);
    assert_int_equal(CARD->N, 2);
    assert_int_equal(CARD->GT, 210);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0xA0, 0x25, 0x20, 0x99), STATUS_SUCCESS); /* TB1, TD1, TB2 */
    assert_int_equal(CARD->P, 0x99);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x40, 0xFF), STATUS_SUCCESS);
    assert_int_equal(CARD->N, 255);
    assert_int_equal(CARD->GT, 0);
    assert_int_equal(CARD->PtsData.StopBits, 1);
}

static void tc2_is_wi_of_t0(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x40, 0x14), STATUS_SUCCESS);
    assert_int_equal(CARD->T0.WI, 0x14);
    assert_int_equal(CARD->T0.WT, 1 + 960 * 20 * 105);
}

static void t1_defaults(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x01, 0x81), STATUS_SUCCESS);
    assert_int_equal(CARD->T1.IFSC, 32);
    assert_int_equal(CARD->T1.CWI, 13);
    assert_int_equal(CARD->T1.BWI, 4);
    assert_int_equal(CARD->T1.EDC, 0);
    assert_int_equal(CARD->T1.CWT, 861316);
    assert_int_equal(CARD->T1.BWT, 2755001);
    assert_int_equal(CARD->T1.BGT, 0);
    assert_int_equal(CARD->T0.WT, 0);
    assert_int_equal(CARD->Protocol.Supported, SCARD_PROTOCOL_RAW | SCARD_PROTOCOL_T1);
    assert_int_equal(CARD->Protocol.Selected, SCARD_PROTOCOL_T1);
    assert_int_equal(state_of(reader), SCARD_SPECIFIC);
}

static void t1_parameters_come_from_the_first_group_that_has_them(void **unused)
{
    (void)unused;
    /* TD1 = 81, TD2 = 71: TA3 FE, TB3 45, TC3 01 */
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x81, 0x71, 0xFE, 0x45, 0x01, 0xCA), STATUS_SUCCESS);
    assert_int_equal(CARD->T1.IFSC, 0xFE);
    assert_int_equal(CARD->T1.BWI, 4);
    assert_int_equal(CARD->T1.CWI, 5);
    assert_int_equal(CARD->T1.EDC, 1);
    assert_int_equal(state_of(reader), SCARD_NEGOTIABLE); /* several TDi */
    /* TD1 = 61: TB2 and TC2 are BWI/CWI and EDC already */
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x61, 0x36, 0x01, 0xD6), STATUS_SUCCESS);
    assert_int_equal(CARD->T1.BWI, 3);
    assert_int_equal(CARD->T1.CWI, 6);
    assert_int_equal(CARD->T1.EDC, 1);
    /* 0 means the default */
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x81, 0x31, 0x00, 0x00, 0x30), STATUS_SUCCESS);
    assert_int_equal(CARD->T1.IFSC, 32);
    assert_int_equal(CARD->T1.BWI, 4);
    assert_int_equal(CARD->T1.CWI, 13);
}

static void the_block_waiting_time_wraps_in_32_bits(void **unused)
{
    (void)unused;
    /* BWI 15: 2^15 * 960 * 372 mod 2^32 = 3112173568; / 3571 = 871513 */
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x81, 0x21, 0xF0, 0xD0), STATUS_SUCCESS);
    assert_int_equal(CARD->T1.BWI, 15);
    assert_int_equal(CARD->T1.BWT, 1 + 1000 * (11 * 105 + 871513));
}

static void a_clock_of_0_divides_nothing(void **unused)
{
    (void)unused;
    reader->ext.ReaderCapabilities.CLKFrequency.Default = 0;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x01, 0x81), STATUS_SUCCESS);
    assert_int_equal(CARD->etu, 105);
    reader->ext.ReaderCapabilities.CLKFrequency.Default = 1;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x40, 0xFF), STATUS_SUCCESS);
    assert_int_equal(CARD->T0.WT, 0xFFFFFFFF); /* saturated */
}

/* ---- state and selection ----------------------------------------------------------------------------------------- */

static void t0_counts_only_when_it_is_offered_first(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x80, 0x01, 0x01), STATUS_SUCCESS);
    assert_int_equal(CARD->Protocol.Supported, 0x10003);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x81, 0x00, 0x01), STATUS_SUCCESS);
    assert_int_equal(CARD->Protocol.Supported, 0x10002);
    assert_int_equal(state_of(reader), SCARD_NEGOTIABLE);
    assert_int_equal(CARD->Protocol.Selected, 0);
}

static void one_protocol_at_default_rates_is_specific_others_are_negotiable(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x10, 0x11), STATUS_SUCCESS);
    assert_int_equal(state_of(reader), SCARD_SPECIFIC);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x10, 0x94), STATUS_SUCCESS);
    assert_int_equal(state_of(reader), SCARD_NEGOTIABLE);
    assert_int_equal(CARD->Protocol.Selected, 0);
}

static void ta2_decides_even_for_what_is_not_supported(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x90, 0x94, 0x10, 0x00), STATUS_SUCCESS);
    assert_int_equal(state_of(reader), SCARD_SPECIFIC);
    assert_int_equal(CARD->Protocol.Selected, SCARD_PROTOCOL_T0);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x10, 0x01), STATUS_SUCCESS);
    assert_int_equal(CARD->Protocol.Supported, 0x10001);
    assert_int_equal(CARD->Protocol.Selected, SCARD_PROTOCOL_T1);
}

static void t14_alone_is_specific_with_nothing_selected(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x0E, 0x8E), STATUS_SUCCESS);
    assert_int_equal(state_of(reader), SCARD_SPECIFIC);
    assert_int_equal(CARD->Protocol.Selected, 0);
    assert_int_equal(CARD->Protocol.Supported, SCARD_PROTOCOL_RAW);
}

static void initialize_forgets_the_card(void **unused)
{
    (void)unused;
    reader->ext.ReaderCapabilities.MaxIFSD = 0;
    reader->ext.T1.SSN = 1;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x00), STATUS_SUCCESS);
    SmartcardInitializeCardCapabilities(&reader->ext);
    assert_int_equal(CARD->ATR.Length, 0);
    assert_int_equal(CARD->etu, 0);
    assert_int_equal(CARD->Protocol.Supported, SCARD_PROTOCOL_RAW);
    assert_non_null(CARD->ClockRateConversion);
    assert_non_null(CARD->BitRateAdjustment);
    assert_int_equal(CARD->ClockRateConversion[13].F, 2048);
    assert_int_equal(CARD->ClockRateConversion[4].fs, 12000000);
    assert_int_equal(CARD->BitRateAdjustment[9].DNumerator, 20);
    assert_int_equal(reader->ext.T1.IFSD, 32);
    assert_int_equal(reader->ext.T1.State, T1_INIT);
    assert_int_equal(reader->ext.T1.SSN, 0);
    reader->ext.ReaderCapabilities.MaxIFSD = 255;
    SmartcardInitializeCardCapabilities(&reader->ext);
    assert_int_equal(reader->ext.T1.IFSD, 32);
    reader->ext.ReaderCapabilities.MaxIFSD = 254;
    SmartcardInitializeCardCapabilities(&reader->ext);
    assert_int_equal(reader->ext.T1.IFSD, 254);
}

/* ---- PtsData ----------------------------------------------------------------------------------------------------- */

static ULONG rates[] = {9600, 19200, 38400, 57600, 115200};
static ULONG clocks[] = {3571, 7143, 14285};

static void with_lists(void)
{
    reader->ext.ReaderCapabilities.DataRatesSupported.List = rates;
    reader->ext.ReaderCapabilities.DataRatesSupported.Entries = 5;
    reader->ext.ReaderCapabilities.CLKFrequenciesSupported.List = clocks;
    reader->ext.ReaderCapabilities.CLKFrequenciesSupported.Entries = 3;
}

static void with_max(ULONG clock, ULONG rate)
{
    reader->ext.ReaderCapabilities.CLKFrequency.Max = clock;
    reader->ext.ReaderCapabilities.DataRate.Max = rate;
}

static void expect_pts(UCHAR ta1, UCHAR type, UCHAR fl, UCHAR dl, ULONG clock, ULONG rate)
{
    const UCHAR atr[] = {0x3B, 0x10, ta1};

    SmartcardInitializeCardCapabilities(&reader->ext);
    memcpy(CARD->ATR.Buffer, atr, sizeof(atr));
    CARD->ATR.Length = sizeof(atr);
    CARD->PtsData.Type = type;
    assert_int_equal(SmartcardUpdateCardCapabilities(&reader->ext), STATUS_SUCCESS);
    assert_int_equal(CARD->PtsData.Type, type);
    assert_int_equal(CARD->PtsData.Fl, fl);
    assert_int_equal(CARD->PtsData.Dl, dl);
    assert_int_equal(CARD->PtsData.CLKFrequency, clock);
    assert_int_equal(CARD->PtsData.DataRate, rate);
}

static void default_pts_is_the_readers_default(void **unused)
{
    (void)unused;
    with_lists();
    with_max(14285, 115200);
    expect_pts(0x96, PTS_TYPE_DEFAULT, 1, 1, 3571, 9600);
}

static void optimal_pts_with_lists(void **unused)
{
    (void)unused;
    with_lists();
    with_max(14285, 115200);
    expect_pts(0x94, PTS_TYPE_OPTIMAL, 1, 3, 3571, 38400);
    expect_pts(0x96, PTS_TYPE_OPTIMAL, 1, 3, 3571, 38400);
    expect_pts(0x97, PTS_TYPE_OPTIMAL, 1, 3, 3571, 38400);
    expect_pts(0x18, PTS_TYPE_OPTIMAL, 1, 8, 3571, 115200);
    expect_pts(0xD5, PTS_TYPE_OPTIMAL, 5, 3, 14285, 38400);
}

static void optimal_pts_with_lists_and_default_maxima(void **unused)
{
    (void)unused;
    with_lists();
    expect_pts(0x94, PTS_TYPE_OPTIMAL, 1, 1, 3571, 9600);
    expect_pts(0x18, PTS_TYPE_OPTIMAL, 1, 1, 3571, 9600);
}

static void optimal_pts_with_maxima_only(void **unused)
{
    (void)unused;
    with_max(14285, 115200);
    expect_pts(0x94, PTS_TYPE_OPTIMAL, 1, 1, 3571, 9600);
    expect_pts(0xD5, PTS_TYPE_OPTIMAL, 3, 2, 3571, 9600);
}

static void optimal_pts_with_nothing(void **unused)
{
    (void)unused;
    with_max(0, 0);
    expect_pts(0x97, PTS_TYPE_OPTIMAL, 1, 1, 3571, 9600);
    expect_pts(0xD5, PTS_TYPE_OPTIMAL, 5, 3, 3571, 9600);
}

/* 8 MHz are more than a card of Fl = 1 bears, but the reader has nothing less: 8000000 * 12 / 372. */
static void a_reader_that_is_too_fast_for_the_card_offers_its_default_clock(void **unused)
{
    (void)unused;
    reader->ext.ReaderCapabilities.CLKFrequency.Default = 8000;
    reader->ext.ReaderCapabilities.DataRate.Default = 258064;
    with_max(8000, 258064);
    expect_pts(0x18, PTS_TYPE_OPTIMAL, 1, 8, 8000, 258064);
}

static void a_list_without_memory_is_no_list(void **unused)
{
    (void)unused;
    with_max(0, 0);
    reader->ext.ReaderCapabilities.DataRatesSupported.Entries = 200;
    reader->ext.ReaderCapabilities.CLKFrequenciesSupported.Entries = 200;
    expect_pts(0xD5, PTS_TYPE_OPTIMAL, 5, 3, 3571, 9600);
}

static void the_drivers_own_pts_is_left_alone(void **unused)
{
    (void)unused;
    expect_pts(0x96, PTS_TYPE_USER, 0, 0, 0, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(too_short_or_a_wrong_ts_fails_and_leaves_supported_raw),
        T(the_length_must_fit_exactly),
        T(a_tck_is_needed_with_any_protocol_but_t0_and_must_be_right),
        T(reserved_f_or_d_fails),
        T(more_than_33_bytes_are_no_atr),
        T(groups_of_interface_bytes_may_fill_the_atr),
        T(an_atr_of_any_length_is_survived),
        T(an_inverted_atr_of_any_length_is_survived),
        T(ts_03_inverts_the_atr_in_place),
        T(ts_3b_is_direct_whatever_the_card_before_was),
        T(ts_3f_counts_as_decoded_and_sets_no_convention),
        T(defaults_at_3571_khz),
        T(tb1_tb2_and_tc1_are_ii_p_and_n),
        T(tc2_is_wi_of_t0),
        T(t1_defaults),
        T(t1_parameters_come_from_the_first_group_that_has_them),
        T(the_block_waiting_time_wraps_in_32_bits),
        T(a_clock_of_0_divides_nothing),
        T(t0_counts_only_when_it_is_offered_first),
        T(one_protocol_at_default_rates_is_specific_others_are_negotiable),
        T(ta2_decides_even_for_what_is_not_supported),
        T(t14_alone_is_specific_with_nothing_selected),
        T(initialize_forgets_the_card),
        T(default_pts_is_the_readers_default),
        T(optimal_pts_with_lists),
        T(optimal_pts_with_lists_and_default_maxima),
        T(optimal_pts_with_maxima_only),
        T(optimal_pts_with_nothing),
        T(a_reader_that_is_too_fast_for_the_card_offers_its_default_clock),
        T(a_list_without_memory_is_no_list),
        T(the_drivers_own_pts_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
