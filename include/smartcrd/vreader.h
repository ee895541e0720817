/* SPDX-License-Identifier: MIT */
/*
 * The virtual reader's vendor control codes. All take text (ASCII, no NUL needed) and give text back, so that they work
 * alike from C, from a shell, and on Windows.
 *
 * They can be sent to the reader, where they are operations like any other (they wait for their turn), and to its
 * panel, a second device named like the reader with "-panel" behind it, where they take effect at once, as a hand at
 * the slot would, whatever the reader is doing.
 */
#ifndef SMARTCRD_VREADER_H
#define SMARTCRD_VREADER_H

#include <smartcrd/winsmcrd.h>

/*
 * Insert a card. Input: "KIND OPTION=VALUE ...", then, after a newline, the kind's body (a script's text). Kinds: `fs`,
 * `echo`, `script`, on POSIX `vpcd`, and modules such as `cac`. Options of every kind: atr=HEX instead of the
 * card's own; crc=microsoft|iso, the CRC it speaks over T=1; pps=agree|default|mute. smartcrd-vreader(7) describes them
 * all.
 * No output; why a text was refused is the second line of IOCTL_VREADER_STATUS.
 *   STATUS_INVALID_PARAMETER  no such kind, a wrong option, or a wrong body
 *   STATUS_DEVICE_BUSY        there is a card already
 */
#define IOCTL_VREADER_INSERT SCARD_CTL_CODE(2048)

/* Take the card out. No input, no output. STATUS_NO_MEDIA: there is none. */
#define IOCTL_VREADER_REMOVE SCARD_CTL_CODE(2049)

/*
 * Arm a fault. Input: NAME OPTION=VALUE ...
 *   none                     disarm everything
 *   mute                     the card does not answer
 *   remove when=before|during|after [byte=N]   the card leaves before, at character N of, or after an exchange
 *   edc byte=N [to=card|reader] [on=exchange|atr|pps]     byte N of a T=1 block is wrong, so that its EDC does not
 *                                                         fit; or of an answer to reset, or of a PPS block
 *   parity byte=N [to=card|reader] [on=exchange|atr|pps]  character N arrives with a parity error
 *   wtx                      the card asks for waiting time until the exchange ends in another way
 *   late ms=N                the answer starts N milliseconds late, without a request for more time
 * and for all but `none`: count=N (how often; default 1, 0 for ever), skip=N (how many to leave alone first).
 * An exchange is one operation that talks to the card: a reset, a SET_PROTOCOL with PPS, a TRANSMIT; mute, remove, wtx
 * and late count in exchanges, edc in blocks, parity in blocks (T=1) or character transmissions (T=0, repetitions
 * included; answers to reset and PPS likewise). Bytes are counted from 0: in the block for edc, and for parity over
 * T=1, in answers to reset and PPS; else in the exchange and direction (parity) or in the exchange (remove). A byte
 * beyond the end of the block means its last. to=reader and on=exchange are the defaults; answers to reset go to the
 * reader only.
 * No output; why a text was refused is the second line of IOCTL_VREADER_STATUS.
 *   STATUS_INVALID_PARAMETER       no such fault or option
 *   STATUS_INSUFFICIENT_RESOURCES  eight faults are armed already
 */
#define IOCTL_VREADER_FAULT SCARD_CTL_CODE(2050)

/*
 * Output: a line of text on the slot: "card=KIND|none power=on|off protocol=T=0|T=1|raw|none rate=F/D faults=N", and
 * what the card itself has to say; the rate is the card's, and there while T=0 or T=1 is in force; a second line
 * "refused: REASON" after a text was refused, until one is accepted. Cut to the output's length; no NUL.
 */
#define IOCTL_VREADER_STATUS SCARD_CTL_CODE(2051)

#endif
