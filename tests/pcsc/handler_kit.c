/* SPDX-License-Identifier: MIT */
/* See handler_kit.h. */
#include "handler_kit.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct ifd_entries ifd;

uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sleep_ms(unsigned ms)
{
    const struct timespec span = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&span, NULL);
}

RESPONSECODE open_name(DWORD lun, const char *name)
{
    char text[256];

    snprintf(text, sizeof(text), "%s", name);
    return ifd.open(lun, text);
}

RESPONSECODE open_hanging(DWORD lun, const char *options)
{
    char name[512];

    snprintf(name, sizeof(name), "driver%s:%s", options, getenv("SMARTCRD_HANGING_DRIVER"));
    return ifd.open(lun, name);
}

/* The two functions that pcscd asks for come through a capability, as they do there. */
static void *capability_function(DWORD lun, DWORD tag)
{
    void *function = NULL;
    DWORD size = sizeof(function);

    assert_int_equal(ifd.get(lun, tag, &size, (PUCHAR)&function), IFD_SUCCESS);
    assert_int_equal(size, sizeof(function));
    return function;
}

void watch(DWORD lun)
{
    void *wait = capability_function(lun, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT);
    void *wake = capability_function(lun, TAG_IFD_STOP_POLLING_THREAD);

    memcpy(&ifd.wait, &wait, sizeof(wait));
    memcpy(&ifd.wake, &wake, sizeof(wake));
}

RESPONSECODE vendor(DWORD lun, unsigned function, const char *text)
{
    unsigned char in[128], out[512];
    DWORD size = 0, length = text ? strlen(text) : 0;

    if (text)
        memcpy(in, text, length);
    return ifd.control(lun, SCARD_CTL_CODE(function), in, length, out, sizeof(out), &size);
}

RESPONSECODE power(DWORD lun, DWORD action)
{
    unsigned char atr[MAX_ATR_SIZE];
    DWORD size = sizeof(atr);

    return ifd.power(lun, action, atr, &size);
}

RESPONSECODE exchange(DWORD lun, DWORD *size)
{
    const SCARD_IO_HEADER send = {1, 16};
    unsigned char command[] = {0x00, 0xB0, 0x00, 0x00, 0x02}, reply[16];

    *size = sizeof(reply);
    return ifd.transmit(lun, send, command, sizeof(command), reply, size, NULL);
}

/* A card with power that speaks T=1. */
void start_card(DWORD lun)
{
    DWORD size;

    assert_int_equal(power(lun, IFD_POWER_UP), IFD_SUCCESS);
    assert_int_equal(ifd.protocol(lun, 2, 0, 0, 0, 0), IFD_SUCCESS);
    assert_int_equal(exchange(lun, &size), IFD_SUCCESS);
    assert_int_equal(size, 4);
}

/* ---- the library --------------------------------------------------------------------------------------------------- */

int load(void **state)
{
    static const struct {
        const char *name;
        void *at;
    } names[] = {
        {"IFDHCreateChannelByName", &ifd.open}, {"IFDHCreateChannel", &ifd.open_number},
        {"IFDHCloseChannel", &ifd.close},       {"IFDHGetCapabilities", &ifd.get},
        {"IFDHSetCapabilities", &ifd.set},      {"IFDHSetProtocolParameters", &ifd.protocol},
        {"IFDHPowerICC", &ifd.power},           {"IFDHTransmitToICC", &ifd.transmit},
        {"IFDHICCPresence", &ifd.presence},     {"IFDHControl", &ifd.control},
    };
    void *library = dlopen(getenv("SMARTCRD_IFD_HANDLER"), RTLD_NOW | RTLD_LOCAL);

    (void)state;
    for (size_t i = 0; library && i < sizeof(names) / sizeof(names[0]); i++) {
        void *function = dlsym(library, names[i].name);

        if (!function)
            return -1;
        memcpy(names[i].at, &function, sizeof(function));
    }
    return library ? 0 : -1;
}

/* What a failed test leaves open would fail the next ones. */
int close_all(void **state)
{
    (void)state;
    for (unsigned reader = 0; reader < 2; reader++)
        for (unsigned slot = 0; slot < 2; slot++)
            ifd.close(SLOT(reader, slot));
    return 0;
}

/* The handler keeps its context, and so the threads of it, until the process ends. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "report_thread_leaks=0";
}
