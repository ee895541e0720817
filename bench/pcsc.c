/* SPDX-License-Identifier: MIT */
/*
 * What PC/SC applications get from smartcrd's readers, beside vsmartcard's vpcd with an equally fast card, beside a
 * handler that does nothing, and beside the same work without pcscd. Rivals take turns within each round, so that what
 * else the machine does hits all alike; ratios are the medians of the rounds' ratios.
 *
 * usage: PCSCD OUR_PORT THEIR_PORT IDLE_OURS IDLE_NOTHING IDLE_VPCD: processes, and the ports where our reader and theirs
 * listen for vpcd cards. bench_pcsc starts it.
 */
#include "pcsc.h"

#include "src/pcsc/tool.h"

#include <PCSC/reader.h>
#include <PCSC/winscard.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS     40
#define CALLS      100
#define INSERTIONS 20
#define IDLE_S     5
#define SWAPS      200
#define VPCD_SWAPS 10
#define NOTICE_MS  1000 /* a swap that nobody has heard of by then goes unnoticed */

static pid_t pcscd;
static uint16_t our_port, their_port;
static SCARDCONTEXT context, hand;
static char names[16 * MAX_READERNAME];

static void check(LONG error, const char *what)
{
    if (error == SCARD_S_SUCCESS)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, pcsc_stringify_error(error));
    exit(1);
}

static void sleep_ms(unsigned ms)
{
    const struct timespec span = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&span, NULL);
}

static const char *reader(const char *beginning)
{
    for (const char *name = names; *name; name += strlen(name) + 1)
        if (!strncmp(name, beginning, strlen(beginning)))
            return name;
    fprintf(stderr, "bench: pcscd has no reader %s\n", beginning);
    exit(1);
}

static const char *ours(void)
{
    return reader("smartcrd 1");
}

static const char *our_vpcd(void)
{
    return reader("smartcrd 2");
}

static const char *theirs(void)
{
    return reader("Virtual PCD");
}

static DWORD state_of(const char *name)
{
    SCARD_READERSTATE state = {.szReader = name};

    check(SCardGetStatusChange(context, 0, &state, 1), name);
    return state.dwEventState;
}

static void until(const char *name, DWORD bit)
{
    for (unsigned i = 0; i < 5000; i++) {
        if (state_of(name) & bit)
            return;
        sleep_ms(2);
    }
    fprintf(stderr, "bench: %s does not notice\n", name);
    exit(1);
}

static SCARDHANDLE open_card(const char *name)
{
    SCARDHANDLE card;
    DWORD protocol;

    until(name, SCARD_STATE_PRESENT);
    check(SCardConnect(context, name, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, &card, &protocol), name);
    return card;
}

/* ---- an exchange --------------------------------------------------------------------------------------------------- */

/* Mean of CALLS exchanges in microseconds. */
static double exchange_us(SCARDHANDLE card, const uint8_t *command, size_t size, size_t wanted)
{
    uint64_t began = bench_now();
    uint8_t reply[300];

    for (unsigned i = 0; i < CALLS; i++) {
        DWORD reply_size = sizeof(reply);

        check(SCardTransmit(card, SCARD_PCI_T1, command, size, NULL, reply, &reply_size), "SCardTransmit");
        if (reply_size != wanted) {
            fprintf(stderr, "bench: the card gave %lu bytes, not %zu\n", reply_size, wanted);
            exit(1);
        }
    }
    return (double)(bench_now() - began) / CALLS / 1000;
}

enum rival { OURS, VPCD, NOTHING, INSIDE, RIVALS };

static void line(const char *name, double *samples, const char *unit)
{
    const double low = bench_percentile(samples, ROUNDS, 10), high = bench_percentile(samples, ROUNDS, 90);

    printf("%-64s %10.1f %s (10th to 90th percentile %.1f to %.1f)\n", name, bench_percentile(samples, ROUNDS, 50),
           unit, low, high);
}

static void measure_exchange(const char *what, const uint8_t *command, size_t size, size_t wanted)
{
    const char *const words[RIVALS] = {what, "  vsmartcard's vpcd with a fast card", "  a handler that does nothing",
                                       "  in process, through smartcrd.h"};
    static double samples[RIVALS][ROUNDS], to_vpcd[ROUNDS], to_floor[ROUNDS];
    SCARDHANDLE cards[3] = {open_card(ours()), open_card(theirs()), open_card(reader("nothing"))};

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned rival = OURS; rival <= NOTHING; rival++)
            samples[rival][round] = exchange_us(cards[rival], command, size, wanted);
        samples[INSIDE][round] = inside_exchange(command, size, CALLS) / 1000;
        to_vpcd[round] = samples[OURS][round] / samples[VPCD][round];
        to_floor[round] = samples[OURS][round] / samples[NOTHING][round];
    }
    for (unsigned rival = OURS; rival < RIVALS; rival++)
        line(words[rival], samples[rival], "us");
    bench_line("  our time as a part of vpcd's", bench_percentile(to_vpcd, ROUNDS, 50) * 100, "%", 50);
    bench_line("  our time as a part of that with nothing", bench_percentile(to_floor, ROUNDS, 50) * 100, "%", 120);
    for (unsigned i = 0; i < 3; i++)
        SCardDisconnect(cards[i], SCARD_LEAVE_CARD);
}

static void measure_exchanges(void)
{
    static const uint8_t five[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    uint8_t long_one[256] = {0x00, 0xD0, 0x00, 0x00, 250};

    for (unsigned any = 0; any < 2; any++) {
        process_pin(pcscd, !any);
        process_pin(getpid(), !any);
        printf("pcscd and application on %s processor:\n", any ? "any" : "one");
        measure_exchange("SCardTransmit, 5 bytes out, 4 back, median", five, sizeof(five), 4);
        measure_exchange("SCardTransmit, 256 bytes out, 252 back, median", long_one, sizeof(long_one), 252);
    }
}

/* ---- insertion ----------------------------------------------------------------------------------------------------- */

/* Not in step with anybody who looks every 400 ms. */
static unsigned some_ms(unsigned i)
{
    return 10 + i * 137 % 400;
}

/* Somebody who puts a card in, or changes it for another, a little later than now. */
struct doing {
    const char *reader;
    SCARDHANDLE card;       /* ours: a direct connection */
    struct vpcd_card *peer; /* a vpcd card, in or out */
    unsigned after_ms;
    uint64_t began;
};

static void vendor(struct doing *doing, unsigned function, const char *text)
{
    char out[256];
    DWORD size;

    check(SCardControl(doing->card, SCARD_CTL_CODE(function), text, text ? strlen(text) : 0, out, sizeof(out), &size),
          "SCardControl");
}

static void put_in(struct doing *doing)
{
    if (doing->card)
        vendor(doing, TOOL_INSERT, "echo");
    else
        doing->peer = vpcd_insert(their_port);
}

static void take_out(struct doing *doing)
{
    if (doing->card) {
        vendor(doing, TOOL_REMOVE, NULL);
    } else if (doing->peer) {
        vpcd_remove(doing->peer);
        doing->peer = NULL;
    }
}

static void *put_in_later(void *argument)
{
    struct doing *doing = argument;

    sleep_ms(doing->after_ms);
    doing->began = bench_now();
    put_in(doing);
    return NULL;
}

static void measure_insertion(struct doing *doing, const char *what, double target)
{
    double samples[INSERTIONS];
    pthread_t thread;

    for (unsigned i = 0; i < INSERTIONS; i++) {
        SCARD_READERSTATE state = {.szReader = doing->reader};

        take_out(doing);
        until(doing->reader, SCARD_STATE_EMPTY);
        state.dwCurrentState = state_of(doing->reader);
        doing->after_ms = some_ms(i);
        if (pthread_create(&thread, NULL, put_in_later, doing) != 0)
            exit(1);
        check(SCardGetStatusChange(context, INFINITE, &state, 1), "SCardGetStatusChange");
        samples[i] = (double)bench_now();
        pthread_join(thread, NULL);
        samples[i] = (samples[i] - (double)doing->began) / 1e6;
        until(doing->reader, SCARD_STATE_PRESENT);
    }
    bench_line(what, bench_percentile(samples, INSERTIONS, 50), "ms", target);
}

/* ---- swaps --------------------------------------------------------------------------------------------------------- */

/* Take the card out and put one in at once; does an application that waits for it hear of it? */
static unsigned measure_swaps(struct doing *doing, unsigned count)
{
    unsigned noticed = 0;

    for (unsigned i = 0; i < count; i++) {
        SCARD_READERSTATE state = {.szReader = doing->reader};

        until(doing->reader, SCARD_STATE_PRESENT);
        state.dwCurrentState = state_of(doing->reader);
        take_out(doing);
        put_in(doing);
        if (SCardGetStatusChange(context, NOTICE_MS, &state, 1) == SCARD_S_SUCCESS)
            noticed++;
        until(doing->reader, SCARD_STATE_PRESENT);
        sleep_ms(doing->card ? 1 : some_ms(i));
    }
    return noticed;
}

static void swaps_line(const char *what, unsigned noticed, unsigned count, bool target)
{
    printf("%-64s %10u of %u%s%s\n", what, noticed, count, target ? "    target: every one" : "",
           target && noticed < count ? "  MISSED" : "");
}

/* ---- removal during a transmit ------------------------------------------------------------------------------------- */

/* The card hangs up when the command reaches it. */
static void measure_removal(const char *what, const char *name, uint16_t port)
{
    static const uint8_t command[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    struct vpcd_card *peer = vpcd_insert(port);
    SCARDHANDLE card = open_card(name);
    _Atomic uint64_t left = 0;
    uint8_t reply[300];
    DWORD size = sizeof(reply);
    double ms;
    LONG error;

    vpcd_leave_at_command(peer, &left);
    error = SCardTransmit(card, SCARD_PCI_T1, command, sizeof(command), NULL, reply, &size);
    ms = (double)(bench_now() - left) / 1e6;
    printf("%-64s %10.1f ms later: %s, %lu bytes\n", what, ms, pcsc_stringify_error(error), size);
    SCardDisconnect(card, SCARD_LEAVE_CARD);
    vpcd_remove(peer);
}

/* ---- doing nothing ------------------------------------------------------------------------------------------------- */

static void measure_idle(const pid_t *processes)
{
    static const char *const words[] = {"a pcscd with 16 idle readers of smartcrd: processor time",
                                        "  with 16 of the handler that does nothing, polled by pcscd",
                                        "  with the two of vpcd"};
    struct cost before[3], after[3];

    for (unsigned i = 0; i < 3; i++)
        before[i] = process_cost(processes[i]);
    sleep_ms(IDLE_S * 1000);
    for (unsigned i = 0; i < 3; i++)
        after[i] = process_cost(processes[i]);
    for (unsigned i = 0; i < 3; i++) {
        const double used = (double)(after[i].cpu_ns - before[i].cpu_ns) / IDLE_S / 1e7;

        printf("%-64s %10.4f %% (%.1f wake-ups a second)%s\n", words[i], used,
               (double)(after[i].sleeps - before[i].sleeps) / IDLE_S,
               i > 0          ? ""
               : used < 0.001 ? "    target: none"
                              : "    target: none  MISSED");
    }
}

int main(int count, char **arguments)
{
    struct doing mine = {0}, vpcd = {0};
    DWORD size = sizeof(names), protocol;
    pid_t idle[3];

    if (count != 7) {
        fprintf(stderr, "bench_pcsc runs this program\n");
        return 2;
    }
    pcscd = (pid_t)atoi(arguments[1]);
    our_port = (uint16_t)atoi(arguments[2]);
    their_port = (uint16_t)atoi(arguments[3]);
    for (unsigned i = 0; i < 3; i++)
        idle[i] = (pid_t)atoi(arguments[4 + i]);
    check(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context), "SCardEstablishContext");
    check(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &hand), "SCardEstablishContext");
    check(SCardListReaders(context, NULL, names, &size), "SCardListReaders");
    inside_begin();
    mine.reader = ours();
    vpcd.reader = theirs();
    vpcd.peer = vpcd_insert(their_port);
    measure_exchanges();
    process_pin(pcscd, false);
    process_pin(getpid(), false);

    check(SCardConnect(hand, ours(), SCARD_SHARE_DIRECT, 0, &mine.card, &protocol), "SCardConnect");
    measure_insertion(&mine, "a card goes in, until SCardGetStatusChange returns, median", 2);
    measure_insertion(&vpcd, "  vsmartcard's vpcd", 0);
    swaps_line("a card changed for another at once: noticed", measure_swaps(&mine, SWAPS), SWAPS, true);
    swaps_line("  vsmartcard's vpcd", measure_swaps(&vpcd, VPCD_SWAPS), VPCD_SWAPS, false);
    take_out(&vpcd);
    until(theirs(), SCARD_STATE_EMPTY);
    measure_removal("a vpcd card goes during SCardTransmit", our_vpcd(), our_port);
    measure_removal("  vsmartcard's vpcd", theirs(), their_port);
    measure_idle(idle);
    return 0;
}
