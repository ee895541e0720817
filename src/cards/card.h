/* SPDX-License-Identifier: MIT */
/*
 * What sits behind the virtual reader's contacts: a card that takes command APDUs and gives answers. The reader's side
 * of it speaks T=0 or T=1 in the card's name (iso7816's card engines), so a card knows nothing of protocols.
 *
 * Portable: wdm.h types only. Kinds that need an operating system (vpcd, cac) hide it behind this interface.
 *
 * Threads: the reader calls a card's functions one at a time, under its spin lock at DISPATCH_LEVEL; they must not
 * block, and must not call the slot's functions from inside (create and destroy apart: those run at PASSIVE_LEVEL
 * without the lock, and create may let slot->presence be called before it has returned). A card that has threads of its
 * own makes them with PsCreateSystemThread, so that they are inside the host that the reader belongs to, and calls the
 * slot's functions from those, at PASSIVE_LEVEL and holding no lock that its own functions take.
 *
 * A cancelled operation leaves its command behind: reset, power_off or the next command may come before the answer to
 * the one before was given. Whoever answers late answers with the old ticket, and nobody listens.
 */
#ifndef SMARTCRD_CARD_H
#define SMARTCRD_CARD_H

#ifdef _WIN32
#include <wdm.h>
#else
#include <smartcrd/wdm.h>
#endif
#include <smartcrd/winsmcrd.h>

/* The greatest answer: 65536 bytes of data and SW1 SW2. */
#define CARD_MAX_RESPONSE 65538u

struct card; /* each kind begins its own structure with this one */
struct card_slot;

/* What a card may tell the reader by itself. Each kind keeps the slot that `create` gave it. */
struct card_slot_functions {
    /* The answer to a command for which `command` returned STATUS_PENDING, or to a reset likewise (the ATR). status is
     * STATUS_SUCCESS, or STATUS_NO_MEDIA when the card has gone, or STATUS_IO_TIMEOUT to stay mute. Late answers (after
     * a reset, power off or destroy) are ignored by the ticket that was current then. */
    VOID (*answer)(struct card_slot *slot, ULONG ticket, NTSTATUS status, const UCHAR *bytes, ULONG length);
    /* The card is there (TRUE) or has gone (FALSE): a peer connected or hung up. */
    VOID (*presence)(struct card_slot *slot, BOOLEAN present);
};

struct card_slot {
    const struct card_slot_functions *functions;
};

/* Whether a T=0 command's P3 counts bytes to the card or from it. */
enum card_direction { CARD_TO_CARD, CARD_FROM_CARD, CARD_UNKNOWN };

/* The user's words: "kind key=value key=value", a newline, then the body (a script, for instance). Not NUL-terminated;
 * use card_option to look up a key. */
struct card_options {
    const char *line; /* after the kind, up to the newline */
    ULONG line_length;
    const UCHAR *body;
    ULONG body_length;
};

typedef NTSTATUS card_create(const struct card_options *options, struct card_slot *slot, struct card **card, char *why,
                             ULONG why_size);
typedef NTSTATUS card_command(struct card *card, ULONG ticket, const UCHAR *apdu, ULONG apdu_length, UCHAR *response,
                              ULONG *length);

struct card_kind {
    const char *name;
    const char *help; /* one line: what it is and its options */

    /* STATUS_SUCCESS: the card is in. STATUS_PENDING: it comes later, through slot->presence. STATUS_INVALID_PARAMETER:
     * an option is wrong, `why` (size why_size) says which in words. */
    card_create *create;
    /* When it returns, no call of the slot's functions is running and none will come. */
    VOID (*destroy)(struct card *card);
    /* Reset; *length: in 33, out the ATR's length. STATUS_SUCCESS, STATUS_PENDING (answer comes with `ticket`),
     * STATUS_IO_TIMEOUT (mute), STATUS_NO_MEDIA. */
    NTSTATUS (*reset)(struct card *card, BOOLEAN cold, ULONG ticket, UCHAR *atr, ULONG *length);
    VOID (*power_off)(struct card *card); /* may be NULL */
    /* A command APDU. *length: in the room in response (CARD_MAX_RESPONSE), out its length, at least 2.
     * STATUS_SUCCESS, STATUS_PENDING, STATUS_IO_TIMEOUT (mute), STATUS_NO_MEDIA (gone). */
    card_command *command;
    /* For T=0; may be NULL: unknown. header: CLA INS P1 P2 P3. */
    enum card_direction (*direction)(struct card *card, const UCHAR header[5]);
    /* A few words for the status line ("port=35963 peer=none"), NUL-terminated; may be NULL. */
    VOID (*describe)(struct card *card, char *text, ULONG size);
    /* Milliseconds that the answer to the last command takes (a script's `wait`); may be NULL: none. */
    ULONG (*delay_ms)(struct card *card);
    /* It has threads or a peer that the host knows nothing of (host_world_begins): real time counts while it is in. */
    BOOLEAN own_world;
};

struct card {
    const struct card_kind *kind;
};

/* Look a kind up by name: the ones linked in (echo, fs, script, and vpcd on POSIX), then, on POSIX, a module
 * smartcrd-card-NAME.so that exports `const struct card_kind smartcrd_card`. NULL: there is none. */
const struct card_kind *card_kind_find(const char *name, ULONG name_length);

/* Walk the kinds that are linked in. NULL ends it. */
const struct card_kind *card_kind_at(ULONG index);

/* Find key=value in an option line; values may be "quoted". FALSE: not there. *value is not NUL-terminated. */
BOOLEAN card_option(const struct card_options *options, const char *key, const char **value, ULONG *length);

/* The same as a NUL-terminated text of at most size bytes, `otherwise` when the key is not there. FALSE: it does not fit or
 * holds a NUL. */
BOOLEAN card_option_text(const struct card_options *options, const char *key, const char *otherwise, char *text,
                         ULONG size);

/* Whether these characters are this word. */
BOOLEAN card_word_is(const char *text, ULONG length, const char *word);

/* Parse hex digits, spaces and colons allowed, into at most *length bytes; *length receives how many. FALSE: bad. */
BOOLEAN card_hex(const char *text, ULONG text_length, UCHAR *bytes, ULONG *length);

/* Parse a number, decimal or 0x hexadecimal, of at most max. FALSE: bad. */
BOOLEAN card_number(const char *text, ULONG text_length, ULONG max, ULONG *number);

/* Whether every key of the line is one of `keys` (ended by NULL) or one of the reader's own (atr, crc,
 * fastest, pps, warm), and comes once. FALSE: `why` says which does not. */
BOOLEAN card_options_known(const struct card_options *options, const char *const *keys, char *why, ULONG why_size);

/* Text in a buffer of fixed size: always NUL-terminated, cut where it does not fit. */
struct card_text {
    char *buffer;
    ULONG size, length; /* length without the NUL */
};
VOID card_text_begin(struct card_text *text, char *buffer, ULONG size);
VOID card_text_add(struct card_text *text, const char *words);
VOID card_text_bytes(struct card_text *text, const char *words, ULONG length); /* control characters become '?' */
VOID card_text_number(struct card_text *text, ULONG number);

/* The value of `key` among `words` (ended by NULL): *number is which, and stays as it is without the option. FALSE: it
 * is none of them, and `why` goes on with "KEY wants A, B or C". */
BOOLEAN card_option_word(const struct card_options *options, const char *key, const char *const *words, UCHAR *number,
                         struct card_text *why);

/* Overwrite secrets in a way that compilers keep. */
VOID card_wipe(PVOID memory, SIZE_T size);

/* The usual answer for `direction`: by the instruction byte, as ISO/IEC 7816-4:2013 table 4 gives the commands. */
enum card_direction card_iso_direction(const UCHAR header[5]);

extern const struct card_kind card_echo, card_fs, card_script;

#endif
