/* SPDX-License-Identifier: MIT */
/* The other routines of smclib.md 2.12: a reader's birth and death, remove lock, links, messages, inverse convention. */
#include "smclib_support.h"

#include "src/nt/nt.h"

/* ---- SmartcardInitialize, SmartcardExit -------------------------------------------------------------------------- */

static void only_versions_100_to_150_are_served(void **unused)
{
    static const ULONG bad[] = {0, 0xFF, 0x151, 0xFFFFFFFF};
    static const ULONG good[] = {0x100, 0x123, 0x150};
    SMARTCARD_EXTENSION ext;

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(&ext, 0, sizeof(ext));
        ext.Version = bad[i];
        assert_int_equal(SmartcardInitialize(&ext), STATUS_UNSUCCESSFUL);
        assert_null(ext.OsData);
        assert_null(ext.SmartcardRequest.Buffer);
        assert_null(ext.SmartcardReply.Buffer);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        memset(&ext, 0, sizeof(ext));
        ext.Version = good[i];
        assert_int_equal(SmartcardInitialize(&ext), STATUS_SUCCESS);
        assert_int_equal(ext.Version, good[i]);
        SmartcardExit(&ext);
    }
}

static void initialize_allocates_what_it_promises(void **unused)
{
    SMARTCARD_EXTENSION ext;

    (void)unused;
    memset(&ext, 0, sizeof(ext));
    ext.Version = SMCLIB_VERSION;
    ext.SmartcardRequest.BufferSize = 1000;
    ext.SmartcardReply.BufferSize = 600;
    ext.SmartcardRequest.BufferLength = 5;
    ext.ReaderCapabilities.CurrentState = SCARD_ABSENT;
    assert_int_equal(SmartcardInitialize(&ext), STATUS_SUCCESS);
    assert_int_equal(ext.SmartcardRequest.BufferSize, 1000);
    assert_int_equal(ext.SmartcardReply.BufferSize, 600);
    assert_int_equal(ext.SmartcardRequest.BufferLength, 0);
    memset(ext.SmartcardRequest.Buffer, 1, 1000);
    memset(ext.SmartcardReply.Buffer, 1, 600);
    assert_null(ext.OsData->DeviceObject);
    assert_null(ext.OsData->CurrentIrp);
    assert_null(ext.OsData->NotificationIrp);
    assert_false(ext.OsData->RemoveLock.Removed);
    assert_int_equal(ext.OsData->RemoveLock.RefCount, 1);
    assert_ptr_equal(ext.OsData->RemoveLock.TagList.Flink, &ext.OsData->RemoveLock.TagList);
    assert_non_null(ext.CardCapabilities.ClockRateConversion);
    assert_non_null(ext.CardCapabilities.BitRateAdjustment);
    assert_int_equal(ext.CardCapabilities.Protocol.Supported, 0);
    assert_int_equal(ext.ReaderCapabilities.CurrentState, SCARD_ABSENT);
    SmartcardExit(&ext);
    assert_null(ext.OsData);
    assert_null(ext.SmartcardRequest.Buffer);
    assert_null(ext.SmartcardReply.Buffer);
    SmartcardExit(&ext); /* nothing left to free */
}

static void small_buffers_are_real_memory_of_the_minimum(void **unused)
{
    SMARTCARD_EXTENSION ext;

    (void)unused;
    memset(&ext, 0, sizeof(ext));
    ext.Version = SMCLIB_VERSION;
    ext.SmartcardRequest.BufferSize = 10;
    assert_int_equal(SmartcardInitialize(&ext), STATUS_SUCCESS);
    assert_int_equal(ext.SmartcardRequest.BufferSize, 288);
    assert_int_equal(ext.SmartcardReply.BufferSize, 288);
    memset(ext.SmartcardRequest.Buffer, 1, 288);
    memset(ext.SmartcardReply.Buffer, 1, 288);
    ext.SmartcardRequest.BufferSize = 0xFFFFFFFF; /* what a driver does to it later is of no matter to SmartcardExit */
    SmartcardExit(&ext);
}

/* ---- remove lock ------------------------------------------------------------------------------------------------- */

static void the_remove_lock_counts_and_refuses_after_removal(void **unused)
{
    struct reader *reader = bare_reader();
    SMARTCARD_EXTENSION *ext = &reader->ext;

    (void)unused;
    assert_int_equal(SmartcardAcquireRemoveLock(ext), STATUS_SUCCESS);
    assert_int_equal(ext->OsData->RemoveLock.RefCount, 2);
    assert_int_equal(SmartcardAcquireRemoveLockWithTag(ext, 0x74657374), STATUS_SUCCESS);
    assert_int_equal(ext->OsData->RemoveLock.RefCount, 3);
    assert_ptr_equal(ext->OsData->RemoveLock.TagList.Flink, &ext->OsData->RemoveLock.TagList);
    SmartcardReleaseRemoveLockWithTag(ext, 0x74657374);
    SmartcardReleaseRemoveLock(ext);
    assert_int_equal(ext->OsData->RemoveLock.RefCount, 1);

    assert_int_equal(SmartcardAcquireRemoveLock(ext), STATUS_SUCCESS);
    SmartcardReleaseRemoveLockAndWait(ext);
    assert_int_equal(ext->OsData->RemoveLock.RefCount, 0);
    assert_true(ext->OsData->RemoveLock.Removed);
    assert_int_equal(SmartcardAcquireRemoveLock(ext), STATUS_DELETE_PENDING);
    assert_int_equal(SmartcardAcquireRemoveLockWithTag(ext, 0x74657374), STATUS_DELETE_PENDING);
    assert_int_equal(ext->OsData->RemoveLock.RefCount, 0);
    free_reader(reader);
}

static void removal_after_a_failed_start_returns_too(void **unused)
{
    struct reader *reader = bare_reader();

    (void)unused;
    SmartcardReleaseRemoveLockAndWait(&reader->ext);
    assert_int_equal(reader->ext.OsData->RemoveLock.RefCount, 0);
    free_reader(reader);
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

static int host_up(void **state)
{
    struct nt_host *host;

    assert_int_equal(nt_host_create(&host), STATUS_SUCCESS);
    nt_enter(host);
    *state = host;
    return 0;
}

static int host_down(void **state)
{
    nt_enter(NULL);
    nt_host_destroy(*state);
    return 0;
}

static void links_take_the_first_free_number(void **unused)
{
    UNICODE_STRING device, link[12];

    (void)unused;
    RtlInitUnicodeString(&device, L"\\Device\\test0");
    for (int i = 0; i < 12; i++) {
        memset(&link[i], 0xCC, sizeof(link[i])); /* arrives uninitialised */
        assert_int_equal(SmartcardCreateLink(&link[i], &device), STATUS_SUCCESS);
    }
    assert_int_equal(link[0].Length, 21 * sizeof(WCHAR));
    assert_memory_equal(link[0].Buffer, L"\\DosDevices\\SCReader0", 22 * sizeof(WCHAR));
    assert_memory_equal(link[9].Buffer, L"\\DosDevices\\SCReader9", 22 * sizeof(WCHAR));
    assert_memory_equal(link[11].Buffer, L"\\DosDevices\\SCReader11", 23 * sizeof(WCHAR));
    assert_true(link[11].MaximumLength >= link[11].Length);

    assert_int_equal(SmartcardDeleteLink(&link[3]), STATUS_SUCCESS);
    ExFreePool(link[3].Buffer);
    assert_int_equal(SmartcardCreateLink(&link[3], &device), STATUS_SUCCESS);
    assert_memory_equal(link[3].Buffer, L"\\DosDevices\\SCReader3", 22 * sizeof(WCHAR));
    for (int i = 0; i < 12; i++) {
        assert_int_equal(SmartcardDeleteLink(&link[i]), STATUS_SUCCESS);
        ExFreePool(link[i].Buffer);
    }
}

static void a_link_that_cannot_be_made_leaves_no_buffer(void **unused)
{
    UNICODE_STRING device = {3, 4, NULL}; /* no whole characters */
    UNICODE_STRING link;

    (void)unused;
    assert_false(NT_SUCCESS(SmartcardCreateLink(&link, &device)));
    assert_null(link.Buffer);
    assert_int_equal(link.Length, 0);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void the_debug_level_is_0_at_first_and_kept(void **unused)
{
    (void)unused;
    assert_int_equal(SmartcardGetDebugLevel(), 0);
    SmartcardSetDebugLevel(DEBUG_ALL);
    assert_int_equal(SmartcardGetDebugLevel(), 0xFFFF);
    SmartcardSetDebugLevel(0);
    assert_int_equal(SmartcardGetDebugLevel(), 0);
}

static WCHAR long_text[300];

static VOID unload(PDRIVER_OBJECT object)
{
    UNREFERENCED_PARAMETER(object);
}

/* A driver that has much to say: AddressSanitizer watches the copies. */
static NTSTATUS talkative_entry(PDRIVER_OBJECT object, PUNICODE_STRING path)
{
    UNICODE_STRING insertion;

    UNREFERENCED_PARAMETER(path);
    object->DriverUnload = unload;
    for (size_t i = 0; i < 299; i++) {
        long_text[i] = L'x';
    }
    SmartcardLogError(object, STATUS_IO_DEVICE_ERROR, NULL, 1);
    RtlInitUnicodeString(&insertion, L"text");
    SmartcardLogError(object, STATUS_IO_DEVICE_ERROR, &insertion, 2);
    insertion.Buffer = long_text;
    insertion.Length = (USHORT)(299 * sizeof(WCHAR));
    SmartcardLogError(object, STATUS_IO_DEVICE_ERROR, &insertion, 3);
    insertion.Length = 7; /* no whole characters */
    SmartcardLogError(object, STATUS_IO_DEVICE_ERROR, &insertion, 4);
    insertion.Buffer = NULL;
    SmartcardLogError(object, STATUS_IO_DEVICE_ERROR, &insertion, 5);
    return STATUS_SUCCESS;
}

static void errors_of_any_length_are_logged(void **state)
{
    struct nt_driver *talkative;
    char error[200];

    assert_int_equal(nt_driver_load(*state, "talkative", talkative_entry, NULL, &talkative, error, sizeof(error)),
                     STATUS_SUCCESS);
    assert_int_equal(nt_driver_unload(talkative), STATUS_SUCCESS);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void invert_reverses_and_negates(void **unused)
{
    UCHAR bytes[] = {0x03, 0x3B, 0xFF, 0x00, 0x80, 0x01, 0xAA};

    (void)unused;
    SmartcardInvertData(bytes, 6);
    assert_memory_equal(bytes, "\x3F\x23\x00\xFF\xFE\x7F\xAA", 7);
    SmartcardInvertData(bytes, 6);
    assert_memory_equal(bytes, "\x03\x3B\xFF\x00\x80\x01\xAA", 7);
    SmartcardInvertData(NULL, 0);
}

static void the_interface_class_is_the_documented_one(void **unused)
{
    static const UCHAR bytes[16] = {0x30, 0x52, 0xDD, 0x50, 0x8A, 0xBA, 0xD1, 0x11,
                                    0xBF, 0x5D, 0x00, 0x00, 0xF8, 0x05, 0xF5, 0x30};

    (void)unused;
    assert_memory_equal(&SmartCardReaderGuid, bytes, 16);
    assert_ptr_equal(&GUID_DEVINTERFACE_SMARTCARD_READER, &SmartCardReaderGuid);
}

static void codes_and_attributes_have_the_documented_values(void **unused)
{
    (void)unused;
    assert_int_equal(IOCTL_SMARTCARD_POWER, 0x00310004);
    assert_int_equal(IOCTL_SMARTCARD_GET_ATTRIBUTE, 0x00310008);
    assert_int_equal(IOCTL_SMARTCARD_SET_ATTRIBUTE, 0x0031000C);
    assert_int_equal(IOCTL_SMARTCARD_CONFISCATE, 0x00310010);
    assert_int_equal(IOCTL_SMARTCARD_TRANSMIT, 0x00310014);
    assert_int_equal(IOCTL_SMARTCARD_EJECT, 0x00310018);
    assert_int_equal(IOCTL_SMARTCARD_SWALLOW, 0x0031001C);
    assert_int_equal(IOCTL_SMARTCARD_READ, 0x00310020);
    assert_int_equal(IOCTL_SMARTCARD_WRITE, 0x00310024);
    assert_int_equal(IOCTL_SMARTCARD_IS_PRESENT, 0x00310028);
    assert_int_equal(IOCTL_SMARTCARD_IS_ABSENT, 0x0031002C);
    assert_int_equal(IOCTL_SMARTCARD_SET_PROTOCOL, 0x00310030);
    assert_int_equal(IOCTL_SMARTCARD_GET_STATE, 0x00310038);
    assert_int_equal(IOCTL_SMARTCARD_GET_LAST_ERROR, 0x0031003C);
    assert_int_equal(IOCTL_SMARTCARD_GET_PERF_CNTR, 0x00310040);
    assert_int_equal(IOCTL_SMARTCARD_GET_FEATURE_REQUEST, 0x00313520);
    assert_int_equal(SCARD_CTL_CODE(0x8000), 0x00330000);
    assert_int_equal(SCARD_CTL_CODE(0x8003), 0x0033000C);
    assert_int_equal(SCARD_ATTR_VENDOR_NAME, 0x00010100);
    assert_int_equal(SCARD_ATTR_CURRENT_EBC_ENCODING, 0x0008020B);
    assert_int_equal(SCARD_ATTR_ICC_TYPE_PER_ATR, 0x00090304);
    assert_int_equal(SCARD_ATTR_MAXINPUT, 0x0007A007);
    assert_int_equal(SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, 0x7FFF0007);
    assert_int_equal(SCARD_PERF_TRANSMISSION_TIME, 0x7FFE0003);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_versions_100_to_150_are_served),
        cmocka_unit_test(initialize_allocates_what_it_promises),
        cmocka_unit_test(small_buffers_are_real_memory_of_the_minimum),
        cmocka_unit_test(the_remove_lock_counts_and_refuses_after_removal),
        cmocka_unit_test(removal_after_a_failed_start_returns_too),
        cmocka_unit_test_setup_teardown(links_take_the_first_free_number, host_up, host_down),
        cmocka_unit_test_setup_teardown(a_link_that_cannot_be_made_leaves_no_buffer, host_up, host_down),
        cmocka_unit_test(the_debug_level_is_0_at_first_and_kept),
        cmocka_unit_test_setup_teardown(errors_of_any_length_are_logged, host_up, host_down),
        cmocka_unit_test(invert_reverses_and_negates),
        cmocka_unit_test(the_interface_class_is_the_documented_one),
        cmocka_unit_test(codes_and_attributes_have_the_documented_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
