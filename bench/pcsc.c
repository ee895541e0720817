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

/* A figure of one kind of exchange: of ours, or of a rival's beside ours. */
static void show(const char *ours, const char *part, struct bench_figure figure)
{
    char name[64];

    snprintf(name, sizeof(name), "%s%s%s", ours, *part ? "." : "", part);
    figure.name = name;
    figure.count = ROUNDS;
    bench_show(figure);
}

static void measure_exchange(const char *name, const char *what, const uint8_t *command, size_t size, size_t wanted)
{
    const char *const parts[RIVALS] = {"", "vpcd", "nothing", "inside"};
    const char *const words[RIVALS] = {what, "vsmartcard's vpcd with a fast card", "a handler that does nothing",
                                       "in process, through smartcrd.h"};
    static double samples[RIVALS][ROUNDS], to_vpcd[ROUNDS], to_floor[ROUNDS];
    SCARDHANDLE cards[3] = {open_card(ours()), open_card(theirs()), open_card(reader("nothing"))};

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned rival = OURS; rival <= NOTHING; rival++)
            samples[rival][round] = exchange_us(cards[rival], command, size, wanted);
        samples[INSIDE][round] = inside_exchange(command, size, CALLS) / 1000;
        to_vpcd[round] = samples[OURS][round] / samples[VPCD][round] * 100;
        to_floor[round] = samples[OURS][round] / samples[NOTHING][round] * 100;
    }
    for (unsigned rival = OURS; rival < RIVALS; rival++)
        show(
            name, parts[rival],
            (struct bench_figure){
                .means = words[rival], .unit = "us", .samples = samples[rival], .beside = rival == OURS ? NULL : name});
    show(name, "to_vpcd",
         (struct bench_figure){.means = "our time as a part of vpcd's", .unit = "%", .samples = to_vpcd, .target = 50});
    show(name, "to_nothing",
         (struct bench_figure){
             .means = "our time as a part of that with nothing", .unit = "%", .samples = to_floor, .target = 120});
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
        measure_exchange(any ? "pcsc.short_any" : "pcsc.short_one",
                         any ? "SCardTransmit, 5 bytes out, 4 back, on any processor"
                             : "SCardTransmit, 5 bytes out, 4 back, pcscd and application on one processor",
                         five, sizeof(five), 4);
        measure_exchange(any ? "pcsc.long_any" : "pcsc.long_one",
                         any ? "SCardTransmit, 256 bytes out, 252 back, on any processor"
                             : "SCardTransmit, 256 bytes out, 252 back, pcscd and application on one processor",
                         long_one, sizeof(long_one), 252);
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

static void measure_insertion(struct doing *doing, struct bench_figure figure)
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
    figure.unit = "ms";
    figure.samples = samples;
    figure.count = INSERTIONS;
    bench_show(figure);
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

/* ---- removal during a transmit ------------------------------------------------------------------------------------- */

/* The card hangs up when the command reaches it. */
static void measure_removal(struct bench_figure figure, const char *name, uint16_t port)
{
    static const uint8_t command[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    struct vpcd_card *peer = vpcd_insert(port);
    SCARDHANDLE card = open_card(name);
    _Atomic uint64_t left = 0;
    uint8_t reply[300];
    DWORD size = sizeof(reply);
    char means[128];
    LONG error;

    vpcd_leave_at_command(peer, &left);
    error = SCardTransmit(card, SCARD_PCI_T1, command, sizeof(command), NULL, reply, &size);
    figure.value = (double)(bench_now() - left) / 1e6;
    figure.unit = "ms";
    snprintf(means, sizeof(means), "%s, with %lu bytes: %s", figure.means, size, pcsc_stringify_error(error));
    figure.means = means;
    bench_show(figure);
    SCardDisconnect(card, SCARD_LEAVE_CARD);
    vpcd_remove(peer);
}

/* ---- doing nothing ------------------------------------------------------------------------------------------------- */

static void measure_idle(const pid_t *processes)
{
    static const struct {
        const char *cpu, *wakes, *means;
    } idle[] = {{"pcsc.idle", "pcsc.wake_ups", "a pcscd with 16 idle readers of smartcrd"},
                {"pcsc.idle.nothing", "pcsc.wake_ups.nothing", "with 16 of the handler that does nothing, polled"},
                {"pcsc.idle.vpcd", "pcsc.wake_ups.vpcd", "with the two of vpcd"}};
    struct cost before[3], after[3];

    for (unsigned i = 0; i < 3; i++)
        before[i] = process_cost(processes[i]);
    sleep_ms(IDLE_S * 1000);
    for (unsigned i = 0; i < 3; i++)
        after[i] = process_cost(processes[i]);
    for (unsigned i = 0; i < 3; i++) {
        bench_show((struct bench_figure){.name = idle[i].cpu,
                                         .means = idle[i].means,
                                         .unit = "% of a processor",
                                         .value = (double)(after[i].cpu_ns - before[i].cpu_ns) / IDLE_S / 1e7,
                                         .target = i == 0 ? 0.001 : 0,
                                         .beside = i == 0 ? NULL : idle[0].cpu});
    }
    for (unsigned i = 0; i < 3; i++)
        bench_show((struct bench_figure){.name = idle[i].wakes,
                                         .means = idle[i].means,
                                         .unit = "wake-ups/s",
                                         .value = (double)(after[i].sleeps - before[i].sleeps) / IDLE_S,
                                         .beside = i == 0 ? NULL : idle[0].wakes});
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
    measure_insertion(&mine, (struct bench_figure){.name = "pcsc.insertion",
                                                   .means = "a card goes in, until SCardGetStatusChange returns",
                                                   .target = 2});
    measure_insertion(
        &vpcd,
        (struct bench_figure){.name = "pcsc.insertion.vpcd", .means = "vsmartcard's vpcd", .beside = "pcsc.insertion"});
    bench_show((struct bench_figure){.name = "pcsc.swaps",
                                     .means = "a card changed for another at once: noticed, of 200",
                                     .unit = "swaps",
                                     .value = measure_swaps(&mine, SWAPS),
                                     .at_least = SWAPS});
    bench_show((struct bench_figure){.name = "pcsc.swaps.vpcd",
                                     .means = "vsmartcard's vpcd, of 10",
                                     .unit = "swaps",
                                     .value = measure_swaps(&vpcd, VPCD_SWAPS),
                                     .beside = "pcsc.swaps"});
    take_out(&vpcd);
    until(theirs(), SCARD_STATE_EMPTY);
    measure_removal((struct bench_figure){.name = "pcsc.removal",
                                          .means = "a vpcd card goes during SCardTransmit, until it returns"},
                    our_vpcd(), our_port);
    measure_removal(
        (struct bench_figure){.name = "pcsc.removal.vpcd", .means = "vsmartcard's vpcd", .beside = "pcsc.removal"},
        theirs(), their_port);
    measure_idle(idle);
    return 0;
}
