/* SPDX-License-Identifier: MIT */
/*
 * The protocol engines alone, without a driver or a line.
 *
 * ATR: the parser over every ATR of pcsc-tools' list.
 * T=1: host and card engine back to back, each given what the other has in tx, for a command of 65535 bytes of data and
 * an answer of 65536. "Beyond the EDC" is what callgrind counts for the whole exchange, less what it counts for making
 * and checking the EDCs of blocks of the same lengths, a byte being one of the command or of the answer. Beside it what
 * nobody can do without: each byte copied into a block and out of it again, and the exclusive-or of each block taken
 * twice.
 * T=0: host and card engine back to back, 255 bytes to the card and 256 from it.
 * Loss: short commands while one block of a hundred is lost.
 */
#include "bench.h"

#include "../src/iso7816/atr.h"
#include "../src/iso7816/t0.h"
#include "../src/iso7816/t1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST         "/usr/share/pcsc/smartcard_list.txt"
#define ATRS         5000
#define COMMAND      (4 + 3 + 65535 + 2)
#define ANSWER       (65536 + 2)
#define BYTES        (COMMAND + ANSWER)
#define ROUNDS       100
#define BLOCKS       40000
#define LOSSY_ROUNDS 200000

static struct {
    uint8_t bytes[ISO7816_ATR_MAX];
    size_t size;
} atrs[ATRS];
static size_t atr_count;

static struct iso7816_t1_host host;
static struct iso7816_t1_card card;
static uint8_t command[COMMAND], answer[ANSWER], taken[COMMAND], reply[ANSWER];
static size_t sizes[BLOCKS], block_count; /* of an exchange, both ways */

/* What callgrind counts, and the clock takes, happens in this function. */
void counted(void (*work)(void));
__attribute__((noinline)) void counted(void (*work)(void))
{
    work();
}

static void must(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "bench: %s\n", what);
        exit(1);
    }
}

static double median_ns(void (*work)(void), size_t rounds)
{
    static double samples[ROUNDS];
    rounds = bench_rounds(rounds);
    for (size_t i = 0; i < rounds; i++) {
        uint64_t began = bench_now();
        counted(work);
        samples[i] = (double)(bench_now() - began);
    }
    return bench_percentile(samples, rounds, 50);
}

struct subject {
    const char *name, *means;
};

/* A figure of a subject: the whole, or a part of it. */
static void show(struct subject subject, const char *part, const char *part_means, double value, const char *unit,
                 double target)
{
    char name[64], means[128];

    snprintf(name, sizeof(name), "engines.%s%s%s", subject.name, *part ? "." : "", part);
    snprintf(means, sizeof(means), "%s%s%s", subject.means, *part_means ? ": " : "", part_means);
    bench_show((struct bench_figure){.name = name, .means = means, .unit = unit, .value = value, .target = target});
}

/* ---- ATR --------------------------------------------------------------------------------------------------------- */

static void read_list(void)
{
    char line[4096];
    FILE *file = fopen(LIST, "r");
    while (file != NULL && atr_count < ATRS && fgets(line, sizeof(line), file) != NULL) {
        size_t size = 0;
        unsigned byte;
        int used;
        line[strcspn(line, "\r\n")] = 0;
        if (strlen(line) < 5 || line[strspn(line, "0123456789ABCDEFabcdef ")] != 0) {
            continue;
        }
        for (const char *at = line; size < ISO7816_ATR_MAX && sscanf(at, "%2x%n", &byte, &used) == 1; at += used) {
            atrs[atr_count].bytes[size++] = (uint8_t)byte;
        }
        atrs[atr_count++].size = size;
    }
    if (file != NULL) {
        fclose(file);
    }
}

static void parse_all(void)
{
    size_t good = 0;
    struct iso7816_atr atr;
    for (size_t i = 0; i < atr_count; i++) {
        good += iso7816_atr_parse(atrs[i].bytes, atrs[i].size, &atr, NULL) == ISO7816_ATR_OK;
    }
    must(good > atr_count / 2, "real ATRs are refused");
}

/* ---- T=1 --------------------------------------------------------------------------------------------------------- */

static struct iso7816_t1_config config;

static void begin(void)
{
    iso7816_t1_host_init(&host, &config, 0);
    iso7816_t1_card_init(&card, &config, taken, sizeof(taken));
}

static void t1_exchange(void)
{
    enum iso7816_t1_action action = iso7816_t1_host_start(&host, command, COMMAND, reply, ANSWER);
    block_count = 0;
    while (action == ISO7816_T1_SEND) {
        enum iso7816_t1_action does = iso7816_t1_card_receive(&card, host.tx, host.tx_size, true);
        if (does == ISO7816_T1_COMMAND) {
            does = iso7816_t1_card_answer(&card, answer, ANSWER);
        }
        must(does == ISO7816_T1_SEND && block_count + 2 <= BLOCKS, "the card is silent");
        sizes[block_count++] = host.tx_size;
        sizes[block_count++] = card.tx_size;
        action = iso7816_t1_host_receive(&host, card.tx, card.tx_size, true);
    }
    must(action == ISO7816_T1_DONE && host.reply_size == ANSWER, "the exchange failed");
}

static void edc_alone(void)
{
    static uint8_t block[ISO7816_T1_BLOCK_MAX];
    for (size_t i = 0; i < block_count; i++) {
        size_t size = iso7816_edc_append(block, sizes[i] - iso7816_edc_size(config.edc), config.edc);
        must(iso7816_edc_ok(block, size, config.edc), "a wrong EDC");
    }
}

/* Eight bytes at a time; both blocks have the same length, so the order of the bytes in a word does not matter. */
static uint64_t exclusive_or(const uint8_t *bytes, size_t size)
{
    uint64_t all = 0, word;
    size_t i = 0;
    for (; size - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        all ^= word;
    }
    for (; i < size; i++) {
        all ^= bytes[i];
    }
    return all;
}

static void pieces(uint8_t *to, const uint8_t *from, size_t size)
{
    uint8_t block[254];
    for (size_t at = 0; at < size; at += sizeof(block)) {
        size_t piece = size - at < sizeof(block) ? size - at : sizeof(block);
        memcpy(block, from + at, piece);
        memcpy(to + at, block, piece);
        must(exclusive_or(block, piece) == exclusive_or(to + at, piece), "a wrong exclusive-or");
    }
}

static void least_work(void)
{
    pieces(taken, command, COMMAND);
    pieces(reply, answer, ANSWER);
}

static const struct {
    struct subject subject;
    enum iso7816_edc edc;
    uint8_t ifs;
    double target;
} chains[] = {
    {{"t1_lrc", "T=1, 64 KiB both ways, IFS 254, LRC"}, ISO7816_EDC_LRC, 254, 2},
    {{"t1_crc", "T=1, 64 KiB both ways, IFS 254, the standard\'s CRC"}, ISO7816_EDC_CRC, 254, 2},
    {{"t1_crc_microsoft", "T=1, 64 KiB both ways, IFS 254, Microsoft\'s CRC"}, ISO7816_EDC_CRC_A001, 254, 2},
    {{"t1_ifs32", "T=1, 64 KiB both ways, IFS 32, LRC"}, ISO7816_EDC_LRC, 32, 0},
};
#define CHAINS (sizeof(chains) / sizeof(chains[0]))

static void configure(size_t chain)
{
    config = (struct iso7816_t1_config){.edc = chains[chain].edc, .ifsc = chains[chain].ifs, .ifsd = chains[chain].ifs};
    begin();
    t1_exchange();
    must(memcmp(reply, answer, ANSWER) == 0 && memcmp(taken, command, COMMAND) == 0, "wrong data");
}

static void bench_chain(const char *self, size_t chain)
{
    const struct subject subject = chains[chain].subject;
    char what[32];
    double ns, all, edc;
    bool known;

    configure(chain);
    ns = median_ns(t1_exchange, ROUNDS);
    show(subject, "", "", BYTES / ns * 1000, "MB/s", 0);
    show(subject, "block", "a block", ns / (double)block_count, "ns", 0);
    show(subject, "edc", "its EDC alone, made and checked", median_ns(edc_alone, ROUNDS) / (double)block_count, "ns",
         0);
    snprintf(what, sizeof(what), "t1 %zu", chain);
    all = bench_instructions(self, "counted", what);
    snprintf(what, sizeof(what), "edc %zu", chain);
    edc = bench_instructions(self, "counted", what);
    known = all > 0 && edc > 0;
    show(subject, "block_instructions", "a block, both engines", known ? all / (double)block_count : BENCH_UNKNOWN,
         "instructions", 0);
    show(subject, "byte_instructions", "a byte, both engines", known ? all / BYTES : BENCH_UNKNOWN, "instructions", 0);
    show(subject, "beyond_edc", "a byte, beyond the EDC", known ? (all - edc) / BYTES : BENCH_UNKNOWN, "instructions",
         chains[chain].target);
}

/* ---- T=0 --------------------------------------------------------------------------------------------------------- */

#define T0_CHARACTERS (5 + 1 + 255 + 2 + 5 + 1 + 256 + 2)

static struct iso7816_t0_host t0_host;
static struct iso7816_t0_card t0_card;

static void t0_exchange(const uint8_t *tpdu, size_t size, const uint8_t *response, size_t response_size)
{
    enum iso7816_t0_action action = iso7816_t0_host_start(&t0_host, tpdu, size, reply, sizeof(reply));
    while (action == ISO7816_T0_SEND) {
        enum iso7816_t0_card_action does = ISO7816_T0_CARD_RECEIVE;
        for (size_t i = 0; i < t0_host.tx_size; i++) {
            does = iso7816_t0_card_receive(&t0_card, t0_host.tx[i], NULL, NULL);
        }
        action = iso7816_t0_host_sent(&t0_host);
        if (does == ISO7816_T0_CARD_COMMAND) {
            does = iso7816_t0_card_answer(&t0_card, response, response_size);
        }
        for (size_t i = 0; does == ISO7816_T0_CARD_SEND && i < t0_card.tx_size; i++) {
            action = iso7816_t0_host_receive(&t0_host, t0_card.tx[i], true);
        }
        iso7816_t0_card_sent(&t0_card);
    }
    must(action == ISO7816_T0_DONE && t0_host.reply_size == response_size, "T=0 failed");
}

static void t0_both_ways(void)
{
    static uint8_t write[5 + 255] = {0x00, 0xD6, 0x00, 0x00, 0xFF};
    static const uint8_t read[5] = {0x00, 0xB0, 0x00, 0x00, 0x00};
    static const uint8_t status[2] = {0x90, 0x00};
    t0_exchange(write, sizeof(write), status, sizeof(status));
    t0_exchange(read, sizeof(read), answer, 256 + 2);
}

static void bench_t0(const char *self)
{
    static uint8_t held[256];
    const struct subject t0 = {"t0", "T=0, 255 bytes to the card, 256 from it"};
    double ns, instructions;
    iso7816_t0_card_init(&t0_card, taken, sizeof(taken), held, sizeof(held));
    answer[256] = 0x90;
    answer[257] = 0x00;
    ns = median_ns(t0_both_ways, ROUNDS);
    if (self == NULL) {
        return;
    }
    show(t0, "", "", T0_CHARACTERS / ns * 1000, "Mchar/s", 0);
    instructions = bench_instructions(self, "counted", "t0 0");
    show(t0, "character_instructions", "a character, both engines",
         instructions > 0 ? instructions / ROUNDS / T0_CHARACTERS : BENCH_UNKNOWN, "instructions", 0);
}

/* ---- loss -------------------------------------------------------------------------------------------------------- */

static int lost(void)
{
    static uint32_t random = 0x7816;
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    return random % 100 == 0;
}

static void bench_loss(void)
{
    const struct subject loss = {"loss", "T=1, 60 bytes both ways, 1 of 100 blocks lost"};
    const size_t rounds = bench_rounds(LOSSY_ROUNDS);
    double blocks = 0, repeated = 0, answered = 0;
    config = (struct iso7816_t1_config){.ifsc = 32, .ifsd = 32};
    begin();
    for (size_t i = 0; i < rounds; i++) {
        enum iso7816_t1_action action = iso7816_t1_host_start(&host, command, 60, reply, sizeof(reply));
        while (action == ISO7816_T1_SEND) {
            enum iso7816_t1_action does = ISO7816_T1_RECEIVE;
            blocks++;
            if (!lost()) {
                does = iso7816_t1_card_receive(&card, host.tx, host.tx_size, true);
            }
            if (does == ISO7816_T1_COMMAND) {
                does = iso7816_t1_card_answer(&card, answer, 60);
            }
            action =
                iso7816_t1_host_receive(&host, card.tx, does == ISO7816_T1_SEND && !lost() ? card.tx_size : 0, true);
        }
        repeated += host.retransmissions + host.resynchronisations;
        answered += action == ISO7816_T1_DONE && host.reply_size == 60;
        if (action != ISO7816_T1_DONE) {
            begin();
        }
    }
    show(loss, "repeated", "repeated, in 1000", repeated / blocks * 1000, "blocks", 0);
    show(loss, "unanswered", "not answered, in 1000000 commands",
         ((double)rounds - answered) / (double)rounds * 1000000, "commands", 0);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static void count_one(const char *what, size_t chain)
{
    if (strcmp(what, "atr") == 0) {
        counted(parse_all);
    } else if (strcmp(what, "t0") == 0) {
        bench_t0(NULL);
    } else {
        configure(chain);
        counted(strcmp(what, "t1") == 0 ? t1_exchange : edc_alone);
    }
}

int main(int argc, char **argv)
{
    const struct subject parser = {"atr", "ATR parser, mean over the real ATRs of pcsc-tools' list"};
    double instructions;

    bench_begin(&argc, argv);
    for (size_t i = 0; i < COMMAND; i++) {
        command[i] = (uint8_t)(i * 7 + i / 251);
    }
    for (size_t i = 0; i < ANSWER; i++) {
        answer[i] = (uint8_t)(i * 11 + i / 241);
    }
    read_list();
    if (argc > 3 && strcmp(argv[1], "--counted") == 0) {
        count_one(argv[2], strtoul(argv[3], NULL, 10) % CHAINS);
        return 0;
    }
    if (atr_count > 0) {
        show(parser, "", "", median_ns(parse_all, ROUNDS) / (double)atr_count, "ns", 300);
        instructions = bench_instructions(argv[0], "counted", "atr 0");
        show(parser, "instructions", "counted by callgrind",
             instructions > 0 ? instructions / (double)atr_count : BENCH_UNKNOWN, "instructions", 0);
    } else {
        printf("  (no ATRs: " LIST ", of Debian's pcsc-tools, is not there)\n");
    }
    for (size_t i = 0; i < CHAINS; i++) {
        bench_chain(argv[0], i);
    }
    bench_show((struct bench_figure){.name = "engines.least_work",
                                     .means = "the same bytes copied twice, exclusive-or taken twice",
                                     .unit = "MB/s",
                                     .value = BYTES / median_ns(least_work, ROUNDS) * 1000,
                                     .beside = "engines.t1_lrc"});
    bench_t0(argv[0]);
    bench_loss();
    return 0;
}
