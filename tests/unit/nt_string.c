/* SPDX-License-Identifier: MIT */
/*
 * Strings, memory, the pool, clocks, debug prints and the error log.
 */
#include "nt_helper.h"

static void strings_are_initialised_with_their_sizes(void **state)
{
    UNICODE_STRING wide, constant = RTL_CONSTANT_STRING(L"\\Device\\x");
    ANSI_STRING ansi;

    RtlInitUnicodeString(&wide, L"SCReader");
    assert_int_equal(wide.Length, 8 * sizeof(WCHAR));
    assert_int_equal(wide.MaximumLength, 9 * sizeof(WCHAR));
    RtlInitUnicodeString(&wide, NULL);
    assert_int_equal(wide.Length, 0);
    assert_int_equal(wide.MaximumLength, 0);
    assert_int_equal(constant.Length, 9 * sizeof(WCHAR));
    RtlInitAnsiString(&ansi, "abc");
    assert_int_equal(ansi.Length, 3);
    assert_int_equal(ansi.MaximumLength, 4);
}

static void copies_are_cut_and_appends_are_refused_when_there_is_no_room(void **state)
{
    WCHAR buffer[5] = L"????";
    UNICODE_STRING small, source;

    RtlInitEmptyUnicodeString(&small, buffer, 3 * sizeof(WCHAR));
    RtlInitUnicodeString(&source, L"abcdef");
    RtlCopyUnicodeString(&small, &source);
    assert_int_equal(small.Length, 3 * sizeof(WCHAR));
    assert_memory_equal(buffer, L"abc?", 4 * sizeof(WCHAR));
    RtlInitEmptyUnicodeString(&small, buffer, 4 * sizeof(WCHAR));
    assert_int_equal(RtlAppendUnicodeToString(&small, L"xy"), STATUS_SUCCESS);
    assert_int_equal(RtlAppendUnicodeStringToString(&small, &source), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(small.Length, 2 * sizeof(WCHAR));
    assert_memory_equal(buffer, L"xy", 3 * sizeof(WCHAR));
}

static void comparisons_know_case(void **state)
{
    UNICODE_STRING a, b, c;

    RtlInitUnicodeString(&a, L"Reader");
    RtlInitUnicodeString(&b, L"rEADER");
    RtlInitUnicodeString(&c, L"Reader1");
    assert_true(RtlEqualUnicodeString(&a, &b, TRUE));
    assert_false(RtlEqualUnicodeString(&a, &b, FALSE));
    assert_true(RtlCompareUnicodeString(&a, &b, FALSE) < 0);
    assert_true(RtlCompareUnicodeString(&c, &a, TRUE) > 0);
    assert_int_equal(RtlCompareUnicodeString(&a, &a, FALSE), 0);
}

static void conversions_go_both_ways(void **state)
{
    UNICODE_STRING wide;
    ANSI_STRING ansi;
    CHAR tiny[3];

    RtlInitAnsiString(&ansi, "caf\xE9");
    assert_int_equal(RtlAnsiStringToUnicodeString(&wide, &ansi, TRUE), STATUS_SUCCESS);
    assert_int_equal(wide.Length, 4 * sizeof(WCHAR));
    assert_int_equal(wide.Buffer[3], 0xE9);
    assert_int_equal(wide.Buffer[4], 0);
    wide.Buffer[0] = 0x20AC; /* the euro sign is not in Latin-1 */
    assert_int_equal(RtlUnicodeStringToAnsiString(&ansi, &wide, TRUE), STATUS_SUCCESS);
    assert_string_equal(ansi.Buffer, "?af\xE9");
    RtlFreeAnsiString(&ansi);
    assert_null(ansi.Buffer);
    ansi.Buffer = tiny;
    ansi.MaximumLength = sizeof(tiny);
    assert_int_equal(RtlUnicodeStringToAnsiString(&ansi, &wide, FALSE), STATUS_BUFFER_OVERFLOW);
    RtlFreeUnicodeString(&wide);
}

static void numbers_are_written_and_read(void **state)
{
    static const struct {
        PCWSTR text;
        ULONG base, value;
    } rows[] = {{L"42", 0, 42}, {L"0x1F", 0, 31}, {L" -1", 10, 0xFFFFFFFF}, {L"777z", 8, 511}, {L"", 0, 0}};
    WCHAR buffer[12];
    UNICODE_STRING string;
    ULONG value;

    RtlInitEmptyUnicodeString(&string, buffer, sizeof(buffer));
    assert_int_equal(RtlIntegerToUnicodeString(4294967295U, 10, &string), STATUS_SUCCESS);
    assert_int_equal(string.Length, 10 * sizeof(WCHAR));
    assert_memory_equal(buffer, L"4294967295", 11 * sizeof(WCHAR));
    assert_int_equal(RtlIntegerToUnicodeString(0, 16, &string), STATUS_SUCCESS);
    assert_memory_equal(buffer, L"0", 2 * sizeof(WCHAR));
    assert_int_equal(RtlIntegerToUnicodeString(1, 7, &string), STATUS_INVALID_PARAMETER);
    for (size_t i = 0; i < ARRAYSIZE(rows); i++) {
        RtlInitUnicodeString(&string, rows[i].text);
        assert_int_equal(RtlUnicodeStringToInteger(&string, rows[i].base, &value), STATUS_SUCCESS);
        assert_int_equal(value, rows[i].value);
    }
}

static void memory_is_filled_and_compared(void **state)
{
    UCHAR a[4], b[4];

    RtlFillMemory(a, sizeof(a), 0x5A);
    RtlCopyMemory(b, a, sizeof(b));
    b[2] = 0;
    assert_int_equal(RtlCompareMemory(a, b, 4), 2);
    assert_int_equal(RtlCompareMemory(a, a, 4), 4);
    RtlZeroMemory(a, sizeof(a));
    RtlSecureZeroMemory(b, sizeof(b));
    assert_true(RtlEqualMemory(a, b, 4));
}

static void pool_gives_zeroed_memory_when_asked(void **state)
{
    PUCHAR p = ExAllocatePool2(POOL_FLAG_NON_PAGED, 64, 0x74736554);

    for (int i = 0; i < 64; i++) {
        assert_int_equal(p[i], 0);
    }
    ExFreePoolWithTag(p, 0x74736554);
    p = ExAllocatePoolWithTag(NonPagedPool, 0, 0x74736554);
    assert_non_null(p);
    ExFreePool(p);
}

static void clocks_run_in_kernel_units(void **state)
{
    LARGE_INTEGER epoch = {.QuadPart = 116444736000000000 + 951782400LL * 10000000 + 1230000};
    LARGE_INTEGER a, b, frequency;
    TIME_FIELDS fields;
    ULONGLONG before = KeQueryInterruptTime();

    KeQuerySystemTime(&a);
    KeStallExecutionProcessor(2000);
    KeQuerySystemTime(&b);
    assert_true(b.QuadPart > a.QuadPart);
    assert_true(KeQueryInterruptTime() - before >= 20000);
    KeQueryPerformanceCounter(&frequency);
    assert_true(frequency.QuadPart == 1000000000);
    assert_int_equal(KeQueryTimeIncrement(), 156250);
    RtlTimeToTimeFields(&epoch, &fields); /* 2000-02-29 00:00:00.123, a Tuesday */
    assert_int_equal(fields.Year, 2000);
    assert_int_equal(fields.Month, 2);
    assert_int_equal(fields.Day, 29);
    assert_int_equal(fields.Milliseconds, 123);
    assert_int_equal(fields.Weekday, 2);
}

/* ---- what goes to standard error ----------------------------------------------------------------------------------- */

static void capture(void (*what)(void), char *text, size_t size)
{
    int saved = dup(STDERR_FILENO), ends[2];
    ssize_t got;

    assert_int_equal(pipe(ends), 0);
    fflush(stderr);
    dup2(ends[1], STDERR_FILENO);
    what();
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    got = read(ends[0], text, size - 1);
    close(ends[0]);
    text[got > 0 ? got : 0] = '\0';
}

static void print_numbers(void)
{
    DbgPrint("%d %u %lu %#x %08lX %I64d %llx %c%% %zu", -5, 5U, 0xFFFFFFFFU, 0x1F, 0xABCU, (LONGLONG)-7, 0x123456789ULL,
             'k', (SIZE_T)9);
}

static void print_strings(void)
{
    UNICODE_STRING wide = RTL_CONSTANT_STRING(L"uni");
    ANSI_STRING ansi = RTL_CONSTANT_STRING("ansi");

    DbgPrint("[%s] [%5s] [%-5s] [%.2s] [%ws] [%S] [%wZ] [%Z] [%s]", "a", "b", "c", "def", L"wide", L"Wide", &wide,
             &ansi, (char *)NULL);
}

static void print_endless(void)
{
    char text[1000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    DbgPrint("%s", text);
}

static void print_cut(void)
{
    DbgPrint("100%");
}

static void debug_prints_speak_the_kernels_format(void **state)
{
    char text[2000];

    capture(print_numbers, text, sizeof(text));
    assert_string_equal(text, "-5 5 4294967295 0x1f 00000ABC -7 123456789 k% 9");
    capture(print_strings, text, sizeof(text));
    assert_string_equal(text, "[a] [    b] [c    ] [de] [wide] [Wide] [uni] [ansi] [(null)]");
    capture(print_endless, text, sizeof(text));
    assert_int_equal(strlen(text), 512);
    capture(print_cut, text, sizeof(text));
    assert_string_equal(text, "100");
}

static PDEVICE_OBJECT device;

static NTSTATUS entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    return IoCreateDevice(driver, 0, NULL, FILE_DEVICE_SMARTCARD, 0, FALSE, &device);
}

static void write_entry(void)
{
    IO_ERROR_LOG_PACKET *packet = IoAllocateErrorLogEntry(device, sizeof(*packet) + 8 * sizeof(WCHAR));

    packet->ErrorCode = (NTSTATUS)0xC0061234;
    packet->FinalStatus = STATUS_NO_MEDIA;
    packet->NumberOfStrings = 1;
    packet->StringOffset = sizeof(*packet);
    memcpy((char *)packet + sizeof(*packet), L"slot 2", 7 * sizeof(WCHAR));
    IoWriteErrorLogEntry(packet);
}

static void error_log_entries_are_one_line(void **state)
{
    struct nt_driver *driver;
    char text[300];

    assert_int_equal(nt_driver_load(*state, "logger", entry, NULL, &driver, NULL, 0), STATUS_SUCCESS);
    capture(write_entry, text, sizeof(text));
    assert_string_equal(text, "smartcrd: driver logger logs error 0xC0061234, final status 0xC0000178: slot 2\n");
    assert_null(IoAllocateErrorLogEntry(device, 241));
    IoFreeErrorLogEntry(IoAllocateErrorLogEntry(device, 240));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_initialised_with_their_sizes),
        cmocka_unit_test(copies_are_cut_and_appends_are_refused_when_there_is_no_room),
        cmocka_unit_test(comparisons_know_case),
        cmocka_unit_test(conversions_go_both_ways),
        cmocka_unit_test(numbers_are_written_and_read),
        cmocka_unit_test(memory_is_filled_and_compared),
        cmocka_unit_test(pool_gives_zeroed_memory_when_asked),
        cmocka_unit_test(clocks_run_in_kernel_units),
        cmocka_unit_test(debug_prints_speak_the_kernels_format),
        with_host(error_log_entries_are_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
