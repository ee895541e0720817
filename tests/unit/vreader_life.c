/* SPDX-License-Identifier: MIT */
/* Cards and readers that come and go while requests wait: tracking, cancel, removal, many readers, many threads. */
#include "vreader_kit.h"

#include <pthread.h>

#define PING "00 01 00 00 02 AA BB"
#define PONG "AA BB 90 00"

static void is_present_waits_for_a_card(void **state)
{
    struct rig *rig = *state;
    struct flight flight = {0};
    size_t information = 1;

    assert_int_equal(flight_start(&flight, rig->reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0), STATUS_PENDING);
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, NULL), STATUS_DEVICE_BUSY);
    assert_int_equal(state_of(rig->reader), SCARD_ABSENT);
    assert_false(flight_wait(&flight, 20));
    insert(rig, "fs");
    assert_int_equal(flight_end(&flight, NULL, &information), STATUS_SUCCESS);
    assert_int_equal(information, 0);
    assert_int_equal(last_error(rig->reader), STATUS_SUCCESS);
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, NULL), STATUS_SUCCESS);
}

static void is_absent_waits_for_the_card_to_go(void **state)
{
    struct rig *rig = *state;
    struct flight flight = {0};

    insert(rig, "echo");
    assert_int_equal(flight_start(&flight, rig->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0), STATUS_PENDING);
    connect(rig, T1); /* operations go on beside it */
    exchange(rig, T1, PING, PONG);
    fault(rig, "remove when=during byte=4");
    assert_int_equal(failing(rig, T1, PING), STATUS_NO_MEDIA);
    assert_int_equal(flight_end(&flight, NULL, NULL), STATUS_SUCCESS);
}

static void tracking_is_cancelled(void **state)
{
    struct rig *rig = *state;
    struct flight flight = {0};

    flight_start(&flight, rig->reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
    assert_true(IoCancelIrp(flight.irp));
    assert_int_equal(flight_end(&flight, NULL, NULL), STATUS_CANCELLED);
    assert_int_equal(last_error(rig->reader), STATUS_CANCELLED);
    flight_start(&flight, rig->reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
    insert(rig, "fs");
    assert_int_equal(flight_end(&flight, NULL, NULL), STATUS_SUCCESS);
}

static void start_transmit(struct rig *rig, struct flight *flight, ULONG protocol, const char *command)
{
    UCHAR in[64];
    size_t size = with_pci(in, protocol, command);

    assert_int_equal(flight_start(flight, rig->reader, IOCTL_SMARTCARD_TRANSMIT, in, size, 64), STATUS_PENDING);
}

static void a_cancelled_exchange_ends_at_once_and_the_next_one_works(struct rig *rig, ULONG protocol, const char *card)
{
    struct flight flight = {0};
    double start;

    insert(rig, card);
    connect(rig, protocol);
    for (int i = 0; i < 5; i++) {
        fault(rig, "mute");
        start_transmit(rig, &flight, protocol, "00 B0 00 00 05");
        usleep((useconds_t)(i * 15000));
        start = seconds();
        assert_true(IoCancelIrp(flight.irp));
        assert_int_equal(flight_end(&flight, NULL, NULL), STATUS_CANCELLED);
        assert_true(seconds() - start < 5);
        assert_int_equal(last_error(rig->reader), STATUS_CANCELLED);
        exchange(rig, protocol, "00 B0 00 00 02", "00 01 90 00");
        exchange(rig, protocol, "00 B0 00 00 03", "00 01 02 90 00");
    }
}

static void t1_survives_cancels(void **state)
{
    a_cancelled_exchange_ends_at_once_and_the_next_one_works(*state, T1, "echo " FAST_T1);
}

static void t0_survives_cancels(void **state)
{
    a_cancelled_exchange_ends_at_once_and_the_next_one_works(*state, T0, "echo " FAST_T0);
}

static void a_cancelled_commands_answer_is_nobodys(void **state)
{
    struct rig *rig = *state;
    struct flight flight = {0};

    insert(rig, "script " FAST_T1 "\nmatch\n> 0001*\nwait 200\n< 11119000\n> *\n< 22229000");
    connect(rig, T1);
    start_transmit(rig, &flight, T1, "00 01 00 00");
    usleep(100000);
    assert_true(IoCancelIrp(flight.irp));
    assert_int_equal(flight_end(&flight, NULL, NULL), STATUS_CANCELLED);
    exchange(rig, T1, "00 02 00 00", "22 22 90 00");
    usleep(200000);
    exchange(rig, T1, "00 02 00 00", "22 22 90 00");
    exchange(rig, T1, "00 01 00 00", "11 11 90 00");
}

static void while_an_operation_waits_queries_are_answered_and_operations_queue(void **state)
{
    struct rig *rig = *state;
    struct flight flight = {0}, next = {0};
    ULONG tag = SCARD_ATTR_ATR_STRING, reset = SCARD_COLD_RESET;
    UCHAR atr[33];
    size_t size;

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    exchange(rig, T1, PING, PONG);
    fault(rig, "wtx");
    start_transmit(rig, &flight, T1, PING);
    assert_int_equal(last_error(rig->reader), STATUS_SUCCESS);
    assert_int_equal(state_of(rig->reader), SCARD_SPECIFIC);
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, atr, 33, &size), STATUS_SUCCESS);
    assert_int_equal(size, 7);
    assert_int_equal(flight_start(&next, rig->reader, IOCTL_SMARTCARD_POWER, &reset, 4, 33), STATUS_PENDING);
    assert_int_equal(last_error(rig->reader), STATUS_SUCCESS);
    assert_false(flight_wait(&next, 20));
    assert_true(IoCancelIrp(flight.irp));
    assert_int_equal(flight_end(&flight, NULL, NULL), STATUS_CANCELLED);
    assert_int_equal(flight_end(&next, atr, &size), STATUS_SUCCESS);
    assert_int_equal(size, 7);
    assert_int_equal(last_error(rig->reader), STATUS_SUCCESS);
}

static void a_hand_at_the_slot_ends_what_waits(void **state)
{
    struct rig *rig = *state;
    struct flight flight = {0}, queued = {0};

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    fault(rig, "wtx count=0");
    start_transmit(rig, &flight, T1, PING);
    assert_int_equal(flight_start(&queued, rig->reader, IOCTL_VREADER_REMOVE, NULL, 0, 0), STATUS_PENDING);
    assert_false(flight_wait(&queued, 20));
    assert_int_equal(say(rig->panel, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
    assert_int_equal(flight_end(&flight, NULL, NULL), STATUS_NO_MEDIA);
    assert_int_equal(flight_end(&queued, NULL, NULL), STATUS_NO_MEDIA); /* its turn came, and the card was out */
    assert_int_equal(state_of(rig->reader), SCARD_ABSENT);
    fault(rig, "none");
    insert(rig, "fs");
    connect(rig, T0);
}

static void a_cancelled_reset_leaves_the_card_off(void **state)
{
    struct rig *rig = *state;
    struct flight flight = {0};
    ULONG kind = SCARD_COLD_RESET;

    insert(rig, "echo");
    fault(rig, "mute");
    assert_int_equal(flight_start(&flight, rig->reader, IOCTL_SMARTCARD_POWER, &kind, 4, 33), STATUS_PENDING);
    assert_true(IoCancelIrp(flight.irp));
    assert_int_equal(flight_end(&flight, NULL, NULL), STATUS_CANCELLED);
    assert_int_equal(state_of(rig->reader), SCARD_PRESENT);
    connect(rig, T1);
}

static void a_request_that_was_cancelled_before_it_came_ends_cancelled(void **state)
{
    struct rig *rig = *state;
    struct flight flight = {0};
    UCHAR in[64];
    size_t size;

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    fault(rig, "wtx");
    size = with_pci(in, T1, PING);
    /* as flight_start, but cancelled first */
    flight.irp = IoAllocateIrp((CCHAR)(rig->reader->StackSize + 1), FALSE);
    flight.buffer = malloc(64);
    memcpy(flight.buffer, in, size);
    flight.irp->AssociatedIrp.SystemBuffer = flight.buffer;
    KeInitializeEvent(&flight.done, NotificationEvent, FALSE);
    IoSetNextIrpStackLocation(flight.irp);
    IoGetNextIrpStackLocation(flight.irp)->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    IoGetNextIrpStackLocation(flight.irp)->Parameters.DeviceIoControl.IoControlCode = IOCTL_SMARTCARD_TRANSMIT;
    IoGetNextIrpStackLocation(flight.irp)->Parameters.DeviceIoControl.InputBufferLength = (ULONG)size;
    IoGetNextIrpStackLocation(flight.irp)->Parameters.DeviceIoControl.OutputBufferLength = 64;
    IoSetCompletionRoutine(flight.irp, flight_landed, &flight, TRUE, TRUE, TRUE);
    IoCancelIrp(flight.irp);
    assert_int_equal(IoCallDriver(rig->reader, flight.irp), STATUS_PENDING);
    assert_int_equal(flight_end(&flight, NULL, NULL), STATUS_CANCELLED);
    exchange(rig, T1, PING, PONG);
}

static void cleanup_ends_what_its_file_waits_for(void **state)
{
    struct rig *rig = *state;
    FILE_OBJECT mine = {0}, other = {0};
    struct flight tracking = {.file = &mine}, exchanging = {.file = &mine};
    FILE_OBJECT *const files[] = {&other, &mine};

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    fault(rig, "wtx");
    flight_start(&tracking, rig->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    start_transmit(rig, &exchanging, T1, PING);
    for (int i = 0; i < 2; i++) {
        struct flight cleanup = {0};

        cleanup.irp = IoAllocateIrp((CCHAR)(rig->reader->StackSize + 1), FALSE);
        cleanup.buffer = malloc(1);
        KeInitializeEvent(&cleanup.done, NotificationEvent, FALSE);
        IoSetNextIrpStackLocation(cleanup.irp);
        IoGetNextIrpStackLocation(cleanup.irp)->MajorFunction = IRP_MJ_CLEANUP;
        IoGetNextIrpStackLocation(cleanup.irp)->FileObject = files[i];
        IoSetCompletionRoutine(cleanup.irp, flight_landed, &cleanup, TRUE, TRUE, TRUE);
        IoCallDriver(rig->reader, cleanup.irp);
        assert_int_equal(flight_end(&cleanup, NULL, NULL), STATUS_SUCCESS);
        assert_int_equal(flight_wait(&tracking, 0), i == 1);
    }
    assert_int_equal(flight_end(&tracking, NULL, NULL), STATUS_CANCELLED);
    assert_int_equal(flight_end(&exchanging, NULL, NULL), STATUS_CANCELLED);
}

static void surprise_removal_ends_everything(void **state)
{
    struct rig *rig = *state;
    struct flight tracking = {0}, exchanging = {0};

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    fault(rig, "wtx");
    flight_start(&tracking, rig->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    start_transmit(rig, &exchanging, T1, PING);
    nt_device_surprise(rig->reader);
    assert_int_equal(flight_end(&tracking, NULL, NULL), STATUS_DEVICE_REMOVED);
    assert_int_equal(flight_end(&exchanging, NULL, NULL), STATUS_DEVICE_REMOVED);
    assert_int_equal(say(rig->panel, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
    assert_int_equal(say(rig->panel, IOCTL_VREADER_INSERT, "fs"), STATUS_DEVICE_REMOVED);
    nt_device_remove(rig->reader);
    assert_null(nt_find(rig->host, "vreader0"));
    assert_null(nt_find(rig->host, "vreader0-panel"));
    rig->reader = NULL;
    rig_add(rig);
    assert_string_equal(rig->name, "vreader1");
}

static void a_reader_goes_with_its_card_in_the_slot(void **state)
{
    struct rig *rig = *state;

    insert(rig, "fs");
    connect(rig, T1);
    nt_device_surprise(rig->reader);
    nt_device_remove(rig->reader);
    rig->reader = NULL;
}

/* ---- many readers ------------------------------------------------------------------------------------------------ */

#define MANY 1000

static long resident(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file != NULL) {
        if (fscanf(file, "%*d %ld", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

static void a_thousand_readers_each_with_a_request(void **state)
{
    struct rig *rig = *state;
    PDEVICE_OBJECT *tops = calloc(MANY, sizeof *tops);
    struct flight *flights = calloc(MANY, sizeof *flights);
    long before = resident();

    for (int i = 0; i < MANY; i++) {
        assert_int_equal(nt_device_add(rig->driver, &tops[i]), STATUS_SUCCESS);
    }
    long each = (resident() - before) / MANY;
    print_message("%ld bytes for each reader\n", each);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if !defined(__has_feature)
    assert_true(each < 8192); /* 6 KiB and what malloc takes */
#endif
#endif
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(flight_start(&flights[i], tops[i], IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0), STATUS_PENDING);
    }
    for (int i = 0; i < MANY; i += 7) {
        assert_int_equal(say(tops[i], IOCTL_VREADER_INSERT, "echo"), STATUS_SUCCESS);
    }
    for (int i = 0; i < MANY; i++) {
        if (i % 7 != 0) {
            assert_false(flight_wait(&flights[i], 0));
            assert_true(IoCancelIrp(flights[i].irp));
        }
        assert_int_equal(flight_end(&flights[i], NULL, NULL), i % 7 == 0 ? STATUS_SUCCESS : STATUS_CANCELLED);
        nt_device_surprise(tops[i]);
        nt_device_remove(tops[i]);
    }
    free(tops);
    free(flights);
}

/* ---- many threads ------------------------------------------------------------------------------------------------ */

struct crowd {
    struct rig *rig;
    volatile LONG stop;
    LONG ended;
};

static const NTSTATUS allowed[] = {
    STATUS_SUCCESS,
    STATUS_NO_MEDIA,
    STATUS_INVALID_DEVICE_STATE,
    STATUS_DEVICE_BUSY,
    STATUS_CANCELLED,
    STATUS_IO_TIMEOUT,
    STATUS_NOT_SUPPORTED,
    STATUS_DEVICE_PROTOCOL_ERROR,
    STATUS_INTERNAL_ERROR,
    STATUS_INVALID_PARAMETER,
    STATUS_INSUFFICIENT_RESOURCES,
    STATUS_UNRECOGNIZED_MEDIA,
    STATUS_INVALID_DEVICE_REQUEST,
};

static void check_status(NTSTATUS status)
{
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (allowed[i] == status) {
            return;
        }
    }
    fprintf(stderr, "status %08X\n", (unsigned)status);
    abort();
}

/* Operations and tracking requests, cancelled at any moment. */
static void *user(void *context)
{
    struct crowd *crowd = context;
    unsigned seed = (unsigned)(uintptr_t)&seed;

    nt_enter(crowd->rig->host);
    while (!InterlockedCompareExchange(&crowd->stop, 0, 0)) {
        static const ULONG codes[] = {
            IOCTL_SMARTCARD_POWER,     IOCTL_SMARTCARD_SET_PROTOCOL, IOCTL_SMARTCARD_TRANSMIT,
            IOCTL_SMARTCARD_TRANSMIT,  IOCTL_SMARTCARD_TRANSMIT,     IOCTL_SMARTCARD_IS_PRESENT,
            IOCTL_SMARTCARD_IS_ABSENT, IOCTL_SMARTCARD_GET_STATE,    IOCTL_SMARTCARD_GET_LAST_ERROR};
        ULONG code = codes[(unsigned)rand_r(&seed) % (sizeof codes / sizeof codes[0])];
        struct flight flight = {0};
        UCHAR in[64];
        ULONG number = code == IOCTL_SMARTCARD_POWER ? SCARD_COLD_RESET : (rand_r(&seed) & 1) ? T1 : T0;
        size_t size = 4;

        if (code == IOCTL_SMARTCARD_TRANSMIT) {
            size = with_pci(in, rand_r(&seed) & 1 ? T1 : T0, "00 B0 00 00 08");
        } else {
            memcpy(in, &number, 4);
        }
        if (flight_start(&flight, crowd->rig->reader, code, in, size, 64) == STATUS_PENDING) {
            if (!flight_wait(&flight, rand_r(&seed) % 3)) {
                IoCancelIrp(flight.irp);
            }
        }
        check_status(flight_end(&flight, NULL, NULL));
        InterlockedIncrement(&crowd->ended);
    }
    nt_enter(NULL);
    return NULL;
}

/* A hand at the slot. */
static void *hand(void *context)
{
    static const struct {
        ULONG code;
        const char *text;
    } moves[] = {
        {IOCTL_VREADER_INSERT, "echo " FAST_T1},
        {IOCTL_VREADER_INSERT, "fs"},
        {IOCTL_VREADER_INSERT, "script " FAST_T1 "\nmatch\n> *\nwait 2\n< 9000"},
        {IOCTL_VREADER_REMOVE, ""},
        {IOCTL_VREADER_FAULT, "mute"},
        {IOCTL_VREADER_FAULT, "remove when=during byte=20"},
        {IOCTL_VREADER_FAULT, "edc byte=2"},
        {IOCTL_VREADER_FAULT, "wtx"},
        {IOCTL_VREADER_FAULT, "late ms=1"},
        {IOCTL_VREADER_FAULT, "none"},
        {IOCTL_VREADER_STATUS, ""},
    };
    struct crowd *crowd = context;
    unsigned seed = 5;

    nt_enter(crowd->rig->host);
    while (!InterlockedCompareExchange(&crowd->stop, 0, 0)) {
        unsigned i = (unsigned)rand_r(&seed) % (unsigned)(sizeof moves / sizeof moves[0]);

        check_status(say(crowd->rig->panel, moves[i].code, moves[i].text));
        usleep((useconds_t)rand_r(&seed) % 500);
    }
    nt_enter(NULL);
    return NULL;
}

static void a_crowd_gets_one_end_for_each_request(void **state)
{
    struct crowd crowd = {.rig = *state};
    pthread_t threads[5];

    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, user, &crowd), 0);
    }
    assert_int_equal(pthread_create(&threads[4], NULL, hand, &crowd), 0);
    sleep(2);
    InterlockedExchange(&crowd.stop, 1);
    for (int i = 0; i < 5; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(crowd.ended > 100);
    /* and the reader still works */
    say(crowd.rig->panel, IOCTL_VREADER_REMOVE, "");
    fault(crowd.rig, "none");
    insert(crowd.rig, "echo " FAST_T1);
    connect(crowd.rig, T1);
    exchange(crowd.rig, T1, PING, PONG);
}

/* Cancel against the timer that ends the request: exactly one end. */
static void a_cancel_races_with_the_end(void **state)
{
    struct rig *rig = *state;

    insert(rig, "script " FAST_T1 "\nmatch\n> *\nwait 1\n< 9000");
    connect(rig, T1);
    for (int i = 0; i < 300; i++) {
        struct flight flight = {0};
        NTSTATUS status;

        start_transmit(rig, &flight, T1, "00 01 00 00");
        usleep((useconds_t)(850 + i));
        IoCancelIrp(flight.irp);
        status = flight_end(&flight, NULL, NULL);
        assert_true(status == STATUS_CANCELLED || status == STATUS_SUCCESS);
    }
    exchange(rig, T1, "00 01 00 00", "90 00");
}

/* ---- one card after the other ------------------------------------------------------------------------------------ */

static NTSTATUS atr_attribute(struct rig *rig)
{
    ULONG tag = SCARD_ATTR_ATR_STRING;
    UCHAR atr[33];

    return control(rig->reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, atr, 33, NULL);
}

/* What the library knows is the last card's until the new one is reset (smclib.md 3.5). */
static void a_new_card_is_not_taken_for_the_last_one(void **state)
{
    struct rig *rig = *state;
    PDEVICE_OBJECT ways[] = {rig->panel, rig->reader}; /* beside the operations, and as one of them */
    ULONG selected;

    for (int i = 0; i < 2; i++) {
        insert(rig, "echo " FAST_T1);
        connect(rig, T1);
        assert_int_equal(atr_attribute(rig), STATUS_SUCCESS);
        assert_int_equal(say(rig->panel, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
        assert_int_equal(say(ways[i], IOCTL_VREADER_INSERT, "echo " FAST_T0), STATUS_SUCCESS);
        assert_int_equal(atr_attribute(rig), STATUS_INVALID_DEVICE_STATE);
        assert_int_equal(set_protocol(rig->reader, T1, &selected), STATUS_NOT_SUPPORTED);
        assert_int_equal(power(rig->reader, SCARD_COLD_RESET, (UCHAR[33]){0}, NULL), STATUS_SUCCESS);
        assert_int_equal(atr_attribute(rig), STATUS_SUCCESS);
        assert_int_equal(say(rig->panel, IOCTL_VREADER_REMOVE, ""), STATUS_SUCCESS);
    }
}

/* RAW needs no answer to reset, so the library lets it pass. */
static void a_protocol_without_power_is_refused_and_changes_nothing(void **state)
{
    struct rig *rig = *state;
    ULONG selected;

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    assert_int_equal(power(rig->reader, SCARD_POWER_DOWN, NULL, NULL), STATUS_SUCCESS);
    assert_int_equal(set_protocol(rig->reader, SCARD_PROTOCOL_RAW, &selected), STATUS_INVALID_DEVICE_STATE);
    assert_int_equal(state_of(rig->reader), SCARD_PRESENT);
    connect(rig, T1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_rig(is_present_waits_for_a_card),
        with_rig(is_absent_waits_for_the_card_to_go),
        with_rig(tracking_is_cancelled),
        with_rig(t1_survives_cancels),
        with_rig(t0_survives_cancels),
        with_rig(a_cancelled_commands_answer_is_nobodys),
        with_rig(while_an_operation_waits_queries_are_answered_and_operations_queue),
        with_rig(a_hand_at_the_slot_ends_what_waits),
        with_rig(a_cancelled_reset_leaves_the_card_off),
        with_rig(a_request_that_was_cancelled_before_it_came_ends_cancelled),
        with_rig(cleanup_ends_what_its_file_waits_for),
        with_rig(surprise_removal_ends_everything),
        with_rig(a_new_card_is_not_taken_for_the_last_one),
        with_rig(a_protocol_without_power_is_refused_and_changes_nothing),
        with_rig(a_reader_goes_with_its_card_in_the_slot),
        with_rig(a_thousand_readers_each_with_a_request),
        with_rig(a_crowd_gets_one_end_for_each_request),
        with_rig(a_cancel_races_with_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
