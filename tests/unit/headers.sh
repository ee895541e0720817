#!/bin/sh
# SPDX-License-Identifier: MIT
# Compile what only has to compile: the layouts, every header under every name, SmartcardDebug in free and checked
# builds, and the library itself, for 32 or 64 bits, with no libc at all.
#
#   headers.sh COMPILER BITS SOURCE_ROOT
#
# Exit code 77 (skipped) when the compiler is missing or cannot compile for that size.
compiler=$1 bits=$2 root=$3
flags="-m$bits -ffreestanding -std=gnu11 -Wall -Wextra -Wconversion -Wshadow -Wvla -Wstrict-prototypes -Werror"
flags="$flags -Wno-unused-parameter -Wno-missing-field-initializers -fsyntax-only"

compile() { # source on standard input, more flags as arguments
    # shellcheck disable=SC2086
    "$compiler" $flags -I"$root/include" "$@" -x c - 2>"$log"
}
must() { # a sentence; the rest as above
    what=$1
    shift
    if ! compile "$@"; then
        echo "FAILED: $what" | tee -a "$failures"
        cat "$log"
    fi
}
must_not() {
    what=$1
    shift
    if compile "$@"; then
        echo "FAILED: $what compiled, but must not" | tee -a "$failures"
    fi
}

log=$(mktemp) || exit 1
failures=$(mktemp) || exit 1 # a file: the functions above run in the subshells of pipelines
trap 'rm -f "$log" "$failures"' EXIT

if ! command -v "$compiler" >/dev/null || ! printf '#include <stdint.h>\n#include <stddef.h>\n' | compile; then
    echo "skipped: no $compiler for $bits bits"
    exit 77
fi

must "the layouts" <"$root/src/smclib/layout.c"
must "the layouts with DEBUG_INTERFACE" -DDEBUG_INTERFACE <"$root/src/smclib/layout.c"
must "the layouts of a checked build" -DDEBUG=1 -DDBG=1 <"$root/src/smclib/layout.c"
printf '_Static_assert(sizeof(void *) == 3, "");\n' | must_not "a false assertion"

for header in "$root"/include/driver/*; do
    name=$(basename "$header")
    printf '#include <%s>\ntypedef int not_empty;\n' "$name" | must "$name" -I"$root/include/driver"
    printf '#include <%s>\n#include <smclib.h>\n#include <%s>\nSMARTCARD_EXTENSION ext;\n' "$name" "$name" |
        must "$name before smclib.h" -I"$root/include/driver"
done
for name in winsmcrd smclib smcnt; do
    printf '#include <smartcrd/%s.h>\n#include <smartcrd/wdm.h>\ntypedef int not_empty;\n' $name | must "$name.h alone"
done
printf '#include <smartcrd/winsmcrd.h>\nSCARD_IO_REQUEST pci; BYTE b; DWORD d; const GUID *g = &SmartCardReaderGuid;\n' |
    must "winsmcrd.h for a program"
printf '#define POOL_TAGGING\n#include <smartcrd/smclib.h>\nvoid *f(void);\nvoid *f(void) { return ExAllocatePool(NonPagedPool, 1); }\n' |
    must "POOL_TAGGING"

# A driver completes READER_EXTENSION itself, and may repeat the library's typedef.
printf '#include <smartcrd/smclib.h>\nstruct _READER_EXTENSION { int x; };\ntypedef struct _READER_EXTENSION *PREADER_EXTENSION;\nint f(PSMARTCARD_EXTENSION e);\nint f(PSMARTCARD_EXTENSION e) { return e->ReaderExtension->x; }\n' |
    must "a driver's READER_EXTENSION"

debug='#include <smartcrd/smclib.h>
void f(void);
void f(void) { SmartcardDebug(DEBUG_TRACE, ("%%d", not_declared)); }
'
# shellcheck disable=SC2059
printf "$debug" | must "SmartcardDebug of a free build with an undeclared variable"
# shellcheck disable=SC2059
printf "$debug" | must "SmartcardDebug with DBG=0" -DDBG=0
# shellcheck disable=SC2059
printf "$debug" | must_not "SmartcardDebug with DBG=1 and an undeclared variable" -DDBG=1
# shellcheck disable=SC2059
printf "$debug" | must_not "SmartcardDebug with DEBUG and an undeclared variable" -DDEBUG
printf '#include <smartcrd/smclib.h>\nvoid f(int x);\nvoid f(int x) { if (x) SmartcardDebug(DEBUG_BREAK, ("%%d", x)); else SmartcardDebug(DEBUG_INFO, ("no")); }\n' |
    must "SmartcardDebug of a checked build" -DDEBUG

# Every name that Microsoft's PCMCIA reader sample takes from these headers (smclib.md 6.2, KMDF apart).
real_driver() {
    cat <<'END'
#include <ntddk.h>
#include <DEVIOCTL.H>
#define SMARTCARD_POOL_TAG 0x34534353
#include <SMCLIB.h>
struct _READER_EXTENSION {
    PUCHAR io;
    LARGE_INTEGER when;
    CHAR text[2];
    PCHAR p;
    LPCWSTR name;
};
typedef struct _READER_EXTENSION READER_EXTENSION, *PREADER_EXTENSION;
typedef struct { SMARTCARD_EXTENSION SmartcardExtension; PDRIVER_OBJECT driver; PUNICODE_STRING path; } DEVICE_EXTENSION;
DRIVER_INITIALIZE DriverEntry;
static const NTSTATUS statuses[] = {
    STATUS_SUCCESS, STATUS_PENDING, STATUS_TIMEOUT, STATUS_UNSUCCESSFUL, STATUS_INVALID_PARAMETER,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE, STATUS_MORE_PROCESSING_REQUIRED, STATUS_BUFFER_TOO_SMALL,
    STATUS_CRC_ERROR, STATUS_INSUFFICIENT_RESOURCES, STATUS_IO_TIMEOUT, STATUS_CANCELLED, STATUS_NO_MEDIA,
    STATUS_IO_DEVICE_ERROR, STATUS_DEVICE_PROTOCOL_ERROR, STATUS_UNRECOGNIZED_MEDIA, STATUS_DEVICE_BUSY,
    STATUS_NO_MORE_ENTRIES, STATUS_DEVICE_REMOVED, STATUS_DEVICE_POWERED_OFF, STATUS_BUFFER_OVERFLOW,
    STATUS_DELETE_PENDING, STATUS_DEVICE_POWER_FAILURE, STATUS_NOT_SUPPORTED, STATUS_INTERNAL_ERROR,
};
static const ULONG constants[] = {
    MAXIMUM_ATR_LENGTH, DEBUG_TRACE, DEBUG_DRIVER, SCARD_POWER_DOWN, SCARD_COLD_RESET, SCARD_WARM_RESET, SCARD_ABSENT,
    SCARD_PRESENT, SCARD_SWALLOWED, SCARD_SPECIFIC, SCARD_PROTOCOL_UNDEFINED, SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T1,
    SCARD_PROTOCOL_RAW, SCARD_CTL_CODE(0x8000), SMCLIB_VERSION, MIN_BUFFER_SIZE, MAXIMUM_ATTR_STRING_LENGTH,
    RDF_CARD_POWER, RDF_TRANSMIT, RDF_CARD_TRACKING, RDF_SET_PROTOCOL, RDF_IOCTL_VENDOR, SCARD_READER_TYPE_PCMCIA, SCARD_ATR_LENGTH,
};
NTSTATUS callback(_In_ PSMARTCARD_EXTENSION SmartcardExtension);
NTSTATUS callback(_In_ PSMARTCARD_EXTENSION SmartcardExtension)
{
    PREADER_EXTENSION reader = SmartcardExtension->ReaderExtension;
    PSCARD_IO_REQUEST pci = (PSCARD_IO_REQUEST)(PVOID)SmartcardExtension->IoRequest.RequestBuffer;
    PIRP irp;
    KIRQL irql;
    BYTE b = READ_PORT_UCHAR(reader->io);

    WRITE_PORT_UCHAR(reader->io, b);
    AccessUnsafeData(&irql);
    irp = InterlockedExchangePointer((PVOID *)&SmartcardExtension->OsData->NotificationIrp, NULL);
    EndAccessUnsafeData(irql);
    KeAcquireSpinLock(&SmartcardExtension->OsData->SpinLock, &irql);
    KeReleaseSpinLock(&SmartcardExtension->OsData->SpinLock, irql);
    if (irp != NULL) {
        irp->Tail.Overlay.DriverContext[0] = NULL;
        irp->IoStatus.Status = STATUS_SUCCESS;
        IoMarkIrpPending(irp);
        IoSkipCurrentIrpStackLocation(irp);
    }
    RtlFillMemory(reader->text, sizeof(reader->text), 0);
    RtlCopyMemory(reader->text, "ab", 2);
    RtlZeroMemory(reader->text, 2);
    NT_ASSERT(RtlCompareMemory(reader->text, "ab", 2) != 2);
    NT_ASSERTMSG("so", pci->cbPciLength != 0 || statuses[0] == 0 || constants[0] == 33);
    *SmartcardExtension->IoRequest.Information =
        SmartcardExtension->CardCapabilities.T1.BWT + SmartcardExtension->T1.Wtx + pci->cbPciLength;
    SmartcardDebug(DEBUG_TRACE, ("%s!\n", "x"));
    return NT_SUCCESS(SmartcardUpdateCardCapabilities(SmartcardExtension)) ? statuses[0] : (NTSTATUS)constants[0];
}
END
}
real_driver | must "the names of a real driver, free build" -I"$root/include/driver"
real_driver | must "the names of a real driver, checked build" -I"$root/include/driver" -DDBG=1 -DDEBUG

for file in "$root"/src/smclib/*.c; do
    must "$file" -iquote "$root/src/smclib" <"$file"
done

[ -s "$failures" ] && exit 1
echo "all compiled"
