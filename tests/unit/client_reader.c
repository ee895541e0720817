/* SPDX-License-Identifier: MIT */
/* Contexts, drivers, readers, names; the typed requests; words for statuses. */
#include "client_toy.h"

#define NONE SMARTCRD_NO_TIMEOUT

static void options_are_checked(void **state)
{
    struct smartcrd_options options = {.size = sizeof(options), .journal_entries = 48};
    struct smartcrd *context = NULL;

    (void)state;
    assert_int_equal(smartcrd_create(&options, &context), STATUS_INVALID_PARAMETER);
    assert_null(context);
    options.journal_entries = 16;
    options.size = sizeof(options) + 1;
    assert_int_equal(smartcrd_create(&options, &context), STATUS_INVALID_PARAMETER);
    options.size = sizeof(options);
    assert_int_equal(smartcrd_create(&options, &context), STATUS_SUCCESS);
    smartcrd_destroy(context);
    assert_int_equal(smartcrd_create(NULL, NULL), STATUS_INVALID_PARAMETER);
    smartcrd_destroy(NULL);
    smartcrd_close(NULL);
}

static void a_file_that_is_no_driver_is_explained(void **state)
{
    struct smartcrd *context;
    char error[200] = "";

    (void)state;
    assert_int_equal(smartcrd_create(NULL, &context), STATUS_SUCCESS);
    assert_int_equal(smartcrd_load_driver(context, "./there-is-no-such-file.so", error, sizeof(error)),
                     STATUS_OBJECT_NAME_NOT_FOUND);
    assert_true(error[0] != 0);
    error[0] = 0;
    assert_int_equal(smartcrd_load_driver(context, "nonsense", error, sizeof(error)), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_non_null(strstr(error, "nonsense"));
    assert_int_equal(smartcrd_load_driver(context, "nonsense", NULL, 0), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(smartcrd_add_driver(context, "", toy_entry), STATUS_INVALID_PARAMETER);
    assert_int_equal(smartcrd_add_driver(context, "a-name-of-thirty-two-characters-x", toy_entry),
                     STATUS_INVALID_PARAMETER);
    smartcrd_destroy(context);
}

static void a_driver_is_unloaded_when_it_has_no_readers(void **state)
{
    struct house *house = *state;
    char name[SMARTCRD_NAME_MAX];

    assert_int_equal(smartcrd_add_driver(house->context, "toy", toy_entry), STATUS_SUCCESS); /* loaded already */
    assert_int_equal(smartcrd_unload_driver(house->context, "toy"), STATUS_DEVICE_BUSY);
    assert_int_equal(smartcrd_unload_driver(house->context, "other"), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(smartcrd_remove_reader(house->context, "SCReader0"), STATUS_SUCCESS);
    assert_int_equal(smartcrd_unload_driver(house->context, "toy"), STATUS_DEVICE_BUSY); /* still open */
    smartcrd_close(house->handle);
    house->handle = NULL;
    assert_int_equal(smartcrd_unload_driver(house->context, "toy"), STATUS_SUCCESS);
    assert_int_equal(smartcrd_add_reader(house->context, "toy", name, sizeof(name)), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(smartcrd_add_driver(house->context, "toy", toy_entry), STATUS_SUCCESS);
    assert_int_equal(smartcrd_add_reader(house->context, "toy", name, sizeof(name)), STATUS_SUCCESS);
}

static void a_name_that_does_not_fit_adds_nothing(void **state)
{
    struct house *house = *state;
    struct smartcrd_reader_info infos[4];
    char name[4];

    assert_int_equal(smartcrd_add_reader(house->context, "toy", name, sizeof(name)), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(smartcrd_list(house->context, infos, 4), 1);
}

static void readers_are_listed_with_what_they_say(void **state)
{
    struct house *house = *state;
    struct smartcrd_reader_info infos[4];
    char name[SMARTCRD_NAME_MAX];

    assert_int_equal(smartcrd_add_reader(house->context, "toy", name, sizeof(name)), STATUS_SUCCESS);
    assert_int_equal(smartcrd_list(house->context, NULL, 0), 2);
    assert_int_equal(smartcrd_list(house->context, infos, 1), 2);
    assert_int_equal(smartcrd_list(house->context, infos, 4), 2);
    assert_string_equal(infos[0].name, "SCReader0");
    assert_string_equal(infos[1].name, "SCReader1");
    assert_string_equal(infos[0].driver, "toy");
    assert_string_equal(infos[0].vendor, "");
    assert_int_equal(infos[0].state, SCARD_SPECIFIC);
    assert_int_equal(house->toy->creates, 1); /* listing opens nothing */
}

static void names_are_case_insensitive(void **state)
{
    struct house *house = *state;
    struct smartcrd_handle *other;

    assert_int_equal(smartcrd_open(house->context, "scREADER0", &other), STATUS_SUCCESS);
    smartcrd_close(other);
    assert_int_equal(smartcrd_open(house->context, "\\\\.\\SCReader0", &other), STATUS_SUCCESS);
    smartcrd_close(other);
    assert_int_equal(smartcrd_open(house->context, "SCReader7", &other), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_null(other);
    assert_int_equal(smartcrd_open(house->context, "", &other), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(house->toy->creates, 3);
    assert_int_equal(house->toy->closes, 2);
}

static void contexts_share_nothing(void **state)
{
    struct house *house = *state;
    struct smartcrd *other;
    struct smartcrd_handle *handle;

    assert_int_equal(smartcrd_create(NULL, &other), STATUS_SUCCESS);
    assert_int_equal(smartcrd_open(other, "SCReader0", &handle), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(smartcrd_add_driver(other, "toy", toy_entry), STATUS_SUCCESS);
    assert_int_equal(smartcrd_list(other, NULL, 0), 0);
    smartcrd_destroy(other);
    assert_int_equal(smartcrd_list(house->context, NULL, 0), 1);
}

/* ---- typed requests ---------------------------------------------------------------------------------------------- */

static _Atomic int in_exchange, disturbed, transmits;

/* A T=0 card: any command but GET RESPONSE has 3 bytes for it; GET RESPONSE gives them. */
static NTSTATUS t0_card(struct toy *toy, const UCHAR *in, ULONG in_size, UCHAR *out, ULONG room, ULONG_PTR *size)
{
    static const uint8_t header[8] = {1, 0, 0, 0, 8, 0, 0, 0};
    static const uint8_t offer[] = {0x61, 0x03}, data[] = {0xAA, 0xBB, 0xCC, 0x90, 0x00};
    bool get_response = in_size > 9 && in[9] == 0xC0;
    const uint8_t *answer = get_response ? data : offer;
    size_t length = get_response ? sizeof(data) : sizeof(offer);

    transmits++;
    if (in_size < 12 || memcmp(in, header, 8) != 0 || room < 8 + length)
        return STATUS_INVALID_PARAMETER;
    if (get_response != (in_exchange == 1))
        disturbed++; /* something came between a command and its GET RESPONSE */
    in_exchange = get_response ? 0 : 1;
    memcpy(out, header, 8);
    memcpy(out + 8, answer, length);
    *size = 8 + length;
    return STATUS_SUCCESS;
}

/* A T=1 card that echoes the command and says 9000. */
static NTSTATUS t1_card(struct toy *toy, const UCHAR *in, ULONG in_size, UCHAR *out, ULONG room, ULONG_PTR *size)
{
    if (in_size < 8 || in[0] != 2 || room < in_size + 2)
        return STATUS_INVALID_PARAMETER;
    memmove(out, in, in_size);
    out[in_size] = 0x90;
    out[in_size + 1] = 0x00;
    *size = in_size + 2;
    return STATUS_SUCCESS;
}

static void transmit_adds_and_takes_off_the_header(void **state)
{
    struct house *house = *state;
    uint8_t reply[16];
    size_t size = sizeof(reply);

    house->toy->transmit = t1_card;
    assert_int_equal(smartcrd_transmit(house->handle, (const uint8_t *)"\x00\xA4\x04\x00", 4, reply, &size, NONE),
                     STATUS_SUCCESS);
    assert_int_equal(size, 6);
    assert_memory_equal(reply, "\x00\xA4\x04\x00\x90\x00", 6);
    size = 5;
    assert_int_equal(smartcrd_transmit(house->handle, (const uint8_t *)"\x00\xA4\x04\x00", 4, reply, &size, NONE),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(size, 0);
    assert_memory_equal(newest(house->handle).command, "\x00\xA4\x04\x00", 4);
}

static void an_apdu_over_t0_gets_its_response(void **state)
{
    struct house *house = *state;
    uint8_t reply[16];
    size_t size = sizeof(reply);

    house->toy->transmit = t0_card;
    house->toy->protocol = SCARD_PROTOCOL_T0;
    transmits = in_exchange = 0;
    assert_int_equal(
        smartcrd_apdu(house->handle, (const uint8_t *)"\x00\xA4\x04\x00\x02\x3F\x00\x00", 8, reply, &size, 20000),
        STATUS_SUCCESS);
    assert_int_equal(size, 5);
    assert_memory_equal(reply, "\xAA\xBB\xCC\x90\x00", 5);
    assert_int_equal(transmits, 2);
    size = sizeof(reply);
    assert_int_equal(smartcrd_apdu(house->handle, (const uint8_t *)"\x00\xA4", 2, reply, &size, NONE),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(transmits, 2);
}

static void *exchange_many(void *argument)
{
    struct house *house = argument;

    for (int i = 0; i < 300; i++) {
        uint8_t reply[16];
        size_t size = sizeof(reply);
        NTSTATUS status =
            smartcrd_apdu(house->handle, (const uint8_t *)"\x00\xA4\x04\x00\x02\x3F\x00\x00", 8, reply, &size, NONE);
        assert_int_equal(status, STATUS_SUCCESS);
        assert_int_equal(size, 5);
        do_return(house->handle, STATUS_SUCCESS);
    }
    return NULL;
}

static void nothing_comes_between_the_parts_of_an_apdu(void **state)
{
    struct house *house = *state;
    pthread_t threads[4];

    house->toy->transmit = t0_card;
    house->toy->protocol = SCARD_PROTOCOL_T0;
    transmits = in_exchange = disturbed = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, exchange_many, house);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(disturbed, 0);
    assert_int_equal(transmits, 2400);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static void statuses_have_names_and_sentences(void **state)
{
    (void)state;
    assert_string_equal(smartcrd_status_name(STATUS_IO_TIMEOUT), "STATUS_IO_TIMEOUT");
    assert_string_equal(smartcrd_status_name(STATUS_SUCCESS), "STATUS_SUCCESS");
    assert_string_equal(smartcrd_status_name(STATUS_DEVICE_REMOVED), "STATUS_DEVICE_REMOVED");
    assert_null(smartcrd_status_name((NTSTATUS)0x12345678));
    assert_non_null(smartcrd_status_text((NTSTATUS)0x12345678));
    assert_non_null(smartcrd_status_text((NTSTATUS)0xC2345678));
    assert_string_equal(smartcrd_status_text(STATUS_NO_MEDIA), "there is no card in the reader; insert one");
    assert_string_equal(smartcrd_code_name(0x0031003C), "IOCTL_SMARTCARD_GET_LAST_ERROR");
    assert_null(smartcrd_code_name(0));
    assert_string_equal(smartcrd_layer_name(SMARTCRD_LAYER_TRANSPORT), "transport");
    assert_string_equal(smartcrd_layer_name((enum smartcrd_layer)77), "unknown");
    assert_string_equal(smartcrd_version(), "0.1.0");
}

#define TEST(name)          cmocka_unit_test_setup_teardown(name, house_up, house_down)
#define TEST_BLOCKING(name) cmocka_unit_test_setup_teardown(name, house_up_blocking, house_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(a_file_that_is_no_driver_is_explained),
        TEST(a_driver_is_unloaded_when_it_has_no_readers),
        TEST(a_name_that_does_not_fit_adds_nothing),
        TEST(readers_are_listed_with_what_they_say),
        TEST(names_are_case_insensitive),
        TEST(contexts_share_nothing),
        TEST(transmit_adds_and_takes_off_the_header),
        TEST(an_apdu_over_t0_gets_its_response),
        TEST(nothing_comes_between_the_parts_of_an_apdu),
        TEST_BLOCKING(nothing_comes_between_the_parts_of_an_apdu),
        cmocka_unit_test(statuses_have_names_and_sentences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
