/* SPDX-License-Identifier: MIT */
/* GET_ATTRIBUTE, tag by tag: smclib.md 1.2 and 3.8. Tags and answers are written as numbers. */
#include "smclib_support.h"

static struct reader *reader;

static int up(void **unused)
{
    SMARTCARD_EXTENSION *ext;

    (void)unused;
    reader = bare_reader();
    ext = &reader->ext;
    memcpy(ext->VendorAttr.VendorName.Buffer, "Vendor", 6);
    ext->VendorAttr.VendorName.Length = 6;
    memcpy(ext->VendorAttr.IfdType.Buffer, "Type", 4);
    ext->VendorAttr.IfdType.Length = 4;
    memcpy(ext->VendorAttr.IfdSerialNo.Buffer, "S1", 2);
    ext->VendorAttr.IfdSerialNo.Length = 2;
    ext->VendorAttr.UnitNo = 3;
    ext->VendorAttr.IfdVersion.VersionMajor = 1;
    ext->VendorAttr.IfdVersion.VersionMinor = 2;
    ext->VendorAttr.IfdVersion.BuildNumber = 0x0304;
    ext->ReaderCapabilities.ReaderType = SCARD_READER_TYPE_USB;
    ext->ReaderCapabilities.Channel = 5;
    ext->ReaderCapabilities.SupportedProtocols = 3;
    ext->ReaderCapabilities.CLKFrequency.Max = 14285;
    ext->ReaderCapabilities.DataRate.Max = 115200;
    ext->ReaderCapabilities.MechProperties = 2;
    ext->ReaderCapabilities.PowerMgmtSupport = 9;
    ext->ReaderCapabilities.CurrentState = SCARD_PRESENT;
    return 0;
}

static int down(void **unused)
{
    (void)unused;
    free_reader(reader);
    return 0;
}

static void expect_bytes(ULONG tag, const void *bytes, ULONG size)
{
    struct result result;

    send_to(reader, &result, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, 64);
    assert_int_equal(result.returned, STATUS_SUCCESS);
    assert_int_equal(result.information, size);
    assert_memory_equal(result.out, bytes, size);
}

static void expect_ulong(ULONG tag, ULONG value)
{
    struct result result;

    send_to(reader, &result, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, 4);
    assert_int_equal(result.returned, STATUS_SUCCESS);
    assert_int_equal(result.information, 4);
    assert_int_equal(ulong_at(result.out), value);
}

static void expect_status(ULONG tag, ULONG out, NTSTATUS status)
{
    struct result result;

    send_to(reader, &result, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, out);
    assert_int_equal(result.returned, status);
    assert_int_equal(result.information, 0);
}

static void the_readers_attributes_need_no_card(void **unused)
{
    (void)unused;
    expect_bytes(0x00010100, "Vendor", 6);
    expect_bytes(0x00010101, "Type", 4);
    expect_bytes(0x00010102, "\x04\x03\x02\x01", 4);
    expect_bytes(0x00010103, "S1", 2);
    expect_ulong(0x00020110, 0x00200005);
    expect_ulong(0x00030120, 3);
    expect_ulong(0x00030121, 3571);
    expect_ulong(0x00030122, 14285);
    expect_ulong(0x00030123, 9600);
    expect_ulong(0x00030124, 115200);
    expect_ulong(0x00030125, 254);
    expect_ulong(0x00040131, 9);
    expect_ulong(0x00060150, 2);
    expect_ulong(0x7FFF0001, 3);
}

static void the_cards_attributes_of_a_t1_card(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0xD1, 0x95, 0x03, 0x81, 0x71, 0x80, 0x36, 0x01, 'x', 0x78), STATUS_SUCCESS);
    reader->ext.CardCapabilities.Protocol.Selected = SCARD_PROTOCOL_T1;
    expect_ulong(0x00080201, 2);
    expect_ulong(0x00080202, 3571);
    expect_ulong(0x00080203, 512);
    expect_ulong(0x00080204, 16);
    expect_ulong(0x00080205, 3);
    expect_ulong(0x00080206, 0);
    expect_ulong(0x00080207, 0x80);
    expect_ulong(0x00080208, 254);
    expect_ulong(0x00080209, 3);
    expect_ulong(0x0008020A, 6);
    expect_ulong(0x0008020B, 1);
    expect_bytes(0x00090303, "\x3B\xD1\x95\x03\x81\x71\x80\x36\x01x\x78", 11);
    expect_bytes(0x00090304, "\x01", 1);
    reader->ext.CardCapabilities.Protocol.Selected = 0;
    expect_bytes(0x00090304, "\x00", 1);
}

static void the_cards_attributes_of_a_t0_card(void **unused)
{
    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x40, 0x14), STATUS_SUCCESS);
    expect_ulong(0x00080201, 1);
    expect_ulong(0x00080203, 372);
    expect_ulong(0x00080204, 1);
    expect_ulong(0x00080206, 0x14);
}

static void the_cards_attributes_need_at_least_the_negotiable_state(void **unused)
{
    static const ULONG tags[] = {0x00080201, 0x00080202, 0x00080203, 0x00080204, 0x00080205, 0x00080206, 0x00080207,
                                 0x00080208, 0x00080209, 0x0008020A, 0x0008020B, 0x00090303, 0x00090304};

    (void)unused;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        for (ULONG state = SCARD_UNKNOWN; state <= SCARD_SPECIFIC; state++) {
            ULONG tag = tags[i];

            reader->ext.ReaderCapabilities.CurrentState = state;
            assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, tag, 64),
                             state >= SCARD_NEGOTIABLE ? STATUS_SUCCESS : STATUS_INVALID_DEVICE_STATE);
        }
    }
}

static void presence_and_interface_status_follow_the_state(void **unused)
{
    static const UCHAR presence[] = {0, 0, 1, 2, 2, 2, 2};
    static const UCHAR active[] = {0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF};

    (void)unused;
    for (ULONG state = SCARD_UNKNOWN; state <= SCARD_SPECIFIC; state++) {
        reader->ext.ReaderCapabilities.CurrentState = state;
        if (state == SCARD_UNKNOWN) {
            expect_status(0x00090300, 1, STATUS_INVALID_DEVICE_STATE);
        } else {
            expect_bytes(0x00090300, &presence[state], 1);
        }
        expect_bytes(0x00090301, &active[state], 1);
    }
}

static void unsupported_tags_come_before_the_size(void **unused)
{
    static const ULONG tags[] = {0x00030126, 0x00050140, 0x00050142, 0x0008020C, 0x00090302, 0x0007A000, 0x0007A003,
                                 0x0007A005, 0x0007A007, 0x7FFF0002, 0x7FFF0003, 0x7FFF0004, 0x7FFF0005, 0x7FFF0006,
                                 0x7FFF0007, 0x7FFE0001, 0x7FFE0002, 0x7FFE0003, 0x12345678, 0};

    (void)unused;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        expect_status(tags[i], 0, STATUS_NOT_SUPPORTED);
        expect_status(tags[i], 64, STATUS_NOT_SUPPORTED);
    }
}

static void a_short_buffer_is_too_small(void **unused)
{
    (void)unused;
    expect_status(0x00010100, 5, STATUS_BUFFER_TOO_SMALL);
    expect_status(0x00030121, 3, STATUS_BUFFER_TOO_SMALL);
    expect_status(0x00090300, 0, STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x02, 1, 2), STATUS_SUCCESS);
    expect_status(0x00090303, 3, STATUS_BUFFER_TOO_SMALL);
    expect_bytes(0x00090303, "\x3B\x02\x01\x02", 4);
}

static void the_size_comes_before_the_state(void **unused)
{
    (void)unused;
    expect_status(0x00080203, 3, STATUS_BUFFER_TOO_SMALL);
    expect_status(0x00080203, 4, STATUS_INVALID_DEVICE_STATE);
}

static void a_vendor_string_is_cut_at_its_buffer(void **unused)
{
    UCHAR expected[32];

    (void)unused;
    memset(expected, 'v', sizeof(expected));
    memset(reader->ext.VendorAttr.VendorName.Buffer, 'v', 32);
    reader->ext.VendorAttr.VendorName.Length = 60000;
    expect_bytes(0x00010100, expected, 32);
}

static void an_atr_length_is_cut_at_its_buffer(void **unused)
{
    struct result result;
    ULONG tag = 0x00090303;

    (void)unused;
    reader->ext.ReaderCapabilities.CurrentState = SCARD_SPECIFIC;
    reader->ext.CardCapabilities.ATR.Length = 255;
    send_to(reader, &result, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, 300);
    assert_int_equal(result.information, 64);
}

static void asking_stores_no_last_error(void **unused)
{
    (void)unused;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_EJECT, 0, 0), STATUS_NOT_SUPPORTED);
    expect_status(0x00030121, 3, STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(last_error(reader), STATUS_NOT_SUPPORTED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_readers_attributes_need_no_card),
        T(the_cards_attributes_of_a_t1_card),
        T(the_cards_attributes_of_a_t0_card),
        T(the_cards_attributes_need_at_least_the_negotiable_state),
        T(presence_and_interface_status_follow_the_state),
        T(unsupported_tags_come_before_the_size),
        T(a_short_buffer_is_too_small),
        T(the_size_comes_before_the_state),
        T(a_vendor_string_is_cut_at_its_buffer),
        T(an_atr_length_is_cut_at_its_buffer),
        T(asking_stores_no_last_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
