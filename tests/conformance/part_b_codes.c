/* SPDX-License-Identifier: MIT */
/* Part B, the reader interface: control codes that are, and that are not; and the handles that they come through. */
#include "part_b.h"

#include <stdio.h>
#include <string.h>

/* ---- codes that are not ------------------------------------------------------------------------------------------ */

void b_not_buffered(struct suite *suite)
{
    static const DWORD codes[] = {
        IOCTL_SMARTCARD_POWER,      IOCTL_SMARTCARD_GET_ATTRIBUTE,  IOCTL_SMARTCARD_TRANSMIT,
        IOCTL_SMARTCARD_IS_PRESENT, IOCTL_SMARTCARD_IS_ABSENT,      IOCTL_SMARTCARD_SET_PROTOCOL,
        IOCTL_SMARTCARD_GET_STATE,  IOCTL_SMARTCARD_GET_LAST_ERROR, SCARD_CTL_CODE(13),
        SCARD_CTL_CODE(2051),       SCARD_CTL_CODE(4095),
    };
    static const UCHAR zeros[8];
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        for (DWORD method = 1; method <= 3; method++)
            EXPECT_STATUS(suite, request(suite, handle, codes[i] | method, zeros, sizeof zeros, 64),
                          STATUS_INVALID_PARAMETER);
    }
}

static void expect_invalid(struct suite *suite, HANDLE handle, DWORD code)
{
    static const UCHAR zeros[8];

    EXPECT_STATUS(suite, request(suite, handle, code, zeros, sizeof zeros, 64), STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_STATUS(suite, request(suite, handle, code, NULL, 0, 0), STATUS_INVALID_DEVICE_REQUEST);
}

void b_unknown_functions(struct suite *suite)
{
    static const DWORD functions[] = {0, 13, 17, 18, 19, 100, 2047};
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < COUNT_OF(functions); i++)
        expect_invalid(suite, handle, SCARD_CTL_CODE(functions[i]));
}

/* FILE_DEVICE_UNKNOWN: the numbers alone do not make a control code. */
void b_other_devices(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    for (DWORD function = 1; function <= 16; function++)
        expect_invalid(suite, handle, CTL_CODE(0x22, function, METHOD_BUFFERED, FILE_ANY_ACCESS));
}

void b_obsolete(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    expect_invalid(suite, handle, SCARD_CTL_CODE(8));
    expect_invalid(suite, handle, SCARD_CTL_CODE(9));
}

void b_counters(struct suite *suite)
{
    expect_invalid(suite, open_reader(suite), IOCTL_SMARTCARD_GET_PERF_CNTR);
}

/* A driver without these callbacks; no state is looked at before. */
void b_mechanics(struct suite *suite)
{
    static const DWORD codes[] = {IOCTL_SMARTCARD_EJECT, IOCTL_SMARTCARD_SWALLOW, IOCTL_SMARTCARD_CONFISCATE};
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        EXPECT_STATUS(suite, request(suite, handle, codes[i], NULL, 0, 0), STATUS_NOT_SUPPORTED);
        card_in(suite, "echo");
        EXPECT_STATUS(suite, request(suite, handle, codes[i], NULL, 0, 0), STATUS_NOT_SUPPORTED);
        power_up(suite, handle, SCARD_COLD_RESET, NULL);
        EXPECT_STATUS(suite, request(suite, handle, codes[i], NULL, 0, 0), STATUS_NOT_SUPPORTED);
        EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_NEGOTIABLE);
        card_out(suite);
    }
}

/* ---- SET_ATTRIBUTE, POWER ---------------------------------------------------------------------------------------- */

/* The value behind the tag is ignored, and nothing comes back. */
void b_set_ifs(struct suite *suite)
{
    static const ULONG input[3] = {SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, 0, 0xFFFFFFFF};
    HANDLE handle = open_reader(suite);

    for (DWORD size = 4; size <= sizeof input; size += 4) {
        struct io *io = request(suite, handle, IOCTL_SMARTCARD_SET_ATTRIBUTE, input, size, 8);

        EXPECT_STATUS(suite, io, STATUS_SUCCESS);
        EXPECT_NUMBER(suite, io->returned, 0);
        EXPECT_NUMBER(suite, io->out[0], 0xA5);
    }
}

void b_set_others(struct suite *suite)
{
    static const ULONG tags[] = {SCARD_ATTR_DEVICE_IN_USE, SCARD_ATTR_VENDOR_NAME, SCARD_ATTR_MAX_IFSD,
                                 SCARD_ATTR_CURRENT_IFSD,  SCARD_ATTR_ATR_STRING,  0x12345678};
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        const ULONG input[2] = {tags[i], 1};

        EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_SET_ATTRIBUTE, input, sizeof input, 0),
                      STATUS_NOT_SUPPORTED);
    }
}

void b_power_kinds(struct suite *suite)
{
    static const ULONG kinds[] = {3, 4, 0x80000000, 0xFFFFFFFF};
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_POWER, &kinds[i], sizeof kinds[i], 33),
                      STATUS_INVALID_DEVICE_REQUEST);
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
}

/* ---- vendor codes ------------------------------------------------------------------------------------------------ */

/* The driver says so, not the library: functions from 2048 on, of any device type, and what overflows into the next. */
void b_vendor_unknown(struct suite *suite)
{
    static const DWORD codes[] = {
        SCARD_CTL_CODE(2052),   SCARD_CTL_CODE(3000),   SCARD_CTL_CODE(4095),
        SCARD_CTL_CODE(0x8000), SCARD_CTL_CODE(0x8003), CTL_CODE(0x22, 2051, METHOD_BUFFERED, FILE_ANY_ACCESS),
    };
    HANDLE handle = open_reader(suite);

    for (size_t i = 0; i < COUNT_OF(codes); i++)
        expect_invalid(suite, handle, codes[i]);
}

static struct io *tell(struct suite *suite, HANDLE handle, DWORD code, const char *text)
{
    return request(suite, handle, code, text, (DWORD)strlen(text), 0);
}

/* Sent to the reader, not to its panel. */
void b_vendor_card(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_REMOVE, ""), STATUS_NO_MEDIA);
    EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_INSERT, "no-such-card"), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_INSERT, ""), STATUS_INVALID_PARAMETER);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_ABSENT);
    EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_INSERT, "echo"), STATUS_SUCCESS);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_PRESENT);
    EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_INSERT, "echo"), STATUS_DEVICE_BUSY);
    EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_ABSENT);
}

static void expect_line(struct suite *suite, HANDLE handle, const char *want)
{
    struct io *io = request(suite, handle, IOCTL_VREADER_STATUS, NULL, 0, 512);
    DWORD size = (DWORD)strlen(want);

    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_BYTES(suite, io->out, io->returned < size ? io->returned : size, want, size);
}

void b_vendor_status(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io;

    expect_line(suite, handle, "card=none power=off protocol=none faults=0\n");
    card_in(suite, "echo");
    expect_line(suite, handle, "card=echo power=off protocol=none faults=0");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    set_protocol(suite, handle, SCARD_PROTOCOL_T1);
    fault(suite, "mute skip=3");
    expect_line(suite, handle, "card=echo power=on protocol=T=1 rate=512/16 faults=1");
    io = request(suite, handle, IOCTL_VREADER_STATUS, NULL, 0, 9);
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_BYTES(suite, io->out, io->returned, "card=echo", 9);
}

void b_vendor_faults(struct suite *suite)
{
    HANDLE handle = open_reader(suite);

    EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_FAULT, "no-such-fault"), STATUS_INVALID_PARAMETER);
    for (int i = 0; i < 8; i++)
        EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_FAULT, "mute skip=100"), STATUS_SUCCESS);
    EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_FAULT, "mute"), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_FAULT, "none"), STATUS_SUCCESS);
    EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_FAULT, "mute"), STATUS_SUCCESS);
    EXPECT_STATUS(suite, tell(suite, handle, IOCTL_VREADER_FAULT, "none"), STATUS_SUCCESS);
}

/* ---- handles ----------------------------------------------------------------------------------------------------- */

void b_two_handles(struct suite *suite)
{
    HANDLE one = open_reader(suite);
    HANDLE other = open_reader(suite);
    UCHAR of_power[33], of_attribute[33];
    DWORD size = power_up(suite, one, SCARD_COLD_RESET, of_power);

    EXPECT_NUMBER(suite, reader_state(suite, other), reader_state(suite, one));
    EXPECT_BYTES(suite, of_attribute, attribute(suite, other, SCARD_ATTR_ATR_STRING, of_attribute, sizeof of_attribute),
                 of_power, size);
    close_handle(suite, one);
    EXPECT(suite, reader_state(suite, other) >= SCARD_NEGOTIABLE);
    power_down(suite, other);
}

void b_many_handles(struct suite *suite)
{
    HANDLE handles[64];

    for (size_t i = 0; i < COUNT_OF(handles); i++)
        handles[i] = open_reader(suite);
    for (size_t i = 0; i < COUNT_OF(handles); i++) {
        EXPECT(suite, reader_state(suite, handles[i]) >= SCARD_ABSENT);
        close_handle(suite, handles[i]);
    }
}

void b_many_opens(struct suite *suite)
{
    for (int i = 0; i < 200; i++) {
        HANDLE handle = open_reader(suite);

        EXPECT(suite, reader_state(suite, handle) >= SCARD_ABSENT);
        close_handle(suite, handle);
    }
}

static HANDLE open_as(const char *name, DWORD access)
{
    char path[128];

    (void)snprintf(path, sizeof path, "\\\\.\\%s", name);
    return CreateFileA(path, access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED,
                       NULL);
}

void b_no_such_reader(struct suite *suite)
{
    static const char *const names[] = {"NoSuchReader0", "SCReader98765", "vreader98765"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        HANDLE handle = open_as(names[i], GENERIC_READ | GENERIC_WRITE);
        DWORD error = handle == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;

        if (handle != INVALID_HANDLE_VALUE)
            (void)CloseHandle(handle);
        EXPECT_NUMBER(suite, error, ERROR_FILE_NOT_FOUND);
    }
}

/* The control codes ask for no rights, so a handle that has none will do. */
void b_any_access(struct suite *suite)
{
    static ULONG state;
    static OVERLAPPED overlapped;
    HANDLE handle = open_as(reader_name(suite), 0);
    DWORD returned = 0;
    BOOL answered = FALSE;

    EXPECT(suite, handle != INVALID_HANDLE_VALUE);
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = new_event(suite, TRUE);
    answered =
        DeviceIoControl(handle, IOCTL_SMARTCARD_GET_STATE, NULL, 0, &state, sizeof state, &returned, &overlapped) ||
        (GetLastError() == ERROR_IO_PENDING && GetOverlappedResult(handle, &overlapped, &returned, TRUE));
    (void)CloseHandle(handle);
    EXPECT(suite, answered);
    EXPECT_NUMBER(suite, returned, 4);
    EXPECT(suite, state >= SCARD_ABSENT && state <= SCARD_SPECIFIC);
}

void b_synchronous(struct suite *suite)
{
    HANDLE handle = open_device(suite, reader_name(suite), 0);
    ULONG state = 0;
    DWORD returned = 0;

    EXPECT(suite, DeviceIoControl(handle, IOCTL_SMARTCARD_GET_STATE, NULL, 0, &state, sizeof state, &returned, NULL));
    EXPECT_NUMBER(suite, returned, 4);
    EXPECT(suite, state >= SCARD_ABSENT && state <= SCARD_SPECIFIC);
}

void b_closed(struct suite *suite)
{
    HANDLE handle = open_device(suite, reader_name(suite), 0);
    ULONG state = 0;
    DWORD returned = 0;
    BOOL answered;

    close_handle(suite, handle);
    answered = DeviceIoControl(handle, IOCTL_SMARTCARD_GET_STATE, NULL, 0, &state, sizeof state, &returned, NULL);
    EXPECT_NUMBER(suite, answered ? ERROR_SUCCESS : GetLastError(), ERROR_INVALID_HANDLE);
}
