/* SPDX-License-Identifier: MIT */
/*
 * The smart card driver library: what a reader driver includes. Types, constants and the 21 routines of Microsoft's
 * smclib.h (smclib.md 2), with Microsoft's names, sizes and offsets; names in snake_case at the end are ours.
 *
 * A driver's part in short: fill a zeroed SMARTCARD_EXTENSION (Version, VendorAttr, ReaderCapabilities, ReaderFunction,
 * both BufferSizes), call SmartcardInitialize, set OsData->DeviceObject, and hand every IRP_MJ_DEVICE_CONTROL to
 * SmartcardDeviceControl, which calls back through ReaderFunction where hardware is needed.
 *
 * Statuses and orders of checks are those of Windows 11's library where it was observed; docs/quirks.md lists where that
 * differs from the documentation or from ISO/IEC 7816-3.
 */
#ifndef SMARTCRD_SMCLIB_H
#define SMARTCRD_SMCLIB_H

#include <smartcrd/smcnt.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- constants (2.11) -------------------------------------------------------------------------------------------- */

#define SMCLIB_VERSION          0x0150
#define SMCLIB_VERSION_REQUIRED 0x0100

#define MIN_BUFFER_SIZE    288 /* of SmartcardRequest and SmartcardReply */
#define MAXIMUM_ATR_CODES  4
#define MAXIMUM_ATR_LENGTH 33

/* Indexes into SMARTCARD_EXTENSION.ReaderFunction */
#define RDF_CARD_POWER      0
#define RDF_TRANSMIT        1
#define RDF_CARD_EJECT      2
#define RDF_READER_SWALLOW  3
#define RDF_CARD_TRACKING   4
#define RDF_SET_PROTOCOL    5
#define RDF_DEBUG_LEVEL     6
#define RDF_CARD_CONFISCATE 7
#define RDF_IOCTL_VENDOR    8
#define RDF_ATR_PARSE       9

/* T1_DATA.State; while an S-block is exchanged it is the S-block's PCB */
#define T1_INIT    0
#define T1_START   1
#define T1_I_BLOCK 2
#define T1_R_BLOCK 3
#define T1_RESTART 4

#define T1_RESYNCH_REQUEST  0xC0
#define T1_RESYNCH_RESPONSE 0xE0
#define T1_IFS_REQUEST      0xC1
#define T1_IFS_RESPONSE     0xE1
#define T1_ABORT_REQUEST    0xC2
#define T1_ABORT_RESPONSE   0xE2
#define T1_WTX_REQUEST      0xC3
#define T1_WTX_RESPONSE     0xE3
#define T1_VPP_ERROR        0xE4

#define T1_IFSD         254
#define T1_IFSD_DEFAULT 32
#define T1_MAX_RETRIES  2
#define T1_MORE_DATA    0x20
#define T1_ERROR_CHKSUM 1
#define T1_ERROR_OTHER  2
#define T1_CRC_CHECK    1
#define T1_CWI_DEFAULT  13
#define T1_BWI_DEFAULT  4

/* PTS_DATA.Type */
#define PTS_TYPE_DEFAULT 0 /* the card's default parameters */
#define PTS_TYPE_OPTIMAL 1 /* the best that card and reader have in common */
#define PTS_TYPE_USER    2 /* the driver's own choice: the library leaves PtsData alone */

/* Levels of SmartcardDebug */
#define DEBUG_IOCTL    0x00000001
#define DEBUG_ATR      0x00000002
#define DEBUG_PROTOCOL 0x00000004
#define DEBUG_DRIVER   0x00000008
#define DEBUG_TRACE    0x00000010
#define DEBUG_ERROR    0x00000020
#define DEBUG_INFO     DEBUG_ERROR
#define DEBUG_PERF     0x10000000
#define DEBUG_T1_TEST  0x40000000
#define DEBUG_BREAK    0x80000000
#define DEBUG_ALL      0x0000FFFF

/* ---- structures -------------------------------------------------------------------------------------------------- */

struct _SMARTCARD_EXTENSION;

/* 2.1: lengths count bytes, no NUL needed. */
typedef struct _VENDOR_ATTR {
    struct {
        USHORT Length;
        UCHAR Buffer[MAXIMUM_ATTR_STRING_LENGTH];
    } VendorName;
    struct {
        USHORT Length;
        UCHAR Buffer[MAXIMUM_ATTR_STRING_LENGTH];
    } IfdType;
    ULONG UnitNo;
    struct {
        USHORT BuildNumber;
        UCHAR VersionMinor;
        UCHAR VersionMajor;
    } IfdVersion;
    struct {
        USHORT Length;
        UCHAR Buffer[MAXIMUM_ATTR_STRING_LENGTH];
    } IfdSerialNo;
    ULONG Reserved[25];
} VENDOR_ATTR, *PVENDOR_ATTR;

/* 2.2: fs in Hz */
typedef struct _CLOCK_RATE_CONVERSION {
    const ULONG F;
    const ULONG fs;
} CLOCK_RATE_CONVERSION, *PCLOCK_RATE_CONVERSION;

typedef struct _BIT_RATE_ADJUSTMENT {
    const ULONG DNumerator;
    const ULONG DDivisor;
} BIT_RATE_ADJUSTMENT, *PBIT_RATE_ADJUSTMENT;

#ifdef _ISO_TABLES_
__attribute__((unused)) static CLOCK_RATE_CONVERSION ClockRateConversion[] = {
    {372, 4000000},   {372, 5000000},   {558, 6000000}, {744, 8000000}, {1116, 12000000}, {1488, 16000000},
    {1860, 20000000}, {0, 0},           {0, 0},         {512, 5000000}, {768, 7500000},   {1024, 10000000},
    {1536, 15000000}, {2048, 20000000}, {0, 0},         {0, 0},
};
__attribute__((unused)) static BIT_RATE_ADJUSTMENT BitRateAdjustment[] = {
    {0, 0},  {1, 1},  {2, 1}, {4, 1}, {8, 1}, {16, 1}, {32, 1}, {64, 1},
    {12, 1}, {20, 1}, {0, 0}, {0, 0}, {0, 0}, {0, 0},  {0, 0},  {0, 0},
};
#endif

/* 2.3: what to negotiate with the card; CLKFrequency in kHz, DataRate in bit/s */
typedef struct _PTS_DATA {
    UCHAR Type;
    UCHAR Fl;
    UCHAR Dl;
    ULONG CLKFrequency;
    ULONG DataRate;
    UCHAR StopBits;
} PTS_DATA, *PPTS_DATA;

/*
 * 2.4: what the card can do. The driver stores ATR (and, in RDF_SET_PROTOCOL, Protocol.Selected and PtsData.Type); all
 * else is the library's. Times in µs. While an operation runs, GET_ATTRIBUTE answers from a copy taken at its start, so
 * the driver may change this without a lock inside its callbacks.
 */
typedef struct _SCARD_CARD_CAPABILITIES {
    BOOLEAN InversConvention;
    ULONG etu;
    struct {
        UCHAR Buffer[64];
        UCHAR Length;
    } ATR;
    struct {
        UCHAR Buffer[16];
        UCHAR Length;
    } HistoricalChars;
    PCLOCK_RATE_CONVERSION ClockRateConversion;
    PBIT_RATE_ADJUSTMENT BitRateAdjustment;
    UCHAR Fl;
    UCHAR Dl;
    UCHAR II;
    UCHAR P;
    UCHAR N;
    ULONG GT;
    struct {
        ULONG Supported;
        ULONG Selected;
    } Protocol;
    struct {
        UCHAR WI;
        ULONG WT;
    } T0;
    struct {
        UCHAR IFSC;
        UCHAR CWI;
        UCHAR BWI;
        UCHAR EDC;
        ULONG CWT;
        ULONG BWT;
        ULONG BGT;
    } T1;
    PTS_DATA PtsData;
    UCHAR Reserved[100 - sizeof(PTS_DATA)];
} SCARD_CARD_CAPABILITIES, *PSCARD_CARD_CAPABILITIES;

/* 2.5: what the reader can do; the driver's. Frequencies in kHz, rates in bit/s. CurrentState under OsData->SpinLock. */
typedef struct _SCARD_READER_CAPABILITIES {
    ULONG SupportedProtocols;
    ULONG Reserved;
    ULONG ReaderType;
    ULONG MechProperties;
    ULONG CurrentState;
    ULONG Channel;
    struct {
        ULONG Default;
        ULONG Max;
    } CLKFrequency;
    struct {
        ULONG Default;
        ULONG Max;
    } DataRate;
    ULONG MaxIFSD;
    ULONG PowerMgmtSupport;
    ULONG CardConfiscated;
    struct _DataRatesSupported {
        PULONG List;
        UCHAR Entries;
    } DataRatesSupported;
    struct _CLKFrequenciesSupported {
        PULONG List;
        UCHAR Entries;
    } CLKFrequenciesSupported;
    UCHAR Reserved1[100 - sizeof(ULONG) - sizeof(struct _DataRatesSupported) - sizeof(struct _CLKFrequenciesSupported)];
} SCARD_READER_CAPABILITIES, *PSCARD_READER_CAPABILITIES;

/* 2.6: of the current T=0 command */
typedef struct _T0_DATA {
    ULONG Lc;
    ULONG Le;
} T0_DATA, *PT0_DATA;

/* 2.7: the T=1 engine's state. Drivers may write NAD only, and read Wtx: the BWT multiplier for the block now awaited,
 * 0 for none. */
typedef struct _T1_DATA {
    UCHAR IFSC;
    UCHAR IFSD;
    ULONG BytesReceived;
    ULONG BytesSent;
    ULONG BytesToSend;
    UCHAR LastError;
    BOOLEAN MoreData;
    UCHAR NAD;
    ULONG OriginalState;
    UCHAR Resend;
    UCHAR Resynch;
    UCHAR RSN;
    UCHAR SSN;
    ULONG State;
    UCHAR Wtx;
    PUCHAR ReplyData;
    BOOLEAN WaitForReply;
    UCHAR InfBytesSent;
#if defined(__SIZEOF_POINTER__) && __SIZEOF_POINTER__ == 4
    UCHAR Reserved[10 - sizeof(PUCHAR) - sizeof(BOOLEAN) - sizeof(UCHAR)];
#endif
} T1_DATA, *PT1_DATA;

typedef struct _T1_BLOCK_FRAME {
    UCHAR Nad;
    UCHAR Pcb;
    UCHAR Len;
    PUCHAR Inf;
} T1_BLOCK_FRAME, *PT1_BLOCK_FRAME;

/* The bytes of a ULONG, for drivers that build headers. */
typedef union _LENGTH {
    struct {
        ULONG l0;
    } l;
    struct {
        UCHAR b0;
        UCHAR b1;
        UCHAR b2;
        UCHAR b3;
    } b;
} LENGTH, *PLENGTH;

/* 2.8: BufferSize is set by the driver before SmartcardInitialize, BufferLength is how much is in use. */
typedef struct _SMARTCARD_REQUEST {
    PUCHAR Buffer;
    ULONG BufferSize;
    ULONG BufferLength;
} SMARTCARD_REQUEST, *PSMARTCARD_REQUEST;

typedef struct _SMARTCARD_REPLY {
    PUCHAR Buffer;
    ULONG BufferSize;
    ULONG BufferLength;
} SMARTCARD_REPLY, *PSMARTCARD_REPLY;

typedef struct _PERF_INFO {
    ULONG NumTransmissions;
    ULONG BytesSent;
    ULONG BytesReceived;
    LARGE_INTEGER IoTickCount;
    LARGE_INTEGER TickStart;
    LARGE_INTEGER TickEnd;
} PERF_INFO, *PPERF_INFO;

/* Completed by the driver. */
typedef struct _READER_EXTENSION *PREADER_EXTENSION;

/* A reader driver's callback. The status it returns is the request's; STATUS_PENDING means that the driver completes
 * the request itself (see OS_DEP_DATA.CurrentIrp and smartcrd_store_last_error). */
typedef NTSTATUS (*PSMARTCRD_READER_FUNCTION)(struct _SMARTCARD_EXTENSION *SmartcardExtension);

/* 2.9 */
typedef struct _SMARTCARD_EXTENSION {
    ULONG Version; /* SMCLIB_VERSION */
    VENDOR_ATTR VendorAttr;
    NTSTATUS (*ReaderFunction[16])(struct _SMARTCARD_EXTENSION *SmartcardExtension);
    SCARD_CARD_CAPABILITIES CardCapabilities;
    ULONG LastError; /* an NTSTATUS: how the last operation ended; answers IOCTL_SMARTCARD_GET_LAST_ERROR */
    struct {
        PULONG Information; /* the low half of Irp->IoStatus.Information, zero at first */
        PUCHAR RequestBuffer;
        ULONG RequestBufferLength;
        PUCHAR ReplyBuffer; /* the same memory as RequestBuffer */
        ULONG ReplyBufferLength;
    } IoRequest;
    ULONG MajorIoControlCode;
    ULONG MinorIoControlCode;
    POS_DEP_DATA OsData;
    SCARD_READER_CAPABILITIES ReaderCapabilities;
    PREADER_EXTENSION ReaderExtension;
    SMARTCARD_REPLY SmartcardReply;
    SMARTCARD_REQUEST SmartcardRequest;
    T0_DATA T0;
    T1_DATA T1;
#if defined(DEBUG) && (DEBUG + 0) && SMCLIB_NT
    PPERF_INFO PerfInfo;
    ULONG Reserved[25 - sizeof(PPERF_INFO)];
#else
    ULONG Reserved[25];
#endif
} SMARTCARD_EXTENSION, *PSMARTCARD_EXTENSION;

/* ---- the VxD form of a request ------------------------------------------------------------------------------------ */

/* What a Windows 9x driver gets for a control code. Pointers are real pointers here. */
typedef struct DIOCParams {
    ULONG_PTR Internal1;
    ULONG VMHandle;
    ULONG_PTR Internal2;
    ULONG dwIoControlCode;
    PVOID lpvInBuffer;
    ULONG cbInBuffer;
    PVOID lpvOutBuffer;
    ULONG cbOutBuffer;
    ULONG *lpcbBytesReturned; /* may be NULL */
    PVOID lpoOverlapped;
    PVOID hDevice;
    ULONG tagProcess;
} DIOCPARAMETERS, *PDIOCPARAMETERS, *LPDIOC;

/* ---- routines (2.12) ---------------------------------------------------------------------------------------------- */

/*
 * Make a reader known to the library: allocates the request and reply buffers and OsData. Call it once, before any
 * other routine, with a zeroed extension whose Version and both BufferSizes are set; sizes below MIN_BUFFER_SIZE are
 * raised to it, larger ones are honoured exactly.
 *
 * Returns STATUS_SUCCESS; STATUS_UNSUCCESSFUL when Version is not between SMCLIB_VERSION_REQUIRED and SMCLIB_VERSION;
 * STATUS_INSUFFICIENT_RESOURCES. Nothing is allocated on failure. IRQL PASSIVE_LEVEL.
 */
NTSTATUS SmartcardInitialize(PSMARTCARD_EXTENSION SmartcardExtension);

/* Free (and wipe) what SmartcardInitialize allocated; the pointers become NULL. No request may be in flight.
 * IRQL PASSIVE_LEVEL. */
VOID SmartcardExit(PSMARTCARD_EXTENSION SmartcardExtension);

/*
 * Serve one IRP_MJ_DEVICE_CONTROL (smclib.md 3). The library completes the IRP, with the returned status, in every case
 * but one: STATUS_PENDING, when the driver's callback pended it and will complete it itself.
 *
 * Queries (GET_LAST_ERROR, GET_STATE, GET_ATTRIBUTE, GET_PERF_CNTR) and tracking requests are served at any time;
 * other operations one at a time: they wait while another's callback runs, and get STATUS_DEVICE_BUSY while one is
 * pended. IRQL PASSIVE_LEVEL (queries: up to DISPATCH_LEVEL).
 */
NTSTATUS SmartcardDeviceControl(PSMARTCARD_EXTENSION SmartcardExtension, PIRP Irp);

/*
 * Make the symbolic link \DosDevices\SCReader<N> to DeviceName, with the first free N. LinkName arrives uninitialised;
 * its Buffer is allocated here and freed by the caller (ExFreePool). Not needed with device interfaces.
 * Returns STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES, or the failure of IoCreateSymbolicLink; LinkName->Buffer is
 * NULL on failure. IRQL PASSIVE_LEVEL.
 */
NTSTATUS SmartcardCreateLink(PUNICODE_STRING LinkName, PUNICODE_STRING DeviceName);
#define SmartcardDeleteLink(LinkName) IoDeleteSymbolicLink(LinkName)

/* Write an entry to the event log. Object: a device or driver object; Insertion: text to insert, may be NULL; one
 * that does not fit into an entry is cut short. IRQL <= DISPATCH_LEVEL. */
VOID SmartcardLogError(PVOID Object, NTSTATUS ErrorCode, PUNICODE_STRING Insertion, ULONG DumpData);

/*
 * Forget the card: CardCapabilities becomes zero (the table pointers stay), Protocol.Supported RAW, the T=1 engine
 * starts anew. POWER does this before it calls the driver. IRQL <= DISPATCH_LEVEL, OsData->SpinLock not held.
 */
VOID SmartcardInitializeCardCapabilities(PSMARTCARD_EXTENSION SmartcardExtension);

/*
 * Evaluate CardCapabilities.ATR: fill the rest of CardCapabilities, set CurrentState to SCARD_NEGOTIABLE or
 * SCARD_SPECIFIC, and Protocol.Selected in the latter case (smclib.md 5.2). Input besides the ATR is PtsData.Type.
 * Returns STATUS_SUCCESS, or STATUS_UNRECOGNIZED_MEDIA (the state is left as it was).
 * IRQL <= DISPATCH_LEVEL, OsData->SpinLock not held.
 */
NTSTATUS SmartcardUpdateCardCapabilities(PSMARTCARD_EXTENSION SmartcardExtension);

/*
 * T=0, request: append the TPDU for the APDU in IoRequest.RequestBuffer to SmartcardRequest.Buffer at BufferLength
 * (which the driver has set to the length of its own header), fill T0.Lc and T0.Le. Only what one TPDU can carry:
 * no case 4, no extended lengths.
 * Returns STATUS_SUCCESS; STATUS_BUFFER_OVERFLOW when it does not fit; STATUS_INVALID_PARAMETER for a bad APDU or PCI.
 *
 * T=0, reply: copy SmartcardReply.Buffer[0..BufferLength) behind an SCARD_IO_REQUEST to IoRequest.ReplyBuffer.
 * Returns STATUS_SUCCESS (Information 8 + n); STATUS_DEVICE_PROTOCOL_ERROR below two bytes; STATUS_BUFFER_TOO_SMALL.
 *
 * IRQL <= DISPATCH_LEVEL; the current operation's owner only. smclib.md 5.3.
 */
NTSTATUS SmartcardT0Request(PSMARTCARD_EXTENSION SmartcardExtension);
NTSTATUS SmartcardT0Reply(PSMARTCARD_EXTENSION SmartcardExtension);

/*
 * T=1: the loop of a driver's RDF_TRANSMIT (smclib.md 5.5).
 *
 *   do {
 *       SmartcardRequest.BufferLength = length of the driver's own header;
 *       status = SmartcardT1Request(ext);
 *       if (!NT_SUCCESS(status)) break;
 *       send SmartcardRequest.Buffer[0..BufferLength), wait T1.BWT * (T1.Wtx ? T1.Wtx : 1), receive one block into
 *       SmartcardReply.Buffer and set its BufferLength, 0 when nothing valid came;
 *       status = SmartcardT1Reply(ext);
 *   } while (status == STATUS_MORE_PROCESSING_REQUIRED);
 *
 * SmartcardT1Request returns STATUS_SUCCESS; STATUS_INVALID_PARAMETER for a bad PCI; STATUS_BUFFER_OVERFLOW when no
 * block fits behind the driver's header.
 * SmartcardT1Reply must be called after a failed reception too: the library asks for a retransmission then. It returns
 * STATUS_MORE_PROCESSING_REQUIRED; STATUS_SUCCESS with the answer in IoRequest.ReplyBuffer (Information 8 + n);
 * STATUS_BUFFER_TOO_SMALL; STATUS_DEVICE_PROTOCOL_ERROR when the link is beyond repair;
 * STATUS_DEVICE_POWER_FAILURE on a VPP error; STATUS_INSUFFICIENT_RESOURCES; STATUS_INTERNAL_ERROR when no block is
 * awaited. A driver may leave the loop at any time (cancel, removal); the next exchange then starts with RESYNCH.
 *
 * IRQL <= DISPATCH_LEVEL; the current operation's owner only.
 */
NTSTATUS SmartcardT1Request(PSMARTCARD_EXTENSION SmartcardExtension);
NTSTATUS SmartcardT1Reply(PSMARTCARD_EXTENSION SmartcardExtension);

/* Raw: the request is copied whole, SCARD_IO_REQUEST included (STATUS_BUFFER_TOO_SMALL when it does not fit); the reply
 * without one (Information n, or STATUS_BUFFER_TOO_SMALL). IRQL as above. smclib.md 5.4. */
NTSTATUS SmartcardRawRequest(PSMARTCARD_EXTENSION SmartcardExtension);
NTSTATUS SmartcardRawReply(PSMARTCARD_EXTENSION SmartcardExtension);

/* Inverse convention, in place: each byte's bits reversed and negated (03 becomes 3F). Any IRQL. */
VOID SmartcardInvertData(PUCHAR Buffer, ULONG Length);

/*
 * Remove lock. Acquire before a request is served, release after: STATUS_SUCCESS, or STATUS_DELETE_PENDING once the
 * reader is being removed. SmartcardReleaseRemoveLockAndWait is called once, on removal, by a caller that has acquired
 * the lock itself: it gives its share back, refuses all further ones, and returns when the last has been released.
 * Tags are for debugging and ignored. IRQL <= DISPATCH_LEVEL; ...AndWait PASSIVE_LEVEL.
 */
NTSTATUS SmartcardAcquireRemoveLock(PSMARTCARD_EXTENSION SmartcardExtension);
NTSTATUS SmartcardAcquireRemoveLockWithTag(PSMARTCARD_EXTENSION SmartcardExtension, ULONG Tag);
VOID SmartcardReleaseRemoveLock(PSMARTCARD_EXTENSION SmartcardExtension);
VOID SmartcardReleaseRemoveLockWithTag(PSMARTCARD_EXTENSION SmartcardExtension, ULONG Tag);
VOID SmartcardReleaseRemoveLockAndWait(PSMARTCARD_EXTENSION SmartcardExtension);

/* The level that SmartcardDebug goes by; one for the process, 0 at first. Any thread. */
VOID SmartcardSetDebugLevel(ULONG Level);
ULONG SmartcardGetDebugLevel(VOID);

/* ---- macros ------------------------------------------------------------------------------------------------------- */

/*
 * SmartcardDebug(LEVEL, (printf arguments in their own parentheses)): print in a checked build (DBG or DEBUG not 0) when
 * the level is enabled; DEBUG_ERROR always is. In a free build the arguments are not even looked at: they may name what
 * exists in checked builds only.
 */
#if (defined(DBG) && (DBG + 0)) || (defined(DEBUG) && (DEBUG + 0))
#define SmartcardDebug(LEVEL, STRING)                                                                                  \
    do {                                                                                                               \
        if (((LEVEL) & (DEBUG_ERROR | SmartcardGetDebugLevel())) != 0) {                                               \
            (void)DbgPrint STRING;                                                                                     \
            if (((LEVEL)&DEBUG_BREAK) != 0) {                                                                          \
                DbgBreakPoint();                                                                                       \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)
#else
#define SmartcardDebug(LEVEL, STRING)                                                                                  \
    do {                                                                                                               \
    } while (0)
#endif

/* Around accesses to what OsData->SpinLock guards, in a function that has a PSMARTCARD_EXTENSION SmartcardExtension. */
#define AccessUnsafeData(irql)    KeAcquireSpinLock(&SmartcardExtension->OsData->SpinLock, (irql))
#define EndAccessUnsafeData(irql) KeReleaseSpinLock(&SmartcardExtension->OsData->SpinLock, (irql))

/* ---- ours ---------------------------------------------------------------------------------------------------------- */

/*
 * The VxD form of SmartcardDeviceControl, for the contract of the documentation's pages that speak of DIOCPARAMETERS:
 * the code in dwIoControlCode, lpvInBuffer/cbInBuffer in, lpvOutBuffer/cbOutBuffer out, *lpcbBytesReturned set to what
 * was written (0 on errors). Input and output may overlap.
 *
 * Waits until the request has ended, pended ones included; lpoOverlapped is ignored. Returns the request's status, or
 * STATUS_INVALID_PARAMETER for NULL buffers with a length, STATUS_INSUFFICIENT_RESOURCES.
 * IRQL PASSIVE_LEVEL.
 */
NTSTATUS smartcrd_device_control_vxd(PSMARTCARD_EXTENSION SmartcardExtension, PDIOCPARAMETERS DiocParams);

#ifdef __cplusplus
}
#endif

#include <smartcrd/host.h>

/*
 * Store how an operation ended, for IOCTL_SMARTCARD_GET_LAST_ERROR. A driver that pended an operation calls this just
 * before it completes the IRP; for all others the library does it. Any thread, IRQL <= DISPATCH_LEVEL, no lock needed.
 */
static __inline VOID smartcrd_store_last_error(PSMARTCARD_EXTENSION SmartcardExtension, PIRP Irp, NTSTATUS Status)
{
    if (!host_records_last_error(Irp, &SmartcardExtension->LastError)) {
        (void)InterlockedExchange((LONG volatile *)&SmartcardExtension->LastError, Status);
    }
}

#endif
