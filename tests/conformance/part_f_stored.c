/* SPDX-License-Identifier: MIT */
/*
 * What the last error is after each kind of operation and each kind of end. Before every operation another status is
 * left there, so that a store that did not happen shows.
 */
#include "part_f.h"

#include <string.h>

/* Another status than this one is the last error. */
static void leave_another(struct suite *suite, HANDLE reader, NTSTATUS than)
{
    if (than != STATUS_NOT_SUPPORTED) {
        leave_a_mark(suite, reader);
        return;
    }
    EXPECT_STATUS(suite, request(suite, reader, SCARD_CTL_CODE(100), NULL, 0, 0), STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_LAST(suite, reader, STATUS_INVALID_DEVICE_REQUEST);
}

static void expect_ended(struct suite *suite, struct io *io, NTSTATUS end)
{
    EXPECT_STATUS(suite, io, end);
    EXPECT_LAST(suite, io->handle, end);
}

/* One request, how it ends, and that this is stored. */
static void expect_stored(struct suite *suite, HANDLE reader, DWORD code, const void *in, DWORD in_size, DWORD room,
                          NTSTATUS end)
{
    leave_another(suite, reader, end);
    expect_ended(suite, request(suite, reader, code, in, in_size, room), end);
}

static void expect_text_stored(struct suite *suite, HANDLE reader, DWORD code, const char *text, NTSTATUS end)
{
    expect_stored(suite, reader, code, text, (DWORD)strlen(text), 0, end);
}

/* ---- operations that succeed --------------------------------------------------------------------------------------- */

void part_f_power_stores_its_success(struct suite *suite)
{
    static const ULONG kinds[] = {SCARD_COLD_RESET, SCARD_WARM_RESET, SCARD_POWER_DOWN};
    HANDLE reader = open_reader(suite);

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        expect_stored(suite, reader, IOCTL_SMARTCARD_POWER, &kinds[i], 4, 33, STATUS_SUCCESS);
}

void part_f_set_protocol_stores_its_success(struct suite *suite)
{
    const ULONG mask = SCARD_PROTOCOL_T1;
    HANDLE reader = open_reader(suite);

    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    expect_stored(suite, reader, IOCTL_SMARTCARD_SET_PROTOCOL, &mask, 4, 4, STATUS_SUCCESS);
    expect_stored(suite, reader, IOCTL_SMARTCARD_SET_PROTOCOL, &mask, 4, 4, STATUS_SUCCESS); /* there already */
}

void part_f_transmit_stores_its_success(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    leave_a_mark(suite, reader);
    expect_ended(suite, start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01), STATUS_SUCCESS);
}

void part_f_set_attribute_stores_both_ends(struct suite *suite)
{
    static const ULONG suppress[] = {SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, 1}, in_use[] = {SCARD_ATTR_DEVICE_IN_USE, 1};
    HANDLE reader = open_reader(suite);

    expect_stored(suite, reader, IOCTL_SMARTCARD_SET_ATTRIBUTE, suppress, 8, 0, STATUS_SUCCESS);
    expect_stored(suite, reader, IOCTL_SMARTCARD_SET_ATTRIBUTE, in_use, 8, 0, STATUS_NOT_SUPPORTED);
}

/* ---- operations that are refused ----------------------------------------------------------------------------------- */

void part_f_power_refused_is_stored(struct suite *suite)
{
    const ULONG cold = SCARD_COLD_RESET, unknown = 3;
    HANDLE reader = open_reader(suite);

    expect_stored(suite, reader, IOCTL_SMARTCARD_POWER, &cold, 4, 32, STATUS_BUFFER_TOO_SMALL);
    expect_stored(suite, reader, IOCTL_SMARTCARD_POWER, &unknown, 4, 33, STATUS_INVALID_DEVICE_REQUEST);
}

void part_f_set_protocol_refused_is_stored(struct suite *suite)
{
    const ULONG mask = SCARD_PROTOCOL_T1, unknown = 0x00400000;
    HANDLE reader = open_reader(suite);

    power_up(suite, reader, SCARD_COLD_RESET, NULL);
    expect_stored(suite, reader, IOCTL_SMARTCARD_SET_PROTOCOL, &mask, 4, 3, STATUS_BUFFER_TOO_SMALL);
    expect_stored(suite, reader, IOCTL_SMARTCARD_SET_PROTOCOL, &unknown, 4, 4, STATUS_NOT_SUPPORTED);
}

void part_f_transmit_refused_is_stored(struct suite *suite)
{
    static const UCHAR short_by_one[7] = {SCARD_PROTOCOL_T1, 0, 0, 0, 8, 0, 0};
    HANDLE reader = open_reader(suite);

    leave_a_mark(suite, reader);
    expect_ended(suite, start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01), STATUS_INVALID_DEVICE_STATE);
    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    expect_stored(suite, reader, IOCTL_SMARTCARD_TRANSMIT, short_by_one, 7, 64, STATUS_INVALID_PARAMETER);
    leave_a_mark(suite, reader);
    expect_ended(suite, start_exchange(suite, reader, SCARD_PROTOCOL_T0, 0x01), STATUS_INVALID_DEVICE_STATE);
}

void part_f_operations_without_a_card_store_their_refusal(struct suite *suite)
{
    const ULONG number = 1;
    HANDLE reader = open_reader(suite);

    expect_stored(suite, reader, IOCTL_SMARTCARD_POWER, &number, 4, 33, STATUS_INVALID_DEVICE_STATE);
    expect_stored(suite, reader, IOCTL_SMARTCARD_SET_PROTOCOL, &number, 4, 4, STATUS_INVALID_DEVICE_STATE);
    expect_stored(suite, reader, IOCTL_SMARTCARD_TRANSMIT, "\1\0\0\0\10\0\0\0\0\1\0\0", 12, 64,
                  STATUS_INVALID_DEVICE_STATE);
}

void part_f_operations_the_reader_lacks_store_their_refusal(struct suite *suite)
{
    static const DWORD codes[] = {IOCTL_SMARTCARD_EJECT, IOCTL_SMARTCARD_SWALLOW, IOCTL_SMARTCARD_CONFISCATE};
    HANDLE reader = open_reader(suite);

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        expect_stored(suite, reader, codes[i], NULL, 0, 0, STATUS_NOT_SUPPORTED);
}

void part_f_unknown_codes_store_their_refusal(struct suite *suite)
{
    static const USHORT functions[] = {8, 9, 13, 17, 18, 100, 2047};
    HANDLE reader = open_reader(suite);

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        expect_stored(suite, reader, SCARD_CTL_CODE(functions[i]), NULL, 0, 0, STATUS_INVALID_DEVICE_REQUEST);
}

void part_f_codes_of_another_method_store_their_refusal(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    for (DWORD method = 1; method <= 3; method++) /* METHOD_IN_DIRECT, METHOD_OUT_DIRECT, METHOD_NEITHER */
        expect_stored(suite, reader, IOCTL_SMARTCARD_SET_ATTRIBUTE | method, NULL, 0, 0, STATUS_INVALID_PARAMETER);
}

/* ---- vendor codes -------------------------------------------------------------------------------------------------- */

void part_f_vendor_codes_store_their_success(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    expect_stored(suite, reader, IOCTL_VREADER_STATUS, NULL, 0, 64, STATUS_SUCCESS);
    expect_text_stored(suite, reader, IOCTL_VREADER_INSERT, "echo", STATUS_SUCCESS);
    expect_text_stored(suite, reader, IOCTL_VREADER_REMOVE, "", STATUS_SUCCESS);
}

void part_f_vendor_codes_store_their_failure(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    expect_text_stored(suite, reader, IOCTL_VREADER_REMOVE, "", STATUS_NO_MEDIA);
    expect_text_stored(suite, reader, IOCTL_VREADER_INSERT, "no-such-card", STATUS_INVALID_PARAMETER);
    expect_text_stored(suite, reader, IOCTL_VREADER_FAULT, "no-such-fault", STATUS_INVALID_PARAMETER);
    expect_text_stored(suite, reader, SCARD_CTL_CODE(4000), "", STATUS_INVALID_DEVICE_REQUEST);
}

void part_f_device_busy_is_stored(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    expect_text_stored(suite, reader, IOCTL_VREADER_INSERT, "echo", STATUS_DEVICE_BUSY); /* there is a card */
}

/* ---- tracking ------------------------------------------------------------------------------------------------------ */

void part_f_tracking_that_need_not_wait_stores_its_success(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    expect_stored(suite, reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0, STATUS_SUCCESS);
    card_in(suite, "echo");
    expect_stored(suite, reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0, STATUS_SUCCESS);
}

/* Start it, see that it waits and that this stores nothing. */
static struct io *start_tracking(struct suite *suite, HANDLE reader, DWORD code)
{
    struct io *io;

    leave_a_mark(suite, reader);
    io = start(suite, reader, code, NULL, 0, 0);
    EXPECT(suite, io->pended);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
    return io;
}

void part_f_tracking_stores_success_when_the_card_comes(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *io = start_tracking(suite, reader, IOCTL_SMARTCARD_IS_PRESENT);

    card_in(suite, "echo");
    expect_ended(suite, io, STATUS_SUCCESS);
}

void part_f_tracking_stores_success_when_the_card_leaves(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *io = start_tracking(suite, reader, IOCTL_SMARTCARD_IS_ABSENT);

    card_out(suite);
    expect_ended(suite, io, STATUS_SUCCESS);
}

void part_f_tracking_refused_stores_device_busy(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *io = start_tracking(suite, reader, IOCTL_SMARTCARD_IS_PRESENT);

    expect_stored(suite, reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0, STATUS_DEVICE_BUSY);
    expect_stored(suite, reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0, STATUS_DEVICE_BUSY);
    cancel_now(suite, io);
}

void part_f_tracking_cancelled_stores_it(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *io = start_tracking(suite, reader, IOCTL_SMARTCARD_IS_PRESENT);

    cancel_now(suite, io);
    EXPECT_LAST(suite, reader, STATUS_CANCELLED);
}

/* ---- time-outs ----------------------------------------------------------------------------------------------------- */

static void expect_exchange_ends(struct suite *suite, DWORD protocol, const char *disturbance, NTSTATUS end)
{
    HANDLE reader = open_reader(suite);

    make_ready(suite, reader, protocol);
    leave_another(suite, reader, end);
    fault(suite, disturbance);
    expect_ended(suite, start_exchange(suite, reader, protocol, 0x01), end);
}

void part_f_time_out_over_t0_is_the_last_error(struct suite *suite)
{
    expect_exchange_ends(suite, SCARD_PROTOCOL_T0, "mute", STATUS_IO_TIMEOUT);
}

void part_f_time_out_over_t1_is_the_last_error(struct suite *suite)
{
    expect_exchange_ends(suite, SCARD_PROTOCOL_T1, "mute", STATUS_IO_TIMEOUT);
}

void part_f_time_out_of_a_reset_is_the_last_error(struct suite *suite)
{
    const ULONG cold = SCARD_COLD_RESET;
    HANDLE reader = open_reader(suite);

    fault(suite, "mute");
    expect_stored(suite, reader, IOCTL_SMARTCARD_POWER, &cold, 4, 33, STATUS_IO_TIMEOUT);
}

/* ---- cancel -------------------------------------------------------------------------------------------------------- */

void part_f_cancel_of_a_running_operation_is_the_last_error(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    leave_a_mark(suite, reader);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    cancel_now(suite, running);
    EXPECT_LAST(suite, reader, STATUS_CANCELLED);
}

/* At once, while the one before it runs on; and that one's end is stored when it comes. */
void part_f_cancel_of_a_queued_operation_is_the_last_error(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running, *queued;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    leave_a_mark(suite, reader);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    queued = start_exchange(suite, reader, SCARD_PROTOCOL_T1, 0x01);
    cancel_now(suite, queued);
    EXPECT_LAST(suite, reader, STATUS_CANCELLED);
    EXPECT(suite, !ends_within(suite, running, 0));
    card_out(suite);
    expect_ended(suite, running, STATUS_NO_MEDIA);
}

void part_f_cancel_of_a_reset_is_the_last_error(struct suite *suite)
{
    const ULONG cold = SCARD_COLD_RESET;
    HANDLE reader = open_reader(suite);
    struct io *reset;

    leave_a_mark(suite, reader);
    fault(suite, "delay byte=1 ms=800 on=atr");
    reset = start(suite, reader, IOCTL_SMARTCARD_POWER, &cold, 4, 33);
    cancel_now(suite, reset);
    EXPECT_LAST(suite, reader, STATUS_CANCELLED);
}

/* ---- removal of the card ------------------------------------------------------------------------------------------- */

void part_f_card_removal_during_an_exchange_is_the_last_error(struct suite *suite)
{
    HANDLE reader = open_reader(suite);
    struct io *running;

    make_ready(suite, reader, SCARD_PROTOCOL_T1);
    leave_a_mark(suite, reader);
    running = hold_reader(suite, reader, SCARD_PROTOCOL_T1);
    card_out(suite);
    expect_ended(suite, running, STATUS_NO_MEDIA);
    EXPECT_NUMBER(suite, reader_state(suite, reader), SCARD_ABSENT);
}

void part_f_card_removal_at_a_character_is_the_last_error(struct suite *suite)
{
    expect_exchange_ends(suite, SCARD_PROTOCOL_T1, "remove when=during byte=3 to=reader", STATUS_NO_MEDIA);
}

/* A card that comes or goes by itself ends no operation. */
void part_f_card_removal_without_an_operation_stores_nothing(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    leave_a_mark(suite, reader);
    card_out(suite);
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
    card_in(suite, "echo");
    EXPECT_LAST(suite, reader, STATUS_NOT_SUPPORTED);
}

/* ---- a card that breaks the protocol ------------------------------------------------------------------------------- */

/* Every block's check character is wrong: ISO/IEC 7816-3:2006, 11.6.3.2, until resynchronisation has failed, too. */
void part_f_protocol_failure_over_t1_is_the_last_error(struct suite *suite)
{
    expect_exchange_ends(suite, SCARD_PROTOCOL_T1, "edc byte=1 to=reader count=0", STATUS_DEVICE_PROTOCOL_ERROR);
}

/* 12 is no procedure byte for instruction 01 (10.3.3). */
void part_f_protocol_failure_over_t0_is_the_last_error(struct suite *suite)
{
    expect_exchange_ends(suite, SCARD_PROTOCOL_T0, "alter byte=0 value=12 count=0", STATUS_DEVICE_PROTOCOL_ERROR);
}

/* Its TCK does not fit. */
void part_f_unusable_answer_to_reset_is_the_last_error(struct suite *suite)
{
    const ULONG cold = SCARD_COLD_RESET;
    HANDLE reader = open_reader(suite);

    card_in(suite, "echo atr=3B80800102");
    expect_stored(suite, reader, IOCTL_SMARTCARD_POWER, &cold, 4, 33, STATUS_UNRECOGNIZED_MEDIA);
}

/* ---- afterwards ---------------------------------------------------------------------------------------------------- */

void part_f_success_after_a_failure_is_the_last_error(struct suite *suite)
{
    HANDLE reader = open_reader(suite);

    make_ready(suite, reader, SCARD_PROTOCOL_T0);
    fault(suite, "mute");
    expect_ended(suite, start_exchange(suite, reader, SCARD_PROTOCOL_T0, 0x01), STATUS_IO_TIMEOUT);
    make_ready(suite, reader, SCARD_PROTOCOL_T0);
    EXPECT_LAST(suite, reader, STATUS_SUCCESS);
    expect_ended(suite, start_exchange(suite, reader, SCARD_PROTOCOL_T0, 0x01), STATUS_SUCCESS);
}

void part_f_reader_removal_is_the_last_error(struct suite *suite)
{
    HANDLE reader;
    char name[64];
    struct io *tracking;

    fresh_reader(suite, name);
    reader = open_device(suite, name, FILE_FLAG_OVERLAPPED);
    tracking = start_tracking(suite, reader, IOCTL_SMARTCARD_IS_PRESENT);
    take_away(suite, name);
    expect_ended(suite, tracking, STATUS_DEVICE_REMOVED);
}
