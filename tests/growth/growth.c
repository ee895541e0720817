/* SPDX-License-Identifier: MIT */
/*
 * Memory over a very long time: what an hour of connects and removals would do, in less. Each case does the same thing
 * over and over; after a warm-up, and at the end, the process is measured: bytes in use on the heap, resident memory,
 * mappings, descriptors, threads. The bounds are written out below: they allow for what is bounded by itself (a journal
 * that fills, caches of the C library, a worker that happens to be there), and for nothing that grows with the number
 * of operations: one byte lost for each would be found.
 *
 * usage: growth [MILLIONTHS [WORD]]: how many in a million of the operations to do (default: all); only the cases with
 * this word in their name
 */
#include "../e2e/support.h"

#include <ctype.h>
#include <dirent.h>
#include <malloc.h>
#include <time.h>
#include <unistd.h>

/* AddressSanitizer has a heap of its own, and keeps what is freed for a while. */
#if defined(__SANITIZE_ADDRESS__)
#define OTHER_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OTHER_HEAP 1
#endif
#endif

#ifdef OTHER_HEAP
#include <sanitizer/allocator_interface.h>
#endif

/* By how much the end may be above the warm state. */
#define HEAP_BOUND     65536     /* bytes in use: a million operations that lose one byte in ten lose more */
#define RESIDENT_BOUND (4 << 20) /* bytes: the heap's own free lists, stacks of threads that come and go */
#define MAPPING_BOUND  8
#define FILE_BOUND     0
#define THREAD_BOUND   2 /* the host's workers come and go with the work */

struct measure {
    long heap, resident, mappings, files, threads;
};

/* What a case has; made once, before the warm-up. */
struct stage {
    struct smartcrd *context;
    char name[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *reader, *panel;
};

struct growth_case {
    const char *name;
    void (*once)(struct stage *stage, unsigned long number);
    unsigned long times; /* of a million */
    bool alone;          /* it makes its contexts itself */
};

/* ---- measuring --------------------------------------------------------------------------------------------------- */

static long count_lines(const char *path)
{
    FILE *file = fopen(path, "re");
    long lines = 0;
    int c;

    assert_non_null(file);
    while ((c = fgetc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static long count_entries(const char *path)
{
    DIR *folder = opendir(path);
    long entries = 0;

    assert_non_null(folder);
    while (readdir(folder))
        entries++;
    closedir(folder);
    return entries;
}

__attribute__((unused)) static long resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long all, resident;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &all, &resident), 2);
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static struct measure measure(void)
{
    struct measure now;

    malloc_trim(0);
#ifdef OTHER_HEAP
    now.heap = (long)__sanitizer_get_current_allocated_bytes();
    now.resident = 0;
#else
    now.heap = (long)(mallinfo2().uordblks + mallinfo2().hblkhd);
    now.resident = resident_bytes();
#endif
    now.mappings = count_lines("/proc/self/maps");
    now.files = count_entries("/proc/self/fd");
    now.threads = count_entries("/proc/self/task");
    return now;
}

/* Whether nothing is beyond its bound. */
static bool judge(const char *name, unsigned long times, const struct measure *warm, const struct measure *end)
{
    const struct {
        const char *what;
        long warm, end, bound;
    } rows[] = {
        {"bytes in use", warm->heap, end->heap, HEAP_BOUND},
        {"bytes resident", warm->resident, end->resident, RESIDENT_BOUND},
        {"mappings", warm->mappings, end->mappings, MAPPING_BOUND},
        {"descriptors", warm->files, end->files, FILE_BOUND},
        {"threads", warm->threads, end->threads, THREAD_BOUND},
    };
    bool good = true;

    printf("%s, %lu times:", name, times);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        printf("%s %+ld %s", i ? "," : "", rows[i].end - rows[i].warm, rows[i].what);
        good = good && rows[i].end - rows[i].warm <= rows[i].bound;
    }
    printf("\n[ %8s ] ", good ? "      OK" : " FAILED");
    for (; *name; name++)
        putchar(isalnum((unsigned char)*name) ? *name : '_');
    putchar('\n');
    return good;
}

/* ---- what is done ------------------------------------------------------------------------------------------------ */

static void send_select(struct smartcrd_handle *handle)
{
    static const uint8_t select_mf[] = {0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00};
    uint8_t reply[258];
    size_t size = sizeof reply;

    assert_status(smartcrd_transmit(handle, select_mf, sizeof select_mf, reply, &size, PATIENCE_MS), STATUS_SUCCESS);
    assert_int_equal(size, 2);
}

static void connect_card(struct smartcrd_handle *handle, uint32_t protocol)
{
    uint8_t atr[33];
    size_t size = sizeof atr;

    assert_status(smartcrd_power(handle, SCARD_COLD_RESET, atr, &size, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    assert_status(smartcrd_set_protocol(handle, protocol, NULL, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
}

/* A handle opened, the card reset, a protocol, a command, the handle closed. */
static void connect_once(struct stage *stage, unsigned long number)
{
    struct smartcrd_handle *handle = open_handle(stage->context, stage->name);

    connect_card(handle, number % 2 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0);
    send_select(handle);
    smartcrd_close(handle);
}

/* Every other one cancelled, every third ended by its deadline, some dropped by the close. */
static void overlap_once(struct stage *stage, unsigned long number)
{
    struct smartcrd_handle *handle = open_handle(stage->context, stage->name);
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_IS_ABSENT, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    struct smartcrd_completion completion;
    uint64_t id = 0;

    if (number % 3 == 2)
        request.timeout_ms = 0;
    (void)smartcrd_submit(handle, &request, &id, &completion);
    if (number % 8 == 0)
        assert_true(smartcrd_fd(handle) >= 0);
    if (number % 2 == 0)
        (void)smartcrd_cancel(handle, id);
    if (number % 4 < 2)
        (void)smartcrd_reap(handle, &completion, number % 2 == 0 ? PATIENCE_MS : 0);
    smartcrd_close(handle);
}

/* The card taken out and another one put in, with faults armed and a script now and then. */
static void swap_card(struct stage *stage, unsigned long number)
{
    static const char *const cards[] = {"fs", "echo", "script\nmatch\n> *\n< 9000\n", "fs pin=87654321 tries=5"};
    const char *card = cards[number % 4];
    struct smartcrd_request request = {.code = IOCTL_VREADER_REMOVE, .timeout_ms = SMARTCRD_NO_TIMEOUT};

    assert_status(smartcrd_control(stage->panel, &request, NULL), STATUS_SUCCESS);
    request = (struct smartcrd_request){
        .code = IOCTL_VREADER_INSERT, .in = card, .in_size = strlen(card), .timeout_ms = SMARTCRD_NO_TIMEOUT};
    assert_status(smartcrd_control(stage->panel, &request, NULL), STATUS_SUCCESS);
    connect_card(stage->reader, SCARD_PROTOCOL_T1);
    if (number % 4 != 1)
        send_select(stage->reader);
}

/* The reader pulled and plugged in again; a handle of it stays open over its end. */
static void replug_reader(struct stage *stage, unsigned long number)
{
    char name[SMARTCRD_NAME_MAX], panel[SMARTCRD_NAME_MAX + 8];
    struct smartcrd_handle *handle, *hand;
    struct smartcrd_request request = {
        .code = IOCTL_VREADER_INSERT, .in = "echo", .in_size = 4, .timeout_ms = SMARTCRD_NO_TIMEOUT};

    assert_status(smartcrd_add_reader(stage->context, "vreader", name, sizeof name), STATUS_SUCCESS);
    snprintf(panel, sizeof panel, "%s-panel", name);
    handle = open_handle(stage->context, name);
    hand = open_handle(stage->context, panel);
    assert_status(smartcrd_control(hand, &request, NULL), STATUS_SUCCESS);
    if (number % 2)
        smartcrd_close(hand);
    connect_card(handle, SCARD_PROTOCOL_T1);
    assert_status(smartcrd_remove_reader(stage->context, name), STATUS_SUCCESS);
    if (!(number % 2))
        smartcrd_close(hand);
    smartcrd_close(handle);
}

/* Driver loaded, a reader made, all of it removed, driver unloaded. A reader goes with the last of what it had, which
 * may be on another thread, so unloading may be told to wait. */
static void reload_driver(struct stage *stage, unsigned long number)
{
    NTSTATUS status = STATUS_DEVICE_BUSY;
    char name[SMARTCRD_NAME_MAX];

    assert_status(smartcrd_load_driver(stage->context, "vreader", NULL, 0), STATUS_SUCCESS);
    if (number % 2) {
        assert_status(smartcrd_add_reader(stage->context, "vreader", name, sizeof name), STATUS_SUCCESS);
        assert_status(smartcrd_remove_reader(stage->context, name), STATUS_SUCCESS);
    }
    for (int i = 0; status == STATUS_DEVICE_BUSY && i < 10000; i++) {
        status = smartcrd_unload_driver(stage->context, "vreader");
        if (status == STATUS_DEVICE_BUSY)
            usleep(1000);
    }
    assert_status(status, STATUS_SUCCESS);
}

static void whole_context(struct stage *stage, unsigned long number)
{
    struct smartcrd_options options = {.size = sizeof options, .simulated_time = number % 2};
    struct world world;

    (void)stage;
    world_open(&world, &options);
    insert_card(&world, "echo");
    power_up(&world);
    world_close(&world);
}

static const struct growth_case cases[] = {
    {"a handle, a reset, a command", connect_once, 1000000},
    {"an overlapped request", overlap_once, 1000000},
    {"another card", swap_card, 150000},
    {"another reader", replug_reader, 100000},
    {"a driver", reload_driver, 20000, .alone = true},
    {"a context", whole_context, 3000, .alone = true},
};

/* ---- the frame --------------------------------------------------------------------------------------------------- */

static void set_stage(struct stage *stage, const struct growth_case *c)
{
    struct world world;

    memset(stage, 0, sizeof *stage);
    if (c->alone) {
        assert_status(smartcrd_create(NULL, &stage->context), STATUS_SUCCESS);
        return;
    }
    world_open(&world, NULL);
    insert_card(&world, "fs");
    stage->context = world.context;
    stage->reader = world.reader;
    stage->panel = world.panel;
    memcpy(stage->name, world.name, sizeof world.name);
}

static bool run_case(const struct growth_case *c, double share)
{
    unsigned long times = (unsigned long)((double)c->times * share), warm_up = times / 10 + 100;
    struct measure warm, end;
    struct stage stage;

    set_stage(&stage, c);
    for (unsigned long i = 0; i < warm_up; i++)
        c->once(&stage, i);
    (void)measure(); /* the measuring has its own first time */
    warm = measure();
    for (unsigned long i = 0; i < times; i++)
        c->once(&stage, i);
    end = measure();
    smartcrd_close(stage.reader);
    smartcrd_close(stage.panel);
    smartcrd_destroy(stage.context);
    return judge(c->name, times, &warm, &end);
}

int main(int argc, char **argv)
{
    double share = argc > 1 ? atof(argv[1]) / 1000000 : 1;
    size_t run = 0, bad = 0;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (argc > 2 && !strstr(cases[i].name, argv[2]))
            continue;
        run++;
        bad += !run_case(&cases[i], share);
        fflush(stdout);
    }
    printf("%zu cases, %zu failed\n", run, bad);
    return bad > 0 || run == 0;
}
