/* SPDX-License-Identifier: MIT */
/* The T=0 and raw helpers: smclib.md 5.3 and 5.4. */
#include "smclib_support.h"

static struct reader *reader;
static IRP irp;
static UCHAR *io;

#define EXT (&reader->ext)

/* A request as the driver sees it: `in` bytes of input, SCARD_IO_REQUEST included, and room for `out`. */
static void request(const void *bytes, ULONG in, ULONG out)
{
    free(io);
    io = malloc((in > out ? in : out) + 1u);
    assert_non_null(io);
    if (in != 0) {
        memcpy(io, bytes, in);
    }
    irp.IoStatus.Information = 0;
    EXT->IoRequest.Information = (PULONG)(void *)&irp.IoStatus.Information;
    EXT->IoRequest.RequestBuffer = io;
    EXT->IoRequest.RequestBufferLength = in;
    EXT->IoRequest.ReplyBuffer = io;
    EXT->IoRequest.ReplyBufferLength = out;
    EXT->SmartcardRequest.BufferLength = 0;
    EXT->T0.Lc = 77;
    EXT->T0.Le = 77;
}

/* An APDU behind a T=0 header. */
static void apdu(const void *bytes, ULONG size)
{
    UCHAR in[600] = {1, 0, 0, 0, 8, 0, 0, 0};

    memcpy(in + 8, bytes, size);
    request(in, 8 + size, 0);
}

static int up(void **unused)
{
    (void)unused;
    reader = full_reader(SCARD_SPECIFIC);
    return 0;
}

static int down(void **unused)
{
    (void)unused;
    free_reader(reader);
    free(io);
    io = NULL;
    return 0;
}

static void t0_case_1_gets_a_p3_of_0(void **unused)
{
    (void)unused;
    apdu("\x00\x44\x00\x00", 4);
    assert_int_equal(SmartcardT0Request(EXT), STATUS_SUCCESS);
    assert_int_equal(EXT->SmartcardRequest.BufferLength, 5);
    assert_memory_equal(EXT->SmartcardRequest.Buffer, "\x00\x44\x00\x00\x00", 5);
    assert_int_equal(EXT->T0.Lc, 0);
    assert_int_equal(EXT->T0.Le, 0);
}

static void t0_case_2_has_le_and_0_means_256(void **unused)
{
    (void)unused;
    apdu("\x00\xB0\x00\x00\x10", 5);
    assert_int_equal(SmartcardT0Request(EXT), STATUS_SUCCESS);
    assert_int_equal(EXT->T0.Lc, 0);
    assert_int_equal(EXT->T0.Le, 16);
    apdu("\x00\xB0\x00\x00\x00", 5);
    assert_int_equal(SmartcardT0Request(EXT), STATUS_SUCCESS);
    assert_int_equal(EXT->T0.Le, 256);
    assert_int_equal(EXT->SmartcardRequest.BufferLength, 5);
}

static void t0_case_3_must_be_exactly_5_plus_lc(void **unused)
{
    (void)unused;
    apdu("\x00\xA4\x00\x00\x02\x3F\x00", 7);
    assert_int_equal(SmartcardT0Request(EXT), STATUS_SUCCESS);
    assert_int_equal(EXT->SmartcardRequest.BufferLength, 7);
    assert_int_equal(EXT->T0.Lc, 2);
    assert_int_equal(EXT->T0.Le, 0);
    apdu("\x00\xA4\x00\x00\x02\x3F", 6);
    assert_int_equal(SmartcardT0Request(EXT), STATUS_INVALID_PARAMETER);
    assert_int_equal(EXT->SmartcardRequest.BufferLength, 0);
}

static void t0_case_4_is_refused(void **unused)
{
    (void)unused;
    apdu("\x00\xA4\x00\x00\x02\x3F\x00\x00", 8);
    assert_int_equal(SmartcardT0Request(EXT), STATUS_INVALID_PARAMETER);
}

static void t0_less_than_a_command_is_refused_and_changes_nothing(void **unused)
{
    (void)unused;
    for (ULONG size = 0; size < 4; size++) {
        apdu("\x00\xA4\x00", size);
        assert_int_equal(SmartcardT0Request(EXT), STATUS_INVALID_PARAMETER);
        assert_int_equal(EXT->T0.Lc, 77);
        assert_int_equal(EXT->T0.Le, 77);
        assert_int_equal(EXT->SmartcardRequest.BufferLength, 0);
    }
}

static void t0_request_goes_behind_the_drivers_header(void **unused)
{
    (void)unused;
    apdu("\x00\xA4\x00\x00\x02\x3F\x00", 7);
    EXT->SmartcardRequest.BufferLength = 3;
    assert_int_equal(SmartcardT0Request(EXT), STATUS_SUCCESS);
    assert_int_equal(EXT->SmartcardRequest.BufferLength, 10);
    assert_memory_equal(EXT->SmartcardRequest.Buffer + 3, "\x00\xA4\x00\x00\x02\x3F\x00", 7);
}

static void t0_header_and_input_must_stay_below_the_buffers_size(void **unused)
{
    UCHAR command[268] = {0x00, 0xD6, 0x00, 0x00, 0xFF};

    (void)unused;
    apdu(command, 260); /* 268 bytes of input */
    EXT->SmartcardRequest.BufferLength = 20;
    assert_int_equal(SmartcardT0Request(EXT), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(EXT->SmartcardRequest.BufferLength, 20);
    assert_int_equal(EXT->T0.Lc, 77);
    EXT->SmartcardRequest.BufferLength = 19;
    assert_int_equal(SmartcardT0Request(EXT), STATUS_SUCCESS);
    EXT->SmartcardRequest.BufferLength = 0xFFFFFFFF;
    assert_int_equal(SmartcardT0Request(EXT), STATUS_BUFFER_OVERFLOW);
}

static void t0_header_of_the_caller_must_lie_within_the_input(void **unused)
{
    static const UCHAR lengths[] = {0, 7, 13, 255};
    UCHAR in[12] = {1, 0, 0, 0, 8, 0, 0, 0, 0x00, 0xA4, 0x00, 0x00};

    (void)unused;
    for (size_t i = 0; i < sizeof(lengths); i++) {
        in[4] = lengths[i];
        request(in, sizeof(in), 0);
        assert_int_equal(SmartcardT0Request(EXT), STATUS_INVALID_PARAMETER);
    }
}

static void t0_reply_gets_a_header_and_keeps_the_status_bytes(void **unused)
{
    (void)unused;
    request("", 0, 11);
    memcpy(EXT->SmartcardReply.Buffer, "\xAA\x61\x10", 3);
    EXT->SmartcardReply.BufferLength = 3;
    assert_int_equal(SmartcardT0Reply(EXT), STATUS_SUCCESS);
    assert_int_equal(irp.IoStatus.Information, 11);
    assert_memory_equal(io, "\x01\x00\x00\x00\x08\x00\x00\x00\xAA\x61\x10", 11);
    request("", 0, 10);
    assert_int_equal(SmartcardT0Reply(EXT), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(irp.IoStatus.Information, 0);
}

static void t0_reply_without_status_bytes_is_a_protocol_error_before_all_else(void **unused)
{
    (void)unused;
    request("", 0, 0);
    EXT->SmartcardReply.BufferLength = 1;
    assert_int_equal(SmartcardT0Reply(EXT), STATUS_DEVICE_PROTOCOL_ERROR);
    EXT->SmartcardReply.BufferLength = MIN_BUFFER_SIZE + 1;
    assert_int_equal(SmartcardT0Reply(EXT), STATUS_DEVICE_PROTOCOL_ERROR);
    EXT->SmartcardReply.BufferLength = 2;
    assert_int_equal(SmartcardT0Reply(EXT), STATUS_BUFFER_TOO_SMALL);
}

static void raw_request_copies_the_header_too(void **unused)
{
    (void)unused;
    request("\x00\x00\x01\x00\x08\x00\x00\x00\xCA\xFE", 10, 0);
    EXT->SmartcardRequest.BufferLength = 2;
    assert_int_equal(SmartcardRawRequest(EXT), STATUS_SUCCESS);
    assert_int_equal(EXT->SmartcardRequest.BufferLength, 12);
    assert_memory_equal(EXT->SmartcardRequest.Buffer + 2, "\x00\x00\x01\x00\x08\x00\x00\x00\xCA\xFE", 10);
    EXT->SmartcardRequest.BufferLength = MIN_BUFFER_SIZE - 10;
    assert_int_equal(SmartcardRawRequest(EXT), STATUS_BUFFER_TOO_SMALL);
    EXT->SmartcardRequest.BufferLength = MIN_BUFFER_SIZE - 11;
    assert_int_equal(SmartcardRawRequest(EXT), STATUS_SUCCESS);
    EXT->SmartcardRequest.BufferLength = 0xFFFFFFFF;
    assert_int_equal(SmartcardRawRequest(EXT), STATUS_BUFFER_TOO_SMALL);
}

static void raw_reply_has_no_header(void **unused)
{
    (void)unused;
    request("", 0, 3);
    memcpy(EXT->SmartcardReply.Buffer, "\x01\x02\x03\x04", 4);
    EXT->SmartcardReply.BufferLength = 3;
    assert_int_equal(SmartcardRawReply(EXT), STATUS_SUCCESS);
    assert_int_equal(irp.IoStatus.Information, 3);
    assert_memory_equal(io, "\x01\x02\x03", 3);
    irp.IoStatus.Information = 0;
    EXT->SmartcardReply.BufferLength = 4;
    assert_int_equal(SmartcardRawReply(EXT), STATUS_BUFFER_TOO_SMALL);
    EXT->SmartcardReply.BufferLength = 0xFFFFFFFF;
    assert_int_equal(SmartcardRawReply(EXT), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(irp.IoStatus.Information, 0);
}

static void a_request_without_buffers_is_refused(void **unused)
{
    (void)unused;
    request(NULL, 0, 0);
    EXT->IoRequest.RequestBuffer = NULL;
    EXT->IoRequest.ReplyBuffer = NULL;
    assert_int_equal(SmartcardT0Request(EXT), STATUS_INVALID_PARAMETER);
    EXT->SmartcardReply.BufferLength = 2;
    assert_int_equal(SmartcardT0Reply(EXT), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(irp.IoStatus.Information, 0);
}

static void raw_carries_nothing_as_well(void **unused)
{
    (void)unused;
    request(NULL, 0, 0);
    EXT->IoRequest.RequestBuffer = NULL;
    EXT->IoRequest.ReplyBuffer = NULL;
    EXT->SmartcardRequest.BufferLength = 3; /* the driver's own */
    assert_int_equal(SmartcardRawRequest(EXT), STATUS_SUCCESS);
    assert_int_equal(EXT->SmartcardRequest.BufferLength, 3);
    EXT->SmartcardReply.BufferLength = 0;
    assert_int_equal(SmartcardRawReply(EXT), STATUS_SUCCESS);
    assert_int_equal(irp.IoStatus.Information, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(t0_case_1_gets_a_p3_of_0),
        T(t0_case_2_has_le_and_0_means_256),
        T(t0_case_3_must_be_exactly_5_plus_lc),
        T(t0_case_4_is_refused),
        T(t0_less_than_a_command_is_refused_and_changes_nothing),
        T(t0_request_goes_behind_the_drivers_header),
        T(t0_header_and_input_must_stay_below_the_buffers_size),
        T(t0_header_of_the_caller_must_lie_within_the_input),
        T(t0_reply_gets_a_header_and_keeps_the_status_bytes),
        T(t0_reply_without_status_bytes_is_a_protocol_error_before_all_else),
        T(a_request_without_buffers_is_refused),
        T(raw_request_copies_the_header_too),
        T(raw_reply_has_no_header),
        T(raw_carries_nothing_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
