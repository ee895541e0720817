/* SPDX-License-Identifier: MIT */
/* The vendor codes: text in, text out. They come through the library as operations of the reader, or through the panel
 * device at once. */
#include "vreader.h"

static NTSTATUS insert(READER_EXTENSION *Reader, char *Text, ULONG InSize, ULONG OutSize, ULONG *Information)
{
    UNREFERENCED_PARAMETER(OutSize);
    UNREFERENCED_PARAMETER(Information);
    return vreader_insert(Reader, Text, InSize);
}

static NTSTATUS take_out(READER_EXTENSION *Reader, char *Text, ULONG InSize, ULONG OutSize, ULONG *Information)
{
    UNREFERENCED_PARAMETER(Text);
    UNREFERENCED_PARAMETER(InSize);
    UNREFERENCED_PARAMETER(OutSize);
    UNREFERENCED_PARAMETER(Information);
    return vreader_remove(Reader);
}

static NTSTATUS fault(READER_EXTENSION *Reader, char *Text, ULONG InSize, ULONG OutSize, ULONG *Information)
{
    KIRQL irql = vreader_enter(Reader);
    struct card_text why;
    NTSTATUS status;

    UNREFERENCED_PARAMETER(OutSize);
    UNREFERENCED_PARAMETER(Information);
    card_text_begin(&why, Reader->Refusal, sizeof Reader->Refusal);
    status = fault_arm(Reader, Text, InSize, &why);
    vreader_leave(Reader, irql);
    return status;
}

static VOID describe(READER_EXTENSION *Reader, struct card_text *Text)
{
    static const char *const protocols[] = {"T=0", "T=1"};
    const struct vreader_slot *slot = Reader->Slot;
    ULONG selected = slot != NULL && slot->Phase != PHASE_OFF ? slot->Selected : 0;
    char words[128] = "";

    card_text_add(Text, "card=");
    card_text_add(Text, slot != NULL && !slot->Left ? slot->Card->kind->name : "none");
    if (slot != NULL && !slot->Left && !slot->Present) {
        card_text_add(Text, " (away)");
    }
    card_text_add(Text, slot != NULL && slot->Phase != PHASE_OFF ? " power=on" : " power=off");
    card_text_add(Text, " protocol=");
    if (selected == 0) {
        card_text_add(Text, "none");
    } else {
        card_text_add(Text, selected == SCARD_PROTOCOL_RAW ? "raw" : protocols[selected == SCARD_PROTOCOL_T1]);
    }
    if (slot != NULL && slot->Phase == PHASE_PROTOCOL) {
        card_text_add(Text, " rate=");
        card_text_number(Text, iso7816_f(slot->CardFi));
        card_text_add(Text, "/");
        card_text_number(Text, iso7816_d(slot->CardDi));
    }
    card_text_add(Text, " faults=");
    card_text_number(Text, fault_count(Reader));
    if (slot != NULL && !slot->Left && slot->Card->kind->describe != NULL) {
        slot->Card->kind->describe(slot->Card, words, sizeof words);
        words[sizeof words - 1] = '\0';
        card_text_add(Text, " ");
        card_text_add(Text, words);
    }
    card_text_add(Text, "\n");
    if (Reader->Refusal[0] != '\0') {
        card_text_add(Text, "refused: ");
        card_text_add(Text, Reader->Refusal);
        card_text_add(Text, "\n");
    }
}

static NTSTATUS status_line(READER_EXTENSION *Reader, char *Text, ULONG InSize, ULONG OutSize, ULONG *Information)
{
    char buffer[512];
    struct card_text text;
    KIRQL irql;

    UNREFERENCED_PARAMETER(InSize);
    card_text_begin(&text, buffer, sizeof buffer);
    irql = vreader_enter(Reader);
    describe(Reader, &text);
    vreader_leave(Reader, irql);
    if (text.length > OutSize) {
        text.length = OutSize;
    }
    RtlCopyMemory(Text, buffer, text.length);
    *Information = text.length;
    return STATUS_SUCCESS;
}

static const struct {
    ULONG code;
    NTSTATUS (*run)(READER_EXTENSION *, char *, ULONG, ULONG, ULONG *);
} codes[] = {
    {IOCTL_VREADER_INSERT, insert},
    {IOCTL_VREADER_REMOVE, take_out},
    {IOCTL_VREADER_FAULT, fault},
    {IOCTL_VREADER_STATUS, status_line},
};

NTSTATUS vreader_vendor_run(READER_EXTENSION *Reader, ULONG Code, char *Text, ULONG InSize, ULONG OutSize,
                            ULONG *Information)
{
    ULONG i;

    *Information = 0;
    /* Text may come with its NUL, or with the end of its line. */
    while (InSize > 0 && (Text[InSize - 1] == '\0' || Text[InSize - 1] == '\n' || Text[InSize - 1] == '\r')) {
        InSize--;
    }
    for (i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].code == Code) {
            return codes[i].run(Reader, Text, InSize, OutSize, Information);
        }
    }
    return STATUS_INVALID_DEVICE_REQUEST;
}

NTSTATUS vreader_vendor(PSMARTCARD_EXTENSION Smartcard)
{
    static char nothing[1];
    char *text = Smartcard->IoRequest.RequestBuffer != NULL ? (char *)Smartcard->IoRequest.RequestBuffer : nothing;

    return vreader_vendor_run(Smartcard->ReaderExtension, Smartcard->MajorIoControlCode, text,
                              text != nothing ? Smartcard->IoRequest.RequestBufferLength : 0,
                              text != nothing ? Smartcard->IoRequest.ReplyBufferLength : 0,
                              Smartcard->IoRequest.Information);
}
