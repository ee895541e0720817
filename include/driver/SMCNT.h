/* SPDX-License-Identifier: MIT */
/* The name under which driver sources include <smartcrd/smcnt.h>. */
#include <smartcrd/smcnt.h>
