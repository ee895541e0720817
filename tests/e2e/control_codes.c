/* SPDX-License-Identifier: MIT */
/*
 * Every control code over a handle, with each documented answer: the same walk through a card's life synchronously,
 * overlapped, and overlapped behind a descriptor and poll; over T=0 and T=1. The attributes' values come from a driver
 * of the test's own, so that they are known.
 */
#include "support.h"
#include "support_driver.h"

#include <poll.h>

/* ---- three ways to ask --------------------------------------------------------------------------------------------- */

typedef struct smartcrd_completion ask_function(struct smartcrd_handle *handle, uint32_t code, const void *in,
                                                size_t in_size, void *out, size_t out_size);

static struct smartcrd_completion ask_synchronously(struct smartcrd_handle *handle, uint32_t code, const void *in,
                                                    size_t in_size, void *out, size_t out_size)
{
    struct smartcrd_completion done = {.code = code};
    done.status = control(handle, code, in, in_size, out, out_size, &done.information);
    return done;
}

static struct smartcrd_completion ask_overlapped(struct smartcrd_handle *handle, uint32_t code, const void *in,
                                                 size_t in_size, void *out, size_t out_size)
{
    return run(handle, code, in, in_size, out, out_size, PATIENCE_MS);
}

static struct smartcrd_completion ask_and_poll(struct smartcrd_handle *handle, uint32_t code, const void *in,
                                               size_t in_size, void *out, size_t out_size)
{
    struct smartcrd_request request = {.code = code,
                                       .in = in,
                                       .in_size = in_size,
                                       .out = out,
                                       .out_size = out_size,
                                       .timeout_ms = SMARTCRD_NO_TIMEOUT};
    struct pollfd poller = {.fd = smartcrd_fd(handle), .events = POLLIN};
    struct smartcrd_completion done;
    uint64_t id = 0;

    assert_true(poller.fd >= 0);
    assert_int_equal(poll(&poller, 1, 0), 0);
    if (smartcrd_submit(handle, &request, &id, &done) != STATUS_PENDING)
        return done;
    assert_int_equal(poll(&poller, 1, (int)PATIENCE_MS), 1);
    assert_status(smartcrd_reap(handle, &done, 0), STATUS_SUCCESS);
    assert_int_equal(done.id, id);
    assert_int_equal(poll(&poller, 1, 0), 0);
    assert_status(smartcrd_reap(handle, &done, 0), STATUS_NO_MORE_ENTRIES);
    return done;
}

/* One question, one line: the code, its input, the output's size, and what must come. */
static void expect(struct world *world, ask_function *ask, uint32_t code, const void *in, size_t in_size,
                   size_t out_size, NTSTATUS status, const void *answer, size_t answer_size)
{
    uint8_t out[600];
    memset(out, 0xA5, sizeof(out));
    assert_true(out_size <= sizeof(out));
    struct smartcrd_completion done = ask(world->reader, code, in, in_size, out_size > 0 ? out : NULL, out_size);
    if (done.status != status || done.information != answer_size) {
        const char *name = smartcrd_code_name(code);
        print_error("code 0x%08X (%s), input %zu bytes, output %zu bytes, information %zu\n", code,
                    name != NULL ? name : "?", in_size, out_size, done.information);
    }
    assert_status(done.status, status);
    assert_int_equal(done.information, answer_size);
    if (answer != NULL)
        assert_memory_equal(out, answer, answer_size);
    for (size_t i = answer_size; i < sizeof(out); i++)
        assert_int_equal(out[i], 0xA5);
}

static void expect_number(struct world *world, ask_function *ask, uint32_t code, uint32_t number, size_t out_size,
                          NTSTATUS status, const void *answer, size_t answer_size)
{
    expect(world, ask, code, &number, sizeof(number), out_size, status, answer, answer_size);
}

/* ---- a card's life -------------------------------------------------------------------------------------------------- */

static const uint8_t dual_atr[] = {0x3B, 0x80, 0x80, 0x01, 0x01};

static void without_a_card(struct world *world, ask_function *ask)
{
    uint8_t in[16];
    expect(world, ask, IOCTL_SMARTCARD_GET_STATE, NULL, 0, 4, STATUS_SUCCESS, "\1\0\0\0", 4);
    expect(world, ask, IOCTL_SMARTCARD_GET_STATE, NULL, 0, 3, STATUS_BUFFER_TOO_SMALL, NULL, 0);
    expect(world, ask, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0, STATUS_SUCCESS, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_POWER, SCARD_COLD_RESET, 33, STATUS_INVALID_DEVICE_STATE, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_SET_PROTOCOL, SCARD_PROTOCOL_Tx, 4, STATUS_INVALID_DEVICE_STATE, NULL, 0);
    expect(world, ask, IOCTL_SMARTCARD_TRANSMIT, in, with_pci(in, SCARD_PROTOCOL_T1, "\0\1\0\0", 4), 64,
           STATUS_INVALID_DEVICE_STATE, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ICC_PRESENCE, 1, STATUS_SUCCESS, "\0", 1);
    expect_number(world, ask, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ATR_STRING, 33, STATUS_INVALID_DEVICE_STATE,
                  NULL, 0);
    expect(world, ask, IOCTL_VREADER_REMOVE, NULL, 0, 0, STATUS_NO_MEDIA, NULL, 0);
}

static void refusals(struct world *world, ask_function *ask)
{
    static const uint32_t unknown[] = {0, 8, 9, 13, 17, 18, 100, 2047};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        expect(world, ask, SCARD_CTL_CODE(unknown[i]), "\1\0\0\0", 4, 64, STATUS_INVALID_DEVICE_REQUEST, NULL, 0);
    expect(world, ask, IOCTL_SMARTCARD_GET_PERF_CNTR, "\1\0\0\0", 4, 64, STATUS_INVALID_DEVICE_REQUEST, NULL, 0);
    for (uint32_t method = 1; method <= 3; method++) {
        expect(world, ask, IOCTL_SMARTCARD_POWER | method, "\1\0\0\0", 4, 64, STATUS_INVALID_PARAMETER, NULL, 0);
        expect(world, ask, IOCTL_SMARTCARD_IS_ABSENT | method, NULL, 0, 0, STATUS_INVALID_PARAMETER, NULL, 0);
        expect(world, ask, IOCTL_VREADER_STATUS | method, NULL, 0, 64, STATUS_INVALID_PARAMETER, NULL, 0);
    }
    expect(world, ask, IOCTL_SMARTCARD_EJECT, NULL, 0, 0, STATUS_NOT_SUPPORTED, NULL, 0);
    expect(world, ask, IOCTL_SMARTCARD_SWALLOW, NULL, 0, 0, STATUS_NOT_SUPPORTED, NULL, 0);
    expect(world, ask, IOCTL_SMARTCARD_CONFISCATE, NULL, 0, 0, STATUS_NOT_SUPPORTED, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_SET_ATTRIBUTE, SCARD_ATTR_DEVICE_IN_USE, 0, STATUS_NOT_SUPPORTED, NULL,
                  0);
    expect_number(world, ask, IOCTL_SMARTCARD_SET_ATTRIBUTE, SCARD_ATTR_VENDOR_NAME, 0, STATUS_NOT_SUPPORTED, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_SET_ATTRIBUTE, SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, 0, STATUS_SUCCESS, NULL,
                  0);
    expect_number(world, ask, IOCTL_SMARTCARD_GET_ATTRIBUTE, 0x12345678, 64, STATUS_NOT_SUPPORTED, NULL, 0);
}

static void insertion_ends_is_present(struct world *world, const char *card)
{
    uint64_t id = start(world->reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);
    assert_status(bare(world->reader, IOCTL_SMARTCARD_IS_PRESENT), STATUS_DEVICE_BUSY);
    assert_status(bare(world->reader, IOCTL_SMARTCARD_IS_ABSENT), STATUS_DEVICE_BUSY);
    insert_card(world, card);
    struct smartcrd_completion done = finish(world->reader, id);
    assert_status(done.status, STATUS_SUCCESS);
    assert_int_equal(done.information, 0);
    assert_int_equal(done.code, IOCTL_SMARTCARD_IS_PRESENT);
}

static void removal_ends_is_absent(struct world *world)
{
    uint64_t id = start(world->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);
    take_card_out(world);
    assert_status(finish(world->reader, id).status, STATUS_SUCCESS);
    assert_int_equal(reader_state(world->reader), SCARD_ABSENT);
}

static void powering(struct world *world, ask_function *ask)
{
    expect(world, ask, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0, STATUS_SUCCESS, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ICC_PRESENCE, 1, STATUS_SUCCESS, "\1", 1);
    expect_number(world, ask, IOCTL_SMARTCARD_POWER, 3, 33, STATUS_INVALID_DEVICE_REQUEST, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_POWER, SCARD_COLD_RESET, 32, STATUS_BUFFER_TOO_SMALL, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_POWER, SCARD_WARM_RESET, 0, STATUS_BUFFER_TOO_SMALL, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_POWER, SCARD_COLD_RESET, 33, STATUS_SUCCESS, dual_atr, sizeof(dual_atr));
    assert_int_equal(reader_state(world->reader), SCARD_NEGOTIABLE);
    expect_number(world, ask, IOCTL_SMARTCARD_POWER, SCARD_WARM_RESET, 64, STATUS_SUCCESS, dual_atr, sizeof(dual_atr));
    assert_int_equal(reader_state(world->reader), SCARD_NEGOTIABLE);
    expect_number(world, ask, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ATR_STRING, 33, STATUS_SUCCESS, dual_atr,
                  sizeof(dual_atr));
    expect_number(world, ask, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ATR_STRING, 4, STATUS_BUFFER_TOO_SMALL, NULL,
                  0);
    expect_number(world, ask, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ICC_PRESENCE, 1, STATUS_SUCCESS, "\2", 1);
    expect_number(world, ask, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ICC_INTERFACE_STATUS, 1, STATUS_SUCCESS, "\xFF",
                  1);
}

static void protocol_selection(struct world *world, ask_function *ask, uint32_t protocol)
{
    expect_number(world, ask, IOCTL_SMARTCARD_SET_PROTOCOL, protocol, 3, STATUS_BUFFER_TOO_SMALL, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_SET_PROTOCOL, 0x00400000, 4, STATUS_NOT_SUPPORTED, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_SET_PROTOCOL, protocol, 4, STATUS_SUCCESS, &protocol, 4);
    assert_int_equal(reader_state(world->reader), SCARD_SPECIFIC);
    /* Selected already: success, and the reply stays empty (smclib.md 3.5, step 2). */
    expect_number(world, ask, IOCTL_SMARTCARD_SET_PROTOCOL, protocol, 4, STATUS_SUCCESS, NULL, 0);
    expect_number(world, ask, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_CURRENT_PROTOCOL_TYPE, 4, STATUS_SUCCESS,
                  &protocol, 4);
}

static void exchanges(struct world *world, ask_function *ask, uint32_t protocol)
{
    uint8_t in[64], answer[64];
    size_t size = with_pci(in, protocol, "\0\xB0\0\0\5", 5); /* READ BINARY: five bytes of the echo card's pattern */
    struct smartcrd_completion done = ask(world->reader, IOCTL_SMARTCARD_TRANSMIT, in, size, answer, sizeof(answer));
    assert_status(done.status, STATUS_SUCCESS);
    assert_int_equal(done.information, 8 + 5 + 2);
    assert_memory_equal(answer, in, 8);
    assert_memory_equal(answer + 8 + 5, "\x90\x00", 2);
    /* The same again with exactly enough room, and with a byte less. */
    expect(world, ask, IOCTL_SMARTCARD_TRANSMIT, in, size, 8 + 5 + 2, STATUS_SUCCESS, answer, 8 + 5 + 2);
    expect(world, ask, IOCTL_SMARTCARD_TRANSMIT, in, size, 8 + 5 + 1, STATUS_BUFFER_TOO_SMALL, NULL, 0);
    expect(world, ask, IOCTL_SMARTCARD_TRANSMIT, in, 7, 64, STATUS_INVALID_PARAMETER, NULL, 0);
    size = with_pci(in, protocol ^ SCARD_PROTOCOL_Tx, "\0\xB0\0\0\5", 5);
    expect(world, ask, IOCTL_SMARTCARD_TRANSMIT, in, size, 64, STATUS_INVALID_DEVICE_STATE, NULL, 0);
    /* After all of that the link still works. */
    size = with_pci(in, protocol, "\0\xB0\0\0\5", 5);
    expect(world, ask, IOCTL_SMARTCARD_TRANSMIT, in, size, 64, STATUS_SUCCESS, answer, 8 + 5 + 2);
}

static void vendor_codes(struct world *world, ask_function *ask)
{
    char text[512] = "";
    expect(world, ask, IOCTL_VREADER_INSERT, "echo", 4, 0, STATUS_DEVICE_BUSY, NULL, 0);
    struct smartcrd_completion done = ask(world->reader, IOCTL_VREADER_STATUS, NULL, 0, text, sizeof(text) - 1);
    assert_status(done.status, STATUS_SUCCESS);
    assert_in_range(done.information, 1, sizeof(text) - 1);
    assert_non_null(strstr(text, "echo"));
    expect(world, ask, IOCTL_VREADER_FAULT, "none", 4, 0, STATUS_SUCCESS, NULL, 0);
    done = ask(world->reader, IOCTL_VREADER_FAULT, "no such fault", 13, text, sizeof(text));
    assert_status(done.status, STATUS_INVALID_PARAMETER);
    done = ask(world->reader, SCARD_CTL_CODE(4000), NULL, 0, NULL, 0);
    assert_false(NT_SUCCESS(done.status));
}

static void powering_down(struct world *world, ask_function *ask)
{
    expect_number(world, ask, IOCTL_SMARTCARD_POWER, SCARD_POWER_DOWN, 0, STATUS_SUCCESS, NULL, 0);
    uint32_t state = reader_state(world->reader);
    assert_in_range(state, SCARD_PRESENT, SCARD_SWALLOWED);
    expect_number(world, ask, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ATR_STRING, 33, STATUS_INVALID_DEVICE_STATE,
                  NULL, 0);
}

static void a_cards_life(struct world *world, ask_function *ask, uint32_t protocol)
{
    without_a_card(world, ask);
    refusals(world, ask);
    insertion_ends_is_present(world, "echo atr=" ATR_DUAL);
    powering(world, ask);
    protocol_selection(world, ask, protocol);
    exchanges(world, ask, protocol);
    refusals(world, ask); /* what is refused without a card is refused with one */
    vendor_codes(world, ask);
    powering_down(world, ask);
    removal_ends_is_absent(world);
    without_a_card(world, ask);
}

static void every_code_synchronously_t0(void **state)
{
    a_cards_life(*state, ask_synchronously, SCARD_PROTOCOL_T0);
}

static void every_code_synchronously_t1(void **state)
{
    a_cards_life(*state, ask_synchronously, SCARD_PROTOCOL_T1);
}

static void every_code_overlapped_t0(void **state)
{
    a_cards_life(*state, ask_overlapped, SCARD_PROTOCOL_T0);
}

static void every_code_overlapped_t1(void **state)
{
    a_cards_life(*state, ask_overlapped, SCARD_PROTOCOL_T1);
}

static void every_code_behind_a_descriptor_t0(void **state)
{
    a_cards_life(*state, ask_and_poll, SCARD_PROTOCOL_T0);
}

static void every_code_behind_a_descriptor_t1(void **state)
{
    a_cards_life(*state, ask_and_poll, SCARD_PROTOCOL_T1);
}

/* ---- the file system card, through the typed calls ----------------------------------------------------------------- */

static void apdu(struct world *world, const void *command, size_t size, uint16_t sw, size_t at_least)
{
    uint8_t reply[600];
    size_t reply_size = sizeof(reply);
    assert_status(smartcrd_apdu(world->reader, command, size, reply, &reply_size, PATIENCE_MS), STATUS_SUCCESS);
    assert_in_range(reply_size, 2 + at_least, sizeof(reply));
    assert_int_equal(reply[reply_size - 2] << 8 | reply[reply_size - 1], sw);
}

static void the_file_system_card(struct world *world, uint32_t protocol)
{
    uint8_t atr[33];
    size_t size = sizeof(atr);
    uint32_t selected = 0;
    insert_card(world, "fs atr=" ATR_DUAL);
    assert_status(smartcrd_power(world->reader, SCARD_COLD_RESET, atr, &size, PATIENCE_MS), STATUS_SUCCESS);
    assert_int_equal(size, sizeof(dual_atr));
    assert_memory_equal(atr, dual_atr, sizeof(dual_atr));
    assert_status(smartcrd_set_protocol(world->reader, protocol, &selected, PATIENCE_MS), STATUS_SUCCESS);
    assert_int_equal(selected, protocol);
    selected = 0;
    assert_status(smartcrd_set_protocol(world->reader, protocol, &selected, PATIENCE_MS), STATUS_SUCCESS);
    assert_int_equal(selected, protocol);
    apdu(world, "\x00\xA4\x00\x0C\x02\x3F\x00", 7, 0x9000, 0); /* SELECT MF, no answer wanted */
    apdu(world, "\x00\xA4\x00\x0C\x02\x7F\x7E", 7, 0x6A82, 0); /* a file that is not there */
    apdu(world, "\x00\x84\x00\x00\x08", 5, 0x9000, 8);         /* GET CHALLENGE: eight bytes */
    apdu(world, "\x00\xFE\x00\x00", 4, 0x6D00, 0);             /* an instruction that it does not know */
    apdu(world, "\x00\x84\x00\x00\x00\x00\x08", 7, 0x9000, 8); /* the same in extended length */
    assert_status(smartcrd_power(world->reader, SCARD_POWER_DOWN, NULL, NULL, PATIENCE_MS), STATUS_SUCCESS);
    take_card_out(world);
}

static void the_file_system_card_over_t0(void **state)
{
    the_file_system_card(*state, SCARD_PROTOCOL_T0);
}

static void the_file_system_card_over_t1(void **state)
{
    the_file_system_card(*state, SCARD_PROTOCOL_T1);
}

/* ---- attributes ----------------------------------------------------------------------------------------------------- */

static const struct attribute_row {
    uint32_t tag;
    const char *value; /* NULL: not supported */
    size_t size;
    bool needs_card; /* INVALID_DEVICE_STATE below NEGOTIABLE */
} attribute_rows[] = {
    {SCARD_ATTR_VENDOR_NAME, "Toys", 4, false},
    {SCARD_ATTR_VENDOR_IFD_TYPE, "Tests", 5, false},
    {SCARD_ATTR_VENDOR_IFD_VERSION, "\x03\x04\x02\x01", 4, false},
    {SCARD_ATTR_VENDOR_IFD_SERIAL_NO, "123456", 6, false},
    {SCARD_ATTR_CHANNEL_ID, "\x05\x00\x20\x00", 4, false},
    {SCARD_ATTR_PROTOCOL_TYPES, "\x03\x00\x00\x00", 4, false},
    {SCARD_ATTR_DEFAULT_CLK, "\xF3\x0D\x00\x00", 4, false},       /* 3571 */
    {SCARD_ATTR_MAX_CLK, "\xCD\x37\x00\x00", 4, false},           /* 14285 */
    {SCARD_ATTR_DEFAULT_DATA_RATE, "\x80\x25\x00\x00", 4, false}, /* 9600 */
    {SCARD_ATTR_MAX_DATA_RATE, "\x00\xC2\x01\x00", 4, false},     /* 115200 */
    {SCARD_ATTR_MAX_IFSD, "\xFE\x00\x00\x00", 4, false},
    {SCARD_ATTR_SYNC_PROTOCOL_TYPES, NULL, 0, false},
    {SCARD_ATTR_POWER_MGMT_SUPPORT, "\x01\x00\x00\x00", 4, false},
    {SCARD_ATTR_USER_TO_CARD_AUTH_DEVICE, NULL, 0, false},
    {SCARD_ATTR_USER_AUTH_INPUT_DEVICE, NULL, 0, false},
    {SCARD_ATTR_CHARACTERISTICS, "\x01\x00\x00\x00", 4, false},
    {SCARD_ATTR_CURRENT_PROTOCOL_TYPE, "\x02\x00\x00\x00", 4, true},
    {SCARD_ATTR_CURRENT_CLK, "\xF3\x0D\x00\x00", 4, true},
    {SCARD_ATTR_CURRENT_F, "\x74\x01\x00\x00", 4, true}, /* 372 */
    {SCARD_ATTR_CURRENT_D, "\x01\x00\x00\x00", 4, true},
    {SCARD_ATTR_CURRENT_N, "\x00\x00\x00\x00", 4, true},
    {SCARD_ATTR_CURRENT_W, "\x0A\x00\x00\x00", 4, true},
    {SCARD_ATTR_CURRENT_IFSC, "\x20\x00\x00\x00", 4, true},
    {SCARD_ATTR_CURRENT_IFSD, "\xFE\x00\x00\x00", 4, true},
    {SCARD_ATTR_CURRENT_BWT, "\x04\x00\x00\x00", 4, true},
    {SCARD_ATTR_CURRENT_CWT, "\x0D\x00\x00\x00", 4, true},
    {SCARD_ATTR_CURRENT_EBC_ENCODING, "\x00\x00\x00\x00", 4, true},
    {SCARD_ATTR_EXTENDED_BWT, NULL, 0, false},
    {SCARD_ATTR_CURRENT_IO_STATE, NULL, 0, false},
    {SCARD_ATTR_ATR_STRING, "\x3B\x80\x80\x01\x01", 5, true},
    {SCARD_ATTR_ICC_TYPE_PER_ATR, "\x01", 1, true},
    {SCARD_ATTR_ESC_RESET, NULL, 0, false},
    {SCARD_ATTR_ESC_CANCEL, NULL, 0, false},
    {SCARD_ATTR_ESC_AUTHREQUEST, NULL, 0, false},
    {SCARD_ATTR_MAXINPUT, NULL, 0, false},
    {SCARD_ATTR_DEVICE_UNIT, "\x07\x00\x00\x00", 4, false},
    {SCARD_ATTR_DEVICE_IN_USE, NULL, 0, false},
    {SCARD_ATTR_DEVICE_FRIENDLY_NAME_A, NULL, 0, false},
    {SCARD_ATTR_DEVICE_SYSTEM_NAME_A, NULL, 0, false},
    {SCARD_ATTR_DEVICE_FRIENDLY_NAME_W, NULL, 0, false},
    {SCARD_ATTR_DEVICE_SYSTEM_NAME_W, NULL, 0, false},
    {SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, NULL, 0, false},
    {0x7FFE0001, NULL, 0, false}, /* performance counters */
    {0x7FFE0002, NULL, 0, false},
    {0x7FFE0003, NULL, 0, false},
    {0x00010180, NULL, 0, false},
    {0x00000000, NULL, 0, false},
    {0x12345678, NULL, 0, false},
    {0xFFFFFFFF, NULL, 0, false},
};

static int toys_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    if (world == NULL)
        return -1;
    test_plan_reset();
    assert_status(smartcrd_create(NULL, &world->context), STATUS_SUCCESS);
    assert_status(smartcrd_add_driver(world->context, "toys", TestDriverEntry), STATUS_SUCCESS);
    assert_status(smartcrd_add_reader(world->context, "toys", world->name, sizeof(world->name)), STATUS_SUCCESS);
    world->reader = open_handle(world->context, world->name);
    *state = world;
    return 0;
}

static void attributes_have_their_values_in_every_state(void **state)
{
    struct world *world = *state;
    for (ULONG now = SCARD_UNKNOWN; now <= SCARD_SPECIFIC; now++) {
        test_reader_set(test_reader_at(0), now, SCARD_PROTOCOL_T1);
        for (size_t i = 0; i < sizeof(attribute_rows) / sizeof(attribute_rows[0]); i++) {
            const struct attribute_row *row = &attribute_rows[i];
            NTSTATUS status = row->value == NULL                          ? STATUS_NOT_SUPPORTED
                              : row->needs_card && now < SCARD_NEGOTIABLE ? STATUS_INVALID_DEVICE_STATE
                                                                          : STATUS_SUCCESS;
            size_t size = status == STATUS_SUCCESS ? row->size : 0;
            expect_number(world, ask_synchronously, IOCTL_SMARTCARD_GET_ATTRIBUTE, row->tag, 64, status, row->value,
                          size);
            expect_number(world, ask_overlapped, IOCTL_SMARTCARD_GET_ATTRIBUTE, row->tag, 64, status, row->value, size);
            if (status == STATUS_SUCCESS) {
                expect_number(world, ask_synchronously, IOCTL_SMARTCARD_GET_ATTRIBUTE, row->tag, row->size, status,
                              row->value, size);
                expect_number(world, ask_synchronously, IOCTL_SMARTCARD_GET_ATTRIBUTE, row->tag, row->size - 1,
                              STATUS_BUFFER_TOO_SMALL, NULL, 0);
            }
        }
    }
}

static void presence_and_interface_status_follow_the_state(void **state)
{
    struct world *world = *state;
    static const char presence[] = {-1, 0, 1, 2, 2, 2, 2}, interface[] = {0, 0, 0, -1, -1, -1, -1};
    for (ULONG now = SCARD_UNKNOWN; now <= SCARD_SPECIFIC; now++) {
        test_reader_set(test_reader_at(0), now, 0);
        if (now == SCARD_UNKNOWN)
            expect_number(world, ask_synchronously, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ICC_PRESENCE, 8,
                          STATUS_INVALID_DEVICE_STATE, NULL, 0);
        else
            expect_number(world, ask_synchronously, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ICC_PRESENCE, 8,
                          STATUS_SUCCESS, &presence[now], 1);
        expect_number(world, ask_synchronously, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ICC_INTERFACE_STATUS, 8,
                      STATUS_SUCCESS, &interface[now], 1);
    }
    test_reader_set(test_reader_at(0), SCARD_NEGOTIABLE, 0);
    expect_number(world, ask_synchronously, IOCTL_SMARTCARD_GET_ATTRIBUTE, SCARD_ATTR_ICC_TYPE_PER_ATR, 1,
                  STATUS_SUCCESS, "\0", 1);
}

static void the_virtual_reader_introduces_itself(void **state)
{
    struct world *world = *state;
    struct smartcrd_reader_info info[2];
    char name[64] = "";
    size_t size = sizeof(name);
    assert_int_equal(smartcrd_list(world->context, info, 2), 1);
    assert_string_equal(info[0].name, world->name);
    assert_string_equal(info[0].driver, "vreader");
    assert_int_equal(info[0].state, SCARD_ABSENT);
    assert_status(smartcrd_attribute(world->reader, SCARD_ATTR_VENDOR_NAME, name, &size), STATUS_SUCCESS);
    assert_int_equal(size, strlen(info[0].vendor));
    assert_memory_equal(name, info[0].vendor, size);
    size = sizeof(name);
    assert_status(smartcrd_attribute(world->reader, SCARD_ATTR_VENDOR_IFD_TYPE, name, &size), STATUS_SUCCESS);
    assert_int_equal(size, strlen(info[0].ifd_type));
    assert_memory_equal(name, info[0].ifd_type, size);
}

/* A card with one protocol at default rates is SPECIFIC after its reset, without SET_PROTOCOL. */
static void a_card_with_one_protocol_needs_no_selection(void **state)
{
    struct world *world = *state;
    uint8_t reply[16];
    size_t size;
    insert_card(world, "echo atr=3B00");
    power_up(world);
    assert_int_equal(reader_state(world->reader), SCARD_SPECIFIC);
    assert_status(transmit(world->reader, SCARD_PROTOCOL_T0, "\0\xB0\0\0\3", 5, reply, &size), STATUS_SUCCESS);
    assert_int_equal(size, 5);
    assert_memory_equal(reply + 3, "\x90\x00", 2);
}

#define ON_VREADER(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
#define ON_TOYS(f)    cmocka_unit_test_setup_teardown(f, toys_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_VREADER(every_code_synchronously_t0),
        ON_VREADER(every_code_synchronously_t1),
        ON_VREADER(every_code_overlapped_t0),
        ON_VREADER(every_code_overlapped_t1),
        ON_VREADER(every_code_behind_a_descriptor_t0),
        ON_VREADER(every_code_behind_a_descriptor_t1),
        ON_VREADER(the_file_system_card_over_t0),
        ON_VREADER(the_file_system_card_over_t1),
        ON_TOYS(attributes_have_their_values_in_every_state),
        ON_TOYS(presence_and_interface_status_follow_the_state),
        ON_VREADER(the_virtual_reader_introduces_itself),
        ON_VREADER(a_card_with_one_protocol_needs_no_selection),
    };
    return cmocka_run_group_tests_name("control_codes", tests, NULL, NULL);
}
