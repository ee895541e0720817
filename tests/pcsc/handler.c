/* SPDX-License-Identifier: MIT */
/*
 * The IFD handler without pcscd: its entry points, called as pcscd calls them and as it never does, from several threads
 * at once. SMARTCRD_IFD_HANDLER is the library, SMARTCRD_HANGING_DRIVER a driver that sleeps in its callbacks.
 */
#include "src/pcsc/tool.h"

#include <PCSC/ifdhandler.h>
#include <PCSC/reader.h>

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define SLOT(reader, slot)     ((DWORD)(reader) << 16 | (slot))
#define WINDOWS_CODE(function) ((DWORD)(0x310000 | (function) << 2))

static struct {
    RESPONSECODE (*open)(DWORD, LPSTR);
    RESPONSECODE (*open_number)(DWORD, DWORD);
    RESPONSECODE (*close)(DWORD);
    RESPONSECODE (*get)(DWORD, DWORD, PDWORD, PUCHAR);
    RESPONSECODE (*set)(DWORD, DWORD, DWORD, PUCHAR);
    RESPONSECODE (*protocol)(DWORD, DWORD, UCHAR, UCHAR, UCHAR, UCHAR);
    RESPONSECODE (*power)(DWORD, DWORD, PUCHAR, PDWORD);
    RESPONSECODE (*transmit)(DWORD, SCARD_IO_HEADER, PUCHAR, DWORD, PUCHAR, PDWORD, PSCARD_IO_HEADER);
    RESPONSECODE (*presence)(DWORD);
    RESPONSECODE (*control)(DWORD, DWORD, PUCHAR, DWORD, PUCHAR, DWORD, LPDWORD);
    RESPONSECODE (*wait)(DWORD, int);
    RESPONSECODE (*wake)(DWORD);
} ifd;

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void sleep_ms(unsigned ms)
{
    const struct timespec span = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&span, NULL);
}

static RESPONSECODE open_name(DWORD lun, const char *name)
{
    char text[256];

    snprintf(text, sizeof(text), "%s", name);
    return ifd.open(lun, text);
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

static void watch(DWORD lun)
{
    void *wait = capability_function(lun, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT);
    void *wake = capability_function(lun, TAG_IFD_STOP_POLLING_THREAD);

    memcpy(&ifd.wait, &wait, sizeof(wait));
    memcpy(&ifd.wake, &wake, sizeof(wake));
}

static RESPONSECODE vendor(DWORD lun, unsigned function, const char *text)
{
    unsigned char in[128], out[512];
    DWORD size = 0, length = text ? strlen(text) : 0;

    if (text)
        memcpy(in, text, length);
    return ifd.control(lun, SCARD_CTL_CODE(function), in, length, out, sizeof(out), &size);
}

static RESPONSECODE power(DWORD lun, DWORD action)
{
    unsigned char atr[MAX_ATR_SIZE];
    DWORD size = sizeof(atr);

    return ifd.power(lun, action, atr, &size);
}

static RESPONSECODE exchange(DWORD lun, DWORD *size)
{
    const SCARD_IO_HEADER send = {1, 16};
    unsigned char command[] = {0x00, 0xB0, 0x00, 0x00, 0x02}, reply[16];

    *size = sizeof(reply);
    return ifd.transmit(lun, send, command, sizeof(command), reply, size, NULL);
}

/* A card with power that speaks T=1. */
static void start_card(DWORD lun)
{
    DWORD size;

    assert_int_equal(power(lun, IFD_POWER_UP), IFD_SUCCESS);
    assert_int_equal(ifd.protocol(lun, 2, 0, 0, 0, 0), IFD_SUCCESS);
    assert_int_equal(exchange(lun, &size), IFD_SUCCESS);
    assert_int_equal(size, 4);
}

/* ---- one thread ---------------------------------------------------------------------------------------------------- */

static void a_channel_opens_once_and_closes_once(void **state)
{
    (void)state;
    assert_int_equal(open_name(SLOT(0, 0), "vreader:echo"), IFD_SUCCESS);
    assert_int_equal(open_name(SLOT(0, 0), "vreader:echo"), IFD_NO_SUCH_DEVICE);
    start_card(SLOT(0, 0));
    assert_int_equal(ifd.close(SLOT(0, 0)), IFD_SUCCESS);
    assert_int_equal(ifd.close(SLOT(0, 0)), IFD_NO_SUCH_DEVICE);
    assert_int_equal(ifd.open_number(SLOT(0, 0), 7), IFD_SUCCESS);
    assert_int_equal(ifd.presence(SLOT(0, 0)), IFD_ICC_NOT_PRESENT);
    assert_int_equal(ifd.close(SLOT(0, 0)), IFD_SUCCESS);
}

static void a_slot_that_is_none_is_no_such_device(void **state)
{
    static const DWORD none[] = {0, SLOT(3, 0), SLOT(0, 1), SLOT(15, 15), SLOT(16, 0), SLOT(0, 16), 0xFFFFFFFF};
    unsigned char value[8];
    DWORD size;

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        size = sizeof(value);
        assert_int_equal(ifd.close(none[i]), IFD_NO_SUCH_DEVICE);
        assert_int_equal(ifd.get(none[i], SCARD_ATTR_VENDOR_NAME, &size, value), IFD_NO_SUCH_DEVICE);
        assert_int_equal(ifd.get(none[i], TAG_IFD_SLOTS_NUMBER, &size, value), IFD_NO_SUCH_DEVICE);
        assert_int_equal(ifd.set(none[i], SCARD_ATTR_VENDOR_NAME, 1, value), IFD_NO_SUCH_DEVICE);
        assert_int_equal(ifd.protocol(none[i], 2, 0, 0, 0, 0), IFD_NO_SUCH_DEVICE);
        assert_int_equal(power(none[i], IFD_POWER_UP), IFD_NO_SUCH_DEVICE);
        assert_int_equal(exchange(none[i], &size), IFD_NO_SUCH_DEVICE);
        assert_int_equal(size, 0);
        assert_int_equal(ifd.presence(none[i]), IFD_NO_SUCH_DEVICE);
        assert_int_equal(vendor(none[i], TOOL_STATUS, NULL), IFD_NO_SUCH_DEVICE);
    }
    assert_int_equal(open_name(SLOT(16, 0), "vreader:echo"), IFD_NO_SUCH_DEVICE);
    assert_int_equal(open_name(SLOT(0, 16), "vreader:echo"), IFD_NO_SUCH_DEVICE);
    assert_int_equal(open_name(SLOT(0, 1), "vreader:echo"), IFD_NO_SUCH_DEVICE);
}

static void null_pointers_are_refused(void **state)
{
    const SCARD_IO_HEADER send = {1, 16};
    unsigned char bytes[8] = {0};
    DWORD size = sizeof(bytes);

    (void)state;
    assert_int_equal(ifd.open(SLOT(0, 0), NULL), IFD_NO_SUCH_DEVICE);
    assert_int_equal(open_name(SLOT(0, 0), "vreader:echo"), IFD_SUCCESS);
    start_card(SLOT(0, 0));
    assert_int_equal(ifd.get(0, TAG_IFD_ATR, NULL, bytes), IFD_COMMUNICATION_ERROR);
    assert_int_equal(ifd.get(0, TAG_IFD_ATR, &size, NULL), IFD_COMMUNICATION_ERROR);
    assert_int_equal(ifd.set(0, SCARD_ATTR_VENDOR_NAME, 1, NULL), IFD_ERROR_TAG);
    assert_int_equal(ifd.transmit(0, send, NULL, 5, bytes, &size, NULL), IFD_COMMUNICATION_ERROR);
    assert_int_equal(ifd.transmit(0, send, bytes, 5, NULL, &size, NULL), IFD_COMMUNICATION_ERROR);
    assert_int_equal(ifd.transmit(0, send, bytes, 5, bytes, NULL, NULL), IFD_COMMUNICATION_ERROR);
    assert_int_equal(ifd.control(0, WINDOWS_CODE(14), NULL, 4, bytes, 4, &size), IFD_NOT_SUPPORTED);
    assert_int_equal(ifd.control(0, WINDOWS_CODE(14), NULL, 0, NULL, 4, &size), IFD_NOT_SUPPORTED);
    assert_int_equal(ifd.control(0, WINDOWS_CODE(14), NULL, 0, bytes, 4, NULL), IFD_SUCCESS);
    assert_int_equal(ifd.power(0, IFD_POWER_DOWN, NULL, NULL), IFD_SUCCESS);
    assert_int_equal(ifd.power(0, 777, bytes, NULL), IFD_NOT_SUPPORTED);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* An answer that does not fit is an error, what is behind the buffer stays as it was, and a length is not touched. */
static void a_buffer_that_is_too_small_is_left_alone(void **state)
{
    const SCARD_IO_HEADER send = {1, 16};
    unsigned char command[] = {0x00, 0xB0, 0x00, 0x00, 0x10}, value[20];
    DWORD size;

    (void)state;
    assert_int_equal(open_name(0, "vreader:echo"), IFD_SUCCESS);
    start_card(0);
    memset(value, 0xEE, sizeof(value));
    for (DWORD room = 0; room < 13; room++) {
        size = room;
        assert_int_equal(ifd.get(0, TAG_IFD_ATR, &size, value), IFD_ERROR_INSUFFICIENT_BUFFER);
        assert_int_equal(size, room);
    }
    size = 0;
    assert_int_equal(ifd.get(0, TAG_IFD_SLOTS_NUMBER, &size, value), IFD_ERROR_INSUFFICIENT_BUFFER);
    size = 1;
    assert_int_equal(ifd.get(0, SCARD_ATTR_VENDOR_NAME, &size, value), IFD_ERROR_INSUFFICIENT_BUFFER);
    size = 7;
    assert_int_equal(ifd.get(0, TAG_IFD_POLLING_THREAD_WITH_TIMEOUT, &size, value), IFD_ERROR_INSUFFICIENT_BUFFER);
    size = sizeof(value);
    assert_int_equal(ifd.get(0, 0x7FFFFFFF, &size, value), IFD_ERROR_TAG);
    assert_int_equal(size, sizeof(value));
    for (DWORD room = 0; room < 18; room++) {
        size = room;
        assert_int_equal(ifd.transmit(0, send, command, sizeof(command), value, &size, NULL),
                         IFD_ERROR_INSUFFICIENT_BUFFER);
        assert_int_equal(size, 0);
        assert_int_equal(value[room], 0xEE);
    }
    assert_int_equal(ifd.control(0, WINDOWS_CODE(14), NULL, 0, value, 3, &size), IFD_ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(size, 0);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

static void what_pcscd_has_calls_for_is_no_control_code(void **state)
{
    static const unsigned functions[] = {1, 5, 10, 11, 12}; /* POWER, TRANSMIT, IS_PRESENT, IS_ABSENT, SET_PROTOCOL */
    unsigned char in[16] = {0}, out[64];
    DWORD size = 99;

    (void)state;
    assert_int_equal(open_name(0, "vreader:echo"), IFD_SUCCESS);
    start_card(0);
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        assert_int_equal(ifd.control(0, WINDOWS_CODE(functions[i]), in, 4, out, sizeof(out), &size), IFD_NOT_SUPPORTED);
        assert_int_equal(ifd.control(0, SCARD_CTL_CODE(functions[i]), in, 4, out, sizeof(out), &size),
                         IFD_NOT_SUPPORTED);
        assert_int_equal(size, 0);
    }
    assert_int_equal(exchange(0, &size), IFD_SUCCESS);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* ---- presence ------------------------------------------------------------------------------------------------------ */

/* Each wait takes one step; between two waits the answer stays, whoever asks how often. */
static void a_swap_is_one_absence_until_the_next_wait(void **state)
{
    (void)state;
    assert_int_equal(open_name(0, "vreader:echo"), IFD_SUCCESS);
    watch(0);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    assert_int_equal(vendor(0, TOOL_REMOVE, NULL), IFD_SUCCESS);
    assert_int_equal(vendor(0, TOOL_INSERT, "echo"), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    assert_int_equal(ifd.wait(0, 10000), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_NOT_PRESENT);
    assert_int_equal(power(0, IFD_POWER_DOWN), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_NOT_PRESENT);
    assert_int_equal(ifd.wait(0, 10000), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    start_card(0);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* A card without power is not absent, a swapped one is. */
static void only_a_card_that_left_is_told_as_absent(void **state)
{
    DWORD size;

    (void)state;
    assert_int_equal(open_name(0, "vreader:echo"), IFD_SUCCESS);
    watch(0);
    start_card(0);
    assert_int_equal(power(0, IFD_POWER_DOWN), IFD_SUCCESS);
    assert_int_equal(exchange(0, &size), IFD_COMMUNICATION_ERROR);
    assert_int_equal(ifd.protocol(0, 2, 0, 0, 0, 0), IFD_ERROR_PTS_FAILURE);
    start_card(0);
    assert_int_equal(vendor(0, TOOL_REMOVE, NULL), IFD_SUCCESS);
    assert_int_equal(vendor(0, TOOL_INSERT, "echo"), IFD_SUCCESS);
    assert_int_equal(exchange(0, &size), IFD_ICC_NOT_PRESENT);
    assert_int_equal(ifd.protocol(0, 2, 0, 0, 0, 0), IFD_ERROR_PTS_FAILURE);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* pcscd has two seconds without an event here, and no other reason to come back. */
static void waiting_sleeps_until_something_happens(void **state)
{
    uint64_t began = now_ms();

    (void)state;
    assert_int_equal(open_name(0, "vreader:"), IFD_SUCCESS);
    watch(0);
    assert_int_equal(ifd.wait(0, 2000), IFD_SUCCESS);
    assert_true(now_ms() - began >= 2000);
    assert_int_equal(ifd.presence(0), IFD_ICC_NOT_PRESENT);
    began = now_ms();
    assert_int_equal(ifd.wake(0), IFD_SUCCESS);
    assert_int_equal(ifd.wait(0, 60000), IFD_SUCCESS);
    assert_int_equal(vendor(0, TOOL_INSERT, "echo"), IFD_SUCCESS);
    assert_int_equal(ifd.wait(0, 60000), IFD_SUCCESS);
    assert_true(now_ms() - began < 30000);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* A driver that cannot say when its card leaves is looked at within the wait, which lasts all the same. */
static void a_driver_that_does_not_track_sleeps_too(void **state)
{
    char name[512];
    uint64_t began;

    (void)state;
    snprintf(name, sizeof(name), "driver:%s", getenv("SMARTCRD_HANGING_DRIVER"));
    assert_int_equal(ifd.open(0, name), IFD_SUCCESS);
    watch(0);
    began = now_ms();
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    assert_int_equal(ifd.wait(0, 1000), IFD_SUCCESS);
    assert_true(now_ms() - began >= 1000);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* pcscd's polling thread comes back at once, so this is what keeps it from going round and round. */
static void waiting_sleeps_when_the_reader_has_gone(void **state)
{
    const SCARD_IO_HEADER send = {1, 16};
    unsigned char leave[] = {0x00, 0x78, 0x00, 0x00}, reply[16];
    DWORD size = sizeof(reply);
    char name[512];
    uint64_t began;

    (void)state;
    snprintf(name, sizeof(name), "driver:%s", getenv("SMARTCRD_HANGING_DRIVER"));
    assert_int_equal(ifd.open(0, name), IFD_SUCCESS);
    watch(0);
    assert_int_equal(power(0, IFD_POWER_UP), IFD_SUCCESS);
    assert_int_equal(ifd.protocol(0, 2, 0, 0, 0, 0), IFD_SUCCESS);
    assert_int_equal(ifd.transmit(0, send, leave, sizeof(leave), reply, &size, NULL), IFD_SUCCESS);
    began = now_ms();
    assert_int_equal(ifd.wait(0, 1000), IFD_NO_SUCH_DEVICE);
    assert_int_equal(ifd.presence(0), IFD_NO_SUCH_DEVICE);
    assert_int_equal(ifd.wait(0, 1000), IFD_NO_SUCH_DEVICE);
    assert_true(now_ms() - began >= 2000);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* ---- several threads ----------------------------------------------------------------------------------------------- */

struct guest {
    pthread_t thread;
    atomic_bool *stop;
    unsigned number, returns;
};

/* pcscd's polling thread. */
static void *poll_again_and_again(void *argument)
{
    struct guest *guest = argument;

    while (!*guest->stop) {
        if (ifd.wait(0, 60000) != IFD_SUCCESS)
            sleep_ms(1);
        ifd.presence(0);
        guest->returns++;
    }
    return NULL;
}

static void closing_wakes_whoever_waits(void **state)
{
    atomic_bool stop = false;
    struct guest guest = {.stop = &stop};
    uint64_t began = now_ms();

    (void)state;
    assert_int_equal(open_name(0, "vreader:echo"), IFD_SUCCESS);
    watch(0);
    assert_int_equal(pthread_create(&guest.thread, NULL, poll_again_and_again, &guest), 0);
    sleep_ms(50);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
    stop = true;
    pthread_join(guest.thread, NULL);
    assert_true(now_ms() - began < 30000);
}

static void *wait_for_an_absence(void *argument)
{
    atomic_bool *told = argument;

    while (ifd.presence(SLOT(0, 0)) == IFD_ICC_PRESENT)
        ifd.wait(SLOT(0, 0), -1);
    *told = true;
    return NULL;
}

/* Somebody else's question comes between the change and the thread that waits for it. */
static void a_question_in_between_takes_no_change_from_who_waits(void **state)
{
    (void)state;
    assert_int_equal(open_name(SLOT(0, 0), "vreader:"), IFD_SUCCESS);
    watch(SLOT(0, 0));
    for (unsigned i = 0; i < 500; i++) {
        const uint64_t until = now_ms() + 10000;
        atomic_bool told = false;
        pthread_t waiter;

        assert_int_equal(vendor(SLOT(0, 0), TOOL_INSERT, "echo"), IFD_SUCCESS);
        while (ifd.presence(SLOT(0, 0)) != IFD_ICC_PRESENT && now_ms() < until)
            ifd.wait(SLOT(0, 0), 100);
        pthread_create(&waiter, NULL, wait_for_an_absence, &told);
        if (i % 2 == 0)
            sleep_ms(1);
        assert_int_equal(vendor(SLOT(0, 0), TOOL_REMOVE, NULL), IFD_SUCCESS);
        ifd.presence(SLOT(0, 0));
        while (!told && now_ms() < until)
            sleep_ms(1);
        if (!told)
            ifd.wake(SLOT(0, 0)); /* it is lost, but the thread is to end */
        assert_true(told);
        pthread_join(waiter, NULL);
    }
}

static void closing_does_not_wait_for_a_driver_that_hangs(void **state)
{
    const SCARD_IO_HEADER send = {1, 16};
    unsigned char command[] = {0x00, 0x77, 0x00, 60}, reply[16]; /* six seconds */
    char name[512];
    uint64_t began = now_ms();
    DWORD size = sizeof(reply);

    (void)state;
    snprintf(name, sizeof(name), "driver,timeout=100:%s", getenv("SMARTCRD_HANGING_DRIVER"));
    assert_int_equal(ifd.open(0, name), IFD_SUCCESS);
    assert_int_equal(power(0, IFD_POWER_UP), IFD_SUCCESS);
    assert_int_equal(ifd.protocol(0, 2, 0, 0, 0, 0), IFD_SUCCESS);
    assert_int_equal(ifd.transmit(0, send, command, sizeof(command), reply, &size, NULL), IFD_RESPONSE_TIMEOUT);
    assert_int_equal(size, 0);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
    assert_true(now_ms() - began < 5500);
}

/* Everything that pcscd's threads may do, on two readers with two slots, while another one opens and closes them. */
static void *use(void *argument)
{
    struct guest *guest = argument;
    unsigned seed = guest->number + 1;

    while (!*guest->stop) {
        const DWORD lun = SLOT((seed >> 16) & 1, (seed >> 17) & 1);
        unsigned char value[64];
        DWORD size = sizeof(value);

        seed = seed * 1103515245 + 12345;
        switch ((seed >> 20) % 9) {
        case 0:
            ifd.presence(lun);
            break;
        case 1:
            ifd.wait(lun, (int)(seed >> 28));
            break;
        case 2:
            ifd.wake(lun);
            break;
        case 3:
            power(lun, 500 + (seed >> 8) % 3);
            break;
        case 4:
            ifd.protocol(lun, 2, 0, 0, 0, 0);
            break;
        case 5:
            vendor(lun, TOOL_REMOVE, NULL);
            vendor(lun, TOOL_INSERT, "echo");
            break;
        case 6:
            ifd.get(lun, TAG_IFD_ATR, &size, value);
            break;
        default:
            if (exchange(lun, &size) == IFD_SUCCESS && size != 4)
                guest->returns++;
        }
    }
    return NULL;
}

static void opening_and_closing_beside_everything_else(void **state)
{
    atomic_bool stop = false;
    struct guest guests[4];
    uint64_t until;

    (void)state;
    assert_int_equal(open_name(SLOT(0, 0), "vreader:echo"), IFD_SUCCESS);
    watch(0);
    assert_int_equal(ifd.close(SLOT(0, 0)), IFD_SUCCESS);
    for (unsigned i = 0; i < 4; i++) {
        guests[i] = (struct guest){.stop = &stop, .number = i};
        assert_int_equal(pthread_create(&guests[i].thread, NULL, use, &guests[i]), 0);
    }
    until = now_ms() + 3000;
    while (now_ms() < until)
        for (unsigned reader = 0; reader < 2; reader++) {
            assert_int_equal(open_name(SLOT(reader, 0), "vreader:echo | echo"), IFD_SUCCESS);
            assert_int_equal(open_name(SLOT(reader, 1), "vreader:echo | echo"), IFD_SUCCESS);
            sleep_ms(3);
            assert_int_equal(ifd.close(SLOT(reader, 1)), IFD_SUCCESS);
            assert_int_equal(ifd.close(SLOT(reader, 0)), IFD_SUCCESS);
        }
    stop = true;
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(guests[i].thread, NULL);
        assert_int_equal(guests[i].returns, 0);
    }
    assert_int_equal(open_name(0, "vreader:echo"), IFD_SUCCESS);
    start_card(0);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* The handler keeps its context, and so the threads of it, until the process ends. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "report_thread_leaks=0";
}

/* ---- the library --------------------------------------------------------------------------------------------------- */

static int load(void **state)
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
static int close_all(void **state)
{
    (void)state;
    for (unsigned reader = 0; reader < 2; reader++)
        for (unsigned slot = 0; slot < 2; slot++)
            ifd.close(SLOT(reader, slot));
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_channel_opens_once_and_closes_once),
        TEST(a_slot_that_is_none_is_no_such_device),
        TEST(null_pointers_are_refused),
        TEST(a_buffer_that_is_too_small_is_left_alone),
        TEST(what_pcscd_has_calls_for_is_no_control_code),
        TEST(a_swap_is_one_absence_until_the_next_wait),
        TEST(only_a_card_that_left_is_told_as_absent),
        TEST(waiting_sleeps_until_something_happens),
        TEST(a_driver_that_does_not_track_sleeps_too),
        TEST(closing_wakes_whoever_waits),
        TEST(a_question_in_between_takes_no_change_from_who_waits),
        TEST(closing_does_not_wait_for_a_driver_that_hangs),
        TEST(opening_and_closing_beside_everything_else),
        TEST(waiting_sleeps_when_the_reader_has_gone), /* for good, in this process */
    };

    return cmocka_run_group_tests(tests, load, NULL);
}
