/* SPDX-License-Identifier: MIT */
/* The name under which driver sources include <smartcrd/winsmcrd.h>. */
#include <smartcrd/winsmcrd.h>
