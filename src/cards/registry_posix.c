/* SPDX-License-Identifier: MIT */
/* Kinds of cards in shared objects. A module stays loaded for good: cards of its kind may be in any reader. */
#include "registry.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct card_kind *open_module(const char *folder, size_t folder_length, const char *name, ULONG length)
{
    char path[1024];
    void *module;
    int size;

    if (folder_length == 0 || folder_length >= sizeof path) {
        return NULL;
    }
    size = snprintf(path, sizeof path, "%.*s/smartcrd-card-%.*s.so", (int)folder_length, folder, (int)length, name);
    if (size < 0 || (size_t)size >= sizeof path) {
        return NULL;
    }
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) {
        return NULL;
    }
    const struct card_kind *kind = dlsym(module, "smartcrd_card");
    if (kind == NULL || kind->name == NULL || strlen(kind->name) != length || memcmp(kind->name, name, length) != 0 ||
        kind->create == NULL || kind->destroy == NULL || kind->reset == NULL || kind->command == NULL) {
        dlclose(module);
        return NULL;
    }
    return kind;
}

const struct card_kind *card_module_find(const char *name, ULONG name_length)
{
    const char *path = secure_getenv("SMARTCRD_CARD_PATH");
    const struct card_kind *kind = NULL;

    while (path != NULL && kind == NULL) {
        const char *colon = strchr(path, ':');

        kind = open_module(path, colon != NULL ? (size_t)(colon - path) : strlen(path), name, name_length);
        path = colon != NULL ? colon + 1 : NULL;
    }
#ifdef SMARTCRD_CARD_DIR
    if (kind == NULL) {
        kind = open_module(SMARTCRD_CARD_DIR, strlen(SMARTCRD_CARD_DIR), name, name_length);
    }
#endif
    return kind;
}
