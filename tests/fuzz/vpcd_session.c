/* SPDX-License-Identifier: MIT */
/*
 * The vpcd protocol against a hostile simulator, without sockets. Input: what happens: 00 to 7F that many bytes arrive
 * from the peer (they follow); 80 to FF the reader asks, by the low three bits: 1 off, 2 cold reset, 3 warm reset, 4 a
 * command of 4 bytes, others as many bytes arrive as the next two bytes say, all 0.
 *
 * An answer comes only while one is awaited, with its ticket, lies within what arrived, and an ATR is no longer than
 * one; what arrives always fits; messages out are framed.
 */
#include "fuzz.h"
#include "src/cards/vpcd_session.h"

struct reader {
    struct vpcd_session *session;
    enum vpcd_request awaited;
    ULONG ticket;
    bool over;
};

static void framed(struct vpcd_session *session)
{
    size_t at = 0;

    while (at < session->out_used) {
        size_t length = (size_t)session->out[at] << 8 | session->out[at + 1];

        require(length > 0 && at + 2 + length <= session->out_used);
        at += 2 + length;
    }
    session->out_sent = session->out_used;
}

static void ask(struct reader *reader, enum vpcd_request request)
{
    static const uint8_t select_mf[] = {0x00, 0xA4, 0x00, 0x00};

    reader->ticket++;
    if (!vpcd_session_request(reader->session, request, reader->ticket, select_mf, sizeof select_mf)) {
        reader->over = true;
        return;
    }
    reader->awaited = request == VPCD_POWER_OFF ? VPCD_NOTHING : request;
    framed(reader->session);
}

static void understand(struct reader *reader)
{
    struct vpcd_answer answer;
    enum vpcd_result result;
    size_t messages = 0;

    while ((result = vpcd_session_next(reader->session, &answer)) != VPCD_MORE) {
        require(++messages <= (VPCD_HEADER + VPCD_MAX) / VPCD_HEADER);
        if (result == VPCD_HANG_UP) {
            reader->over = true;
            return;
        }
        if (result == VPCD_IGNORE)
            continue;
        require(result == VPCD_ANSWER && reader->awaited != VPCD_NOTHING && answer.ticket == reader->ticket);
        if (answer.status == STATUS_SUCCESS) {
            require(answer.length >= 2 && answer.length <= (reader->awaited == VPCD_COMMAND ? VPCD_MAX : 33));
            touch(answer.bytes, answer.length);
        } else {
            require(answer.status == STATUS_IO_TIMEOUT && answer.length == 0);
        }
        reader->awaited = VPCD_NOTHING;
    }
}

static void arrive(struct reader *reader, const uint8_t *bytes, size_t size)
{
    while (size > 0 && !reader->over) {
        size_t room, part;
        uint8_t *at = vpcd_session_room(reader->session, &room);

        require(room >= 1 && at >= reader->session->in && at + room == reader->session->in + VPCD_HEADER + VPCD_MAX);
        part = size < room ? size : room;
        if (bytes != NULL) {
            memcpy(at, bytes, part);
            bytes += part;
        } else {
            memset(at, 0, part);
        }
        vpcd_session_received(reader->session, part);
        understand(reader);
        size -= part;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct reader reader = {.session = malloc(sizeof *reader.session)};

    require(reader.session != NULL);
    vpcd_session_begin(reader.session);
    while (in.left && !reader.over) {
        uint8_t what = take(&in);

        if (what < 0x80) {
            struct exact bytes = take_exact(&in, what);

            arrive(&reader, bytes.bytes, bytes.size);
            drop(&bytes);
        } else if ((what & 7) >= VPCD_POWER_OFF && (what & 7) <= VPCD_COMMAND) {
            ask(&reader, (enum vpcd_request)(what & 7));
        } else {
            arrive(&reader, NULL, take_number(&in, 65535));
        }
    }
    free(reader.session);
    return 0;
}
