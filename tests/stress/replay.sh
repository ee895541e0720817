#!/bin/sh
# SPDX-License-Identifier: MIT
# With one thread and simulated time a run is the same again: replay.sh STRESS.
set -eu
one=$("$1" --threads 1 --simulated-time --operations 200000 --seed 7 | grep -o 'digest [0-9a-f]*')
two=$("$1" --threads 1 --simulated-time --operations 200000 --seed 7 | grep -o 'digest [0-9a-f]*')
other=$("$1" --threads 1 --simulated-time --operations 200000 --seed 8 | grep -o 'digest [0-9a-f]*')
echo "seed 7: $one, $two; seed 8: $other"
[ -n "$one" ] && [ "$one" = "$two" ] && [ "$one" != "$other" ]
