/* SPDX-License-Identifier: MIT */
/*
 * A model of the reader's hardware, with a card in it that speaks T=0 and T=1, for hosts without ports. The card answers
 * every command with its data, then 90 00. It is called by one operation at a time (the library sees to that), and for
 * the status register by others too; hence one atomic.
 */
#include "reader.h"

#define ROOM 300

static LONG CardIsIn; /* atomic */
static UCHAR Command, Received[ROOM], Answer[3 + ROOM];
static ULONG ReceivedLength, AnswerLength, AnswerAt;
static UCHAR Sequence; /* the card's next N(S), as the PCB's bit */

static const UCHAR Atr[] = {0x3B, 0x80, 0x80, 0x01, 0x01}; /* T=0 and T=1 offered, TCK 01 */

static VOID Say(UCHAR Code, const UCHAR *Data, ULONG Length)
{
    Answer[0] = Code;
    Answer[1] = (UCHAR)Length;
    Answer[2] = (UCHAR)(Length >> 8);
    RtlCopyMemory(Answer + 3, Data, Length);
    AnswerLength = 3 + Length;
    AnswerAt = 0;
}

/* The TPDU's data, or as many zeros as it asks for, and 90 00. */
static ULONG CardAnswers(const UCHAR *Tpdu, ULONG Length, PUCHAR Reply)
{
    ULONG Size = Length > 5 ? Length - 5 : 0;

    RtlCopyMemory(Reply, Tpdu + 5, Size);
    Reply[Size] = 0x90;
    Reply[Size + 1] = 0x00;
    return Size + 2;
}

static VOID Block(UCHAR Pcb, const UCHAR *Inf, ULONG Length)
{
    UCHAR Frame[ROOM];
    ULONG i;

    Frame[0] = 0;
    Frame[1] = Pcb;
    Frame[2] = (UCHAR)Length;
    RtlMoveMemory(Frame + 3, Inf, Length);
    Frame[3 + Length] = 0;
    for (i = 0; i < 3 + Length; i++) {
        Frame[3 + Length] ^= Frame[i];
    }
    Say(0, Frame, 4 + Length);
}

static VOID AnswerT1(VOID)
{
    UCHAR Reply[ROOM];

    if ((Received[1] & 0x80) == 0) {
        Block(Sequence, Reply, CardAnswers(Received + 3, Received[2], Reply));
        Sequence ^= 0x40;
    } else {
        Block(Received[1] | 0x20, Received + 3, Received[2]); /* an S-block's request is granted */
    }
}

static VOID Obey(VOID)
{
    UCHAR Reply[ROOM];

    switch (Command) {
    case COMMAND_RESET:
        Sequence = 0;
        Say(0, Atr, sizeof(Atr));
        break;
    case COMMAND_POWER_OFF:
        Say(0, Atr, 0);
        break;
    case COMMAND_T0:
        Say(0, Reply, CardAnswers(Received, ReceivedLength, Reply));
        break;
    case COMMAND_T1:
        AnswerT1();
        break;
    case COMMAND_TURN:
        (VOID) InterlockedXor(&CardIsIn, 1);
        Say(0, Atr, 0);
        break;
    default:
        Say(5, Atr, 0);
        break;
    }
}

static UCHAR ModelRead(PVOID Context, PUCHAR Port)
{
    UNREFERENCED_PARAMETER(Context);
    if ((ULONG_PTR)Port == PORT_BASE + PORT_STATUS) {
        return (UCHAR)(InterlockedOr(&CardIsIn, 0) | (AnswerAt < AnswerLength ? STATUS_BIT_READY : 0));
    }
    return AnswerAt < AnswerLength ? Answer[AnswerAt++] : 0;
}

static VOID ModelWrite(PVOID Context, PUCHAR Port, UCHAR Value)
{
    static UCHAR Head[2];
    static ULONG Seen;

    UNREFERENCED_PARAMETER(Context);
    if ((ULONG_PTR)Port == PORT_BASE + PORT_COMMAND) {
        Command = Value;
        Seen = ReceivedLength = AnswerLength = AnswerAt = 0;
        return;
    }
    if (Seen < 2) {
        Head[Seen] = Value;
    } else if (ReceivedLength < ROOM) {
        Received[ReceivedLength++] = Value;
    }
    Seen++;
    if (Seen >= 2 && ReceivedLength == (ULONG)(Head[0] | Head[1] << 8)) {
        Obey();
    }
}

VOID ModelPlugIn(VOID)
{
    static const struct host_ports Ports = {ModelRead, ModelWrite, NULL};

    CardIsIn = 1;
    host_offer_ports(&Ports);
}

VOID ModelPullOut(VOID)
{
    host_offer_ports(NULL);
}
