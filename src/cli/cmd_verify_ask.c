/* SPDX-License-Identifier: MIT */
/*
 * What a thread of `smartcrd verify` asks: requests of every kind, rightly and wrongly, overlapped, cancelled, with
 * deadlines, handles closed under them, cards that come and go, readers that are pulled out. What the driver answers is
 * nobody's business here: that is the conformance suite's.
 *
 * Cards get SELECT, READ BINARY, GET CHALLENGE and GET RESPONSE only, which change nothing on them; drivers get their own
 * vendor codes only when they were named.
 */
#include "cmd_verify_work.h"

#include <smartcrd/vreader.h>

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_MS 5000
#define ASK_MS   500 /* the usual deadline */

/* ---- what is asked ------------------------------------------------------------------------------------------------ */

struct shape {
    const char *text;
    uint32_t code;
    uint16_t in, out;      /* the right sizes */
    const uint32_t *minor; /* first ULONG of the input: one of these; NULL: none */
    size_t minors;
};

static const uint32_t powers[] = {SCARD_POWER_DOWN, SCARD_COLD_RESET, SCARD_WARM_RESET, SCARD_COLD_RESET, 3};
static const uint32_t protocols[] = {SCARD_PROTOCOL_T0,
                                     SCARD_PROTOCOL_T1,
                                     SCARD_PROTOCOL_Tx,
                                     SCARD_PROTOCOL_RAW,
                                     SCARD_PROTOCOL_Tx | SCARD_PROTOCOL_DEFAULT,
                                     SCARD_PROTOCOL_UNDEFINED};
static const uint32_t attributes[] = {SCARD_ATTR_VENDOR_NAME,        SCARD_ATTR_VENDOR_IFD_TYPE,
                                      SCARD_ATTR_VENDOR_IFD_VERSION, SCARD_ATTR_CHANNEL_ID,
                                      SCARD_ATTR_PROTOCOL_TYPES,     SCARD_ATTR_MAX_IFSD,
                                      SCARD_ATTR_CHARACTERISTICS,    SCARD_ATTR_CURRENT_PROTOCOL_TYPE,
                                      SCARD_ATTR_ICC_PRESENCE,       SCARD_ATTR_ICC_INTERFACE_STATUS,
                                      SCARD_ATTR_ATR_STRING,         SCARD_ATTR_ICC_TYPE_PER_ATR,
                                      SCARD_ATTR_DEVICE_UNIT,        0};
static const uint32_t settable[] = {SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, SCARD_ATTR_DEVICE_IN_USE, 0};
static const uint32_t counters[] = {SCARD_PERF_NUM_TRANSMISSIONS, SCARD_PERF_BYTES_TRANSMITTED};

#define MINORS(list) (list), sizeof(list) / sizeof *(list)

enum { SHAPE_TRANSMIT = 0, SHAPE_POWER = 1, SHAPE_PROTOCOL = 2, SHAPE_PRESENT = 3, SHAPE_ABSENT = 4 };

static const struct shape shapes[] = {
    [SHAPE_TRANSMIT] = {"TRANSMIT", IOCTL_SMARTCARD_TRANSMIT, 0, 266, NULL, 0},
    [SHAPE_POWER] = {"POWER", IOCTL_SMARTCARD_POWER, 4, 33, MINORS(powers)},
    [SHAPE_PROTOCOL] = {"SET_PROTOCOL", IOCTL_SMARTCARD_SET_PROTOCOL, 4, 4, MINORS(protocols)},
    [SHAPE_PRESENT] = {"IS_PRESENT", IOCTL_SMARTCARD_IS_PRESENT, 0, 0, NULL, 0},
    [SHAPE_ABSENT] = {"IS_ABSENT", IOCTL_SMARTCARD_IS_ABSENT, 0, 0, NULL, 0},
    {"GET_STATE", IOCTL_SMARTCARD_GET_STATE, 0, 4, NULL, 0},
    {"GET_LAST_ERROR", IOCTL_SMARTCARD_GET_LAST_ERROR, 0, 4, NULL, 0},
    {"GET_ATTRIBUTE", IOCTL_SMARTCARD_GET_ATTRIBUTE, 4, 64, MINORS(attributes)},
    {"SET_ATTRIBUTE", IOCTL_SMARTCARD_SET_ATTRIBUTE, 4, 0, MINORS(settable)},
    {"GET_PERF_CNTR", IOCTL_SMARTCARD_GET_PERF_CNTR, 4, 4, MINORS(counters)},
    {"EJECT", IOCTL_SMARTCARD_EJECT, 0, 0, NULL, 0},
    {"SWALLOW", IOCTL_SMARTCARD_SWALLOW, 0, 0, NULL, 0},
    {"CONFISCATE", IOCTL_SMARTCARD_CONFISCATE, 0, 0, NULL, 0},
    {"function 0", SCARD_CTL_CODE(0), 4, 64, NULL, 0},
    {"function 8", SCARD_CTL_CODE(8), 4, 64, NULL, 0},
    {"function 17", SCARD_CTL_CODE(17), 4, 64, NULL, 0},
    {"function 2047", SCARD_CTL_CODE(2047), 4, 64, NULL, 0},
    {"POWER, not METHOD_BUFFERED", IOCTL_SMARTCARD_POWER | 3, 4, 33, MINORS(powers)},
    {"vendor code", 0, 4, 64, NULL, 0}, /* the code is one of the plan's */
};
#define SHAPE_COUNT  (sizeof shapes / sizeof *shapes)
#define SHAPE_VENDOR (SHAPE_COUNT - 1)
_Static_assert(SHAPE_COUNT <= VERIFY_SHAPES, "the record has room for each");

const char *verify_shape_text(size_t index)
{
    return index < SHAPE_COUNT ? shapes[index].text : NULL;
}

/* Commands that change nothing on a card. */
static const struct {
    uint8_t size, bytes[8];
} apdus[] = {
    {4, {0x00, 0xA4, 0x00, 0x00}},
    {5, {0x00, 0xA4, 0x00, 0x00, 0x00}},
    {7, {0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00}},
    {5, {0x00, 0xB0, 0x00, 0x00, 0x10}},
    {5, {0x00, 0xB0, 0x00, 0x00, 0x00}},
    {5, {0x00, 0x84, 0x00, 0x00, 0x08}},
    {5, {0x00, 0xC0, 0x00, 0x00, 0x00}},
    {8, {0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00, 0x00}},
};

static const uint16_t odd_sizes[] = {0, 0, 1, 3, 4, 5, 7, 8, 9, 12, 13, 32, 33, 64, 255, 258, 262, 288, 300, 520, ROOM};

/* What a hand does at the virtual reader's slot. */
static const struct {
    uint32_t code;
    const char *text;
} hands[] = {
    {IOCTL_VREADER_INSERT, "echo"},
    {IOCTL_VREADER_INSERT, "fs"},
    {IOCTL_VREADER_INSERT, "echo delay=3"},
    {IOCTL_VREADER_INSERT, "echo atr=3B80800101"},
    {IOCTL_VREADER_REMOVE, ""},
    {IOCTL_VREADER_FAULT, "late ms=5"},
    {IOCTL_VREADER_FAULT, "remove when=during byte=2"},
    {IOCTL_VREADER_FAULT, "edc byte=1"},
    {IOCTL_VREADER_FAULT, "parity byte=2"},
    {IOCTL_VREADER_FAULT, "wtx"},
    {IOCTL_VREADER_FAULT, "none"},
};

/* ---- who asks ----------------------------------------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t draw(struct seat *seat)
{
    uint64_t z = seat->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

size_t seat_draw(struct seat *seat, size_t below)
{
    return (size_t)(draw(seat) % below);
}

void verify_happened(struct verify_record *record, enum verify_event event)
{
    atomic_fetch_add_explicit(&record->events[event], 1, memory_order_relaxed);
}

void seat_does(struct seat *seat, const char *format, ...)
{
    struct verify_record *record = seat->world->record;
    va_list list;
    atomic_store_explicit(&record->since_ns[seat->number], 0, memory_order_relaxed);
    va_start(list, format);
    vsnprintf(record->step[seat->number], sizeof record->step[0], format, list);
    va_end(list);
    atomic_store_explicit(&record->since_ns[seat->number], cli_now_ns(), memory_order_relaxed);
}

void seat_rests(struct seat *seat)
{
    atomic_store_explicit(&seat->world->record->since_ns[seat->number], 0, memory_order_relaxed);
}

bool seat_waits(struct seat *seat, uint32_t us)
{
    if (!seat->world->plan->simulated)
        usleep(us);
    else
        smartcrd_advance(seat->world->context, us * 1000u, NULL);
    return true;
}

/* ---- requests ----------------------------------------------------------------------------------------------------- */

static void ended(struct world *world, size_t shape, NTSTATUS status, bool pended)
{
    if (status == STATUS_CANCELLED)
        verify_happened(world->record, VERIFY_CANCELLED);
    if (status == STATUS_IO_TIMEOUT)
        verify_happened(world->record, VERIFY_TIMED_OUT);
    if (!NT_SUCCESS(status))
        return;
    atomic_fetch_add_explicit(&world->record->succeeded[shape], 1, memory_order_relaxed);
    if (shape == SHAPE_TRANSMIT)
        verify_happened(world->record, VERIFY_EXCHANGED);
    if (pended && (shape == SHAPE_PRESENT || shape == SHAPE_ABSENT))
        verify_happened(world->record, VERIFY_TRACKED);
}

/* A right request of that shape: input, and its size. */
static size_t fill(struct seat *seat, size_t shape, uint8_t *in)
{
    uint32_t minor;
    if (shape == SHAPE_TRANSMIT) {
        SCARD_IO_REQUEST header = {seat_draw(seat, 4) ? SCARD_PROTOCOL_T0 : SCARD_PROTOCOL_T1, sizeof header};
        size_t which = seat_draw(seat, sizeof apdus / sizeof *apdus), i = seat_draw(seat, HANDLES);
        uint32_t selected = 0;
        size_t size = sizeof selected;
        if (seat->handles[i] &&
            NT_SUCCESS(smartcrd_attribute(seat->handles[i], SCARD_ATTR_CURRENT_PROTOCOL_TYPE, &selected, &size)) &&
            size == sizeof selected && selected != 0)
            header.dwProtocol = selected;
        memcpy(in, &header, sizeof header);
        memcpy(in + sizeof header, apdus[which].bytes, apdus[which].size);
        return sizeof header + apdus[which].size;
    }
    if (shapes[shape].minors > 0) {
        minor = shapes[shape].minor[seat_draw(seat, shapes[shape].minors)];
        memcpy(in, &minor, sizeof minor);
    }
    return shapes[shape].in;
}

/* A request of that shape, every fourth with wrong sizes. The input has room for ROOM bytes. */
static struct smartcrd_request make(struct seat *seat, size_t shape, uint8_t *in)
{
    const struct verify_plan *plan = seat->world->plan;
    struct smartcrd_request request = {.code = shapes[shape].code, .in = in, .timeout_ms = ASK_MS};
    memset(in, (int)seat_draw(seat, 2) * 0xA5, 64);
    request.in_size = fill(seat, shape, in);
    request.out_size = shapes[shape].out;
    if (shape == SHAPE_VENDOR)
        request.code = plan->vendor[seat_draw(seat, plan->vendor_count)];
    if (seat_draw(seat, 4) == 0)
        request.in_size = odd_sizes[seat_draw(seat, sizeof odd_sizes / sizeof *odd_sizes)];
    if (seat_draw(seat, 4) == 0)
        request.out_size = odd_sizes[seat_draw(seat, sizeof odd_sizes / sizeof *odd_sizes)];
    if (shape == SHAPE_TRANSMIT && request.in_size > sizeof(SCARD_IO_REQUEST) + 8)
        request.in_size = sizeof(SCARD_IO_REQUEST) + 8; /* what follows is no command that we know */
    if (request.in_size == 0)
        request.in = NULL;
    return request;
}

/* The five that matter most come oftener, and the driver's own when they may come at all. */
static size_t draw_shape(struct seat *seat)
{
    if (seat->world->plan->vendor_count > 0 && seat_draw(seat, 8) == 0)
        return SHAPE_VENDOR;
    return seat_draw(seat, 3) == 0 ? seat_draw(seat, SHAPE_ABSENT + 1) : seat_draw(seat, SHAPE_VENDOR);
}

static struct smartcrd_handle *some_handle(struct seat *seat)
{
    return seat->handles[seat_draw(seat, HANDLES)];
}

static void count_try(struct seat *seat, size_t shape)
{
    atomic_fetch_add_explicit(&seat->world->record->tried[shape], 1, memory_order_relaxed);
}

static NTSTATUS ask(struct seat *seat, struct smartcrd_handle *handle, size_t shape, struct smartcrd_request *request)
{
    NTSTATUS status;
    seat_does(seat, "%s (code 0x%08X, %zu bytes in, %zu out)", shapes[shape].text, (unsigned)request->code,
              request->in_size, request->out_size);
    count_try(seat, shape);
    status = smartcrd_control(handle, request, NULL);
    ended(seat->world, shape, status, false);
    return status;
}

/* Any request, and wait for its end. */
static void step_ask(struct seat *seat)
{
    struct smartcrd_handle *handle = some_handle(seat);
    uint8_t in[ROOM];
    size_t shape = draw_shape(seat);
    struct smartcrd_request request = make(seat, shape, in);
    if (!handle)
        return;
    request.out = seat->big;
    if (shape == SHAPE_PRESENT || shape == SHAPE_ABSENT)
        request.timeout_ms = (uint32_t)seat_draw(seat, 10);
    else if (seat_draw(seat, 8) == 0)
        request.timeout_ms = (uint32_t)seat_draw(seat, 4);
    if (seat_draw(seat, 64) == 0 && shape != SHAPE_TRANSMIT) {
        request.in = memset(seat->big, 0, BIG);
        request.in_size = request.out_size = BIG;
    }
    ask(seat, handle, shape, &request);
}

static void step_query(struct seat *seat)
{
    struct smartcrd_handle *handle = some_handle(seat);
    NTSTATUS last;
    uint32_t state;
    if (!handle)
        return;
    seat_does(seat, "GET_LAST_ERROR and GET_STATE");
    smartcrd_last_error(handle, &last);
    smartcrd_state(handle, &state);
}

static struct flight *free_flight(struct seat *seat)
{
    for (size_t i = 0; i < FLIGHT; i++)
        if (!seat->flights[i].handle)
            return &seat->flights[i];
    return NULL;
}

/* One of those in flight, found from a place at random on. */
static struct flight *some_flight(struct seat *seat)
{
    size_t from = seat_draw(seat, FLIGHT);
    for (size_t i = 0; i < FLIGHT; i++) {
        struct flight *flight = &seat->flights[(from + i) % FLIGHT];
        if (flight->handle)
            return flight;
    }
    return NULL;
}

void seat_submits(struct seat *seat)
{
    struct smartcrd_handle *handle = some_handle(seat);
    struct flight *flight = free_flight(seat);
    struct smartcrd_completion done;
    struct smartcrd_request request;
    NTSTATUS status;
    if (!handle || !flight)
        return;
    flight->shape = draw_shape(seat);
    request = make(seat, flight->shape, flight->in);
    request.out = flight->out;
    request.timeout_ms = seat_draw(seat, 4) == 0 ? (uint32_t)seat_draw(seat, 6) : SMARTCRD_NO_TIMEOUT;
    seat_does(seat, "%s, overlapped (code 0x%08X, %zu bytes in, %zu out)", shapes[flight->shape].text,
              (unsigned)request.code, request.in_size, request.out_size);
    count_try(seat, flight->shape);
    status = smartcrd_submit(handle, &request, &flight->id, &done);
    if (status == STATUS_PENDING)
        flight->handle = handle;
    else
        ended(seat->world, flight->shape, status, false);
}

static void landed(struct seat *seat, const struct smartcrd_completion *done)
{
    for (size_t i = 0; i < FLIGHT; i++) {
        struct flight *flight = &seat->flights[i];
        if (flight->handle && flight->id == done->id) {
            flight->handle = NULL;
            ended(seat->world, flight->shape, done->status, true);
        }
    }
}

static void step_reap(struct seat *seat)
{
    struct smartcrd_handle *handle = some_handle(seat);
    struct smartcrd_completion done;
    if (!handle)
        return;
    seat_does(seat, "waiting for overlapped requests");
    while (smartcrd_reap(handle, &done, (uint32_t)seat_draw(seat, 5)) == STATUS_SUCCESS)
        landed(seat, &done);
}

static void step_cancel(struct seat *seat)
{
    struct flight *flight = some_flight(seat);
    if (!flight)
        return;
    seat_does(seat, "cancelling %s", shapes[flight->shape].text);
    if (smartcrd_cancel(flight->handle, flight->id) == STATUS_SUCCESS)
        verify_happened(seat->world->record, VERIFY_CANCELS);
}

/* A request that is cancelled the moment it runs, or a little later. */
static void step_submit_and_cancel(struct seat *seat)
{
    seat_submits(seat);
    if (seat_draw(seat, 2))
        seat_waits(seat, (uint32_t)seat_draw(seat, 4000));
    step_cancel(seat);
}

/* What a program does that has its way. */
static void step_use_card(struct seat *seat)
{
    struct smartcrd_handle *handle = some_handle(seat);
    uint32_t kind = seat_draw(seat, 3) ? SCARD_COLD_RESET : SCARD_WARM_RESET, mask = SCARD_PROTOCOL_Tx;
    struct smartcrd_request request = {
        .code = IOCTL_SMARTCARD_POWER, .in = &kind, .in_size = 4, .out = seat->big, .out_size = 33, .timeout_ms = 5000};
    uint8_t in[ROOM];
    if (!handle || !NT_SUCCESS(ask(seat, handle, SHAPE_POWER, &request)))
        return;
    verify_happened(seat->world->record, VERIFY_POWERED);
    request.code = IOCTL_SMARTCARD_SET_PROTOCOL;
    request.in = &mask;
    request.out_size = 4;
    if (!NT_SUCCESS(ask(seat, handle, SHAPE_PROTOCOL, &request)))
        return;
    verify_happened(seat->world->record, VERIFY_PROTOCOLS);
    for (size_t i = seat_draw(seat, 4); i > 0; i--) {
        request = (struct smartcrd_request){.code = IOCTL_SMARTCARD_TRANSMIT,
                                            .in = in,
                                            .in_size = fill(seat, SHAPE_TRANSMIT, in),
                                            .out = seat->big,
                                            .out_size = 266,
                                            .timeout_ms = 5000};
        ask(seat, handle, SHAPE_TRANSMIT, &request);
    }
}

static void step_time(struct seat *seat)
{
    seat_rests(seat);
    seat_waits(seat, (uint32_t)seat_draw(seat, 3000));
}

/* ---- handles, cards, readers -------------------------------------------------------------------------------------- */

static void copy_name(struct seat *seat, char name[SMARTCRD_NAME_MAX])
{
    struct world *world = seat->world;
    size_t which = seat_draw(seat, READERS);
    pthread_mutex_lock(&world->lock);
    memcpy(name, world->names[which], SMARTCRD_NAME_MAX);
    pthread_mutex_unlock(&world->lock);
}

static void close_handle(struct seat *seat, size_t which)
{
    struct smartcrd_handle *handle = seat->handles[which];
    bool busy = false;
    if (!handle)
        return;
    for (size_t i = 0; i < FLIGHT; i++) {
        if (seat->flights[i].handle == handle) {
            seat->flights[i].handle = NULL;
            busy = true;
        }
    }
    seat_does(seat, "closing a handle%s", busy ? " with requests in flight" : "");
    smartcrd_close(handle);
    seat->handles[which] = NULL;
    if (busy)
        verify_happened(seat->world->record, VERIFY_CLOSED_BUSY);
}

void seat_opens(struct seat *seat)
{
    size_t which = seat_draw(seat, HANDLES);
    char name[SMARTCRD_NAME_MAX];
    close_handle(seat, which);
    copy_name(seat, name);
    seat_does(seat, "opening %s", name);
    if (name[0] && NT_SUCCESS(smartcrd_open(seat->world->context, name, &seat->handles[which])))
        verify_happened(seat->world->record, VERIFY_OPENED);
    else
        seat->handles[which] = NULL;
}

/* A hand at the virtual reader's slot; other readers have none. */
static void step_hand(struct seat *seat)
{
    size_t which = seat_draw(seat, sizeof hands / sizeof *hands);
    struct smartcrd_request request = {
        .code = hands[which].code, .in = hands[which].text, .in_size = strlen(hands[which].text), .timeout_ms = ASK_MS};
    char name[SMARTCRD_NAME_MAX], panel[SMARTCRD_NAME_MAX + 8];
    struct smartcrd_handle *handle;
    if (strcmp(seat->world->driver, "vreader") != 0)
        return;
    copy_name(seat, name);
    snprintf(panel, sizeof panel, "%s-panel", name);
    seat_does(seat, "the slot's %s", hands[which].text[0] ? hands[which].text : "remove");
    if (!NT_SUCCESS(smartcrd_open(seat->world->context, panel, &handle)))
        return;
    smartcrd_control(handle, &request, NULL);
    smartcrd_close(handle);
}

/* Only the first thread. */
static void step_remove(struct seat *seat)
{
    struct world *world = seat->world;
    size_t which = seat_draw(seat, READERS);
    char name[SMARTCRD_NAME_MAX];
    bool busy = false;
    if (seat->number != 0 || !world->adds)
        return;
    for (size_t i = 0; i < FLIGHT; i++)
        busy = busy || seat->flights[i].handle;
    pthread_mutex_lock(&world->lock);
    memcpy(name, world->names[which], sizeof name);
    world->names[which][0] = '\0';
    pthread_mutex_unlock(&world->lock);
    seat_does(seat, "removing %s%s", name, busy ? " with requests in flight" : "");
    if (name[0] && NT_SUCCESS(smartcrd_remove_reader(world->context, name)))
        verify_happened(world->record, busy ? VERIFY_REMOVED_BUSY : VERIFY_REMOVED);
    seat_does(seat, "adding a reader");
    if (!NT_SUCCESS(smartcrd_add_reader(world->context, world->driver, name, sizeof name)))
        name[0] = '\0';
    pthread_mutex_lock(&world->lock);
    memcpy(world->names[which], name, sizeof name);
    pthread_mutex_unlock(&world->lock);
}

/* ---- any of them --------------------------------------------------------------------------------------------------- */

static const struct {
    unsigned weight;
    void (*take)(struct seat *seat);
} steps[] = {
    {14, step_ask},     {10, step_query}, {16, seat_submits},
    {10, step_reap},    {6, step_cancel}, {10, step_submit_and_cancel},
    {8, step_use_card}, {6, step_time},   {5, seat_opens},
    {8, step_hand},     {1, step_remove},
};

void seat_steps(struct seat *seat)
{
    unsigned all = 0;
    size_t at;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        all += steps[i].weight;
    at = seat_draw(seat, all);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (at < steps[i].weight) {
            steps[i].take(seat);
            break;
        }
        at -= steps[i].weight;
    }
}

void seat_leaves(struct seat *seat)
{
    struct smartcrd_completion done;
    for (size_t i = 0; i < HANDLES; i++) {
        if (seat->handles[i] && seat_draw(seat, 2)) {
            seat_does(seat, "cancelling everything");
            smartcrd_cancel_all(seat->handles[i]);
            while (smartcrd_reap(seat->handles[i], &done, DRAIN_MS) == STATUS_SUCCESS)
                landed(seat, &done);
        }
        close_handle(seat, i);
    }
}
