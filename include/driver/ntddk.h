/* SPDX-License-Identifier: MIT */
/* The kernel's interface: the tool chain's own on Windows, the host's elsewhere. */
#if defined(__MINGW32__)
#include <ddk/ntddk.h>
#include <smartcrd/mingw.h>
#elif defined(_WIN32)
#include_next <ntddk.h>
#else
#include <smartcrd/wdm.h>
#endif
