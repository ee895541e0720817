/* SPDX-License-Identifier: MIT */
/*
 * Random requests, cancels, deadlines, removals and closes over many readers, by many threads, with a driver that
 * completes, pends, keeps and sleeps as it likes. What must hold all the time is checked: every pending request ends
 * exactly once, with a status that it can have; a cancel that promised a cancelled end gets one; a descriptor is
 * readable while a completion waits; nothing hangs. Guests call synchronously, without deadlines, on handles that their
 * hosts cancel and close meanwhile.
 *
 *     client_stress [seconds [seed]]
 *
 * The seed is printed first, so that a failing run can be done again; threads still interleave as they like.
 */
#include "../unit/client_toy.h"

#include "../../src/client/op.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#define THREADS  5
#define TABLES   2
#define HANDLES  3
#define FLIGHT   24
#define READERS  8
#define NONE     SMARTCRD_NO_TIMEOUT
#define PATIENCE 120 /* seconds after which the program gives up on itself */

struct flight {
    uint64_t id;
    bool cancelled, timed, tracking;
};

struct opened {
    struct smartcrd_handle *handle;
    struct flight flight[FLIGHT];
    size_t count;
};

struct player {
    pthread_t thread;
    uint64_t random;
    struct opened opened[HANDLES];
    uint64_t ended;
};

/* A handle on which one thread calls while another cancels and closes. */
struct table {
    pthread_t host, guest;
    uint64_t host_random, guest_random;
    uint64_t calls;
    pthread_mutex_t lock;           /* guards the rest */
    struct smartcrd_handle *handle; /* NULL: none, or the guest shall not begin */
    bool calling;
};

static struct smartcrd *context;
static uint64_t seed;
static uint64_t until;
static _Atomic bool over;
static bool destroying; /* guarded by toy_books: the host is about to go */
static char names[READERS][SMARTCRD_NAME_MAX];
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "client_stress: seed %llu: line %d: %s\n", (unsigned long long)seed, __LINE__,             \
                    #condition);                                                                                       \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static uint32_t draw(uint64_t *random, uint32_t below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33) % below;
}

static void forget(struct opened *opened, size_t i)
{
    opened->flight[i] = opened->flight[--opened->count];
}

static void ended(struct player *player, struct opened *opened, const struct smartcrd_completion *completion)
{
    size_t i = 0;

    while (i < opened->count && opened->flight[i].id != completion->id)
        i++;
    CHECK(i < opened->count); /* in flight until now: neither unknown nor ended before */
    struct flight *flight = &opened->flight[i];
    CHECK(completion->sequence > 0);
    CHECK(!flight->cancelled || completion->status == STATUS_CANCELLED);
    CHECK(flight->timed || completion->status != STATUS_IO_TIMEOUT);
    CHECK(completion->status == STATUS_SUCCESS || completion->status == STATUS_NO_MEDIA ||
          completion->status == STATUS_CANCELLED || completion->status == STATUS_IO_TIMEOUT ||
          completion->status == STATUS_DEVICE_REMOVED ||
          (flight->tracking && completion->status == STATUS_DEVICE_BUSY));
    CHECK(flight->cancelled || flight->tracking || completion->status != STATUS_CANCELLED);
    player->ended++;
    forget(opened, i);
}

/* A random request; its deadline is mostly none. */
static struct smartcrd_request request_of(uint64_t *random, uint32_t in[3])
{
    static const uint32_t codes[] = {
        TOY_RETURN,
        TOY_RETURN,
        TOY_HOLD,
        TOY_KEEP,
        TOY_LATER,
        TOY_SLEEP,
        IOCTL_SMARTCARD_IS_PRESENT,
        IOCTL_SMARTCARD_IS_ABSENT,
    };
    uint32_t code = codes[draw(random, ARRAYSIZE(codes))];

    in[0] = code == TOY_RETURN ? (uint32_t)STATUS_NO_MEDIA : draw(random, 3);
    if (code == TOY_SLEEP && draw(random, 40) == 0)
        in[0] = 25; /* longer than anybody waits for a driver that does not let go */
    in[1] = code == TOY_LATER ? (uint32_t)STATUS_NO_MEDIA : 0;
    in[2] = 0;
    uint32_t timeout_ms = draw(random, 3) == 0 ? draw(random, 6) : NONE;
    if (code == TOY_LATER && draw(random, 2) == 0)
        timeout_ms = in[0]; /* the end and the deadline at the same time */
    return (struct smartcrd_request){.code = code, .in = in, .in_size = 12, .timeout_ms = timeout_ms};
}

static void open_one(struct player *player, struct opened *opened)
{
    char name[SMARTCRD_NAME_MAX];

    pthread_mutex_lock(&names_lock);
    memcpy(name, names[draw(&player->random, READERS)], sizeof(name));
    pthread_mutex_unlock(&names_lock);
    NTSTATUS status = smartcrd_open(context, name, &opened->handle);
    CHECK(status == STATUS_SUCCESS || status == STATUS_DEVICE_REMOVED || status == STATUS_OBJECT_NAME_NOT_FOUND);
    opened->count = 0;
}

static void submit_one(struct player *player, struct opened *opened)
{
    uint32_t in[3];
    struct smartcrd_request request = request_of(&player->random, in);
    struct smartcrd_completion done;
    uint64_t id;
    NTSTATUS status;

    if (opened->count == FLIGHT)
        return;
    status = smartcrd_submit(opened->handle, &request, &id, &done);
    opened->flight[opened->count++] = (struct flight){
        .id = id,
        .timed = request.timeout_ms != NONE,
        .tracking = request.code == IOCTL_SMARTCARD_IS_PRESENT || request.code == IOCTL_SMARTCARD_IS_ABSENT,
    };
    if (status != STATUS_PENDING)
        ended(player, opened, &done);
}

static void control_one(struct player *player, struct opened *opened)
{
    uint32_t in[3];
    struct smartcrd_request request = request_of(&player->random, in);
    NTSTATUS status;

    if (request.timeout_ms == NONE)
        request.timeout_ms = 20; /* nobody else might end it */
    status = smartcrd_control(opened->handle, &request, NULL);
    CHECK(status == STATUS_SUCCESS || status == STATUS_NO_MEDIA || status == STATUS_IO_TIMEOUT ||
          status == STATUS_DEVICE_REMOVED || status == STATUS_DEVICE_BUSY || status == STATUS_CANCELLED);
    player->ended++;
}

static void cancel_one(struct player *player, struct opened *opened)
{
    struct flight *flight;

    if (opened->count == 0)
        return;
    flight = &opened->flight[draw(&player->random, (uint32_t)opened->count)];
    NTSTATUS status = smartcrd_cancel(opened->handle, flight->id);
    CHECK(status == STATUS_SUCCESS || (status == STATUS_ALREADY_COMPLETE && !flight->cancelled));
    flight->cancelled = status == STATUS_SUCCESS;
}

static void reap_some(struct player *player, struct opened *opened)
{
    struct smartcrd_completion completion;
    NTSTATUS status = smartcrd_reap(opened->handle, &completion, draw(&player->random, 3));

    CHECK((status == STATUS_NO_MORE_ENTRIES) == (opened->count == 0));
    if (status == STATUS_SUCCESS)
        ended(player, opened, &completion);
    else
        CHECK(status == STATUS_TIMEOUT || status == STATUS_NO_MORE_ENTRIES);
}

static bool readable(struct opened *opened, int timeout_ms)
{
    struct pollfd fd = {.fd = smartcrd_fd(opened->handle), .events = POLLIN};

    CHECK(fd.fd >= 0);
    return poll(&fd, 1, timeout_ms) == 1;
}

static void poll_one(struct player *player, struct opened *opened)
{
    struct smartcrd_completion completion;
    bool some = readable(opened, (int)draw(&player->random, 3));
    NTSTATUS status = smartcrd_reap(opened->handle, &completion, 0);

    CHECK(!some || status == STATUS_SUCCESS); /* nobody else reaps here */
    CHECK((status == STATUS_NO_MORE_ENTRIES) == (opened->count == 0));
    if (status == STATUS_SUCCESS)
        ended(player, opened, &completion);
}

static void ask(struct opened *opened)
{
    struct smartcrd_journal_entry entries[8];
    NTSTATUS last;
    size_t count;

    CHECK(smartcrd_last_error(opened->handle, &last) == STATUS_SUCCESS);
    count = smartcrd_journal(opened->handle, 0, entries, 8);
    for (size_t i = 1; i < count; i++)
        CHECK(entries[i].sequence > entries[i - 1].sequence);
}

/* Cancel the lot and see every one of them end. */
static void drain(struct player *player, struct opened *opened)
{
    struct smartcrd_completion completion;

    smartcrd_cancel_all(opened->handle);
    for (size_t i = 0; i < opened->count; i++)
        opened->flight[i].tracking = true; /* may end cancelled now */
    bool by_fd = draw(&player->random, 2) == 0;
    while (opened->count > 0) {
        CHECK(!by_fd || readable(opened, PATIENCE * 1000));
        CHECK(smartcrd_reap(opened->handle, &completion, by_fd ? 0 : PATIENCE * 1000) == STATUS_SUCCESS);
        ended(player, opened, &completion);
    }
    CHECK(!by_fd || !readable(opened, 0));
    CHECK(smartcrd_reap(opened->handle, &completion, NONE) == STATUS_NO_MORE_ENTRIES);
}

static void *play(void *argument)
{
    struct player *player = argument;

    while (nt_now() < until) {
        struct opened *opened = &player->opened[draw(&player->random, HANDLES)];
        if (!opened->handle) {
            open_one(player, opened);
            continue;
        }
        switch (draw(&player->random, 40)) {
        case 0:
            drain(player, opened);
            break;
        case 1:
            smartcrd_close(opened->handle);
            opened->handle = NULL;
            break;
        case 2:
        case 3:
            control_one(player, opened);
            break;
        case 4:
        case 5:
        case 6:
            ask(opened);
            break;
        case 7:
        case 8:
        case 9:
            poll_one(player, opened);
            break;
        default:
            switch (draw(&player->random, 3)) {
            case 0:
                submit_one(player, opened);
                break;
            case 1:
                cancel_one(player, opened);
                break;
            default:
                reap_some(player, opened);
                break;
            }
        }
    }
    for (int i = 0; i < HANDLES; i++) {
        if (player->opened[i].handle && i % 2 == 0)
            drain(player, &player->opened[i]);
        smartcrd_close(player->opened[i].handle);
    }
    return NULL;
}

/* ---- guests and hosts --------------------------------------------------------------------------------------------- */

/* A T=0 card: any command but GET RESPONSE has 3 bytes for it; GET RESPONSE gives them. */
static NTSTATUS t0_card(struct toy *toy, const UCHAR *in, ULONG in_size, UCHAR *out, ULONG room, ULONG_PTR *size)
{
    static const uint8_t offer[] = {1, 0, 0, 0, 8, 0, 0, 0, 0x61, 0x03};
    static const uint8_t data[] = {1, 0, 0, 0, 8, 0, 0, 0, 0xAA, 0xBB, 0xCC, 0x90, 0x00};
    bool get_response = in_size > 9 && in[9] == 0xC0;

    (void)toy;
    *size = get_response ? sizeof(data) : sizeof(offer);
    CHECK(room >= *size);
    memcpy(out, get_response ? data : offer, *size);
    return STATUS_SUCCESS;
}

static void guest_calls(struct table *table, struct smartcrd_handle *handle)
{
    static const uint32_t codes[] = {TOY_RETURN, TOY_HOLD, TOY_KEEP, TOY_LATER, TOY_SLEEP, IOCTL_SMARTCARD_IS_PRESENT};
    uint32_t code = codes[draw(&table->guest_random, ARRAYSIZE(codes))];
    uint8_t reply[16];
    size_t size = sizeof(reply);
    NTSTATUS status;

    if (draw(&table->guest_random, 3) == 0)
        status = smartcrd_apdu(handle, (const uint8_t *)"\x00\xA4\x04\x00\x02\x3F\x00\x00", 8, reply, &size, NONE);
    else
        status = smartcrd_control(handle, ASK(code, code == TOY_RETURN ? STATUS_NO_MEDIA : 1, STATUS_NO_MEDIA, 0, NONE),
                                  NULL);
    CHECK(status == STATUS_SUCCESS || status == STATUS_NO_MEDIA || status == STATUS_CANCELLED ||
          status == STATUS_DEVICE_REMOVED || (status == STATUS_DEVICE_BUSY && code == IOCTL_SMARTCARD_IS_PRESENT));
    table->calls++;
}

static void *be_guest(void *argument)
{
    struct table *table = argument;

    while (!over) {
        pthread_mutex_lock(&table->lock);
        struct smartcrd_handle *handle = table->handle;
        table->calling = handle != NULL;
        pthread_mutex_unlock(&table->lock);
        if (handle)
            guest_calls(table, handle);
        else
            sched_yield();
        pthread_mutex_lock(&table->lock);
        table->calling = false;
        pthread_mutex_unlock(&table->lock);
    }
    return NULL;
}

/* Whether the guest is inside a call, which smartcrd_close then ends, or outside of all. */
static bool is_in_or_out(struct table *table, struct smartcrd_handle *handle)
{
    bool inside;

    pthread_mutex_lock(&table->lock);
    bool calling = table->calling;
    pthread_mutex_unlock(&table->lock);
    pthread_mutex_lock(&handle->lock);
    inside = handle->users > 0;
    pthread_mutex_unlock(&handle->lock);
    return inside || !calling;
}

static void set_table(struct table *table, struct smartcrd_handle *handle)
{
    pthread_mutex_lock(&table->lock);
    table->handle = handle;
    pthread_mutex_unlock(&table->lock);
}

static void *be_host(void *argument)
{
    struct table *table = argument;
    struct player player = {.random = table->host_random};

    while (nt_now() < until) {
        struct opened opened = {0};
        open_one(&player, &opened);
        if (!opened.handle)
            continue;
        set_table(table, opened.handle);
        for (uint32_t i = draw(&player.random, 30); i > 0; i--) {
            if (draw(&player.random, 8) == 0)
                nanosleep(&(struct timespec){.tv_nsec = draw(&player.random, 2000000)}, NULL);
            smartcrd_cancel_all(opened.handle);
        }
        set_table(table, NULL);
        while (!is_in_or_out(table, opened.handle))
            sched_yield();
        smartcrd_close(opened.handle);
    }
    return NULL;
}

/* ---- hands ------------------------------------------------------------------------------------------------------- */

/* The hand that lets go of what drivers keep. */
static void *let_go(void *argument)
{
    uint64_t random = seed ^ 0x5555;

    (void)argument;
    nt_enter(context->host);
    while (!over) {
        pthread_mutex_lock(&toy_books);
        /* A thread of which the host knows nothing: what it has begun must not take simulated hours. */
        PVOID world = destroying ? NULL : host_world_begins();
        struct toy *toy = toys[draw(&random, TOY_MAX)];
        if (toy && draw(&random, 4) == 0)
            toy_let_go(toy, &toy->tracking, STATUS_SUCCESS, 0);
        else if (toy)
            toy_let_go(toy, &toy->held, STATUS_NO_MEDIA, draw(&random, 2) ? STATUS_NO_MEDIA : 0);
        host_world_ends(world);
        pthread_mutex_unlock(&toy_books);
        if (draw(&random, 16) == 0)
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    nt_enter(NULL);
    return NULL;
}

static void add(int place)
{
    char name[SMARTCRD_NAME_MAX];

    CHECK(smartcrd_add_reader(context, "toy", name, sizeof(name)) == STATUS_SUCCESS);
    pthread_mutex_lock(&toy_books);
    for (int i = 0; i < TOY_MAX; i++) {
        if (toys[i] && !toys[i]->transmit) {
            toys[i]->transmit = t0_card;
            toys[i]->protocol = SCARD_PROTOCOL_T0;
        }
    }
    pthread_mutex_unlock(&toy_books);
    pthread_mutex_lock(&names_lock);
    memcpy(names[place], name, sizeof(name));
    pthread_mutex_unlock(&names_lock);
}

/* The hand that pulls plugs and puts others in. */
static void *replug(void *argument)
{
    uint64_t random = seed ^ 0xAAAA;
    struct smartcrd_reader_info infos[READERS];

    (void)argument;
    while (nt_now() < until) {
        int place = (int)draw(&random, READERS);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        CHECK(smartcrd_remove_reader(context, names[place]) == STATUS_SUCCESS);
        toy_never_blocks = draw(&random, 2) == 0;
        add(place);
        smartcrd_list(context, infos, READERS);
    }
    return NULL;
}

static void give_up(int number)
{
    static const char words[] = "client_stress: something hangs\n";

    (void)number;
    (void)!write(2, words, sizeof(words) - 1);
    abort();
}

int main(int argc, char **argv)
{
    static struct player players[THREADS];
    static struct table tables[TABLES];
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 3;
    struct smartcrd_options options = {.size = sizeof(options)};
    pthread_t releaser, plugger;
    uint64_t count = 0;

    seed = argc > 2 && argv[2][0] != '-' ? strtoull(argv[2], NULL, 10) : nt_now() % 1000000;
    options.simulated_time = argc > 3 && strcmp(argv[3], "simulated") == 0;
    printf("client_stress: %u s, seed %llu%s\n", seconds, (unsigned long long)seed,
           options.simulated_time ? ", simulated time" : "");
    fflush(stdout);
    signal(SIGALRM, give_up);
    alarm(seconds + PATIENCE);
    until = nt_now() + seconds * 1000000000ull;
    toy_shows_cell = true;
    CHECK(smartcrd_create(&options, &context) == STATUS_SUCCESS);
    CHECK(smartcrd_add_driver(context, "toy", toy_entry) == STATUS_SUCCESS);
    for (int i = 0; i < READERS; i++) {
        toy_never_blocks = i % 2 == 0;
        add(i);
    }
    pthread_create(&releaser, NULL, let_go, NULL);
    for (uint64_t i = 0; i < THREADS; i++) {
        players[i].random = seed * 1000003 + i;
        pthread_create(&players[i].thread, NULL, play, &players[i]);
    }
    for (uint64_t i = 0; i < TABLES; i++) {
        tables[i].host_random = seed * 1000033 + i;
        tables[i].guest_random = seed * 1000037 + i;
        pthread_mutex_init(&tables[i].lock, NULL);
        pthread_create(&tables[i].host, NULL, be_host, &tables[i]);
        pthread_create(&tables[i].guest, NULL, be_guest, &tables[i]);
    }
    pthread_create(&plugger, NULL, replug, NULL);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(players[i].thread, NULL);
        count += players[i].ended;
    }
    pthread_join(plugger, NULL);
    for (int i = 0; i < TABLES; i++)
        pthread_join(tables[i].host, NULL);
    pthread_mutex_lock(&toy_books);
    destroying = true;
    pthread_mutex_unlock(&toy_books);
    smartcrd_destroy(context); /* needs the hand that lets go until the end */
    over = true;
    for (int i = 0; i < TABLES; i++) {
        pthread_join(tables[i].guest, NULL);
        count += tables[i].calls;
    }
    pthread_join(releaser, NULL);
    printf("client_stress: %llu requests ended\n", (unsigned long long)count);
    return count > 0 ? 0 : 1;
}
