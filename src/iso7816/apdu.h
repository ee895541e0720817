/* SPDX-License-Identifier: MIT */
/*
 * Command and response APDUs (ISO/IEC 7816-3:2006, 12.1; ISO/IEC 7816-4:2013, 5.1), and their mapping to T=0 TPDUs on
 * the reader's side (12.2), as a state machine without input or output.
 */
#ifndef ISO7816_APDU_H
#define ISO7816_APDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ISO7816_COMMAND_MAX  (4 + 3 + 65535 + 2)
#define ISO7816_RESPONSE_MAX (65536 + 2)

struct iso7816_command {
    uint8_t cla, ins, p1, p2;
    bool extended;
    bool has_le;
    uint32_t lc;         /* 0: no data */
    uint32_t le;         /* 1 to 65536 when has_le */
    const uint8_t *data; /* into the parsed bytes */
    uint8_t kase;        /* 1 to 4 */
};

/* false: no valid command APDU. CLA FF and INS 6X, 9X, which only T=0 cannot carry, are left to it. */
bool iso7816_command_parse(const uint8_t *bytes, size_t size, struct iso7816_command *command);
/* From cla ... p2, extended, lc, data (outside of `bytes`), has_le and le; `kase` is not looked at. Returns the size, 0
 * when it does not fit in `room` or the fields contradict each other (more than 255 bytes without extended, le 0 with
 * has_le). */
size_t iso7816_command_build(const struct iso7816_command *command, uint8_t *bytes, size_t room);

/* Whether a command's data must not appear in logs, by INS alone: VERIFY (20, 21), CHANGE REFERENCE DATA (24, 25),
 * DISABLE and ENABLE VERIFICATION (26, 28), RESET RETRY COUNTER (2C, 2D), PERFORM BIOMETRIC OPERATION (2E, 2F),
 * EXTERNAL or MUTUAL AUTHENTICATE (82), GENERAL AUTHENTICATE (86, 87), and ENVELOPE (C2, C3), which may carry any of
 * them. */
bool iso7816_command_is_secret(uint8_t cla, uint8_t ins);

enum iso7816_apdu_t0_action {
    ISO7816_APDU_T0_SEND,  /* exchange h->tpdu[0..tpdu_size) and hand the reply to _reply */
    ISO7816_APDU_T0_DONE,  /* the response APDU is in response[0..response_size) */
    ISO7816_APDU_T0_ERROR, /* malformed reply, no room, or too many steps */
};

/*
 * One exchange, as 12.2 maps it: a T=0 TPDU without Le for case 4 and GET RESPONSE after 61XX (and after 9000, when Le
 * asks for data; if that finds nothing, 9000 stands), the same TPDU again with P3 = XX after 6CXX, ENVELOPE for more
 * than 255 bytes of data. What exceeds Le is dropped. TPDUs: 4 bytes for a case 1, 5, or 5 + P3. A reply is data, SW1,
 * SW2. The caller owns command and response, which stay valid until DONE or ERROR and must not overlap.
 */
struct iso7816_apdu_t0 {
    uint8_t tpdu[5 + 255];
    size_t tpdu_size;
    uint8_t *response;
    size_t room, response_size;
    uint32_t steps, steps_max; /* TPDUs so far; how many are borne: _start sets 4096, may be changed after it */
    /* private */
    const uint8_t *bytes;
    size_t size, sent;
    struct iso7816_command command;
    uint32_t ne; /* data bytes wanted, 0 to 65536 */
    uint8_t state;
    bool retried; /* this TPDU has had its 6CXX */
};

enum iso7816_apdu_t0_action iso7816_apdu_t0_start(struct iso7816_apdu_t0 *h, const uint8_t *command, size_t size,
                                                  uint8_t *response, size_t room);
enum iso7816_apdu_t0_action iso7816_apdu_t0_reply(struct iso7816_apdu_t0 *h, const uint8_t *reply, size_t size);

#endif
