/* SPDX-License-Identifier: MIT */
/*
 * The whole stack, from control codes to cards: requests, faults, insertions, removals, cancels and time, in simulated
 * time and on one thread. Input: flags (1: all of it twice, and the journals must be equal), then what happens, by the
 * low four bits of its first byte; "text" is a length and that many bytes; (h) the operation goes to the second handle
 * when bit 5 of that byte is set, and has a byte for its deadline (0: none at all; else in tenths of a second):
 *   0 a card of ours is inserted (which)   1 a card is inserted (text)      2 the card is taken out
 *   3 a fault of ours is armed (which)     4 a fault is armed (text)        5 (h) POWER (minor code, output's size)
 *   6 (h) SET_PROTOCOL (which mask)        7 (h) TRANSMIT (which protocol, output's size in two bytes, text)
 *   8 (h) any request (code in four bytes, output's size in two bytes, text)
 *   9 (h) IS_PRESENT or IS_ABSENT          10 cancel (which)                11 cancel everything of a handle
 *   12 time passes (two bytes, in milliseconds)                             13 what has ended is reaped
 *   14 a query (which), or with bit 4 a whole APDU (text)
 *   15 the second handle is closed and opened anew, or with bit 4 the reader is taken away and another comes
 *
 * Every request that is taken ends once, with a final status, within its buffer; one that was cancelled in time ends
 * cancelled; the last error is the status of the last operation in the journal; journals go forward in time.
 */
#include "fuzz.h"

#include <smartcrd/smartcrd.h>
#include <smartcrd/vreader.h>

#define FLIGHTS     32u
#define PATIENCE_MS 30000u /* a deadline for those that have none of their own */
#define STEPS_MAX   200u

/* A request that is on its way. */
struct flight {
    uint64_t id; /* 0: a free place */
    unsigned handle;
    struct exact out;
    bool cancelled;
};

struct world {
    struct input in;
    struct smartcrd *context;
    struct smartcrd_handle *handles[2], *panel;
    char name[SMARTCRD_NAME_MAX];
    struct flight flights[FLIGHTS];
    uint64_t digest;
};

static const char *const cards[] = {
    "echo atr=3B808031FE05CA",
    "echo atr=3B804001",
    "fs",
    "echo atr=3B9018800111EB",
    "echo atr=3F00",
    "echo atr=3B00 pps=mute",
    "echo atr=3B80818031FE4574B3 crc=iso",
    "script\natr 3B804001\nmatch\n> 00B0*\nwait 700\n< 01029000\n> 00A4*\nmute\n> 00D6*\nleave\nelse\n< 6D00\n",
};
static const char *const faults[] = {
    "none",
    "mute",
    "remove when=during byte=3",
    "remove when=after",
    "wtx",
    "late ms=1500",
    "edc byte=1",
    "edc byte=2 to=card count=3",
    "parity byte=0 count=2",
    "edc byte=0 on=atr",
    "edc byte=1 on=pps",
    "remove when=before",
    "parity byte=1 to=card count=0",
    "alter byte=1 xor=40 edc=mend",
    "alter byte=0 value=FF edc=leave count=2",
    "replace hex=00C201FF edc=mend",
    "replace hex=00C000 edc=mend skip=1",
    "cut byte=2",
    "extra hex=0055",
    "extra hex=60 byte=0 count=0",
    "delay byte=1 ms=400",
    "duplicate",
    "duplicate to=card skip=1",
};
static const uint32_t masks[] = {
    SCARD_PROTOCOL_T0,  SCARD_PROTOCOL_T1,      SCARD_PROTOCOL_Tx,
    SCARD_PROTOCOL_RAW, SCARD_PROTOCOL_OPTIMAL, SCARD_PROTOCOL_DEFAULT | SCARD_PROTOCOL_Tx,
};

/* ---- what comes out ---------------------------------------------------------------------------------------------- */

static void note(struct world *world, uint64_t value)
{
    world->digest = (world->digest ^ value) * 0x100000001B3u;
}

static void is_end(struct world *world, const struct smartcrd_completion *done, const struct exact *out)
{
    require(done->status != STATUS_PENDING && done->information <= out->size);
    require(NT_SUCCESS(done->status) || done->information == 0);
    touch(out->bytes, done->information);
    note(world, (uint64_t)(uint32_t)done->status << 32 | (uint32_t)done->information);
    for (size_t i = 0; i < done->information; i++)
        note(world, out->bytes[i]);
}

static void landed(struct world *world, unsigned handle, const struct smartcrd_completion *done)
{
    for (size_t i = 0; i < FLIGHTS; i++) {
        struct flight *flight = &world->flights[i];

        if (flight->id != done->id || flight->id == 0)
            continue;
        require(flight->handle == handle && done->user == flight);
        require(!flight->cancelled || done->status == STATUS_CANCELLED);
        is_end(world, done, &flight->out);
        drop(&flight->out);
        flight->id = 0;
        return;
    }
    require(done->id == 0); /* a completion of nothing that is on its way */
}

/* Take what has ended; patience_ms: wait so long for what has not. Returns whether something may still come. */
static bool reap(struct world *world, unsigned handle, uint32_t patience_ms)
{
    struct smartcrd_completion done;
    NTSTATUS status;

    while ((status = smartcrd_reap(world->handles[handle], &done, patience_ms)) == STATUS_SUCCESS)
        landed(world, handle, &done);
    require(status == STATUS_TIMEOUT || status == STATUS_NO_MORE_ENTRIES);
    return status == STATUS_TIMEOUT;
}

static void look_at_journal(struct world *world)
{
    static struct smartcrd_journal_entry entries[64];
    uint64_t now = smartcrd_now(world->context);
    size_t count = smartcrd_journal(world->handles[0], 0, entries, 64);
    NTSTATUS last = STATUS_PENDING;

    require(smartcrd_last_error(world->handles[1], &last) == STATUS_SUCCESS);
    require(last == (count ? entries[count - 1].status : STATUS_SUCCESS));
    for (size_t i = 0; i < count; i++) {
        const struct smartcrd_journal_entry *entry = &entries[i];

        require(i == 0 || entry->sequence == entries[i - 1].sequence + 1);
        require(entry->submitted_ns <= entry->ended_ns && entry->ended_ns <= now);
        require(entry->started_ns == 0 ||
                (entry->started_ns >= entry->submitted_ns && entry->started_ns <= entry->ended_ns));
        require(entry->status != STATUS_PENDING && memchr(entry->step, 0, sizeof entry->step) != NULL);
        require(entry->command_size <= sizeof entry->command);
    }
    if (count) {
        note(world, entries[count - 1].ended_ns);
        note(world, entries[count - 1].layer + 16 * (uint64_t)entries[count - 1].retransmissions);
    }
}

/* ---- what goes in ------------------------------------------------------------------------------------------------ */

static void submit(struct world *world, uint8_t what, uint32_t code, const struct exact *input, size_t out)
{
    unsigned handle = what >> 5 & 1;
    uint8_t deadline = take(&world->in);
    struct smartcrd_completion done = {.status = STATUS_PENDING};
    struct smartcrd_request request = {.code = code, .in = input->size ? input->bytes : NULL, .in_size = input->size};
    struct flight *flight = NULL;
    NTSTATUS status;
    uint64_t id = 0;

    for (size_t i = 0; i < FLIGHTS && flight == NULL; i++)
        flight = world->flights[i].id == 0 ? &world->flights[i] : NULL;
    if (flight == NULL)
        return;
    *flight = (struct flight){.handle = handle, .out = exact_room(out)};
    request.out = out ? flight->out.bytes : NULL;
    request.out_size = out;
    request.timeout_ms = deadline ? deadline * 100u : PATIENCE_MS;
    request.user = flight;
    status = smartcrd_submit(world->handles[handle], &request, &id, &done);
    require(id != 0 || status == STATUS_INVALID_PARAMETER || status == STATUS_INSUFFICIENT_RESOURCES);
    note(world, (uint32_t)status);
    if (status == STATUS_PENDING) {
        flight->id = id;
        return;
    }
    if (id != 0) {
        require(done.id == id && done.status == status);
        is_end(world, &done, &flight->out);
    }
    drop(&flight->out);
}

static void submit_number(struct world *world, uint8_t what, uint32_t code, uint32_t number, size_t out)
{
    struct exact input = exact_copy((const uint8_t *)&number, sizeof number);

    submit(world, what, code, &input, out);
    drop(&input);
}

/* Cards that live in a world of their own are not for simulated time. */
static bool belongs_here(const struct exact *text)
{
    return memmem(text->bytes, text->size, "vpcd", 4) == NULL && memmem(text->bytes, text->size, "cac", 3) == NULL;
}

/* A hand at the slot. */
static void panel(struct world *world, uint32_t code, const struct exact *text)
{
    char answer[512];
    const struct smartcrd_request say = {
        .code = code, .in = text->bytes, .in_size = text->size, .timeout_ms = PATIENCE_MS};
    const struct smartcrd_request ask = {
        .code = IOCTL_VREADER_STATUS, .out = answer, .out_size = sizeof answer, .timeout_ms = PATIENCE_MS};
    size_t size = 0;
    NTSTATUS status = STATUS_NOT_SUPPORTED;

    if (code != IOCTL_VREADER_INSERT || belongs_here(text))
        status = smartcrd_control(world->panel, &say, NULL);
    require(smartcrd_control(world->panel, &ask, &size) == STATUS_SUCCESS && size > 0 && size <= sizeof answer);
    require(answer[size - 1] == '\n' || size == sizeof answer);
    require(status != STATUS_INVALID_PARAMETER || memmem(answer, size, "refused: ", 9) != NULL);
    note(world, (uint32_t)status);
}

static void panel_words(struct world *world, uint32_t code, const char *words)
{
    struct exact text = exact_copy((const uint8_t *)words, strlen(words));

    panel(world, code, &text);
    drop(&text);
}

static void transmit(struct world *world, uint8_t what)
{
    uint32_t pci[2] = {masks[take(&world->in) % 4], sizeof pci};
    size_t out = take_number(&world->in, 700);
    struct exact apdu = take_exact(&world->in, take(&world->in)), input = exact_room(sizeof pci + apdu.size);

    memcpy(input.bytes, pci, sizeof pci);
    memcpy(input.bytes + sizeof pci, apdu.bytes, apdu.size);
    submit(world, what, IOCTL_SMARTCARD_TRANSMIT, &input, out);
    drop(&input);
    drop(&apdu);
}

static void anything(struct world *world, uint8_t what)
{
    uint32_t code = (uint32_t)take_number(&world->in, 65535) << 16;
    struct exact input;
    size_t out;

    code |= (uint32_t)take_number(&world->in, 65535);
    out = take_number(&world->in, 700);
    input = take_exact(&world->in, take(&world->in));
    if (code != IOCTL_VREADER_INSERT || belongs_here(&input))
        submit(world, what, code, &input, out);
    drop(&input);
}

static void cancel(struct world *world)
{
    struct flight *flight = &world->flights[take(&world->in) % FLIGHTS];
    NTSTATUS status;

    if (flight->id == 0)
        return;
    status = smartcrd_cancel(world->handles[flight->handle], flight->id);
    require(status == STATUS_SUCCESS || status == STATUS_ALREADY_COMPLETE);
    flight->cancelled = flight->cancelled || status == STATUS_SUCCESS;
    note(world, (uint32_t)status);
}

static void pass(struct world *world, uint64_t ns)
{
    uint64_t passed = 0, step = 0;

    for (unsigned i = 0; i < STEPS_MAX && passed < ns; i++, passed += step) {
        uint64_t before = smartcrd_now(world->context);

        (void)smartcrd_advance(world->context, ns - passed, &step);
        require(step <= ns - passed && smartcrd_now(world->context) == before + step);
    }
}

static void query(struct world *world)
{
    uint8_t which = take(&world->in), value[40];
    uint32_t state = 99;
    size_t size = which % sizeof value;
    NTSTATUS status;

    require(smartcrd_state(world->handles[0], &state) == STATUS_SUCCESS ? state <= SCARD_SPECIFIC : true);
    status = smartcrd_attribute(world->handles[0], SCARD_ATTR_ATR_STRING, value, &size);
    require(status != STATUS_SUCCESS || size <= 33);
    note(world, (uint64_t)state << 32 | (uint32_t)status);
}

/* Any command APDU, over whatever protocol is selected, and its response. */
static void apdu(struct world *world)
{
    struct exact command = take_exact(&world->in, take(&world->in)), reply = exact_room(300);
    size_t size = reply.size;
    NTSTATUS status = smartcrd_apdu(world->handles[0], command.bytes, command.size, reply.bytes, &size, PATIENCE_MS);

    require(status != STATUS_PENDING && (status != STATUS_SUCCESS || (size >= 2 && size <= reply.size)));
    note(world, (uint32_t)status);
    if (status == STATUS_SUCCESS)
        touch(reply.bytes, size);
    drop(&reply);
    drop(&command);
}

/* ---- the world --------------------------------------------------------------------------------------------------- */

static void open_all(struct world *world)
{
    char panel_name[SMARTCRD_NAME_MAX + 8];

    require(smartcrd_add_reader(world->context, "vreader", world->name, sizeof world->name) == STATUS_SUCCESS);
    snprintf(panel_name, sizeof panel_name, "%s-panel", world->name);
    require(smartcrd_open(world->context, world->name, &world->handles[0]) == STATUS_SUCCESS);
    require(smartcrd_open(world->context, world->name, &world->handles[1]) == STATUS_SUCCESS);
    require(smartcrd_open(world->context, panel_name, &world->panel) == STATUS_SUCCESS);
}

/* What was in flight on a handle that is closed is nobody's any more. */
static void forget(struct world *world, unsigned handle)
{
    for (size_t i = 0; i < FLIGHTS; i++) {
        if (world->flights[i].id != 0 && world->flights[i].handle == handle) {
            drop(&world->flights[i].out);
            world->flights[i].id = 0;
        }
    }
}

static void close_one(struct world *world, unsigned handle)
{
    smartcrd_close(world->handles[handle]);
    forget(world, handle);
}

/* Everything ends, and what is left after that is nothing. */
static void close_all(struct world *world)
{
    for (unsigned handle = 0; handle < 2; handle++) {
        (void)smartcrd_cancel_all(world->handles[handle]);
        require(!reap(world, handle, 2 * PATIENCE_MS));
        for (size_t i = 0; i < FLIGHTS; i++)
            require(world->flights[i].id == 0 || world->flights[i].handle != handle);
        close_one(world, handle);
    }
    smartcrd_close(world->panel);
}

static void renew(struct world *world, uint8_t what)
{
    if (what & 0x10) {
        require(smartcrd_remove_reader(world->context, world->name) == STATUS_SUCCESS);
        close_all(world);
        open_all(world);
        return;
    }
    close_one(world, 1);
    require(smartcrd_open(world->context, world->name, &world->handles[1]) == STATUS_SUCCESS);
}

static void text_to_panel(struct world *world, uint32_t code)
{
    struct exact text = take_exact(&world->in, take(&world->in));

    panel(world, code, &text);
    drop(&text);
}

static void happen(struct world *world, uint8_t what)
{
    const struct exact none = {.size = 0};

    switch (what & 0x0F) {
    case 0:
        panel_words(world, IOCTL_VREADER_INSERT, cards[take(&world->in) % (sizeof cards / sizeof cards[0])]);
        break;
    case 1:
        text_to_panel(world, IOCTL_VREADER_INSERT);
        break;
    case 2:
        panel(world, IOCTL_VREADER_REMOVE, &none);
        break;
    case 3:
        panel_words(world, IOCTL_VREADER_FAULT, faults[take(&world->in) % (sizeof faults / sizeof faults[0])]);
        break;
    case 4:
        text_to_panel(world, IOCTL_VREADER_FAULT);
        break;
    case 5: {
        uint32_t minor = take(&world->in);

        submit_number(world, what, IOCTL_SMARTCARD_POWER, minor, take(&world->in));
        break;
    }
    case 6:
        submit_number(world, what, IOCTL_SMARTCARD_SET_PROTOCOL,
                      masks[take(&world->in) % (sizeof masks / sizeof masks[0])], 4);
        break;
    case 7:
        transmit(world, what);
        break;
    case 8:
        anything(world, what);
        break;
    case 9:
        submit(world, what, what & 0x10 ? IOCTL_SMARTCARD_IS_ABSENT : IOCTL_SMARTCARD_IS_PRESENT, &none, 0);
        break;
    case 10:
        cancel(world);
        break;
    case 11:
        (void)smartcrd_cancel_all(world->handles[what >> 5 & 1]);
        break;
    case 12:
        pass(world, take_number(&world->in, 65535) * (uint64_t)1000000);
        break;
    case 13:
        (void)reap(world, what >> 5 & 1, 0);
        break;
    case 14:
        if (what & 0x10)
            apdu(world);
        else
            query(world);
        break;
    default:
        renew(world, what);
        break;
    }
}

static uint64_t live(const uint8_t *data, size_t size)
{
    static struct world world; /* large; made new for each life */
    const struct smartcrd_options options = {.size = sizeof options, .simulated_time = 1};

    world = (struct world){.in = {data, size}, .digest = 0xCBF29CE484222325u};
    require(smartcrd_create(&options, &world.context) == STATUS_SUCCESS);
    require(smartcrd_load_driver(world.context, "vreader", NULL, 0) == STATUS_SUCCESS);
    open_all(&world);
    for (unsigned i = 0; i < STEPS_MAX && world.in.left; i++) {
        happen(&world, take(&world.in));
        look_at_journal(&world);
    }
    note(&world, smartcrd_now(world.context));
    close_all(&world);
    smartcrd_destroy(world.context);
    return world.digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool twice = size > 0 && (data[0] & 1);
    const uint8_t *rest = size ? data + 1 : data;
    uint64_t digest = live(rest, size ? size - 1 : 0);

    if (twice)
        require(live(rest, size - 1) == digest);
    return 0;
}
