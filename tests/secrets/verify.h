/* SPDX-License-Identifier: MIT */
/* VERIFY with a secret, by the usual ways; what they have in hand they wipe themselves. */
#ifndef SECRETS_VERIFY_H
#define SECRETS_VERIFY_H

#include "../e2e/support.h"
#include "kit.h"

/* What answers everything, slowly or at once, and keeps nothing. */
#define CARD      "script\nmatch\n> *\n< 63C2\n"
#define SLOW_CARD "script\nmatch\n> *\nwait 300000\n< 63C2\n"

/* A command with the secret as its data, extended when that is long. Returns its size; the caller wipes it. */
size_t secret_command(const struct secret *secret, uint8_t ins, uint8_t *bytes);

/* VERIFY through smartcrd_transmit, and through smartcrd_apdu. */
NTSTATUS verify(struct world *world, const struct secret *secret, uint32_t timeout_ms);
NTSTATUS verify_apdu(struct world *world, const struct secret *secret);

/* Start VERIFY as a TRANSMIT over T=1; its answer goes where nobody looks. */
uint64_t start_verify(struct world *world, const struct secret *secret, uint32_t timeout_ms);

/* A context with a reader whose card is ready. */
void ready(struct world *world, const char *card, uint32_t protocol);

/* Shown with everything still there, then closed; the kit looks once more behind that. */
void done(struct world *world);

#endif
