/* SPDX-License-Identifier: MIT */
/*
 * The pool: the C library's heap, so that AddressSanitizer and its like watch over drivers too.
 */
#include "internal.h"
#include "verify/verify.h"

#include <stdlib.h>

static PVOID allocate(SIZE_T size, bool zero)
{
    if (host_cpu.Frame != NULL) {
        return verify_pool_allocate(size, zero);
    }
    return zero ? calloc(1, size != 0 ? size : 1) : malloc(size != 0 ? size : 1);
}

static void paged_check(const char *function, bool paged)
{
    if (host_cpu.Frame != NULL && paged && host_cpu.Irql > APC_LEVEL) {
        verify_report(VERIFY_IRQL, "%s was called for paged pool at IRQL %d, at most %d is allowed", function,
                      host_cpu.Irql, APC_LEVEL);
    }
}

PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    VERIFY_CALLED();
    paged_check(__func__, PoolType == PagedPool);
    return allocate(NumberOfBytes, false);
}

PVOID ExAllocatePoolZero(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    VERIFY_CALLED();
    paged_check(__func__, PoolType == PagedPool);
    return allocate(NumberOfBytes, true);
}

PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag)
{
    VERIFY_CALLED();
    paged_check(__func__, (Flags & POOL_FLAG_PAGED) != 0);
    return allocate(NumberOfBytes, (Flags & POOL_FLAG_UNINITIALIZED) == 0);
}

VOID ExFreePoolWithTag(PVOID P, ULONG Tag)
{
    VERIFY_CALLED();
    if (P == NULL) {
        VERIFY_BROKEN(VERIFY_CALL, "freeing NULL");
        return;
    }
    if (__atomic_load_n(&verify_pool_blocks, __ATOMIC_RELAXED) != 0 && verify_pool_free(P)) {
        return;
    }
    free(P);
}

VOID ExFreePool(PVOID P)
{
    ExFreePoolWithTag(P, 0);
}
