/* SPDX-License-Identifier: MIT */
/*
 * libcacard's CAC card, which nobody here wrote, through a handle: over T=0 and over T=1 it gives its certificate whole
 * and a signature that openssl verifies; and what a process may not ask of libcacard is refused in words.
 *
 * Skipped (77) only when libcacard's module was not built, or certutil or openssl is not installed. One process has one
 * database (libcacard.md), so all tests share it.
 */
#include "support.h"

#include <fcntl.h>
#include <libgen.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define SKIP 77
#define PIN  "4711"

static const uint8_t select_pki[] = {0x00, 0xA4, 0x04, 0x00, 0x07, 0xA0, 0x00, 0x00, 0x00, 0x79, 0x01, 0x00, 0x00};
static const uint8_t verify_pin[] = {0x00, 0x20, 0x00, 0x00, 0x08, '4', '7', '1', '1', 0xFF, 0xFF, 0xFF, 0xFF};
static const uint8_t verify_wrong_pin[] = {0x00, 0x20, 0x00, 0x00, 0x08, '4', '7', '1', '2', 0xFF, 0xFF, 0xFF, 0xFF};

/* What is signed, and the DigestInfo of its SHA-256 (RFC 8017, 9.2, note 1). */
static const char message[] = "smartcrd signs this";
static const uint8_t digest_info[] = {
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20, 0xA2, 0x42, 0xBE, 0x3F, 0x54, 0x76, 0xDA, 0x79, 0xCE, 0x35, 0x1E, 0xA1, 0x7F, 0x1A, 0x2C,
    0xE8, 0xA4, 0x59, 0x79, 0xBD, 0xF9, 0x84, 0xDA, 0x0C, 0xE6, 0xA2, 0xB5, 0xB9, 0x6D, 0xB3, 0x05, 0xE2,
};

static char folder[] = "/tmp/smartcrd-cac-XXXXXX"; /* db/ is the database; the rest is what the tests leave */

/* ---- other programs ---------------------------------------------------------------------------------------------- */

/* Run a program with its output in a file of the folder. Returns its exit status; 127: there is no such program. */
static int run_program(const char *output, const char *const *words)
{
    posix_spawn_file_actions_t actions;
    char path[96];
    pid_t pid;
    int status = 0, error;

    snprintf(path, sizeof(path), "%s/%s", folder, output);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    error = posix_spawnp(&pid, words[0], &actions, NULL, (char *const *)(uintptr_t)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        return 127;
    }
    return WEXITSTATUS(status);
}
#define program(output, ...) run_program(output, (const char *const[]){__VA_ARGS__, NULL})

static const char *in_folder(const char *name)
{
    static char paths[4][96];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(in_folder(name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static size_t read_file(const char *name, void *bytes, size_t room)
{
    FILE *file = fopen(in_folder(name), "rb");

    assert_non_null(file);
    size_t size = fread(bytes, 1, room, file);
    fclose(file);
    return size;
}

/* ---- the card ---------------------------------------------------------------------------------------------------- */

static void insert_cac(struct world *world, const char *more)
{
    char line[160];

    snprintf(line, sizeof(line), "cac db=%s/db %s", folder, more);
    insert_card(world, line);
}

/* An APDU that the card answers with this status word; returns how many bytes come before it. */
static size_t apdu(struct world *world, const uint8_t *command, size_t size, uint8_t *reply, size_t room, uint16_t sw)
{
    size_t length = room;

    assert_status(smartcrd_apdu(world->reader, command, size, reply, &length, PATIENCE_MS), STATUS_SUCCESS);
    assert_true(length >= 2);
    assert_int_equal(reply[length - 2] << 8 | reply[length - 1], sw);
    return length - 2;
}

static void expect_sw(struct world *world, const uint8_t *command, size_t size, uint16_t sw)
{
    uint8_t reply[258];
    apdu(world, command, size, reply, sizeof(reply), sw);
}

/* READ BUFFER of the value object, `count` bytes from `offset` on. */
static void read_buffer(struct world *world, size_t offset, uint8_t *bytes, size_t count)
{
    uint8_t command[] = {0x80, 0x52, (uint8_t)(offset >> 8), (uint8_t)offset, 0x02, 0x02, (uint8_t)count, 0x00};
    uint8_t reply[258];

    assert_int_equal(apdu(world, command, sizeof(command), reply, sizeof(reply), 0x9000), count);
    memcpy(bytes, reply, count);
}

/* The certificate of the selected applet: two bytes of length, little-endian; 00; the DER. */
static size_t read_certificate(struct world *world, uint8_t *der, size_t room)
{
    uint8_t head[3];

    read_buffer(world, 0, head, sizeof(head));
    size_t length = (size_t)(head[0] | head[1] << 8) - 1;
    assert_int_equal(head[2], 0x00);
    assert_in_range(length, 256, room);
    for (size_t done = 0; done < length; done += 200) {
        read_buffer(world, 3 + done, der + done, length - done < 200 ? length - done : 200);
    }
    return length;
}

/* The block that RSASSA-PKCS1-v1_5 has the key sign (RFC 8017, 9.2). */
static void make_block(uint8_t block[256])
{
    memset(block, 0xFF, 256);
    block[0] = 0x00;
    block[1] = 0x01;
    block[256 - sizeof(digest_info) - 1] = 0x00;
    memcpy(block + 256 - sizeof(digest_info), digest_info, sizeof(digest_info));
}

/* SIGN/DECRYPT in two commands of 128 bytes: P1 = 80 says that more comes. */
static void sign_in_two(struct world *world, uint8_t signature[256])
{
    uint8_t block[256], first[5 + 128] = {0x80, 0x42, 0x80, 0x00, 0x80},
                                  second[5 + 128 + 1] = {0x80, 0x42, 0x00, 0x00, 0x80};
    uint8_t reply[258];

    make_block(block);
    memcpy(first + 5, block, 128);
    memcpy(second + 5, block + 128, 128);
    expect_sw(world, first, sizeof(first), 0x9000);
    assert_int_equal(apdu(world, second, sizeof(second), reply, sizeof(reply), 0x9000), 256);
    memcpy(signature, reply, 256);
}

static void cannot_sign(struct world *world)
{
    uint8_t block[256], first[5 + 128] = {0x80, 0x42, 0x80, 0x00, 0x80},
                                  second[5 + 128 + 1] = {0x80, 0x42, 0x00, 0x00, 0x80};

    make_block(block);
    memcpy(first + 5, block, 128);
    memcpy(second + 5, block + 128, 128);
    expect_sw(world, first, sizeof(first), 0x9000);
    expect_sw(world, second, sizeof(second), 0x6985);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void gives_certificate_and_signature(struct world *world)
{
    static uint8_t der[4096], expected[4096];
    uint8_t signature[256];
    char output[64] = "";

    expect_sw(world, select_pki, sizeof(select_pki), 0x9000);
    size_t size = read_certificate(world, der, sizeof(der));
    assert_int_equal(read_file("cert1.der", expected, sizeof(expected)), size);
    assert_memory_equal(der, expected, size);

    expect_sw(world, verify_pin, sizeof(verify_pin), 0x9000);
    sign_in_two(world, signature);
    write_file("card.der", der, size);
    write_file("signature", signature, sizeof(signature));
    write_file("message", message, sizeof(message) - 1);
    assert_int_equal(
        program("card.pem", "openssl", "x509", "-inform", "DER", "-in", in_folder("card.der"), "-pubkey", "-noout"), 0);
    assert_int_equal(program("verdict", "openssl", "dgst", "-sha256", "-verify", in_folder("card.pem"), "-signature",
                             in_folder("signature"), in_folder("message")),
                     0);
    size = read_file("verdict", output, sizeof(output) - 1);
    assert_string_equal(output, "Verified OK\n");
    assert_status(last_error(world->reader), STATUS_SUCCESS);
}

static void over_t0_it_gives_its_certificate_whole_and_a_signature_that_openssl_verifies(void **state)
{
    static const uint8_t atr[] = {0x3B, 0x7A, 0x18, 0x00, 0x00, 0x73, 0x66, 0x74,
                                  0x65, 0x20, 0x63, 0x64, 0x31, 0x34, 0x34};
    struct world *world = *state;
    uint8_t own[33];
    size_t size = sizeof(own);

    insert_cac(world, "");
    assert_status(smartcrd_power(world->reader, SCARD_COLD_RESET, own, &size, PATIENCE_MS), STATUS_SUCCESS);
    assert_int_equal(size, sizeof(atr));
    assert_memory_equal(own, atr, sizeof(atr));
    select_protocol(world, SCARD_PROTOCOL_T0);
    gives_certificate_and_signature(world);
}

static void over_t1_it_gives_its_certificate_whole_and_a_signature_that_openssl_verifies(void **state)
{
    struct world *world = *state;

    insert_cac(world, "atr=" ATR_DUAL);
    power_up(world);
    select_protocol(world, SCARD_PROTOCOL_T1);
    gives_certificate_and_signature(world);
}

static void over_t1_one_extended_apdu_signs_as_two_short_ones_do(void **state)
{
    struct world *world = *state;
    uint8_t command[7 + 256 + 2] = {0x80, 0x42, 0x00, 0x00, 0x00, 0x01, 0x00}, reply[258], signature[256];

    insert_cac(world, "atr=" ATR_DUAL);
    power_up(world);
    select_protocol(world, SCARD_PROTOCOL_T1);
    expect_sw(world, select_pki, sizeof(select_pki), 0x9000);
    expect_sw(world, verify_pin, sizeof(verify_pin), 0x9000);
    make_block(command + 7);
    assert_int_equal(apdu(world, command, sizeof(command), reply, sizeof(reply), 0x9000), 256);
    sign_in_two(world, signature);
    assert_memory_equal(reply, signature, 256);
}

static void it_signs_only_after_the_right_pin_and_a_reset_logs_out(void **state)
{
    struct world *world = *state;
    uint8_t signature[256];

    insert_cac(world, "");
    power_up(world);
    select_protocol(world, SCARD_PROTOCOL_T0);
    expect_sw(world, select_pki, sizeof(select_pki), 0x9000);
    cannot_sign(world);
    expect_sw(world, verify_wrong_pin, sizeof(verify_wrong_pin), 0x6985);
    cannot_sign(world);
    expect_sw(world, verify_pin, sizeof(verify_pin), 0x9000);
    sign_in_two(world, signature);
    power_up(world);
    select_protocol(world, SCARD_PROTOCOL_T0);
    expect_sw(world, select_pki, sizeof(select_pki), 0x9000);
    cannot_sign(world);
}

static void taken_out_while_it_signs_it_can_be_put_in_again(void **state)
{
    static const uint8_t pci[8] = {2, 0, 0, 0, 8, 0, 0, 0};
    static uint8_t out[300];
    struct world *world = *state;
    uint8_t block[256], in[8 + 7 + 256 + 2] = {0}, signature[256];

    make_block(block);
    memcpy(in, pci, 8);
    memcpy(in + 8, "\x80\x42\x00\x00\x00\x01\x00", 7);
    memcpy(in + 15, block, 256);
    insert_cac(world, "atr=" ATR_DUAL);
    power_up(world);
    select_protocol(world, SCARD_PROTOCOL_T1);
    expect_sw(world, select_pki, sizeof(select_pki), 0x9000);
    expect_sw(world, verify_pin, sizeof(verify_pin), 0x9000);
    uint64_t id = start(world->reader, IOCTL_SMARTCARD_TRANSMIT, in, sizeof(in), out, sizeof(out), SMARTCRD_NO_TIMEOUT);
    sleep_ms(5);
    take_card_out(world);
    /* NO_MEDIA when it was signing, as it mostly is; a slow machine may not have begun, a fast one may be done. */
    NTSTATUS status = finish(world->reader, id).status;
    assert_true(status == STATUS_NO_MEDIA || status == STATUS_INVALID_DEVICE_STATE || status == STATUS_SUCCESS);
    assert_status(last_error(world->reader), status);
    insert_cac(world, "");
    power_up(world);
    select_protocol(world, SCARD_PROTOCOL_T0);
    expect_sw(world, select_pki, sizeof(select_pki), 0x9000);
    expect_sw(world, verify_pin, sizeof(verify_pin), 0x9000);
    sign_in_two(world, signature);
}

/* The reader must say why, in its status text. */
static void refused(struct world *world, const char *text, const char *why)
{
    char status[512] = "";

    assert_status(say(world->panel, IOCTL_VREADER_INSERT, text), STATUS_INVALID_PARAMETER);
    assert_status(control(world->panel, IOCTL_VREADER_STATUS, NULL, 0, status, sizeof(status) - 1, NULL),
                  STATUS_SUCCESS);
    if (strstr(status, why) == NULL) {
        fail_msg("%s: should say \"%s\", says: %s", text, why, status);
    }
}

static void a_second_card_in_the_process_is_refused_in_words(void **state)
{
    struct world *world = *state, second;
    char line[160];

    insert_cac(world, "");
    world_open(&second, NULL);
    snprintf(line, sizeof(line), "cac db=%s/db", folder);
    refused(&second, line, "one card only");
    take_card_out(world);
    insert_cac(&second, "");
    power_up(&second);
    world_close(&second);
}

static void a_second_database_in_the_process_is_refused_in_words(void **state)
{
    struct world *world = *state;
    char line[160];

    insert_cac(world, "");
    take_card_out(world);
    snprintf(line, sizeof(line), "cac db=%s", folder);
    refused(world, line, "first given");
}

static void options_that_would_break_libcacard_are_refused_in_words(void **state)
{
    static const char *const bad[][2] = {
        {"cac", "db="},
        {"cac db=relative/path", "absolute path"},
        {"cac db=\"/tmp/a b\"", "without blanks"},
        {"cac db=/tmp/a(b", "brackets"},
        {"cac db=/tmp/a)b", "brackets"},
        {"cac db=/tmp certs=a)b", "certs="},
        {"cac db=/tmp certs=a,,b", "certs="},
        {"cac db=/tmp certs=1,2,3,4,5,6,7,8,9", "certs="},
        {"cac db=/tmp pin=1", "no option pin"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refused(*state, bad[i][0], bad[i][1]);
    }
}

/* ---- what it needs ----------------------------------------------------------------------------------------------- */

static int leave_out(const char *reason)
{
    printf("skipped: %s\n", reason);
    return SKIP;
}

/* The module is in the build tree two folders up from this program's. */
static bool find_module(void)
{
    char path[1024], module[1100];
    const char *given = getenv("SMARTCRD_CARD_PATH");

    if (given == NULL) {
        ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
        if (length <= 0) {
            return false;
        }
        path[length] = 0;
        snprintf(module, sizeof(module), "%s/../../src/cards/cac", dirname(path));
        setenv("SMARTCRD_CARD_PATH", module, 1);
        given = getenv("SMARTCRD_CARD_PATH");
    }
    snprintf(module, sizeof(module), "%s/smartcrd-card-cac.so", given);
    return access(module, R_OK) == 0;
}

/* The build says in SMARTCRD_E2E where the scripts are; else this source file's folder is tried. */
static int make_database(void)
{
    char source[] = __FILE__, script[1100];
    const char *scripts = getenv("SMARTCRD_E2E");

    snprintf(script, sizeof(script), "%s/cac-db.sh", scripts != NULL ? scripts : dirname(source));
    int status = program("log", "/bin/sh", script, in_folder("db"), PIN);
    return status != 0 ? status : program("cert1.der", "certutil", "-L", "-d", in_folder("db"), "-n", "cert1", "-r");
}

static void clean_up(void)
{
    program("log", "rm", "-rf", folder);
    rmdir(folder);
}

int main(void)
{
#define WITH_READER(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WITH_READER(options_that_would_break_libcacard_are_refused_in_words),
        WITH_READER(over_t0_it_gives_its_certificate_whole_and_a_signature_that_openssl_verifies),
        WITH_READER(over_t1_it_gives_its_certificate_whole_and_a_signature_that_openssl_verifies),
        WITH_READER(over_t1_one_extended_apdu_signs_as_two_short_ones_do),
        WITH_READER(it_signs_only_after_the_right_pin_and_a_reset_logs_out),
        WITH_READER(taken_out_while_it_signs_it_can_be_put_in_again),
        WITH_READER(a_second_card_in_the_process_is_refused_in_words),
        WITH_READER(a_second_database_in_the_process_is_refused_in_words),
    };
    int status;

    if (!find_module()) {
        return leave_out("the module smartcrd-card-cac is not built (libcacard-dev is missing)");
    }
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    if (program("log", "openssl", "version") == 127) {
        status = leave_out("openssl is not installed");
    } else if ((status = make_database()) == SKIP) {
        status = leave_out("certutil is not installed (libnss3-tools)");
    } else if (status != 0) {
        fprintf(stderr, "the certificate database cannot be made\n");
        status = 1;
    } else {
        status = cmocka_run_group_tests(tests, NULL, NULL);
    }
    clean_up();
    return status;
}
