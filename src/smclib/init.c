/* SPDX-License-Identifier: MIT */
/* A reader's birth and death in the library: smclib.md 2.12, 5.6. */
#include "private.h"

NTSTATUS SmartcardInitialize(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PSMARTCARD_EXTENSION ext = SmartcardExtension;
    struct smclib_private *private = NULL;
    PUCHAR request = NULL;
    PUCHAR reply = NULL;
    ULONG request_size = ext->SmartcardRequest.BufferSize;
    ULONG reply_size = ext->SmartcardReply.BufferSize;
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

    if (ext->Version < SMCLIB_VERSION_REQUIRED || ext->Version > SMCLIB_VERSION) {
        return STATUS_UNSUCCESSFUL;
    }
    request_size = request_size < MIN_BUFFER_SIZE ? MIN_BUFFER_SIZE : request_size;
    reply_size = reply_size < MIN_BUFFER_SIZE ? MIN_BUFFER_SIZE : reply_size;

    private = smclib_allocate(sizeof(*private));
    request = smclib_allocate(request_size);
    reply = smclib_allocate(reply_size);
    if (private == NULL || request == NULL || reply == NULL) {
        goto out;
    }
    KeInitializeMutex(&private->os.Mutex, 0);
    KeInitializeSpinLock(&private->os.SpinLock);
    KeInitializeEvent(&private->os.RemoveLock.RemoveEvent, NotificationEvent, FALSE);
    InitializeListHead(&private->os.RemoveLock.TagList);
    private->os.RemoveLock.RefCount = 1;

    private->request_size = request_size;
    private->reply_size = reply_size;

    ext->OsData = &private->os;
    ext->SmartcardRequest.Buffer = request;
    ext->SmartcardRequest.BufferSize = request_size;
    ext->SmartcardRequest.BufferLength = 0;
    ext->SmartcardReply.Buffer = reply;
    ext->SmartcardReply.BufferSize = reply_size;
    ext->SmartcardReply.BufferLength = 0;
    ext->LastError = (ULONG)STATUS_SUCCESS;
    RtlZeroMemory(&ext->T1, sizeof(ext->T1));
    smclib_clear_card(ext);
    host_reader_begins(ext);
    ext->CardCapabilities.Protocol.Supported = 0; /* RAW only once the card has been forgotten for the first time */
    private = NULL;
    request = NULL;
    reply = NULL;
    status = STATUS_SUCCESS;
out:
    smclib_free(reply, reply_size);
    smclib_free(request, request_size);
    smclib_free(private, sizeof(*private));
    return status;
}

VOID SmartcardExit(PSMARTCARD_EXTENSION SmartcardExtension)
{
    PSMARTCARD_EXTENSION ext = SmartcardExtension;
    struct smclib_private *private = smclib_private(ext);

    if (private == NULL) {
        return;
    }
    host_reader_ends(ext);
    smclib_t1_drop_reply(ext);
    smclib_free(ext->SmartcardRequest.Buffer, private->request_size);
    smclib_free(ext->SmartcardReply.Buffer, private->reply_size);
    smclib_free(private, sizeof(*private));
    ext->SmartcardRequest.Buffer = NULL;
    ext->SmartcardReply.Buffer = NULL;
    ext->OsData = NULL;
}
