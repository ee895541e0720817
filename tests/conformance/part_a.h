/* SPDX-License-Identifier: MIT */
/*
 * Part A, the card monitor: what its files share. part_a.c has the table and the plain cases, part_a_cancel.c the ways
 * to end a tracking request early, part_a_beside.c what runs beside one and the random walks.
 */
#ifndef CONFORMANCE_PART_A_H
#define CONFORMANCE_PART_A_H

#include "suite.h"

#define IS_PRESENT IOCTL_SMARTCARD_IS_PRESENT
#define IS_ABSENT  IOCTL_SMARTCARD_IS_ABSENT

/* Long enough to tell a request that waits from one that is about to end; nothing depends on its being short. */
#define A_WHILE 30

/* Start a tracking request, which has no buffers. */
static inline struct io *track(struct suite *suite, HANDLE handle, DWORD code)
{
    return start(suite, handle, code, NULL, 0, 0);
}

/* The same for one that must wait. */
static inline struct io *track_waiting(struct suite *suite, HANDLE handle, DWORD code)
{
    struct io *io = track(suite, handle, code);

    EXPECT(suite, io->pended);
    EXPECT(suite, !ends_within(suite, io, 0));
    return io;
}

/* The same for one that must be with the driver before the next one is: requests that do not queue may overtake each
 * other where each is carried by a thread of its own. */
static inline struct io *track_settled(struct suite *suite, HANDLE handle, DWORD code)
{
    struct io *io = track_waiting(suite, handle, code);

    EXPECT(suite, !ends_within(suite, io, A_WHILE));
    return io;
}

/* It has ended with success, and gave nothing back. */
static inline void expect_come_true(struct suite *suite, struct io *io)
{
    EXPECT_STATUS(suite, io, STATUS_SUCCESS);
    EXPECT_NUMBER(suite, io->returned, 0);
}

/* CancelIoEx finds nothing to cancel. */
static inline void expect_not_found(struct suite *suite, HANDLE handle, OVERLAPPED *overlapped)
{
    BOOL found = CancelIoEx(handle, overlapped);
    DWORD error = found ? ERROR_SUCCESS : GetLastError();

    EXPECT(suite, !found);
    EXPECT_NUMBER(suite, error, ERROR_NOT_FOUND);
}

void a_cancel_one(struct suite *suite);
void a_cancel_all_of_a_handle(struct suite *suite);
void a_cancel_of_the_thread(struct suite *suite);
void a_cancel_from_another_thread(struct suite *suite);
void a_cancel_io_of_another_thread(struct suite *suite);
void a_cancel_ended(struct suite *suite);
void a_cancel_cancelled(struct suite *suite);
void a_cancel_refused(struct suite *suite);
void a_cancel_through_another_handle(struct suite *suite);
void a_cancel_all_through_another_handle(struct suite *suite);
void a_cancel_spares_the_operation(struct suite *suite);
void a_cancelled_makes_room(struct suite *suite);
void a_cancel_hundred_times(struct suite *suite);
void a_cancel_meets_insertion(struct suite *suite);
void a_start_meets_insertion(struct suite *suite);
void a_close_ends(struct suite *suite);
void a_close_makes_room(struct suite *suite);
void a_close_of_another(struct suite *suite);

void a_during_an_exchange(struct suite *suite);
void a_exchange_while_tracking(struct suite *suite);
void a_power_does_not_end(struct suite *suite);
void a_operations_while_tracking(struct suite *suite);
void a_queries_while_tracking(struct suite *suite);
void a_removal_ends_both(struct suite *suite);
void a_walk(struct suite *suite);
void a_walk_with_closing(struct suite *suite);

#endif
