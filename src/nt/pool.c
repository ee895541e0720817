/* SPDX-License-Identifier: MIT */
/*
 * The pool: the C library's heap, so that AddressSanitizer and its like watch over drivers too.
 */
#include "internal.h"

#include <stdlib.h>

static PVOID allocate(SIZE_T size, bool zero)
{
    return zero ? calloc(1, size != 0 ? size : 1) : malloc(size != 0 ? size : 1);
}

PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    return allocate(NumberOfBytes, false);
}

PVOID ExAllocatePoolZero(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    return allocate(NumberOfBytes, true);
}

PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag)
{
    return allocate(NumberOfBytes, (Flags & POOL_FLAG_UNINITIALIZED) == 0);
}

VOID ExFreePoolWithTag(PVOID P, ULONG Tag)
{
    if (P == NULL) {
        host_fail(__func__, "freeing NULL");
    }
    free(P);
}

VOID ExFreePool(PVOID P)
{
    ExFreePoolWithTag(P, 0);
}
