/* SPDX-License-Identifier: MIT */
/* The reader's side of T=1 and what drives it, for its tests. Blocks are written without their LRC. */
#ifndef ISO7816_T1_HOST_KIT_H
#define ISO7816_T1_HOST_KIT_H

#include "iso7816_support.h"
#include "../../src/iso7816/t1.h"

static struct iso7816_t1_host h;
static enum iso7816_t1_action action;
static uint8_t command[600], reply_buffer[600];

static inline void init(uint8_t nad, uint8_t ifsc, uint8_t ifsd_wanted)
{
    const struct iso7816_t1_config config = {.nad = nad, .ifsc = ifsc, .ifsd = 32};

    iso7816_t1_host_init(&h, &config, ifsd_wanted);
}

static inline void start(const char *text, size_t room)
{
    action = iso7816_t1_host_start(&h, command, hex(text, command, sizeof command), reply_buffer, room);
}

/* The card's block, its LRC added, off by `error`. */
static inline void receive_wrong(const char *text, uint8_t error)
{
    uint8_t bytes[300], lrc = error, *copy;
    size_t size = hex(text, bytes, sizeof bytes);

    for (size_t i = 0; i < size; i++)
        lrc ^= bytes[i];
    bytes[size++] = lrc;
    copy = exact(bytes, size);
    assert_int_equal(action, ISO7816_T1_SEND);
    action = iso7816_t1_host_receive(&h, copy, size, true);
    free(copy);
}

static inline void receive(const char *text)
{
    receive_wrong(text, 0);
}

static inline void nothing(void)
{
    assert_int_equal(action, ISO7816_T1_SEND);
    action = iso7816_t1_host_receive(&h, NULL, 0, true);
}

static inline void check_sent(const char *text, const char *file, int line)
{
    uint8_t lrc = 0;

    _assert_int_equal((uintmax_t)action, ISO7816_T1_SEND, file, line);
    for (size_t i = 0; i < h.tx_size; i++)
        lrc ^= h.tx[i];
    _assert_int_equal(lrc, 0, file, line);
    check_bytes(h.tx, h.tx_size - 1, text, file, line);
}

#define expect_sent(text) check_sent(text, __FILE__, __LINE__)
#define expect_reply(text)                                                                                             \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_T1_DONE);                                                                     \
        assert_bytes(h.reply, h.reply_size, text);                                                                     \
    } while (0)
#define expect_error(why)                                                                                              \
    do {                                                                                                               \
        assert_int_equal(action, ISO7816_T1_ERROR);                                                                    \
        assert_int_equal(h.error, why);                                                                                \
    } while (0)

/* After one good exchange: both sequence numbers are 1. */
static inline void begin(void)
{
    init(0, 32, 0);
    start("00 84 00 00 02", 300);
    expect_sent("00 00 05 00 84 00 00 02");
    receive("00 00 04 01 02 90 00");
    expect_reply("01 02 90 00");
}

#endif
