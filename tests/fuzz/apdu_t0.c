/* SPDX-License-Identifier: MIT */
/*
 * APDUs over T=0, the reader's side. Input: the room for the response (two bytes), the length of the command (two
 * bytes) and the command, then replies: a length (two bytes) and that many bytes each. When the input has ended the last reply is
 * given again and again.
 *
 * Every exchange ends; TPDUs are ones that T=0 can carry, ENVELOPEs carry the command and nothing else; the response
 * has no more than Le and no more than there is room for.
 */
#include "fuzz.h"
#include "src/iso7816/apdu.h"

static void look_at_tpdu(const struct iso7816_apdu_t0 *h, const struct exact *command, size_t *enveloped)
{
    struct iso7816_command parsed;

    require(h->tpdu_size >= 4 && h->tpdu_size <= 5 + 255);
    require(h->tpdu_size <= 5 || h->tpdu_size == 5 + (size_t)h->tpdu[4]);
    require(iso7816_command_parse(command->bytes, command->size, &parsed));
    if (parsed.lc > 255 && h->tpdu[1] == 0xC2) {
        size_t size = h->tpdu_size - 5;

        require(*enveloped + size <= command->size);
        require(memcmp(h->tpdu + 5, command->bytes + *enveloped, size) == 0);
        *enveloped += size;
    } else if (h->tpdu_size > 5) {
        require(parsed.lc == h->tpdu[4] && memcmp(h->tpdu + 5, parsed.data, parsed.lc) == 0);
    }
}

static void look_at_response(const struct iso7816_apdu_t0 *h, const struct exact *command)
{
    struct iso7816_command parsed;

    require(h->response_size >= 2 && h->response_size <= h->room);
    require(iso7816_command_parse(command->bytes, command->size, &parsed));
    require(h->response_size - 2 <= (parsed.has_le ? parsed.le : 0));
    touch(h->response, h->response_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct exact response = exact_room(take_number(&in, 1000));
    struct exact command = take_exact(&in, take_number(&in, 2000));
    struct exact reply = exact_room(0);
    struct iso7816_apdu_t0 h;
    enum iso7816_apdu_t0_action action;
    size_t steps = 0, enveloped = 0;

    action = iso7816_apdu_t0_start(&h, command.bytes, command.size, response.bytes, response.size);
    while (action == ISO7816_APDU_T0_SEND) {
        require(++steps <= 4096);
        look_at_tpdu(&h, &command, &enveloped);
        if (in.left) {
            drop(&reply);
            reply = take_exact(&in, take_number(&in, 300));
        }
        action = iso7816_apdu_t0_reply(&h, reply.bytes, reply.size);
        require(h.response_size <= response.size);
    }
    if (action == ISO7816_APDU_T0_DONE)
        look_at_response(&h, &command);
    else
        require(action == ISO7816_APDU_T0_ERROR && h.response_size == 0);
    require(iso7816_apdu_t0_reply(&h, reply.bytes, reply.size) == ISO7816_APDU_T0_ERROR);
    drop(&reply);
    drop(&command);
    drop(&response);
    return 0;
}
