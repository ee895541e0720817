/* SPDX-License-Identifier: MIT */
/* The kernel's own header, which mingw-w64 keeps in a folder of its own. */
#include <ddk/wdm.h>
