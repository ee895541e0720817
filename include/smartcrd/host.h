/* SPDX-License-Identifier: MIT */
/*
 * What the POSIX host offers to the library and to drivers beyond wdm.h: it keeps the last error and the journal of a
 * reader, and its time can be simulated. On Windows there is no such host, and every function here does nothing
 * (inline), so that sources that call them build for both.
 *
 * Threads: any, at IRQL <= DISPATCH_LEVEL, while the caller owns the request (before it is completed), unless a function
 * says otherwise.
 */
#ifndef SMARTCRD_HOST_H
#define SMARTCRD_HOST_H

/* The layer that decided how an operation ended. */
enum host_layer {
    HOST_LAYER_HOST,
    HOST_LAYER_LIBRARY,
    HOST_LAYER_PROTOCOL,
    HOST_LAYER_DRIVER,
    HOST_LAYER_TRANSPORT,
    HOST_LAYER_CARD,
};

#ifdef _WIN32

#define HOST_PRINTF(f, a)

static __inline BOOLEAN host_records_last_error(PIRP Irp, volatile ULONG *Cell)
{
    (void)Irp;
    (void)Cell;
    return FALSE;
}
static __inline void host_step(PIRP Irp, enum host_layer Layer, const char *Format, ...)
{
    (void)Irp;
    (void)Layer;
    (void)Format;
}
static __inline void host_count(PIRP Irp, ULONG Retransmissions, ULONG WaitingTimeExtensions)
{
    (void)Irp;
    (void)Retransmissions;
    (void)WaitingTimeExtensions;
}
#define host_call_reader(Irp, Extension, Function, Callback) ((Function)(Extension))
#define host_reader_begins(Extension)                        ((void)(Extension))
#define host_reader_ends(Extension)                          ((void)(Extension))
#define HOST_REMOVE_LOCK_WATCHED                             2
static __inline NTSTATUS host_remove_lock_acquire(PVOID Extension, ULONG Tag)
{
    (void)Extension;
    (void)Tag;
    return STATUS_DELETE_PENDING;
}
#define host_remove_lock_release(Extension, Tag) ((void)(Extension), (void)(Tag))
#define host_remove_lock_wait(Extension)         ((void)(Extension))
static __inline PVOID host_world_begins(VOID)
{
    return NULL;
}
static __inline VOID host_world_ends(PVOID World)
{
    (void)World;
}

#else

#define HOST_PRINTF(f, a) __attribute__((format(printf, f, a)))

/*
 * Ask whether the host itself records how this request ends.
 *
 * Irp   the request; not NULL
 * Cell  SMARTCARD_EXTENSION.LastError of the reader; must stay valid until the reader's device is deleted
 *
 * Returns TRUE when the request came from a client of this host: the host then stores the final status in *Cell just
 * before the request's end becomes visible, and the caller must not store. FALSE: nobody watches, the caller stores.
 * Either way *Cell is from now on the cell in which the host stores the ends that the caller never sees (a request that
 * was cancelled in the queue, say). Cheap enough for every request, queries included.
 *
 * Source: DESIGN section 4.
 */
BOOLEAN host_records_last_error(PIRP Irp, volatile ULONG *Cell);

/*
 * Say in words which step an operation is at, for the journal. Later calls replace earlier ones; at most 95 bytes are
 * kept. Call it when something is worth telling (an error, a retry), not for every byte: a success needs no step.
 * Irp may be NULL (nothing happens). Never pass card data or PINs.
 */
void host_step(PIRP Irp, enum host_layer Layer, const char *Format, ...) HOST_PRINTF(3, 4);

/* Add to the journal's counts of retransmissions and waiting time extensions of this operation. Irp may be NULL. */
void host_count(PIRP Irp, ULONG Retransmissions, ULONG WaitingTimeExtensions);

/*
 * A driver or a card is going to have something at work that the host does not know of: a thread that was not made with
 * PsCreateSystemThread, a peer. Until host_world_ends, which takes what this returned, a clock of simulated time
 * (smartcrd_advance) goes no faster than real time; in real time nothing happens. To be called inside the host, the end
 * on any thread while the host is there; both at PASSIVE_LEVEL, holding no lock.
 */
PVOID host_world_begins(VOID);
VOID host_world_ends(PVOID World);

/*
 * For the library: what a verifier (smartcrd_options.verify) wants to know. When none watches, the first is a call of the
 * function, and the next two do nothing.
 *
 * host_call_reader    call ReaderFunction[Callback] for a request
 * host_reader_begins  SmartcardInitialize has made OsData, nobody knows the reader yet
 * host_reader_ends    SmartcardExit is about to free it
 *
 * A reader that is watched has HOST_REMOVE_LOCK_WATCHED in RemoveLock.Removed and a negative RefCount: the library, which
 * looks at both only to see whether the reader is going, asks the host then. The acquisition returns STATUS_SUCCESS or
 * STATUS_DELETE_PENDING; the wait ends after some seconds even when the lock is never released.
 */
struct _SMARTCARD_EXTENSION;
typedef NTSTATUS host_reader_function(struct _SMARTCARD_EXTENSION *Extension);

NTSTATUS host_call_watched(PIRP Irp, struct _SMARTCARD_EXTENSION *Extension, host_reader_function *Function,
                           ULONG Callback);
FORCEINLINE NTSTATUS host_call_reader(PIRP Irp, struct _SMARTCARD_EXTENSION *Extension, host_reader_function *Function,
                                      ULONG Callback)
{
    if (__builtin_expect(host_cpu.Frame != NULL, 0)) {
        return host_call_watched(Irp, Extension, Function, Callback);
    }
    return Function(Extension);
}
VOID host_reader_begins(struct _SMARTCARD_EXTENSION *Extension);
VOID host_reader_ends(struct _SMARTCARD_EXTENSION *Extension);

#define HOST_REMOVE_LOCK_WATCHED 2
NTSTATUS host_remove_lock_acquire(struct _SMARTCARD_EXTENSION *Extension, ULONG Tag);
VOID host_remove_lock_release(struct _SMARTCARD_EXTENSION *Extension, ULONG Tag);
VOID host_remove_lock_wait(struct _SMARTCARD_EXTENSION *Extension);

/*
 * What answers at the I/O ports. There are none on this host: READ_PORT_UCHAR reads FF, as from ports where nothing is
 * plugged in, and WRITE_PORT_UCHAR changes nothing, so a driver for port hardware builds, loads, and finds no reader.
 * With a model of the hardware it runs: the driver offers one in DriverEntry and takes it away (NULL) in its Unload
 * routine. One model for each host; a later one replaces an earlier one. Not for Windows, where ports are real.
 *
 * Ports  Read and Write are called on the thread and at the IRQL of the driver's call, maybe on several at once; must
 *        stay valid until it is taken away
 *
 * To be called inside the host. Any IRQL.
 */
struct host_ports {
    UCHAR (*Read)(PVOID Context, PUCHAR Port);
    VOID (*Write)(PVOID Context, PUCHAR Port, UCHAR Value);
    PVOID Context;
};
VOID host_offer_ports(const struct host_ports *Ports);

#endif
#endif
