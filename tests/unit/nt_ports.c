/* SPDX-License-Identifier: MIT */
/*
 * I/O ports: nothing is plugged in, unless a model of hardware was offered to this host.
 */
#include "nt_helper.h"

#define BASE ((PUCHAR)0x300)

static UCHAR registers[8];

static UCHAR model_read(PVOID context, PUCHAR port)
{
    return ((UCHAR *)context)[port - BASE];
}

static VOID model_write(PVOID context, PUCHAR port, UCHAR value)
{
    ((UCHAR *)context)[port - BASE] = value;
}

static const struct host_ports model = {model_read, model_write, registers};

static void ports_without_hardware_read_ff_and_forget_what_is_written(void **state)
{
    assert_int_equal(READ_PORT_UCHAR(BASE), 0xFF);
    WRITE_PORT_UCHAR(BASE, 0x5A);
    assert_int_equal(READ_PORT_UCHAR(BASE), 0xFF);
}

static void a_model_of_hardware_answers_until_it_is_taken_away(void **state)
{
    host_offer_ports(&model);
    WRITE_PORT_UCHAR(BASE + 3, 0x5A);
    assert_int_equal(registers[3], 0x5A);
    assert_int_equal(READ_PORT_UCHAR(BASE + 3), 0x5A);
    host_offer_ports(NULL);
    assert_int_equal(READ_PORT_UCHAR(BASE + 3), 0xFF);
    WRITE_PORT_UCHAR(BASE + 3, 0x77);
    assert_int_equal(registers[3], 0x5A);
}

static void a_model_answers_in_its_own_host_only(void **state)
{
    struct nt_host *other, *mine = *state;

    registers[1] = 0x11;
    host_offer_ports(&model);
    assert_int_equal(nt_host_create(&other), STATUS_SUCCESS);
    nt_enter(other);
    assert_int_equal(READ_PORT_UCHAR(BASE + 1), 0xFF);
    nt_enter(NULL);
    assert_int_equal(READ_PORT_UCHAR(BASE + 1), 0xFF);
    nt_host_destroy(other);
    nt_enter(mine);
    assert_int_equal(READ_PORT_UCHAR(BASE + 1), 0x11);
}

static void offer_outside(void)
{
    nt_enter(NULL);
    host_offer_ports(&model);
}

static void a_model_is_offered_inside_a_host(void **state)
{
    assert_dies(offer_outside, "smartcrd: host_offer_ports: this thread is inside no host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_host(ports_without_hardware_read_ff_and_forget_what_is_written),
        with_host(a_model_of_hardware_answers_until_it_is_taken_away),
        with_host(a_model_answers_in_its_own_host_only),
        with_host(a_model_is_offered_inside_a_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
