/* SPDX-License-Identifier: MIT */
/*
 * The file system card's own house: files, security state, and the handler of each command. fs.c is the kind and the
 * table of commands, fs_content.c what is on a new card, the others one group of commands each.
 */
#ifndef CARDS_FS_H
#define CARDS_FS_H

#include "card.h"
#include "../iso7816/apdu.h"

#define FS_FILES     24u
#define FS_ARENA     8192u
#define FS_NO_FILE   0xFFu
#define FS_NAME_MAX  16u
#define FS_PIN_MAX   8u
#define FS_PIN_ID    0x01u /* the reference that VERIFY uses */
#define FS_MAX_BLOCK 65536u

enum fs_kind { FS_DF, FS_TRANSPARENT, FS_LINEAR_FIXED, FS_LINEAR_VARIABLE, FS_CYCLIC };
enum fs_access { FS_ALWAYS, FS_AFTER_PIN, FS_NEVER };

struct fs_file {
    USHORT id;
    UCHAR kind;         /* enum fs_kind */
    UCHAR parent;       /* index; the MF is its own parent */
    UCHAR sfi;          /* 1 to 30, 0: none */
    UCHAR read, update; /* enum fs_access */
    UCHAR name_length;
    UCHAR name[FS_NAME_MAX];
    ULONG at, size; /* of its content in the arena */
    /* Record files: each record occupies record_size bytes, preceded by one byte with its length. Cyclic files keep the
     * slot of the newest record, which is number 1. */
    UCHAR record_size, records, records_max, newest;
};

struct fs_card {
    struct card base;
    ULONG delay_ms;
    ULONG random, seed;
    UCHAR tries, tries_left;
    BOOLEAN verified;
    UCHAR pin_length;
    UCHAR pin[FS_PIN_MAX];
    UCHAR df, ef; /* current; ef may be FS_NO_FILE */
    UCHAR record; /* current record's number, 0: none */
    UCHAR file_count;
    ULONG arena_used;
    struct fs_file files[FS_FILES];
    UCHAR arena[FS_ARENA];
};

/* What a handler answers with: data, then the status word that it returns. */
struct fs_reply {
    UCHAR *data;
    ULONG room, length;
};

typedef USHORT fs_handler(struct fs_card *card, const struct iso7816_command *command, struct fs_reply *reply);
fs_handler fs_select, fs_read_binary, fs_update_binary, fs_read_record, fs_update_record, fs_append_record, fs_verify,
    fs_change_pin, fs_get_challenge, fs_get_data;

/* Put the default content on a new card. FALSE: it does not fit, which is a mistake in the table. */
BOOLEAN fs_content(struct fs_card *card);
/* Make the MF current, nothing verified: what a reset does. */
VOID fs_restart(struct fs_card *card);

BOOLEAN fs_allowed(const struct fs_card *card, UCHAR access);
VOID fs_reply_add(struct fs_reply *reply, const UCHAR *bytes, ULONG length);
/* The EF that a command means: by SFI (and makes it current), or the current one. Returns 0x9000 or the error. */
USHORT fs_target(struct fs_card *card, UCHAR sfi, struct fs_file **file);
/* The slot of record `number` (1 ... records): a length byte, then record_size bytes. NULL: there is none. */
UCHAR *fs_record(struct fs_card *card, const struct fs_file *file, ULONG number);

#endif
