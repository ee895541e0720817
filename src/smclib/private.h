/* SPDX-License-Identifier: MIT */
/*
 * What the library's files share with each other and with nobody else.
 *
 * Whose is the extension? Three kinds of code touch it: queries and tracking requests (any thread, at any time), the one
 * operation that runs or is pended, and the driver. The rules: OsData->SpinLock guards CurrentIrp, NotificationIrp,
 * CurrentState, and while CurrentIrp is NULL also CardCapabilities, IoRequest and the two control codes; once CurrentIrp
 * is set, these belong to that operation alone, and queries answer from the copy below. LastError is atomic.
 */
#ifndef SMCLIB_PRIVATE_H
#define SMCLIB_PRIVATE_H

#include <smartcrd/smclib.h>

#define SMCLIB_TAG 0x6C636D53 /* "Smcl" in memory */

#define SMCLIB_PCI_LENGTH ((ULONG)sizeof(SCARD_IO_REQUEST))

/* What SmartcardInitialize really allocates behind OsData. */
struct smclib_private {
    OS_DEP_DATA os;
    PVOID debug_device_object;    /* where a driver built with DEBUG_INTERFACE sees DebugDeviceObject */
    SCARD_CARD_CAPABILITIES card; /* CardCapabilities when the current operation started. Guarded by SpinLock */
    ULONG state;                  /* CurrentState then. Guarded by SpinLock */
    ULONG request_size;           /* of the buffers, whatever becomes of BufferSize */
    ULONG reply_size;
    /* The rest is the current operation's. */
    ULONG t1_blocks;         /* blocks received in this exchange */
    ULONG t1_reply_size;     /* of T1.ReplyData */
    BOOLEAN t1_new_exchange; /* a TRANSMIT has begun, and SmartcardT1Request has not been called yet */
    BOOLEAN t1_out_of_step;  /* the last exchange failed: start the next one with RESYNCH */
    BOOLEAN secret;          /* the command's data is nobody else's business (iso7816_command_is_secret) */
};

_Static_assert(offsetof(struct smclib_private, debug_device_object) == sizeof(OS_DEP_DATA), "see OS_DEP_DATA");

static __inline struct smclib_private *smclib_private(PSMARTCARD_EXTENSION ext)
{
    return (struct smclib_private *)(void *)ext->OsData;
}

/* The IRP to tell the journal about. Called by the current operation's owner only, so no lock is needed. */
static __inline PIRP smclib_irp(PSMARTCARD_EXTENSION ext)
{
    return ext->OsData->CurrentIrp;
}

/* Acquire: whoever sees a value also sees what was written before it was stored. */
static __inline ULONG smclib_load(volatile ULONG *cell)
{
    return __atomic_load_n(cell, __ATOMIC_ACQUIRE);
}

/* One request, as the dispatcher hands it to the handlers of its table. */
struct smclib_request {
    PSMARTCARD_EXTENSION ext;
    PIRP irp;
    PUCHAR buffer; /* input and output */
    ULONG in;
    ULONG out;
    ULONG code;
    ULONG minor;
};

/* attribute.c: GET_ATTRIBUTE of the tag request->minor. SpinLock not held. */
NTSTATUS smclib_get_attribute(const struct smclib_request *request);

/* capabilities.c: SmartcardUpdateCardCapabilities; with keep_absent the state is not touched when the card has left. */
NTSTATUS smclib_update_card_capabilities(PSMARTCARD_EXTENSION ext, BOOLEAN keep_absent);

/* capabilities.c: zero CardCapabilities, but for the pointers to the rate tables. No lock is taken. */
void smclib_clear_card(PSMARTCARD_EXTENSION ext);

/* pts.c: fill card->PtsData by its Type, Fl, Dl and N, and what the reader can do (smclib.md 5.2). */
void smclib_pts(const SCARD_READER_CAPABILITIES *reader, PSCARD_CARD_CAPABILITIES card);

/* memory.c */
PVOID smclib_allocate(SIZE_T size);     /* zeroed; NULL when there is no memory */
void smclib_free(PVOID p, SIZE_T size); /* wiped first; p may be NULL */
void smclib_wipe(PVOID p, SIZE_T size); /* in a way that compilers keep */

/*
 * buffer.c: where the APDU is in the current request: behind SCARD_IO_REQUEST, whose cbPciLength must not be less than
 * the structure's size nor more than the input. FALSE when it is. The library of Windows was not seen to check; what it
 * would send otherwise is not the caller's APDU.
 */
BOOLEAN smclib_apdu(PSMARTCARD_EXTENSION ext, PUCHAR *apdu, ULONG *length);

/* buffer.c: give `length` bytes to the caller behind an SCARD_IO_REQUEST. data may not overlap the reply buffer.
 * STATUS_SUCCESS and Information, or STATUS_BUFFER_TOO_SMALL. */
NTSTATUS smclib_reply(PSMARTCARD_EXTENSION ext, ULONG protocol, const UCHAR *data, ULONG length);

/* buffer.c: the exchange is over. When its command carried secrets, wipe the driver's two buffers: the library's own
 * copies, and what the driver has received. Called where the library sees an end; the one that a driver gives to a
 * pended operation by itself is seen when the next operation begins. */
void smclib_exchange_over(PSMARTCARD_EXTENSION ext);

/* t1.c: free what an exchange left behind. */
void smclib_t1_drop_reply(PSMARTCARD_EXTENSION ext);

#endif
