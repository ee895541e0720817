/* SPDX-License-Identifier: MIT */
/*
 * Names of functions, for reports: from the symbol table that programs see (dladdr), else from the object file's own
 * .symtab, which has the static functions too. Stripped objects give module+offset.
 */
#include "verify.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if __SIZEOF_POINTER__ == 8
typedef Elf64_Ehdr file_header;
typedef Elf64_Shdr section_header;
typedef Elf64_Sym symbol;
#define SYMBOL_TYPE ELF64_ST_TYPE
#else
typedef Elf32_Ehdr file_header;
typedef Elf32_Shdr section_header;
typedef Elf32_Sym symbol;
#define SYMBOL_TYPE ELF32_ST_TYPE
#endif

/* An object file in memory. */
struct object {
    const uint8_t *bytes;
    size_t size;
};

static bool object_map(struct object *object, const char *path)
{
    struct stat about;
    void *bytes = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    if (fstat(fd, &about) == 0 && about.st_size > 0) {
        object->size = (size_t)about.st_size;
        bytes = mmap(NULL, object->size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    close(fd);
    object->bytes = bytes;
    return bytes != MAP_FAILED;
}

/* A piece of the file, or NULL when it reaches beyond the end. */
static const void *piece(const struct object *object, uint64_t offset, uint64_t size)
{
    return offset <= object->size && size <= object->size - offset ? object->bytes + offset : NULL;
}

/* The name of the function of a symbol table that contains `offset`. */
static const char *search(const struct object *object, const section_header *table, const section_header *strings,
                          uintptr_t offset)
{
    const symbol *symbols = piece(object, table->sh_offset, table->sh_size);
    const char *text = piece(object, strings->sh_offset, strings->sh_size);

    if (symbols == NULL || text == NULL || strings->sh_size == 0 || text[strings->sh_size - 1] != '\0') {
        return NULL;
    }
    for (size_t i = 0; i < table->sh_size / sizeof(*symbols); i++) {
        const symbol *s = &symbols[i];

        if (SYMBOL_TYPE(s->st_info) == STT_FUNC && s->st_shndx != SHN_UNDEF && offset >= s->st_value &&
            offset - s->st_value < s->st_size && s->st_name < strings->sh_size) {
            return text + s->st_name;
        }
    }
    return NULL;
}

static const char *search_object(const struct object *object, uintptr_t offset)
{
    const file_header *header = piece(object, 0, sizeof(*header));
    const section_header *sections;

    if (header == NULL || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_shentsize != sizeof(*sections)) {
        return NULL;
    }
    sections = piece(object, header->e_shoff, (uint64_t)header->e_shnum * sizeof(*sections));
    for (size_t i = 0; sections != NULL && i < header->e_shnum; i++) {
        if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_link < header->e_shnum) {
            return search(object, &sections[i], &sections[sections[i].sh_link], offset);
        }
    }
    return NULL;
}

/* Compilers split functions: name.part.0, name.cold. */
static void put_name(const char *name, char *text, size_t size)
{
    snprintf(text, size, "%.*s", (int)strcspn(name, "."), name);
}

void verify_symbol(const void *address, char *text, size_t size)
{
    struct object object;
    Dl_info info;
    const char *name = NULL, *base;
    uintptr_t offset;
    bool mapped;

    if (dladdr(address, &info) == 0 || info.dli_fname == NULL) {
        snprintf(text, size, "%p", address);
        return;
    }
    if (info.dli_sname != NULL) {
        put_name(info.dli_sname, text, size);
        return;
    }
    /* Values in .symtab are relative to the load address, but for programs that are not position independent. */
    offset = (uintptr_t)address - (uintptr_t)info.dli_fbase;
    mapped = object_map(&object, info.dli_fname) || object_map(&object, "/proc/self/exe");
    if (mapped) {
        const file_header *header = piece(&object, 0, sizeof(*header));

        name = search_object(&object, header != NULL && header->e_type == ET_EXEC ? (uintptr_t)address : offset);
    }
    if (name != NULL) {
        put_name(name, text, size);
    } else {
        base = strrchr(info.dli_fname, '/');
        snprintf(text, size, "%s+0x%llx", base != NULL ? base + 1 : info.dli_fname, (unsigned long long)offset);
    }
    if (mapped) {
        munmap((void *)(uintptr_t)object.bytes, object.size);
    }
}

VOID nt_function_name(const void *address, char *text, size_t size)
{
    verify_symbol(address, text, size);
}
