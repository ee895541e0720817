/* SPDX-License-Identifier: MIT */
/* For the tests of cards alone: make one from the user's words, give it APDUs in hex, look at the answer in hex. */
#ifndef TEST_CARDS_KIT_H
#define TEST_CARDS_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/cards/card.h"

static struct card_slot test_slot;
static char test_why[96];

/* "KIND OPTIONS\nBODY" as IOCTL_VREADER_INSERT takes it. */
static NTSTATUS card_try(const char *text, struct card **card)
{
    size_t line = strcspn(text, "\n");
    size_t word = strcspn(text, " \n");
    const struct card_kind *kind = card_kind_find(text, (ULONG)word);
    struct card_options options = {
        .line = text + word,
        .line_length = (ULONG)(line - word),
        .body = (const UCHAR *)text + line + (text[line] == '\n'),
        .body_length = (ULONG)strlen(text + line + (text[line] == '\n')),
    };

    assert_non_null(kind);
    test_why[0] = '\0';
    *card = NULL;
    return kind->create(&options, &test_slot, card, test_why, sizeof test_why);
}

static inline struct card *card_make(const char *text)
{
    struct card *card;
    NTSTATUS status = card_try(text, &card);

    if (status != STATUS_SUCCESS) {
        fail_msg("%s: %08X %s", text, (unsigned)status, test_why);
    }
    return card;
}

static inline void bytes_equal(const UCHAR *bytes, size_t size, const char *hex, const char *what)
{
    UCHAR *expected = malloc(strlen(hex) + 1);
    ULONG length = (ULONG)strlen(hex) + 1;

    assert_true(card_hex(hex, (ULONG)strlen(hex), expected, &length));
    if (length != size || memcmp(bytes, expected, size) != 0) {
        print_error("%s gave", what);
        for (size_t i = 0; i < size; i++) {
            print_error(" %02X", bytes[i]);
        }
        fail_msg("instead of %s", hex);
    }
    free(expected);
}

/* A command whose answer is known. */
static inline void card_says(struct card *card, const char *command, const char *answer)
{
    static UCHAR response[CARD_MAX_RESPONSE];
    UCHAR apdu[400];
    ULONG size = sizeof apdu;
    ULONG length = sizeof response;

    assert_true(card_hex(command, (ULONG)strlen(command), apdu, &size));
    /* exactly as large as it is, so that a sanitizer sees a read beyond it */
    UCHAR *exact = malloc(size);
    memcpy(exact, apdu, size);
    assert_int_equal(card->kind->command(card, 1, exact, size, response, &length), STATUS_SUCCESS);
    free(exact);
    bytes_equal(response, length, answer, command);
}

static inline void card_resets(struct card *card, const char *atr)
{
    UCHAR bytes[33];
    ULONG length = sizeof bytes;

    assert_int_equal(card->kind->reset(card, TRUE, 1, bytes, &length), STATUS_SUCCESS);
    bytes_equal(bytes, length, atr, "reset");
}

#endif
