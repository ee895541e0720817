/* SPDX-License-Identifier: MIT */
/* The search itself: eight bytes at a time, by their hash; nothing here is fast but the pages that are zero. */
#include "search.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define WINDOW  8u
#define NEED    64u /* the most that a match is compared by */
#define CHUNK   65536u
#define SHOWN   8 /* places that are told one by one */
#define TEXT    (SECRET_MAX * 4)
#define BITS    18u
#define HASH(w) ((uint32_t)((w)*0x9E3779B97F4A7C15u >> (64 - BITS)))

/* Eight bytes of a form; text has few different characters, so more behind them must match for it to be no accident. */
struct window {
    const char *form;
    uint8_t bytes[NEED];
    size_t need;
    size_t next; /* of the same hash, one more than its index; 0: none */
};

struct tables {
    struct window *windows;
    size_t count, room;
    size_t first[1u << BITS]; /* by HASH of the window, as `next` */
};

static void make(struct secret *secret, size_t size, bool digits)
{
    if (size < WINDOW || size > SECRET_MAX || getrandom(secret->one, SECRET_MAX, 0) != SECRET_MAX ||
        getrandom(secret->other, SECRET_MAX, 0) != SECRET_MAX)
        abort();
    secret->size = size;
    for (size_t i = 0; digits && i < size; i++)
        secret->one[i] = (uint8_t)(('0' + secret->one[i] % 10) ^ secret->other[i]);
}

void secret_make(struct secret *secret, size_t size)
{
    make(secret, size, false);
}

void secret_make_digits(struct secret *secret, size_t size)
{
    make(secret, size, true);
}

void secret_write(const struct secret *secret, uint8_t *to)
{
    for (size_t i = 0; i < secret->size; i++)
        to[i] = secret->one[i] ^ secret->other[i];
}

static uint64_t window_at(const uint8_t *bytes)
{
    uint64_t window;

    memcpy(&window, bytes, sizeof window);
    return window;
}

static void add(struct tables *tables, const char *form, const uint8_t *bytes, size_t size, size_t need)
{
    for (size_t i = 0; i + need <= size; i++) {
        size_t *first = &tables->first[HASH(window_at(bytes + i))];
        struct window *window;

        if (tables->count == tables->room) {
            tables->room = tables->room ? tables->room * 2 : 256;
            tables->windows = realloc(tables->windows, tables->room * sizeof *tables->windows);
            if (!tables->windows)
                abort();
        }
        window = &tables->windows[tables->count++];
        *window = (struct window){.form = form, .need = need};
        memcpy(window->bytes, bytes + i, need);
        window->next = *first;
        *first = tables->count;
    }
}

static uint8_t inverse(uint8_t byte)
{
    uint8_t turned = 0;

    for (int i = 0; i < 8; i++)
        turned = (uint8_t)(turned << 1 | (byte >> i & 1));
    return (uint8_t)~turned;
}

/* Characters of four bytes. */
static void add_wide(struct tables *tables, const char *form, const uint8_t *bytes, size_t size)
{
    uint8_t text[TEXT] = {0};

    if (size > TEXT / 4)
        size = TEXT / 4;
    for (size_t i = 0; i < size; i++)
        text[i * 4] = bytes[i];
    add(tables, form, text, size * 4, size * 4 < NEED ? size * 4 : NEED);
}

static void add_hex(struct tables *tables, const uint8_t *bytes, size_t size)
{
    static const struct {
        const char *form, *digits, *format;
    } rows[] = {
        {"hex in capitals", "0123456789ABCDEF", ""},
        {"hex in small letters", "0123456789abcdef", ""},
        {"hex in capitals, with blanks", "0123456789ABCDEF", " "},
        {"hex in small letters, with blanks", "0123456789abcdef", " "},
        {"hex in capitals, with colons", "0123456789ABCDEF", ":"},
    };

    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        uint8_t text[TEXT];
        size_t at = 0;

        for (size_t i = 0; i < size; i++) {
            text[at++] = (uint8_t)rows[row].digits[bytes[i] >> 4];
            text[at++] = (uint8_t)rows[row].digits[bytes[i] & 15];
            if (rows[row].format[0])
                text[at++] = (uint8_t)rows[row].format[0];
        }
        add(tables, rows[row].form, text, at, 2 * WINDOW);
        if (row == 0) /* as the command's shell has it in its editor */
            add_wide(tables, "hex in wide characters", text, at);
    }
}

static struct tables *tables_make(const struct secret *secret)
{
    struct tables *tables = calloc(1, sizeof *tables);
    uint8_t plain[SECRET_MAX], turned[SECRET_MAX];

    if (!tables)
        abort();
    secret_write(secret, plain);
    for (size_t i = 0; i < secret->size; i++)
        turned[i] = inverse(plain[i]);
    add(tables, "as it is", plain, secret->size, WINDOW);
    add(tables, "in the inverse convention", turned, secret->size, WINDOW);
    add_hex(tables, plain, secret->size);
    add_wide(tables, "in wide characters", plain, secret->size);
    return tables;
}

static const struct window *look_up(const struct tables *tables, const uint8_t *at, size_t left)
{
    size_t i = tables->first[HASH(window_at(at))];

    while (i != 0) {
        const struct window *window = &tables->windows[i - 1];

        if (window->need <= left && memcmp(window->bytes, at, window->need) == 0)
            return window;
        i = window->next;
    }
    return NULL;
}

static void say(const struct window *window, uint64_t address, const char *mapping, const uint8_t *from, size_t before)
{
    printf("    %s at %llx, behind", window->form, (unsigned long long)address);
    for (size_t i = before > 16 ? before - 16 : 0; i < before; i++)
        printf(" %02x", from[i]);
    printf(", in %s", mapping);
}

/* Places in one mapping; windows that follow each other are one place. */
static int search_mapping(int memory, const struct tables *tables, uint64_t begin, uint64_t end, const char *mapping,
                          int told)
{
    static uint8_t chunk[CHUNK + NEED];
    static const uint8_t zero[4096];
    uint64_t last = 0;
    int found = 0;

    for (uint64_t at = begin; at < end; at += CHUNK) {
        size_t want = end - at < sizeof chunk ? (size_t)(end - at) : sizeof chunk;
        ssize_t got = pread(memory, chunk, want, (off_t)at);

        if (got < (ssize_t)WINDOW)
            continue; /* a mapping of a device, or one that has just gone */
        for (size_t i = 0; i < CHUNK && i + WINDOW <= (size_t)got; i++) {
            if (i % 4096 == 0) {
                while (i + sizeof zero <= CHUNK && i + sizeof zero + NEED <= (size_t)got &&
                       memcmp(chunk + i, zero, sizeof zero) == 0 && memcmp(chunk + i + sizeof zero, zero, NEED) == 0)
                    i += sizeof zero;
                if (i >= CHUNK)
                    break;
            }
            const struct window *window = look_up(tables, chunk + i, (size_t)got - i);
            if (!window)
                continue;
            if (last == 0 || at + i > last + WINDOW) {
                if (told >= 0 && told + found < SHOWN)
                    say(window, at + i, mapping, chunk, i);
                found++;
            }
            last = at + i;
        }
    }
    return found;
}

int search_process(pid_t process, const struct secret *secret, bool verbose)
{
    struct tables *tables = tables_make(secret);
    char path[64], line[512];
    FILE *maps = NULL;
    int memory = -1, found = -1;

    snprintf(path, sizeof path, "/proc/%d/maps", (int)process);
    maps = fopen(path, "re");
    snprintf(path, sizeof path, "/proc/%d/mem", (int)process);
    memory = open(path, O_RDONLY | O_CLOEXEC);
    if (!maps || memory < 0) {
        perror(path);
        goto out;
    }
    found = 0;
    while (fgets(line, sizeof line, maps)) {
        unsigned long long begin, end;
        char rights[8];

        if (sscanf(line, "%llx-%llx %7s", &begin, &end, rights) == 3 && rights[0] == 'r' && rights[1] == 'w')
            found += search_mapping(memory, tables, begin, end, line, verbose ? found : -1);
    }
out:
    if (maps)
        fclose(maps);
    if (memory >= 0)
        close(memory);
    free(tables->windows);
    free(tables);
    return found;
}

int search_file(int file, const struct secret *secret)
{
    struct tables *tables = tables_make(secret);
    int found = search_mapping(file, tables, 0, (uint64_t)lseek(file, 0, SEEK_END), "a file\n", 0);

    free(tables->windows);
    free(tables);
    return found;
}
