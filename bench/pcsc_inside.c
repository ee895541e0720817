/* SPDX-License-Identifier: MIT */
/* The same exchange through smartcrd.h, in the program itself. */
#include "bench.h"
#include "pcsc.h"

#include <smartcrd/vreader.h>

static struct smartcrd_handle *handle;

void inside_begin(void)
{
    bench_echo_reader(SCARD_PROTOCOL_T1, &handle, NULL);
}

double inside_exchange(const uint8_t *command, size_t size, unsigned count)
{
    uint8_t reply[300];
    uint64_t began = bench_now();

    for (unsigned i = 0; i < count; i++) {
        size_t reply_size = sizeof(reply);

        bench_check(smartcrd_apdu(handle, command, size, reply, &reply_size, SMARTCRD_NO_TIMEOUT), "exchange");
    }
    return (double)(bench_now() - began) / count;
}
