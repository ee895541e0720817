/* SPDX-License-Identifier: MIT */
/*
 * What mingw-w64's kernel headers (10.0) lack of what reader drivers use. Everything here is inline over older routines,
 * so an image that uses it loads on every Windows of the last twenty years, and in Wine. The kernel's headers come first.
 */
#ifndef SMARTCRD_MINGW_H
#define SMARTCRD_MINGW_H

#ifndef POOL_FLAG_NON_PAGED

typedef ULONG64 POOL_FLAGS;
#define POOL_FLAG_UNINITIALIZED 0x0000000000000002ULL
#define POOL_FLAG_NON_PAGED     0x0000000000000040ULL
#define POOL_FLAG_PAGED         0x0000000000000100ULL

static __inline PVOID ExAllocatePoolZero(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    PVOID Memory = ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);

    if (Memory != NULL) {
        RtlZeroMemory(Memory, NumberOfBytes);
    }
    return Memory;
}

static __inline PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag)
{
    POOL_TYPE PoolType = (Flags & POOL_FLAG_PAGED) != 0 ? PagedPool : NonPagedPool;

    return (Flags & POOL_FLAG_UNINITIALIZED) != 0 ? ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag)
                                                  : ExAllocatePoolZero(PoolType, NumberOfBytes, Tag);
}

#endif

/* Its own one hands both arguments to NT_ASSERT. */
#if DBG
#undef NT_ASSERTMSG
#define NT_ASSERTMSG(Message, Expression) NT_ASSERT(Expression)
#endif

#endif
