/* SPDX-License-Identifier: MIT */
/*
 * Every rule of the verifier has a driver that breaks it (broken.c with a mistake of breaks.h), and its report says so:
 * this rule and no other, the function of the driver that did it, and the request. The process lives on and ends as ever.
 * Each mistake runs in a process of its own, through the same walk, in which every routine of the driver has its turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <smartcrd/smartcrd.h>

#include "breaks.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURN         SCARD_CTL_CODE(BROKEN_TURN_FUNCTION)
#define TURN_NAME    "0x00312000"
#define HANG_SECONDS 60 /* then a case is killed */

struct row {
    const char *mistake;
    const char *rule; /* NULL: none is broken */
    const char *function;
    const char *request;
};

static const struct row rows[] = {
    {"nothing", NULL, NULL, NULL},
    {"stores_by_hand", NULL, NULL, NULL},
    {"acquires_with_many_tags", NULL, NULL, NULL},
    {"completes_twice", "completed_twice", "EjectDone", "IOCTL_SMARTCARD_EJECT"},
    {"completes_for_the_library", "completed_twice", "Eject", "IOCTL_SMARTCARD_EJECT"},
    {"completes_as_pending", "completed_as_pending", "EjectDone", "IOCTL_SMARTCARD_EJECT"},
    {"forgets", "never_completed", "Transmit", "IOCTL_SMARTCARD_TRANSMIT"},
    {"returns_without_completing", "returned_without_completing", "DispatchControl", "IOCTL_SMARTCARD_EJECT"},
    {"pends_unmarked", "pending_unmarked", "Transmit", "IOCTL_SMARTCARD_TRANSMIT"},
    {"marks_and_completes", "marked_not_pending", "Power", "IOCTL_SMARTCARD_POWER"},
    {"stores_nothing", "last_error_not_stored", "EjectDone", "IOCTL_SMARTCARD_EJECT"},
    {"leaves_cancel_routine", "cancel_routine_set", "TransmitDone", "IOCTL_SMARTCARD_TRANSMIT"},
    {"leaves_notification", "notification_left", "CancelTracking", "IOCTL_SMARTCARD_IS_ABSENT"},
    {"leaves_current_irp", "current_irp_left", "EjectDone", "IOCTL_SMARTCARD_EJECT"},
    {"claims_too_much", "information_beyond_buffer", "Power", "IOCTL_SMARTCARD_POWER"},
    {"claims_too_much_pended", "information_beyond_buffer", "EjectDone", "IOCTL_SMARTCARD_EJECT"},
    {"enters_callback_twice", "callback_entered_twice", "Swallow", "IOCTL_SMARTCARD_SWALLOW"},
    {"writes_state", "state_without_lock", "SetProtocol", "IOCTL_SMARTCARD_SET_PROTOCOL"},
    {"writes_current_irp", "state_without_lock", "EjectDone", "IOCTL_SMARTCARD_EJECT"},
    {"writes_notification", "state_without_lock", "CancelTracking", "IOCTL_SMARTCARD_IS_ABSENT"},
    {"waits_in_dpc", "wrong_irql", "TransmitDone", ""},
    {"takes_fast_mutex_in_dpc", "wrong_irql", "TransmitDone", ""},
    {"asks_paged_pool_in_dpc", "wrong_irql", "TransmitDone", ""},
    {"links_at_dispatch", "wrong_irql", "Vendor", TURN_NAME},
    {"locks_for_dpc_at_passive", "wrong_irql", "Vendor", TURN_NAME},
    {"lowers_upwards", "wrong_irql", "Vendor", TURN_NAME},
    {"raises_downwards", "wrong_irql", "Vendor", TURN_NAME},
    {"completes_at_high", "wrong_irql", "EjectDone", "IOCTL_SMARTCARD_EJECT"},
    {"keeps_lock_in_dispatch", "lock_held_on_return", "DispatchFile", "IRP_MJ_CLEANUP"},
    {"keeps_lock_in_callback", "lock_held_on_return", "Vendor", TURN_NAME},
    {"keeps_lock_in_dpc", "lock_held_on_return", "TransmitDone", ""},
    {"keeps_lock_in_cancel", "lock_held_on_return", "CancelTransmit", "IOCTL_SMARTCARD_TRANSMIT"},
    {"keeps_lock_in_work", "lock_held_on_return", "EjectDone", ""},
    {"keeps_lock_in_thread", "lock_held_on_return", "SlotThread", ""},
    {"keeps_cancel_lock", "lock_held_on_return", "CancelTracking", "IOCTL_SMARTCARD_IS_ABSENT"},
    {"keeps_mutex", "lock_held_on_return", "EjectDone", ""},
    {"keeps_fast_mutex", "lock_held_on_return", "Vendor", TURN_NAME},
    {"keeps_irql", "irql_on_return", "Vendor", TURN_NAME},
    {"locks_twice", "lock_misused", "Vendor", TURN_NAME},
    {"unlocks_unlocked", "lock_misused", "Vendor", TURN_NAME},
    {"releases_mutex", "lock_misused", "Vendor", TURN_NAME},
    {"releases_fast_mutex", "lock_misused", "Vendor", TURN_NAME},
    {"overfills_semaphore", "wrong_call", "Vendor", TURN_NAME},
    {"releases_too_often", "remove_lock_imbalance", "DispatchControl", TURN_NAME},
    {"keeps_remove_lock", "remove_lock_imbalance", "Vendor", ""},
    {"never_waits_for_remove_lock", "remove_lock_imbalance", "Vendor", ""},
    {"releases_other_tag", "remove_lock_imbalance", "Vendor", TURN_NAME},
    {"releases_kernels_too_often", "remove_lock_imbalance", "Vendor", TURN_NAME},
    {"keeps_kernels_remove_lock", "remove_lock_imbalance", "DispatchPnp", "IRP_MN_REMOVE_DEVICE"},
    {"writes_behind_reply", "buffer_overrun", "SetProtocol", "IOCTL_SMARTCARD_SET_PROTOCOL"},
    {"writes_before_request", "buffer_overrun", "SetProtocol", "IOCTL_SMARTCARD_SET_PROTOCOL"},
    {"writes_afterwards", "written_after_completion", "EjectDone", "IOCTL_SMARTCARD_EJECT"},
    {"writes_behind_pool", "pool_overrun", "Vendor", TURN_NAME},
    {"frees_twice", "pool_freed_wrongly", "Vendor", TURN_NAME},
    {"writes_freed_pool", "pool_used_after_free", "Vendor", ""},
    {"keeps_pool", "pool_left", "Vendor", ""},
    {"frees_others_request", "wrong_call", "Vendor", TURN_NAME},
    {"queues_work_twice", "wrong_call", "Vendor", TURN_NAME},
    {"frees_null", "wrong_call", "Vendor", TURN_NAME},
};

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

static int complaints;

static void complain(const char *mistake, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void complain(const char *mistake, const char *format, ...)
{
    va_list list;

    complaints++;
    fprintf(stderr, "%s: ", mistake);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

/* In good time even on a busy machine, but for the driver that never ends a request, behind which all others wait. */
static uint32_t patience_ms(void)
{
    return strcmp(getenv("BROKEN"), "forgets") == 0 ? 300 : 20000;
}

/* Run a request; a driver with a mistake may never end it. */
static void ask(struct smartcrd_handle *handle, uint32_t code, const void *in, size_t in_size, size_t out_size)
{
    uint8_t out[64];
    struct smartcrd_request request = {
        .code = code, .in = in, .in_size = in_size, .out = out, .out_size = out_size, .timeout_ms = patience_ms()};

    (void)smartcrd_control(handle, &request, NULL);
}

static void cancelled(struct smartcrd_handle *handle, uint32_t code, const void *in, size_t in_size, size_t out_size)
{
    uint8_t out[64];
    struct smartcrd_completion done;
    struct smartcrd_request request = {.code = code,
                                       .in = in,
                                       .in_size = in_size,
                                       .out = out,
                                       .out_size = out_size,
                                       .timeout_ms = SMARTCRD_NO_TIMEOUT};
    uint64_t id;

    if (smartcrd_submit(handle, &request, &id, &done) == STATUS_PENDING) {
        usleep(20000); /* so that the driver has it */
        (void)smartcrd_cancel(handle, id);
        (void)smartcrd_reap_one(handle, id, &done, patience_ms());
    }
}

static void walk(struct smartcrd_handle *handle)
{
    static const uint32_t cold = SCARD_COLD_RESET, t0 = SCARD_PROTOCOL_T0;
    const uint8_t quick[] = {SCARD_PROTOCOL_T0, 0, 0, 0, 8, 0, 0, 0, 0x00, 0xA4, 0, 0};
    const uint8_t slow[] = {SCARD_PROTOCOL_T0, 0, 0, 0, 8, 0, 0, 0, BROKEN_SLOW_CLASS, 0xA4, 0, 0};

    ask(handle, IOCTL_SMARTCARD_POWER, &cold, 4, 33);
    ask(handle, IOCTL_SMARTCARD_SET_PROTOCOL, &t0, 4, 4);
    ask(handle, IOCTL_SMARTCARD_TRANSMIT, quick, sizeof(quick), 64);
    cancelled(handle, IOCTL_SMARTCARD_TRANSMIT, slow, sizeof(slow), 64);
    ask(handle, IOCTL_SMARTCARD_EJECT, NULL, 0, 8);
    ask(handle, IOCTL_SMARTCARD_SWALLOW, NULL, 0, 0);
    cancelled(handle, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    ask(handle, TURN, NULL, 0, 0);
    ask(handle, TURN, NULL, 0, 0);
}

static unsigned check(struct smartcrd *context, const struct row *row)
{
    struct smartcrd_violation violation;
    unsigned seen = 0;
    char line[1024];

    for (; smartcrd_next_violation(context, &violation); seen++) {
        smartcrd_violation_text(&violation, line, sizeof(line));
        if (!row->rule)
            complain(row->mistake, "nothing is wrong, but it says: %s", line);
        else if (strcmp(violation.rule->name, row->rule) != 0)
            complain(row->mistake, "not %s: %s", row->rule, line);
        else if (strcmp(violation.function, row->function) != 0)
            complain(row->mistake, "not in %s: %s", row->function, line);
        else if (strcmp(violation.request, row->request) != 0)
            complain(row->mistake, "not of %s: %s", row->request[0] ? row->request : "no request", line);
        else if (strcmp(violation.driver, "broken") != 0 || violation.times == 0 || !violation.what[0])
            complain(row->mistake, "driver %s, %u times: %s", violation.driver, violation.times, line);
        else if (!strstr(line, violation.rule->advice) || !strstr(line, row->rule) || !strstr(line, row->function))
            complain(row->mistake, "one line does not say it all: %s", line);
    }
    return seen;
}

static void run_here(const struct row *row)
{
    const struct smartcrd_options options = {.size = sizeof(options), .verify = 1};
    struct smartcrd *context;
    struct smartcrd_handle *handle;
    char name[SMARTCRD_NAME_MAX], why[256];
    unsigned seen;

    setenv("BROKEN", row->mistake, 1);
    if (smartcrd_create(&options, &context) != STATUS_SUCCESS) {
        complain(row->mistake, "no context");
        return;
    }
    if (smartcrd_load_driver(context, getenv("BROKEN_DRIVER"), why, sizeof(why)) != STATUS_SUCCESS ||
        smartcrd_add_reader(context, "broken", name, sizeof(name)) != STATUS_SUCCESS ||
        smartcrd_open(context, name, &handle) != STATUS_SUCCESS) {
        complain(row->mistake, "no reader: %s", why);
        return;
    }
    walk(handle);
    if (smartcrd_remove_reader(context, name) != STATUS_SUCCESS)
        complain(row->mistake, "the reader cannot be removed");
    smartcrd_close(handle);
    seen = check(context, row);
    (void)smartcrd_unload_driver(context, "broken"); /* refused while a request is with the driver */
    seen += check(context, row);
    if (row->rule && seen == 0)
        complain(row->mistake, "nobody noticed that %s", row->rule);
    smartcrd_destroy(context);
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

/* Those for which the verifier waits some seconds before it is sure: begun first, beside the others. */
static const char *const slow[] = {"forgets", "keeps_remove_lock", "keeps_kernels_remove_lock"};
static pid_t begun[sizeof(slow) / sizeof(slow[0])];

static pid_t begin(const struct row *row)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        alarm(HANG_SECONDS);
        run_here(row);
        _exit(complaints == 0 ? 0 : 1);
    }
    return child;
}

static int begin_slow(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++) {
        for (size_t j = 0; j < sizeof(rows) / sizeof(rows[0]); j++) {
            if (strcmp(slow[i], rows[j].mistake) == 0)
                begun[i] = begin(&rows[j]);
        }
    }
    return 0;
}

static void a_mistake_is_reported(void **state)
{
    const struct row *row = *state;
    pid_t child = 0;
    int status;

    for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++) {
        if (strcmp(slow[i], row->mistake) == 0)
            child = begun[i];
    }
    if (child == 0)
        child = begin(row);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        fail_msg("%s: the process was killed by signal %d", row->mistake, WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void every_rule_has_a_driver_that_breaks_it(void **state)
{
    const struct smartcrd_rule *rule;

    (void)state;
    for (size_t i = 0; (rule = smartcrd_rule(i)); i++) {
        bool found = false;

        for (size_t j = 0; j < sizeof(rows) / sizeof(rows[0]) && !found; j++)
            found = rows[j].rule && strcmp(rows[j].rule, rule->name) == 0;
        if (!found)
            fail_msg("no driver breaks %s", rule->name);
        assert_true(rule->text[0] && rule->advice[0]);
    }
}

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* usage: verifier [MISTAKE]: that one only, in this process. */
int main(int argc, char **argv)
{
    struct CMUnitTest tests[ROWS + 1];

    for (size_t i = 0; i < ROWS; i++) {
        if (argc > 1 && strcmp(argv[1], rows[i].mistake) == 0) {
            run_here(&rows[i]);
            return complaints == 0 ? 0 : 1;
        }
        tests[i] = (struct CMUnitTest){
            .name = rows[i].mistake, .test_func = a_mistake_is_reported, .initial_state = (void *)(uintptr_t)&rows[i]};
    }
    tests[ROWS] = (struct CMUnitTest)cmocka_unit_test(every_rule_has_a_driver_that_breaks_it);
    return cmocka_run_group_tests_name("verifier", tests, begin_slow, NULL);
}
