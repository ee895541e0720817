/* SPDX-License-Identifier: MIT */
/*
 * A card simulator in another process (vpcd_card), seen through a handle: it answers over both protocols, and when it
 * is killed the reader says so at once and recovers when it comes back.
 */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct bench {
    struct world world;
    char folder[32], portfile[48];
    unsigned port;
    pid_t simulator; /* 0: none runs */
    int output;      /* of it */
};

static const uint8_t select_mf[] = {0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00};
static const uint8_t get_challenge[] = {0x00, 0x84, 0x00, 0x00, 0x08};

/* ---- the simulator ----------------------------------------------------------------------------------------------- */

/* It is built beside this program. */
static void simulator_path(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size);

    assert_true(length > 0 && (size_t)length < size - 16);
    path[length] = 0;
    strcpy(strrchr(path, '/') + 1, "vpcd_card");
}

/* Wait until the simulator prints the word. */
static void hear(struct bench *bench, const char *word)
{
    char line[32];
    size_t used = 0;

    for (;;) {
        struct pollfd wait = {.fd = bench->output, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
        assert_true(used < sizeof(line) && read(bench->output, line + used, 1) == 1);
        if (line[used++] == '\n') {
            break;
        }
    }
    line[used - 1] = 0;
    assert_string_equal(line, word);
}

static void start_simulator(struct bench *bench, const char *hang)
{
    char path[512], port[8];
    char *words[] = {path, "--hang", (char *)(uintptr_t)hang, port, "fs", NULL};
    char *plain[] = {path, port, "fs", NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];

    simulator_path(path, sizeof(path));
    snprintf(port, sizeof(port), "%u", bench->port);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&bench->simulator, path, &actions, NULL, hang != NULL ? words : plain, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    bench->output = ends[0];
    hear(bench, "connected");
}

static void kill_simulator(struct bench *bench)
{
    int status;

    assert_int_equal(kill(bench->simulator, SIGKILL), 0);
    assert_int_equal(waitpid(bench->simulator, &status, 0), bench->simulator);
    bench->simulator = 0;
    close(bench->output);
}

/* ---- the bench --------------------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    char line[96];
    FILE *file;

    strcpy(bench->folder, "/tmp/smartcrd-vpcd-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->portfile, sizeof(bench->portfile), "%s/port", bench->folder);
    world_open(&bench->world, NULL);
    snprintf(line, sizeof(line), "vpcd port=0 portfile=%s", bench->portfile);
    insert_card(&bench->world, line);
    file = fopen(bench->portfile, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%u", &bench->port), 1);
    fclose(file);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    world_close(&bench->world);
    if (bench->simulator != 0) {
        kill_simulator(bench);
    }
    unlink(bench->portfile);
    rmdir(bench->folder);
    free(bench);
    return 0;
}

static void wait_for_card(struct bench *bench)
{
    struct smartcrd_completion done =
        run(bench->world.reader, IOCTL_SMARTCARD_IS_PRESENT, NULL, 0, NULL, 0, PATIENCE_MS);
    assert_status(done.status, STATUS_SUCCESS);
}

static void wait_for_no_card(struct bench *bench)
{
    struct smartcrd_completion done =
        run(bench->world.reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, PATIENCE_MS);
    assert_status(done.status, STATUS_SUCCESS);
    assert_int_equal(reader_state(bench->world.reader), SCARD_ABSENT);
}

static void card_answers(struct bench *bench, uint32_t protocol)
{
    uint8_t reply[258] = {0};
    size_t size = sizeof(reply);

    wait_for_card(bench);
    power_up(&bench->world);
    select_protocol(&bench->world, protocol);
    assert_status(smartcrd_apdu(bench->world.reader, select_mf, sizeof(select_mf), reply, &size, PATIENCE_MS),
                  STATUS_SUCCESS);
    assert_true(size >= 2);
    assert_memory_equal(reply + size - 2, "\x90\x00", 2);
    assert_status(last_error(bench->world.reader), STATUS_SUCCESS);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void the_simulator_answers_over_t0(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(reader_state(bench->world.reader), SCARD_ABSENT);
    start_simulator(bench, NULL);
    card_answers(bench, SCARD_PROTOCOL_T0);
}

static void the_simulator_answers_over_t1(void **state)
{
    struct bench *bench = *state;

    start_simulator(bench, NULL);
    card_answers(bench, SCARD_PROTOCOL_T1);
}

/* Kill it when it has the command and has not answered. */
static void dies_in_an_exchange(struct bench *bench, uint32_t protocol)
{
    static uint8_t out[300];
    uint8_t in[64];

    for (int round = 0; round < 2; round++) {
        start_simulator(bench, "84");
        card_answers(bench, protocol);
        size_t size = with_pci(in, protocol, get_challenge, sizeof(get_challenge));
        uint64_t id =
            start(bench->world.reader, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), SMARTCRD_NO_TIMEOUT);
        hear(bench, "hanging");
        kill_simulator(bench);
        struct smartcrd_completion done = finish(bench->world.reader, id);
        assert_status(done.status, STATUS_NO_MEDIA);
        assert_int_equal(done.information, 0);
        assert_status(last_error(bench->world.reader), STATUS_NO_MEDIA);
        wait_for_no_card(bench);
    }
    start_simulator(bench, NULL);
    card_answers(bench, protocol);
}

static void a_simulator_killed_in_a_t0_exchange_is_no_media_and_the_reader_recovers(void **state)
{
    dies_in_an_exchange(*state, SCARD_PROTOCOL_T0);
}

static void a_simulator_killed_in_a_t1_exchange_is_no_media_and_the_reader_recovers(void **state)
{
    dies_in_an_exchange(*state, SCARD_PROTOCOL_T1);
}

static void a_simulator_killed_before_its_atr_is_no_media_and_the_reader_recovers(void **state)
{
    struct bench *bench = *state;
    static uint32_t kind = SCARD_COLD_RESET;
    static uint8_t atr[33];

    start_simulator(bench, "atr");
    wait_for_card(bench);
    uint64_t id =
        start(bench->world.reader, IOCTL_SMARTCARD_POWER, &kind, sizeof(kind), atr, sizeof(atr), SMARTCRD_NO_TIMEOUT);
    hear(bench, "hanging");
    kill_simulator(bench);
    assert_status(finish(bench->world.reader, id).status, STATUS_NO_MEDIA);
    assert_status(last_error(bench->world.reader), STATUS_NO_MEDIA);
    wait_for_no_card(bench);
    start_simulator(bench, NULL);
    card_answers(bench, SCARD_PROTOCOL_T1);
}

static void a_simulator_killed_at_rest_ends_is_absent(void **state)
{
    struct bench *bench = *state;

    start_simulator(bench, NULL);
    card_answers(bench, SCARD_PROTOCOL_T1);
    uint64_t id = start(bench->world.reader, IOCTL_SMARTCARD_IS_ABSENT, NULL, 0, NULL, 0, SMARTCRD_NO_TIMEOUT);
    kill_simulator(bench);
    assert_status(finish(bench->world.reader, id).status, STATUS_SUCCESS);
    assert_int_equal(reader_state(bench->world.reader), SCARD_ABSENT);
}

static void taking_the_card_out_ends_an_exchange_that_hangs(void **state)
{
    static uint8_t out[300];
    struct bench *bench = *state;
    uint8_t in[64];

    start_simulator(bench, "84");
    card_answers(bench, SCARD_PROTOCOL_T1);
    size_t size = with_pci(in, SCARD_PROTOCOL_T1, get_challenge, sizeof(get_challenge));
    uint64_t id = start(bench->world.reader, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), SMARTCRD_NO_TIMEOUT);
    hear(bench, "hanging");
    take_card_out(&bench->world);
    assert_status(finish(bench->world.reader, id).status, STATUS_NO_MEDIA);
    assert_status(last_error(bench->world.reader), STATUS_NO_MEDIA);
    assert_int_equal(reader_state(bench->world.reader), SCARD_ABSENT);
}

/* The simulator's answer ends the exchange, and the removal, next in line, may run on the very thread that brought it. */
static void a_removal_in_line_behind_an_exchange_takes_the_card_out(void **state)
{
    static uint8_t out[300];
    struct bench *bench = *state;
    uint8_t in[64];

    start_simulator(bench, NULL);
    card_answers(bench, SCARD_PROTOCOL_T1);
    size_t size = with_pci(in, SCARD_PROTOCOL_T1, get_challenge, sizeof(get_challenge));
    uint64_t exchange =
        start(bench->world.reader, IOCTL_SMARTCARD_TRANSMIT, in, size, out, sizeof(out), SMARTCRD_NO_TIMEOUT);
    struct smartcrd_completion removal = run(bench->world.reader, IOCTL_VREADER_REMOVE, NULL, 0, NULL, 0, PATIENCE_MS);
    assert_status(removal.status, STATUS_SUCCESS);
    assert_status(finish(bench->world.reader, exchange).status, STATUS_SUCCESS);
    assert_int_equal(reader_state(bench->world.reader), SCARD_ABSENT);
    insert_card(&bench->world, "echo");
    power_up(&bench->world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_simulator_answers_over_t0, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_simulator_answers_over_t1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_simulator_killed_in_a_t0_exchange_is_no_media_and_the_reader_recovers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_simulator_killed_in_a_t1_exchange_is_no_media_and_the_reader_recovers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_simulator_killed_before_its_atr_is_no_media_and_the_reader_recovers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_simulator_killed_at_rest_ends_is_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_removal_in_line_behind_an_exchange_takes_the_card_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(taking_the_card_out_ends_an_exchange_that_hangs, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
