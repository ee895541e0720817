/* SPDX-License-Identifier: MIT */
/* The verifier's rules: their names, what they say, and what an author should do. In the order of enum verify_rule. */
#include "verify.h"

static const struct nt_rule rules[] = {
    [VERIFY_COMPLETED_TWICE] = {"completed_twice", "a request was completed more than once",
                                "let one place complete the request: whoever takes it out of its slot under the lock, "
                                "or gets its cancel routine back from IoSetCancelRoutine"},
    [VERIFY_NEVER_COMPLETED] = {"never_completed", "a pended request was never completed",
                                "complete it (with STATUS_CANCELLED) from a cancel routine and in IRP_MJ_CLEANUP, and "
                                "when the reader is removed"},
    [VERIFY_NOT_COMPLETED] = {"returned_without_completing",
                              "a dispatch routine returned a final status for a request that it had not completed",
                              "call IoCompleteRequest before you return anything but STATUS_PENDING"},
    [VERIFY_PENDING_UNMARKED] = {"pending_unmarked", "STATUS_PENDING was returned for a request that was not marked",
                                 "call IoMarkIrpPending before you return STATUS_PENDING, and before anybody else can "
                                 "complete the request"},
    [VERIFY_MARKED_NOT_PENDING] =
        {"marked_not_pending", "a request was marked pending, and another status than STATUS_PENDING was returned",
         "after IoMarkIrpPending always return STATUS_PENDING, also when the request has ended "
         "meanwhile"},
    [VERIFY_COMPLETED_AS_PENDING] = {"completed_as_pending", "a request was completed with STATUS_PENDING",
                                     "set IoStatus.Status to the final status before IoCompleteRequest"},
    [VERIFY_LAST_ERROR] = {"last_error_not_stored",
                           "a pended request was completed before its result was stored as the last error",
                           "call smartcrd_store_last_error with the final status just before IoCompleteRequest"},
    [VERIFY_CANCEL_ROUTINE] = {"cancel_routine_set", "a request was completed with its cancel routine still set",
                               "take it away with IoSetCancelRoutine(Irp, NULL); when that returns NULL, leave the "
                               "completion to the cancel routine"},
    [VERIFY_NOTIFICATION] = {"notification_left", "OsData->NotificationIrp still points to a request that has ended",
                             "set NotificationIrp to NULL under OsData->SpinLock before you complete the request, and "
                             "end what is there when the reader is removed"},
    [VERIFY_CURRENT] = {"current_irp_left", "OsData->CurrentIrp still points to a pended request that has ended",
                        "set CurrentIrp to NULL under OsData->SpinLock before you complete a request that you pended"},
    [VERIFY_INFORMATION] = {"information_beyond_buffer", "IoStatus.Information is more than the output buffer holds",
                            "set Information to the bytes that you wrote, at most OutputBufferLength"},
    [VERIFY_CALLBACK] = {"callback_entered_twice", "a reader callback was entered while another one was running",
                         "do not call your callbacks yourself, and send every request through SmartcardDeviceControl"},
    [VERIFY_STATE] = {"state_without_lock", "what OsData->SpinLock guards was changed by somebody who does not hold it",
                      "change CurrentState, CurrentIrp and NotificationIrp between KeAcquireSpinLock and "
                      "KeReleaseSpinLock of OsData->SpinLock only"},
    [VERIFY_IRQL] = {"wrong_irql", "a routine was called at an IRQL that is too high (or too low) for it",
                     "call it at the IRQL that its documentation asks for: put the work into a work item, or give the "
                     "spin lock back first"},
    [VERIFY_LOCK_HELD] = {"lock_held_on_return", "a routine of the driver returned with a lock",
                          "give back on every path what you took: spin locks, the cancel spin lock, mutexes"},
    [VERIFY_IRQL_ON_RETURN] = {"irql_on_return", "a routine of the driver returned at another IRQL than it was entered",
                               "restore the IRQL that you got from KeRaiseIrql or KeAcquireSpinLock"},
    [VERIFY_LOCK_MISUSED] = {"lock_misused", "a lock was taken by its owner again, or released by somebody else",
                             "release a lock once, on the thread that took it"},
    [VERIFY_REMOVE_LOCK] = {"remove_lock_imbalance", "the remove lock was not released as often as acquired",
                            "release it once for every time that it was acquired, with the same tag, when the request "
                            "has ended"},
    [VERIFY_BUFFER] = {"buffer_overrun", "the driver wrote beyond the request's buffer",
                       "check OutputBufferLength (IoRequest.ReplyBufferLength) before you write the reply"},
    [VERIFY_AFTERWARDS] = {"written_after_completion",
                           "the driver wrote to a request's buffer after it had completed it",
                           "do not touch a request, or IoRequest's buffers, after IoCompleteRequest"},
    [VERIFY_POOL_OVERRUN] = {"pool_overrun", "the driver wrote outside a block of pool",
                             "allocate as many bytes as you write"},
    [VERIFY_POOL_FREED] = {"pool_freed_wrongly", "a block of pool was freed twice, or is none",
                           "free each block once, with the address that the allocation returned"},
    [VERIFY_POOL_USED] = {"pool_used_after_free", "the driver wrote to a block of pool that it had freed",
                          "stop timers, DPCs and work items that use a block before you free it"},
    [VERIFY_POOL_LEFT] = {"pool_left", "blocks of pool were still allocated when the driver was unloaded",
                          "free in Unload, or when the reader is removed, what was allocated"},
    [VERIFY_CALL] = {"wrong_call", "a kernel routine was called in a way that must never be",
                     "see the routine's documentation"},
};

const struct nt_rule *nt_rule(size_t index)
{
    return index < sizeof(rules) / sizeof(rules[0]) ? &rules[index] : NULL;
}
