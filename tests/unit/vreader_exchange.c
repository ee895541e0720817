/* SPDX-License-Identifier: MIT */
/* The virtual reader, request by request: power, protocols, T=0, T=1 and raw exchanges of every case. */
#include "vreader_kit.h"

static void a_new_reader_has_no_card(void **state)
{
    struct rig *rig = *state;
    UCHAR atr[33];
    size_t size = 1;

    assert_string_equal(rig->name, "vreader0");
    assert_int_equal(state_of(rig->reader), SCARD_ABSENT);
    assert_int_equal(last_error(rig->reader), STATUS_SUCCESS);
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_INVALID_DEVICE_STATE);
    assert_int_equal(last_error(rig->reader), STATUS_INVALID_DEVICE_STATE);
    status_is(rig, "card=none power=off protocol=none faults=0\n");
}

static void attributes_tell_who_it_is(void **state)
{
    struct rig *rig = *state;
    ULONG tag = SCARD_ATTR_VENDOR_NAME;
    char text[40];
    ULONG number = 0;
    size_t size;

    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, text, 32, &size), STATUS_SUCCESS);
    assert_int_equal(size, 8);
    assert_memory_equal(text, "smartcrd", 8);
    tag = SCARD_ATTR_VENDOR_IFD_TYPE;
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, text, 32, &size), STATUS_SUCCESS);
    assert_int_equal(size, 14);
    assert_memory_equal(text, "Virtual Reader", 14);
    tag = SCARD_ATTR_MAX_IFSD;
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, &number, 4, &size), STATUS_SUCCESS);
    assert_int_equal(number, 254);
    tag = SCARD_ATTR_PROTOCOL_TYPES;
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, &number, 4, &size), STATUS_SUCCESS);
    assert_int_equal(number, 0x10003);
}

static void a_reset_gives_the_cards_atr(void **state)
{
    static const UCHAR expected[] = {0x3B, 0x95, 0x95, 0xC0, 0x02, 0x31, 0xFE,
                                     0x15, 0x80, 0x73, 0xB6, 0x21, 0x40, 0x3C};
    struct rig *rig = *state;
    UCHAR atr[33];
    size_t size;

    insert(rig, "fs");
    assert_int_equal(state_of(rig->reader), SCARD_PRESENT);
    assert_int_equal(power(rig->reader, SCARD_WARM_RESET, atr, &size), STATUS_SUCCESS);
    assert_int_equal(size, sizeof expected);
    assert_memory_equal(atr, expected, sizeof expected);
    assert_int_equal(state_of(rig->reader), SCARD_NEGOTIABLE);
    assert_int_equal(power(rig->reader, SCARD_POWER_DOWN, atr, &size), STATUS_SUCCESS);
    assert_int_equal(size, 0);
    assert_int_equal(state_of(rig->reader), SCARD_PRESENT);
}

static void the_users_atr_replaces_the_cards(void **state)
{
    struct rig *rig = *state;
    UCHAR atr[33];
    size_t size;

    insert(rig, "echo atr=3B:02:14:50");
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_SUCCESS);
    assert_int_equal(size, 4);
    assert_memory_equal(atr, "\x3B\x02\x14\x50", 4);
    assert_int_equal(state_of(rig->reader), SCARD_SPECIFIC); /* one protocol, default rate */
    exchange(rig, T0, "00 B0 00 00 02", "00 01 90 00");
}

static void an_atr_in_the_inverse_convention_is_decoded(void **state)
{
    struct rig *rig = *state;
    UCHAR atr[33];
    size_t size;

    insert(rig, "echo atr=3F804001");
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_SUCCESS);
    assert_int_equal(size, 4);
    assert_memory_equal(atr, "\x3F\x80\x40\x01", 4);
    assert_int_equal(set_protocol(rig->reader, T0, NULL), STATUS_SUCCESS);
    exchange(rig, T0, "00 B0 00 00 02", "00 01 90 00");
}

static void an_atr_that_is_none_is_refused(void **state)
{
    static const char *const wrong[] = {"echo atr=3B95", "echo atr=00000000", "echo atr=3B0201", "echo atr=3B8001",
                                        "echo atr=3B020102FF"};
    struct rig *rig = *state;
    UCHAR atr[33];
    size_t size;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        insert(rig, wrong[i]);
        assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_UNRECOGNIZED_MEDIA);
        assert_int_equal(size, 0);
        assert_int_equal(last_error(rig->reader), STATUS_UNRECOGNIZED_MEDIA);
        assert_int_equal(state_of(rig->reader), SCARD_PRESENT);
        assert_int_equal(say(rig->reader, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
    }
}

static void t1_is_chosen_before_t0(void **state)
{
    struct rig *rig = *state;
    UCHAR atr[33];
    ULONG selected = 0;
    size_t size;

    insert(rig, "fs");
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_SUCCESS);
    assert_int_equal(set_protocol(rig->reader, T0 | T1, &selected), STATUS_SUCCESS);
    assert_int_equal(selected, T1);
    status_is(rig, "card=fs power=on protocol=T=1 rate=512/16 faults=0\n");
}

static void protocols_can_be_changed_with_a_warm_reset_between(void **state)
{
    struct rig *rig = *state;

    insert(rig, "fs");
    connect(rig, T1);
    exchange(rig, T1, "00 A4 00 0C 02 7F 10", "90 00");
    connect(rig, T0);
    exchange(rig, T0, "00 A4 00 0C 02 7F 10", "90 00");
    for (int i = 0; i < 3; i++) {
        ULONG selected = 0;

        assert_int_equal(set_protocol(rig->reader, T1, &selected), STATUS_SUCCESS);
        assert_int_equal(selected, T1);
        exchange(rig, T1, "00 A4 00 0C 02 7F 10", "90 00");
        assert_int_equal(set_protocol(rig->reader, T0, &selected), STATUS_SUCCESS);
        assert_int_equal(selected, T0);
        exchange(rig, T0, "00 A4 00 0C 02 7F 10", "90 00");
    }
}

static void a_protocol_that_the_card_has_not_is_refused(void **state)
{
    struct rig *rig = *state;
    UCHAR atr[33];
    size_t size;

    insert(rig, "echo " FAST_T0);
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_SUCCESS);
    assert_int_equal(set_protocol(rig->reader, T1, NULL), STATUS_NOT_SUPPORTED);
    assert_int_equal(set_protocol(rig->reader, T0, NULL), STATUS_SUCCESS);
}

static void specific_mode_needs_no_pps(void **state)
{
    struct rig *rig = *state;
    UCHAR atr[33];
    size_t size;

    /* TA2 = 01: T=1 at the rate of TA1 = 95 */
    insert(rig, "echo atr=3B9095910131FE0500");
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_UNRECOGNIZED_MEDIA); /* wrong TCK */
    assert_int_equal(say(rig->reader, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
    insert(rig, "echo atr=3B9095910131FE055F");
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_SUCCESS);
    assert_int_equal(state_of(rig->reader), SCARD_SPECIFIC);
    exchange(rig, T1, "00 01 00 00 02 AA BB", "AA BB 90 00");
    assert_int_equal(set_protocol(rig->reader, T0, NULL), STATUS_NOT_SUPPORTED);
}

/* Every case as one TPDU; case 4 goes as case 3, and the data are fetched with GET RESPONSE. */
static void t0_exchanges_every_case(void **state)
{
    struct rig *rig = *state;

    insert(rig, "fs");
    connect(rig, T0);
    exchange(rig, T0, "00 A4 00 0C", "90 00");
    exchange(rig, T0, "00 A4 00 00 02 2F 02", "61 13");
    exchange(rig, T0, "00 C0 00 00 13", "6F 11 80 02 00 0A 82 01 01 83 02 2F 02 88 01 10 8A 01 05 90 00");
    exchange(rig, T0, "00 B0 00 00 04", "5A 08 10 00 90 00");
    exchange(rig, T0, "00 B0 00 00 0A", "5A 08 10 00 00 00 00 00 00 01 90 00");
    exchange(rig, T0, "00 A4 00 0C 02 12 34", "6A 82");
    exchange(rig, T0, "00 20 00 01 04 31 31 31 31", "63 C2");
    assert_int_equal(failing(rig, T0, "00 A4 00 0C 02 3F 00 00"), STATUS_INVALID_PARAMETER);
    exchange(rig, T0, "00 B0 00 00 01", "5A 90 00");
}

static void t1_exchanges_every_case_short_and_extended(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo");
    connect(rig, T1);
    exchange(rig, T1, "00 01 00 00", "90 00");
    exchange(rig, T1, "00 01 00 00 04", "00 01 02 03 90 00");
    exchange(rig, T1, "00 01 00 00 03 AA BB CC", "AA BB CC 90 00");
    exchange(rig, T1, "00 01 00 00 03 AA BB CC 00", "AA BB CC 90 00");
    exchange(rig, T1, "00 01 00 00 00 00 04", "00 01 02 03 90 00");
    exchange(rig, T1, "00 01 00 00 00 00 01 AA", "AA 90 00");
    exchange(rig, T1, "00 01 00 00 00 00 02 AA BB 00 01", "AA 90 00");
}

static void long_and_hostile_lengths(struct rig *rig, size_t size)
{
    UCHAR *command = malloc(8 + 7 + size), *reply = malloc(8 + size + 2);
    SCARD_IO_REQUEST pci = {T1, 8};
    size_t got;

    memcpy(command, &pci, 8);
    memcpy(command + 8, "\x00\x01\x00\x00\x00", 5);
    command[13] = (UCHAR)(size >> 8);
    command[14] = (UCHAR)size;
    for (size_t i = 0; i < size; i++) {
        command[15 + i] = (UCHAR)(i * 31 + (i >> 8));
    }
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_TRANSMIT, command, 15 + size, reply, 8 + size + 2, &got),
                     STATUS_SUCCESS);
    assert_int_equal(got, 8 + size + 2);
    assert_memory_equal(reply + 8, command + 15, size);
    assert_memory_equal(reply + 8 + size, "\x90\x00", 2);
    if (size > 2) {
        assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_TRANSMIT, command, 15 + size, NULL, 8 + size, &got),
                         STATUS_BUFFER_TOO_SMALL);
    }
    free(command);
    free(reply);
}

static void t1_chains_extended_apdus_both_ways(void **state)
{
    static const size_t sizes[] = {1, 246, 247, 248, 253, 254, 255, 256, 507, 508, 509, 4096, 65534, 65535};
    struct rig *rig = *state;

    insert(rig, "echo");
    connect(rig, T1);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        long_and_hostile_lengths(rig, sizes[i]);
    }
    exchange(rig, T1, "00 01 00 00 01 AA", "AA 90 00");
}

static void t1_works_with_a_crc(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo atr=3B808071FE05018B");
    connect(rig, T1);
    exchange(rig, T1, "00 01 00 00 03 AA BB CC", "AA BB CC 90 00");
    long_and_hostile_lengths(rig, 1000);
}

/* A card that follows the standard speaks another CRC than the library, so it works no better here than under Windows. */
static void t1_fails_with_the_standards_crc(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo crc=iso atr=3B808071FE05018B");
    connect(rig, T1);
    assert_int_equal(failing(rig, T1, "00 01 00 00"), STATUS_DEVICE_PROTOCOL_ERROR);
    assert_int_equal(say(rig->panel, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
    insert(rig, "echo crc=microsoft atr=3B808071FE05018B");
    connect(rig, T1);
    exchange(rig, T1, "00 01 00 00", "90 00");
    assert_int_equal(say(rig->panel, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
    insert(rig, "echo crc=iso"); /* means nothing where the ATR says LRC */
    connect(rig, T1);
    exchange(rig, T1, "00 01 00 00", "90 00");
}

static void t1_works_with_the_smallest_ifsc(void **state)
{
    struct rig *rig = *state;

    insert(rig, "echo atr=3B808031010535");
    connect(rig, T1);
    long_and_hostile_lengths(rig, 3000);
}

static void raw_goes_to_the_card_without_a_protocol(void **state)
{
    struct rig *rig = *state;
    UCHAR atr[33];
    ULONG selected = 0;
    size_t size;

    insert(rig, "echo");
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, atr, &size), STATUS_SUCCESS);
    assert_int_equal(set_protocol(rig->reader, SCARD_PROTOCOL_RAW, &selected), STATUS_SUCCESS);
    assert_int_equal(selected, SCARD_PROTOCOL_RAW);
    exchange(rig, SCARD_PROTOCOL_RAW, "00 01 00 00 02 AA BB", "AA BB 90 00");
    assert_int_equal(failing(rig, SCARD_PROTOCOL_RAW, ""), STATUS_INVALID_PARAMETER);
    assert_int_equal(failing(rig, T1, "00 01 00 00"), STATUS_INVALID_DEVICE_STATE);
    assert_int_equal(set_protocol(rig->reader, T1, &selected), STATUS_SUCCESS);
    exchange(rig, T1, "00 01 00 00 02 AA BB", "AA BB 90 00");
}

static void a_slow_card_asks_for_time_over_t1(void **state)
{
    struct rig *rig = *state;
    uint64_t start;

    insert(rig, "script " FAST_T1 "\nmatch\n> *\nwait 300\n< 9000");
    connect(rig, T1);
    start = nt_time(rig->host);
    exchange(rig, T1, "00 01 00 00", "90 00");
    assert_int_equal(nt_time(rig->host) - start, 300000000);
}

static void a_slow_card_asks_for_time_over_t0(void **state)
{
    struct rig *rig = *state;
    uint64_t start;

    insert(rig, "script " FAST_T0 "\nmatch\n> *\nwait 300\n< 9000");
    connect(rig, T0);
    start = nt_time(rig->host);
    exchange(rig, T0, "00 01 00 00", "90 00");
    assert_int_equal(nt_time(rig->host) - start, 300000000);
}

static void vendor_codes_refuse_with_a_reason(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(say(rig->reader, IOCTL_VREADER_INSERT, "nosuch"), STATUS_INVALID_PARAMETER);
    assert_int_equal(last_error(rig->reader), STATUS_INVALID_PARAMETER);
    status_is(rig, "card=none power=off protocol=none faults=0\nrefused: there is no such kind of card: try fs, echo, "
                   "script, vpcd, or cac where its module is\n");
    assert_int_equal(say(rig->panel, IOCTL_VREADER_INSERT, "fs pin=1"), STATUS_INVALID_PARAMETER);
    status_is(rig, "card=none power=off protocol=none faults=0\nrefused: pin wants 4 to 8 digits\n");
    assert_int_equal(say(rig->panel, IOCTL_VREADER_INSERT, "script\n> 00"), STATUS_INVALID_PARAMETER);
    assert_int_equal(say(rig->panel, IOCTL_VREADER_INSERT, "fs atr=3"), STATUS_INVALID_PARAMETER);
    status_is(rig, "card=none power=off protocol=none faults=0\nrefused: atr wants 2 to 33 bytes of two hex digits\n");
    assert_int_equal(say(rig->panel, IOCTL_VREADER_INSERT, "fs crc=lrc"), STATUS_INVALID_PARAMETER);
    status_is(rig, "card=none power=off protocol=none faults=0\nrefused: crc wants microsoft or iso\n");
    assert_int_equal(say(rig->panel, IOCTL_VREADER_INSERT, "fs pps=mut"), STATUS_INVALID_PARAMETER);
    status_is(rig, "card=none power=off protocol=none faults=0\nrefused: pps wants agree, default or mute\n");
    assert_int_equal(say(rig->panel, IOCTL_VREADER_FAULT, "fire"), STATUS_INVALID_PARAMETER);
    assert_int_equal(say(rig->panel, IOCTL_VREADER_FAULT, "mute when=before"), STATUS_INVALID_PARAMETER);
    assert_int_equal(say(rig->panel, IOCTL_VREADER_FAULT, "remove when=never"), STATUS_INVALID_PARAMETER);
    assert_int_equal(say(rig->panel, IOCTL_VREADER_FAULT, "late"), STATUS_INVALID_PARAMETER);
    assert_int_equal(say(rig->panel, IOCTL_VREADER_FAULT, "edc byte=x"), STATUS_INVALID_PARAMETER);
    status_is(rig, "card=none power=off protocol=none faults=0\nrefused: byte wants a number of at most 1000000\n");
    assert_int_equal(say(rig->panel, IOCTL_VREADER_REMOVE, ""), STATUS_NO_MEDIA);
    insert(rig, "fs");
    assert_int_equal(say(rig->panel, IOCTL_VREADER_INSERT, "echo"), STATUS_DEVICE_BUSY);
    status_is(rig, "card=fs power=off protocol=none faults=0\n");
    assert_int_equal(control(rig->panel, SCARD_CTL_CODE(2100), NULL, 0, NULL, 0, NULL), STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(control(rig->reader, SCARD_CTL_CODE(2100), NULL, 0, NULL, 0, NULL), STATUS_INVALID_DEVICE_REQUEST);
}

static void the_status_line_is_cut_to_the_output(void **state)
{
    struct rig *rig = *state;
    char text[8];
    size_t size;

    assert_int_equal(control(rig->reader, IOCTL_VREADER_STATUS, NULL, 0, text, 6, &size), STATUS_SUCCESS);
    assert_int_equal(size, 6);
    assert_memory_equal(text, "card=n", 6);
    assert_int_equal(control(rig->reader, IOCTL_VREADER_STATUS, NULL, 0, text, 0, &size), STATUS_SUCCESS);
    assert_int_equal(size, 0);
}

/* Any text in any vendor code: a status, and no byte out of bounds (sanitizers). */
static void any_text_is_taken_or_refused(void **state)
{
    static const char *const words[] = {"fs", "echo",   " ",     "=",      "\"",   "atr",    "3B",
                                        "\n", "count",  "mute",  "byte=",  "7",    "script", "> ",
                                        "<",  "remove", "when=", "during", "none", "\0",     "9999999999"};
    struct rig *rig = *state;
    uint32_t x = 7;

    for (int round = 0; round < 20000; round++) {
        char text[200] = "";
        static const ULONG codes[] = {IOCTL_VREADER_INSERT, IOCTL_VREADER_REMOVE, IOCTL_VREADER_FAULT,
                                      IOCTL_VREADER_STATUS};
        char out[64];
        x = x * 1664525u + 1013904223u;
        ULONG code = codes[(x >> 28) % 4];

        for (unsigned n = (x >> 20) % 8u; n > 0; n--) {
            x = x * 1664525u + 1013904223u;
            strcat(text, words[(x >> 16) % (sizeof words / sizeof words[0])]);
        }
        control(x & 0x10000 ? rig->panel : rig->reader, code, text, strlen(text), out, (x >> 24) % sizeof out, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_rig(a_new_reader_has_no_card),
        with_rig(attributes_tell_who_it_is),
        with_rig(a_reset_gives_the_cards_atr),
        with_rig(the_users_atr_replaces_the_cards),
        with_rig(an_atr_in_the_inverse_convention_is_decoded),
        with_rig(an_atr_that_is_none_is_refused),
        with_rig(t1_is_chosen_before_t0),
        with_rig(protocols_can_be_changed_with_a_warm_reset_between),
        with_rig(a_protocol_that_the_card_has_not_is_refused),
        with_rig(specific_mode_needs_no_pps),
        with_rig(t0_exchanges_every_case),
        with_rig(t1_exchanges_every_case_short_and_extended),
        with_rig(t1_chains_extended_apdus_both_ways),
        with_rig(t1_works_with_a_crc),
        with_rig(t1_fails_with_the_standards_crc),
        with_rig(t1_works_with_the_smallest_ifsc),
        with_rig(raw_goes_to_the_card_without_a_protocol),
        with_simulated_rig(a_slow_card_asks_for_time_over_t1),
        with_simulated_rig(a_slow_card_asks_for_time_over_t0),
        with_rig(vendor_codes_refuse_with_a_reason),
        with_rig(the_status_line_is_cut_to_the_output),
        with_rig(any_text_is_taken_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
