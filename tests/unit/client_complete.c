/* SPDX-License-Identifier: MIT */
/* Submitting and reaping: what a completion carries, when it comes, and the descriptor (DESIGN section 5). */
#include "client_toy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <unistd.h>

#define NONE SMARTCRD_NO_TIMEOUT

static bool readable(int fd, int wait_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, wait_ms) == 1 && (poll_fd.revents & POLLIN);
}

static void what_ends_at_once_brings_no_completion(void **state)
{
    struct house *house = *state;
    struct smartcrd_completion done, completion;
    uint32_t in[2] = {STATUS_SUCCESS, 8}, out[2] = {0, 0};
    uint64_t id = 0;
    struct smartcrd_request request = {.code = TOY_RETURN,
                                       .in = in,
                                       .in_size = sizeof(in),
                                       .out = out,
                                       .out_size = sizeof(out),
                                       .timeout_ms = NONE,
                                       .user = &id};

    assert_int_equal(smartcrd_submit(house->handle, &request, &id, &done), STATUS_SUCCESS);
    assert_int_equal(done.id, id);
    assert_ptr_equal(done.user, &id);
    assert_int_equal(done.code, TOY_RETURN);
    assert_int_equal(done.status, STATUS_SUCCESS);
    assert_int_equal(done.information, 8);
    assert_int_equal(done.sequence, 1);
    assert_int_equal(out[1], 8);
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_NO_MORE_ENTRIES);
    assert_int_equal(smartcrd_reap(house->handle, &completion, NONE), STATUS_NO_MORE_ENTRIES);
    assert_int_equal(smartcrd_reap_one(house->handle, id, &completion, NONE), STATUS_NOT_FOUND);
}

static void a_query_has_no_sequence_and_ends_at_once(void **state)
{
    struct house *house = *state;
    struct smartcrd_completion done;
    uint32_t out = 99;
    struct smartcrd_request request = {
        .code = IOCTL_SMARTCARD_GET_LAST_ERROR, .out = &out, .out_size = 4, .timeout_ms = NONE};

    assert_int_equal(smartcrd_submit(house->handle, &request, NULL, &done), STATUS_SUCCESS);
    assert_int_equal(done.information, 4);
    assert_int_equal(done.sequence, 0);
    assert_int_not_equal(done.id, 0);
    assert_int_equal(out, 0);
}

static void completions_come_in_the_order_of_endings(void **state)
{
    struct house *house = *state;
    uint64_t tracking = start_pending(house->handle, IOCTL_SMARTCARD_IS_PRESENT, NONE);
    uint64_t held = start_pending(house->handle, TOY_HOLD, NONE);
    uint64_t queued = start_pending(house->handle, TOY_HOLD, NONE);
    struct smartcrd_completion completion;

    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_TIMEOUT);
    assert_int_equal(smartcrd_cancel(house->handle, queued), STATUS_SUCCESS);
    assert_true(toy_let_go(house->toy, &house->toy->tracking, STATUS_SUCCESS, 0));
    assert_true(toy_release(house->toy, STATUS_NO_MEDIA));
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_SUCCESS);
    assert_int_equal(completion.id, queued);
    assert_int_equal(completion.sequence, 1);
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_SUCCESS);
    assert_int_equal(completion.id, tracking);
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_SUCCESS);
    assert_int_equal(completion.id, held);
    assert_int_equal(completion.sequence, 3);
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_NO_MORE_ENTRIES);
}

static void reap_one_takes_that_one_only(void **state)
{
    struct house *house = *state;
    uint64_t first = start_pending(house->handle, TOY_HOLD, NONE);
    uint64_t second = start_pending(house->handle, TOY_HOLD, NONE);
    struct smartcrd_completion completion;

    assert_int_equal(smartcrd_reap_one(house->handle, second, &completion, 1), STATUS_TIMEOUT);
    assert_int_equal(smartcrd_cancel(house->handle, second), STATUS_SUCCESS);
    assert_int_equal(smartcrd_cancel(house->handle, first), STATUS_SUCCESS);
    assert_int_equal(smartcrd_reap_one(house->handle, first, &completion, 0), STATUS_SUCCESS);
    assert_int_equal(smartcrd_reap_one(house->handle, first, &completion, 0), STATUS_NOT_FOUND);
    assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_SUCCESS);
    assert_int_equal(completion.id, second);
}

static void *reap_for_ever(void *argument)
{
    struct smartcrd_completion completion;

    return (void *)(intptr_t)smartcrd_reap(argument, &completion, NONE);
}

static void who_waits_for_what_another_took_is_told(void **state)
{
    struct house *house = *state;
    uint64_t id = start_pending(house->handle, TOY_HOLD, NONE);
    pthread_t threads[2];
    void *results[2];

    (void)id;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, reap_for_ever, house->handle);
    sleep_ms(20);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], &results[i]);
    /* One got it, the other learns that none can come. */
    assert_true(((NTSTATUS)(intptr_t)results[0] == STATUS_SUCCESS) !=
                ((NTSTATUS)(intptr_t)results[1] == STATUS_SUCCESS));
    assert_true(((NTSTATUS)(intptr_t)results[0] == STATUS_NO_MORE_ENTRIES) !=
                ((NTSTATUS)(intptr_t)results[1] == STATUS_NO_MORE_ENTRIES));
}

static void the_callers_memory_is_written_only_on_delivery(void **state)
{
    struct house *house = *state;
    uint8_t *out = malloc(16), *in = malloc(16);
    struct smartcrd_request request = {
        .code = TOY_LATER, .in = in, .in_size = 12, .out = out, .out_size = 16, .timeout_ms = NONE};
    struct smartcrd_completion completion;

    /* Long enough for submit to return first, also on a busy machine. */
    memcpy(in, (uint32_t[]){150, STATUS_SUCCESS, 0}, 12);
    memset(out, 0xA5, 16);
    assert_int_equal(smartcrd_submit(house->handle, &request, NULL, NULL), STATUS_PENDING);
    free(in); /* copied at once */
    struct smartcrd_journal_entry entry;
    while (smartcrd_journal(house->handle, 0, &entry, 1) == 0)
        sleep_ms(1); /* until it has ended */
    for (int i = 0; i < 16; i++)
        assert_int_equal(out[i], 0xA5);
    assert_int_equal(smartcrd_reap(house->handle, &completion, 30000), STATUS_SUCCESS);
    assert_int_equal(completion.information, 0);
    free(out);
}

static void information_is_held_against_the_buffer(void **state)
{
    struct house *house = *state;
    uint8_t out[12];
    size_t information = 0;
    struct smartcrd_request request = {.code = TOY_RETURN,
                                       .in = (uint32_t[]){STATUS_SUCCESS, 0xFFFFFFFF},
                                       .in_size = 8,
                                       .out = out,
                                       .out_size = 10,
                                       .timeout_ms = NONE};

    memset(out, 0xA5, sizeof(out));
    assert_int_equal(smartcrd_control(house->handle, &request, &information), STATUS_SUCCESS);
    assert_int_equal(information, 10);
    /* What the driver did not write is nothing but zeros; what is behind the buffer stays as it was. */
    assert_memory_equal(out, "\0\0\0\0\xFF\xFF\xFF\xFF\0\0\xA5\xA5", 12);
}

static void errors_bring_no_output_and_warnings_do(void **state)
{
    struct house *house = *state;
    uint8_t out[8];
    size_t information = 99;
    uint32_t in[2] = {(uint32_t)STATUS_CRC_ERROR, 8};
    struct smartcrd_request request = {
        .code = TOY_RETURN, .in = in, .in_size = 8, .out = out, .out_size = 8, .timeout_ms = NONE};

    memset(out, 0xA5, sizeof(out));
    assert_int_equal(smartcrd_control(house->handle, &request, &information), STATUS_CRC_ERROR);
    assert_int_equal(information, 0);
    assert_memory_equal(out, "\xA5\xA5\xA5\xA5\xA5\xA5\xA5\xA5", 8);
    in[0] = (uint32_t)STATUS_BUFFER_OVERFLOW;
    assert_int_equal(smartcrd_control(house->handle, &request, &information), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(information, 8);
    assert_memory_equal(out, "\x05\x00\x00\x80\x08\x00\x00\x00", 8);
}

static void a_buffer_is_wiped_before_its_next_use(void **state)
{
    struct house *house = *state;
    uint8_t secret[400], out[400] = {0};
    struct smartcrd_request request = {.code = TOY_RETURN, .in = secret, .in_size = sizeof(secret), .timeout_ms = NONE};
    size_t information;

    memset(secret, 0x5A, sizeof(secret));
    memcpy(secret, (uint32_t[]){STATUS_SUCCESS, 0}, 8);
    assert_int_equal(smartcrd_control(house->handle, &request, NULL), STATUS_SUCCESS);
    /* The driver claims more than it wrote: nothing of the request before is in it. */
    request = (struct smartcrd_request){.code = TOY_RETURN,
                                        .in = (uint32_t[]){STATUS_SUCCESS, 400},
                                        .in_size = 8,
                                        .out = out,
                                        .out_size = sizeof(out),
                                        .timeout_ms = NONE};
    assert_int_equal(smartcrd_control(house->handle, &request, &information), STATUS_SUCCESS);
    assert_int_equal(information, 400);
    for (size_t i = 8; i < sizeof(out); i++)
        assert_int_equal(out[i], 0);
}

static void the_completions_status_counts_not_the_dispatch_routines(void **state)
{
    struct house *house = *state;

    assert_int_equal(smartcrd_control(house->handle, ASK(TOY_DOUBLE, STATUS_NO_MEDIA, STATUS_SUCCESS, 0, NONE), NULL),
                     STATUS_NO_MEDIA);
    assert_int_equal(last_of(house->handle), STATUS_NO_MEDIA);
}

static void sizes_beyond_the_limit_are_refused(void **state)
{
    struct house *house = *state;
    static uint8_t big[65536 + 1024 + 1];
    struct smartcrd_request request = {.code = TOY_RETURN,
                                       .in = big,
                                       .in_size = sizeof(big) - 1,
                                       .out = big,
                                       .out_size = sizeof(big) - 1,
                                       .timeout_ms = NONE};

    assert_int_equal(smartcrd_control(house->handle, &request, NULL), STATUS_SUCCESS);
    request.in_size++;
    assert_int_equal(smartcrd_control(house->handle, &request, NULL), STATUS_INVALID_PARAMETER);
    assert_int_equal(last_of(house->handle), STATUS_INVALID_PARAMETER);
    assert_int_equal(house->toy->operations, 1);
    request.in_size = SIZE_MAX;
    assert_int_equal(smartcrd_submit(house->handle, &request, NULL, NULL), STATUS_INVALID_PARAMETER);
    request.in = NULL;
    request.in_size = 1;
    assert_int_equal(smartcrd_control(house->handle, &request, NULL), STATUS_INVALID_PARAMETER);
    assert_int_equal(smartcrd_control(house->handle, NULL, NULL), STATUS_INVALID_PARAMETER);
    assert_int_equal(smartcrd_control(NULL, &request, NULL), STATUS_INVALID_PARAMETER);
}

static void the_descriptor_is_readable_while_a_completion_waits(void **state)
{
    struct house *house = *state;
    int fd = smartcrd_fd(house->handle);
    struct smartcrd_completion completion;
    uint64_t ids[3];

    assert_true(fd >= 0);
    assert_int_equal(smartcrd_fd(house->handle), fd);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_false(readable(fd, 0));
    for (int i = 0; i < 3; i++)
        ids[i] = start_pending(house->handle, TOY_HOLD, NONE);
    assert_false(readable(fd, 0));
    for (int i = 2; i >= 0; i--) {
        assert_int_equal(smartcrd_cancel(house->handle, ids[i]), STATUS_SUCCESS);
        assert_true(readable(fd, 0));
    }
    for (int i = 0; i < 3; i++) {
        assert_true(readable(fd, 0));
        assert_int_equal(smartcrd_reap(house->handle, &completion, 0), STATUS_SUCCESS);
    }
    assert_false(readable(fd, 0));
}

static void a_descriptor_made_late_knows_of_what_waits(void **state)
{
    struct house *house = *state;
    uint64_t id = start_pending(house->handle, TOY_HOLD, NONE);

    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_SUCCESS);
    assert_true(readable(smartcrd_fd(house->handle), 0));
    assert_int_equal(reap_status(house->handle, id), STATUS_CANCELLED);
    assert_false(readable(smartcrd_fd(house->handle), 0));
}

static void polling_wakes_for_a_completion_from_elsewhere(void **state)
{
    struct house *house = *state;
    int fd = smartcrd_fd(house->handle);
    uint64_t id;

    for (int i = 0; i < 50; i++) {
        /* The first is long enough to be pending when submit returns, also on a busy machine. */
        NTSTATUS status =
            smartcrd_submit(house->handle, ASK(TOY_LATER, i == 0 ? 150 : 1, STATUS_SUCCESS, 0, NONE), &id, NULL);
        if (i > 0 && status == STATUS_SUCCESS) { /* ended before submit returned: no completion comes */
            assert_false(readable(fd, 0));
            continue;
        }
        assert_int_equal(status, STATUS_PENDING);
        assert_true(readable(fd, 30000));
        assert_int_equal(reap_status(house->handle, id), STATUS_SUCCESS);
        assert_false(readable(fd, 0));
    }
}

static void thousands_in_flight_each_end_once(void **state)
{
    struct house *house = *state;
    enum { COUNT = 5000 };
    static uint8_t seen[COUNT];
    struct smartcrd_completion completion;

    memset(seen, 0, sizeof(seen));
    for (uintptr_t i = 0; i < COUNT; i++) {
        struct smartcrd_request request = {
            .code = TOY_HOLD, .timeout_ms = i % 3 == 0 ? 60000 + (uint32_t)i : NONE, .user = (void *)i};
        assert_int_equal(smartcrd_submit(house->handle, &request, NULL, NULL), STATUS_PENDING);
    }
    assert_int_equal(smartcrd_cancel_all(house->handle), COUNT);
    while (smartcrd_reap(house->handle, &completion, 30000) == STATUS_SUCCESS) {
        assert_int_equal(completion.status, STATUS_CANCELLED);
        seen[(uintptr_t)completion.user]++;
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_up, house_down)

static sem_t pended;

static unsigned threads_of_this_process(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    unsigned count = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        if (!strncmp(line, "Threads:", 8))
            count = (unsigned)strtoul(line + 8, NULL, 10);
    fclose(file);
    return count;
}

#define TURNS 1000

/* Lets go of what the driver holds, once its dispatch routine has returned. */
static void *let_go_each_time(void *argument)
{
    struct house *house = argument;

    for (int i = 0; i < TURNS; i++) {
        sem_wait(&pended);
        toy_release(house->toy, STATUS_NO_MEDIA);
    }
    return NULL;
}

/* The turn goes on before the end is seen: the next request finds the reader idle and runs on its caller's thread. */
static void who_reaped_an_end_finds_the_reader_free(void **state)
{
    struct house *house = *state;
    struct smartcrd_completion completion;
    pthread_t thread;
    unsigned threads;

    assert_int_equal(sem_init(&pended, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, let_go_each_time, house), 0);
    threads = threads_of_this_process();
    for (int i = 0; i < TURNS; i++) {
        start_pending(house->handle, TOY_HOLD, NONE);
        sem_post(&pended);
        assert_int_equal(smartcrd_reap(house->handle, &completion, 30000), STATUS_SUCCESS);
        assert_int_equal(completion.status, STATUS_NO_MEDIA);
        assert_true(threads_of_this_process() <= threads); /* no worker */
    }
    pthread_join(thread, NULL);
    sem_destroy(&pended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_ends_at_once_brings_no_completion),     TEST(a_query_has_no_sequence_and_ends_at_once),
        TEST(completions_come_in_the_order_of_endings),   TEST(reap_one_takes_that_one_only),
        TEST(who_waits_for_what_another_took_is_told),    TEST(the_callers_memory_is_written_only_on_delivery),
        TEST(information_is_held_against_the_buffer),     TEST(errors_bring_no_output_and_warnings_do),
        TEST(a_buffer_is_wiped_before_its_next_use),      TEST(the_completions_status_counts_not_the_dispatch_routines),
        TEST(sizes_beyond_the_limit_are_refused),         TEST(the_descriptor_is_readable_while_a_completion_waits),
        TEST(a_descriptor_made_late_knows_of_what_waits), TEST(polling_wakes_for_a_completion_from_elsewhere),
        TEST(thousands_in_flight_each_end_once),          TEST(who_reaped_an_end_finds_the_reader_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
