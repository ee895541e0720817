/* SPDX-License-Identifier: MIT */
/* Coding of command APDUs: ISO/IEC 7816-3:2006, 12.1. What a command means matters only for keeping it secret. */
#include "apdu.h"
#include "bytes.h"

/* INS of commands whose data field holds, or may hold, what nobody else should see (ISO/IEC 7816-4, 7816-11). */
static const uint8_t secret_ins[] = {0x20, 0x21, 0x24, 0x25, 0x26, 0x28, 0x2C, 0x2D,
                                     0x2E, 0x2F, 0x82, 0x86, 0x87, 0xC2, 0xC3};

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] * 256 + bytes[1];
}

/* C5 is not 00: Lc, data, and perhaps Le. */
static bool parse_short(const uint8_t *bytes, size_t size, struct iso7816_command *command)
{
    command->lc = bytes[4];
    command->data = bytes + 5;
    if (size == 5 + (size_t)command->lc) {
        command->kase = 3;
        return true;
    }
    if (size != 6 + (size_t)command->lc)
        return false;
    command->kase = 4;
    command->has_le = true;
    command->le = bytes[size - 1] ? bytes[size - 1] : 256;
    return true;
}

/* C5 is 00 and more follows: C6 C7 are Le, or Lc with data and perhaps Le. */
static bool parse_extended(const uint8_t *bytes, size_t size, struct iso7816_command *command)
{
    uint32_t le;

    command->extended = true;
    if (size < 7)
        return false;
    if (size == 7) {
        command->kase = 2;
        command->has_le = true;
        command->le = big_endian(bytes + 5) ? big_endian(bytes + 5) : 65536;
        return true;
    }
    command->lc = big_endian(bytes + 5);
    command->data = bytes + 7;
    if (command->lc == 0)
        return false;
    if (size == 7 + (size_t)command->lc) {
        command->kase = 3;
        return true;
    }
    if (size != 9 + (size_t)command->lc)
        return false;
    le = big_endian(bytes + size - 2);
    command->kase = 4;
    command->has_le = true;
    command->le = le ? le : 65536;
    return true;
}

bool iso7816_command_parse(const uint8_t *bytes, size_t size, struct iso7816_command *command)
{
    *command = (struct iso7816_command){0};
    //@ assert cleared: command->lc == 0 && command->le == 0 && !command->has_le;
    if (size < 4)
        return false;
    command->cla = bytes[0];
    command->ins = bytes[1];
    command->p1 = bytes[2];
    command->p2 = bytes[3];
    if (size == 4) {
        command->kase = 1;
        return true;
    }
    if (size == 5) {
        command->kase = 2;
        command->has_le = true;
        command->le = bytes[4] ? bytes[4] : 256;
        return true;
    }
    return bytes[4] ? parse_short(bytes, size, command) : parse_extended(bytes, size, command);
}

/* How many bytes a command takes; 0 when its fields contradict each other. */
static size_t coded_size(const struct iso7816_command *command)
{
    const uint32_t most = command->extended ? 65535 : 255;
    const size_t length = command->extended ? 2 : 1;
    size_t size = 4;

    if (command->lc > most || (command->lc && !command->data) ||
        (command->has_le && (command->le == 0 || command->le > most + 1)))
        return 0;
    if (command->extended && (command->lc || command->has_le))
        size += 1;
    if (command->lc)
        size += length + command->lc;
    if (command->has_le)
        size += length;
    return size;
}

/* Lc or Le, in one byte or two; returns how many. */
static size_t put_length(uint8_t *bytes, uint32_t value, bool extended)
{
    if (!extended) {
        bytes[0] = (uint8_t)value;
        return 1;
    }
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
    return 2;
}

size_t iso7816_command_build(const struct iso7816_command *command, uint8_t *bytes, size_t room)
{
    size_t size = coded_size(command), at = 4;

    if (size == 0 || size > room)
        return 0;
    bytes[0] = command->cla;
    bytes[1] = command->ins;
    bytes[2] = command->p1;
    bytes[3] = command->p2;
    if (command->extended && (command->lc || command->has_le))
        bytes[at++] = 0;
    if (command->lc) {
        at += put_length(bytes + at, command->lc, command->extended);
        copy_bytes(bytes + at, command->data, command->lc);
        at += command->lc;
    }
    if (command->has_le)
        put_length(bytes + at, command->le, command->extended);
    return size;
}

bool iso7816_command_is_secret(uint8_t cla, uint8_t ins)
{
    (void)cla; /* proprietary classes use the same INS for the same things (A0 20 of the SIM) */
    /*@ loop unroll 15;
        loop invariant i <= 15;
        loop assigns i;
        loop variant 15 - i; */
    for (size_t i = 0; i < sizeof secret_ins; i++) {
        if (secret_ins[i] == ins)
            return true;
    }
    return false;
}
