/* SPDX-License-Identifier: MIT */
/* SmartcardDeviceControl: the order of its checks, code by code (smclib.md 3). */
#include "smclib_support.h"

#include <stdbool.h>

#define VENDOR_CODE SCARD_CTL_CODE(2050)

static const UCHAR t0_pci[8] = {1, 0, 0, 0, 8, 0, 0, 0};
static const UCHAR t1_pci[8] = {2, 0, 0, 0, 8, 0, 0, 0};

/* ---- 3.0 --------------------------------------------------------------------------------------------------------- */

static void a_code_that_is_not_buffered_is_an_invalid_parameter_and_leaves_information(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);
    struct result result;

    (void)unused;
    for (ULONG method = 1; method <= 3; method++) {
        send_to(reader, &result, IOCTL_SMARTCARD_GET_STATE | method, NULL, 0, 4);
        assert_int_equal(result.returned, STATUS_INVALID_PARAMETER);
        assert_int_equal(result.information, 0x5555);
    }
    assert_int_equal(last_error(reader), STATUS_INVALID_PARAMETER);
    free_reader(reader);
}

static void unknown_codes_are_refused_with_information_0(void **unused)
{
    static const ULONG functions[] = {0, 8, 9, 13, 17, 18, 100, 2047};
    struct reader *reader = full_reader(SCARD_SPECIFIC);
    struct result result;

    (void)unused;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        send_to(reader, &result, SCARD_CTL_CODE(functions[i]), NULL, 0, 4);
        assert_int_equal(result.returned, STATUS_INVALID_DEVICE_REQUEST);
        assert_int_equal(result.information, 0);
    }
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(reader->seen.calls[i], 0);
    }
    free_reader(reader);
}

static void a_low_function_of_another_device_or_access_is_unknown(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);

    (void)unused;
    assert_int_equal(send_ulong(reader, CTL_CODE(0x22, 14, 0, 0), 0, 4), STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(send_ulong(reader, CTL_CODE(0x31, 14, 0, 1), 0, 4), STATUS_INVALID_DEVICE_REQUEST);
    free_reader(reader);
}

static void a_missing_callback_is_not_supported_and_comes_before_the_state(void **unused)
{
    static const ULONG codes[] = {IOCTL_SMARTCARD_POWER,      IOCTL_SMARTCARD_SET_PROTOCOL, IOCTL_SMARTCARD_TRANSMIT,
                                  IOCTL_SMARTCARD_EJECT,      IOCTL_SMARTCARD_SWALLOW,      IOCTL_SMARTCARD_CONFISCATE,
                                  IOCTL_SMARTCARD_IS_PRESENT, IOCTL_SMARTCARD_IS_ABSENT};
    struct reader *reader = bare_reader();

    (void)unused;
    reader->ext.CardCapabilities.ATR.Length = 7;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_int_equal(send_ulong(reader, codes[i], 1, 0), STATUS_NOT_SUPPORTED);
    }
    assert_int_equal(reader->ext.CardCapabilities.ATR.Length, 7); /* POWER has not forgotten the card */
    free_reader(reader);
}

static void the_callback_sees_its_request_and_current_irp_is_cleared_afterwards(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);
    struct result result;

    (void)unused;
    reader->seen.information = 9;
    reader->seen.answer[RDF_CARD_EJECT] = STATUS_IO_TIMEOUT;
    send_to(reader, &result, IOCTL_SMARTCARD_EJECT, "\x44\x33\x22\x11", 4, 12);
    assert_int_equal(result.returned, STATUS_IO_TIMEOUT);
    assert_int_equal(result.information, 9);
    assert_memory_equal(result.out, "\x44\x33\x22\x11\xEE\xEE\xEE\xEE\xEE\xEE\xEE\xEE",
                        12); /* the input is still there */
    assert_non_null(reader->seen.current);
    assert_null(reader->seen.notification);
    assert_int_equal(reader->seen.major, IOCTL_SMARTCARD_EJECT);
    assert_int_equal(reader->seen.minor, 0x11223344);
    assert_null(reader->ext.OsData->CurrentIrp);
    free_reader(reader);
}

static void a_short_input_leaves_the_minor_code_before_in_force(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);
    struct result result;

    (void)unused;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_POWER, SCARD_WARM_RESET, 33), STATUS_SUCCESS);
    send_to(reader, &result, IOCTL_SMARTCARD_POWER, "\x09\x09\x09", 3, 33);
    assert_int_equal(result.returned, STATUS_SUCCESS);
    assert_int_equal(reader->seen.minor, SCARD_WARM_RESET);
    free_reader(reader);
}

/* ---- queries ----------------------------------------------------------------------------------------------------- */

static void get_state_needs_four_bytes(void **unused)
{
    struct reader *reader = bare_reader();
    struct result result;

    (void)unused;
    reader->ext.ReaderCapabilities.CurrentState = SCARD_NEGOTIABLE;
    send_to(reader, &result, IOCTL_SMARTCARD_GET_STATE, NULL, 0, 4);
    assert_int_equal(result.returned, STATUS_SUCCESS);
    assert_int_equal(result.information, 4);
    assert_memory_equal(result.out, "\x05\x00\x00\x00", 4);
    send_to(reader, &result, IOCTL_SMARTCARD_GET_STATE, NULL, 0, 3);
    assert_int_equal(result.returned, STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(result.information, 0);
    assert_memory_equal(result.out, "\xEE\xEE\xEE", 3);
    free_reader(reader);
}

static void get_perf_cntr_is_refused(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);

    (void)unused;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_GET_PERF_CNTR, 0, 4), STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(last_error(reader), STATUS_SUCCESS); /* a query */
    free_reader(reader);
}

/* ---- tracking: 3.3 ----------------------------------------------------------------------------------------------- */

static void tracking_ends_at_once_when_the_state_matches(void **unused)
{
    static const struct {
        ULONG code, state;
        NTSTATUS status;
    } rows[] = {
        {IOCTL_SMARTCARD_IS_PRESENT, SCARD_UNKNOWN, STATUS_INVALID_DEVICE_STATE},
        {IOCTL_SMARTCARD_IS_ABSENT, SCARD_UNKNOWN, STATUS_INVALID_DEVICE_STATE},
        {IOCTL_SMARTCARD_IS_ABSENT, SCARD_ABSENT, STATUS_SUCCESS},
        {IOCTL_SMARTCARD_IS_PRESENT, SCARD_PRESENT, STATUS_SUCCESS},
        {IOCTL_SMARTCARD_IS_PRESENT, SCARD_SPECIFIC, STATUS_SUCCESS},
    };
    struct result result;

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reader *reader = full_reader(rows[i].state);

        send_to(reader, &result, rows[i].code, NULL, 0, 0);
        assert_int_equal(result.returned, rows[i].status);
        assert_int_equal(result.information, 0x5555); /* untouched */
        assert_int_equal(reader->seen.calls[RDF_CARD_TRACKING], 0);
        assert_null(reader->ext.OsData->NotificationIrp);
        free_reader(reader);
    }
}

static void tracking_is_pended_by_the_driver_and_a_second_one_is_busy_even_if_it_matches(void **unused)
{
    struct reader *reader = full_reader(SCARD_ABSENT);
    struct result pended, result;

    (void)unused;
    reader->seen.answer[RDF_CARD_TRACKING] = STATUS_PENDING;
    send_to(reader, &pended, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
    assert_int_equal(pended.returned, STATUS_PENDING);
    assert_int_equal(pended.completions, 0);
    assert_ptr_equal(reader->seen.notification, pended.irp);
    assert_null(reader->seen.current);
    assert_ptr_equal(reader->ext.OsData->NotificationIrp, pended.irp);

    send_to(reader, &result, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
    assert_int_equal(result.returned, STATUS_DEVICE_BUSY);
    send_to(reader, &result, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    assert_int_equal(result.returned, STATUS_DEVICE_BUSY);
    assert_int_equal(last_error(reader), STATUS_DEVICE_BUSY);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_GET_STATE, 0, 4), STATUS_SUCCESS);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_EJECT, 0, 0), STATUS_SUCCESS); /* operations go on */

    reader->ext.OsData->NotificationIrp = NULL;
    end_pended(reader, &pended, STATUS_SUCCESS);
    assert_int_equal(last_error(reader), STATUS_SUCCESS);
    free_reader(reader);
}

static void a_tracking_callback_that_fails_leaves_notification_irp_to_the_driver(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);
    struct result result;

    (void)unused;
    reader->seen.answer[RDF_CARD_TRACKING] = STATUS_IO_DEVICE_ERROR;
    send_to(reader, &result, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    assert_int_equal(result.returned, STATUS_IO_DEVICE_ERROR);
    assert_int_equal(reader->seen.major, IOCTL_SMARTCARD_IS_ABSENT);
    assert_non_null(reader->ext.OsData->NotificationIrp);
    free_reader(reader);
}

/* ---- POWER: 3.4 -------------------------------------------------------------------------------------------------- */

static void power_needs_a_card(void **unused)
{
    (void)unused;
    for (ULONG state = SCARD_UNKNOWN; state <= SCARD_SPECIFIC; state++) {
        struct reader *reader = full_reader(state);

        reader->ext.CardCapabilities.ATR.Length = 5;
        assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_POWER, SCARD_COLD_RESET, 33),
                         state <= SCARD_ABSENT ? STATUS_INVALID_DEVICE_STATE : STATUS_SUCCESS);
        assert_int_equal(reader->ext.CardCapabilities.ATR.Length, state <= SCARD_ABSENT ? 5 : 0);
        assert_int_equal(state_of(reader), state);
        free_reader(reader);
    }
}

static void power_forgets_the_card_even_when_a_later_check_fails(void **unused)
{
    struct reader *reader = full_reader(SCARD_SPECIFIC);

    (void)unused;
    reader->ext.CardCapabilities.ATR.Length = 5;
    reader->ext.CardCapabilities.Protocol.Selected = 1;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_POWER, 3, 33), STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(reader->ext.CardCapabilities.ATR.Length, 0);
    assert_int_equal(reader->ext.CardCapabilities.Protocol.Selected, 0);
    assert_int_equal(reader->ext.CardCapabilities.Protocol.Supported, SCARD_PROTOCOL_RAW);
    assert_int_equal(reader->seen.calls[RDF_CARD_POWER], 0);
    free_reader(reader);
}

static void power_needs_room_for_an_atr_unless_it_switches_off(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);

    (void)unused;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_POWER, SCARD_COLD_RESET, 32), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_POWER, SCARD_WARM_RESET, 32), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(reader->seen.calls[RDF_CARD_POWER], 0);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_POWER, SCARD_COLD_RESET, 33), STATUS_SUCCESS);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_POWER, SCARD_POWER_DOWN, 0), STATUS_SUCCESS);
    assert_int_equal(reader->seen.calls[RDF_CARD_POWER], 2);
    free_reader(reader);
}

/* ---- SET_PROTOCOL: 3.5 ------------------------------------------------------------------------------------------- */

static void set_protocol_needs_a_card_and_room_for_the_answer(void **unused)
{
    struct reader *reader = full_reader(SCARD_ABSENT);

    (void)unused;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SET_PROTOCOL, 1, 4), STATUS_INVALID_DEVICE_STATE);
    reader->ext.ReaderCapabilities.CurrentState = SCARD_SPECIFIC;
    reader->ext.CardCapabilities.Protocol.Selected = 1;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SET_PROTOCOL, 2, 3), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(state_of(reader), SCARD_SPECIFIC);
    assert_int_equal(reader->ext.CardCapabilities.Protocol.Selected, 1);
    assert_int_equal(reader->seen.calls[RDF_SET_PROTOCOL], 0);
    free_reader(reader);
}

static void set_protocol_of_the_selected_one_ends_at_once_with_information_0(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);
    struct result result;

    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x00), STATUS_SUCCESS);
    assert_int_equal(state_of(reader), SCARD_SPECIFIC);
    send_to(reader, &result, IOCTL_SMARTCARD_SET_PROTOCOL, "\x03\x00\x00\x00", 4, 4);
    assert_int_equal(result.returned, STATUS_SUCCESS);
    assert_int_equal(result.information, 0);
    assert_memory_equal(result.out, "\x03\x00\x00\x00", 4); /* still the input */
    assert_int_equal(reader->seen.calls[RDF_SET_PROTOCOL], 0);
    free_reader(reader);
}

static void set_protocol_makes_the_card_negotiable_and_asks_the_driver(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);

    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x90, 0x94, 0x80, 0x01, 0x85), STATUS_SUCCESS); /* T=0 and T=1 */
    reader->ext.ReaderCapabilities.CurrentState = SCARD_PRESENT;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SET_PROTOCOL, SCARD_PROTOCOL_Tx, 4), STATUS_SUCCESS);
    assert_int_equal(reader->seen.calls[RDF_SET_PROTOCOL], 1);
    assert_int_equal(reader->seen.state, SCARD_NEGOTIABLE);
    assert_int_equal(reader->seen.pts.Type, PTS_TYPE_OPTIMAL);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SET_PROTOCOL, SCARD_PROTOCOL_Tx | SCARD_PROTOCOL_DEFAULT, 4),
                     STATUS_SUCCESS);
    assert_int_equal(reader->seen.pts.Type, PTS_TYPE_DEFAULT);
    assert_int_equal(state_of(reader), SCARD_NEGOTIABLE); /* the driver has not said otherwise */
    free_reader(reader);
}

static void set_protocol_evaluates_the_atr_again(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);

    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x00), STATUS_SUCCESS);
    reader->ext.ReaderCapabilities.CurrentState = SCARD_POWERED;
    reader->ext.CardCapabilities.Protocol.Selected = 0;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SET_PROTOCOL, SCARD_PROTOCOL_T0, 4), STATUS_SUCCESS);
    assert_int_equal(reader->seen.state, SCARD_SPECIFIC); /* a single protocol at the default rate */
    assert_int_equal(reader->seen.selected, SCARD_PROTOCOL_T0);
    free_reader(reader);
}

static void set_protocol_that_the_card_does_not_offer_is_not_supported(void **unused)
{
    static const ULONG masks[] = {SCARD_PROTOCOL_T1, SCARD_PROTOCOL_DEFAULT, SCARD_PROTOCOL_OPTIMAL, 0x40};

    (void)unused;
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        struct reader *reader = full_reader(SCARD_PRESENT);

        assert_int_equal(LOAD_ATR(reader, 0x3B, 0x00), STATUS_SUCCESS);
        assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SET_PROTOCOL, masks[i], 4), STATUS_NOT_SUPPORTED);
        assert_int_equal(reader->ext.CardCapabilities.Protocol.Selected, 0);
        assert_int_equal(state_of(reader), SCARD_NEGOTIABLE);
        assert_int_equal(reader->seen.calls[RDF_SET_PROTOCOL], 0);
        free_reader(reader);
    }
}

static void set_protocol_raw_calls_the_atr_parser_and_its_failure_ends_the_request(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);

    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x00), STATUS_SUCCESS);
    reader->ext.ReaderFunction[RDF_ATR_PARSE] = on_parse;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SET_PROTOCOL, SCARD_PROTOCOL_RAW, 4), STATUS_SUCCESS);
    assert_int_equal(reader->seen.calls[RDF_ATR_PARSE], 1);
    assert_int_equal(reader->seen.calls[RDF_SET_PROTOCOL], 1);
    reader->seen.answer[RDF_ATR_PARSE] = STATUS_UNRECOGNIZED_MEDIA;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SET_PROTOCOL, SCARD_PROTOCOL_RAW, 4),
                     STATUS_UNRECOGNIZED_MEDIA);
    assert_int_equal(reader->seen.calls[RDF_SET_PROTOCOL], 1);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SET_PROTOCOL, SCARD_PROTOCOL_T1 | SCARD_PROTOCOL_RAW, 4),
                     STATUS_SUCCESS);
    assert_int_equal(reader->seen.calls[RDF_ATR_PARSE], 2); /* not for masks with T=0 or T=1 */
    free_reader(reader);
}

/* ---- TRANSMIT: 3.6 ----------------------------------------------------------------------------------------------- */

static void transmit_needs_the_specific_state_then_a_header_then_the_selected_protocol(void **unused)
{
    struct reader *reader = full_reader(SCARD_NEGOTIABLE);
    struct result result;

    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x00), STATUS_SUCCESS);
    reader->ext.ReaderCapabilities.CurrentState = SCARD_NEGOTIABLE;
    send_to(reader, &result, IOCTL_SMARTCARD_TRANSMIT, t0_pci, 7, 0);
    assert_int_equal(result.returned, STATUS_INVALID_DEVICE_STATE);
    reader->ext.ReaderCapabilities.CurrentState = SCARD_SPECIFIC;
    send_to(reader, &result, IOCTL_SMARTCARD_TRANSMIT, t1_pci, 7, 0);
    assert_int_equal(result.returned, STATUS_INVALID_PARAMETER);
    send_to(reader, &result, IOCTL_SMARTCARD_TRANSMIT, t1_pci, 8, 0);
    assert_int_equal(result.returned, STATUS_INVALID_DEVICE_STATE);
    assert_int_equal(reader->seen.calls[RDF_TRANSMIT], 0);
    send_to(reader, &result, IOCTL_SMARTCARD_TRANSMIT, t0_pci, 8, 0); /* just a header, no room: let through */
    assert_int_equal(result.returned, STATUS_SUCCESS);
    assert_int_equal(reader->seen.calls[RDF_TRANSMIT], 1);
    free_reader(reader);
}

/* A driver that leaves something in every byte of its two buffers. */
static NTSTATUS filling_transmit(PSMARTCARD_EXTENSION ext)
{
    memset(ext->SmartcardRequest.Buffer, FILLER, MIN_BUFFER_SIZE);
    memset(ext->SmartcardReply.Buffer, FILLER, MIN_BUFFER_SIZE);
    return on_transmit(ext);
}

/* Whether every byte of both buffers is this one. */
static bool buffers_hold(const struct reader *reader, UCHAR byte)
{
    for (ULONG i = 0; i < MIN_BUFFER_SIZE; i++) {
        if (reader->ext.SmartcardRequest.Buffer[i] != byte || reader->ext.SmartcardReply.Buffer[i] != byte) {
            return false;
        }
    }
    return true;
}

/* docs/secrets.md: the data of VERIFY and its kin does not stay in the driver's buffers. */
static void after_a_command_with_a_secret_the_drivers_buffers_are_wiped(void **unused)
{
    struct reader *reader = full_reader(SCARD_SPECIFIC);
    struct result result;

    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x00), STATUS_SUCCESS);
    reader->ext.ReaderCapabilities.CurrentState = SCARD_SPECIFIC;
    reader->ext.ReaderFunction[RDF_TRANSMIT] = filling_transmit;
    send_to(reader, &result, IOCTL_SMARTCARD_TRANSMIT, "\x01\0\0\0\x08\0\0\0\x00\x20\x00\x01\x01\x31", 14, 20);
    assert_int_equal(result.returned, STATUS_SUCCESS);
    assert_true(buffers_hold(reader, 0));
    send_to(reader, &result, IOCTL_SMARTCARD_TRANSMIT, "\x01\0\0\0\x08\0\0\0\x00\xA4\x00\x01\x01\x31", 14, 20);
    assert_true(buffers_hold(reader, FILLER));
    /* A header that says that the command lies elsewhere says nothing of what it is. */
    send_to(reader, &result, IOCTL_SMARTCARD_TRANSMIT, "\x01\0\0\0\xFF\0\0\0\x00\x20\x00\x01\x01\x31", 14, 20);
    assert_true(buffers_hold(reader, FILLER));
    free_reader(reader);
}

/* One that pends and ends without the library: its buffers are wiped when the next operation begins. */
static void what_a_pended_secret_has_left_goes_with_the_next_operation(void **unused)
{
    struct reader *reader = full_reader(SCARD_SPECIFIC);
    struct result result, next;

    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x00), STATUS_SUCCESS);
    reader->ext.ReaderCapabilities.CurrentState = SCARD_SPECIFIC;
    reader->ext.ReaderFunction[RDF_TRANSMIT] = filling_transmit;
    reader->seen.answer[RDF_TRANSMIT] = STATUS_PENDING;
    send_to(reader, &result, IOCTL_SMARTCARD_TRANSMIT, "\x01\0\0\0\x08\0\0\0\x00\x20\x00\x01\x01\x31", 14, 20);
    assert_int_equal(result.returned, STATUS_PENDING);
    assert_true(buffers_hold(reader, FILLER));
    reader->ext.OsData->CurrentIrp = NULL;
    result.irp->IoStatus.Status = STATUS_IO_TIMEOUT;
    IoCompleteRequest(result.irp, IO_NO_INCREMENT);
    collect(&result, 0);
    send_to(reader, &next, IOCTL_SMARTCARD_EJECT, NULL, 0, 0);
    assert_true(buffers_hold(reader, 0));
    free_reader(reader);
}

/* ---- 3.7, 3.9, 3.10 ---------------------------------------------------------------------------------------------- */

static void eject_swallow_and_confiscate_go_to_the_driver_in_any_state(void **unused)
{
    struct reader *reader = full_reader(SCARD_UNKNOWN);

    (void)unused;
    reader->seen.answer[RDF_CARD_CONFISCATE] = STATUS_NO_MEDIA;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_EJECT, 0, 0), STATUS_SUCCESS);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SWALLOW, 0, 0), STATUS_SUCCESS);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_CONFISCATE, 0, 0), STATUS_NO_MEDIA);
    assert_int_equal(reader->seen.calls[RDF_CARD_EJECT], 1);
    assert_int_equal(reader->seen.calls[RDF_READER_SWALLOW], 1);
    assert_int_equal(reader->seen.calls[RDF_CARD_CONFISCATE], 1);
    assert_int_equal(reader->ext.ReaderCapabilities.CardConfiscated, 0);
    free_reader(reader);
}

static void set_attribute_knows_one_tag(void **unused)
{
    struct reader *reader = bare_reader();
    struct result result;

    (void)unused;
    send_to(reader, &result, IOCTL_SMARTCARD_SET_ATTRIBUTE, "\x07\x00\xFF\x7F", 4, 0);
    assert_int_equal(result.returned, STATUS_SUCCESS);
    assert_int_equal(result.information, 0);
    assert_int_equal(reader->ext.T1.State, T1_START);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SET_ATTRIBUTE, SCARD_ATTR_DEVICE_IN_USE, 0),
                     STATUS_NOT_SUPPORTED);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_SET_ATTRIBUTE, SCARD_ATTR_VENDOR_NAME, 0),
                     STATUS_NOT_SUPPORTED);
    free_reader(reader);
}

static void vendor_codes_of_any_device_type_go_to_the_driver(void **unused)
{
    static const ULONG codes[] = {0x00312000, 0x00312008, 0x00222400, 0x00313520, 0x00313FFC,
                                  0x00330000, 0x00330004, 0x00330008, 0x0033000C};
    struct reader *reader = full_reader(SCARD_UNKNOWN);
    struct result result;

    (void)unused;
    reader->seen.information = 3;
    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        send_to(reader, &result, codes[i], NULL, 0, 8);
        assert_int_equal(result.returned, STATUS_SUCCESS);
        assert_int_equal(result.information, 3);
        assert_int_equal(reader->seen.calls[RDF_IOCTL_VENDOR], i + 1);
        assert_int_equal(reader->seen.major, codes[i]);
    }
    free_reader(reader);
}

static void a_missing_vendor_callback_is_an_invalid_request(void **unused)
{
    struct reader *reader = bare_reader();

    (void)unused;
    assert_int_equal(send_ulong(reader, VENDOR_CODE, 0, 0), STATUS_INVALID_DEVICE_REQUEST);
    free_reader(reader);
}

/* ---- pending: 4.1 ------------------------------------------------------------------------------------------------ */

static void while_an_operation_is_pended_others_are_busy_and_queries_are_answered(void **unused)
{
    static const ULONG busy[] = {IOCTL_SMARTCARD_POWER, IOCTL_SMARTCARD_SET_PROTOCOL, IOCTL_SMARTCARD_EJECT,
                                 IOCTL_SMARTCARD_SET_ATTRIBUTE, VENDOR_CODE};
    struct reader *reader = full_reader(SCARD_PRESENT);
    struct result pended, result;

    (void)unused;
    reader->seen.answer[RDF_CARD_EJECT] = STATUS_PENDING;
    send_to(reader, &pended, IOCTL_SMARTCARD_EJECT, "\x78\x56\x34\x12", 4, 0);
    assert_int_equal(pended.returned, STATUS_PENDING);
    assert_ptr_equal(reader->ext.OsData->CurrentIrp, pended.irp);
    for (size_t i = 0; i < sizeof(busy) / sizeof(busy[0]); i++) {
        send_to(reader, &result, busy[i], "\x01\x00\x00\x00", 4, 33);
        assert_int_equal(result.returned, STATUS_DEVICE_BUSY);
        assert_int_equal(result.information, 0);
    }
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_GET_STATE, 0, 4), STATUS_SUCCESS);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_MAX_CLK, 4), STATUS_SUCCESS);
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_IS_PRESENT, 0, 0), STATUS_SUCCESS);
    assert_int_equal(last_error(reader), STATUS_SUCCESS); /* of IS_PRESENT */

    /* None of them has disturbed what the pended operation's driver sees. */
    assert_int_equal(reader->ext.MajorIoControlCode, IOCTL_SMARTCARD_EJECT);
    assert_int_equal(reader->ext.MinorIoControlCode, 0x12345678);
    assert_ptr_equal(reader->ext.IoRequest.Information, (PULONG)&pended.irp->IoStatus.Information);
    assert_int_equal(reader->seen.calls[RDF_CARD_EJECT], 1);

    end_pended(reader, &pended, STATUS_CANCELLED);
    assert_int_equal(last_error(reader), STATUS_CANCELLED);
    reader->seen.answer[RDF_CARD_EJECT] = STATUS_SUCCESS;
    assert_int_equal(send_ulong(reader, IOCTL_SMARTCARD_EJECT, 0, 0), STATUS_SUCCESS);
    free_reader(reader);
}

static void attributes_come_from_the_operations_start_while_it_runs(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);
    struct result pended, result;

    (void)unused;
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x02, 0x14, 0x50), STATUS_SUCCESS);
    reader->seen.answer[RDF_CARD_POWER] = STATUS_PENDING;
    send_to(reader, &pended, IOCTL_SMARTCARD_POWER, "\x01\x00\x00\x00", 4, 33);
    assert_int_equal(pended.returned, STATUS_PENDING);
    assert_int_equal(reader->ext.CardCapabilities.ATR.Length, 0); /* forgotten already */
    send_to(reader, &result, IOCTL_SMARTCARD_GET_ATTRIBUTE, "\x03\x03\x09\x00", 4, 33);
    assert_int_equal(result.returned, STATUS_SUCCESS);
    assert_int_equal(result.information, 4);
    assert_memory_equal(result.out, "\x3B\x02\x14\x50", 4);

    end_pended(reader, &pended, STATUS_SUCCESS);
    free_reader(reader);
}

static void attributes_need_a_card_now_and_when_the_operation_started(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);
    struct result pended, result;

    (void)unused;
    /* Before the reset there was no ATR: the card of that moment has no attributes, whatever the driver does now. */
    reader->seen.answer[RDF_CARD_POWER] = STATUS_PENDING;
    send_to(reader, &pended, IOCTL_SMARTCARD_POWER, "\x01\x00\x00\x00", 4, 33);
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x02, 0x14, 0x50), STATUS_SUCCESS);
    assert_int_equal(state_of(reader), SCARD_SPECIFIC);
    send_to(reader, &result, IOCTL_SMARTCARD_GET_ATTRIBUTE, "\x03\x03\x09\x00", 4, 33);
    assert_int_equal(result.returned, STATUS_INVALID_DEVICE_STATE);
    end_pended(reader, &pended, STATUS_SUCCESS);

    send_to(reader, &pended, IOCTL_SMARTCARD_POWER, "\x01\x00\x00\x00", 4, 33);
    send_to(reader, &result, IOCTL_SMARTCARD_GET_ATTRIBUTE, "\x03\x03\x09\x00", 4, 33);
    assert_int_equal(result.returned, STATUS_SUCCESS);
    /* The card leaves: no attribute of it any more, although the operation has not ended. */
    reader->ext.ReaderCapabilities.CurrentState = SCARD_ABSENT;
    send_to(reader, &result, IOCTL_SMARTCARD_GET_ATTRIBUTE, "\x03\x03\x09\x00", 4, 33);
    assert_int_equal(result.returned, STATUS_INVALID_DEVICE_STATE);
    end_pended(reader, &pended, STATUS_NO_MEDIA);
    free_reader(reader);
}

static void an_atr_parser_that_pends_pends_the_request(void **unused)
{
    struct reader *reader = full_reader(SCARD_PRESENT);
    struct result pended;

    (void)unused;
    SmartcardInitializeCardCapabilities(&reader->ext);
    reader->ext.ReaderFunction[RDF_ATR_PARSE] = on_parse;
    reader->seen.answer[RDF_ATR_PARSE] = STATUS_PENDING;
    send_to(reader, &pended, IOCTL_SMARTCARD_SET_PROTOCOL, "\x00\x00\x01\x00", 4, 4);
    assert_int_equal(pended.returned, STATUS_PENDING);
    assert_int_equal(reader->seen.calls[RDF_SET_PROTOCOL], 0);
    end_pended(reader, &pended, STATUS_SUCCESS);
    free_reader(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_that_is_not_buffered_is_an_invalid_parameter_and_leaves_information),
        cmocka_unit_test(unknown_codes_are_refused_with_information_0),
        cmocka_unit_test(a_low_function_of_another_device_or_access_is_unknown),
        cmocka_unit_test(a_missing_callback_is_not_supported_and_comes_before_the_state),
        cmocka_unit_test(the_callback_sees_its_request_and_current_irp_is_cleared_afterwards),
        cmocka_unit_test(a_short_input_leaves_the_minor_code_before_in_force),
        cmocka_unit_test(get_state_needs_four_bytes),
        cmocka_unit_test(get_perf_cntr_is_refused),
        cmocka_unit_test(tracking_ends_at_once_when_the_state_matches),
        cmocka_unit_test(tracking_is_pended_by_the_driver_and_a_second_one_is_busy_even_if_it_matches),
        cmocka_unit_test(a_tracking_callback_that_fails_leaves_notification_irp_to_the_driver),
        cmocka_unit_test(power_needs_a_card),
        cmocka_unit_test(power_forgets_the_card_even_when_a_later_check_fails),
        cmocka_unit_test(power_needs_room_for_an_atr_unless_it_switches_off),
        cmocka_unit_test(set_protocol_needs_a_card_and_room_for_the_answer),
        cmocka_unit_test(set_protocol_of_the_selected_one_ends_at_once_with_information_0),
        cmocka_unit_test(set_protocol_makes_the_card_negotiable_and_asks_the_driver),
        cmocka_unit_test(set_protocol_evaluates_the_atr_again),
        cmocka_unit_test(set_protocol_that_the_card_does_not_offer_is_not_supported),
        cmocka_unit_test(set_protocol_raw_calls_the_atr_parser_and_its_failure_ends_the_request),
        cmocka_unit_test(transmit_needs_the_specific_state_then_a_header_then_the_selected_protocol),
        cmocka_unit_test(after_a_command_with_a_secret_the_drivers_buffers_are_wiped),
        cmocka_unit_test(what_a_pended_secret_has_left_goes_with_the_next_operation),
        cmocka_unit_test(eject_swallow_and_confiscate_go_to_the_driver_in_any_state),
        cmocka_unit_test(set_attribute_knows_one_tag),
        cmocka_unit_test(vendor_codes_of_any_device_type_go_to_the_driver),
        cmocka_unit_test(a_missing_vendor_callback_is_an_invalid_request),
        cmocka_unit_test(while_an_operation_is_pended_others_are_busy_and_queries_are_answered),
        cmocka_unit_test(attributes_come_from_the_operations_start_while_it_runs),
        cmocka_unit_test(attributes_need_a_card_now_and_when_the_operation_started),
        cmocka_unit_test(an_atr_parser_that_pends_pends_the_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
