/* SPDX-License-Identifier: MIT */
/*
 * The last error as the library keeps it when no client watches (DESIGN section 4), in the IRP's and in the VxD's form.
 */
#include "smclib_support.h"

static struct reader *reader;

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

static NTSTATUS end_with(NTSTATUS status)
{
    reader->seen.answer[RDF_CARD_EJECT] = status;
    return send_ulong(reader, IOCTL_SMARTCARD_EJECT, 0, 0);
}

static void it_is_success_at_first(void **unused)
{
    (void)unused;
    assert_int_equal(last_error(reader), STATUS_SUCCESS);
}

static void it_is_the_status_of_the_last_operation_failed_or_not(void **unused)
{
    (void)unused;
    assert_int_equal(end_with(STATUS_IO_TIMEOUT), STATUS_IO_TIMEOUT);
    assert_int_equal(last_error(reader), STATUS_IO_TIMEOUT);
    assert_int_equal(end_with(STATUS_BUFFER_OVERFLOW), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(last_error(reader), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(end_with(STATUS_SUCCESS), STATUS_SUCCESS);
    assert_int_equal(last_error(reader), STATUS_SUCCESS);
}

static void reading_does_not_clear_it(void **unused)
{
    (void)unused;
    (void)end_with(STATUS_NO_MEDIA);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(last_error(reader), STATUS_NO_MEDIA);
    }
}

static void every_kind_of_operation_stores_refused_ones_too(void **unused)
{
    static const struct {
        ULONG code, value, out;
        NTSTATUS status;
    } rows[] = {
        {IOCTL_SMARTCARD_POWER, 3, 33, STATUS_INVALID_DEVICE_REQUEST},
        {IOCTL_SMARTCARD_SET_ATTRIBUTE, 1, 0, STATUS_NOT_SUPPORTED},
        {IOCTL_SMARTCARD_TRANSMIT, 1, 0, STATUS_INVALID_DEVICE_STATE},
        {IOCTL_SMARTCARD_SET_PROTOCOL, 1, 0, STATUS_BUFFER_TOO_SMALL},
        {SCARD_CTL_CODE(2048), 0, 0, STATUS_IO_DEVICE_ERROR},
        {SCARD_CTL_CODE(13), 0, 0, STATUS_INVALID_DEVICE_REQUEST},
        {IOCTL_SMARTCARD_POWER | METHOD_NEITHER, 1, 33, STATUS_INVALID_PARAMETER},
        {IOCTL_SMARTCARD_IS_PRESENT, 0, 0, STATUS_SUCCESS},
        {IOCTL_SMARTCARD_IS_ABSENT, 0, 0, STATUS_CANCELLED},
    };

    (void)unused;
    reader->seen.answer[RDF_IOCTL_VENDOR] = STATUS_IO_DEVICE_ERROR;
    reader->seen.answer[RDF_CARD_TRACKING] = STATUS_CANCELLED;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)end_with(STATUS_CRC_ERROR);
        assert_int_equal(send_ulong(reader, rows[i].code, rows[i].value, rows[i].out), rows[i].status);
        assert_int_equal(last_error(reader), rows[i].status);
    }
}

static void queries_store_nothing(void **unused)
{
    (void)unused;
    (void)end_with(STATUS_IO_TIMEOUT);
    (void)send_ulong(reader, IOCTL_SMARTCARD_GET_STATE, 0, 0);
    (void)send_ulong(reader, IOCTL_SMARTCARD_GET_STATE, 0, 4);
    (void)send_ulong(reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, 0, 0);
    (void)send_ulong(reader, IOCTL_SMARTCARD_GET_PERF_CNTR, 0, 4);
    (void)send_ulong(reader, IOCTL_SMARTCARD_GET_LAST_ERROR, 0, 0);
    assert_int_equal(last_error(reader), STATUS_IO_TIMEOUT);
}

static void a_short_buffer_is_too_small_and_nothing_is_written(void **unused)
{
    struct result result;

    (void)unused;
    for (ULONG out = 0; out < 4; out++) {
        send_to(reader, &result, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, out);
        assert_int_equal(result.returned, STATUS_BUFFER_TOO_SMALL);
        assert_int_equal(result.information, 0);
        for (ULONG i = 0; i < out; i++) {
            assert_int_equal(result.out[i], FILLER);
        }
    }
}

static void input_is_ignored_and_only_four_bytes_are_written(void **unused)
{
    struct result result;

    (void)unused;
    (void)end_with(STATUS_IO_TIMEOUT);
    send_to(reader, &result, IOCTL_SMARTCARD_GET_LAST_ERROR, "abcdefgh", 8, 8);
    assert_int_equal(result.returned, STATUS_SUCCESS);
    assert_int_equal(result.information, 4);
    assert_memory_equal(result.out,
                        "\xB5\x00\x00\xC0"
                        "efgh",
                        8);
}

static void it_is_answered_in_every_state(void **unused)
{
    (void)unused;
    (void)end_with(STATUS_CANCELLED);
    for (ULONG state = SCARD_UNKNOWN; state <= SCARD_SPECIFIC; state++) {
        reader->ext.ReaderCapabilities.CurrentState = state;
        assert_int_equal(last_error(reader), STATUS_CANCELLED);
    }
}

static void it_is_answered_while_requests_are_pended_and_by_whoever_holds_the_locks(void **unused)
{
    struct result tracking, operation;
    KIRQL irql;

    (void)unused;
    (void)end_with(STATUS_IO_TIMEOUT);
    reader->seen.answer[RDF_CARD_TRACKING] = STATUS_PENDING;
    send_to(reader, &tracking, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    assert_int_equal(last_error(reader), STATUS_IO_TIMEOUT);
    reader->seen.answer[RDF_CARD_EJECT] = STATUS_PENDING;
    send_to(reader, &operation, IOCTL_SMARTCARD_EJECT, NULL, 0, 0);
    assert_int_equal(operation.returned, STATUS_PENDING);
    assert_int_equal(last_error(reader), STATUS_IO_TIMEOUT);

    KeAcquireSpinLock(&reader->ext.OsData->SpinLock, &irql);
    assert_int_equal(last_error(reader), STATUS_IO_TIMEOUT); /* it would hang here if it took the lock */
    KeReleaseSpinLock(&reader->ext.OsData->SpinLock, irql);

    end_pended(reader, &operation, STATUS_NO_MEDIA);
    assert_int_equal(last_error(reader), STATUS_NO_MEDIA);
    reader->ext.OsData->NotificationIrp = NULL;
    end_pended(reader, &tracking, STATUS_SUCCESS);
    assert_int_equal(last_error(reader), STATUS_SUCCESS);
}

static void power_does_not_forget_it(void **unused)
{
    (void)unused;
    (void)end_with(STATUS_NO_MEDIA);
    SmartcardInitializeCardCapabilities(&reader->ext);
    assert_int_equal(last_error(reader), STATUS_NO_MEDIA);
}

/* ---- the VxD form ------------------------------------------------------------------------------------------------ */

static NTSTATUS vxd(ULONG code, void *in, ULONG in_size, void *out, ULONG out_size, ULONG *returned)
{
    DIOCPARAMETERS params;

    memset(&params, 0, sizeof(params));
    params.dwIoControlCode = code;
    params.lpvInBuffer = in;
    params.cbInBuffer = in_size;
    params.lpvOutBuffer = out;
    params.cbOutBuffer = out_size;
    params.lpcbBytesReturned = returned;
    return smartcrd_device_control_vxd(&reader->ext, &params);
}

static void vxd_form_answers_the_last_error(void **unused)
{
    UCHAR out[8];
    ULONG returned = 99;

    (void)unused;
    (void)end_with(STATUS_IO_TIMEOUT);
    memset(out, FILLER, sizeof(out));
    assert_int_equal(vxd(IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, out, 8, &returned), STATUS_SUCCESS);
    assert_int_equal(returned, 4);
    assert_memory_equal(out, "\xB5\x00\x00\xC0\xEE\xEE\xEE\xEE", 8);
    memset(out, FILLER, sizeof(out));
    assert_int_equal(vxd(IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, out, 3, &returned), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(returned, 0);
    assert_int_equal(out[0], FILLER);
    assert_int_equal(vxd(IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, out, 4, NULL), STATUS_SUCCESS);
    assert_int_equal(vxd(IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, NULL, 4, &returned), STATUS_INVALID_PARAMETER);
    assert_int_equal(vxd(IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 4, out, 4, &returned), STATUS_INVALID_PARAMETER);
    assert_int_equal(returned, 0);
}

static void vxd_form_serves_every_other_code_too(void **unused)
{
    ULONG tag = SCARD_ATTR_MAX_IFSD;
    ULONG out[2] = {0, 0x77777777};
    ULONG returned = 99;

    (void)unused;
    assert_int_equal(vxd(IOCTL_SMARTCARD_GET_STATE, NULL, 0, out, 8, &returned), STATUS_SUCCESS);
    assert_int_equal(returned, 4);
    assert_int_equal(out[0], SCARD_PRESENT);
    assert_int_equal(out[1], 0x77777777);
    assert_int_equal(vxd(IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, out, 4, &returned), STATUS_SUCCESS);
    assert_int_equal(out[0], 254);
    assert_int_equal(vxd(IOCTL_SMARTCARD_EJECT, NULL, 0, NULL, 0, &returned), STATUS_SUCCESS);
    assert_int_equal(returned, 0);
    reader->seen.answer[RDF_CARD_EJECT] = STATUS_NO_MEDIA;
    reader->seen.information = 4;
    assert_int_equal(vxd(IOCTL_SMARTCARD_EJECT, NULL, 0, out, 4, &returned), STATUS_NO_MEDIA);
    assert_int_equal(returned, 0);
    assert_int_equal(last_error(reader), STATUS_NO_MEDIA);
    reader->seen.answer[RDF_CARD_EJECT] = STATUS_SUCCESS;
    reader->seen.information = 400; /* a driver that claims more than there is room */
    assert_int_equal(vxd(IOCTL_SMARTCARD_EJECT, NULL, 0, out, 4, &returned), STATUS_SUCCESS);
    assert_int_equal(returned, 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(it_is_success_at_first),
        T(it_is_the_status_of_the_last_operation_failed_or_not),
        T(reading_does_not_clear_it),
        T(every_kind_of_operation_stores_refused_ones_too),
        T(queries_store_nothing),
        T(a_short_buffer_is_too_small_and_nothing_is_written),
        T(input_is_ignored_and_only_four_bytes_are_written),
        T(it_is_answered_in_every_state),
        T(it_is_answered_while_requests_are_pended_and_by_whoever_holds_the_locks),
        T(power_does_not_forget_it),
        T(vxd_form_answers_the_last_error),
        T(vxd_form_serves_every_other_code_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
