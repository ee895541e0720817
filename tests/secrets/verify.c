/* SPDX-License-Identifier: MIT */
/* See verify.h. */
#include "verify.h"

size_t secret_command(const struct secret *secret, uint8_t ins, uint8_t *bytes)
{
    const uint8_t header[] = {0x00, ins, 0x00, 0x01};
    size_t at = sizeof header;

    memcpy(bytes, header, sizeof header);
    if (secret->size > 255) {
        bytes[at++] = 0;
        bytes[at++] = (uint8_t)(secret->size >> 8);
    }
    bytes[at++] = (uint8_t)secret->size;
    secret_write(secret, bytes + at);
    return at + secret->size;
}

NTSTATUS verify(struct world *world, const struct secret *secret, uint32_t timeout_ms)
{
    uint8_t bytes[SECRET_MAX + 8], reply[SECRET_MAX + 8];
    size_t size = secret_command(secret, 0x20, bytes), reply_size = sizeof reply;
    NTSTATUS status = smartcrd_transmit(world->reader, bytes, size, reply, &reply_size, timeout_ms);

    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(reply, sizeof reply);
    return status;
}

NTSTATUS verify_apdu(struct world *world, const struct secret *secret)
{
    uint8_t bytes[SECRET_MAX + 8], reply[SECRET_MAX + 8];
    size_t size = secret_command(secret, 0x20, bytes), reply_size = sizeof reply;
    NTSTATUS status = smartcrd_apdu(world->reader, bytes, size, reply, &reply_size, PATIENCE_MS);

    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(reply, sizeof reply);
    return status;
}

void ready(struct world *world, const char *card, uint32_t protocol)
{
    world_open(world, NULL);
    ready_card(world, card, protocol);
}

void done(struct world *world)
{
    secret_shown();
    world_close(world);
}

static uint8_t pending_reply[SECRET_MAX + 16];

/* Start VERIFY as a TRANSMIT; the input is wiped when this returns, as submit has its copy. */
uint64_t start_verify(struct world *world, const struct secret *secret, uint32_t timeout_ms)
{
    uint8_t bytes[SECRET_MAX + 8], in[SECRET_MAX + 16];
    size_t size = with_pci(in, SCARD_PROTOCOL_T1, bytes, secret_command(secret, 0x20, bytes));
    uint64_t id =
        start(world->reader, IOCTL_SMARTCARD_TRANSMIT, in, size, pending_reply, sizeof pending_reply, timeout_ms);

    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(in, sizeof in);
    return id;
}
