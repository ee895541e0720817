/* SPDX-License-Identifier: MIT */
/*
 * The whole vpcd card over loopback sockets, with peers that behave and peers that do not. Its protocol byte by byte is
 * cards_vpcd_session.c's; readers and clients are left to tests/e2e/vpcd.c.
 */
#include "src/cards/card.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 30000 /* only something that hangs for ever takes as long */

static const uint8_t select_mf[] = {0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00};

/* ---- a reader without a reader ----------------------------------------------------------------------------------- */

enum event_kind { ANSWER, PRESENT, ABSENT };

struct event {
    enum event_kind kind;
    ULONG ticket;
    NTSTATUS status;
    ULONG length;
    UCHAR bytes[64];
};

struct reader {
    struct card_slot slot; /* first */
    struct card *card;
    const struct card_kind *kind;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    struct event events[64];
    unsigned came, seen;
    unsigned port;
    bool take_out_on_answer;
};

static void happened(struct reader *reader, const struct event *event)
{
    pthread_mutex_lock(&reader->lock);
    assert_true(reader->came < 64);
    reader->events[reader->came++] = *event;
    pthread_cond_signal(&reader->changed);
    pthread_mutex_unlock(&reader->lock);
}

static VOID on_answer(struct card_slot *slot, ULONG ticket, NTSTATUS status, const UCHAR *bytes, ULONG length)
{
    struct event event = {.kind = ANSWER, .ticket = ticket, .status = status, .length = length};

    if (length > 0) {
        memcpy(event.bytes, bytes, length < sizeof(event.bytes) ? length : sizeof(event.bytes));
    }
    if (((struct reader *)slot)->take_out_on_answer) {
        ((struct reader *)slot)->kind->destroy(((struct reader *)slot)->card);
    }
    happened((struct reader *)slot, &event);
}

static VOID on_presence(struct card_slot *slot, BOOLEAN present)
{
    struct event event = {.kind = present ? PRESENT : ABSENT};
    happened((struct reader *)slot, &event);
}

static struct event next_event(struct reader *reader)
{
    struct timespec until;
    struct event event;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&reader->lock);
    while (reader->seen == reader->came) {
        if (pthread_cond_timedwait(&reader->changed, &reader->lock, &until) == ETIMEDOUT) {
            pthread_mutex_unlock(&reader->lock);
            fail_msg("nothing happened");
        }
    }
    event = reader->events[reader->seen++];
    pthread_mutex_unlock(&reader->lock);
    return event;
}

static void expect_event(struct reader *reader, enum event_kind kind)
{
    assert_int_equal(next_event(reader).kind, kind);
}

static void expect_reply(struct reader *reader, ULONG ticket, NTSTATUS status, const void *bytes, ULONG length)
{
    struct event event = next_event(reader);

    assert_int_equal(event.kind, ANSWER);
    assert_int_equal(event.ticket, ticket);
    assert_int_equal(event.status, status);
    assert_int_equal(event.length, length);
    if (length > 0) {
        assert_memory_equal(event.bytes, bytes, length);
    }
}

static NTSTATUS insert(struct reader *reader, const char *line, char *why, ULONG why_size)
{
    static const struct card_slot_functions functions = {on_answer, on_presence};
    struct card_options options = {.line = line, .line_length = (ULONG)strlen(line)};

    memset(reader, 0, sizeof(*reader));
    reader->slot.functions = &functions;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->changed, NULL);
    reader->kind = card_kind_find("vpcd", 4);
    assert_non_null(reader->kind);
    return reader->kind->create(&options, &reader->slot, &reader->card, why, why_size);
}

static void take_out(struct reader *reader)
{
    reader->kind->destroy(reader->card);
    assert_int_equal(reader->seen, reader->came);
    pthread_cond_destroy(&reader->changed);
    pthread_mutex_destroy(&reader->lock);
}

static void insert_listening(struct reader *reader)
{
    char folder[] = "/tmp/vpcd-XXXXXX", line[128], path[64], why[128] = "", text[64];
    FILE *file;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/port", folder);
    snprintf(line, sizeof(line), "port=0 portfile=%s", path);
    assert_int_equal(insert(reader, line, why, sizeof(why)), STATUS_PENDING);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%u", &reader->port), 1);
    fclose(file);
    unlink(path);
    rmdir(folder);
    snprintf(line, sizeof(line), "port=%u peer=none", reader->port);
    reader->kind->describe(reader->card, text, sizeof(text));
    assert_string_equal(text, line);
}

static NTSTATUS send_command(struct reader *reader, ULONG ticket, const void *apdu, ULONG size)
{
    static UCHAR response[CARD_MAX_RESPONSE];
    ULONG length = sizeof(response);
    return reader->kind->command(reader->card, ticket, apdu, size, response, &length);
}

static NTSTATUS send_reset(struct reader *reader, BOOLEAN cold, ULONG ticket)
{
    UCHAR atr[33];
    ULONG length = sizeof(atr);
    return reader->kind->reset(reader->card, cold, ticket, atr, &length);
}

/* ---- a peer in the test's hands ---------------------------------------------------------------------------------- */

static int dial(unsigned port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

static void hears(int fd, const void *bytes, size_t size)
{
    uint8_t buffer[64];
    size_t got = 0;

    while (got < size) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
        ssize_t count = recv(fd, buffer + got, size - got, 0);
        assert_true(count > 0);
        got += (size_t)count;
    }
    assert_memory_equal(buffer, bytes, size);
}

static void says(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

static void is_hung_up_on(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    uint8_t byte;

    assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
}

static void a_peer_is_a_card_that_resets_and_answers(void **state)
{
    struct reader reader;
    int peer;

    (void)state;
    insert_listening(&reader);
    assert_int_equal(send_reset(&reader, TRUE, 1), STATUS_NO_MEDIA);
    assert_int_equal(send_command(&reader, 1, select_mf, sizeof(select_mf)), STATUS_NO_MEDIA);
    peer = dial(reader.port);
    expect_event(&reader, PRESENT);
    assert_int_equal(send_reset(&reader, TRUE, 2), STATUS_PENDING);
    hears(peer, "\0\1\1\0\1\4", 6);
    says(peer, "\0\5\x3B\x80\x80\1\1", 7);
    expect_reply(&reader, 2, STATUS_SUCCESS, "\x3B\x80\x80\1\1", 5);
    assert_int_equal(send_command(&reader, 3, select_mf, sizeof(select_mf)), STATUS_PENDING);
    hears(peer, "\x00\x07\x00\xA4\x00\x00\x02\x3F\x00", 9);
    says(peer, "\0\2\x90\0", 4);
    expect_reply(&reader, 3, STATUS_SUCCESS, "\x90\0", 2);
    reader.kind->power_off(reader.card);
    hears(peer, "\0\1\0", 3);
    take_out(&reader);
    is_hung_up_on(peer);
}

static void power_off_then_reset_reach_the_peer_in_that_order(void **state)
{
    struct reader reader;
    int peer;

    (void)state;
    insert_listening(&reader);
    peer = dial(reader.port);
    expect_event(&reader, PRESENT);
    assert_int_equal(send_reset(&reader, TRUE, 1), STATUS_PENDING);
    hears(peer, "\0\1\1\0\1\4", 6);
    reader.kind->power_off(reader.card);
    assert_int_equal(send_reset(&reader, TRUE, 2), STATUS_PENDING);
    hears(peer, "\0\1\0\0\1\1\0\1\4", 9);
    says(peer, "\0\2\x3B\0", 4);
    expect_reply(&reader, 2, STATUS_SUCCESS, "\x3B\0", 2);
    take_out(&reader);
    close(peer);
}

static void a_peer_that_vanishes_in_an_exchange_is_no_media_and_then_absence(void **state)
{
    struct reader reader;
    int peer;

    (void)state;
    insert_listening(&reader);
    for (ULONG round = 1; round <= 3; round++) {
        peer = dial(reader.port);
        expect_event(&reader, PRESENT);
        assert_int_equal(send_command(&reader, round, select_mf, sizeof(select_mf)), STATUS_PENDING);
        hears(peer, "\x00\x07\x00\xA4\x00\x00\x02\x3F\x00", 9);
        says(peer, "\0\2\x90", 3);
        close(peer);
        expect_reply(&reader, round, STATUS_NO_MEDIA, NULL, 0);
        expect_event(&reader, ABSENT);
        assert_int_equal(send_command(&reader, 9, select_mf, sizeof(select_mf)), STATUS_NO_MEDIA);
    }
    take_out(&reader);
}

static void a_second_peer_waits_until_the_first_has_left(void **state)
{
    struct reader reader;
    int first, second;

    (void)state;
    insert_listening(&reader);
    first = dial(reader.port);
    expect_event(&reader, PRESENT);
    second = dial(reader.port);
    assert_int_equal(send_command(&reader, 1, select_mf, sizeof(select_mf)), STATUS_PENDING);
    hears(first, "\x00\x07\x00\xA4\x00\x00\x02\x3F\x00", 9);
    close(first);
    expect_reply(&reader, 1, STATUS_NO_MEDIA, NULL, 0);
    expect_event(&reader, ABSENT);
    expect_event(&reader, PRESENT);
    assert_int_equal(send_command(&reader, 2, select_mf, sizeof(select_mf)), STATUS_PENDING);
    hears(second, "\x00\x07\x00\xA4\x00\x00\x02\x3F\x00", 9);
    says(second, "\0\2\x90\0", 4);
    expect_reply(&reader, 2, STATUS_SUCCESS, "\x90\0", 2);
    take_out(&reader);
    close(second);
}

static void a_peer_that_never_answers_does_not_keep_the_card_in(void **state)
{
    struct reader reader;
    int peer;

    (void)state;
    insert_listening(&reader);
    peer = dial(reader.port);
    expect_event(&reader, PRESENT);
    assert_int_equal(send_command(&reader, 1, select_mf, sizeof(select_mf)), STATUS_PENDING);
    hears(peer, "\x00\x07\x00\xA4\x00\x00\x02\x3F\x00", 9);
    take_out(&reader);
    is_hung_up_on(peer);
}

static void a_peer_that_never_reads_blocks_nobody(void **state)
{
    static uint8_t apdu[65535];
    struct reader reader;
    int peer;

    (void)state;
    insert_listening(&reader);
    peer = dial(reader.port);
    expect_event(&reader, PRESENT);
    /* Far more than the socket's buffers hold. The card keeps the newest only, until the peer owes too many answers. */
    for (ULONG i = 1; i <= 2000; i++) {
        NTSTATUS status = send_command(&reader, i, apdu, sizeof(apdu));
        assert_true(status == STATUS_PENDING || status == STATUS_NO_MEDIA);
    }
    reader.kind->destroy(reader.card);
    close(peer);
}

static void a_peer_that_reads_late_gets_the_newest_command(void **state)
{
    static uint8_t apdu[65535], message[65537];
    struct reader reader;
    int peer, small = 32768;

    (void)state;
    insert_listening(&reader);
    peer = dial(reader.port);
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    expect_event(&reader, PRESENT);
    for (uint8_t i = 1; i <= 31; i++) {
        apdu[0] = i;
        assert_int_equal(send_command(&reader, i, apdu, sizeof(apdu)), STATUS_PENDING);
        usleep(1000); /* so that several are sent, and the last waits behind one that is partly sent */
    }
    do {
        for (size_t used = 0; used < sizeof(message);) {
            struct pollfd wait = {.fd = peer, .events = POLLIN};
            assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
            ssize_t got = recv(peer, message + used, sizeof(message) - used, 0);
            assert_true(got > 0);
            used += (size_t)got;
        }
        assert_memory_equal(message, "\xFF\xFF", 2);
    } while (message[2] != 31);
    take_out(&reader);
    close(peer);
}

static void a_peer_that_floods_the_reader_is_hung_up_on(void **state)
{
    struct reader reader;
    int peer;

    (void)state;
    insert_listening(&reader);
    peer = dial(reader.port);
    expect_event(&reader, PRESENT);
    for (int i = 0; i < 33; i++) {
        if (send(peer, "\0\2\x90\0", 4, MSG_NOSIGNAL) != 4) {
            break;
        }
    }
    expect_event(&reader, ABSENT);
    is_hung_up_on(peer);
    peer = dial(reader.port);
    expect_event(&reader, PRESENT);
    take_out(&reader);
    close(peer);
}

static void an_answer_may_lead_to_the_card_being_taken_out(void **state)
{
    struct reader reader;
    int peer;

    (void)state;
    insert_listening(&reader);
    reader.take_out_on_answer = true;
    peer = dial(reader.port);
    expect_event(&reader, PRESENT);
    assert_int_equal(send_command(&reader, 1, select_mf, sizeof(select_mf)), STATUS_PENDING);
    hears(peer, "\x00\x07\x00\xA4\x00\x00\x02\x3F\x00", 9);
    says(peer, "\0\2\x90\0\0\2\x90\0", 8);
    expect_reply(&reader, 1, STATUS_SUCCESS, "\x90\0", 2);
    is_hung_up_on(peer);
    assert_int_equal(reader.seen, reader.came);
}

/* Until nobody listens there any more: then the card's thread has made its last call. */
static void wait_until_refused(unsigned port)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int refused = connect(fd, (struct sockaddr *)&there, sizeof(there)) != 0;

        close(fd);
        if (refused) {
            return;
        }
        usleep(1000);
    }
    fail_msg("the port is still open");
}

static void a_card_that_is_taken_out_because_its_peer_vanished_tells_no_more(void **state)
{
    struct reader reader;
    int peer;

    (void)state;
    insert_listening(&reader);
    reader.take_out_on_answer = true;
    peer = dial(reader.port);
    expect_event(&reader, PRESENT);
    assert_int_equal(send_command(&reader, 1, select_mf, sizeof(select_mf)), STATUS_PENDING);
    hears(peer, "\x00\x07\x00\xA4\x00\x00\x02\x3F\x00", 9);
    close(peer);
    expect_reply(&reader, 1, STATUS_NO_MEDIA, NULL, 0);
    wait_until_refused(reader.port);
    assert_int_equal(reader.seen, reader.came); /* no ABSENT: a real reader has freed the slot by now */
}

static void commands_that_the_protocol_cannot_carry_are_of_wrong_length(void **state)
{
    static UCHAR apdu[65544], response[CARD_MAX_RESPONSE];
    static const ULONG sizes[] = {0, 1, 3, 65536, 65544};
    struct reader reader;

    (void)state;
    insert_listening(&reader);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ULONG length = sizeof(response);
        assert_int_equal(reader.kind->command(reader.card, 1, apdu, sizes[i], response, &length), STATUS_SUCCESS);
        assert_int_equal(length, 2);
        assert_memory_equal(response, "\x67\0", 2);
    }
    take_out(&reader);
}

static void connect_goes_out_to_a_simulator_that_listens(void **state)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t size = sizeof(name);
    struct reader reader;
    char line[64], why[128] = "";
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;

    (void)state;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&name, &size), 0);
    snprintf(line, sizeof(line), "connect=127.0.0.1:%u", ntohs(name.sin_port));
    /* Nobody listens yet: the card keeps trying. */
    assert_int_equal(insert(&reader, line, why, sizeof(why)), STATUS_PENDING);
    assert_int_equal(listen(listener, 1), 0);
    peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    expect_event(&reader, PRESENT);
    assert_int_equal(send_reset(&reader, TRUE, 1), STATUS_PENDING);
    hears(peer, "\0\1\1\0\1\4", 6);
    close(peer);
    expect_reply(&reader, 1, STATUS_NO_MEDIA, NULL, 0);
    expect_event(&reader, ABSENT);
    peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    expect_event(&reader, PRESENT);
    take_out(&reader);
    close(peer);
    close(listener);
}

static void bad_options_are_refused_with_a_reason(void **state)
{
    static const char *const lines[] = {
        "port=65536",
        "port=-1",
        "port=http",
        "port=",
        "bind=example.org",
        "bind=300.0.0.1",
        "bind=203.0.113.1",
        "connect=127.0.0.1",
        "connect=127.0.0.1:0",
        "connect=host.example:1",
        "connect=[::1:5",
        "portfile=/nonexistent/port port=0",
        "speed=9",
        "port=0000000000000000000000000000000000",
        "connect=:::::::::::::::::::::::::::::::::::::::::::::::::::::::::::",
    };
    struct reader reader;
    char why[128];

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        why[0] = 0;
        assert_int_equal(insert(&reader, lines[i], why, sizeof(why)), STATUS_INVALID_PARAMETER);
        assert_true(strlen(why) > 10);
    }
    /* No room for a reason is no reason to fail otherwise. */
    assert_int_equal(insert(&reader, "port=http", NULL, 0), STATUS_INVALID_PARAMETER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_is_a_card_that_resets_and_answers),
        cmocka_unit_test(power_off_then_reset_reach_the_peer_in_that_order),
        cmocka_unit_test(a_peer_that_vanishes_in_an_exchange_is_no_media_and_then_absence),
        cmocka_unit_test(a_second_peer_waits_until_the_first_has_left),
        cmocka_unit_test(a_peer_that_never_answers_does_not_keep_the_card_in),
        cmocka_unit_test(a_peer_that_never_reads_blocks_nobody),
        cmocka_unit_test(a_peer_that_reads_late_gets_the_newest_command),
        cmocka_unit_test(a_peer_that_floods_the_reader_is_hung_up_on),
        cmocka_unit_test(an_answer_may_lead_to_the_card_being_taken_out),
        cmocka_unit_test(a_card_that_is_taken_out_because_its_peer_vanished_tells_no_more),
        cmocka_unit_test(commands_that_the_protocol_cannot_carry_are_of_wrong_length),
        cmocka_unit_test(connect_goes_out_to_a_simulator_that_listens),
        cmocka_unit_test(bad_options_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
