#!/bin/sh
# SPDX-License-Identifier: MIT
# The command with a driver that is not the virtual reader: the example, whose vendor codes have a meaning of their own.
. "$(dirname "$0")/cli_support.inc"

driver=${SMARTCRD_EXAMPLE_DRIVER:-}
if [ ! -f "$driver" ]; then
	echo "skipped: the example driver was not built"
	exit 77
fi

ran "a driver from a shared object makes its own reader" 0 --driver "$driver" list, state
says "SCReader0" "PRESENT" "driver example"
ran "its card answers" 0 --driver "$driver" power, protocol t0, send 00A40000 --expect 9000, last-error
says "ATR 3B 04 45 43 48 4F" "STATUS_SUCCESS (0x00000000)"
for command in "insert fs" remove "fault mute"; do
	for queued in "" --queued; do
		# shellcheck disable=SC2086
		ran "$command $queued does nothing to a reader that is not virtual" 1 -k --driver "$driver" $command $queued , state , log
		complains "STATUS_NOT_SUPPORTED" "no virtual reader"
		says "SCReader0: PRESENT" "Nothing has ended"
	done
done
ran "--card does nothing to it either" 2 --driver "$driver" --card fs state
complains "--card" "no virtual reader"
ran "a virtual reader can stand beside it" 0 --driver "$driver" add vreader, list, use vreader0, insert fs, power
says "SCReader0" "driver vreader" "ATR 3B 95"
ran "a driver that is none is refused with the reason" 3 --driver "$work/none.so" list
complains "--driver $work/none.so: STATUS_OBJECT_NAME_NOT_FOUND" "No such file"
one_line
finish
