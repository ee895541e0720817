/* SPDX-License-Identifier: MIT */
/*
 * The rounds of `smartcrd verify`, each from a seed of its own: the driver is loaded, readers are added, one thread or
 * three ask at random (cmd_verify_ask.c), and in the end the driver is unloaded and loaded once more. The verifier watches
 * (smartcrd_options.verify); what it finds goes into the record.
 */
#include "cmd_verify_work.h"

#include <stdlib.h>
#include <string.h>

#define STEPS        150   /* of each thread in a round, */
#define ROUND_MS     10000 /* unless it lasts longer: a driver that forgets a request keeps all others waiting */
#define UNLOAD_TRIES 100   /* 10 ms apart */

static struct verify_found *find(struct verify_record *record, const struct smartcrd_violation *violation,
                                 uint32_t rule)
{
    unsigned count = atomic_load_explicit(&record->found_count, memory_order_relaxed);
    for (unsigned i = 0; i < count; i++) {
        struct verify_found *found = &record->found[i];
        if (found->rule == rule && strcmp(found->violation.function, violation->function) == 0 &&
            strcmp(found->violation.request, violation->request) == 0)
            return found;
    }
    return NULL;
}

/* Take what the verifier has found. The first thread only. */
static void collect(struct world *world)
{
    struct verify_record *record = world->record;
    struct smartcrd_violation violation;
    while (smartcrd_next_violation(world->context, &violation)) {
        unsigned count = atomic_load_explicit(&record->found_count, memory_order_relaxed);
        struct verify_found *found;
        uint32_t rule = 0;
        while (smartcrd_rule(rule) && smartcrd_rule(rule) != violation.rule)
            rule++;
        found = find(record, &violation, rule);
        if (found) {
            found->times += violation.times;
        } else if (count < VERIFY_VIOLATIONS) {
            record->found[count] = (struct verify_found){violation, rule, violation.times,
                                                         atomic_load_explicit(&record->seed, memory_order_relaxed)};
            atomic_store_explicit(&record->found_count, count + 1, memory_order_release);
        } else {
            record->found_more++;
        }
    }
}

/* In real time; simulated time stops nothing, so that each run is the same. */
static bool goes_on(const struct world *world)
{
    return !atomic_load_explicit(&world->record->stop, memory_order_relaxed) &&
           (world->plan->simulated || cli_now_ns() < world->until_ns);
}

static void *sit(void *argument)
{
    struct seat *seat = argument;
    for (unsigned i = 0; i < STEPS && goes_on(seat->world); i++) {
        /* Each step has draws of its own: how the ones before went changes nothing about what it asks. */
        seat->random = (uint64_t)seat->world->seed << 32 | seat->number << 16 | i;
        seat_steps(seat);
        if (seat->number == 0)
            collect(seat->world);
    }
    seat_rests(seat);
    return NULL;
}

static NTSTATUS load(struct world *world, char *why, size_t size)
{
    NTSTATUS status;
    struct smartcrd_reader_info info[READERS];
    seat_does(&world->seats[0], "loading the driver (DriverEntry)");
    status = smartcrd_load_driver(world->context, world->plan->driver, why, size);
    if (!NT_SUCCESS(status))
        return status;
    verify_happened(world->record, VERIFY_LOADED);
    world->adds = false;
    for (size_t i = 0; i < READERS; i++) {
        seat_does(&world->seats[0], "adding a reader (AddDevice, IRP_MN_START_DEVICE)");
        world->names[i][0] = '\0';
        status = smartcrd_add_reader(world->context, world->driver, world->names[i], sizeof world->names[i]);
        if (status == STATUS_NOT_SUPPORTED)
            break;
        if (!NT_SUCCESS(status)) {
            world->names[i][0] = '\0';
            return status;
        }
        world->adds = true;
    }
    if (!world->adds) { /* they are there already */
        size_t count = smartcrd_list(world->context, info, READERS);
        if (count == 0)
            return STATUS_NO_SUCH_DEVICE;
        for (size_t i = 0; i < READERS; i++)
            memcpy(world->names[i], info[i < count ? i : 0].name, sizeof world->names[i]);
    }
    return STATUS_SUCCESS;
}

static void unload(struct world *world)
{
    struct seat *first = &world->seats[0];
    int tries = UNLOAD_TRIES;
    NTSTATUS status;
    for (size_t i = 0; i < READERS && world->adds; i++) {
        seat_does(first, "removing %s", world->names[i]);
        if (world->names[i][0] && NT_SUCCESS(smartcrd_remove_reader(world->context, world->names[i])))
            verify_happened(world->record, VERIFY_REMOVED);
    }
    collect(world);
    seat_does(first, "unloading the driver (DriverUnload)");
    do { /* refused while the driver has a request that everybody else is done with */
        status = smartcrd_unload_driver(world->context, world->driver);
    } while (status == STATUS_DEVICE_BUSY && tries-- > 0 && seat_waits(first, 10000));
    if (NT_SUCCESS(status))
        verify_happened(world->record, VERIFY_UNLOADED);
    collect(world);
}

static void ask_at_random(struct world *world)
{
    pthread_t threads[VERIFY_SEATS];
    bool started[VERIFY_SEATS] = {false};
    for (unsigned i = 1; i < world->seat_count; i++)
        started[i] = pthread_create(&threads[i], NULL, sit, &world->seats[i]) == 0;
    sit(&world->seats[0]);
    for (unsigned i = 1; i < world->seat_count; i++)
        if (started[i])
            pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < world->seat_count; i++)
        seat_leaves(&world->seats[i]);
    collect(world);
}

static void take_seats(struct world *world, uint32_t seed)
{
    world->seed = seed;
    world->until_ns = cli_now_ns() + ROUND_MS * UINT64_C(1000000);
    world->seat_count = seed % 2 || world->plan->simulated ? 1 : VERIFY_SEATS;
    for (unsigned i = 0; i < VERIFY_SEATS; i++) {
        struct seat *seat = &world->seats[i];
        seat->world = world;
        seat->number = i;
        seat->random = (uint64_t)seed << 32 | i << 16 | STEPS;
    }
}

/* false: it could not be done; the record says why. */
static bool play(struct world *world, uint32_t seed)
{
    const struct smartcrd_options options = {
        .size = sizeof options, .simulated_time = world->plan->simulated, .verify = 1};
    struct verify_record *record = world->record;
    NTSTATUS status = smartcrd_create(&options, &world->context);
    char why[256] = "", words[48];
    atomic_store_explicit(&record->seed, seed, memory_order_relaxed);
    take_seats(world, seed);
    if (!NT_SUCCESS(status)) {
        snprintf(record->why, sizeof record->why, "no readers can be had: %s", smartcrd_status_text(status));
        return false;
    }
    status = load(world, why, sizeof why);
    if (NT_SUCCESS(status)) {
        ask_at_random(world);
        unload(world);
        status = load(world, why, sizeof why);
        for (size_t i = 0; NT_SUCCESS(status) && i < HANDLES; i++)
            seat_opens(&world->seats[0]);
        for (size_t i = 0; NT_SUCCESS(status) && i < HANDLES; i++)
            seat_submits(&world->seats[0]);
        seat_leaves(&world->seats[0]);
    }
    if (!NT_SUCCESS(status))
        snprintf(record->why, sizeof record->why, "%s: %s", cli_status_words(status, words, sizeof words),
                 why[0] ? why : smartcrd_status_text(status));
    unload(world); /* what smartcrd_destroy finds nobody can read any more */
    seat_does(&world->seats[0], "taking everything down");
    smartcrd_destroy(world->context);
    seat_rests(&world->seats[0]);
    atomic_fetch_add_explicit(&record->rounds, 1, memory_order_relaxed);
    return NT_SUCCESS(status);
}

void verify_work(const struct verify_plan *plan, struct verify_record *record)
{
    struct world *world = calloc(1, sizeof *world);
    uint64_t end = cli_now_ns() + plan->seconds * UINT64_C(1000000000);
    bool good = world != NULL;

    record->exit = CLI_MISSING;
    snprintf(record->why, sizeof record->why, "there is no memory left");
    for (unsigned i = 0; good && i < VERIFY_SEATS; i++)
        good = (world->seats[i].big = malloc(BIG)) != NULL;
    if (!good)
        goto out;
    record->why[0] = '\0';
    world->plan = plan;
    world->record = record;
    cli_driver_name(plan->driver, world->driver, sizeof world->driver);
    pthread_mutex_init(&world->lock, NULL);
    for (uint32_t round = 0; good && !atomic_load_explicit(&record->stop, memory_order_relaxed); round++) {
        if (plan->rounds > 0 ? round >= plan->rounds : round > 0 && cli_now_ns() >= end)
            break;
        good = play(world, plan->seed + round);
    }
    pthread_mutex_destroy(&world->lock);
    record->exit = good ? CLI_OK : CLI_MISSING;
out:
    for (unsigned i = 0; world && i < VERIFY_SEATS; i++)
        free(world->seats[i].big);
    free(world);
}
