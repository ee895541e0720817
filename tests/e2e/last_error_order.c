/* SPDX-License-Identifier: MIT */
/*
 * The last error under many threads: whoever has seen an operation end and then asks gets that operation's status or a
 * later one's, never an earlier one's. Every operation has a status of its own here, so that each answer can be held
 * against the order of endings that the journal's sequence numbers give.
 */
#include "support.h"
#include "support_driver.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 6
#define ROUNDS  400

struct seen {
    uint64_t sequence; /* of the thread's own operation that ended last before it asked */
    NTSTATUS answer;
};
struct racer {
    struct world *world;
    unsigned number;
    uint64_t sequence_of[ROUNDS]; /* by the low bits of the status: thread << 16 | round */
    struct seen seen[ROUNDS];
    const char *problem;
    atomic_bool *stop;
};

static NTSTATUS ask(struct smartcrd_handle *handle, NTSTATUS *answer)
{
    uint32_t value = 0;
    NTSTATUS status = control(handle, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, &value, sizeof(value), NULL);
    *answer = (NTSTATUS)value;
    return status;
}

/* Operations with a status of their own each, ending in every way that there is. */
static void *race(void *argument)
{
    struct racer *racer = argument;
    static const uint32_t hows[] = {SCRIPT_AT_ONCE, SCRIPT_PEND, SCRIPT_AT_ONCE, SCRIPT_STORE_HELPER,
                                    SCRIPT_PEND | SCRIPT_CANCELLABLE};
    struct smartcrd_handle *handle = NULL;

    if (smartcrd_open(racer->world->context, racer->world->name, &handle) != STATUS_SUCCESS) {
        racer->problem = "open";
        return NULL;
    }
    for (unsigned round = 0; round < ROUNDS && racer->problem == NULL; round++) {
        const struct script script = {0xE0000000u | racer->number << 16 | round, hows[(round + racer->number) % 5], 0,
                                      0};
        struct smartcrd_request request = {
            .code = IOCTL_TEST_SCRIPT, .in = &script, .in_size = sizeof(script), .timeout_ms = SMARTCRD_NO_TIMEOUT};
        struct smartcrd_completion done = {0};
        uint64_t id = 0;
        NTSTATUS status = smartcrd_submit(handle, &request, &id, &done);
        if (status == STATUS_PENDING && smartcrd_reap_one(handle, id, &done, PATIENCE_MS) != STATUS_SUCCESS)
            racer->problem = "no completion";
        else if (done.status != (NTSTATUS)script.status || done.sequence == 0)
            racer->problem = "a completion is not its operation's";
        else if (ask(handle, &racer->seen[round].answer) != STATUS_SUCCESS)
            racer->problem = "no answer";
        racer->sequence_of[round] = done.sequence;
        racer->seen[round].sequence = done.sequence;
    }
    smartcrd_close(handle);
    return NULL;
}

/* Asks all the time, and never sees time go backwards. */
#define GLANCES 100000
struct watcher {
    struct world *world;
    atomic_bool stop;
    NTSTATUS seen[GLANCES]; /* changes only */
    size_t count;
    const char *problem;
};

static void *watch(void *argument)
{
    struct watcher *watcher = argument;
    struct smartcrd_handle *handle = NULL;
    if (smartcrd_open(watcher->world->context, watcher->world->name, &handle) != STATUS_SUCCESS) {
        watcher->problem = "open";
        return NULL;
    }
    while (!atomic_load(&watcher->stop) && watcher->count < GLANCES) {
        NTSTATUS answer;
        if (ask(handle, &answer) != STATUS_SUCCESS)
            watcher->problem = "no answer";
        if (watcher->count == 0 || watcher->seen[watcher->count - 1] != answer)
            watcher->seen[watcher->count++] = answer;
    }
    smartcrd_close(handle);
    return NULL;
}

/* Which place in the order of endings a status has; 0 for the beginning. */
static uint64_t place(const struct racer *racers, NTSTATUS status)
{
    const uint32_t value = (uint32_t)status, thread = value >> 16 & 0xFF, round = value & 0xFFFF;
    if (status == STATUS_SUCCESS)
        return 0;
    assert_int_equal(value >> 24, 0xE0);
    assert_in_range(thread, 0, THREADS - 1);
    assert_in_range(round, 0, ROUNDS - 1);
    assert_true(racers[thread].sequence_of[round] != 0);
    return racers[thread].sequence_of[round];
}

static void whoever_saw_an_operation_end_gets_its_status_or_a_later_ones(void **state)
{
    struct world *world = *state;
    static struct racer racers[THREADS];
    static struct watcher watcher;
    pthread_t threads[THREADS], watching;

    memset(racers, 0, sizeof(racers));
    memset(&watcher, 0, sizeof(watcher));
    watcher.world = world;
    assert_int_equal(pthread_create(&watching, NULL, watch, &watcher), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        racers[i].world = world;
        racers[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&watcher.stop, true);
    pthread_join(watching, NULL);

    uint64_t greatest = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        if (racers[i].problem != NULL)
            fail_msg("thread %u: %s", i, racers[i].problem);
        uint64_t before = 0;
        for (unsigned round = 0; round < ROUNDS; round++) {
            const struct seen *seen = &racers[i].seen[round];
            const uint64_t answered = place(racers, seen->answer);
            if (answered < seen->sequence || answered < before)
                fail_msg("thread %u saw operation %llu end and was then answered with operation %llu's status", i,
                         (unsigned long long)seen->sequence, (unsigned long long)answered);
            before = answered;
            if (seen->sequence > greatest)
                greatest = seen->sequence;
        }
    }
    assert_true(greatest >= (uint64_t)THREADS * ROUNDS);
    assert_int_equal(place(racers, last_error(world->reader)), greatest);
    assert_null(watcher.problem);
    uint64_t before = 0;
    for (size_t i = 0; i < watcher.count; i++) {
        const uint64_t answered = place(racers, watcher.seen[i]);
        if (answered < before)
            fail_msg("the watcher was answered with operation %llu's status after operation %llu's",
                     (unsigned long long)answered, (unsigned long long)before);
        before = answered;
    }
}

/* Tracking requests end beside the queue: two ends at the same time still have one order. */
static void *cancel_tracking(void *argument)
{
    struct racer *racer = argument;
    struct smartcrd_handle *handle = NULL;
    if (smartcrd_open(racer->world->context, racer->world->name, &handle) != STATUS_SUCCESS) {
        racer->problem = "open";
        return NULL;
    }
    for (unsigned round = 0; round < ROUNDS && racer->problem == NULL; round++) {
        struct smartcrd_request request = {.code = IOCTL_SMARTCARD_IS_PRESENT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
        struct smartcrd_completion done = {0};
        uint64_t id = 0;
        NTSTATUS status = smartcrd_submit(handle, &request, &id, &done);
        if (status == STATUS_PENDING) {
            smartcrd_cancel(handle, id);
            if (smartcrd_reap_one(handle, id, &done, PATIENCE_MS) != STATUS_SUCCESS)
                racer->problem = "no completion";
        }
        if (done.status != STATUS_CANCELLED)
            racer->problem = "the tracking request did not end cancelled";
        if (ask(handle, &racer->seen[round].answer) != STATUS_SUCCESS)
            racer->problem = "no answer";
        racer->seen[round].sequence = done.sequence;
    }
    smartcrd_close(handle);
    return NULL;
}

static void tracking_and_operations_that_end_together_have_one_order(void **state)
{
    struct world *world = *state;
    static struct racer racers[THREADS], tracker;
    pthread_t threads[2], tracking;

    test_reader_set(test_reader_at(0), SCARD_ABSENT, 0);
    memset(racers, 0, sizeof(racers));
    memset(&tracker, 0, sizeof(tracker));
    tracker.world = world;
    for (unsigned i = 0; i < 2; i++) {
        racers[i].world = world;
        racers[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    assert_int_equal(pthread_create(&tracking, NULL, cancel_tracking, &tracker), 0);
    pthread_join(tracking, NULL);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    if (tracker.problem != NULL)
        fail_msg("tracking: %s", tracker.problem);
    for (unsigned round = 0; round < ROUNDS; round++) {
        const struct seen *seen = &tracker.seen[round];
        /* Either its own cancelled end, or an operation's that ended later. */
        if (seen->answer != STATUS_CANCELLED && place(racers, seen->answer) < seen->sequence)
            fail_msg("a tracking request's end, %llu, was hidden by the earlier operation %llu",
                     (unsigned long long)seen->sequence, (unsigned long long)place(racers, seen->answer));
    }
    for (unsigned i = 0; i < 2; i++) {
        if (racers[i].problem != NULL)
            fail_msg("thread %u: %s", i, racers[i].problem);
        for (unsigned round = 0; round < ROUNDS; round++)
            if (racers[i].seen[round].answer != STATUS_CANCELLED)
                assert_true(place(racers, racers[i].seen[round].answer) >= racers[i].seen[round].sequence);
    }
}

#define ON_SCRIPTED(f) cmocka_unit_test_setup_teardown(f, scripted_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SCRIPTED(whoever_saw_an_operation_end_gets_its_status_or_a_later_ones),
        ON_SCRIPTED(tracking_and_operations_that_end_together_have_one_order),
    };
    return cmocka_run_group_tests_name("last_error_order", tests, NULL, NULL);
}
