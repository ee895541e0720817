/* SPDX-License-Identifier: MIT */
/*
 * The library's T=0, T=1 and raw exchanges with hostile replies. Input: protocol (modulo 3: T=0, T=1, raw), flags (1: CRC;
 * 2: the driver keeps 5 bytes of the request buffer for itself; 4: no S(IFS); 8: two exchanges), IFSC, the room for the
 * output (two bytes), the length of what is sent (two bytes) and that, SCARD_IO_REQUEST left out, then the card's
 * replies: over T=1 as in t1_host.c (NAD 0; 60: the reply buffer's length is a lie), else a length in two bytes and that
 * many bytes. When the input has ended nothing comes.
 *
 * Every exchange ends; blocks that go out are blocks; what the caller gets is no longer than its buffer and begins with
 * its header; the last error is the status.
 */
#include "smclib_reader.h"
#include "t1_blocks.h"

#define HEADER 8u

struct _READER_EXTENSION {
    struct input in;
    struct coming last;
    enum iso7816_edc edc;
    uint8_t flags;
    size_t rounds;
};

/* A reply longer than the buffer: the driver says so, and must not be believed. */
static void reply(SMARTCARD_EXTENSION *ext, const uint8_t *bytes, size_t size)
{
    size_t room = ext->SmartcardReply.BufferSize;

    memset(ext->SmartcardReply.Buffer, 0x5A, room);
    if (size)
        memcpy(ext->SmartcardReply.Buffer, bytes, size < room ? size : room);
    ext->SmartcardReply.BufferLength = (ULONG)size;
}

static void next_reply(SMARTCARD_EXTENSION *ext, struct _READER_EXTENSION *driver)
{
    uint8_t what = take(&driver->in);

    if (what == CALLER) {
        reply(ext, driver->last.bytes.bytes, driver->last.bytes.size);
        ext->SmartcardReply.BufferLength = (ULONG)take_number(&driver->in, 65535);
        return;
    }
    if (what != AGAIN) {
        drop(&driver->last.bytes);
        driver->last = next_block(&driver->in, what, 0, driver->edc);
    }
    reply(ext, driver->last.bytes.bytes, driver->last.bytes.size);
}

static NTSTATUS on_t1(SMARTCARD_EXTENSION *ext)
{
    struct _READER_EXTENSION *driver = ext->ReaderExtension;
    ULONG own = driver->flags & 2 ? 5 : 0;
    NTSTATUS status;

    do {
        require(++driver->rounds <= 100000);
        ext->SmartcardRequest.BufferLength = own;
        status = SmartcardT1Request(ext);
        if (status != STATUS_SUCCESS)
            return status;
        require(ext->SmartcardRequest.BufferLength <= ext->SmartcardRequest.BufferSize);
        is_block(ext->SmartcardRequest.Buffer + own, ext->SmartcardRequest.BufferLength - own, driver->edc, 254);
        next_reply(ext, driver);
        status = SmartcardT1Reply(ext);
        if (status == STATUS_MORE_PROCESSING_REQUIRED)
            require(SmartcardT1Reply(ext) == STATUS_INTERNAL_ERROR); /* nothing is awaited before it is asked for */
    } while (status == STATUS_MORE_PROCESSING_REQUIRED);
    return status;
}

static NTSTATUS on_plain(SMARTCARD_EXTENSION *ext)
{
    struct _READER_EXTENSION *driver = ext->ReaderExtension;
    BOOLEAN raw = ext->CardCapabilities.Protocol.Selected == SCARD_PROTOCOL_RAW;
    struct exact answer;
    NTSTATUS status;

    ext->SmartcardRequest.BufferLength = driver->flags & 2 ? 5 : 0;
    status = raw ? SmartcardRawRequest(ext) : SmartcardT0Request(ext);
    if (status != STATUS_SUCCESS)
        return status;
    require(ext->SmartcardRequest.BufferLength <= ext->SmartcardRequest.BufferSize);
    answer = take_exact(&driver->in, take_number(&driver->in, 400));
    reply(ext, answer.bytes, answer.size);
    drop(&answer);
    return raw ? SmartcardRawReply(ext) : SmartcardT0Reply(ext);
}

static void exchange(SMARTCARD_EXTENSION *ext, const struct exact *command, size_t out)
{
    ULONG protocol = ext->CardCapabilities.Protocol.Selected;
    const SCARD_IO_REQUEST pci = {protocol, HEADER};
    size_t in = HEADER + command->size;
    struct exact buffer = exact_room(in > out ? in : out);
    struct ending ending;

    memcpy(buffer.bytes, &pci, HEADER);
    if (command->size)
        memcpy(buffer.bytes + HEADER, command->bytes, command->size);
    ending = reader_request(ext, IOCTL_SMARTCARD_TRANSMIT, &buffer, in, out);
    require(ext->LastError == (ULONG)ending.status);
    require(ending.information <= out && (ending.status == STATUS_SUCCESS || ending.information == 0));
    if (ending.status == STATUS_SUCCESS && protocol != SCARD_PROTOCOL_RAW) {
        require(ending.information >= HEADER && memcmp(buffer.bytes, &pci, HEADER) == 0);
        touch(buffer.bytes, ending.information);
    }
    drop(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ULONG protocols[] = {SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T1, SCARD_PROTOCOL_RAW};
    static const uint8_t t0[] = {0x3B, 0x00}, t1[] = {0x3B, 0x80, 0x01, 0x81};
    struct _READER_EXTENSION driver = {.last = {.bytes = exact_room(0), .parity_ok = true}};
    SMARTCARD_EXTENSION *ext = reader_up(&driver);
    ULONG protocol;
    size_t out;
    struct exact command;

    driver.in = (struct input){data, size};
    protocol = protocols[take(&driver.in) % 3];
    driver.flags = take(&driver.in);
    driver.edc = driver.flags & 1 ? ISO7816_EDC_CRC_A001 : ISO7816_EDC_LRC;
    ext->ReaderFunction[RDF_TRANSMIT] = protocol == SCARD_PROTOCOL_T1 ? on_t1 : on_plain;
    ext->ReaderCapabilities.CurrentState = SCARD_PRESENT;
    require(reader_atr(ext, protocol == SCARD_PROTOCOL_T1 ? t1 : t0, protocol == SCARD_PROTOCOL_T1 ? 4 : 2) ==
            STATUS_SUCCESS);
    ext->ReaderCapabilities.CurrentState = SCARD_SPECIFIC;
    ext->CardCapabilities.Protocol.Selected = protocol;
    ext->CardCapabilities.T1.EDC = driver.flags & 1;
    ext->CardCapabilities.T1.IFSC = take(&driver.in);
    if (driver.flags & 4)
        ext->T1.State = T1_START;
    out = take_number(&driver.in, 700);
    command = take_exact(&driver.in, take_number(&driver.in, 700));
    exchange(ext, &command, out);
    if (driver.flags & 8)
        exchange(ext, &command, out);
    drop(&command);
    drop(&driver.last.bytes);
    reader_down(ext);
    return 0;
}
