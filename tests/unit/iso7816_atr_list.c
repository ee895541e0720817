/* SPDX-License-Identifier: MIT */
/*
 * The parser over the ATRs of real cards that pcsc-tools collects: each without wildcards parses, or is refused for a
 * violation. Skipped where the list is not installed.
 */
#include "iso7816_support.h"
#include "../../src/iso7816/atr.h"

#define LIST "/usr/share/pcsc/smartcard_list.txt"

/* The list of Debian 12's pcsc-tools, known by its ATRs without wildcards and their exclusive-or. */
#define DEBIAN_12_ATRS 3803
#define DEBIAN_12_XOR  0xEB

static const unsigned debian_12_counts[ISO7816_ATR_RESULTS] = {
    [ISO7816_ATR_OK] = 3697,    [ISO7816_ATR_TOO_SHORT] = 21, [ISO7816_ATR_TOO_LONG] = 20,
    [ISO7816_ATR_NO_TCK] = 21,  [ISO7816_ATR_EXTRA_TCK] = 13, [ISO7816_ATR_BAD_TCK] = 17,
    [ISO7816_ATR_BAD_FI] = 6,   [ISO7816_ATR_BAD_DI] = 3,     [ISO7816_ATR_BAD_PROTOCOL_ORDER] = 1,
    [ISO7816_ATR_BAD_IFSC] = 4,
};

/* One of each reason, judged by hand. */
static const struct {
    const char *bytes;
    enum iso7816_atr_result result;
} judged[] = {
    {"3B 04 60 89", ISO7816_ATR_TOO_SHORT},                                       /* T0: 4 historical bytes */
    {"3B 7A 96 00 00 80 65 A2 01 20 01 00 30 3D 72 D6 41", ISO7816_ATR_TOO_LONG}, /* 10 historical bytes, then 2 */
    {"3B 8C 80 01 50 27 52 31 81 00 00 00 00 00 71 81", ISO7816_ATR_NO_TCK},      /* T=1 by TD2 */
    {"3B 02 14 50 11", ISO7816_ATR_EXTRA_TCK},                                    /* T=0 alone */
    {"3B 86 80 01 06 75 77 81 02 8F 00", ISO7816_ATR_BAD_TCK},                    /* should be 0F */
    {"3B DE 86 FF 91 01 F1 FB 34 00 1F 07 44 45 53 46 69 72 65 53 41 4D 56 31 2E 30 5D", ISO7816_ATR_BAD_FI}, /* 8 */
    {"3B 34 00 00 30 42 30 30", ISO7816_ATR_BAD_DI},       /* TA1 = 00 */
    {"3B 81 1F 00 CC 52", ISO7816_ATR_BAD_PROTOCOL_ORDER}, /* TD1 says T=15 */
    {"3B EF 00 FF 81 31 FF 65 49 42 4D 20 4D 46 43 39 32 32 39 32 38 39 30 17", ISO7816_ATR_BAD_IFSC},
};

static void refusals_are_the_ones_judged_by_hand(void **state)
{
    for (size_t i = 0; i < COUNT(judged); i++) {
        uint8_t bytes[40];
        size_t size = hex(judged[i].bytes, bytes, sizeof bytes);
        struct iso7816_atr atr;

        if (iso7816_atr_parse(bytes, size, &atr, NULL) != judged[i].result)
            fail_msg("%s", judged[i].bytes);
    }
}

/* A line of hex bytes alone: an ATR without wildcards. 0: none. */
static size_t atr_of_line(const char *line, uint8_t *bytes, size_t room)
{
    size_t length = strcspn(line, "\r\n");
    char text[256];

    if (length < 5 || length >= sizeof text || strspn(line, "0123456789ABCDEFabcdef ") < length)
        return 0;
    memcpy(text, line, length);
    text[length] = 0;
    return hex(text, bytes, room);
}

static void every_atr_of_the_list_parses_or_violates_the_standard(void **state)
{
    unsigned counts[ISO7816_ATR_RESULTS] = {0}, all = 0;
    uint8_t check = 0;
    char line[4096];
    FILE *file = fopen(LIST, "r");

    if (!file) {
        print_message("%s is not there (package pcsc-tools)\n", LIST);
        skip();
    }
    while (fgets(line, sizeof line, file)) {
        uint8_t bytes[128];
        size_t size = atr_of_line(line, bytes, sizeof bytes), at = 0;
        enum iso7816_atr_result result;
        struct iso7816_atr atr;

        if (size == 0)
            continue;
        result = iso7816_atr_parse(bytes, size, &atr, &at);
        assert_true(at <= size);
        counts[result]++;
        all++;
        for (size_t i = 0; i < size; i++)
            check ^= (uint8_t)(bytes[i] + i);
    }
    fclose(file);
    print_message("%u ATRs, check %02X\n", all, check);
    for (int i = 0; i < ISO7816_ATR_RESULTS; i++) {
        if (counts[i])
            print_message("%6u  %s\n", counts[i], iso7816_atr_text((enum iso7816_atr_result)i));
    }
    assert_true(all > 1000);
    assert_true(counts[ISO7816_ATR_OK] > all / 100 * 95);
    if (all == DEBIAN_12_ATRS && check == DEBIAN_12_XOR)
        assert_memory_equal(counts, debian_12_counts, sizeof counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_the_ones_judged_by_hand),
        cmocka_unit_test(every_atr_of_the_list_parses_or_violates_the_standard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
