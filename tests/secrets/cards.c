/* SPDX-License-Identifier: MIT */
/* Secrets that cards, peers, drivers and the verifier have in hand: nothing is left of them when these are through. */
#include "verify.h"
#include "../e2e/support_driver.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* ---- cards ------------------------------------------------------------------------------------------------------- */

static void echo_over(const struct secret *secret, uint32_t protocol)
{
    struct world world;

    ready(&world, "echo", protocol);
    assert_status(verify_apdu(&world, secret), STATUS_SUCCESS);
    done(&world);
}

static void echoed_over_t1(const struct secret *secret)
{
    echo_over(secret, SCARD_PROTOCOL_T1);
}

static void echoed_over_raw(const struct secret *secret)
{
    echo_over(secret, SCARD_PROTOCOL_RAW);
}

/* Over T=0 the card holds its answer until GET RESPONSE, which is no command that carries secrets itself. */
static void echoed_over_t0(const struct secret *secret)
{
    uint8_t get_response[] = {0x00, 0xC0, 0x00, 0x00, (uint8_t)secret->size}, reply[258];
    size_t size = sizeof reply;
    struct world world;

    ready(&world, "echo", SCARD_PROTOCOL_T0);
    assert_status(verify(&world, secret, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS); /* 61xx */
    assert_status(smartcrd_transmit(world.reader, get_response, sizeof get_response, reply, &size, PATIENCE_MS),
                  STATUS_SUCCESS);
    assert_int_equal(size, secret->size + 2);
    explicit_bzero(reply, sizeof reply);
    done(&world);
}

static void echo_never_fetched(const struct secret *secret)
{
    static const uint8_t select_mf[] = {0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00};
    uint8_t reply[258];
    size_t size = sizeof reply;
    struct world world;

    ready(&world, "echo", SCARD_PROTOCOL_T0);
    assert_status(verify(&world, secret, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS); /* 61xx */
    assert_status(smartcrd_transmit(world.reader, select_mf, sizeof select_mf, reply, &size, PATIENCE_MS),
                  STATUS_SUCCESS);
    done(&world);
}

/* A block that comes a second time later on is kept for that: until a reset, or until it has come. The first is S(IFS). */
static void doubled(const struct secret *secret)
{
    struct world world;

    ready(&world, "script atr=3B808031FE05CA\nmatch\n> *\n< 63C2\n", SCARD_PROTOCOL_T1);
    arm_fault(&world, "duplicate to=card skip=1");
    (void)verify(&world, secret, 2000);
    power_up(&world);
    done(&world);
}

static void doubled_and_taken(const struct secret *secret)
{
    static const uint8_t select_mf[] = {0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00};
    uint8_t reply[258];
    size_t size = sizeof reply;
    struct world world;

    ready(&world, "script atr=3B808031FE05CA\nmatch\n> *\n< 63C2\n", SCARD_PROTOCOL_T1);
    arm_fault(&world, "duplicate to=card skip=1");
    (void)verify(&world, secret, 2000);
    (void)smartcrd_transmit(world.reader, select_mf, sizeof select_mf, reply, &size, 2000);
    done(&world);
}

static void fs_card_keeps_no_wrong_pin(const struct secret *secret)
{
    struct world world;

    ready(&world, "fs pin=1234", SCARD_PROTOCOL_T1);
    assert_status(verify(&world, secret, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    done(&world);
}

static void insert_fs(struct world *world, const struct secret *secret)
{
    char text[64] = "fs pin=";
    uint8_t digits[SECRET_MAX];
    size_t at = strlen(text);

    secret_write(secret, digits);
    memcpy(text + at, digits, secret->size);
    assert_status(control(world->panel, IOCTL_VREADER_INSERT, text, at + secret->size, NULL, 0, NULL), STATUS_SUCCESS);
    explicit_bzero(digits, sizeof digits);
    explicit_bzero(text, sizeof text);
}

static void fs_cards_own_pin_goes_with_it(const struct secret *secret)
{
    struct world world;

    world_open(&world, NULL);
    insert_fs(&world, secret);
    power_up(&world);
    select_protocol(&world, SCARD_PROTOCOL_T0);
    assert_status(verify(&world, secret, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    take_card_out(&world);
    done(&world);
}

static void fs_cards_changed_pin(const struct secret *secret)
{
    uint8_t bytes[21] = {0x00, 0x24, 0x00, 0x01, 16, '1', '2', '3', '4', 0xFF, 0xFF, 0xFF, 0xFF}, reply[258];
    size_t reply_size = sizeof reply;
    struct world world;

    ready(&world, "fs", SCARD_PROTOCOL_T1);
    secret_write(secret, bytes + 13);
    assert_status(smartcrd_transmit(world.reader, bytes, sizeof bytes, reply, &reply_size, PATIENCE_MS),
                  STATUS_SUCCESS);
    assert_int_equal(reply[0], 0x90);
    explicit_bzero(bytes, sizeof bytes);
    take_card_out(&world);
    done(&world);
}

static void refused_card(const struct secret *secret)
{
    char text[64] = "fs what=";
    size_t at = strlen(text);
    struct world world;

    world_open(&world, NULL);
    secret_write(secret, (uint8_t *)text + at);
    assert_status(control(world.panel, IOCTL_VREADER_INSERT, text, at + secret->size, NULL, 0, NULL),
                  STATUS_INVALID_PARAMETER);
    explicit_bzero(text, sizeof text);
    done(&world);
}

/* The secret leaves the process to a peer, and comes back from it; the peer is another process. */
static void answer_for_ever(int fd)
{
    static const uint8_t atr[] = {0x00, 0x04, 0x3B, 0x80, 0x80, 0x01}, tck[] = {0x01};
    uint8_t bytes[SECRET_MAX + 64];
    size_t have = 0, length;

    for (;;) {
        ssize_t got = recv(fd, bytes + have, sizeof bytes - have, 0);
        if (got <= 0)
            _exit(0);
        for (have += (size_t)got; have >= 2; have -= 2 + length) {
            length = (size_t)bytes[0] << 8 | bytes[1];
            if (have < 2 + length)
                break;
            if (length == 1 && bytes[2] == 4)
                (void)!(send(fd, atr, 1, MSG_MORE) + send(fd, "\5", 1, MSG_MORE) +
                        send(fd, atr + 2, sizeof atr - 2, MSG_MORE) + send(fd, tck, 1, 0));
            if (length > 5)
                (void)!(send(fd, bytes, 2 + length, 0)); /* an echo of all of it */
            memmove(bytes, bytes + 2 + length, have - 2 - length);
        }
    }
}

static pid_t start_peer(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    pid_t peer = fork();

    if (peer != 0)
        return peer;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    alarm(30);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        answer_for_ever(fd);
    _exit(1);
}

static void vpcd_peer(const struct secret *secret)
{
    struct world world;
    char text[256] = "";
    unsigned port = 0;
    pid_t peer;

    world_open(&world, NULL);
    insert_card(&world, "vpcd port=0");
    assert_status(control(world.panel, IOCTL_VREADER_STATUS, NULL, 0, text, sizeof text - 1, NULL), STATUS_SUCCESS);
    assert_non_null(strstr(text, "port="));
    port = (unsigned)strtoul(strstr(text, "port=") + 5, NULL, 10);
    peer = start_peer(port);
    assert_true(peer > 0);
    assert_status(run(world.reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, PATIENCE_MS).status, STATUS_SUCCESS);
    power_up(&world);
    select_protocol(&world, SCARD_PROTOCOL_T1);
    assert_status(verify(&world, secret, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    secret_shown();
    assert_status(verify(&world, secret, SMARTCRD_NO_TIMEOUT), STATUS_SUCCESS);
    kill(peer, SIGKILL);
    assert_int_equal(waitpid(peer, NULL, 0), peer);
    assert_status(run(world.reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, PATIENCE_MS).status, STATUS_SUCCESS);
    done(&world);
}

/* ---- a driver that keeps a request for itself -------------------------------------------------------------------- */

static volatile LONG let_go;

/* It has copied the command into the library's buffer, and does not come back. */
static NTSTATUS hold_transmit(PSMARTCARD_EXTENSION extension)
{
    extension->SmartcardRequest.BufferLength = 0;
    assert_status(SmartcardT1Request(extension), STATUS_SUCCESS);
    while (!let_go)
        sleep_ms(1);
    return STATUS_IO_TIMEOUT;
}

static void abandoned(const struct secret *secret)
{
    struct world world = {0};

    test_plan_reset();
    test_plan.callbacks[RDF_TRANSMIT] = hold_transmit;
    assert_status(smartcrd_create(NULL, &world.context), STATUS_SUCCESS);
    assert_status(smartcrd_add_driver(world.context, "test", TestDriverEntry), STATUS_SUCCESS);
    assert_status(smartcrd_add_reader(world.context, "test", world.name, sizeof world.name), STATUS_SUCCESS);
    world.reader = open_handle(world.context, world.name);
    assert_status(verify(&world, secret, 20), STATUS_IO_TIMEOUT);
    let_go = 1;
    done(&world); /* which gives the driver's thread its time */
}

/* A driver that pends, and ends the request by itself: the library sees no end of it before the next. */
static PIRP pended;

static NTSTATUS pend_transmit(PSMARTCARD_EXTENSION extension)
{
    extension->SmartcardRequest.BufferLength = 0;
    assert_status(SmartcardT1Request(extension), STATUS_SUCCESS);
    pended = extension->OsData->CurrentIrp;
    IoMarkIrpPending(pended);
    return STATUS_PENDING;
}

static void ended_by_the_driver(const struct secret *secret)
{
    struct world world = {0};
    struct test_reader *reader;
    uint64_t id;

    test_plan_reset();
    test_plan.callbacks[RDF_TRANSMIT] = pend_transmit;
    test_plan.never_blocks = TRUE;
    assert_status(smartcrd_create(NULL, &world.context), STATUS_SUCCESS);
    assert_status(smartcrd_add_driver(world.context, "test", TestDriverEntry), STATUS_SUCCESS);
    assert_status(smartcrd_add_reader(world.context, "test", world.name, sizeof world.name), STATUS_SUCCESS);
    world.reader = open_handle(world.context, world.name);
    reader = test_reader_at(0);
    id = start_verify(&world, secret, SMARTCRD_NO_TIMEOUT);
    reader->extension.OsData->CurrentIrp = NULL;
    pended->IoStatus.Status = STATUS_IO_TIMEOUT;
    pended->IoStatus.Information = 0;
    smartcrd_store_last_error(&reader->extension, pended, STATUS_IO_TIMEOUT);
    IoCompleteRequest(pended, IO_NO_INCREMENT);
    assert_status(finish(world.reader, id).status, STATUS_IO_TIMEOUT);
    (void)bare(world.reader, IOCTL_SMARTCARD_EJECT);
    done(&world);
}

/* ---- the verifier ------------------------------------------------------------------------------------------------ */

/* It keeps copies of requests, and of what drivers have freed, to find who touches them later. */
static void verified(const struct secret *secret, uint32_t protocol)
{
    struct smartcrd_options options = {.size = sizeof options, .verify = 1};
    struct world world;

    world_open(&world, &options);
    ready_card(&world, CARD, protocol);
    assert_status(verify_apdu(&world, secret), STATUS_SUCCESS);
    done(&world);
}

static void verified_over_t1(const struct secret *secret)
{
    verified(secret, SCARD_PROTOCOL_T1);
}

static void verified_over_t0(const struct secret *secret)
{
    verified(secret, SCARD_PROTOCOL_T0);
}

static void verified_and_cancelled(const struct secret *secret)
{
    struct smartcrd_options options = {.size = sizeof options, .verify = 1};
    struct world world;
    uint64_t id;

    world_open(&world, &options);
    ready_card(&world, SLOW_CARD, SCARD_PROTOCOL_T1);
    id = start_verify(&world, secret, SMARTCRD_NO_TIMEOUT);
    assert_status(smartcrd_cancel(world.reader, id), STATUS_SUCCESS);
    assert_status(finish(world.reader, id).status, STATUS_CANCELLED);
    done(&world);
}

/* What the card frees goes through the verifier's hands too. */
static void verified_card(const struct secret *secret)
{
    struct smartcrd_options options = {.size = sizeof options, .verify = 1};
    struct world world;

    world_open(&world, &options);
    insert_fs(&world, secret);
    power_up(&world);
    take_card_out(&world);
    done(&world);
}

static const struct secret_case cases[] = {
    {"an echo over T=1", echoed_over_t1},
    {"an echo over T=1, chained both ways", echoed_over_t1, .size = 700},
    {"an echo over raw", echoed_over_raw},
    {"an echo over T=0", echoed_over_t0},
    {"an echo over T=0 that nobody fetches", echo_never_fetched},
    {"a block that comes twice, and a reset between", doubled},
    {"a block that comes twice", doubled_and_taken},
    {"a vpcd peer", vpcd_peer},
    {"abandoned with its driver", abandoned},
    {"ended by its driver alone", ended_by_the_driver},
    {"the fs card keeps no wrong PIN", fs_card_keeps_no_wrong_pin, .size = 8, .digits = true},
    {"the fs card's own PIN goes with the card", fs_cards_own_pin_goes_with_it, .size = 8, .digits = true},
    {"a PIN that was changed goes with the card", fs_cards_changed_pin, .size = 8, .digits = true},
    {"a card's options that are refused", refused_card, .digits = true},
    {"the verifier over T=1", verified_over_t1},
    {"the verifier over T=0", verified_over_t0},
    {"the verifier over T=1 with a cancel", verified_and_cancelled},
    {"a card of the fs kind under the verifier", verified_card, .size = 8, .digits = true},
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--without-wipes") == 0)
        return secret_run_without_wipes(cases, sizeof cases / sizeof *cases);
    return secret_run(cases, sizeof cases / sizeof *cases, argc > 1 ? argv[1] : NULL);
}
