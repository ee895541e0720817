/* SPDX-License-Identifier: MIT */
/* T=1, what we say and how errors are repaired, block by block: smclib.md 5.5. */
#include "smclib_t1_support.h"

/* ---- the plain exchange ------------------------------------------------------------------------------------------ */

static void the_first_exchange_starts_with_ifs(void **unused)
{
    (void)unused;
    LINK->State = T1_INIT;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0xC1, 0x01, 0xFE, 0x3E);
    assert_int_equal(LINK->State, 0xC1);
    GETS(AGAIN, 0x00, 0xE1, 0x01, 0xFE, 0x1E);
    assert_int_equal(LINK->State, T1_I_BLOCK);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    assert_int_equal(LINK->InfBytesSent, 4);
    assert_true(LINK->WaitForReply);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
    expect_answer("\x90\x00", 2);
    assert_int_equal(LINK->State, T1_START);
}

static void the_value_of_the_ifs_response_is_not_compared(void **unused)
{
    (void)unused;
    LINK->State = T1_INIT;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0xC1, 0x01, 0xFE, 0x3E);
    GETS(AGAIN, 0x00, 0xE1, 0x01, 0x20, 0xC0);
    assert_int_equal(LINK->State, T1_I_BLOCK);
}

static void an_ifs_request_answered_by_anything_else_is_a_protocol_error(void **unused)
{
    (void)unused;
    LINK->State = T1_INIT;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0xC1, 0x01, 0xFE, 0x3E);
    GETS(STATUS_DEVICE_PROTOCOL_ERROR, 0x00, 0x82, 0x00, 0x82);
    assert_int_equal(LINK->State, T1_START);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0); /* the next one does without */
}

static void sequence_numbers_toggle_over_the_session(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x40, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xE0);
    GETS(STATUS_SUCCESS, 0x00, 0x40, 0x02, 0x90, 0x00, 0xD2);
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
}

static void nad_is_the_drivers_and_the_cards_is_ignored(void **unused)
{
    (void)unused;
    LINK->NAD = 0x21;
    apdu(select_mf, 4, 32);
    SENDS(0x21, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0x81);
    GETS(STATUS_SUCCESS, 0x77, 0x00, 0x02, 0x90, 0x00, 0xE5);
}

static void the_edc_can_be_a_crc(void **unused)
{
    (void)unused;
    CARD->T1.EDC = T1_CRC_CHECK;
    LINK->State = T1_INIT;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0xC1, 0x01, 0xFE, 0xEC, 0xD1);
    GETS(AGAIN, 0x00, 0xE1, 0x01, 0xFE, 0x26, 0xD0);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0x23, 0xB0);
    GETS(AGAIN, 0x00, 0x00, 0x02, 0x90, 0x00, 0x00, 0x00); /* a wrong one */
    assert_int_equal(LINK->LastError, T1_ERROR_CHKSUM);
    SENDS(0x00, 0x81, 0x00, 0x50, 0x60);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0xC0, 0xCD);
    expect_answer("\x90\x00", 2);
}

static void the_block_goes_behind_the_drivers_header(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    memcpy(reader->ext.SmartcardRequest.Buffer, "hdr", 3);
    reader->ext.SmartcardRequest.BufferLength = 3;
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_SUCCESS);
    assert_int_equal(reader->ext.SmartcardRequest.BufferLength, 11);
    assert_memory_equal(reader->ext.SmartcardRequest.Buffer, "hdr\x00\x00\x04\x00\xA4\x00\x00\xA0", 11);
}

/* ---- chaining ---------------------------------------------------------------------------------------------------- */

static void a_long_command_is_chained_by_ifsc(void **unused)
{
    (void)unused;
    CARD->T1.IFSC = 2;
    apdu("\x01\x02\x03\x04\x05", 5, 32);
    SENDS(0x00, 0x20, 0x02, 0x01, 0x02, 0x21);
    GETS(AGAIN, 0x00, 0x90, 0x00, 0x90);
    SENDS(0x00, 0x60, 0x02, 0x03, 0x04, 0x65);
    GETS(AGAIN, 0x00, 0x80, 0x00, 0x80);
    SENDS(0x00, 0x00, 0x01, 0x05, 0x04);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
    expect_answer("\x90\x00", 2);
}

static void a_chained_block_is_repeated_when_the_card_asks(void **unused)
{
    (void)unused;
    CARD->T1.IFSC = 2;
    apdu("\x01\x02\x03", 3, 32);
    SENDS(0x00, 0x20, 0x02, 0x01, 0x02, 0x21);
    GETS(AGAIN, 0x00, 0x81, 0x00, 0x81);
    assert_int_equal(LINK->Resend, 1);
    SENDS(0x00, 0x20, 0x02, 0x01, 0x02, 0x21);
    GETS(AGAIN, 0x00, 0x90, 0x00, 0x90);
    assert_int_equal(LINK->Resend, 0);
    SENDS(0x00, 0x40, 0x01, 0x03, 0x42);
}

static void a_card_that_answers_before_the_commands_end_is_asked_again(void **unused)
{
    (void)unused;
    CARD->T1.IFSC = 2;
    apdu("\x01\x02\x03", 3, 32);
    SENDS(0x00, 0x20, 0x02, 0x01, 0x02, 0x21);
    GETS(AGAIN, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
    SENDS(0x00, 0x82, 0x00, 0x82);
}

static void a_chained_answer_is_put_together(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 13);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(AGAIN, 0x00, 0x20, 0x02, 0xAA, 0xBB, 0x33);
    assert_int_equal(LINK->State, T1_R_BLOCK);
    SENDS(0x00, 0x90, 0x00, 0x90);
    GETS(AGAIN, 0x00, 0x60, 0x01, 0xCC, 0xAD);
    SENDS(0x00, 0x80, 0x00, 0x80);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
    expect_answer("\xAA\xBB\xCC\x90\x00", 5);
    assert_null(LINK->ReplyData);
}

static void a_chain_that_does_not_fit_is_received_to_its_end(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 12); /* room for four bytes */
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(AGAIN, 0x00, 0x20, 0x02, 0xAA, 0xBB, 0x33);
    SENDS(0x00, 0x90, 0x00, 0x90);
    GETS(AGAIN, 0x00, 0x60, 0x01, 0xCC, 0xAD);
    SENDS(0x00, 0x80, 0x00, 0x80);
    GETS(STATUS_BUFFER_TOO_SMALL, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
    assert_int_equal(irp.IoStatus.Information, 0);
    apdu(select_mf, 4, 32); /* and the link is as good as before */
    SENDS(0x00, 0x40, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xE0);
    GETS(STATUS_SUCCESS, 0x00, 0x40, 0x02, 0x90, 0x00, 0xD2);
}

static void an_answer_that_does_not_fit_is_too_small(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 9);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(STATUS_BUFFER_TOO_SMALL, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
    assert_int_equal(LINK->SSN, 1);
    assert_int_equal(LINK->RSN, 1);
    assert_int_equal(LINK->State, T1_START);
}

static void no_room_at_all_is_too_small(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 0);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(AGAIN, 0x00, 0x20, 0x02, 0xAA, 0xBB, 0x33);
    SENDS(0x00, 0x90, 0x00, 0x90);
    GETS(STATUS_BUFFER_TOO_SMALL, 0x00, 0x40, 0x02, 0x90, 0x00, 0xD2);
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static void t1_third_edc_error_asks_for_resynch(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(AGAIN, 0x00, 0x00, 0x02, 0x90, 0x00, 0x93);
    SENDS(0x00, 0x81, 0x00, 0x81);
    GETS(AGAIN, 0x00, 0x00, 0x02, 0x90, 0x00, 0x93);
    SENDS(0x00, 0x81, 0x00, 0x81);
    GETS(AGAIN, 0x00, 0x00, 0x02, 0x90, 0x00, 0x93);
    SENDS(0x00, 0xC0, 0x00, 0xC0);
    assert_int_equal(LINK->Resynch, 1);
    GETS(AGAIN, 0x00, 0xE0, 0x00, 0xE0);
    assert_int_equal(LINK->State, T1_RESTART);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0); /* the whole APDU, no new IFS */
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
}

static void one_edc_error_is_repaired_by_an_r_block(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(AGAIN, 0x00, 0x00, 0x02, 0x90, 0x00, 0x00);
    SENDS(0x00, 0x81, 0x00, 0x81);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
    expect_answer("\x90\x00", 2);
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x40, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xE0);
    GETS(AGAIN, 0x00, 0x40, 0x02, 0x90, 0x00, 0x00);
    SENDS(0x00, 0x91, 0x00, 0x91);
}

static void other_errors_are_reported_as_such(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS_NOTHING(AGAIN); /* mute */
    assert_int_equal(LINK->LastError, T1_ERROR_OTHER);
    SENDS(0x00, 0x82, 0x00, 0x82);
    GETS(AGAIN, 0x00, 0x00, 0x03, 0x90, 0x00, 0x93); /* LEN says more than came */
    SENDS(0x00, 0x82, 0x00, 0x82);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
}

static void a_wrong_sequence_number_is_an_error(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(AGAIN, 0x00, 0x40, 0x02, 0x90, 0x00, 0xD2);
    SENDS(0x00, 0x82, 0x00, 0x82);
}

static void a_short_block_is_an_error(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(AGAIN, 0x00, 0x80, 0x80);
    SENDS(0x00, 0x82, 0x00, 0x82);
}

static void a_reply_longer_than_its_buffer_is_an_error(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    reader->ext.SmartcardReply.BufferLength = 0xFFFFFFFF;
    assert_int_equal(SmartcardT1Reply(&reader->ext), AGAIN);
    SENDS(0x00, 0x82, 0x00, 0x82);
}

static void the_lost_command_is_sent_again_when_the_card_says_so(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0x82, 0x00, 0x82);
    GETS(AGAIN, 0x00, 0x82, 0x00, 0x82); /* R(0): the card has not seen I(0) */
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
}

static void a_mute_card_ends_after_three_resynchs(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0x82, 0x00, 0x82);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0x82, 0x00, 0x82);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0xC0, 0x00, 0xC0);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0xC0, 0x00, 0xC0);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0xC0, 0x00, 0xC0);
    GETS_NOTHING(STATUS_DEVICE_PROTOCOL_ERROR);
    GETS_NOTHING(STATUS_INTERNAL_ERROR); /* nothing is awaited any more */
    assert_int_equal(irp.IoStatus.Information, 0);

    apdu(select_mf, 4, 32); /* the next exchange makes sure of the sequence numbers first */
    SENDS(0x00, 0xC0, 0x00, 0xC0);
    GETS(AGAIN, 0x00, 0xE0, 0x00, 0xE0);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS(STATUS_SUCCESS, 0x00, 0x00, 0x02, 0x90, 0x00, 0x92);
    apdu(select_mf, 4, 32); /* and the one after that has no need to */
    SENDS(0x00, 0x40, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xE0);
}

static void a_card_that_resynchronises_for_ever_is_given_up(void **unused)
{
    unsigned blocks = 0;
    NTSTATUS status = AGAIN;

    (void)unused;
    apdu(select_mf, 4, 32);
    while (status == AGAIN && blocks < 100) {
        reader->ext.SmartcardRequest.BufferLength = 0;
        assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_SUCCESS);
        blocks++;
        status =
            reader->ext.SmartcardRequest.Buffer[1] == 0xC0 ? reply_with("\x00\xE0\x00\xE0", 4) : reply_with(NULL, 0);
    }
    assert_int_equal(status, STATUS_DEVICE_PROTOCOL_ERROR);
    assert_int_equal(blocks, 15); /* four times three tries, three RESYNCH between */
}

static void resynch_answered_by_anything_valid_but_e0_is_a_protocol_error(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 32);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0x82, 0x00, 0x82);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0x82, 0x00, 0x82);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0xC0, 0x00, 0xC0);
    GETS(STATUS_DEVICE_PROTOCOL_ERROR, 0x00, 0x80, 0x00, 0x80);
}

static void a_chain_is_sent_from_its_start_after_resynch(void **unused)
{
    (void)unused;
    CARD->T1.IFSC = 2;
    apdu("\x01\x02\x03", 3, 32);
    SENDS(0x00, 0x20, 0x02, 0x01, 0x02, 0x21);
    GETS(AGAIN, 0x00, 0x90, 0x00, 0x90);
    SENDS(0x00, 0x40, 0x01, 0x03, 0x42);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0x82, 0x00, 0x82);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0x82, 0x00, 0x82);
    GETS_NOTHING(AGAIN);
    SENDS(0x00, 0xC0, 0x00, 0xC0);
    GETS(AGAIN, 0x00, 0xE0, 0x00, 0xE0);
    SENDS(0x00, 0x20, 0x02, 0x01, 0x02, 0x21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_first_exchange_starts_with_ifs),
        T(the_value_of_the_ifs_response_is_not_compared),
        T(an_ifs_request_answered_by_anything_else_is_a_protocol_error),
        T(sequence_numbers_toggle_over_the_session),
        T(nad_is_the_drivers_and_the_cards_is_ignored),
        T(the_edc_can_be_a_crc),
        T(the_block_goes_behind_the_drivers_header),
        T(a_long_command_is_chained_by_ifsc),
        T(a_chained_block_is_repeated_when_the_card_asks),
        T(a_card_that_answers_before_the_commands_end_is_asked_again),
        T(a_chained_answer_is_put_together),
        T(a_chain_that_does_not_fit_is_received_to_its_end),
        T(an_answer_that_does_not_fit_is_too_small),
        T(no_room_at_all_is_too_small),
        T(t1_third_edc_error_asks_for_resynch),
        T(one_edc_error_is_repaired_by_an_r_block),
        T(other_errors_are_reported_as_such),
        T(a_wrong_sequence_number_is_an_error),
        T(a_short_block_is_an_error),
        T(a_reply_longer_than_its_buffer_is_an_error),
        T(the_lost_command_is_sent_again_when_the_card_says_so),
        T(a_mute_card_ends_after_three_resynchs),
        T(a_card_that_resynchronises_for_ever_is_given_up),
        T(resynch_answered_by_anything_valid_but_e0_is_a_protocol_error),
        T(a_chain_is_sent_from_its_start_after_resynch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
