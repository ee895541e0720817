/* SPDX-License-Identifier: MIT */
/* The mistakes that broken.c can make, one at a time; broken.c says where each one stands. */
#ifndef TESTS_VERIFIER_BREAKS_H
#define TESTS_VERIFIER_BREAKS_H

#define BREAKS(X)                                                                                                      \
    X(nothing)                                                                                                         \
    X(stores_by_hand)          /* as Microsoft's page says: no mistake */                                              \
    X(acquires_with_many_tags) /* nor is this */                                                                       \
    /* requests */                                                                                                     \
    X(completes_twice)                                                                                                 \
    X(completes_for_the_library)                                                                                       \
    X(completes_as_pending)                                                                                            \
    X(forgets)                                                                                                         \
    X(returns_without_completing)                                                                                      \
    X(pends_unmarked)                                                                                                  \
    X(marks_and_completes)                                                                                             \
    X(stores_nothing)                                                                                                  \
    X(leaves_cancel_routine)                                                                                           \
    X(leaves_notification)                                                                                             \
    X(leaves_current_irp)                                                                                              \
    X(claims_too_much)                                                                                                 \
    X(claims_too_much_pended)                                                                                          \
    X(enters_callback_twice)                                                                                           \
    /* what belongs to OsData->SpinLock */                                                                             \
    X(writes_state)                                                                                                    \
    X(writes_current_irp)                                                                                              \
    X(writes_notification)                                                                                             \
    /* IRQL */                                                                                                         \
    X(waits_in_dpc)                                                                                                    \
    X(takes_fast_mutex_in_dpc)                                                                                         \
    X(asks_paged_pool_in_dpc)                                                                                          \
    X(links_at_dispatch)                                                                                               \
    X(locks_for_dpc_at_passive)                                                                                        \
    X(lowers_upwards)                                                                                                  \
    X(raises_downwards)                                                                                                \
    X(completes_at_high)                                                                                               \
    /* locks */                                                                                                        \
    X(keeps_lock_in_dispatch)                                                                                          \
    X(keeps_lock_in_callback)                                                                                          \
    X(keeps_lock_in_dpc)                                                                                               \
    X(keeps_lock_in_cancel)                                                                                            \
    X(keeps_lock_in_work)                                                                                              \
    X(keeps_lock_in_thread)                                                                                            \
    X(keeps_cancel_lock)                                                                                               \
    X(keeps_mutex)                                                                                                     \
    X(keeps_fast_mutex)                                                                                                \
    X(keeps_irql)                                                                                                      \
    X(locks_twice)                                                                                                     \
    X(unlocks_unlocked)                                                                                                \
    X(releases_mutex)                                                                                                  \
    X(releases_fast_mutex)                                                                                             \
    X(overfills_semaphore)                                                                                             \
    /* the remove lock */                                                                                              \
    X(releases_too_often)                                                                                              \
    X(keeps_remove_lock)                                                                                               \
    X(never_waits_for_remove_lock)                                                                                     \
    X(releases_other_tag)                                                                                              \
    X(releases_kernels_too_often)                                                                                      \
    X(keeps_kernels_remove_lock)                                                                                       \
    /* memory */                                                                                                       \
    X(writes_behind_reply)                                                                                             \
    X(writes_before_request)                                                                                           \
    X(writes_afterwards)                                                                                               \
    X(writes_behind_pool)                                                                                              \
    X(frees_twice)                                                                                                     \
    X(writes_freed_pool)                                                                                               \
    X(keeps_pool)                                                                                                      \
    X(frees_null)                                                                                                      \
    X(frees_others_request)                                                                                            \
    X(queues_work_twice)                                                                                               \
    /* the process ends: only for `smartcrd verify`, which survives it */                                              \
    X(asserts)                                                                                                         \
    X(crashes)                                                                                                         \
    X(hangs)

#define BROKEN_TURN_FUNCTION 2048 /* of the vendor code that takes the card out, or puts it back */

#define BROKEN_SLOW_CLASS 0x80 /* CLA of commands that take two seconds */

enum breaks {
#define BREAK(name) BREAK_##name,
    BREAKS(BREAK)
#undef BREAK
};

#endif
