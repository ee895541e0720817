/* SPDX-License-Identifier: MIT */
/*
 * The sizes and offsets of Microsoft's structures (smclib.md 1.4 and 2), held to at compile time: as 64-bit code in the
 * build, and as 32-bit code in a test that only compiles this file. It defines nothing.
 */
#include <smartcrd/smclib.h>

#if __SIZEOF_POINTER__ == 8
#define SELECT(x64, x86) x64
#elif __SIZEOF_POINTER__ == 4
#define SELECT(x64, x86) x86
#else
#error "smclib.md knows pointers of 4 and 8 bytes only"
#endif

#define SIZE(type, x64, x86) _Static_assert(sizeof(type) == SELECT(x64, x86), "size of " #type)
#define AT(type, member, x64, x86)                                                                                     \
    _Static_assert(offsetof(type, member) == SELECT(x64, x86), "offset of " #type "." #member)
#define SAME(type, member, offset) AT(type, member, offset, offset)

/* 1.4 */
SIZE(SCARD_IO_REQUEST, 8, 8);
SAME(SCARD_IO_REQUEST, dwProtocol, 0);
SAME(SCARD_IO_REQUEST, cbPciLength, 4);
SIZE(SCARD_T0_COMMAND, 5, 5);
SAME(SCARD_T0_COMMAND, bCla, 0);
SAME(SCARD_T0_COMMAND, bIns, 1);
SAME(SCARD_T0_COMMAND, bP1, 2);
SAME(SCARD_T0_COMMAND, bP2, 3);
SAME(SCARD_T0_COMMAND, bP3, 4);
SIZE(SCARD_T0_REQUEST, 16, 16);
SAME(SCARD_T0_REQUEST, bSw1, 8);
SAME(SCARD_T0_REQUEST, bSw2, 9);
SAME(SCARD_T0_REQUEST, CmdBytes, 10);
SAME(SCARD_T0_REQUEST, rgbHeader, 10);
SIZE(SCARD_T1_REQUEST, 8, 8);

/* 2.1 */
SIZE(VENDOR_ATTR, 212, 212);
SAME(VENDOR_ATTR, VendorName, 0);
SAME(VENDOR_ATTR, VendorName.Buffer, 2);
SAME(VENDOR_ATTR, IfdType, 34);
SAME(VENDOR_ATTR, UnitNo, 68);
SAME(VENDOR_ATTR, IfdVersion, 72);
SAME(VENDOR_ATTR, IfdVersion.VersionMinor, 74);
SAME(VENDOR_ATTR, IfdVersion.VersionMajor, 75);
SAME(VENDOR_ATTR, IfdSerialNo, 76);
SAME(VENDOR_ATTR, Reserved, 112);

/* 2.2 */
SIZE(CLOCK_RATE_CONVERSION, 8, 8);
SIZE(BIT_RATE_ADJUSTMENT, 8, 8);

/* 2.3 */
SIZE(PTS_DATA, 16, 16);
SAME(PTS_DATA, Type, 0);
SAME(PTS_DATA, Fl, 1);
SAME(PTS_DATA, Dl, 2);
SAME(PTS_DATA, CLKFrequency, 4);
SAME(PTS_DATA, DataRate, 8);
SAME(PTS_DATA, StopBits, 12);

/* 2.4 */
SIZE(SCARD_CARD_CAPABILITIES, 256, 244);
SAME(SCARD_CARD_CAPABILITIES, InversConvention, 0);
SAME(SCARD_CARD_CAPABILITIES, etu, 4);
SAME(SCARD_CARD_CAPABILITIES, ATR, 8);
SAME(SCARD_CARD_CAPABILITIES, ATR.Length, 72);
SAME(SCARD_CARD_CAPABILITIES, HistoricalChars, 73);
SAME(SCARD_CARD_CAPABILITIES, HistoricalChars.Length, 89);
AT(SCARD_CARD_CAPABILITIES, ClockRateConversion, 96, 92);
AT(SCARD_CARD_CAPABILITIES, BitRateAdjustment, 104, 96);
AT(SCARD_CARD_CAPABILITIES, Fl, 112, 100);
AT(SCARD_CARD_CAPABILITIES, Dl, 113, 101);
AT(SCARD_CARD_CAPABILITIES, II, 114, 102);
AT(SCARD_CARD_CAPABILITIES, P, 115, 103);
AT(SCARD_CARD_CAPABILITIES, N, 116, 104);
AT(SCARD_CARD_CAPABILITIES, GT, 120, 108);
AT(SCARD_CARD_CAPABILITIES, Protocol.Supported, 124, 112);
AT(SCARD_CARD_CAPABILITIES, Protocol.Selected, 128, 116);
AT(SCARD_CARD_CAPABILITIES, T0.WI, 132, 120);
AT(SCARD_CARD_CAPABILITIES, T0.WT, 136, 124);
AT(SCARD_CARD_CAPABILITIES, T1.IFSC, 140, 128);
AT(SCARD_CARD_CAPABILITIES, T1.CWI, 141, 129);
AT(SCARD_CARD_CAPABILITIES, T1.BWI, 142, 130);
AT(SCARD_CARD_CAPABILITIES, T1.EDC, 143, 131);
AT(SCARD_CARD_CAPABILITIES, T1.CWT, 144, 132);
AT(SCARD_CARD_CAPABILITIES, T1.BWT, 148, 136);
AT(SCARD_CARD_CAPABILITIES, T1.BGT, 152, 140);
AT(SCARD_CARD_CAPABILITIES, PtsData, 156, 144);
AT(SCARD_CARD_CAPABILITIES, Reserved, 172, 160);

/* 2.5 */
SIZE(SCARD_READER_CAPABILITIES, 152, 148);
SAME(SCARD_READER_CAPABILITIES, SupportedProtocols, 0);
SAME(SCARD_READER_CAPABILITIES, Reserved, 4);
SAME(SCARD_READER_CAPABILITIES, ReaderType, 8);
SAME(SCARD_READER_CAPABILITIES, MechProperties, 12);
SAME(SCARD_READER_CAPABILITIES, CurrentState, 16);
SAME(SCARD_READER_CAPABILITIES, Channel, 20);
SAME(SCARD_READER_CAPABILITIES, CLKFrequency.Default, 24);
SAME(SCARD_READER_CAPABILITIES, CLKFrequency.Max, 28);
SAME(SCARD_READER_CAPABILITIES, DataRate.Default, 32);
SAME(SCARD_READER_CAPABILITIES, DataRate.Max, 36);
SAME(SCARD_READER_CAPABILITIES, MaxIFSD, 40);
SAME(SCARD_READER_CAPABILITIES, PowerMgmtSupport, 44);
SAME(SCARD_READER_CAPABILITIES, CardConfiscated, 48);
AT(SCARD_READER_CAPABILITIES, DataRatesSupported.List, 56, 52);
AT(SCARD_READER_CAPABILITIES, DataRatesSupported.Entries, 64, 56);
AT(SCARD_READER_CAPABILITIES, CLKFrequenciesSupported.List, 72, 60);
AT(SCARD_READER_CAPABILITIES, CLKFrequenciesSupported.Entries, 80, 64);
AT(SCARD_READER_CAPABILITIES, Reserved1, 88, 68);
_Static_assert(sizeof(((SCARD_READER_CAPABILITIES *)0)->Reserved1) == SELECT(64, 80), "size of Reserved1");

/* 2.6 */
SIZE(T0_DATA, 8, 8);
SAME(T0_DATA, Lc, 0);
SAME(T0_DATA, Le, 4);

/* 2.7 */
SIZE(T1_DATA, 56, 48);
SAME(T1_DATA, IFSC, 0);
SAME(T1_DATA, IFSD, 1);
SAME(T1_DATA, BytesReceived, 4);
SAME(T1_DATA, BytesSent, 8);
SAME(T1_DATA, BytesToSend, 12);
SAME(T1_DATA, LastError, 16);
SAME(T1_DATA, MoreData, 17);
SAME(T1_DATA, NAD, 18);
SAME(T1_DATA, OriginalState, 20);
SAME(T1_DATA, Resend, 24);
SAME(T1_DATA, Resynch, 25);
SAME(T1_DATA, RSN, 26);
SAME(T1_DATA, SSN, 27);
SAME(T1_DATA, State, 28);
SAME(T1_DATA, Wtx, 32);
AT(T1_DATA, ReplyData, 40, 36);
AT(T1_DATA, WaitForReply, 48, 40);
AT(T1_DATA, InfBytesSent, 49, 41);
#if __SIZEOF_POINTER__ == 4
_Static_assert(offsetof(T1_DATA, Reserved) == 42 && sizeof(((T1_DATA *)0)->Reserved) == 4, "T1_DATA.Reserved");
#endif

/* 2.8 */
SIZE(SMARTCARD_REQUEST, 16, 12);
AT(SMARTCARD_REQUEST, BufferSize, 8, 4);
AT(SMARTCARD_REQUEST, BufferLength, 12, 8);
SIZE(SMARTCARD_REPLY, 16, 12);
AT(SMARTCARD_REPLY, BufferSize, 8, 4);
AT(SMARTCARD_REPLY, BufferLength, 12, 8);

/* 2.9 */
#if defined(DEBUG) && (DEBUG + 0)
SIZE(SMARTCARD_EXTENSION, 1000, 880);
#else
SIZE(SMARTCARD_EXTENSION, 1024, 892);
AT(SMARTCARD_EXTENSION, Reserved, 920, 792);
#endif
SAME(SMARTCARD_EXTENSION, Version, 0);
SAME(SMARTCARD_EXTENSION, VendorAttr, 4);
SAME(SMARTCARD_EXTENSION, ReaderFunction, 216);
AT(SMARTCARD_EXTENSION, CardCapabilities, 344, 280);
AT(SMARTCARD_EXTENSION, LastError, 600, 524);
AT(SMARTCARD_EXTENSION, IoRequest.Information, 608, 528);
AT(SMARTCARD_EXTENSION, IoRequest.RequestBuffer, 616, 532);
AT(SMARTCARD_EXTENSION, IoRequest.RequestBufferLength, 624, 536);
AT(SMARTCARD_EXTENSION, IoRequest.ReplyBuffer, 632, 540);
AT(SMARTCARD_EXTENSION, IoRequest.ReplyBufferLength, 640, 544);
AT(SMARTCARD_EXTENSION, MajorIoControlCode, 648, 548);
AT(SMARTCARD_EXTENSION, MinorIoControlCode, 652, 552);
AT(SMARTCARD_EXTENSION, OsData, 656, 556);
AT(SMARTCARD_EXTENSION, ReaderCapabilities, 664, 560);
AT(SMARTCARD_EXTENSION, ReaderExtension, 816, 708);
AT(SMARTCARD_EXTENSION, SmartcardReply, 824, 712);
AT(SMARTCARD_EXTENSION, SmartcardRequest, 840, 724);
AT(SMARTCARD_EXTENSION, T0, 856, 736);
AT(SMARTCARD_EXTENSION, T1, 864, 744);

/* 2.10 */
#ifdef DEBUG_INTERFACE
SIZE(OS_DEP_DATA, 144, 84);
AT(OS_DEP_DATA, DebugDeviceObject, 136, 80);
#else
SIZE(OS_DEP_DATA, 136, 80);
#endif
SAME(OS_DEP_DATA, DeviceObject, 0);
AT(OS_DEP_DATA, CurrentIrp, 8, 4);
AT(OS_DEP_DATA, NotificationIrp, 16, 8);
AT(OS_DEP_DATA, Mutex, 24, 12);
AT(OS_DEP_DATA, SpinLock, 80, 44);
AT(OS_DEP_DATA, RemoveLock.Removed, 88, 48);
AT(OS_DEP_DATA, RemoveLock.RefCount, 92, 52);
AT(OS_DEP_DATA, RemoveLock.RemoveEvent, 96, 56);
AT(OS_DEP_DATA, RemoveLock.TagList, 120, 72);

/* 2.11 */
SIZE(LENGTH, 4, 4);
SIZE(T1_BLOCK_FRAME, 16, 8);
SAME(T1_BLOCK_FRAME, Pcb, 1);
SAME(T1_BLOCK_FRAME, Len, 2);
AT(T1_BLOCK_FRAME, Inf, 8, 4);
/* 40 in Microsoft's 32-bit form too, where LARGE_INTEGER is aligned to 8; the System V i386 rules align it to 4. */
#if __SIZEOF_POINTER__ == 8 || defined(_WIN32)
SIZE(PERF_INFO, 40, 40);
#else
SIZE(PERF_INFO, 40, 36);
#endif

/* The sizes that all of this rests on. */
SIZE(ULONG, 4, 4);
SIZE(LONG, 4, 4);
SIZE(NTSTATUS, 4, 4);
SIZE(BOOLEAN, 1, 1);
SIZE(ULONG_PTR, 8, 4);
