/* SPDX-License-Identifier: MIT */
/*
 * Everything at once, from the seed: threads on shared handles and on their own send what the table has, cancel some of
 * it, and ask for the last error, while the card comes and goes and stalls. Whatever happens, each request ends once,
 * with one of the ends that its row allows, and GET_LAST_ERROR is answered at once.
 */
#include "part_f.h"

#include <limits.h>
#include <string.h>

#define WORKERS 4
#define SLOTS   3    /* requests that a worker has in flight at most */
#define ROUNDS  1500 /* of each worker */

/* Ends that a row allows. */
#define END_SUCCESS       (1u << 0)
#define END_CANCELLED     (1u << 1)
#define END_NO_CARD       (1u << 2) /* it was not there, had no power or no protocol, or left */
#define END_NOT_SUPPORTED (1u << 3)
#define END_NO_SUCH_CODE  (1u << 4)
#define END_BUSY          (1u << 5)

#define END_CARD (END_SUCCESS | END_CANCELLED | END_NO_CARD)

static const struct {
    NTSTATUS status;
    unsigned end;
} ends[] = {
    {STATUS_SUCCESS, END_SUCCESS},
    {STATUS_CANCELLED, END_CANCELLED},
    {STATUS_INVALID_DEVICE_STATE, END_NO_CARD},
    {STATUS_NO_MEDIA, END_NO_CARD},
    {STATUS_NOT_SUPPORTED, END_NOT_SUPPORTED},
    {STATUS_INVALID_DEVICE_REQUEST, END_NO_SUCH_CODE},
    {STATUS_DEVICE_BUSY, END_BUSY},
};

#define EXCHANGE "\2\0\0\0\10\0\0\0\0\1\0\0\4WXYZ"

/* Only tracking can be told that the reader is busy: operations take their turn. */
static const struct row {
    DWORD code;
    const char *in;
    DWORD in_size, room;
    unsigned ends;
} rows[] = {
    {IOCTL_SMARTCARD_POWER, "\1\0\0\0", 4, 33, END_CARD},
    {IOCTL_SMARTCARD_SET_PROTOCOL, "\2\0\0\0", 4, 4, END_CARD | END_NOT_SUPPORTED},
    {IOCTL_SMARTCARD_TRANSMIT, EXCHANGE, 17, 14, END_CARD},
    {IOCTL_SMARTCARD_TRANSMIT, EXCHANGE, 17, 14, END_CARD},
    {IOCTL_SMARTCARD_EJECT, "", 0, 0, END_NOT_SUPPORTED | END_CANCELLED},
    {SCARD_CTL_CODE(100), "", 0, 0, END_NO_SUCH_CODE | END_CANCELLED},
    {IOCTL_VREADER_STATUS, "", 0, 64, END_SUCCESS | END_CANCELLED},
    {IOCTL_SMARTCARD_IS_PRESENT, "", 0, 0, END_SUCCESS | END_CANCELLED | END_BUSY},
    {IOCTL_SMARTCARD_IS_ABSENT, "", 0, 0, END_SUCCESS | END_CANCELLED | END_BUSY},
    {IOCTL_SMARTCARD_GET_STATE, "", 0, 4, END_SUCCESS},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct worker {
    struct suite *suite;
    bool cancels;
    HANDLE go;
    uint32_t rounds;
    struct raw slots[SLOTS], question;
    const struct row *running[SLOTS]; /* NULL: free */
    uint32_t random;
    unsigned ended, cancelled;
    const char *problem;
    DWORD code, error; /* of the request that had it */
} workers[WORKERS];

static uint32_t draw(struct worker *worker, uint32_t below)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 17;
    worker->random ^= worker->random << 5;
    return worker->random % below;
}

static void complain(struct worker *worker, const char *problem, const struct row *row, DWORD error)
{
    if (worker->problem == NULL) {
        worker->problem = problem;
        worker->code = row->code;
        worker->error = error;
    }
}

static void take_end(struct worker *worker, int slot, DWORD error)
{
    const struct row *row = worker->running[slot];
    const struct raw *raw = &worker->slots[slot];
    const unsigned may_end = worker->cancels ? UINT_MAX : ~END_CANCELLED;
    bool allowed = false;

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        allowed |= (row->ends & may_end & ends[i].end) != 0 && error == error_of(ends[i].status);
    if (!allowed)
        complain(worker, "ended in a way that it must not", row, error);
    if (error != ERROR_SUCCESS && raw->returned != 0)
        complain(worker, "failed and returned bytes", row, error);
    if (error == ERROR_SUCCESS && row->code == IOCTL_SMARTCARD_TRANSMIT &&
        (raw->returned != 14 || memcmp(raw->out + 8, "WXYZ\x90\x00", 6) != 0))
        complain(worker, "was answered with something else", row, error);
    worker->ended++;
    worker->cancelled += error == ERROR_OPERATION_ABORTED;
    worker->running[slot] = NULL;
}

static void begin(struct worker *worker, int slot)
{
    const struct row *row = &rows[draw(worker, ROWS)];
    DWORD error;

    worker->running[slot] = row;
    error = raw_start(&worker->slots[slot], row->code, row->in, row->in_size, row->room);
    if (error != ERROR_IO_PENDING)
        take_end(worker, slot, error);
}

static bool over(struct raw *raw)
{
    return WaitForSingleObject(raw->overlapped.hEvent, 0) == WAIT_OBJECT_0;
}

static DWORD WINAPI work(LPVOID context)
{
    struct worker *worker = context;
    NTSTATUS last;

    WaitForSingleObject(worker->go, 10000);
    for (uint32_t round = 0; round < worker->rounds && worker->problem == NULL && !check_over(worker->suite); round++) {
        const int slot = (int)draw(worker, SLOTS);
        struct raw *raw = &worker->slots[slot];

        if (worker->running[slot] == NULL) {
            begin(worker, slot);
        } else {
            if (worker->cancels && !over(raw) && draw(worker, 3) == 0)
                CancelIoEx(raw->handle, &raw->overlapped);
            if (over(raw))
                take_end(worker, slot, raw_finish(raw));
            else if (draw(worker, 4) == 0)
                Sleep(1);
        }
        if (draw(worker, 4) == 0 && !raw_ask(&worker->question, &last))
            complain(worker, "the last error was not answered", &rows[0], 0);
    }
    for (int slot = 0; slot < SLOTS; slot++) {
        if (worker->running[slot] != NULL) {
            if (worker->cancels)
                CancelIoEx(worker->slots[slot].handle, &worker->slots[slot].overlapped);
            take_end(worker, slot, raw_finish(&worker->slots[slot]));
        }
    }
    return 0;
}

/* The hand at the slot. */
static void disturb(struct suite *suite, bool *card)
{
    switch (chance(suite, 6)) {
    case 0:
        if (*card)
            card_out(suite);
        else
            card_in(suite, "echo atr=" DUAL_ATR);
        *card = !*card;
        break;
    case 1:
        fault(suite, "none");
        fault(suite, "wtx");
        break;
    case 2:
        fault(suite, "none");
        fault(suite, "late ms=2");
        break;
    default:
        Sleep(chance(suite, 3));
    }
}

static bool all_back(const HANDLE *threads)
{
    for (int i = 0; i < WORKERS; i++) {
        if (WaitForSingleObject(threads[i], 0) != WAIT_OBJECT_0)
            return false;
    }
    return true;
}

/* Without cancels the hand ends what would not end by itself: the card that stalls goes, the one that is waited for comes. */
static void everything_at_once(struct suite *suite, bool cancels)
{
    HANDLE shared = open_reader(suite), go = new_event(suite, TRUE), threads[WORKERS];
    const uint32_t count = rounds(suite, ROUNDS);
    unsigned ended = 0, cancelled = 0;
    bool card = false;

    for (int i = 0; i < WORKERS; i++) {
        const HANDLE own = i < 2 ? shared : open_reader(suite);

        memset(&workers[i], 0, sizeof(workers[i]));
        workers[i].suite = suite;
        workers[i].cancels = cancels;
        workers[i].go = go;
        workers[i].rounds = count;
        workers[i].random = chance(suite, UINT32_MAX) | 1;
        raw_prepare(suite, &workers[i].question, own);
        for (int slot = 0; slot < SLOTS; slot++)
            raw_prepare(suite, &workers[i].slots[slot], own);
    }
    for (int i = 0; i < WORKERS; i++)
        threads[i] = new_thread(suite, work, &workers[i]);
    SetEvent(go);
    while (!all_back(threads))
        disturb(suite, &card);
    for (int i = 0; i < WORKERS; i++) {
        if (workers[i].problem != NULL)
            fail(suite, __FILE__, __LINE__, "code %08lX %s: error %lu", (unsigned long)workers[i].code,
                 workers[i].problem, (unsigned long)workers[i].error);
        ended += workers[i].ended;
        cancelled += workers[i].cancelled;
    }
    EXPECT(suite, ended > count / 8);
    EXPECT(suite, !cancels || cancelled > 0 || count < 100);
    /* and the reader is as good as new */
    fault(suite, "none");
    if (!card)
        card_in(suite, "echo");
    make_ready(suite, shared, SCARD_PROTOCOL_T1);
    EXPECT_STATUS(suite, start_exchange(suite, shared, SCARD_PROTOCOL_T1, 0x01), STATUS_SUCCESS);
    EXPECT_LAST(suite, shared, STATUS_SUCCESS);
}

void part_f_everything_at_once_ends_exactly_once(struct suite *suite)
{
    everything_at_once(suite, false);
}

void part_f_everything_at_once_with_cancels_ends_exactly_once(struct suite *suite)
{
    everything_at_once(suite, true);
}
