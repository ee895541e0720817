/* SPDX-License-Identifier: MIT */
/*
 * Command APDUs. Input: flags (1: build instead of parse; 2: extended; 4: has Le), then the bytes of a command; to
 * build: CLA INS P1 P2, Le in three bytes, the data.
 *
 * Every command that parses is built again byte by byte, and into not one byte less; every command that is built
 * parses to what was meant.
 */
#include "fuzz.h"
#include "src/iso7816/apdu.h"

static void rebuilt(const struct iso7816_command *command, const uint8_t *bytes, size_t size)
{
    struct exact again = exact_room(size), less = exact_room(size - 1);

    require(iso7816_command_build(command, again.bytes, size) == size && memcmp(again.bytes, bytes, size) == 0);
    require(iso7816_command_build(command, less.bytes, size - 1) == 0);
    drop(&less);
    drop(&again);
}

static void parse(const struct exact *bytes)
{
    struct iso7816_command command;

    if (!iso7816_command_parse(bytes->bytes, bytes->size, &command))
        return;
    require(command.kase >= 1 && command.kase <= 4);
    require((command.lc > 0) == (command.kase >= 3) && command.has_le == (command.kase == 2 || command.kase == 4));
    require(command.lc <= (command.extended ? 65535u : 255u));
    require(!command.has_le || (command.le >= 1 && command.le <= (command.extended ? 65536u : 256u)));
    if (command.lc) {
        require(command.data >= bytes->bytes + 5 && command.data + command.lc <= bytes->bytes + bytes->size);
        touch(command.data, command.lc);
    }
    rebuilt(&command, bytes->bytes, bytes->size);
}

static void build(struct input *in, uint8_t flags)
{
    struct iso7816_command command = {.extended = flags & 2, .has_le = flags & 4}, again;
    struct exact data, built = exact_room(ISO7816_COMMAND_MAX);
    size_t size;

    command.cla = take(in);
    command.ins = take(in);
    command.p1 = take(in);
    command.p2 = take(in);
    command.le = (uint32_t)take(in) << 16;
    command.le |= (uint32_t)take_number(in, 65535);
    data = take_exact(in, in->left);
    command.lc = (uint32_t)data.size;
    command.data = data.bytes;
    size = iso7816_command_build(&command, built.bytes, built.size);
    if (size) {
        require(size <= built.size && iso7816_command_parse(built.bytes, size, &again));
        require(again.cla == command.cla && again.ins == command.ins && again.p1 == command.p1);
        require(again.p2 == command.p2 && again.lc == command.lc && again.has_le == command.has_le);
        require(!again.has_le || again.le == command.le);
        require(!again.lc || memcmp(again.data, command.data, again.lc) == 0);
        require(again.extended == (command.extended && (again.lc || again.has_le)));
        rebuilt(&again, built.bytes, size);
    } else {
        require((command.has_le && (command.le == 0 || command.le > (command.extended ? 65536u : 256u))) ||
                command.lc > (command.extended ? 65535u : 255u));
    }
    drop(&data);
    drop(&built);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint8_t flags = take(&in);

    if (flags & 1) {
        build(&in, flags);
    } else {
        struct exact bytes = take_exact(&in, in.left);

        parse(&bytes);
        if (bytes.size >= 2) /* reset retry counter is secret whatever the class, SELECT is not */
            require(iso7816_command_is_secret(bytes.bytes[0], 0x2C) &&
                    !iso7816_command_is_secret(bytes.bytes[0], 0xA4));
        drop(&bytes);
    }
    return 0;
}
