/* SPDX-License-Identifier: MIT */
/*
 * Is there a card, and when does that change: what the IFD handler tells pcscd's polling thread and the others, without
 * pcscd. SMARTCRD_HANGING_DRIVER is a driver that does not track its card.
 */
#include "handler_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the polling thread alone ------------------------------------------------------------------------------------ */

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

static void an_absent_card_has_no_atr(void **state)
{
    unsigned char atr[MAX_ATR_SIZE];
    DWORD size = sizeof(atr);

    (void)state;
    assert_int_equal(open_name(0, "vreader:echo"), IFD_SUCCESS);
    watch(0);
    start_card(0);
    assert_int_equal(ifd.get(0, TAG_IFD_ATR, &size, atr), IFD_SUCCESS);
    assert_in_range(size, 2, 33);
    assert_int_equal(vendor(0, TOOL_REMOVE, NULL), IFD_SUCCESS);
    assert_int_equal(ifd.wait(0, 60000), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_NOT_PRESENT);
    size = sizeof(atr);
    assert_int_equal(ifd.get(0, TAG_IFD_ATR, &size, atr), IFD_SUCCESS);
    assert_int_equal(size, 0);
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

/* pcscd has a while without an event here, and no other reason to come back. */
static void waiting_sleeps_until_something_happens(void **state)
{
    uint64_t began = now_ms();

    (void)state;
    assert_int_equal(open_name(0, "vreader:"), IFD_SUCCESS);
    watch(0);
    assert_int_equal(ifd.wait(0, 700), IFD_SUCCESS);
    assert_true(now_ms() - began >= 700);
    assert_int_equal(ifd.presence(0), IFD_ICC_NOT_PRESENT);
    began = now_ms();
    assert_int_equal(ifd.wake(0), IFD_SUCCESS);
    assert_int_equal(ifd.wait(0, 60000), IFD_SUCCESS);
    assert_true(now_ms() - began < 30000);
    began = now_ms();
    assert_int_equal(ifd.wait(0, 300), IFD_SUCCESS); /* it was woken once */
    assert_true(now_ms() - began >= 300);
    assert_int_equal(vendor(0, TOOL_INSERT, "echo"), IFD_SUCCESS);
    assert_int_equal(ifd.wait(0, 60000), IFD_SUCCESS);
    assert_true(now_ms() - began < 30000);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* A driver that cannot say when its card leaves is looked at within the wait, which lasts all the same. */
static void a_driver_that_does_not_track_sleeps_too(void **state)
{
    uint64_t began;

    (void)state;
    assert_int_equal(open_hanging(0, ""), IFD_SUCCESS);
    watch(0);
    began = now_ms();
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    assert_int_equal(ifd.wait(0, 1000), IFD_SUCCESS);
    assert_true(now_ms() - began >= 1000);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* Nor can it say that its card was changed for another between two looks; a transmit that has found that is enough. */
static void a_swap_that_a_transmit_has_found_is_told(void **state)
{
    const SCARD_IO_HEADER send = {1, 16};
    unsigned char swapped[] = {0x00, 0x79, 0x00, 0x00}, reply[16];
    DWORD size = sizeof(reply);

    (void)state;
    assert_int_equal(open_hanging(0, ""), IFD_SUCCESS);
    watch(0);
    assert_int_equal(power(0, IFD_POWER_UP), IFD_SUCCESS);
    assert_int_equal(ifd.protocol(0, 2, 0, 0, 0, 0), IFD_SUCCESS);
    assert_int_equal(ifd.transmit(0, send, swapped, sizeof(swapped), reply, &size, NULL), IFD_ICC_NOT_PRESENT);
    assert_int_equal(ifd.wait(0, 1000), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_NOT_PRESENT);
    assert_int_equal(ifd.wait(0, 10000), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* pcscd's polling thread comes back at once, so this is what keeps it from going round and round. */
static void waiting_sleeps_when_the_reader_has_gone(void **state)
{
    const SCARD_IO_HEADER send = {1, 16};
    unsigned char leave[] = {0x00, 0x78, 0x00, 0x00}, reply[16];
    DWORD size = sizeof(reply);
    uint64_t began;

    (void)state;
    assert_int_equal(open_hanging(0, ""), IFD_SUCCESS);
    watch(0);
    assert_int_equal(power(0, IFD_POWER_UP), IFD_SUCCESS);
    assert_int_equal(ifd.protocol(0, 2, 0, 0, 0, 0), IFD_SUCCESS);
    assert_int_equal(ifd.transmit(0, send, leave, sizeof(leave), reply, &size, NULL), IFD_SUCCESS);
    began = now_ms();
    assert_int_equal(ifd.wait(0, 500), IFD_NO_SUCH_DEVICE);
    assert_int_equal(ifd.presence(0), IFD_NO_SUCH_DEVICE);
    assert_int_equal(ifd.wait(0, 500), IFD_NO_SUCH_DEVICE);
    assert_true(now_ms() - began >= 1000);
    assert_int_equal(ifd.close(0), IFD_SUCCESS);
}

/* ---- beside other threads ---------------------------------------------------------------------------------------- */

struct absence {
    atomic_bool told, over;
};

static void *wait_for_an_absence(void *argument)
{
    struct absence *absence = argument;

    do
        ifd.wait(SLOT(0, 0), -1);
    while (ifd.presence(SLOT(0, 0)) == IFD_ICC_PRESENT);
    absence->told = true;
    return NULL;
}

static void *ask_again_and_again(void *argument)
{
    struct absence *absence = argument;

    while (!absence->over)
        ifd.presence(SLOT(0, 0));
    return NULL;
}

/* Somebody else's question comes between the change and the thread that waits for it, which sleeps. */
static void a_question_in_between_takes_no_change_from_who_waits(void **state)
{
    (void)state;
    assert_int_equal(open_name(SLOT(0, 0), "vreader:"), IFD_SUCCESS);
    watch(SLOT(0, 0));
    for (unsigned i = 0; i < 10; i++) {
        const uint64_t until = now_ms() + 20000;
        struct absence absence = {.told = false};
        pthread_t waiter, asker;

        assert_int_equal(vendor(SLOT(0, 0), TOOL_INSERT, "echo"), IFD_SUCCESS);
        do
            ifd.wait(SLOT(0, 0), 100);
        while (ifd.presence(SLOT(0, 0)) != IFD_ICC_PRESENT && now_ms() < until);
        pthread_create(&waiter, NULL, wait_for_an_absence, &absence);
        sleep_ms(10);
        pthread_create(&asker, NULL, ask_again_and_again, &absence);
        sleep_ms(1);
        assert_int_equal(vendor(SLOT(0, 0), TOOL_REMOVE, NULL), IFD_SUCCESS);
        while (!absence.told && now_ms() < until)
            sleep_ms(1);
        absence.over = true;
        if (!absence.told)
            ifd.wake(SLOT(0, 0)); /* it is lost, but the thread is to end */
        assert_true(absence.told);
        pthread_join(asker, NULL);
        pthread_join(waiter, NULL);
    }
}

struct other {
    RESPONSECODE (*call)(void);
    RESPONSECODE result;
};

static void *call_other(void *argument)
{
    struct other *other = argument;

    other->result = other->call();
    return NULL;
}

/* As one of pcscd's threads that serve applications, and not its polling thread. */
static RESPONSECODE by_another_thread(RESPONSECODE (*call)(void))
{
    struct other other = {.call = call};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, call_other, &other), 0);
    pthread_join(thread, NULL);
    return other.result;
}

static RESPONSECODE other_transmit(void)
{
    DWORD size;

    return exchange(0, &size);
}

static RESPONSECODE other_reset(void)
{
    return power(0, IFD_RESET);
}

static RESPONSECODE other_presence(void)
{
    return ifd.presence(0);
}

/* With somebody who polls, and a card that works. */
static void start_polled(const char *device)
{
    assert_int_equal(open_name(0, device), IFD_SUCCESS);
    watch(0);
    assert_int_equal(ifd.wait(0, 0), IFD_SUCCESS);
    start_card(0);
}

static void swap(void)
{
    assert_int_equal(vendor(0, TOOL_REMOVE, NULL), IFD_SUCCESS);
    assert_int_equal(vendor(0, TOOL_INSERT, "echo"), IFD_SUCCESS);
}

/* pcscd's thread that was told so writes it down when the handler has returned; it needs time for that. */
static void a_card_is_not_told_right_after_a_transmit_that_found_none(void **state)
{
    uint64_t began;

    (void)state;
    start_polled("vreader:echo");
    swap();
    began = now_ms();
    assert_int_equal(by_another_thread(other_transmit), IFD_ICC_NOT_PRESENT);
    assert_int_equal(ifd.wait(0, 60000), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_NOT_PRESENT);
    assert_int_equal(ifd.wait(0, 60000), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    assert_in_range(now_ms() - began, 100, 30000);
}

static void a_removal_is_not_told_right_after_a_reset_that_found_a_card(void **state)
{
    const uint64_t began = now_ms();

    (void)state;
    start_polled("vreader:echo");
    assert_int_equal(by_another_thread(other_reset), IFD_SUCCESS);
    assert_int_equal(vendor(0, TOOL_REMOVE, NULL), IFD_SUCCESS);
    assert_int_equal(ifd.wait(0, 60000), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_NOT_PRESENT);
    assert_in_range(now_ms() - began, 100, 30000);
}

/* The polling thread writes down what it was told before it asks again. */
static void the_polling_threads_own_power_holds_nothing_back(void **state)
{
    (void)state;
    start_polled("vreader:echo");
    assert_int_equal(power(0, IFD_RESET), IFD_SUCCESS);
    assert_int_equal(vendor(0, TOOL_REMOVE, NULL), IFD_SUCCESS);
    assert_int_equal(ifd.wait(0, 0), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_NOT_PRESENT);
    assert_int_equal(vendor(0, TOOL_INSERT, "echo"), IFD_SUCCESS);
    assert_int_equal(ifd.wait(0, 0), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
}

/* Else an application that resets a card that has left, again and again, would hold its removal back for ever. */
static void others_hear_of_a_change_before_the_polling_thread(void **state)
{
    (void)state;
    start_polled("vreader:echo");
    assert_int_equal(by_another_thread(other_presence), IFD_ICC_PRESENT);
    swap();
    assert_int_equal(by_another_thread(other_presence), IFD_ICC_NOT_PRESENT);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
    assert_int_equal(ifd.wait(0, 60000), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_NOT_PRESENT);
    assert_int_equal(by_another_thread(other_presence), IFD_ICC_PRESENT);
    assert_int_equal(ifd.presence(0), IFD_ICC_NOT_PRESENT);
    assert_int_equal(ifd.wait(0, 60000), IFD_SUCCESS);
    assert_int_equal(ifd.presence(0), IFD_ICC_PRESENT);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_swap_is_one_absence_until_the_next_wait),
        TEST(an_absent_card_has_no_atr),
        TEST(only_a_card_that_left_is_told_as_absent),
        TEST(waiting_sleeps_until_something_happens),
        TEST(a_driver_that_does_not_track_sleeps_too),
        TEST(a_swap_that_a_transmit_has_found_is_told),
        TEST(a_question_in_between_takes_no_change_from_who_waits),
        TEST(a_card_is_not_told_right_after_a_transmit_that_found_none),
        TEST(a_removal_is_not_told_right_after_a_reset_that_found_a_card),
        TEST(the_polling_threads_own_power_holds_nothing_back),
        TEST(others_hear_of_a_change_before_the_polling_thread),
        TEST(waiting_sleeps_when_the_reader_has_gone), /* for good, in this process */
    };

    return cmocka_run_group_tests(tests, load, NULL);
}
