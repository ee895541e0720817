/* SPDX-License-Identifier: MIT */
/*
 * Part B, the reader interface. The table of the part, and the attributes of the reader itself: what each may be on any
 * reader, and what they are on the virtual one.
 */
#include "part_b.h"

const struct reader_tag b_reader_tags[READER_TAGS] = {
    {SCARD_ATTR_VENDOR_NAME, 1, 32},
    {SCARD_ATTR_VENDOR_IFD_TYPE, 1, 32},
    {SCARD_ATTR_VENDOR_IFD_VERSION, 4, 4},
    {SCARD_ATTR_VENDOR_IFD_SERIAL_NO, 0, 32},
    {SCARD_ATTR_CHANNEL_ID, 4, 4},
    {SCARD_ATTR_PROTOCOL_TYPES, 4, 4},
    {SCARD_ATTR_DEFAULT_CLK, 4, 4},
    {SCARD_ATTR_MAX_CLK, 4, 4},
    {SCARD_ATTR_DEFAULT_DATA_RATE, 4, 4},
    {SCARD_ATTR_MAX_DATA_RATE, 4, 4},
    {SCARD_ATTR_MAX_IFSD, 4, 4},
    {SCARD_ATTR_POWER_MGMT_SUPPORT, 4, 4},
    {SCARD_ATTR_CHARACTERISTICS, 4, 4},
    {SCARD_ATTR_ICC_PRESENCE, 1, 1},
    {SCARD_ATTR_ICC_INTERFACE_STATUS, 1, 1},
    {SCARD_ATTR_DEVICE_UNIT, 4, 4},
};

/* ---- on any reader ----------------------------------------------------------------------------------------------- */

/* Printable ASCII; drivers may store the NUL with it, but nothing behind it (smclib.md 2.1). */
static void expect_text(struct suite *suite, DWORD tag, DWORD least)
{
    UCHAR text[64];
    DWORD length = attribute(suite, open_reader(suite), tag, text, sizeof text);

    EXPECT(suite, length >= least && length <= 32);
    for (DWORD i = 0; i < length; i++)
        EXPECT(suite, (text[i] >= 0x20 && text[i] <= 0x7E) || (text[i] == 0 && i > 0 && i == length - 1));
}

static void vendor_name(struct suite *suite)
{
    expect_text(suite, SCARD_ATTR_VENDOR_NAME, 1);
}

static void ifd_type(struct suite *suite)
{
    expect_text(suite, SCARD_ATTR_VENDOR_IFD_TYPE, 1);
}

static void serial_number(struct suite *suite)
{
    expect_text(suite, SCARD_ATTR_VENDOR_IFD_SERIAL_NO, 0);
}

static void lengths(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    UCHAR value[64];

    for (size_t i = 0; i < READER_TAGS; i++) {
        DWORD length = attribute(suite, handle, b_reader_tags[i].tag, value, sizeof value);

        if (length < b_reader_tags[i].least || length > b_reader_tags[i].most)
            fail(suite, __FILE__, __LINE__, "attribute %08X has %u bytes", (unsigned)b_reader_tags[i].tag,
                 (unsigned)length);
    }
}

static void channel(struct suite *suite)
{
    static const ULONG types[] = {
        SCARD_READER_TYPE_SERIAL, SCARD_READER_TYPE_PARALELL, SCARD_READER_TYPE_KEYBOARD, SCARD_READER_TYPE_SCSI,
        SCARD_READER_TYPE_IDE,    SCARD_READER_TYPE_USB,      SCARD_READER_TYPE_PCMCIA,   SCARD_READER_TYPE_TPM,
        SCARD_READER_TYPE_NFC,    SCARD_READER_TYPE_UICC,     SCARD_READER_TYPE_VENDOR,   SCARD_READER_TYPE_EMBEDDEDSE,
    };
    ULONG type = number(suite, open_reader(suite), SCARD_ATTR_CHANNEL_ID) >> 16;
    bool known = false;

    for (size_t i = 0; i < COUNT_OF(types); i++)
        known = known || type == types[i];
    EXPECT(suite, known);
}

static void protocols(struct suite *suite)
{
    ULONG mask = number(suite, open_reader(suite), SCARD_ATTR_PROTOCOL_TYPES);

    EXPECT(suite, (mask & (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1 | SCARD_PROTOCOL_RAW)) != 0);
    EXPECT_NUMBER(suite, mask & SCARD_PROTOCOL_DEFAULT, 0);
}

static void clocks(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    ULONG usual = number(suite, handle, SCARD_ATTR_DEFAULT_CLK);

    EXPECT(suite, usual >= 1000 && usual <= 20000); /* kHz; a card takes 1 MHz at least (ISO/IEC 7816-3, 5.2.3) */
    EXPECT(suite, number(suite, handle, SCARD_ATTR_MAX_CLK) >= usual);
}

static void rates(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    ULONG usual = number(suite, handle, SCARD_ATTR_DEFAULT_DATA_RATE);

    EXPECT(suite, usual > 0);
    EXPECT(suite, number(suite, handle, SCARD_ATTR_MAX_DATA_RATE) >= usual);
}

static void ifsd(struct suite *suite)
{
    ULONG most = number(suite, open_reader(suite), SCARD_ATTR_MAX_IFSD);

    EXPECT(suite, most >= 1 && most <= 254);
}

static void characteristics(struct suite *suite)
{
    ULONG bits = number(suite, open_reader(suite), SCARD_ATTR_CHARACTERISTICS);

    EXPECT_NUMBER(suite, bits & ~(ULONG)(SCARD_READER_SWALLOWS | SCARD_READER_EJECTS | SCARD_READER_CONFISCATES), 0);
}

static void unknown_tags(struct suite *suite)
{
    static const DWORD tags[] = {
        0,
        0x12345678,
        0xFFFFFFFF,
        0x00010104,
        SCARD_ATTR_SYNC_PROTOCOL_TYPES,
        SCARD_ATTR_USER_TO_CARD_AUTH_DEVICE,
        SCARD_ATTR_USER_AUTH_INPUT_DEVICE,
        0x00080200,
        SCARD_ATTR_EXTENDED_BWT,
        SCARD_ATTR_CURRENT_IO_STATE,
        SCARD_ATTR_ESC_RESET,
        SCARD_ATTR_ESC_CANCEL,
        SCARD_ATTR_ESC_AUTHREQUEST,
        SCARD_ATTR_MAXINPUT,
        SCARD_PERF_NUM_TRANSMISSIONS,
        SCARD_PERF_BYTES_TRANSMITTED,
        SCARD_PERF_TRANSMISSION_TIME,
    };
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        EXPECT_STATUS(suite, ask(suite, handle, tags[i], 64), STATUS_NOT_SUPPORTED);
        EXPECT_STATUS(suite, ask(suite, handle, tags[i], 0), STATUS_NOT_SUPPORTED); /* before the length is looked at */
    }
}

static void tags_of_the_resource_manager(struct suite *suite)
{
    static const DWORD tags[] = {
        SCARD_ATTR_DEVICE_IN_USE,        SCARD_ATTR_DEVICE_FRIENDLY_NAME_A, SCARD_ATTR_DEVICE_FRIENDLY_NAME_W,
        SCARD_ATTR_DEVICE_SYSTEM_NAME_A, SCARD_ATTR_DEVICE_SYSTEM_NAME_W,   SCARD_ATTR_SUPRESS_T1_IFS_REQUEST,
    };
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < COUNT_OF(tags); i++)
        EXPECT_STATUS(suite, ask(suite, handle, tags[i], 64), STATUS_NOT_SUPPORTED);
}

/* Neither asking nor the card changes what the reader is. */
static void attributes_stay(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    UCHAR before[READER_TAGS][64], now[64];
    DWORD size[READER_TAGS];

    for (size_t i = 0; i < READER_TAGS; i++)
        size[i] = attribute(suite, handle, b_reader_tags[i].tag, before[i], sizeof before[i]);
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    set_protocol(suite, handle, SCARD_PROTOCOL_Tx);
    for (size_t i = 0; i < READER_TAGS; i++) {
        DWORD length = attribute(suite, handle, b_reader_tags[i].tag, now, sizeof now);

        if (b_reader_tags[i].tag >> 16 != SCARD_CLASS_ICC_STATE)
            EXPECT_BYTES(suite, now, length, before[i], size[i]);
    }
}

/* ---- on the virtual one ------------------------------------------------------------------------------------------ */

static void virtual_values(struct suite *suite)
{
    static const struct {
        DWORD tag;
        ULONG value;
    } rows[] = {
        {SCARD_ATTR_VENDOR_IFD_VERSION, 0x01000000},
        {SCARD_ATTR_PROTOCOL_TYPES, 0x00010003},
        {SCARD_ATTR_DEFAULT_CLK, 4000},
        {SCARD_ATTR_MAX_CLK, 4000},
        {SCARD_ATTR_DEFAULT_DATA_RATE, 10753},
        {SCARD_ATTR_MAX_DATA_RATE, 688172},
        {SCARD_ATTR_MAX_IFSD, 254},
        {SCARD_ATTR_POWER_MGMT_SUPPORT, 0},
        {SCARD_ATTR_CHARACTERISTICS, 0},
    };
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ULONG value = number(suite, handle, rows[i].tag);

        if (value != rows[i].value)
            fail(suite, __FILE__, __LINE__, "attribute %08X is %u, not %u", (unsigned)rows[i].tag, (unsigned)value,
                 (unsigned)rows[i].value);
    }
}

static void virtual_texts(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    UCHAR text[64];

    EXPECT_BYTES(suite, text, attribute(suite, handle, SCARD_ATTR_VENDOR_NAME, text, sizeof text), "smartcrd", 8);
    EXPECT_BYTES(suite, text, attribute(suite, handle, SCARD_ATTR_VENDOR_IFD_TYPE, text, sizeof text), "Virtual Reader",
                 14);
    EXPECT_NUMBER(suite, attribute(suite, handle, SCARD_ATTR_VENDOR_IFD_SERIAL_NO, text, sizeof text), 0);
}

static void virtual_channel(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    ULONG channel_id = number(suite, handle, SCARD_ATTR_CHANNEL_ID);

    EXPECT_NUMBER(suite, channel_id >> 16, 0xF0);
    EXPECT_NUMBER(suite, channel_id & 0xFFFF, number(suite, handle, SCARD_ATTR_DEVICE_UNIT));
}

/* Two readers are told apart by it. */
static void units_differ(struct suite *suite)
{
    char name[64];
    ULONG own = number(suite, open_reader(suite), SCARD_ATTR_DEVICE_UNIT);

    fresh_reader(suite, name);
    EXPECT(suite, number(suite, open_device(suite, name, FILE_FLAG_OVERLAPPED), SCARD_ATTR_DEVICE_UNIT) != own);
}

/* ---- the part ---------------------------------------------------------------------------------------------------- */

static const struct check checks[] = {
    {"vendor_name_is_text", "smclib.md 1.2 and 2.1", 0, vendor_name},
    {"ifd_type_is_text", "smclib.md 1.2 and 2.1", 0, ifd_type},
    {"serial_number_is_text_or_nothing", "smclib.md 1.2 and 2.1", 0, serial_number},
    {"each_reader_attribute_has_its_length", "smclib.md 1.2", 0, lengths},
    {"channel_id_has_a_known_reader_type", "smclib.md 1.2 and 1.3", 0, channel},
    {"protocol_types_is_a_mask_of_protocols", "smclib.md 1.2 and 1.3", 0, protocols},
    {"default_clock_is_at_most_the_greatest", "smclib.md 1.2", 0, clocks},
    {"default_rate_is_at_most_the_greatest", "smclib.md 1.2", 0, rates},
    {"max_ifsd_is_1_to_254", "smclib.md 1.2; ISO/IEC 7816-3:2006, 11.4.2", 0, ifsd},
    {"characteristics_has_known_bits_only", "smclib.md 1.2 and 1.3", 0, characteristics},
    {"unknown_tags_are_not_supported", "smclib.md 3.8", 0, unknown_tags},
    {"tags_to_set_are_not_for_asking", "smclib.md 1.2", 0, tags_of_the_resource_manager},
    {"reader_attributes_stay_as_they_are", "smclib.md 1.2", NEED_CARD, attributes_stay},
    {"virtual_reader_has_the_values_of_its_page", "smartcrd-vreader(7)", NEED_VIRTUAL, virtual_values},
    {"virtual_reader_has_its_names", "smclib.md 3.8: no NUL is added", NEED_VIRTUAL, virtual_texts},
    {"virtual_reader_has_its_unit_as_channel", "smclib.md 1.2", NEED_VIRTUAL, virtual_channel},
    {"units_of_two_readers_differ", "smclib.md 1.2", NEED_VIRTUAL | NEED_UNPLUG, units_differ},

    {"card_attributes_are_refused_without_a_card", "smclib.md 1.2", NEED_VIRTUAL, b_card_refused_when_absent},
    {"card_attributes_are_refused_before_a_reset", "smclib.md 1.2", NEED_VIRTUAL | NEED_CARD,
     b_card_refused_before_reset},
    {"card_attributes_are_refused_during_a_reset", "smclib.md 1.2", NEED_VIRTUAL, b_card_refused_during_reset},
    {"card_attributes_are_refused_without_power", "smclib.md 1.2", NEED_CARD, b_card_refused_after_power_down},
    {"card_attributes_go_with_the_card", "smclib.md 1.2", NEED_VIRTUAL, b_card_refused_after_removal},
    {"card_attributes_after_a_reset", "smclib.md 1.2 and 5.2", NEED_VIRTUAL, b_card_after_reset},
    {"card_attributes_with_t1_selected", "smclib.md 1.2 and 5.2", NEED_VIRTUAL, b_card_with_t1},
    {"card_attributes_with_t0_selected", "smclib.md 1.2 and 5.2", NEED_VIRTUAL, b_card_with_t0},
    {"card_attributes_of_a_t1_card", "smclib.md 5.2", NEED_VIRTUAL, b_card_t1_only},
    {"card_attributes_of_a_t0_card", "smclib.md 5.2", NEED_VIRTUAL, b_card_t0_only},
    {"card_attributes_during_an_exchange", "DESIGN 5: one moment", NEED_VIRTUAL, b_card_during_exchange},
    {"atr_string_is_what_power_gave", "smclib.md 1.2 and 3.4", NEED_CARD, b_atr_is_powers},
    {"atr_string_of_any_card", "smclib.md 1.2 and 5.2", NEED_VIRTUAL, b_atr_of_any_card},
    {"refused_power_forgets_the_atr", "smclib.md 3.4", NEED_VIRTUAL | NEED_CARD, b_atr_forgotten},
    {"icc_presence_follows_the_state", "smclib.md 1.2", NEED_VIRTUAL, b_presence},
    {"icc_presence_during_a_reset", "smclib.md 1.2", NEED_VIRTUAL, b_presence_during_reset},
    {"icc_interface_status_follows_the_state", "smclib.md 1.2", NEED_VIRTUAL, b_interface_status},
    {"icc_type_is_known_with_the_protocol", "smclib.md 1.2", NEED_VIRTUAL | NEED_CARD, b_icc_type},

    {"buffer_of_just_the_size_is_enough", "smclib.md 3.8", 0, b_reader_buffers_exact},
    {"buffer_of_a_byte_less_is_too_small", "smclib.md 3.8", 0, b_reader_buffers_short},
    {"buffer_beyond_the_answer_is_untouched", "smclib.md 3.8", 0, b_reader_buffers_long},
    {"buffers_of_card_attributes", "smclib.md 3.8", NEED_CARD, b_card_buffers},
    {"no_buffer_at_all_is_too_small", "smclib.md 3.8", 0, b_no_output},
    {"short_input_leaves_the_tag_in_force", "smclib.md 3.0 (4)", 0, b_short_input},
    {"short_input_leaves_the_reset_in_force", "smclib.md 3.0 (4) and 3.4", NEED_CARD, b_short_input_after_power},
    {"input_behind_the_tag_is_ignored", "smclib.md 3.0 (4)", 0, b_long_input},
    {"input_and_output_may_be_one_buffer", "smclib.md 3.0 (3)", 0, b_same_buffer},
    {"buffers_may_lie_anywhere", "DeviceIoControl, METHOD_BUFFERED", 0, b_unaligned_buffers},
    {"get_state_needs_4_bytes", "smclib.md 3.2", 0, b_state_buffers},
    {"reset_needs_33_bytes", "smclib.md 3.4", NEED_CARD, b_power_buffers},
    {"set_protocol_needs_4_bytes", "smclib.md 3.5", NEED_CARD, b_protocol_buffers},

    {"codes_must_be_buffered", "smclib.md 3.0 (1)", 0, b_not_buffered},
    {"unknown_functions_are_invalid", "smclib.md 3.0 (9)", 0, b_unknown_functions},
    {"functions_of_other_devices_are_invalid", "smclib.md 3.0 (9)", 0, b_other_devices},
    {"obsolete_read_and_write_are_invalid", "smclib.md 1.1 and 3.0 (9)", 0, b_obsolete},
    {"mechanics_that_are_not_there", "smclib.md 3.0 (5) and 3.7", NEED_VIRTUAL, b_mechanics},
    {"get_perf_cntr_is_invalid", "smclib.md 3.0 (9)", 0, b_counters},
    {"set_attribute_takes_supress_t1_ifs_request", "smclib.md 3.9", 0, b_set_ifs},
    {"set_attribute_takes_nothing_else", "smclib.md 3.9", 0, b_set_others},
    {"power_knows_three_kinds", "smclib.md 3.4", NEED_CARD, b_power_kinds},
    {"vendor_codes_that_the_driver_has_not", "smclib.md 3.10", NEED_VIRTUAL, b_vendor_unknown},
    {"vendor_codes_insert_and_remove", "smartcrd/vreader.h", NEED_VIRTUAL, b_vendor_card},
    {"vendor_code_tells_the_slots_status", "smartcrd/vreader.h", NEED_VIRTUAL, b_vendor_status},
    {"vendor_code_arms_eight_faults", "smartcrd/vreader.h", NEED_VIRTUAL, b_vendor_faults},
    {"two_handles_see_one_reader", "DESIGN 5", NEED_CARD, b_two_handles},
    {"many_handles_at_once", "DESIGN 5", 0, b_many_handles},
    {"many_opens_and_closes", "CreateFile; CloseHandle", 0, b_many_opens},
    {"a_reader_that_is_not_there_is_not_found", "CreateFile, ERROR_FILE_NOT_FOUND", 0, b_no_such_reader},
    {"any_access_will_do", "smclib.md 1.1, FILE_ANY_ACCESS", 0, b_any_access},
    {"a_synchronous_handle_answers_in_the_call", "DeviceIoControl, lpOverlapped NULL", 0, b_synchronous},
    {"a_closed_handle_is_invalid", "CloseHandle", 0, b_closed},
};

const struct part part_b = {'B', "reader interface", checks, sizeof checks / sizeof checks[0]};
