/* SPDX-License-Identifier: MIT */
/*
 * Stands in front of the routines that wipe (by the linker's --wrap), for programs that see whether each of these calls
 * is needed: it notes who calls, and leaves out the one that it is told to (kit.h, struct secret_sites). Calls within a
 * file do not come by here.
 */
#include "kit.h"

#include <smartcrd/wdm.h>

void __real_explicit_bzero(void *memory, size_t size);
void __real_card_wipe(PVOID memory, SIZE_T size);
void __real_smclib_wipe(PVOID memory, SIZE_T size);
void __wrap_explicit_bzero(void *memory, size_t size);
void __wrap_card_wipe(PVOID memory, SIZE_T size);
void __wrap_smclib_wipe(PVOID memory, SIZE_T size);

/* Whether this call shall be done. */
static bool wanted(void *caller)
{
    struct secret_sites *sites = secret_sites;
    size_t i = 0;

    if (!sites)
        return true;
    while (i < SECRET_SITES && sites->site[i].caller) {
        if (sites->site[i].caller == caller)
            break;
        i++;
    }
    if (i < SECRET_SITES) {
        sites->site[i].caller = caller; /* two threads at once may take a place each: it is then tried twice */
        sites->site[i].cases |= (uint64_t)1 << sites->current;
    }
    return sites->left_out != caller;
}

void __wrap_explicit_bzero(void *memory, size_t size)
{
    if (wanted(__builtin_return_address(0)))
        __real_explicit_bzero(memory, size);
}

void __wrap_card_wipe(PVOID memory, SIZE_T size)
{
    if (wanted(__builtin_return_address(0)))
        __real_card_wipe(memory, size);
}

void __wrap_smclib_wipe(PVOID memory, SIZE_T size)
{
    if (wanted(__builtin_return_address(0)))
        __real_smclib_wipe(memory, size);
}
