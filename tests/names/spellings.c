/* SPDX-License-Identifier: MIT */
/*
 * The headers once more, in other orders and under the other names by which drivers include them.
 */
#include <wdm.h>
#include <devioctl.h>
#include <WINSMCRD.h>
#ifdef POOL_TAGGING
#define SMARTCARD_POOL_TAG '4SCS'
#endif
#include <SMCLIB.H>
#include <smcnt.h>
#include <smclib.h>

#include "reader.h"

/* Types and macros that the driver itself has no use for. */
typedef struct _LEFT_OVER {
    KSPIN_LOCK Lock;
    PCHAR Text;
    ULONG States[3];
} LEFT_OVER;

LEFT_OVER *MakeLeftOver(VOID);

LEFT_OVER *MakeLeftOver(VOID)
{
    LEFT_OVER *LeftOver = ExAllocatePool(NonPagedPool, sizeof(LEFT_OVER));

    if (LeftOver != NULL) {
        KeInitializeSpinLock(&LeftOver->Lock);
        LeftOver->Text = NULL;
        LeftOver->States[0] = SCARD_ABSENT;
        LeftOver->States[1] = SCARD_SWALLOWED;
        LeftOver->States[2] = SCARD_SPECIFIC;
        DbgPrint("names: left over at %p\n", LeftOver);
    }
    return LeftOver;
}
