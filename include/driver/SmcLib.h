/* SPDX-License-Identifier: MIT */
/* The name under which driver sources include <smartcrd/smclib.h>. */
#include <smartcrd/smclib.h>
