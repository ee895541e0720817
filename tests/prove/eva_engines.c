/* SPDX-License-Identifier: MIT */
/*
 * Eva: any sequence of calls of the five engines. Eva does not relate a size to the room for it, so WP proves where
 * they read and write (wp_*.c); what WP does not look at is shown here: nothing is read before it has been written,
 * and no pointer is used whose object is gone.
 */
#include "eva.h"
#include "apdu.h"
#include "t0.h"
#include "t1.h"

#define ROOM 600

static uint8_t command[ROOM], reply[ROOM], in[ROOM], held[ROOM];

static size_t any_size(void)
{
    return Frama_C_unsigned_long_interval(0, ROOM);
}

static struct iso7816_t1_config any_config(void)
{
    struct iso7816_t1_config config = {Frama_C_interval(0, 2), any_byte(), any_byte(), any_byte()};

    return config;
}

static void t1_host(void)
{
    struct iso7816_t1_host host;
    struct iso7816_t1_config config = any_config();

    iso7816_t1_host_init(&host, &config, any_byte());
    while (any_bool()) {
        if (any_bool())
            iso7816_t1_host_start(&host, command, any_size(), reply, any_size());
        if (any_bool())
            iso7816_t1_host_receive(&host, in, any_size(), any_bool());
        if (any_bool())
            iso7816_t1_host_abort(&host);
    }
}

static void t1_card(void)
{
    struct iso7816_t1_card card;
    struct iso7816_t1_config config = any_config();

    iso7816_t1_card_init(&card, &config, in, any_size());
    while (any_bool()) {
        if (any_bool())
            iso7816_t1_card_receive(&card, command, any_size(), any_bool());
        if (any_bool())
            iso7816_t1_card_answer(&card, reply, any_size());
        if (any_bool())
            iso7816_t1_card_wtx(&card, any_byte());
        if (any_bool())
            iso7816_t1_card_ifs(&card, any_byte());
        if (any_bool())
            iso7816_t1_card_abort(&card);
    }
}

static void t0_host(void)
{
    struct iso7816_t0_host host;

    iso7816_t0_host_start(&host, command, any_size(), reply, any_size());
    while (any_bool()) {
        if (any_bool())
            iso7816_t0_host_sent(&host);
        if (any_bool())
            iso7816_t0_host_receive(&host, any_byte(), any_bool());
        if (any_bool())
            iso7816_t0_host_timeout(&host);
        iso7816_t0_host_awaits(&host);
    }
}

static enum iso7816_t0_direction owners(void *context, const uint8_t header[5])
{
    (void)context;
    return header[4] ? ISO7816_T0_TO_CARD : ISO7816_T0_FROM_CARD;
}

static void t0_card(void)
{
    struct iso7816_t0_card card;

    iso7816_t0_card_init(&card, in, any_size(), held, any_size());
    card.ack_single = any_bool();
    while (any_bool()) {
        if (any_bool())
            iso7816_t0_card_receive(&card, any_byte(), any_bool() ? owners : NULL, NULL);
        if (any_bool())
            iso7816_t0_card_sent(&card);
        if (any_bool())
            iso7816_t0_card_answer(&card, any_bool() ? held : reply, any_size());
        if (any_bool())
            iso7816_t0_card_busy(&card);
    }
}

static void apdu_t0(void)
{
    struct iso7816_apdu_t0 apdu;

    iso7816_apdu_t0_start(&apdu, command, any_size(), reply, any_size());
    while (any_bool())
        iso7816_apdu_t0_reply(&apdu, in, any_size());
}

void entry(void)
{
    Frama_C_make_unknown((char *)command, sizeof command);
    Frama_C_make_unknown((char *)reply, sizeof reply);
    Frama_C_make_unknown((char *)in, sizeof in);
    Frama_C_make_unknown((char *)held, sizeof held);
    t1_host();
    t1_card();
    t0_host();
    t0_card();
    apdu_t0();
}
