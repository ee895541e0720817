/* SPDX-License-Identifier: MIT */
/*
 * The IFD handler without pcscd: its entry points, called as pcscd calls them and as it never does, from several threads
 * at once. SMARTCRD_HANGING_DRIVER is a driver that sleeps in its callbacks. What it says of cards that come and go:
 * presence.c.
 */
#include "handler_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The default rate or the best one, which is TA1's; the fs card has 95 there. */
static void the_rate_is_the_default_one_or_that_of_ta1(void **state)
{
    (void)state;
    assert_int_equal(open_name(0, "vreader:fs"), IFD_SUCCESS);
    assert_int_equal(power(0, IFD_POWER_UP), IFD_SUCCESS);
    assert_int_equal(ifd.protocol(0, 2, IFD_NEGOTIATE_PTS1, 0x94, 0, 0), IFD_ERROR_PTS_FAILURE);
    assert_int_equal(ifd.protocol(0, 2, IFD_NEGOTIATE_PTS1, 0x95, 0, 0), IFD_SUCCESS);
    assert_int_equal(power(0, IFD_RESET), IFD_SUCCESS);
    assert_int_equal(ifd.protocol(0, 2, IFD_NEGOTIATE_PTS1, 0x11, 0, 0), IFD_SUCCESS);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* Every program asks for the features of PC/SC part 10 first. */
static void a_question_for_features_is_not_the_last_operation(void **state)
{
    static const unsigned char invalid_device_state[] = {0x84, 0x01, 0x00, 0xC0};
    unsigned char out[64];
    DWORD size;

    (void)state;
    assert_int_equal(open_name(0, "vreader:echo"), IFD_SUCCESS);
    start_card(0);
    assert_int_equal(power(0, IFD_POWER_DOWN), IFD_SUCCESS);
    assert_int_equal(exchange(0, &size), IFD_COMMUNICATION_ERROR);
    size = 99;
    assert_int_equal(ifd.control(0, SCARD_CTL_CODE(3400), NULL, 0, out, sizeof(out), &size), IFD_SUCCESS);
    assert_int_equal(size, 0);
    assert_int_equal(ifd.control(0, SCARD_CTL_CODE(15), NULL, 0, out, sizeof(out), &size), IFD_SUCCESS);
    assert_int_equal(size, 4);
    assert_memory_equal(out, invalid_device_state, 4);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* Whole lines of the newest operations, and nothing behind the room that there is. */
static void a_journal_is_cut_to_the_room_that_there_is(void **state)
{
    unsigned char all[4096], out[4096];
    DWORD whole = 0, size;

    (void)state;
    assert_int_equal(open_name(0, "vreader:echo"), IFD_SUCCESS);
    start_card(0);
    assert_int_equal(ifd.control(0, SCARD_CTL_CODE(4000), NULL, 0, all, sizeof(all), &whole), IFD_SUCCESS);
    assert_in_range(whole, 100, sizeof(all));
    for (DWORD room = 0; room < whole; room += 7) {
        memset(out, 0xEE, sizeof(out));
        assert_int_equal(ifd.control(0, SCARD_CTL_CODE(4000), NULL, 0, out, room, &size), IFD_SUCCESS);
        assert_in_range(size, 0, room);
        assert_int_equal(out[room], 0xEE);
        assert_memory_equal(out, all + whole - size, size);
        assert_int_equal(all[whole - size - 1], '\n');
    }
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* pcscd powers down a card that has left, and would report a failure to its applications. */
static void a_card_that_is_not_there_can_be_powered_down(void **state)
{
    (void)state;
    assert_int_equal(open_name(0, "vreader:"), IFD_SUCCESS);
    assert_int_equal(power(0, IFD_POWER_UP), IFD_ERROR_POWER_ACTION);
    assert_int_equal(power(0, IFD_POWER_DOWN), IFD_SUCCESS);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* Whatever the driver says: applications take it for an answer. */
static void an_empty_answer_is_no_success(void **state)
{
    const SCARD_IO_HEADER send = {1, 16};
    unsigned char nothing[] = {0x00, 0x7A, 0x00, 0x00}, reply[16];
    DWORD size = sizeof(reply);

    (void)state;
    assert_int_equal(open_hanging(0, ""), IFD_SUCCESS);
    assert_int_equal(power(0, IFD_POWER_UP), IFD_SUCCESS);
    assert_int_equal(ifd.protocol(0, 2, 0, 0, 0, 0), IFD_SUCCESS);
    assert_int_equal(ifd.transmit(0, send, nothing, sizeof(nothing), reply, &size, NULL), IFD_COMMUNICATION_ERROR);
    assert_int_equal(size, 0);
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

static void closing_does_not_wait_for_a_driver_that_hangs(void **state)
{
    const SCARD_IO_HEADER send = {1, 16};
    unsigned char command[] = {0x00, 0x77, 0x00, 60}, reply[16]; /* six seconds */
    uint64_t began = now_ms();
    DWORD size = sizeof(reply);

    (void)state;
    assert_int_equal(open_hanging(0, ",timeout=100"), IFD_SUCCESS);
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
    until = now_ms() + 2000;
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

#define TEST(name) cmocka_unit_test_teardown(name, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_channel_opens_once_and_closes_once),
        TEST(a_slot_that_is_none_is_no_such_device),
        TEST(null_pointers_are_refused),
        TEST(a_buffer_that_is_too_small_is_left_alone),
        TEST(what_pcscd_has_calls_for_is_no_control_code),
        TEST(the_rate_is_the_default_one_or_that_of_ta1),
        TEST(a_question_for_features_is_not_the_last_operation),
        TEST(a_journal_is_cut_to_the_room_that_there_is),
        TEST(a_card_that_is_not_there_can_be_powered_down),
        TEST(an_empty_answer_is_no_success),
        TEST(closing_wakes_whoever_waits),
        TEST(closing_does_not_wait_for_a_driver_that_hangs),
        TEST(opening_and_closing_beside_everything_else),
    };

    return cmocka_run_group_tests(tests, load, NULL);
}
