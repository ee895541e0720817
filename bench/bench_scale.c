/* SPDX-License-Identifier: MIT */
/* Many readers, many requests in flight, many processors: what each costs more for it, which should be nothing. */
#include "scale.h"

int main(int argc, char **argv)
{
    bench_begin(&argc, argv);
    scale_readers();
    scale_flight();
    scale_cores();
    return 0;
}
