/* SPDX-License-Identifier: MIT */
/*
 * Secrets in commands to the card, through the client library by every path that a request can take: nothing of them is
 * left in the process once the request has ended.
 */
#include "verify.h"

/* ---- the search itself ------------------------------------------------------------------------------------------- */

static void a_control_on_the_heap(const struct secret *secret)
{
    uint8_t *bytes = malloc(secret->size + 40);

    secret_write(secret, bytes + 20);
    free(bytes);
}

static __attribute__((noinline)) void leave_on_stack(const struct secret *secret)
{
    volatile uint8_t pad[2048];
    uint8_t bytes[SECRET_MAX];

    pad[0] = 0;
    secret_write(secret, bytes);
    pad[1] = (uint8_t)(pad[0] + *(volatile uint8_t *)bytes);
}

static void a_control_below_the_stack_pointer(const struct secret *secret)
{
    leave_on_stack(secret);
}

static void a_control_in_hex(const struct secret *secret)
{
    static char text[2 * SECRET_MAX + 1];
    uint8_t bytes[SECRET_MAX];

    secret_write(secret, bytes);
    for (size_t i = 0; i < secret->size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    explicit_bzero(bytes, sizeof bytes);
}

/* ---- through the layers ------------------------------------------------------------------------------------------ */

static void simple(const struct secret *secret, const char *card, uint32_t protocol)
{
    struct world world;

    ready(&world, card, protocol);
    assert_status(verify(&world, secret, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    done(&world);
}

static void over_t1(const struct secret *secret)
{
    simple(secret, CARD, SCARD_PROTOCOL_T1);
}

static void over_t0(const struct secret *secret)
{
    simple(secret, CARD, SCARD_PROTOCOL_T0);
}

static void over_raw(const struct secret *secret)
{
    simple(secret, CARD, SCARD_PROTOCOL_RAW);
}

static void inverse_t0(const struct secret *secret)
{
    simple(secret, "script atr=3F804001\nmatch\n> *\n< 63C2\n", SCARD_PROTOCOL_T0);
}

static void inverse_t1(const struct secret *secret)
{
    simple(secret, "script atr=3F808031FE05CA\nmatch\n> *\n< 63C2\n", SCARD_PROTOCOL_T1);
}

static void t1_with_a_crc(const struct secret *secret)
{
    simple(secret, "script atr=3B808071FE05018B\nmatch\n> *\n< 63C2\n", SCARD_PROTOCOL_T1);
}

static void with_a_deadline(const struct secret *secret)
{
    struct world world;

    ready(&world, CARD, SCARD_PROTOCOL_T1);
    assert_status(verify(&world, secret, PATIENCE_MS), STATUS_SUCCESS);
    done(&world);
}

static void by_apdu_over_t1(const struct secret *secret)
{
    struct world world;

    ready(&world, CARD, SCARD_PROTOCOL_T1);
    assert_status(verify_apdu(&world, secret), STATUS_SUCCESS);
    done(&world);
}

static void by_apdu_over_t0(const struct secret *secret)
{
    struct world world;

    ready(&world, CARD, SCARD_PROTOCOL_T0);
    assert_status(verify_apdu(&world, secret), STATUS_SUCCESS);
    done(&world);
}

static void every_secret_command(const struct secret *secret)
{
    static const uint8_t ins[] = {0x20, 0x21, 0x24, 0x25, 0x26, 0x28, 0x2C, 0x2D,
                                  0x2E, 0x2F, 0x82, 0x86, 0x87, 0xC2, 0xC3};
    struct world world;

    ready(&world, CARD, SCARD_PROTOCOL_T1);
    for (size_t i = 0; i < sizeof ins; i++) {
        uint8_t bytes[64], reply[258];
        size_t size = secret_command(secret, ins[i], bytes), reply_size = sizeof reply;

        assert_status(smartcrd_transmit(world.reader, bytes, size, reply, &reply_size, PATIENCE_MS), STATUS_SUCCESS);
        explicit_bzero(bytes, sizeof bytes);
        secret_shown();
    }
    world_close(&world);
}

/* ---- overlapped, and ended by others ----------------------------------------------------------------------------- */

static void overlapped(const struct secret *secret)
{
    struct world world;

    ready(&world, "script\nmatch\n> *\nwait 20\n< 63C2\n", SCARD_PROTOCOL_T1);
    assert_status(finish(world.reader, start_verify(&world, secret, SMARTCRD_NO_TIMEOUT)).status, STATUS_SUCCESS);
    done(&world);
}

static void cancelled(const struct secret *secret)
{
    struct world world;
    uint64_t id;

    ready(&world, SLOW_CARD, SCARD_PROTOCOL_T1);
    id = start_verify(&world, secret, SMARTCRD_NO_TIMEOUT);
    assert_status(smartcrd_cancel(world.reader, id), STATUS_SUCCESS);
    assert_status(finish(world.reader, id).status, STATUS_CANCELLED);
    done(&world);
}

static void cancelled_in_the_queue(const struct secret *secret)
{
    struct world world;
    uint64_t first, id;

    ready(&world, SLOW_CARD, SCARD_PROTOCOL_T1);
    first = start_transmit(world.reader, SCARD_PROTOCOL_T1, SMARTCRD_NO_TIMEOUT);
    id = start_verify(&world, secret, SMARTCRD_NO_TIMEOUT);
    assert_status(smartcrd_cancel(world.reader, id), STATUS_SUCCESS);
    assert_status(finish(world.reader, id).status, STATUS_CANCELLED);
    secret_shown();
    assert_status(smartcrd_cancel(world.reader, first), STATUS_SUCCESS);
    assert_status(finish(world.reader, first).status, STATUS_CANCELLED);
    done(&world);
}

static void timed_out(const struct secret *secret)
{
    struct world world;

    ready(&world, SLOW_CARD, SCARD_PROTOCOL_T1);
    assert_status(verify(&world, secret, 30), STATUS_IO_TIMEOUT);
    done(&world);
}

static void timed_out_over_t0(const struct secret *secret)
{
    struct world world;

    ready(&world, SLOW_CARD, SCARD_PROTOCOL_T0);
    assert_status(verify(&world, secret, 30), STATUS_IO_TIMEOUT);
    done(&world);
}

static void timed_out_raw(const struct secret *secret)
{
    struct world world;

    ready(&world, SLOW_CARD, SCARD_PROTOCOL_RAW);
    assert_status(verify(&world, secret, 30), STATUS_IO_TIMEOUT);
    done(&world);
}

static void reader_removed(const struct secret *secret)
{
    struct world world;
    uint64_t id;

    ready(&world, SLOW_CARD, SCARD_PROTOCOL_T1);
    id = start_verify(&world, secret, SMARTCRD_NO_TIMEOUT);
    assert_status(smartcrd_remove_reader(world.context, world.name), STATUS_SUCCESS);
    assert_status(finish(world.reader, id).status, STATUS_DEVICE_REMOVED);
    done(&world);
}

static void card_removed(const struct secret *secret)
{
    struct world world;
    uint64_t id;

    ready(&world, SLOW_CARD, SCARD_PROTOCOL_T1);
    id = start_verify(&world, secret, SMARTCRD_NO_TIMEOUT);
    take_card_out(&world);
    assert_status(finish(world.reader, id).status, STATUS_NO_MEDIA);
    done(&world);
}

static void handle_closed(const struct secret *secret)
{
    struct world world;

    ready(&world, SLOW_CARD, SCARD_PROTOCOL_T1);
    start_verify(&world, secret, SMARTCRD_NO_TIMEOUT);
    start_verify(&world, secret, SMARTCRD_NO_TIMEOUT);
    smartcrd_close(world.reader);
    world.reader = NULL;
    done(&world);
}

static void never_reaped(const struct secret *secret)
{
    struct world world;

    ready(&world, "echo delay=20", SCARD_PROTOCOL_T1);
    start_verify(&world, secret, SMARTCRD_NO_TIMEOUT);
    sleep_ms(200);
    smartcrd_close(world.reader);
    world.reader = NULL;
    done(&world);
}

/* ---- refused ----------------------------------------------------------------------------------------------------- */

static void without_a_protocol(const struct secret *secret)
{
    struct world world;

    world_open(&world, NULL);
    insert_card(&world, CARD);
    power_up(&world);
    assert_false(NT_SUCCESS(verify(&world, secret, SMARTCRD_NO_TIMEOUT)));
    done(&world);
}

static void without_a_card(const struct secret *secret)
{
    struct world world;

    world_open(&world, NULL);
    assert_false(NT_SUCCESS(verify(&world, secret, SMARTCRD_NO_TIMEOUT)));
    done(&world);
}

static void with_too_small_a_reply(const struct secret *secret)
{
    struct world world;
    uint8_t bytes[64], in[72], out[9];
    size_t information;

    ready(&world, CARD, SCARD_PROTOCOL_T1);
    size_t size = with_pci(in, SCARD_PROTOCOL_T1, bytes, secret_command(secret, 0x20, bytes));
    assert_false(NT_SUCCESS(control(world.reader, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof out, &information)));
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(in, sizeof in);
    done(&world);
}

static void with_the_wrong_header(const struct secret *secret)
{
    struct world world;
    uint8_t bytes[64], in[72], out[64];
    size_t information;

    ready(&world, CARD, SCARD_PROTOCOL_T1);
    size_t size = with_pci(in, SCARD_PROTOCOL_T0, bytes, secret_command(secret, 0x20, bytes));
    assert_false(NT_SUCCESS(control(world.reader, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof out, &information)));
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(in, sizeof in);
    done(&world);
}

static void no_tpdu(const struct secret *secret)
{
    struct world world;
    uint8_t bytes[64], reply[64];
    size_t reply_size = sizeof reply;

    ready(&world, CARD, SCARD_PROTOCOL_T0);
    size_t size = secret_command(secret, 0x20, bytes) - 3; /* Lc says more */
    assert_false(NT_SUCCESS(smartcrd_transmit(world.reader, bytes, size, reply, &reply_size, PATIENCE_MS)));
    explicit_bzero(bytes, sizeof bytes);
    done(&world);
}

static void reader_gone_before(const struct secret *secret)
{
    struct world world;

    ready(&world, CARD, SCARD_PROTOCOL_T1);
    assert_status(smartcrd_remove_reader(world.context, world.name), STATUS_SUCCESS);
    assert_status(verify(&world, secret, SMARTCRD_NO_TIMEOUT), STATUS_DEVICE_REMOVED);
    done(&world);
}

/* ---- long, split, repeated --------------------------------------------------------------------------------------- */

static void chained_over_t1(const struct secret *secret)
{
    /* IFSC 20: the library splits the command, the card puts it together. */
    simple(secret, "script atr=3B808031140520\nmatch\n> *\n< 63C2\n", SCARD_PROTOCOL_T1);
}

static void extended_over_t1(const struct secret *secret)
{
    simple(secret, CARD, SCARD_PROTOCOL_T1);
}

static void extended_over_t0(const struct secret *secret)
{
    struct world world;

    ready(&world, CARD, SCARD_PROTOCOL_T0);
    assert_status(verify_apdu(&world, secret), STATUS_SUCCESS);
    done(&world);
}

static void after_faults(const struct secret *secret, const char *card, uint32_t protocol, const char *const *faults)
{
    struct world world;

    ready(&world, card, protocol);
    for (; *faults; faults++) {
        arm_fault(&world, *faults);
        (void)verify(&world, secret, 2000);
        secret_shown();
        arm_fault(&world, "none");
        if (reader_state(world.reader) == SCARD_ABSENT)
            insert_card(&world, card);
        power_up(&world);
        select_protocol(&world, protocol);
    }
    done(&world);
}

static void faults_over_t1(const struct secret *secret)
{
    static const char *const faults[] = {"edc byte=9 to=card",
                                         "edc byte=9 to=card count=0",
                                         "parity byte=9 to=card",
                                         "cut byte=12 to=card",
                                         "extra hex=0102 to=card",
                                         "alter byte=1 xor=40 to=card edc=mend",
                                         "edc byte=1 to=reader",
                                         "delay byte=8 ms=50 to=card",
                                         "remove when=during byte=12 to=card",
                                         NULL};

    after_faults(secret, "script atr=3B808031FE05CA\nmatch\n> *\n< 63C2\n", SCARD_PROTOCOL_T1, faults);
}

static void faults_over_t0(const struct secret *secret)
{
    static const char *const faults[] = {"parity byte=9 to=card",
                                         "parity byte=9 to=card count=0",
                                         "cut byte=12 to=card",
                                         "alter byte=9 xor=FF to=card",
                                         "alter byte=0 value=A5 to=reader",
                                         "extra hex=60 to=reader",
                                         NULL};

    after_faults(secret, "script atr=3B804001\nmatch\n> *\n< 63C2\n", SCARD_PROTOCOL_T0, faults);
}

/* ---- what is told of it ------------------------------------------------------------------------------------------ */

static void journal_tells_nothing(const struct secret *secret)
{
    static struct smartcrd_journal_entry entries[64];
    struct world world;

    ready(&world, SLOW_CARD, SCARD_PROTOCOL_T1);
    (void)verify(&world, secret, 20);
    assert_true(smartcrd_journal(world.reader, 0, entries, 64) > 0);
    done(&world);
}

static const struct secret_case cases[] = {
    {"control: what stays on the heap is found", a_control_on_the_heap, .remains = true},
    {"control: what stays below the stack pointer is found", a_control_below_the_stack_pointer, .remains = true},
    {"control: hex text is found", a_control_in_hex, .remains = true},
    {"over T=1", over_t1},
    {"over T=0", over_t0},
    {"over raw", over_raw},
    {"over T=0 in the inverse convention", inverse_t0},
    {"over T=1 in the inverse convention", inverse_t1},
    {"over T=1 with a CRC", t1_with_a_crc},
    {"with a deadline", with_a_deadline},
    {"as an APDU over T=1", by_apdu_over_t1},
    {"as an APDU over T=0", by_apdu_over_t0},
    {"every command that carries secrets", every_secret_command},
    {"overlapped", overlapped},
    {"cancelled", cancelled},
    {"cancelled in the queue", cancelled_in_the_queue},
    {"timed out over T=1", timed_out},
    {"timed out over T=0", timed_out_over_t0},
    {"timed out raw", timed_out_raw},
    {"the reader is removed meanwhile", reader_removed},
    {"the card is removed meanwhile", card_removed},
    {"the handle is closed meanwhile", handle_closed},
    {"ended and never reaped", never_reaped},
    {"refused: no protocol", without_a_protocol},
    {"refused: no card", without_a_card},
    {"refused: too small a reply", with_too_small_a_reply},
    {"refused: the wrong header", with_the_wrong_header},
    {"refused: no TPDU", no_tpdu},
    {"refused: the reader is gone", reader_gone_before},
    {"chained over T=1", chained_over_t1, .size = 100},
    {"extended over T=1", extended_over_t1, .size = 700},
    {"extended over T=0, by ENVELOPE", extended_over_t0, .size = 700},
    {"faults over T=1", faults_over_t1},
    {"faults over T=0", faults_over_t0},
    {"the journal", journal_tells_nothing},
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--without-wipes") == 0)
        return secret_run_without_wipes(cases, sizeof cases / sizeof *cases);
    return secret_run(cases, sizeof cases / sizeof *cases, argc > 1 ? argv[1] : NULL);
}
