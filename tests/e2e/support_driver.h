/* SPDX-License-Identifier: MIT */
/*
 * A small WDM reader driver whose callbacks a test writes. It is loaded with smartcrd_add_driver (or by the host itself)
 * and hands every control code to SmartcardDeviceControl. Its own callbacks speak for a toy card: ATR 3B 80 80 01 01,
 * every command answered with 90 00, over T=0, T=1 and raw.
 *
 * One plan per process: set test_plan before a reader is added. Readers are found by their number, in order of adding.
 */
#ifndef TESTS_E2E_SUPPORT_DRIVER_H
#define TESTS_E2E_SUPPORT_DRIVER_H

#include <smartcrd/wdm.h>
#include <smartcrd/smclib.h>
#include <smartcrd/host.h>

#define TEST_READERS 8

typedef NTSTATUS test_callback(PSMARTCARD_EXTENSION extension);

struct test_plan {
    test_callback *callbacks[16]; /* by RDF_...; NULL: none, so that the library has nobody to ask */
    ULONG state;                  /* CurrentState of a new reader */
    BOOLEAN never_blocks;         /* sets DO_NEVER_BLOCKS */
};
extern struct test_plan test_plan;
/* Every callback is the toy card's, state SPECIFIC with T=1 selected. */
void test_plan_reset(void);

/* What scripted_vendor is asked to do: the input of its vendor code. */
struct script {
    ULONG status;   /* how the operation shall end */
    ULONG how;      /* SCRIPT_... */
    ULONG stored;   /* what SCRIPT_STORE_FIELD writes into LastError by itself */
    ULONG delay_ms; /* how long it pends or blocks */
};
#define SCRIPT_AT_ONCE      0u     /* return the status */
#define SCRIPT_PEND         1u     /* pend, complete later, store nothing */
#define SCRIPT_STORE_HELPER 2u     /* pend, store the status with smartcrd_store_last_error, complete */
#define SCRIPT_STORE_FIELD  3u     /* pend, write `stored` into the extension, complete */
#define SCRIPT_BLOCK        4u     /* sleep in the callback, until the delay is over or test_release is set */
#define SCRIPT_CANCELLABLE  0x100u /* with the pending ones: there is a cancel routine */
#define IOCTL_TEST_SCRIPT   SCARD_CTL_CODE(2100)

/* Ends the sleep of every SCRIPT_BLOCK. */
extern volatile LONG test_release;
/* How many SCRIPT_BLOCKs are asleep. */
extern volatile LONG test_sleepers;

struct test_reader {
    SMARTCARD_EXTENSION extension; /* first, so that a callback's argument leads here */
    KTIMER timer;                  /* of the pended script, guarded like it by OsData->SpinLock */
    KDPC dpc;
    struct script script;
    PDEVICE_OBJECT device;
    PDEVICE_OBJECT lower;
    UNICODE_STRING interface_name;
    SCARD_CARD_CAPABILITIES capabilities; /* as they were when the reader was made */
};

DRIVER_INITIALIZE TestDriverEntry;
/* The extension of the n-th reader; NULL when there is none. */
struct test_reader *test_reader_at(unsigned number);
/* Put state and capabilities back as they were made, with this state and protocol. */
void test_reader_set(struct test_reader *reader, ULONG state, ULONG selected);

/* The toy card's callbacks. */
test_callback toy_power, toy_set_protocol, toy_transmit, toy_tracking, toy_vendor, toy_success;
/* RDF_IOCTL_VENDOR for scripts, and RDF_TRANSMIT for a script as the command behind the SCARD_IO_REQUEST. */
test_callback scripted_vendor, scripted_transmit;
/* RDF_CARD_TRACKING that pends until it is cancelled, or until test_tracking_end. */
test_callback pending_tracking;
void test_tracking_end(struct test_reader *reader, ULONG state, NTSTATUS status);

#endif
