/* SPDX-License-Identifier: MIT */
/*
 * A reader's engine and a card's engine talk over a line that loses, spoils, cuts, doubles and delays what it carries,
 * as a seed says. Every exchange ends with its own answer or with an error that is said; what the card is given to run
 * is always a whole command that was really sent, and once only unless a RESYNCH began the exchange again; and the
 * number of blocks is bounded.
 *
 *     engines [--seed N] [--count N] [--only SESSION]
 *
 * --count is the number of exchanges over each protocol. A failure names its seed and session; --only plays that
 * session alone and tells every step. engines_t1.c and engines_t0.c say what their lines can do, and what no line does.
 */
#include "engines.h"

#define COUNT_T1 800000ul
#define COUNT_T0 200000ul

struct play play;
unsigned long session;
unsigned exchange_index;

static uint64_t seed = 0x7816;
static unsigned long count;
static long only = -1;

uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

uint32_t below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)((next_random(state) >> 32) % limit);
}

bool chance(uint64_t *state, unsigned per_thousand)
{
    return per_thousand != 0 && below(state, 1000) < per_thousand;
}

static void fill(uint64_t *state, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = next_random(state);

        memcpy(bytes + i, &word, size - i < 8 ? size - i : 8);
    }
}

/* Bytes of data: mostly few, sometimes as many as can be. */
static uint32_t length(uint64_t *random, uint32_t most, size_t limit)
{
    static const uint32_t edges[] = {1, 31, 32, 33, 253, 254, 255, 256, 257, 508, 510, 65534, 65535, 65536};
    uint32_t dice = below(random, 1000), size;

    if (dice < 700)
        size = 1 + below(random, 40);
    else if (dice < 950)
        size = 1 + below(random, 700);
    else if (dice < 990)
        size = edges[below(random, COUNT(edges) - 3)];
    else if (dice < 997)
        size = 1 + below(random, 5000);
    else
        size = dice < 999 ? edges[below(random, COUNT(edges))] : 1 + below(random, 65536);
    if (size > most)
        size = most;
    return size > limit ? (uint32_t)limit : size;
}

static size_t put_length(uint8_t *to, uint32_t value, bool extended, bool first)
{
    size_t at = 0;

    if (!extended) {
        to[at++] = (uint8_t)value;
        return at;
    }
    if (first)
        to[at++] = 0;
    to[at++] = (uint8_t)(value >> 8);
    to[at++] = (uint8_t)value;
    return at;
}

void make_job(struct job *job, uint64_t session_seed, unsigned index, size_t limit)
{
    static const uint8_t ins[] = {0x00, 0x44, 0xB0, 0xD6, 0xD8}; /* by case; only case 2 reads (T=0) */
    static const uint8_t sw1[] = {0x90, 0x62, 0x63, 0x91, 0x95, 0x9F};
    uint64_t random = session_seed + index * 0xD1342543DE82EF95u;
    uint8_t *c = job->command, sum = 0;
    size_t at = 4, data;
    bool extended;

    job->index = index;
    job->kase = (uint8_t)(1 + below(&random, 4));
    job->lc = job->kase >= 3 ? length(&random, 65535, limit) : 0;
    job->ne = job->kase == 2 || job->kase == 4 ? length(&random, 65536, limit) : 0;
    extended = job->lc > 255 || job->ne > 256 || (job->kase > 1 && chance(&random, 100));
    if (job->kase >= 3) {
        at += put_length(c + at, job->lc, extended, true);
        fill(&random, c + at, job->lc);
        at += job->lc;
    }
    if (job->ne)
        at += put_length(c + at, job->ne, extended, job->kase == 2);
    job->command_size = at;
    c[0] = 0x00;
    c[1] = ins[job->kase];
    c[2] = (uint8_t)index;
    c[3] = 0;
    for (size_t i = 0; i < at; i++)
        sum = (uint8_t)((sum << 1 | sum >> 7) ^ c[i]);
    c[3] = (uint8_t)(sum + session_seed);

    data = job->ne == 0 ? 0 : chance(&random, 700) ? job->ne : below(&random, job->ne + 1);
    fill(&random, job->response, data);
    memcpy(job->response, c + 2, data < 2 ? data : 2);
    job->response[data] = sw1[below(&random, COUNT(sw1))];
    job->response[data + 1] = (uint8_t)index;
    job->response_size = data + 2;
}

void broken(const char *what)
{
    fail_msg("%s: seed %#llx, exchange %u of session %lu: %s\n"
             "to see it: engines --seed %#llx --only %lu",
             play.name, (unsigned long long)play.seed, exchange_index, session, what, (unsigned long long)play.seed,
             session);
}

void tell(const char *who, const uint8_t *bytes, size_t size, const char *what)
{
    if (play.only < 0)
        return;
    printf("%3u %-5s", exchange_index, who);
    for (size_t i = 0; i < size && i < 12; i++)
        printf(" %02X", bytes[i]);
    printf("%s (%zu) %s\n", size > 12 ? " ..." : "", size, what);
}

static void print_counts(const char *title, const unsigned long *counts, const char *const *names, size_t size)
{
    const char *before = "";

    print_message("  %s: ", title);
    for (size_t i = 0; i < size; i++) {
        if (names[i]) {
            print_message("%s%lu %s", before, counts[i], names[i]);
            before = ", ";
        }
    }
    print_message("\n");
}

static void run(const char *name, const char *unit, unsigned long default_count, void (*one)(uint64_t),
                const char *const *ends, const char *const *faults)
{
    play = (struct play){.name = name, .seed = seed, .count = count ? count : default_count, .only = only};
    print_message("%s: seed %#llx\n", name, (unsigned long long)seed);
    for (session = only >= 0 ? (unsigned long)only : 0; play.exchanges < play.count; session++) {
        uint64_t session_seed = seed ^ session * 0x2545F4914F6CDD1Du;

        one(next_random(&session_seed));
        play.sessions++;
        if (only >= 0)
            break;
    }
    print_message("  %lu exchanges in %lu sessions, %lu %s, %lu repeated, %lu RESYNCH\n", play.exchanges, play.sessions,
                  play.carried, unit, play.retransmissions, play.resynchronisations);
    print_counts("ends", play.ends, ends, ENDS_MAX);
    print_counts("faults", play.faults, faults, FAULT_KINDS_MAX);
    if (play.only >= 0 || play.count < default_count)
        return;
    /* A line on which nothing happens shows nothing. */
    for (size_t i = 0; i < FAULT_KINDS_MAX; i++)
        assert_true(faults[i] == NULL || play.faults[i] > 10);
    assert_true(play.ends[0] > play.exchanges / 2);
    assert_true(play.ends[0] < play.exchanges);
}

static void t1_gives_its_own_answer_or_an_error(void **state)
{
    run("T=1", "blocks to the card", COUNT_T1, t1_session, t1_ends, t1_faults);
}

static void t0_gives_its_own_answer_or_an_error(void **state)
{
    run("T=0", "characters", COUNT_T0, t0_session, t0_ends, t0_faults);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t1_gives_its_own_answer_or_an_error),
        cmocka_unit_test(t0_gives_its_own_answer_or_an_error),
    };

    for (int i = 1; i < argc; i += 2) {
        if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[i + 1], NULL, 0);
        } else if (i + 1 < argc && strcmp(argv[i], "--count") == 0) {
            count = strtoul(argv[i + 1], NULL, 0);
        } else if (i + 1 < argc && strcmp(argv[i], "--only") == 0) {
            only = strtol(argv[i + 1], NULL, 0);
        } else {
            fprintf(stderr, "usage: engines [--seed N] [--count N] [--only SESSION]\n");
            return 2;
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
