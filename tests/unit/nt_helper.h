/* SPDX-License-Identifier: MIT */
/*
 * What the host's tests share: a host around each test, deaths that are expected, and time.
 */
#ifndef NT_HELPER_H
#define NT_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "../../src/nt/nt.h"

#define MS 1000000U

__attribute__((unused)) static int host_up(void **state)
{
    struct nt_host *host;

    assert_int_equal(nt_host_create(&host), STATUS_SUCCESS);
    assert_null(nt_enter(host));
    *state = host;
    return 0;
}

__attribute__((unused)) static int host_down(void **state)
{
    nt_enter(NULL);
    nt_host_destroy(*state);
    return 0;
}

#define with_host(test) cmocka_unit_test_setup_teardown(test, host_up, host_down)

__attribute__((unused)) static LARGE_INTEGER milliseconds(LONGLONG ms)
{
    return (LARGE_INTEGER){.QuadPart = -ms * 10000};
}

/* Run `what` in a child; it must end itself with a sentence on standard error that contains `words`. */
__attribute__((unused)) static void assert_dies(void (*what)(void), const char *words)
{
    char said[1024] = "";
    size_t length = 0;
    ssize_t got;
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        what();
        _exit(0);
    }
    close(ends[1]);
    while (length < sizeof(said) - 1 && (got = read(ends[0], said + length, sizeof(said) - 1 - length)) > 0) {
        length += (size_t)got;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    if (strstr(said, words) == NULL) {
        fail_msg("it said \"%s\" instead of \"%s\"", said, words);
    }
}

#endif
