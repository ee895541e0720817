/* SPDX-License-Identifier: MIT */
/* See bench.h. */
#include "bench.h"

#include <smartcrd/vreader.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double bench_percentile(double *samples, size_t count, double percent)
{
    if (count == 0) {
        return 0;
    }
    qsort(samples, count, sizeof(*samples), compare);
    size_t at = (size_t)((double)count * percent / 100);
    return samples[at < count ? at : count - 1];
}

void bench_line(const char *name, double figure, const char *unit, double target)
{
    if (target > 0) {
        printf("%-64s %10.1f %-12s target: under %g%s\n", name, figure, unit, target,
               figure < target ? "" : "  MISSED");
    } else {
        printf("%-64s %10.1f %s\n", name, figure, unit);
    }
    fflush(stdout);
}

double bench_instructions(const char *self, const char *function, const char *what)
{
    char command[1024], line[256];
    double collected = -1;
    snprintf(command, sizeof(command),
             "valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=%s '%s' --counted %s 2>&1",
             function, self, what);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL) {
        return -1;
    }
    while (fgets(line, sizeof(line), pipe) != NULL) {
        char *at = strstr(line, "Collected : ");
        if (at != NULL) {
            collected = strtod(at + strlen("Collected : "), NULL);
        }
    }
    return pclose(pipe) == 0 && collected > 0 ? collected : -1;
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

struct smartcrd *bench_echo_reader(uint32_t protocol, struct smartcrd_handle **handle, struct smartcrd_handle **panel)
{
    struct smartcrd *context;
    char name[SMARTCRD_NAME_MAX], panel_name[SMARTCRD_NAME_MAX + 8];
    struct smartcrd_handle *slot;
    uint8_t atr[33];
    size_t atr_size = sizeof(atr);

    bench_check(smartcrd_create(NULL, &context), "create a context");
    bench_check(smartcrd_load_driver(context, "vreader", NULL, 0), "load the driver vreader");
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
