/* SPDX-License-Identifier: MIT */
/*
 * Secrets through the IFD handler, as pcscd hands them in: nothing of them is left in its process. (What pcscd itself
 * and its clients keep is theirs.) SMARTCRD_IFD_HANDLER is the library.
 */
#include "kit.h"

#include <PCSC/ifdhandler.h>
#include <PCSC/reader.h>

#include <dlfcn.h>

#define LUN 0

static struct {
    RESPONSECODE (*open)(DWORD, LPSTR);
    RESPONSECODE (*close)(DWORD);
    RESPONSECODE (*protocol)(DWORD, DWORD, UCHAR, UCHAR, UCHAR, UCHAR);
    RESPONSECODE (*power)(DWORD, DWORD, PUCHAR, PDWORD);
    RESPONSECODE (*transmit)(DWORD, SCARD_IO_HEADER, PUCHAR, DWORD, PUCHAR, PDWORD, PSCARD_IO_HEADER);
    RESPONSECODE (*control)(DWORD, DWORD, PUCHAR, DWORD, PUCHAR, DWORD, LPDWORD);
} ifd;

static void find(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);

    assert_non_null(address);
    memcpy(function, &address, sizeof address);
}

static void open_reader(const char *device)
{
    void *library = dlopen(getenv("SMARTCRD_IFD_HANDLER"), RTLD_NOW | RTLD_LOCAL);
    char name[64];

    if (!library)
        print_error("%s\n", dlerror());
    assert_non_null(library);
    find(library, "IFDHCreateChannelByName", &ifd.open);
    find(library, "IFDHCloseChannel", &ifd.close);
    find(library, "IFDHSetProtocolParameters", &ifd.protocol);
    find(library, "IFDHPowerICC", &ifd.power);
    find(library, "IFDHTransmitToICC", &ifd.transmit);
    find(library, "IFDHControl", &ifd.control);
    snprintf(name, sizeof name, "%s", device);
    assert_int_equal(ifd.open(LUN, name), IFD_SUCCESS);
}

static void start_card(DWORD protocol)
{
    unsigned char atr[MAX_ATR_SIZE];
    DWORD size = sizeof atr;

    assert_int_equal(ifd.power(LUN, IFD_POWER_UP, atr, &size), IFD_SUCCESS);
    assert_int_equal(ifd.protocol(LUN, protocol, 0, 0, 0, 0), IFD_SUCCESS);
}

static RESPONSECODE verify(const struct secret *secret, DWORD protocol)
{
    const SCARD_IO_HEADER send = {protocol, sizeof send};
    unsigned char command[5 + SECRET_MAX] = {0x00, 0x20, 0x00, 0x01, (unsigned char)secret->size}, reply[258];
    DWORD size = sizeof reply;
    RESPONSECODE result;

    secret_write(secret, command + 5);
    result = ifd.transmit(LUN, send, command, 5 + secret->size, reply, &size, NULL);
    explicit_bzero(command, sizeof command);
    return result;
}

static void over_t1(const struct secret *secret)
{
    open_reader("vreader:fs");
    start_card(2);
    assert_int_equal(verify(secret, 1), IFD_SUCCESS);
    secret_shown();
    assert_int_equal(ifd.close(LUN), IFD_SUCCESS);
}

static void over_t0(const struct secret *secret)
{
    open_reader("vreader:fs");
    start_card(1);
    assert_int_equal(verify(secret, 0), IFD_SUCCESS);
    secret_shown();
    assert_int_equal(ifd.close(LUN), IFD_SUCCESS);
}

static void without_power(const struct secret *secret)
{
    open_reader("vreader:fs");
    assert_int_not_equal(verify(secret, 1), IFD_SUCCESS);
    secret_shown();
    assert_int_equal(ifd.close(LUN), IFD_SUCCESS);
}

static void card_of_a_control(const struct secret *secret)
{
    unsigned char text[64] = "fs pin=", out[64];
    DWORD size = 0;

    open_reader("vreader:");
    secret_write(secret, text + 7);
    assert_int_equal(ifd.control(LUN, SCARD_CTL_CODE(2048) /* IOCTL_VREADER_INSERT */, text, 7 + secret->size, out,
                                 sizeof out, &size),
                     IFD_SUCCESS);
    explicit_bzero(text, sizeof text);
    start_card(2);
    assert_int_equal(verify(secret, 1), IFD_SUCCESS); /* until it goes the card must know its PIN */
    assert_int_equal(ifd.close(LUN), IFD_SUCCESS);
}

static void card_of_a_name(const struct secret *secret)
{
    char name[64] = "vreader:fs pin=";

    secret_write(secret, (uint8_t *)name + strlen(name));
    open_reader(name);
    explicit_bzero(name, sizeof name);
    assert_int_equal(ifd.close(LUN), IFD_SUCCESS);
}

static const struct secret_case cases[] = {
    {"the handler over T=1", over_t1},
    {"the handler over T=0", over_t0},
    {"the handler without power", without_power},
    {"the handler: a card of SCardControl", card_of_a_control, .size = 8, .digits = true},
    {"the handler: a card of DEVICENAME", card_of_a_name, .size = 8, .digits = true},
};

int main(int argc, char **argv)
{
    return secret_run(cases, sizeof cases / sizeof *cases, argc > 1 ? argv[1] : NULL);
}
