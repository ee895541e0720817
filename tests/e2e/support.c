/* SPDX-License-Identifier: MIT */
/* See support.h. */
#include "support.h"
#include "support_driver.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

void status_equal(NTSTATUS actual, NTSTATUS expected, const char *expression, const char *file, int line)
{
    if (actual == expected)
        return;
    const char *is = smartcrd_status_name(actual), *should = smartcrd_status_name(expected);
    print_error("%s is %s (0x%08X), should be %s (0x%08X)\n", expression, is != NULL ? is : "?", (unsigned)actual,
                should != NULL ? should : "?", (unsigned)expected);
    _fail(file, line);
}

/* ---- a context with one virtual reader --------------------------------------------------------------------------- */

void world_open(struct world *world, const struct smartcrd_options *options)
{
    char error[256] = "";
    memset(world, 0, sizeof(*world));
    assert_status(smartcrd_create(options, &world->context), STATUS_SUCCESS);
    NTSTATUS status = smartcrd_load_driver(world->context, "vreader", error, sizeof(error));
    if (status != STATUS_SUCCESS)
        print_error("vreader: %s\n", error);
    assert_status(status, STATUS_SUCCESS);
    assert_status(smartcrd_add_reader(world->context, "vreader", world->name, sizeof(world->name)), STATUS_SUCCESS);
    char panel[SMARTCRD_NAME_MAX + 8];
    snprintf(panel, sizeof(panel), "%s-panel", world->name);
    world->reader = open_handle(world->context, world->name);
    world->panel = open_handle(world->context, panel);
}

void world_close(struct world *world)
{
    smartcrd_close(world->reader);
    smartcrd_close(world->panel);
    smartcrd_destroy(world->context);
    memset(world, 0, sizeof(*world));
}

int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    if (world == NULL)
        return -1;
    world_open(world, NULL);
    *state = world;
    return 0;
}

int world_teardown(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

int scripted_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    if (world == NULL)
        return -1;
    test_plan_reset();
    test_plan.callbacks[RDF_IOCTL_VENDOR] = scripted_vendor;
    test_plan.callbacks[RDF_CARD_TRACKING] = pending_tracking;
    test_release = 0;
    assert_status(smartcrd_create(NULL, &world->context), STATUS_SUCCESS);
    assert_status(smartcrd_add_driver(world->context, "test", TestDriverEntry), STATUS_SUCCESS);
    assert_status(smartcrd_add_reader(world->context, "test", world->name, sizeof(world->name)), STATUS_SUCCESS);
    world->reader = open_handle(world->context, world->name);
    *state = world;
    return 0;
}

struct smartcrd_handle *open_handle(struct smartcrd *context, const char *name)
{
    struct smartcrd_handle *handle = NULL;
    assert_status(smartcrd_open(context, name, &handle), STATUS_SUCCESS);
    assert_non_null(handle);
    return handle;
}

void insert_card(struct world *world, const char *text)
{
    char why[512] = "";
    NTSTATUS status = say(world->panel, IOCTL_VREADER_INSERT, text);
    if (status != STATUS_SUCCESS) {
        control(world->panel, IOCTL_VREADER_STATUS, NULL, 0, why, sizeof(why) - 1, NULL);
        print_error("insert %s: %s\n", text, why);
    }
    assert_status(status, STATUS_SUCCESS);
}

void take_card_out(struct world *world)
{
    assert_status(bare(world->panel, IOCTL_VREADER_REMOVE), STATUS_SUCCESS);
}

void arm_fault(struct world *world, const char *text)
{
    assert_status(say(world->panel, IOCTL_VREADER_FAULT, text), STATUS_SUCCESS);
}

void power_up(struct world *world)
{
    uint32_t kind = SCARD_COLD_RESET;
    uint8_t atr[33];
    size_t size = 0;
    assert_status(control(world->reader, IOCTL_SMARTCARD_POWER, &kind, sizeof(kind), atr, sizeof(atr), &size),
                  STATUS_SUCCESS);
    assert_in_range(size, 2, 33);
}

void select_protocol(struct world *world, uint32_t mask)
{
    uint32_t selected = 0;
    assert_status(
        control(world->reader, IOCTL_SMARTCARD_SET_PROTOCOL, &mask, sizeof(mask), &selected, sizeof(selected), NULL),
        STATUS_SUCCESS);
    assert_int_equal(reader_state(world->reader), SCARD_SPECIFIC);
}

void ready_card(struct world *world, const char *text, uint32_t protocol)
{
    insert_card(world, text);
    power_up(world);
    select_protocol(world, protocol);
}

struct smartcrd_completion scripted(struct smartcrd_handle *handle, NTSTATUS status, uint32_t how, NTSTATUS stored,
                                    uint32_t delay_ms)
{
    const struct script script = {(ULONG)status, how, (ULONG)stored, delay_ms};
    return run(handle, IOCTL_TEST_SCRIPT, &script, sizeof(script), NULL, 0, SMARTCRD_NO_TIMEOUT);
}

uint64_t start_script(struct smartcrd_handle *handle, NTSTATUS status, uint32_t how, uint32_t delay_ms,
                      uint32_t timeout_ms)
{
    const struct script script = {(ULONG)status, how, 0, delay_ms};
    return start(handle, IOCTL_TEST_SCRIPT, &script, sizeof(script), NULL, 0, timeout_ms);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

NTSTATUS control(struct smartcrd_handle *handle, uint32_t code, const void *in, size_t in_size, void *out,
                 size_t out_size, size_t *information)
{
    struct smartcrd_request request = {
        .code = code,
        .in = in,
        .in_size = in_size,
        .out = out,
        .out_size = out_size,
        .timeout_ms = SMARTCRD_NO_TIMEOUT,
    };
    return smartcrd_control(handle, &request, information);
}

NTSTATUS bare(struct smartcrd_handle *handle, uint32_t code)
{
    return control(handle, code, NULL, 0, NULL, 0, NULL);
}

NTSTATUS say(struct smartcrd_handle *handle, uint32_t code, const char *text)
{
    return control(handle, code, text, strlen(text), NULL, 0, NULL);
}

NTSTATUS last_error(struct smartcrd_handle *handle)
{
    uint32_t answer = 0xDEADBEEF;
    size_t information = 99;
    assert_status(control(handle, IOCTL_SMARTCARD_GET_LAST_ERROR, NULL, 0, &answer, sizeof(answer), &information),
                  STATUS_SUCCESS);
    assert_int_equal(information, 4);
    return (NTSTATUS)answer;
}

uint32_t reader_state(struct smartcrd_handle *handle)
{
    uint32_t state = 0xDEADBEEF;
    size_t information = 99;
    assert_status(control(handle, IOCTL_SMARTCARD_GET_STATE, NULL, 0, &state, sizeof(state), &information),
                  STATUS_SUCCESS);
    assert_int_equal(information, 4);
    return state;
}

size_t with_pci(uint8_t *buffer, uint32_t protocol, const void *command, size_t size)
{
    const uint32_t pci[2] = {protocol, 8};
    memcpy(buffer, pci, 8);
    if (size > 0)
        memcpy(buffer + 8, command, size);
    return 8 + size;
}

NTSTATUS transmit(struct smartcrd_handle *handle, uint32_t protocol, const void *command, size_t size, uint8_t *reply,
                  size_t *reply_size)
{
    uint8_t in[8 + 512], out[8 + 512];
    size_t information = 0;
    assert_true(size <= 512);
    NTSTATUS status = control(handle, IOCTL_SMARTCARD_TRANSMIT, in, with_pci(in, protocol, command, size), out,
                              sizeof(out), &information);
    *reply_size = 0;
    if (status == STATUS_SUCCESS) {
        uint32_t pci[2];
        assert_true(information >= 8);
        memcpy(pci, out, 8);
        assert_int_equal(pci[0], protocol);
        assert_int_equal(pci[1], 8);
        *reply_size = information - 8;
        memcpy(reply, out + 8, information - 8);
    }
    return status;
}

/* What ended while it was being submitted, for finish. */
static struct smartcrd_completion ended_early[16];
static size_t ended_early_count;

uint64_t start(struct smartcrd_handle *handle, uint32_t code, const void *in, size_t in_size, void *out,
               size_t out_size, uint32_t timeout_ms)
{
    struct smartcrd_request request = {
        .code = code,
        .in = in,
        .in_size = in_size,
        .out = out,
        .out_size = out_size,
        .timeout_ms = timeout_ms,
    };
    struct smartcrd_completion done;
    uint64_t id = 0;
    NTSTATUS status = smartcrd_submit(handle, &request, &id, &done);
    /* On a machine that is busy enough, a deadline passes before the call is back. */
    if (status == STATUS_IO_TIMEOUT && timeout_ms != SMARTCRD_NO_TIMEOUT) {
        assert_status(done.status, status);
        ended_early[ended_early_count++ % 16] = done;
    } else {
        assert_status(status, STATUS_PENDING);
    }
    assert_true(id != 0);
    return id;
}

uint64_t start_transmit(struct smartcrd_handle *handle, uint32_t protocol, uint32_t timeout_ms)
{
    static const uint8_t t0[] = {1, 0, 0, 0, 8, 0, 0, 0, 0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00};
    static const uint8_t t1[] = {2, 0, 0, 0, 8, 0, 0, 0, 0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00};
    static _Thread_local uint8_t out[512];
    return start(handle, IOCTL_SMARTCARD_TRANSMIT, protocol == SCARD_PROTOCOL_T0 ? t0 : t1, sizeof(t0), out,
                 sizeof(out), timeout_ms);
}

struct smartcrd_completion run(struct smartcrd_handle *handle, uint32_t code, const void *in, size_t in_size, void *out,
                               size_t out_size, uint32_t timeout_ms)
{
    struct smartcrd_request request = {
        .code = code,
        .in = in,
        .in_size = in_size,
        .out = out,
        .out_size = out_size,
        .timeout_ms = timeout_ms,
        .user = handle,
    };
    struct smartcrd_completion done;
    uint64_t id = 0;
    memset(&done, 0x5A, sizeof(done));
    NTSTATUS status = smartcrd_submit(handle, &request, &id, &done);
    if (status == STATUS_PENDING)
        return finish(handle, id);
    assert_status(done.status, status);
    assert_int_equal(done.id, id);
    assert_int_equal(done.code, code);
    assert_ptr_equal(done.user, handle);
    return done;
}

struct smartcrd_completion finish(struct smartcrd_handle *handle, uint64_t id)
{
    struct smartcrd_completion done;
    for (size_t i = 0; i < 16; i++)
        if (ended_early[i].id == id) {
            done = ended_early[i];
            ended_early[i].id = 0;
            return done;
        }
    assert_status(smartcrd_reap_one(handle, id, &done, PATIENCE_MS), STATUS_SUCCESS);
    assert_int_equal(done.id, id);
    return done;
}

struct smartcrd_journal_entry journal_entry(struct smartcrd_handle *handle, uint64_t sequence)
{
    struct smartcrd_journal_entry entry;
    assert_true(sequence > 0);
    assert_int_equal(smartcrd_journal(handle, sequence - 1, &entry, 1), 1);
    assert_int_equal(entry.sequence, sequence);
    return entry;
}

struct smartcrd_journal_entry journal_newest(struct smartcrd_handle *handle)
{
    struct smartcrd_journal_entry entries[256];
    size_t count = smartcrd_journal(handle, 0, entries, 256);
    assert_in_range(count, 1, 256);
    return entries[count - 1];
}

uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

void sleep_ms(unsigned ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};
    while (nanosleep(&time, &time) != 0)
        ;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

unsigned time_scale(void)
{
#ifdef SANITIZED
    return 10;
#else
    const char *preload = getenv("LD_PRELOAD");
    return preload != NULL && strstr(preload, "vgpreload") != NULL ? 10 : 1;
#endif
}

/* ---- buffers that end at a page nobody may touch ------------------------------------------------------------------ */

void guarded_make(struct guarded *guarded, size_t room)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (room + page - 1) / page * page;
    guarded->size = size + page;
    void *base = mmap(NULL, guarded->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED);
    guarded->base = base;
    guarded->end = guarded->base + size;
    assert_int_equal(mprotect(guarded->end, page, PROT_NONE), 0);
}

void guarded_free(struct guarded *guarded)
{
    munmap(guarded->base, guarded->size);
    memset(guarded, 0, sizeof(*guarded));
}
