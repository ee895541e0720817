/* SPDX-License-Identifier: MIT */
/*
 * libcacard's one reader in this process. The library can be initialised once in a process, with one database; its
 * reader must be used by one thread at a time, and its login is shared by all readers it has (libcacard.md), so there
 * is one card of it at most.
 */
#ifndef SMARTCRD_CAC_ENGINE_H
#define SMARTCRD_CAC_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAC_DB_SIZE    1024u /* the database's path, its NUL included */
#define CAC_CERTS_SIZE 256u  /* the certificates' names with commas, its NUL included */

/*
 * Claim the reader, initialising libcacard at the first call of the process.
 *
 * db     an absolute path; only characters that cac_engine_good_path accepts
 * certs  names with commas between them; only characters that cac_engine_good_names accepts
 *
 * Returns NULL, or a sentence that says why not. Any thread, but every later call comes from this one.
 */
const char *cac_engine_claim(const char *db, const char *certs);

/* Give the reader back, without power. */
void cac_engine_release(void);

/* Whether the text can stand in libcacard's options; a wrong one would abort the process there. */
bool cac_engine_good_path(const char *db);
bool cac_engine_good_names(const char *certs);

/* Power on: logs out, and gives the ATR, at most *length bytes. FALSE: there is no card. */
bool cac_engine_power_on(uint8_t *atr, size_t *length);
void cac_engine_power_off(void);

/* One APDU. *length: in, the room in the answer; out, its length. FALSE: there is no card, or no room. */
bool cac_engine_exchange(const uint8_t *apdu, size_t size, uint8_t *answer, size_t *length);

#endif
