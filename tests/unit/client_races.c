/* SPDX-License-Identifier: MIT */
/* Moments at which two threads are in each other's way, held open from inside: where the client wipes or grows memory, or
 * stores to it. */
#include "client_toy.h"

#include "../../src/client/op.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#define NONE SMARTCRD_NO_TIMEOUT

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

/* Called once when the client wipes memory on the thread that set it. */
static __thread void (*at_wipe)(size_t size);

/* Stands in for libc's. */
void explicit_bzero(void *memory, size_t size)
{
    memset(memory, 0, size);
    __asm__ volatile("" : : "r"(memory) : "memory");
    if (at_wipe)
        at_wipe(size);
}

struct call_of {
    struct house *house;
    struct smartcrd_handle *handle;
    pthread_t thread;
    NTSTATUS status;
    _Atomic bool returned;
};

static void wait_until_one_waits(struct reader *reader)
{
    bool waits = false;

    while (!waits) {
        pthread_mutex_lock(&reader->queue_lock);
        waits = reader->first != NULL;
        pthread_mutex_unlock(&reader->queue_lock);
        sleep_ms(1);
    }
}

/* ---- a turn on its way to a caller who is cancelled ---------------------------------------------------------------- */

static struct call_of waiting;
static bool returned_too_early;

static void *wait_for_turn(void *argument)
{
    struct call_of *call = argument;

    call->status = do_return(call->handle, STATUS_NO_MEDIA);
    call->returned = true;
    return NULL;
}

/* The kept one goes; the next one has been taken out of the line, but does not know it yet. */
static void cancel_the_next(size_t size)
{
    if (size < 60000)
        return;
    at_wipe = NULL;
    assert_int_equal(smartcrd_cancel_all(waiting.handle), 1);
    sleep_ms(100);
    returned_too_early = waiting.returned;
}

static void a_cancelled_caller_stays_until_its_turn_has_reached_it(void **state)
{
    static uint8_t large[65000];
    struct house *house = *state;
    struct smartcrd_request keep = {.code = TOY_KEEP, .in = large, .in_size = sizeof(large), .timeout_ms = NONE};
    uint64_t id;

    waiting = (struct call_of){.house = house};
    returned_too_early = false;
    assert_int_equal(smartcrd_submit(house->handle, &keep, &id, NULL), STATUS_PENDING);
    toy_wait_held(house->toy, &house->toy->held);
    assert_int_equal(smartcrd_cancel(house->handle, id), STATUS_SUCCESS);
    assert_int_equal(reap_status(house->handle, id), STATUS_CANCELLED);
    assert_int_equal(smartcrd_open(house->context, "SCReader0", &waiting.handle), STATUS_SUCCESS);
    assert_int_equal(pthread_create(&waiting.thread, NULL, wait_for_turn, &waiting), 0);
    wait_until_one_waits(house->handle->reader);
    at_wipe = cancel_the_next;
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    assert_null(at_wipe);
    pthread_join(waiting.thread, NULL);
    smartcrd_close(waiting.handle);
    assert_false(returned_too_early);
    assert_int_equal(waiting.status, STATUS_CANCELLED);
    assert_int_equal(house->toy->operations, 1);
    assert_int_equal(do_return(house->handle, STATUS_CRC_ERROR), STATUS_CRC_ERROR);
}

/* ---- an exchange of several requests whose handle is closed -------------------------------------------------------- */

static struct call_of exchange;
static _Atomic bool in_driver, left;

static void stay(size_t size)
{
    (void)size;
    at_wipe = NULL;
    sleep_ms(200);
    left = true;
}

/* Answers when somebody has begun to close the handle, and has claimed what is in flight. */
static NTSTATUS slow_card(struct toy *toy, const UCHAR *in, ULONG in_size, UCHAR *out, ULONG room, ULONG_PTR *size)
{
    in_driver = true;
    while (!atomic_load(&exchange.handle->closing))
        sleep_ms(1);
    sleep_ms(50);
    at_wipe = stay;
    return STATUS_SUCCESS;
}

static void *exchange_one(void *argument)
{
    struct call_of *call = argument;
    uint8_t reply[16];
    size_t size = sizeof(reply);

    call->status =
        smartcrd_apdu(call->handle, (const uint8_t *)"\x00\xA4\x04\x00\x02\x3F\x00\x00", 8, reply, &size, NONE);
    return NULL;
}

static void close_waits_for_an_exchange_until_its_last_line(void **state)
{
    struct house *house = *state;

    exchange = (struct call_of){.house = house, .handle = house->handle};
    in_driver = left = false;
    house->toy->transmit = slow_card;
    house->toy->protocol = SCARD_PROTOCOL_T0;
    assert_int_equal(pthread_create(&exchange.thread, NULL, exchange_one, &exchange), 0);
    while (!in_driver)
        sleep_ms(1);
    smartcrd_close(house->handle);
    bool waited = left;
    house->handle = NULL;
    pthread_join(exchange.thread, NULL);
    assert_true(waited);
    assert_int_equal(exchange.status, STATUS_CANCELLED);
}

/* ---- an open that the driver refuses, and a removal ---------------------------------------------------------------- */

static _Atomic bool in_create;
static struct smartcrd_handle *refused;

/* Refuses when the removal has found the handle; the lock that is taken here keeps the removal there. */
static NTSTATUS refuse_create(PDEVICE_OBJECT device, PIRP irp)
{
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(irp)->FileObject;
    struct smartcrd_handle *handle = CONTAINING_RECORD(file, struct smartcrd_handle, file);
    bool swept = false;

    (void)device;
    refused = handle;
    pthread_mutex_lock(&handle->lock);
    in_create = true;
    while (!swept) {
        pthread_mutex_lock(&handle->context->lock);
        swept = handle->swept;
        pthread_mutex_unlock(&handle->context->lock);
    }
    irp->IoStatus.Status = STATUS_ACCESS_DENIED;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_ACCESS_DENIED;
}

static NTSTATUS refusing_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NTSTATUS status = toy_entry(driver, path);

    driver->MajorFunction[IRP_MJ_CREATE] = refuse_create;
    return status;
}

struct opening {
    struct smartcrd *context;
    char name[SMARTCRD_NAME_MAX];
    struct smartcrd_handle *handle;
    NTSTATUS status;
};

static void *open_one(void *argument)
{
    struct opening *opening = argument;

    opening->status = smartcrd_open(opening->context, opening->name, &opening->handle);
    pthread_mutex_unlock(&refused->lock); /* still there: the removal has it */
    return NULL;
}

static void a_refused_open_leaves_its_handle_to_a_removal_that_looks_at_it(void **state)
{
    struct opening opening = {0};
    pthread_t thread;

    (void)state;
    toy_count = 0;
    assert_int_equal(smartcrd_create(NULL, &opening.context), STATUS_SUCCESS);
    assert_int_equal(smartcrd_add_driver(opening.context, "toy", refusing_entry), STATUS_SUCCESS);
    for (int i = 0; i < 20; i++) {
        in_create = false;
        assert_int_equal(smartcrd_add_reader(opening.context, "toy", opening.name, sizeof(opening.name)),
                         STATUS_SUCCESS);
        assert_int_equal(pthread_create(&thread, NULL, open_one, &opening), 0);
        while (!in_create)
            sched_yield();
        assert_int_equal(smartcrd_remove_reader(opening.context, opening.name), STATUS_SUCCESS);
        pthread_join(thread, NULL);
        assert_int_equal(opening.status, STATUS_ACCESS_DENIED);
        assert_null(opening.handle);
    }
    smartcrd_destroy(opening.context);
}

/* ---- a cell that the library shows after something has ended ------------------------------------------------------ */

static volatile ULONG *new_cell;
static struct reader *shown_by;
static _Atomic int stores;
static _Atomic bool seen_too_early;

/* The value is being moved to the cell: who asks now, without any lock, must not be sent there. */
static void at_store(int number)
{
    (void)number;
    stores++;
    seen_too_early = atomic_load(&shown_by->cell) == new_cell;
    mprotect((void *)(uintptr_t)new_cell, 4096, PROT_READ | PROT_WRITE);
}

static void a_new_cell_has_its_value_before_anyone_reads_it(void **state)
{
    struct house *house = *state;
    struct watch watch = {.reader = house->handle->reader};
    struct sigaction stored = {.sa_handler = at_store}, before;
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NTSTATUS last;
    ULONG value;

    assert_ptr_not_equal(page, MAP_FAILED);
    new_cell = page;
    shown_by = house->handle->reader;
    assert_int_equal(do_return(house->handle, STATUS_CRC_ERROR), STATUS_CRC_ERROR);
    assert_int_equal(sigaction(SIGSEGV, &stored, &before), 0);
    assert_true(client_observer.records_last_error(&watch, new_cell));
    sigaction(SIGSEGV, &before, NULL);
    value = *new_cell;
    client_observer.records_last_error(&watch, &house->toy->last_error);
    munmap(page, 4096);
    assert_int_equal(stores, 1);
    assert_false(seen_too_early);
    assert_int_equal(value, (ULONG)STATUS_CRC_ERROR);
    assert_int_equal(smartcrd_last_error(house->handle, &last), STATUS_SUCCESS);
    assert_int_equal(last, STATUS_CRC_ERROR);
}

/* ---- an entry of the journal that gets its late status ------------------------------------------------------------- */

#define PAGE 4096

static struct journal late_journal;
static uint64_t late_entry;
static unsigned times_missing;

/* The writer is in the middle, and loses its processor: who reads now must find the entry. */
static void in_mid_write(int number)
{
    struct smartcrd_journal_entry entry;

    (void)number;
    times_missing += journal_read(&late_journal, late_entry - 1, &entry, 1) != 1 || entry.sequence != late_entry;
    mprotect((uint8_t *)late_journal.slots + PAGE, PAGE, PROT_READ | PROT_WRITE);
}

static void a_late_status_hides_no_entry(void **state)
{
    const size_t size = sizeof(uint64_t) + sizeof(struct smartcrd_journal_entry); /* of a slot */
    struct sigaction stored = {.sa_handler = in_mid_write}, before;
    struct smartcrd_journal_entry entry = {.late = STATUS_PENDING};

    (void)state;
    assert_true(journal_create(&late_journal, 64));
    late_entry = PAGE / size; /* it begins on the first page and ends on the second */
    assert_true(PAGE % size > 0 && late_entry < 64);
    for (uint64_t i = 1; i <= late_entry; i++) {
        entry.sequence = i;
        journal_add(&late_journal, &entry);
    }
    times_missing = 0;
    assert_int_equal(sigaction(SIGSEGV, &stored, &before), 0);
    assert_int_equal(mprotect((uint8_t *)late_journal.slots + PAGE, PAGE, PROT_READ), 0);
    journal_late(&late_journal, late_entry, STATUS_IO_TIMEOUT);
    sigaction(SIGSEGV, &before, NULL);
    assert_int_equal(journal_read(&late_journal, late_entry - 1, &entry, 1), 1);
    journal_destroy(&late_journal);
    assert_int_equal(times_missing, 0);
    assert_int_equal(entry.sequence, late_entry);
    assert_int_equal(entry.late, STATUS_IO_TIMEOUT);
}

/* ---- no memory for the clock --------------------------------------------------------------------------------------- */

#ifndef SANITIZED

static _Atomic bool no_growth;

extern void *__libc_realloc(void *memory, size_t size);

void *realloc(void *memory, size_t size)
{
    return no_growth ? NULL : __libc_realloc(memory, size);
}

static void without_memory_for_the_clock_a_cancel_waits_for_nobody(void **state)
{
    struct house *house = *state;
    uint64_t kept = start_pending(house->handle, TOY_KEEP, NONE);
    struct deadlines *deadlines = &house->context->deadlines;
    struct smartcrd_completion completion;
    NTSTATUS status;

    /* Fill the heap as far as it goes without growing. */
    while (deadlines->count + 1 < deadlines->room)
        start_pending(house->handle, TOY_HOLD, 600000);
    no_growth = true;
    assert_int_equal(smartcrd_cancel(house->handle, kept), STATUS_SUCCESS);
    status = smartcrd_reap_one(house->handle, kept, &completion, 2000);
    no_growth = false;
    smartcrd_cancel_all(house->handle);
    assert_true(toy_release(house->toy, STATUS_SUCCESS));
    assert_int_equal(status, STATUS_SUCCESS);
    assert_int_equal(completion.status, STATUS_CANCELLED);
}

#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_up, house_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cancelled_caller_stays_until_its_turn_has_reached_it),
        TEST(close_waits_for_an_exchange_until_its_last_line),
        cmocka_unit_test(a_refused_open_leaves_its_handle_to_a_removal_that_looks_at_it),
        TEST(a_new_cell_has_its_value_before_anyone_reads_it),
        cmocka_unit_test(a_late_status_hides_no_entry),
#ifndef SANITIZED
        TEST(without_memory_for_the_clock_a_cancel_waits_for_nobody),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
