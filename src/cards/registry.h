/* SPDX-License-Identifier: MIT */
/* Between registry.c and what finds kinds of cards outside the program (POSIX only). */
#ifndef CARDS_REGISTRY_H
#define CARDS_REGISTRY_H

#include "card.h"

#define CARD_NAME_MAX 31u

extern const struct card_kind card_vpcd;

/* Find smartcrd-card-NAME.so in $SMARTCRD_CARD_PATH (folders between colons), then in the folder that the build chose;
 * name is valid (registry.c). The module stays loaded. NULL: there is none. */
const struct card_kind *card_module_find(const char *name, ULONG name_length);

#endif
