/* SPDX-License-Identifier: MIT */
/* The kernel's interface: the tool chain's own on Windows, the host's elsewhere. */
#if defined(__MINGW32__)
#include <ddk/wdm.h>
#include <smartcrd/mingw.h>
#elif defined(_WIN32)
#include_next <wdm.h>
#else
#include <smartcrd/wdm.h>
#endif
