#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# An idle reader costs no wake-ups: in three seconds no thread of a pcscd with sixteen of them, half with cards, goes to
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

# Cards that nobody uses lose their power five seconds after they came; on a busy machine that may take a while.
sleep 6
slept=
for _ in $(seq 20); do
    before=$(sleeps)
    sleep 3
    slept=$(($(sleeps) - before))
    [ "$slept" -gt 3 ] || break
done
threads=$(ls "$pcscd/task" | wc -l)
echo "$threads threads went to sleep $slept times in 3 seconds"
if [ "$threads" -ge 16 ] && [ "$slept" -le 3 ]; then
    echo '[       OK ] an_idle_reader_costs_no_wake_ups'
else
    echo '[  FAILED  ] an_idle_reader_costs_no_wake_ups'
    exit 1
fi
