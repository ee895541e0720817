/* SPDX-License-Identifier: MIT */
/* See bench.h. */
#include "bench.h"

#include <smartcrd/vreader.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double bench_instructions(const char *self, const char *function, const char *what)
{
    char command[1024], line[256];
    double collected = BENCH_UNKNOWN;

    if (bench_is_quick())
        return BENCH_UNKNOWN;
    snprintf(command, sizeof(command),
             "valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=%s '%s' --counted %s 2>&1",
             function, self, what);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL) {
        return BENCH_UNKNOWN;
    }
    while (fgets(line, sizeof(line), pipe) != NULL) {
        char *at = strstr(line, "Collected : ");
        if (at != NULL) {
            collected = strtod(at + strlen("Collected : "), NULL);
        }
    }
    return pclose(pipe) == 0 && collected > 0 ? collected : BENCH_UNKNOWN;
}

void bench_check(NTSTATUS status, const char *what)
{
    if (status < 0) {
        const char *name = smartcrd_status_name(status);
        fprintf(stderr, "bench: %s: %s (0x%08X)\n", what, name != NULL ? name : "?", (unsigned)status);
        exit(1);
    }
}

void bench_vendor(struct smartcrd_handle *handle, uint32_t code, const char *text)
{
    char reply[256];
    struct smartcrd_request request = {
        .code = code,
        .in = text,
        .in_size = strlen(text),
        .out = reply,
        .out_size = sizeof(reply),
        .timeout_ms = SMARTCRD_NO_TIMEOUT,
    };
    bench_check(smartcrd_control(handle, &request, NULL), text);
}

void bench_add_echo(struct smartcrd *context, uint32_t protocol, struct smartcrd_handle **handle,
                    struct smartcrd_handle **panel)
{
    char name[SMARTCRD_NAME_MAX], panel_name[SMARTCRD_NAME_MAX + 8];
    struct smartcrd_handle *slot;
    uint8_t atr[33];
    size_t atr_size = sizeof(atr);

    bench_check(smartcrd_add_reader(context, "vreader", name, sizeof(name)), "add a reader");
    snprintf(panel_name, sizeof(panel_name), "%s-panel", name);
    bench_check(smartcrd_open(context, panel_name, &slot), "open the panel");
    bench_vendor(slot, IOCTL_VREADER_INSERT, "echo");
    bench_check(smartcrd_open(context, name, handle), "open the reader");
    bench_check(smartcrd_power(*handle, SCARD_COLD_RESET, atr, &atr_size, SMARTCRD_NO_TIMEOUT), "power");
    bench_check(smartcrd_set_protocol(*handle, protocol, NULL, SMARTCRD_NO_TIMEOUT), "select the protocol");
    if (panel != NULL) {
        *panel = slot;
    } else {
        smartcrd_close(slot);
    }
}

struct smartcrd *bench_echo_reader(uint32_t protocol, struct smartcrd_handle **handle, struct smartcrd_handle **panel)
{
    struct smartcrd *context;

    bench_check(smartcrd_create(NULL, &context), "create a context");
    bench_check(smartcrd_load_driver(context, "vreader", NULL, 0), "load the driver vreader");
    bench_add_echo(context, protocol, handle, panel);
    return context;
}

struct smartcrd_request bench_short_apdu(uint32_t protocol, uint8_t *buffer)
{
    static const uint8_t apdu[] = {0x00, 0xB0, 0x00, 0x00, 0x02};
    const SCARD_IO_REQUEST header = {protocol, sizeof(SCARD_IO_REQUEST)};
    memcpy(buffer, &header, sizeof(header));
    memcpy(buffer + sizeof(header), apdu, sizeof(apdu));
    return (struct smartcrd_request){
        .code = IOCTL_SMARTCARD_TRANSMIT,
        .in = buffer,
        .in_size = sizeof(header) + sizeof(apdu),
        .out = buffer + 32,
        .out_size = 32,
        .timeout_ms = SMARTCRD_NO_TIMEOUT,
    };
}
