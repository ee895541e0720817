#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# An idle reader costs no wake-ups: in five seconds no thread of a pcscd with sixteen of them, half with cards, goes to
# sleep, because none was awake. (A pcscd that polls them wakes up forty times a second.)
#
# usage: idle.sh; calls itself once more inside
set -uo pipefail

if [ "${1:-}" != inside ]; then
    readers=()
    for _ in 1 2 3 4 5 6 7 8; do
        readers+=(--card echo --card '')
    done
    exec "$(dirname "$0")/under_pcscd" "${readers[@]}" -- "$0" inside
fi

# The brother of this process that is pcscd.
for status in /proc/[0-9]*/status; do
    grep -q "^PPid:[[:space:]]*$PPID\$" "$status" 2>/dev/null && grep -q '^Name:[[:space:]]*pcscd$' "$status" && pcscd=${status%/status}
done
[ -n "${pcscd:-}" ] || { echo 'pcscd is not to be found'; exit 1; }

sleeps() { cat "$pcscd"/task/*/status | awk '/^voluntary_ctxt_switches/ {sum += $2} END {print sum}'; }

# Cards that nobody uses lose their power some seconds after they came.
sleep 12
before=$(sleeps)
sleep 5
after=$(sleeps)
threads=$(ls "$pcscd/task" | wc -l)
echo "$threads threads went to sleep $((after - before)) times in 5 seconds"
if [ "$threads" -ge 16 ] && [ $((after - before)) -le 5 ]; then
    echo '[       OK ] an_idle_reader_costs_no_wake_ups'
else
    echo '[  FAILED  ] an_idle_reader_costs_no_wake_ups'
    exit 1
fi
