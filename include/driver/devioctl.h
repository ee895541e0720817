/* SPDX-License-Identifier: MIT */
/* CTL_CODE and its kin: the tool chain's own on Windows, the host's wdm.h elsewhere. */
#ifdef _WIN32
#include_next <devioctl.h>
#else
#include <smartcrd/wdm.h>
#endif
