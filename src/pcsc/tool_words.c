/* SPDX-License-Identifier: MIT */
/* The part of smartcrd-pcsc that knows smartcrd's headers. */
#include "tool.h"

#include <smartcrd/pcsc.h>
#include <smartcrd/smartcrd.h>
#include <smartcrd/vreader.h>

#include <stdio.h>

_Static_assert(SCARD_CTL_CODE(TOOL_GET_LAST_ERROR) == IOCTL_SMARTCARD_GET_LAST_ERROR, "a control code");
_Static_assert(SCARD_CTL_CODE(TOOL_INSERT) == IOCTL_VREADER_INSERT, "a control code");
_Static_assert(SCARD_CTL_CODE(TOOL_REMOVE) == IOCTL_VREADER_REMOVE, "a control code");
_Static_assert(SCARD_CTL_CODE(TOOL_FAULT) == IOCTL_VREADER_FAULT, "a control code");
_Static_assert(SCARD_CTL_CODE(TOOL_STATUS) == IOCTL_VREADER_STATUS, "a control code");
_Static_assert(SCARD_CTL_CODE(TOOL_JOURNAL) == SMARTCRD_PCSC_JOURNAL, "a control code");

const char *tool_status_words(uint32_t status, char *words, size_t size)
{
    const char *name = smartcrd_status_name((NTSTATUS)status);

    snprintf(words, size, "%s%s%s", name ? name : "", name ? ": " : "", smartcrd_status_text((NTSTATUS)status));
    return words;
}
