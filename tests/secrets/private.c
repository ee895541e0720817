/* SPDX-License-Identifier: MIT */
/*
 * Who else can reach what is created: files are their user's alone whatever the umask says, and a vpcd card listens on
 * the loopback interface unless told otherwise. (The shell's history: commands.c.)
 */
#include "../e2e/support.h"

#include <arpa/inet.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTENING 0x0Au /* of /proc/net/tcp */

/* The address, in hex as the kernel writes it, on which a port of this machine is listened to; "" when none is. */
static void listener(const char *table, unsigned port, char address[33])
{
    FILE *file = fopen(table, "re");
    char line[512];

    address[0] = '\0';
    if (!file)
        return; /* there is no IPv6 */
    while (fgets(line, sizeof line, file)) {
        char local[33];
        unsigned local_port, state;

        if (sscanf(line, " %*u: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x", local, &local_port, &state) == 3 &&
            local_port == port && state == LISTENING)
            memcpy(address, local, sizeof local);
    }
    fclose(file);
}

static unsigned port_of(struct world *world)
{
    char text[256] = "";

    assert_status(control(world->panel, IOCTL_VREADER_STATUS, NULL, 0, text, sizeof text - 1, NULL), STATUS_SUCCESS);
    assert_non_null(strstr(text, "port="));
    return (unsigned)strtoul(strstr(text, "port=") + 5, NULL, 10);
}

static void a_vpcd_card_listens_on_loopback_alone(void **state)
{
    struct world *world = *state;
    char address[33];

    insert_card(world, "vpcd port=0");
    listener("/proc/net/tcp", port_of(world), address);
    assert_string_equal(address, "0100007F"); /* 127.0.0.1, its bytes as they are in memory here */
    listener("/proc/net/tcp6", port_of(world), address);
    assert_string_equal(address, "");
}

static void a_vpcd_card_listens_elsewhere_when_told_so(void **state)
{
    struct world *world = *state;
    char address[33];

    insert_card(world, "vpcd port=0 bind=0.0.0.0");
    listener("/proc/net/tcp", port_of(world), address);
    assert_string_equal(address, "00000000");
}

static void a_port_file_is_private_whatever_the_umask(void **state)
{
    struct world *world = *state;
    char folder[] = "/tmp/smartcrd-private-XXXXXX", path[64], line[128];
    mode_t before = umask(0);
    struct stat status;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/port", folder);
    snprintf(line, sizeof line, "vpcd port=0 portfile=%s", path);
    insert_card(world, line);
    umask(before);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* and nothing else was left there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_vpcd_card_listens_on_loopback_alone, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_vpcd_card_listens_elsewhere_when_told_so, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_port_file_is_private_whatever_the_umask, world_setup, world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
