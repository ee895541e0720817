/* SPDX-License-Identifier: MIT */
/*
 * A reader driver in the style of those that were written for Windows' own library, for hardware behind I/O ports. It
 * exists to use every name that such drivers use (names.txt), with the include spellings and the habits of their time.
 * This file: the hardware, and what the driver's files share.
 *
 * The reader has two registers. STATUS shows its bits; a byte written to COMMAND begins a command: length (low byte,
 * high byte) and data follow through DATA, and then, when READY shows, come an error code, a length and data.
 */
#ifndef NAMES_READER_H
#define NAMES_READER_H

#include <stdarg.h>
#include <ntddk.h>
#include <DEVIOCTL.H>

#define SMARTCARD_POOL_TAG '4SCS'
#include <SMCLIB.h>

/* clang-format off */
_Analysis_mode_(_Analysis_code_type_kernel_driver_)
/* clang-format on */

#ifndef STATUS_DEVICE_REMOVED
#define STATUS_DEVICE_REMOVED ((NTSTATUS)0xC00002B6L)
#endif

#define IOCTL_READER_TURN_CARD SCARD_CTL_CODE(2048) /* a hand at the slot */

#define PORT_BASE    0x2F8
#define PORT_DATA    0
#define PORT_STATUS  1 /* read */
#define PORT_COMMAND 1 /* written */

#define STATUS_BIT_CARD  0x01
#define STATUS_BIT_READY 0x02 /* a byte of the answer can be read */
#define STATUS_BIT_NONE  0x80 /* always 0; 1 where nothing is plugged in */

#define COMMAND_POWER_OFF 1
#define COMMAND_RESET     2
#define COMMAND_T0        3
#define COMMAND_T1        4
#define COMMAND_TURN      5

#define READER_PATIENCE 2000 /* ms */

    struct _READER_EXTENSION;
typedef struct _READER_EXTENSION READER_EXTENSION, *PREADER_EXTENSION;

struct _READER_EXTENSION {
    PUCHAR IoBase;
    LARGE_INTEGER Found;
    CHAR LastAtr[MAXIMUM_ATR_LENGTH];
    UCHAR LastAtrLength;
    BOOLEAN SameCard;
};

typedef struct _DEVICE_EXTENSION {
    SMARTCARD_EXTENSION SmartcardExtension;
    PDEVICE_OBJECT LowerDevice;
    UNICODE_STRING DeviceLink;
    LONG Requests; /* on their way */
    LONG Opened;
} DEVICE_EXTENSION, *PDEVICE_EXTENSION;

/* wire.c */
NTSTATUS ReaderCommand(_In_ PREADER_EXTENSION Reader, UCHAR Command, const UCHAR *Data, USHORT DataLength,
                       _Out_writes_bytes_(*AnswerLength) PUCHAR Answer, PULONG AnswerLength);
BOOLEAN ReaderHasCard(_In_ PREADER_EXTENSION Reader);
BOOLEAN ReaderIsThere(_In_ PREADER_EXTENSION Reader);
VOID SysDelay(ULONG Milliseconds);

#ifndef _WIN32
/* model.c: a reader with a card behind the ports, on hosts that have none */
VOID ModelPlugIn(VOID);
VOID ModelPullOut(VOID);
#endif

/* callbacks.c */
NTSTATUS ReaderPower(PSMARTCARD_EXTENSION SmartcardExtension);
NTSTATUS ReaderSetProtocol(PSMARTCARD_EXTENSION SmartcardExtension);
NTSTATUS ReaderTransmit(PSMARTCARD_EXTENSION SmartcardExtension);
NTSTATUS ReaderTracking(PSMARTCARD_EXTENSION SmartcardExtension);
NTSTATUS ReaderVendor(PSMARTCARD_EXTENSION SmartcardExtension);
VOID ReaderUpdateState(PSMARTCARD_EXTENSION SmartcardExtension);
VOID ReaderEndTracking(PSMARTCARD_EXTENSION SmartcardExtension, PFILE_OBJECT File, NTSTATUS Status);

#endif
