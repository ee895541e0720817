/* SPDX-License-Identifier: MIT */
/* All that is known about libcacard is in this file; see engine.h. */
#include "engine.h"

#include <glib.h>
#include <libcacard.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define READER "Virtual Reader"

/* Guards everything here; held while libcacard is initialised. One card holds `claimed`, and only its thread uses
 * `reader`, so that needs no lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool claimed;
static bool initialised;
static const char *failure; /* of the first initialisation: there is no second */
static char used_db[CAC_DB_SIZE], used_certs[CAC_CERTS_SIZE];
static VReader *reader;

bool cac_engine_good_path(const char *db)
{
    size_t length = strlen(db);

    if (length < 2 || length >= CAC_DB_SIZE || db[0] != '/') {
        return false;
    }
    for (const char *c = db; *c != 0; c++) {
        /* It stands between quotes in the options, and NSS takes quotes, blanks and brackets to mean something. */
        if ((unsigned char)*c <= ' ' || *c == 0x7F || strchr("\"'()[]{}\\,;=<>|*?", *c) != NULL) {
            return false;
        }
    }
    return true;
}

bool cac_engine_good_names(const char *certs)
{
    size_t run = 0, names = 1;

    if (strlen(certs) >= CAC_CERTS_SIZE) {
        return false;
    }
    for (const char *c = certs; *c != 0; c++) {
        if (*c == ',') {
            if (run == 0) {
                return false;
            }
            run = 0;
            names++;
        } else if (g_ascii_isalnum(*c) || *c == '-' || *c == '_' || *c == '.') {
            run++;
        } else {
            return false;
        }
    }
    return run > 0 && names <= 8; /* more than eight did not work (libcacard.md) */
}

static void drain_events(void)
{
    VEvent *event;

    while ((event = vevent_get_next_vevent()) != NULL) {
        vevent_delete(event);
    }
}

/* NSS would make a missing database read as an empty one. */
static bool is_database(const char *db)
{
    char path[CAC_DB_SIZE + 16];
    struct stat file;

    (void)snprintf(path, sizeof(path), "%s/cert9.db", db);
    return stat(path, &file) == 0 && S_ISREG(file.st_mode);
}

static const char *initialise(const char *db, const char *certs)
{
    char text[CAC_DB_SIZE + CAC_CERTS_SIZE + 80];
    VCardEmulOptions *options;

    (void)snprintf(text, sizeof(text), "db=\"sql:%s\" use_hw=no soft=(,%s,CAC,,%s)", db, READER, certs);
    options = vcard_emul_options(text);
    if (options == NULL) {
        return "libcacard does not take these options";
    }
    if (vcard_emul_init(options) != VCARD_EMUL_OK) {
        return "libcacard cannot be initialised with this database, and takes no second one in this process";
    }
    drain_events();
    reader = vreader_get_reader_by_name(READER);
    if (reader == NULL || vreader_card_is_present(reader) != VREADER_OK) {
        return "libcacard found none of these certificates with its key, and cannot be initialised a second time in "
               "this process";
    }
    return NULL;
}

const char *cac_engine_claim(const char *db, const char *certs)
{
    const char *why = NULL;

    pthread_mutex_lock(&lock);
    if (claimed) {
        why = "libcacard has one card only, and it is in another reader of this process";
    } else if (initialised && failure == NULL && (strcmp(db, used_db) != 0 || strcmp(certs, used_certs) != 0)) {
        why = "libcacard keeps the database and certificates that it was first given in this process";
    } else if (initialised) {
        why = failure;
    } else if (!is_database(db)) {
        why = "there is no certificate database (cert9.db) in db=";
    } else {
        initialised = true;
        (void)snprintf(used_db, sizeof(used_db), "%s", db);
        (void)snprintf(used_certs, sizeof(used_certs), "%s", certs);
        why = failure = initialise(db, certs);
    }
    claimed = claimed || why == NULL;
    pthread_mutex_unlock(&lock);
    return why;
}

void cac_engine_release(void)
{
    (void)vreader_power_off(reader);
    drain_events();
    pthread_mutex_lock(&lock);
    claimed = false;
    pthread_mutex_unlock(&lock);
}

bool cac_engine_power_on(uint8_t *atr, size_t *length)
{
    int size = (int)*length;

    if (vreader_power_on(reader, atr, &size) != VREADER_OK || size < 0 || (size_t)size > *length) {
        return false;
    }
    *length = (size_t)size;
    return true;
}

void cac_engine_power_off(void)
{
    (void)vreader_power_off(reader);
}

bool cac_engine_exchange(const uint8_t *apdu, size_t size, uint8_t *answer, size_t *length)
{
    uint8_t command[4 + 3 + 65535 + 2]; /* libcacard wants to be able to write to it */
    int room = (int)*length;
    bool fine;

    if (size > sizeof(command)) {
        return false;
    }
    memcpy(command, apdu, size);
    fine = vreader_xfr_bytes(reader, command, (int)size, answer, &room) == VREADER_OK && room >= 0 &&
           (size_t)room <= *length;
    explicit_bzero(command, size); /* it may have held a PIN */
    *length = fine ? (size_t)room : 0;
    return fine;
}
