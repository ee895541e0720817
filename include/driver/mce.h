/* SPDX-License-Identifier: MIT */
/* mingw-w64's ntddk.h wants this one on the path; drivers do not. */
#if defined(__MINGW32__)
#include <ddk/mce.h>
#elif defined(_WIN32)
#include_next <mce.h>
#else
#include <smartcrd/wdm.h>
#endif
