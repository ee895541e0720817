/* SPDX-License-Identifier: MIT */
/*
 * smartcrd-pcscd-listen SOCKET COMMAND [ARGUMENT...]
 *
 * Listens at the socket and becomes the command, which finds it as sd_listen_fds(3) describes. So pcscd, which has its
 * socket's path built in, takes another one; smartcrd-pcscd uses that where it may not give it another /run/pcscd.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_DESCRIPTOR 3 /* SD_LISTEN_FDS_START */

static int complain(const char *what)
{
    fprintf(stderr, "smartcrd-pcscd-listen: %s: %s\n", what, strerror(errno));
    return 126;
}

int main(int count, char **words)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char process[16];
    int listener;

    if (count < 3 || strlen(words[1]) >= sizeof(address.sun_path)) {
        fprintf(stderr, "usage: smartcrd-pcscd-listen SOCKET COMMAND [ARGUMENT...]\n");
        return 2;
    }
    memcpy(address.sun_path, words[1], strlen(words[1]));
    umask(S_IRWXG | S_IRWXO); /* the socket is its user's alone */
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, SOMAXCONN) != 0)
        return complain(words[1]);
    if (listener != FIRST_DESCRIPTOR && (dup2(listener, FIRST_DESCRIPTOR) < 0 || close(listener) != 0))
        return complain("dup2");
    snprintf(process, sizeof(process), "%ld", (long)getpid());
    if (setenv("LISTEN_FDS", "1", 1) != 0 || setenv("LISTEN_PID", process, 1) != 0)
        return complain("setenv");
    execvp(words[2], words + 2);
    return complain(words[2]);
}
