/* SPDX-License-Identifier: MIT */
/*
 * Bad input: every control code with every input length from 0 to 300 and several output lengths, and the other way
 * round, in every reader state, gives the status that the order of checks of smclib.md, section 3, demands, and touches
 * no byte beyond the buffers: they end where a page begins that nobody may touch. What must come is oracle.c's to say.
 *
 * Three ways in: through handles; straight at the library with requests whose system buffer has exactly
 * max(input, output) bytes; and the virtual reader in the states that its cards put it in.
 */
#include "support.h"
#include "support_driver.h"
#include "oracle.h"

#include "src/nt/nt.h"

#define MOST 300u

/* Lengths that mean something to some code, for the other buffer while one goes through all. */
static const size_t lengths[] = {0, 3, 4, 7, 8, 10, 32, 33, 300};
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static uint64_t combinations;

/* ---- what is asked ---------------------------------------------------------------------------------------------------- */

/* The first bytes of the input; the rest is a pattern. */
struct opening {
    uint8_t bytes[13];
    uint8_t size;
};

#define LE32(v) (uint8_t)(v), (uint8_t)((v) >> 8), (uint8_t)((v) >> 16), (uint8_t)((uint32_t)(v) >> 24)
#define NUMBER(v)                                                                                                      \
    {                                                                                                                  \
        {LE32(v)}, 4                                                                                                   \
    }
#define PCI(protocol, length, lc)                                                                                      \
    {                                                                                                                  \
        {LE32(protocol), LE32(length), 0x00, 0xA4, 0x00, 0x00, lc}, 13                                                 \
    }

static const struct opening any_number[] = {NUMBER(0), NUMBER(1), NUMBER(0xFFFFFFFFu)};
static const struct opening power_kinds[] = {NUMBER(0), NUMBER(1), NUMBER(2), NUMBER(3), NUMBER(0x80000001u)};
static const struct opening masks[] = {
    NUMBER(0), NUMBER(1), NUMBER(2), NUMBER(3), NUMBER(4), NUMBER(0x10000), NUMBER(0x80000000u), NUMBER(0x80000002u),
};
static const struct opening headers[] = {
    PCI(1, 8, 0),       PCI(1, 8, 20),          PCI(1, 8, 250), PCI(2, 8, 0),           PCI(2, 0, 0),
    PCI(2, 9, 0),       PCI(2, 200, 0),         PCI(1, 300, 0), PCI(1, 0xFFFFFFFFu, 0), PCI(2, 0xFFFFFFF8u, 0),
    PCI(0x10000, 8, 0), PCI(0x10000, 301, 200), PCI(0, 8, 0),   PCI(3, 8, 0),           PCI(0xFFFFFFFFu, 8, 0),
};
static struct opening tags[ATTRIBUTES + 4];

struct asked {
    uint32_t code;
    const struct opening *openings;
    size_t count;
};
#define ASKED(code, openings)                                                                                          \
    {                                                                                                                  \
        code, openings, sizeof(openings) / sizeof(openings[0])                                                         \
    }

static const struct asked questions[] = {
    ASKED(IOCTL_SMARTCARD_POWER, power_kinds),
    ASKED(IOCTL_SMARTCARD_GET_ATTRIBUTE, tags),
    ASKED(IOCTL_SMARTCARD_SET_ATTRIBUTE, tags),
    ASKED(IOCTL_SMARTCARD_CONFISCATE, any_number),
    ASKED(IOCTL_SMARTCARD_TRANSMIT, headers),
    ASKED(IOCTL_SMARTCARD_EJECT, any_number),
    ASKED(IOCTL_SMARTCARD_SWALLOW, any_number),
    ASKED(IOCTL_SMARTCARD_IS_PRESENT, any_number),
    ASKED(IOCTL_SMARTCARD_IS_ABSENT, any_number),
    ASKED(IOCTL_SMARTCARD_SET_PROTOCOL, masks),
    ASKED(IOCTL_SMARTCARD_GET_STATE, any_number),
    ASKED(IOCTL_SMARTCARD_GET_LAST_ERROR, any_number),
    ASKED(IOCTL_SMARTCARD_GET_PERF_CNTR, any_number),
    ASKED(SCARD_CTL_CODE(0), any_number),
    ASKED(SCARD_CTL_CODE(8), any_number),
    ASKED(SCARD_CTL_CODE(9), any_number),
    ASKED(SCARD_CTL_CODE(13), any_number),
    ASKED(SCARD_CTL_CODE(17), any_number),
    ASKED(SCARD_CTL_CODE(100), any_number),
    ASKED(SCARD_CTL_CODE(2047), any_number),
    ASKED(SCARD_CTL_CODE(2048), any_number),
    ASKED(SCARD_CTL_CODE(2050), any_number),
    ASKED(SCARD_CTL_CODE(3400), any_number), /* GET_FEATURE_REQUEST */
    ASKED(SCARD_CTL_CODE(4095), any_number),
    ASKED(0x00222400, any_number), /* function 2304 of another device type */
    ASKED(IOCTL_SMARTCARD_POWER | METHOD_NEITHER, power_kinds),
    ASKED(IOCTL_SMARTCARD_GET_STATE | METHOD_IN_DIRECT, any_number),
    ASKED(IOCTL_SMARTCARD_IS_PRESENT | METHOD_OUT_DIRECT, any_number),
    ASKED(SCARD_CTL_CODE(2048) | METHOD_NEITHER, any_number),
};
#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static void fill_tags(void)
{
    const uint32_t more[4] = {SCARD_ATTR_SUPRESS_T1_IFS_REQUEST, SCARD_ATTR_DEVICE_IN_USE, 0x12345678, 0};
    for (size_t i = 0; i < ATTRIBUTES + 4; i++) {
        const uint32_t tag = i < ATTRIBUTES ? attributes[i].tag : more[i - ATTRIBUTES];
        tags[i].size = 4;
        memcpy(tags[i].bytes, &tag, 4);
    }
}

static void fill(uint8_t *in, size_t size, const struct opening *opening)
{
    for (size_t i = 0; i < size; i++)
        in[i] = i < opening->size ? opening->bytes[i] : (uint8_t)(0x40 + i);
}

static _Noreturn void complain(const char *way, const struct question *q, const struct answer *should, NTSTATUS status,
                               size_t information)
{
    const char *is = smartcrd_status_name(status), *was = smartcrd_status_name(should->status);
    fail_msg(
        "%s: code 0x%08X, minor 0x%08X, input %zu, output %zu bytes, state %u, protocol 0x%X, %s: 0x%08X (%s) with "
        "%zu bytes, should be 0x%08X (%s) with %zu",
        way, q->code, minor_of(q), q->in_size, q->out_size, q->state, q->selected,
        q->callbacks ? "callbacks" : "no callbacks", (unsigned)status, is != NULL ? is : "?", information,
        (unsigned)should->status, was != NULL ? was : "?", should->information);
    abort();
}

typedef void ask_function(void *context, struct question *question);

/* Every input length against some output lengths, and the other way round. */
static void sweep(ask_function *ask, void *context, struct question *question, const struct opening *opening,
                  uint8_t *in_end)
{
    for (size_t many = 0; many <= MOST; many++) {
        for (size_t i = 0; i < LENGTHS; i++) {
            for (int which = 0; which < 2; which++) {
                question->in_size = which == 0 ? many : lengths[i];
                question->out_size = which == 0 ? lengths[i] : many;
                uint8_t *in = in_end - question->in_size;
                fill(in, question->in_size, opening);
                question->in = in;
                ask(context, question);
                combinations++;
            }
        }
    }
}

struct setting {
    uint32_t state, selected;
    bool callbacks;
};
static const struct setting settings[] = {
    {SCARD_UNKNOWN, 0, true},        {SCARD_ABSENT, 0, true},     {SCARD_PRESENT, 0, true},  {SCARD_SWALLOWED, 0, true},
    {SCARD_POWERED, 0, true},        {SCARD_NEGOTIABLE, 0, true}, {SCARD_SPECIFIC, 1, true}, {SCARD_SPECIFIC, 2, true},
    {SCARD_SPECIFIC, 0x10000, true}, {SCARD_ABSENT, 0, false},    {SCARD_PRESENT, 0, false}, {SCARD_SPECIFIC, 2, false},
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static void sweep_setting(const struct setting *setting, bool tracking, ask_function *ask, void *context,
                          uint8_t *in_end)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        for (size_t j = 0; j < questions[i].count; j++) {
            struct question question = {
                .code = questions[i].code,
                .state = setting->state,
                .selected = setting->selected,
                .callbacks = setting->callbacks,
                .tracking = tracking,
                .minor_before = j % 2 == 0 ? 0x12345678 : SCARD_WARM_RESET,
            };
            sweep(ask, context, &question, &questions[i].openings[j], in_end);
        }
    }
}

/* Put the toy reader where the question wants it. */
static void arrange(struct test_reader *reader, const struct question *q)
{
    test_reader_set(reader, q->state, q->selected);
    reader->extension.MinorIoControlCode = q->minor_before;
    for (unsigned i = 0; i < 16; i++)
        reader->extension.ReaderFunction[i] = q->callbacks ? test_plan.callbacks[i] : NULL;
}

/* ---- straight at the library ------------------------------------------------------------------------------------------- */

#define UNTOUCHED 0x5A5A

struct direct {
    struct nt_host *host;
    struct nt_driver *driver;
    PDEVICE_OBJECT device;
    PIRP irp;
    struct guarded input, system;
    uint8_t before[MOST];
    bool completed;
};

static NTSTATUS note_completion(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    struct direct *direct = context;
    (void)device;
    (void)irp;
    direct->completed = true;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static void ask_the_library(void *context, struct question *q)
{
    struct direct *direct = context;
    const size_t size = q->in_size > q->out_size ? q->in_size : q->out_size;
    uint8_t *buffer = direct->system.end - size;
    PIRP irp = direct->irp;

    arrange(test_reader_at(0), q);
    if (q->tracking)
        test_reader_at(0)->extension.OsData->NotificationIrp = irp;
    memset(buffer, 0xA5, size);
    memcpy(buffer, q->in, q->in_size);
    memcpy(direct->before, buffer, size);
    IoInitializeIrp(irp, IoSizeOfIrp(direct->device->StackSize), direct->device->StackSize);
    PIO_STACK_LOCATION stack = IoGetNextIrpStackLocation(irp);
    stack->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    stack->Parameters.DeviceIoControl.IoControlCode = q->code;
    stack->Parameters.DeviceIoControl.InputBufferLength = (ULONG)q->in_size;
    stack->Parameters.DeviceIoControl.OutputBufferLength = (ULONG)q->out_size;
    irp->AssociatedIrp.SystemBuffer = size > 0 ? buffer : NULL;
    irp->IoStatus.Information = UNTOUCHED;
    IoSetCompletionRoutine(irp, note_completion, direct, TRUE, TRUE, TRUE);
    direct->completed = false;
    const NTSTATUS returned = IoCallDriver(direct->device, irp);

    const struct answer should = expected(q);
    const NTSTATUS status = irp->IoStatus.Status;
    const size_t information = irp->IoStatus.Information;
    if (q->tracking && test_reader_at(0)->extension.OsData->NotificationIrp == irp)
        test_reader_at(0)->extension.OsData->NotificationIrp = NULL;
    assert_true(direct->completed);
    assert_int_equal(returned, status);
    if (should.any) {
        assert_true(information <= q->out_size);
        return;
    }
    const size_t wanted = should.keeps_information ? UNTOUCHED : should.information;
    if ((status != should.status && status != should.or_status) || information != wanted)
        complain("library", q, &should, status, information);
    if (!NT_SUCCESS(status))
        assert_memory_equal(buffer, direct->before, size); /* 3.0, 8 */
    if (q->code == IOCTL_SMARTCARD_POWER && q->callbacks && q->state > SCARD_ABSENT && status != STATUS_SUCCESS) {
        assert_int_equal(test_reader_at(0)->extension.CardCapabilities.ATR.Length, 0); /* 3.4 */
        assert_int_equal(test_reader_at(0)->extension.CardCapabilities.Protocol.Selected, 0);
    }
    assert_ptr_equal(test_reader_at(0)->extension.OsData->CurrentIrp, NULL);
}

static int direct_setup(void **state)
{
    struct direct *direct = calloc(1, sizeof(*direct));
    if (direct == NULL)
        return -1;
    fill_tags();
    test_plan_reset();
    guarded_make(&direct->input, MOST);
    guarded_make(&direct->system, MOST);
    assert_status(nt_host_create(&direct->host), STATUS_SUCCESS);
    nt_enter(direct->host);
    assert_status(nt_driver_load(direct->host, "test", TestDriverEntry, NULL, &direct->driver, NULL, 0),
                  STATUS_SUCCESS);
    assert_status(nt_device_add(direct->driver, &direct->device), STATUS_SUCCESS);
    direct->irp = IoAllocateIrp(direct->device->StackSize, FALSE);
    assert_non_null(direct->irp);
    *state = direct;
    return 0;
}

static int direct_teardown(void **state)
{
    struct direct *direct = *state;
    IoFreeIrp(direct->irp);
    nt_device_remove(direct->device);
    nt_enter(NULL);
    nt_host_destroy(direct->host);
    guarded_free(&direct->input);
    guarded_free(&direct->system);
    free(direct);
    return 0;
}

static void the_library_in_every_state(void **state)
{
    struct direct *direct = *state;
    combinations = 0;
    for (size_t i = 0; i < SETTINGS; i++)
        sweep_setting(&settings[i], false, ask_the_library, direct, direct->input.end);
    print_message("%llu combinations\n", (unsigned long long)combinations);
    assert_true(combinations > 1000000);
}

static void the_library_while_tracking_is_pending(void **state)
{
    struct direct *direct = *state;
    combinations = 0;
    for (size_t i = 0; i < SETTINGS; i++) {
        for (size_t j = 0; j < 2; j++) {
            const uint32_t code = j == 0 ? IOCTL_SMARTCARD_IS_PRESENT : IOCTL_SMARTCARD_IS_ABSENT;
            struct question question = {.code = code,
                                        .state = settings[i].state,
                                        .selected = settings[i].selected,
                                        .callbacks = settings[i].callbacks,
                                        .tracking = true};
            sweep(ask_the_library, direct, &question, &any_number[0], direct->input.end);
        }
    }
    print_message("%llu combinations\n", (unsigned long long)combinations);
}

/* ---- through handles ---------------------------------------------------------------------------------------------------- */

struct handled {
    struct smartcrd *context;
    struct smartcrd_handle *handle;
    struct guarded input, output;
    uint8_t before[MOST];
    bool overlapped;
};

static void check_output(const struct question *q, const uint8_t *out, size_t information)
{
    assert_true(information <= q->out_size);
    for (size_t i = information; i < q->out_size; i++)
        if (out[i] != 0xA5)
            fail_msg("code 0x%08X wrote byte %zu of the output; %zu bytes were returned", q->code, i, information);
}

static NTSTATUS put(struct handled *handled, const struct question *q, uint8_t *out, size_t *information)
{
    struct smartcrd_request request = {
        .code = q->code,
        .in = q->in_size > 0 ? q->in : NULL,
        .in_size = q->in_size,
        .out = q->out_size > 0 ? out : NULL,
        .out_size = q->out_size,
        .timeout_ms = SMARTCRD_NO_TIMEOUT,
    };
    struct smartcrd_completion done;
    uint64_t id;

    if (!handled->overlapped)
        return smartcrd_control(handled->handle, &request, information);
    if (smartcrd_submit(handled->handle, &request, &id, &done) == STATUS_PENDING)
        assert_status(smartcrd_reap(handled->handle, &done, PATIENCE_MS), STATUS_SUCCESS);
    *information = done.information;
    return done.status;
}

static void ask_through_a_handle(void *context, struct question *q)
{
    struct handled *handled = context;
    uint8_t *out = handled->output.end - q->out_size;
    size_t information = 9999;

    arrange(test_reader_at(0), q);
    memset(out, 0xA5, q->out_size);
    memcpy(handled->before, q->in, q->in_size);
    const struct answer should = expected(q);
    const NTSTATUS status = put(handled, q, out, &information);
    check_output(q, out, information);
    assert_memory_equal(q->in, handled->before, q->in_size);
    if (should.any)
        return;
    if ((status != should.status && status != should.or_status) || information != should.information)
        complain(handled->overlapped ? "overlapped" : "handle", q, &should, status, information);
}

static int handled_setup(void **state)
{
    struct handled *handled = calloc(1, sizeof(*handled));
    char name[SMARTCRD_NAME_MAX];
    if (handled == NULL)
        return -1;
    fill_tags();
    test_plan_reset();
    test_plan.never_blocks = TRUE; /* so that overlapped requests need no other thread */
    guarded_make(&handled->input, MOST);
    guarded_make(&handled->output, MOST);
    assert_status(smartcrd_create(NULL, &handled->context), STATUS_SUCCESS);
    assert_status(smartcrd_add_driver(handled->context, "test", TestDriverEntry), STATUS_SUCCESS);
    assert_status(smartcrd_add_reader(handled->context, "test", name, sizeof(name)), STATUS_SUCCESS);
    handled->handle = open_handle(handled->context, name);
    *state = handled;
    return 0;
}

static int handled_teardown(void **state)
{
    struct handled *handled = *state;
    smartcrd_close(handled->handle);
    smartcrd_destroy(handled->context);
    guarded_free(&handled->input);
    guarded_free(&handled->output);
    free(handled);
    return 0;
}

static void a_handle_in_every_state(void **state)
{
    struct handled *handled = *state;
    combinations = 0;
    for (size_t i = 0; i < SETTINGS; i++)
        sweep_setting(&settings[i], false, ask_through_a_handle, handled, handled->input.end);
    print_message("%llu combinations\n", (unsigned long long)combinations);
    assert_true(combinations > 1000000);
}

static void overlapped_in_the_states_that_matter(void **state)
{
    struct handled *handled = *state;
    handled->overlapped = true;
    combinations = 0;
    for (size_t i = 1; i < SETTINGS; i += 6)
        sweep_setting(&settings[i], false, ask_through_a_handle, handled, handled->input.end);
    print_message("%llu combinations\n", (unsigned long long)combinations);
}

/* Buffers without a pointer, and sizes beyond what a request may have. */
static void impossible_requests_are_refused(void **state)
{
    struct handled *handled = *state;
    uint8_t byte = 0;
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_GET_STATE, .timeout_ms = SMARTCRD_NO_TIMEOUT};
    uint64_t id;
    request.in_size = 1;
    assert_status(smartcrd_control(handled->handle, &request, NULL), STATUS_INVALID_PARAMETER);
    assert_status(smartcrd_submit(handled->handle, &request, &id, NULL), STATUS_INVALID_PARAMETER);
    request.in_size = 0;
    request.out_size = 4;
    assert_status(smartcrd_control(handled->handle, &request, NULL), STATUS_INVALID_PARAMETER);
    request.in = request.out = &byte;
    request.out_size = SIZE_MAX;
    assert_status(smartcrd_control(handled->handle, &request, NULL), STATUS_INVALID_PARAMETER);
    request.out_size = 0;
    request.in_size = SIZE_MAX - 4;
    assert_status(smartcrd_control(handled->handle, &request, NULL), STATUS_INVALID_PARAMETER);
    request.in_size = 65536 + 1024 + 1;
    assert_status(smartcrd_submit(handled->handle, &request, &id, NULL), STATUS_INVALID_PARAMETER);
    request.code = IOCTL_SMARTCARD_TRANSMIT;
    assert_status(smartcrd_control(handled->handle, &request, NULL), STATUS_INVALID_PARAMETER);
}

/* ---- the virtual reader ------------------------------------------------------------------------------------------------- */

struct natural {
    struct world world;
    struct guarded input, output;
    uint32_t state, protocol;
};

/* Back to where the sweep is, whatever the last request did. */
static void restore(struct natural *natural)
{
    struct world *world = &natural->world;
    const uint32_t state = reader_state(world->reader);
    uint32_t number = SCARD_POWER_DOWN;

    say(world->panel, IOCTL_VREADER_FAULT, "none");
    if (state == natural->state && natural->state < SCARD_NEGOTIABLE)
        return;
    if (natural->state == SCARD_ABSENT) {
        take_card_out(world);
        return;
    }
    if (state == SCARD_ABSENT)
        insert_card(world, "echo atr=" ATR_DUAL);
    if (natural->state == SCARD_PRESENT) {
        control(world->reader, IOCTL_SMARTCARD_POWER, &number, 4, NULL, 0, NULL);
        return;
    }
    power_up(world);
    if (natural->state == SCARD_SPECIFIC)
        select_protocol(world, natural->protocol);
}

/* What makes the reader wait for a card that has nothing to say: another protocol after the choice has been made, and a
 * T=0 header that means data to the reader for one side and data to the card for the other. One size each is enough. */
static bool takes_real_time(const struct question *q)
{
    if (q->state != SCARD_SPECIFIC || q->in_size < 4)
        return false;
    if (q->code == IOCTL_SMARTCARD_SET_PROTOCOL)
        return (number_at(q->in) & q->selected) == 0 && (number_at(q->in) & SCARD_PROTOCOL_Tx) != 0;
    return q->code == IOCTL_SMARTCARD_TRANSMIT && q->selected == SCARD_PROTOCOL_T0 && q->in_size == 13;
}

/* What the library decides before the virtual reader is asked is decided alike; what the reader decides must be sane. */
static void ask_the_virtual_reader(void *context, struct question *q)
{
    struct natural *natural = context;
    uint8_t *out = natural->output.end - q->out_size;
    size_t information = 9999;
    const uint32_t minor = SCARD_ATTR_VENDOR_NAME; /* the minor code in force, for inputs without one */

    if (takes_real_time(q) && (q->out_size != 4 || q->in_size != (q->code == IOCTL_SMARTCARD_TRANSMIT ? 13 : 4)))
        return;
    control(natural->world.reader, IOCTL_SMARTCARD_SET_ATTRIBUTE, &minor, 4, NULL, 0, NULL);
    q->minor_before = minor;
    memset(out, 0xA5, q->out_size);
    const NTSTATUS status = control(natural->world.reader, q->code, q->in_size > 0 ? q->in : NULL, q->in_size,
                                    q->out_size > 0 ? out : NULL, q->out_size, &information);
    check_output(q, out, information);
    struct answer should = expected(q);
    const uint32_t function = q->code >> 2 & 0xFFF;
    const bool vendor = function >= 2048 && (q->code & 3) == 0;
    if (q->code == IOCTL_SMARTCARD_EJECT || q->code == IOCTL_SMARTCARD_SWALLOW || q->code == IOCTL_SMARTCARD_CONFISCATE)
        should = refuse(STATUS_NOT_SUPPORTED);
    const bool own = vendor || should.any || q->code == IOCTL_SMARTCARD_GET_ATTRIBUTE ||
                     (q->code == IOCTL_SMARTCARD_SET_PROTOCOL && should.status == STATUS_SUCCESS) ||
                     (q->code == IOCTL_SMARTCARD_TRANSMIT && q->state == SCARD_SPECIFIC && q->in_size >= 8 &&
                      number_at(q->in) == q->selected);
    if (!own && status != should.status && status != should.or_status)
        complain("virtual reader", q, &should, status, information);
    if (vendor || reader_state(natural->world.reader) != natural->state || q->code == IOCTL_SMARTCARD_POWER ||
        q->code == IOCTL_SMARTCARD_SET_PROTOCOL)
        restore(natural);
}

static void sweep_naturally(struct natural *natural, uint32_t state, uint32_t protocol)
{
    static const struct asked asked[] = {
        ASKED(IOCTL_SMARTCARD_POWER, power_kinds),    ASKED(IOCTL_SMARTCARD_SET_PROTOCOL, masks),
        ASKED(IOCTL_SMARTCARD_TRANSMIT, headers),     ASKED(IOCTL_SMARTCARD_GET_ATTRIBUTE, any_number),
        ASKED(IOCTL_SMARTCARD_GET_STATE, any_number), ASKED(IOCTL_SMARTCARD_GET_LAST_ERROR, any_number),
        ASKED(IOCTL_SMARTCARD_EJECT, any_number),     ASKED(SCARD_CTL_CODE(8), any_number),
        ASKED(IOCTL_VREADER_INSERT, any_number),      ASKED(IOCTL_VREADER_REMOVE, any_number),
        ASKED(IOCTL_VREADER_FAULT, any_number),       ASKED(IOCTL_VREADER_STATUS, any_number),
        ASKED(SCARD_CTL_CODE(3400), any_number),      ASKED(IOCTL_VREADER_INSERT | METHOD_NEITHER, any_number),
    };
    natural->state = state;
    natural->protocol = protocol;
    restore(natural);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        for (size_t j = 0; j < asked[i].count; j++) {
            struct question question = {.code = asked[i].code, .state = state, .selected = protocol, .callbacks = true};
            sweep(ask_the_virtual_reader, natural, &question, &asked[i].openings[j], natural->input.end);
        }
    }
}

static void the_virtual_reader_in_its_natural_states(void **state)
{
    struct natural natural = {0};
    (void)state;
    fill_tags();
    combinations = 0;
    guarded_make(&natural.input, MOST);
    guarded_make(&natural.output, MOST);
    world_open(&natural.world, NULL);
    sweep_naturally(&natural, SCARD_ABSENT, 0);
    sweep_naturally(&natural, SCARD_PRESENT, 0);
    sweep_naturally(&natural, SCARD_NEGOTIABLE, 0);
    sweep_naturally(&natural, SCARD_SPECIFIC, SCARD_PROTOCOL_T0);
    sweep_naturally(&natural, SCARD_SPECIFIC, SCARD_PROTOCOL_T1);
    print_message("%llu combinations\n", (unsigned long long)combinations);
    world_close(&natural.world);
    guarded_free(&natural.input);
    guarded_free(&natural.output);
}

#define DIRECT(f)  cmocka_unit_test_setup_teardown(f, direct_setup, direct_teardown)
#define HANDLED(f) cmocka_unit_test_setup_teardown(f, handled_setup, handled_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIRECT(the_library_in_every_state),       DIRECT(the_library_while_tracking_is_pending),
        HANDLED(a_handle_in_every_state),         HANDLED(overlapped_in_the_states_that_matter),
        HANDLED(impossible_requests_are_refused), cmocka_unit_test(the_virtual_reader_in_its_natural_states),
    };
    return cmocka_run_group_tests_name("bad_input", tests, NULL, NULL);
}
