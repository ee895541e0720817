/* SPDX-License-Identifier: MIT */
/*
 * The virtual reader's own house. A WDM driver: it uses the kernel's interface, the library, and the protocol engines,
 * and nothing else, so the same source is a Windows driver.
 *
 *   driver.c    entry, making and deleting readers       pnp.c       Plug and Play, power
 *   service.c   on Windows: readers without Plug and Play
 *   dispatch.c  create, close, cleanup, device control
 *   queue.c     whose turn it is                         timer.c, on Windows clock.c  waiting
 *   op.c        the life of an operation                 power.c protocol.c transmit.c  what each operation does
 *   tracking.c  IS_PRESENT and IS_ABSENT                 slot.c      cards come, go, and answer late
 *   wire.c      what goes between reader and card        line.c      how and when its characters arrive
 *   fault.c     what goes wrong on the way               fault_text.c  its words
 *   panel.c     vendor codes, on the reader and beside it
 *
 * An operation is a step function that is called with what happened (start, bytes from the card, silence) under the
 * reader's lock, and returns STATUS_PENDING while it waits for more. It ends inside the callback when the card answers
 * at once; else the request is pended and a timer's DPC, the card's own thread, or the cancel routine goes on with it.
 */
#ifndef VREADER_PRIVATE_H
#define VREADER_PRIVATE_H

#include <smartcrd/smclib.h>
#include <smartcrd/host.h>
#include <smartcrd/vreader.h>

#include "../../cards/card.h"
#include "../../iso7816/apdu.h"
#include "../../iso7816/atr.h"
#include "../../iso7816/edc.h"
#include "../../iso7816/negotiate.h"
#include "../../iso7816/pps.h"
#include "../../iso7816/t0.h"
#include "../../iso7816/t1.h"
#include "../../iso7816/timing.h"

#define VREADER_TAG       0x64725276u
#define VREADER_CLOCK_KHZ 4000u
#define VREADER_FAULTS    8u
#define VREADER_BUFFER    600u /* of the library's request and reply buffers: the longest T=0 TPDU, short raw APDUs */
#define VREADER_MAX_STEPS 400000u /* blocks or characters of one operation; 64 KiB at IFSC = 1 take 131074 */
#define VREADER_ATR_US    (40000u * 1000u / VREADER_CLOCK_KHZ) /* 40 000 clock cycles (ISO/IEC 7816-3:2006, 6.2.2) */
#define VREADER_HEX       32u                                  /* bytes that a fault can bring along */
#define VREADER_LINE      800u /* a T=0 answer of 514 characters, and what eight faults add to it */
#define VREADER_NEVER     0xFFFFFFFFu
#define VREADER_PEER_US   10000000u /* the same for a card that is computing its answer to reset, which is not mute */

/* ---- time -------------------------------------------------------------------------------------------------------- */

struct _READER_EXTENSION;

/* Guarded by the reader's lock. */
struct vreader_timer {
    VOID (*Fired)(struct _READER_EXTENSION *Reader); /* called under the lock */
    BOOLEAN Armed;                                   /* it shall fire */
    ULONG Us;                                        /* of the last setting */
    ULONGLONG Due;                                   /* when, in units of KeQueryPerformanceCounter */
#ifndef _WIN32
    KTIMER Timer;
    KDPC Dpc;
    struct _READER_EXTENSION *Reader;
#endif
};

#ifdef _WIN32
/* What stands for the kernel's timers. Guarded by the reader's lock, the event apart. */
struct vreader_clock {
    KEVENT Changed;
    PVOID Thread; /* written once */
    BOOLEAN Stop;
    ULONGLONG WakesAt; /* without being woken up; 0: it is awake or about to be */
};
#endif

/* ---- faults ------------------------------------------------------------------------------------------------------ */

enum vreader_fault_kind {
    FAULT_NONE, /* a free place */
    /* of exchanges */
    FAULT_MUTE,
    FAULT_REMOVE,
    FAULT_WTX,
    FAULT_LATE,
    /* of what passes on the line */
    FAULT_EDC,
    FAULT_PARITY,
    FAULT_ALTER,
    FAULT_REPLACE,
    FAULT_CUT,
    FAULT_EXTRA,
    FAULT_DELAY,
    FAULT_DUPLICATE,
};
enum vreader_when { WHEN_BEFORE, WHEN_DURING, WHEN_AFTER };
enum vreader_on { ON_EXCHANGE, ON_ATR, ON_PPS };
enum vreader_way { TO_READER, TO_CARD, BOTH_WAYS, WAYS };

struct vreader_fault {
    UCHAR Kind;
    UCHAR When; /* FAULT_REMOVE */
    UCHAR On;   /* enum vreader_on */
    UCHAR Way;  /* enum vreader_way; both ways: FAULT_REMOVE only */
    BOOLEAN Forever;
    BOOLEAN Mend;           /* the check character is made to fit */
    UCHAR And, Xor;         /* FAULT_ALTER: byte = (byte & And) ^ Xor */
    UCHAR Hex[VREADER_HEX]; /* FAULT_REPLACE, FAULT_EXTRA */
    ULONG HexLength;
    ULONG Byte; /* FAULT_EXTRA: VREADER_NEVER for behind the last */
    ULONG Us, Count, Skip;
};

/* What is on the line in one direction: a block, an answer to reset, the characters that T=0 sends in one go. */
struct vreader_line {
    UCHAR Bytes[VREADER_LINE];
    ULONG Size;
    ULONG Real;       /* behind the last one that its sender meant to send */
    BOOLEAN ParityOk; /* FALSE: a character of a block is wrong */
    ULONG StopCount, StopAt;
    struct {
        ULONG At, Us;        /* before character At nothing comes for so long */
    } Stops[VREADER_FAULTS]; /* in the order of At */
};

/* ---- what is in the slot ----------------------------------------------------------------------------------------- */

enum vreader_phase {
    PHASE_OFF,
    PHASE_ATR,      /* the answer to reset went out: PPS, or the first protocol, comes next */
    PHASE_PROTOCOL, /* Protocol is in force */
};

/* How the card answers a PPS request. */
enum vreader_pps { PPS_AGREE, PPS_DEFAULT_RATE, PPS_MUTE };

/* What the card's side is doing. */
enum vreader_doing {
    CARD_IDLE,
    CARD_RUNNING, /* computing an answer; sends S(WTX) or NULL in time */
    CARD_HOLDING, /* has its answer, and is late with it */
};

/* An inserted card: allocated when it comes, guarded by the reader's lock. */
struct vreader_slot {
    struct card_slot Base; /* first: what the card knows us by */
    struct _READER_EXTENSION *Reader;
    struct card *Card;
    PVOID World;       /* of host_world_begins, for cards that have one of their own */
    BOOLEAN Installed; /* it is the reader's slot */
    BOOLEAN Present;   /* the card is there; a peer that hung up is not, and may come back */
    BOOLEAN Left;      /* it was taken by a fault and does not come back */
    BOOLEAN Inverse;   /* the card speaks the inverse convention */
    BOOLEAN Talked;    /* something was said since the ATR, so PPS needs a reset first */
    BOOLEAN Resync;    /* T=1: an exchange was given up; both sides must agree anew */
    BOOLEAN IsoCrc;    /* over T=1 with a CRC the card speaks the standard's, not the library's */
    BOOLEAN Warm;      /* its last reset was a warm one */
    UCHAR PpsAnswer;   /* enum vreader_pps: how it answers; with the two below, what is faster than they say */
    ULONG FastestF;
    ULONG FastestD;                 /* 0: no such limit */
    UCHAR WarmAtr[ISO7816_ATR_MAX]; /* what it answers to a warm reset, when WarmLength is not 0 */
    ULONG WarmLength;
    UCHAR Atr[ISO7816_ATR_MAX]; /* the user's, when AtrLength is not 0 */
    ULONG AtrLength;
    struct iso7816_atr Parsed;
    UCHAR Phase;    /* enum vreader_phase */
    UCHAR Protocol; /* 0 or 1 */
    UCHAR Fi, Di;   /* the reader's rate; meaningful in PHASE_PROTOCOL */
    UCHAR CardFi;   /* the card's rate; when it is another than the reader's, they hear noise */
    UCHAR CardDi;
    ULONG Selected;    /* SCARD_PROTOCOL_..., as the library has it */
    UCHAR Doing;       /* enum vreader_doing */
    BOOLEAN Resetting; /* what runs is a reset */
    BOOLEAN Asked;     /* S(WTX request) is out */
    BOOLEAN Endless;   /* FAULT_WTX has hit: the answer never comes */
    BOOLEAN Ready;     /* the answer has come, but S(WTX response) has not */
    BOOLEAN Raw;       /* the command came without a protocol */
    BOOLEAN NoIfs;     /* the user wants no S(IFS) */
    ULONG Ticket;
    ULONG LeftUs; /* of the time that a delayed answer takes; 0: no telling */
    ULONG LateUs; /* to hold the next answer back; 0: not */
    ULONG ResponseLength;
    struct iso7816_timing Timing; /* by Protocol, Fi, Di */
    /* From the card to the reader: what has been sent and not been taken. */
    const UCHAR *Out;
    ULONG OutSize, OutAt;
    ULONG Arrived;  /* of OutSize; the others come when Line fires */
    BOOLEAN Whole;  /* T=0 characters apart: all of a block has arrived, or what there is of it */
    UCHAR On;       /* enum vreader_on: what it is; of use while InLine */
    BOOLEAN InLine; /* Out is ToReader's, with what faults made of it */
    struct vreader_line ToReader, ToCard;
    UCHAR Stale[ISO7816_T1_BLOCK_MAX]; /* FAULT_DUPLICATE: it takes the place of the next one of its kind */
    ULONG StaleLength;
    UCHAR StaleOn, StaleWay;
    union {
        struct iso7816_t0_card T0;
        struct iso7816_t1_card T1;
    } Engine;
    struct iso7816_t0_host T0Host;
    struct iso7816_negotiate Negotiate; /* the reader's side of SET_PROTOCOL */
    ULONG Secret; /* how much of Command may be of commands that carry secrets and of their answers; 0: nothing */
    UCHAR Pps[ISO7816_PPS_MAX];
    ULONG PpsLength;
    UCHAR Command[ISO7816_COMMAND_MAX + 1];
    UCHAR Response[CARD_MAX_RESPONSE];
};

/* ---- operations -------------------------------------------------------------------------------------------------- */

enum vreader_event { EVENT_START, EVENT_DATA, EVENT_SILENCE };

struct _READER_EXTENSION;
/* STATUS_PENDING: wait for an event (at most Op.WaitUs microseconds); else the operation has ended. */
typedef NTSTATUS vreader_step(struct _READER_EXTENSION *Reader, enum vreader_event Event);

/* The operation that runs. Guarded by the reader's lock. */
struct vreader_op {
    PIRP Irp;           /* NULL: none */
    vreader_step *Step; /* NULL: bound to be ended by its cancel routine */
    BOOLEAN Pended;
    BOOLEAN Lost;   /* the card went while it ran */
    BOOLEAN Mute;   /* a fault for the whole operation */
    BOOLEAN Heard;  /* a byte came from the card */
    BOOLEAN Secret; /* what passes is nobody else's business: all traces go when it has ended */
    UCHAR Stage;    /* the step function's own */
    UCHAR Tries;
    ULONG WaitUs;
    const char *Where, *What; /* what it waits for, for the journal; NULL: what was said last tells more */
    ULONG Which;
    ULONG Blocks; /* T=1: how many came, or should have */
    ULONG Steps;
    ULONG Wire;             /* characters on the wire so far, both ways */
    ULONG ToCard, ToReader; /* characters each way */
    BOOLEAN Cut[2];         /* T=0, by enum vreader_way: nothing comes any more */
    ULONG RemoveAt[WAYS];   /* how many characters that way the card survives; VREADER_NEVER: all */
    BOOLEAN RemoveAfter;
    ULONG Selected; /* SET_PROTOCOL */
};

struct _READER_EXTENSION {
    PSMARTCARD_EXTENSION Smartcard;
    /* Guards everything below, where nothing else is said, and the slot. Taken before OsData->SpinLock, after the cancel
     * lock. */
    KSPIN_LOCK Lock;
    BOOLEAN Removed;
    struct vreader_slot *Slot; /* NULL: nothing was inserted */
    struct vreader_op Op;
    PIRP Tracking;             /* OsData->NotificationIrp once it is set up to be cancelled; NULL: none */
    struct vreader_timer Wait; /* the reader's waiting time */
    struct vreader_timer Pace; /* the card's clock: waiting time requests, delays, lateness */
    struct vreader_timer Line; /* characters that come later than the ones before */
    BOOLEAN TimersUsed;
#ifdef _WIN32
    struct vreader_clock Clock;
#endif
    PIRP FirstEnded, LastEnded; /* whose end has been decided; told by vreader_leave. Linked by DriverContext[0] */
    LIST_ENTRY Queue;           /* operations that wait for their turn, by Tail.Overlay.ListEntry */
    BOOLEAN CallWorker;         /* vreader_leave starts it; it has a share of the remove lock */
    LONG volatile Turn;         /* queue.c; changes without the lock too */
    PIO_WORKITEM Worker;        /* not guarded: it comes and goes with the reader */
    struct vreader_fault Faults[VREADER_FAULTS];
    ULONG Armed;      /* how many of them are */
    char Refusal[96]; /* why the last text was refused */
};
typedef struct _READER_EXTENSION READER_EXTENSION;

/* ---- devices ----------------------------------------------------------------------------------------------------- */

enum vreader_device_kind { VREADER_READER, VREADER_PANEL };

/* Each device extension begins so. */
struct vreader_device {
    UCHAR Kind; /* enum vreader_device_kind */
    ULONG Number;
};

struct vreader_panel {
    struct vreader_device Device;
    KSPIN_LOCK Lock;         /* guards Fdo; a remove lock of the reader may be acquired under it */
    struct vreader_fdo *Fdo; /* NULL: the reader has gone */
};

struct vreader_fdo {
    struct vreader_device Device;
    PDEVICE_OBJECT Self, Lower, PanelObject; /* Lower NULL: not made by AddDevice */
    UNICODE_STRING Interface, Link; /* empty when there is none; Link is the library's SCReader<N>, on Windows */
    BOOLEAN Linked, PanelLinked, LibraryReady;
    SMARTCARD_EXTENSION Smartcard;
    READER_EXTENSION Reader;
};

/* driver.c */

DRIVER_ADD_DEVICE vreader_add_device;
NTSTATUS vreader_create_reader(PDRIVER_OBJECT Driver, PDEVICE_OBJECT *Object);
VOID vreader_delete_reader(struct vreader_fdo *Fdo);
/* Requests may come from now on. */
VOID vreader_ready(struct vreader_fdo *Fdo);
/* service.c, on Windows only: the readers that come and go with the service. */
NTSTATUS vreader_start_service(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath);
VOID vreader_stop_service(PDRIVER_OBJECT Driver);
/* pnp.c */
DRIVER_DISPATCH vreader_pnp, vreader_pass_power, vreader_pass_system_control;
/* The reader goes: end everything on it, and refuse what comes later. */
VOID vreader_gone(READER_EXTENSION *Reader);
/* The same, and wait until nothing of it is at work. PASSIVE_LEVEL; the caller has no share of the remove lock. */
VOID vreader_retire(struct vreader_fdo *Fdo);
/* dispatch.c */
DRIVER_DISPATCH vreader_create_close, vreader_cleanup, vreader_device_control;
/* Hand a request to the library, and give the caller's share of the remove lock back when that has returned: it still
 * uses the reader when the request is pended or has ended. */
NTSTATUS vreader_serve(struct vreader_fdo *Fdo, PIRP Irp);
/* Whether it came through this file; NULL stands for any. */
BOOLEAN vreader_is_of_file(PIRP Irp, PFILE_OBJECT File);
/* The request's file has been closed: what did not wait then must not begin to. Lock held. */
BOOLEAN vreader_file_closed(PIRP Irp);
/* power.c, protocol.c, transmit.c, tracking.c, panel.c: the library's callbacks */
NTSTATUS vreader_power(PSMARTCARD_EXTENSION Smartcard);
NTSTATUS vreader_set_protocol(PSMARTCARD_EXTENSION Smartcard);
/* No power any more, be it because the card's answer to reset is of no use (6.2.2). Returns Status. Lock held. */
NTSTATUS vreader_power_off(READER_EXTENSION *Reader, NTSTATUS Status);
NTSTATUS vreader_transmit(PSMARTCARD_EXTENSION Smartcard);
/* What the reader can do; `config` is for a negotiation with the card that was given, as the library sees it. */
VOID vreader_abilities(const READER_EXTENSION *Reader, struct iso7816_negotiate_config *Config);
/* The card's answer to reset as the reader has received it. FALSE: its structure is not whole. */
BOOLEAN vreader_read_atr(const READER_EXTENSION *Reader, struct iso7816_atr *Atr);
NTSTATUS vreader_tracking(PSMARTCARD_EXTENSION Smartcard);
NTSTATUS vreader_vendor(PSMARTCARD_EXTENSION Smartcard);
/* A vendor code's work; Text holds the input and takes the output. PASSIVE_LEVEL, no lock held. */
NTSTATUS vreader_vendor_run(READER_EXTENSION *Reader, ULONG Code, char *Text, ULONG InSize, ULONG OutSize,
                            ULONG *Information);

/* ---- op.c -------------------------------------------------------------------------------------------------------- */

/* Take the reader's lock; give it back and complete what ended meanwhile. */
KIRQL vreader_enter(READER_EXTENSION *Reader);
VOID vreader_leave(READER_EXTENSION *Reader, KIRQL Irql);

/* Once, before all others. */
VOID vreader_op_init(READER_EXTENSION *Reader);
/* A callback's whole body: run Step on the library's current request. `Callback` may have set up nothing yet. */
NTSTATUS vreader_start(READER_EXTENSION *Reader, vreader_step *Step);
/* Something happened for the operation that runs, if any. Lock held. */
VOID vreader_continue(READER_EXTENSION *Reader, enum vreader_event Event);
/* The same if something has come from the card, or the card has gone. Lock held. */
VOID vreader_look(READER_EXTENSION *Reader);
/* End the operation that runs, if any. Lock held. */
VOID vreader_end_op(READER_EXTENSION *Reader, NTSTATUS Status);
/* A request is going to wait: mark it, and take a share of the remove lock for it, which lasts until it has ended. There is
 * one, because the reader has not gone (vreader_retire). Lock held, Removed FALSE. */
VOID vreader_begin_wait(READER_EXTENSION *Reader, PIRP Irp, PDRIVER_CANCEL Cancel);
/* Remember the end of a pended request until vreader_leave, which gives its share of the remove lock back, too. Stores the
 * last error. Lock held. */
VOID vreader_queue_end(READER_EXTENSION *Reader, PIRP Irp, NTSTATUS Status);
/* What a step returns to wait. If the wait is cut short by a cancel, the journal says "Where: waiting for What Which"
 * (no Which when it is 0; nothing new when Where is NULL). Static strings. */
NTSTATUS vreader_wait(READER_EXTENSION *Reader, ULONGLONG Us, const char *Where, const char *What, ULONG Which);

/* ---- queue.c ----------------------------------------------------------------------------------------------------- */

/* An operation comes. STATUS_SUCCESS: it is its turn. STATUS_PENDING: it waits, and is no longer the caller's.
 * STATUS_DEVICE_REMOVED: there will be no turn. PASSIVE_LEVEL, lock not held; the caller has a share of the remove lock. */
NTSTATUS vreader_take_turn(READER_EXTENSION *Reader, PIRP Irp);
/* The operation has ended: without the lock, the one that was not pended; under it, the one that was. */
VOID vreader_give_turn_back(READER_EXTENSION *Reader);
VOID vreader_pass_turn(READER_EXTENSION *Reader);
/* Only for vreader_leave. */
VOID vreader_call_worker(READER_EXTENSION *Reader);
/* End what waits for its turn (of this file, NULL: of any). Lock held. */
VOID vreader_end_waiting(READER_EXTENSION *Reader, PFILE_OBJECT File, NTSTATUS Status);
/* There are no more turns; what waits for one ends with STATUS_DEVICE_REMOVED. Lock held. */
VOID vreader_close_line(READER_EXTENSION *Reader);
/* Whether that was called. Any time. */
BOOLEAN vreader_is_gone(const READER_EXTENSION *Reader);

/* ---- timer.c, clock.c ----------------------------------------------------------------------------------------------------- */

/* PASSIVE_LEVEL; vreader_timers_delete is due in any case. */
NTSTATUS vreader_timers_create(READER_EXTENSION *Reader);
/* After vreader_retire, PASSIVE_LEVEL. */
VOID vreader_timers_delete(READER_EXTENSION *Reader);
/* Lock held. A timer that is set fires once, not before its time. */
VOID vreader_timer_set(READER_EXTENSION *Reader, struct vreader_timer *Timer, ULONG Us);
VOID vreader_timer_stop(struct vreader_timer *Timer);

/* ---- op.c again: state ------------------------------------------------------------------------------------------- */

ULONG vreader_state(READER_EXTENSION *Reader);
VOID vreader_set_state(READER_EXTENSION *Reader, ULONG State);

/* ---- slot.c ------------------------------------------------------------------------------------------------------ */

/* PASSIVE_LEVEL, lock not held. `text`: "KIND OPTIONS\nBODY". */
NTSTATUS vreader_insert(READER_EXTENSION *Reader, const char *Text, ULONG Length);
NTSTATUS vreader_remove(READER_EXTENSION *Reader);
/* Destroy what is in the slot, when the reader goes. */
VOID vreader_slot_destroy(READER_EXTENSION *Reader);
/* The card leaves by a fault, or its peer does. Lock held. */
VOID vreader_depart(READER_EXTENSION *Reader, BOOLEAN ForGood);
BOOLEAN vreader_present(const READER_EXTENSION *Reader);
/* The state has changed: end the tracking request that waited for it. Lock held. */
VOID vreader_notify(READER_EXTENSION *Reader);
/* End the tracking request, if any (of this file, NULL: of any). Lock held. */
VOID vreader_end_tracking(READER_EXTENSION *Reader, PFILE_OBJECT File, NTSTATUS Status);

/* ---- wire.c, line.c: all with the lock held ---------------------------------------------------------------------- */

/* Reset the card; its ATR comes. *Us: how long to wait for it. */
VOID wire_reset(READER_EXTENSION *Reader, BOOLEAN Cold, ULONG *Us);
VOID wire_power_off(READER_EXTENSION *Reader);
/* Send bytes to the card. */
VOID wire_send(READER_EXTENSION *Reader, const UCHAR *Bytes, ULONG Length);
/* Whether bytes from the card wait to be taken: a T=0 character, or all of anything else. */
BOOLEAN wire_waiting(const READER_EXTENSION *Reader);
/* How long to wait now: Us, or from the first character of a block on the time that may pass between two (CWT). */
ULONG wire_patience(const READER_EXTENSION *Reader, ULONG Us);
/* Nothing came in that time. TRUE: what has come is the block, and waits to be taken. */
BOOLEAN wire_cut_off(READER_EXTENSION *Reader);
/* Line fired: more characters come. */
VOID wire_arrive(READER_EXTENSION *Reader);
/* The check character that the card uses over T=1. */
enum iso7816_edc wire_edc(const struct vreader_slot *Slot);
/* Take what waits (ATR, PPS, raw, a T=1 block); returns how many were put into Buffer, at most Room. What comes behind
 * the end of a block is lost. *ParityOk FALSE: one arrived wrong. */
ULONG wire_take(READER_EXTENSION *Reader, UCHAR *Buffer, ULONG Room, BOOLEAN *ParityOk);
/* T=0: take one character; FALSE in *ParityOk leaves it there to be sent again. */
UCHAR wire_take_character(READER_EXTENSION *Reader, BOOLEAN *ParityOk);
/* PPS has been agreed, or is not needed: the card's engine for the protocol starts. */
VOID wire_protocol(READER_EXTENSION *Reader, UCHAR Protocol, UCHAR Fi, UCHAR Di);
/* The same where the answer to reset leaves nothing to agree on: its only protocol, or its specific mode. */
VOID wire_protocol_of_atr(READER_EXTENSION *Reader);
/* RAW: a command APDU straight to the card; the answer comes as bytes to take. */
VOID wire_raw(READER_EXTENSION *Reader, const UCHAR *Apdu, ULONG Length);
/* Give up what the card is doing, so that the next exchange starts clean. */
VOID wire_abandon(READER_EXTENSION *Reader);
/* An operation with a secret has ended: wipe what it left on both sides. What the card still has to give (a response
 * that waits for GET RESPONSE, a command that comes in several ENVELOPEs) goes with a later one. */
VOID wire_forget(READER_EXTENSION *Reader);
/* The card's clock fired; its own answer came. */
VOID wire_pace(READER_EXTENSION *Reader);
VOID wire_answer(READER_EXTENSION *Reader, NTSTATUS Status, const UCHAR *Bytes, ULONG Length);

/* From the card to the reader; Bytes stay where they are until they are taken. Length 0: what was on the line is gone. */
VOID line_show(struct vreader_slot *Slot, const UCHAR *Bytes, ULONG Length);
VOID line_show_block(READER_EXTENSION *Reader, enum vreader_on On, const UCHAR *Bytes, ULONG Length);
VOID line_show_characters(READER_EXTENSION *Reader, const UCHAR *Bytes, ULONG Length);
VOID line_show_atr(READER_EXTENSION *Reader, const UCHAR *Bytes, ULONG Length);
/* T=0: a disturbed transmission of the card has not been taken to its end. */
BOOLEAN line_busy(const struct vreader_slot *Slot);
/* From the reader to the card: what the card gets, in ToCard. */
const struct vreader_line *line_block_to_card(READER_EXTENSION *Reader, enum vreader_on On, const UCHAR *Block,
                                              ULONG Length);
ULONG line_characters_to_card(READER_EXTENSION *Reader, ULONG First, const UCHAR *Bytes, ULONG Length);

/* ---- fault_text.c, fault.c: all with the lock held --------------------------------------------------------------- */

NTSTATUS fault_arm(READER_EXTENSION *Reader, const char *Text, ULONG Length, struct card_text *Why);
/* An operation that talks to the card begins: faults that count in exchanges take effect. FALSE: the card has gone. */
BOOLEAN fault_exchange(READER_EXTENSION *Reader);
VOID fault_exchange_over(READER_EXTENSION *Reader);
/* Characters pass: FALSE when the card leaves at one of them. */
BOOLEAN fault_pass(READER_EXTENSION *Reader, ULONG Length, BOOLEAN ToCard);
/* Whether what passes on the line must be shown to the two below at all. */
BOOLEAN fault_near(const READER_EXTENSION *Reader);
/* A T=1 block, an ATR or a PPS block passes: spoil it. FALSE: it is as it was. */
BOOLEAN fault_block(READER_EXTENSION *Reader, enum vreader_on On, enum vreader_way Way, struct vreader_line *Line);
/* T=0 characters pass, the first of them being number First of the exchange: the same, parity apart. */
VOID fault_characters(READER_EXTENSION *Reader, enum vreader_way Way, ULONG First, struct vreader_line *Line);
/* A T=0 character passes: TRUE when it arrives with a parity error. */
BOOLEAN fault_parity(READER_EXTENSION *Reader, enum vreader_way Way, ULONG Index);
ULONG fault_count(const READER_EXTENSION *Reader);

#endif
