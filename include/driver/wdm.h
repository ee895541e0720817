/* SPDX-License-Identifier: MIT */
/* The kernel's interface: the tool chain's own on Windows, the host's elsewhere. */
#ifdef _WIN32
#include_next <wdm.h>
#else
#include <smartcrd/wdm.h>
#endif
