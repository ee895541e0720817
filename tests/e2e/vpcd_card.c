/* SPDX-License-Identifier: MIT */
/*
 * A card simulator in a process of its own: one of the cards of src/cards behind the card side of the vpcd protocol. The
 * tests run it against the virtual reader's vpcd card; it also works with any other reader that speaks vpcd.
 *
 * usage: vpcd_card [--listen] [--hang INS|atr] PORT KIND [OPTION=VALUE ...]
 *
 *   --listen    wait for the reader at 127.0.0.1:PORT instead of going to it there
 *   --hang      never answer the command with this instruction byte (hex), or the question for the ATR
 *
 * Prints "connected", and "hanging" when it begins to; ends with 0 when the reader hangs up, and with 1 and a sentence
 * when something is wrong. Cards that answer later, from a thread of their own (vpcd, cac), are not for this program.
 */
#include "src/cards/card.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ATTEMPTS 100 /* to reach the reader, 100 ms apart */

enum { OFF = 0, ON = 1, RESET = 2, GET_ATR = 4, NOTHING = -1 };

static struct {
    const struct card_kind *kind;
    struct card *card;
    bool listen;
    int hang_ins; /* NOTHING: answer all */
    bool hang_atr;
    uint16_t port;
    uint8_t atr[33];
    ULONG atr_length;
} self = {.hang_ins = NOTHING};

static _Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void give_up(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("vpcd_card: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void announce(const char *word)
{
    puts(word);
    fflush(stdout);
}

static void pause_ms(ULONG ms)
{
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&time, &time) != 0 && errno == EINTR) {
    }
}

static _Noreturn void hang(void)
{
    announce("hanging");
    for (;;) {
        pause();
    }
}

/* ---- the card ---------------------------------------------------------------------------------------------------- */

static VOID no_answer(struct card_slot *slot, ULONG ticket, NTSTATUS status, const UCHAR *bytes, ULONG length)
{
    (void)slot, (void)ticket, (void)status, (void)bytes, (void)length;
    give_up("this card answers from a thread of its own");
}

static VOID no_presence(struct card_slot *slot, BOOLEAN present)
{
    (void)slot, (void)present;
    give_up("this card comes and goes by itself");
}

static void make_card(const char *name, char *const *words)
{
    static const struct card_slot_functions functions = {no_answer, no_presence};
    static struct card_slot slot = {&functions};
    static char line[1024];
    struct card_options options = {.line = line};
    char why[160] = "its options are wrong";
    size_t used = 0;

    for (; *words != NULL; words++) {
        int size = snprintf(line + used, sizeof(line) - used, "%s ", *words);
        if (size < 0 || (size_t)size >= sizeof(line) - used) {
            give_up("too many options");
        }
        used += (size_t)size;
    }
    options.line_length = (ULONG)used;
    self.kind = card_kind_find(name, (ULONG)strlen(name));
    if (self.kind == NULL) {
        give_up("there is no card called %s", name);
    }
    if (self.kind->create(&options, &slot, &self.card, why, sizeof(why)) != STATUS_SUCCESS) {
        give_up("no %s card: %s", name, why);
    }
}

static void wait_as_the_card_does(void)
{
    if (self.kind->delay_ms != NULL) {
        pause_ms(self.kind->delay_ms(self.card));
    }
}

static void power(uint8_t control)
{
    self.atr_length = 0;
    if (control == OFF) {
        if (self.kind->power_off != NULL) {
            self.kind->power_off(self.card);
        }
        return;
    }
    ULONG length = sizeof(self.atr);
    if (self.kind->reset(self.card, control == ON, 1, self.atr, &length) == STATUS_SUCCESS) {
        self.atr_length = length;
        wait_as_the_card_does();
    }
}

/* ---- the line ---------------------------------------------------------------------------------------------------- */

static int reach_reader(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(self.port)};
    int on = 1, fd = -1;

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (self.listen) {
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(listener, (struct sockaddr *)&name, sizeof(name)) != 0 || listen(listener, 1) != 0) {
            give_up("cannot listen on port %u: %s", self.port, strerror(errno));
        }
        fd = accept(listener, NULL, NULL);
        close(listener);
    }
    for (int i = 0; !self.listen && i < ATTEMPTS; i++) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0) {
            break;
        }
        close(fd);
        fd = -1;
        pause_ms(100);
    }
    if (fd < 0) {
        give_up("there is no reader at port %u: %s", self.port, strerror(errno));
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* FALSE: the reader has hung up. */
static bool receive(int fd, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t got = recv(fd, bytes, size, 0);
        if (got <= 0) {
            return false;
        }
        bytes += got;
        size -= (size_t)got;
    }
    return true;
}

static void answer(int fd, uint8_t *message, size_t length)
{
    size_t sent = 0;

    message[0] = (uint8_t)(length >> 8);
    message[1] = (uint8_t)(length & 0xFF);
    while (sent < length + 2) {
        ssize_t count = send(fd, message + sent, length + 2 - sent, MSG_NOSIGNAL);
        if (count <= 0) {
            return; /* the next receive says the same */
        }
        sent += (size_t)count;
    }
}

static void command(int fd, const uint8_t *apdu, size_t size)
{
    static uint8_t message[2 + CARD_MAX_RESPONSE];
    ULONG length = CARD_MAX_RESPONSE;

    if (size >= 4 && apdu[1] == self.hang_ins) {
        hang();
    }
    NTSTATUS status = self.kind->command(self.card, 1, apdu, (ULONG)size, message + 2, &length);
    if (status == STATUS_IO_TIMEOUT) {
        return; /* mute */
    }
    if (status != STATUS_SUCCESS) {
        give_up("the card went away");
    }
    wait_as_the_card_does();
    answer(fd, message, length <= 65535 ? length : 65535);
}

static void serve(int fd)
{
    static uint8_t message[65535];
    uint8_t header[2], atr[2 + 33];

    while (receive(fd, header, 2)) {
        size_t size = (size_t)header[0] << 8 | header[1];
        if (!receive(fd, message, size)) {
            return;
        }
        if (size != 1) {
            command(fd, message, size);
        } else if (message[0] != GET_ATR) {
            power(message[0]);
        } else if (self.hang_atr) {
            hang();
        } else {
            memcpy(atr + 2, self.atr, self.atr_length);
            answer(fd, atr, self.atr_length);
        }
    }
}

int main(int count, char **words)
{
    int i = 1, fd;
    char *end = "";

    for (; i < count && strncmp(words[i], "--", 2) == 0; i++) {
        if (strcmp(words[i], "--listen") == 0) {
            self.listen = true;
        } else if (strcmp(words[i], "--hang") == 0 && i + 1 < count) {
            self.hang_atr = strcmp(words[++i], "atr") == 0;
            self.hang_ins = self.hang_atr ? NOTHING : (int)strtoul(words[i], &end, 16);
        } else {
            end = words[i];
        }
        if (*end != 0) {
            give_up("%s is not understood", words[i]);
        }
    }
    if (count - i < 2 || strtoul(words[i], &end, 10) - 1 >= 65535 || *end != 0) {
        give_up("usage: vpcd_card [--listen] [--hang INS|atr] PORT KIND [OPTION=VALUE ...]");
    }
    self.port = (uint16_t)strtoul(words[i], NULL, 10);
    make_card(words[i + 1], words + i + 2);
    fd = reach_reader();
    announce("connected");
    serve(fd);
    close(fd);
    self.kind->destroy(self.card);
    return 0;
}
