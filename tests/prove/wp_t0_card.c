/* SPDX-License-Identifier: MIT */
/*
 * WP: the T=0 engine of the card's side. card_state is what every public function keeps, so any sequence of calls with
 * any characters keeps it. iso7816_t0_card_init, which establishes it, and which_way, which calls the owner's function,
 * are left to Eva (eva_t0_card.c).
 */
#include "contracts.h"
#include "t0.h"

/* States: 0 HEADER, 1 DATA, 2 RUNNING, 3 SENDING. */
/*@ predicate card_held(struct iso7816_t0_card *c) =
        c->held_at <= c->held_size <= c->held_room &&
        \valid(c->held + (0 .. c->held_room - 1)) && \separated(c, c->held + (0 .. c->held_room - 1));
    predicate card_buffers(struct iso7816_t0_card *c) =
        \valid(c) && card_held(c) && c->envelope_size <= c->apdu_room &&
        \valid(c->apdu + (0 .. c->apdu_room - 1)) && \separated(c, c->apdu + (0 .. c->apdu_room - 1));
    predicate card_data(struct iso7816_t0_card *c) =
        c->got < c->header[4] && (c->envelope ? c->envelope_size : 5) + c->header[4] <= c->apdu_room;
    predicate card_state(struct iso7816_t0_card *c) =
        card_buffers(c) && c->state <= 3 && c->after <= 2 &&
        (c->state == 0 ==> c->got < 5) &&
        (c->state == 1 || (c->state == 3 && c->after == 1) ==> card_data(c));
*/

/* Clauses of contracts, not C. */
// clang-format off
#define STEP                                                                                                           \
    requires card_state(c);                                                                                            \
    assigns *c;                                                                                                        \
    ensures card_state(c);
// clang-format on

/*@ requires \valid_read(header + (0 .. 4));
    assigns \nothing;
*/
enum iso7816_t0_direction iso7816_t0_direction_of(const uint8_t header[5]);
/*@ requires \valid_read(header + (0 .. 4));
    assigns \nothing;
*/
static enum iso7816_t0_direction
which_way(const uint8_t header[5], enum iso7816_t0_direction (*direction)(void *, const uint8_t[5]), void *context);

/*@ requires card_buffers(c) && after <= 2 && (after == 1 ==> card_data(c));
    assigns c->tx, c->tx_size, c->state, c->after;
    ensures card_state(c) && c->state == 3;
*/
static enum iso7816_t0_card_action send(struct iso7816_t0_card *c, const uint8_t *bytes, size_t size, uint8_t after);
/*@ requires \valid(c) && at <= 512;
    assigns c->out[0 .. 513];
    ensures \result == at + 2;
*/
static size_t put_status(struct iso7816_t0_card *c, size_t at, uint8_t sw1, uint8_t sw2);
/*@ requires card_buffers(c);
    assigns c->out[0 .. 513], c->tx, c->tx_size, c->state, c->after;
    ensures card_state(c);
*/
static enum iso7816_t0_card_action send_status(struct iso7816_t0_card *c, uint8_t sw1, uint8_t sw2);
/*@ requires card_buffers(c) && card_data(c);
    assigns c->out[0 .. 513], c->tx, c->tx_size, c->state, c->after;
    ensures card_state(c);
*/
static enum iso7816_t0_card_action send_ack(struct iso7816_t0_card *c);
/*@ requires card_buffers(c) && c->after <= 2;
    assigns c->apdu_size, c->state;
    ensures card_state(c);
*/
static enum iso7816_t0_card_action run(struct iso7816_t0_card *c, size_t size);
/*@ requires \valid_read(c);
    assigns \nothing;
    ensures \result == (c->header[4] ? c->header[4] : 256);
*/
static size_t wanted(const struct iso7816_t0_card *c);
/*@ requires card_buffers(c);
    assigns c->out[0 .. 513], c->held_at, c->repeats, c->holding;
    ensures card_buffers(c) && \result <= 514;
*/
static size_t put_held(struct iso7816_t0_card *c);
/*@ requires \valid_read(c);
    assigns \nothing;
*/
static bool same_header(const struct iso7816_t0_card *c);
/*@ requires card_buffers(c) && c->after <= 2 && c->envelope && c->got == 0;
    assigns *c;
    ensures card_state(c);
*/
static enum iso7816_t0_card_action start_envelope(struct iso7816_t0_card *c);
/*@ requires card_buffers(c) && c->after <= 2 && !c->envelope && c->got == 0;
    assigns *c, c->apdu[0 .. c->apdu_room - 1];
    ensures card_state(c);
*/
static enum iso7816_t0_card_action start_command(struct iso7816_t0_card *c);
/*@ requires card_buffers(c) && c->after <= 2;
    assigns *c, c->apdu[0 .. c->apdu_room - 1];
    ensures card_state(c);
*/
static enum iso7816_t0_card_action start(struct iso7816_t0_card *c, enum iso7816_t0_direction direction);
/*@ requires card_state(c) && c->state == 1;
    assigns *c, c->apdu[0 .. c->apdu_room - 1];
    ensures card_state(c);
*/
static enum iso7816_t0_card_action take_data(struct iso7816_t0_card *c, uint8_t byte);
/*@ requires card_buffers(c) && \valid_read(response + (0 .. size - 1));
    requires \separated(c, response + (0 .. size - 1));
    assigns c->out[0 .. 513], c->held_sw[0 .. 1], c->card_holds, c->held[0 .. c->held_room - 1], c->held_size,
            c->held_at, c->held_header[0 .. 3], c->repeats, c->holding;
    ensures card_buffers(c) && \result <= 514;
    ensures c->state == \old(c->state) && c->after == \old(c->after);
*/
static size_t put_response(struct iso7816_t0_card *c, const uint8_t *response, size_t size);

/*@ requires card_state(c);
    assigns *c, c->apdu[0 .. c->apdu_room - 1];
    ensures card_state(c);
*/
enum iso7816_t0_card_action iso7816_t0_card_receive(struct iso7816_t0_card *c, uint8_t byte,
                                                    enum iso7816_t0_direction (*direction)(void *, const uint8_t[5]),
                                                    void *context);
/*@ STEP */
enum iso7816_t0_card_action iso7816_t0_card_sent(struct iso7816_t0_card *c);
/*@ requires card_state(c) && \valid_read(response + (0 .. size - 1));
    requires \separated(c, response + (0 .. size - 1));
    assigns *c, c->held[0 .. c->held_room - 1];
    ensures card_state(c);
*/
enum iso7816_t0_card_action iso7816_t0_card_answer(struct iso7816_t0_card *c, const uint8_t *response, size_t size);
/*@ STEP */
enum iso7816_t0_card_action iso7816_t0_card_busy(struct iso7816_t0_card *c);

#include "../../src/iso7816/t0_card.c"
