/* SPDX-License-Identifier: MIT */
/* T=1, what the card may ask for, what a driver can do wrong, and what the journal hears of it: smclib.md 5.5. */
#include "smclib_t1_support.h"

#include "src/nt/nt.h"

/* ---- S-blocks of the card ---------------------------------------------------------------------------------------- */

static void wtx_is_granted_and_ends_with_the_next_reply(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(AGAIN, 0x00, 0xC3, 0x01, 0x05, 0xC7);
    assert_int_equal(LINK->Wtx, 5);
    SENDS(0x00, 0xE3, 0x01, 0x05, 0xE7);
    assert_int_equal(LINK->Wtx, 5); /* while the next block is awaited */
    assert_int_equal(LINK->State, T1_I_BLOCK);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
    assert_int_equal(LINK->Wtx, 0);
}

static void wtx_while_ifs_is_awaited_returns_there(void **unused)
{
    (void)unused;
    LINK->State = T1_INIT;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0xC1, 0x01, 0xFE, 0x3E);
    GETS(AGAIN, 0x00, 0xC3, 0x01, 0x02, 0xC0);
    SENDS(0x00, 0xE3, 0x01, 0x02, 0xE0);
    GETS(AGAIN, 0x00, 0xE1, 0x01, 0xFE, 0x1E);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
}

static void endless_wtx_ends(void **unused)
{
    NTSTATUS status = AGAIN;
    ULONG blocks = 0;

    (void)unused;
    apdu(select_mf, 4, 32);
    while (status == AGAIN && blocks < 2000000) {
        reader->ext.SmartcardRequest.BufferLength = 0;
        if (SmartcardT1Request(&reader->ext) != STATUS_SUCCESS) {
            break;
        }
        status = reply_with("\x00\xC3\x01\x01\xC3", 5);
        blocks++;
    }
    assert_int_equal(status, STATUS_DEVICE_PROTOCOL_ERROR);
    assert_int_equal(blocks, 1048577);
}

static void the_cards_ifs_holds_for_this_apdu(void **unused)
{
    (void)unused;
    CARD->T1.IFSC = 4;
    apdu("\x01\x02\x03\x04\x05\x06", 6, 32);
    SENDS(0x00, 0x20, 0x04, 0x01, 0x02, 0x03, 0x04, 0x20);
    GETS(AGAIN, 0x00, 0xC1, 0x01, 0x01, 0xC1);
    SENDS(0x00, 0xE1, 0x01, 0x01, 0xE1);
    assert_int_equal(LINK->State, T1_I_BLOCK);
    GETS(AGAIN, 0x00, 0x90, 0x00, 0x90);
    SENDS(0x00, 0x60, 0x01, 0x05, 0x64);
    GETS(AGAIN, 0x00, 0x80, 0x00, 0x80);
    SENDS(0x00, 0x00, 0x01, 0x06, 0x07);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
    apdu("\x01\x02\x03\x04", 4, 32);
    SENDS(0x00, 0x40, 0x04, 0x01, 0x02, 0x03, 0x04, 0x40); /* the ATR's IFSC again */
}

static void an_ifsc_of_0_or_255_is_an_error(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(AGAIN, 0x00, 0xC1, 0x01, 0x00, 0xC0);
    SENDS(0x00, 0x82, 0x00, 0x82);
    GETS(AGAIN, 0x00, 0xC1, 0x01, 0xFF, 0x3F);
    SENDS(0x00, 0x82, 0x00, 0x82);
}

static void after_an_abort_the_next_i_block_ends_the_exchange(void **unused)
{
    (void)unused;
    CARD->T1.IFSC = 2;
    apdu("\x01\x02\x03", 3, 32);
    SENDS(0x00, 0x20, 0x02, 0x01, 0x02, 0x21);
    GETS(AGAIN, 0x00, 0xC2, 0x00, 0xC2);
    SENDS(0x00, 0xE2, 0x00, 0xE2);
    assert_int_equal(LINK->State, T1_START);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x64, 0x00, 0x66);
    expect_answer("\x64\x00", 2);
    apdu(select_mf, 4, 32); /* the answer has acknowledged the chain's first block */
    SENDS(0x00, 0x60, 0x02, 0x00, 0xA4, 0xC6);
}

static void a_wtx_after_an_abort_does_not_hide_that_our_block_has_arrived(void **unused)
{
    (void)unused;
    CARD->T1.IFSC = 2;
    apdu("\x01\x02\x03", 3, 32);
    SENDS(0x00, 0x20, 0x02, 0x01, 0x02, 0x21);
    GETS(AGAIN, 0x00, 0xC2, 0x00, 0xC2);
    SENDS(0x00, 0xE2, 0x00, 0xE2);
    GETS(AGAIN, 0x00, 0xC3, 0x01, 0x02, 0xC0);
    SENDS(0x00, 0xE3, 0x01, 0x02, 0xE0);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x64, 0x00, 0x66);
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x60, 0x02, 0x00, 0xA4, 0xC6);
}

static void a_vpp_error_is_a_power_failure(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(STATUS_DEVICE_POWER_FAILURE, 0x00, 0xE4, 0x00, 0xE4);
}

static void unexpected_s_responses_are_protocol_errors(void **unused)
{
    static const UCHAR pcbs[] = {0xE0, 0xE1, 0xE2, 0xE3};

    (void)unused;
    for (size_t i = 0; i < sizeof(pcbs); i++) {
        SmartcardInitializeCardCapabilities(&reader->ext);
        LINK->State = T1_START;
        apdu(select_mf, 4, 32);
        SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
        GETS(STATUS_DEVICE_PROTOCOL_ERROR, 0x00, pcbs[i], 0x00, pcbs[i]);
    }
}

static void the_len_of_s_blocks_is_not_looked_at(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(AGAIN, 0x00, 0xC3, 0x00, 0x05, 0xC6);
    SENDS(0x00, 0xE3, 0x01, 0x05, 0xE7);
    GETS(AGAIN, 0x00, 0xC3, 0x00, 0xC3); /* no INF at all: the byte behind LEN, whatever it is */
    SENDS(0x00, 0xE3, 0x01, 0xC3, 0x21);
}

/* ---- what a driver can do wrong ---------------------------------------------------------------------------------- */

static void a_header_that_lies_is_an_invalid_parameter(void **unused)
{
    static const ULONG lengths[] = {0, 7, 13, 0xFFFFFFFF};

    (void)unused;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        apdu(select_mf, 4, 32);
        memcpy(io + 4, &lengths[i], 4);
        reader->ext.SmartcardRequest.BufferLength = 0;
        assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_INVALID_PARAMETER);
    }
    apdu(select_mf, 4, 32);
    reader->ext.IoRequest.RequestBufferLength = 7;
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_INVALID_PARAMETER);
}

static void a_longer_header_is_skipped(void **unused)
{
    (void)unused;
    apdu("\xEE\xEE\x00\xA4\x00\x00", 6, 32);
    io[4] = 10;
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
}

static void no_room_for_a_block_is_an_overflow(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    reader->ext.SmartcardRequest.BufferLength = MIN_BUFFER_SIZE - 4;
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_BUFFER_OVERFLOW);
    reader->ext.SmartcardRequest.BufferLength = 0xFFFFFFFF;
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_BUFFER_OVERFLOW);
}

static void a_block_is_never_larger_than_the_drivers_buffer(void **unused)
{
    UCHAR long_command[300] = {0};

    (void)unused;
    CARD->T1.IFSC = 255; /* reserved, but an ATR can say it */
    apdu(long_command, sizeof(long_command), 32);
    reader->ext.SmartcardRequest.BufferLength = 0;
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_SUCCESS);
    assert_int_equal(reader->ext.SmartcardRequest.Buffer[2], 254);
    SmartcardInitializeCardCapabilities(&reader->ext);
    LINK->State = T1_START;
    CARD->T1.IFSC = 254;
    reader->ext.SmartcardRequest.BufferLength = 200;
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_SUCCESS);
    assert_int_equal(reader->ext.SmartcardRequest.BufferLength, MIN_BUFFER_SIZE);
    assert_int_equal(reader->ext.SmartcardRequest.Buffer[202], 84);
}

static void a_reply_without_a_request_is_an_internal_error(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    GETS(STATUS_INTERNAL_ERROR, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
}

static NTSTATUS half_a_transmit(PSMARTCARD_EXTENSION ext)
{
    ext->SmartcardRequest.BufferLength = 0;
    return SmartcardT1Request(ext);
}

static void an_exchange_left_in_the_middle_is_followed_by_resynch(void **unused)
{
    struct result result;

    (void)unused;
    reader->ext.ReaderFunction[RDF_TRANSMIT] = half_a_transmit;
    send_to(reader, &result, IOCTL_SMARTCARD_TRANSMIT, "\x02\0\0\0\x08\0\0\0\x00\xA4\x00\x00", 12, 20);
    assert_int_equal(result.returned, STATUS_SUCCESS);
    assert_memory_equal(reader->ext.SmartcardRequest.Buffer, "\x00\x00\x04\x00\xA4\x00\x00\xA0", 8);
    send_to(reader, &result, IOCTL_SMARTCARD_TRANSMIT, "\x02\0\0\0\x08\0\0\0\x00\xA4\x00\x00", 12, 20);
    assert_memory_equal(reader->ext.SmartcardRequest.Buffer, "\x00\xC0\x00\xC0", 4);
}

/* Whatever comes, the loop ends, and no byte beyond a buffer is touched (AddressSanitizer watches). */
static void any_reply_is_survived(void **unused)
{
    uint32_t seed = 1;

    (void)unused;
    for (unsigned round = 0; round < 3000; round++) {
        UCHAR block[64];
        NTSTATUS status = AGAIN;

        SmartcardInitializeCardCapabilities(&reader->ext);
        apdu(select_mf, 4, round % 24);
        for (unsigned i = 0; i < 200 && status == AGAIN; i++) {
            static const UCHAR pcbs[] = {0x00, 0x20, 0x40, 0x60, 0x80, 0x90, 0x82, 0xC0,
                                         0xC1, 0xC2, 0xC3, 0xE0, 0xE1, 0xE2, 0xE3, 0xC5};
            ULONG size;

            seed = seed * 1664525u + 1013904223u;
            size = (seed >> 8) % 12;
            memset(block, 0, sizeof(block));
            block[1] = pcbs[(seed >> 16) % 16];
            block[2] = (seed >> 20) % 16 == 0 ? 0xFF : (UCHAR)size;
            for (ULONG k = 0; k < 3 + size; k++) {
                block[3 + size] ^= block[k];
            }
            reader->ext.SmartcardRequest.BufferLength = 0;
            assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_SUCCESS);
            status = reply_with(block, (seed >> 24) % 8 == 0 ? (seed >> 27) : 4 + size);
        }
    }
}

/* ---- the journal ------------------------------------------------------------------------------------------------- */

static char words[100];
static enum host_layer layer;
static ULONG retransmissions, waiting_time_extensions;

static BOOLEAN records(void *context, volatile ULONG *cell)
{
    (void)context;
    (void)cell;
    return FALSE;
}

static void step(void *context, enum host_layer at, const char *said)
{
    (void)context;
    layer = at;
    strncpy(words, said, sizeof(words) - 1);
}

static void count(void *context, ULONG repeated, ULONG extensions)
{
    (void)context;
    retransmissions += repeated;
    waiting_time_extensions += extensions;
}

static void the_journal_hears_of_errors_retries_and_wtx(void **unused)
{
    static const struct nt_observer observer = {records, step, count};

    (void)unused;
    retransmissions = 0;
    waiting_time_extensions = 0;
    nt_observe(&irp, &observer, NULL);
    reader->ext.OsData->CurrentIrp = &irp;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(AGAIN, 0x00, 0xC3, 0x01, 0x05, 0xC7);
    SENDS(0x00, 0xE3, 0x01, 0x05, 0xE7);
    GETS(AGAIN, 0x00, 0x00, 0x02, 0x90, 0x00, 0x00);
    assert_string_equal(words, "T=1: EDC error in block 2, first retry");
    assert_int_equal(layer, HOST_LAYER_PROTOCOL);
    SENDS(0x00, 0x81, 0x00, 0x81);
    GETS_NOTHING(AGAIN);
    assert_string_equal(words, "T=1: nothing came for block 3, second retry");
    SENDS(0x00, 0x82, 0x00, 0x82);
    GETS_NOTHING(AGAIN);
    assert_string_equal(words, "T=1: nothing came for block 4, third time: RESYNCH");
    SENDS(0x00, 0xC0, 0x00, 0xC0);
    GETS(STATUS_DEVICE_PROTOCOL_ERROR, 0x00, 0x80, 0x00, 0x80);
    assert_string_equal(words, "T=1: the card answered RESYNCH with something else in block 5");
    assert_int_equal(retransmissions, 2);
    assert_int_equal(waiting_time_extensions, 1);
    reader->ext.OsData->CurrentIrp = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(wtx_is_granted_and_ends_with_the_next_reply),
        T(wtx_while_ifs_is_awaited_returns_there),
        T(endless_wtx_ends),
        T(the_cards_ifs_holds_for_this_apdu),
        T(an_ifsc_of_0_or_255_is_an_error),
        T(after_an_abort_the_next_i_block_ends_the_exchange),
        T(a_wtx_after_an_abort_does_not_hide_that_our_block_has_arrived),
        T(a_vpp_error_is_a_power_failure),
        T(unexpected_s_responses_are_protocol_errors),
        T(the_len_of_s_blocks_is_not_looked_at),
        T(a_header_that_lies_is_an_invalid_parameter),
        T(a_longer_header_is_skipped),
        T(no_room_for_a_block_is_an_overflow),
        T(a_block_is_never_larger_than_the_drivers_buffer),
        T(a_reply_without_a_request_is_an_internal_error),
        T(an_exchange_left_in_the_middle_is_followed_by_resynch),
        T(any_reply_is_survived),
        T(the_journal_hears_of_errors_retries_and_wtx),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
