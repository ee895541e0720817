/* SPDX-License-Identifier: MIT */
/*
 * Cards come and go, and answer when they like. The slot structure is allocated for each card; the reader points to it
 * while it is installed, and it is destroyed at PASSIVE_LEVEL after it was taken out of the reader under the lock, so
 * that no function of the card runs any more.
 */
#include "vreader.h"

BOOLEAN vreader_present(const READER_EXTENSION *Reader)
{
    return Reader->Slot != NULL && Reader->Slot->Present;
}

/* What was known of the last card is not true of this one, and before its own reset SET_PROTOCOL would go by it (smclib.md
 * 3.5). An operation that runs now, unless it is the INSERT, goes on with what it knows: its card has left. */
static VOID forget_card(READER_EXTENSION *Reader)
{
    PSMARTCARD_EXTENSION smartcard = Reader->Smartcard;

    KeAcquireSpinLockAtDpcLevel(&smartcard->OsData->SpinLock);
    if (smartcard->OsData->CurrentIrp == NULL || smartcard->MajorIoControlCode == IOCTL_VREADER_INSERT) {
        smartcard->CardCapabilities.ATR.Length = 0;
        smartcard->CardCapabilities.Protocol.Supported = SCARD_PROTOCOL_RAW;
        smartcard->CardCapabilities.Protocol.Selected = SCARD_PROTOCOL_UNDEFINED;
    }
    KeReleaseSpinLockFromDpcLevel(&smartcard->OsData->SpinLock);
}

static VOID arrive(READER_EXTENSION *Reader)
{
    forget_card(Reader);
    vreader_set_state(Reader, SCARD_PRESENT);
    vreader_notify(Reader);
}

VOID vreader_depart(READER_EXTENSION *Reader, BOOLEAN ForGood)
{
    struct vreader_slot *slot = Reader->Slot;

    slot->Left |= ForGood;
    if (!slot->Present) {
        return;
    }
    slot->Present = FALSE;
    slot->Ticket++;
    slot->Phase = PHASE_OFF;
    slot->Doing = CARD_IDLE;
    slot->OutSize = 0;
    slot->OutAt = 0;
    slot->Arrived = 0;
    vreader_timer_stop(&Reader->Pace);
    vreader_timer_stop(&Reader->Line);
    if (Reader->Op.Irp != NULL) {
        Reader->Op.Lost = TRUE;
    }
    vreader_set_state(Reader, SCARD_ABSENT);
    vreader_notify(Reader);
}

/* ---- what cards call --------------------------------------------------------------------------------------------- */

static VOID card_answer(struct card_slot *Base, ULONG Ticket, NTSTATUS Status, const UCHAR *Bytes, ULONG Length)
{
    struct vreader_slot *slot = (struct vreader_slot *)Base;
    READER_EXTENSION *reader = slot->Reader;
    KIRQL irql = vreader_enter(reader);

    if (slot->Installed && slot->Present && slot->Ticket == Ticket && slot->Doing == CARD_RUNNING) {
        wire_answer(reader, Status, Bytes, Length);
        vreader_look(reader);
    }
    vreader_leave(reader, irql);
}

static VOID card_presence(struct card_slot *Base, BOOLEAN Present)
{
    struct vreader_slot *slot = (struct vreader_slot *)Base;
    READER_EXTENSION *reader = slot->Reader;
    KIRQL irql = vreader_enter(reader);

    if (!slot->Installed) {
        slot->Present = Present;
    } else if (!Present) {
        vreader_depart(reader, FALSE);
        vreader_continue(reader, EVENT_DATA);
    } else if (!slot->Present && !slot->Left) {
        slot->Present = TRUE;
        arrive(reader);
    }
    vreader_leave(reader, irql);
}

static const struct card_slot_functions functions = {card_answer, card_presence};

/* ---- insertion and removal --------------------------------------------------------------------------------------- */

static VOID destroy(struct vreader_slot *Slot)
{
    if (Slot == NULL) {
        return;
    }
    if (Slot->Card != NULL) {
        Slot->Card->kind->destroy(Slot->Card);
    }
    host_world_ends(Slot->World);
    card_wipe(Slot, FIELD_OFFSET(struct vreader_slot, Command));
    ExFreePoolWithTag(Slot, VREADER_TAG);
}

static BOOLEAN find_kind(const char *Text, ULONG Length, const struct card_kind **Kind, struct card_options *Options)
{
    ULONG word = 0, line = 0;

    while (line < Length && Text[line] != '\n') {
        line++;
    }
    while (word < line && Text[word] != ' ' && Text[word] != '\t' && Text[word] != '\r') {
        word++;
    }
    *Kind = card_kind_find(Text, word);
    Options->line = Text + word;
    Options->line_length = line - word;
    Options->body = (const UCHAR *)Text + (line < Length ? line + 1 : Length);
    Options->body_length = line < Length ? Length - line - 1 : 0;
    return *Kind != NULL;
}

/* atr=HEX, warm=HEX: 2 to 33 bytes, right or wrong; a reader must cope with wrong ones. *Length is 0 without it. */
static BOOLEAN take_atr(const struct card_options *Options, const char *Key, UCHAR Atr[ISO7816_ATR_MAX], ULONG *Length)
{
    const char *value;
    ULONG length;

    *Length = 0;
    if (!card_option(Options, Key, &value, &length)) {
        return TRUE;
    }
    *Length = ISO7816_ATR_MAX;
    return card_hex(value, length, Atr, Length) && *Length >= 2;
}

/* fastest=F/D: one of the standard's F and one of its D, in decimal. */
static BOOLEAN take_fastest(struct vreader_slot *Slot, const struct card_options *Options)
{
    BOOLEAN has_f = FALSE, has_d = FALSE;
    const char *value;
    ULONG length, slash;
    UCHAR i;

    if (!card_option(Options, "fastest", &value, &length)) {
        return TRUE;
    }
    for (slash = 0; slash < length && value[slash] != '/'; slash++) {
    }
    if (slash == length || !card_number(value, slash, 2048, &Slot->FastestF) ||
        !card_number(value + slash + 1, length - slash - 1, 64, &Slot->FastestD)) {
        return FALSE;
    }
    for (i = 0; i < 16; i++) {
        has_f |= Slot->FastestF != 0 && Slot->FastestF == iso7816_f(i);
        has_d |= Slot->FastestD != 0 && Slot->FastestD == iso7816_d(i);
    }
    return has_f && has_d;
}

static BOOLEAN take_options(struct vreader_slot *Slot, const struct card_options *Options, char *Why, ULONG WhySize)
{
    static const char *const crcs[] = {"microsoft", "iso", NULL};            /* FALSE, TRUE */
    static const char *const answers[] = {"agree", "default", "mute", NULL}; /* enum vreader_pps */
    struct card_text why;

    card_text_begin(&why, Why, WhySize);
    if (!take_atr(Options, "atr", Slot->Atr, &Slot->AtrLength)) {
        card_text_add(&why, "atr wants 2 to 33 bytes of two hex digits");
        return FALSE;
    }
    if (!take_atr(Options, "warm", Slot->WarmAtr, &Slot->WarmLength)) {
        card_text_add(&why, "warm wants 2 to 33 bytes of two hex digits");
        return FALSE;
    }
    if (!card_option_word(Options, "crc", crcs, &Slot->IsoCrc, &why) ||
        !card_option_word(Options, "pps", answers, &Slot->PpsAnswer, &why)) {
        return FALSE;
    }
    if (!take_fastest(Slot, Options)) {
        card_text_add(&why, "fastest wants one of the standard's F/D, such as 512/8");
        return FALSE;
    }
    return TRUE;
}

/* Put a new slot into the reader, unless a card is there. *Old: what must be destroyed then. */
static NTSTATUS install(READER_EXTENSION *Reader, struct vreader_slot *Slot, BOOLEAN Present, struct vreader_slot **Old)
{
    KIRQL irql = vreader_enter(Reader);
    NTSTATUS status = STATUS_SUCCESS;

    *Old = Slot;
    if (Reader->Removed) {
        status = STATUS_DEVICE_REMOVED;
    } else if (vreader_present(Reader)) {
        status = STATUS_DEVICE_BUSY;
    } else {
        *Old = Reader->Slot;
        if (*Old != NULL) {
            (*Old)->Installed = FALSE;
        }
        Reader->Slot = Slot;
        Slot->Installed = TRUE;
        Slot->Present |= Present;
        if (Slot->Present) {
            arrive(Reader);
        }
    }
    vreader_leave(Reader, irql);
    return status;
}

static VOID refuse(READER_EXTENSION *Reader, const char *Why)
{
    KIRQL irql = vreader_enter(Reader);
    struct card_text text;

    card_text_begin(&text, Reader->Refusal, sizeof Reader->Refusal);
    card_text_add(&text, Why);
    vreader_leave(Reader, irql);
}

NTSTATUS vreader_insert(READER_EXTENSION *Reader, const char *Text, ULONG Length)
{
    struct vreader_slot *slot = NULL;
    const struct card_kind *kind;
    struct card_options options;
    char why[sizeof Reader->Refusal] = "";
    NTSTATUS status = STATUS_INVALID_PARAMETER;
    KIRQL irql = vreader_enter(Reader);
    BOOLEAN present = vreader_present(Reader);

    vreader_leave(Reader, irql);
    if (present) {
        return STATUS_DEVICE_BUSY;
    }
    if (!find_kind(Text, Length, &kind, &options)) {
        refuse(Reader, "there is no such kind of card: try fs, echo, script, vpcd, or cac where its module is");
        return status;
    }
    status = STATUS_INSUFFICIENT_RESOURCES;
    slot = ExAllocatePoolWithTag(NonPagedPool, sizeof *slot, VREADER_TAG);
    if (slot == NULL) {
        goto out;
    }
    /* The two great buffers stay as they are: their pages need not exist before they are used. */
    RtlZeroMemory(slot, FIELD_OFFSET(struct vreader_slot, Command));
    slot->Base.functions = &functions;
    slot->Reader = Reader;
    status = STATUS_INVALID_PARAMETER;
    if (!take_options(slot, &options, why, sizeof why)) {
        goto out;
    }
    if (kind->own_world) {
        slot->World = host_world_begins();
    }
    status = kind->create(&options, &slot->Base, &slot->Card, why, sizeof why);
    if (!NT_SUCCESS(status)) {
        slot->Card = NULL;
        goto out;
    }
    status = install(Reader, slot, status != STATUS_PENDING, &slot);
out:
    destroy(slot); /* what was in the slot before, or what could not go in */
    refuse(Reader, why);
    return status;
}

static struct vreader_slot *take_out(READER_EXTENSION *Reader)
{
    struct vreader_slot *slot = Reader->Slot;

    if (slot != NULL) {
        vreader_depart(Reader, TRUE);
        vreader_continue(Reader, EVENT_DATA);
        slot->Installed = FALSE;
        Reader->Slot = NULL;
    }
    return slot;
}

NTSTATUS vreader_remove(READER_EXTENSION *Reader)
{
    KIRQL irql = vreader_enter(Reader);
    NTSTATUS status = Reader->Slot == NULL || Reader->Slot->Left ? STATUS_NO_MEDIA : STATUS_SUCCESS;
    struct vreader_slot *slot = take_out(Reader);

    vreader_leave(Reader, irql);
    destroy(slot);
    return status;
}

VOID vreader_slot_destroy(READER_EXTENSION *Reader)
{
    KIRQL irql = vreader_enter(Reader);
    struct vreader_slot *slot = take_out(Reader);

    vreader_leave(Reader, irql);
    destroy(slot);
}
