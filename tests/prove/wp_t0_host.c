/* SPDX-License-Identifier: MIT */
/*
 * WP: the T=0 engine of the reader's side. host_state is what every public function keeps, so any sequence of calls
 * with any characters keeps it. iso7816_t0_host_start, which establishes it, is left to Eva (eva_t0_host.c). Once the
 * TPDU is over, its buffers are not touched any more.
 */
#include "contracts.h"
#include "t0.h"

/* States: 0 HEADER, 1 PROCEDURE, 2 DATA_OUT, 3 DATA_IN, 4 SW2, 5 OVER. */
/*@ predicate host_reply(struct iso7816_t0_host *h) =
        h->reply_size <= h->room && \valid(h->reply + (0 .. h->room - 1)) &&
        \separated(h, h->reply + (0 .. h->room - 1));
    predicate host_data(struct iso7816_t0_host *h) =
        h->data_size <= 256 && h->data_done <= h->data_size &&
        (h->data != \null ==> \valid_read(h->data + (0 .. h->data_size - 1)));
    predicate host_between(struct iso7816_t0_host *h) =
        \valid(h) && h->state < 5 && host_reply(h) && host_data(h);
    predicate host_data_state(struct iso7816_t0_host *h) =
        (h->state == 2 ==> h->data_done + h->tx_size <= h->data_size) &&
        (h->state == 3 ==> h->data_done < h->data_size);
    predicate host_state(struct iso7816_t0_host *h) =
        \valid(h) && h->state <= 5 && (h->state != 5 ==> host_between(h) && host_data_state(h));
*/

/* Clauses of contracts, not C. */
// clang-format off
#define STEP                                                                                                           \
    requires host_state(h);                                                                                            \
    assigns *h;                                                                                                        \
    ensures host_state(h);
// clang-format on

/*@ requires \valid(h);
    assigns h->state, h->error;
    ensures host_state(h) && h->state == 5;
*/
static enum iso7816_t0_action fail(struct iso7816_t0_host *h, enum iso7816_t0_error error);
/*@ requires host_between(h);
    requires state == 1 || state == 4 || state == 5 || (state == 3 && h->data_done < h->data_size);
    assigns h->state;
    ensures host_state(h) && h->state == state;
*/
static enum iso7816_t0_action wait_for(struct iso7816_t0_host *h, uint8_t state);
/*@ requires host_state(h) && h->state != 5;
    requires state == 0 || (state == 2 && h->data_done + size <= h->data_size);
    assigns h->tx, h->tx_size, h->state;
    ensures host_state(h);
*/
static enum iso7816_t0_action send(struct iso7816_t0_host *h, uint8_t state, const uint8_t *bytes, size_t size);
/*@ requires host_between(h);
    requires next == 1 || next == 4 || next == 5 || (next == 3 && h->data_done < h->data_size);
    assigns *h, h->reply[0 .. h->room - 1];
    ensures host_state(h);
*/
static enum iso7816_t0_action keep(struct iso7816_t0_host *h, uint8_t byte, uint8_t next);
/*@ assigns \nothing; */
static bool is_sw1(uint8_t byte);
/*@ requires host_state(h) && h->state == 1;
    assigns *h, h->reply[0 .. h->room - 1];
    ensures host_state(h);
*/
static enum iso7816_t0_action procedure(struct iso7816_t0_host *h, uint8_t byte);

/*@ STEP */
enum iso7816_t0_action iso7816_t0_host_sent(struct iso7816_t0_host *h);
/*@ requires host_state(h);
    assigns *h, h->reply[0 .. h->room - 1];
    ensures host_state(h);
*/
enum iso7816_t0_action iso7816_t0_host_receive(struct iso7816_t0_host *h, uint8_t byte, bool parity_ok);
/*@ STEP */
enum iso7816_t0_action iso7816_t0_host_timeout(struct iso7816_t0_host *h);
/*@ requires host_state(h);
    assigns \nothing;
*/
const char *iso7816_t0_host_awaits(const struct iso7816_t0_host *h);

#include "../../src/iso7816/t0_host.c"
