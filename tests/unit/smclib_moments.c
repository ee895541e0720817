/* SPDX-License-Identifier: MIT */
/*
 * What the library does when something happens at the worst moment: memory runs out at any of its allocations, the card
 * leaves between two looks at the state. The kernel's routines are wrapped for that (see meson.build).
 */
#include "smclib_t1_support.h"

static unsigned allocations, frees; /* of this test so far */
static unsigned fail_at;            /* which allocation fails, from 1; 0: none */

static unsigned links_tried; /* while every name of a link is taken */
static NTSTATUS links_taken; /* what says so; STATUS_SUCCESS: they are free */

/* What happens before the spin lock is taken for the countdown-th time. */
static unsigned countdown;
static void (*moment)(void);

PVOID __real_ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag);
PVOID __wrap_ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag);
VOID __real_ExFreePoolWithTag(PVOID memory, ULONG tag);
VOID __wrap_ExFreePoolWithTag(PVOID memory, ULONG tag);
PIRP __real_IoAllocateIrp(CCHAR stack, BOOLEAN charge);
PIRP __wrap_IoAllocateIrp(CCHAR stack, BOOLEAN charge);
VOID __real_IoFreeIrp(PIRP freed);
VOID __wrap_IoFreeIrp(PIRP freed);
PVOID __wrap_IoAllocateErrorLogEntry(PVOID object, UCHAR size);
NTSTATUS __real_IoCreateSymbolicLink(PUNICODE_STRING link, PUNICODE_STRING device);
NTSTATUS __wrap_IoCreateSymbolicLink(PUNICODE_STRING link, PUNICODE_STRING device);
KIRQL __real_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK lock);
KIRQL __wrap_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK lock);

static BOOLEAN fails(void)
{
    return ++allocations == fail_at;
}

PVOID __wrap_ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T size, ULONG tag)
{
    return fails() ? NULL : __real_ExAllocatePoolWithTag(type, size, tag);
}

VOID __wrap_ExFreePoolWithTag(PVOID memory, ULONG tag)
{
    frees++;
    __real_ExFreePoolWithTag(memory, tag);
}

PIRP __wrap_IoAllocateIrp(CCHAR stack, BOOLEAN charge)
{
    return fails() ? NULL : __real_IoAllocateIrp(stack, charge);
}

VOID __wrap_IoFreeIrp(PIRP freed)
{
    frees++;
    __real_IoFreeIrp(freed);
}

PVOID __wrap_IoAllocateErrorLogEntry(PVOID object, UCHAR size)
{
    UNREFERENCED_PARAMETER(object);
    UNREFERENCED_PARAMETER(size);
    return NULL;
}

NTSTATUS __wrap_IoCreateSymbolicLink(PUNICODE_STRING link, PUNICODE_STRING device)
{
    links_tried++;
    return links_taken != STATUS_SUCCESS ? links_taken : __real_IoCreateSymbolicLink(link, device);
}

KIRQL __wrap_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK lock)
{
    if (countdown != 0 && --countdown == 0) {
        moment();
    }
    return __real_KeAcquireSpinLockRaiseToDpc(lock);
}

static void fail_allocation(unsigned which)
{
    allocations = 0;
    frees = 0;
    fail_at = which;
}

static int quiet(void **unused)
{
    fail_allocation(0);
    countdown = 0;
    links_taken = STATUS_SUCCESS;
    return down(unused);
}

/* ---- no memory --------------------------------------------------------------------------------------------------- */

static void a_reader_without_memory_is_not_initialized_and_keeps_nothing(void **unused)
{
    SMARTCARD_EXTENSION ext;

    (void)unused;
    for (unsigned which = 1; which <= 3; which++) {
        memset(&ext, 0, sizeof(ext));
        ext.Version = SMCLIB_VERSION;
        fail_allocation(which);
        assert_int_equal(SmartcardInitialize(&ext), STATUS_INSUFFICIENT_RESOURCES);
        assert_int_equal(allocations, 3);
        assert_int_equal(frees, 2); /* the two that were given */
        assert_null(ext.OsData);
        assert_null(ext.SmartcardRequest.Buffer);
        assert_null(ext.SmartcardReply.Buffer);
        SmartcardExit(&ext); /* nothing to do */
        assert_int_equal(frees, 2);
    }
}

static void a_link_without_memory_is_empty(void **unused)
{
    UNICODE_STRING link = {.Length = 7}, device;

    (void)unused;
    RtlInitUnicodeString(&device, L"\\Device\\Reader");
    fail_allocation(1);
    assert_int_equal(SmartcardCreateLink(&link, &device), STATUS_INSUFFICIENT_RESOURCES);
    assert_null(link.Buffer);
    assert_int_equal(link.Length, 0);
    assert_int_equal(link.MaximumLength, 0);
}

/* SCReader0 to SCReader9999. */
static void try_all_links(NTSTATUS taken)
{
    UNICODE_STRING link, device;

    RtlInitUnicodeString(&device, L"\\Device\\Reader");
    fail_allocation(0);
    links_taken = taken;
    links_tried = 0;
    assert_int_equal(SmartcardCreateLink(&link, &device), taken);
    assert_int_equal(links_tried, 10000);
    assert_null(link.Buffer);
    assert_int_equal(link.Length, 0);
    assert_int_equal(frees, 1);
}

static void when_all_names_of_links_are_taken_there_is_none(void **unused)
{
    (void)unused;
    try_all_links(STATUS_OBJECT_NAME_COLLISION);
}

/* docs/quirks.md: Wine's status for a name that leads to a device. */
static void a_name_that_is_something_else_is_taken_too(void **unused)
{
    (void)unused;
    try_all_links(STATUS_OBJECT_TYPE_MISMATCH);
}

static void a_message_without_memory_is_dropped(void **unused)
{
    (void)unused;
    SmartcardLogError(NULL, STATUS_IO_TIMEOUT, NULL, 1);
}

static void vxd_form_without_memory_fails_and_keeps_nothing(void **unused)
{
    ULONG in[3] = {SCARD_ATTR_MAX_IFSD}, out = 0x77777777, returned = 99;
    DIOCPARAMETERS params = {.dwIoControlCode = IOCTL_SMARTCARD_GET_ATTRIBUTE, .cbInBuffer = 12, .cbOutBuffer = 4};

    (void)unused;
    params.lpvInBuffer = in;
    params.lpvOutBuffer = &out;
    params.lpcbBytesReturned = &returned;
    for (unsigned which = 1; which <= 2; which++) { /* the IRP, the buffer */
        fail_allocation(which);
        assert_int_equal(smartcrd_device_control_vxd(&reader->ext, &params), STATUS_INSUFFICIENT_RESOURCES);
        assert_int_equal(frees, 1);
        assert_int_equal(returned, 0);
        assert_int_equal(out, 0x77777777);
        returned = 99;
    }
    /* The longer of both buffers decides how much is needed: here the input's. */
    fail_allocation(0);
    assert_int_equal(smartcrd_device_control_vxd(&reader->ext, &params), STATUS_SUCCESS);
    assert_int_equal(returned, 4);
    assert_int_equal(out, 254);
}

static void a_chain_without_memory_ends_and_the_next_exchange_resynchronises(void **unused)
{
    (void)unused;
    apdu(select_mf, 4, 64);
    SENDS(0x00, 0x00, 0x04, 0x00, 0xA4, 0x00, 0x00, 0xA0);
    fail_allocation(1);
    GETS(STATUS_INSUFFICIENT_RESOURCES, 0x00, 0x20, 0x02, 0x11, 0x22, 0x11); /* more follows, and must be kept */
    fail_allocation(0);
    assert_int_equal(irp.IoStatus.Information, 0);
    apdu(select_mf, 4, 64);
    SENDS(0x00, 0xC0, 0x00, 0xC0);
}

/* ---- the card leaves --------------------------------------------------------------------------------------------- */

static void card_leaves(void)
{
    reader->ext.ReaderCapabilities.CurrentState = SCARD_ABSENT;
}

/* SET_PROTOCOL takes the lock: to publish the request, for the table's check of the state, for its own, to set the
 * state, to show the evaluated ATR. */
static NTSTATUS set_protocol_and_the_card_leaves_at(unsigned lock, ULONG mask)
{
    reader->ext.ReaderCapabilities.CurrentState = SCARD_NEGOTIABLE;
    countdown = lock;
    moment = card_leaves;
    return send_ulong(reader, IOCTL_SMARTCARD_SET_PROTOCOL, mask, 4);
}

static void a_card_that_leaves_during_set_protocol_is_not_brought_back(void **unused)
{
    (void)unused;
    assert_int_equal(set_protocol_and_the_card_leaves_at(2, SCARD_PROTOCOL_T1), STATUS_INVALID_DEVICE_STATE);
    assert_int_equal(state_of(reader), SCARD_ABSENT);
    assert_int_equal(set_protocol_and_the_card_leaves_at(4, SCARD_PROTOCOL_T1), STATUS_INVALID_DEVICE_STATE);
    assert_int_equal(state_of(reader), SCARD_ABSENT);
    assert_int_equal(reader->seen.calls[RDF_SET_PROTOCOL], 0);
    /* Later than that the driver finds out; the evaluation must not say that there is a card. */
    reader->seen.answer[RDF_SET_PROTOCOL] = STATUS_NO_MEDIA;
    assert_int_equal(set_protocol_and_the_card_leaves_at(5, SCARD_PROTOCOL_T1), STATUS_NO_MEDIA);
    assert_int_equal(reader->seen.calls[RDF_SET_PROTOCOL], 1);
    assert_int_equal(reader->seen.state, SCARD_ABSENT);
    assert_int_equal(state_of(reader), SCARD_ABSENT);
}

static void a_refused_protocol_does_not_bring_back_a_card_that_left(void **unused)
{
    (void)unused;
    assert_int_equal(set_protocol_and_the_card_leaves_at(6, SCARD_PROTOCOL_T0), STATUS_NOT_SUPPORTED);
    assert_int_equal(state_of(reader), SCARD_ABSENT);
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, up, quiet)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_reader_without_memory_is_not_initialized_and_keeps_nothing),
        T(a_link_without_memory_is_empty),
        T(when_all_names_of_links_are_taken_there_is_none),
        T(a_name_that_is_something_else_is_taken_too),
        T(a_message_without_memory_is_dropped),
        T(vxd_form_without_memory_fails_and_keeps_nothing),
        T(a_chain_without_memory_ends_and_the_next_exchange_resynchronises),
        T(a_card_that_leaves_during_set_protocol_is_not_brought_back),
        T(a_refused_protocol_does_not_bring_back_a_card_that_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
