/* SPDX-License-Identifier: MIT */
/*
 * T=1 as Microsoft's library speaks it, one block at a time: smclib.md 5.5. SmartcardT1Request writes the next block,
 * SmartcardT1Reply judges what came back. (The engine that follows ISO/IEC 7816-3:2006, 11.6, to the letter is
 * iso7816/t1.h; docs/quirks.md has the differences.)
 *
 * T1_DATA.State says what is to be sent next and, once it is sent, what is awaited:
 *   T1_INIT             S(IFS request), then as START
 *   T1_START            a new APDU. After S(ABORT response): the card's last words
 *   T1_I_BLOCK          our next I-block; its acknowledgement or the answer
 *   T1_R_BLOCK          R(RSN); the next I-block of the card's chain
 *   T1_RESTART          the whole APDU again, after RESYNCH
 *   T1_RESYNCH_REQUEST  S(RESYNCH request); its response
 *   T1_IFS_REQUEST      ours: its response. The card's: S(IFS response), then as T1_DATA.OriginalState
 *   T1_ABORT_REQUEST    S(ABORT response)
 *   T1_WTX_REQUEST      S(WTX response), then as OriginalState
 * T1_DATA.LastError, when not 0, goes first: R(RSN) with the error.
 */
#include "private.h"

#include "../iso7816/edc.h"

#define PROLOGUE   ((ULONG)SCARD_T1_PROLOGUE_LENGTH)
#define I_MORE     ((UCHAR)T1_MORE_DATA)
#define R_BLOCK    0x80u
#define S_BLOCK    0xC0u
#define MAX_BLOCKS (1u << 20) /* in one exchange: no card may keep us for ever (11.6 knows no such bound) */

/* smclib.md 5.5: where ISO/IEC 7816-3:2006, 11.4.4, means the CRC of ISO/IEC 13239, the library has another one. */
static enum iso7816_edc edc_kind(PSMARTCARD_EXTENSION ext)
{
    return (ext->CardCapabilities.T1.EDC & T1_CRC_CHECK) != 0 ? ISO7816_EDC_CRC_A001 : ISO7816_EDC_LRC;
}

static ULONG epilogue(PSMARTCARD_EXTENSION ext)
{
    return (ULONG)iso7816_edc_size(edc_kind(ext));
}

void smclib_t1_drop_reply(PSMARTCARD_EXTENSION ext)
{
    smclib_free(ext->T1.ReplyData, smclib_private(ext)->t1_reply_size);
    ext->T1.ReplyData = NULL;
    smclib_private(ext)->t1_reply_size = 0;
}

/* ---- what we send ------------------------------------------------------------------------------------------------ */

/* Write one block behind the driver's own header. */
static NTSTATUS put_block(PSMARTCARD_EXTENSION ext, UCHAR pcb, const UCHAR *inf, UCHAR length)
{
    PSMARTCARD_REQUEST request = &ext->SmartcardRequest;
    ULONG size = PROLOGUE + length + epilogue(ext);
    PUCHAR block;

    if (request->BufferLength > request->BufferSize || request->BufferSize - request->BufferLength < size) {
        return STATUS_BUFFER_OVERFLOW;
    }
    block = request->Buffer + request->BufferLength;
    block[0] = ext->T1.NAD;
    block[1] = pcb;
    block[2] = length;
    if (length != 0) {
        RtlCopyMemory(block + PROLOGUE, inf, length);
    }
    iso7816_edc_append(block, PROLOGUE + length, edc_kind(ext));
    request->BufferLength += size;
    ext->T1.WaitForReply = TRUE;
    return STATUS_SUCCESS;
}

/* Go back to the APDU's first byte. */
static void start_over(PSMARTCARD_EXTENSION ext)
{
    T1_DATA *t1 = &ext->T1;
    UCHAR ifsc = ext->CardCapabilities.T1.IFSC;

    smclib_t1_drop_reply(ext);
    t1->BytesSent = 0;
    t1->BytesReceived = 0;
    t1->InfBytesSent = 0;
    t1->MoreData = FALSE;
    t1->IFSC = ifsc != 0 ? ifsc : T1_IFSD_DEFAULT;
}

/*
 * Start an exchange. One that its driver left in the middle, or that failed for good, has left card and reader with
 * different ideas of the sequence numbers, so this one starts with RESYNCH.
 */
static NTSTATUS begin(PSMARTCARD_EXTENSION ext)
{
    struct smclib_private *private = smclib_private(ext);
    T1_DATA *t1 = &ext->T1;
    BOOLEAN abandoned = t1->WaitForReply || t1->LastError != 0 || (t1->State != T1_INIT && t1->State != T1_START);
    PUCHAR apdu;
    ULONG length;

    if (!smclib_apdu(ext, &apdu, &length)) {
        return STATUS_INVALID_PARAMETER;
    }
    private->t1_new_exchange = FALSE;
    private->t1_blocks = 0;
    start_over(ext);
    t1->BytesToSend = length;
    t1->LastError = 0;
    t1->Resend = 0;
    t1->Resynch = 0;
    t1->Wtx = 0;
    if (abandoned || private->t1_out_of_step) {
        private->t1_out_of_step = FALSE;
        t1->State = T1_RESYNCH_REQUEST;
        t1->Resynch = 1;
        host_step(smclib_irp(ext), HOST_LAYER_PROTOCOL, "T=1: the exchange before was left unfinished: RESYNCH");
    } else if (t1->State == T1_START) {
        t1->State = T1_I_BLOCK;
    }
    return STATUS_SUCCESS;
}

static NTSTATUS put_i_block(PSMARTCARD_EXTENSION ext)
{
    PSMARTCARD_REQUEST request = &ext->SmartcardRequest;
    ULONG overhead = PROLOGUE + epilogue(ext);
    T1_DATA *t1 = &ext->T1;
    PUCHAR apdu;
    ULONG length;
    ULONG rest;
    ULONG size;
    NTSTATUS status;

    /* Looked at again for each block: what was sent must still be inside what is there now. */
    if (!smclib_apdu(ext, &apdu, &length) || t1->BytesToSend > length || t1->BytesSent > t1->BytesToSend) {
        return STATUS_INVALID_PARAMETER;
    }
    if (request->BufferLength > request->BufferSize || request->BufferSize - request->BufferLength <= overhead) {
        return STATUS_BUFFER_OVERFLOW;
    }
    rest = t1->BytesToSend - t1->BytesSent;
    size = request->BufferSize - request->BufferLength - overhead;
    size = size < t1->IFSC ? size : t1->IFSC;
    size = size < SCARD_T1_MAX_IFS ? size : SCARD_T1_MAX_IFS;
    size = size < rest ? size : rest;
    status = put_block(ext, (UCHAR)(t1->SSN << 6 | (size < rest ? I_MORE : 0)), apdu + t1->BytesSent, (UCHAR)size);
    if (NT_SUCCESS(status)) {
        t1->MoreData = size < rest;
        t1->InfBytesSent = (UCHAR)size;
    }
    return status;
}

static NTSTATUS put_r_block(PSMARTCARD_EXTENSION ext, UCHAR error)
{
    return put_block(ext, (UCHAR)(R_BLOCK | (ULONG)(ext->T1.RSN << 4) | error), NULL, 0);
}

/* Send an S-block and go to `next`. */
static NTSTATUS put_s_block(PSMARTCARD_EXTENSION ext, UCHAR pcb, const UCHAR *inf, ULONG next)
{
    NTSTATUS status = put_block(ext, pcb, inf, inf != NULL ? 1 : 0);

    if (NT_SUCCESS(status)) {
        ext->T1.State = next;
    }
    return status;
}

NTSTATUS SmartcardT1Request(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PSMARTCARD_EXTENSION ext = SmartcardExtension;
    T1_DATA *t1 = &ext->T1;

    if (smclib_private(ext)->t1_new_exchange ||
        ((t1->State == T1_INIT || t1->State == T1_START) && t1->LastError == 0)) {
        NTSTATUS status = begin(ext);

        if (!NT_SUCCESS(status)) {
            return status;
        }
    }
    if (t1->LastError != 0) {
        return put_r_block(ext, t1->LastError);
    }
    switch (t1->State) {
    case T1_INIT:
        if (t1->IFSD == 0 || t1->IFSD > T1_IFSD) {
            t1->IFSD = T1_IFSD_DEFAULT;
        }
        return put_s_block(ext, T1_IFS_REQUEST, &t1->IFSD, T1_IFS_REQUEST);
    case T1_RESTART:
        t1->SSN = 0;
        t1->RSN = 0;
        start_over(ext);
        t1->State = T1_I_BLOCK;
        return put_i_block(ext);
    case T1_I_BLOCK:
        return put_i_block(ext);
    case T1_R_BLOCK:
        return put_r_block(ext, 0);
    case T1_RESYNCH_REQUEST:
        return put_s_block(ext, T1_RESYNCH_REQUEST, NULL, T1_RESYNCH_REQUEST);
    case T1_IFS_REQUEST:
        return put_s_block(ext, T1_IFS_RESPONSE, &t1->IFSC, t1->OriginalState);
    case T1_ABORT_REQUEST:
        return put_s_block(ext, T1_ABORT_RESPONSE, NULL, T1_START);
    case T1_WTX_REQUEST:
        return put_s_block(ext, T1_WTX_RESPONSE, &t1->Wtx, t1->OriginalState);
    default:
        return STATUS_INTERNAL_ERROR;
    }
}

/* ---- what went wrong --------------------------------------------------------------------------------------------- */

static void tell(PSMARTCARD_EXTENSION ext, const char *what, const char *then)
{
    host_step(smclib_irp(ext), HOST_LAYER_PROTOCOL, "T=1: %s block %u%s", what, smclib_private(ext)->t1_blocks, then);
}

/* The exchange ends here. out_of_step: the card cannot be trusted to agree on where we are. */
static NTSTATUS give_up(PSMARTCARD_EXTENSION ext, NTSTATUS status, BOOLEAN out_of_step)
{
    ext->T1.State = T1_START;
    ext->T1.LastError = 0;
    smclib_private(ext)->t1_out_of_step = out_of_step;
    smclib_t1_drop_reply(ext);
    smclib_exchange_over(ext);
    return status;
}

static NTSTATUS protocol_error(PSMARTCARD_EXTENSION ext, const char *what)
{
    tell(ext, what, "");
    return give_up(ext, STATUS_DEVICE_PROTOCOL_ERROR, TRUE);
}

static NTSTATUS resynchronise(PSMARTCARD_EXTENSION ext, const char *what)
{
    T1_DATA *t1 = &ext->T1;

    if (t1->Resynch > T1_MAX_RETRIES) {
        tell(ext, what, ", and three times RESYNCH did not help");
        return give_up(ext, STATUS_DEVICE_PROTOCOL_ERROR, TRUE);
    }
    tell(ext, what, t1->State == T1_RESYNCH_REQUEST ? ": RESYNCH again" : ", third time: RESYNCH");
    t1->Resynch++;
    t1->Resend = 0;
    t1->LastError = 0;
    t1->State = T1_RESYNCH_REQUEST;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* One more failure in a row: ask again, for the third time resynchronise. error 0: the card asked, we send again. */
static NTSTATUS failed(PSMARTCARD_EXTENSION ext, UCHAR error, const char *what)
{
    T1_DATA *t1 = &ext->T1;

    if (t1->State == T1_RESYNCH_REQUEST || t1->Resend >= T1_MAX_RETRIES) {
        return resynchronise(ext, what);
    }
    t1->LastError = error;
    t1->Resend++;
    host_count(smclib_irp(ext), 1, 0);
    tell(ext, what, t1->Resend == 1 ? ", first retry" : ", second retry");
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The card has moved on: the retries start anew. */
static NTSTATUS progress(PSMARTCARD_EXTENSION ext, ULONG state)
{
    ext->T1.LastError = 0;
    ext->T1.Resend = 0;
    ext->T1.State = state;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* ---- what we receive --------------------------------------------------------------------------------------------- */

/* Our last I-block has arrived. */
static void acknowledged(T1_DATA *t1)
{
    t1->BytesSent += t1->InfBytesSent;
    t1->InfBytesSent = 0;
    t1->SSN ^= 1;
}

/*
 * Put aside one block of a chain. It cannot go to the caller yet: reply and request are the same buffer, and the request
 * may have to be sent again. What the caller has no room for is counted only.
 */
static NTSTATUS put_aside(PSMARTCARD_EXTENSION ext, const UCHAR *inf, ULONG length)
{
    struct smclib_private *private = smclib_private(ext);
    ULONG room = ext->IoRequest.ReplyBufferLength;
    T1_DATA *t1 = &ext->T1;

    room = room > SMCLIB_PCI_LENGTH ? room - SMCLIB_PCI_LENGTH : 0;
    if (t1->ReplyData == NULL && room != 0) {
        t1->ReplyData = smclib_allocate(room);
        if (t1->ReplyData == NULL) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        private->t1_reply_size = room;
    }
    if (t1->BytesReceived <= private->t1_reply_size && length <= private->t1_reply_size - t1->BytesReceived &&
        length != 0) {
        RtlCopyMemory(t1->ReplyData + t1->BytesReceived, inf, length);
    }
    t1->BytesReceived += length; /* MAX_BLOCKS keeps this below 2^28 */
    return STATUS_SUCCESS;
}

static NTSTATUS got_i_block(PSMARTCARD_EXTENSION ext, UCHAR pcb, const UCHAR *inf, ULONG length)
{
    T1_DATA *t1 = &ext->T1;
    NTSTATUS status = STATUS_SUCCESS;

    if (t1->State == T1_RESYNCH_REQUEST) {
        return protocol_error(ext, "the card answered RESYNCH with something else in");
    }
    if (t1->State == T1_IFS_REQUEST) {
        tell(ext, "the card answered S(IFS) with something else in", "");
        return give_up(ext, STATUS_DEVICE_PROTOCOL_ERROR, FALSE);
    }
    if (((pcb >> 6) & 1u) != t1->RSN) {
        return failed(ext, T1_ERROR_OTHER, "wrong sequence number in");
    }
    if (t1->State == T1_I_BLOCK && t1->MoreData) {
        return failed(ext, T1_ERROR_OTHER, "the card answered before the command's end in");
    }
    /* After an abort OriginalState may be that of a later S(WTX); then InfBytesSent tells that a block is still out. */
    if (t1->State == T1_I_BLOCK ||
        (t1->State == T1_START && (t1->OriginalState == T1_I_BLOCK || t1->InfBytesSent != 0))) {
        acknowledged(t1);
    }
    t1->RSN ^= 1;
    (void)progress(ext, T1_R_BLOCK);
    if ((pcb & I_MORE) != 0 || t1->BytesReceived != 0) {
        status = put_aside(ext, inf, length);
        if (!NT_SUCCESS(status)) {
            return give_up(ext, status, TRUE);
        }
        inf = t1->ReplyData;
        length = t1->BytesReceived;
    }
    if ((pcb & I_MORE) != 0) {
        return STATUS_MORE_PROCESSING_REQUIRED;
    }
    status = smclib_reply(ext, SCARD_PROTOCOL_T1, inf, length);
    if (!NT_SUCCESS(status)) {
        host_step(smclib_irp(ext), HOST_LAYER_PROTOCOL, "T=1: the answer of %u bytes does not fit", length);
    }
    return give_up(ext, status, FALSE);
}

static NTSTATUS got_r_block(PSMARTCARD_EXTENSION ext, UCHAR pcb)
{
    T1_DATA *t1 = &ext->T1;
    BOOLEAN again = ((pcb >> 4) & 1u) == t1->SSN;

    switch (t1->State) {
    case T1_I_BLOCK:
        if (again) {
            return failed(ext, 0, "the card asks for a repetition in");
        }
        if (!t1->MoreData) {
            return failed(ext, T1_ERROR_OTHER, "the card asks for more than the command in");
        }
        acknowledged(t1);
        return progress(ext, T1_I_BLOCK);
    case T1_R_BLOCK:
        return failed(ext, 0, "the card asks for a repetition in");
    case T1_IFS_REQUEST:
        tell(ext, "the card answered S(IFS) with something else in", "");
        return give_up(ext, STATUS_DEVICE_PROTOCOL_ERROR, FALSE);
    case T1_RESYNCH_REQUEST:
        return protocol_error(ext, "the card answered RESYNCH with something else in");
    default:
        return protocol_error(ext, "nothing that was expected in");
    }
}

/* A request of the card's: answered next, then on with what was going on before. */
static NTSTATUS interlude(PSMARTCARD_EXTENSION ext, ULONG state)
{
    ext->T1.OriginalState = ext->T1.State;
    return progress(ext, state);
}

/* `value` is the first byte of the INF field, whatever LEN says: the library does not look (smclib.md 5.5). */
static NTSTATUS got_s_block(PSMARTCARD_EXTENSION ext, UCHAR pcb, UCHAR value)
{
    T1_DATA *t1 = &ext->T1;

    if (t1->State == T1_RESYNCH_REQUEST) {
        return pcb == T1_RESYNCH_RESPONSE ? progress(ext, T1_RESTART)
                                          : protocol_error(ext, "the card answered RESYNCH with something else in");
    }
    switch (pcb) {
    case T1_IFS_RESPONSE:
        if (t1->State == T1_IFS_REQUEST) {
            return progress(ext, T1_I_BLOCK);
        }
        return protocol_error(ext, "unexpected S(IFS response) in");
    case T1_IFS_REQUEST:
        if (value == 0 || value > SCARD_T1_MAX_IFS) {
            return failed(ext, T1_ERROR_OTHER, "impossible IFSC in");
        }
        t1->IFSC = value;
        return interlude(ext, T1_IFS_REQUEST);
    case T1_ABORT_REQUEST:
        tell(ext, "the card aborted the chain in", "");
        return interlude(ext, T1_ABORT_REQUEST);
    case T1_WTX_REQUEST:
        t1->Wtx = value;
        host_count(smclib_irp(ext), 0, 1);
        return interlude(ext, T1_WTX_REQUEST);
    case T1_VPP_ERROR:
        tell(ext, "the card reports a VPP error in", "");
        return give_up(ext, STATUS_DEVICE_POWER_FAILURE, FALSE);
    case T1_RESYNCH_RESPONSE:
    case T1_ABORT_RESPONSE:
    case T1_WTX_RESPONSE:
        return protocol_error(ext, "unexpected S-block response in");
    default:
        return failed(ext, T1_ERROR_OTHER, "unknown S-block in");
    }
}

/* What is wrong with the received block, in words; NULL: nothing. */
static const char *check(PSMARTCARD_EXTENSION ext, UCHAR *error)
{
    const SMARTCARD_REPLY *reply = &ext->SmartcardReply;
    ULONG edc = epilogue(ext);

    *error = T1_ERROR_OTHER;
    if (reply->BufferLength == 0) {
        return "nothing came for";
    }
    if (reply->BufferLength < PROLOGUE + edc || reply->BufferLength > reply->BufferSize) {
        return "wrong length of";
    }
    if ((reply->Buffer[1] & S_BLOCK) != S_BLOCK && reply->BufferLength != PROLOGUE + reply->Buffer[2] + edc) {
        return "wrong length of";
    }
    if (!iso7816_edc_ok(reply->Buffer, reply->BufferLength, edc_kind(ext))) {
        *error = T1_ERROR_CHKSUM;
        return "EDC error in";
    }
    return NULL;
}

NTSTATUS SmartcardT1Reply(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PSMARTCARD_EXTENSION ext = SmartcardExtension;
    const UCHAR *block = ext->SmartcardReply.Buffer;
    const char *wrong;
    UCHAR error;

    if (!ext->T1.WaitForReply) {
        return STATUS_INTERNAL_ERROR;
    }
    ext->T1.WaitForReply = FALSE;
    ext->T1.Wtx = 0;
    if (++smclib_private(ext)->t1_blocks > MAX_BLOCKS) {
        return protocol_error(ext, "no end in sight after");
    }
    wrong = check(ext, &error);
    if (wrong != NULL) {
        return failed(ext, error, wrong);
    }
    if ((block[1] & 0x80u) == 0) {
        return got_i_block(ext, block[1], block + PROLOGUE, block[2]);
    }
    if ((block[1] & S_BLOCK) == R_BLOCK) {
        return got_r_block(ext, block[1]);
    }
    return got_s_block(ext, block[1], block[PROLOGUE]);
}
