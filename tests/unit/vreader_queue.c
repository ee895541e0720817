/* SPDX-License-Identifier: MIT */
/* The driver's own queue, which on Windows stands for the client's: requests by hand, several at once. */
#include "../../src/drivers/vreader/vreader.h"

#include "vreader_kit.h"

#include <pthread.h>

#define PING "00 01 00 00 02 AA BB"
#define PONG "AA BB 90 00"

/* A T=1 card that asks for waiting time until somebody cancels. */
static void hold(struct rig *rig, struct flight *flight)
{
    UCHAR in[64];
    size_t size = with_pci(in, T1, PING);

    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    fault(rig, "wtx");
    assert_int_equal(flight_start(flight, rig->reader, IOCTL_SMARTCARD_TRANSMIT, in, size, 64), STATUS_PENDING);
}

static void queue(struct rig *rig, struct flight *flight, ULONG code, ULONG input, size_t out)
{
    assert_int_equal(flight_start(flight, rig->reader, code, &input, 4, out), STATUS_PENDING);
}

static void let_go(struct flight *held)
{
    assert_true(IoCancelIrp(held->irp));
    assert_int_equal(flight_end(held, NULL, NULL), STATUS_CANCELLED);
}

static void operations_run_in_the_order_in_which_they_came(void **state)
{
    struct rig *rig = *state;
    struct flight held = {0}, down = {0}, protocol = {0}, reset = {0};

    hold(rig, &held);
    queue(rig, &down, IOCTL_SMARTCARD_POWER, SCARD_POWER_DOWN, 0);
    queue(rig, &protocol, IOCTL_SMARTCARD_SET_PROTOCOL, SCARD_PROTOCOL_T1, 4);
    queue(rig, &reset, IOCTL_SMARTCARD_POWER, SCARD_COLD_RESET, 33);
    assert_false(flight_wait(&down, 20));
    let_go(&held);
    assert_int_equal(flight_end(&reset, NULL, NULL), STATUS_SUCCESS);
    assert_true(flight_wait(&down, 0));
    assert_true(flight_wait(&protocol, 0));
    assert_int_equal(flight_end(&down, NULL, NULL), STATUS_SUCCESS);
    /* it came when there was no power */
    assert_true(!NT_SUCCESS(flight_end(&protocol, NULL, NULL)));
    assert_int_equal(last_error(rig->reader), STATUS_SUCCESS);
}

static void a_queued_operation_is_cancelled_at_once_and_stores_it(void **state)
{
    struct rig *rig = *state;
    struct flight held = {0}, first = {0}, second = {0};

    hold(rig, &held);
    queue(rig, &first, IOCTL_SMARTCARD_POWER, SCARD_POWER_DOWN, 0);
    queue(rig, &second, IOCTL_SMARTCARD_POWER, SCARD_COLD_RESET, 33);
    assert_true(IoCancelIrp(first.irp));
    assert_int_equal(flight_end(&first, NULL, NULL), STATUS_CANCELLED);
    assert_int_equal(last_error(rig->reader), STATUS_CANCELLED);
    assert_false(flight_wait(&held, 0));
    assert_false(flight_wait(&second, 0));
    let_go(&held);
    assert_int_equal(flight_end(&second, NULL, NULL), STATUS_SUCCESS);
    assert_int_equal(last_error(rig->reader), STATUS_SUCCESS);
}

static void queries_and_tracking_pass_the_queue(void **state)
{
    struct rig *rig = *state;
    struct flight held = {0}, queued = {0}, tracking = {0};
    ULONG tag = SCARD_ATTR_ATR_STRING;
    UCHAR atr[33];
    size_t size;

    hold(rig, &held);
    queue(rig, &queued, IOCTL_SMARTCARD_POWER, SCARD_POWER_DOWN, 0);
    assert_int_equal(state_of(rig->reader), SCARD_SPECIFIC);
    assert_int_equal(last_error(rig->reader), STATUS_SUCCESS);
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_GET_ATTRIBUTE, &tag, 4, atr, 33, &size), STATUS_SUCCESS);
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, NULL), STATUS_SUCCESS);
    assert_int_equal(flight_start(&tracking, rig->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0), STATUS_PENDING);
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, NULL), STATUS_DEVICE_BUSY);
    assert_false(flight_wait(&queued, 0));
    assert_true(IoCancelIrp(tracking.irp));
    assert_int_equal(flight_end(&tracking, NULL, NULL), STATUS_CANCELLED);
    let_go(&held);
    assert_int_equal(flight_end(&queued, NULL, NULL), STATUS_SUCCESS);
}

/* A request on a file, by hand; one that was cancelled before it came, when that is wanted. */
static NTSTATUS send(struct rig *rig, struct flight *flight, UCHAR major, ULONG code, const void *in, size_t size,
                     bool cancelled, PIO_COMPLETION_ROUTINE landed)
{
    PIO_STACK_LOCATION next;

    flight->irp = IoAllocateIrp((CCHAR)(rig->reader->StackSize + 1), FALSE);
    flight->buffer = malloc(64);
    if (size > 0) {
        memcpy(flight->buffer, in, size);
    }
    flight->irp->AssociatedIrp.SystemBuffer = flight->buffer;
    KeInitializeEvent(&flight->done, NotificationEvent, FALSE);
    IoSetNextIrpStackLocation(flight->irp);
    next = IoGetNextIrpStackLocation(flight->irp);
    next->MajorFunction = major;
    next->FileObject = flight->file;
    next->Parameters.DeviceIoControl.IoControlCode = code;
    next->Parameters.DeviceIoControl.InputBufferLength = (ULONG)size;
    next->Parameters.DeviceIoControl.OutputBufferLength = code != 0 ? 64 : 0;
    IoSetCompletionRoutine(flight->irp, landed, flight, TRUE, TRUE, TRUE);
    if (cancelled) {
        IoCancelIrp(flight->irp);
    }
    return IoCallDriver(rig->reader, flight->irp);
}

static void clean_up(struct rig *rig, FILE_OBJECT *file)
{
    struct flight cleanup = {.file = file};

    send(rig, &cleanup, IRP_MJ_CLEANUP, 0, NULL, 0, false, flight_landed);
    assert_int_equal(flight_end(&cleanup, NULL, NULL), STATUS_SUCCESS);
}

static void what_queues_on_a_file_ends_when_it_is_closed(void **state)
{
    struct rig *rig = *state;
    FILE_OBJECT mine = {0}, other = {0};
    struct flight held = {0}, closed = {.file = &mine}, left = {.file = &other};

    hold(rig, &held);
    queue(rig, &closed, IOCTL_SMARTCARD_POWER, SCARD_POWER_DOWN, 0);
    queue(rig, &left, IOCTL_SMARTCARD_POWER, SCARD_POWER_DOWN, 0);
    clean_up(rig, &mine);
    assert_int_equal(flight_end(&closed, NULL, NULL), STATUS_CANCELLED);
    assert_int_equal(last_error(rig->reader), STATUS_CANCELLED);
    assert_false(flight_wait(&left, 0));
    let_go(&held);
    assert_int_equal(flight_end(&left, NULL, NULL), STATUS_SUCCESS);
}

/* They were on their way to the driver, or between its line and the card, when their file was closed. */
static void what_would_wait_on_a_closed_file_ends_at_once(void **state)
{
    struct rig *rig = *state;
    FILE_OBJECT mine = {0}, other = {0};
    struct flight held = {.file = &other}, queued = {.file = &mine}, tracking = {.file = &mine};
    struct flight running = {.file = &mine};
    UCHAR in[64];
    size_t size = with_pci(in, T1, PING);

    hold(rig, &held);
    clean_up(rig, &mine);
    queue(rig, &queued, IOCTL_SMARTCARD_POWER, SCARD_POWER_DOWN, 0);
    assert_true(flight_wait(&queued, 0));
    assert_int_equal(flight_end(&queued, NULL, NULL), STATUS_CANCELLED);
    assert_int_equal(last_error(rig->reader), STATUS_CANCELLED);
    assert_int_equal(flight_start(&tracking, rig->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0), STATUS_PENDING);
    assert_true(flight_wait(&tracking, 0));
    assert_int_equal(flight_end(&tracking, NULL, NULL), STATUS_CANCELLED);
    let_go(&held);
    connect(rig, T1);
    fault(rig, "wtx");
    assert_int_equal(flight_start(&running, rig->reader, IOCTL_SMARTCARD_TRANSMIT, in, size, 64), STATUS_PENDING);
    assert_true(flight_wait(&running, 0));
    assert_int_equal(flight_end(&running, NULL, NULL), STATUS_CANCELLED);
}

static void a_file_that_is_opened_anew_may_wait(void **state)
{
    struct rig *rig = *state;
    FILE_OBJECT file = {0};
    struct flight open = {.file = &file}, tracking = {.file = &file};

    clean_up(rig, &file);
    send(rig, &open, IRP_MJ_CREATE, 0, NULL, 0, false, flight_landed);
    assert_int_equal(flight_end(&open, NULL, NULL), STATUS_SUCCESS);
    assert_int_equal(flight_start(&tracking, rig->reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0), STATUS_PENDING);
    assert_false(flight_wait(&tracking, 0));
    clean_up(rig, &file);
    assert_int_equal(flight_end(&tracking, NULL, NULL), STATUS_CANCELLED);
}

static struct vreader_fdo *counted;
static LONG shares; /* of its remove lock, when the last request landed */

static NTSTATUS count_shares(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    shares = counted->Smartcard.OsData->RemoveLock.RefCount;
    return flight_landed(device, irp, context);
}

/* The library gives its mutex back after a callback has pended, so the reader must outlast the call, not the request. */
static void a_reader_is_held_by_the_call_as_well_as_by_the_request(void **state)
{
    struct rig *rig = *state;
    struct flight operation = {0}, tracking = {0};
    UCHAR in[64];
    size_t size = with_pci(in, T1, PING);

    counted = rig->reader->DeviceExtension;
    insert(rig, "echo " FAST_T1);
    connect(rig, T1);
    fault(rig, "wtx");
    /* both end inside the call: the reader's own share, the request's, the call's */
    assert_int_equal(
        send(rig, &operation, IRP_MJ_DEVICE_CONTROL, IOCTL_SMARTCARD_TRANSMIT, in, size, true, count_shares),
        STATUS_PENDING);
    assert_int_equal(flight_end(&operation, NULL, NULL), STATUS_CANCELLED);
    assert_int_equal(shares, 3);
    assert_int_equal(
        send(rig, &tracking, IRP_MJ_DEVICE_CONTROL, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, true, count_shares),
        STATUS_PENDING);
    assert_int_equal(flight_end(&tracking, NULL, NULL), STATUS_CANCELLED);
    assert_int_equal(shares, 3);
}

static void a_reader_that_goes_ends_its_queue_and_answers_the_last_error(void **state)
{
    struct rig *rig = *state;
    struct flight held = {0}, queued[3] = {{0}};
    ULONG four = 0;

    hold(rig, &held);
    for (int i = 0; i < 3; i++) {
        queue(rig, &queued[i], IOCTL_SMARTCARD_POWER, SCARD_COLD_RESET, 33);
    }
    nt_device_surprise(rig->reader);
    assert_int_equal(flight_end(&held, NULL, NULL), STATUS_DEVICE_REMOVED);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(flight_end(&queued[i], NULL, NULL), STATUS_DEVICE_REMOVED);
    }
    assert_int_equal(last_error(rig->reader), STATUS_DEVICE_REMOVED);
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_GET_STATE, NULL, 0, &four, 4, NULL), STATUS_DEVICE_REMOVED);
    assert_int_equal(control(rig->reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, NULL), STATUS_DEVICE_REMOVED);
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, NULL, NULL), STATUS_DEVICE_REMOVED);
}

static void an_operation_on_a_reader_that_has_gone_is_stored(void **state)
{
    struct rig *rig = *state;

    nt_device_surprise(rig->reader);
    assert_int_equal(last_error(rig->reader), STATUS_SUCCESS);
    assert_int_equal(power(rig->reader, SCARD_COLD_RESET, NULL, NULL), STATUS_DEVICE_REMOVED);
    assert_int_equal(last_error(rig->reader), STATUS_DEVICE_REMOVED);
}

/* ---- many ---------------------------------------------------------------------------------------------------------- */

#define THREADS 4
#define ROUNDS  300

struct crowd {
    struct rig *rig;
    LONG volatile ended, succeeded;
};

/* Each thread has three requests in flight at once, and cancels one of them. */
static void *user(void *argument)
{
    struct crowd *crowd = argument;
    ULONG tag = SCARD_ATTR_SUPRESS_T1_IFS_REQUEST;

    nt_enter(crowd->rig->host);
    for (int round = 0; round < ROUNDS; round++) {
        struct flight flights[3] = {{0}};
        ULONG reset = SCARD_COLD_RESET;

        for (int i = 0; i < 3; i++) {
            bool attribute = i == 1;

            flight_start(&flights[i], crowd->rig->reader,
                         attribute ? IOCTL_SMARTCARD_SET_ATTRIBUTE : IOCTL_SMARTCARD_POWER, attribute ? &tag : &reset,
                         4, 33);
        }
        if (round % 3 == 0) {
            IoCancelIrp(flights[2].irp);
        }
        for (int i = 0; i < 3; i++) {
            NTSTATUS status = flight_end(&flights[i], NULL, NULL);

            InterlockedIncrement(&crowd->ended);
            if (status == STATUS_SUCCESS) {
                InterlockedIncrement(&crowd->succeeded);
            } else {
                assert_int_equal(status, STATUS_CANCELLED);
            }
        }
    }
    nt_enter(NULL);
    return NULL;
}

static void a_crowd_is_served_one_after_the_other(void **state)
{
    struct crowd crowd = {.rig = *state};
    pthread_t threads[THREADS];

    insert(crowd.rig, "echo " FAST_T1);
    fault(crowd.rig, "late us=50 count=0"); /* some of them are pended */
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, user, &crowd), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(crowd.ended, THREADS * ROUNDS * 3);
    /* only every ninth may have been cancelled */
    assert_true(crowd.succeeded >= THREADS * ROUNDS * 3 * 8 / 9);
    fault(crowd.rig, "none");
    connect(crowd.rig, T1);
    exchange(crowd.rig, T1, PING, PONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_rig(operations_run_in_the_order_in_which_they_came),
        with_rig(a_queued_operation_is_cancelled_at_once_and_stores_it),
        with_rig(queries_and_tracking_pass_the_queue),
        with_rig(what_queues_on_a_file_ends_when_it_is_closed),
        with_rig(what_would_wait_on_a_closed_file_ends_at_once),
        with_rig(a_file_that_is_opened_anew_may_wait),
        with_rig(a_reader_is_held_by_the_call_as_well_as_by_the_request),
        with_rig(a_reader_that_goes_ends_its_queue_and_answers_the_last_error),
        with_rig(an_operation_on_a_reader_that_has_gone_is_stored),
        with_rig(a_crowd_is_served_one_after_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
