/* SPDX-License-Identifier: MIT */
/*
 * The Win32 names on Linux: events, threads, handles and overlapped requests behave as Windows' documentation says, so
 * that a check which passes here is not passed by the ground it stands on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "linux/port.h"
#include "linux/windows.h"
#include <smartcrd/vreader.h>

#define LONG_MS  10000 /* for what must happen */
#define SHORT_MS 30    /* for what must not */

static HANDLE panel;

static HANDLE open_file(const char *name, DWORD flags)
{
    HANDLE handle = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, flags, NULL);
    assert_ptr_not_equal(handle, INVALID_HANDLE_VALUE);
    return handle;
}

static HANDLE open_reader(void)
{
    return open_file("\\\\.\\vreader0", FILE_FLAG_OVERLAPPED);
}

static HANDLE event(BOOL manual)
{
    HANDLE handle = CreateEventA(NULL, manual, FALSE, NULL);
    assert_non_null(handle);
    return handle;
}

/* Wait for a card that does not come; the request is pended. */
static void pend(HANDLE reader, OVERLAPPED *overlapped)
{
    DWORD returned = 77;
    assert_false(DeviceIoControl(reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, &returned, overlapped));
    assert_int_equal(GetLastError(), ERROR_IO_PENDING);
    assert_int_equal(overlapped->Internal, STATUS_PENDING);
}

static void to_panel(DWORD code, const char *text)
{
    DWORD returned;
    char copy[64] = "";
    strncat(copy, text, sizeof copy - 1);
    assert_true(DeviceIoControl(panel, code, copy, (DWORD)strlen(copy), NULL, 0, &returned, NULL));
}

static void assert_ended(OVERLAPPED *overlapped, NTSTATUS status)
{
    assert_int_equal(WaitForSingleObject(overlapped->hEvent, LONG_MS), WAIT_OBJECT_0);
    assert_true(HasOverlappedIoCompleted(overlapped));
    assert_int_equal((NTSTATUS)overlapped->Internal, status);
}

static int begin(void **state)
{
    struct smartcrd *context;
    char name[SMARTCRD_NAME_MAX];
    assert_int_equal(smartcrd_create(NULL, &context), STATUS_SUCCESS);
    assert_int_equal(smartcrd_load_driver(context, "vreader", NULL, 0), STATUS_SUCCESS);
    assert_int_equal(smartcrd_add_reader(context, "vreader", name, sizeof name), STATUS_SUCCESS);
    assert_string_equal(name, "vreader0");
    win32_attach(context);
    panel = open_file("\\\\.\\vreader0-panel", 0);
    *state = context;
    return 0;
}

static int finish(void **state)
{
    win32_detach(); /* closes what a test left open */
    smartcrd_destroy(*state);
    return 0;
}

/* ---- events and waits -------------------------------------------------------------------------------------------- */

static void auto_reset_event_lets_one_wait_through(void **state)
{
    HANDLE it = event(FALSE);
    assert_int_equal(WaitForSingleObject(it, 0), WAIT_TIMEOUT);
    assert_true(SetEvent(it));
    assert_true(SetEvent(it));
    assert_int_equal(WaitForSingleObject(it, 0), WAIT_OBJECT_0);
    assert_int_equal(WaitForSingleObject(it, 0), WAIT_TIMEOUT);
}

static void manual_reset_event_stays_until_reset(void **state)
{
    HANDLE it = event(TRUE);
    assert_true(SetEvent(it));
    assert_int_equal(WaitForSingleObject(it, 0), WAIT_OBJECT_0);
    assert_int_equal(WaitForSingleObject(it, 0), WAIT_OBJECT_0);
    assert_true(ResetEvent(it));
    assert_int_equal(WaitForSingleObject(it, 0), WAIT_TIMEOUT);
}

static void wait_for_any_takes_the_first_alone(void **state)
{
    HANDLE events[3] = {event(FALSE), event(FALSE), event(FALSE)};
    assert_int_equal(WaitForMultipleObjects(3, events, FALSE, SHORT_MS), WAIT_TIMEOUT);
    SetEvent(events[2]);
    SetEvent(events[1]);
    assert_int_equal(WaitForMultipleObjects(3, events, FALSE, 0), WAIT_OBJECT_0 + 1);
    assert_int_equal(WaitForMultipleObjects(3, events, FALSE, 0), WAIT_OBJECT_0 + 2);
    assert_int_equal(WaitForMultipleObjects(3, events, FALSE, 0), WAIT_TIMEOUT);
}

static void wait_for_all_takes_all_or_none(void **state)
{
    HANDLE events[2] = {event(FALSE), event(FALSE)};
    SetEvent(events[0]);
    assert_int_equal(WaitForMultipleObjects(2, events, TRUE, SHORT_MS), WAIT_TIMEOUT);
    SetEvent(events[1]); /* the first one is still signalled */
    assert_int_equal(WaitForMultipleObjects(2, events, TRUE, 0), WAIT_OBJECT_0);
    assert_int_equal(WaitForMultipleObjects(2, events, FALSE, 0), WAIT_TIMEOUT);
}

static void wait_needs_1_to_64_objects(void **state)
{
    HANDLE events[65];
    for (int i = 0; i < 65; i++)
        events[i] = event(TRUE);
    assert_int_equal(WaitForMultipleObjects(0, events, FALSE, 0), WAIT_FAILED);
    assert_int_equal(GetLastError(), ERROR_INVALID_PARAMETER);
    assert_int_equal(WaitForMultipleObjects(64, events, FALSE, 0), WAIT_TIMEOUT);
    assert_int_equal(WaitForMultipleObjects(65, events, FALSE, 0), WAIT_FAILED);
}

/* ---- handles ----------------------------------------------------------------------------------------------------- */

static void closed_handle_is_invalid(void **state)
{
    HANDLE it = event(TRUE), reader = open_reader();
    OVERLAPPED overlapped = {0};
    DWORD returned;
    assert_true(CloseHandle(it));
    assert_true(CloseHandle(reader));
    assert_false(CloseHandle(it));
    assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
    assert_false(SetEvent(it));
    assert_int_equal(WaitForSingleObject(it, 0), WAIT_FAILED);
    assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(0);
    assert_false(DeviceIoControl(reader, IOCTL_SMARTCARD_GET_STATE, NULL, 0, NULL, 0, &returned, &overlapped));
    assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
    assert_false(CancelIo(reader));
    assert_false(CloseHandle(INVALID_HANDLE_VALUE));
    assert_false(CloseHandle(NULL));
}

static void stale_handle_never_finds_what_came_after(void **state)
{
    HANDLE stale = event(TRUE);
    assert_true(CloseHandle(stale));
    for (int i = 0; i < 10000; i++) { /* every slot of the table is used again */
        HANDLE other = event(TRUE);
        assert_ptr_not_equal(other, stale);
        assert_true(CloseHandle(other));
    }
    assert_false(SetEvent(stale));
    assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
}

static void handle_of_another_kind_is_invalid(void **state)
{
    HANDLE it = event(TRUE), reader = open_reader();
    assert_false(SetEvent(reader));
    assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
    assert_false(CancelIoEx(it, NULL));
    assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
    assert_false(CancelSynchronousIo(it));
    assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
}

static void two_lowest_bits_of_a_handle_are_the_programs(void **state)
{
    HANDLE it = event(TRUE);
    assert_true(SetEvent((HANDLE)((uintptr_t)it | 1)));
    assert_int_equal(WaitForSingleObject(it, 0), WAIT_OBJECT_0);
}

static void name_that_is_not_there_is_file_not_found(void **state)
{
    static const char *const names[] = {"\\\\.\\vreader9", "vreader0", "", "/dev/null"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_ptr_equal(CreateFileA(names[i], GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL), INVALID_HANDLE_VALUE);
        assert_int_equal(GetLastError(), ERROR_FILE_NOT_FOUND);
    }
}

/* ---- how requests end -------------------------------------------------------------------------------------------- */

static void immediate_success_fills_and_signals(void **state)
{
    OVERLAPPED overlapped = {.hEvent = event(TRUE)};
    ULONG value = 0;
    DWORD returned = 77;
    assert_true(DeviceIoControl(open_reader(), IOCTL_SMARTCARD_GET_STATE, NULL, 0, &value, 4, &returned, &overlapped));
    assert_int_equal(returned, 4);
    assert_int_equal(value, SCARD_ABSENT);
    assert_int_equal(overlapped.Internal, STATUS_SUCCESS);
    assert_int_equal(overlapped.InternalHigh, 4);
    assert_int_equal(WaitForSingleObject(overlapped.hEvent, 0), WAIT_OBJECT_0);
}

static void immediate_error_neither_fills_nor_signals(void **state)
{
    OVERLAPPED overlapped = {.hEvent = event(TRUE)};
    DWORD returned = 77, kind = SCARD_COLD_RESET;
    UCHAR atr[33];
    SetEvent(overlapped.hEvent);
    assert_false(
        DeviceIoControl(open_reader(), IOCTL_SMARTCARD_POWER, &kind, 4, atr, sizeof atr, &returned, &overlapped));
    assert_int_equal(GetLastError(), ERROR_BAD_COMMAND); /* there is no card: STATUS_INVALID_DEVICE_STATE */
    assert_int_equal(returned, 0);
    assert_int_equal(overlapped.Internal, STATUS_PENDING);
    assert_int_equal(WaitForSingleObject(overlapped.hEvent, 0), WAIT_TIMEOUT); /* reset when the request began */
}

static void immediate_warning_fills_and_signals(void **state)
{
    HANDLE reader = open_reader();
    OVERLAPPED first = {.hEvent = event(TRUE)}, second = {.hEvent = event(TRUE)};
    DWORD returned;
    pend(reader, &first);
    assert_false(DeviceIoControl(reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, &returned, &second));
    assert_int_equal(GetLastError(), ERROR_BUSY);
    assert_int_equal((NTSTATUS)second.Internal, STATUS_DEVICE_BUSY);
    assert_int_equal(WaitForSingleObject(second.hEvent, 0), WAIT_OBJECT_0);
    CloseHandle(reader);
}

static void pended_request_ends_without_a_call(void **state)
{
    OVERLAPPED overlapped = {.hEvent = event(TRUE)};
    pend(open_reader(), &overlapped);
    assert_int_equal(WaitForSingleObject(overlapped.hEvent, SHORT_MS), WAIT_TIMEOUT);
    to_panel(IOCTL_VREADER_INSERT, "echo");
    for (int i = 0; i < LONG_MS && !HasOverlappedIoCompleted(&overlapped); i++)
        Sleep(1);
    assert_ended(&overlapped, STATUS_SUCCESS);
    assert_int_equal(overlapped.InternalHigh, 0);
    to_panel(IOCTL_VREADER_REMOVE, "");
}

static void file_itself_is_signalled_without_an_event(void **state)
{
    HANDLE reader = open_reader();
    OVERLAPPED overlapped = {0};
    DWORD returned = 77;
    pend(reader, &overlapped);
    assert_int_equal(WaitForSingleObject(reader, SHORT_MS), WAIT_TIMEOUT);
    to_panel(IOCTL_VREADER_INSERT, "echo");
    assert_true(GetOverlappedResult(reader, &overlapped, &returned, TRUE));
    assert_int_equal(returned, 0);
    to_panel(IOCTL_VREADER_REMOVE, "");
}

static void result_of_a_pended_request_is_incomplete(void **state)
{
    HANDLE reader = open_reader();
    OVERLAPPED overlapped = {.hEvent = event(TRUE)};
    DWORD returned = 0;
    pend(reader, &overlapped);
    assert_false(GetOverlappedResult(reader, &overlapped, &returned, FALSE));
    assert_int_equal(GetLastError(), ERROR_IO_INCOMPLETE);
    assert_false(GetOverlappedResultEx(reader, &overlapped, &returned, 0, FALSE));
    assert_int_equal(GetLastError(), ERROR_IO_INCOMPLETE);
    assert_false(GetOverlappedResultEx(reader, &overlapped, &returned, SHORT_MS, FALSE));
    assert_int_equal(GetLastError(), WAIT_TIMEOUT);
    assert_true(CancelIo(reader));
    assert_false(GetOverlappedResult(reader, &overlapped, &returned, TRUE));
    assert_int_equal(GetLastError(), ERROR_OPERATION_ABORTED);
    CloseHandle(reader);
}

static void event_that_is_none_sends_nothing(void **state)
{
    HANDLE reader = open_reader();
    OVERLAPPED overlapped = {.hEvent = reader};
    DWORD returned;
    assert_false(DeviceIoControl(reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, &returned, &overlapped));
    assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
    assert_false(CancelIoEx(reader, NULL));
    assert_int_equal(GetLastError(), ERROR_NOT_FOUND);
}

/* ---- cancelling and closing -------------------------------------------------------------------------------------- */

struct in_thread {
    HANDLE file, begun;
    OVERLAPPED overlapped;
    DWORD error;
};

/* Sends a request from its own thread, and leaves it. */
static DWORD WINAPI send_there(LPVOID argument)
{
    struct in_thread *in = argument;
    DWORD returned;
    in->error = DeviceIoControl(in->file, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, &returned, &in->overlapped)
                    ? ERROR_SUCCESS
                    : GetLastError();
    return 7;
}

static void cancel_io_is_of_this_threads_requests(void **state)
{
    struct in_thread in = {.file = open_reader(), .overlapped.hEvent = event(TRUE)};
    HANDLE thread = CreateThread(NULL, 0, send_there, &in, 0, NULL);
    assert_int_equal(WaitForSingleObject(thread, LONG_MS), WAIT_OBJECT_0);
    assert_int_equal(in.error, ERROR_IO_PENDING);
    assert_true(CancelIo(in.file));
    assert_int_equal(WaitForSingleObject(in.overlapped.hEvent, SHORT_MS), WAIT_TIMEOUT);
    assert_true(CancelIoEx(in.file, NULL));
    assert_ended(&in.overlapped, STATUS_CANCELLED);
}

static void cancel_io_ex_is_of_one_request(void **state)
{
    HANDLE reader = open_reader();
    OVERLAPPED one = {.hEvent = event(TRUE)}, other = {0};
    pend(reader, &one);
    assert_false(CancelIoEx(reader, &other));
    assert_int_equal(GetLastError(), ERROR_NOT_FOUND);
    assert_int_equal(WaitForSingleObject(one.hEvent, SHORT_MS), WAIT_TIMEOUT);
    assert_true(CancelIoEx(reader, &one));
    assert_ended(&one, STATUS_CANCELLED);
    assert_false(CancelIoEx(reader, &one));
    assert_int_equal(GetLastError(), ERROR_NOT_FOUND);
    CloseHandle(reader);
}

static void close_ends_what_is_pended(void **state)
{
    HANDLE reader = open_reader();
    OVERLAPPED overlapped = {.hEvent = event(TRUE)};
    pend(reader, &overlapped);
    assert_true(CloseHandle(reader));
    assert_int_equal(WaitForSingleObject(overlapped.hEvent, 0), WAIT_OBJECT_0); /* by then, not later */
    assert_int_equal((NTSTATUS)overlapped.Internal, STATUS_CANCELLED);
}

static void closed_event_is_no_harm(void **state)
{
    HANDLE reader = open_reader();
    OVERLAPPED overlapped = {.hEvent = event(TRUE)};
    pend(reader, &overlapped);
    CloseHandle(overlapped.hEvent);
    assert_true(CloseHandle(reader));
    assert_int_equal((NTSTATUS)overlapped.Internal, STATUS_CANCELLED);
}

static DWORD WINAPI wait_there(LPVOID argument)
{
    struct in_thread *in = argument;
    DWORD returned;
    SetEvent(in->begun);
    in->error = DeviceIoControl(in->file, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, &returned, NULL)
                    ? ERROR_SUCCESS
                    : GetLastError();
    return 0;
}

/* A thread in a request without an OVERLAPPED, on a handle with these flags. */
static HANDLE waiting_thread(struct in_thread *in, DWORD flags)
{
    HANDLE thread;
    *in = (struct in_thread){.file = open_file("\\\\.\\vreader0", flags), .begun = event(TRUE)};
    thread = CreateThread(NULL, 0, wait_there, in, 0, NULL);
    assert_int_equal(WaitForSingleObject(in->begun, LONG_MS), WAIT_OBJECT_0);
    assert_int_equal(WaitForSingleObject(thread, SHORT_MS), WAIT_TIMEOUT);
    return thread;
}

static void close_ends_another_threads_synchronous_request(void **state)
{
    struct in_thread in;
    HANDLE thread = waiting_thread(&in, 0);
    assert_true(CloseHandle(in.file));
    assert_int_equal(WaitForSingleObject(thread, LONG_MS), WAIT_OBJECT_0);
    assert_int_equal(in.error, ERROR_OPERATION_ABORTED);
}

/* Uses a file until it is gone; counts what ended neither well nor cancelled. */
static DWORD WINAPI use_until_gone(LPVOID argument)
{
    struct in_thread *in = argument;
    OVERLAPPED overlapped = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    DWORD returned, error, wrong = 0;
    ULONG state;
    do {
        error = DeviceIoControl(in->file, IOCTL_SMARTCARD_GET_STATE, NULL, 0, &state, 4, &returned, NULL)
                    ? ERROR_SUCCESS
                    : GetLastError();
        if (error == ERROR_SUCCESS &&
            !DeviceIoControl(in->file, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, &returned, &overlapped) &&
            (error = GetLastError()) == ERROR_IO_PENDING) {
            CancelIo(in->file);
            error = WaitForSingleObject(overlapped.hEvent, LONG_MS);
            wrong += error != WAIT_OBJECT_0 || (NTSTATUS)overlapped.Internal != STATUS_CANCELLED;
        }
        wrong += error != ERROR_SUCCESS && error != ERROR_BUSY && error != ERROR_INVALID_HANDLE &&
                 error != ERROR_OPERATION_ABORTED;
    } while (error != ERROR_INVALID_HANDLE && wrong == 0);
    CloseHandle(overlapped.hEvent);
    return wrong;
}

static void close_is_safe_while_threads_use_the_file(void **state)
{
    for (int round = 0; round < 20; round++) {
        struct in_thread in = {.file = open_reader()};
        HANDLE threads[4];
        for (int i = 0; i < 4; i++)
            threads[i] = CreateThread(NULL, 0, use_until_gone, &in, 0, NULL);
        Sleep(2);
        assert_true(CloseHandle(in.file));
        assert_int_equal(WaitForMultipleObjects(4, threads, TRUE, LONG_MS), WAIT_OBJECT_0);
        for (int i = 0; i < 4; i++) {
            DWORD wrong = 77;
            assert_true(GetExitCodeThread(threads[i], &wrong));
            assert_int_equal(wrong, 0);
        }
    }
}

static void cancel_synchronous_io_ends_a_threads_request(void **state)
{
    static const DWORD flags[] = {0, FILE_FLAG_OVERLAPPED};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        struct in_thread in;
        HANDLE thread = waiting_thread(&in, flags[i]);
        assert_true(CancelSynchronousIo(thread));
        assert_int_equal(WaitForSingleObject(thread, LONG_MS), WAIT_OBJECT_0);
        assert_int_equal(in.error, ERROR_OPERATION_ABORTED);
        assert_false(CancelSynchronousIo(thread));
        assert_int_equal(GetLastError(), ERROR_NOT_FOUND);
        CloseHandle(in.file);
    }
}

static void synchronous_handle_waits_and_fills(void **state)
{
    HANDLE reader = open_file("\\\\.\\vreader0", 0);
    OVERLAPPED overlapped = {.hEvent = event(TRUE)};
    DWORD returned = 77;
    to_panel(IOCTL_VREADER_INSERT, "echo");
    assert_true(DeviceIoControl(reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, &returned, NULL));
    assert_int_equal(returned, 0);
    assert_true(DeviceIoControl(reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, &returned, &overlapped));
    assert_ended(&overlapped, STATUS_SUCCESS);
    to_panel(IOCTL_VREADER_REMOVE, "");
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static DWORD WINAPI own_error(LPVOID argument)
{
    SetLastError(1234);
    SetEvent(argument);
    return GetLastError();
}

static void each_thread_has_its_last_error(void **state)
{
    HANDLE done = event(TRUE), thread;
    DWORD code = 0, id = 0;
    SetLastError(77);
    thread = CreateThread(NULL, 0, own_error, done, 0, &id);
    assert_int_equal(WaitForSingleObject(thread, LONG_MS), WAIT_OBJECT_0);
    assert_true(GetExitCodeThread(thread, &code));
    assert_int_equal(code, 1234);
    assert_int_equal(GetLastError(), 77);
    assert_int_not_equal(id, GetCurrentThreadId());
}

static DWORD WINAPI leave_early(LPVOID argument)
{
    ExitThread(9);
}

static void thread_that_exits_has_its_code(void **state)
{
    HANDLE thread = CreateThread(NULL, 0, leave_early, NULL, 0, NULL);
    DWORD code = 0;
    assert_int_equal(WaitForSingleObject(thread, LONG_MS), WAIT_OBJECT_0);
    assert_true(GetExitCodeThread(thread, &code));
    assert_int_equal(code, 9);
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static void statuses_have_windows_errors(void **state)
{
    static const struct {
        NTSTATUS status;
        DWORD error;
    } rows[] = {
        {STATUS_SUCCESS, 0},
        {STATUS_PENDING, 997},
        {STATUS_BUFFER_OVERFLOW, 234},
        {STATUS_DEVICE_BUSY, 170},
        {STATUS_INVALID_PARAMETER, 87},
        {STATUS_INVALID_DEVICE_REQUEST, 1},
        {STATUS_BUFFER_TOO_SMALL, 122},
        {STATUS_OBJECT_NAME_NOT_FOUND, 2},
        {STATUS_IO_TIMEOUT, 121},
        {STATUS_NOT_SUPPORTED, 50},
        {STATUS_CANCELLED, 995},
        {STATUS_NO_MEDIA, 1112},
        {STATUS_INVALID_DEVICE_STATE, 22},
        {STATUS_IO_DEVICE_ERROR, 1117},
        {STATUS_DEVICE_PROTOCOL_ERROR, 1117},
        {STATUS_DEVICE_REMOVED, 1617},
        {STATUS_UNRECOGNIZED_MEDIA, 1785},
        {(NTSTATUS)0xC1234567, 317},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(win32_error(rows[i].status), rows[i].error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(auto_reset_event_lets_one_wait_through, begin, finish),
        cmocka_unit_test_setup_teardown(manual_reset_event_stays_until_reset, begin, finish),
        cmocka_unit_test_setup_teardown(wait_for_any_takes_the_first_alone, begin, finish),
        cmocka_unit_test_setup_teardown(wait_for_all_takes_all_or_none, begin, finish),
        cmocka_unit_test_setup_teardown(wait_needs_1_to_64_objects, begin, finish),
        cmocka_unit_test_setup_teardown(closed_handle_is_invalid, begin, finish),
        cmocka_unit_test_setup_teardown(stale_handle_never_finds_what_came_after, begin, finish),
        cmocka_unit_test_setup_teardown(handle_of_another_kind_is_invalid, begin, finish),
        cmocka_unit_test_setup_teardown(two_lowest_bits_of_a_handle_are_the_programs, begin, finish),
        cmocka_unit_test_setup_teardown(name_that_is_not_there_is_file_not_found, begin, finish),
        cmocka_unit_test_setup_teardown(immediate_success_fills_and_signals, begin, finish),
        cmocka_unit_test_setup_teardown(immediate_error_neither_fills_nor_signals, begin, finish),
        cmocka_unit_test_setup_teardown(immediate_warning_fills_and_signals, begin, finish),
        cmocka_unit_test_setup_teardown(pended_request_ends_without_a_call, begin, finish),
        cmocka_unit_test_setup_teardown(file_itself_is_signalled_without_an_event, begin, finish),
        cmocka_unit_test_setup_teardown(result_of_a_pended_request_is_incomplete, begin, finish),
        cmocka_unit_test_setup_teardown(event_that_is_none_sends_nothing, begin, finish),
        cmocka_unit_test_setup_teardown(cancel_io_is_of_this_threads_requests, begin, finish),
        cmocka_unit_test_setup_teardown(cancel_io_ex_is_of_one_request, begin, finish),
        cmocka_unit_test_setup_teardown(close_ends_what_is_pended, begin, finish),
        cmocka_unit_test_setup_teardown(closed_event_is_no_harm, begin, finish),
        cmocka_unit_test_setup_teardown(close_ends_another_threads_synchronous_request, begin, finish),
        cmocka_unit_test_setup_teardown(close_is_safe_while_threads_use_the_file, begin, finish),
        cmocka_unit_test_setup_teardown(cancel_synchronous_io_ends_a_threads_request, begin, finish),
        cmocka_unit_test_setup_teardown(synchronous_handle_waits_and_fills, begin, finish),
        cmocka_unit_test_setup_teardown(each_thread_has_its_last_error, begin, finish),
        cmocka_unit_test_setup_teardown(thread_that_exits_has_its_code, begin, finish),
        cmocka_unit_test_setup_teardown(statuses_have_windows_errors, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
