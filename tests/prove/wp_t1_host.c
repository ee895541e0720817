/* SPDX-License-Identifier: MIT */
/*
 * WP: the T=1 engine of the reader's side. host_state is what every public function keeps, so any sequence of calls
 * with any blocks keeps it. iso7816_t1_host_init, which establishes it, is left to Eva (eva_t1_host.c).
 */
#include "contracts.h"

/*@ predicate host_buffers(struct iso7816_t1_host *h) =
        \valid_read(h->command + (0 .. h->command_size - 1)) &&
        \valid(h->reply + (0 .. h->room - 1)) &&
        \separated(h, h->reply + (0 .. h->room - 1)) &&
        \separated(h, h->command + (0 .. h->command_size - 1));
    predicate host_numbers(struct iso7816_t1_host *h) =
        h->state <= 6 && h->tx_size <= ISO7816_T1_BLOCK_MAX &&
        1 <= h->ifsc <= 254 && 1 <= h->config.ifsc <= 254 && 1 <= h->config.ifsd <= 254 &&
        h->ifs_wanted <= 254;
    predicate host_chunk(struct iso7816_t1_host *h) =
        h->command_sent + h->chunk <= h->command_size && h->chunk <= 254;
    predicate host_between(struct iso7816_t1_host *h) =
        \valid(h) && host_numbers(h) && host_buffers(h) && !h->dead &&
        h->command_sent <= h->command_size && h->reply_size <= h->room;
    predicate host_runs(struct iso7816_t1_host *h) =
        host_between(h) && (h->state == 2 ==> host_chunk(h));
    predicate host_state(struct iso7816_t1_host *h) =
        \valid(h) && host_numbers(h) && (h->state != 0 ==> host_runs(h));
*/

/* Outside of an exchange the engine touches nothing but itself; within one, the reply as well. */
/* Clauses of contracts, not C. */
// clang-format off
#define STEP                                                                                                           \
    requires host_runs(h);                                                                                             \
    assigns *h, h->reply[0 .. h->room - 1];                                                                            \
    ensures host_state(h);
#define QUIET_STEP                                                                                                     \
    requires host_runs(h);                                                                                             \
    assigns *h;                                                                                                        \
    ensures host_state(h);
#define WITH_BLOCK                                                                                                     \
    requires \valid_read(block) && block->kind > BLOCK_BAD;                                                            \
    requires block_of(*block, block->inf - 3, block->size + 4, 254);                                                   \
    requires \valid_read(block->inf + (0 .. block->size - 1));                                                         \
    requires \separated(h, block, block->inf + (0 .. block->size - 1));                                  \
    requires \separated(block, h->reply + (0 .. h->room - 1));                                                         \
    requires \separated(block->inf + (0 .. block->size - 1), h->reply + (0 .. h->room - 1));
// clang-format on

/*@ requires host_runs(h) && size <= 254 && \valid_read(inf + (0 .. size - 1));
    requires \separated((uint8_t *)h->tx + (0 .. ISO7816_T1_BLOCK_MAX - 1), inf + (0 .. size - 1));
    assigns h->tx[0 .. ISO7816_T1_BLOCK_MAX - 1], h->tx_size;
    ensures host_state(h) && h->tx_size >= 4 && \result == ISO7816_T1_SEND;
*/
static enum iso7816_t1_action send(struct iso7816_t1_host *h, uint8_t pcb, const uint8_t *inf, size_t size);
/*@ requires \valid(h) && host_numbers(h);
    assigns h->state, h->error;
    ensures host_state(h) && h->state == 0;
*/
static enum iso7816_t1_action end(struct iso7816_t1_host *h, enum iso7816_t1_error error);
/*@ requires \valid(h) && host_numbers(h);
    assigns h->state, h->error, h->dead;
    ensures host_state(h) && h->state == 0;
*/
static enum iso7816_t1_action die(struct iso7816_t1_host *h, enum iso7816_t1_error error);
/*@ requires \valid(h);
    assigns h->failures, h->wtx_row, h->idle;
*/
static void progress(struct iso7816_t1_host *h);
/*@ requires \valid(h);
    assigns h->ns, h->unacknowledged;
*/
static void acknowledged(struct iso7816_t1_host *h);
/*@ requires host_chunk(h);
    QUIET_STEP */
static enum iso7816_t1_action send_chunk(struct iso7816_t1_host *h);
/*@ requires host_between(h);
    assigns *h;
    ensures host_state(h);
*/
static enum iso7816_t1_action send_next(struct iso7816_t1_host *h);
/*@ QUIET_STEP */
static enum iso7816_t1_action send_r(struct iso7816_t1_host *h, uint8_t error);
/*@ QUIET_STEP */
static enum iso7816_t1_action send_request(struct iso7816_t1_host *h);
/*@ QUIET_STEP */
static enum iso7816_t1_action resynchronise(struct iso7816_t1_host *h);
/*@ requires \valid(h);
    assigns h->failures, h->retransmissions;
*/
static bool try_again(struct iso7816_t1_host *h);
/*@ QUIET_STEP */
static enum iso7816_t1_action failed(struct iso7816_t1_host *h, enum block_kind kind);
/*@ QUIET_STEP */
static enum iso7816_t1_action restart(struct iso7816_t1_host *h);
/*@ requires host_between(h);
    assigns *h;
    ensures host_state(h);
*/
static enum iso7816_t1_action begin_abort(struct iso7816_t1_host *h, enum iso7816_t1_error why);
/*@ requires \valid(h) && h->reply_size <= h->room && \valid(h->reply + (0 .. h->room - 1));
    requires \separated(h, h->reply + (0 .. h->room - 1));
    WITH_BLOCK
    assigns h->reply_size, h->reply[0 .. h->room - 1];
    ensures h->reply_size <= h->room;
*/
static bool keep(struct iso7816_t1_host *h, const struct block *block);
/*@ WITH_BLOCK STEP */
static enum iso7816_t1_action take_answer(struct iso7816_t1_host *h, const struct block *block);
/*@ WITH_BLOCK STEP */
static enum iso7816_t1_action receive_i(struct iso7816_t1_host *h, const struct block *block);
/*@ WITH_BLOCK QUIET_STEP */
static enum iso7816_t1_action receive_r(struct iso7816_t1_host *h, const struct block *block);
/*@ requires block->kind == BLOCK_S_REQUEST;
    WITH_BLOCK QUIET_STEP */
static enum iso7816_t1_action receive_request(struct iso7816_t1_host *h, const struct block *block);
/*@ requires block->kind == BLOCK_S_RESPONSE;
    WITH_BLOCK QUIET_STEP */
static enum iso7816_t1_action receive_response(struct iso7816_t1_host *h, const struct block *block);

/*@ requires \valid(h) && \valid_read(config) && \separated(h, config);
    assigns *h;
    ensures host_state(h) && h->state == 0;
*/
void iso7816_t1_host_init(struct iso7816_t1_host *h, const struct iso7816_t1_config *config, uint8_t ifsd_wanted);

/*@ requires host_state(h);
    requires \valid_read(command + (0 .. size - 1)) && \valid(reply + (0 .. room - 1));
    requires \separated(h, reply + (0 .. room - 1)) && \separated(h, command + (0 .. size - 1));
    assigns *h;
    ensures host_state(h);
*/
enum iso7816_t1_action iso7816_t1_host_start(struct iso7816_t1_host *h, const uint8_t *command, size_t size,
                                             uint8_t *reply, size_t room);
/*@ requires host_state(h) && \valid_read(block + (0 .. size - 1)) && \separated(h, block + (0 .. size - 1));
    requires \separated(block + (0 .. size - 1), h->reply + (0 .. h->room - 1));
    assigns *h, h->reply[0 .. h->room - 1];
    ensures host_state(h);
*/
enum iso7816_t1_action iso7816_t1_host_receive(struct iso7816_t1_host *h, const uint8_t *block, size_t size,
                                               bool parity_ok);
/*@ requires host_state(h);
    assigns h->abort_wanted;
    ensures host_state(h);
*/
void iso7816_t1_host_abort(struct iso7816_t1_host *h);

#include "t1_host.c"
