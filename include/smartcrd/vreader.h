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
 * card's own; warm=HEX, its answer to a warm reset; crc=microsoft|iso, the CRC it speaks over T=1;
 * pps=agree|default|mute and fastest=F/D, how it takes PPS and up to which rate. smartcrd-vreader(7) describes them all.
 * No output; why a text was refused is the second line of IOCTL_VREADER_STATUS.
 *   STATUS_INVALID_PARAMETER  no such kind, a wrong option, or a wrong body
 *   STATUS_DEVICE_BUSY        there is a card already
 */
#define IOCTL_VREADER_INSERT SCARD_CTL_CODE(2048)

/* Take the card out. No input, no output. STATUS_NO_MEDIA: there is none. */
#define IOCTL_VREADER_REMOVE SCARD_CTL_CODE(2049)

/*
 * Arm a fault. Input: NAME OPTION=VALUE ...
 *   none                   disarm everything
 * of an exchange:
 *   mute                   the card does not answer
 *   remove when=before|during|after [byte=N] [to=card|reader]   the card leaves before, at character N of, or after an
 *                          exchange; with to= only the characters of that direction count
 *   wtx                    the card asks for waiting time (S(WTX), NULL) until the exchange ends in another way
 *   late ms=N|us=N         the answer starts so much later, without a request for more time
 * of what passes on the line; all take [to=card|reader] [on=exchange|atr|pps]:
 *   edc byte=N             byte N of a T=1 block, an answer to reset or a PPS block is wrong, so its check does not fit
 *   parity byte=N          character N arrives with a parity error
 *   alter byte=N xor=HH|value=HH [edc=mend|leave]   byte N is another one; the check character is made to fit
 *   replace hex=HH... [edc=mend|leave]   these bytes instead of the block; a fitting check is appended
 *   cut byte=N             character N and what follows does not come
 *   extra hex=HH... [byte=N]   these come too, before character N, or behind the last
 *   delay byte=N us=N|ms=N     character N comes so much later than the one before it
 *   duplicate              the block comes a second time, in place of the next one that way
 * and for all but `none`: count=N (how often; default 1, 0 for ever), skip=N (how many to leave alone first). No option
 * twice; us or ms, not both.
 * An exchange is one operation that talks to the card: a reset, a SET_PROTOCOL with PPS, a TRANSMIT; the faults of an
 * exchange count in exchanges, those of the line in blocks (T=1, answers to reset, PPS); over T=0 they count how often
 * character N passes, once an exchange, for parity with its repetitions. Bytes are counted from 0: over T=0 in the
 * exchange and direction, in `remove` in the exchange, else in the block. A byte beyond the end of a block means its
 * last. edc, replace and duplicate need a block, so T=0 characters pass them by. to=reader and on=exchange are the
 * defaults; answers to reset go to the reader only.
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
