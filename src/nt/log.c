/* SPDX-License-Identifier: MIT */
/*
 * What drivers have to say: debug prints with the kernel's format letters, and error log entries. Both go to standard
 * error.
 */
#include "internal.h"
#include "verify/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 512

/* ---- DbgPrint ---------------------------------------------------------------------------------------------------- */

struct line {
    size_t length;
    char text[LINE_MAX_BYTES];
};

static void put(struct line *line, char c)
{
    if (line->length < sizeof(line->text)) {
        line->text[line->length++] = c;
    }
}

static void put_bytes(struct line *line, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        put(line, text[i]);
    }
}

static void put_wide(struct line *line, const WCHAR *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        put(line, (char)(text[i] > 0 && text[i] < 0x7F ? text[i] : L'?'));
    }
}

/* One conversion: what stands between the % and its letter. */
struct conversion {
    char flags[8]; /* as given, for printf */
    int width;     /* -1: none */
    int precision; /* -1: none */
    int size;      /* of an integer, in bytes */
    bool wide;     /* w or l before a string */
    bool narrow;   /* h before a string */
};

static const char *parse_number(const char *format, int *number, va_list *arguments)
{
    if (*format == '*') {
        *number = va_arg(*arguments, int);
        return format + 1;
    }
    for (*number = 0; *format >= '0' && *format <= '9' && *number < LINE_MAX_BYTES; format++) {
        *number = *number * 10 + (*format - '0');
    }
    return format;
}

static const char *parse(const char *format, struct conversion *c, va_list *arguments)
{
    size_t flags = 0;

    *c = (struct conversion){.width = -1, .precision = -1, .size = 4};
    for (; *format != '\0' && strchr("-+ #0", *format) != NULL; format++) {
        if (flags + 1 < sizeof(c->flags)) {
            c->flags[flags++] = *format;
        }
    }
    if (*format == '*' || (*format >= '1' && *format <= '9')) {
        format = parse_number(format, &c->width, arguments);
    }
    if (*format == '.') {
        format = parse_number(format + 1, &c->precision, arguments);
    }
    if (strncmp(format, "I64", 3) == 0 || strncmp(format, "I32", 3) == 0) {
        c->size = format[1] == '6' ? 8 : 4;
        return format + 3;
    }
    for (; *format != '\0' && strchr("hlwLzjtI", *format) != NULL; format++) {
        c->wide = c->wide || *format == 'w' || *format == 'l';
        c->narrow = *format == 'h';
        if (format[0] == 'l' && format[1] == 'l') {
            c->size = 8;
        } else if (strchr("zjtI", *format) != NULL) {
            c->size = (int)sizeof(void *);
        }
    }
    return format;
}

static void put_integer(struct line *line, const struct conversion *c, char letter, va_list *arguments)
{
    char format[sizeof(c->flags) + 8], text[128];
    bool is_signed = letter == 'd' || letter == 'i';
    long long value;

    if (c->size == 8) {
        value = va_arg(*arguments, long long);
    } else {
        int32_t word = va_arg(*arguments, int32_t);

        value = is_signed ? (long long)word : (long long)(uint32_t)word;
    }
    snprintf(format, sizeof(format), "%%%s*.*ll%c", c->flags, letter);
    snprintf(text, sizeof(text), format, c->width < 0 ? 0 : c->width, c->precision, value);
    put_bytes(line, text, strlen(text));
}

static void put_string(struct line *line, const struct conversion *c, const char *text, size_t length)
{
    size_t width = c->width > 0 ? (size_t)c->width : 0;
    bool left = strchr(c->flags, '-') != NULL;

    length = c->precision >= 0 && (size_t)c->precision < length ? (size_t)c->precision : length;
    for (size_t i = length; !left && i < width && i < LINE_MAX_BYTES; i++) {
        put(line, ' ');
    }
    put_bytes(line, text, length);
    for (size_t i = length; left && i < width && i < LINE_MAX_BYTES; i++) {
        put(line, ' ');
    }
}

static void put_text(struct line *line, const struct conversion *c, char letter, va_list *arguments)
{
    if (letter == 'Z' && c->wide) {
        PCUNICODE_STRING string = va_arg(*arguments, PCUNICODE_STRING);

        put_wide(line, string->Buffer, string->Length / sizeof(WCHAR));
    } else if (letter == 'Z') {
        PCANSI_STRING string = va_arg(*arguments, PCANSI_STRING);

        put_string(line, c, string->Buffer, string->Length);
    } else if ((letter == 'S') != c->wide && !c->narrow) {
        const WCHAR *string = va_arg(*arguments, const WCHAR *);
        size_t length = 0;

        while (string != NULL && string[length] != UNICODE_NULL && length < LINE_MAX_BYTES) {
            length++;
        }
        put_wide(line, string, length);
    } else {
        const char *string = va_arg(*arguments, const char *);

        string = string != NULL ? string : "(null)";
        put_string(line, c, string, c->precision >= 0 ? strnlen(string, (size_t)c->precision) : strlen(string));
    }
}

static void format_line(struct line *line, const char *format, va_list *arguments)
{
    struct conversion c;
    char text[32];

    while (*format != '\0') {
        if (*format != '%') {
            put(line, *format++);
            continue;
        }
        format = parse(format + 1, &c, arguments);
        switch (*format) {
        case '\0':
            return;
        case 'd':
        case 'i':
        case 'u':
        case 'x':
        case 'X':
        case 'o':
            put_integer(line, &c, *format, arguments);
            break;
        case 'p':
            snprintf(text, sizeof(text), "%p", va_arg(*arguments, void *));
            put_bytes(line, text, strlen(text));
            break;
        case 'c':
        case 'C':
            put(line, (char)va_arg(*arguments, int));
            break;
        case 's':
        case 'S':
        case 'Z':
            put_text(line, &c, *format, arguments);
            break;
        default:
            put(line, *format);
            break;
        }
        format++;
    }
}

static void print(const char *format, va_list *arguments)
{
    struct line line = {0};

    format_line(&line, format, arguments);
    fwrite(line.text, 1, line.length, stderr);
}

ULONG DbgPrint(PCSTR Format, ...)
{
    va_list arguments;

    va_start(arguments, Format);
    print(Format, &arguments);
    va_end(arguments);
    return (ULONG)STATUS_SUCCESS;
}

ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, PCSTR Format, ...)
{
    va_list arguments;

    if (Level == DPFLTR_ERROR_LEVEL) { /* as a kernel without further settings does */
        va_start(arguments, Format);
        print(Format, &arguments);
        va_end(arguments);
    }
    return (ULONG)STATUS_SUCCESS;
}

/* ---- the error log ----------------------------------------------------------------------------------------------- */

struct entry {
    PDRIVER_OBJECT driver;
    size_t size;
    IO_ERROR_LOG_PACKET packet;
};

PVOID IoAllocateErrorLogEntry(PVOID IoObject, UCHAR EntrySize)
{
    const DEVICE_OBJECT *device = IoObject;
    struct entry *entry;

    VERIFY_CALLED();
    if (IoObject == NULL || EntrySize < offsetof(IO_ERROR_LOG_PACKET, DumpData) || EntrySize > ERROR_LOG_MAXIMUM_SIZE) {
        return NULL;
    }
    entry = calloc(1, sizeof(*entry) + EntrySize);
    if (entry == NULL) {
        return NULL;
    }
    entry->driver = device->Type == IO_TYPE_DEVICE ? device->DriverObject : IoObject;
    entry->size = EntrySize;
    return &entry->packet;
}

/* The entry's strings begin at StringOffset; show the first, as far as it lies within the entry. */
static void put_insertion(struct line *line, const struct entry *entry)
{
    const WCHAR *text = (const WCHAR *)(const void *)((const char *)&entry->packet + entry->packet.StringOffset);
    size_t length = 0;

    if (entry->packet.NumberOfStrings == 0 || entry->packet.StringOffset >= entry->size ||
        entry->packet.StringOffset % sizeof(ULONG) != 0) {
        return;
    }
    while ((length + 1) * sizeof(WCHAR) <= entry->size - entry->packet.StringOffset && text[length] != UNICODE_NULL) {
        length++;
    }
    put_bytes(line, ": ", 2);
    put_wide(line, text, length);
}

VOID IoWriteErrorLogEntry(PVOID ElEntry)
{
    struct entry *entry = CONTAINING_RECORD(ElEntry, struct entry, packet);
    struct line line = {0};

    VERIFY_CALLED();
    put_insertion(&line, entry);
    fprintf(stderr, "smartcrd: driver %s logs error 0x%08X, final status 0x%08X%.*s\n", entry->driver->Reserved->name,
            (unsigned)entry->packet.ErrorCode, (unsigned)entry->packet.FinalStatus, (int)line.length, line.text);
    free(entry);
}

VOID IoFreeErrorLogEntry(PVOID ElEntry)
{
    VERIFY_CALLED();
    free(CONTAINING_RECORD(ElEntry, struct entry, packet));
}
