/* SPDX-License-Identifier: MIT */
/*
 * libcacard's CAC card as a module, smartcrd-card-cac.so: a real card emulation with RSA keys in an NSS database that
 * tests/e2e/cac-db.sh makes. The reader's calls go into a box; one thread makes all calls of libcacard (engine.c), so
 * that a signature of 30 ms holds nobody's lock.
 */
#include "../card.h"
#include "engine.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATR_MAX  33u
#define APDU_MAX 65544u /* header, extended Lc, 65535 bytes, extended Le */

/* What the registry looks up; everything else in the module is hidden. */
extern const struct card_kind smartcrd_card __attribute__((visibility("default")));

enum job { JOB_NONE, JOB_RESET, JOB_COMMAND };
enum stage { STARTING, RUNNING, REFUSED };

struct cac_card {
    struct card card; /* first */
    struct card_slot *slot;
    pthread_t thread;
    char db[CAC_DB_SIZE], certs[CAC_CERTS_SIZE];

    /* Guards box; `changed` is signalled with it. A leaf: the reader takes it under its spin lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        enum stage stage;
        const char *why; /* REFUSED: the reason */
        bool stop;
        bool orphan;    /* the thread took itself out, and frees the card when it ends */
        bool power_off; /* comes before the job */
        enum job job;   /* the newest; one that was not begun yet is of no use to anyone */
        ULONG ticket;
        size_t length;
        uint8_t apdu[APDU_MAX];
    } box;

    uint8_t apdu[APDU_MAX]; /* the thread's own, and the answer too */
    uint8_t answer[CARD_MAX_RESPONSE];
};

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void do_job(struct cac_card *card, enum job job, ULONG ticket, size_t size)
{
    size_t length = job == JOB_RESET ? ATR_MAX : sizeof(card->answer);
    bool fine = job == JOB_RESET ? cac_engine_power_on(card->answer, &length)
                                 : cac_engine_exchange(card->apdu, size, card->answer, &length);

    explicit_bzero(card->apdu, size);
    card->slot->functions->answer(card->slot, ticket, fine && length >= 2 ? STATUS_SUCCESS : STATUS_IO_TIMEOUT,
                                  card->answer, fine && length >= 2 ? (ULONG)length : 0);
    explicit_bzero(card->answer, length);
}

static void tell_stage(struct cac_card *card, const char *why)
{
    pthread_mutex_lock(&card->lock);
    card->box.why = why;
    card->box.stage = why == NULL ? RUNNING : REFUSED;
    pthread_cond_broadcast(&card->changed);
    pthread_mutex_unlock(&card->lock);
}

/* Wait for something to do. Returns false when the card is taken out. */
static bool next_job(struct cac_card *card, bool *power_off, enum job *job, ULONG *ticket, size_t *size)
{
    bool go;

    pthread_mutex_lock(&card->lock);
    while (!card->box.stop && !card->box.power_off && card->box.job == JOB_NONE) {
        pthread_cond_wait(&card->changed, &card->lock);
    }
    go = !card->box.stop;
    *power_off = card->box.power_off;
    *job = card->box.job;
    *ticket = card->box.ticket;
    *size = card->box.length;
    memcpy(card->apdu, card->box.apdu, card->box.length);
    explicit_bzero(card->box.apdu, card->box.length);
    card->box.power_off = false;
    card->box.job = JOB_NONE;
    card->box.length = 0;
    pthread_mutex_unlock(&card->lock);
    return go;
}

static VOID free_card(struct cac_card *card)
{
    explicit_bzero(card->box.apdu, card->box.length);
    pthread_cond_destroy(&card->changed);
    pthread_mutex_destroy(&card->lock);
    free(card);
}

static void *run(void *context)
{
    struct cac_card *card = context;
    const char *why = cac_engine_claim(card->db, card->certs);
    bool power_off;
    enum job job;
    ULONG ticket;
    size_t size;

    tell_stage(card, why);
    if (why != NULL) {
        return NULL;
    }
    while (next_job(card, &power_off, &job, &ticket, &size)) {
        if (power_off) {
            cac_engine_power_off();
        }
        if (job != JOB_NONE) {
            do_job(card, job, ticket, size);
        }
    }
    cac_engine_release();
    if (card->box.orphan) { /* set by this very thread */
        free_card(card);
    }
    return NULL;
}

/* ---- the card's functions ---------------------------------------------------------------------------------------- */

static void say(char *why, ULONG why_size, const char *text)
{
    if (why_size > 0) {
        (void)snprintf(why, why_size, "%s", text);
    }
}

/* Start the thread and wait until it has the card, some 10 ms the first time. The thread must not take the program's
 * signals. */
static NTSTATUS start(struct cac_card *card, char *why, ULONG why_size)
{
    sigset_t all, before;
    int error;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&card->thread, NULL, run, card);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        say(why, why_size, "no thread to be had");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    pthread_mutex_lock(&card->lock);
    while (card->box.stage == STARTING) {
        pthread_cond_wait(&card->changed, &card->lock);
    }
    pthread_mutex_unlock(&card->lock);
    if (card->box.stage == RUNNING) {
        return STATUS_SUCCESS;
    }
    say(why, why_size, card->box.why);
    (void)pthread_join(card->thread, NULL);
    return STATUS_INVALID_PARAMETER;
}

static NTSTATUS cac_create(const struct card_options *options, struct card_slot *slot, struct card **result, char *why,
                           ULONG why_size)
{
    static const char *const keys[] = {"db", "certs", NULL};
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    struct cac_card *card;

    if (!card_options_known(options, keys, why, why_size)) {
        return status;
    }
    card = calloc(1, sizeof(*card));
    if (card == NULL) {
        say(why, why_size, "out of memory");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    card->card.kind = &smartcrd_card;
    card->slot = slot;
    (void)pthread_mutex_init(&card->lock, NULL);
    (void)pthread_cond_init(&card->changed, NULL);
    if (!card_option_text(options, "db", "", card->db, sizeof(card->db)) || !cac_engine_good_path(card->db)) {
        say(why, why_size, "db= needs the absolute path of a certificate database, without blanks, quotes or brackets");
        goto out;
    }
    if (!card_option_text(options, "certs", "cert1,cert2,cert3", card->certs, sizeof(card->certs)) ||
        !cac_engine_good_names(card->certs)) {
        say(why, why_size, "certs= needs one to eight names of letters and digits, with commas between them");
        goto out;
    }
    status = start(card, why, why_size);
    if (!NT_SUCCESS(status)) {
        goto out;
    }
    *result = &card->card;
    return STATUS_SUCCESS;
out:
    free_card(card);
    return status;
}

static VOID cac_destroy(struct card *base)
{
    struct cac_card *card = (struct cac_card *)base;

    /* An answer of ours can end an operation, and the thread that ended it runs the next in line: which may be to take
     * this card out. The thread cannot wait for itself; it makes no more calls, and frees the card on its way out. */
    bool own = pthread_equal(pthread_self(), card->thread) != 0;

    pthread_mutex_lock(&card->lock);
    card->box.stop = true;
    card->box.orphan = own;
    pthread_cond_broadcast(&card->changed);
    pthread_mutex_unlock(&card->lock);
    if (own) {
        (void)pthread_detach(card->thread);
        return;
    }
    (void)pthread_join(card->thread, NULL);
    free_card(card);
}

static NTSTATUS post(struct cac_card *card, enum job job, ULONG ticket, const UCHAR *apdu, ULONG length)
{
    pthread_mutex_lock(&card->lock);
    card->box.job = job;
    card->box.ticket = ticket;
    card->box.length = length;
    if (length > 0) {
        memcpy(card->box.apdu, apdu, length);
    }
    pthread_cond_broadcast(&card->changed);
    pthread_mutex_unlock(&card->lock);
    return STATUS_PENDING;
}

/* libcacard knows no warm reset; both begin anew and log out. */
static NTSTATUS cac_reset(struct card *base, BOOLEAN cold, ULONG ticket, UCHAR *atr, ULONG *length)
{
    (void)cold;
    (void)atr;
    (void)length;
    return post((struct cac_card *)base, JOB_RESET, ticket, NULL, 0);
}

static VOID cac_power_off(struct card *base)
{
    struct cac_card *card = (struct cac_card *)base;

    pthread_mutex_lock(&card->lock);
    card->box.power_off = true;
    card->box.job = JOB_NONE; /* a card without power answers nothing */
    pthread_cond_broadcast(&card->changed);
    pthread_mutex_unlock(&card->lock);
}

static NTSTATUS cac_command(struct card *base, ULONG ticket, const UCHAR *apdu, ULONG apdu_length, UCHAR *response,
                            ULONG *length)
{
    if (apdu_length < 4 || apdu_length > APDU_MAX) {
        response[0] = 0x67;
        response[1] = 0x00;
        *length = 2;
        return STATUS_SUCCESS;
    }
    return post((struct cac_card *)base, JOB_COMMAND, ticket, apdu, apdu_length);
}

/* CAC's own instructions (GSC-IS 2.1, as libcacard's cac.h names them); the others are interindustry ones. */
static enum card_direction cac_direction(struct card *base, const UCHAR header[5])
{
    (void)base;
    switch (header[1]) {
    case 0x36: /* GET CERTIFICATE */
    case 0x56: /* GET PROPERTIES */
        return CARD_FROM_CARD;
    case 0x4C: /* GET ACR: of one rule, applet or object, named in the data, or whole tables */
        return header[2] == 0x01 || header[2] == 0x11 || header[2] == 0x12 ? CARD_TO_CARD : CARD_FROM_CARD;
    case 0x42: /* SIGN/DECRYPT */
    case 0x52: /* READ BUFFER: where and how much are in the data */
    case 0x58: /* UPDATE BUFFER */
        return CARD_TO_CARD;
    default:
        return card_iso_direction(header);
    }
}

static VOID cac_describe(struct card *base, char *text, ULONG size)
{
    struct cac_card *card = (struct cac_card *)base;

    (void)snprintf(text, size, "db=%s certs=%s", card->db, card->certs);
}

const struct card_kind smartcrd_card = {
    .name = "cac",
    .help = "libcacard's CAC card; db=FOLDER (an NSS database, absolute path) certs=NAME,NAME (cert1,cert2,cert3)",
    .create = cac_create,
    .destroy = cac_destroy,
    .reset = cac_reset,
    .power_off = cac_power_off,
    .command = cac_command,
    .direction = cac_direction,
    .describe = cac_describe,
    .own_world = TRUE,
};
