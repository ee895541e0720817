/* SPDX-License-Identifier: MIT */
/*
 * Part A, the card monitor: tracking beside everything else that a reader does, and random walks through insertion,
 * removal, tracking, cancelling and closing, with a model that says how each request must end.
 */
#include "part_a.h"

static const UCHAR get_two[] = {0x00, 0xB0, 0x00, 0x00, 0x02}; /* of the echo card: 00 01 9000 */

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* A card that asks for waiting time without end keeps its exchange going. */
static struct io *endless_exchange(struct suite *suite, HANDLE handle)
{
    struct io *io;

    card_in(suite, "echo");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    set_protocol(suite, handle, SCARD_PROTOCOL_T1);
    fault(suite, "wtx");
    io = start_transmit(suite, handle, SCARD_PROTOCOL_T1, get_two, sizeof get_two, 16);
    EXPECT(suite, io->pended);
    return io;
}

void a_during_an_exchange(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    HANDLE other = open_reader(suite);
    struct io *exchange = endless_exchange(suite, handle);
    struct io *tracking;

    expect_come_true(suite, track(suite, other, IS_PRESENT));
    expect_come_true(suite, track(suite, handle, IS_PRESENT));
    tracking = track_waiting(suite, other, IS_ABSENT);
    EXPECT_STATUS(suite, track(suite, handle, IS_ABSENT), STATUS_DEVICE_BUSY);
    EXPECT(suite, CancelIoEx(other, &tracking->overlapped));
    EXPECT_STATUS(suite, tracking, STATUS_CANCELLED);
    EXPECT(suite, !ends_within(suite, exchange, A_WHILE));
    EXPECT(suite, CancelIoEx(handle, &exchange->overlapped));
    EXPECT_STATUS(suite, exchange, STATUS_CANCELLED);
}

/* What a resource manager does all day. */
void a_exchange_while_tracking(struct suite *suite)
{
    HANDLE monitor = open_reader(suite);
    HANDLE handle = open_reader(suite);
    struct io *tracking = track_waiting(suite, monitor, IS_ABSENT);
    UCHAR challenge[] = {0x00, 0x84, 0x00, 0x00, 0x08};
    UCHAR answer[32];
    DWORD protocol;

    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    protocol = set_protocol(suite, handle, SCARD_PROTOCOL_Tx);
    for (int i = 0; i < 10; i++)
        EXPECT(suite, transmit(suite, handle, protocol, challenge, sizeof challenge, answer, sizeof answer) >= 2);
    EXPECT(suite, !ends_within(suite, tracking, 0));
    EXPECT(suite, CancelIo(monitor));
    EXPECT_STATUS(suite, tracking, STATUS_CANCELLED);
}

void a_power_does_not_end(struct suite *suite)
{
    static const ULONG down = SCARD_POWER_DOWN;
    HANDLE handle = open_reader(suite);
    struct io *tracking = track_waiting(suite, handle, IS_ABSENT);

    for (int i = 0; i < 3; i++) {
        power_up(suite, handle, i % 2 ? SCARD_WARM_RESET : SCARD_COLD_RESET, NULL);
        EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_POWER, &down, sizeof down, 0), STATUS_SUCCESS);
    }
    EXPECT(suite, !ends_within(suite, tracking, A_WHILE));
    EXPECT(suite, CancelIo(handle));
    EXPECT_STATUS(suite, tracking, STATUS_CANCELLED);
}

void a_operations_while_tracking(struct suite *suite)
{
    static const ULONG cold = SCARD_COLD_RESET;
    static const ULONG both = SCARD_PROTOCOL_Tx;
    HANDLE handle = open_reader(suite);
    struct io *tracking = track_waiting(suite, handle, IS_PRESENT);

    EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_POWER, &cold, sizeof cold, 33),
                  STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(suite, request(suite, handle, IOCTL_SMARTCARD_SET_PROTOCOL, &both, sizeof both, 4),
                  STATUS_INVALID_DEVICE_STATE);
    EXPECT_STATUS(suite, request(suite, handle, SCARD_CTL_CODE(13), NULL, 0, 0), STATUS_INVALID_DEVICE_REQUEST);
    EXPECT(suite, !ends_within(suite, tracking, A_WHILE));
    card_in(suite, "echo");
    expect_come_true(suite, tracking);
}

void a_queries_while_tracking(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    HANDLE other = open_reader(suite);
    struct io *tracking = track_waiting(suite, handle, IS_ABSENT);
    UCHAR name[32];
    UCHAR presence = 0;

    for (int i = 0; i < 2; i++) {
        HANDLE through = i ? other : handle;

        EXPECT(suite, reader_state(suite, through) > SCARD_ABSENT);
        EXPECT(suite, attribute(suite, through, SCARD_ATTR_VENDOR_NAME, name, sizeof name) > 0);
        EXPECT_NUMBER(suite, attribute(suite, through, SCARD_ATTR_ICC_PRESENCE, &presence, 1), 1);
        EXPECT(suite, presence != 0);
    }
    EXPECT(suite, !ends_within(suite, tracking, 0));
    EXPECT(suite, CancelIo(handle));
    EXPECT_STATUS(suite, tracking, STATUS_CANCELLED);
}

void a_removal_ends_both(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    HANDLE monitor = open_reader(suite);
    struct io *exchange = endless_exchange(suite, handle);
    struct io *tracking = track_waiting(suite, monitor, IS_ABSENT);

    card_out(suite);
    expect_come_true(suite, tracking);
    EXPECT_STATUS(suite, exchange, STATUS_NO_MEDIA);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_ABSENT);
}

/* ---- random walks ------------------------------------------------------------------------------------------------ */

#define HANDLES 3
#define STEPS   400

struct walk {
    HANDLE handles[HANDLES];
    bool card;          /* there is one */
    struct io *waiting; /* the tracking request that must still be waiting; NULL: none */
    size_t owner;       /* whose it is */
};

static void expect_end(struct suite *suite, struct walk *walk, NTSTATUS status)
{
    EXPECT_STATUS(suite, walk->waiting, status);
    EXPECT_NUMBER(suite, walk->waiting->returned, 0);
    walk->waiting = NULL;
}

static void insert_or_remove(struct suite *suite, struct walk *walk)
{
    DWORD comes_true = walk->card ? IS_ABSENT : IS_PRESENT;

    if (walk->card)
        card_out(suite);
    else
        card_in(suite, chance(suite, 2) ? "echo" : "fs");
    walk->card = !walk->card;
    if (walk->waiting != NULL && walk->waiting->code == comes_true)
        expect_end(suite, walk, STATUS_SUCCESS);
}

static void track_somewhere(struct suite *suite, struct walk *walk)
{
    DWORD code = chance(suite, 2) ? IS_PRESENT : IS_ABSENT;
    size_t through = chance(suite, HANDLES);
    struct io *io = track(suite, walk->handles[through], code);

    if (walk->waiting != NULL) {
        EXPECT_STATUS(suite, io, STATUS_DEVICE_BUSY);
    } else if (walk->card == (code == IS_PRESENT)) {
        expect_come_true(suite, io);
    } else {
        EXPECT(suite, io->pended);
        walk->waiting = io;
        walk->owner = through;
    }
}

/* Through a handle that may be another's: then nothing is found. */
static void cancel_somewhere(struct suite *suite, struct walk *walk)
{
    size_t through = chance(suite, HANDLES);
    HANDLE handle = walk->handles[through];
    bool hits = walk->waiting != NULL && walk->owner == through;

    switch (chance(suite, 3)) {
    case 0:
        EXPECT(suite, CancelIo(handle));
        break;
    case 1:
        if (hits)
            EXPECT(suite, CancelIoEx(handle, NULL));
        break;
    default:
        if (hits)
            EXPECT(suite, CancelIoEx(handle, &walk->waiting->overlapped));
        else if (walk->waiting != NULL)
            expect_not_found(suite, handle, &walk->waiting->overlapped);
        break;
    }
    if (hits)
        expect_end(suite, walk, STATUS_CANCELLED);
}

static void close_and_open(struct suite *suite, struct walk *walk)
{
    size_t which = chance(suite, HANDLES);

    close_handle(suite, walk->handles[which]);
    if (walk->waiting != NULL && walk->owner == which)
        expect_end(suite, walk, STATUS_CANCELLED);
    walk->handles[which] = open_reader(suite);
}

static void step(struct suite *suite, struct walk *walk, bool closing)
{
    switch (chance(suite, 10)) {
    case 0:
    case 1:
    case 2:
        insert_or_remove(suite, walk);
        break;
    case 3:
        cancel_somewhere(suite, walk);
        break;
    case 4:
        if (closing)
            close_and_open(suite, walk);
        break;
    case 5:
        EXPECT_NUMBER(suite, reader_state(suite, walk->handles[0]), walk->card ? SCARD_PRESENT : SCARD_ABSENT);
        break;
    default:
        track_somewhere(suite, walk);
        break;
    }
    if (walk->waiting != NULL)
        EXPECT(suite, !ends_within(suite, walk->waiting, 0));
}

static void walk(struct suite *suite, bool closing)
{
    struct walk walk = {.waiting = NULL};

    for (size_t i = 0; i < HANDLES; i++)
        walk.handles[i] = open_reader(suite);
    for (int i = 0; i < STEPS; i++)
        step(suite, &walk, closing);
}

void a_walk(struct suite *suite)
{
    walk(suite, false);
}

void a_walk_with_closing(struct suite *suite)
{
    walk(suite, true);
}
