/* SPDX-License-Identifier: MIT */
/* What goes wrong in the demo: one row each. */
#include "demo.h"

#include <smartcrd/vreader.h>

#include <string.h>

enum deed { WAIT, CANCEL, PULL };

static const struct failure {
    const char *title, *why;
    const char *fault;    /* armed before the command goes out */
    const char *fault_is; /* in words */
    const char *also;     /* a second one, may be NULL */
    uint32_t deadline_ms;
    enum deed deed;
    const char *deed_is;
    NTSTATUS expected;
} failures[] = {
    {"It takes too long", "The caller gives 100 ms; the card says nothing at all.", "mute count=0",
     "the card no longer answers", NULL, 100, WAIT, NULL, STATUS_IO_TIMEOUT},
    {"The caller changes its mind", "The same mute card, no deadline, but a cancel after 30 ms.", "mute count=0",
     "the card no longer answers", NULL, SMARTCRD_NO_TIMEOUT, CANCEL, NULL, STATUS_CANCELLED},
    {"Somebody pulls the card", "It leaves in the middle of the exchange.", "late ms=1000 count=0",
     "the card takes a second to answer", NULL, SMARTCRD_NO_TIMEOUT, PULL, "after 30 ms the card is out",
     STATUS_NO_MEDIA},
    {"The contacts are dirty", "Every T=1 block from the card arrives with a wrong checksum, for ever.",
     "edc byte=1 to=reader count=0", "byte 1 of every block is wrong", "late ms=20 count=0", SMARTCRD_NO_TIMEOUT, WAIT,
     NULL, STATUS_DEVICE_PROTOCOL_ERROR},
};

bool demo_ready(struct demo *demo, bool show)
{
    uint8_t atr[64];
    size_t size = sizeof atr;
    uint32_t protocol = 0;
    char words[200];
    NTSTATUS status = smartcrd_power(demo->handle, SCARD_COLD_RESET, atr, &size, 5000);
    if (!demo_expect(demo, NT_SUCCESS(status), "the reset fails: %s", cli_status_words(status, words, sizeof words)))
        return false;
    if (show)
        demo_line(demo, "cold reset", "ATR %s", cli_hex_words(atr, size, words, sizeof words));
    status = smartcrd_set_protocol(demo->handle, SCARD_PROTOCOL_T1, &protocol, 5000);
    if (!demo_expect(demo, NT_SUCCESS(status) && protocol == SCARD_PROTOCOL_T1, "T=1 is not selected: %s",
                     cli_status_words(status, words, sizeof words)))
        return false;
    if (show)
        demo_line(demo, "protocol", "%s", cli_protocol_word(protocol, words, sizeof words));
    return true;
}

/* Mend everything, and show that the reader has taken no harm. */
static void recover(struct demo *demo)
{
    uint32_t state = SCARD_UNKNOWN;
    demo_panel(demo, IOCTL_VREADER_FAULT, "none");
    smartcrd_state(demo->handle, &state);
    if (state <= SCARD_ABSENT)
        demo_panel(demo, IOCTL_VREADER_INSERT, demo->insert);
    if (demo_ready(demo, false) &&
        demo_quiet_apdu(demo, "a command afterwards", demo->ping, demo->ping_size, 0x9000) != SIZE_MAX)
        demo_line(demo, "afterwards", "%s, and the card answers 9000 again",
                  state <= SCARD_ABSENT ? "card in, reset" : "reset");
}

static void act(struct demo *demo, const struct failure *failure, const struct demo_op *op)
{
    NTSTATUS status;
    char words[48];
    if (failure->deed == WAIT)
        return;
    interrupt_sleep(30);
    if (failure->deed == PULL) {
        demo_panel(demo, IOCTL_VREADER_REMOVE, NULL);
        demo_line(demo, "pull", "%s", failure->deed_is);
        return;
    }
    status = smartcrd_cancel(demo->handle, op->id);
    demo_line(demo, "cancel", "%-34s it will end cancelled", cli_status_words(status, words, sizeof words));
    demo_expect(demo, status == STATUS_SUCCESS, "the cancel should have come in time");
}

static void fail(struct demo *demo, const struct failure *failure)
{
    uint8_t buffer[8 + 512];
    const SCARD_IO_REQUEST header = {.dwProtocol = SCARD_PROTOCOL_T1, .cbPciLength = sizeof header};
    struct smartcrd_request request = {.code = IOCTL_SMARTCARD_TRANSMIT,
                                       .in = buffer,
                                       .in_size = sizeof header + demo->ping_size,
                                       .out = buffer,
                                       .out_size = sizeof buffer,
                                       .timeout_ms = failure->deadline_ms};
    struct demo_op op;

    demo_chapter(demo, failure->title, failure->why);
    if (!demo_panel(demo, IOCTL_VREADER_FAULT, failure->fault) ||
        (failure->also && !demo_panel(demo, IOCTL_VREADER_FAULT, failure->also)))
        return;
    demo_line(demo, "fault", "%-34s %s%s%s", failure->fault, cli_on(demo->cli, CLI_DIM), failure->fault_is,
              cli_off(demo->cli));
    memcpy(buffer, &header, sizeof header);
    memcpy(buffer + sizeof header, demo->ping, demo->ping_size);
    if (demo_submit(demo, &request, &op)) {
        if (!op.ended)
            act(demo, failure, &op);
        if (demo_reap(demo, &op)) {
            uint64_t ms = (cli_now_ns() - op.begin_ns) / 1000000u;
            demo_ending(demo, failure->title, &op, failure->expected);
            demo_expect(demo, failure->deadline_ms == SMARTCRD_NO_TIMEOUT || ms >= failure->deadline_ms,
                        "it ended before its deadline");
        }
    }
    recover(demo);
}

void demo_failures(struct demo *demo)
{
    for (size_t i = 0; i < sizeof failures / sizeof *failures && !interrupt_seen(); i++)
        fail(demo, &failures[i]);
}
