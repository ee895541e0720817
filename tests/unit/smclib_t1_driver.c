/* SPDX-License-Identifier: MIT */
/*
 * What a driver may do to T=1 besides carrying blocks: leave no room in its buffer, change what the library keeps in the
 * extension, give up in the middle of an exchange (smclib.md 5.5).
 */
#include "smclib_t1_support.h"

static void no_room_for_blocks_without_data_is_an_overflow_too(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    LINK->State = T1_INIT;
    reader->ext.SmartcardRequest.BufferLength = MIN_BUFFER_SIZE - 4; /* S(IFS request) has five */
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_BUFFER_OVERFLOW);
    assert_int_equal(LINK->State, T1_INIT); /* it still has to be said */
    reader->ext.SmartcardRequest.BufferLength = 0xFFFFFFFF;
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_BUFFER_OVERFLOW);
    SENDS(0x00, 0xC1, 0x01, 0xFE, 0x3E);
}

static void an_impossible_ifsd_of_the_drivers_becomes_32(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    LINK->State = T1_INIT;
    LINK->IFSD = 0;
    SENDS(0x00, 0xC1, 0x01, 0x20, 0xE0);
    assert_int_equal(LINK->IFSD, 32);
    LINK->WaitForReply = FALSE;
    LINK->State = T1_INIT;
    LINK->IFSD = 255;
    SENDS(0x00, 0xC1, 0x01, 0x20, 0xE0);
    assert_int_equal(LINK->IFSD, 32);
}

static void an_unknown_state_is_an_internal_error(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    LINK->State = 0x55;
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_INTERNAL_ERROR);
}

/* Between two blocks of a chain the request must not shrink below what was announced. */
static void a_request_that_changes_in_a_chain_is_an_invalid_parameter(void **unused)
{
    const UCHAR command[12] = {0x00, 0xD6, 0x00, 0x00, 0x07};

    (void)unused;
    CARD->T1.IFSC = 8;
    apdu(command, 12, 32);
    SENDS(0x00, 0x20, 0x08, 0x00, 0xD6, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0xF9);
    GETS(AGAIN, 0x00, 0x90, 0x00, 0x90);

    reader->ext.SmartcardRequest.BufferLength = 0;
    io[4] = 9; /* cbPciLength: one byte less is left of the APDU */
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_INVALID_PARAMETER);
    io[4] = 7; /* less than the header */
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_INVALID_PARAMETER);
    io[4] = 8;
    LINK->BytesSent = 13; /* more than there is to send */
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_INVALID_PARAMETER);
    LINK->BytesSent = 8;
    SENDS(0x00, 0x40, 0x04, 0x00, 0x00, 0x00, 0x00, 0x44);
}

/* ---- a driver that gives up -------------------------------------------------------------------------------------- */

static const UCHAR *next_reply; /* what the card says to the first block of a TRANSMIT; NULL: it is not asked */
static ULONG next_size;

/* One block there, one back, and no more. */
static NTSTATUS one_round(PSMARTCARD_EXTENSION ext)
{
    NTSTATUS status;

    ext->SmartcardRequest.BufferLength = 0;
    status = SmartcardT1Request(ext);
    if (NT_SUCCESS(status) && next_reply != NULL) {
        assert_int_equal(reply_with(next_reply, next_size), AGAIN);
        next_reply = NULL;
    }
    return NT_SUCCESS(status) ? STATUS_IO_TIMEOUT : status;
}

static void transmit_starts_with(const void *block, ULONG size)
{
    struct result result;

    send_to(reader, &result, IOCTL_SMARTCARD_TRANSMIT, "\x02\0\0\0\x08\0\0\0\x00\xA4\x00\x00", 12, 20);
    assert_int_equal(result.returned, STATUS_IO_TIMEOUT);
    assert_int_equal(reader->ext.SmartcardRequest.BufferLength, size);
    assert_memory_equal(reader->ext.SmartcardRequest.Buffer, block, size);
}

static void an_exchange_given_up_before_a_repetition_is_followed_by_resynch(void **unused)
{
    static const UCHAR wrong_edc[] = {0x00, 0x00, 0x02, 0x90, 0x00, 0x93};

    (void)unused;
    reader->ext.ReaderFunction[RDF_TRANSMIT] = one_round;
    next_reply = wrong_edc;
    next_size = sizeof(wrong_edc);
    transmit_starts_with(BYTES(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0));
    assert_int_equal(LINK->LastError, T1_ERROR_CHKSUM); /* R(0) with it would have been next */
    transmit_starts_with(BYTES(0x00, 0xC0, 0x00, 0xC0));
}

static void an_exchange_given_up_in_a_chain_is_followed_by_resynch(void **unused)
{
    static const UCHAR more[] = {0x00, 0x20, 0x01, 0x55, 0x74};

    (void)unused;
    reader->ext.ReaderFunction[RDF_TRANSMIT] = one_round;
    next_reply = more;
    next_size = sizeof(more);
    transmit_starts_with(BYTES(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0));
    assert_int_equal(LINK->State, T1_R_BLOCK); /* R(1) would have been next */
    transmit_starts_with(BYTES(0x00, 0xC0, 0x00, 0xC0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(no_room_for_blocks_without_data_is_an_overflow_too),
        T(an_impossible_ifsd_of_the_drivers_becomes_32),
        T(an_unknown_state_is_an_internal_error),
        T(a_request_that_changes_in_a_chain_is_an_invalid_parameter),
        T(an_exchange_given_up_before_a_repetition_is_followed_by_resynch),
        T(an_exchange_given_up_in_a_chain_is_followed_by_resynch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
