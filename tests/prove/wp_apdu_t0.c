/* SPDX-License-Identifier: MIT */
/*
 * WP: command APDUs over T=0. apdu_state is what _start establishes and _reply keeps, so any sequence of replies keeps
 * it. Once the exchange is over, its buffers are not touched any more.
 */
#include "contracts.h"
#include "apdu.h"
#include "apdu_contracts.h"

/* State 5: OVER. */
/*@ predicate apdu_numbers(struct iso7816_apdu_t0 *h) =
        \valid(h) && h->tpdu_size <= 260;
    predicate apdu_between(struct iso7816_apdu_t0 *h) =
        apdu_numbers(h) && 2 <= h->room && h->response_size <= h->room && h->sent <= h->size &&
        h->response_size <= h->ne <= 65536 &&
        \valid(h->response + (0 .. h->room - 1)) && \valid_read(h->bytes + (0 .. h->size - 1)) &&
        \separated(h, h->response + (0 .. h->room - 1)) && \separated(h, h->bytes + (0 .. h->size - 1));
    predicate apdu_state(struct iso7816_apdu_t0 *h) =
        apdu_numbers(h) && h->state <= 5 && (h->state != 5 ==> apdu_between(h));
*/

/*@ assigns \nothing; */
static uint8_t transport_cla(uint8_t cla);
/*@ requires \valid(h) && h->tpdu_size <= 260;
    assigns h->state, h->response_size;
    ensures apdu_state(h) && h->state == 5 && \result == ISO7816_APDU_T0_ERROR;
*/
static enum iso7816_apdu_t0_action fail(struct iso7816_apdu_t0 *h);
/*@ requires apdu_between(h) && state <= 4 && size <= 260;
    assigns h->steps, h->state, h->tpdu_size, h->response_size;
    ensures apdu_state(h) && (\result == ISO7816_APDU_T0_SEND ==> h->state == state);
*/
static enum iso7816_apdu_t0_action send(struct iso7816_apdu_t0 *h, uint8_t state, size_t size);
/*@ requires apdu_between(h) && state <= 4;
    assigns h->tpdu[0 .. 4], h->retried, h->steps, h->state, h->tpdu_size, h->response_size;
    ensures apdu_state(h) && (\result == ISO7816_APDU_T0_SEND ==> h->state == state);
*/
static enum iso7816_apdu_t0_action send_transport(struct iso7816_apdu_t0 *h, uint8_t state, uint8_t ins, uint8_t p3);
/*@ requires apdu_between(h);
    assigns *h;
    ensures apdu_state(h);
*/
static enum iso7816_apdu_t0_action send_segment(struct iso7816_apdu_t0 *h);
/*@ requires apdu_between(h) && state <= 4;
    assigns *h;
    ensures apdu_state(h);
*/
static enum iso7816_apdu_t0_action get_response(struct iso7816_apdu_t0 *h, uint8_t state, uint32_t available);
/*@ requires apdu_between(h);
    assigns h->response_size, h->state, h->response[0 .. h->room - 1];
    ensures apdu_state(h);
*/
static enum iso7816_apdu_t0_action done(struct iso7816_apdu_t0 *h, uint8_t sw1, uint8_t sw2);
/*@ requires apdu_between(h) && \valid_read(data + (0 .. size - 1));
    requires \separated(data + (0 .. size - 1), h->response + (0 .. h->room - 1));
    assigns h->response_size, h->response[0 .. h->room - 1];
    ensures apdu_between(h);
*/
static bool keep(struct iso7816_apdu_t0 *h, const uint8_t *data, size_t size);

/*@ requires apdu_between(h) && command_of(h->command, h->bytes, h->size);
    assigns *h;
    ensures apdu_state(h);
*/
static enum iso7816_apdu_t0_action send_first(struct iso7816_apdu_t0 *h);

/*@ requires \valid_read(h);
    assigns \nothing;
*/
static bool retrieves_data(const struct iso7816_apdu_t0 *h);
/*@ requires apdu_between(h);
    assigns *h, h->response[0 .. h->room - 1];
    ensures apdu_state(h);
*/
static enum iso7816_apdu_t0_action go_on(struct iso7816_apdu_t0 *h, uint8_t sw1, uint8_t sw2, bool bare);

/*@ requires \valid(h) && \valid_read(command + (0 .. size - 1)) && \valid(response + (0 .. room - 1));
    requires \separated(h, command + (0 .. size - 1)) && \separated(h, response + (0 .. room - 1));
    assigns *h;
    ensures apdu_state(h);
*/
enum iso7816_apdu_t0_action iso7816_apdu_t0_start(struct iso7816_apdu_t0 *h, const uint8_t *command, size_t size,
                                                  uint8_t *response, size_t room);
/*@ requires apdu_state(h) && \valid_read(reply + (0 .. size - 1)) && \separated(h, reply + (0 .. size - 1));
    requires \separated(reply + (0 .. size - 1), h->response + (0 .. h->room - 1));
    assigns *h, h->response[0 .. h->room - 1];
    ensures apdu_state(h);
*/
enum iso7816_apdu_t0_action iso7816_apdu_t0_reply(struct iso7816_apdu_t0 *h, const uint8_t *reply, size_t size);

#include "../../src/iso7816/apdu_t0.c"
