/* SPDX-License-Identifier: MIT */
/*
 * The Win32 names that the conformance suite uses, for Linux: types, constants, and functions that win32.c and its
 * neighbours map to smartcrd.h. They add no meaning of their own; what a request does is the client's doing. The facts
 * are those of the Windows SDK's documentation. Values of handles, errors and flags are Windows' own.
 *
 * Overlapped requests: DeviceIoControl sets Internal to STATUS_PENDING and resets the event before the request is sent.
 * An immediate error leaves both so. A success or a warning, at once or later, fills InternalHigh and Internal, then
 * signals; nobody needs to call anything for that. A synchronous handle's requests do not wait for each other here.
 *
 * port.h attaches a context; until then nothing can be opened. Threads: all, as on Windows.
 */
#ifndef CONFORMANCE_LINUX_WINDOWS_H
#define CONFORMANCE_LINUX_WINDOWS_H

#include <smartcrd/ntdef.h>
#include <smartcrd/ntstatus.h>
#include <smartcrd/winsmcrd.h>

#include <string.h>

#define WINAPI
#define CALLBACK

typedef int BOOL;
typedef uint16_t WORD;
typedef BOOL *PBOOL, *LPBOOL;
typedef BYTE *PBYTE, *LPBYTE;
typedef WORD *PWORD, *LPWORD;
typedef DWORD *PDWORD, *LPDWORD;
typedef void *LPVOID;
typedef const void *LPCVOID;
typedef char *LPSTR;
typedef const char *LPCSTR;
typedef uintptr_t DWORD_PTR;

/* ---- constants --------------------------------------------------------------------------------------------------- */

#define INVALID_HANDLE_VALUE ((HANDLE)(intptr_t)-1)
#define INFINITE             0xFFFFFFFFu
#define MAXIMUM_WAIT_OBJECTS 64
#define WAIT_OBJECT_0        0x00000000u
#define WAIT_ABANDONED_0     0x00000080u
#define WAIT_TIMEOUT         0x00000102u
#define WAIT_FAILED          0xFFFFFFFFu
#define STILL_ACTIVE         0x00000103u

#define GENERIC_READ          0x80000000u
#define GENERIC_WRITE         0x40000000u
#define FILE_SHARE_READ       0x00000001u
#define FILE_SHARE_WRITE      0x00000002u
#define FILE_SHARE_DELETE     0x00000004u
#define OPEN_EXISTING         3u
#define FILE_ATTRIBUTE_NORMAL 0x00000080u
#define FILE_FLAG_OVERLAPPED  0x40000000u
#define MAX_PATH              260

#define ERROR_SUCCESS              0u
#define NO_ERROR                   0u
#define ERROR_INVALID_FUNCTION     1u
#define ERROR_FILE_NOT_FOUND       2u
#define ERROR_PATH_NOT_FOUND       3u
#define ERROR_TOO_MANY_OPEN_FILES  4u
#define ERROR_ACCESS_DENIED        5u
#define ERROR_INVALID_HANDLE       6u
#define ERROR_NOT_ENOUGH_MEMORY    8u
#define ERROR_BAD_FORMAT           11u
#define ERROR_INVALID_DATA         13u
#define ERROR_OUTOFMEMORY          14u
#define ERROR_NO_MORE_FILES        18u
#define ERROR_WRITE_PROTECT        19u
#define ERROR_NOT_READY            21u
#define ERROR_BAD_COMMAND          22u
#define ERROR_CRC                  23u
#define ERROR_BAD_LENGTH           24u
#define ERROR_GEN_FAILURE          31u
#define ERROR_SHARING_VIOLATION    32u
#define ERROR_HANDLE_EOF           38u
#define ERROR_NOT_SUPPORTED        50u
#define ERROR_DEV_NOT_EXIST        55u
#define ERROR_ADAP_HDW_ERR         57u
#define ERROR_INVALID_PARAMETER    87u
#define ERROR_SEM_TIMEOUT          121u
#define ERROR_INSUFFICIENT_BUFFER  122u
#define ERROR_INVALID_NAME         123u
#define ERROR_MOD_NOT_FOUND        126u
#define ERROR_PROC_NOT_FOUND       127u
#define ERROR_BAD_PATHNAME         161u
#define ERROR_BUSY                 170u
#define ERROR_ALREADY_EXISTS       183u
#define ERROR_BAD_EXE_FORMAT       193u
#define ERROR_MORE_DATA            234u
#define ERROR_NO_MORE_ITEMS        259u
#define ERROR_NOT_OWNER            288u
#define ERROR_TOO_MANY_POSTS       298u
#define ERROR_MR_MID_NOT_FOUND     317u
#define ERROR_NOACCESS             998u
#define ERROR_OPERATION_ABORTED    995u
#define ERROR_IO_INCOMPLETE        996u
#define ERROR_IO_PENDING           997u
#define ERROR_UNRECOGNIZED_MEDIA   1785u
#define ERROR_NO_MEDIA_IN_DRIVE    1112u
#define ERROR_IO_DEVICE            1117u
#define ERROR_DEVICE_NOT_CONNECTED 1167u
#define ERROR_NOT_FOUND            1168u
#define ERROR_RETRY                1237u
#define ERROR_CONNECTION_ABORTED   1236u
#define ERROR_INTERNAL_ERROR       1359u
#define ERROR_NO_SYSTEM_RESOURCES  1450u
#define ERROR_TIMEOUT              1460u
#define ERROR_DEVICE_REMOVED       1617u
#define ERROR_INVALID_USER_BUFFER  1784u
#define ERROR_BAD_DEVICE           1200u

/* ---- types ------------------------------------------------------------------------------------------------------- */

typedef struct _OVERLAPPED {
    ULONG_PTR Internal;
    ULONG_PTR InternalHigh;
    union {
        struct {
            DWORD Offset;
            DWORD OffsetHigh;
        };
        PVOID Pointer;
    };
    HANDLE hEvent;
} OVERLAPPED, *LPOVERLAPPED;

typedef struct _SECURITY_ATTRIBUTES {
    DWORD nLength;
    LPVOID lpSecurityDescriptor;
    BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

typedef DWORD(WINAPI *LPTHREAD_START_ROUTINE)(LPVOID parameter);

/* Another thread may be filling it: a plain read would be a race. */
#define HasOverlappedIoCompleted(lpOverlapped)                                                                         \
    (__atomic_load_n(&(lpOverlapped)->Internal, __ATOMIC_ACQUIRE) != (ULONG_PTR)STATUS_PENDING)

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Names begin with \\.\ and are smartcrd_open's behind it. */
HANDLE CreateFileA(LPCSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security, DWORD disposition,
                   DWORD flags, HANDLE template_file);
HANDLE CreateFileW(LPCWSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security, DWORD disposition,
                   DWORD flags, HANDLE template_file);
#define CreateFile CreateFileA

BOOL DeviceIoControl(HANDLE device, DWORD code, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size, LPDWORD returned,
                     LPOVERLAPPED overlapped);
BOOL GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, LPDWORD transferred, BOOL wait);
BOOL GetOverlappedResultEx(HANDLE file, LPOVERLAPPED overlapped, LPDWORD transferred, DWORD milliseconds,
                           BOOL alertable);
BOOL CancelIo(HANDLE file);
BOOL CancelIoEx(HANDLE file, LPOVERLAPPED overlapped);
BOOL CancelSynchronousIo(HANDLE thread);

/* Of a file: ends what it has in flight with STATUS_CANCELLED first. */
BOOL CloseHandle(HANDLE object);

/* ---- events, threads, waits -------------------------------------------------------------------------------------- */

HANDLE CreateEventA(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, BOOL initial_state, LPCSTR name);
HANDLE CreateEventW(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, BOOL initial_state, LPCWSTR name);
#define CreateEvent CreateEventA
BOOL SetEvent(HANDLE event);
BOOL ResetEvent(HANDLE event);

DWORD WaitForSingleObject(HANDLE object, DWORD milliseconds);
DWORD WaitForMultipleObjects(DWORD count, const HANDLE *objects, BOOL all, DWORD milliseconds);

HANDLE CreateThread(LPSECURITY_ATTRIBUTES security, SIZE_T stack_size, LPTHREAD_START_ROUTINE start, LPVOID parameter,
                    DWORD flags, LPDWORD id);
VOID ExitThread(DWORD code) __attribute__((noreturn));
BOOL GetExitCodeThread(HANDLE thread, LPDWORD code);
DWORD GetCurrentThreadId(void);

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

DWORD GetLastError(void);
VOID SetLastError(DWORD error);
VOID Sleep(DWORD milliseconds);
ULONGLONG GetTickCount64(void);

static inline LONG InterlockedIncrement(volatile LONG *value)
{
    return __atomic_add_fetch(value, 1, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedDecrement(volatile LONG *value)
{
    return __atomic_sub_fetch(value, 1, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedExchange(volatile LONG *value, LONG to)
{
    return __atomic_exchange_n(value, to, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedExchangeAdd(volatile LONG *value, LONG by)
{
    return __atomic_fetch_add(value, by, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedCompareExchange(volatile LONG *value, LONG to, LONG from)
{
    __atomic_compare_exchange_n(value, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return from;
}

#endif
