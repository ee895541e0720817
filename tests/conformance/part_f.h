/* SPDX-License-Identifier: MIT */
/*
 * Part F: overlapped operations and the last error, every sentence of DESIGN sections 4 and 5 that a Win32 program can
 * see. The lists below are the part's contents, row by row with the sentence that each check rests on; part_f.c makes
 * them its table and has the helpers; the checks are in part_f_*.c, one file for each list.
 *
 * What a Win32 program cannot see of these sections, and what is therefore tested elsewhere: the extension's LastError
 * itself and drivers that store nothing; the VxD form; the journal; contexts, descriptors and reaping; a driver that
 * does not let go of a cancelled request; deadlines; which thread an operation runs on, and what it allocates; the
 * wiping of buffers.
 */
#ifndef CONFORMANCE_PART_F_H
#define CONFORMANCE_PART_F_H

#include "suite.h"

#define VIRTUAL   NEED_VIRTUAL
#define WITH_CARD (NEED_VIRTUAL | NEED_CARD)
#define ON_FRESH  (NEED_VIRTUAL | NEED_UNPLUG)

/* Microsoft's page on the request. */
#define PAGE "ni-winsmcrd-ioctl_smartcard_get_last_error"

/* part_f_answer.c: the request itself, and that it is answered always and at once. */
#define PART_F_ANSWER(ROW)                                                                                             \
    ROW(last_error_is_success_at_first, "DESIGN 4: initially STATUS_SUCCESS", ON_FRESH)                                \
    ROW(last_error_is_an_ntstatus, "DESIGN 4: the answer is an NTSTATUS", VIRTUAL)                                     \
    ROW(last_error_is_that_of_the_reader_asked, "DESIGN 4: of the reader that is asked", ON_FRESH)                     \
    ROW(last_error_refuses_less_than_four_bytes,                                                                       \
        PAGE ": must be at least sizeof(ULONG); DESIGN 4: shorter: STATUS_BUFFER_TOO_SMALL", 0)                        \
    ROW(last_error_returns_four_bytes_into_any_longer_output,                                                          \
        PAGE ": lpcbBytesReturned must be set to sizeof(ULONG); DESIGN 4: 4 bytes, Information 4", 0)                  \
    ROW(last_error_ignores_input, "DESIGN 4: input is ignored", 0)                                                     \
    ROW(last_error_takes_no_minor_code_from_its_input, "DESIGN 4: input is ignored; smclib.md 3.0 (4)", WITH_CARD)     \
    ROW(asking_for_the_last_error_stores_nothing, "DESIGN 4: the four queries store nothing", VIRTUAL)                 \
    ROW(asking_for_the_state_stores_nothing, "DESIGN 4: the four queries store nothing", VIRTUAL)                      \
    ROW(asking_for_an_attribute_stores_nothing, "DESIGN 4: the four queries store nothing", VIRTUAL)                   \
    ROW(asking_for_a_counter_stores_nothing, "DESIGN 4: the four queries store nothing", VIRTUAL)                      \
    ROW(reading_the_last_error_does_not_clear_it, "DESIGN 4: reading does not clear it", VIRTUAL)                      \
    ROW(last_error_is_the_same_on_every_handle, "DESIGN 4: on every handle", VIRTUAL)                                  \
    ROW(last_error_is_answered_without_a_card, "DESIGN 4: answered in every reader state: ABSENT", VIRTUAL)            \
    ROW(last_error_is_answered_with_a_card_without_power, "DESIGN 4: in every reader state: SWALLOWED or PRESENT",     \
        WITH_CARD)                                                                                                     \
    ROW(last_error_is_answered_during_a_reset, "DESIGN 4: in every reader state: POWERED", WITH_CARD)                  \
    ROW(last_error_is_answered_before_a_protocol_is_selected, "DESIGN 4: in every reader state: NEGOTIABLE",           \
        WITH_CARD)                                                                                                     \
    ROW(last_error_is_answered_with_a_protocol_selected, "DESIGN 4: in every reader state: SPECIFIC", WITH_CARD)       \
    ROW(last_error_is_answered_after_the_card_left, "DESIGN 4: in every reader state", WITH_CARD)                      \
    ROW(last_error_is_answered_while_an_operation_runs, "DESIGN 4: while other requests are pending or running",       \
        WITH_CARD)                                                                                                     \
    ROW(last_error_is_answered_while_a_protocol_is_negotiated, "DESIGN 4: while other requests are running", VIRTUAL)  \
    ROW(last_error_is_answered_while_operations_queue, "DESIGN 4: while other requests are pending", WITH_CARD)        \
    ROW(last_error_is_answered_while_a_tracking_request_pends, "DESIGN 4: while other requests are pending", VIRTUAL)  \
    ROW(last_error_is_answered_on_other_handles_while_an_operation_runs, "DESIGN 4: on every handle, at once",         \
        WITH_CARD)                                                                                                     \
    ROW(last_error_is_answered_on_a_synchronous_handle, "DESIGN 4: on every handle, at once", WITH_CARD)               \
    ROW(last_error_is_answered_in_other_threads_while_an_operation_runs, "DESIGN 4: at once, without waiting",         \
        WITH_CARD)

/* part_f_stored.c: what each kind of operation stores at each kind of end. */
#define PART_F_STORED(ROW)                                                                                             \
    ROW(power_stores_its_success, "DESIGN 4: every operation that ends stores its final status", WITH_CARD)            \
    ROW(set_protocol_stores_its_success, "DESIGN 4: every operation that ends", WITH_CARD)                             \
    ROW(transmit_stores_its_success, "DESIGN 4: every operation that ends", WITH_CARD)                                 \
    ROW(set_attribute_stores_both_ends, "DESIGN 4: every operation that ends; smclib.md 3.9", VIRTUAL)                 \
    ROW(power_refused_is_stored, "DESIGN 4: refused operations included; smclib.md 3.4", WITH_CARD)                    \
    ROW(set_protocol_refused_is_stored, "DESIGN 4: refused operations included; smclib.md 3.5", WITH_CARD)             \
    ROW(transmit_refused_is_stored, "DESIGN 4: refused operations included; smclib.md 3.6", WITH_CARD)                 \
    ROW(operations_without_a_card_store_their_refusal, "DESIGN 4: refused operations included", VIRTUAL)               \
    ROW(operations_the_reader_lacks_store_their_refusal, "DESIGN 4: refused operations included; smclib.md 3.7",       \
        VIRTUAL)                                                                                                       \
    ROW(unknown_codes_store_their_refusal, "DESIGN 4: refused operations included; smclib.md 3.0 (9)", VIRTUAL)        \
    ROW(codes_of_another_method_store_their_refusal, "DESIGN 4: refused operations included; smclib.md 3.0 (1)",       \
        VIRTUAL)                                                                                                       \
    ROW(vendor_codes_store_their_success, "DESIGN 4: vendor codes included", VIRTUAL)                                  \
    ROW(vendor_codes_store_their_failure, "DESIGN 4: vendor codes included", VIRTUAL)                                  \
    ROW(device_busy_is_stored, "DESIGN 4: refused operations included", WITH_CARD)                                     \
    ROW(tracking_that_need_not_wait_stores_its_success, "DESIGN 4: tracking requests included", VIRTUAL)               \
    ROW(tracking_stores_success_when_the_card_comes, "DESIGN 4: tracking requests included", VIRTUAL)                  \
    ROW(tracking_stores_success_when_the_card_leaves, "DESIGN 4: tracking requests included", WITH_CARD)               \
    ROW(tracking_refused_stores_device_busy, "DESIGN 4: tracking requests included; smclib.md 3.3", VIRTUAL)           \
    ROW(tracking_cancelled_stores_it, "DESIGN 4: tracking requests included", VIRTUAL)                                 \
    ROW(time_out_over_t0_is_the_last_error, PAGE ": error code of the most previous operation", WITH_CARD)             \
    ROW(time_out_over_t1_is_the_last_error, PAGE ": error code of the most previous operation", WITH_CARD)             \
    ROW(time_out_of_a_reset_is_the_last_error, PAGE ": error code of the most previous operation", WITH_CARD)          \
    ROW(cancel_of_a_running_operation_is_the_last_error, PAGE ": most previously overlapped operation", WITH_CARD)     \
    ROW(cancel_of_a_queued_operation_is_the_last_error, PAGE ": most previously overlapped operation", WITH_CARD)      \
    ROW(cancel_of_a_reset_is_the_last_error, PAGE ": most previously overlapped operation", WITH_CARD)                 \
    ROW(card_removal_during_an_exchange_is_the_last_error, PAGE ": error code of the most previous operation",         \
        WITH_CARD)                                                                                                     \
    ROW(card_removal_at_a_character_is_the_last_error, PAGE ": error code of the most previous operation", WITH_CARD)  \
    ROW(card_removal_without_an_operation_stores_nothing, "DESIGN 4: every operation that ends stores", WITH_CARD)     \
    ROW(protocol_failure_over_t1_is_the_last_error, PAGE ": error code of the most previous operation", WITH_CARD)     \
    ROW(protocol_failure_over_t0_is_the_last_error, PAGE ": error code of the most previous operation", WITH_CARD)     \
    ROW(unusable_answer_to_reset_is_the_last_error, PAGE ": error code of the most previous operation", VIRTUAL)       \
    ROW(success_after_a_failure_is_the_last_error, PAGE ": error code of the most previous operation", WITH_CARD)      \
    ROW(reader_removal_is_the_last_error, "DESIGN 4: in every reader state", ON_FRESH | NEED_GONE)

/* part_f_order.c: whoever has seen an end and then asks. */
#define PART_F_ORDER(ROW)                                                                                              \
    ROW(last_error_is_stored_before_the_event_is_set, "DESIGN 4: the store happens before the completion is visible",  \
        WITH_CARD)                                                                                                     \
    ROW(last_error_is_stored_before_the_result_is_there, "DESIGN 4: the store happens before the completion",          \
        WITH_CARD)                                                                                                     \
    ROW(last_error_is_stored_before_the_overlapped_says_so, "DESIGN 4: the store happens before the completion",       \
        WITH_CARD)                                                                                                     \
    ROW(last_error_is_stored_before_another_thread_sees_the_end, "DESIGN 4: whoever has seen an operation end",        \
        VIRTUAL)                                                                                                       \
    ROW(last_error_of_queued_operations_follows_their_ends, "DESIGN 4: that operation's status or a later one's",      \
        WITH_CARD)                                                                                                     \
    ROW(every_completion_carries_its_own_status, "DESIGN 4: every completion also carries its own status", WITH_CARD)  \
    ROW(last_error_under_many_threads_is_never_an_earlier_one, "DESIGN 4: never an earlier one's", WITH_CARD)

/* part_f_overlapped.c: submission, order, results. */
#define PART_F_OVERLAPPED(ROW)                                                                                         \
    ROW(submission_of_what_waits_returns_at_once, "DESIGN 5: submit ends at once, or returns STATUS_PENDING",          \
        WITH_CARD)                                                                                                     \
    ROW(pending_operation_has_no_result_yet, "DESIGN 5: a wait with a timeout", WITH_CARD)                             \
    ROW(pending_operation_ends_exactly_once, "DESIGN 5: after STATUS_PENDING exactly one completion", WITH_CARD)       \
    ROW(cancelled_operation_ends_exactly_once, "DESIGN 5: after STATUS_PENDING exactly one completion", WITH_CARD)     \
    ROW(several_ends_can_be_waited_for_together, "DESIGN 5: completions are reaped; poll and the like", WITH_CARD)     \
    ROW(operations_run_in_the_order_of_submission, "DESIGN 5: in the order of submission, over all handles", VIRTUAL)  \
    ROW(operations_run_one_at_a_time, "DESIGN 5: operations of one reader run one at a time", VIRTUAL)                 \
    ROW(operations_of_any_kind_wait_their_turn, "DESIGN 5: operations of one reader run one at a time", WITH_CARD)     \
    ROW(queries_do_not_queue, "DESIGN 5: queries and tracking requests do not queue", WITH_CARD)                       \
    ROW(tracking_requests_do_not_queue, "DESIGN 5: queries and tracking requests do not queue", WITH_CARD)             \
    ROW(readers_do_not_wait_for_each_other, "DESIGN 5: readers never wait for each other", ON_FRESH | NEED_CARD)       \
    ROW(attribute_is_of_one_moment, "DESIGN 5: queries never see a half-written value", VIRTUAL)                       \
    ROW(synchronous_request_on_an_idle_reader_ends_in_the_call, "DESIGN 5: there is a synchronous form", WITH_CARD)    \
    ROW(synchronous_request_tells_its_error, "DESIGN 5: there is a synchronous form", VIRTUAL)                         \
    ROW(synchronous_request_waits_its_turn, "DESIGN 5: run one at a time, over all handles", WITH_CARD)                \
    ROW(two_threads_share_one_handle, "DESIGN 5: run one at a time, over all handles", WITH_CARD)

/* part_f_memory.c: whose memory is touched when. */
#define PART_F_MEMORY(ROW)                                                                                             \
    ROW(input_may_change_after_submission, "DESIGN 5: requests are METHOD_BUFFERED", WITH_CARD)                        \
    ROW(input_is_left_as_it_was, "DESIGN 5: requests are METHOD_BUFFERED", WITH_CARD)                                  \
    ROW(input_and_output_may_be_the_same_memory, "DESIGN 5: requests are METHOD_BUFFERED", WITH_CARD)                  \
    ROW(output_is_written_only_at_the_end, "DESIGN 5: touched only while it is delivered", VIRTUAL)                    \
    ROW(output_behind_the_returned_bytes_is_left, "DESIGN 5: touched only while it is delivered", WITH_CARD)           \
    ROW(output_of_a_cancelled_operation_is_left, "DESIGN 5: touched only while it is delivered", VIRTUAL)              \
    ROW(output_of_a_failed_operation_is_left, "DESIGN 5: touched only while it is delivered", WITH_CARD)               \
    ROW(large_buffers_pass, "DESIGN 5: requests are METHOD_BUFFERED; smartcrd.h: up to 64 KiB", WITH_CARD)

/* part_f_cancel.c: cancel, close, removal; part_f_random.c: everything at once. */
#define PART_F_CANCEL(ROW)                                                                                             \
    ROW(cancel_ends_a_queued_operation_at_once, "DESIGN 5: a queued request ends cancelled at once", WITH_CARD)        \
    ROW(cancel_ends_a_running_operation, "DESIGN 5: a running one is cancelled", WITH_CARD)                            \
    ROW(cancel_ends_a_reset, "DESIGN 5: a running one is cancelled", WITH_CARD)                                        \
    ROW(cancel_ends_a_protocol_negotiation, "DESIGN 5: a running one is cancelled", VIRTUAL)                           \
    ROW(cancel_ends_a_tracking_request_at_once, "DESIGN 5: cancel", VIRTUAL)                                           \
    ROW(cancel_of_an_ended_operation_finds_nothing, "DESIGN 5: cancel says what it did: already ended", WITH_CARD)     \
    ROW(cancel_through_another_handle_finds_nothing, "DESIGN 5: cancel says what it did: could not be found",          \
        WITH_CARD)                                                                                                     \
    ROW(cancel_of_one_leaves_the_others_in_order, "DESIGN 5: in the order of submission", VIRTUAL)                     \
    ROW(operations_behind_a_cancelled_one_go_on, "DESIGN 5: the reader serves the next operation", WITH_CARD)          \
    ROW(reader_works_after_a_cancel, "DESIGN 5: the reader serves the next operation", WITH_CARD)                      \
    ROW(cancel_of_everything_is_of_one_handle, "DESIGN 5: cancel; CancelIoEx", WITH_CARD)                              \
    ROW(cancel_io_is_of_one_handle, "DESIGN 5: cancel; CancelIo", WITH_CARD)                                           \
    ROW(cancel_that_meets_the_end_leaves_one_result, "DESIGN 5: ends exactly once", WITH_CARD | NEED_CANCEL_RACE)      \
    ROW(cancel_of_a_synchronous_request_in_another_thread, "DESIGN 5: cancel; CancelSynchronousIo", WITH_CARD)         \
    ROW(close_cancels_what_runs, "DESIGN 5: closing a handle cancels what it has in flight", WITH_CARD | NEED_CLEANUP) \
    ROW(close_cancels_what_queues, "DESIGN 5: closing a handle cancels what it has in flight",                         \
        WITH_CARD | NEED_CLEANUP)                                                                                      \
    ROW(close_cancels_what_tracks, "DESIGN 5: closing a handle cancels what it has in flight", VIRTUAL | NEED_CLEANUP) \
    ROW(close_leaves_what_others_have_in_flight, "DESIGN 5: cancels what it has in flight", WITH_CARD | NEED_CLEANUP)  \
    ROW(card_removal_leaves_the_queue_in_order, "DESIGN 5: one at a time, in the order of submission", WITH_CARD)      \
    ROW(reader_removal_ends_everything_on_it, "DESIGN 5: removing a reader ends everything on it", ON_FRESH)           \
    ROW(reader_removal_refuses_what_comes_later, "DESIGN 5: with STATUS_DEVICE_REMOVED", ON_FRESH | NEED_GONE)         \
    ROW(reader_removal_leaves_other_readers, "DESIGN 5: readers never wait for each other", ON_FRESH | NEED_CARD)      \
    ROW(everything_at_once_ends_exactly_once, "DESIGN 5: exactly one completion; DESIGN 1: nothing hangs", VIRTUAL)    \
    ROW(everything_at_once_with_cancels_ends_exactly_once,                                                             \
        "DESIGN 5: exactly one completion; DESIGN 1: nothing hangs", VIRTUAL | NEED_CANCEL_RACE)

#define PART_F_DECLARE(name, source, needs) void part_f_##name(struct suite *suite);
PART_F_ANSWER(PART_F_DECLARE)
PART_F_STORED(PART_F_DECLARE)
PART_F_ORDER(PART_F_DECLARE)
PART_F_OVERLAPPED(PART_F_DECLARE)
PART_F_MEMORY(PART_F_DECLARE)
PART_F_CANCEL(PART_F_DECLARE)

/* ---- helpers (part_f.c) ------------------------------------------------------------------------------------------- */

/* A card that offers T=0 and T=1 at the default rate and says no more; its block waiting time is 1.4 s. */
#define DUAL_ATR "3B80800101"

/* Power the card and select the protocol. */
void make_ready(struct suite *suite, HANDLE handle, DWORD protocol);

/* Leave STATUS_NOT_SUPPORTED as the last error: EJECT, which the virtual reader does not know. */
void leave_a_mark(struct suite *suite, HANDLE handle);

/* An exchange that asks for waiting time until it is cancelled or the card leaves; a protocol must be selected. On an
 * idle reader it runs; the fault that it arms is meant for it. */
struct io *hold_reader(struct suite *suite, HANDLE handle, DWORD protocol);

/* A plain exchange: 00 P1 00 00, which echo answers with 90 00. */
struct io *start_exchange(struct suite *suite, HANDLE handle, DWORD protocol, UCHAR instruction);

/* The same from a thread, or for those who want an OVERLAPPED of their own: raw_start returns ERROR_IO_PENDING or how it
 * ended; raw_finish waits (10 s, then ERROR_TIMEOUT) and returns how it ended; raw_ask wants the last error. Any thread,
 * one at a time for each struct raw. */
struct raw {
    OVERLAPPED overlapped; /* hEvent is the maker's */
    HANDLE handle;
    DWORD returned;
    UCHAR in[64], out[64];
};
void raw_prepare(struct suite *suite, struct raw *raw, HANDLE handle);
DWORD raw_start(struct raw *raw, DWORD code, const void *in, DWORD in_size, DWORD out_size);
DWORD raw_finish(struct raw *raw);
DWORD raw_request(struct raw *raw, DWORD code, const void *in, DWORD in_size, DWORD out_size);
bool raw_ask(struct raw *raw, NTSTATUS *last);

/* Cancel one; what CancelIoEx says: ERROR_SUCCESS, ERROR_NOT_FOUND. */
DWORD cancel(struct io *io);

/* Cancel it, and expect that it ends so. */
void cancel_now(struct suite *suite, struct io *io);

/* Wait until the threads have returned; the check fails when they have not within 60 s. What they use is static: a thread
 * that hangs still uses it. */
void join_threads(struct suite *suite, const HANDLE *threads, size_t count);

#endif
