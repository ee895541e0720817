/* SPDX-License-Identifier: MIT */
/* The suite itself: it tells a failure, a skip and a hang from a pass, and a check spoils nothing for the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* the suite has words of these names */
#undef skip

#include "linux/port.h"
#include "port.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- checks of all kinds ----------------------------------------------------------------------------------------- */

static int runs; /* of `passes` */
static uint32_t drawn[4];

static void passes(struct suite *suite)
{
    runs++;
}

static void fails(struct suite *suite)
{
    EXPECT_NUMBER(suite, 1 + 1, 3);
    runs += 100; /* the first failure ends a check */
}

static void skips(struct suite *suite)
{
    skip(suite, "because of %s", "the weather");
}

static void draws(struct suite *suite)
{
    for (int i = 0; i < 4; i++)
        drawn[i] = chance(suite, 1000000);
}

static void repeats(struct suite *suite)
{
    runs += (int)rounds(suite, 3);
}

/* Finds a reader as suite.h promises it. */
static void finds_idle_reader(struct suite *suite)
{
    HANDLE handle = open_reader(suite);
    struct io *io =
        request(suite, open_device(suite, "vreader0-panel", FILE_FLAG_OVERLAPPED), IOCTL_VREADER_STATUS, NULL, 0, 200);
    EXPECT_NUMBER(suite, reader_state(suite, handle), SCARD_ABSENT);
    EXPECT_BYTES(suite, io->out, io->returned, "card=none power=off protocol=none faults=0\n", 43);
    io = start(suite, handle, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0); /* not DEVICE_BUSY: none is pending */
    EXPECT(suite, io->pended);
}

static void finds_echo_card(struct suite *suite)
{
    EXPECT_NUMBER(suite, reader_state(suite, open_reader(suite)), SCARD_PRESENT);
}

/* Leaves a card, a fault, requests in flight, handles, an event, and a reader. */
static void leaves_everything(struct suite *suite)
{
    static const UCHAR apdu[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    HANDLE handle = open_reader(suite);
    char name[64];
    new_event(suite, TRUE);
    fresh_reader(suite, name);
    fresh_card_in(suite, name, "echo");
    start(suite, open_device(suite, name, FILE_FLAG_OVERLAPPED), IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    card_in(suite, "echo");
    power_up(suite, handle, SCARD_COLD_RESET, NULL);
    EXPECT_NUMBER(suite, set_protocol(suite, handle, SCARD_PROTOCOL_T1), SCARD_PROTOCOL_T1);
    fault(suite, "wtx");
    start_transmit(suite, handle, SCARD_PROTOCOL_T1, apdu, sizeof apdu, 64);
    start_transmit(suite, handle, SCARD_PROTOCOL_T1, apdu, sizeof apdu, 64);
    start(suite, handle, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, 0);
    fail(suite, __FILE__, __LINE__, "and fails");
}

static DWORD WINAPI loops(LPVOID argument)
{
    while (!check_over(argument))
        Sleep(1);
    return 0;
}

/* On a handle that the suite does not know. */
static DWORD WINAPI waits(LPVOID argument)
{
    HANDLE handle = open_named("vreader0", 0);
    DWORD returned;
    DeviceIoControl(handle, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, &returned, NULL);
    CloseHandle(handle);
    return 0;
}

static void leaves_threads(struct suite *suite)
{
    new_thread(suite, loops, suite);
    new_thread(suite, waits, suite);
}

static DWORD WINAPI fails_there(LPVOID argument)
{
    struct suite *suite = argument;
    EXPECT(suite, argument == NULL);
    return 0;
}

static void fails_in_a_thread(struct suite *suite)
{
    WaitForSingleObject(new_thread(suite, fails_there, suite), INFINITE);
    fail(suite, __FILE__, __LINE__, "a second time"); /* the first reason stands */
}

/* Waits for what nobody does; a cancel ends it. */
static void hangs(struct suite *suite)
{
    struct io *io = start(suite, open_reader(suite), IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, 0);
    DWORD returned;
    GetOverlappedResult(io->handle, &io->overlapped, &returned, TRUE);
}

static void fails_to_end(struct suite *suite)
{
    for (;;)
        Sleep(1000);
}

/* ---- running them ------------------------------------------------------------------------------------------------ */

struct world {
    struct smartcrd *context;
    struct conform_options options;
    struct conform run;
    struct part part;
    const struct part *parts[2];
};

static int begin(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    assert_true(port_begin(NULL, world->run.reader));
    world->options = (struct conform_options){.seed = 1, .limit = 60, .silent = true};
    world->run.options = &world->options;
    world->part = (struct part){.letter = 'T', .title = "tests"};
    world->parts[0] = &world->part;
    world->run.parts = world->parts;
    runs = 0;
    *state = world;
    return 0;
}

static int leave(void **state)
{
    struct world *world = *state;
    conform_free(&world->run);
    port_finish();
    free(world);
    return 0;
}

#define RUN(world, ...)                                                                                                \
    run_checks(world, (const struct check[]){__VA_ARGS__},                                                             \
               sizeof((const struct check[]){__VA_ARGS__}) / sizeof(struct check))

static int run_checks(struct world *world, const struct check *checks, size_t count)
{
    world->part.checks = checks;
    world->part.count = count;
    return conform_run(&world->run);
}

static void assert_totals(const struct world *world, unsigned passed, unsigned failed, unsigned skipped)
{
    struct totals totals = totals_of(&world->run, NULL);
    assert_int_equal(totals.passed, passed);
    assert_int_equal(totals.failed, failed);
    assert_int_equal(totals.skipped, skipped);
}

/* ---- verdicts ---------------------------------------------------------------------------------------------------- */

static void passing_checks_end_with_0(void **state)
{
    struct world *world = *state;
    assert_int_equal(RUN(world, {"one", "-", 0, passes}, {"two", "-", 0, passes}), CONFORM_PASSED);
    assert_totals(world, 2, 0, 0);
    assert_int_equal(runs, 2);
}

static void failing_check_is_told_with_its_place(void **state)
{
    struct world *world = *state;
    const struct result *result;
    assert_int_equal(RUN(world, {"one", "-", 0, fails}, {"two", "-", 0, passes}), CONFORM_FAILED);
    assert_totals(world, 1, 1, 0);
    assert_int_equal(runs, 1);
    result = &world->run.results[0];
    assert_int_equal(result->verdict, FAILED);
    assert_string_equal(result->reason, "1 + 1 is 2 (0x2), not 3 (0x3)");
    assert_non_null(strstr(result->file, "self/run.c"));
    assert_true(result->line > 0);
}

static void skip_has_its_reason(void **state)
{
    struct world *world = *state;
    assert_int_equal(RUN(world, {"one", "-", 0, skips}), CONFORM_PASSED);
    assert_totals(world, 0, 0, 1);
    assert_string_equal(world->run.results[0].reason, "because of the weather");
}

static void failure_in_a_thread_fails_the_check(void **state)
{
    struct world *world = *state;
    assert_int_equal(RUN(world, {"one", "-", 0, fails_in_a_thread}, {"two", "-", 0, passes}), CONFORM_FAILED);
    assert_totals(world, 1, 1, 0);
    assert_string_equal(world->run.results[0].reason, "argument == NULL");
}

static void hanging_check_is_ended_and_failed(void **state)
{
    struct world *world = *state;
    world->options.limit = 1;
    assert_int_equal(RUN(world, {"one", "-", 0, hangs}, {"two", "-", 0, passes}), CONFORM_FAILED);
    assert_totals(world, 1, 1, 0);
    assert_string_equal(world->run.results[0].reason, "hung: it did not end within 1 s");
}

/* In a child: the whole process ends. */
static void check_that_cannot_be_ended_ends_the_run(void **state)
{
    char path[] = "/tmp/conform_run.XXXXXX", text[4096] = "";
    int status, file = mkstemp(path);
    pid_t child;
    assert_true(file >= 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct world world = {.options = {.seed = 1, .limit = 1, .junit = path, .silent = true}};
        if (!port_begin(NULL, world.run.reader))
            _exit(99);
        world.run.options = &world.options;
        world.part = (struct part){.letter = 'T', .title = "tests"};
        world.parts[0] = &world.part;
        world.run.parts = world.parts;
        RUN(&world, {"endless", "-", 0, fails_to_end}, {"two", "-", 0, passes});
        _exit(98);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CONFORM_FAILED);
    assert_true(read(file, text, sizeof text - 1) > 0); /* the reports are there all the same */
    close(file);
    unlink(path);
    assert_non_null(strstr(text, "<failure message=\"hung: it did not end within 1 s\">"));
    assert_non_null(strstr(text, "<skipped message=\"not run: a check before it hung, and could not be ended\">"));
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

static void check_leaves_nothing_for_the_next(void **state)
{
    struct world *world = *state;
    assert_int_equal(RUN(world, {"one", "-", NEED_VIRTUAL, leaves_everything}, {"two", "-", 0, finds_idle_reader},
                         {"three", "-", 0, leaves_threads}, {"four", "-", 0, finds_idle_reader},
                         {"five", "-", NEED_CARD, finds_echo_card}, {"six", "-", 0, finds_idle_reader}),
                     CONFORM_FAILED);
    assert_string_equal(world->run.results[0].reason, "and fails");
    for (size_t i = 1; i < world->run.count; i++)
        assert_string_equal(world->run.results[i].reason, "");
    assert_totals(world, 5, 1, 0);
    assert_int_equal(smartcrd_list(win32_context(), NULL, 0), 1); /* the fresh reader is gone */
}

static void what_runs_can_be_chosen(void **state)
{
    struct world *world = *state;
    world->options.names[0] = "two";
    world->options.names[1] = "T.three";
    world->options.name_count = 2;
    assert_int_equal(RUN(world, {"one", "-", 0, fails}, {"two", "-", 0, passes}, {"three", "-", 0, passes}),
                     CONFORM_PASSED);
    assert_totals(world, 2, 0, 0);
}

static void chance_follows_from_seed_and_name(void **state)
{
    struct world *world = *state;
    uint32_t before[4];
    RUN(world, {"one", "-", 0, passes}, {"draws", "-", 0, draws});
    memcpy(before, drawn, sizeof before);
    conform_free(&world->run);
    RUN(world, {"draws", "-", 0, draws});
    assert_memory_equal(before, drawn, sizeof before);
    conform_free(&world->run);
    RUN(world, {"other", "-", 0, draws});
    assert_memory_not_equal(before, drawn, sizeof before);
    conform_free(&world->run);
    world->options.seed = 2;
    RUN(world, {"draws", "-", 0, draws});
    assert_memory_not_equal(before, drawn, sizeof before);
}

static void rounds_are_the_checks_own_or_the_options(void **state)
{
    struct world *world = *state;
    RUN(world, {"one", "-", 0, repeats});
    assert_int_equal(runs, 3);
    conform_free(&world->run);
    world->options.rounds = 5;
    RUN(world, {"one", "-", 0, repeats});
    assert_int_equal(runs, 8);
}

static void table_without_a_source_is_refused(void **state)
{
    struct world *world = *state;
    assert_int_equal(RUN(world, {"one", "", 0, passes}), CONFORM_FAILED);
    assert_int_equal(RUN(world, {"one", NULL, 0, passes}), CONFORM_FAILED);
    assert_int_equal(runs, 0);
}

static void table_with_a_name_twice_is_refused(void **state)
{
    struct world *world = *state;
    assert_int_equal(RUN(world, {"one", "-", 0, passes}, {"one", "-", 0, passes}), CONFORM_FAILED);
    assert_int_equal(runs, 0);
}

static void reader_that_is_not_there_is_missing(void **state)
{
    struct world *world = *state;
    strcpy(world->run.reader, "vreader7");
    assert_int_equal(RUN(world, {"one", "-", 0, passes}), CONFORM_MISSING);
}

/* ---- the suite's own mapping ------------------------------------------------------------------------------------- */

static void suite_and_host_agree_on_errors(void **state)
{
    unsigned known = 0;
    for (uint64_t status = 0x80000000u; status < 0x80001000u; status++)
        if (error_of((NTSTATUS)status) != 317) {
            assert_int_equal(error_of((NTSTATUS)status), win32_error((NTSTATUS)status));
            known++;
        }
    for (uint64_t status = 0xC0000000u; status < 0xC0001000u; status++)
        if (error_of((NTSTATUS)status) != 317) {
            assert_int_equal(error_of((NTSTATUS)status), win32_error((NTSTATUS)status));
            known++;
        }
    assert_int_equal(known, 34);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_that_cannot_be_ended_ends_the_run), /* first: it forks */
        cmocka_unit_test_setup_teardown(passing_checks_end_with_0, begin, leave),
        cmocka_unit_test_setup_teardown(failing_check_is_told_with_its_place, begin, leave),
        cmocka_unit_test_setup_teardown(skip_has_its_reason, begin, leave),
        cmocka_unit_test_setup_teardown(failure_in_a_thread_fails_the_check, begin, leave),
        cmocka_unit_test_setup_teardown(hanging_check_is_ended_and_failed, begin, leave),
        cmocka_unit_test_setup_teardown(check_leaves_nothing_for_the_next, begin, leave),
        cmocka_unit_test_setup_teardown(what_runs_can_be_chosen, begin, leave),
        cmocka_unit_test_setup_teardown(chance_follows_from_seed_and_name, begin, leave),
        cmocka_unit_test_setup_teardown(rounds_are_the_checks_own_or_the_options, begin, leave),
        cmocka_unit_test_setup_teardown(table_without_a_source_is_refused, begin, leave),
        cmocka_unit_test_setup_teardown(table_with_a_name_twice_is_refused, begin, leave),
        cmocka_unit_test_setup_teardown(reader_that_is_not_there_is_missing, begin, leave),
        cmocka_unit_test(suite_and_host_agree_on_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
