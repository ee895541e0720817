/* SPDX-License-Identifier: MIT */
/*
 * The last error under many threads (DESIGN section 4): every answer must be the status of an operation that was the
 * last one to end at some moment between the question and the answer. The journal's sequence numbers are the order of
 * endings.
 */
#include "client_toy.h"

#define OPERATIONS 3000u
#define ASKERS     3
#define SAMPLES    40000u

struct sample {
    uint64_t before, after; /* newest sequence number seen before asking and after the answer */
    NTSTATUS answer;
};

struct run {
    struct house *house;
    _Atomic bool over;
    _Atomic uint64_t newest;            /* of the completions that were seen */
    NTSTATUS ended[4 * OPERATIONS + 1]; /* by sequence number; each written once by whoever got that completion */
    struct sample samples[ASKERS][SAMPLES];
    size_t sample_count[ASKERS];
    _Atomic int asker;
};

static struct run run;

static void note(const struct smartcrd_completion *completion)
{
    uint64_t seen = run.newest;

    assert_in_range(completion->sequence, 1, ARRAYSIZE(run.ended) - 1);
    assert_int_equal(run.ended[completion->sequence], 0);
    run.ended[completion->sequence] = completion->status;
    while (seen < completion->sequence && !atomic_compare_exchange_weak(&run.newest, &seen, completion->sequence))
        ;
}

static void *operate(void *argument)
{
    uint32_t salt = *(uint32_t *)argument;
    struct smartcrd_handle *handle;
    struct smartcrd_completion completion;

    assert_int_equal(smartcrd_open(run.house->context, "SCReader0", &handle), STATUS_SUCCESS);
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        uint32_t code = i % 97 == 0 ? TOY_LATER : TOY_RETURN;
        uint32_t want = 0xC0000000u | salt << 16 | (i + 1);
        NTSTATUS status = smartcrd_submit(
            handle, code == TOY_LATER ? ASK(code, 0, want, 0, SMARTCRD_NO_TIMEOUT) : ASK(code, want, 0, 0, 20000), NULL,
            &completion);
        if (status == STATUS_PENDING)
            assert_int_equal(smartcrd_reap(handle, &completion, 60000), STATUS_SUCCESS);
        assert_int_equal(completion.status, (NTSTATUS)want);
        note(&completion);
    }
    smartcrd_close(handle);
    return NULL;
}

/* Tracking requests end beside the operations, by cancellation or by the driver. */
static void *track(void *argument)
{
    struct smartcrd_handle *handle;
    struct smartcrd_completion completion;

    (void)argument;
    assert_int_equal(smartcrd_open(run.house->context, "SCReader0", &handle), STATUS_SUCCESS);
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        uint64_t id;
        NTSTATUS status =
            smartcrd_submit(handle, ASK(IOCTL_SMARTCARD_IS_PRESENT, 0, 0, 0, SMARTCRD_NO_TIMEOUT), &id, &completion);
        if (status == STATUS_PENDING) {
            if (i % 2 == 0 || !toy_let_go(run.house->toy, &run.house->toy->tracking, STATUS_NO_MEDIA, 0))
                assert_int_not_equal(smartcrd_cancel(handle, id), STATUS_NOT_FOUND);
            assert_int_equal(smartcrd_reap_one(handle, id, &completion, 60000), STATUS_SUCCESS);
        }
        note(&completion);
    }
    smartcrd_close(handle);
    return NULL;
}

static void *ask(void *argument)
{
    int me = run.asker++;
    size_t count = 0;
    struct smartcrd_handle *handle;

    (void)argument;
    assert_int_equal(smartcrd_open(run.house->context, "SCReader0", &handle), STATUS_SUCCESS);
    while (!run.over) {
        struct sample sample = {.before = run.newest};
        struct smartcrd_journal_entry entry;
        sample.answer = last_of(handle);
        /* What had ended when the answer was there: nothing later than the newest entry, or the one that was just
         * stored and not yet entered. */
        uint64_t since = sample.before;
        while (smartcrd_journal(handle, since, &entry, 1) == 1)
            since = entry.sequence;
        sample.after = since + 1;
        run.samples[me][count++ % SAMPLES] = sample;
    }
    run.sample_count[me] = count < SAMPLES ? count : SAMPLES;
    smartcrd_close(handle);
    return NULL;
}

static void every_answer_is_the_status_of_the_last_end(void **state)
{
    pthread_t operators[3], trackers[1], askers[ASKERS];
    uint32_t salts[3] = {1, 2, 3};
    size_t checked = 0;

    memset(&run, 0, sizeof(run));
    run.house = *state;
    for (int i = 0; i < ASKERS; i++)
        pthread_create(&askers[i], NULL, ask, NULL);
    for (int i = 0; i < 3; i++)
        pthread_create(&operators[i], NULL, operate, &salts[i]);
    pthread_create(&trackers[0], NULL, track, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(operators[i], NULL);
    pthread_join(trackers[0], NULL);
    run.over = true;
    for (int i = 0; i < ASKERS; i++)
        pthread_join(askers[i], NULL);

    /* Every number was given once, without a gap. */
    for (uint64_t s = 1; s <= 4 * OPERATIONS; s++) {
        if (run.ended[s] == 0)
            assert_true(s > run.newest);
    }
    assert_int_equal(run.newest, 4 * OPERATIONS);
    for (int a = 0; a < ASKERS; a++) {
        for (size_t i = 0; i < run.sample_count[a]; i++) {
            struct sample *sample = &run.samples[a][i];
            bool found = sample->before == 0 && sample->answer == STATUS_SUCCESS;
            for (uint64_t s = sample->before > 0 ? sample->before : 1; s <= sample->after && !found; s++)
                found = s < ARRAYSIZE(run.ended) && run.ended[s] == sample->answer;
            if (!found) {
                uint64_t s = 1;
                while (s < ARRAYSIZE(run.ended) && run.ended[s] != sample->answer)
                    s++;
                fail_msg("0x%08X (first of number %lu) answered between %lu and %lu", (unsigned)sample->answer,
                         (unsigned long)s, (unsigned long)sample->before, (unsigned long)sample->after);
            }
            checked++;
        }
    }
    assert_true(checked > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_answer_is_the_status_of_the_last_end, house_up, house_down),
        cmocka_unit_test_setup_teardown(every_answer_is_the_status_of_the_last_end, house_up_blocking, house_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
