/* SPDX-License-Identifier: MIT */
/*
 * What the tests of SmartcardT1Request and SmartcardT1Reply share: an exchange by hand. Every block is written out.
 */
#ifndef SMCLIB_T1_SUPPORT_H
#define SMCLIB_T1_SUPPORT_H

#include "smclib_support.h"

static struct reader *reader;
static IRP irp;
static UCHAR *io; /* the system buffer: request and reply */

#define LINK  (&reader->ext.T1)
#define CARD  (&reader->ext.CardCapabilities)
#define AGAIN STATUS_MORE_PROCESSING_REQUIRED

/* An APDU as TRANSMIT hands it to the driver. */
__attribute__((unused)) static void apdu(const void *bytes, ULONG size, ULONG out)
{
    const SCARD_IO_REQUEST pci = {SCARD_PROTOCOL_T1, 8};
    ULONG room = 8 + size > out ? 8 + size : out;

    free(io);
    io = malloc(room);
    assert_non_null(io);
    memcpy(io, &pci, 8);
    memcpy(io + 8, bytes, size);
    irp.IoStatus.Information = 0;
    reader->ext.IoRequest.Information = (PULONG)(void *)&irp.IoStatus.Information;
    reader->ext.IoRequest.RequestBuffer = io;
    reader->ext.IoRequest.RequestBufferLength = 8 + size;
    reader->ext.IoRequest.ReplyBuffer = io;
    reader->ext.IoRequest.ReplyBufferLength = out;
}

static void expect_block(const void *bytes, ULONG size)
{
    reader->ext.SmartcardRequest.BufferLength = 0;
    assert_int_equal(SmartcardT1Request(&reader->ext), STATUS_SUCCESS);
    assert_int_equal(reader->ext.SmartcardRequest.BufferLength, size);
    assert_memory_equal(reader->ext.SmartcardRequest.Buffer, bytes, size);
}

static NTSTATUS reply_with(const void *bytes, ULONG size)
{
    if (size != 0) {
        memcpy(reader->ext.SmartcardReply.Buffer, bytes, size);
    }
    reader->ext.SmartcardReply.BufferLength = size;
    return SmartcardT1Reply(&reader->ext);
}

#define BYTES(...)           (const UCHAR[]){__VA_ARGS__}, (ULONG)sizeof((const UCHAR[]){__VA_ARGS__})
#define SENDS(...)           expect_block(BYTES(__VA_ARGS__))
#define GETS(status, ...)    assert_int_equal(reply_with(BYTES(__VA_ARGS__)), (status))
#define GETS_NOTHING(status) assert_int_equal(reply_with(NULL, 0), (status))

/* The caller's answer. */
__attribute__((unused)) static void expect_answer(const void *bytes, ULONG size)
{
    assert_int_equal(irp.IoStatus.Information, 8 + size);
    assert_memory_equal(io, "\x02\x00\x00\x00\x08\x00\x00\x00", 8);
    assert_memory_equal(io + 8, bytes, size);
}

static int up(void **unused)
{
    (void)unused;
    reader = full_reader(SCARD_PRESENT);
    memset(&irp, 0, sizeof(irp));
    /* T=1, IFSC 32, LRC, nothing to negotiate */
    assert_int_equal(LOAD_ATR(reader, 0x3B, 0x80, 0x01, 0x81), STATUS_SUCCESS);
    LINK->State = T1_START; /* most tests want no S(IFS) */
    return 0;
}

static int down(void **unused)
{
    (void)unused;
    free_reader(reader);
    free(io);
    io = NULL;
    return 0;
}

static const UCHAR select_mf[] = {0x00, 0xA4, 0x00, 0x00};

#define T(name) cmocka_unit_test_setup_teardown(name, up, down)

#endif
