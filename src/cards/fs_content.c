/* SPDX-License-Identifier: MIT */
/* What is on a new file system card: one table of files, one of first contents. */
#include "fs.h"

/* Parents come before their children; `parent` is a row's index. */
static const struct fs_file files[] = {
    {.id = 0x3F00, .kind = FS_DF, .parent = 0},
    /* EF.DIR, EF.ATR (ISO/IEC 7816-4:2013, 12.2.1), and a serial number */
    {.id = 0x2F00,
     .kind = FS_LINEAR_VARIABLE,
     .parent = 0,
     .sfi = 30,
     .update = FS_NEVER,
     .record_size = 40,
     .records_max = 4},
    {.id = 0x2F01, .kind = FS_TRANSPARENT, .parent = 0, .sfi = 29, .update = FS_NEVER, .size = 16},
    {.id = 0x2F02, .kind = FS_TRANSPARENT, .parent = 0, .sfi = 2, .update = FS_NEVER, .size = 10},
    /* A DF with a file of each structure */
    {.id = 0x7F10,
     .kind = FS_DF,
     .parent = 0,
     .name_length = 10,
     .name = {0xF0, 's', 'm', 'a', 'r', 't', 'c', 'r', 'd', 0x01}},
    {.id = 0x0101, .kind = FS_TRANSPARENT, .parent = 4, .sfi = 1, .size = 32},
    {.id = 0x0102, .kind = FS_LINEAR_FIXED, .parent = 4, .sfi = 2, .record_size = 16, .records_max = 8},
    {.id = 0x0103, .kind = FS_CYCLIC, .parent = 4, .sfi = 3, .record_size = 8, .records_max = 4},
    {.id = 0x0104,
     .kind = FS_TRANSPARENT,
     .parent = 4,
     .sfi = 4,
     .read = FS_AFTER_PIN,
     .update = FS_AFTER_PIN,
     .size = 64},
    {.id = 0x0105, .kind = FS_TRANSPARENT, .parent = 4, .sfi = 5, .size = 4096},
    {.id = 0x0106, .kind = FS_LINEAR_VARIABLE, .parent = 4, .sfi = 6, .record_size = 64, .records_max = 6},
    /* A second DF, with a file of the same identifier */
    {.id = 0x7F20,
     .kind = FS_DF,
     .parent = 0,
     .name_length = 10,
     .name = {0xF0, 's', 'm', 'a', 'r', 't', 'c', 'r', 'd', 0x02}},
    {.id = 0x0101, .kind = FS_TRANSPARENT, .parent = 11, .sfi = 1, .update = FS_AFTER_PIN, .size = 16},
};

/* First contents: record 0 means that the file is transparent. Records come in the order of their numbers. */
static const struct content {
    UCHAR file, record, length;
    UCHAR bytes[24];
} contents[] = {
    {1, 1, 24, {0x61, 22,   0x4F, 10, 0xF0, 's', 'm', 'a', 'r', 't', 'c', 'r',
                'd',  0x01, 0x50, 8,  's',  'a', 'm', 'p', 'l', 'e', ' ', '1'}},
    {1, 2, 24, {0x61, 22,   0x4F, 10, 0xF0, 's', 'm', 'a', 'r', 't', 'c', 'r',
                'd',  0x02, 0x50, 8,  's',  'a', 'm', 'p', 'l', 'e', ' ', '2'}},
    /* extended length information: 65535 bytes of data either way (7F66), card capabilities (47) */
    {2, 0, 16, {0x7F, 0x66, 0x08, 0x02, 0x02, 0xFF, 0xFF, 0x02, 0x02, 0xFF, 0xFF, 0x47, 0x03, 0xB6, 0x21, 0x40}},
    {3, 0, 10, {0x5A, 0x08, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01}},
    {5, 0, 20, {'s', 'm', 'a', 'r', 't', 'c', 'r', 'd', ' ', 's', 'a', 'm', 'p', 'l', 'e', ' ', 'c', 'a', 'r', 'd'}},
    {6, 1, 16, {'A', 'd', 'a', ' ', 'L', 'o', 'v', 'e', 'l', 'a', 'c', 'e', ' ', ' ', ' ', ' '}},
    {6, 2, 16, {'A', 'l', 'a', 'n', ' ', 'T', 'u', 'r', 'i', 'n', 'g', ' ', ' ', ' ', ' ', ' '}},
    {6, 3, 16, {'G', 'r', 'a', 'c', 'e', ' ', 'H', 'o', 'p', 'p', 'e', 'r', ' ', ' ', ' ', ' '}},
    {7, 1, 8, {'e', 'n', 't', 'r', 'y', ' ', '0', '1'}},
    {8, 0, 14, {'b', 'e', 'h', 'i', 'n', 'd', ' ', 't', 'h', 'e', ' ', 'P', 'I', 'N'}},
    {10, 1, 5, {'s', 'h', 'o', 'r', 't'}},
    {12, 0, 6, {'s', 'e', 'c', 'o', 'n', 'd'}},
};

BOOLEAN fs_content(struct fs_card *card)
{
    ULONG i;

    for (i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct fs_file *file = &card->files[i];

        *file = files[i];
        if (file->kind != FS_DF && file->kind != FS_TRANSPARENT) {
            file->size = (ULONG)(file->record_size + 1) * file->records_max;
        }
        if (i >= FS_FILES || file->size > FS_ARENA - card->arena_used) {
            return FALSE;
        }
        file->at = card->arena_used;
        card->arena_used += file->size;
        card->file_count++;
    }
    for (i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        const struct content *content = &contents[i];
        struct fs_file *file = &card->files[content->file];
        UCHAR *to = card->arena + file->at;

        if (content->record > 0) {
            file->records = content->record;
            file->newest = 0;
            to += (ULONG)(content->record - 1) * (ULONG)(file->record_size + 1);
            *to++ = content->length;
        }
        RtlCopyMemory(to, content->bytes, content->length);
    }
    return TRUE;
}
