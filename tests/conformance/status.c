/* SPDX-License-Identifier: MIT */
/*
 * Statuses, their errors and control codes in words. Which Win32 error a program sees for an NTSTATUS is the suite's
 * own table, so that a system's mapping is checked too: from the documentation of the smart card control codes and of
 * RtlNtStatusToDosError, as far as it goes for the statuses that readers end with; the numbers are winerror.h's.
 */
#include "run.h"

static const struct row {
    NTSTATUS status;
    DWORD error;
    const char *word;
} rows[] = {
    {STATUS_SUCCESS, 0, "STATUS_SUCCESS"},
    {STATUS_PENDING, 997, "STATUS_PENDING"},
    {STATUS_BUFFER_OVERFLOW, 234, "STATUS_BUFFER_OVERFLOW"},
    {STATUS_DEVICE_POWERED_OFF, 21, "STATUS_DEVICE_POWERED_OFF"},
    {STATUS_DEVICE_OFF_LINE, 21, "STATUS_DEVICE_OFF_LINE"},
    {STATUS_DEVICE_BUSY, 170, "STATUS_DEVICE_BUSY"},
    {STATUS_UNSUCCESSFUL, 31, "STATUS_UNSUCCESSFUL"},
    {STATUS_NOT_IMPLEMENTED, 1, "STATUS_NOT_IMPLEMENTED"},
    {STATUS_INFO_LENGTH_MISMATCH, 24, "STATUS_INFO_LENGTH_MISMATCH"},
    {STATUS_ACCESS_VIOLATION, 998, "STATUS_ACCESS_VIOLATION"},
    {STATUS_INVALID_HANDLE, 6, "STATUS_INVALID_HANDLE"},
    {STATUS_INVALID_PARAMETER, 87, "STATUS_INVALID_PARAMETER"},
    {STATUS_INVALID_DEVICE_REQUEST, 1, "STATUS_INVALID_DEVICE_REQUEST"},
    {STATUS_NO_MEDIA_IN_DEVICE, 21, "STATUS_NO_MEDIA_IN_DEVICE"},
    {STATUS_UNRECOGNIZED_MEDIA, 1785, "STATUS_UNRECOGNIZED_MEDIA"},
    {STATUS_ACCESS_DENIED, 5, "STATUS_ACCESS_DENIED"},
    {STATUS_BUFFER_TOO_SMALL, 122, "STATUS_BUFFER_TOO_SMALL"},
    {STATUS_OBJECT_NAME_NOT_FOUND, 2, "STATUS_OBJECT_NAME_NOT_FOUND"},
    {STATUS_DELETE_PENDING, 5, "STATUS_DELETE_PENDING"},
    {STATUS_INSUFFICIENT_RESOURCES, 1450, "STATUS_INSUFFICIENT_RESOURCES"},
    {STATUS_DEVICE_NOT_CONNECTED, 1167, "STATUS_DEVICE_NOT_CONNECTED"},
    {STATUS_DEVICE_POWER_FAILURE, 21, "STATUS_DEVICE_POWER_FAILURE"},
    {STATUS_DEVICE_NOT_READY, 21, "STATUS_DEVICE_NOT_READY"},
    {STATUS_IO_TIMEOUT, 121, "STATUS_IO_TIMEOUT"},
    {STATUS_NOT_SUPPORTED, 50, "STATUS_NOT_SUPPORTED"},
    {STATUS_INTERNAL_ERROR, 1359, "STATUS_INTERNAL_ERROR"},
    {STATUS_CANCELLED, 995, "STATUS_CANCELLED"},
    {STATUS_FILE_CLOSED, 6, "STATUS_FILE_CLOSED"},
    {STATUS_NO_MEDIA, 1112, "STATUS_NO_MEDIA"},
    {STATUS_INVALID_DEVICE_STATE, 22, "STATUS_INVALID_DEVICE_STATE"},
    {STATUS_IO_DEVICE_ERROR, 1117, "STATUS_IO_DEVICE_ERROR"},
    {STATUS_DEVICE_PROTOCOL_ERROR, 1117, "STATUS_DEVICE_PROTOCOL_ERROR"},
    {STATUS_INVALID_BUFFER_SIZE, 1784, "STATUS_INVALID_BUFFER_SIZE"},
    {STATUS_NOT_FOUND, 1168, "STATUS_NOT_FOUND"},
    {STATUS_CONNECTION_ABORTED, 1236, "STATUS_CONNECTION_ABORTED"},
    {STATUS_DEVICE_REMOVED, 1617, "STATUS_DEVICE_REMOVED"},
};

DWORD error_of(NTSTATUS status)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return rows[i].error;
    return 317; /* ERROR_MR_MID_NOT_FOUND: a status without an error of its own */
}

const char *status_word(NTSTATUS status)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return rows[i].word;
    return "a status without a name";
}

const char *code_word(DWORD code)
{
    static const struct {
        DWORD code;
        const char *word;
    } words[] = {
        {IOCTL_SMARTCARD_POWER, "POWER"},
        {IOCTL_SMARTCARD_GET_ATTRIBUTE, "GET_ATTRIBUTE"},
        {IOCTL_SMARTCARD_SET_ATTRIBUTE, "SET_ATTRIBUTE"},
        {IOCTL_SMARTCARD_CONFISCATE, "CONFISCATE"},
        {IOCTL_SMARTCARD_TRANSMIT, "TRANSMIT"},
        {IOCTL_SMARTCARD_EJECT, "EJECT"},
        {IOCTL_SMARTCARD_SWALLOW, "SWALLOW"},
        {IOCTL_SMARTCARD_IS_PRESENT, "IS_PRESENT"},
        {IOCTL_SMARTCARD_IS_ABSENT, "IS_ABSENT"},
        {IOCTL_SMARTCARD_SET_PROTOCOL, "SET_PROTOCOL"},
        {IOCTL_SMARTCARD_GET_STATE, "GET_STATE"},
        {IOCTL_SMARTCARD_GET_LAST_ERROR, "GET_LAST_ERROR"},
        {IOCTL_SMARTCARD_GET_PERF_CNTR, "GET_PERF_CNTR"},
        {IOCTL_VREADER_INSERT, "the virtual reader's INSERT"},
        {IOCTL_VREADER_REMOVE, "the virtual reader's REMOVE"},
        {IOCTL_VREADER_FAULT, "the virtual reader's FAULT"},
        {IOCTL_VREADER_STATUS, "the virtual reader's STATUS"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].code == code)
            return words[i].word;
    return "a request";
}
