/* SPDX-License-Identifier: MIT */
/*
 * Historical bytes: the category indicator, COMPACT-TLV objects, the status indicator (ISO/IEC 7816-4:2013, 12.1.1),
 * and the names that PC/SC part 3 gives to storage cards. Clause numbers here are those of that edition; the 2005 one
 * has the same tables in 8.1.1.
 */
#include "historical.h"
#include "sw.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct text {
    char words[512];
    size_t size;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
    va_list list;
    int length;
    va_start(list, format);
    length = vsnprintf(text->words + text->size, sizeof text->words - text->size, format, list);
    va_end(list);
    if (length > 0)
        text->size += (size_t)length;
    if (text->size >= sizeof text->words)
        text->size = sizeof text->words - 1;
}

static void add_bytes(struct text *text, const uint8_t *bytes, size_t size)
{
    bool printable = size > 0;
    for (size_t i = 0; i < size; i++) {
        add(text, "%s%02X", i ? " " : "", bytes[i]);
        printable = printable && bytes[i] >= 0x20 && bytes[i] < 0x7F;
    }
    if (printable)
        add(text, " \"%.*s\"", (int)size, (const char *)bytes);
}

struct bit {
    uint8_t mask;
    const char *text;
};

static void add_bits(struct text *text, uint8_t value, const struct bit *bits, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (value & bits[i].mask)
            add(text, "%s%s", text->size ? ", " : "", bits[i].text);
}

/* Table 117 (2005: table 85). */
static void card_service(struct text *text, const uint8_t *bytes, size_t size)
{
    static const struct bit bits[] = {
        {0x80, "selection by full DF name"},
        {0x40, "selection by partial DF name"},
        {0x20, "data objects in EF.DIR"},
        {0x10, "data objects in EF.ATR"},
    };
    static const char *const access[8] = {
        "read with READ RECORD", NULL, "read with GET DATA", NULL, "read with READ BINARY", NULL, NULL, NULL,
    };
    if (size != 1) {
        add_bytes(text, bytes, size);
        return;
    }
    add_bits(text, bytes[0], bits, 4);
    if (bytes[0] & 0x30 && access[bytes[0] >> 1 & 7])
        add(text, " (%s)", access[bytes[0] >> 1 & 7]);
    add(text, "%s%s", text->size ? ", " : "", bytes[0] & 1 ? "no MF" : "an MF");
}

/* Tables 118 to 120 (2005: tables 86 to 88). */
static void capabilities(struct text *text, const uint8_t *bytes, size_t size)
{
    static const struct bit selection[] = {
        {0x80, "DF by full name"},       {0x40, "DF by partial name"}, {0x20, "DF by path"},
        {0x10, "DF by file identifier"}, {0x08, "implicit DF"},        {0x04, "short EF identifiers"},
        {0x02, "record numbers"},        {0x01, "record identifiers"},
    };
    static const char *const writing[] = {"one-time write", "proprietary write", "write OR", "write AND"};
    static const char *const channels[] = {"", "numbered by the reader", "numbered by the card", "numbered by either"};
    if (size < 1 || size > 3) {
        add_bytes(text, bytes, size);
        return;
    }
    add_bits(text, bytes[0], selection, 8);
    if (size > 1) {
        unsigned quartets = 1u << (bytes[1] & 15);
        add(text, "; %s", writing[bytes[1] >> 5 & 3]);
        if (bytes[1] & 0x80)
            add(text, ", EFs of TLV structure");
        if (quartets == 1)
            add(text, ", data unit of half a byte");
        else
            add(text, ", data unit of %u byte%s", quartets / 2, quartets > 2 ? "s" : "");
    }
    if (size > 2) {
        unsigned most = (bytes[2] & 7u) + 1;
        if (bytes[2] & 0x80)
            add(text, "; command chaining");
        if (bytes[2] & 0x40)
            add(text, "; extended Lc and Le");
        if (bytes[2] & 0x20)
            add(text, "; extended length information in EF.ATR");
        if (bytes[2] & 0x18)
            add(text, "; %u%s logical channels, %s", most, most == 8 ? " or more" : "", channels[bytes[2] >> 3 & 3]);
    }
}

/* Table 13: life cycle status. */
static const char *life_cycle(uint8_t value)
{
    if (value == 0)
        return "no information on the life cycle";
    if (value == 1)
        return "creation state";
    if (value == 3)
        return "initialisation state";
    if (value >= 4 && value <= 7)
        return value & 1 ? "operational, activated" : "operational, deactivated";
    if (value >= 0x0C && value <= 0x0F)
        return "termination state";
    return value > 0x0F ? "a proprietary life cycle state" : "a reserved life cycle state";
}

/* 12.1.1.11: one byte is the life cycle, two are SW1 SW2, three are both; an SW of 0000 says nothing. */
static void status_indicator(struct text *text, const uint8_t *bytes, size_t size)
{
    char words[96];
    if (size != 1 && size != 2 && size != 3) {
        add_bytes(text, bytes, size);
        return;
    }
    if (size != 2)
        add(text, "%s", life_cycle(bytes[0]));
    if (size == 1)
        return;
    bytes += size - 2;
    add(text, "%sSW %02X%02X", text->size ? ", " : "", bytes[0], bytes[1]);
    if (bytes[0] || bytes[1])
        add(text, " (%s)", sw_text(bytes[0], bytes[1], words, sizeof words));
}

/* PC/SC part 3, 3.1.3.2.3: 80 4F 0C, A0 00 00 03 06, standard, name (2 bytes), four bytes RFU. */
static bool storage_card(const uint8_t *bytes, size_t size, struct text *text)
{
    static const uint8_t rid[] = {0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06};
    static const struct {
        uint16_t code;
        const char *name;
    } names[] = {
        {0x0001, "MIFARE Classic 1K"},  {0x0002, "MIFARE Classic 4K"},  {0x0003, "MIFARE Ultralight"},
        {0x0014, "ICODE SLI"},          {0x0026, "MIFARE Mini"},        {0x003A, "MIFARE Ultralight C"},
        {0x0036, "MIFARE Plus SL1 2K"}, {0x0037, "MIFARE Plus SL1 4K"}, {0xF004, "Topaz or Jewel"},
        {0xF011, "FeliCa 212K"},        {0xF012, "FeliCa 424K"},
    };
    static const char *const standards[] = {
        "no standard said",
        "ISO 14443 A part 1",
        "ISO 14443 A part 2",
        "ISO 14443 A part 3",
        NULL,
        "ISO 14443 B part 1",
        "ISO 14443 B part 2",
        "ISO 14443 B part 3",
        NULL,
        "ISO 15693 part 1",
        "ISO 15693 part 2",
        "ISO 15693 part 3",
        "ISO 15693 part 4",
    };
    unsigned code;
    const char *name = "a card without a name here";
    if (size < 11 || memcmp(bytes, rid, sizeof rid))
        return false;
    code = (unsigned)bytes[9] << 8 | bytes[10];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            name = names[i].name;
    add(text, "%s (%04X)", name, code);
    if (bytes[8] < sizeof standards / sizeof *standards && standards[bytes[8]])
        add(text, ", %s", standards[bytes[8]]);
    return true;
}

/* Table 116: the tags of COMPACT-TLV objects. */
static const struct {
    const char *name;
    void (*decode)(struct text *text, const uint8_t *bytes, size_t size);
} objects[16] = {
    [0x1] = {"country code", add_bytes},           [0x2] = {"issuer identification number", add_bytes},
    [0x3] = {"card service data", card_service},   [0x4] = {"initial access data", add_bytes},
    [0x5] = {"card issuer's data", add_bytes},     [0x6] = {"pre-issuing data", add_bytes},
    [0x7] = {"card capabilities", capabilities},   [0x8] = {"status", status_indicator},
    [0xF] = {"application identifier", add_bytes},
};

static void compact_tlv(const uint8_t *bytes, size_t size, historical_say *say, void *context)
{
    for (size_t at = 0; at < size;) {
        struct text text = {.size = 0};
        uint8_t tag = bytes[at] >> 4;
        size_t length = bytes[at] & 15;
        char name[32];
        if (length > size - at - 1) {
            add_bytes(&text, bytes + at, size - at);
            say(context, "not COMPACT-TLV", text.words);
            return;
        }
        snprintf(name, sizeof name, "object %X", tag);
        if (objects[tag].decode)
            objects[tag].decode(&text, bytes + at + 1, length);
        else
            add_bytes(&text, bytes + at + 1, length);
        say(context, objects[tag].name ? objects[tag].name : name, text.words);
        at += 1 + length;
    }
}

void historical_decode(const uint8_t *bytes, size_t size, historical_say *say, void *context)
{
    struct text text = {.size = 0};
    if (size == 0)
        return;
    if (storage_card(bytes, size, &text)) {
        say(context, "PC/SC storage card", text.words);
        return;
    }
    switch (bytes[0]) {
    case 0x00: /* COMPACT-TLV objects, then three bytes of status */
        if (size < 4) {
            add_bytes(&text, bytes + 1, size - 1);
            say(context, "shorter than its status", text.words);
            return;
        }
        compact_tlv(bytes + 1, size - 4, say, context);
        status_indicator(&text, bytes + size - 3, 3);
        say(context, "status", text.words);
        return;
    case 0x10:
        add_bytes(&text, bytes + 1, size - 1);
        say(context, "DIR data reference", text.words);
        return;
    case 0x80:
        compact_tlv(bytes + 1, size - 1, say, context);
        return;
    default:
        add_bytes(&text, bytes, size);
        say(context, bytes[0] > 0x80 && bytes[0] < 0x90 ? "reserved format" : "proprietary format", text.words);
        return;
    }
}
