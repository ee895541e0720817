/* SPDX-License-Identifier: MIT */
/* The library's memory: zeroed when it comes, wiped before it goes, because APDUs (PINs among them) pass through it. */
#include "private.h"

PVOID smclib_allocate(SIZE_T size)
{
    PVOID p = ExAllocatePoolWithTag(NonPagedPool, size, SMCLIB_TAG);

    if (p != NULL) {
        RtlZeroMemory(p, size);
    }
    return p;
}

void smclib_wipe(PVOID p, SIZE_T size)
{
    volatile UCHAR *byte = p; /* volatile: a compiler may drop writes to memory that is about to be freed */

    for (SIZE_T i = 0; i < size; i++) {
        byte[i] = 0;
    }
}

void smclib_free(PVOID p, SIZE_T size)
{
    if (p == NULL) {
        return;
    }
    smclib_wipe(p, size);
    ExFreePoolWithTag(p, SMCLIB_TAG);
}
