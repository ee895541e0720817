/* SPDX-License-Identifier: MIT */
/* The status values: the tool chain's own on Windows, ours elsewhere. */
#ifdef _WIN32
#include_next <ntstatus.h>
#else
#include <smartcrd/ntstatus.h>
#endif
