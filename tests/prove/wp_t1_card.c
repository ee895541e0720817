/* SPDX-License-Identifier: MIT */
/*
 * WP: the T=1 engine of the card's side. card_state is what every public function keeps, so any sequence of calls with
 * any blocks keeps it. iso7816_t1_card_init, which establishes it, is left to Eva (eva_t1_card.c).
 */
#include "contracts.h"

/* States: 0 IDLE, 1 RECEIVING, 2 RUNNING, 3 SENDING. */
/*@ predicate card_numbers(struct iso7816_t1_card *c) =
        \valid(c) && c->state <= 3 && c->tx_size <= ISO7816_T1_BLOCK_MAX &&
        1 <= c->ifsd <= 254 && 1 <= c->config.ifsd <= 254 && c->in_size <= c->in_room &&
        \valid(c->in + (0 .. c->in_room - 1)) && \separated(c, c->in + (0 .. c->in_room - 1)) &&
        (c->asked == 0 || c->asked == 0xC1 || c->asked == 0xC2 || c->asked == 0xC3);
    predicate card_out(struct iso7816_t1_card *c) =
        \valid_read(c->out + (0 .. c->out_size - 1)) && \separated(c, c->out + (0 .. c->out_size - 1));
    predicate card_chunk(struct iso7816_t1_card *c) =
        card_out(c) && c->out_at + c->chunk <= c->out_size && c->chunk <= 254;
    predicate card_state(struct iso7816_t1_card *c) =
        card_numbers(c) && (c->state == 3 ==> card_chunk(c)) &&
        (c->state == 2 && c->answered ==> c->asked != 0 && card_out(c));
*/

/* Clauses of contracts, not C. */
// clang-format off
#define STEP                                                                                                           \
    requires \valid(c) && card_state(c);                                                                               \
    assigns *c;                                                                                                        \
    ensures card_state(c);
#define WITH_BLOCK                                                                                                     \
    requires \valid_read(block) && block->kind > BLOCK_BAD;                                                            \
    requires block_of(*block, block->inf - 3, block->size + 4, 254);                                                   \
    requires \valid_read(block->inf + (0 .. block->size - 1));                                                         \
    requires \separated(c, block, block->inf + (0 .. block->size - 1));                                                \
    requires \separated(block, c->in + (0 .. c->in_room - 1));                                                         \
    requires \separated(block->inf + (0 .. block->size - 1), c->in + (0 .. c->in_room - 1));
// clang-format on

/*@ requires \valid(c) && card_state(c) && size <= 254 && \valid_read(inf + (0 .. size - 1));
    requires \separated((uint8_t *)c->tx + (0 .. ISO7816_T1_BLOCK_MAX - 1), inf + (0 .. size - 1));
    assigns c->tx[0 .. ISO7816_T1_BLOCK_MAX - 1], c->tx_size;
    ensures card_state(c);
*/
static enum iso7816_t1_action send(struct iso7816_t1_card *c, uint8_t pcb, const uint8_t *inf, size_t size);
/*@ requires \valid(c) && card_state(c);
    assigns c->tx[0 .. ISO7816_T1_BLOCK_MAX - 1], c->tx_size;
    ensures card_state(c);
*/
static enum iso7816_t1_action send_r(struct iso7816_t1_card *c, uint8_t error);
/*@ STEP */
static enum iso7816_t1_action send_asked(struct iso7816_t1_card *c);
/*@ requires \valid_read(c);
    assigns \nothing;
    ensures c->out_at <= c->out_size ==> (\result <==> c->out_size - c->out_at > c->chunk);
*/
static bool more_to_send(const struct iso7816_t1_card *c);
/*@ requires card_numbers(c) && card_chunk(c);
    assigns *c;
    ensures card_state(c);
*/
static enum iso7816_t1_action send_chunk(struct iso7816_t1_card *c);
/*@ requires card_numbers(c) && card_out(c) && c->out_at <= c->out_size;
    assigns *c;
    ensures card_state(c);
*/
static enum iso7816_t1_action send_next(struct iso7816_t1_card *c);
/*@ requires card_numbers(c) && \valid_read(response + (0 .. size - 1));
    requires \separated(c, response + (0 .. size - 1));
    assigns *c;
    ensures card_state(c);
*/
static enum iso7816_t1_action send_response(struct iso7816_t1_card *c, const uint8_t *response, size_t size);
/*@ STEP */
static enum iso7816_t1_action failed(struct iso7816_t1_card *c, enum block_kind kind);
/*@ requires \valid(c) && c->in_size <= c->in_room && \valid(c->in + (0 .. c->in_room - 1));
    requires \separated(c, c->in + (0 .. c->in_room - 1));
    WITH_BLOCK
    assigns c->in_size, c->too_long, c->in[0 .. c->in_room - 1];
    ensures c->in_size <= c->in_room && c->state == \old(c->state) && c->asked == \old(c->asked);
    ensures c->ifsd == \old(c->ifsd) && c->config.ifsd == \old(c->config.ifsd);
*/
static void keep(struct iso7816_t1_card *c, const struct block *block);
/*@ requires \valid(c) && card_state(c);
    WITH_BLOCK
    assigns *c, c->in[0 .. c->in_room - 1];
    ensures card_state(c);
*/
static enum iso7816_t1_action take_block(struct iso7816_t1_card *c, const struct block *block);
/*@ requires \valid(c) && card_state(c);
    WITH_BLOCK
    assigns *c, c->in[0 .. c->in_room - 1];
    ensures card_state(c);
*/
static enum iso7816_t1_action receive_i(struct iso7816_t1_card *c, const struct block *block);
/*@ requires \valid_read(c);
    assigns \nothing;
*/
static bool response_is_out(const struct iso7816_t1_card *c);
/*@ requires \valid_read(c) && \valid_read(block);
    assigns \nothing;
*/
static bool asks_for_response(const struct iso7816_t1_card *c, const struct block *block);
/*@ WITH_BLOCK STEP */
static enum iso7816_t1_action receive_r(struct iso7816_t1_card *c, const struct block *block);
/*@ requires card_numbers(c);
    assigns c->state, c->ns, c->nr, c->asked, c->ifsd, c->ifsc, c->in_size;
    ensures card_state(c) && c->state == 0;
*/
static void forget_all(struct iso7816_t1_card *c);
/*@ requires card_numbers(c);
    assigns c->state, c->ns, c->in_size;
    ensures card_state(c) && c->state == 0;
*/
static void drop_chain(struct iso7816_t1_card *c, bool taken);
/*@ requires block->kind == BLOCK_S_REQUEST;
    WITH_BLOCK STEP */
static enum iso7816_t1_action receive_request(struct iso7816_t1_card *c, const struct block *block);
/*@ requires block->kind == BLOCK_S_RESPONSE;
    WITH_BLOCK STEP */
static enum iso7816_t1_action receive_response(struct iso7816_t1_card *c, const struct block *block);
/*@ requires \valid(c) && card_state(c) && !c->asked;
    requires pcb == 0xC1 || pcb == 0xC2 || pcb == 0xC3;
    assigns *c;
    ensures card_state(c);
*/
static enum iso7816_t1_action ask(struct iso7816_t1_card *c, uint8_t pcb, uint8_t value);
/*@ requires \valid(c) && card_state(c);
    assigns \nothing;
    ensures \result ==> !c->asked;
*/
static bool may_ask(const struct iso7816_t1_card *c);

/*@ requires \valid(c) && card_state(c) && \valid_read(block + (0 .. size - 1));
    requires \separated(c, block + (0 .. size - 1));
    requires \separated(block + (0 .. size - 1), c->in + (0 .. c->in_room - 1));
    assigns *c, c->in[0 .. c->in_room - 1];
    ensures card_state(c);
*/
enum iso7816_t1_action iso7816_t1_card_receive(struct iso7816_t1_card *c, const uint8_t *block, size_t size,
                                               bool parity_ok);
/*@ requires \valid(c) && card_state(c) && \valid_read(response + (0 .. size - 1));
    requires \separated(c, response + (0 .. size - 1));
    assigns *c;
    ensures card_state(c);
*/
enum iso7816_t1_action iso7816_t1_card_answer(struct iso7816_t1_card *c, const uint8_t *response, size_t size);
/*@ STEP */
enum iso7816_t1_action iso7816_t1_card_wtx(struct iso7816_t1_card *c, uint8_t multiplier);
/*@ STEP */
enum iso7816_t1_action iso7816_t1_card_ifs(struct iso7816_t1_card *c, uint8_t ifsc);
/*@ STEP */
enum iso7816_t1_action iso7816_t1_card_abort(struct iso7816_t1_card *c);

#include "../../src/iso7816/t1_card.c"
