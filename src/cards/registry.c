/* SPDX-License-Identifier: MIT */
/* The kinds of cards that are linked in. Kinds in modules of their own are registry_posix.c's business. */
#include "card.h"
#include "registry.h"

static const struct card_kind *const kinds[] = {
    &card_fs,
    &card_echo,
    &card_script,
#ifndef _WIN32
    &card_vpcd,
#endif
};

const struct card_kind *card_kind_at(ULONG index)
{
    return index < sizeof kinds / sizeof kinds[0] ? kinds[index] : NULL;
}

/* What a kind may be called: it becomes part of a file's name. */
static BOOLEAN valid_name(const char *name, ULONG length)
{
    ULONG i;

    if (length == 0 || length > CARD_NAME_MAX) {
        return FALSE;
    }
    for (i = 0; i < length; i++) {
        char c = name[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return FALSE;
        }
    }
    return TRUE;
}

const struct card_kind *card_kind_find(const char *name, ULONG name_length)
{
    ULONG i;

    if (!valid_name(name, name_length)) {
        return NULL;
    }
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (card_word_is(name, name_length, kinds[i]->name)) {
            return kinds[i];
        }
    }
#ifdef _WIN32
    return NULL;
#else
    return card_module_find(name, name_length);
#endif
}
